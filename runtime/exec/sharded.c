/* sharded.c: a keyed operator in several instances. Rows go to the shard of their key's hash; see
 * shards.h for how the rest goes. */
#include "exec/shards.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "exec/memory.h"
#include "base/banned.h"

/* Fewer rows than this are worked on at once where nothing waits: it takes less than to hand them
 * over. */
#define ROWS_ON_THE_SPOT 256u
/* The run waits for its shards when so many messages, or rows (memory_rows_ahead), have not been
 * delivered, until a half is left; or when there is no room for more of them. */
#define MESSAGES_AHEAD_MAX 128u
/* A shard's task begins when so large a part of that, or so many messages, wait for it; else when
 * the run has nothing else to do. */
#define PART_OF_A_TASK 4
#define MESSAGES_OF_A_TASK 24u
#define GUIDE_SCRATCH_BYTES_MAX ((size_t)64 << 10)

static int keep(struct shard *shard, enum wr_port port, struct wr_batch *batch) {
    struct shard_result *result = shard->result;
    if (wr_grow(&wr_budget_control, (void **)&result->emitted[port], result->count[port],
                &result->room[port], sizeof *result->emitted[port]) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    result->emitted[port][result->count[port]++] = batch;
    return WR_FLOW_MORE;
}

static int keep_main(void *ctx, struct wr_batch *batch) {
    return keep(ctx, WR_PORT_MAIN, batch);
}

/* Of several shards rows are merged by what caused them, message by message. */
static int shard_emit(struct wr_out *out, enum wr_port port, struct wr_batch *batch) {
    struct shard *shard = (struct shard *)out;
    struct unit *unit = shard->sharded->unit;
    if (shard->is_direct)
        return unit_emit(unit, port, batch);
    if (unit->gathers && port == WR_PORT_MAIN && shard->sharded->shard_count == 1)
        return gather_put(unit, shard->env.pool, &shard->gathered, batch, keep_main, shard);
    return keep(shard, port, batch);
}

/* What was gathered goes with the message that the shard works on. */
static int keep_gathered(struct shard *shard) {
    struct wr_batch *batch = shard->gathered;
    shard->gathered = NULL;
    return batch == NULL ? WR_OK : keep(shard, WR_PORT_MAIN, batch);
}

static int shard_reject(struct wr_out *out, const struct wr_reject *reject) {
    const struct shard *shard = (const struct shard *)out;
    return shard->is_direct ? unit_reject(shard->sharded->unit, reject)
                            : wr_held_rejects_add(&shard->result->rejects, reject);
}

/* ---- what a shard does ---- */

static int work(struct shard *shard, const struct message *message) {
    const struct wr_op_type *type = shard->op->type;
    struct shard_result *result = shard->result;
    shard->env.now_us = message->now_us;
    switch (message->kind) {
    case MESSAGE_ROWS:
        return result->part == NULL
                   ? WR_OK
                   : unit_op_push(shard->op, message->input, result->part, &shard->out);
    case MESSAGE_TICK: return unit_op_outcome(shard->op, type->tick(shard->op, &shard->out));
    case MESSAGE_FRONTIER: break;
    }
    int status = WR_OK;
    if (type->advance != NULL && message->has_moved)
        status = shard->is_pulled
                     ? unit_op_outcome(shard->op,
                                       type->advance(shard->op, message->frontier, &shard->out))
                     : unit_op_advance(shard->op, message->frontier, &shard->out);
    result->held = type->holds_back == NULL ? message->frontier
                                            : type->holds_back(shard->op, message->frontier);
    return status;
}

/* Rows may go on later, with those of the next message of rows, if there is one: `more` follow. */
static void work_on(struct shard *shard, struct message *message, int more) {
    int is_rows = message->kind == MESSAGE_ROWS;
    shard->result = &message->results[shard->number];
    int status = is_rows || shard->failed != WR_OK ? shard->failed : keep_gathered(shard);
    if (status >= 0)
        status = work(shard, message);
    if (status >= 0 && (!more || !is_rows))
        status = keep_gathered(shard);
    shard->failed = WR_MIN(status, WR_OK);
    shard->result->status = shard->failed;
    wr_arena_reset(&shard->scratch);
}

/* A number below `limit` of the seeded order, with the lock. */
static uint32_t dice(struct sharded *sharded, uint32_t limit) {
    sharded->order_state = wr_hash_u64(sharded->order_state, 1);
    return (uint32_t)(sharded->order_state % limit);
}

/* With the lock: whether what has been worked on should be delivered before there is more of it. */
static int is_full(const struct sharded *sharded) {
    return !sharded->is_awaited_whole && sharded->first != NULL && sharded->first->left == 0 &&
           !memory_has_room(sharded->unit->run);
}

/* A shard's task: works on all messages that wait for it; where tests shuffle, on some. It ends
 * where memory is full of what it gave: who delivers it begins it again. */
static void shard_run(struct wr_task *task) {
    struct shard *shard = (struct shard *)((char *)task - offsetof(struct shard, task));
    struct sharded *sharded = shard->sharded;
    wr_workers_lock(sharded->workers);
    uint32_t most = sharded->shuffles ? 1 + dice(sharded, 3) : UINT32_MAX;
    struct message *message = shard->next;
    for (; message != NULL && most > 0 && !is_full(sharded); message = shard->next, most--) {
        int more = message->next != NULL && most > 1;
        wr_workers_unlock(sharded->workers);
        work_on(shard, message, more);
        int spills = shard->op->apart != NULL && wr_apart_spilled_bytes(shard->op->apart) > 0;
        wr_workers_lock(sharded->workers);
        sharded->spills |= (uint8_t)spills;
        shard->next = message->next;
        if (--message->left > 0)
            continue;
        sharded->undone_rows -= message->row_count;
        sharded->undone_count--;
        if ((int64_t)sharded->undone_rows <= sharded->awaited_rows &&
            (int64_t)sharded->undone_count <= sharded->awaited_count)
            wr_workers_wake(sharded->workers);
    }
    if (message != NULL && !is_full(sharded)) {
        wr_workers_add(sharded->workers, &shard->task);
    } else {
        if (message == NULL)
            shard->waiting_rows = shard->waiting_count = 0;
        shard->is_queued = 0;
        if (message != NULL) {
            sharded->has_stopped = 1;
            wr_workers_wake(sharded->workers);
        }
    }
    wr_workers_unlock(sharded->workers);
}

/* ---- messages ---- */

static struct message *message_new(struct sharded *sharded, enum message_kind kind) {
    struct message *message = sharded->idle;
    if (message != NULL)
        sharded->idle = message->next;
    else
        message = wr_alloc_zero(&wr_budget_control,
                                sizeof *message + sharded->shard_count * sizeof *message->results);
    if (message == NULL)
        return NULL;
    message->next = NULL;
    message->kind = kind;
    message->row_count = 0;
    message->left = sharded->shard_count;
    message->now_us = sharded->unit->run->op_env.now_us;
    return message;
}

static void message_give_back(struct sharded *sharded, struct message *message) {
    shards_forget(sharded, message);
    message->next = sharded->idle;
    sharded->idle = message;
}

static void message_free(struct sharded *sharded, struct message *message) {
    shards_forget(sharded, message);
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        for (int port = 0; port < WR_PORTS_MAX; port++)
            wr_free(&wr_budget_control, message->results[s].emitted[port]);
        wr_held_rejects_free(&message->results[s].rejects);
    }
    wr_free(&wr_budget_control, message);
}

