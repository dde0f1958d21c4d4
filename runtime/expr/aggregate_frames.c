/* aggregate_frames.c: binds the list of a grouped `derive`; see frames.h. Each call of an aggregate
 * or a window function becomes the name of a column of the middle; `delta` and `rate` become the
 * expressions over `lag` that they are short for. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "data/time.h"
#include "expr/aggregate_bind.h"
#include "expr/frames.h"
#include "base/banned.h"

#define CALL_TEXT_BYTES_MAX 4096 /* of what explain shows */

static const struct wr_window_function functions[] = {
    {"lag", "(x any[, n const int64]) any",
     "In a `derive` behind `group_by`: the value of x in the row before, or n rows before; nil "
     "where there is none.",
     1, 2},
    {"lead", "(x any[, n const int64]) any",
     "In a `derive` behind `group_by`: the value of x in the next row, or n rows behind. The row "
     "waits for it; with `emit \"update\"` it is nil first, and corrected.",
     1, 2},
    {"row_number", "() int64",
     "In a `derive` behind `group_by`: the place of the row in its group: 1, 2, 3.", 0, 0},
    {"rank", "(x any) int64",
     "In a `derive` behind `group_by`: one more than how many values up to this row are less than "
     "x; under a window, of all its rows. nil comes last.",
     1, 1},
    {"dense_rank", "(x any) int64",
     "In a `derive` behind `group_by`: one more than how many different values up to this row are "
     "less than x; under a window, of all its rows. nil comes last.",
     1, 1},
    {"delta", "(x number) number",
     "In a `derive` behind `group_by`: x less its value in the row before: x - lag(x).", 1, 1},
    {"rate", "(x number) float64",
     "In a `derive` behind `group_by`: delta(x) for each second of event time since the row "
     "before; nil where none has passed. Not of decimals.",
     1, 1},
};

const struct wr_window_function *wr_window_function_at(uint32_t index) {
    return index < WR_COUNT(functions) ? &functions[index] : NULL;
}

const struct wr_window_function *wr_window_function_find(const char *name, uint32_t length) {
    for (size_t i = 0; i < WR_COUNT(functions); i++)
        if (strlen(functions[i].name) == length && memcmp(functions[i].name, name, length) == 0)
            return &functions[i];
    return NULL;
}

struct frames_bind {
    struct wr_agg_bind b;
    struct wr_frames *out;
    const struct wr_value **nodes; /* the AST of each call */
    uint32_t call_room;
};

static int is_call(const struct wr_value *node) {
    return node->kind == WR_VALUE_MAP && wr_ast_is(node, "call");
}

static const struct wr_window_function *window_function(const struct wr_value *node) {
    const struct wr_value *name = is_call(node) ? wr_value_get(node, "name") : NULL;
    return name == NULL ? NULL : wr_window_function_find(name->string, name->count);
}

/* Whether something of other rows stands in `node`. */
static int looks_around(const struct wr_agg_bind *b, const struct wr_value *node, int depth) {
    if (depth > WR_AST_DEPTH_MAX || (node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST))
        return 0;
    if (node->kind == WR_VALUE_MAP && (wr_agg_function(b, node) != NULL ||
                                       wr_ast_is(node, "over") || window_function(node) != NULL))
        return 1;
    for (uint32_t i = 0; i < node->count; i++)
        if (looks_around(b, &node->items[i], depth + 1))
            return 1;
    return 0;
}

/* ---- frames --------------------------------------------------------------------------------- */

static int frame_fault(struct frames_bind *f, const struct wr_value *node, const char *what) {
    wr_agg_fault(&f->b, node, "W112", "`over` takes `'1h'` or a row count, after an aggregate%s",
                 what);
    return f->b.status;
}

