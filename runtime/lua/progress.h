/* progress.h: one line on stderr while a run goes on: rows, rate, bytes. Only for a terminal and
 * after two seconds, or as JSON lines where asked. */
#pragma once
#include <stdint.h>

struct wr_env;
struct wr_run;

enum progress_mode { PROGRESS_OFF, PROGRESS_TERMINAL, PROGRESS_JSON };

struct progress {
    const struct wr_env *env;
    enum progress_mode mode;
    int64_t started_us, next_us;
    int shown;
    uint32_t skip; /* steps until the clock is read again */
};

/* `mode`: "auto" (also NULL), "json", "off". */
void progress_begin(struct progress *progress, const struct wr_env *env, const char *mode);
void progress_tick(struct progress *progress, const struct wr_run *run);
void progress_end(struct progress *progress);
