/* test_partition_sink.c: directories by values: names, files that are complete, restarts at the
 * places where a process may end, a full disk. */
#include "support_conn.h"

#include "conn/partition.h"
#include "state/store.h"

#define SCHEMA "k string,id int64"

static struct wr_value *partition_spec(struct world *w, const char *more) {
    return value_of_json(w,
                         "{'endpoint':{'kind':'partitions','address':'%s','options':{%s}},"
                         "'partition_by':['k'],'format':'csv'}",
                         w->folder, more);
}

static struct wr_sink *sink_of(struct world *w, const char *more, struct wr_reader *from) {
    struct wr_endpoint_bind *bind = wr_arena_alloc_zero(&w->arena, sizeof *bind);
    CHECK_INT(bind_sink(w, &wr_sink_partitions, partition_spec(w, more), schema_of(w, SCHEMA), NULL,
                        bind),
              ==, WR_OK);
    return open_sink(w, &wr_sink_partitions, bind, from);
}

/* Rows of one batch, whose times are their ids in seconds, in time order. */
static int put_rows(struct world *w, struct wr_sink *sink, const char *csv) {
    struct wr_batch *batch = batch_of(w, schema_of(w, SCHEMA), csv);
    int64_t *times = wr_arena_alloc_zero(&batch->arena, batch->row_count * sizeof *times);
    CHECK(times != NULL);
    for (uint32_t i = 0; i < batch->row_count; i++)
        times[i] = WR_I64(&batch->columns[1])[i] * 1000000;
    batch->event_time = times;
    int status = wr_sink_partitions.write(sink, batch, &w->err);
    wr_batch_unref(batch);
    return status;
}

/* A checkpoint up to the moment when the state has been written. */
static void save(struct world *w, struct wr_sink *sink, struct wr_buf *saved) {
    CHECK_INT(wr_sink_partitions.prepare(sink, 1, &w->err), ==, WR_OK);
    wr_buf_clear(saved);
    CHECK_INT(wr_sink_partitions.save(sink, saved), ==, WR_OK);
}

/* A state of a run. Checkpoints are not put into it: it stays at number 0. */
static void open_state(struct world *w) {
    CHECK_INT(wr_store_open(&w->store, w->env, in_folder(w, ".state"), "plan", &w->err), ==, WR_OK);
}

/* Another life. */
static struct wr_sink *again(struct world *w, const char *more, struct wr_buf *saved,
                             struct wr_sink *sink) {
    close_sink(sink);
    wr_store_close(w->store);
    open_state(w);
    wr_buf_clear(&w->notes);
    struct wr_reader from = {.bytes = saved->bytes, .length = saved->length};
    sink = sink_of(w, more, &from);
    if (sink != NULL) /* it is cut when an epoch begins */
        CHECK_INT(wr_sink_partitions.begin(sink, 9, &w->err), ==, WR_OK);
    return sink;
}

static void finish(struct world *w, struct wr_sink *sink) {
    CHECK_INT(wr_sink_partitions.finish(sink, &w->err), ==, WR_OK);
    close_sink(sink);
}

static struct wr_sink *begin(struct world *w, struct wr_buf *saved, const char *more) {
    world_begin(w);
    wr_buf_init(saved, &w->budget, 0);
    open_state(w);
    return sink_of(w, more, NULL);
}

static void end(struct world *w, struct wr_buf *saved) {
    wr_buf_release(saved);
    wr_store_close(w->store);
    world_end(w);
}

static const char *text_of(struct world *w, const char *name) {
    const char *text = file_text(w, in_folder(w, name), NULL);
    return text == NULL ? "none" : text;
}

