/* left.c: the files that stand in a simulated world behind its last life, and how two worlds
 * differ. See simulation.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/env_sim.h"
#include "base/status.h"
#include "conn/input.h"
#include "sim/simulation.h"
#include "base/banned.h"

#define SQLITE_HEAD "SQLite format 3"
#define TOKEN_DIGITS 8u
#define FENCE "/.weir.part"

struct gather {
    struct left *left;
    const struct wr_sim *sim;
    const struct feeds *feeds;
    const char *state;
    uint32_t room;
};

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The state, inputs, and logs that belong to a database, which is read with them. */
static int is_passed_over(const struct gather *gather, const char *path) {
    size_t length = strlen(gather->state);
    if (strncmp(path, gather->state, length) == 0 && (path[length] == '/' || path[length] == 0))
        return 1;
    if (feeds_have(gather->feeds, path))
        return 1;
    return ends_with(path, "-journal") || ends_with(path, "-wal") || ends_with(path, "-shm");
}

static int is_sqlite(const char *bytes, uint64_t size) {
    return size >= sizeof SQLITE_HEAD && memcmp(bytes, SQLITE_HEAD, sizeof SQLITE_HEAD) == 0;
}

/* A database of which only the log has changed. */
static int has_log(const struct gather *gather, const char *path, const char *bytes,
                   uint64_t size) {
    char log[SIM_PATH_MAX + 8];
    size_t length = 0;
    snprintf(log, sizeof log, "%s-wal", path);
    return is_sqlite(bytes, size) && wr_sim_get(gather->sim, log, &length) != NULL;
}

static int see(void *ctx, const char *path, const char *bytes, uint64_t size, int is_lent) {
    struct gather *gather = ctx;
    struct left *left = gather->left;
    if ((is_lent && !has_log(gather, path, bytes, size)) || is_passed_over(gather, path))
        return WR_OK;
    if (left->count == gather->room) {
        uint32_t room = WR_MAX(16u, gather->room * 2);
        struct left_item *items = WR_ARENA_ZEROS(&left->arena, struct left_item, room);
        if (items == NULL)
            return WR_ENOMEM;
        if (left->count > 0)
            memcpy(items, left->items, left->count * sizeof *items);
        left->items = items;
        gather->room = room;
    }
    char *name = wr_arena_strndup(&left->arena, path, strlen(path));
    if (name == NULL)
        return WR_ENOMEM;
    left->items[left->count++] = (struct left_item){name, bytes, size, (uint8_t)(is_lent != 0)};
    return WR_OK;
}

/* Puts a text in the place of an item's bytes. */
static int keep(struct left *left, struct left_item *item, const struct wr_buf *text) {
    char *bytes = wr_arena_alloc(&left->arena, text->length + 1);
    if (bytes == NULL)
        return WR_ENOMEM;
    if (text->length > 0)
        memcpy(bytes, text->bytes, text->length);
    item->bytes = bytes;
    item->size = text->length;
    return WR_OK;
}

/* Members of compressed files follow checkpoints: what they hold is compared. */
static int unpack(struct wr_buf *out, const struct wr_env *env, const char *path,
                  struct wr_error *err) {
    struct wr_input input;
    uint64_t got = 1;
    int status = wr_input_open(&input, env, &wr_budget_control, path, 0, 0, err);
    if (status != WR_OK)
        return status;
    while (status == WR_OK && got > 0) {
        status = wr_buf_reserve(out, WR_INPUT_BYTES);
        if (status == WR_OK)
            status = wr_input_read(&input, out->bytes + out->length, WR_INPUT_BYTES, &got, err);
        if (status == WR_OK)
            out->length += got;
    }
    wr_input_close(&input);
    return status;
}

static int is_compressed(const struct left_item *item) {
    static const char zstd[] = {0x28, (char)0xb5, 0x2f, (char)0xfd};
    return item->size >= 4 &&
           (memcmp(item->bytes, "\x1f\x8b", 2) == 0 || memcmp(item->bytes, zstd, 4) == 0);
}

static int read_item(struct left *left, struct left_item *item, const struct wr_env *env,
                     struct wr_error *err) {
    int is_base = is_sqlite(item->bytes, item->size);
    if (!is_base && !is_compressed(item))
        return WR_OK;
    struct wr_buf text;
    struct wr_error damage = {0};
    wr_buf_init(&text, &wr_budget_control, 0);
    int status = is_base ? left_dump(&text, item->name, env->sqlite_vfs, err)
                         : unpack(&text, env, item->name, &damage);
    if (!is_base && status != WR_OK && status != WR_ENOMEM) {
        wr_buf_addf(&text, "\n(damaged: %s)", damage.text);
        status = text.status;
    }
    if (status == WR_OK)
        status = keep(left, item, &text);
    wr_buf_release(&text);
    return status;
}

