/* op.h: the operator interface. An operator is bound once when the script calls its stage (plan
 * time: checks, output schema, compiled expressions), and opened once a shard or partition (run
 * time). One file an operator; one line in registry.c. What differs between operators is a table
 * entry. */
#pragma once
#include <signal.h>
#include <stdint.h>

#include "base/arena.h"
#include "data/asked.h"
#include "data/batch.h"
#include "data/reject.h"
#include "data/schema.h"
#include "data/value.h"
#include "expr/expr.h"

struct wr_apart;
struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_reader;
struct wr_op_type;

#define WR_INPUTS_MAX 16 /* inputs of one operator */
#define WR_KEY_FIELDS_MAX 64

/* How rows of an edge are ordered, as explain says it. */
enum wr_order { WR_ORDER_SOURCE, WR_ORDER_TIME, WR_ORDER_FIRING, WR_ORDER_ARRIVAL };

#define WR_DELAY_UNKNOWN INT64_MAX
#define WR_SHIFT_BY_ROWS (-1)

/* What is known about the rows of an edge. */
struct wr_stream {
    const struct wr_schema *schema;
    uint32_t key_count;              /* 0: no key known */
    uint16_t key[WR_KEY_FIELDS_MAX]; /* columns of the schema */
    uint8_t has_time;                /* event_time stands before */
    uint8_t bounded;                 /* it ends */
    uint8_t updates;                 /* a changelog */
    uint8_t row_by_row;     /* only row-by-row stages since the source: hidden columns are known */
    uint8_t numbers_events; /* of its source: `_event` is known where hidden columns are */
    uint8_t repeatable;     /* no now(), processing time or arrival order before */
    uint8_t same_rows;      /* repeatable, or but for values: as many rows, in the same order */
    uint8_t live;           /* it may be quiet for a while: then the clock decides how far it is */
    uint8_t has_lanes;      /* live, in several lanes: which row comes first is decided so, too */
    const char *merged_by;  /* the first stage that is not row by row; NULL: none, or not known */
    enum wr_order order;
    int64_t max_delay_us; /* of its event time; WR_DELAY_UNKNOWN: its source says how far it is */
    int64_t corrects_us;  /* so long behind the end of their windows rows may change; WR_TIME_MAX:
                          * always, so that `window_end` says nothing of rows to come */
};

/* Plan time: what an operator's bind gets and gives. */
struct wr_bind {
    struct wr_arena *arena;      /* the plan's */
    const struct wr_value *spec; /* the stage as plain data: {op=, …} */
    uint32_t input_count;
    const struct wr_stream *inputs[WR_INPUTS_MAX];
    struct wr_scope scope; /* arena, input schema 0, flags, time zone, user functions: ready */
    struct wr_stream out;  /* starts as a copy of input 0; bind changes what it changes */
    void *config;          /* bind's result, for open; in the arena */
    const struct wr_op_type *type; /* who runs it, where that is another type than the stage's */
    const struct wr_env *env;
    /* Of an input that is asked row by row and gives no rows of its own: how, its config, and its
     * name. NULL: there is none. */
    const struct wr_asked_type *asked;
    const void *asked_config;
    const char *asked_name;
    uint8_t never_rejects; /* as the flag, where the spec decides it */
    uint8_t settles;       /* what it gives is the same however changes come to it in batches */
    uint8_t keeps_rows;    /* each row of the input leaves as one row, whatever its values are */
};

