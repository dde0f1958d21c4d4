/* held.c: what waits for sinks while a checkpoint is on its way. Rows of the next epoch must not
 * reach a sink before the last one is committed; they wait, in the order in which they came. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "base/banned.h"

#define HELD_ROWS_MAX (UINT64_C(1) << 20) /* of all sinks */
#define INPUT_SHARE_HELD 2

struct held_item {
    struct wr_batch *batch; /* NULL: the frontier alone */
    int64_t frontier;
};

struct held {
    uint32_t count, room;
    struct held_item *items;
};

int held_add(struct unit *unit, struct wr_batch *batch, int64_t frontier) {
    if (unit->held == NULL)
        unit->held = wr_alloc_zero(&wr_budget_control, sizeof *unit->held);
    struct held *held = unit->held;
    if (held == NULL)
        return WR_ENOMEM;
    if (batch == NULL && held->count > 0 && held->items[held->count - 1].batch == NULL) {
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

static int flush(struct unit *unit, struct wr_error *err) {
    struct held *held = unit->held;
    struct wr_sink *sink = unit->sink;
    int status = WR_OK;
    for (uint32_t i = 0; i < held->count; i++) {
        struct held_item *item = &held->items[i];
        if (status >= 0 && item->batch == NULL)
            status = sink->type->advance(sink, item->frontier, err);
        else if (status >= 0)
            status = sink->type->write(sink, item->batch, err);
        wr_batch_unref(item->batch);
    }
    held->count = 0;
    return status;
}

int held_flush(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    run->held_rows = 0;
    for (uint32_t i = 0; i < run->unit_count && status >= 0; i++)
        if (run->units[i]->held != NULL) {
            status = flush(run->units[i], err);
            if (status < 0)
                run->failed = run->units[i];
        }
    return status < 0 ? status : WR_OK;
}

void held_free(struct unit *unit) {
    if (unit->held == NULL)
        return;
    for (uint32_t i = 0; i < unit->held->count; i++)
        wr_batch_unref(unit->held->items[i].batch);
    wr_free(&wr_budget_control, unit->held->items);
    wr_free(&wr_budget_control, unit->held);
    unit->held = NULL;
}
