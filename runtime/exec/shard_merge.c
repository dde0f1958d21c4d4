/* shard_merge.c: what the shards gave for one message, in one order. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "exec/shards.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
#include "base/banned.h"

/* Rows that stages made go on together, however they lie in batches of the shards. Rows of sources
 * keep the places that they are from, and go as they lie, unless they are of one batch. */
struct merging {
    struct sharded *sharded;
    enum wr_port port;
    int by_row;
    uint32_t from_count, count, room;
    struct wr_batch *from[WR_BATCH_REFS_MAX];
    uint8_t has_given; /* since it was asked whether those below have room */
    uint8_t is_of_one; /* all rows are of the same batch, whatever their shards made over it */
    uint8_t *which;
    uint32_t *rows;
};

/* Rows of one input batch keep their order among themselves; fired rows go by the operator's
 * order. */
static int row_before(const struct merging *self, const struct shard_result *a,
                      const struct shard_result *b) {
    const struct wr_batch *x = a->emitted[self->port][a->head];
    const struct wr_batch *y = b->emitted[self->port][b->head];
    uint32_t row_x = wr_batch_row(x, a->at), row_y = wr_batch_row(y, b->at);
    if (self->by_row) {
        uint32_t cause_x = x->cause == NULL ? row_x : x->cause[row_x];
        uint32_t cause_y = y->cause == NULL ? row_y : y->cause[row_y];
        return cause_x < cause_y || (cause_x == cause_y && a < b);
    }
    int order = self->sharded->unit->node->op->compare(self->sharded->guide, x, row_x, y, row_y);
    return order < 0 || (order == 0 && a < b);
}

static int is_over_the_same(const struct wr_batch *a, const struct wr_batch *b) {
    return a->row_count == b->row_count && a->event_time == b->event_time &&
           a->behind == b->behind && a->weight == b->weight && a->replaced == b->replaced &&
           a->changed == b->changed && a->origin.record == b->origin.record &&
           memcmp(a->columns, b->columns, sizeof *a->columns * a->schema->field_count) == 0;
}

static int has_made_rows(const struct wr_batch *batch) {
    return batch->origin.source == NULL && batch->origins == NULL;
}

/* The number of `batch` among those whose rows go together, if it may join them; else
 * WR_BATCH_REFS_MAX. */
static uint32_t number_of(struct merging *self, struct wr_batch *batch) {
    const struct wr_batch *first = self->from[0];
    for (uint32_t at = 0; at < self->from_count; at++)
        if (self->from[at] == batch)
            return at;
    int joins = self->from_count < WR_BATCH_REFS_MAX;
    if (self->from_count == 0) {
        self->is_of_one = !has_made_rows(batch);
    } else if (self->is_of_one) {
        joins &= is_over_the_same(first, batch);
    } else {
        joins &= has_made_rows(batch) && wr_batch_facts_alike(first, batch) &&
                 wr_batch_columns_alike(first, batch);
    }
    if (!joins)
        return WR_BATCH_REFS_MAX;
    self->from[self->from_count++] = wr_batch_ref(batch);
    return self->from_count - 1;
}

/* A stage that may stop asks which row of its input made the last one that was wanted. */
static int pick_causes(const struct merging *self, struct wr_batch *batch) {
    if (self->from[0]->cause == NULL || !self->sharded->unit->stops_too)
        return WR_OK;
    uint32_t *cause = WR_ARENA_ARRAY(&batch->arena, uint32_t, self->count);
    for (uint32_t i = 0; cause != NULL && i < self->count; i++)
        cause[i] = self->from[self->which[i]]->cause[self->rows[i]];
    batch->cause = cause;
    return cause == NULL ? WR_ENOMEM : WR_OK;
}

static int emit_picked(struct merging *self, struct wr_batch **made) {
    struct wr_batch *batch =
        wr_batch_new(&self->sharded->unit->run->central_pool, self->from[0]->schema);
    *made = batch;
    if (batch == NULL || pick_causes(self, batch) != WR_OK ||
        wr_batch_pick(batch, self->from, self->from_count, self->which, self->rows, self->count) !=
            WR_OK)
        return WR_ENOMEM;
    return wr_batch_pick_facts(batch, self->from, self->from_count, self->which, self->rows);
}

static int flush(struct merging *self) {
    struct wr_batch *batch = NULL;
    int status = WR_OK;
    if (self->count > 0 && self->is_of_one) {
        batch = wr_batch_select(&self->sharded->unit->run->central_pool, self->from[0], self->rows,
                                self->count);
        status = batch == NULL ? WR_ENOMEM : WR_OK;
    } else if (self->count > 0) {
        status = emit_picked(self, &batch);
    }
    for (uint32_t i = 0; i < self->from_count; i++)
        wr_batch_unref(self->from[i]);
    self->from_count = self->count = 0;
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    self->has_given |= batch != NULL;
    return batch == NULL ? WR_FLOW_MORE : unit_emit(self->sharded->unit, self->port, batch);
}

/* Whether the rest goes on later, since those below have no room. Rows are made first, so that
 * there is something to work on. */
