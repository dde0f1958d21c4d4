#include "test.h"

#include "support_rowset.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/scratch.h"

static const char *const long_text = "a string that is longer than twelve bytes: ";

void rows_open(struct rows_world *world, int64_t width_us) {
    memset(world, 0, sizeof *world);
    world->sim = wr_sim_new(1);
    world->apart.env = wr_sim_env(world->sim);
    wr_arena_init(&world->arena, &wr_budget_control, 4096);
    wr_batch_pool_init(&world->pool, &wr_budget_control);
    world->schema = wr_schema_new(&world->arena, 2);
    world->schema->field_count = 2;
    world->schema->fields[0] = (struct wr_field){.name = "value", .type = WR_TYPE(WR_INT64)};
    world->schema->fields[1] = (struct wr_field){.name = "text", .type = WR_TYPE(WR_STRING)};
    CHECK_INT(wr_key_layout_init(&world->keys, &WR_TYPE(WR_INT64), 1, 1), ==, WR_OK);
    world->facts = WR_ARENA_ARRAY(&world->arena, struct rows_fact, ROWS_MAX);
    CHECK_INT(wr_rowset_init(&world->set, &world->arena, &wr_budget_control, &world->keys,
                             world->schema, NULL, width_us, ROWS_SEED),
              ==, WR_OK);
}

void rows_close(struct rows_world *world) {
    wr_rowset_release(&world->set);
    CHECK_INT(wr_scratch_bytes(world->apart.scratch), ==, 0);
    wr_scratch_free(world->apart.scratch);
    wr_sim_free(world->sim);
    wr_batch_pool_release(&world->pool);
    wr_arena_release(&world->arena);
}

