/* test_power.c: the state file in a simulated world: whatever call fails, and wherever the power
 * goes, the last checkpoint that was acknowledged is there, whole. */
#include "test.h"

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "state/store.h"
#include "state/vfs.h"

#define CHECKPOINTS 12u
#define PART_BYTES 6000u
#define TABLE_BASE_EACH 4u /* checkpoints; so places of rows are freed, and used again */

/* A run of a simulated world; the memory of the program dies with each start. */
struct run {
    struct wr_sim *sim;
    struct wr_vfs *vfs;
    uint64_t acknowledged; /* checkpoints */
    uint64_t cut_behind;   /* so many of them the power goes; 0: never */
    int careless;          /* synchronous off: what these tests must find */
    uint32_t starts;
};

static char byte_of(uint64_t number, uint64_t at) {
    return (char)('a' + (number * 31 + at * 7 + at / 512) % 26);
}

static uint64_t table_bytes(uint64_t number) {
    return 200 + number * 2741 % 9000;
}

/* Rows that lie beside the database, of other lengths each time. */
static int write_table(struct wr_store *store, uint64_t number) {
    static char bytes[9200];
    for (uint64_t i = 0; i < table_bytes(number); i++)
        bytes[i] = byte_of(number, i);
    return wr_store_put_apart(store, "table", &number, sizeof number,
                              (struct wr_store_rows){.bytes = bytes, .length = table_bytes(number)},
                              number % TABLE_BASE_EACH == 0, NULL);
}

/* Checkpoint N puts its bytes as a delta of "state", as a base each fifth time, rows of "table",
 * and its number as the position of the source. */
static int write_checkpoint(struct wr_store *store) {
    static char bytes[PART_BYTES];
    uint64_t number = wr_store_number(store) + 1;
    for (uint64_t i = 0; i < PART_BYTES; i++)
        bytes[i] = byte_of(number, i);
    int status = wr_store_begin(store, NULL);
    if (status == WR_OK)
        status = wr_store_put(store, "state", bytes, PART_BYTES, number % 5 == 0, NULL);
    if (status == WR_OK)
        status = write_table(store, number);
    if (status == WR_OK)
        status = wr_store_put(store, "source 0", &number, sizeof number, 1, NULL);
    return status == WR_OK ? wr_store_commit(store, NULL) : status;
}

struct seen {
    struct wr_store *store;
    uint64_t expected; /* number of the next piece */
    uint64_t position;
    uint64_t expected_table, piece_count;
    int64_t pieces[CHECKPOINTS];
    int wrong;
};

static int see_state(void *ctx, struct wr_reader *bytes, int base) {
    struct seen *seen = ctx;
    seen->wrong |= bytes->length != PART_BYTES || base != (seen->expected % 5 == 0);
    for (uint64_t i = 0; i < bytes->length && !seen->wrong; i++)
        seen->wrong = bytes->bytes[i] != byte_of(seen->expected, i);
    seen->expected++;
    return WR_OK;
}

static int see_position(void *ctx, struct wr_reader *bytes, int base) {
    struct seen *seen = ctx;
    (void)base;
    seen->position = wr_reader_u64(bytes);
    return WR_OK;
}

static int see_piece(void *ctx, struct wr_reader *bytes, int base) {
    struct seen *seen = ctx;
    uint64_t number = wr_reader_u64(bytes);
    if (seen->piece_count == 0)
        seen->expected_table = number;
    seen->wrong |= number != seen->expected_table + seen->piece_count ||
                   base != (number % TABLE_BASE_EACH == 0) || seen->piece_count == CHECKPOINTS;
    if (!seen->wrong)
        seen->pieces[seen->piece_count++] = wr_store_piece(seen->store);
    return WR_OK;
}

static int see_rows(void *ctx, struct wr_reader *rows) {
    struct seen *seen = ctx;
    seen->wrong |= rows->length != table_bytes(seen->expected_table);
    for (uint64_t i = 0; i < rows->length && !seen->wrong; i++)
        seen->wrong = rows->bytes[i] != byte_of(seen->expected_table, i);
    seen->expected_table++;
    return WR_OK;
}

static int see_table(struct wr_store *store, struct seen *seen) {
    int status = wr_store_read(store, "table", see_piece, seen, NULL);
    for (uint64_t i = 0; i < seen->piece_count && status == WR_OK; i++)
        status = wr_store_read_rows(store, seen->pieces[i], see_rows, seen, NULL);
    return status;
}

/* Reads all of the state: WR_OK when it is that of its number. `*wrong` is set when it is not. */
static int look(struct wr_store *store, uint64_t acknowledged, int *wrong) {
    uint64_t number = wr_store_number(store);
    struct seen seen = {.store = store, .expected = number < 5 ? 1 : number / 5 * 5};
    int status = wr_store_read(store, "state", see_state, &seen, NULL);
    if (status == WR_OK)
        status = wr_store_read(store, "source 0", see_position, &seen, NULL);
    if (status == WR_OK)
        status = see_table(store, &seen);
    if (status == WR_OK)
        *wrong |= seen.wrong || (number > 0 && seen.expected_table != number + 1) ||
                  seen.position != number || seen.expected != number + 1 || number < acknowledged ||
                  number > acknowledged + 1;
    return status;
}

