/* match_ask.c: conditions of `match` that look at other rows: those before in the group, those that
 * a match has taken. What they see is made into columns, for many rows or threads at once, so that
 * expressions run as everywhere. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

/* Rows of groups, or threads that are to take one. */
struct view {
    struct match *self;
    uint32_t count;
    const uint32_t *groups;
    const uint64_t *places;
    char *accounts;         /* of threads; or NULL */
    uint64_t *ids;          /* of the rows */
    const uint8_t **rows;   /* their payloads */
    uint16_t *failed;       /* by row: with which code an aggregate has failed, or 0 */
    struct wr_batch *batch; /* of the schema `seen`; columns are made when they are asked for */
};

int match_find(const struct match *self, const uint64_t *ids, uint32_t count, uint8_t **rows) {
    struct wr_table *table = wr_slices_find(&self->rows, 0);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    if (table == NULL || hashes == NULL)
        return table == NULL ? WR_ECORRUPT : WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = wr_shape_hash(&self->rows_shape, &ids[i], wr_table_seed(table));
    wr_table_find(table, ids, hashes, count, rows);
    wr_arena_rewind(scratch, mark);
    for (uint32_t i = 0; i < count; i++)
        if (rows[i] == NULL)
            return WR_ECORRUPT;
    return WR_OK;
}

int match_payloads(const struct match *self, const uint64_t *ids, uint32_t count,
                   const uint8_t **payloads) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint64_t *there = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint32_t there_count = 0;
    if (there == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] != 0)
            there[there_count++] = ids[i];
    int status = match_find(self, there, there_count, rows);
    for (uint32_t i = 0, at = 0; i < count && status == WR_OK; i++)
        payloads[i] = ids[i] == 0 ? NULL : rows[at++] + sizeof(struct match_stored);
    return status;
}

static int view_open(struct view *view) {
    struct match *self = view->self;
    struct wr_arena *scratch = self->base.env->scratch;
    view->batch = wr_batch_new(self->base.env->pool, match_config_of(self)->seen);
    view->ids = WR_ARENA_ARRAY(scratch, uint64_t, view->count + 1);
    view->rows = WR_ARENA_ARRAY(scratch, const uint8_t *, view->count + 1);
    view->failed = WR_ARENA_ZEROS(scratch, uint16_t, view->count + 1);
    if (view->batch == NULL || view->ids == NULL || view->rows == NULL || view->failed == NULL)
        return WR_ENOMEM;
    int64_t *times = WR_ARENA_ARRAY(&view->batch->arena, int64_t, view->count + 1);
    if (times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < view->count; i++) {
        const struct match_row *row = match_row_at(&self->groups[view->groups[i]], view->places[i]);
        view->ids[i] = row->id;
        times[i] = row->time;
    }
    view->batch->row_count = view->batch->sel_count = view->count;
    view->batch->event_time = times;
    view->batch->frontier = WR_TIME_MIN;
    return match_payloads(self, view->ids, view->count, view->rows);
}

static int read_cells(struct view *view, uint32_t column, const uint8_t *const *payloads,
                      struct wr_column *to) {
    int32_t cell = view->self->cells[column];
    WR_ASSERT(cell >= 0); /* what conditions ask for is kept */
    return wr_payload_read(&view->self->payload, (uint32_t)cell, payloads, view->count,
                           &view->batch->arena, to);
}

/* The column of rows that are not those of the view: by id, 0 for none. */
static int read_others(struct view *view, uint32_t column, const uint64_t *ids,
                       struct wr_column *to) {
    const uint8_t **payloads =
        WR_ARENA_ARRAY(view->self->base.env->scratch, const uint8_t *, view->count + 1);
    if (payloads == NULL)
        return WR_ENOMEM;
    int status = match_payloads(view->self, ids, view->count, payloads);
    return status == WR_OK ? read_cells(view, column, payloads, to) : status;
}

static uint64_t id_at(struct match_group *group, uint64_t place) {
    return place < group->place ? 0 : match_row_at(group, place)->id;
}

