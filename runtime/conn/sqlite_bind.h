/* sqlite_bind.h: what a script says of a SQLite sink: file, table, mode, key, and how it waits.
 * Private to the room. */
#pragma once
#include <stdint.h>

#include "conn/retry.h"
#include "conn/table_sink.h"

struct wr_schema;

struct wr_sqlite_config {
    const char *path, *table;
    const char *beside; /* replace, or held: the table that is filled */
    const char *gone;   /* held: the table of keys that were taken back */
    const struct wr_schema
        *gone_schema; /* of upserts of a changelog; NULL: nothing is taken back */
    enum wr_table_mode mode;
    uint32_t key_count;
    const uint16_t *key;
    struct wr_retry retry; /* while another program has the file locked */
};

/* As `bind` of the table of sinks; `config` of the result is a struct wr_sqlite_config. */
int wr_sqlite_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err);
