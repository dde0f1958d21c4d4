/* test_scratch.c: what was put into the scratch file comes back, what was dropped is written over,
 * and a full or damaged disk is an error that leaves the rest as it was. */
#include "test.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/scratch.h"

#define BLOBS 64
#define LENGTH_MAX 5000
#define UNIT_BYTES 512

static struct wr_budget budget = WR_BUDGET_INIT("scratch", 0);

/* Blobs beside a model: the bytes of blob b follow from its seed. */
struct stock {
    struct wr_scratch *scratch;
    uint64_t random;
    struct wr_scratch_blob blobs[BLOBS];
    uint64_t seeds[BLOBS];
    uint32_t lengths[BLOBS];
};

static uint64_t draw(struct stock *stock, uint64_t below) {
    stock->random = wr_hash_u64(stock->random + 1, 7);
    return stock->random % below;
}

static void fill(char *bytes, uint32_t length, uint64_t seed) {
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (char)wr_hash_u64(i / 3, seed);
}

static int put(struct stock *stock, uint32_t b, struct wr_error *err) {
    char bytes[LENGTH_MAX];
    uint32_t length = 1 + (uint32_t)draw(stock, draw(stock, 3) == 0 ? LENGTH_MAX : UNIT_BYTES);
    uint64_t seed = draw(stock, UINT64_MAX);
    fill(bytes, length, seed);
    int status = wr_scratch_put(stock->scratch, bytes, length, &stock->blobs[b], err);
    stock->lengths[b] = status == WR_OK ? length : 0;
    stock->seeds[b] = seed;
    CHECK_INT(stock->blobs[b].length, ==, stock->lengths[b]);
    return status;
}

static int check(const struct stock *stock, uint32_t b, struct wr_error *err) {
    char bytes[LENGTH_MAX], expected[LENGTH_MAX];
    int status = wr_scratch_get(stock->scratch, &stock->blobs[b], bytes, err);
    if (status != WR_OK)
        return status;
    fill(expected, stock->lengths[b], stock->seeds[b]);
    CHECK(memcmp(bytes, expected, stock->lengths[b]) == 0);
    return WR_OK;
}

static int act(struct stock *stock, struct wr_error *err) {
    uint32_t b = (uint32_t)draw(stock, BLOBS);
    if (stock->lengths[b] == 0)
        return put(stock, b, err);
    int status = check(stock, b, err);
    if (status == WR_OK && draw(stock, 2) == 0) {
        wr_scratch_drop(stock->scratch, &stock->blobs[b]);
        stock->lengths[b] = 0;
    }
    return status;
}

static uint64_t units(const struct stock *stock) {
    uint64_t count = 0;
    for (uint32_t b = 0; b < BLOBS; b++)
        count += (stock->lengths[b] + UNIT_BYTES - 1) / UNIT_BYTES;
    return count * UNIT_BYTES;
}

TEST(scratch_gives_back_what_was_put) {
    const struct wr_env *env = wr_env_real();
    struct stock stock = {.random = test_seed()};
    struct wr_error err = {0};
    CHECK_INT(wr_scratch_new(&stock.scratch, env, &budget, UNIT_BYTES), ==, WR_OK);
    uint64_t most = 0;
    for (int i = 0; i < 20000; i++) {
        CHECK_INT(act(&stock, &err), ==, WR_OK);
        uint64_t used = units(&stock);
        most = WR_MAX(most, used);
        CHECK_INT(wr_scratch_bytes(stock.scratch), ==, used);
    }
    CHECK_INT(wr_scratch_bytes_peak(stock.scratch), ==, most); /* nothing is wasted */
    for (uint32_t b = 0; b < BLOBS; b++)
        if (stock.lengths[b] > 0)
            CHECK_INT(check(&stock, b, &err), ==, WR_OK);
    wr_scratch_free(stock.scratch);
    CHECK_INT(budget.bytes_used, ==, 0);
}

