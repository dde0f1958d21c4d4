/* test_memory.c: a plan of every stage, and a small run of it, with each allocation failing: an
 * error, and everything is given back. Runs that meet the limit of their memory. */
#include "test.h"
#include "support_run.h"

#include "base/assert.h"
#include "exec/memory.h"
#include "exec/run_inside.h"

#define SPECS_MAX 64

/* Specs are made before the test, so that only the runtime's own allocations fail. */
static struct wr_budget spec_budget = WR_BUDGET_INIT("specs", 0);
static struct wr_arena spec_arena;
static struct wr_value *specs[SPECS_MAX];
static uint32_t spec_count;

static const char *const texts[] = {
    /* 0 */ "{'op':'read','endpoint':{'kind':'rows','text':'t,k,v\n"
            "1970-01-01T00:00:01Z,a,1\n1970-01-01T00:00:09Z,b,0\n1970-01-01T00:00:02Z,a,2\n"
            "nonsense,x,y\n1970-01-01T00:00:25Z,a_long_key_of_a_group,3\n,c,4\n"
            "1970-01-01T00:00:03Z,late,5\n1970-01-01T00:00:40Z,b,6\n'},'schema':["
            "{'name':'t','type':{'kind':'timestamp'}},{'name':'k','type':{'kind':'string'}},"
            "{'name':'v','type':{'kind':'int64'}}]}",
    /* 1 */ "{'op':'filter','inputs':[0],'expr':e`v >= 0 or k:lower() == 'x'`}",
    /* 2 */ "{'op':'derive','inputs':[1],'items':l`q = 100 // v, u = upper(k)`}",
    /* 3 */ "{'op':'select','inputs':[2],'items':l`t, k, v, q`}",
    /* 4 */ "{'op':'rename','inputs':[3],'pairs':[{'new':'w','old':'q'}]}",
    /* 5 */ "{'op':'drop','inputs':[4],'columns':['w']}",
    /* 6 */ "{'op':'expect','inputs':[5],'items':l`small = v < 6`}",
    /* 7 */ "{'op':'event_time','inputs':[6],'items':l`t`,'max_delay':5000000}",
    /* 8 */
    "{'op':'agg','inputs':[7],'items':l`n = count(), l = list(v), m = median(v)`,"
    "'group_by':l`k`,'window':{'kind':'hopping','size':10000000,'every':5000000}}",
    /* 9 */ "{'op':'late','inputs':[8]}",
    /* 10 */ "{'op':'sort','inputs':[8],'order':o`n desc, k`}",
    /* 11 */ "{'op':'sort','inputs':[7]}",
    /* 12 */ "{'op':'distinct','inputs':[7],'columns':['k']}",
    /* 13 */ "{'op':'union','inputs':[7,11]}",
    /* 14 */ "{'op':'limit','inputs':[13],'rows':4,'offset':1}",
    /* 15 */ "{'op':'lookup','inputs':[5,12],'on':l`k`,'how':'left'}",
    /* 16 */ "{'op':'lookup','inputs':[5,3],'on':l`x = v == v`,'many':true,'prefix':'r_'}",
    /* 17 */ "{'op':'rejects','inputs':[]}",
    /* 18 */ "{'op':'agg','inputs':[5],'items':l`n = count(), s = sum(v)`}",
    "{'op':'write','inputs':[9],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[10],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[14],'endpoint':{'kind':'blackhole'},'key':['k']}",
    "{'op':'write','inputs':[15],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[16],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[17],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[18],'endpoint':{'kind':'blackhole'}}",
    /* 26 */
    "{'op':'agg','inputs':[5],'items':l`n = count(), s = sum(v)`,'group_by':l`k`,"
    "'emit':{'mode':'update'}}",
    /* 27 */ "{'op':'top','inputs':[26],'rows':2,'order':o`s desc`,'rank':'place'}",
    /* 28 */
    "{'op':'top','inputs':[7],'rows':1,'ties':true,'order':o`v desc, k`,'group_by':"
    "l`u = upper(k)`,'window':{'kind':'tumbling','size':10000000}}",
    /* 29 */
    "{'op':'dedup','inputs':[7],'group_by':l`k`,'columns':['k'],'keep':'last',"
    "'emit':{'mode':'update'}}",
    /* 30 */ "{'op':'dedup','inputs':[7],'columns':['k'],'within':9000000}",
    /* 31 */
    "{'op':'distinct','inputs':[7],'columns':['k'],'window':{'kind':'hopping',"
    "'size':10000000,'every':5000000}}",
    /* 32 */ "{'op':'as_table','inputs':[7],'group_by':l`k`,'order':o`v desc`,'delete':e`v == 3`}",
    /* 33 */
    "{'op':'unnest','inputs':[5],'items':l`p = split(k, 'a')`,'index':'i','keep_empty':true,"
    "'element':[{'name':'e','expr':{'k':'index','a':{'k':'name','name':'\001list'},"
    "'i':{'k':'name','name':'\001place'}}}]}",
    /* 34 */ "{'op':'unpivot','inputs':[5],'columns':['v'],'name_column':'c','value':'x'}",
    /* 35 */ "{'op':'sample','inputs':[33],'fraction':1,'seed':0}",
    "{'op':'write','inputs':[27],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[28],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[29],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[30],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[31],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[32],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[34],'endpoint':{'kind':'blackhole'}}",
    "{'op':'write','inputs':[35],'endpoint':{'kind':'blackhole'}}",
    /* 44 */
    "{'op':'agg','inputs':[7],'items':l`n = count(), m = avg(v * 1.0), l = list(k), f = first(v)`,"
    "'group_by':l`k, odd = v % 2`}",
    "{'op':'write','inputs':[44],'endpoint':{'kind':'blackhole'}}",
};

