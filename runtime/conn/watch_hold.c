/* watch_hold.c: watched files that are kept open: see watch.h. They are read to their ends under
 * any name, and also when they were removed. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/file_look.h"
#include "conn/watch.h"
#include "base/banned.h"

/* Its number may have been given again since it was seen. WR_ENOENT: so it was. */
static int is_this(struct watch_source *self, const struct watched *file, const char *path,
                   struct wr_file *opened, const struct wr_file_info *info, struct wr_error *err) {
    int fits = 0;
    if (!watch_has_number(file, info))
        return WR_ENOENT;
    if (watch_is_sure(self, file, info) || !watch_has_content(file))
        return WR_OK;
    int status = watch_compare(self, file, path, opened, &fits, err);
    return status == WR_ECORRUPT || (status == WR_OK && fits != 1) ? WR_ENOENT : status;
}

/* WR_ENOENT: there is none, or it is another one. */
static int open_it(struct watch_source *self, struct watched *file, const char *path,
                   struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    struct wr_file_info info;
    struct wr_file *opened;
    int status = env->open(env, path, WR_FILE_READ, &opened, err);
    if (status != WR_OK)
        return status;
    if (env->info(opened, &info) == WR_OK)
        status = is_this(self, file, path, opened, &info, err);
    else
        status = wr_error_set(err, WR_EIO, "read %s: what it is cannot be seen", path);
    if (status == WR_OK)
        file->held = opened;
    else
        env->close(opened);
    return status;
}

/* A free place, or that of the file that has not changed for the longest time; -1: the others have
 * changed later than `file`. */
static int find_place(const struct watch_source *self, const struct watched *file) {
    const struct wr_env *env = self->in.base.env;
    int place = -1;
    int64_t oldest_us = file->changed_us;
    uint32_t share = env->open_files_max(env) / WATCH_HELD_SHARE;
    uint32_t places = WR_MIN(WR_MAX(share, WATCH_HELD_LEAST), WATCH_HELD_MAX);
    for (uint32_t i = 0; i < places; i++) {
        if (self->held[i] == NULL)
            return (int)i;
        if (self->held[i]->changed_us < oldest_us && !self->held[i]->is_away) {
            oldest_us = self->held[i]->changed_us;
            place = (int)i;
        }
    }
    return place;
}

static int is_kept(const struct watch_source *self, const struct watched *file) {
    for (uint32_t i = 0; i < WATCH_HELD_MAX; i++)
        if (self->held[i] == file)
            return 1;
    return 0;
}

void watch_hold(struct watch_source *self, struct watched *file) {
    struct wr_error ignored = {0};
    int place = find_place(self, file);
    if (place < 0 || is_kept(self, file))
        return;
    if (file->held == NULL && open_it(self, file, file->path, &ignored) != WR_OK)
        return; /* its task finds out why */
    if (self->held[place] != NULL)
        watch_let_go(self, self->held[place], 1);
    self->held[place] = file;
}

struct sought {
    struct watch_source *self;
    struct watched *file;
    struct wr_error *err;
    int status;
};

static int try_name(void *ctx, const char *path) {
    struct sought *sought = ctx;
    struct wr_file_info info;
    const struct wr_env *env = sought->self->in.base.env;
    int exists, status = wr_file_look(env, path, &info, &exists, sought->err);
    if (status == WR_OK && exists && watch_has_number(sought->file, &info))
        status = open_it(sought->self, sought->file, path, sought->err);
    else if (status == WR_OK)
        status = WR_ENOENT;
    sought->status = status;
    return status != WR_ENOENT;
}

int watch_take(struct watch_source *self, struct watched *file, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    char pattern[FOLLOW_PATH_MAX + 8];
    if (file->held != NULL)
        return WR_OK;
    int status = open_it(self, file, file->path, err);
    if (status != WR_ENOENT)
        return status;
    struct sought sought = {self, file, err, WR_ENOENT};
    snprintf(pattern, sizeof pattern, "%s[.-]*", file->path);
    status = env->glob(env, pattern, try_name, &sought, err);
    return status == WR_OK ? sought.status : status;
}

void watch_let_go(struct watch_source *self, struct watched *file, int always) {
    if (file->held == NULL)
        return;
    for (uint32_t i = 0; i < WATCH_HELD_MAX; i++) {
        if (self->held[i] != file)
            continue;
        if (!always)
            return;
        self->held[i] = NULL;
    }
    self->in.base.env->close(file->held);
    file->held = NULL;
}
