/* Files that are rotated at any pace, by file systems whose clocks tick: by microseconds, by 4 ms,
 * by seconds. Each row must come once, and of a followed file in its order. */
#include "support_follow.h"

#include "base/hash.h"

#define ROWS_MAX 1024u

enum scheme { NUMBERS_FALL, NUMBERS_GROW, DATES, SCHEMES };

struct writer {
    struct sim_world s;
    uint64_t chance;
    enum scheme scheme;
    const char *newest; /* the name that is followed, or watched */
    int64_t tick_us;
    int compresses;
    uint32_t rotations; /* files that were renamed so far */
    uint32_t written;   /* rows: 0, 1, 2 … */
    uint32_t come;
    uint8_t came[ROWS_MAX];
};

static uint32_t below(struct writer *w, uint32_t most) {
    w->chance = wr_hash_u64(w->chance, 1);
    return (uint32_t)(w->chance >> 20) % most;
}

static int is_there(struct writer *w, const char *path) {
    struct wr_file_info info;
    return w->s.w.env->stat(w->s.w.env, path, &info) == WR_OK;
}

/* Of the file that was rotated as the nth, when so many were. */
static const char *name_of(struct writer *w, uint32_t nth, uint32_t rotations, const char *ending) {
    char name[64];
    if (w->scheme == DATES)
        snprintf(name, sizeof name, "%s-202601%02u.%u%s", w->newest, nth / 12 + 1, nth % 12,
                 ending);
    else
        snprintf(name, sizeof name, "%s.%u%s", w->newest,
                 w->scheme == NUMBERS_FALL ? rotations - nth + 1 : nth, ending);
    return wr_arena_strndup(&w->s.w.arena, name, strlen(name));
}

static void write_rows(struct writer *w, const char *path, uint32_t count) {
    char row[16];
    if (!is_there(w, path))
        put(&w->s, path, "x\n");
    for (; count > 0 && w->written < ROWS_MAX; count--) {
        snprintf(row, sizeof row, "%u\n", w->written++);
        append(&w->s, path, row);
    }
}

/* With the time of the original, which goes. */
static void compress(struct writer *w, uint32_t nth) {
    const char *path = name_of(w, nth, w->rotations, "");
    const char *to = name_of(w, nth, w->rotations, ".gz");
    size_t length, size;
    if (!is_there(w, path))
        return;
    const char *text = wr_sim_get(w->s.sim, path, &length);
    const char *bytes = gzip_of(&w->s.w, text, length, &size);
    put_bytes(&w->s, to, bytes, size);
    CHECK_INT(wr_sim_same_time(w->s.sim, to, path), ==, WR_OK);
    drop(&w->s, path);
}

static void rotate(struct writer *w) {
    static const char *const endings[] = {"", ".gz"};
    if (!is_there(w, w->newest))
        return;
    for (uint32_t nth = 1; w->scheme == NUMBERS_FALL && nth <= w->rotations; nth++)
        for (int e = 0; e < 2; e++)
            if (is_there(w, name_of(w, nth, w->rotations, endings[e])))
                move(&w->s, name_of(w, nth, w->rotations, endings[e]),
                     name_of(w, nth, w->rotations + 1, endings[e]));
    w->rotations++;
    move(&w->s, w->newest, name_of(w, w->rotations, w->rotations, ""));
    if (below(w, 4) == 0) /* who writes it has not been told yet */
        write_rows(w, name_of(w, w->rotations, w->rotations, ""), 1);
    if (w->compresses && below(w, 2) == 0)
        compress(w, w->rotations);
    if (w->compresses && w->rotations > 1 && below(w, 2) == 0)
        compress(w, w->rotations - 1);
    if (w->rotations == 1 && w->scheme == NUMBERS_GROW) /* what tells that they do */
        wr_sim_advance(w->s.sim, 2 * SECOND);
}

static void read_for(struct writer *w, int64_t us) {
    int is_followed = w->s.type == &wr_source_follow;
    for (const char *at = come(&w->s, us); *at != 0; at += strspn(at, " ")) {
        unsigned long row = strtoul(at, (char **)(uintptr_t)&at, 10);
        CHECK_INT(row, <, w->written);
        if (is_followed)
            CHECK_INT(row, ==, w->come);
        CHECK_INT(w->came[row]++, ==, 0);
        w->come++;
    }
}

