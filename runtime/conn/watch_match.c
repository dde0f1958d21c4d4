/* watch_match.c: which of the files that a scan sees were known, and by which name: see watch.h.
 *
 *   1. its number, with the content that it had         the file, or renamed within the address
 *   2. its number, beside: `app.log.1` of `app.log`     rotated away: read to its end
 *   3. its name, with the content that it had           a copy of all: another machine, a backup
 *   4. a compressed copy of what is gone, beside         its rest is read
 *   5. a compressed copy of what is there                not read
 *
 * After a restart, files that were rotated in between are read too: those beside one that moved on
 * that were changed later than it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

/* ---- lists --------------------------------------------------------------------------------- */

int watch_by_path(const void *a, const void *b) {
    return strcmp((*(struct watched *const *)a)->path, (*(struct watched *const *)b)->path);
}

int watch_by_inode(const void *a, const void *b) {
    const struct watched *one = *(struct watched *const *)a, *other = *(struct watched *const *)b;
    return (one->inode > other->inode) - (one->inode < other->inode);
}

static void sort_known(struct watch_look *look, int (*order)(const void *, const void *)) {
    if (look->known_count > 1)
        qsort(look->known, look->known_count, sizeof(struct watched *), order);
}

void watch_sort_names(struct watch_look *look) {
    sort_known(look, watch_by_path);
}

/* Where a number was given again there may be two of it. */
static struct watched *find_number(const struct watch_look *look, const struct wr_file_info *info) {
    uint32_t low = 0;
    for (uint32_t high = look->known_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (look->known[middle]->inode < info->inode)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < look->known_count && look->known[low]->inode == info->inode; low++)
        if (watch_has_number(look->known[low], info))
            return look->known[low];
    return NULL;
}

