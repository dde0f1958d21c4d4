/* run.c: the calls that are wrapped: a run that begins, steps and ends, its checkpoints, what comes
 * to its sinks. `__wrap_x` stands in the place of x, `__real_x` is it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "conn/conn.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "probe.h"
#include "where.h"

#define SINKS_MAX 8
#define SPIN_NS 2000000
#define WAITING_MAX (1 << 24) /* rows that wait to be seen */

int __real_wr_run_new(struct wr_run **run, struct wr_plan *plan,
                      const struct wr_run_options *options, struct wr_error *err);
int __wrap_wr_run_new(struct wr_run **run, struct wr_plan *plan,
                      const struct wr_run_options *options, struct wr_error *err);
int __real_wr_run_step(struct wr_run *run, struct wr_error *err);
int __wrap_wr_run_step(struct wr_run *run, struct wr_error *err);
int __real_run_checkpoint(struct wr_run *run, struct wr_error *err);
int __wrap_run_checkpoint(struct wr_run *run, struct wr_error *err);
int __real_run_checkpoint_begin(struct wr_run *run, struct wr_error *err);
int __wrap_run_checkpoint_begin(struct wr_run *run, struct wr_error *err);
int __real_held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier);
int __wrap_held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier);
int __real_held_flush(struct wr_run *run, int all, struct wr_error *err);
int __wrap_held_flush(struct wr_run *run, int all, struct wr_error *err);
void __real_wr_run_free(struct wr_run *run);
void __wrap_wr_run_free(struct wr_run *run);

/* What was noted, by the run's thread. */
static struct {
    int64_t began_ns, stall_ns,
        stall_clock_ns;             /* the process; a checkpoint, 0: none in this step */
    uint64_t rows_next, rows_every; /* 0: checkpoints come by the clock */
    int spins, has_written, has_shown, flushes; /* flushes: rows that waited come to their sinks */
    int64_t warm_us, due_from_us;
    struct histogram steps; /* nanoseconds of the processor, without checkpoints */
} probe;

/* ---- sinks: a copy of the table, in which writing and committing are noted ---- */

struct waiting {
    int64_t due_us;
    uint64_t epoch; /* that it was written in */
};

static struct taken {
    struct wr_sink *sink;
    const struct wr_run *run;
    const struct wr_sink_type *type;
    struct wr_sink_type copy;
    struct waiting *waiting;       /* rows that are not seen yet, in the order of their epochs */
    uint64_t first, count;         /* both only grow; the place is their remainder */
    struct histogram given, shown; /* microseconds from when a row was due */
} taken[SINKS_MAX];
static uint32_t taken_count;
/* What waits: rows are written by the run's thread, and may be committed by another. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct taken *taken_of(const struct wr_sink *sink) {
    uint32_t i = 0;
    while (i < taken_count && taken[i].sink != sink)
        i++;
    WR_ASSERT(i < taken_count);
    return &taken[i];
}

static const int64_t *column_named(const struct wr_batch *batch, const char *name) {
    const struct wr_schema *schema = batch->schema;
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return batch->columns[i].data;
    return NULL;
}

/* Rows are given once, when they come to the sink or to what waits for it; the epoch that they are
 * in is known when they are written. */
