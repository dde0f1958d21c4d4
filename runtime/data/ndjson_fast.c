#include "data/ndjson_fast.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "data/record_limit.h"
#include "data/simd.h"
#include "base/banned.h"

#define LEARN_EVERY 64 /* rows that no template fits, before one is given up for another */

int wr_time_memo_set(struct wr_time_memo *memo, const char *text) {
    int64_t days;
    uint16_t day;
    if (!wr_date_parse(text, 10, &days))
        return 0;
    memcpy(&day, text + 8, 2);
    memo->year_month = wr_load64(text);
    memo->day = day;
    memo->day_us = days * WR_US_PER_DAY;
    return 1;
}

void wr_fast_open(struct wr_fast *fast, struct wr_json_row *row) {
    *fast = (struct wr_fast){.row = row};
    fast->record_bytes_max = wr_record_limit(row->rows.decoder);
    wr_arena_init(&fast->arena, &wr_budget_control, 8192);
    fast->run = wr_fast_run_plain;
#if defined(__x86_64__)
    if (wr_simd_level() == WR_SIMD_AVX2)
        fast->run = wr_fast_run_avx2;
    else if (wr_simd_level() == WR_SIMD_SSE)
        fast->run = wr_fast_run_sse;
#endif
}

void wr_fast_close(struct wr_fast *fast) {
    if (fast->row != NULL) /* opened */
        wr_arena_release(&fast->arena);
    fast->template_count = 0;
}

static void columns_set(struct wr_fast *fast, struct wr_template *template) {
    for (uint32_t i = 0; i < template->step_count; i++)
        if (template->steps[i].op > WR_STEP_SKIP)
            template->steps[i].data = fast->row->rows.slots[template->steps[i].slot].data;
}

void wr_fast_begin(struct wr_fast *fast) {
    for (uint32_t i = 0; i < fast->template_count; i++)
        columns_set(fast, &fast->templates[i]);
}

/* What a row that did not fit has left behind: nils of its first columns. */
static void row_clear(struct wr_rows *rows) {
    if (rows->row_count < rows->row_max)
        for (uint32_t i = 0; i < rows->slot_count; i++)
            if (rows->slots[i].valid != NULL)
                wr_bit_set(rows->slots[i].valid, rows->row_count);
}

const char *wr_fast_rows(struct wr_fast *fast, const char *at, const char *limit) {
    struct wr_rows *rows = &fast->row->rows;
    uint32_t tried = 0;
    while (tried < fast->template_count && at < limit && rows->row_count < rows->row_max) {
        struct wr_template *template = &fast->templates[fast->current];
        const char *before = at;
        at = fast->run(fast, template, at, limit);
        if (at != before) {
            template->used_at = fast->clock;
            tried = 0;
        }
        if (at == limit || rows->row_count == rows->row_max)
            break;
        row_clear(rows);
        fast->current = (fast->current + 1) % fast->template_count;
        tried++;
    }
    return at;
}

static enum wr_step_op step_of_slot(const struct wr_slot *slot, uint16_t *factor) {
    const char *format = slot->field->time_format;
    switch (slot->kind) {
    case WR_INT64: return WR_STEP_INT64;
    case WR_FLOAT64: return WR_STEP_FLOAT64;
    case WR_BOOL: return WR_STEP_BOOL;
    case WR_STRING: return WR_STEP_STRING;
    case WR_TIMESTAMP:
        if (format == NULL)
            return WR_STEP_TIMESTAMP;
        if (strcmp(format, "s") == 0)
            return *factor = 6, WR_STEP_EPOCH;
        if (strcmp(format, "ms") == 0)
            return *factor = 3, WR_STEP_EPOCH;
        if (strcmp(format, "us") == 0)
            return *factor = 0, WR_STEP_EPOCH;
        return WR_STEP_OTHER;
    default: return WR_STEP_OTHER;
    }
}

