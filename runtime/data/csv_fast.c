#include "data/csv_fast.h"

#include "base/status.h"
#include "data/record_limit.h"
#include "data/simd.h"
#include "base/banned.h"

void wr_csv_fast_open(struct wr_csv_fast *fast, struct wr_rows *rows,
                      const struct wr_csv_options *options) {
    *fast = (struct wr_csv_fast){.rows = rows, .options = options};
    fast->record_bytes_max = wr_record_limit(rows->decoder);
    fast->run = wr_csv_run_plain;
#if defined(__x86_64__)
    if (wr_simd_level() == WR_SIMD_AVX2)
        fast->run = wr_csv_run_avx2;
    else if (wr_simd_level() == WR_SIMD_SSE)
        fast->run = wr_csv_run_sse;
#endif
}

static enum wr_csv_op op_of(const struct wr_slot *slot) {
    switch (slot->kind) {
    case WR_INT64: return WR_CSV_INT64;
    case WR_FLOAT64: return WR_CSV_FLOAT64;
    case WR_STRING: return WR_CSV_STRING;
    case WR_TIMESTAMP: return slot->field->time_format == NULL ? WR_CSV_TIMESTAMP : WR_CSV_OTHER;
    default: return WR_CSV_OTHER;
    }
}

int wr_csv_fast_map(struct wr_csv_fast *fast, struct wr_arena *arena, uint32_t field_count,
                    const uint32_t *slot_of, const uint8_t *slot_present) {
    struct wr_rows *rows = fast->rows;
    fast->step_count = 0;
    fast->absent_count = 0;
    fast->steps = WR_ARENA_ZEROS(arena, struct wr_csv_step, field_count);
    fast->absent = WR_ARENA_ARRAY(arena, uint32_t, rows->slot_count);
    if (fast->steps == NULL || fast->absent == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < field_count; i++) {
        struct wr_csv_step *step = &fast->steps[i];
        step->slot = slot_of[i];
        step->op = WR_CSV_SKIP;
        if (step->slot != UINT32_MAX && rows->slots[step->slot].checked)
            step->op = (uint8_t)op_of(&rows->slots[step->slot]);
    }
    for (uint32_t i = 0; i < rows->slot_count; i++)
        if (!slot_present[i] && rows->slots[i].checked)
            fast->absent[fast->absent_count++] = i;
    fast->step_count = field_count;
    if (rows->batch != NULL)
        wr_csv_fast_begin(fast);
    return WR_OK;
}

void wr_csv_fast_begin(struct wr_csv_fast *fast) {
    for (uint32_t i = 0; i < fast->step_count; i++)
        if (fast->steps[i].op != WR_CSV_SKIP)
            fast->steps[i].data = fast->rows->slots[fast->steps[i].slot].data;
}

const char *wr_csv_fast_rows(struct wr_csv_fast *fast, const char *at, const char *limit) {
    struct wr_rows *rows = fast->rows;
    if (fast->step_count == 0)
        return at;
    at = fast->run(fast, at, limit);
    if (at < limit && rows->row_count < rows->row_max) /* what the row that did not fit left */
        for (uint32_t i = 0; i < rows->slot_count; i++)
            if (rows->slots[i].valid != NULL)
                wr_bit_set(rows->slots[i].valid, rows->row_count);
    return at;
}
