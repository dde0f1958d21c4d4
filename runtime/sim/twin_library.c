/* twin_library.c: the functions of libpq, as the twin has them. What they take and give is libpq's
 * own, by its documentation; what no connector needs of it is left out. None of what they allocate
 * counts among the allocations that a simulated fault lets fail: it is not the program's. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "conn/postgres_library.h"
#include "sim/twin_link.h"
#include "base/banned.h"

static struct twin *in_use;

struct twin *twin_in_use(void) {
    return in_use;
}

void twin_use(struct twin *twin) {
    in_use = twin;
    wr_pq_use(twin == NULL ? NULL : twin_functions());
}

static char *copy(const char *text, size_t length) {
    char *made = wr_strndup(&wr_budget_control, text, length);
    WR_ASSERT(made != NULL);
    return made;
}

/* ---- statements ----------------------------------------------------------------------------- */

static uint64_t print_of(const struct twin_call *call) {
    uint64_t print = wr_hash_bytes(call->sql, strlen(call->sql), (uint64_t)call->count);
    for (int i = 0; i < call->count; i++)
        if (call->values[i] != NULL)
            print = wr_hash_bytes(call->values[i],
                                  call->binary ? (size_t)call->lengths[i] : strlen(call->values[i]),
                                  print);
    return call->copied != NULL ? wr_hash_bytes(call->copied, call->copied_length, print) : print;
}

static struct pg_result *lost(struct pg_conn *link, int commits) {
    struct pg_result *result = result_new(PGRES_FATAL_ERROR);
    link_lose(link, commits);
    snprintf(result->error.message, sizeof result->error.message, "%s", link->message);
    return result;
}

static void note(struct pg_conn *link, const struct pg_result *result) {
    const struct twin *twin = link->twin;
    if (result->status != PGRES_FATAL_ERROR)
        return;
    snprintf(link->message, sizeof link->message, "ERROR:  %.300s", result->error.message);
    char text[TWIN_TEXT_MAX + 32];
    snprintf(text, sizeof text, "    (the server: %s %s)", result->error.state,
             result->error.message);
    if (twin->tell != NULL)
        twin->tell(twin->tell_ctx, text);
}

static struct pg_result *refused(struct pg_conn *link, const struct twin_error *error) {
    struct pg_result *result = result_new(PGRES_FATAL_ERROR);
    result->error = *error;
    link->backend->failed = link->backend->in_transaction;
    note(link, result);
    if (strncmp(error->state, "57P", 3) == 0)
        link_lose(link, 0);
    return result;
}

static int is_commit(const char *sql) {
    return strcmp(sql, "commit") == 0;
}

/* The statement goes over the link, and its answer comes back. */
static struct pg_result *ask(struct pg_conn *link, const struct twin_call *call) {
    struct twin_error error;
    enum fate fate = link_ask(link, call->sql, print_of(call), &error);
    if (fate == FATE_LOST)
        return lost(link, 0);
    if (fate == FATE_FAILS)
        return refused(link, &error);
    int commits = is_commit(call->sql);
    if (fate == FATE_BEHIND && commits && dice_one_in(&link->twin->dice, 2))
        return lost(link, 1); /* nobody knows yet */
    struct pg_result *result = backend_run(link->backend, call);
    if (fate == FATE_BEHIND && result->status == PGRES_COPY_OUT) {
        link->breaks_at = (int)dice_below(&link->twin->dice, (uint64_t)result->row_count + 1);
    } else if (fate == FATE_BEHIND) {
        result_free(result);
        return lost(link, 0);
    } else {
        link->breaks_at = -1;
    }
    note(link, result);
    return result;
}

/* The last of several statements. */
static const char *last_of(const char *sql) {
    struct twin_text text = {sql, sql + strlen(sql), NULL}, one = text;
    while (text_statement(&text, &one)) {}
    return one.at;
}

static PGresult *exec(PGconn *link, const char *sql) {
    if (link == NULL)
        return NULL;
    wr_alloc_fail_pause();
    struct twin_call call = {.sql = sql};
    struct pg_result *result = ask(link, &call);
    if (result->status == PGRES_COPY_IN) {
        wr_free(&wr_budget_control, link->copying);
        link->copying = copy(last_of(sql), strlen(last_of(sql)));
        wr_buf_clear(&link->copied);
    } else if (result->status == PGRES_COPY_OUT) {
        result_free(link->leaving);
        link->leaving = result;
        link->leaving_at = 0;
        result = result_new(PGRES_COPY_OUT);
    }
    wr_alloc_fail_resume();
    return result;
}

