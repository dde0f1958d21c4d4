/* partition_look.c: whether a directory is of the moment that the state is of, when a run goes on.
 *
 * A file that the state says is written stands under its temporary name, and gets the final one at
 * the end of the input alone. So where rows are still to come and it has its final name, a later
 * run has completed it. Where no such file tells, the fence of the directory does, which goes when
 * all is complete. The other way round, a state that is complete and finds its fence, or one that
 * finds an earlier mark in it than it has made, stands before an older copy of the directory.
 *
 * What is under neither name is another matter: readers take complete files away. */
#include <inttypes.h>
#include <stdio.h>

#include "base/env.h"
#include "base/status.h"
#include "conn/file_look.h"
#include "conn/partition.h"
#include "base/banned.h"

/* Of the files that the state knows of. */
struct looked {
    uint32_t standing;             /* under their temporary names */
    uint32_t complete;             /* under the final ones … */
    uint32_t passed;               /* … though rows are still to come to them */
    const struct partition *first; /* of the latter */
};

int partition_lost(const struct partition_sink *self, const char *path, uint64_t length,
                   struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT,
                 "%s: the state goes on behind %" PRIu64 " bytes of `%s`, and they are not there",
                 self->base.name, length, path);
    wr_error_help(err, "put that file back as it was when the run stopped, or begin anew with "
                       "another --state");
    return WR_ECORRUPT;
}

/* ---- completed since ----------------------------------------------------------------------- */

static int has_names(const struct partition_sink *self, const struct partition *one, uint32_t count,
                     struct wr_error *err) {
    char path[PARTITION_PATH_MAX], final[PARTITION_PATH_MAX], more[48] = "";
    int status = partition_path(self, one, one->number, 0, "", path, err);
    if (status == WR_OK)
        status = partition_path(self, one, one->number, 1, "", final, err);
    if (status != WR_OK)
        return status;
    if (count > 1)
        snprintf(more, sizeof more, ", with %" PRIu32 " more", count - 1);
    int goes_back = self->base.goes_back;
    status = goes_back ? WR_ECORRUPT : WR_EREFUSED;
    wr_error_set(err, status,
                 "%s: `%s` was complete already%s, and more rows come: nothing was changed",
                 self->base.name, final, more);
    if (!goes_back)
        wr_error_code(err, WR_FENCE_TAKEN);
    wr_error_help(err,
                  "the state stands in the midst of %s, completed since by a later run: %srename "
                  "it to `%.250s`%s, and its rows from there on are written anew; or let the sink "
                  "write to another directory (`weir plan` says what becomes of the rest)",
                  count > 1 ? "these files" : "that file",
                  goes_back ? "" : "go on with the state of that one; or ", path,
                  count > 1 ? ", the others so too" : "");
    return status;
}

int partition_has_its_name(const struct partition_sink *self, const struct partition *one,
                           struct wr_error *err) {
    char path[PARTITION_PATH_MAX], final[PARTITION_PATH_MAX];
    int status = partition_path(self, one, one->number, 0, "", path, err);
    if (status == WR_OK)
        status = partition_path(self, one, one->number, 1, "", final, err);
    if (status != WR_OK)
        return status;
    wr_error_set(err, WR_ECORRUPT, "%s: `%s` was complete already, and more rows come",
                 self->base.name, final);
    wr_error_help(err,
                  "this state has completed that file: rename it to `%.250s`, and they go behind "
                  "its rows; or let the sink write to another directory (`weir plan` says what "
                  "becomes of the rest)",
                  path);
    return WR_ECORRUPT;
}

int partition_goes_again(struct partition_sink *self, struct wr_error *err) {
    int is_whole = self->was_whole;
    self->was_whole = is_whole && !self->goes_again;
    return !self->was_whole ? WR_OK
                            : wr_error_set(err, WR_ECORRUPT,
                                           "%s: rows come for `%s`, which the state has completed",
                                           self->base.name, self->config->directory);
}

static int completed_since(const struct partition_sink *self, struct wr_error *err) {
    wr_error_set(err, WR_EREFUSED,
                 "%s: a later run of this pipeline has completed it: this state, of checkpoint "
                 "%" PRIu64 ", is an old copy; nothing was changed",
                 self->base.name, self->fence.kept.epoch);
    wr_error_code(err, WR_FENCE_TAKEN);
    wr_error_help(err, "go on with the state of that run; with another --state the run begins "
                       "anew. To write the rest once more, over what stands there, `--state NEW "
                       "--from COPY`");
    return WR_EREFUSED;
}

static int check_completed(struct partition_sink *self, const struct looked *looked,
                           struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    if (looked->passed > 0)
        return has_names(self, looked->first, looked->passed, err);
    int had_fence = self->fence.identity != 0 && self->fence.kept.epoch != 0 &&
                    (self->count > 0 || self->has_forgotten);
    int may_be_there = self->fence_exists || looked->standing > 0;
    if (sink->is_complete || sink->goes_back || !had_fence || may_be_there || self->was_whole)
        return WR_OK;
    int is_filled = looked->complete > 0, status = WR_OK;
    if (!is_filled)
        status = partition_is_filled(self, &is_filled, err);
    return status == WR_OK && is_filled ? completed_since(self, err) : status;
}

