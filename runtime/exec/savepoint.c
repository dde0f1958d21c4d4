/* savepoint.c: a copy of a state that a run holds. Who wants it asks by a file in the state's
 * directory, the run answers behind its next checkpoint, and who asked takes what it made from
 * there to where it should be. So the run writes into its own directory only, and what stands at
 * the other place is whole or not there, whoever is killed when.
 *
 *   asker                                    run
 *   save.lock (one asker at a time)
 *   save.asked: token, deadline  ─────────>  seen behind a checkpoint
 *                                            save/ (a state), then save.answer: token, what came of
 *   save.answer of this token    <─────────  it; save.asked is removed
 *   save/ copied to TO; all of it removed
 *
 * A run that is killed leaves save.asked, and the lock free: the asker copies the state itself. An
 * asker that is killed leaves what the next one removes; a run passes over it when it is past its
 * deadline, and else makes a copy that nobody takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/inspect.h"
#include "exec/run_inside.h"
#include "exec/savepoint.h"
#include "exec/state_file.h"
#include "exec/writer.h"
#include "state/store.h"
#include "base/banned.h"

#define NOTE_BYTES_MAX 600
#define LOOK_US 20000 /* from a look at the answer to the next */
#define COPY_TRIES 10 /* what refuses them all is not that somebody holds the state */

static int write_note(const struct wr_env *env, const char *directory, const char *name,
                      const char *text, struct wr_error *err) {
    return state_file_write(env, directory, name, text, strlen(text), 1, err);
}

