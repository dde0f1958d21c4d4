#include "expr/lists.h"

#include "data/order.h"
#include "data/schema.h"
#include "expr/library.h"
#include "base/banned.h"

struct wr_type wr_list_item_type(const struct wr_type *list) {
    if (list->kind == WR_LIST && list->child != NULL && list->child->field_count > 0)
        return list->child->fields[0].type;
    return WR_TYPE(WR_JSON);
}

static uint32_t elements_count(const struct wr_str *list) {
    const char *at = NULL;
    struct wr_str element;
    uint32_t count = 0;
    while (wr_json_next_element(list, &at, &element))
        count++;
    return count;
}

static int typed_read(struct wr_list_items *items, struct wr_call *call, uint32_t row,
                      struct wr_arena *arena) {
    uint32_t width = wr_type_bytes(items->type.kind);
    char *data = wr_arena_alloc(arena, (size_t)width * (items->count + 1));
    uint64_t *valid = WR_ARENA_ARRAY(arena, uint64_t, WR_BITS_WORDS(items->count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    memset(valid, 0xff, (WR_BITS_WORDS(items->count) + 1) * 8);
    memset(data, 0, (size_t)width * (items->count + 1));
    for (uint32_t i = 0; i < items->count; i++) {
        struct wr_json_value value;
        if (!wr_json_value_read(arena, wr_str_bytes(&items->texts[i]), items->texts[i].length,
                                &value))
            return WR_ENOMEM;
        if (value.is == WR_JSON_IS_NIL) {
            wr_bit_clear(valid, i);
            continue;
        }
        enum wr_json_fit fit =
            wr_json_to_element(arena, &value, &items->type, 0, data + (size_t)i * width);
        if (fit == WR_JSON_NO_MEMORY)
            return WR_ENOMEM;
        if (fit == WR_JSON_FITS)
            continue;
        char type[64];
        wr_call_fail(call, row, WR_REJECT_KIND, "element %u is no %s", i + 1,
                     wr_type_text(&items->type, type, sizeof type));
        return 0;
    }
    items->column = (struct wr_column){.data = data, .valid = valid};
    return 1;
}

int wr_list_items_read(struct wr_list_items *items, struct wr_call *call, uint32_t arg,
                       uint32_t row, const struct wr_type *type, struct wr_arena *arena) {
    const struct wr_str *list = fn_str(call, arg, row);
    if (list->length == 0 || *wr_str_bytes(list) != '[') {
        wr_call_fail(call, row, WR_REJECT_KIND, "this json is no array");
        return 0;
    }
    *items = (struct wr_list_items){.count = elements_count(list), .type = *type};
    items->texts = WR_ARENA_ARRAY(arena, struct wr_str, items->count + 1);
    if (items->texts == NULL)
        return WR_ENOMEM;
    const char *at = NULL;
    for (uint32_t i = 0; i < items->count; i++)
        wr_json_next_element(list, &at, &items->texts[i]);
    if (type->kind < WR_JSON && type->kind != WR_NIL)
        return typed_read(items, call, row, arena);
    items->type = WR_TYPE(WR_JSON);
    items->values = WR_ARENA_ARRAY(arena, struct wr_json_value, items->count + 1);
    if (items->values == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < items->count; i++)
        if (!wr_json_value_read(arena, wr_str_bytes(&items->texts[i]), items->texts[i].length,
                                &items->values[i]))
            return WR_ENOMEM;
    return 1;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int json_rank(const struct wr_json_value *value) {
    switch (value->is) {
    case WR_JSON_IS_BOOL: return 0;
    case WR_JSON_IS_INT:
    case WR_JSON_IS_FLOAT: return 1;
    case WR_JSON_IS_STRING: return 2;
    case WR_JSON_IS_LIST: return 3;
    case WR_JSON_IS_MAP: return 4;
    case WR_JSON_IS_NIL: break;
    }
    return 5;
}

static int numbers_compare(const struct wr_json_value *a, const struct wr_json_value *b) {
    if (a->is == WR_JSON_IS_INT && b->is == WR_JSON_IS_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    double x = a->is == WR_JSON_IS_INT ? (double)a->integer : a->number;
    double y = b->is == WR_JSON_IS_INT ? (double)b->integer : b->number;
    return (x > y) - (x < y);
}

static int json_compare(const struct wr_json_value *a, const struct wr_json_value *b) {
    int rank_a = json_rank(a);
    int rank_b = json_rank(b);
    if (rank_a != rank_b)
        return rank_a - rank_b;
    if (rank_a == 0)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (rank_a == 1)
        return numbers_compare(a, b);
    if (rank_a == 5)
        return 0;
    int order = memcmp(a->bytes, b->bytes, WR_MIN(a->length, b->length));
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

int wr_list_items_compare(const struct wr_list_items *items, uint32_t a, uint32_t b) {
    if (items->values != NULL)
        return json_compare(&items->values[a], &items->values[b]);
    return wr_cell_compare(&items->type, &items->column, a, &items->column, b);
}

void wr_list_items_sort(const struct wr_list_items *items, uint32_t *order, uint32_t *room,
                        uint32_t count) {
    if (count < 2)
        return;
    uint32_t half = count / 2;
    wr_list_items_sort(items, order, room, half);
    wr_list_items_sort(items, order + half, room, count - half);
    memcpy(room, order, half * sizeof *room);
    uint32_t left = 0;
    uint32_t right = half;
    for (uint32_t to = 0; left < half; to++) {
        if (right == count || wr_list_items_compare(items, room[left], order[right]) <= 0)
            order[to] = room[left++];
        else
            order[to] = order[right++];
    }
}

void wr_list_put(struct wr_call *call, uint32_t row, const struct wr_str *texts, uint32_t count) {
    struct fn_text out = {.call = call};
    fn_text_add(&out, "[", 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            fn_text_add(&out, ",", 1);
        fn_text_add(&out, wr_str_bytes(&texts[i]), texts[i].length);
    }
    fn_text_add(&out, "]", 1);
    fn_text_end(&out, row);
}
