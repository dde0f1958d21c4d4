/* change.c: what becomes of a state when its script has changed; see wr_change in run.h.
 *
 * A stage goes on (KEPT, MIGRATED) only if it means what it meant, all that it stands on goes on,
 * and its state has all that is asked of it now: then its state is what a run of the new script
 * would have made of the same rows. All else begins anew (NEW, REBUILT) under a number of its own,
 * so that it finds nothing in the store. The one exception is a sink that goes on behind rows of
 * another script: its file cannot be made again from rows that are read already. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "exec/build.h"
#include "exec/change.h"
#include "exec/checkpoint.h"
#include "exec/numbers.h"
#include "exec/pair.h"
#include "exec/past.h"
#include "exec/restore.h"
#include "exec/run_inside.h"
#include "state/store.h"
#include "base/banned.h"

#define REASON_BYTES_MAX 400
#define OTHER_PLACE \
    "write to another place, or remove what was written, and its state by `weir state reset`"

/* What is known of a node while the plan is gone through in its order. */
struct verdict {
    uint8_t goes_on;    /* KEPT or MIGRATED: all that it gave was given under the same meaning */
    uint8_t has_past;   /* a source above it has been read, and goes on from there */
    uint8_t is_behind;  /* below `weir.rejects()` */
    uint8_t reads_anew; /* a source above it that was there begins anew */
    uint8_t ended;      /* its sources that go on have come to their ends */
    uint8_t has_more;   /* and others have not: rows come */
};

struct judge {
    struct wr_run *run;
    struct pairs pairs;
    struct verdict *of; /* by node */
    uint32_t change_room;
    uint8_t begins_again; /* all sources had come to their ends, and now some have not */
    int status;           /* of an addition that failed */
};

/* ---- saying it ---- */

