/* project.h: a new set of columns over the same rows: what derive, select, drop, rename and
 * event_time share. Private to the room. */
#pragma once
#include "op/op.h"

/* Each output column is a column of the input (>= 0) or output -1 - x of the list's program. */
struct project {
    const struct wr_schema *schema;
    struct wr_list *list; /* NULL: nothing to compute */
    int32_t *from;        /* by output column */
};

/* The input's columns, those that items name replaced in place, the other items behind. */
int project_bind_derive(struct project *project, struct wr_bind *bind, struct wr_list *list,
                        struct wr_error *err);
/* The same over the first `count` columns of `input`, with room in the schema and in `from` for
 * `more` columns of the caller's. */
int project_bind_items(struct project *project, struct wr_arena *arena,
                       const struct wr_schema *input, uint32_t count, uint32_t more,
                       struct wr_list *list, struct wr_error *err);
/* The columns that are kept, in the order given: `columns` of the input under `names` (NULL:
 * theirs). */
int project_bind_columns(struct project *project, struct wr_bind *bind, const uint32_t *columns,
                         uint32_t count, const struct wr_value *const *names, struct wr_error *err);
/* Sets bind->out: the schema, and the key where all of its columns pass through. */
void project_set_stream(const struct project *project, struct wr_bind *bind);
void project_needs(const struct project *project, const struct wr_stream *input,
                   const uint64_t *wanted, uint64_t *columns);
/* Makes the output batch: runs the list, rejects rows that fail. *made is NULL when no row is
 * left. */
int project_run(struct wr_op *op, const struct project *project, struct wr_eval *eval,
                struct wr_batch *in, struct wr_out *out, struct wr_batch **made);