__attribute__((constructor)) static void make_specs(void) {
    wr_arena_init(&spec_arena, &spec_budget, 65536);
    for (; spec_count < WR_COUNT(texts); spec_count++)
        specs[spec_count] = test_spec(&spec_arena, "%s", texts[spec_count]);
}

__attribute__((destructor)) static void forget_specs(void) {
    wr_arena_release(&spec_arena);
}

static int make_plan(struct wr_plan **plan, struct wr_error *err) {
    struct wr_node *node;
    int status = wr_plan_new(plan, wr_env_real(), "UTC", ".", err);
    for (uint32_t i = 0; i < spec_count && status == WR_OK; i++)
        status = wr_plan_add(*plan, specs[i], &node, err);
    return status == WR_OK ? wr_plan_finish(*plan, err) : status;
}

static void check_status(int status, const struct wr_error *err) {
    if (status != WR_OK && status != WR_ENOMEM)
        test_fail(__FILE__, __LINE__, "status %d: %s %s", status, err->code, err->text);
    CHECK_INT(status == WR_OK, ==, err->text[0] == 0);
}

TEST(plan_of_every_stage_is_made) {
    struct wr_plan *plan = NULL;
    struct wr_error err = {0};
    if (make_plan(&plan, &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s %s", err.code, err.text);
    wr_plan_free(plan);
}

TEST_EACH_ALLOCATION_FAILS(plan_of_every_stage_gives_everything_back) {
    struct wr_plan *plan = NULL;
    struct wr_error err = {0};
    check_status(make_plan(&plan, &err), &err);
    wr_plan_free(plan);
}

TEST_EACH_ALLOCATION_FAILS(plan_explained_gives_everything_back) {
    struct wr_plan *plan = NULL;
    struct wr_error err = {0};
    if (make_plan(&plan, &err) == WR_OK)
        wr_plan_explain(plan); /* NULL: no memory */
    wr_plan_free(plan);
}

static int run_plan(uint32_t shards, uint64_t spill_bytes, struct wr_error *err) {
    struct wr_plan *plan = NULL;
    struct wr_run *run = NULL;
    int status = make_plan(&plan, err);
    struct wr_run_options options = {.batch_rows = 3,
                                     .shards = shards,
                                     .hash_seed = 3,
                                     .keep_text = 1,
                                     .spill_bytes = spill_bytes};
    if (status == WR_OK)
        status = wr_run_new(&run, plan, &options, err);
    if (status == WR_OK)
        status = test_run_all(run, err);
    wr_run_free(run); /* asserts that its budgets are empty */
    wr_plan_free(plan);
    return status;
}

TEST(run_of_every_stage_ends) {
    for (uint32_t shards = 1; shards <= 3; shards += 2) {
        struct wr_error err = {0};
        if (run_plan(shards, shards / 2, &err) != WR_OK)
            test_fail(__FILE__, __LINE__, "%s %s", err.code, err.text);
    }
}

static void check_run(uint32_t shards, uint64_t spill_bytes) {
    struct wr_error err = {0};
    int status = run_plan(shards, spill_bytes, &err);
    CHECK(status == WR_OK || status == WR_ENOMEM);
    CHECK_INT(status == WR_OK, ==, err.text[0] == 0);
}

TEST_EACH_ALLOCATION_FAILS(run_of_every_stage_gives_everything_back) {
    check_run(1, 0);
}

TEST_EACH_ALLOCATION_FAILS(run_in_shards_gives_everything_back) {
    check_run(3, 0);
}

TEST_EACH_ALLOCATION_FAILS(run_with_a_scratch_file_gives_everything_back) {
    check_run(1, 1);
}

/* ---- limits ---- */

/* 20,000 rows, of about 1.5 MB, through a stage that has 1 MB. */
static int run_in_1_mb(struct stand *stand, const char *stage, uint32_t *sink) {
    stand_begin(stand);
    uint32_t read = stand_source(stand, "k string, v int64", 1);
    *sink = stand_sink(stand, test_add(stand->plan, "{'inputs':[%u],%s}", read, stage));
    struct wr_buf rows;
    wr_buf_init(&rows, &wr_budget_control, 0);
    for (int i = 0; i < 20000; i++)
        wr_buf_addf(&rows, "%sthe_key_of_a_row_that_is_long_enough_%d %d", i == 0 ? "" : "|", i,
                    i * 7919 % 20000);
    stand_feed(stand, read, 0, rows.bytes);
    stand->options.memory_bytes = 1 << 20;
    int status = stand_run(stand);
    wr_buf_release(&rows);
    return status;
}

static void meet_limit(const char *stage, const char *text, const char *holds) {
    struct stand stand;
    uint32_t sink;
    CHECK_INT(run_in_1_mb(&stand, stage, &sink), ==, WR_ENOMEM);
    CHECK_STR(stand.err.code, "W602");
    CHECK_CONTAINS(stand.err.text, text);
    CHECK_CONTAINS(stand.err.help, holds);
    CHECK_CONTAINS(stand.err.help, "memory = \"3MB\"");
    stand_end(&stand);
}

TEST(run_names_the_budget_that_is_used_up_and_who_holds_it) {
    meet_limit("'op':'agg','name':'sets','items':l`n = count_distinct(k)`",
               "`state` is used up (1 MB) in stage sets, which keeps groups", "`sets` ");
    meet_limit("'op':'top','rows':100000,'order':o`v desc`", "in stage top, which keeps ",
               "`top` ");
}

/* What was refused was a part of `memory`, and seldom all that is needed. */
TEST(run_advises_memory_by_the_budget_that_is_used_up) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "k string, v int64", 1);
    stand_sink(&stand, test_add(stand.plan, "{'inputs':[%u],'op':'distinct'}", read));
    CHECK_INT(stand_open(&stand), ==, WR_OK);
    const struct {
        struct wr_budget *budget;
        const char *text, *help;
    } cases[] = {
        {&stand.run->state_budget, "`state` is used up", "memory = \"13MB\""},
        {&stand.run->input_budget, "`input` is used up", "memory = \"97MB\""},
        {&stand.run->checkpoint_budget, "`checkpoint` is used up", "memory = \"13MB\""},
        {&stand.run->epoch_budget, "`sink epochs` is used up", "checkpoint = \"1s\""},
    };
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        struct wr_error err = {0};
        cases[i].budget->refused = 1;
        cases[i].budget->wanted = UINT64_C(6) << 20;
        CHECK_INT(memory_tell_failure(stand.run, WR_ENOMEM, &err), ==, 1);
        CHECK_STR(err.code, "W602");
        CHECK_CONTAINS(err.text, cases[i].text);
        CHECK_CONTAINS(err.help, cases[i].help);
        cases[i].budget->refused = 0;
    }
    stand_close(&stand);
    stand_end(&stand);
}

