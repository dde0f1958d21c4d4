/* sqlite_asked.c: a table or query of a SQLite file that is asked for the rows of keys.
 * One statement with a condition for each key column, stepped once a key; between two calls no lock
 * is held. Whether another connection has changed the file tells `pragma data_version`. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/sql.h"
#include "conn/sqlite.h"
#include "conn/sqlite_rows.h"
#include "base/banned.h"

struct config {
    const struct sqlite_read *read;
    const char *sql; /* with a parameter a key */
    uint32_t key_count;
    enum wr_type_kind *kinds;
};

struct sqlite_asked {
    struct wr_asked base;
    sqlite3 *db;
    sqlite3_stmt *rows, *version;
    int64_t seen;           /* the version at the last call of `changed` */
    uint64_t inode, device; /* of the file that is open */
    const struct wr_column *columns;
    const uint32_t *keys;
    uint32_t count, at;
    uint8_t is_bound; /* the statement stands among the rows of key `at` */
};

static int can_be_key(enum wr_type_kind kind) {
    return kind == WR_INT64 || kind == WR_FLOAT64 || kind == WR_STRING || kind == WR_BYTES ||
           kind == WR_BOOL;
}

/* `by_own`: by the expression over which weir has its own indexes. */
static char *build_sql(struct wr_arena *arena, const struct sqlite_read *read,
                       const struct wr_schema *schema, const uint16_t *keys, uint32_t count,
                       int by_own) {
    struct wr_buf buf, *sql = &buf;
    wr_buf_init(sql, &wr_budget_control, 0);
    /* By name: what `*` stands for may change while the statement is used. */
    for (uint32_t c = 0; c < schema->field_count; c++) {
        wr_buf_add_text(sql, c == 0 ? "select " : ", ");
        wr_sql_add_name(sql, schema->fields[c].name);
    }
    wr_buf_addf(sql, " from (%.*s\n) where ", sqlite_read_length(read), read->sql);
    for (uint32_t i = 0; i < count; i++) {
        wr_buf_add_text(sql, i == 0 ? "" : " and ");
        if (by_own)
            wr_sqlite_add_key(sql, &schema->fields[keys[i]], 0);
        else
            wr_sql_add_name(sql, schema->fields[keys[i]].name);
        wr_buf_addf(sql, " = ?%u", i + 1);
    }
    char *text = sql->status == WR_OK ? wr_arena_strndup(arena, sql->bytes, sql->length) : NULL;
    wr_buf_release(sql);
    return text;
}

/* How SQLite would look for a key. */
enum way { WAY_UNKNOWN, WAY_INDEX, WAY_SCAN };

static enum way way_of(sqlite3 *db, const char *question) {
    sqlite3_stmt *plan = NULL;
    enum way way = WAY_UNKNOWN;
    char *sql = sqlite3_mprintf("explain query plan %s", question);
    if (sql != NULL && sqlite3_prepare_v2(db, sql, -1, &plan, NULL) == SQLITE_OK)
        way = WAY_INDEX;
    while (way != WAY_UNKNOWN && sqlite3_step(plan) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(plan, 3);
        if (detail != NULL && strncmp(detail, "SCAN", 4) == 0)
            way = WAY_SCAN;
    }
    sqlite3_finalize(plan);
    sqlite3_free(sql);
    return way;
}

/* Where no other index has the key one of weir's may. A file that is not there yet says so when the
 * pipeline runs. */
static int choose_sql(struct wr_arena *arena, const struct wr_env *env,
                      const struct wr_schema *schema, const uint16_t *keys, struct config *config,
                      int *scans) {
    sqlite3 *db = NULL;
    config->sql = build_sql(arena, config->read, schema, keys, config->key_count, 0);
    *scans = config->sql != NULL && sqlite_read_open(&db, env, config->read, NULL) == WR_OK &&
             way_of(db, config->sql) == WAY_SCAN;
    if (*scans) {
        const char *own = build_sql(arena, config->read, schema, keys, config->key_count, 1);
        if (own != NULL && way_of(db, own) == WAY_INDEX) {
            config->sql = own;
            *scans = 0;
        }
    }
    sqlite3_close(db);
    return config->sql == NULL ? WR_ENOMEM : WR_OK;
}

