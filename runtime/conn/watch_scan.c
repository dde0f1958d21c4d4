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

void watch_free_file(struct watch_source *self, struct watched *file) {
    watch_let_go(self, file, 1);
    wr_free(&wr_budget_control, file->path);
    wr_free(&wr_budget_control, file->format);
    wr_free(&wr_budget_control, file);
}

void watch_free_all(struct watch_source *self) {
    for (uint32_t i = 0; i < self->count; i++)
        watch_free_file(self, self->files[i]);
    for (uint32_t i = 0; i < self->gone_count; i++)
        watch_free_file(self, self->gone[i]);
    wr_free(&wr_budget_control, self->files);
    wr_free(&wr_budget_control, self->gone);
    wr_free(&wr_budget_control, self->tasks);
    self->files = self->gone = NULL;
    self->tasks = NULL;
    self->count = self->gone_count = self->task_count = 0;
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

/* One that is open, and that nobody knows another name of, comes before the new one of its name. */
static int by_path(const void *a, const void *b) {
    const struct watched *one = *(struct watched *const *)a, *other = *(struct watched *const *)b;
    int order = strcmp(one->path, other->path);
    return order != 0 ? order : other->is_away - one->is_away;
}

int64_t watch_last_change(const struct watch_look *look, const struct wr_file_info *info) {
    const struct wr_env *env = look->self->in.base.env;
    int64_t ago_us = env->now_us(env) - info->modified_us;
    return look->now_us - WR_MIN(WR_MAX(ago_us, 0), WATCH_QUIET_US);
}

int watch_rename(struct watched *file, const char *path) {
    char *copy = copy_path(path, strlen(path));
    if (copy == NULL)
        return WR_ENOMEM;
    wr_free(&wr_budget_control, file->path);
    file->path = copy;
    return WR_OK;
}

static int see_file(void *ctx, const char *path) {
    struct watch_look *look = ctx;
    if (look->seen.count < WR_FILES_MAX)
        return watch_list_add(look, &look->seen, path) != WR_OK;
    watch_fails(look, WR_ELIMIT, NULL);
    return 1;
}

/* One that was known by this name, and is not there any more. */
static const struct watched *find_missed(const struct watch_look *look, const char *path) {
    const struct watched *file = watch_find_name(look, path);
    return file == NULL || file->is_seen || file->offset == 0 ? NULL : file;
}

static int by_number(const void *a, const void *b) {
    const struct watch_seen *one = *(struct watch_seen *const *)a;
    const struct watch_seen *other = *(struct watch_seen *const *)b;
    if (one->info.inode != other->info.inode)
        return one->info.inode < other->info.inode ? -1 : 1;
    return strcmp(one->path, other->path);
}

/* One file may have several names (hard links): it is read under the first. */
static void pass_second_names(struct watch_look *look) {
    uint32_t count = 0;
    struct watch_seen **by = WR_ARENA_ARRAY(&look->arena, struct watch_seen *, look->seen.count);
    if (by == NULL && look->seen.count > 0)
        watch_fails(look, WR_ENOMEM, NULL);
    for (uint32_t i = 0; i < look->seen.count && look->status == WR_OK; i++)
        if (!look->seen.items[i].is_taken)
            by[count++] = &look->seen.items[i];
    if (count > 1)
        qsort(by, count, sizeof *by, by_number);
    for (uint32_t i = 1; i < count; i++)
        by[i]->is_taken = by[i]->info.inode == by[i - 1]->info.inode &&
                          by[i]->info.device == by[i - 1]->info.device;
}

static void tell_missed(const struct watch_look *look, const struct watch_seen *seen) {
    const struct watched *missed = find_missed(look, seen->path);
    if (missed != NULL)
        watch_tell(look->self, seen->path,
                   "%s: it was read up to byte %llu and has %llu now; it is read again from its "
                   "start",
                   watch_has_number(missed, &seen->info) ? "it was written anew"
                                                         : "another file has its name",
                   (unsigned long long)missed->offset, (unsigned long long)seen->info.size_bytes);
}

/* What is left is new, or back. `known` is in the order of the names of now. */
static void add_new(struct watch_look *look) {
    struct watch_source *self = look->self;
    pass_second_names(look);
    for (uint32_t i = 0; i < look->seen.count && look->status == WR_OK; i++) {
        struct watch_seen *seen = &look->seen.items[i];
        if (seen->is_taken)
            continue;
        struct watched *file = watch_take_gone(look, seen);
        if (file == NULL && look->status == WR_OK) {
            tell_missed(look, seen);
            file = watch_add(self, seen->path, strlen(seen->path));
            if (file == NULL)
                watch_fails(look, WR_ENOMEM, NULL);
        }
        if (look->status != WR_OK)
            return;
        file->inode = seen->info.inode;
        file->born_us = seen->info.born_us;
        file->size = seen->info.size_bytes;
        file->modified_us = seen->info.modified_us;
        file->changed_us = watch_last_change(look, &seen->info);
        file->is_away = 0;
        file->is_seen = 1;
    }
    if (look->come_back > 0)
        watch_tell(self, self->in.config->address,
                   "%u files that were away are back, and go on where they were read to",
                   look->come_back);
}

static int is_in_task(const struct watch_source *self, const struct watched *file) {
    for (uint32_t i = self->task_at; i < self->task_count; i++)
        if (self->tasks[i].file == file)
            return 1;
    return 0;
}

/* Is it one of the newest of its name that were rotated? They are known still, so that a copy of
 * one, or one that was changed last, is not read again. `known` is by the names of now. */
static int is_kept_away(const struct watch_look *look, const struct watched *away) {
    size_t stem = watch_stem_length(away->path);
    uint32_t at = watch_first_known(look, away->path, stem), newer = 0;
    int is_long_ago = 0;
    for (; at < look->known_count && newer < WATCH_AWAY_MAX; at++) {
        const struct watched *file = look->known[at];
        if (strncmp(file->path, away->path, stem) != 0)
            break;
        if (!file->is_seen || watch_stem_length(file->path) != stem)
            continue;
        newer += file->is_away && file->modified_us > away->modified_us;
        is_long_ago |= file->modified_us - WATCH_DOUBT_US > away->modified_us;
    }
    return newer < (is_long_ago ? WATCH_AWAY_KEPT : WATCH_AWAY_MAX);
}

static void tell_gone(const struct watch_source *self, const struct watched *file) {
    if (file->has_rest)
        watch_tell(self, file->path, "it went away: it was not read behind byte %llu of its data",
                   (unsigned long long)file->offset);
    else
        watch_tell(self, file->path,
                   "it went away: %llu bytes of it were not read (they are, if it comes back)",
                   (unsigned long long)(file->size - file->offset));
}

static int is_read(const struct watched *file) {
    return file->is_whole || (!file->has_rest && file->offset >= file->size);
}

/* Those that are not there any more go, when it is known of all whether they do. */
static void drop_gone(struct watch_look *look, int64_t wall_us) {
    struct watch_source *self = look->self;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        struct watched *file = self->files[i];
        int is_over =
            file->is_away && is_read(file) && look->now_us - file->changed_us >= WATCH_AWAY_US;
        if (is_over)
            watch_let_go(self, file, 1);
        file->is_kept =
            (file->is_seen && (!is_over || is_kept_away(look, file))) || is_in_task(self, file);
    }
    for (uint32_t i = 0; i < self->count; i++) {
        struct watched *file = self->files[i];
        if (file->is_kept) {
            self->files[kept++] = file;
            continue;
        }
        if (!is_read(file))
            tell_gone(self, file);
        watch_let_go(self, file, 1);
        if (!watch_may_come_back(file))
            watch_free_file(self, file);
        else if (watch_add_gone(self, file, wall_us) != WR_OK) {
            watch_free_file(self, file);
            watch_fails(look, WR_ENOMEM, NULL);
        }
    }
    self->count = kept;
}

