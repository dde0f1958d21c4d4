/* payload.h: whole rows in keyed state: the columns of a row as bytes of a table's row, exactly as
 * they were (keys of key.h are normalised), and back.
 * Layout: a bit for each column that is nil, in words of 8 bytes; then 8 bytes a column (bool,
 * int64, float64, timestamp, date, duration), 16 (decimal) or a struct wr_str (16), whose bytes lie
 * in the table when they are long. */
#pragma once
#include <stdint.h>

#include "data/batch.h"
#include "state/table.h"

struct wr_payload {
    uint32_t count;    /* columns that are kept */
    uint32_t bytes;    /* of one row; a multiple of 8 */
    uint32_t *columns; /* their numbers in the schema */
    uint32_t *offsets;
    struct wr_type *types;
    uint32_t cell_count;
    struct wr_cell *cells; /* strings, from the begin of the payload on */
};

/* Of the columns of `schema` whose bits are set in `wanted` (NULL: of all). */
int wr_payload_init(struct wr_payload *payload, struct wr_arena *arena,
                    const struct wr_schema *schema, const uint64_t *wanted);
/* Puts row `row` of a batch of that schema at `at`, in a row of `table`. WR_OK or WR_ENOMEM. */
int wr_payload_put(const struct wr_payload *payload, struct wr_table *table, uint8_t *at,
                   const struct wr_batch *in, uint32_t row);
/* The same of `count` rows, at at[i]; their long strings go into `texts`, by whose bytes *bytes
 * grows. What was there before is not given back. */
int wr_payload_put_rows(const struct wr_payload *payload, struct wr_arena *texts,
                        uint8_t *const *at, const struct wr_batch *in, const uint32_t *rows,
                        uint32_t count, uint64_t *bytes);
/* Copies a payload, of the same or of another table, over what is at `at` in a row of `table`.
 * WR_OK or WR_ENOMEM. */
int wr_payload_copy(const struct wr_payload *payload, struct wr_table *table, uint8_t *at,
                    const uint8_t *from);
/* Kept column `k` of `count` payloads as a dense column; a payload NULL is nil. Long strings are
 * copied into `arena`, so that the rows may go. WR_OK or WR_ENOMEM. */
int wr_payload_read(const struct wr_payload *payload, uint32_t k, const uint8_t *const *at,
                    uint32_t count, struct wr_arena *arena, struct wr_column *column);
/* Whether two payloads hold equal rows: nil equals nil, NaN equals NaN. */
int wr_payload_equal(const struct wr_payload *payload, const uint8_t *a, const uint8_t *b);
/* Order of kept column `k` of two payloads, as data/order.h has it. */
int wr_payload_compare(const struct wr_payload *payload, uint32_t k, const uint8_t *a,
                       const uint8_t *b);
/* The same of row `row` of `column` and a payload. */
int wr_payload_compare_row(const struct wr_payload *payload, uint32_t k,
                           const struct wr_column *column, uint32_t row, const uint8_t *at);
int wr_payload_is_nil(const uint8_t *at, uint32_t k);
/* Of row `row` of a batch of the schema: a hash of what would be kept, equal for equal rows, and
 * whether a payload holds an equal row. */
uint64_t wr_payload_hash(const struct wr_payload *payload, const struct wr_batch *in, uint32_t row,
                         uint64_t seed);
int wr_payload_holds(const struct wr_payload *payload, const uint8_t *at, const struct wr_batch *in,
                     uint32_t row);
