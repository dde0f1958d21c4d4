/* test_vfs.c: databases in WAL mode in a simulated world: two connections, processes that die. */
#include "test.h"

#include <sqlite3.h>

#include "base/env_sim.h"
#include "state/vfs.h"

static sqlite3 *open_base(struct wr_sim *sim) {
    sqlite3 *db = NULL;
    CHECK_INT(sqlite3_open_v2("x.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                              wr_sim_env(sim)->sqlite_vfs),
              ==, SQLITE_OK);
    return db;
}

static int run(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t count_rows(sqlite3 *db) {
    sqlite3_stmt *row = NULL;
    CHECK_INT(sqlite3_prepare_v2(db, "select count(*) from t", -1, &row, NULL), ==, SQLITE_OK);
    CHECK_INT(sqlite3_step(row), ==, SQLITE_ROW);
    int64_t count = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return count;
}

TEST(vfs_two_connections_share_a_log) {
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_vfs *vfs = wr_vfs_new(sim);
    sqlite3 *one = open_base(sim);
    CHECK_INT(run(one, "pragma journal_mode = wal; create table t(a)"), ==, SQLITE_OK);
    sqlite3 *other = open_base(sim);
    CHECK_INT(run(one, "begin; insert into t values (1)"), ==, SQLITE_OK);
    CHECK_INT(count_rows(other), ==, 0);
    CHECK_INT(run(other, "insert into t values (2)"), ==, SQLITE_BUSY);
    CHECK_INT(run(one, "commit"), ==, SQLITE_OK);
    CHECK_INT(count_rows(other), ==, 1);
    CHECK_INT(run(other, "insert into t values (2)"), ==, SQLITE_OK);
    CHECK_INT(count_rows(one), ==, 2);
    sqlite3_close(one);
    sqlite3_close(other);
    wr_vfs_free(vfs);
    wr_sim_free(sim);
}

TEST(vfs_what_a_killed_process_committed_is_there) {
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct wr_sim *sim = wr_sim_new(nth);
        struct wr_vfs *vfs = wr_vfs_new(sim);
        sqlite3 *db = open_base(sim);
        CHECK_INT(run(db, "pragma journal_mode = wal; create table t(a)"), ==, SQLITE_OK);
        wr_sim_fail_at(sim, WR_SIM_KILL, nth, 0);
        int64_t committed = 0;
        while (committed < 20 && run(db, "insert into t values (1)") == SQLITE_OK)
            committed++;
        sqlite3_close(db);
        wr_sim_revive(sim);
        db = open_base(sim);
        int64_t there = count_rows(db);
        CHECK(there == committed || there == committed + 1); /* the answer may be lost */
        sqlite3_close(db);
        wr_vfs_free(vfs);
        wr_sim_free(sim);
    }
}

TEST(vfs_seeded_numbers_come_again) {
    uint64_t first = 0, second = 0, third = 0;
    wr_vfs_seed(3);
    sqlite3_randomness(sizeof first, &first);
    wr_vfs_seed(3);
    sqlite3_randomness(sizeof second, &second);
    wr_vfs_seed(4);
    sqlite3_randomness(sizeof third, &third);
    wr_vfs_unseed();
    CHECK(first == second);
    CHECK(first != third);
}
