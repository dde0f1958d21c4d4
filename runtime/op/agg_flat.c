/* agg_flat.c: changes of groups whose results can be told from their rows of state alone, with
 * nothing outside of them that a later row would change: counts, sums, extremes, sets that count.
 * Then a copy of the row is what a group was, and results before and after are made together: an
 * old row, the new one next to it, which is how a changelog has them. */
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/status.h"
#include "data/order.h"
#include "op/agg_update.h"
#include "state/alike.h"
#include "base/banned.h"

#define COPY_BYTES_MAX (1u << 20) /* of rows of state that are copied at a time */

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

uint32_t agg_flat_rows_max(const struct agg *self) {
    uint32_t rows = COPY_BYTES_MAX / config_of(self)->aggregates->shape.row_bytes;
    return WR_MAX(rows, 1u);
}

int agg_touched_init(struct agg_touched *touched, struct wr_arena *scratch, uint32_t room) {
    *touched = (struct agg_touched){.old = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1),
                                    .now = WR_ARENA_ARRAY(scratch, uint8_t *, room + 1),
                                    .spans = WR_ARENA_ARRAY(scratch, struct agg_span, room + 1),
                                    .cause = WR_ARENA_ARRAY(scratch, uint32_t, room + 1)};
    return touched->old == NULL || touched->now == NULL || touched->spans == NULL ||
                   touched->cause == NULL
               ? WR_ENOMEM
               : WR_OK;
}

int agg_touched_keep(const struct agg *self, struct agg_touched *touched) {
    uint32_t bytes = config_of(self)->aggregates->shape.row_bytes;
    uint8_t *copies = wr_arena_alloc(self->base.env->scratch, (size_t)touched->count * bytes + 8);
    if (copies == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < touched->count; i++, copies += bytes) {
        if (touched->old[i] == NULL || !agg_is_live(self, touched->old[i])) {
            touched->old[i] = NULL;
            continue;
        }
        memcpy(copies, touched->old[i], bytes);
        touched->old[i] = copies;
    }
    return WR_OK;
}

/* ---- telling ---- */

/* Results of some touched groups: rows of one batch. */
struct told {
    uint32_t count;
    uint8_t **states;
    struct agg_span *spans;
    uint32_t *of; /* which of the touched */
    uint8_t *is_old, *is_good;
    uint32_t *updates, update_count; /* old rows whose next row is the new one */
};

static int told_init(struct told *told, struct wr_arena *scratch, uint32_t room) {
    *told = (struct told){.states = WR_ARENA_ARRAY(scratch, uint8_t *, room),
                          .spans = WR_ARENA_ARRAY(scratch, struct agg_span, room),
                          .of = WR_ARENA_ARRAY(scratch, uint32_t, room),
                          .is_old = WR_ARENA_ARRAY(scratch, uint8_t, room),
                          .is_good = WR_ARENA_ARRAY(scratch, uint8_t, room),
                          .updates = WR_ARENA_ARRAY(scratch, uint32_t, room)};
    return told->states == NULL || told->spans == NULL || told->of == NULL ||
                   told->is_old == NULL || told->is_good == NULL || told->updates == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static void told_add(struct told *told, const struct agg_touched *touched, uint32_t i, int is_old) {
    uint32_t at = told->count++;
    told->states[at] = is_old ? touched->old[i] : touched->now[i];
    told->spans[at] = touched->spans[i];
    told->of[at] = i;
    told->is_old[at] = (uint8_t)is_old;
}

/* Of `updates`, those whose rows are equal in column `c` are left; how many. */
static uint32_t still_equal(const struct wr_batch *batch, uint32_t c, uint32_t *updates,
                            uint32_t count) {
    const struct wr_type *type = &batch->schema->fields[c].type;
    const struct wr_column *column = &batch->columns[c];
    const int64_t *words = WR_I64(column);
    int plain = column->valid == NULL && (type->kind == WR_INT64 || type->kind == WR_TIMESTAMP);
    uint32_t left = 0;
    for (uint32_t u = 0; u < count; u++) {
        uint32_t row = updates[u];
        updates[left] = row;
        left += plain ? words[row] == words[row + 1]
                      : wr_cell_compare(type, column, row, column, row + 1) == 0;
    }
    return left;
}

/* The selection of rows that say something: an update to what was there already is none. */
static int drop_unchanged(const struct agg *self, struct wr_batch *batch, struct told *told) {
    const struct agg_config *config = config_of(self);
    uint32_t lead = (config->windowed ? 2u : 0u) + config->aggregates->key_count;
    uint32_t left = told->update_count;
    for (uint32_t c = lead; c < batch->schema->field_count && left > 0; c++)
        left = still_equal(batch, c, told->updates, left);
    if (left == 0)
        return WR_OK;
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, told->count + 1), count = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    for (uint32_t row = 0, u = 0; row < told->count; row++) {
        if (u < left && told->updates[u] == row) {
            u++;
            row++;
            continue;
        }
        sel[count++] = row;
    }
    batch->sel = sel;
    batch->sel_count = count;
    return WR_OK;
}

