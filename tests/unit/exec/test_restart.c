/* test_restart.c: a run that dies after any step and goes on from its state gives what one that
 * does not die gives; a damaged part of the state is refused, and nothing falls over it. */
#include "test.h"
#include "support_run.h"

#include "base/assert.h"
#include "exec/gate.h"
#include "exec/unit.h"
#include "state/vfs.h"

/* A pipeline over one timed source of two partitions, an untimed one, and a small table. */
struct pipe {
    const char *name;
    void (*stages)(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table);
};

static const char *const feeds[] = {
    "1 a 1/2 b 0|3 long_enough_for_a_segment 3/-/12 a 4|11 b 5/9 a 6|14 a 7|30 nil 8/55 b 9",
    "5 b 10|2 b 11/8 b 12/13 a 13|33 a 14/34 long_enough_for_a_segment 15|12 a 16/60 b 17",
    "3|1|nil/2|2/-/5|3|9/1",
    "1 one|2 two/2 also_two_but_longer/-/nil nothing/5 five",
};

static uint32_t add(struct stand *stand, uint32_t input, const char *rest) {
    return test_add(stand->plan, "{'inputs':[%u],%s}", input, rest);
}

static uint32_t add2(struct stand *stand, uint32_t a, uint32_t b, const char *rest) {
    return test_add(stand->plan, "{'inputs':[%u,%u],%s}", a, b, rest);
}

static void tumbling(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)plain;
    (void)table;
    uint32_t agg = add(stand, timed,
                       "'op':'agg','items':l`n = count(), s = sum(v), l = last(k), q = median(v)`,"
                       "'group_by':l`k`,'window':{'kind':'tumbling','size':10}");
    stand_sink(stand, agg);
    stand_sink(stand, add(stand, agg, "'op':'late'"));
}

static void hopping(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)plain;
    (void)table;
    stand_sink(stand, add(stand, timed,
                          "'op':'agg','items':l`n = count(), d = count_distinct(k)`,"
                          "'window':{'kind':'hopping','size':10,'every':4,'offset':1}"));
}

static void windows_of_windows(struct stand *stand, uint32_t timed, uint32_t plain,
                               uint32_t table) {
    (void)plain;
    (void)table;
    uint32_t a = add(stand, timed,
                     "'op':'agg','items':l`n = count()`,'group_by':l`k`,"
                     "'window':{'kind':'tumbling','size':10}");
    uint32_t b = add(stand, timed,
                     "'op':'agg','items':l`n = sum(v)`,'group_by':l`k`,"
                     "'window':{'kind':'tumbling','size':5}");
    uint32_t both = add2(stand, a, b, "'op':'union'");
    stand_sink(stand, add(stand, both,
                          "'op':'agg','items':l`n = sum(n), l = list(n)`,"
                          "'window':{'kind':'tumbling','size':20}"));
}

static void sorts(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)table;
    uint32_t by_time = add(stand, timed, "'op':'sort'");
    stand_sink(stand, by_time);
    stand_sink(stand, add(stand, by_time, "'op':'late'"));
    stand_sink(stand, add(stand, plain, "'op':'sort','order':o`v desc`"));
    stand_sink(stand, add(stand, timed, "'op':'sort','order':o`k, v + 1 desc`"));
}

static void seen(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)table;
    stand_sink(stand, add(stand, timed, "'op':'distinct','columns':['k']"));
    stand_sink(stand, add(stand, plain, "'op':'limit','rows':3,'offset':2"));
    stand_sink(stand, add(stand, add(stand, plain, "'op':'distinct'"), "'op':'limit','rows':2"));
}

static void lookups(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)timed;
    stand_sink(stand, add2(stand, plain, table, "'op':'lookup','on':l`x = v == id`,'many':true"));
    stand_sink(stand, add2(stand, plain, table,
                           "'op':'lookup','on':l`x = v == id`,'many':true,'how':'inner'"));
    stand_sink(stand, add2(stand, plain, table,
                           "'op':'lookup','on':l`x = v == id`,'many':true,"
                           "'how':'semi'"));
    stand_sink(stand, add2(stand, plain, table,
                           "'op':'lookup','on':l`x = v == id`,'many':true,"
                           "'how':'anti'"));
}

static void rejects(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)plain;
    (void)table;
    uint32_t derived = add(stand, timed, "'op':'derive','items':l`q = 100 // v`");
    uint32_t expect = add(stand, derived, "'op':'expect','items':l`small = v < 10`");
    stand_sink(stand, expect);
    uint32_t bad = add(stand, expect, "'op':'rejects'");
    stand_sink(stand, add(stand, bad, "'op':'select','items':l`code, reason, position, row`"));
    stand_sink(stand, add(stand, bad, "'op':'agg','items':l`n = count()`,'group_by':l`code`"));
}

