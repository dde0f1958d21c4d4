/* functions_regex.c: regular expressions by PCRE2. Patterns are constants, compiled once (with
 * JIT); the work on one text is bounded by PCRE2's match and depth limits, so that no record can
 * hang a run. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "data/json_text.h"
#include "expr/expr.h"
#include "expr/library.h"
#include "base/banned.h"

#define MATCH_LIMIT 1000000 /* steps of one match */
#define DEPTH_LIMIT 10000
#define HEAP_LIMIT_KIB 16384
#define PATTERN_BYTES_MAX 65536

/* A compiled pattern; lives in the plan's arena, JIT code apart. */
struct regex {
    pcre2_code *code;
    uint32_t capture_count;
};

static void *arena_malloc(size_t size, void *arena) {
    return wr_arena_alloc(arena, size);
}
static void arena_free(void *memory, void *arena) {
    (void)memory;
    (void)arena;
}

static int regex_prepare(struct wr_arena *arena, uint32_t arg_count,
                         const struct wr_value *const *constants, void **prepared,
                         struct wr_error *err) {
    (void)arg_count;
    *prepared = NULL;
    if (constants[1] == NULL || constants[1]->kind != WR_VALUE_STRING)
        return WR_OK; /* a bare nil: nil everywhere */
    if (constants[1]->count > PATTERN_BYTES_MAX)
        return wr_error_script(err, "W115", "bad regex: longer than %d bytes", PATTERN_BYTES_MAX);
    struct regex *regex = wr_arena_alloc_zero(arena, sizeof *regex);
    pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, arena);
    pcre2_compile_context *context = general == NULL ? NULL : pcre2_compile_context_create(general);
    if (regex == NULL || context == NULL)
        return WR_ENOMEM;
    pcre2_set_max_pattern_length(context, PATTERN_BYTES_MAX);
    int code;
    PCRE2_SIZE at;
    /* No \C: it would cut characters. Bytes that are no UTF-8 are taken as they are. */
    regex->code = pcre2_compile((PCRE2_SPTR)constants[1]->string, constants[1]->count,
                                PCRE2_NEVER_BACKSLASH_C | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                                &code, &at, context);
    if (regex->code == NULL) {
        char text[200];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        return code == PCRE2_ERROR_NOMEMORY
                   ? WR_ENOMEM
                   : wr_error_script(err, "W115", "bad regex at byte %zu: %s", at + 1, text);
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where it cannot: interpreted */
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->capture_count);
    *prepared = regex;
    return WR_OK;
}

static void *budget_malloc(size_t size, void *budget) {
    return wr_alloc(budget, size);
}
static void budget_free(void *memory, void *budget) {
    wr_free(budget, memory);
}

/* What one call needs besides: freed at its end. Its memory comes from the budget of the call. */
struct matcher {
    const struct regex *regex;
    struct wr_call *call;
    pcre2_match_data *data;
    pcre2_match_context *context;
    const PCRE2_SIZE *places; /* start and end of the match, then of each capture */
    int status;               /* WR_ENOMEM, when a match had no memory */
};

