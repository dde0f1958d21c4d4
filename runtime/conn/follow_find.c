/* follow_find.c: the file that a position stands in, when a followed name has passed on to another
 * one: see follow.h. */
#include "conn/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/file_look.h"

#include "base/banned.h"

#define OLD_FILES_MAX 1024u /* names beside a followed one that are looked at */

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

int follow_is_half_written(const char *path) {
    static const char *const endings[] = {".tmp", ".part", ".partial", ".swp", "~"};
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    int is_so = name[0] == '.' || name[0] == '_';
    for (size_t i = 0; i < WR_COUNT(endings); i++)
        is_so |= ends_with(name, endings[i]);
    return is_so;
}

const char *const follow_endings[FOLLOW_ENDINGS] = {".gz", ".zst", ".bz2", ".xz"};

size_t follow_length_without_ending(const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < FOLLOW_ENDINGS; i++) {
        size_t end = strlen(follow_endings[i]);
        if (length > end && ends_with(path, follow_endings[i]))
            return length - end;
    }
    return 0;
}

struct old_file {
    const char *path;
    struct wr_file_info info;
};

struct old_files {
    const struct wr_env *env;
    struct wr_arena *arena;
    struct wr_error *err;
    struct old_file *files;
    size_t stem; /* bytes of the name that all begin with */
    struct follow_numbers numbers;
    uint32_t count;
    int status;
};

/* A compressed file beside the one that it is made of may not be whole yet. 1, 0 or a status. */
static int is_in_making(const struct wr_env *env, const char *path, struct wr_error *err) {
    char original[FOLLOW_PATH_MAX];
    struct wr_file_info info;
    size_t length = follow_length_without_ending(path);
    if (length == 0 || length >= sizeof original)
        return 0;
    memcpy(original, path, length);
    original[length] = 0;
    int exists, status = wr_file_look(env, original, &info, &exists, err);
    return status == WR_OK ? exists : status;
}

/* Whether a path is that of a file that was rotated. 1, 0 or a status: nobody can tell, and rows of
 * one that is passed over would be missing. */
static int is_old(const struct old_files *old, const char *path, struct wr_file_info *info) {
    int exists;
    if (follow_is_half_written(path) || strlen(path) >= FOLLOW_PATH_MAX)
        return 0;
    int is_made = is_in_making(old->env, path, old->err);
    if (is_made != 0)
        return is_made > 0 ? 0 : is_made;
    int status = wr_file_look(old->env, path, info, &exists, old->err);
    return status != WR_OK ? status : exists && info->is_regular;
}

/* Newest first. */
static int add_old(void *ctx, const char *path) {
    struct old_files *old = ctx;
    struct wr_file_info info;
    int is_one = is_old(old, path, &info);
    if (is_one <= 0) {
        old->status = is_one;
        return is_one < 0;
    }
    const char *copy = wr_arena_strndup(old->arena, path, strlen(path));
    if (copy == NULL) {
        old->status = wr_error_set(old->err, WR_ENOMEM, "follow %s: out of memory", path);
        return 1;
    }
    if (old->count == OLD_FILES_MAX &&
        old->files[old->count - 1].info.modified_us >= info.modified_us)
        return 0;
    uint32_t at = old->count < OLD_FILES_MAX ? old->count++ : old->count - 1;
    for (; at > 0 && old->files[at - 1].info.modified_us < info.modified_us; at--)
        old->files[at] = old->files[at - 1];
    old->files[at] = (struct old_file){copy, info};
    return 0;
}

/* Files whose names begin with that of `path` and go on with `.` or `-`, as programs that rotate
 * name them. */
static int list_old(const struct wr_env *env, const char *path, struct wr_arena *arena,
                    struct old_files *old, struct wr_error *err) {
    char pattern[FOLLOW_PATH_MAX + 8];
    *old = (struct old_files){.env = env, .arena = arena, .err = err, .stem = strlen(path)};
    old->files = WR_ARENA_ARRAY(arena, struct old_file, OLD_FILES_MAX);
    if (old->files == NULL)
        return wr_error_set(err, WR_ENOMEM, "follow %s: out of memory", path);
    snprintf(pattern, sizeof pattern, "%s[.-]*", path);
    int status = env->glob(env, pattern, add_old, old, err);
    for (uint32_t i = 0; i < old->count; i++)
        follow_numbers_add(&old->numbers, old->files[i].path, old->stem, &old->files[i].info);
    return old->status != WR_OK ? old->status : status;
}

int follow_is_file(const struct follow_file *file, const struct wr_file_info *info) {
    return file->inode == info->inode &&
           (file->born_us == 0 || info->born_us == 0 || file->born_us == info->born_us);
}

