/* state_rows.c: the rows that a stage in a state would give if its input ended now. The stage
 * itself knows how its state reads, so it is opened, loaded and told the end, in a run whose
 * sources and sinks are never opened; what it gives goes to one sink. Nothing of the state is
 * changed. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/conn.h"
#include "exec/inspect.h"
#include "exec/past.h"
#include "exec/restore.h"
#include "exec/sharded.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "state/store.h"
#include "base/banned.h"

struct showing {
    struct wr_out out; /* first: the stage gives its rows to it */
    struct wr_run *run;
    const struct wr_node *node;
    const struct wr_schema *schema; /* the columns that the state has … */
    uint32_t *columns;              /* … and which of the stage's they are */
    struct wr_endpoint_bind bind;
    struct wr_sink *sink;
    uint64_t rows;
    struct wr_error *err;
};

static int show_rows(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    struct showing *self = (struct showing *)out;
    if (port != WR_PORT_MAIN) {
        wr_batch_unref(batch);
        return WR_FLOW_MORE;
    }
    struct wr_batch *shown = wr_batch_view(&self->run->central_pool, self->schema, batch);
    for (uint32_t i = 0; shown != NULL && i < self->schema->field_count; i++)
        shown->columns[i] = batch->columns[self->columns[i]];
    self->rows += batch->sel_count;
    wr_batch_unref(batch);
    if (shown == NULL)
        return WR_ENOMEM;
    int status = self->sink->type->write(self->sink, shown, self->err);
    wr_batch_unref(shown);
    return WR_MIN(status, WR_FLOW_MORE);
}

static int show_no_reject(struct wr_out *out, const struct wr_reject *reject) {
    (void)out, (void)reject;
    return WR_OK;
}

static int choose_columns(struct showing *self) {
    struct wr_arena *arena = &self->run->arena;
    const struct wr_schema *schema = self->node->out.schema;
    uint32_t count = 0;
    self->columns = WR_ARENA_ARRAY(arena, uint32_t, schema->field_count + 1);
    if (self->columns == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (wr_bit_get(self->node->needed, c) && schema->fields[c].name[0] != 1)
            self->columns[count++] = c;
    struct wr_schema *shown = wr_schema_new(arena, count);
    for (uint32_t i = 0; shown != NULL && i < count; i++)
        shown->fields[i] = schema->fields[self->columns[i]];
    self->schema = shown;
    return shown == NULL ? WR_ENOMEM : WR_OK;
}

static int open_sink(struct showing *self, const struct wr_value *to, struct wr_error *err) {
    struct wr_run *run = self->run;
    const char *kind =
        wr_value_string(wr_value_get(to, "endpoint"), "kind", wr_value_string(to, "op", "print"));
    const struct wr_sink_type *type = wr_sink_find(kind);
    if (type == NULL)
        return wr_error_set(err, WR_EARG, "rows of a state cannot go to `%s`", kind);
    self->bind = (struct wr_endpoint_bind){.arena = &run->arena,
                                           .env = run->plan->env,
                                           .spec = to,
                                           .directory = ".",
                                           .timezone = run->plan->timezone,
                                           .input = self->schema,
                                           .bounded_input = 1};
    int status = type->bind(&self->bind, err);
    if (status != WR_OK)
        return status;
    struct wr_sink *sink = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (sink == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a sink");
    *sink = (struct wr_sink){.type = type,
                             .config = self->bind.config,
                             .schema = self->schema,
                             .env = run->plan->env,
                             .budget = &run->epoch_budget,
                             .name = self->bind.name,
                             .show = run->options.show,
                             .show_ctx = run->options.show_ctx,
                             .terminal = run->options.terminal,
                             .terminal_columns = run->options.terminal_columns};
    status = type->open(sink, NULL, err);
    if (status == WR_OK && type->begin != NULL)
        status = type->begin(sink, 1, err);
    if (status == WR_OK)
        self->sink = sink;
    else
        wr_free(&wr_budget_control, sink);
    return status;
}

static int close_sink(struct showing *self, int status, struct wr_error *err) {
    struct wr_sink *sink = self->sink;
    if (sink == NULL)
        return status;
    if (status == WR_OK && sink->type->prepare != NULL)
        status = sink->type->prepare(sink, 1, err);
    if (status == WR_OK && sink->type->commit != NULL)
        status = sink->type->commit(sink, 1, err);
    if (status == WR_OK && sink->type->finish != NULL)
        status = sink->type->finish(sink, err);
    sink->type->close(sink);
    wr_free(&wr_budget_control, sink);
    return status;
}

static int show_op(struct showing *self, struct wr_op *op, uint32_t shard, struct wr_error *err) {
    struct unit *unit = self->run->units[self->run->first_unit[self->node->id]];
    int status = run_restore_op(self->run, unit, op, shard, err);
    if (status != WR_OK || op->type->advance == NULL)
        return status;
    if (op->type->tick != NULL)
        status = unit_op_outcome(op, op->type->tick(op, &self->out));
    if (status >= 0)
        status = unit_op_give_all(op, unit_op_advance(op, WR_TIME_MAX, &self->out), &self->out);
    if (status < 0 && (err == NULL || err->status != status))
        wr_error_set(err, status, "show the rows of %s: %s", self->node->name,
                     wr_status_text(status));
    return WR_MIN(status, WR_OK);
}

/* The node of a stage of the state, which must go on in this plan. */
static int find_node(struct showing *self, uint32_t number, struct wr_error *err) {
    struct wr_run *run = self->run;
    uint32_t node = run_node_numbered(run, number);
    const struct wr_changes *changes = &run->changes;
    for (uint32_t i = 0; i < changes->count; i++)
        if (changes->items[i].node == node && node != PAST_NONE &&
            changes->items[i].what > WR_CHANGE_MIGRATED)
            node = PAST_NONE;
    if (node == PAST_NONE || number >= run->before.next_number ||
        run->before.by_number[number] == PAST_NONE) {
        wr_error_script(err, "W601", "the script does not have stage %u of the state as it was",
                        number);
        wr_error_help(err, "name the script, and the parameters, that wrote the state; `weir plan` "
                           "says what differs");
        return WR_EREFUSED;
    }
    self->node = run->plan->nodes[node];
    if (self->node->kind == WR_NODE_OP && self->node->op->load != NULL &&
        run->unit_counts[node] == 1)
        return WR_OK;
    return wr_error_set(err, WR_EARG, "stage %u (%s) keeps no rows", number, self->node->stage);
}

int wr_state_rows(struct wr_plan *plan, const struct wr_run_options *options, uint32_t number,
                  const struct wr_value *to, uint64_t *rows, struct wr_error *err) {
    struct wr_run *run = NULL;
    struct showing self = {.out = {.emit = show_rows, .reject = show_no_reject}, .err = err};
    int status = run_new_to_look(&run, plan, options, 0, err);
    self.run = run;
    if (status == WR_OK)
        status = find_node(&self, number, err);
    if (status == WR_OK && choose_columns(&self) != WR_OK)
        status = wr_error_set(err, WR_ENOMEM, "no memory for the columns of a state");
    if (status == WR_OK)
        status = open_sink(&self, to, err);
    if (status == WR_OK) {
        struct unit *unit = run->units[run->first_unit[self.node->id]];
        for (uint32_t s = 0; s < unit_op_count(unit) && status == WR_OK; s++)
            status = show_op(&self, unit_op_at(unit, s), s, err);
    }
    status = close_sink(&self, status, err);
    *rows = self.rows;
    wr_run_free(run);
    return status;
}
