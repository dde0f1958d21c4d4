/* ahead.c: sources that are read ahead. While the run works on a batch, another thread decodes the
 * next ones. What a poll gave waits whole, with its rejects and with the position behind it, until
 * the run asks: so nothing that the run sees or saves depends on how far ahead it was. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/sequence.h"
#include "data/held_rejects.h"
#include "exec/ahead.h"
#include "exec/range.h"
#include "exec/unit.h"
#include "base/banned.h"

/* Batches that wait for the run, of a source and of all. */
#define WAITING_MAX 8u
#define WAITING_OF_ALL 64u

struct polled {
    struct wr_batch *batch;
    int status;
    int64_t watermark;
    uint64_t done_bytes, total_bytes;
    struct wr_held_rejects rejects;
    struct wr_buf position; /* behind it; empty without a state */
    struct wr_error error;
};

struct ahead {
    struct unit *lane;
    struct wr_sequence sequence;
    struct polled waiting[WAITING_MAX + 1];
    struct polled *polling; /* what rejects belong to */
    struct polled *last;    /* what the run took last; before that, what the source began with */
};

static int hold_reject(void *ctx, const struct wr_reject *reject) {
    struct ahead *ahead = ((struct unit *)ctx)->ahead;
    return wr_held_rejects_add(&ahead->polling->rejects, reject);
}

static int save_position(const struct ahead *ahead, struct polled *polled) {
    struct wr_source *source = ahead->lane->source;
    wr_buf_clear(&polled->position);
    return ahead->lane->run->store == NULL ? WR_OK
                                           : source->type->save_position(source, &polled->position);
}

static int poll(void *ctx, uint32_t slot) {
    struct ahead *ahead = ctx;
    struct wr_source *source = ahead->lane->source;
    struct polled *polled = ahead->polling = &ahead->waiting[slot];
    polled->batch = NULL;
    polled->error.status = WR_OK;
    int status = source->type->poll(source, &polled->batch, &polled->error);
    lane_take_more(ahead->lane, polled->batch);
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
    return status == WR_OK;
}

static int has_room(const void *ctx) {
    return wr_input_has_room(&((const struct ahead *)ctx)->lane->run->input_budget);
}

static const struct wr_sequence_type polls = {.cut = poll, .has_room = has_room};

int ahead_new(struct unit *lane, struct wr_workers *workers) {
    struct ahead *ahead = wr_alloc_zero(&wr_budget_control, sizeof *ahead);
    if (ahead == NULL)
        return WR_ENOMEM;
    ahead->lane = lane;
    uint32_t most = WR_MIN(WAITING_MAX, WR_MAX(1u, WAITING_OF_ALL / lane->run->lane_count));
    wr_sequence_init(&ahead->sequence, &polls, ahead, workers, most + 1);
    for (uint32_t i = 0; i <= WAITING_MAX; i++)
        wr_buf_init(&ahead->waiting[i].position, &wr_budget_control, 0);
    ahead->last = &ahead->waiting[WAITING_MAX];
    ahead->last->watermark = WR_TIME_MIN;
    lane->ahead = ahead;
    lane->source->reject = hold_reject;
    return save_position(ahead, ahead->last);
}

static void polled_free(struct polled *polled) {
    wr_held_rejects_free(&polled->rejects);
    wr_buf_release(&polled->position);
}

void ahead_free(struct ahead *ahead) {
    if (ahead == NULL)
        return;
    for (uint32_t i = 0; i <= WAITING_MAX; i++) {
        wr_batch_unref(ahead->waiting[i].batch);
        polled_free(&ahead->waiting[i]);
    }
    wr_free(&wr_budget_control, ahead);
}

static int take(struct unit *lane, struct wr_batch **batch, struct wr_error *err) {
    struct ahead *ahead = lane->ahead;
    struct polled *last = &ahead->waiting[wr_sequence_take(&ahead->sequence)];
    ahead->last = last;
    int status = WR_OK;
    for (uint32_t i = 0; i < last->rejects.count && status >= 0; i++)
        status = lane_reject(lane, &last->rejects.list[i]);
    wr_held_rejects_forget(&last->rejects);
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

/* ---- a lane, whoever reads it ---- */

int lane_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err) {
    if (lane->ahead != NULL)
        return take(lane, batch, err);
    int status = lane->range != NULL ? range_poll(lane, batch, err)
                                     : lane->source->type->poll(lane->source, batch, err);
    lane_take_more(lane, *batch);
    return status;
}

int64_t lane_watermark(const struct unit *lane) {
    return lane->ahead != NULL ? lane->ahead->last->watermark : lane->source->watermark;
}

int lane_save_position(const struct unit *lane, struct wr_buf *out) {
    if (lane->ahead == NULL)
        return lane->source->type->save_position(lane->source, out);
    const struct wr_buf *position = &lane->ahead->last->position;
    return wr_buf_add(out, position->bytes, position->length);
}

void lane_progress(const struct unit *lane, uint64_t *done, uint64_t *total) {
    const struct wr_source *source = lane->source;
    *done = lane->ahead != NULL ? lane->ahead->last->done_bytes : 0;
    *total = lane->ahead != NULL ? lane->ahead->last->total_bytes : 0;
    if (lane->ahead == NULL && source->type->progress != NULL)
        source->type->progress(source, done, total);
}
