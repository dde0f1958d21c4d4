/* memory.c: see memory.h. */
#include "exec/memory.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "exec/epoch.h"
#include "exec/sharded.h"
#include "exec/unit.h"
#include "base/banned.h"

#define MEMORY_BYTES_DEFAULT (UINT64_C(1) << 30)
#define INPUT_BYTES_MIN (UINT64_C(64) << 20) /* or a part of `memory` */
#define INPUT_PART 8u
#define EPOCH_BYTES_MAX (UINT64_C(64) << 20)
/* Each shard of a stage has buffers of its own, and pages of its own that are awake. */
#define SHARD_BYTES_MIN (UINT64_C(4) << 20) /* of memory, for each */
/* A block of scratch is one part in so many of the memory for each shard, within these bounds. */
#define SCRATCH_PART 256u
#define SCRATCH_BYTES_MIN (UINT64_C(4) << 10)
#define SCRATCH_BYTES_MAX (UINT64_C(256) << 10)
/* Rows on their way to the shards of a stage: of about so many bytes, so that they are in a cache
 * when their turn comes, and one part in so many of the memory. */
#define AHEAD_PART 32u
#define AHEAD_BYTES_MAX (UINT64_C(1) << 20)
#define AHEAD_ROWS_MAX UINT64_C(32768)
#define AHEAD_ROWS_LEAST UINT64_C(4096)
#define AHEAD_ROWS_LITTLE UINT64_C(1024) /* where memory is so little that the least is too much */
#define AHEAD_LITTLE_BYTES (UINT64_C(32) << 20)
/* A batch has one row for so many bytes of memory, if nothing else is said. */
#define BATCH_ROW_BYTES (UINT64_C(16) << 10)
#define BATCH_ROWS_MIN UINT64_C(32)
/* … and, whatever is said, no more rows than this: stages make batches and keys of as many. */
#define BATCH_ROW_BYTES_LEAST (UINT64_C(4) << 10)
/* A batch that a stage makes has about one part in so many of the memory. */
#define BATCH_PART 64u
#define BATCH_BYTES_MIN (UINT64_C(16) << 10)
/* What the shards of a stage have given for a push, and has not gone on: one part in so many. */
#define RESULTS_PART 16u
#define FIRST_ROW_BYTES UINT64_C(64) /* of a row on its way through a stage, at least */
#define HOLDERS_MAX 4u               /* stages that are named where memory is used up */
#define ENOUGH_TIMES 2u
#define MB(bytes) ((double)(bytes) / 1048576.0)

void memory_set_defaults(struct wr_run_options *options) {
    if (options->memory_bytes == 0)
        options->memory_bytes = MEMORY_BYTES_DEFAULT;
    if (options->spill_bytes == 0)
        options->spill_bytes = options->memory_bytes / 4;
    if (options->batch_rows == 0) {
        uint64_t rows = WR_MAX(options->memory_bytes / BATCH_ROW_BYTES, BATCH_ROWS_MIN);
        options->batch_rows = (uint32_t)WR_MIN(rows, (uint64_t)WR_BATCH_ROWS_DEFAULT);
    }
    uint64_t rows_max = WR_MAX(options->memory_bytes / BATCH_ROW_BYTES_LEAST, BATCH_ROWS_MIN);
    rows_max = WR_MIN(rows_max, (uint64_t)WR_BATCH_ROWS_MAX);
    options->batch_rows = (uint32_t)WR_MIN((uint64_t)options->batch_rows, rows_max);
    if (options->shards == 0) { /* one thread is the run */
        uint64_t fit = WR_MAX(options->memory_bytes / SHARD_BYTES_MIN, UINT64_C(1));
        options->shards = (uint32_t)WR_MIN((uint64_t)WR_MAX(options->workers, 2u) - 1, fit);
    }
    options->shards = WR_MIN(options->shards, (uint32_t)WR_SHARDS_MAX);
}

void memory_prepare(struct wr_run *run) {
    uint64_t memory = run->options.memory_bytes;
    run->state_budget = (struct wr_budget)WR_BUDGET_INIT("state", memory);
    run->input_budget =
        (struct wr_budget)WR_BUDGET_INIT("input", WR_MAX(INPUT_BYTES_MIN, memory / INPUT_PART));
    run->checkpoint_budget = (struct wr_budget)WR_BUDGET_INIT("checkpoint", memory);
    run->epoch_budget = (struct wr_budget)WR_BUDGET_INIT("sink epochs", EPOCH_BYTES_MAX);
}

