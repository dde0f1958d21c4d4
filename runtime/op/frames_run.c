/* frames_run.c: what calls give. Rows of one group go one after the other, and the n-th rows of all
 * groups of a chunk together (a round), so that many groups are worked on by column. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

int frames_list_open(struct frames_list *list, struct wr_arena *scratch, uint64_t room) {
    list->count = 0;
    list->at = WR_ARENA_ARRAY(scratch, uint32_t, room + 1);
    list->numbers = WR_ARENA_ARRAY(scratch, uint64_t, room + 1);
    list->groups = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1);
    list->rows = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1);
    list->live = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1);
    return list->at == NULL || list->numbers == NULL || list->groups == NULL ||
                   list->rows == NULL || list->live == NULL
               ? WR_ENOMEM
               : WR_OK;
}

void frames_list_add(struct frames_list *list, const struct frames_round *round, uint32_t at,
                     uint64_t number) {
    list->at[list->count] = at;
    list->numbers[list->count] = number;
    list->groups[list->count++] = round->groups[at];
}

int frames_list_find(struct frames *self, struct frames_list *list) {
    int status = frames_kept_find(self, list->groups, list->numbers, list->count, list->rows);
    for (uint32_t i = 0; i < list->count && status == WR_OK; i++)
        if (list->rows[i] == NULL)
            status = WR_ECORRUPT;
    return status;
}

/* ---- aggregates ---- */

/* Rows for which the condition holds. */
static int choose(const struct wr_column *condition, struct wr_arena *scratch,
                  uint8_t *const **states, const uint32_t **sel, uint32_t *count) {
    uint32_t *kept = WR_ARENA_ARRAY(scratch, uint32_t, *count + 1), n = 0;
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, *count + 1);
    if (kept == NULL || rows == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t row = *sel == NULL ? i : (*sel)[i];
        kept[n] = row;
        rows[n] = (*states)[i];
        n += !wr_column_is_nil(condition, row) && WR_BOOLS(condition)[row] != 0;
    }
    *states = rows;
    *sel = kept;
    *count = n;
    return WR_OK;
}

static int feed_one(const struct wr_aggregate *aggregate, struct wr_arena *scratch,
                    struct wr_table *table, uint8_t *const *states, const struct wr_column *items,
                    const struct wr_batch *by, const uint32_t *sel, uint32_t count, int retracts) {
    struct wr_column args[WR_AGGREGATE_ARGS_MAX + WR_AGGREGATE_ORDER_MAX];
    for (uint32_t a = 0; a < aggregate->arg_count; a++)
        args[a] =
            aggregate->constants[a] != NULL ? (struct wr_column){0} : items[aggregate->args[a]];
    for (uint32_t o = 0; o < aggregate->order_count; o++)
        args[aggregate->arg_count + o] = items[aggregate->order[o]];
    if (aggregate->where >= 0) {
        int status = choose(&items[aggregate->where], scratch, &states, &sel, &count);
        if (status != WR_OK || count == 0)
            return status;
    }
    return (retracts ? aggregate->kernel->retract
                     : aggregate->kernel->add)(aggregate, table, states, args, by, sel, count);
}

int frames_feed(struct frames *self, uint32_t frame, int recomputed, struct wr_table *table,
                uint8_t *const *states, const struct wr_column *items, const struct wr_batch *by,
                const uint32_t *sel, uint32_t count, int retracts) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int status = WR_OK;
    for (uint32_t c = 0; c < config->frames->call_count && status == WR_OK; c++) {
        const struct wr_frame_call *call = &config->frames->calls[c];
        if (!frames_is_aggregate(call) || call->frame != frame ||
            config->recomputed[call->aggregate] != recomputed)
            continue;
        const struct wr_aggregate *aggregate = &config->frames->aggregates[call->aggregate];
        if (aggregate->kernel->add != NULL)
            status = feed_one(aggregate, scratch, table, states, items, by, sel, count, retracts);
    }
    wr_arena_rewind(scratch, mark);
    return status;
}

/* Puts dense values at physical rows. Long strings are copied: what they lie in goes on. */
static int scatter(struct frames_chunk *chunk, uint32_t call, const struct wr_type *type,
                   const char *from, const uint64_t *valid, const uint32_t *rows, uint32_t count) {
    uint32_t width = wr_type_bytes(type->kind);
    char *to = chunk->results[call].data;
    int text = wr_type_is_text(type->kind);
    for (uint32_t i = 0; i < count; i++) {
        if (valid != NULL && !wr_bit_get(valid, i)) {
            wr_bit_clear(chunk->valid[call], rows[i]);
            memset(to + (size_t)rows[i] * width, 0, width);
            continue;
        }
        memcpy(to + (size_t)rows[i] * width, from + (size_t)i * width, width);
        struct wr_str *str = (struct wr_str *)(void *)(to + (size_t)rows[i] * width);
        if (!text || str->length <= WR_STR_INLINE_MAX)
            continue;
        str->pointer = wr_arena_strndup(chunk->arena, str->pointer, str->length);
        if (str->pointer == NULL)
            return WR_ENOMEM;
    }
    return WR_OK;
}