static void note_rows(struct taken *self, const struct wr_batch *batch, int given, int written) {
    if (given && !probe.has_written && batch->sel_count > 0) {
        probe.has_written = 1;
        probe_note("{\"what\": \"written\", \"ns\": %lld}",
                   (long long)(probe_clock_ns() - probe.began_ns));
    }
    const int64_t *due = column_named(batch, "due"), *late = column_named(batch, "late");
    if (due == NULL || batch->sel_count == 0)
        return;
    int64_t now_us = probe_clock_ns() / 1000;
    pthread_mutex_lock(&lock);
    if (probe.due_from_us == 0)
        probe.due_from_us = due[wr_batch_row(batch, 0)] + probe.warm_us;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int64_t at = due[row];
        int is_back = batch->weight != NULL && batch->weight[row] < 0; /* what was given before */
        if (at < probe.due_from_us || is_back)
            continue;
        if (given) {
            histogram_add(&self->given, now_us - at);
            where_late(at, late == NULL ? 0 : late[row], now_us);
        }
        if (!written)
            continue;
        WR_ASSERT(self->count - self->first < WAITING_MAX);
        self->waiting[self->count++ % WAITING_MAX] =
            (struct waiting){.due_us = at, .epoch = self->run->epoch};
    }
    pthread_mutex_unlock(&lock);
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct taken *self = taken_of(sink);
    int status = self->type->write(sink, batch, err);
    note_rows(self, batch, !probe.flushes, 1);
    return status;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct taken *self = taken_of(sink);
    int status = self->type->commit == NULL ? WR_OK : self->type->commit(sink, epoch, err);
    if (probe.has_written && !probe.has_shown && status == WR_OK) {
        probe.has_shown = 1;
        probe_note("{\"what\": \"shown\", \"ns\": %lld}",
                   (long long)(probe_clock_ns() - probe.began_ns));
    }
    int64_t now_us = probe_clock_ns() / 1000;
    pthread_mutex_lock(&lock);
    for (; status == WR_OK && self->first < self->count; self->first++) {
        const struct waiting *row = &self->waiting[self->first % WAITING_MAX];
        if (row->epoch > epoch)
            break;
        histogram_add(&self->shown, now_us - row->due_us);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

static void take_sinks(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct wr_sink *sink = run->units[i]->sink;
        if (sink == NULL)
            continue;
        WR_ASSERT(taken_count < SINKS_MAX);
        struct taken *self = &taken[taken_count++];
        *self = (struct taken){.sink = sink, .run = run, .type = sink->type, .copy = *sink->type};
        self->copy.write = sink_write;
        self->copy.commit = sink_commit;
        self->waiting = calloc(WAITING_MAX, sizeof *self->waiting);
        WR_ASSERT(self->waiting != NULL);
        sink->type = &self->copy;
    }
}

static void give_sinks_back(void) {
    for (uint32_t i = 0; i < taken_count; i++) {
        taken[i].sink->type = taken[i].type;
        if (taken[i].given.count > 0) {
            histogram_note(&taken[i].given, "given");
            histogram_note(&taken[i].shown, "shown_rows");
            where_note();
        }
        free(taken[i].waiting);
    }
    taken_count = 0;
}

int __wrap_held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier) {
    int status = __real_held_add(unit, batch, frontier);
    if (batch != NULL && probe_is_on())
        note_rows(taken_of(unit->sink), batch, 1, 0);
    return status;
}

int __wrap_held_flush(struct wr_run *run, int all, struct wr_error *err) {
    probe.flushes = 1;
    enum where was = where_go(WHERE_FLUSH);
    int status = __real_held_flush(run, all, err);
    where_go(was);
    probe.flushes = 0;
    return status;
}

/* ---- a run ---- */

static void read_wishes(void) {
    const char *began = getenv("WEIR_PROBE_BEGAN"), *rows = getenv("WEIR_PROBE_ROWS"),
               *warm = getenv("WEIR_PROBE_WARM");
    probe.began_ns = began == NULL ? probe_clock_ns() : strtoll(began, NULL, 10);
    probe.warm_us = warm == NULL ? 0 : strtoll(warm, NULL, 10);
    probe.spins = getenv("WEIR_PROBE_SPIN") != NULL;
    if (rows != NULL) {
        char *behind = NULL;
        probe.rows_next = strtoull(rows, &behind, 10);
        probe.rows_every = strtoull(behind, NULL, 10);
        WR_ASSERT(probe.rows_every > 0);
    }
}

int __wrap_wr_run_new(struct wr_run **run, struct wr_plan *plan,
                      const struct wr_run_options *options, struct wr_error *err) {
    if (!probe_is_on())
        return __real_wr_run_new(run, plan, options, err);
    read_wishes();
    int64_t from_ns = probe_clock_ns();
    int status = __real_wr_run_new(run, plan, options, err);
    int64_t now_ns = probe_clock_ns();
    if (status == WR_OK) {
        take_sinks(*run);
        probe_note("{\"what\": \"opened\", \"ns\": %lld, \"opening_ns\": %lld}",
                   (long long)(now_ns - probe.began_ns), (long long)(now_ns - from_ns));
    }
    return status;
}

