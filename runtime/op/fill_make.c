/* fill_make.c: rows of windows in which a key has none. See fill.h. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "op/fill.h"
#include "base/banned.h"

#define MADE_MAX 1024u   /* rows that are made at a time */
#define GAP_MAX 1000000u /* windows; a longer gap is a wrong time, if nobody says how far it goes */

/* ---- what items are over ---- */

static int put_windows(struct fill *self, struct wr_batch *batch, const struct fill_gap *gaps) {
    const struct fill_config *config = fill_config_of(self);
    uint32_t count = batch->row_count, last = config->wide->field_count - 1;
    int64_t *starts = wr_batch_column(batch, config->start_column, count);
    int64_t *ends = wr_batch_column(batch, config->end_column, count);
    double *ratios = wr_batch_column(batch, last, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (starts == NULL || ends == NULL || ratios == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = window_start(&config->window, gaps[i].mark);
        ends[i] = window_end(&config->window, gaps[i].mark);
        ratios[i] = 0;
        if (gaps[i].next_mark == WR_TIME_MAX)
            continue;
        double from = (double)window_start(&config->window, gaps[i].before->mark);
        double to = (double)window_start(&config->window, gaps[i].next_mark);
        ratios[i] = ((double)starts[i] - from) / (to - from);
        wr_bit_set(valid, i);
    }
    batch->columns[last].valid = valid;
    return WR_OK;
}

/* Column `c` of the rows behind the gaps; nil where there is none. */
static int put_next(struct wr_batch *batch, uint32_t to, const struct fill_gap *gaps,
                    const struct wr_batch *in, uint32_t c) {
    uint32_t count = batch->row_count;
    uint32_t bytes = wr_type_bytes(batch->schema->fields[to].type.kind);
    char *data = wr_batch_column(batch, to, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    memset(data, 0, (size_t)count * bytes);
    batch->columns[to].valid = valid;
    for (uint32_t i = 0; i < count; i++) {
        if (gaps[i].next_mark == WR_TIME_MAX || in->columns[c].data == NULL ||
            wr_column_is_nil(&in->columns[c], gaps[i].next))
            continue;
        memcpy(data + (size_t)i * bytes,
               (const char *)in->columns[c].data + (size_t)gaps[i].next * bytes, bytes);
        wr_bit_set(valid, i);
    }
    return WR_OK;
}

static int put_wide(struct fill *self, struct wr_batch *batch, const struct fill_gap *gaps,
                    const struct wr_batch *in) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = batch->row_count, columns = config->schema->field_count;
    uint8_t **keys = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    const uint8_t **before = WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1);
    if (keys == NULL || before == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = (uint8_t *)(uintptr_t)gaps[i].key;
        before[i] = fill_payload(gaps[i].before);
    }
    int status = put_windows(self, batch, gaps);
    for (uint32_t k = 0; k < config->layout.column_count && status == WR_OK; k++)
        status = wr_keys_column(&config->layout, k, keys, count, batch, config->keys[k]);
    for (uint32_t c = 0; c < columns && status == WR_OK; c++) {
        if (wr_bit_get(config->wide_reads, columns + c)) {
            WR_ASSERT(self->kept[c] >= 0);
            status = wr_payload_read(&self->payload, (uint32_t)self->kept[c], before, count,
                                     &batch->arena, &batch->columns[columns + c]);
        }
        if (status == WR_OK && wr_bit_get(config->wide_reads, 2 * columns + c))
            status = put_next(batch, 2 * columns + c, gaps, in, c);
    }
    return status;
}

/* ---- the rows ---- */