int frames_put_results(struct frames *self, struct frames_chunk *chunk, uint32_t frame,
                       uint8_t *const *states, const uint32_t *rows, uint32_t count) {
    const struct wr_frames *frames = frames_config_of(self)->frames;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t words = WR_BITS_WORDS(count) + 1;
    char *out = wr_arena_alloc(scratch, (size_t)count * 16 + 16);
    uint64_t *valid = WR_ARENA_ARRAY(scratch, uint64_t, words);
    uint16_t *fails = WR_ARENA_ARRAY(scratch, uint16_t, count + 1);
    int status = out == NULL || valid == NULL || fails == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t c = 0; c < frames->call_count && status == WR_OK; c++) {
        const struct wr_frame_call *call = &frames->calls[c];
        if (!frames_is_aggregate(call) || call->frame != frame ||
            (chunk->whole && call->kind != WR_FRAME_AGGREGATE))
            continue;
        const struct wr_aggregate *aggregate = &frames->aggregates[call->aggregate];
        memset(valid, 0xff, words * 8);
        memset(fails, 0, count * sizeof *fails);
        status =
            aggregate->kernel->result(aggregate, states, count, out, valid, fails, chunk->arena);
        for (uint32_t i = 0; i < count && status == WR_OK; i++)
            if (fails[i] != 0 && chunk->fails[rows[i]] == 0)
                chunk->fails[rows[i]] = fails[i];
        if (status == WR_OK)
            status = scatter(chunk, c, &call->type, out, valid, rows, count);
    }
    wr_arena_rewind(scratch, mark);
    return status;
}

void frames_clear(struct wr_table *table, const struct wr_aggregate *aggregate, uint8_t *row) {
    const struct wr_aggregate_kernel *kernel = aggregate->kernel;
    uint8_t *state = row + aggregate->offset;
    for (uint32_t c = 0; c < kernel->cell_count; c++) {
        uint8_t *cell = state + kernel->cells[c].offset;
        if (kernel->cells[c].kind == WR_CELL_BLOB)
            wr_blob_release(table, (struct wr_blob *)(void *)cell);
        else
            wr_table_set_string(table, (struct wr_str *)(void *)cell, "", 0);
    }
    memset(state, 0, kernel->state_bytes);
}

/* ---- other rows ---- */

static int run_lag(struct frames *self, struct frames_chunk *chunk,
                   const struct frames_round *round, uint32_t number) {
    const struct wr_frame_call *call = &frames_config_of(self)->frames->calls[number];
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct frames_list list;
    int status = frames_list_open(&list, scratch, round->count);
    const uint8_t **payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, round->count + 1);
    if (payloads == NULL)
        status = WR_ENOMEM;
    for (uint32_t i = 0; i < round->count && status == WR_OK; i++) {
        const struct frames_ref *ref = &chunk->refs[round->which[i]];
        /* No kept row has the number behind the last one, nor one below 0. */
        uint64_t none = frames_group_of(self, ref->group)->next;
        int64_t wanted = (int64_t)ref->number - call->distance;
        frames_list_add(&list, round, i, wanted < 0 ? none : (uint64_t)wanted);
    }
    if (status == WR_OK)
        status = frames_kept_find(self, list.groups, list.numbers, list.count, list.rows);
    for (uint32_t i = 0; i < list.count && status == WR_OK; i++)
        payloads[i] = list.rows[i] == NULL ? NULL : list.rows[i] + FRAMES_KEPT_PAYLOAD;
    struct wr_column column;
    if (status == WR_OK)
        status = wr_payload_read(&self->keep, self->kept_items[call->item], payloads, list.count,
                                 scratch, &column);
    if (status == WR_OK)
        status = scatter(chunk, number, &call->type, column.data, column.valid, round->rows,
                         round->count);
    wr_arena_rewind(scratch, mark);
    return status;
}

