/* sqlite_source.c: the rows of a table or query of a SQLite file, through a read-only connection.
 *
 * The schema is given, or that of the declared types; a column that declares none gets the type of
 * its first values. A value that is not of its column's type (SQLite allows that) rejects its row
 * (W502).
 * All rows come of one statement, so of one state of the file. A statement that is not done keeps
 * other connections from committing: where a sink of the same run writes to the file, the rows are
 * copied aside first. Position: rows read; a restart reads
 * them again and forgets them, so the order of a query must be fixed (`order by`). */
#include "conn/connectors.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/endpoint.h"
#include "conn/file_source.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "conn/sqlite_rows.h"
#include "conn/sqlite_shared.h"
#include "data/text.h"
#include "data/zone.h"
#include "base/banned.h"

#define SAMPLE_ROWS 1000 /* looked at for the type of a column that declares none */
#define POSITION_VERSION 2

struct sqlite_source {
    struct wr_source base;
    const struct sqlite_read *config;
    sqlite3 *db;
    sqlite3_stmt *rows;
    uint64_t record;      /* rows read, good and bad */
    uint64_t record_from; /* where a restart goes on; reached at the first poll */
    int started, ended;
};

/* ---- bind ---------------------------------------------------------------------------------- */

static const char *const own_options[] = {"table", "query", "timeout", NULL};

/* The type of the first values of one column of the statement. */
static struct wr_type seen_type(const int seen[6]) {
    if (seen[SQLITE_TEXT] > 0)
        return WR_TYPE(WR_STRING);
    if (seen[SQLITE_BLOB] > 0)
        return WR_TYPE(WR_BYTES);
    if (seen[SQLITE_FLOAT] > 0)
        return WR_TYPE(WR_FLOAT64);
    return WR_TYPE(seen[SQLITE_INTEGER] > 0 ? WR_INT64 : WR_STRING);
}

/* Looks at values for the columns whose type is still WR_NIL. */
static int sample(struct wr_endpoint_bind *bind, const struct sqlite_read *config, sqlite3 *db,
                  sqlite3_stmt *rows, struct wr_schema *schema, struct wr_error *err) {
    int unknown = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        unknown += schema->fields[c].type.kind == WR_NIL;
    if (unknown == 0)
        return WR_OK;
    int(*seen)[6] = wr_alloc_zero(&wr_budget_control, schema->field_count * sizeof *seen);
    if (seen == NULL)
        return wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
    int code = SQLITE_ROW, row;
    for (row = 0; row < SAMPLE_ROWS && (code = sqlite3_step(rows)) == SQLITE_ROW; row++)
        for (uint32_t c = 0; c < schema->field_count; c++)
            seen[c][sqlite3_column_type(rows, (int)c)]++;
    int status = WR_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = wr_sqlite_failed(db, config->path, "sample", err);
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (schema->fields[c].type.kind == WR_NIL) {
            schema->fields[c].type = seen_type(seen[c]);
            schema->fields[c].guess =
                seen[c][SQLITE_NULL] == row ? WR_GUESS_NOTHING : WR_GUESS_VALUE;
        }
    bind->inferred_rows = (uint64_t)row;
    wr_free(&wr_budget_control, seen);
    return status;
}

static int schema_of(struct wr_endpoint_bind *bind, const struct sqlite_read *config, sqlite3 *db,
                     sqlite3_stmt *rows, struct wr_error *err) {
    uint32_t count = (uint32_t)sqlite3_column_count(rows);
    struct wr_schema *schema = wr_schema_new(bind->arena, count);
    if (schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
    for (uint32_t c = 0; c < count; c++) {
        struct wr_field *field = &schema->fields[c];
        const char *name = sqlite3_column_name(rows, (int)c);
        size_t length = name == NULL ? 0 : strlen(name);
        field->name = wr_arena_strndup(bind->arena, name == NULL ? "" : name, length);
        if (field->name == NULL)
            return wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
        field->name_length = (uint32_t)length;
        field->type = wr_sqlite_type(sqlite3_column_decltype(rows, (int)c));
        for (uint32_t k = 0; k < c; k++)
            if (strcmp(schema->fields[k].name, field->name) == 0)
                return wr_error_script(err, "W105",
                                       "duplicate name `%s` in the query: "
                                       "`… as other_name`",
                                       field->name);
    }
    int status = sample(bind, config, db, rows, schema, err);
    bind->schema = schema;
    return status;
}

static int missing_table(sqlite3 *db, const char *path, const char *table, struct wr_error *err) {
    const char *best = NULL;
    char near[128] = "";
    uint32_t distance = WR_NAME_FAR;
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, "select name from sqlite_schema where type in ('table', 'view')", -1,
                           &row, NULL) == SQLITE_OK)
        while (sqlite3_step(row) == SQLITE_ROW) {
            best = NULL;
            wr_name_nearer(table, (const char *)sqlite3_column_text(row, 0), &best, &distance);
            if (best != NULL)
                snprintf(near, sizeof near, "%s", best);
        }
    sqlite3_finalize(row);
    wr_error_script(err, "W401", "no table `%s` in `%s`", table, path);
    if (near[0] != 0)
        wr_error_help(err, "did you mean `%s`?", near);
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}

