/* test_rowset_rest.c: rows of a set that rest in a scratch file are those that they were, for
 * probes, for what is taken back and for saves. */
#include "test.h"

#include "support_rowset.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "state/rowset_parts.h"
#include "state/scratch.h"

static void rest(struct wr_rowset *set, uint64_t *random) {
    switch (rows_next(random) % 4) {
    case 0: CHECK_INT(wr_rowset_relieve(set, rows_next(random) % 3000), ==, WR_OK); break;
    case 1: CHECK_INT(wr_rowset_relieve(set, rows_next(random) % 100000), ==, WR_OK); break;
    case 2: CHECK_INT(wr_rowset_tend(set, rows_next(random) % 20000), ==, WR_OK); break;
    default: break;
    }
}

/* As go_through, with rows that rest in the set and in those that read what it saved. */
static void go_through_rests(uint64_t random, int64_t width_us, uint64_t key_count, int takes) {
    struct rows_world world;
    struct wr_rowset deltas, base;
    rows_open(&world, width_us);
    struct wr_rowset *const twins[] = {&deltas, &base};
    for (int i = 0; i < 2; i++) {
        CHECK_INT(wr_rowset_init(twins[i], &world.arena, &wr_budget_control, &world.keys,
                                 world.schema, NULL, width_us, ROWS_SEED),
                  ==, WR_OK);
        wr_rowset_may_rest(twins[i], &world.apart);
    }
    wr_rowset_may_rest(&world.set, &world.apart);
    for (int64_t time = 0; time < 1000 && world.count + 64 < ROWS_MAX; time += 5) {
        uint32_t count = 1 + (uint32_t)(rows_next(&random) % 60);
        rows_facts_make(&world, count, time, key_count, &random);
        rows_add(&world, count);
        for (uint64_t n = rows_next(&random) % (time % 500 < 250 ? 2 : 20); n > 0; n--)
            rows_look(&world, (int64_t)(rows_next(&random) % key_count) - 3,
                      rows_some_bounds(time, &random));
        rest(&world.set, &random);
        for (uint64_t n = takes ? rows_next(&random) % 40 : 0; n > 0; n--)
            rows_take(&world, (uint32_t)(rows_next(&random) % world.count));
        rows_drop(&world, time - 20);
        if (rows_next(&random) % 8 == 0)
            wr_rowset_settle(&world.set);
        rest(&world.set, &random);
        if (rows_next(&random) % 16 == 0) {
            rows_ship(&world, &deltas, 0,
                      rows_next(&random) % 3 == 0 ? SIZE_MAX : rows_next(&random) % 5000);
            rest(&deltas, &random);
            rows_check_rows(&world, &deltas, key_count);
        }
    }
    CHECK(wr_scratch_bytes_peak(world.apart.scratch) > 0);
    rows_check_rows(&world, &world.set, key_count);
    rows_ship(&world, &base, 1, 3000);
    rows_check_rows(&world, &base, key_count);
    wr_rowset_release(&deltas);
    wr_rowset_release(&world.set);
    world.set = base; /* what was read back goes on as what was written */
    for (int64_t key = -3; key < 10; key++)
        rows_look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    rest(&world.set, &random);
    rows_check_rows(&world, &world.set, key_count);
    wr_rowset_drop(&world.set, WR_TIME_MAX);
    CHECK_INT(world.set.count, ==, 0);
    CHECK_INT(world.set.rested, ==, 0);
    CHECK_INT(world.set.awake_count, ==, 0);
    CHECK_INT(world.set.run_bytes, ==, 0);
    rows_close(&world);
}

TEST(rowset_finds_rows_that_rest) {
    uint64_t random = test_seed();
    go_through_rests(random, 50, 5, 0);
    go_through_rests(random + 1, 7, 300, 0);
    go_through_rests(random + 2, 0, 3000, 0);
}

TEST(rowset_takes_rows_back_that_rest) {
    uint64_t random = test_seed();
    go_through_rests(random, 50, 5, 1);
    go_through_rests(random + 1, 0, 300, 1);
    go_through_rests(random + 2, 0, 6000, 1);
}

