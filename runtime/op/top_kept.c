/* top_kept.c: a few first rows of each group, which leave once, when the input has ended. Rows come
 * into their groups as in top_few.c. Where groups take more memory than they may, all of them leave
 * as a sorted run (state/table_sorted.h) and others take their place; the results merge the runs,
 * and of the rows of one group those that come first. Where a checkpoint has to find all groups in
 * the table, its pages rest instead. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/top.h"
#include "state/apart.h"
#include "state/table_sorted.h"
#include "base/banned.h"

#define LIST_BLOCK_BYTES 4096u

/* A row of a group, in its slot. */
static uint8_t *slot_at(const struct top_slots *slots, uint8_t *group, uint32_t place) {
    uint32_t slot = group[slots->head_at + 16 + place];
    return group + slots->first_at + (size_t)slot * slots->bytes;
}

static uint32_t count_of(const struct top_slots *slots, const uint8_t *group) {
    uint64_t count;
    memcpy(&count, group + slots->head_at + 8, sizeof count);
    return (uint32_t)WR_MIN(count, (uint64_t)slots->count);
}

/* ---- groups that are met again ---- */

/* Whether a row in a slot, which came after the one in another, stands before it. */
static int comes_first(const struct top *self, const uint8_t *slot, const uint8_t *other) {
    const struct top_config *config = top_config_of(self);
    const struct wr_list *order = config->order;
    for (uint32_t i = 0; order != NULL && i < order->item_count; i++) {
        uint32_t k = self->order_cells[i];
        int by = wr_payload_compare(&self->payload, k, slot + 8, other + 8);
        if (by == 0)
            continue;
        int nils = wr_payload_is_nil(slot + 8, k) || wr_payload_is_nil(other + 8, k);
        return order->items[i].desc && !nils ? by > 0 : by < 0;
    }
    int64_t time, other_time;
    memcpy(&time, slot, sizeof time);
    memcpy(&other_time, other, sizeof other_time);
    int is_last = config->ties == TOP_TIES_LAST;
    if (config->by_time && time != other_time)
        return is_last ? time > other_time : time < other_time;
    return is_last;
}

/* The first rows of both: their places among those of `into`, or behind them of `from`. */
static uint32_t choose(const struct top *self, const struct top_slots *slots, uint8_t *into,
                       uint8_t *from, uint32_t *places) {
    uint32_t into_count = count_of(slots, into), from_count = count_of(slots, from);
    uint32_t at = 0, next = 0, count = 0;
    for (; count < slots->count && (at < into_count || next < from_count); count++) {
        int is_from = at == into_count ||
                      (next < from_count &&
                       comes_first(self, slot_at(slots, from, next), slot_at(slots, into, at)));
        places[count] = is_from ? into_count + next++ : at++;
    }
    return count;
}

/* Rows of `from` came after those of `into`. */
static int merge(void *ctx, struct wr_table *table, uint8_t *into, const uint8_t *other) {
    const struct top *self = ctx;
    struct top_slots slots = top_slots_of(self);
    uint8_t *from = (uint8_t *)(uintptr_t)other; /* it is only read */
    uint32_t places[TOP_SLOTS_MAX], into_count = count_of(&slots, into);
    uint8_t order[TOP_SLOTS_MAX];
    uint64_t used = 0, count = choose(self, &slots, into, from, places);
    for (uint32_t i = 0; i < count; i++)
        if (places[i] < into_count)
            used |= UINT64_C(1) << (order[i] = into[slots.head_at + 16 + places[i]]);
    for (uint32_t i = 0; i < count; i++) {
        if (places[i] < into_count)
            continue;
        order[i] = (uint8_t)__builtin_ctzll(~used);
        used |= UINT64_C(1) << order[i];
        const uint8_t *slot = slot_at(&slots, from, places[i] - into_count);
        uint8_t *to = into + slots.first_at + (size_t)order[i] * slots.bytes;
        memcpy(to, slot, 8);
        if (wr_payload_copy(&self->payload, table, to + 8, slot + 8) != WR_OK)
            return WR_ENOMEM;
    }
    memcpy(into + slots.head_at + 16, order, count);
    memcpy(into + slots.head_at + 8, &count, sizeof count);
    return WR_OK;
}

