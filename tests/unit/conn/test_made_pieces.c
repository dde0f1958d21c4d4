/* test_made_pieces.c: rows that several threads compute, in the order in which one does. */
#include "support_conn.h"

#include <string.h>

#include "base/assert.h"

#define I "{'k':'name','name':'i','from':1,'to':1}"
#define NUMBER(n) "{'k':'lit','type':'int64','v':" n ",'from':1,'to':1}"
#define BINARY(op, a, b) "{'k':'bin','op':'" op "','a':" a ",'b':" b ",'from':1,'to':1,'at':1}"
#define ITEM(name, expr) "{'name':'" name "','expr':" expr ",'from':1,'to':1}"
/* Fails for each seventh row. */
#define COLUMNS \
    ITEM("id", I) "," ITEM("x", BINARY("//", NUMBER("100"), BINARY("%", I, NUMBER("7"))))

struct made {
    const struct wr_source_type *type;
    const char *spec;
};

static const struct made sources[] = {
    {&wr_source_generate,
     "{'endpoint':{'kind':'generate','columns':[" COLUMNS "],'options':{'rows':1000}}}"},
    {&wr_source_nexmark,
     "{'endpoint':{'kind':'nexmark','stream':'bid','options':{'events':1500}}}"},
    {&wr_source_nexmark, "{'endpoint':{'kind':'nexmark','stream':'auction','options':"
                         "{'events':9000,'disorder':64,'rate':777}}}"},
    {&wr_source_nexmark, "{'endpoint':{'kind':'nexmark','stream':'person','options':"
                         "{'events':30000,'disorder':1000,'max_delay':2000000}}}"},
};

static const uint32_t batch_sizes[] = {2, 7, 64, 4096};

TEST(made_pieces_are_the_rows_and_rejects_of_one_thread) {
    for (size_t s = 0; s < WR_COUNT(sources); s++) {
        struct world w;
        world_begin(&w);
        struct wr_value *spec = value_of_json(&w, "%s", sources[s].spec);
        const char *rows = all_rows(&w, sources[s].type, spec, 100);
        const char *rejects = w.rejects.length == 0
                                  ? ""
                                  : wr_arena_strndup(&w.arena, w.rejects.bytes, w.rejects.length);
        CHECK(strlen(rows) > 1000);
        for (w.threads = 1; w.threads <= 3; w.threads++)
            for (size_t b = 0; b < WR_COUNT(batch_sizes); b++) {
                wr_buf_clear(&w.rejects);
                CHECK_STR(all_rows(&w, sources[s].type, spec, batch_sizes[b]), rows);
                CHECK_STR(w.rejects.length == 0 ? "" : w.rejects.bytes, rejects);
            }
        world_end(&w);
    }
}

/* A life of `batches` with so many threads, from *position on, which is then its end. */
static int live(struct world *w, const struct made *made, const struct wr_endpoint_bind *bind,
                uint32_t threads, uint32_t batches, struct wr_buf *position, struct wr_buf *out) {
    struct wr_reader from = {.bytes = position->bytes, .length = position->length};
    w->threads = threads;
    struct wr_source *source =
        open_source(w, made->type, bind, 7, position->length == 0 ? NULL : &from);
    int status = read_source(w, source, batches, out);
    wr_buf_clear(position);
    CHECK_INT(made->type->save_position(source, position), ==, WR_OK);
    close_source(source);
    return status;
}

TEST(made_pieces_go_on_from_any_batch_with_any_number_of_threads) {
    for (size_t s = 0; s < WR_COUNT(sources); s++) {
        struct world w;
        world_begin(&w);
        struct wr_endpoint_bind bind;
        struct wr_value *spec = value_of_json(&w, "%s", sources[s].spec);
        const char *rows = all_rows(&w, sources[s].type, spec, 100);
        CHECK_INT(bind_source(&w, sources[s].type, spec, &bind), ==, WR_OK);
        for (uint32_t batches = 1; batches < 40; batches += 5) {
            struct wr_buf position, out;
            wr_buf_init(&position, &w.budget, 0);
            wr_buf_init(&out, &w.budget, 0);
            uint32_t life = 0;
            while (live(&w, &sources[s], &bind, life % 4, batches, &position, &out) == WR_OK)
                life++;
            CHECK_STR(out.bytes, rows);
            wr_buf_release(&position);
            wr_buf_release(&out);
        }
        world_end(&w);
    }
}

