/* test_store_rows.c: rows of pieces in `state.rows`: where they go, that places are used again,
 * what is refused, and states of before. */
#include "test.h"

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "state/store.h"
#include "state/vfs.h"

#define ROWS_MAX 100000u

struct place {
    struct wr_sim *sim;
    struct wr_vfs *vfs;
    const struct wr_env *env;
};

static struct place fresh(void) {
    struct place place = {.sim = wr_sim_new(1)};
    place.vfs = wr_vfs_new(place.sim);
    place.env = wr_sim_env(place.sim);
    return place;
}

static void leave(struct place *place) {
    wr_vfs_free(place->vfs);
    wr_sim_free(place->sim);
}

static struct wr_store *open_store(const struct place *place, const char *path) {
    struct wr_store *store;
    struct wr_error err = {0};
    int status = wr_store_open(&store, place->env, path, "plan-1", &err);
    CHECK_STR(err.text, "");
    CHECK_INT(status, ==, WR_OK);
    return store;
}

/* Rows that are all the same byte. */
static int put(struct wr_store *store, const char *part, char byte, uint64_t length,
               enum wr_store_piece piece) {
    static char bytes[ROWS_MAX];
    memset(bytes, byte, length);
    return wr_store_put_apart(store, part, &byte, 1,
                              (struct wr_store_rows){.bytes = bytes, .length = length}, piece,
                              NULL);
}

static void put_alone(struct wr_store *store, const char *part, char byte, uint64_t length,
                      enum wr_store_piece piece) {
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(put(store, part, byte, length, piece), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
}

struct found {
    struct wr_store *store;
    struct wr_buf text;
    uint32_t piece_count;
    int64_t pieces[16];
};

static int find_piece(void *ctx, struct wr_reader *bytes, int base) {
    struct found *found = ctx;
    (void)bytes, (void)base;
    CHECK_INT(found->piece_count, <, 16);
    found->pieces[found->piece_count++] = wr_store_piece(found->store);
    return WR_OK;
}

static int show_rows(void *ctx, struct wr_reader *rows) {
    struct found *found = ctx;
    for (size_t i = 1; i < rows->length; i++)
        CHECK_INT(rows->bytes[i], ==, rows->bytes[0]);
    return wr_buf_addf(&found->text, "%c%zu ", rows->bytes[0], rows->length);
}

/* The rows of a part, piece by piece: "a17000 b20 ". */
static void check_rows(struct wr_store *store, const char *part, const char *expected) {
    struct found found = {.store = store};
    wr_buf_init(&found.text, &wr_budget_control, 0);
    CHECK_INT(wr_store_read(store, part, find_piece, &found, NULL), ==, WR_OK);
    for (uint32_t i = 0; i < found.piece_count; i++)
        CHECK_INT(wr_store_read_rows(store, found.pieces[i], show_rows, &found, NULL), ==, WR_OK);
    CHECK_STR(found.text.length == 0 ? "" : found.text.bytes, expected);
    wr_buf_release(&found.text);
}

static uint64_t size_of(const struct place *place, const char *path) {
    struct wr_file_info info = {0};
    int status = place->env->stat(place->env, path, &info);
    return status == WR_OK ? info.size_bytes : 0;
}

static void run_sql(struct wr_store *store, const char *text) {
    CHECK_INT(sqlite3_exec(wr_store_connection(store), text, NULL, NULL, NULL), ==, SQLITE_OK);
}

static void check_refused(const struct place *place, const char *path, const char *part_of_text) {
    struct wr_store *store;
    struct wr_error err = {0};
    CHECK_INT(wr_store_open(&store, place->env, path, "plan-1", &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, part_of_text);
    CHECK_CONTAINS(err.help, "state.db and state.rows belong together");
}

TEST(rows_that_are_many_lie_beside_the_database) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    put_alone(store, "t", 'a', WR_STORE_ROWS_BYTES - 1, WR_STORE_BASE);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 0);
    put_alone(store, "t", 'b', WR_STORE_ROWS_BYTES, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, WR_STORE_ROWS_BYTES);
    put_alone(store, "t", 'c', 20001, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 36385);
    check_rows(store, "t", "a16383 b16384 c20001 ");
    CHECK_INT(wr_store_part_bytes(store, "t"), ==, 16383 + 16384 + 20001 + 3);
    wr_store_close(store);
    store = open_store(&place, "s");
    check_rows(store, "t", "a16383 b16384 c20001 ");
    CHECK_INT(wr_store_check(store, NULL), ==, WR_OK);
    wr_store_close(store);
    leave(&place);
}

