/* agg_spool.c: a hybrid hash aggregation. Groups are made in memory until they take their share.
 * From then on a row whose group is there is added to it, and any other one waits in the file, in
 * its part (state/scatter.h). At the end groups are made of one part after the other in the same
 * way; what does not fit of a part waits at the next level. So the rows of a key are added in their
 * order, whatever fits, and results are the same bits as in memory.
 *
 *      open -- groups take their share --> full -- few rows find theirs, or groups grow --> open
 *
 * On the way back all groups leave: as a sorted run, where what comes later can be merged with them
 * exactly; else for their parts, as they are, where rows of theirs follow them. A key is taken in
 * memory only where nothing of it can wait.
 *
 * Where there is a state, pages of the table rest, and a save has to find all groups in it. As long
 * as pages rest all rows wait, in parts that are ranges of pages, and are added part by part before
 * a save: the pages of a part are awake together, once for all of its rows. */
#include "op/agg_spool.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/alike.h"
#include "state/apart.h"
#include "state/scatter.h"
#include "state/table_sorted.h"
#include "base/banned.h"

#define RUN_PART 4u        /* of the memory: groups of several parts stay together up to that */
#define GROWTH_PART 4u     /* so much more may be taken by groups that grow */
#define FOUND_PART 16u     /* of the rows, at least, find their group, or others take their place */
#define SEEN_ROWS_MIN 4096 /* before that is judged */
#define KEPT_PART 8u       /* with a state: of the memory is for the groups of a part */
#define WAIT_TIMES 4u      /* … and so many times the memory may wait, at least */
#define DENSE_ROWS 4u      /* of a group, on average: it takes less than they do */

/* Behind the columns of the inputs, where aggregates go by them. */
enum { PLACE_TIME, PLACE_STREAM, PLACE_RECORD, PLACE_COLUMNS };

/* Groups that are made: of all rows, or of those of a part. */
struct level {
    struct wr_scatter *scatter; /* what waits; NULL: nothing does */
    uint64_t added;             /* rows to groups since there was none */
    uint64_t seen, found;       /* rows since it is full; of them those whose groups were there */
    uint8_t is_full;
};

struct agg_spool {
    struct wr_arena arena; /* of the plan of rows */
    struct wr_scatter_form form;
    int32_t *from;        /* of columns of inputs: >= 0 a column of the input, else output -1 - x */
    uint32_t input_count; /* of those columns */
    uint32_t *column_of;  /* of items of inputs: which column */
    uint8_t is_placed, merges;      /* merges: groups made in parts can be put together exactly */
    const struct wr_schema *schema; /* of what was pushed */
    struct wr_eval eval;            /* of rows that come back */
    uint32_t reading;               /* the level whose scatter is read; behind it one is filled */
    uint8_t has_ended;
    struct level levels[WR_SCATTER_LEVELS_MAX + 1];
};

/* Rows with what their keys and aggregates are made of. */
struct rows {
    const struct wr_batch *batch;
    struct wr_eval *eval;
    const uint32_t *sel;
    uint32_t count;
    const char *keys;
    const uint64_t *hashes;
    const struct wr_column *columns; /* of the form; NULL: still to be made */
};

static const struct wr_aggregates *aggregates_of(const struct agg *self) {
    return ((const struct agg_config *)self->base.config)->aggregates;
}

/* ---- the plan of rows ---- */

static int is_kept(const struct agg *self) {
    return self->base.apart->is_kept;
}

static int merges_exactly(const struct wr_aggregates *aggregates) {
    const unsigned exact = WR_AGG_MERGES | WR_AGG_EXACT_SPLIT;
    for (uint32_t i = 0; i < aggregates->aggregate_count; i++) {
        const struct wr_aggregate *aggregate = &aggregates->aggregates[i];
        if ((aggregate->flags & exact) != exact || aggregate->inner != NULL)
            return 0;
    }
    return 1;
}

