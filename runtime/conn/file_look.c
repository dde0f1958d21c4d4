/* file_look.c: see file_look.h. */
#include "conn/file_look.h"

#include <errno.h>

#include "base/env.h"
#include "base/status.h"

#include "base/banned.h"

int wr_file_look(const struct wr_env *env, const char *path, struct wr_file_info *info, int *exists,
                 struct wr_error *err) {
    errno = 0;
    int status = env->stat(env, path, info), number = errno;
    *exists = status == WR_OK;
    if (status == WR_OK || status == WR_ENOENT)
        return WR_OK;
    if (number != 0)
        return wr_env_fail(err, "look at", path, number);
    return wr_error_set(err, status, "look at %s: %s", path, wr_status_text(status));
}

int wr_file_byte(const struct wr_env *env, const char *path, uint64_t at, char *byte,
                 struct wr_error *err) {
    struct wr_file *file = NULL;
    int status = env->open(env, path, WR_FILE_READ, &file, err);
    if (status != WR_OK)
        return status;
    errno = 0;
    int64_t got = env->read(file, byte, 1, (int64_t)at);
    int why = errno;
    env->close(file);
    if (got >= 0)
        return WR_OK;
    if (got == WR_EIO && why != 0)
        return wr_env_fail(err, "read", path, why);
    return wr_error_set(err, (int)got, "read %s: %s", path, wr_status_text((int)got));
}
