/* expr.h: expressions of the language: bound against a schema, compiled to a vector program, run
 * over batches. The AST is plain data (`stdlib/weir/grammar/expr.lua` makes it); grammar, types,
 * nil rules and failures are those of the language reference, section 2.
 *
 *   AST --wr_list_bind--> items with types --wr_program--> one run a batch: columns, failed rows
 *
 * Threads: bound things are immutable and shared; a `wr_eval` belongs to one thread. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "data/schema.h"
#include "data/value.h"

struct wr_error;
struct wr_program;
struct wr_aggregates;
struct wr_aggregate_function;

enum wr_scope_flags {
    WR_SCOPE_AGGREGATES = 1, /* aggregate calls are allowed (agg, grouped derive) */
    WR_SCOPE_HIDDEN = 2, /* _file, _line, … are known (row-by-row stages after their source) */
    WR_SCOPE_EVENT_TIME = 4, /* event_time() is known */
    WR_SCOPE_EVENTS = 8,     /* beside HIDDEN: `_event` too */
};

/* A function that the script defined (`weir.def`), or a row function: called by a room above. */
struct wr_user_function {
    const char *name;
    uint32_t param_count;
    const struct wr_type *params;
    struct wr_type result;
    uint32_t id;     /* the k-th function of the script */
    int is_volatile; /* it calls now() or random() */
};

/* Calls user function `id` for rows; a kernel like any other (function.h). Set by the Lua room. */
struct wr_call;
typedef int (*wr_user_call_fn)(void *ctx, const struct wr_user_function *function,
                               struct wr_call *call);

/* What names mean while a list is bound. Borrowed until the bind returns. */
struct wr_scope {
    struct wr_arena *arena; /* the plan's: bound things live here */
    const struct wr_schema *input;
    unsigned flags;
    const char *timezone; /* of the script; "UTC" */
    const struct wr_user_function *user_functions;
    uint32_t user_function_count, user_aggregate_count;
    const struct wr_aggregate_function *const *user_aggregates; /* `weir.aggregate` */
    uint8_t *is_volatile; /* set to 1 by an expression with now() or random(); NULL: not wanted */
};

/* The hidden columns, in this order, behind the input's own when `WR_SCOPE_HIDDEN`. */
enum wr_hidden {
    WR_HIDDEN_SOURCE,    /* _source string */
    WR_HIDDEN_FILE,      /* _file string */
    WR_HIDDEN_LINE,      /* _line int64 */
    WR_HIDDEN_OFFSET,    /* _offset int64: byte in the file, or offset in the topic */
    WR_HIDDEN_PARTITION, /* _partition int64 */
    WR_HIDDEN_EVENT,     /* _event int64: the number of an event of Nexmark */
    WR_HIDDEN_COUNT
};

enum wr_list_kind {
    WR_LIST_DERIVE,     /* items see earlier ones; a name may redefine a column */
    WR_LIST_SELECT,     /* bare columns and named items */
    WR_LIST_KEYS,       /* group_by, on: the same, no duplicates of names */
    WR_LIST_CONDITION,  /* one unnamed item of type bool */
    WR_LIST_CONDITIONS, /* expect: named conditions */
    WR_LIST_ORDER,      /* an order: items with `desc` */
};

struct wr_item {
    const char *name; /* NULL: an unnamed condition or order item */
    /* How the script calls what the item is made for, where `name` is none of its own: the item of
     * `agg` whose argument this is. NULL: `name`; empty: not at all. */
    const char *label;
    uint32_t name_length;
    struct wr_type type;
    int32_t column; /* >= 0: this item is just that input column, nothing is computed */
    int32_t output; /* >= 0: number of the program's output that holds it; -1: `column` */
    uint8_t desc;   /* orders */
    uint8_t native; /* 1: whole item runs native; 0: it calls a Lua function */
    int from, to;   /* of its text */
};

/* A bound list: helpers (`local`) are gone, what they compute is in the program. */
struct wr_list {
    uint32_t item_count;
    struct wr_item *items;
    const struct wr_program *program; /* NULL: nothing to compute */
};

/* Binds a list of AST items (AST.md shape: {name=, is_local=, expr=, from=, to=, …}).
 * An order's items are {expr=, desc=}. A condition is given as its expression node.
 * On a fault of the text: WR_ESCRIPT with code, from, to and a help line (did-you-mean included).
 */
int wr_list_bind(struct wr_list **list, const struct wr_scope *scope, enum wr_list_kind kind,
                 const struct wr_value *ast, struct wr_error *err);
/* Sets the bit of each input column that the list reads (`columns`: bits of the input schema, then
 * the hidden ones); the second only of those that it computes something from, without the columns
 * that it hands on as they are. */
void wr_list_reads(const struct wr_list *list, uint64_t *columns);
void wr_list_computes_from(const struct wr_list *list, uint64_t *columns);
/* 1 when a row can fail in the program (so a filter over it may not move below a reject). */
int wr_list_can_fail(const struct wr_list *list);

/* A row that failed: it leaves as a reject, with the item's position in the script. */
struct wr_fail {
    uint32_t row;  /* physical */
    uint16_t code; /* enum wr_reject_code */
    uint16_t item;
    int from, to;       /* the failing call or operator, in the text of the list */
    const char *detail; /* "`x`: 10 // 0", "'abc' is no int64", …; in the eval's arena */
};

/* A run's memory and result. Reused from batch to batch; valid until the next run. */
struct wr_eval {
    struct wr_budget *budget;
    struct wr_arena scratch;   /* temporaries; reset at each run */
    wr_user_call_fn user_call; /* may be NULL when the program calls no user function */
    void *user_ctx;
    int64_t now_us;            /* what now() gives: the clock of the step */
    uint64_t random_seed;      /* random() mixes it with source, partition and record */
    struct wr_column *outputs; /* by output number; data in the arena given to run */
    struct wr_fail *fails;     /* ascending rows, at most one a row (the first) */
    uint32_t fail_count;
    const struct wr_item *items; /* of the list that runs; NULL: none */
    const char *fatal;           /* a bug of the script that stops the run (Lua watchdog, …) */
};

void wr_eval_init(struct wr_eval *eval, struct wr_budget *budget);
void wr_eval_release(struct wr_eval *eval);

/* Computes all outputs for the selected rows of `batch`; strings and column memory come from
 * `arena` (usually that of the batch to be made), or point into what `batch` holds.
 * WR_OK, WR_ENOMEM, or WR_ELUA. */
int wr_list_run(const struct wr_list *list, struct wr_eval *eval, const struct wr_batch *batch,
                struct wr_arena *arena);
/* For a condition: writes the rows for which it is true (ascending physical numbers; `sel` has room
 * for batch->sel_count) and their count. Failed rows are not among them. */
int wr_list_filter(const struct wr_list *list, struct wr_eval *eval, const struct wr_batch *batch,
                   uint32_t *sel, uint32_t *sel_count);

/* How it runs, for explain: a list with a map for each item: `name`, `type`, `how` ("native", or
 * "vm: risk" with the Lua functions it calls), `expr` (the bound expression). */
int wr_list_explain(const struct wr_list *list, struct wr_arena *arena, struct wr_value *out);
