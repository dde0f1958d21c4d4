/* test_store_named.c: which files have got their names behind the last checkpoint. */
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/env.h"
#include "base/status.h"
#include "state/store.h"

static char folder[] = "/tmp/weir-named-XXXXXX", state[64], file[64];

static struct wr_store *open_state(void) {
    struct wr_store *store;
    struct wr_error err = {0};
    CHECK_INT(wr_store_open(&store, wr_env_real(), state, "plan", &err), ==, WR_OK);
    return store;
}

static struct wr_store *begin(void) {
    snprintf(folder, sizeof folder, "/tmp/weir-named-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(state, sizeof state, "%s/state", folder);
    snprintf(file, sizeof file, "%s/state/NAMED", folder);
    return open_state();
}

static void end(struct wr_store *store) {
    char lock[80];
    CHECK_INT(wr_store_erase(store, NULL), ==, WR_OK);
    wr_store_close(store);
    snprintf(lock, sizeof lock, "%s/LOCK", state);
    CHECK_INT(remove(lock), ==, 0);
    CHECK_INT(rmdir(state), ==, 0); /* erased, with the notes */
    CHECK_INT(rmdir(folder), ==, 0);
}

static struct wr_store *again(struct wr_store *store) {
    wr_store_close(store);
    return open_state();
}

static void checkpoint(struct wr_store *store) {
    CHECK_INT(wr_store_begin(store, NULL), ==, WR_OK);
    CHECK_INT(wr_store_put(store, "a", "x", 1, WR_STORE_DELTA, NULL), ==, WR_OK);
    CHECK_INT(wr_store_commit(store, NULL), ==, WR_OK);
}

static void name(struct wr_store *store, const char *path) {
    CHECK_INT(wr_store_naming(store, path, NULL), ==, WR_OK);
}

static int was_named(struct wr_store *store, const char *path) {
    int was = -1;
    CHECK_INT(wr_store_was_named(store, path, &was, NULL), ==, WR_OK);
    return was;
}

TEST(store_knows_what_was_named_behind_the_last_checkpoint) {
    struct wr_store *store = begin();
    CHECK_INT(was_named(store, "out/.a.part"), ==, 0);
    checkpoint(store);
    name(store, "out/.a.part");
    name(store, "out/.b.part");
    CHECK_INT(wr_store_naming_sync(store, NULL), ==, WR_OK);
    store = again(store);
    CHECK_INT(was_named(store, "out/.b.part"), ==, 1);
    CHECK_INT(was_named(store, "out/.a.part"), ==, 1);
    CHECK_INT(was_named(store, "out/.c.part"), ==, 0);
    name(store, "out/.c.part"); /* of the same checkpoint */
    store = again(store);
    CHECK_INT(was_named(store, "out/.a.part"), ==, 1);
    CHECK_INT(was_named(store, "out/.c.part"), ==, 1);
    checkpoint(store); /* it knows of them */
    name(store, "out/.d.part");
    checkpoint(store);
    name(store, "out/.e.part");
    store = again(store);
    CHECK_INT(was_named(store, "out/.a.part"), ==, 0);
    CHECK_INT(was_named(store, "out/.d.part"), ==, 0);
    CHECK_INT(was_named(store, "out/.e.part"), ==, 1);
    checkpoint(store);
    store = again(store);
    CHECK_INT(was_named(store, "out/.e.part"), ==, 0);
    end(store);
}

/* A life that had read what another left, and makes a checkpoint before it names anything. */
TEST(store_does_not_take_notes_of_another_checkpoint_for_its_own) {
    struct wr_store *store = begin();
    checkpoint(store);
    name(store, "out/.a.part");
    store = again(store);
    CHECK_INT(was_named(store, "out/.a.part"), ==, 1);
    checkpoint(store);
    name(store, "out/.b.part");
    store = again(store);
    CHECK_INT(was_named(store, "out/.a.part"), ==, 0);
    CHECK_INT(was_named(store, "out/.b.part"), ==, 1);
    end(store);
}

/* Killed while a note is written: what it was to be of was not renamed. */
TEST(store_goes_on_behind_notes_that_are_cut) {
    struct stat info;
    for (off_t cut = 0;; cut++) {
        struct wr_store *store = begin();
        checkpoint(store);
        name(store, "out/.a.part");
        name(store, "out/.b.part");
        CHECK_INT(stat(file, &info), ==, 0);
        int is_past = cut > info.st_size;
        wr_store_close(store);
        if (!is_past)
            CHECK_INT(truncate(file, info.st_size - cut), ==, 0);
        store = open_state();
        CHECK_INT(was_named(store, "out/.b.part"), ==, is_past || cut == 0);
        CHECK_INT(was_named(store, "out/.a.part"), ==, is_past || cut <= 17);
        name(store, "out/.c.part");
        store = again(store);
        CHECK_INT(was_named(store, "out/.c.part"), ==, 1);
        CHECK_INT(was_named(store, "out/.a.part"), ==, is_past || cut <= 17);
        end(store);
        if (is_past)
            break;
    }
}

TEST(store_keeps_notes_of_many_files) {
    struct wr_store *store = begin();
    char path[32];
    checkpoint(store);
    for (int i = 0; i < 20000; i++) {
        snprintf(path, sizeof path, "out/.%d.part", i);
        name(store, path);
    }
    store = again(store);
    for (int i = 0; i < 20000; i++) {
        snprintf(path, sizeof path, "out/.%d.part", i);
        CHECK_INT(was_named(store, path), ==, 1);
    }
    CHECK_INT(was_named(store, "out/.x.part"), ==, 0);
    end(store);
}
