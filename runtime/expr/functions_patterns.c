/* functions_patterns.c: patterns of Lua: find, match, gsub. A constant one is compiled once; others
 * are compiled again only where the pattern differs from the row before. */
#include <stdio.h>

#include "base/arena.h"
#include "data/text.h"
#include "expr/expr.h"
#include "expr/lua_pattern.h"
#include "expr/library.h"
#include "base/banned.h"

static int pattern_prepare(struct wr_arena *arena, uint32_t arg_count,
                           const struct wr_value *const *constants, void **prepared,
                           struct wr_error *err) {
    *prepared = NULL;
    if (arg_count < 2 || constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING)
        return WR_OK;
    const struct wr_lua_pattern *pattern;
    int status =
        wr_lua_pattern_compile(&pattern, arena, constants[1]->string, constants[1]->count, err);
    *prepared = (void *)(uintptr_t)pattern;
    return status;
}

static int match_prepare(struct wr_arena *arena, uint32_t arg_count,
                         const struct wr_value *const *constants, void **prepared,
                         struct wr_error *err) {
    int status = pattern_prepare(arena, arg_count, constants, prepared, err);
    if (status == WR_OK && *prepared != NULL && wr_lua_pattern_is_position(*prepared, 0)) {
        status = wr_error_script(err, "W115", "bad pattern: its first result is a position");
        wr_error_help(err, "`match` gives text; write `find(x, pattern)` for the place");
    }
    return status;
}

/* The pattern of the rows of one call. */
struct source {
    const struct wr_lua_pattern *pattern;
    struct wr_str text; /* of `pattern`, when it is not constant */
    struct wr_arena scratch;
};

static void source_init(struct source *source, struct wr_call *call) {
    *source = (struct source){.pattern = call->prepared};
    wr_arena_init(&source->scratch, call->eval->budget, 4096);
}

/* The compiled pattern of `row`; NULL: the row has failed, or *status is set. */
static const struct wr_lua_pattern *source_get(struct source *source, struct wr_call *call,
                                               uint32_t row, int *status) {
    if (call->prepared != NULL)
        return call->prepared;
    const struct wr_str *text = fn_str(call, 1, row);
    if (source->pattern != NULL && wr_str_equal(text, &source->text))
        return source->pattern;
    struct wr_error err = {0};
    wr_arena_reset(&source->scratch);
    source->pattern = NULL;
    int compiled = wr_lua_pattern_compile(&source->pattern, &source->scratch, wr_str_bytes(text),
                                          text->length, &err);
    source->text = *text;
    if (compiled == WR_OK)
        return source->pattern;
    source->pattern = NULL;
    if (compiled == WR_ESCRIPT)
        wr_call_fail(call, row, WR_REJECT_TYPE, "%s", err.text);
    else
        *status = compiled;
    return NULL;
}

static void too_many_steps(struct wr_call *call, uint32_t row) {
    wr_call_fail(call, row, WR_REJECT_OVERFLOW, "the pattern takes too many steps on %u bytes",
                 fn_str(call, 0, row)->length);
}

/* Lua's reading of a start: from 1, negative from the end. -1: behind the end. */
static int64_t start_offset(int64_t start, uint32_t length) {
    if (start > 0)
        return start - 1 > (int64_t)length ? -1 : start - 1;
    if (start == 0 || start < -(int64_t)length)
        return 0;
    return (int64_t)length + start;
}

/* Finds in `row`: 1, or 0 after setting the row's result to nil or failing it. */
static int row_find(struct source *source, struct wr_call *call, uint32_t row,
                    struct wr_lua_match *match, int *status) {
    const struct wr_lua_pattern *pattern = source_get(source, call, row, status);
    if (pattern == NULL)
        return 0;
    const struct wr_str *subject = fn_str(call, 0, row);
    int64_t from = start_offset(fn_int(call, 2, row), subject->length);
    wr_lua_match_init(match, wr_str_bytes(subject), subject->length);
    int found = from < 0 ? 0 : wr_lua_pattern_find(pattern, match, (size_t)from);
    if (found < 0)
        too_many_steps(call, row);
    else if (found == 0)
        wr_call_nil(call, row);
    return found > 0;
}