size_t memory_scratch_bytes(const struct wr_run *run) {
    uint64_t bytes = run->options.memory_bytes / SCRATCH_PART / run->options.shards;
    return (size_t)WR_MIN(WR_MAX(bytes, SCRATCH_BYTES_MIN), SCRATCH_BYTES_MAX);
}

uint64_t memory_batch_bytes(const struct wr_run *run) {
    return WR_MAX(run->options.memory_bytes / BATCH_PART, BATCH_BYTES_MIN);
}

uint64_t memory_results_bytes(const struct wr_run *run) {
    return run->options.memory_bytes / RESULTS_PART / run->options.shards;
}

uint32_t memory_rows_ahead(const struct wr_run *run, uint64_t row_bytes) {
    uint64_t memory = run->options.memory_bytes;
    uint64_t bytes = WR_MIN(memory / AHEAD_PART, AHEAD_BYTES_MAX);
    uint64_t least = memory < AHEAD_LITTLE_BYTES ? AHEAD_ROWS_LITTLE : AHEAD_ROWS_LEAST;
    return (uint32_t)WR_MIN(WR_MAX(bytes / row_bytes, least), AHEAD_ROWS_MAX);
}

/* What a run takes before and for its first rows, whatever they are: what is open; a block for
 * each shard that works on a push, and for the run; for each keyed stage a batch, its keys and what
 * comes of it. */
static uint64_t least_bytes(const struct wr_run *run) {
    uint64_t block = memory_scratch_bytes(run), row = FIRST_ROW_BYTES;
    uint64_t bytes = run->state_budget.bytes_used + block;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        const struct unit *unit = run->units[i];
        if (unit->node->op != NULL && (unit->node->op->flags & WR_OP_KEYED))
            bytes += unit_op_count(unit) * block + run->options.batch_rows * row;
    }
    return bytes;
}

int memory_check(const struct wr_run *run, struct wr_error *err) {
    uint64_t least = least_bytes(run), memory = run->options.memory_bytes;
    if (memory >= least)
        return WR_OK;
    wr_error_script(err, "W602",
                    "`memory` is %llu KB, and this run takes %llu KB before its first row",
                    (unsigned long long)(memory >> 10), (unsigned long long)(least >> 10) + 1);
    wr_error_help(err,
                  "`weir.settings { memory = \"%lluMB\" }` is the least; fewer `--workers` and "
                  "`--batch-rows` take less",
                  (unsigned long long)(least >> 20) + 1);
    return WR_ENOMEM;
}

int wr_run_least_memory(struct wr_plan *plan, const struct wr_run_options *options, uint64_t *bytes,
                        struct wr_error *err) {
    struct wr_run *run = NULL;
    struct wr_run_options stateless = *options;
    stateless.state_directory = NULL;
    int status = run_new_to_look(&run, plan, &stateless, 0, err);
    if (status == WR_OK) {
        *bytes = least_bytes(run);
        status = memory_check(run, err);
    }
    wr_run_free(run);
    return status;
}

int memory_has_room(const struct wr_run *run) {
    return !wr_budget_is_tight(&run->state_budget);
}

/* ", which keeps …": what a stage says of its state; "" where it says nothing. */
static void tell_what_it_keeps(const struct unit *unit, char *text, size_t room) {
    const struct wr_node *node = unit == NULL ? NULL : unit->node;
    text[0] = 0;
    if (node == NULL || node->op == NULL || node->op->save == NULL || node->op->explain == NULL)
        return;
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    const struct wr_value *said = node->op->explain(node->config, &arena);
    const char *state = said == NULL ? NULL : wr_value_string(said, "state", NULL);
    if (state != NULL)
        snprintf(text, room, ", which keeps %s", state);
    wr_arena_release(&arena);
}

