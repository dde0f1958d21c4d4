/* One file that grows, by the clock and the disk of a simulated world. */
#include "support_follow.h"

TEST(follow_waits_for_a_file_and_for_the_end_of_its_line) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 4 * SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    CHECK_STR(come(&s, 2 * SECOND), "");
    CHECK_CONTAINS(s.w.notes.bytes, "there is no file of this name: it is waited for");
    put(&s, "a.csv", "x\n1\n2");
    CHECK_STR(come(&s, SECOND), "1");
    append(&s, "a.csv", "3\n");
    CHECK_STR(come(&s, SECOND / 10), "23");
    end(&s);
}

TEST(follow_reads_a_renamed_file_for_a_second_behind_its_last_byte) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1");
    move(&s, "a.csv", "a.csv.1");
    put(&s, "a.csv", "x\n5\n");
    CHECK_STR(come(&s, SECOND * 9 / 10), "");
    append(&s, "a.csv.1", "2\n3");
    CHECK_STR(come(&s, SECOND * 9 / 10), "2");
    CHECK_STR(come(&s, SECOND * 2 / 10), "3 5");
    append(&s, "a.csv.1", "4\n"); /* too late */
    CHECK_STR(come(&s, 5 * SECOND), "");
    end(&s);
}

TEST(follow_tells_of_a_file_that_goes_and_takes_the_next_of_its_name) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1");
    CHECK_INT(s.w.env->remove(s.w.env, "a.csv", NULL), ==, WR_OK);
    CHECK_STR(come(&s, 6 * SECOND), "");
    CHECK_CONTAINS(s.w.notes.bytes, "it was removed or renamed");
    put(&s, "a.csv", "x\n2\n");
    CHECK_STR(come(&s, SECOND), "2");
    end(&s);
}

TEST(follow_begins_again_where_a_file_is_cut_or_filled_anew) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n2\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1 2");
    struct wr_file *file;
    CHECK_INT(s.w.env->open(s.w.env, "a.csv", WR_FILE_CREATE, &file, NULL), ==, WR_OK);
    s.w.env->close(file);
    append(&s, "a.csv", "x\n3\n");
    CHECK_STR(come(&s, 0), "3");
    CHECK_CONTAINS(s.w.notes.bytes, "it was cut: it was read up to byte 6 and has 4 now");
    CHECK_INT(s.w.env->open(s.w.env, "a.csv", WR_FILE_CREATE, &file, NULL), ==, WR_OK);
    s.w.env->close(file);
    append(&s, "a.csv", "x\n4\n5\n");
    CHECK_STR(come(&s, 0), "4 5");
    CHECK_CONTAINS(s.w.notes.bytes, "it was emptied and written anew");
    end(&s);
}

TEST(follow_goes_on_after_a_restart_at_any_place_and_through_rotations) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n2");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1");
    restart(&s);
    CHECK_STR(come(&s, 0), "");
    append(&s, "a.csv", "\n");
    CHECK_STR(come(&s, 0), "2");
    append(&s, "a.csv", "3\n");
    move(&s, "a.csv", "a.csv.2");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "a.csv.1", "x\n4\n");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "a.csv", "x\n5\n");
    restart(&s);
    CHECK_STR(come(&s, 0), "3");
    restart(&s);
    CHECK_STR(come(&s, 3 * SECOND), "4 5");
    restart(&s);
    CHECK_STR(come(&s, 3 * SECOND), "");
    end(&s);
}

TEST(follow_reads_what_was_rotated_where_no_file_has_the_name) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1");
    append(&s, "a.csv", "2\n");
    move(&s, "a.csv", "a.csv.2");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "a.csv", "x\n3\n");
    move(&s, "a.csv", "a.csv.1");
    restart(&s);
    CHECK_STR(come(&s, SECOND * 9 / 10), "2");
    CHECK_STR(come(&s, SECOND * 3 / 10), "3");
    CHECK_STR(come(&s, 6 * SECOND), "");
    CHECK_CONTAINS(s.w.notes.bytes, "it was removed or renamed");
    append(&s, "a.csv.1", "4\n");
    put(&s, "a.csv", "x\n5\n");
    CHECK_STR(come(&s, 2 * SECOND), "4 5");
    end(&s);
}