static int frame_read(struct frames_bind *f, const struct wr_value *node, struct wr_frame *frame) {
    const struct wr_value *value = wr_value_get(node, "v");
    const char *type = wr_value_string(node, "type", "");
    if (!wr_ast_is(node, "lit") || value == NULL)
        return frame_fault(f, node, "");
    if (value->kind == WR_VALUE_STRING) {
        if (!wr_duration_parse(value->string, value->count, &frame->span) || frame->span < 0) {
            wr_agg_fault(&f->b, node, "W114", "`%s` is no duration", value->string);
            wr_error_help(f->b.err, "as `'90s'`, `'1h30m'`, `'7d'`");
            return f->b.status;
        }
        if (!(f->b.scope->flags & WR_SCOPE_EVENT_TIME)) {
            wr_agg_fault(&f->b, node, "W301", "no event time: add `:event_time \"…\"` before");
            wr_error_help(f->b.err, "or count rows: `over 10`");
            return f->b.status;
        }
        frame->kind = WR_FRAME_TIME;
        return WR_OK;
    }
    if (value->kind == WR_VALUE_INT && strcmp(type, "duration") == 0) {
        frame->kind = WR_FRAME_TIME;
        frame->span = value->integer;
        return frame->span < 0 ? frame_fault(f, node, "") : WR_OK;
    }
    if (value->kind != WR_VALUE_INT || value->integer < 1 || value->integer > WR_FRAME_ROWS_MAX)
        return frame_fault(f, node, ": at least 1 row");
    *frame = (struct wr_frame){.kind = WR_FRAME_ROWS, .span = value->integer};
    return WR_OK;
}

