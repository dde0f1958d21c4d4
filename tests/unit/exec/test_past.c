/* test_past.c: what a state knows of the plan that wrote it, as bytes and back. */
#include "test.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/past.h"

static const uint32_t inputs[] = {4};
static const uint64_t needed[] = {5}, shown[] = {1};
static const struct wr_fact facts[] = {{"items", 17}, {"window", 18}};
static uint32_t lanes[] = {2, 1};

static struct past_stage stages[] = {
    {.number = 4,
     .kind = WR_NODE_SOURCE,
     .keeps = 1,
     .stage = "read",
     .given = "",
     .address = "file in.csv",
     .place = "a.lua:1:1",
     .units = 2,
     .ordinal = 0},
    {.number = 7,
     .kind = WR_NODE_OP,
     .keeps = 1,
     .observed = 1,
     .asks_origins = 1,
     .stage = "agg",
     .given = "sums",
     .address = "",
     .place = "",
     .own = 11,
     .meaning = 12,
     .schema = 13,
     .born = 9,
     .units = 1,
     .ordinal = PAST_NONE,
     .first_maker = 2,
     .input_count = 1,
     .inputs = inputs,
     .column_words = 1,
     .needed = needed,
     .shown = shown,
     .fact_count = 2,
     .facts = facts},
};
static const struct past past = {.record_limit = 3,
                                 .next_number = 9,
                                 .maker_count = 2,
                                 .source_count = 2,
                                 .lanes = lanes,
                                 .stage_count = 2,
                                 .stages = stages};

static int load(struct past *into, struct wr_arena *arena, const char *bytes, size_t length) {
    struct wr_reader in = {.bytes = bytes, .length = length};
    return past_load(into, arena, &in);
}

TEST(past_is_the_same_after_it_was_saved) {
    struct wr_buf bytes;
    struct wr_arena arena;
    struct past back;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    wr_arena_init(&arena, &wr_budget_control, 4096);
    CHECK_INT(past_save(&past, &bytes), ==, WR_OK);
    CHECK_INT(load(&back, &arena, bytes.bytes, bytes.length), ==, WR_OK);
    CHECK_INT(back.record_limit, ==, 3);
    CHECK_INT(back.next_number, ==, 9);
    CHECK_INT(back.lanes[0], ==, 2);
    CHECK_INT(back.by_number[7], ==, 1);
    CHECK_INT(back.by_number[5], ==, PAST_NONE);
    const struct past_stage *agg = &back.stages[1];
    CHECK_STR(agg->given, "sums");
    CHECK_STR(back.stages[0].address, "file in.csv");
    CHECK_INT(agg->meaning, ==, 12);
    CHECK_INT(agg->born, ==, 9);
    CHECK_INT(agg->ordinal, ==, PAST_NONE);
    CHECK_INT(agg->first_maker, ==, 2);
    CHECK_INT(agg->inputs[0], ==, 4);
    CHECK_INT(agg->needed[0], ==, 5);
    CHECK_INT(agg->shown[0], ==, 1);
    CHECK_STR(agg->facts[1].name, "window");
    CHECK_INT(agg->facts[1].hash, ==, 18);
    struct wr_buf again;
    wr_buf_init(&again, &wr_budget_control, 0);
    CHECK_INT(past_save(&back, &again), ==, WR_OK);
    CHECK_INT(again.length, ==, bytes.length);
    CHECK_INT(memcmp(again.bytes, bytes.bytes, bytes.length), ==, 0);
    wr_buf_release(&again);
    wr_buf_release(&bytes);
    wr_arena_release(&arena);
}

TEST(past_that_is_cut_off_is_refused_at_every_byte) {
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    CHECK_INT(past_save(&past, &bytes), ==, WR_OK);
    for (size_t length = 0; length < bytes.length; length++) {
        struct wr_arena arena;
        struct past back;
        wr_arena_init(&arena, &wr_budget_control, 4096);
        CHECK_INT(load(&back, &arena, bytes.bytes, length), ==, WR_ECORRUPT);
        wr_arena_release(&arena);
    }
    wr_buf_release(&bytes);
}

TEST(past_with_another_byte_points_nowhere_else) {
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    CHECK_INT(past_save(&past, &bytes), ==, WR_OK);
    for (size_t i = 0; i < bytes.length; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct wr_arena arena;
            struct past back;
            wr_arena_init(&arena, &wr_budget_control, 4096);
            bytes.bytes[i] = (char)(bytes.bytes[i] ^ (1 << bit));
            int status = load(&back, &arena, bytes.bytes, bytes.length);
            CHECK(status == WR_OK || status == WR_ECORRUPT || status == WR_ENOMEM);
            for (uint32_t s = 0; status == WR_OK && s < back.stage_count; s++) {
                CHECK(back.stages[s].number < back.next_number);
                CHECK(back.stages[s].ordinal == PAST_NONE ||
                      back.stages[s].ordinal < back.source_count);
            }
            bytes.bytes[i] = (char)(bytes.bytes[i] ^ (1 << bit));
            wr_arena_release(&arena);
        }
    wr_buf_release(&bytes);
}