/* Has it the content of what was read to its end? 1, 0 or a status. */
static int has_content(const struct file_reader *in, const char *path,
                       const struct follow_read *read, struct wr_error *err) {
    struct wr_input input;
    struct file_known known;
    struct wr_error why = {0};
    int is_same = 0, status = wr_input_open(&input, in->base.env, in->base.input_budget, path,
                                            in->config->ratio_max, 0, &why);
    if (status == WR_OK) {
        status = file_known_read(&known, &input, read->offset, &why);
        is_same = status == WR_OK && file_known_sum(&known, read->offset) == read->sum;
        wr_input_close(&input);
    }
    if (status == WR_OK || status == WR_ECORRUPT || status == WR_ENOENT)
        return is_same;
    if (err != NULL)
        *err = why;
    return status;
}

/* Is it this file? Its number is given again when it is gone, within a tick of the clock too: its
 * content tells. 1, 0 or a status. */
static int is_file(const struct file_reader *in, const struct old_file *one,
                   const struct follow_read *read, struct wr_error *err) {
    if (!follow_is_file(&read->file, &one->info))
        return 0;
    return read->offset == 0 ? 1 : has_content(in, one->path, read, err);
}

/* … or a compressed copy of it, which has its time? */
static int is_copy(const struct file_reader *in, const struct old_file *one,
                   const struct follow_read *read, struct wr_error *err) {
    if (read->offset == 0 || one->info.modified_us != read->modified_us ||
        follow_length_without_ending(one->path) == 0)
        return 0;
    return has_content(in, one->path, read, err);
}

static int is_among(const struct file_reader *in, const struct follow_read *done, uint32_t count,
                    const struct old_file *one, struct wr_error *err) {
    int is_one = 0;
    for (uint32_t i = 0; i < count && is_one == 0; i++)
        is_one = is_file(in, one, &done[i], err);
    for (uint32_t i = 0; i < count && is_one == 0; i++)
        is_one = is_copy(in, one, &done[i], err);
    return is_one;
}

/* The file that was read, as its name is now; NULL: it is gone, and no copy of its time is there.
 */
static const struct old_file *find_read(const struct file_reader *in, struct old_files *old,
                                        struct follow_after *after) {
    static int (*const tests[])(const struct file_reader *, const struct old_file *,
                                const struct follow_read *, struct wr_error *) = {is_file, is_copy};
    for (size_t t = 0; after->has_file && t < WR_COUNT(tests); t++)
        for (uint32_t i = 0; i < old->count && old->status == WR_OK; i++) {
            const struct old_file *one = &old->files[i];
            int fits = tests[t](in, one, &after->read, old->err);
            old->status = fits < 0 ? fits : WR_OK;
            if (fits <= 0)
                continue;
            after->read.file = (struct follow_file){one->info.inode, one->info.born_us};
            return one;
        }
    return NULL;
}

/* A time in whole seconds may be that of a clock that knows no parts of them. */
static int64_t latest_us(const struct wr_file_info *info) {
    return info->modified_us % FOLLOW_SECOND_US == 0 ? info->modified_us + FOLLOW_SECOND_US - 1
                                                     : info->modified_us;
}

/* Was it rotated behind `read`? Where that is gone, a file of the same time that was made before it
 * was not; and of a compressed one nobody knows. */
static int is_behind(const struct old_files *old, const struct old_file *one,
                     const struct old_file *read, const struct follow_after *after) {
    int64_t modified_us = one->info.modified_us, born_us = one->info.born_us;
    if (!after->has_file)
        return latest_us(&one->info) >= after->read.modified_us;
    if (modified_us != after->read.modified_us)
        return modified_us > after->read.modified_us;
    if (read != NULL)
        return follow_names_order(&old->numbers, old->stem, read->path, one->path) < 0;
    return !after->was_cut && follow_length_without_ending(one->path) == 0 &&
           (born_us == 0 || born_us >= after->read.file.born_us);
}

static int is_older(const struct old_files *old, const struct old_file *one,
                    const struct old_file *other) {
    if (one->info.modified_us != other->info.modified_us)
        return one->info.modified_us < other->info.modified_us;
    return follow_names_order(&old->numbers, old->stem, one->path, other->path) < 0;
}

