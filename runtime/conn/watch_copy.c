/* watch_copy.c: copies of watched files: see watch_match.c.
 *
 * What is in them tells which are copies of what. Where little is known of a file that is gone, and
 * so several fit (an empty one, a header alone), those of which more is known are found first; and
 * then it does not matter which is taken: all rows of all of them are still to be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

#define COPY_NAMES_MAX 128u /* beside one that is gone, that may be copies of it */

void watch_add_numbers(const struct watch_look *look, const char *path, size_t stem,
                       struct follow_numbers *numbers) {
    for (uint32_t i = watch_first_beside(look, path, stem); i < look->beside.count; i++) {
        const struct watch_seen *one = &look->beside.items[i];
        if (strncmp(one->path, path, stem) != 0)
            break;
        if (watch_begins_so(one->path, path, stem))
            follow_numbers_add(numbers, one->path, stem, &one->info);
    }
}

/* ---- 4 and 5: copies ----------------------------------------------------------------------- */

/* Some programs that compress keep whole seconds of the time. */
static int is_before(const struct watch_seen *one, const struct watched *file) {
    int64_t modified_us = one->info.modified_us;
    return modified_us % FOLLOW_SECOND_US == 0 ? modified_us + FOLLOW_SECOND_US <= file->modified_us
                                               : modified_us < file->modified_us;
}

/* Can it be a copy of a file that is gone, by its name, its time and what is known of it? One that
 * is a copy of another is not, where more was known of that one. */
static int may_be_copy(const struct watch_look *look, const struct watched *file,
                       const struct watch_seen *one, size_t stem) {
    if (!watch_begins_so(one->path, file->path,
                         follow_length_without_ending(one->path) > 0 ? stem : strlen(file->path)) ||
        is_before(one, file))
        return 0;
    for (uint32_t i = 0; i < look->self->count; i++) {
        const struct watched *known = look->self->files[i];
        if (watch_has_number(known, &one->info) && known->is_seen &&
            (!known->is_copy || known->offset > file->offset ||
             known->head_length > file->head_length))
            return 0;
    }
    return 1;
}

/* Those that are whole copies of it are known by its place from now on. */
static void take_copy(struct watch_look *look, struct watched *file, struct watch_seen *one) {
    for (uint32_t i = 0; i < look->self->count; i++) {
        struct watched *known = look->self->files[i];
        if (known->is_copy && watch_has_number(known, &one->info))
            known->is_seen = 0;
    }
    struct watch_seen *seen = watch_find_seen(&look->seen, one->path);
    watch_take_seen(look, file, seen != NULL ? seen : one, seen == NULL);
}

/* By their times, and where those are the same, by their names. */
static int is_older(const struct watch_look *look, const struct watch_seen *one,
                    const struct watch_seen *other, size_t stem) {
    struct follow_numbers numbers = {0};
    if (one->info.modified_us != other->info.modified_us)
        return one->info.modified_us < other->info.modified_us;
    watch_add_numbers(look, one->path, stem, &numbers);
    return follow_names_order(&numbers, stem, one->path, other->path) < 0;
}

/* One that fits, and is older than the one that was found. */
static void try_copy(struct watch_look *look, const struct watched *file, struct watch_seen *one,
                     size_t stem, struct watch_seen **found) {
    if (one == NULL || look->status != WR_OK ||
        (*found != NULL && !is_older(look, one, *found, stem)) ||
        !may_be_copy(look, file, one, stem) || watch_is_same(look, file, one->path) != 1)
        return;
    *found = one;
}

static void match_copy(struct watch_look *look, struct watched *file) {
    struct watch_seen *found = NULL;
    size_t stem = watch_stem_length(file->path);
    char path[FOLLOW_PATH_MAX + 8];
    watch_make_beside(look);
    for (size_t i = 0; i < FOLLOW_ENDINGS && found == NULL; i++) {
        snprintf(path, sizeof path, "%s%s", file->path, follow_endings[i]);
        try_copy(look, file, watch_find_seen(&look->beside, path), stem, &found);
    }
    uint32_t first = watch_first_beside(look, file->path, stem);
    uint32_t last = WR_MIN(look->beside.count, first + COPY_NAMES_MAX);
    for (uint32_t b = first; b < last && (found == NULL || path[0] == 0); b++) {
        struct watch_seen *one = &look->beside.items[b];
        path[0] = 0; /* not by its very name: the oldest of them */
        if (strncmp(one->path, file->path, stem) != 0)
            break;
        try_copy(look, file, one, stem, &found);
    }
    if (found == NULL || look->status != WR_OK)
        return;
    take_copy(look, file, found);
    file->has_rest = !file->is_whole && follow_length_without_ending(found->path) > 0;
}

