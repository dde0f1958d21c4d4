/* range.c: which records of a source a run takes: `start` and `stop` of `weir.read`, and how far
 * `--until` lets it go. A lane stops before a record, never between batches, so that the same rows
 * are read for any batch size and the run that goes on begins with the next one.
 *
 * Records are counted by the source. Where a time says which one it is, only the stages up to
 * `event_time` know: the lane's rows go through a second instance of them first, whose results are
 * looked at and thrown away. When the record is found, the source is opened again where the poll
 * began, to be read up to there and no further: what it had read behind it has not happened.
 *
 *   poll -> look -> not found: on, as ever
 *                -> found: open again at the position before -> poll up to the record */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/time.h"
#include "data/held_rejects.h"
#include "exec/build.h"
#include "exec/range.h"
#include "exec/step.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "base/banned.h"

#define NO_RECORD UINT64_MAX
#define LOOKS_MAX 16 /* `event_time` stages behind one source */

/* One way from the source to an `event_time`; the last stage's results are looked at. */
struct look {
    uint32_t op_count;
    struct unit **units; /* from the source down */
    struct wr_op **ops;  /* instances of our own */
    struct step {
        struct wr_out out;
        struct look *look;
        uint32_t next; /* the stage that takes what comes */
    } * steps;
    struct range *range;
    uint8_t has_passed;       /* the frontier is where `--until` says */
    uint64_t from, to, until; /* records of the poll that is looked at; NO_RECORD: none */
};

struct range {
    struct unit *lane;
    uint64_t first; /* records before it are passed over */
    uint64_t limit; /* the first that is not read; NO_RECORD: all are */
    int64_t from_us, to_us, until_us;
    uint8_t seeks;             /* no row is taken yet: `from_us` */
    uint8_t has_to, has_until; /* `to_us`, `until_us` */
    uint8_t is_found;          /* `limit` is of a time: the source ends just there */
    uint8_t is_until;          /* `limit` is where --until says, and not the end of the input */
    uint32_t look_count;
    struct look looks[LOOKS_MAX];
    struct wr_held_rejects rejects; /* of the poll that runs */
    struct wr_buf before;           /* the position before it */
};

/* ---- looking ------------------------------------------------------------------------------- */

static void note_first(uint64_t *found, uint64_t record) {
    *found = WR_MIN(*found, record);
}

/* The times of a batch, and what was known before each of its rows. */
static void look_at(struct look *look, const struct wr_batch *batch) {
    const struct range *range = look->range;
    if (batch->event_time == NULL)
        return;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        uint64_t record = wr_origin_record(&batch->origin, row);
        int64_t time_us = batch->event_time[row];
        if (range->seeks && time_us >= range->from_us)
            note_first(&look->from, record);
        if (range->has_to && time_us >= range->to_us)
            note_first(&look->to, record);
        if (range->has_until && batch->behind != NULL && batch->behind[row] >= range->until_us)
            note_first(&look->until, record);
    }
}

static int look_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    const struct step *step = (const struct step *)out;
    struct look *look = step->look;
    int status = WR_FLOW_MORE;
    if (port != WR_PORT_MAIN || step->next == look->op_count) {
        if (port == WR_PORT_MAIN)
            look_at(look, batch);
    } else {
        struct wr_op *op = look->ops[step->next];
        status = op->type->push(op, 0, batch, &look->steps[step->next].out);
    }
    wr_batch_unref(batch);
    return WR_MIN(status, WR_FLOW_MORE);
}

static int look_reject(struct wr_out *out, const struct wr_reject *reject) {
    (void)out; /* it comes again, when the row is taken */
    (void)reject;
    return WR_OK;
}

static int look_push(struct look *look, struct wr_batch *batch) {
    struct wr_arena *scratch = &look->range->lane->run->scratch;
    look->from = look->to = look->until = NO_RECORD;
    if (look->op_count == 0) {
        look_at(look, batch);
        return WR_OK;
    }
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    int status = look->ops[0]->type->push(look->ops[0], 0, batch, &look->steps[0].out);
    wr_arena_rewind(scratch, mark);
    return WR_MIN(status, WR_OK);
}

static void look_close(struct look *look) {
    for (uint32_t i = 0; i < look->op_count; i++) {
        unit_op_free(look->ops[i]);
        look->ops[i] = NULL;
    }
}