/* What stands beside the rows of a changelog. */
static int set_facts(const struct agg *self, struct wr_batch *batch, const struct told *told,
                     const uint32_t *cause, const struct wr_batch *in) {
    const struct agg_config *config = config_of(self);
    struct wr_arena *arena = &batch->arena;
    uint32_t count = told->count;
    uint64_t *replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    int64_t *weights = WR_ARENA_ARRAY(arena, int64_t, 3 * (size_t)count);
    uint32_t *causes = WR_ARENA_ARRAY(arena, uint32_t, count);
    if (replaced == NULL || weights == NULL || causes == NULL)
        return WR_ENOMEM;
    int64_t *times = weights + count, *behind = times + count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = causes[i] = cause[told->of[i]];
        weights[i] = told->is_old[i] ? -1 : 1;
        times[i] = config->windowed         ? window_result_time(told->spans[i].end)
                   : in->event_time != NULL ? in->event_time[row]
                                            : 0;
        behind[i] = in->behind == NULL ? WR_TIME_MIN : in->behind[row];
    }
    for (uint32_t u = 0; u < told->update_count; u++)
        wr_bit_set(replaced, told->updates[u]);
    batch->cause = causes;
    if (config->changes) {
        batch->weight = weights;
        batch->replaced = replaced;
    }
    if ((config->windowed && config->has_time) || in->event_time != NULL)
        batch->event_time = times;
    if (in->behind != NULL)
        batch->behind = behind;
    return WR_OK;
}

/* A result failed: the old ones and the new ones apart, so that only a new one is a reject. */
static int tell_apart(struct agg *self, const struct agg_touched *touched, uint32_t first,
                      uint32_t count, const struct wr_batch *in, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct agg_change *changes = WR_ARENA_ARRAY(scratch, struct agg_change, count);
    struct wr_batch *results[2] = {NULL, NULL};
    int status = changes == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        changes[i] = (struct agg_change){.old_row = -1,
                                         .new_row = -1,
                                         .old_end = touched->spans[first + i].end,
                                         .new_end = touched->spans[first + i].end,
                                         .cause = touched->cause[first + i]};
    for (int is_old = 1; is_old >= 0 && status == WR_OK; is_old--) {
        struct told told;
        status = told_init(&told, scratch, count);
        for (uint32_t i = first; i < first + count && status == WR_OK; i++)
            if ((is_old ? touched->old : touched->now)[i] != NULL)
                told_add(&told, touched, i, is_old);
        if (status == WR_OK)
            status = agg_results(self, told.states, told.spans, told.count, is_old ? NULL : out,
                                 &results[!is_old], told.is_good);
        for (uint32_t i = 0; i < told.count && status == WR_OK; i++) {
            struct agg_change *change = &changes[told.of[i] - first];
            *(is_old ? &change->old_row : &change->new_row) = told.is_good[i] ? (int32_t)i : -1;
        }
    }
    if (status == WR_OK)
        status = agg_emit_changes(self, changes, count, results[0], results[1], in, out);
    wr_batch_unref(results[0]);
    wr_batch_unref(results[1]);
    return status;
}

