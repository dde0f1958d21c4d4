/* live.c: one life of a simulated process. See simulation.h.
 *
 *   draw what befalls it -> open -> step, let time pass, arm what waits -> over
 *                                                          |
 *        done · stopped · failed because of a fault: next life · failed without one: a violation */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/stdin_head.h"
#include "sim/simulation.h"
#include "base/banned.h"

#define CODE_INPUT_CHANGED "W616"
#define IDLE_US 250000      /* passes where nothing is to be done */
#define IDLE_STEPS_MAX 160u /* an input without an end has no more than was put there */
#define STEPS_FACTOR 64u    /* of a seed, in steps and rows of the reference … */
#define STEPS_MIN 20000u    /* … and so many more */
#define PAUSE_ONE_IN 64u    /* steps that take much longer */
#define PAUSE_FACTOR 24
#define CLOCK_ONE_IN 24u                   /* steps behind which the clock is set */
#define CLOCK_US_MAX INT64_C(172800000000) /* by two days at most */
#define STOP_KILL_ONE_IN 4u                /* stops in which the process is killed */
#define STOP_CALLS_BITS 6u

struct life {
    struct wr_simulation *simulation;
    struct scene *scene;
    const struct wr_sim_script *script;
    struct wr_run *run;
    struct wr_run_options options;
    struct fault fault;
    uint64_t idle;
    volatile sig_atomic_t stop;
    int is_armed, was_hit, tried_second;
};

static void violate(struct life *life, const char *text) {
    snprintf(life->scene->violation, sizeof life->scene->violation, "%.900s (life %u)", text,
             life->scene->lives);
}

/* ---- what befalls it ---- */

static int is_sticky(const struct fault *fault) {
    return fault->sticky && (fault->kind == WR_SIM_FAULT_IO || fault->kind == WR_SIM_FAULT_MEMORY);
}

static void arm(struct life *life) {
    const struct fault *fault = &life->fault;
    struct wr_sim *sim = life->scene->sim;
    life->is_armed = 1;
    switch (fault->kind) {
    case WR_SIM_FAULT_KILL: wr_sim_fail_at(sim, WR_SIM_KILL, fault->nth, 0); break;
    case WR_SIM_FAULT_POWER: wr_sim_fail_at(sim, WR_SIM_POWER, fault->nth, 0); break;
    case WR_SIM_FAULT_IO:
        wr_sim_fail_at(sim, (enum wr_sim_fault)fault->io, fault->nth, is_sticky(fault));
        break;
    case WR_SIM_FAULT_MEMORY: wr_alloc_fail_at(fault->nth, is_sticky(fault)); break;
    case WR_SIM_FAULT_STOP: life->stop = SIGTERM; break;
    case WR_SIM_FAULT_SERVER: twin_arm(life->scene->twin, fault->nth, fault->sticky); break;
    case WR_SIM_FAULT_SECOND:
    case WR_SIM_FAULT_CLOCK:
    case WR_SIM_FAULT_COUNT: break;
    }
}

static void arm_if_due(struct life *life) {
    if (life->is_armed || life->fault.kind == WR_SIM_FAULT_COUNT)
        return;
    if (wr_run_summary(life->run)->rows_in >= life->fault.rows)
        arm(life);
}

static int is_hit(const struct life *life) {
    if (!life->is_armed)
        return 0;
    switch (life->fault.kind) {
    case WR_SIM_FAULT_KILL:
    case WR_SIM_FAULT_POWER:
    case WR_SIM_FAULT_IO: return wr_sim_met(life->scene->sim)[0] != 0;
    case WR_SIM_FAULT_MEMORY: return wr_alloc_count() >= life->fault.nth;
    case WR_SIM_FAULT_STOP: return 1;
    case WR_SIM_FAULT_SECOND: return life->tried_second;
    case WR_SIM_FAULT_SERVER: return twin_met(life->scene->twin)[0] != 0;
    case WR_SIM_FAULT_CLOCK:
    case WR_SIM_FAULT_COUNT: return 0;
    }
    return 0;
}

