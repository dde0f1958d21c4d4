/* writer.c: see writer.h. */
#include "exec/writer.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/workers.h"
#include "exec/copying.h"
#include "exec/epoch.h"
#include "exec/held.h"
#include "exec/reject_log.h"
#include "exec/run_inside.h"
#include "base/banned.h"

/* On their way to the store, or one part in so many of the budget: what is not copied yet waits. */
#define QUEUE_BYTES_MAX (UINT64_C(32) << 20)
#define QUEUE_PART 8u
#define FULL_PART 2u /* … and rows that are about to be changed wait, whoever changes them */
#define SPARE_PART 8u
#define WAKE_BYTES (UINT64_C(256) << 10) /* fewer are not worth to wake the writer for */
#define OWN_BYTES_MAX 16384u             /* fewer are copied, more are taken with their memory */
#define SPARES_MAX 32u
#define DRAWN_STEPS 7u  /* where the order is drawn: one step in so many lets the writer end, … */
#define DRAWN_PIECES 4u /* … and each lets it do fewer pieces than this */

enum item_what { ITEM_PUT, ITEM_DROP, ITEM_END };
/* Of the end: what sinks wrote is synced; those that commit before the store; it; the others. */
enum turn { TURN_SYNC, TURN_FIRST, TURN_STORE, TURN_LAST };

struct item {
    enum item_what what;
    enum wr_store_piece piece;
    uint32_t stage; /* DROP */
    int status;     /* END: of the gathering */
    char part[64];
    struct wr_buf bytes, rows;
    struct item *next;
};

struct writer {
    struct wr_run *run;
    struct wr_workers *workers; /* one thread besides the run; none where the order is drawn */
    struct wr_task task;
    uint64_t epoch;
    uint8_t goes_on;   /* the checkpoint at hand is written beside the steps */
    uint8_t is_busy;   /* it is on its way; of the run */
    uint8_t is_copied; /* all is handed over, and the end; of the run */
    uint8_t has_begun; /* in the store; of the writer */
    /* by the lock of the workers: */
    struct item *first, *last;
    struct item end; /* always there, so that what has begun ends */
    uint64_t queued_bytes;
    uint8_t is_queued;   /* the task waits or runs */
    uint8_t is_over;     /* `status` and `error` are the outcome */
    uint32_t wait_count; /* threads that sleep until something has changed */
    uint32_t spare_count;
    uint64_t spare_bytes;
    struct wr_buf spares[SPARES_MAX];
    int status;
    struct wr_error error;
    uint64_t drawn;  /* steps drawn so far, where the order is */
    uint64_t pieces; /* that it may do now, where the order is drawn */
    unsigned turn;   /* of the end */
};

/* All has come, or `status` says why not: the rest of the checkpoint, one turn at a time. 1: more
 * are to come. */
static int complete_next(struct wr_run *run, uint64_t epoch, unsigned *turn, int *status,
                         struct wr_error *err) {
    if (*status != WR_OK && *turn <= TURN_STORE) {
        wr_store_rollback(run->store);
        return 0;
    }
    switch (*turn) {
    case TURN_SYNC: *status = epoch_turn(run, epoch, EPOCH_SYNC, err); break;
    case TURN_FIRST: *status = epoch_turn(run, epoch, EPOCH_COMMIT_FIRST, err); break;
    case TURN_STORE: *status = wr_store_commit(run->store, err); break;
    default: *status = epoch_turn(run, epoch, EPOCH_COMMIT, err); break;
    }
    ++*turn;
    return *turn <= TURN_LAST && (*status == WR_OK || *turn <= TURN_STORE);
}

static int complete(struct wr_run *run, uint64_t epoch, int status, struct wr_error *err) {
    unsigned turn = TURN_SYNC;
    while (complete_next(run, epoch, &turn, &status, err)) {}
    return status;
}

/* ---- the writer's side ---------------------------------------------------------------------- */

/* WR_EAGAIN: there is more to do of the end. */
static int work_on(struct writer *writer, struct item *item, struct wr_error *err) {
    struct wr_store *store = writer->run->store;
    int status = writer->status;
    if (status == WR_OK && !writer->has_begun) {
        status = wr_store_begin(store, err);
        writer->has_begun = status == WR_OK;
    }
    if (item->what == ITEM_END) {
        item->status = status != WR_OK ? status : item->status;
        int goes_on = complete_next(writer->run, writer->epoch, &writer->turn, &item->status, err);
        return goes_on ? WR_EAGAIN : item->status;
    }
    if (status != WR_OK)
        return status;
    switch (item->what) {
    case ITEM_PUT:
        return wr_store_put_apart(
            store, item->part, item->bytes.bytes, item->bytes.length,
            (struct wr_store_rows){.bytes = item->rows.bytes, .length = item->rows.length},
            item->piece, err);
    case ITEM_DROP: return wr_store_drop_stage(store, item->stage, err);
    case ITEM_END: break;
    }
    return WR_OK;
}

