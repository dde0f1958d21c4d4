/* test_identity.c: what is part of a stage's meaning, and what is not. */
#include "test.h"
#include "graph/identity.h"
#include "support_plan.h"

/* The identity of the last node of a plan that `make` builds. */
static struct wr_identity last_of(void (*make)(struct wr_plan *plan, const char *text),
                                  const char *text) {
    struct wr_plan *plan = test_plan_new();
    struct wr_error err = {0};
    make(plan, text);
    CHECK_INT(wr_plan_finish(plan, &err), ==, WR_OK);
    const struct wr_identity *all = wr_plan_identify(plan);
    CHECK(all != NULL);
    struct wr_identity last = all[plan->node_count - 1];
    last.given = last.address = last.place = NULL;
    last.facts = NULL;
    wr_plan_free(plan);
    return last;
}

static void filter(struct wr_plan *plan, const char *text) {
    test_add(plan, "{'op':'filter','inputs':[%u],%s}", test_read(plan, "a int64, b string"), text);
}

static void behind_others(struct wr_plan *plan, const char *text) {
    test_read(plan, "z int64");
    filter(plan, text);
}

/* A limit below a filter. */
static void below(struct wr_plan *plan, const char *text) {
    filter(plan, text);
    test_add(plan, "{'op':'limit','inputs':[1],'rows':3}");
}

TEST(identity_has_no_places_and_no_neighbours) {
    uint64_t base = last_of(filter, "'mark':3,'script':'x.lua:3','expr':e`a > 1`").meaning;
    CHECK(base == last_of(filter, "'mark':9,'script':'x.lua:9','expr':e`a  >  1`").meaning);
    CHECK(base == last_of(filter, "'name':'big','expr':e`a > 1`").meaning);
    CHECK(base == last_of(behind_others, "'expr':e`a > 1`").meaning);
}

TEST(identity_has_what_decides_rows) {
    uint64_t base = last_of(filter, "'expr':e`a > 1`").meaning;
    CHECK(base != last_of(filter, "'expr':e`a > 2`").meaning);
    CHECK(base != last_of(filter, "'expr':e`a < 1`").meaning);
}

TEST(identity_has_what_stands_above) {
    struct wr_identity one = last_of(below, "'expr':e`a > 1`");
    struct wr_identity other = last_of(below, "'expr':e`a > 2`");
    CHECK(one.own == other.own);
    CHECK(one.meaning != other.meaning);
    CHECK(one.meaning == last_of(below, "'mark':7,'expr':e`a > 1`").meaning);
}

/* A Lua function is known by its text; its number is that of its place in the script. */
TEST(identity_of_functions_is_their_text) {
    static const char form[] = "'expr':e`a > 1`,'fn':{'id':%d,'text':'function() return %d end'}";
    char texts[3][128];
    snprintf(texts[0], sizeof texts[0], form, 1, 1);
    snprintf(texts[1], sizeof texts[1], form, 2, 1);
    snprintf(texts[2], sizeof texts[2], form, 1, 2);
    uint64_t base = last_of(filter, texts[0]).meaning;
    CHECK(base == last_of(filter, texts[1]).meaning);
    CHECK(base != last_of(filter, texts[2]).meaning);
}

/* In rows that the script writes out such names are data. */
TEST(identity_of_rows_has_all_that_stands_in_them) {
    static const char form[] = "'expr':e`a > 1`,'rows':[{'at':%d,'id':%d,'text':'x'}]";
    char texts[3][128];
    snprintf(texts[0], sizeof texts[0], form, 1, 1);
    snprintf(texts[1], sizeof texts[1], form, 2, 1);
    snprintf(texts[2], sizeof texts[2], form, 1, 2);
    uint64_t base = last_of(filter, texts[0]).meaning;
    CHECK(base != last_of(filter, texts[1]).meaning);
    CHECK(base != last_of(filter, texts[2]).meaning);
}
