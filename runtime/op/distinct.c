/* distinct.c: the given columns only, each combination once. */
#include "base/status.h"
#include "op/seen.h"
#include "base/banned.h"

static int distinct_bind(struct wr_bind *bind, struct wr_error *err) {
    return seen_bind(bind, wr_value_get(bind->spec, "columns"), 0, err);
}

const struct wr_op_type wr_op_distinct = {
    .name = "distinct",
    .size_bytes = sizeof(struct wr_op),
    .flags = WR_OP_TAKES_UPDATES,
    .bind = distinct_bind,
};
