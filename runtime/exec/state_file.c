/* state_file.c: see state_file.h. */
#include "exec/state_file.h"

#include <stdio.h>

#include "base/env.h"
#include "base/status.h"
#include "base/banned.h"

void state_file_path(char path[STATE_FILE_BYTES_MAX], const char *directory, const char *name) {
    snprintf(path, STATE_FILE_BYTES_MAX, "%.*s/%.32s", (int)STATE_DIRECTORY_BYTES_MAX, directory,
             name);
}

int state_file_is_there(const struct wr_env *env, const char *directory, const char *name) {
    char path[STATE_FILE_BYTES_MAX];
    struct wr_file_info info;
    state_file_path(path, directory, name);
    return env->stat(env, path, &info) == WR_OK;
}

int state_file_remove(const struct wr_env *env, const char *directory, const char *name,
                      struct wr_error *err) {
    char path[STATE_FILE_BYTES_MAX];
    state_file_path(path, directory, name);
    return state_file_is_there(env, directory, name) ? env->remove(env, path, err) : WR_OK;
}

int state_file_write(const struct wr_env *env, const char *directory, const char *name,
                     const void *bytes, size_t length, int syncs, struct wr_error *err) {
    char path[STATE_FILE_BYTES_MAX], beside[STATE_FILE_BYTES_MAX + 8];
    state_file_path(path, directory, name);
    snprintf(beside, sizeof beside, "%s.new", path);
    struct wr_file *file;
    int status = env->open(env, beside, WR_FILE_CREATE, &file, err);
    if (status != WR_OK)
        return status;
    status = env->write(file, bytes, length, err);
    if (status == WR_OK && syncs)
        status = env->sync(file, err);
    env->close(file);
    return status == WR_OK ? env->rename(env, beside, path, err) : status;
}
