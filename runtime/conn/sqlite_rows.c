/* sqlite_rows.c: see sqlite_rows.h. */
#include "conn/sqlite_rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/file_source.h"
#include "conn/sqlite.h"
#include "data/text.h"
#include "base/banned.h"

int sqlite_read_open(sqlite3 **db, const struct wr_env *env, const struct sqlite_read *config,
                     struct wr_error *err) {
    struct wr_file_info info;
    const char *const *files;
    uint32_t file_count;
    if (env->stat(env, config->path, &info) != WR_OK) {
        struct wr_arena scratch;
        wr_arena_init(&scratch, &wr_budget_control, 1024);
        int status = wr_file_find(env, config->path, &scratch, &files, &file_count, err);
        wr_arena_release(&scratch);
        if (status != WR_OK)
            return status;
    }
    int status = wr_sqlite_open(db, env, config->path, 1, config->timeout_ms, err);
    if (status == WR_EREFUSED && wr_sqlite_is_state(env, config->path))
        wr_error_help(err,
                      "a run holds this state, and nobody else reads it meanwhile: `weir state "
                      "save DIR TO` makes a copy of it while it runs, to read `TO/state.db`");
    return status;
}

int sqlite_read_length(const struct sqlite_read *config) {
    size_t length = strlen(config->sql);
    while (length > 0 && strchr(" ;\t\r\n", config->sql[length - 1]) != NULL)
        length--;
    return (int)WR_MIN(length, (size_t)INT32_MAX);
}

static const char *value_kind(int type) {
    static const char *const names[] = {"?", "an integer", "a real", "text", "a blob", "null"};
    return names[type];
}

int sqlite_read_value(struct wr_builder *builder, uint32_t c, sqlite3_stmt *rows, int *status) {
    const struct wr_field *field = &builder->batch->schema->fields[c];
    enum wr_type_kind kind = field->type.kind;
    int type = sqlite3_column_type(rows, (int)c);
    char text[WR_NUMBER_TEXT_MAX];
    *status = WR_OK;
    switch (type) {
    case SQLITE_NULL: wr_builder_nil(builder, c); return !field->required;
    case SQLITE_INTEGER: {
        int64_t value = sqlite3_column_int64(rows, (int)c);
        if (kind == WR_INT64)
            wr_builder_int64(builder, c, value);
        else if (kind == WR_FLOAT64)
            wr_builder_float64(builder, c, (double)value);
        else if (kind == WR_BOOL && (value == 0 || value == 1))
            wr_builder_bool(builder, c, (int)value);
        else if (kind == WR_DECIMAL || (kind == WR_TIMESTAMP && field->time_format != NULL))
            return wr_builder_text(builder, c, text, (uint32_t)wr_int64_format(value, text),
                                   status);
        else
            return 0;
        return 1;
    }
    case SQLITE_FLOAT:
        if (kind == WR_FLOAT64) {
            wr_builder_float64(builder, c, sqlite3_column_double(rows, (int)c));
            return 1;
        }
        return kind == WR_DECIMAL &&
               wr_builder_text(
                   builder, c, text,
                   (uint32_t)wr_float64_format(sqlite3_column_double(rows, (int)c), text), status);
    default: break;
    }
    const char *bytes = sqlite3_column_blob(rows, (int)c);
    uint32_t length = (uint32_t)sqlite3_column_bytes(rows, (int)c);
    if (bytes == NULL)
        bytes = "";
    if (kind == WR_BYTES) {
        *status = wr_builder_bytes(builder, c, bytes, length);
        return *status == WR_OK;
    }
    return type == SQLITE_TEXT && kind != WR_INT64 && kind != WR_FLOAT64 &&
           wr_builder_text(builder, c, bytes, length, status);
}

void sqlite_read_refusal(const struct wr_field *field, sqlite3_stmt *rows, uint32_t c,
                         char *detail) {
    int type = sqlite3_column_type(rows, (int)c);
    char name[96];
    wr_type_text(&field->type, name, sizeof name);
    const char *raw = (const char *)sqlite3_column_text(rows, (int)c);
    uint32_t length = (uint32_t)sqlite3_column_bytes(rows, (int)c);
    if (type == SQLITE_NULL)
        snprintf(detail, SQLITE_DETAIL_MAX, "column `%s` is required and null", field->name);
    else
        snprintf(detail, SQLITE_DETAIL_MAX, "%s `%.*s` does not fit %s (column `%s`)",
                 value_kind(type), (int)WR_MIN(length, 40u), raw == NULL ? "" : raw, name,
                 field->name);
}

int sqlite_read_check(sqlite3_stmt *rows, const struct wr_schema *schema, const char *name,
                      struct wr_error *err) {
    uint32_t count = (uint32_t)sqlite3_column_count(rows);
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const char *has = c < count ? sqlite3_column_name(rows, (int)c) : NULL;
        if (has != NULL && strcmp(has, schema->fields[c].name) == 0)
            continue;
        wr_error_script(err, "W407", "%s: column %u is `%s`, the schema says `%s`", name, c + 1,
                        has == NULL ? "missing" : has, schema->fields[c].name);
        wr_error_help(err, "the schema has the columns in the order of the table or query");
        return WR_ESCRIPT;
    }
    return WR_OK;
}
