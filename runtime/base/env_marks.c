/* env_marks.c: locks of files, and marks beside their contents.
 *
 * Who makes a lock file puts the number of the process into it (`lock`). What is written by others
 * too is held by a lock of the open file description (`hold`, F_OFD_SETLK): it ends with the
 * descriptor, as one of flock(2) does, and is in nobody's way who wraps a program in flock(1) on
 * the same file. A mark is the extended attribute `user.weir`, which stands in the file's inode. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_real.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/banned.h"

#define MARK_NAME "user.weir"
#define BOOT_PATH "/proc/sys/kernel/random/boot_id" /* drawn when the kernel starts */

/* Whether its name still leads to it: who held it before may have removed it meanwhile, and a lock
 * of that keeps nobody out. */
static int has_its_name(const struct real_file *file) {
    struct stat held, named;
    return fstat(file->fd, &held) == 0 && stat(file->path, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Takes the lock of a file that has just been opened. WR_OK; WR_EAGAIN: it is to be opened again;
 * else `err` is set. */
static int lock_take(const struct real_file *file, struct wr_error *err) {
    char text[32];
    int result;
    do
        result = flock(file->fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EWOULDBLOCK) {
        ssize_t length = pread(file->fd, text, sizeof text - 1, 0);
        text[length < 0 ? 0 : length] = 0;
        text[strcspn(text, "\n")] = 0;
        return wr_error_set(err, WR_EREFUSED, "%s is held by process %s", file->path,
                            text[0] == 0 ? "(unknown)" : text);
    }
    if (result != 0)
        return wr_env_fail(err, "lock", file->path, errno);
    if (!has_its_name(file))
        return WR_EAGAIN;
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(file->fd, 0) != 0 || pwrite(file->fd, text, (size_t)length, 0) != length)
        return wr_env_fail(err, "write", file->path, errno);
    return WR_OK;
}

int env_lock(const struct wr_env *env, const char *path, struct wr_file **file,
             struct wr_error *err) {
    *file = NULL;
    size_t path_bytes = strlen(path) + 1;
    struct real_file *made = wr_alloc_zero(&wr_budget_control, sizeof *made + path_bytes);
    if (made == NULL)
        return wr_env_fail(err, "lock", path, ENOMEM);
    memcpy(made->path, path, path_bytes);
    made->base.env = env;
    int status;
    do {
        made->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
        status = made->fd < 0 ? wr_env_fail(err, "lock", path, errno) : lock_take(made, err);
        if (status != WR_OK && made->fd >= 0)
            close(made->fd);
    } while (status == WR_EAGAIN);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, made);
        return status;
    }
    *file = &made->base;
    return WR_OK;
}

int env_hold(struct wr_file *base, struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int number = WR_FP_ERRNO("env.hold");
    if (number == 0)
        do
            number = fcntl(file->fd, F_OFD_SETLK, &all) == 0 ? 0 : errno;
        while (number == EINTR);
    if (number == EAGAIN) /* EACCES: none may be taken here */
        return wr_error_set(err, WR_EREFUSED, "%s is held by another program", file->path);
    if (number == ENOLCK || number == EOPNOTSUPP || number == EINVAL || number == ENOSYS)
        return WR_EUNSUPPORTED;
    return number == 0 ? WR_OK : wr_env_fail(err, "lock", file->path, number);
}

/* What has no room says so by many numbers; a full disk does not keep anything from going on here.
 */
static int has_no_marks(int number) {
    static const int numbers[] = {EOPNOTSUPP, EPERM,  EACCES, ENOSYS, ENOSPC,
                                  E2BIG,      ERANGE, EINVAL, EDQUOT};
    for (size_t i = 0; i < WR_COUNT(numbers); i++)
        if (number == numbers[i])
            return 1;
    return 0;
}

int env_set_mark(struct wr_file *base, const void *bytes, size_t size_bytes, struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    WR_ASSERT(size_bytes <= WR_MARK_BYTES_MAX);
    int number = WR_FP_ERRNO("env.set_mark");
    if (number == 0 && size_bytes > 0)
        number = fsetxattr(file->fd, MARK_NAME, bytes, size_bytes, 0) == 0 ? 0 : errno;
    else if (number == 0)
        number = fremovexattr(file->fd, MARK_NAME) == 0 || errno == ENODATA ? 0 : errno;
    /* One of before would say what holds no more. */
    if (has_no_marks(number) && (fremovexattr(file->fd, MARK_NAME) == 0 || errno == ENODATA ||
                                 fgetxattr(file->fd, MARK_NAME, NULL, 0) < 0))
        return WR_EUNSUPPORTED;
    return number == 0 ? WR_OK : wr_env_fail(err, "mark", file->path, number);
}

size_t env_mark(const struct wr_file *base, void *bytes, size_t size_bytes) {
    char found[WR_MARK_BYTES_MAX];
    ssize_t length =
        fgetxattr(((const struct real_file *)base)->fd, MARK_NAME, found, sizeof found);
    if (length <= 0)
        return 0;
    memcpy(bytes, found, WR_MIN((size_t)length, size_bytes));
    return (size_t)length;
}

uint64_t env_boot(const struct wr_env *env) {
    (void)env;
    char text[64];
    int fd = open(BOOT_PATH, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    return length <= 0 ? 0 : wr_hash_bytes(text, (size_t)length, 0) | 1;
}
