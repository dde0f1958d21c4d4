/* watch_rotated.c: watched files that were rotated while nobody looked: see watch_match.c. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

/* What was known of the name of a file that moved. */
struct rotation {
    const struct watch_moved *was;
    size_t stem;       /* bytes of the name that files behind it begin with */
    int64_t latest_us; /* when the newest file of the name that is known was changed */
    int64_t since_us;  /* what was changed since then, and is not known, is new */
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

/* All that were rotated in the last hour before the newest are known, or the last 128. */
static void find_since(const struct watch_look *look, struct rotation *of, uint32_t first) {
    int64_t newest_us = of->was->modified_us, oldest_us = INT64_MAX;
    uint32_t away = 0;
    for (uint32_t i = first; i < look->known_count; i++) {
        const struct watched *file = look->known[i];
        if (strncmp(file->path, of->was->path, of->stem) != 0)
            break;
        if (!has_stem(of, file->path))
            continue;
        newest_us = WR_MAX(newest_us, file->before_us);
        away += file->is_away;
        if (file->is_away)
            oldest_us = WR_MIN(oldest_us, file->before_us);
    }
    of->since_us = newest_us - WATCH_DOUBT_US;
    if (away >= WATCH_AWAY_MAX)
        of->since_us = WR_MAX(of->since_us, oldest_us + 1);
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
    find_since(look, of, first);
    watch_make_beside(look);
    watch_add_numbers(look, was->path, of->stem, &of->numbers);
}

static int is_younger(const struct rotation *of, const struct watch_seen *one,
                      const struct watched *file) {
    return follow_names_order(&of->numbers, of->stem, file->path, one->path) < 0;
}

/* By a state of before, which does not know all that were rotated: files behind one that moved were
 * changed later than the newest of its name that is known; or at the same time, and then have
 * younger names than all that are known. Where the file that moved has no such name any more, one
 * that was made before it was not behind it, and of a compressed one nobody knows. */
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

/* Has it no address, does nobody know it, and is it no compressed copy of one that is beside? */
static int is_unknown(const struct watch_look *look, const struct watch_list *beside,
                      const struct watch_seen *one) {
    char original[FOLLOW_PATH_MAX];
    snprintf(original, sizeof original, "%.*s", (int)follow_length_without_ending(one->path),
             one->path);
    return watch_find_seen(&look->seen, one->path) == NULL &&
           watch_find_seen(beside, original) == NULL && !watch_is_known(look->self, &one->info);
}

/* A file is gone of which nothing was read: is there a new one that may be it? */
static int may_be_it(const struct watch_look *look, const struct watch_seen *one,
                     const struct watch_moved *was, size_t stem) {
    const struct watch_seen *seen = watch_find_seen(&look->seen, one->path);
    return watch_begins_so(one->path, was->path, stem) &&
           one->info.modified_us >= was->modified_us &&
           (seen != NULL ? !seen->is_taken : !watch_is_known(look->self, &one->info));
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

static struct watched *add_away(struct watch_look *look, struct watch_seen *one) {
    struct watched *file = watch_add(look->self, one->path, strlen(one->path));
    if (file == NULL)
        watch_fails(look, WR_ENOMEM, NULL);
    else
        watch_take_seen(look, file, one, 1);
    return file;
}

/* What was rotated since the file moved, and has no address. */
static void add_rotated(struct watch_look *look, const struct watch_moved *was) {
    struct rotation of;
    see_rotation(look, was, &of);
    for (uint32_t i = watch_first_beside(look, was->path, of.stem); i < look->beside.count; i++) {
        struct watch_seen *one = &look->beside.items[i];
        if (look->status != WR_OK || strncmp(one->path, was->path, of.stem) != 0)
            break;
        if (watch_begins_so(one->path, was->path, of.stem) &&
            is_unknown(look, &look->beside, one) &&
            (look->self->knows_old ? one->info.modified_us >= of.since_us
                                   : is_later(look, one, &of)))
            add_away(look, one);
    }
}

/* It was rotated not long ago, by the last life maybe, and no file was seen that had its name
 * since: one that had may have been rotated too, and where names are dates that moves no other. */
static int may_have_followers(const struct watch_look *look, const struct watched *file) {
    char name[FOLLOW_PATH_MAX];
    if (!file->is_away || !file->is_seen)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)watch_stem_length(file->path), file->path);
    const struct watched *named = watch_find_name(look, name);
    return (named == NULL || named == file) && (look->now_us - file->changed_us < WATCH_QUIET_US ||
                                                watch_find_seen(&look->seen, name) != NULL);
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

/* ---- what was away before ------------------------------------------------------------------ */

/* No name is beside those that are seen. */
static int has_all_names(const char *address) {
    const char *slash = strrchr(address, '/'), *name = slash == NULL ? address : slash + 1;
    return name[0] == 0 || strcmp(name, "*") == 0;
}

/* A number or a date behind the name of a file that is there: what else is beside it (`.md5`,
 * `.done`) is no log. */
static int is_rotated_name(const struct watch_look *look, const char *path) {
    char name[FOLLOW_PATH_MAX];
    size_t end = follow_length_without_ending(path), stem = watch_stem_length(path);
    snprintf(name, sizeof name, "%.*s", (int)stem, path);
    return stem < (end > 0 ? end : strlen(path)) && watch_find_seen(&look->seen, name) != NULL;
}

/* Has it come since the last scan, as its name? */
static int came_since(const struct watch_look *look, const struct watch_seen *one) {
    int64_t modified_us = one->info.modified_us;
    if (modified_us % FOLLOW_SECOND_US == 0) /* of a clock that knows no parts of them, maybe */
        modified_us += FOLLOW_SECOND_US - 1;
    return look->self->looked_us != 0 && modified_us >= look->self->looked_us - FOLLOW_CLOCK_US &&
           is_rotated_name(look, one->path);
}

static void add_old(struct watch_look *look, struct watch_seen *one) {
    struct watched *file = add_away(look, one);
    if (file == NULL || came_since(look, one))
        return;
    file->is_whole = file->is_old = 1;
    file->changed_us = watch_last_change(look, &one->info);
    if (follow_length_without_ending(file->path) > 0)
        return; /* it is not compressed again: there is time until it is known to stay */
    file->is_looked_into = 1;
    watch_note_head(look->self, file);
}

void watch_add_old(struct watch_look *look, uint32_t first_new) {
    struct watch_source *self = look->self;
    struct watch_list beside = {0};
    uint32_t first = self->knows_old ? first_new : 0;
    if (first < self->count && !has_all_names(self->in.config->address))
        watch_list_beside(look, self->files + first, self->count - first, &beside);
    for (uint32_t i = 0; i < beside.count && look->status == WR_OK; i++)
        if (is_unknown(look, &beside, &beside.items[i]))
            add_old(look, &beside.items[i]);
    wr_free(&wr_budget_control, beside.items);
    self->knows_old = look->status == WR_OK;
}
