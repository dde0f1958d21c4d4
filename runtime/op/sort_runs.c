/* sort_runs.c: rows in order in the scratch file: writing them, reading them back block by block,
 * and keeping the runs so few that a block of each has room in memory. */
#include <string.h>

#include "base/buf.h"
#include "op/sort.h"
#include "base/banned.h"

#define UNITS_OF_BLOCK 4u
#define PLACE_BYTES (2 * sizeof(struct sort_place)) /* of a row, while it is put in order */
#define SPILL_BYTES_MIN(max) ((max) / 8)            /* where others use up the budget */

static int failed(const struct sort *self, int status) {
    struct wr_error *err = sort_error(self);
    if (err != NULL && err->status == status)
        return wr_error_add(err, status, "stage sort");
    return status;
}

/* ---- a run ---- */

int sort_run_load(struct sort *self, const struct sort_run *run, uint32_t block,
                  struct wr_batch **batch) {
    const struct sort_block *from = &run->blocks[block];
    const struct sort_config *config = self->base.config;
    struct wr_budget *budget = self->base.env->state_budget;
    char *bytes = wr_alloc(budget, from->blob.length);
    if (bytes == NULL)
        return WR_ENOMEM;
    int status = wr_scratch_get(self->scratch, &from->blob, bytes, sort_error(self));
    struct wr_reader reader = {.bytes = bytes, .length = from->blob.length};
    if (status == WR_OK)
        status = wr_batch_load(&self->pool, config->wide, &reader, batch);
    wr_free(budget, bytes);
    return status == WR_OK ? WR_OK : failed(self, status);
}

int64_t sort_run_head_us(const struct sort_run *run) {
    return run->batch != NULL ? run->batch->event_time[run->at] : run->blocks[run->block].first_us;
}

/* The rest of its block has left. */
static void end_block(struct sort *self, struct sort_run *run) {
    struct sort_block *block = &run->blocks[run->block];
    run->row_count -= block->row_count - run->at;
    wr_scratch_drop(self->scratch, &block->blob);
    wr_batch_unref(run->batch);
    run->batch = NULL;
    run->block++;
    run->at = 0;
}

void sort_run_step(struct sort *self, struct sort_run *run) {
    run->at++;
    run->row_count--;
    if (run->at == run->blocks[run->block].row_count)
        end_block(self, run);
}

int sort_run_drop(struct sort *self, struct sort_run *run, int64_t frontier) {
    while (run->row_count > 0 && (frontier == WR_TIME_MAX || sort_run_head_us(run) < frontier)) {
        uint32_t next = run->block + 1;
        if (frontier == WR_TIME_MAX ||
            (next < run->block_count && run->blocks[next].first_us < frontier)) {
            end_block(self, run);
            continue;
        }
        int status = run->batch != NULL ? WR_OK : sort_run_load(self, run, run->block, &run->batch);
        if (status != WR_OK)
            return status;
        sort_run_step(self, run);
    }
    return WR_OK;
}

static void run_free(struct sort *self, struct sort_run *run) {
    for (uint32_t b = run->block; b < run->block_count; b++)
        wr_scratch_drop(self->scratch, &run->blocks[b].blob);
    wr_batch_unref(run->batch);
    wr_free(self->base.env->state_budget, run->blocks);
}

void sort_runs_clear(struct sort *self) {
    uint32_t kept = 0;
    for (uint32_t r = 0; r < self->run_count; r++) {
        if (self->runs[r].row_count == 0)
            run_free(self, &self->runs[r]);
        else
            self->runs[kept++] = self->runs[r];
    }
    self->run_count = kept;
}

void sort_runs_forget(struct sort *self) {
    wr_batch_unref(self->save.batch);
    self->save.batch = NULL;
    for (uint32_t r = 0; r < self->run_count; r++)
        run_free(self, &self->runs[r]);
    self->run_count = 0;
}

/* ---- writing ---- */

/* A block is written. */
static int write_block(struct sort_sink *sink, struct wr_batch *batch) {
    struct sort *self = sink->self;
    struct sort_run *run = sink->run;
    struct wr_budget *budget = self->base.env->state_budget;
    struct wr_buf bytes;
    wr_buf_init(&bytes, budget, 0);
    int status = wr_grow(budget, (void **)&run->blocks, run->block_count, &run->block_room,
                         sizeof *run->blocks);
    if (status == WR_OK)
        status = wr_batch_save(batch, &bytes);
    struct sort_block block = {
        .first_us = batch->event_time == NULL ? WR_TIME_MIN : batch->event_time[0],
        .row_count = batch->row_count,
    };
    if (status == WR_OK)
        status =
            wr_scratch_put(self->scratch, bytes.bytes, bytes.length, &block.blob, sort_error(self));
    if (status == WR_OK) {
        run->row_count += batch->row_count;
        run->blocks[run->block_count++] = block;
    }
    wr_buf_release(&bytes);
    wr_batch_unref(batch);
    return status == WR_OK ? WR_OK : failed(self, status);
}

