/* watch_copy.c: copies of watched files, and files that were rotated while nobody looked: see
 * watch_match.c. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

#define COPY_NAMES_MAX 128u /* beside one that is gone, that may be copies of it */

/* What the numbers say that follow so many bytes of `path`. */
static void add_numbers(const struct watch_look *look, const char *path, size_t stem,
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

/* Can it be a copy of a file that is gone, by its name, its time and what is known of it? */
static int may_be_copy(const struct watch_look *look, const struct watched *file,
                       const struct watch_seen *one, size_t stem) {
    if (!watch_begins_so(one->path, file->path,
                         follow_length_without_ending(one->path) > 0 ? stem : strlen(file->path)) ||
        one->info.modified_us < file->modified_us)
        return 0;
    if (file->offset == 0 && (one->info.modified_us != file->modified_us ||
                              follow_length_without_ending(one->path) == 0))
        return 0; /* there is no content to compare: it has the time of what it is made of */
    for (uint32_t i = 0; i < look->self->count; i++) {
        const struct watched *known = look->self->files[i];
        if (watch_has_number(known, &one->info) && known->is_seen && !known->is_copy)
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
    add_numbers(look, one->path, stem, &numbers);
    return follow_names_order(&numbers, stem, one->path, other->path) < 0;
}

/* One that fits, and is older than the one that was found. */
static void try_copy(struct watch_look *look, const struct watched *file, struct watch_seen *one,
                     size_t stem, struct watch_seen **found, uint8_t *is_compressed) {
    if (one == NULL || look->status != WR_OK ||
        (*found != NULL && !is_older(look, one, *found, stem)) ||
        !may_be_copy(look, file, one, stem) ||
        (file->offset > 0 && watch_is_same(look, file, one->path) != 1))
        return;
    *found = one;
    *is_compressed = file->offset == 0 || look->self->in.input.compression != WR_COMPRESSION_NONE;
}

static void match_copy(struct watch_look *look, struct watched *file) {
    struct watch_seen *found = NULL;
    uint8_t is_compressed = 0;
    size_t stem = watch_stem_length(file->path);
    char path[FOLLOW_PATH_MAX + 8];
    watch_make_beside(look);
    for (size_t i = 0; i < FOLLOW_ENDINGS && found == NULL; i++) {
        snprintf(path, sizeof path, "%s%s", file->path, follow_endings[i]);
        try_copy(look, file, watch_find_seen(&look->beside, path), stem, &found, &is_compressed);
    }
    uint32_t first = watch_first_beside(look, file->path, stem);
    uint32_t last = WR_MIN(look->beside.count, first + COPY_NAMES_MAX);
    for (uint32_t b = first; b < last && (found == NULL || path[0] == 0); b++) {
        struct watch_seen *one = &look->beside.items[b];
        path[0] = 0; /* not by its very name: the oldest of them */
        if (strncmp(one->path, file->path, stem) != 0)
            break;
        try_copy(look, file, one, stem, &found, &is_compressed);
    }
    if (found == NULL || look->status != WR_OK)
        return;
    take_copy(look, file, found);
    file->has_rest = is_compressed;
}

void watch_match_copies(struct watch_look *look) {
    for (uint32_t i = 0; i < look->known_count && look->status == WR_OK; i++) {
        struct watched *file = look->known[i];
        if (!file->is_seen && !file->is_whole && file->size > 0)
            match_copy(look, file);
    }
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
    copy->line = file->line;
    copy->is_whole = copy->is_copy = 1;
    watch_take_seen(look, copy, seen, is_away);
}

/* Is it a copy of a file that is open, and was renamed and removed since? */
static int judge_copy_of_open(struct watch_look *look, struct watch_seen *seen, int is_away) {
    for (uint32_t i = 0; i < WATCH_HELD_MAX && look->status == WR_OK; i++) {
        const struct watched *file = look->self->held[i];
        if (file == NULL || !file->is_away || file->offset == 0 ||
            !watch_begins_so(seen->path, file->path, watch_stem_length(file->path)) ||
            watch_is_same(look, file, seen->path) != 1)
            continue;
        add_copy(look, file, seen, is_away);
        return 1;
    }
    return 0;
}

/* A compressed file beside the one of its name without the ending: a copy of it, or one in making?
 * Then it is not read. */
static void judge_copy(struct watch_look *look, struct watch_seen *seen, size_t length) {
    char path[FOLLOW_PATH_MAX];
    memcpy(path, seen->path, length);
    path[length] = 0;
    const struct watched *file = watch_find_name(look, path);
    const struct watch_seen *original = watch_find_seen(&look->seen, path);
    int is_known = file != NULL && file->is_seen && !file->is_whole;
    int64_t quiet_us = look->now_us - watch_last_change(look, &seen->info);
    int same = is_known && file->offset > 0 ? watch_is_same(look, file, seen->path) : -1;
    if (same <= 0)
        judge_copy_of_open(look, seen, 0);
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

/* ---- what was rotated in between ----------------------------------------------------------- */

static int is_known(const struct watch_source *self, const struct wr_file_info *info) {
    for (uint32_t i = 0; i < self->count; i++)
        if (self->files[i]->is_seen && watch_has_number(self->files[i], info))
            return 1;
    return 0;
}

/* What was known of the name of a file that moved. */
struct rotation {
    const struct watch_moved *was;
    size_t stem;       /* bytes of the name that files behind it begin with */
    int64_t latest_us; /* when the newest file of the name that is known was changed */
    struct follow_numbers numbers;
    uint8_t is_unread; /* and is gone: it may be any of those that were not changed before it */
};

static int has_stem(const struct rotation *of, const char *path) {
    return strncmp(path, of->was->path, of->stem) == 0 &&
           (path[of->stem] == 0 || path[of->stem] == '.' || path[of->stem] == '-');
}

/* A file that is open and was removed has no name. */
static int has_name(const struct rotation *of, const struct watched *file) {
    return file->is_seen && has_stem(of, file->path) &&
           !(file->is_away && file->path[of->stem] == 0);
}

/* Or is another one at its name? */
static int is_there(const struct watch_moved *was) {
    const struct watched *file = was->file;
    return file->is_seen &&
           (file->is_copy || file->has_rest ||
            (file->inode == was->inode && (file->born_us == was->born_us || was->born_us == 0)));
}

static void see_rotation(struct watch_look *look, const struct watch_moved *was,
                         struct rotation *of) {
    *of = (struct rotation){.was = was,
                            .stem = was->is_away ? watch_stem_length(was->path) : strlen(was->path),
                            .latest_us = was->modified_us,
                            .is_unread = was->offset == 0 && was->size > 0 && !is_there(was)};
    uint32_t first = watch_first_known(look, was->path, of->stem);
    for (uint32_t i = first; was->is_away && !of->is_unread && i < look->known_count; i++) {
        if (strncmp(look->known[i]->path, was->path, of->stem) != 0)
            break;
        if (has_stem(of, look->known[i]->path))
            of->latest_us = WR_MAX(of->latest_us, look->known[i]->before_us);
    }
    watch_make_beside(look);
    add_numbers(look, was->path, of->stem, &of->numbers);
}

static int is_younger(const struct rotation *of, const struct watch_seen *one,
                      const struct watched *file) {
    return follow_names_order(&of->numbers, of->stem, file->path, one->path) < 0;
}

/* Files that were rotated behind one that moved were changed later than the newest of its name that
 * is known; or at the same time, and then have younger names than all that are known. Where the
 * file that moved has no such name any more, one that was made before it was not behind it, and of
 * a compressed one nobody knows. */
static int is_later(const struct watch_look *look, const struct watch_seen *one,
                    const struct rotation *of) {
    const struct watch_moved *was = of->was;
    if (one->info.modified_us != of->latest_us || of->is_unread)
        return one->info.modified_us >= of->latest_us;
    int has_rank = has_name(of, was->file);
    for (uint32_t i = watch_first_known(look, was->path, of->stem); i < look->known_count; i++) {
        const struct watched *file = look->known[i];
        if (strncmp(file->path, was->path, of->stem) != 0)
            break;
        if (has_name(of, file) && !is_younger(of, one, file))
            return 0;
    }
    for (uint32_t i = look->known_count; i < look->self->count; i++) { /* that were just found */
        const struct watched *copy = look->self->files[i];
        if (!copy->is_copy || !has_name(of, copy))
            continue;
        has_rank = 1;
        if (!is_younger(of, one, copy))
            return 0;
    }
    return has_rank || (follow_length_without_ending(one->path) == 0 &&
                        (one->info.born_us == 0 || one->info.born_us >= was->born_us));
}

/* Is it a file of this name that nobody knows, and that has no address? */
static int is_new(const struct watch_look *look, const struct watch_seen *one,
                  const struct rotation *of) {
    char original[FOLLOW_PATH_MAX];
    snprintf(original, sizeof original, "%.*s", (int)follow_length_without_ending(one->path),
             one->path);
    return watch_begins_so(one->path, of->was->path, of->stem) &&
           watch_find_seen(&look->seen, one->path) == NULL && !is_known(look->self, &one->info) &&
           watch_find_seen(&look->beside, original) == NULL;
}

/* A file is gone of which nothing was read: is there a new one that may be it? */
static int may_be_it(const struct watch_look *look, const struct watch_seen *one,
                     const struct watch_moved *was, size_t stem) {
    const struct watch_seen *seen = watch_find_seen(&look->seen, one->path);
    return watch_begins_so(one->path, was->path, stem) &&
           one->info.modified_us >= was->modified_us &&
           (seen != NULL ? !seen->is_taken : !is_known(look->self, &one->info));
}

/* Of a file that is gone, and of which nothing was read, nothing is missing where there is such a
 * one. */
static void find_lost(struct watch_look *look, const struct watch_moved *was) {
    size_t stem = watch_stem_length(was->path);
    if (was->offset > 0 || was->file->is_seen)
        return;
    watch_make_beside(look);
    for (uint32_t i = watch_first_beside(look, was->path, stem); i < look->beside.count; i++) {
        const struct watch_seen *one = &look->beside.items[i];
        if (strncmp(one->path, was->path, stem) != 0)
            break;
        if (may_be_it(look, one, was, stem))
            was->file->size = 0;
    }
}

/* What was rotated since the file moved, and has no address. */
static void add_rotated(struct watch_look *look, const struct watch_moved *was) {
    struct rotation of;
    see_rotation(look, was, &of);
    uint32_t first = watch_first_beside(look, was->path, of.stem);
    for (uint32_t i = first; i < look->beside.count && look->status == WR_OK; i++) {
        struct watch_seen *one = &look->beside.items[i];
        if (strncmp(one->path, was->path, of.stem) != 0)
            break;
        if (follow_length_without_ending(one->path) > 0 &&
            one->info.modified_us >= was->modified_us && is_new(look, one, &of))
            judge_copy_of_open(look, one, 1);
    }
    for (uint32_t i = first; i < look->beside.count; i++) {
        struct watch_seen *one = &look->beside.items[i];
        if (look->status != WR_OK || strncmp(one->path, was->path, of.stem) != 0)
            break;
        if (!is_new(look, one, &of) || !is_later(look, one, &of))
            continue;
        struct watched *file = watch_add(look->self, one->path, strlen(one->path));
        if (file == NULL) {
            watch_fails(look, WR_ENOMEM, NULL);
            return;
        }
        watch_take_seen(look, file, one, 1);
    }
}

/* It was rotated not long ago, by the last life maybe, and no file was seen that had its name
 * since: one that had may have been rotated too, and where names are dates that moves no other. */
static int may_have_followers(const struct watch_look *look, const struct watched *file) {
    char name[FOLLOW_PATH_MAX];
    if (!file->is_away || !file->is_seen || look->now_us - file->changed_us >= WATCH_QUIET_US)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)watch_stem_length(file->path), file->path);
    const struct watched *named = watch_find_name(look, name);
    return named == NULL || named == file;
}

void watch_add_rotated(struct watch_look *look) {
    int is_rotated = look->moved_count > 0;
    for (uint32_t i = 0; i < look->known_count && !is_rotated; i++)
        is_rotated = !look->known[i]->is_seen || look->known[i]->is_away;
    if (!is_rotated)
        return;
    watch_sort_names(look);
    for (uint32_t i = 0; i < look->known_count && look->status == WR_OK; i++)
        if ((!look->known[i]->is_seen && !look->known[i]->is_whole) ||
            may_have_followers(look, look->known[i]))
            watch_note_moved(look, look->known[i]);
    for (uint32_t i = 0; i < look->moved_count && look->status == WR_OK; i++)
        find_lost(look, &look->moved[i]);
    for (uint32_t i = 0; i < look->moved_count && look->status == WR_OK; i++)
        add_rotated(look, &look->moved[i]);
}
