/* partition_file.c: the files of a partitioned sink. A file is written under a
 * temporary name that readers of such directories pass over (it begins with a dot), and renamed
 * when it is complete. A few are open at a time; others are opened again when rows come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/file_append.h"
#include "conn/file_look.h"
#include "conn/named.h"
#include "conn/partition.h"
#include "base/banned.h"

int partition_path(const struct partition_sink *self, const struct partition *one, uint32_t number,
                   int is_final, const char *other, char path[PARTITION_PATH_MAX],
                   struct wr_error *err) {
    const struct partition_config *config = self->config;
    const char *slash = one->name[0] == 0 ? "" : "/";
    int length;
    if (number == UINT32_MAX)
        length = snprintf(path, PARTITION_PATH_MAX, "%s%s%s%s", config->directory, one->name,
                          other[0] == 0 ? "" : slash, other);
    else if (is_final)
        length = snprintf(path, PARTITION_PATH_MAX, "%s%s%spart-%0*" PRIu32 "%s", config->directory,
                          one->name, slash, config->digits, number, config->ending);
    else
        length = snprintf(path, PARTITION_PATH_MAX,
                          "%s%s%s.part-%0*" PRIu32 "%s.%08" PRIx32 ".part", config->directory,
                          one->name, slash, config->digits, number, config->ending, self->token);
    if (length >= PARTITION_PATH_MAX)
        return wr_error_set(err, WR_EARG, "write %.80s…: the path is too long", path);
    return WR_OK;
}

/* ---- open files ---------------------------------------------------------------------------- */

int partition_flush(struct partition_sink *self, struct partition_slot *slot,
                    struct wr_error *err) {
    if (slot->text.status != WR_OK)
        return partition_no_memory(self, err);
    int status = slot->text.length == 0
                     ? WR_OK
                     : wr_output_write(&slot->output, slot->text.bytes, slot->text.length, err);
    wr_buf_clear(&slot->text);
    return status;
}

/* All of it is in the file, and safe where a state will say so. */
static int close_slot(struct partition_sink *self, struct partition_slot *slot,
                      struct wr_error *err) {
    int status = partition_flush(self, slot, err);
    if (status == WR_OK)
        status = wr_output_end_member(&slot->output, err);
    if (status == WR_OK)
        status = wr_output_check(&slot->output, err);
    struct partition *one = &self->partitions[slot->partition];
    if (status == WR_OK && self->base.store != NULL && !partition_leaves(self, one))
        status = wr_output_sync(&slot->output, err);
    one->length = slot->output.length;
    one->is_changed = 1;
    one->slot = NULL;
    wr_output_close(&slot->output);
    slot->is_open = 0;
    return status;
}

static int free_slot(struct partition_sink *self, struct partition_slot **slot,
                     struct wr_error *err) {
    struct partition_slot *oldest = &self->slots[0];
    for (uint32_t i = 0; i < PARTITION_FILES_MAX; i++) {
        *slot = &self->slots[i];
        if (!(*slot)->is_open)
            return WR_OK;
        if ((*slot)->used < oldest->used)
            oldest = *slot;
    }
    *slot = oldest;
    return close_slot(self, oldest, err);
}

struct found {
    struct partition_sink *self;
    const struct partition *one;
    struct wr_error *err;
    uint32_t next; /* behind the highest number */
    int removes;   /* all but those of this run: `ours` numbers from 0 on */
    uint32_t ours;
    int status;
};

static int is_ours(const struct found *found, const char *path, uint32_t number) {
    char name[PARTITION_PATH_MAX];
    return number < found->ours &&
           partition_path(found->self, found->one, number, 1, "", name, NULL) == WR_OK &&
           strcmp(path, name) == 0;
}

