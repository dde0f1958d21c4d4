/* test_savepoint.c: a copy of a state whose holder goes, or comes, between two looks at it. */
#include "test.h"
#include "support_run.h"

#include <string.h>

#include "base/status.h"
#include "exec/inspect.h"

static int (*take)(const struct wr_env *env, const char *path, struct wr_file **file,
                   struct wr_error *err);
static int refusals; /* of the state's lock, before it can be had */

static int lock(const struct wr_env *env, const char *path, struct wr_file **file,
                struct wr_error *err) {
    if (strcmp(path, "/state/LOCK") == 0 && refusals > 0) {
        refusals--;
        return wr_error_set(err, WR_EREFUSED, "%s is held by process 7", path);
    }
    return take(env, path, file, err);
}

TEST(savepoint_of_a_state_whose_holder_ends_between_two_looks) {
    for (int n = 0; n < 12; n++) {
        struct stand stand;
        char to[16];
        stand_begin(&stand);
        uint32_t read = stand_source(&stand, "v int64", 1);
        stand_feed(&stand, read, 0, "1|2/3");
        stand_sink(&stand, read);
        stand.options.state_directory = "/state";
        stand_run_all(&stand);
        struct wr_env *env = (struct wr_env *)(uintptr_t)stand.plan->env;
        take = env->lock;
        env->lock = lock;
        refusals = n;
        snprintf(to, sizeof to, "/to%d", n);
        int status = wr_state_save(env, "/state", to, 10000000, &stand.err);
        if (status != WR_OK)
            test_fail(__FILE__, __LINE__, "%d refusals: %s", n, stand.err.text);
        CHECK_INT(refusals, ==, 0);
        env->lock = take;
        stand_end(&stand);
    }
}
