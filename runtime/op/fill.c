/* fill.c: rows come in by key and window, and windows leave with what was made for them. See
 * fill.h. */
#include "op/fill.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

#define PART_WINDOWS UINT32_C(256) /* at most, that leave at a time */

/* ---- rows in ---- */

static int has_keys(const struct fill *self) {
    const struct wr_table *last = wr_slices_find(&self->last, 0);
    return last != NULL && wr_table_count(last) > 0;
}

/* Whether a key may have a row made in the window that leaves next, as far as is known. */
static int may_make(const struct fill *self) {
    const struct fill_config *config = fill_config_of(self);
    int64_t silent = window_end(&config->window, self->last_us);
    return has_keys(self) &&
           window_end(&config->window, self->next_us) <= wr_time_add(silent, config->stop_after_us);
}

static int keep_row(struct fill *self, struct wr_table *table, const uint8_t *key, uint64_t hash,
                    int64_t mark, const struct wr_batch *in, uint32_t row) {
    uint8_t *at;
    int status = wr_table_upsert(table, key, &hash, 1, &at, NULL);
    if (status != WR_OK)
        return status;
    struct fill_row *made = fill_row_of(self, at);
    made->mark = mark;
    made->is_made = 0;
    return wr_payload_put(&self->payload, table, fill_payload(made), in, row);
}

static int reject_row(struct fill *self, struct wr_batch *in, uint32_t row, const char *reason,
                      struct wr_out *out) {
    struct wr_reject reject = {
        .code = 505, .reason = reason, .stage = self->base.node, .row = row, .batch = in};
    return out->reject(out, &reject);
}

static int take_row(struct fill *self, const uint8_t *key, uint64_t hash, struct wr_batch *in,
                    uint32_t row, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    const struct wr_column *starts = &in->columns[config->start_column];
    int64_t mark = WR_I64(starts)[row];
    if (wr_column_is_nil(starts, row) || !window_is(&config->window, mark))
        return reject_row(self, in, row, "`window_start` is the start of no window of the `agg`",
                          out);
    if (mark < self->next_us)
        return reject_row(self, in, row, "`window_start` is of a window that has left", out);
    int status = WR_OK;
    if (config->waits) {
        struct wr_table *last = wr_slices_at(&self->last, 0);
        status = fill_close_gap(self, key, hash, mark, in, row);
        if (status == WR_OK)
            status = last == NULL ? WR_ENOMEM : keep_row(self, last, key, hash, mark, in, row);
    }
    struct wr_table *table = wr_slices_at(&self->rows, mark);
    if (status < 0 || table == NULL)
        return status < 0 ? status : WR_ENOMEM;
    if (!config->waits && mark > self->last_us &&
        !may_make(self)) /* silent too long, all of them */
        wr_slices_drop_before(&self->last, WR_TIME_MAX);
    self->last_us = WR_MAX(self->last_us, mark);
    self->taken++;
    return keep_row(self, table, key, hash, mark, in, row);
}

static int fill_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct fill *self = (struct fill *)op;
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = op->env->scratch;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    uint32_t count = in->sel_count, bytes = config->key_bytes;
    struct wr_slices *sets[FILL_SETS] = FILL_SETS_OF(self);
    for (uint32_t s = 0; s < FILL_SETS; s++)
        wr_slices_settle(sets[s]);
    uint8_t *keys = wr_arena_alloc_zero(scratch, (size_t)count * bytes + 8);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (keys == NULL || hashes == NULL)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < config->layout.column_count; k++)
        columns[k] = in->columns[config->keys[k]];
    if (config->layout.column_count > 0)
        wr_keys_build(&config->layout, columns, in->sel, count, op->env->seed, keys, hashes);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status >= 0; i++) {
        if (config->layout.column_count == 0) /* one group: its key is a word of zeros */
            hashes[i] = wr_shape_hash(&self->shape, keys, op->env->seed);
        status = take_row(self, keys + (size_t)i * bytes, hashes[i], in, wr_batch_row(in, i), out);
    }
    return WR_MIN(status, WR_OK);
}

/* ---- windows out ---- */

