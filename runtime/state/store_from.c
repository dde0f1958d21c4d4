/* store_from.c: the file `FROM` beside state.db, of a state that began as a copy of another one:
 * which that was, and the checkpoint that it stood at. It is there before state.db is, so whoever
 * is killed in between begins anew by the same words; behind that they go on. */
#include <inttypes.h>
#include <stdio.h>

#include "base/env.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define TEXT_BYTES_MAX 64
#define TEXT_FORMAT "began %016" PRIx64 " %020" PRIu64 "\n"

static void from_path(char path[WR_STORE_PATH_BYTES_MAX], const char *directory) {
    snprintf(path, WR_STORE_PATH_BYTES_MAX, "%s%s/FROM", directory[0] == '/' ? "" : "./",
             directory);
}

int wr_store_from_write(const struct wr_store *store, const char *to, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX], text[TEXT_BYTES_MAX];
    struct wr_file *file;
    from_path(path, to);
    int length = snprintf(text, sizeof text, TEXT_FORMAT, store->identity, store->number);
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
static int from_read(const struct wr_env *env, const char *directory, uint64_t *identity,
                     uint64_t *number) {
    char path[WR_STORE_PATH_BYTES_MAX], text[TEXT_BYTES_MAX] = "";
    struct wr_file *file;
    struct wr_file_info info;
    from_path(path, directory);
    if (env->stat(env, path, &info) != WR_OK ||
        env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return 0;
    int64_t length = wr_env_read_whole(file, text, sizeof text - 1, 0);
    env->close(file);
    return length > 0 && sscanf(text, "began %16" SCNx64 " %20" SCNu64, identity, number) == 2;
}

int wr_store_began_from(const struct wr_store *store, const char *directory) {
    uint64_t identity, number;
    return from_read(store->env, directory, &identity, &number) && identity == store->identity &&
           number == store->number;
}

enum wr_store_beginning wr_store_beginning(const struct wr_store *store) {
    uint64_t identity, number;
    if (!from_read(store->env, store->path, &identity, &number) || identity != store->identity)
        return WR_STORE_FRESH;
    return number == store->number ? WR_STORE_AS_COPIED : WR_STORE_GONE_ON;
}
