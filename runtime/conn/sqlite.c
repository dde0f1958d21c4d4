/* sqlite.c: see sqlite.h. */
#include "conn/sqlite.h"

#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/sql.h"
#include "data/schema.h"
#include "data/text.h"
#include "state/store.h"

#include "base/banned.h"

#define DECLARED_BYTES_MAX 256
#define FOLDER_BYTES_MAX 4096

int wr_sqlite_failed(struct sqlite3 *db, const char *path, const char *what, struct wr_error *err) {
    int code = db == NULL ? SQLITE_NOMEM : sqlite3_errcode(db) & 0xff;
    const char *message = db == NULL ? "out of memory" : sqlite3_errmsg(db);
    int number = db == NULL ? 0 : wr_store_sqlite_errno(db);
    if (code != SQLITE_CANTOPEN && number != EFBIG) /* what it says itself is as good */
        number = 0;
    int status = code == SQLITE_NOMEM                              ? WR_ENOMEM
                 : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WR_ECORRUPT
                 : code == SQLITE_BUSY || code == SQLITE_LOCKED    ? WR_EREFUSED
                 : number != 0                                     ? wr_env_errno_status(number)
                                                                   : WR_EIO;
    if (number == 0)
        wr_error_set(err, status, "sqlite:%s: %s: %s", path, what, message);
    else
        wr_env_fail(err, what, path, number);
    if (code == SQLITE_BUSY)
        wr_error_help(err, "another program writes to this file; `timeout = \"30s\"` waits longer");
    else if (code == SQLITE_FULL)
        wr_error_code(err, "W610");
    else if (code == SQLITE_READONLY || code == SQLITE_PERM)
        wr_error_code(err, "W611");
    return status;
}

/* SQLite says "no such file" of one that it could not make: its folder is not there, or is not
 * ours to write in. */
static int cannot_be_made(const struct wr_env *env, const char *path, struct wr_error *err) {
    char folder[FOLDER_BYTES_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof folder)
        return WR_ENOENT;
    if (slash != NULL)
        memcpy(folder, path, length);
    folder[length] = 0;
    struct wr_file_info info;
    if (env->stat(env, folder, &info) == WR_OK)
        return wr_env_fail(err, "open", path, EACCES);
    wr_error_help(err, "there is no directory `%s`", folder);
    return WR_ENOENT;
}

int wr_sqlite_open(struct sqlite3 **db, const struct wr_env *env, const char *path, int read_only,
                   int timeout_ms, struct wr_error *err) {
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    *db = NULL;
    int code = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, env->sqlite_vfs);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(*db, 1);
        sqlite3_busy_timeout(*db, timeout_ms);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        /* The first look into the file: tells one that is no database. */
        code = sqlite3_exec(*db, "select 1 from sqlite_schema limit 1", NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        return WR_OK;
    int status = wr_sqlite_failed(*db, path, "open", err);
    if (status == WR_ENOENT)
        status = cannot_be_made(env, path, err);
    sqlite3_close(*db);
    *db = NULL;
    return status;
}

int wr_sqlite_is_state(const struct wr_env *env, const char *path) {
    char made[FOLDER_BYTES_MAX];
    struct wr_file_info info;
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    size_t length = (size_t)(name - path);
    if (strcmp(name, "state.db") != 0 || length + sizeof "MADE" > sizeof made)
        return 0;
    memcpy(made, path, length);
    memcpy(made + length, "MADE", sizeof "MADE");
    return env->stat(env, made, &info) == WR_OK;
}

int wr_sqlite_exec(struct sqlite3 *db, const char *path, const char *sql, struct wr_error *err) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return WR_OK;
    char what[80];
    size_t length = strcspn(sql, "(\n");
    if (length >= sizeof what)
        length = sizeof what - 1;
    memcpy(what, sql, length);
    what[length] = 0;
    return wr_sqlite_failed(db, path, what, err);
}

int wr_sqlite_has_column(struct sqlite3 *db, const char *path, const char *table,
                         const char *column, int *has, struct wr_error *err) {
    int code =
        sqlite3_table_column_metadata(db, "main", table, column, NULL, NULL, NULL, NULL, NULL);
    *has = code == SQLITE_OK;
    if (code == SQLITE_OK || code == SQLITE_ERROR) /* it is not there */
        return WR_OK;
    return wr_sqlite_failed(db, path, "read its tables", err);
}

