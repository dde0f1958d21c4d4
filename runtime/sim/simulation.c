/* simulation.c: the undisturbed run, seeds, and the verdict. See sim.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "sim/simulation.h"
#include "state/vfs.h"
#include "base/banned.h"

#define IMAGE_BYTES_MAX (UINT64_C(256) << 20)
#define SCENE_SEED UINT64_C(0x5eed)
#define TWIN_SEED UINT64_C(0x7317)
#define ENDLESS_RECORDS 1000u
#define REOPENS 2 /* a complete run, that finds what the one before made of it */
#define SQL_BYTES_MAX (64u << 20)
#define SQL_PIECE_BYTES 65536u

void sim_tell(const struct wr_simulation *simulation, const char *format, ...) {
    if (simulation->options.tell == NULL)
        return;
    char text[1400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    simulation->options.tell(simulation->options.tell_ctx, text);
}

static void tell_call(void *ctx, const char *verb, const char *path) {
    sim_tell(ctx, "    %s %s", verb, path);
}

static void tell_twin(void *ctx, const char *text) {
    sim_tell(ctx, "%s", text);
}

int scene_open(struct scene *scene, struct wr_simulation *simulation, uint64_t seed,
               struct wr_error *err) {
    *scene = (struct scene){0};
    wr_buf_init(&scene->shown.text, &wr_budget_control, 0);
    scene->dice.state = wr_hash_u64(seed, SCENE_SEED);
    scene->sim = wr_sim_new(dice_u64(&scene->dice));
    scene->vfs = scene->sim == NULL ? NULL : wr_vfs_new(scene->sim);
    if (scene->vfs != NULL)
        scene->twin = twin_new(scene->sim, &simulation->start, wr_hash_u64(seed, TWIN_SEED));
    if (scene->twin == NULL || wr_sim_use_image(scene->sim, simulation->image) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for a simulated world");
    wr_vfs_seed(dice_u64(&scene->dice));
    if (simulation->options.tell != NULL) {
        wr_sim_watch(scene->sim, tell_call, simulation);
        twin_watch(scene->twin, tell_twin, simulation);
    }
    return WR_OK;
}

void scene_close(struct scene *scene) {
    wr_buf_release(&scene->shown.text);
    feeds_release(&scene->feeds);
    twin_free(scene->twin);
    wr_vfs_free(scene->vfs);
    wr_sim_free(scene->sim);
    *scene = (struct scene){0};
}

int wr_simulation_new(struct wr_simulation **made, const struct wr_env *real,
                      struct wr_error *err) {
    struct wr_simulation *self = wr_alloc_zero(&wr_budget_control, sizeof *self);
    if (self == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for a simulation");
    self->real = real;
    self->image = wr_sim_image_new(real, IMAGE_BYTES_MAX);
    int status = self->image != NULL ? WR_OK : wr_error_set(err, WR_ENOMEM, "no memory");
    if (status == WR_OK)
        status = scene_open(&self->reading, self, SCENE_SEED, err);
    if (status != WR_OK) {
        wr_simulation_free(self);
        return status;
    }
    twin_use(self->reading.twin);
    *made = self;
    return WR_OK;
}

int wr_simulation_sql(struct wr_simulation *self, const char *path, struct wr_error *err) {
    struct wr_buf text;
    struct wr_file *file = NULL;
    int64_t got = 1;
    wr_buf_init(&text, &wr_budget_control, SQL_BYTES_MAX);
    int status = self->real->open(self->real, path, WR_FILE_READ, &file, err);
    while (status == WR_OK && got > 0) {
        status = wr_buf_reserve(&text, SQL_PIECE_BYTES);
        got = status == WR_OK
                  ? self->real->read(file, text.bytes + text.length, SQL_PIECE_BYTES, -1)
                  : 0;
        if (status != WR_OK)
            wr_error_set(err, status, "%s: it has more than %u MB", path, SQL_BYTES_MAX >> 20);
        else if (got < 0)
            status = wr_error_set(err, WR_EIO, "%s: it cannot be read", path);
        text.length += (size_t)WR_MAX(got, INT64_C(0));
    }
    if (file != NULL)
        self->real->close(file);
    if (status == WR_OK)
        status = twin_start_read(&self->start, path, text.bytes == NULL ? "" : text.bytes,
                                 text.length, err);
    wr_buf_release(&text);
    return status;
}

int wr_simulation_set(struct wr_simulation *self, const struct wr_simulation_options *options,
                      struct wr_error *err) {
    self->options = *options;
    self->options.state_directory = self->state;
    if (!wr_sim_path(options->state_directory, self->state, sizeof self->state))
        return wr_error_set(err, WR_EARG, "%.80s…: the path is too long", options->state_directory);
    wr_sim_image_hide(self->image, self->state);
    return WR_OK;
}

void wr_simulation_free(struct wr_simulation *self) {
    if (self == NULL)
        return;
    twin_use(NULL);
    left_release(&self->left);
    twin_start_release(&self->start);
    scene_close(&self->seed);
    scene_close(&self->reference);
    scene_close(&self->reading);
    wr_sim_image_free(self->image);
    wr_vfs_unseed();
    wr_free(&wr_budget_control, self);
}

const struct wr_env *wr_simulation_env(struct wr_simulation *self) {
    return wr_sim_env(self->reading.sim);
}

const struct wr_sim_counts *wr_simulation_counts(const struct wr_simulation *self) {
    return &self->reference.counts;
}

uint64_t wr_simulation_bytes_in(const struct wr_simulation *self) {
    return wr_sim_image_bytes(self->image);
}

/* ---- the reference ---- */

/* What makes rows by itself, without an end, makes so many. */
static int is_made_endlessly(const struct wr_plan *plan) {
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        if (node->kind == WR_NODE_SOURCE && node->live && !node->out.bounded &&
            strcmp(node->source->name, "follow") != 0 && strcmp(node->source->name, "watch") != 0)
            return 1;
    }
    return 0;
}

int wr_simulation_reference(struct wr_simulation *self, const struct wr_sim_script *script,
                            struct wr_error *err) {
    struct scene *scene = &self->reference;
    WR_ASSERT(!self->is_sealed);
    int status = scene_open(scene, self, SCENE_SEED, err);
    if (status != WR_OK)
        return status;
    scene->is_reference = 1;
    scene->manner = (struct manner){
        .batch_rows = 0, .shards = 1, .hash_seed = 1, .checkpoint_us = self->options.checkpoint_us};
    if (self->options.record_limit == 0 && is_made_endlessly(script->plan))
        self->options.record_limit = ENDLESS_RECORDS;
    sim_tell(self, "the undisturbed run");
    status = scene_live(self, scene, script, err);
    if (status == WR_OK)
        status = wr_sim_image_status(self->image, err);
    wr_sim_image_seal(self->image);
    self->is_sealed = 1;
    if (status == WR_OK)
        status = left_gather(&self->left, scene, self->state, err);
    return status;
}

int wr_simulation_left(const struct wr_simulation *self, wr_sim_left_fn fn, void *ctx) {
    int status = WR_OK;
    for (uint32_t i = 0; i < self->left.count && status == WR_OK; i++) {
        const struct left_item *item = &self->left.items[i];
        status = item->is_input ? WR_OK : fn(ctx, item->name, item->bytes, item->size);
    }
    return status;
}

/* ---- a seed ---- */

int wr_simulation_begin(struct wr_simulation *self, uint64_t seed, unsigned faults,
                        struct wr_error *err) {
    struct scene *scene = &self->seed;
    WR_ASSERT(self->is_sealed);
    scene_close(scene);
    int status = scene_open(scene, self, seed, err);
    if (status != WR_OK)
        return status;
    if (!twin_was_used(self->reference.twin))
        faults &= ~(1u << WR_SIM_FAULT_SERVER);
    scene->faults = faults;
    manner_draw(&scene->manner, &scene->dice, faults, self->reference.counts.rows_in,
                self->options.checkpoint_us);
    scene->reopens = dice_one_in(&scene->dice, 6) ? REOPENS : 0;
    const struct manner *manner = &scene->manner;
    sim_tell(self,
             "seed %llu: batches of %u rows, %u shards in order %llu, a checkpoint each %lld us, a "
             "step about %lld us; sorts and windows keep %llu bytes in memory, state leaves in "
             "pieces of %llu (0: as much as usual)",
             (unsigned long long)seed, manner->batch_rows, manner->shards,
             (unsigned long long)manner->shard_seed, (long long)manner->checkpoint_us,
             (long long)manner->tempo_us, (unsigned long long)manner->spill_bytes,
             (unsigned long long)manner->piece_bytes);
    return WR_OK;
}

static uint32_t stdout_sinks(const struct wr_plan *plan) {
    uint32_t count = 0;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        count += node->kind == WR_NODE_SINK && node->endpoint.name != NULL &&
                 strcmp(node->endpoint.name, "stdout") == 0;
    }
    return count;
}

/* Inputs that others do not wait for: which rows are late depends on when they were quiet. */
static int falls_idle(const struct wr_plan *plan) {
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        if (node->kind != WR_NODE_SOURCE && node->live &&
            wr_value_int(node->spec, "idle", INT64_MAX) < FEEDS_QUIET_US)
            return 1;
    }
    return 0;
}

