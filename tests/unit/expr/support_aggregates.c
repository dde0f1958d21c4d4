#include "support_aggregates.h"

/* The rows that the examples of the function tables are about. */
void sample_rows(struct test_world *world) {
    static const char *const x[] = {"1", "2", "nil", "3", "4"};
    static const char *const s[] = {"'a'", "'b'", "'b'", "nil", "'a'"};
    static const char *const f[] = {"0.5", "nil", "0.5", "1.0", "2.0"};
    test_world_init(world);
    test_world_column(world, "x", "int64", 5, x);
    test_world_column(world, "s", "string", 5, s);
    test_world_column(world, "f", "float64", 5, f);
}

int stage_bind(struct stage *stage, const char *group_by, const char *agg, unsigned flags) {
    struct wr_arena *arena = &stage->world.arena;
    const struct wr_value *keys = group_by == NULL ? NULL : test_parse_list(arena, group_by);
    return wr_aggregates_bind(&stage->aggregates, &stage->world.scope, keys,
                              test_parse_list(arena, agg), flags, &stage->world.err);
}

void table_open(struct stage *stage) {
    stage->table = wr_table_new(&wr_budget_control, &stage->aggregates->shape, 42);
    CHECK(stage->table != NULL);
}

/* Adds rows `from` … `to` - 1 of the world's batch. */
void stage_add(struct stage *stage, struct wr_table *table, uint32_t from, uint32_t to) {
    struct test_world *world = &stage->world;
    const struct wr_aggregates *a = stage->aggregates;
    uint32_t sel[65536];
    uint32_t count = to - from;
    for (uint32_t i = 0; i < count; i++)
        sel[i] = from + i;
    struct wr_batch batch = world->batch;
    batch.sel = sel;
    batch.sel_count = count;
    if (stage->weights != NULL)
        batch.weight = stage->weights;
    CHECK_INT(wr_list_run(a->inputs, &world->eval, &batch, &world->arena), ==, WR_OK);
    CHECK_INT(world->eval.fail_count, ==, 0);
    struct wr_column keys[WR_KEY_COLUMNS_MAX];
    for (uint32_t k = 0; k < a->key_count; k++) {
        const struct wr_item *item = &a->inputs->items[k];
        keys[k] =
            item->output >= 0 ? world->eval.outputs[item->output] : batch.columns[item->column];
    }
    void *packed = wr_arena_alloc(&world->arena, (size_t)count * a->layout.key_bytes + 64);
    uint64_t *hashes = WR_ARENA_ARRAY(&world->arena, uint64_t, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(&world->arena, uint8_t *, count + 1);
    wr_keys_build(&a->layout, keys, sel, count, wr_table_seed(table), packed, hashes);
    CHECK_INT(wr_table_upsert(table, packed, hashes, count, rows, NULL), ==, WR_OK);
    CHECK_INT(wr_aggregates_add(a, &world->eval, table, rows, &batch, sel, count), ==, WR_OK);
}

/* Reads the results of all groups, in the order of their keys. */
void stage_fire(struct stage *stage, struct wr_table *table) {
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    stage->row_count = 0;
    for (uint8_t *row; (row = wr_table_walk_next(&walk)) != NULL;)
        stage->rows[stage->row_count++] = row;
    wr_keys_sort(&stage->aggregates->layout, stage->rows, stage->row_count);
    wr_batch_pool_init(&stage->pool, &wr_budget_control);
    stage->middle = wr_batch_new(&stage->pool, stage->aggregates->middle);
    CHECK(stage->middle != NULL);
    CHECK_INT(wr_aggregates_result(stage->aggregates, stage->rows, stage->row_count, stage->middle,
                                   stage->fails, stage->guilty),
              ==, WR_OK);
    wr_eval_init(&stage->items_eval, &wr_budget_control);
    CHECK_INT(wr_list_run(stage->aggregates->items, &stage->items_eval, stage->middle,
                          &stage->middle->arena),
              ==, WR_OK);
}

const char *stage_show(struct stage *stage, uint32_t item, uint32_t row) {
    static char text[64];
    if (stage->fails[row] != 0) {
        snprintf(text, sizeof text, "fails W%d", stage->fails[row]);
        return text;
    }
    const struct wr_item *it = &stage->aggregates->items->items[item];
    const struct wr_column *column = it->output >= 0 ? &stage->items_eval.outputs[it->output]
                                                     : &stage->middle->columns[it->column];
    return test_show(&it->type, column, row);
}

void stage_close(struct stage *stage) {
    if (stage->middle != NULL) {
        wr_batch_unref(stage->middle);
        wr_batch_pool_release(&stage->pool);
        wr_eval_release(&stage->items_eval);
    }
    if (stage->table != NULL)
        wr_table_free(stage->table);
    test_world_release(&stage->world);
}

/* The first item over all rows of a world as one group. */
const char *one(struct stage *stage, const char *item) {
    char text[512];
    snprintf(text, sizeof text, "r = %s", item);
    if (stage_bind(stage, NULL, text, 0) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s %s", item, stage->world.err.code,
                  stage->world.err.text);
    table_open(stage);
    stage_add(stage, stage->table, 0, stage->world.batch.row_count);
    stage_fire(stage, stage->table);
    return stage_show(stage, 0, 0);
}