TEST(follow_reads_what_came_and_was_rotated_between_two_looks) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "");
    wr_sim_advance(s.sim, SECOND);
    put(&s, "a.csv", "x\n1\n");
    wr_sim_advance(s.sim, SECOND);
    move(&s, "a.csv", "a.csv.1");
    CHECK_STR(come(&s, SECOND), "1");
    put(&s, "a.csv", "x\n2\n");
    CHECK_STR(come(&s, 2 * SECOND), "2");
    end(&s);
}

TEST(follow_refuses_to_go_on_where_its_file_is_lost) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, 0), "1");
    struct wr_buf saved;
    wr_buf_init(&saved, &s.w.budget, 0);
    CHECK_INT(s.source->type->save_position(s.source, &saved), ==, WR_OK);
    close_source(s.source);
    CHECK_INT(s.w.env->remove(s.w.env, "a.csv", NULL), ==, WR_OK);
    put(&s, "a.csv", "x\n2\n");
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    s.source = open_source(&s.w, s.type, &s.bind, 100, &from);
    CHECK(s.source == NULL);
    CHECK_CONTAINS(error_text(&s.w),
                   "W616 a.csv: the file that was read up to byte 4 is no longer");
    put(&s, "a.csv.x", "x\n1\n3\n"); /* a copy of it */
    from.at = 0;
    open_at(&s, &from);
    CHECK_STR(come(&s, 2 * SECOND), "3 2");
    wr_buf_release(&saved);
    end(&s);
}

TEST(follow_is_not_misled_by_reads_that_give_less) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n2\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1 2");
    wr_sim_fail_at(s.sim, WR_SIM_SHORT_READ, 1, 1);
    append(&s, "a.csv", "3\n4\n");
    CHECK_STR(come(&s, SECOND), "3 4");
    CHECK_INT(s.w.notes.length, ==, 0);
    end(&s);
}

/* Stops, and goes on from the position, at the second time where the first one fails. */
static void restart_twice(struct sim_world *s, uint64_t nth) {
    struct wr_buf saved;
    save(s, &saved);
    close_source(s->source);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    if (nth > 0)
        wr_sim_fail_at(s->sim, WR_SIM_EIO, nth, 0);
    s->source = open_source(&s->w, s->type, &s->bind, 100, &from);
    from.at = 0;
    if (s->source == NULL)
        open_at(s, &from);
    wr_buf_release(&saved);
}

/* Rows are in files that were rotated and in the newest one; `names`: whether one has the name. */
static void fill_rotated(struct sim_world *s, int names, const char *first) {
    append(s, "a.csv", first);
    move(s, "a.csv", "a.csv.2");
    wr_sim_advance(s->sim, SECOND);
    put(s, "a.csv", "x\n3\n");
    wr_sim_advance(s->sim, SECOND);
    move(s, "a.csv", "a.csv.1");
    wr_sim_advance(s->sim, SECOND);
    if (names)
        put(s, "a.csv", "x\n4\n");
}

