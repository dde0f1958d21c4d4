/* refused.h: a start that is refused leaves no state. */
#pragma once

struct wr_env;
struct wr_error;
struct wr_run;

/* What was there before a start … */
struct state_before {
    int directory; /* whoever made it wants to keep it */
    int state;
};

struct state_before state_look_before(const struct wr_env *env, const char *directory);

/* … and when it fails with `status`: where it was refused, and no sink had begun, what it has made
 * goes. Only wr_run_free may follow. */
void state_unmake_refused(struct wr_run *run, struct state_before before, int status,
                          const struct wr_error *err);
