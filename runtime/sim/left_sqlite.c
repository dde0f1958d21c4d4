/* left_sqlite.c: a database of the simulated disk as text, so that two can be compared: the bytes
 * of its file depend on how its rows came in transactions. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "sim/simulation.h"
#include "base/banned.h"

static void add_bytes(struct wr_buf *out, sqlite3_stmt *row, int column) {
    const unsigned char *bytes = sqlite3_column_blob(row, column);
    int length = sqlite3_column_bytes(row, column);
    wr_buf_add_text(out, "x'");
    for (int i = 0; i < length; i++)
        wr_buf_addf(out, "%02x", bytes[i]);
    wr_buf_add_char(out, '\'');
}

static void add_value(struct wr_buf *out, sqlite3_stmt *row, int column) {
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL: wr_buf_add_text(out, "null"); break;
    case SQLITE_INTEGER:
        wr_buf_addf(out, "%" PRId64, (int64_t)sqlite3_column_int64(row, column));
        break;
    case SQLITE_FLOAT: wr_buf_addf(out, "%.17g", sqlite3_column_double(row, column)); break;
    case SQLITE_TEXT:
        wr_buf_add_char(out, '\'');
        wr_buf_add(out, sqlite3_column_text(row, column),
                   (size_t)sqlite3_column_bytes(row, column));
        wr_buf_add_char(out, '\'');
        break;
    default: add_bytes(out, row, column);
    }
}

/* Appends what a statement gives, a line a row, each behind `head`. An SQLite status. */
static int add_rows(struct wr_buf *out, sqlite3 *db, const char *head, const char *sql) {
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
        wr_buf_add_text(out, head);
        for (int i = 0; i < sqlite3_column_count(row); i++) {
            wr_buf_add_text(out, i == 0 ? ": " : ", ");
            add_value(out, row, i);
        }
        wr_buf_add_char(out, '\n');
        code = SQLITE_OK;
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Tables of weir's own name a state by a number that is drawn, and count rows as they came: a batch
 * of changes to one key is one. A run that ends between its first commit to a server and that of
 * its state leaves a row that nobody asks for. What leads back to before the last epoch depends on
 * where that began. */
static char *select_of(const char *table) {
    const char *dot = strrchr(table, '.'); /* of a server's schema */
    const char *name = dot == NULL ? table : dot + 1;
    if (strcmp(name, "weir_commit") == 0)
        return sqlite3_mprintf("select distinct name from \"%w\" order by 1", table);
    if (strncmp(name, "weir_undo_", 10) == 0)
        return sqlite3_mprintf("select 1 where 0");
    if (strncmp(name, "weir_", 5) == 0)
        return sqlite3_mprintf("select count(*) from \"%w\" having count(*) > 0", table);
    return sqlite3_mprintf("select * from \"%w\"", table);
}

/* Where rows take the place of others by their key, their order is that of the changes. */
static int has_key(sqlite3 *db, const char *table) {
    sqlite3_stmt *row = NULL;
    int has = 0;
    char *sql = sqlite3_mprintf("select 1 from pragma_index_list(%Q) where \"unique\"", table);
    if (sql != NULL && sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK)
        has = sqlite3_step(row) == SQLITE_ROW;
    sqlite3_finalize(row);
    sqlite3_free(sql);
    return has;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines behind `from` in the order of their bytes. */
static int sort_lines(struct wr_buf *out, size_t from) {
    size_t count = 0, length = out->length - from;
    for (size_t i = from; i < out->length; i++)
        count += out->bytes[i] == '\n';
    char *copy = wr_strndup(&wr_budget_control, length == 0 ? "" : out->bytes + from, length);
    char **lines = wr_alloc(&wr_budget_control, (count + 1) * sizeof *lines);
    int status = copy == NULL || lines == NULL ? WR_ENOMEM : WR_OK;
    char *at = copy;
    for (size_t i = 0; status == WR_OK && i < count; i++) {
        lines[i] = at;
        at = memchr(at, '\n', length - (size_t)(at - copy));
        *at++ = 0;
    }
    if (status == WR_OK && count > 1)
        qsort(lines, count, sizeof *lines, by_bytes);
    out->length = status == WR_OK ? from : out->length;
    for (size_t i = 0; status == WR_OK && i < count; i++) {
        wr_buf_add_text(out, lines[i]);
        status = wr_buf_add_char(out, '\n');
    }
    wr_free(&wr_budget_control, lines);
    wr_free(&wr_budget_control, copy);
    return status;
}

static int add_table(struct wr_buf *out, sqlite3 *db, const char *table) {
    size_t from = out->length;
    char *sql = select_of(table);
    int code = sql == NULL ? SQLITE_NOMEM : add_rows(out, db, table, sql);
    sqlite3_free(sql);
    if (code == SQLITE_OK && out->status == WR_OK && has_key(db, table))
        code = sort_lines(out, from) == WR_OK ? SQLITE_OK : SQLITE_NOMEM;
    return code;
}

#define TABLES "select name from sqlite_master where type = 'table'"
/* Those of a state itself. */
#define NOT_OURS \
    " tbl_name not in ('meta', 'part', 'piece', 'rows', 'spool', " \
    "'weir_partitions') and tbl_name not like 'sqlite_%'"

/* Its schema, by a statement, and the rows of tables, by another. */
static int add_all(struct wr_buf *out, sqlite3 *db, const char *schema, const char *tables,
                   const char *name, struct wr_error *err) {
    sqlite3_stmt *table = NULL;
    int code = add_rows(out, db, "schema", schema);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(db, tables, -1, &table, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(table)) == SQLITE_ROW)
        code = add_table(out, db, (const char *)sqlite3_column_text(table, 0));
    if (code != SQLITE_DONE) /* as a difference, which says what is wrong with it */
        wr_buf_addf(out, "(no database: %s)\n", sqlite3_errmsg(db));
    sqlite3_finalize(table);
    return out->status == WR_OK
               ? WR_OK
               : wr_error_set(err, out->status, "%s: no memory to compare it", name);
}

int left_dump(struct wr_buf *out, const char *path, const char *vfs, struct wr_error *err) {
    sqlite3 *db = NULL;
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs); /* what fails is told by what follows */
    int status = add_all(out, db,
                         "select type, name, sql from sqlite_master where name not like "
                         "'weir\\_%' escape '\\' order by name",
                         TABLES " order by name", path, err);
    sqlite3_close(db);
    return status;
}

int left_dump_tables(struct wr_buf *out, const char *path, const char *vfs, struct wr_error *err) {
    sqlite3 *db = NULL;
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs);
    int status = add_all(
        out, db, "select type, name, sql from sqlite_master where" NOT_OURS " order by name",
        TABLES " and" NOT_OURS " order by name", path, err);
    sqlite3_close(db);
    return status;
}

int left_dump_server(struct wr_buf *out, void *db, const char *name, struct wr_error *err) {
    return add_all(out, db,
                   "select type, name, sql from sqlite_master where type = 'table' and name not "
                   "like 'weir\\_%' escape '\\' and name not like '%.weir\\_%' escape '\\' "
                   "order by name",
                   TABLES " order by name", name, err);
}
