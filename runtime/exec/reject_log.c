/* reject_log.c: rejects of a push, put into the order of their records, counted, held where that
 * order needs it, and handed to `rejects()`. See reject.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "exec/checkpoint.h"
#include "exec/gate.h"
#include "exec/reject.h"
#include "exec/reject_log.h"
#include "exec/stop.h"
#include "exec/threads.h"
#include "exec/unit.h"
#include "state/spool.h"
#include "base/banned.h"

#define RELIEVE_ENTRIES 4096 /* of one push, in memory, where they need not be */
#define WAITING_ENTRIES 1024 /* in memory, that wait for shards */

struct reject_log {
    struct wr_run *run;
    struct reject_maker *maker;
    struct reject_readers readers;
    struct wr_arena arena; /* texts of the push */
    uint32_t count, room;
    struct reject_entry *entries; /* of the push */
    uint32_t sequence;            /* in the push */
    uint64_t turn;                /* pushes so far, also of earlier processes */
    struct wr_buf key, value;     /* scratch */
    struct wr_spool *spool;
    uint64_t spooled;
    uint8_t by_step;     /* one lane, and no row leaves in a later step than it came in … */
    uint8_t comes_later; /* … but what shards reject comes when they have worked on it */
    uint8_t holds_all;   /* the order is known at the end only */
    uint8_t counts_late; /* how far lanes count as read is known at the end only */
    uint8_t gives;       /* the end has come: what is still rejected is counted, read by nobody */
};

/* Whether a step brings the rejects of its own records and no others, in one lane. */
static int steps_are_in_order(const struct wr_run *run) {
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (unit->gate != NULL && gate_holds(unit->gate))
            return 0;
        if (unit->node->op != NULL && (unit->node->op->flags & WR_OP_HOLDS_ROWS))
            return 0;
    }
    return run->lane_count == 1;
}

static void set_order(struct reject_log *log, int by_step) {
    const struct wr_run *run = log->run;
    log->by_step = (uint8_t)by_step;
    log->counts_late = !run->is_endless && !log->by_step && run->may_stop;
    log->holds_all =
        !run->is_endless && !log->by_step && (log->readers.count > 0 || log->counts_late);
}

/* Of an input that ends somebody may wait for them, as where it is a pipe: they are given when
 * those of all rows before have come. Of an endless one nothing is said of their order. */
void reject_log_expect_later(struct reject_log *log) {
    uint8_t held = log->holds_all; /* by the state */
    log->comes_later = log->by_step && log->readers.count > 0 && !log->run->is_endless;
    set_order(log, log->comes_later);
    log->holds_all |= held;
}

int reject_log_is_long(const struct reject_log *log) {
    return log->comes_later && log->count > 0 &&
           (log->count >= WAITING_ENTRIES || !wr_input_has_room(&log->run->input_budget));
}

int reject_log_new(struct reject_log **made, struct wr_run *run) {
    struct reject_log *log = wr_alloc_zero(&wr_budget_control, sizeof *log);
    if (log == NULL)
        return WR_ENOMEM;
    *made = log;
    log->run = run;
    wr_arena_init(&log->arena, &run->input_budget, 16384);
    wr_buf_init(&log->key, &run->input_budget, 0);
    wr_buf_init(&log->value, &run->input_budget, 0);
    if (reject_maker_new(&log->maker, run) != WR_OK ||
        reject_readers_init(&log->readers, run) != WR_OK)
        return WR_ENOMEM;
    set_order(log, steps_are_in_order(run));
    return wr_spool_new(&log->spool, run->plan->env, run->store, &run->input_budget, 0);
}

void reject_log_free(struct reject_log *log) {
    if (log == NULL)
        return;
    reject_maker_free(log->maker);
    wr_spool_free(log->spool);
    wr_arena_release(&log->arena);
    wr_buf_release(&log->key);
    wr_buf_release(&log->value);
    wr_free(&log->run->input_budget, log->entries);
    wr_free(&wr_budget_control, log);
}

/* A late row and a row that is not as expected have a rule of their own, and so has a source. */
static int ends_run(const struct reject_log *log, const struct wr_node *node,
                    const struct wr_reject *reject) {
    if (reject->ends_run)
        return 1;
    return log->run->options.fail_on_error && node->kind == WR_NODE_OP &&
           reject->code != WR_REJECT_LATE && reject->code != WR_REJECT_EXPECT;
}