static void plan_column(struct agg_spool *spool, enum wr_type_kind *kinds, uint32_t item,
                        const struct wr_item *of) {
    int32_t from = of->output >= 0 ? -1 - of->output : of->column;
    uint32_t c = 0;
    while (c < spool->input_count && spool->from[c] != from)
        c++;
    spool->column_of[item] = c;
    spool->from[c] = from;
    kinds[c] = of->type.kind;
    spool->input_count = WR_MAX(spool->input_count, c + 1);
}

static int plan_rows(struct agg *self, struct agg_spool *spool) {
    const struct agg_config *config = self->base.config;
    const struct wr_list *inputs = config->aggregates->inputs;
    uint32_t room = inputs->item_count + PLACE_COLUMNS;
    enum wr_type_kind *kinds = WR_ARENA_ARRAY(&spool->arena, enum wr_type_kind, room);
    spool->from = WR_ARENA_ARRAY(&spool->arena, int32_t, room);
    spool->column_of = WR_ARENA_ARRAY(&spool->arena, uint32_t, room);
    if (kinds == NULL || spool->from == NULL || spool->column_of == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < inputs->item_count; i++)
        plan_column(spool, kinds, i, &inputs->items[i]);
    spool->merges = (uint8_t)merges_exactly(config->aggregates);
    spool->is_placed = config->has_time && wr_aggregates_are_placed(config->aggregates);
    for (uint32_t p = 0; p < PLACE_COLUMNS; p++)
        kinds[spool->input_count + p] = WR_INT64;
    spool->form = (struct wr_scatter_form){
        .apart = self->base.apart,
        .budget = self->base.env->state_budget,
        .shape = &config->aggregates->shape,
        .seed = self->base.env->seed,
        .column_count = spool->input_count + (spool->is_placed ? (uint32_t)PLACE_COLUMNS : 0),
        .kinds = kinds,
        .by_range = self->base.apart->is_kept};
    return WR_OK;
}

int agg_spool_open(struct agg *self) {
    struct wr_budget *budget = self->base.env->state_budget;
    struct agg_spool *spool = self->spool = wr_alloc_zero(budget, sizeof *spool);
    if (spool == NULL)
        return WR_ENOMEM;
    wr_arena_init_growing(&spool->arena, budget, 512, 4096);
    wr_eval_init(&spool->eval, budget);
    spool->form.budget = budget;
    return plan_rows(self, spool);
}

void agg_spool_free(struct agg_spool *spool) {
    if (spool == NULL)
        return;
    for (uint32_t l = 0; l < WR_COUNT(spool->levels); l++)
        wr_scatter_free(spool->levels[l].scatter);
    wr_eval_release(&spool->eval);
    wr_arena_release(&spool->arena);
    wr_free(spool->form.budget, spool);
}

int agg_spool_has_rows(const struct agg *self) {
    return self->spool != NULL && !is_kept(self) && self->spool->levels[0].scatter != NULL;
}

/* ---- columns of rows that wait ---- */

static int make_places(const struct rows *rows, const uint32_t *numbers, uint32_t count,
                       struct wr_column *columns, struct wr_arena *arena) {
    const struct wr_batch *batch = rows->batch;
    uint64_t *streams = WR_ARENA_ARRAY(arena, uint64_t, batch->row_count + 1);
    uint64_t *records = WR_ARENA_ARRAY(arena, uint64_t, batch->row_count + 1);
    if (streams == NULL || records == NULL)
        return WR_ENOMEM;
    WR_ASSERT(batch->event_time != NULL);
    int made = batch->origin.source == NULL; /* of several rows: they stand as they arrive */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = numbers[i];
        streams[row] = made ? 0 : (uint64_t)batch->source << 32 | batch->partition;
        records[row] = made ? 0 : wr_origin_record(&batch->origin, row);
    }
    columns[PLACE_TIME].data = (void *)(uintptr_t)batch->event_time;
    columns[PLACE_STREAM].data = streams;
    columns[PLACE_RECORD].data = records;
    return WR_OK;
}

