/* join.h: `join` in several files: join_bind.c (plan time), join.c (rows in), join_meet.c (what
 * they meet), join_emit.c (rows out), join_fire.c (rows that met none until the frontier passed),
 * join_state.c. Private to the room.
 *
 * Both sides keep their rows (state/rowset.h) until nothing can meet them: of an interval join by
 * the bounds, of a window join until the window ends, of a regular one as long as `retain` says. A
 * row that comes meets the rows of the other side that are there, and is kept for those to come.
 * Which rows meet is said by their times alone, never by what has been dropped:
 *   interval   right time in [from, until] of the left row, and a left row is not later than
 *              `until` of a right one
 *   regular    until >= the time of the row that comes, and its frontier
 *   window     the window is a part of the key */
#pragma once
#include "op/equi.h"
#include "op/op.h"
#include "op/window.h"
#include "state/rowset.h"

struct join_lone;

enum join_how { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL, JOIN_SEMI, JOIN_ANTI };
enum join_time { JOIN_LATER, JOIN_TIME_LEFT, JOIN_TIME_RIGHT };
enum join_from { JOIN_FROM_LEFT, JOIN_FROM_RIGHT, JOIN_WINDOW_START, JOIN_WINDOW_END };

struct join_column {
    enum join_from from;
    uint32_t column; /* of that side */
    int32_t twin;    /* of a left one: the right column that says the same where left is missing */
};

struct join_columns {
    const struct wr_schema *schema;
    struct join_column *items; /* field_count of them */
};

struct join_config {
    enum join_how how;
    enum join_time time;
    uint8_t interval, windowed, timed;
    uint8_t update; /* rows that meet none leave at once, and are taken back */
    uint8_t updates[2];
    struct equi equi;
    struct wr_key_layout layout; /* `on`, then the window's mark */
    const struct wr_schema *sides[2];
    struct join_columns joined, result; /* with both sides; as it leaves */
    /* An interval: durations from the left time, or columns of `bounds` (item numbers, else -1). */
    int64_t lo_us, hi_us;
    int32_t lo_item, hi_item;
    struct wr_list *bounds;
    int64_t retain_us; /* -1: for ever */
    struct window window;
    int64_t widths_us[2];  /* of slices, by side */
    int64_t left_stays_us; /* how long a left row is kept behind its time */
    int64_t lag_us;        /* of the output's frontier; WR_TIME_MAX: it stands until the end */
    struct wr_list *where; /* over `joined`; or NULL */
    uint64_t *where_reads; /* bits of `joined` */
    const struct wr_schema *wide; /* `result`, then what shards are merged by */
};

/* A stored row that one of the other side meets. */
struct join_match {
    int64_t time_us;
    uint64_t id;
    struct wr_rowset_row *row; /* NULL: it rests, and is found by its number */
};

struct join_matches {
    struct join_match *items;
    uint32_t count, room;
    uint8_t rest; /* all that are at rest are found so: they are more than may be awake */
};

struct join {
    struct wr_op base;
    struct wr_eval keys_eval[2], bounds_eval, where_eval;
    struct wr_arena arena;
    struct wr_rowset sets[2];
    uint8_t saving_right;                /* between two pieces */
    int32_t *kept[2];                    /* by column of a side: its number in the payload, or -1 */
    struct join_matches met, met_before; /* of the row at hand; of the old row of an update */
    uint32_t met_at;                     /* so many of `met` have left with it */
    struct wr_batch *left_over;          /* of what is pushed: rows for join_go_on; or NULL */
    uint32_t left_side;
    uint32_t left_windows; /* so many windows of its first row are done … */
    uint8_t is_amid;       /* … and of the next one, what stands before `met_at` */
    /* Rows that met none: those of a slice leave some at a time. */
    struct {
        int64_t frontier;
        uint32_t side, at[2];           /* the slice of each side that is next */
        struct wr_rowset_sorting *rows; /* of the slice at hand, where some rest; else NULL */
        struct join_lone *lone;         /* of one that is in memory; else NULL */
        uint32_t lone_at, lone_count;
    } firing;
};