TEST(follow_does_not_take_a_call_that_fails_for_a_file_that_is_not_there) {
    for (uint64_t n = 0; n < 800; n++) {
        struct sim_world s;
        uint64_t nth = 1 + n / 8;
        int names = n % 2 == 0, in_open = n / 2 % 2 == 0, is_begun = n / 4 % 2 == 0;
        begin(&s, &wr_source_follow, "a.csv");
        put(&s, "a.csv", is_begun ? "x\n1\n" : "");
        open_at(&s, NULL);
        CHECK_STR(come(&s, 0), is_begun ? "1" : "");
        fill_rotated(&s, names, is_begun ? "2\n" : "x\n2\n");
        struct wr_buf rows;
        wr_buf_init(&rows, &s.w.budget, 0);
        restart_twice(&s, in_open ? nth : 0);
        if (!in_open)
            wr_sim_fail_at(s.sim, WR_SIM_EIO, nth, 0);
        add_until_it_fails(&s, &rows);
        wr_sim_fail_at(s.sim, WR_SIM_NONE, 1, 0);
        restart(&s);
        add_until_it_fails(&s, &rows);
        wr_buf_add_char(&rows, 0);
        CHECK_STR(rows.bytes, names ? "2 3 4 " : "2 3 ");
        wr_buf_release(&rows);
        end(&s);
    }
}

/* `path` is compressed beside its name, and goes. */
static void compress(struct sim_world *s, const char *path, const char *to, const char *text) {
    size_t size;
    const char *bytes = gzip_of(&s->w, text, strlen(text), &size);
    put_bytes(s, to, bytes, size);
    CHECK_INT(s->w.env->remove_for_good(s->w.env, path, NULL), ==, WR_OK);
}

TEST(follow_does_not_take_a_file_with_the_number_of_an_empty_one_for_it) {
    for (int hides_birth = 0; hides_birth < 2; hides_birth++) {
        struct sim_world s;
        struct wr_file_info first, last;
        begin(&s, &wr_source_follow, "a.csv");
        wr_sim_reuse_numbers(s.sim, hides_birth);
        put(&s, "a.csv", "");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "");
        struct wr_buf saved;
        save(&s, &saved);
        close_source(s.source);
        CHECK_INT(s.w.env->stat(s.w.env, "a.csv", &first), ==, WR_OK);
        append(&s, "a.csv", "x\n1\n");
        move(&s, "a.csv", "a.csv.1");
        put(&s, "a.csv", "");
        wr_sim_advance(s.sim, SECOND);
        compress(&s, "a.csv.1", "a.csv.2.gz", "x\n1\n");
        wr_sim_advance(s.sim, SECOND);
        append(&s, "a.csv", "x\n2\n");
        move(&s, "a.csv", "a.csv.1");
        wr_sim_advance(s.sim, SECOND);
        put(&s, "a.csv", "x\n3\n");
        CHECK_INT(s.w.env->stat(s.w.env, "a.csv", &last), ==, WR_OK);
        CHECK_INT(first.inode, ==, last.inode);
        struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
        open_at(&s, &from);
        CHECK_STR(come(&s, 4 * SECOND), "1 2 3");
        CHECK_INT(s.w.notes.length, ==, 0);
        restart(&s);
        CHECK_STR(come(&s, 4 * SECOND), "");
        wr_buf_release(&saved);
        end(&s);
    }
}

TEST(follow_goes_on_in_an_empty_file_that_has_grown_since) {
    for (int hides_birth = 0; hides_birth < 2; hides_birth++) {
        struct sim_world s;
        begin(&s, &wr_source_follow, "a.csv");
        wr_sim_reuse_numbers(s.sim, hides_birth);
        put(&s, "a.csv", "");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "");
        append(&s, "a.csv", "x\n1\n");
        restart(&s);
        CHECK_STR(come(&s, 2 * SECOND), "1");
        CHECK_INT(s.w.notes.length, ==, 0);
        end(&s);
    }
}

TEST(follow_sees_a_file_that_was_emptied_and_filled_to_the_same_length) {
    struct sim_world s;
    begin(&s, &wr_source_follow, "a.csv");
    put(&s, "a.csv", "x\n1\n2\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1 2");
    put(&s, "a.csv", "x\n3\n4\n");
    CHECK_STR(come(&s, SECOND), "3 4");
    CHECK_CONTAINS(s.w.notes.bytes, "it was emptied and written anew");
    put(&s, "a.csv", "x\n3\n4\n"); /* touched */
    CHECK_STR(come(&s, SECOND), "");
    CHECK_INT(s.w.rejects.length, ==, 0);
    end(&s);
}

