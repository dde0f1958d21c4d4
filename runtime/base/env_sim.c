/* env_sim.c: see env_sim.h. */
#include "base/env_sim.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env_sim_disk.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/banned.h"

#define START_US INT64_C(1767225600000000) /* 2026-01-01 00:00:00 UTC */

static struct wr_sim *sim_of(const struct wr_env *env) {
    return env->ctx;
}

/* ---- faults ---- */

enum call { CALL_READ, CALL_WRITE, CALL_OTHER };

/* Counts a call. 0, or the errno with which it fails. `*half`: do half of it (a write, a read), or
 * decide by chance whether it happens (others), before the failure is told. */
static int begin_call(struct wr_sim *sim, enum call call, const char *verb, const char *path,
                      int *half) {
    *half = 0;
    if (sim->is_cut)
        return EIO;
    sim->calls++;
    if (sim->watch != NULL)
        sim->watch(sim->watch_ctx, verb, path);
    sim->print = wr_hash_bytes(verb, strlen(verb), wr_hash_bytes(path, strlen(path), sim->print));
    enum wr_sim_fault fault = sim->fault;
    int concerned = (fault == WR_SIM_EIO || fault == WR_SIM_POWER || fault == WR_SIM_KILL) ||
                    (fault == WR_SIM_ENOSPC && call == CALL_WRITE) ||
                    (fault == WR_SIM_SHORT_READ && call == CALL_READ);
    if (!concerned || sim->calls < sim->fault_at)
        return 0;
    if (!sim->fault_sticky)
        sim->fault = WR_SIM_NONE;
    if (sim->met_count++ == 0)
        snprintf(sim->met, sizeof sim->met, "%s %.150s", verb, path);
    *half = fault != WR_SIM_EIO;
    if (fault == WR_SIM_POWER || fault == WR_SIM_KILL)
        sim->is_cut = 1;
    return fault == WR_SIM_SHORT_READ ? 0 : fault == WR_SIM_ENOSPC ? ENOSPC : EIO;
}

/* For calls that happen whole or not at all: whether this one does, whatever it will return. */
static int happens(struct wr_sim *sim, int number, int half) {
    return number == 0 || (half && wr_sim_next_random(sim) % 2 == 0);
}

int wr_sim_call(struct wr_sim *sim, const char *verb, const char *what, uint64_t print,
                int *arrives) {
    int half, number = begin_call(sim, CALL_OTHER, verb, what, &half);
    sim->print = wr_hash_u64(print, sim->print);
    *arrives = happens(sim, number, half);
    return number;
}

/* ---- the env ---- */

static int64_t sim_now_us(const struct wr_env *env) {
    return sim_of(env)->now_us;
}

static int64_t sim_monotonic_us(const struct wr_env *env) {
    return sim_of(env)->monotonic_us;
}

static uint64_t sim_random_u64(const struct wr_env *env) {
    return wr_sim_next_random(sim_of(env));
}

static void sim_sleep(const struct wr_env *env, int64_t us) {
    wr_sim_advance(sim_of(env), us);
}

static int file_new(struct wr_sim *sim, struct wr_sim_inode *inode, const char *path,
                    struct wr_file **file) {
    size_t path_bytes = strlen(path) + 1;
    struct wr_sim_file *made = wr_alloc_zero(&wr_budget_control, sizeof *made + path_bytes);
    if (made == NULL)
        return ENOMEM;
    memcpy(made->path, path, path_bytes);
    made->base.env = &sim->env;
    made->sim = sim;
    made->inode = inode;
    made->life = sim->life;
    inode->open_count++;
    *file = &made->base;
    return 0;
}

