/* aggregate.h: aggregate functions over keyed state. An aggregate's state is a fixed number of
 * bytes in a state row (cells of strings and blobs included, `state/table.h`); it is added to row
 * by row in the order of the edge, merged slice by slice in time order, and read once a firing. */
#pragma once
#include <stdint.h>

#include "data/batch.h"
#include "expr/expr.h"
#include "state/key.h"
#include "state/table.h"

struct wr_aggregate;
struct wr_example;

/* One way to aggregate: a kernel set for given argument types. */
struct wr_aggregate_kernel {
    uint32_t state_bytes; /* multiple of 8 */
    /* Cells of strings and blobs in the state, relative to it; so that the table can save, copy and
     * free them. */
    uint32_t cell_count;
    const struct wr_cell *cells;
    /* A state of all zero bytes must be the empty state. */
    /* Adds rows: for i in 0 … count-1 the arguments at physical row sel[i] (i when sel is NULL) go
     * to the state at rows[i] + aggregate->offset. nil arguments must be skipped by the kernel. */
    int (*add)(const struct wr_aggregate *aggregate, struct wr_table *table, uint8_t *const *rows,
               const struct wr_column *args, const struct wr_batch *batch, const uint32_t *sel,
               uint32_t count); /* args: the arguments, then the columns of `order by` */
    /* Takes rows back that were added before; NULL: cannot (then the aggregate of a changelog
     * stands behind a collector). */
    int (*retract)(const struct wr_aggregate *aggregate, struct wr_table *table,
                   uint8_t *const *rows, const struct wr_column *args, const struct wr_batch *batch,
                   const uint32_t *sel, uint32_t count);
    /* into := into and then from (from is later in time). */
    int (*merge)(const struct wr_aggregate *aggregate, struct wr_table *table, uint8_t *into,
                 const uint8_t *from);
    /* The results of `count` states as a dense column (valid: all set at the start). Strings may
     * point into the state, or lie in `arena`. A result that fails (W504) sets fails[i] to its
     * code. */
    int (*result)(const struct wr_aggregate *aggregate, uint8_t *const *rows, uint32_t count,
                  void *out, uint64_t *valid, uint16_t *fails, struct wr_arena *arena);
    /* More about a result that fails, lent by its state, or NULL. NULL: never. */
    const char *(*detail)(const struct wr_aggregate *aggregate, const uint8_t *row);
    /* As `add` of rows of which those count whose bool `where` is true. NULL: they are chosen
     * before. */
    void (*add_where)(const struct wr_aggregate *aggregate, uint8_t *const *rows,
                      const struct wr_column *where, const uint32_t *sel, uint32_t count);
    uint8_t in_row; /* the result lies in the state itself, though it has blobs */
    /* Of several aggregates of one column under conditions: the kernels of the first, which takes
     * the rows of all, and of the others, which have a result only. NULL: nothing is shared. */
    const struct wr_aggregate_kernel *leader, *member;
    /* Of a leader: bit m of bits[i] says that aggregate m of its share takes row i. */
    int (*add_shared)(const struct wr_aggregate *aggregate, struct wr_table *table,
                      uint8_t *const *rows, const struct wr_column *args,
                      const struct wr_batch *batch, const uint32_t *sel, uint32_t count,
                      const uint64_t *bits);
};

/* Aggregates that share the state of the first. */
#define WR_AGGREGATE_SHARE_MAX 64
struct wr_aggregate_share {
    uint32_t count;
    uint32_t members[WR_AGGREGATE_SHARE_MAX]; /* their numbers; the leader's first */
    uint32_t offsets[WR_AGGREGATE_SHARE_MAX]; /* of their states in the row */
};

enum wr_aggregate_flags {
    WR_AGG_MERGES = 1,      /* merge is exact (ints, decimals, min, max, sets): partials allowed */
    WR_AGG_ORDERED = 2,     /* first, last, list, string_agg: goes by `order by`, else event time */
    WR_AGG_EXACT_SPLIT = 4, /* result does not depend on how rows are split into partials */
    WR_AGG_COLLECTS = 8,    /* its kernel goes by arrival: event time puts it behind a collector */
    WR_AGG_CONDITIONS = 16, /* all arguments are bool: a collector skips rows in which none is true,
                             * and takes a nil for false */
    WR_AGG_NO_RETRACT = 32, /* refuses a changelog (W305): keeping all rows would defeat it */
    WR_AGG_PLACED = 64,     /* its kernel goes by the time of a row, or by where it is from */
};

