/* reject_entry.c: from a reject to its texts, to bytes and back. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/codec.h"
#include "data/time.h"
#include "exec/past.h"
#include "exec/reject.h"
#include "exec/stop.h"
#include "exec/unit.h"
#include "base/banned.h"

#define LINE_OF_MAKER (UINT32_C(1) << 31)
#define TRIED_BIT 2 /* beside `only_warns` */

/* How rows of a schema are shown: the columns that a person knows (those that weir makes for itself
 * stand behind them, under names that no script can write), with an encoder for them. */
struct shown {
    const struct wr_schema *of, *columns;
    struct wr_encoder *encoder;
    struct shown *next;
};

struct reject_maker {
    struct wr_run *run;
    struct wr_buf text; /* scratch */
    struct shown *shown;
};

int reject_maker_new(struct reject_maker **made, struct wr_run *run) {
    struct reject_maker *maker = WR_ARENA_ZEROS(&run->arena, struct reject_maker, 1);
    if (maker == NULL)
        return WR_ENOMEM;
    maker->run = run;
    wr_buf_init(&maker->text, &run->input_budget, 0);
    *made = maker;
    return WR_OK;
}

void reject_maker_free(struct reject_maker *maker) {
    if (maker == NULL)
        return;
    for (struct shown *shown = maker->shown; shown != NULL; shown = shown->next) {
        if (shown->encoder->type->close != NULL)
            shown->encoder->type->close(shown->encoder);
        wr_free(&wr_budget_control, shown->encoder);
    }
    wr_buf_release(&maker->text);
}

static const struct wr_schema *shown_columns(struct wr_arena *arena,
                                             const struct wr_schema *schema) {
    uint32_t count = schema->field_count;
    while (count > 0 && schema->fields[count - 1].name[0] == 1)
        count--;
    if (count == schema->field_count)
        return schema;
    struct wr_schema *shown = wr_schema_new(arena, count);
    if (shown != NULL && count > 0)
        memcpy(shown->fields, schema->fields, count * sizeof *shown->fields);
    return shown;
}

/* Schemas are of the plan, and few. */
static struct shown *shown_of(struct reject_maker *maker, const struct wr_schema *schema) {
    for (struct shown *shown = maker->shown; shown != NULL; shown = shown->next)
        if (shown->of == schema)
            return shown;
    struct wr_arena *arena = &maker->run->arena;
    const struct wr_encoder_type *type = wr_encoder_find("ndjson");
    struct shown *shown = WR_ARENA_ZEROS(arena, struct shown, 1);
    const struct wr_schema *columns = shown_columns(arena, schema);
    if (shown == NULL || columns == NULL)
        return NULL;
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (encoder == NULL)
        return NULL;
    encoder->type = type;
    encoder->schema = columns;
    if (type->open != NULL && type->open(encoder, NULL) != WR_OK) {
        wr_free(&wr_budget_control, encoder);
        return NULL;
    }
    *shown =
        (struct shown){.of = schema, .columns = columns, .encoder = encoder, .next = maker->shown};
    maker->shown = shown;
    return shown;
}

/* ---- texts ---- */

struct keeper {
    struct wr_arena *arena;
    int no_memory;
};

static const char *keep(struct keeper *keeper, const char *text, size_t length) {
    const char *copy = text == NULL ? NULL : wr_arena_strndup(keeper->arena, text, length);
    keeper->no_memory |= text != NULL && copy == NULL;
    return copy;
}

static const char *keep_text(struct keeper *keeper, const char *text) {
    return text == NULL ? NULL : keep(keeper, text, strlen(text));
}