/* Opens or makes; 0 or an errno. */
static int open_at(struct wr_sim *sim, const char *path, int create, int truncate,
                   struct wr_file **file) {
    char name[WR_SIM_PATH_BYTES_MAX];
    int half, number = begin_call(sim, CALL_OTHER, "open", path, &half);
    if (!wr_sim_path(path, name, sizeof name))
        return ENAMETOOLONG;
    if (!happens(sim, number, half))
        return number;
    struct wr_sim_inode *inode = wr_sim_inode_fetch(sim, name);
    if (inode != NULL && inode->is_directory)
        return EISDIR;
    if (inode == NULL && !create)
        return ENOENT;
    int result = inode == NULL ? wr_sim_make_at(sim, name, 0, &inode) : 0;
    if (result == 0 && truncate)
        result = wr_sim_inode_truncate(sim, inode, 0);
    if (result == 0)
        result = number != 0 ? number : file_new(sim, inode, path, file);
    if (result != 0)
        wr_sim_collect(sim);
    return result;
}

static int sim_open(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                    struct wr_file **file, struct wr_error *err) {
    *file = NULL;
    const char *real_path = strcmp(path, "-") != 0 ? path
                            : mode == WR_FILE_READ ? "/dev/stdin"
                                                   : "/dev/stdout";
    int create = mode != WR_FILE_READ, truncate = mode == WR_FILE_CREATE && real_path == path;
    int number = open_at(sim_of(env), real_path, create, truncate, file);
    return number == 0 ? WR_OK : wr_env_fail(err, "open", path, number);
}

/* Whether a file is from before the last power cut. */
static int is_dead(const struct wr_sim_file *file) {
    return file->life != file->sim->life;
}

static int64_t sim_read(struct wr_file *base, void *bytes, size_t size_bytes, int64_t at) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int half, number = begin_call(file->sim, CALL_READ, "read", file->path, &half);
    if (number != 0 || is_dead(file)) {
        errno = EIO;
        return WR_EIO;
    }
    uint64_t from = at < 0 ? file->position : (uint64_t)at, size = file->inode->now.size;
    if (from >= size && file->inode->is_pipe)
        return WR_EAGAIN;
    uint64_t length = from >= size ? 0 : WR_MIN(size - from, size_bytes);
    if (half && length > 1)
        length = 1 + wr_sim_next_random(file->sim) % (length - 1);
    if (length > 0)
        memcpy(bytes, file->inode->now.bytes + from, length);
    file->position = from + length;
    return (int64_t)length;
}

/* 0 or an errno. */
static int write_at(struct wr_sim_file *file, const void *bytes, size_t size_bytes, uint64_t at) {
    int half, number = begin_call(file->sim, CALL_WRITE, "write", file->path, &half);
    if (is_dead(file) || (number != 0 && !half))
        return EIO;
    uint64_t length = half ? wr_sim_next_random(file->sim) % (size_bytes + 1) : size_bytes;
    file->sim->print = wr_hash_bytes(bytes, size_bytes, file->sim->print);
    int result = wr_sim_inode_write(file->sim, file->inode, bytes, length, at);
    return number != 0 ? number : result;
}

static int sim_write(struct wr_file *base, const void *bytes, size_t size_bytes,
                     struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int number = write_at(file, bytes, size_bytes, file->inode->now.size);
    return number == 0 ? WR_OK : wr_env_fail(err, "write", file->path, number);
}

/* A file that is new in its directory takes the whole directory with it, as the real env does. */
static int file_sync(struct wr_sim *sim, struct wr_sim_inode *inode) {
    int number = wr_sim_inode_sync(inode);
    for (uint32_t i = 0; i < sim->entry_count && number == 0; i++)
        if (sim->entries[i].now == inode && sim->entries[i].durable != inode)
            wr_sim_directory_sync(sim, sim->entries[i].path);
    return number;
}

static int sim_sync(struct wr_file *base, struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int half, number = begin_call(file->sim, CALL_OTHER, "sync", file->path, &half);
    if (is_dead(file))
        number = EIO;
    else if (happens(file->sim, number, half)) {
        int result = file_sync(file->sim, file->inode);
        number = number != 0 ? number : result;
    }
    return number == 0 ? WR_OK : wr_env_fail(err, "sync", file->path, number);
}