static int read_lag(struct view *view, const struct match_lag *lag, struct wr_column *to) {
    struct match *self = view->self;
    uint64_t *ids = WR_ARENA_ARRAY(self->base.env->scratch, uint64_t, view->count + 1);
    if (ids == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < view->count; i++)
        ids[i] = view->places[i] <= lag->rows
                     ? 0
                     : id_at(&self->groups[view->groups[i]], view->places[i] - lag->rows);
    return read_others(view, lag->column, ids, to);
}

static char *account_of(const struct view *view, uint32_t i) {
    return view->accounts + (size_t)i * match_config_of(view->self)->account_bytes;
}

static int read_pick(struct view *view, const struct match_pick *pick, struct wr_column *to) {
    struct match *self = view->self;
    uint64_t *ids = WR_ARENA_ARRAY(self->base.env->scratch, uint64_t, view->count + 1);
    if (ids == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t place;
        memcpy(&place, account_of(view, i) + 8 * (size_t)pick->slot, sizeof place);
        ids[i] = place == 0 ? 0 : match_row_at(&self->groups[view->groups[i]], place)->id;
    }
    return read_others(view, pick->column, ids, to);
}

/* Where the states of a call lie, for the kernel of its aggregate. */
static uint8_t *state_of(const struct view *view, const struct match_call *call,
                         const struct wr_aggregate *aggregate, uint32_t i) {
    return (uint8_t *)account_of(view, i) + call->offset - aggregate->offset;
}

static int read_call(struct view *view, const struct match_call *call, struct wr_column *to) {
    const struct match_config *config = match_config_of(view->self);
    const struct wr_aggregate *aggregate = &config->aggregates->aggregates[call->aggregate];
    struct wr_arena *arena = &view->batch->arena;
    uint64_t words = WR_BITS_WORDS(view->count) + 1;
    uint8_t **states = WR_ARENA_ARRAY(arena, uint8_t *, view->count + 1);
    uint16_t *fails = WR_ARENA_ZEROS(arena, uint16_t, view->count + 1);
    uint64_t *valid = WR_ARENA_ARRAY(arena, uint64_t, words);
    void *data =
        wr_arena_alloc_zero(arena, (size_t)view->count * wr_type_bytes(aggregate->type.kind) + 16);
    if (states == NULL || fails == NULL || valid == NULL || data == NULL)
        return WR_ENOMEM;
    memset(valid, 0xff, words * 8);
    for (uint32_t i = 0; i < view->count; i++)
        states[i] = state_of(view, call, aggregate, i);
    int status =
        aggregate->kernel->result(aggregate, states, view->count, data, valid, fails, arena);
    for (uint32_t i = 0; i < view->count; i++) {
        if (fails[i] == 0)
            continue;
        wr_bit_clear(valid, i);
        view->failed[i] = fails[i];
    }
    *to = (struct wr_column){.data = data, .valid = valid};
    return status;
}

/* The columns that a condition reads, where they are not there yet. */
static int view_read(struct view *view, const struct wr_list *list) {
    struct match *self = view->self;
    const struct match_config *config = match_config_of(self);
    uint32_t count = config->seen->field_count, inputs = config->input_count;
    uint32_t lags = inputs + config->lag_count, picks = lags + config->pick_count;
    uint64_t *reads = WR_ARENA_ZEROS(self->base.env->scratch, uint64_t,
                                     WR_BITS_WORDS(count + WR_HIDDEN_COUNT) + 1);
    if (reads == NULL)
        return WR_ENOMEM;
    wr_list_reads(list, reads);
    int status = WR_OK;
    for (uint32_t c = 0; c < count && status == WR_OK; c++) {
        struct wr_column *to = &view->batch->columns[c];
        if (!wr_bit_get(reads, c) || to->data != NULL)
            continue;
        if (c < inputs)
            status = read_cells(view, c, view->rows, to);
        else if (c < lags)
            status = read_lag(view, &config->lags[c - inputs], to);
        else if (c < picks)
            status = read_pick(view, &config->picks[c - lags], to);
        else
            status = read_call(view, &config->calls[c - picks], to);
    }
    return status;
}