/* With the lock. The memory of bytes is kept for what comes. */
static void keep(struct writer *writer, struct wr_buf *bytes) {
    uint64_t room = bytes->room, max = writer->run->checkpoint_budget.bytes_max / SPARE_PART;
    writer->queued_bytes -= bytes->length;
    if (room > 0 && writer->spare_count < SPARES_MAX && writer->spare_bytes + room <= max) {
        wr_buf_clear(bytes);
        writer->spare_bytes += room;
        writer->spares[writer->spare_count++] = *bytes;
    } else {
        wr_buf_release(bytes);
    }
}

static void give_back(struct writer *writer, struct item *item) {
    keep(writer, &item->bytes);
    keep(writer, &item->rows);
    if (item->what != ITEM_END)
        wr_free(&wr_budget_control, item);
}

/* With the lock. */
static void put_first(struct writer *writer, struct item *item) {
    item->next = writer->first;
    writer->first = item;
    if (writer->last == NULL)
        writer->last = item;
}

static void writer_run(struct wr_task *task) {
    struct writer *writer = (struct writer *)((char *)task - offsetof(struct writer, task));
    wr_workers_lock(writer->workers);
    while (writer->first != NULL && writer->pieces > 0) {
        struct item *item = writer->first;
        writer->pieces -= run_is_drawn(writer->run) ? 1 : 0;
        writer->first = item->next;
        if (writer->first == NULL)
            writer->last = NULL;
        wr_workers_unlock(writer->workers);
        int status = work_on(writer, item, &writer->error);
        wr_workers_lock(writer->workers);
        if (status == WR_EAGAIN) {
            put_first(writer, item);
            continue;
        }
        writer->status = status;
        writer->is_over |= item->what == ITEM_END;
        give_back(writer, item);
        if (writer->wait_count > 0)
            wr_workers_wake(writer->workers);
    }
    writer->is_queued = 0;
    wr_workers_unlock(writer->workers);
}

/* ---- the run's side ------------------------------------------------------------------------- */

int writer_init(struct wr_run *run) {
    int has_threads = run->plan->env == wr_env_real() && run->options.checkpoint_us > 0;
    if (run->store == NULL || run->may_stop || run->options.measures || run->options.dry_run ||
        (!run_is_drawn(run) && !has_threads))
        return WR_OK;
    struct writer *writer = wr_alloc_zero(&wr_budget_control, sizeof *writer);
    if (writer == NULL)
        return WR_ENOMEM;
    writer->run = run;
    writer->task.run = writer_run;
    writer->pieces = UINT64_MAX;
    run->writer = writer;
    return wr_workers_new(&writer->workers, &wr_budget_control, run_is_drawn(run) ? 1 : 2);
}

int writer_may_go_on(const struct wr_run *run) {
    return run->writer != NULL && !reject_log_is_kept(run->rejects);
}

int writer_is_busy(const struct wr_run *run) {
    return run->writer != NULL && run->writer->is_busy;
}

int writer_is_copying(const struct wr_run *run) {
    return writer_is_busy(run) && !run->writer->is_copied && writer_has_room(run);
}

/* With the lock: until `is_enough`, who calls lets the writer work, or works for it. */
static void await(struct writer *writer, int (*is_enough)(const struct writer *)) {
    while (!is_enough(writer)) {
        if (!writer->is_queued && writer->first != NULL) {
            writer->is_queued = 1;
            wr_workers_add(writer->workers, &writer->task);
        }
        if (wr_workers_help(writer->workers))
            continue;
        writer->wait_count++;
        wr_workers_sleep(writer->workers);
        writer->wait_count--;
    }
}

static int has_room(const struct writer *writer) {
    uint64_t share = writer->run->checkpoint_budget.bytes_max / QUEUE_PART;
    return writer->queued_bytes <= WR_MIN(QUEUE_BYTES_MAX, share);
}

/* Nobody else takes anything from the queue: where it is empty, the writer is through with it. */
static int is_not_full(const struct writer *writer) {
    return writer->queued_bytes <= writer->run->checkpoint_budget.bytes_max / FULL_PART;
}

static int is_over(const struct writer *writer) {
    return writer->is_over;
}

