/* iofault.c: a library for LD_PRELOAD between a program and its C library, by which a test kills
 * it, fails it or writes down what it does, at the n-th call that changes something.
 *
 *   IOFAULT_ROOT=DIR     calls on files below DIR count, and on no others
 *   IOFAULT_CLASS=change what changes something: open that makes or empties, write, rename, …
 *                 io     also open, read, stat and close
 *   IOFAULT_AT=N         the fault comes with the N-th of them (from 1); 0: none
 *   IOFAULT_DO=ACTION    kill (before the call), mid (in the middle of a write), short (half of it
 *                        is written, or read), or the name of an errno, as EIO
 *   IOFAULT_STICKY=1     with all later calls too
 *   IOFAULT_ONLY=NAME    calls of this name count, and no others
 *   IOFAULT_PATH=PATH    those on this one, below the root, and on no others
 *   IOFAULT_SKIP=NAME    calls of this name do nothing and say that they did: a planted bug
 *   IOFAULT_LOG=FILE     "N NAME PATH RESULT" of each call that counts, in the order of the calls
 *   IOFAULT_RECORD=FILE  what changes, with its bytes (power.py reads it)
 *   IOFAULT_SEED=N       getrandom by seed, and a clock that goes 2 ms with each look: a run does
 *                        the same calls each time
 *   IOFAULT_BOOT=1       the machine has been started anew since the run before
 *   MEMFAULT_AT=N        the N-th allocation of the program fails
 *   MEMFAULT_STICKY=1    all later ones, too
 *   MEMFAULT_LOG=FILE    the number of allocations, at the end
 *
 * Threads: any; calls that count are let in one at a time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define FD_MAX 1024
#define LINE_BYTES_MAX 9000
#define CLOCK_STEP_NS 2000000

enum { ACT_NONE, ACT_KILL, ACT_MID, ACT_SHORT, ACT_ERRNO };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], skip[64], only[64], only_path[PATH_MAX];
static size_t root_length;
static char *paths[FD_MAX]; /* of the files below the root that are open */
static long counted, fault_at, looks;
static int action, action_errno, sticky, boots, counts_io, log_fd = -1, record_fd = -1;
static uint64_t seed;
static long memory_at, memory_count;
static int memory_sticky, memory_on;

#define FAILS_BY(number) #number, ACT_ERRNO, number
static const struct {
    const char *name;
    int act, number;
} actions[] = {{"kill", ACT_KILL, 0}, {"mid", ACT_MID, 0},   {"short", ACT_SHORT, 0},
               {FAILS_BY(EIO)},       {FAILS_BY(ENOSPC)},    {FAILS_BY(EINTR)},
               {FAILS_BY(EAGAIN)},    {FAILS_BY(EMFILE)},    {FAILS_BY(EROFS)},
               {FAILS_BY(EACCES)},    {FAILS_BY(ENOLCK)},    {FAILS_BY(E2BIG)},
               {FAILS_BY(EDQUOT)},    {FAILS_BY(EOPNOTSUPP)}};

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? 0 : strtol(text, NULL, 10);
}

static int log_open(const char *name) {
    const char *path = getenv(name);
    if (path == NULL)
        return -1;
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
}

__attribute__((constructor)) static void start(void) {
    const char *text = getenv("IOFAULT_ROOT");
    if (text != NULL && strlen(text) < sizeof root) {
        strcpy(root, text);
        root_length = strlen(root);
    }
    if ((text = getenv("IOFAULT_SKIP")) != NULL && strlen(text) < sizeof skip)
        strcpy(skip, text);
    if ((text = getenv("IOFAULT_ONLY")) != NULL && strlen(text) < sizeof only)
        strcpy(only, text);
    if ((text = getenv("IOFAULT_PATH")) != NULL && strlen(text) < sizeof only_path)
        strcpy(only_path, text);
    text = getenv("IOFAULT_CLASS");
    counts_io = text != NULL && strcmp(text, "io") == 0;
    fault_at = number_of("IOFAULT_AT");
    sticky = (int)number_of("IOFAULT_STICKY");
    boots = (int)number_of("IOFAULT_BOOT");
    text = getenv("IOFAULT_DO");
    for (size_t i = 0; text != NULL && i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(text, actions[i].name) == 0) {
            action = actions[i].act;
            action_errno = actions[i].number;
        }
    log_fd = log_open("IOFAULT_LOG");
    record_fd = log_open("IOFAULT_RECORD");
    seed = (uint64_t)number_of("IOFAULT_SEED");
    memory_at = number_of("MEMFAULT_AT");
    memory_sticky = (int)number_of("MEMFAULT_STICKY");
    memory_on = 1;
}

