/* frames.h: a grouped `derive`: every row of a group, with what is computed over other rows of it,
 * in several files: frames_bind.c (what a script says), frames.c (rows in), frames_fire.c (rows
 * out), frames_state.c, frames_rows.c (the rows of groups that are kept), frames_run.c (what calls
 * give), frames_move.c (frames), frames_update.c (results that are corrected). Private to the room.
 *
 *   FRAMES_TIME     rows wait until the frontier has passed them, then go in the order of time
 *   FRAMES_ARRIVAL  rows go at once; those that came with a later time are not seen
 *   FRAMES_WINDOW   rows wait until their window closes, and see all of it
 *   FRAMES_UPDATE   rows go at once, and once more whenever another row changes their results
 *
 * A group has an accumulator for each aggregate that runs from its first row on, and those of its
 * rows (`kept`: time and arguments) that frames and `lag` may still look at, numbered in order.
 * What a moving frame has in it (`live`) follows from those, and is made anew when it is not there:
 * a checkpoint says nothing of it. */
#pragma once
#include "base/hash.h"
#include "expr/frames.h"
#include "op/op.h"
#include "op/project.h"
#include "op/window.h"
#include "state/key.h"
#include "state/payload.h"
#include "state/slices.h"
#include "state/time_heap.h"

enum frames_mode { FRAMES_TIME, FRAMES_ARRIVAL, FRAMES_WINDOW, FRAMES_UPDATE };

struct frames_config {
    struct wr_frames *frames;
    enum frames_mode mode;
    uint8_t has_time, retracts;
    uint8_t keeps;             /* a group keeps rows */
    uint8_t forgets;           /* a group without rows is nothing */
    int64_t lag_max, lead_max; /* rows; 0: there is none */
    int64_t rows_max;          /* rows before its own that a frame of rows sees */
    int64_t span_us;           /* the longest frame of time; -1: none */
    struct window window;
    uint32_t input_count;
    const struct wr_schema *input;
    struct wr_schema *wide;   /* the input's columns, then computed items of the inputs */
    uint32_t *item_columns;   /* of the wide schema, by item */
    uint64_t *reads;          /* bits of input columns that the items read */
    struct wr_schema *middle; /* input, calls, [window_start, window_end,] order, keys */
    uint32_t extra_columns;   /* of the middle: the first behind the calls */
    struct project project;   /* from the middle: the output, then order and keys */
    struct wr_key_layout layout;
    struct wr_shape groups_shape, live_shape;
    uint8_t *recomputed; /* by aggregate: its frame is gone through for each row */
    const char *state;   /* for explain */
};

/* A group, behind its key. Rows have numbers: first … next - 1 are kept, those from `out` on have
 * not left. */
struct frames_group {
    uint64_t id, first, next, out;
    int64_t last_time;
    uint64_t round; /* while a chunk is worked on */
};

/* Which rows a moving frame has in it. */
struct frames_span {
    uint64_t low, high;
    int64_t low_time; /* of row `low`; WR_TIME_MIN: not known */
};
struct frames_live {
    int64_t time;               /* of the row that it stands at */
    struct frames_span spans[]; /* by frame; then states */
};

#define FRAMES_FAILED "the result of an aggregate"
#define FRAMES_NOT_KEPT UINT32_MAX
#define FRAMES_CHUNK_ROWS 1024u /* that are worked on together, about */
#define FRAMES_KEPT_KEY 16u     /* group, number */
#define FRAMES_KEPT_TIME 16u
#define FRAMES_KEPT_SEQ 24u
#define FRAMES_KEPT_PAYLOAD 32u
#define FRAMES_WAITING_TIME 8u
#define FRAMES_WAITING_PAYLOAD 16u

