/* partition_fence.c: one run of a state at a time writes into a directory. Copies of a state have
 * the same names for what they write, so what they hold and mark is a file of that name in the
 * directory, `.weir.9f2c41d0.part`, until all is complete. Runs of other states may write into
 * the directory too, each into files of its own. */
#include <inttypes.h>
#include <stdio.h>

#include "base/env.h"
#include "base/status.h"
#include "conn/file_look.h"
#include "conn/named.h"
#include "conn/partition.h"
#include "base/banned.h"

static int path_of_fence(const struct partition_sink *self, char path[PARTITION_PATH_MAX],
                         struct wr_error *err) {
    int length = snprintf(path, PARTITION_PATH_MAX, "%s.weir.%08" PRIx32 ".part",
                          self->config->directory, self->token);
    return length < PARTITION_PATH_MAX
               ? WR_OK
               : wr_error_set(err, WR_EARG, "write %.80s…: the path is too long", path);
}

int partition_fence_look_new(const struct partition_sink *self, struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    int status = path_of_fence(self, path, err);
    return status == WR_OK ? wr_fence_judge_new_at(&self->fence, path, err) : status;
}

int partition_fence_look(struct partition_sink *self, struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    struct wr_fence_found found = {0};
    struct wr_file_info info;
    int status = path_of_fence(self, path, err);
    if (status == WR_OK)
        status = wr_fence_judge_at(&self->fence, path, 0, self->base.goes_back, &found, err);
    if (status == WR_OK)
        status = wr_file_look(self->base.env, path, &info, &self->fence_exists, err);
    self->fence_is_old = found.is_old;
    return status == WR_OK && !self->was_whole && !self->goes_again
               ? wr_named_look(&self->base, path, &self->was_whole, err)
               : status;
}

static int note_place(struct partition_sink *self, struct wr_error *err) {
    const char *path = self->config->directory;
    int status = wr_file_look(self->base.env, path, &self->place, &self->has_place, err);
    if (status == WR_OK && !self->has_place)
        status = wr_error_set(err, WR_ENOENT, "write %s: it is not there", path);
    if (status == WR_OK)
        partition_tell_others(self);
    return status;
}

int partition_fence_take(struct partition_sink *self, struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    char path[PARTITION_PATH_MAX];
    if (self->fence.identity == 0 && !self->has_place)
        return note_place(self, err);
    if (self->fence_file != NULL || self->fence.identity == 0)
        return WR_OK;
    int status = path_of_fence(self, path, err);
    if (status == WR_OK)
        status = env->open(env, path, WR_FILE_UPDATE, &self->fence_file, err);
    if (status == WR_OK)
        status = wr_fence_hold(&self->fence, self->fence_file, path, err);
    if (status == WR_OK) /* it is held now: nothing has happened since it was looked at */
        status = wr_fence_judge(&self->fence, self->fence_file, path, 0, self->base.goes_back, err);
    if (status == WR_OK)
        status = wr_fence_take(&self->fence, self->fence_file, 0, err);
    if (status != WR_OK)
        partition_fence_close(self);
    else
        partition_tell_others(self);
    return status;
}

/* Where a life before has left something, it is this one's from here on. */
int partition_fence_take_again(struct partition_sink *self, struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    struct wr_file_info info;
    int goes_on = self->done_count > 0, exists = 0;
    if (self->was_whole)
        return WR_OK;
    for (uint32_t p = 0; p < self->count && !goes_on; p++)
        goes_on = self->partitions[p].is_active;
    int status = goes_on ? WR_OK : path_of_fence(self, path, err);
    if (status == WR_OK && !goes_on)
        status = wr_file_look(self->base.env, path, &info, &exists, err);
    if (status == WR_OK && goes_on) /* else it is gone, and all is lost */
        status = wr_file_look(self->base.env, self->config->directory, &info, &exists, err);
    return status == WR_OK && exists ? partition_fence_take(self, err) : status;
}

int partition_fence_check(const struct partition_sink *self, struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    if (self->has_place)
        return wr_fence_check_directory(self->base.env, self->config->directory, &self->place, err);
    if (self->fence_file == NULL)
        return WR_OK;
    int status = path_of_fence(self, path, err);
    return status == WR_OK ? wr_fence_check_name(self->base.env, self->fence_file, path, err)
                           : status;
}

int partition_fence_check_place(const struct partition_sink *self, struct wr_error *err) {
    return self->has_place ? partition_fence_check(self, err) : WR_OK;
}

int partition_fence_commit(struct partition_sink *self, struct wr_error *err) {
    wr_fence_commit(&self->fence);
    return self->fence_file == NULL ? WR_OK : wr_fence_mark(&self->fence, self->fence_file, 0, err);
}

int partition_fence_end(struct partition_sink *self, struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    if (self->fence_file == NULL)
        return WR_OK;
    int status = path_of_fence(self, path, err);
    if (status == WR_OK)
        status = self->base.env->remove_for_good(self->base.env, path, err);
    partition_fence_close(self);
    if (status != WR_OK && status != WR_ENOENT)
        return status;
    return wr_named_note(&self->base, path, err); /* one that stands there later is of a copy */
}

void partition_fence_close(struct partition_sink *self) {
    if (self->fence_file != NULL)
        self->base.env->close(self->fence_file);
    self->fence_file = NULL;
}