static void push(struct writer *writer, struct item *item) {
    uint64_t length = item->bytes.length + item->rows.length;
    wr_workers_lock(writer->workers);
    if (writer->last == NULL)
        writer->first = item;
    else
        writer->last->next = item;
    writer->last = item;
    writer->queued_bytes += length;
    int is_worth_it = writer->queued_bytes >= WAKE_BYTES || item->what == ITEM_END;
    if (!writer->is_queued && !run_is_drawn(writer->run) && is_worth_it) {
        writer->is_queued = 1;
        wr_workers_add(writer->workers, &writer->task);
    }
    wr_workers_unlock(writer->workers);
}

int writer_goes_on(const struct wr_run *run) {
    return run->writer != NULL && run->writer->goes_on;
}

int writer_has_room(const struct wr_run *run) {
    struct writer *writer = run->writer;
    wr_workers_lock(writer->workers);
    int has = has_room(writer);
    wr_workers_unlock(writer->workers);
    return has;
}

void writer_await_room(const struct wr_run *run) {
    wr_workers_lock(run->writer->workers);
    await(run->writer, has_room);
    wr_workers_unlock(run->writer->workers);
}

static struct item *item_new(struct writer *writer, enum item_what what, struct wr_error *err) {
    struct item *item = wr_alloc_zero(&wr_budget_control, sizeof *item);
    if (item == NULL) {
        wr_error_set(err, WR_ENOMEM, "no memory for a checkpoint");
        return NULL;
    }
    item->what = what;
    wr_buf_init(&item->bytes, &writer->run->checkpoint_budget, 0);
    wr_buf_init(&item->rows, &writer->run->checkpoint_budget, 0);
    return item;
}

int writer_begin(struct wr_run *run, int goes_on, struct wr_error *err) {
    struct writer *writer = run->writer;
    if (writer != NULL)
        writer->goes_on = (uint8_t)goes_on;
    if (writer == NULL || !goes_on)
        return wr_store_begin(run->store, err);
    WR_ASSERT(!writer->is_busy && writer->first == NULL);
    writer->epoch = run->epoch;
    writer->has_begun = writer->is_over = 0;
    writer->turn = TURN_SYNC;
    writer->status = WR_OK;
    writer->error.status = WR_OK;
    return WR_OK;
}

/* The bytes with their memory, for which a spare one is left; of few a copy. */
static int take_bytes(struct writer *writer, struct wr_buf *taken, struct wr_buf *bytes) {
    if (bytes->length <= OWN_BYTES_MAX)
        return wr_buf_add(taken, bytes->bytes, bytes->length);
    *taken = *bytes;
    wr_buf_init(bytes, &writer->run->checkpoint_budget, 0);
    wr_workers_lock(writer->workers);
    if (writer->spare_count > 0) {
        *bytes = writer->spares[--writer->spare_count];
        writer->spare_bytes -= bytes->room;
    }
    wr_workers_unlock(writer->workers);
    return WR_OK;
}

int writer_put_behind(struct wr_run *run, const char *part, struct wr_buf *bytes,
                      struct wr_buf *rows, enum wr_store_piece piece) {
    struct writer *writer = run->writer;
    wr_workers_lock(writer->workers);
    await(writer, is_not_full);
    wr_workers_unlock(writer->workers);
    struct item *item = item_new(writer, ITEM_PUT, NULL);
    if (item == NULL)
        return WR_ENOMEM;
    item->piece = piece;
    memcpy(item->part, part, strlen(part) + 1);
    int status = take_bytes(writer, &item->bytes, bytes);
    if (status == WR_OK && rows != NULL)
        status = take_bytes(writer, &item->rows, rows);
    if (status != WR_OK) {
        wr_buf_release(&item->bytes);
        wr_free(&wr_budget_control, item);
        return WR_ENOMEM;
    }
    push(writer, item);
    return WR_OK;
}

