/* Watched files that go, and come back. */
#include "support_follow.h"

#include "base/hash.h"

static void begin_beside(struct sim_world *s, const char *address) {
    begin(s, &wr_source_watch, address);
    CHECK_INT(s->w.env->make_directory(s->w.env, "out", NULL), ==, WR_OK);
}

/* What is in `in/` when nothing is said: a.csv and b.csv, read. */
static void begin_read(struct sim_world *s, const char *address) {
    begin_beside(s, address);
    put(s, "in/a.csv", "x\n1\n2\n");
    put(s, "in/b.csv", "x\n3\n");
    wr_sim_advance(s->sim, 2 * SECOND);
    open_at(s, NULL);
    CHECK_STR(come(s, SECOND), "1 2 3");
}

static void check_back(struct sim_world *s, const char *rows) {
    CHECK_STR(come(s, 12 * SECOND), rows);
    restart(s);
    CHECK_STR(come(s, 3 * SECOND), "");
    end(s);
}

TEST(watch_does_not_read_again_what_was_moved_out_and_back) {
    static const char *const outside[] = {"out/a.csv", "in/.a.csv", "in/a.csv.bak", "in/z"};
    for (int at = 0; at < 4; at++)
        for (int life = 0; life < 4; life++) {
            struct sim_world s;
            begin_read(&s, "in/*.csv");
            move(&s, "in/a.csv", outside[at]);
            if (life & 1)
                restart(&s);
            CHECK_STR(come(&s, (life & 2 ? 15 : 2) * SECOND), "");
            if (life & 1)
                restart(&s);
            move(&s, outside[at], "in/a.csv");
            check_back(&s, "");
        }
}

/* As `cp -p` does, and goes on without `from`. */
static void copy(struct sim_world *s, const char *from, const char *to) {
    size_t length;
    const char *bytes = wr_sim_get(s->sim, from, &length);
    put_bytes(s, to, wr_arena_strndup(&s->w.arena, bytes, length), length);
    CHECK_INT(wr_sim_same_time(s->sim, to, from), ==, WR_OK);
    drop(s, from);
}

TEST(watch_does_not_read_again_what_was_copied_back) {
    for (int life = 0; life < 2; life++) {
        struct sim_world s;
        begin_read(&s, "in/");
        copy(&s, "in/a.csv", "out/a.csv");
        CHECK_STR(come(&s, 15 * SECOND), "");
        if (life)
            restart(&s);
        copy(&s, "out/a.csv", "in/a.csv");
        check_back(&s, "");
    }
}

