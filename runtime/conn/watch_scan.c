/* watch_scan.c: which files there are, and what of them is to be read: see watch.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

#define QUIET_US 10000000 /* a file that has not changed for so long is complete */
#define AWAY_US 1000000   /* one that was renamed is read to its end for so long */

void watch_tell(const struct watch_source *self, const char *path, const char *format, ...) {
    const struct wr_source *base = &self->in.base;
    if (base->note == NULL)
        return;
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    base->note(base->reject_ctx, path, text);
}

static int no_memory(const struct watch_source *self, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->in.base.name);
}

static void free_file(struct watched *file) {
    wr_free(&wr_budget_control, file->path);
    wr_free(&wr_budget_control, file->format);
    wr_free(&wr_budget_control, file);
}

void watch_free_all(struct watch_source *self) {
    for (uint32_t i = 0; i < self->count; i++)
        free_file(self->files[i]);
    wr_free(&wr_budget_control, self->files);
    wr_free(&wr_budget_control, self->tasks);
    self->files = NULL;
    self->tasks = NULL;
    self->count = self->task_count = 0;
}

static char *copy_path(const char *path, size_t length) {
    char *copy = wr_alloc(&wr_budget_control, length + 1);
    if (copy != NULL) {
        memcpy(copy, path, length);
        copy[length] = 0;
    }
    return copy;
}

struct watched *watch_add(struct watch_source *self, const char *path, size_t length) {
    if (wr_grow(&wr_budget_control, (void **)&self->files, self->count, &self->room,
                sizeof(struct watched *)) != WR_OK)
        return NULL;
    struct watched *file = wr_alloc_zero(&wr_budget_control, sizeof *file);
    if (file == NULL)
        return NULL;
    file->path = copy_path(path, length);
    file->line = 1;
    if (file->path == NULL) {
        wr_free(&wr_budget_control, file);
        return NULL;
    }
    self->files[self->count++] = file;
    return file;
}

int watch_add_task(struct watch_source *self, struct watched *file, uint64_t upto, int is_end) {
    if (wr_grow(&wr_budget_control, (void **)&self->tasks, self->task_count, &self->task_room,
                sizeof *self->tasks) != WR_OK)
        return WR_ENOMEM;
    self->tasks[self->task_count++] =
        (struct watch_task){.file = file, .upto = upto, .is_end = (uint8_t)is_end};
    return WR_OK;
}

static int by_path(const void *a, const void *b) {
    return strcmp((*(struct watched *const *)a)->path, (*(struct watched *const *)b)->path);
}

static int by_inode(const void *a, const void *b) {
    const struct watched *one = *(struct watched *const *)a, *other = *(struct watched *const *)b;
    return (one->inode > other->inode) - (one->inode < other->inode);
}

struct scan {
    struct watch_source *self;
    struct watched **known; /* by inode */
    uint32_t known_count;
    int64_t now_us;
    int status;
    struct wr_error why;
};

static struct watched *find_known(const struct scan *scan, uint64_t inode) {
    struct watched key = {.inode = inode}, *wanted = &key;
    struct watched **found =
        scan->known_count == 0
            ? NULL
            : bsearch(&wanted, scan->known, scan->known_count, sizeof(struct watched *), by_inode);
    return found == NULL ? NULL : *found;
}

/* A call that fails says nothing of the file: the scan fails, and with it the run, which goes on
 * where it was. */
static void look_fails(struct scan *scan, int status, const struct wr_error *why) {
    if (scan->status == WR_OK)
        scan->why = *why;
    scan->status = scan->status == WR_OK ? status : scan->status;
}

/* Is what was read of a file what stands in this one? Numbers are given again to new files. */
static int is_same(struct scan *scan, const struct watched *file, const char *path) {
    struct wr_error err = {0};
    struct file_reader *in = &scan->self->in;
    int same = 0;
    WR_ASSERT(!in->is_open);
    if (file->offset == 0)
        return 1;
    int status = file_reader_begin(in, path, &err);
    if (status == WR_OK)
        status = file_reader_go_to(in, file->offset, file->sum, &same, &err);
    file_reader_end(in);
    if (status == WR_EIO || status == WR_ENOMEM)
        look_fails(scan, status, &err);
    return status == WR_OK && same;
}

