/* env_sim_marks.c: locks and marks of files of a simulated world. See env_sim.h. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/env_sim_disk.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/banned.h"

int wr_sim_hold(struct wr_file *base, struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int arrives, number = wr_sim_call(file->sim, "lock", file->path, 0, &arrives);
    if (number != 0 || file->life != file->sim->life)
        return wr_env_fail(err, "lock", file->path, EIO);
    if (wr_sim_take(base))
        return WR_OK;
    return wr_error_set(err, WR_EREFUSED, "%s is held by another program", file->path);
}

int wr_sim_set_mark(struct wr_file *base, const void *bytes, size_t size_bytes,
                    struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    struct wr_sim_mark *mark = &file->inode->mark;
    WR_ASSERT(size_bytes <= WR_MARK_BYTES_MAX);
    int arrives, number = wr_sim_call(file->sim, "mark", file->path,
                                      wr_hash_bytes(bytes, size_bytes, 0), &arrives);
    if (file->life != file->sim->life)
        return wr_env_fail(err, "mark", file->path, EIO);
    if (arrives) {
        *mark = (struct wr_sim_mark){.length = (uint8_t)size_bytes};
        memcpy(mark->bytes, bytes, size_bytes);
    }
    return number == 0 ? WR_OK : wr_env_fail(err, "mark", file->path, number);
}

size_t wr_sim_mark(const struct wr_file *base, void *bytes, size_t size_bytes) {
    const struct wr_sim_mark *mark = &((const struct wr_sim_file *)base)->inode->mark;
    memcpy(bytes, mark->bytes, WR_MIN((size_t)mark->length, size_bytes));
    return mark->length;
}

uint64_t wr_sim_boot(const struct wr_env *env) {
    return ((const struct wr_sim *)env->ctx)->boots + 1;
}
