/* twin_write.c: statements of the twin that change rows: `copy … from stdin`, inserts and upserts,
 * deletes by key. See twin_server.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "sim/twin_rows.h"
#include "base/banned.h"

#define KEY_MAX 32

static int is_wrong(const struct twin_text *text, struct twin_error *error) {
    return twin_fail(error, "42601", "`weir sim` cannot play this statement, at: %.*s",
                     (int)WR_MIN(text->end - text->at, (ptrdiff_t)60), text->at);
}

static int prepare(struct backend *backend, struct wr_buf *sql, sqlite3_stmt **made,
                   struct twin_error *error) {
    WR_ASSERT(sql->status == 0);
    int status = sqlite_prepare(backend, sql->bytes, made, error);
    wr_buf_release(sql);
    return status;
}

/* Runs a statement to its end: 1 where it gave a row, 0, or -1. */
static int step(struct backend *backend, sqlite3_stmt *statement, struct twin_error *error) {
    int code = sqlite3_step(statement);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : sqlite_failed(backend, error);
}

/* ---- the target ----------------------------------------------------------------------------- */

struct target {
    struct backend *backend;
    struct twin_table table;
    int count, columns[TWIN_COLUMNS_MAX]; /* that are written, in order */
    int key_count, key[KEY_MAX];          /* of `on conflict`: places among those */
    int updates;                          /* do update set */
    int64_t *touched;                     /* rows that this statement has written: 0, a rowid + 1 */
    uint64_t touched_room, touched_count;
    sqlite3_stmt *insert, *find, *update;
};

static void close_target(struct target *target) {
    sqlite3_finalize(target->insert);
    sqlite3_finalize(target->find);
    sqlite3_finalize(target->update);
    wr_free(&wr_budget_control, target->touched);
}

static int choose_columns(struct target *target, struct twin_text *text, struct twin_error *error) {
    if (!text_is(text, "(")) {
        target->count = target->table.count;
        for (int i = 0; i < target->count; i++)
            target->columns[i] = i;
        return 0;
    }
    char **names = WR_ARENA_ARRAY(text->arena, char *, TWIN_COLUMNS_MAX);
    WR_ASSERT(names != NULL);
    target->count = text_names(text, names, TWIN_COLUMNS_MAX);
    if (target->count < 0)
        return is_wrong(text, error);
    for (int i = 0; i < target->count; i++) {
        target->columns[i] = table_column(&target->table, names[i]);
        if (target->columns[i] < 0)
            return twin_fail(error, "42703", "column \"%s\" of relation \"%s\" does not exist",
                             names[i], target->table.name);
    }
    return 0;
}

static const char *name_at(const struct target *target, int place) {
    return target->table.columns[target->columns[place]].name;
}

static int prepare_insert(struct target *target, struct twin_error *error) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "insert into ");
    wr_sql_add_name(&sql, target->table.name);
    for (int i = 0; i < target->count; i++) {
        wr_buf_add_text(&sql, i == 0 ? " (" : ", ");
        wr_sql_add_name(&sql, name_at(target, i));
    }
    wr_buf_add_text(&sql, ") values (");
    for (int i = 0; i < target->count; i++)
        wr_buf_addf(&sql, "%s?%d", i == 0 ? "" : ", ", i + 1);
    wr_buf_add_text(&sql, ") returning rowid");
    return prepare(target->backend, &sql, &target->insert, error);
}

/* ---- on conflict ---------------------------------------------------------------------------- */

static int same_names(const struct target *target, char **names, int count) {
    if (count != target->key_count)
        return 0;
    for (int k = 0; k < target->key_count; k++) {
        int found = 0;
        for (int i = 0; i < count; i++)
            found |= strcmp(names[i], name_at(target, target->key[k])) == 0;
        if (!found)
            return 0;
    }
    return 1;
}

