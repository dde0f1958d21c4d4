/* test_store.c: the state file in real files: checkpoints, bases, refusals, damage, kill. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/failpoint.h"
#include "base/status.h"
#include "state/store.h"

/* Below it are the places of all tests; gone when the program ends. */
static char top[] = "/tmp/weir-store-XXXXXX";
static pid_t owner; /* its children leave what is there */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static void remove_all(void) {
    if (getpid() == owner)
        nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A fresh place for a state; the directory itself is not made. */
static const char *fresh_path(void) {
    static char path[64];
    static unsigned count;
    if (owner == 0) {
        CHECK(mkdtemp(top) != NULL);
        owner = getpid();
        atexit(remove_all);
    }
    snprintf(path, sizeof path, "%s/%u", top, count++);
    CHECK_INT(mkdir(path, 0700), ==, 0);
    memcpy(path + strlen(path), "/state", 7);
    return path;
}

static struct wr_store *open_store(const char *path) {
    struct wr_store *store;
    struct wr_error err = {0};
    int status = wr_store_open(&store, wr_env_real(), path, "plan-1", &err);
    CHECK_STR(err.text, "");
    CHECK_INT(status, ==, WR_OK);
    return store;
}

/* All that is stored of a part, as text: "B<base>" and "D<delta>". */
static int collect(void *ctx, struct wr_reader *bytes, int base) {
    struct wr_buf *text = ctx;
    wr_buf_add_char(text, base ? 'B' : 'D');
    return wr_buf_add(text, bytes->bytes, bytes->length);
}

static void check_part(struct wr_store *store, const char *part, const char *expected) {
    struct wr_buf text;
    struct wr_error err = {0};
    wr_buf_init(&text, &wr_budget_control, 0);
    int status = wr_store_read(store, part, collect, &text, &err);
    CHECK_STR(err.text, "");
    CHECK_INT(status, ==, WR_OK);
    CHECK_STR(text.bytes == NULL ? "" : text.bytes, expected);
    wr_buf_release(&text);
}

/* One checkpoint of one part. */
static void put(struct wr_store *store, const char *part, const char *text, int base) {
    struct wr_error err = {0};
    CHECK_INT(wr_store_begin(store, &err), ==, WR_OK);
    CHECK_INT(wr_store_put(store, part, text, strlen(text), base, &err), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, &err), ==, WR_OK);
}

TEST(store_gives_back_bases_and_deltas_in_order) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 0);
    put(store, "op 5", "one ", 0);
    put(store, "op 5", "two ", 0);
    put(store, "source 0", "at 7", 1);
    wr_store_close(store);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 3);
    check_part(store, "op 5", "Done Dtwo ");
    check_part(store, "source 0", "Bat 7");
    check_part(store, "op 6", "");
    put(store, "op 5", "base ", 1);
    put(store, "op 5", "", 0);
    put(store, "op 5", "three", 0);
    wr_store_close(store);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 6);
    check_part(store, "op 5", "Bbase DDthree");
    wr_store_close(store);
}

TEST(store_takes_a_base_in_pieces) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    static char bytes[100000];
    put(store, "op 5", "old", WR_STORE_BASE);
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "op 5", bytes, 80000, WR_STORE_BASE, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "op 5", bytes, 80000, WR_STORE_BASE_MORE, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "op 6", "one ", 4, WR_STORE_BASE, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "op 6", "two", 3, WR_STORE_BASE_MORE, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "op 5", bytes, 80000, WR_STORE_DELTA, NULL), ==, WR_OK);
    CHECK(!wr_store_base_due(store, "op 5", 0)); /* both pieces count as its base */
    CHECK_INT(wr_store_put(store, "op 5", bytes, 1, WR_STORE_DELTA, NULL), ==, WR_OK);
    CHECK(wr_store_base_due(store, "op 5", 0));
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
    check_part(store, "op 6", "Bone Btwo");
    put(store, "op 6", "new", WR_STORE_BASE);
    check_part(store, "op 6", "Bnew");
    wr_store_close(store);
}

