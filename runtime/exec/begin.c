/* begin.c: a state that must be there, and one that begins as a copy of another (`--from`). */
#include "exec/begin.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/status.h"
#include "exec/state_file.h"
#include "state/store.h"
#include "base/banned.h"

#define PATH_BYTES_MAX 4200

static int open_state(struct wr_store **store, const struct wr_env *env, const char *path,
                      int writes, struct wr_error *err) {
    char file[PATH_BYTES_MAX];
    struct wr_file_info info;
    int length = snprintf(file, sizeof file, "%s/state.db", path);
    *store = NULL;
    if (length < (int)sizeof file && env->stat(env, file, &info) == WR_OK) {
        int status = writes ? wr_store_open(store, env, path, NULL, err)
                            : wr_store_look(store, env, path, err);
        if (status == WR_EREFUSED && err != NULL && strstr(err->text, "is held by") != NULL)
            wr_error_help(err, "`weir state save DIR TO` makes a copy of the state of a run; look "
                               "into that, or stop the run");
        return status;
    }
    wr_error_set(err, WR_ENOENT, "there is no state in %s", path);
    wr_error_help(err, "`weir run SCRIPT --state %.200s` makes one", path);
    return WR_ENOENT;
}

int run_look_at_state(struct wr_store **store, const struct wr_env *env, const char *path,
                      struct wr_error *err) {
    return open_state(store, env, path, 0, err);
}

int run_open_state(struct wr_store **store, const struct wr_env *env, const char *path,
                   struct wr_error *err) {
    return open_state(store, env, path, 1, err);
}

int run_look_at_savepoint(struct wr_store **store, const struct wr_env *env, const char *savepoint,
                          struct wr_error *err) {
    int status = run_look_at_state(store, env, savepoint, err);
    if (status == WR_ENOENT)
        wr_error_help(err, "`weir state save DIR %.200s` makes one of the state in DIR", savepoint);
    return status;
}

int run_began_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   int *began, struct wr_error *err) {
    struct wr_store *store;
    *began = 0;
    if (directory == NULL || !state_file_is_there(env, directory, "state.db"))
        return WR_OK;
    *began = wr_store_began_at(env, directory, savepoint);
    if (*began)
        return WR_OK;
    int status = run_look_at_savepoint(&store, env, savepoint, err);
    if (status == WR_OK)
        *began = wr_store_began_from(store, directory);
    wr_store_close(store);
    if (status != WR_OK || *began)
        return status;
    wr_error_set(err, WR_EEXIST, "there is a state in %s already", directory);
    wr_error_help(err,
                  "it did not begin from %.200s: leave --from away to go on with it, "
                  "or give another --state to begin there",
                  savepoint);
    return WR_EEXIST;
}

int run_begin_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   struct wr_error *err) {
    struct wr_store *store;
    int began;
    int status = run_began_from(env, savepoint, directory, &began, err);
    if (status != WR_OK || began)
        return status;
    status = run_look_at_savepoint(&store, env, savepoint, err);
    if (status == WR_OK)
        status = wr_store_copy(store, directory, 1, err);
    wr_store_close(store);
    return status;
}