TEST(run_is_refused_that_has_less_than_it_takes_to_begin) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "k string, v int64", 1);
    uint32_t stage = test_add(stand.plan, "{'inputs':[%u],'op':'distinct'}", read);
    stand_sink(&stand, stage);
    stand.options.memory_bytes = 4 << 10;
    CHECK_INT(stand_run(&stand), ==, WR_ENOMEM);
    CHECK_STR(stand.err.code, "W602");
    CHECK_CONTAINS(stand.err.text, "`memory` is 4 KB, and this run takes ");
    CHECK_CONTAINS(stand.err.help, "memory = \"1MB\"");
    stand_end(&stand);
}

static void fit(const char *stage) {
    struct stand stand;
    uint32_t sink, rows = 1;
    int status = run_in_1_mb(&stand, stage, &sink);
    CHECK_STR(stand.err.text, "");
    CHECK_INT(status, ==, WR_OK);
    for (const char *at = stand_rows(&stand, sink); (at = strchr(at, '|')) != NULL; at++)
        rows++;
    CHECK_INT(rows, ==, 20000);
    stand_end(&stand);
}

TEST(run_keeps_more_keys_than_have_room) {
    fit("'op':'agg','items':l`n = count()`,'group_by':l`k`");
    fit("'op':'distinct'");
    fit("'op':'top','rows':1,'order':o`v desc`,'group_by':l`k`");
}

