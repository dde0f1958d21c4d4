/* held.c: what waits for sinks while a checkpoint is on its way. Rows of the next epoch must not
 * reach a sink before the last one is committed; they wait, in the order in which they came. Then
 * they go to it some a step, so that no step takes as long as all of them would; what comes
 * meanwhile waits behind them. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "exec/held.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "base/banned.h"

#define HELD_ROWS_MAX (UINT64_C(1) << 20) /* of all sinks */
#define INPUT_SHARE_HELD 2
#define ROWS_OF_A_STEP UINT64_C(256)     /* and twice as many as came since, so that all go on */
#define ROWS_OF_A_DRAWN_STEP UINT64_C(2) /* where the order is drawn, over small inputs */

struct held_item {
    struct wr_batch *batch; /* NULL: the frontier alone */
    int64_t frontier;
};

struct held {
    uint32_t first, count, room; /* those from `first` on wait */
    struct held_item *items;
};

int held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier) {
    if (unit->held == NULL)
        unit->held = wr_alloc_zero(&wr_budget_control, sizeof *unit->held);
    struct held *held = unit->held;
    if (held == NULL)
        return WR_ENOMEM;
    if (batch == NULL && held->count > held->first && held->items[held->count - 1].batch == NULL) {
        held->items[held->count - 1].frontier = frontier;
        return WR_OK;
    }
    if (wr_grow(&wr_budget_control, (void **)&held->items, held->count, &held->room,
                sizeof *held->items) != WR_OK)
        return WR_ENOMEM;
    held->items[held->count++] = (struct held_item){.batch = batch, .frontier = frontier};
    if (batch != NULL) {
        wr_batch_ref(batch);
        unit->run->held_rows += batch->sel_count;
        unit->run->held_new_rows += batch->sel_count;
    }
    return WR_OK;
}

int held_is_full(const struct wr_run *run) {
    const struct wr_budget *const budgets[] = {&run->input_budget, &run->state_budget};
    for (size_t i = 0; i < WR_COUNT(budgets); i++)
        if (run->held_rows > 0 && budgets[i]->bytes_used > budgets[i]->bytes_max / INPUT_SHARE_HELD)
            return 1;
    return run->held_rows >= HELD_ROWS_MAX;
}

int held_waits(const struct unit *unit) {
    return unit->held != NULL && unit->held->count > unit->held->first;
}

static int hand_on(struct unit *unit, const struct held_item *item, struct wr_error *err) {
    struct wr_sink *sink = unit->sink;
    int status = item->batch == NULL ? sink->type->advance(sink, item->frontier, err)
                                     : sink->type->write(sink, item->batch, err);
    return unit_of_error(unit, status, err);
}

/* Until *rows have gone on, and what comes behind them without a row; or one fails. */
static int flush(struct unit *unit, uint64_t *rows, struct wr_error *err) {
    struct held *held = unit->held;
    int status = WR_OK;
    while (held->first < held->count && status >= 0) {
        const struct held_item *item = &held->items[held->first];
        uint64_t count = item->batch == NULL ? 0 : item->batch->sel_count;
        if (count > 0 && *rows == 0)
            return WR_OK;
        status = hand_on(unit, item, err);
        wr_batch_unref(item->batch);
        held->first++;
        unit->run->held_rows -= count;
        *rows -= WR_MIN(*rows, count);
    }
    if (held->first == held->count)
        held->first = held->count = 0;
    return status;
}

int held_flush(struct wr_run *run, int all, struct wr_error *err) {
    uint64_t rows = run_is_drawn(run) ? ROWS_OF_A_DRAWN_STEP : ROWS_OF_A_STEP;
    rows = all ? UINT64_MAX : rows + 2 * run->held_new_rows;
    int status = WR_OK;
    run->held_new_rows = 0;
    for (uint32_t i = 0; i < run->unit_count && status >= 0; i++)
        if (run->units[i]->held != NULL) {
            status = flush(run->units[i], &rows, err);
            if (status < 0)
                run->failed = run->units[i];
        }
    return status < 0 ? status : WR_OK;
}

void held_free(struct unit *unit) {
    if (unit->held == NULL)
        return;
    for (uint32_t i = unit->held->first; i < unit->held->count; i++)
        wr_batch_unref(unit->held->items[i].batch);
    wr_free(&wr_budget_control, unit->held->items);
    wr_free(&wr_budget_control, unit->held);
    unit->held = NULL;
}
