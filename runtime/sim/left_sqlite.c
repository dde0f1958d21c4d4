/* left_sqlite.c: a database of the simulated disk as text, so that two can be compared: the bytes
 * of its file depend on how its rows came in transactions. */
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

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
 * of changes to one key is one. */
static char *select_of(const char *table) {
    if (strcmp(table, "weir_commit") == 0)
        return sqlite3_mprintf("select name from weir_commit order by 1");
    if (strncmp(table, "weir_", 5) == 0)
        return sqlite3_mprintf("select count(*) from \"%w\" having count(*) > 0", table);
    return sqlite3_mprintf("select * from \"%w\"", table);
}

static int add_table(struct wr_buf *out, sqlite3 *db, const char *table) {
    char *sql = select_of(table);
    int code = sql == NULL ? SQLITE_NOMEM : add_rows(out, db, table, sql);
    sqlite3_free(sql);
    return code;
}

int left_dump(struct wr_buf *out, const char *path, const char *vfs, struct wr_error *err) {
    sqlite3 *db = NULL;
    sqlite3_stmt *table = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs);
    if (code == SQLITE_OK)
        code = add_rows(out, db, "schema",
                        "select type, name, sql from sqlite_master where name not like "
                        "'weir\\_%' escape '\\' order by name");
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(
            db, "select name from sqlite_master where type = 'table' order by name", -1, &table,
            NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(table)) == SQLITE_ROW)
        code = add_table(out, db, (const char *)sqlite3_column_text(table, 0));
    if (code != SQLITE_DONE) /* as a difference, which says what is wrong with it */
        wr_buf_addf(out, "(no database: %s)\n", sqlite3_errmsg(db));
    sqlite3_finalize(table);
    sqlite3_close(db);
    return out->status == WR_OK
               ? WR_OK
               : wr_error_set(err, out->status, "%s: no memory to compare it", path);
}
