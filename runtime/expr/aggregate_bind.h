/* aggregate_bind.h: what the files that bind aggregates share: aggregate.c (items, all together),
 * aggregate_inputs.c (keys, arguments, calls), aggregate_layout.c (kernels, state, schemas).
 *
 * Two lists come of `group_by` and `agg`. The inputs: keys, then everything that aggregates take,
 * under names that no script can write. The items: the list of `agg`, in which each aggregate call
 * has become the name of a column of the middle. Equal calls share one column. A helper (`local`)
 * goes to the side on which its names are known, or to both. */
#pragma once
#include <stdint.h>

#include "base/status.h"
#include "data/schema.h"
#include "expr/aggregates.h"
#include "expr/ast.h"

#define WR_AGGREGATE_ITEMS_MAX 4096 /* items, calls, and arguments of one stage, each */

/* A name of agg's list: where it can be used. */
struct wr_agg_known {
    const struct wr_value *name;
    int32_t input;      /* entry of the inputs that computes it, or -1 */
    uint8_t middle;     /* usable in items */
    uint8_t aggregated; /* made of results */
};

/* An item of the inputs list. */
struct wr_agg_entry {
    struct wr_value item;
    const char *label; /* of the item that it is made for */
    uint8_t is_local, needed;
    uint32_t index; /* its number among the items, once known */
};

struct wr_agg_bind {
    struct wr_arena *arena;
    const struct wr_scope *scope;
    struct wr_error *err;
    struct wr_aggregates *out;
    const struct wr_list *keys;
    const char *label; /* the name of the item that is bound; NULL: none has one */
    int status;        /* WR_OK until the first fault */
    uint8_t apart;     /* equal calls are not one: they may have different frames */
    uint8_t shares;    /* WR_AGGREGATES_SHARE */
    uint8_t in_order;  /* rows come in the order of event time, or without */
    uint32_t known_count, entry_count, entry_room, call_count, call_room;
    struct wr_agg_known *known;
    struct wr_agg_entry *entries;
    struct wr_aggregate *aggregates;
    const struct wr_value **calls; /* the AST of each aggregate */
};

static inline int wr_agg_from(const struct wr_value *node) {
    return (int)wr_value_int(node, "from", 0);
}
static inline int wr_agg_to(const struct wr_value *node) {
    return (int)wr_value_int(node, "to", 0);
}
static inline int wr_agg_name_is(const struct wr_value *a, const char *name, uint32_t length) {
    return a->count == length && memcmp(a->string, name, length) == 0;
}

static inline struct wr_value wr_agg_text(const char *text) {
    return (struct wr_value){
        .kind = WR_VALUE_STRING, .count = (uint32_t)strlen(text), .string = text};
}
static inline struct wr_value wr_agg_int(int64_t integer) {
    return (struct wr_value){.kind = WR_VALUE_INT, .integer = integer};
}
static inline struct wr_value wr_agg_bool(int boolean) {
    return (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = boolean};
}

/* Sets the error at the place of `node`, in argument "1"; returns WR_ESCRIPT. */
int wr_agg_fault(struct wr_agg_bind *b, const struct wr_value *node, const char *code,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* W103, with what is like it among the names of that side. */
int wr_agg_unknown(struct wr_agg_bind *b, const struct wr_value *node, int middle);
/* A name that no script can write: it has control bytes. NULL: out of memory. */
const char *wr_agg_hidden_name(struct wr_arena *arena, char letter, uint32_t number);
/* {k="name", name=…} at the place of `node`. */
int wr_agg_name_node(struct wr_arena *arena, const char *name, const struct wr_value *node,
                     struct wr_value *out);
/* The aggregate that `node` calls, or NULL. */
const struct wr_aggregate_function *wr_agg_function(const struct wr_agg_bind *b,
                                                    const struct wr_value *node);
const struct wr_agg_known *wr_agg_known_find(const struct wr_agg_bind *b, const char *name,
                                             uint32_t length);
int wr_agg_is_key(const struct wr_agg_bind *b, const char *name, uint32_t length);
int wr_agg_is_window(const struct wr_agg_bind *b, const char *name, uint32_t length);
/* Whether all names of `node` are known on one side. */
int wr_agg_names_known(const struct wr_agg_bind *b, const struct wr_value *node, int middle);
void wr_agg_signatures_help(struct wr_agg_bind *b, const struct wr_aggregate_function *function);

/* aggregate.c, for aggregate_frames.c too */
int wr_agg_unnamed(struct wr_agg_bind *b, const struct wr_value *expr); /* W009 */
/* An item with another expression, all else as it was. */
int wr_agg_item_with(struct wr_arena *arena, const struct wr_value *item,
                     const struct wr_value *expr, struct wr_value *out);
/* Adds the room that the calls in `node` can need. */
void wr_agg_rooms_count(struct wr_agg_bind *b, const struct wr_value *node);
/* Makes the arrays of `b`, once the room is counted. */
int wr_agg_rooms_make(struct wr_agg_bind *b, uint32_t known_room);

/* aggregate_inputs.c */
int wr_agg_bind_keys(struct wr_agg_bind *b, const struct wr_value *group_by);
/* Adds a helper that is made of input columns; its entry in *index. */
int wr_agg_bind_helper(struct wr_agg_bind *b, const struct wr_value *expr, int32_t *index);
/* Adds `expr` to the inputs, looked at only where `where` (or NULL) is true; its entry in *index.
 */
int wr_agg_bind_input(struct wr_agg_bind *b, const struct wr_value *where,
                      const struct wr_value *expr, uint32_t *index);
/* The number of the aggregate that computes `call`, made when there is none yet. */
int wr_agg_bind_call(struct wr_agg_bind *b, const struct wr_value *call, uint32_t *number);
/* Binds the list of inputs: what is needed, in order. */
int wr_agg_bind_inputs(struct wr_agg_bind *b);

/* aggregate_layout.c */
int wr_agg_choose_kernels(struct wr_agg_bind *b);
/* Aggregates that can share the state of one of them do. */
int wr_agg_share(struct wr_agg_bind *b);
int wr_agg_lay_out(struct wr_agg_bind *b);
/* A schema of window columns and keys, with room for `more` fields behind *at. */
struct wr_schema *wr_agg_lead_schema(const struct wr_agg_bind *b, uint32_t more, uint32_t *at);
void wr_agg_field_set(struct wr_field *field, const char *name, uint32_t length,
                      struct wr_type type);