static int run_others(struct frames *self, struct frames_chunk *chunk,
                      const struct frames_round *round) {
    const struct wr_frames *frames = frames_config_of(self)->frames;
    int status = WR_OK;
    for (uint32_t c = 0; c < frames->call_count && status == WR_OK; c++) {
        if (frames->calls[c].kind == WR_FRAME_LAG)
            status = run_lag(self, chunk, round, c);
        if (frames->calls[c].kind != WR_FRAME_ROW_NUMBER)
            continue;
        int64_t *numbers = chunk->results[c].data;
        int comes_last =
            frames_config_of(self)->mode == FRAMES_ARRIVAL && frames_config_of(self)->lead_max == 0;
        for (uint32_t i = 0; i < round->count; i++) {
            const struct frames_ref *ref = &chunk->refs[round->which[i]];
            numbers[round->rows[i]] =
                (int64_t)(comes_last ? frames_group_of(self, ref->group)->next : ref->number + 1);
        }
    }
    return status;
}

/* Rows in order: what the next row of the group cannot see is forgotten. */
static int forget_seen(struct frames *self, struct frames_chunk *chunk,
                       const struct frames_round *round) {
    const struct frames_config *config = frames_config_of(self);
    int status = WR_OK;
    for (uint32_t i = 0; i < round->count && status == WR_OK; i++) {
        uint64_t next = chunk->refs[round->which[i]].number + 1;
        uint64_t back = (uint64_t)config->lag_max;
        uint64_t first = next > back ? next - back : 0;
        for (uint32_t f = 1; f < config->frames->frame_count; f++) {
            uint64_t low = frames_live_of(round->live[i])->spans[f].low;
            first = WR_MIN(first, low);
        }
        status = frames_forget(self, round->groups[i], first);
    }
    return status;
}

/* ---- a chunk ---- */

void frames_find_peers(struct frames_chunk *chunk) {
    for (uint32_t i = chunk->count; i > 0; i--) {
        struct frames_ref *ref = &chunk->refs[i - 1];
        const struct frames_ref *next = i < chunk->count ? ref + 1 : NULL;
        ref->peers_end = next != NULL && next->group == ref->group && next->time == ref->time
                             ? next->peers_end
                             : ref->number + 1;
    }
}

int frames_chunk_open(struct frames *self, struct frames_chunk *chunk, uint32_t row_count) {
    const struct wr_frames *frames = frames_config_of(self)->frames;
    struct wr_arena *arena = chunk->arena;
    uint64_t words = WR_BITS_WORDS(row_count) + 1;
    chunk->results = WR_ARENA_ZEROS(arena, struct wr_column, frames->call_count + 1);
    chunk->valid = WR_ARENA_ARRAY(arena, uint64_t *, frames->call_count + 1);
    chunk->fails = WR_ARENA_ZEROS(arena, uint16_t, row_count + 1);
    if (chunk->results == NULL || chunk->valid == NULL || chunk->fails == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < frames->call_count; c++) {
        uint32_t width = wr_type_bytes(frames->calls[c].type.kind);
        chunk->results[c].data = wr_arena_alloc_zero(arena, (size_t)row_count * width + 16);
        chunk->valid[c] = WR_ARENA_ARRAY(arena, uint64_t, words);
        if (chunk->results[c].data == NULL || chunk->valid[c] == NULL)
            return WR_ENOMEM;
        memset(chunk->valid[c], 0xff, words * 8);
        chunk->results[c].valid = chunk->valid[c];
    }
    return WR_OK;
}

/* The live rows of the groups; a new one has nothing in it. */
static int find_live(struct frames *self, struct frames_chunk *chunk) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *table = wr_slices_at(&self->live, 0);
    if (config->frames->frame_count == 1 || table == NULL)
        return table == NULL ? WR_ENOMEM : WR_OK;
    uint64_t *keys = WR_ARENA_ARRAY(scratch, uint64_t, chunk->count + 1);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, chunk->count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, chunk->count + 1);
    uint8_t *made = WR_ARENA_ARRAY(scratch, uint8_t, chunk->count + 1);
    if (keys == NULL || hashes == NULL || rows == NULL || made == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++) {
        keys[i] = frames_group_of(self, chunk->refs[i].group)->id;
        hashes[i] = frames_hash_one(keys[i], wr_table_seed(table));
    }
    int status = wr_table_upsert(table, keys, hashes, chunk->count, rows, made);
    for (uint32_t i = 0; i < chunk->count && status == WR_OK; i++) {
        chunk->refs[i].live = rows[i];
        if (!made[i])
            continue;
        struct frames_live *live = frames_live_of(rows[i]);
        live->time = WR_TIME_MIN;
        for (uint32_t f = 1; f < config->frames->frame_count; f++) {
            live->spans[f].low = live->spans[f].high =
                frames_group_of(self, chunk->refs[i].group)->first;
            live->spans[f].low_time = WR_TIME_MIN;
        }
    }
    return status;
}