static int pauses(struct merging *self) {
    int has_given = self->has_given;
    self->has_given = 0;
    return has_given && self->sharded->workers != NULL && self->port == WR_PORT_MAIN &&
           unit_waits_for_room(self->sharded->unit);
}

/* Takes the next `count` rows of a shard. */
static int take_run(struct merging *self, struct shard_result *result, uint32_t count) {
    struct wr_batch *batch = result->emitted[self->port][result->head];
    int goes_alone = count > self->room / 2 && count == batch->sel_count;
    int flow = WR_FLOW_MORE;
    if (goes_alone || self->count + count > self->room)
        flow = flush(self);
    if (flow == WR_FLOW_MORE && goes_alone) {
        result->emitted[self->port][result->head++] = NULL;
        self->has_given = 1;
        return unit_emit(self->sharded->unit, self->port, batch);
    }
    uint32_t number = number_of(self, batch);
    if (number == WR_BATCH_REFS_MAX && flow == WR_FLOW_MORE) {
        flow = flush(self);
        number = number_of(self, batch);
    }
    if (flow != WR_FLOW_MORE)
        return flow;
    for (uint32_t i = 0; i < count; i++) {
        self->which[self->count] = (uint8_t)number;
        self->rows[self->count++] = wr_batch_row(batch, result->at + i);
    }
    result->at += count;
    if (result->at == batch->sel_count) {
        wr_batch_unref(batch); /* it is among those whose rows go together */
        result->emitted[self->port][result->head++] = NULL;
        result->at = 0;
    }
    return WR_FLOW_MORE;
}

/* How many rows of `best`, from its head on, go before the head of `second`. Not in the midst of an
 * update. *is_next: the one behind them does not. */
static uint32_t run_of(const struct merging *self, const struct shard_result *best,
                       const struct shard_result *second, int *is_next) {
    const struct wr_batch *batch = best->emitted[self->port][best->head];
    uint32_t left = batch->sel_count - best->at, count = 1;
    struct shard_result probe = *best;
    *is_next = 0;
    for (probe.at = best->at + 1; count < left; count++, probe.at++) {
        *is_next = second != NULL && !row_before(self, &probe, second);
        if (*is_next || (count + 1 >= self->room && !wr_batch_is_replaced(batch, probe.at - 1)))
            break;
    }
    return count;
}

static int give_rejects(struct sharded *sharded, struct shard_result *result) {
    struct wr_held_rejects *rejects = &result->rejects;
    int status = WR_OK;
    for (uint32_t i = 0; i < rejects->count && status >= 0; i++)
        status = unit_reject(sharded->unit, &rejects->list[i]);
    wr_held_rejects_forget(rejects);
    return status;
}

/* What a shard has left to give, in the place of what it gave; late rows come behind those that are
 * there (late_waits). WR_OK or a negative status. */
static int go_on(struct shard *shard, struct shard_result *result) {
    for (uint32_t i = 0; i < result->count[WR_PORT_MAIN]; i++)
        wr_batch_unref(result->emitted[WR_PORT_MAIN][i]);
    result->count[WR_PORT_MAIN] = 0;
    result->head = result->at = 0;
    result->bytes = 0;
    shard->result = result;
    int status = WR_OK;
    while (status >= 0 && result->has_more && result->count[WR_PORT_MAIN] == 0) {
        shard->out.is_full = 0;
        status = unit_op_go_on(shard->op, &shard->out);
        result->has_more = status >= 0 && shard->op->has_more;
        if (status >= 0 && !result->has_more)
            status = shard_keep_gathered(shard);
        int given = give_rejects(shard->sharded, result);
        status = status >= 0 && given < 0 ? given : status;
        wr_arena_reset(&shard->scratch);
    }
    struct wr_error *err = shard->sharded->unit->run->err;
    if (status < 0 && err != NULL && shard->error.status == status)
        *err = shard->error;
    shard->failed = WR_MIN(status, WR_OK);
    return shard->failed;
}

int shards_drop_rest(struct sharded *sharded, struct message *message) {
    int status = WR_OK;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        while (message->results[s].has_more && status >= 0)
            status = go_on(&sharded->shards[s], &message->results[s]);
    return status;
}

/* Whether a shard has a next row; it may have more to give. */
static int has_next(const struct merging *self, struct shard_result *result, int *status) {
    if (result->head == result->count[self->port] && self->port == WR_PORT_MAIN && result->has_more)
        *status = go_on(&self->sharded->shards[result->shard], result);
    return *status == WR_OK && result->head < result->count[self->port];
}

/* Puts a shard among the others, which stand in the order of their next rows; those before `least`
 * are known to go first. */
static void put_in_order(const struct merging *self, struct shard_result **order, uint32_t count,
                         struct shard_result *result, uint32_t least) {
    uint32_t at = count;
    while (at > least && row_before(self, result, order[at - 1])) {
        order[at] = order[at - 1];
        at--;
    }
    order[at] = result;
}