/* Rows of the batch that is pushed wait. */
static int let_wait(struct agg *self, struct level *level, const struct rows *rows,
                    const uint32_t *numbers, const uint64_t *hashes, uint32_t count) {
    const struct agg_spool *spool = self->spool;
    struct wr_arena *arena = self->base.env->scratch;
    if (rows->columns != NULL)
        return wr_scatter_add(level->scatter, rows->columns, numbers, hashes, count);
    struct wr_column *columns =
        WR_ARENA_ZEROS(arena, struct wr_column, spool->form.column_count + 1);
    if (columns == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < spool->input_count; c++)
        columns[c] = spool->from[c] >= 0 ? rows->batch->columns[spool->from[c]]
                                         : rows->eval->outputs[-1 - spool->from[c]];
    int status = WR_OK;
    if (spool->is_placed)
        status = make_places(rows, numbers, count, columns + spool->input_count, arena);
    return status == WR_OK ? wr_scatter_add(level->scatter, columns, numbers, hashes, count)
                           : status;
}

/* ---- which rows wait ---- */

static int add(struct agg *self, struct level *level, struct wr_table *table,
               const struct rows *rows, uint8_t *const *states, const uint32_t *sel,
               uint32_t count) {
    level->added += count;
    return count == 0 ? WR_OK
                      : wr_aggregates_add(aggregates_of(self), rows->eval, table, states,
                                          rows->batch, sel, count);
}