static int make_tasks(struct watch_look *look) {
    struct watch_source *self = look->self;
    int status = WR_OK;
    self->task_count = self->task_at = 0;
    for (uint32_t i = 0; i < self->count && status == WR_OK; i++) {
        struct watched *file = self->files[i];
        if (look->waits && !file->is_seen)
            continue;
        if (file->is_old && file->before_us != 0 && !file->is_looked_into) {
            file->is_looked_into = 1;
            watch_note_head(self, file);
        }
        if (file->is_whole || (file->size <= file->offset && !file->has_rest))
            continue;
        int64_t quiet_us = look->now_us - file->changed_us;
        int is_end = quiet_us >= (file->is_away ? WATCH_AWAY_US : WATCH_QUIET_US);
        /* A line without its end that was looked at waits for more, or for the end. */
        if (file->looked_to == file->size && !is_end && !file->has_rest)
            continue;
        status = watch_add_task(self, file, file->size, is_end);
        watch_hold(self, file);
        watch_note_head(self, file);
    }
    return status;
}

/* The directory that all names begin with, before the first that may be any. */
static const char *find_base(const struct watch_source *self, char base[FOLLOW_PATH_MAX]) {
    const char *address = self->in.config->address;
    size_t length = strcspn(address, "*?[");
    while (length > 0 && address[length - 1] != '/')
        length--;
    snprintf(base, FOLLOW_PATH_MAX, "%.*s", length > 1 ? (int)length - 1 : (int)length, address);
    return length == 0 ? "." : base;
}