static int copy_state(struct wr_op *to, struct wr_op *from) {
    if (from->type->save == NULL || from->type->load == NULL)
        return WR_OK;
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    int saved = WR_EAGAIN, status = WR_OK;
    while (saved == WR_EAGAIN && status == WR_OK) {
        wr_buf_clear(&bytes);
        saved = from->type->save(from, &bytes, 1);
        struct wr_reader reader = {.bytes = bytes.bytes, .length = bytes.length};
        if (saved != WR_OK && saved != WR_EAGAIN)
            status = saved;
        else if (bytes.length > 0)
            status = to->type->load(to, &reader);
    }
    wr_buf_release(&bytes);
    return status;
}

/* Its stages begin where those of the lane are. */
static int look_open(struct look *look, struct wr_error *err) {
    struct wr_run *run = look->range->lane->run;
    int status = WR_OK;
    look_close(look);
    for (uint32_t i = 0; i < look->op_count && status == WR_OK; i++) {
        status = unit_op_new(look->units[i], &run->lane_env, &look->ops[i], err);
        if (status == WR_OK)
            status = copy_state(look->ops[i], look->units[i]->op);
    }
    return status;
}

static int looks_open(struct range *range, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < range->look_count && status == WR_OK; i++)
        status = look_open(&range->looks[i], err);
    return status;
}

static int looks_push(struct range *range, struct wr_batch *batch) {
    int status = WR_OK;
    for (uint32_t i = 0; i < range->look_count && status == WR_OK; i++)
        status = look_push(&range->looks[i], batch);
    return status;
}

/* The record before which the lane stops, if these rows tell: the first that has the time of
 * `stop`, or the first that finds all frontiers where --until says. */
static uint64_t found_end(struct range *range, int *is_until) {
    uint64_t to = NO_RECORD, until = 0;
    for (uint32_t i = 0; i < range->look_count; i++) {
        struct look *look = &range->looks[i];
        to = WR_MIN(to, look->to);
        if (look->until != NO_RECORD && !look->has_passed)
            until = WR_MAX(until, look->until);
        look->has_passed |= look->until != NO_RECORD;
    }
    for (uint32_t i = 0; i < range->look_count; i++)
        if (!range->looks[i].has_passed)
            until = NO_RECORD;
    if (!range->has_until)
        until = NO_RECORD;
    *is_until = until < to;
    return WR_MIN(to, until);
}

/* ---- polling ------------------------------------------------------------------------------- */

/* A source may give numbers of its own to its rows; records are counted. */
static uint64_t count_before(const struct wr_source *source, uint64_t record) {
    return source->type->rows_before == NULL ? record : source->type->rows_before(source, record);
}

static int hold_reject(void *ctx, const struct wr_reject *reject) {
    return wr_held_rejects_add(&((struct unit *)ctx)->range->rejects, reject);
}

int range_skip(const struct wr_source *source, uint64_t first, struct wr_batch **batch) {
    struct wr_batch *all = *batch;
    uint32_t i = 0;
    while (i < all->sel_count &&
           count_before(source, wr_origin_record(&all->origin, wr_batch_row(all, i))) < first)
        i++;
    if (i == 0)
        return WR_OK;
    *batch = NULL;
    if (i < all->sel_count)
        *batch = wr_batch_part(source->pool, all, i, all->sel_count - i);
    int status = i < all->sel_count && *batch == NULL ? WR_ENOMEM : WR_OK;
    wr_batch_unref(all);
    return status;
}

/* How many physical rows stand before the first record. */
static uint32_t skipped(const struct wr_source *source, uint64_t first,
                        const struct wr_batch *batch) {
    uint32_t row = 0;
    while (row < batch->row_count &&
           count_before(source, wr_origin_record(&batch->origin, row)) < first)
        row++;
    return row;
}

static uint64_t record_of(const struct wr_reject *reject) {
    return reject->batch == NULL ? reject->record
                                 : wr_origin_record(&reject->batch->origin, reject->row);
}