int wr_sqlite_prepare(struct sqlite3 *db, const char *path, const char *sql,
                      struct sqlite3_stmt **statement, struct wr_error *err) {
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK)
        return WR_OK;
    return wr_sqlite_failed(db, path, "prepare", err);
}

int wr_sqlite_has_table(struct sqlite3 *db, const char *path, const char *name, int *there,
                        struct wr_error *err) {
    sqlite3_stmt *row = NULL;
    int status = wr_sqlite_prepare(
        db, path, "select 1 from sqlite_schema where type = 'table' and name = ?1 collate nocase",
        &row, err);
    if (status != WR_OK)
        return status;
    sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    *there = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = wr_sqlite_failed(db, path, "look for a table", err);
    sqlite3_finalize(row);
    return status;
}

/* A text that is longer than SQLite takes would be nil. */
static int bound(int code) {
    return code == SQLITE_OK ? WR_OK : code == SQLITE_TOOBIG ? WR_ELIMIT : WR_ENOMEM;
}

int wr_sqlite_bind_text(struct sqlite3_stmt *statement, int parameter, const char *text,
                        size_t length) {
    if (WR_LIKELY(wr_utf8_valid_prefix(text, length) == length)) {
        int code =
            sqlite3_bind_text64(statement, parameter, text, length, SQLITE_STATIC, SQLITE_UTF8);
        return bound(code);
    }
    char *mended = sqlite3_malloc64(3 * (sqlite3_uint64)length);
    if (mended == NULL)
        return WR_ENOMEM;
    length = wr_utf8_mend(text, length, mended);
    return bound(
        sqlite3_bind_text64(statement, parameter, mended, length, sqlite3_free, SQLITE_UTF8));
}

/* ---- types --------------------------------------------------------------------------------- */

static void upper(const char *text, char out[DECLARED_BYTES_MAX]) {
    size_t i = 0;
    for (; text != NULL && text[i] != 0 && i + 1 < DECLARED_BYTES_MAX; i++)
        out[i] = (char)toupper((unsigned char)text[i]);
    out[i] = 0;
}

int wr_sqlite_add_key(struct wr_buf *sql, const struct wr_field *field, unsigned parameter) {
    wr_buf_add_text(sql, "ifnull(");
    if (parameter > 0)
        wr_buf_addf(sql, "?%u", parameter);
    else
        wr_sql_add_name(sql, field->name);
    return wr_buf_add_text(sql, field->type.kind == WR_BYTES ? ", '')" : ", x'')");
}

enum wr_affinity wr_sqlite_affinity(const char *declared) {
    char name[DECLARED_BYTES_MAX];
    upper(declared, name);
    if (name[0] == 0 || strcmp(name, "ANY") == 0)
        return WR_AFFINITY_ANY;
    if (strstr(name, "INT") != NULL)
        return WR_AFFINITY_INTEGER;
    if (strstr(name, "CHAR") != NULL || strstr(name, "CLOB") != NULL ||
        strstr(name, "TEXT") != NULL)
        return WR_AFFINITY_TEXT;
    if (strstr(name, "BLOB") != NULL)
        return WR_AFFINITY_BLOB;
    if (strstr(name, "REAL") != NULL || strstr(name, "FLOA") != NULL ||
        strstr(name, "DOUB") != NULL)
        return WR_AFFINITY_REAL;
    return WR_AFFINITY_NUMERIC;
}