static int same_counts(const struct wr_sim_counts *expected, const struct wr_sim_counts *found,
                       int any_late, struct wr_sim_verdict *verdict) {
    const struct {
        const char *name;
        uint64_t expected, found;
    } counts[] = {{"rows read", expected->rows_in, found->rows_in},
                  {"rejected rows", expected->rejected, found->rejected},
                  {"late rows", expected->late, found->late}};
    for (size_t i = 0; i < WR_COUNT(counts); i++) {
        if (counts[i].expected == counts[i].found || (any_late && counts[i].name[0] == 'l'))
            continue;
        snprintf(verdict->violation, sizeof verdict->violation,
                 "%s: %llu are counted, %llu by an undisturbed run", counts[i].name,
                 (unsigned long long)counts[i].found, (unsigned long long)counts[i].expected);
        return 0;
    }
    if (expected->kinds != found->kinds) {
        snprintf(verdict->violation, sizeof verdict->violation,
                 "rejected rows: other ones are counted by stage and code than by an undisturbed "
                 "run");
        return 0;
    }
    return 1;
}

static int judge(struct wr_simulation *self, const struct wr_plan *plan,
                 struct wr_sim_verdict *verdict, struct wr_error *err) {
    struct scene *scene = &self->seed;
    struct left left;
    twin_settle(scene->twin);
    int status = left_gather(&left, scene, self->state, err);
    if (status == WR_OK && left_same(&self->left, &left, plan, verdict) &&
        shown_same(&self->reference.shown, &scene->shown, stdout_sinks(plan), verdict))
        same_counts(&self->reference.counts, &scene->counts, falls_idle(plan), verdict);
    left_release(&left);
    return status;
}

int wr_simulation_live(struct wr_simulation *self, const struct wr_sim_script *script,
                       struct wr_sim_verdict *verdict, struct wr_error *err) {
    struct scene *scene = &self->seed;
    *verdict = (struct wr_sim_verdict){0};
    int status = scene_live(self, scene, script, err);
    if (status != WR_OK)
        return status;
    memcpy(verdict->violation, scene->violation, sizeof verdict->violation);
    verdict->is_over = scene->is_done || scene->violation[0] != 0;
    if (verdict->is_over && scene->violation[0] == 0)
        status = judge(self, script->plan, verdict, err);
    verdict->lives = scene->lives;
    verdict->steps = scene->steps;
    memcpy(verdict->hit, scene->hit, sizeof verdict->hit);
    verdict->print = wr_sim_print(scene->sim);
    if (verdict->is_over)
        sim_tell(self, "%s; %u lives, %llu steps, print %016llx",
                 verdict->violation[0] != 0 ? verdict->violation : "what is left is the same",
                 scene->lives, (unsigned long long)scene->steps,
                 (unsigned long long)verdict->print);
    return status;
}
