/* top_change.c: what rows that come and go change of a group's result: the result before and after
 * is compared from the first position that can differ, and each difference is recorded by the
 * number of its row; what a push recorded leaves as batches at its end. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/top.h"
#include "base/banned.h"

uint32_t top_visible(const struct top *self, const struct wr_table *rows, uint64_t root) {
    const struct top_config *config = top_config_of(self);
    uint32_t size = top_size(rows, root);
    if (size > 0 && config->gone != NULL && top_node(rows, top_select(rows, root, 0))->gone)
        return 0;
    if (size <= config->rows || !config->with_ties)
        return WR_MIN(size, config->rows);
    uint64_t last = top_select(rows, root, config->rows - 1);
    return top_count_before(self, rows, root, top_node(rows, last), 1);
}

void top_ranks(const struct top *self, const struct wr_table *rows, uint64_t root, uint32_t first,
               uint32_t count, const uint64_t *ids, uint32_t *ranks) {
    const struct top_config *config = top_config_of(self);
    const struct top_node *before = NULL;
    for (uint32_t i = 0; i < count; i++) {
        ranks[i] = config->rank_column < 0 ? 0 : first + i + 1;
        if (config->rank_column < 0 || !config->with_ties)
            continue;
        const struct top_node *node = top_node(rows, ids[i]);
        if (before == NULL)
            ranks[i] = top_count_before(self, rows, root, node, 0) + 1;
        else if (top_compare(self, before, node, 0) == 0)
            ranks[i] = ranks[i - 1];
        before = node;
    }
}

int top_look(struct top *self, const struct top_tables *tables, uint64_t root, uint32_t first,
             struct top_view *view) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t visible = top_visible(self, tables->rows, root);
    *view = (struct top_view){.first = first, .count = visible > first ? visible - first : 0};
    view->ids = WR_ARENA_ARRAY(scratch, uint64_t, view->count + 1);
    view->ranks = WR_ARENA_ARRAY(scratch, uint32_t, view->count + 1);
    if (view->ids == NULL || view->ranks == NULL)
        return WR_ENOMEM;
    top_range(tables->rows, root, first, visible, view->ids);
    top_ranks(self, tables->rows, root, first, view->count, view->ids, view->ranks);
    return WR_OK;
}

int top_add_change(struct top *self, const struct top_tables *tables, uint64_t id, uint32_t rank,
                   int weight, int replaced, uint32_t cause) {
    if (wr_grow(self->base.env->state_budget, (void **)&self->changes, self->change_count,
                &self->change_room, sizeof *self->changes) != WR_OK)
        return WR_ENOMEM;
    self->changes[self->change_count++] = (struct top_change){.id = id,
                                                              .rows = tables->rows,
                                                              .mark = tables->mark,
                                                              .rank = rank,
                                                              .cause = cause,
                                                              .weight = (int8_t)weight,
                                                              .replaced = (uint8_t)replaced};
    return WR_OK;
}

int top_bury(struct top *self, struct wr_table *rows, uint64_t id) {
    if (wr_grow(self->base.env->state_budget, (void **)&self->graves, self->grave_count,
                &self->grave_room, sizeof *self->graves) != WR_OK)
        return WR_ENOMEM;
    self->graves[self->grave_count++] = (struct top_grave){.rows = rows, .id = id};
    return WR_OK;
}

/* What is recorded for one row, or an update. */
struct recording {
    struct top *self;
    const struct top_tables *tables;
    uint32_t cause;
    int status;
};

static void add(struct recording *r, uint64_t id, uint32_t rank, int weight, int replaced) {
    if (r->status == WR_OK)
        r->status = top_add_change(r->self, r->tables, id, rank, weight, replaced, r->cause);
}

/* The old row back and the new one out, unless nobody could tell them apart. */
static void add_pair(struct recording *r, uint64_t old, uint32_t old_rank, uint64_t new,
                     uint32_t new_rank) {
    if (old_rank == new_rank) {
        const struct top_node *a = top_node(r->tables->rows, old);
        const struct top_node *b = top_node(r->tables->rows, new);
        if (a->time == b->time &&
            wr_payload_equal(&r->self->payload, top_payload(a), top_payload(b)))
            return;
    }
    add(r, old, old_rank, -1, 1);
    add(r, new, new_rank, 1, 0);
}