static void step(struct writer *w) {
    switch (below(w, 5)) {
    case 0: rotate(w); break;
    case 1: wr_sim_advance(w->s.sim, below(w, 3) * INT64_C(700)); break;
    default: write_rows(w, w->newest, 1 + below(w, 3));
    }
}

/* What was rotated before is not read, unless it has the address. */
static void rotate_before(struct writer *w, int is_read) {
    for (uint32_t times = below(w, 2) * below(w, 5); times > 0; times--) {
        write_rows(w, w->newest, 1 + below(w, 3));
        rotate(w);
        wr_sim_advance(w->s.sim, below(w, 2) * below(w, SECOND));
    }
    wr_sim_advance(w->s.sim, 2 * SECOND); /* their ticks are over */
    for (; !is_read && w->come < w->written; w->come++)
        w->came[w->come] = 1;
}

static void read_or_restart(struct writer *w) {
    struct wr_buf saved;
    uint32_t come_then = w->come;
    uint8_t came_then[ROWS_MAX];
    switch (below(w, 6)) {
    case 0: read_for(w, below(w, 3 * SECOND)); return;
    case 1: restart(&w->s); return;
    case 2: break; /* a kill */
    default: read_for(w, below(w, 50000)); return;
    }
    save(&w->s, &saved);
    memcpy(came_then, w->came, sizeof came_then);
    read_for(w, below(w, SECOND));
    for (uint32_t i = below(w, 12); i > 0; i--)
        step(w);
    w->come = come_then;
    memcpy(w->came, came_then, sizeof came_then);
    restart_from(&w->s, &saved);
    wr_buf_release(&saved);
}

static void rotate_at_random(const struct wr_source_type *type, uint64_t seed, int compresses) {
    static const int64_t ticks[] = {0, 4000, 1000000};
    struct writer w = {.chance = seed, .compresses = compresses};
    w.scheme = (enum scheme)below(&w, SCHEMES);
    w.tick_us = ticks[below(&w, 3)];
    w.newest = type == &wr_source_follow ? "a.csv" : "in/a.csv";
    const char *watched = below(&w, 2) == 0 ? "in/*.csv" : "in/";
    begin(&w.s, type, type == &wr_source_follow ? w.newest : watched);
    wr_sim_tick(w.s.sim, w.tick_us);
    if (below(&w, 2) == 0)
        wr_sim_reuse_numbers(w.s.sim, below(&w, 2) == 0);
    wr_sim_advance(w.s.sim, below(&w, SECOND));
    rotate_before(&w, strcmp(watched, "in/") == 0 && type == &wr_source_watch);
    write_rows(&w, w.newest, 1);
    open_at(&w.s, NULL);
    for (int i = 0; i < 12; i++) {
        for (uint32_t steps = below(&w, 16); steps > 0; steps--)
            step(&w);
        read_or_restart(&w);
    }
    write_rows(&w, w.newest, 1);
    read_for(&w, 2 * SECOND * (w.rotations + 2));
    CHECK_INT(w.come, ==, w.written);
    CHECK_INT(w.s.w.rejects.length, ==, 0);
    end(&w.s);
}

static void rotate_by_many(const struct wr_source_type *type, int compresses) {
    static uint64_t tried;
    for (uint64_t i = 0; i < 100; i++)
        rotate_at_random(type, test_seed() + i, compresses);
    while (test_random_time_left())
        rotate_at_random(type, wr_hash_u64(test_seed(), ++tried), compresses);
}

TEST(follow_reads_rows_of_files_that_are_rotated_within_a_tick_once_and_in_order) {
    rotate_by_many(&wr_source_follow, 0);
}

TEST(follow_reads_rows_of_files_that_are_compressed_within_a_tick_once_and_in_order) {
    rotate_by_many(&wr_source_follow, 1);
}

TEST(watch_reads_rows_of_files_that_are_rotated_within_a_tick_once) {
    rotate_by_many(&wr_source_watch, 0);
}

TEST(watch_reads_rows_of_files_that_are_compressed_at_once_once) {
    rotate_by_many(&wr_source_watch, 1);
}
