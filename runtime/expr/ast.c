#include "expr/ast.h"

#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

int wr_ast_is(const struct wr_value *node, const char *kind) {
    return strcmp(wr_value_string(node, "k", ""), kind) == 0;
}

static int is_position(const char *name) {
    static const char *const positions[] = {"from", "to", "at", "name_from", "name_to"};
    for (uint32_t i = 0; i < WR_COUNT(positions); i++)
        if (strcmp(name, positions[i]) == 0)
            return 1;
    return 0;
}

static uint32_t skip_positions(const struct wr_value *map, uint32_t at) {
    while (at < map->count && is_position(map->names[at]))
        at++;
    return at;
}

static int equal(const struct wr_value *a, const struct wr_value *b, int depth) {
    if (a->kind != b->kind || depth > WR_AST_DEPTH_MAX)
        return 0;
    switch (a->kind) {
    case WR_VALUE_NIL: return 1;
    case WR_VALUE_BOOL: return a->boolean == b->boolean;
    case WR_VALUE_INT: return a->integer == b->integer;
    case WR_VALUE_FLOAT: return memcmp(&a->number, &b->number, sizeof a->number) == 0;
    case WR_VALUE_STRING:
        return a->count == b->count && memcmp(a->string, b->string, a->count) == 0;
    case WR_VALUE_LIST:
        if (a->count != b->count)
            return 0;
        for (uint32_t i = 0; i < a->count; i++)
            if (!equal(&a->items[i], &b->items[i], depth + 1))
                return 0;
        return 1;
    case WR_VALUE_MAP: break;
    }
    uint32_t i = skip_positions(a, 0);
    uint32_t j = skip_positions(b, 0);
    while (i < a->count && j < b->count) {
        if (strcmp(a->names[i], b->names[j]) != 0 || !equal(&a->items[i], &b->items[j], depth + 1))
            return 0;
        i = skip_positions(a, i + 1);
        j = skip_positions(b, j + 1);
    }
    return i >= a->count && j >= b->count;
}

int wr_ast_equal(const struct wr_value *a, const struct wr_value *b) {
    return equal(a, b, 0);
}

struct wr_value *wr_ast_map(struct wr_arena *arena, uint32_t count, const char *const *names,
                            const struct wr_value *values) {
    struct wr_value *map = wr_value_new_map(arena, count);
    if (map == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        map->names[i] = names[i];
        map->items[i] = values[i];
    }
    wr_value_sort(map);
    return map;
}

static int rewrite(struct wr_arena *arena, const struct wr_value *node, wr_ast_fn fn, void *ctx,
                   struct wr_value *out, int depth) {
    if (depth > WR_AST_DEPTH_MAX)
        return WR_ELIMIT;
    if (node->kind == WR_VALUE_MAP) {
        int status = fn(ctx, node, out);
        if (status != 0)
            return status < 0 ? status : WR_OK;
    }
    *out = *node;
    if ((node->kind != WR_VALUE_MAP && node->kind != WR_VALUE_LIST) || node->count == 0)
        return WR_OK;
    out->items = WR_ARENA_ARRAY(arena, struct wr_value, node->count);
    if (out->items == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < node->count; i++) {
        int status = rewrite(arena, &node->items[i], fn, ctx, &out->items[i], depth + 1);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

int wr_ast_rewrite(struct wr_arena *arena, const struct wr_value *node, wr_ast_fn fn, void *ctx,
                   struct wr_value *out) {
    return rewrite(arena, node, fn, ctx, out, 0);
}