/* 0: there is no such file. */
static int look_at(struct scan *scan, const char *path, struct wr_file_info *info) {
    const struct wr_env *env = scan->self->in.base.env;
    struct wr_error err = {0};
    int status = env->stat(env, path, info);
    if (status != WR_OK && status != WR_ENOENT) {
        wr_error_set(&err, status, "look at %s: %s", path, wr_status_text(status));
        look_fails(scan, status, &err);
    }
    return status == WR_OK;
}

/* From its start, as if it had never been seen. */
static void forget_content(struct watched *file) {
    file->offset = 0;
    file->line = 1;
    file->is_whole = 0;
    wr_free(&wr_budget_control, file->format);
    file->format = NULL;
    file->format_length = 0;
}

/* It is known and has changed since. */
static void note_change(struct scan *scan, struct watched *file, const struct wr_file_info *info) {
    struct watch_source *self = scan->self;
    int grew = info->size_bytes > file->size;
    int is_new = file->is_whole ? !is_same(scan, file, file->path)
                                : info->size_bytes < file->offset ||
                                      (!grew && !is_same(scan, file, file->path));
    if (file->is_whole && !is_new && grew) {
        watch_tell(self, file->path,
                   "it has more than when it was read: that is not read, since it is compressed");
    } else if (is_new) {
        watch_tell(self, file->path,
                   "it was written anew: it was read up to byte %llu and has %llu now; it is read "
                   "again from its start",
                   (unsigned long long)file->offset, (unsigned long long)info->size_bytes);
        forget_content(file);
    }
    file->size = info->size_bytes;
    file->modified_us = info->modified_us;
    file->changed_us = scan->now_us;
}

/* By the monotonic clock: when a file that is new here was changed, or may have been. */
static int64_t last_change(const struct scan *scan, const struct wr_file_info *info) {
    const struct wr_env *env = scan->self->in.base.env;
    int64_t ago_us = env->now_us(env) - info->modified_us;
    return scan->now_us - WR_MIN(WR_MAX(ago_us, 0), QUIET_US);
}

static int rename_known(struct watched *file, const char *path) {
    char *copy = copy_path(path, strlen(path));
    if (copy == NULL)
        return WR_ENOMEM;
    wr_free(&wr_budget_control, file->path);
    file->path = copy;
    return WR_OK;
}

static int see_file(void *ctx, const char *path) {
    struct scan *scan = ctx;
    struct watch_source *self = scan->self;
    struct wr_file_info info;
    if (follow_is_half_written(path) || strlen(path) >= FOLLOW_PATH_MAX ||
        !look_at(scan, path, &info) || !info.is_regular)
        return scan->status != WR_OK;
    struct watched *file = find_known(scan, info.inode);
    if (file != NULL && file->is_seen) /* a second name of it */
        return 0;
    if (file != NULL && strcmp(file->path, path) != 0) {
        if (info.size_bytes < file->offset || !is_same(scan, file, path))
            file = NULL; /* its number was given again */
        else if (rename_known(file, path) != WR_OK)
            scan->status = WR_ENOMEM;
    }
    if (file == NULL) {
        if (self->count >= WR_FILES_MAX) {
            scan->status = WR_ELIMIT;
            return 1;
        }
        file = watch_add(self, path, strlen(path));
        if (file == NULL) {
            scan->status = WR_ENOMEM;
            return 1;
        }
        file->inode = info.inode;
        file->size = info.size_bytes;
        file->modified_us = info.modified_us;
        file->changed_us = last_change(scan, &info);
    } else if (file->size != info.size_bytes || file->modified_us != info.modified_us) {
        note_change(scan, file, &info);
    }
    file->is_seen = 1;
    file->is_away = 0;
    return scan->status != WR_OK;
}

struct away {
    struct scan *scan;
    uint64_t inode;
    char path[FOLLOW_PATH_MAX];
    struct wr_file_info info;
};

static int is_it(void *ctx, const char *path) {
    struct away *away = ctx;
    if (strlen(path) >= sizeof away->path || !look_at(away->scan, path, &away->info) ||
        away->info.inode != away->inode)
        return 0;
    memcpy(away->path, path, strlen(path) + 1);
    return 1;
}

