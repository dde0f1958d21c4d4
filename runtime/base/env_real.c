/* env_real.c: the real world behind `env.h`: system clock, getrandom, files of the kernel.
 * Files are read at positions of their own, so the offset of a shared descriptor never moves. */
#include "base/env.h"
#include "base/env_real.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "base/banned.h"

#define TRANSFER_BYTES_MAX ((size_t)1 << 30) /* of one system call; the kernel's bound is 2 GB */

static const char *errno_text(int number) {
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown error";
}

int wr_env_errno_status(int number) {
    switch (number) {
    case ENOENT:
    case ENOTDIR: return WR_ENOENT;
    case EEXIST: return WR_EEXIST;
    case ENOMEM: return WR_ENOMEM;
    case EAGAIN:
    case EINTR: return WR_EAGAIN;
    default: return WR_EIO;
    }
}

/* The code of an errno that says more than its status. */
static const char *errno_code(int number) {
    switch (number) {
    case ENOSPC:
    case EDQUOT: return "W610";
    case EFBIG: return "W615";
    case EACCES:
    case EPERM:
    case EROFS: return "W611";
    default: return NULL;
    }
}

void wr_env_error_code(struct wr_error *err, int number) {
    const char *code = errno_code(number);
    if (code != NULL)
        wr_error_code(err, code);
}

/* "Nothing yet" is what a read may say, and the open of a pipe that nobody writes into: of anything
 * else that was interrupted nobody would try it again. */
int wr_env_fail(struct wr_error *err, const char *verb, const char *path, int number) {
    int status = wr_env_errno_status(number);
    if (status == WR_EAGAIN && strcmp(verb, "open") != 0)
        status = WR_EIO;
    wr_error_set(err, status, "%s %s: %s", verb, path, errno_text(number));
    if (number == EFBIG)
        env_too_large(err, verb, path);
    if (number == EMFILE)
        wr_error_help(err, "this process may open no more files at a time: `ulimit -n` says how "
                           "many, and lets it open more");
    wr_env_error_code(err, number);
    return status;
}