/* find(x, part, start, true): no pattern. */
static void row_find_plain(struct wr_call *call, uint32_t row) {
    const struct wr_str *subject = fn_str(call, 0, row);
    const struct wr_str *part = fn_str(call, 1, row);
    int64_t from = start_offset(fn_int(call, 2, row), subject->length);
    const char *bytes = wr_str_bytes(subject);
    const char *found = from < 0 ? NULL
                                 : memmem(bytes + from, subject->length - (size_t)from,
                                          wr_str_bytes(part), part->length);
    if (found == NULL)
        wr_call_nil(call, row);
    else
        FN_OUT_INT(call)[row] = found - bytes + 1;
}

static int find_kernel(struct wr_call *call) {
    struct source source;
    struct wr_lua_match match;
    int status = WR_OK;
    source_init(&source, call);
    FN_EACH(call, row) {
        if (fn_bool(call, 3, row))
            row_find_plain(call, row);
        else if (row_find(&source, call, row, &match, &status))
            FN_OUT_INT(call)[row] = match.match_start - match.subject + 1;
        if (status != WR_OK)
            break;
    }
    wr_arena_release(&source.scratch);
    return status;
}

static int find_prepare(struct wr_arena *arena, uint32_t arg_count,
                        const struct wr_value *const *constants, void **prepared,
                        struct wr_error *err) {
    *prepared = NULL;
    int plain = arg_count > 3 && (constants[3] == NULL || constants[3]->boolean);
    return plain ? WR_OK : pattern_prepare(arena, arg_count, constants, prepared, err);
}

static int match_kernel(struct wr_call *call) {
    struct source source;
    struct wr_lua_match match;
    int status = WR_OK;
    source_init(&source, call);
    FN_EACH(call, row) {
        if (!row_find(&source, call, row, &match, &status)) {
            if (status != WR_OK)
                break;
            continue;
        }
        const char *start = match.match_start;
        ptrdiff_t length = match.match_end - start;
        if (match.capture_count > 0) {
            start = match.captures[0].start;
            length = match.captures[0].length;
        }
        if (length == WR_LUA_POSITION) {
            wr_call_fail(call, row, WR_REJECT_KIND, "the first result is a position");
            continue;
        }
        fn_piece(call, row, start, (size_t)length);
    }
    wr_arena_release(&source.scratch);
    return status;
}

/* ---- gsub ----------------------------------------------------------------------------------- */

static void add_capture(struct fn_text *out, const struct wr_lua_match *match, uint32_t index) {
    const struct wr_lua_capture *capture = &match->captures[index];
    char number[WR_NUMBER_TEXT_MAX];
    if (capture->length == WR_LUA_POSITION)
        fn_text_add(out, number, wr_int64_format(capture->start - match->subject + 1, number));
    else
        fn_text_add(out, capture->start, (size_t)capture->length);
}

/* Adds the replacement of one match; 0: it is malformed. */
static int add_replacement(struct fn_text *out, const struct wr_lua_match *match, const char *text,
                           const char *end) {
    while (text < end) {
        const char *escape = memchr(text, '%', (size_t)(end - text));
        const char *plain = escape == NULL ? end : escape;
        fn_text_add(out, text, (size_t)(plain - text));
        if (escape == NULL)
            return 1;
        char c = escape + 1 < end ? escape[1] : 0;
        if (c == '%')
            fn_text_add(out, "%", 1);
        else if (c == '0' || (c == '1' && match->capture_count == 0))
            fn_text_add(out, match->match_start, (size_t)(match->match_end - match->match_start));
        else if (c >= '1' && c <= '9' && (uint32_t)(c - '1') < match->capture_count)
            add_capture(out, match, (uint32_t)(c - '1'));
        else
            return 0;
        text = escape + 2;
    }
    return 1;
}