/* The frontier of the stage, when what was given before it has gone on. */
static int tell_frontier(struct sharded *sharded, const struct message *message) {
    struct unit *unit = sharded->unit;
    int status = unit->gathered == NULL ? WR_OK : gather_flush(unit);
    int64_t held = WR_TIME_MAX;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        held = WR_MIN(held, message->results[s].held);
    unit->frontier_out = held;
    return status;
}

/* Hands on what was given for a message whose turn has come. */
static int deliver(struct sharded *sharded, struct message *message) {
    int flow = sharded->is_done ? WR_FLOW_DONE : shards_deliver(sharded, message);
    if (flow == WR_FLOW_DONE && sharded->workers != NULL) /* else who pushes is told at once */
        sharded->is_done = 1;
    int status = WR_OK;
    if (flow >= 0 && message->kind == MESSAGE_FRONTIER)
        status = tell_frontier(sharded, message);
    message_give_back(sharded, message);
    return status < 0 ? status : flow;
}

/* What a single shard gives here goes on as it comes; of several the merge asks for more. */
static int work_on_the_spot(struct sharded *sharded, struct message *message) {
    sharded->shards[0].is_direct = sharded->shard_count == 1;
    uint32_t first = dice(sharded, sharded->shard_count);
    for (uint32_t k = 0; k < sharded->shard_count; k++) {
        struct shard *shard = &sharded->shards[(first + k) % sharded->shard_count];
        shard->is_pulled = sharded->shard_count > 1;
        work_on(shard, message, 0);
        shard->is_pulled = 0;
    }
    sharded->shards[0].is_direct = 0;
    return deliver(sharded, message);
}

