/* top.h: the first rows of each group, for `top`, `dedup` and `as_table`, in several files:
 * top_bind.c (what a script says), top.c (rows in and out of their groups), top_tree.c (a group's
 * order), top_change.c (what that changes for those who read), top_fire.c (results of windows that
 * have ended, state), top_few.c (a few rows a group, which need none of this), top_kept.c (those
 * that leave at the end). Private to the room.
 *
 * A group's rows are nodes of a treap in the order of the stage, linked by number; a node is a row
 * of a keyed table, so that a checkpoint writes those that changed. Over rows that stay only those
 * that can still be among the first are kept; of a changelog all, with a table to find the one that
 * is taken back. Source: Seidel & Aragon, "Randomized search trees", 1996; a node's priority is the
 * hash of its number. */
#pragma once
#include "op/op.h"
#include "op/window.h"
#include "state/key.h"
#include "state/payload.h"
#include "state/slices.h"

#define TOP_ROWS_MAX 100000 /* of `top(n, …)` */
#define TOP_SLOTS_MAX 64u   /* of a group whose rows lie in its row of the table */

/* Ties go by arrival, so each change of a changelog is seen and not their sum. */
#define TOP_FLAGS \
    (WR_OP_KEYED | WR_OP_LATE_PORT | WR_OP_MAKES_ROWS | WR_OP_TAKES_UPDATES | WR_OP_OBSERVES)

enum top_mode { TOP_FINAL, TOP_UPDATE };
enum top_ties { TOP_TIES_FIRST, TOP_TIES_LAST }; /* which of equal rows comes first, by time */

struct top_config {
    struct wr_list *keys;  /* NULL: one group */
    struct wr_list *order; /* NULL: by time alone */
    struct wr_list *gone;  /* as_table: a condition; a row for which it holds deletes its key */
    uint32_t rows;         /* the first n */
    uint8_t with_ties, by_time, retracts, windowed;
    enum top_ties ties;
    enum top_mode mode;
    int64_t lateness_us;
    struct window window;
    int32_t end_column;  /* `window_end` among the keys: its column of the input; -1: none */
    int32_t rank_column; /* of the output; -1: none */
    uint32_t input_count, first_order;
    struct wr_schema *wide;   /* the input's columns, then those of the order */
    struct wr_schema *hidden; /* the output's columns, then the window and the keys */
    uint32_t *order_columns;  /* of the wide schema, by item of the order */
    struct wr_key_layout layout;
    struct wr_shape groups_shape, finder_shape;
    const char *stage;
};

/* A row of a group, at the begin of its row in the table; its payload follows. */
struct top_node {
    uint64_t id;
    uint64_t left, right;
    uint64_t twin; /* retracts: the next node whose row has the same hash */
    int64_t time;
    uint32_t size; /* of the tree below it, itself included */
    uint32_t gone;
};

/* One change of the result. `rank` as its column shows it. */
struct top_change {
    uint64_t id;
    struct wr_table *rows;
    int64_t mark; /* of the window */
    uint32_t rank, cause;
    int8_t weight;
    uint8_t replaced; /* the next one is the same row anew */
};

struct top_grave { /* a node that leaves its table once changes with it have been emitted */
    struct wr_table *rows;
    uint64_t id;
};

/* The last of the rows that a group keeps, while nothing is put in or taken out: a row that comes
 * behind it needs no look at the tree. */
struct top_bound {
    int64_t mark;
    uint32_t at;                 /* of the rows that are pushed: one of the group */
    const struct top_node *node; /* NULL: not known */
};

struct wr_sorted;

