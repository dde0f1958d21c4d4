/* functions_search.c: plain text in plain text: replace, split, starts_with, position, like. */
#include "expr/library.h"
#include "expr/like.h"
#include "base/arena.h"
#include "data/json_text.h"
#include "base/buf.h"
#include "expr/expr.h"
#include "base/banned.h"

static const char *find_in(const struct wr_str *text, const char *from, const struct wr_str *part) {
    const char *end = wr_str_bytes(text) + text->length;
    return memmem(from, (size_t)(end - from), wr_str_bytes(part), part->length);
}

static int replace_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *part = fn_str(call, 1, row);
        const struct wr_str *by = fn_str(call, 2, row);
        const char *at = wr_str_bytes(text);
        const char *end = at + text->length;
        const char *found = part->length == 0 ? NULL : find_in(text, at, part);
        if (found == NULL) {
            FN_OUT_STR(call)[row] = *text;
            continue;
        }
        struct fn_text out = {.call = call};
        for (; found != NULL; found = find_in(text, at, part)) {
            fn_text_add(&out, at, (size_t)(found - at));
            fn_text_add(&out, wr_str_bytes(by), by->length);
            at = found + part->length;
        }
        fn_text_add(&out, at, (size_t)(end - at));
        fn_text_end(&out, row);
    }
    return WR_OK;
}

static int starts_with_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *part = fn_str(call, 1, row);
        FN_OUT_BOOL(call)
        [row] = text->length >= part->length &&
                memcmp(wr_str_bytes(text), wr_str_bytes(part), part->length) == 0;
    }
    return WR_OK;
}
static int ends_with_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *part = fn_str(call, 1, row);
        FN_OUT_BOOL(call)
        [row] =
            text->length >= part->length && memcmp(wr_str_bytes(text) + text->length - part->length,
                                                   wr_str_bytes(part), part->length) == 0;
    }
    return WR_OK;
}
int wr_text_contains_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        FN_OUT_BOOL(call)[row] = find_in(text, wr_str_bytes(text), fn_str(call, 1, row)) != NULL;
    }
    return WR_OK;
}
static int position_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const char *found = find_in(text, wr_str_bytes(text), fn_str(call, 1, row));
        if (found == NULL)
            wr_call_nil(call, row);
        else
            FN_OUT_INT(call)[row] = found - wr_str_bytes(text) + 1;
    }
    return WR_OK;
}

/* ---- splitting ------------------------------------------------------------------------------ */

static int split_kernel(struct wr_call *call) {
    struct wr_buf json;
    wr_buf_init(&json, call->eval->budget, WR_RESULT_BYTES_MAX);
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *by = fn_str(call, 1, row);
        const char *at = wr_str_bytes(text);
        const char *end = at + text->length;
        wr_buf_clear(&json);
        wr_buf_add_char(&json, '[');
        for (;;) {
            const char *found = by->length == 0 ? NULL : find_in(text, at, by);
            wr_json_add_string(&json, at, (size_t)((found == NULL ? end : found) - at));
            if (found == NULL)
                break;
            wr_buf_add_char(&json, ',');
            at = found + by->length;
        }
        wr_buf_add_char(&json, ']');
        struct fn_text out = {.call = call, .failed = json.status == WR_ELIMIT};
        if (json.status == WR_ENOMEM)
            break;
        fn_text_add(&out, json.bytes, json.length);
        fn_text_end(&out, row);
    }
    int status = json.status == WR_ENOMEM ? WR_ENOMEM : WR_OK;
    wr_buf_release(&json);
    return status;
}

/* A bit for each byte of `word` that is one of `eight` alike: the highest of the byte. */
static uint64_t equal_bytes(uint64_t word, uint64_t eight) {
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t differs = word ^ eight;
    return ~(((differs & low) + low) | differs | low);
}

/* The n-th `byte` (n > 0) from `at` on; NULL: there are not so many. */
static const char *find_nth(const char *at, const char *end, char byte, int64_t n) {
    uint64_t eight = (uint8_t)byte * UINT64_C(0x0101010101010101);
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t found = equal_bytes(word, eight);
        int count = __builtin_popcountll(found);
        if (count < n) {
            n -= count;
            continue;
        }
        while (--n > 0)
            found &= found - 1;
        return at + __builtin_ctzll(found) / 8;
    }
    for (; at < end; at++)
        if (*at == byte && --n == 0)
            return at;
    return NULL;
}

/* Part n of those between a separator of one byte. */
static void split_by_byte(struct wr_call *call, uint32_t row, const struct wr_str *text, char byte,
                          int64_t n) {
    const char *at = wr_str_bytes(text), *end = at + text->length;
    const char *before = n == 1 ? NULL : find_nth(at, end, byte, n - 1);
    if (n > 1 && before == NULL) {
        wr_call_nil(call, row);
        return;
    }
    const char *start = before == NULL ? at : before + 1, *found = find_nth(start, end, byte, 1);
    fn_piece(call, row, start, (size_t)((found == NULL ? end : found) - start));
}