TEST(run_sorts_more_rows_than_have_room) {
    struct stand stand;
    uint32_t sink;
    int status = run_in_1_mb(&stand, "'op':'sort','order':o`v desc`", &sink);
    CHECK_STR(stand.err.text, "");
    CHECK_INT(status, ==, WR_OK);
    const char *row = stand_rows(&stand, sink);
    for (int v = 20000; v-- > 0;) {
        int key, value, length = 0;
        CHECK_INT(
            sscanf(row, "the_key_of_a_row_that_is_long_enough_%d %d%n", &key, &value, &length), ==,
            2);
        CHECK_INT(value, ==, v);
        CHECK_INT(key * 7919 % 20000, ==, v);
        row += length + (v > 0);
    }
    CHECK_INT(*row, ==, 0);
    stand_end(&stand);
}

TEST(run_does_not_blame_a_budget_that_has_room) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "k string, v int64", 1);
    stand_sink(&stand, test_add(stand.plan, "{'inputs':[%u],'op':'distinct'}", read));
    stand_feed(&stand, read, 0, "a 1|b 2");
    CHECK_INT(stand_open(&stand), ==, WR_OK);
    wr_alloc_fail_at(1, 1);
    int status = test_run_all(stand.run, &stand.err);
    wr_alloc_fail_at(0, 0);
    CHECK_INT(status, ==, WR_ENOMEM);
    CHECK_STR(stand.err.code, "");
    CHECK_CONTAINS(stand.err.text, "out of memory");
    stand_end(&stand);
}

/* Shards of the second join stop with more to give, and the stage below has no memory for what
 * comes: they are given no other batch then, whoever works. */
static void fail_below_joins(uint64_t seed, const char *rows) {
    static const char join[] = "{'inputs':[%u,%u],'op':'join','on':l`k`,'prefix':'%s'}";
    struct stand stand;
    uint32_t reads[3];
    stand_begin(&stand);
    stand.plan->env = wr_env_real(); /* a simulated one has one thread */
    for (int i = 0; i < 3; i++) {
        reads[i] = stand_source(&stand, "k string, v int64", 1);
        stand_feed(&stand, reads[i], 0, rows);
    }
    uint32_t pairs = test_add(stand.plan, join, reads[0], reads[1], "r_");
    uint32_t all = test_add(stand.plan, join, pairs, reads[2], "s_");
    stand_sink(&stand,
               test_add(stand.plan, "{'inputs':[%u],'op':'agg','items':l`a = list(v)`}", all));
    stand.options.memory_bytes = 1 << 20;
    stand.options.batch_rows = 64;
    stand.options.shards = 2;
    stand.options.workers = 3;
    stand.options.shard_order_seed = seed;
    CHECK_INT(stand_run(&stand), ==, WR_ENOMEM);
    CHECK_STR(stand.err.code, "W602");
    stand_end(&stand);
}

TEST(run_without_memory_below_a_join_that_has_more_to_give_only_fails) {
    struct wr_buf rows;
    wr_buf_init(&rows, &wr_budget_control, 0);
    for (int i = 0; i < 400; i++)
        wr_buf_addf(&rows, "%skey_%d %d", i == 0 ? "" : i % 20 == 0 ? "/" : "|", i % 4, i);
    for (uint64_t seed = 1; seed <= 60; seed++)
        fail_below_joins(seed, rows.bytes);
    wr_buf_release(&rows);
}