/* The first column of the first row. */
static int64_t query(const char *path, const char *sql) {
    char file[96];
    sqlite3 *db;
    sqlite3_stmt *statement;
    snprintf(file, sizeof file, "%s/state.db", path);
    CHECK_INT(sqlite3_open(file, &db), ==, SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
    CHECK_INT(sqlite3_step(statement), ==, SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

TEST(store_does_not_write_a_base_again_that_is_there) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    put(store, "a", "same", 1); /* checkpoint 1 */
    put(store, "a", "same", 1);
    put(store, "a", "same", 1);
    wr_store_close(store);
    CHECK_INT(query(path, "select number from piece"), ==, 1);
    store = open_store(path);
    put(store, "a", "same", 1); /* 4: what was there before the start is not known */
    put(store, "a", "and", 0);
    put(store, "a", "same", 1); /* 6: the delta goes */
    put(store, "a", "same", 1);
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "a", "lost", 4, 1, NULL), ==, WR_OK);
    wr_store_rollback(store);
    put(store, "a", "lost", 1); /* 8 */
    wr_store_close(store);
    CHECK_INT(query(path, "select number from piece"), ==, 8);
    store = open_store(path);
    check_part(store, "a", "Blost");
    put(store, "a", "", 1);
    put(store, "a", "", 1);
    check_part(store, "a", "B");
    wr_store_close(store);
}

TEST(store_forgets_what_was_rolled_back) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    put(store, "a", "1", 1);
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "a", "2", 1, 1, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "new", "3", 1, 0, NULL), ==, WR_OK);
    wr_store_rollback(store);
    CHECK_INT(wr_store_number(store), ==, 1);
    check_part(store, "a", "B1");
    check_part(store, "new", "");
    put(store, "new", "4", 0);
    check_part(store, "new", "D4");
    /* Closing in the middle of a checkpoint is the same. */
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "a", "5", 1, 0, NULL), ==, WR_OK);
    wr_store_close(store);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 2);
    check_part(store, "a", "B1");
    wr_store_close(store);
}

TEST(store_asks_for_a_base_when_deltas_exceed_half_of_it) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    static char bytes[400000];
    CHECK(!wr_store_base_due(store, "a", 0));
    for (int round = 0; round < 2; round++) {
        CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
        CHECK_INT(wr_store_put(store, "a", bytes, 400000, 1, NULL), ==, WR_OK);
        CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
        CHECK(!wr_store_base_due(store, "a", 0));
        for (int i = 0; i < 3; i++) {
            CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
            CHECK_INT(wr_store_put(store, "a", bytes, 80000, 0, NULL), ==, WR_OK);
            CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
            CHECK_INT(wr_store_base_due(store, "a", 0), ==, i == 2);
        }
        wr_store_close(store);
        store = open_store(path);
        CHECK(wr_store_base_due(store, "a", 0));
    }
    put(store, "b", "small", 1);
    for (int i = 0; i < 10; i++)
        put(store, "b", "small too", 0);
    CHECK(!wr_store_base_due(store, "b", 0));
    wr_store_close(store);
}

TEST(store_holds_what_no_single_blob_would) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    uint64_t length = (UINT64_C(64) << 20) + 12345;
    char *bytes = wr_alloc(&wr_budget_control, length);
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 7 + i / 4096);
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "big", bytes, length, 1, NULL), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
    wr_store_close(store);
    store = open_store(path);
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    CHECK_INT(wr_store_read(store, "big", collect, &text, NULL), ==, WR_OK);
    CHECK_INT(text.length, ==, length + 1);
    CHECK(memcmp(text.bytes + 1, bytes, length) == 0);
    wr_buf_release(&text);
    wr_free(&wr_budget_control, bytes);
    wr_store_close(store);
}

TEST(store_is_held_by_one_run) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path), *other;
    struct wr_error err;
    char holder[32];
    CHECK_INT(wr_store_open(&other, wr_env_real(), path, "plan-1", &err), ==, WR_EREFUSED);
    snprintf(holder, sizeof holder, "held by process %ld", (long)getpid());
    CHECK_CONTAINS(err.text, holder);
    CHECK_CONTAINS(err.help, "--state");
    CHECK_PTR(other, ==, NULL);
    put(store, "a", "1", 1);
    wr_store_close(store);
    wr_store_close(open_store(path));
}

