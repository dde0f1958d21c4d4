/* sqlite_bind.c: see sqlite_bind.h. */
#include "conn/sqlite_bind.h"

#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/sqlite.h"

#include "base/banned.h"

/* A lock is mostly short: it is looked for soon, and many times. */
#define PAUSE_US_MIN (INT64_C(5) * 1000)
#define PAUSE_US_MAX (INT64_C(500) * 1000)
#define FAILURES 20

static const char *const own_options[] = {"table",   "mode",           "timeout",
                                          "retries", WR_RETRY_OPTIONS, NULL};

int wr_sqlite_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct wr_sqlite_config *config = WR_ARENA_ZEROS(bind->arena, struct wr_sqlite_config, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
    if (status != WR_OK)
        return status;
    config->path = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    config->retry = (struct wr_retry){.retries = UINT64_MAX,
                                      .timeout_us = WR_SQLITE_TIMEOUT_MS * INT64_C(1000),
                                      .pause_us_min = PAUSE_US_MIN,
                                      .pause_us_max = PAUSE_US_MAX,
                                      .failures = FAILURES};
    status = wr_options_check(&options, "sqlite", own_options, wr_options_of_write, err);
    if (status == WR_OK)
        status = wr_option_text(&options, "table", &config->target.table, err);
    if (status == WR_OK)
        status = wr_retry_bind(&config->retry, bind, &options, 1, err);
    if (status == WR_OK && config->path[0] == 0)
        status = wr_error_script(err, "W401", "no such file: the path is empty");
    if (status == WR_OK && (config->target.table == NULL || config->target.table[0] == 0))
        status = wr_option_wrong("table", "`sqlite` needs the option `table`: which table?", err);
    if (status == WR_OK && strncasecmp(config->target.table, "sqlite_", 7) == 0)
        status = wr_option_wrong("table",
                                 "option `table`: names that begin with `sqlite_` are SQLite's "
                                 "own",
                                 err);
    if (status == WR_OK)
        status = wr_sqlite_target_bind(&config->target, bind, &options, "sqlite", err);
    if (status != WR_OK)
        return status;
    bind->retry = &config->retry;
    bind->config = config;
    bind->name = wr_endpoint_textf(bind->arena, "sqlite:%s/%s", config->path, config->target.table);
    return bind->name == NULL ? wr_error_set(err, WR_ENOMEM, "sqlite: out of memory") : WR_OK;
}
