/* join_emit.c: rows that leave a join, from the rows of a batch and stored ones. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/join.h"
#include "base/banned.h"

/* Of each row that leaves, beside its columns; NULL: there are none. */
struct facts {
    int64_t *times, *weights, *behind;
    uint32_t *cause;
    uint64_t *replaced;
};

/* Whether each change has a row of the batch, and a value there. */
static int all_have(const struct wr_column *from, const struct join_change *changes,
                    uint32_t count) {
    int has = from->data != NULL;
    for (uint32_t i = 0; i < count && has; i++)
        has = changes[i].row >= 0 && !wr_column_is_nil(from, (uint32_t)changes[i].row);
    return has;
}

/* A column of rows of `in`; where a change has none it is nil. */
static int gather(const struct wr_column *from, uint32_t bytes, const struct join_change *changes,
                  uint32_t count, struct wr_arena *arena, struct wr_column *to) {
    if (bytes == 8 && all_have(from, changes, count)) {
        int64_t *words = WR_ARENA_ARRAY(arena, int64_t, count + 1);
        *to = (struct wr_column){.data = words};
        for (uint32_t i = 0; words != NULL && i < count; i++)
            words[i] = WR_I64(from)[changes[i].row];
        return words == NULL ? WR_ENOMEM : WR_OK;
    }
    char *data = wr_arena_alloc_zero(arena, (size_t)count * bytes + 1);
    uint64_t *valid = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    *to = (struct wr_column){.data = data, .valid = valid};
    for (uint32_t i = 0; i < count; i++) {
        int32_t row = changes[i].row;
        if (row < 0 || from->data == NULL || wr_column_is_nil(from, (uint32_t)row))
            continue;
        wr_bit_set(valid, i);
        memcpy(data + (size_t)i * bytes, (const char *)from->data + (size_t)row * bytes, bytes);
    }
    return WR_OK;
}

static int side_column(struct join *self, uint32_t of, uint32_t column, const struct wr_batch *in,
                       uint32_t side, const uint8_t *const *payloads,
                       const struct join_change *changes, uint32_t count, struct wr_arena *arena,
                       struct wr_column *to) {
    const struct join_config *config = self->base.config;
    if (of == side) {
        WR_ASSERT(self->kept[of][column] >= 0);
        return wr_payload_read(&self->sets[of].payload, (uint32_t)self->kept[of][column], payloads,
                               count, arena, to);
    }
    static const struct wr_column none;
    enum wr_type_kind kind = config->sides[of]->fields[column].type.kind;
    return gather(in == NULL ? &none : &in->columns[column], wr_type_bytes(kind), changes, count,
                  arena, to);
}

/* Where the left side is missing, a key is what the right one says. */
static int put_twin(const struct wr_column *twin, uint32_t bytes, uint32_t count,
                    struct wr_arena *arena, struct wr_column *to) {
    uint64_t *valid = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (valid == NULL)
        return WR_ENOMEM;
    char *data = to->data;
    for (uint32_t i = 0; i < count; i++) {
        int has = !wr_column_is_nil(to, i);
        if (!has && !wr_column_is_nil(twin, i)) {
            memcpy(data + (size_t)i * bytes, (const char *)twin->data + (size_t)i * bytes, bytes);
            has = 1;
        }
        wr_bit_put(valid, i, has);
    }
    to->valid = valid;
    return WR_OK;
}

static int window_column(const struct join_config *config, const struct join_change *changes,
                         uint32_t count, int is_end, struct wr_batch *batch, uint32_t column) {
    int64_t *data = wr_batch_column(batch, column, count);
    for (uint32_t i = 0; data != NULL && i < count; i++)
        data[i] = is_end ? window_end(&config->window, changes[i].mark)
                         : window_start(&config->window, changes[i].mark);
    return data == NULL ? WR_ENOMEM : WR_OK;
}

