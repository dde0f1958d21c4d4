/* vfs_shm.h: the memory that connections to one database in WAL mode share, in a simulated world.
 * It is gone with the last of them, as that of processes that die. See
 * https://sqlite.org/vfs.html and sqlite3_io_methods. Threads: one. */
#pragma once
#include <stdint.h>

struct wr_shm;

/* What one connection has of it. */
struct wr_shm_user {
    struct wr_shm *shm;         /* NULL: nothing yet */
    uint16_t shared, exclusive; /* locks, as bits */
};

/* Each returns an SQLite status. `list`: of all memories of a world. */
int wr_shm_map(struct wr_shm_user *user, struct wr_shm **list, const char *path, int region,
               int region_bytes, int extend, void volatile **mapped);
int wr_shm_lock(struct wr_shm_user *user, int offset, int count, int flags);
void wr_shm_unmap(struct wr_shm_user *user, struct wr_shm **list);