static PGresult *exec_params(PGconn *link, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format) {
    if (link == NULL)
        return NULL;
    (void)types;
    WR_ASSERT(format == 0);
    wr_alloc_fail_pause();
    struct twin_call call = {.sql = sql,
                             .count = count,
                             .binary = formats != NULL && count > 0 && formats[0] == 1,
                             .values = values,
                             .lengths = lengths};
    struct pg_result *result = ask(link, &call);
    wr_alloc_fail_resume();
    return result;
}

/* ---- prepared ------------------------------------------------------------------------------- */

static struct prepared *find_prepared(struct pg_conn *link, const char *name) {
    struct prepared *prepared = link->prepared;
    while (prepared != NULL && strcmp(prepared->name, name) != 0)
        prepared = prepared->next;
    return prepared;
}

static PGresult *prepare(PGconn *link, const char *name, const char *sql, int count,
                         const Oid *types) {
    if (link == NULL)
        return NULL;
    (void)count, (void)types;
    wr_alloc_fail_pause();
    struct twin_error error;
    struct pg_result *result;
    enum fate fate = link_ask(link, sql, 0, &error);
    if (fate == FATE_LOST || fate == FATE_BEHIND) {
        result = lost(link, 0);
    } else if (fate == FATE_FAILS) {
        result = refused(link, &error);
    } else {
        result = result_new(PGRES_COMMAND_OK);
        struct prepared *prepared = find_prepared(link, name);
        if (prepared == NULL) {
            prepared = wr_alloc_zero(&wr_budget_control, sizeof *prepared);
            WR_ASSERT(prepared != NULL);
            prepared->name = copy(name, strlen(name));
            prepared->next = link->prepared;
            link->prepared = prepared;
        }
        wr_free(&wr_budget_control, prepared->sql);
        prepared->sql = copy(sql, strlen(sql));
        if (text_is(&(struct twin_text){sql, sql + strlen(sql), &result->arena}, "select * from ("))
            result->status = backend_describe(link->backend, sql, result) == 0 ? PGRES_COMMAND_OK
                                                                               : PGRES_FATAL_ERROR;
        note(link, result);
    }
    wr_alloc_fail_resume();
    return result;
}

/* What was described when it was prepared. */
static PGresult *describe(PGconn *link, const char *name) {
    if (link == NULL)
        return NULL;
    wr_alloc_fail_pause();
    struct twin_error error;
    struct prepared *prepared = find_prepared(link, name);
    enum fate fate = link_ask(link, "describe", 0, &error);
    struct pg_result *result;
    if (fate == FATE_LOST || fate == FATE_BEHIND) {
        result = lost(link, 0);
    } else if (fate == FATE_FAILS) {
        result = refused(link, &error);
    } else {
        WR_ASSERT(prepared != NULL);
        result = result_new(PGRES_COMMAND_OK);
        result->status = backend_describe(link->backend, prepared->sql, result) == 0
                             ? PGRES_COMMAND_OK
                             : PGRES_FATAL_ERROR;
    }
    wr_alloc_fail_resume();
    return result;
}

static int call_of(struct pg_conn *link, struct twin_call *call, const char *name, int count,
                   const char *const *values, const int *lengths, const int *formats, int format) {
    const struct prepared *prepared = find_prepared(link, name);
    if (prepared == NULL)
        return -1;
    *call = (struct twin_call){.sql = prepared->sql,
                               .count = count,
                               .binary = formats != NULL && count > 0 && formats[0] == 1,
                               .values = values,
                               .lengths = lengths,
                               .binary_result = format};
    return 0;
}

static PGresult *exec_prepared(PGconn *link, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format) {
    if (link == NULL)
        return NULL;
    wr_alloc_fail_pause();
    struct twin_call call;
    struct pg_result *result;
    if (call_of(link, &call, name, count, values, lengths, formats, format) != 0) {
        result = result_new(PGRES_FATAL_ERROR);
        twin_fail(&result->error, "26000", "prepared statement \"%s\" does not exist", name);
    } else {
        result = ask(link, &call);
    }
    wr_alloc_fail_resume();
    return result;
}

/* ---- pipelines ------------------------------------------------------------------------------ */

static void give(struct pg_conn *link, struct pg_result *result) {
    struct answer *answer = wr_alloc_zero(&wr_budget_control, sizeof *answer);
    WR_ASSERT(answer != NULL);
    answer->result = result;
    *link->answers_end = answer;
    link->answers_end = &answer->next;
}

