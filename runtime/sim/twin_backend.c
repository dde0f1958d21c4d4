/* twin_backend.c: sessions of the twin, their transactions, and what others see of them. See
 * twin.h, twin_server.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "sim/twin_server.h"
#include "base/banned.h"

#define ARENA_BYTES 4096u
#define SETTLE_ONE_IN 4u /* statements before which commits on their way are decided */

struct logged {
    struct logged *next;
    struct twin_call call;
    int failed;
    int64_t changed;
};

/* ---- databases ------------------------------------------------------------------------------ */

static unsigned char *copy_of(const void *bytes, int64_t size) {
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)size);
    WR_ASSERT(copy != NULL);
    memcpy(copy, bytes, (size_t)size);
    return copy;
}

/* An SQLite database without tables, which is not the same as no bytes. */
static void make_empty(struct database *database) {
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "create table t(x); drop table t", NULL, NULL, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_int64 size = 0;
    database->bytes = sqlite3_serialize(db, "main", &size, 0);
    database->size = size;
    WR_ASSERT(database->bytes != NULL);
    sqlite3_close(db);
}

struct database *database_find(struct twin *twin, const char *name) {
    for (struct database *one = twin->databases; one != NULL; one = one->next)
        if (strcmp(one->name, name) == 0)
            return one;
    struct database *database = wr_alloc_zero(&wr_budget_control, sizeof *database);
    WR_ASSERT(database != NULL);
    database->twin = twin;
    snprintf(database->name, sizeof database->name, "%s", name);
    wr_arena_init(&database->arena, &wr_budget_control, ARENA_BYTES);
    if (twin->start == NULL || twin->start->bytes == NULL) {
        make_empty(database);
    } else {
        database->bytes = copy_of(twin->start->bytes, twin->start->size);
        database->size = twin->start->size;
    }
    database->next = twin->databases;
    twin->databases = database;
    return database;
}

static void remember_number(struct database *database, uint64_t number) {
    if (number == 0)
        return;
    if (database->committed_count == database->committed_room) {
        uint32_t room = WR_MAX(64u, database->committed_room * 2);
        uint64_t *all = WR_ARENA_ARRAY(&database->arena, uint64_t, room);
        WR_ASSERT(all != NULL);
        if (database->committed_count > 0)
            memcpy(all, database->committed, database->committed_count * sizeof *all);
        database->committed = all;
        database->committed_room = room;
    }
    database->committed[database->committed_count++] = number;
}

/* ---- a session ------------------------------------------------------------------------------ */

static void sql_now(sqlite3_context *context, int count, sqlite3_value **values) {
    struct backend *backend = sqlite3_user_data(context);
    struct wr_sim *sim = backend->database->twin->sim;
    const struct wr_env *env = wr_sim_env(sim);
    struct twin_value value;
    struct twin_error error;
    char bytes[32];
    uint64_t us = (uint64_t)(env->now_us(env) - INT64_C(10957) * 86400000000);
    (void)count, (void)values;
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(us >> (56 - 8 * i));
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 256);
    if (twin_receive(&value, 1184, bytes, 8, &arena, &error) == 0)
        sqlite3_result_text(context, value.bytes, (int)value.length, SQLITE_TRANSIENT);
    wr_arena_release(&arena);
}

/* Its copy becomes that of the database. On a connection of its own: one that has used a table of
 * SQLite's own (pragma_…) must not get another database. */
