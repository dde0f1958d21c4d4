/* evolve.c: a state that may be of another script: what becomes of it is told, and refused where
 * something would be lost that may not be; and what is noted of a life that goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/time.h"
#include "exec/begin.h"
#include "exec/change.h"
#include "exec/evolve.h"
#include "exec/restore.h"
#include "exec/unit.h"
#include "state/store.h"
#include "base/banned.h"

#define WHICH_BYTES_MAX 200

/* "stage `agg` of clicks.lua:4:7", "sink `out.csv`" */
static const char *which(const struct wr_change *change, char text[WHICH_BYTES_MAX]) {
    const char *blank = change->address == NULL ? NULL : strchr(change->address, ' ');
    const char *name = change->name != NULL             ? change->name
                       : blank != NULL && blank[1] != 0 ? blank + 1 /* behind its kind */
                                                        : change->stage;
    snprintf(text, WHICH_BYTES_MAX, "%s `%s`%s%s", change->kind, name,
             change->place[0] == 0 ? "" : " of ", change->place);
    return text;
}

static int refuse(const struct wr_run *run, struct wr_error *err) {
    const struct wr_changes *changes = &run->changes;
    const struct wr_change *first = NULL;
    char text[WHICH_BYTES_MAX];
    for (uint32_t i = 0; i < changes->count && first == NULL; i++)
        if (changes->refused > 0 ? changes->items[i].what == WR_CHANGE_REFUSED
                                 : changes->items[i].loses)
            first = &changes->items[i];
    WR_ASSERT(first != NULL);
    uint32_t more = (changes->refused > 0 ? changes->refused : changes->loses) - 1;
    char others[32] = "";
    if (more > 0)
        snprintf(others, sizeof others, " (and %u more)", more);
    const char *from = run->goes_back ? run->options.savepoint : NULL;
    wr_error_script(err, "W601", "%s %s is of another script: %s: %s%s",
                    from == NULL ? "state" : "savepoint", from == NULL ? changes->directory : from,
                    which(first, text), first->reason, others);
    wr_error_help(err,
                  "`weir plan SCRIPT %s` says what becomes of each stage; %srun the script as it "
                  "was, or %s",
                  from == NULL ? "--state DIR" : "--from DIR",
                  changes->refused > 0 ? "" : "--allow-rebuild goes on without it; or ",
                  from == NULL ? "give another --state" : "begin anew without --from");
    return WR_EREFUSED;
}

static int check_limit(const struct wr_run *run, struct wr_error *err) {
    char text[2][32];
    const uint64_t limits[2] = {run->before.record_limit, run->options.record_limit};
    if (run->before.stage_count == 0 || limits[0] == limits[1])
        return WR_OK;
    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof text[i], limits[i] == 0 ? "no --limit" : "--limit %llu",
                 (unsigned long long)limits[i]);
    wr_error_script(err, "W601", "state %s was written with %s, and this run has %s",
                    run->changes.directory, text[0], text[1]);
    wr_error_help(err, "a run that reads less is another one: run it as it was, or give another "
                       "--state");
    return WR_EREFUSED;
}

int run_evolve(struct wr_run *run, int runs, struct wr_error *err) {
    run->changes =
        (struct wr_changes){.directory = run->options.state_directory,
                            .number = run->store == NULL ? 0 : wr_store_number(run->store)};
    int status = run_restore_past(run, err);
    if (status == WR_OK && run->changes.number > 0)
        status = run_restore_flags(run, err);
    if (status == WR_OK)
        status = check_limit(run, err);
    if (status == WR_OK)
        status = run_judge(run, err);
    if (status != WR_OK || run->changes.number == 0)
        return status;
    for (uint32_t i = 0; i < run->changes.count; i++)
        run->is_changed |= run->changes.items[i].what != WR_CHANGE_KEPT;
    if (run->options.tell_changes != NULL)
        run->options.tell_changes(run->options.tell_ctx, &run->changes);
    int is_lost = run->changes.loses > 0 && !run->options.allow_rebuild;
    return runs && (is_lost || run->changes.refused > 0) ? refuse(run, err) : WR_OK;
}