static int sim_truncate(struct wr_file *base, uint64_t size_bytes, struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int half, number = begin_call(file->sim, CALL_OTHER, "truncate", file->path, &half);
    if (is_dead(file))
        number = EIO;
    else if (happens(file->sim, number, half)) {
        int result = wr_sim_inode_truncate(file->sim, file->inode, size_bytes);
        number = number != 0 ? number : result;
    }
    return number == 0 ? WR_OK : wr_env_fail(err, "truncate", file->path, number);
}

static void sim_close(struct wr_file *base) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    if (file == NULL)
        return;
    struct wr_sim *sim = file->sim;
    file->inode->open_count--;
    if (file->took && !is_dead(file))
        file->inode->is_taken = 0;
    wr_free(&wr_budget_control, file);
    wr_sim_collect(sim);
}

static int sim_open_scratch(const struct wr_env *env, struct wr_file **file, struct wr_error *err) {
    struct wr_sim *sim = sim_of(env);
    int half, number = begin_call(sim, CALL_OTHER, "open", "a scratch file", &half);
    *file = NULL;
    struct wr_sim_inode *inode = number == 0 ? wr_sim_inode_new(sim, 0) : NULL;
    if (number == 0)
        number = inode == NULL ? ENOMEM : file_new(sim, inode, "a scratch file in /tmp", file);
    if (number == 0)
        return WR_OK;
    wr_sim_collect(sim);
    return wr_env_fail(err, "make a scratch file in", "/tmp", number);
}

static int sim_write_at(struct wr_file *base, const void *bytes, size_t size_bytes, uint64_t at,
                        struct wr_error *err) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    int number = write_at(file, bytes, size_bytes, at);
    return number == 0 ? WR_OK : wr_env_fail(err, "write", file->path, number);
}

static int sim_lock(const struct wr_env *env, const char *path, struct wr_file **file,
                    struct wr_error *err) {
    *file = NULL;
    int number = open_at(sim_of(env), path, 1, 0, file);
    if (number != 0)
        return wr_env_fail(err, "lock", path, number);
    if (wr_sim_take(*file))
        return WR_OK;
    sim_close(*file);
    *file = NULL;
    return wr_error_set(err, WR_EREFUSED, "%s is held by process 1", path);
}

static struct wr_file_info info_of(const struct wr_sim_inode *inode) {
    return (struct wr_file_info){.size_bytes = inode->now.size,
                                 .modified_us = inode->modified_us,
                                 .born_us = inode->born_us,
                                 .inode = inode->number,
                                 .is_directory = inode->is_directory,
                                 .is_regular = !inode->is_directory && !inode->is_stream};
}

static int sim_stat(const struct wr_env *env, const char *path, struct wr_file_info *info) {
    struct wr_sim *sim = sim_of(env);
    char name[WR_SIM_PATH_BYTES_MAX];
    int half, number = begin_call(sim, CALL_OTHER, "stat", path, &half);
    if (number != 0)
        return wr_env_errno_status(number);
    const char *real_path = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    const struct wr_sim_inode *inode =
        wr_sim_path(real_path, name, sizeof name) ? wr_sim_inode_fetch(sim, name) : NULL;
    int is_root = name[0] == 0 || strcmp(name, "/") == 0;
    if (inode == NULL && !is_root)
        return WR_ENOENT;
    *info = inode == NULL ? (struct wr_file_info){.is_directory = 1} : info_of(inode);
    return WR_OK;
}

static int sim_info(const struct wr_file *base, struct wr_file_info *info) {
    const struct wr_sim_file *file = (const struct wr_sim_file *)base;
    int half, number = begin_call(file->sim, CALL_OTHER, "stat", file->path, &half);
    if (number != 0 || is_dead(file))
        return WR_EIO;
    *info = info_of(file->inode);
    return WR_OK;
}