uint32_t watch_first_known(const struct watch_look *look, const char *path, size_t length) {
    uint32_t low = 0;
    for (uint32_t high = look->known_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (strncmp(look->known[middle]->path, path, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct watched *watch_find_name(const struct watch_look *look, const char *path) {
    struct watched key = {.path = (char *)(uintptr_t)path}, *wanted = &key;
    struct watched **found = look->known_count == 0
                                 ? NULL
                                 : bsearch(&wanted, look->known, look->known_count,
                                           sizeof(struct watched *), watch_by_path);
    return found == NULL ? NULL : *found;
}

/* ---- the same file? ------------------------------------------------------------------------ */

/* Nothing has changed, so it has not been written anew under its number either. */
static int is_as_before(const struct watch_look *look, const struct watched *file,
                        const struct wr_file_info *info) {
    return info->size_bytes == file->size && info->modified_us == file->modified_us &&
           (watch_is_past(look->self, file->modified_us) || watch_is_sure(look->self, file, info));
}

/* What has its number has its content too, or where that is sure, was written anew. */
static int is_it(struct watch_look *look, struct watched *file, const struct watch_seen *seen) {
    const struct wr_file_info *info = &seen->info;
    int has_name = strcmp(file->path, seen->path) == 0, grew = info->size_bytes > file->size;
    if (has_name && is_as_before(look, file, info))
        return 1;
    if (watch_is_sure(look->self, file, info) && (grew || !has_name))
        return 1;
    if (!watch_has_content(file)) /* any file begins like it */
        return has_name || watch_is_sure(look->self, file, info);
    int same = watch_is_same(look, file, seen->path) == 1;
    if (same && has_name && file->is_whole && !file->is_copy && !file->is_old && grew)
        watch_tell(look->self, file->path,
                   "it has more than when it was read: that is not read, since it is compressed");
    if (same || !watch_is_sure(look->self, file, info) || look->status != WR_OK)
        return same;
    if (file->offset > 0)
        watch_tell(look->self, file->path,
                   "it was written anew: it was read up to byte %llu and has %llu now; it is read "
                   "again from its start",
                   (unsigned long long)file->offset, (unsigned long long)info->size_bytes);
    watch_forget_content(file);
    return 1;
}

/* Its name passes on, or its number is another one: files may have been rotated since. */
void watch_note_moved(struct watch_look *look, struct watched *file) {
    const char *path = wr_arena_strndup(&look->arena, file->path, strlen(file->path));
    if (path == NULL || wr_grow(&wr_budget_control, (void **)&look->moved, look->moved_count,
                                &look->moved_room, sizeof *look->moved) != WR_OK) {
        watch_fails(look, WR_ENOMEM, NULL);
        return;
    }
    look->moved[look->moved_count++] = (struct watch_moved){.file = file,
                                                            .path = path,
                                                            .inode = file->inode,
                                                            .offset = file->offset,
                                                            .size = file->size,
                                                            .modified_us = file->modified_us,
                                                            .born_us = file->born_us,
                                                            .has_rest = file->has_rest,
                                                            .is_away = file->is_away};
}

/* Of a file of which nothing was read, the number alone says nothing where it is not open. */
static int is_moved(const struct watch_look *look, const struct watched *file,
                    const struct watch_seen *seen) {
    return !watch_has_number(file, &seen->info) || strcmp(file->path, seen->path) != 0 ||
           (file->offset == 0 && !watch_is_sure(look->self, file, &seen->info) &&
            file->modified_us != seen->info.modified_us);
}

/* It is this one, `seen` or not. */
void watch_take_seen(struct watch_look *look, struct watched *file, struct watch_seen *seen,
                     int is_away) {
    const struct wr_file_info *info = &seen->info;
    if (file->inode != 0 && !file->is_whole && is_moved(look, file, seen))
        watch_note_moved(look, file);
    if (look->status != WR_OK)
        return;
    if (strcmp(file->path, seen->path) != 0 && watch_rename(file, seen->path) != WR_OK)
        watch_fails(look, WR_ENOMEM, NULL);
    if (file->size != info->size_bytes || file->modified_us != info->modified_us ||
        (is_away && !file->is_away))
        file->changed_us = look->now_us;
    file->inode = info->inode;
    file->born_us = info->born_us;
    file->size = info->size_bytes;
    file->modified_us = info->modified_us;
    file->is_away = (uint8_t)is_away;
    file->is_seen = 1;
    seen->is_taken = 1;
}

/* ---- 1 to 3: the file ---------------------------------------------------------------------- */

static void match_numbers(struct watch_look *look) {
    sort_known(look, watch_by_inode);
    for (uint32_t i = 0; i < look->seen.count && look->status == WR_OK; i++) {
        struct watch_seen *seen = &look->seen.items[i];
        struct watched *file = find_number(look, &seen->info);
        if (file == NULL)
            continue;
        if (file->is_seen) /* a second name of it */
            seen->is_taken = 1;
        else if (is_it(look, file, seen))
            watch_take_seen(look, file, seen, 0);
    }
}

static struct watch_seen *find_beside(struct watch_look *look, const struct watched *file) {
    size_t length = file->is_away ? watch_stem_length(file->path) : strlen(file->path);
    watch_make_beside(look);
    for (uint32_t i = watch_first_beside(look, file->path, length); i < look->beside.count; i++) {
        struct watch_seen *one = &look->beside.items[i];
        if (strncmp(one->path, file->path, length) != 0)
            break;
        if (watch_has_number(file, &one->info) && watch_begins_so(one->path, file->path, length))
            return !watch_has_content(file) && watch_find_seen(&look->seen, one->path) != NULL
                       ? NULL
                       : one;
    }
    return NULL;
}

/* Nothing has changed, or it has the content that it had: its number may have been given again. */
static int is_still(struct watch_look *look, const struct watched *file,
                    const struct watch_seen *seen) {
    return is_as_before(look, file, &seen->info) || watch_is_sure(look->self, file, &seen->info) ||
           !watch_has_content(file) || watch_is_same(look, file, seen->path) == 1;
}

/* Is it where it was away already? */
static int stays_away(struct watch_look *look, struct watched *file) {
    struct watch_seen at = {.path = file->path};
    if (!file->is_away || !watch_look_at(look, file->path, &at.info) ||
        !watch_has_number(file, &at.info) || !is_still(look, file, &at))
        return 0;
    watch_take_seen(look, file, &at, 1);
    return 1;
}

static void match_beside(struct watch_look *look) {
    for (uint32_t i = 0; i < look->known_count && look->status == WR_OK; i++) {
        struct watched *file = look->known[i];
        if (file->is_seen || (file->is_whole && !file->is_away) || stays_away(look, file))
            continue;
        struct watch_seen *one = find_beside(look, file);
        if (one == NULL || look->status != WR_OK ||
            (file->held == NULL && watch_has_content(file) &&
             watch_is_same(look, file, one->path) != 1))
            continue;
        struct watch_seen *seen = watch_find_seen(&look->seen, one->path);
        watch_take_seen(look, file, seen != NULL ? seen : one, seen == NULL);
    }
}

static int look_at_open(struct watch_look *look, const struct watched *file,
                        struct wr_file_info *info) {
    struct wr_error err = {0};
    const struct wr_env *env = look->self->in.base.env;
    if (env->info(file->held, info) == WR_OK)
        return 1;
    wr_error_set(&err, WR_EIO, "read %s: what it is cannot be seen", file->path);
    watch_fails(look, WR_EIO, &err);
    return 0;
}

/* The file of its name has the same content. One that is open still may have more than was read:
 * then the other one is judged when that was read. */
static void take_named(struct watch_look *look, struct watched *file, struct watch_seen *seen) {
    struct wr_file_info info;
    if (file->held != NULL) {
        if (!look_at_open(look, file, &info))
            return;
        if (info.size_bytes > file->offset) {
            seen->is_taken = 1;
            return;
        }
        watch_let_go(look->self, file, 1);
    }
    watch_take_seen(look, file, seen, 0);
}

static void match_names(struct watch_look *look) {
    watch_sort_names(look);
    for (uint32_t i = 0; i < look->seen.count && look->status == WR_OK; i++) {
        struct watch_seen *seen = &look->seen.items[i];
        struct watched *file = seen->is_taken ? NULL : watch_find_name(look, seen->path);
        if (file == NULL || file->is_seen || (file->held != NULL && !watch_has_content(file)))
            continue;
        if (!watch_has_content(file) || watch_is_same(look, file, seen->path) == 1)
            take_named(look, file, seen);
    }
}

/* Files that are open, and are elsewhere or were removed. */
static void match_open(struct watch_look *look) {
    for (uint32_t i = 0; i < WATCH_HELD_MAX && look->status == WR_OK; i++) {
        struct watched *file = look->self->held[i];
        struct watch_seen open = {.path = file == NULL ? NULL : file->path};
        if (file == NULL || file->is_seen || !look_at_open(look, file, &open.info))
            continue;
        if (!file->is_away) /* its name has passed on, and nobody knows to which */
            watch_note_moved(look, file);
        watch_take_seen(look, file, &open, 1);
    }
}

/* The scan failed: the next one finds out again who moved. */
static void restore(struct watch_look *look) {
    for (uint32_t i = look->moved_count; i > 0; i--) {
        const struct watch_moved *was = &look->moved[i - 1];
        struct watched *file = was->file;
        if (strcmp(file->path, was->path) != 0 && watch_rename(file, was->path) != WR_OK)
            watch_fails(look, WR_ENOMEM, NULL);
        file->inode = was->inode;
        file->born_us = was->born_us;
        file->size = was->size;
        file->modified_us = was->modified_us;
        file->has_rest = was->has_rest;
        file->is_away = was->is_away;
    }
}

static void match_all(struct watch_look *look) {
    match_numbers(look);
    match_beside(look);
    match_names(look);
    match_open(look);
    watch_judge_copies_of_open(look);
    watch_match_copies(look);
    watch_judge_copies(look);
    watch_add_rotated(look);
}

void watch_match(struct watch_look *look) {
    if (look->waits)
        match_open(look);
    else
        match_all(look);
    if (look->status != WR_OK)
        restore(look);
    wr_free(&wr_budget_control, look->moved);
}
