/* functions_json.c: json values and maps: parts, making, merging, text. */
#include "data/json_text.h"
#include "data/schema.h"
#include "base/buf.h"
#include "expr/expr.h"
#include "data/json_members.h"
#include "data/json_put.h"
#include "expr/library.h"
#include "expr/lists.h"
#include "base/banned.h"

#define MERGE_DEPTH_MAX 64

static struct wr_json json_of(const struct wr_str *text) {
    return (struct wr_json){.bytes = wr_str_bytes(text), .length = text->length};
}
static void add_json(struct fn_text *out, const struct wr_json *value) {
    fn_text_add(out, value->bytes, value->length);
}

/* ---- looking -------------------------------------------------------------------------------- */

static int json_type_kernel(struct wr_call *call) {
    static const char *const names[] = {
        [WR_JSON_NULL] = "null",     [WR_JSON_BOOL] = "boolean", [WR_JSON_NUMBER] = "number",
        [WR_JSON_STRING] = "string", [WR_JSON_ARRAY] = "array",  [WR_JSON_OBJECT] = "object",
    };
    FN_EACH(call, row) {
        struct wr_json value = json_of(fn_str(call, 0, row));
        const char *name = names[wr_json_kind(&value)];
        fn_piece(call, row, name, strlen(name));
    }
    return WR_OK;
}

int wr_json_length_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        int64_t count = wr_json_count(fn_str(call, 0, row));
        if (count < 0)
            wr_call_fail(call, row, WR_REJECT_KIND, "this json has no elements");
        else
            FN_OUT_INT(call)[row] = count;
    }
    return WR_OK;
}

static int get_key_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *key = fn_str(call, 1, row);
        struct wr_str member;
        if (!wr_json_member(fn_str(call, 0, row), wr_str_bytes(key), key->length, &member)) {
            wr_call_nil(call, row);
            continue;
        }
        int status = wr_put_json_element(call, row, &member);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}
static int get_index_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        struct wr_str element;
        if (!wr_json_element(fn_str(call, 0, row), fn_int(call, 1, row), &element)) {
            wr_call_nil(call, row);
            continue;
        }
        int status = wr_put_json_element(call, row, &element);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

/* The keys, or the values, of an object. */
static int members(struct wr_call *call, int keys) {
    FN_EACH(call, row) {
        struct wr_json object = json_of(fn_str(call, 0, row));
        struct wr_json_walk walk;
        struct wr_json key;
        struct wr_json value;
        if (wr_json_kind(&object) != WR_JSON_OBJECT || !wr_json_walk(&walk, &object)) {
            wr_call_fail(call, row, WR_REJECT_KIND, "this json has no keys");
            continue;
        }
        struct fn_text out = {.call = call};
        fn_text_add(&out, "[", 1);
        while (wr_json_next(&walk, &key, &value)) {
            if (out.length > 1)
                fn_text_add(&out, ",", 1);
            add_json(&out, keys ? &key : &value);
        }
        fn_text_add(&out, "]", 1);
        fn_text_end(&out, row);
    }
    return WR_OK;
}
static int keys_kernel(struct wr_call *call) {
    return members(call, 1);
}
static int values_kernel(struct wr_call *call) {
    return members(call, 0);
}

/* ---- making --------------------------------------------------------------------------------- */

/* Runs with a text buffer and puts its text as the result of each row. */
typedef int (*text_fn)(struct wr_call *call, uint32_t row, struct wr_buf *out);

static int text_rows(struct wr_call *call, text_fn fn) {
    struct wr_buf buf;
    wr_buf_init(&buf, call->eval->budget, WR_RESULT_BYTES_MAX);
    int status = WR_OK;
    FN_EACH(call, row) {
        wr_buf_clear(&buf);
        if (!fn(call, row, &buf))
            continue;
        if (buf.status == WR_ENOMEM) {
            status = WR_ENOMEM;
            break;
        }
        struct fn_text out = {.call = call, .failed = buf.status != WR_OK};
        if (buf.status == WR_OK)
            fn_text_add(&out, buf.bytes, buf.length);
        fn_text_end(&out, row);
    }
    wr_buf_release(&buf);
    return status;
}

