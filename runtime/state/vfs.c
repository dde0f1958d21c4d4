/* vfs.c: see vfs.h, and https://sqlite.org/vfs.html for what each function owes to SQLite. */
#include "state/vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "state/vfs_shm.h"
#include "base/banned.h"

#define PATH_BYTES_MAX 1024
#define SECTOR_BYTES 512
#define JULIAN_EPOCH_MS INT64_C(210866760000000) /* of 1970, in Julian milliseconds */

struct vfs_file {
    sqlite3_file base; /* first, so that SQLite's pointer is ours */
    struct wr_vfs *vfs;
    struct vfs_file *next; /* of the open files of the VFS */
    struct wr_file *file;
    int lock; /* SQLITE_LOCK_… */
    int delete_on_close;
    struct wr_shm_user shm;
    char path[PATH_BYTES_MAX];
};

struct wr_vfs {
    sqlite3_vfs base;
    struct wr_sim *sim;
    struct vfs_file *files;
    struct wr_shm *shms;
    uint64_t temporary_count;
    char name[48];
};

static struct wr_sim *sim_of(sqlite3_vfs *vfs) {
    return ((struct wr_vfs *)vfs)->sim;
}

/* ---- an open file ---- */

static int file_close(sqlite3_file *base) {
    struct vfs_file *file = (struct vfs_file *)base, **link = &file->vfs->files;
    struct wr_sim *sim = file->vfs->sim;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    wr_shm_unmap(&file->shm, &file->vfs->shms);
    wr_sim_env(sim)->close(file->file);
    if (file->delete_on_close)
        wr_sim_remove(sim, file->path, 0);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *bytes, int size_bytes, sqlite3_int64 at) {
    struct vfs_file *file = (struct vfs_file *)base;
    const struct wr_env *env = wr_sim_env(file->vfs->sim);
    int64_t done = 0;
    while (done < size_bytes) {
        int64_t length =
            env->read(file->file, (char *)bytes + done, (size_t)(size_bytes - done), at + done);
        if (length < 0)
            return SQLITE_IOERR_READ;
        if (length == 0)
            break;
        done += length;
    }
    if (done == size_bytes)
        return SQLITE_OK;
    memset((char *)bytes + done, 0, (size_t)(size_bytes - done));
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int size_bytes, sqlite3_int64 at) {
    struct vfs_file *file = (struct vfs_file *)base;
    int number = wr_sim_write_at(file->file, bytes, (size_t)size_bytes, (uint64_t)at);
    return number == 0 ? SQLITE_OK : number == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size_bytes) {
    struct vfs_file *file = (struct vfs_file *)base;
    const struct wr_env *env = wr_sim_env(file->vfs->sim);
    int status = env->truncate(file->file, (uint64_t)size_bytes, NULL);
    return status == WR_OK ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *base, int flags) {
    struct vfs_file *file = (struct vfs_file *)base;
    (void)flags;
    int status = wr_sim_env(file->vfs->sim)->sync(file->file, NULL);
    return status == WR_OK ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size_bytes) {
    *size_bytes = (sqlite3_int64)wr_sim_size(((struct vfs_file *)base)->file);
    return SQLITE_OK;
}

/* The strongest lock that another connection holds on the same file. */
static int lock_of_others(const struct vfs_file *file) {
    int lock = SQLITE_LOCK_NONE;
    for (const struct vfs_file *other = file->vfs->files; other != NULL; other = other->next)
        if (other != file && strcmp(other->path, file->path) == 0)
            lock = WR_MAX(lock, other->lock);
    return lock;
}

static int file_lock(sqlite3_file *base, int lock) {
    struct vfs_file *file = (struct vfs_file *)base;
    int others = lock_of_others(file);
    if (lock <= file->lock)
        return SQLITE_OK;
    if (lock == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING)
        return SQLITE_BUSY;
    if (lock == SQLITE_LOCK_RESERVED && others >= SQLITE_LOCK_RESERVED)
        return SQLITE_BUSY;
    if (lock == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        /* New readers stay out from now on, so that the writer gets its turn. */
        if (others < SQLITE_LOCK_PENDING)
            file->lock = WR_MAX(file->lock, SQLITE_LOCK_PENDING);
        return SQLITE_BUSY;
    }
    file->lock = lock;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int lock) {
    struct vfs_file *file = (struct vfs_file *)base;
    file->lock = WR_MIN(file->lock, lock);
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *is_reserved) {
    struct vfs_file *file = (struct vfs_file *)base;
    *is_reserved = WR_MAX(file->lock, lock_of_others(file)) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base) {
    (void)base;
    return SECTOR_BYTES;
}

