/* support_plan.h: plans for tests, built from plain data: specs as JSON text in which ' stands for
 * ", with three more values: e`…` an expression, l`…` a list of items, o`…` an order. They come to
 * the runtime exactly as the standard library hands them over. */
#pragma once
#include "../expr/support_expr.h"

#include "base/env.h"
#include "graph/plan.h"

/* A plan with UTC over the real env. */
struct wr_plan *test_plan_new(void);
/* The spec as plain data in the plan's arena; a syntax fault fails the test. */
struct wr_value *test_spec(struct wr_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a stage; its number. A fault of the script fails the test. */
uint32_t test_add(struct wr_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "CODE text" of the refusal of a stage, in one of a few static buffers; "" when it was taken. */
const char *test_refused(struct wr_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A `read` of no rows under a schema "name type key, name type". */
uint32_t test_read(struct wr_plan *plan, const char *schema);
/* "name type key, name type" of a node's output; the names of its key. Static buffers in turn. */
const char *test_schema_of(const struct wr_plan *plan, uint32_t node);
const char *test_key_of(const struct wr_plan *plan, uint32_t node);