TEST(made_pieces_are_refused_where_the_clock_or_a_limit_says_how_many_rows_there_are) {
    const char *const specs[] = {
        "{'endpoint':{'kind':'generate','columns':[" COLUMNS "],'options':{'rows':9,'rate':1}}}",
        "{'endpoint':{'kind':'generate','columns':[" COLUMNS "],'options':{}}}",
        "{'endpoint':{'kind':'generate','columns':[" COLUMNS "],'options':{'rows':9}}}",
        "{'endpoint':{'kind':'nexmark','stream':'bid','options':{'events':99}}}"};
    for (size_t s = 0; s < WR_COUNT(specs); s++) {
        struct world w;
        world_begin(&w);
        const struct wr_source_type *type = s == 3 ? &wr_source_nexmark : &wr_source_generate;
        struct wr_endpoint_bind bind;
        CHECK_INT(bind_source(&w, type, value_of_json(&w, "%s", specs[s]), &bind), ==, WR_OK);
        w.record_limit = s >= 2 ? 5 : 0;
        struct wr_source *source = open_source(&w, type, &bind, 4, NULL);
        struct wr_workers *workers = NULL;
        CHECK_INT(wr_workers_new(&workers, &wr_budget_control, 2), ==, WR_OK);
        CHECK_INT(type->use_workers(source, workers), ==, WR_EREFUSED);
        wr_workers_free(workers);
        close_source(source);
        world_end(&w);
    }
}

/* Reads with little memory: what comes is what comes first in `rows`. Returns how it ended. */
static int read_with(struct world *w, const struct made *made, const struct wr_endpoint_bind *bind,
                     uint64_t bytes, const char *rows) {
    struct wr_workers *workers = NULL;
    struct wr_buf out;
    wr_buf_init(&out, &wr_budget_control, 0);
    CHECK_INT(wr_workers_new(&workers, &wr_budget_control, 1), ==, WR_OK);
    uint64_t most = w->budget.bytes_max;
    w->budget.bytes_max = w->budget.bytes_used + bytes;
    struct wr_source *source = open_source(w, made->type, bind, 100, NULL);
    int status = source == NULL ? WR_ENOMEM : made->type->use_workers(source, workers);
    if (source != NULL)
        source->reject = NULL; /* the world's own would want memory too */
    if (status == WR_OK)
        status = read_source(w, source, 0, &out);
    w->budget.bytes_max = most;
    CHECK_INT(strncmp(rows, out.length == 0 ? "" : out.bytes, out.length), ==, 0);
    CHECK(status == WR_ENOMEM || (status == WR_EEND && strlen(rows) == out.length));
    wr_workers_free(workers);
    if (source != NULL)
        close_source(source);
    wr_buf_release(&out);
    return status;
}

TEST(made_pieces_give_what_there_is_memory_for_and_say_when_it_is_used_up) {
    for (size_t s = 0; s < WR_COUNT(sources); s++) {
        struct world w;
        world_begin(&w);
        struct wr_endpoint_bind bind;
        struct wr_value *spec = value_of_json(&w, "%s", sources[s].spec);
        const char *rows = all_rows(&w, sources[s].type, spec, 100);
        uint32_t failed = 0, ended = 0;
        CHECK_INT(bind_source(&w, sources[s].type, spec, &bind), ==, WR_OK);
        for (uint64_t bytes = 1000; bytes < 30000000; bytes += bytes / 3)
            if (read_with(&w, &sources[s], &bind, bytes, rows) == WR_EEND)
                ended++;
            else
                failed++;
        CHECK_INT(failed, >, 3);
        CHECK_INT(ended, >, 0);
        world_end(&w);
    }
}
