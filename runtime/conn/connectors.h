/* connectors.h: the tables of this room's connectors, one for each file. The registry lists them.
 * */
#pragma once
#include "conn/conn.h"

extern const struct wr_source_type wr_source_file, wr_source_rows, wr_source_generate,
    wr_source_sqlite, wr_source_nexmark, wr_source_postgres, wr_source_follow, wr_source_watch;
extern const struct wr_sink_type wr_sink_file, wr_sink_sqlite, wr_sink_print, wr_sink_stdout,
    wr_sink_tap, wr_sink_blackhole, wr_sink_partitions, wr_sink_postgres, wr_sink_audit,
    wr_sink_state;
