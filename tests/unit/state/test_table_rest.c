/* test_table_rest.c: a table that rested is the one that it was, for what it holds and for what the
 * next save says of it. */
#include "test.h"

#include "support_world.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "state/table_rest.h"

#define UNIT_BYTES 1024

/* Lets the table of a world rest, and wakes it. */
static void rest(struct world *world, struct wr_scratch *scratch) {
    struct wr_rest resting;
    uint64_t seed = wr_table_seed(world->table), used = world->budget.bytes_used;
    int was_saved = wr_table_was_saved(world->table);
    int has_changed = wr_table_has_changed(world->table);
    CHECK_INT(wr_table_rest(world->table, &world->budget, scratch, &resting, NULL), ==, WR_OK);
    CHECK(world->budget.bytes_used <= used || resting.row_count < 100);
    CHECK_INT(resting.row_count, ==, world->present_count);
    CHECK_INT(resting.has_changed, ==, has_changed);
    world->table = wr_table_new(&world->budget, &world_shapes[world->kind], seed);
    CHECK_INT(wr_table_wake(world->table, scratch, &resting, NULL), ==, WR_OK);
    CHECK_INT(wr_table_was_saved(world->table), ==, was_saved);
    /* A page may have been listed for rows that are not there any more. */
    CHECK_INT(wr_table_has_changed(world->table), <=, has_changed);
    wr_rest_drop(&resting, &world->budget, scratch);
    CHECK_INT(wr_scratch_bytes(scratch), ==, 0);
}

/* Returns the bytes of the log. */
static size_t ship(struct world *world, struct wr_table *twin) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_table_save(world->table, &log, 0, SIZE_MAX), ==, WR_OK);
    struct wr_reader in = {.bytes = log.bytes, .length = log.length};
    CHECK_INT(wr_table_load(twin, &in), ==, WR_OK);
    size_t length = log.length;
    wr_buf_release(&log);
    return length;
}

static void go_through_rests(enum world_kind kind, uint32_t key_count, uint64_t seed) {
    struct world *world = world_new(kind, key_count, seed);
    struct wr_sim *sim = wr_sim_new(seed);
    struct wr_scratch *scratch;
    struct wr_table *twin = wr_table_new(&world->budget, &world_shapes[kind], seed);
    CHECK_INT(wr_scratch_new(&scratch, wr_sim_env(sim), &world->budget, UNIT_BYTES), ==, WR_OK);
    for (int i = 0; i < 60; i++) {
        CHECK_INT(world_upsert(world, 1 + (uint32_t)world_random(world, 200)), ==, WR_OK);
        for (uint64_t deletes = world_random(world, 30); deletes > 0; deletes--)
            world_delete(world);
        if (world_random(world, 2) == 0)
            rest(world, scratch);
        if (world_random(world, 3) == 0) {
            ship(world, twin);
            world_check(world, twin);
            size_t nothing = ship(world, twin);
            if (world_random(world, 2) == 0)
                rest(world, scratch);
            CHECK_INT(ship(world, twin), ==, nothing); /* no row of it counts as changed */
        }
        world_check(world, world->table);
    }
    wr_table_free(twin);
    wr_scratch_free(scratch);
    wr_sim_free(sim);
    world_free(world);
}

TEST(table_that_rested_is_as_it_was) {
    uint64_t seed = test_seed();
    for (int kind = 0; kind < WORLD_KINDS; kind++)
        for (uint32_t key_count = 1; key_count <= WORLD_KEYS_MAX / 4; key_count *= 8)
            go_through_rests((enum world_kind)kind, key_count, seed + key_count);
}

/* Each call of the world fails in turn: the table stays, or does not come back; nothing is lost of
 * it then, and all memory is given back. */
static void fail_at_each_call(enum wr_sim_fault fault) {
    int failures = 0, is_over = 0;
    for (uint64_t at = 1; !is_over; at++) {
        struct world *world = world_new(WORLD_TEXT, 2000, 5);
        struct wr_sim *sim = wr_sim_new(at);
        struct wr_scratch *scratch;
        struct wr_rest resting;
        struct wr_error err = {0};
        for (int i = 0; i < 20; i++)
            CHECK_INT(world_upsert(world, 200), ==, WR_OK);
        CHECK_INT(wr_scratch_new(&scratch, wr_sim_env(sim), &world->budget, UNIT_BYTES), ==, WR_OK);
        wr_sim_fail_at(sim, fault, at, 0);
        int status = wr_table_rest(world->table, &world->budget, scratch, &resting, &err);
        if (status == WR_OK) {
            world->table = wr_table_new(&world->budget, &world_shapes[WORLD_TEXT], 5);
            status = wr_table_wake(world->table, scratch, &resting, &err);
        }
        is_over = status == WR_OK;
        if (status != WR_OK && resting.row_count > 0) { /* it sleeps on */
            wr_table_free(world->table);
            world->table = wr_table_new(&world->budget, &world_shapes[WORLD_TEXT], 5);
            CHECK_INT(wr_table_wake(world->table, scratch, &resting, NULL), ==, WR_OK);
        }
        if (status != WR_OK) {
            failures++;
            CHECK_INT(status, ==, WR_EIO);
            CHECK_CONTAINS(err.text, "scratch file");
        }
        world_check(world, world->table);
        wr_rest_drop(&resting, &world->budget, scratch);
        CHECK_INT(wr_scratch_bytes(scratch), ==, 0);
        wr_scratch_free(scratch);
        wr_sim_free(sim);
        world_free(world);
    }
    CHECK_INT(failures, >, 3);
}

TEST(table_that_cannot_rest_stays) {
    fail_at_each_call(WR_SIM_EIO);
    fail_at_each_call(WR_SIM_ENOSPC);
}

TEST_EACH_ALLOCATION_FAILS(table_that_rests_gives_everything_back) {
    struct wr_budget budget = WR_BUDGET_INIT("rest", 0);
    const struct wr_shape *shape = &world_shapes[WORLD_TEXT];
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_scratch *scratch = NULL;
    struct wr_rest resting = {0};
    struct wr_table *table = wr_table_new(&budget, shape, 3), *woken = NULL;
    uint8_t key[24], *row;
    char text[64];
    uint64_t hash;
    int status = sim == NULL || table == NULL
                     ? WR_ENOMEM
                     : wr_scratch_new(&scratch, wr_sim_env(sim), &budget, UNIT_BYTES);
    for (uint32_t number = 0; number < 40 && status == WR_OK; number++) {
        world_key(WORLD_TEXT, 3, number, key, text, &hash);
        status = wr_table_upsert(table, key, &hash, 1, &row, NULL);
    }
    if (status == WR_OK)
        status = wr_table_rest(table, &budget, scratch, &resting, NULL);
    if (status == WR_OK) {
        table = NULL;
        woken = wr_table_new(&budget, shape, 3);
        status = woken == NULL ? WR_ENOMEM : wr_table_wake(woken, scratch, &resting, NULL);
    }
    CHECK(status == WR_OK || status == WR_ENOMEM);
    wr_rest_drop(&resting, &budget, scratch);
    wr_table_free(table);
    wr_table_free(woken);
    wr_scratch_free(scratch);
    wr_sim_free(sim);
    CHECK_INT(budget.bytes_used, ==, 0);
}
