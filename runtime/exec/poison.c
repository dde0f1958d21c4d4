/* poison.c: see poison.h. */
#include "exec/poison.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/origin.h"
#include "exec/again.h"
#include "exec/sharded.h"
#include "exec/state_file.h"
#include "exec/unit.h"
#include "exec/writer.h"
#include "state/store.h"
#include "base/banned.h"

#define VERSION 1u
#define DEATHS_MAX 3u       /* lives at one checkpoint, before the row is looked for */
#define NEAR_CHECKPOINTS 2u /* the first step of a life is kept: those that die are so far apart */
#define ROW_DEATHS_MAX 2u   /* lives at one row, before it is rejected */
#define LEVEL_US (INT64_C(10) * 1000000) /* a level lasts no longer … */
#define LEVEL_BATCHES 4u                 /* … nor for more rows than these of the level before */

enum { LEVEL_NONE, LEVEL_STEPS, LEVEL_SMALL, LEVEL_ROWS, LEVEL_GIVEN_UP };

static const uint32_t rows_of_level[] = {
    [LEVEL_STEPS] = 1024, [LEVEL_SMALL] = 32, [LEVEL_ROWS] = 1};

/* A row in a stage: of a source, or of the stage of the run that numbered it last. */
struct row {
    uint32_t stage, source, partition, maker;
    uint64_t record;
};

/* What is kept of the lives that died. Bytes, so that nothing between them is undefined. */
struct lives {
    uint32_t version, level;
    uint64_t state, number; /* whose state, and which checkpoint they died behind */
    uint32_t deaths;        /* at level 3: outside of any row */
    uint32_t row_deaths;    /* at `row` */
    uint32_t was_stopped;   /* the last of them: by the watchdog */
    uint32_t rejected;      /* rows, at level 3 */
    struct row row;
    uint64_t hash;
};

/* Of `deaths.row`: what is worked on; the last one counts. */
struct hand {
    struct row row;
    uint64_t is_held; /* 0: nothing */
    uint64_t hash;
};

struct poison {
    struct lives lives;
    struct hand hand;
    struct wr_file *file; /* of hands; NULL: none is written */
    int64_t since_us;
    uint64_t rows_from;
    uint8_t has_begun;
};

/* ---- files ----------------------------------------------------------------------------------- */

static uint64_t hash_lives(const struct lives *lives) {
    return wr_hash_bytes(lives, offsetof(struct lives, hash), VERSION);
}

static uint64_t hash_hand(const struct hand *hand) {
    return wr_hash_bytes(hand, offsetof(struct hand, hash), VERSION);
}

/* The last `size` bytes that are whole; 0: there are none. What cannot be read is not there: it
 * decides nothing that is promised. */
static int read_last(const struct wr_run *run, const char *name, void *bytes, uint64_t size) {
    const struct wr_env *env = run->plan->env;
    char path[STATE_FILE_BYTES_MAX];
    struct wr_file_info info;
    struct wr_file *file = NULL;
    state_file_path(path, run->options.state_directory, name);
    if (env->stat(env, path, &info) != WR_OK || info.size_bytes < size ||
        env->open(env, path, WR_FILE_READ, &file, NULL) != WR_OK)
        return 0;
    int64_t at = (int64_t)(info.size_bytes / size * size - size);
    int64_t count = env->read(file, bytes, size, at);
    env->close(file);
    return count == (int64_t)size;
}

static int read_lives(const struct wr_run *run, struct lives *lives) {
    int is_there = read_last(run, "deaths", lives, sizeof *lives) && lives->version == VERSION &&
                   lives->hash == hash_lives(lives) && lives->level <= LEVEL_GIVEN_UP &&
                   lives->state == wr_store_identity(run->store);
    if (!is_there)
        *lives = (struct lives){0};
    return is_there;
}