/* One row of gsub. 0: too many steps; -1: a malformed replacement. */
static int substitute(const struct wr_lua_pattern *pattern, struct fn_text *out,
                      const struct wr_str *subject, const struct wr_str *by, int64_t max) {
    struct wr_lua_match match;
    wr_lua_match_init(&match, wr_str_bytes(subject), subject->length);
    const char *at = match.subject;
    const char *behind_last = NULL;
    const char *text = wr_str_bytes(by);
    for (int64_t n = 0; n < max;) {
        int found = wr_lua_pattern_find(pattern, &match, (size_t)(at - match.subject));
        if (found < 0)
            return 0;
        if (found == 0)
            break;
        if (match.match_end == behind_last) { /* empty, behind the match before: none */
            if (at == match.end)
                break;
            fn_text_add(out, at++, 1);
        } else {
            n++;
            fn_text_add(out, at, (size_t)(match.match_start - at));
            if (!add_replacement(out, &match, text, text + by->length))
                return -1;
            at = behind_last = match.match_end;
        }
        if (wr_lua_pattern_anchored(pattern))
            break;
    }
    fn_text_add(out, at, (size_t)(match.end - at));
    return 1;
}

static int gsub_kernel(struct wr_call *call) {
    struct source source;
    int status = WR_OK;
    source_init(&source, call);
    FN_EACH(call, row) {
        const struct wr_lua_pattern *pattern = source_get(&source, call, row, &status);
        if (status != WR_OK)
            break;
        if (pattern == NULL)
            continue;
        struct fn_text out = {.call = call};
        int64_t max = fn_int(call, 3, row);
        int done = substitute(pattern, &out, fn_str(call, 0, row), fn_str(call, 2, row), max);
        if (done == 0)
            too_many_steps(call, row);
        else if (done < 0)
            wr_call_fail(call, row, WR_REJECT_TYPE,
                         "`%%` in the replacement is neither `%%%%` nor the number of a capture");
        else
            fn_text_end(&out, row);
    }
    wr_arena_release(&source.scratch);
    return status;
}

#define FIND_ENTRY(own_name) \
    { \
        .name = own_name, .group = "patterns", .flags = FN_PURE | WR_FN_CAN_NIL | WR_FN_CAN_FAIL, \
        .doc = "The byte at which a Lua pattern first matches, from `start` on; nil when it does " \
               "not. With `plain` the pattern is just text.", \
        .signatures = FN_SIGNATURES({"(x string, pattern string, start int64 = 1, plain bool = " \
                                     "false) int64", \
                                     find_kernel, find_prepare}), \
        .examples = \
            FN_EXAMPLES({own_name "('weir', 'i')", "3"}, {own_name "('weir', '%d')", "nil"}, \
                        {own_name "('a.b', '.', 1, true)", "2"}) \
    }
#define MATCH_ENTRY(own_name) \
    { \
        .name = own_name, .group = "patterns", .flags = FN_PURE | WR_FN_CAN_NIL | WR_FN_CAN_FAIL, \
        .doc = \
            "The first capture of a Lua pattern, or the whole match when it has none; nil when " \
            "it does not match.", \
        .signatures = FN_SIGNATURES( \
            {"(x string, pattern string, start int64 = 1) string", match_kernel, match_prepare}), \
        .examples = \
            FN_EXAMPLES({own_name "('order 66', '%d+')", "'66'"}, \
                        {own_name "('k=v', '(%w)=')", "'k'"}, {own_name "('abc', '%d')", "nil"}) \
    }
#define GSUB_ENTRY(own_name) \
    { \
        .name = own_name, .group = "patterns", .flags = FN_PURE | WR_FN_CAN_FAIL, \
        .doc = \
            "The text with matches of a Lua pattern replaced, at most `limit` of them; `%1` in " \
            "the replacement is the first capture, `%0` the match.", \
        .signatures = \
            FN_SIGNATURES({"(x string, pattern string, replacement string, limit int64 = " \
                           "9223372036854775807) string", \
                           gsub_kernel, pattern_prepare}), \
        .examples = FN_EXAMPLES({own_name "('banana', 'a', 'o')", "'bonono'"}, \
                                {own_name "('banana', 'a', 'o', 1)", "'bonana'"}, \
                                {own_name "('a1b2', '(%a)(%d)', '%2%1')", "'1a2b'"}) \
    }

const struct wr_function wr_functions_patterns[] = {
    FIND_ENTRY("find"),
    FIND_ENTRY("string.find"),
    MATCH_ENTRY("match"),
    MATCH_ENTRY("string.match"),
    GSUB_ENTRY("gsub"),
    GSUB_ENTRY("string.gsub"),
    {0},
};
