#include "graph/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "data/zone.h"
#include "graph/bind.h"
#include "base/banned.h"

#define PLAN_BLOCK_BYTES 65536

int wr_plan_new(struct wr_plan **plan, const struct wr_env *env, const char *timezone,
                const char *directory, struct wr_error *err) {
    const struct wr_zone *zone;
    if (wr_zone_find(&zone, timezone, strlen(timezone), err) != WR_OK)
        return WR_ESCRIPT;
    struct wr_plan *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    wr_arena_init(&self->arena, &wr_budget_control, PLAN_BLOCK_BYTES);
    self->env = env;
    self->may_sample = 1;
    self->timezone = wr_arena_strndup(&self->arena, timezone, strlen(timezone));
    self->directory = wr_arena_strndup(&self->arena, directory, strlen(directory));
    if (self->timezone == NULL || self->directory == NULL) {
        wr_plan_free(self);
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    }
    *plan = self;
    return WR_OK;
}

int wr_plan_set_script(struct wr_plan *plan, const char *path, struct wr_error *err) {
    plan->script = wr_arena_strndup(&plan->arena, path, strlen(path));
    return plan->script != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "no memory for the plan");
}

void wr_plan_free(struct wr_plan *plan) {
    if (plan == NULL)
        return;
    wr_free(&wr_budget_control, plan->nodes);
    wr_arena_release(&plan->arena);
    wr_free(&wr_budget_control, plan);
}

static int node_inputs(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    const struct wr_value *list = wr_value_get(node->spec, "inputs");
    node->input_count = wr_value_count(list);
    uint32_t *inputs = WR_ARENA_ARRAY(&plan->arena, uint32_t, node->input_count + 1);
    if (inputs == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct wr_value *item = wr_value_at(list, i);
        if (item->kind != WR_VALUE_INT || item->integer < 0 || item->integer >= plan->node_count)
            return wr_error_set(err, WR_EARG, "stage %s: input %u is no node of this plan",
                                node->stage, i);
        inputs[i] = (uint32_t)item->integer;
    }
    node->inputs = inputs;
    return WR_OK;
}

typedef int (*bind_fn)(struct wr_plan *plan, struct wr_node *node, struct wr_error *err);

static bind_fn bind_of(const char *stage) {
    static const struct {
        const char *stage;
        bind_fn bind;
    } special[] = {
        {"read", wr_bind_source}, {"write", wr_bind_sink},      {"print", wr_bind_sink},
        {"tap", wr_bind_sink},    {"rejects", wr_bind_rejects}, {"late", wr_bind_late},
    };
    for (size_t i = 0; i < WR_COUNT(special); i++)
        if (strcmp(special[i].stage, stage) == 0)
            return special[i].bind;
    return wr_bind_op;
}

static int node_make(struct wr_plan *plan, const struct wr_value *spec, struct wr_node **made,
                     struct wr_error *err) {
    struct wr_node *node = WR_ARENA_ZEROS(&plan->arena, struct wr_node, 1);
    if (node == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    node->id = plan->node_count;
    node->spec = spec;
    node->stage = wr_value_string(spec, "op", "");
    node->name = wr_value_string(spec, "name", node->stage);
    int status = node_inputs(plan, node, err);
    if (status == WR_OK)
        status = bind_of(node->stage)(plan, node, err);
    *made = node;
    return status;
}

int wr_plan_add(struct wr_plan *plan, const struct wr_value *spec, struct wr_node **node,
                struct wr_error *err) {
    WR_ASSERT(!plan->finished);
    if (plan->node_count >= WR_NODES_MAX)
        return wr_error_set(err, WR_ELIMIT, "more than %d stages in one script", WR_NODES_MAX);
    int status = wr_grow(&wr_budget_control, (void **)&plan->nodes, plan->node_count,
                         &plan->node_room, sizeof *plan->nodes);
    if (status != WR_OK)
        return wr_error_set(err, status, "no memory for the plan");
    status = node_make(plan, spec, node, err);
    if (status == WR_OK)
        plan->nodes[plan->node_count++] = *node;
    return status;
}

int wr_plan_probe(struct wr_plan *plan, const struct wr_value *spec, struct wr_stream *out,
                  struct wr_error *err) {
    struct wr_node *node = NULL;
    int status = node_make(plan, spec, &node, err);
    if (status == WR_OK)
        *out = node->out;
    return status;
}

void *wr_bind_grow(struct wr_plan *plan, void *array, uint32_t count, uint32_t *room, size_t size) {
    if (count < *room)
        return array;
    uint32_t more = WR_MAX(8u, 2 * *room);
    void *larger = wr_arena_alloc(&plan->arena, more * size);
    if (larger != NULL && count > 0)
        memcpy(larger, array, count * size);
    if (larger != NULL)
        *room = more;
    return larger;
}

int wr_plan_define(struct wr_plan *plan, const struct wr_user_function *function,
                   struct wr_error *err) {
    struct wr_user_function *functions =
        wr_bind_grow(plan, plan->user_functions, plan->user_function_count,
                     &plan->user_function_room, sizeof *functions);
    if (functions == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    plan->user_functions = functions;
    plan->user_functions[plan->user_function_count++] = *function;
    return WR_OK;
}

int wr_plan_define_aggregate(struct wr_plan *plan, const struct wr_aggregate_function *function,
                             struct wr_error *err) {
    const struct wr_aggregate_function **functions =
        wr_bind_grow(plan, plan->user_aggregates, plan->user_aggregate_count,
                     &plan->user_aggregate_room, sizeof *functions);
    if (functions == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    plan->user_aggregates = functions;
    plan->user_aggregates[plan->user_aggregate_count++] = function;
    return WR_OK;
}
