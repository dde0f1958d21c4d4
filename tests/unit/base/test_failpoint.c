/* test_failpoint.c: failpoints count, fail at the n-th time, and kill a process. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"
#include "base/failpoint.h"
#include "base/status.h"

#if WR_FAILPOINTS
static int reach(void) {
    return WR_FP_ERRNO("test.place");
}

TEST(failpoint_fails_the_nth_time_only) {
    CHECK(wr_failpoint_set("test.place:enospc@2,other:eio"));
    CHECK_INT(reach(), ==, 0);
    CHECK_INT(reach(), ==, ENOSPC);
    CHECK_INT(reach(), ==, 0);
    CHECK_INT(wr_failpoint_count("test.place"), ==, 3);
    CHECK(wr_failpoint_set("test.place:eio@2+"));
    CHECK_INT(reach(), ==, 0);
    CHECK_INT(reach(), ==, EIO);
    CHECK_INT(reach(), ==, EIO);
    CHECK(wr_failpoint_set(NULL));
    CHECK_INT(reach(), ==, 0);
}

TEST(failpoint_refuses_rules_that_it_cannot_read) {
    static const char *const bad[] = {"x",        ":eio",     "x:bang",  "x:eio@",  "x:eio@0",
                                      "x:eio@1y", "x:sleep:", "x:eio,y", "x:eio@-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!wr_failpoint_set(bad[i]));
    CHECK(wr_failpoint_set(""));
}

TEST(failpoint_makes_the_real_env_fail) {
    const struct wr_env *env = wr_env_real();
    struct wr_file *file;
    struct wr_error err;
    CHECK(wr_failpoint_set("env.open:eio,env.read:eio@2"));
    CHECK_INT(env->open(env, "dev", WR_FILE_READ, &file, &err), ==, WR_EIO);
    CHECK_STR(err.text, "open dev: Input/output error");
    CHECK_INT(env->open(env, "dev", WR_FILE_READ, &file, &err), ==, WR_OK);
    char bytes[2];
    CHECK_INT(env->read(file, bytes, 2, -1), ==, 2);
    CHECK_INT(env->read(file, bytes, 2, -1), ==, WR_EIO);
    CHECK_INT(env->read(file, bytes, 2, -1), ==, 2);
    env->close(file);
    wr_failpoint_set(NULL);
}

TEST(failpoint_kills_the_process) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        wr_failpoint_set("test.place:kill@3");
        for (int i = 0; i < 3; i++)
            reach();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), ==, SIGKILL);
}
#else
static int reach(void) {
    WR_FP("test.place");
    return WR_FP_ERRNO("test.place");
}

TEST(failpoint_is_nothing_in_a_release) {
    CHECK_INT(reach(), ==, 0);
}
#endif
