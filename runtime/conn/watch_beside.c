/* watch_beside.c: lists of the files that a scan sees, and what their names say: see watch.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "conn/file_look.h"
#include "conn/watch.h"
#include "base/banned.h"

#define BESIDE_MAX 1000000u /* names in the directories of files that are missed */

static int seen_by_path(const void *a, const void *b) {
    return strcmp(((const struct watch_seen *)a)->path, ((const struct watch_seen *)b)->path);
}

/* The first that is not before `path`. */
static uint32_t lower_bound(const struct watch_list *list, const char *path) {
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(list->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct watch_seen *watch_find_seen(const struct watch_list *list, const char *path) {
    uint32_t at = lower_bound(list, path);
    return at < list->count && strcmp(list->items[at].path, path) == 0 ? &list->items[at] : NULL;
}

void watch_fails(struct watch_look *look, int status, const struct wr_error *why) {
    if (look->status == WR_OK && why != NULL)
        look->why = *why;
    look->status = look->status == WR_OK ? status : look->status;
}

int watch_look_at(struct watch_look *look, const char *path, struct wr_file_info *info) {
    struct wr_error err = {0};
    int exists, status = wr_file_look(look->self->in.base.env, path, info, &exists, &err);
    if (status != WR_OK)
        watch_fails(look, status, &err);
    return status == WR_OK && exists;
}

int watch_list_add(struct watch_look *look, struct watch_list *list, const char *path) {
    struct wr_file_info info;
    if (follow_is_half_written(path) || strlen(path) >= FOLLOW_PATH_MAX ||
        !watch_look_at(look, path, &info) || !info.is_regular)
        return look->status;
    const char *copy = wr_arena_strndup(&look->arena, path, strlen(path));
    if (copy == NULL || wr_grow(&wr_budget_control, (void **)&list->items, list->count, &list->room,
                                sizeof *list->items) != WR_OK) {
        watch_fails(look, WR_ENOMEM, NULL);
        return look->status;
    }
    list->items[list->count++] = (struct watch_seen){.path = copy, .info = info};
    return WR_OK;
}

/* Where the name begins. */
static size_t name_at(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash + 1 - path);
}

/* Names that others begin with: of files, with and without what those who rotate put behind. */
struct stems {
    struct watch_look *look;
    struct watch_list *list;
    const char **names; /* in byte order */
    uint32_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int has_stem(const struct stems *stems, const char *path) {
    char begin[FOLLOW_PATH_MAX];
    const char *key = begin;
    size_t length = strlen(path), least = name_at(path);
    if (length >= sizeof begin)
        return 0;
    memcpy(begin, path, length + 1);
    for (size_t at = length; at > least; at--) {
        if (path[at] != 0 && path[at] != '.' && path[at] != '-')
            continue;
        begin[at] = 0;
        if (bsearch(&key, stems->names, stems->count, sizeof *stems->names, by_name) != NULL)
            return 1;
    }
    return 0;
}

static int add_beside(void *ctx, const char *path) {
    const struct stems *stems = ctx;
    return stems->list->count >= BESIDE_MAX ||
           (has_stem(stems, path) && watch_list_add(stems->look, stems->list, path) != WR_OK);
}

static int make_stems(struct stems *stems, struct watched *const *files, uint32_t count) {
    struct wr_arena *arena = &stems->look->arena;
    stems->names = WR_ARENA_ARRAY(arena, const char *, 2 * count);
    for (uint32_t i = 0; i < count && stems->names != NULL; i++) {
        size_t length = watch_stem_length(files[i]->path);
        stems->names[stems->count++] = files[i]->path;
        if (files[i]->path[length] == 0)
            continue;
        stems->names[stems->count] = wr_arena_strndup(arena, files[i]->path, length);
        if (stems->names[stems->count++] == NULL)
            return WR_ENOMEM;
    }
    if (stems->names == NULL)
        return WR_ENOMEM;
    qsort(stems->names, stems->count, sizeof *stems->names, by_name);
    return WR_OK;
}

static void list_directory(struct stems *stems, const char *path, size_t length) {
    const struct wr_env *env = stems->look->self->in.base.env;
    char pattern[FOLLOW_PATH_MAX + 8];
    struct wr_error err = {0};
    snprintf(pattern, sizeof pattern, "%.*s*", (int)length, path);
    int status = env->glob(env, pattern, add_beside, stems, &err);
    if (status != WR_OK)
        watch_fails(stems->look, status, &err);
}

void watch_list_beside(struct watch_look *look, struct watched *const *files, uint32_t count,
                       struct watch_list *list) {
    struct stems stems = {.look = look, .list = list};
    const char *last = "";
    if (count == 0)
        return;
    if (make_stems(&stems, files, count) != WR_OK)
        watch_fails(look, WR_ENOMEM, NULL);
    for (uint32_t i = 0; i < stems.count && look->status == WR_OK; i++) {
        const char *path = stems.names[i];
        size_t length = name_at(path);
        if (i > 0 && length == name_at(last) && memcmp(path, last, length) == 0)
            continue;
        last = path;
        list_directory(&stems, path, length);
    }
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, seen_by_path);
}

void watch_make_beside(struct watch_look *look) {
    if (!look->beside_made)
        watch_list_beside(look, look->known, look->known_count, &look->beside);
    look->beside_made = 1;
}

size_t watch_stem_length(const char *path) {
    size_t end = follow_length_without_ending(path), least = name_at(path) + 1;
    size_t length = end > 0 ? end : strlen(path);
    for (;;) {
        size_t at = length;
        while (at > least && path[at - 1] >= '0' && path[at - 1] <= '9')
            at--;
        if (at == length || at <= least || (path[at - 1] != '.' && path[at - 1] != '-'))
            return length;
        length = at - 1;
    }
}

/* Does `path` go on with `.` or `-` behind so many bytes of `before`? */
int watch_begins_so(const char *path, const char *before, size_t length) {
    return strncmp(path, before, length) == 0 && (path[length] == '.' || path[length] == '-');
}

/* The first name beside that begins with so many bytes of `path`. */
uint32_t watch_first_beside(const struct watch_look *look, const char *path, size_t length) {
    char begin[FOLLOW_PATH_MAX];
    memcpy(begin, path, length);
    begin[length] = 0;
    return lower_bound(&look->beside, begin);
}
