/* match_emit.c: matches of `match` that are decided: their rows, where the next may begin, and what
 * leaves: one row a match, or all of its rows, with the measures over the rows so far. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

#define ROWS_MAX 2048u /* rows of matches that are looked at at a time */

/* ---- a match ---- */

/* Where the next match may begin; 0: nowhere. */
static uint64_t place_after(const struct match *self, uint64_t start, const uint64_t *places,
                            const struct match_mapped *mapped, uint32_t count) {
    const struct match_config *config = match_config_of(self);
    if (config->after == MATCH_NEXT)
        return start + 1;
    if (config->after == MATCH_PAST_LAST)
        return places[count - 1] + 1;
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        if (mapped[i].variable == config->after_variable &&
            (config->after == MATCH_LAST || found == 0))
            found = places[i];
    return found == start ? 0 : found;
}

int match_decide(struct match *self, uint32_t number, uint64_t *next) {
    struct wr_budget *budget = self->base.env->state_budget;
    struct match_group *group = &self->groups[number];
    uint32_t count = 0;
    for (uint32_t at = group->best; at != MATCH_NONE; at = self->taken[at].before)
        count++;
    while (self->mapped_room < self->mapped_count + count)
        if (wr_grow(budget, (void **)&self->mapped, self->mapped_room, &self->mapped_room,
                    sizeof *self->mapped) != WR_OK)
            return WR_ENOMEM;
    uint64_t *places = wr_alloc(budget, (size_t)count * sizeof *places);
    if (places == NULL ||
        MATCH_GROW(self, self->results, self->result_count, self->result_room) != WR_OK) {
        wr_free(budget, places);
        return WR_ENOMEM;
    }
    struct match_mapped *mapped = self->mapped + self->mapped_count;
    uint32_t i = count;
    for (uint32_t at = group->best; at != MATCH_NONE; at = self->taken[at].before) {
        const struct match_taken *taken = &self->taken[at];
        const struct match_row *row = match_row_at(group, taken->at);
        places[--i] = taken->at;
        mapped[i] =
            (struct match_mapped){.id = row->id, .time = row->time, .variable = taken->variable};
    }
    uint64_t place = place_after(self, group->start, places, mapped, count);
    wr_free(budget, places);
    group->matches += place != 0;
    self->results[self->result_count++] =
        (struct match_result){.now = group->now,
                              .number = group->matches,
                              .first = self->mapped_count,
                              .group = number,
                              .count = count,
                              .fault = place == 0 ? MATCH_STANDS_STILL : MATCH_GOOD};
    self->mapped_count += count;
    *next = place == 0 ? group->start + 1 : place;
    return WR_OK;
}

/* ---- what leaves ---- */

/* A walk over the rows of results, in batches. */
struct leaving {
    struct match *self;
    struct wr_out *out;
    struct wr_table *totals; /* by a number of their own; NULL: no totals */
    uint32_t result, row;    /* the next one */
    uint64_t state, dropped; /* numbers of the last state, and of the last that has gone */
    uint64_t *picked;        /* ids by pick of measures, in the match that is looked at */
    /* of this batch: rows of matches, … */
    uint32_t taken_count;
    const struct match_mapped **taken;
    uint64_t *states;  /* … their states, … */
    uint32_t *results; /* … their results, … */
    uint8_t *failed;   /* … whether a measure failed for them, or one before them in the match */
    uint32_t count;    /* rows that leave */
    uint32_t *of;      /* the row of a match that each is about */
    uint64_t *picks;   /* ids, by pick and row */
};

static uint32_t room_of(const struct leaving *leaving) {
    return WR_MAX(ROWS_MAX, leaving->self->base.env->batch_rows);
}