/* ---- an older copy ------------------------------------------------------------------------- */

static int older(const struct partition_sink *self, struct wr_error *err) {
    wr_error_set(err, WR_ECORRUPT,
                 "%s: it is an older copy: files that this state, of checkpoint %" PRIu64
                 ", has completed since may be missing; nothing was changed",
                 self->base.name, self->fence.kept.epoch);
    wr_error_help(err, "put back the directory that this state has left, or the state that was "
                       "copied with it; or begin anew with another --state");
    return WR_ECORRUPT;
}

static int check_older(struct partition_sink *self, const struct looked *looked,
                       struct wr_error *err) {
    int goes_on = self->fence_exists || looked->standing > 0;
    int is_old = self->fence_is_old && looked->standing == 0; /* else the fence alone is */
    if (self->goes_again && goes_on)
        self->was_whole = 0;
    if (is_old || (self->was_whole && goes_on && !self->base.goes_back))
        return older(self, err);
    if (self->fence.identity != 0 &&
        self->fence.kept.epoch != 0) /* else nobody has looked so far */
        self->was_whole =
            !goes_on && (self->base.is_complete || (self->was_whole && self->goes_again));
    if (self->base.is_complete && !goes_on)
        self->goes_again = self->base.goes_further;
    self->base.is_due |= self->base.is_complete && self->base.goes_further; /* it says so then */
    return WR_OK;
}

/* ---- files --------------------------------------------------------------------------------- */

/* It is not under its temporary name any more: it has the final one, or was taken away with it. */
static int look_at_renamed(struct partition_sink *self, struct partition *one, const char *path,
                           int *exists, struct wr_error *err) {
    char final[PARTITION_PATH_MAX];
    struct wr_file_info info;
    int is_named = one->is_renamed,
        status = partition_path(self, one, one->number, 1, "", final, err);
    if (status == WR_OK)
        status = wr_file_look(self->base.env, final, &info, exists, err);
    int is_whole = status == WR_OK && *exists && info.size_bytes >= one->length;
    if (status == WR_OK && !is_whole && !is_named)
        status = partition_was_taken(self, path, &is_named, err);
    if (status != WR_OK)
        return status;
    one->is_renamed = (uint8_t)(is_whole || is_named);
    if (is_whole || (is_named && !*exists))
        return WR_OK;
    return partition_lost(self, is_named ? final : path, one->length,
                          err); /* or a file of before */
}

static int look_at_active(struct partition_sink *self, struct partition *one, struct looked *looked,
                          struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    struct wr_file_info info;
    int is_there, exists, was_renamed = one->is_renamed; /* the state knows it */
    int status = partition_path(self, one, one->number, 0, "", path, err);
    one->is_changed = 1;
    if (status == WR_OK)
        status = wr_file_look(self->base.env, path, &info, &is_there, err);
    if (status != WR_OK)
        return status;
    if (is_there) {
        looked->standing++;
        one->is_renamed = 0; /* where a power cut has taken the name back */
        return info.size_bytes < one->length ? partition_lost(self, path, one->length, err) : WR_OK;
    }
    status = look_at_renamed(self, one, path, &exists, err);
    if (status != WR_OK || !exists)
        return status;
    looked->complete++;
    if (!self->base.is_complete && !was_renamed && looked->passed++ == 0)
        looked->first = one;
    return WR_OK;
}

static int look_at_done(const struct partition_sink *self, const struct partition_done *done,
                        struct looked *looked, struct wr_error *err) {
    const struct partition *one = &self->partitions[done->partition];
    char path[PARTITION_PATH_MAX];
    struct wr_file_info info;
    int exists, status = partition_path(self, one, done->number, 0, "", path, err);
    if (status == WR_OK)
        status = wr_file_look(self->base.env, path, &info, &exists, err);
    if (status != WR_OK)
        return status;
    if (exists) {
        looked->standing++;
        return info.size_bytes < done->length ? partition_lost(self, path, done->length, err)
                                              : WR_OK;
    }
    status = partition_path(self, one, done->number, 1, "", path, err);
    if (status == WR_OK)
        status = wr_file_look(self->base.env, path, &info, &exists, err);
    looked->complete += status == WR_OK && exists;
    return status;
}

int partition_look(struct partition_sink *self, struct wr_error *err) {
    struct looked looked = {0};
    int status = WR_OK;
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++)
        if (self->partitions[p].is_active)
            status = look_at_active(self, &self->partitions[p], &looked, err);
    for (uint32_t i = 0; i < self->done_count && status == WR_OK; i++)
        status = look_at_done(self, &self->done[i], &looked, err);
    if (status == WR_OK)
        status = check_completed(self, &looked, err);
    return status == WR_OK ? check_older(self, &looked, err) : status;
}
