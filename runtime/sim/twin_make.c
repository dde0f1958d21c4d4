/* twin_make.c: statements of the twin that make, rename and remove tables and indexes, as the
 * connectors send them and as a file of `weir sim --sql` has them. See twin_server.h.
 *
 * A unique index that holds nulls equal is one of SQLite's over `ifnull(column, x'00')`, since a
 * blob is equal to no text and no number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "sim/twin_server.h"
#include "base/banned.h"

#define KEY_MAX 32

static int is_wrong(const struct twin_text *text, struct twin_error *error) {
    return twin_fail(error, "42601", "`weir sim` cannot play this statement, at: %.*s",
                     (int)WR_MIN(text->end - text->at, (ptrdiff_t)60), text->at);
}

/* Runs what was put together, and gives it back. */
static int run(struct backend *backend, struct wr_buf *sql, struct twin_error *error) {
    WR_ASSERT(sql->status == WR_OK);
    int status = sqlite_do(backend, sql->bytes, error);
    wr_buf_release(sql);
    backend->changed |= status == 0;
    return status;
}

/* ---- create table --------------------------------------------------------------------------- */

struct making {
    struct twin_text *text;
    struct twin_error *error;
    const char *table;
    struct wr_buf sql;
    char *key[KEY_MAX]; /* of `primary key (a, b)` */
    int key_count;
};

/* Text from one place on, as it stands there. */
static void add_since(struct wr_buf *sql, const struct twin_text *text, const char *from) {
    wr_buf_add_char(sql, ' ');
    wr_buf_add(sql, from, (size_t)(text->at - from));
}

/* "strict|strict_small_check": the table, and the name that the server gives to a check. */
static void add_check(struct making *making, const char *column) {
    struct wr_buf name;
    wr_buf_init(&name, &wr_budget_control, 0);
    wr_buf_addf(&name, "%s|%s%s%s_check", making->table, making->table, column == NULL ? "" : "_",
                column == NULL ? "" : column);
    wr_buf_add_text(&making->sql, " constraint ");
    wr_sql_add_name(&making->sql, name.bytes);
    wr_buf_add_text(&making->sql, " check");
    wr_buf_release(&name);
}

/* A literal, as the column's type writes it; or an expression, as it stands there. */
static int add_default(struct making *making, const struct twin_type *type) {
    struct twin_text *text = making->text;
    struct twin_value value;
    struct wr_buf made;
    size_t length = 0;
    const char *from = text->at;
    char *literal = text_literal(text, &length);
    wr_buf_add_text(&making->sql, " default (");
    if (literal != NULL) {
        if (twin_parse(&value, type, literal, length, text->arena, making->error) != 0)
            return -1;
        wr_buf_init(&made, &wr_budget_control, 0);
        twin_write(&made, &value, type);
        char *quoted = sqlite3_mprintf(value.kind == TWIN_TEXT ? "%Q" : "%s",
                                       made.bytes == NULL ? "" : made.bytes);
        wr_buf_add_text(&making->sql, quoted == NULL ? "null" : quoted);
        sqlite3_free(quoted);
        wr_buf_release(&made);
    } else {
        text_skip(text);
        if (text_is(text, "("))
            text_skip(text);
        add_since(&making->sql, text, from);
    }
    wr_buf_add_char(&making->sql, ')');
    return 0;
}

/* What stands behind the type of a column. */
static int add_constraints(struct making *making, const char *column,
                           const struct twin_type *type) {
    struct twin_text *text = making->text;
    for (;;) {
        const char *from = text->at;
        if (text_take(text, "not null")) {
            wr_buf_add_text(&making->sql, " not null");
        } else if (text_take(text, "null")) {
            continue;
        } else if (text_take(text, "primary key")) {
            wr_buf_add_text(&making->sql, " not null primary key");
        } else if (text_take(text, "unique")) {
            wr_buf_add_text(&making->sql, " unique");
        } else if (text_take(text, "default")) {
            if (add_default(making, type) != 0)
                return -1;
        } else if (text_take(text, "check")) {
            from = text->at;
            text_skip(text);
            add_check(making, column);
            add_since(&making->sql, text, from);
        } else if (text_take(text, "references")) {
            text_table(text);
            if (text_is(text, "("))
                text_skip(text);
            add_since(&making->sql, text, from);
        } else {
            return text_is(text, ",") || text_is(text, ")") ? 0 : is_wrong(text, making->error);
        }
    }
}

static int add_column(struct making *making) {
    struct twin_text *text = making->text;
    struct twin_type type;
    char words[80], declared[64];
    char *name = text_name(text);
    if (name == NULL)
        return is_wrong(text, making->error);
    if (text_type(text, &type, words) != 0)
        return twin_fail(making->error, "42704", "`weir sim` has no type `%s` (column \"%s\")",
                         words, name);
    twin_type_declare(&type, declared);
    wr_sql_add_name(&making->sql, name);
    wr_buf_addf(&making->sql, " %s", declared);
    return add_constraints(making, name, &type);
}

