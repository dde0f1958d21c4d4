/* store_open.c: opening and closing the state file; see store.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define APPLICATION_ID 0x77656972 /* "weir" */
#define PATH_BYTES_MAX 4096
#define PARTS_MAX 65536u

static const char *const statement_texts[] = {
    [WR_STORE_PART_ADD] =
        "insert into part(name, base_bytes, delta_bytes, sum) values(?1, 0, 0, 0)",
    [WR_STORE_PART_SIZES] =
        "update part set base_bytes = ?2, delta_bytes = ?3, sum = ?4 where id = ?1",
    [WR_STORE_PIECE_ADD] = "insert into piece(part, number, base, chunk, chunk_count, sum, bytes) "
                           "values(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [WR_STORE_ROWS_DELETE] = "delete from rows where piece in "
                             "(select id from piece where part = ?1) returning at",
    [WR_STORE_PIECE_DELETE] = "delete from piece where part = ?1",
    [WR_STORE_PART_DELETE] = "delete from part where id = ?1",
    [WR_STORE_ROWS_ADD] =
        "insert into rows(piece, sum, bytes, at, length) values(?1, ?2, ?3, ?4, ?5)",
    [WR_STORE_ROWS_READ] = "select sum, bytes, at, length from rows where piece = ?1",
    [WR_STORE_PLACES] = "select at, length from rows where at is not null order by at",
    [WR_STORE_PIECE_READ] =
        "select id, number, base, chunk, chunk_count, sum, bytes from piece where part = ?1 "
        "order by id",
    [WR_STORE_META_SET] = "insert into meta(name, value) values(?1, ?2) "
                          "on conflict(name) do update set value = excluded.value",
};
_Static_assert(WR_COUNT(statement_texts) == WR_STORE_STATEMENTS, "each has its text");

static const char schema_text[] =
    "create table meta(name text primary key, value) without rowid;"
    "create table part(id integer primary key, name text not null unique,"
    "  base_bytes integer not null, delta_bytes integer not null, sum integer not null default 0);"
    "create table piece(id integer primary key, part integer not null, number integer not null,"
    "  base integer not null, chunk integer not null, chunk_count integer not null,"
    "  sum integer not null, bytes blob not null);"
    "create index piece_part on piece(part, id);"
    "create table rows(piece integer primary key, sum integer not null, bytes blob not null,"
    "  at integer, length integer);";

/* Format 10 had no state.rows, format 11 no sums of pieces and parts. The transaction goes on until
 * these are there. */
static const char schema_10_text[] = "begin immediate; alter table rows add column at integer;"
                                     "alter table rows add column length integer;";
static const char schema_11_text[] = "alter table part add column sum integer not null default 0;"
                                     "pragma user_version = 12;";

/* ---- errors ---- */

static int sqlite_status(int code) {
    switch (code & 0xff) {
    case SQLITE_NOMEM: return WR_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return WR_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return WR_EREFUSED;
    case SQLITE_TOOBIG: return WR_ELIMIT;
    default: return WR_EIO;
    }
}

/* Rule S2: SQLite may have rolled back by itself, and what follows would run outside of the
 * transaction. So the first error ends everything: also closing moves nothing out of the log any
 * more, which would sync it once more. What a log holds after a sync that failed, the next start
 * looks at. */
int wr_store_fail(struct wr_store *store, int status) {
    if (store->failed == WR_OK)
        store->failed = status;
    if (store->db != NULL)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (store->db != NULL && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "rollback", NULL, NULL, NULL);
    store->in_checkpoint = store->has_rows = 0;
    return status;
}

/* SQLite does not keep the errno of a commit, but leaves it as it was: what is told of files that
 * may not grow comes of nothing else. */
int wr_store_sqlite_errno(struct sqlite3 *db) {
    int last = errno, code = sqlite3_errcode(db) & 0xff;
    if (code == SQLITE_IOERR && last == EFBIG)
        return EFBIG;
    return code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
}

int wr_store_fail_sqlite(struct wr_store *store, const char *what, struct wr_error *err) {
    int number = wr_store_sqlite_errno(store->db), code = sqlite3_extended_errcode(store->db);
    const char *text = sqlite3_errmsg(store->db);
    const char *detail = strerrordesc_np(number);
    int has_detail = number != 0 && detail != NULL && (code & 0xff) != SQLITE_CORRUPT;
    int status = wr_error_set(err, sqlite_status(code), "%s state %s: %s%s%s", what, store->path,
                              text, has_detail ? ": " : "", has_detail ? detail : "");
    if (number == EFBIG) {
        char verb[64];
        snprintf(verb, sizeof verb, "%s state", what);
        (void)wr_env_fail(err, verb, store->path, number);
    } else if (number != 0) {
        wr_env_error_code(err, number);
    }
    if ((code & 0xff) == SQLITE_FULL)
        wr_error_code(err, "W610");
    else if ((code & 0xff) == SQLITE_READONLY || (code & 0xff) == SQLITE_PERM)
        wr_error_code(err, "W611");
    return wr_store_fail(store, status);
}

