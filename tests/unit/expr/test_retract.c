/* test_retract.c: aggregates of a changelog, from which rows are taken back. */
#include "support_aggregates.h"

TEST(the_examples_hold_when_other_rows_came_and_were_taken_back) {
    static const int64_t plus[] = {1, 1, 1, 1, 1}, minus[] = {-1, -1, -1, -1, -1};
    for (uint32_t i = 0; wr_aggregate_at(i) != NULL; i++) {
        for (const struct wr_example *e = wr_aggregate_at(i)->examples; e->text != NULL; e++) {
            struct stage stage = {0};
            char text[256];
            snprintf(text, sizeof text, "r = %s", e->text);
            sample_rows(&stage.world);
            int refused = wr_aggregate_at(i)->flags & WR_AGG_NO_RETRACT;
            int status = stage_bind(&stage, NULL, text, WR_AGGREGATES_RETRACT);
            CHECK_INT(status, ==, refused ? WR_ESCRIPT : WR_OK);
            if (refused) {
                CHECK_STR(stage.world.err.code, "W305");
                CHECK_STR(stage.world.err.arg, "1");
                CHECK_CONTAINS(stage.world.err.help, ":changes()");
                stage_close(&stage);
                continue;
            }
            table_open(&stage);
            stage.weights = plus;
            stage_add(&stage, stage.table, 1, 4);
            stage_add(&stage, stage.table, 0, 5);
            stage.weights = minus;
            stage_add(&stage, stage.table, 1, 3);
            stage_add(&stage, stage.table, 3, 4);
            stage_fire(&stage, stage.table);
            CHECK_INT(wr_aggregates_live(stage.aggregates, stage.rows[0]), ==, 5);
            const char *got = stage_show(&stage, 0, 0);
            if (strcmp(got, e->result) != 0)
                test_fail(__FILE__, __LINE__, "%s: %s, not %s", e->text, got, e->result);
            stage_add(&stage, stage.table, 0, 5);
            CHECK_INT(wr_aggregates_live(stage.aggregates, stage.rows[0]), ==, 0);
            stage_close(&stage);
        }
    }
}
