/* test_sqlite_commit.c: what a SQLite file knows of a sink: a row that is not there is nothing that
 * was seen, one that cannot be read is an error. */
#include <sqlite3.h>

#include "base/status.h"
#include "conn/sqlite_commit.h"
#include "test.h"

#define ID UINT64_C(77)

static int deny(void *ctx, int action, const char *table, const char *column, const char *database,
                const char *trigger) {
    (void)column, (void)database, (void)trigger;
    const char *denied = ctx;
    return action == SQLITE_READ && table != NULL && strcmp(table, denied) == 0 ? SQLITE_DENY
                                                                                : SQLITE_OK;
}

static sqlite3 *database(void) {
    sqlite3 *db = NULL;
    CHECK_INT(sqlite3_open(":memory:", &db), ==, SQLITE_OK);
    return db;
}

TEST(sqlite_commit_of_a_fresh_file_has_seen_nothing) {
    sqlite3 *db = database();
    uint64_t skip = 9;
    int published = 9, are = 9;
    CHECK_INT(wr_sqlite_commit_read(db, "f", "sqlite:f/t", ID, 0, &skip, NULL), ==, WR_OK);
    CHECK_INT(skip, ==, 0);
    CHECK_INT(wr_sqlite_commit_published(db, "f", ID, &published, NULL), ==, WR_OK);
    CHECK_INT(published, ==, -1);
    CHECK_INT(wr_sqlite_refused_are_there(db, "f", &are, NULL), ==, WR_OK);
    CHECK_INT(are, ==, 0);
    CHECK_INT(wr_sqlite_commit_write(db, "f", "t", ID, 5, NULL), ==, WR_OK);
    CHECK_INT(wr_sqlite_commit_read(db, "f", "sqlite:f/t", ID, 3, &skip, NULL), ==, WR_OK);
    CHECK_INT(skip, ==, 2);
    CHECK_INT(wr_sqlite_commit_read(db, "f", "sqlite:f/t", ID + 1, 0, &skip, NULL), ==, WR_OK);
    CHECK_INT(skip, ==, 0);
    CHECK_INT(wr_sqlite_commit_published(db, "f", ID, &published, NULL), ==, WR_OK);
    CHECK_INT(published, ==, 0);
    sqlite3_close(db);
}

TEST(sqlite_commit_that_cannot_be_read_is_not_one_that_is_not_there) {
    sqlite3 *db = database();
    struct wr_error err = {0};
    uint64_t skip;
    int published;
    CHECK_INT(wr_sqlite_commit_write(db, "f", "t", ID, 5, NULL), ==, WR_OK);
    sqlite3_set_authorizer(db, deny, (char[]){"weir_commit"});
    CHECK_INT(wr_sqlite_commit_read(db, "f", "sqlite:f/t", ID, 5, &skip, &err), ==, WR_EIO);
    CHECK_CONTAINS(err.text, "sqlite:f: ");
    CHECK_CONTAINS(err.text, "prohibited");
    CHECK_INT(wr_sqlite_commit_check(db, "f", "t", ID, 5, &err), ==, WR_EIO);
    CHECK_INT(wr_sqlite_commit_published(db, "f", ID, &published, &err), ==, WR_EIO);
    sqlite3_set_authorizer(db, NULL, NULL);
    CHECK_INT(wr_sqlite_commit_check(db, "f", "t", ID, 5, &err), ==, WR_OK);
    CHECK_INT(wr_sqlite_commit_check(db, "f", "t", ID, 4, &err), ==, WR_EREFUSED);
    CHECK_STR(err.code, "W617");
    sqlite3_close(db);
}
