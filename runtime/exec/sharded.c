/* sharded.c: a keyed operator in several instances, stepped in a seeded order. Rows go to the
 * shard of their key's hash; what the shards emit is put back into one order, so the rows that
 * leave do not depend on the number of shards or on who was stepped first. */
#include <stddef.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "exec/unit.h"
#include "base/banned.h"

/* What one shard has emitted in this call. */
struct shard {
    struct wr_out out; /* first */
    struct sharded *sharded;
    struct wr_op *op;
    struct wr_op_env env;
    struct wr_arena scratch;
    uint32_t count[WR_PORTS_MAX], room[WR_PORTS_MAX];
    struct wr_batch **emitted[WR_PORTS_MAX];
    uint32_t head, at; /* while merging */
};

struct sharded {
    struct unit *unit;
    uint32_t shard_count;
    uint64_t order_state;
    struct shard shards[WR_SHARDS_MAX];
};

static int shard_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    struct shard *shard = (struct shard *)out;
    if (wr_grow(&wr_budget_control, (void **)&shard->emitted[port], shard->count[port],
                &shard->room[port], sizeof *shard->emitted[port]) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    shard->emitted[port][shard->count[port]++] = batch;
    return WR_FLOW_MORE;
}

static int shard_reject(struct wr_out *out, const struct wr_reject *reject) {
    struct unit *unit = ((struct shard *)out)->sharded->unit;
    return unit_reject(unit, reject);
}

int unit_op_new(struct unit *unit, struct wr_op_env *env, struct wr_op **made,
                struct wr_error *err) {
    const struct wr_node *node = unit->node;
    struct wr_op *op = wr_alloc_zero(&wr_budget_control, node->op->size_bytes);
    if (op == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for `%s`", node->name);
    op->type = node->op;
    op->config = node->config;
    op->schema = node->out.schema;
    op->env = env;
    op->needed = node->needed;
    op->node = node->id;
    op->observed = node->observed;
    op->keeps_origins = unit->asks_origins;
    *made = op;
    int status = node->op->open == NULL ? WR_OK : node->op->open(op, err);
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "stage %s", node->name);
}

void unit_op_free(struct wr_op *op) {
    if (op == NULL)
        return;
    if (op->type->close != NULL)
        op->type->close(op);
    wr_free(&wr_budget_control, op);
}

