/* aggregates_funnel.c: funnel: how many of some conditions were met in their order.
 *
 * A row maps each number of met conditions to itself or, where the next one holds, to one more. A
 * state is the map that its rows make, one behind the other, so that states join as maps do: for
 * each number from 0 on, a byte that says how many more are met. All zero: no row. Where event time
 * decides, the collector keeps the rows in which any condition holds (WR_AGG_CONDITIONS). */
#include "expr/aggregates.h"
#include "base/banned.h"

static void funnel_step(uint8_t *more, uint32_t steps, uint32_t met) {
    for (uint32_t from = 0; from < steps; from++) {
        uint32_t next = from + more[from];
        more[from] = (uint8_t)(more[from] + (next < steps && (met >> next & 1)));
    }
}

static int funnel_add(AGG_ADD_PARAMS) {
    uint32_t steps = aggregate->arg_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = sel == NULL ? i : sel[i];
        uint32_t met = 0;
        for (uint32_t s = 0; s < steps; s++)
            met |= (uint32_t)(WR_BOOLS(&args[s])[row] && !wr_column_is_nil(&args[s], row)) << s;
        if (met != 0)
            funnel_step(rows[i] + aggregate->offset, steps, met);
    }
    AGG_UNUSED_ADD;
    return WR_OK;
}

static int funnel_merge(AGG_MERGE_PARAMS) {
    uint8_t *more = into + aggregate->offset;
    const uint8_t *behind = from + aggregate->offset;
    for (uint32_t s = 0; s < aggregate->arg_count; s++) {
        uint32_t next = s + more[s];
        if (next < aggregate->arg_count)
            more[s] = (uint8_t)(more[s] + behind[next]);
    }
    (void)table;
    return WR_OK;
}

static int funnel_result(AGG_RESULT_PARAMS) {
    for (uint32_t i = 0; i < count; i++)
        ((int64_t *)out)[i] = rows[i][aggregate->offset];
    AGG_UNUSED_RESULT;
    return WR_OK;
}

static const struct wr_aggregate_kernel *funnel_choose(struct wr_arena *arena,
                                                       const struct wr_type *args,
                                                       uint32_t arg_count, struct wr_type *type) {
    _Static_assert(WR_AGGREGATE_ARGS_MAX <= 32, "the conditions of a row are bits of a word");
    static const struct wr_aggregate_kernel kernels[] = {
        {.state_bytes = 8, .add = funnel_add, .merge = funnel_merge, .result = funnel_result},
        {.state_bytes = 16, .add = funnel_add, .merge = funnel_merge, .result = funnel_result},
        {.state_bytes = 24, .add = funnel_add, .merge = funnel_merge, .result = funnel_result},
        {.state_bytes = 32, .add = funnel_add, .merge = funnel_merge, .result = funnel_result},
    };
    (void)arena;
    *type = WR_TYPE(WR_INT64);
    for (uint32_t a = 0; a < arg_count; a++)
        if (args[a].kind != WR_BOOL)
            return NULL;
    return &kernels[(arg_count - 1) / 8];
}

const struct wr_aggregate_function wr_aggregates_funnel[] = {
    {.name = "funnel",
     .flags = WR_AGG_ORDERED | WR_AGG_COLLECTS | WR_AGG_CONDITIONS,
     .doc = "How many of the conditions were met in this order, each by a later row than the one "
            "before, by `order by`, else event time, else arrival; without any 0. A nil is not "
            "met. With event time all rows in which a condition holds are kept.",
     .signatures = AGG_TEXTS("(c bool…) int64"),
     .arg_min = 1,
     .arg_max = WR_AGGREGATE_ARGS_MAX,
     .choose = funnel_choose,
     .examples = AGG_EXAMPLES(
         {"funnel(s == 'a', x == 2, f == 2.0)", "3"}, {"funnel(x == 3, x == 1, x == 4)", "1"},
         {"funnel(x == 3, x == 1 order by x desc)", "2"}, {"funnel(x == 1, x == 1)", "1"})},
    {0},
};
