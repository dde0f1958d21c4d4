/* test_generate_source.c: rows computed from `i`, their pace by the clock, their end, their
 * positions. */
#include "support_conn.h"

#define I "{'k':'name','name':'i','from':1,'to':1}"
#define NUMBER(n) "{'k':'lit','type':'int64','v':" n ",'from':1,'to':1}"
#define BINARY(op, a, b) "{'k':'bin','op':'" op "','a':" a ",'b':" b ",'from':1,'to':1,'at':1}"
#define ITEM(name, expr) "{'name':'" name "','expr':" expr ",'from':1,'to':1}"

static struct wr_value *spec(struct world *w, const char *columns, const char *options) {
    return value_of_json(w, "{'endpoint':{'kind':'generate','columns':[%s],'options':{%s}}}",
                         columns, options);
}

static const char columns[] = ITEM("id", I) "," ITEM("half", BINARY("//", I, NUMBER("2"))) "," ITEM(
    "left", BINARY("-", NUMBER("10"), "{'k':'name','name':'half','from':1,'to':1}"));

TEST(generate_source_computes_its_columns_from_the_number_of_the_row) {
    struct world w;
    world_begin(&w);
    for (uint32_t batch_rows = 1; batch_rows < 7; batch_rows++)
        CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, columns, "'rows':5"), batch_rows),
                  "1,0,10\n2,1,9\n3,1,9\n4,2,8\n5,2,8\n");
    CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, columns, "'rows':0"), 4), "");
    world_end(&w);
}

TEST(generate_source_rejects_rows_that_fail) {
    struct world w;
    world_begin(&w);
    const char *failing = ITEM("x", BINARY("//", NUMBER("12"), BINARY("-", I, NUMBER("2"))));
    for (uint32_t batch_rows = 2; batch_rows < 5; batch_rows++) {
        wr_buf_clear(&w.rejects);
        CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, failing, "'rows':4"), batch_rows),
                  "-12\n12\n6\n");
        CHECK_CONTAINS(w.rejects.bytes, "W503 record 1");
    }
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_generate, spec(&w, failing, "'rows':9"), &bind), ==,
              WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_generate, &bind, 2, NULL);
    source->record_limit = 3; /* of records, good and bad ones */
    struct wr_buf out;
    wr_buf_init(&out, &w.budget, 0);
    CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
    CHECK_STR(out.bytes, "-12\n12\n");
    close_source(source);
    wr_buf_release(&out);
    world_end(&w);
}

TEST(generate_source_without_rows_is_endless) {
    struct world w;
    world_begin(&w);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_generate, spec(&w, columns, ""), &bind), ==, WR_OK);
    CHECK_INT(bind.bounded, ==, 0);
    struct wr_source *source = open_source(&w, &wr_source_generate, &bind, 100, NULL);
    struct wr_buf out;
    wr_buf_init(&out, &w.budget, 0);
    CHECK_INT(read_source(&w, source, 50, &out), ==, WR_OK);
    CHECK_CONTAINS(out.bytes, "\n5000,2500,-2490\n");
    close_source(source);
    source = open_source(&w, &wr_source_generate, &bind, 100, NULL);
    source->record_limit = 3;
    wr_buf_clear(&out);
    CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
    CHECK_STR(out.bytes, "1,0,10\n2,1,9\n3,1,9\n");
    close_source(source);
    wr_buf_release(&out);
    CHECK_INT(bind_source(&w, &wr_source_generate, spec(&w, columns, "'rows':3"), &bind), ==,
              WR_OK);
    CHECK_INT(bind.bounded, ==, 1);
    world_end(&w);
}

static int64_t clock_us;
static int64_t read_clock(const struct wr_env *env) {
    (void)env;
    return clock_us;
}

TEST(generate_source_keeps_to_its_rate) {
    struct world w;
    world_begin(&w);
    struct wr_env env = *wr_env_real();
    env.monotonic_us = read_clock;
    w.env = &env;
    struct wr_endpoint_bind bind;
    CHECK_INT(
        bind_source(&w, &wr_source_generate, spec(&w, columns, "'rows':1000,'rate':10"), &bind), ==,
        WR_OK);
    struct wr_source *source = open_source(&w, &wr_source_generate, &bind, 100, NULL);
    struct wr_batch *batch = NULL;
    clock_us = 5000000;
    CHECK_INT(wr_source_generate.poll(source, &batch, &w.err), ==, WR_OK); /* the first at once */
    CHECK_INT(batch->row_count, ==, 1);
    wr_batch_unref(batch);
    CHECK_INT(wr_source_generate.poll(source, &batch, &w.err), ==, WR_EAGAIN);
    clock_us += 350000;
    CHECK_INT(wr_source_generate.poll(source, &batch, &w.err), ==, WR_OK);
    CHECK_INT(batch->row_count, ==, 3);
    wr_batch_unref(batch);
    CHECK_INT(wr_source_generate.poll(source, &batch, &w.err), ==, WR_EAGAIN);
    close_source(source);
    world_end(&w);
}

TEST(generate_source_goes_on_from_its_position) {
    struct world w;
    world_begin(&w);
    struct wr_endpoint_bind bind;
    CHECK_INT(bind_source(&w, &wr_source_generate, spec(&w, columns, "'rows':5"), &bind), ==,
              WR_OK);
    for (uint32_t stop = 1; stop < 5; stop++) {
        struct wr_buf out, position;
        wr_buf_init(&out, &w.budget, 0);
        wr_buf_init(&position, &w.budget, 0);
        struct wr_source *source = open_source(&w, &wr_source_generate, &bind, 2, NULL);
        read_source(&w, source, stop, &out);
        CHECK_INT(wr_source_generate.save_position(source, &position), ==, WR_OK);
        close_source(source);
        struct wr_reader from = {.bytes = position.bytes, .length = position.length};
        source = open_source(&w, &wr_source_generate, &bind, 2, &from);
        CHECK_INT(read_source(&w, source, 0, &out), ==, WR_EEND);
        close_source(source);
        CHECK_STR(out.bytes, "1,0,10\n2,1,9\n3,1,9\n4,2,8\n5,2,8\n");
        wr_buf_release(&out);
        wr_buf_release(&position);
    }
    world_end(&w);
}

TEST(generate_source_tells_wrong_options_at_the_call) {
    struct world w;
    world_begin(&w);
    CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, columns, "'rate':0"), 1),
              "W203 option `rate` must be rows a second, more than 0");
    CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, columns, "'rows':'many'"), 1),
              "W203 option `rows` must be a whole number of at least 0, got 'many'");
    CHECK_STR(all_rows(&w, &wr_source_generate, spec(&w, columns, "'rwos':1"), 1),
              "W202 unknown option `rwos` of `generate` | did you mean `rows`?");
    CHECK_CONTAINS(all_rows(&w, &wr_source_generate,
                            spec(&w, ITEM("x", "{'k':'name','name':'j','from':1,'to':1}"), ""), 1),
                   "W103 unknown column `j`");
    CHECK_STR(w.err.arg, "columns");
    world_end(&w);
}

TEST(registry_finds_connectors_by_the_kind_of_an_endpoint) {
    CHECK_PTR(wr_source_find("file"), ==, &wr_source_file);
    CHECK_PTR(wr_source_find("generate"), ==, &wr_source_generate);
    CHECK_PTR(wr_source_find("blackhole"), ==, NULL);
    CHECK_PTR(wr_sink_find("sqlite"), ==, &wr_sink_sqlite);
    CHECK_PTR(wr_sink_find("stdout"), ==, &wr_sink_stdout);
    CHECK_PTR(wr_sink_find("rows"), ==, NULL);
}
