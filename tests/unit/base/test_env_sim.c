/* test_env_sim.c: the simulated world: files like the real ones, faults, power cuts, clock. */
#include "test.h"

#include "base/alloc.h"
#include "base/env_sim.h"
#include "base/status.h"

static void put(const struct wr_env *env, const char *path, const char *text, int sync) {
    struct wr_file *file;
    CHECK_INT(env->open(env, path, WR_FILE_CREATE, &file, NULL), ==, WR_OK);
    CHECK_INT(env->write(file, text, strlen(text), NULL), ==, WR_OK);
    if (sync)
        CHECK_INT(env->sync(file, NULL), ==, WR_OK);
    env->close(file);
}

static void check_content(const struct wr_sim *sim, const char *path, const char *expected) {
    size_t length;
    const char *bytes = wr_sim_get(sim, path, &length);
    CHECK(bytes != NULL);
    CHECK_INT(length, ==, strlen(expected));
    CHECK_MEM(bytes, expected, length);
}

TEST(sim_files_read_and_write_as_real_ones_do) {
    struct wr_sim *sim = wr_sim_new(1);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file;
    struct wr_error err;
    struct wr_file_info info;
    char bytes[8];
    CHECK_INT(env->open(env, "no-such.csv", WR_FILE_READ, &file, &err), ==, WR_ENOENT);
    CHECK_STR(err.text, "open no-such.csv: No such file or directory");
    CHECK_INT(env->open(env, "no/such", WR_FILE_CREATE, &file, &err), ==, WR_ENOENT);
    put(env, "./a", "0123456789", 0);
    CHECK_INT(env->open(env, "a", WR_FILE_READ, &file, &err), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 4, -1), ==, 4);
    CHECK_INT(env->read(file, bytes, 2, 8), ==, 2);
    CHECK_MEM(bytes, "89", 2);
    CHECK_INT(env->read(file, bytes, 2, -1), ==, 0);
    env->close(file);
    CHECK_INT(env->open(env, "b/../a", WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->truncate(file, 3, &err), ==, WR_OK);
    CHECK_INT(env->write(file, "x", 1, &err), ==, WR_OK);
    env->close(file);
    check_content(sim, "a", "012x");
    CHECK_INT(env->make_directory(env, "d/e", &err), ==, WR_OK);
    CHECK_INT(env->make_directory(env, "d/e", &err), ==, WR_OK);
    CHECK_INT(env->make_directory(env, "a/e", &err), ==, WR_EEXIST);
    CHECK_INT(env->open(env, "d", WR_FILE_READ, &file, &err), ==, WR_EIO);
    CHECK_STR(err.text, "open d: Is a directory");
    CHECK_INT(env->rename(env, "a", "d/e/f", &err), ==, WR_OK);
    CHECK_INT(env->stat(env, "a", &info), ==, WR_ENOENT);
    CHECK_INT(env->stat(env, "d/e/f", &info), ==, WR_OK);
    CHECK_INT(info.size_bytes, ==, 4);
    CHECK_INT(env->remove(env, "d/e", &err), ==, WR_EIO);
    CHECK_STR(err.text, "remove d/e: Directory not empty");
    CHECK_INT(env->remove(env, "d/e/f", &err), ==, WR_OK);
    CHECK_INT(env->remove(env, "d/e", &err), ==, WR_OK);
    CHECK_INT(env->remove(env, "d/e", &err), ==, WR_ENOENT);
    wr_sim_free(sim);
}

static int collect(void *ctx, const char *path) {
    char *text = ctx;
    size_t length = strlen(text);
    snprintf(text + length, 128 - length, "%s ", path);
    return 0;
}