static void load(struct backend *backend) {
    const struct database *database = backend->database;
    sqlite3_close(backend->db);
    int code =
        sqlite3_open_v2(":memory:", &backend->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    WR_ASSERT(code == SQLITE_OK);
    sqlite3_create_function(backend->db, "now", 0, SQLITE_UTF8, backend, sql_now, NULL, NULL);
    sqlite3_exec(backend->db, "pragma foreign_keys = on; pragma temp_store = memory", NULL, NULL,
                 NULL);
    code = sqlite3_deserialize(backend->db, "main", copy_of(database->bytes, database->size),
                               database->size, database->size,
                               SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
    WR_ASSERT(code == SQLITE_OK);
    backend->version = database->version;
}

struct backend *backend_new(struct database *database, const char *mark) {
    struct backend *backend = wr_alloc_zero(&wr_budget_control, sizeof *backend);
    WR_ASSERT(backend != NULL);
    backend->database = database;
    backend->pid = ++database->twin->last_pid;
    backend->log_end = &backend->log;
    wr_arena_init(&backend->arena, &wr_budget_control, ARENA_BYTES);
    snprintf(backend->mark, sizeof backend->mark, "%s", mark);
    load(backend);
    return backend;
}

void backend_free(struct backend *backend) {
    if (backend == NULL)
        return;
    sqlite3_close(backend->db);
    wr_arena_release(&backend->arena);
    wr_free(&wr_budget_control, backend);
}

/* ---- transactions --------------------------------------------------------------------------- */

static int must_do(struct backend *backend, const char *sql) {
    int code = sqlite3_exec(backend->db, sql, NULL, NULL, NULL);
    WR_ASSERT(code == SQLITE_OK);
    return 0;
}

static void end_transaction(struct backend *backend) {
    backend->in_transaction = backend->failed = backend->changed = backend->fixed = 0;
    backend->number = 0;
    backend->log = NULL;
    backend->log_end = &backend->log;
    wr_arena_reset(&backend->arena);
}

static void roll_back(struct backend *backend) {
    if (!sqlite3_get_autocommit(backend->db))
        must_do(backend, "rollback");
    end_transaction(backend);
}

static int play(struct backend *backend, const struct twin_call *call, struct pg_result *result);

static int too_late(struct twin_error *error) {
    return twin_fail(error, "40001", "could not serialize access due to concurrent update");
}

/* Others have committed since its copy was made: the statements of its transaction are done once
 * more on what they left, and must come to the same. */
static int catch_up(struct backend *backend, struct twin_error *error) {
    if (backend->version == backend->database->version || backend->fixed)
        return 0;
    if (!backend->in_transaction) {
        load(backend);
        return 0;
    }
    must_do(backend, "rollback");
    load(backend);
    must_do(backend, "begin");
    number_begin(backend);
    for (const struct logged *one = backend->log; one != NULL; one = one->next) {
        struct pg_result *again = result_new(PGRES_COMMAND_OK);
        int failed = play(backend, &one->call, again) != 0;
        int same = failed == one->failed && again->changed == one->changed;
        result_free(again);
        if (!same)
            return too_late(error);
    }
    return 0;
}

/* What it has done becomes the database. */
static void publish(struct backend *backend) {
    struct database *database = backend->database;
    sqlite3_int64 size = 0;
    if (!backend->changed)
        return;
    sqlite3_free(database->bytes);
    database->bytes = sqlite3_serialize(backend->db, "main", &size, 0);
    database->size = size;
    WR_ASSERT(database->bytes != NULL);
    backend->version = ++database->version;
}

/* Whoever has lost its fence must not change anything any more, but may take it again. */
static void check_fence(struct backend *backend) {
    struct twin *twin = backend->database->twin;
    int changes = backend->in_transaction && backend->changed;
    for (uint32_t i = 0; i < twin->fenced_count && changes; i++)
        if (strcmp(twin->fenced[i], backend->mark) == 0)
            snprintf(twin->violation, sizeof twin->violation,
                     "%.80s: an instance could commit after another one had taken its fence",
                     backend->database->name);
}

/* 0, or -1: it is rolled back, with the reason. */
static int commit(struct backend *backend, struct twin_error *error) {
    int status = backend->changed ? catch_up(backend, error) : 0;
    if (status == 0 && sqlite3_exec(backend->db, "commit", NULL, NULL, NULL) != SQLITE_OK)
        status = sqlite_failed(backend, error);
    if (status == 0) {
        check_fence(backend);
        publish(backend);
        remember_number(backend->database, backend->number);
        end_transaction(backend);
    } else {
        roll_back(backend);
    }
    return status;
}

uint64_t backend_number(struct backend *backend) {
    if (backend->number == 0)
        backend->number = ++backend->database->last_number;
    return backend->number;
}

/* ---- commits on their way ------------------------------------------------------------------- */

void backend_leave_pending(struct backend *backend) {
    WR_ASSERT(backend->in_transaction);
    backend->next = backend->database->pending;
    backend->database->pending = backend;
}

void database_settle(struct database *database) {
    struct twin *twin = database->twin;
    while (database->pending != NULL) {
        struct backend *backend = database->pending;
        struct twin_error error;
        database->pending = backend->next;
        int happens =
            !backend->failed && !dice_one_in(&twin->dice, 3) && commit(backend, &error) == 0;
        if (twin->tell != NULL)
            twin->tell(twin->tell_ctx, happens
                                           ? "    (the server: a commit on its way is done)"
                                           : "    (the server: a commit on its way is not done)");
        backend_free(backend);
    }
}

static void fence(struct backend *backend, const char *table) {
    struct twin *twin = backend->database->twin;
    sqlite3_stmt *row = NULL;
    char *read = sqlite3_mprintf("select distinct owner from \"%w\"", table);
    char *write = sqlite3_mprintf("update \"%w\" set fence = fence + 1, owner = 'another'", table);
    int code = sqlite3_prepare_v2(backend->db, read, -1, &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    while (sqlite3_step(row) == SQLITE_ROW && twin->fenced_count < TWIN_FENCED_MAX)
        snprintf(twin->fenced[twin->fenced_count++], TWIN_MARK_MAX, "%s",
                 (const char *)sqlite3_column_text(row, 0));
    sqlite3_finalize(row);
    must_do(backend, write);
    sqlite3_free(read);
    sqlite3_free(write);
}

void database_take(struct database *database) {
    database_settle(database); /* it would wait for them */
    struct backend *backend = backend_new(database, "another");
    sqlite3_stmt *row = NULL;
    char names[TWIN_FENCED_MAX][TWIN_MARK_MAX];
    uint32_t count = 0;
    int code = sqlite3_prepare_v2(backend->db,
                                  "select name from sqlite_master where type = 'table' and "
                                  "(name = 'weir_commit' or name like '%.weir\\_commit' escape "
                                  "'\\') order by name",
                                  -1, &row, NULL);
    WR_ASSERT(code == SQLITE_OK);
    while (sqlite3_step(row) == SQLITE_ROW && count < TWIN_FENCED_MAX)
        snprintf(names[count++], TWIN_MARK_MAX, "%s", (const char *)sqlite3_column_text(row, 0));
    sqlite3_finalize(row);
    for (uint32_t i = 0; i < count; i++)
        fence(backend, names[i]);
    backend->changed = count > 0;
    publish(backend);
    backend_free(backend);
}

const char *database_status_of(struct database *database, uint64_t number) {
    for (struct backend *one = database->pending; one != NULL; one = one->next)
        if (one->number == number && dice_one_in(&database->twin->dice, 2))
            return "in progress";
    database_settle(database);
    for (uint32_t i = 0; i < database->committed_count; i++)
        if (database->committed[i] == number)
            return "committed";
    return "aborted";
}

/* One that is in the middle of its commit cannot be ended any more. */
int database_end(struct database *database, const char *mark, const struct backend *but) {
    struct backend **link = &database->pending;
    int count = 0;
    while (*link != NULL) {
        struct backend *backend = *link;
        int is_meant = backend != but && strcmp(backend->mark, mark) == 0;
        count += is_meant;
        if (is_meant && dice_one_in(&database->twin->dice, 2)) {
            *link = backend->next;
            backend_free(backend);
        } else {
            link = &backend->next;
        }
    }
    return count;
}

/* ---- statements ----------------------------------------------------------------------------- */

/* 0, -1 or 1: as the plays of twin_server.h. */
static int control(struct backend *backend, struct twin_text *text, struct pg_result *result) {
    if (text_take(text, "begin")) {
        if (!backend->in_transaction) {
            catch_up(backend, &result->error);
            must_do(backend, "begin");
            number_begin(backend);
        }
        backend->in_transaction = 1;
        backend->fixed = text_take(text, "isolation level repeatable read");
        snprintf(result->command, sizeof result->command, "BEGIN");
        return 0;
    }
    if (text_take(text, "commit")) {
        int was_failed = backend->failed, status = 0;
        if (was_failed)
            roll_back(backend);
        else if (backend->in_transaction)
            status = commit(backend, &result->error);
        snprintf(result->command, sizeof result->command, was_failed ? "ROLLBACK" : "COMMIT");
        return status;
    }
    if (text_is(text, "rollback") && !text_is(text, "rollback to")) {
        roll_back(backend);
        snprintf(result->command, sizeof result->command, "ROLLBACK");
        return 0;
    }
    return 1;
}

/* Those that have no rows, and change none. */
static int play_small(struct backend *backend, const struct twin_call *call,
                      struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    if (text_is(&text, "set"))
        return 0;
    if (!text_is(&text, "savepoint") && !text_is(&text, "release savepoint") &&
        !text_is(&text, "rollback to savepoint"))
        return 1;
    if (!backend->in_transaction)
        return twin_fail(&result->error, "25P01",
                         "SAVEPOINT can only be used in transaction "
                         "blocks");
    number_begin(backend);
    return sqlite_do(backend, call->sql, &result->error);
}

static int play(struct backend *backend, const struct twin_call *call, struct pg_result *result) {
    int status = play_small(backend, call, result);
    if (status > 0)
        status = play_catalog(backend, call, result);
    if (status > 0)
        status = play_make(backend, call, result);
    if (status > 0)
        status = play_own(backend, call, result);
    if (status > 0)
        status = play_number(backend, call, result);
    if (status > 0)
        status = play_undo(backend, call, result);
    if (status > 0)
        status = play_write(backend, call, result);
    if (status > 0)
        status = play_read(backend, call, result);
    if (status > 0)
        status = twin_fail(&result->error, "0A000", "`weir sim` cannot play this statement: %.200s",
                           call->sql);
    return status;
}

/* Keeps a copy of what was done, for who must do it once more. */
static void keep(struct backend *backend, const struct twin_call *call, int failed,
                 int64_t changed) {
    struct wr_arena *arena = &backend->arena;
    struct logged *one = WR_ARENA_ZEROS(arena, struct logged, 1);
    char **values = WR_ARENA_ZEROS(arena, char *, call->count + 1);
    int *lengths = WR_ARENA_ZEROS(arena, int, call->count + 1);
    WR_ASSERT(one != NULL && values != NULL && lengths != NULL);
    for (int i = 0; i < call->count; i++) {
        if (call->values[i] == NULL)
            continue;
        lengths[i] = call->binary ? call->lengths[i] : (int)strlen(call->values[i]);
        values[i] = wr_arena_strndup(arena, call->values[i], (size_t)lengths[i]);
        WR_ASSERT(values[i] != NULL);
    }
    one->call = *call;
    one->call.sql = wr_arena_strndup(arena, call->sql, strlen(call->sql));
    one->call.values = (const char *const *)values;
    one->call.lengths = lengths;
    if (call->copied != NULL)
        one->call.copied = wr_arena_strndup(arena, call->copied, call->copied_length);
    one->failed = failed;
    one->changed = changed;
    *backend->log_end = one;
    backend->log_end = &one->next;
}

/* Outside of a transaction each is one of its own. */
static int run_alone(struct backend *backend, const struct twin_call *call,
                     struct pg_result *result) {
    must_do(backend, "begin");
    number_begin(backend);
    int status = play(backend, call, result);
    if (status == 0)
        return commit(backend, &result->error);
    roll_back(backend);
    return status;
}

/* Rows of keys, tables, and `weir_commit` that a commit on its way has changed are waited for; rows
 * without a key are in nobody's way. */
static int waits(const struct twin_text *text) {
    if (text_is(text, "copy") || text_is(text, "select"))
        return 0;
    return !text_is(text, "insert into") || strstr(text->at, "weir_commit") != NULL ||
           strstr(text->at, "on conflict") != NULL;
}

static int run_one(struct backend *backend, const struct twin_call *call,
                   struct pg_result *result) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), &result->arena};
    struct database *database = backend->database;
    if (database->pending != NULL &&
        (waits(&text) || dice_one_in(&database->twin->dice, SETTLE_ONE_IN)))
        database_settle(database);
    if (backend->failed && !text_is(&text, "commit") && !text_is(&text, "rollback"))
        return twin_fail(&result->error, "25P02",
                         "current transaction is aborted, commands ignored until end of "
                         "transaction block");
    int status = control(backend, &text, result);
    if (status <= 0)
        return status;
    if (text_is(&text, "rollback to"))
        backend->failed = 0;
    status = catch_up(backend, &result->error);
    if (status == 0 && !backend->in_transaction)
        return run_alone(backend, call, result);
    if (status == 0)
        status = play(backend, call, result);
    backend->failed = status != 0;
    /* What a failure has done is taken back by who goes back. */
    if (status == 0 && result->status != PGRES_COPY_IN)
        keep(backend, call, 0, result->changed);
    return status;
}

int backend_describe(struct backend *backend, const char *sql, struct pg_result *result) {
    int status = catch_up(backend, &result->error);
    if (status == 0)
        status = describe_query(backend, sql, result);
    backend->failed |= status != 0 && backend->in_transaction;
    return status;
}

struct pg_result *backend_run(struct backend *backend, const struct twin_call *call) {
    struct twin_text text = {call->sql, call->sql + strlen(call->sql), NULL}, one;
    struct pg_result *result = result_new(PGRES_EMPTY_QUERY);
    while (text_statement(&text, &one)) {
        struct twin_call single = *call;
        result_free(result);
        result = result_new(PGRES_COMMAND_OK);
        single.sql = wr_arena_strndup(&result->arena, one.at, (size_t)(one.end - one.at));
        WR_ASSERT(single.sql != NULL);
        if (run_one(backend, &single, result) != 0) {
            result->status = PGRES_FATAL_ERROR;
            break;
        }
    }
    return result;
}
