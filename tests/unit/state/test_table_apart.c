/* test_table_apart.c: rows that are saved apart: copied while the table is changed, and read back
 * when their keys are asked for. */
#include "test.h"

#include "support_world.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/env.h"
#include "state/apart.h"
#include "state/page.h"
#include "state/scratch.h"

#define PIECES_MAX 4096u
#define PLACE_BYTES 13u /* magic, set and start, in front of what is copied later */

struct piece {
    struct wr_buf log, rows;
};

/* What a store keeps: pieces, in the order in which they came. */
struct kept {
    struct world *world;
    uint32_t count;
    uint64_t read_count;
    uint32_t fails_at; /* a piece that cannot be read; 0: none */
    struct piece pieces[PIECES_MAX];
};

static int keep(struct kept *kept, const char *log, size_t length, const struct wr_buf *rows) {
    CHECK_INT(kept->count, <, PIECES_MAX);
    struct piece *piece = &kept->pieces[kept->count++];
    wr_buf_init(&piece->log, &wr_budget_control, 0);
    wr_buf_init(&piece->rows, &wr_budget_control, 0);
    wr_buf_add(&piece->log, log, length);
    wr_buf_add(&piece->rows, rows->bytes, rows->length);
    return piece->log.status == WR_OK ? piece->rows.status : piece->log.status;
}

static int give(void *ctx, struct wr_buf *bytes, struct wr_buf *rows) {
    return keep(ctx, bytes->bytes + PLACE_BYTES, bytes->length - PLACE_BYTES, rows);
}

static int read_piece(void *ctx, int64_t piece, wr_apart_fn fn, void *fn_ctx,
                      struct wr_error *err) {
    struct kept *kept = ctx;
    (void)err;
    kept->read_count++;
    if (piece + 1 == kept->fails_at)
        return WR_EIO;
    const struct wr_buf *rows = &kept->pieces[piece].rows;
    struct wr_reader in = {.bytes = rows->bytes, .length = rows->length};
    return fn(fn_ctx, &in);
}

static void forget(struct kept *kept) {
    while (kept->count > 0) {
        struct piece *piece = &kept->pieces[--kept->count];
        wr_buf_release(&piece->log);
        wr_buf_release(&piece->rows);
    }
}

/* Pages of the table rest where it takes more than a random part of what it has. */
static void relieve(struct world *world, struct wr_table *table, struct wr_apart *apart) {
    if (apart->scratch == NULL)
        CHECK_INT(wr_scratch_new(&apart->scratch, wr_env_real(), &world->budget, 4096), ==, WR_OK);
    uint64_t bytes = wr_table_live_bytes(table);
    CHECK_INT(wr_table_relieve(table, apart, world_random(world, bytes + 1)), ==, WR_OK);
}

static void change(struct world *world) {
    int is_little = world_random(world, 2) == 0; /* few pages, which are listed */
    uint64_t upserts = world_random(world, 4);
    for (uint64_t i = 0; i < upserts; i++)
        CHECK_INT(world_upsert(world, (uint32_t)world_random(world, is_little ? 3 : 100)), ==,
                  WR_OK);
    for (uint64_t i = world_random(world, is_little ? 3 : world->key_count / 8); i > 0; i--)
        world_delete(world);
}

static void save(struct kept *kept, struct wr_apart *apart, int all, size_t piece_bytes) {
    struct wr_buf log;
    wr_buf_init(&log, &wr_budget_control, 0);
    int status;
    do {
        wr_buf_clear(&log);
        wr_buf_clear(&apart->rows);
        status = wr_table_save_apart(kept->world->table, &log, apart, all, piece_bytes);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        CHECK_INT(keep(kept, log.bytes, log.length, &apart->rows), ==, WR_OK);
    } while (status == WR_EAGAIN);
    wr_buf_release(&log);
}

/* Its rows are held, and follow behind. */
static void freeze(struct kept *kept, struct wr_apart *apart) {
    apart->freeze_pages_min = 1;
    save(kept, apart, 1, SIZE_MAX);
    CHECK_INT(apart->frozen_count, ==, 1);
}