TEST(sim_glob_walks_in_byte_order) {
    struct wr_sim *sim = wr_sim_new(1);
    const struct wr_env *env = wr_sim_env(sim);
    static const char *const paths[] = {"d/b1", "d/B1", "d/a10", "d/a2", "d/.a", "d/x/a3", "a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK_INT(wr_sim_put(sim, paths[i], "", 0), ==, WR_OK);
    char text[128] = "";
    CHECK_INT(env->glob(env, "d/*", collect, text, NULL), ==, WR_OK);
    CHECK_STR(text, "d/B1 d/a10 d/a2 d/b1 d/x ");
    text[0] = 0;
    CHECK_INT(env->glob(env, "./d/[ab]?", collect, text, NULL), ==, WR_OK);
    CHECK_STR(text, "d/a2 d/b1 ");
    wr_sim_free(sim);
}

TEST(sim_standard_streams_are_files) {
    struct wr_sim *sim = wr_sim_new(1);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file;
    char bytes[4];
    CHECK_INT(wr_sim_put(sim, "/dev/stdin", "ab", 2), ==, WR_OK);
    CHECK_INT(env->open(env, "-", WR_FILE_READ, &file, NULL), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 4, -1), ==, 2);
    env->close(file);
    put(env, "-", "out", 0);
    put(env, "-", "put", 0);
    check_content(sim, "/dev/stdout", "output");
    wr_sim_free(sim);
}

TEST(sim_power_cut_keeps_what_was_synced) {
    int old_name = 0, new_name = 0, torn = 0, whole = 0, gone = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct wr_sim *sim = wr_sim_new(seed);
        const struct wr_env *env = wr_sim_env(sim);
        struct wr_file *file, *open_before;
        char text[1024];
        size_t length;
        memset(text, 'n', sizeof text);
        put(env, "synced", "kept", 1);
        put(env, "a.tmp", "renamed", 1);
        CHECK_INT(env->rename(env, "a.tmp", "a", NULL), ==, WR_OK);
        put(env, "log", "first", 1);
        CHECK_INT(env->open(env, "log", WR_FILE_APPEND, &file, NULL), ==, WR_OK);
        CHECK_INT(env->write(file, text, sizeof text, NULL), ==, WR_OK);
        env->close(file);
        put(env, "unsynced", "lost perhaps", 0);
        CHECK_INT(env->open(env, "synced", WR_FILE_READ, &open_before, NULL), ==, WR_OK);
        CHECK_INT(env->remove(env, "synced", NULL), ==, WR_OK);
        wr_sim_cut(sim);
        CHECK_INT(env->open(env, "log", WR_FILE_READ, &file, NULL), ==, WR_EIO);
        wr_sim_restart(sim);
        CHECK_INT(env->read(open_before, text, 4, 0), ==, WR_EIO);
        env->close(open_before);
        check_content(sim, "a", "renamed");
        const char *bytes = wr_sim_get(sim, "log", &length);
        CHECK_INT(length, >=, 5);
        CHECK_MEM(bytes, "first", 5);
        CHECK(length == 5 || length == 5 + sizeof text);
        whole += length > 5 && memchr(bytes + 5, 0, length - 5) == NULL;
        torn += length > 5 && memchr(bytes + 5, 0, length - 5) != NULL;
        old_name += wr_sim_get(sim, "synced", &length) != NULL;
        new_name += wr_sim_get(sim, "synced", &length) == NULL;
        gone += wr_sim_get(sim, "unsynced", &length) == NULL;
        wr_sim_free(sim);
    }
    CHECK_INT(old_name, >, 50);
    CHECK_INT(new_name, >, 50);
    CHECK_INT(torn, >, 20);
    CHECK_INT(whole, >, 0);
    CHECK_INT(gone, >, 50);
}

TEST(sim_fails_at_the_call_that_it_was_told) {
    struct wr_sim *sim = wr_sim_new(3);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file;
    struct wr_error err;
    char bytes[16];
    CHECK_INT(wr_sim_put(sim, "a", "0123456789", 10), ==, WR_OK);
    wr_sim_fail_at(sim, WR_SIM_EIO, 2, 0);
    CHECK_INT(env->open(env, "a", WR_FILE_READ, &file, &err), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 10, 0), ==, WR_EIO);
    CHECK_INT(env->read(file, bytes, 10, 0), ==, 10);
    CHECK_INT(wr_sim_calls(sim), ==, 3);
    wr_sim_fail_at(sim, WR_SIM_SHORT_READ, 1, 1);
    CHECK_INT(env->read(file, bytes, 10, 0), <, 10);
    int64_t length = env->read(file, bytes, 10, 0);
    CHECK_INT(length, <, 10);
    CHECK_INT(length, >, 0);
    env->close(file);
    wr_sim_fail_at(sim, WR_SIM_ENOSPC, 1, 1);
    CHECK_INT(env->open(env, "a", WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->write(file, "abc", 3, &err), ==, WR_EIO);
    CHECK_STR(err.text, "write a: No space left on device");
    CHECK_STR(err.code, "W610");
    wr_sim_fail_at(sim, WR_SIM_NONE, 0, 0);
    CHECK_INT(env->write(file, "abc", 3, &err), ==, WR_OK);
    env->close(file);
    wr_sim_free(sim);
}

