/* bind_endpoint.c: `read` and the stages that write become nodes; endpoints check their options. */
#include "graph/bind.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "graph/lanes.h"
#include "base/banned.h"

int wr_bind_source(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    const char *kind = wr_value_string(endpoint, "kind", "file");
    const struct wr_source_type *type = wr_source_find(kind);
    if (type == NULL)
        return wr_error_script(err, "W402", "`%s` cannot be read in this version", kind);
    struct wr_endpoint_bind bind = {.arena = &plan->arena,
                                    .env = plan->env,
                                    .spec = node->spec,
                                    .directory = plan->directory,
                                    .timezone = plan->timezone,
                                    .may_sample = plan->may_sample,
                                    .tell_wait = plan->tell_wait,
                                    .partition_count = 1,
                                    .bounded = 1};
    int status = type->bind(&bind, err);
    if (status == WR_OK)
        status = wr_endpoint_range(&bind, &bind.range, err);
    if (status != WR_OK)
        return status;
    uint8_t is_live = !bind.bounded || bind.resume == WR_RESUME_START;
    bind.bounded |= bind.range.end > 0 || bind.range.has_to;
    WR_ASSERT(bind.schema != NULL && bind.name != NULL);
    node->kind = WR_NODE_SOURCE;
    node->source = type;
    node->config = bind.config;
    node->endpoint = bind;
    if (wr_value_get(node->spec, "name") == NULL)
        node->name = bind.name;
    node->out = (struct wr_stream){.schema = bind.schema,
                                   .bounded = bind.bounded,
                                   .row_by_row = 1,
                                   .numbers_events = bind.family > 0,
                                   .repeatable = 1,
                                   .same_rows = 1,
                                   .live = is_live,
                                   .has_lanes = is_live && bind.partition_count > 1,
                                   .has_time = bind.has_time,
                                   .max_delay_us = bind.max_delay_us,
                                   .order = bind.has_time ? WR_ORDER_TIME : WR_ORDER_SOURCE};
    for (uint32_t i = 0; i < bind.schema->field_count; i++)
        if (bind.schema->fields[i].key && node->out.key_count < WR_KEY_FIELDS_MAX)
            node->out.key[node->out.key_count++] = (uint16_t)i;
    return wr_check_written(plan, node, err);
}

/* The sink's key: `key =` of the write, else the stream's. */
static int sink_key(const struct wr_node *node, const struct wr_stream *in,
                    struct wr_endpoint_bind *bind, struct wr_error *err) {
    const struct wr_value *names = wr_value_get(node->spec, "key");
    if (names == NULL) {
        bind->key = in->key;
        bind->key_count = in->key_count;
        return WR_OK;
    }
    uint32_t count = wr_value_count(names);
    uint16_t *key = WR_ARENA_ARRAY(bind->arena, uint16_t, count + 1);
    if (key == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *name = wr_value_at(names, i);
        int column = name->kind != WR_VALUE_STRING
                         ? -1
                         : wr_schema_find(in->schema, name->string, name->count);
        if (column < 0) {
            wr_error_script(err, "W211", "key column `%s` is not in the output",
                            name->kind == WR_VALUE_STRING ? name->string : "?");
            wr_error_at(err, "key", 0, 0);
            return WR_ESCRIPT;
        }
        key[i] = (uint16_t)column;
    }
    bind->key = key;
    bind->key_count = count;
    return WR_OK;
}

/* Whether the updates that reach `node` are made by a window's `allowed_lateness`. */
static int corrects_windows(const struct wr_plan *plan, const struct wr_node *node) {
    const struct wr_node *above = plan->nodes[node->inputs[0]];
    while (above->input_count > 0 && plan->nodes[above->inputs[0]]->out.updates)
        above = plan->nodes[above->inputs[0]];
    return wr_value_get(above->spec, "emit") == NULL &&
           wr_value_int(wr_value_get(above->spec, "window"), "allowed_lateness", 0) > 0;
}

int wr_bind_sink(struct wr_plan *plan, struct wr_node *node, struct wr_error *err) {
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    int writes = strcmp(node->stage, "write") == 0;
    const char *kind = wr_value_string(endpoint, "kind", writes ? "file" : node->stage);
    const struct wr_sink_type *type = wr_sink_find(kind);
    if (type == NULL)
        return wr_error_script(err, "W402", "`%s` cannot be written in this version", kind);
    const struct wr_stream *in = &plan->nodes[node->inputs[0]]->out;
    struct wr_endpoint_bind bind = {.arena = &plan->arena,
                                    .env = plan->env,
                                    .spec = node->spec,
                                    .directory = plan->directory,
                                    .timezone = plan->timezone,
                                    .input = in->schema,
                                    .updates = in->updates,
                                    .bounded_input = in->bounded};
    int status = sink_key(node, in, &bind, err);
    if (status == WR_OK && in->updates && !(type->flags & WR_SINK_KEYS)) {
        status = wr_error_script(err, "W306", "`%s` cannot take updates", kind);
        wr_error_help(err,
                      "%s`:changes()` before it makes a row of each change; a sink with keys, as "
                      "\"sqlite:out.db\", takes them as they are",
                      corrects_windows(plan, node) ? "`allowed_lateness` corrects results that "
                                                     "were sent: "
                                                   : "");
    }
    if (status == WR_OK)
        status = type->bind(&bind, err);
    if (status != WR_OK)
        return status;
    node->kind = WR_NODE_SINK;
    node->sink = type;
    node->config = bind.config;
    node->endpoint = bind;
    if (wr_value_get(node->spec, "name") == NULL && bind.name != NULL)
        node->name = bind.name;
    node->out = *in;
    wr_node_judge_order(plan, node);
    return wr_check_written(plan, node, err);
}