/* Its text, cut at its room; "" where it cannot be read. */
static void read_note(const struct wr_env *env, const char *directory, const char *name,
                      char text[NOTE_BYTES_MAX]) {
    char path[STATE_FILE_BYTES_MAX];
    struct wr_file *file;
    state_file_path(path, directory, name);
    text[0] = 0;
    if (env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return;
    int64_t length = env->read(file, text, NOTE_BYTES_MAX - 1, 0);
    text[length < 0 ? 0 : length] = 0;
    env->close(file);
}

/* A copy of before, whole or not. WR_EREFUSED: somebody is making it. */
static int remove_copy(const struct wr_env *env, const char *directory, struct wr_error *err) {
    static const char *const names[] = {"state.db.new", "state.db.new-journal",
                                        "state.db-wal", "state.db-journal",
                                        "state.db-shm", "state.db",
                                        "state.rows",   "MADE",
                                        "LOCK"};
    char copy[STATE_FILE_BYTES_MAX], path[STATE_FILE_BYTES_MAX];
    struct wr_file *lock;
    state_file_path(copy, directory, "save");
    if (!state_file_is_there(env, directory, "save"))
        return WR_OK;
    state_file_path(path, copy, "LOCK");
    int status = env->lock(env, path, &lock, err);
    if (status != WR_OK)
        return status;
    for (size_t i = 0; i < WR_COUNT(names) && status == WR_OK; i++)
        status = state_file_remove(env, copy, names[i], err);
    env->close(lock);
    return status == WR_OK ? env->remove(env, copy, err) : status;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* The answer to what was read from save.asked. */
static void answer(struct wr_run *run, const char *asked) {
    const struct wr_env *env = run->plan->env;
    const char *directory = run->options.state_directory;
    char text[NOTE_BYTES_MAX], copy[STATE_FILE_BYTES_MAX];
    uint64_t token = 0;
    int64_t deadline_us = 0;
    struct wr_error err = {0};
    int is_due = sscanf(asked, "%" SCNx64 " %" SCNd64, &token, &deadline_us) == 2 &&
                 env->now_us(env) <= deadline_us;
    state_file_path(copy, directory, "save");
    int status = is_due ? remove_copy(env, directory, &err) : WR_OK;
    if (is_due && status == WR_OK)
        status = wr_store_copy(run->store, copy, 0, &err);
    if (status == WR_OK)
        snprintf(text, sizeof text, "%016" PRIx64 " ok\n", token);
    else
        snprintf(text, sizeof text, "%016" PRIx64 " %.500s\n", token, err.text);
    status = is_due ? write_note(env, directory, "save.answer", text, &err) : WR_OK;
    if (status == WR_OK) /* else who asked waits no longer than it said */
        (void)state_file_remove(env, directory, "save.asked", &err);
}

int run_answer_save(struct wr_run *run, struct wr_error *err) {
    const struct wr_env *env = run->plan->env;
    char asked[NOTE_BYTES_MAX];
    if (!state_file_is_there(env, run->options.state_directory, "save.asked"))
        return WR_OK;
    read_note(env, run->options.state_directory, "save.asked", asked);
    int status = writer_settle(run, err);
    if (status == WR_OK)
        answer(run, asked);
    return status;
}

/* ---- who asks -------------------------------------------------------------------------------- */

static int is_held(const struct wr_env *env, const char *directory) {
    char path[STATE_FILE_BYTES_MAX];
    struct wr_file *lock;
    state_file_path(path, directory, "LOCK");
    int status = env->lock(env, path, &lock, NULL);
    if (status == WR_OK)
        env->close(lock);
    return status == WR_EREFUSED;
}

/* The copy of a state that nobody holds. WR_EREFUSED with *held: somebody does by now. Who held it
 * may end between two looks, and another may come: then once more. */
static int copy_free(const struct wr_env *env, const char *directory, const char *to, int *held,
                     struct wr_error *err) {
    int status, tries = 0;
    do {
        status = wr_state_copy(env, directory, to, err);
        *held = status == WR_EREFUSED && is_held(env, directory);
    } while (status == WR_EREFUSED && !*held && ++tries < COPY_TRIES);
    return status;
}

static int tidy_up(const struct wr_env *env, const char *directory, struct wr_error *err) {
    static const char *const names[] = {"save.asked", "save.asked.new", "save.answer",
                                        "save.answer.new"};
    int status = WR_OK;
    for (size_t i = 0; i < WR_COUNT(names) && status == WR_OK; i++)
        status = state_file_remove(env, directory, names[i], err);
    return status == WR_OK ? remove_copy(env, directory, err) : status;
}

/* The run may be in the midst of a copy that somebody asked for who is gone: it is waited for. */
static int make_room(const struct wr_env *env, const char *directory, int64_t limit_us,
                     struct wr_error *err) {
    int64_t end_us = env->monotonic_us(env) + limit_us;
    int status = tidy_up(env, directory, err);
    while (status != WR_OK && env->monotonic_us(env) < end_us) {
        env->sleep(env, LOOK_US);
        status = tidy_up(env, directory, err);
    }
    return status;
}

static int no_answer(const struct wr_env *env, const char *directory, int64_t limit_us,
                     struct wr_error *err) {
    struct wr_error other = {0}; /* it is past its deadline in any case */
    (void)state_file_remove(env, directory, "save.asked", &other);
    wr_error_script(err, "W618", "the run that holds state %s has made no checkpoint in %lld s",
                    directory, (long long)(limit_us / 1000000));
    wr_error_help(err, "--timeout says how long is waited; `weir.settings { checkpoint = … }` how "
                       "often a run makes one");
    return WR_EREFUSED;
}

/* What came of it, when there is an answer. */
static int take_answer(const struct wr_env *env, const char *directory, const char *to,
                       const char *text, struct wr_error *err) {
    char copy[STATE_FILE_BYTES_MAX];
    const char *what = strchr(text, ' ');
    if (what != NULL && strcmp(what, " ok\n") != 0) {
        wr_error_script(err, "W618", "the run that holds state %s cannot copy it:%.400s", directory,
                        what);
        wr_error_help(err, "it goes on; what it says is about the directory of its state");
        return WR_EREFUSED;
    }
    state_file_path(copy, directory, "save");
    return wr_state_copy(env, copy, to, err);
}

static int ask(const struct wr_env *env, const char *directory, const char *to, int64_t limit_us,
               struct wr_error *err) {
    char asked[NOTE_BYTES_MAX], answer[NOTE_BYTES_MAX], begin[32];
    uint64_t token = env->random_u64(env);
    int64_t end_us = env->monotonic_us(env) + limit_us;
    snprintf(asked, sizeof asked, "%016" PRIx64 " %" PRId64 "\n", token,
             env->now_us(env) + limit_us);
    snprintf(begin, sizeof begin, "%016" PRIx64, token);
    int status = write_note(env, directory, "save.asked", asked, err);
    while (status == WR_OK) {
        int is_asked =
            state_file_is_there(env, directory, "save.asked"); /* it goes behind the answer */
        read_note(env, directory, "save.answer", answer);
        if (strncmp(answer, begin, strlen(begin)) == 0)
            return take_answer(env, directory, to, answer, err);
        int held = is_held(env, directory); /* else it has ended, or was killed */
        int copied = held ? WR_EREFUSED : copy_free(env, directory, to, &held, err);
        if (!held)
            return copied;
        if (env->monotonic_us(env) > end_us)
            return no_answer(env, directory, limit_us, err);
        if (!is_asked) /* taken for the one before, which was answered meanwhile */
            status = write_note(env, directory, "save.asked", asked, err);
        env->sleep(env, LOOK_US);
    }
    return status;
}

int wr_state_save(const struct wr_env *env, const char *path, const char *to, int64_t limit_us,
                  struct wr_error *err) {
    if (strlen(path) > STATE_DIRECTORY_BYTES_MAX - 32)
        return wr_error_set(err, WR_EARG, "state %.80s…: the path is too long", path);
    char text[STATE_FILE_BYTES_MAX];
    struct wr_file *lock;
    int held;
    int status = copy_free(env, path, to, &held, err);
    if (!held)
        return status;
    if (state_file_is_there(env, to, "state.db")) {
        status = wr_error_set(err, WR_EEXIST, "there is a state in %s already", to);
        wr_error_help(err, "give another directory, or remove that one");
        return status;
    }
    state_file_path(text, path, "save.lock");
    status = env->lock(env, text, &lock, err);
    if (status == WR_EREFUSED)
        wr_error_help(err, "another `weir state save` waits for this run");
    if (status != WR_OK)
        return status;
    status = make_room(env, path, limit_us, err);
    if (status == WR_OK)
        status = ask(env, path, to, limit_us, err);
    struct wr_error other = {0}; /* what is left is in nobody's way */
    (void)tidy_up(env, path, &other);
    env->close(lock);
    return status;
}
