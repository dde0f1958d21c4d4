/* ahead.c: sources that are read ahead. While the run works on a batch, another thread decodes the
 * next ones. What a poll gave waits whole, with its rejects and with the position behind it, until
 * the run asks: so nothing that the run sees or saves depends on how far ahead it was. */
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/workers.h"
#include "exec/held_rejects.h"
#include "exec/unit.h"
#include "base/banned.h"

/* Batches that wait for the run, of a source and of all. */
#define WAITING_MAX 4u
#define WAITING_OF_ALL 64u
/* No more is read ahead while the input holds so much of its budget. */
#define INPUT_SHARE_AHEAD 4

struct polled {
    struct wr_batch *batch;
    int status;
    int64_t watermark;
    uint64_t done_bytes, total_bytes;
    struct held_rejects rejects;
    struct wr_buf position; /* behind it; empty without a state */
    struct wr_error error;
};

struct ahead {
    struct unit *lane;
    struct wr_workers *workers;
    struct wr_task task;
    uint32_t first, count, most; /* of `waiting`, a ring; by the lock of the workers, … */
    uint8_t is_queued;           /* … and this: its task waits or runs */
    uint8_t awaits;              /* … and this: the run sleeps until it has given something */
    uint8_t has_ended;           /* nothing, or a failure, comes behind what waits */
    struct polled waiting[WAITING_MAX];
    struct polled *polling; /* what rejects belong to */
    struct polled last;     /* what the run took last */
};

static int hold_reject(void *ctx, const struct wr_reject *reject) {
    struct ahead *ahead = ((struct unit *)ctx)->ahead;
    return held_rejects_add(&ahead->polling->rejects, reject);
}

static int save_position(const struct ahead *ahead, struct polled *polled) {
    struct wr_source *source = ahead->lane->source;
    wr_buf_clear(&polled->position);
    return ahead->lane->run->store == NULL ? WR_OK
                                           : source->type->save_position(source, &polled->position);
}

/* By whoever the source belongs to now. */
static void poll(struct ahead *ahead, struct polled *polled) {
    struct wr_source *source = ahead->lane->source;
    ahead->polling = polled;
    polled->batch = NULL;
    polled->error.status = WR_OK;
    int status = source->type->poll(source, &polled->batch, &polled->error);
    if (status == WR_OK || status == WR_EEND || status == WR_EAGAIN) {
        int saved = save_position(ahead, polled);
        if (saved != WR_OK) { /* nobody could go on behind these rows */
            wr_batch_unref(polled->batch);
            polled->batch = NULL;
            status = saved;
        }
    }
    polled->status = status;
    polled->watermark = source->watermark;
    if (source->type->progress != NULL)
        source->type->progress(source, &polled->done_bytes, &polled->total_bytes);
}

static int has_room(const struct ahead *ahead) {
    const struct wr_budget *input = &ahead->lane->run->input_budget;
    return !ahead->has_ended && ahead->count < ahead->most &&
           input->bytes_used < input->bytes_max / INPUT_SHARE_AHEAD;
}

static void ahead_run(struct wr_task *task) {
    struct ahead *ahead = (struct ahead *)((char *)task - offsetof(struct ahead, task));
    wr_workers_lock(ahead->workers);
    while (has_room(ahead)) {
        struct polled *polled = &ahead->waiting[(ahead->first + ahead->count) % WAITING_MAX];
        wr_workers_unlock(ahead->workers);
        poll(ahead, polled);
        wr_workers_lock(ahead->workers);
        ahead->has_ended = polled->status != WR_OK;
        ahead->count++;
        if (ahead->awaits)
            wr_workers_wake(ahead->workers);
    }
    ahead->is_queued = 0;
    wr_workers_unlock(ahead->workers);
}

int ahead_new(struct unit *lane, struct wr_workers *workers) {
    struct ahead *ahead = wr_alloc_zero(&wr_budget_control, sizeof *ahead);
    if (ahead == NULL)
        return WR_ENOMEM;
    ahead->lane = lane;
    ahead->workers = workers;
    ahead->task.run = ahead_run;
    ahead->most = WR_MIN(WAITING_MAX, WR_MAX(1u, WAITING_OF_ALL / lane->run->lane_count));
    for (uint32_t i = 0; i < WAITING_MAX; i++)
        wr_buf_init(&ahead->waiting[i].position, &wr_budget_control, 0);
    wr_buf_init(&ahead->last.position, &wr_budget_control, 0);
    ahead->last.watermark = WR_TIME_MIN;
    lane->ahead = ahead;
    lane->source->reject = hold_reject;
    return save_position(ahead, &ahead->last);
}

static void polled_free(struct polled *polled) {
    held_rejects_free(&polled->rejects);
    wr_buf_release(&polled->position);
}

void ahead_free(struct ahead *ahead) {
    if (ahead == NULL)
        return;
    for (uint32_t i = 0; i < ahead->count; i++)
        wr_batch_unref(ahead->waiting[(ahead->first + i) % WAITING_MAX].batch);
    for (uint32_t i = 0; i < WAITING_MAX; i++)
        polled_free(&ahead->waiting[i]);
    polled_free(&ahead->last);
    wr_free(&wr_budget_control, ahead);
}

/* With the lock: something is there, or the source belongs to the run. */
static void await(struct ahead *ahead) {
    while (ahead->count == 0 && ahead->is_queued) {
        if (wr_workers_help(ahead->workers))
            continue;
        ahead->awaits = 1;
        wr_workers_sleep(ahead->workers);
        ahead->awaits = 0;
    }
}

static void swap(struct polled *a, struct polled *b) {
    struct polled other = *a;
    *a = *b;
    *b = other;
}

int ahead_poll(struct ahead *ahead, struct wr_batch **batch, struct wr_error *err) {
    struct polled *last = &ahead->last;
    held_rejects_forget(&last->rejects);
    wr_workers_lock(ahead->workers);
    await(ahead);
    if (ahead->count > 0) {
        swap(last, &ahead->waiting[ahead->first]);
        ahead->first = (ahead->first + 1) % WAITING_MAX;
        ahead->count--;
    } else { /* nobody has it */
        wr_workers_unlock(ahead->workers);
        poll(ahead, last);
        wr_workers_lock(ahead->workers);
        ahead->has_ended = last->status != WR_OK;
    }
    if (!ahead->is_queued && has_room(ahead)) {
        ahead->is_queued = 1;
        wr_workers_add(ahead->workers, &ahead->task);
    }
    wr_workers_unlock(ahead->workers);
    int status = WR_OK;
    for (uint32_t i = 0; i < last->rejects.count && status >= 0; i++)
        status = lane_reject(ahead->lane, &last->rejects.list[i]);
    if (status < 0) {
        wr_batch_unref(last->batch);
    } else {
        *batch = last->batch;
        status = last->status;
        if (err != NULL && status < 0 && last->error.status == status)
            *err = last->error;
    }
    last->batch = NULL;
    return status;
}

int64_t ahead_watermark(const struct ahead *ahead) {
    return ahead->last.watermark;
}

int ahead_save_position(const struct ahead *ahead, struct wr_buf *out) {
    return wr_buf_add(out, ahead->last.position.bytes, ahead->last.position.length);
}

void ahead_progress(const struct ahead *ahead, uint64_t *done, uint64_t *total) {
    *done = ahead->last.done_bytes;
    *total = ahead->last.total_bytes;
}
