/* probe.h: what the program `probed` notes of a run: it is weir itself, with calls between its
 * rooms wrapped by the linker, so that nothing in weir knows of it.
 *
 * WEIR_PROBE names a file that gets a line of JSON for each thing noted; without it this is weir.
 * WEIR_PROBE_ROWS="FROM EVERY": checkpoints stand where so many rows were read and after each
 * further EVERY, and nowhere else. WEIR_PROBE_SPIN: after each of them the thread spins and notes
 * the largest pause that it sees: what the machine makes of a thread that does nothing.
 * WEIR_PROBE_WARM: the first so many microseconds of rows with a `due` are not counted. */
#pragma once
#include <stdint.h>

/* Nanoseconds of the processor that this thread got, and of a clock that never goes back. */
int64_t probe_thread_ns(void);
int64_t probe_clock_ns(void);

/* Whether there is anything to note; the file is opened by the first call. */
int probe_is_on(void);
/* Writes a line at once, since the process may be killed the moment after. */
__attribute__((format(printf, 1, 2))) void probe_note(const char *format, ...);

/* Counts of values >= 0 in steps that grow with them, 1/64 of the value wide at most. */
#define HISTOGRAM_STEPS_LOG2 6
#define HISTOGRAM_BINS (48 << HISTOGRAM_STEPS_LOG2)
struct histogram {
    uint64_t count, bins[HISTOGRAM_BINS];
    int64_t most;
};
void histogram_add(struct histogram *histogram, int64_t value);
/* The value that a share of `of_1000` / 1000 does not exceed; 0 where nothing was added. */
int64_t histogram_at(const struct histogram *histogram, unsigned of_1000);
/* Notes p50, p99, p99.9, and the largest, as {"what": …, "count": …, "p50": …, …}. */
void histogram_note(const struct histogram *histogram, const char *what);