/* With the lock: who has messages gets a thread. */
static void start(struct sharded *sharded, uint32_t rows_least, uint32_t count_least) {
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        struct shard *shard = &sharded->shards[s];
        if (shard->is_queued || shard->next == NULL ||
            (shard->waiting_rows < rows_least && shard->waiting_count < count_least))
            continue;
        shard->is_queued = 1;
        wr_workers_add(sharded->workers, &shard->task);
    }
}

static void enqueue(struct sharded *sharded, struct message *message) {
    wr_workers_lock(sharded->workers);
    if (sharded->last == NULL)
        sharded->first = message;
    else
        sharded->last->next = message;
    sharded->last = message;
    sharded->row_count += message->row_count;
    sharded->message_count++;
    sharded->undone_rows += message->row_count;
    sharded->undone_count++;
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        struct shard *shard = &sharded->shards[s];
        const struct wr_batch *part = message->results[s].part;
        shard->waiting_rows += part != NULL ? part->sel_count : 0;
        shard->waiting_count++;
        if (shard->next == NULL)
            shard->next = message;
    }
    start(sharded, sharded->rows_ahead_max / PART_OF_A_TASK, MESSAGES_OF_A_TASK);
    wr_workers_unlock(sharded->workers);
}

static int goes_on_the_spot(struct sharded *sharded, const struct message *message) {
    if (sharded->workers == NULL)
        return 1;
    if (sharded->first != NULL)
        return 0;
    if (message->kind == MESSAGE_FRONTIER && message->frontier == WR_TIME_MAX)
        return 1;
    return sharded->shuffles ? dice(sharded, 2) == 0 : message->row_count < ROWS_ON_THE_SPOT;
}

static int give(struct sharded *sharded, struct message *message) {
    if (goes_on_the_spot(sharded, message))
        return work_on_the_spot(sharded, message);
    enqueue(sharded, message);
    return WR_FLOW_MORE;
}

/* Where tests shuffle there may be no other thread: some of the work is done here, now or later. */
static void shuffle(struct sharded *sharded) {
    if (!sharded->shuffles || sharded->first == NULL)
        return;
    wr_workers_lock(sharded->workers);
    if (dice(sharded, 2))
        start(sharded, 0, 0);
    for (uint32_t k = dice(sharded, 4); k > 0 && wr_workers_help(sharded->workers); k--) {}
    wr_workers_unlock(sharded->workers);
}

/* ---- the run's side ---- */

int sharded_push(struct sharded *sharded, uint32_t input, struct wr_batch *batch) {
    if (sharded->is_done)
        return WR_FLOW_DONE;
    struct message *message = message_new(sharded, MESSAGE_ROWS);
    if (message == NULL)
        return WR_ENOMEM;
    message->input = input;
    int status = WR_OK;
    if (sharded->shard_count == 1) {
        message->results[0].part = wr_batch_ref(batch);
        message->row_count = batch->sel_count;
    } else {
        status = shards_route(sharded, batch, message);
    }
    if (status < 0) {
        message_give_back(sharded, message);
        return status;
    }
    sharded->is_behind = 1;
    return give(sharded, message);
}

/* Whether some shard has more than fits into its memory. */
static int spills(struct sharded *sharded) {
    wr_workers_lock(sharded->workers);
    int spills = sharded->spills;
    wr_workers_unlock(sharded->workers);
    return spills;
}