/* Rejects of the poll, without those of records that are passed over. */
static int give_rejects(struct range *range) {
    int status = WR_OK;
    for (uint32_t i = 0; i < range->rejects.count && status == WR_OK; i++) {
        const struct wr_reject *reject = &range->rejects.list[i];
        if (count_before(range->lane->source, record_of(reject)) >= range->first)
            status = lane_reject(range->lane, reject);
    }
    wr_held_rejects_forget(&range->rejects);
    return status;
}

/* The source stands where it stood before the poll, and ends before the record `limit`. */
static int open_again(struct range *range, struct wr_error *err) {
    struct unit *lane = range->lane;
    lane->source->type->close(lane->source);
    lane->opened = 0;
    wr_free(&wr_budget_control, lane->source);
    lane->source = NULL;
    int status = unit_new_source(lane, err);
    if (status != WR_OK)
        return status;
    lane->source->reject = hold_reject;
    lane->source->has_state = 1;
    lane->source->record_limit = range->limit;
    struct wr_reader from = {.bytes = range->before.bytes, .length = range->before.length};
    status = lane->source->type->open(lane->source, &from, err);
    lane->opened = status == WR_OK;
    return status;
}

/* The source has come to the limit, or to its own end. */
static int at_end(struct range *range) {
    struct unit *lane = range->lane;
    int is_limit = range->is_found || range->first + lane->records_in >= range->limit;
    if (!is_limit || !range->is_until || lane->run->options.drains)
        return WR_EEND;
    lane->stands = 1;
    return WR_OK;
}

/* Rows have come while no one had the time yet. *batch is what is taken of them. */
static int seek(struct range *range, struct wr_batch **batch, struct wr_error *err) {
    uint64_t from = NO_RECORD;
    int status = looks_push(range, *batch);
    for (uint32_t i = 0; i < range->look_count; i++)
        from = WR_MIN(from, range->looks[i].from);
    if (status != WR_OK)
        return status;
    if (from == NO_RECORD) {
        range->first = NO_RECORD; /* nothing of this poll is taken */
        wr_batch_unref(*batch);
        *batch = NULL;
        return WR_OK;
    }
    range->seeks = 0;
    range->first = count_before(range->lane->source, from);
    return looks_open(range, err); /* what they saw before it has not happened */
}

/* What was polled, looked at: *batch is what is taken of it. */
static int look_and_take(struct range *range, struct wr_batch **batch, struct wr_error *err) {
    struct unit *lane = range->lane;
    int status = range->seeks ? seek(range, batch, err) : WR_OK;
    if (status != WR_OK || *batch == NULL)
        return status;
    struct wr_batch *whole = wr_batch_ref(*batch);
    status = range->first > 0 ? range_skip(lane->source, range->first, batch) : WR_OK;
    int is_until = 0;
    if (status == WR_OK && *batch != NULL && range->look_count > 0)
        status = looks_push(range, *batch);
    uint64_t end = *batch == NULL || status != WR_OK ? NO_RECORD : found_end(range, &is_until);
    if (end != NO_RECORD) {
        range->limit = count_before(lane->source, end);
        range->is_found = 1;
        range->is_until = (uint8_t)is_until;
        range->has_to = range->has_until = 0;
        wr_held_rejects_forget(&range->rejects);
        wr_batch_unref(*batch);
        *batch = NULL;
        status = open_again(range, err);
    } else if (status == WR_OK) {
        uint32_t lost = range->first > 0 ? skipped(lane->source, range->first, whole) : 0;
        lane_count(lane, whole->row_count - lost);
    }
    wr_batch_unref(whole);
    return status;
}

static int poll_once(struct range *range, struct wr_batch **batch, struct wr_error *err) {
    struct unit *lane = range->lane;
    int status = WR_OK;
    if (range->seeks || range->has_to || range->has_until) {
        wr_buf_clear(&range->before);
        status = lane->source->type->save_position(lane->source, &range->before);
        if (status != WR_OK)
            return wr_error_set(err, status, "save the position of %s", lane->node->name);
    }
    status = lane->source->type->poll(lane->source, batch, err);
    if (status < 0 && status != WR_EAGAIN && status != WR_EEND)
        return status;
    if (range->seeks)
        range->first = NO_RECORD; /* until a row says otherwise */
    int taken = *batch == NULL ? WR_OK : look_and_take(range, batch, err);
    if (taken == WR_OK)
        taken = give_rejects(range);
    return taken == WR_OK ? status : taken;
}

