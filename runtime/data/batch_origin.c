/* batch_origin.c: where rows came from: the record, line and byte of each, and the same for rows
 * that a stage made of others. */
#include <string.h>

#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

uint64_t wr_origin_record(const struct wr_origin *origin, uint32_t row) {
    return origin->first_record + (origin->record == NULL ? row : origin->record[row]);
}

uint64_t wr_origin_number(const struct wr_origin *origin, uint32_t row) {
    if (origin->maker == 0 || origin->source == NULL)
        return wr_origin_record(origin, row);
    return origin->made_first + (origin->made == NULL ? row : origin->made[row]);
}

uint64_t wr_origin_byte(const struct wr_origin *origin, uint32_t row) {
    if (origin->byte != NULL)
        return origin->byte[row];
    return origin->base_byte + (origin->start == NULL ? 0 : origin->start[row]);
}

/* `line` is that of byte `from` of the text. */
static uint64_t line_after(const struct wr_origin *origin, uint32_t row, uint64_t line,
                           uint32_t from) {
    if (origin->line != NULL)
        return origin->line[row];
    if (line == 0 || origin->text == NULL || origin->start == NULL)
        return line;
    const char *at = origin->text + from, *end = origin->text + origin->start[row];
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        line++;
        at++;
    }
    return line;
}

uint64_t wr_origin_line(const struct wr_origin *origin, uint32_t row) {
    return line_after(origin, row, origin->base_line, 0);
}

static int kept_origin(const struct wr_batch *batch, uint32_t row, struct wr_row_origin *made) {
    const struct wr_origins *origins = batch->origins;
    const struct wr_place *place = origins->place[row];
    *made = (struct wr_row_origin){.record = origins->record[row]};
    if (place == NULL)
        return 0;
    made->source = place->source;
    made->file = place->file;
    made->number = place->number;
    made->partition = place->partition;
    made->tried = place->tried;
    if (origins->length == NULL || (origins->line[row] == 0 && origins->raw[row] == NULL))
        return 1;
    made->has_byte = 1;
    made->line = origins->line[row];
    made->byte = origins->byte[row];
    made->raw = origins->raw[row];
    made->raw_length = origins->length[row];
    return 1;
}

int wr_batch_origin_next(const struct wr_batch *batch, uint32_t row, struct wr_row_origin *made) {
    const struct wr_origin *origin = &batch->origin;
    struct wr_row_origin before = *made;
    if (batch->origins != NULL)
        return kept_origin(batch, row, made);
    *made = (struct wr_row_origin){.source = origin->source,
                                   .file = origin->file,
                                   .number = batch->source,
                                   .partition = batch->partition,
                                   .tried = origin->tried};
    if (origin->source == NULL)
        return 0;
    made->record = wr_origin_record(origin, row);
    if (origin->start == NULL)
        return 1;
    int on = before.has_byte && before.start <= origin->start[row];
    made->has_byte = 1;
    made->start = origin->start[row];
    made->line =
        line_after(origin, row, on ? before.line : origin->base_line, on ? before.start : 0);
    made->byte = wr_origin_byte(origin, row);
    if (origin->text != NULL) {
        made->raw = origin->text + origin->start[row];
        made->raw_length = origin->length[row];
    }
    return 1;
}

int wr_batch_origin(const struct wr_batch *batch, uint32_t row, struct wr_row_origin *made) {
    *made = (struct wr_row_origin){0};
    return wr_batch_origin_next(batch, row, made);
}

/* Without values, row i has value i. */
static uint32_t *gather_u32(struct wr_batch *batch, const uint32_t *values, const uint32_t *rows) {
    uint32_t *made = WR_ARENA_ARRAY(&batch->arena, uint32_t, batch->row_count + 1);
    for (uint32_t i = 0; made != NULL && i < batch->row_count; i++)
        made[i] = values == NULL ? rows[i] : values[rows[i]];
    return made;
}

static uint64_t *gather_u64(struct wr_batch *batch, const uint64_t *values, const uint32_t *rows) {
    uint64_t *made = WR_ARENA_ARRAY(&batch->arena, uint64_t, batch->row_count + 1);
    for (uint32_t i = 0; made != NULL && i < batch->row_count; i++)
        made[i] = values[rows[i]];
    return made;
}

/* Texts stay where they are: `batch` holds `in`. */
static int gather_kept(struct wr_batch *batch, const struct wr_batch *in, const uint32_t *rows) {
    const struct wr_origins *from = in->origins;
    struct wr_origins *to = WR_ARENA_ZEROS(&batch->arena, struct wr_origins, 1);
    uint32_t count = batch->row_count;
    if (to == NULL)
        return WR_ENOMEM;
    to->room = count + 1;
    to->place = WR_ARENA_ARRAY(&batch->arena, const struct wr_place *, to->room);
    to->record = WR_ARENA_ARRAY(&batch->arena, uint64_t, to->room);
    if (to->place == NULL || to->record == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        to->place[i] = from->place[rows[i]];
        to->record[i] = from->record[rows[i]];
    }
    batch->origins = to;
    if (from->length == NULL)
        return WR_OK;
    to->raw = WR_ARENA_ARRAY(&batch->arena, const char *, to->room);
    to->line = gather_u64(batch, from->line, rows);
    to->byte = gather_u64(batch, from->byte, rows);
    to->length = gather_u32(batch, from->length, rows);
    if (to->raw == NULL || to->line == NULL || to->byte == NULL || to->length == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        to->raw[i] = from->raw[rows[i]];
    return WR_OK;
}

int wr_origin_gather(struct wr_batch *batch, struct wr_batch *in, const uint32_t *rows) {
    const struct wr_origin *from = &in->origin;
    struct wr_origin *to = &batch->origin;
    *to = *from;
    to->record = gather_u32(batch, from->record, rows);
    to->made = gather_u32(batch, from->made, rows);
    if (from->start != NULL)
        to->start = gather_u32(batch, from->start, rows);
    if (from->length != NULL)
        to->length = gather_u32(batch, from->length, rows);
    if (from->line != NULL)
        to->line = gather_u64(batch, from->line, rows);
    if (from->byte != NULL)
        to->byte = gather_u64(batch, from->byte, rows);
    wr_batch_hold(batch, in);
    if (in->origins != NULL && gather_kept(batch, in, rows) != WR_OK)
        return WR_ENOMEM;
    if (to->record == NULL || to->made == NULL || (from->start != NULL && to->start == NULL) ||
        (from->length != NULL && to->length == NULL) || (from->line != NULL && to->line == NULL) ||
        (from->byte != NULL && to->byte == NULL))
        return WR_ENOMEM;
    return WR_OK;
}