/* A fault at each call in turn: that action fails with a message, and all others are right. */
static void fault_at_each_call(enum wr_sim_fault fault, const char *code) {
    int failures = 0;
    for (uint64_t at = 1; at < 400; at++) {
        struct wr_sim *sim = wr_sim_new(at);
        struct stock stock = {.random = 5};
        CHECK_INT(wr_scratch_new(&stock.scratch, wr_sim_env(sim), &budget, UNIT_BYTES), ==, WR_OK);
        wr_sim_fail_at(sim, fault, at, 0);
        for (int i = 0; i < 200; i++) {
            struct wr_error err = {0};
            int status = act(&stock, &err);
            if (status == WR_OK)
                continue;
            failures++;
            CHECK_INT(status, ==, WR_EIO);
            CHECK_STR(err.code, code);
            CHECK_CONTAINS(err.text, "scratch file");
        }
        wr_sim_fail_at(sim, WR_SIM_NONE, 0, 0);
        for (uint32_t b = 0; b < BLOBS; b++)
            if (stock.lengths[b] > 0)
                CHECK_INT(check(&stock, b, NULL), ==, WR_OK);
        CHECK_INT(wr_scratch_bytes(stock.scratch), ==, units(&stock));
        wr_scratch_free(stock.scratch);
        wr_sim_free(sim);
    }
    CHECK_INT(budget.bytes_used, ==, 0);
    CHECK_INT(failures, >, fault == WR_SIM_SHORT_READ ? -1 : 100);
}

TEST(scratch_fails_where_a_call_fails_and_keeps_the_rest) {
    fault_at_each_call(WR_SIM_EIO, "W614");
    fault_at_each_call(WR_SIM_ENOSPC, "W610");
}

TEST(scratch_reads_on_after_a_short_read) {
    struct wr_sim *sim = wr_sim_new(1);
    struct stock stock = {.random = 5};
    CHECK_INT(wr_scratch_new(&stock.scratch, wr_sim_env(sim), &budget, UNIT_BYTES), ==, WR_OK);
    CHECK_INT(put(&stock, 0, NULL), ==, WR_OK);
    for (uint64_t at = 1; at < 10; at++) {
        wr_sim_fail_at(sim, WR_SIM_SHORT_READ, at, 0);
        CHECK_INT(check(&stock, 0, NULL), ==, WR_OK);
    }
    wr_scratch_free(stock.scratch);
    wr_sim_free(sim);
}

TEST(scratch_says_that_other_bytes_are_there) {
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_scratch *scratch;
    struct wr_scratch_blob first, second;
    struct wr_error err = {0};
    char bytes[8];
    CHECK_INT(wr_scratch_new(&scratch, wr_sim_env(sim), &budget, UNIT_BYTES), ==, WR_OK);
    CHECK_INT(wr_scratch_put(scratch, "one", 3, &first, &err), ==, WR_OK);
    struct wr_scratch_blob stale = first;
    wr_scratch_drop(scratch, &first);
    CHECK_INT(wr_scratch_put(scratch, "two", 3, &second, &err), ==, WR_OK);
    CHECK_INT(wr_scratch_get(scratch, &stale, bytes, &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, "other bytes than were written");
    CHECK_STR(err.code, "W613");
    wr_scratch_free(scratch);
    wr_sim_free(sim);
}

TEST_EACH_ALLOCATION_FAILS(scratch_gives_everything_back) {
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_scratch *scratch = NULL;
    struct wr_scratch_blob blob = {0};
    char bytes[LENGTH_MAX] = {0};
    int status =
        sim == NULL ? WR_ENOMEM : wr_scratch_new(&scratch, wr_sim_env(sim), &budget, UNIT_BYTES);
    if (status == WR_OK)
        status = wr_scratch_put(scratch, bytes, sizeof bytes, &blob, NULL);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    wr_scratch_free(scratch);
    wr_sim_free(sim);
    CHECK_INT(budget.bytes_used, ==, 0);
}