/* Keeps a copy of a call until the pipeline ends. */
static int wait_for(struct pg_conn *link, const struct twin_call *call) {
    if (link->status == CONNECTION_BAD)
        return 0;
    struct waiting *waiting = WR_ARENA_ZEROS(&link->arena, struct waiting, 1);
    char **values = WR_ARENA_ZEROS(&link->arena, char *, call->count + 1);
    int *lengths = WR_ARENA_ZEROS(&link->arena, int, call->count + 1);
    WR_ASSERT(waiting != NULL && values != NULL && lengths != NULL);
    for (int i = 0; i < call->count; i++) {
        lengths[i] = call->lengths[i];
        values[i] = wr_arena_strndup(&link->arena, call->values[i], (size_t)lengths[i]);
        WR_ASSERT(values[i] != NULL);
    }
    waiting->call = *call;
    waiting->call.sql = wr_arena_strndup(&link->arena, call->sql, strlen(call->sql));
    waiting->call.values = (const char *const *)values;
    waiting->call.lengths = lengths;
    *link->waiting_end = waiting;
    link->waiting_end = &waiting->next;
    return 1;
}

static int send_params(PGconn *link, const char *sql, int count, const Oid *types,
                       const char *const *values, const int *lengths, const int *formats,
                       int format) {
    if (link == NULL)
        return 0;
    if (!link->in_pipeline) {
        PGresult *result = exec_params(link, sql, count, types, values, lengths, formats, format);
        wr_alloc_fail_pause();
        give(link, result);
        wr_alloc_fail_resume();
        return 1;
    }
    WR_ASSERT(count == 0);
    wr_alloc_fail_pause();
    int sent = wait_for(link, &(struct twin_call){.sql = sql});
    wr_alloc_fail_resume();
    return sent;
}

static int send_prepare(PGconn *link, const char *name, const char *sql, int count,
                        const Oid *types) {
    if (link == NULL)
        return 0;
    PGresult *result = prepare(link, name, sql, count, types);
    wr_alloc_fail_pause();
    give(link, result);
    wr_alloc_fail_resume();
    return 1;
}

static int send_describe(PGconn *link, const char *name) {
    if (link == NULL)
        return 0;
    PGresult *result = describe(link, name);
    wr_alloc_fail_pause();
    give(link, result);
    wr_alloc_fail_resume();
    return 1;
}

static int send_prepared(PGconn *link, const char *name, int count, const char *const *values,
                         const int *lengths, const int *formats, int format) {
    if (link == NULL)
        return 0;
    struct twin_call call;
    if (!link->in_pipeline) {
        PGresult *result = exec_prepared(link, name, count, values, lengths, formats, format);
        wr_alloc_fail_pause();
        give(link, result);
        wr_alloc_fail_resume();
        return 1;
    }
    wr_alloc_fail_pause();
    int sent = call_of(link, &call, name, count, values, lengths, formats, format) == 0 &&
               wait_for(link, &call);
    wr_alloc_fail_resume();
    return sent;
}

static int enter_pipeline(PGconn *link) {
    if (link == NULL)
        return 0;
    link->in_pipeline = 1;
    return 1;
}

static int exit_pipeline(PGconn *link) {
    if (link == NULL)
        return 0;
    wr_alloc_fail_pause();
    link->in_pipeline = 0;
    link_forget_answers(link);
    link->waiting = NULL;
    link->waiting_end = &link->waiting;
    wr_arena_reset(&link->arena);
    wr_alloc_fail_resume();
    return 1;
}

/* All that waits goes at once: behind one that fails none is done. */
static int sync_pipeline(PGconn *link) {
    if (link == NULL)
        return 0;
    struct twin_error error;
    int failed = 0;
    uint64_t print = 0;
    wr_alloc_fail_pause();
    for (const struct waiting *one = link->waiting; one != NULL; one = one->next)
        print = print * 31 + print_of(&one->call);
    enum fate fate = link_ask(link, "a pipeline of statements", print, &error);
    for (struct waiting *one = link->waiting; one != NULL && fate != FATE_LOST; one = one->next) {
        struct pg_result *result = failed               ? result_new(PGRES_PIPELINE_ABORTED)
                                   : fate == FATE_FAILS ? refused(link, &error)
                                                        : backend_run(link->backend, &one->call);
        failed |= result->status == PGRES_FATAL_ERROR;
        note(link, result);
        give(link, result);
        give(link, NULL);
        if (link->status == CONNECTION_BAD)
            break;
    }
    if (fate == FATE_LOST || fate == FATE_BEHIND) {
        link_forget_answers(link);
        give(link, lost(link, 0));
        give(link, NULL);
    } else if (link->status != CONNECTION_BAD) {
        give(link, result_new(PGRES_PIPELINE_SYNC));
    }
    link->waiting = NULL;
    link->waiting_end = &link->waiting;
    wr_alloc_fail_resume();
    return 1;
}

