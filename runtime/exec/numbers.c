#include "exec/numbers.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "exec/build.h"
#include "exec/pair.h"
#include "exec/run_inside.h"
#include "base/banned.h"

static void note_stage(struct wr_run *run, const struct pairs *pairs, const struct wr_node *node,
                       struct past_stage *made, uint32_t old) {
    struct past *now = &run->now;
    const struct wr_identity *identity = &pairs->of[node->id];
    const struct past_stage *before = old == PAST_NONE ? NULL : &run->before.stages[old];
    uint32_t units = run_units_of(run->plan, node);
    *made = (struct past_stage){
        .number = before != NULL ? before->number : now->next_number++,
        .kind = (uint8_t)node->kind,
        .keeps = (uint8_t)pairs_keeps(pairs, node),
        .observed = node->observed,
        .asks_origins = run->asks[node->id],
        .stage = node->stage,
        .given = identity->given == NULL ? "" : identity->given,
        .address = identity->address == NULL ? "" : identity->address,
        .place = identity->place,
        .own = identity->own,
        .meaning = identity->meaning,
        .schema = identity->schema,
        .born = before != NULL       ? before->born
                : run->store == NULL ? 0
                                     : wr_store_number(run->store),
        .units = units,
        .ordinal = PAST_NONE,
        .column_words = wr_needed_words(node->out.schema),
        .needed = node->needed,
        .shown = node->shown,
        .fact_count = identity->fact_count,
        .facts = identity->facts,
    };
    if (node->kind == WR_NODE_SOURCE && units > 0) {
        made->ordinal = before != NULL ? before->ordinal : now->source_count++;
        now->lanes[made->ordinal] = units;
    }
    unsigned flags = node->op == NULL ? 0 : node->op->flags;
    if (units > 0 && (flags & (WR_OP_MAKES_ROWS | WR_OP_REPEATS))) {
        made->first_maker = before != NULL ? before->first_maker : now->maker_count + 1;
        now->maker_count = WR_MAX(now->maker_count, made->first_maker + units - 1);
    }
}

static int note_inputs(struct wr_run *run, const struct wr_node *node, struct past_stage *made) {
    uint32_t count = wr_value_count(wr_value_get(node->spec, "inputs"));
    uint32_t *inputs = WR_ARENA_ARRAY(&run->arena, uint32_t, count + 1);
    if (inputs == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        inputs[i] = run->now.stages[run->stage_of[node->inputs[i]]].number;
    made->inputs = inputs;
    made->input_count = count;
    return WR_OK;
}

int numbers_give(struct wr_run *run, const struct pairs *pairs, const uint8_t *keeps_number) {
    struct past *now = &run->now;
    uint32_t nodes = run->plan->node_count;
    *now = (struct past){.script = run->plan->script == NULL ? "" : run->plan->script,
                         .record_limit = run->options.record_limit,
                         .next_number = run->before.next_number,
                         .maker_count = run->before.maker_count,
                         .source_count = run->before.source_count};
    now->stages = WR_ARENA_ZEROS(&run->arena, struct past_stage, nodes + 1);
    now->lanes = WR_ARENA_ZEROS(&run->arena, uint32_t, now->source_count + nodes + 1);
    run->stage_of = WR_ARENA_ARRAY(&run->arena, uint32_t, nodes + 1);
    if (now->stages == NULL || now->lanes == NULL || run->stage_of == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < now->source_count; i++)
        now->lanes[i] = run->before.lanes[i];
    for (uint32_t n = 0; n < nodes; n++) {
        const struct wr_node *node = run->plan->nodes[n];
        run->stage_of[n] = node->live ? now->stage_count++ : PAST_NONE;
        if (!node->live)
            continue;
        uint32_t same = pairs->same[n];
        uint32_t old = !keeps_number[n] ? PAST_NONE : same != PAST_NONE ? same : pairs->was[n];
        note_stage(run, pairs, node, &now->stages[run->stage_of[n]], old);
        if (note_inputs(run, node, &now->stages[run->stage_of[n]]) != WR_OK)
            return WR_ENOMEM;
    }
    if (now->next_number > PAST_STAGES_MAX || now->maker_count > PAST_STAGES_MAX)
        return WR_ELIMIT;
    run->node_numbered = WR_ARENA_ARRAY(&run->arena, uint32_t, now->next_number + 1);
    if (run->node_numbered == NULL)
        return WR_ENOMEM;
    memset(run->node_numbered, 0xff, now->next_number * sizeof *run->node_numbered);
    for (uint32_t n = 0; n < nodes; n++)
        if (run->stage_of[n] != PAST_NONE)
            run->node_numbered[run_number(run, n)] = n;
    return WR_OK;
}