struct frames {
    struct wr_op base;
    struct wr_eval inputs_eval, items_eval;
    struct wr_arena arena;        /* of the payloads */
    struct wr_payload wait, keep; /* of rows that wait; of rows that are kept */
    uint32_t *kept_items;         /* by item of the inputs: its kept column, or NOT_KEPT */
    struct wr_shape waiting_shape, kept_shape;
    struct wr_cell *cells;
    struct wr_slices groups, kept; /* at 0 */
    struct wr_slices waiting;      /* by window; without: at 0 */
    struct wr_slices live;         /* at 0; not saved */
    uint64_t next_seq, next_group, saved_seq;
    int64_t passed_us, saved_passed_us; /* rows before this have been taken */
    int64_t frontier_us, swept_us;
    uint64_t swept_seq;
    uint8_t unordered; /* the heaps are to be made */
    /* Rows that wait, by their number, in the order in which they leave; pending: those that have
     * been taken, and wait for `lead`. */
    struct wr_time_heap heap, pending;
    uint32_t pending_first;
};

/* A row that is worked on. */
struct frames_ref {
    int64_t time, order_us; /* order_us: of the row that it waited for */
    uint64_t seq, number;   /* number: in its group */
    uint64_t peers_end;     /* the number behind the last row with the same time */
    uint8_t *waiting, *group, *live;
};

/* Rows that are worked on together, in their order. */
struct frames_chunk {
    uint32_t count;
    struct frames_ref *refs;
    uint32_t *rows; /* physical, in `wide` */
    const struct wr_batch *wide;
    const struct wr_batch *by; /* what aggregates are told of the rows' order */
    struct wr_column *results; /* by call, by physical row of `wide` */
    uint64_t **valid;          /* the same */
    uint16_t *fails;           /* by physical row */
    struct wr_arena *arena;    /* of the results */
    uint8_t whole;             /* WHOLE aggregates see all rows of the group */
};

static inline const struct frames_config *frames_config_of(const struct frames *self) {
    return self->base.config;
}
static inline struct frames_group *frames_group_of(const struct frames *self, uint8_t *row) {
    return (struct frames_group *)(void *)(row + frames_config_of(self)->groups_shape.key_bytes);
}
static inline struct frames_live *frames_live_of(uint8_t *row) {
    return (struct frames_live *)(void *)(row + 8);
}

/* wr_shape_hash of a key of one word, and of two. */
static inline uint64_t frames_hash_one(uint64_t word, uint64_t seed) {
    return wr_hash_u64(word, seed);
}
static inline uint64_t frames_hash_two(const uint64_t words[2], uint64_t seed) {
    return wr_hash_join(wr_hash_u64(words[0], seed), words[1]);
}

extern const struct wr_op_type wr_op_frames;
/* `derive` behind `group_by`, `window` or `emit`. */
int frames_bind(struct wr_bind *bind, struct wr_error *err);
void frames_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                  const uint64_t *wanted, uint64_t *columns);

/* ---- frames_rows.c ---- */
/* The kept rows of numbers numbers[i] of groups[i]; NULL where there is none. */
int frames_kept_find(struct frames *self, uint8_t *const *groups, const uint64_t *numbers,
                     uint32_t count, uint8_t **rows);
static inline int64_t frames_kept_time(const uint8_t *row) {
    return *(const int64_t *)(const void *)(row + FRAMES_KEPT_TIME);
}
static inline uint64_t frames_kept_seq(const uint8_t *row) {
    return *(const uint64_t *)(const void *)(row + FRAMES_KEPT_SEQ);
}
/* Puts rows behind the others of their groups, or where their time belongs, and numbers them. */
int frames_append(struct frames *self, struct frames_chunk *chunk, const uint32_t *which,
                  uint32_t count);
/* Forgets the kept rows of a group before `number`. */
int frames_forget(struct frames *self, uint8_t *group, uint64_t number);
/* Forgets what no row at or behind `frontier` can see. */
int frames_trim(struct frames *self, uint8_t *group, int64_t frontier);
/* Forgets it of all groups, and groups of which nothing is left. */
int frames_sweep(struct frames *self, int64_t frontier);
/* Columns of kept rows, by item of the inputs (those that are kept). */
int frames_kept_read(struct frames *self, uint8_t *const *rows, uint32_t count,
                     struct wr_arena *arena, struct wr_column *items);

/* The n-th rows of their groups. */
struct frames_round {
    uint32_t count;
    uint32_t *which; /* of the chunk's refs */
    uint32_t *rows;  /* physical */
    uint8_t **groups, **live;
};

