/* ndjson_fast_body.h: the loop of ndjson_fast.h, once for each vector form. The file that includes
 * it has defined RUN (the function's name), literal_differs and string_scan. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/json_text.h"
#include "data/ndjson_fast.h"
#include "data/text.h"

/* Bytes of a short string that stay, as two words: of the first 4, of the next 8. */
static const uint32_t head_masks[13] = {0,          0xff,       0xffff,     0xffffff,   0xffffffff,
                                        0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                                        0xffffffff, 0xffffffff, 0xffffffff};
static const uint64_t tail_masks[13] = {0,
                                        0,
                                        0,
                                        0,
                                        0,
                                        0xff,
                                        0xffff,
                                        0xffffff,
                                        0xffffffff,
                                        0xffffffffff,
                                        0xffffffffffff,
                                        0xffffffffffffff,
                                        UINT64_MAX};

/* A view without a branch on its length. */
static inline void put_view(struct wr_str *out, const char *at, uint32_t length) {
    uint32_t index = length < 12 ? length : 12;
    uint64_t words[2] = {length | (uint64_t)(wr_load32(at) & head_masks[index]) << 32,
                         wr_load64(at + 4) & tail_masks[index]};
    words[1] = length > WR_STR_INLINE_MAX ? (uint64_t)(uintptr_t)at : words[1];
    memcpy(out, words, sizeof words);
}

/* The end of the string behind the quote at `at`: its closing quote. NULL: not a plain string, or
 * not UTF-8. */
static inline const char *plain_string_end(const char *at) {
    unsigned high = 0;
    const char *end = string_scan(at, &high);
    if (WR_UNLIKELY(*end != '"'))
        return NULL;
    if (WR_UNLIKELY(high != 0) &&
        wr_utf8_valid_prefix(at, (size_t)(end - at)) != (size_t)(end - at))
        return NULL;
    return end;
}

/* A string with escapes. */
static __attribute__((noinline)) const char *read_escaped(struct wr_fast *fast, struct wr_str *out,
                                                          const char *at, const char *limit) {
    struct wr_json_scan scan;
    int escaped = 0;
    const char *end = wr_json_string_end(&scan, at, limit, &escaped);
    if (end == NULL || wr_utf8_valid_prefix(at, (size_t)(end - at)) != (size_t)(end - at))
        return NULL;
    char *plain = wr_arena_alloc(fast->row->rows.cells, (size_t)(end - at) + 16);
    if (plain == NULL)
        return NULL;
    put_view(out, plain, (uint32_t)wr_json_unescape(at, end, plain));
    return end + 1;
}

static inline const char *read_string(struct wr_fast *fast, struct wr_str *out, const char *at,
                                      const char *limit) {
    const char *end = plain_string_end(at + 1);
    if (WR_UNLIKELY(end == NULL))
        return read_escaped(fast, out, at + 1, limit);
    put_view(out, at + 1, (uint32_t)(end - at - 1));
    return end + 1;
}

/* Digits of a JSON number: no leading 0 before others. */
static inline const char *read_digits(const char *at, uint64_t *value) {
    unsigned count = wr_swar_u64(at, value);
    if (WR_UNLIKELY(count == 0 || (count > 1 && *at == '0')))
        return NULL;
    return at + count;
}

static inline const char *read_int64(int64_t *out, const char *at) {
    uint64_t value, negative = *at == '-';
    at = read_digits(at + negative, &value);
    if (WR_UNLIKELY(at == NULL || value > (uint64_t)INT64_MAX + negative))
        return NULL;
    *out = (int64_t)((value ^ (0 - negative)) + negative);
    return at;
}

static __attribute__((noinline)) const char *read_float64_slow(double *out, const char *at,
                                                               const char *limit) {
    struct wr_json_scan scan;
    const char *end = wr_json_number_end(&scan, at, limit);
    return end != NULL && wr_float64_parse(at, (size_t)(end - at), 0, out) ? end : NULL;
}

/* Up to 8 digits on each side of the point are exact by one division (Clinger 1990). */
static inline const char *read_float64(double *out, const char *at, const char *limit) {
    unsigned whole_count, count = 0;
    const char *first = at + (*at == '-'), *end;
    uint64_t digits = wr_swar_digits(first, &whole_count);
    if (WR_UNLIKELY(whole_count == 0 || whole_count == 8 || (*first == '0' && whole_count > 1)))
        return read_float64_slow(out, at, limit);
    uint64_t whole = wr_swar_value_of(digits, whole_count);
    double value = (double)whole;
    end = first + whole_count;
    if (*end == '.') {
        digits = wr_swar_digits(end + 1, &count);
        if (WR_UNLIKELY(count == 0 || count == 8))
            return read_float64_slow(out, at, limit);
        whole = whole * wr_pow10_u64[count] + wr_swar_value_of(digits, count);
        value = (double)whole / wr_pow10_double[count];
        end += 1 + count;
    }
    if (WR_UNLIKELY((*end | 32) == 'e'))
        return read_float64_slow(out, at, limit);
    *out = *at == '-' ? -value : value;
    return end;
}

