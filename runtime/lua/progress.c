#include "lua/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "exec/run.h"
#include "base/banned.h"

#define FIRST_US 2000000
#define EVERY_US 250000
#define STEPS_BETWEEN 64 /* a clock reading costs more than a small step */

void progress_begin(struct progress *progress, const struct wr_env *env, const char *mode) {
    *progress = (struct progress){.env = env, .started_us = env->monotonic_us(env)};
    if (mode != NULL && strcmp(mode, "json") == 0)
        progress->mode = PROGRESS_JSON;
    else if ((mode == NULL || strcmp(mode, "auto") == 0) && isatty(STDERR_FILENO))
        progress->mode = PROGRESS_TERMINAL;
    progress->next_us = progress->started_us + FIRST_US;
}

static void show(struct progress *progress, const struct wr_run *run, int64_t now_us) {
    const struct wr_summary *summary = wr_run_summary(run);
    uint64_t done, total;
    wr_run_progress(run, &done, &total);
    double seconds = (double)(now_us - progress->started_us) / 1e6;
    double rate = seconds > 0 ? (double)summary->rows_in / seconds : 0;
    if (progress->mode == PROGRESS_JSON) {
        fprintf(stderr,
                "{\"rows\":%llu,\"rows_per_second\":%.0f,\"bytes\":%llu,\"bytes_total\":%llu,"
                "\"rejected\":%llu,\"seconds\":%.1f}\n",
                (unsigned long long)summary->rows_in, rate, (unsigned long long)done,
                (unsigned long long)total, (unsigned long long)summary->rejected, seconds);
        return;
    }
    char share[16] = "";
    if (total > 0)
        snprintf(share, sizeof share, " %3.0f%%", 100.0 * (double)done / (double)total);
    fprintf(stderr, "\r%llu rows%s, %.2f M rows/s, %.0f s\033[K",
            (unsigned long long)summary->rows_in, share, rate / 1e6, seconds);
    progress->shown = 1;
}

void progress_tick(struct progress *progress, const struct wr_run *run) {
    if (progress->mode == PROGRESS_OFF || progress->skip-- > 0)
        return;
    progress->skip = STEPS_BETWEEN;
    int64_t now_us = progress->env->monotonic_us(progress->env);
    if (now_us < progress->next_us)
        return;
    progress->next_us = now_us + EVERY_US;
    show(progress, run, now_us);
}

void progress_end(struct progress *progress) {
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
}
