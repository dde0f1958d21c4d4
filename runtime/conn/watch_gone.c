/* watch_gone.c: watched files that were read, are not there any more, and may come back: moved to
 * another directory and back, under a hidden name for a while, copied back from a backup. A file is
 * one of them by its number or its name, compressed since or not, where it has the content that was
 * read, and the time of then or more behind that; then it goes on there. What has that content, no
 * more, and another time is new: a job may write the same again. See watch.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

#define GONE_MAX 1000u /* so many, and all that went at once with the first of these */

int watch_add_gone(struct watch_source *self, struct watched *file, int64_t now_us) {
    if (wr_grow(&wr_budget_control, (void **)&self->gone, self->gone_count, &self->gone_room,
                sizeof(struct watched *)) != WR_OK)
        return WR_ENOMEM;
    file->gone_us = now_us;
    file->is_seen = 0;
    self->gone[self->gone_count++] = file;
    return WR_OK;
}

/* One that was rotated does not come back, and of one of which nothing is known nobody can tell. */
int watch_may_come_back(const struct watched *file) {
    int is_rotated = file->is_away && watch_stem_length(file->path) < strlen(file->path);
    return !is_rotated && !file->is_old && watch_has_content(file);
}

/* ---- which of them is it? ------------------------------------------------------------------ */

static struct watched **sort(struct watch_look *look, int (*order)(const void *, const void *)) {
    const struct watch_source *self = look->self;
    struct watched **sorted = WR_ARENA_ARRAY(&look->arena, struct watched *, self->gone_count);
    if (sorted == NULL) {
        watch_fails(look, WR_ENOMEM, NULL);
        return NULL;
    }
    memcpy(sorted, self->gone, self->gone_count * sizeof *sorted);
    qsort(sorted, self->gone_count, sizeof *sorted, order);
    return sorted;
}

/* Some programs that copy or compress keep whole seconds of the time. */
static int has_time(const struct watched *file, const struct wr_file_info *info) {
    int is_whole = info->modified_us % FOLLOW_SECOND_US == 0;
    return info->modified_us == file->modified_us ||
           (is_whole &&
            info->modified_us / FOLLOW_SECOND_US == file->modified_us / FOLLOW_SECOND_US);
}

/* Could it be that file, before what is in it is looked at? */
static int may_be(const struct watched *file, const struct watch_seen *seen) {
    const struct wr_file_info *info = &seen->info;
    int has_number = watch_has_number(file, info);
    int is_made_then = has_number && file->born_us != 0 && file->born_us == info->born_us;
    int has_more = info->size_bytes > file->size || follow_length_without_ending(seen->path) > 0;
    int is_later = info->modified_us >= file->modified_us; /* a clock may have been set back */
    return is_made_then || has_time(file, info) ||
           (!file->is_whole && has_more && (has_number || is_later));
}

/* The first that has what was read, of those that `order` takes for the same as `key`. */
static struct watched *find(struct watch_look *look, struct watched *const *sorted,
                            int (*order)(const void *, const void *), const struct watched *key,
                            const struct watch_seen *seen) {
    uint32_t low = 0, count = look->self->gone_count;
    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (order(&sorted[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && order(&sorted[low], &key) == 0 && look->status == WR_OK; low++)
        if (!sorted[low]->is_seen && may_be(sorted[low], seen) &&
            watch_is_same(look, sorted[low], seen->path) == 1)
            return look->status == WR_OK ? sorted[low] : NULL;
    return NULL;
}

/* Of its name without the ending of a compressed file. */
static struct watched *find_original(struct watch_look *look, const struct watch_seen *seen) {
    char path[FOLLOW_PATH_MAX];
    size_t length = follow_length_without_ending(seen->path);
    if (length == 0)
        return NULL;
    memcpy(path, seen->path, length);
    path[length] = 0;
    return find(look, look->gone_by_path, watch_by_path, &(struct watched){.path = path}, seen);
}

static struct watched *find_gone(struct watch_look *look, const struct watch_seen *seen) {
    if (look->gone_by_path == NULL) {
        look->gone_by_path = sort(look, watch_by_path);
        look->gone_by_inode = sort(look, watch_by_inode);
    }
    if (look->status != WR_OK)
        return NULL;
    struct watched key = {.path = (char *)(uintptr_t)seen->path, .inode = seen->info.inode};
    struct watched *file = find(look, look->gone_by_inode, watch_by_inode, &key, seen);
    if (file == NULL)
        file = find(look, look->gone_by_path, watch_by_path, &key, seen);
    return file == NULL ? find_original(look, seen) : file;
}

struct watched *watch_take_gone(struct watch_look *look, struct watch_seen *seen) {
    struct watch_source *self = look->self;
    struct watched *file = self->gone_count == 0 ? NULL : find_gone(look, seen);
    if (file == NULL || look->status != WR_OK)
        return NULL;
    if (wr_grow(&wr_budget_control, (void **)&self->files, self->count, &self->room,
                sizeof(struct watched *)) != WR_OK) {
        watch_fails(look, WR_ENOMEM, NULL);
        return NULL;
    }
    self->files[self->count++] = file;
    look->come_back++;
    file->is_seen = 1; /* and is not among those that are gone behind the scan */
    file->has_rest |= !file->is_whole && follow_length_without_ending(file->path) == 0 &&
                      follow_length_without_ending(seen->path) > 0;
    if (strcmp(file->path, seen->path) != 0 && watch_rename(file, seen->path) != WR_OK)
        watch_fails(look, WR_ENOMEM, NULL);
    return file;
}

/* ---- behind a scan ------------------------------------------------------------------------- */

void watch_sweep_gone(struct watch_source *self) {
    uint32_t kept = 0, first = 0;
    for (uint32_t i = 0; i < self->gone_count; i++)
        if (!self->gone[i]->is_seen)
            self->gone[kept++] = self->gone[i];
    if (kept > GONE_MAX)
        first = kept - GONE_MAX;
    while (first > 0 && kept - first < WR_FILES_MAX &&
           self->gone[first - 1]->gone_us == self->gone[first]->gone_us)
        first--;
    for (uint32_t i = 0; i < first; i++)
        watch_free_file(self, self->gone[i]);
    self->gone_count = kept - first;
    if (first > 0)
        memmove(self->gone, self->gone + first, self->gone_count * sizeof *self->gone);
}