TEST(store_refuses_another_script) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    struct wr_error err;
    wr_store_close(store);
    /* Nothing was stored yet: it is anybody's. */
    CHECK_INT(wr_store_open(&store, wr_env_real(), path, "plan-2", &err), ==, WR_OK);
    put(store, "a", "1", 1);
    wr_store_close(store);
    CHECK_INT(wr_store_open(&store, wr_env_real(), path, "plan-1", &err), ==, WR_ESCRIPT);
    CHECK_STR(err.code, "W601");
    CHECK_CONTAINS(err.text, "was written by another script, or by this one before");
    CHECK_CONTAINS(err.text, "or --limit are not the same");
    CHECK(strstr(err.text, "plan-2") == NULL);
    CHECK_CONTAINS(err.help, "to begin anew, give another --state, or remove that directory");
    CHECK_INT(wr_store_open(&store, wr_env_real(), path, "plan-2", &err), ==, WR_OK);
    wr_store_close(store);
}

static void run_sql(const char *path, const char *text) {
    char file[128];
    sqlite3 *db;
    snprintf(file, sizeof file, "%s/state.db", path);
    CHECK_INT(sqlite3_open(file, &db), ==, SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void check_refused(const char *path, int status, const char *part_of_text) {
    struct wr_store *store;
    struct wr_error err;
    CHECK_INT(wr_store_open(&store, wr_env_real(), path, "plan-1", &err), ==, status);
    CHECK_CONTAINS(err.text, part_of_text);
}

TEST(store_refuses_files_that_are_not_its_own) {
    const char *path = fresh_path();
    wr_store_close(open_store(path));
    run_sql(path, "pragma user_version = 99");
    check_refused(path, WR_EUNSUPPORTED, "has format 99; this weir reads format 12");
    run_sql(path, "pragma user_version = 4; pragma application_id = 5");
    check_refused(path, WR_ECORRUPT, "is no state of weir");
    char file[128];
    snprintf(file, sizeof file, "%s/state.db", path);
    FILE *garbage = fopen(file, "w");
    for (int i = 0; i < 4096; i++)
        fputc(i % 251, garbage);
    fclose(garbage);
    check_refused(path, WR_ECORRUPT, "file is not a database");
}

static void remove_file(const char *path, const char *name) {
    char file[128];
    snprintf(file, sizeof file, "%s/%s", path, name);
    CHECK_INT(unlink(file), ==, 0);
}

/* As a killed process leaves it: `count` checkpoints, some of them in the log alone. */
static const char *killed_state(int count) {
    const char *path = fresh_path();
    pid_t child = fork();
    if (child == 0) {
        struct wr_store *store = open_store(path);
        for (int i = 0; i < count; i++)
            put(store, "a", "one", 1 - (i & 1));
        _exit(0);
    }
    int outcome;
    CHECK_INT(waitpid(child, &outcome, 0), ==, child);
    CHECK_INT(outcome, ==, 0);
    return path;
}

static void cut_log(const char *path, off_t length) {
    char file[128];
    snprintf(file, sizeof file, "%s/state.db-wal", path);
    CHECK_INT(truncate(file, length), ==, 0);
}

TEST(store_refuses_to_begin_anew_or_earlier_where_its_log_is_gone) {
    struct wr_store *store;
    struct stat info;
    char log[128];
    const char *path = killed_state(3);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 3);
    wr_store_close(store);
    store = open_store(path); /* and again where it was closed */
    CHECK_INT(wr_store_number(store), ==, 3);
    wr_store_close(store);
    remove_file(path, "state.db");
    check_refused(path, WR_ECORRUPT, "its state.db is missing");
    path = killed_state(3);
    remove_file(path, "state.db-wal");
    check_refused(path, WR_ECORRUPT, "it had checkpoint 3, and state.db holds ");
    path = killed_state(3);
    cut_log(path, 0);
    check_refused(path, WR_ECORRUPT, "it had checkpoint 3, and state.db holds ");
    path = killed_state(3);
    remove_file(path, "state.db");
    check_refused(path, WR_ECORRUPT, "its state.db is missing");
    path = killed_state(3);
    snprintf(log, sizeof log, "%s/state.db-wal", path);
    CHECK_INT(stat(log, &info), ==, 0);
    cut_log(path, info.st_size - 20);
    check_refused(path, WR_ECORRUPT,
                  "it had checkpoint 3, and state.db holds checkpoint 2: its log state.db-wal is "
                  "missing or cut short");
    remove_file(path, "MADE"); /* as the error says */
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 2);
    put(store, "a", "three", 0);
    wr_store_close(store);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 3);
    CHECK_INT(wr_store_erase(store, NULL), ==, WR_OK);
    wr_store_close(store);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 0);
    wr_store_close(store);
}