/* "primary key (a, b)", "unique (a)", "check (…)", "foreign key (a) references t(b)" */
static int add_rule(struct making *making) {
    struct twin_text *text = making->text;
    const char *from;
    if (text_take(text, "constraint"))
        text_name(text);
    from = text->at;
    if (text_take(text, "primary key")) {
        making->key_count = text_names(text, making->key, KEY_MAX);
    } else if (text_take(text, "unique")) {
        text_skip(text);
    } else if (text_take(text, "check")) {
        from = text->at;
        text_skip(text);
        add_check(making, NULL);
    } else if (text_take(text, "foreign key")) {
        while (!text_is(text, ",") && !text_is(text, ")") && text->at < text->end)
            text_skip(text);
    }
    if (making->key_count < 0)
        return is_wrong(text, making->error);
    add_since(&making->sql, text, from);
    for (int i = 0; i < making->key_count; i++) {
        wr_buf_add_text(&making->sql, ", check (");
        wr_sql_add_name(&making->sql, making->key[i]);
        wr_buf_add_text(&making->sql, " is not null)");
    }
    making->key_count = 0;
    return text_is(text, ",") || text_is(text, ")") ? 0 : is_wrong(text, making->error);
}

static int add_body(struct making *making) {
    static const char *const rules[] = {"constraint", "primary key", "unique (", "check (",
                                        "foreign key"};
    struct twin_text *text = making->text;
    do {
        int is_rule = 0, status;
        for (size_t i = 0; i < WR_COUNT(rules); i++)
            is_rule |= text_is(text, rules[i]);
        status = is_rule ? add_rule(making) : add_column(making);
        if (status != 0)
            return status;
        wr_buf_add_text(&making->sql, text_is(text, ",") ? ", " : "");
    } while (text_take(text, ","));
    return text_take(text, ")") ? 0 : is_wrong(text, making->error);
}

static int make_table(struct backend *backend, struct twin_text *text, struct twin_error *error) {
    struct making making = {.text = text, .error = error};
    wr_buf_init(&making.sql, &wr_budget_control, 0);
    wr_buf_add_text(&making.sql, "create table ");
    if (text_take(text, "if not exists"))
        wr_buf_add_text(&making.sql, "if not exists ");
    char *name = text_table(text);
    int status = name != NULL && text_take(text, "(") ? 0 : is_wrong(text, error);
    if (status == 0) {
        making.table = name;
        wr_sql_add_name(&making.sql, name);
        wr_buf_add_text(&making.sql, " (");
        status = add_body(&making);
    }
    wr_buf_add_char(&making.sql, ')');
    if (status == 0)
        return run(backend, &making.sql, error);
    wr_buf_release(&making.sql);
    return status;
}

/* ---- indexes -------------------------------------------------------------------------------- */

int index_over(struct backend *backend, const char *index, char **names, int most,
               struct wr_arena *arena) {
    sqlite3_stmt *row = NULL;
    int count = 0;
    int code = sqlite3_prepare_v2(backend->db, "select sql from sqlite_master where name = ?1", -1,
                                  &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_bind_text(row, 1, index, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(row) == SQLITE_ROW && sqlite3_column_text(row, 0) != NULL) {
        const char *sql = (const char *)sqlite3_column_text(row, 0);
        struct twin_text text = {sql, sql + strlen(sql), arena};
        while (text.at < text.end && !text_is(&text, "("))
            text.at++;
        text_take(&text, "(");
        while (count < most && text_take(&text, "ifnull (")) {
            names[count++] = text_name(&text);
            text_take(&text, ", x'00')"); /* two tokens: x and '00' */
            text_take(&text, ",");
        }
    }
    sqlite3_finalize(row);
    return count;
}

static int count_indexes(struct backend *backend) {
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(
        backend->db,
        "select coalesce(max(cast(substr(name, 5) as int)), 0) from sqlite_master "
        "where type = 'index' and name like 'key\\_%' escape '\\'",
        -1, &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    int count = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int(row, 0) : 0;
    sqlite3_finalize(row);
    return count;
}

/* create [unique] index [name] on table (a, b) [nulls not distinct] */
static int make_index(struct backend *backend, struct twin_text *text, int unique,
                      struct twin_error *error) {
    struct wr_buf sql;
    char *names[KEY_MAX];
    if (!text_is(text, "on"))
        text_name(text);
    char *table = text_take(text, "on") ? text_table(text) : NULL;
    int count = table == NULL ? -1 : text_names(text, names, KEY_MAX);
    if (count <= 0)
        return is_wrong(text, error);
    int nulls_equal = text_take(text, "nulls not distinct");
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "create %sindex key_%d on ", unique ? "unique " : "",
                count_indexes(backend) + 1);
    wr_sql_add_name(&sql, table);
    for (int i = 0; i < count; i++) {
        wr_buf_add_text(&sql, i == 0 ? " (" : ", ");
        wr_buf_add_text(&sql, nulls_equal ? "ifnull(" : "");
        wr_sql_add_name(&sql, names[i]);
        wr_buf_add_text(&sql, nulls_equal ? ", x'00')" : "");
    }
    wr_buf_add_char(&sql, ')');
    return run(backend, &sql, error);
}

/* ---- the others ----------------------------------------------------------------------------- */

static int drop_table(struct backend *backend, struct twin_text *text, struct twin_error *error) {
    struct wr_buf sql;
    int if_exists = text_take(text, "if exists");
    char *name = text_table(text);
    if (name == NULL)
        return is_wrong(text, error);
    wr_buf_init(&sql, &wr_budget_control, 0);
    number_forget(backend, name);
    wr_buf_addf(&sql, "drop table %s", if_exists ? "if exists " : "");
    wr_sql_add_name(&sql, name);
    return run(backend, &sql, error);
}

/* The new name is in the schema of the old one. */
static int rename_table(struct backend *backend, struct twin_text *text, struct twin_error *error) {
    struct wr_buf sql, name;
    char *from = text_table(text);
    char *to = from != NULL && text_take(text, "rename to") ? text_name(text) : NULL;
    if (to == NULL)
        return is_wrong(text, error);
    const char *dot = strrchr(from, '.');
    wr_buf_init(&name, &wr_budget_control, 0);
    if (dot != NULL)
        wr_buf_add(&name, from, (size_t)(dot - from) + 1);
    wr_buf_add_text(&name, to);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "alter table ");
    wr_sql_add_name(&sql, from);
    wr_buf_add_text(&sql, " rename to ");
    wr_sql_add_name(&sql, name.bytes);
    number_rename(backend, from, name.bytes);
    wr_buf_release(&name);
    return run(backend, &sql, error);
}