/* All that an operator has may leave at the end: that is not put together in memory first. */
int sharded_advance(struct sharded *sharded, int64_t frontier, int has_moved) {
    has_moved |= sharded->has_end;
    if (!has_moved && !sharded->is_behind)
        return WR_OK;
    sharded->has_end = has_moved && frontier == WR_TIME_MAX && sharded->first != NULL &&
                       (sharded->shard_count == 1 || spills(sharded));
    if (sharded->has_end)
        return WR_OK;
    struct message *message = message_new(sharded, MESSAGE_FRONTIER);
    if (message == NULL)
        return WR_ENOMEM;
    message->frontier = frontier;
    message->has_moved = (uint8_t)has_moved;
    sharded->is_behind = 0;
    return give(sharded, message);
}

int sharded_tick(struct sharded *sharded) {
    struct message *message = message_new(sharded, MESSAGE_TICK);
    sharded->is_behind = 1;
    return message == NULL ? WR_ENOMEM : give(sharded, message);
}

/* The next message whose turn has come, or NULL. */
static struct message *take_done(struct sharded *sharded) {
    struct message *message = sharded->first;
    if (message == NULL)
        return NULL;
    wr_workers_lock(sharded->workers);
    if (message->left > 0) {
        message = NULL;
    } else {
        sharded->first = message->next;
        if (sharded->first == NULL)
            sharded->last = NULL;
        sharded->row_count -= message->row_count;
        sharded->message_count--;
    }
    wr_workers_unlock(sharded->workers);
    return message;
}

/* Shards that stopped since memory was full. */
static void go_on_with_all(struct sharded *sharded) {
    if (sharded->workers == NULL || sharded->first == NULL)
        return;
    wr_workers_lock(sharded->workers);
    if (sharded->has_stopped && !is_full(sharded)) {
        sharded->has_stopped = 0;
        start(sharded, 0, 0);
    }
    wr_workers_unlock(sharded->workers);
}

int sharded_deliver(struct sharded *sharded) {
    struct unit *unit = sharded->unit;
    int64_t frontier = unit->frontier_out;
    int status = WR_OK;
    shuffle(sharded);
    unit->is_pumped = 1; /* small batches go on together */
    for (struct message *message = take_done(sharded); message != NULL;
         message = frontier == unit->frontier_out ? take_done(sharded) : NULL) {
        status = deliver(sharded, message);
        if (status >= 0)
            status = reject_log_flush(unit->run->rejects);
        if (status < 0)
            break;
    }
    unit->is_pumped = 0;
    go_on_with_all(sharded);
    if (status >= 0 && unit->gathered != NULL)
        status = gather_flush(unit);
    return WR_MIN(status, WR_OK);
}

int sharded_is_ahead(const struct sharded *sharded) {
    return sharded->first != NULL || sharded->has_end;
}

/* Until no more is left to be worked on; or, unless all of it is asked for, until memory is full of
 * what can be delivered. Works meanwhile, where there is something to work on. */
static void wait_for(struct sharded *sharded, uint32_t rows_most, uint32_t count_most,
                     int is_whole) {
    if (sharded->first == NULL)
        return;
    wr_workers_lock(sharded->workers);
    sharded->is_awaited_whole = (uint8_t)is_whole;
    while ((sharded->undone_rows > rows_most || sharded->undone_count > count_most) &&
           !is_full(sharded)) {
        start(sharded, 0, 0);
        if (wr_workers_help(sharded->workers))
            continue;
        sharded->awaited_rows = rows_most;
        sharded->awaited_count = count_most;
        wr_workers_sleep(sharded->workers);
        sharded->awaited_rows = sharded->awaited_count = -1;
    }
    sharded->is_awaited_whole = 0;
    wr_workers_unlock(sharded->workers);
}

void sharded_wait(struct sharded *sharded) {
    wait_for(sharded, 0, 0, 1);
}

void sharded_wait_some(struct sharded *sharded) {
    wait_for(sharded, 0, 0, 0);
}

int sharded_is_idle(struct sharded *sharded) {
    if (sharded->workers == NULL || sharded->first == NULL)
        return 1;
    wr_workers_lock(sharded->workers);
    int is_idle = sharded->undone_count == 0;
    wr_workers_unlock(sharded->workers);
    return is_idle;
}