/* The row as JSON: the columns that were converted. */
static int row_json(struct reject_maker *maker, struct keeper *keeper,
                    const struct wr_reject *reject, struct reject_entry *entry) {
    const struct shown *shown = shown_of(maker, reject->batch->schema);
    if (shown == NULL)
        return WR_ENOMEM;
    struct wr_batch one = wr_batch_look(reject->batch);
    one.schema = shown->columns;
    one.sel = &reject->row;
    one.sel_count = 1;
    wr_buf_clear(&maker->text);
    int status = shown->encoder->type->encode(shown->encoder, &one, &maker->text);
    if (status == WR_OK && maker->text.length > 0) {
        entry->row_length = (uint32_t)maker->text.length - 1; /* without the newline */
        entry->row_json = keep(keeper, maker->text.bytes, entry->row_length);
    }
    return status;
}

/* Of a record that could not be decoded at all. */
static void place_of_record(struct keeper *keeper, const struct unit *unit,
                            const struct wr_reject *reject, struct reject_entry *entry) {
    char text[96];
    if (reject->line == 0) /* of a database: it has rows, and no lines */
        snprintf(text, sizeof text, "row %llu", (unsigned long long)reject->record + 1);
    else
        snprintf(text, sizeof text, "line %llu byte %llu", (unsigned long long)reject->line,
                 (unsigned long long)reject->byte);
    WR_ASSERT(unit->source != NULL);
    entry->source = unit->source->source;
    entry->partition = unit->source->partition;
    entry->record = entry->number = reject->record;
    entry->line = unit->number;
    entry->is_read = 1;
    entry->source_name = keep_text(keeper, reject->file);
    entry->tried = reject->tried;
    entry->position = keep_text(keeper, text);
    if (reject->raw != NULL) {
        entry->raw = keep(keeper, reject->raw, reject->raw_length);
        entry->raw_length = reject->raw_length;
    }
}

static void place_of_row(struct keeper *keeper, const struct wr_run *run,
                         const struct wr_reject *reject, struct reject_entry *entry) {
    const struct wr_batch *batch = reject->batch;
    struct wr_row_origin origin;
    char text[96];
    entry->line = run_line(run, batch);
    entry->number = wr_origin_number(&batch->origin, reject->row);
    entry->is_read = batch->origin.source != NULL;
    const struct wr_batch *in_hand = entry->unit->in_hand;
    if (entry->line == UINT32_MAX && batch->cause != NULL && in_hand != NULL) {
        entry->line = run_line(run, in_hand); /* of the row that caused it */
        entry->number = wr_origin_number(&in_hand->origin, batch->cause[reject->row]);
    }
    int has_place = wr_batch_origin(batch, reject->row, &origin);
    entry->source_name = keep_text(keeper, origin.file != NULL ? origin.file : origin.source);
    if (!has_place)
        return; /* made of many rows: only the row itself tells what it was */
    entry->source = origin.number;
    entry->partition = origin.partition;
    entry->record = origin.record;
    entry->tried = origin.tried;
    if (!origin.has_byte) {
        snprintf(text, sizeof text, "row %llu", (unsigned long long)origin.record + 1);
    } else {
        snprintf(text, sizeof text, "line %llu byte %llu", (unsigned long long)origin.line,
                 (unsigned long long)origin.byte);
        entry->raw_length = origin.raw_length;
        entry->raw = keep(keeper, origin.raw, origin.raw_length);
    }
    entry->position = keep_text(keeper, text);
}

static const char *detail_of(struct keeper *keeper, const struct wr_reject *reject) {
    const struct wr_batch *batch = reject->batch;
    if (reject->detail != NULL || reject->code != WR_REJECT_LATE || batch->behind == NULL ||
        batch->behind[reject->row] <= batch->event_time[reject->row])
        return keep_text(keeper, reject->detail);
    char by[WR_TIME_TEXT_MAX], text[WR_TIME_TEXT_MAX + 16];
    wr_duration_format_short(batch->behind[reject->row] - batch->event_time[reject->row], by);
    snprintf(text, sizeof text, "late by %s", by);
    return keep_text(keeper, text);
}