static int visit_file(void *ctx, const char *path) {
    struct found *found = ctx;
    const struct wr_env *env = found->self->base.env;
    const char *number = strrchr(path, '/') + 1 + strlen("part-");
    char *end;
    unsigned long value = strtoul(number, &end, 10);
    int is_numbered = end != number && value < UINT32_MAX - 1;
    if (is_numbered)
        found->next = WR_MAX(found->next, (uint32_t)value + 1);
    if (found->removes && !(is_numbered && is_ours(found, path, (uint32_t)value)))
        found->status = env->remove(env, path, found->err);
    return found->status != WR_OK;
}

static int visit_files(struct partition_sink *self, const struct partition *one,
                       struct found *found, struct wr_error *err) {
    char pattern[PARTITION_PATH_MAX];
    found->self = self;
    found->one = one;
    found->err = err;
    int status = partition_path(self, one, UINT32_MAX, 0, "part-*", pattern, err);
    if (status == WR_OK)
        status = self->base.env->glob(self->base.env, pattern, visit_file, found, err);
    return found->status != WR_OK ? found->status : status;
}

/* What earlier runs left in a partition goes just before a first new file is there; a power cut may
 * bring it back and keep the new file. `ours`: so many files are those of this run. */
static int clear_partition(struct partition_sink *self, const struct partition *one, uint32_t ours,
                           struct wr_error *err) {
    struct found found = {.removes = 1, .ours = ours};
    return self->config->mode == PARTITION_REPLACE && !self->was_whole
               ? visit_files(self, one, &found, err)
               : WR_OK;
}

/* The first file of a partition in this run. */
static int begin_partition(struct partition_sink *self, struct partition *one,
                           struct wr_error *err) {
    char path[PARTITION_PATH_MAX];
    int status = partition_goes_again(self, err);
    if (status == WR_OK)
        status = partition_path(self, one, UINT32_MAX, 0, "", path, err);
    if (status == WR_OK) /* else it would be made anew */
        status = partition_fence_check_place(self, err);
    if (status == WR_OK)
        status = partition_make_directory(self, one, path, err);
    if (status == WR_OK && self->config->mode == PARTITION_APPEND && !one->is_claimed) {
        struct found found = {0};
        status = visit_files(self, one, &found, err);
        one->number = found.next;
        one->is_claimed = 1;
    }
    return status == WR_OK ? partition_fence_take(self, err) : status;
}

/* A file that is gone on with is as it was left: else it would be made anew, without its begin. */
static int check_left(const struct partition_sink *self, const struct partition *one,
                      const char *path, struct wr_error *err) {
    struct wr_file_info info;
    int exists, status = wr_file_look(self->base.env, path, &info, &exists, err);
    return status == WR_OK ? wr_fence_check_left(path, exists ? &info : NULL, one->length, err)
                           : status;
}

/* The directory may have gone since it was looked at. */
static int why_not_open(const struct partition_sink *self, int status, struct wr_error *err) {
    struct wr_error gone = {0};
    if (partition_fence_check(self, &gone) != WR_EREFUSED)
        return status;
    if (err != NULL)
        *err = gone;
    return WR_EREFUSED;
}

int partition_open(struct partition_sink *self, uint32_t partition, struct wr_error *err) {
    struct partition *one = &self->partitions[partition];
    if (one->slot != NULL) {
        one->slot->used = ++self->clock;
        return WR_OK;
    }
    struct partition_slot *slot;
    int status = free_slot(self, &slot, err), is_new = !one->is_active;
    if (status == WR_OK && is_new)
        status = begin_partition(self, one, err);
    if (status == WR_OK)
        status = partition_path(self, one, one->number, 0, "", slot->path, err);
    if (status == WR_OK && !is_new)
        status = check_left(self, one, slot->path, err);
    if (status != WR_OK)
        return status;
    if (is_new)
        one->rows = one->bytes = one->length = 0;
    status = wr_output_open(&slot->output, self->base.env, self->base.budget, slot->path,
                            is_new ? WR_FILE_CREATE : WR_FILE_APPEND, self->config->compression,
                            one->length, err);
    if (status != WR_OK)
        return why_not_open(self, status, err);
    slot->is_open = 1;
    slot->partition = partition;
    slot->used = ++self->clock;
    one->slot = slot;
    one->is_active = one->is_changed = 1;
    if (!is_new || self->config->format->begin == NULL)
        return WR_OK;
    self->encoder->at_start = 1;
    self->encoder->resumed = 0;
    return self->config->format->begin(self->encoder, &slot->text) == WR_OK
               ? WR_OK
               : partition_no_memory(self, err);
}