static int matcher_open(struct matcher *m, struct wr_call *call) {
    *m = (struct matcher){.regex = call->prepared, .call = call};
    pcre2_general_context *general =
        pcre2_general_context_create(budget_malloc, budget_free, call->eval->budget);
    if (general == NULL)
        return WR_ENOMEM;
    m->context = pcre2_match_context_create(general);
    m->data =
        m->regex == NULL ? NULL : pcre2_match_data_create_from_pattern(m->regex->code, general);
    pcre2_general_context_free(general);
    if (m->context == NULL || m->data == NULL) {
        pcre2_match_context_free(m->context);
        pcre2_match_data_free(m->data);
        return WR_ENOMEM;
    }
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_depth_limit(m->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    m->places = pcre2_get_ovector_pointer(m->data);
    return WR_OK;
}
static int matcher_close(struct matcher *m) {
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    return m->status;
}

/* A match from byte `from` on: 1, 0, or -1 after failing the row. */
static int matcher_find(struct matcher *m, uint32_t row, size_t from, uint32_t options) {
    const struct wr_str *text = fn_str(m->call, 0, row);
    int found = pcre2_match(m->regex->code, (PCRE2_SPTR)wr_str_bytes(text), text->length, from,
                            options, m->data, m->context);
    if (found >= 0)
        return 1;
    if (found == PCRE2_ERROR_NOMATCH || found == PCRE2_ERROR_BADOFFSET)
        return 0;
    if (found == PCRE2_ERROR_NOMEMORY)
        m->status = WR_ENOMEM;
    wr_call_fail(m->call, row, WR_REJECT_OVERFLOW, "the regex takes too many steps on %u bytes",
                 text->length);
    return -1;
}

/* The next of several matches that do not overlap; an empty one is not taken twice. */
static int matcher_next(struct matcher *m, uint32_t row, size_t *from, int *was_empty) {
    const struct wr_str *text = fn_str(m->call, 0, row);
    const char *bytes = wr_str_bytes(text);
    for (;;) {
        uint32_t options = *was_empty ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
        if (*from > text->length)
            return 0;
        int found = matcher_find(m, row, *from, options);
        if (found == 1) {
            *from = m->places[1] > *from || m->places[1] > m->places[0] ? m->places[1] : *from;
            *was_empty = m->places[0] == m->places[1];
            return 1;
        }
        if (found < 0 || !*was_empty)
            return found;
        *was_empty = 0; /* on by one character */
        (*from)++;
        while (*from < text->length && (bytes[*from] & 0xc0) == 0x80)
            (*from)++;
    }
}

/* ---- match, find ---------------------------------------------------------------------------- */

static int regex_match_kernel(struct wr_call *call) {
    struct matcher m;
    if (matcher_open(&m, call) != WR_OK)
        return WR_ENOMEM;
    FN_EACH(call, row)
    FN_OUT_BOOL(call)[row] = matcher_find(&m, row, 0, 0) == 1;
    return matcher_close(&m);
}

static int regex_find_kernel(struct wr_call *call) {
    struct matcher m;
    if (matcher_open(&m, call) != WR_OK)
        return WR_ENOMEM;
    FN_EACH(call, row) {
        int64_t group = fn_int(call, 2, row);
        if (group < 0)
            group = m.regex->capture_count > 0 ? 1 : 0;
        if (group > m.regex->capture_count) {
            wr_call_fail(call, row, WR_REJECT_TYPE, "the regex has no group %lld",
                         (long long)group);
            continue;
        }
        int found = matcher_find(&m, row, 0, 0);
        if (found == 1 && m.places[2 * group] != PCRE2_UNSET)
            fn_piece(call, row, wr_str_bytes(fn_str(call, 0, row)) + m.places[2 * group],
                     m.places[2 * group + 1] - m.places[2 * group]);
        else if (found >= 0)
            wr_call_nil(call, row);
    }
    return matcher_close(&m);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Adds the parts of one row to a list: the matches, or what lies between them. */
static int row_parts(struct matcher *m, uint32_t row, struct wr_buf *json, int between) {
    const struct wr_str *text = fn_str(m->call, 0, row);
    const char *bytes = wr_str_bytes(text);
    size_t from = 0;
    size_t behind_last = 0;
    int was_empty = 0;
    int found;
    uint32_t group = !between && m->regex->capture_count > 0 ? 1 : 0;
    wr_buf_clear(json);
    wr_buf_add_char(json, '[');
    while ((found = matcher_next(m, row, &from, &was_empty)) == 1) {
        if (between && was_empty && (m->places[0] == 0 || m->places[0] == text->length))
            continue; /* nothing lies before an empty match at an end */
        if (json->length > 1)
            wr_buf_add_char(json, ',');
        if (between)
            wr_json_add_string(json, bytes + behind_last, m->places[0] - behind_last);
        else if (m->places[2 * group] == PCRE2_UNSET)
            wr_buf_add_text(json, "null");
        else
            wr_json_add_string(json, bytes + m->places[2 * group],
                               m->places[2 * group + 1] - m->places[2 * group]);
        behind_last = m->places[1];
    }
    if (between && json->length > 1)
        wr_buf_add_char(json, ',');
    if (between)
        wr_json_add_string(json, bytes + behind_last, text->length - behind_last);
    wr_buf_add_char(json, ']');
    return found;
}

static int list_rows(struct wr_call *call, int between) {
    struct matcher m;
    struct wr_buf json;
    if (matcher_open(&m, call) != WR_OK)
        return WR_ENOMEM;
    wr_buf_init(&json, call->eval->budget, WR_RESULT_BYTES_MAX);
    FN_EACH(call, row) {
        if (row_parts(&m, row, &json, between) < 0)
            continue;
        struct fn_text out = {.call = call, .failed = json.status != WR_OK};
        if (json.status == WR_ENOMEM)
            break;
        fn_text_add(&out, json.bytes, json.length);
        fn_text_end(&out, row);
    }
    int status = json.status == WR_ENOMEM ? WR_ENOMEM : WR_OK;
    wr_buf_release(&json);
    return matcher_close(&m) == WR_OK ? status : WR_ENOMEM;
}
static int regex_find_all_kernel(struct wr_call *call) {
    return list_rows(call, 0);
}
static int regex_split_kernel(struct wr_call *call) {
    return list_rows(call, 1);
}

/* ---- replace -------------------------------------------------------------------------------- */

/* Adds a replacement: $1 or ${1} is a group, $0 the match, $$ a dollar. 0: it names no group. */
static int add_replacement(struct fn_text *out, const struct matcher *m, const char *text,
                           const struct wr_str *by) {
    const char *at = wr_str_bytes(by);
    const char *end = at + by->length;
    while (at < end) {
        const char *dollar = memchr(at, '$', (size_t)(end - at));
        fn_text_add(out, at, (size_t)((dollar == NULL ? end : dollar) - at));
        if (dollar == NULL)
            return 1;
        at = dollar + 1;
        if (at < end && *at == '$') {
            fn_text_add(out, at++, 1);
            continue;
        }
        int braces = at < end && *at == '{';
        at += braces;
        const char *digits = at;
        uint32_t group = 0;
        while (at < end && *at >= '0' && *at <= '9' && group < 1000)
            group = group * 10 + (uint32_t)(*at++ - '0');
        if (at == digits || group > m->regex->capture_count ||
            (braces && (at == end || *at != '}')))
            return 0;
        at += braces;
        if (m->places[2 * group] != PCRE2_UNSET)
            fn_text_add(out, text + m->places[2 * group],
                        m->places[2 * group + 1] - m->places[2 * group]);
    }
    return 1;
}

static int regex_replace_kernel(struct wr_call *call) {
    struct matcher m;
    if (matcher_open(&m, call) != WR_OK)
        return WR_ENOMEM;
    FN_EACH(call, row) {
        const struct wr_str *text = fn_str(call, 0, row);
        const char *bytes = wr_str_bytes(text);
        struct fn_text out = {.call = call};
        size_t from = 0;
        size_t behind_last = 0;
        int was_empty = 0;
        int found = 0;
        int good = 1;
        int64_t max = fn_int(call, 3, row) < 0 ? INT64_MAX : fn_int(call, 3, row);
        for (int64_t n = 0; n < max && good; n++) {
            found = matcher_next(&m, row, &from, &was_empty);
            if (found != 1)
                break;
            fn_text_add(&out, bytes + behind_last, m.places[0] - behind_last);
            good = add_replacement(&out, &m, bytes, fn_str(call, 2, row));
            behind_last = m.places[1];
        }
        if (found < 0)
            continue;
        fn_text_add(&out, bytes + behind_last, text->length - behind_last);
        if (!good)
            wr_call_fail(call, row, WR_REJECT_TYPE,
                         "`$` in the replacement is neither `$$` nor the number of a group");
        else
            fn_text_end(&out, row);
    }
    return matcher_close(&m);
}

#define REGEX_ENTRY(own_name, own_flags, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "regular expressions", \
        .flags = FN_PURE | WR_FN_CAN_FAIL | (own_flags), .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, kernel, regex_prepare}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_regex[] = {
    REGEX_ENTRY("regex_match", 0,
                "Whether a regular expression (PCRE2) matches somewhere in the text.",
                "(x string, regex const string) bool", regex_match_kernel,
                {"regex_match('order 66', '[0-9]+$')", "true"},
                {"regex_match('weir', '^e')", "false"}, {"regex_match('x', '(')", "error W115"}),
    REGEX_ENTRY("regex_find", WR_FN_CAN_NIL,
                "The first match: its first group, or all of it when there is none, or the group "
                "of a number (0 is all); nil when it does not match.",
                "(x string, regex const string, group int64 = -1) string", regex_find_kernel,
                {"regex_find('k=v', '(.)=(.)')", "'k'"}, {"regex_find('k=v', '(.)=(.)', 2)", "'v'"},
                {"regex_find('weir', '[0-9]')", "nil"}),
    REGEX_ENTRY("regex_find_all", 0,
                "All matches, or their first groups where there are groups, as a list.",
                "(x string, regex const string) list<string>", regex_find_all_kernel,
                {"regex_find_all('a1b22', '[0-9]+')", "[\"1\",\"22\"]"},
                {"regex_find_all('a', '[0-9]')", "[]"}),
    REGEX_ENTRY("regex_replace", 0,
                "With matches replaced, at most `limit` of them (-1: all); $1 in the replacement "
                "is a group, $0 the match, $$ a dollar.",
                "(x string, regex const string, by string, limit int64 = -1) string",
                regex_replace_kernel, {"regex_replace('a1b2', '[0-9]', '#')", "'a#b#'"},
                {"regex_replace('a1b2', '([a-z])([0-9])', '$2$1', 1)", "'1ab2'"}),
    REGEX_ENTRY("regex_split", 0, "The parts between matches, as a list.",
                "(x string, regex const string) list<string>", regex_split_kernel,
                {"regex_split('a, b;c', '[,;] *')", "[\"a\",\"b\",\"c\"]"},
                {"regex_split('abc', '')", "[\"a\",\"b\",\"c\"]"}),
    {0},
};