static int64_t clock_us(clockid_t clock) {
    struct timespec now;
    int result = clock_gettime(clock, &now);
    WR_ASSERT(result == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t real_now_us(const struct wr_env *env) {
    (void)env;
    return clock_us(CLOCK_REALTIME);
}

static int64_t real_monotonic_us(const struct wr_env *env) {
    (void)env;
    return clock_us(CLOCK_MONOTONIC);
}

static uint64_t real_random_u64(const struct wr_env *env) {
    (void)env;
    uint64_t value;
    ssize_t length;
    do
        length = getrandom(&value, sizeof value, 0);
    while (length < 0 && errno == EINTR);
    WR_ASSERT(length == (ssize_t)sizeof value);
    return value;
}

static void real_sleep(const struct wr_env *env, int64_t us) {
    (void)env;
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static const int open_flags[] = {
    [WR_FILE_READ] = O_RDONLY,
    [WR_FILE_CREATE] = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
    [WR_FILE_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    [WR_FILE_UPDATE] = O_RDWR | O_CREAT,
};

/* Opens the descriptor and learns what it is. 0, or an errno. */
static int file_open_fd(struct real_file *file, enum wr_file_mode mode) {
    if (file->is_standard) {
        file->fd = mode == WR_FILE_READ ? STDIN_FILENO : STDOUT_FILENO;
    } else {
        int flags = open_flags[mode] | O_CLOEXEC | O_NOCTTY;
        do
            file->fd = open(file->path, flags, 0666);
        while (file->fd < 0 && errno == EINTR && mode != WR_FILE_READ);
        if (file->fd < 0)
            return errno;
    }
    struct stat info;
    int number = fstat(file->fd, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
    if (number != 0) {
        if (!file->is_standard)
            close(file->fd);
        return number;
    }
    file->is_regular = S_ISREG(info.st_mode) || S_ISBLK(info.st_mode);
    file->entry_unsure = mode != WR_FILE_READ && file->is_regular && !file->is_standard;
    if (file->is_regular && mode == WR_FILE_READ) {
        off_t at = lseek(file->fd, 0, SEEK_CUR);
        file->position = at < 0 ? 0 : at;
        posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return 0;
}

static int real_open(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                     struct wr_file **file, struct wr_error *err) {
    *file = NULL;
    size_t path_bytes = strlen(path) + 1;
    struct real_file *made = wr_alloc_zero(&wr_budget_control, sizeof *made + path_bytes);
    if (made == NULL)
        return wr_env_fail(err, "open", path, ENOMEM);
    memcpy(made->path, path, path_bytes);
    made->base.env = env;
    made->is_standard = strcmp(path, "-") == 0;
    int number = WR_FP_ERRNO("env.open");
    if (number == 0)
        number = file_open_fd(made, mode);
    if (number != 0) {
        wr_free(&wr_budget_control, made);
        return wr_env_fail(err, "open", path, number);
    }
    *file = &made->base;
    return WR_OK;
}

/* Waits a moment for a pipe, so that a reader with nothing else to do does not spin. */
static int wait_readable(int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready = poll(&wait, 1, WR_FILE_WAIT_MS_MAX);
    return ready > 0 || (ready < 0 && errno != EINTR);
}

static int64_t real_read(struct wr_file *base, void *bytes, size_t size_bytes, int64_t at) {
    struct real_file *file = (struct real_file *)base;
    int number = WR_FP_ERRNO("env.read");
    if (number != 0)
        return wr_env_errno_status(number);
    size_t want = WR_MIN(size_bytes, TRANSFER_BYTES_MAX);
    ssize_t length;
    if (file->is_regular) {
        if (at < 0)
            at = file->position;
        do
            length = pread(file->fd, bytes, want, at);
        while (length < 0 && errno == EINTR);
    } else {
        if (at >= 0 && at != file->position)
            return WR_EUNSUPPORTED;
        at = file->position;
        if (!wait_readable(file->fd))
            return WR_EAGAIN;
        length = read(file->fd, bytes, want);
    }
    if (length < 0)
        return wr_env_errno_status(errno);
    file->position = at + length;
    return length;
}

static int real_write(struct wr_file *base, const void *bytes, size_t size_bytes,
                      struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    if (file->failed_errno != 0)
        return wr_env_fail(err, "write", file->path, file->failed_errno);
    int number = WR_FP_ERRNO("env.write");
    if (number != 0)
        return wr_env_fail(err, "write", file->path, number);
    const char *next = bytes;
    while (size_bytes > 0) {
        ssize_t length = write(file->fd, next, WR_MIN(size_bytes, TRANSFER_BYTES_MAX));
        if (length > 0) {
            next += length;
            size_bytes -= (size_t)length;
        } else if (length < 0 && errno == EAGAIN) { /* somebody made our output non-blocking */
            struct pollfd wait = {.fd = file->fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (length == 0 || errno != EINTR) {
            return wr_env_fail(err, "write", file->path, length == 0 ? EIO : errno);
        }
    }
    return WR_OK;
}

int env_directory_sync(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof directory)
        return ENAMETOOLONG;
    snprintf(directory, sizeof directory, "%.*s", (int)length, path);
    int fd;
    do
        fd = open(length == 0 ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    int number = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
    close(fd);
    return number;
}

static int real_sync(struct wr_file *base, struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    int number = file->failed_errno != 0 ? file->failed_errno : WR_FP_ERRNO("env.sync");
    if (number == 0 && fdatasync(file->fd) != 0)
        number = errno;
    if (!file->is_regular && (number == EINVAL || number == EROFS || number == ENOTSUP))
        number = 0; /* a pipe or terminal has nothing to sync */
    if (number == 0 && file->entry_unsure)
        number = env_directory_sync(file->path);
    if (number != 0) {
        file->failed_errno = number;
        return wr_env_fail(err, "sync", file->path, number);
    }
    file->entry_unsure = 0;
    return WR_OK;
}

static int real_truncate(struct wr_file *base, uint64_t size_bytes, struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    int number = size_bytes > INT64_MAX ? EFBIG : WR_FP_ERRNO("env.truncate");
    if (number == 0)
        do
            number = ftruncate(file->fd, (off_t)size_bytes) == 0 ? 0 : errno;
        while (number == EINTR);
    return number == 0 ? WR_OK : wr_env_fail(err, "truncate", file->path, number);
}

/* Opens a file without a name in `directory`: 0, or an errno. */
static int scratch_open_fd(const struct wr_env *env, const char *directory, int *fd) {
    char name[PATH_MAX];
    *fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (*fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return errno;
    /* The file system has no such files: one whose name is removed at once. */
    int length = snprintf(name, sizeof name, "%s/.weir-%016llx", directory,
                          (unsigned long long)real_random_u64(env));
    if (length >= (int)sizeof name)
        return ENAMETOOLONG;
    *fd = open(name, O_CREAT | O_RDWR | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return errno;
    int number = unlink(name) == 0 ? 0 : errno;
    if (number != 0)
        close(*fd);
    return number;
}

static int real_open_scratch(const struct wr_env *env, struct wr_file **file,
                             struct wr_error *err) {
    static const char what[] = "a scratch file in ";
    const char *chosen = getenv("TMPDIR");
    const char *const directories[] = {"/var/tmp", "/tmp", "."};
    int is_chosen = chosen != NULL && chosen[0] != 0, fd = -1;
    int number = WR_FP_ERRNO("env.open_scratch");
    const char *directory = is_chosen ? chosen : directories[0];
    if (number == 0)
        number = scratch_open_fd(env, directory, &fd);
    for (size_t i = 1; number != 0 && !is_chosen && i < WR_COUNT(directories); i++)
        if (scratch_open_fd(env, directories[i], &fd) == 0) {
            directory = directories[i];
            number = 0;
        }
    *file = NULL;
    size_t path_bytes = sizeof what + strlen(directory);
    struct real_file *made = wr_alloc_zero(&wr_budget_control, sizeof *made + path_bytes);
    if (made == NULL) {
        if (number == 0)
            close(fd);
        return wr_env_fail(err, "make a scratch file in", directory, ENOMEM);
    }
    if (number != 0) {
        wr_free(&wr_budget_control, made);
        return wr_env_fail(err, "make a scratch file in", directory, number);
    }
    snprintf(made->path, path_bytes, "%s%s", what, directory);
    made->base.env = env;
    made->fd = fd;
    made->is_regular = 1;
    *file = &made->base;
    return WR_OK;
}

static int real_write_at(struct wr_file *base, const void *bytes, size_t size_bytes, uint64_t at,
                         struct wr_error *err) {
    struct real_file *file = (struct real_file *)base;
    int number = file->failed_errno != 0 ? file->failed_errno : WR_FP_ERRNO("env.write_at");
    const char *next = bytes;
    while (number == 0 && size_bytes > 0) {
        ssize_t length = pwrite(file->fd, next, WR_MIN(size_bytes, TRANSFER_BYTES_MAX), (off_t)at);
        if (length <= 0) {
            number = length == 0 ? EIO : errno == EINTR ? 0 : errno;
            continue;
        }
        next += length;
        at += (uint64_t)length;
        size_bytes -= (size_t)length;
    }
    return number == 0 ? WR_OK : wr_env_fail(err, "write", file->path, number);
}

static void real_close(struct wr_file *base) {
    struct real_file *file = (struct real_file *)base;
    if (file == NULL)
        return;
    if (!file->is_standard)
        close(file->fd);
    wr_free(&wr_budget_control, file);
}

/* Of a path, or of a descriptor: then the path is "". */
static int look(int fd, const char *path, struct wr_file_info *info) {
    struct statx found;
    if (statx(fd, path, fd != AT_FDCWD ? AT_EMPTY_PATH : 0, STATX_BASIC_STATS | STATX_BTIME,
              &found) != 0)
        return wr_env_errno_status(errno);
    *info = (struct wr_file_info){
        .size_bytes = found.stx_size,
        .modified_us = found.stx_mtime.tv_sec * 1000000 + found.stx_mtime.tv_nsec / 1000,
        .born_us = (found.stx_mask & STATX_BTIME) == 0
                       ? 0
                       : found.stx_btime.tv_sec * 1000000 + found.stx_btime.tv_nsec / 1000,
        .inode = found.stx_ino,
        .device = makedev(found.stx_dev_major, found.stx_dev_minor),
        .is_directory = S_ISDIR(found.stx_mode),
        .is_regular = S_ISREG(found.stx_mode)};
    return WR_OK;
}

static int real_stat(const struct wr_env *env, const char *path, struct wr_file_info *info) {
    (void)env;
    return strcmp(path, "-") == 0 ? look(STDIN_FILENO, "", info) : look(AT_FDCWD, path, info);
}

static int real_info(const struct wr_file *base, struct wr_file_info *info) {
    return look(((const struct real_file *)base)->fd, "", info) == WR_OK ? WR_OK : WR_EIO;
}

static int in_one_directory(const char *a, const char *b) {
    const char *slash = strrchr(a, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - a) + 1;
    return strncmp(a, b, length) == 0 && strchr(b + length, '/') == NULL;
}

static int real_rename(const struct wr_env *env, const char *from, const char *to,
                       struct wr_error *err) {
    int status = env_rename_later(env, from, to, err);
    if (status != WR_OK)
        return status;
    WR_FP("env.renamed");
    int number = env_directory_sync(to);
    if (number == 0 && !in_one_directory(from, to))
        number = env_directory_sync(from);
    return number == 0 ? WR_OK : wr_env_fail(err, "sync the directory of", to, number);
}

static int real_remove(const struct wr_env *env, const char *path, struct wr_error *err) {
    (void)env;
    int number = WR_FP_ERRNO("env.remove");
    if (number == 0 && remove(path) != 0)
        number = errno;
    return number == 0 ? WR_OK : wr_env_fail(err, "remove", path, number);
}

static int real_remove_for_good(const struct wr_env *env, const char *path, struct wr_error *err) {
    int status = real_remove(env, path, err),
        number = status == WR_OK ? env_directory_sync(path) : 0;
    return number == 0 ? status : wr_env_fail(err, "sync the directory of", path, number);
}

static int real_sync_name(const struct wr_env *env, const char *path, struct wr_error *err) {
    (void)env;
    int number = env_directory_sync(path);
    return number == 0 ? WR_OK : wr_env_fail(err, "sync the directory of", path, number);
}

/* glob() gives its error function no context. */
static _Thread_local struct glob_failure {
    int number;
    char path[PATH_MAX];
} glob_failure;

static int glob_failed(const char *path, int number) {
    if (number == ENOENT || number == ENOTDIR)
        return 0;
    glob_failure.number = number;
    snprintf(glob_failure.path, sizeof glob_failure.path, "%s", path);
    return 1;
}

/* The locale of the program is "C", in which glob() sorts by bytes. */
static int real_glob(const struct wr_env *env, const char *pattern, wr_path_fn fn, void *ctx,
                     struct wr_error *err) {
    (void)env;
    glob_t found = {0};
    glob_failure.number = 0;
    int result = glob(pattern, 0, glob_failed, &found);
    int status = WR_OK;
    if (result == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (fn(ctx, found.gl_pathv[i]) != 0)
                break;
    } else if (result == GLOB_NOSPACE) {
        status = wr_error_set(err, WR_ENOMEM, "list %s: out of memory", pattern);
    } else if (result != GLOB_NOMATCH) {
        int number = glob_failure.number != 0 ? glob_failure.number : EIO;
        status = wr_env_fail(err, "list", glob_failure.number != 0 ? glob_failure.path : pattern,
                             number);
    }
    globfree(&found);
    return status;
}

/* ---- the environment ----------------------------------------------------------------------- */

static const char *real_variable(const struct wr_env *env, const char *name) {
    (void)env;
    return getenv(name);
}

static int real_command(const struct wr_env *env, const char *command, struct wr_buf *out,
                        struct wr_error *err) {
    (void)env;
    FILE *pipe = popen(command, "re");
    if (pipe == NULL)
        return wr_env_fail(err, "run", "/bin/sh", errno);
    char piece[512];
    size_t length;
    while ((length = fread(piece, 1, sizeof piece, pipe)) > 0)
        wr_buf_add(out, piece, length);
    explicit_bzero(piece, sizeof piece);
    int ended = pclose(pipe);
    if (ended != 0)
        return wr_error_set(err, WR_EREFUSED, "a command of the script ended with %s %d",
                            ended > 0 && WIFEXITED(ended) ? "exit code" : "signal",
                            WIFEXITED(ended) ? WEXITSTATUS(ended) : WTERMSIG(ended));
    if (out->status != WR_OK)
        return wr_error_set(err, out->status, "a command of the script printed too much");
    return WR_OK;
}

const struct wr_env *wr_env_real(void) {
    static const struct wr_env real = {
        .now_us = real_now_us,
        .monotonic_us = real_monotonic_us,
        .random_u64 = real_random_u64,
        .sleep = real_sleep,
        .open = real_open,
        .read = real_read,
        .write = real_write,
        .sync = real_sync,
        .truncate = real_truncate,
        .close = real_close,
        .open_scratch = real_open_scratch,
        .write_at = real_write_at,
        .lock = env_lock,
        .hold = env_hold,
        .set_mark = env_set_mark,
        .mark = env_mark,
        .boot = env_boot,
        .stat = real_stat,
        .info = real_info,
        .rename = real_rename,
        .remove = real_remove,
        .remove_for_good = real_remove_for_good,
        .sync_name = real_sync_name,
        .make_directory = env_make_directory,
        .glob = real_glob,
        .variable = real_variable,
        .command = real_command,
        .cores = env_cores,
        .open_files_max = env_open_files_max,
        .open_filesystem = env_open_filesystem,
        .sync_filesystem = env_sync_filesystem,
        .close_filesystem = env_close_filesystem,
        .rename_later = env_rename_later,
        .make_directory_later = env_make_directory_later,
    };
    return &real;
}
