/* explain.c: the plan as plain data, which `weir explain` shows and `--json` prints. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "graph/plan.h"
#include "base/banned.h"

#define FACTS_MAX 25 /* of one node */

struct map_maker {
    struct wr_arena *arena;
    struct wr_value *map;
    uint32_t at;
    int failed;
};

static void put(struct map_maker *maker, const char *name, const struct wr_value *value) {
    if (value == NULL) {
        maker->failed = 1;
        return;
    }
    maker->map->names[maker->at] = name;
    maker->map->items[maker->at++] = *value;
}

static void put_text(struct map_maker *maker, const char *name, const char *text) {
    put(maker, name, wr_value_new_string(maker->arena, text, strlen(text)));
}

static void put_bool(struct map_maker *maker, const char *name, int value) {
    put(maker, name, &(struct wr_value){.kind = WR_VALUE_BOOL, .boolean = value != 0});
}

static void put_int(struct map_maker *maker, const char *name, int64_t value) {
    put(maker, name, &(struct wr_value){.kind = WR_VALUE_INT, .integer = value});
}

static struct wr_value *names_of(struct wr_arena *arena, const struct wr_schema *schema,
                                 const uint16_t *columns, uint32_t count) {
    struct wr_value *list = wr_value_new_list(arena, count);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        const struct wr_field *field = &schema->fields[columns[i]];
        struct wr_value *name = wr_value_new_string(arena, field->name, field->name_length);
        if (name == NULL)
            return NULL;
        list->items[i] = *name;
    }
    return list;
}

/* Columns of a source that nobody reads: they are checked, not converted. */
static struct wr_value *not_converted(struct wr_arena *arena, const struct wr_node *node) {
    const struct wr_schema *schema = node->out.schema;
    uint16_t *columns = WR_ARENA_ARRAY(arena, uint16_t, schema->field_count + 1);
    uint32_t count = 0;
    for (uint32_t c = 0; columns != NULL && c < schema->field_count; c++)
        if (!wr_bit_get(node->needed, c))
            columns[count++] = (uint16_t)c;
    return columns == NULL ? NULL : names_of(arena, schema, columns, count);
}

static struct wr_value *inputs_of(struct wr_arena *arena, const struct wr_node *node) {
    struct wr_value *list = wr_value_new_list(arena, node->input_count);
    for (uint32_t i = 0; list != NULL && i < node->input_count; i++)
        list->items[i] = (struct wr_value){.kind = WR_VALUE_INT, .integer = node->inputs[i]};
    return list;
}

static void put_source(struct map_maker *maker, struct wr_arena *arena,
                       const struct wr_node *node) {
    static const char *const resumes[] = {[WR_RESUME_EXACT] = "exact",
                                          [WR_RESUME_START] = "start",
                                          [WR_RESUME_KEY] = "key",
                                          [WR_RESUME_COUNT] = "count"};
    put(maker, "not_converted", not_converted(arena, node));
    if (node->is_asked)
        put_bool(maker, "asked", 1);
    put_int(maker, "partitions", node->endpoint.partition_count);
    if (node->endpoint.inferred_rows > 0)
        put_int(maker, "inferred_rows", (int64_t)node->endpoint.inferred_rows);
    put_text(maker, "endpoint", node->source->name);
    put_text(maker, "resume", resumes[node->endpoint.resume]);
}

static void put_sink(struct map_maker *maker, const struct wr_node *node) {
    put_text(maker, "endpoint", node->sink->name);
    put_text(maker, "delivery",
             wr_delivery_text(node->endpoint.shows ? WR_DELIVERY_PLAIN : node->sink->delivery));
    put_bool(maker, "by_key", node->endpoint.by_key);
    put_bool(maker, "audits", (node->sink->flags & WR_SINK_AUDITS) != 0);
    put_text(maker, "mode", wr_value_string(node->spec, "mode", ""));
    const struct wr_value *options = wr_value_get(wr_value_get(node->spec, "endpoint"), "options");
    put_bool(maker, "rolls", options != NULL && wr_value_get(options, "roll") != NULL);
}

static struct wr_value *explain_node(struct wr_arena *arena, const struct wr_node *node) {
    static const char *const orders[] = {"source", "time", "firing", "arrival"};
    struct map_maker maker = {.arena = arena, .map = wr_value_new_map(arena, FACTS_MAX)};
    if (maker.map == NULL)
        return NULL;
    put_int(&maker, "id", node->id);
    put_text(&maker, "op", node->stage);
    put_text(&maker, "name", node->name);
    put(&maker, "inputs", inputs_of(arena, node));
    put(&maker, "schema", wr_schema_to_value(arena, node->out.schema));
    put(&maker, "key", names_of(arena, node->out.schema, node->out.key, node->out.key_count));
    put_text(&maker, "order", orders[node->out.order]);
    put_bool(&maker, "bounded", node->out.bounded);
    put_bool(&maker, "updates", node->out.updates);
    put_bool(&maker, "has_time", node->out.has_time);
    put_bool(&maker, "repeatable", node->out.repeatable);
    put_bool(&maker, "same_rows", node->out.same_rows);
    put_bool(&maker, "by_clock", node->by_clock);
    put_bool(&maker, "by_arrival", node->by_arrival);
    put_bool(&maker, "live", node->live);
    const struct wr_value *script = wr_value_get(node->spec, "script");
    if (script != NULL)
        put(&maker, "script", script);
    if (node->kind == WR_NODE_SOURCE)
        put_source(&maker, arena, node);
    else if (node->kind == WR_NODE_SINK)
        put_sink(&maker, node);
    if (node->kind == WR_NODE_OP && node->op->explain != NULL) {
        const struct wr_value *facts = node->op->explain(node->config, arena);
        for (uint32_t i = 0; facts != NULL && i < facts->count && maker.at < FACTS_MAX; i++)
            put(&maker, facts->names[i], &facts->items[i]);
    }
    maker.map->count = maker.at;
    wr_value_sort(maker.map);
    return maker.failed ? NULL : maker.map;
}

struct wr_value *wr_plan_explain(struct wr_plan *plan) {
    struct wr_value *root = wr_value_new_map(&plan->arena, 1);
    struct wr_value *nodes = wr_value_new_list(&plan->arena, plan->node_count);
    if (root == NULL || nodes == NULL)
        return NULL;
    nodes->count = 0;
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (!plan->nodes[i]->live && plan->nodes[i]->endpoint.family > 0)
            continue; /* of several sources of one call, those that nobody reads */
        struct wr_value *node = explain_node(&plan->arena, plan->nodes[i]);
        if (node == NULL)
            return NULL;
        nodes->items[nodes->count++] = *node;
    }
    root->names[0] = "nodes";
    root->items[0] = *nodes;
    return root;
}