/* A known file that the scan has not seen: rotated, or removed. */
static int look_for(struct scan *scan, struct watched *file) {
    struct watch_source *self = scan->self;
    const struct wr_env *env = self->in.base.env;
    struct away away = {.scan = scan, .inode = file->inode};
    char pattern[FOLLOW_PATH_MAX + 8];
    if (file->is_away) {
        is_it(&away, file->path);
    } else {
        snprintf(pattern, sizeof pattern, "%s[.-]*", file->path);
        struct wr_error err = {0};
        int status = env->glob(env, pattern, is_it, &away, &err);
        if (status != WR_OK)
            look_fails(scan, status, &err);
    }
    if (away.path[0] == 0 || away.info.size_bytes < file->offset)
        return WR_OK;
    if (!file->is_away && (!is_same(scan, file, away.path) || file->is_whole))
        return WR_OK;
    int status = file->is_away ? WR_OK : rename_known(file, away.path);
    if (!file->is_away || away.info.size_bytes != file->size)
        file->changed_us = scan->now_us;
    file->is_away = file->is_seen = 1;
    file->size = away.info.size_bytes;
    return status;
}

/* Those that are not there any more go. */
static int drop_gone(struct scan *scan) {
    struct watch_source *self = scan->self;
    uint32_t kept = 0;
    int status = WR_OK;
    for (uint32_t i = 0; i < self->count; i++) {
        struct watched *file = self->files[i];
        if (!file->is_seen && status == WR_OK)
            status = look_for(scan, file);
        int is_read = file->is_whole || file->offset >= file->size;
        int is_over = file->is_away && is_read && scan->now_us - file->changed_us >= AWAY_US;
        if (file->is_seen && !is_over) {
            self->files[kept++] = file;
            continue;
        }
        if (!is_read)
            watch_tell(self, file->path, "it went away: %llu bytes of it were not read",
                       (unsigned long long)(file->size - file->offset));
        free_file(file);
    }
    self->count = kept;
    return status;
}

static int make_tasks(struct scan *scan) {
    struct watch_source *self = scan->self;
    int status = WR_OK;
    self->task_count = self->task_at = 0;
    for (uint32_t i = 0; i < self->count && status == WR_OK; i++) {
        struct watched *file = self->files[i];
        if (file->is_whole || file->size <= file->offset)
            continue;
        int64_t quiet_us = scan->now_us - file->changed_us;
        int is_end = quiet_us >= (file->is_away ? AWAY_US : QUIET_US);
        /* A line without its end that was looked at waits for more, or for the end. */
        if (file->looked_to == file->size && !is_end)
            continue;
        status = watch_add_task(self, file, file->size, is_end);
    }
    return status;
}

int watch_scan(struct watch_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    const char *address = self->in.config->address;
    struct scan scan = {.self = self, .now_us = env->monotonic_us(env)};
    char pattern[FOLLOW_PATH_MAX];
    size_t length = strlen(address);
    snprintf(pattern, sizeof pattern, "%s%s", address, address[length - 1] == '/' ? "*" : "");
    scan.known = self->count == 0
                     ? NULL
                     : wr_alloc(&wr_budget_control, self->count * sizeof(struct watched *));
    if (self->count > 0 && scan.known == NULL)
        return no_memory(self, err);
    scan.known_count = self->count;
    for (uint32_t i = 0; i < self->count; i++) {
        scan.known[i] = self->files[i];
        self->files[i]->is_seen = 0;
    }
    if (self->count > 0)
        qsort(scan.known, scan.known_count, sizeof(struct watched *), by_inode);
    int status = env->glob(env, pattern, see_file, &scan, err);
    int dropped = scan.status == WR_OK && status == WR_OK ? drop_gone(&scan) : WR_OK;
    scan.status = scan.status == WR_OK ? dropped : scan.status;
    if (self->count > 1)
        qsort(self->files, self->count, sizeof(struct watched *), by_path);
    if (scan.status == WR_OK && status == WR_OK)
        scan.status = make_tasks(&scan);
    wr_free(&wr_budget_control, scan.known);
    if (scan.status == WR_ELIMIT)
        return wr_error_set(err, WR_ELIMIT, "`%s` has more than %u files", address, WR_FILES_MAX);
    if (scan.status == WR_ENOMEM)
        return no_memory(self, err);
    if (scan.status != WR_OK && err != NULL)
        *err = scan.why;
    return scan.status != WR_OK ? scan.status : status;
}
