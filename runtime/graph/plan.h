/* plan.h: a script's graph. Each stage that the script calls adds a node, bound and checked at once
 * against its inputs; nodes are numbered in the order of the calls, which is a topological order.
 * Owns everything it made, in one arena. Adding is by one thread; a finished plan is immutable. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "conn/conn.h"
#include "data/value.h"
#include "op/op.h"

struct wr_env;
struct wr_error;

#define WR_NODES_MAX 10000 /* stages of one script */

enum wr_node_kind {
    WR_NODE_SOURCE,
    WR_NODE_OP,
    WR_NODE_SINK,
    WR_NODE_LATE,    /* rows that an operator refused: `late()`; inputs[0] is that operator */
    WR_NODE_REJECTS, /* rows that stages rejected: `rejects()`; inputs are those stages */
};

struct wr_node {
    enum wr_node_kind kind;
    uint32_t id;
    const char *stage; /* "filter", "read", … */
    const char *name;  /* as messages and metrics call it: "filter (line 4)" or name = */
    const struct wr_value *spec;
    uint32_t input_count;
    const uint32_t *inputs; /* node numbers */
    struct wr_stream out;
    const struct wr_op_type *op;
    const struct wr_source_type *source;
    const struct wr_sink_type *sink;
    const void *config;
    uint8_t never_rejects; /* of an operator: no row can fail in it */
    uint8_t settles;       /* of an operator: as wr_bind.settles */
    uint8_t by_clock;      /* of an operator: a live input that is quiet makes it go on */
    uint8_t by_arrival;    /* inputs that do not end meet in it, without event time */
    uint8_t is_asked;      /* a source that a stage asks row by row: it is not run */
    struct wr_endpoint_bind endpoint; /* of a source or sink: what its bind gave */
    /* Known when the plan is finished. */
    int live;         /* its rows reach a sink */
    uint8_t observed; /* a changelog of which somebody sees each change */
    uint64_t *needed; /* bits of output columns (then hidden ones) that somebody reads */
    uint64_t *shown;  /* those of them that are read as parts of rejects alone */
};

/* A function or aggregate that the script declares. */
struct wr_defined {
    const char *name;
    uint64_t hash;
};

struct wr_plan {
    struct wr_arena arena;
    const struct wr_env *env;
    const char *timezone, *directory;
    const char *script; /* the file; NULL: the text came from elsewhere */
    uint32_t node_count, node_room;
    struct wr_node **nodes;
    uint32_t user_function_count, user_function_room;
    /* In the arena, where it stays when it grows: bound expressions hold its entries. */
    struct wr_user_function *user_functions;
    uint32_t user_aggregate_count, user_aggregate_room;
    const struct wr_aggregate_function **user_aggregates;
    uint32_t defined_count, defined_room;
    struct wr_defined *defined; /* what wr_plan_defined was told */
    int may_sample;             /* 0: a schema that is neither given nor locked is W408 */
    /* A server that does not answer when it is asked for a schema is waited for, and told of, as
     * one is by a run that goes on; NULL: it is an error. */
    void (*tell_wait)(const char *place, const char *why);
    int finished;
};

int wr_plan_new(struct wr_plan **plan, const struct wr_env *env, const char *timezone,
                const char *directory, struct wr_error *err);
/* The script's own file, which no sink may take. */
int wr_plan_set_script(struct wr_plan *plan, const char *path, struct wr_error *err);
void wr_plan_free(struct wr_plan *plan);
/* Adds a stage (plain data, which is copied into the plan by the caller: it lies in plan->arena).
 * WR_OK and the node, or WR_ESCRIPT with code, arg, from, to. */
int wr_plan_add(struct wr_plan *plan, const struct wr_value *spec, struct wr_node **node,
                struct wr_error *err);
/* The same without adding, for modifiers (`group_by`, `window`): only checks. */
int wr_plan_probe(struct wr_plan *plan, const struct wr_value *spec, struct wr_stream *out,
                  struct wr_error *err);
/* Declares a user function (`weir.def`), known to later stages. */
int wr_plan_define(struct wr_plan *plan, const struct wr_user_function *function,
                   struct wr_error *err);
/* The same for an aggregate (`weir.aggregate`), which lies in the plan's arena. */
int wr_plan_define_aggregate(struct wr_plan *plan, const struct wr_aggregate_function *function,
                             struct wr_error *err);
/* What the script says of a function that it declares is a part of what the stages that call it
 * mean. WR_OK or WR_ENOMEM. */
int wr_plan_defined(struct wr_plan *plan, const struct wr_value *spec, struct wr_error *err);
/* Once, when the script has ended: which nodes live, which columns are needed, checks over the
 * whole. */
int wr_plan_finish(struct wr_plan *plan, struct wr_error *err);
/* A hash of everything that decides results, as 32 hex digits and a 0: equal to that of the plan of
 * another script where that means the same; of single stages see identity.h. */
void wr_plan_hash(const struct wr_plan *plan, char text[33]);
/* The plan as plain data, for explain. NULL: out of memory. */
struct wr_value *wr_plan_explain(struct wr_plan *plan);
/* `weir.rejects()`, of the whole script: its inputs are found when the plan is finished. */
int wr_node_is_of_script(const struct wr_node *node);
/* The schema of `rejects()`. */
const struct wr_schema *wr_rejects_schema(struct wr_arena *arena);
/* Words of a bitmap over a schema's columns and the hidden ones. */
static inline uint32_t wr_needed_words(const struct wr_schema *schema) {
    return (uint32_t)WR_BITS_WORDS(schema->field_count + WR_HIDDEN_COUNT);
}
