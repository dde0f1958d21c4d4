/* test_rowset.c: rows of a side of a join beside a plain list of them: found whatever is in the
 * index, taken back, moved together, dropped by slices, saved and loaded in pieces. */
#include "test.h"

#include "support_rowset.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"

static void check_twin(struct rows_world *world, struct wr_rowset *twin) {
    CHECK_INT(twin->count, ==, world->set.count);
    CHECK_INT(wr_rowset_rows(twin), ==, wr_rowset_rows(&world->set));
    CHECK_INT(twin->next_id, ==, world->set.next_id);
    for (uint32_t s = 0; s < twin->count; s++) {
        struct wr_rowset_walk a = {.set = &world->set, .slice = world->set.slices[s]};
        struct wr_rowset_walk b = {.set = twin, .slice = twin->slices[s]};
        for (struct wr_rowset_row *row; (row = wr_rowset_walk_next(&a)) != NULL;) {
            struct wr_rowset_row *other = wr_rowset_walk_next(&b);
            CHECK(other != NULL);
            CHECK_INT(other->id, ==, row->id);
            CHECK_INT(other->hash, ==, row->hash);
            rows_check_row(world, other, &world->facts[row->id]);
        }
        CHECK(wr_rowset_walk_next(&b) == NULL);
    }
}

/* What is asked, and how often something is taken back, differs from round to round, so that rows
 * are found in the index, out of it and in both. */
static void go_through(uint64_t random, int64_t width_us, uint64_t key_count, int takes) {
    struct rows_world world;
    struct wr_rowset deltas;
    rows_open(&world, width_us);
    CHECK_INT(wr_rowset_init(&deltas, &world.arena, &wr_budget_control, &world.keys, world.schema,
                             NULL, width_us, ROWS_SEED),
              ==, WR_OK);
    for (int64_t time = 0; time < 1500 && world.count + 64 < ROWS_MAX; time += 5) {
        uint32_t count = 1 + (uint32_t)(rows_next(&random) % 60);
        rows_facts_make(&world, count, time, key_count, &random);
        rows_add(&world, count);
        for (uint64_t n = rows_next(&random) % (time % 500 < 250 ? 2 : 20); n > 0; n--)
            rows_look(&world, (int64_t)(rows_next(&random) % key_count) - 3,
                      rows_some_bounds(time, &random));
        for (uint64_t n = takes ? rows_next(&random) % 40 : 0; n > 0; n--)
            rows_take(&world, (uint32_t)(rows_next(&random) % world.count));
        rows_drop(&world, time - 20);
        if (rows_next(&random) % 8 == 0)
            wr_rowset_settle(&world.set);
        if (rows_next(&random) % 16 == 0) {
            rows_ship(&world, &deltas, 0,
                      rows_next(&random) % 3 == 0 ? SIZE_MAX : rows_next(&random) % 5000);
            check_twin(&world, &deltas);
        }
    }
    struct wr_rowset base;
    CHECK_INT(wr_rowset_init(&base, &world.arena, &wr_budget_control, &world.keys, world.schema,
                             NULL, width_us, ROWS_SEED),
              ==, WR_OK);
    rows_ship(&world, &base, 1, 3000);
    check_twin(&world, &base);
    /* What was read back answers as what was written. */
    wr_rowset_release(&world.set);
    world.set = base;
    for (int64_t key = -3; key < 10; key++)
        rows_look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    wr_rowset_drop(&world.set, WR_TIME_MAX);
    CHECK_INT(world.set.count, ==, 0);
    CHECK_INT(world.set.unindexed, ==, 0);
    wr_rowset_release(&deltas);
    rows_close(&world);
}

TEST(rowset_finds_what_a_list_of_rows_has) {
    uint64_t random = test_seed();
    go_through(random, 50, 5, 0);
    go_through(random + 1, 7, 300, 0);
    go_through(random + 2, 0, 3000, 0);
}

TEST(rowset_takes_rows_back) {
    uint64_t random = test_seed();
    go_through(random, 50, 5, 1);
    go_through(random + 1, 0, 300, 1);
}

TEST(rowset_gives_memory_back_when_most_rows_were_taken_back) {
    struct rows_world world;
    rows_open(&world, 0);
    uint64_t random = 1;
    for (int round = 0; round < 100; round++) {
        rows_facts_make(&world, 60, 0, 1000, &random);
        rows_add(&world, 60);
    }
    uint64_t before = wr_rowset_bytes(&world.set);
    for (uint32_t i = 0; i < world.count; i++)
        if (i % 10 != 0)
            rows_take(&world, i);
    wr_rowset_settle(&world.set);
    CHECK_INT(wr_rowset_rows(&world.set), ==, 600);
    CHECK_INT(wr_rowset_bytes(&world.set), <, before / 2);
    for (int64_t key = -3; key < 997; key++)
        rows_look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    rows_close(&world);
}

TEST(rowset_makes_no_index_for_rows_that_bounds_rule_out) {
    struct rows_world world;
    rows_open(&world, 1000);
    uint64_t random = 1;
    for (int64_t time = 0; time < 1000; time += 5) {
        rows_facts_make(&world, 50, time, 100, &random);
        for (uint32_t i = 0; i < 50; i++)
            world.facts[world.count + i].until_us = time;
        rows_add(&world, 50);
        rows_look(&world, 1, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, time});
    }
    CHECK(world.set.directory == NULL);
    CHECK_INT(world.set.unindexed, ==, world.count);
    for (int64_t key = 0; key < 100; key++) /* bounds that rule nothing out */
        rows_look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    CHECK(world.set.directory != NULL);
    CHECK_INT(world.set.unindexed, ==, 0);
    rows_close(&world);
}

TEST(rowset_refuses_a_damaged_log) {
    struct rows_world world;
    rows_open(&world, 50);
    uint64_t random = 1;
    rows_facts_make(&world, 40, 0, 10, &random);
    rows_add(&world, 40);
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_rowset_save(&world.set, &log, 1, SIZE_MAX), ==, WR_OK);
    for (size_t length = 0; length < log.length; length += 1 + length / 16) {
        struct wr_rowset twin;
        CHECK_INT(wr_rowset_init(&twin, &world.arena, &wr_budget_control, &world.keys, world.schema,
                                 NULL, 50, ROWS_SEED),
                  ==, WR_OK);
        struct wr_reader in = {.bytes = log.bytes, .length = length};
        CHECK_INT(wr_rowset_load(&twin, &in), ==, WR_ECORRUPT);
        wr_rowset_release(&twin);
    }
    wr_buf_release(&log);
    rows_close(&world);
}
