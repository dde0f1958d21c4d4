/* test_rowset.c: rows of a side of a join beside a plain list of them: found whatever is in the
 * index, taken back, moved together, dropped by slices, saved and loaded in pieces. */
#include "test.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/rowset.h"

#define ROWS_MAX 20000
#define SEED 7

static const char *const long_text = "a string that is longer than twelve bytes: ";

/* A row as the model has it: key, number of what it says, and when it may be met. */
struct fact {
    int64_t key, value, time_us, until_us, matches;
    int is_gone;
};

struct world {
    struct wr_rowset set;
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_schema *schema;
    struct wr_key_layout keys;
    uint32_t count;
    struct fact *facts;
};

static void world_open(struct world *world, int64_t width_us) {
    memset(world, 0, sizeof *world);
    wr_arena_init(&world->arena, &wr_budget_control, 4096);
    wr_batch_pool_init(&world->pool, &wr_budget_control);
    world->schema = wr_schema_new(&world->arena, 2);
    world->schema->field_count = 2;
    world->schema->fields[0] = (struct wr_field){.name = "value", .type = WR_TYPE(WR_INT64)};
    world->schema->fields[1] = (struct wr_field){.name = "text", .type = WR_TYPE(WR_STRING)};
    CHECK_INT(wr_key_layout_init(&world->keys, &WR_TYPE(WR_INT64), 1, 1), ==, WR_OK);
    world->facts = WR_ARENA_ARRAY(&world->arena, struct fact, ROWS_MAX);
    CHECK_INT(wr_rowset_init(&world->set, &world->arena, &wr_budget_control, &world->keys,
                             world->schema, NULL, width_us, SEED),
              ==, WR_OK);
}

static void world_close(struct world *world) {
    wr_rowset_release(&world->set);
    wr_batch_pool_release(&world->pool);
    wr_arena_release(&world->arena);
}

/* Every third value has no text, every other one a long one. */
static struct wr_batch *batch_of(struct world *world, const struct fact *facts, uint32_t count) {
    struct wr_batch *batch = wr_batch_new(&world->pool, world->schema);
    int64_t *values = wr_batch_column(batch, 0, count);
    struct wr_str *texts = wr_batch_column(batch, 1, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    for (uint32_t i = 0; i < count; i++) {
        char *text = WR_ARENA_ARRAY(&batch->arena, char, 100);
        values[i] = facts[i].value;
        int length = snprintf(text, 100, "%s%lld", facts[i].value % 2 == 0 ? long_text : "",
                              (long long)facts[i].value);
        texts[i] = wr_str_of(text, (uint32_t)length);
        if (facts[i].value % 3 != 0)
            wr_bit_set(valid, i);
    }
    batch->columns[1].valid = valid;
    batch->row_count = batch->sel_count = count;
    return batch;
}

static void key_of(const struct world *world, int64_t key, char *bytes, uint64_t *hash) {
    struct wr_column column = {.data = &key};
    memset(bytes, 0, 16);
    wr_keys_build(&world->keys, &column, NULL, 1, SEED, bytes, hash);
}

static void add(struct world *world, uint32_t count) {
    struct wr_batch *batch = batch_of(world, world->facts + world->count, count);
    char keys[16 * 64];
    uint64_t hashes[64];
    uint32_t rows[64];
    struct wr_rowset_entry entries[64];
    for (uint32_t i = 0; i < count; i++) {
        const struct fact *fact = &world->facts[world->count + i];
        key_of(world, fact->key, keys + 16 * i, &hashes[i]);
        rows[i] = i;
        entries[i] = (struct wr_rowset_entry){.time_us = fact->time_us,
                                              .from_us = -fact->key,
                                              .until_us = fact->until_us,
                                              .stays_us = fact->time_us};
    }
    CHECK_INT(wr_rowset_add(&world->set, keys, hashes, entries, batch, rows, count), ==, WR_OK);
    world->count += count;
    wr_batch_unref(batch);
}

/* Takes fact `i` back. Facts differ in their values. */
static void take(struct world *world, uint32_t i) {
    struct fact *fact = &world->facts[i];
    struct wr_batch *batch = batch_of(world, fact, 1);
    char key[16];
    uint64_t hash;
    int found;
    key_of(world, fact->key, key, &hash);
    CHECK_INT(wr_rowset_remove(&world->set, key, hash, -fact->key, batch, 0, &found), ==, WR_OK);
    CHECK_INT(found, ==, !fact->is_gone);
    fact->is_gone = 1;
    wr_batch_unref(batch);
}

static void check_row(struct world *world, const struct wr_rowset_row *row,
                      const struct fact *fact) {
    struct wr_batch *batch = batch_of(world, fact, 1);
    CHECK(wr_payload_holds(&world->set.payload, wr_rowset_payload(&world->set, row), batch, 0));
    CHECK_INT(row->time_us, ==, fact->time_us);
    CHECK_INT(row->from_us, ==, -fact->key);
    CHECK_INT(row->until_us, ==, fact->until_us);
    CHECK_INT(row->matches, ==, fact->matches);
    wr_batch_unref(batch);
}

/* All rows of a key within bounds, beside those of the model; each of them counts a match. */
static void look(struct world *world, int64_t key, struct wr_rowset_bounds bounds) {
    char bytes[16];
    uint64_t hash, wanted = 0, met = 0;
    struct wr_rowset_row *head;
    struct wr_rowset_probe probe;
    key_of(world, key, bytes, &hash);
    CHECK_INT(wr_rowset_heads(&world->set, bytes, &hash, &bounds, 1, &head), ==, WR_OK);
    wr_rowset_probe_begin(&probe, &world->set, bytes, hash, &bounds, head);
    for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
        CHECK_INT(row->id, <, world->count);
        struct fact *fact = &world->facts[row->id];
        CHECK(!fact->is_gone);
        CHECK_INT(fact->key, ==, key);
        check_row(world, row, fact);
        if (row->time_us < bounds.time_min || row->time_us > bounds.time_max ||
            row->until_us < bounds.until_min)
            continue;
        CHECK_INT(wr_rowset_match(&world->set, row, 1), ==, fact->matches);
        fact->matches++;
        met++;
    }
    for (uint32_t i = 0; i < world->count; i++) {
        const struct fact *fact = &world->facts[i];
        wanted += !fact->is_gone && fact->key == key && fact->time_us >= bounds.time_min &&
                  fact->time_us <= bounds.time_max && fact->until_us >= bounds.until_min;
    }
    CHECK_INT(met, ==, wanted);
}

