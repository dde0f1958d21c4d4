/* Watched files that are known by what is in them, or were there before. */
#include "support_follow.h"

TEST(watch_does_not_read_what_was_rotated_before_it_began_under_any_name) {
    for (int dies = 0; dies < 2; dies++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/*.csv");
        wr_sim_tick(s.sim, SECOND);
        put(&s, "in/a.csv.1", "x\n91\n");
        put_gzip(&s, "in/a.csv.2.gz", "x\n90\n", 0);
        put(&s, "in/a.csv", "x\n1\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1");
        if (dies)
            restart(&s);
        move(&s, "in/a.csv.2.gz", "in/a.csv.3.gz");
        put_gzip(&s, "in/a.csv.2.gz", "x\n91\n", 0);
        CHECK_INT(wr_sim_same_time(s.sim, "in/a.csv.2.gz", "in/a.csv.1"), ==, WR_OK);
        move(&s, "in/a.csv", "in/a.csv.1");
        append(&s, "in/a.csv.1", "2\n");
        put(&s, "in/a.csv", "x\n3\n");
        CHECK_STR(come(&s, 3 * SECOND), "3 2");
        restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "");
        CHECK_INT(s.w.notes.length, ==, 0);
        end(&s);
    }
}

TEST(watch_reads_what_came_and_was_rotated_with_a_name_that_nobody_knew) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*.csv");
    put(&s, "in/a.csv", "x\n1\n");
    put(&s, "in/b.csv.3", "x\n93\n");
    wr_sim_advance(s.sim, 2 * SECOND);
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1");
    put(&s, "in/b.csv.1", "x\n2\n");
    put(&s, "in/b.csv.md5", "x\n94\n");
    put(&s, "in/b.csv", "x\n3\n");
    CHECK_STR(come(&s, 3 * SECOND), "3 2");
    restart(&s);
    CHECK_STR(come(&s, 3 * SECOND), "");
    end(&s);
}

TEST(watch_knows_a_compressed_copy_with_the_time_in_whole_seconds) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*.csv");
    wr_sim_advance(s.sim, SECOND / 2);
    put(&s, "in/a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND / 10), "1");
    struct wr_buf saved;
    save(&s, &saved);
    append(&s, "in/a.csv", "2\n");
    drop(&s, "in/a.csv");
    wr_sim_tick(s.sim, SECOND); /* as zstd does */
    put_gzip(&s, "in/a.csv.1.gz", "x\n1\n2\n", 0);
    restart_from(&s, &saved);
    CHECK_STR(come(&s, 3 * SECOND), "2");
    CHECK_INT(s.w.notes.length, ==, 0);
    wr_buf_release(&saved);
    end(&s);
}

/* As version 2 had it: without how files begin, and when a scan was last. */
static void save_as_2(struct sim_world *s, struct wr_buf *old) {
    struct wr_buf saved;
    save(s, &saved);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    wr_buf_init(old, &s->w.budget, 0);
    CHECK_INT(wr_reader_varint(&from), ==, 4);
    wr_buf_add_varint(old, 2);
    wr_buf_add_varint(old, wr_reader_varint(&from)); /* records */
    for (int n = 0; n < 3; n++)                      /* the scan, the directory */
        wr_reader_varint(&from);
    uint64_t count = wr_reader_varint(&from);
    wr_buf_add_varint(old, count);
    for (uint64_t i = 0; i < count; i++) {
        wr_buf_add_varint(old, wr_reader_varint(&from)); /* of the name before */
        for (int bytes = 0; bytes < 2; bytes++) {        /* the rest of the name; the format */
            uint64_t length = wr_reader_varint(&from);
            wr_buf_add_varint(old, length);
            wr_buf_add(old, wr_reader_bytes(&from, length), length);
            if (bytes == 1)
                break;
            for (int n = 0; n < 7; n++) /* number, births, size, bytes, time, line */
                wr_buf_add_varint(old, wr_reader_varint(&from));
            wr_buf_add_u64(old, wr_reader_u64(&from)); /* sum */
            uint64_t flags = wr_reader_varint(&from);
            wr_buf_add_varint(old, flags & 127);
            if (!(flags & 256)) {
                wr_reader_varint(&from);
                wr_reader_u64(&from);
            }
            if (!(flags & 8) || (flags & 4))
                break;
        }
    }
    wr_buf_add(old, saved.bytes + from.at, saved.length - from.at);
    wr_buf_release(&saved);
}

TEST(watch_goes_on_from_a_state_of_the_version_before) {
    struct sim_world s;
    struct wr_buf old;
    begin(&s, &wr_source_watch, "in/*.csv");
    put(&s, "in/a.csv.1", "x\n91\n");
    put(&s, "in/b.csv", "x\n1\n");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "in/a.csv", "x\n2\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "2 1");
    save_as_2(&s, &old);
    append(&s, "in/a.csv", "3\n");
    move(&s, "in/a.csv.1", "in/a.csv.3");
    move(&s, "in/a.csv", "in/a.csv.2");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "in/a.csv.1", "x\n4\n");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "in/a.csv", "x\n5\n");
    restart_from(&s, &old);
    CHECK_STR(come(&s, 3 * SECOND), "5 4 3");
    restart(&s);
    put_gzip(&s, "in/a.csv.3.gz", "x\n91\n", 0); /* that is known now */
    drop(&s, "in/a.csv.3");
    CHECK_STR(come(&s, 3 * SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    wr_buf_release(&old);
    end(&s);
}

TEST(watch_reads_a_file_that_has_two_names_once) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/b", "x\n1\n");
    CHECK_INT(wr_sim_link(s.sim, "in/b", "in/a"), ==, WR_OK);
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1");
    CHECK_INT(wr_sim_link(s.sim, "in/b", "in/0"), ==, WR_OK);
    append(&s, "in/b", "2\n");
    CHECK_STR(come(&s, SECOND), "2");
    restart(&s);
    drop(&s, "in/0");
    append(&s, "in/b", "3\n");
    CHECK_STR(come(&s, SECOND), "3");
    drop(&s, "in/a");
    CHECK_STR(come(&s, SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    end(&s);
}

TEST(watch_tells_once_that_its_directory_is_not_there_yet) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*.csv");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 3 * SECOND), "");
    CHECK_CONTAINS(s.w.notes.bytes, "there is no such directory yet: it is waited for");
    CHECK(strchr(s.w.notes.bytes, '\n') == s.w.notes.bytes + s.w.notes.length - 1); /* once */
    wr_buf_clear(&s.w.notes);
    put(&s, "in/a.csv", "x\n1\n");
    CHECK_STR(come(&s, SECOND), "1");
    drop(&s, "in/a.csv");
    restart(&s);
    CHECK_STR(come(&s, SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    end(&s);
}

/* As where a disk is not mounted: the directory below is empty, or is not there. */
TEST(watch_waits_for_a_directory_that_went_and_knows_its_files_again) {
    for (int is_empty = 0; is_empty < 2; is_empty++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/*.csv");
        put(&s, "in/a.csv", "x\n1\n");
        put(&s, "in/b.csv", "x\n2\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1 2");
        append(&s, "in/b.csv", "3\n");
        CHECK_INT(wr_sim_move(s.sim, "in", "disk"), ==, WR_OK);
        CHECK_INT(wr_sim_move(s.sim, "in/a.csv", "disk/a.csv"), ==, WR_OK);
        CHECK_INT(wr_sim_move(s.sim, "in/b.csv", "disk/b.csv"), ==, WR_OK);
        if (is_empty) {
            put(&s, "in/x", "");
            drop(&s, "in/x");
        }
        CHECK_STR(come(&s, SECOND), "3"); /* it was open */
        CHECK_CONTAINS(s.w.notes.bytes, "2 files that were read from it are waited for");
        CHECK(strchr(s.w.notes.bytes, '\n') == s.w.notes.bytes + s.w.notes.length - 1); /* once */
        restart(&s);
        CHECK_STR(come(&s, SECOND), "");
        append(&s, "disk/a.csv", "4\n");
        CHECK_INT(wr_sim_move(s.sim, "disk", "in"), ==, WR_OK);
        CHECK_INT(wr_sim_move(s.sim, "disk/a.csv", "in/a.csv"), ==, WR_OK);
        CHECK_INT(wr_sim_move(s.sim, "disk/b.csv", "in/b.csv"), ==, WR_OK);
        CHECK_STR(come(&s, SECOND), "4");
        put(&s, "in/c.csv", "x\n5\n");
        CHECK_STR(come(&s, SECOND), "5");
        end(&s);
    }
}

/* Those that changed last are open. What came to others since the last look, and was moved away
 * within it, nobody can see. */
TEST(watch_reads_the_rest_of_the_files_that_are_open_where_more_move_at_once) {
    struct sim_world s;
    char name[32], to[32];
    begin(&s, &wr_source_watch, "in/*.csv");
    put(&s, "old/x", "");
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "in/%03d.csv", i);
        put(&s, name, "x\n1\n");
    }
    open_at(&s, NULL);
    CHECK_INT(strlen(come(&s, SECOND)), ==, 2 * 150 - 1);
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "in/%03d.csv", i);
        snprintf(to, sizeof to, "old/%03d", i);
        append(&s, name, "2\n");
        move(&s, name, to);
    }
    put(&s, "in/new.csv", "x\n3\n");
    CHECK_INT(strlen(come(&s, 3 * SECOND)), ==, 2 * (128 + 1) - 1);
    end(&s);
}

