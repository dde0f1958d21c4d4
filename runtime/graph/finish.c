/* finish.c: what can be known only when the whole script has been read. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "graph/bind.h"
#include "base/banned.h"

int wr_node_is_of_script(const struct wr_node *node) {
    return node->kind == WR_NODE_REJECTS && wr_value_count(wr_value_get(node->spec, "inputs")) == 0;
}

/* The rejects of a chain keep it alive; those of the script are of what runs anyway. */
static void mark_live(struct wr_plan *plan, uint32_t at) {
    struct wr_node *node = plan->nodes[at];
    if (node->live)
        return;
    node->live = 1;
    for (uint32_t i = 0; i < node->input_count && !wr_node_is_of_script(node); i++)
        mark_live(plan, node->inputs[i]);
}

/* `weir.rejects()` is of the whole script, wherever it is called. */
static int complete_rejects(struct wr_plan *plan) {
    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct wr_node *node = plan->nodes[i];
        if (!wr_node_is_of_script(node))
            continue;
        uint32_t *inputs = WR_ARENA_ARRAY(&plan->arena, uint32_t, plan->node_count);
        if (inputs == NULL)
            return WR_ENOMEM;
        node->input_count = 0;
        for (uint32_t k = 0; k < plan->node_count; k++)
            if (plan->nodes[k]->kind != WR_NODE_REJECTS)
                inputs[node->input_count++] = k;
        node->inputs = inputs;
        wr_rejects_judge(plan, node);
    }
    for (uint32_t i = 0; i < plan->node_count; i++) /* what stands behind such rejects */
        for (uint32_t k = 0; k < plan->nodes[i]->input_count; k++) {
            const struct wr_stream *in = &plan->nodes[plan->nodes[i]->inputs[k]]->out;
            plan->nodes[i]->out.repeatable &= in->repeatable;
            if (plan->nodes[i]->kind != WR_NODE_REJECTS)
                plan->nodes[i]->out.same_rows &= wr_node_takes_same(plan->nodes[i], in);
        }
    return WR_OK;
}

static void want(uint64_t *into, const uint64_t *bits, uint32_t words) {
    for (uint32_t w = 0; w < words; w++)
        into[w] |= bits[w];
}

static void want_all(const struct wr_node *node) {
    for (uint32_t c = 0; c < node->out.schema->field_count; c++)
        wr_bit_set(node->needed, c);
}

/* Hands what `node` needs of its outputs on to what it needs of its inputs. */
static int needs_above(struct wr_plan *plan, const struct wr_node *node) {
    for (uint32_t i = 0; i < node->input_count; i++) {
        struct wr_node *above = plan->nodes[node->inputs[i]];
        uint32_t words = wr_needed_words(above->out.schema);
        uint64_t *bits = WR_ARENA_ZEROS(&plan->arena, uint64_t, words);
        if (bits == NULL)
            return WR_ENOMEM;
        switch (node->kind) {
        case WR_NODE_OP:
            if (node->op->needs == NULL) {
                want_all(above);
                break;
            }
            node->op->needs(node->config, &above->out, i, node->needed, bits);
            want(above->needed, bits, words);
            break;
        case WR_NODE_SINK: want_all(above); break;
        case WR_NODE_LATE: { /* its columns are those of the operator's input */
            struct wr_node *input = plan->nodes[above->inputs[0]];
            want(input->needed, node->needed, wr_needed_words(input->out.schema));
            break;
        }
        case WR_NODE_REJECTS: /* a reject shows its whole row */ want_all(above); break;
        case WR_NODE_SOURCE: break;
        }
    }
    return WR_OK;
}

/* What the live nodes need: the readers of rejects, or all others. */
static int find_needs_of(struct wr_plan *plan, int rejects) {
    for (uint32_t i = plan->node_count; i-- > 0;)
        if (plan->nodes[i]->live && (plan->nodes[i]->kind == WR_NODE_REJECTS) == rejects &&
            needs_above(plan, plan->nodes[i]) != WR_OK)
            return WR_ENOMEM;
    return WR_OK;
}

/* A reader of rejects wants whole rows of the stages above it. What it alone wants of a source is
 * `shown`: reading rejects makes none. */
static int find_needs(struct wr_plan *plan) {
    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct wr_node *node = plan->nodes[i];
        uint32_t words = wr_needed_words(node->out.schema);
        node->needed = WR_ARENA_ZEROS(&plan->arena, uint64_t, words);
        node->shown = WR_ARENA_ZEROS(&plan->arena, uint64_t, words);
        if (node->needed == NULL || node->shown == NULL)
            return WR_ENOMEM;
    }
    if (find_needs_of(plan, 0) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < plan->node_count; i++)
        want(plan->nodes[i]->shown, plan->nodes[i]->needed,
             wr_needed_words(plan->nodes[i]->out.schema));
    if (find_needs_of(plan, 1) != WR_OK || find_needs_of(plan, 0) != WR_OK)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < plan->node_count; i++)
        for (uint32_t w = 0; w < wr_needed_words(plan->nodes[i]->out.schema); w++)
            plan->nodes[i]->shown[w] = plan->nodes[i]->needed[w] & ~plan->nodes[i]->shown[w];
    return WR_OK;
}

/* Whether `node` lets somebody see each change of its input. Who passes a changelog on hands the
 * question on too: more or fewer changes in would be more or fewer changes out. So does a window,
 * which may take one of two changes whose sum is nothing, and find the other late. */
static int observes(const struct wr_node *node) {
    if (node->kind == WR_NODE_SINK)
        return !(node->sink->flags & WR_SINK_KEYS) || (node->sink->flags & WR_SINK_TERMINAL);
    if (node->kind != WR_NODE_OP)
        return 0;
    return (node->op->flags & WR_OP_OBSERVES) || (node->out.updates && node->observed) ||
           wr_value_get(node->spec, "window") != NULL;
}

static void find_observed(struct wr_plan *plan) {
    for (uint32_t i = plan->node_count; i-- > 0;) {
        const struct wr_node *node = plan->nodes[i];
        for (uint32_t k = 0; node->live && k < node->input_count; k++)
            if (plan->nodes[node->inputs[k]]->out.updates && observes(node))
                plan->nodes[node->inputs[k]]->observed = 1;
    }
}

int wr_plan_finish(struct wr_plan *plan, struct wr_error *err) {
    if (plan->finished)
        return WR_OK;
    if (complete_rejects(plan) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < plan->node_count; i++)
        if (plan->nodes[i]->kind == WR_NODE_SINK)
            mark_live(plan, i);
    if (find_needs(plan) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    find_observed(plan);
    plan->finished = 1;
    return WR_OK;
}