TEST(places_are_used_again_from_the_next_checkpoint_on) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    put_alone(store, "t", 'a', 40960, WR_STORE_BASE);
    put_alone(store, "t", 'b', 40960, WR_STORE_BASE); /* while that of `a` stands */
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 81920);
    put_alone(store, "u", 'c', 20000, WR_STORE_BASE); /* 20,480 of the 40,960 */
    put_alone(store, "u", 'd', 20480, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 81920);
    put_alone(store, "u", 'e', 16384, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 98304);
    check_rows(store, "t", "b40960 ");
    check_rows(store, "u", "c20000 d20480 e16384 ");
    wr_store_close(store);
    store = open_store(&place, "s");
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_drop_stage(store, 7, NULL), ==, WR_OK);
    CHECK_INT(put(store, "op 7 0 0", 'f', 30000, WR_STORE_DELTA), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_drop_stage(store, 7, NULL), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
    put_alone(store, "u", 'g', 30000, WR_STORE_DELTA); /* where `f` was */
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 128304);
    check_rows(store, "u", "c20000 d20480 e16384 g30000 ");
    CHECK_INT(wr_store_check(store, NULL), ==, WR_OK);
    wr_store_close(store);
    leave(&place);
}

TEST(what_was_rolled_back_leaves_its_place) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    put_alone(store, "t", 'a', 20480, WR_STORE_BASE);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
        CHECK_INT(put(store, "t", 'x', 40960, WR_STORE_BASE), ==, WR_OK);
        wr_store_rollback(store);
    }
    check_rows(store, "t", "a20480 ");
    put_alone(store, "t", 'b', 20480, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 61440);
    check_rows(store, "t", "a20480 b20480 ");
    wr_store_close(store);
    leave(&place);
}

TEST(a_state_whose_rows_are_gone_is_refused) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    struct wr_file *file;
    put_alone(store, "t", 'a', 20000, WR_STORE_BASE);
    wr_store_close(store);
    CHECK_INT(place.env->open(place.env, "s/state.rows", WR_FILE_UPDATE, &file, NULL), ==, WR_OK);
    CHECK_INT(place.env->truncate(file, 19999, NULL), ==, WR_OK);
    check_refused(&place, "s", "state s is damaged: its state.rows is shorter than it was");
    CHECK_INT(place.env->truncate(file, 20000, NULL), ==, WR_OK);
    place.env->close(file);
    store = open_store(&place, "s"); /* one byte is not what it was */
    struct wr_error err = {0};
    CHECK_INT(wr_store_check(store, &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, "or their checksum is wrong");
    wr_store_close(store);
    CHECK_INT(place.env->remove(place.env, "s/state.rows", NULL), ==, WR_OK);
    check_refused(&place, "s", "state s is damaged: its state.rows is missing");
    leave(&place);
}

