/* aggregate_layout.c: kernels for the types of the arguments, the row of state, the schemas. */
#include <stdio.h>

#include "expr/aggregate_bind.h"
#include "base/banned.h"

static const struct wr_item *input_item(const struct wr_agg_bind *b, uint32_t entry) {
    return &b->out->inputs->items[b->entries[entry].index];
}

static int is_ordered(enum wr_type_kind kind) {
    return kind != WR_NIL && kind < WR_JSON;
}

/* An aggregate that needs its rows in an order of their own goes behind a collector. */
static void choose_collector(const struct wr_agg_bind *b, struct wr_aggregate *aggregate) {
    int by_time = aggregate->function->flags & WR_AGG_COLLECTS && !b->in_order &&
                  b->scope->flags & WR_SCOPE_EVENT_TIME;
    int keeps_all = (aggregate->function->user != NULL && aggregate->kernel->merge == NULL) ||
                    (aggregate->retracts && aggregate->kernel->retract == NULL &&
                     !(aggregate->function->flags & WR_AGG_NO_RETRACT));
    if (aggregate->order_count == 0 && aggregate->limit < 0 && !by_time && !keeps_all)
        return;
    aggregate->inner = aggregate->kernel;
    aggregate->kernel = &wr_aggregate_collector;
    int first = strcmp(aggregate->function->name, "first") == 0;
    aggregate->reversed = strcmp(aggregate->function->name, "last") == 0 && aggregate->limit < 0;
    if ((first && aggregate->limit < 0) || aggregate->reversed)
        aggregate->limit = 1;
}

/* min_by and max_by of what is no word are the first by an order. Returns the kernel of `first`. */
static const struct wr_aggregate_kernel *pick_by_order(const struct wr_agg_bind *b,
                                                       struct wr_aggregate *aggregate) {
    const struct wr_aggregate_function *function = aggregate->function;
    int largest = strcmp(function->name, "max_by") == 0;
    enum wr_type_kind by = aggregate->arg_types[1].kind;
    if ((!largest && strcmp(function->name, "min_by") != 0) || aggregate->order_count > 0 ||
        !(agg_is_text(by) || by == WR_DECIMAL || by == WR_BOOL))
        return NULL;
    aggregate->order[0] = aggregate->args[1];
    aggregate->order_types[0] = aggregate->arg_types[1];
    aggregate->order_desc[0] = (uint8_t)largest;
    aggregate->order_count = 1;
    aggregate->limit = aggregate->limit < 0 ? 1 : aggregate->limit;
    return wr_aggregate_find("first", 5)
        ->choose(b->arena, aggregate->arg_types, 1, &aggregate->type);
}

/* W305: no row can be taken out of a sketch again. */
static int refuse_updates(struct wr_agg_bind *b, const struct wr_aggregate *aggregate) {
    const struct wr_aggregate_function *function = aggregate->function;
    b->status = wr_error_script(b->err, "W305", "`%s` does not take updates", function->name);
    wr_error_at(b->err, "1", aggregate->from, aggregate->to);
    if (function->instead != NULL)
        wr_error_help(b->err,
                      "`%s` does, and keeps all values; or put `:changes()` before the group: each "
                      "change becomes a row, with `op` = insert, update or delete",
                      function->instead);
    else
        wr_error_help(b->err, "put `:changes()` before the group: each change becomes a row, with "
                              "`op` = insert, update or delete");
    return b->status;
}

/* The kernel of an aggregate of the script, for arguments of its types. */
static const struct wr_aggregate_kernel *user_kernel(const struct wr_agg_bind *b,
                                                     struct wr_aggregate *aggregate) {
    const struct wr_user_aggregate *user = aggregate->function->user;
    for (uint32_t a = 0; a < aggregate->arg_count; a++) {
        const struct wr_type *got = &aggregate->arg_types[a];
        int widens = got->kind == WR_INT64 && user->params[a].kind == WR_FLOAT64;
        if (!widens && !wr_type_equal(got, &user->params[a]))
            return NULL;
    }
    if (user->is_volatile && b->scope->is_volatile != NULL)
        *b->scope->is_volatile = 1;
    aggregate->type = user->result;
    return user->kernel;
}

