/* equi_run.c: keys of rows that are pushed into a stage that joins two streams. See equi.h. */
#include "op/equi.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

int equi_run_list(struct wr_op *op, const struct wr_list *list, struct wr_eval *eval,
                  struct wr_batch *in, const uint32_t **sel, uint32_t *count, struct wr_out *out) {
    struct wr_batch view = wr_batch_look(in);
    view.sel = *sel;
    view.sel_count = *count;
    wr_op_eval_begin(op, eval);
    int status = wr_list_run(list, eval, &view, op->env->scratch);
    if (status < 0)
        return status;
    *sel = wr_op_rows_left(op, eval, &view, count, &status);
    if (status == WR_OK && eval->fail_count > 0)
        status = wr_op_reject_fails(op, eval, in, out);
    return WR_MIN(status, WR_OK);
}

void equi_columns(const struct equi *equi, uint32_t side, const struct wr_eval *eval,
                  const struct wr_batch *in, struct wr_column *columns) {
    const struct wr_list *list = equi->keys[side];
    for (uint32_t k = 0; k < list->item_count; k++)
        columns[k] = list->items[k].column >= 0 ? in->columns[list->items[k].column]
                                                : eval->outputs[list->items[k].output];
}

int equi_keys(struct wr_op *op, const struct equi *equi, uint32_t side, const struct wr_eval *eval,
              const struct wr_batch *in, const uint32_t *rows, uint32_t count, char **keys,
              uint64_t *hashes) {
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    equi_columns(equi, side, eval, in, columns);
    *keys = wr_arena_alloc_zero(op->env->scratch, (size_t)count * equi->layout.key_bytes + 8);
    if (*keys == NULL || hashes == NULL)
        return WR_ENOMEM;
    wr_keys_build(&equi->layout, columns, rows, count, op->env->seed, *keys, hashes);
    return WR_OK;
}

int equi_route(struct wr_op *op, const struct equi *equi, uint32_t side, struct wr_eval *eval,
               const struct wr_batch *in, uint64_t *hashes) {
    char *keys;
    wr_op_eval_begin(op, eval);
    int status = wr_list_run(equi->keys[side], eval, in, op->env->scratch);
    if (status < 0)
        return status;
    return equi_keys(op, equi, side, eval, in, in->sel, in->sel_count, &keys, hashes);
}

int equi_refuse(struct wr_op *op, struct wr_batch *in, uint32_t side, const uint32_t *late,
                uint32_t count, struct wr_out *out) {
    int status = WR_OK;
    for (uint32_t i = 0; side == 1 && i < count && status >= 0; i++) {
        struct wr_reject reject = {
            .code = WR_REJECT_LATE, .stage = op->node, .row = late[i], .batch = in};
        status = out->reject(out, &reject);
    }
    return side == 1 ? WR_MIN(status, WR_OK) : wr_op_emit_late(op, in, late, count, out);
}

int equi_put_keys(const struct wr_key_layout *layout, uint8_t *const *keys, uint32_t count,
                  struct wr_batch *batch, uint32_t first) {
    int status = WR_OK;
    for (uint32_t k = 0; k < layout->column_count && status == WR_OK; k++)
        status = wr_keys_column(layout, k, keys, count, batch, first + k);
    return status;
}
