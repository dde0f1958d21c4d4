/* table_sorted.h: all rows of tables in the order of their keys, where not all of them are in
 * memory: sorted runs in the scratch file, and a merge of them.
 * Costs a write and a read of the rows; memory: about a quarter of apart->memory_bytes. */
#pragma once
#include "state/key.h"

struct wr_apart;
struct wr_sorted;

/* Adds what `from` says of a row to what `into` says, which was taken before it. */
typedef int (*wr_sorted_merge_fn)(void *ctx, struct wr_table *table, uint8_t *into,
                                  const uint8_t *from);

/* Whether rows of the table rest, or are in the store and too many for the memory. */
int wr_table_is_large(const struct wr_table *table, const struct wr_apart *apart);
/* For rows of tables like this one. WR_OK or WR_ENOMEM. */
int wr_sorted_new(struct wr_sorted **made, const struct wr_key_layout *layout,
                  const struct wr_table *like, struct wr_apart *apart);
/* Takes the rows out of a table, which is only good for wr_table_free then, whatever comes of it.
 * Several tables may have rows of one key. WR_OK or a negative status. */
int wr_sorted_take(struct wr_sorted *sorted, struct wr_table *table);
/* Up to `rows_max` rows, in a table of their own, which the caller frees; NULL: there are no more.
 * Nothing may be taken any more. `merge`: of rows of one key, in the order in which they were
 * taken; NULL: there are none. WR_OK or a negative status. */
int wr_sorted_next(struct wr_sorted *sorted, uint32_t rows_max, wr_sorted_merge_fn merge, void *ctx,
                   struct wr_table **rows);
void wr_sorted_free(struct wr_sorted *sorted); /* NULL is allowed */