/* Touched first … first + count - 1. */
static int tell_some(struct agg *self, const struct agg_touched *touched, uint32_t first,
                     uint32_t count, const struct wr_batch *in, struct wr_out *out) {
    struct told told;
    if (told_init(&told, self->base.env->scratch, 2 * count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = first; i < first + count; i++) {
        if (touched->old[i] != NULL && touched->now[i] != NULL)
            told.updates[told.update_count++] = told.count;
        if (touched->old[i] != NULL)
            told_add(&told, touched, i, 1);
        if (touched->now[i] != NULL)
            told_add(&told, touched, i, 0);
    }
    if (told.count == 0)
        return WR_OK;
    struct wr_batch *batch = NULL;
    int status = agg_results(self, told.states, told.spans, told.count, NULL, &batch, told.is_good);
    if (status == WR_OK && memchr(told.is_good, 0, told.count) != NULL) {
        wr_batch_unref(batch);
        return tell_apart(self, touched, first, count, in, out);
    }
    if (status == WR_OK)
        status = set_facts(self, batch, &told, touched->cause, in);
    if (status == WR_OK)
        status = drop_unchanged(self, batch, &told);
    if (status == WR_OK && batch->sel_count > 0)
        return out->emit(out, WR_PORT_MAIN, batch);
    wr_batch_unref(batch);
    return status;
}

int agg_tell(struct agg *self, const struct agg_touched *touched, const struct wr_batch *in,
             struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t step = WR_MAX(self->base.env->batch_rows / 2, 1u);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0; first < touched->count && flow == WR_FLOW_MORE; first += step) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        flow = tell_some(self, touched, first, WR_MIN(step, touched->count - first), in, out);
        wr_arena_rewind(scratch, mark);
    }
    return flow;
}

/* ---- rows without a window, of which none is taken back ---- */

/* Rows first … first + count - 1 of the selection of what is pushed, and their groups. */
struct taken {
    struct wr_batch *in;
    struct wr_table *table;
    uint32_t count;
    uint32_t *rows; /* physical */
    uint8_t **states;
    uint8_t *made;
    uint32_t *before; /* the row before of the same group, or WR_ALIKE_NONE */
};