int range_poll(struct unit *lane, struct wr_batch **batch, struct wr_error *err) {
    struct range *range = lane->range;
    int was_found = range->is_found;
    int is_there = was_found ? range->limit == 0
                             : range->is_until && range->first + lane->records_in >= range->limit;
    if (is_there) /* also where the state of before stands behind it */
        return at_end(range);
    int status = poll_once(range, batch, err);
    if (range->is_found && !was_found && (status >= 0 || status == WR_EEND))
        /* A step that only finds it would be no progress. */
        status = range->limit == 0 ? WR_EEND : poll_once(range, batch, err);
    return status == WR_EEND ? at_end(range) : status;
}

/* ---- made with the run --------------------------------------------------------------------- */

/* Whether rows of a source are more than a table that is read whole before others go on. */
static int *find_flowing(struct wr_run *run) {
    const struct wr_plan *plan = run->plan;
    int *flows = WR_ARENA_ZEROS(&run->arena, int, plan->node_count + 1);
    for (uint32_t n = plan->node_count; flows != NULL && n-- > 0;) {
        const struct wr_node *node = plan->nodes[n];
        if (run->unit_counts[n] == 0 && node->kind != WR_NODE_LATE)
            continue;
        flows[n] |= node->kind == WR_NODE_SINK;
        for (uint32_t i = 0; i < node->input_count; i++) {
            int is_table = i > 0 && node->op != NULL && (node->op->flags & WR_OP_BUILD_FIRST);
            flows[node->inputs[i]] |= flows[n] && !is_table;
        }
    }
    return flows;
}

static int look_new(struct range *range, struct unit *last, struct wr_error *err) {
    struct wr_arena *arena = &range->lane->run->arena;
    uint32_t count = 0;
    for (struct unit *unit = last; unit != range->lane; unit = unit->feeders[0].from)
        count++;
    if (range->look_count == LOOKS_MAX)
        return wr_error_set(err, WR_ELIMIT, "%s: more than %d `event_time` behind it",
                            range->lane->node->name, LOOKS_MAX);
    struct look *look = &range->looks[range->look_count++];
    look->range = range;
    look->units = WR_ARENA_ZEROS(arena, struct unit *, count + 1);
    look->ops = WR_ARENA_ZEROS(arena, struct wr_op *, count + 1);
    look->steps = WR_ARENA_ZEROS(arena, struct step, count + 1);
    if (look->units == NULL || look->ops == NULL || look->steps == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    look->op_count = count;
    for (struct unit *unit = last; unit != range->lane; unit = unit->feeders[0].from)
        look->units[--count] = unit;
    for (uint32_t i = 0; i < look->op_count; i++)
        look->steps[i] = (struct step){
            .out = {.emit = look_emit, .reject = look_reject}, .look = look, .next = i + 1};
    return WR_OK;
}

static int sets_time(const struct unit *unit) {
    return unit->op != NULL && (unit->op->type->flags & WR_OP_SETS_FRONTIER) &&
           !(unit->op->type->flags & WR_OP_BY_CLOCK);
}

static int is_below(const struct unit *unit, const struct unit *lane) {
    while (unit != lane && unit->feeder_count == 1 && unit->lane == lane->lane)
        unit = unit->feeders[0].from;
    return unit == lane;
}

static int looks_new(struct range *range, struct wr_error *err) {
    struct unit *lane = range->lane;
    struct wr_run *run = lane->run;
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++)
        if (sets_time(run->units[i]) && is_below(run->units[i], lane))
            status = look_new(range, run->units[i], err);
    if (status == WR_OK && range->look_count == 0 && lane->node->out.has_time)
        status = look_new(range, lane, err);
    return status;
}

/* What cannot be done, of an input. */
static int refuse(const struct unit *lane, const char *option, const char *text, const char *help,
                  struct wr_error *err) {
    wr_error_script(err, "W203", "%s: %s %s", option, lane->node->name, text);
    wr_error_help(err, "%s", help);
    return WR_ESCRIPT;
}

static int check_times(const struct range *range, const char *option, struct wr_error *err) {
    const struct unit *lane = range->lane;
    if (range->look_count == 0)
        return refuse(lane, option, "has no event time",
                      "`event_time` behind it says what the time of a row is; a number of rows can "
                      "be given without it",
                      err);
    if (lane->node->endpoint.reads_once)
        return refuse(lane, option,
                      "cannot be opened again at a row, so it cannot be read up to a time",
                      "give a number of rows; or read a file", err);
    return WR_OK;
}

