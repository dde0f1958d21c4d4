/* stdin_head.h: standard input, which can be read only once, read twice: what the sample of a
 * schema took is kept, and given again to the source that opens "-" for the run.
 * Threads: one. Process-wide, since standard input is. */
#pragma once
#include <stdint.h>

struct wr_env;
struct wr_error;

/* Standard input for a sample (`sampling`), or for a run: that can be only once, and is refused
 * after. */
int wr_stdin_open(const struct wr_env *env, int sampling, struct wr_error *err);
/* Reads from byte `*at` on and moves it. Returns like `wr_env.read`. */
int64_t wr_stdin_read(uint64_t *at, void *bytes, uint64_t size, int sampling);
void wr_stdin_close(int sampling);
/* Forgets everything, so that another standard input may follow (tests, a new env). */
void wr_stdin_reset(void);