/* Whoever has a rank is replaced by whoever has it now. */
static void record_by_rank(struct recording *r, const struct top_view *before,
                           const struct top_view *after) {
    for (uint32_t i = 0; i < WR_MAX(before->count, after->count); i++) {
        if (i >= before->count)
            add(r, after->ids[i], after->ranks[i], 1, 0);
        else if (i >= after->count)
            add(r, before->ids[i], before->ranks[i], -1, 0);
        else if (before->ids[i] != after->ids[i])
            add_pair(r, before->ids[i], before->ranks[i], after->ids[i], after->ranks[i]);
    }
}

static uint32_t find(const struct top_view *view, uint64_t id) {
    uint32_t i = 0;
    while (i < view->count && (id == 0 || view->ids[i] != id))
        i++;
    return i;
}

/* Rows that stay keep their order, so one walk along both finds those that do not. First the row
 * that became another one, then those that leave or have another rank, then those that come. */
static void record_by_row(struct recording *r, const struct top_view *before,
                          const struct top_view *after, uint64_t gone, uint64_t come) {
    uint32_t old = find(before, gone), new = find(after, come);
    int pair = old < before->count && new < after->count;
    if (pair)
        add_pair(r, gone, before->ranks[old], come, after->ranks[new]);
    else if (old < before->count)
        add(r, gone, before->ranks[old], -1, 0);
    for (uint32_t x = 0, y = 0; x < before->count; x++) {
        if (x == old)
            continue;
        if (y == new)
            y++;
        if (y >= after->count) {
            add(r, before->ids[x], before->ranks[x], -1, 0);
            continue;
        }
        if (before->ranks[x] != after->ranks[y]) {
            add(r, before->ids[x], before->ranks[x], -1, 1);
            add(r, before->ids[x], after->ranks[y], 1, 0);
        }
        y++;
    }
    uint32_t stayed = before->count - (old < before->count);
    for (uint32_t y = 0, rows = 0; y < after->count; y++) {
        if (y == new ? !pair : rows >= stayed)
            add(r, after->ids[y], after->ranks[y], 1, 0);
        rows += y != new;
    }
}

int top_record(struct top *self, const struct top_tables *tables, const struct top_view *before,
               const struct top_view *after, uint64_t gone, uint64_t come, uint32_t cause) {
    const struct top_config *config = top_config_of(self);
    struct recording r = {.self = self, .tables = tables, .cause = cause, .status = WR_OK};
    if (!config->with_ties && (config->rank_column >= 0 || config->rows == 1))
        record_by_rank(&r, before, after);
    else
        record_by_row(&r, before, after, gone, come);
    return r.status;
}

/* ---- out ---- */

static int set_added(struct top *self, struct wr_batch *batch, const struct top_change *changes,
                     uint32_t count) {
    const struct top_config *config = top_config_of(self);
    uint32_t column = config->input_count;
    if (config->rank_column >= 0) {
        int64_t *ranks = wr_batch_column(batch, column++, count);
        if (ranks == NULL)
            return WR_ENOMEM;
        for (uint32_t i = 0; i < count; i++)
            ranks[i] = changes[i].rank;
    }
    if (!config->windowed)
        return WR_OK;
    int64_t *starts = wr_batch_column(batch, column, count);
    int64_t *ends = wr_batch_column(batch, column + 1, count);
    if (starts == NULL || ends == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = window_start(&config->window, changes[i].mark);
        ends[i] = window_end(&config->window, changes[i].mark);
    }
    return WR_OK;
}

