/* functions_list.c: lists: parts, order, sums. Elements count from 1, negative ones from the end.
 */
#include "data/order.h"
#include "expr/expr.h"
#include "expr/library.h"
#include "expr/lists.h"
#include "base/banned.h"

/* Runs `body` for each row with `items`, the elements of argument 0 as `item_type`; what it takes
 * from the scratch goes at the end of the row. */
#define LIST_KERNEL(name, item_type, body) \
    static int name##_row(struct wr_call *call, uint32_t row, struct wr_arena *scratch, \
                          const struct wr_list_items *items) { \
        body; \
        (void)scratch; \
        return WR_OK; \
    } \
    static int name##_kernel(struct wr_call *call) { \
        struct wr_type type = (item_type); \
        struct wr_arena scratch; /* not the eval's: results may lie there */ \
        int status = WR_OK; \
        wr_arena_init(&scratch, call->eval->budget, 4096); \
        FN_EACH(call, row) { \
            struct wr_list_items items; \
            wr_arena_reset(&scratch); \
            status = wr_list_items_read(&items, call, 0, row, &type, &scratch); \
            if (status == 1) \
                status = name##_row(call, row, &scratch, &items); \
            if (status != WR_OK) \
                break; \
        } \
        wr_arena_release(&scratch); \
        return status; \
    }
#define ITEM_TYPE wr_list_item_type(&call->arg_types[0])
#define AS_JSON WR_TYPE(WR_JSON)

LIST_KERNEL(length, AS_JSON, FN_OUT_INT(call)[row] = items->count)

LIST_KERNEL(reverse, AS_JSON, {
    struct wr_str *texts = WR_ARENA_ARRAY(scratch, struct wr_str, items->count + 1);
    if (texts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < items->count; i++)
        texts[i] = items->texts[items->count - 1 - i];
    wr_list_put(call, row, texts, items->count);
})

/* Elements in the order of their values; `order` says which. */
static uint32_t *sorted(const struct wr_list_items *items, struct wr_arena *scratch) {
    uint32_t *order = WR_ARENA_ARRAY(scratch, uint32_t, items->count + 1);
    uint32_t *room = WR_ARENA_ARRAY(scratch, uint32_t, items->count + 1);
    if (order == NULL || room == NULL)
        return NULL;
    for (uint32_t i = 0; i < items->count; i++)
        order[i] = i;
    wr_list_items_sort(items, order, room, items->count);
    return order;
}

LIST_KERNEL(sort, ITEM_TYPE, {
    uint32_t *order = sorted(items, scratch);
    struct wr_str *texts = WR_ARENA_ARRAY(scratch, struct wr_str, items->count + 1);
    if (order == NULL || texts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < items->count; i++)
        texts[i] = items->texts[order[i]];
    wr_list_put(call, row, texts, items->count);
})

/* The first of equal elements stays; the order is that of the list. */
LIST_KERNEL(distinct, ITEM_TYPE, {
    uint32_t *order = sorted(items, scratch);
    uint8_t *again = wr_arena_alloc_zero(scratch, items->count + 1u);
    struct wr_str *texts = WR_ARENA_ARRAY(scratch, struct wr_str, items->count + 1);
    if (order == NULL || again == NULL || texts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 1; i < items->count; i++)
        again[order[i]] = wr_list_items_compare(items, order[i - 1], order[i]) == 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < items->count; i++)
        if (!again[i])
            texts[count++] = items->texts[i];
    wr_list_put(call, row, texts, count);
})

LIST_KERNEL(slice, AS_JSON, {
    int64_t first = fn_int(call, 1, row);
    int64_t count = WR_MAX(fn_int(call, 2, row), 0);
    first = first < 0 ? first + items->count : first - 1;
    if (first < 0) { /* what lies before the start counts, and is not there */
        count = WR_MAX(count + first, 0);
        first = 0;
    }
    first = WR_MIN(first, (int64_t)items->count);
    count = WR_MIN(count, (int64_t)items->count - first);
    wr_list_put(call, row, items->texts + first, (uint32_t)count);
})