/* 0 or an errno. Contents move with the name, synced or not, as journalling file systems do. */
static int rename_at(struct wr_sim *sim, const char *from, const char *to) {
    char from_name[WR_SIM_PATH_BYTES_MAX], to_name[WR_SIM_PATH_BYTES_MAX];
    int half, number = begin_call(sim, CALL_OTHER, "rename", from, &half);
    if (!wr_sim_path(from, from_name, sizeof from_name) ||
        !wr_sim_path(to, to_name, sizeof to_name))
        return ENAMETOOLONG;
    if (!happens(sim, number, half))
        return number;
    struct wr_sim_inode *inode = wr_sim_inode_fetch(sim, from_name),
                        *old = wr_sim_inode_fetch(sim, to_name);
    if (inode == NULL)
        return ENOENT;
    int parent = wr_sim_parent_errno(sim, to_name);
    if (parent != 0)
        return parent;
    if (inode->is_directory || (old != NULL && old->is_directory))
        return old != NULL && old->is_directory ? EISDIR : EXDEV; /* directories stay */
    struct wr_sim_entry *entry = wr_sim_entry_make(sim, to_name);
    if (entry == NULL)
        return ENOMEM;
    int found;
    entry->now = inode;
    if (strcmp(from_name, to_name) != 0)
        sim->entries[wr_sim_entry_place(sim, from_name, &found)].now = NULL;
    wr_sim_directory_sync(sim, to_name);
    wr_sim_directory_sync(sim, from_name);
    wr_sim_collect(sim);
    return number;
}

static int sim_rename(const struct wr_env *env, const char *from, const char *to,
                      struct wr_error *err) {
    int number = rename_at(sim_of(env), from, to);
    if (number == 0)
        return WR_OK;
    char both[WR_SIM_PATH_BYTES_MAX * 2];
    snprintf(both, sizeof both, "%s to %s", from, to);
    return wr_env_fail(err, "rename", both, number);
}

/* 0 or an errno. */
static int remove_at(struct wr_sim *sim, const char *path, int durable) {
    char name[WR_SIM_PATH_BYTES_MAX];
    int half, found, number = begin_call(sim, CALL_OTHER, "remove", path, &half);
    if (!wr_sim_path(path, name, sizeof name))
        return ENAMETOOLONG;
    if (!happens(sim, number, half))
        return number;
    wr_sim_inode_fetch(sim, name);
    uint32_t place = wr_sim_entry_place(sim, name, &found);
    if (!found || sim->entries[place].now == NULL)
        return ENOENT;
    size_t length = strlen(name);
    for (uint32_t i = 0; i < sim->entry_count && sim->entries[place].now->is_directory; i++)
        if (strncmp(sim->entries[i].path, name, length) == 0 &&
            sim->entries[i].path[length] == '/' && sim->entries[i].now != NULL)
            return ENOTEMPTY;
    sim->entries[place].now = NULL;
    if (durable)
        wr_sim_directory_sync(sim, name);
    wr_sim_collect(sim);
    return number;
}

static int sim_remove(const struct wr_env *env, const char *path, struct wr_error *err) {
    int number = remove_at(sim_of(env), path, 0);
    return number == 0 ? WR_OK : wr_env_fail(err, "remove", path, number);
}

static int sim_remove_for_good(const struct wr_env *env, const char *path, struct wr_error *err) {
    int number = remove_at(sim_of(env), path, 1);
    return number == 0 ? WR_OK : wr_env_fail(err, "remove", path, number);
}

