/* order.c: what a plan promises of the order in which rows come to its sinks. See simulation.h. */
#include <string.h>

#include "base/env_sim.h"
#include "sim/simulation.h"
#include "base/banned.h"

static int is_watched(const struct wr_node *node) {
    return node->kind == WR_NODE_SOURCE && strcmp(node->source->name, "watch") == 0;
}

static int has_watched(const struct wr_plan *plan) {
    for (uint32_t n = 0; n < plan->node_count; n++)
        if (is_watched(plan->nodes[n]))
            return 1;
    return 0;
}

/* What comes of a row may depend on those that came before. */
int order_decides(const struct wr_plan *plan) {
    for (uint32_t n = 0; n < plan->node_count; n++)
        if (plan->nodes[n]->kind == WR_NODE_OP && plan->nodes[n]->op->save != NULL)
            return 1;
    return 0;
}

static int is_free(const struct wr_plan *plan, const struct wr_node *sink) {
    int all = !order_decides(plan) && has_watched(plan);
    for (uint32_t i = 0; i < sink->input_count; i++)
        all |= !plan->nodes[sink->inputs[i]]->out.same_rows;
    return all;
}

/* Does a sink write what is left under this name: a file, or one below its directory; tables of the
 * state; a database of a server? */
static int writes(const struct wr_node *sink, const char *name) {
    char path[SIM_PATH_MAX];
    const struct wr_value *endpoint = wr_value_get(sink->spec, "endpoint");
    const char *address = wr_value_string(endpoint, "address", "");
    const char *kind = wr_value_string(endpoint, "kind", "file");
    if (strcmp(kind, "state") == 0)
        return strncmp(name, LEFT_OF_STATE, strlen(LEFT_OF_STATE)) == 0;
    if (strcmp(kind, "postgres") == 0)
        return strstr(name, "://") != NULL;
    if (!wr_sim_path(address, path, sizeof path))
        return 0;
    size_t length = strlen(path);
    return strncmp(name, path, length) == 0 &&
           (name[length] == 0 || name[length] == '/' || strcmp(name + length, ".part") == 0);
}

int order_is_free(const struct wr_plan *plan, const char *name) {
    for (uint32_t n = 0; n < plan->node_count; n++)
        if (plan->nodes[n]->kind == WR_NODE_SINK && is_free(plan, plan->nodes[n]) &&
            writes(plan->nodes[n], name))
            return 1;
    return 0;
}
