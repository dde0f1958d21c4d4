#include "exec/past.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "graph/plan.h"
#include "base/banned.h"

#define PAST_VERSION 1

const char *past_kind_text(int kind) {
    return kind == WR_NODE_SOURCE ? "source" : kind == WR_NODE_SINK ? "sink" : "stage";
}

static void save_text(struct wr_buf *out, const char *text) {
    size_t length = text == NULL ? 0 : strlen(text);
    wr_buf_add_varint(out, length);
    wr_buf_add(out, text == NULL ? "" : text, length);
}

static void save_stage(const struct past_stage *stage, struct wr_buf *out) {
    const char *const texts[] = {stage->stage, stage->given, stage->address, stage->place};
    wr_buf_add_varint(out, stage->number);
    wr_buf_add_char(out, (char)stage->kind);
    wr_buf_add_char(out, (char)stage->keeps);
    wr_buf_add_char(out, (char)stage->observed);
    wr_buf_add_char(out, (char)stage->asks_origins);
    for (size_t i = 0; i < WR_COUNT(texts); i++)
        save_text(out, texts[i]);
    wr_buf_add_u64(out, stage->own);
    wr_buf_add_u64(out, stage->meaning);
    wr_buf_add_u64(out, stage->schema);
    wr_buf_add_varint(out, stage->born);
    wr_buf_add_varint(out, stage->units);
    wr_buf_add_u32(out, stage->ordinal);
    wr_buf_add_varint(out, stage->first_maker);
    wr_buf_add_varint(out, stage->input_count);
    for (uint32_t i = 0; i < stage->input_count; i++)
        wr_buf_add_varint(out, stage->inputs[i]);
    wr_buf_add_varint(out, stage->column_words);
    for (uint32_t i = 0; i < stage->column_words; i++) {
        wr_buf_add_u64(out, stage->needed[i]);
        wr_buf_add_u64(out, stage->shown[i]);
    }
    wr_buf_add_varint(out, stage->fact_count);
    for (uint32_t i = 0; i < stage->fact_count; i++) {
        save_text(out, stage->facts[i].name);
        wr_buf_add_u64(out, stage->facts[i].hash);
    }
}

int past_save(const struct past *past, struct wr_buf *out) {
    wr_buf_add_varint(out, PAST_VERSION);
    save_text(out, past->script);
    wr_buf_add_u64(out, past->record_limit);
    wr_buf_add_varint(out, past->next_number);
    wr_buf_add_varint(out, past->maker_count);
    wr_buf_add_varint(out, past->source_count);
    for (uint32_t i = 0; i < past->source_count; i++)
        wr_buf_add_varint(out, past->lanes[i]);
    wr_buf_add_varint(out, past->stage_count);
    for (uint32_t i = 0; i < past->stage_count; i++)
        save_stage(&past->stages[i], out);
    return out->status;
}

/* A count of things that take a byte each at least. */
static uint32_t load_count(struct wr_reader *in) {
    uint64_t count = wr_reader_varint(in);
    if (in->failed || count > in->length - in->at)
        in->failed = 1;
    return in->failed ? 0 : (uint32_t)count;
}

static const char *load_text(struct wr_arena *arena, struct wr_reader *in) {
    uint32_t length = load_count(in);
    const char *bytes = wr_reader_bytes(in, length);
    return wr_arena_strndup(arena, bytes == NULL ? "" : bytes, bytes == NULL ? 0 : length);
}

static uint8_t load_char(struct wr_reader *in) {
    const char *byte = wr_reader_bytes(in, 1);
    return byte == NULL ? 0 : (uint8_t)*byte;
}