/* The next rows of matches, and which rows leave. */
static void gather(struct leaving *leaving) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    uint32_t room = room_of(leaving);
    leaving->taken_count = leaving->count = 0;
    while (leaving->result < self->result_count && leaving->taken_count < room &&
           leaving->count < self->base.env->batch_rows) {
        const struct match_result *result = &self->results[leaving->result];
        const struct match_mapped *row = &self->mapped[result->first + leaving->row];
        int is_first = leaving->row == 0, is_last = leaving->row + 1 == result->count;
        for (uint32_t p = 0; p < config->found_count; p++) {
            const struct match_pick *pick = &config->found[p];
            if (is_first)
                leaving->picked[p] = 0;
            if (pick->variable >= 0 && (uint32_t)pick->variable != row->variable)
                continue;
            if (pick->last || leaving->picked[p] == 0)
                leaving->picked[p] = row->id;
        }
        leaving->state += is_first || config->all_rows;
        uint32_t at = leaving->taken_count++;
        leaving->taken[at] = row;
        leaving->states[at] = leaving->state;
        leaving->results[at] = leaving->result;
        if (is_last || (config->all_rows && result->fault == MATCH_GOOD)) {
            leaving->of[leaving->count] = at;
            for (uint32_t p = 0; p < config->found_count; p++)
                leaving->picks[(size_t)p * room + leaving->count] = leaving->picked[p];
            leaving->count++;
        }
        leaving->row = is_last ? 0 : leaving->row + 1;
        leaving->result += (uint32_t)is_last;
    }
}

static int payloads_of(struct match *self, const uint64_t *ids, uint32_t count,
                       const uint8_t ***payloads) {
    *payloads = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count + 1);
    return *payloads == NULL ? WR_ENOMEM : match_payloads(self, ids, count, *payloads);
}

/* The columns of the input that `reads` has bits for. */
static int read_input(struct match *self, const uint64_t *reads, const uint8_t *const *payloads,
                      uint32_t count, struct wr_batch *batch) {
    int status = WR_OK;
    for (uint32_t c = 0; c < match_config_of(self)->input_count && status == WR_OK; c++)
        if (self->cells[c] >= 0 && (reads == NULL || wr_bit_get(reads, c)))
            status = wr_payload_read(&self->payload, (uint32_t)self->cells[c], payloads, count,
                                     &batch->arena, &batch->columns[c]);
    return status;
}

static int set_times(struct wr_batch *batch, const struct match_mapped *const *rows,
                     const uint32_t *of, uint32_t count) {
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, count + 1);
    if (times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        times[i] = rows[of == NULL ? i : of[i]]->time;
    batch->event_time = times;
    batch->frontier = WR_TIME_MIN;
    batch->row_count = batch->sel_count = count;
    return WR_OK;
}

/* ---- totals ---- */

/* The rows that totals are over. */
static int make_taken(struct leaving *leaving, struct wr_batch **made) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = leaving->taken_count;
    uint64_t *ids = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    const uint8_t **payloads;
    struct wr_batch *batch = *made = wr_batch_new(self->base.env->pool, config->taken);
    uint64_t *reads = WR_ARENA_ZEROS(
        scratch, uint64_t, WR_BITS_WORDS(config->taken->field_count + WR_HIDDEN_COUNT) + 1);
    if (ids == NULL || batch == NULL || reads == NULL)
        return WR_ENOMEM;
    wr_list_reads(config->totals->inputs, reads);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = leaving->taken[i]->id;
    int status = payloads_of(self, ids, count, &payloads);
    if (status == WR_OK)
        status = read_input(self, reads, payloads, count, batch);
    for (uint32_t t = 0; t < config->told_count && status == WR_OK; t++) {
        uint8_t *is = wr_batch_column(batch, config->input_count + t, count);
        for (uint32_t i = 0; is != NULL && i < count; i++)
            is[i] = (int32_t)leaving->taken[i]->variable == config->tells[t];
        status = is == NULL ? WR_ENOMEM : WR_OK;
    }
    return status == WR_OK ? set_times(batch, leaving->taken, NULL, count) : status;
}