/* A table that has read nothing yet. */
static struct wr_table *load(struct kept *kept, struct wr_apart *apart) {
    struct world *world = kept->world;
    *apart = (struct wr_apart){.read = read_piece, .ctx = kept};
    struct wr_table *table =
        wr_table_new(&world->budget, &world_shapes[world->kind], wr_table_seed(world->table));
    CHECK(table != NULL);
    kept->read_count = 0;
    for (uint32_t i = 0; i < kept->count; i++) {
        const struct wr_buf *log = &kept->pieces[i].log;
        struct wr_reader in = {.bytes = log->bytes, .length = log->length};
        apart->piece = i;
        CHECK_INT(wr_table_load_apart(table, &in, apart), ==, WR_OK);
        CHECK_INT(in.at, ==, in.length);
    }
    CHECK_INT(kept->read_count, ==, 0);
    return table;
}

/* Some keys are asked for first, and then all: `values` is what they must say. */
static void check_loaded(struct kept *kept, const struct world_value *values, uint32_t present,
                         int rests) {
    struct world *world = kept->world;
    struct wr_apart apart;
    struct wr_table *table = load(kept, &apart);
    CHECK_INT(wr_table_count(table), ==, present);
    for (uint64_t i = world_random(world, 8); i > 0; i--) {
        uint32_t number = (uint32_t)world_random(world, world->key_count);
        _Alignas(16) uint8_t key[64];
        char text[64];
        uint64_t hash;
        uint8_t *row;
        world_key(world->kind, wr_table_seed(table), number, key, text, &hash);
        wr_table_find(table, key, &hash, 1, &row);
        CHECK_INT(row != NULL, ==, values[number].present);
        CHECK_INT(wr_table_count(table), ==, present);
        if (world_random(world, 4) == 0)
            CHECK_INT(wr_apart_catch_up(&apart, world_random(world, 3000)), ==, WR_OK);
        if (rests && world_random(world, 2))
            relieve(world, table, &apart);
    }
    if (rests && world_random(world, 2)) {
        apart.env = wr_env_real();
        apart.memory_bytes = 1 + world_random(world, 2 * wr_apart_owes(&apart) + 1);
        CHECK_INT(wr_apart_read_large(&apart), ==, WR_OK);
    }
    struct world_value *now = wr_alloc(&wr_budget_control, sizeof world->values);
    uint32_t now_present = world->present_count;
    memcpy(now, world->values, sizeof world->values);
    memcpy(world->values, values, sizeof world->values);
    world->present_count = present;
    world_check(world, table);
    CHECK_INT(apart.failure, ==, WR_OK);
    CHECK(apart.owing == NULL);
    memcpy(world->values, now, sizeof world->values);
    world->present_count = now_present;
    wr_free(&wr_budget_control, now);
    wr_table_free(table);
    wr_scratch_free(apart.scratch);
}

/* How many bytes rested at most. */
static uint64_t run_saves(enum world_kind kind, uint32_t key_count, int rests, uint64_t seed) {
    struct world *world = world_new(kind, key_count, seed);
    struct kept *kept = wr_alloc_zero(&wr_budget_control, sizeof *kept);
    struct world_value *values = wr_alloc(&wr_budget_control, sizeof world->values);
    struct wr_apart apart = {.give = give, .give_ctx = kept};
    wr_buf_init(&apart.rows, &wr_budget_control, 0);
    kept->world = world;
    for (int epoch = 0; epoch < 16; epoch++) {
        for (uint64_t i = world_random(world, 3); i > 0; i--) {
            change(world);
            if (rests)
                relieve(world, world->table, &apart);
        }
        int all = epoch == 0 || world_random(world, 6) == 0;
        if (all) /* a base stands by itself */
            forget(kept);
        apart.freeze_pages_min = 1 * (uint32_t)world_random(world, 3);
        apart.piece_bytes = world_random(world, 2) ? 200 : 8000;
        save(kept, &apart, all, world_random(world, 2) ? SIZE_MAX : world_random(world, 20000));
        memcpy(values, world->values, sizeof world->values);
        uint32_t present = world->present_count;
        while (wr_apart_copy(&apart, world_random(world, 4000)) == WR_EAGAIN)
            switch (world_random(world, 4)) {
            case 0:
            case 1: change(world); break;
            case 2:
                if (rests)
                    relieve(world, world->table, &apart);
            }
        CHECK_INT(apart.failure, ==, WR_OK);
        CHECK_INT(apart.frozen_count, ==, 0);
        check_loaded(kept, values, present, rests);
    }
    world_check(world, world->table);
    forget(kept);
    wr_buf_release(&apart.rows);
    wr_free(&wr_budget_control, values);
    wr_free(&wr_budget_control, kept);
    wr_table_free(world->table);
    world->table = NULL;
    uint64_t rested_bytes = wr_scratch_bytes_peak(apart.scratch);
    CHECK_INT(wr_scratch_bytes(apart.scratch), ==, 0); /* all of it was given back */
    wr_scratch_free(apart.scratch);
    world_free(world);
    return rested_bytes;
}