/* Notes the first time that the fault meets something. */
static void note_hit(struct life *life) {
    if (life->was_hit || !is_hit(life))
        return;
    life->was_hit = 1;
    life->scene->hit[life->fault.kind]++;
    const char *met = life->fault.kind == WR_SIM_FAULT_SERVER ? twin_met(life->scene->twin)
                                                              : wr_sim_met(life->scene->sim);
    sim_tell(life->simulation, "  it comes about%s%s", met[0] != 0 ? ": " : "", met);
}

/* Of two processes with one state the second must be refused, and disturb nothing. */
static void try_second(struct life *life) {
    struct wr_run *other = NULL;
    struct wr_error err = {0};
    life->tried_second = 1;
    int status = wr_run_new(&other, life->script->plan, &life->options, &err);
    sim_tell(life->simulation, "  a second process: %s",
             status == WR_OK ? "not refused" : err.text);
    if (status == WR_OK)
        violate(life, "a second process could use the state at the same time");
    else if (status != WR_EREFUSED)
        violate(life, err.text);
    wr_run_free(other);
}

/* ---- time ---- */

static void set_clock(struct life *life) {
    struct scene *scene = life->scene;
    if (!(scene->faults & (1u << WR_SIM_FAULT_CLOCK)) || !dice_one_in(&scene->dice, CLOCK_ONE_IN))
        return;
    const struct wr_env *env = wr_sim_env(scene->sim);
    int64_t by_us = (int64_t)dice_below(&scene->dice, 2 * CLOCK_US_MAX) - CLOCK_US_MAX;
    wr_sim_set_now(scene->sim, env->now_us(env) + by_us);
    scene->hit[WR_SIM_FAULT_CLOCK]++;
    sim_tell(life->simulation, "  the clock is set by %lld s", (long long)(by_us / 1000000));
}

static void pass_time(struct life *life, int status) {
    struct scene *scene = life->scene;
    int64_t us = 0, tempo_us = scene->manner.tempo_us;
    if (tempo_us > 0)
        us = (int64_t)dice_below(&scene->dice, 2 * (uint64_t)tempo_us + 1);
    if (!scene->is_reference && dice_one_in(&scene->dice, PAUSE_ONE_IN))
        us *= PAUSE_FACTOR;
    if (status == WR_EAGAIN)
        us = WR_MAX(us, IDLE_US);
    wr_sim_advance(scene->sim, feeds_least_us(&scene->feeds, us));
    if (scene->is_reference)
        return;
    wr_alloc_fail_pause(); /* who feeds is another process */
    if (feeds_step(life->simulation, scene, status == WR_EAGAIN))
        life->idle = 0;
    wr_alloc_fail_resume();
    set_clock(life);
}

/* ---- the process ---- */

static int show(void *ctx, const char *bytes, uint64_t length) {
    struct scene *scene = ctx;
    if (wr_sim_is_cut(scene->sim))
        return WR_EIO;
    int status = wr_buf_add(&scene->shown.text, bytes, length);
    scene->shown.text.status = WR_OK; /* the next life has memory again */
    return status;
}

static void note(void *ctx, const char *file, const char *text) {
    const struct life *life = ctx;
    sim_tell(life->simulation, "  note: %s: %s", file, text);
}

static struct wr_run_options options_of(struct life *life) {
    const struct wr_simulation_options *given = &life->simulation->options;
    const struct manner *manner = &life->scene->manner;
    return (struct wr_run_options){
        .batch_rows = manner->batch_rows,
        .workers = 1,
        .shards = manner->shards,
        .shard_order_seed = manner->shard_seed,
        .hash_seed = given->hash_seed != 0 ? given->hash_seed : manner->hash_seed,
        .record_limit = given->record_limit,
        .memory_bytes = given->memory_bytes,
        .spill_bytes = manner->spill_bytes,
        .piece_bytes = manner->piece_bytes,
        .state_directory = life->simulation->state,
        .checkpoint_us = manner->checkpoint_us,
        .fail_on_error = given->fail_on_error,
        .keep_text = 1,
        .user_call = life->script->user_call,
        .user_ctx = life->script->user_ctx,
        .show = show,
        .show_ctx = life->scene,
        .note = note,
        .note_ctx = life,
        .terminal_columns = 80,
        .stop = &life->stop,
    };
}

