/* test_plan.c: stages become nodes: what is known of their rows, what is refused, what is hashed,
 * which columns are needed. */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"
#include "support_plan.h"

static uint32_t numbers(struct wr_plan *plan) {
    return test_read(plan, "k int64 key, t timestamp, a int64, b string");
}

static void finish(struct wr_plan *plan) {
    struct wr_error err = {0};
    if (wr_plan_finish(plan, &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s", err.text);
}

static uint32_t blackhole(struct wr_plan *plan, uint32_t input) {
    return test_add(plan, "{'op':'write','inputs':[%u],'endpoint':{'kind':'blackhole'}}", input);
}

TEST(plan_keeps_the_key_while_its_columns_pass) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_STR(test_key_of(plan, read), "k");
    uint32_t filter = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`a > 1`}", read);
    CHECK_STR(test_key_of(plan, filter), "k");
    uint32_t derive = test_add(plan, "{'op':'derive','inputs':[%u],'items':l`c = a + 1`}", filter);
    CHECK_STR(test_key_of(plan, derive), "k");
    CHECK_STR(test_schema_of(plan, derive), "k int64, t timestamp, a int64, b string, c int64");
    uint32_t renamed =
        test_add(plan, "{'op':'rename','inputs':[%u],'pairs':[{'new':'id','old':'k'}]}", derive);
    CHECK_STR(test_key_of(plan, renamed), "id");
    uint32_t dropped = test_add(plan, "{'op':'drop','inputs':[%u],'columns':['a','c']}", renamed);
    CHECK_STR(test_key_of(plan, dropped), "id");
    CHECK_STR(test_schema_of(plan, dropped), "id int64, t timestamp, b string");
    wr_plan_free(plan);
}

TEST(plan_loses_the_key_with_a_column_of_it) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_STR(
        test_key_of(plan, test_add(plan, "{'op':'drop','inputs':[%u],'columns':['k']}", read)), "");
    CHECK_STR(
        test_key_of(plan, test_add(plan, "{'op':'select','inputs':[%u],'items':l`a, b`}", read)),
        "");
    /* Computed anew under the same name, it is another column. */
    CHECK_STR(test_key_of(
                  plan, test_add(plan, "{'op':'derive','inputs':[%u],'items':l`k = k + 1`}", read)),
              "");
    CHECK_STR(test_key_of(
                  plan, test_add(plan, "{'op':'select','inputs':[%u],'items':l`b, id = k`}", read)),
              "id");
    wr_plan_free(plan);
}

