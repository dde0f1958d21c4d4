/* past.h: the plan that wrote a state, as far as the next one must know it: the part "plan" of the
 * store. Its stages have numbers that they keep for as long as the state lives, whatever stands
 * beside them in the script; the parts of the store go by these numbers. */
#pragma once
#include <stdint.h>

#include "graph/identity.h"

struct wr_buf;
struct wr_reader;
struct wr_run;

#define PAST_NONE UINT32_MAX
#define PAST_STAGES_MAX 1000000u /* numbers of one state: edits add some each */

struct past_stage {
    uint32_t number;
    uint8_t kind;         /* enum wr_node_kind */
    uint8_t keeps;        /* has something in the state that its next run needs */
    uint8_t observed;     /* as of the node */
    uint8_t asks_origins; /* a stage behind it may reject its rows */
    const char *stage, *given, *address, *place; /* as in wr_identity; "" for none */
    uint64_t own, meaning, schema;
    uint64_t born;        /* the checkpoint behind which it began */
    uint32_t units;       /* its instances in the run */
    uint32_t ordinal;     /* among sources; PAST_NONE */
    uint32_t first_maker; /* of its units that number rows; 0: they do not */
    uint32_t input_count;
    const uint32_t *inputs; /* numbers */
    uint32_t column_words;
    const uint64_t *needed, *shown;
    uint32_t fact_count;
    const struct wr_fact *facts;
};

struct past {
    const char *script; /* its file; "" for none */
    uint64_t record_limit;
    uint32_t next_number, maker_count;
    uint32_t source_count; /* ordinals that were given out, also to sources that are gone … */
    uint32_t *lanes;       /* … and how many lanes each has, or had */
    uint32_t stage_count;
    struct past_stage *stages;
    uint32_t *by_number; /* next_number entries: which of the stages, or PAST_NONE */
};

/* "source", "sink" or "stage", of an enum wr_node_kind. */
const char *past_kind_text(int kind);
/* WR_OK, or WR_ENOMEM. */
int past_save(const struct past *past, struct wr_buf *out);
/* Into `arena`. WR_OK, WR_ENOMEM or WR_ECORRUPT. */
int past_load(struct past *past, struct wr_arena *arena, struct wr_reader *in);
