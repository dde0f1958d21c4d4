/* postgres_bind.c: see postgres_bind.h. */
#include "conn/postgres_bind.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "conn/endpoint.h"

#include "base/banned.h"

#define BESIDE "weir_new_"
#define GONE "weir_del_"

static const char *const own_options[] = {WR_POSTGRES_OPTIONS, WR_RETRY_OPTIONS, "mode", NULL};

static int check_names(const struct wr_schema *schema, struct wr_error *err) {
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct wr_field *field = &schema->fields[i];
        const char *why = strlen(field->name) != field->name_length   ? "has a 0 byte"
                          : field->name_length == 0                   ? "is empty"
                          : field->name_length > WR_POSTGRES_NAME_MAX ? "is longer than 63 bytes"
                                                                      : NULL;
        if (why == NULL)
            continue;
        wr_error_script(err, "W403", "column `%.80s` %s: PostgreSQL has no such name", field->name,
                        why);
        wr_error_help(err, "`rename` it");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

static int choose_table(struct wr_endpoint_bind *bind, const struct wr_options *options,
                        struct wr_postgres_target *config, struct wr_error *err) {
    const char *text = NULL;
    int status = wr_option_text(options, "table", &text, err);
    if (status == WR_OK && (text == NULL || text[0] == 0))
        status = wr_option_wrong("table", "`postgres` needs the option `table`: which table?", err);
    if (status == WR_OK)
        status = wr_postgres_name(&config->table, bind, text, err);
    if (status != WR_OK)
        return status;
    int is_audited = wr_value_get(bind->spec, "audited") != NULL;
    if ((config->mode == WR_TABLE_REPLACE || is_audited) &&
        strlen(config->table.table) > WR_POSTGRES_NAME_MAX - strlen(BESIDE))
        return wr_option_wrong(
            "table",
            "option `table`: to be replaced, or audited, its name has at most 54 "
            "bytes: the new table is `" BESIDE "…` until it is complete",
            err);
    config->beside = (struct wr_postgres_name){
        .schema = config->table.schema,
        .table = wr_endpoint_textf(bind->arena, BESIDE "%s", config->table.table),
    };
    config->gone = (struct wr_postgres_name){
        .schema = config->table.schema,
        .table = wr_endpoint_textf(bind->arena, GONE "%s", config->table.table),
    };
    int takes_back = bind->updates && config->mode == WR_TABLE_UPSERT;
    config->gone_schema = takes_back ? wr_table_key_schema(bind) : NULL;
    int lacks = config->beside.table == NULL || config->gone.table == NULL ||
                (takes_back && config->gone_schema == NULL);
    return lacks ? wr_error_set(err, WR_ENOMEM, "postgres: out of memory") : WR_OK;
}

int wr_postgres_sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    static const char *const not_yet[] = {"partition_by", NULL};
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct wr_postgres_target *config = WR_ARENA_ZEROS(bind->arena, struct wr_postgres_target, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    if (status == WR_OK)
        status = wr_options_check(&options, "postgres", own_options, wr_options_of_write, err);
    if (status == WR_OK)
        status = wr_postgres_bind(&config->postgres, bind, &options, err);
    if (status == WR_OK)
        status = wr_options_refuse(&options, not_yet, err);
    if (status == WR_OK)
        status = wr_table_choose_mode(bind, &options, "postgres", &config->mode, &config->key_count,
                                      &config->key, err);
    bind->by_key = config->key_count > 0;
    if (status == WR_OK && config->mode == WR_TABLE_NEW)
        status = wr_option_wrong(
            "mode", "option `mode` must be \"upsert\", \"append\" or \"replace\"", err);
    if (status == WR_OK)
        status = choose_table(bind, &options, config, err);
    if (status == WR_OK)
        status = check_names(bind->input, err);
    if (status != WR_OK)
        return status;
    bind->config = config;
    bind->retry = &config->postgres.retry;
    bind->name =
        wr_endpoint_textf(bind->arena, "%s/%s", config->postgres.place, config->table.table);
    return bind->name == NULL ? wr_error_set(err, WR_ENOMEM, "postgres: out of memory") : WR_OK;
}