/* ---- files that are complete --------------------------------------------------------------- */

/* `_SUCCESS` beside the files that have got their names, where the script asks for it. `later`: it
 * is durable with the next sync of all. */
static int mark_success(const struct partition_sink *self, const struct partition *one, int later,
                        struct wr_error *err) {
    if (!self->config->success)
        return WR_OK;
    const struct wr_env *env = self->base.env;
    char path[PARTITION_PATH_MAX];
    struct wr_file_info info;
    struct wr_file *file;
    int exists = 0, status = partition_path(self, one, UINT32_MAX, 0, "", path, err);
    if (status == WR_OK)
        status = wr_file_look(env, path, &info, &exists, err);
    if (status != WR_OK || !exists) /* somebody has taken all of it */
        return status;
    status = partition_path(self, one, UINT32_MAX, 0, "_SUCCESS", path, err);
    if (status == WR_OK)
        status = env->open(env, path, WR_FILE_CREATE, &file, err);
    if (status != WR_OK)
        return status;
    status = later ? WR_OK : env->sync(file, err);
    env->close(file);
    return status;
}

/* Numbers are taken when files begin, behind those that are there; a run that was stopped meanwhile
 * may find that another one has used them. */
static int is_taken(const struct partition_sink *self, const char *from, const char *to,
                    struct wr_error *err) {
    struct wr_file_info info;
    const struct wr_env *env = self->base.env;
    if (self->config->mode != PARTITION_APPEND)
        return WR_OK;
    int exists, status = wr_file_look(env, to, &info, &exists, err);
    if (status != WR_OK || !exists)
        return status;
    wr_error_set(err, WR_EEXIST, "write %s: another run has written it meanwhile", to);
    wr_error_help(err,
                  "the rows are in `%s`: give it another number, or begin anew with another "
                  "--state",
                  from);
    return WR_EEXIST;
}

/* Those that stand there from runs before go when the first new one comes. `is_before`: a life
 * before has said of it that it is complete. `later`: the name is durable with the next sync of
 * all. */
static int name_file(struct partition_sink *self, struct partition_done *done, int is_before,
                     int later, struct wr_error *err) {
    struct partition *one = &self->partitions[done->partition];
    const struct wr_env *env = self->base.env;
    char from[PARTITION_PATH_MAX], to[PARTITION_PATH_MAX];
    struct wr_file_info info;
    int status = partition_path(self, one, done->number, 0, "", from, err);
    if (status == WR_OK)
        status = partition_path(self, one, done->number, 1, "", to, err);
    if (status != WR_OK)
        return status;
    int is_there, is_named = 0;
    status = wr_file_look(env, from, &info, &is_there, err);
    if (status == WR_OK && !is_there)
        status = wr_file_look(env, to, &info, &is_named, err);
    if (status == WR_OK && is_named && !later)
        status = env->sync_name(env, to, err);
    if (status == WR_OK && !is_there && !is_named && is_before) {
        status = partition_is_gone(self, from, done->rows, &is_named, err);
        done->is_lost = !is_named;
    }
    if (status != WR_OK || done->is_lost)
        return status;
    if (!is_there && !is_named)
        return wr_error_set(err, WR_ECORRUPT, "%s: `%s` is not there", self->base.name, from);
    if (is_there)
        status = is_taken(self, from, to, err);
    if (status == WR_OK && (done->number == 0 || !is_there))
        status = clear_partition(self, one, is_there ? 0 : one->number + one->is_renamed, err);
    if (is_there && status == WR_OK)
        status = wr_named_rename(&self->base, from, to, later, err);
    return status;
}

