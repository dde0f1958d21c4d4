/* env_read.c: reading more than one call gives, in any env. */
#include "base/env.h"
#include "base/status.h"
#include "base/banned.h"

int64_t wr_env_read_whole(struct wr_file *file, void *bytes, uint64_t length, uint64_t at) {
    uint64_t done = 0;
    while (done < length) {
        int64_t got =
            file->env->read(file, (char *)bytes + done, length - done, (int64_t)(at + done));
        if (got == WR_EAGAIN) /* a signal came */
            continue;
        if (got < 0)
            return got;
        if (got == 0)
            break;
        done += (uint64_t)got;
    }
    return (int64_t)done;
}