/* An aggregate that the script defined (`weir.aggregate`): its kernel belongs to a room above. */
struct wr_user_aggregate {
    uint32_t param_count;
    const struct wr_type *params; /* an int64 is taken where a float64 is wanted */
    struct wr_type result;
    /* Without `merge` it stands behind a collector; `retract` may be NULL as ever. */
    const struct wr_aggregate_kernel *kernel;
    void *ctx;       /* of the kernel */
    int is_volatile; /* it calls now() or random() */
};

struct wr_aggregate_function {
    const char *name;
    unsigned flags;
    const char *doc;
    const char *const *signatures; /* as in function.h, for people; ends with NULL */
    uint32_t arg_min, arg_max;     /* arguments, constant ones included */
    uint32_t constants;            /* a bit for each argument that must be a literal */
    /* The kernel for arguments of these types, and the type of its result; NULL: none fits. */
    const struct wr_aggregate_kernel *(*choose)(struct wr_arena *arena, const struct wr_type *args,
                                                uint32_t arg_count, struct wr_type *type);
    /* The same for a changelog, where that takes another kernel; NULL: there is none. */
    const struct wr_aggregate_kernel *(*choose_retracting)(struct wr_arena *arena,
                                                           const struct wr_type *args,
                                                           uint32_t arg_count,
                                                           struct wr_type *type);
    /* The same for a frame that moves along rows, where that takes another kernel: it takes rows
     * back and keeps nothing of them, not even a rounding; NULL where there is none (then the frame
     * is gone through anew for each row). */
    const struct wr_aggregate_kernel *(*choose_framed)(struct wr_arena *arena,
                                                       const struct wr_type *args,
                                                       uint32_t arg_count, struct wr_type *type);
    /* Checks the literal arguments (NULL: nothing to check). NULL, or what is wrong. */
    const char *(*check)(const struct wr_value *const *constants, uint32_t arg_count);
    const struct wr_user_aggregate *user; /* `choose` is NULL then; else NULL */
    const char *keeps;   /* at most this a group, for explain; NULL: a few words, or all values */
    const char *instead; /* NO_RETRACT: the aggregate that takes a changelog; NULL: there is none */
    const struct wr_example *examples; /* text: an item of agg over the rows of test_aggregates.c */
};

const struct wr_aggregate_function *wr_aggregate_find(const char *name, uint32_t length);
const struct wr_aggregate_function *wr_aggregate_at(uint32_t index);
/* One of the script's, or of these. */
const struct wr_aggregate_function *wr_aggregate_in(const struct wr_scope *scope, const char *name,
                                                    uint32_t length);

/* A bound aggregate call: `sum(x where c order by o limit n)`. Arguments are outputs of the list of
 * inputs (below), or input columns. */
#define WR_AGGREGATE_ARGS_MAX 32
#define WR_AGGREGATE_ORDER_MAX 4
struct wr_aggregate {
    const struct wr_aggregate_function *function;
    const struct wr_aggregate_kernel *kernel;
    const struct wr_aggregate_kernel *inner; /* fed by a collector in order, up to limit; or NULL */
    unsigned flags; /* the function's, without MERGES and EXACT_SPLIT where floats are added */
    uint32_t arg_count;
    uint32_t args[WR_AGGREGATE_ARGS_MAX]; /* items of wr_aggregates.inputs, unless constant */
    struct wr_type arg_types[WR_AGGREGATE_ARGS_MAX];
    /* Literal arguments (quantile's q, a separator); or NULL. */
    const struct wr_value *constants[WR_AGGREGATE_ARGS_MAX];
    int32_t where;        /* item of inputs, or -1 */
    uint32_t order_count; /* `order by`: items of inputs, with desc */
    uint32_t order[WR_AGGREGATE_ORDER_MAX];
    struct wr_type order_types[WR_AGGREGATE_ORDER_MAX];
    uint8_t order_desc[WR_AGGREGATE_ORDER_MAX];
    int64_t limit;                    /* -1: none */
    uint8_t retracts;                 /* of a changelog: rows may be taken back */
    uint8_t framed;                   /* of a frame that moves along the rows */
    uint8_t reversed;                 /* the collector wants the end of the order: `last` */
    uint8_t is_member;                /* of another one's share */
    struct wr_aggregate_share *share; /* of a leader; else NULL */
    struct wr_type type;
    uint32_t offset;   /* of its state in the row */
    const char *label; /* the item that it was first written in; NULL: none */
    int from, to;
};

