/* bind_op.c: stages between source and sink become nodes, and so do late() and rejects(). */
#include "graph/bind.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "graph/lanes.h"
#include "base/banned.h"

/* A changelog is refused by those who would take a change for a row. Row-by-row stages hand the
 * weight of each row on. */
static int check_updates(const struct wr_node *node, const struct wr_op_type *type,
                         const struct wr_bind *bind, struct wr_error *err) {
    if (type->flags & (WR_OP_ROW_BY_ROW | WR_OP_TAKES_UPDATES))
        return WR_OK;
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (!bind->inputs[i]->updates)
            continue;
        wr_error_script(err, "W305", "`%s` does not take updates", node->stage);
        wr_error_help(err, "add `:changes()` before it: each change becomes a row, with `op` = "
                           "insert, update or delete");
        return WR_ESCRIPT;
    }
    return WR_OK;
}

/* The last input is an endpoint that the stage asks row by row. */
static int bind_asked(struct wr_plan *plan, const struct wr_node *node, struct wr_bind *bind,
                      struct wr_error *err) {
    bind->env = plan->env;
    if (!wr_value_bool(node->spec, "asked", 0))
        return WR_OK;
    struct wr_node *other = plan->nodes[node->inputs[node->input_count - 1]];
    if (other->source == NULL || other->source->asked == NULL) {
        wr_error_script(err, "W210", "`%s` cannot be asked row by row", other->name);
        wr_error_help(err, "`weir.read(…)` of it is read whole; a database can be asked: "
                           "`weir.sqlite(\"x.db\", { table = \"t\" })`");
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    other->is_asked = 1;
    bind->asked = other->source->asked;
    bind->asked_config = other->config;
    bind->asked_name = other->name;
    return WR_OK;
}

uint8_t wr_node_takes_same(const struct wr_node *node, const struct wr_stream *in) {
    return in->same_rows || (node->settles && in->updates && in->repeatable);
}

/* Whether the clock decides which rows leave, or in what order: by a frontier that goes on while a
 * live input is quiet (exec/idle.c). Another life finds rows that this one did not wait for. */
static int goes_by_clock(const struct wr_bind *bind, unsigned flags) {
    unsigned by_frontier = WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_HOLDS_ROWS;
    int follows_frontier =
        (flags & by_frontier) != 0 || ((flags & WR_OP_MULTI_INPUT) && !(flags & WR_OP_BUILD_FIRST));
    int has_time = bind->out.has_time;
    for (uint32_t i = 0; i < bind->input_count; i++)
        has_time |= bind->inputs[i]->has_time;
    return bind->out.live && has_time && (follows_frontier || bind->out.has_lanes);
}

int wr_bind_op(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    const struct wr_op_type *type = wr_op_find(node->stage);
    if (type == NULL)
        return wr_error_script(err, "W201", "no stage `%s`", node->stage);
    if (node->input_count == 0 || node->input_count > WR_INPUTS_MAX)
        return wr_error_script(err, "W210", "`%s` takes 1 to %d streams, got %u", node->stage,
                               WR_INPUTS_MAX, node->input_count);
    struct wr_bind bind = {
        .arena = &plan->arena, .spec = node->spec, .input_count = node->input_count};
    for (uint32_t i = 0; i < node->input_count; i++)
        bind.inputs[i] = &plan->nodes[node->inputs[i]]->out;
    int status = bind_asked(plan, node, &bind, err);
    if (status == WR_OK)
        status = check_updates(node, type, &bind, err);
    if (status != WR_OK)
        return status;
    uint8_t is_volatile = 0;
    bind.out = *bind.inputs[0];
    bind.scope = (struct wr_scope){
        .arena = &plan->arena,
        .input = bind.out.schema,
        .flags = (bind.out.row_by_row ? WR_SCOPE_HIDDEN : 0u) |
                 (bind.out.has_time ? WR_SCOPE_EVENT_TIME : 0u) |
                 (bind.out.numbers_events ? WR_SCOPE_EVENTS : 0u),
        .timezone = plan->timezone,
        .user_functions = plan->user_functions,
        .user_function_count = plan->user_function_count,
        .user_aggregates = plan->user_aggregates,
        .user_aggregate_count = plan->user_aggregate_count,
        .is_volatile = &is_volatile,
    };
    status = type->bind(&bind, err);
    if (status != WR_OK)
        return status;
    if (bind.type != NULL)
        type = bind.type;
    node->settles = bind.settles;
    int merges = !(type->flags & WR_OP_ROW_BY_ROW);
    if (merges)
        bind.out.row_by_row = 0;
    bind.out.merged_by =
        merges && bind.inputs[0]->row_by_row ? node->stage : bind.inputs[0]->merged_by;
    bind.out.same_rows = 1;
    for (uint32_t i = 0; i < node->input_count; i++) {
        bind.out.repeatable &= bind.inputs[i]->repeatable;
        bind.out.same_rows &= wr_node_takes_same(node, bind.inputs[i]);
        bind.out.live |= bind.inputs[i]->live;
        bind.out.has_lanes |= bind.inputs[i]->has_lanes;
    }
    node->by_clock = (uint8_t)goes_by_clock(&bind, type->flags);
    if (node->by_clock)
        bind.out.repeatable = bind.keeps_rows = 0;
    bind.out.repeatable &= !is_volatile;
    bind.out.same_rows &= bind.out.repeatable || bind.keeps_rows;
    if (merges && bind.out.updates) /* those of one key in one batch are one */
        bind.out.same_rows = 0;
    node->kind = WR_NODE_OP;
    node->op = type;
    node->config = bind.config;
    node->never_rejects = bind.never_rejects || (type->flags & WR_OP_NEVER_REJECTS) != 0;
    node->out = bind.out;
    wr_node_judge_order(plan, node);
    return WR_OK;
}

int wr_bind_late(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    uint32_t at = node->inputs[0];
    /* The last timed stage of the chain: walk up the first inputs. */
    for (;;) {
        const struct wr_node *above = plan->nodes[at];
        if (above->kind == WR_NODE_OP && (above->op->flags & WR_OP_LATE_PORT))
            break;
        if (above->input_count == 0 || above->kind != WR_NODE_OP) {
            wr_error_script(err, "W301", "no stage of this stream refuses late rows");
            wr_error_help(err, "put `late()` behind a windowed `agg`");
            return WR_ESCRIPT;
        }
        at = above->inputs[0];
    }
    uint32_t *inputs = WR_ARENA_ARRAY(&plan->arena, uint32_t, 1);
    if (inputs == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    inputs[0] = at;
    node->inputs = inputs;
    node->input_count = 1;
    node->kind = WR_NODE_LATE;
    node->out = plan->nodes[plan->nodes[at]->inputs[0]]->out;
    node->out.row_by_row = 0;
    return WR_OK;
}

const struct wr_schema *wr_rejects_schema(struct wr_arena *arena) {
    static const struct {
        const char *name;
        enum wr_type_kind kind;
    } columns[] = {
        {"at", WR_TIMESTAMP},  {"stage", WR_STRING},    {"code", WR_STRING},
        {"reason", WR_STRING}, {"detail", WR_STRING},   {"script", WR_STRING},
        {"source", WR_STRING}, {"position", WR_STRING}, {"attempt", WR_INT64},
        {"raw", WR_BYTES},     {"row", WR_JSON},
    };
    struct wr_schema *schema = wr_schema_new(arena, (uint32_t)WR_COUNT(columns));
    if (schema == NULL)
        return NULL;
    for (size_t i = 0; i < WR_COUNT(columns); i++) {
        schema->fields[i].name = columns[i].name;
        schema->fields[i].name_length = (uint32_t)strlen(columns[i].name);
        schema->fields[i].type = WR_TYPE(columns[i].kind);
    }
    return schema;
}

/* Whether what fails in `node` is as it was when rows come again, in batches cut elsewhere. What it
 * gives may be other rows all the same. */
static uint8_t rejects_same(const struct wr_plan *plan, const struct wr_node *node) {
    if (node->kind == WR_NODE_SINK && !(node->sink->flags & WR_SINK_REFUSES))
        return 1;
    if (node->out.same_rows || node->kind != WR_NODE_OP || !node->out.repeatable)
        return node->out.same_rows;
    uint8_t same = 1;
    for (uint32_t i = 0; i < node->input_count && !node->never_rejects; i++)
        same &= plan->nodes[node->inputs[i]]->out.same_rows;
    return same;
}

void wr_rejects_judge(const struct wr_plan *plan, struct wr_node *node) {
    uint32_t sources = 0;
    int is_endless = 0, is_one_chain = 1;
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct wr_node *above = plan->nodes[node->inputs[i]];
        node->out.repeatable &= above->out.repeatable;
        node->out.same_rows &= rejects_same(plan, above);
        is_endless |= !above->out.bounded;
        if (above->kind == WR_NODE_SOURCE)
            sources += above->out.has_lanes ? 2 : 1;
        else if (above->kind == WR_NODE_SINK)
            is_one_chain &= !(above->sink->flags & WR_SINK_REFUSES);
        else
            is_one_chain &= above->out.row_by_row;
    }
    if (is_endless && (!is_one_chain || sources > 1))
        node->out.repeatable = node->out.same_rows = 0;
}

/* Marks the stage and all those before it on the chain. */
static void mark_above(const struct wr_plan *plan, uint32_t at, uint8_t *marks) {
    if (marks[at])
        return;
    marks[at] = 1;
    const struct wr_node *node = plan->nodes[at];
    for (uint32_t i = 0; i < node->input_count; i++)
        mark_above(plan, node->inputs[i], marks);
}

int wr_bind_rejects(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    uint8_t *marks = WR_ARENA_ZEROS(&plan->arena, uint8_t, plan->node_count + 1);
    uint32_t *inputs = WR_ARENA_ARRAY(&plan->arena, uint32_t, plan->node_count + 1);
    const struct wr_schema *schema = wr_rejects_schema(&plan->arena);
    if (marks == NULL || inputs == NULL || schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (node->input_count > 0)
        mark_above(plan, node->inputs[0], marks);
    else /* of the script, as far as it has come; wr_plan_finish adds what comes later */
        memset(marks, 1, plan->node_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (marks[i] && plan->nodes[i]->kind != WR_NODE_REJECTS)
            inputs[count++] = i;
    node->inputs = inputs;
    node->input_count = count;
    node->kind = WR_NODE_REJECTS;
    node->out = (struct wr_stream){
        .schema = schema, .bounded = 1, .repeatable = 1, .same_rows = 1, .order = WR_ORDER_SOURCE};
    for (uint32_t i = 0; i < count; i++)
        node->out.bounded &= plan->nodes[inputs[i]]->out.bounded;
    wr_rejects_judge(plan, node);
    return WR_OK;
}
