/* threads.c: which shards are worked on in other threads, and the wait for them. */
#include "base/alloc.h"
#include "base/status.h"
#include "base/workers.h"
#include "exec/ahead.h"
#include "exec/gate.h"
#include "exec/reject_log.h"
#include "exec/sharded.h"
#include "exec/step.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "base/banned.h"

/* Batches that a pool keeps: so many may be on their way. */
#define BATCHES_KEPT 512u

/* What idle batches of one take: all of them together keep as much as another pool. */
static uint64_t idle_bytes_max(const struct wr_run *run) {
    const struct wr_plan *plan = run->plan;
    uint64_t keyed = 0, all = run->central_pool.idle_bytes_max;
    for (uint32_t i = 0; i < plan->node_count; i++)
        keyed += plan->nodes[i]->op != NULL && (plan->nodes[i]->op->flags & WR_OP_KEYED);
    return WR_MAX(all / WR_MAX(keyed * run->options.shards, UINT64_C(1)), UINT64_C(1));
}

struct wr_batch_pool *shard_pool_new(struct wr_run *run) {
    struct shard_pool *made = wr_alloc_zero(&wr_budget_control, sizeof *made);
    if (made == NULL)
        return NULL;
    wr_batch_pool_init(&made->pool, &run->state_budget);
    made->pool.idle_bytes_max = idle_bytes_max(run);
    made->pool.home = &run->central_pool;
    made->next = run->shard_pools;
    run->shard_pools = made;
    return &made->pool;
}

void shard_pools_free(struct wr_run *run) {
    while (run->shard_pools != NULL) {
        struct shard_pool *first = run->shard_pools;
        run->shard_pools = first->next;
        wr_batch_pool_release(&first->pool);
        wr_free(&wr_budget_control, first);
    }
}

/* Where a stage from a unit on puts rows of several ways into an order that knows only what has
 * come, what stands before it may not come later. Units stand behind those that feed them. */
static void find_orders_by_arrival(struct wr_run *run) {
    for (uint32_t i = run->unit_count; i-- > 0;) {
        struct unit *unit = run->units[i];
        unit->comes_in_time = unit->gate != NULL && gate_is_by_offset(unit->gate);
        for (int port = 0; port < WR_PORTS_MAX; port++)
            for (uint32_t e = 0; e < unit->edge_count[port]; e++)
                unit->comes_in_time |= unit->edges[port][e].to->comes_in_time;
    }
}

static int pool_of(struct wr_run *run, struct wr_workers **workers) {
    int status = run->workers != NULL
                     ? WR_OK
                     : wr_workers_new(&run->workers, &wr_budget_control, run->options.workers);
    *workers = run->workers;
    return status;
}

/* Where a stage may stop its input, it is asked after each batch; what is measured is measured
 * alone. */
static int has_threads(const struct wr_run *run) {
    return (run->options.workers > 1 || run_is_drawn(run)) && !run->options.measures &&
           !run->may_stop;
}

int threads_may_help(const struct wr_run *run) {
    const struct wr_plan *plan = run->plan; /* Lua has one state, which is the run's */
    return has_threads(run) && plan->user_function_count == 0 && plan->user_aggregate_count == 0;
}

static int shards_init(struct wr_run *run) {
    struct wr_workers *workers;
    int any = 0;
    if (!threads_may_help(run))
        return WR_OK;
    find_orders_by_arrival(run);
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->sharded == NULL || unit->comes_in_time)
            continue;
        if (pool_of(run, &workers) != WR_OK)
            return WR_ENOMEM;
        sharded_use_workers(unit->sharded, workers, run_is_drawn(run));
        any = 1;
    }
    if (any)
        reject_log_expect_later(run->rejects);
    return WR_OK;
}

/* Sources that end and never wait for anything: several threads read one, or one reads it ahead. */
static int sources_init(struct wr_run *run) {
    struct wr_workers *workers;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->source == NULL || !unit->source->type->reads_ahead || unit->ended ||
            unit->range != NULL || !unit->node->out.bounded)
            continue;
        if (pool_of(run, &workers) != WR_OK)
            return WR_ENOMEM;
        const struct wr_source_type *type = unit->source->type;
        int status =
            type->use_workers == NULL ? WR_EREFUSED : type->use_workers(unit->source, workers);
        if (status == WR_EREFUSED)
            status = ahead_new(unit, workers);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

int threads_init(struct wr_run *run, struct wr_error *err) {
    if (!has_threads(run))
        return WR_OK;
    if (shards_init(run) != WR_OK || sources_init(run) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for %u threads", run->options.workers);
    if (run->workers != NULL)
        run->pool.idle_max = run->central_pool.idle_max = BATCHES_KEPT;
    return WR_OK;
}

int run_is_ahead(const struct wr_run *run) {
    int is_ahead = 0;
    for (uint32_t i = 0; i < run->unit_count; i++)
        is_ahead |= run->units[i]->sharded != NULL && sharded_is_ahead(run->units[i]->sharded);
    return is_ahead;
}

int run_settle(struct wr_run *run, int after_rejects) {
    int status = WR_OK;
    for (int any = run->workers != NULL; any && status == WR_OK;) {
        any = 0;
        for (uint32_t i = 0; i < run->unit_count; i++) {
            struct sharded *sharded = run->units[i]->sharded;
            if (sharded == NULL || !sharded_is_ahead(sharded))
                continue;
            sharded_wait(sharded);
            any = 1;
        }
        if (any)
            status = run_advance(run, after_rejects);
    }
    return status;
}

int run_settle_step(struct wr_run *run) {
    int status = WR_OK, any = 1;
    for (; any && status == WR_OK; any = run_is_ahead(run)) { /* shards may be given rejects */
        status = run_settle(run, 0);
        if (status == WR_OK)
            status = reject_log_flush_step(run->rejects);
    }
    return status;
}