/* Makes one JSON text the result of `row`, as an element of the call's type. */
static int put_element(struct wr_call *call, uint32_t row, const struct wr_str *text) {
    struct wr_json_value value;
    if (!wr_json_value_read(call->arena, wr_str_bytes(text), text->length, &value))
        return WR_ENOMEM;
    if (value.is == WR_JSON_IS_NIL) {
        wr_call_nil(call, row);
        return WR_OK;
    }
    if (call->type.kind >= WR_JSON) {
        FN_OUT_STR(call)[row] = *text;
        return WR_OK;
    }
    char *to = (char *)call->out + (size_t)row * wr_type_bytes(call->type.kind);
    enum wr_json_fit fit = wr_json_to_element(call->arena, &value, &call->type, 0, to);
    if (fit == WR_JSON_MISFIT) {
        char type[64];
        wr_call_fail(call, row, WR_REJECT_KIND, "the element is no %s",
                     wr_type_text(&call->type, type, sizeof type));
    }
    return fit == WR_JSON_NO_MEMORY ? WR_ENOMEM : WR_OK;
}
int wr_put_json_element(struct wr_call *call, uint32_t row, const struct wr_str *text) {
    return put_element(call, row, text);
}

LIST_KERNEL(element, AS_JSON, {
    int64_t at = fn_int(call, 1, row);
    at = at < 0 ? at + items->count : at - 1;
    if (at >= 0 && at < (int64_t)items->count)
        return put_element(call, row, &items->texts[at]);
    wr_call_nil(call, row);
})

/* Where argument 1 stands in the list, from 1; 0: nowhere. */
static int64_t place_of(struct wr_call *call, uint32_t row, const struct wr_list_items *items,
                        struct wr_arena *scratch, int *status) {
    uint32_t at = wr_call_row(call, 1, row);
    struct wr_json_value wanted;
    if (items->values != NULL &&
        !wr_json_operand(scratch, &call->arg_types[1], &call->args[1], at, &wanted)) {
        *status = WR_ENOMEM;
        return 0;
    }
    for (uint32_t i = 0; i < items->count; i++) {
        int same =
            items->values != NULL
                ? wr_json_equal(scratch, &items->values[i], &wanted, status)
                : !wr_column_is_nil(&items->column, i) &&
                      wr_cell_compare(&items->type, &items->column, i, &call->args[1], at) == 0;
        if (same)
            return i + 1;
    }
    return 0;
}
LIST_KERNEL(contains, call->arg_types[1], {
    int status = WR_OK;
    FN_OUT_BOOL(call)[row] = place_of(call, row, items, scratch, &status) > 0;
    return status;
})
LIST_KERNEL(index_of, call->arg_types[1], {
    int status = WR_OK;
    int64_t place = place_of(call, row, items, scratch, &status);
    FN_OUT_INT(call)[row] = place;
    if (place == 0)
        wr_call_nil(call, row);
    return status;
})

static int concat_list_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct fn_text out = {.call = call};
        fn_text_add(&out, "[", 1);
        for (uint32_t a = 0; a < call->arg_count; a++) {
            if (fn_is_nil(call, a, row))
                continue;
            const char *at = NULL;
            struct wr_str element;
            while (wr_json_next_element(fn_str(call, a, row), &at, &element)) {
                if (out.length > 1)
                    fn_text_add(&out, ",", 1);
                fn_text_add(&out, wr_str_bytes(&element), element.length);
            }
        }
        fn_text_add(&out, "]", 1);
        fn_text_end(&out, row);
    }
    return WR_OK;
}