struct wr_batch *rows_batch_of(struct rows_world *world, const struct rows_fact *facts,
                               uint32_t count) {
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

void rows_key_of(const struct rows_world *world, int64_t key, char *bytes, uint64_t *hash) {
    struct wr_column column = {.data = &key};
    memset(bytes, 0, 16);
    wr_keys_build(&world->keys, &column, NULL, 1, ROWS_SEED, bytes, hash);
}

void rows_add(struct rows_world *world, uint32_t count) {
    struct wr_batch *batch = rows_batch_of(world, world->facts + world->count, count);
    char keys[16 * 64];
    uint64_t hashes[64];
    uint32_t rows[64];
    struct wr_rowset_entry entries[64];
    for (uint32_t i = 0; i < count; i++) {
        const struct rows_fact *fact = &world->facts[world->count + i];
        rows_key_of(world, fact->key, keys + 16 * i, &hashes[i]);
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

void rows_take(struct rows_world *world, uint32_t i) {
    struct rows_fact *fact = &world->facts[i];
    struct wr_batch *batch = rows_batch_of(world, fact, 1);
    char key[16];
    uint64_t hash;
    int found;
    rows_key_of(world, fact->key, key, &hash);
    CHECK_INT(wr_rowset_remove(&world->set, key, hash, -fact->key, batch, 0, &found), ==, WR_OK);
    CHECK_INT(found, ==, !fact->is_gone);
    fact->is_gone = 1;
    wr_batch_unref(batch);
}

void rows_check_row(struct rows_world *world, const struct wr_rowset_row *row,
                    const struct rows_fact *fact) {
    struct wr_batch *batch = rows_batch_of(world, fact, 1);
    CHECK(wr_payload_holds(&world->set.payload, wr_rowset_payload(&world->set, row), batch, 0));
    CHECK_INT(row->time_us, ==, fact->time_us);
    CHECK_INT(row->from_us, ==, -fact->key);
    CHECK_INT(row->until_us, ==, fact->until_us);
    CHECK_INT(row->matches, ==, fact->matches);
    wr_batch_unref(batch);
}

void rows_look(struct rows_world *world, int64_t key, struct wr_rowset_bounds bounds) {
    char bytes[16];
    uint64_t hash, wanted = 0, met = 0;
    struct wr_rowset_row *head;
    struct wr_rowset_probe probe;
    rows_key_of(world, key, bytes, &hash);
    CHECK_INT(wr_rowset_heads(&world->set, bytes, &hash, &bounds, 1, &head), ==, WR_OK);
    wr_rowset_probe_begin(&probe, &world->set, bytes, hash, &bounds, head);
    for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
        CHECK_INT(row->id, <, world->count);
        struct rows_fact *fact = &world->facts[row->id];
        CHECK(!fact->is_gone);
        CHECK_INT(fact->key, ==, key);
        rows_check_row(world, row, fact);
        if (row->time_us < bounds.time_min || row->time_us > bounds.time_max ||
            row->until_us < bounds.until_min)
            continue;
        CHECK_INT(wr_rowset_match(&world->set, row, 1), ==, fact->matches);
        fact->matches++;
        met++;
    }
    CHECK_INT(probe.status, ==, WR_OK);
    for (uint32_t i = 0; i < world->count; i++) {
        const struct rows_fact *fact = &world->facts[i];
        wanted += !fact->is_gone && fact->key == key && fact->time_us >= bounds.time_min &&
                  fact->time_us <= bounds.time_max && fact->until_us >= bounds.until_min;
    }
    CHECK_INT(met, ==, wanted);
}

void rows_drop(struct rows_world *world, int64_t frontier) {
    wr_rowset_drop(&world->set, frontier);
    for (uint32_t i = 0; i < world->count; i++) {
        struct rows_fact *fact = &world->facts[i];
        int64_t stays = fact->until_us > fact->time_us ? fact->until_us : fact->time_us;
        int64_t start = wr_rowset_slice(&world->set, stays);
        fact->is_gone |= wr_rowset_slice_end(&world->set, start) <= frontier;
    }
}

void rows_ship(struct rows_world *world, struct wr_rowset *twin, int all, size_t piece_bytes) {
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

uint64_t rows_next(uint64_t *state) {
    return *state = wr_hash_u64(*state + 1, ROWS_SEED);
}

void rows_facts_make(struct rows_world *world, uint32_t count, int64_t time, uint64_t key_count,
                     uint64_t *random) {
    for (uint32_t i = 0; i < count; i++)
        world->facts[world->count + i] = (struct rows_fact){
            .key = (int64_t)(rows_next(random) % key_count) - 3,
            .value = world->count + i,
            .time_us = time + (int64_t)(rows_next(random) % 10),
            .until_us = time + (int64_t)(rows_next(random) % 200),
        };
}

struct wr_rowset_bounds rows_some_bounds(int64_t time, uint64_t *random) {
    int64_t from = time - (int64_t)(rows_next(random) % 300);
    return (struct wr_rowset_bounds){
        .time_min = rows_next(random) % 4 == 0 ? WR_TIME_MIN : from,
        .time_max =
            rows_next(random) % 4 == 0 ? WR_TIME_MAX : from + (int64_t)(rows_next(random) % 300),
        .until_min =
            rows_next(random) % 2 == 0 ? WR_TIME_MIN : time - (int64_t)(rows_next(random) % 50)};
}

void rows_check_rows(struct rows_world *world, struct wr_rowset *set, uint64_t key_count) {
    static const struct wr_rowset_bounds any = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};
    static uint8_t seen[ROWS_MAX];
    uint64_t left = 0;
    memset(seen, 0, sizeof seen);
    for (int64_t key = -3; key < (int64_t)key_count - 3; key++) {
        char bytes[16];
        uint64_t hash;
        struct wr_rowset_row *head;
        struct wr_rowset_probe probe;
        rows_key_of(world, key, bytes, &hash);
        CHECK_INT(wr_rowset_heads(set, bytes, &hash, &any, 1, &head), ==, WR_OK);
        wr_rowset_probe_begin(&probe, set, bytes, hash, &any, head);
        for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
            CHECK_INT(row->id, <, world->count);
            CHECK_INT(world->facts[row->id].key, ==, key);
            rows_check_row(world, row, &world->facts[row->id]);
            CHECK_INT(seen[row->id]++, ==, 0);
        }
        CHECK_INT(probe.status, ==, WR_OK);
    }
    for (uint32_t i = 0; i < world->count; i++) {
        CHECK_INT(seen[i], ==, !world->facts[i].is_gone);
        left += seen[i];
    }
    CHECK_INT(wr_rowset_rows(set), ==, left);
}