struct top {
    struct wr_op base;
    struct wr_eval keys_eval, order_eval, gone_eval;
    struct wr_arena arena; /* of the payload */
    struct wr_payload payload;
    struct wr_shape rows_shape;
    struct wr_cell *cells;
    uint32_t *order_cells;                 /* by item of the order: the kept column */
    struct wr_slices groups, rows, finder; /* a table a window; without: at 0 */
    uint64_t next_id, saved_next_id;
    struct top_bound bound;
    int64_t fired_us, saved_fired_us; /* windows with marks before this have fired */
    struct top_change *changes;
    uint32_t change_count, change_room;
    struct top_grave *graves;
    uint32_t grave_count, grave_room;
    struct wr_sorted *runs; /* top_kept.c: groups in the scratch file, in order; NULL: none are */
    /* … and those that leave as there is room for them. */
    struct {
        struct wr_arena arena; /* of the list */
        uint8_t **groups;      /* NULL: none do */
        uint64_t at, count;
        uint8_t pages_stayed; /* before there was a list */
    } firing;
};

/* The tables of one window, while rows are taken. */
struct top_tables {
    int64_t mark;
    struct wr_table *groups, *rows, *finder;
};

/* What is pushed: a view with the columns of the order. */
struct top_rows {
    struct wr_batch *in;
    struct wr_batch wide;
    const uint8_t *gone; /* bits by physical row; or NULL */
    char *keys;          /* by number in the wide view's selection */
    uint64_t *hashes;
};

static inline const struct top_config *top_config_of(const struct top *self) {
    return self->base.config;
}
/* top_fire.c: when late rows of a window are too late. */
int64_t top_closes_at(const struct top_config *config, int64_t mark);
static inline int64_t top_window_end(const struct top_config *config, int64_t mark) {
    return config->windowed          ? window_end(&config->window, mark)
           : config->end_column >= 0 ? mark
                                     : WR_TIME_MAX;
}
static inline int top_closes(const struct top_config *config) {
    return config->windowed || config->end_column >= 0;
}

extern const struct wr_op_type wr_op_top;
extern const struct wr_op_type wr_op_top_few; /* see top_few.c */
int top_bind(struct wr_bind *bind, struct wr_error *err);
/* `dedup` of the first or the last row, and `as_table`. */
int top_bind_dedup(struct wr_bind *bind, struct wr_error *err);
int top_bind_table(struct wr_bind *bind, struct wr_error *err);

/* ---- top_tree.c ---- */
struct top_node *top_node(const struct wr_table *rows, uint64_t id);
static inline const uint8_t *top_payload(const struct top_node *node) {
    return (const uint8_t *)node + sizeof *node;
}
/* Order of two nodes by the stage's order alone; with `whole` also by time and arrival. */
int top_compare(const struct top *self, const struct top_node *a, const struct top_node *b,
                int whole);
/* Order of row `row` of a view, which comes last of all, and a node: as top_compare. */
int top_compare_row(const struct top *self, const struct wr_batch *wide, uint32_t row,
                    const struct top_node *node, int whole);
/* How many nodes stand before row `row` of a view, which comes last of all. */
uint32_t top_position_of_row(const struct top *self, const struct wr_table *rows, uint64_t root,
                             const struct wr_batch *wide, uint32_t row);
/* Whether so many nodes as are results stand before it by the order alone. */
int top_is_beaten(const struct top *self, const struct wr_table *rows, uint64_t root,
                  const struct wr_batch *wide, uint32_t row);
uint32_t top_position(const struct top *self, const struct wr_table *rows, uint64_t root,
                      const struct top_node *node);
/* How many nodes are before `node` by the order alone, or with `equal` before or equal. */
uint32_t top_count_before(const struct top *self, const struct wr_table *rows, uint64_t root,
                          const struct top_node *node, int equal);
uint32_t top_size(const struct wr_table *rows, uint64_t root);
/* The node at position `at`, from 0. */
uint64_t top_select(const struct wr_table *rows, uint64_t root, uint32_t at);
/* The ids at positions first … end - 1. */
void top_range(const struct wr_table *rows, uint64_t root, uint32_t first, uint32_t end,
               uint64_t *ids);