/* Rows that all rest, in a set whose slices are `width_us` wide. */
static void world_at_rest(struct rows_world *world, int64_t width_us, uint32_t rows,
                          uint64_t keys) {
    uint64_t random = 1;
    rows_open(world, width_us);
    wr_rowset_may_rest(&world->set, &world->apart);
    while (world->count < rows) {
        rows_facts_make(world, 60, world->count, keys, &random);
        rows_add(world, 60);
        if (world->count % 600 == 0)
            CHECK_INT(wr_rowset_relieve(&world->set, 0), ==, WR_OK);
    }
    CHECK_INT(wr_rowset_relieve(&world->set, 0), ==, WR_OK);
    CHECK_INT(world->set.rested, ==, world->count);
}

TEST(rowset_at_rest_takes_little_memory) {
    struct rows_world world;
    world_at_rest(&world, 0, 18000, 6000);
    CHECK_INT(wr_rowset_bytes(&world.set), <, world.count * 6);
    CHECK_INT(wr_scratch_bytes(world.apart.scratch), >, world.count * 100);
    rows_check_rows(&world, &world.set, 6000);
    CHECK_INT(wr_rowset_tend(&world.set, 0), ==, WR_OK);
    CHECK_INT(world.set.awake_bytes, ==, 0);
    rows_close(&world);
}

TEST(rowset_reads_no_block_for_a_key_that_it_has_not) {
    struct rows_world world;
    static const struct wr_rowset_bounds any = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};
    world_at_rest(&world, 0, 18000, 6000);
    for (int64_t key = 10000; key < 12000; key++)
        rows_look(&world, key, any);
    CHECK_INT(world.set.awake_count, <, 400); /* of 2,000 probes; the filter errs in few */
    /* Nor where bounds rule all rows of a run out. */
    CHECK_INT(wr_rowset_tend(&world.set, 0), ==, WR_OK);
    for (int64_t key = 0; key < 1000; key++)
        rows_look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, -100, WR_TIME_MIN});
    CHECK_INT(world.set.awake_count, ==, 0);
    rows_close(&world);
}

/* A log says of rows that have changed which number they have. */
TEST(rowset_reads_few_blocks_for_a_number_among_very_many_of_a_key) {
    struct rows_world world;
    int status = WR_OK;
    uint32_t found = 0;
    world_at_rest(&world, 0, 18000, 1);
    const struct wr_rowset_run *run = world.set.slices[0]->runs[0];
    uint64_t hash = run->blocks[run->block_count / 2].hash_first;
    for (uint64_t id = 0; id < 18000; id += 6000) {
        const struct wr_rowset_row *row = wr_rowset_find_rested(&world.set, hash, id, &status);
        CHECK_INT(status, ==, WR_OK);
        CHECK(row == NULL || (row->id == id && row->hash == hash));
        found += row != NULL;
    }
    CHECK_INT(found, >, 0);
    CHECK_INT(world.set.awake_count, <=, 4); /* one for each number */
    CHECK(wr_rowset_find_rested(&world.set, hash, 18000, &status) == NULL);
    CHECK_INT(status, ==, WR_OK);
    rows_close(&world);
}

TEST(rowset_has_few_runs_however_often_rows_rest) {
    struct rows_world world;
    uint64_t random = 1;
    rows_open(&world, 0);
    wr_rowset_may_rest(&world.set, &world.apart);
    for (int i = 0; i < 600; i++) {
        rows_facts_make(&world, 2, 0, 1000, &random);
        rows_add(&world, 2);
        CHECK_INT(wr_rowset_relieve(&world.set, 0), ==, WR_OK);
        CHECK_INT(world.set.slices[0]->run_count, <, 30);
    }
    rows_check_rows(&world, &world.set, 1000);
    /* Those of which most were taken back give their room to others. */
    uint64_t before = wr_scratch_bytes(world.apart.scratch);
    for (uint32_t i = 0; i < world.count; i++)
        if (i % 20 != 0)
            rows_take(&world, i);
    CHECK_INT(wr_rowset_relieve(&world.set, 0), ==, WR_OK);
    CHECK_INT(wr_scratch_bytes(world.apart.scratch), <, before / 4);
    rows_check_rows(&world, &world.set, 1000);
    rows_close(&world);
}

static int is_even(void *ctx, const struct wr_rowset_row *row) {
    (void)ctx;
    return row->id % 2 == 0;
}

/* The last ones first. */
static int by_number(void *ctx, const struct wr_rowset_row *a, const struct wr_rowset_row *b) {
    ++*(uint64_t *)ctx;
    return a->id > b->id ? -1 : a->id < b->id;
}