TEST(places_that_overlap_are_damage) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    struct wr_error err = {0};
    put_alone(store, "t", 'a', 20000, WR_STORE_BASE);
    put_alone(store, "t", 'b', 20000, WR_STORE_DELTA);
    run_sql(store, "update rows set at = 4096 where at > 0");
    CHECK_INT(wr_store_check(store, &err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(err.text, "state s is damaged: places of its rows overlap");
    wr_store_close(store);
    store = open_store(&place, "s");
    CHECK_INT(wr_store_begin(store, &err), ==, WR_ECORRUPT); /* nothing is written over */
    CHECK_CONTAINS(err.text, "places of its rows overlap");
    wr_store_close(store);
    leave(&place);
}

TEST(a_copy_has_the_rows) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    put_alone(store, "t", 'a', 20000, WR_STORE_BASE);
    put_alone(store, "u", 'b', 30000, WR_STORE_BASE);
    put_alone(store, "t", 'c', 5, WR_STORE_BASE); /* there is a hole now */
    CHECK_INT(wr_store_copy(store, "to", 0, NULL), ==, WR_OK);
    wr_store_close(store);
    store = open_store(&place, "to");
    check_rows(store, "t", "c5 ");
    check_rows(store, "u", "b30000 ");
    put_alone(store, "t", 'd', 20000, WR_STORE_DELTA);
    CHECK_INT(size_of(&place, "to/state.rows"), ==, 50480);
    CHECK_INT(wr_store_check(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_erase(store, NULL), ==, WR_OK);
    wr_store_close(store);
    CHECK_INT(size_of(&place, "to/state.rows"), ==, 0);
    store = open_store(&place, "s"); /* the last rows go, and all of them */
    put_alone(store, "t", 'e', 20000, WR_STORE_BASE);
    put_alone(store, "u", 'f', 5, WR_STORE_BASE);
    CHECK_INT(wr_store_copy(store, "few", 0, NULL), ==, WR_OK);
    put_alone(store, "t", 'g', 5, WR_STORE_BASE);
    CHECK_INT(wr_store_copy(store, "none", 0, NULL), ==, WR_OK);
    wr_store_close(store);
    store = open_store(&place, "few");
    check_rows(store, "t", "e20000 ");
    wr_store_close(store);
    store = open_store(&place, "none");
    check_rows(store, "t", "g5 ");
    wr_store_close(store);
    leave(&place);
}

/* A reset that was cut off left them, and a fresh state came. */
TEST(rows_of_a_state_that_is_gone_are_nobodys) {
    struct place place = fresh();
    struct wr_file *file;
    struct wr_store *store = open_store(&place, "s");
    CHECK_INT(place.env->open(place.env, "s/state.rows", WR_FILE_UPDATE, &file, NULL), ==, WR_OK);
    CHECK_INT(place.env->truncate(file, 1000000, NULL), ==, WR_OK);
    place.env->close(file);
    put_alone(store, "t", 'a', 20000, WR_STORE_BASE);
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 20000);
    check_rows(store, "t", "a20000 ");
    wr_store_close(store);
    leave(&place);
}

TEST(a_state_of_format_10_goes_on) {
    struct place place = fresh();
    struct wr_store *store = open_store(&place, "s");
    wr_store_set_rows_bytes(store, UINT64_MAX);
    put_alone(store, "t", 'a', 50000, WR_STORE_BASE);
    run_sql(store, "alter table rows drop column at; alter table rows drop column length;"
                   "alter table part drop column sum; delete from meta where name = 'sum';"
                   "pragma user_version = 10");
    wr_store_close(store);
    store = open_store(&place, "s");
    check_rows(store, "t", "a50000 ");
    put_alone(store, "t", 'b', 50000, WR_STORE_DELTA);
    check_rows(store, "t", "a50000 b50000 ");
    CHECK_INT(size_of(&place, "s/state.rows"), ==, 50000);
    CHECK_INT(wr_store_check(store, NULL), ==, WR_OK);
    put_alone(store, "t", 'c', 50000, WR_STORE_BASE);
    check_rows(store, "t", "c50000 ");
    wr_store_close(store);
    leave(&place);
}

TEST_EACH_ALLOCATION_FAILS(rows_beside_give_everything_back) {
    struct wr_sim *sim = wr_sim_new(1);
    struct wr_vfs *vfs = sim == NULL ? NULL : wr_vfs_new(sim);
    struct wr_store *store;
    int status =
        vfs == NULL ? WR_ENOMEM : wr_store_open(&store, wr_sim_env(sim), "s", "plan-1", NULL);
    if (status == WR_OK) {
        for (int i = 0; i < 4 && status == WR_OK; i++) {
            status = wr_store_begin(store, NULL);
            if (status == WR_OK)
                status = put(store, i % 2 == 0 ? "t" : "u", 'a', 20000, WR_STORE_BASE);
            if (status == WR_OK)
                status = wr_store_commit(store, NULL);
        }
        struct found found = {.store = store};
        if (status == WR_OK)
            status = wr_store_read(store, "u", find_piece, &found, NULL);
        wr_buf_init(&found.text, &wr_budget_control, 0);
        if (status == WR_OK && found.piece_count > 0)
            status = wr_store_read_rows(store, found.pieces[0], show_rows, &found, NULL);
        wr_buf_release(&found.text);
        wr_store_close(store);
    }
    CHECK(status == WR_OK || status == WR_ENOMEM || status == WR_EIO);
    if (vfs != NULL)
        wr_vfs_free(vfs);
    if (sim != NULL)
        wr_sim_free(sim);
}