/* A sink that decides itself passes over as many rows as it has: what a scan said is read next is
 * read next, though nothing was read of the files when they were compressed and others came. */
TEST(watch_reads_what_it_has_said_in_its_order_where_the_files_are_compressed_since) {
    struct sim_world s;
    struct wr_buf saved;
    begin(&s, &wr_source_watch, "in/");
    wr_sim_tick(s.sim, SECOND);
    wr_sim_reuse_numbers(s.sim, 1);
    put(&s, "in/a", "x\n1\n2\n");
    put(&s, "in/b", "x\n3\n");
    open_at(&s, NULL);
    s.source->has_state = 1;
    save(&s, &saved);
    CHECK_STR(come(&s, SECOND), "1 2 3");
    put_gzip(&s, "in/b.1.gz", "x\n3\n", 0);
    drop(&s, "in/b");
    put_gzip(&s, "in/a.3.gz", "x\n1\n2\n4\n", 0);
    drop(&s, "in/a");
    put_gzip(&s, "in/a.2.gz", "x\n5\n", 0);
    put(&s, "in/a.1", "x\n6\n");
    put(&s, "in/b", "x\n7\n");
    restart_from(&s, &saved);
    const char *rows = come(&s, 3 * SECOND);
    CHECK_STR(rows, "1 2 3 6 5 4 7");
    wr_buf_release(&saved);
    end(&s);
}
