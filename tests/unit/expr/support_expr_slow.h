/* support_expr_slow.h: a slow interpreter of expressions: one row and one node at a time, as Lua
 * would. What it knows is what random tests generate: nil, bool, int64, float64, string. */
#pragma once
#include "support_expr.h"

enum kind { NIL, BOOL, INT, FLOAT, STRING, FAIL };

struct val {
    enum kind kind;
    int64_t i; /* bool too; the code of a failure */
    double f;
    const char *s;
    uint32_t length;
};

/* Strings that the interpreter makes lie in `arena`; columns are asked for by name. */
struct slow {
    struct wr_arena *arena;
    struct val (*column)(const char *name, uint32_t row);
};

struct val slow_run(const struct slow *slow, const struct wr_value *ast, uint32_t row);
int slow_is_true(struct val v);