static int prepare_rows(sqlite3 *db, const char *path, const char *sql, const char *table,
                        sqlite3_stmt **rows, struct wr_error *err) {
    const char *tail = NULL;
    if (table != NULL) {
        sqlite3_stmt *row = NULL;
        int found = 0;
        if (sqlite3_prepare_v2(db, "select 1 from pragma_table_info(?1)", -1, &row, NULL) ==
            SQLITE_OK) {
            sqlite3_bind_text(row, 1, table, -1, SQLITE_STATIC);
            found = sqlite3_step(row) == SQLITE_ROW;
        }
        sqlite3_finalize(row);
        if (!found)
            return missing_table(db, path, table, err);
    }
    if (sqlite3_prepare_v2(db, sql, -1, rows, &tail) != SQLITE_OK) {
        wr_error_script(err, "W203", "option `query`: SQLite says: %s", sqlite3_errmsg(db));
        wr_error_at(err, "query", 0, 0);
        return WR_ESCRIPT;
    }
    while (tail != NULL && *tail != 0 && strchr(" \t\r\n;", *tail) != NULL)
        tail++;
    if (*rows != NULL && tail != NULL && *tail == 0 && sqlite3_stmt_readonly(*rows) &&
        sqlite3_column_count(*rows) > 0 && sqlite3_bind_parameter_count(*rows) == 0)
        return WR_OK;
    sqlite3_finalize(*rows);
    *rows = NULL;
    wr_error_script(err, "W203", "option `query` must be one `select`");
    wr_error_at(err, "query", 0, 0);
    return WR_ESCRIPT;
}

/* Opens the file to see columns and types. */
static int look(struct wr_endpoint_bind *bind, const struct sqlite_read *config, const char *table,
                struct wr_error *err) {
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    int status = sqlite_read_open(&db, bind->env, config, err);
    if (status == WR_OK)
        status = prepare_rows(db, config->path, config->sql, table, &rows, err);
    if (status == WR_OK)
        status = schema_of(bind, config, db, rows, err);
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return status;
}

static int read_options(struct wr_endpoint_bind *bind, const struct wr_options *options,
                        struct sqlite_read *config, const char **table, struct wr_error *err) {
    static const char *const not_yet[] = {"follow", "wait", NULL};
    static const char *const on_error[] = {"reject", "fail", NULL};
    const char *query = NULL, *timezone = bind->timezone;
    uint64_t timeout_us = WR_SQLITE_TIMEOUT_MS * UINT64_C(1000);
    int fail = 0;
    int status = wr_options_check(options, "sqlite", own_options, wr_options_of_read, err);
    if (status == WR_OK)
        status = wr_options_refuse(options, not_yet, err);
    if (status == WR_OK)
        status = wr_option_text(options, "table", table, err);
    if (status == WR_OK)
        status = wr_option_text(options, "query", &query, err);
    if (status == WR_OK)
        status = wr_option_word(options, "on_error", on_error, &fail, err);
    if (status == WR_OK)
        status = wr_option_duration(options, "timeout", &timeout_us, err);
    if (status == WR_OK)
        status = wr_option_text(options, "timezone", &timezone, err);
    if (status == WR_OK)
        status = wr_zone_find(&config->zone, timezone, strlen(timezone), err);
    if (status != WR_OK)
        return status;
    if ((*table == NULL) == (query == NULL)) {
        wr_error_script(err, "W203",
                        *table == NULL ? "`sqlite` needs the option `table` or `query`"
                                       : "`table` and `query` are given: one of them is meant");
        wr_error_at(err, *table == NULL ? "1" : "query", 0, 0);
        return WR_ESCRIPT;
    }
    config->fail = (uint8_t)fail;
    config->timeout_ms = (int)WR_MIN(timeout_us / 1000, (uint64_t)INT32_MAX);
    config->sql = query;
    if (query == NULL) {
        struct wr_buf sql;
        wr_buf_init(&sql, &wr_budget_control, 0);
        wr_buf_add_text(&sql, "select * from ");
        wr_sql_add_name(&sql, *table);
        if (sql.status == WR_OK)
            config->sql = wr_arena_strndup(bind->arena, sql.bytes, sql.length);
        wr_buf_release(&sql);
    }
    return config->sql != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
}