/* Run time: the services of the shard that steps an operator. Borrowed, outlives it. */
struct wr_op_env {
    const struct wr_env *env;
    struct wr_batch_pool *pool;
    struct wr_budget *state_budget; /* keyed state, sort, … */
    struct wr_arena *scratch;       /* for one push; the caller rewinds it */
    uint32_t batch_rows;            /* most rows of a batch made by an operator … */
    uint64_t batch_bytes;           /* … and what it may take, about */
    size_t piece_bytes;             /* of saved state: a piece ends with the row that reaches it */
    uint64_t spill_bytes;           /* that a stage which spills keeps in memory */
    uint64_t seed;                  /* of hashes */
    int64_t now_us;                 /* the clock of the step; it never goes back */
    uint32_t shard, shard_count;
    wr_user_call_fn user_call; /* runs Lua; NULL in a pipeline without */
    void *user_ctx;
    const char *timezone;
    const volatile sig_atomic_t *stop; /* not 0: the run is to stop; may be NULL */
    /* Of the step: *err is set with the status that is returned; it may be NULL. */
    struct wr_error *const *err;
};

enum wr_flow {
    WR_FLOW_MORE = 0, /* next batch, please */
    WR_FLOW_DONE = 1, /* no more are wanted (limit); sources may stop when all ask for none */
};

enum wr_reload { WR_RELOAD_BEGIN, WR_RELOAD_END, WR_RELOAD_DROP };

enum wr_port { WR_PORT_MAIN, WR_PORT_LATE, WR_PORTS_MAX };

/* Where an operator's results go. exec makes it. */
struct wr_out {
    /* Takes the caller's reference of `batch` (never empty: sel_count > 0). A negative status is
     * passed on by the operator at once; WR_FLOW_DONE: nobody wants more of this port. */
    int (*emit)(struct wr_out *out, enum wr_port port, struct wr_batch *batch);
    /* A row leaves. Borrows everything. */
    int (*reject)(struct wr_out *out, const struct wr_reject *reject);
    /* STOPS: how many rows of the batch (in the order of its selection) an operator took that says
     * WR_FLOW_DONE of itself; else UINT32_MAX. */
    uint32_t rows_taken;
    uint8_t is_full; /* exec has no room for more: a `push` that gives many rows for one may stop
                      * behind any of those it takes and leave the others to `go_on` */
};

struct wr_op {
    const struct wr_op_type *type;
    const void *config;             /* what bind made */
    const struct wr_schema *schema; /* of the output */
    struct wr_op_env *env;
    struct wr_apart
        *apart; /* of its tables: where their rows may be but in memory; NULL: no save */
    const uint64_t *needed; /* bits of output columns (then hidden ones) that somebody reads */
    uint32_t node;          /* its number in the plan */
    const char *routed;     /* KEYED: the keys that the last `route` made, in env->scratch, … */
    uint32_t routed_bytes;  /* … of so many bytes each; NULL: they are not handed on */
    uint8_t has_more;       /* `go_on` gives more of what is due */
    uint8_t has_due;        /* `advance` gave a part, and is called again: see there */
    uint8_t is_watched;     /* a stage below looks at frontiers between the rows that it gives */
    uint8_t observed;       /* somebody sees each change that it makes, not only their sum */
    uint8_t keeps_origins;  /* HOLDS_ROWS: a stage behind it may want to say where a row is from */
};

enum wr_op_flags {
    WR_OP_ROW_BY_ROW = 1, /* no state but of its own partition; keeps physical rows; one input */
    WR_OP_KEYED = 2,      /* rows go to shards by key (`route`); results merge by `compare` */
    WR_OP_MULTI_INPUT = 4,
    WR_OP_LATE_PORT = 8,    /* refuses late rows: `late()` reads its late port */
    WR_OP_BUILD_FIRST = 16, /* inputs after the first are read whole before it (lookup tables) */
    WR_OP_MAKES_ROWS = 32,  /* of its own, or in an order of its own: exec numbers them */
    WR_OP_STOPS = 64,       /* may have enough of its input (limit) */
    WR_OP_HOLDS_ROWS = 128, /* rows of a source leave it later than in the push that brought them */
    WR_OP_REPEATS = 256,    /* may give a row more than once: exec numbers what it gives */
    WR_OP_NEVER_REJECTS = 512,  /* no row can fail in it */
    WR_OP_TAKES_UPDATES = 1024, /* a changelog may come; else the plan fails (W305) */
    WR_OP_SETS_FRONTIER = 4096, /* rows leave with event time and `behind` */
    WR_OP_BY_CLOCK = 8192,      /* SETS_FRONTIER: it is the clock of the step */
    WR_OP_GATHERS = 16384,      /* what small batches of its inputs give may leave it together */
    WR_OP_OBSERVES = 2048,      /* sees each change of a changelog, not only their sum */
    WR_OP_TELLS_CAUSES =
        32768, /* MAKES_ROWS: each row that `push` gives, or rejects, has a cause */
};

