/* env_real.h: parts of the real world that have files of their own. Private to the room. */
#pragma once
#include "base/env.h"

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
int env_make_directory(const struct wr_env *env, const char *path, struct wr_error *err);
int env_make_directory_later(const struct wr_env *env, const char *path, struct wr_error *err);

/* ---- env_cores.c ---- */

/* As env->cores. */
uint32_t env_cores(const struct wr_env *env);
/* What the text of a `cpu.max` allows, rounded up; UINT32_MAX: any number. */
uint32_t env_quota_cores(const char *text);