TEST(sim_same_seed_same_world) {
    struct wr_sim *sims[2] = {wr_sim_new(7), wr_sim_new(7)}, *other = wr_sim_new(8);
    const struct wr_env *envs[2] = {wr_sim_env(sims[0]), wr_sim_env(sims[1])};
    for (int i = 0; i < 10; i++)
        CHECK_INT(envs[0]->random_u64(envs[0]), ==, envs[1]->random_u64(envs[1]));
    CHECK(envs[0]->random_u64(envs[0]) != wr_sim_env(other)->random_u64(wr_sim_env(other)));
    CHECK_INT(envs[0]->now_us(envs[0]), ==, 1767225600000000);
    wr_sim_advance(sims[0], 5);
    CHECK_INT(envs[0]->now_us(envs[0]), ==, 1767225600000005);
    CHECK_INT(envs[0]->monotonic_us(envs[0]), ==, 5);
    wr_sim_set_now(sims[0], 9);
    CHECK_INT(envs[0]->now_us(envs[0]), ==, 9);
    CHECK_INT(envs[0]->monotonic_us(envs[0]), ==, 5);
    wr_sim_free(sims[0]);
    wr_sim_free(sims[1]);
    wr_sim_free(other);
}

TEST(sim_lock_is_held_by_one_and_dies_with_the_power) {
    struct wr_sim *sim = wr_sim_new(7);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file, *other;
    struct wr_error err;
    CHECK_INT(env->lock(env, "LOCK", &file, &err), ==, WR_OK);
    CHECK_INT(env->lock(env, "LOCK", &other, &err), ==, WR_EREFUSED);
    wr_sim_cut(sim);
    wr_sim_restart(sim);
    CHECK_INT(env->lock(env, "LOCK", &other, &err), ==, WR_OK);
    env->close(file); /* the dead one takes nothing away */
    CHECK_INT(env->lock(env, "LOCK", &file, &err), ==, WR_EREFUSED);
    env->close(other);
    wr_sim_free(sim);
}