/* What an operator keeps. */
struct wr_op_state {
    uint64_t rows, bytes;   /* bytes 0: not known */
    uint64_t spilled_bytes; /* the most that ever lay in a scratch file */
};

struct wr_op_type {
    const char *name;    /* the stage's name in a plan: "filter" */
    uint32_t size_bytes; /* of the struct that begins with struct wr_op */
    unsigned flags;
    uint32_t state_form; /* another number: what it kept in another form is none of its own */
    /* Checks the spec against the inputs, sets `out` and `config`. WR_OK or WR_ESCRIPT (code, text,
     * arg, from, to). */
    int (*bind)(struct wr_bind *bind, struct wr_error *err);
    /* Sets the bits of the columns of input `input` (then hidden ones) that are needed when the
     * bits `wanted` of the output are. NULL: all. */
    void (*needs)(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns);
    int (*open)(struct wr_op *op, struct wr_error *err); /* NULL: nothing to do */
    /* Borrows `in`; takes a reference of its own where it keeps it. wr_flow or a negative status.
     */
    int (*push)(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out);
    /* All later rows have event time >= frontier (WR_TIME_MAX: the input has ended; then also
     * streams without event time are told). Fires timers <= frontier in (time, key) order. NULL:
     * nothing. One instance alone, not of shards: where it sets has_due it gave a part of what is
     * due, is called again with this frontier or a later one, in this step or behind a checkpoint,
     * and no source is read until it has given all; `load` sets has_due too. */
    int (*advance)(struct wr_op *op, int64_t frontier, struct wr_out *out);
    /* Where `push` or `advance` has set has_more, not all that is due has been given: gives some
     * more. */
    int (*go_on)(struct wr_op *op, struct wr_out *out);
    /* BUILD_FIRST: how long what those inputs gave is used before they are read again; 0, or NULL:
     * for ever. Then `reload` tells that rows of those inputs are a new table, that it is complete
     * and counts from now on, or that it is given up. */
    int64_t (*reload_after)(const struct wr_op *op);
    int (*reload)(struct wr_op *op, enum wr_reload what);
    /* A step begins, and with it the clock (env->now_us) has moved on. NULL: nothing. */
    int (*tick)(struct wr_op *op, struct wr_out *out);
    /* The least frontier > `after` at which `advance` may do something that must stand in its place
     * among the results of `push`, whatever rows are there or still come; WR_TIME_MAX: none. NULL:
     * `push` gives the same wherever the frontier is. */
    int64_t (*next_boundary)(const struct wr_op *op, int64_t after);
    /* The frontier of the output when the input's is `frontier`. NULL: the same. */
    int64_t (*holds_back)(const struct wr_op *op, int64_t frontier);
    /* SETS_FRONTIER: after how long without a row an input that has nothing more steps aside;
     * *by_clock: whether its frontier goes on with the clock when all have. NULL: it never does. */
    int64_t (*idle_after)(const struct wr_op *op, int *by_clock);
    /* By how much the output's frontier lags behind the input's, where that is always the same;
     * WR_SHIFT_BY_ROWS: it depends on the rows. NULL: 0. */
    int64_t (*shift)(const struct wr_op *op);
    /* KEYED: the hash of the key of each selected row (dense, in the order of the selection). */
    int (*route)(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes);
    /* The same where there are several inputs: equal keys have equal hashes on all of them. */
    int (*route_input)(struct wr_op *op, uint32_t input, const struct wr_batch *in,
                       uint64_t *hashes);
    /* KEYED: order of two rows of firings of different shards (window, then keys). */
    int (*compare)(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                   const struct wr_batch *b, uint32_t row_b);
    /* State: appends what changed since the last save, or nothing where nothing did (`all`:
     * everything), one piece of about env->piece_bytes at a time. WR_EAGAIN: there is more, call
     * again before anything else. NULL: has none. */
    int (*save)(struct wr_op *op, struct wr_buf *out, int all);
    /* Takes one piece; they come in the order in which they were saved, from a base on. */
    int (*load)(struct wr_op *op, struct wr_reader *in);
    void (*close)(struct wr_op *op); /* NULL: nothing to do; after an open that failed too */
    /* Adds to how many rows (groups, keys) it keeps, in how many bytes. NULL: not known. */
    void (*measure)(const struct wr_op *op, struct wr_op_state *state);
    /* Adds facts for explain to a map under construction. NULL: none. */
    struct wr_value *(*explain)(const void *config, struct wr_arena *arena);
};