/* An older weir left it empty; a removal that was cut off empties it first. */
TEST(store_begins_anew_where_an_empty_note_is_all_that_is_left) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    char file[128];
    put(store, "a", "one", 1);
    wr_store_close(store);
    snprintf(file, sizeof file, "%s/MADE", path);
    CHECK_INT(truncate(file, 0), ==, 0);
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 1);
    wr_store_close(store);
    remove_file(path, "state.db");
    store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, 0);
    wr_store_close(store);
}

TEST(store_finds_bytes_that_have_changed) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    struct wr_error err;
    put(store, "a", "one", 1);
    wr_store_close(store);
    run_sql(path, "update piece set bytes = cast('two' as blob)");
    store = open_store(path);
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    CHECK_INT(wr_store_read(store, "a", collect, &text, &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, "part a: a checksum is wrong");
    CHECK_INT(wr_store_begin(store, &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, "an earlier error");
    wr_store_close(store);
    wr_buf_release(&text);
}

/* What a state of these parts says when a change has been made behind its back; "": nothing. */
static void meet_change(const char *sql, const char *said) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    struct wr_error err = {0};
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    put(store, "source 0 0 0", "here", 1);
    put(store, "op 1 0 0", "one", 1);
    put(store, "op 1 0 0", "two", 0);
    wr_store_close(store);
    run_sql(path, sql);
    int status = wr_store_open(&store, wr_env_real(), path, NULL, &err);
    if (status == WR_OK) {
        status = wr_store_read(store, "source 0 0 0", collect, &text, &err);
        if (status == WR_OK)
            status = wr_store_read(store, "op 1 0 0", collect, &text, &err);
        wr_store_close(store);
        CHECK_INT(wr_store_open(&store, wr_env_real(), path, NULL, NULL), ==, WR_OK);
        CHECK_INT(wr_store_check(store, NULL), ==, status);
        wr_store_close(store);
    }
    CHECK_INT(status, ==, said[0] == 0 ? WR_OK : WR_ECORRUPT);
    CHECK_CONTAINS(err.text, said);
    wr_buf_release(&text);
}

/* None of it is in bytes that have a sum of their own. */
TEST(store_finds_rows_that_have_come_gone_or_changed) {
    static const char catalogue[] = "is damaged: what it says of its parts is not what the last "
                                    "checkpoint wrote";
    static const char pieces[] = "its pieces are not those that were saved";
    meet_change("select 1", "");
    meet_change("update meta set value = 2 where name = 'number'", catalogue);
    meet_change("update meta set value = 0 where name = 'number'", catalogue);
    meet_change("update meta set name = 'numbes' where name = 'number'", catalogue);
    meet_change("update meta set value = value + 2 where name = 'identity'", catalogue);
    meet_change("update meta set value = 'plan-3' where name = 'plan'", catalogue);
    meet_change("update meta set value = value + 1 where name = 'sum'", catalogue);
    meet_change("delete from meta where name = 'sum'", catalogue);
    meet_change("delete from meta", catalogue);
    meet_change("update part set name = 'op 2 0 0' where name = 'op 1 0 0'", catalogue);
    meet_change("update part set base_bytes = base_bytes + 1 where id = 1", catalogue);
    meet_change("update part set delta_bytes = 0", catalogue);
    meet_change("update part set sum = sum + 1 where id = 2", catalogue);
    meet_change("delete from part where name = 'source 0 0 0'", catalogue);
    meet_change("insert into part(name, base_bytes, delta_bytes) values('sink 2 0 0', 0, 0)",
                catalogue);
    meet_change("delete from piece where part = 1", pieces);
    meet_change("delete from piece where number = 3", pieces);
    meet_change("update piece set base = 0 where number = 2", pieces);
    meet_change("update piece set number = 7 where number = 2", pieces);
    meet_change("update piece set id = 9 where number = 2", pieces); /* behind the delta, then */
    meet_change("insert into piece(part, number, base, chunk, chunk_count, sum, bytes) "
                "select part, number, base, chunk, chunk_count, sum, bytes from piece "
                "where number = 3",
                pieces);
}