static void merged(struct stand *stand, uint32_t timed, uint32_t plain, uint32_t table) {
    (void)table;
    uint32_t some = add(stand, timed, "'op':'filter','expr':e`v > 3`");
    uint32_t others = add(stand, timed, "'op':'filter','expr':e`v < 7`");
    stand_sink(stand, add2(stand, some, others, "'op':'union'"));
    uint32_t numbers = add(stand, timed, "'op':'select','items':l`v`");
    stand_sink(stand, add2(stand, plain, numbers, "'op':'union'"));
}

static const struct pipe pipes[] = {
    {"tumbling", tumbling}, {"hopping", hopping}, {"windows_of_windows", windows_of_windows},
    {"sorts", sorts},       {"seen", seen},       {"lookups", lookups},
    {"rejects", rejects},   {"merged", merged},
};

#define SORTS 3 /* of those; windows stand before it */

static void pipe_begin(struct stand *stand, const struct pipe *pipe) {
    stand_begin(stand);
    uint32_t read = stand_source(stand, "t timestamp, k string, v int64", 2);
    uint32_t timed = add(stand, read, "'op':'event_time','items':l`t`,'max_delay':3");
    uint32_t plain = stand_source(stand, "v int64", 1);
    uint32_t table = stand_source(stand, "id int64, name string", 1);
    stand_feed(stand, read, 0, feeds[0]);
    stand_feed(stand, read, 1, feeds[1]);
    stand_feed(stand, plain, 0, feeds[2]);
    stand_feed(stand, table, 0, feeds[3]);
    pipe->stages(stand, timed, plain, table);
}

/* Everything that all sinks have got, and what the summary counts. */
static void all_rows(struct stand *stand, struct wr_buf *out) {
    wr_buf_clear(out);
    for (uint32_t n = 0; n < stand->plan->node_count; n++)
        if (stand->plan->nodes[n]->kind == WR_NODE_SINK && stand->plan->nodes[n]->live)
            wr_buf_addf(out, "%u: %s\n", n, stand_rows(stand, n));
    wr_buf_addf(out, "in %llu rejected %llu late %llu", (unsigned long long)stand->summary.rows_in,
                (unsigned long long)stand->summary.rejected,
                (unsigned long long)stand->summary.late);
    CHECK_INT(out->status, ==, WR_OK);
}

static void expect_rows(struct stand *stand, const struct wr_buf *whole, const char *pipe,
                        uint64_t stop) {
    struct wr_buf got;
    wr_buf_init(&got, &wr_budget_control, 0);
    all_rows(stand, &got);
    if (strcmp(got.bytes, whole->bytes) != 0)
        test_fail(__FILE__, __LINE__, "%s, stopped after step %llu:\n%s\nwhole:\n%s", pipe,
                  (unsigned long long)stop, got.bytes, whole->bytes);
    wr_buf_release(&got);
}

static int step(struct stand *stand) {
    int status = wr_run_step(stand->run, &stand->err);
    if (status != WR_OK && status != WR_EAGAIN && status != WR_EEND)
        test_fail(__FILE__, __LINE__, "step: %s %s", stand->err.code, stand->err.text);
    return status;
}

static void open_in(struct stand *stand, uint64_t number) {
    static char directory[32];
    snprintf(directory, sizeof directory, "/state%llu", (unsigned long long)number);
    stand->options.state_directory = directory;
    if (stand_open(stand) != WR_OK)
        test_fail(__FILE__, __LINE__, "open: %s %s", stand->err.code, stand->err.text);
}

struct way {
    uint32_t shards;
    int64_t checkpoint_every; /* so many steps */
    uint64_t piece_bytes, spill_bytes;
};

/* Killed once, after each step in turn. */
static void kill_after_each_step(const struct pipe *pipe, struct way way) {
    struct stand stand;
    struct wr_buf whole;
    wr_buf_init(&whole, &wr_budget_control, 0);
    pipe_begin(&stand, pipe);
    stand.options.shards = way.shards;
    stand.options.piece_bytes = way.piece_bytes;
    stand.split = stand.options.batch_rows = 2;
    stand_run_all(&stand);
    all_rows(&stand, &whole);
    uint64_t steps = stand.summary.steps;
    CHECK_INT(steps, >, 5);
    stand.options.spill_bytes = way.spill_bytes;
    stand.options.checkpoint_us = way.checkpoint_every;
    for (uint64_t stop = 1; stop <= steps; stop++) {
        stand_forget(&stand);
        open_in(&stand, stop);
        for (uint64_t i = 0; i < stop && step(&stand) != WR_EEND; i++)
            wr_sim_advance(stand.sim, 1);
        stand_close(&stand);
        open_in(&stand, stop);
        while (step(&stand) != WR_EEND)
            wr_sim_advance(stand.sim, 1);
        stand_close(&stand);
        expect_rows(&stand, &whole, pipe->name, stop);
    }
    wr_buf_release(&whole);
    stand_end(&stand);
}

