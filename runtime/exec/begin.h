/* begin.h: a state that must be there, and one that begins as a copy of another (`--from`). */
#pragma once

struct wr_env;
struct wr_error;
struct wr_store;

/* WR_ENOENT, with what to do, where there is none; a savepoint likewise. */
int run_open_state(struct wr_store **store, const struct wr_env *env, const char *path,
                   struct wr_error *err);
/* The same, and nothing of it is changed. */
int run_look_at_state(struct wr_store **store, const struct wr_env *env, const char *path,
                      struct wr_error *err);
int run_look_at_savepoint(struct wr_store **store, const struct wr_env *env, const char *savepoint,
                          struct wr_error *err);
/* Whether there is a state in `directory` (which may be NULL) that began as a copy of the one in
 * `savepoint`; WR_EEXIST: there is one that did not. */
int run_began_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   int *began, struct wr_error *err);
/* Makes the state in `directory` a copy of the one in `savepoint`; where it began as that copy
 * before, nothing is done. */
int run_begin_from(const struct wr_env *env, const char *savepoint, const char *directory,
                   struct wr_error *err);
