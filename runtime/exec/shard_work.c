/* shard_work.c: what one shard does with the messages that it gets. */
#include <stddef.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "exec/gather.h"
#include "exec/memory.h"
#include "exec/shards.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "state/apart.h"
#include "base/banned.h"

static int keep(struct shard *shard, enum wr_port port, struct wr_batch *batch) {
    struct shard_result *result = shard->result;
    if (wr_grow(&wr_budget_control, (void **)&result->emitted[port], result->count[port],
                &result->room[port], sizeof *result->emitted[port]) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    result->emitted[port][result->count[port]++] = batch;
    result->bytes += port == WR_PORT_MAIN ? wr_arena_bytes(&batch->arena) : 0;
    return WR_FLOW_MORE;
}

static int keep_main(void *ctx, struct wr_batch *batch) {
    return keep(ctx, WR_PORT_MAIN, batch);
}

int shard_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    struct shard *shard = (struct shard *)out;
    struct unit *unit = shard->sharded->unit;
    if (shard->is_direct) {
        int flow = unit_emit(unit, port, batch);
        out->is_full = shard->sharded->workers != NULL && unit_waits_for_room(unit);
        return flow;
    }
    int gathers = unit->gathers && port == WR_PORT_MAIN && shard->sharded->shard_count == 1;
    int flow = gathers
                   ? gather_put(unit, shard->env.pool, &shard->gathered, batch, keep_main, shard)
                   : keep(shard, port, batch);
    out->is_full =
        !memory_has_room(unit->run) || shard->result->bytes >= memory_results_bytes(unit->run);
    return flow;
}

int shard_keep_gathered(struct shard *shard) {
    struct wr_batch *batch = shard->gathered;
    shard->gathered = NULL;
    return batch == NULL ? WR_OK : keep(shard, WR_PORT_MAIN, batch);
}

int shard_reject(struct wr_out *out, const struct wr_reject *reject) {
    const struct shard *shard = (const struct shard *)out;
    return shard->is_direct ? unit_reject(shard->sharded->unit, reject)
                            : wr_held_rejects_add(&shard->result->rejects, reject);
}

static int work(struct shard *shard, const struct message *message) {
    const struct wr_op_type *type = shard->op->type;
    struct shard_result *result = shard->result;
    shard->env.now_us = message->now_us;
    shard->out.is_full = 0;
    switch (message->kind) {
    case MESSAGE_ROWS:
        return result->part == NULL
                   ? WR_OK
                   : unit_op_push(shard->op, message->input, result->part, &shard->out);
    case MESSAGE_TICK: return unit_op_outcome(shard->op, type->tick(shard->op, &shard->out));
    case MESSAGE_FRONTIER: break;
    }
    int status = WR_OK;
    if (type->advance != NULL && message->has_moved)
        status = unit_op_advance(shard->op, message->frontier, &shard->out);
    if (!shard->is_pulled)
        status = unit_op_give_all(shard->op, status, &shard->out);
    result->held = type->holds_back == NULL ? message->frontier
                                            : type->holds_back(shard->op, message->frontier);
    return status;
}

void shard_work_on(struct shard *shard, struct message *message, int more) {
    int is_rows = message->kind == MESSAGE_ROWS;
    shard->result = &message->results[shard->number];
    int status = is_rows || shard->failed != WR_OK ? shard->failed : shard_keep_gathered(shard);
    if (status >= 0)
        status = work(shard, message);
    shard->result->has_more = status == WR_FLOW_MORE && shard->op->has_more;
    shard->result->is_open = shard->result->has_more;
    if (status >= 0 && (!more || !is_rows) && !shard->result->has_more)
        status = shard_keep_gathered(shard);
    shard->failed = WR_MIN(status, WR_OK);
    shard->result->status = shard->failed;
    wr_arena_reset(&shard->scratch);
}

uint32_t shards_dice(struct sharded *sharded, uint32_t limit) {
    sharded->order_state = wr_hash_u64(sharded->order_state, 1);
    return (uint32_t)(sharded->order_state % limit);
}

int shards_are_full(const struct sharded *sharded) {
    int is_full = !memory_has_room(sharded->unit->run);
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        is_full |= sharded->shards[s].is_open;
    return is_full && sharded->first != NULL && sharded->first->left == 0;
}

int shard_may_go_on(const struct shard *shard) {
    const struct sharded *sharded = shard->sharded;
    return !sharded->is_halted && !shard->is_open &&
           (shard->next == sharded->first || memory_has_room(sharded->unit->run));
}

/* Rows that were worked on are not kept until their turn comes, where there is no room. */
static void let_go(struct shard *shard, struct message *message) {
    struct shard_result *result = &message->results[shard->number];
    if (memory_has_room(shard->sharded->unit->run))
        return;
    wr_batch_unref(result->part);
    result->part = NULL;
}

void shard_run(struct wr_task *task) {
    struct shard *shard = (struct shard *)((char *)task - offsetof(struct shard, task));
    struct sharded *sharded = shard->sharded;
    wr_workers_lock(sharded->workers);
    uint32_t most = sharded->shuffles ? 1 + shards_dice(sharded, 3) : UINT32_MAX;
    struct message *message = shard->next;
    for (; message != NULL && most > 0 && shard_may_go_on(shard); message = shard->next, most--) {
        int more = message->next != NULL && most > 1;
        wr_workers_unlock(sharded->workers);
        shard_work_on(shard, message, more);
        let_go(shard, message);
        int spills = shard->op->apart != NULL && wr_apart_spilled_bytes(shard->op->apart) > 0;
        wr_workers_lock(sharded->workers);
        sharded->spills |= (uint8_t)spills;
        shard->is_open = message->results[shard->number].is_open;
        shard->next = message->next;
        if (--message->left > 0)
            continue;
        sharded->undone_rows -= message->row_count;
        sharded->undone_count--;
        if ((int64_t)sharded->undone_rows <= sharded->awaited_rows &&
            (int64_t)sharded->undone_count <= sharded->awaited_count)
            wr_workers_wake(sharded->workers);
    }
    if (message != NULL && shard_may_go_on(shard)) {
        wr_workers_add(sharded->workers, &shard->task);
    } else {
        if (message == NULL)
            shard->waiting_rows = shard->waiting_count = 0;
        shard->is_queued = 0;
        sharded->has_stopped |= message != NULL;
        if (sharded->has_stopped || sharded->is_halted)
            wr_workers_wake(sharded->workers);
    }
    wr_workers_unlock(sharded->workers);
}
