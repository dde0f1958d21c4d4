/* sharded.c: a keyed operator in several instances. Rows go to the shard of their key's hash; see
 * shards.h for how the rest goes. */
#include "exec/sharded.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "exec/gather.h"
#include "exec/memory.h"
#include "exec/reject_log.h"
#include "exec/shards.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "exec/unit_op.h"
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
    message->has_begun = message->late_waits = 0;
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

/* The rest of it goes on later, before all others. */
static void put_back(struct sharded *sharded, struct message *message) {
    wr_workers_lock(sharded->workers);
    for (uint32_t s = 0; s < sharded->shard_count; s++) {
        struct shard_result *result = &message->results[s];
        if (result->is_open)
            sharded->shards[s].is_open = result->is_open = result->has_more;
    }
    message->left = 0;
    message->next = sharded->first;
    sharded->first = message;
    if (sharded->last == NULL)
        sharded->last = message;
    sharded->row_count += message->row_count;
    sharded->message_count++;
    wr_workers_unlock(sharded->workers);
}

/* All of it has gone on: shards that had more of it take others. Behind a failure (`status`) some
 * have more, for which nobody asks: their operators are in the midst of it, and not used again. */
static void close_message(struct sharded *sharded, const struct message *message, int status) {
    int is_open = 0;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        if (status < 0 && message->results[s].has_more)
            sharded->shards[s].failed = status;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        is_open |= message->results[s].is_open;
    if (!is_open || sharded->workers == NULL)
        return;
    wr_workers_lock(sharded->workers);
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        if (message->results[s].is_open)
            sharded->shards[s].is_open = 0;
    wr_workers_unlock(sharded->workers);
}

/* Hands on what was given for a message whose turn has come. A flow or a status. */
static int deliver(struct sharded *sharded, struct message *message) {
    int flow = sharded->is_done ? WR_FLOW_DONE : shards_deliver(sharded, message);
    if (flow == SHARDS_PAUSED) {
        put_back(sharded, message);
        return flow;
    }
    if (flow == WR_FLOW_DONE && sharded->workers != NULL) /* else who pushes is told at once */
        sharded->is_done = 1;
    int status = flow == WR_FLOW_DONE ? shards_drop_rest(sharded, message) : WR_OK;
    if (flow >= 0 && status >= 0 && message->kind == MESSAGE_FRONTIER)
        status = tell_frontier(sharded, message);
    status = status < 0 ? status : flow;
    close_message(sharded, message, status);
    message_give_back(sharded, message);
    return status;
}