/* Where it cannot be written (the disk is full) the death is not counted: no reason not to run. */
static int write_lives(const struct wr_run *run, struct lives *lives) {
    lives->version = VERSION;
    lives->state = wr_store_identity(run->store);
    lives->hash = hash_lives(lives);
    return state_file_write(run->plan->env, run->options.state_directory, "deaths", lives,
                            sizeof *lives, 0, NULL);
}

static void remove_files(const struct wr_run *run) {
    static const char *const names[] = {"deaths.row", "deaths.new", "deaths"};
    for (size_t i = 0; i < WR_COUNT(names); i++)
        state_file_remove(run->plan->env, run->options.state_directory, names[i], NULL);
}

/* ---- what a death means ---------------------------------------------------------------------- */

static int is_same_row(const struct row *a, const struct row *b) {
    return a->stage == b->stage && a->source == b->source && a->partition == b->partition &&
           a->maker == b->maker && a->record == b->record;
}

static void give_up(struct lives *lives, uint64_t number) {
    lives->level = LEVEL_GIVEN_UP;
    lives->number = number;
}

static void count_at_rows(struct lives *lives, uint64_t number, const struct hand *hand) {
    if (!hand->is_held) {
        if (++lives->deaths >= DEATHS_MAX)
            give_up(lives, number);
    } else if (lives->row_deaths > 0 && is_same_row(&lives->row, &hand->row)) {
        if (++lives->row_deaths > 2 * ROW_DEATHS_MAX) /* it was rejected, and still */
            give_up(lives, number);
    } else {
        lives->row = hand->row;
        lives->row_deaths = 1;
    }
}

/* A life has died behind checkpoint `number`, with that in hand. */
static void count_death(struct lives *lives, uint64_t number, const struct hand *hand,
                        int was_stopped) {
    int is_elsewhere = number < lives->number || number - lives->number > NEAR_CHECKPOINTS;
    if (lives->level == LEVEL_GIVEN_UP && is_elsewhere)
        *lives = (struct lives){0};
    lives->was_stopped = (uint32_t)was_stopped;
    if (lives->level == LEVEL_STEPS || lives->level == LEVEL_SMALL) {
        lives->level++;
    } else if (lives->level == LEVEL_ROWS) {
        count_at_rows(lives, number, hand);
    } else if (lives->level == LEVEL_NONE) {
        lives->deaths = is_elsewhere ? 1 : lives->deaths + 1;
        if (lives->deaths >= DEATHS_MAX) {
            lives->level = LEVEL_STEPS;
            lives->deaths = 0;
        }
    }
    lives->number = number;
}

static int is_searching(const struct lives *lives) {
    return lives->level >= LEVEL_STEPS && lives->level <= LEVEL_ROWS;
}

static int rejects_row(const struct lives *lives) {
    return lives->level == LEVEL_ROWS && lives->row_deaths >= ROW_DEATHS_MAX;
}

/* ---- a life begins --------------------------------------------------------------------------- */

void poison_look(struct wr_run *run) {
    const char *directory = run->options.state_directory;
    run->was_left = run->options.quarantine && directory != NULL &&
                    state_file_is_there(run->plan->env, directory, "state.db-wal");
}

static void tell(const struct wr_run *run, const struct lives *lives) {
    char text[512];
    const char *directory = run->options.state_directory;
    if (run->options.warn == NULL)
        return;
    if (is_searching(lives)) {
        snprintf(text, sizeof text,
                 "state %s: runs that begin behind checkpoint %" PRIu64 " die, at a row that comes "
                 "there or killed from outside (kill -9, no memory left): rows are read in steps "
                 "of %u, which are each kept, to find such a row",
                 directory, lives->number, rows_of_level[lives->level]);
        run->options.warn(run->options.warn_ctx, "W621", text);
    } else if (lives->level == LEVEL_GIVEN_UP) {
        snprintf(text, sizeof text,
                 "state %s: runs that begin behind checkpoint %" PRIu64 " die, and at no row that "
                 "could be left out: perhaps killed from outside (kill -9, no memory left)",
                 directory, lives->number);
        run->options.warn(run->options.warn_ctx, "W622", text);
    }
}