/* The operator types: find by stage name, or NULL. Higher rooms add theirs at start. */
const struct wr_op_type *wr_op_find(const char *name);
int wr_op_register(const struct wr_op_type *type);

/* ---- help for operators (op.c) ---- */

/* Emits the rejects of an eval's failures and returns, in the batch's arena or `scratch`, the
 * selection without the failed rows. `sel`/`sel_count` may be those of the batch. */
int wr_op_reject_fails(struct wr_op *op, const struct wr_eval *eval, struct wr_batch *in,
                       struct wr_out *out);
/* The rows of `in` that are not among the eval's failures, in env->scratch; *count of them. NULL
 * with *count == in->sel_count when nothing failed and in->sel is NULL; or out of memory (*status).
 */
const uint32_t *wr_op_rows_left(struct wr_op *op, const struct wr_eval *eval,
                                const struct wr_batch *in, uint32_t *count, int *status);
/* Both for `made`, a batch over the rows of `in`: failed rows are not in its selection, and rejects
 * unless `out` is NULL. */
int wr_op_drop_fails(struct wr_op *op, const struct wr_eval *eval, struct wr_batch *in,
                     struct wr_batch *made, struct wr_out *out);
/* Rows that the stage refuses as late leave by that port; nothing to do when `count` is 0. WR_OK or
 * a negative status. */
int wr_op_emit_late(struct wr_op *op, struct wr_batch *in, const uint32_t *rows, uint32_t count,
                    struct wr_out *out);
/* Binds a list of one item, which must be a timestamp; errors stand at `arg`. */
int wr_op_bind_time(struct wr_list **list, struct wr_bind *bind, const struct wr_value *items,
                    const char *arg, struct wr_error *err);
/* `batch` holds changes that were made while `in` was pushed, with their causes: gives them the
 * time of what made them (`changed`), where `in` has times; not before `least[i]` unless that is
 * NULL. WR_OK or WR_ENOMEM. */
int wr_op_set_changed(struct wr_batch *batch, const struct wr_batch *in, const int64_t *least,
                      uint32_t count);
/* Runs an eval's setup: clock, seed, user functions of the op's env. */
void wr_op_eval_begin(struct wr_op *op, struct wr_eval *eval);
/* Order of two rows by the columns of `hidden` from number `first` on, which a KEYED stage puts
 * behind those of its output so that firings of shards can be put in order. */
int wr_op_compare_behind(const struct wr_schema *hidden, uint32_t first, const struct wr_batch *a,
                         uint32_t row_a, const struct wr_batch *b, uint32_t row_b);
/* For explain: {expressions = the list's items, state = how much is kept}; either may be NULL. */
struct wr_value *wr_op_explain(struct wr_arena *arena, const struct wr_list *list,
                               const char *state);
