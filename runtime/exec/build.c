/* build.c: from the plan's live nodes to units, edges and gates. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "exec/ahead.h"
#include "exec/build.h"
#include "exec/cut.h"
#include "exec/gate.h"
#include "exec/gather.h"
#include "exec/held.h"
#include "exec/range.h"
#include "exec/reject_log.h"
#include "exec/reload.h"
#include "exec/sharded.h"
#include "exec/stop.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "exec/writer.h"
#include "graph/lanes.h"
#include "state/store.h"
#include "base/banned.h"

uint32_t run_units_of(const struct wr_plan *plan, const struct wr_node *node) {
    if (!node->live || node->kind == WR_NODE_LATE || node->is_asked)
        return 0;
    return wr_lane_count(plan, node);
}

static struct unit *unit_new(struct wr_run *run, const struct wr_node *node, uint32_t lane) {
    struct unit *unit = WR_ARENA_ZEROS(&run->arena, struct unit, 1);
    if (unit == NULL)
        return NULL;
    unit->run = run;
    unit->node = node;
    unit->lane = lane;
    unit->frontier_in = unit->frontier_out = unit->clock_frontier = WR_TIME_MIN;
    unit->quiet_us = -1;
    unit->asks_origins = run->asks[node->id];
    unit_out_init(unit);
    run->units[run->unit_count++] = unit;
    return unit;
}

static int make_units(struct wr_run *run) {
    struct wr_plan *plan = run->plan;
    uint32_t total = 0;
    run->first_unit = WR_ARENA_ZEROS(&run->arena, uint32_t, plan->node_count + 1);
    run->unit_counts = WR_ARENA_ZEROS(&run->arena, uint32_t, plan->node_count + 1);
    if (run->first_unit == NULL || run->unit_counts == NULL)
        return WR_ENOMEM;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        run->first_unit[n] = total;
        run->unit_counts[n] = run_units_of(plan, plan->nodes[n]);
        total += run->unit_counts[n];
    }
    run->units = WR_ARENA_ARRAY(&run->arena, struct unit *, total + 1);
    if (run->units == NULL)
        return WR_ENOMEM;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        int local = wr_lane_source(plan, node) != NULL;
        for (uint32_t lane = 0; lane < run->unit_counts[n]; lane++)
            if (unit_new(run, node, local ? lane : LANE_CENTRAL) == NULL)
                return WR_ENOMEM;
    }
    return WR_OK;
}

static int edge_add(struct wr_run *run, struct unit *from, enum wr_port port, struct edge edge) {
    uint32_t count = from->edge_count[port];
    if ((count & (count + 1)) == 0) { /* room doubles when count + 1 is a power of two */
        struct edge *grown = WR_ARENA_ARRAY(&run->arena, struct edge, 2 * (count + 1));
        if (grown == NULL)
            return WR_ENOMEM;
        if (count > 0)
            memcpy(grown, from->edges[port], count * sizeof *grown);
        from->edges[port] = grown;
    }
    from->edges[port][from->edge_count[port]++] = edge;
    return WR_OK;
}

static int connect_local(struct wr_run *run, struct unit *unit) {
    enum wr_port port;
    const struct wr_node *producer = wr_producer_of(run->plan, unit->node, 0, &port);
    struct unit *from = run->units[run->first_unit[producer->id] + unit->lane];
    unit->feeders = WR_ARENA_ZEROS(&run->arena, struct feeder, 1);
    if (unit->feeders == NULL)
        return WR_ENOMEM;
    unit->feeder_count = 1;
    unit->feeders[0].from = from;
    return edge_add(run, from, port, (struct edge){.to = unit});
}

static int connect_central(struct wr_run *run, struct unit *unit) {
    const struct wr_plan *plan = run->plan;
    const struct wr_node *node = unit->node;
    uint32_t total = 0;
    enum wr_port port;
    for (uint32_t i = 0; i < node->input_count; i++)
        total += run->unit_counts[wr_producer_of(plan, node, i, &port)->id];
    unit->feeders = WR_ARENA_ZEROS(&run->arena, struct feeder, total + 1);
    if (unit->feeders == NULL)
        return WR_ENOMEM;
    if (total > 1 && gate_new(&unit->gate, run, unit, total, wr_merge_of(plan, node)) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct wr_node *producer = wr_producer_of(plan, node, i, &port);
        int first = node->op != NULL && (node->op->flags & WR_OP_BUILD_FIRST) && i > 0;
        for (uint32_t u = 0; u < run->unit_counts[producer->id]; u++) {
            struct unit *from = run->units[run->first_unit[producer->id] + u];
            uint32_t at = unit->feeder_count++;
            unit->feeders[at] = (struct feeder){.from = from, .port = at};
            unit->after_rejects |= from->after_rejects;
            if (unit->gate != NULL)
                gate_set_port(unit->gate, at, from, i, first);
            struct edge edge = {.to = unit, .input = i, .port = at};
            if (edge_add(run, from, port, edge) != WR_OK)
                return WR_ENOMEM;
        }
    }
    return WR_OK;
}

