/* order.h: the one order of values: ascending, NaN after numbers, nil last, -0.0 equal to 0.0,
 * strings by bytes. Sorting, firing and merging go by it. */
#pragma once
#include <stdint.h>

#include "data/batch.h"

/* Negative, 0 or positive. Both columns are of `type`. */
int wr_cell_compare(const struct wr_type *type, const struct wr_column *a, uint32_t row_a,
                    const struct wr_column *b, uint32_t row_b);