uint64_t top_insert(const struct top *self, struct wr_table *rows, uint64_t root, uint64_t id);
uint64_t top_erase(const struct top *self, struct wr_table *rows, uint64_t root, uint64_t id);

/* ---- top_change.c ---- */
/* How many rows of a tree are results. */
uint32_t top_visible(const struct top *self, const struct wr_table *rows, uint64_t root);
/* The rank that each of `count` nodes from position `first` on shows. */
void top_ranks(const struct top *self, const struct wr_table *rows, uint64_t root, uint32_t first,
               uint32_t count, const uint64_t *ids, uint32_t *ranks);
/* Rows of a result at some time: those at positions first …. */
struct top_view {
    uint32_t first, count;
    uint64_t *ids;
    uint32_t *ranks;
};
int top_look(struct top *self, const struct top_tables *tables, uint64_t root, uint32_t first,
             struct top_view *view);
/* Records the difference; `gone` (or 0) is the row taken out, `come` (or 0) the one put in. */
int top_record(struct top *self, const struct top_tables *tables, const struct top_view *before,
               const struct top_view *after, uint64_t gone, uint64_t come, uint32_t cause);
int top_add_change(struct top *self, const struct top_tables *tables, uint64_t id, uint32_t rank,
                   int weight, int replaced, uint32_t cause);
int top_bury(struct top *self, struct wr_table *rows, uint64_t id);
/* Emits what was recorded, and lets the nodes in graves go. */
int top_flush(struct top *self, const struct wr_batch *in, struct wr_out *out);

/* ---- top_fire.c ---- */
int top_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
int64_t top_next_boundary(const struct wr_op *op, int64_t after);
int top_compare_fired(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                      const struct wr_batch *b, uint32_t row_b);
void top_measure(const struct wr_op *op, struct wr_op_state *state);
int top_save(struct wr_op *op, struct wr_buf *out, int all);
int top_load(struct wr_op *op, struct wr_reader *in);
/* A batch of nodes, with the columns behind the schema's that top_compare_fired reads when `keys`
 * (of their groups) are given. */
int top_emit(struct top *self, const struct top_change *changes, uint32_t count,
             uint8_t *const *keys, const struct wr_batch *in, struct wr_out *out);
/* The same for rows that lie elsewhere than in nodes, without a time: at payloads[i]; changes[i]
 * says their rank and mark. */
int top_emit_payloads(struct top *self, const struct top_change *changes,
                      const uint8_t *const *payloads, uint32_t count, uint8_t *const *keys,
                      struct wr_out *out);

/* ---- top_few.c ---- */
/* Whether a stage keeps a few rows a group, which are never taken back and leave as they change, or
 * all at the end. */
int top_is_few(const struct top_config *config);
/* The row of a group: its key · place among the groups of this push, from 1; else 0 (8) · how many
 * rows there are (8) · the slots in the order of their rows (a byte each) · of each slot, its event
 * time (8) and its payload. */
struct top_slots {
    uint32_t count, head_at, first_at, bytes;
};
struct top_slots top_slots_of(const struct top *self);
int top_few_open(struct wr_op *op, struct wr_error *err);
int top_few_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out);

/* ---- top_kept.c ---- */
extern const struct wr_op_type wr_op_top_kept;

/* ---- top.c ---- */
/* Which columns are kept of a row, and the evals. */
int top_init(struct top *self);
/* The view, keys and hashes of what is pushed; a row that fails is a reject. */
int top_prepare(struct top *self, struct wr_batch *in, struct wr_out *out, struct top_rows *rows);
void top_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
               const uint64_t *wanted, uint64_t *columns);
int top_open(struct wr_op *op, struct wr_error *err);
int top_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out);
int top_route(struct wr_op *op, const struct wr_batch *in, uint64_t *hashes);
void top_close(struct wr_op *op);
struct wr_value *top_explain(const void *config, struct wr_arena *arena);
