/* fill_make.c: rows of windows in which a key has none. See fill.h. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "op/fill.h"
#include "base/banned.h"

#define MADE_MAX 1024u /* rows that are made at a time */

/* ---- what items are over ---- */

static int put_windows(struct fill *self, struct wr_batch *batch, const struct fill_made *rows) {
    const struct fill_config *config = fill_config_of(self);
    uint32_t count = batch->row_count, last = config->wide->field_count - 1;
    int64_t *starts = wr_batch_column(batch, config->start_column, count);
    int64_t *ends = wr_batch_column(batch, config->end_column, count);
    double *ratios = wr_batch_column(batch, last, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (starts == NULL || ends == NULL || ratios == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = window_start(&config->window, rows[i].mark);
        ends[i] = window_end(&config->window, rows[i].mark);
        ratios[i] = 0;
        if (rows[i].next == NULL)
            continue;
        double from = (double)window_start(&config->window, rows[i].before_mark);
        double to = (double)window_start(&config->window, rows[i].next_mark);
        ratios[i] = ((double)starts[i] - from) / (to - from);
        wr_bit_set(valid, i);
    }
    batch->columns[last].valid = valid;
    return WR_OK;
}

static int put_wide(struct fill *self, struct wr_batch *batch, const struct fill_made *rows) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = batch->row_count, columns = config->schema->field_count;
    uint8_t **keys = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    const uint8_t **payloads[2] = {WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1),
                                   WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1)};
    if (keys == NULL || payloads[0] == NULL || payloads[1] == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (uint8_t *)(uintptr_t)rows[i].key;
        payloads[0][i] = rows[i].before;
        payloads[1][i] = rows[i].next;
    }
    int status = put_windows(self, batch, rows);
    for (uint32_t k = 0; k < config->layout.column_count && status == WR_OK; k++)
        status = wr_keys_column(&config->layout, k, keys, count, batch, config->keys[k]);
    /* Behind the columns stand those of the row before and those of the next one. */
    for (uint32_t to = columns; to < 3 * columns && status == WR_OK; to++) {
        int32_t kept = self->kept[to % columns];
        if (!wr_bit_get(config->wide_reads, to))
            continue;
        WR_ASSERT(kept >= 0);
        status = wr_payload_read(&self->payload, (uint32_t)kept, payloads[to / columns - 1], count,
                                 &batch->arena, &batch->columns[to]);
    }
    return status;
}

/* ---- the rows ---- */

/* The rows of `made` into the tables of their windows. */
static int keep_made(struct fill *self, const struct fill_made *rows, const struct wr_batch *made) {
    for (uint32_t i = 0; i < made->sel_count; i++) {
        uint32_t at = wr_batch_row(made, i);
        struct wr_table *table = wr_slices_at(&self->rows, rows[at].mark);
        uint64_t hash = wr_shape_hash(&self->shape, rows[at].key, self->base.env->seed);
        uint8_t *key, is_new;
        if (table == NULL)
            return WR_ENOMEM;
        int status = wr_table_upsert(table, rows[at].key, &hash, 1, &key, &is_new);
        if (status != WR_OK)
            return status;
        if (!is_new)
            return WR_ECORRUPT; /* of a state that was read back: the key has a row there */
        struct fill_row *row = fill_row_of(self, key);
        row->mark = rows[at].mark;
        row->is_made = 1;
        status = wr_payload_put(&self->payload, table, fill_payload(row), made, at);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int make_some(struct fill *self, const struct fill_made *rows, uint32_t count,
                     struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_op *op = &self->base;
    struct wr_batch *wide = wr_batch_new(op->env->pool, config->wide), *made = NULL;
    if (wide == NULL)
        return WR_ENOMEM;
    wide->row_count = wide->sel_count = count;
    int status = put_wide(self, wide, rows);
    wr_op_eval_begin(op, &self->eval);
    self->eval.fail_count = 0;
    if (status == WR_OK && config->items->program != NULL)
        status = wr_list_run(config->items, &self->eval, wide, &wide->arena);
    if (status >= 0)
        made = wr_batch_over(op->env->pool, config->schema, wide);
    if (status >= 0 && made == NULL)
        status = WR_ENOMEM;
    if (status >= 0)
        status = wr_op_drop_fails(op, &self->eval, wide, made, out);
    for (uint32_t c = 0; status >= 0 && c < config->schema->field_count; c++) {
        const struct wr_item *item =
            config->item_of[c] < 0 ? NULL : &config->items->items[config->item_of[c]];
        if (item != NULL)
            made->columns[c] =
                item->column >= 0 ? wide->columns[item->column] : self->eval.outputs[item->output];
    }
    if (status >= 0)
        status = keep_made(self, rows, made);
    wr_batch_unref(made);
    wr_batch_unref(wide);
    return WR_MIN(status, WR_OK);
}

int fill_make(struct fill *self, const struct fill_made *rows, uint32_t count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int status = WR_OK;
    for (uint32_t at = 0; at < count && status == WR_OK; at += MADE_MAX) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        status = make_some(self, rows + at, WR_MIN(MADE_MAX, count - at), out);
        wr_arena_rewind(scratch, mark);
    }
    return status;
}

int fill_check_gap(const struct fill *self, int64_t first, int64_t until) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    char from[WR_TIME_TEXT_MAX], to[WR_TIME_TEXT_MAX];
    if (config->windows_max == UINT64_MAX || first >= until)
        return WR_OK;
    int64_t begin = window_start(window, first), end = window_start(window, until);
    int64_t width_us = window_start(window, window_next(window, first)) - begin;
    uint64_t count = ((uint64_t)end - (uint64_t)begin) / (uint64_t)WR_MAX(width_us, 1);
    if (count <= config->windows_max)
        return WR_OK;
    from[wr_timestamp_format(begin, from)] = 0;
    to[wr_timestamp_format(end, to)] = 0;
    struct wr_error *err = *self->base.env->err;
    wr_error_set(err, WR_ELIMIT,
                 "`fill` would make rows for %" PRIu64 " windows without a row, from %s to %s: "
                 "more than `max_windows`, %" PRIu64,
                 count, from, to, config->windows_max);
    wr_error_help(err,
                  "if a time is wrong, `:filter` its row before `event_time`; else say how far a "
                  "gap is filled: `stop_after = \"7d\"`, `max_gap = \"7d\"`, or all of it: "
                  "`max_windows = %" PRIu64 "`",
                  count);
    return WR_ELIMIT;
}