/* One life of the program: opens, looks, writes what is missing. 1 when all is done. */
static int live(struct run *run, int *wrong) {
    struct wr_store *store;
    struct wr_error err = {0};
    run->starts++;
    int status = wr_store_open(&store, wr_sim_env(run->sim), "run/state", "plan", &err);
    if (status == WR_ECORRUPT || status == WR_ESCRIPT)
        *wrong = 1;
    if (status != WR_OK)
        return 0;
    wr_store_set_rows_bytes(store, 1000);
    if (run->careless)
        sqlite3_exec(wr_store_connection(store), "pragma synchronous = off", NULL, NULL, NULL);
    status = look(store, run->acknowledged, wrong);
    if (status == WR_ECORRUPT)
        *wrong = 1;
    if (status == WR_OK)
        run->acknowledged = wr_store_number(store);
    while (status == WR_OK && run->acknowledged < CHECKPOINTS) {
        status = write_checkpoint(store);
        run->acknowledged += status == WR_OK;
        if (status == WR_OK && run->acknowledged == run->cut_behind)
            wr_sim_cut(run->sim);
    }
    wr_store_close(store);
    return status == WR_OK;
}

/* Runs with a fault at call `nth`, until done. Returns the number of calls of the first life. */
static uint64_t run_with(enum wr_sim_fault fault, uint64_t nth, uint64_t seed, int careless,
                         int *wrong) {
    struct run run = {.sim = wr_sim_new(seed), .careless = careless};
    run.vfs = wr_vfs_new(run.sim);
    wr_sim_fail_at(run.sim, fault, nth, 0);
    uint64_t calls = 0;
    int done = 0;
    while (!done && !*wrong && run.starts < 4) {
        done = live(&run, wrong);
        if (calls == 0)
            calls = wr_sim_calls(run.sim);
        if (wr_sim_is_cut(run.sim)) {
            wr_sim_restart(run.sim);
            done = 0; /* look again at what is left */
        }
    }
    CHECK(done || *wrong);
    wr_vfs_free(run.vfs);
    wr_sim_free(run.sim);
    return calls;
}

static void check_every_call(enum wr_sim_fault fault, uint64_t seed) {
    int wrong = 0;
    uint64_t calls = run_with(WR_SIM_NONE, 0, seed, 0, &wrong);
    CHECK_INT(calls, >, 100);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        run_with(fault, nth, seed + nth, 0, &wrong);
        if (wrong)
            test_fail(__FILE__, __LINE__, "fault %d at call %llu, seed %llu", (int)fault,
                      (unsigned long long)nth, (unsigned long long)(seed + nth));
    }
}

TEST(state_survives_a_power_cut_at_every_call) {
    check_every_call(WR_SIM_POWER, 1);
    check_every_call(WR_SIM_POWER, 78812302129384); /* `MADE` was 09, then 10, and read as 19 */
    uint64_t seed = test_seed();
    do
        check_every_call(WR_SIM_POWER, seed += 1000);
    while (test_random_time_left());
}

/* A first cut may leave a log whose name is on the disk: the next start makes none, and what it
 * syncs of the directory is all that keeps a journal that it removed from coming back. */
TEST(state_survives_a_second_power_cut_behind_its_first_checkpoints) {
    for (uint64_t seed = 1; seed <= 8; seed++)
        for (uint64_t nth = 1; nth < 40; nth++) {
            struct run run = {.sim = wr_sim_new(seed * 1000 + nth), .cut_behind = 2};
            int wrong = 0, done = 0;
            run.vfs = wr_vfs_new(run.sim);
            wr_sim_fail_at(run.sim, WR_SIM_POWER, nth, 0);
            while (!done && !wrong && run.starts < 6) {
                done = live(&run, &wrong);
                if (wr_sim_is_cut(run.sim))
                    wr_sim_restart(run.sim);
            }
            if (wrong || !done)
                test_fail(__FILE__, __LINE__, "power cut at call %llu, and behind checkpoint 2",
                          (unsigned long long)nth);
            wr_vfs_free(run.vfs);
            wr_sim_free(run.sim);
        }
}

TEST(state_survives_an_error_at_every_call) {
    check_every_call(WR_SIM_EIO, 1);
}

TEST(state_survives_a_full_disk_at_every_write) {
    check_every_call(WR_SIM_ENOSPC, 1);
}

TEST(state_says_that_its_disk_is_full) {
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_vfs *vfs = wr_vfs_new(sim);
    struct wr_store *store;
    struct wr_error err = {0};
    wr_sim_fail_at(sim, WR_SIM_ENOSPC, 1, 1);
    CHECK(wr_store_open(&store, wr_sim_env(sim), "state", "plan-1", &err) != WR_OK);
    CHECK_STR(err.code, "W610");
    CHECK_CONTAINS(err.text, "state: ");
    wr_vfs_free(vfs);
    wr_sim_free(sim);
}

TEST(state_survives_short_reads) {
    check_every_call(WR_SIM_SHORT_READ, 1);
}

TEST(power_cuts_find_a_commit_that_was_not_synced) {
    int wrong_count = 0;
    for (uint64_t nth = 1; nth < 200; nth++) {
        int wrong = 0;
        run_with(WR_SIM_POWER, nth, nth, 1, &wrong);
        wrong_count += wrong;
    }
    CHECK_INT(wrong_count, >, 10);
}