/* Makes groups for the rows at places at[0 … count-1], too. */
static int make_groups(struct agg *self, struct wr_table *table, const struct rows *rows,
                       const uint32_t *at, uint32_t count, uint8_t **states) {
    struct wr_arena *arena = self->base.env->scratch;
    uint32_t key_bytes = aggregates_of(self)->layout.key_bytes;
    char *keys = wr_arena_alloc(arena, (size_t)count * key_bytes + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(arena, uint64_t, count + 1);
    if (keys == NULL || hashes == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(keys + (size_t)i * key_bytes, rows->keys + (size_t)at[i] * key_bytes, key_bytes);
        hashes[i] = rows->hashes[at[i]];
    }
    return wr_table_upsert_alike(table, keys, hashes, count, arena, states, NULL, NULL);
}

/* Each row of a key goes the same way, since nothing is put into the scatter meanwhile. */
static int divide(struct agg *self, struct level *level, struct wr_table *table,
                  const struct rows *rows) {
    struct wr_arena *arena = self->base.env->scratch;
    uint32_t count = rows->count, kept = 0, waiting = 0;
    uint8_t **states = WR_ARENA_ARRAY(arena, uint8_t *, count + 1);
    uint32_t *at = WR_ARENA_ARRAY(arena, uint32_t, count + 1);
    uint32_t *sel = WR_ARENA_ARRAY(arena, uint32_t, count + 1);
    uint32_t *numbers = WR_ARENA_ARRAY(arena, uint32_t, count + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(arena, uint64_t, count + 1);
    if (states == NULL || at == NULL || sel == NULL || numbers == NULL || hashes == NULL)
        return WR_ENOMEM;
    wr_table_find(table, rows->keys, rows->hashes, count, states);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows->sel == NULL ? i : rows->sel[i];
        if (states[i] != NULL ||
            (!level->is_full && !wr_scatter_may_have(level->scatter, rows->hashes[i]))) {
            states[kept] = states[i];
            at[kept] = i;
            sel[kept++] = row;
        } else {
            numbers[waiting] = row;
            hashes[waiting++] = rows->hashes[i];
        }
    }
    int status =
        level->is_full || kept == 0 ? WR_OK : make_groups(self, table, rows, at, kept, states);
    if (status == WR_OK)
        status = add(self, level, table, rows, states, sel, kept);
    level->seen += count;
    level->found += kept;
    return status == WR_OK && waiting > 0 ? let_wait(self, level, rows, numbers, hashes, waiting)
                                          : status;
}

static int fill(struct level *level, struct agg_spool *spool) {
    level->is_full = 1;
    level->seen = level->found = 0;
    if (level->scatter != NULL)
        return WR_OK;
    return wr_scatter_new(&level->scatter, &spool->form, (uint32_t)(level - spool->levels));
}

/* All groups leave. Those of many rows do so as a run, where what may come later can be merged with
 * them; else they wait as they are, before the rows of theirs that come. */
static int empty(struct agg *self, struct level *level, struct wr_table *table) {
    int is_dense = level->added / DENSE_ROWS >= wr_table_count(table);
    level->is_full = 0;
    level->added = 0;
    if (self->spool->merges && is_dense)
        return agg_spill_leave(self, table);
    int status = wr_scatter_add_groups(level->scatter, table);
    wr_slices_drop_before(&self->slices, WR_TIME_MAX);
    return status;
}

static int is_of_little_use(const struct level *level, const struct wr_table *table) {
    uint64_t groups = wr_table_count(table), enough = WR_MAX(groups / 4, (uint64_t)SEEN_ROWS_MIN);
    return level->seen >= enough && level->found < level->seen / FOUND_PART &&
           !wr_scatter_is_crowded(level->scatter);
}

/* At the last level all groups stay: their keys have the same hash, or are of a few. */
static int judge(struct agg *self, struct level *level, struct wr_table *table) {
    uint64_t max = self->base.apart->memory_bytes, bytes = wr_table_bytes(table);
    if (!level->is_full)
        return bytes > max && level < &self->spool->levels[WR_SCATTER_LEVELS_MAX]
                   ? fill(level, self->spool)
                   : WR_OK;
    if (bytes <= max + max / GROWTH_PART && !is_of_little_use(level, table))
        return WR_OK;
    return wr_table_count(table) > 1 ? empty(self, level, table) : WR_OK;
}

/* ---- with a state ---- */

/* Whether rows wait so that those of the same pages are added together: where pages rest; and of a
 * part (a level behind the first) where its pages are still too many. */
static int must_wait(const struct agg *self, const struct level *level,
                     const struct wr_table *table) {
    const struct wr_apart *apart = self->base.apart;
    const struct level *first = self->spool->levels;
    uint64_t bytes = wr_table_count(table) * self->spool->form.shape->row_bytes;
    if (level->scatter != NULL)
        return 1;
    if (level == first || level == first + WR_SCATTER_LEVELS_MAX)
        return level == first && wr_apart_resting_bytes(apart) > 0;
    for (const struct level *above = first; above < level; above++)
        bytes /= wr_scatter_part_count(above->scatter);
    return bytes > apart->memory_bytes / KEPT_PART;
}

static int wait_all(struct agg *self, struct level *level, const struct rows *rows) {
    const uint32_t *numbers = rows->sel;
    int status = level->scatter == NULL ? fill(level, self->spool) : WR_OK;
    if (status == WR_OK && numbers == NULL) {
        uint32_t *all = WR_ARENA_ARRAY(self->base.env->scratch, uint32_t, rows->count + 1);
        for (uint32_t i = 0; all != NULL && i < rows->count; i++)
            all[i] = i;
        status = all == NULL ? WR_ENOMEM : WR_OK;
        numbers = all;
    }
    return status == WR_OK ? let_wait(self, level, rows, numbers, rows->hashes, rows->count)
                           : status;
}

/* Rows that wait take no more than the groups, or than the memory some times. */
static int settle_some(struct agg *self, const struct level *level, const struct wr_table *table) {
    uint64_t groups = wr_table_count(table) * self->spool->form.shape->row_bytes;
    uint64_t max = WR_MAX(groups, self->base.apart->memory_bytes * WAIT_TIMES);
    int is_first = level == self->spool->levels;
    return is_first && wr_scatter_bytes(level->scatter) > max ? agg_spool_settle(self) : WR_OK;
}

/* ---- one way or the other ---- */

static int take(struct agg *self, struct level *level, const struct rows *rows) {
    struct wr_arena *arena = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(arena);
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    if (table == NULL)
        return wr_slices_failure(&self->slices);
    int status = WR_OK, waits = is_kept(self) && must_wait(self, level, table);
    if (waits) {
        status = wait_all(self, level, rows);
    } else if (level->scatter == NULL) {
        uint8_t **states = WR_ARENA_ARRAY(arena, uint8_t *, rows->count + 1);
        status = states == NULL ? WR_ENOMEM
                                : wr_table_upsert_alike(table, rows->keys, rows->hashes,
                                                        rows->count, arena, states, NULL, NULL);
        if (status == WR_OK)
            status = add(self, level, table, rows, states, rows->sel, rows->count);
    } else {
        status = divide(self, level, table, rows);
    }
    wr_arena_rewind(arena, mark);
    if (status != WR_OK || !is_kept(self))
        return status == WR_OK ? judge(self, level, table) : status;
    return waits ? settle_some(self, level, table) : wr_apart_relieve(self->base.apart);
}

int agg_spool_push(struct agg *self, const struct wr_batch *in, const uint32_t *sel, uint32_t count,
                   const char *keys, const uint64_t *hashes) {
    struct rows rows = {.batch = in,
                        .eval = &self->inputs_eval,
                        .sel = sel,
                        .count = count,
                        .keys = keys,
                        .hashes = hashes};
    self->spool->schema = in->schema;
    return take(self, &self->spool->levels[0], &rows);
}

/* ---- rows that come back ---- */

/* Keys and hashes of all rows of a block. */
static int build_keys(struct agg *self, struct rows *rows) {
    const struct wr_key_layout *layout = &aggregates_of(self)->layout;
    struct wr_arena *arena = self->base.env->scratch;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    char *keys = wr_arena_alloc(arena, (size_t)rows->count * layout->key_bytes + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(arena, uint64_t, rows->count + 1);
    if (keys == NULL || hashes == NULL)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < layout->column_count; k++)
        columns[k] = rows->columns[self->spool->column_of[k]];
    wr_keys_build(layout, columns, NULL, rows->count, self->base.env->seed, keys, hashes);
    rows->keys = keys;
    rows->hashes = hashes;
    return WR_OK;
}

/* Those from `first` on that stand in one stream behind each other, as the batch says it then. The
 * end of them. */
static uint32_t place_some(const struct agg_spool *spool, const struct rows *rows,
                           struct wr_batch *batch, uint32_t *records, uint32_t first) {
    const struct wr_column *places = rows->columns + spool->input_count;
    const uint64_t *streams = places[PLACE_STREAM].data, *of = places[PLACE_RECORD].data;
    uint32_t end = first;
    for (; end < rows->count && streams[end] == streams[first] && of[end] >= of[first] &&
           of[end] - of[first] <= UINT32_MAX;
         end++)
        records[end] = (uint32_t)(of[end] - of[first]);
    batch->event_time = places[PLACE_TIME].data;
    batch->source = (uint32_t)(streams[first] >> 32);
    batch->partition = (uint32_t)streams[first];
    batch->origin = (struct wr_origin){.source = "", .first_record = of[first], .record = records};
    return end;
}

static int take_placed(struct agg *self, struct level *level, const struct rows *rows,
                       struct wr_batch *batch) {
    struct wr_arena *arena = self->base.env->scratch;
    uint32_t key_bytes = aggregates_of(self)->layout.key_bytes;
    uint32_t *records = WR_ARENA_ARRAY(arena, uint32_t, rows->count + 1);
    uint32_t *all = WR_ARENA_ARRAY(arena, uint32_t, rows->count + 1);
    int status = records == NULL || all == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; status == WR_OK && i < rows->count; i++)
        all[i] = i;
    for (uint32_t first = 0, end; first < rows->count && status == WR_OK; first = end) {
        end = place_some(self->spool, rows, batch, records, first);
        struct rows some = *rows;
        some.sel = all + first;
        some.count = end - first;
        some.keys += (size_t)first * key_bytes;
        some.hashes += first;
        status = take(self, level, &some);
    }
    return status;
}