int partition_was_named(struct partition_sink *self, const struct partition *one,
                        struct wr_error *err) {
    int status = clear_partition(self, one, one->number + one->is_renamed, err);
    return status == WR_OK ? mark_success(self, one, 0, err) : status;
}

static void begin_next(struct partition *one) {
    one->number++;
    one->is_changed = 1;
    one->is_active = one->is_renamed = 0;
    one->rows = one->bytes = one->length = 0;
    one->last_us = WR_TIME_MIN;
    one->due_us = WR_TIME_MAX;
}

int partition_leave_named(struct partition_sink *self, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++) {
        struct partition *one = &self->partitions[p];
        if (one->is_renamed && !self->was_whole)
            status = partition_was_named(self, one, err);
        if (one->is_renamed && status == WR_OK)
            begin_next(one);
    }
    return status;
}

int partition_complete(struct partition_sink *self, uint32_t partition, struct wr_error *err) {
    struct partition *one = &self->partitions[partition];
    int status = one->slot != NULL ? close_slot(self, one->slot, err) : WR_OK;
    if (status != WR_OK)
        return status;
    struct partition_done done = {
        .partition = partition, .number = one->number, .rows = one->rows, .length = one->length};
    if (self->base.store == NULL && !self->base.held && !self->ends) {
        status = partition_fence_check(self, err);
        if (status == WR_OK)
            status = name_file(self, &done, 0, 0, err);
        if (status == WR_OK)
            status = mark_success(self, one, 0, err);
        if (status != WR_OK)
            return status;
    } else {
        if (wr_grow(self->base.budget, (void **)&self->done, self->done_count, &self->done_room,
                    sizeof *self->done) != WR_OK)
            return partition_no_memory(self, err);
        self->done[self->done_count++] = done;
    }
    begin_next(one);
    return WR_OK;
}

/* Those that wait for a sync of all had better be more than a few; nothing is left to one that is
 * not on the file system of the others. */
static int is_left(struct partition_sink *self, const struct partition_done *done, int many) {
    int later = many && !self->partitions[done->partition].is_elsewhere;
    self->is_due |= (uint8_t)later;
    return later;
}

/* A mark is durable behind the names. */
int partition_name_done(struct partition_sink *self, struct wr_error *err) {
    int many = self->done_count > PARTITION_SYNCED_MAX && self->filesystem != NULL;
    if (many && self->base.store == NULL) /* contents before names */
        self->is_due = 1;
    int status = partition_sync_left(self, err);
    for (uint32_t i = 0; i < self->done_count && status == WR_OK; i++)
        status = name_file(self, &self->done[i], i < self->done_before,
                           is_left(self, &self->done[i], many), err);
    if (status == WR_OK)
        status = wr_named_sync(&self->base, err);
    if (status == WR_OK)
        status = partition_sync_left(self, err);
    for (uint32_t i = 0; i < self->done_count && status == WR_OK && self->config->success; i++)
        if (!self->done[i].is_lost)
            status = mark_success(self, &self->partitions[self->done[i].partition],
                                  is_left(self, &self->done[i], many), err);
    if (status == WR_OK)
        status = partition_sync_left(self, err);
    if (status == WR_OK)
        self->done_count = self->done_before = 0;
    return status;
}

/* ---- before and after ---------------------------------------------------------------------- */

/* It is as it was looked at, but for what may have come before the fence was held. */
static int cut_one(struct partition_sink *self, struct partition *one, struct wr_error *err) {
    const struct wr_env *env = self->base.env;
    char path[PARTITION_PATH_MAX];
    struct wr_file_info info;
    struct wr_file *file;
    int is_there, status = partition_path(self, one, one->number, one->is_renamed, "", path, err);
    if (status == WR_OK)
        status = wr_file_look(env, path, &info, &is_there, err);
    if (status != WR_OK)
        return status;
    if (one->is_renamed)
        return is_there ? env->sync_name(env, path, err) : WR_OK;
    if (!is_there || info.size_bytes < one->length)
        return partition_lost(self, path, one->length, err);
    if (info.size_bytes == one->length)
        return WR_OK;
    status = env->open(env, path, WR_FILE_APPEND, &file, err);
    if (status != WR_OK)
        return status;
    status = env->truncate(file, one->length, err);
    env->close(file);
    return status;
}

