/* sample.c: a part of the rows, chosen by a hash of the place of each in its source, so that every
 * run chooses the same ones. State: none. */
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

struct sample_config {
    uint64_t below; /* hashes below this are chosen */
    uint64_t seed;
    int all;
};

static int sample_bind(struct wr_bind *bind, struct wr_error *err) {
    struct sample_config *config = WR_ARENA_ZEROS(bind->arena, struct sample_config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (bind->inputs[0]->updates) {
        wr_error_script(err, "W305", "`sample` does not take updates");
        wr_error_help(err,
                      "choose keys: `:filter \"hash64(user) %% 10 == 0\"`; or add `:changes()`");
        return WR_ESCRIPT;
    }
    const struct wr_value *fraction = wr_value_get(bind->spec, "fraction");
    double part = fraction != NULL && fraction->kind == WR_VALUE_FLOAT
                      ? fraction->number
                      : (double)wr_value_int(bind->spec, "fraction", 1);
    config->all = part >= 1;
    config->below = config->all ? 0 : (uint64_t)(part * 18446744073709551616.0);
    config->seed = (uint64_t)wr_value_int(bind->spec, "seed", 0);
    bind->config = config;
    return WR_OK;
}

static void sample_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                         const uint64_t *wanted, uint64_t *columns) {
    (void)config;
    (void)input_number;
    for (uint32_t w = 0; w < WR_BITS_WORDS(input->schema->field_count + WR_HIDDEN_COUNT); w++)
        columns[w] |= wanted[w];
}

/* The numbers of rows that stages made count too: they are the same in every run. */
static uint64_t hash_of(const struct wr_batch *in, uint32_t row, uint64_t seed) {
    uint64_t hash = wr_hash_u64(in->source, seed);
    hash = wr_hash_join(hash, in->partition);
    return wr_hash_join(hash, wr_origin_record(&in->origin, row));
}

static int sample_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    const struct sample_config *config = op->config;
    uint32_t *sel = WR_ARENA_ARRAY(op->env->scratch, uint32_t, in->sel_count + 1), count = 0;
    if (sel == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < in->sel_count; i++) {
        sel[count] = wr_batch_row(in, i);
        count += config->all || hash_of(in, sel[count], config->seed) < config->below;
    }
    if (count == 0)
        return WR_FLOW_MORE;
    struct wr_batch *kept = wr_batch_select(op->env->pool, in, sel, count);
    return kept == NULL ? WR_ENOMEM : out->emit(out, WR_PORT_MAIN, kept);
}

const struct wr_op_type wr_op_sample = {
    .name = "sample",
    .size_bytes = sizeof(struct wr_op),
    .flags = WR_OP_ROW_BY_ROW | WR_OP_NEVER_REJECTS,
    .bind = sample_bind,
    .needs = sample_needs,
    .push = sample_push,
};