TEST(watch_reads_what_a_job_writes_again_as_it_was) {
    for (int hides_birth = 0; hides_birth < 2; hides_birth++) {
        struct sim_world s;
        begin_beside(&s, "in/");
        wr_sim_reuse_numbers(s.sim, hides_birth);
        put(&s, "in/a.csv", "x\n1\n2\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, 15 * SECOND), "1 2");
        for (int time = 0; time < 2; time++) {
            drop(&s, "in/a.csv");
            CHECK_STR(come(&s, 3 * SECOND), "");
            put(&s, "in/a.csv", "x\n1\n2\n");
            CHECK_STR(come(&s, 15 * SECOND), "1 2");
        }
        end(&s);
    }
}

TEST(watch_does_not_read_again_what_came_back_after_all_were_away) {
    for (int other = 0; other < 3; other++) {
        struct sim_world s;
        begin_read(&s, "in/*.csv");
        move(&s, "in/a.csv", "out/a.csv");
        move(&s, "in/b.csv", "out/b.csv");
        if (other == 1) /* as an empty disk that was mounted there */
            put(&s, "in/c.csv", "x\n4\n");
        CHECK_STR(come(&s, 15 * SECOND), other == 1 ? "4" : "");
        if (other == 2)
            restart(&s);
        move(&s, "out/a.csv", "in/a.csv");
        move(&s, "out/b.csv", "in/b.csv");
        check_back(&s, "");
    }
}

static void see_it_go(struct sim_world *s, const char *from, const char *to) {
    move(s, from, to);
    CHECK_STR(come(s, 3 * SECOND), "");
}

TEST(watch_reads_on_what_has_more_when_it_comes_back) {
    struct sim_world s;
    begin_read(&s, "in/*.csv");
    see_it_go(&s, "in/a.csv", "out/a");
    append(&s, "out/a", "5\n");
    move(&s, "out/a", "in/c.csv");
    CHECK_STR(come(&s, 3 * SECOND), "5");
    append(&s, "in/c.csv", "6\n");
    check_back(&s, "6");
}

TEST(watch_reads_another_file_that_has_the_name_of_one_that_went) {
    struct sim_world s;
    begin_read(&s, "in/*.csv");
    see_it_go(&s, "in/a.csv", "out/a");
    put(&s, "in/a.csv", "x\n1\n7\n");
    CHECK_STR(come(&s, 3 * SECOND), "1 7");
    see_it_go(&s, "in/a.csv", "out/a2");
    see_it_go(&s, "out/a", "in/a.csv"); /* back, and nothing of it comes */
    move(&s, "in/a.csv", "out/a");
    move(&s, "out/a2", "in/a.csv");
    check_back(&s, "");
}

TEST(watch_reads_the_rest_of_what_was_compressed_while_it_was_away) {
    struct sim_world s;
    begin_read(&s, "in/");
    copy(&s, "in/a.csv", "out/a");
    CHECK_STR(come(&s, 3 * SECOND), "");
    put_gzip(&s, "in/a.csv.gz", "x\n1\n2\n8\n", 0);
    CHECK_INT(wr_sim_same_time(s.sim, "in/a.csv.gz", "out/a"), ==, WR_OK);
    check_back(&s, "8");
}

TEST(watch_tells_that_files_are_back_in_one_line) {
    struct sim_world s;
    begin_read(&s, "in/*.csv");
    move(&s, "in/a.csv", "out/a");
    move(&s, "in/b.csv", "out/b");
    CHECK_STR(come(&s, 3 * SECOND), "");
    move(&s, "out/a", "in/a.csv");
    move(&s, "out/b", "in/b.csv");
    CHECK_STR(come(&s, 3 * SECOND), "");
    wr_buf_add(&s.w.notes, "", 1);
    CHECK(strstr(s.w.notes.bytes, "2 files that were away are back") != NULL);
    end(&s);
}

TEST(watch_knows_all_that_went_at_once_and_the_last_of_the_others) {
    enum { FILES = 1100 };
    char path[32], other[32], text[32];
    for (int at_once = 0; at_once < 2; at_once++) {
        struct sim_world s;
        uint32_t again = 0;
        begin_beside(&s, "in/");
        for (uint32_t i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "in/%u", i);
            snprintf(text, sizeof text, "x\n%u\n", i);
            put(&s, path, text);
        }
        put(&s, "in/z", "x\n9\n");
        wr_sim_advance(s.sim, 2 * SECOND);
        open_at(&s, NULL);
        come(&s, 20 * SECOND);
        for (uint32_t i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "in/%u", i);
            snprintf(other, sizeof other, "out/%u", i);
            move(&s, path, other);
            if (!at_once && i % 100 == 99)
                CHECK_STR(come(&s, 12 * SECOND), "");
        }
        CHECK_STR(come(&s, 12 * SECOND), "");
        restart(&s);
        for (uint32_t i = 0; i < FILES; i++) {
            snprintf(path, sizeof path, "in/%u", i);
            snprintf(other, sizeof other, "out/%u", i);
            move(&s, other, path);
        }
        for (const char *at = come(&s, 20 * SECOND); *at != 0; at += strcspn(at, " ")) {
            at += strspn(at, " ");
            again++;
        }
        CHECK_INT(again, ==, at_once ? 0 : FILES - 1000);
        end(&s);
    }
}

/* ---- at random ----------------------------------------------------------------------------- */

#define FILES_MAX 6u
#define ROWS_MAX 512u

struct keeper {
    struct sim_world s;
    uint64_t chance;
    uint32_t written, come;
    uint8_t is_out[FILES_MAX];
    uint8_t came[ROWS_MAX];
};

static uint32_t below(struct keeper *k, uint32_t most) {
    k->chance = wr_hash_u64(k->chance, 1);
    return (uint32_t)(k->chance >> 20) % most;
}

