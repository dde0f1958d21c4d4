/* unit_op.c: operators of units: made, freed, and what a call of one came to. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/unit.h"
#include "state/apart.h"
#include "base/banned.h"

#define CATCH_UP_BYTES 524288u /* of what tables owe, behind each call */

int unit_op_new(struct unit *unit, struct wr_op_env *env, struct wr_op **made,
                struct wr_error *err) {
    const struct wr_node *node = unit->node;
    struct wr_op *op = wr_alloc_zero(&wr_budget_control, node->op->size_bytes);
    if (op == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for `%s`", node->name);
    op->type = node->op;
    op->config = node->config;
    op->schema = node->out.schema;
    op->env = env;
    op->needed = node->needed;
    op->node = node->id;
    op->observed = node->observed;
    op->keeps_origins = unit->asks_origins;
    *made = op;
    if (unit->run->store != NULL && node->op->save != NULL) {
        struct unit_apart *apart = wr_alloc_zero(&wr_budget_control, sizeof *apart);
        if (apart == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for `%s`", node->name);
        copying_init(apart, unit->run);
        op->apart = &apart->apart;
    }
    int status = node->op->open == NULL ? WR_OK : node->op->open(op, err);
    return status == WR_OK ? WR_OK : wr_error_add(err, status, "stage %s", node->name);
}

void unit_op_free(struct wr_op *op) {
    if (op == NULL)
        return;
    struct unit_apart *apart = op->apart == NULL ? NULL : unit_apart_of(op);
    if (apart != NULL)
        wr_apart_drop_frozen(&apart->apart);
    if (op->type->close != NULL)
        op->type->close(op);
    if (apart != NULL)
        wr_buf_release(&apart->apart.rows);
    wr_free(&wr_budget_control, apart);
    wr_free(&wr_budget_control, op);
}

int unit_op_outcome(struct wr_op *op, int flow) {
    struct wr_apart *apart = op->apart;
    if (apart == NULL)
        return flow;
    if (flow >= 0 && apart->failure == WR_OK && apart->owing != NULL)
        wr_apart_catch_up(apart, CATCH_UP_BYTES);
    if (flow >= 0 && apart->failure == WR_OK)
        copying_some(unit_apart_of(op));
    return apart->failure != WR_OK ? apart->failure : flow;
}
