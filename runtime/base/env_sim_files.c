/* env_sim_files.c: what the owner of a simulated world puts on its disk, finds there, and does to
 * it beside those who run in it. See env_sim.h. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim_disk.h"
#include "base/status.h"
#include "base/banned.h"

void wr_sim_reuse_numbers(struct wr_sim *sim, int hides_birth) {
    sim->reuses_numbers = 1;
    sim->hides_birth = (uint8_t)hides_birth;
}

int wr_sim_put(struct wr_sim *sim, const char *path, const void *bytes, size_t length) {
    char name[WR_SIM_PATH_BYTES_MAX], parent[WR_SIM_PATH_BYTES_MAX];
    int fits = wr_sim_path(path, name, sizeof name), found, number = 0;
    WR_ASSERT(fits);
    memcpy(parent, name, sizeof parent);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent && strncmp(name, "/dev/", 5) != 0) {
        *slash = 0;
        number = wr_sim_make_directories(sim, parent);
    }
    struct wr_sim_inode *inode = wr_sim_inode_at(sim, name);
    if (number == 0 && inode == NULL)
        number = wr_sim_make_at(sim, name, 0, &inode);
    if (number == 0)
        number = wr_sim_inode_truncate(sim, inode, 0);
    if (number == 0)
        number = wr_sim_inode_write(sim, inode, bytes, length, 0);
    if (number == 0)
        number = wr_sim_inode_sync(inode);
    WR_ASSERT(number == 0 || number == ENOMEM);
    if (number == 0)
        sim->entries[wr_sim_entry_place(sim, name, &found)].durable = inode;
    return number == 0 ? WR_OK : WR_ENOMEM;
}

const char *wr_sim_get(const struct wr_sim *sim, const char *path, size_t *length) {
    char name[WR_SIM_PATH_BYTES_MAX];
    const struct wr_sim_inode *inode =
        wr_sim_path(path, name, sizeof name) ? wr_sim_inode_at(sim, name) : NULL;
    *length = 0;
    if (inode == NULL || inode->is_directory)
        return NULL;
    *length = inode->now.size;
    return inode->now.bytes != NULL ? inode->now.bytes : "";
}

uint32_t wr_sim_open_files_max(const struct wr_env *env) {
    (void)env;
    return 1024;
}

int wr_sim_sync_name(const struct wr_env *env, const char *path, struct wr_error *err) {
    struct wr_sim *sim = env->ctx;
    char name[WR_SIM_PATH_BYTES_MAX];
    int arrives, number = wr_sim_call(sim, "sync the directory of", path, 0, &arrives);
    if (!wr_sim_path(path, name, sizeof name))
        number = ENAMETOOLONG;
    else if (arrives)
        wr_sim_directory_sync(sim, name);
    return number == 0 ? WR_OK : wr_env_fail(err, "sync the directory of", path, number);
}

int wr_sim_open_filesystem(const struct wr_env *env, const char *path,
                           struct wr_filesystem **filesystem, struct wr_error *err) {
    (void)env, (void)path, (void)err;
    *filesystem = NULL;
    return WR_EUNSUPPORTED;
}

int wr_sim_each(const struct wr_sim *sim, wr_sim_file_fn fn, void *ctx) {
    int status = WR_OK;
    for (uint32_t i = 0; i < sim->entry_count && status == WR_OK; i++) {
        const struct wr_sim_inode *inode = sim->entries[i].now;
        if (inode == NULL || inode->is_directory || inode->is_stream)
            continue;
        int is_lent = inode->now.room == 0 && inode->now.size > 0;
        const char *bytes = inode->now.size > 0 ? inode->now.bytes : "";
        status = fn(ctx, sim->entries[i].path, bytes, inode->now.size, is_lent);
    }
    return status;
}

int wr_sim_grow(struct wr_sim *sim, const char *path, const void *bytes, size_t length) {
    char name[WR_SIM_PATH_BYTES_MAX];
    struct wr_sim_inode *inode =
        wr_sim_path(path, name, sizeof name) ? wr_sim_inode_at(sim, name) : NULL;
    if (inode == NULL)
        return wr_sim_put(sim, path, bytes, length);
    int number = wr_sim_inode_write(sim, inode, bytes, length, inode->now.size);
    if (number == 0)
        number = wr_sim_inode_sync(inode);
    return number == 0 ? WR_OK : WR_ENOMEM;
}

int wr_sim_stream(struct wr_sim *sim, const char *path, int is_open) {
    char name[WR_SIM_PATH_BYTES_MAX];
    struct wr_sim_inode *inode =
        wr_sim_path(path, name, sizeof name) ? wr_sim_inode_at(sim, name) : NULL;
    if (inode == NULL)
        return WR_ENOENT;
    inode->is_stream = 1;
    inode->is_pipe = (uint8_t)is_open;
    return WR_OK;
}

void wr_sim_tick(struct wr_sim *sim, int64_t us) {
    sim->tick_us = us;
}

int wr_sim_same_time(struct wr_sim *sim, const char *path, const char *other) {
    char name[WR_SIM_PATH_BYTES_MAX], other_name[WR_SIM_PATH_BYTES_MAX];
    int fits =
        wr_sim_path(path, name, sizeof name) && wr_sim_path(other, other_name, sizeof other_name);
    struct wr_sim_inode *inode = fits ? wr_sim_inode_at(sim, name) : NULL;
    const struct wr_sim_inode *like = fits ? wr_sim_inode_at(sim, other_name) : NULL;
    if (inode == NULL || like == NULL)
        return WR_ENOENT;
    inode->modified_us = like->modified_us;
    return WR_OK;
}

int wr_sim_link(struct wr_sim *sim, const char *path, const char *other) {
    char name[WR_SIM_PATH_BYTES_MAX], other_name[WR_SIM_PATH_BYTES_MAX];
    int fits =
        wr_sim_path(path, name, sizeof name) && wr_sim_path(other, other_name, sizeof other_name);
    struct wr_sim_inode *inode = fits ? wr_sim_inode_at(sim, name) : NULL;
    if (inode == NULL)
        return WR_ENOENT;
    struct wr_sim_entry *entry = wr_sim_entry_make(sim, other_name);
    if (entry == NULL)
        return WR_ENOMEM;
    entry->now = entry->durable = inode;
    return WR_OK;
}

int wr_sim_move(struct wr_sim *sim, const char *from, const char *to) {
    char from_name[WR_SIM_PATH_BYTES_MAX];
    int status = wr_sim_link(sim, from, to);
    if (status != WR_OK || !wr_sim_path(from, from_name, sizeof from_name))
        return status;
    int found;
    struct wr_sim_entry *entry = &sim->entries[wr_sim_entry_place(sim, from_name, &found)];
    entry->now = entry->durable = NULL;
    wr_sim_collect(sim);
    return WR_OK;
}