/* Columns behind those of the schema, by which fired rows of different shards are put in order. */
static int set_hidden(struct top *self, struct wr_batch *batch, const struct top_change *changes,
                      uint8_t *const *keys, uint32_t count) {
    const struct top_config *config = top_config_of(self);
    uint32_t column = self->base.schema->field_count;
    int64_t *marks = wr_batch_column(batch, column++, count);
    if (marks == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        marks[i] = changes[i].mark;
    int status = WR_OK; /* they outlive the window, which is dropped before shards are merged */
    for (uint32_t k = 0; k < config->layout.column_count && status == WR_OK; k++)
        status = wr_keys_column(&config->layout, k, keys, count, batch, column++);
    return status;
}

static int set_times(struct top *self, struct wr_batch *batch, const struct top_change *changes,
                     struct top_node *const *nodes, uint32_t count, const struct wr_batch *in) {
    const struct top_config *config = top_config_of(self);
    struct wr_arena *arena = &batch->arena;
    int64_t *times = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *behind = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *weights = WR_ARENA_ARRAY(arena, int64_t, count);
    uint32_t *cause = WR_ARENA_ARRAY(arena, uint32_t, count);
    uint64_t *replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (times == NULL || behind == NULL || weights == NULL || cause == NULL || replaced == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        times[i] = top_closes(config) ? window_result_time(top_window_end(config, changes[i].mark))
                                      : nodes[i]->time;
        weights[i] = changes[i].weight;
        cause[i] = changes[i].cause;
        wr_bit_put(replaced, i, changes[i].replaced);
        if (in != NULL && in->behind != NULL)
            behind[i] = in->behind[cause[i]];
    }
    if (top_closes(config) || (in != NULL && in->event_time != NULL))
        batch->event_time = times;
    if (in == NULL)
        return WR_OK;
    batch->weight = weights;
    batch->replaced = replaced;
    batch->cause = cause;
    if (in->behind != NULL)
        batch->behind = behind;
    return top_closes(config) ? WR_OK : wr_op_set_changed(batch, in, NULL, count);
}

/* A batch with the columns of the rows; NULL: out of memory. */
static struct wr_batch *make_batch(struct top *self, const struct top_change *changes,
                                   const uint8_t *const *payloads, uint32_t count,
                                   uint8_t *const *keys) {
    const struct top_config *config = top_config_of(self);
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, config->hidden);
    if (batch == NULL)
        return NULL;
    batch->row_count = batch->sel_count = count;
    int status = WR_OK;
    for (uint32_t k = 0; k < self->payload.count && status == WR_OK; k++)
        if (self->payload.columns[k] < config->input_count)
            status = wr_payload_read(&self->payload, k, payloads, count, &batch->arena,
                                     &batch->columns[self->payload.columns[k]]);
    if (status == WR_OK)
        status = set_added(self, batch, changes, count);
    if (status == WR_OK && keys != NULL)
        status = set_hidden(self, batch, changes, keys, count);
    if (status == WR_OK)
        return batch;
    wr_batch_unref(batch);
    return NULL;
}

int top_emit_payloads(struct top *self, const struct top_change *changes,
                      const uint8_t *const *payloads, uint32_t count, uint8_t *const *keys,
                      struct wr_out *out) {
    struct wr_batch *batch = make_batch(self, changes, payloads, count, keys);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->schema = self->base.schema;
    return out->emit(out, WR_PORT_MAIN, batch);
}

int top_emit(struct top *self, const struct top_change *changes, uint32_t count,
             uint8_t *const *keys, const struct wr_batch *in, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct top_node **nodes = WR_ARENA_ARRAY(scratch, struct top_node *, count + 1);
    const uint8_t **payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1);
    if (nodes == NULL || payloads == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = top_node(changes[i].rows, changes[i].id);
        payloads[i] = top_payload(nodes[i]);
    }
    struct wr_batch *batch = make_batch(self, changes, payloads, count, keys);
    int status = batch == NULL ? WR_ENOMEM : set_times(self, batch, changes, nodes, count, in);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    batch->schema = self->base.schema;
    return out->emit(out, WR_PORT_MAIN, batch);
}

int top_flush(struct top *self, const struct wr_batch *in, struct wr_out *out) {
    uint32_t room = WR_MAX(self->base.env->batch_rows, 2u);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0, end; first < self->change_count && flow == WR_FLOW_MORE; first = end) {
        end = WR_MIN(first + room, self->change_count);
        end -= end < self->change_count && self->changes[end - 1].replaced; /* not torn */
        struct wr_arena_mark mark = wr_arena_mark(self->base.env->scratch);
        flow = top_emit(self, self->changes + first, end - first, NULL, in, out);
        wr_arena_rewind(self->base.env->scratch, mark);
    }
    self->bound.node = NULL; /* nodes move */
    for (uint32_t i = 0; i < self->grave_count; i++) {
        const struct top_grave *grave = &self->graves[i];
        uint64_t hash = wr_shape_hash(&self->rows_shape, &grave->id, wr_table_seed(grave->rows));
        wr_table_delete(grave->rows, &grave->id, hash);
    }
    self->change_count = self->grave_count = 0;
    return flow;
}