/* Appends steps for the bytes from `at` to `end`; the last one has the operation. */
static int literal_add(struct wr_template *template, const char *at, const char *end,
                       enum wr_step_op op) {
    do {
        size_t length = (size_t)(end - at);
        if (template->step_count == WR_TEMPLATE_STEPS_MAX)
            return 0;
        struct wr_step *step = &template->steps[template->step_count++];
        int is_last = length <= WR_LITERAL_MAX;
        length = is_last ? length : WR_LITERAL_MAX;
        memcpy(step->literal, at, length);
        step->literal_length = (uint8_t)length;
        step->literal_mask = length == 32 ? UINT32_MAX : (UINT32_C(1) << length) - 1;
        step->op = (uint8_t)(is_last ? op : WR_STEP_LITERAL);
        at += length;
    } while (at < end);
    return 1;
}

static int template_fill(struct wr_fast *fast, struct wr_template *template, const char *line,
                         const char *line_end) {
    struct wr_json_row *row = fast->row;
    const char *at = line;
    for (uint32_t i = 0; i < row->key_count; i++) {
        uint32_t slot = row->keys[i];
        enum wr_step_op op = WR_STEP_SKIP;
        uint16_t factor = 0;
        if (slot != UINT32_MAX && row->rows.slots[slot].checked)
            op = step_of_slot(&row->rows.slots[slot], &factor);
        if (!literal_add(template, at, row->key_at[i], op))
            return 0;
        template->steps[template->step_count - 1].slot = slot;
        template->steps[template->step_count - 1].factor = factor;
        at = row->key_end[i];
    }
    template->line_end_length = line_end - line > 1 && line_end[-2] == '\r' ? 2 : 1;
    return literal_add(template, at, line_end, WR_STEP_END);
}

static void absent_fill(struct wr_fast *fast, struct wr_template *template) {
    for (uint32_t i = 0; i < fast->row->rows.slot_count; i++)
        if (fast->row->rows.slots[i].checked && fast->row->values[i].at == NULL)
            template->absent[template->absent_count++] = i;
}

/* Memory for a template, once. */
static int template_reserve(struct wr_fast *fast, struct wr_template *template) {
    if (template->steps == NULL)
        template->steps = WR_ARENA_ARRAY(&fast->arena, struct wr_step, WR_TEMPLATE_STEPS_MAX);
    if (template->absent == NULL)
        template->absent = WR_ARENA_ARRAY(&fast->arena, uint32_t, fast->row->rows.slot_count);
    if (template->steps == NULL || template->absent == NULL)
        return WR_ENOMEM;
    template->step_count = template->absent_count = 0;
    memset(template->steps, 0, sizeof *template->steps * WR_TEMPLATE_STEPS_MAX);
    return WR_OK;
}

/* Where a new template goes: a free place, or that of the one which has not been of use longest. */
static uint32_t template_place(const struct wr_fast *fast) {
    uint32_t oldest = 0;
    if (fast->template_count < WR_TEMPLATES_MAX)
        return fast->template_count;
    for (uint32_t i = 1; i < WR_TEMPLATES_MAX; i++)
        if (fast->templates[i].used_at < fast->templates[oldest].used_at)
            oldest = i;
    return oldest;
}

int wr_fast_learn(struct wr_fast *fast, const char *line, const char *line_end) {
    struct wr_json_row *row = fast->row;
    fast->clock++;
    if (row->keys_twice || row->key_count >= WR_TEMPLATE_STEPS_MAX || row->key_count == 0 ||
        (fast->template_count == WR_TEMPLATES_MAX && fast->clock % LEARN_EVERY != 0))
        return WR_OK;
    struct wr_template *made = &fast->templates[WR_TEMPLATES_MAX];
    int status = template_reserve(fast, made);
    if (status != WR_OK || !template_fill(fast, made, line, line_end))
        return status;
    absent_fill(fast, made);
    columns_set(fast, made);
    made->used_at = fast->clock;
    uint32_t place = template_place(fast);
    struct wr_template before = fast->templates[place];
    fast->templates[place] = *made;
    *made = before;
    fast->template_count += place == fast->template_count;
    fast->current = place;
    return WR_OK;
}
