/* dedup.c: one row a key. Any row is as good as the others: the first to arrive goes through at
 * once (seen.c). The first or the last by event time is known when the key is complete, or changes
 * until then: a `top` of one row (top.h), as are the rows of a changelog, of which the first may
 * be taken back. `as_table` is the last by its version. */
#include <string.h>

#include "base/status.h"
#include "op/seen.h"
#include "op/top.h"
#include "base/banned.h"

static int goes_through(const struct wr_bind *bind, const char *keep) {
    const struct wr_stream *in = bind->inputs[0];
    if (in->updates)
        return 0;
    /* By arrival, the first one is the first to arrive. */
    return strcmp(keep, "any") == 0 || (strcmp(keep, "first") == 0 && !in->has_time &&
                                        wr_value_get(bind->spec, "emit") == NULL);
}

static int dedup_bind(struct wr_bind *bind, struct wr_error *err) {
    const char *keep = wr_value_string(bind->spec, "keep", "any");
    const struct wr_value *within = wr_value_get(bind->spec, "within");
    if (goes_through(bind, keep))
        return seen_bind(bind, wr_value_get(bind->spec, "columns"), 1, err);
    if (within != NULL) {
        wr_error_script(err, "W203",
                        "`within` of `dedup` is for rows that stay, and `keep = \"any\"`");
        wr_error_at(err, "within", 0, 0);
        return WR_ESCRIPT;
    }
    return top_bind_dedup(bind, err);
}

const struct wr_op_type wr_op_dedup = {
    .name = "dedup",
    .size_bytes = sizeof(struct wr_op),
    .flags = WR_OP_TAKES_UPDATES,
    .bind = dedup_bind,
};

static int as_table_bind(struct wr_bind *bind, struct wr_error *err) {
    return top_bind_table(bind, err);
}

const struct wr_op_type wr_op_as_table = {
    .name = "as_table",
    .size_bytes = sizeof(struct wr_op),
    .bind = as_table_bind,
};