/* A condition failed for a row of the view: it is told among the rejects, once. */
static int tell(struct view *view, uint32_t at, int code, const char *detail) {
    struct match *self = view->self;
    uint32_t group = view->groups[at];
    uint8_t *row;
    int status = match_find(self, &view->ids[at], 1, &row);
    if (status != WR_OK || match_stored_of(row)->told)
        return status;
    match_stored_of(row)->told = 1;
    wr_table_touch(wr_slices_find(&self->rows, 0), row);
    struct match_told told = {.now = view->accounts != NULL ? self->groups[group].now
                                                            : match_stored_of(row)->time + 1,
                              .serial = ++self->serial,
                              .id = view->ids[at],
                              .group = group,
                              .code = code};
    return match_tell(self, &told, detail);
}

/* A condition is not met where it fails, or an aggregate that it asks for. */
static int drop_fails(struct view *view, const uint32_t *sel, uint32_t count, uint32_t *held,
                      uint32_t *held_count) {
    const struct wr_eval *eval = &view->self->eval;
    int status = WR_OK;
    for (uint32_t i = 0; i < eval->fail_count && status == WR_OK; i++)
        status = tell(view, eval->fails[i].row, eval->fails[i].code, eval->fails[i].detail);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        if (view->failed[sel[i]] != 0)
            status = tell(view, sel[i], view->failed[sel[i]], NULL);
    uint32_t left = 0;
    for (uint32_t i = 0; i < *held_count; i++) {
        held[left] = held[i];
        left += view->failed[held[i]] == 0;
    }
    *held_count = left;
    return status;
}

/* The rows of `sel` for which a condition holds stand in `held`. */
static int filter(struct view *view, const struct wr_list *list, const uint32_t *sel,
                  uint32_t count, uint32_t *held, uint32_t *held_count) {
    struct match *self = view->self;
    *held_count = 0;
    if (count == 0)
        return WR_OK;
    int status = view_read(view, list);
    if (status != WR_OK)
        return status;
    view->batch->sel = sel;
    view->batch->sel_count = count;
    wr_op_eval_begin(&self->base, &self->eval);
    status = wr_list_filter(list, &self->eval, view->batch, held, held_count);
    if (status >= 0)
        status = drop_fails(view, sel, count, held, held_count);
    view->batch->sel = NULL;
    view->batch->sel_count = view->count;
    return WR_MIN(status, WR_OK);
}

static int look_back(struct view *view, uint32_t *sel) {
    struct match *self = view->self;
    const struct match_config *config = match_config_of(self);
    uint32_t *held = sel + view->count, count;
    for (uint32_t i = 0; i < view->count; i++)
        sel[i] = i;
    for (uint32_t c = 0; c < config->condition_count; c++) {
        const struct match_condition *condition = &config->conditions[c];
        if (!condition->looks_back || condition->looks_ahead)
            continue;
        int status = filter(view, condition->list, sel, view->count, held, &count);
        if (status != WR_OK)
            return status;
        uint64_t bit = UINT64_C(1) << condition->variable;
        for (uint32_t i = 0; i < view->count; i++)
            match_row_at(&self->groups[view->groups[i]], view->places[i])->bits &= ~bit;
        for (uint32_t i = 0; i < count; i++)
            match_row_at(&self->groups[view->groups[held[i]]], view->places[held[i]])->bits |= bit;
    }
    return WR_OK;
}

int match_look_back(struct match *self, const uint32_t *groups, const uint64_t *places,
                    uint32_t count) {
    const struct match_config *config = match_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    if (config->lag_count == 0 || count == 0)
        return WR_OK;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct view view = {.self = self, .count = count, .groups = groups, .places = places};
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, 2 * (size_t)count + 1);
    int status = view_open(&view);
    if (status == WR_OK)
        status = sel == NULL ? WR_ENOMEM : look_back(&view, sel);
    wr_batch_unref(view.batch);
    wr_arena_rewind(scratch, mark);
    return status;
}

/* ---- questions ---- */