static int merge_rows(struct merging *self, struct shard_result *results) {
    struct shard_result *order[WR_SHARDS_MAX];
    uint32_t count = 0;
    int status = WR_OK;
    for (uint32_t s = 0; s < self->sharded->shard_count && status == WR_OK; s++) {
        if (has_next(self, &results[s], &status))
            put_in_order(self, order, count++, &results[s], 0);
    }
    while (count > 0 && status == WR_OK) {
        struct shard_result *best = order[0];
        int is_next;
        uint32_t rows = run_of(self, best, count > 1 ? order[1] : NULL, &is_next);
        int flow = take_run(self, best, rows);
        if (flow != WR_FLOW_MORE) /* a failure, or nobody wants more */
            return flow;
        memmove(order, order + 1, --count * sizeof *order);
        is_next &= best->head < best->count[self->port];
        if (has_next(self, best, &status))
            put_in_order(self, order, count++, best, is_next ? 1 : 0);
        if (status == WR_OK && pauses(self)) {
            flow = flush(self);
            return flow == WR_FLOW_MORE ? SHARDS_PAUSED : flow;
        }
    }
    return status != WR_OK ? status : flush(self);
}

/* Of one shard there is nothing to merge. */
static int emit_all(struct merging *self, struct shard_result *result) {
    int flow = WR_FLOW_MORE, status = WR_OK;
    while (flow == WR_FLOW_MORE && has_next(self, result, &status)) {
        struct wr_batch *batch = result->emitted[self->port][result->head];
        result->emitted[self->port][result->head++] = NULL;
        self->has_given = 1;
        flow = unit_emit(self->sharded->unit, self->port, batch);
        if (flow == WR_FLOW_MORE && pauses(self))
            return SHARDS_PAUSED;
    }
    return status != WR_OK ? status : flow;
}

static int merge_port(struct sharded *sharded, struct shard_result *results, enum wr_port port,
                      int by_row) {
    struct wr_run *run = sharded->unit->run;
    struct merging merging = {
        .sharded = sharded, .port = port, .by_row = by_row, .room = run->options.batch_rows + 1};
    int any = 0;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        any |= results[s].count[port] > 0 || results[s].has_more;
    if (!any)
        return WR_OK;
    if (sharded->shard_count == 1)
        return emit_all(&merging, results);
    merging.which = WR_ARENA_ARRAY(&run->scratch, uint8_t, merging.room);
    merging.rows = WR_ARENA_ARRAY(&run->scratch, uint32_t, merging.room);
    if (merging.which == NULL || merging.rows == NULL)
        return WR_ENOMEM;
    int flow = merge_rows(&merging, results);
    for (uint32_t i = 0; i < merging.from_count; i++)
        wr_batch_unref(merging.from[i]);
    return flow;
}

/* The first that failed, with what its operator said. */
static int failure_of(struct sharded *sharded, const struct message *message) {
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        int status = message->results[s].status;
        const struct wr_error *said = &sharded->shards[s].error;
        if (status >= 0)
            continue;
        if (sharded->unit->run->err != NULL && said->status == status)
            *sharded->unit->run->err = *said;
        return status;
    }
    return WR_OK;
}

static void begin_port(struct sharded *sharded, struct shard_result *results) {
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        results[s].head = results[s].at = 0;
        results[s].shard = s;
    }
}

static int merge_late(struct sharded *sharded, struct message *message) {
    begin_port(sharded, message->results);
    int status = merge_port(sharded, message->results, WR_PORT_LATE, 1);
    begin_port(sharded, message->results);
    return WR_MIN(status, WR_OK);
}

/* What goes on before the rows of the main port. Late rows that shards have more of wait for them,
 * so that their order does not depend on the parts in which a batch goes. */
static int begin(struct sharded *sharded, struct message *message) {
    int status = WR_OK;
    message->has_begun = 1;
    for (uint32_t s = 0; s < sharded->shard_count && status >= 0; s++)
        status = give_rejects(sharded, &message->results[s]);
    if (status >= 0)
        status = failure_of(sharded, message);
    begin_port(sharded, message->results);
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        message->late_waits |= message->results[s].has_more;
    return status >= 0 && !message->late_waits ? merge_late(sharded, message) : status;
}

int shards_deliver(struct sharded *sharded, struct message *message) {
    int status = message->has_begun ? WR_OK : begin(sharded, message);
    if (status >= 0)
        status = merge_port(sharded, message->results, WR_PORT_MAIN, message->kind == MESSAGE_ROWS);
    if (status < 0 || status == SHARDS_PAUSED || !message->late_waits)
        return status;
    int late = status == WR_FLOW_DONE ? shards_drop_rest(sharded, message) : WR_OK;
    if (late >= 0)
        late = merge_late(sharded, message);
    return late < 0 ? late : status;
}

void shards_forget(struct sharded *sharded, struct message *message) {
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        struct shard_result *result = &message->results[s];
        wr_batch_unref(result->part);
        result->part = NULL;
        result->status = WR_OK;
        result->has_more = result->is_open = 0;
        result->bytes = 0;
        for (int port = 0; port < WR_PORTS_MAX; port++) {
            for (uint32_t i = 0; i < result->count[port]; i++)
                wr_batch_unref(result->emitted[port][i]);
            result->count[port] = 0;
        }
        wr_held_rejects_forget(&result->rejects);
    }
}
