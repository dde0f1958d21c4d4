/* where.c: see where.h. Spans of the run's thread, the last ones in a ring; each knows how much of
 * it the thread had a processor, waited for one (the kernel's run delay), or slept. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "probe.h"
#include "where.h"

#define SPANS_MAX 65536 /* a power of two */
#define LATE_US 1000    /* rows that took longer are asked */
#define LEAST_NS 20000

enum how { HOW_RUNS, HOW_WAITS, HOW_SLEEPS, HOW_COUNT };
static const char *const where_names[] = {"step", "begin", "flush", "rest"};
static const char *const how_names[] = {"runs", "waits", "sleeps"};

struct span {
    int64_t from_ns, until_ns;
    int64_t ns[WHERE_COUNT][HOW_COUNT]; /* of all up to the end of it */
};

static struct {
    enum where where;
    int64_t from_ns, cpu_ns, delay_ns; /* of the span that is open */
    int delay_file;                    /* 0: not open yet */
    uint64_t count;                    /* of spans, ever */
    struct span spans[SPANS_MAX];
    int64_t ns[WHERE_COUNT][HOW_COUNT];
    struct histogram lengths[WHERE_COUNT]; /* us */
    uint64_t late_count;
    double late_us, load_us, us[WHERE_COUNT][HOW_COUNT]; /* of late rows, in all */
} self;

/* How long this thread has waited for a processor, ever. */
static int64_t run_delay_ns(void) {
    char text[96];
    if (self.delay_file == 0)
        self.delay_file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t length = self.delay_file < 0 ? -1 : pread(self.delay_file, text, sizeof text - 1, 0);
    long long ran = 0, waited = 0;
    if (length <= 0)
        return 0;
    text[length] = 0;
    return sscanf(text, "%lld %lld", &ran, &waited) == 2 ? waited : 0; // NOLINT
}

/* A span that is not much longer than a look at the thread's clocks ran from end to end. */
static void add_span(int64_t now_ns) {
    int64_t length = now_ns - self.from_ns, runs = length, waits = 0;
    if (length >= LEAST_NS) {
        int64_t cpu_ns = probe_thread_ns(), delay_ns = run_delay_ns();
        runs = WR_MAX(0, WR_MIN(cpu_ns - self.cpu_ns, length));
        waits = WR_MIN(delay_ns - self.delay_ns, length - runs);
        self.cpu_ns = cpu_ns;
        self.delay_ns = delay_ns;
    } else {
        self.cpu_ns += length;
    }
    int64_t *ns = self.ns[self.where];
    ns[HOW_RUNS] += runs;
    ns[HOW_WAITS] += waits;
    ns[HOW_SLEEPS] += length - runs - waits;
    struct span *span = &self.spans[self.count++ % SPANS_MAX];
    *span = (struct span){.from_ns = self.from_ns, .until_ns = now_ns};
    memcpy(span->ns, self.ns, sizeof self.ns);
    histogram_add(&self.lengths[self.where], length / 1000);
}

enum where where_go(enum where where) {
    enum where was = self.where;
    int64_t now_ns = probe_clock_ns();
    if (self.from_ns != 0)
        add_span(now_ns);
    self.where = where;
    self.from_ns = now_ns;
    return was;
}

/* The span in which `ns` lies, or the first that is known. */
static uint64_t span_at(int64_t ns) {
    uint64_t low = self.count > SPANS_MAX ? self.count - SPANS_MAX : 0, high = self.count - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (self.spans[middle % SPANS_MAX].until_ns > ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void where_late(int64_t due_us, int64_t load_us, int64_t now_us) {
    if (now_us - due_us < LATE_US)
        return;
    if (probe_clock_ns() - self.from_ns >= LEAST_NS)
        where_go(self.where);
    int64_t due_ns = (due_us + load_us) * 1000; /* what the load itself was late is its own */
    uint64_t at = span_at(due_ns);
    const struct span *span = &self.spans[at % SPANS_MAX];
    const struct span *before = &self.spans[(at - 1) % SPANS_MAX];
    double length = (double)WR_MAX(span->until_ns - span->from_ns, 1);
    double part = (double)(span->until_ns - due_ns) / length; /* of it, that was waited for */
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    for (int where = 0; where < WHERE_COUNT && at > 0; where++)
        for (int how = 0; how < HOW_COUNT; how++) {
            int64_t own = span->ns[where][how] - before->ns[where][how];
            self.us[where][how] +=
                ((double)(self.ns[where][how] - span->ns[where][how]) + part * (double)own) / 1000;
        }
    self.late_count++;
    self.late_us += (double)(now_us - due_us);
    self.load_us += (double)load_us;
}

void where_note(void) {
    char text[400];
    size_t length = 0;
    double rows = self.late_count == 0 ? 1 : (double)self.late_count;
    for (int where = 0; where < WHERE_COUNT; where++) {
        char name[32];
        snprintf(name, sizeof name, "spans_%s", where_names[where]);
        histogram_note(&self.lengths[where], name);
        for (int how = 0; how < HOW_COUNT; how++)
            length +=
                (size_t)snprintf(text + length, sizeof text - length, ", \"%s_%s\": %.0f",
                                 where_names[where], how_names[how], self.us[where][how] / rows);
    }
    probe_note("{\"what\": \"late\", \"over_us\": %d, \"rows\": %llu, \"us\": %.0f, "
               "\"load\": %.0f%s}",
               LATE_US, (unsigned long long)self.late_count, self.late_us / rows,
               self.load_us / rows, text);
    int file = self.delay_file;
    memset(&self, 0, sizeof self);
    self.delay_file = file;
}