__attribute__((destructor)) static void stop(void) {
    memory_on = 0;
    int fd = log_open("MEMFAULT_LOG");
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", memory_count);
    if (fd >= 0)
        syscall(SYS_write, fd, text, length);
}

/* ---- what is below the root ---------------------------------------------------------------- */

/* Writes the path below the root into `out`; 0: it is not there. */
static int below(const char *path, char *out) {
    char whole[2 * PATH_MAX];
    if (root_length == 0)
        return 0;
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        char here[PATH_MAX];
        if (syscall(SYS_getcwd, here, sizeof here) < 0)
            return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
    }
    if (strncmp(whole, root, root_length) != 0 ||
        (whole[root_length] != '/' && whole[root_length] != 0))
        return 0;
    /* "./", "//" and a last "/" say nothing. */
    const char *from = whole + root_length;
    size_t length = 0;
    while (*from != 0 && length < PATH_MAX - 1) {
        if (from[0] == '/' && (from[1] == '/' || from[1] == 0)) {
            from++;
        } else if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || from[2] == 0)) {
            from += 2;
        } else {
            out[length++] = *from++;
        }
    }
    out[length] = 0;
    memmove(out, out + (out[0] == '/'), length + (out[0] != '/'));
    if (out[0] == 0)
        strcpy(out, ".");
    return 1;
}

static const char *path_of(int fd) {
    return fd >= 0 && fd < FD_MAX ? paths[fd] : NULL;
}

/* ---- what is written down ------------------------------------------------------------------ */

static void put(int fd, const void *bytes, size_t length) {
    const char *from = bytes;
    while (fd >= 0 && length > 0) {
        long done = syscall(SYS_write, fd, from, length);
        if (done <= 0)
            return;
        from += done;
        length -= (size_t)done;
    }
}

static void note(const char *name, const char *path, const char *result) {
    char line[LINE_BYTES_MAX];
    if (log_fd < 0)
        return;
    int length = snprintf(line, sizeof line, "%ld %s %s %s\n", counted, name, path, result);
    put(log_fd, line, (size_t)length);
}

/* "NAME<tab>PATH<tab>OTHER<tab>OFFSET<tab>LENGTH\n" and so many bytes. */
static void record(const char *name, const char *path, const char *other, int64_t offset,
                   const void *bytes, size_t length) {
    char line[LINE_BYTES_MAX];
    if (record_fd < 0)
        return;
    int line_length = snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%zu\n", name, path, other,
                               (long long)offset, length);
    put(record_fd, line, (size_t)line_length);
    put(record_fd, bytes, length);
}

/* ---- faults -------------------------------------------------------------------------------- */

/* Counts a call. 0: do it; ACT_MID, ACT_SHORT; ACT_ERRNO with errno set: fail. The lock is held
 * when this returns, until `after`. */
static int before(const char *name, const char *path, int is_transfer) {
    pthread_mutex_lock(&lock);
    if ((only[0] != 0 && strcmp(only, name) != 0) ||
        (only_path[0] != 0 && strcmp(only_path, path) != 0))
        return 0;
    counted++;
    int is_due = fault_at > 0 && (counted == fault_at || (sticky && counted > fault_at));
    if (!is_due || action == ACT_NONE)
        return 0;
    if (action == ACT_KILL || (action == ACT_MID && !is_transfer)) {
        note(name, path, "killed");
        raise(SIGKILL);
    }
    if (action == ACT_SHORT && !is_transfer)
        return 0;
    if (action == ACT_ERRNO)
        errno = action_errno;
    return action;
}