/* Whether an index is over exactly the key; *nulls_equal. */
static int fits_key(const struct target *target, const char *index, struct wr_arena *arena,
                    int *nulls_equal) {
    char *names[KEY_MAX];
    int count = index_over(target->backend, index, names, KEY_MAX, arena);
    *nulls_equal = count > 0;
    if (count > 0)
        return same_names(target, names, count);
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(target->backend->db, "select name from pragma_index_info(?1)", -1,
                                  &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_bind_text(row, 1, index, -1, SQLITE_TRANSIENT);
    while (sqlite3_step(row) == SQLITE_ROW && count < KEY_MAX) {
        const char *name = (const char *)sqlite3_column_text(row, 0);
        names[count++] =
            wr_arena_strndup(arena, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
    }
    sqlite3_finalize(row);
    return same_names(target, names, count);
}

/* The unique index that finds the rows of the key: 0 or -1. */
static int find_index(const struct target *target, struct wr_arena *arena, int *nulls_equal,
                      struct twin_error *error) {
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(
        target->backend->db, "select name from pragma_index_list(?1) where \"unique\" order by 1",
        -1, &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_bind_text(row, 1, target->table.name, -1, SQLITE_TRANSIENT);
    int found = 0, one = 0;
    while (sqlite3_step(row) == SQLITE_ROW) {
        if (!fits_key(target, (const char *)sqlite3_column_text(row, 0), arena, &one))
            continue;
        found = 1;
        *nulls_equal |= one;
    }
    sqlite3_finalize(row);
    return found ? 0
                 : twin_fail(error, "42P10",
                             "there is no unique or exclusion constraint matching the ON CONFLICT "
                             "specification");
}

static int prepare_find(struct target *target, int nulls_equal, struct twin_error *error) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "select rowid from ");
    wr_sql_add_name(&sql, target->table.name);
    for (int k = 0; k < target->key_count; k++) {
        wr_buf_add_text(&sql, k == 0 ? " where " : " and ");
        wr_buf_add_text(&sql, nulls_equal ? "ifnull(" : "");
        wr_sql_add_name(&sql, name_at(target, target->key[k]));
        wr_buf_addf(&sql, nulls_equal ? ", x'00') = ifnull(?%d, x'00')" : " = ?%d", k + 1);
    }
    return prepare(target->backend, &sql, &target->find, error);
}

static int prepare_update(struct target *target, struct twin_error *error) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "update ");
    wr_sql_add_name(&sql, target->table.name);
    for (int i = 0; i < target->count; i++) {
        wr_buf_add_text(&sql, i == 0 ? " set " : ", ");
        wr_sql_add_name(&sql, name_at(target, i));
        wr_buf_addf(&sql, " = ?%d", i + 1);
    }
    wr_buf_addf(&sql, " where rowid = ?%d", target->count + 1);
    return prepare(target->backend, &sql, &target->update, error);
}

/* "on conflict (k) do update set v = excluded.v, …" or "do nothing"; all columns that are no key
 * are set, as the connectors say it. */
static int read_conflict(struct target *target, struct twin_text *text, struct twin_error *error) {
    char *names[KEY_MAX];
    int nulls_equal = 0;
    if (!text_take(text, "on conflict"))
        return 0;
    int count = text_names(text, names, KEY_MAX);
    for (int k = 0; k < count; k++) {
        int place = 0;
        while (place < target->count && strcmp(name_at(target, place), names[k]) != 0)
            place++;
        if (place == target->count)
            return is_wrong(text, error);
        target->key[k] = place;
    }
    target->key_count = count;
    if (count <= 0)
        return is_wrong(text, error);
    target->updates = text_take(text, "do update set");
    if (!target->updates && !text_take(text, "do nothing"))
        return is_wrong(text, error);
    int status = find_index(target, text->arena, &nulls_equal, error);
    if (status == 0)
        status = prepare_find(target, nulls_equal, error);
    return status == 0 && target->updates ? prepare_update(target, error) : status;
}

