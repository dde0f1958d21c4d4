/* store_made.c: the file `MADE` beside state.db. It comes when state.db holds its tables, so it
 * tells a file that was emptied from one whose making was cut off. In it stands the number of the
 * last checkpoint: without the log `state.db-wal`, or with a part of it, state.db is one of an
 * older checkpoint, or of none, and nothing in it says so. The number is written behind each
 * commit and is not synced: so behind a power cut it may be older than the state, never newer. A
 * sum of the number stands behind it: one that was written half is none. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/store_file.h"
#include "base/banned.h"

#define TEXT_BYTES 49u /* always as long: it is written over what stands there */
#define TEXT_FORMAT "checkpoint %020" PRIu64 " %016" PRIx64 "\n"
#define TEXT_BYTES_NO_SUM 32u /* of an older weir: without the sum */
#define SEED UINT64_C(0x4d414445)

/* An empty one: of an older weir, or of a state that was being removed. What is no number says that
 * there was a checkpoint. */
static int note_read(const struct wr_store *store, const char *path, uint64_t *number,
                     struct wr_error *err) {
    char text[TEXT_BYTES + 1] = "";
    struct wr_file *file;
    const struct wr_env *env = store->env;
    int status = env->open(env, path, WR_FILE_READ, &file, err);
    if (status != WR_OK)
        return status;
    int64_t length = wr_env_read_whole(file, text, TEXT_BYTES, 0);
    env->close(file);
    if (length < 0)
        return wr_error_set(err, (int)length, "read %s: %s", path, wr_status_text((int)length));
    uint64_t sum = 0;
    int count = sscanf(text, "checkpoint %20" SCNu64 " %16" SCNx64, number, &sum);
    int is_whole =
        count == 2 ? sum == wr_hash_u64(*number, SEED) : count == 1 && length == TEXT_BYTES_NO_SUM;
    if (length > 0 && !is_whole)
        *number = 1;
    return WR_OK;
}

int wr_store_made_check(struct wr_store *store, const char *database, int has_log,
                        struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX];
    struct wr_file_info info;
    const struct wr_env *env = store->env;
    wr_store_path(store, "MADE", path);
    store->is_made = env->stat(env, path, &info) == WR_OK;
    if (!store->is_made)
        return WR_OK;
    int status = note_read(store, path, &store->noted, err);
    if (status != WR_OK)
        return status;
    status = env->stat(env, database, &info);
    int is_missing = status == WR_ENOENT;
    if (is_missing && store->noted == 0 && !has_log) {
        store->is_made = 0;
        return env->remove(env, path, err);
    }
    if (!is_missing && (status != WR_OK || info.size_bytes > 0 || has_log))
        return WR_OK; /* SQLite says what is wrong */
    wr_error_set(err, WR_ECORRUPT, "state %s: its state.db is %s", store->path,
                 is_missing ? "missing" : "empty");
    wr_error_help(err, "put a copy of it back; " WR_STORE_ANEW);
    return WR_ECORRUPT;
}

int wr_store_made_compare(struct wr_store *store, struct wr_error *err) {
    if (store->number >= store->noted)
        return WR_OK;
    char last[64] = "no checkpoint";
    if (store->number > 0)
        snprintf(last, sizeof last, "checkpoint %" PRIu64, store->number);
    wr_error_set(err, WR_ECORRUPT,
                 "state %s is damaged: it had checkpoint %" PRIu64 ", and state.db holds %s: its "
                 "log state.db-wal is missing or cut short",
                 store->path, store->noted, last);
    if (store->number > 0)
        wr_error_help(err,
                      "put a copy of both back; to go on from %s, remove the file MADE in that "
                      "directory; " WR_STORE_ANEW,
                      last);
    else
        wr_error_help(err, "put a copy of both back; " WR_STORE_ANEW);
    return wr_store_fail(store, WR_ECORRUPT);
}

int wr_store_made_set(struct wr_store *store, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX];
    struct wr_file *file;
    if (store->is_made)
        return WR_OK;
    wr_store_path(store, "MADE", path);
    int status = store->env->open(store->env, path, WR_FILE_CREATE, &file, err);
    if (status == WR_OK)
        store->env->close(file);
    return status;
}

int wr_store_made_note(struct wr_store *store, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX], text[TEXT_BYTES + 1];
    int status = WR_OK;
    wr_store_path(store, "MADE", path);
    if (store->made == NULL)
        status = store->env->open(store->env, path, WR_FILE_UPDATE, &store->made, err);
    snprintf(text, sizeof text, TEXT_FORMAT, store->number, wr_hash_u64(store->number, SEED));
    if (status == WR_OK)
        status = store->env->write_at(store->made, text, TEXT_BYTES, 0, err);
    return status == WR_OK
               ? WR_OK
               : wr_store_fail(store, wr_error_add(err, status, "write state %s", store->path));
}

void wr_store_made_close(struct wr_store *store) {
    if (store->made != NULL)
        store->env->close(store->made);
    store->made = NULL;
}

int wr_store_made_forget(struct wr_store *store, struct wr_error *err) {
    char path[WR_STORE_PATH_BYTES_MAX];
    struct wr_file *file;
    wr_store_path(store, "MADE", path);
    int status = store->env->open(store->env, path, WR_FILE_CREATE, &file, err);
    if (status != WR_OK)
        return status;
    status = store->env->sync(file, err);
    store->env->close(file);
    return status;
}
