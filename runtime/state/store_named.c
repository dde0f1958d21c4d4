/* store_named.c: the file `NAMED` beside state.db: which files have got their final names since the
 * last checkpoint, or were about to.
 *
 *   checkpoint 00000000000000000012
 *   9f2c41d07ab35e18                  a line for each: the hash of its temporary name
 *
 * A checkpoint says of a file that it is complete; then it gets its name, and no later checkpoint
 * may follow that says so. Who finds it under neither name asks here: a line was written just
 * before it was renamed, when it was there, so somebody has taken it since; without one it has
 * never had its name, and is lost. A kill leaves all lines. They are synced behind the names they
 * are of: a power cut between the two may leave a name without its line, never a line without a
 * file that was there. */
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

#define HEAD_BYTES 32u
#define HEAD_FORMAT "checkpoint %020" PRIu64 "\n"
#define LINE_BYTES 17u
#define LINE_FORMAT "%016" PRIx64 "\n"
#define TEXT_BYTES_MAX (64u << 20) /* of 3.9 M files between two checkpoints */

static int read_all(struct wr_store *store, const char *path, struct wr_file *file, uint64_t length,
                    struct wr_error *err) {
    struct wr_buf *text = &store->named.text;
    length = WR_MIN(length, (uint64_t)TEXT_BYTES_MAX);
    if (wr_buf_reserve(text, length) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "read %s: out of memory", path);
    int64_t got = wr_env_read_whole(file, text->bytes, length, 0);
    if (got < 0)
        return wr_error_set(err, (int)got, "read %s: %s", path, wr_status_text((int)got));
    text->length = (size_t)got;
    return WR_OK;
}

/* What the life before has left behind the last checkpoint; nothing, where it is of another one. */
static int read_once(struct wr_store *store, struct wr_error *err) {
    struct wr_store_named *named = &store->named;
    char path[WR_STORE_PATH_BYTES_MAX], head[HEAD_BYTES + 1];
    struct wr_file *file;
    if (named->is_read)
        return WR_OK;
    wr_buf_init(&named->text, &wr_budget_control, 0);
    wr_store_path(store, "NAMED", path);
    struct wr_file_info info;
    int status = store->env->stat(store->env, path, &info);
    if (status == WR_OK)
        status = store->env->open(store->env, path, WR_FILE_READ, &file, err);
    if (status == WR_OK) {
        status = read_all(store, path, file, info.size_bytes, err);
        store->env->close(file);
    }
    if (status != WR_OK && status != WR_ENOENT) {
        wr_buf_release(&named->text);
        return status;
    }
    snprintf(head, sizeof head, HEAD_FORMAT, store->number);
    if (named->text.length < HEAD_BYTES || memcmp(named->text.bytes, head, HEAD_BYTES) != 0)
        wr_buf_clear(&named->text);
    named->is_read = 1;
    named->number = store->number;
    named->at = HEAD_BYTES;
    return WR_OK;
}

/* The file, behind its whole lines, or begun anew for this checkpoint. */
static int begin(struct wr_store *store, struct wr_error *err) {
    struct wr_store_named *named = &store->named;
    const struct wr_env *env = store->env;
    char path[WR_STORE_PATH_BYTES_MAX], head[HEAD_BYTES + 1];
    uint64_t length = 0;
    int status = WR_OK, is_new = named->file == NULL;
    wr_store_path(store, "NAMED", path);
    if (is_new && named->text.length > 0 && named->number == store->number)
        length = named->text.length - (named->text.length - HEAD_BYTES) % LINE_BYTES;
    if (is_new)
        status = env->open(env, path, WR_FILE_APPEND, &named->file, err);
    if (status == WR_OK)
        status = env->truncate(named->file, length, err);
    snprintf(head, sizeof head, HEAD_FORMAT, store->number);
    if (status == WR_OK && length == 0)
        status = env->write(named->file, head, HEAD_BYTES, err);
    named->number = store->number;
    return status;
}

int wr_store_naming(struct wr_store *store, const char *path, struct wr_error *err) {
    struct wr_store_named *named = &store->named;
    char line[LINE_BYTES + 1];
    int status = read_once(store, err);
    if (status == WR_OK && (named->file == NULL || named->number != store->number))
        status = begin(store, err);
    snprintf(line, sizeof line, LINE_FORMAT, wr_hash_bytes(path, strlen(path), 0));
    if (status == WR_OK)
        status = store->env->write(named->file, line, LINE_BYTES, err);
    named->is_unsynced |= status == WR_OK;
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "write state %s", store->path);
}

int wr_store_naming_sync(struct wr_store *store, struct wr_error *err) {
    struct wr_store_named *named = &store->named;
    if (!named->is_unsynced)
        return WR_OK;
    int status = store->env->sync(named->file, err);
    named->is_unsynced = status != WR_OK;
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "write state %s", store->path);
}

/* They are asked for in the order in which they were written: each look begins behind the last. */
int wr_store_was_named(struct wr_store *store, const char *path, int *was_named,
                       struct wr_error *err) {
    struct wr_store_named *named = &store->named;
    char line[LINE_BYTES + 1];
    *was_named = 0;
    int status = read_once(store, err);
    if (status != WR_OK || named->text.length < HEAD_BYTES)
        return status == WR_OK ? WR_OK : wr_error_add(err, status, "read state %s", store->path);
    snprintf(line, sizeof line, LINE_FORMAT, wr_hash_bytes(path, strlen(path), 0));
    size_t count = (named->text.length - HEAD_BYTES) / LINE_BYTES;
    for (size_t i = 0; i < count && !*was_named; i++) {
        if (named->at + LINE_BYTES > named->text.length)
            named->at = HEAD_BYTES;
        *was_named = memcmp(named->text.bytes + named->at, line, LINE_BYTES) == 0;
        named->at += LINE_BYTES;
    }
    return WR_OK;
}

void wr_store_named_close(struct wr_store *store) {
    if (store->named.file != NULL)
        store->env->close(store->named.file);
    if (store->named.is_read)
        wr_buf_release(&store->named.text);
    store->named = (struct wr_store_named){0};
}