static inline const char *read_bool(uint8_t *out, const char *at) {
    uint32_t word = wr_load32(at);
    if (word == 0x65757274) /* "true" */
        return *out = 1, at + 4;
    if (word == 0x736c6166 && at[4] == 'e') /* "fals" */
        return *out = 0, at + 5;
    return NULL;
}

/* Any value, checked: where it ends, or NULL. */
static __attribute__((noinline)) const char *value_end(const char *at, const char *limit) {
    struct wr_json_scan scan;
    const char *end = wr_json_value_end(&scan, at, limit);
    if (end == NULL || wr_utf8_valid_prefix(at, (size_t)(end - at)) != (size_t)(end - at))
        return NULL;
    if ((*at == '{' || *at == '[') && memchr(at, '\n', (size_t)(end - at)) != NULL)
        return NULL; /* a row ends with its line */
    return end;
}

static inline const char *skip_value(const char *at, const char *limit) {
    uint64_t unused;
    if (*at == '"') {
        const char *end = plain_string_end(at + 1);
        return WR_LIKELY(end != NULL) ? end + 1 : value_end(at, limit);
    }
    const char *end = (unsigned)(*at - '0') <= 9 ? read_digits(at, &unused) : NULL;
    if (end == NULL || *end == '.' || (*end | 32) == 'e')
        return value_end(at, limit);
    return end;
}

static inline const char *read_timestamp(struct wr_fast *fast, int64_t *out, const char *at) {
    const char *end = *at == '"' ? plain_string_end(at + 1) : NULL;
    if (end == NULL || !wr_timestamp_fast(&fast->memo, at + 1, (uint32_t)(end - at - 1), out))
        return NULL;
    return end + 1;
}

static inline const char *read_epoch(int64_t *out, const char *at, unsigned factor) {
    int64_t value;
    at = read_int64(&value, at);
    if (at == NULL || __builtin_mul_overflow(value, (int64_t)wr_pow10_u64[factor], out))
        return NULL;
    return at;
}

/* nil, a type without a loop of its own, or a text that is not the usual one. */
static __attribute__((noinline)) const char *read_other(struct wr_fast *fast,
                                                        const struct wr_step *step, const char *at,
                                                        const char *limit) {
    struct wr_rows *rows = &fast->row->rows;
    struct wr_json_value value = {.at = at, .end = value_end(at, limit)};
    if (value.end == NULL)
        return NULL;
    value.escaped = *at == '"' && memchr(at, '\\', (size_t)(value.end - at)) != NULL;
    return wr_json_convert(rows, &rows->slots[step->slot], &value) ? value.end : NULL;
}

static inline const char *read_value(struct wr_fast *fast, const struct wr_step *step, uint32_t row,
                                     const char *at, const char *limit) {
    const char *end = NULL;
    switch (step->op) {
    case WR_STEP_SKIP: return skip_value(at, limit);
    case WR_STEP_INT64: end = read_int64((int64_t *)step->data + row, at); break;
    case WR_STEP_FLOAT64: end = read_float64((double *)step->data + row, at, limit); break;
    case WR_STEP_BOOL: end = read_bool((uint8_t *)step->data + row, at); break;
    case WR_STEP_STRING:
        if (WR_LIKELY(*at == '"'))
            return read_string(fast, (struct wr_str *)step->data + row, at, limit);
        break;
    case WR_STEP_TIMESTAMP: end = read_timestamp(fast, (int64_t *)step->data + row, at); break;
    case WR_STEP_EPOCH: end = read_epoch((int64_t *)step->data + row, at, step->factor); break;
    default: break;
    }
    return WR_LIKELY(end != NULL) ? end : read_other(fast, step, at, limit);
}

/* One row; where the next begins, or NULL. */
static inline const char *read_row(struct wr_fast *fast, const struct wr_template *template,
                                   uint32_t row, const char *at, const char *limit) {
    for (const struct wr_step *step = template->steps;; step++) {
        if (WR_UNLIKELY(literal_differs(step, at)))
            return NULL;
        at += step->literal_length;
        if (step->op <= WR_STEP_END) {
            if (step->op == WR_STEP_END)
                return at;
            continue;
        }
        at = read_value(fast, step, row, at, limit);
        if (WR_UNLIKELY(at == NULL))
            return NULL;
    }
}

const char *RUN(struct wr_fast *fast, struct wr_template *template, const char *at,
                const char *limit) {
    struct wr_rows *rows = &fast->row->rows;
    uint32_t first = rows->row_count;
    while (at < limit && rows->row_count < rows->row_max) {
        const char *next = read_row(fast, template, rows->row_count, at, limit);
        if (WR_UNLIKELY(next == NULL))
            break;
        uint64_t length = (uint64_t)(next - at) - template->line_end_length;
        if (WR_UNLIKELY(length > fast->record_bytes_max))
            break;
        for (uint32_t i = 0; i < template->absent_count; i++)
            if (!wr_slot_absent(rows, &rows->slots[template->absent[i]], rows->row_count))
                return at;
        wr_rows_commit(rows, at, length);
        at = next;
    }
    fast->newlines += rows->row_count - first;
    return at;
}
