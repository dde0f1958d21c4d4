/* asof.h: `asof_join` in several files: asof_bind.c (plan time), asof.c (rows in), asof_sweep.c
 * (the frontier moves on, rows meet), asof_emit.c (rows out), asof_state.c (opened, saved, read
 * back). Private to the room.
 *
 * Rows of both sides wait until the frontier has passed them, and are then swept over in the order
 * of time: a right row becomes its key's newest version, a left row takes what its key has. So
 * backward a key has one version, and all later right rows wait. Forward, a left row is swept over
 * `max_age` after its time, and a key's versions are a chain in the order of time, of which those
 * before the left row are passed by. Where `max_age` says so, versions that no left row can reach
 * any more are freed. The order of waiting rows is a heap (state/time_heap.h), made anew from them
 * when state has been read.
 *
 * A right row that a changelog takes back ends its key's version from that time on. */
#pragma once
#include "op/equi.h"
#include "op/op.h"
#include "state/payload.h"
#include "state/slices.h"
#include "state/time_heap.h"

enum asof_side { ASOF_LEFT, ASOF_RIGHT };

struct asof_config {
    uint8_t inner;      /* left rows without a match are dropped */
    uint8_t before;     /* a match is strictly before */
    uint8_t forward;    /* the oldest at or behind the left row, not the newest at or before it */
    uint8_t updates;    /* the right side is a changelog */
    int64_t max_age_us; /* between the two; WR_TIME_MAX: any */
    int64_t lag_us; /* how long a left row is held behind the frontier; WR_TIME_MAX: to the end */
    struct equi equi;
    const struct wr_schema *sides[2], *result;
    const struct wr_schema *wide; /* `result`, then what shards are merged by */
    uint32_t right_count;
    uint32_t *right_of; /* by column of the result behind the left ones: its column on the right */
};

/* A row of a side, at the begin of its row in the table; its key follows, then its payload. */
struct asof_row {
    uint64_t id; /* the table's key; ascends in the order of coming, from 1 */
    int64_t time_us;
    uint64_t stream, number; /* of its source and partition, in their order; its record */
    /* Of right rows: */
    uint64_t next; /* FORWARD: the key's next version, or 0 */
    uint32_t has_passed;
    uint32_t is_end; /* its key has no version from then on */
};

#define ASOF_MADE_STREAM \
    INT64_MAX /* of rows that a stage made: they stand behind those of sources */

/* The versions of a key that the sweep has come to, behind the key in its row of the index; 0:
 * none. Backward `first` is the only one. */
struct asof_chain {
    uint64_t first, last, before_last;
};

/* A left row that is to leave, and its version (0: none). */
struct asof_match {
    uint64_t left, right;
    int64_t time_us;
};

struct asof_rows {
    struct wr_payload payload;
    struct wr_shape shape;
    int32_t *kept; /* by column of the side: its number in the payload, or -1 */
    struct wr_slices rows;
    struct wr_time_heap waiting; /* rows that the sweep has not come to */
};

struct asof {
    struct wr_op base;
    struct wr_eval keys_eval[2];
    struct wr_arena arena;
    struct asof_rows sides[2];
    struct wr_shape index_shape;
    struct wr_slices index;       /* key -> chain */
    struct wr_time_heap versions; /* that `max_age` frees; some have been replaced since */
    uint64_t next_id, saved_next_id;
    uint8_t must_index;         /* state was read: the heaps are made anew */
    struct asof_match *matches; /* of the sweep, to leave */
    uint32_t match_count, match_room;
    uint64_t *graves; /* versions that go when matches with them have left */
    uint32_t grave_count, grave_room;
};

static inline const struct asof_config *asof_config_of(const struct asof *self) {
    return self->base.config;
}
static inline char *asof_key(const struct asof_row *row) {
    return (char *)(uintptr_t)row + sizeof *row;
}

int asof_bind(struct wr_bind *bind, struct wr_error *err);
void asof_needs(const void *config, const struct wr_stream *input, uint32_t input_number,
                const uint64_t *wanted, uint64_t *columns);
struct wr_value *asof_explain(const void *config, struct wr_arena *arena);

/* asof_sweep.c */
int asof_advance(struct wr_op *op, int64_t frontier, struct wr_out *out);
/* A row by its number; NULL: there is none (in a state that was read back). */
struct asof_row *asof_row(const struct asof *self, uint32_t side, uint64_t id);

/* asof_emit.c: the rows of `matches`, in the order of time, origin and key, leave. wr_flow or a
 * negative status. */
int asof_emit(struct asof *self, struct wr_out *out);
int asof_compare(const struct wr_op *op, const struct wr_batch *a, uint32_t row_a,
                 const struct wr_batch *b, uint32_t row_b);

/* asof_state.c */
int asof_open(struct wr_op *op, struct wr_error *err);
void asof_close(struct wr_op *op);
void asof_measure(const struct wr_op *op, struct wr_op_state *state);
int asof_save(struct wr_op *op, struct wr_buf *out, int all);
int asof_load(struct wr_op *op, struct wr_reader *in);
/* Heaps of what was read back. */
int asof_index(struct asof *self);