TEST(restart_after_any_step_gives_the_rows_of_one_run) {
    for (size_t i = 0; i < WR_COUNT(pipes); i++)
        kill_after_each_step(&pipes[i], (struct way){.shards = 1});
}

TEST(restart_of_a_state_in_pieces_of_a_row_gives_the_rows_of_one_run) {
    for (size_t i = 0; i < WR_COUNT(pipes); i++)
        for (uint64_t piece_bytes = 1; piece_bytes < 400; piece_bytes *= 7)
            kill_after_each_step(
                &pipes[i],
                (struct way){.shards = 2, .piece_bytes = piece_bytes, .checkpoint_every = 2});
}

TEST(restart_from_an_older_checkpoint_gives_the_rows_of_one_run) {
    for (size_t i = 0; i < WR_COUNT(pipes); i++)
        kill_after_each_step(&pipes[i], (struct way){.shards = 1, .checkpoint_every = 4});
}

TEST(restart_of_rows_in_a_scratch_file_gives_the_rows_of_one_run_in_memory) {
    for (size_t i = 0; i <= SORTS; i++)
        for (uint64_t piece_bytes = 1; piece_bytes < 400; piece_bytes *= 19)
            for (int64_t every = 0; every < 6; every++)
                kill_after_each_step(&pipes[i], (struct way){.shards = every % 2 == 0 ? 1 : 2,
                                                             .piece_bytes = piece_bytes,
                                                             .checkpoint_every = every,
                                                             .spill_bytes = 1});
}

TEST(restart_with_shards_gives_the_rows_of_one_run) {
    for (size_t i = 0; i < 5; i++)
        kill_after_each_step(&pipes[i], (struct way){.shards = 3});
}

TEST(restart_before_every_step_gives_the_rows_of_one_run) {
    for (size_t i = 0; i < WR_COUNT(pipes); i++) {
        struct stand stand;
        struct wr_buf whole;
        wr_buf_init(&whole, &wr_budget_control, 0);
        pipe_begin(&stand, &pipes[i]);
        stand.split = stand.options.batch_rows = 2;
        stand_run_all(&stand);
        all_rows(&stand, &whole);
        stand_forget(&stand);
        int status;
        do {
            open_in(&stand, 0);
            status = step(&stand);
            stand_close(&stand);
        } while (status != WR_EEND);
        expect_rows(&stand, &whole, pipes[i].name, 1);
        wr_buf_release(&whole);
        stand_end(&stand);
    }
}

TEST(restart_keeps_the_watermark_that_a_source_gave) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "t timestamp, v int64", 1);
    uint32_t timed = add(&stand, read, "'op':'event_time','items':l`t`,'source':true");
    uint32_t sink = stand_sink(&stand, add(&stand, timed,
                                           "'op':'agg','items':l`s = sum(v)`,"
                                           "'window':{'kind':'tumbling','size':10}"));
    stand_feed(&stand, read, 0, "1 1/w10/20 2/5 4/30 8");
    int status;
    do {
        open_in(&stand, 0);
        status = step(&stand);
        stand_close(&stand);
    } while (status != WR_EEND);
    CHECK_STR(stand_rows(&stand, sink), "0 10 1|20 30 2|30 40 8");
    CHECK_INT(stand.summary.late, ==, 1);
    stand_end(&stand);
}

TEST(restart_checkpoints_leave_time_for_work) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "v int64", 1);
    uint32_t sink = stand_sink(&stand, read);
    struct wr_buf rows;
    wr_buf_init(&rows, &wr_budget_control, 0);
    for (int i = 0; i < 100; i++)
        wr_buf_addf(&rows, "%s%d", i == 0 ? "" : "/", i);
    stand_feed(&stand, read, 0, rows.bytes);
    stand.captures[sink].slow = stand.sim; /* 50 µs for each checkpoint, and one is due after 10 */
    stand.options.checkpoint_us = 10;
    open_in(&stand, 0);
    while (step(&stand) != WR_EEND)
        wr_sim_advance(stand.sim, 1);
    stand_close(&stand);
    CHECK_INT(stand.captures[sink].commits, >=, 9);
    CHECK_INT(stand.captures[sink].commits, <=, 12);
    wr_buf_release(&rows);
    stand_end(&stand);
}