TEST(partition_sink_names_a_file_when_the_state_knows_that_it_is_complete) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "'roll':{'quiet':10000000},'success':true");
    CHECK_INT(put_rows(&w, sink, "a,1\nb,2\na,3"), ==, WR_OK);
    CHECK_INT(wr_sink_partitions.advance(sink, 12999999, &w.err), ==, WR_OK);
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.commit(sink, 1, &w.err), ==, WR_OK);
    CHECK_STR(text_of(&w, "k=b/part-00000.csv"), "id\n2\n");
    CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "none");
    CHECK_INT(wr_sink_partitions.advance(sink, 13000000, &w.err), ==, WR_OK);
    CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "none");
    CHECK_STR(text_of(&w, "k=a/_SUCCESS"), "none");
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.commit(sink, 2, &w.err), ==, WR_OK);
    CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "id\n1\n3\n");
    CHECK_STR(text_of(&w, "k=a/_SUCCESS"), "");
    finish(&w, sink);
    end(&w, &saved);
}

TEST(partition_sink_goes_on_when_it_died_between_the_state_and_the_names) {
    for (int named = 0; named < 2; named++) {
        struct world w;
        struct wr_buf saved;
        struct wr_sink *sink = begin(&w, &saved, "'roll':{'quiet':10000000}");
        CHECK_INT(put_rows(&w, sink, "a,1\nb,2\nb,30"), ==, WR_OK); /* b has a second file */
        CHECK_INT(wr_sink_partitions.advance(sink, 30000000, &w.err), ==, WR_OK);
        save(&w, sink, &saved);
        if (named)
            CHECK_INT(wr_sink_partitions.commit(sink, 1, &w.err), ==, WR_OK);
        CHECK_INT(put_rows(&w, sink, "a,31\nb,32\nc,33"), ==, WR_OK); /* lost */
        CHECK_INT(wr_sink_partitions.prepare(sink, 2, &w.err), ==, WR_OK);
        sink = again(&w, "'roll':{'quiet':10000000}", &saved, sink);
        CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "id\n1\n");
        CHECK_STR(text_of(&w, "k=b/part-00000.csv"), "id\n2\n");
        CHECK_INT(put_rows(&w, sink, "b,34"), ==, WR_OK);
        finish(&w, sink);
        CHECK_STR(text_of(&w, "k=b/part-00001.csv"), "id\n30\n34\n");
        CHECK_STR(text_of(&w, "k=a/part-00001.csv"), "none");
        CHECK_STR(text_of(&w, "k=c/part-00000.csv"), "none");
        end(&w, &saved);
    }
}

TEST(partition_sink_begins_other_files_behind_what_was_complete) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "");
    CHECK_INT(put_rows(&w, sink, "a,1\nb,2"), ==, WR_OK);
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.finish(sink, &w.err), ==, WR_OK);
    w.is_complete = w.gets_more = 1;
    sink = again(&w, "", &saved, sink);
    save(&w, sink, &saved);
    CHECK_INT(put_rows(&w, sink, "a,3"), ==, WR_OK);
    CHECK_INT(wr_sink_partitions.sync(sink, 1, &w.err), ==, WR_OK);
    w.is_complete = 0; /* the next life has heard that it goes on */
    sink = again(&w, "", &saved, sink);
    CHECK_INT(put_rows(&w, sink, "a,3\nc,4"), ==, WR_OK);
    finish(&w, sink);
    CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "id\n1\n");
    CHECK_STR(text_of(&w, "k=a/part-00001.csv"), "id\n3\n");
    CHECK_STR(text_of(&w, "k=b/part-00000.csv"), "id\n2\n");
    CHECK_STR(text_of(&w, "k=b/part-00001.csv"), "none");
    CHECK_STR(text_of(&w, "k=c/part-00000.csv"), "id\n4\n");
    end(&w, &saved);
}

TEST(partition_sink_knows_that_it_was_complete) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "");
    CHECK_INT(put_rows(&w, sink, "a,1\nb,2"), ==, WR_OK);
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.finish(sink, &w.err), ==, WR_OK);
    w.is_complete = 1;
    sink = again(&w, "", &saved, sink); /* the state had no time to hear of it */
    CHECK_INT(put_rows(&w, sink, "a,3"), ==, WR_ECORRUPT);
    CHECK_CONTAINS(w.err.text, "k=a/part-00000.csv` was complete already, and more rows come");
    CHECK_CONTAINS(w.err.help, "rename it to");
    CHECK_CONTAINS(w.err.help, "k=a/.part-00000.csv.");
    finish(&w, sink);
    CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "id\n1\n");
    end(&w, &saved);
}