/* As many steps as nobody needs. */
static int steps_too_long(struct life *life) {
    const struct wr_sim_counts *reference = &life->simulation->reference.counts;
    uint64_t most = life->simulation->options.steps_max;
    if (most == 0)
        most = STEPS_MIN + STEPS_FACTOR * (reference->steps + reference->rows_in);
    return !life->scene->is_reference && ++life->scene->steps > most;
}

/* Steps the run until something ends it. */
static int step_on(struct life *life, struct wr_error *err) {
    struct scene *scene = life->scene;
    int status = WR_OK;
    while (status == WR_OK || status == WR_EAGAIN) {
        arm_if_due(life);
        if (life->is_armed && life->fault.kind == WR_SIM_FAULT_SECOND && !life->tried_second)
            try_second(life);
        status = wr_run_step(life->run, err);
        note_hit(life);
        const struct wr_summary *summary = wr_run_summary(life->run);
        const struct wr_env *env = wr_sim_env(scene->sim);
        sim_tell(life->simulation, "  step %llu, at %.3f s: %llu rows in%s",
                 (unsigned long long)summary->steps, (double)env->monotonic_us(env) / 1e6,
                 (unsigned long long)summary->rows_in,
                 status == WR_EAGAIN ? ", nothing to do" : "");
        if (wr_sim_is_cut(scene->sim) || scene->violation[0] != 0)
            return status;
        life->idle = status == WR_EAGAIN ? life->idle + 1 : 0;
        pass_time(life, status);
        if (life->idle > IDLE_STEPS_MAX) /* the input has no end: what is there was read */
            return WR_ECANCEL;
        if (steps_too_long(life)) {
            violate(life, "it does not come to an end: it makes many times the steps of an "
                          "undisturbed run");
            return status;
        }
    }
    return status;
}

static int stop(struct life *life, struct wr_error *err) {
    struct scene *scene = life->scene;
    int was_asked = life->stop != 0;
    int may_die = scene->faults >> WR_SIM_FAULT_KILL & 1;
    if (was_asked && may_die && dice_one_in(&scene->dice, STOP_KILL_ONE_IN)) {
        life->fault.kind = WR_SIM_FAULT_KILL;
        life->fault.nth = dice_scale(&scene->dice, STOP_CALLS_BITS);
        sim_tell(life->simulation, "  and killed in call %llu of the stop",
                 (unsigned long long)life->fault.nth);
        arm(life);
        life->was_hit = 0;
    }
    int status = wr_run_stop(life->run, err);
    note_hit(life);
    if (status == WR_OK && !was_asked && !wr_sim_is_cut(scene->sim))
        scene->is_done = 1;
    return status;
}

/* How the life ended, and what that means. */
static void end_life(struct life *life, int status, const struct wr_error *err) {
    struct scene *scene = life->scene;
    note_hit(life);
    if (scene->violation[0] == 0 && twin_violation(scene->twin)[0] != 0)
        violate(life, twin_violation(scene->twin));
    if (scene->violation[0] != 0)
        return;
    if (status == WR_EEND && !wr_sim_is_cut(scene->sim)) {
        scene->is_done = 1;
        sim_tell(life->simulation, "  it is done");
        return;
    }
    if (status == WR_OK || status == WR_EEND || status == WR_EAGAIN)
        return;
    sim_tell(life->simulation, "  it ends: %s", err->text);
    if (strcmp(err->code, CODE_INPUT_CHANGED) == 0 &&
        feeds_come_back(life->simulation, scene)) /* it asked for what was away */
        return;
    if (err->text[0] == 0)
        violate(life, "it fails, and does not say why");
    else if (!life->was_hit || life->fault.kind == WR_SIM_FAULT_SECOND)
        violate(life, err->text);
}