TEST(sim_file_is_held_by_one_and_keeps_its_mark) {
    struct wr_sim *sim = wr_sim_new(7);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file, *other;
    struct wr_error err;
    char mark[WR_MARK_BYTES_MAX];
    CHECK_INT(env->open(env, "a", WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->open(env, "a", WR_FILE_APPEND, &other, &err), ==, WR_OK);
    CHECK_INT(env->hold(file, &err), ==, WR_OK);
    CHECK_INT(env->hold(other, &err), ==, WR_EREFUSED);
    CHECK_INT(env->mark(file, mark, sizeof mark), ==, 0);
    CHECK_INT(env->set_mark(file, "one", 3, &err), ==, WR_OK);
    CHECK_INT(env->sync(file, &err), ==, WR_OK);
    uint64_t boot = env->boot(env);
    env->close(other);
    env->close(file);
    wr_sim_cut(sim);
    wr_sim_revive(sim); /* a kill */
    CHECK_INT(env->boot(env), ==, boot);
    int was_lost = 0, was_kept = 0;
    for (int i = 0; i < 20; i++) {
        CHECK_INT(env->open(env, "a", WR_FILE_APPEND, &file, &err), ==, WR_OK);
        CHECK_INT(env->hold(file, &err), ==, WR_OK);
        CHECK_INT(env->mark(file, mark, sizeof mark), ==, 3);
        CHECK(memcmp(mark, "one", 3) == 0 || memcmp(mark, "two", 3) == 0);
        was_kept += mark[0] == 't';
        was_lost += mark[0] == 'o';
        CHECK_INT(env->set_mark(file, "one", 3, &err), ==, WR_OK);
        CHECK_INT(env->sync(file, &err), ==, WR_OK);
        CHECK_INT(env->set_mark(file, "two", 3, &err), ==, WR_OK);
        env->close(file);
        wr_sim_cut(sim);
        wr_sim_restart(sim);
    }
    CHECK_INT(was_kept, >, 2);
    CHECK_INT(was_lost, >, 2);
    CHECK_INT(env->boot(env), !=, boot);
    wr_sim_free(sim);
}

TEST_EACH_ALLOCATION_FAILS(sim_gives_everything_back) {
    struct wr_sim *sim = wr_sim_new(7);
    if (sim == NULL)
        return;
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file = NULL;
    struct wr_error err;
    int status = env->make_directory(env, "a/b", &err);
    if (status == WR_OK)
        status = env->open(env, "a/b/c", WR_FILE_CREATE, &file, &err);
    if (status == WR_OK) {
        status = env->write(file, "abc", 3, &err);
        if (status == WR_OK)
            status = env->sync(file, &err);
        env->close(file);
    }
    if (status == WR_OK)
        status = env->rename(env, "a/b/c", "a/d", &err);
    if (status == WR_OK)
        status = wr_sim_put(sim, "x/y", "1", 1);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    wr_sim_free(sim);
}

static struct wr_sim *other_world(void) {
    struct wr_sim *sim = wr_sim_new(7);
    CHECK_INT(wr_sim_put(sim, "in/a.csv", "one\ntwo\n", 8), ==, WR_OK);
    CHECK_INT(wr_sim_put(sim, "in/b.csv", "three\n", 6), ==, WR_OK);
    CHECK_INT(wr_sim_put(sim, "state/x", "old", 3), ==, WR_OK);
    return sim;
}

static int count_paths(void *ctx, const char *path) {
    (void)path;
    ++*(int *)ctx;
    return 0;
}

TEST(sim_begins_with_an_image_that_no_world_changes) {
    struct wr_sim *other = other_world();
    struct wr_sim_image *image = wr_sim_image_new(wr_sim_env(other), 1000);
    wr_sim_image_hide(image, "state");
    for (int round = 0; round < 2; round++) {
        struct wr_sim *sim = wr_sim_new(1);
        CHECK_INT(wr_sim_use_image(sim, image), ==, WR_OK);
        const struct wr_env *env = wr_sim_env(sim);
        struct wr_file_info info;
        struct wr_file *file;
        struct wr_error err = {0};
        int count = 0;
        CHECK_INT(env->stat(env, "in/a.csv", &info), ==, WR_OK);
        CHECK_INT(info.size_bytes, ==, 8);
        CHECK_INT(env->glob(env, "in/*.csv", count_paths, &count, &err), ==, WR_OK);
        CHECK_INT(count, ==, 2);
        CHECK_INT(env->stat(env, "state/x", &info), ==, WR_ENOENT);
        /* Changed here, and as it was in the next world. */
        CHECK_INT(env->open(env, "in/a.csv", WR_FILE_APPEND, &file, &err), ==, WR_OK);
        CHECK_INT(env->write(file, "mine\n", 5, &err), ==, WR_OK);
        env->close(file);
        CHECK_INT(env->remove(env, "in/b.csv", &err), ==, WR_OK);
        CHECK_INT(env->stat(env, "in/b.csv", &info), ==, WR_ENOENT);
        wr_sim_free(sim);
        wr_sim_image_seal(image);
    }
    size_t length;
    wr_sim_get(other, "in/a.csv", &length);
    CHECK_INT(length, ==, 8);
    wr_sim_image_free(image);
    wr_sim_free(other);
}

TEST(sim_image_says_when_it_is_too_large) {
    struct wr_sim *other = other_world(), *sim = wr_sim_new(1);
    struct wr_sim_image *image = wr_sim_image_new(wr_sim_env(other), 10);
    struct wr_file_info info;
    struct wr_error err = {0};
    CHECK_INT(wr_sim_use_image(sim, image), ==, WR_OK);
    const struct wr_env *env = wr_sim_env(sim);
    CHECK_INT(env->stat(env, "in/a.csv", &info), ==, WR_OK);
    CHECK_INT(wr_sim_image_status(image, &err), ==, WR_OK);
    CHECK_INT(env->stat(env, "in/b.csv", &info), ==, WR_ENOENT);
    CHECK_INT(wr_sim_image_status(image, &err), ==, WR_ELIMIT);
    CHECK(strstr(err.text, "in/b.csv") != NULL);
    wr_sim_free(sim);
    wr_sim_image_free(image);
    wr_sim_free(other);
}

TEST(sim_killed_process_leaves_what_it_wrote) {
    for (uint64_t nth = 1; nth <= 3; nth++) {
        struct wr_sim *sim = wr_sim_new(nth);
        const struct wr_env *env = wr_sim_env(sim);
        struct wr_file *file;
        struct wr_error err = {0};
        size_t length = 0;
        CHECK_INT(env->open(env, "a", WR_FILE_CREATE, &file, &err), ==, WR_OK);
        wr_sim_fail_at(sim, WR_SIM_KILL, nth, 0);
        int status = WR_OK;
        for (int i = 0; i < 4 && status == WR_OK; i++)
            status = env->write(file, "12345678", 8, &err);
        CHECK_INT(status, ==, WR_EIO);
        CHECK(strcmp(wr_sim_met(sim), "write a") == 0);
        CHECK_INT(env->write(file, "x", 1, &err), ==, WR_EIO); /* it is dead */
        env->close(file);
        wr_sim_revive(sim);
        wr_sim_get(sim, "a", &length); /* unsynced, and there */
        CHECK_INT(length, >=, (nth - 1) * 8);
        CHECK_INT(length, <=, nth * 8);
        wr_sim_free(sim);
    }
}

TEST(sim_stream_has_no_end_while_somebody_writes) {
    struct wr_sim *sim = wr_sim_new(1);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file *file;
    struct wr_file_info info;
    struct wr_error err = {0};
    char bytes[8];
    CHECK_INT(wr_sim_put(sim, "/dev/stdin", "ab", 2), ==, WR_OK);
    CHECK_INT(wr_sim_stream(sim, "/dev/stdin", 1), ==, WR_OK);
    CHECK_INT(env->stat(env, "-", &info), ==, WR_OK);
    CHECK(!info.is_regular);
    CHECK_INT(env->open(env, "-", WR_FILE_READ, &file, &err), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, sizeof bytes, -1), ==, 2);
    CHECK_INT(env->read(file, bytes, sizeof bytes, -1), ==, WR_EAGAIN);
    CHECK_INT(wr_sim_grow(sim, "/dev/stdin", "c", 1), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, sizeof bytes, -1), ==, 1);
    CHECK_INT(wr_sim_stream(sim, "/dev/stdin", 0), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, sizeof bytes, -1), ==, 0);
    env->close(file);
    wr_sim_free(sim);
}

