/* env.h: the one door to the world outside: clock, random, files. The real one calls the system,
 * the simulated one (`env_sim.h`) is a virtual clock and files in memory with faults by seed.
 * Nothing above base opens a file, reads a clock or makes a random number in another way.
 * Threads: the real env may be used by all; a simulated one by one thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_buf;
struct wr_error;

/* An open file. Opaque to its users; each env puts its own struct behind it. */
struct wr_file {
    const struct wr_env *env;
};

#define WR_MARK_BYTES_MAX 64 /* of a file */

/* A read of a pipe or terminal waits this long for a first byte before it says WR_EAGAIN. */
#define WR_FILE_WAIT_MS_MAX 10

enum wr_file_mode {
    WR_FILE_READ,   /* must exist */
    WR_FILE_CREATE, /* made anew or emptied, for writing */
    WR_FILE_APPEND, /* made if missing, written at its end */
    WR_FILE_UPDATE, /* made if missing, read, and written anywhere by `write_at` */
};

struct wr_file_info {
    uint64_t size_bytes;
    int64_t modified_us;    /* wall clock */
    int64_t born_us;        /* wall clock; 0: nobody says. Numbers of files are given again */
    uint64_t inode, device; /* together they tell whether two paths are one file */
    int is_directory, is_regular;
};

/* A file system, for those who make many files: opaque, too. */
struct wr_filesystem {
    const struct wr_env *env;
};

/* Called for each path that matches, in byte order of the paths. Not 0 ends the walk. */
typedef int (*wr_path_fn)(void *ctx, const char *path);