static int split_part_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const struct wr_str *by = fn_str(call, 1, row);
        int64_t n = fn_int(call, 2, row);
        if (by->length == 1 && n > 0) {
            split_by_byte(call, row, text, *wr_str_bytes(by), n);
            continue;
        }
        const char *at = wr_str_bytes(text);
        const char *end = at + text->length;
        if (n < 0) { /* from the end: count the parts first */
            int64_t parts = 1;
            for (const char *f = at; by->length > 0 && (f = find_in(text, f, by)) != NULL;
                 f += by->length)
                parts++;
            n = n < -parts ? 0 : parts + n + 1;
        }
        const char *found = NULL;
        for (int64_t i = 1; n > 0; i++) {
            found = by->length == 0 ? NULL : find_in(text, at, by);
            if (i == n || found == NULL) {
                n = i == n ? n : 0;
                break;
            }
            at = found + by->length;
        }
        if (n <= 0)
            wr_call_nil(call, row);
        else
            fn_piece(call, row, at, (size_t)((found == NULL ? end : found) - at));
    }
    return WR_OK;
}

/* ---- like ----------------------------------------------------------------------------------- */

static int like_prepare(struct wr_arena *arena, uint32_t arg_count,
                        const struct wr_value *const *constants, void **prepared,
                        struct wr_error *err) {
    (void)arg_count;
    *prepared = NULL;
    if (constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING)
        return WR_OK; /* a bare nil: false everywhere */
    uint32_t bad = 0;
    *prepared = wr_like_new(arena, constants[1]->string, constants[1]->count, &bad);
    if (bad != 0)
        return wr_error_script(err, "W115", "bad pattern at byte %u: `\\` at the end", bad);
    return *prepared == NULL ? WR_ENOMEM : WR_OK;
}
static int like_kernel(struct wr_call *call) {
    FN_EACH(call, row)
    FN_OUT_BOOL(call)
    [row] = (uint8_t)(!fn_is_nil(call, 0, row) && !fn_is_nil(call, 1, row) &&
                      wr_like_match(call->prepared, fn_str(call, 0, row)));
    return WR_OK;
}

#define SEARCH_ENTRY(own_name, own_flags, own_doc, signature, own_kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = own_flags, .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, own_kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_search[] = {
    SEARCH_ENTRY("replace", FN_PURE | WR_FN_CAN_FAIL,
                 "With every occurrence of a text replaced by another. No pattern: see gsub.",
                 "(x string, part string, by string) string", replace_kernel,
                 {"replace('a.b.c', '.', '')", "'abc'"}, {"replace('aaa', 'aa', 'b')", "'ba'"}),
    SEARCH_ENTRY("starts_with", FN_PURE, "Whether the text begins with `part`.",
                 "(x string, part string) bool", starts_with_kernel,
                 {"starts_with('weir', 'we')", "true"}, {"starts_with('weir', 'W')", "false"}),
    SEARCH_ENTRY("ends_with", FN_PURE, "Whether the text ends with `part`.",
                 "(x string, part string) bool", ends_with_kernel,
                 {"ends_with('weir', 'ir')", "true"}, {"ends_with('r', 'ir')", "false"}),
    SEARCH_ENTRY("position", FN_PURE | WR_FN_CAN_NIL,
                 "The byte at which `part` first stands in the text; nil when it does not.",
                 "(x string, part string) int64", position_kernel, {"position('weir', 'ir')", "3"},
                 {"position('weir', 'x')", "nil"}),
    SEARCH_ENTRY("split", FN_PURE | WR_FN_CAN_FAIL, "The parts between a separator, as a list.",
                 "(x string, by string) list<string>", split_kernel,
                 {"split('a,b', ',')", "[\"a\",\"b\"]"}, {"split('', ',')", "[\"\"]"}),
    SEARCH_ENTRY("split_part", FN_PURE | WR_FN_CAN_NIL,
                 "The n-th part between a separator, negative ones from the end; nil when there "
                 "are not so many.",
                 "(x string, by string, n int64) string", split_part_kernel,
                 {"split_part('a,b,c', ',', 2)", "'b'"}, {"split_part('a,b,c', ',', -1)", "'c'"},
                 {"split_part('a', ',', 2)", "nil"}),
    {.name = "like",
     .group = "patterns",
     .flags = WR_FN_METHOD,
     .doc = "Whether the text has a form: `%` is any text, `_` one character, `\\` escapes. The "
            "operator `x like form` is the same; nil gives false.",
     .signatures = FN_SIGNATURES({"(x string, form const string) bool", like_kernel, like_prepare}),
     .examples = FN_EXAMPLES({"like('weir', 'w%')", "true"}, {"like('weir', '_')", "false"})},
    {0},
};
