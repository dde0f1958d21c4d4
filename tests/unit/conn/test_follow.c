/* Files that grow and directories that fill, by the clock and the disk of a simulated world. */
#include "base/env_sim.h"
#include "support_conn.h"

struct sim_world {
    struct world w;
    struct wr_sim *sim;
    struct wr_buf rows;
    struct wr_endpoint_bind bind;
    struct wr_source *source;
    const struct wr_source_type *type;
};

static void begin(struct sim_world *s, const struct wr_source_type *type, const char *address) {
    world_begin(&s->w);
    s->sim = wr_sim_new(test_seed());
    CHECK(s->sim != NULL);
    s->w.env = wr_sim_env(s->sim);
    s->type = type;
    wr_buf_init(&s->rows, &s->w.budget, 0);
    struct wr_value *spec = value_of_json(&s->w,
                                          "{'endpoint':{'kind':'%s','address':'%s'},'format':'csv',"
                                          "'schema':[{'name':'x','type':'int64'}]}",
                                          type->name, address);
    CHECK_INT(bind_source(&s->w, type, spec, &s->bind), ==, WR_OK);
    CHECK(!s->bind.bounded);
    s->source = NULL;
}

static void open_at(struct sim_world *s, struct wr_reader *from) {
    s->source = open_source(&s->w, s->type, &s->bind, 100, from);
    CHECK(s->source != NULL);
}

static void end(struct sim_world *s) {
    close_source(s->source);
    wr_buf_release(&s->rows);
    wr_sim_free(s->sim);
    s->w.env = wr_env_real();
    world_end(&s->w);
}

static void put(struct sim_world *s, const char *path, const char *text) {
    CHECK_INT(wr_sim_put(s->sim, path, text, strlen(text)), ==, WR_OK);
}

static void append(struct sim_world *s, const char *path, const char *text) {
    struct wr_file *file;
    CHECK_INT(s->w.env->open(s->w.env, path, WR_FILE_APPEND, &file, NULL), ==, WR_OK);
    CHECK_INT(s->w.env->write(file, text, strlen(text), NULL), ==, WR_OK);
    s->w.env->close(file);
}

static void move(struct sim_world *s, const char *from, const char *to) {
    CHECK_INT(s->w.env->rename(s->w.env, from, to, NULL), ==, WR_OK);
}

/* What comes within `us`, as "1 2 3". */
static const char *come(struct sim_world *s, int64_t us) {
    wr_buf_clear(&s->rows);
    int64_t until_us = s->w.env->monotonic_us(s->w.env) + us;
    int status = WR_OK;
    while (status == WR_OK || s->w.env->monotonic_us(s->w.env) < until_us) {
        struct wr_batch *batch = NULL;
        status = s->source->type->poll(s->source, &batch, &s->w.err);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        for (uint32_t i = 0; batch != NULL && i < batch->sel_count; i++) {
            char text[32];
            const int64_t *x = batch->columns[0].data;
            snprintf(text, sizeof text, "%s%lld", s->rows.length > 0 ? " " : "",
                     (long long)x[wr_batch_row(batch, i)]);
            wr_buf_add_text(&s->rows, text);
        }
        wr_batch_unref(batch);
        if (status == WR_EAGAIN)
            s->w.env->sleep(s->w.env, 10000);
    }
    wr_buf_add_char(&s->rows, 0);
    return s->rows.bytes;
}

/* Stops, and goes on from the position. */
static void restart(struct sim_world *s) {
    struct wr_buf saved;
    wr_buf_init(&saved, &s->w.budget, 0);
    CHECK_INT(s->source->type->save_position(s->source, &saved), ==, WR_OK);
    close_source(s->source);
    struct wr_reader from = {.bytes = saved.bytes, .length = saved.length};
    open_at(s, &from);
    wr_buf_release(&saved);
}

#define SECOND INT64_C(1000000)

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
    CHECK_INT(s.w.env->remove(s.w.env, "in/a.csv", NULL), ==, WR_OK);
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

/* Adds what comes until a call fails, or for five seconds. */
static void add_until_it_fails(struct sim_world *s, struct wr_buf *rows) {
    int64_t until_us = s->w.env->monotonic_us(s->w.env) + 5 * SECOND;
    int status = WR_OK;
    while (status == WR_OK ||
           (status == WR_EAGAIN && s->w.env->monotonic_us(s->w.env) < until_us)) {
        struct wr_batch *batch = NULL;
        status = s->source->type->poll(s->source, &batch, &s->w.err);
        for (uint32_t i = 0; batch != NULL && i < batch->sel_count; i++) {
            const int64_t *x = batch->columns[0].data;
            wr_buf_addf(rows, "%lld ", (long long)x[wr_batch_row(batch, i)]);
        }
        wr_batch_unref(batch);
        if (status == WR_EAGAIN)
            s->w.env->sleep(s->w.env, 100000);
    }
    CHECK(status == WR_EAGAIN || status == WR_EIO);
}

/* Stops, and goes on from the position, at the second time where the first one fails. */
static void restart_twice(struct sim_world *s, uint64_t nth) {
    struct wr_buf saved;
    wr_buf_init(&saved, &s->w.budget, 0);
    CHECK_INT(s->source->type->save_position(s->source, &saved), ==, WR_OK);
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