static const char *reason(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *reason(struct judge *judge, const char *format, ...) {
    char text[REASON_BYTES_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    const char *copy = wr_arena_strndup(&judge->run->arena, text, strlen(text));
    if (copy == NULL)
        judge->status = WR_ENOMEM;
    return copy == NULL ? "" : copy;
}

static void add(struct judge *judge, struct wr_change change) {
    struct wr_changes *changes = &judge->run->changes;
    if (changes->count == judge->change_room) {
        uint32_t room = WR_MAX(16u, 2 * judge->change_room);
        struct wr_change *items = WR_ARENA_ARRAY(&judge->run->arena, struct wr_change, room);
        if (items == NULL) {
            judge->status = WR_ENOMEM;
            return;
        }
        if (changes->count > 0)
            memcpy(items, changes->items, changes->count * sizeof *items);
        changes->items = items;
        judge->change_room = room;
    }
    changes->items[changes->count++] = change;
    changes->loses += change.loses != 0;
    changes->refused += change.what == WR_CHANGE_REFUSED;
}

/* Of a run that failed as soon as it had begun: there is nothing to be lost. */
static int is_unused(const struct wr_run *run) {
    return run->read_before == 0 && !run->is_complete;
}

/* Only what has something in a state is told. */
static void tell(struct judge *judge, const struct wr_node *node, enum wr_change_what what,
                 int loses, const char *why) {
    const struct wr_identity *identity = &judge->pairs.of[node->id];
    if (!pairs_keeps(&judge->pairs, node))
        return;
    add(judge, (struct wr_change){.what = what,
                                  .loses = loses && !is_unused(judge->run),
                                  .node = node->id,
                                  .kind = past_kind_text(node->kind),
                                  .stage = node->stage,
                                  .name = identity->given,
                                  .address = identity->address,
                                  .place = identity->place,
                                  .reason = why});
}

/* "`filter` (clicks.lua:4:3)" */
static const char *node_text(struct judge *judge, uint32_t n) {
    const struct wr_identity *identity = &judge->pairs.of[n];
    return reason(judge, "`%s`%s%s%s", judge->run->plan->nodes[n]->stage,
                  identity->place[0] == 0 ? "" : " (", identity->place,
                  identity->place[0] == 0 ? "" : ")");
}

/* ---- why ---- */

static const uint64_t *fact_named(const struct wr_fact *facts, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(facts[i].name, name) == 0)
            return &facts[i].hash;
    return NULL;
}

static const char *fact_text(const char *name) {
    static const char *const words[][2] = {
        {"items", "expressions"},  {"expr", "condition"},    {"fn", "function"},
        {"timezone", "time zone"}, {"group_fn", "function"}, {"group_by", "groups"},
        {"endpoint", "address"},   {"options", "options"},   {"on", "condition"},
    };
    for (size_t i = 0; i < WR_COUNT(words); i++)
        if (strcmp(words[i][0], name) == 0)
            return words[i][1];
    return name;
}

/* The first fact of a stage that is not as it was; NULL: all are. */
static const char *changed_fact(const struct wr_identity *now, const struct past_stage *before) {
    for (uint32_t i = 0; i < now->fact_count; i++) {
        const uint64_t *old = fact_named(before->facts, before->fact_count, now->facts[i].name);
        if (old == NULL || *old != now->facts[i].hash)
            return fact_text(now->facts[i].name);
    }
    for (uint32_t i = 0; i < before->fact_count; i++)
        if (fact_named(now->facts, now->fact_count, before->facts[i].name) == NULL)
            return fact_text(before->facts[i].name);
    return NULL;
}

/* The first stage above, or this one, that is not what it was. */
static uint32_t culprit(const struct judge *judge, uint32_t n) {
    const struct wr_node *node = judge->run->plan->nodes[n];
    for (uint32_t i = 0; i < wr_value_count(wr_value_get(node->spec, "inputs")); i++)
        if (!judge->of[node->inputs[i]].goes_on)
            return culprit(judge, node->inputs[i]);
    return n;
}

/* Why a node that was something is something else now. */
static const char *why_changed(struct judge *judge, uint32_t n) {
    uint32_t first = culprit(judge, n), was = judge->pairs.was[first];
    if (wr_node_is_of_script(judge->run->plan->nodes[first]))
        return "stages that it has the rejects of are not the same";
    const char *fact = was == PAST_NONE
                           ? NULL
                           : changed_fact(&judge->pairs.of[first], &judge->run->before.stages[was]);
    if (first == n)
        return fact == NULL ? "it stands on other stages"
                            : reason(judge, "it is not the same in its %s", fact);
    return reason(judge, "%s above it is %s%s", node_text(judge, first),
                  was == PAST_NONE ? "new" : "not the same in its ",
                  was == PAST_NONE ? ""
                  : fact == NULL   ? "inputs"
                                   : fact);
}

/* ---- one that means what it meant ---- */

static const char *column_missing(const struct wr_node *node, const struct past_stage *before) {
    const struct wr_schema *schema = node->out.schema;
    uint32_t words = wr_needed_words(schema);
    for (uint32_t w = 0; w < WR_MIN(words, before->column_words); w++) {
        uint64_t more = node->needed[w] & ~before->needed[w];
        uint32_t column = w * 64 + (uint32_t)__builtin_ctzll(more | (UINT64_C(1) << 63));
        if (more != 0)
            return column < schema->field_count ? schema->fields[column].name : "of a hidden kind";
    }
    return NULL;
}

/* Why the state of a stage that means what it meant cannot be gone on with. NULL: it can. */
static const char *why_not_enough(struct judge *judge, const struct wr_node *node,
                                  const struct past_stage *before) {
    const char *column = column_missing(node, before);
    if (judge->begins_again && judge->of[node->id].is_behind && node->kind == WR_NODE_OP &&
        pairs_keeps(&judge->pairs, node))
        return "it has given its last results, since all sources had come to their ends, and one "
               "is new";
    if (node->kind == WR_NODE_OP && pairs_keeps(&judge->pairs, node) && column != NULL)
        return reason(judge, "column `%s` is read now, and its state was kept without that",
                      column);
    if (node->kind == WR_NODE_OP && node->observed && !before->observed)
        return "each change of it is seen now, and its state was kept for the last ones alone";
    if (node->op != NULL && (node->op->flags & WR_OP_HOLDS_ROWS) && !before->asks_origins &&
        judge->run->asks[node->id])
        return "a stage behind it tells where rejected rows are from, and its state was kept "
               "without that";
    return NULL;
}

/* The columns that were kept and are read no more stay as they were, so that the state has one
 * form. */
static int keep_columns(struct wr_node *node, const struct past_stage *before) {
    uint32_t words = wr_needed_words(node->out.schema);
    int more = 0;
    for (uint32_t w = 0; w < WR_MIN(words, before->column_words); w++) {
        more |= (before->needed[w] & ~node->needed[w]) != 0;
        node->shown[w] &= ~(before->needed[w] & ~before->shown[w]);
        node->shown[w] |= before->shown[w] & ~node->needed[w];
        node->needed[w] |= before->needed[w];
    }
    more |= before->observed && !node->observed;
    node->observed |= before->observed;
    return more;
}

static void judge_same(struct judge *judge, struct wr_node *node) {
    const struct past_stage *before = &judge->run->before.stages[judge->pairs.same[node->id]];
    const struct wr_identity *identity = &judge->pairs.of[node->id];
    struct verdict *verdict = &judge->of[node->id];
    verdict->goes_on = 1;
    const char *given = identity->given == NULL ? "" : identity->given;
    int more = node->kind == WR_NODE_LATE || node->kind == WR_NODE_REJECTS
                   ? 0
                   : keep_columns(node, before);
    judge->run->asks[node->id] |= before->asks_origins;
    if (strcmp(given, before->given) != 0)
        tell(judge, node, WR_CHANGE_MIGRATED, 0,
             given[0] == 0
                 ? reason(judge, "it had the name `%s`", before->given)
                 : reason(judge, before->given[0] == 0 ? "it had no name%s" : "it was called `%s`",
                          before->given));
    else if (more && node->kind != WR_NODE_SINK)
        tell(judge, node, WR_CHANGE_MIGRATED, 0,
             "columns or changes that are asked for no more are kept as before");
    else
        tell(judge, node, WR_CHANGE_KEPT, 0,
             strcmp(identity->place, before->place) == 0
                 ? "as it was"
                 : reason(judge, "it stood at %s",
                          before->place[0] == 0 ? "another place" : before->place));
}

/* ---- one that does not go on ---- */

static void judge_stage(struct judge *judge, const struct wr_node *node, const char *lack) {
    const struct verdict *verdict = &judge->of[node->id];
    int was = judge->pairs.was[node->id] != PAST_NONE || judge->pairs.same[node->id] != PAST_NONE;
    if (!was && verdict->has_past)
        tell(judge, node, WR_CHANGE_REBUILT, 1,
             "it is new: it begins empty, and knows nothing of the rows that were read before");
    else if (!was)
        tell(judge, node, WR_CHANGE_NEW, 0, "it begins with its sources");
    else
        tell(judge, node, WR_CHANGE_REBUILT, 1,
             reason(judge, "%s: what it has kept is thrown away, and it fills %s",
                    lack != NULL ? lack : why_changed(judge, node->id),
                    verdict->has_past ? "from the rows to come" : "from the beginning"));
}

static void judge_source(struct judge *judge, const struct wr_node *node) {
    int was = judge->pairs.was[node->id] != PAST_NONE;
    judge->of[node->id].reads_anew = (uint8_t)was;
    judge->of[node->id].has_more = run_units_of(judge->run->plan, node) > 0;
    if (was)
        tell(judge, node, WR_CHANGE_REBUILT, 1,
             reason(judge, "%s: it is read from its beginning", why_changed(judge, node->id)));
    else
        tell(judge, node, WR_CHANGE_NEW, 0, "it is read from its beginning");
}

static int appends(const struct wr_node *node) {
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    const struct wr_value *const maps[] = {node->spec, wr_value_get(node->spec, "options"),
                                           wr_value_get(endpoint, "options")};
    for (size_t i = 0; i < WR_COUNT(maps); i++)
        if (strcmp(wr_value_string(maps[i], "mode", ""), "append") == 0)
            return 1;
    return 0;
}

static int is_shown(const struct wr_node *node) {
    return strcmp(node->stage, "write") != 0;
}

/* All of it has appeared, and nothing goes behind that. */
static int is_complete(struct judge *judge, const struct wr_node *node) {
    if (!node->endpoint.whole || !judge->run->is_complete || !judge->of[node->id].has_more)
        return 0;
    tell(judge, node, WR_CHANGE_REFUSED, 0,
         "it is complete, and more rows would come: write to another place");
    return 1;
}

/* Rows of several inputs met before it. */
static int had_gate(const struct wr_run *run, const struct past_stage *before) {
    char part[RUN_PART_NAME_MAX];
    snprintf(part, sizeof part, "gate %u 0 0", before->number);
    return wr_store_part_bytes(run->store, part) > 0;
}

/* A sink that was there and gets other rows. Whether it keeps its number: what it wrote stays. */
static int judge_sink(struct judge *judge, const struct wr_node *node) {
    const struct verdict *verdict = &judge->of[node->id];
    uint32_t same = judge->pairs.same[node->id], was = judge->pairs.was[node->id];
    uint32_t old = same != PAST_NONE ? same : was;
    if (old == PAST_NONE) {
        if (verdict->has_past && verdict->ended)
            tell(judge, node, WR_CHANGE_REBUILT, 1,
                 "it is new, and what it reads has come to its end: nothing is written to it");
        else
            tell(judge, node, WR_CHANGE_NEW, 0,
                 verdict->has_past ? "it gets the rows to come, none of those before"
                                   : "it begins with its sources");
        return 0;
    }
    if (is_unused(judge->run)) {
        tell(judge, node, WR_CHANGE_REBUILT, 0, "nothing was written to it: it begins anew");
        return 0;
    }
    if (verdict->has_past && is_complete(judge, node))
        return 0;
    const struct past_stage *before = &judge->run->before.stages[old];
    const struct wr_identity *now = &judge->pairs.of[node->id];
    const char *why = why_changed(judge, node->id);
    if (verdict->has_past && verdict->reads_anew) {
        tell(judge, node, WR_CHANGE_REFUSED, 0,
             reason(judge,
                    "%s: a source of it is read anew and another goes on, so that of the %" PRIu64
                    " rows that it has got some would come twice; %s",
                    why, run_rows_of(judge->run, before->number), OTHER_PLACE));
    } else if (!verdict->has_past && appends(node)) {
        tell(judge, node, WR_CHANGE_REFUSED, 0,
             reason(judge,
                    "%s: it appends, and the %" PRIu64 " rows that it has got would come again; %s",
                    why, run_rows_of(judge->run, before->number), OTHER_PLACE));
    } else if (!verdict->has_past) {
        tell(judge, node, WR_CHANGE_REBUILT, 1, reason(judge, "%s: it is written anew", why));
    } else if (!is_shown(node) && (now->schema != before->schema || now->own != before->own)) {
        tell(judge, node, WR_CHANGE_REFUSED, 0,
             reason(judge, "%s: rows of two forms would stand in it; write to another place",
                    now->schema != before->schema ? "its columns are not what they were" : why));
    } else {
        tell(judge, node, WR_CHANGE_REBUILT, 1,
             reason(judge,
                    "%s: what was written to it stays, and the rows to come are those of "
                    "the changed script%s",
                    why,
                    had_gate(judge->run, before)
                        ? "; rows that waited before it for those of another input are thrown away"
                        : ""));
        return 1;
    }
    return 0;
}

/* ---- all of them ---- */

/* Rows of `weir.rejects()` are of all stages: they go on if those do that were there. */
static int all_go_on(const struct judge *judge) {
    const struct wr_plan *plan = judge->run->plan;
    for (uint32_t n = 0; n < plan->node_count; n++)
        if (plan->nodes[n]->live && !judge->of[n].is_behind && !judge->of[n].goes_on &&
            (judge->pairs.was[n] != PAST_NONE || judge->pairs.same[n] != PAST_NONE))
            return 0;
    return 1;
}

static int source_has_ended(struct wr_run *run, const struct past_stage *stage) {
    int ended = 1;
    for (uint32_t lane = 0; lane < stage->units; lane++)
        ended &= run_source_had_ended(run, stage->number, lane);
    return ended;
}

/* Rejects had ended with the last source, and do not now. */
static int begins_again(const struct judge *judge) {
    const struct wr_run *run = judge->run;
    int has_more = 0;
    for (uint32_t s = 0; s < run->before.stage_count; s++)
        if (run->before.stages[s].kind == WR_NODE_SOURCE &&
            !source_has_ended(judge->run, &run->before.stages[s]))
            return 0;
    for (uint32_t n = 0; n < run->plan->node_count; n++)
        has_more |= judge->of[n].has_more;
    return has_more;
}

/* Rows that were read before come again where any source is read anew: also their rejects. */
static void inherit_of_script(const struct judge *judge, struct verdict *verdict) {
    const struct wr_plan *plan = judge->run->plan;
    for (uint32_t n = 0; n < plan->node_count; n++) {
        verdict->reads_anew |= judge->of[n].reads_anew;
        verdict->has_past |= plan->nodes[n]->kind == WR_NODE_SOURCE && judge->of[n].has_past;
    }
    verdict->has_past |= judge->run->before.stage_count > 0 && !verdict->reads_anew;
}

/* What a node has of those above it. */
static int inherit(struct judge *judge, const struct wr_node *node) {
    struct verdict *verdict = &judge->of[node->id];
    uint32_t count = wr_value_count(wr_value_get(node->spec, "inputs"));
    int all = 1;
    verdict->ended = 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct verdict *above = &judge->of[node->inputs[i]];
        all &= above->goes_on;
        verdict->has_past |= above->has_past;
        verdict->reads_anew |= above->reads_anew;
        verdict->ended &= above->ended | !above->has_past;
        verdict->has_more |= above->has_more;
    }
    if (wr_node_is_of_script(node)) {
        all = all_go_on(judge);
        inherit_of_script(judge, verdict);
        verdict->ended = 0;
        verdict->has_more = judge->begins_again;
    }
    return all;
}