static void put_argument(struct wr_buf *out, const struct wr_call *call, uint32_t arg,
                         uint32_t row) {
    wr_json_put_value(out, &call->arg_types[arg], &call->args[arg], wr_call_row(call, arg, row));
}

static int to_json_row(struct wr_call *call, uint32_t row, struct wr_buf *out) {
    put_argument(out, call, 0, row);
    return 1;
}
static int to_json_kernel(struct wr_call *call) {
    return text_rows(call, to_json_row);
}

static int struct_row(struct wr_call *call, uint32_t row, struct wr_buf *out) {
    if (call->arg_count % 2 != 0) {
        wr_call_fail(call, row, WR_REJECT_KIND, "`struct` takes names and values in turn");
        return 0;
    }
    wr_buf_add_char(out, '{');
    for (uint32_t a = 0; a < call->arg_count; a += 2) {
        if (call->arg_types[a].kind != WR_STRING || fn_is_nil(call, a, row)) {
            wr_call_fail(call, row, WR_REJECT_KIND, "argument %u of `struct` is no name", a + 1);
            return 0;
        }
        const struct wr_str *name = fn_str(call, a, row);
        if (a > 0)
            wr_buf_add_char(out, ',');
        wr_json_add_string(out, wr_str_bytes(name), name->length);
        wr_buf_add_char(out, ':');
        put_argument(out, call, a + 1, row);
    }
    wr_buf_add_char(out, '}');
    return 1;
}
static int struct_kernel(struct wr_call *call) {
    return text_rows(call, struct_row);
}
static int struct_prepare(struct wr_arena *arena, uint32_t arg_count,
                          const struct wr_value *const *constants, void **prepared,
                          struct wr_error *err) {
    (void)arena;
    *prepared = NULL;
    if (arg_count % 2 != 0)
        return wr_error_script(err, "W102", "`struct` takes names and values in turn");
    for (uint32_t a = 0; a < arg_count; a += 2)
        if (constants[a] == NULL || constants[a]->kind != WR_VALUE_STRING)
            return wr_error_script(err, "W102", "argument %u of `struct` must be a literal name",
                                   a + 1);
    return WR_OK;
}

static int map_from_row(struct wr_call *call, uint32_t row, struct wr_buf *out) {
    const char *key_at = NULL;
    const char *value_at = NULL;
    struct wr_str key;
    struct wr_str value;
    wr_buf_add_char(out, '{');
    while (wr_json_next_element(fn_str(call, 0, row), &key_at, &key)) {
        struct wr_json name = json_of(&key);
        if (wr_json_kind(&name) != WR_JSON_STRING) {
            wr_call_fail(call, row, WR_REJECT_KIND, "a key is no string");
            return 0;
        }
        if (out->length > 1)
            wr_buf_add_char(out, ',');
        wr_buf_add(out, name.bytes, name.length);
        wr_buf_add_char(out, ':');
        if (wr_json_next_element(fn_str(call, 1, row), &value_at, &value))
            wr_buf_add(out, wr_str_bytes(&value), value.length);
        else
            wr_buf_add_text(out, "null");
    }
    wr_buf_add_char(out, '}');
    return 1;
}
static int map_from_kernel(struct wr_call *call) {
    return text_rows(call, map_from_row);
}

static int parse_json_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        struct wr_json value;
        if (!wr_json_value_of(&value, wr_str_bytes(text), text->length))
            wr_call_fail(call, row, WR_REJECT_PARSE, "'%.*s' is no JSON",
                         (int)WR_MIN(text->length, 60u), wr_str_bytes(text));
        else if (wr_json_kind(&value) == WR_JSON_NULL)
            wr_call_nil(call, row);
        else
            fn_piece(call, row, value.bytes, value.length);
    }
    return WR_OK;
}

/* ---- merging -------------------------------------------------------------------------------- */