/* What stages hold of the budget of state, those with the most first; how many bytes that is. */
static uint64_t tell_holders(const struct wr_run *run, char *text, size_t room) {
    struct wr_op_state states[HOLDERS_MAX] = {{0}};
    const struct unit *units[HOLDERS_MAX] = {NULL};
    uint64_t total = 0;
    for (uint32_t i = 0; i < run->unit_count; i++) {
        struct unit *unit = run->units[i];
        struct wr_op_state state = {0};
        if (unit->sharded != NULL)
            sharded_halt(unit->sharded); /* what it keeps is not looked at while it changes */
        unit_state(unit, &state);
        total += state.bytes;
        for (uint32_t at = 0; at < HOLDERS_MAX && state.bytes > 0; at++) {
            if (state.bytes <= states[at].bytes)
                continue;
            struct wr_op_state other = states[at];
            const struct unit *other_unit = units[at];
            states[at] = state;
            units[at] = unit;
            state = other;
            unit = (struct unit *)(uintptr_t)other_unit;
        }
    }
    size_t length = 0;
    for (uint32_t at = 0; at < HOLDERS_MAX && units[at] != NULL && length < room; at++) {
        int more = snprintf(text + length, room - length, "%s`%s` %.1f MB (%llu rows)",
                            at == 0 ? "" : ", ", units[at]->node->name, MB(states[at].bytes),
                            (unsigned long long)states[at].rows);
        length += more > 0 ? (size_t)more : 0;
    }
    return total;
}

/* What would have been enough, of a budget that is one part in so many of `memory`. What was
 * refused is seldom all that is needed, and tables take more where there is more. */
static unsigned long long enough_mb(const struct wr_budget *budget, uint64_t part) {
    return (unsigned long long)((budget->wanted * ENOUGH_TIMES * part >> 20) + 1);
}

static void tell_other(const struct wr_run *run, const struct wr_budget *budget,
                       struct wr_error *err) {
    if (budget == &run->epoch_budget)
        wr_error_help(err,
                      "let checkpoints come more often: `weir.settings { checkpoint = \"1s\" }`;"
                      " `weir help W602` says what the budgets are");
    else
        wr_error_help(err,
                      "it goes past this place with `weir.settings { memory = \"%lluMB\" }`; "
                      "`weir help W602` says what the budgets are",
                      enough_mb(budget, budget == &run->input_budget ? INPUT_PART : 1));
}

static void tell_state(const struct wr_run *run, struct wr_error *err) {
    char holders[WR_ERROR_HELP_MAX / 2] = "";
    const struct wr_budget *state = &run->state_budget;
    uint64_t kept = tell_holders(run, holders, sizeof holders), wanted = state->wanted;
    uint64_t others = wanted > kept ? wanted - kept : 0;
    wr_error_help(err,
                  "%s%s%.1f MB more are for rows on their way and results; it goes past this "
                  "place with `weir.settings { memory = \"%lluMB\" }`, and what comes may need "
                  "more. Or let the stage keep less: fewer keys, shorter windows, `within` or "
                  "`retain`; `weir help W602` says what rests in a file",
                  holders, holders[0] == 0 ? "" : "; ", MB(others), enough_mb(state, 1));
}

static int tell_used_up(const struct wr_run *run, struct wr_error *err) {
    const struct wr_budget *const budgets[] = {&run->state_budget, &run->input_budget,
                                               &run->epoch_budget, &run->checkpoint_budget};
    const char *where = run->failed == NULL ? "" : run->failed->node->name;
    for (size_t i = 0; i < WR_COUNT(budgets); i++) {
        if (budgets[i]->refused == 0)
            continue;
        char keeps[WR_ERROR_TEXT_MAX / 2];
        tell_what_it_keeps(i == 0 ? run->failed : NULL, keeps, sizeof keeps);
        uint64_t max = budgets[i]->bytes_max;
        wr_error_script(err, "W602", "memory budget `%s` is used up (%llu %s)%s%s%s",
                        budgets[i]->name, (unsigned long long)(max >> (max < 1 << 20 ? 10 : 20)),
                        max < 1 << 20 ? "KB" : "MB", where[0] == 0 ? "" : " in stage ", where,
                        keeps);
        if (i == 0)
            tell_state(run, err);
        else
            tell_other(run, budgets[i], err);
        return 1;
    }
    return 0;
}

int memory_tell_failure(const struct wr_run *run, int status, struct wr_error *err) {
    int says_code = err != NULL && err->status == status && err->code[0] != 0;
    return status == WR_ENOMEM && err != NULL && !says_code && tell_used_up(run, err);
}
