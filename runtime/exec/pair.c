/* pair.c: see pair.h. A stage is found by what it means, which includes what all stages above it
 * mean; so whole chains are found from their ends up, and of two that are alike each keeps what
 * belongs to it. What is left is found by name or address, to be able to say what became of it. */
#include "exec/pair.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "exec/build.h"
#include "exec/past.h"
#include "exec/run_inside.h"
#include "base/banned.h"

int pairs_keeps(const struct pairs *pairs, const struct wr_node *node) {
    if (!node->live || node->is_asked || node->kind == WR_NODE_LATE)
        return 0;
    if (node->kind == WR_NODE_SOURCE || node->kind == WR_NODE_SINK || pairs->gathers[node->id])
        return 1;
    return node->kind == WR_NODE_OP && node->op->save != NULL;
}

static const struct past_stage *stages(const struct pairs *pairs) {
    return pairs->run->before.stages;
}

static int is_called(const char *given, const struct past_stage *stage) {
    return given != NULL && strcmp(given, stage->given) == 0;
}

static int is_free(const struct pairs *pairs, uint32_t node) {
    return pairs->run->plan->nodes[node]->live && pairs->same[node] == PAST_NONE &&
           pairs->was[node] == PAST_NONE;
}

static int means(const struct pairs *pairs, uint32_t node, uint32_t stage) {
    return pairs->of[node].meaning == stages(pairs)[stage].meaning &&
           strcmp(pairs->run->plan->nodes[node]->stage, stages(pairs)[stage].stage) == 0;
}

/* A node and a stage that mean the same, and what they stand on. */
static void pair_chain(struct pairs *pairs, uint32_t id, uint32_t stage) {
    const struct past *before = &pairs->run->before;
    const struct wr_node *node = pairs->run->plan->nodes[id];
    if (pairs->same[id] == stage)
        return;
    if (!is_free(pairs, id) || pairs->taken[stage] != PAST_NONE || !means(pairs, id, stage)) {
        pairs->unsure[id] = 1;
        return;
    }
    pairs->same[id] = stage;
    pairs->taken[stage] = id;
    uint32_t count = wr_value_count(wr_value_get(node->spec, "inputs"));
    for (uint32_t i = 0; i < WR_MIN(count, before->stages[stage].input_count); i++) {
        uint32_t number = before->stages[stage].inputs[i];
        uint32_t above = number < before->next_number ? before->by_number[number] : PAST_NONE;
        if (above != PAST_NONE)
            pair_chain(pairs, node->inputs[i], above);
    }
}

/* Sinks say by their addresses which of several chains that mean the same is meant. */
static void pair_sinks(struct pairs *pairs) {
    const struct wr_run *run = pairs->run;
    for (uint32_t n = 0; n < run->plan->node_count; n++)
        for (uint32_t s = 0; run->plan->nodes[n]->kind == WR_NODE_SINK && is_free(pairs, n) &&
                             s < run->before.stage_count;
             s++)
            if (pairs->taken[s] == PAST_NONE && means(pairs, n, s))
                pair_chain(pairs, n, s);
}

/* By names that the script gives, then by meaning alone: there it must be one of one, or it does
 * not matter which, since they began together. */
static void pair_node(struct pairs *pairs, uint32_t n, int by_name) {
    const struct wr_run *run = pairs->run;
    uint32_t found = PAST_NONE, stage_count = 0, node_count = 0;
    int alike = 1;
    for (uint32_t s = 0; s < run->before.stage_count; s++) {
        if (pairs->taken[s] != PAST_NONE || !means(pairs, n, s) ||
            (by_name && !is_called(pairs->of[n].given, &stages(pairs)[s])))
            continue;
        alike &= found == PAST_NONE || stages(pairs)[s].born == stages(pairs)[found].born;
        found = found == PAST_NONE ? s : found;
        stage_count++;
    }
    if (found == PAST_NONE)
        return;
    for (uint32_t k = 0; k < run->plan->node_count; k++)
        node_count += is_free(pairs, k) && means(pairs, k, found);
    if (!by_name && (node_count != stage_count || !alike))
        pairs->unsure[n] = pairs_keeps(pairs, run->plan->nodes[n]) != 0;
    pair_chain(pairs, n, found);
}

/* What a node was that means something else now. Of sources and sinks the address tells it, of
 * other stages the name; else it is the next one of its kind. */
static void find_was(struct pairs *pairs, uint32_t n, int by_kind) {
    const struct wr_run *run = pairs->run;
    const struct wr_node *node = run->plan->nodes[n];
    const struct wr_identity *identity = &pairs->of[n];
    for (uint32_t s = 0; s < run->before.stage_count; s++) {
        const struct past_stage *stage = &stages(pairs)[s];
        if (pairs->taken[s] != PAST_NONE || strcmp(node->stage, stage->stage) != 0)
            continue;
        int is_it = is_called(identity->given, stage) ||
                    (identity->address != NULL && strcmp(identity->address, stage->address) == 0);
        if (by_kind) /* one that has another name is another one */
            is_it = identity->address == NULL && identity->given == NULL && stage->given[0] == 0;
        if (!is_it)
            continue;
        pairs->was[n] = s;
        pairs->taken[s] = n;
        return;
    }
}

static void find_gathering(struct pairs *pairs) {
    const struct wr_plan *plan = pairs->run->plan;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        uint32_t units = 0;
        const struct wr_node *node = plan->nodes[n];
        for (uint32_t i = 0; i < node->input_count; i++) {
            const struct wr_node *above = plan->nodes[node->inputs[i]];
            if (above->kind == WR_NODE_LATE)
                above = plan->nodes[above->inputs[0]];
            units += run_units_of(plan, above);
        }
        pairs->gathers[n] = run_units_of(plan, node) == 1 && units > 1 &&
                            (node->kind == WR_NODE_OP || node->kind == WR_NODE_SINK);
    }
}

int pairs_find(struct pairs *pairs) {
    struct wr_run *run = pairs->run;
    uint32_t nodes = run->plan->node_count, before = run->before.stage_count;
    pairs->of = wr_plan_identify(run->plan);
    pairs->same = WR_ARENA_ARRAY(&run->arena, uint32_t, nodes + 1);
    pairs->was = WR_ARENA_ARRAY(&run->arena, uint32_t, nodes + 1);
    pairs->taken = WR_ARENA_ARRAY(&run->arena, uint32_t, before + 1);
    pairs->unsure = WR_ARENA_ZEROS(&run->arena, uint8_t, nodes + 1);
    pairs->gathers = WR_ARENA_ZEROS(&run->arena, uint8_t, nodes + 1);
    if (pairs->of == NULL || pairs->same == NULL || pairs->was == NULL || pairs->taken == NULL ||
        pairs->unsure == NULL || pairs->gathers == NULL)
        return WR_ENOMEM;
    memset(pairs->same, 0xff, nodes * sizeof *pairs->same);
    memset(pairs->was, 0xff, nodes * sizeof *pairs->was);
    memset(pairs->taken, 0xff, before * sizeof *pairs->taken);
    find_gathering(pairs);
    pair_sinks(pairs);
    for (int by_name = 1; by_name >= 0; by_name--)
        for (uint32_t n = nodes; n-- > 0;)
            if (is_free(pairs, n))
                pair_node(pairs, n, by_name);
    for (int by_kind = 0; by_kind <= 1; by_kind++)
        for (uint32_t n = 0; n < nodes; n++)
            if (is_free(pairs, n))
                find_was(pairs, n, by_kind);
    return WR_OK;
}