/* The last member of that name; 0: none. */
static int member_find(const struct wr_json *object, const char *name, size_t length,
                       struct wr_json *value) {
    struct wr_json_walk walk;
    struct wr_json key;
    struct wr_json each;
    int found = 0;
    if (wr_json_kind(object) != WR_JSON_OBJECT || !wr_json_walk(&walk, object))
        return 0;
    while (wr_json_next(&walk, &key, &each)) {
        if (!wr_json_string_is(&key, name, length))
            continue;
        *value = each;
        found = 1;
    }
    return found;
}

/* Buffers of one merge: the result, and names without their escapes. */
struct merge {
    struct wr_buf *out, names;
};

static void put_member(struct merge *m, const struct wr_json *key, int *first) {
    if (!*first)
        wr_buf_add_char(m->out, ',');
    *first = 0;
    wr_buf_add(m->out, key->bytes, key->length);
    wr_buf_add_char(m->out, ':');
}

/* RFC 7396: members of the patch replace, objects merge, null takes away. */
static void merge_values(struct merge *m, const struct wr_json *target, const struct wr_json *patch,
                         int depth) {
    if (wr_json_kind(patch) != WR_JSON_OBJECT || depth == MERGE_DEPTH_MAX) {
        wr_buf_add(m->out, patch->bytes, patch->length);
        return;
    }
    struct wr_json_walk walk;
    struct wr_json key;
    struct wr_json value;
    struct wr_json other;
    int first = 1;
    wr_buf_add_char(m->out, '{');
    int is_object = wr_json_kind(target) == WR_JSON_OBJECT;
    for (int pass = 0; pass < 2; pass++) { /* members of the target, then those only of the patch */
        if (pass == 0 && !is_object)
            continue;
        wr_json_walk(&walk, pass == 0 ? target : patch);
        while (wr_json_next(&walk, &key, &value)) {
            static const struct wr_json nothing = {.bytes = "null", .length = 4};
            wr_buf_clear(&m->names);
            if (wr_json_unquote(&m->names, &key) != WR_OK)
                return;
            const char *name = m->names.length == 0 ? "" : m->names.bytes;
            int both = member_find(pass == 0 ? patch : target, name, m->names.length, &other);
            if (pass == 1 && both)
                continue;
            const struct wr_json *by = pass == 1 ? &value : both ? &other : NULL;
            if (by != NULL && wr_json_kind(by) == WR_JSON_NULL)
                continue;
            put_member(m, &key, &first);
            if (by == NULL)
                wr_buf_add(m->out, value.bytes, value.length);
            else
                merge_values(m, pass == 0 ? &value : &nothing, by, depth + 1);
        }
    }
    wr_buf_add_char(m->out, '}');
}

static int merge_row(struct wr_call *call, uint32_t row, struct wr_buf *out) {
    struct wr_json target = json_of(fn_str(call, 0, row));
    struct wr_json patch = json_of(fn_str(call, 1, row));
    struct merge m = {.out = out};
    wr_buf_init(&m.names, call->eval->budget, WR_RESULT_BYTES_MAX);
    merge_values(&m, &target, &patch, 0);
    if (m.names.status != WR_OK)
        out->status = m.names.status;
    wr_buf_release(&m.names);
    return 1;
}
static int merge_json_kernel(struct wr_call *call) {
    return text_rows(call, merge_row);
}

