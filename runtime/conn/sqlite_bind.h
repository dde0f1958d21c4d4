/* sqlite_bind.h: what a script says of a SQLite sink: file, table, mode, key, and how it waits.
 * Private to the room. */
#pragma once
#include <stdint.h>

#include "conn/retry.h"
#include "conn/sqlite_write.h"

struct wr_sqlite_config {
    struct wr_sqlite_target target;
    const char *path;
    struct wr_retry retry; /* while another program has the file locked */
};

/* As `bind` of the table of sinks; `config` of the result is a struct wr_sqlite_config. */
int wr_sqlite_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err);