static int range_fill(struct range *range, int flows, struct wr_error *err) {
    struct unit *lane = range->lane;
    const struct wr_run_options *options = &lane->run->options;
    const struct wr_range *own = &lane->node->endpoint.range;
    range->first = own->first;
    range->limit = own->end > 0 ? own->end : NO_RECORD;
    if (options->record_limit > 0)
        range->limit = WR_MIN(range->limit, own->first + options->record_limit);
    range->has_to = own->has_to;
    range->to_us = own->to_us;
    range->seeks = own->has_from;
    range->from_us = own->from_us;
    uint64_t until =
        options->until_rows == 0 || !flows ? NO_RECORD : own->first + options->until_rows;
    if (until < range->limit) {
        range->limit = until;
        range->is_until = 1;
    }
    if (range->is_until && own->has_from)
        return refuse(lane, "--until", "begins at a time, and so its rows have no number",
                      "give a time; or a number of rows to `start`", err);
    int status = WR_OK;
    if (own->has_from || own->has_to || (options->has_until_time && flows))
        status = looks_new(range, err);
    if (status == WR_OK && (own->has_from || own->has_to))
        status = check_times(range, own->has_from ? "`start`" : "`stop`", err);
    if (status != WR_OK || !options->has_until_time || !flows)
        return status;
    if (range->look_count > 0 || !lane->node->out.bounded) /* else it is read to its end */
        status = check_times(range, "--until", err);
    range->has_until = range->look_count > 0;
    range->until_us = options->until_us;
    return status;
}

static int range_new(struct unit *lane, int flows, int *is_timed, struct wr_error *err) {
    struct range *range = WR_ARENA_ZEROS(&lane->run->arena, struct range, 1);
    if (range == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    range->lane = lane;
    wr_buf_init(&range->before, &wr_budget_control, 0);
    int status = range_fill(range, flows, err);
    *is_timed |= range->has_until;
    int watches = range->seeks || range->has_to || range->has_until;
    if (status != WR_OK || (!watches && !range->is_until && range->first == 0))
        return status;
    lane->range = range;
    lane->source->reject = hold_reject;
    lane->source->has_state |= (uint8_t)watches;
    lane->source->record_limit = range->limit == NO_RECORD ? 0 : range->limit;
    return WR_OK;
}

int ranges_init(struct wr_run *run, struct wr_error *err) {
    int is_timed = 0, status = WR_OK;
    int *flows = find_flowing(run);
    if (flows == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++)
        if (run->units[i]->source != NULL)
            status = range_new(run->units[i], flows[run->units[i]->node->id], &is_timed, err);
    if (status == WR_OK && run->options.has_until_time && !is_timed) {
        wr_error_script(err, "W203", "--until: no input of the script has event time");
        wr_error_help(err, "`event_time` says what the time of a row is; `--until 1000rows` needs "
                           "none");
        return WR_ESCRIPT;
    }
    return status;
}

int ranges_start(struct wr_run *run, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct range *range = run->units[i]->range;
        if (range == NULL)
            continue;
        range->seeks &= run->units[i]->records_in == 0;
        status = looks_open(range, err);
    }
    return status;
}

uint64_t range_record_limit(const struct wr_run *run, const struct wr_node *node) {
    const struct wr_range *own = &node->endpoint.range;
    uint64_t limit = own->end > 0 ? own->end : NO_RECORD;
    if (run->options.record_limit > 0)
        limit = WR_MIN(limit, own->first + run->options.record_limit);
    return limit == NO_RECORD ? 0 : limit;
}

void range_free(struct unit *lane) {
    struct range *range = lane->range;
    if (range == NULL)
        return;
    for (uint32_t i = 0; i < range->look_count; i++)
        look_close(&range->looks[i]);
    wr_held_rejects_free(&range->rejects);
    wr_buf_release(&range->before);
}

int ranges_have_reached(const struct wr_run *run) {
    int any = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (unit->source != NULL && !unit->ended && !unit->stands)
            return 0;
        any |= unit->stands;
    }
    return any;
}
