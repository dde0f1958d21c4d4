/* refused.c: a start that is refused leaves no state that it has made: the next one would go on
 * from it. */
#include <string.h>

#include "base/env.h"
#include "base/status.h"
#include "exec/build.h"
#include "exec/refused.h"
#include "exec/run_inside.h"
#include "exec/state_file.h"
#include "state/store.h"
#include "base/banned.h"

struct state_before state_look_before(const struct wr_env *env, const char *directory) {
    struct wr_file_info info;
    struct state_before before = {0};
    if (directory == NULL)
        return before;
    before.directory = env->stat(env, directory, &info) == WR_OK;
    before.state = before.directory && state_file_is_there(env, directory, "state.db");
    return before;
}

/* Nobody has gone on with it, not even between the look and the lock, and no sink has begun. */
static int is_new(const struct wr_run *run) {
    uint64_t number = wr_store_number(run->store);
    return (run->goes_back || number == 0) && run->epoch <= number;
}

/* It would be the same at the next start, until something is mended. */
static int is_refused(int status, const struct wr_error *err) {
    return (status != WR_EIO && status != WR_ENOMEM && status != WR_ECANCEL) ||
           (err != NULL && strcmp(err->code, "W602") == 0);
}

void state_unmake_refused(struct wr_run *run, struct state_before before, int status,
                          const struct wr_error *err) {
    if (before.state || run->store == NULL || !is_refused(status, err) || !is_new(run))
        return;
    run_close_units(run);
    run->unit_count = 0;
    (void)wr_store_unmake(run->store, before.directory, NULL); /* what is left is no state */
}