LIST_KERNEL(flatten, AS_JSON, {
    struct fn_text out = {.call = call};
    fn_text_add(&out, "[", 1);
    for (uint32_t i = 0; i < items->count; i++) {
        int is_list = items->values[i].is == WR_JSON_IS_LIST;
        const char *at = NULL;
        struct wr_str element = items->texts[i];
        while (!is_list || wr_json_next_element(&items->texts[i], &at, &element)) {
            if (out.length > 1)
                fn_text_add(&out, ",", 1);
            fn_text_add(&out, wr_str_bytes(&element), element.length);
            if (!is_list)
                break;
        }
    }
    fn_text_add(&out, "]", 1);
    fn_text_end(&out, row);
})

LIST_KERNEL(zip, AS_JSON, {
    struct wr_list_items other;
    struct wr_type json = WR_TYPE(WR_JSON);
    int status = wr_list_items_read(&other, call, 1, row, &json, scratch);
    if (status != 1)
        return status;
    struct fn_text out = {.call = call};
    fn_text_add(&out, "[", 1);
    for (uint32_t i = 0; i < WR_MAX(items->count, other.count); i++) {
        struct wr_str nil = wr_str_of("null", 4);
        const struct wr_str *a = i < items->count ? &items->texts[i] : &nil;
        const struct wr_str *b = i < other.count ? &other.texts[i] : &nil;
        fn_text_add(&out, i > 0 ? ",[" : "[", i > 0 ? 2 : 1);
        fn_text_add(&out, wr_str_bytes(a), a->length);
        fn_text_add(&out, ",", 1);
        fn_text_add(&out, wr_str_bytes(b), b->length);
        fn_text_add(&out, "]", 1);
    }
    fn_text_add(&out, "]", 1);
    fn_text_end(&out, row);
})

/* ---- sums ----------------------------------------------------------------------------------- */

static int sum_ints(struct wr_call *call, uint32_t row, const struct wr_list_items *items) {
    __int128 sum = 0;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        if (wr_column_is_nil(&items->column, i))
            continue;
        sum += WR_I64(&items->column)[i];
        seen++;
    }
    FN_OUT_INT(call)[row] = (int64_t)sum;
    if (seen == 0)
        wr_call_nil(call, row);
    else if (sum != (int64_t)sum)
        wr_call_fail(call, row, WR_REJECT_OVERFLOW, "the sum does not fit int64");
    return WR_OK;
}
LIST_KERNEL(sum_int, WR_TYPE(WR_INT64), return sum_ints(call, row, items))

static int sum_floats(struct wr_call *call, uint32_t row, const struct wr_list_items *items,
                      int mean) {
    double sum = 0;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        if (wr_column_is_nil(&items->column, i))
            continue;
        sum += WR_F64(&items->column)[i];
        seen++;
    }
    FN_OUT_FLOAT(call)[row] = mean ? sum / seen : sum;
    if (seen == 0)
        wr_call_nil(call, row);
    return WR_OK;
}
LIST_KERNEL(sum_float, WR_TYPE(WR_FLOAT64), return sum_floats(call, row, items, 0))
LIST_KERNEL(avg, WR_TYPE(WR_FLOAT64), return sum_floats(call, row, items, 1))

/* The smallest or largest element that is not nil. */
static int extreme(struct wr_call *call, uint32_t row, const struct wr_list_items *items,
                   int largest) {
    int64_t best = -1;
    for (uint32_t i = 0; i < items->count; i++) {
        int nil = items->values != NULL ? items->values[i].is == WR_JSON_IS_NIL
                                        : wr_column_is_nil(&items->column, i);
        if (nil)
            continue;
        int order = best < 0 ? 0 : wr_list_items_compare(items, i, (uint32_t)best);
        if (best < 0 || (largest ? order > 0 : order < 0))
            best = i;
    }
    if (best >= 0)
        return put_element(call, row, &items->texts[best]);
    wr_call_nil(call, row);
    return WR_OK;
}
LIST_KERNEL(min, ITEM_TYPE, return extreme(call, row, items, 0))
LIST_KERNEL(max, ITEM_TYPE, return extreme(call, row, items, 1))

