/* Directories that fill and globs of files that grow, by the clock and the disk of a simulated
 * world. */
#include "support_follow.h"

TEST(watch_takes_what_comes_and_a_last_line_without_its_end_when_it_is_quiet) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/b", "x\n1\n2");
    put(&s, "in/c.tmp", "x\n90\n");
    put(&s, "in/_c", "x\n91\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1");
    put(&s, "in/a", "x\n3\n");
    append(&s, "in/b", "2\n4");
    CHECK_STR(come(&s, SECOND), "3 22");
    CHECK_STR(come(&s, 8 * SECOND), "");
    CHECK_STR(come(&s, 2 * SECOND), "4");
    append(&s, "in/b", "\n5\n");
    CHECK_STR(come(&s, SECOND), "5");
    CHECK_INT(s.w.rejects.length, ==, 0);
    end(&s);
}

TEST(watch_reads_a_rotated_file_to_its_end_and_tells_what_is_lost) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*.csv");
    put(&s, "in/a.csv", "x\n1\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1");
    append(&s, "in/a.csv", "2\n");
    move(&s, "in/a.csv", "in/a.csv.1");
    put(&s, "in/a.csv", "x\n4\n");
    CHECK_STR(come(&s, SECOND / 2), "4 2");
    append(&s, "in/a.csv.1", "3\n");
    CHECK_STR(come(&s, SECOND / 2), "3");
    CHECK_INT(s.w.notes.length, ==, 0);
    append(&s, "in/a.csv", "5");
    CHECK_STR(come(&s, SECOND), "");
    drop(&s, "in/a.csv"); /* it is open */
    CHECK_STR(come(&s, SECOND / 2), "");
    CHECK_STR(come(&s, SECOND), "5");
    put(&s, "in/a.csv", "x\n6\n7");
    CHECK_STR(come(&s, SECOND), "6");
    struct wr_buf saved;
    save(&s, &saved);
    drop(&s, "in/a.csv");
    CHECK_INT(s.w.notes.length, ==, 0);
    restart_from(&s, &saved);
    wr_buf_release(&saved);
    CHECK_STR(come(&s, SECOND), "");
    CHECK_CONTAINS(s.w.notes.bytes, "it went away: 1 bytes of it were not read");
    end(&s);
}

TEST(watch_reads_the_same_rows_in_the_same_order_after_a_restart) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/b", "x\n1\n2\n");
    put(&s, "in/c", "x\n3\n");
    open_at(&s, NULL);
    struct wr_buf saved;
    wr_buf_init(&saved, &s.w.budget, 0);
    CHECK_INT(s.source->type->save_position(s.source, &saved), ==, WR_OK);
    for (int time = 0; time < 2; time++) {
        CHECK_STR(come(&s, 0), time == 0 ? "1 2 3" : "1 2 3 0 9");
        put(&s, "in/a", "x\n0\n"); /* it has come since, and so has … */
        put(&s, "in/b", "x\n1\n2\n9\n");
        close_source(s.source);
        struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
        open_at(&s, &from);
    }
    wr_buf_release(&saved);
    end(&s);
}

/* Polls over some scans, until a call fails; 0: none did. */
static int poll_until_it_fails(struct sim_world *s) {
    for (int i = 0; i < 30; i++) {
        struct wr_batch *batch = NULL;
        int status = s->source->type->poll(s->source, &batch, &s->w.err);
        CHECK(batch == NULL);
        if (status != WR_OK && status != WR_EAGAIN)
            return status;
        s->w.env->sleep(s->w.env, 20000);
    }
    return 0;
}

TEST(watch_does_not_take_a_call_that_fails_for_a_file_that_went) {
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/");
        put(&s, "in/a", "x\n1\n2\n");
        put(&s, "in/b", "x\n3\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1 2 3");
        wr_sim_fail_at(s.sim, WR_SIM_EIO, nth, 0);
        CHECK_INT(poll_until_it_fails(&s), ==, WR_EIO);
        restart(&s);
        CHECK_STR(come(&s, SECOND), "");
        CHECK_INT(s.w.notes.length, ==, 0);
        end(&s);
    }
}

TEST(watch_ends_a_task_of_which_all_was_read_before_a_restart) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/a", "x\n1\n2\n");
    s.w.env->sleep(s.w.env, 11 * SECOND); /* it is complete when it is first seen */
    open_at(&s, NULL);
    struct wr_batch *batch = NULL;
    CHECK_INT(s.source->type->poll(s.source, &batch, &s.w.err), ==, WR_OK);
    CHECK_INT(batch->sel_count, ==, 2);
    wr_batch_unref(batch);
    restart(&s);
    CHECK_STR(come(&s, SECOND), "");
    append(&s, "in/a", "3\n");
    CHECK_STR(come(&s, SECOND), "3");
    end(&s);
}