/* Row rows[i] of `made`, of gap rows[i], into the table of its window. */
static int keep_made(struct fill *self, const struct fill_gap *gaps, const struct wr_batch *made) {
    for (uint32_t i = 0; i < made->sel_count; i++) {
        uint32_t at = wr_batch_row(made, i);
        struct wr_table *table = wr_slices_at(&self->rows, gaps[at].mark);
        uint64_t hash = wr_shape_hash(&self->shape, gaps[at].key, self->base.env->seed);
        uint8_t *key, is_new;
        if (table == NULL)
            return WR_ENOMEM;
        int status = wr_table_upsert(table, gaps[at].key, &hash, 1, &key, &is_new);
        if (status != WR_OK)
            return status;
        if (!is_new)
            return WR_ECORRUPT; /* of a state that was read back: the key has a row there */
        struct fill_row *row = fill_row_of(self, key);
        row->mark = gaps[at].mark;
        row->is_made = 1;
        status = wr_payload_put(&self->payload, table, fill_payload(row), made, at);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static int make_some(struct fill *self, const struct fill_gap *gaps, uint32_t count,
                     struct wr_batch *in, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_op *op = &self->base;
    struct wr_batch *wide = wr_batch_new(op->env->pool, config->wide), *made = NULL;
    if (wide == NULL)
        return WR_ENOMEM;
    wide->row_count = wide->sel_count = count;
    int status = put_wide(self, wide, gaps, in);
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
        status = keep_made(self, gaps, made);
    wr_batch_unref(made);
    wr_batch_unref(wide);
    return WR_MIN(status, WR_OK);
}

int fill_make(struct fill *self, const struct fill_gap *gaps, uint32_t count, struct wr_batch *in,
              struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int status = WR_OK;
    for (uint32_t at = 0; at < count && status == WR_OK; at += MADE_MAX) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        status = make_some(self, gaps + at, WR_MIN(MADE_MAX, count - at), in, out);
        wr_arena_rewind(scratch, mark);
    }
    return status;
}

int fill_check_gap(const struct fill *self, int64_t first, int64_t until) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    char from[WR_TIME_TEXT_MAX], to[WR_TIME_TEXT_MAX];
    if (config->stop_after_us != WR_TIME_MAX || config->max_gap_us != WR_TIME_MAX || first >= until)
        return WR_OK;
    int64_t begin = window_start(window, first), end = window_start(window, until);
    int64_t width_us = window_start(window, window_next(window, first)) - begin;
    uint64_t count = ((uint64_t)end - (uint64_t)begin) / (uint64_t)WR_MAX(width_us, 1);
    if (count <= GAP_MAX)
        return WR_OK;
    from[wr_timestamp_format(begin, from)] = 0;
    to[wr_timestamp_format(end, to)] = 0;
    struct wr_error *err = *self->base.env->err;
    wr_error_set(err, WR_ELIMIT,
                 "`fill` would make rows for %" PRIu64 " windows without a row, from %s to %s: "
                 "more than %u, and nothing says how far a gap is filled",
                 count, from, to, GAP_MAX);
    wr_error_help(err, "if a time is wrong, `:filter` its row before `event_time`; else say how "
                       "far: `stop_after = \"7d\"`, `max_gap = \"7d\"`");
    return WR_ELIMIT;
}

int fill_between(struct fill *self, const uint8_t *key, const struct fill_row *before,
                 int64_t next_mark, int64_t until, uint32_t next, struct wr_batch *in,
                 struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    int64_t first = window_next(window, before->mark), silent = window_end(window, before->mark);
    if (first >= until ||
        wr_time_add(window_start(window, first), config->max_gap_us) < window_start(window, until))
        return WR_OK;
    int status = fill_check_gap(self, first, until);
    if (status != WR_OK)
        return status;
    struct wr_arena_mark mark = wr_arena_mark(self->base.env->scratch);
    struct fill_gap *gaps = WR_ARENA_ARRAY(self->base.env->scratch, struct fill_gap, MADE_MAX);
    uint32_t count = 0;
    status = gaps == NULL ? WR_ENOMEM : WR_OK;
    for (int64_t at = first; status == WR_OK && at < until; at = window_next(window, at)) {
        if (window_end(window, at) > wr_time_add(silent, config->stop_after_us))
            break;
        gaps[count++] = (struct fill_gap){
            .key = key, .before = before, .mark = at, .next_mark = next_mark, .next = next};
        if (count == MADE_MAX) {
            status = fill_make(self, gaps, count, in, out);
            count = 0;
        }
    }
    if (status == WR_OK && count > 0)
        status = fill_make(self, gaps, count, in, out);
    wr_arena_rewind(self->base.env->scratch, mark);
    return status;
}