static uint64_t state_hash(const struct leaving *leaving, const uint64_t *number) {
    return wr_shape_hash(&match_config_of(leaving->self)->states_shape, number,
                         wr_table_seed(leaving->totals));
}

/* The state of a row so far is that of the row before, and the row. */
static int add_one(struct leaving *leaving, const struct wr_batch *batch, uint32_t i) {
    struct match *self = leaving->self;
    const struct wr_aggregates *totals = match_config_of(self)->totals;
    uint64_t numbers[2] = {leaving->states[i], leaving->states[i] - 1}, hashes[2];
    const struct match_result *result = &self->results[leaving->results[i]];
    int is_first = leaving->taken[i] == &self->mapped[result->first];
    uint8_t *rows[2];
    for (int n = 0; n < 2; n++)
        hashes[n] = state_hash(leaving, &numbers[n]);
    int status = wr_table_upsert(leaving->totals, numbers, hashes, is_first ? 1 : 2, rows, NULL);
    if (status == WR_OK && !is_first)
        status = wr_aggregates_merge(totals, leaving->totals, rows[0] + MATCH_STATE_HEAD,
                                     rows[1] + MATCH_STATE_HEAD);
    if (status != WR_OK || leaving->failed[i])
        return status;
    rows[0] += MATCH_STATE_HEAD;
    return wr_aggregates_add(totals, &self->totals_eval, leaving->totals, rows, batch, &i, 1);
}

/* All rows at once, each to the state of its match. */
static int add_all(struct leaving *leaving, const struct wr_batch *batch) {
    struct match *self = leaving->self;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = leaving->taken_count, good = 0;
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint32_t *sel = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    if (hashes == NULL || sel == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        hashes[i] = state_hash(leaving, &leaving->states[i]);
    int status = wr_table_upsert(leaving->totals, leaving->states, hashes, count, rows, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (leaving->failed[i])
            continue;
        rows[good] = rows[i] + MATCH_STATE_HEAD;
        sel[good++] = i;
    }
    return status != WR_OK || good == 0
               ? status
               : wr_aggregates_add(match_config_of(self)->totals, &self->totals_eval,
                                   leaving->totals, rows, batch, sel, good);
}

/* A match that is no result, because of row `at` of those that are looked at. */
static int tell(struct leaving *leaving, uint32_t at, int code, const char *detail) {
    const struct match_result *result = &leaving->self->results[leaving->results[at]];
    struct match_told told = {.now = result->now,
                              .serial = result->serial,
                              .id = leaving->taken[at]->id,
                              .group = result->group,
                              .code = code};
    return match_tell(leaving->self, &told, detail);
}

/* Rows for which a measure has failed; those behind them in their matches too. */
static int mark_failed(struct leaving *leaving) {
    struct match *self = leaving->self;
    const struct wr_eval *eval = &self->totals_eval;
    int status = WR_OK;
    for (uint32_t i = 0, f = 0; i < leaving->taken_count && status == WR_OK; i++) {
        struct match_result *result = &self->results[leaving->results[i]];
        if (f < eval->fail_count && eval->fails[f].row == i) {
            if (result->fault == MATCH_GOOD)
                status = tell(leaving, i, eval->fails[f].code, eval->fails[f].detail);
            if (result->fault == MATCH_GOOD)
                result->fault = MATCH_FAILED;
            f++;
        }
        leaving->failed[i] = result->fault == MATCH_FAILED;
    }
    return status;
}

static int add_totals(struct leaving *leaving) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    struct wr_batch *batch = NULL;
    memset(leaving->failed, 0, leaving->taken_count);
    if (leaving->totals == NULL)
        return WR_OK;
    int status = make_taken(leaving, &batch);
    if (status == WR_OK && config->totals->inputs->program != NULL) {
        wr_op_eval_begin(&self->base, &self->totals_eval);
        status = wr_list_run(config->totals->inputs, &self->totals_eval, batch, &batch->arena);
        if (status >= 0)
            status = mark_failed(leaving);
    }
    for (uint32_t i = 0; i < leaving->taken_count && status >= 0 && config->all_rows; i++)
        status = add_one(leaving, batch, i);
    if (status >= 0 && !config->all_rows)
        status = add_all(leaving, batch);
    wr_batch_unref(batch);
    return WR_MIN(status, WR_OK);
}