int sharded_new(struct sharded **made, struct unit *unit, struct wr_error *err) {
    struct wr_run *run = unit->run;
    struct sharded *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for shards");
    self->unit = unit;
    self->shard_count = run->options.shards;
    self->order_state = run->options.shard_order_seed;
    *made = self;
    for (uint32_t s = 0; s < self->shard_count; s++) {
        struct shard *shard = &self->shards[s];
        shard->sharded = self;
        shard->out = (struct wr_out){.emit = shard_emit, .reject = shard_reject};
        shard->env = run->op_env;
        shard->env.shard = s;
        shard->env.scratch = &shard->scratch;
        wr_arena_init(&shard->scratch, &run->state_budget, 1 << 18);
        int status = unit_op_new(unit, &shard->env, &shard->op, err);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

static void shard_forget(struct shard *shard) {
    for (int port = 0; port < WR_PORTS_MAX; port++) {
        for (uint32_t i = 0; i < shard->count[port]; i++)
            wr_batch_unref(shard->emitted[port][i]);
        shard->count[port] = 0;
    }
}

void sharded_free(struct sharded *sharded) {
    for (uint32_t s = 0; sharded != NULL && s < sharded->shard_count; s++) {
        struct shard *shard = &sharded->shards[s];
        shard_forget(shard);
        for (int port = 0; port < WR_PORTS_MAX; port++)
            wr_free(&wr_budget_control, shard->emitted[port]);
        unit_op_free(shard->op);
        wr_arena_release(&shard->scratch);
    }
    wr_free(&wr_budget_control, sharded);
}

/* The order in which the shards are stepped this time: a seeded rotation. */
static uint32_t first_shard(struct sharded *sharded) {
    sharded->order_state = wr_hash_u64(sharded->order_state, 1);
    return (uint32_t)(sharded->order_state % sharded->shard_count);
}

/* Rows of one input batch keep their order among themselves; fired rows go by the operator's
 * order. */
static int row_before(const struct sharded *sharded, int by_row, const struct shard *a,
                      enum wr_port port_a, const struct shard *b) {
    const struct wr_batch *x = a->emitted[port_a][a->head], *y = b->emitted[port_a][b->head];
    uint32_t row_x = wr_batch_row(x, a->at), row_y = wr_batch_row(y, b->at);
    if (by_row)
        return (x->cause == NULL ? row_x : x->cause[row_x]) <
               (y->cause == NULL ? row_y : y->cause[row_y]);
    return sharded->unit->node->op->compare(a->op, x, row_x, y, row_y) < 0;
}

static int emit_run(struct sharded *sharded, struct shard *shard, enum wr_port port,
                    uint32_t count) {
    struct wr_run *run = sharded->unit->run;
    struct wr_batch *batch = shard->emitted[port][shard->head];
    struct wr_batch *slice = wr_batch_part(&run->central_pool, batch, shard->at, count);
    if (slice == NULL)
        return WR_ENOMEM;
    shard->at += count;
    if (shard->at == batch->sel_count) {
        shard->head++;
        shard->at = 0;
    }
    return unit_emit(sharded->unit, port, slice);
}

static int merge_port(struct sharded *sharded, enum wr_port port, int by_row) {
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        sharded->shards[s].head = sharded->shards[s].at = 0;
    for (;;) {
        struct shard *best = NULL, *second = NULL;
        for (uint32_t s = 0; s < sharded->shard_count; s++) {
            struct shard *shard = &sharded->shards[s];
            if (shard->head == shard->count[port])
                continue;
            if (best == NULL || row_before(sharded, by_row, shard, port, best)) {
                second = best;
                best = shard;
            } else if (second == NULL || row_before(sharded, by_row, shard, port, second)) {
                second = shard;
            }
        }
        if (best == NULL)
            return WR_OK;
        const struct wr_batch *batch = best->emitted[port][best->head];
        uint32_t left = batch->sel_count - best->at, count = 1;
        struct shard probe = *best;
        for (probe.at = best->at + 1; count < left; count++, probe.at++)
            if (second != NULL && !row_before(sharded, by_row, &probe, port, second))
                break;
        int status = emit_run(sharded, best, port, count);
        if (status != WR_FLOW_MORE) /* a failure, or nobody wants more */
            return status;
    }
}

static int merge(struct sharded *sharded, int by_row) {
    int status = merge_port(sharded, WR_PORT_LATE, 1);
    if (status >= 0)
        status = merge_port(sharded, WR_PORT_MAIN, by_row);
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        shard_forget(&sharded->shards[s]);
    return status;
}

/* The rows of `batch` whose key belongs to shard `s`, or NULL when there are none. */
static int rows_of_shard(struct sharded *sharded, struct wr_batch *batch, const uint64_t *hashes,
                         uint32_t s, struct wr_batch **part) {
    struct wr_run *run = sharded->unit->run;
    uint32_t *sel = WR_ARENA_ARRAY(&run->scratch, uint32_t, batch->sel_count);
    if (sel == NULL)
        return WR_ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        sel[count] = wr_batch_row(batch, i);
        count += (hashes[i] >> 32) * sharded->shard_count >> 32 == s;
    }
    *part = count == 0 ? NULL : wr_batch_select(&run->central_pool, batch, sel, count);
    return count > 0 && *part == NULL ? WR_ENOMEM : WR_OK;
}

int sharded_push(struct sharded *sharded, uint32_t input, struct wr_batch *batch) {
    const struct wr_op_type *type = sharded->unit->node->op;
    struct wr_run *run = sharded->unit->run;
    uint64_t *hashes = WR_ARENA_ARRAY(&run->scratch, uint64_t, batch->sel_count);
    if (hashes == NULL)
        return WR_ENOMEM;
    struct wr_op *op = sharded->shards[0].op;
    int status = type->route_input != NULL ? type->route_input(op, input, batch, hashes)
                                           : type->route(op, batch, hashes);
    wr_arena_reset(&sharded->shards[0].scratch);
    uint32_t first = first_shard(sharded);
    for (uint32_t k = 0; k < sharded->shard_count && status >= 0; k++) {
        uint32_t s = (first + k) % sharded->shard_count;
        struct wr_batch *part = NULL;
        status = rows_of_shard(sharded, batch, hashes, s, &part);
        if (status < 0 || part == NULL)
            continue;
        struct shard *shard = &sharded->shards[s];
        shard->env.now_us = run->op_env.now_us;
        status = type->push(shard->op, input, part, &shard->out);
        wr_arena_reset(&shard->scratch);
        wr_batch_unref(part);
    }
    return status < 0 ? status : merge(sharded, 1);
}

/* What a firing does in a shard: the frontier advances, or the clock ticks. */
static int fire(struct shard *shard, int64_t frontier, int ticks) {
    const struct wr_op_type *type = shard->op->type;
    return ticks ? type->tick(shard->op, &shard->out)
                 : type->advance(shard->op, frontier, &shard->out);
}

static int fire_all(struct sharded *sharded, int64_t frontier, int ticks) {
    int status = WR_OK;
    uint32_t first = first_shard(sharded);
    for (uint32_t k = 0; k < sharded->shard_count && status >= 0; k++) {
        struct shard *shard = &sharded->shards[(first + k) % sharded->shard_count];
        shard->env.now_us = sharded->unit->run->op_env.now_us;
        status = fire(shard, frontier, ticks);
        wr_arena_reset(&shard->scratch);
    }
    return status < 0 ? status : merge(sharded, 0);
}

int sharded_advance(struct sharded *sharded, int64_t frontier) {
    return sharded->unit->node->op->advance == NULL ? WR_OK : fire_all(sharded, frontier, 0);
}

int sharded_tick(struct sharded *sharded) {
    return fire_all(sharded, WR_TIME_MIN, 1);
}

int64_t sharded_holds_back(const struct sharded *sharded, int64_t frontier) {
    const struct wr_op_type *type = sharded->unit->node->op;
    int64_t held = frontier;
    for (uint32_t s = 0; type->holds_back != NULL && s < sharded->shard_count; s++) {
        int64_t one = type->holds_back(sharded->shards[s].op, frontier);
        held = WR_MIN(held, one);
    }
    return held;
}

uint32_t sharded_count(const struct sharded *sharded) {
    return sharded->shard_count;
}

struct wr_op *sharded_op(const struct sharded *sharded, uint32_t shard) {
    return sharded->shards[shard].op;
}