static int emit_rows(struct fill *self, uint8_t **keys, uint32_t count, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, self->base.schema);
    const uint8_t **payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1);
    int64_t *times = batch == NULL ? NULL : WR_ARENA_ARRAY(&batch->arena, int64_t, count + 1);
    int64_t *starts = batch == NULL ? NULL : wr_batch_column(batch, config->start_column, count);
    int64_t *ends = batch == NULL ? NULL : wr_batch_column(batch, config->end_column, count);
    int status =
        payloads == NULL || times == NULL || starts == NULL || ends == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const struct fill_row *row = fill_row_of(self, keys[i]);
        payloads[i] = fill_payload(row);
        starts[i] = window_start(&config->window, row->mark);
        ends[i] = window_end(&config->window, row->mark);
        times[i] = window_result_time(ends[i]);
    }
    for (uint32_t k = 0; k < config->layout.column_count && status == WR_OK; k++)
        status = wr_keys_column(&config->layout, k, keys, count, batch, config->keys[k]);
    for (uint32_t k = 0; k < self->payload.count && status == WR_OK; k++)
        if (!config->is_key[self->payload.columns[k]])
            status = wr_payload_read(&self->payload, k, payloads, count, &batch->arena,
                                     &batch->columns[self->payload.columns[k]]);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    batch->row_count = batch->sel_count = count;
    batch->event_time = times;
    return out->emit(out, WR_PORT_MAIN, batch);
}

