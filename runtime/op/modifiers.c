/* modifiers.c: `group_by`, `window`, `emit` say how the next consumer works. They are bound only
 * to be checked where they stand; the consumer binds them again with all that belongs to it. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "op/window.h"
#include "base/banned.h"

static int group_by_bind(struct wr_bind *bind, struct wr_error *err) {
    const struct wr_value *items = wr_value_get(bind->spec, "items");
    struct wr_list *list = NULL;
    if (wr_value_count(items) == 0)
        return WR_OK; /* one group */
    int status = wr_list_bind(&list, &bind->scope, WR_LIST_KEYS, items, err);
    if (status != WR_OK && err != NULL)
        wr_error_at(err, "1", err->from, err->to);
    return status;
}

static int window_bind(struct wr_bind *bind, struct wr_error *err) {
    struct window window;
    int status = window_from_value(&window, bind->arena, wr_value_get(bind->spec, "window"), err);
    if (status == WR_OK && window.kind != WINDOW_COUNT && !bind->inputs[0]->has_time)
        return wr_error_script(err, "W301", "no event time: add `:event_time \"…\"` before");
    struct wr_list *gap;
    if (status == WR_OK && window.gap != NULL)
        status = window_bind_gap(&gap, &window, &bind->scope, "1", err);
    return status;
}

static int emit_bind(struct wr_bind *bind, struct wr_error *err) {
    struct wr_list *at;
    return wr_op_bind_time(&at, bind, wr_value_get(bind->spec, "at"), "at", err);
}

/* A modifier is never run. */
static int no_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)op;
    (void)input;
    (void)in;
    (void)out;
    WR_ASSERT(!"a modifier was run");
    return WR_EARG;
}

const struct wr_op_type wr_op_group_by = {.name = "group_by",
                                          .flags = WR_OP_TAKES_UPDATES,
                                          .size_bytes = sizeof(struct wr_op),
                                          .bind = group_by_bind,
                                          .push = no_push};
const struct wr_op_type wr_op_emit = {.name = "emit",
                                      .flags = WR_OP_TAKES_UPDATES,
                                      .size_bytes = sizeof(struct wr_op),
                                      .bind = emit_bind,
                                      .push = no_push};
const struct wr_op_type wr_op_window = {.name = "window",
                                        .flags = WR_OP_TAKES_UPDATES,
                                        .size_bytes = sizeof(struct wr_op),
                                        .bind = window_bind,
                                        .push = no_push};
