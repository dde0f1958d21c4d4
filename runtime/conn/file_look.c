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