static int taken_init(struct taken *taken, struct wr_arena *scratch, struct wr_batch *in,
                      const uint32_t *sel, uint32_t first, uint32_t count) {
    *taken = (struct taken){.in = in,
                            .count = count,
                            .rows = WR_ARENA_ARRAY(scratch, uint32_t, count),
                            .states = WR_ARENA_ARRAY(scratch, uint8_t *, count),
                            .made = WR_ARENA_ZEROS(scratch, uint8_t, count),
                            .before = WR_ARENA_ARRAY(scratch, uint32_t, count)};
    if (taken->rows == NULL || taken->states == NULL || taken->made == NULL ||
        taken->before == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        taken->rows[i] = sel == NULL ? first + i : sel[first + i];
    return WR_OK;
}

/* What all rows did to each group. */
static int take_netted(struct agg *self, const struct taken *taken, struct wr_out *out) {
    struct agg_touched touched;
    if (agg_touched_init(&touched, self->base.env->scratch, taken->count) != WR_OK)
        return WR_ENOMEM;
    struct agg_span span = agg_span_of(self, 0);
    for (uint32_t i = 0; i < taken->count; i++) {
        uint32_t at = touched.count;
        touched.count += taken->before[i] == WR_ALIKE_NONE;
        touched.old[at] = taken->made[i] ? NULL : taken->states[i];
        touched.now[at] = taken->states[i];
        touched.spans[at] = span;
        touched.cause[at] = taken->rows[i];
    }
    int status = agg_touched_keep(self, &touched);
    if (status == WR_OK)
        status = wr_aggregates_add(config_of(self)->aggregates, &self->inputs_eval, taken->table,
                                   taken->states, taken->in, taken->rows, taken->count);
    return status == WR_OK ? agg_tell(self, &touched, taken->in, out) : status;
}

/* The rows in rounds: in the first those that are the first of their group, and so on. `order`: the
 * rows, round by round; `ends`: where each ends; *count of them. */
static int find_rounds(const struct taken *taken, struct wr_arena *scratch, uint32_t **order,
                       uint32_t **ends, uint32_t *count) {
    uint32_t *round = WR_ARENA_ARRAY(scratch, uint32_t, taken->count);
    *order = WR_ARENA_ARRAY(scratch, uint32_t, taken->count);
    *ends = WR_ARENA_ZEROS(scratch, uint32_t, taken->count + 1);
    *count = 0;
    if (round == NULL || *order == NULL || *ends == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < taken->count; i++) {
        round[i] = taken->before[i] == WR_ALIKE_NONE ? 0 : round[taken->before[i]] + 1;
        (*ends)[round[i] + 1]++;
        *count = WR_MAX(*count, round[i] + 1);
    }
    for (uint32_t r = 0; r < *count; r++)
        (*ends)[r + 1] += (*ends)[r];
    for (uint32_t i = 0; i < taken->count; i++)
        (*order)[(*ends)[round[i]]++] = i; /* then each is where the next one began */
    return WR_OK;
}

/* What each row did: of a round, no two rows are of one group, so it is added at once; the states
 * after it are copied, and are those before the next. */
static int take_each(struct agg *self, const struct taken *taken, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t bytes = config_of(self)->aggregates->shape.row_bytes, count = taken->count;
    uint32_t *order, *ends, round_count;
    uint8_t *copies = wr_arena_alloc(scratch, (size_t)count * bytes + 8);
    uint8_t **states = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    uint32_t *rows = WR_ARENA_ARRAY(scratch, uint32_t, count);
    struct agg_touched touched;
    if (copies == NULL || states == NULL || rows == NULL ||
        agg_touched_init(&touched, scratch, count) != WR_OK ||
        find_rounds(taken, scratch, &order, &ends, &round_count) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        int has_old = taken->before[i] == WR_ALIKE_NONE && !taken->made[i];
        touched.old[i] = has_old ? taken->states[i] : NULL;
        touched.now[i] = copies + (size_t)i * bytes;
        touched.spans[i] = agg_span_of(self, 0);
        touched.cause[i] = taken->rows[i];
    }
    touched.count = count;
    int status = agg_touched_keep(self, &touched);
    for (uint32_t r = 0, first = 0; r < round_count && status == WR_OK; first = ends[r++]) {
        uint32_t n = ends[r] - first;
        for (uint32_t k = 0; k < n; k++) {
            states[k] = taken->states[order[first + k]];
            rows[k] = taken->rows[order[first + k]];
        }
        status = wr_aggregates_add(config_of(self)->aggregates, &self->inputs_eval, taken->table,
                                   states, taken->in, rows, n);
        for (uint32_t k = 0; k < n; k++)
            memcpy(touched.now[order[first + k]], states[k], bytes);
    }
    for (uint32_t i = 0; i < count; i++)
        if (taken->before[i] != WR_ALIKE_NONE)
            touched.old[i] = touched.now[taken->before[i]];
    return status == WR_OK ? agg_tell(self, &touched, taken->in, out) : status;
}

static int take_part(struct agg *self, struct taken *taken, const char *keys,
                     const uint64_t *hashes, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int one_group = config_of(self)->aggregates->key_count == 0;
    taken->table = wr_slices_at(&self->slices, 0);
    if (taken->table == NULL)
        return WR_ENOMEM;
    int status = wr_table_upsert_alike(taken->table, keys, hashes, one_group ? 1 : taken->count,
                                       scratch, taken->states, taken->made, taken->before);
    for (uint32_t i = 1; one_group && i < taken->count; i++) {
        taken->states[i] = taken->states[0];
        taken->before[i] = i - 1;
    }
    if (status != WR_OK)
        return status;
    return self->base.observed ? take_each(self, taken, out) : take_netted(self, taken, out);
}

int agg_flat_push(struct agg *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                  const char *keys, const uint64_t *hashes, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t step = agg_flat_rows_max(self);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0; first < count && flow == WR_FLOW_MORE; first += step) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct taken taken;
        flow = taken_init(&taken, scratch, in, sel, first, WR_MIN(step, count - first));
        if (flow == WR_OK)
            flow = take_part(self, &taken, agg_key_at(self, keys, first),
                             &hashes[config_of(self)->aggregates->key_count == 0 ? 0 : first], out);
        wr_arena_rewind(scratch, mark);
    }
    return flow;
}
