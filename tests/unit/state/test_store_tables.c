/* test_store_tables.c: tables of sinks in the state file: what is written to them stands with the
 * next checkpoint, or not at all. */
#include "test.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/status.h"
#include "state/store.h"

static char folder[] = "/tmp/weir-tables-XXXXXX";

static struct wr_store *open_store(void) {
    struct wr_store *store;
    struct wr_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "%s/state", folder);
    CHECK_INT(wr_store_open(&store, wr_env_real(), path, NULL, &err), ==, WR_OK);
    CHECK_STR(err.text, "");
    return store;
}

static struct wr_store *fresh_store(void) {
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    CHECK(mkdtemp(folder) != NULL);
    return open_store();
}

static void end(struct wr_store *store) {
    struct wr_error err = {0};
    char path[64];
    CHECK_INT(wr_store_erase(store, &err), ==, WR_OK);
    wr_store_close(store);
    snprintf(path, sizeof path, "%s/state/LOCK", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/state", folder);
    rmdir(path);
    CHECK_INT(rmdir(folder), ==, 0);
}

static void run(struct wr_store *store, const char *sql) {
    struct sqlite3 *db;
    struct wr_error err = {0};
    CHECK_INT(wr_store_lend(store, 1, &db, &err), ==, WR_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    wr_store_take_back(store, WR_OK);
}

static void checkpoint(struct wr_store *store) {
    struct wr_error err = {0};
    CHECK_INT(wr_store_begin(store, &err), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "run", "1", 1, WR_STORE_BASE, &err), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, &err), ==, WR_OK);
}

/* "orders 2, users 1, " */
static int collect(void *ctx, const char *name, uint64_t rows) {
    char *text = ctx;
    snprintf(text + strlen(text), 100 - strlen(text), "%s %llu, ", name, (unsigned long long)rows);
    return WR_OK;
}

static void check_tables(struct wr_store *store, const char *expected) {
    char text[100] = "";
    struct wr_error err = {0};
    CHECK_INT(wr_store_tables(store, collect, text, &err), ==, WR_OK);
    CHECK_STR(text, expected);
}

TEST(rows_of_a_table_stand_with_their_checkpoint) {
    struct wr_store *store = fresh_store();
    run(store, "create table users(a); insert into users values (1)");
    run(store, "create table orders(a); insert into orders values (1), (2)");
    checkpoint(store);
    wr_store_close(store);
    store = open_store();
    CHECK_INT(wr_store_number(store), ==, 1);
    check_tables(store, "orders 2, users 1, ");
    end(store);
}

TEST(rows_behind_the_last_checkpoint_are_gone) {
    struct wr_store *store = fresh_store();
    run(store, "create table t(a); insert into t values (1)");
    checkpoint(store);
    run(store, "insert into t values (2), (3)");
    wr_store_close(store);
    store = open_store();
    check_tables(store, "t 1, ");
    run(store, "insert into t values (4)");
    struct wr_error err = {0};
    CHECK_INT(wr_store_begin(store, &err), ==, WR_OK);
    wr_store_rollback(store);
    check_tables(store, "t 1, ");
    run(store, "insert into t values (5)");
    checkpoint(store);
    check_tables(store, "t 2, ");
    end(store);
}

TEST(looking_begins_no_transaction) {
    struct wr_store *store = fresh_store();
    struct sqlite3 *db;
    struct wr_error err = {0};
    CHECK_INT(wr_store_lend(store, 0, &db, &err), ==, WR_OK);
    CHECK(sqlite3_get_autocommit(db));
    wr_store_take_back(store, WR_OK);
    checkpoint(store);
    end(store);
}

TEST(nothing_goes_on_behind_a_failure) {
    struct wr_store *store = fresh_store();
    struct sqlite3 *db;
    struct wr_error err = {0};
    run(store, "create table t(a)");
    checkpoint(store);
    CHECK_INT(wr_store_lend(store, 1, &db, &err), ==, WR_OK);
    CHECK_INT(sqlite3_exec(db, "insert into t values (1)", NULL, NULL, NULL), ==, SQLITE_OK);
    wr_store_take_back(store, WR_EIO);
    CHECK_INT(wr_store_lend(store, 1, &db, &err), ==, WR_EIO);
    CHECK_CONTAINS(err.text, "makes it unusable until the next start");
    CHECK_INT(wr_store_begin(store, &err), ==, WR_EIO);
    wr_store_close(store);
    store = open_store();
    check_tables(store, "t 0, ");
    end(store);
}

TEST(a_transaction_that_was_lost_is_seen) {
    struct wr_store *store = fresh_store();
    struct sqlite3 *db;
    struct wr_error err = {0};
    run(store, "create table t(a)");
    CHECK_INT(sqlite3_exec(wr_store_connection(store), "rollback", NULL, NULL, NULL), ==,
              SQLITE_OK);
    CHECK_INT(wr_store_lend(store, 1, &db, &err), ==, WR_EIO);
    CHECK_CONTAINS(err.text, "the transaction of the checkpoint was lost");
    wr_store_close(store);
    end(open_store());
}

/* Each of the names in the file is refused as that of a sink's, and is no table of a sink. */
TEST(own_tables_have_names_of_their_own) {
    struct wr_store *store = fresh_store();
    sqlite3_stmt *names = NULL;
    int count = 0;
    checkpoint(store);
    CHECK_INT(sqlite3_prepare_v2(wr_store_connection(store),
                                 "select name from sqlite_schema where type = 'table'", -1, &names,
                                 NULL),
              ==, SQLITE_OK);
    for (; sqlite3_step(names) == SQLITE_ROW; count++)
        CHECK(wr_store_owns_table((const char *)sqlite3_column_text(names, 0)));
    sqlite3_finalize(names);
    CHECK_INT(count, >=, 4);
    check_tables(store, "");
    CHECK(wr_store_owns_table("ROWS"));
    CHECK(wr_store_owns_table("weir_new"));
    CHECK(!wr_store_owns_table("orders"));
    end(store);
}