/* The rows of a window become the last ones of their keys. */
static int remember(struct fill *self, uint8_t *const *keys, uint64_t count) {
    struct wr_table *last = wr_slices_at(&self->last, 0);
    if (last == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        const struct fill_row *row = fill_row_of(self, keys[i]);
        uint64_t hash = wr_shape_hash(&self->shape, keys[i], self->base.env->seed);
        uint8_t *at;
        if (row->is_made)
            continue;
        int status = wr_table_upsert(last, keys[i], &hash, 1, &at, NULL);
        if (status != WR_OK)
            return status;
        fill_row_of(self, at)->mark = row->mark;
        status = wr_payload_copy(&self->payload, last, fill_payload(fill_row_of(self, at)),
                                 fill_payload(row));
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

/* Rows that leave, of one window or several: their keys, some of a batch. */
struct leaving {
    uint8_t **keys;
    uint32_t count, room;
    uint64_t total; /* of all that left since it began */
    int flow;
};

static int flush(struct fill *self, struct leaving *leaving, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    if (leaving->count > 0 && leaving->flow == WR_FLOW_MORE)
        leaving->flow = emit_rows(self, leaving->keys, leaving->count, out);
    wr_arena_rewind(scratch, mark);
    leaving->count = 0;
    return WR_MIN(leaving->flow, WR_OK);
}

/* The rows of a window leave, in the order of keys. */
static int leave(struct fill *self, int64_t mark, struct leaving *leaving, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    const struct wr_table *table = wr_slices_find(&self->rows, mark);
    uint64_t count = table == NULL ? 0 : wr_table_count(table);
    if (count == 0)
        return WR_OK;
    uint8_t **keys = wr_keys_rows(&config->layout, table, self->base.env->scratch);
    int status = keys == NULL ? WR_ENOMEM : WR_OK;
    for (uint64_t i = 0; i < count && status == WR_OK; i++) {
        leaving->keys[leaving->count++] = keys[i];
        if (leaving->count == leaving->room)
            status = flush(self, leaving, out);
    }
    leaving->total += count;
    return status == WR_OK && !config->waits ? remember(self, keys, count) : status;
}

/* Makes the rows of keys that have none in a window, and forgets those that are silent too long. */
static int fill_window(struct fill *self, int64_t mark, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *last = wr_slices_find(&self->last, 0);
    const struct wr_table *there = wr_slices_find(&self->rows, mark);
    uint64_t count = last == NULL ? 0 : wr_table_count(last);
    if (count == 0)
        return WR_OK;
    uint8_t **keys = wr_keys_rows(&config->layout, last, scratch);
    struct fill_made *made = WR_ARENA_ARRAY(scratch, struct fill_made, count);
    uint32_t made_count = 0, gone = 0;
    if (keys == NULL || made == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        const struct fill_row *row = fill_row_of(self, keys[i]);
        uint64_t hash = wr_shape_hash(&self->shape, keys[i], self->base.env->seed);
        uint8_t *found = NULL;
        int64_t until = wr_time_add(window_end(&config->window, row->mark), config->stop_after_us);
        if (there != NULL)
            wr_table_find(there, keys[i], &hash, 1, &found);
        if (window_end(&config->window, mark) > until)
            keys[gone++] = keys[i];
        else if (found == NULL)
            made[made_count++] = (struct fill_made){.key = keys[i],
                                                    .before = fill_payload(row),
                                                    .mark = mark,
                                                    .before_mark = row->mark};
    }
    int status = fill_make(self, made, made_count, out);
    for (uint32_t i = 0; i < gone && status == WR_OK; i++)
        wr_table_delete(last, keys[i], wr_shape_hash(&self->shape, keys[i], self->base.env->seed));
    return status;
}

/* The mark of the first window with rows that has not left; tables of the last ones that did are
 * there until the part ends. */
static int64_t first_waiting(const struct fill *self) {
    const struct wr_slices *rows = &self->rows;
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows->items[middle].start_us < self->next_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low == rows->count ? WR_TIME_MAX : rows->items[low].start_us;
}

/* The mark of the first window that must stay: where rows wait, one that is still to come may end a
 * gap over it. */
static int64_t first_staying(const struct fill *self, int64_t frontier) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    if (frontier == WR_TIME_MAX || frontier == WR_TIME_MIN)
        return frontier;
    int64_t open = window_first(window, frontier);
    if (!config->waits)
        return open;
    if (config->max_gap_us == WR_TIME_MAX)
        return WR_TIME_MIN;
    if (self->last_us != WR_TIME_MIN && !self->is_of_before) { /* gaps may end with the stream */
        int64_t behind = window_next(window, self->last_us);
        open = WR_MIN(open, behind);
    }
    int64_t from = wr_time_add(window_start(window, open), -config->max_gap_us);
    int64_t mark = window_last(window, from);
    if (window_start(window, mark) < from)
        mark = window_next(window, mark);
    return WR_MAX(mark, self->next_us);
}

/* The mark of the next window that leaves; WR_TIME_MAX: none, but where more rows come. */
static int64_t next_leaving(const struct fill *self) {
    const struct fill_config *config = fill_config_of(self);
    int64_t mark = first_waiting(self);
    if (config->waits) {
        int64_t first = fill_gaps_first(self);
        mark = WR_MIN(mark, first);
    } else if (may_make(self)) {
        mark = WR_MIN(mark, self->next_us);
    }
    return mark > self->last_us ? WR_TIME_MAX : mark;
}

int fill_has_windows(const struct fill *self) {
    return next_leaving(self) != WR_TIME_MAX;
}

/* Nobody wants what would leave up to `stays`. */
static void drop_leaving(struct fill *self, int64_t stays) {
    int64_t behind = window_next(&fill_config_of(self)->window, self->last_us);
    int64_t until = WR_MIN(stays, behind);
    wr_slices_drop_before(&self->rows, until);
    wr_slices_drop_before(&self->gaps, until);
    wr_slices_drop_before(&self->open, WR_TIME_MAX);
    self->next_us = WR_MAX(self->next_us, until);
}

static int leave_window(struct fill *self, int64_t mark, struct leaving *leaving,
                        struct wr_out *out) {
    int makes = !fill_config_of(self)->waits, status = WR_OK;
    if (makes && mark < first_waiting(self) && first_waiting(self) != WR_TIME_MAX)
        status = fill_check_gap(self, mark, first_waiting(self));
    if (status == WR_OK)
        status = makes ? fill_window(self, mark, out) : fill_gaps_window(self, mark, out);
    if (status == WR_OK)
        status = leave(self, mark, leaving, out);
    self->next_us = window_next(&fill_config_of(self)->window, mark);
    return status;
}

/* Whether a part ends before the window `mark`. Where stages below look at frontiers between rows,
 * before each window, so that they are told that it comes: then it makes no difference where a part
 * ends. */
static int ends_before(struct fill *self, int64_t mark, uint32_t windows,
                       const struct leaving *leaving) {
    if (self->base.is_watched)
        return mark != self->told_us;
    return windows == WR_MIN(leaving->room, PART_WINDOWS) || leaving->total >= leaving->room;
}

/* Windows leave, a part of those that may. */
static int release(struct fill *self, int64_t frontier, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark part = wr_arena_mark(scratch);
    int64_t stays = first_staying(self, frontier), mark;
    struct leaving leaving = {.room = self->base.env->batch_rows};
    int status = WR_OK;
    self->base.has_due = 0;
    for (uint32_t windows = 0; status == WR_OK && leaving.flow == WR_FLOW_MORE; windows++) {
        mark = next_leaving(self);
        if (self->is_done || mark == WR_TIME_MAX || mark >= stays)
            break;
        if (ends_before(self, mark, windows, &leaving)) {
            self->told_us = mark;
            self->base.has_due = 1;
            break;
        }
        if (leaving.keys == NULL)
            leaving.keys = WR_ARENA_ARRAY(scratch, uint8_t *, leaving.room);
        status = leaving.keys == NULL ? WR_ENOMEM : leave_window(self, mark, &leaving, out);
    }
    if (status == WR_OK)
        status = flush(self, &leaving, out);
    wr_arena_rewind(scratch, part);
    if (status == WR_OK && !self->base.has_due && fill_config_of(self)->waits &&
        stays != WR_TIME_MAX && stays != WR_TIME_MIN) {
        self->next_us = WR_MAX(self->next_us, stays);
        self->is_of_before = 0;
    }
    wr_slices_drop_before(&self->rows, self->next_us);
    self->is_done |= leaving.flow == WR_FLOW_DONE;
    if (self->is_done)
        drop_leaving(self, stays);
    return status;
}

/* WAITS: keys whose gap is too long already, whatever comes. Not before as many rows have come as
 * there are keys. */
static int forget_keys(struct fill *self) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *last = wr_slices_find(&self->last, 0);
    uint64_t count = last == NULL ? 0 : wr_table_count(last);
    if (!config->waits || config->max_gap_us == WR_TIME_MAX || last == NULL || self->taken <= count)
        return WR_OK;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint8_t **keys = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    if (keys == NULL)
        return WR_ENOMEM;
    int64_t behind = window_start(window, window_next(window, self->last_us));
    uint64_t gone = 0;
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, last);
    for (uint8_t *key; (key = wr_table_walk_next(&walk)) != NULL;) {
        int64_t first = window_next(window, fill_row_of(self, key)->mark);
        if (wr_time_add(window_start(window, first), config->max_gap_us) < behind)
            keys[gone++] = key;
    }
    for (uint64_t i = 0; i < gone; i++)
        wr_table_delete(last, keys[i], wr_shape_hash(&self->shape, keys[i], self->base.env->seed));
    self->taken = 0;
    wr_arena_rewind(scratch, mark);
    return WR_OK;
}