int wr_sim_make_directories(struct wr_sim *sim, char *name) {
    size_t length = strlen(name);
    for (size_t i = 1; i <= length; i++) {
        if (name[i] != '/' && name[i] != 0)
            continue;
        char end = name[i];
        name[i] = 0;
        struct wr_sim_inode *inode = wr_sim_inode_fetch(sim, name);
        int number = inode == NULL ? wr_sim_make_at(sim, name, 1, &inode) : 0;
        if (number == 0 && !inode->is_directory)
            number = EEXIST;
        if (number != 0)
            return number;
        int found;
        sim->entries[wr_sim_entry_place(sim, name, &found)].durable = inode;
        name[i] = end;
    }
    return 0;
}

static int sim_make_directory(const struct wr_env *env, const char *path, struct wr_error *err) {
    struct wr_sim *sim = sim_of(env);
    char name[WR_SIM_PATH_BYTES_MAX];
    int half, number = begin_call(sim, CALL_OTHER, "make directory", path, &half);
    if (!wr_sim_path(path, name, sizeof name))
        return wr_env_fail(err, "make directory", path, ENAMETOOLONG);
    if (happens(sim, number, half)) {
        int result = wr_sim_make_directories(sim, name);
        number = number != 0 ? number : result;
    }
    if (number == 0)
        return WR_OK;
    wr_sim_collect(sim);
    return wr_env_fail(err, "make directory", name[0] == 0 ? path : name, number);
}

static int sim_glob(const struct wr_env *env, const char *pattern, wr_path_fn fn, void *ctx,
                    struct wr_error *err) {
    struct wr_sim *sim = sim_of(env);
    char name[WR_SIM_PATH_BYTES_MAX];
    int half, number = begin_call(sim, CALL_OTHER, "list", pattern, &half);
    if (number == 0 && !wr_sim_path(pattern, name, sizeof name))
        number = ENAMETOOLONG;
    if (number != 0)
        return wr_env_fail(err, "list", pattern, number);
    wr_sim_fetch_all(sim, name);
    for (uint32_t i = 0; i < sim->entry_count; i++) {
        const struct wr_sim_entry *entry = &sim->entries[i];
        if (entry->now != NULL && fnmatch(name, entry->path, FNM_PATHNAME | FNM_PERIOD) == 0 &&
            fn(ctx, entry->path) != 0)
            break;
    }
    return WR_OK;
}

/* This world has no shell, and the variables of its image. */
static const char *sim_variable(const struct wr_env *env, const char *name) {
    return wr_sim_image_variable(sim_of(env)->image, name);
}

static int sim_command(const struct wr_env *env, const char *command, struct wr_buf *out,
                       struct wr_error *err) {
    (void)env, (void)command, (void)out;
    return wr_error_set(err, WR_EUNSUPPORTED, "no commands run in a simulated world");
}

/* What happens here happens in one thread. */
static uint32_t sim_cores(const struct wr_env *env) {
    (void)env;
    return 1;
}

/* ---- the owner ---- */