static void drop(struct world *world, int64_t frontier) {
    wr_rowset_drop(&world->set, frontier);
    for (uint32_t i = 0; i < world->count; i++) {
        struct fact *fact = &world->facts[i];
        int64_t stays = fact->until_us > fact->time_us ? fact->until_us : fact->time_us;
        int64_t start = wr_rowset_slice(&world->set, stays);
        fact->is_gone |= wr_rowset_slice_end(&world->set, start) <= frontier;
    }
}

/* The set as it is after it was written and read, by what has changed or as a whole. */
static void ship(struct world *world, struct wr_rowset *twin, int all, size_t piece_bytes) {
    struct wr_buf log;
    int status;
    wr_buf_init(&log, &wr_budget_control, 0);
    do {
        wr_buf_clear(&log);
        status = wr_rowset_save(&world->set, &log, all, piece_bytes);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        struct wr_reader in = {.bytes = log.bytes, .length = log.length};
        CHECK_INT(wr_rowset_load(twin, &in), ==, WR_OK);
        CHECK_INT(in.at, ==, log.length);
    } while (status == WR_EAGAIN);
    CHECK(!wr_rowset_has_changed(&world->set));
    CHECK(!wr_rowset_has_changed(twin));
    wr_buf_release(&log);
}

static void check_twin(struct world *world, struct wr_rowset *twin) {
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
            check_row(world, other, &world->facts[row->id]);
        }
        CHECK(wr_rowset_walk_next(&b) == NULL);
    }
}

static uint64_t next(uint64_t *state) {
    return *state = wr_hash_u64(*state + 1, SEED);
}

static void facts_make(struct world *world, uint32_t count, int64_t time, uint64_t key_count,
                       uint64_t *random) {
    for (uint32_t i = 0; i < count; i++)
        world->facts[world->count + i] = (struct fact){
            .key = (int64_t)(next(random) % key_count) - 3,
            .value = world->count + i,
            .time_us = time + (int64_t)(next(random) % 10),
            .until_us = time + (int64_t)(next(random) % 200),
        };
}

static struct wr_rowset_bounds some_bounds(int64_t time, uint64_t *random) {
    int64_t from = time - (int64_t)(next(random) % 300);
    return (struct wr_rowset_bounds){
        .time_min = next(random) % 4 == 0 ? WR_TIME_MIN : from,
        .time_max = next(random) % 4 == 0 ? WR_TIME_MAX : from + (int64_t)(next(random) % 300),
        .until_min = next(random) % 2 == 0 ? WR_TIME_MIN : time - (int64_t)(next(random) % 50)};
}