static const char *name_of(struct keeper *k, const char *format, uint32_t file) {
    char name[32];
    snprintf(name, sizeof name, "%s%c.csv", format, (char)('a' + file));
    return wr_arena_strndup(&k->s.w.arena, name, strlen(name));
}

static void take_out_or_back(struct keeper *k, uint32_t file) {
    static const char *const outside[] = {"out/", "in/."};
    const char *in = name_of(k, "in/", file);
    const char *out = name_of(k, outside[file % 2], file);
    if (k->is_out[file] == 0)
        move(&k->s, in, out);
    else if (below(k, 2) == 0)
        move(&k->s, out, in);
    else
        copy(&k->s, out, in);
    k->is_out[file] ^= 1;
}

static void step(struct keeper *k) {
    static const char *const outside[] = {"out/", "in/."};
    uint32_t file = below(k, FILES_MAX);
    char row[16];
    switch (below(k, 4)) {
    case 0: take_out_or_back(k, file); break;
    case 1: wr_sim_advance(k->s.sim, below(k, 3) * INT64_C(700)); break;
    default:
        if (k->written == ROWS_MAX)
            break;
        snprintf(row, sizeof row, "%u\n", k->written++);
        append(&k->s, name_of(k, k->is_out[file] ? outside[file % 2] : "in/", file), row);
    }
}

static void read_for(struct keeper *k, int64_t us) {
    for (const char *at = come(&k->s, us); *at != 0; at += strspn(at, " ")) {
        unsigned long row = strtoul(at, (char **)(uintptr_t)&at, 10);
        CHECK_INT(row, <, k->written);
        CHECK_INT(k->came[row]++, ==, 0);
        k->come++;
    }
}

static void read_or_restart(struct keeper *k) {
    struct wr_buf saved;
    uint32_t come_then = k->come;
    uint8_t came_then[ROWS_MAX];
    switch (below(k, 6)) {
    case 0: read_for(k, below(k, 15 * SECOND)); return;
    case 1: restart(&k->s); return;
    case 2: break; /* a kill */
    default: read_for(k, below(k, 2 * SECOND)); return;
    }
    save(&k->s, &saved);
    memcpy(came_then, k->came, sizeof came_then);
    read_for(k, below(k, 2 * SECOND));
    for (uint32_t i = below(k, 12); i > 0; i--)
        step(k);
    k->come = come_then;
    memcpy(k->came, came_then, sizeof came_then);
    restart_from(&k->s, &saved);
    wr_buf_release(&saved);
}

static void come_and_go(uint64_t seed) {
    static const int64_t ticks[] = {0, 4000, 1000000};
    struct keeper k = {.chance = seed};
    begin_beside(&k.s, below(&k, 2) == 0 ? "in/*.csv" : "in/");
    wr_sim_tick(k.s.sim, ticks[below(&k, 3)]);
    if (below(&k, 2) == 0)
        wr_sim_reuse_numbers(k.s.sim, below(&k, 2) == 0);
    for (uint32_t file = 0; file < FILES_MAX; file++) {
        char text[32];
        snprintf(text, sizeof text, "x\n%u\n", k.written++); /* no two files begin the same */
        put(&k.s, name_of(&k, "in/", file), text);
    }
    open_at(&k.s, NULL);
    for (int i = 0; i < 12; i++) {
        for (uint32_t steps = below(&k, 16); steps > 0; steps--)
            step(&k);
        read_or_restart(&k);
    }
    for (uint32_t file = 0; file < FILES_MAX; file++)
        if (k.is_out[file])
            take_out_or_back(&k, file);
    read_for(&k, 30 * SECOND);
    CHECK_INT(k.come, ==, k.written);
    CHECK_INT(k.s.w.rejects.length, ==, 0);
    end(&k.s);
}

TEST(watch_reads_rows_of_files_that_go_and_come_back_once) {
    static uint64_t tried;
    for (uint64_t i = 0; i < 100; i++)
        come_and_go(test_seed() + i);
    while (test_random_time_left())
        come_and_go(wr_hash_u64(test_seed(), ++tried));
}
