/* again.c: see run.h. Going on after a write that failed would be wrong: an unknown part of it
 * stands there, and SQLite may have rolled back by itself (rule S2). A restart from the last
 * checkpoint is right for every sink, and is what kills are tested with. */
#include <string.h>

#include "base/status.h"
#include "exec/again.h"
#include "exec/unit.h"
#include "base/banned.h"

/* The sink that failed, if it waits; where it was none (the state itself), the first one that waits
 * at all. */
static const struct wr_node *waits_for(const struct wr_plan *plan, const struct wr_error *err) {
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        const struct wr_retry *retry = node->endpoint.retry;
        if (node->live && node->kind == WR_NODE_SINK && retry != NULL && retry->failures > 0 &&
            (err->sink == 0 || err->sink == n + 1))
            return node;
    }
    return NULL;
}

static int begin_again(struct wr_run **run, struct wr_plan *plan,
                       const struct wr_run_options *options, struct wr_error *err) {
    struct wr_run_options next = *options;
    next.is_again = 1;
    *err = (struct wr_error){0};
    return wr_run_new(run, plan, &next, err);
}

int run_can_be_read_again(const struct wr_plan *plan) {
    for (uint32_t n = 0; n < plan->node_count; n++) {
        const struct wr_node *node = plan->nodes[n];
        if (node->live && node->kind == WR_NODE_SOURCE && node->endpoint.resume == WR_RESUME_START)
            return 0;
    }
    return 1;
}

/* What the run that is given up has counted. */
static void keep_trouble(struct wr_again *again, const struct wr_run *run) {
    for (uint32_t i = 0; run != NULL && i < run->unit_count; i++) {
        const struct wr_sink *sink = run->units[i]->sink;
        if (sink != NULL)
            wr_trouble_add(&again->trouble, &sink->trouble);
    }
}

int wr_run_again(struct wr_again *again, struct wr_run **run, struct wr_plan *plan,
                 const struct wr_run_options *options, int status, struct wr_error *err) {
    struct wr_patience *patience = &again->patience;
    if (*run != NULL && (*run)->wants_again) {
        keep_trouble(again, *run);
        wr_run_free(*run);
        *run = NULL;
        status = begin_again(run, plan, options, err);
    }
    while (status < 0 && options->state_directory != NULL && strcmp(err->code, "W610") == 0 &&
           (options->stop == NULL || !*options->stop) && run_can_be_read_again(plan)) {
        const struct wr_node *node = waits_for(plan, err);
        if (node == NULL)
            return status;
        patience->retry = node->endpoint.retry;
        patience->place = node->name;
        patience->env = plan->env;
        patience->stop = options->stop;
        patience->warn = options->warn;
        patience->warn_ctx = options->warn_ctx;
        patience->trouble = &again->trouble;
        keep_trouble(again, *run);
        wr_run_free(*run);
        *run = NULL;
        int next = wr_patience_again(patience, err->text);
        if (next != WR_OK)
            return next == WR_ECANCEL ? wr_patience_stopped(patience, err)
                                      : wr_patience_gone(patience, "W610", err);
        status = begin_again(run, plan, options, err);
        again->epoch = status == WR_OK ? (*run)->epoch : 0;
    }
    return status;
}

int wr_run_wants_again(const struct wr_run *run) {
    return run->wants_again;
}

void wr_run_goes_on(struct wr_again *again, const struct wr_run *run) {
    if (again->patience.failures > 0 && run->epoch > again->epoch)
        wr_patience_well(&again->patience);
}