TEST(follow_does_not_read_the_copy_of_a_file_that_was_cut) {
    for (int dies = 0; dies < 2; dies++) {
        struct sim_world s;
        begin(&s, &wr_source_follow, "a.csv");
        put(&s, "a.csv", "x\n1\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1");
        move(&s, "a.csv", "a.csv.2");
        put(&s, "a.csv", "x\n2\n3\n");
        CHECK_STR(come(&s, 2 * SECOND), "2 3");
        put(&s, "a.csv.1", "x\n2\n3\n"); /* copytruncate */
        put(&s, "a.csv", "");
        CHECK_STR(come(&s, SECOND), "");
        if (dies)
            restart(&s);
        append(&s, "a.csv", "x\n4\n");
        CHECK_STR(come(&s, 2 * SECOND), "4");
        drop(&s, "a.csv");
        put(&s, "a.csv", "x\n5\n");
        CHECK_STR(come(&s, 3 * SECOND), "5");
        end(&s);
    }
}

static void copy_numbers(struct wr_reader *from, struct wr_buf *to, int count) {
    for (int i = 0; i < count; i++)
        wr_buf_add_varint(to, wr_reader_varint(from));
}

/* As version 3 had it, without what was in files that were read; as version 2, also without the
 * length of the one that is. Of other files than that none was read, or the last one. */
static void save_as(struct sim_world *s, uint64_t version, struct wr_buf *old) {
    struct wr_buf saved;
    save(s, &saved);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    wr_buf_init(old, &s->w.budget, 0);
    CHECK_INT(wr_reader_varint(&from), ==, 4);
    wr_buf_add_varint(old, version);
    copy_numbers(&from, old, 1); /* records */
    uint64_t count = wr_reader_varint(&from);
    CHECK_INT(count, <=, version - 2);
    wr_buf_add_varint(old, count); /* files that were read: number, births … */
    for (uint64_t i = 0; i < count; i++) {
        copy_numbers(&from, old, 2);
        wr_reader_varint(&from); /* … time, byte, sum */
        wr_reader_varint(&from);
        wr_reader_u64(&from);
    }
    if (version == 2)
        CHECK_INT(wr_reader_varint(&from), ==, 0); /* flags */
    else
        copy_numbers(&from, old, 1);
    copy_numbers(&from, old, count > 0 ? 4 : 0); /* the last one */
    if (count > 0)
        wr_buf_add_u64(old, wr_reader_u64(&from));
    copy_numbers(&from, old, 4); /* is open, number, births, time */
    if (version == 2)
        wr_reader_varint(&from); /* length */
    wr_buf_add(old, saved.bytes + from.at, saved.length - from.at);
    wr_buf_release(&saved);
}

TEST(follow_goes_on_from_positions_of_the_versions_before) {
    for (uint64_t version = 2; version <= 3; version++) {
        struct sim_world s;
        struct wr_buf old;
        begin(&s, &wr_source_follow, "a.csv");
        put(&s, "a.csv", "x\n1\n2\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1 2");
        if (version == 3) {
            move(&s, "a.csv", "a.csv.2");
            put(&s, "a.csv", "x\n3\n");
            CHECK_STR(come(&s, 3 * SECOND), "3");
        }
        save_as(&s, version, &old);
        append(&s, "a.csv", "4\n");
        move(&s, "a.csv", "a.csv.1");
        put(&s, "a.csv", "x\n5\n");
        restart_from(&s, &old);
        CHECK_STR(come(&s, 3 * SECOND), "4 5");
        CHECK_INT(s.w.notes.length, ==, 0);
        wr_buf_release(&old);
        end(&s);
    }
}