/* 1 where this statement has written the row already. */
static int touch(struct target *target, int64_t rowid) {
    if (2 * (target->touched_count + 1) > target->touched_room) {
        struct target old = *target;
        target->touched_room = WR_MAX(UINT64_C(64), old.touched_room * 2);
        target->touched =
            wr_alloc_zero(&wr_budget_control, target->touched_room * sizeof *target->touched);
        WR_ASSERT(target->touched != NULL);
        target->touched_count = 0;
        for (uint64_t i = 0; i < old.touched_room; i++)
            if (old.touched[i] != 0)
                touch(target, old.touched[i] - 1);
        wr_free(&wr_budget_control, old.touched);
    }
    uint64_t at = wr_hash_u64((uint64_t)rowid, 1) & (target->touched_room - 1);
    while (target->touched[at] != 0 && target->touched[at] != rowid + 1)
        at = (at + 1) & (target->touched_room - 1);
    if (target->touched[at] != 0)
        return 1;
    target->touched[at] = rowid + 1;
    target->touched_count++;
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int fit_row(const struct target *target, struct rows *rows, struct twin_error *error) {
    for (int i = 0; i < target->count; i++)
        if (twin_fit(&rows->values[i], &target->table.columns[target->columns[i]].type,
                     &rows->arena, error) != 0)
            return -1;
    return 0;
}

static void bind_row(sqlite3_stmt *statement, const struct target *target,
                     const struct rows *rows) {
    for (int i = 0; i < target->count; i++)
        sqlite_bind(statement, i + 1, &rows->values[i]);
}

/* 1: a row of its key is there, and was updated or left alone. */
static int put_over(struct target *target, const struct rows *rows, int64_t *changed,
                    struct twin_error *error) {
    sqlite3_stmt *find = target->find;
    sqlite3_reset(find);
    for (int k = 0; k < target->key_count; k++)
        sqlite_bind(find, k + 1, &rows->values[target->key[k]]);
    int found = step(target->backend, find, error);
    int64_t rowid = found > 0 ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    if (found <= 0 || !target->updates)
        return found;
    if (touch(target, rowid))
        return twin_fail(error, "21000",
                         "ON CONFLICT DO UPDATE command cannot affect row a second time");
    sqlite3_reset(target->update);
    bind_row(target->update, target, rows);
    sqlite3_bind_int64(target->update, target->count + 1, rowid);
    int status = step(target->backend, target->update, error);
    sqlite3_reset(target->update);
    *changed += status == 0;
    return status == 0 ? 1 : -1;
}

/* "Key (id)=(7) already exists.": SQLite names the columns, "t.id, t.part". */
static void add_detail(const struct target *target, const struct rows *rows,
                       struct twin_error *error) {
    const char *names = strstr(sqlite3_errmsg(target->backend->db), "failed: ");
    struct wr_buf keys, values;
    if (names == NULL || strcmp(error->state, "23505") != 0)
        return;
    wr_buf_init(&keys, &wr_budget_control, 0);
    wr_buf_init(&values, &wr_budget_control, 0);
    for (int i = 0; i < target->count; i++) {
        const struct twin_column *column = &target->table.columns[target->columns[i]];
        size_t length = strlen(column->name);
        const char *at = strstr(names, column->name);
        while (at != NULL && (at[-1] != '.' || (at[length] != ',' && at[length] != 0)))
            at = strstr(at + 1, column->name);
        if (at == NULL)
            continue;
        wr_buf_addf(&keys, "%s%s", keys.length == 0 ? "" : ", ", column->name);
        wr_buf_add_text(&values, values.length == 0 ? "" : ", ");
        twin_write(&values, &rows->values[i], &column->type);
    }
    if (keys.length > 0)
        snprintf(error->detail, sizeof error->detail, "Key (%.80s)=(%.150s) already exists.",
                 keys.bytes, values.bytes);
    wr_buf_release(&keys);
    wr_buf_release(&values);
}

static int put(struct target *target, struct rows *rows, int64_t *changed,
               struct twin_error *error) {
    if (fit_row(target, rows, error) != 0)
        return -1;
    int there = target->key_count > 0 ? put_over(target, rows, changed, error) : 0;
    if (there != 0)
        return there < 0 ? -1 : 0;
    sqlite3_reset(target->insert);
    bind_row(target->insert, target, rows);
    int status = step(target->backend, target->insert, error);
    int64_t rowid = status > 0 ? sqlite3_column_int64(target->insert, 0) : 0;
    if (status > 0)
        status = step(target->backend, target->insert, error);
    if (status < 0)
        add_detail(target, rows, error);
    sqlite3_reset(target->insert);
    if (status != 0)
        return -1;
    if (target->key_count > 0)
        touch(target, rowid);
    else
        number_row(target->backend, target->table.name, rowid);
    ++*changed;
    return 0;
}

static int put_all(struct target *target, struct rows *rows, struct pg_result *result) {
    int64_t changed = 0;
    int status = prepare_insert(target, &result->error);
    if (status == 0 && rows->count != target->count)
        status = twin_fail(&result->error, "42601",
                           "INSERT has another number of expressions than "
                           "of target columns");
    int more = status == 0;
    while (more > 0) {
        more = rows_next(rows, &result->error);
        if (more > 0 && put(target, rows, &changed, &result->error) != 0)
            more = -1;
    }
    if (more < 0)
        status = -1;
    target->backend->changed |= changed > 0;
    result->changed = changed;
    snprintf(result->command, sizeof result->command, "INSERT 0 %lld", (long long)changed);
    return status;
}

/* ---- insert, copy --------------------------------------------------------------------------- */

static int open_target(struct target *target, struct backend *backend, struct twin_text *text,
                       struct twin_error *error) {
    char *name = text_table(text);
    *target = (struct target){.backend = backend};
    if (name == NULL)
        return is_wrong(text, error);
    int status = table_find(&target->table, backend, name, text->arena, error);
    return status == 0 ? choose_columns(target, text, error) : status;
}

/* select c0, c1::smallint, … from … */
static int insert(struct backend *backend, const struct twin_call *call, struct twin_text *text,
                  struct pg_result *result) {
    struct target *target = WR_ARENA_ZEROS(&result->arena, struct target, 1);
    struct rows *rows = WR_ARENA_ZEROS(&result->arena, struct rows, 1);
    WR_ASSERT(target != NULL && rows != NULL);
    int status = open_target(target, backend, text, &result->error);
    text_take(text, "overriding system value"); /* no column here is always the server's */
    if (status == 0 && !text_take(text, "select"))
        status = is_wrong(text, &result->error);
    while (status == 0 && text->at < text->end && !text_take(text, "from"))
        text_skip(text);
    if (status == 0)
        status = rows_open(rows, backend, call, text, &result->error);
    if (rows->from != NULL) /* those that are selected: the first ones */
        rows->count = WR_MIN(rows->count, target->count);
    if (status == 0)
        status = read_conflict(target, text, &result->error);
    if (status == 0)
        status = put_all(target, rows, result);
    rows_close(rows);
    close_target(target);
    return status;
}

static int copy(struct backend *backend, const struct twin_call *call, struct twin_text *text,
                struct pg_result *result) {
    struct target *target = WR_ARENA_ZEROS(&result->arena, struct target, 1);
    struct rows *rows = WR_ARENA_ZEROS(&result->arena, struct rows, 1);
    struct twin_type *types = WR_ARENA_ZEROS(&result->arena, struct twin_type, TWIN_COLUMNS_MAX);
    WR_ASSERT(target != NULL && rows != NULL && types != NULL);
    int status = open_target(target, backend, text, &result->error);
    if (status == 0 && !text_take(text, "from stdin (format binary)"))
        status = is_wrong(text, &result->error);
    for (int i = 0; i < target->count; i++)
        types[i] = target->table.columns[target->columns[i]].type;
    if (status == 0 && call->copied == NULL) {
        result->status = PGRES_COPY_IN;
    } else if (status == 0) {
        status =
            rows_copied(rows, backend, call, types, target->count, &result->arena, &result->error);
        if (status == 0)
            status = put_all(target, rows, result);
        rows_close(rows);
    }
    close_target(target);
    return status;
}

/* ---- delete --------------------------------------------------------------------------------- */

/* "t."k" = c0::type and t."l" is not distinct from c1 …": as a condition of SQLite's. */
static int read_where(struct wr_buf *sql, const struct twin_table *table, struct twin_text *text,
                      int *columns, int *count, struct twin_error *error) {
    struct twin_type cast;
    char words[80];
    *count = 0;
    while (text_take(text, "t .")) {
        char *name = text_name(text);
        int column = name == NULL ? -1 : table_column(table, name);
        int is_equal = text_take(text, "=");
        if (column < 0 || (!is_equal && !text_take(text, "is not distinct from")) ||
            text_name(text) == NULL || *count == KEY_MAX)
            return is_wrong(text, error);
        if (text_take(text, "::") && !text_is(text, "and"))
            text_type(text, &cast, words);
        wr_buf_add_text(sql, *count == 0 ? " where " : " and ");
        wr_sql_add_name(sql, name);
        wr_buf_addf(sql, "%s?%d", is_equal ? " = " : " is ", *count + 1);
        columns[(*count)++] = column;
        if (!text_is(text, "and t ."))
            break;
        text_take(text, "and");
    }
    return *count > 0 ? 0 : is_wrong(text, error);
}

static int delete_row(struct backend *backend, sqlite3_stmt *statement, struct rows *rows,
                      const struct twin_table *table, const int *columns, int count,
                      int64_t *changed, struct twin_error *error) {
    for (int i = 0; i < count; i++) {
        if (twin_fit(&rows->values[i], &table->columns[columns[i]].type, &rows->arena, error) != 0)
            return -1;
        sqlite_bind(statement, i + 1, &rows->values[i]);
    }
    int status = step(backend, statement, error);
    *changed += status == 0 ? sqlite3_changes(backend->db) : 0;
    sqlite3_reset(statement);
    return status;
}

static int delete_by(struct backend *backend, const struct twin_call *call, const char *name,
                     struct twin_text *text, struct pg_result *result) {
    struct rows *rows = WR_ARENA_ZEROS(&result->arena, struct rows, 1);
    struct twin_table table = {0};
    sqlite3_stmt *statement = NULL;
    struct wr_buf sql;
    int columns[KEY_MAX], count = 0, more = 1;
    int64_t changed = 0;
    WR_ASSERT(rows != NULL);
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_sql_add_name(&sql, name);
    int status = table_find(&table, backend, name, &result->arena, &result->error);
    if (status == 0)
        status = rows_open(rows, backend, call, text, &result->error);
    if (status == 0)
        status = text_take(text, "where")
                     ? read_where(&sql, &table, text, columns, &count, &result->error)
                     : is_wrong(text, &result->error);
    if (status == 0)
        status = prepare(backend, &sql, &statement, &result->error);
    while (status == 0 && (more = rows_next(rows, &result->error)) > 0)
        status =
            delete_row(backend, statement, rows, &table, columns, count, &changed, &result->error);
    wr_buf_release(&sql);
    sqlite3_finalize(statement);
    rows_close(rows);
    backend->changed |= changed > 0;
    result->changed = changed;
    return status == 0 && more < 0 ? -1 : status;
}

static int delete (struct backend *backend, const struct twin_call *call, struct twin_text *text,
                   struct pg_result *result) {
    char *name = text_table(text);
    if (name == NULL)
        return is_wrong(text, &result->error);
    if (text_take(text, "as t using"))
        return delete_by(backend, call, name, text, result);
    if (text->at < text->end)
        return is_wrong(text, &result->error);
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_add_text(&sql, "delete from ");
    wr_sql_add_name(&sql, name);
    int status = sqlite_do(backend, sql.bytes, &result->error);
    wr_buf_release(&sql);
    number_forget(backend, name);
    backend->changed = 1;
    return status;
}

/* ---- all of them ---------------------------------------------------------------------------- */

int play_write(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    if (text_take(&text, "insert into"))
        return insert(backend, call, &text, result);
    if (text_take(&text, "delete from"))
        return delete (backend, call, &text, result);
    if (text_take(&text, "copy") && !text_is(&text, "("))
        return copy(backend, call, &text, result);
    return 1;
}