static int end_run(struct reject_log *log, const struct reject_entry *entry, const char *help) {
    struct wr_error *err = log->run->err;
    const struct wr_node *node = entry->unit->node;
    char code[8];
    snprintf(code, sizeof code, "W%03d", entry->code);
    int more = entry->detail != NULL && strcmp(entry->detail, entry->reason) != 0;
    wr_error_script(err, code, "%s: %s%s%s", node->name, entry->reason, more ? ": " : "",
                    more ? entry->detail : "");
    const char *script = wr_value_string(node->spec, "script", NULL);
    wr_error_help(
        err, "%s%sthe row is %s%s%s, the stage %s%s%s", help == NULL ? "" : help,
        help == NULL ? "" : "; ", entry->source_name == NULL ? "of no source" : entry->source_name,
        entry->position == NULL ? "" : ", ", entry->position == NULL ? "" : entry->position,
        node->stage, script == NULL ? "" : " of ", script == NULL ? "" : script);
    if (err != NULL)
        err->status = WR_EREFUSED;
    return WR_EREFUSED;
}

/* Behind the last row that was wanted of its line. */
static int has_not_happened(const struct wr_run *run, const struct reject_entry *entry) {
    if (!run->may_stop || entry->line == UINT32_MAX)
        return 0;
    if (entry->is_read) {
        uint32_t lane = run_lane(run, entry->source, entry->partition);
        if (entry->record >= stops_rows(entry->unit, lane))
            return 1;
    }
    return entry->number >= stops_rows(entry->unit, entry->line);
}

static int spool(struct reject_log *log, const struct reject_entry *entry) {
    wr_buf_clear(&log->key);
    wr_buf_clear(&log->value);
    if (reject_entry_key(entry, &log->key) != WR_OK ||
        reject_entry_save(entry, &log->value) != WR_OK)
        return WR_ENOMEM;
    log->spooled++;
    return wr_spool_put(log->spool, log->key.bytes, (uint32_t)log->key.length, log->value.bytes,
                        (uint32_t)log->value.length, log->run->err);
}

static int is_held(const struct reject_log *log, const struct reject_entry *entry) {
    if (log->gives || log->run->is_endless)
        return 0;
    return log->holds_all || (log->readers.count > 0 && !reject_has_record(entry));
}

/* What readers' own stages reject meanwhile, into a list of its own, is counted and read by nobody.
 */
static int give(struct reject_log *log) {
    struct reject_entry *given = log->entries;
    uint32_t count = log->count, room = log->room;
    log->entries = NULL;
    log->count = log->room = 0;
    int status = reject_readers_give(&log->readers, given, count);
    for (uint32_t i = 0; i < log->count; i++)
        reject_count(log->run, &log->entries[i]);
    wr_free(&log->run->input_budget, log->entries);
    log->entries = given;
    log->room = room;
    log->count = 0;
    wr_arena_reset(&log->arena);
    return status;
}

/* In the midst of a push: what only has to be counted or held need not be kept until its end. */
static int relieve(struct reject_log *log) {
    uint32_t kept = 0;
    int status = WR_OK, only_counts = log->readers.count == 0 && !log->run->may_stop;
    for (uint32_t i = 0; i < log->count && status == WR_OK; i++) {
        const struct reject_entry *entry = &log->entries[i];
        if (!only_counts && !is_held(log, entry)) {
            log->entries[kept++] = *entry;
            continue;
        }
        reject_count(log->run, entry);
        if (!only_counts)
            status = spool(log, entry);
    }
    log->count = kept;
    if (kept == 0)
        wr_arena_reset(&log->arena);
    return status;
}

int reject_log_add(struct reject_log *log, struct unit *unit, const struct wr_reject *reject) {
    if (wr_grow(&log->run->input_budget, (void **)&log->entries, log->count, &log->room,
                sizeof *log->entries) != WR_OK)
        return WR_ENOMEM;
    struct reject_entry *entry = &log->entries[log->count];
    int ends = ends_run(log, unit->node, reject);
    int status = reject_entry_make(log->maker, &log->arena, unit, reject,
                                   log->readers.count > 0 && !ends, entry);
    if (status != WR_OK)
        return status;
    entry->turn = log->turn;
    entry->batch = unit->counts.batches_in;
    entry->sequence = log->sequence++;
    log->count++;
    if (ends)
        return end_run(log, entry, reject->help);
    return log->count % RELIEVE_ENTRIES == 0 && !log->gives ? relieve(log) : WR_OK;
}

