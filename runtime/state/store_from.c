/* store_from.c: the file `FROM` beside state.db, of a state that began as a copy of another one:
 * which that was, the checkpoint that it stood at, and where it lay. It is there before state.db
 * is, so whoever is killed in between begins anew by the same words; behind that they go on,
 * whatever has become of the copy. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define TEXT_BYTES_MAX (WR_STORE_PATH_BYTES_MAX + 64)
#define TEXT_FORMAT "began %016" PRIx64 " %020" PRIu64 " %s\n"

struct from {
    uint64_t identity, number;
    char path[TEXT_BYTES_MAX]; /* as it was given */
};

static void from_path(char path[WR_STORE_PATH_BYTES_MAX], const char *directory) {
    snprintf(path, WR_STORE_PATH_BYTES_MAX, "%s/FROM", directory);
}

int wr_store_from_write(const struct wr_store *store, const char *to, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX], text[TEXT_BYTES_MAX];
    struct wr_file *file;
    from_path(path, to);
    int length =
        snprintf(text, sizeof text, TEXT_FORMAT, store->identity, store->number, store->path);
    int status = store->env->open(store->env, path, WR_FILE_CREATE, &file, err);
    if (status != WR_OK)
        return status;
    status = store->env->write(file, text, (uint64_t)length, err);
    if (status == WR_OK)
        status = store->env->sync(file, err);
    store->env->close(file);
    return status;
}

/* 0: there is no such file, or nothing that was written whole. */
static int from_read(const struct wr_env *env, const char *directory, struct from *from) {
    char path[WR_STORE_PATH_BYTES_MAX], text[TEXT_BYTES_MAX];
    struct wr_file *file;
    struct wr_file_info info;
    int at = 0;
    from_path(path, directory);
    if (env->stat(env, path, &info) != WR_OK ||
        env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return 0;
    int64_t length = wr_env_read_whole(file, text, sizeof text - 1, 0);
    env->close(file);
    if (length <= 0 || text[length - 1] != '\n')
        return 0;
    text[length - 1] = 0;
    if (sscanf(text, "began %16" SCNx64 " %20" SCNu64 " %n", &from->identity, &from->number, &at) !=
            2 ||
        at == 0)
        return 0;
    memcpy(from->path, text + at, strlen(text + at) + 1);
    return 1;
}

int wr_store_began_from(const struct wr_store *store, const char *directory) {
    struct from from;
    return from_read(store->env, directory, &from) && from.identity == store->identity &&
           from.number == store->number;
}

int wr_store_began_at(const struct wr_env *env, const char *directory, const char *path) {
    struct from from;
    return from_read(env, directory, &from) && strcmp(from.path, path) == 0;
}

enum wr_store_beginning wr_store_beginning(const struct wr_store *store) {
    struct from from;
    if (!from_read(store->env, store->path, &from) || from.identity != store->identity)
        return WR_STORE_FRESH;
    return from.number == store->number ? WR_STORE_AS_COPIED : WR_STORE_GONE_ON;
}