int wr_sqlite_add_type(struct wr_buf *sql, const struct wr_type *type) {
    switch (type->kind) {
    case WR_BOOL: return wr_buf_add_text(sql, "BOOLEAN");
    case WR_INT64: return wr_buf_add_text(sql, "INTEGER");
    case WR_FLOAT64: return wr_buf_add_text(sql, "REAL");
    case WR_DECIMAL: return wr_buf_addf(sql, "DECIMAL TEXT(%u,%u)", type->precision, type->scale);
    case WR_BYTES: return wr_buf_add_text(sql, "BLOB");
    case WR_TIMESTAMP: return wr_buf_add_text(sql, "TIMESTAMP TEXT");
    case WR_DATE: return wr_buf_add_text(sql, "DATE TEXT");
    case WR_DURATION: return wr_buf_add_text(sql, "DURATION TEXT");
    case WR_JSON:
    case WR_LIST:
    case WR_STRUCT:
    case WR_MAP: return wr_buf_add_text(sql, "JSON TEXT");
    case WR_NIL:
    case WR_STRING:
    case WR_TYPE_KINDS: break;
    }
    return wr_buf_add_text(sql, "TEXT");
}

/* "(18,2)" behind a name. */
static struct wr_type decimal_of(const char *name) {
    const char *bracket = strchr(name, '(');
    struct wr_type type = WR_TYPE(WR_FLOAT64); /* NUMERIC without digits holds any number */
    if (bracket == NULL)
        return type;
    char *end = NULL;
    unsigned long precision = strtoul(bracket + 1, &end, 10), scale = 0;
    if (end != NULL && *end == ',')
        scale = strtoul(end + 1, &end, 10);
    if (precision == 0 || precision > WR_DECIMAL_DIGITS_MAX || scale > precision)
        return type;
    return (struct wr_type){
        .kind = WR_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
}

struct wr_type wr_sqlite_type(const char *declared) {
    char name[DECLARED_BYTES_MAX];
    upper(declared, name);
    if (strncmp(name, "BOOL", 4) == 0)
        return WR_TYPE(WR_BOOL);
    if (strncmp(name, "TIMESTAMP", 9) == 0 || strncmp(name, "DATETIME", 8) == 0)
        return WR_TYPE(WR_TIMESTAMP);
    if (strcmp(name, "DATE") == 0 || strcmp(name, "DATE TEXT") == 0)
        return WR_TYPE(WR_DATE);
    if (strncmp(name, "DURATION", 8) == 0)
        return WR_TYPE(WR_DURATION);
    if (strncmp(name, "JSON", 4) == 0 && strcmp(name, "JSONB") != 0)
        return WR_TYPE(WR_JSON);
    if (strncmp(name, "DECIMAL", 7) == 0 || strncmp(name, "NUMERIC", 7) == 0)
        return decimal_of(name);
    switch (wr_sqlite_affinity(declared)) {
    case WR_AFFINITY_INTEGER: return WR_TYPE(WR_INT64);
    case WR_AFFINITY_REAL: return WR_TYPE(WR_FLOAT64);
    case WR_AFFINITY_TEXT: return WR_TYPE(WR_STRING);
    case WR_AFFINITY_BLOB: return WR_TYPE(WR_BYTES);
    case WR_AFFINITY_ANY:
    case WR_AFFINITY_NUMERIC: break;
    }
    return WR_TYPE(WR_NIL);
}

int wr_sqlite_takes(const char *declared, const struct wr_type *type) {
    char name[DECLARED_BYTES_MAX];
    upper(declared, name);
    enum wr_type_kind kind = type->kind;
    int is_time = kind == WR_TIMESTAMP || kind == WR_DATE || kind == WR_DURATION;
    switch (wr_sqlite_affinity(declared)) {
    case WR_AFFINITY_ANY: return 1;
    case WR_AFFINITY_INTEGER: return kind == WR_INT64 || kind == WR_BOOL;
    case WR_AFFINITY_REAL: return kind == WR_FLOAT64;
    case WR_AFFINITY_TEXT:
        return kind == WR_STRING || kind == WR_DECIMAL || is_time || kind >= WR_JSON;
    case WR_AFFINITY_BLOB: return kind == WR_BYTES;
    case WR_AFFINITY_NUMERIC: /* what looks like a number becomes one: times do not */
        if (strstr(name, "DATE") != NULL || strstr(name, "TIME") != NULL ||
            strstr(name, "DURATION") != NULL)
            return is_time;
        if (strncmp(name, "BOOL", 4) == 0)
            return kind == WR_BOOL || kind == WR_INT64;
        return kind == WR_INT64 || kind == WR_BOOL || kind == WR_FLOAT64;
    }
    return 0;
}