/* Sums of the rows that leave, as columns of `batch`. *fails: by row, or NULL. */
static int read_totals(struct leaving *leaving, struct wr_batch *batch, uint16_t **fails) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = leaving->count;
    *fails = NULL;
    if (leaving->totals == NULL)
        return WR_OK;
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint16_t *guilty = WR_ARENA_ARRAY(scratch, uint16_t, count + 1);
    struct wr_batch *middle = wr_batch_new(self->base.env->pool, config->totals->middle);
    *fails = WR_ARENA_ZEROS(scratch, uint16_t, count + 1);
    int status =
        rows == NULL || guilty == NULL || middle == NULL || *fails == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const uint64_t *number = &leaving->states[leaving->of[i]];
        uint64_t hash = state_hash(leaving, number);
        wr_table_find(leaving->totals, number, &hash, 1, &rows[i]);
        WR_ASSERT(rows[i] != NULL);
        rows[i] += MATCH_STATE_HEAD;
    }
    if (status == WR_OK)
        status = wr_aggregates_result(config->totals, rows, count, middle, *fails, guilty);
    if (status == WR_OK) {
        uint32_t first = config->input_count + config->found_count;
        for (uint32_t k = 0; k < config->sum_count; k++)
            batch->columns[first + k] = middle->columns[config->sums[k].aggregate];
        wr_batch_hold(batch, middle);
    }
    wr_batch_unref(middle);
    return status;
}

/* States that nobody asks any more: all but that of a match which goes on in the next batch. */
static void drop_states(struct leaving *leaving) {
    uint64_t end = leaving->state + (leaving->row == 0);
    for (; leaving->totals != NULL && leaving->dropped + 1 < end; leaving->dropped++) {
        uint64_t number = leaving->dropped + 1;
        wr_table_delete(leaving->totals, &number, state_hash(leaving, &number));
    }
}

/* ---- rows ---- */

static int read_picks(struct leaving *leaving, struct wr_batch *batch) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    int status = WR_OK;
    for (uint32_t p = 0; p < config->found_count && status == WR_OK; p++) {
        const uint8_t **payloads;
        int32_t cell = self->cells[config->found[p].column];
        WR_ASSERT(cell >= 0);
        status = payloads_of(self, leaving->picks + (size_t)p * room_of(leaving), leaving->count,
                             &payloads);
        if (status == WR_OK)
            status = wr_payload_read(&self->payload, (uint32_t)cell, payloads, leaving->count,
                                     &batch->arena, &batch->columns[config->input_count + p]);
    }
    return status;
}

/* What measures see, behind the input's columns. */
static int fill_measured(struct leaving *leaving, struct wr_batch *batch, uint16_t **fails) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    uint32_t count = leaving->count;
    uint64_t *ids = WR_ARENA_ARRAY(self->base.env->scratch, uint64_t, count + 1);
    const uint8_t **payloads;
    if (ids == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = leaving->taken[leaving->of[i]]->id;
    int status = set_times(batch, leaving->taken, leaving->of, count);
    if (status == WR_OK)
        status = payloads_of(self, ids, count, &payloads);
    if (status == WR_OK)
        status = read_input(self, NULL, payloads, count, batch);
    if (status == WR_OK)
        status = read_picks(leaving, batch);
    if (status == WR_OK)
        status = read_totals(leaving, batch, fails);
    if (status != WR_OK || config->measures == NULL)
        return status;
    uint32_t last = config->measured->field_count - 1;
    int64_t *numbers = wr_batch_column(batch, last - 1, count);
    struct wr_str *names = wr_batch_column(batch, last, count);
    if (numbers == NULL || names == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = leaving->of[i];
        const char *name = config->names[leaving->taken[at]->variable];
        numbers[i] = (int64_t)self->results[leaving->results[at]].number;
        memset(&names[i], 0, sizeof names[i]);
        names[i] = wr_str_of(name, (uint32_t)strlen(name));
    }
    return WR_OK;
}