TEST(rowset_gives_rows_at_rest_in_an_order) {
    struct rows_world world;
    uint64_t random = 5, compared = 0;
    world_at_rest(&world, 0, 12000, 4000);
    rows_facts_make(&world, 60, 0, 4000, &random);
    rows_add(&world, 60); /* which are in memory */
    for (uint32_t i = 0; i < world.count; i += 1 + i % 7)
        rows_take(&world, i);
    const struct wr_rowset_order order = {.wants = is_even, .compare = by_number, .ctx = &compared};
    struct wr_rowset_sorting *sorting;
    struct wr_rowset_row *rows[100];
    CHECK_INT(wr_rowset_sort(&world.set, world.set.slices[0], &order, 0, &sorting), ==, WR_OK);
    uint32_t count, at = world.count;
    do {
        CHECK_INT(wr_rowset_sort_next(sorting, rows, 100, &count), ==, WR_OK);
        for (uint32_t i = 0; i < count; i++) {
            do {
                CHECK_INT(at, >, 0);
                at--;
            } while (world.facts[at].is_gone || at % 2 != 0);
            CHECK_INT(rows[i]->id, ==, at);
            rows_check_row(&world, rows[i], &world.facts[at]);
        }
    } while (count > 0);
    while (at > 0)
        CHECK(world.facts[--at].is_gone || at % 2 != 0);
    CHECK_INT(compared, >, 0);
    wr_rowset_sort_end(sorting);
    rows_check_rows(&world, &world.set, 4000); /* they are all there still */
    rows_close(&world);
}

/* Each call of the world fails in turn: it is told, and all is given back. */
static void fail_at_each_call(enum wr_sim_fault fault) {
    int failures = 0, is_over = 0;
    for (uint64_t at = 1; !is_over; at += 1 + at / 8) {
        struct rows_world world;
        struct wr_error err = {0}, *told = &err;
        uint64_t random = 3;
        int status = WR_OK, found;
        char key[16];
        uint64_t hash;
        rows_open(&world, 0);
        world.apart.err = &told;
        wr_rowset_may_rest(&world.set, &world.apart);
        wr_sim_fail_at(world.sim, fault, at, 0);
        for (int i = 0; i < 20 && status == WR_OK; i++) {
            rows_facts_make(&world, 60, 0, 50, &random);
            rows_add(&world, 60);
            status = wr_rowset_relieve(&world.set, 0);
        }
        for (uint32_t i = 0; i < 40 && status == WR_OK; i++) {
            struct wr_batch *batch = rows_batch_of(&world, &world.facts[i], 1);
            rows_key_of(&world, world.facts[i].key, key, &hash);
            status = wr_rowset_remove(&world.set, key, hash, -world.facts[i].key, batch, 0, &found);
            wr_batch_unref(batch);
            if (status == WR_OK)
                status = wr_rowset_tend(&world.set, 0);
        }
        is_over = status == WR_OK;
        if (!is_over) {
            failures++;
            CHECK_INT(status, ==, WR_EIO);
            CHECK_CONTAINS(err.text, "scratch file");
        }
        rows_close(&world);
    }
    CHECK_INT(failures, >, 20);
}

TEST(rowset_says_why_rows_cannot_rest) {
    fail_at_each_call(WR_SIM_EIO);
    fail_at_each_call(WR_SIM_ENOSPC);
}

/* A log as it was written before rows could rest: of all, then of one row that was taken back and
 * of one that has other matches. */
