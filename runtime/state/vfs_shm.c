/* vfs_shm.c: see vfs_shm.h. */
#include "state/vfs_shm.h"

#include <sqlite3.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

struct wr_shm {
    struct wr_shm *next;
    uint32_t user_count;
    char **regions;
    uint32_t region_count, region_room;
    uint16_t shared_count[SQLITE_SHM_NLOCK];
    uint16_t exclusive; /* bits */
    char path[];
};

static struct wr_shm *find(struct wr_shm **list, const char *path) {
    for (struct wr_shm *shm = *list; shm != NULL; shm = shm->next)
        if (strcmp(shm->path, path) == 0)
            return shm;
    size_t size = strlen(path) + 1;
    struct wr_shm *shm = wr_alloc_zero(&wr_budget_control, sizeof *shm + size);
    if (shm == NULL)
        return NULL;
    memcpy(shm->path, path, size);
    shm->next = *list;
    *list = shm;
    return shm;
}

static int add_region(struct wr_shm *shm, int region_bytes) {
    char *bytes = wr_alloc_zero(&wr_budget_control, (size_t)region_bytes);
    if (bytes == NULL || wr_grow(&wr_budget_control, (void **)&shm->regions, shm->region_count,
                                 &shm->region_room, sizeof bytes) != WR_OK) {
        wr_free(&wr_budget_control, bytes);
        return SQLITE_NOMEM;
    }
    shm->regions[shm->region_count++] = bytes;
    return SQLITE_OK;
}

int wr_shm_map(struct wr_shm_user *user, struct wr_shm **list, const char *path, int region,
               int region_bytes, int extend, void volatile **mapped) {
    *mapped = NULL;
    if (user->shm == NULL) {
        user->shm = find(list, path);
        if (user->shm == NULL)
            return SQLITE_NOMEM;
        user->shm->user_count++;
    }
    struct wr_shm *shm = user->shm;
    while (extend && shm->region_count <= (uint32_t)region)
        if (add_region(shm, region_bytes) != SQLITE_OK)
            return SQLITE_NOMEM;
    if ((uint32_t)region < shm->region_count)
        *mapped = shm->regions[region];
    return SQLITE_OK;
}

static void let_go(struct wr_shm_user *user, uint16_t mask) {
    struct wr_shm *shm = user->shm;
    for (unsigned i = 0; i < SQLITE_SHM_NLOCK; i++)
        if ((user->shared & mask) >> i & 1)
            shm->shared_count[i]--;
    shm->exclusive = (uint16_t)(shm->exclusive & ~(user->exclusive & mask));
    user->shared = (uint16_t)(user->shared & ~mask);
    user->exclusive = (uint16_t)(user->exclusive & ~mask);
}

int wr_shm_lock(struct wr_shm_user *user, int offset, int count, int flags) {
    struct wr_shm *shm = user->shm;
    uint16_t mask = (uint16_t)(((1u << count) - 1) << offset);
    if (shm == NULL)
        return SQLITE_IOERR_SHMLOCK;
    if (flags & SQLITE_SHM_UNLOCK) {
        let_go(user, mask);
        return SQLITE_OK;
    }
    if (shm->exclusive & mask & ~user->exclusive)
        return SQLITE_BUSY;
    if (flags & SQLITE_SHM_SHARED) {
        WR_ASSERT(count == 1);
        if (!(user->shared & mask))
            shm->shared_count[offset]++;
        user->shared |= mask;
        return SQLITE_OK;
    }
    for (int i = offset; i < offset + count; i++)
        if (shm->shared_count[i] > (uint32_t)((unsigned)user->shared >> i & 1u))
            return SQLITE_BUSY;
    shm->exclusive |= mask;
    user->exclusive |= mask;
    return SQLITE_OK;
}

void wr_shm_unmap(struct wr_shm_user *user, struct wr_shm **list) {
    struct wr_shm *shm = user->shm;
    if (shm == NULL)
        return;
    let_go(user, UINT16_MAX);
    user->shm = NULL;
    if (--shm->user_count > 0)
        return;
    while (*list != shm)
        list = &(*list)->next;
    *list = shm->next;
    for (uint32_t i = 0; i < shm->region_count; i++)
        wr_free(&wr_budget_control, shm->regions[i]);
    wr_free(&wr_budget_control, shm->regions);
    wr_free(&wr_budget_control, shm);
}