/* What the next process finds. */
static void leave(struct life *life) {
    struct scene *scene = life->scene;
    wr_run_free(life->run);
    wr_stdin_reset();
    wr_alloc_fail_at(0, 0);
    twin_leave(scene->twin);
    twin_use(life->simulation->reading.twin);
    int is_cut = wr_sim_is_cut(scene->sim);
    wr_sim_fail_at(scene->sim, WR_SIM_NONE, 0, 0);
    if (is_cut && life->fault.kind == WR_SIM_FAULT_POWER)
        wr_sim_restart(scene->sim);
    else if (is_cut)
        wr_sim_revive(scene->sim);
}

static void begin_life(struct life *life) {
    struct scene *scene = life->scene;
    struct wr_simulation *simulation = life->simulation;
    char text[160];
    scene->shown.begins[scene->lives] = scene->shown.text.length;
    scene->shown.lives = ++scene->lives;
    scene->is_done = 0;
    life->fault.kind = WR_SIM_FAULT_COUNT;
    if (scene->lives <= scene->manner.fault_count)
        fault_draw(&life->fault, &scene->dice, scene->faults, scene->counts.rows_in,
                   simulation->reference.counts.rows_in);
    fault_describe(&life->fault, text, sizeof text);
    sim_tell(simulation, "life %u: %s", scene->lives, text);
    if (!scene->is_reference &&
        manner_draw_batches(&scene->manner, scene->lives, simulation->reference.counts.rows_in))
        sim_tell(simulation, "  batches of %u rows", scene->manner.batch_rows);
    life->options = options_of(life);
    if (life->fault.kind != WR_SIM_FAULT_COUNT && life->fault.when == WHEN_BEGINS)
        arm(life);
}

static uint64_t hash_of_kinds(const struct wr_summary *summary) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < summary->kind_count; i++) {
        const struct wr_reject_kind *kind = &summary->kinds[i];
        uint64_t what = (uint64_t)kind->node << 32 | (uint32_t)kind->code;
        hash += wr_hash_u64(kind->count, wr_hash_u64(what, 1)); /* in any order */
    }
    return hash;
}

static void keep_counts(struct scene *scene, const struct wr_summary *summary) {
    scene->counts = (struct wr_sim_counts){.rows_in = summary->rows_in,
                                           .rejected = summary->rejected,
                                           .late = summary->late,
                                           .steps = summary->steps,
                                           .kinds = hash_of_kinds(summary)};
}

int scene_live(struct wr_simulation *simulation, struct scene *scene,
               const struct wr_sim_script *script, struct wr_error *err) {
    struct life life = {.simulation = simulation, .scene = scene, .script = script};
    struct wr_error own = {0};
    WR_ASSERT(scene->lives < WR_COUNT(scene->shown.begins));
    if (scene->lives == 0 && !scene->is_reference &&
        feeds_begin(simulation, scene, script->plan) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for the inputs of a simulation");
    begin_life(&life);
    const struct wr_env *env = script->plan->env;
    script->plan->env = wr_sim_env(scene->sim);
    twin_use(scene->twin);
    wr_stdin_reset();
    int status = wr_run_new(&life.run, script->plan, &life.options, &own);
    if (status == WR_OK && !wr_sim_is_cut(scene->sim))
        status = step_on(&life, &own);
    if (status == WR_ECANCEL)
        status = stop(&life, &own);
    if (scene->is_reference && status != WR_OK && status != WR_EEND)
        *err = own;
    else
        end_life(&life, status, &own);
    if (life.run != NULL && !wr_sim_is_cut(scene->sim))
        keep_counts(scene, wr_run_summary(life.run));
    if (scene->is_done && scene->reopens && scene->violation[0] == 0) {
        sim_tell(simulation, "  and it is begun once more");
        scene->reopens--;
        scene->is_done = 0;
    }
    leave(&life);
    script->plan->env = env;
    return scene->is_reference && status < 0 && status != WR_EEND ? status : WR_OK;
}