static int source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct sqlite_read *config = WR_ARENA_ZEROS(bind->arena, struct sqlite_read, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
    if (status != WR_OK)
        return status;
    const char *table = NULL;
    config->path = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    status = read_options(bind, &options, config, &table, err);
    if (status == WR_OK)
        status = wr_endpoint_schema(bind, &bind->schema, err);
    if (status == WR_OK && bind->schema == NULL && !bind->may_sample) {
        wr_error_script(err, "W408", "the schema of `%s` is not known without reading it",
                        config->path);
        wr_error_help(err, "say it: `schema = \"name type, …\"`, or run `weir schema pull SCRIPT`");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    if (status == WR_OK && bind->schema == NULL)
        status = look(bind, config, table, err);
    if (status != WR_OK)
        return status;
    bind->partition_count = 1;
    bind->bounded = 1;
    bind->resume = WR_RESUME_COUNT;
    bind->config = config;
    bind->name = table != NULL ? wr_endpoint_textf(bind->arena, "sqlite:%s/%s", config->path, table)
                               : wr_endpoint_textf(bind->arena, "sqlite:%s", config->path);
    return bind->name != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "sqlite: out of memory");
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int refuse_value(struct sqlite_source *self, uint32_t c, struct wr_error *err) {
    int type = sqlite3_column_type(self->rows, (int)c);
    char detail[SQLITE_DETAIL_MAX];
    const char *raw = (const char *)sqlite3_column_text(self->rows, (int)c);
    uint32_t raw_length = (uint32_t)sqlite3_column_bytes(self->rows, (int)c);
    sqlite_read_refusal(&self->base.schema->fields[c], self->rows, c, detail);
    if (self->config->fail) {
        wr_error_set(err, WR_EBADROW, "%s: row %llu: %s", self->base.name,
                     (unsigned long long)self->record + 1, detail);
        wr_error_code(err, type == SQLITE_NULL ? "W512" : "W502");
        return WR_EBADROW;
    }
    struct wr_reject reject = {
        .code = type == SQLITE_NULL ? WR_REJECT_MISSING : WR_REJECT_TYPE,
        .detail = detail,
        .raw = raw,
        .raw_length = raw_length,
        .file = self->config->path,
        .record = self->record,
        .source = self->base.source,
        .partition = self->base.partition,
    };
    return self->base.reject == NULL ? WR_OK : self->base.reject(self->base.reject_ctx, &reject);
}

static int read_row(struct sqlite_source *self, struct wr_builder *builder, uint64_t first,
                    struct wr_error *err) {
    for (uint32_t c = 0; c < self->base.schema->field_count; c++) {
        int status = WR_OK;
        if (!wr_builder_wants(builder, c) || sqlite_read_value(builder, c, self->rows, &status))
            continue;
        if (status != WR_OK)
            return wr_error_set(err, status, "%s: out of memory", self->base.name);
        if (self->base.shown != NULL && wr_bit_get(self->base.shown, c) &&
            !self->base.schema->fields[c].required) {
            wr_builder_nil(builder, c);
            continue;
        }
        status = refuse_value(self, c, err);
        self->record++;
        return status;
    }
    wr_builder_next(builder, (uint32_t)(self->record - first));
    self->record++;
    return WR_OK;
}

/* Reads the rows into a temporary table, so that nothing of the file stays locked. */
static int copy_aside(struct sqlite_source *self, struct wr_error *err) {
    const char *path = self->config->path;
    char *sql = sqlite3_mprintf("create temp table weir_rows as %.*s",
                                sqlite_read_length(self->config), self->config->sql);
    int status = sql == NULL ? wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name)
                             : wr_sqlite_exec(self->db, path, sql, err);
    sqlite3_free(sql);
    if (status != WR_OK)
        return status;
    sqlite3_finalize(self->rows);
    self->rows = NULL;
    return wr_sqlite_prepare(self->db, path, "select * from temp.weir_rows", &self->rows, err);
}