int sharded_keep_up(struct sharded *sharded) {
    if (sharded->first == NULL)
        return 0;
    const struct wr_run *run = sharded->unit->run;
    if (!wr_input_has_room(&run->input_budget) || !memory_has_room(run))
        wait_for(sharded, 0, 0, 0);
    else if (sharded->row_count > sharded->rows_ahead_max ||
             sharded->message_count > MESSAGES_AHEAD_MAX)
        wait_for(sharded, sharded->rows_ahead_max / 2, MESSAGES_AHEAD_MAX / 2, 0);
    else
        return 0;
    return 1;
}

uint32_t sharded_count(const struct sharded *sharded) {
    return sharded->shard_count;
}

struct wr_op *sharded_op(const struct sharded *sharded, uint32_t shard) {
    return sharded->shards[shard].op;
}

const struct wr_op *sharded_guide(const struct sharded *sharded) {
    return sharded->guide;
}

/* ---- life ---- */

static int guide_new(struct sharded *self, struct wr_error *err) {
    struct wr_run *run = self->unit->run;
    self->guide_env = run->op_env;
    self->guide_env.scratch = &self->guide_scratch;
    size_t scratch_bytes = memory_scratch_bytes(run);
    wr_arena_init(&self->guide_scratch, &run->state_budget,
                  WR_MIN(scratch_bytes, GUIDE_SCRATCH_BYTES_MAX));
    return unit_op_new(self->unit, &self->guide_env, &self->guide, err);
}

/* Of the columns that are there, and a time; what long texts have elsewhere is not counted. */
static uint64_t row_bytes(const struct wr_node *from) {
    uint64_t bytes = sizeof(int64_t);
    for (uint32_t c = 0; c < from->out.schema->field_count; c++)
        if (wr_bit_get(from->needed, c))
            bytes += wr_type_bytes(from->out.schema->fields[c].type.kind);
    return bytes;
}

static uint32_t rows_ahead_max(const struct unit *unit) {
    uint64_t bytes = 1;
    for (uint32_t i = 0; i < unit->node->input_count; i++) {
        uint64_t of_input = row_bytes(unit->run->plan->nodes[unit->node->inputs[i]]);
        bytes = WR_MAX(bytes, of_input);
    }
    return memory_rows_ahead(unit->run, bytes);
}

int sharded_new(struct sharded **made, struct unit *unit, struct wr_error *err) {
    struct wr_run *run = unit->run;
    struct sharded *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for shards");
    self->unit = unit;
    self->shard_count = run->options.shards;
    self->rows_ahead_max = rows_ahead_max(unit);
    self->order_state = run->options.shard_order_seed;
    self->awaited_rows = self->awaited_count = -1;
    self->is_behind = 1;
    *made = self;
    int status = guide_new(self, err);
    for (uint32_t s = 0; s < self->shard_count && status == WR_OK; s++) {
        struct shard *shard = &self->shards[s];
        shard->sharded = self;
        shard->number = s;
        shard->task.run = shard_run;
        shard->out = (struct wr_out){.emit = shard_emit, .reject = shard_reject};
        shard->err = &shard->error;
        shard->env = run->op_env;
        shard->env.shard = s;
        shard->env.scratch = &shard->scratch;
        shard->env.err = &shard->err;
        shard->env.pool = shard_pool_new(run);
        if (shard->env.pool == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for shards");
        wr_arena_init(&shard->scratch, &run->state_budget, memory_scratch_bytes(run));
        status = unit_op_new(unit, &shard->env, &shard->op, err);
    }
    return status;
}

void sharded_use_workers(struct sharded *sharded, struct wr_workers *workers, int shuffles) {
    sharded->workers = workers;
    sharded->shuffles = (uint8_t)shuffles;
}

void sharded_free(struct sharded *sharded) {
    if (sharded == NULL)
        return;
    while (sharded->first != NULL) {
        struct message *message = sharded->first;
        sharded->first = message->next;
        message_free(sharded, message);
    }
    while (sharded->idle != NULL) {
        struct message *message = sharded->idle;
        sharded->idle = message->next;
        message_free(sharded, message);
    }
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        unit_op_free(sharded->shards[s].op);
        wr_batch_unref(sharded->shards[s].gathered);
        wr_arena_release(&sharded->shards[s].scratch);
    }
    unit_op_free(sharded->guide);
    wr_arena_release(&sharded->guide_scratch);
    wr_free(&wr_budget_control, sharded);
}
