/* top_fire.c: results of windows that have ended (or of a stream), in the order of window, keys and
 * rank; state as pieces of a log. */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/order.h"
#include "op/top.h"
#include "base/banned.h"

/* Rows of a firing that have not left yet, with the keys of their groups. */
struct firing {
    struct top *self;
    struct wr_out *out;
    uint32_t count, room;
    struct top_change *changes;
    uint8_t **keys;
};

static int emit_firing(struct firing *firing) {
    struct wr_arena *scratch = firing->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int flow = WR_FLOW_MORE;
    if (firing->count > 0)
        flow =
            top_emit(firing->self, firing->changes, firing->count, firing->keys, NULL, firing->out);
    wr_arena_rewind(scratch, mark);
    firing->count = 0;
    return flow;
}

static int fire_group(struct firing *firing, const struct top_tables *tables, uint8_t *group) {
    struct top *self = firing->self;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct top_view view;
    uint64_t root;
    memcpy(&root, group + top_config_of(self)->groups_shape.key_bytes, sizeof root);
    int flow = top_look(self, tables, root, 0, &view);
    for (uint32_t i = 0; i < view.count && flow == WR_FLOW_MORE; i++) {
        firing->keys[firing->count] = group;
        firing->changes[firing->count++] = (struct top_change){.id = view.ids[i],
                                                               .rows = tables->rows,
                                                               .mark = tables->mark,
                                                               .rank = view.ranks[i],
                                                               .weight = 1};
        if (firing->count == firing->room)
            flow = emit_firing(firing);
    }
    wr_arena_rewind(scratch, mark);
    return flow;
}

/* All groups of a window, in the order of their keys. */
static int fire_window(struct top *self, const struct wr_slice *slice, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t total = wr_table_count(slice->table);
    struct firing firing = {.self = self, .out = out, .room = self->base.env->batch_rows};
    uint8_t **groups = wr_keys_rows(&top_config_of(self)->layout, slice->table, scratch);
    firing.changes = WR_ARENA_ARRAY(scratch, struct top_change, firing.room);
    firing.keys = WR_ARENA_ARRAY(scratch, uint8_t *, firing.room);
    struct top_tables tables = {.mark = slice->start_us,
                                .groups = slice->table,
                                .rows = wr_slices_find(&self->rows, slice->start_us)};
    if (groups == NULL || firing.changes == NULL || firing.keys == NULL)
        return WR_ENOMEM;
    int flow = WR_FLOW_MORE;
    for (uint64_t i = 0; i < total && flow == WR_FLOW_MORE; i++)
        flow = fire_group(&firing, &tables, groups[i]);
    if (flow == WR_FLOW_MORE)
        flow = emit_firing(&firing);
    wr_arena_rewind(scratch, mark);
    return flow;
}

/* Windows that end at or before the frontier, whose first results are due. */
static int fire_due(struct top *self, int64_t frontier, struct wr_out *out) {
    const struct top_config *config = top_config_of(self);
    int flow = WR_FLOW_MORE;
    for (uint32_t s = 0; s < self->groups.count && flow == WR_FLOW_MORE; s++) {
        const struct wr_slice *slice = &self->groups.items[s];
        if (slice->start_us < self->fired_us)
            continue;
        if (top_window_end(config, slice->start_us) > frontier)
            break;
        flow = fire_window(self, slice, out);
    }
    int64_t fired = frontier == WR_TIME_MAX ? WR_TIME_MAX
                    : config->windowed      ? window_first(&config->window, frontier)
                    : top_closes(config)    ? frontier + 1
                                            : WR_TIME_MIN;
    self->fired_us = WR_MAX(self->fired_us, fired);
    return flow;
}

int64_t top_closes_at(const struct top_config *config, int64_t mark) {
    return wr_time_add(top_window_end(config, mark), config->lateness_us);
}

/* The mark of the first window that rows can still reach; WR_TIME_MAX: of none that is here. */
static int64_t first_open(const struct top *self, int64_t frontier) {
    const struct top_config *config = top_config_of(self);
    for (uint32_t s = 0; s < self->groups.count && frontier != WR_TIME_MAX; s++)
        if (top_closes_at(config, self->groups.items[s].start_us) > frontier)
            return self->groups.items[s].start_us;
    return WR_TIME_MAX;
}

int top_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct top *self = (struct top *)op;
    int flow = WR_FLOW_MORE;
    if (top_config_of(self)->mode == TOP_FINAL)
        flow = fire_due(self, frontier, out);
    int64_t open = first_open(self, frontier);
    wr_slices_drop_before(&self->groups, open);
    wr_slices_drop_before(&self->rows, open);
    wr_slices_drop_before(&self->finder, open);
    return flow;
}

/* What leaves for late rows stands behind the first result of their window. */
int64_t top_next_boundary(const struct wr_op *op, int64_t after) {
    const struct top_config *config = op->config;
    if (config->mode != TOP_FINAL || config->lateness_us == 0)
        return WR_TIME_MAX;
    return window_end_after(&config->window, after);
}

int top_compare_fired(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                      const struct wr_batch *b, uint32_t row_b) {
    const struct top_config *config = op->config;
    for (uint32_t c = op->schema->field_count; c < config->hidden->field_count; c++) {
        int by = wr_cell_compare(&config->hidden->fields[c].type, &a->columns[c], row_a,
                                 &b->columns[c], row_b);
        if (by != 0)
            return by;
    }
    return 0;
}

/* ---- state ---- */

void top_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct top *self = (const struct top *)op;
    uint64_t rows = wr_slices_rows(&self->rows);
    state->rows += rows > 0 ? rows : wr_slices_rows(&self->groups);
    state->bytes += wr_slices_bytes(&self->groups) + wr_slices_bytes(&self->rows) +
                    wr_slices_bytes(&self->finder);
}

int top_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct top *self = (struct top *)op;
    struct wr_slices *sets[3] = {&self->groups, &self->rows, &self->finder};
    if (!all && self->fired_us == self->saved_fired_us && self->next_id == self->saved_next_id &&
        !wr_slices_sets_have_changed(sets, 3))
        return WR_OK;
    wr_buf_add_u64(out, (uint64_t)self->fired_us);
    wr_buf_add_u64(out, self->next_id);
    int status = wr_slices_save_sets(sets, 3, out, all, op->env->piece_bytes);
    if (status == WR_OK) {
        self->saved_fired_us = self->fired_us;
        self->saved_next_id = self->next_id;
    }
    return out->status == WR_OK ? status : out->status;
}

int top_load(struct wr_op *op, struct wr_reader *in) {
    struct top *self = (struct top *)op;
    struct wr_slices *sets[3] = {&self->groups, &self->rows, &self->finder};
    self->fired_us = self->saved_fired_us = (int64_t)wr_reader_u64(in);
    self->next_id = self->saved_next_id = wr_reader_u64(in);
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 3, in);
}