/* The accounts of the threads as they are when they take their row. */
static void count_row(struct view *view) {
    struct match *self = view->self;
    const struct match_config *config = match_config_of(self);
    for (uint32_t i = 0; i < view->count; i++) {
        const struct match_question *question = &self->questions[i];
        for (uint32_t s = 0; s < config->slot_count; s++) {
            const struct match_slot *slot = &config->slots[s];
            char *at = account_of(view, i) + 8 * (size_t)s;
            uint64_t place;
            memcpy(&place, at, sizeof place);
            if (slot->variable >= 0 && (uint32_t)slot->variable != question->variable)
                continue;
            if (slot->last || place == 0)
                memcpy(at, &question->at, sizeof place);
        }
    }
}

/* The arguments of an aggregate, of all rows of a view. */
static int read_args(struct view *view, const struct wr_aggregate *aggregate,
                     struct wr_column *args) {
    const struct match_config *config = match_config_of(view->self);
    int status = WR_OK;
    for (uint32_t a = 0; a < aggregate->arg_count && status == WR_OK; a++) {
        args[a] = (struct wr_column){0};
        if (aggregate->constants[a] != NULL)
            continue;
        uint32_t column = config->call_columns[aggregate->args[a]];
        int32_t cell = view->self->cells[column];
        WR_ASSERT(cell >= 0);
        status = wr_payload_read(&view->self->payload, (uint32_t)cell, view->rows, view->count,
                                 &view->batch->arena, &args[a]);
    }
    return status;
}

static int add_row(struct view *view, uint32_t *sel) {
    struct match *self = view->self;
    const struct match_config *config = match_config_of(self);
    uint8_t **states = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, view->count + 1);
    if (states == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t k = 0; k < config->call_count && status == WR_OK; k++) {
        const struct match_call *call = &config->calls[k];
        const struct wr_aggregate *aggregate = &config->aggregates->aggregates[call->aggregate];
        struct wr_column args[WR_AGGREGATE_ARGS_MAX + WR_AGGREGATE_ORDER_MAX] = {0};
        uint32_t count = 0;
        for (uint32_t i = 0; i < view->count; i++) {
            const struct match_question *question = &self->questions[i];
            if (!question->holds ||
                (call->variable >= 0 && (uint32_t)call->variable != question->variable))
                continue;
            states[count] = state_of(view, call, aggregate, i);
            sel[count++] = i;
        }
        status = count == 0 ? WR_OK : read_args(view, aggregate, args);
        if (status == WR_OK && count > 0)
            status = aggregate->kernel->add(aggregate, NULL, states, args, view->batch, sel, count);
    }
    return status;
}

static int answer(struct view *view, uint32_t *sel) {
    struct match *self = view->self;
    const struct match_config *config = match_config_of(self);
    uint32_t *held = sel + view->count, held_count;
    count_row(view);
    int status = add_row(view, sel);
    for (uint32_t c = 0; c < config->condition_count && status == WR_OK; c++) {
        const struct match_condition *condition = &config->conditions[c];
        if (!condition->looks_ahead)
            continue;
        uint32_t count = 0;
        for (uint32_t i = 0; i < view->count; i++)
            if (self->questions[i].holds && self->questions[i].variable == condition->variable)
                sel[count++] = i;
        status = filter(view, condition->list, sel, count, held, &held_count);
        for (uint32_t i = 0; i < count; i++)
            self->questions[sel[i]].holds = 0;
        for (uint32_t i = 0; i < held_count && status == WR_OK; i++)
            self->questions[held[i]].holds = 1;
    }
    return status;
}

int match_ask(struct match *self) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint32_t count = self->question_count;
    uint32_t *groups = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    uint64_t *places = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, 2 * (size_t)count + 1);
    if (groups == NULL || places == NULL || sel == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = self->questions[i].group;
        places[i] = self->questions[i].at;
    }
    struct view view = {.self = self,
                        .count = count,
                        .groups = groups,
                        .places = places,
                        .accounts = self->accounts};
    int status = view_open(&view);
    if (status == WR_OK)
        status = answer(&view, sel);
    wr_batch_unref(view.batch);
    wr_arena_rewind(scratch, mark);
    return status;
}
