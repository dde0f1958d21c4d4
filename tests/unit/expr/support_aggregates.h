/* support_aggregates.h: a stage of aggregates bound from text, over the rows of a small world. */
#pragma once
#include "support_expr.h"

#include "data/reject.h"
#include "expr/aggregate.h"
#include "expr/function.h"
#include "state/key.h"
#include "state/table.h"

/* A world with its stage of aggregates, and a table of its state. */
struct stage {
    struct test_world world;
    struct wr_aggregates *aggregates;
    struct wr_table *table;
    const int64_t *weights; /* by row; NULL: append-only */
    struct wr_eval items_eval;
    struct wr_batch_pool pool;
    struct wr_batch *middle;
    uint8_t *rows[256]; /* of the groups, in order of the keys */
    uint32_t row_count;
    uint16_t fails[256], guilty[256];
};

void sample_rows(struct test_world *world);
int stage_bind(struct stage *stage, const char *group_by, const char *agg, unsigned flags);
void table_open(struct stage *stage);
void stage_add(struct stage *stage, struct wr_table *table, uint32_t from, uint32_t to);
void stage_fire(struct stage *stage, struct wr_table *table);
const char *stage_show(struct stage *stage, uint32_t item, uint32_t row);
void stage_close(struct stage *stage);
const char *one(struct stage *stage, const char *item);