TEST(store_of_format_11_gets_its_sums) {
    const char *path = fresh_path();
    struct wr_store *store = open_store(path);
    put(store, "a", "one", 1);
    put(store, "b", "two", 0);
    wr_store_close(store);
    run_sql(path, "alter table part drop column sum; delete from meta where name = 'sum';"
                  "pragma user_version = 11");
    store = open_store(path);
    check_part(store, "a", "Bone");
    put(store, "b", "three", 0);
    wr_store_close(store);
    CHECK_INT(query(path, "pragma user_version"), ==, 12);
    store = open_store(path);
    check_part(store, "b", "DtwoDthree");
    CHECK_INT(wr_store_check(store, NULL), ==, WR_OK);
    wr_store_close(store);
}

static int refuse(void *ctx, struct wr_reader *bytes, int base) {
    (void)bytes;
    (void)base;
    return *(int *)ctx;
}

TEST(store_passes_on_what_its_reader_says) {
    struct wr_store *store = open_store(fresh_path());
    struct wr_error err;
    int status = WR_ENOMEM;
    put(store, "a", "one", 1);
    CHECK_INT(wr_store_read(store, "a", refuse, &status, &err), ==, WR_ENOMEM);
    CHECK_CONTAINS(err.text, "part a: out of memory");
    check_part(store, "a", "Bone"); /* the store itself is well */
    wr_store_close(store);
}

TEST(store_stops_when_a_user_of_its_connection_ends_the_transaction) {
    struct wr_store *store = open_store(fresh_path());
    struct wr_error err;
    CHECK_INT(wr_store_begin(store, &err), ==, WR_OK);
    CHECK_INT(sqlite3_exec(wr_store_connection(store), "rollback", NULL, NULL, NULL), ==,
              SQLITE_OK);
    CHECK_INT(wr_store_put(store, "a", "1", 1, 1, &err), ==, WR_EIO);
    CHECK_CONTAINS(err.text, "the transaction of the checkpoint was lost");
    CHECK_INT(wr_store_commit(store, &err), ==, WR_EIO);
    CHECK_INT(wr_store_begin(store, &err), ==, WR_EIO);
    wr_store_close(store);
}

#if WR_FAILPOINTS
/* Kills a process at a failpoint of its second checkpoint; what is left. */
static void check_kill(const char *rule, uint64_t number, const char *expected) {
    const char *path = fresh_path();
    wr_store_close(open_store(path));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct wr_store *store = open_store(path);
        wr_failpoint_set(rule);
        put(store, "a", "1", 0);
        put(store, "a", "2", 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct wr_store *store = open_store(path);
    CHECK_INT(wr_store_number(store), ==, number);
    check_part(store, "a", expected);
    put(store, "a", "3", 0);
    wr_store_close(store);
}

TEST(store_survives_kill_at_every_failpoint) {
    check_kill("store.begin:kill@2", 1, "D1");
    check_kill("store.put:kill@2", 1, "D1");
    check_kill("store.before_commit:kill@2", 1, "D1");
    check_kill("store.after_commit:kill@2", 2, "D1D2");
    check_kill("store.before_commit:kill@1", 0, "");
}
#endif

TEST_EACH_ALLOCATION_FAILS(store_gives_everything_back) {
    static char path[64];
    if (path[0] == 0)
        memcpy(path, fresh_path(), sizeof path);
    struct wr_store *store;
    struct wr_error err = {0};
    int status = wr_store_open(&store, wr_env_real(), path, "plan-1", &err);
    if (status == WR_OK) {
        status = wr_store_begin(store, &err);
        if (status == WR_OK)
            status = wr_store_put(store, "a", "1", 1, 1, &err);
        if (status == WR_OK)
            status = wr_store_commit(store, &err);
        wr_store_close(store);
    }
    CHECK(status == WR_OK || status == WR_ENOMEM);
    CHECK_INT(status == WR_OK, ==, err.text[0] == 0);
}