static int fill_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct fill *self = (struct fill *)op;
    int status = WR_OK;
    if (frontier == WR_TIME_MAX && fill_config_of(self)->waits)
        status = fill_close_gaps(self);
    if (status == WR_OK)
        status = release(self, frontier, out);
    if (status == WR_OK)
        status = forget_keys(self);
    if (status == WR_OK && frontier == WR_TIME_MAX && !op->has_due)
        wr_slices_drop_before(&self->last, WR_TIME_MAX);
    return status;
}

/* With each window rows may leave, and the frontier behind them moves. */
static int64_t fill_next_boundary(const struct wr_op *op, int64_t after) {
    const struct fill_config *config = op->config;
    return config->waits && config->max_gap_us == WR_TIME_MAX
               ? WR_TIME_MAX
               : window_end_after(&config->window, after);
}

static int64_t fill_shift(const struct wr_op *op) {
    const struct fill_config *config = op->config;
    if (!config->waits || config->window.kind != WINDOW_FIXED)
        return 0;
    return config->max_gap_us == WR_TIME_MAX
               ? WR_TIME_MAX
               : config->max_gap_us - config->max_gap_us % config->window.every_us;
}

/* The rows to come carry at least the end of the first window that may get one, less 1us. */
static int64_t fill_holds_back(const struct wr_op *op, int64_t frontier) {
    const struct fill *self = (const struct fill *)op;
    const struct fill_config *config = op->config;
    if (op->has_due && fill_has_windows(self))
        return window_result_time(window_end(&config->window, next_leaving(self)));
    if (frontier == WR_TIME_MAX || frontier == WR_TIME_MIN)
        return frontier;
    int64_t stays = first_staying(self, frontier);
    if (config->waits)
        return stays == WR_TIME_MIN ? stays
                                    : window_result_time(window_end(&config->window, stays));
    if (!may_make(self))
        return frontier;
    int64_t next = window_result_time(window_end(&config->window, self->next_us));
    return WR_MIN(frontier, next);
}

const struct wr_op_type wr_op_fill = {
    .name = "fill",
    .size_bytes = sizeof(struct fill),
    .flags = WR_OP_MAKES_ROWS | WR_OP_TAKES_UPDATES,
    .bind = fill_bind,
    .needs = fill_needs,
    .open = fill_open,
    .push = fill_push,
    .advance = fill_advance,
    .next_boundary = fill_next_boundary,
    .holds_back = fill_holds_back,
    .shift = fill_shift,
    .measure = fill_measure,
    .save = fill_save,
    .load = fill_load,
    .close = fill_close,
    .explain = fill_explain,
};