struct wr_sim *wr_sim_new(uint64_t seed) {
    struct wr_sim *sim = wr_alloc_zero(&wr_budget_control, sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->env = (struct wr_env){
        .ctx = sim,
        .now_us = sim_now_us,
        .monotonic_us = sim_monotonic_us,
        .random_u64 = sim_random_u64,
        .sleep = sim_sleep,
        .open = sim_open,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .truncate = sim_truncate,
        .close = sim_close,
        .open_scratch = sim_open_scratch,
        .write_at = sim_write_at,
        .lock = sim_lock,
        .hold = wr_sim_hold,
        .set_mark = wr_sim_set_mark,
        .mark = wr_sim_mark,
        .boot = wr_sim_boot,
        .stat = sim_stat,
        .info = sim_info,
        .rename = sim_rename,
        .remove = sim_remove,
        .remove_for_good = sim_remove_for_good,
        .sync_name = wr_sim_sync_name,
        .make_directory = sim_make_directory,
        .open_filesystem = wr_sim_open_filesystem,
        .glob = sim_glob,
        .variable = sim_variable,
        .command = sim_command,
        .cores = sim_cores,
        .open_files_max = wr_sim_open_files_max,
    };
    sim->random = seed;
    sim->now_us = START_US;
    return sim;
}

void wr_sim_free(struct wr_sim *sim) {
    if (sim == NULL)
        return;
    for (uint32_t i = 0; i < sim->entry_count; i++)
        sim->entries[i].now = sim->entries[i].durable = NULL;
    wr_sim_collect(sim);
    WR_ASSERT(sim->inodes == NULL); /* else a file is still open */
    wr_free(&wr_budget_control, sim->entries);
    wr_free(&wr_budget_control, sim);
}

const struct wr_env *wr_sim_env(struct wr_sim *sim) {
    return &sim->env;
}

void wr_sim_advance(struct wr_sim *sim, int64_t us) {
    WR_ASSERT(us >= 0);
    sim->now_us += us;
    sim->monotonic_us += us;
}

void wr_sim_set_now(struct wr_sim *sim, int64_t now_us) {
    sim->now_us = now_us;
}

void wr_sim_fail_at(struct wr_sim *sim, enum wr_sim_fault fault, uint64_t nth, int sticky) {
    sim->fault = fault;
    sim->fault_at = nth;
    sim->fault_sticky = (uint8_t)sticky;
    sim->calls = sim->met_count = 0;
    sim->met[0] = 0;
}

void wr_sim_watch(struct wr_sim *sim, wr_sim_watch_fn fn, void *ctx) {
    sim->watch = fn;
    sim->watch_ctx = ctx;
}

const char *wr_sim_met(const struct wr_sim *sim) {
    return sim->met;
}

uint64_t wr_sim_print(const struct wr_sim *sim) {
    return sim->print;
}

uint64_t wr_sim_calls(const struct wr_sim *sim) {
    return sim->calls;
}

void wr_sim_cut(struct wr_sim *sim) {
    sim->is_cut = 1;
}

int wr_sim_is_cut(const struct wr_sim *sim) {
    return sim->is_cut;
}

static void begin_life(struct wr_sim *sim) {
    for (struct wr_sim_inode *inode = sim->inodes; inode != NULL; inode = inode->next)
        inode->is_taken = 0;
    sim->life++;
    sim->is_cut = 0;
    sim->fault = WR_SIM_NONE;
    wr_sim_collect(sim);
}

void wr_sim_revive(struct wr_sim *sim) {
    begin_life(sim);
}

void wr_sim_restart(struct wr_sim *sim) {
    for (uint32_t i = 0; i < sim->entry_count; i++) {
        struct wr_sim_entry *entry = &sim->entries[i];
        if (entry->now != entry->durable && wr_sim_next_random(sim) % 2 == 0)
            entry->now = entry->durable;
        entry->durable = entry->now;
        if (entry->now != NULL)
            wr_sim_inode_lose(sim, entry->now);
    }
    sim->boots++;
    begin_life(sim);
}

/* ---- for a VFS of SQLite ---- */

int wr_sim_open_anywhere(struct wr_sim *sim, const char *path, int create, struct wr_file **file) {
    return open_at(sim, path, create, 0, file);
}

int wr_sim_write_at(struct wr_file *file, const void *bytes, size_t size_bytes, uint64_t at) {
    return write_at((struct wr_sim_file *)file, bytes, size_bytes, at);
}

uint64_t wr_sim_size(const struct wr_file *file) {
    return ((const struct wr_sim_file *)file)->inode->now.size;
}

int wr_sim_take(struct wr_file *base) {
    struct wr_sim_file *file = (struct wr_sim_file *)base;
    if (file->took)
        return 1;
    if (file->inode->is_taken)
        return 0;
    file->inode->is_taken = file->took = 1;
    return 1;
}

int wr_sim_remove(struct wr_sim *sim, const char *path, int durable) {
    return remove_at(sim, path, durable);
}

void wr_sim_set_vfs(struct wr_sim *sim, const char *name) {
    sim->env.sqlite_vfs = name;
}