/* A stage that keeps nothing is as good as any that meant the same: where a script says twice what
 * it said once, or once what it said twice. */
static int is_as_good(const struct judge *judge, const struct wr_node *node) {
    const struct past *before = &judge->run->before;
    unsigned flags = node->op == NULL ? 0 : node->op->flags;
    if (node->kind != WR_NODE_OP || pairs_keeps(&judge->pairs, node) ||
        (flags & (WR_OP_MAKES_ROWS | WR_OP_REPEATS)))
        return 0;
    for (uint32_t s = 0; s < before->stage_count; s++)
        if (before->stages[s].meaning == judge->pairs.of[node->id].meaning &&
            strcmp(before->stages[s].stage, node->stage) == 0)
            return 1;
    return 0;
}

/* Whether it keeps the number of the stage that it is, or was. */
static int judge_node(struct judge *judge, struct wr_node *node) {
    struct verdict *verdict = &judge->of[node->id];
    uint32_t same = judge->pairs.same[node->id];
    int all = inherit(judge, node);
    const struct past_stage *before = same == PAST_NONE ? NULL : &judge->run->before.stages[same];
    if (before == NULL && all && is_as_good(judge, node)) {
        verdict->goes_on = 1;
        return 0;
    }
    if (before != NULL && judge->pairs.unsure[node->id] && pairs_keeps(&judge->pairs, node)) {
        tell(judge, node, WR_CHANGE_REFUSED, 0,
             "several stages mean the same, and it is not known which of them had this state: "
             "tell them apart by `name = \"…\"`");
        return 0;
    }
    if (before != NULL && before->units != run_units_of(judge->run->plan, node)) {
        tell(judge, node, WR_CHANGE_REFUSED, 0,
             reason(judge, "it has %u partitions, and had %u", run_units_of(judge->run->plan, node),
                    before->units));
        return 0;
    }
    const char *lack = before == NULL || !all ? NULL : why_not_enough(judge, node, before);
    if (before != NULL && all && lack == NULL) {
        if (node->kind == WR_NODE_SINK && is_complete(judge, node))
            return 0;
        judge_same(judge, node);
        if (node->kind == WR_NODE_SOURCE && before->units > 0) {
            verdict->has_past = 1;
            verdict->ended = (uint8_t)source_has_ended(judge->run, before);
            verdict->has_more = !verdict->ended;
        }
        return 1;
    }
    if (node->kind == WR_NODE_SINK)
        return judge_sink(judge, node);
    if (node->kind == WR_NODE_SOURCE)
        judge_source(judge, node);
    else
        judge_stage(judge, node, lack);
    return 0;
}