/* Without a state directory the calls to the world are those of the scratch file. */
static void fail_at_each_call(enum wr_sim_fault fault, const char *code, const char *name,
                              const char *stage) {
    struct stand stand;
    char inputs[16], where[32], wanted[2048];
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "k string, v int64", 1);
    uint32_t table = stand_source(&stand, "k string, v int64", 1);
    int is_one = strcmp(name, "sort") == 0 || strcmp(name, "agg") == 0;
    snprintf(inputs, sizeof inputs, is_one ? "%u" : "%u,%u", read, table);
    snprintf(where, sizeof where, "stage %s: ", name);
    uint32_t sink = stand_sink(
        &stand, test_add(stand.plan, "{'inputs':[%s],'op':'%s',%s}", inputs, name, stage));
    stand_feed(&stand, read, 0, "a 3|b 1/a 9/c 7|d 3/e 4/f 5/g 6/h 8/i 2/j 1/k 1/l 7/m 0/n 3/o 2");
    stand_feed(&stand, table, 0, "a 1|d 2/a 4/z 4|o 8/k 5/l 3|l 9/m 1");
    CHECK_INT(stand_run(&stand), ==, WR_OK); /* in memory */
    snprintf(wanted, sizeof wanted, "%s", stand_rows(&stand, sink));
    stand.options.spill_bytes = 1;
    stand.options.batch_rows = stand.split = 1;
    int failures = 0, status = WR_EIO;
    for (uint64_t at = 1; status != WR_OK; at++) {
        stand_forget(&stand);
        wr_sim_fail_at(stand.sim, fault, at, 0);
        status = stand_run(&stand);
        if (status == WR_OK)
            break;
        failures++;
        CHECK_INT(status, ==, WR_EIO);
        CHECK_STR(stand.err.code, code);
        CHECK_CONTAINS(stand.err.text, where);
        CHECK_CONTAINS(stand.err.text, "a scratch file");
        CHECK_INT(stand.captures[sink].committed, ==, 0);
    }
    CHECK_INT(failures, >, 10);
    CHECK_STR(stand_rows(&stand, sink), wanted);
    stand_end(&stand);
}

TEST(run_says_that_the_scratch_file_failed) {
    static const char *const stages[][2] = {
        {"sort", "'order':o`v desc`"},
        {"agg", "'items':l`s = sum(v * 1.0)`,'group_by':l`k`"},
        {"join", "'on':l`k`,'prefix':'r_','how':'full'"},
        {"lookup", "'on':l`k`,'prefix':'r_','many':true"},
    };
    for (size_t i = 0; i < WR_COUNT(stages); i++) {
        fail_at_each_call(WR_SIM_EIO, "W614", stages[i][0], stages[i][1]);
        fail_at_each_call(WR_SIM_ENOSPC, "W610", stages[i][0], stages[i][1]);
    }
}

/* ---- checkpoints ---- */

/* State of about a megabyte leaves in pieces of 4 KB. */
static void save_in_pieces(const char *stage) {
    struct stand stand;
    stand_begin(&stand);
    uint32_t read = stand_source(&stand, "k string, v int64", 1);
    uint32_t table = stand_source(&stand, "k string, v int64", 1);
    stand_sink(&stand, test_add(stand.plan, "{'inputs':[%u%s],%s}", read,
                                strstr(stage, "lookup") != NULL ? ",1" : "", stage));
    struct wr_buf rows;
    wr_buf_init(&rows, &wr_budget_control, 0);
    for (int i = 0; i < 20000; i++)
        wr_buf_addf(&rows, "%sthe_key_of_a_row_that_is_long_enough_%d %d",
                    i == 0        ? ""
                    : i % 50 == 0 ? "/"
                                  : "|",
                    i, i);
    stand_feed(&stand, read, 0, rows.bytes);
    stand_feed(&stand, table, 0, rows.bytes);
    stand.options.state_directory = "/state";
    stand.options.checkpoint_us = 1000;
    stand.options.piece_bytes = 4096;
    CHECK_INT(stand_open(&stand), ==, WR_OK);
    uint64_t state_bytes = 0;
    int status = WR_OK;
    for (int i = 0; status == WR_OK || status == WR_EAGAIN; i++) {
        status = wr_run_step(stand.run, &stand.err);
        state_bytes = WR_MAX(state_bytes, stand.run->state_budget.bytes_used);
        if (i % 100 == 0)
            wr_sim_advance(stand.sim, 1000);
    }
    CHECK_STR(stand.err.text, "");
    CHECK_INT(status, ==, WR_EEND);
    CHECK_INT(state_bytes, >, 1 << 20);
    CHECK_INT(stand.run->checkpoint_budget.bytes_peak, <, 16384);
    stand_close(&stand);
    wr_buf_release(&rows);
    stand_end(&stand);
}

TEST(checkpoint_takes_little_memory_for_any_state) {
    save_in_pieces("'op':'agg','items':l`n = count()`,'group_by':l`k`");
    save_in_pieces("'op':'distinct'");
    save_in_pieces("'op':'sort','order':o`v desc`");
    save_in_pieces("'op':'top','rows':100000,'order':o`v desc`");
    save_in_pieces("'op':'dedup','columns':['k'],'group_by':l`k`,'keep':'last'");
    save_in_pieces("'op':'lookup','on':l`k`,'prefix':'r_'");
}