/* By the first poll all sinks are open. */
static int start(struct sqlite_source *self, struct wr_error *err) {
    int status = WR_OK;
    if (wr_sqlite_shared_writes(self->base.env, self->db))
        status = copy_aside(self, err);
    while (status == WR_OK && self->record < self->record_from && !self->ended) {
        int code = sqlite3_step(self->rows);
        if (code == SQLITE_ROW)
            self->record++;
        else if (code == SQLITE_DONE)
            self->ended = 1;
        else
            status = wr_sqlite_failed(self->db, self->config->path, "read", err);
    }
    self->started = status == WR_OK;
    return status;
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct sqlite_source *self = (struct sqlite_source *)source;
    *batch = NULL;
    int status = self->started ? WR_OK : start(self, err);
    if (status != WR_OK)
        return status;
    uint64_t end = source->record_limit > 0 ? source->record_limit : UINT64_MAX;
    if (self->ended || self->record >= end)
        return WR_EEND;
    struct wr_builder builder;
    uint32_t row_max = (uint32_t)WR_MIN((uint64_t)source->batch_rows, end - self->record);
    if (wr_builder_init(&builder, source->pool, source->schema, source->needed, row_max) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "%s: memory budget `%s` is used up", source->name,
                            source->pool->budget->name);
    builder.zone = self->config->zone;
    uint64_t first = self->record;
    end = WR_MIN(end, first + UINT32_MAX);
    while (status == WR_OK && builder.row < row_max && self->record < end) {
        int code = sqlite3_step(self->rows);
        if (code == SQLITE_ROW) {
            status = read_row(self, &builder, first, err);
            continue;
        }
        if (code != SQLITE_DONE)
            status = wr_sqlite_failed(self->db, self->config->path, "read", err);
        self->ended = 1;
        sqlite3_reset(self->rows); /* gives the lock back: a sink may write this file */
        break;
    }
    struct wr_batch *made = wr_builder_finish(&builder);
    if (status != WR_OK) {
        wr_batch_unref(made);
        return status;
    }
    if (made == NULL)
        return WR_EEND;
    made->source = source->source;
    made->partition = source->partition;
    made->origin.source = source->name;
    made->origin.file = self->config->path;
    made->origin.first_record = first;
    *batch = made;
    return WR_OK;
}

/* ---- the table ----------------------------------------------------------------------------- */

static void source_close(struct wr_source *source) {
    struct sqlite_source *self = (struct sqlite_source *)source;
    sqlite3_finalize(self->rows);
    sqlite3_close(self->db);
    self->rows = NULL;
    self->db = NULL;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct sqlite_source *self = (struct sqlite_source *)source;
    self->config = source->config;
    int status = sqlite_read_open(&self->db, source->env, self->config, err);
    if (status == WR_OK)
        status =
            prepare_rows(self->db, self->config->path, self->config->sql, NULL, &self->rows, err);
    if (status == WR_OK)
        status = sqlite_read_check(self->rows, source->schema, source->name, err);
    if (status == WR_OK && from != NULL) {
        uint64_t version = wr_reader_varint(from);
        self->record_from = wr_reader_varint(from);
        if (from->failed || version != POSITION_VERSION)
            status =
                wr_error_set(err, WR_ECORRUPT, "%s: the stored position is damaged", source->name);
    }
    if (status != WR_OK)
        source_close(source);
    return status;
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    const struct sqlite_source *self = (const struct sqlite_source *)source;
    wr_buf_add_varint(out, POSITION_VERSION);
    return wr_buf_add_varint(out, self->started ? self->record : self->record_from);
}

const struct wr_source_type wr_source_sqlite = {
    .name = "sqlite",
    .size_bytes = sizeof(struct sqlite_source),
    .bind = source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
    .asked = &wr_asked_sqlite,
};