static void after(const char *name, const char *path, int act, long result) {
    int number = errno;
    note(name, path,
         act == ACT_ERRNO   ? "failed"
         : act == ACT_SHORT ? "short"
         : result < 0       ? "error"
                            : "ok");
    pthread_mutex_unlock(&lock);
    errno = number;
}

static int is_skipped(const char *name) {
    return skip[0] != 0 && strcmp(skip, name) == 0;
}

/* ---- calls --------------------------------------------------------------------------------- */

static int opened(const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    if (boots && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        path = "/proc/sys/kernel/random/uuid"; /* drawn with each look */
    if (!below(path, name))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    int changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    if (changes) {
        struct stat info; /* what is there already is not made */
        int is_there = syscall(SYS_newfstatat, AT_FDCWD, path, &info, 0) == 0;
        changes = !is_there || ((flags & O_TRUNC) && info.st_size > 0);
        if (changes && is_there)
            changes = 2;
    }
    int act = 0, is_counted = changes || counts_io;
    const char *verb = changes ? "create" : "open";
    if (is_counted)
        act = before(verb, name, 0);
    int fd = -1;
    if (act != ACT_ERRNO)
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < FD_MAX) {
        free(paths[fd]);
        paths[fd] = strdup(name);
    }
    if (fd >= 0 && changes)
        record(changes == 2 ? "truncate" : "create", name, "", 0, NULL, 0);
    if (is_counted)
        after(verb, name, act, fd);
    return fd;
}

#define OPEN_(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(path, flags, mode); \
    }
OPEN_(open)
OPEN_(open64)

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) {
    return opened(path, flags, 0);
}

int close(int fd) {
    const char *path = path_of(fd);
    if (path == NULL)
        return fd == log_fd || fd == record_fd ? 0 : (int)syscall(SYS_close, fd);
    int act = 0;
    if (counts_io)
        act = before("close", path, 0);
    char *name = paths[fd];
    paths[fd] = NULL;
    int result = (int)syscall(SYS_close, fd); /* it is closed in any case */
    if (act == ACT_ERRNO) {
        errno = action_errno;
        result = -1;
    }
    if (counts_io)
        after("close", name, act, result);
    free(name);
    return result;
}