int partition_cut(struct partition_sink *self, struct wr_error *err) {
    int status = WR_OK;
    for (uint32_t p = 0; p < self->count && status == WR_OK && !self->was_whole; p++)
        if (self->partitions[p].is_active)
            status = cut_one(self, &self->partitions[p], err);
    if (status == WR_OK && !self->base.held)
        status = partition_name_done(self, err);
    partition_tell_gone(self);
    return status;
}

static int is_any(void *ctx, const char *path) {
    (void)path;
    *(int *)ctx = 1;
    return 1;
}

int partition_is_filled(struct partition_sink *self, int *is_filled, struct wr_error *err) {
    const struct partition_config *config = self->config;
    const struct wr_env *env = self->base.env;
    struct wr_buf pattern;
    *is_filled = 0;
    wr_buf_init(&pattern, self->base.budget, 0);
    wr_buf_add_text(&pattern, config->directory);
    if (config->column_count == 0) {
        wr_buf_add(&pattern, "part-*", 7);
    } else {
        const struct wr_field *field = &self->base.schema->fields[config->columns[0]];
        partition_add_escaped(&pattern, field->name, field->name_length);
        wr_buf_add(&pattern, "=*", 3);
    }
    int status = pattern.status != WR_OK ? partition_no_memory(self, err)
                                         : env->glob(env, pattern.bytes, is_any, is_filled, err);
    wr_buf_release(&pattern);
    return *is_filled ? WR_OK : WR_MIN(status, WR_OK);
}

int partition_check_new(struct partition_sink *self, struct wr_error *err) {
    const struct partition_config *config = self->config;
    int is_filled, status = partition_is_filled(self, &is_filled, err);
    if (status != WR_OK || !is_filled)
        return status;
    wr_error_set(err, WR_EEXIST, "write %s: there are %s already", config->directory,
                 config->column_count == 0 ? "parts" : "partitions");
    wr_error_help(err, "`mode = \"new\"` adds to nothing that is there: \"replace\", \"append\"");
    return WR_EEXIST;
}

void partition_close_all(struct partition_sink *self) {
    const struct wr_env *env = self->base.env;
    char path[PARTITION_PATH_MAX];
    for (uint32_t i = 0; self->slots != NULL && i < PARTITION_FILES_MAX; i++) {
        if (self->slots[i].is_open)
            wr_output_close(&self->slots[i].output);
        wr_buf_release(&self->slots[i].text);
    }
    if (self->filesystem != NULL)
        env->close_filesystem(self->filesystem);
    self->filesystem = NULL;
    for (uint32_t i = 0; i < self->done_count && !self->saved; i++)
        if (partition_path(self, &self->partitions[self->done[i].partition], self->done[i].number,
                           0, "", path, NULL) == WR_OK)
            env->remove(env, path, NULL);
    for (uint32_t p = 0; p < self->count; p++) {
        struct partition *one = &self->partitions[p];
        if (one->is_active && !self->saved &&
            partition_path(self, one, one->number, 0, "", path, NULL) == WR_OK)
            env->remove(env, path, NULL);
        wr_free(self->base.budget, one->name);
    }
    wr_free(self->base.budget, self->slots);
    wr_free(self->base.budget, self->partitions);
    wr_free(self->base.budget, self->index);
    wr_free(self->base.budget, self->done);
    wr_free(self->base.budget, self->kept);
    wr_buf_release(&self->removed);
    wr_free(self->base.budget, self->gone.example);
    self->slots = NULL;
    self->partitions = NULL;
    self->index = NULL;
    self->done = NULL;
    self->kept = NULL;
    self->gone = (struct partition_gone){0};
    self->count = self->done_count = 0;
}
