/* idle.c: inputs that are live and quiet. An input steps aside on proof alone: it was polled, had
 * nothing, and that for as long as its `event_time` says. Then nobody waits for it: gates go on
 * with the others, and the frontier is the least of theirs. When all inputs of a stage are idle the
 * frontier goes on with the clock, so that a last window closes. Files never have nothing to read
 * before their end, so none of this concerns a run over them.
 *
 * Frontiers never go back. When rows come again that a stage has gone past, they are told so
 * (`behind`) and it judges them as any late row. */
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/gate.h"
#include "exec/idle.h"
#include "exec/unit.h"
#include "base/banned.h"

#define POLL_AGAIN_US 20000 /* a lane without rows is polled so often while others have some */

void idle_note(struct unit *lane, int is_empty) {
    const struct wr_env *env = lane->run->plan->env;
    if (!is_empty) {
        lane->quiet_us = -1;
        return;
    }
    lane->polled_us = env->monotonic_us(env);
    if (lane->quiet_us < 0)
        lane->quiet_since_us = lane->polled_us;
    lane->quiet_us = lane->polled_us - lane->quiet_since_us;
}

int idle_may_skip(const struct unit *lane) {
    if (lane->quiet_us < 0)
        return 0;
    const struct wr_env *env = lane->run->plan->env;
    int64_t now_us = env->monotonic_us(env);
    return now_us - lane->polled_us < POLL_AGAIN_US;
}

/* The source of a lane's unit. */
static const struct unit *source_of(const struct unit *unit) {
    while (unit->source == NULL)
        unit = unit->feeders[0].from;
    return unit;
}

static int port_is_idle(const struct unit *unit, uint32_t feeder) {
    const struct feeder *from = &unit->feeders[feeder];
    return unit->gate != NULL ? gate_port_is_idle(unit->gate, from->port) : from->from->is_idle;
}

static int64_t port_frontier(const struct unit *unit, uint32_t feeder) {
    const struct feeder *from = &unit->feeders[feeder];
    return unit->gate != NULL ? gate_port_frontier(unit->gate, from->port)
                              : from->from->frontier_out;
}

/* Where frontiers come from. */
static void update_lane(struct unit *unit) {
    const struct unit *source = source_of(unit);
    int by_clock;
    int64_t after_us = unit->op->type->idle_after(unit->op, &by_clock);
    unit->is_idle = !source->ended && source->quiet_us >= 0 && source->quiet_us >= after_us;
    unit->clock_frontier = unit->frontier_out;
    if (unit->is_idle && by_clock && unit->frontier_out != WR_TIME_MIN)
        unit->clock_frontier = wr_time_add(unit->frontier_out, source->quiet_us);
    unit->run->steps_aside |= unit->is_idle;
}

void idle_update(struct unit *unit) {
    if (unit->op != NULL && unit->op->type->idle_after != NULL) {
        update_lane(unit);
        return;
    }
    if (!unit->run->steps_aside)
        return; /* no input has been idle yet */
    uint32_t idle = 0, ended = 0;
    for (uint32_t i = 0; i < unit->feeder_count; i++) {
        int steps_aside = port_is_idle(unit, i);
        idle += (uint32_t)steps_aside;
        ended += !steps_aside && port_frontier(unit, i) == WR_TIME_MAX;
    }
    unit->is_ahead |= idle > 0 && unit->lane == LANE_CENTRAL;
    unit->is_idle = idle > 0 && idle + ended == unit->feeder_count;
    unit->clock_frontier = unit->lane == LANE_CENTRAL || unit->feeder_count == 0
                               ? unit->frontier_out
                               : unit->feeders[0].from->clock_frontier;
}

int64_t unit_frontier_of_inputs(const struct unit *unit) {
    int64_t least = WR_TIME_MAX, most = WR_TIME_MIN;
    int any_idle = 0;
    for (uint32_t i = 0; i < unit->feeder_count; i++) {
        if (unit->lane == LANE_CENTRAL && port_is_idle(unit, i)) {
            any_idle = 1;
            most = WR_MAX(most, unit->feeders[i].from->clock_frontier);
            continue;
        }
        int64_t one = port_frontier(unit, i);
        least = WR_MIN(least, one);
    }
    if (any_idle && least == WR_TIME_MAX) /* the others have ended */
        least = most;
    return unit->run->steps_aside ? WR_MAX(least, unit->frontier_in) : least;
}

int idle_raise(struct unit *unit, struct wr_batch *batch, struct wr_batch **made) {
    int64_t frontier = unit->frontier_in;
    int is_behind = 0;
    *made = batch;
    for (uint32_t i = 0; batch->event_time != NULL && i < batch->sel_count && !is_behind; i++) {
        uint32_t row = wr_batch_row(batch, i);
        is_behind = batch->event_time[row] < frontier &&
                    (batch->behind == NULL || batch->behind[row] < frontier);
    }
    if (!is_behind)
        return WR_OK;
    struct wr_batch *raised = wr_batch_part(unit_pool(unit), batch, 0, batch->sel_count);
    int64_t *behind =
        raised == NULL ? NULL : WR_ARENA_ARRAY(&raised->arena, int64_t, batch->row_count);
    if (behind == NULL) {
        wr_batch_unref(raised);
        return WR_ENOMEM;
    }
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        int64_t before = batch->behind == NULL ? WR_TIME_MIN : batch->behind[row];
        behind[row] = batch->event_time[row] < frontier ? WR_MAX(before, frontier) : before;
    }
    raised->behind = behind;
    raised->is_view = 0;
    *made = raised;
    return WR_OK;
}