/* Old files are removed and the new one gets its name: a power cut may keep the second alone. */
TEST(partition_sink_removes_again_what_comes_back_behind_its_name) {
    for (int way = 0; way < 3; way++) {
        int rolls = way > 0, is_complete = way != 1; /* the state has not heard of it */
        const char *more = rolls ? "'roll':{'quiet':10000000}" : "";
        struct world w;
        struct wr_buf saved;
        struct wr_sink *sink = begin(&w, &saved, more);
        CHECK_INT(put_rows(&w, sink, rolls ? "a,1\nb,2\nb,30" : "a,1\nb,2"), ==, WR_OK);
        if (rolls)
            CHECK_INT(wr_sink_partitions.advance(sink, 30000000, &w.err), ==, WR_OK);
        save(&w, sink, &saved);
        CHECK_INT((is_complete ? wr_sink_partitions.finish(sink, &w.err)
                               : wr_sink_partitions.commit(sink, 1, &w.err)),
                  ==, WR_OK);
        put_file(in_folder(&w, "k=b/part-00002.csv"), "old", 3);
        put_file(in_folder(&w, "k=b/part-00000-a.csv"), "old", 3);
        put_file(in_folder(&w, "k=b/part-x.csv"), "old", 3);
        w.is_complete = is_complete;
        sink = again(&w, more, &saved, sink);
        finish(&w, sink);
        CHECK_STR(text_of(&w, "k=b/part-00002.csv"), "none");
        CHECK_STR(text_of(&w, "k=b/part-00000-a.csv"), "none");
        CHECK_STR(text_of(&w, "k=b/part-x.csv"), "none");
        CHECK_STR(text_of(&w, "k=a/part-00000.csv"), "id\n1\n");
        CHECK_STR(text_of(&w, "k=b/part-00000.csv"), "id\n2\n");
        CHECK_STR(text_of(&w, "k=b/part-00001.csv"), rolls ? "id\n30\n" : "none");
        end(&w, &saved);
    }
}

TEST(partition_sink_misses_files_that_are_gone) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "");
    CHECK_INT(put_rows(&w, sink, "a,1\nb,2"), ==, WR_OK);
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.finish(sink, &w.err), ==, WR_OK);
    remove(in_folder(&w, "k=b/part-00000.csv"));
    remove(in_folder(&w, ".state/NAMED"));
    CHECK(again(&w, "", &saved, sink) == NULL);
    CHECK_CONTAINS(w.err.text, "the state goes on behind 5 bytes of");
    end(&w, &saved);
}

TEST(partition_sink_does_not_take_a_file_of_before_for_its_own) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "");
    CHECK_INT(put_rows(&w, sink, "b,2\nb,30"), ==, WR_OK);
    save(&w, sink, &saved);
    CHECK_INT(wr_sink_partitions.finish(sink, &w.err), ==, WR_OK);
    remove(in_folder(&w, ".state/NAMED"));
    put_text(in_folder(&w, "k=b/part-00000.csv"), "id\n2\n");
    CHECK(again(&w, "", &saved, sink) == NULL);
    CHECK_CONTAINS(w.err.text, "the state goes on behind 8 bytes of");
    end(&w, &saved);
}

static const char *notes_of(struct world *w) {
    return wr_buf_add_char(&w->notes, 0) == WR_OK ? w->notes.bytes : "";
}