int reject_entry_make(struct reject_maker *maker, struct wr_arena *arena, struct unit *unit,
                      const struct wr_reject *reject, int with_row, struct reject_entry *entry) {
    const struct wr_batch *batch = reject->batch;
    struct keeper keeper = {.arena = arena};
    *entry = (struct reject_entry){.source = UINT32_MAX,
                                   .partition = UINT32_MAX,
                                   .record = UINT64_MAX,
                                   .line = UINT32_MAX,
                                   .row = batch == NULL ? 0 : reject->row,
                                   .unit = unit,
                                   .code = reject->code,
                                   .only_warns = reject->only_warns,
                                   .at = WR_TIME_MIN};
    if (batch != NULL && batch->event_time != NULL)
        entry->at = batch->event_time[reject->row];
    if (batch == NULL)
        place_of_record(&keeper, unit, reject, entry);
    else
        place_of_row(&keeper, unit->run, reject, entry);
    entry->reason =
        reject->reason == NULL ? wr_reject_text(reject->code) : keep_text(&keeper, reject->reason);
    entry->detail = detail_of(&keeper, reject);
    int status = WR_OK;
    if (batch != NULL && !reject->only_warns && with_row)
        status = row_json(maker, &keeper, reject, entry);
    return keeper.no_memory ? WR_ENOMEM : status;
}

/* ---- order, bytes ---- */

int reject_entry_order(const void *a, const void *b) {
    const struct reject_entry *x = a, *y = b;
    const uint32_t nodes[2] = {run_number(x->unit->run, x->unit->node->id),
                               run_number(y->unit->run, y->unit->node->id)};
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->record != y->record)
        return x->record < y->record ? -1 : 1;
    if (nodes[0] != nodes[1])
        return nodes[0] < nodes[1] ? -1 : 1;
    if (!reject_has_record(x)) { /* of groups: in no order that depends on their shards */
        if (x->at != y->at)
            return x->at < y->at ? -1 : 1;
        int by =
            strcmp(x->row_json == NULL ? "" : x->row_json, y->row_json == NULL ? "" : y->row_json);
        if (by != 0)
            return by;
    }
    if (x->turn != y->turn)
        return x->turn < y->turn ? -1 : 1;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void add_big_endian(struct wr_buf *out, uint64_t value, int bytes) {
    while (bytes-- > 0)
        wr_buf_add_char(out, (char)(value >> (8 * bytes)));
}

int reject_entry_key(const struct reject_entry *entry, struct wr_buf *out) {
    add_big_endian(out, entry->source, 4);
    add_big_endian(out, entry->partition, 4);
    add_big_endian(out, entry->record, 8);
    add_big_endian(out, run_number(entry->unit->run, entry->unit->node->id), 4);
    if (!reject_has_record(entry)) {
        add_big_endian(out, (uint64_t)entry->at ^ (UINT64_C(1) << 63), 8);
        wr_buf_add(out, entry->row_json, entry->row_length);
        wr_buf_add_char(out, 0);
    }
    add_big_endian(out, entry->turn, 8);
    add_big_endian(out, entry->batch, 8);
    add_big_endian(out, entry->row, 4);
    return wr_buf_add_u32(out, __builtin_bswap32(entry->sequence));
}

/* The length and 1 more, 0 for none; then the bytes and a 0. */
static void save_text(struct wr_buf *out, const char *text, uint64_t length) {
    wr_buf_add_varint(out, text == NULL ? 0 : length + 1);
    if (text != NULL) {
        wr_buf_add(out, text, length);
        wr_buf_add_char(out, 0);
    }
}

static void save_cstr(struct wr_buf *out, const char *text) {
    save_text(out, text, text == NULL ? 0 : strlen(text));
}

static const char *load_text(struct wr_reader *in, uint32_t *length) {
    uint64_t more = wr_reader_varint(in);
    if (more == 0 || more > UINT32_MAX)
        return NULL;
    const char *text = wr_reader_bytes(in, more);
    if (text != NULL && length != NULL)
        *length = (uint32_t)more - 1;
    return text;
}