/* What a single shard gives here goes on as it comes; of several the merge asks for more. */
static int work_on_the_spot(struct sharded *sharded, struct message *message) {
    sharded->shards[0].is_direct = sharded->shard_count == 1;
    uint32_t first = shards_dice(sharded, sharded->shard_count);
    for (uint32_t k = 0; k < sharded->shard_count; k++) {
        struct shard *shard = &sharded->shards[(first + k) % sharded->shard_count];
        shard->is_pulled = sharded->shard_count > 1;
        shard_work_on(shard, message, 0);
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
        if (!shard_may_go_on(shard)) {
            sharded->has_stopped = 1;
            continue;
        }
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
    if (message->kind == MESSAGE_ROWS && unit_waits_for_room(sharded->unit))
        return 0;
    return sharded->shuffles ? shards_dice(sharded, 2) == 0 : message->row_count < ROWS_ON_THE_SPOT;
}

static void wait_for(struct sharded *sharded, uint32_t rows_most, uint32_t count_most);

static int give(struct sharded *sharded, struct message *message) {
    if (goes_on_the_spot(sharded, message)) {
        int flow = work_on_the_spot(sharded, message);
        return flow == SHARDS_PAUSED ? WR_FLOW_MORE : flow;
    }
    if (!memory_has_room(sharded->unit->run)) /* more may come before what is here is delivered */
        wait_for(sharded, 0, 0);
    enqueue(sharded, message);
    return WR_FLOW_MORE;
}

/* Where tests shuffle there may be no other thread: some of the work is done here, now or later. */
static void shuffle(struct sharded *sharded) {
    if (!sharded->shuffles || sharded->first == NULL)
        return;
    wr_workers_lock(sharded->workers);
    if (shards_dice(sharded, 2))
        start(sharded, 0, 0);
    for (uint32_t k = shards_dice(sharded, 4); k > 0 && wr_workers_help(sharded->workers); k--) {}
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
    if (sharded->has_stopped) {
        sharded->has_stopped = 0;
        start(sharded, 0, 0);
    }
    wr_workers_unlock(sharded->workers);
}

/* Those below are told a frontier before what comes behind it; and have room for it. */
static int goes_on(const struct sharded *sharded, int64_t frontier) {
    return sharded->unit->frontier_out == frontier && !unit_waits_for_room(sharded->unit);
}

int sharded_deliver(struct sharded *sharded) {
    struct unit *unit = sharded->unit;
    int64_t frontier = unit->frontier_out;
    int status = WR_OK;
    shuffle(sharded);
    unit->is_pumped = 1; /* small batches go on together */
    for (struct message *message = take_done(sharded); message != NULL;
         message = goes_on(sharded, frontier) ? take_done(sharded) : NULL) {
        status = deliver(sharded, message);
        int is_paused = status == SHARDS_PAUSED;
        if (status >= 0 && !is_paused)
            status = reject_log_flush(unit->run->rejects);
        if (status < 0 || is_paused)
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

/* With the lock: whether a task of its shards waits or runs. */
static int works(const struct sharded *sharded) {
    int works = 0;
    for (uint32_t s = 0; s < sharded->shard_count; s++)
        works |= sharded->shards[s].is_queued;
    return works;
}

/* Until no more is left to be worked on, or what has been must be delivered first. Works meanwhile,
 * where there is something to work on. */
static void wait_for(struct sharded *sharded, uint32_t rows_most, uint32_t count_most) {
    if (sharded->first == NULL)
        return;
    wr_workers_lock(sharded->workers);
    while ((sharded->undone_rows > rows_most || sharded->undone_count > count_most) &&
           !shards_are_full(sharded)) {
        start(sharded, 0, 0);
        if (wr_workers_help(sharded->workers) || !works(sharded)) /* memory may be full by now */
            continue;
        sharded->awaited_rows = rows_most;
        sharded->awaited_count = count_most;
        wr_workers_sleep(sharded->workers);
        sharded->awaited_rows = sharded->awaited_count = -1;
    }
    wr_workers_unlock(sharded->workers);
}

void sharded_wait(struct sharded *sharded) {
    wait_for(sharded, 0, 0);
}

void sharded_halt(struct sharded *sharded) {
    if (sharded->workers == NULL)
        return;
    wr_workers_lock(sharded->workers);
    sharded->is_halted = 1;
    while (works(sharded))
        if (!wr_workers_help(sharded->workers))
            wr_workers_sleep(sharded->workers);
    sharded->is_halted = 0;
    wr_workers_unlock(sharded->workers);
}

int sharded_is_idle(struct sharded *sharded) {
    if (sharded->workers == NULL || sharded->first == NULL)
        return 1;
    wr_workers_lock(sharded->workers);
    int is_idle = !works(sharded);
    wr_workers_unlock(sharded->workers);
    return is_idle;
}

int sharded_keep_up(struct sharded *sharded) {
    if (sharded->first == NULL)
        return 0;
    const struct wr_run *run = sharded->unit->run;
    if (!wr_input_has_room(&run->input_budget) || !memory_has_room(run))
        wait_for(sharded, 0, 0);
    else if (sharded->row_count > sharded->rows_ahead_max ||
             sharded->message_count > MESSAGES_AHEAD_MAX)
        wait_for(sharded, sharded->rows_ahead_max / 2, MESSAGES_AHEAD_MAX / 2);
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