/* A power cut never changes bytes beside those that were written. */
static int file_characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int region, int region_bytes, int extend,
                        void volatile **mapped) {
    struct vfs_file *file = (struct vfs_file *)base;
    return wr_shm_map(&file->shm, &file->vfs->shms, file->path, region, region_bytes, extend,
                      mapped);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    return wr_shm_lock(&((struct vfs_file *)base)->shm, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
    (void)base; /* one thread */
}

static int file_shm_unmap(sqlite3_file *base, int is_deleted) {
    struct vfs_file *file = (struct vfs_file *)base;
    (void)is_deleted;
    wr_shm_unmap(&file->shm, &file->vfs->shms);
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *opened, int flags,
                    int *flags_out) {
    struct wr_vfs *vfs = (struct wr_vfs *)base;
    struct vfs_file *file = (struct vfs_file *)opened;
    memset(file, 0, sizeof *file); /* no methods: SQLite does not close what did not open */
    if (path == NULL)
        snprintf(file->path, sizeof file->path, "sqlite-temporary-%llu",
                 (unsigned long long)vfs->temporary_count++);
    else if (!wr_sim_path(path, file->path, sizeof file->path))
        return SQLITE_CANTOPEN;
    int number =
        wr_sim_open_anywhere(vfs->sim, file->path, flags & SQLITE_OPEN_CREATE, &file->file);
    if (number != 0)
        return number == ENOMEM ? SQLITE_NOMEM : SQLITE_CANTOPEN;
    file->vfs = vfs;
    file->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    file->next = vfs->files;
    vfs->files = file;
    file->base.pMethods = &file_methods;
    if (flags_out != NULL)
        *flags_out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    int number = wr_sim_remove(sim_of(vfs), path, sync_directory);
    return number == 0        ? SQLITE_OK
           : number == ENOENT ? SQLITE_IOERR_DELETE_NOENT
                              : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *is_there) {
    const struct wr_env *env = wr_sim_env(sim_of(vfs));
    struct wr_file_info info;
    int status = env->stat(env, path, &info);
    *is_there = status == WR_OK && (flags != SQLITE_ACCESS_EXISTS || info.size_bytes > 0);
    return status == WR_OK || status == WR_ENOENT ? SQLITE_OK : SQLITE_IOERR_ACCESS;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out) {
    (void)vfs;
    return wr_sim_path(path, out, (size_t)size) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size_bytes, char *out) {
    const struct wr_env *env = wr_sim_env(sim_of(vfs));
    for (int at = 0; at < size_bytes; at += 8) {
        uint64_t random = env->random_u64(env);
        memcpy(out + at, &random, (size_t)WR_MIN(size_bytes - at, 8));
    }
    return size_bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    wr_sim_advance(sim_of(vfs), us);
    return us;
}

static int vfs_now(sqlite3_vfs *vfs, sqlite3_int64 *julian_ms) {
    const struct wr_env *env = wr_sim_env(sim_of(vfs));
    *julian_ms = env->now_us(env) / 1000 + JULIAN_EPOCH_MS;
    return SQLITE_OK;
}

static int vfs_now_days(sqlite3_vfs *vfs, double *julian_days) {
    sqlite3_int64 julian_ms;
    vfs_now(vfs, &julian_ms);
    *julian_days = (double)julian_ms / 86400000.0;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out) {
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

struct wr_vfs *wr_vfs_new(struct wr_sim *sim) {
    static unsigned long long count;
    struct wr_vfs *vfs = wr_alloc_zero(&wr_budget_control, sizeof *vfs);
    if (vfs == NULL)
        return NULL;
    snprintf(vfs->name, sizeof vfs->name, "weir-sim-%llu", ++count);
    vfs->sim = sim;
    vfs->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct vfs_file),
        .mxPathname = PATH_BYTES_MAX - 16,
        .zName = vfs->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_now_days,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_now,
    };
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        wr_free(&wr_budget_control, vfs);
        return NULL;
    }
    wr_sim_set_vfs(sim, vfs->name);
    return vfs;
}

void wr_vfs_free(struct wr_vfs *vfs) {
    if (vfs == NULL)
        return;
    WR_ASSERT(vfs->files == NULL);
    sqlite3_vfs_unregister(&vfs->base);
    wr_sim_set_vfs(vfs->sim, NULL);
    wr_free(&wr_budget_control, vfs);
}

void wr_vfs_seed(uint64_t seed) {
    int number = (int)(seed & INT32_MAX);
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, number == 0 ? 1 : number, NULL);
}

void wr_vfs_unseed(void) {
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 0, NULL);
}
