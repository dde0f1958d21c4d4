/* batch_origin.c: where rows came from: the record, line and byte of each, and the same for rows
 * that a stage made of others. */
#include <string.h>

#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

uint64_t wr_origin_record(const struct wr_origin *origin, uint32_t row) {
    return origin->first_record + (origin->record == NULL ? row : origin->record[row]);
}

uint64_t wr_origin_byte(const struct wr_origin *origin, uint32_t row) {
    if (origin->byte != NULL)
        return origin->byte[row];
    return origin->base_byte + (origin->start == NULL ? 0 : origin->start[row]);
}

uint64_t wr_origin_line(const struct wr_origin *origin, uint32_t row) {
    if (origin->line != NULL)
        return origin->line[row];
    uint64_t line = origin->base_line;
    if (line == 0 || origin->text == NULL || origin->start == NULL)
        return line;
    const char *at = origin->text, *end = origin->text + origin->start[row];
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        line++;
        at++;
    }
    return line;
}

/* Without values, row i has value i. */
static const uint32_t *gather_u32(struct wr_batch *batch, const uint32_t *values,
                                  const uint32_t *rows) {
    uint32_t *made = WR_ARENA_ARRAY(&batch->arena, uint32_t, batch->row_count + 1);
    for (uint32_t i = 0; made != NULL && i < batch->row_count; i++)
        made[i] = values == NULL ? rows[i] : values[rows[i]];
    return made;
}

static const uint64_t *gather_u64(struct wr_batch *batch, const uint64_t *values,
                                  const uint32_t *rows) {
    uint64_t *made = WR_ARENA_ARRAY(&batch->arena, uint64_t, batch->row_count + 1);
    for (uint32_t i = 0; made != NULL && i < batch->row_count; i++)
        made[i] = values[rows[i]];
    return made;
}

int wr_origin_gather(struct wr_batch *batch, struct wr_batch *in, const uint32_t *rows) {
    const struct wr_origin *from = &in->origin;
    struct wr_origin *to = &batch->origin;
    *to = *from;
    to->record = gather_u32(batch, from->record, rows);
    if (from->start != NULL)
        to->start = gather_u32(batch, from->start, rows);
    if (from->length != NULL)
        to->length = gather_u32(batch, from->length, rows);
    if (from->line != NULL)
        to->line = gather_u64(batch, from->line, rows);
    if (from->byte != NULL)
        to->byte = gather_u64(batch, from->byte, rows);
    wr_batch_hold(batch, in);
    if (to->record == NULL || (from->start != NULL && to->start == NULL) ||
        (from->length != NULL && to->length == NULL) || (from->line != NULL && to->line == NULL) ||
        (from->byte != NULL && to->byte == NULL))
        return WR_ENOMEM;
    return WR_OK;
}