TEST(restart_of_a_complete_run_says_that_it_was_complete) {
    struct stand stand;
    pipe_begin(&stand, &pipes[0]);
    stand.options.state_directory = "/state";
    for (int i = 0; i < 3; i++) {
        stand_run_all(&stand);
        CHECK_INT(stand.summary.was_complete, ==, i > 0);
    }
    stand_end(&stand);
}

TEST(restart_refuses_the_state_of_another_plan_where_something_was_read) {
    for (int steps = 0; steps <= 2; steps += 2) {
        struct stand stand;
        pipe_begin(&stand, &pipes[0]);
        open_in(&stand, 0);
        for (int i = 0; i < steps; i++)
            CHECK_INT(wr_run_step(stand.run, &stand.err), ==, WR_OK);
        CHECK_INT(wr_run_stop(stand.run, &stand.err), ==, WR_OK);
        stand_close(&stand);
        wr_plan_free(stand.plan);
        stand.plan = test_plan_new();
        stand.plan->env = wr_sim_env(stand.sim);
        stand.feed_count = 0;
        uint32_t read = stand_source(&stand, "v int64", 1);
        stand_sink(&stand, read);
        CHECK_INT(stand_open(&stand) == WR_OK, ==, steps == 0);
        if (steps > 0)
            CHECK_STR(stand.err.code, "W601");
        stand_end(&stand);
    }
}

/* ---- damage ---- */

/* What the parts of a run's units save, and what loading other bytes does. */
static int save_part(struct unit *unit, int gate, struct wr_buf *out) {
    wr_buf_clear(out);
    if (gate)
        return unit->gate == NULL ? WR_ENOENT : gate_save(unit->gate, out);
    return unit->op == NULL || unit->op->type->save == NULL
               ? WR_ENOENT
               : unit->op->type->save(unit->op, out, 1);
}

static void load_damaged(struct stand *stand, uint32_t at, int gate, const char *bytes,
                         size_t length) {
    CHECK_INT(stand_open(stand), ==, WR_OK);
    struct unit *unit = stand->run->units[at];
    struct wr_reader in = {.bytes = bytes, .length = length};
    int status = gate ? gate_load(unit->gate, &in) : unit->op->type->load(unit->op, &in);
    CHECK(status == WR_OK || status == WR_ECORRUPT || status == WR_ENOMEM);
    /* What was taken can be worked with; the rows may be others. */
    for (int i = 0; i < 40 && status == WR_OK; i++) {
        status = wr_run_step(stand->run, &stand->err);
        status = status == WR_EAGAIN ? WR_OK : status;
    }
    stand_close(stand);
}

static uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void damage_part(struct stand *stand, uint32_t at, int gate, const struct wr_buf *part,
                        uint64_t *seed) {
    char *copy = wr_alloc(&wr_budget_control, part->length + 1);
    CHECK(copy != NULL);
    uint32_t rounds = part->length < 40 ? (uint32_t)part->length : 40;
    for (uint32_t i = 0; i < rounds; i++) { /* cut off at a byte */
        size_t length = part->length <= 40 ? i : random_next(seed) % part->length;
        memcpy(copy, part->bytes, length);
        load_damaged(stand, at, gate, copy, length);
    }
    for (uint32_t i = 0; i < 40 && part->length > 0; i++) { /* a bit or a byte is another one */
        memcpy(copy, part->bytes, part->length);
        uint64_t random = random_next(seed);
        char *byte = &copy[(random >> 8) % part->length];
        *byte = (char)(i % 2 == 0 ? *byte ^ (1 << (random & 7)) : (int)(random >> 40));
        load_damaged(stand, at, gate, copy, part->length);
    }
    wr_free(&wr_budget_control, copy);
}

TEST(restart_falls_over_no_damaged_part) {
    uint64_t seed = test_seed() | 1;
    for (size_t i = 0; i < WR_COUNT(pipes); i++) {
        struct stand stand;
        struct wr_buf part;
        wr_buf_init(&part, &wr_budget_control, 0);
        pipe_begin(&stand, &pipes[i]);
        stand.split = 2;
        stand.options.memory_bytes = 64 << 20;
        for (uint64_t steps = 2; steps <= 8; steps += 3) {
            CHECK_INT(stand_open(&stand), ==, WR_OK);
            for (uint64_t s = 0; s < steps; s++)
                step(&stand);
            struct wr_run *run = stand.run;
            stand.run = NULL;
            for (uint32_t u = 0; u < run->unit_count; u++)
                for (int gate = 0; gate < 2; gate++)
                    if (save_part(run->units[u], gate, &part) == WR_OK)
                        damage_part(&stand, u, gate, &part, &seed);
            wr_run_free(run);
        }
        wr_buf_release(&part);
        stand_end(&stand);
    }
}