/* `agg` as a whole: group keys, aggregates, and the items over them.
 *   inputs   evaluated on each input batch: keys first (key_count items), then what aggregates take
 *   states   a row of state: key cells, then the aggregates' states (`shape`)
 *   middle   schema of a fired batch: [window_start, window_end,] keys, one column an aggregate
 *   items    evaluated on the middle; result schema: [window_start, window_end,] keys, items */
struct wr_aggregates {
    struct wr_list *inputs;
    uint32_t key_count;
    struct wr_key_layout layout; /* of the keys; without keys: no bytes */
    uint32_t aggregate_count;
    struct wr_aggregate *aggregates;
    struct wr_shape shape;
    const struct wr_schema *middle;
    struct wr_list *items;
    const struct wr_schema *result;
    int windowed;
    /* Of a changelog: the aggregate that counts the rows of a group, which is gone at 0; else -1 */
    int32_t live;
};

enum wr_aggregates_flags {
    WR_AGGREGATES_WINDOWED = 1, /* the result begins with window_start, window_end */
    WR_AGGREGATES_RETRACT = 2,  /* of a changelog: rows may be taken back */
    WR_AGGREGATES_SHARE = 4, /* rows are added by wr_aggregates_add alone: states may be shared */
};
/* Binds `group_by` (a list AST, may be NULL or empty: one group) and `agg`'s list together. `arg`
 * in an error is "group_by" or "1". */
int wr_aggregates_bind(struct wr_aggregates **aggregates, const struct wr_scope *scope,
                       const struct wr_value *group_by, const struct wr_value *agg, unsigned flags,
                       struct wr_error *err);
/* Adds the selected rows of a batch, or takes them back, by their weights: `inputs` has been run,
 * `rows` are their state rows (dense, in the order of the selection `sel`/`count`). Runs each
 * aggregate's where. */
int wr_aggregates_add(const struct wr_aggregates *aggregates, struct wr_eval *eval,
                      struct wr_table *table, uint8_t *const *rows, const struct wr_batch *batch,
                      const uint32_t *sel, uint32_t count);
int wr_aggregates_merge(const struct wr_aggregates *aggregates, struct wr_table *table,
                        uint8_t *into, const uint8_t *from);
/* Whether anything is taken of a row that has event time but its inputs: where it stands. */
int wr_aggregates_are_placed(const struct wr_aggregates *aggregates);
/* Whether all results lie in the rows of state, so that a copy of a row has its results for as long
 * as long strings of the table stay where they are. */
int wr_aggregates_in_row(const struct wr_aggregates *aggregates);
/* More about a result that fails: of the aggregate that `guilty` says, "`x`: why". May be NULL. */
const char *wr_aggregates_detail(const struct wr_aggregates *aggregates, uint16_t guilty,
                                 const uint8_t *row, struct wr_arena *arena);
/* How many rows of a changelog a group has. */
int64_t wr_aggregates_live(const struct wr_aggregates *aggregates, const uint8_t *row);
/* Fills a batch of the middle schema with `count` results (window columns are the caller's);
 * returns it with its rows' failures in `fails` (count entries, 0: fine) and the guilty aggregate
 * in `guilty`. */
int wr_aggregates_result(const struct wr_aggregates *aggregates, uint8_t *const *rows,
                         uint32_t count, struct wr_batch *middle, uint16_t *fails,
                         uint16_t *guilty);