TEST(partition_sink_goes_on_behind_files_that_a_reader_has_taken) {
    const char *more = "'roll':{'rows':2},'success':true";
    for (int way = 0; way < 3; way++) { /* the last way: with their directories */
        struct world w;
        struct wr_buf saved;
        struct wr_sink *sink = begin(&w, &saved, more);
        CHECK_INT(put_rows(&w, sink, "a,1\na,2\na,3\nb,4"), ==, WR_OK);
        save(&w, sink, &saved);
        CHECK_INT((way == 0 ? wr_sink_partitions.commit(sink, 1, &w.err)
                            : wr_sink_partitions.finish(sink, &w.err)),
                  ==, WR_OK);
        CHECK_INT(remove(in_folder(&w, "k=a/part-0000000000.csv")), ==, 0);
        if (way > 0) {
            CHECK_INT(remove(in_folder(&w, "k=a/part-0000000001.csv")), ==, 0);
            CHECK_INT(remove(in_folder(&w, "k=b/part-0000000000.csv")), ==, 0);
        }
        if (way == 2) {
            CHECK_INT(remove(in_folder(&w, "k=b/_SUCCESS")), ==, 0);
            CHECK_INT(remove(in_folder(&w, "k=b")), ==, 0);
        }
        sink = again(&w, more, &saved, sink);
        CHECK(sink != NULL);
        CHECK_CONTAINS(notes_of(&w),
                       way == 0 ? "1 file that got its name behind" : "3 files that got");
        save(&w, sink, &saved);
        CHECK_INT(wr_sink_partitions.commit(sink, 2, &w.err), ==, WR_OK);
        sink = again(&w, more, &saved, sink); /* the state knows it now */
        CHECK(sink != NULL);
        CHECK_STR(notes_of(&w), "");
        finish(&w, sink);
        CHECK_STR(text_of(&w, "k=a/part-0000000000.csv"), "none");
        CHECK_STR(text_of(&w, "k=a/part-0000000001.csv"), way == 0 ? "id\n3\n" : "none");
        CHECK_STR(text_of(&w, "k=b/part-0000000000.csv"), way == 0 ? "id\n4\n" : "none");
        end(&w, &saved);
    }
}

TEST(partition_sink_tells_of_complete_files_that_are_lost) {
    const char *more = "'roll':{'rows':2}";
    for (int way = 0; way < 2; way++) { /* the names were not given; or nobody says so */
        struct world w;
        struct wr_buf saved;
        char name[64];
        struct wr_sink *sink = begin(&w, &saved, more);
        CHECK_INT(put_rows(&w, sink, "a,1\na,2\na,3\na,4\na,5\nb,6"), ==, WR_OK);
        save(&w, sink, &saved);
        if (way == 1)
            CHECK_INT(wr_sink_partitions.commit(sink, 1, &w.err), ==, WR_OK);
        uint32_t token = ((struct partition_sink *)sink)->token;
        for (int part = 0; part < 2; part++) {
            snprintf(name, sizeof name,
                     way == 0 ? "k=a/.part-000000000%d.csv.%08x.part" : "k=a/part-000000000%d.csv",
                     part, token);
            CHECK_INT(remove(in_folder(&w, name)), ==, 0);
        }
        if (way == 1)
            CHECK_INT(remove(in_folder(&w, ".state/NAMED")), ==, 0);
        sink = again(&w, more, &saved, sink);
        CHECK(sink != NULL);
        CHECK_CONTAINS(notes_of(&w), "W625 ");
        CHECK_CONTAINS(notes_of(&w), ": 2 complete files with 4 rows are gone (the first is `");
        CHECK_CONTAINS(notes_of(&w), "k=a/.part-0000000000.csv.");
        CHECK(strstr(notes_of(&w), "taken") == NULL);
        finish(&w, sink);
        CHECK_STR(text_of(&w, "k=a/part-0000000002.csv"), "id\n5\n");
        CHECK_STR(text_of(&w, "k=b/part-0000000000.csv"), "id\n6\n");
        end(&w, &saved);
    }
}

