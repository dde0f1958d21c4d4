/* env_filesystem.c: directories, and many files that are made durable at once, by one syncfs(2) of
 * their file system in the place of two fsync(2) for each. Since Linux 5.8 it tells of a failure to
 * write anything back since the descriptor was opened, so files may be closed before it. That holds
 * of the file systems that stand here; others (FUSE does not hand the call on, overlayfs does not
 * hand the failure back) are synced file by file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_real.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "base/banned.h"

#define OPEN_FILES_LEAST 256u /* where nobody says how many */

struct filesystem {
    struct wr_filesystem base;
    int fd;           /* of a directory on it */
    int failed_errno; /* a sync failed: what reached the disk is unknown from here on */
    char path[];
};

/* ext2 to ext4, XFS, Btrfs, F2FS, tmpfs: of linux/magic.h. */
static const long known_types[] = {0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994};

static int kernel_tells(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 8));
}

static int is_known(int fd) {
    struct statfs info;
    if (fstatfs(fd, &info) != 0)
        return 0;
    for (size_t i = 0; i < WR_COUNT(known_types); i++)
        if ((long)info.f_type == known_types[i])
            return 1;
    return 0;
}

int env_open_filesystem(const struct wr_env *env, const char *path,
                        struct wr_filesystem **filesystem, struct wr_error *err) {
    *filesystem = NULL;
    if (!kernel_tells())
        return WR_EUNSUPPORTED;
    size_t path_bytes = strlen(path) + 1;
    struct filesystem *made = wr_alloc_zero(&wr_budget_control, sizeof *made + path_bytes);
    if (made == NULL)
        return wr_env_fail(err, "open", path, ENOMEM);
    memcpy(made->path, path, path_bytes);
    made->base.env = env;
    made->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int number = made->fd < 0 ? errno : 0;
    int is_good = number == 0 && is_known(made->fd);
    if (number == 0 && !is_good)
        close(made->fd);
    if (!is_good) {
        wr_free(&wr_budget_control, made);
        return number == 0 ? WR_EUNSUPPORTED : wr_env_fail(err, "open", path, number);
    }
    *filesystem = &made->base;
    return WR_OK;
}

int env_sync_filesystem(struct wr_filesystem *base, struct wr_error *err) {
    struct filesystem *filesystem = (struct filesystem *)base;
    int number = filesystem->failed_errno;
    if (number == 0 && syncfs(filesystem->fd) != 0)
        number = errno;
    filesystem->failed_errno = number;
    return number == 0 ? WR_OK : wr_env_fail(err, "sync the files in", filesystem->path, number);
}

void env_close_filesystem(struct wr_filesystem *base) {
    struct filesystem *filesystem = (struct filesystem *)base;
    if (filesystem == NULL)
        return;
    close(filesystem->fd);
    wr_free(&wr_budget_control, filesystem);
}

uint32_t env_open_files_max(const struct wr_env *env) {
    (void)env;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return OPEN_FILES_LEAST;
    return (uint32_t)WR_MIN(limit.rlim_cur, (rlim_t)UINT32_MAX);
}

void env_too_large(struct wr_error *err, const char *verb, const char *path) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        wr_error_set(err, WR_EIO,
                     "%s %s: File too large: a file of this process may have %llu bytes (`ulimit "
                     "-f`)",
                     verb, path, (unsigned long long)limit.rlim_cur);
    else
        wr_error_set(err, WR_EIO, "%s %s: File too large: its file system has no larger ones", verb,
                     path);
    wr_error_help(err, "raise the limit (`ulimit -f unlimited`); a sink may write many files: a "
                       "`directory/` with `roll = { size = \"1GB\" }`");
}

int env_rename_later(const struct wr_env *env, const char *from, const char *to,
                     struct wr_error *err) {
    (void)env;
    int number = WR_FP_ERRNO("env.rename");
    if (number == 0 && rename(from, to) == 0)
        return WR_OK;
    char both[2 * PATH_MAX];
    number = number == 0 ? errno : number;
    snprintf(both, sizeof both, "%s to %s", from, to);
    return wr_env_fail(err, "rename", both, number);
}

/* Where we may not look into the directory above, we did not make it. */
static int entry_sync(const char *path) {
    int number = env_directory_sync(path);
    return number == EACCES ? 0 : number;
}

/* One that was there already may have been made by a process that died before its entry was
 * durable: at most the last one of a path, since each is synced before the next is made. So the
 * last one alone may be synced `later`. */
static int make_directories(const char *path, int later, struct wr_error *err) {
    char part[PATH_MAX];
    size_t length = strlen(path), there = 0;
    if (length == 0 || length >= sizeof part)
        return wr_env_fail(err, "make directory", path, length == 0 ? ENOENT : ENAMETOOLONG);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        char end = part[i];
        part[i] = 0;
        struct stat info;
        int number = stat(part, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : EEXIST;
        if (number == 0) {
            there = i;
        } else if (number == ENOENT) {
            char before = part[there];
            part[there] = 0;
            number = there == 0 ? 0 : entry_sync(part);
            part[there] = before;
            there = 0;
            if (number == 0)
                number = mkdir(part, 0777) == 0 || errno == EEXIST ? 0 : errno;
            if (number == 0 && !(later && i == length))
                number = env_directory_sync(part);
        }
        if (number != 0)
            return wr_env_fail(err, "make directory", part, number);
        part[i] = end;
    }
    int number = there == 0 || later ? 0 : entry_sync(part);
    return number == 0 ? WR_OK : wr_env_fail(err, "sync the directory of", path, number);
}

int env_make_directory(const struct wr_env *env, const char *path, struct wr_error *err) {
    (void)env;
    return make_directories(path, 0, err);
}

int env_make_directory_later(const struct wr_env *env, const char *path, struct wr_error *err) {
    (void)env;
    return make_directories(path, 1, err);
}