/* What was drawn by the seed of before lies in the state. */
void run_tell_seed(const struct wr_run *run, uint64_t given) {
    const struct wr_run_options *options = &run->options;
    if (given == 0 || options->hash_seed == given || options->note == NULL || options->is_again)
        return;
    options->note(options->note_ctx, options->state_directory,
                  "it goes on with the seed that it began with; that of `weir.settings` has no "
                  "effect on it, and would on another --state");
}

void run_tell_going_on(const struct wr_run *run) {
    const struct wr_run_options *options = &run->options;
    if (!run->was_restored || options->note == NULL || options->is_again ||
        run->summary.was_complete)
        return;
    const char *how = "it goes on";
    if (options->savepoint != NULL)
        how = wr_store_beginning(run->store) == WR_STORE_AS_COPIED
                  ? "it begins from that savepoint"
                  : "it began from that savepoint before, and goes on";
    uint64_t rows = run->summary.rows_in;
    char time[WR_TIME_TEXT_MAX], text[256];
    size_t length = wr_timestamp_format(run->saved_us - run->saved_us % 1000000, time);
    snprintf(text, sizeof text,
             "%s behind its checkpoint %" PRIu64 " of %.*s; %" PRIu64 " row%s read already", how,
             wr_store_number(run->store), (int)length, time, rows, rows == 1 ? " is" : "s are");
    options->note(options->note_ctx, options->state_directory, text);
}

/* A node cannot go on, whatever the comparison of the scripts has said of it. */
static void refuse_node(struct wr_run *run, uint32_t node, const char *why) {
    struct wr_changes *changes = &run->changes;
    for (uint32_t i = 0; i < changes->count; i++) {
        struct wr_change *change = &changes->items[i];
        if (change->node != node || change->what == WR_CHANGE_REFUSED)
            continue;
        changes->loses -= change->loses != 0;
        changes->refused++;
        change->loses = 0;
        change->what = WR_CHANGE_REFUSED;
        change->reason = why;
    }
}

/* What stands in the place of a sink may be none that the state goes on with. */
static int look_at_sinks(struct wr_run *run, struct wr_error *err) {
    int status = run_note_complete(run, err);
    for (uint32_t i = 0; i < run->unit_count && status == WR_OK; i++) {
        struct wr_error why = {0};
        if (run_look_at_sink(run, run->units[i], &why) == WR_OK)
            continue;
        const char *text = wr_arena_strndup(&run->arena, why.text, strlen(why.text));
        if (text == NULL)
            status = wr_error_set(err, WR_ENOMEM, "no memory for the plan");
        else
            refuse_node(run, run->units[i]->node->id, text);
    }
    return status;
}

int wr_run_compare(struct wr_plan *plan, const struct wr_run_options *options,
                   struct wr_error *err) {
    WR_ASSERT(plan->finished && (options->state_directory != NULL || options->savepoint != NULL));
    struct wr_run_options looks = *options;
    struct wr_run *run = NULL;
    int began = 1, status = WR_OK;
    looks.tell_changes = NULL; /* when all is known */
    looks.note = NULL;
    if (options->savepoint != NULL)
        status =
            run_began_from(plan->env, options->savepoint, options->state_directory, &began, err);
    if (!began)
        looks.state_directory = options->savepoint;
    if (status == WR_OK)
        status = run_new_to_look(&run, plan, &looks, !began, err);
    if (status == WR_OK && run->changes.number > 0)
        status = look_at_sinks(run, err);
    if (status == WR_OK && run->changes.number > 0 && options->tell_changes != NULL)
        options->tell_changes(options->tell_ctx, &run->changes);
    wr_run_free(run);
    return status;
}