/* Rows of matches that are no results do not leave. */
static int drop_faults(struct leaving *leaving, struct wr_batch *batch, const uint16_t *fails) {
    struct match *self = leaving->self;
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, leaving->count + 1), count = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t i = 0; i < leaving->count && status == WR_OK; i++) {
        uint32_t at = leaving->of[i];
        if (self->results[leaving->results[at]].fault == MATCH_STANDS_STILL)
            status = tell(leaving, at, WR_REJECT_MATCH, "`after` leads to no row behind the first");
        else if (!leaving->failed[at] && fails != NULL && fails[i] != 0)
            status = tell(leaving, at, fails[i], NULL);
        else if (!leaving->failed[at])
            sel[count++] = i;
    }
    batch->sel = sel;
    batch->sel_count = count;
    return status;
}

/* Rows for which a measure failed do not leave either. */
static int drop_fails(struct leaving *leaving, struct wr_batch *measured, struct wr_batch *batch) {
    struct match *self = leaving->self;
    int status = WR_OK;
    for (uint32_t i = 0; i < self->eval.fail_count && status == WR_OK; i++) {
        const struct wr_fail *fail = &self->eval.fails[i];
        status = tell(leaving, leaving->of[fail->row], fail->code, fail->detail);
    }
    return status == WR_OK ? wr_op_drop_fails(&self->base, &self->eval, measured, batch, NULL)
                           : status;
}

/* A column of keys of the rows that leave. */
static int put_key(struct leaving *leaving, uint32_t key, struct wr_batch *batch, uint32_t column) {
    uint32_t count = leaving->count;
    uint8_t **keys = WR_ARENA_ARRAY(leaving->self->base.env->scratch, uint8_t *, count + 1);
    if (keys == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (uint8_t *)(uintptr_t)match_key_of(
            leaving->self->results[leaving->results[leaving->of[i]]].key);
    return wr_keys_column(&match_config_of(leaving->self)->layout, key, keys, count, batch, column);
}

/* The columns of the output, and those behind them by which shards put results in order. */
static int fill_output(struct leaving *leaving, const struct wr_batch *measured,
                       struct wr_batch *batch) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    uint32_t at = self->base.schema->field_count, keys = config->layout.column_count;
    int status = WR_OK;
    for (uint32_t c = 0; c < config->lead && status == WR_OK; c++) {
        if (config->all_rows)
            batch->columns[c] = measured->columns[c];
        else
            status = put_key(leaving, c, batch, c);
    }
    for (uint32_t i = config->lead; i < at; i++) {
        const struct wr_item *item = &config->measures->items[i - config->lead];
        batch->columns[i] =
            item->column >= 0 ? measured->columns[item->column] : self->eval.outputs[item->output];
    }
    int64_t *decided = wr_batch_column(batch, at, leaving->count);
    if (decided == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < leaving->count; i++)
        decided[i] = self->results[leaving->results[leaving->of[i]]].now;
    for (uint32_t k = 0; k < keys && status == WR_OK; k++)
        status = put_key(leaving, k, batch, at + 1 + k);
    return status;
}

