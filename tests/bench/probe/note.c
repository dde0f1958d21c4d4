/* note.c: clocks, lines and histograms; see probe.h. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define LINE_BYTES_MAX 512

static int file = -2; /* -1: there is none; -2: nobody has asked yet */

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t probe_thread_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t probe_clock_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

int probe_is_on(void) {
    const char *path = getenv("WEIR_PROBE");
    if (file == -2)
        file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return file >= 0;
}

void probe_note(const char *format, ...) {
    char line[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (!probe_is_on() || length < 0 || length >= (int)sizeof line - 1)
        abort();
    line[length] = '\n';
    if (write(file, line, (size_t)length + 1) != length + 1)
        abort();
}

/* Values below 2^STEPS have a bin each; above, each power of two is cut into as many. */
static unsigned bin_of(uint64_t value) {
    if (value < 1u << HISTOGRAM_STEPS_LOG2)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEPS_LOG2;
    unsigned bin = ((shift + 1) << HISTOGRAM_STEPS_LOG2) +
                   (unsigned)((value >> shift) & ((1u << HISTOGRAM_STEPS_LOG2) - 1));
    return bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1;
}

/* The largest value of a bin. */
static int64_t most_in(unsigned bin) {
    if (bin < 1u << HISTOGRAM_STEPS_LOG2)
        return bin;
    unsigned shift = (bin >> HISTOGRAM_STEPS_LOG2) - 1;
    uint64_t begin = (bin & ((1u << HISTOGRAM_STEPS_LOG2) - 1)) | 1u << HISTOGRAM_STEPS_LOG2;
    return (int64_t)(((begin + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, int64_t value) {
    value = value < 0 ? 0 : value;
    histogram->count++;
    histogram->bins[bin_of((uint64_t)value)]++;
    if (value > histogram->most)
        histogram->most = value;
}

int64_t histogram_at(const struct histogram *histogram, unsigned of_1000) {
    uint64_t wanted = (histogram->count * of_1000 + 999) / 1000, seen = 0;
    for (unsigned bin = 0; bin < HISTOGRAM_BINS; bin++) {
        seen += histogram->bins[bin];
        if (seen >= wanted && seen > 0)
            return most_in(bin) < histogram->most ? most_in(bin) : histogram->most;
    }
    return histogram->most;
}

void histogram_note(const struct histogram *histogram, const char *what) {
    probe_note("{\"what\": \"%s\", \"count\": %llu, \"p50\": %lld, \"p99\": %lld, \"p999\": %lld, "
               "\"most\": %lld}",
               what, (unsigned long long)histogram->count, (long long)histogram_at(histogram, 500),
               (long long)histogram_at(histogram, 990), (long long)histogram_at(histogram, 999),
               (long long)histogram->most);
}