int join_fill(struct join *self, const struct join_columns *columns, const uint64_t *wanted,
              struct wr_batch *batch, const struct wr_batch *in, uint32_t side,
              const struct join_change *changes, uint32_t count) {
    const struct join_config *config = self->base.config;
    const uint8_t **payloads = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count + 1);
    if (payloads == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        payloads[i] = changes[i].stored == NULL
                          ? NULL
                          : wr_rowset_payload(&self->sets[side], changes[i].stored);
    int status = WR_OK;
    for (uint32_t c = 0; c < columns->schema->field_count && status == WR_OK; c++) {
        const struct join_column *item = &columns->items[c];
        if (!wr_bit_get(wanted, c))
            continue;
        if (item->from >= JOIN_WINDOW_START) {
            status = window_column(config, changes, count, item->from == JOIN_WINDOW_END, batch, c);
            continue;
        }
        struct wr_column twin, *to = &batch->columns[c];
        uint32_t bytes = wr_type_bytes(columns->schema->fields[c].type.kind);
        status = side_column(self, item->from, item->column, in, side, payloads, changes, count,
                             &batch->arena, to);
        if (status == WR_OK && item->twin >= 0)
            status = side_column(self, 1, (uint32_t)item->twin, in, side, payloads, changes, count,
                                 &batch->arena, &twin);
        if (status == WR_OK && item->twin >= 0)
            status = put_twin(&twin, bytes, count, &batch->arena, to);
    }
    return status;
}

/* Whether rows that the stage gives are taken back, and whether a new one then stands behind. */
static int has_weights(const struct join_config *config) {
    return config->update || config->updates[0] || config->updates[1];
}
static int has_updates(const struct join_config *config) {
    return config->updates[0] || config->updates[1];
}

/* Room for the facts that rows have here. */
static int facts_room(const struct join_config *config, struct wr_batch *batch,
                      const struct wr_batch *in, uint32_t count, struct facts *facts) {
    struct wr_arena *arena = &batch->arena;
    int is_told = config->timed && in != NULL && in->behind != NULL, complete = 1;
    if (config->timed)
        complete &= (facts->times = WR_ARENA_ARRAY(arena, int64_t, count)) != NULL;
    if (has_weights(config))
        complete &= (facts->weights = WR_ARENA_ARRAY(arena, int64_t, count)) != NULL;
    if (is_told)
        complete &= (facts->behind = WR_ARENA_ARRAY(arena, int64_t, count)) != NULL;
    if (in != NULL)
        complete &= (facts->cause = WR_ARENA_ARRAY(arena, uint32_t, count)) != NULL;
    if (has_updates(config))
        complete &=
            (facts->replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1)) != NULL;
    return complete ? WR_OK : WR_ENOMEM;
}

/* Times, weights and causes of the changes. */
static int put_facts(struct join *self, struct wr_batch *batch, const struct wr_batch *in,
                     const struct join_change *changes, uint32_t count) {
    const struct join_config *config = self->base.config;
    struct facts facts = {NULL};
    if (facts_room(config, batch, in, count, &facts) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; facts.times != NULL && i < count; i++)
        facts.times[i] = changes[i].time_us;
    for (uint32_t i = 0; facts.weights != NULL && i < count; i++)
        facts.weights[i] = changes[i].weight;
    for (uint32_t i = 0; facts.cause != NULL && i < count; i++)
        facts.cause[i] = changes[i].cause;
    for (uint32_t i = 0; facts.replaced != NULL && i < count; i++)
        wr_bit_put(facts.replaced, i, changes[i].replaced);
    for (uint32_t i = 0; facts.behind != NULL && i < count; i++)
        facts.behind[i] = wr_time_add(in->behind[facts.cause[i]], -config->lag_us);
    batch->event_time = facts.times;
    batch->weight = facts.weights;
    batch->replaced = facts.replaced;
    batch->cause = facts.cause;
    batch->behind = facts.behind;
    if (batch->weight == NULL || in == NULL || !config->timed)
        return WR_OK;
    return wr_op_set_changed(batch, in, facts.times, count); /* a pair: the later of its rows */
}

int join_emit(struct join *self, struct wr_batch *in, uint32_t side,
              const struct join_change *changes, uint32_t count, struct wr_out *out) {
    const struct join_config *config = self->base.config;
    if (count == 0)
        return WR_FLOW_MORE;
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, config->result.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = count;
    batch->frontier = WR_TIME_MIN;
    int status =
        join_fill(self, &config->result, self->base.needed, batch, in, side, changes, count);
    if (status == WR_OK)
        status = put_facts(self, batch, in, changes, count);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    if (in != NULL)
        wr_batch_hold(batch, in);
    return out->emit(out, WR_PORT_MAIN, batch);
}