int follow_next_old(const struct file_reader *in, struct follow_after *after,
                    const struct follow_read *done, uint32_t done_count, struct follow_next *next,
                    struct wr_error *err) {
    struct wr_arena arena;
    struct old_files old;
    const struct old_file *oldest = NULL;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    int status = list_old(in->base.env, in->config->address, &arena, &old, err);
    const struct old_file *read = status == WR_OK ? find_read(in, &old, after) : NULL;
    status = old.status != WR_OK ? old.status : status;
    for (uint32_t i = 0; i < old.count && status == WR_OK; i++) {
        const struct old_file *one = &old.files[i];
        if (!is_behind(&old, one, read, after) || (oldest != NULL && !is_older(&old, one, oldest)))
            continue;
        int is_done = is_among(in, done, done_count, one, err);
        status = is_done < 0 ? is_done : WR_OK;
        oldest = is_done == 0 ? one : oldest;
    }
    next->path[0] = 0;
    if (status == WR_OK && oldest != NULL) {
        memcpy(next->path, oldest->path, strlen(oldest->path) + 1);
        next->file = (struct follow_file){oldest->info.inode, oldest->info.born_us};
    }
    wr_arena_release(&arena);
    return status;
}

/* Can the position stand in it, by its number? One of which nothing was read has no content that
 * tells it again: it was made at the same time, or nothing has changed. */
static int has_number(const struct follow_position *from, const struct wr_file_info *info) {
    int is_made_then = from->file.born_us != 0 && from->file.born_us == info->born_us;
    return follow_is_file(&from->file, info) &&
           (from->offset > 0 || from->modified_us == 0 || is_made_then ||
            from->modified_us == info->modified_us);
}

/* Does the position stand in this file? Then `in` is open there. A file that is damaged or too
 * short is another one, and so is one that went just now; of one that cannot be read nobody knows.
 * 1, 0 or a status. */
static int try_file(struct file_reader *in, const char *path, const struct follow_position *from,
                    struct wr_error *err) {
    struct wr_error why = {0};
    int is_same = 0, status = file_reader_begin(in, path, &why);
    if (status == WR_OK)
        status = file_reader_go_to(in, from->offset, from->sum, &is_same, &why);
    if (status == WR_OK && is_same)
        return 1;
    file_reader_end(in);
    if (status == WR_OK || status == WR_ECORRUPT || status == WR_ENOENT)
        return 0;
    if (err != NULL)
        *err = why;
    return status;
}

static int not_found(const struct file_reader *in, const struct follow_position *from,
                     const char *also, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s: the file that was read up to byte %llu is no longer there under its name, "
                 "nor under one that begins so%s%s",
                 in->config->address, (unsigned long long)from->offset,
                 also == NULL ? "" : "; both fit: ", also == NULL ? "" : also);
    wr_error_code(err, "W616");
    wr_error_help(err,
                  "rows would be missing: put it back, compressed or not, as `%s.1`; or begin "
                  "anew with another --state",
                  in->config->address);
    return WR_EREFUSED;
}

int follow_find(struct file_reader *in, const struct follow_position *from,
                char found[FOLLOW_PATH_MAX], struct wr_error *err) {
    const struct wr_env *env = in->base.env;
    const char *address = in->config->address, *only = NULL, *also = NULL;
    struct wr_arena arena;
    struct old_files old;
    struct wr_file_info info;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    int status = list_old(env, address, &arena, &old, err), is_found = 0, is_there = 0;
    if (status == WR_OK)
        status = wr_file_look(env, address, &info, &is_there, err);
    /* The same file, by its number; and its content says so too. */
    if (status == WR_OK && is_there && has_number(from, &info)) {
        memcpy(found, address, strlen(address) + 1);
        is_found = try_file(in, address, from, err);
    }
    for (uint32_t i = 0; i < old.count && status == WR_OK && is_found == 0; i++)
        if (has_number(from, &old.files[i].info)) {
            memcpy(found, old.files[i].path, strlen(old.files[i].path) + 1);
            is_found = try_file(in, found, from, err);
        }
    /* A copy of it, compressed or not: one file alone that begins as it did. */
    for (uint32_t i = 0; i <= old.count && status == WR_OK && is_found == 0 && from->offset > 0;
         i++) {
        const char *path = i == 0 ? address : old.files[i - 1].path;
        if (i == 0 && !is_there)
            continue;
        int fits = try_file(in, path, from, err);
        if (fits > 0 && only != NULL)
            also = path;
        else if (fits > 0)
            only = path;
        status = fits < 0 ? fits : WR_OK;
        file_reader_end(in);
    }
    if (status == WR_OK && is_found == 0 && only != NULL && also == NULL) {
        memcpy(found, only, strlen(only) + 1);
        is_found = try_file(in, found, from, err);
    }
    status = status == WR_OK && is_found < 0 ? is_found : status;
    if (status == WR_OK && is_found == 0 && from->offset == 0)
        found[0] = 0; /* nothing was read of it */
    else if (status == WR_OK && is_found == 0)
        status = not_found(in, from, also, err);
    wr_arena_release(&arena);
    return status;
}
