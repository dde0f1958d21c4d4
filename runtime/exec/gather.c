/* gather.c: small batches of a stage with several inputs leave together. A gate lets rows of its
 * inputs go in turns, a few at a time, and what they give would go on in batches as small. While
 * the gate is pumped nothing is told a frontier, so that it does not matter to the stages behind
 * when they get them: they do before that. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "exec/gather.h"
#include "exec/unit.h"
#include "base/banned.h"

#define SMALL 2        /* a batch of more than a half of the most rows goes on as it is */
#define ROW_BYTES 512u /* of a row, for which there is room at once, at most */
#define ROWS_MIN UINT64_C(16)

void gather_init(struct unit *unit) {
    unsigned flags = unit->node->op == NULL ? 0 : unit->node->op->flags;
    /* Where a stage may want no more rows it says so at once, or more would be read. */
    unit->gathers = unit->gate != NULL && (flags & WR_OP_GATHERS) != 0 && !unit->run->may_stop;
}

/* Rows that go on together, at most. */
static uint32_t rows_max(const struct unit *unit) {
    const struct wr_op_env *env = &unit->run->op_env;
    return (uint32_t)WR_MIN(WR_MAX(env->batch_bytes / ROW_BYTES, ROWS_MIN),
                            (uint64_t)env->batch_rows);
}

static int has_long_texts(const struct wr_schema *schema, const struct wr_batch *batch) {
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (batch->columns[c].data != NULL && wr_type_is_text(schema->fields[c].type.kind))
            return 1;
    return 0;
}

/* Whether rows of `in` may stand behind those of `out`. */
static int fits(const struct unit *unit, const struct wr_batch *out, const struct wr_batch *in) {
    return wr_batch_facts_alike(out, in) && wr_batch_columns_alike(out, in) &&
           out->row_count + in->row_count <= rows_max(unit) &&
           out->parent_count < WR_BATCH_REFS_MAX;
}

static struct wr_batch *begin(const struct unit *unit, struct wr_batch_pool *pool,
                              const struct wr_batch *in) {
    struct wr_batch *out = wr_batch_new(pool, in->schema);
    uint32_t room = rows_max(unit);
    int complete = out != NULL;
    for (uint32_t c = 0; complete && c < in->schema->field_count; c++)
        if (in->columns[c].data != NULL)
            complete = wr_batch_column(out, c, room) != NULL;
    complete = complete && wr_batch_facts_room(out, in, room) == WR_OK;
    if (complete)
        return out;
    wr_batch_unref(out);
    return NULL;
}

static int is_small(const struct unit *unit, const struct wr_batch *batch) {
    return batch->sel == NULL && batch->origin.source == NULL && batch->origins == NULL &&
           batch->row_count <= rows_max(unit) / SMALL &&
           !wr_budget_is_tight(&unit->run->state_budget);
}

static int put(const struct unit *unit, struct wr_batch_pool *pool, struct wr_batch **gathered,
               struct wr_batch *batch) {
    if (*gathered == NULL)
        *gathered = begin(unit, pool, batch);
    int status = *gathered == NULL ? WR_ENOMEM : wr_batch_join(*gathered, batch);
    if (status == WR_OK && has_long_texts(batch->schema, batch))
        wr_batch_hold(*gathered, batch);
    wr_batch_unref(batch);
    return status == WR_OK ? WR_FLOW_MORE : status;
}

int gather_put(const struct unit *unit, struct wr_batch_pool *pool, struct wr_batch **gathered,
               struct wr_batch *batch, gather_emit_fn emit, void *ctx) {
    int small = is_small(unit, batch);
    if (*gathered != NULL && (!small || !fits(unit, *gathered, batch))) {
        struct wr_batch *out = *gathered;
        *gathered = NULL;
        int flow = emit(ctx, out);
        if (flow < 0) {
            wr_batch_unref(batch);
            return flow;
        }
    }
    return small ? put(unit, pool, gathered, batch) : emit(ctx, batch);
}

static int nobody_wants(const struct unit *unit) {
    for (uint32_t i = 0; i < unit->edge_count[WR_PORT_MAIN]; i++)
        if (!unit->edges[WR_PORT_MAIN][i].done)
            return 0;
    return 1;
}

static int emit_whole(void *ctx, struct wr_batch *batch) {
    return unit_emit_whole(ctx, WR_PORT_MAIN, batch);
}

int gather_flush(struct unit *unit) {
    struct wr_batch *out = unit->gathered;
    unit->gathered = NULL;
    return out == NULL ? WR_FLOW_MORE : emit_whole(unit, out);
}

int gather_emit(struct unit *unit, struct wr_batch *batch) {
    if (!nobody_wants(unit))
        return gather_put(unit, unit_pool(unit), &unit->gathered, batch, emit_whole, unit);
    int flow = gather_flush(unit);
    if (flow >= 0)
        return emit_whole(unit, batch);
    wr_batch_unref(batch);
    return flow;
}