/* What becomes of what a stage had that nobody is any more. In a database only who knows its
 * password could take away what leads back. */
static const char *fate_of(const struct past_stage *stage) {
    if (stage->kind == WR_NODE_SOURCE)
        return "how far it was read is forgotten";
    if (stage->kind != WR_NODE_SINK)
        return "what it has kept is thrown away";
    int is_table =
        strncmp(stage->address, "sqlite ", 7) == 0 || strncmp(stage->address, "postgres ", 9) == 0;
    return is_table ? "what was written to it stays as it is, and so does a `weir_undo_N` of it "
                      "(`weir help bookkeeping`)"
                    : "what was written to it stays as it is";
}

/* Stages of before that nobody is any more. */
static void tell_dropped(struct judge *judge) {
    const struct past *before = &judge->run->before;
    for (uint32_t s = 0; s < before->stage_count; s++) {
        const struct past_stage *stage = &before->stages[s];
        if (judge->pairs.taken[s] != PAST_NONE || !stage->keeps)
            continue;
        int loses = stage->kind != WR_NODE_SINK && !is_unused(judge->run);
        add(judge, (struct wr_change){.what = WR_CHANGE_DROPPED,
                                      .loses = (uint8_t)loses,
                                      .node = PAST_NONE,
                                      .kind = past_kind_text(stage->kind),
                                      .stage = stage->stage,
                                      .name = stage->given[0] == 0 ? NULL : stage->given,
                                      .address = stage->address[0] == 0 ? NULL : stage->address,
                                      .place = stage->place,
                                      .reason = fate_of(stage)});
    }
}

