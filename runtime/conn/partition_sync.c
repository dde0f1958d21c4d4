/* partition_sync.c: how the files of a partitioned directory are made durable. A few are synced one
 * by one, each with its directory; behind them the rest of an epoch is left to one sync of the file
 * system. That one waits for what other programs have written there, too, so it is for those who
 * have many. What is left so is durable before the state says so, and names before it forgets them,
 * as those are that are synced at once. */
#include "base/env.h"
#include "base/status.h"
#include "conn/partition.h"
#include "base/banned.h"

void partition_open_filesystem(struct partition_sink *self) {
    const struct wr_env *env = self->base.env;
    const char *path = self->config->directory;
    struct wr_file_info info;
    if (self->is_asked || env->stat(env, path, &info) != WR_OK)
        return;
    self->is_asked = 1;
    if (env->open_filesystem(env, path, &self->filesystem, NULL) == WR_OK)
        self->device = info.device;
}

int partition_leaves(struct partition_sink *self, const struct partition *one) {
    if (self->filesystem != NULL && !one->is_elsewhere && self->synced >= PARTITION_SYNCED_MAX)
        return self->is_due = 1;
    self->synced++;
    return 0;
}

/* Where it is on another file system, it was left to the wrong one. */
int partition_make_directory(struct partition_sink *self, struct partition *one, const char *path,
                             struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    struct wr_file_info info;
    int leaves = partition_leaves(self, one);
    int status =
        leaves ? env->make_directory_later(env, path, err) : env->make_directory(env, path, err);
    if (status != WR_OK)
        return status;
    partition_open_filesystem(self);
    if (self->filesystem != NULL)
        one->is_elsewhere = env->stat(env, path, &info) != WR_OK || info.device != self->device;
    return leaves && one->is_elsewhere ? env->make_directory(env, path, err) : WR_OK;
}

int partition_sync_left(struct partition_sink *self, struct wr_error *err) {
    if (!self->is_due)
        return WR_OK;
    int status = self->base.env->sync_filesystem(self->filesystem, err);
    self->is_due = status != WR_OK;
    return status;
}

int partition_sync(struct partition_sink *self, struct wr_error *err) {
    int all = self->is_due, status = partition_fence_check(self, err);
    for (uint32_t i = 0; i < PARTITION_FILES_MAX && status == WR_OK; i++)
        if (self->slots[i].is_open)
            status = wr_output_check(&self->slots[i].output, err);
    if (status == WR_OK)
        status = partition_sync_left(self, err);
    for (uint32_t i = 0; i < PARTITION_FILES_MAX && status == WR_OK; i++) {
        struct partition_slot *slot = &self->slots[i];
        if (slot->is_open && (!all || self->partitions[slot->partition].is_elsewhere))
            status = wr_output_sync(&slot->output, err);
    }
    self->synced = 0;
    return status;
}
