/* support_expr.h: what tests of expressions share: expressions as text, batches from text,
 * results as text. The parser here knows the well-formed part of the grammar of language 2.1 and
 * nothing of its errors; the real one is Lua's (`stdlib/weir/grammar/expr.lua`). */
#pragma once
#include "../test.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/status.h"
#include "data/batch.h"
#include "data/schema.h"
#include "data/value.h"
#include "expr/expr.h"

/* The AST of one expression, a list of items, or an order. A syntax fault fails the test. */
struct wr_value *test_parse_expr(struct wr_arena *arena, const char *text);
struct wr_value *test_parse_list(struct wr_arena *arena, const char *text);
struct wr_value *test_parse_order(struct wr_arena *arena, const char *text);

/* A little world: a schema, one batch, an eval. */
struct test_world {
    struct wr_arena arena;
    struct wr_schema *schema;
    struct wr_batch batch;
    struct wr_scope scope;
    struct wr_eval eval;
    struct wr_error err;
};
void test_world_init(struct test_world *world);
void test_world_release(struct test_world *world);
/* Adds a column: its name, its type ("int64", "decimal(10,2)", "list<int64>"), and one element
 * for each row: an expression without names, or `nil`. All columns have as many rows. */
void test_world_column(struct test_world *world, const char *name, const char *type, uint32_t count,
                       const char *const *values);
/* Binds "x = <text>" and gives row `row` of the result as text: strings in quotes, "nil", "fails
 * W503",
 * "error W104". In one of a few static buffers that calls take in turn. */
const char *test_eval(struct test_world *world, const char *text, uint32_t row);
/* The code of the bind error, or "" when it binds. */
const char *test_bind(struct test_world *world, const char *text);
/* One element of a column as text, as test_eval shows it. */
const char *test_show(const struct wr_type *type, const struct wr_column *column, uint32_t row);
struct wr_type test_type(struct wr_arena *arena, const char *text);
