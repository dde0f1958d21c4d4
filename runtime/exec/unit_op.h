/* unit_op.h: an operator instance of a unit. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_batch;
struct wr_error;
struct wr_op;
struct wr_op_env;
struct wr_out;

/* An operator instance, opened; freed by unit_op_free. */
int unit_op_new(struct unit *unit, struct wr_op_env *env, struct wr_op **op, struct wr_error *err);
void unit_op_free(struct wr_op *op);
/* What a call of an operator gave; or why its tables could not read what they owe (apart.h). Reads
 * some more of that. */
int unit_op_outcome(struct wr_op *op, int flow);
/* What a frontier gives, and what is left of that or of a batch where the operator has more. */
int unit_op_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
int unit_op_go_on(struct wr_op *op, struct wr_out *out);
/* Until it has no more, or `out` is full. */
int unit_op_give_all(struct wr_op *op, int flow, struct wr_out *out);
/* A batch to an operator, in parts where its tables need that: what it gave. */
int unit_op_push(struct wr_op *op, uint32_t input, struct wr_batch *batch, struct wr_out *out);