TEST(apart_rows_are_those_of_the_moment_of_the_save) {
    uint64_t seed = test_seed();
    do {
        run_saves(WORLD_WORD, 4000, 0, seed++);
        run_saves(WORLD_FIXED, 900, 0, seed++);
        run_saves(WORLD_TEXT, 900, 0, seed++);
        run_saves(WORLD_WIDE, 60, 0, seed++);
    } while (test_random_time_left());
}

TEST(apart_rows_that_rest_are_as_good_as_those_in_memory) {
    uint64_t seed = test_seed();
    do {
        uint64_t bytes = run_saves(WORLD_WORD, 4096, 1, seed++);
        bytes += run_saves(WORLD_FIXED, 2000, 1, seed++);
        bytes += run_saves(WORLD_TEXT, 2000, 1, seed++);
        bytes += run_saves(WORLD_WIDE, 200, 1, seed++);
        CHECK_INT(bytes, >, 0);
    } while (test_random_time_left());
}

/* Rows of `count` keys, each changed once by the batch that makes it. */
static struct kept *kept_of(enum world_kind kind, uint32_t count, uint64_t seed,
                            struct wr_apart *apart) {
    struct kept *kept = wr_alloc_zero(&wr_budget_control, sizeof *kept);
    kept->world = world_new(kind, count, seed);
    while (kept->world->present_count < count)
        CHECK_INT(world_upsert(kept->world, 300), ==, WR_OK);
    *apart = (struct wr_apart){.give = give, .give_ctx = kept, .piece_bytes = 2000};
    wr_buf_init(&apart->rows, &wr_budget_control, 0);
    return kept;
}

static void kept_free(struct kept *kept, struct wr_apart *apart) {
    forget(kept);
    wr_buf_release(&apart->rows);
    world_free(kept->world);
    wr_free(&wr_budget_control, kept);
}

TEST(apart_rows_of_one_key_are_read_without_the_others) {
    struct wr_apart apart, loading;
    struct kept *kept = kept_of(WORLD_WIDE, 200, 7, &apart);
    freeze(kept, &apart);
    CHECK_INT(wr_apart_copy(&apart, UINT64_MAX), ==, WR_OK);
    uint32_t pieces = kept->count;
    CHECK_INT(pieces, >, 6);
    struct wr_table *table = load(kept, &loading);
    uint64_t key = 5 * UINT64_C(1000003);
    CHECK(wr_table_find_word(table, key) != NULL);
    CHECK_INT(kept->read_count, >, 0);
    CHECK_INT(kept->read_count, <, pieces / 2);
    wr_table_free(table);
    kept_free(kept, &apart);
}