/* Small steps, each kept, by one thread. */
static void step_small(struct wr_run *run, uint32_t rows) {
    struct wr_run_options *options = &run->options;
    options->batch_rows = WR_MIN(options->batch_rows, rows);
    run->op_env.batch_rows = run->lane_env.batch_rows = options->batch_rows;
    options->workers = 1;
    options->checkpoint_us = 0;
}

static void open_hands(const struct wr_run *run, struct poison *poison) {
    const struct wr_env *env = run->plan->env;
    char path[STATE_FILE_BYTES_MAX];
    state_file_path(path, run->options.state_directory, "deaths.row");
    if (env->open(env, path, WR_FILE_CREATE, &poison->file, NULL) != WR_OK)
        poison->file = NULL;
}

int poison_begin(struct wr_run *run, struct wr_error *err) {
    struct lives lives;
    struct hand hand = {0};
    if (!run->options.quarantine || run->store == NULL || wr_store_number(run->store) == 0)
        return WR_OK;
    int is_known = read_lives(run, &lives);
    if (!is_known && !run->was_left)
        return WR_OK;
    if (run->was_left) {
        if (lives.level == LEVEL_ROWS &&
            (!read_last(run, "deaths.row", &hand, sizeof hand) || hand.hash != hash_hand(&hand)))
            hand = (struct hand){0};
        count_death(&lives, wr_store_number(run->store), &hand, 0);
        write_lives(run, &lives);
    }
    run->poison = wr_alloc_zero(&wr_budget_control, sizeof *run->poison);
    if (run->poison == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the run");
    run->poison->lives = lives;
    tell(run, &lives);
    if (is_searching(&lives))
        step_small(run, rows_of_level[lives.level]);
    if (lives.level == LEVEL_ROWS)
        open_hands(run, run->poison);
    return WR_OK;
}

/* ---- rows, one by one ------------------------------------------------------------------------ */

int poison_watches(const struct wr_run *run) {
    return run->poison->file != NULL;
}

/* What is not written down is not known to the next life, and no more than that. */
static void take_in_hand(struct wr_run *run, const struct hand *hand) {
    struct poison *poison = run->poison;
    poison->hand = *hand;
    poison->hand.hash = hash_hand(&poison->hand);
    run->plan->env->write(poison->file, &poison->hand, sizeof poison->hand, NULL);
}

static int row_of(const struct unit *unit, const struct wr_batch *batch, uint32_t row,
                  struct hand *hand) {
    struct wr_row_origin origin;
    int has_place = wr_batch_origin(batch, row, &origin);
    if (!has_place && batch->origin.maker == 0)
        return 0;
    *hand = (struct hand){.is_held = 1};
    hand->row = (struct row){
        .stage = run_number(unit->run, unit->node->id),
        .source = has_place ? origin.number : UINT32_MAX,
        .partition = has_place ? origin.partition : 0,
        .maker = has_place ? 0 : batch->origin.maker,
        .record = has_place ? origin.record : wr_origin_number(&batch->origin, row),
    };
    return 1;
}

static int reject(struct unit *unit, struct wr_batch *batch, uint32_t row) {
    const struct lives *lives = &unit->run->poison->lives;
    char detail[128];
    snprintf(detail, sizeof detail, "the run died at it %u times: %s", lives->row_deaths,
             lives->was_stopped ? "a function was stopped, W701 or W702"
                                : "the process was killed");
    struct wr_reject made = {.code = WR_REJECT_QUARANTINED,
                             .detail = detail,
                             .stage = unit->node->id,
                             .row = row,
                             .batch = batch};
    return unit_reject(unit, &made);
}

static int process_one(struct unit *unit, uint32_t input, struct wr_batch *batch) {
    struct wr_run *run = unit->run;
    struct poison *poison = run->poison;
    struct hand hand, before = poison->hand;
    uint32_t row = wr_batch_row(batch, 0);
    if (!row_of(unit, batch, row, &hand))
        return unit_process_now(unit, input, batch);
    if (rejects_row(&poison->lives) && is_same_row(&hand.row, &poison->lives.row)) {
        poison->lives.rejected++;
        int status = reject(unit, batch, row);
        return status < 0 ? status : WR_FLOW_MORE;
    }
    take_in_hand(run, &hand);
    int flow = unit_process_now(unit, input, batch);
    if (flow >= 0)
        take_in_hand(run, &before);
    return flow;
}

/* Changes of a changelog stay together: the first of them stands for all. */
int poison_process(struct unit *unit, uint32_t input, struct wr_batch *batch) {
    if (batch->sel_count == 1 || batch->weight != NULL)
        return process_one(unit, input, batch);
    int flow = WR_FLOW_MORE;
    for (uint32_t i = 0; i < batch->sel_count && flow == WR_FLOW_MORE; i++) {
        struct wr_batch *one = wr_batch_part(unit_pool(unit), batch, i, 1);
        if (one == NULL)
            return WR_ENOMEM;
        flow = process_one(unit, input, one);
        wr_batch_unref(one);
    }
    return flow;
}

/* ---- and ends -------------------------------------------------------------------------------- */

static void forget(struct wr_run *run) {
    if (run->poison->file != NULL)
        run->plan->env->close(run->poison->file);
    wr_free(&wr_budget_control, run->poison);
    run->poison = NULL;
}

static int has_ended(const struct wr_run *run) {
    const struct poison *poison = run->poison;
    const struct wr_env *env = run->plan->env;
    uint32_t level = poison->lives.level;
    if (!is_searching(&poison->lives)) /* a checkpoint behind that at which they died */
        return run->epoch > poison->lives.number + 1 + NEAR_CHECKPOINTS;
    uint64_t rows = run->summary.rows_in - poison->rows_from;
    return env->monotonic_us(env) - poison->since_us >= LEVEL_US ||
           (level > LEVEL_STEPS && rows >= LEVEL_BATCHES * rows_of_level[level - 1]);
}

void poison_step(struct wr_run *run) {
    struct poison *poison = run->poison;
    const struct wr_env *env = run->plan->env;
    if (poison == NULL)
        return;
    if (!poison->has_begun) {
        poison->since_us = env->monotonic_us(env);
        poison->rows_from = run->summary.rows_in;
        poison->has_begun = 1;
    }
    if (poison->lives.rejected > 0) { /* it is kept: what comes next is looked at anew */
        poison->lives.rejected = poison->lives.row_deaths = poison->lives.deaths = 0;
        poison->lives.number = run->epoch - 1;
        poison->rows_from = run->summary.rows_in;
        write_lives(run, &poison->lives);
    }
    if (!has_ended(run))
        return;
    run->wants_again = is_searching(&poison->lives) && run_can_be_read_again(run->plan);
    remove_files(run);
    forget(run);
}

void poison_died(struct wr_run *run) {
    struct lives lives = {0};
    struct hand none = {0};
    if (!run->options.quarantine || run->store == NULL)
        return;
    for (uint32_t i = 0; i < run->unit_count; i++) /* those that work still give it rows */
        if (run->units[i]->sharded != NULL)
            sharded_halt(run->units[i]->sharded);
    writer_free(run); /* then it is known which checkpoint was the last */
    uint64_t number = wr_store_number(run->store);
    if (number == 0)
        return;
    if (run->poison != NULL)
        lives = run->poison->lives;
    count_death(&lives, number, run->poison != NULL ? &run->poison->hand : &none, 1);
    if (write_lives(run, &lives) == WR_OK)
        run->wants_again = is_searching(&lives) && run_can_be_read_again(run->plan);
}

void poison_close(struct wr_run *run) {
    if (run->poison == NULL)
        return;
    if (run->finished)
        remove_files(run);
    forget(run);
}