/* ---- all together ---- */

/* Who is before a stage that may want to know where rows are from. */
static void find_asking(struct wr_run *run) {
    const struct wr_plan *plan = run->plan;
    for (uint32_t n = plan->node_count; n-- > 0;) {
        const struct wr_node *node = plan->nodes[n];
        int rejects = (node->op != NULL && !node->never_rejects) ||
                      (node->sink != NULL && (node->sink->flags & WR_SINK_REFUSES));
        for (uint32_t i = 0; node->live && i < node->input_count; i++)
            if (node->kind != WR_NODE_REJECTS)
                run->asks[node->inputs[i]] |= (uint8_t)(run->asks[n] || rejects);
    }
}

int run_judge(struct wr_run *run, struct wr_error *err) {
    uint32_t nodes = run->plan->node_count;
    struct judge judge = {.run = run, .pairs = {.run = run}};
    uint8_t *keeps_number = WR_ARENA_ZEROS(&run->arena, uint8_t, nodes + 1);
    judge.of = WR_ARENA_ZEROS(&run->arena, struct verdict, nodes + 1);
    run->asks = WR_ARENA_ZEROS(&run->arena, uint8_t, nodes + 1);
    run->differs = WR_ARENA_ZEROS(&run->arena, uint8_t, nodes + 1);
    int status =
        keeps_number == NULL || judge.of == NULL || run->asks == NULL || run->differs == NULL
            ? WR_ENOMEM
            : pairs_find(&judge.pairs);
    if (status == WR_OK)
        find_asking(run);
    for (uint32_t n = 0; status == WR_OK && n < nodes; n++) {
        const struct wr_node *node = run->plan->nodes[n];
        judge.of[n].is_behind = (uint8_t)wr_node_is_of_script(node);
        for (uint32_t i = 0; i < wr_value_count(wr_value_get(node->spec, "inputs")); i++)
            judge.of[n].is_behind |= judge.of[node->inputs[i]].is_behind;
    }
    for (int behind = 0; behind <= 1; behind++) {
        judge.begins_again = status == WR_OK && behind && begins_again(&judge);
        for (uint32_t n = 0; status == WR_OK && n < nodes; n++)
            if (run->plan->nodes[n]->live && judge.of[n].is_behind == behind) {
                keeps_number[n] = (uint8_t)judge_node(&judge, run->plan->nodes[n]);
                run->differs[n] = keeps_number[n] && !judge.of[n].goes_on;
            }
    }
    tell_dropped(&judge);
    if (status == WR_OK)
        status =
            judge.status != WR_OK ? judge.status : numbers_give(run, &judge.pairs, keeps_number);
    return status == WR_OK ? WR_OK : wr_error_set(err, status, "compare the script with its state");
}