/* No file is there, and neither is the directory that they were in: a disk that is not mounted
 * shows another one, or none. What was known of them stays, so that they are not read again. */
static int waits_for_directory(struct watch_look *look) {
    struct watch_source *self = look->self;
    char name[FOLLOW_PATH_MAX];
    const char *base = find_base(self, name);
    struct wr_file_info info = {0};
    int is_there = watch_look_at(look, base, &info);
    int is_it = is_there && (self->directory.inode == 0 || follow_is_file(&self->directory, &info));
    int is_new = look->known_count == 0;
    if (look->status != WR_OK || is_new || look->seen.count > 0 || is_it) {
        int waits = look->status == WR_OK && is_new && !is_there;
        if (waits && !self->waits_told)
            watch_tell(self, base, "there is no such directory yet: it is waited for");
        self->directory = (struct follow_file){info.inode, info.born_us};
        self->waits_told = (uint8_t)waits;
        return 0;
    }
    if (!self->waits_told)
        watch_tell(self, base,
                   "%s (is a disk not mounted?): %u files that were read from it are waited for, "
                   "and not read again",
                   is_there ? "it is another directory than before, and has none of the files"
                            : "there is no such directory any more",
                   look->known_count);
    self->waits_told = 1;
    return 1;
}

/* What the files are now. */
static void see_all(struct watch_look *look) {
    struct watch_source *self = look->self;
    const struct wr_env *env = self->in.base.env;
    const char *address = self->in.config->address;
    char pattern[FOLLOW_PATH_MAX];
    size_t length = strlen(address);
    snprintf(pattern, sizeof pattern, "%s%s", address, address[length - 1] == '/' ? "*" : "");
    struct wr_error err = {0};
    int status = env->glob(env, pattern, see_file, look, &err);
    if (status != WR_OK)
        watch_fails(look, status, &err);
    if (look->status == WR_OK)
        look->waits = waits_for_directory(look);
    if (look->status == WR_OK)
        watch_match(look);
    if (look->known_count > 1)
        qsort(look->known, look->known_count, sizeof(struct watched *), by_path);
    uint32_t first_new = self->count;
    if (look->status == WR_OK)
        add_new(look);
    if (look->status == WR_OK && !look->waits)
        watch_add_old(look, first_new);
}

/* What is known of each is written with each checkpoint. */
static int too_many(const struct watch_source *self, struct wr_error *err) {
    wr_error_set(err, WR_ELIMIT, "`%s` has more than %u files", self->in.config->address,
                 WR_FILES_MAX);
    wr_error_help(err, "move files that were read to another directory, or read fewer by their "
                       "names, as `in/2024-06-*`; then run again");
    return WR_ELIMIT;
}

int watch_scan(struct watch_source *self, struct wr_error *err) {
    const struct wr_env *env = self->in.base.env;
    struct watch_look look = {.self = self, .now_us = env->monotonic_us(env)};
    int64_t wall_us = env->now_us(env);
    look.known = self->count == 0
                     ? NULL
                     : wr_alloc(&wr_budget_control, self->count * sizeof(struct watched *));
    if (self->count > 0 && look.known == NULL)
        return no_memory(self, err);
    look.known_count = self->count;
    for (uint32_t i = 0; i < self->count; i++) {
        look.known[i] = self->files[i];
        self->files[i]->is_seen = 0;
        self->files[i]->before_us = self->files[i]->modified_us;
    }
    wr_arena_init(&look.arena, &wr_budget_control, 4096);
    see_all(&look);
    if (look.status == WR_OK && !look.waits)
        drop_gone(&look, wall_us);
    watch_sweep_gone(self);
    if (self->count > 1)
        qsort(self->files, self->count, sizeof(struct watched *), by_path);
    if (look.status == WR_OK && self->task_at == self->task_count)
        look.status = make_tasks(&look);
    if (look.status == WR_OK && !look.waits)
        self->looked_us = wall_us;
    wr_arena_release(&look.arena);
    wr_free(&wr_budget_control, look.known);
    wr_free(&wr_budget_control, look.seen.items);
    wr_free(&wr_budget_control, look.beside.items);
    if (look.status == WR_ELIMIT && look.why.status == WR_OK)
        return too_many(self, err);
    if (look.status == WR_ENOMEM)
        return no_memory(self, err);
    if (look.status != WR_OK && err != NULL)
        *err = look.why;
    return look.status;
}