#define JSON_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "json and maps", .flags = WR_FN_CAN_FAIL | (own_flags), \
        .doc = own_doc, .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_json[] = {
    JSON_ENTRY("json_type", WR_FN_STRICT,
               "What kind of value it is: boolean, number, string, array or object.",
               "(x json) string", json_type_kernel, {"json_type(json('[1]'))", "'array'"},
               {"json_type(json('1.5'))", "'number'"}),
    {.name = "get",
     .group = "json and maps",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL | WR_FN_CAN_NIL,
     .doc = "The member of a key, or the element at a place (from 1); nil where there is none, or "
            "where the value has no members.",
     .signatures = FN_SIGNATURES({"(x json, key string) json", get_key_kernel, NULL},
                                 {"(x json, at int64) json", get_index_kernel, NULL},
                                 {"(x map<string, T>, key string) T", get_key_kernel, NULL},
                                 {"(x struct, key string) json", get_key_kernel, NULL},
                                 {"(x list<T>, at int64) T", get_index_kernel, NULL}),
     .examples = FN_EXAMPLES({"get(json('{\"a b\":7}'), 'a b')", "7"},
                             {"get(json('[1,2]'), 2)", "2"}, {"get(json('{}'), 'x')", "nil"})},
    {.name = "keys",
     .group = "json and maps",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The keys of a map or object, as they stand in it.",
     .signatures = FN_SIGNATURES({"(x json) list<string>", keys_kernel, NULL},
                                 {"(x map<any, any>) list<string>", keys_kernel, NULL},
                                 {"(x struct) list<string>", keys_kernel, NULL}),
     .examples = FN_EXAMPLES({"keys(json('{\"b\":1,\"a\":2}'))", "[\"b\",\"a\"]"},
                             {"keys(json('[1]'))", "fails W505"})},
    {.name = "values",
     .group = "json and maps",
     .flags = WR_FN_STRICT | WR_FN_CAN_FAIL,
     .doc = "The values of a map or object, as they stand in it.",
     .signatures = FN_SIGNATURES({"(x json) list<json>", values_kernel, NULL},
                                 {"(x map<string, T>) list<T>", values_kernel, NULL},
                                 {"(x struct) list<json>", values_kernel, NULL}),
     .examples = FN_EXAMPLES({"values(json('{\"b\":1,\"a\":[2]}'))", "[1,[2]]"},
                             {"values(json('1'))", "fails W505"})},
    {.name = "struct",
     .group = "json and maps",
     .flags = WR_FN_CAN_FAIL,
     .doc = "An object of names (literals) and values in turn.",
     .signatures = FN_SIGNATURES({"(x any…) json", struct_kernel, struct_prepare}),
     .examples = FN_EXAMPLES({"struct('a', 1, 'b', 'x')", "{\"a\":1,\"b\":\"x\"}"},
                             {"struct('at', date'2024-03-31')", "{\"at\":\"2024-03-31\"}"},
                             {"struct('a')", "error W102"})},
    JSON_ENTRY("map_from", WR_FN_STRICT,
               "A map of keys and values at equal places; a missing value is nil.",
               "(keys list<string>, values list<T>) map<string, T>", map_from_kernel,
               {"map_from(split('a,b', ','), split('x,y', ','))", "{\"a\":\"x\",\"b\":\"y\"}"},
               {"get(map_from(split('a,b', ','), split('x', ',')), 'b')", "nil"}),
    JSON_ENTRY("to_json", 0, "The value as JSON text; nil as `null`.", "(x any) string",
               to_json_kernel, {"to_json('a\\tb')", "'\"a\\tb\"'"},
               {"to_json(split('a,b', ','))", "'[\"a\",\"b\"]'"}),
    JSON_ENTRY("parse_json", WR_FN_STRICT | WR_FN_METHOD | WR_FN_CAN_NIL,
               "The value that a JSON text says; `null` is nil.", "(x string) json",
               parse_json_kernel, {"parse_json(' [1, 2] ')", "[1, 2]"},
               {"parse_json('{')", "fails W501"}, {"parse_json('null')", "nil"}),
    JSON_ENTRY(
        "merge_json", WR_FN_STRICT,
        "x with the members of y put in its place; objects in both are merged, a null in y "
        "takes a member away (RFC 7396).",
        "(x json, y json) json", merge_json_kernel,
        {"merge_json(json('{\"a\":1,\"b\":{\"c\":2}}'), json('{\"b\":{\"d\":3},\"a\":null}'))",
         "{\"b\":{\"c\":2,\"d\":3}}"},
        {"merge_json(json('1'), json('{\"a\":1}'))", "{\"a\":1}"}),
    {0},
};