/* The lists of a stage. */
static int load_lists(struct past_stage *stage, struct wr_arena *arena, struct wr_reader *in) {
    stage->input_count = load_count(in);
    uint32_t *inputs = WR_ARENA_ARRAY(arena, uint32_t, stage->input_count + 1);
    for (uint32_t i = 0; inputs != NULL && i < stage->input_count; i++)
        inputs[i] = (uint32_t)wr_reader_varint(in);
    stage->column_words = load_count(in);
    uint64_t *needed = WR_ARENA_ARRAY(arena, uint64_t, stage->column_words + 1);
    uint64_t *shown = WR_ARENA_ARRAY(arena, uint64_t, stage->column_words + 1);
    for (uint32_t i = 0; needed != NULL && shown != NULL && i < stage->column_words; i++) {
        needed[i] = wr_reader_u64(in);
        shown[i] = wr_reader_u64(in);
    }
    stage->fact_count = load_count(in);
    struct wr_fact *facts = WR_ARENA_ARRAY(arena, struct wr_fact, stage->fact_count + 1);
    for (uint32_t i = 0; facts != NULL && i < stage->fact_count; i++) {
        facts[i].name = load_text(arena, in);
        facts[i].hash = wr_reader_u64(in);
        if (facts[i].name == NULL)
            return WR_ENOMEM;
    }
    stage->inputs = inputs;
    stage->needed = needed;
    stage->shown = shown;
    stage->facts = facts;
    return inputs == NULL || needed == NULL || shown == NULL || facts == NULL ? WR_ENOMEM : WR_OK;
}

static int load_stage(struct past_stage *stage, struct wr_arena *arena, struct wr_reader *in) {
    stage->number = (uint32_t)wr_reader_varint(in);
    stage->kind = load_char(in);
    stage->keeps = load_char(in);
    stage->observed = load_char(in);
    stage->asks_origins = load_char(in);
    const char **const texts[] = {&stage->stage, &stage->given, &stage->address, &stage->place};
    for (size_t i = 0; i < WR_COUNT(texts); i++) {
        *texts[i] = load_text(arena, in);
        if (*texts[i] == NULL)
            return WR_ENOMEM;
    }
    stage->own = wr_reader_u64(in);
    stage->meaning = wr_reader_u64(in);
    stage->schema = wr_reader_u64(in);
    stage->born = wr_reader_varint(in);
    stage->units = (uint32_t)wr_reader_varint(in);
    stage->ordinal = wr_reader_u32(in);
    stage->first_maker = (uint32_t)wr_reader_varint(in);
    return load_lists(stage, arena, in);
}

/* Numbers that point somewhere. */
static int is_sound(const struct past *past, const struct past_stage *stage) {
    if (stage->number >= past->next_number || past->by_number[stage->number] != PAST_NONE ||
        stage->kind > WR_NODE_REJECTS)
        return 0;
    if (stage->ordinal != PAST_NONE &&
        (stage->ordinal >= past->source_count || past->lanes[stage->ordinal] != stage->units))
        return 0;
    if (stage->first_maker != 0 &&
        (uint64_t)stage->first_maker + stage->units > (uint64_t)past->maker_count + 1)
        return 0;
    return 1;
}

int past_load(struct past *past, struct wr_arena *arena, struct wr_reader *in) {
    *past = (struct past){0};
    if (wr_reader_varint(in) != PAST_VERSION)
        return WR_ECORRUPT;
    past->script = load_text(arena, in);
    if (past->script == NULL)
        return WR_ENOMEM;
    past->record_limit = wr_reader_u64(in);
    uint64_t next = wr_reader_varint(in), makers = wr_reader_varint(in);
    past->source_count = load_count(in);
    if (in->failed || next > PAST_STAGES_MAX || makers > PAST_STAGES_MAX)
        return WR_ECORRUPT;
    past->next_number = (uint32_t)next;
    past->maker_count = (uint32_t)makers;
    past->lanes = WR_ARENA_ARRAY(arena, uint32_t, past->source_count + 1);
    past->by_number = WR_ARENA_ARRAY(arena, uint32_t, past->next_number + 1);
    if (past->lanes == NULL || past->by_number == NULL)
        return WR_ENOMEM;
    memset(past->by_number, 0xff, past->next_number * sizeof *past->by_number);
    uint64_t lanes = 0;
    for (uint32_t i = 0; i < past->source_count; i++)
        lanes += past->lanes[i] = (uint32_t)wr_reader_varint(in);
    past->stage_count = load_count(in);
    past->stages = WR_ARENA_ZEROS(arena, struct past_stage, past->stage_count + 1);
    if (past->stages == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < past->stage_count; i++) {
        int status = load_stage(&past->stages[i], arena, in);
        if (status != WR_OK || in->failed || !is_sound(past, &past->stages[i]))
            return status != WR_OK ? status : WR_ECORRUPT;
        past->by_number[past->stages[i].number] = i;
    }
    return in->failed || lanes > PAST_STAGES_MAX ? WR_ECORRUPT : WR_OK;
}