#define LIST_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "lists", .flags = FN_PURE | WR_FN_CAN_FAIL | (own_flags), \
        .doc = own_doc, .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

/* Also for json that is an array. */
#define LIST_OR_JSON_ENTRY(own_name, own_flags, own_doc, signature, on_json, kernel, ...) \
    { \
        .name = own_name, .group = "lists", .flags = FN_PURE | WR_FN_CAN_FAIL | (own_flags), \
        .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, kernel, NULL}, {on_json, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_list[] = {
    {.name = "concat",
     .group = "text",
     .flags = WR_FN_CAN_FAIL,
     .doc = "Texts, or lists, one behind the other; a nil is nothing (`..` with a nil is nil).",
     .signatures = FN_SIGNATURES({"(x string…) string", wr_text_concat_kernel, NULL},
                                 {"(x list<T>, y list<T>…) list<T>", concat_list_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"concat('a', string(nil), 'b')", "'ab'"},
                     {"concat(split('a,b', ','), split('c', ','))", "[\"a\",\"b\",\"c\"]"})},
    {.name = "contains",
     .group = "text",
     .flags = FN_PURE | WR_FN_CAN_FAIL,
     .doc = "Whether a text contains another, or a list an element.",
     .signatures = FN_SIGNATURES({"(x string, part string) bool", wr_text_contains_kernel, NULL},
                                 {"(x list<T>, element T) bool", contains_kernel, NULL}),
     .examples = FN_EXAMPLES({"contains('weir', 'ei')", "true"},
                             {"contains(split('a,b', ','), 'c')", "false"})},
    {.name = "length",
     .group = "lists",
     .flags = FN_PURE,
     .doc = "The number of elements, as `#x`. Of texts: len (bytes), char_length.",
     .signatures = FN_SIGNATURES({"(x list<any>) int64", length_kernel, NULL},
                                 {"(x json) int64", wr_json_length_kernel, NULL},
                                 {"(x map<any, any>) int64", wr_json_length_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"length(split('a,b', ','))", "2"}, {"length(json('{\"a\":1}'))", "1"})},
    LIST_ENTRY("element", WR_FN_CAN_NIL, "The element at a place; nil where there is none.",
               "(x list<T>, at int64) T", element_kernel, {"element(split('a,b', ','), -1)", "'b'"},
               {"element(split('a,b', ','), 3)", "nil"}),
    LIST_OR_JSON_ENTRY("slice", 0, "The `count` elements from the place `first` on.",
                       "(x list<T>, first int64, count int64) list<T>",
                       "(x json, first int64, count int64) json", slice_kernel,
                       {"slice(split('a,b,c', ','), 2, 5)", "[\"b\",\"c\"]"},
                       {"slice(split('a,b,c', ','), -3, 1)", "[\"a\"]"}),
    LIST_ENTRY("index_of", WR_FN_CAN_NIL, "The place of the first such element, or nil.",
               "(x list<T>, element T) int64", index_of_kernel,
               {"index_of(split('a,b', ','), 'b')", "2"},
               {"index_of(split('a', ','), 'b')", "nil"}),
    LIST_OR_JSON_ENTRY("distinct_list", 0, "Without the later ones of equal elements.",
                       "(x list<T>) list<T>", "(x json) json", distinct_kernel,
                       {"distinct_list(split('b,a,b', ','))", "[\"b\",\"a\"]"},
                       {"distinct_list(split('', ','))", "[\"\"]"}),
    LIST_OR_JSON_ENTRY("sort_list", 0, "The elements in order, nil last.", "(x list<T>) list<T>",
                       "(x json) json", sort_kernel,
                       {"sort_list(split('b,a', ','))", "[\"a\",\"b\"]"},
                       {"sort_list(split('10,9', ','))", "[\"10\",\"9\"]"}),
    LIST_OR_JSON_ENTRY("reverse_list", 0, "The elements in reverse order.", "(x list<T>) list<T>",
                       "(x json) json", reverse_kernel,
                       {"reverse_list(split('a,b', ','))", "[\"b\",\"a\"]"},
                       {"reverse_list(split('', ','))", "[\"\"]"}),
    LIST_ENTRY("flatten", 0, "The elements of the elements, one level deep.",
               "(x list<list<T>>) list<T>", flatten_kernel,
               {"length(flatten(zip(split('a,b', ','), split('c,d', ','))))", "4"},
               {"element(flatten(zip(split('a', ','), split('b', ','))), 2)", "\"b\""}),
    LIST_ENTRY("zip", 0, "Pairs of the elements of two lists; the shorter one goes on with nil.",
               "(x list<any>, y list<any>) list<list<any>>", zip_kernel,
               {"zip(split('a,b', ','), split('c', ','))", "[[\"a\",\"c\"],[\"b\",null]]"},
               {"length(zip(split('a', ','), split('c', ',')))", "1"}),
    {.name = "sum_list",
     .group = "lists",
     .flags = FN_PURE | WR_FN_CAN_FAIL | WR_FN_CAN_NIL,
     .doc = "The sum of the elements that are not nil; of none nil.",
     .signatures = FN_SIGNATURES({"(x list<int64>) int64", sum_int_kernel, NULL},
                                 {"(x list<float64>) float64", sum_float_kernel, NULL},
                                 {"(x list<json>) float64", sum_float_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"sum_list(json('[1,2,null]'))", "3"}, {"sum_list(json('[]'))", "nil"})},
    {.name = "avg_list",
     .group = "lists",
     .flags = FN_PURE | WR_FN_CAN_FAIL | WR_FN_CAN_NIL,
     .doc = "The mean of the elements that are not nil; of none nil.",
     .signatures = FN_SIGNATURES({"(x list<int64>) float64", avg_kernel, NULL},
                                 {"(x list<float64>) float64", avg_kernel, NULL},
                                 {"(x list<json>) float64", avg_kernel, NULL}),
     .examples =
         FN_EXAMPLES({"avg_list(json('[1,2]'))", "1.5"}, {"avg_list(json('[null]'))", "nil"})},
    LIST_OR_JSON_ENTRY("min_list", WR_FN_CAN_NIL,
                       "The smallest element that is not nil; of none nil.", "(x list<T>) T",
                       "(x json) json", min_kernel, {"min_list(split('b,a', ','))", "'a'"},
                       {"min_list(json('[10,9,null]'))", "9"}),
    LIST_OR_JSON_ENTRY("max_list", WR_FN_CAN_NIL,
                       "The largest element that is not nil; of none nil.", "(x list<T>) T",
                       "(x json) json", max_kernel, {"max_list(split('b,a', ','))", "'b'"},
                       {"max_list(json('[10,9,null]'))", "10"}),
    {.name = "list_filter",
     .group = "lists",
     .flags = WR_FN_LUA,
     .doc = "The elements for which the function is true; it is called with one at a time.",
     .signatures = FN_SIGNATURES({"(x list<T>, f function) list<T>", NULL, NULL}),
     .examples = FN_EXAMPLES({"list_filter({ 3, 0, 5 }, function(n) return n > 1 end)", "[3,5]"},
                             {"list_filter(nil, function(n) return n > 1 end)", "nil"})},
    {.name = "list_map",
     .group = "lists",
     .flags = WR_FN_LUA,
     .doc = "What the function gives for each element; it is called with one at a time.",
     .signatures = FN_SIGNATURES({"(x list<any>, f function) list<any>", NULL, NULL}),
     .examples =
         FN_EXAMPLES({"list_map({ 'a', 'b' }, function(s) return s:upper() end)", "[\"A\",\"B\"]"},
                     {"list_map({ 1, 'x' }, function(n) return n / 2 end)", "fails W505"})},
    {0},
};