/* A block of rows, as the batch and the outputs that they once were. */
static int take_rows(struct agg *self, struct level *level, const struct wr_scattered *block) {
    struct agg_spool *spool = self->spool;
    struct wr_arena *arena = self->base.env->scratch;
    struct wr_batch batch = {
        .row_count = block->count,
        .sel_count = block->count,
        .schema = spool->schema,
        .columns = WR_ARENA_ZEROS(arena, struct wr_column, spool->schema->field_count + 1)};
    uint32_t output_max = aggregates_of(self)->inputs->item_count;
    struct wr_column *outputs = WR_ARENA_ZEROS(arena, struct wr_column, output_max + 1);
    if (batch.columns == NULL || outputs == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < spool->input_count; c++) {
        int32_t from = spool->from[c];
        *(from >= 0 ? &batch.columns[from] : &outputs[-1 - from]) = block->columns[c];
    }
    spool->eval.outputs = outputs;
    struct rows rows = {
        .batch = &batch, .eval = &spool->eval, .count = block->count, .columns = block->columns};
    int status = build_keys(self, &rows);
    if (status == WR_OK && spool->is_placed)
        return take_placed(self, level, &rows, &batch);
    return status == WR_OK ? take(self, level, &rows) : status;
}

/* They come before rows of theirs: none of their keys is there. */
static int take_groups(struct agg *self, struct level *level, const struct wr_scattered *block) {
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    if (table == NULL)
        return wr_slices_failure(&self->slices);
    if (!level->is_full) {
        int status = wr_scattered_load(block, table);
        return status == WR_OK ? judge(self, level, table) : status;
    }
    struct wr_table *others =
        wr_table_new(self->base.env->state_budget, self->spool->form.shape, self->spool->form.seed);
    int status = others == NULL ? WR_ENOMEM : wr_scattered_load(block, others);
    if (status == WR_OK)
        status = wr_scatter_add_groups(level->scatter, others);
    wr_table_free(others);
    return status;
}