struct wr_env {
    void *ctx;
    /* Microseconds since 1970 (wall), and of a clock that never goes back (for deadlines). */
    int64_t (*now_us)(const struct wr_env *env);
    int64_t (*monotonic_us)(const struct wr_env *env);
    uint64_t (*random_u64)(const struct wr_env *env);
    /* Lets `us` microseconds pass; a signal ends it. */
    void (*sleep)(const struct wr_env *env, int64_t us);
    /* All return WR_OK or a negative status with `err` filled ("open x.csv: No such file"). */
    int (*open)(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                struct wr_file **file, struct wr_error *err);
    /* Reads up to `size_bytes` at `at` (-1: where the last read ended; pipes know only that).
     * Returns the number of bytes, 0 at the end, or a negative status (WR_EAGAIN: none yet, or a
     * signal came). errno says more about WR_EIO. */
    int64_t (*read)(struct wr_file *file, void *bytes, size_t size_bytes, int64_t at);
    /* Writes all of it at the end. After a failure an unknown part of it stands there. */
    int (*write)(struct wr_file *file, const void *bytes, size_t size_bytes, struct wr_error *err);
    /* What was written is durable, the directory entry of a new file too. After a failure nobody
     * knows what is: the file refuses all that follows. */
    int (*sync)(struct wr_file *file, struct wr_error *err);
    int (*truncate)(struct wr_file *file, uint64_t size_bytes, struct wr_error *err);
    void (*close)(struct wr_file *file);
    /* Makes a file without a name, which is read by `read` and written by `write_at` anywhere, and
     * is gone when it is closed or the process ends. It lies in TMPDIR; where that is not set, in
     * the first of /var/tmp, /tmp and the working directory that takes it. */
    int (*open_scratch)(const struct wr_env *env, struct wr_file **file, struct wr_error *err);
    /* Writes all of it at `at`. Of scratch files, and those opened for WR_FILE_UPDATE. */
    int (*write_at)(struct wr_file *file, const void *bytes, size_t size_bytes, uint64_t at,
                    struct wr_error *err);
    /* Makes the file if it is missing and holds it alone until `close`; the process's number stands
     * in it. WR_EREFUSED: another one holds it (`err` names it). Only `close` may follow. */
    int (*lock)(const struct wr_env *env, const char *path, struct wr_file **file,
                struct wr_error *err);
    /* Holds an open file alone until it is closed: who asks for the same elsewhere, in this process
     * too, gets WR_EREFUSED. It keeps nobody from writing who does not ask. WR_EUNSUPPORTED: its
     * file system knows no locks. */
    int (*hold)(struct wr_file *file, struct wr_error *err);
    /* A few bytes of a program's own that stand beside the contents of a file and go where it goes;
     * a power cut may bring older ones back, or none. WR_EUNSUPPORTED: its file system has no room
     * for that, or not for this one: then there are none. 0 bytes take them away. */
    int (*set_mark)(struct wr_file *file, const void *bytes, size_t size_bytes,
                    struct wr_error *err);
    /* How many bytes there are, which may be more than are given; 0: none that may be read. */
    size_t (*mark)(const struct wr_file *file, void *bytes, size_t size_bytes);
    /* A number that is another one when the machine was started anew; 0: nobody says. */
    uint64_t (*boot)(const struct wr_env *env);
    /* Follows links. WR_OK, WR_ENOENT or WR_EIO. */
    int (*stat)(const struct wr_env *env, const char *path, struct wr_file_info *info);
    /* Of an open file, whatever its name is now. WR_OK or WR_EIO. */
    int (*info)(const struct wr_file *file, struct wr_file_info *info);
    /* Replaces `to` in one step, and makes the directory entry durable. */
    int (*rename)(const struct wr_env *env, const char *from, const char *to, struct wr_error *err);
    /* A file or an empty directory. */
    int (*remove)(const struct wr_env *env, const char *path, struct wr_error *err);
    /* The same, and no power cut brings it back. */
    int (*remove_for_good)(const struct wr_env *env, const char *path, struct wr_error *err);
    /* The name of a file that is there is durable: whoever gave it may have died before. */
    int (*sync_name)(const struct wr_env *env, const char *path, struct wr_error *err);
    /* With those above it; one that exists already is good. */
    int (*make_directory)(const struct wr_env *env, const char *path, struct wr_error *err);
    /* The file system of a directory, to be opened before the first of what is to be durable.
     * WR_EUNSUPPORTED: it does not promise to do that, or to tell of each failure. Who gets that
     * syncs its files one by one. */
    int (*open_filesystem)(const struct wr_env *env, const char *path,
                           struct wr_filesystem **filesystem, struct wr_error *err);
    /* All that was written, made and renamed on it is durable: of this process, and of all others,
     * so it is for those who have much. After a failure nobody knows what is: it refuses all that
     * follows. */
    int (*sync_filesystem)(struct wr_filesystem *filesystem, struct wr_error *err);
    void (*close_filesystem)(struct wr_filesystem *filesystem);
    /* As `rename` and `make_directory`; what was renamed, and the last directory of the path, are
     * durable with the next sync_filesystem. */
    int (*rename_later)(const struct wr_env *env, const char *from, const char *to,
                        struct wr_error *err);
    int (*make_directory_later)(const struct wr_env *env, const char *path, struct wr_error *err);
    /* Walks the paths that match a shell pattern (`*`, `?`, `[…]`, `**` not; a leading dot is only
     * matched by a dot). No match is WR_OK; a directory that cannot be read is not. */
    int (*glob)(const struct wr_env *env, const char *pattern, wr_path_fn fn, void *ctx,
                struct wr_error *err);
    /* A variable of the environment, lent for good; NULL: there is none of this name. */
    const char *(*variable)(const struct wr_env *env, const char *name);
    /* Runs a command of the shell, without input, and appends what it prints. A command that does
     * not end well, or prints more than `out` takes, is an error that shows nothing of it. */
    int (*command)(const struct wr_env *env, const char *command, struct wr_buf *out,
                   struct wr_error *err);
    /* How many files this process may have open at a time. */
    uint32_t (*open_files_max)(const struct wr_env *env);
    /* How many threads of this process can run at the same time: 1 at least. */
    uint32_t (*cores)(const struct wr_env *env);
    /* The name of the SQLite VFS that goes through this env; NULL: SQLite's own. */
    const char *sqlite_vfs;
};

/* Reads all that is asked for of a regular file from byte `at` on, but for its end: how many bytes
 * that are, or a status. */
int64_t wr_env_read_whole(struct wr_file *file, void *bytes, uint64_t length, uint64_t at);

/* For those who make an env: sets "VERB PATH: what errno says" and returns its status. */
int wr_env_fail(struct wr_error *err, const char *verb, const char *path, int number);
int wr_env_errno_status(int number);
/* Gives the error just set the code of an errno that says more than its status: a full disk
 * (W610), no permission (W611), a file that may not be as large (W615). Others leave it. */
void wr_env_error_code(struct wr_error *err, int number);

/* The real world. "-" opens standard input or output. */
const struct wr_env *wr_env_real(void);