int reject_log_has_any(const struct reject_log *log) {
    return log->count > 0;
}

int reject_log_flush(struct reject_log *log) {
    log->turn += log->comes_later; /* what a message brings is behind that of another */
    return log->by_step || log->run->cutting != NULL ? WR_OK : reject_log_flush_step(log);
}

int reject_log_flush_step(struct reject_log *log) {
    log->turn++;
    log->sequence = 0;
    if (log->count == 0)
        return WR_OK;
    qsort(log->entries, log->count, sizeof *log->entries, reject_entry_order);
    uint32_t kept = 0;
    int status = WR_OK;
    for (uint32_t i = 0; i < log->count && status == WR_OK; i++) {
        const struct reject_entry *entry = &log->entries[i];
        if (!log->counts_late && has_not_happened(log->run, entry))
            continue;
        reject_count(log->run, entry);
        if (is_held(log, entry))
            status = spool(log, entry);
        else
            log->entries[kept++] = *entry;
    }
    log->count = kept;
    if (status == WR_OK && kept > 0 && !log->gives)
        return give(log);
    log->count = 0;
    wr_arena_reset(&log->arena);
    return status;
}

int reject_log_end_step(struct reject_log *log) {
    return log->comes_later && run_is_ahead(log->run) ? WR_OK : reject_log_flush_step(log);
}

/* ---- the held ones ---- */

/* A row of the spool becomes an entry of the log, which keeps its bytes. */
static int take(void *ctx, const void *key, uint32_t key_bytes, const void *value,
                uint32_t value_bytes) {
    (void)key;
    (void)key_bytes;
    struct reject_log *log = ctx;
    const char *copy = wr_arena_strndup(&log->arena, value, value_bytes);
    if (copy == NULL || wr_grow(&log->run->input_budget, (void **)&log->entries, log->count,
                                &log->room, sizeof *log->entries) != WR_OK)
        return WR_ENOMEM;
    struct reject_entry *entry = &log->entries[log->count];
    struct wr_reader in = {.bytes = copy, .length = value_bytes};
    int status = reject_entry_load(log->run, &in, entry);
    if (status != WR_OK || entry->unit == NULL ||
        (log->counts_late && has_not_happened(log->run, entry)))
        return status;
    if (log->counts_late)
        reject_count(log->run, entry);
    log->count++;
    return WR_OK;
}

int reject_log_end(struct reject_log *log, struct wr_error *err) {
    if (!log->gives) {
        log->gives = 1;
        if (log->counts_late) /* now it is known which of them have happened */
            reject_counts_forget(log->run);
        if (log->run->store != NULL && log->spooled > 0) {
            int status = run_checkpoint(log->run, err);
            if (status != WR_OK)
                return status;
        }
    }
    if (log->spooled == 0)
        return WR_EEND;
    int taken = wr_spool_take(log->spool, log->run->options.batch_rows, take, log, err);
    int status = taken == WR_EEND ? WR_OK : taken;
    if (status == WR_OK && log->count > 0)
        status = give(log);
    return status == WR_OK ? taken : status;
}

int reject_log_is_kept(const struct reject_log *log) {
    return log->holds_all || log->spooled > 0;
}

int reject_log_is_read(const struct reject_log *log) {
    return log->readers.count > 0;
}

int reject_log_is_full(const struct reject_log *log) {
    return wr_spool_is_full(log->spool);
}

int reject_log_save(struct reject_log *log, struct wr_buf *out, struct wr_error *err) {
    wr_buf_add_u64(out, log->turn);
    wr_buf_add_u64(out, log->spooled);
    wr_buf_add_char(out, (char)log->gives); /* else the counts would be forgotten once more */
    return wr_spool_save(log->spool, err);
}

int reject_log_load(struct reject_log *log, struct wr_reader *in) {
    log->turn = wr_reader_u64(in);
    log->spooled = wr_reader_u64(in);
    const char *gives = wr_reader_bytes(in, 1);
    log->gives = gives != NULL && *gives != 0;
    /* A run with threads may have held what this one would give at once: those came before. */
    if (log->spooled > 0 && !log->run->is_endless && log->readers.count > 0)
        log->holds_all = 1;
    return in->failed ? WR_ECORRUPT : WR_OK;
}

void reject_log_go_on(struct reject_log *log) {
    log->gives = 0;
}