/* ---- out ---- */

/* Rows that leave with the next batch. */
struct leaving {
    struct top *self;
    struct wr_out *out;
    struct top_slots slots;
    uint32_t count, room;
    struct top_change *changes;
    const uint8_t **payloads;
    uint8_t **groups;
};

static int leaving_begin(struct leaving *leaving, struct top *self, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t room = self->base.env->batch_rows;
    *leaving =
        (struct leaving){.self = self, .out = out, .slots = top_slots_of(self), .room = room};
    leaving->changes = WR_ARENA_ARRAY(scratch, struct top_change, room);
    leaving->payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, room);
    leaving->groups = WR_ARENA_ARRAY(scratch, uint8_t *, room);
    return leaving->changes == NULL || leaving->payloads == NULL || leaving->groups == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static int leave(struct leaving *leaving) {
    uint32_t count = leaving->count;
    leaving->count = 0;
    if (count == 0)
        return WR_FLOW_MORE;
    struct wr_arena *scratch = leaving->self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int flow = top_emit_payloads(leaving->self, leaving->changes, leaving->payloads, count,
                                 leaving->groups, leaving->out);
    wr_arena_rewind(scratch, mark);
    return flow;
}

static int add_group(struct leaving *leaving, uint8_t *group) {
    uint32_t count = count_of(&leaving->slots, group);
    int flow = WR_FLOW_MORE;
    for (uint32_t i = 0; i < count && flow == WR_FLOW_MORE; i++) {
        leaving->changes[leaving->count] = (struct top_change){.rank = i + 1};
        leaving->payloads[leaving->count] = slot_at(&leaving->slots, group, i) + 8;
        leaving->groups[leaving->count++] = group;
        if (leaving->count == leaving->room)
            flow = leave(leaving);
    }
    return flow;
}

/* Groups from *at on, in order, while there is room for what they give. */
static int fire_groups(struct top *self, uint8_t *const *groups, uint64_t *at, uint64_t count,
                       struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct leaving leaving;
    int flow = leaving_begin(&leaving, self, out), is_full = 0;
    while (*at < count && flow == WR_FLOW_MORE && !is_full) {
        flow = add_group(&leaving, groups[(*at)++]);
        is_full = out->is_full;
    }
    if (flow == WR_FLOW_MORE)
        flow = leave(&leaving);
    wr_arena_rewind(scratch, mark);
    return flow;
}

static void end_list(struct top *self) {
    wr_arena_release(&self->firing.arena);
    self->firing.groups = NULL;
    self->base.apart->pages_stay = self->firing.pages_stayed;
}

/* Some more groups of the table. */
static int fire_some(struct top *self, struct wr_out *out) {
    int flow = fire_groups(self, self->firing.groups, &self->firing.at, self->firing.count, out);
    self->base.has_more = flow == WR_FLOW_MORE && self->firing.at < self->firing.count;
    if (self->base.has_more)
        return flow;
    end_list(self);
    wr_slices_drop_before(&self->groups, WR_TIME_MAX);
    return flow;
}

/* All groups of a table leave, in the order of their keys, now or in kept_go_on. */
static int fire_table(struct top *self, const struct wr_table *table, struct wr_out *out) {
    wr_arena_init(&self->firing.arena, self->base.env->state_budget, LIST_BLOCK_BYTES);
    wr_apart_hold_pages(self->base.apart, &self->firing.pages_stayed);
    self->firing.at = 0;
    self->firing.count = wr_table_count(table);
    self->firing.groups = wr_keys_rows(&top_config_of(self)->layout, table, &self->firing.arena);
    if (self->firing.groups != NULL)
        return fire_some(self, out);
    end_list(self);
    return WR_ENOMEM;
}

