/* env_real.h: parts of the real world that have files of their own. Private to the room. */
#pragma once
#include "base/env.h"

struct real_file {
    struct wr_file base;
    int fd;
    uint8_t is_standard;  /* not ours to close */
    uint8_t is_regular;   /* has positions */
    uint8_t entry_unsure; /* made by us: its directory has not been synced yet */
    int failed_errno;     /* a sync failed: what reached the disk is unknown from here on */
    int64_t position;     /* where the last read ended; bytes */
    char path[];
};

/* Makes the entry of `path` in its directory durable. 0, or an errno. */
int env_directory_sync(const char *path);

/* ---- env_filesystem.c: as those of env ---- */

int env_open_filesystem(const struct wr_env *env, const char *path,
                        struct wr_filesystem **filesystem, struct wr_error *err);
int env_sync_filesystem(struct wr_filesystem *filesystem, struct wr_error *err);
void env_close_filesystem(struct wr_filesystem *filesystem);
uint32_t env_open_files_max(const struct wr_env *env);
int env_rename_later(const struct wr_env *env, const char *from, const char *to,
                     struct wr_error *err);
/* Says of a file that is too large by which limit. */
void env_too_large(struct wr_error *err, const char *verb, const char *path);
int env_make_directory(const struct wr_env *env, const char *path, struct wr_error *err);
int env_make_directory_later(const struct wr_env *env, const char *path, struct wr_error *err);

/* ---- env_marks.c: as those of env ---- */

int env_lock(const struct wr_env *env, const char *path, struct wr_file **file,
             struct wr_error *err);
int env_hold(struct wr_file *file, struct wr_error *err);
int env_set_mark(struct wr_file *file, const void *bytes, size_t size_bytes, struct wr_error *err);
size_t env_mark(const struct wr_file *file, void *bytes, size_t size_bytes);
uint64_t env_boot(const struct wr_env *env);

/* ---- env_cores.c ---- */

/* As env->cores. */
uint32_t env_cores(const struct wr_env *env);
/* What the text of a `cpu.max` allows, rounded up; UINT32_MAX: any number. */
uint32_t env_quota_cores(const char *text);