int writer_put(struct wr_run *run, const char *part, struct wr_buf *bytes, struct wr_buf *rows,
               enum wr_store_piece piece, struct wr_error *err) {
    struct wr_store_rows apart = {0};
    if (rows != NULL)
        apart = (struct wr_store_rows){.bytes = rows->bytes, .length = rows->length};
    if (!writer_goes_on(run))
        return wr_store_put_apart(run->store, part, bytes->bytes, bytes->length, apart, piece, err);
    if (writer_put_behind(run, part, bytes, rows, piece) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for a checkpoint");
    writer_await_room(run);
    return WR_OK;
}

int writer_drop_stage(struct wr_run *run, uint32_t number, struct wr_error *err) {
    struct writer *writer = run->writer;
    if (writer == NULL || !writer->goes_on)
        return wr_store_drop_stage(run->store, number, err);
    struct item *item = item_new(writer, ITEM_DROP, err);
    if (item == NULL)
        return WR_ENOMEM;
    item->stage = number;
    push(writer, item);
    return WR_OK;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* The checkpoint stands: the sinks are the run's again. */
static int take_over(struct wr_run *run, int all, struct wr_error *err) {
    run->held_new_rows = 0; /* they have waited for this */
    int status = run_begin_epoch(run, err);
    return status == WR_OK ? held_flush(run, all, err) : status;
}

static void push_end(struct writer *writer, int status) {
    writer->end = (struct item){.what = ITEM_END, .status = status};
    writer->is_copied = 1;
    push(writer, &writer->end);
}

int writer_end(struct wr_run *run, int status, struct wr_error *err) {
    struct writer *writer = run->writer;
    if (writer == NULL || !writer->goes_on) {
        status = complete(run, run->epoch, status, err);
        return status == WR_OK ? take_over(run, 1, err) : status;
    }
    writer->is_busy = 1;
    writer->is_copied = 0;
    if (status == WR_OK && copying_goes_on(run))
        return WR_OK;
    push_end(writer, status);
    if (status == WR_OK)
        return WR_OK;
    writer_settle(run, NULL);
    return status;
}

static int take(struct writer *writer, int all, struct wr_error *err) {
    struct wr_run *run = writer->run;
    int status = writer->status;
    writer->is_busy = 0;
    if (status != WR_OK) {
        if (err != NULL)
            *err = writer->error;
        if (err != NULL && err->status != status) /* the copy of its rows has failed */
            wr_error_set(err, status, "copy rows for a checkpoint: %s", wr_status_text(status));
        return status;
    }
    return take_over(run, all, err);
}

/* What is to be put behind it is not wanted any more. */
static int has_failed(struct writer *writer) {
    wr_workers_lock(writer->workers);
    int failed = writer->status != WR_OK;
    wr_workers_unlock(writer->workers);
    return failed;
}

/* Where the order is drawn: the writer works on some pieces, as beside this step. */
static void work_beside(struct writer *writer, uint64_t drawn) {
    if (drawn % DRAWN_PIECES == 0)
        return;
    wr_workers_lock(writer->workers);
    if (writer->first != NULL) {
        writer->pieces = drawn % DRAWN_PIECES;
        writer->is_queued = 1;
        wr_workers_add(writer->workers, &writer->task);
        wr_workers_help(writer->workers);
        writer->pieces = UINT64_MAX;
    }
    wr_workers_unlock(writer->workers);
}

int writer_poll(struct wr_run *run, struct wr_error *err) {
    struct writer *writer = run->writer;
    if (!writer_is_busy(run))
        return run->held_rows > 0 ? held_flush(run, 0, err) : WR_OK;
    uint64_t drawn = wr_hash_u64(run->options.shard_order_seed, ++writer->drawn);
    if (run_is_drawn(run))
        work_beside(writer, drawn / DRAWN_STEPS);
    if (!writer->is_copied) {
        writer_await_room(run); /* rows that are changed are copied whether there is room or not */
        int copied = has_failed(writer) ? WR_OK : copying_step(run);
        if (copied == WR_EAGAIN)
            return WR_EAGAIN;
        push_end(writer, copied);
    }
    wr_workers_lock(writer->workers);
    if (run_is_drawn(run) && drawn % DRAWN_STEPS == 0)
        await(writer, is_over);
    int has_ended = writer->is_over;
    wr_workers_unlock(writer->workers);
    return has_ended ? take(writer, 0, err) : WR_EAGAIN;
}

/* Waits for what is on its way. */
static void wait_until_over(struct writer *writer) {
    if (!writer->is_copied)
        push_end(writer, copying_finish(writer->run));
    wr_workers_lock(writer->workers);
    await(writer, is_over);
    wr_workers_unlock(writer->workers);
}

int writer_settle(struct wr_run *run, struct wr_error *err) {
    struct writer *writer = run->writer;
    if (!writer_is_busy(run))
        return run->held_rows > 0 ? held_flush(run, 1, err) : WR_OK;
    wait_until_over(writer);
    return take(writer, 1, err);
}

void writer_free(struct wr_run *run) {
    struct writer *writer = run->writer;
    if (writer == NULL)
        return;
    if (writer->is_busy && !writer->is_copied)
        push_end(writer, WR_ECANCEL);
    if (writer->is_busy)
        wait_until_over(writer);
    wr_workers_free(writer->workers);
    while (writer->spare_count > 0)
        wr_buf_release(&writer->spares[--writer->spare_count]);
    wr_free(&wr_budget_control, writer);
    run->writer = NULL;
}