/* What a thread that only looks at its clocks sees as its largest pause. */
static void spin(int64_t *thread_ns, int64_t *clock_ns) {
    int64_t until = probe_clock_ns() + SPIN_NS, clock = probe_clock_ns(), own = probe_thread_ns();
    *thread_ns = *clock_ns = 0;
    while (clock < until) {
        int64_t next_clock = probe_clock_ns(), next_own = probe_thread_ns();
        *clock_ns = WR_MAX(*clock_ns, next_clock - clock);
        *thread_ns = WR_MAX(*thread_ns, next_own - own);
        clock = next_clock;
        own = next_own;
    }
}

static void note_stall(const struct wr_run *run, int64_t thread_ns, int64_t clock_ns) {
    int64_t spun_ns = 0, spun_clock_ns = 0;
    if (probe.spins)
        spin(&spun_ns, &spun_clock_ns);
    probe_note("{\"what\": \"stall\", \"rows_in\": %llu, \"cpu_ns\": %lld, \"ns\": %lld, "
               "\"spin_cpu_ns\": %lld, \"spin_ns\": %lld, \"steps\": %llu, \"step_p50\": %lld, "
               "\"step_p99\": %lld, \"step_most\": %lld, \"state_bytes\": %llu}",
               (unsigned long long)run->summary.rows_in, (long long)thread_ns, (long long)clock_ns,
               (long long)spun_ns, (long long)spun_clock_ns, (unsigned long long)probe.steps.count,
               (long long)histogram_at(&probe.steps, 500),
               (long long)histogram_at(&probe.steps, 990), (long long)probe.steps.most,
               (unsigned long long)run->state_budget.bytes_used);
    memset(&probe.steps, 0, sizeof probe.steps);
}

static void begin_stall(void) {
    if (!probe_is_on())
        return;
    probe.stall_ns = probe_thread_ns();
    probe.stall_clock_ns = probe_clock_ns();
}

int __wrap_run_checkpoint(struct wr_run *run, struct wr_error *err) {
    begin_stall();
    return __real_run_checkpoint(run, err);
}

int __wrap_run_checkpoint_begin(struct wr_run *run, struct wr_error *err) {
    begin_stall();
    enum where was = where_go(WHERE_BEGIN);
    int status = __real_run_checkpoint_begin(run, err);
    where_go(was);
    return status;
}

int __wrap_wr_run_step(struct wr_run *run, struct wr_error *err) {
    if (!probe_is_on())
        return __real_wr_run_step(run, err);
    probe.stall_ns = 0;
    int is_due = probe.rows_every > 0 && run->summary.rows_in >= probe.rows_next;
    if (probe.rows_every > 0)
        run->checkpoint_due_us = is_due ? 0 : INT64_MAX;
    /* One that is still on its way would put it off, and more rows would be dirty. */
    int settled = is_due ? writer_settle(run, err) : WR_OK;
    if (settled != WR_OK)
        return settled;
    where_go(WHERE_STEP);
    int64_t from_ns = probe.rows_every > 0 ? probe_thread_ns() : 0;
    int status = __real_wr_run_step(run, err);
    where_go(WHERE_REST);
    if (probe.rows_every == 0 && probe.stall_ns == 0)
        return status;
    int64_t now_ns = probe_thread_ns();
    if (probe.rows_every > 0)
        histogram_add(&probe.steps, (probe.stall_ns == 0 ? now_ns : probe.stall_ns) - from_ns);
    if (probe.stall_ns == 0)
        return status;
    note_stall(run, now_ns - probe.stall_ns, probe_clock_ns() - probe.stall_clock_ns);
    while (probe.rows_every > 0 && probe.rows_next <= run->summary.rows_in)
        probe.rows_next += probe.rows_every;
    return status;
}

void __wrap_wr_run_free(struct wr_run *run) {
    if (probe_is_on() && run != NULL)
        give_sinks_back();
    __real_wr_run_free(run);
}