int play_make(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    struct twin_error *error = &result->error;
    if (text_take(&text, "create table"))
        return make_table(backend, &text, error);
    if (text_take(&text, "create unique index"))
        return make_index(backend, &text, 1, error);
    if (text_take(&text, "create index"))
        return make_index(backend, &text, 0, error);
    if (text_take(&text, "drop table"))
        return drop_table(backend, &text, error);
    if (text_take(&text, "alter table"))
        return rename_table(backend, &text, error);
    return 1;
}

/* ---- what there is at the start -------------------------------------------------------------- */

/* The line of a file on which a place is. */
static unsigned line_of(const char *text, const char *at) {
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* The type behind a `::`. */
static void pass_type(struct twin_text *text) {
    static const char *const more[] = {"precision", "varying", "with time zone",
                                       "without time zone"};
    text_name(text);
    for (size_t i = 0; i < WR_COUNT(more); i++)
        text_take(text, more[i]);
    if (text_is(text, "("))
        text_skip(text);
}

/* A statement without its casts: values are fitted into their columns afterwards. */
static char *without_casts(const struct twin_text *statement, struct wr_arena *arena) {
    struct twin_text text = *statement;
    struct wr_buf out;
    text.arena = arena;
    wr_buf_init(&out, &wr_budget_control, 0);
    while (text.at < text.end) {
        const char *from = text.at;
        if (text_take(&text, "::")) {
            pass_type(&text);
            continue;
        }
        text_token(&text);
        wr_buf_add(&out, from, (size_t)(text.at - from));
    }
    char *made = wr_arena_strndup(arena, out.bytes == NULL ? "" : out.bytes, out.length);
    WR_ASSERT(made != NULL);
    wr_buf_release(&out);
    return made;
}

static int run_file(struct backend *backend, const char *path, const char *bytes, size_t length,
                    struct wr_error *err) {
    struct wr_arena arena;
    struct twin_text text = {bytes, bytes + length, NULL}, one;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    int status = WR_OK;
    while (status == WR_OK && text_statement(&text, &one)) {
        struct pg_result *result = result_new(PGRES_COMMAND_OK);
        char *sql = without_casts(&one, &arena);
        struct twin_call call = {.sql = sql};
        int played = play_make(backend, &call, result);
        if (played > 0 && (text_is(&one, "insert into") || text_is(&one, "update") ||
                           text_is(&one, "delete from")))
            played = sqlite_do(backend, sql, &result->error);
        else if (played > 0)
            played = text_is(&one, "set") ? 0 : is_wrong(&one, &result->error);
        if (played == 0)
            played = fit_all_rows(backend, &result->error);
        if (played != 0)
            status = wr_error_set(err, WR_EARG, "%s, line %u: %s", path, line_of(bytes, one.at),
                                  result->error.message);
        result_free(result);
    }
    wr_arena_release(&arena);
    return status;
}

int twin_start_read(struct twin_start *start, const char *path, const char *text, size_t length,
                    struct wr_error *err) {
    struct twin twin = {0};
    struct database *database = database_find(&twin, path);
    struct backend *backend = backend_new(database, "");
    int status = run_file(backend, path, text, length, err);
    sqlite3_int64 size = 0;
    twin_start_release(start);
    if (status == WR_OK) {
        start->bytes = sqlite3_serialize(backend->db, "main", &size, 0);
        start->size = size;
        WR_ASSERT(start->bytes != NULL);
    }
    backend_free(backend);
    sqlite3_free(database->bytes);
    wr_arena_release(&database->arena);
    wr_free(&wr_budget_control, database);
    return status;
}

void twin_start_release(struct twin_start *start) {
    sqlite3_free(start->bytes);
    *start = (struct twin_start){0};
}