TEST(rowset_reads_a_log_of_before) {
    static const uint32_t magic = 0x316c7277u;
    struct rows_world world;
    struct wr_rowset twin;
    struct wr_buf log;
    uint64_t random = 1;
    rows_open(&world, 0);
    CHECK_INT(wr_rowset_init(&twin, &world.arena, &wr_budget_control, &world.keys, world.schema,
                             NULL, 0, ROWS_SEED),
              ==, WR_OK);
    wr_rowset_may_rest(&twin, &world.apart);
    rows_facts_make(&world, 50, 0, 10, &random);
    rows_add(&world, 50);
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_rowset_save(&world.set, &log, 1, SIZE_MAX), ==, WR_OK);
    memcpy(log.bytes + 8, &magic, sizeof magic);
    struct wr_reader in = {.bytes = log.bytes, .length = log.length};
    CHECK_INT(wr_rowset_load(&twin, &in), ==, WR_OK);
    CHECK_INT(wr_rowset_relieve(&twin, 0), ==, WR_OK); /* not before all logs are read */
    CHECK_INT(twin.rested, ==, 0);
    rows_check_rows(&world, &twin, 10);

    rows_look(&world, world.facts[7].key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, 0});
    wr_buf_clear(&log);
    CHECK_INT(wr_rowset_save(&world.set, &log, 0, SIZE_MAX), ==, WR_OK);
    memcpy(log.bytes + 8, &magic, sizeof magic);
    for (size_t at = 0; at + 8 <= log.length; at++) { /* numbers of rows had no bit for a change */
        uint64_t word;
        memcpy(&word, log.bytes + at, 8);
        if ((word & ~UINT64_C(63)) == UINT64_C(1) << 63)
            log.bytes[at + 7] = 0;
    }
    in = (struct wr_reader){.bytes = log.bytes, .length = log.length};
    CHECK_INT(wr_rowset_load(&twin, &in), ==, WR_OK);
    rows_check_rows(&world, &twin, 10);

    wr_buf_clear(&log);
    wr_rowset_save_none(&world.set, &log);
    memcpy(log.bytes + 8, &magic, sizeof magic);
    log.length -= 4; /* the number of slices */
    wr_buf_add_u32(&log, 1);
    wr_buf_add_u64(&log, 0);
    wr_buf_add_varint(&log, 1);
    wr_buf_add_u64(&log, 7);
    wr_buf_add_u32(&log, 0);
    in = (struct wr_reader){.bytes = log.bytes, .length = log.length};
    CHECK_INT(wr_rowset_load(&twin, &in), ==, WR_OK);
    world.facts[7].is_gone = 1;
    rows_check_rows(&world, &twin, 10);
    wr_rowset_settle(&twin);
    CHECK_INT(wr_rowset_relieve(&twin, 0), ==, WR_OK);
    CHECK_INT(twin.rested, ==, 49);
    rows_check_rows(&world, &twin, 10);
    wr_rowset_release(&twin);
    wr_buf_release(&log);
    rows_close(&world);
}

TEST_EACH_ALLOCATION_FAILS(rowset_whose_rows_rest_gives_everything_back) {
    struct wr_budget budget = WR_BUDGET_INIT("rest", 0);
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_apart apart = {.env = sim == NULL ? NULL : wr_sim_env(sim)};
    struct wr_arena arena;
    struct wr_rowset set = {.budget = &budget};
    struct wr_key_layout keys;
    const uint64_t none = 0; /* no column is kept */
    wr_arena_init(&arena, &budget, 4096);
    struct wr_schema *schema = sim == NULL ? NULL : wr_schema_new(&arena, 1);
    int status = schema == NULL ? WR_ENOMEM : wr_key_layout_init(&keys, &WR_TYPE(WR_INT64), 1, 1);
    if (status == WR_OK)
        status = wr_rowset_init(&set, &arena, &budget, &keys, schema, &none, 0, ROWS_SEED);
    if (status == WR_OK)
        wr_rowset_may_rest(&set, &apart);
    struct wr_rowset_row *head;
    for (int64_t i = 0; i < 60 && status == WR_OK; i++) {
        static const struct wr_rowset_bounds any = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};
        struct wr_rowset_entry entry = {.time_us = i, .until_us = i};
        struct wr_column column = {.data = &(int64_t){i % 7}};
        struct wr_batch in = {.schema = schema, .row_count = 1, .sel_count = 1};
        struct wr_rowset_probe probe;
        char key[16] = {0};
        uint64_t hash;
        uint32_t row = 0;
        wr_keys_build(&keys, &column, NULL, 1, ROWS_SEED, key, &hash);
        status = wr_rowset_add(&set, key, &hash, &entry, &in, &row, 1);
        if (status == WR_OK && i % 5 == 0)
            status = wr_rowset_relieve(&set, 0);
        if (status == WR_OK)
            status = wr_rowset_heads(&set, key, &hash, &any, 1, &head);
        if (status != WR_OK)
            break;
        wr_rowset_probe_begin(&probe, &set, key, hash, &any, head);
        for (struct wr_rowset_row *at; (at = wr_rowset_probe_next(&probe)) != NULL;)
            wr_rowset_match(&set, at, 1);
        status = probe.status;
    }
    CHECK(status == WR_OK || status == WR_ENOMEM);
    wr_rowset_release(&set);
    wr_scratch_free(apart.scratch);
    wr_arena_release(&arena);
    wr_sim_free(sim);
    CHECK_INT(budget.bytes_used, ==, 0);
}
