/* agg_update_fire.c: results of agg_update.c that the frontier lets go: first results of windows
 * that late rows may still correct, what `every` holds back, deltas. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "base/banned.h"

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return config_of(self)->aggregates;
}

int64_t agg_closes_at(const struct agg_config *config, int64_t start) {
    int64_t end = window_end(&config->window, start), closes;
    return __builtin_add_overflow(end, config->lateness_us, &closes) ? WR_TIME_MAX : closes;
}

int agg_is_live(const struct agg *self, const uint8_t *state) {
    const struct agg_config *config = config_of(self);
    int always =
        aggregates_of(self)->live < 0 || (!config->windowed && config->aggregates->key_count == 0);
    return always || wr_aggregates_live(aggregates_of(self), state) > 0;
}

/* Changes of up to batch_rows groups of one window since the last emission; states of `kept` are
 * what they were. */
static int emit_differences(struct agg *self, uint8_t *const *kept, uint32_t count, int64_t start,
                            struct wr_out *out) {
    const struct wr_aggregates *aggregates = aggregates_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t key_bytes = aggregates->layout.key_bytes, counts[2] = {0, 0};
    uint8_t **states[2], *is_good = WR_ARENA_ARRAY(scratch, uint8_t, count);
    uint32_t *of[2];
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, count);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, count);
    struct agg_span span = agg_span_of(self, start);
    char *keys = wr_arena_alloc(scratch, (size_t)count * key_bytes);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count);
    uint8_t **now = WR_ARENA_ZEROS(scratch, uint8_t *, count);
    for (int side = 0; side < 2; side++) {
        states[side] = WR_ARENA_ARRAY(scratch, uint8_t *, count);
        of[side] = WR_ARENA_ARRAY(scratch, uint32_t, count);
        if (states[side] == NULL || of[side] == NULL)
            return WR_ENOMEM;
    }
    if (is_good == NULL || changes == NULL || spans == NULL || keys == NULL || hashes == NULL ||
        now == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        memcpy(keys + (size_t)i * key_bytes, kept[i], key_bytes);
    const struct wr_table *table = wr_slices_find(&self->slices, start);
    if (table != NULL) {
        wr_keys_hash(&aggregates->layout, keys, count, wr_table_seed(table), hashes);
        wr_table_find(table, keys, hashes, count, now);
    }
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (struct agg_change){
            .old_row = -1, .new_row = -1, .old_end = span.end, .new_end = span.end};
        spans[i] = span;
        uint8_t *const both[2] = {kept[i], now[i]};
        for (int side = 0; side < 2; side++) {
            if (both[side] == NULL || !agg_is_live(self, both[side]))
                continue;
            if (side == 0 && wr_aggregates_live(aggregates, both[0]) == 0 && !self->fired_any)
                continue; /* the one group has not been told of yet */
            states[side][counts[side]] = both[side];
            of[side][counts[side]++] = i;
        }
    }
    struct wr_batch *results[2] = {NULL, NULL};
    int status = WR_OK;
    for (int side = 0; side < 2 && status == WR_OK; side++) {
        status = agg_results(self, states[side], spans, counts[side], side == 0 ? NULL : out,
                             &results[side], is_good);
        for (uint32_t i = 0; i < counts[side] && status == WR_OK; i++)
            *(side == 0 ? &changes[of[side][i]].old_row : &changes[of[side][i]].new_row) =
                is_good[i] ? (int32_t)i : -1;
    }
    if (status == WR_OK)
        status = agg_emit_changes(self, changes, count, results[0], results[1], NULL, out);
    wr_batch_unref(results[0]);
    wr_batch_unref(results[1]);
    return status;
}

/* What has changed since the last emission, of windows that start before `limit`. */
static int emit_every(struct agg *self, int64_t limit, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->before.count && flow == WR_FLOW_MORE; s++) {
        const struct wr_slice *slice = &self->before.items[s];
        if (slice->start_us >= limit)
            break;
        uint64_t total = wr_table_count(slice->table);
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        uint8_t **kept = WR_ARENA_ARRAY(scratch, uint8_t *, total + 1);
        struct wr_table_walk walk;
        if (kept == NULL)
            return WR_ENOMEM;
        wr_table_walk_begin(&walk, slice->table);
        for (uint64_t i = 0; i < total; i++)
            kept[i] = wr_table_walk_next(&walk);
        wr_keys_sort(&aggregates_of(self)->layout, kept, (uint32_t)total);
        for (uint64_t at = 0; at < total && flow == WR_FLOW_MORE;) {
            struct wr_arena_mark part = wr_arena_mark(scratch);
            uint32_t count = (uint32_t)WR_MIN((uint64_t)self->base.env->batch_rows, total - at);
            flow = emit_differences(self, kept + at, count, slice->start_us, out);
            wr_arena_rewind(scratch, part);
            at += count;
        }
        wr_arena_rewind(scratch, mark);
    }
    if (!config_of(self)->windowed && self->before.count > 0 && limit == WR_TIME_MAX)
        self->fired_any = 1;
    wr_slices_drop_before(&self->before, limit);
    return flow;
}

