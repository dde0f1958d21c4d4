/* table_rest.h: a table that rests in a scratch file: all its rows, with what the next save has to
 * know of them, and nothing in memory but where they lie. It comes back as it was, but for the
 * places of its rows. Costs a write and a read of the rows, and 16 bytes of memory for 64 KB. */
#pragma once
#include "state/scratch.h"
#include "state/table.h"

struct wr_rest {
    uint64_t row_count;
    uint8_t was_saved, has_changed; /* as of the table */
    uint64_t deleted_count;         /* keys in the first blob */
    uint32_t blob_count, blob_room;
    struct wr_scratch_blob *blobs;
};

/* Puts the table to rest: it is freed. After a failure it is as it was, and there is no rest. */
int wr_table_rest(struct wr_table *table, struct wr_budget *budget, struct wr_scratch *scratch,
                  struct wr_rest *rest, struct wr_error *err);
/* Fills `table`, which is new, of the same shape and seed. What rests stays there. After a failure
 * the table is only good for wr_table_free. */
int wr_table_wake(struct wr_table *table, struct wr_scratch *scratch, const struct wr_rest *rest,
                  struct wr_error *err);
/* Gives back what rests; one of zeros is allowed. */
void wr_rest_drop(struct wr_rest *rest, struct wr_budget *budget, struct wr_scratch *scratch);