static int emit_batch(struct leaving *leaving) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    struct wr_op_env *env = self->base.env;
    struct wr_batch *measured = wr_batch_new(env->pool, config->measured), *batch = NULL;
    uint16_t *fails;
    int status = measured == NULL ? WR_ENOMEM : fill_measured(leaving, measured, &fails);
    if (status == WR_OK)
        status = drop_faults(leaving, measured, fails);
    if (status == WR_OK && measured->sel_count > 0) {
        batch = wr_batch_over(env->pool, config->hidden, measured);
        status = batch == NULL ? WR_ENOMEM : WR_OK;
    }
    if (batch != NULL && config->measures != NULL && config->measures->program != NULL) {
        wr_op_eval_begin(&self->base, &self->eval);
        status = wr_list_run(config->measures, &self->eval, measured, &batch->arena);
        if (status >= 0)
            status = drop_fails(leaving, measured, batch);
    }
    if (batch != NULL && status >= 0)
        status = fill_output(leaving, measured, batch);
    wr_batch_unref(measured);
    if (batch == NULL || status < 0 || batch->sel_count == 0) {
        wr_batch_unref(batch);
        return WR_MIN(status, WR_OK);
    }
    batch->schema = self->base.schema;
    return leaving->out->emit(leaving->out, WR_PORT_MAIN, batch);
}

static int compare_results(const void *a, const void *b, void *ctx) {
    const struct match_result *x = a, *y = b;
    const struct wr_key_layout *layout = ctx;
    if (x->now != y->now)
        return x->now < y->now ? -1 : 1;
    int by = layout->column_count == 0
                 ? 0
                 : wr_keys_compare(layout, match_key_of(x->key), match_key_of(y->key));
    return by != 0 ? by : x->first < y->first ? -1 : x->first > y->first;
}

static int leaving_open(struct leaving *leaving) {
    struct match *self = leaving->self;
    const struct match_config *config = match_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    size_t room = room_of(leaving), picks = config->found_count;
    leaving->picked = WR_ARENA_ZEROS(scratch, uint64_t, picks + 1);
    leaving->picks = WR_ARENA_ARRAY(scratch, uint64_t, picks * room + 1);
    leaving->taken = WR_ARENA_ARRAY(scratch, const struct match_mapped *, room + 1);
    leaving->states = WR_ARENA_ARRAY(scratch, uint64_t, room + 1);
    leaving->results = WR_ARENA_ARRAY(scratch, uint32_t, room + 1);
    leaving->failed = WR_ARENA_ZEROS(scratch, uint8_t, room + 1);
    leaving->of = WR_ARENA_ARRAY(scratch, uint32_t, room + 1);
    if (leaving->picked == NULL || leaving->picks == NULL || leaving->taken == NULL ||
        leaving->states == NULL || leaving->results == NULL || leaving->failed == NULL ||
        leaving->of == NULL)
        return WR_ENOMEM;
    if (config->totals == NULL)
        return WR_OK;
    leaving->totals =
        wr_table_new(self->base.env->state_budget, &config->states_shape, self->base.env->seed);
    return leaving->totals == NULL ? WR_ENOMEM : WR_OK;
}

int match_flush(struct match *self, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct leaving leaving = {.self = self, .out = out};
    if (self->result_count == 0)
        return WR_OK;
    for (uint32_t i = 0; i < self->result_count; i++) {
        self->results[i].key = match_group_row(self, self->results[i].group);
        if (self->results[i].key == NULL)
            return WR_ECORRUPT;
    }
    qsort_r(self->results, self->result_count, sizeof *self->results, compare_results,
            (void *)(uintptr_t)&match_config_of(self)->layout);
    int status = leaving_open(&leaving);
    while (status >= 0 && leaving.result < self->result_count) {
        struct wr_arena_mark part = wr_arena_mark(scratch);
        gather(&leaving);
        status = add_totals(&leaving);
        if (status == WR_OK && leaving.count > 0)
            status = emit_batch(&leaving);
        drop_states(&leaving);
        wr_arena_rewind(scratch, part);
    }
    wr_table_free(leaving.totals);
    wr_arena_rewind(scratch, mark);
    self->result_count = 0;
    self->mapped_count = 0;
    return WR_MIN(status, WR_OK);
}

int match_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                  const struct wr_batch *b, uint32_t row_b) {
    const struct match_config *config = op->config;
    return wr_op_compare_behind(config->hidden, op->schema->field_count, a, row_a, b, row_b);
}