/* ---- small tools ---- */

int wr_store_run(struct wr_store *store, const char *what, const char *text, struct wr_error *err) {
    if (sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK)
        return WR_OK;
    return wr_store_fail_sqlite(store, what, err);
}

/* The first column of the first row of a query as a number. */
static int query_number(struct wr_store *store, const char *text, int64_t *number,
                        struct wr_error *err) {
    sqlite3_stmt *statement = NULL;
    *number = 0;
    int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    int status = code == SQLITE_ROW || code == SQLITE_DONE
                     ? WR_OK
                     : wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(statement);
    return status;
}

/* The same as text, cut to `size` bytes. */
static int query_text(struct wr_store *store, const char *text, char *out, size_t size,
                      struct wr_error *err) {
    sqlite3_stmt *statement = NULL;
    out[0] = 0;
    int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL)
        snprintf(out, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    int status = code == SQLITE_ROW || code == SQLITE_DONE
                     ? WR_OK
                     : wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(statement);
    return status;
}

/* Runs a prepared statement that gives no rows. */
int wr_store_run_bound(struct wr_store *store, enum wr_store_statement which, const char *what,
                       struct wr_error *err) {
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    int status = code == SQLITE_DONE ? WR_OK : wr_store_fail_sqlite(store, what, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

int wr_store_set_meta(struct wr_store *store, const char *name, int64_t number, const char *text,
                      struct wr_error *err) {
    sqlite3_stmt *statement = store->statements[WR_STORE_META_SET];
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    if (text != NULL)
        sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(statement, 2, number);
    return wr_store_run_bound(store, WR_STORE_META_SET, "write", err);
}

/* ---- opening ---- */

static int configure(struct wr_store *store, struct wr_error *err) {
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    for (size_t i = 0; i < WR_COUNT(options); i++)
        sqlite3_db_config(store->db, options[i].option, options[i].value, NULL);
    int status = wr_store_run(store, "open",
                              "pragma page_size = 16384; pragma locking_mode = exclusive;"
                              "pragma mmap_size = 0; pragma wal_autocheckpoint = 1000;"
                              "pragma temp_store = memory; pragma cell_size_check = on;"
                              "pragma secure_delete = off; pragma cache_size = -8192;"
                              "pragma journal_size_limit = 67108864;",
                              err);
    char mode[16];
    /* The change of the mode goes through a rollback journal. `extra` syncs the directory when that
     * is removed: it must not be there again behind a power cut, beside a log of commits. */
    if (status == WR_OK)
        status = wr_store_run(store, "open", "pragma synchronous = extra", err);
    if (status == WR_OK)
        status = query_text(store, "pragma journal_mode = wal", mode, sizeof mode, err);
    if (status == WR_OK && strcmp(mode, "wal") != 0)
        status = wr_store_fail(store, wr_error_set(err, WR_EUNSUPPORTED,
                                                   "state %s: its file system cannot hold a "
                                                   "write-ahead log (journal mode %s)",
                                                   store->path, mode));
    if (status == WR_OK)
        status = wr_store_run(store, "open", "pragma synchronous = full", err);
    return status;
}

/* Not of the rows, which may be many: each has its sum, which is looked at when it is read. */
static int check_after_unclean_stop(struct wr_store *store, struct wr_error *err) {
    static const char *const tables[] = {"meta", "part", "piece"};
    char verdict[256] = "ok", text[64];
    int status = WR_OK;
    for (size_t i = 0; i < WR_COUNT(tables) && status == WR_OK && strcmp(verdict, "ok") == 0; i++) {
        snprintf(text, sizeof text, "pragma quick_check(%s)", tables[i]);
        status = query_text(store, text, verdict, sizeof verdict, err);
    }
    if (status != WR_OK || strcmp(verdict, "ok") == 0)
        return status;
    return wr_store_fail(
        store, wr_error_set(err, WR_ECORRUPT, "state %s is damaged: %s", store->path, verdict));
}

static int schema_make(struct wr_store *store, struct wr_error *err) {
    char text[sizeof schema_text + 256];
    int64_t identity = (int64_t)(store->env->random_u64(store->env) >> 1) | 1;
    snprintf(text, sizeof text,
             "begin immediate; pragma application_id = %d; pragma user_version = %d; %s "
             "insert into meta values('identity', %" PRId64 "); commit;",
             APPLICATION_ID, WR_STORE_VERSION, schema_text, identity);
    return wr_store_run(store, "make", text, err);
}

/* Whose file it is, and of which format. A fresh one gets its tables. */
static int check_format(struct wr_store *store, struct wr_error *err) {
    int64_t application, version, tables;
    int status = query_number(store, "select count(*) from sqlite_schema", &tables, err);
    if (status == WR_OK)
        status = query_number(store, "pragma application_id", &application, err);
    if (status == WR_OK)
        status = query_number(store, "pragma user_version", &version, err);
    if (status != WR_OK)
        return status;
    if (tables == 0 && application == 0 && version == 0)
        return schema_make(store, err);
    if (application != APPLICATION_ID)
        return wr_store_fail(store,
                             wr_error_set(err, WR_ECORRUPT, "%s is no state of weir", store->path));
    store->has_no_sums = tables > 0 && (version == 10 || version == 11);
    if (store->has_no_sums) {
        status = wr_store_run(store, "change the format of",
                              version == 10 ? schema_10_text : "begin immediate", err);
        return status != WR_OK ? status
                               : wr_store_run(store, "change the format of", schema_11_text, err);
    }
    if (version != WR_STORE_VERSION) {
        wr_error_set(err, WR_EUNSUPPORTED,
                     "state %s has format %" PRId64 "; this weir reads format %d", store->path,
                     version, WR_STORE_VERSION);
        wr_error_help(err,
                      "go on with the weir that wrote it; to begin anew, give another --state, "
                      "or remove that directory");
        return wr_store_fail(store, WR_EUNSUPPORTED);
    }
    if (tables == 0)
        return wr_store_fail(store, wr_error_set(err, WR_ECORRUPT,
                                                 "state %s is damaged: its tables are missing",
                                                 store->path));
    return WR_OK;
}

static int statements_prepare(struct wr_store *store, struct wr_error *err) {
    for (size_t i = 0; i < WR_STORE_STATEMENTS; i++)
        if (sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return wr_store_fail_sqlite(store, "open", err);
    return WR_OK;
}

int wr_store_push_part(struct wr_store *store, const char *name, int64_t id,
                       struct wr_store_part **part) {
    if (store->part_count == store->part_room) {
        if (store->part_room >= PARTS_MAX)
            return WR_ELIMIT;
        uint32_t room = WR_MAX(store->part_room * 2, 16u);
        struct wr_store_part *parts =
            wr_realloc(&wr_budget_control, store->parts, room * sizeof *parts);
        if (parts == NULL)
            return WR_ENOMEM;
        store->parts = parts;
        store->part_room = room;
    }
    char *copy = wr_strndup(&wr_budget_control, name, strlen(name));
    if (copy == NULL)
        return WR_ENOMEM;
    *part = &store->parts[store->part_count++];
    **part = (struct wr_store_part){.name = copy, .id = id};
    return WR_OK;
}

static int parts_read(struct wr_store *store, struct wr_error *err) {
    sqlite3_stmt *statement = NULL;
    const char *text = "select id, name, base_bytes, delta_bytes, sum from part order by id";
    int code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL), status = WR_OK;
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    for (; code == SQLITE_ROW && status == WR_OK; code = sqlite3_step(statement)) {
        struct wr_store_part *part;
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        status = wr_store_push_part(store, name == NULL ? "" : name,
                                    sqlite3_column_int64(statement, 0), &part);
        if (status != WR_OK)
            break;
        part->base_bytes = part->base_bytes_next = (uint64_t)sqlite3_column_int64(statement, 2);
        part->delta_bytes = part->delta_bytes_next = (uint64_t)sqlite3_column_int64(statement, 3);
        part->sum = part->sum_next = (uint64_t)sqlite3_column_int64(statement, 4);
    }
    if (status != WR_OK)
        wr_store_fail(store, wr_error_set(err, status, "read state %s: %s", store->path,
                                          wr_status_text(status)));
    else if (code != SQLITE_DONE)
        status = wr_store_fail_sqlite(store, "read", err);
    sqlite3_finalize(statement);
    return status;
}

/* A state without a checkpoint belongs to whoever writes the first. */
static int check_plan(struct wr_store *store, const char *plan_hash, struct wr_error *err) {
    char stored[256];
    int64_t number, identity, reach;
    int status = query_number(store, "select value from meta where name = 'number'", &number, err);
    if (status == WR_OK)
        status =
            query_number(store, "select value from meta where name = 'identity'", &identity, err);
    if (status == WR_OK)
        status = query_text(store, "select value from meta where name = 'plan'", stored,
                            sizeof stored, err);
    if (status != WR_OK)
        return status;
    status = query_number(store, "select value from meta where name = 'rows'", &reach, err);
    if (status == WR_OK)
        status = wr_store_rows_check(store, (uint64_t)reach, err);
    if (status != WR_OK)
        return status;
    store->number = (uint64_t)number;
    store->identity = (uint64_t)identity;
    int is_ours = plan_hash == NULL || strcmp(stored, plan_hash) == 0;
    const char *plan = is_ours || number > 0 ? stored : plan_hash;
    store->plan_sum = wr_hash_bytes(plan, strlen(plan), 0);
    if (is_ours)
        return WR_OK;
    if (number == 0)
        return wr_store_set_meta(store, "plan", 0, plan_hash, err);
    status = wr_error_script(err, "W601",
                             "state %s was written by another script, or by this one before it "
                             "was changed: its stages, expressions, schemas, parameters, Lua "
                             "functions or --limit are not the same",
                             store->path);
    wr_error_help(err, "to go on, run the script as it was; to begin anew, give another --state, "
                       "or remove that directory");
    return wr_store_fail(store, status);
}

static int check_sums(struct wr_store *store, struct wr_error *err) {
    int64_t stored;
    if (store->has_no_sums)
        return wr_store_sums_make(store, err);
    int status = query_number(store, "select value from meta where name = 'sum'", &stored, err);
    return status == WR_OK ? wr_store_sums_check(store, stored, err) : status;
}

static int open_database(struct wr_store *store, const char *plan_hash, struct wr_error *err) {
    char path[PATH_BYTES_MAX];
    struct wr_file_info info;
    const char *here = store->path[0] == '/' ? "" : "./"; /* so that no path reads as a URI */
    snprintf(path, sizeof path, "%s%s/state.db-wal", here, store->path);
    /* A clean close leaves no log behind. */
    int has_log = store->env->stat(store->env, path, &info) == WR_OK;
    int unclean = has_log && info.size_bytes > 0;
    path[strlen(path) - strlen("-wal")] = 0;
    int status = wr_store_made_check(store, path, unclean, err);
    if (status != WR_OK)
        return wr_store_fail(store, status);
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &store->db, flags, store->env->sqlite_vfs);
    if (store->db == NULL)
        return wr_error_set(err, WR_ENOMEM, "open state %s: out of memory", store->path);
    status = code == SQLITE_OK ? WR_OK : wr_store_fail_sqlite(store, "open", err);
    if (status == WR_OK)
        status = configure(store, err);
    if (status == WR_OK && store->looks && has_log) /* it says that a life died: the next counts */
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Who wrote the log may have died before it was synced: what it says is there to be read, and
     * must not be gone behind a power cut when others have been told. */
    if (status == WR_OK && unclean && !store->looks)
        status = wr_store_run(store, "open", "pragma wal_checkpoint(truncate)", err);
    if (status == WR_OK)
        status = check_format(store, err);
    if (status == WR_OK && unclean)
        status = check_after_unclean_stop(store, err);
    if (status == WR_OK && !store->looks)
        status = wr_store_made_set(store, err);
    if (status == WR_OK)
        status = statements_prepare(store, err);
    if (status == WR_OK)
        status = check_plan(store, plan_hash, err);
    if (status == WR_OK)
        status = parts_read(store, err);
    if (status == WR_OK)
        status = check_sums(store, err);
    return status == WR_OK ? wr_store_made_compare(store, err) : status;
}

/* A run says so in the lock's file by a line without text behind the number of its process, which
 * is all that others read there. Who holds a state without it does so for a moment, and is waited
 * for. */
#define LOCK_BYTES_MAX 64
#define LOCK_WAIT_US INT64_C(2000000)
#define LOCK_LOOK_US 20000

static void mark_lock(struct wr_store *store) {
    struct wr_file_info info;
    int knows_size = store->env->info(store->lock, &info) == WR_OK;
    if (!store->looks && knows_size && info.size_bytes < LOCK_BYTES_MAX - 1)
        (void)store->env->write_at(store->lock, "\n", 1, info.size_bytes, NULL);
}

static int is_of_run(const struct wr_env *env, const char *path) {
    char text[LOCK_BYTES_MAX];
    struct wr_file *file;
    if (env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return 1;
    int64_t length = env->read(file, text, sizeof text - 1, 0);
    env->close(file);
    int has_line = length > 0 && text[length - 1] == '\n';
    return length < 0 || (has_line && (length == 1 || text[length - 2] == '\n'));
}

static int take_lock(struct wr_store *store, struct wr_error *err) {
    const struct wr_env *env = store->env;
    char path[WR_STORE_PATH_BYTES_MAX];
    int64_t end_us = env->monotonic_us(env) + LOCK_WAIT_US;
    wr_store_path(store, "LOCK", path);
    int status = env->lock(env, path, &store->lock, err);
    while (status == WR_EREFUSED && !is_of_run(env, path) && env->monotonic_us(env) < end_us) {
        env->sleep(env, LOCK_LOOK_US);
        status = env->lock(env, path, &store->lock, err);
    }
    if (status == WR_OK)
        mark_lock(store);
    if (status == WR_EREFUSED)
        wr_error_help(err, "two runs cannot share a state: stop the other, or use another --state");
    return status;
}

static int open_store(struct wr_store **store, const struct wr_env *env, const char *path,
                      const char *plan_hash, int looks, struct wr_error *err) {
    *store = NULL;
    size_t length = strlen(path);
    if (length == 0 || length > PATH_BYTES_MAX - 32)
        return wr_error_set(err, WR_EARG,
                            "the path of the state has %zu bytes; it may have 1 to %d", length,
                            PATH_BYTES_MAX - 32);
    struct wr_store *made = wr_alloc_zero(&wr_budget_control, sizeof *made + length + 1);
    if (made == NULL)
        return wr_error_set(err, WR_ENOMEM, "open state %s: out of memory", path);
    memcpy(made->path, path, length + 1);
    made->env = env;
    made->looks = (uint8_t)looks;
    made->rows.bytes_min = WR_STORE_ROWS_BYTES;
    wr_buf_init(&made->rows.read, &wr_budget_control, 0);
    pthread_mutex_init(&made->lock_of_database, NULL);
    int status = env->make_directory(env, path, err);
    if (status == WR_EEXIST) {
        wr_error_set(err, WR_EEXIST, "state %s: there is a file of that name", path);
        wr_error_help(err, "a state is a directory: give another name, as `clicks.state`; without "
                           "--state a run keeps nothing");
    }
    if (status == WR_OK)
        status = take_lock(made, err);
    if (status == WR_OK)
        status = open_database(made, plan_hash, err);
    if (status != WR_OK) {
        wr_store_close(made);
        return status;
    }
    *store = made;
    return WR_OK;
}

int wr_store_open(struct wr_store **store, const struct wr_env *env, const char *path,
                  const char *plan_hash, struct wr_error *err) {
    return open_store(store, env, path, plan_hash, 0, err);
}

int wr_store_look(struct wr_store **store, const struct wr_env *env, const char *path,
                  struct wr_error *err) {
    return open_store(store, env, path, NULL, 1, err);
}

void wr_store_path(const struct wr_store *store, const char *name,
                   char path[WR_STORE_PATH_BYTES_MAX]) {
    snprintf(path, WR_STORE_PATH_BYTES_MAX, "%s/%s", store->path, name);
}

void wr_store_close_database(struct wr_store *store) {
    wr_store_rollback(store);
    for (size_t i = 0; i < WR_STORE_STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    sqlite3_close_v2(store->db);
    store->db = NULL;
    wr_store_rows_close(store);
    wr_store_made_close(store);
    wr_store_named_close(store);
}

void wr_store_close(struct wr_store *store) {
    if (store == NULL)
        return;
    wr_store_close_database(store);
    if (store->lock != NULL)
        store->env->close(store->lock);
    for (uint32_t i = 0; i < store->part_count; i++)
        wr_free(&wr_budget_control, store->parts[i].name);
    wr_free(&wr_budget_control, store->parts);
    pthread_mutex_destroy(&store->lock_of_database);
    wr_free(&wr_budget_control, store);
}

void wr_store_set_rows_bytes(struct wr_store *store, uint64_t bytes_min) {
    store->rows.bytes_min = bytes_min;
}

uint64_t wr_store_number(const struct wr_store *store) {
    return store->number;
}

uint64_t wr_store_identity(const struct wr_store *store) {
    return store->identity;
}

struct sqlite3 *wr_store_connection(struct wr_store *store) {
    return store->db;
}
