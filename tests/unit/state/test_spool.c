/* test_spool.c: rows leave in the order of their keys, wherever they were kept meanwhile, each
 * once, also when the process ends in between. */
#include "test.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/status.h"
#include "state/spool.h"
#include "state/store.h"

#define ROWS 500

static struct wr_budget budget = WR_BUDGET_INIT("spool", 0);

/* The rows that came out. */
struct taken {
    uint32_t count;
    uint32_t rows[ROWS];
};

/* Keys are 7919 * row modulo a prime, in bytes whose order is theirs. */
static void key_of(uint32_t row, char key[8]) {
    snprintf(key, 8, "%05u", (row * 7919u) % 99991u);
}

static int take(void *ctx, const void *key, uint32_t key_bytes, const void *value,
                uint32_t value_bytes) {
    struct taken *taken = ctx;
    char expected[8];
    CHECK_INT(value_bytes, ==, sizeof(uint32_t));
    CHECK_INT(taken->count, <, ROWS);
    memcpy(&taken->rows[taken->count], value, value_bytes);
    key_of(taken->rows[taken->count++], expected);
    CHECK_INT(key_bytes, ==, 5);
    CHECK(memcmp(key, expected, 5) == 0);
    return WR_OK;
}

static void put_rows(struct wr_spool *spool, uint32_t first, uint32_t end) {
    for (uint32_t row = first; row < end; row++) {
        char key[8];
        struct wr_error err = {0};
        key_of(row, key);
        CHECK_INT(wr_spool_put(spool, key, 5, &row, sizeof row, &err), ==, WR_OK);
    }
}

static void check_order(const struct taken *taken, uint32_t count) {
    CHECK_INT(taken->count, ==, count);
    for (uint32_t i = 1; i < count; i++) {
        char before[8], key[8];
        key_of(taken->rows[i - 1], before);
        key_of(taken->rows[i], key);
        CHECK(strcmp(before, key) < 0);
    }
}

static void take_all(struct wr_spool *spool, uint32_t row_max, struct taken *taken) {
    struct wr_error err = {0};
    int status;
    while ((status = wr_spool_take(spool, row_max, take, taken, &err)) == WR_OK) {}
    CHECK_STR(err.text, "");
    CHECK_INT(status, ==, WR_EEND);
}

/* In memory, and from the first, some or the last row on in a temporary database. */
TEST(spool_gives_rows_in_the_order_of_their_keys) {
    const uint64_t memory[] = {0, 1, 3000, 20000};
    for (size_t m = 0; m < sizeof memory / sizeof memory[0]; m++)
        for (uint32_t row_max = 1; row_max < 1000; row_max *= 9) {
            struct wr_spool *spool = NULL;
            struct taken taken = {0};
            CHECK_INT(wr_spool_new(&spool, wr_env_real(), NULL, &budget, memory[m]), ==, WR_OK);
            put_rows(spool, 0, ROWS);
            CHECK_INT(wr_spool_is_full(spool), ==, 0);
            take_all(spool, row_max, &taken);
            check_order(&taken, ROWS);
            wr_spool_free(spool);
        }
    CHECK_INT(budget.bytes_used, ==, 0);
}

TEST(spool_without_rows_has_ended) {
    struct wr_spool *spool = NULL;
    struct taken taken = {0};
    CHECK_INT(wr_spool_new(&spool, wr_env_real(), NULL, &budget, 0), ==, WR_OK);
    take_all(spool, 10, &taken);
    CHECK_INT(taken.count, ==, 0);
    wr_spool_free(spool);
}

/* ---- with a state file ---- */

struct kept {
    struct wr_store *store;
    struct wr_spool *spool;
};

static void kept_open(struct kept *kept, const char *path) {
    struct wr_error err = {0};
    int status = wr_store_open(&kept->store, wr_env_real(), path, "plan", &err);
    CHECK_STR(err.text, "");
    CHECK_INT(status, ==, WR_OK);
    CHECK_INT(wr_spool_new(&kept->spool, wr_env_real(), kept->store, &budget, 2000), ==, WR_OK);
}

static void kept_close(struct kept *kept) {
    wr_spool_free(kept->spool);
    wr_store_close(kept->store);
}

static void kept_save(struct kept *kept) {
    struct wr_error err = {0};
    CHECK_INT(wr_store_begin(kept->store, &err), ==, WR_OK);
    CHECK_INT(wr_spool_save(kept->spool, &err), ==, WR_OK);
    CHECK_INT(wr_store_commit(kept->store, &err), ==, WR_OK);
}

/* What was not saved is put again by whoever goes on; what was taken after the last checkpoint
 * comes again. */
TEST(spool_in_a_state_file_goes_on_from_the_last_checkpoint) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/weir-spool-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    memcpy(path + strlen(path), "/state", 7);
    struct kept kept;
    kept_open(&kept, path);
    put_rows(kept.spool, 0, 200);
    CHECK_INT(wr_spool_is_full(kept.spool), ==, 1);
    kept_save(&kept);
    CHECK_INT(wr_spool_is_full(kept.spool), ==, 0);
    put_rows(kept.spool, 200, 300); /* lost */
    kept_close(&kept);

    kept_open(&kept, path);
    put_rows(kept.spool, 200, ROWS);
    kept_save(&kept);
    struct taken taken = {0};
    struct wr_error err = {0};
    CHECK_INT(wr_spool_take(kept.spool, 150, take, &taken, &err), ==, WR_OK);
    kept_save(&kept);
    struct taken again = taken;
    CHECK_INT(wr_spool_take(kept.spool, 7, take, &again, &err), ==, WR_OK);
    kept_close(&kept);

    kept_open(&kept, path);
    take_all(kept.spool, 64, &taken);
    check_order(&taken, ROWS);
    kept_save(&kept);
    kept_close(&kept);

    kept_open(&kept, path);
    struct taken none = {0};
    take_all(kept.spool, 64, &none);
    CHECK_INT(none.count, ==, 0);
    kept_close(&kept);
    CHECK_INT(budget.bytes_used, ==, 0);
}