TEST(watch_reads_by_its_open_descriptor_what_is_renamed_before_its_rows_may_leave) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*.csv");
    put(&s, "in/a.csv", "x\n1\n");
    open_at(&s, NULL);
    s.source->has_state = 1;
    CHECK_STR(come(&s, SECOND), "1");
    append(&s, "in/a.csv", "2\n");
    CHECK_INT(s.source->has_more, ==, 0);
    CHECK_STR(come(&s, SECOND), "");      /* it waits for a checkpoint */
    CHECK_INT(s.source->has_more, ==, 1); /* and is not quiet */
    move(&s, "in/a.csv", "elsewhere");
    put(&s, "in/a.csv", "x\n4\n5\n");
    append(&s, "elsewhere", "3\n");
    struct wr_buf saved;
    save(&s, &saved);
    CHECK_STR(come(&s, SECOND / 2), "2");
    wr_buf_release(&saved);
    save(&s, &saved);
    CHECK_STR(come(&s, SECOND / 2), "3 4 5");
    CHECK_INT(s.w.notes.length, ==, 0);
    wr_buf_release(&saved);
    end(&s);
}

TEST(watch_reads_a_file_that_is_renamed_within_its_address_once) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*");
    put(&s, "in/a", "x\n1\n");
    open_at(&s, NULL);
    s.source->has_state = 1;
    CHECK_STR(come(&s, SECOND), "1");
    append(&s, "in/a", "2\n");
    CHECK_STR(come(&s, SECOND), "");
    move(&s, "in/a", "in/a.1");
    put(&s, "in/a", "x\n3\n4\n5\n");
    struct wr_buf saved;
    save(&s, &saved);
    CHECK_STR(come(&s, SECOND / 2), "2");
    restart_from(&s, &saved);
    CHECK_STR(come(&s, SECOND / 2), "2 3 4 5");
    restart(&s);
    CHECK_STR(come(&s, SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    wr_buf_release(&saved);
    end(&s);
}

TEST(watch_does_not_read_a_compressed_copy_of_what_it_read) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/*");
    put(&s, "in/a.1", "x\n1\n2\n");
    put(&s, "in/b", "x\n3\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1 2 3");
    put_gzip(&s, "in/a.1.gz", "x\n1\n2\n", 15); /* in making */
    put_gzip(&s, "in/b.gz", "x\n4\n", 0);       /* something else */
    CHECK_STR(come(&s, SECOND), "4");
    put_gzip(&s, "in/a.1.gz", "x\n1\n2\n", 0);
    CHECK_STR(come(&s, SECOND), "");
    drop(&s, "in/a.1");
    CHECK_STR(come(&s, 3 * SECOND), "");
    move(&s, "in/a.1.gz", "in/a.2.gz");
    CHECK_STR(come(&s, SECOND), "");
    restart(&s);
    CHECK_STR(come(&s, SECOND), "");
    CHECK_INT(s.w.notes.length, ==, 0);
    end(&s);
}

TEST(watch_reads_the_rest_of_a_file_that_was_compressed_while_it_was_down) {
    for (int time = 0; time < 4; time++) {
        int in_address = time % 2, is_renamed = time / 2;
        struct sim_world s;
        begin(&s, &wr_source_watch, in_address ? "in/*" : "in/*.csv");
        put(&s, "in/a.csv", "x\n1\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1");
        struct wr_buf saved;
        save(&s, &saved);
        append(&s, "in/a.csv", "2\n3\n");
        CHECK_STR(come(&s, SECOND), "2 3");
        put_gzip(&s, is_renamed ? "in/a.csv-20270101.gz" : "in/a.csv.gz", "x\n1\n2\n3\n", 0);
        drop(&s, "in/a.csv");
        put(&s, "in/a.csv", "x\n4\n5\n6\n7\n");
        restart_from(&s, &saved);
        CHECK_STR(come(&s, 3 * SECOND), "4 5 6 7 2 3");
        restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "");
        CHECK_INT(s.w.notes.length, ==, 0);
        wr_buf_release(&saved);
        end(&s);
    }
}

TEST(watch_reads_what_was_rotated_twice_while_it_was_down) {
    for (int is_empty = 0; is_empty < 2; is_empty++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/*.csv");
        put(&s, "in/a.csv", is_empty ? "" : "x\n1\n");
        put(&s, "in/a.csv.9", "x\n90\n"); /* it does not have the address */
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), is_empty ? "" : "1");
        move(&s, "in/a.csv", "in/a.csv.2");
        append(&s, "in/a.csv.2", is_empty ? "x\n2\n" : "2\n");
        wr_sim_advance(s.sim, SECOND);
        put(&s, "in/a.csv", "x\n3\n");
        move(&s, "in/a.csv", "in/a.csv.1");
        wr_sim_advance(s.sim, SECOND);
        put(&s, "in/a.csv", "x\n4\n");
        restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "4 3 2");
        restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "");
        CHECK_INT(s.w.notes.length, ==, 0);
        end(&s);
    }
}

