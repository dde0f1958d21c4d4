/* file_append.c: see file_append.h. */
#include "conn/file_append.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/fence.h"
#include "conn/file_look.h"
#include "base/banned.h"

#define PIECE_BYTES (64u << 10)

/* Reads all that is asked for, but for the end of the file. The number of bytes, or a status. */
static int64_t read_all(struct wr_file *file, const char *path, char *bytes, size_t size,
                        uint64_t at, struct wr_error *err) {
    int64_t got = wr_env_read_whole(file, bytes, size, at);
    if (got < 0)
        wr_error_set(err, (int)got, "read %s: %s", path, wr_status_text((int)got));
    return got;
}

static int too_short(const char *path, struct wr_error *err) {
    return wr_error_set(err, WR_ECORRUPT, "append rows: `%s` has become shorter meanwhile", path);
}

/* A power cut leaves zeros where bytes of a copy had not reached the disk. */
static int may_be_of_copy(const char *bytes, const char *found, size_t size) {
    int is_copy = 1;
    for (size_t i = 0; i < size; i++)
        is_copy &= found[i] == bytes[i] || found[i] == 0;
    return is_copy;
}

/* How much of `from` stands behind `at`, where there are `more` bytes. Behind all of it others may
 * have written; behind a part of it nobody of this pipeline did. */
enum standing { OTHERS, BEGINNING, ALL };

static int look(const struct wr_file_append *append, struct wr_file *from, uint64_t more,
                char *bytes, enum standing *standing, struct wr_error *err) {
    const struct wr_env *env = append->env;
    struct wr_file *to;
    uint64_t length = WR_MIN(more, append->length);
    *standing = more < append->length ? BEGINNING : ALL;
    int status = env->open(env, append->to, WR_FILE_READ, &to, err);
    if (status != WR_OK)
        return status;
    char *found = bytes + PIECE_BYTES;
    for (uint64_t at = 0; at < length && status == WR_OK && *standing != OTHERS;
         at += PIECE_BYTES) {
        size_t size = (size_t)WR_MIN(length - at, (uint64_t)PIECE_BYTES);
        int64_t got = read_all(from, append->from, bytes, size, at, err);
        int64_t got_found =
            got < 0 ? got : read_all(to, append->to, found, size, append->at + at, err);
        if (got_found < 0)
            status = (int)got_found;
        else if (got != (int64_t)size || got_found != got || !may_be_of_copy(bytes, found, size))
            *standing = OTHERS;
        else if (memcmp(bytes, found, size) != 0)
            *standing = more > append->length ? OTHERS : BEGINNING;
    }
    env->close(to);
    return status;
}

/* `length`: how long `to` is, counted up. */
static int copy(const struct wr_file_append *append, struct wr_file *from, char *bytes,
                struct wr_file *to, uint64_t *length, struct wr_error *err) {
    int status = WR_OK;
    for (uint64_t at = 0; at < append->length && status == WR_OK; at += PIECE_BYTES) {
        size_t size = (size_t)WR_MIN(append->length - at, (uint64_t)PIECE_BYTES);
        int64_t got = read_all(from, append->from, bytes, size, at, err);
        if (got < 0)
            status = (int)got;
        else if (got < (int64_t)size)
            status = too_short(append->from, err);
        else
            status = wr_fence_check(append->env, to, append->to, *length, err);
        if (status == WR_OK)
            status = append->env->write(to, bytes, size, err);
        *length += status == WR_OK ? size : 0;
    }
    return status;
}

/* After a failure; but where others have written meanwhile. */
static void cut_back(const struct wr_file_append *append, struct wr_file *from, char *bytes,
                     struct wr_file *to) {
    struct wr_file_info info;
    enum standing standing;
    if (append->env->info(to, &info) == WR_OK && info.size_bytes > append->at &&
        info.size_bytes - append->at <= append->length &&
        look(append, from, info.size_bytes - append->at, bytes, &standing, NULL) == WR_OK &&
        standing != OTHERS)
        append->env->truncate(to, append->at, NULL);
}

/* Cuts what an earlier life has begun with behind `at`, where the file was seen with `size` bytes,
 * and copies all. */
static int copy_behind(const struct wr_file_append *append, uint64_t at, uint64_t size,
                       struct wr_file *from, char *bytes, struct wr_error *err) {
    const struct wr_env *env = append->env;
    struct wr_file *to;
    int status = env->open(env, append->to, WR_FILE_APPEND, &to, err);
    if (status != WR_OK)
        return status;
    const struct wr_fence fence = {.env = env, .name = append->to};
    status = wr_fence_hold(&fence, to, append->to, err);
    if (status != WR_OK) {
        env->close(to);
        return status;
    }
    status = wr_fence_check(env, to, append->to, size, err); /* it is held now */
    if (status == WR_OK && size > at)
        status = env->truncate(to, at, err);
    uint64_t length = at;
    int is_cut = status == WR_OK;
    if (status == WR_OK)
        status = copy(append, from, bytes, to, &length, err);
    if (status == WR_OK)
        status = wr_fence_check(env, to, append->to, length, err);
    if (status == WR_OK)
        status = env->sync(to, err);
    if (is_cut && status != WR_OK && status != WR_EREFUSED)
        cut_back(append, from, bytes, to);
    env->close(to);
    return status;
}

static int sync_all(const struct wr_file_append *append, struct wr_error *err) {
    struct wr_file *to;
    int status = append->env->open(append->env, append->to, WR_FILE_APPEND, &to, err);
    if (status != WR_OK)
        return status;
    status = append->env->sync(to, err);
    append->env->close(to);
    return status;
}

static int others_wrote(const struct wr_file_append *append, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED, "append to %s: another program has written to it meanwhile",
                 append->to);
    wr_error_help(err, "the rows of this run are in `%s`; let one run at a time append to it",
                  append->from);
    return WR_EREFUSED;
}

static int append_from(const struct wr_file_append *append, struct wr_file *from, char *bytes,
                       struct wr_error *err) {
    const struct wr_env *env = append->env;
    struct wr_file_info info;
    int exists, status = wr_file_look(env, append->to, &info, &exists, err);
    if (status != WR_OK)
        return status;
    uint64_t size = exists ? info.size_bytes : 0;
    if (size < append->at)
        return too_short(append->to, err);
    int has_more = size > append->at;
    enum standing standing = BEGINNING;
    if (has_more && !append->is_again)
        return append->is_known || append->at == 0
                   ? others_wrote(append, err)
                   : copy_behind(append, size, size, from, bytes, err);
    if (has_more)
        status = look(append, from, size - append->at, bytes, &standing, err);
    if (status == WR_OK && standing == ALL) /* nobody may have synced it */
        return sync_all(append, err);
    if (status != WR_OK)
        return status;
    if (standing == OTHERS)
        return others_wrote(append, err);
    return copy_behind(append, append->at, size, from, bytes, err);
}

int wr_file_append(const struct wr_file_append *append, struct wr_error *err) {
    const struct wr_env *env = append->env;
    struct wr_file *from;
    char *bytes = wr_alloc(append->budget, (size_t)2 * PIECE_BYTES);
    if (bytes == NULL)
        return wr_error_set(err, WR_ENOMEM, "append to %s: out of memory", append->to);
    int status = env->open(env, append->from, WR_FILE_READ, &from, err);
    if (status == WR_OK) {
        status = append_from(append, from, bytes, err);
        env->close(from);
    }
    wr_free(append->budget, bytes);
    return status == WR_OK ? env->remove_for_good(env, append->from, err) : status;
}