/* Tables in the state are part of what a run leaves; the rest of it is not. */
static int see_state(struct gather *gather, const struct wr_env *env, struct wr_error *err) {
    char path[SIM_PATH_MAX + 16], name[SIM_PATH_MAX + 32];
    size_t length = 0;
    struct wr_buf text;
    snprintf(path, sizeof path, "%s/state.db", gather->state);
    if (wr_sim_get(gather->sim, path, &length) == NULL)
        return WR_OK;
    snprintf(name, sizeof name, LEFT_OF_STATE "%s", path);
    wr_buf_init(&text, &wr_budget_control, 0);
    int status = left_dump_tables(&text, path, env->sqlite_vfs, err);
    int has_any = status == WR_OK && text.length > 0;
    if (has_any)
        status = see(gather, name, "", 0, 0);
    if (has_any && status == WR_OK)
        status = keep(gather->left, &gather->left->items[gather->left->count - 1], &text);
    wr_buf_release(&text);
    return status;
}

struct of_server {
    struct gather *gather;
    struct wr_error *err;
};

/* A database of a server, as if it were a file. */
static int see_database(void *ctx, const char *name, void *db) {
    struct of_server *of = ctx;
    struct left *left = of->gather->left;
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    int status = left_dump_server(&text, db, name, of->err);
    if (status == WR_OK)
        status = see(of->gather, name, "", 0, 0);
    if (status == WR_OK)
        status = keep(left, &left->items[left->count - 1], &text);
    wr_buf_release(&text);
    return status;
}

/* What is not complete yet has a number in its name that is drawn: "x.csv.0a1b2c3d.part". */
static void rename_part(char *name) {
    size_t length = strlen(name), end = length - strlen(".part");
    if (!ends_with(name, ".part") || end < TOKEN_DIGITS + 1 || name[end - TOKEN_DIGITS - 1] != '.')
        return;
    for (size_t i = end - TOKEN_DIGITS; i < end; i++)
        if (!isxdigit((unsigned char)name[i]))
            return;
    memmove(name + end - TOKEN_DIGITS - 1, ".part", sizeof ".part");
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct left_item *)a)->name, ((const struct left_item *)b)->name);
}

int left_gather(struct left *left, const struct scene *scene, const char *state,
                struct wr_error *err) {
    struct gather gather = {
        .left = left, .sim = scene->sim, .feeds = &scene->feeds, .state = state};
    const struct wr_env *env = wr_sim_env(scene->sim);
    *left = (struct left){0};
    wr_arena_init(&left->arena, &wr_budget_control, 4096);
    int status = wr_sim_each(scene->sim, see, &gather);
    for (uint32_t i = 0; i < left->count && status == WR_OK; i++)
        status = read_item(left, &left->items[i], env, err);
    if (status == WR_OK)
        status = see_state(&gather, env, err);
    struct of_server of = {&gather, err};
    if (status == WR_OK)
        status = twin_each(scene->twin, see_database, &of);
    if (status == WR_ENOMEM)
        return wr_error_set(err, status, "no memory to compare what a simulated run leaves");
    for (uint32_t i = 0; i < left->count; i++) {
        rename_part((char *)left->items[i].name);
        if (ends_with(left->items[i].name, FENCE)) /* it counts checkpoints */
            left->items[i].size = 0;
    }
    if (left->count > 1)
        qsort(left->items, left->count, sizeof *left->items, by_name);
    return status;
}

void left_release(struct left *left) {
    wr_arena_release(&left->arena);
    *left = (struct left){0};
}

/* ---- two of them ---- */

static uint64_t line_end(const struct left_item *item, uint64_t at) {
    const char *end =
        at < item->size ? memchr(item->bytes + at, '\n', (size_t)(item->size - at)) : NULL;
    return end == NULL ? item->size : (uint64_t)(end - item->bytes);
}

static uint64_t count_lines(const struct left_item *item) {
    uint64_t count = 0;
    for (uint64_t at = 0; at < item->size; at = line_end(item, at) + 1)
        count++;
    return count;
}

