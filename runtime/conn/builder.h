/* builder.h: fills a batch row by row, for sources that get single values (SQLite, literal rows).
 * Files do not come this way: their decoders fill columns.
 * A row is begun by setting its values and counted by `wr_builder_next`; a row that is not counted
 * is overwritten by the following one. Memory is the batch's. */
#pragma once
#include <stdint.h>

#include "data/batch.h"
#include "data/value.h"

struct wr_error;
struct wr_zone;

struct wr_builder {
    struct wr_batch *batch;
    uint32_t row, row_max;
    uint64_t **valid;           /* by column */
    uint32_t *nil_count;        /* by column: nils among the counted rows and the one being set */
    uint8_t *row_nil;           /* by column: the row being set is nil there */
    uint32_t *record;           /* by row: its record number - origin.first_record */
    const struct wr_zone *zone; /* of timestamps without offset; NULL: UTC. The caller sets it */
};

/* A batch of `schema` with columns for `row_max` rows; columns whose bit is missing in `needed`
 * (NULL: all) get none. WR_ENOMEM when the budget is used up. */
int wr_builder_init(struct wr_builder *builder, struct wr_batch_pool *pool,
                    const struct wr_schema *schema, const uint64_t *needed, uint32_t row_max);
/* 1 when the column is wanted. */
static inline int wr_builder_wants(const struct wr_builder *builder, uint32_t column) {
    return builder->batch->columns[column].data != NULL;
}
void wr_builder_nil(struct wr_builder *builder, uint32_t column);
void wr_builder_int64(struct wr_builder *builder, uint32_t column, int64_t value);
void wr_builder_float64(struct wr_builder *builder, uint32_t column, double value);
void wr_builder_bool(struct wr_builder *builder, uint32_t column, int value);
void wr_builder_decimal(struct wr_builder *builder, uint32_t column, __int128 value);
/* Copies long ones into the batch's arena: WR_OK or WR_ENOMEM. */
int wr_builder_bytes(struct wr_builder *builder, uint32_t column, const char *bytes,
                     uint32_t length);
/* Reads text as a value of the column's type, as formats do. 0: it is no such value; 1: set. */
int wr_builder_text(struct wr_builder *builder, uint32_t column, const char *text, uint32_t length,
                    int *status);
/* The row is complete; `record` is its number less the batch's first. */
void wr_builder_next(struct wr_builder *builder, uint32_t record);
/* The batch with what was counted. NULL when no row was (the batch is given back). */
struct wr_batch *wr_builder_finish(struct wr_builder *builder);