TEST(plan_knows_event_time_through_row_by_row_stages) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_INT(plan->nodes[read]->out.has_time, ==, 0);
    uint32_t timed =
        test_add(plan, "{'op':'event_time','inputs':[%u],'items':l`t`,'max_delay':5}", read);
    CHECK_INT(plan->nodes[timed]->out.has_time, ==, 1);
    CHECK_INT(plan->nodes[timed]->out.max_delay_us, ==, 5);
    CHECK_INT(plan->nodes[timed]->out.order, ==, WR_ORDER_TIME);
    uint32_t without = test_add(plan, "{'op':'drop','inputs':[%u],'columns':['t']}", timed);
    CHECK_INT(plan->nodes[without]->out.has_time, ==, 1);
    uint32_t agg = test_add(plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = count()`,'group_by':l`b`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            without);
    CHECK_STR(test_schema_of(plan, agg),
              "window_start timestamp, window_end timestamp, b string, n int64");
    CHECK_STR(test_key_of(plan, agg), "window_start window_end b");
    CHECK_INT(plan->nodes[agg]->out.has_time, ==, 1);
    uint32_t sorted = test_add(plan, "{'op':'sort','inputs':[%u],'order':o`n desc`}", agg);
    CHECK_INT(plan->nodes[sorted]->out.has_time, ==, 0); /* in another order than that of time */
    wr_plan_free(plan);
}

TEST(plan_knows_what_is_not_repeatable) {
    struct wr_plan *plan = test_plan_new();
    uint32_t early = test_add(plan, "{'op':'rejects','inputs':[]}");
    uint32_t behind = test_add(plan, "{'op':'limit','inputs':[%u],'rows':1}", early);
    uint32_t read = numbers(plan);
    uint32_t same = test_add(plan, "{'op':'derive','inputs':[%u],'items':l`x = b`}", read);
    uint32_t drawn =
        test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`1 > 2 or random() < 0.5`}", read);
    uint32_t rejects = test_add(plan, "{'op':'rejects','inputs':[%u]}", drawn);
    uint32_t agg = test_add(
        plan, "{'op':'agg','inputs':[%u],'items':l`m = max(now())`,'group_by':l`b`}", same);
    uint32_t both = test_add(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`b`}", same, agg);
    const uint32_t not_repeatable[] = {drawn, rejects, agg, both};
    CHECK_INT(plan->nodes[read]->out.repeatable, ==, 1);
    CHECK_INT(plan->nodes[same]->out.repeatable, ==, 1);
    for (size_t i = 0; i < sizeof not_repeatable / sizeof *not_repeatable; i++)
        CHECK_INT(plan->nodes[not_repeatable[i]]->out.repeatable, ==, 0);
    CHECK_INT(wr_plan_finish(plan, NULL), ==, WR_OK);
    CHECK_INT(plan->nodes[early]->out.repeatable, ==, 0);
    CHECK_INT(plan->nodes[behind]->out.repeatable, ==, 0);
    CHECK_INT(plan->nodes[same]->out.repeatable, ==, 1);
    wr_plan_free(plan);
}

TEST(plan_refuses_what_needs_event_time) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_CONTAINS(test_refused(plan, "{'op':'sort','inputs':[%u]}", read), "W301");
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'agg','inputs':[%u],'items':l`n = count()`,"
                                "'window':{'kind':'tumbling','size':10}}",
                                read),
                   "W301");
    CHECK_CONTAINS(test_refused(plan, "{'op':'late','inputs':[%u]}", read), "W301");
    CHECK_CONTAINS(test_refused(plan, "{'op':'event_time','inputs':[%u],'items':l`a`}", read),
                   "W104");
    uint32_t agg = test_add(plan, "{'op':'agg','inputs':[%u],'items':l`t = max(t)`}", read);
    CHECK_CONTAINS(test_refused(plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", agg),
                   "W302");
    uint32_t behind = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`t ~= nil`}", agg);
    CHECK_CONTAINS(test_refused(plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", behind),
                   "must come before `agg`");
    wr_plan_free(plan);
}

TEST(plan_refuses_windows_that_are_none) {
    struct wr_plan *plan = test_plan_new();
    uint32_t timed =
        test_add(plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", numbers(plan));
    static const struct {
        const char *window, *code;
    } wrong[] = {
        {"{'kind':'tumbling','size':0}", "W203"},
        {"{'kind':'tumbling','size':-1}", "W203"},
        {"{'kind':'hopping','size':10,'every':0}", "W203"},
        {"{'kind':'hopping','size':10,'every':11}", "W203"},
        {"{'kind':'cumulative','size':10,'every':4}", "W203"},
        {"{'kind':'calendar','unit':'hour'}", "W203"},
        {"{'kind':'calendar','unit':'month','every':0}", "W203"},
        {"{'kind':'calendar','unit':'day','timezone':'Moon/Tycho'}", "W114"},
        {"{'kind':'calendar','unit':'0 24 * * *'}", "W203"},
        {"{'kind':'calendar','unit':'0 0 30 2 *'}", "W203"},
        {"{'kind':'calendar','unit':'0 0 * *'}", "W203"},
        {"{'kind':'session','gap':0}", "W203"},
        {"{'kind':'session','gap':10,'max':9}", "W203"},
        {"{'kind':'session','gap_items':l`gap = 1 + 2`}", "W203"},
        {"{'kind':'count','rows':0}", "W203"},
        {"{'kind':'count','rows':3,'every':4}", "W203"},
        {"{'kind':'count','rows':3,'allowed_lateness':1}", "W203"},
        {"{'kind':'count','rows':3},'emit':{'mode':'update'}", "W203"},
        {"{'kind':'session','gap':3},'emit':{'mode':'update','every':3}", "W203"},
        {"{'kind':'moon','size':10}", "W201"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_CONTAINS(test_refused(plan,
                                    "{'op':'agg','inputs':[%u],'items':l`n = count()`,'window':%s}",
                                    timed, wrong[i].window),
                       wrong[i].code);
    wr_plan_free(plan);
}

TEST(plan_refuses_names_and_inputs_that_are_not_there) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_CONTAINS(test_refused(plan, "{'op':'filter','inputs':[%u],'expr':e`zz > 1`}", read),
                   "W103");
    CHECK_CONTAINS(test_refused(plan, "{'op':'drop','inputs':[%u],'columns':['zz']}", read),
                   "W103");
    CHECK_CONTAINS(
        test_refused(plan, "{'op':'drop','inputs':[%u],'columns':['k','t','a','b']}", read),
        "W008");
    CHECK_CONTAINS(test_refused(plan, "{'op':'distinct','inputs':[%u],'columns':['zz']}", read),
                   "W103");
    CHECK_CONTAINS(test_refused(plan, "{'op':'distinct','inputs':[%u],'columns':[7]}", read),
                   "W103");
    CHECK_CONTAINS(
        test_refused(plan, "{'op':'rename','inputs':[%u],'pairs':[{'new':'a','old':'k'}]}", read),
        "W105");
    CHECK_CONTAINS(test_refused(plan, "{'op':'limit','inputs':[%u],'rows':-1}", read), "W203");
    CHECK_CONTAINS(test_refused(plan, "{'op':'nonsense','inputs':[%u]}", read), "W201");
    CHECK_CONTAINS(test_refused(plan, "{'op':'filter','inputs':[7],'expr':e`a > 1`}"), "no node");
    CHECK_CONTAINS(test_refused(plan, "{'op':'filter','inputs':[],'expr':e`true`}"), "W210");
    uint32_t count = plan->node_count; /* what was refused has left nothing */
    CHECK_INT(count, ==, 1);
    wr_plan_free(plan);
}

TEST(plan_unites_streams_of_one_schema_only) {
    struct wr_plan *plan = test_plan_new();
    uint32_t one = test_read(plan, "a int64, b string");
    uint32_t two = test_read(plan, "b string, a int64");
    uint32_t other = test_read(plan, "a float64, b string");
    uint32_t more = test_read(plan, "a int64, b string, c int64");
    uint32_t both = test_add(plan, "{'op':'union','inputs':[%u,%u]}", one, two);
    CHECK_STR(test_schema_of(plan, both), "a int64, b string");
    CHECK_CONTAINS(test_refused(plan, "{'op':'union','inputs':[%u,%u]}", one, other), "W204");
    CHECK_CONTAINS(test_refused(plan, "{'op':'union','inputs':[%u,%u]}", one, more), "W204");
    CHECK_CONTAINS(test_refused(plan, "{'op':'union','inputs':[%u,%u]}", more, one), "W204");
    wr_plan_free(plan);
}

TEST(plan_binds_lookup_keys_of_one_type) {
    struct wr_plan *plan = test_plan_new();
    uint32_t left = test_read(plan, "k int64, v int64");
    uint32_t right = test_read(plan, "k int64, v string, w string");
    CHECK_CONTAINS(test_refused(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`k`}", left, right),
                   "W205");
    uint32_t both =
        test_add(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`k`,'prefix':'r_'}", left, right);
    CHECK_STR(test_schema_of(plan, both), "k int64, v int64, r_v string, r_w string");
    uint32_t semi =
        test_add(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`k`,'how':'semi'}", left, right);
    CHECK_STR(test_schema_of(plan, semi), "k int64, v int64");
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'lookup','inputs':[%u,%u],'on':l`x = k == w`,'prefix':'r'}",
                                left, right),
                   "W104");
    CHECK_CONTAINS(
        test_refused(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`k`,'how':'outer'}", left, right),
        "W203");
    CHECK_CONTAINS(test_refused(plan, "{'op':'lookup','inputs':[%u,%u]}", left, right), "W203");
    CHECK_CONTAINS(test_refused(plan, "{'op':'lookup','inputs':[%u],'on':l`k`}", left), "W210");
    wr_plan_free(plan);
}

/* ---- sinks ---- */

TEST(plan_refuses_a_key_that_is_not_in_the_output) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'write','inputs':[%u],'endpoint':{'kind':'blackhole'},"
                                "'key':['k','zz']}",
                                read),
                   "W211 key column `zz`");
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'write','inputs':[%u],'endpoint':{'kind':'blackhole'},"
                                "'key':[7]}",
                                read),
                   "W211");
    wr_plan_free(plan);
}

TEST(plan_leaves_functions_where_bound_expressions_found_them) {
    struct wr_plan *plan = test_plan_new();
    struct wr_error err = {0};
    struct wr_user_function function = {.name = "f", .id = 7};
    CHECK_INT(wr_plan_define(plan, &function, &err), ==, WR_OK);
    const struct wr_user_function *first = &plan->user_functions[0];
    function.name = "g";
    for (function.id = 8; function.id < 100; function.id++)
        CHECK_INT(wr_plan_define(plan, &function, &err), ==, WR_OK);
    CHECK_INT(plan->user_functions[92].id, ==, 99);
    CHECK_INT(first->id, ==, 7); /* no freed memory: the address sanitizer sees it */
    CHECK_STR(first->name, "f");
    wr_plan_free(plan);
}

TEST(plan_refuses_to_write_a_file_that_it_reads) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = test_add(plan, "{'op':'read','endpoint':{'kind':'file','address':'/tmp/x-*.csv'"
                                   "},'schema':[{'name':'a','type':{'kind':'int64'}}],"
                                   "'format':{'name':'csv'}}");
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'write','inputs':[%u],'endpoint':{'kind':'file','address':"
                                "'/tmp/x-1.csv'}}",
                                read),
                   "W410 `/tmp/x-1.csv`");
    test_add(plan,
             "{'op':'write','inputs':[%u],'endpoint':{'kind':'file','address':'/tmp/y-1.csv'}}",
             read);
    /* The other way round: read what an earlier stage writes. */
    CHECK_CONTAINS(test_refused(plan, "{'op':'read','endpoint':{'kind':'file','address':"
                                      "'/tmp/y-?.csv'},'format':{'name':'csv'},"
                                      "'schema':[{'name':'a','type':{'kind':'int64'}}]}"),
                   "W410");
    wr_plan_free(plan);
}

static uint32_t reads_file(struct wr_plan *plan, const char *path) {
    return test_add(plan,
                    "{'op':'read','endpoint':{'kind':'file','address':'%s'},'format':{'name':"
                    "'csv'},'schema':[{'name':'a','type':{'kind':'int64'}}]}",
                    path);
}

static const char *write_refused(struct wr_plan *plan, uint32_t read, const char *path) {
    return test_refused(
        plan, "{'op':'write','inputs':[%u],'endpoint':{'kind':'file','address':'%s'}}", read, path);
}

static uint32_t writes_table(struct wr_plan *plan, uint32_t read, const char *table,
                             const char *mode) {
    return test_add(plan,
                    "{'op':'write','inputs':[%u],'endpoint':{'kind':'sqlite','address':"
                    "'/tmp/y.db'},'table':'%s','mode':'%s'}",
                    read, table, mode);
}

TEST(plan_knows_a_file_that_it_reads_by_any_name) {
    char folder[] = "/tmp/weir-plan-XXXXXX", in[64], hard[64], soft[64], path[160];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(in, sizeof in, "%s/in.csv", folder);
    snprintf(hard, sizeof hard, "%s/hard.csv", folder);
    snprintf(soft, sizeof soft, "%s/soft.csv", folder);
    FILE *file = fopen(in, "w");
    CHECK(file != NULL);
    fputs("a\n1\n", file);
    fclose(file);
    CHECK_INT(link(in, hard), ==, 0);
    CHECK_INT(symlink("in.csv", soft), ==, 0);
    struct wr_plan *plan = test_plan_new();
    uint32_t read = reads_file(plan, in);
    CHECK_CONTAINS(write_refused(plan, read, hard), "W410");
    CHECK_CONTAINS(write_refused(plan, read, soft), "W410");
    snprintf(path, sizeof path, "%s/./in.csv", folder);
    CHECK_CONTAINS(write_refused(plan, read, path), "is read by this script");
    snprintf(path, sizeof path, "%s/../%s/in.csv", folder, folder + strlen("/tmp/"));
    CHECK_CONTAINS(write_refused(plan, read, path), "is read by this script");
    wr_plan_free(plan);
    plan = test_plan_new();
    snprintf(path, sizeof path, "%s/i?.csv", folder);
    read = reads_file(plan, path);
    CHECK_CONTAINS(write_refused(plan, read, hard), "W410");
    wr_plan_free(plan);
    unlink(in), unlink(hard), unlink(soft), rmdir(folder);
}

TEST(plan_refuses_to_write_a_place_twice) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    test_add(plan, "{'op':'write','inputs':[%u],'endpoint':{'kind':'file','address':'/tmp/y.csv'}}",
             read);
    CHECK_CONTAINS(write_refused(plan, read, "/tmp/y.csv"),
                   "W410 `/tmp/y.csv` is written twice by this script");
    CHECK_CONTAINS(write_refused(plan, read, "/tmp/./y.csv"), "W410");
    writes_table(plan, read, "t", "append");
    writes_table(plan, read, "t", "append"); /* both add rows: none is lost */
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'write','inputs':[%u],'endpoint':{'kind':'sqlite',"
                                "'address':'/tmp/../tmp/y.db'},'table':'T','mode':'replace'}",
                                read),
                   "is written twice by this script");
    writes_table(plan, read, "u", "replace");
    wr_plan_free(plan);
}

/* A stage whose result is a changelog, which no stage of this version makes. */
static int changes_bind(struct wr_bind *bind, struct wr_error *err) {
    (void)err;
    bind->out.updates = 1;
    return WR_OK;
}

static int changes_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)op;
    (void)input;
    return out->emit(out, WR_PORT_MAIN, wr_batch_ref(in));
}

TEST(plan_gives_changelogs_only_to_who_takes_them) {
    static const struct wr_op_type changes = {.name = "test_changes",
                                              .size_bytes = sizeof(struct wr_op),
                                              .bind = changes_bind,
                                              .push = changes_push};
    CHECK_INT(wr_op_register(&changes), ==, WR_OK);
    struct wr_plan *plan = test_plan_new();
    uint32_t log = test_add(plan, "{'op':'test_changes','inputs':[%u]}", numbers(plan));
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'write','inputs':[%u],'endpoint':{'kind':'file','address':"
                                "'/tmp/out.csv'}}",
                                log),
                   "W306 `file`");
    CHECK_CONTAINS(test_refused(plan, "{'op':'limit','inputs':[%u],'rows':1}", log), "W305");
    test_add(plan, "{'op':'agg','inputs':[%u],'items':l`n = count()`}", log);
    CHECK_CONTAINS(test_refused(plan,
                                "{'op':'agg','inputs':[%u],'items':l`n = count()`,"
                                "'window':{'kind':'count','rows':2}}",
                                log),
                   "W305 a count window does not take updates");
    wr_plan_free(plan);
}

/* ---- liveness and columns ---- */

static const char *needed_of(struct wr_plan *plan, uint32_t node) {
    static char text[256];
    const struct wr_schema *schema = plan->nodes[node]->out.schema;
    int length = 0;
    text[0] = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (wr_bit_get(plan->nodes[node]->needed, c))
            length += snprintf(text + length, sizeof text - (size_t)length, "%s%s",
                               length == 0 ? "" : " ", schema->fields[c].name);
    return text;
}

TEST(plan_needs_the_columns_that_somebody_reads) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    uint32_t filter = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`a > 1`}", read);
    uint32_t select = test_add(plan, "{'op':'select','inputs':[%u],'items':l`k`}", filter);
    uint32_t unread = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`b == 'x'`}", read);
    blackhole(plan, select);
    finish(plan);
    CHECK_STR(needed_of(plan, read), "k a");
    CHECK_INT(plan->nodes[filter]->live, ==, 1);
    CHECK_INT(plan->nodes[unread]->live, ==, 0);
    wr_plan_free(plan);
}

TEST(plan_needs_what_the_key_of_a_group_and_its_time_are_made_of) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    uint32_t timed = test_add(plan, "{'op':'event_time','inputs':[%u],'items':l`t`}", read);
    uint32_t agg = test_add(plan,
                            "{'op':'agg','inputs':[%u],'items':l`n = sum(a)`,'group_by':l`k`,"
                            "'window':{'kind':'tumbling','size':10}}",
                            timed);
    blackhole(plan, agg);
    finish(plan);
    CHECK_STR(needed_of(plan, read), "k t a");
    wr_plan_free(plan);
}

TEST(plan_needs_whole_rows_where_rejects_are_read) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    uint32_t select = test_add(plan, "{'op':'select','inputs':[%u],'items':l`k`}", read);
    uint32_t rejects = test_add(plan, "{'op':'rejects','inputs':[%u]}", select);
    blackhole(plan, rejects);
    blackhole(plan, select);
    finish(plan);
    CHECK_STR(needed_of(plan, read), "k t a b");
    wr_plan_free(plan);
}

TEST(plan_reading_rejects_of_a_chain_keeps_it_alive) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    uint32_t filter = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`a > 1`}", read);
    uint32_t rejects = test_add(plan, "{'op':'rejects','inputs':[%u]}", filter);
    blackhole(plan, rejects);
    finish(plan);
    CHECK_INT(plan->nodes[filter]->live, ==, 1);
    CHECK_INT(plan->nodes[read]->live, ==, 1);
    CHECK_INT(plan->nodes[rejects]->live, ==, 1);
    wr_plan_free(plan);
}

TEST(plan_reading_rejects_of_the_script_keeps_no_stage_alive) {
    struct wr_plan *plan = test_plan_new();
    uint32_t read = numbers(plan);
    uint32_t filter = test_add(plan, "{'op':'filter','inputs':[%u],'expr':e`a > 1`}", read);
    uint32_t rejects = test_add(plan, "{'op':'rejects','inputs':[]}");
    blackhole(plan, rejects);
    finish(plan);
    CHECK_INT(plan->nodes[filter]->live, ==, 0);
    CHECK_INT(plan->nodes[rejects]->live, ==, 1);
    wr_plan_free(plan);
}

TEST(plan_needs_both_sides_of_a_lookup) {
    struct wr_plan *plan = test_plan_new();
    uint32_t left = test_read(plan, "k int64, v int64, x int64");
    uint32_t right = test_read(plan, "id int64, name string, town string");
    uint32_t both =
        test_add(plan, "{'op':'lookup','inputs':[%u,%u],'on':l`z = k == id`}", left, right);
    blackhole(plan, test_add(plan, "{'op':'select','inputs':[%u],'items':l`v, name`}", both));
    finish(plan);
    CHECK_STR(needed_of(plan, left), "k v");
    CHECK_STR(needed_of(plan, right), "id name");
    wr_plan_free(plan);
}

/* ---- the hash ---- */

static const char *hash_of(const char *filter, const char *timezone, const char *type) {
    static char texts[4][33];
    static unsigned next;
    char *text = texts[next++ % 4];
    struct wr_plan *plan = NULL;
    struct wr_error err = {0};
    CHECK_INT(wr_plan_new(&plan, wr_env_real(), timezone, ".", &err), ==, WR_OK);
    char schema[64];
    snprintf(schema, sizeof schema, "a int64, b %s", type);
    uint32_t read = test_read(plan, schema);
    blackhole(plan, test_add(plan, "{'op':'filter','inputs':[%u],%s}", read, filter));
    finish(plan);
    wr_plan_hash(plan, text);
    wr_plan_free(plan);
    return text;
}

TEST(plan_hash_stays_when_lines_move_and_changes_with_a_constant) {
    const char *base = hash_of("'mark':3,'script':'x.lua:3',"
                               "'expr':e`a > 1`",
                               "UTC", "string");
    CHECK_INT(strlen(base), ==, 32);
    CHECK_STR(base, hash_of("'mark':9,'script':'x.lua:9',"
                            "'expr':e`a >   1`",
                            "UTC", "string"));
    const char *other = hash_of("'mark':3,'expr':e`a > 2`", "UTC", "string");
    CHECK_INT(strcmp(base, other), !=, 0);
    other = hash_of("'mark':3,'expr':e`a < 1`", "UTC", "string");
    CHECK_INT(strcmp(base, other), !=, 0);
}

TEST(plan_hash_changes_with_the_time_zone_and_the_schema_of_a_source) {
    const char *filter = "'expr':e`a > 1`";
    const char *base = hash_of(filter, "UTC", "string");
    CHECK_INT(strcmp(base, hash_of(filter, "Europe/Berlin", "string")), !=, 0);
    CHECK_INT(strcmp(base, hash_of(filter, "UTC", "float64")), !=, 0);
}
