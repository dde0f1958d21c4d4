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

static int check_names(const struct wr_schema *schema, struct wr_error *err) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        if (strlen(field->name) != field->name_length)
            return wr_error_script(err, "W403", "SQLite takes no column name with a 0 byte");
        for (uint32_t k = 0; k < i; k++)
            if (strcasecmp(schema->fields[k].name, field->name) == 0) {
                wr_error_script(err, "W403", "to SQLite `%s` and `%s` are one column",
                                schema->fields[k].name, field->name);
                wr_error_help(err, "`rename` one of them");
                return WR_ESCRIPT;
            }
    }
    return WR_OK;
}

/* The key's columns alone. */
static int bind_gone(struct wr_sqlite_config *config, const struct wr_endpoint_bind *bind,
                     struct wr_error *err) {
    config->gone = wr_endpoint_textf(bind->arena, "weir_del_%s", config->table);
    if (bind->updates && config->mode == WR_TABLE_UPSERT)
        config->gone_schema = wr_table_key_schema(bind);
    int lacks = config->gone == NULL ||
                (bind->updates && config->mode == WR_TABLE_UPSERT && config->gone_schema == NULL);
    return lacks ? wr_error_set(err, WR_ENOMEM, "sqlite: out of memory") : WR_OK;
}

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
        status = wr_option_text(&options, "table", &config->table, err);
    if (status == WR_OK)
        status = wr_retry_bind(&config->retry, bind, &options, 1, err);
    if (status == WR_OK && config->path[0] == 0)
        status = wr_error_script(err, "W401", "no such file: the path is empty");
    if (status == WR_OK && (config->table == NULL || config->table[0] == 0))
        status = wr_option_wrong("table", "`sqlite` needs the option `table`: which table?", err);
    if (status == WR_OK && strncasecmp(config->table, "sqlite_", 7) == 0)
        status = wr_option_wrong("table",
                                 "option `table`: names that begin with `sqlite_` are SQLite's "
                                 "own",
                                 err);
    static const char *const not_yet[] = {"partition_by", NULL};
    if (status == WR_OK)
        status = wr_options_refuse(&options, not_yet, err);
    if (status == WR_OK)
        status = wr_table_choose_mode(bind, &options, "sqlite", &config->mode, &config->key_count,
                                      &config->key, err);
    bind->by_key = config->key_count > 0;
    if (status == WR_OK)
        status = check_names(bind->input, err);
    if (status == WR_OK)
        status = bind_gone(config, bind, err);
    if (status != WR_OK)
        return status;
    bind->retry = &config->retry;
    config->beside = wr_endpoint_textf(bind->arena, "weir_new_%s", config->table);
    bind->config = config;
    bind->name = wr_endpoint_textf(bind->arena, "sqlite:%s/%s", config->path, config->table);
    if (bind->name == NULL || config->beside == NULL)
        return wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
    return WR_OK;
}
