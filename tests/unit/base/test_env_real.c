/* test_env_real.c: the real env: files, errors as text, globs in byte order, clocks. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/env.h"
#include "base/env_real.h"
#include "base/status.h"

/* A fresh directory for the test; its name ends without a slash. */
static const char *folder(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/weir-env-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    return path;
}

static const char *in(const char *folder_path, const char *name) {
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder_path, name);
    return path;
}

static void put(const char *path, const char *text) {
    const struct wr_env *env = wr_env_real();
    struct wr_file *file;
    struct wr_error err;
    CHECK_INT(env->open(env, path, WR_FILE_CREATE, &file, &err), ==, WR_OK);
    CHECK_INT(env->write(file, text, strlen(text), &err), ==, WR_OK);
    CHECK_INT(env->sync(file, &err), ==, WR_OK);
    env->close(file);
}

TEST(env_reads_where_the_last_read_ended_or_where_it_is_told) {
    const struct wr_env *env = wr_env_real();
    const char *path = in(folder(), "a");
    put(path, "0123456789");
    struct wr_file *file;
    char bytes[8];
    CHECK_INT(env->open(env, path, WR_FILE_READ, &file, NULL), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 4, -1), ==, 4);
    CHECK_MEM(bytes, "0123", 4);
    CHECK_INT(env->read(file, bytes, 2, 8), ==, 2);
    CHECK_MEM(bytes, "89", 2);
    CHECK_INT(env->read(file, bytes, 2, -1), ==, 0);
    CHECK_INT(env->read(file, bytes, 3, 4), ==, 3);
    CHECK_INT(env->read(file, bytes, 8, -1), ==, 3);
    CHECK_MEM(bytes, "789", 3);
    env->close(file);
}

