/* frames.h: the list of a grouped `derive`: expressions over each row of a group and over other
 * rows of it. Bound like `agg` (aggregate.h), but rows stay: an item sees the columns of its row.
 *   inputs   evaluated on each input batch: keys first, then what calls take
 *   calls    aggregates over a frame, values of other rows, the place of a row
 *   middle   schema of rows with their calls' results: the input's columns, one column a call
 *   items    evaluated on the middle */
#pragma once
#include <stdint.h>

#include "expr/aggregate.h"

enum wr_frame_kind {
    WR_FRAME_WHOLE, /* from the first row to this one; of a window: all its rows */
    WR_FRAME_TIME,  /* event times in [its own - span, its own] */
    WR_FRAME_ROWS,  /* this row and the span - 1 before it */
};
struct wr_frame {
    enum wr_frame_kind kind;
    int64_t span; /* TIME: microseconds; ROWS: rows, at least 1 */
};
#define WR_FRAMES_MAX 16 /* different frames of one stage */
#define WR_FRAME_ROWS_MAX INT32_MAX

enum wr_frame_call_kind {
    WR_FRAME_AGGREGATE,
    WR_FRAME_RANK, /* an aggregate too: the place of a value among those of the frame */
    WR_FRAME_DENSE_RANK,
    WR_FRAME_LAG, /* the value of an item `distance` rows before; below 0: behind */
    WR_FRAME_ROW_NUMBER,
};
struct wr_frame_call {
    enum wr_frame_call_kind kind;
    uint32_t frame;     /* AGGREGATE */
    uint32_t aggregate; /* AGGREGATE, RANK */
    uint32_t item;      /* LAG: of the inputs */
    int64_t distance;
    struct wr_type type;
    int from, to;
};

struct wr_frames {
    struct wr_list *inputs;
    uint32_t key_count;
    uint32_t aggregate_count;
    struct wr_aggregate *aggregates; /* their offsets are the owner's to set */
    uint32_t frame_count;            /* the first is WHOLE, used or not */
    struct wr_frame frames[WR_FRAMES_MAX];
    uint32_t call_count;
    struct wr_frame_call *calls;
    const struct wr_schema *middle;
    struct wr_list *items;
};

/* Binds `group_by` (may be NULL or empty: one group) and the list of `derive` together. `ordered`:
 * rows will come in the order of their event time. `arg` in an error is "group_by" or "1". */
int wr_frames_bind(struct wr_frames **frames, const struct wr_scope *scope,
                   const struct wr_value *group_by, const struct wr_value *items, int ordered,
                   struct wr_error *err);

/* A function that stands only in a grouped `derive`: `lag`, `row_number`, …, or NULL. */
struct wr_window_function {
    const char *name;
    const char *signature, *doc;
    uint32_t arg_min, arg_max;
};
const struct wr_window_function *wr_window_function_find(const char *name, uint32_t length);
const struct wr_window_function *wr_window_function_at(uint32_t index);