/* As many small saves have rows of all hashes, so that each range has rows in each of them. */
TEST(apart_rows_that_are_more_than_the_memory_rest_while_they_are_read) {
    for (int kind = WORLD_FIXED; kind <= WORLD_TEXT; kind++) {
        struct wr_apart apart, loading;
        struct kept *kept = kept_of(kind, 4000, 11, &apart);
        struct wr_budget *budget = &kept->world->budget;
        for (int saves = 0; saves < 40; saves++) {
            save(kept, &apart, 0, 20000);
            CHECK_INT(world_upsert(kept->world, 300), ==, WR_OK);
        }
        save(kept, &apart, 0, SIZE_MAX);
        uint64_t table_bytes = wr_table_bytes(kept->world->table);
        struct wr_table *table = load(kept, &loading);
        loading.env = wr_env_real();
        loading.memory_bytes = table_bytes / 2;
        uint64_t before = budget->bytes_used;
        budget->bytes_peak = before;
        CHECK_INT(wr_apart_read_large(&loading), ==, WR_OK);
        CHECK(loading.owing == NULL);
        CHECK_INT(budget->bytes_peak - before, <, table_bytes * 3 / 4);
        CHECK_INT(wr_apart_resting_bytes(&loading), >, 0);
        world_check(kept->world, table);
        wr_table_free(table);
        CHECK_INT(wr_apart_resting_bytes(&loading), ==, 0);
        wr_scratch_free(loading.scratch);
        kept_free(kept, &apart);
    }
}

TEST(apart_rows_that_cannot_be_read_are_an_error) {
    struct wr_apart apart, loading;
    struct kept *kept = kept_of(WORLD_WORD, 3000, 8, &apart);
    save(kept, &apart, 1, 2000);
    CHECK_INT(kept->count, >, 4);
    kept->fails_at = kept->count / 2;
    struct wr_table *table = load(kept, &loading);
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    CHECK_INT(loading.failure, ==, WR_EIO);
    wr_table_free(table);
    kept->fails_at = 0;
    forget(kept);
    kept_free(kept, &apart);
}

/* The table goes: what was frozen of it is copied first. */
TEST(apart_rows_of_a_table_that_goes_are_copied) {
    struct wr_apart apart;
    struct kept *kept = kept_of(WORLD_WORD, 2000, 9, &apart);
    freeze(kept, &apart);
    uint32_t pieces = kept->count;
    wr_table_free(kept->world->table);
    CHECK_INT(apart.frozen_count, ==, 0);
    CHECK_INT(kept->count, >, pieces);
    kept->world->table = wr_table_new(&kept->world->budget, &world_shapes[WORLD_WORD], 9);
    check_loaded(kept, kept->world->values, kept->world->present_count, 0);
    kept_free(kept, &apart);
}

static int give_nothing(void *ctx, struct wr_buf *bytes, struct wr_buf *rows) {
    (void)bytes;
    (void)rows;
    return ++*(int *)ctx == 2 ? WR_ENOMEM : WR_OK;
}

/* Also where the rest of the rows, or the table, goes its way. */
TEST(apart_rows_that_were_not_given_are_a_failure_whatever_comes_behind_them) {
    for (int way = 0; way < 2; way++) {
        struct wr_apart apart;
        struct kept *kept = kept_of(WORLD_WORD, 2000, 11, &apart);
        int given = 0;
        apart.give = give_nothing;
        apart.give_ctx = &given;
        freeze(kept, &apart);
        if (way == 0) {
            CHECK_INT(wr_apart_copy(&apart, UINT64_MAX), ==, WR_ENOMEM);
            CHECK_INT(apart.frozen_count, ==, 1);
        }
        wr_table_free(kept->world->table);
        kept->world->table = wr_table_new(&kept->world->budget, &world_shapes[WORLD_WORD], 11);
        CHECK_INT(apart.frozen_count, ==, 0);
        CHECK_INT(apart.failure, ==, WR_ENOMEM);
        kept_free(kept, &apart);
    }
}

TEST(apart_rows_that_nobody_wants_more_are_dropped) {
    struct wr_apart apart;
    struct kept *kept = kept_of(WORLD_TEXT, 500, 10, &apart);
    freeze(kept, &apart);
    uint32_t pieces = kept->count;
    wr_apart_drop_frozen(&apart);
    CHECK_INT(kept->count, ==, pieces);
    kept_free(kept, &apart);
}