/* What is asked, and how often something is taken back, differs from round to round, so that rows
 * are found in the index, out of it and in both. */
static void go_through(uint64_t random, int64_t width_us, uint64_t key_count, int takes) {
    struct world world;
    struct wr_rowset deltas;
    world_open(&world, width_us);
    CHECK_INT(wr_rowset_init(&deltas, &world.arena, &wr_budget_control, &world.keys, world.schema,
                             NULL, width_us, SEED),
              ==, WR_OK);
    for (int64_t time = 0; time < 1500 && world.count + 64 < ROWS_MAX; time += 5) {
        uint32_t count = 1 + (uint32_t)(next(&random) % 60);
        facts_make(&world, count, time, key_count, &random);
        add(&world, count);
        for (uint64_t n = next(&random) % (time % 500 < 250 ? 2 : 20); n > 0; n--)
            look(&world, (int64_t)(next(&random) % key_count) - 3, some_bounds(time, &random));
        for (uint64_t n = takes ? next(&random) % 40 : 0; n > 0; n--)
            take(&world, (uint32_t)(next(&random) % world.count));
        drop(&world, time - 20);
        if (next(&random) % 8 == 0)
            wr_rowset_settle(&world.set);
        if (next(&random) % 16 == 0) {
            ship(&world, &deltas, 0, next(&random) % 3 == 0 ? SIZE_MAX : next(&random) % 5000);
            check_twin(&world, &deltas);
        }
    }
    struct wr_rowset base;
    CHECK_INT(wr_rowset_init(&base, &world.arena, &wr_budget_control, &world.keys, world.schema,
                             NULL, width_us, SEED),
              ==, WR_OK);
    ship(&world, &base, 1, 3000);
    check_twin(&world, &base);
    /* What was read back answers as what was written. */
    wr_rowset_release(&world.set);
    world.set = base;
    for (int64_t key = -3; key < 10; key++)
        look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    wr_rowset_drop(&world.set, WR_TIME_MAX);
    CHECK_INT(world.set.count, ==, 0);
    CHECK_INT(world.set.unindexed, ==, 0);
    wr_rowset_release(&deltas);
    world_close(&world);
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
    struct world world;
    world_open(&world, 0);
    uint64_t random = 1;
    for (int round = 0; round < 100; round++) {
        facts_make(&world, 60, 0, 1000, &random);
        add(&world, 60);
    }
    uint64_t before = wr_rowset_bytes(&world.set);
    for (uint32_t i = 0; i < world.count; i++)
        if (i % 10 != 0)
            take(&world, i);
    wr_rowset_settle(&world.set);
    CHECK_INT(wr_rowset_rows(&world.set), ==, 600);
    CHECK_INT(wr_rowset_bytes(&world.set), <, before / 2);
    for (int64_t key = -3; key < 997; key++)
        look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    world_close(&world);
}

TEST(rowset_makes_no_index_for_rows_that_bounds_rule_out) {
    struct world world;
    world_open(&world, 1000);
    uint64_t random = 1;
    for (int64_t time = 0; time < 1000; time += 5) {
        facts_make(&world, 50, time, 100, &random);
        for (uint32_t i = 0; i < 50; i++)
            world.facts[world.count + i].until_us = time;
        add(&world, 50);
        look(&world, 1, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, time});
    }
    CHECK(world.set.directory == NULL);
    CHECK_INT(world.set.unindexed, ==, world.count);
    for (int64_t key = 0; key < 100; key++) /* bounds that rule nothing out */
        look(&world, key, (struct wr_rowset_bounds){WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN});
    CHECK(world.set.directory != NULL);
    CHECK_INT(world.set.unindexed, ==, 0);
    world_close(&world);
}

TEST(rowset_refuses_a_damaged_log) {
    struct world world;
    world_open(&world, 50);
    uint64_t random = 1;
    facts_make(&world, 40, 0, 10, &random);
    add(&world, 40);
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    CHECK_INT(wr_rowset_save(&world.set, &log, 1, SIZE_MAX), ==, WR_OK);
    for (size_t length = 0; length < log.length; length += 1 + length / 16) {
        struct wr_rowset twin;
        CHECK_INT(wr_rowset_init(&twin, &world.arena, &wr_budget_control, &world.keys, world.schema,
                                 NULL, 50, SEED),
                  ==, WR_OK);
        struct wr_reader in = {.bytes = log.bytes, .length = length};
        CHECK_INT(wr_rowset_load(&twin, &in), ==, WR_ECORRUPT);
        wr_rowset_release(&twin);
    }
    wr_buf_release(&log);
    world_close(&world);
}