static int asked_bind(struct wr_arena *arena, const struct wr_env *env, const void *source,
                      const struct wr_schema *schema, const uint16_t *keys, uint32_t count,
                      void **made, int *scans, struct wr_error *err) {
    struct config *config = WR_ARENA_ZEROS(arena, struct config, 1);
    enum wr_type_kind *kinds = WR_ARENA_ARRAY(arena, enum wr_type_kind, count + 1);
    if (config == NULL || kinds == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_field *field = &schema->fields[keys[i]];
        char name[96];
        kinds[i] = field->type.kind;
        if (can_be_key(kinds[i]))
            continue;
        wr_type_text(&field->type, name, sizeof name);
        wr_error_script(err, "W203", "a database is not asked for keys of type %s (column `%s`)",
                        name, field->name);
        wr_error_help(err, "`weir.read(…)` of it is read whole, and takes any key");
        wr_error_at(err, "on", 0, 0);
        return WR_ESCRIPT;
    }
    *config = (struct config){.read = source, .key_count = count, .kinds = kinds};
    if (choose_sql(arena, env, schema, keys, config, scans) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    *made = config;
    return WR_OK;
}

static void asked_close(struct wr_asked *asked) {
    struct sqlite_asked *self = (struct sqlite_asked *)asked;
    sqlite3_finalize(self->rows);
    sqlite3_finalize(self->version);
    sqlite3_close(self->db);
    self->rows = self->version = NULL;
    self->db = NULL;
}

static int asked_open(struct wr_asked *asked, struct wr_error *err) {
    struct sqlite_asked *self = (struct sqlite_asked *)asked;
    const struct config *config = asked->config;
    const char *path = config->read->path;
    struct wr_file_info info;
    int status = sqlite_read_open(&self->db, asked->env, config->read, err);
    if (status == WR_OK && asked->env->stat(asked->env, path, &info) == WR_OK) {
        self->inode = info.inode;
        self->device = info.device;
    }
    if (status == WR_OK)
        status = wr_sqlite_prepare(self->db, path, "pragma data_version", &self->version, err);
    if (status == WR_OK)
        status = wr_sqlite_prepare(self->db, path, config->sql, &self->rows, err);
    return status == WR_OK ? sqlite_read_check(self->rows, asked->schema, asked->name, err)
                           : status;
}

static int asked_changed(struct wr_asked *asked, int *changed, struct wr_error *err) {
    struct sqlite_asked *self = (struct sqlite_asked *)asked;
    const struct config *config = asked->config;
    struct wr_file_info info;
    if (asked->env->stat(asked->env, config->read->path, &info) == WR_OK &&
        (info.inode != self->inode || info.device != self->device)) { /* another one by its name */
        asked_close(asked);
        int status = asked_open(asked, err);
        if (status != WR_OK)
            return status;
        self->seen = -1;
    }
    int code = sqlite3_step(self->version);
    int64_t version = code == SQLITE_ROW ? sqlite3_column_int64(self->version, 0) : 0;
    sqlite3_reset(self->version);
    if (code != SQLITE_ROW)
        return wr_sqlite_failed(self->db, config->read->path, "read", err);
    *changed = version != self->seen;
    self->seen = version;
    return WR_OK;
}

static int asked_ask(struct wr_asked *asked, const struct wr_column *columns, const uint32_t *rows,
                     uint32_t count, struct wr_error *err) {
    struct sqlite_asked *self = (struct sqlite_asked *)asked;
    (void)err;
    self->columns = columns;
    self->keys = rows;
    self->count = count;
    self->at = 0;
    self->is_bound = 0;
    return WR_OK;
}

static int bind_key(struct sqlite_asked *self, struct wr_error *err) {
    const struct config *config = self->base.config;
    uint32_t row = self->keys[self->at];
    for (uint32_t k = 0; k < config->key_count; k++) {
        const struct wr_column *column = &self->columns[k];
        int parameter = (int)k + 1, code = SQLITE_OK;
        WR_ASSERT(!wr_column_is_nil(column, row));
        if (config->kinds[k] == WR_INT64) {
            code = sqlite3_bind_int64(self->rows, parameter, WR_I64(column)[row]);
        } else if (config->kinds[k] == WR_BOOL) {
            code = sqlite3_bind_int(self->rows, parameter, ((const uint8_t *)column->data)[row]);
        } else if (config->kinds[k] == WR_FLOAT64) {
            code = sqlite3_bind_double(self->rows, parameter, WR_F64(column)[row]);
        } else {
            const struct wr_str *text = &((const struct wr_str *)column->data)[row];
            const char *bytes = wr_str_bytes(text);
            if (config->kinds[k] == WR_BYTES)
                code =
                    sqlite3_bind_blob64(self->rows, parameter, bytes, text->length, SQLITE_STATIC);
            else if (wr_sqlite_bind_text(self->rows, parameter, bytes, text->length) != WR_OK)
                code = SQLITE_NOMEM;
        }
        if (code != SQLITE_OK)
            return wr_sqlite_failed(self->db, config->read->path, "ask", err);
    }
    self->is_bound = 1;
    return WR_OK;
}

static int read_row(struct sqlite_asked *self, struct wr_builder *builder, struct wr_error *err) {
    for (uint32_t c = 0; c < self->base.schema->field_count; c++) {
        int status = WR_OK;
        char detail[SQLITE_DETAIL_MAX];
        if (!wr_builder_wants(builder, c) || sqlite_read_value(builder, c, self->rows, &status))
            continue;
        if (status != WR_OK)
            return status;
        sqlite_read_refusal(&self->base.schema->fields[c], self->rows, c, detail);
        wr_error_script(err, "W502", "%s: %s", self->base.name, detail);
        return WR_ESCRIPT;
    }
    wr_builder_next(builder, builder->row);
    return WR_OK;
}

static int asked_next(struct wr_asked *asked, struct wr_batch **batch, const uint32_t **found_for,
                      struct wr_error *err) {
    struct sqlite_asked *self = (struct sqlite_asked *)asked;
    const struct config *config = asked->config;
    struct wr_builder builder;
    *batch = NULL;
    if (self->at == self->count)
        return WR_EEND;
    if (wr_builder_init(&builder, asked->pool, asked->schema, asked->needed, asked->batch_rows) !=
        WR_OK)
        return WR_ENOMEM;
    builder.zone = config->read->zone;
    uint32_t *of = WR_ARENA_ARRAY(&builder.batch->arena, uint32_t, builder.row_max);
    int status = of == NULL ? WR_ENOMEM : WR_OK;
    *found_for = of;
    while (status == WR_OK && self->at < self->count && builder.row < builder.row_max) {
        int code = SQLITE_ERROR;
        if (!self->is_bound)
            status = bind_key(self, err);
        if (status == WR_OK)
            code = sqlite3_step(self->rows);
        if (code == SQLITE_ROW) {
            of[builder.row] = self->at;
            status = read_row(self, &builder, err);
            continue;
        }
        sqlite3_reset(self->rows); /* gives the lock back */
        self->is_bound = 0;
        if (status == WR_OK && code != SQLITE_DONE)
            status = wr_sqlite_failed(self->db, config->read->path, "ask", err);
        self->at++;
    }
    *batch = wr_builder_finish(&builder);
    if (status == WR_OK)
        return *batch == NULL ? WR_EEND : WR_OK;
    wr_batch_unref(*batch);
    *batch = NULL;
    return status;
}

const struct wr_asked_type wr_asked_sqlite = {
    .size_bytes = sizeof(struct sqlite_asked),
    .bind = asked_bind,
    .open = asked_open,
    .changed = asked_changed,
    .ask = asked_ask,
    .next = asked_next,
    .close = asked_close,
};