TEST(sim_moved_file_keeps_its_number) {
    struct wr_sim *sim = wr_sim_new(1);
    const struct wr_env *env = wr_sim_env(sim);
    struct wr_file_info before, behind, fresh;
    CHECK_INT(wr_sim_grow(sim, "x.log", "a\n", 2), ==, WR_OK);
    CHECK_INT(env->stat(env, "x.log", &before), ==, WR_OK);
    CHECK_INT(wr_sim_move(sim, "x.log", "x.log.1"), ==, WR_OK);
    CHECK_INT(wr_sim_grow(sim, "x.log", "b\n", 2), ==, WR_OK);
    CHECK_INT(env->stat(env, "x.log.1", &behind), ==, WR_OK);
    CHECK_INT(env->stat(env, "x.log", &fresh), ==, WR_OK);
    CHECK_INT(before.inode, ==, behind.inode);
    CHECK_INT(before.inode, !=, fresh.inode);
    CHECK_INT(wr_sim_move(sim, "y.log", "z"), ==, WR_ENOENT);
    wr_sim_free(sim);
}

TEST(sim_same_calls_have_the_same_print) {
    uint64_t prints[3];
    for (int i = 0; i < 3; i++) {
        struct wr_sim *sim = wr_sim_new(5);
        const struct wr_env *env = wr_sim_env(sim);
        struct wr_file *file;
        struct wr_error err = {0};
        CHECK_INT(env->open(env, "a", WR_FILE_CREATE, &file, &err), ==, WR_OK);
        CHECK_INT(env->write(file, i < 2 ? "same" : "else", 4, &err), ==, WR_OK);
        env->close(file);
        prints[i] = wr_sim_print(sim);
        wr_sim_free(sim);
    }
    CHECK(prints[0] == prints[1]);
    CHECK(prints[0] != prints[2]);
}