/* The answer is there at once. */
static int send_query(PGconn *link, const char *sql) {
    if (link == NULL)
        return 0;
    PGresult *result = exec(link, sql);
    wr_alloc_fail_pause();
    give(link, result);
    wr_alloc_fail_resume();
    return 1;
}

static PGresult *get_result(PGconn *link) {
    if (link == NULL)
        return NULL;
    wr_alloc_fail_pause();
    struct answer *answer = link->answers;
    struct pg_result *result = NULL;
    if (answer != NULL) {
        result = answer->result;
        link->answers = answer->next;
        if (link->answers == NULL)
            link->answers_end = &link->answers;
        wr_free(&wr_budget_control, answer);
    }
    wr_alloc_fail_resume();
    return result;
}

/* ---- copy ----------------------------------------------------------------------------------- */

static int put_copy(PGconn *link, const char *bytes, int length) {
    if (link == NULL)
        return -1;
    if (link->status == CONNECTION_BAD)
        return -1;
    wr_alloc_fail_pause();
    int status = wr_buf_add(&link->copied, bytes, (size_t)length);
    WR_ASSERT(status == 0);
    wr_alloc_fail_resume();
    return 1;
}

static int put_copy_end(PGconn *link, const char *error) {
    if (link == NULL)
        return -1;
    if (link->status == CONNECTION_BAD)
        return -1;
    WR_ASSERT(link->copying != NULL && error == NULL);
    wr_alloc_fail_pause();
    struct twin_call call = {
        .sql = link->copying, .copied = link->copied.bytes, .copied_length = link->copied.length};
    give(link, ask(link, &call));
    wr_free(&wr_budget_control, link->copying);
    link->copying = NULL;
    wr_alloc_fail_resume();
    return 1;
}

static int get_copy(PGconn *link, char **memory, int async) {
    if (link == NULL)
        return -2;
    struct pg_result *rows = link->leaving;
    (void)async;
    *memory = NULL;
    if (link->status == CONNECTION_BAD || rows == NULL)
        return -2;
    wr_alloc_fail_pause();
    int length = -1;
    if (link->breaks_at >= 0 && link->leaving_at == link->breaks_at) {
        link_lose(link, 0);
        length = -2;
    } else if (link->leaving_at < rows->row_count) {
        const struct cell *cell = &rows->cells[link->leaving_at++];
        *memory = copy(cell->bytes, (size_t)cell->length);
        length = cell->length;
    } else {
        result_free(rows);
        link->leaving = NULL;
        give(link, result_new(PGRES_COMMAND_OK));
    }
    wr_alloc_fail_resume();
    return length;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static char *escape_literal(PGconn *link, const char *text, size_t length) {
    struct wr_buf out;
    (void)link;
    wr_alloc_fail_pause();
    wr_buf_init(&out, &wr_budget_control, 0);
    int escapes = memchr(text, '\\', length) != NULL;
    wr_buf_add_text(&out, escapes ? " E'" : "'");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\'' || text[i] == '\\')
            wr_buf_add_char(&out, text[i]);
        wr_buf_add_char(&out, text[i]);
    }
    wr_buf_add_char(&out, '\'');
    char *made = copy(out.bytes, out.length);
    wr_buf_release(&out);
    wr_alloc_fail_resume();
    return made;
}

static void free_memory(void *memory) {
    wr_free(&wr_budget_control, memory);
}

const struct wr_pq *twin_functions(void) {
    static struct wr_pq functions = {
        .PQenterPipelineMode = enter_pipeline,
        .PQescapeLiteral = escape_literal,
        .PQexitPipelineMode = exit_pipeline,
        .PQfreemem = free_memory,
        .PQgetCopyData = get_copy,
        .PQgetResult = get_result,
        .PQsendQuery = send_query,
        .PQpipelineSync = sync_pipeline,
        .PQputCopyData = put_copy,
        .PQputCopyEnd = put_copy_end,
        .PQsendDescribePrepared = send_describe,
        .PQsendPrepare = send_prepare,
        .PQsendQueryParams = send_params,
        .PQsendQueryPrepared = send_prepared,
    };
    connection_functions(&functions);
    result_functions(&functions);
    return &functions;
}
