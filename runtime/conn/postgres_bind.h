/* postgres_bind.h: what a script says of a PostgreSQL sink: server, table, mode, key, and how it
 * waits. Private to the room. */
#pragma once
#include <stdint.h>

#include "conn/postgres.h"
#include "conn/table_sink.h"

struct wr_schema;

/* In the plan's arena. */
struct wr_postgres_target {
    struct wr_postgres postgres;
    struct wr_postgres_name table;
    struct wr_postgres_name beside; /* replace, or held: the table that is filled */
    struct wr_postgres_name gone;   /* held: the table of keys that were taken back */
    const struct wr_schema
        *gone_schema; /* of upserts of a changelog; NULL: nothing is taken back */
    enum wr_table_mode mode;
    uint32_t key_count;
    const uint16_t *key;
};

/* As `bind` of the table of sinks; `config` of the result is a struct wr_postgres_target. */
int wr_postgres_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err);
