/* registry.c: the operator types, one line each; higher rooms add theirs at start. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/op.h"
#include "base/banned.h"

extern const struct wr_op_type wr_op_agg, wr_op_as_table, wr_op_asof_join, wr_op_changes,
    wr_op_dedup, wr_op_derive, wr_op_distinct, wr_op_drop, wr_op_event_time, wr_op_expect,
    wr_op_filter, wr_op_group_by, wr_op_join, wr_op_limit, wr_op_lookup, wr_op_match, wr_op_rename,
    wr_op_sample, wr_op_select, wr_op_sort, wr_op_top, wr_op_union, wr_op_unnest, wr_op_unpivot,
    wr_op_window;

#define REGISTERED_MAX 32 /* operators of higher rooms */

static const struct wr_op_type *const types[] = {
    &wr_op_agg,    &wr_op_as_table, &wr_op_asof_join, &wr_op_changes,    &wr_op_dedup,
    &wr_op_derive, &wr_op_distinct, &wr_op_drop,      &wr_op_event_time, &wr_op_expect,
    &wr_op_filter, &wr_op_group_by, &wr_op_join,      &wr_op_limit,      &wr_op_lookup,
    &wr_op_match,  &wr_op_rename,   &wr_op_sample,    &wr_op_select,     &wr_op_sort,
    &wr_op_top,    &wr_op_union,    &wr_op_unnest,    &wr_op_unpivot,    &wr_op_window,
};

static const struct wr_op_type *registered[REGISTERED_MAX];
static uint32_t registered_count;

const struct wr_op_type *wr_op_find(const char *name) {
    for (size_t i = 0; i < WR_COUNT(types); i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    for (uint32_t i = 0; i < registered_count; i++)
        if (strcmp(registered[i]->name, name) == 0)
            return registered[i];
    return NULL;
}

int wr_op_register(const struct wr_op_type *type) {
    if (wr_op_find(type->name) != NULL)
        return WR_OK;
    if (registered_count == REGISTERED_MAX)
        return WR_ELIMIT;
    registered[registered_count++] = type;
    return WR_OK;
}