static int choose_kernel(struct wr_agg_bind *b, struct wr_aggregate *aggregate) {
    const struct wr_aggregate_function *function = aggregate->function;
    char types[256];
    size_t length = 0;
    types[0] = 0;
    for (uint32_t i = 0; i < aggregate->arg_count; i++) {
        char text[64];
        if (aggregate->constants[i] == NULL) {
            aggregate->arg_types[i] = input_item(b, aggregate->args[i])->type;
            aggregate->args[i] = b->entries[aggregate->args[i]].index;
        }
        wr_type_text(&aggregate->arg_types[i], text, sizeof text);
        if (length < sizeof types)
            length += (size_t)snprintf(types + length, sizeof types - length, "%s%s",
                                       i == 0 ? "" : ", ", text);
    }
    for (uint32_t i = 0; i < aggregate->order_count; i++) {
        aggregate->order_types[i] = input_item(b, aggregate->order[i])->type;
        aggregate->order[i] = b->entries[aggregate->order[i]].index;
        if (!is_ordered(aggregate->order_types[i].kind)) {
            b->status = wr_error_script(b->err, "W104", "`order by` cannot order %s",
                                        wr_type_text(&aggregate->order_types[i], types, 64));
            wr_error_at(b->err, "1", aggregate->from, aggregate->to);
            return b->status;
        }
    }
    aggregate->retracts = b->out->live >= 0;
    int plain = aggregate->order_count == 0 && aggregate->limit < 0;
    if (function->user != NULL)
        aggregate->kernel = user_kernel(b, aggregate);
    else if (plain && aggregate->framed && function->choose_framed != NULL)
        aggregate->kernel = function->choose_framed(b->arena, aggregate->arg_types,
                                                    aggregate->arg_count, &aggregate->type);
    else if (plain && aggregate->retracts && function->choose_retracting != NULL)
        aggregate->kernel = function->choose_retracting(b->arena, aggregate->arg_types,
                                                        aggregate->arg_count, &aggregate->type);
    if (aggregate->kernel == NULL && function->user == NULL)
        aggregate->kernel = function->choose(b->arena, aggregate->arg_types, aggregate->arg_count,
                                             &aggregate->type);
    if (aggregate->kernel == NULL && aggregate->arg_count == 2)
        aggregate->kernel = pick_by_order(b, aggregate);
    if (aggregate->kernel == NULL) {
        b->status =
            wr_error_script(b->err, "W102", "`%s` does not take (%s)", function->name, types);
        wr_error_at(b->err, "1", aggregate->from, aggregate->to);
        wr_agg_signatures_help(b, function);
        if (strstr(types, "json") != NULL)
            wr_error_help(b->err, "say what the json is: `%s(float64(x))`, or string(x), …",
                          function->name);
        return b->status;
    }
    if (aggregate->retracts && function->flags & WR_AGG_NO_RETRACT)
        return refuse_updates(b, aggregate);
    choose_collector(b, aggregate);
    aggregate->flags = function->flags;
    int adds = aggregate->inner == NULL &&
               (strcmp(function->name, "sum") == 0 || strcmp(function->name, "avg") == 0);
    if (adds && aggregate->type.kind == WR_FLOAT64 && aggregate->arg_types[0].kind == WR_FLOAT64)
        aggregate->flags &= ~(unsigned)(WR_AGG_MERGES | WR_AGG_EXACT_SPLIT);
    return WR_OK;
}

int wr_agg_choose_kernels(struct wr_agg_bind *b) {
    for (uint32_t i = 0; i < b->call_count; i++) {
        struct wr_aggregate *aggregate = &b->aggregates[i];
        if (aggregate->where >= 0) {
            const struct wr_item *item = input_item(b, (uint32_t)aggregate->where);
            if (item->type.kind != WR_BOOL) {
                char type[64];
                b->status = wr_error_script(b->err, "W107", "a condition must be bool, this is %s",
                                            wr_type_text(&item->type, type, sizeof type));
                wr_error_at(b->err, "1", item->from, item->to);
                wr_error_help(b->err, "write `x ~= nil`, or a comparison");
                return b->status;
            }
            aggregate->where = (int32_t)b->entries[aggregate->where].index;
        }
        int status = choose_kernel(b, aggregate);
        if (status != WR_OK)
            return status;
    }
    b->out->aggregates = b->aggregates;
    b->out->aggregate_count = b->call_count;
    return WR_OK;
}

/* The column that an aggregate is of whose state can be shared, or -1. An argument that is no bare
 * column is looked at under the condition of its aggregate only. */
static int32_t shared_column(const struct wr_aggregates *out, const struct wr_aggregate *of) {
    return of->kernel->leader == NULL || of->arg_count != 1
               ? -1
               : out->inputs->items[of->args[0]].column;
}