/* The same names and bytes, other numbers: as after `cp -a`. */
static void put_again(struct sim_world *s, const char *path, const char *text) {
    drop(s, path);
    put(s, "whole.tmp", text);
    move(s, "whole.tmp", path);
}

TEST(watch_knows_the_files_of_a_job_that_was_copied) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/a", "x\n1\n");
    put(&s, "in/b", "x\n2\n");
    put(&s, "in/c", "x\n3\n");
    put(&s, "in/d", "");
    put_gzip(&s, "in/e.gz", "x\n4\n", 0);
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1 2 3 4");
    struct wr_buf saved;
    save(&s, &saved);
    drop(&s, "in/d");
    put_again(&s, "in/a", "x\n1\n");
    put_again(&s, "in/b", "x\n2\n5\n"); /* it has grown since */
    put_again(&s, "in/c", "x\n6\n");    /* something else */
    drop(&s, "in/e.gz");
    put_gzip(&s, "whole.tmp", "x\n4\n", 0);
    move(&s, "whole.tmp", "in/e.gz");
    put(&s, "in/d", "x\n7\n");
    restart_from(&s, &saved);
    CHECK_STR(come(&s, SECOND), "5 6 7");
    CHECK_CONTAINS(s.w.notes.bytes,
                   "another file has its name: it was read up to byte 4 and has 4 now");
    CHECK(strchr(s.w.notes.bytes, '\n') == s.w.notes.bytes + s.w.notes.length - 1); /* one */
    restart(&s);
    CHECK_STR(come(&s, SECOND), "");
    wr_buf_release(&saved);
    end(&s);
}

TEST(watch_takes_a_file_that_is_written_again_with_the_same_rows_for_the_same) {
    struct sim_world s;
    begin(&s, &wr_source_watch, "in/");
    put(&s, "in/a", "x\n1\n2\n");
    open_at(&s, NULL);
    CHECK_STR(come(&s, SECOND), "1 2");
    put(&s, "whole.tmp", "x\n1\n2\n3\n"); /* as rsync does */
    move(&s, "whole.tmp", "in/a");
    CHECK_STR(come(&s, 3 * SECOND), "3");
    CHECK_INT(s.w.notes.length, ==, 0);
    end(&s);
}

/* All that can happen to files while nothing runs. */
static void change_everything(struct sim_world *s) {
    append(s, "in/a.csv", "2\n");
    move(s, "in/a.csv", "in/a.csv.2");
    wr_sim_advance(s->sim, SECOND);
    put(s, "in/a.csv.1", "x\n3\n");
    wr_sim_advance(s->sim, SECOND);
    put(s, "in/a.csv", "x\n4\n");
    put_gzip(s, "in/b.csv.1.gz", "x\n5\n6\n", 0); /* 5 was read */
    drop(s, "in/b.csv");
    put_again(s, "in/c.csv", "x\n7\n8\n"); /* 7 was read */
}

TEST(watch_does_not_take_a_call_that_fails_for_a_file_that_is_not_there) {
    uint64_t failed = 0;
    for (uint64_t n = 0; n < 400; n++) {
        struct sim_world s;
        struct wr_buf rows, saved;
        int in_open = n % 2 == 0, is_announced = n / 2 % 2 == 0;
        begin(&s, &wr_source_watch, "in/*.csv");
        put(&s, "in/a.csv", "x\n1\n");
        put(&s, "in/b.csv", "x\n5\n");
        put(&s, "in/c.csv", "x\n7\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1 5 7");
        s.source->has_state = 1;
        if (is_announced) { /* a task waits */
            append(&s, "in/b.csv", "6\n");
            CHECK_STR(come(&s, SECOND), "");
        }
        save(&s, &saved);
        close_source(s.source);
        change_everything(&s);
        wr_buf_init(&rows, &s.w.budget, 0);
        wr_sim_fail_at(s.sim, in_open ? WR_SIM_EIO : WR_SIM_NONE, 1 + n / 4, 0);
        struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
        s.source = open_source(&s.w, s.type, &s.bind, 100, &from);
        failed += s.source == NULL;
        from.at = 0;
        if (s.source == NULL)
            open_at(&s, &from);
        if (!in_open)
            wr_sim_fail_at(s.sim, WR_SIM_EIO, 1 + n / 4, 0);
        add_until_it_fails(&s, &rows);
        wr_sim_fail_at(s.sim, WR_SIM_NONE, 1, 0);
        restart(&s);
        add_until_it_fails(&s, &rows);
        wr_buf_add_char(&rows, 0);
        CHECK_STR(rows.bytes, is_announced ? "6 4 3 2 8 " : "4 3 2 6 8 ");
        CHECK_INT(s.w.notes.length, ==, 0);
        wr_buf_release(&rows);
        wr_buf_release(&saved);
        end(&s);
    }
    CHECK_INT(failed, >, 10);
}