/* While it runs nobody takes what has no name yet. */
TEST(partition_sink_fails_where_a_file_goes_before_it_has_its_name) {
    struct world w;
    struct wr_buf saved;
    char name[64];
    struct wr_sink *sink = begin(&w, &saved, "'roll':{'rows':2}");
    CHECK_INT(put_rows(&w, sink, "a,1\na,2\na,3"), ==, WR_OK);
    save(&w, sink, &saved);
    snprintf(name, sizeof name, "k=a/.part-0000000000.csv.%08x.part",
             ((struct partition_sink *)sink)->token);
    CHECK_INT(remove(in_folder(&w, name)), ==, 0);
    CHECK_INT(wr_sink_partitions.commit(sink, 1, &w.err), ==, WR_ECORRUPT);
    CHECK_CONTAINS(w.err.text, ".part` is not there");
    close_sink(sink);
    end(&w, &saved);
}

TEST(partition_sink_refuses_a_damaged_state) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "'roll':{'quiet':1000000}");
    CHECK_INT(put_rows(&w, sink, "a,1\nb,2\na,30"), ==, WR_OK);
    save(&w, sink, &saved);
    close_sink(sink);
    for (size_t length = 0; length < saved.length; length++) {
        struct wr_reader from = {.bytes = saved.bytes, .length = length};
        CHECK(sink_of(&w, "'roll':{'quiet':1000000}", &from) == NULL);
        CHECK_INT(w.err.status, ==, WR_ECORRUPT);
    }
    end(&w, &saved);
}

/* More directories than files may be open, rows of all in turn. */
TEST(partition_sink_opens_files_again) {
    struct world w;
    struct wr_buf saved;
    struct wr_sink *sink = begin(&w, &saved, "'compression':'gzip'");
    char row[32];
    for (int i = 0; i < 120; i++) {
        snprintf(row, sizeof row, "d%d,%d", i % 40, i);
        CHECK_INT(put_rows(&w, sink, row), ==, WR_OK);
    }
    finish(&w, sink);
    CHECK_INT(file_count(&w), ==, 41); /* the state is one */
    size_t length;
    CHECK(file_text(&w, in_folder(&w, "k=d39/part-00000.csv.gz"), &length) != NULL);
    end(&w, &saved);
}

TEST(partition_sink_tells_of_a_full_disk) {
    struct world w;
    world_begin(&w);
    struct odd_env odd;
    odd_env_init(&odd, &w);
    for (odd.full_at = 1; odd.full_at < 12; odd.full_at++) {
        odd.written = 0;
        struct wr_sink *sink = sink_of(&w, "", NULL);
        int status = put_rows(&w, sink, "a,1\nb,222");
        if (status == WR_OK)
            status = wr_sink_partitions.finish(sink, &w.err);
        CHECK_INT(status, ==, WR_EIO);
        close_sink(sink);
    }
    world_end(&w);
}

/* ---- very many ----------------------------------------------------------------------------- */

static uint32_t known(const struct wr_sink *sink) {
    return ((const struct partition_sink *)sink)->count;
}

/* A row for each partition from `first` on, a file each. */
static void put_many(struct world *w, struct wr_sink *sink, int first, int count) {
    for (int i = first; i < first + count; i += 50) {
        char csv[50 * 16];
        size_t length = 0;
        for (int k = i; k < i + 50; k++)
            length += (size_t)snprintf(csv + length, sizeof csv - length, "%d,%d\n", k, k);
        CHECK_INT(put_rows(w, sink, csv), ==, WR_OK);
    }
}

/* A whole checkpoint, of which `saved` keeps all pieces; how long the new one is. */
static size_t checkpoint(struct world *w, struct wr_sink *sink, int all, struct wr_buf *saved) {
    size_t before = all ? 0 : saved->length;
    sink->saves_all = (uint8_t)all;
    CHECK_INT(wr_sink_partitions.prepare(sink, wr_store_number(w->store) + 1, &w->err), ==, WR_OK);
    if (all)
        wr_buf_clear(saved);
    CHECK_INT(wr_sink_partitions.save(sink, saved), ==, WR_OK);
    CHECK_INT(wr_store_begin(w->store, &w->err), ==, WR_OK);
    CHECK_INT(wr_store_commit(w->store, &w->err), ==, WR_OK);
    CHECK_INT(wr_sink_partitions.commit(sink, wr_store_number(w->store), &w->err), ==, WR_OK);
    return saved->length - before;
}