static int frame_number(struct frames_bind *f, const struct wr_value *over, uint32_t *number) {
    struct wr_frame frame = {0};
    const struct wr_value *node = wr_value_get(over, "frame");
    int status = frame_read(f, node, &frame);
    if (status != WR_OK)
        return status;
    struct wr_frames *out = f->out;
    for (uint32_t i = 1; i < out->frame_count; i++) {
        *number = i;
        if (out->frames[i].kind == frame.kind && out->frames[i].span == frame.span)
            return WR_OK;
    }
    if (out->frame_count == WR_FRAMES_MAX)
        return wr_agg_fault(&f->b, node, "W112", "at most %d different frames in one stage",
                            WR_FRAMES_MAX - 1);
    *number = out->frame_count;
    out->frames[out->frame_count++] = frame;
    return WR_OK;
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* An equal call that is there already, or a new one. */
static struct wr_frame_call *call_add(struct frames_bind *f, const struct wr_value *node,
                                      int *found, uint32_t *number) {
    struct wr_frames *out = f->out;
    for (uint32_t i = 0; i < out->call_count; i++) {
        if (!wr_ast_equal(f->nodes[i], node))
            continue;
        *found = 1;
        *number = i;
        return &out->calls[i];
    }
    WR_ASSERT(out->call_count < f->call_room);
    *found = 0;
    *number = out->call_count;
    f->nodes[out->call_count] = node;
    struct wr_frame_call *call = &out->calls[out->call_count++];
    *call = (struct wr_frame_call){.from = wr_agg_from(node), .to = wr_agg_to(node)};
    return call;
}

/* `node` is the call, or the `over` around it. */
static int bind_aggregate(struct frames_bind *f, const struct wr_value *node,
                          const struct wr_value *call_node, uint32_t *number) {
    int found;
    uint32_t frame = 0;
    int status = call_node == node ? WR_OK : frame_number(f, node, &frame);
    if (status != WR_OK)
        return status;
    struct wr_frame_call *call = call_add(f, node, &found, number);
    if (found)
        return WR_OK;
    call->kind = WR_FRAME_AGGREGATE;
    call->frame = frame;
    status = wr_agg_bind_call(&f->b, call_node, &call->aggregate);
    if (status == WR_OK)
        f->b.aggregates[call->aggregate].framed = frame > 0;
    return status;
}

static int check_window_call(struct frames_bind *f, const struct wr_value *node,
                             const struct wr_window_function *function) {
    const struct wr_value *args = wr_value_get(node, "args");
    uint32_t count = wr_value_count(args);
    if (count < function->arg_min || count > function->arg_max) {
        wr_agg_fault(&f->b, node, "W102", "`%s` takes %u%s argument%s, got %u", function->name,
                     function->arg_min, function->arg_max == function->arg_min ? "" : " or 2",
                     function->arg_max == 1 ? "" : "s", count);
        wr_error_help(f->b.err, "%s%s", function->name, function->signature);
        return f->b.status;
    }
    if (wr_value_get(node, "where") != NULL || wr_value_get(node, "order") != NULL ||
        wr_value_get(node, "limit") != NULL)
        return wr_agg_fault(&f->b, node, "W102",
                            "`%s` is no aggregate: it takes no `where`, `order by` or `limit`",
                            function->name);
    for (uint32_t i = 0; i < count; i++)
        if (looks_around(&f->b, wr_value_at(args, i), 0)) {
            wr_agg_fault(&f->b, wr_value_at(args, i), "W110", "a result inside `%s`",
                         function->name);
            wr_error_help(f->b.err, "compute the inner one in a `derive` of its own before this");
            return f->b.status;
        }
    return WR_OK;
}

static int read_distance(struct frames_bind *f, const struct wr_value *node, int64_t *distance) {
    const struct wr_value *args = wr_value_get(node, "args");
    *distance = 1;
    if (wr_value_count(args) < 2)
        return WR_OK;
    const struct wr_value *n = wr_value_at(args, 1), *value = wr_value_get(n, "v");
    if (!wr_ast_is(n, "lit") || value == NULL || value->kind != WR_VALUE_INT ||
        value->integer < 1 || value->integer > WR_FRAME_ROWS_MAX)
        return wr_agg_fault(&f->b, n, "W102", "the distance must be a whole number of at least 1");
    *distance = value->integer;
    return WR_OK;
}

static int bind_lag(struct frames_bind *f, const struct wr_value *node, const struct wr_value *x,
                    int64_t distance, uint32_t *number) {
    int found;
    struct wr_frame_call *call = call_add(f, node, &found, number);
    if (found)
        return WR_OK;
    call->kind = WR_FRAME_LAG;
    call->distance = distance;
    return wr_agg_bind_input(&f->b, NULL, x, &call->item);
}

static int bind_rank(struct frames_bind *f, const struct wr_value *node, int dense,
                     uint32_t *number) {
    int found;
    struct wr_frame_call *call = call_add(f, node, &found, number);
    if (found)
        return WR_OK;
    struct wr_agg_bind *b = &f->b;
    call->kind = dense ? WR_FRAME_DENSE_RANK : WR_FRAME_RANK;
    call->aggregate = b->call_count;
    b->calls[b->call_count] = node;
    struct wr_aggregate *aggregate = &b->aggregates[b->call_count++];
    *aggregate = (struct wr_aggregate){.function = &wr_aggregates_ranks[dense],
                                       .where = -1,
                                       .limit = -1,
                                       .arg_count = 1,
                                       .from = call->from,
                                       .to = call->to};
    return wr_agg_bind_input(b, NULL, wr_value_at(wr_value_get(node, "args"), 0),
                             &aggregate->args[0]);
}

/* ---- short forms ---------------------------------------------------------------------------- */

static const struct wr_value *node_of(struct frames_bind *f, const char *kind, const char *name,
                                      const struct wr_value *const *parts, uint32_t count,
                                      const struct wr_value *at) {
    struct wr_arena *arena = f->b.arena;
    struct wr_value from = wr_agg_int(wr_agg_from(at)), to = wr_agg_int(wr_agg_to(at));
    if (strcmp(kind, "bin") == 0) {
        static const char *const names[] = {"k", "op", "a", "b", "at", "from", "to"};
        const struct wr_value values[] = {
            wr_agg_text("bin"), wr_agg_text(name), *parts[0], *parts[1], from, from, to};
        return wr_ast_map(arena, 7, names, values);
    }
    static const char *const names[] = {"k", "name", "args", "from", "to", "name_from", "name_to"};
    struct wr_value *args = wr_value_new_list(arena, count);
    for (uint32_t i = 0; args != NULL && i < count; i++)
        args->items[i] = *parts[i];
    if (args == NULL)
        return NULL;
    const struct wr_value values[] = {
        wr_agg_text("call"), wr_agg_text(name), *args, from, to, from, to};
    return wr_ast_map(arena, 7, names, values);
}

#define BIN(name, a, b) \
    node_of(f, "bin", (name), (const struct wr_value *const[]){(a), (b)}, 2, node)
#define CALL(name, ...) \
    node_of(f, "call", (name), (const struct wr_value *const[]){__VA_ARGS__}, \
            sizeof((const struct wr_value *const[]){__VA_ARGS__}) / sizeof(void *), node)

/* lag(x), as a column of the middle. */
static const struct wr_value *lag_of(struct frames_bind *f, const struct wr_value *x,
                                     const struct wr_value *node, int *status) {
    const struct wr_value *lag = CALL("lag", x);
    struct wr_value *name = WR_ARENA_ZEROS(f->b.arena, struct wr_value, 1);
    uint32_t number = 0;
    *status = lag == NULL || name == NULL ? WR_ENOMEM : bind_lag(f, lag, x, 1, &number);
    if (*status == WR_OK)
        *status =
            wr_agg_name_node(f->b.arena, wr_agg_hidden_name(f->b.arena, 'f', number), node, name);
    return name;
}

/* x - lag(x) */
static const struct wr_value *delta_of(struct frames_bind *f, const struct wr_value *x,
                                       const struct wr_value *node, int *status) {
    const struct wr_value *lag = lag_of(f, x, node, status);
    return *status == WR_OK ? BIN("-", x, lag) : NULL;
}

/* case(elapsed > 0, (x - lag(x)) / (elapsed / 1 second)) */
static int rate_of(struct frames_bind *f, const struct wr_value *x, const struct wr_value *node,
                   struct wr_value *out) {
    static const char *const names[] = {"k", "type", "v", "from", "to"};
    struct wr_arena *arena = f->b.arena;
    if (!(f->b.scope->flags & WR_SCOPE_EVENT_TIME)) {
        wr_agg_fault(&f->b, node, "W301", "no event time: add `:event_time \"…\"` before");
        return f->b.status;
    }
    int status = WR_OK;
    const struct wr_value *none = wr_value_new_list(arena, 0);
    const struct wr_value *time =
        none == NULL ? NULL : node_of(f, "call", "event_time", NULL, 0, node);
    if (time == NULL)
        return WR_ENOMEM;
    const struct wr_value *elapsed = delta_of(f, time, node, &status);
    const struct wr_value *delta = status == WR_OK ? delta_of(f, x, node, &status) : NULL;
    if (status != WR_OK)
        return status;
    struct wr_value lit[2][5];
    const struct wr_value *durations[2];
    for (int i = 0; i < 2; i++) {
        const struct wr_value values[] = {
            wr_agg_text("lit"), wr_agg_text("duration"), wr_agg_int(i * INT64_C(1000000)),
            wr_agg_int(wr_agg_from(node)), wr_agg_int(wr_agg_to(node))};
        memcpy(lit[i], values, sizeof values);
        durations[i] = wr_ast_map(arena, 5, names, lit[i]);
        if (durations[i] == NULL)
            return WR_ENOMEM;
    }
    const struct wr_value *seconds = elapsed == NULL ? NULL : BIN("/", elapsed, durations[1]);
    const struct wr_value *passed = elapsed == NULL ? NULL : BIN(">", elapsed, durations[0]);
    const struct wr_value *rate =
        delta == NULL || seconds == NULL ? NULL : BIN("/", delta, seconds);
    const struct wr_value *made =
        passed == NULL || rate == NULL ? NULL : CALL("case", passed, rate);
    if (made == NULL)
        return WR_ENOMEM;
    *out = *made;
    return 1;
}

/* ---- items ---------------------------------------------------------------------------------- */

static int rewrite_function(struct frames_bind *f, const struct wr_value *node,
                            const struct wr_window_function *function, struct wr_value *out) {
    int status = check_window_call(f, node, function);
    if (status != WR_OK)
        return status;
    const struct wr_value *args = wr_value_get(node, "args");
    const struct wr_value *x = wr_value_count(args) > 0 ? wr_value_at(args, 0) : NULL;
    uint32_t number = 0;
    int64_t distance = 1;
    if (strcmp(function->name, "rate") == 0)
        return rate_of(f, x, node, out);
    if (strcmp(function->name, "delta") == 0) {
        const struct wr_value *delta = delta_of(f, x, node, &status);
        if (status == WR_OK && delta != NULL)
            *out = *delta;
        return status != WR_OK ? status : delta == NULL ? WR_ENOMEM : 1;
    }
    if (strcmp(function->name, "row_number") == 0) {
        int found;
        call_add(f, node, &found, &number)->kind = WR_FRAME_ROW_NUMBER;
    } else if (strcmp(function->name, "rank") == 0 || strcmp(function->name, "dense_rank") == 0) {
        status = bind_rank(f, node, function->name[0] == 'd', &number);
    } else {
        status = read_distance(f, node, &distance);
        if (status == WR_OK)
            status = bind_lag(f, node, x,
                              strcmp(function->name, "lead") == 0 ? -distance : distance, &number);
    }
    if (status == WR_OK)
        status =
            wr_agg_name_node(f->b.arena, wr_agg_hidden_name(f->b.arena, 'f', number), node, out);
    return status == WR_OK ? 1 : status;
}

static int frames_rewrite(void *ctx, const struct wr_value *node, struct wr_value *out) {
    struct frames_bind *f = ctx;
    const struct wr_value *call = node;
    if (wr_ast_is(node, "over")) {
        call = wr_value_get(node, "a");
        if (window_function(call) != NULL)
            return frame_fault(f, node, ", and this is none");
        if (wr_agg_function(&f->b, call) == NULL)
            return frame_fault(f, node, "");
    }
    const struct wr_window_function *function = window_function(node);
    if (function != NULL)
        return rewrite_function(f, node, function, out);
    if (wr_agg_function(&f->b, call) == NULL)
        return 0;
    uint32_t number = 0;
    int status = bind_aggregate(f, node, call, &number);
    if (status == WR_OK)
        status =
            wr_agg_name_node(f->b.arena, wr_agg_hidden_name(f->b.arena, 'f', number), node, out);
    return status == WR_OK ? 1 : status;
}

static int bind_item(struct frames_bind *f, const struct wr_value *item, struct wr_value *out) {
    const struct wr_value *name = wr_value_get(item, "name");
    const struct wr_value *expr = wr_value_get(item, "expr");
    if (name == NULL || name->kind != WR_VALUE_STRING)
        return wr_agg_unnamed(&f->b, expr);
    struct wr_agg_known known = {.name = name, .input = -1, .middle = 1};
    known.aggregated = (uint8_t)looks_around(&f->b, expr, 0);
    f->b.label = name->string;
    int status = WR_OK;
    /* What is made of columns alone may be an argument too. */
    if (!known.aggregated && wr_agg_names_known(&f->b, expr, 0))
        status = wr_agg_bind_helper(&f->b, expr, &known.input);
    struct wr_value copy;
    if (status == WR_OK)
        status = wr_ast_rewrite(f->b.arena, expr, frames_rewrite, f, &copy);
    if (status == WR_OK)
        status = wr_agg_item_with(f->b.arena, item, &copy, out);
    f->b.known[f->b.known_count++] = known;
    return status;
}

/* The expression of an item of the inputs, for people. */
static const char *item_text(const struct wr_value *shown, uint32_t item) {
    const struct wr_value *one = wr_value_at(shown, item);
    return one == NULL ? "?" : wr_value_string(one, "expr", "?");
}

static void put_call(struct wr_buf *buf, const struct wr_frames *frames,
                     const struct wr_frame_call *call, const struct wr_value *shown) {
    if (call->kind == WR_FRAME_ROW_NUMBER) {
        wr_buf_add_text(buf, "row_number()");
        return;
    }
    if (call->kind == WR_FRAME_LAG) {
        int64_t distance = call->distance < 0 ? -call->distance : call->distance;
        wr_buf_addf(buf, call->distance < 0 ? "lead(%s" : "lag(%s", item_text(shown, call->item));
        if (distance > 1)
            wr_buf_addf(buf, ", %lld", (long long)distance);
        wr_buf_add_char(buf, ')');
        return;
    }
    const struct wr_aggregate *aggregate = &frames->aggregates[call->aggregate];
    wr_buf_addf(buf, "%s(", aggregate->function->name);
    for (uint32_t a = 0; a < aggregate->arg_count; a++)
        wr_buf_addf(buf, "%s%s", a > 0 ? ", " : "",
                    aggregate->constants[a] != NULL ? "…" : item_text(shown, aggregate->args[a]));
    if (aggregate->where >= 0)
        wr_buf_addf(buf, "%swhere %s", aggregate->arg_count > 0 ? " " : "",
                    item_text(shown, (uint32_t)aggregate->where));
    wr_buf_add_char(buf, ')');
    const struct wr_frame *frame = &frames->frames[call->frame];
    char span[WR_TIME_TEXT_MAX];
    wr_duration_format_short(frame->span, span);
    if (frame->kind == WR_FRAME_TIME)
        wr_buf_addf(buf, " over '%s'", span);
    else if (frame->kind == WR_FRAME_ROWS)
        wr_buf_addf(buf, " over %lld", (long long)frame->span);
}

/* Columns of calls are bound by hidden names; `explain` shows what they are. */
static int name_calls(struct frames_bind *f, struct wr_schema *middle) {
    const struct wr_frames *out = f->out;
    struct wr_value shown = {0};
    struct wr_buf buf;
    if (out->inputs->item_count > 0 && wr_list_explain(out->inputs, f->b.arena, &shown) != WR_OK)
        return WR_ENOMEM;
    wr_buf_init(&buf, &wr_budget_control, CALL_TEXT_BYTES_MAX);
    int status = WR_OK;
    for (uint32_t i = 0; i < out->call_count && status == WR_OK; i++) {
        wr_buf_clear(&buf);
        put_call(&buf, out, &out->calls[i], &shown);
        const char *text = buf.status != WR_OK ? "…" : buf.bytes;
        uint32_t length = buf.status != WR_OK ? (uint32_t)strlen(text) : (uint32_t)buf.length;
        struct wr_field *field = &middle->fields[f->b.scope->input->field_count + i];
        field->name = wr_arena_strndup(f->b.arena, text, length);
        field->name_length = length;
        status = field->name == NULL ? WR_ENOMEM : WR_OK;
    }
    wr_buf_release(&buf);
    return status;
}

static int bind_middle(struct frames_bind *f, const struct wr_value *items) {
    struct wr_frames *out = f->out;
    const struct wr_schema *input = f->b.scope->input;
    struct wr_schema *middle = wr_schema_new(f->b.arena, input->field_count + out->call_count);
    if (middle == NULL)
        return WR_ENOMEM;
    memcpy(middle->fields, input->fields, input->field_count * sizeof *input->fields);
    for (uint32_t i = 0; i < out->call_count; i++) {
        struct wr_frame_call *call = &out->calls[i];
        const char *name = wr_agg_hidden_name(f->b.arena, 'f', i);
        if (name == NULL)
            return WR_ENOMEM;
        if (call->kind == WR_FRAME_LAG) {
            call->item = f->b.entries[call->item].index;
            call->type = out->inputs->items[call->item].type;
        } else {
            call->type = call->kind == WR_FRAME_ROW_NUMBER ? WR_TYPE(WR_INT64)
                                                           : out->aggregates[call->aggregate].type;
        }
        wr_agg_field_set(&middle->fields[input->field_count + i], name, (uint32_t)strlen(name),
                         call->type);
    }
    out->middle = middle;
    struct wr_scope scope = *f->b.scope;
    scope.input = middle;
    scope.flags &= WR_SCOPE_EVENT_TIME; /* rows leave without what is hidden */
    scope.flags |= WR_SCOPE_AGGREGATES;
    int status = wr_list_bind(&out->items, &scope, WR_LIST_DERIVE, items, f->b.err);
    if (status != WR_OK && f->b.err != NULL)
        wr_error_at(f->b.err, "1", f->b.err->from, f->b.err->to);
    return status == WR_OK ? name_calls(f, middle) : status;
}

static void count_calls(struct frames_bind *f, const struct wr_value *node) {
    if (node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST)
        return;
    if (node->kind == WR_VALUE_MAP &&
        (wr_agg_function(&f->b, node) != NULL || window_function(node) != NULL)) {
        f->call_room += 2; /* `rate` takes two */
        f->b.call_room++;
        f->b.entry_room += 2;
    }
    for (uint32_t i = 0; i < node->count; i++)
        count_calls(f, &node->items[i]);
}

static int bind_all(struct frames_bind *f, const struct wr_value *group_by,
                    const struct wr_value *items) {
    struct wr_agg_bind *b = &f->b;
    struct wr_frames *out = f->out;
    int status = wr_agg_bind_keys(b, group_by);
    uint32_t count = wr_value_count(items);
    struct wr_value *list = wr_value_new_list(b->arena, count);
    if (list == NULL)
        return WR_ENOMEM;
    if (status == WR_OK && count == 0)
        return wr_agg_fault(b, items, "W008", "empty list");
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = bind_item(f, wr_value_at(items, i), &list->items[i]);
    if (status == WR_OK)
        status = wr_agg_bind_inputs(b);
    if (status == WR_OK)
        status = wr_agg_choose_kernels(b);
    out->inputs = b->out->inputs;
    out->key_count = b->out->key_count;
    out->aggregates = b->aggregates;
    out->aggregate_count = b->call_count;
    return status == WR_OK ? bind_middle(f, list) : status;
}

int wr_frames_bind(struct wr_frames **frames, const struct wr_scope *scope,
                   const struct wr_value *group_by, const struct wr_value *items, int ordered,
                   struct wr_error *err) {
    struct frames_bind f = {.b = {.arena = scope->arena, .scope = scope, .err = err, .apart = 1}};
    f.b.in_order = (uint8_t)ordered;
    f.b.entry_room = wr_value_count(items) + wr_value_count(group_by) + 1;
    if (items != NULL) {
        wr_agg_rooms_count(&f.b, items);
        count_calls(&f, items);
    }
    int status = wr_agg_rooms_make(&f.b, wr_value_count(items));
    if (status != WR_OK)
        return status;
    f.b.out->live = -1;
    f.out = WR_ARENA_ZEROS(scope->arena, struct wr_frames, 1);
    f.nodes = WR_ARENA_ARRAY(scope->arena, const struct wr_value *, f.call_room + 1);
    if (f.out == NULL || f.nodes == NULL ||
        (f.out->calls = WR_ARENA_ARRAY(scope->arena, struct wr_frame_call, f.call_room + 1)) ==
            NULL)
        return wr_error_set(err, WR_ENOMEM, "out of memory");
    f.out->frame_count = 1;
    status = bind_all(&f, group_by, items);
    if (status == WR_ENOMEM)
        return wr_error_set(err, status, "out of memory");
    if (status == WR_ELIMIT && f.b.status == WR_OK && err != NULL && err->status != WR_ELIMIT)
        return wr_error_set(err, status, "an expression is nested too deeply");
    if (status == WR_OK)
        *frames = f.out;
    return status;
}