static int run_round(struct frames *self, struct frames_chunk *chunk,
                     const struct frames_round *round, const struct wr_column *items,
                     struct wr_column *kept) {
    const struct frames_config *config = frames_config_of(self);
    int status = WR_OK;
    if (config->mode == FRAMES_ARRIVAL && config->lead_max == 0) {
        status = frames_append(self, chunk, round->which, round->count);
        for (uint32_t i = 0; i < round->count; i++)
            chunk->refs[round->which[i]].peers_end = chunk->refs[round->which[i]].number + 1;
    }
    if (status == WR_OK && !chunk->whole)
        status = frames_feed(self, 0, 0, wr_slices_at(&self->groups, 0), round->groups, items,
                             chunk->by, round->rows, round->count, 0);
    if (status == WR_OK && !chunk->whole)
        status = frames_put_results(self, chunk, 0, round->groups, round->rows, round->count);
    if (status == WR_OK)
        status = frames_run_moving(self, chunk, round, items, kept);
    if (status == WR_OK)
        status = run_others(self, chunk, round);
    int sorted =
        config->mode == FRAMES_TIME || (config->mode == FRAMES_ARRIVAL && !config->has_time);
    if (status == WR_OK && config->keeps && sorted)
        status = forget_seen(self, chunk, round);
    return status;
}

/* Sorts the rows of the chunk by which of their group's they are; ends[r]: behind those of r. */
static int part_rounds(struct frames *self, const struct frames_chunk *chunk, uint32_t *which,
                       uint32_t **ends, uint32_t *round_count) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t *rounds = WR_ARENA_ARRAY(scratch, uint32_t, chunk->count + 1);
    uint32_t *counts = WR_ARENA_ZEROS(scratch, uint32_t, chunk->count + 2);
    if (rounds == NULL || counts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++)
        frames_group_of(self, chunk->refs[i].group)->round = 0;
    *round_count = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        rounds[i] = (uint32_t)frames_group_of(self, chunk->refs[i].group)->round++;
        counts[rounds[i] + 1]++;
        *round_count = WR_MAX(*round_count, rounds[i] + 1);
    }
    for (uint32_t r = 0; r < *round_count; r++)
        counts[r + 1] += counts[r];
    for (uint32_t i = 0; i < chunk->count; i++)
        which[counts[rounds[i]]++] = i;
    *ends = counts;
    return WR_OK;
}

static int run_whole(struct frames *self, struct frames_chunk *chunk,
                     const struct wr_column *items) {
    uint8_t **groups = WR_ARENA_ARRAY(self->base.env->scratch, uint8_t *, chunk->count + 1);
    if (groups == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < chunk->count; i++)
        groups[i] = chunk->refs[i].group;
    int status = frames_feed(self, 0, 0, wr_slices_at(&self->groups, 0), groups, items, chunk->by,
                             chunk->rows, chunk->count, 0);
    return status == WR_OK ? frames_put_results(self, chunk, 0, groups, chunk->rows, chunk->count)
                           : status;
}

int frames_compute(struct frames *self, struct frames_chunk *chunk) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t n = chunk->count, item_count = config->frames->inputs->item_count;
    struct wr_column *items = WR_ARENA_ARRAY(scratch, struct wr_column, item_count + 1);
    struct wr_column *kept = WR_ARENA_ZEROS(scratch, struct wr_column, item_count + 1);
    struct frames_round round = {.which = WR_ARENA_ARRAY(scratch, uint32_t, n + 1),
                                 .rows = WR_ARENA_ARRAY(scratch, uint32_t, n + 1),
                                 .groups = WR_ARENA_ARRAY(scratch, uint8_t *, n + 1),
                                 .live = WR_ARENA_ARRAY(scratch, uint8_t *, n + 1)};
    uint32_t *ends = NULL, round_count = 0, *which = round.which;
    if (items == NULL || kept == NULL || which == NULL || round.rows == NULL ||
        round.groups == NULL || round.live == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < item_count; i++)
        items[i] = chunk->wide->columns[config->item_columns[i]];
    int status = find_live(self, chunk);
    if (status == WR_OK)
        status = part_rounds(self, chunk, which, &ends, &round_count);
    if (status == WR_OK && chunk->whole)
        status = run_whole(self, chunk, items);
    for (uint32_t r = 0, first = 0; r < round_count && status == WR_OK; r++) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        round.which = which + first;
        round.count = ends[r] - first;
        first = ends[r];
        for (uint32_t i = 0; i < round.count; i++) {
            const struct frames_ref *ref = &chunk->refs[round.which[i]];
            round.rows[i] = chunk->rows[round.which[i]];
            round.groups[i] = ref->group;
            round.live[i] = ref->live;
        }
        status = run_round(self, chunk, &round, items, kept);
        wr_arena_rewind(scratch, mark);
    }
    return status;
}