TEST(watch_does_not_take_a_file_with_the_number_of_an_empty_one_for_it) {
    for (int hides_birth = 0; hides_birth < 2; hides_birth++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/*.csv");
        wr_sim_reuse_numbers(s.sim, hides_birth);
        put(&s, "in/a.csv", "");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "");
        struct wr_buf saved;
        save(&s, &saved);
        close_source(s.source);
        append(&s, "in/a.csv", "x\n1\n");
        move(&s, "in/a.csv", "in/a.csv.2");
        wr_sim_advance(s.sim, SECOND);
        put(&s, "in/a.csv", "x\n2\n");
        move(&s, "in/a.csv", "in/a.csv.1");
        wr_sim_advance(s.sim, SECOND);
        put_gzip(&s, "in/a.csv.2.gz", "x\n1\n", 0);
        CHECK_INT(s.w.env->remove_for_good(s.w.env, "in/a.csv.2", NULL), ==, WR_OK);
        wr_sim_advance(s.sim, SECOND);
        put(&s, "in/a.csv", "x\n3\n");
        struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
        open_at(&s, &from);
        CHECK_STR(come(&s, 3 * SECOND), "3 2 1");
        CHECK_INT(s.w.notes.length, ==, 0);
        restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "");
        wr_buf_release(&saved);
        end(&s);
    }
}

/* A file of which more was read than its head: a place in it is found by calls of its own. */
static const char *put_long(struct sim_world *s, const char *path) {
    struct wr_buf text;
    wr_buf_init(&text, &s->w.budget, 0);
    wr_buf_add_text(&text, "x\n");
    for (int i = 0; i < 4000; i++)
        wr_buf_addf(&text, "%d\n", 1000 + i);
    put_bytes(s, path, text.bytes, text.length);
    const char *copy = wr_arena_strndup(&s->w.arena, text.bytes, text.length);
    wr_buf_release(&text);
    return copy;
}

TEST(watch_does_not_take_a_call_that_fails_for_another_content) {
    for (uint64_t n = 0; n < 96; n++) {
        struct sim_world s;
        struct wr_buf rows;
        int ends_open = n % 2 == 1;
        begin(&s, &wr_source_watch, "in/");
        put_long(&s, "in/a");
        open_at(&s, NULL);
        append(&s, "in/a", ends_open ? "7" : "7\n");
        CHECK_CONTAINS(come(&s, 12 * SECOND), "4998 4999 7");
        append(&s, "in/a", ends_open ? "\n8\n" : "8\n");
        wr_buf_init(&rows, &s.w.budget, 0);
        wr_sim_fail_at(s.sim, WR_SIM_EIO, 1 + n / 2, 0);
        add_until_it_fails(&s, &rows);
        wr_sim_fail_at(s.sim, WR_SIM_NONE, 1, 0);
        restart(&s);
        add_until_it_fails(&s, &rows);
        wr_buf_add_char(&rows, 0);
        CHECK_STR(rows.bytes, "8 ");
        CHECK_INT(s.w.notes.length, ==, 0);
        CHECK_INT(s.w.rejects.length, ==, 0);
        wr_buf_release(&rows);
        end(&s);
    }
}

TEST(watch_reads_what_came_and_was_rotated_while_no_file_had_the_name) {
    for (int dies = 0; dies < 2; dies++) {
        struct sim_world s;
        begin(&s, &wr_source_watch, "in/*.csv");
        put(&s, "in/a.csv-20251231", "x\n90\n"); /* it has the same time */
        put(&s, "in/a.csv", "x\n1\n");
        open_at(&s, NULL);
        CHECK_STR(come(&s, SECOND), "1");
        move(&s, "in/a.csv", "in/a.csv-20260101"); /* who writes it is not there */
        CHECK_STR(come(&s, (dies ? 60 : 3) * SECOND), "");
        put(&s, "in/a.csv", "x\n2\n");
        move(&s, "in/a.csv", "in/a.csv-20260102");
        put(&s, "in/a.csv", "x\n3\n");
        if (dies)
            restart(&s);
        CHECK_STR(come(&s, 3 * SECOND), "3 2");
        CHECK_STR(come(&s, 30 * SECOND), "");
        CHECK_INT(s.w.notes.length, ==, 0);
        end(&s);
    }
}