/* Those of a batch that was merged of runs. */
static int fire_merged(struct top *self, const struct wr_table *table, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t at = 0, count = wr_table_count(table);
    uint8_t **groups = wr_keys_rows(&top_config_of(self)->layout, table, scratch);
    int flow = groups == NULL ? WR_ENOMEM : WR_FLOW_MORE;
    while (at < count && flow == WR_FLOW_MORE)
        flow = fire_groups(self, groups, &at, count, out);
    wr_arena_rewind(scratch, mark);
    return flow;
}

/* ---- groups that do not fit ---- */

static int failed(const struct top *self, int status) {
    struct wr_error *err = wr_apart_error(self->base.apart);
    return status < 0 && err != NULL && err->status == status
               ? wr_error_add(err, status, "stage %s", top_config_of(self)->stage)
               : status;
}

/* All groups go to the file as a run. */
static int take_run(struct top *self, struct wr_table *table) {
    const struct wr_key_layout *layout = &top_config_of(self)->layout;
    int status = WR_OK;
    if (self->runs == NULL)
        status = wr_sorted_new(&self->runs, layout, table, self->base.apart);
    if (status == WR_OK)
        status = wr_sorted_take(self->runs, table);
    wr_slices_drop_before(&self->groups, WR_TIME_MAX);
    return failed(self, status);
}

static int relieve(struct top *self) {
    const struct wr_apart *apart = self->base.apart;
    struct wr_table *table = wr_slices_find(&self->groups, 0);
    if (!apart->pages_stay || table == NULL || !wr_apart_is_full(apart))
        return WR_OK;
    return take_run(self, table);
}

/* ---- the stage ---- */

static int kept_open(struct wr_op *op, struct wr_error *err) {
    op->apart->pages_stay = !op->apart->is_kept && op->apart->memory_bytes > 0;
    return top_few_open(op, err);
}

static int kept_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    int flow = top_few_push(op, input, in, out);
    int status = flow < 0 ? flow : relieve((struct top *)op);
    return status < 0 ? status : flow;
}

static int kept_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct top *self = (struct top *)op;
    struct wr_table *table = wr_slices_find(&self->groups, 0);
    if (frontier != WR_TIME_MAX || self->fired_us == WR_TIME_MAX)
        return WR_FLOW_MORE;
    int flow = WR_FLOW_MORE;
    self->fired_us = WR_TIME_MAX;
    if (table != NULL && self->runs == NULL && !wr_table_is_large(table, op->apart))
        return fire_table(self, table, out);
    if (table != NULL)
        flow = take_run(self, table);
    op->has_more = flow == WR_FLOW_MORE && self->runs != NULL;
    wr_slices_drop_before(&self->groups, WR_TIME_MAX);
    return flow;
}

static int kept_go_on(struct wr_op *op, struct wr_out *out) {
    struct top *self = (struct top *)op;
    struct wr_table *rows;
    if (self->firing.groups != NULL)
        return fire_some(self, out);
    int flow = failed(self, wr_sorted_next(self->runs, op->env->batch_rows, merge, self, &rows));
    int is_last = flow == WR_OK && rows == NULL;
    if (flow == WR_OK && rows != NULL)
        flow = fire_merged(self, rows, out);
    wr_table_free(rows);
    op->has_more = flow == WR_FLOW_MORE && !is_last;
    if (op->has_more)
        return flow;
    wr_sorted_free(self->runs);
    self->runs = NULL;
    return flow;
}

const struct wr_op_type wr_op_top_kept = {
    .name = "top_kept",
    .size_bytes = sizeof(struct top),
    .flags = TOP_FLAGS,
    .state_form = 2,
    .bind = top_bind,
    .needs = top_needs,
    .open = kept_open,
    .push = kept_push,
    .advance = kept_advance,
    .go_on = kept_go_on,
    .next_boundary = top_next_boundary,
    .route = top_route,
    .compare = top_compare_fired,
    .save = top_save,
    .load = top_load,
    .close = top_close,
    .measure = top_measure,
    .explain = top_explain,
};