/* Groups that are in memory are complete. */
static int leave(struct agg *self, uint64_t bytes_max) {
    if (is_kept(self))
        return WR_OK;
    struct wr_table *table = wr_slices_at(&self->slices, 0);
    if (table == NULL)
        return wr_slices_failure(&self->slices);
    if (wr_table_bytes(table) <= bytes_max)
        return WR_OK;
    return agg_spill_leave(self, table);
}

/* What waits at a level is read from now on, where anything does. */
static int end_level(struct agg *self, uint32_t number) {
    struct agg_spool *spool = self->spool;
    struct level *level = &spool->levels[number];
    int waits = level->scatter != NULL;
    int status = leave(self, waits ? 0 : self->base.apart->memory_bytes / RUN_PART);
    if (status == WR_OK && waits)
        status = wr_scatter_end(level->scatter);
    if (waits)
        spool->reading = number;
    return status;
}

int agg_spool_end(struct agg *self) {
    self->spool->has_ended = 1;
    return end_level(self, 0);
}

/* The level whose part it was goes on with its next one. */
static int end_reading(struct agg *self) {
    struct agg_spool *spool = self->spool;
    struct level *level = &spool->levels[spool->reading];
    wr_scatter_free(level->scatter);
    *level = (struct level){0};
    if (spool->reading > 0) {
        spool->reading--;
        return WR_OK;
    }
    return leave(self, 0);
}

int agg_spool_step(struct agg *self) {
    struct agg_spool *spool = self->spool;
    struct wr_arena *arena = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(arena);
    struct level *reading = &spool->levels[spool->reading], *filled = reading + 1;
    struct wr_scattered block;
    WR_ASSERT(spool->has_ended);
    wr_slices_settle(&self->slices);
    int status = wr_scatter_next(reading->scatter, arena, &block);
    if (status == WR_OK)
        switch (block.kind) {
        case WR_SCATTERED_ROWS: status = take_rows(self, filled, &block); break;
        case WR_SCATTERED_GROUPS: status = take_groups(self, filled, &block); break;
        case WR_SCATTERED_PART_END: status = end_level(self, spool->reading + 1); break;
        case WR_SCATTERED_END: status = end_reading(self); break;
        }
    wr_arena_rewind(arena, mark);
    return status;
}

int agg_spool_settle(struct agg *self) {
    int status = WR_OK;
    if (self->spool == NULL || !is_kept(self) || self->spool->levels[0].scatter == NULL)
        return WR_OK;
    status = agg_spool_end(self);
    while (status == WR_OK && self->spool->levels[0].scatter != NULL)
        status = agg_spool_step(self);
    self->spool->has_ended = 0;
    return status;
}