/* Kept rows of several groups, with the one of the round's rows that each is for. */
struct frames_list {
    uint32_t count;
    uint32_t *at;
    uint64_t *numbers;
    uint8_t **groups, **rows, **live;
};

static inline int frames_is_aggregate(const struct wr_frame_call *call) {
    return call->kind != WR_FRAME_LAG && call->kind != WR_FRAME_ROW_NUMBER;
}

/* ---- frames_move.c ---- */
/* What calls over frames give for the rows of a round. `kept`: room for columns of kept rows. */
int frames_run_moving(struct frames *self, struct frames_chunk *chunk,
                      const struct frames_round *round, const struct wr_column *items,
                      struct wr_column *kept);

/* ---- frames_run.c ---- */
int frames_list_open(struct frames_list *list, struct wr_arena *scratch, uint64_t room);
void frames_list_add(struct frames_list *list, const struct frames_round *round, uint32_t at,
                     uint64_t number);
int frames_list_find(struct frames *self, struct frames_list *list);
/* Adds rows to the states of the aggregates of a frame, or takes them back. `recomputed`: which of
 * both kinds; `items`: the columns of the rows, by item; `by`: what tells their order. */
int frames_feed(struct frames *self, uint32_t frame, int recomputed, struct wr_table *table,
                uint8_t *const *states, const struct wr_column *items, const struct wr_batch *by,
                const uint32_t *sel, uint32_t count, int retracts);
/* The results of a frame's aggregates, for physical rows. */
int frames_put_results(struct frames *self, struct frames_chunk *chunk, uint32_t frame,
                       uint8_t *const *states, const uint32_t *rows, uint32_t count);
/* What the calls give for the rows of a chunk, whose groups are known. Rows of FRAMES_ARRIVAL are
 * appended on the way, others have been. */
int frames_compute(struct frames *self, struct frames_chunk *chunk);
/* Room for the results of `row_count` physical rows. */
int frames_chunk_open(struct frames *self, struct frames_chunk *chunk, uint32_t row_count);
/* Frees what a state owns and makes it empty. */
void frames_clear(struct wr_table *table, const struct wr_aggregate *aggregate, uint8_t *row);

/* The end of each row's peers (rows of one time), where they all stand in the chunk. */
void frames_find_peers(struct frames_chunk *chunk);

/* ---- frames.c ---- */
/* The rows of groups of a chunk (refs[i].group), made where they are new. */
int frames_groups_find(struct frames *self, const struct wr_batch *wide, const uint32_t *rows,
                       struct frames_ref *refs, uint32_t count);
/* The rows of a chunk with the columns of the output (then order and keys), those that fail aside:
 * rejects unless `out` is NULL. *made: NULL where no row is left. */
int frames_make(struct frames *self, struct frames_chunk *chunk, struct wr_batch *over,
                struct wr_out *out, struct wr_batch **made);
/* Emits the rows of a chunk: `over` holds their columns, under any schema that begins with the
 * input's. cause: by physical row, or NULL. */
int frames_emit(struct frames *self, struct frames_chunk *chunk, struct wr_batch *over,
                const uint32_t *cause, struct wr_out *out);

/* ---- frames_fire.c ---- */
/* Rows wait: `which` of a view with the wide schema; in the heap unless they are of a window. */
int frames_wait(struct frames *self, const struct wr_batch *wide, uint32_t row, int64_t mark,
                uint64_t *seq);
/* Appends rows that wait (refs with their groups), and emits those that wait for no other now. */
int frames_take(struct frames *self, struct frames_ref *refs, uint32_t count, const uint32_t *cause,
                const struct wr_batch *in, struct wr_out *out);
int frames_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
int64_t frames_holds_back(const struct wr_op *op, int64_t frontier);
int64_t frames_shift(const struct wr_op *op);
int frames_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                   const struct wr_batch *b, uint32_t row_b);

/* ---- frames_state.c ---- */
void frames_measure(const struct wr_op *op, struct wr_op_state *state);
int frames_save(struct wr_op *op, struct wr_buf *out, int all);
int frames_load(struct wr_op *op, struct wr_reader *in);
/* Makes heap and pending anew from the rows that wait, after a load. */
int frames_order(struct frames *self);