/* Merges sources into a run. `row_bytes`: of a row in memory, about. */
static int write_run(struct sort *self, const struct sort_source *sources, uint32_t source_count,
                     uint64_t rows, uint64_t row_bytes, struct sort_run *run) {
    const struct sort_config *config = self->base.config;
    uint64_t row_max = self->block_bytes / WR_MAX(row_bytes, 1u);
    struct sort_sink sink = {
        .self = self,
        .pool = &self->pool,
        .schema = config->wide,
        .timed = config->has_time,
        .row_max = (uint32_t)WR_MIN(WR_MAX(row_max, 1u), SORT_HELD_ROWS),
        .rows_left = rows,
        .bytes_max = 4 * (uint64_t)self->block_bytes, /* where rows are longer than those before */
        .full = write_block,
        .run = run,
    };
    int status = sort_merge(self, sources, source_count, WR_TIME_MAX, &sink);
    if (status != WR_OK)
        run_free(self, run);
    return status;
}

static uint64_t held_bytes(const struct sort *self) {
    return self->held_count == 0
               ? 0
               : self->held_bytes + wr_arena_bytes(&self->held[self->held_count - 1]->arena);
}

int sort_must_spill(const struct sort *self) {
    const struct wr_budget *budget = self->base.env->state_budget;
    uint64_t max = self->base.env->spill_bytes;
    uint64_t bytes = held_bytes(self) + self->row_count * PLACE_BYTES;
    /* Three quarters are in use, by several sorts or other stages. */
    int is_tight = budget->bytes_used / 3 >= budget->bytes_max / 4 && budget->bytes_max > 0;
    return bytes >= max || (is_tight && bytes >= SPILL_BYTES_MIN(max));
}

/* ---- how many there are ---- */

/* `count` runs from `first` on become one, in their place. */
static int join_runs(struct sort *self, uint32_t first, uint32_t count) {
    struct sort_source sources[SORT_RUNS_MAX];
    struct sort_run made = {.is_saved = self->runs[first].is_saved};
    uint64_t rows = 0, block_rows = 1;
    WR_ASSERT(count > 0 && count <= SORT_RUNS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct sort_run *run = &self->runs[first + i];
        sources[i] = (struct sort_source){.run = &self->runs[first + i]};
        made.level = WR_MAX(made.level, (uint8_t)(run->level + 1));
        rows += run->row_count;
        block_rows = WR_MAX(block_rows, run->blocks[run->block].row_count);
    }
    int status = write_run(self, sources, count, rows, self->block_bytes / block_rows, &made);
    if (status != WR_OK)
        return status;
    for (uint32_t i = 0; i < count; i++)
        run_free(self, &self->runs[first + i]);
    memmove(&self->runs[first + 1], &self->runs[first + count],
            (self->run_count - first - count) * sizeof *self->runs);
    self->runs[first] = made;
    self->run_count -= count - 1;
    return WR_OK;
}

/* Neighbours that may be one: what the store knows of them is the same, and so is their level
 * where `same_level`. Rows of a higher level have been written more often. */
static uint32_t neighbours(const struct sort *self, uint32_t first, int same_level) {
    const struct sort_run *run = &self->runs[first];
    uint32_t end = first + 1;
    while (end < self->run_count && self->runs[end].is_saved == run->is_saved &&
           (!same_level || self->runs[end].level == run->level))
        end++;
    return end - first;
}

/* Room for two more runs. The most neighbours of one level become one, the last of them where it
 * is equal: they are the youngest and lowest. */
static int make_room(struct sort *self) {
    int status = WR_OK;
    while (status == WR_OK && self->run_count + 2 > self->runs_max) {
        uint32_t best = 0, best_count = 0;
        for (int same_level = 1; same_level >= 0 && best_count < 2; same_level--)
            for (uint32_t r = 0, count; r < self->run_count; r += count) {
                count = neighbours(self, r, same_level);
                best = count >= best_count ? r : best;
                best_count = WR_MAX(count, best_count);
            }
        WR_ASSERT(best_count >= 2); /* of three runs two are known alike */
        status = join_runs(self, best, best_count);
    }
    return status;
}

/* Held rows from `first` on become a run. */
static int spill_some(struct sort *self, struct sort_place *places, uint64_t count, int is_saved) {
    if (count == 0)
        return WR_OK;
    uint64_t row_bytes = held_bytes(self) / self->row_count;
    struct sort_source source = {.places = places, .place_count = count};
    struct sort_run made = {.is_saved = (uint8_t)is_saved};
    sort_places(self, places, count);
    int status = write_run(self, &source, 1, count, row_bytes, &made);
    if (status == WR_OK)
        self->runs[self->run_count++] = made;
    return status;
}

int sort_spill(struct sort *self) {
    struct wr_budget *budget = self->base.env->state_budget;
    uint64_t rows = self->row_count, at = 0;
    uint64_t saved = self->loading ? rows : WR_MIN(self->saved_rows, rows);
    uint64_t saved_later = self->loading ? 0 : self->saved_rows - saved;
    int status = self->scratch != NULL ? WR_OK
                                       : wr_scratch_new(&self->scratch, self->base.env->env, budget,
                                                        self->block_bytes / UNITS_OF_BLOCK);
    struct sort_place *places = status == WR_OK ? wr_alloc(budget, rows * sizeof *places) : NULL;
    if (places == NULL)
        return WR_ENOMEM;
    for (uint32_t b = 0; b < self->held_count; b++)
        for (uint32_t i = 0; i < self->held[b]->row_count; i++)
            places[at++] = (struct sort_place){.batch = b, .row = i};
    status = make_room(self);
    if (status == WR_OK)
        status = spill_some(self, places, saved, 1);
    if (status == WR_OK)
        status = spill_some(self, places + saved, rows - saved, 0);
    wr_free(budget, places);
    if (status != WR_OK)
        return status;
    sort_forget_held(self);
    self->saved_rows = saved_later;
    return WR_OK;
}