static int connect(struct wr_run *run) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        if (unit->node->kind == WR_NODE_REJECTS)
            unit->after_rejects = 1;
        else if (unit->node->kind != WR_NODE_SOURCE)
            status =
                unit->lane == LANE_CENTRAL ? connect_central(run, unit) : connect_local(run, unit);
    }
    return status;
}

int lane_reject(void *lane, const struct wr_reject *reject) {
    struct unit *unit = lane;
    if (reject->batch == NULL) { /* else it is a row of a batch, and counted with it */
        unit->records_in++;
        unit->run->summary.rows_in++;
    }
    return reject_log_add(unit->run->rejects, unit, reject);
}

static void unit_note(void *ctx, const char *file, const char *text) {
    const struct wr_run_options *options = &((struct unit *)ctx)->run->options;
    if (options->note != NULL)
        options->note(options->note_ctx, file, text);
}

int unit_new_source(struct unit *unit, struct wr_error *err) {
    struct wr_run *run = unit->run;
    const struct wr_node *node = unit->node;
    const struct wr_source_type *type = node->source;
    if (run->options.replace_source != NULL) {
        const struct wr_source_type *other =
            run->options.replace_source(run->options.replace_ctx, node);
        type = other != NULL ? other : type;
    }
    struct wr_source *source = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (source == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a source");
    *source = (struct wr_source){.type = type,
                                 .config = node->config,
                                 .schema = node->out.schema,
                                 .env = run->plan->env,
                                 .pool = &run->pool,
                                 .input_budget = &run->input_budget,
                                 .node = node->id,
                                 .source = run->now.stages[run->stage_of[node->id]].ordinal,
                                 .partition = unit->lane,
                                 .batch_rows = run->options.batch_rows,
                                 .needed = node->needed,
                                 .shown = node->shown,
                                 .keep_text = (uint8_t)run->options.keep_text,
                                 .has_state = run->store != NULL,
                                 .reject = lane_reject,
                                 .reject_ctx = unit,
                                 .stop = run->options.stop,
                                 .note = unit_note,
                                 .name = node->name,
                                 .record_limit = range_record_limit(run, node),
                                 .watermark = WR_TIME_MIN,
                                 .owner = run->options.replace_ctx};
    unit->source = source;
    return WR_OK; /* opened by run_restore, which knows the position */
}

static int sink_reject(void *ctx, const struct wr_reject *reject) {
    struct unit *unit = ctx;
    WR_ASSERT(unit->counts.rows_in > 0);
    unit->counts.rows_in--; /* what a sink has is what it took */
    return reject_log_add(unit->run->rejects, unit, reject);
}

/* By the number of its stage, which no other gets as long as the state lives: a sink that is new to
 * the script is none of those before, wherever it stands. The state's identity is odd, so that
 * numbers of earlier versions, which went by the place in the script, are others. */
static uint64_t sink_identity(const struct wr_run *run, uint32_t node) {
    uint64_t state = run->store == NULL ? 0 : wr_store_identity(run->store);
    return state == 0 ? 0 : wr_hash_u64(state + 1, run_number(run, node)) | 1;
}

/* An audit holds back the rows that it is about; without a state all rows of the run, of which a
 * database would have some in one transaction. */
static uint8_t is_held(const struct wr_run *run, const struct wr_node *node) {
    uint8_t held = wr_value_get(node->spec, "audited") != NULL;
    for (uint32_t i = 0; i < run->plan->node_count && run->store == NULL; i++) {
        const struct wr_node *other = run->plan->nodes[i];
        held |= other->kind == WR_NODE_SINK && (other->sink->flags & WR_SINK_AUDITS) != 0;
    }
    return held;
}

static int open_sink(struct unit *unit, struct wr_error *err) {
    struct wr_run *run = unit->run;
    const struct wr_node *node = unit->node;
    const struct wr_sink_type *type = node->sink;
    if (run->options.replace_sink != NULL) {
        const struct wr_sink_type *other =
            run->options.replace_sink(run->options.replace_ctx, node);
        type = other != NULL ? other : type;
    }
    struct wr_sink *sink = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (sink == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a sink");
    *sink = (struct wr_sink){.type = type,
                             .config = node->config,
                             .schema = node->out.schema,
                             .env = run->plan->env,
                             .store = run->store,
                             .identity = sink_identity(run, node->id),
                             .budget = &run->epoch_budget,
                             .reject = sink_reject,
                             .reject_ctx = unit,
                             .node = node->id,
                             .name = node->name,
                             .show = run->options.show,
                             .show_ctx = run->options.show_ctx,
                             .terminal = run->options.terminal,
                             .terminal_columns = run->options.terminal_columns,
                             .stop = run->options.stop,
                             .warn = run->options.warn,
                             .warn_ctx = run->options.warn_ctx,
                             .note = unit_note,
                             .note_ctx = unit,
                             .goes_back = run->goes_back,
                             .differs = run->differs[node->id],
                             .varies = !node->out.same_rows,
                             .held = is_held(run, node),
                             .owner = run->options.replace_ctx};
    unit->sink = sink;
    return WR_OK;
}

static int open_op(struct unit *unit, struct wr_error *err) {
    struct wr_run *run = unit->run;
    int is_sharded = run->options.shards > 1 || threads_may_help(run);
    if (is_sharded && (unit->node->op->flags & WR_OP_KEYED))
        return sharded_new(&unit->sharded, unit, err);
    struct wr_op_env *env = unit->lane == LANE_CENTRAL ? &run->op_env : &run->lane_env;
    return unit_op_new(unit, env, &unit->op, err);
}

/* The ordinal of the first source of a source's family: itself, where it has none. */
static uint32_t family_of(const struct wr_run *run, const struct wr_node *node) {
    for (uint32_t n = 0; node->endpoint.family != 0 && n < node->id; n++) {
        const struct wr_node *other = run->plan->nodes[n];
        if (run->unit_counts[n] > 0 && other->kind == WR_NODE_SOURCE &&
            other->endpoint.family == node->endpoint.family)
            return run->now.stages[run->stage_of[n]].ordinal;
    }
    return run->now.stages[run->stage_of[node->id]].ordinal;
}

/* Sources have the ordinals that they had in the state, else those of the script's order; lanes are
 * numbered in the order of their sources. Each unit of a lane gets the number of its lane: units
 * stand behind those that feed them. */
static int number_lanes(struct wr_run *run) {
    run->source_count = run->now.source_count;
    run->lane_first = WR_ARENA_ZEROS(&run->arena, uint32_t, run->source_count + 1);
    run->family = WR_ARENA_ZEROS(&run->arena, uint32_t, run->source_count + 1);
    if (run->lane_first == NULL || run->family == NULL)
        return WR_ENOMEM;
    for (uint32_t s = 0; s < run->source_count; s++)
        run->lane_first[s + 1] = run->lane_first[s] + run->now.lanes[s];
    run->lane_count = run->lane_first[run->source_count];
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        if (unit->lane == LANE_CENTRAL)
            continue;
        const struct wr_node *source = wr_lane_source(run->plan, unit->node);
        uint32_t ordinal = run->now.stages[run->stage_of[source->id]].ordinal;
        unit->number = run->lane_first[ordinal] + unit->lane;
        if (unit->node == source)
            run->family[ordinal] = family_of(run, source);
    }
    return WR_OK;
}

int run_build(struct wr_run *run, struct wr_error *err) {
    if (make_units(run) != WR_OK || number_lanes(run) != WR_OK || connect(run) != WR_OK ||
        stops_init(run) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    int status = WR_OK;
    run->is_endless = run->options.is_live != 0;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct unit *unit = run->units[i];
        switch (unit->node->kind) {
        case WR_NODE_SOURCE:
            run->is_endless |= !unit->node->out.bounded;
            status = unit_new_source(unit, err);
            break;
        case WR_NODE_OP: status = open_op(unit, err); break;
        case WR_NODE_SINK: status = open_sink(unit, err); break;
        case WR_NODE_LATE:
        case WR_NODE_REJECTS: break;
        }
    }
    if (status == WR_OK)
        status = reloads_init(run, err);
    if (status == WR_OK)
        status = ranges_init(run, err);
    for (uint32_t i = 0; status == WR_OK && i < run->unit_count; i++)
        gather_init(run->units[i]);
    if (status == WR_OK && cuts_init(run) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    if (status == WR_OK && reject_log_new(&run->rejects, run) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    return status;
}

void run_close_units(struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        wr_batch_unref(unit->gathered);
        unit->gathered = NULL;
        held_free(unit);
        gate_free(unit->gate);
        sharded_free(unit->sharded);
        ahead_free(unit->ahead);
        range_free(unit);
        unit_op_free(unit->op);
        if (unit->source != NULL && unit->opened)
            unit->source->type->close(unit->source);
        if (unit->sink != NULL && unit->opened)
            unit->sink->type->close(unit->sink);
        wr_free(&wr_budget_control, unit->source);
        wr_free(&wr_budget_control, unit->sink);
    }
}
