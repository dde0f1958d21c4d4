/* function.h: the function library is one table; binder, help, reference and tests come from it.
 * A library file (`functions_text.c`, …) gives an array of wr_function, listed in functions.c. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "data/type.h"

struct wr_eval;
struct wr_error;
struct wr_value;

#define WR_ARGS_MAX 255

/* One evaluation of a function over rows: the kernel computes out->data[row] for each row of the
 * selection (sel NULL: rows 0 … count-1, else sel[0 … count-1]). Rows are physical numbers. */
struct wr_call {
    struct wr_eval *eval;
    struct wr_arena *arena; /* for the bytes of result strings */
    const struct wr_batch *batch;
    uint32_t arg_count;
    const struct wr_column *args;
    const struct wr_type *arg_types;
    /* An argument that is constant has only element 0 (row 0); see wr_call_row. */
    const uint8_t *arg_constant;
    const uint32_t *sel;
    uint32_t count;
    struct wr_type type; /* of the result */
    void *out;           /* elements of the result, by physical row */
    uint64_t *valid;     /* all bits set at the start; the kernel clears those of nil results */
    void *prepared;      /* what `prepare` made of constant arguments, or NULL */
    const char *timezone;
};

static inline uint32_t wr_call_at(const struct wr_call *call, uint32_t i) {
    return call->sel == NULL ? i : call->sel[i];
}
/* The element number of argument `arg` for physical row `row`. */
static inline uint32_t wr_call_row(const struct wr_call *call, uint32_t arg, uint32_t row) {
    return call->arg_constant[arg] ? 0 : row;
}
/* The row fails: code of reject.h, a detail for people (copied). Its result counts as nil. */
void wr_call_fail(struct wr_call *call, uint32_t row, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The result of `row` is nil. */
void wr_call_nil(struct wr_call *call, uint32_t row);
/* Room for a result string of up to `length` bytes in call->arena (NULL: out of memory, and the
 * call's status is set). wr_call_string stores a view of `bytes`, which lie there or in an input.
 */
char *wr_call_room(struct wr_call *call, uint32_t length);
void wr_call_string(struct wr_call *call, uint32_t row, const char *bytes, uint32_t length);

/* Returns WR_OK, or WR_ENOMEM, WR_ELIMIT, WR_ELUA (a status, never a row's failure). */
typedef int (*wr_kernel_fn)(struct wr_call *call);
/* At bind time, given literal arguments (NULL where an argument is not constant): compiles a
 * pattern, a format, …; the result lives in the plan's arena. A bad constant is W114 or W115 in
 * `err`, with from/to relative to that argument's text left 0. */
typedef int (*wr_prepare_fn)(struct wr_arena *arena, uint32_t arg_count,
                             const struct wr_value *const *constants, void **prepared,
                             struct wr_error *err);

enum wr_function_flags {
    WR_FN_STRICT = 1,   /* nil in any argument gives nil; the kernel never sees a nil */
    WR_FN_CAN_FAIL = 2, /* a row can fail */
    WR_FN_METHOD = 4,   /* x:f(…) is allowed: the first parameter is a value */
    WR_FN_VOLATILE = 8, /* now(), random(): never folded, marks the script not repeatable */
    WR_FN_LAZY = 16,    /* case, coalesce: the compiler itself orders evaluation */
    WR_FN_CAN_NIL = 32, /* a result can be nil though no argument is */
    WR_FN_LUA = 64,     /* takes a Lua function: for Lua only; its signature is for people, its
                         * examples are Lua, and there is no kernel */
};

/* One way to call a function. `text` is its signature as documents show it and the binder reads it:
 *   "(x string, from int64, to int64 = -1) string"     defaults: int, float, 'text', true, nil
 *   "(x T, y T…) T"           T, U: type variables; `…` behind the last parameter: one or more of
 * it
 *   "(x number) T"            classes: any, number (int64 float64 decimal), time (timestamp date),
 *                             text (string bytes); a result of `T` is the type of the first T
 *   "(x list<T>) T", "(pattern const string)"  `const`: must be a literal or parameter
 * int64 arguments widen to float64 where no signature takes int64 as it is. The first that fits. */
struct wr_signature {
    const char *text;
    wr_kernel_fn kernel;
    wr_prepare_fn prepare; /* NULL: none */
};

struct wr_example {
    const char *text;   /* an expression: "sub('weir', 2, 3)" */
    const char *result; /* as text of language 2.8, strings in quotes; "nil"; "fails W503" */
};

struct wr_function {
    const char *name; /* "lower"; Lua's own are listed under both names: "math.floor" and "floor" */
    const char *group; /* text, patterns, regex, numbers, conditions, conversion, time, hashes, … */
    unsigned flags;
    const char *doc;                       /* one or two sentences */
    const struct wr_signature *signatures; /* ends with text NULL */
    const struct wr_example *examples;     /* ends with text NULL; each is a test */
};

/* The library (functions.c): find by name, or walk all: index from 0, NULL at the end. */
const struct wr_function *wr_function_find(const char *name, uint32_t length);
const struct wr_function *wr_function_at(uint32_t index);
/* The name that weir has for a function of another dialect ("substr" → "sub"), or NULL. */
const char *wr_function_foreign(const char *name, uint32_t length);
/* Whether the language has a function or an aggregate of this name, and this version has not. */
int wr_function_is_later(const char *name, uint32_t length);