static ssize_t written(int fd, const void *bytes, size_t length, int64_t at) {
    const char *path = path_of(fd), *name = at < 0 ? "write" : "pwrite";
    if (path == NULL)
        return at < 0 ? syscall(SYS_write, fd, bytes, length)
                      : syscall(SYS_pwrite64, fd, bytes, length, at);
    int act = before(name, path, 1);
    ssize_t result = -1;
    struct stat info;
    int64_t offset = at;
    if (at < 0)
        offset = syscall(SYS_fstat, fd, &info) == 0 ? (int64_t)info.st_size : 0; /* O_APPEND */
    size_t some = act == ACT_MID || (act == ACT_SHORT && length > 1) ? (length + 1) / 2 : length;
    /* A full disk takes what there is room for. */
    if (act == ACT_ERRNO && action_errno == ENOSPC)
        syscall(SYS_pwrite64, fd, bytes, length / 2, offset);
    if (act != ACT_ERRNO)
        result = at < 0 ? syscall(SYS_write, fd, bytes, some)
                        : syscall(SYS_pwrite64, fd, bytes, some, at);
    if (act == ACT_MID) {
        note(name, path, "killed");
        raise(SIGKILL);
    }
    if (act == ACT_ERRNO)
        errno = action_errno;
    if (result > 0)
        record("write", path, "", offset, bytes, (size_t)result);
    after(name, path, act, result);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return written(fd, bytes, length, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return written(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    return written(fd, bytes, length, at);
}

static ssize_t was_read(int fd, void *bytes, size_t length, int64_t at) {
    const char *path = path_of(fd);
    int act = path == NULL || !counts_io ? 0 : before("read", path, 1);
    if (act == ACT_SHORT && length > 1)
        length = (length + 1) / 2;
    ssize_t result = -1;
    if (act != ACT_ERRNO)
        result = at < 0 ? syscall(SYS_read, fd, bytes, length)
                        : syscall(SYS_pread64, fd, bytes, length, at);
    if (path != NULL && counts_io)
        after("read", path, act, result);
    return result;
}

ssize_t read(int fd, void *bytes, size_t length) {
    return was_read(fd, bytes, length, -1);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
    return was_read(fd, bytes, length, at);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
    return was_read(fd, bytes, length, at);
}

static int is_directory(int fd) {
    struct stat info;
    return syscall(SYS_fstat, fd, &info) == 0 && S_ISDIR(info.st_mode);
}

static int synced(int fd, long call) {
    const char *path = path_of(fd);
    if (path == NULL)
        return (int)syscall(call, fd);
    const char *name = is_directory(fd) ? "dirsync" : "fsync";
    int act = before(name, path, 0), result = -1;
    if (act != ACT_ERRNO)
        result = is_skipped(name) ? 0 : (int)syscall(call, fd);
    if (result == 0 && !is_skipped(name))
        record(name, path, "", 0, NULL, 0);
    after(name, path, act, result);
    return result;
}

int fsync(int fd) {
    return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return synced(fd, SYS_fdatasync);
}

/* What is below the root is on one file system. */
int syncfs(int fd) {
    const char *path = path_of(fd);
    if (path == NULL)
        return (int)syscall(SYS_syncfs, fd);
    int act = before("syncfs", path, 0), result = -1;
    if (act != ACT_ERRNO)
        result = is_skipped("syncfs") ? 0 : (int)syscall(SYS_syncfs, fd);
    if (result == 0 && !is_skipped("syncfs"))
        record("syncfs", path, "", 0, NULL, 0);
    after("syncfs", path, act, result);
    return result;
}

static int truncated(int fd, int64_t size) {
    const char *path = path_of(fd);
    if (path == NULL)
        return (int)syscall(SYS_ftruncate, fd, size);
    int act = before("ftruncate", path, 0), result = -1;
    if (act != ACT_ERRNO)
        result = is_skipped("ftruncate") ? 0 : (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0 && !is_skipped("ftruncate"))
        record("truncate", path, "", size, NULL, 0);
    after("ftruncate", path, act, result);
    return result;
}

int ftruncate(int fd, off_t size) {
    return truncated(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    return truncated(fd, size);
}

int rename(const char *from, const char *to) {
    char name[PATH_MAX], other[PATH_MAX];
    if (!below(from, name) || !below(to, other))
        return (int)syscall(SYS_rename, from, to);
    int act = before("rename", name, 0), result = -1;
    if (act != ACT_ERRNO)
        result = (int)syscall(SYS_rename, from, to);
    if (result == 0)
        record("rename", name, other, 0, NULL, 0);
    after("rename", name, act, result);
    return result;
}

static int gone(const char *path, int is_directory) {
    char name[PATH_MAX];
    int flags = is_directory ? AT_REMOVEDIR : 0;
    struct stat info;
    /* What is not there is not removed: SQLite tries. */
    if (!below(path, name) || syscall(SYS_newfstatat, AT_FDCWD, path, &info, 0) != 0)
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    int act = before("unlink", name, 0), result = -1;
    if (act != ACT_ERRNO)
        result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    if (result == 0)
        record("unlink", name, "", 0, NULL, 0);
    after("unlink", name, act, result);
    return result;
}

int unlink(const char *path) {
    return gone(path, 0);
}

int rmdir(const char *path) {
    return gone(path, 1);
}

int remove(const char *path) {
    struct stat info;
    return gone(path, syscall(SYS_newfstatat, AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISDIR(info.st_mode));
}

int mkdir(const char *path, mode_t mode) {
    char name[PATH_MAX];
    struct stat info;
    if (!below(path, name) || syscall(SYS_newfstatat, AT_FDCWD, path, &info, 0) == 0)
        return (int)syscall(SYS_mkdir, path, mode);
    int act = before("mkdir", name, 0), result = -1;
    if (act != ACT_ERRNO)
        result = (int)syscall(SYS_mkdir, path, mode);
    if (result == 0)
        record("mkdir", name, "", 0, NULL, 0);
    after("mkdir", name, act, result);
    return result;
}

static int marked(const char *name, int fd, long call, const char *key, const void *value,
                  size_t size, int flags) {
    const char *path = path_of(fd);
    int act = path == NULL ? 0 : before(name, path, 0), result = -1;
    if (act != ACT_ERRNO)
        result = (int)syscall(call, fd, key, value, size, flags);
    if (path != NULL)
        after(name, path, act, result);
    return result;
}

int fsetxattr(int fd, const char *key, const void *value, size_t size, int flags) {
    return marked("setxattr", fd, SYS_fsetxattr, key, value, size, flags);
}

int fremovexattr(int fd, const char *key) {
    return marked("removexattr", fd, SYS_fremovexattr, key, NULL, 0, 0);
}

/* Locks of open files count; those of SQLite are of the process. */
int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    const char *path = command == F_OFD_SETLK ? path_of(fd) : NULL;
    int act = path == NULL ? 0 : before("lock", path, 0), result = -1;
    if (act != ACT_ERRNO)
        result = (int)syscall(SYS_fcntl, fd, command, argument);
    if (path != NULL)
        after("lock", path, act, result);
    return result;
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

/* ---- the same each time -------------------------------------------------------------------- */

static uint64_t next_random(void) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15u); /* splitmix64: Steele, Lea, Flood, 2014 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ssize_t getrandom(void *bytes, size_t length, unsigned flags) {
    if (seed == 0)
        return syscall(SYS_getrandom, bytes, length, flags);
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        uint64_t value = next_random();
        memcpy((char *)bytes + at, &value, length - at < sizeof value ? length - at : sizeof value);
    }
    return (ssize_t)length;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    if (seed == 0 || clock != CLOCK_MONOTONIC)
        return (int)result;
    int64_t ns = INT64_C(1000000000000) + CLOCK_STEP_NS * ++looks;
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
    return 0;
}

/* ---- memory -------------------------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
/* Of a sanitizer, where the program has one: it stands behind this library. */
#define WEAK __attribute__((weak))
WEAK void *__interceptor_malloc(size_t size);
WEAK void *__interceptor_calloc(size_t count, size_t size);
WEAK void *__interceptor_realloc(void *block, size_t size);
WEAK void *__interceptor_memalign(size_t alignment, size_t size);
#define BEHIND(call) (__interceptor_##call != NULL ? __interceptor_##call : __libc_##call)

/* Whether this allocation fails. */
static int memory_fails(void) {
    if (!memory_on)
        return 0;
    long number = __atomic_add_fetch(&memory_count, 1, __ATOMIC_RELAXED);
    int fails = memory_at > 0 && (number == memory_at || (memory_sticky && number > memory_at));
    if (fails)
        errno = ENOMEM;
    return fails;
}

void *malloc(size_t size) {
    return memory_fails() ? NULL : BEHIND(malloc)(size);
}

void *calloc(size_t count, size_t size) {
    return memory_fails() ? NULL : BEHIND(calloc)(count, size);
}

void *realloc(void *block, size_t size) {
    return memory_fails() ? NULL : BEHIND(realloc)(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memory_fails() ? NULL : BEHIND(memalign)(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = memory_fails() ? NULL : BEHIND(memalign)(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}
