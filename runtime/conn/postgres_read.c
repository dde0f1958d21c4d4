/* postgres_read.c: what a script says of a PostgreSQL source: server, table or query, schema. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/postgres_rows.h"
#include "data/zone.h"

#include "base/banned.h"

static const char *const own_options[] = {WR_POSTGRES_OPTIONS, "query", NULL};

static int schema_of(struct wr_endpoint_bind *bind, const struct postgres_column *columns,
                     uint32_t count, struct wr_error *err) {
    struct wr_schema *schema = wr_schema_new(bind->arena, count);
    if (schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    for (uint32_t c = 0; c < count; c++) {
        schema->fields[c].name = columns[c].name;
        schema->fields[c].name_length = (uint32_t)strlen(columns[c].name);
        schema->fields[c].type = columns[c].type;
    }
    bind->schema = schema;
    return WR_OK;
}

static int look_once(struct wr_endpoint_bind *bind, const struct postgres_read *config,
                     struct wr_error *err) {
    PGconn *connection = NULL;
    struct postgres_column *columns = NULL;
    uint32_t count = 0;
    int status = wr_postgres_connect(&connection, &config->postgres, bind->env, NULL, NULL, err);
    if (status == WR_OK)
        status = postgres_describe(config, connection, bind->arena, &columns, &count, err);
    if (status == WR_OK)
        status = schema_of(bind, columns, count, err);
    wr_postgres_close(&connection);
    return status;
}

/* Connects to see columns and types. */
static int look(struct wr_endpoint_bind *bind, const struct postgres_read *config,
                struct wr_error *err) {
    struct wr_error own = {0}, *error = err != NULL ? err : &own;
    struct postgres_wait wait;
    postgres_wait_init(&wait, config, bind->env, NULL);
    int status = look_once(bind, config, error);
    while (postgres_waits(&wait, config, status, error)) {
        status = postgres_wait_again(&wait, error);
        if (status == WR_OK)
            status = look_once(bind, config, error);
    }
    return wr_postgres_final(status, error);
}

static int query_of_table(struct wr_endpoint_bind *bind, struct postgres_read *config,
                          const char *table, struct wr_error *err) {
    struct wr_buf sql;
    int status = wr_postgres_name(&config->table, bind, table, err);
    if (status != WR_OK)
        return status;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "table ");
    wr_postgres_add_table(&sql, &config->table);
    config->query =
        sql.status == WR_OK ? wr_arena_strndup(bind->arena, sql.bytes, sql.length) : NULL;
    wr_buf_release(&sql);
    return config->query == NULL ? wr_error_set(err, WR_ENOMEM, "postgres: out of memory") : WR_OK;
}

static int read_what(struct wr_endpoint_bind *bind, const struct wr_options *options,
                     struct postgres_read *config, struct wr_error *err) {
    const char *table = NULL, *query = NULL;
    int status = wr_option_text(options, "table", &table, err);
    if (status == WR_OK)
        status = wr_option_text(options, "query", &query, err);
    if (status != WR_OK)
        return status;
    if ((table == NULL) == (query == NULL)) {
        wr_error_script(err, "W203",
                        table == NULL ? "`postgres` needs the option `table` or `query`"
                                      : "`table` and `query` are given: one of them is meant");
        wr_error_at(err, table == NULL ? "1" : "query", 0, 0);
        return WR_ESCRIPT;
    }
    if (table != NULL)
        return query_of_table(bind, config, table, err);
    size_t length = strlen(query);
    while (length > 0 && strchr(" ;\t\r\n", query[length - 1]) != NULL)
        length--;
    config->query = wr_arena_strndup(bind->arena, query, length);
    return config->query == NULL ? wr_error_set(err, WR_ENOMEM, "postgres: out of memory") : WR_OK;
}

static int read_options(struct wr_endpoint_bind *bind, const struct wr_options *options,
                        struct postgres_read *config, struct wr_error *err) {
    static const char *const not_yet[] = {"follow", "wait", NULL};
    static const char *const on_error[] = {"reject", "fail", NULL};
    int fail = 0;
    config->timezone = bind->timezone;
    config->tell_wait = bind->tell_wait;
    int status = wr_options_check(options, "postgres", own_options, wr_options_of_read, err);
    if (status == WR_OK)
        status = wr_options_refuse(options, not_yet, err);
    if (status == WR_OK)
        status = wr_postgres_bind(&config->postgres, bind, options, err);
    if (status == WR_OK)
        status = wr_option_word(options, "on_error", on_error, &fail, err);
    if (status == WR_OK)
        status = wr_option_text(options, "timezone", &config->timezone, err);
    if (status == WR_OK)
        status = wr_zone_find(&config->zone, config->timezone, strlen(config->timezone), err);
    config->fail = (uint8_t)fail;
    return status == WR_OK ? read_what(bind, options, config, err) : status;
}

int postgres_source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct postgres_read *config = WR_ARENA_ZEROS(bind->arena, struct postgres_read, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    if (status == WR_OK)
        status = read_options(bind, &options, config, err);
    if (status == WR_OK)
        status = wr_endpoint_schema(bind, &bind->schema, err);
    if (status == WR_OK && bind->schema == NULL && !bind->may_sample) {
        wr_error_script(err, "W408", "the schema of `%s` is not known without a connection",
                        config->postgres.place);
        wr_error_help(err, "say it: `schema = \"name type, …\"`, or run `weir schema pull SCRIPT`");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    if (status == WR_OK && bind->schema == NULL)
        status = look(bind, config, err);
    if (status != WR_OK)
        return status;
    bind->partition_count = 1;
    bind->bounded = 1;
    bind->resume = config->table.table != NULL ? WR_RESUME_KEY : WR_RESUME_COUNT;
    bind->config = config;
    bind->name =
        config->table.table != NULL
            ? wr_endpoint_textf(bind->arena, "%s/%s", config->postgres.place, config->table.table)
            : wr_endpoint_textf(bind->arena, "%s", config->postgres.place);
    return bind->name != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
}

/* ---- a server that is gone for a while ------------------------------------------------------- */

void postgres_wait_init(struct postgres_wait *wait, const struct postgres_read *read,
                        const struct wr_env *env, const volatile sig_atomic_t *stop) {
    wait->retry = read->postgres.retry;
    wait->retry.failures = 0;
    wait->patience = (struct wr_patience){
        .retry = &wait->retry, .env = env, .place = read->postgres.place, .stop = stop};
}

int postgres_waits(const struct postgres_wait *wait, const struct postgres_read *read, int status,
                   const struct wr_error *why) {
    if (status != WR_EAGAIN || read->tell_wait == NULL)
        return status == WR_EAGAIN && wr_postgres_is_starting(why);
    if (wait->patience.failures == 0)
        read->tell_wait(read->postgres.place, why->text);
    return 1;
}

int postgres_wait_again(struct postgres_wait *wait, struct wr_error *why) {
    int next = wr_patience_again(&wait->patience, why->text);
    if (next != WR_EEND)
        return next == WR_ECANCEL ? wr_patience_stopped(&wait->patience, why) : next;
    int status = wr_patience_gone(&wait->patience, "W603", why);
    wr_error_help(why, "`timeout` and `retries` say how long who reads waits for its server; with "
                       "`--state` the next run goes on from the last checkpoint");
    return status;
}