/* Text for a terminal: what is no letter is shown as a dot. */
static void show_line(char *out, size_t room, const struct left_item *item, uint64_t at) {
    if (at >= item->size) {
        snprintf(out, room, "(the end)");
        return;
    }
    uint64_t end = line_end(item, at), length = WR_MIN(end - at, (uint64_t)room - 1);
    for (uint64_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)item->bytes[at + i];
        out[i] = byte < 0x20 || byte == 0x7f ? '.' : (char)byte;
    }
    out[length] = 0;
}

int left_same_text(const char *name, const struct left_item *expected,
                   const struct left_item *found, struct wr_sim_verdict *verdict) {
    if (expected->size == found->size &&
        (found->size == 0 || memcmp(expected->bytes, found->bytes, (size_t)found->size) == 0))
        return 1;
    uint64_t line = 1, begin = 0, at = 0;
    while (at < expected->size && at < found->size && expected->bytes[at] == found->bytes[at])
        if (expected->bytes[at++] == '\n') {
            begin = at;
            line++;
        }
    unsigned long long lines = count_lines(expected), lines_found = count_lines(found);
    snprintf(verdict->violation, sizeof verdict->violation,
             "%s differs from what an undisturbed run leaves, in line %llu (it has %llu of %llu)",
             name, (unsigned long long)line, lines_found, lines);
    show_line(verdict->expected, sizeof verdict->expected, expected, begin);
    show_line(verdict->found, sizeof verdict->found, found, begin);
    return 0;
}

struct line {
    const char *bytes;
    uint64_t length;
};

static int by_bytes(const void *a, const void *b) {
    const struct line *one = a, *other = b;
    int order = memcmp(one->bytes, other->bytes, (size_t)WR_MIN(one->length, other->length));
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* The same lines in the order of their bytes. 0: out of memory. */
static int sort_lines(struct left_item *sorted, const struct left_item *item) {
    uint64_t count = count_lines(item), length = 0, i = 0;
    struct line *lines = wr_alloc(&wr_budget_control, (count + 1) * sizeof *lines);
    char *bytes = wr_alloc(&wr_budget_control, item->size + 1);
    if (lines == NULL || bytes == NULL) {
        wr_free(&wr_budget_control, lines);
        wr_free(&wr_budget_control, bytes);
        return 0;
    }
    for (uint64_t at = 0, end; at < item->size; at = end + 1) {
        end = line_end(item, at);
        lines[i++] = (struct line){item->bytes + at, end - at};
    }
    qsort(lines, count, sizeof *lines, by_bytes);
    for (i = 0; i < count; i++) {
        memcpy(bytes + length, lines[i].bytes, (size_t)lines[i].length);
        length += lines[i].length;
        if (length < item->size)
            bytes[length++] = '\n';
    }
    wr_free(&wr_budget_control, lines);
    *sorted = (struct left_item){.name = item->name, .bytes = bytes, .size = length};
    return 1;
}

static int same_in_any_order(const struct left_item *expected, const struct left_item *found,
                             struct wr_sim_verdict *verdict) {
    struct left_item one = {0}, other = {0};
    int same = sort_lines(&one, expected) && sort_lines(&other, found) &&
               left_same_text(expected->name, &one, &other, verdict);
    wr_free(&wr_budget_control, (char *)one.bytes);
    wr_free(&wr_budget_control, (char *)other.bytes);
    return same;
}

int left_same(const struct left *expected, const struct left *found, const struct wr_plan *plan,
              struct wr_sim_verdict *verdict) {
    uint32_t i = 0, k = 0;
    while (i < expected->count || k < found->count) {
        const struct left_item *one = i < expected->count ? &expected->items[i] : NULL;
        const struct left_item *other = k < found->count ? &found->items[k] : NULL;
        int order = one == NULL ? 1 : other == NULL ? -1 : strcmp(one->name, other->name);
        if (order > 0 && other->is_input) { /* it was only looked into */
            k++;
            continue;
        }
        if (order != 0) {
            snprintf(verdict->violation, sizeof verdict->violation,
                     order < 0 ? "%s is missing: an undisturbed run leaves it"
                               : "%s is left over: an undisturbed run does not leave it",
                     order < 0 ? one->name : other->name);
            return 0;
        }
        if (!(order_is_free(plan, one->name) ? same_in_any_order(one, other, verdict)
                                             : left_same_text(one->name, one, other, verdict)))
            return 0;
        i++;
        k++;
    }
    return 1;
}