/* Windows that end at or before the frontier, whose first results are due. */
static int fire_due(struct agg *self, int64_t frontier, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->slices.count && flow == WR_FLOW_MORE; s++) {
        const struct wr_slice *slice = &self->slices.items[s];
        int64_t end = config->windowed ? window_end(&config->window, slice->start_us) : WR_TIME_MAX;
        if (self->fired_any && slice->start_us < self->fired_us)
            continue;
        if (end > frontier)
            break;
        flow = agg_fire_table(self, slice->table, slice->start_us, out);
    }
    if (!config->windowed)
        return flow;
    /* The windows that end by now have fired, also those that nobody is in yet. */
    int64_t last = window_first(&config->window, frontier);
    if (!self->fired_any || last > self->fired_us) {
        self->fired_us = frontier == WR_TIME_MAX ? WR_TIME_MAX : last;
        self->fired_any = 1;
    }
    return flow;
}

/* What came since the last emission, of windows that start before `limit`. */
static int fire_deltas(struct agg *self, int64_t limit, struct wr_out *out) {
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->slices.count && flow == WR_FLOW_MORE; s++)
        if (self->slices.items[s].start_us < limit)
            flow = agg_fire_table(self, self->slices.items[s].table, self->slices.items[s].start_us,
                                  out);
    wr_slices_drop_before(&self->slices, limit);
    return flow;
}

/* Whether a multiple of `every` has been passed since the last emission. */
static int is_due(struct agg *self, int64_t frontier) {
    const struct agg_config *config = config_of(self);
    int64_t next = self->emitted_us == WR_TIME_MIN
                       ? WR_TIME_MAX
                       : window_multiple_after(config->every_us, self->emitted_us);
    self->emitted_us = frontier;
    return frontier == WR_TIME_MAX || next <= frontier;
}

/* The start of the first window that rows can still reach; WR_TIME_MAX: of none that is here. */
static int64_t first_open(const struct agg *self, int64_t frontier) {
    const struct agg_config *config = config_of(self);
    if (!config->windowed)
        return frontier == WR_TIME_MAX ? WR_TIME_MAX : WR_TIME_MIN;
    for (uint32_t s = 0; s < self->slices.count; s++)
        if (agg_closes_at(config, self->slices.items[s].start_us) > frontier)
            return self->slices.items[s].start_us;
    return WR_TIME_MAX;
}

/* At the end of a stream without a row; a `final` result is due anyway. */
static int fire_empty(struct agg *self, struct wr_out *out) {
    uint8_t made = 0;
    int status = agg_ensure_group(self, &made);
    if (status < 0 || !made || config_of(self)->mode == AGG_FINAL)
        return status;
    return agg_fire_table(self, wr_slices_find(&self->slices, 0), 0, out);
}

int agg_update_fire(struct agg *self, int64_t frontier, struct wr_out *out) {
    const struct agg_config *config = config_of(self);
    int64_t open = first_open(self, frontier);
    int flow = frontier == WR_TIME_MAX && agg_is_one_group(self) && !self->fired_any
                   ? fire_empty(self, out)
                   : WR_FLOW_MORE;
    if (config->every_us > 0) { /* all windows, or those that are closing */
        int64_t limit = is_due(self, frontier) ? WR_TIME_MAX : open;
        flow = config->mode == AGG_DELTA ? fire_deltas(self, limit, out)
                                         : emit_every(self, limit, out);
    }
    if (config->mode == AGG_FINAL)
        flow = fire_due(self, frontier, out);
    if (frontier == WR_TIME_MAX && !config->windowed)
        self->fired_any = 1;
    wr_slices_drop_before(&self->slices, open);
    return flow;
}
