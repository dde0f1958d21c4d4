/* fill_gaps.c: gaps whose end is known: kept by the first window to fill, open from then on, gone
 * behind the last one. See fill.h. */
#include <string.h>

#include "base/status.h"
#include "op/fill.h"
#include "base/banned.h"

/* Whether a gap has a row to make in the window `mark`. */
static int reaches(const struct fill *self, const struct fill_gap *gap, int64_t mark) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    int64_t silent = window_end(window, gap->before);
    return mark < gap->until &&
           window_end(window, mark) <= wr_time_add(silent, config->stop_after_us);
}

static int copy_gap(struct fill *self, struct wr_table *to, const uint8_t *key, uint64_t hash,
                    const struct fill_gap *gap) {
    uint8_t *at;
    int status = wr_table_upsert(to, key, &hash, 1, &at, NULL);
    if (status != WR_OK)
        return status;
    struct fill_gap *copy = fill_gap_of(self, at);
    *copy = *gap;
    status = wr_payload_copy(&self->payload, to, fill_gap_before(copy), fill_gap_before(gap));
    if (status != WR_OK || !gap->has_next)
        return status;
    return wr_payload_copy(&self->payload, to, fill_gap_next(self, copy), fill_gap_next(self, gap));
}

/* The gap of `key` behind `before`, unless it is too long or there is nothing in it. *made is where
 * it is kept, or NULL. */
static int keep_gap(struct fill *self, const uint8_t *key, uint64_t hash,
                    const struct fill_row *before, int64_t until, struct wr_table **table,
                    struct fill_gap **made) {
    const struct fill_config *config = fill_config_of(self);
    const struct window *window = &config->window;
    const struct fill_gap gap = {.before = before->mark, .until = until};
    int64_t first = window_next(window, before->mark);
    *made = NULL;
    if (!reaches(self, &gap, first) ||
        wr_time_add(window_start(window, first), config->max_gap_us) < window_start(window, until))
        return WR_OK;
    int status = fill_check_gap(self, first, until);
    if (status != WR_OK)
        return status;
    uint8_t *at;
    *table = wr_slices_at(&self->gaps, first);
    if (*table == NULL)
        return WR_ENOMEM;
    status = wr_table_upsert(*table, key, &hash, 1, &at, NULL);
    if (status != WR_OK)
        return status;
    *made = fill_gap_of(self, at);
    **made = gap;
    return wr_payload_copy(&self->payload, *table, fill_gap_before(*made), fill_payload(before));
}

int fill_close_gap(struct fill *self, const uint8_t *key, uint64_t hash, int64_t mark,
                   const struct wr_batch *in, uint32_t row) {
    struct wr_table *last = wr_slices_find(&self->last, 0), *table = NULL;
    struct fill_gap *gap = NULL;
    uint8_t *at = NULL;
    if (last != NULL)
        wr_table_find(last, key, &hash, 1, &at);
    if (at == NULL)
        return WR_OK;
    int status = keep_gap(self, key, hash, fill_row_of(self, at), mark, &table, &gap);
    if (status != WR_OK || gap == NULL)
        return status;
    gap->has_next = 1;
    return wr_payload_put(&self->payload, table, fill_gap_next(self, gap), in, row);
}

int fill_close_gaps(struct fill *self) {
    struct wr_table *last = wr_slices_find(&self->last, 0), *table;
    int64_t until = window_next(&fill_config_of(self)->window, self->last_us);
    struct wr_table_walk walk;
    int status = WR_OK;
    if (last == NULL)
        return WR_OK;
    wr_table_walk_begin(&walk, last);
    for (uint8_t *key; status == WR_OK && (key = wr_table_walk_next(&walk)) != NULL;) {
        struct fill_gap *gap;
        uint64_t hash = wr_shape_hash(&self->shape, key, self->base.env->seed);
        status = keep_gap(self, key, hash, fill_row_of(self, key), until, &table, &gap);
    }
    wr_slices_drop_before(&self->last, WR_TIME_MAX); /* no row comes any more */
    return status;
}

/* Gaps that begin with this window. */
static int open_gaps(struct fill *self, int64_t mark) {
    const struct wr_table *from = wr_slices_find(&self->gaps, mark);
    struct wr_table_walk walk;
    int status = WR_OK;
    if (from == NULL)
        return WR_OK;
    struct wr_table *open = wr_slices_at(&self->open, 0);
    if (open == NULL)
        return WR_ENOMEM;
    wr_table_walk_begin(&walk, from);
    for (uint8_t *key; status == WR_OK && (key = wr_table_walk_next(&walk)) != NULL;)
        status = copy_gap(self, open, key, wr_shape_hash(&self->shape, key, self->base.env->seed),
                          fill_gap_of(self, key));
    if (status == WR_OK)
        wr_slices_drop_before(&self->gaps, mark + 1);
    return status;
}

int fill_gaps_window(struct fill *self, int64_t mark, struct wr_out *out) {
    const struct fill_config *config = fill_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    int status = open_gaps(self, mark);
    struct wr_table *open = wr_slices_find(&self->open, 0);
    uint64_t count = open == NULL ? 0 : wr_table_count(open);
    if (status != WR_OK || count == 0)
        return status;
    uint8_t **keys = wr_keys_rows(&config->layout, open, scratch);
    struct fill_made *rows = WR_ARENA_ARRAY(scratch, struct fill_made, count);
    if (keys == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        const struct fill_gap *gap = fill_gap_of(self, keys[i]);
        rows[i] = (struct fill_made){.key = keys[i],
                                     .before = fill_gap_before(gap),
                                     .next = gap->has_next ? fill_gap_next(self, gap) : NULL,
                                     .mark = mark,
                                     .before_mark = gap->before,
                                     .next_mark = gap->until};
    }
    status = fill_make(self, rows, (uint32_t)count, out);
    int64_t next = window_next(&config->window, mark);
    for (uint64_t i = 0; i < count && status == WR_OK; i++)
        if (!reaches(self, fill_gap_of(self, keys[i]), next))
            wr_table_delete(open, keys[i],
                            wr_shape_hash(&self->shape, keys[i], self->base.env->seed));
    return status;
}

int64_t fill_gaps_first(const struct fill *self) {
    const struct wr_table *open = wr_slices_find(&self->open, 0);
    if (open != NULL && wr_table_count(open) > 0)
        return self->next_us;
    return self->gaps.count == 0 ? WR_TIME_MAX : self->gaps.items[0].start_us;
}