/* Lanes may come while it lies there: lines of makers count apart. */
static uint32_t stored_line(const struct wr_run *run, uint32_t line) {
    return line == UINT32_MAX || line < run->lane_count ? line
                                                        : LINE_OF_MAKER | (line - run->lane_count);
}

static uint32_t line_of_stored(const struct wr_run *run, uint32_t stored) {
    return stored == UINT32_MAX || stored < LINE_OF_MAKER
               ? stored
               : (stored & ~LINE_OF_MAKER) + run->lane_count;
}

int reject_entry_save(const struct reject_entry *entry, struct wr_buf *out) {
    const struct unit *unit = entry->unit;
    wr_buf_add_u32(out, run_number(unit->run, unit->node->id));
    wr_buf_add_u32(out, unit->lane == LANE_CENTRAL ? 0 : unit->lane);
    wr_buf_add_u32(out, entry->source);
    wr_buf_add_u32(out, entry->partition);
    wr_buf_add_u64(out, entry->record);
    wr_buf_add_u32(out, stored_line(unit->run, entry->line));
    wr_buf_add_u64(out, entry->number);
    wr_buf_add_char(out, (char)entry->is_read);
    wr_buf_add_u32(out, (uint32_t)entry->code);
    wr_buf_add_char(out, (char)(entry->only_warns | (entry->tried > 0 ? TRIED_BIT : 0)));
    if (entry->tried > 0)
        wr_buf_add_varint(out, entry->tried);
    wr_buf_add_u64(out, (uint64_t)entry->at);
    save_cstr(out, entry->reason);
    save_cstr(out, entry->detail);
    save_cstr(out, entry->source_name);
    save_cstr(out, entry->position);
    save_text(out, entry->raw, entry->raw_length);
    save_text(out, entry->row_json, entry->row_length);
    return out->status;
}

int reject_entry_load(const struct wr_run *run, struct wr_reader *in, struct reject_entry *entry) {
    uint32_t node = run_node_numbered(run, wr_reader_u32(in)), instance = wr_reader_u32(in);
    *entry = (struct reject_entry){0};
    if (node == PAST_NONE) /* its stage is gone, and what it rejected with it */
        return in->failed ? WR_ECORRUPT : WR_OK;
    if (instance >= run->unit_counts[node])
        return WR_ECORRUPT;
    entry->unit = run->units[run->first_unit[node] + instance];
    entry->source = wr_reader_u32(in);
    entry->partition = wr_reader_u32(in);
    entry->record = wr_reader_u64(in);
    entry->line = line_of_stored(run, wr_reader_u32(in));
    entry->number = wr_reader_u64(in);
    const char *is_read = wr_reader_bytes(in, 1);
    entry->is_read = is_read != NULL && *is_read != 0;
    entry->code = (int)wr_reader_u32(in);
    const char *flags = wr_reader_bytes(in, 1);
    entry->only_warns = flags != NULL && (*flags & ~TRIED_BIT) != 0;
    if (flags != NULL && (*flags & TRIED_BIT))
        entry->tried = (uint32_t)wr_reader_varint(in);
    entry->at = (int64_t)wr_reader_u64(in);
    entry->reason = load_text(in, NULL);
    entry->detail = load_text(in, NULL);
    entry->source_name = load_text(in, NULL);
    entry->position = load_text(in, NULL);
    entry->raw = load_text(in, &entry->raw_length);
    entry->row_json = load_text(in, &entry->row_length);
    int is_known =
        (!reject_has_record(entry) || run_has_lane(run, entry->source, entry->partition)) &&
        (entry->line == UINT32_MAX || entry->line < run->lane_count + run->maker_count);
    return in->failed || !is_known ? WR_ECORRUPT : WR_OK;
}