/* Most is known of the first. */
static int by_content(const void *a, const void *b) {
    const struct watched *one = *(struct watched *const *)a, *other = *(struct watched *const *)b;
    uint64_t of_one = WR_MAX(one->offset, one->head_length);
    uint64_t of_other = WR_MAX(other->offset, other->head_length);
    return of_one != of_other ? (of_one < of_other ? 1 : -1) : strcmp(one->path, other->path);
}

/* It is gone, and there may be a copy of it. */
static int is_sought(const struct watched *file) {
    int may_be_compressed =
        !file->is_whole || (file->is_old && follow_length_without_ending(file->path) == 0);
    return !file->is_seen && may_be_compressed && file->size > 0 && watch_has_content(file);
}

void watch_match_copies(struct watch_look *look) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < look->known_count; i++)
        count += (uint32_t)is_sought(look->known[i]);
    if (count == 0)
        return;
    struct watched **sought = WR_ARENA_ARRAY(&look->arena, struct watched *, count);
    if (sought == NULL) {
        watch_fails(look, WR_ENOMEM, NULL);
        return;
    }
    count = 0;
    for (uint32_t i = 0; i < look->known_count; i++)
        if (is_sought(look->known[i]))
            sought[count++] = look->known[i];
    qsort(sought, count, sizeof(struct watched *), by_content);
    for (uint32_t i = 0; i < count && look->status == WR_OK; i++)
        match_copy(look, sought[i]);
}

static void add_copy(struct watch_look *look, const struct watched *file, struct watch_seen *seen,
                     int is_away) {
    struct watched *copy = watch_add(look->self, seen->path, strlen(seen->path));
    if (copy == NULL) {
        watch_fails(look, WR_ENOMEM, NULL);
        return;
    }
    copy->offset = file->offset;
    copy->sum = file->sum;
    copy->head_sum = file->head_sum;
    copy->head_length = file->head_length;
    copy->line = file->line;
    copy->is_whole = copy->is_copy = 1;
    watch_take_seen(look, copy, seen, is_away);
}

int watch_is_known(const struct watch_source *self, const struct wr_file_info *info) {
    for (uint32_t i = 0; i < self->count; i++)
        if (self->files[i]->is_seen && watch_has_number(self->files[i], info))
            return 1;
    return 0;
}

static void judge_copies_of(struct watch_look *look, const struct watched *file) {
    size_t stem = watch_stem_length(file->path);
    watch_make_beside(look);
    for (uint32_t i = watch_first_beside(look, file->path, stem);
         i < look->beside.count && look->status == WR_OK; i++) {
        struct watch_seen *one = &look->beside.items[i];
        if (strncmp(one->path, file->path, stem) != 0)
            break;
        struct watch_seen *seen = watch_find_seen(&look->seen, one->path);
        if (follow_length_without_ending(one->path) == 0 ||
            !watch_begins_so(one->path, file->path, stem) || (seen != NULL && seen->is_taken) ||
            watch_is_known(look->self, &one->info) || !watch_is_copy(look, file, one->path))
            continue;
        add_copy(look, file, seen != NULL ? seen : one, seen == NULL);
        return;
    }
}

void watch_judge_copies_of_open(struct watch_look *look) {
    for (uint32_t i = 0; i < WATCH_HELD_MAX && look->status == WR_OK; i++)
        if (look->self->held[i] != NULL && look->self->held[i]->is_away)
            judge_copies_of(look, look->self->held[i]);
}

/* A compressed file beside the one of its name without the ending: a copy of it, or one in making?
 * Then it is not read. */
static void judge_copy(struct watch_look *look, struct watch_seen *seen, size_t length) {
    char path[FOLLOW_PATH_MAX];
    memcpy(path, seen->path, length);
    path[length] = 0;
    const struct watched *file = watch_find_name(look, path);
    const struct watch_seen *original = watch_find_seen(&look->seen, path);
    int is_known = file != NULL && file->is_seen && (!file->is_whole || file->is_old);
    int64_t quiet_us = look->now_us - watch_last_change(look, &seen->info);
    int same = is_known && watch_has_content(file) ? watch_is_same(look, file, seen->path) : -1;
    if (same < 0 && (is_known || original != NULL))
        seen->is_taken |= quiet_us < WATCH_QUIET_US; /* it may not be whole yet, or what it is made
                                                      * of was not read yet */
    if (same > 0 && look->status == WR_OK)
        add_copy(look, file, seen, 0);
}

void watch_judge_copies(struct watch_look *look) {
    int is_sorted = 0; /* by the names of now */
    for (uint32_t i = 0; i < look->seen.count && look->status == WR_OK; i++) {
        struct watch_seen *seen = &look->seen.items[i];
        size_t length = seen->is_taken ? 0 : follow_length_without_ending(seen->path);
        if (length > 0 && !is_sorted)
            watch_sort_names(look);
        is_sorted |= length > 0;
        if (length > 0)
            judge_copy(look, seen, length);
    }
}