int wr_agg_share(struct wr_agg_bind *b) {
    struct wr_aggregates *out = b->out;
    for (uint32_t i = 0; i < out->aggregate_count; i++) {
        struct wr_aggregate *leader = &out->aggregates[i];
        const struct wr_aggregate_kernel *kernel = leader->kernel;
        int32_t column = shared_column(out, leader);
        for (uint32_t k = i + 1; k < out->aggregate_count && column >= 0; k++) {
            struct wr_aggregate *other = &out->aggregates[k];
            if (other->kernel != kernel || shared_column(out, other) != column)
                continue;
            struct wr_aggregate_share *share = leader->share;
            if (share == NULL) {
                share = WR_ARENA_ZEROS(b->arena, struct wr_aggregate_share, 1);
                if (share == NULL)
                    return WR_ENOMEM;
                share->members[share->count++] = i;
                leader->share = share;
                leader->kernel = kernel->leader;
            }
            if (share->count == WR_AGGREGATE_SHARE_MAX)
                break;
            share->members[share->count++] = k;
            other->is_member = 1;
            other->kernel = kernel->member;
        }
    }
    return WR_OK;
}

/* Places of the states in a row, and its cells. */
int wr_agg_lay_out(struct wr_agg_bind *b) {
    struct wr_aggregates *out = b->out;
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    int can_be_nil = out->key_count == 0;
    for (uint32_t i = 0; i < out->key_count; i++) {
        const struct wr_item *item = &out->inputs->items[i];
        types[i] = item->type;
        can_be_nil |= item->column < 0 || (uint32_t)item->column >= b->scope->input->field_count ||
                      !b->scope->input->fields[item->column].required;
    }
    int status = wr_key_layout_init(&out->layout, types, out->key_count, can_be_nil);
    if (status != WR_OK)
        return wr_error_set(b->err, status, "the group keys cannot be laid out");
    uint32_t cell_count = out->layout.cell_count;
    uint64_t bytes = out->layout.key_bytes;
    for (uint32_t i = 0; i < out->aggregate_count; i++) {
        out->aggregates[i].offset = (uint32_t)bytes;
        bytes += out->aggregates[i].kernel->state_bytes;
        cell_count += out->aggregates[i].kernel->cell_count;
        if (bytes > WR_ROW_BYTES_MAX)
            return wr_error_set(b->err, WR_ELIMIT,
                                "the aggregates of one stage take more than %d bytes a group",
                                WR_ROW_BYTES_MAX);
    }
    struct wr_cell *cells = WR_ARENA_ARRAY(b->arena, struct wr_cell, cell_count + 1);
    if (cells == NULL)
        return WR_ENOMEM;
    uint32_t n = 0;
    for (uint32_t c = 0; c < out->layout.cell_count; c++)
        cells[n++] = out->layout.cells[c];
    for (uint32_t i = 0; i < out->aggregate_count; i++) {
        const struct wr_aggregate_kernel *kernel = out->aggregates[i].kernel;
        for (uint32_t c = 0; c < kernel->cell_count; c++)
            cells[n++] =
                (struct wr_cell){.kind = kernel->cells[c].kind,
                                 .offset = kernel->cells[c].offset + out->aggregates[i].offset};
        struct wr_aggregate_share *share = out->aggregates[i].share;
        for (uint32_t m = 0; share != NULL && m < share->count; m++)
            share->offsets[m] = out->aggregates[share->members[m]].offset;
    }
    out->shape = (struct wr_shape){.key_bytes = out->layout.key_bytes,
                                   .row_bytes = (uint32_t)bytes,
                                   .cell_count = cell_count,
                                   .cells = cells};
    return WR_OK;
}

void wr_agg_field_set(struct wr_field *field, const char *name, uint32_t length,
                      struct wr_type type) {
    *field = (struct wr_field){.name = name, .name_length = length, .type = type};
}

/* A schema of window columns and keys, with room for `more` fields behind *at. */
struct wr_schema *wr_agg_lead_schema(const struct wr_agg_bind *b, uint32_t more, uint32_t *at) {
    const struct wr_aggregates *out = b->out;
    uint32_t lead = (out->windowed ? 2 : 0) + out->key_count;
    struct wr_schema *schema = wr_schema_new(b->arena, lead + more);
    if (schema == NULL)
        return NULL;
    uint32_t n = 0;
    if (out->windowed) {
        wr_agg_field_set(&schema->fields[n++], "window_start", 12, WR_TYPE(WR_TIMESTAMP));
        wr_agg_field_set(&schema->fields[n++], "window_end", 10, WR_TYPE(WR_TIMESTAMP));
        schema->fields[n - 1].ends_window = 1;
    }
    for (uint32_t k = 0; k < out->key_count; k++) {
        const struct wr_item *key = &b->keys->items[k];
        wr_agg_field_set(&schema->fields[n++], key->name, key->name_length, key->type);
    }
    *at = n;
    return schema;
}
