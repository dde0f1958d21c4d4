/* where.h: where the time of the run's thread goes, and so that of the rows that are late: what it
 * did between the moment at which a row was due and that at which it was given to its sink. */
#pragma once
#include <stdint.h>

/* What the thread is at. */
enum where {
    WHERE_STEP,  /* a step, but for: */
    WHERE_BEGIN, /* a checkpoint: its rows are gathered and handed over */
    WHERE_FLUSH, /* the sinks are the run's again: an epoch begins, rows that waited are written */
    WHERE_REST,  /* between steps */
    WHERE_COUNT,
};

/* From now on the calling thread, which is the run's, is at `where`; what it was at before. */
enum where where_go(enum where where);
/* A row was due at `due_us`, was written so many microseconds late and is given now. */
void where_late(int64_t due_us, int64_t load_us, int64_t now_us);
/* Notes histograms and what the late rows waited for; all are 0 again. */
void where_note(void);