TEST(env_appends_behind_a_truncation) {
    const struct wr_env *env = wr_env_real();
    const char *path = in(folder(), "a");
    put(path, "0123456789");
    struct wr_file *file;
    struct wr_error err;
    struct wr_file_info info;
    CHECK_INT(env->open(env, path, WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->truncate(file, 3, &err), ==, WR_OK);
    CHECK_INT(env->write(file, "x", 1, &err), ==, WR_OK);
    env->close(file);
    CHECK_INT(env->stat(env, path, &info), ==, WR_OK);
    CHECK_INT(info.size_bytes, ==, 4);
    CHECK(!info.is_directory);
    CHECK_INT(info.modified_us, >, 1600000000000000);
}

TEST(env_says_what_it_could_not_open_and_why) {
    const struct wr_env *env = wr_env_real();
    struct wr_file *file;
    struct wr_error err;
    CHECK_INT(env->open(env, "no-such.csv", WR_FILE_READ, &file, &err), ==, WR_ENOENT);
    CHECK_STR(err.text, "open no-such.csv: No such file or directory");
    CHECK_PTR(file, ==, NULL);
    CHECK_INT(env->open(env, "tests", WR_FILE_READ, &file, &err), ==, WR_EIO);
    CHECK_STR(err.text, "open tests: Is a directory");
    CHECK_INT(env->open(env, "dev/x", WR_FILE_CREATE, &file, &err), ==, WR_ENOENT);
    CHECK_STR(err.text, "open dev/x: Not a directory");
    struct wr_file_info info;
    CHECK_INT(env->stat(env, "no-such.csv", &info), ==, WR_ENOENT);
}

TEST(env_says_that_a_device_is_full) {
    const struct wr_env *env = wr_env_real();
    struct wr_file *file;
    struct wr_error err;
    CHECK_INT(env->open(env, "/dev/full", WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->write(file, "x", 1, &err), ==, WR_EIO);
    CHECK_STR(err.text, "write /dev/full: No space left on device");
    env->close(file);
}

TEST(env_renames_over_and_removes) {
    const struct wr_env *env = wr_env_real();
    const char *here = folder();
    struct wr_error err;
    struct wr_file_info info;
    put(in(here, "a"), "new");
    put(in(here, "b"), "older");
    CHECK_INT(env->rename(env, in(here, "a"), in(here, "b"), &err), ==, WR_OK);
    CHECK_INT(env->stat(env, in(here, "a"), &info), ==, WR_ENOENT);
    CHECK_INT(env->stat(env, in(here, "b"), &info), ==, WR_OK);
    CHECK_INT(info.size_bytes, ==, 3);
    CHECK_INT(env->rename(env, in(here, "a"), in(here, "b"), &err), ==, WR_ENOENT);
    CHECK_CONTAINS(err.text, "a to ");
    CHECK_CONTAINS(err.text, ": No such file or directory");
    CHECK_INT(env->remove(env, in(here, "b"), &err), ==, WR_OK);
    CHECK_INT(env->remove(env, in(here, "b"), &err), ==, WR_ENOENT);
    CHECK_INT(env->remove(env, here, &err), ==, WR_OK);
}

TEST(env_holds_a_file_for_one_and_keeps_a_mark_beside_it) {
    const struct wr_env *env = wr_env_real();
    const char *path = in(folder(), "a");
    struct wr_file *file, *other;
    struct wr_error err;
    char mark[WR_MARK_BYTES_MAX];
    CHECK_INT(env->open(env, path, WR_FILE_APPEND, &file, &err), ==, WR_OK);
    CHECK_INT(env->open(env, path, WR_FILE_APPEND, &other, &err), ==, WR_OK);
    CHECK_INT(env->hold(file, &err), ==, WR_OK);
    CHECK_INT(env->hold(other, &err), ==, WR_EREFUSED);
    CHECK_CONTAINS(err.text, "a is held by another program");
    CHECK_INT(env->mark(file, mark, sizeof mark), ==, 0);
    int status = env->set_mark(file, "some\0thing", 10, &err);
    CHECK(status == WR_OK || status == WR_EUNSUPPORTED); /* what /tmp is on */
    env->close(file);
    CHECK_INT(env->hold(other, &err), ==, WR_OK);
    if (status == WR_OK) {
        CHECK_INT(env->mark(other, mark, sizeof mark), ==, 10);
        CHECK_MEM(mark, "some\0thing", 10);
        CHECK_INT(env->mark(other, mark, 2), ==, 10);
        CHECK_INT(env->set_mark(other, NULL, 0, &err), ==, WR_OK);
        CHECK_INT(env->mark(other, mark, sizeof mark), ==, 0);
        CHECK_INT(env->set_mark(other, NULL, 0, &err), ==, WR_OK);
    }
    env->close(other);
    CHECK_INT(env->boot(env), !=, 0);
    CHECK_INT(env->boot(env), ==, env->boot(env));
}

TEST(env_says_which_limit_a_file_has_reached) {
    const struct wr_env *env = wr_env_real();
    struct rlimit before, small;
    struct wr_file *file;
    struct wr_error err;
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    small = (struct rlimit){.rlim_cur = 6, .rlim_max = before.rlim_max};
    CHECK_INT(env->open(env, in(folder(), "a"), WR_FILE_APPEND, &file, &err), ==, WR_OK);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    int status = env->write(file, "more than six", 13, &err);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    env->close(file);
    CHECK_INT(status, ==, WR_EIO);
    CHECK_STR(err.code, "W615");
    CHECK_CONTAINS(err.text, "a: File too large: a file of this process may have 6 bytes (`ulimit");
    CHECK_CONTAINS(err.help, "`roll = { size = ");
}

TEST(env_leaves_names_and_directories_to_a_sync_of_all) {
    const struct wr_env *env = wr_env_real();
    const char *here = folder();
    struct wr_error err;
    struct wr_file_info info;
    struct wr_filesystem *filesystem;
    CHECK_INT(env->open_filesystem(env, in(here, "no"), &filesystem, &err), ==, WR_ENOENT);
    CHECK_CONTAINS(err.text, "no: No such file or directory");
    CHECK_INT(env->open_filesystem(env, "/proc", &filesystem, &err), ==, WR_EUNSUPPORTED);
    CHECK(filesystem == NULL);
    int status = env->open_filesystem(env, here, &filesystem, &err);
    CHECK(status == WR_OK || status == WR_EUNSUPPORTED); /* what /tmp is on */
    CHECK_INT(env->make_directory_later(env, in(here, "x/y"), &err), ==, WR_OK);
    CHECK_INT(env->make_directory_later(env, in(here, "x/y"), &err), ==, WR_OK);
    put(in(here, "a"), "new");
    CHECK_INT(env->rename_later(env, in(here, "a"), in(here, "x/y/b"), &err), ==, WR_OK);
    CHECK_INT(env->stat(env, in(here, "x/y/b"), &info), ==, WR_OK);
    CHECK_INT(env->rename_later(env, in(here, "a"), in(here, "b"), &err), ==, WR_ENOENT);
    CHECK_CONTAINS(err.text, "a to ");
    CHECK_INT(env->make_directory_later(env, in(here, "x/y/b/c"), &err), ==, WR_EEXIST);
    CHECK_CONTAINS(err.text, "x/y/b: File exists");
    if (status == WR_OK) {
        CHECK_INT(env->sync_filesystem(filesystem, &err), ==, WR_OK);
        env->close_filesystem(filesystem);
    }
}

TEST(env_makes_a_directory_with_those_above_it) {
    const struct wr_env *env = wr_env_real();
    const char *here = folder();
    struct wr_error err;
    struct wr_file_info info;
    CHECK_INT(env->make_directory(env, in(here, "x/y/z"), &err), ==, WR_OK);
    CHECK_INT(env->make_directory(env, in(here, "x/y/z/"), &err), ==, WR_OK);
    CHECK_INT(env->stat(env, in(here, "x/y/z"), &info), ==, WR_OK);
    CHECK(info.is_directory);
    put(in(here, "f"), "");
    CHECK_INT(env->make_directory(env, in(here, "f/g"), &err), ==, WR_EEXIST);
    CHECK_CONTAINS(err.text, "/f: File exists");
}

TEST(env_lock_is_held_by_one_and_names_it) {
    const struct wr_env *env = wr_env_real();
    const char *path = in(folder(), "LOCK");
    struct wr_file *file, *other;
    struct wr_error err;
    char text[128];
    CHECK_INT(env->lock(env, path, &file, &err), ==, WR_OK);
    CHECK_INT(env->lock(env, path, &other, &err), ==, WR_EREFUSED);
    snprintf(text, sizeof text, "%s is held by process %ld", path, (long)getpid());
    CHECK_STR(err.text, text);
    CHECK_PTR(other, ==, NULL);
    env->close(file);
    CHECK_INT(env->lock(env, path, &file, &err), ==, WR_OK);
    env->close(file);
    CHECK_INT(env->lock(env, "no/such/LOCK", &file, &err), ==, WR_ENOENT);
}

/* Others take locks and remove their files without end: no two of them hold one at a time. */
static int take_and_remove(const struct wr_env *env, const char *path, const char *held) {
    int taken = 0;
    struct wr_error err;
    for (int i = 0; i < 20000 && taken < 2000; i++) {
        struct wr_file *file;
        if (env->lock(env, path, &file, &err) != WR_OK)
            continue;
        taken++;
        int alone = open(held, O_CREAT | O_EXCL | O_WRONLY, 0666);
        if (alone < 0)
            return 1;
        close(alone);
        unlink(held);
        unlink(path);
        env->close(file);
    }
    return taken == 0;
}

TEST(env_lock_of_a_removed_file_is_none) {
    const struct wr_env *env = wr_env_real();
    char path[512], held[512];
    snprintf(path, sizeof path, "%s", in(folder(), "REMOVED"));
    snprintf(held, sizeof held, "%s", in(folder(), "held"));
    pid_t others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = fork();
        if (others[i] == 0)
            _exit(take_and_remove(env, path, held));
    }
    for (int i = 0; i < 3; i++) {
        int status = -1;
        CHECK_INT(waitpid(others[i], &status, 0), ==, others[i]);
        CHECK_INT(status, ==, 0);
    }
}

struct names {
    char text[1024];
    int stop_after, count;
};

static int collect(void *ctx, const char *path) {
    struct names *names = ctx;
    const char *name = strrchr(path, '/') + 1;
    strncat(names->text, name, 100); /* tidy: allow strncat: a test's buffer of 1 KB */
    return ++names->count == names->stop_after;
}

TEST(env_walks_a_glob_in_byte_order) {
    const struct wr_env *env = wr_env_real();
    const char *here = folder();
    const char *const files[] = {"b1", "B1", "a10", "a2", "\xc3\xa4x", ".a3", "[a]"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        put(in(here, files[i]), "");
    struct names names = {0};
    CHECK_INT(env->glob(env, in(here, "*"), collect, &names, NULL), ==, WR_OK);
    CHECK_STR(names.text, "B1[a]a10a2b1\xc3\xa4x");
    names = (struct names){0};
    CHECK_INT(env->glob(env, in(here, "[ab]?"), collect, &names, NULL), ==, WR_OK);
    CHECK_STR(names.text, "a2b1");
    names = (struct names){.stop_after = 1};
    CHECK_INT(env->glob(env, in(here, "a*"), collect, &names, NULL), ==, WR_OK);
    CHECK_STR(names.text, "a10");
    names = (struct names){0};
    CHECK_INT(env->glob(env, in(here, "no/*.csv"), collect, &names, NULL), ==, WR_OK);
    CHECK_STR(names.text, "");
}

TEST(env_reads_standard_input_and_never_blocks_on_a_pipe) {
    const struct wr_env *env = wr_env_real();
    int ends[2], saved = dup(0);
    char bytes[8];
    CHECK(pipe(ends) == 0);
    CHECK(dup2(ends[0], 0) == 0);
    struct wr_file *file;
    CHECK_INT(env->open(env, "-", WR_FILE_READ, &file, NULL), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 8, -1), ==, WR_EAGAIN);
    CHECK(write(ends[1], "abc", 3) == 3);
    CHECK_INT(env->read(file, bytes, 8, -1), ==, 3);
    CHECK_INT(env->read(file, bytes, 8, 3), ==, WR_EAGAIN);
    CHECK_INT(env->read(file, bytes, 8, 0), ==, WR_EUNSUPPORTED);
    close(ends[1]);
    CHECK_INT(env->read(file, bytes, 8, -1), ==, 0);
    env->close(file);
    CHECK(dup2(saved, 0) == 0); /* so the descriptor 0 was still open */
    close(saved);
    close(ends[0]);
}

TEST(env_counts_the_processors_that_a_quota_leaves) {
    CHECK_INT(env_quota_cores("max 100000\n"), ==, UINT32_MAX);
    CHECK_INT(env_quota_cores("50000 100000\n"), ==, 1);
    CHECK_INT(env_quota_cores("200000 100000\n"), ==, 2);
    CHECK_INT(env_quota_cores("250000 100000\n"), ==, 3);
    CHECK_INT(env_quota_cores(""), ==, UINT32_MAX); /* no such file */
    CHECK_INT(env_quota_cores("100000 0\n"), ==, UINT32_MAX);
    CHECK_INT(env_quota_cores("99999999999999999999 1\n"), ==, UINT32_MAX);
    uint32_t cores = wr_env_real()->cores(wr_env_real());
    CHECK_INT(cores, >=, 1);
    CHECK_INT(cores, <=, CPU_SETSIZE);
}

TEST(env_clocks_run_and_random_numbers_differ) {
    const struct wr_env *env = wr_env_real();
    int64_t before = env->monotonic_us(env);
    CHECK_INT(env->now_us(env), >, 1600000000000000);
    CHECK_INT(env->monotonic_us(env), >=, before);
    CHECK(env->random_u64(env) != env->random_u64(env));
}

TEST(env_scratch_file_is_written_anywhere_and_has_no_name) {
    const struct wr_env *env = wr_env_real();
    const char *path = folder();
    struct wr_file *file;
    struct wr_error err;
    char bytes[8];
    CHECK_INT(setenv("TMPDIR", path, 1), ==, 0);
    CHECK_INT(env->open_scratch(env, &file, &err), ==, WR_OK);
    CHECK_INT(env->write_at(file, "behind", 6, 4096, &err), ==, WR_OK);
    CHECK_INT(env->write_at(file, "first", 5, 0, &err), ==, WR_OK);
    CHECK_INT(env->write_at(file, "B", 1, 4096, &err), ==, WR_OK);
    CHECK_INT(env->read(file, bytes, 6, 4096), ==, 6);
    CHECK_MEM(bytes, "Behind", 6);
    CHECK_INT(env->read(file, bytes, 5, 0), ==, 5);
    CHECK_MEM(bytes, "first", 5);
    CHECK_INT(rmdir(path), ==, 0); /* nothing is in it */
    env->close(file);
    CHECK_INT(env->open_scratch(env, &file, &err), ==, WR_ENOENT);
    CHECK_CONTAINS(err.text, "make a scratch file in /tmp/weir-env-");
    CHECK_INT(unsetenv("TMPDIR"), ==, 0);
    CHECK_INT(env->open_scratch(env, &file, &err), ==, WR_OK);
    env->close(file);
}

TEST_EACH_ALLOCATION_FAILS(env_open_gives_everything_back) {
    const struct wr_env *env = wr_env_real();
    struct wr_file *file;
    struct wr_error err;
    int status = env->open(env, "dev", WR_FILE_READ, &file, &err);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    if (status == WR_OK)
        env->close(file);
}

TEST(env_says_what_to_do_where_no_more_files_may_be_open) {
    struct wr_error err = {0};
    CHECK_INT(wr_env_fail(&err, "open", "x", EMFILE), <, 0);
    CHECK_CONTAINS(err.text, "open x: ");
    CHECK_CONTAINS(err.help, "ulimit -n");
}