/* What is pushed: its rows that take part, once for each window that takes them. */
struct join_work {
    struct wr_batch *in;
    uint32_t side;
    uint32_t count;
    uint32_t *rows; /* physical */
    int64_t *marks; /* of the window (window.h), or 0 */
    char *keys;
    uint64_t *hashes;
    const struct wr_column *lo, *hi; /* of left rows, by physical row; NULL: durations */
};

/* A row that leaves: a row of the batch that is pushed (or -1) and a stored one of the other side
 * (or NULL). */
struct join_change {
    int32_t row;
    struct wr_rowset_row *stored;
    int64_t time_us, mark; /* event time; of the window (window.h) */
    int64_t weight;
    uint32_t cause;   /* physical row of what is pushed */
    uint8_t replaced; /* taken back for the next one, which is the same row anew */
};

/* Whether rows of a side that meet none leave too. */
static inline int join_wants_alone(const struct join_config *config, uint32_t side) {
    return side == 0
               ? config->how == JOIN_LEFT || config->how == JOIN_FULL || config->how == JOIN_ANTI
               : config->how == JOIN_RIGHT || config->how == JOIN_FULL;
}
static inline int join_wants_pairs(const struct join_config *config) {
    return config->how <= JOIN_FULL;
}
static inline int64_t join_time_of(const struct wr_batch *in, uint32_t row) {
    return in->event_time == NULL ? 0 : in->event_time[row];
}
static inline int64_t join_behind_of(const struct wr_batch *in, uint32_t row) {
    return in->behind == NULL ? WR_TIME_MIN : in->behind[row];
}

/* join_meet.c: the rows of `work` meet those that are there, leave with them, and are kept; where
 * `out` is full, some of them do, and *done says how many. Where is_amid is set, the next one has
 * met some of `met`; nothing may rest before it has met all. */
int join_meet(struct join *self, const struct join_work *work, struct wr_out *out, uint32_t *done);

int join_bind(struct wr_bind *bind, struct wr_error *err);
void join_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns);
struct wr_value *join_explain(const void *config, struct wr_arena *arena);

/* join_emit.c: the columns of `changes` (those in `wanted`) into `batch`, of `columns->schema`;
 * `stored` rows are of side `side`, rows of `in` of the other. */
int join_fill(struct join *self, const struct join_columns *columns, const uint64_t *wanted,
              struct wr_batch *batch, const struct wr_batch *in, uint32_t side,
              const struct join_change *changes, uint32_t count);
int join_emit(struct join *self, struct wr_batch *in, uint32_t side,
              const struct join_change *changes, uint32_t count, struct wr_out *out);

/* join_fire.c */
int join_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
int join_fire_more(struct join *self, struct wr_out *out);
void join_fire_end(struct join *self);
int64_t join_next_boundary(const struct wr_op *op, int64_t after);
int join_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                 const struct wr_batch *b, uint32_t row_b);

/* join_state.c */
int join_open(struct wr_op *op, struct wr_error *err);
void join_close(struct wr_op *op);
/* When no stored row is in use: lets rows rest where they take more memory than they may. */
int join_relieve(struct join *self);
/* Whether rows that were read back take more than their part of it; the same for them. */
int join_is_crowded(const struct join *self);
int join_tend(struct join *self);
/* A failure, with the name of the stage where what failed has said something. */
int join_failed(const struct join *self, int status);
void join_measure(const struct wr_op *op, struct wr_op_state *state);
int join_save(struct wr_op *op, struct wr_buf *out, int all);
int join_load(struct wr_op *op, struct wr_reader *in);
int64_t join_holds_back(const struct wr_op *op, int64_t frontier);
int64_t join_shift(const struct wr_op *op);