/* Not the real env, so few are many; and nothing waits for the disk. */
static struct wr_env quick;

static int sync_nothing(struct wr_filesystem *filesystem, struct wr_error *err) {
    (void)filesystem, (void)err;
    return WR_OK;
}

static void begin_quick(struct world *w) {
    world_begin(w);
    quick = *wr_env_real();
    quick.sync_filesystem = sync_nothing;
    w->env = &quick;
}

TEST(partition_sink_forgets_those_at_rest_and_goes_on_behind_their_numbers) {
    struct world w;
    struct wr_buf saved;
    const char *more = "'roll':{'rows':1}";
    begin_quick(&w);
    wr_buf_init(&saved, &w.budget, 0);
    open_state(&w);
    struct wr_sink *sink = sink_of(&w, more, NULL);
    put_many(&w, sink, 0, 100);
    CHECK_INT(known(sink), ==, 100); /* they wait for their names */
    size_t first = checkpoint(&w, sink, 1, &saved);
    for (int at = 100; at < 1000; at += 100) {
        put_many(&w, sink, at, 100);
        CHECK_INT(checkpoint(&w, sink, 0, &saved), <, 2 * first);
        CHECK_INT(known(sink), <=, 150);
    }
    CHECK_INT(remove(in_folder(&w, "k=7/part-0000000000.csv")), ==, 0); /* a reader has taken it */
    for (int life = 0; life < 2; life++) { /* of the first one no checkpoint knows */
        sink = again(&w, more, &saved, sink);
        if (sink == NULL)
            test_fail(__FILE__, __LINE__, "%s", error_text(&w));
        CHECK_INT(known(sink), <=, 150);
        CHECK_INT(put_rows(&w, sink, "7,8007\n999,8008\n9999,8009\n"), ==, WR_OK);
    }
    checkpoint(&w, sink, 0, &saved);
    CHECK_STR(text_of(&w, "k=7/part-0000000000.csv"), "none");
    CHECK_STR(text_of(&w, "k=7/part-0000000001.csv"), "id\n8007\n");
    CHECK_STR(text_of(&w, "k=999/part-0000000000.csv"), "id\n999\n");
    CHECK_STR(text_of(&w, "k=999/part-0000000001.csv"), "id\n8008\n");
    CHECK_STR(text_of(&w, "k=9999/part-0000000000.csv"), "id\n8009\n");
    sink = again(&w, more, &saved, sink);
    checkpoint(&w, sink, 1, &saved); /* all in one piece */
    sink = again(&w, more, &saved, sink);
    CHECK_INT(put_rows(&w, sink, "7,9007\n"), ==, WR_OK);
    finish(&w, sink);
    CHECK_STR(text_of(&w, "k=7/part-0000000002.csv"), "id\n9007\n");
    end(&w, &saved);
}

TEST(partition_sink_forgets_without_a_state_too) {
    struct world w;
    begin_quick(&w);
    struct wr_sink *sink = sink_of(&w, "'roll':{'rows':1}", NULL);
    put_many(&w, sink, 0, 3000);
    CHECK_INT(known(sink), <=, 150);
    CHECK_INT(remove(in_folder(&w, "k=7/part-0000000000.csv")), ==, 0);
    CHECK_INT(put_rows(&w, sink, "7,8007\n2999,8008\n"), ==, WR_OK);
    finish(&w, sink);
    CHECK_STR(text_of(&w, "k=7/part-0000000000.csv"), "none");
    CHECK_STR(text_of(&w, "k=7/part-0000000001.csv"), "id\n8007\n");
    CHECK_STR(text_of(&w, "k=2999/part-0000000001.csv"), "id\n8008\n");
    world_end(&w);
}
