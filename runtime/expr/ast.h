/* ast.h: reading and rewriting expression trees as plain data (lists of items, `k` nodes). */
#pragma once
#include <stdint.h>

#include "data/value.h"

struct wr_arena;

#define WR_AST_DEPTH_MAX 400

/* Whether `node` is a map with this `k`. */
int wr_ast_is(const struct wr_value *node, const char *kind);
int wr_ast_equal(const struct wr_value *a, const struct wr_value *b); /* positions aside */
/* A map of `count` names and values (from two arrays), sorted. NULL: out of memory. */
struct wr_value *wr_ast_map(struct wr_arena *arena, uint32_t count, const char *const *names,
                            const struct wr_value *values);
/* What a rewrite makes of a node: 1 with *out set, 0 to copy it and go on inside, or a negative
 * status. */
typedef int (*wr_ast_fn)(void *ctx, const struct wr_value *node, struct wr_value *out);
/* Copies a tree; `fn` is asked for each map and may replace it. WR_OK, WR_ENOMEM, WR_ELIMIT (too
 * deep), or what fn returned. */
int wr_ast_rewrite(struct wr_arena *arena, const struct wr_value *node, wr_ast_fn fn, void *ctx,
                   struct wr_value *out);
