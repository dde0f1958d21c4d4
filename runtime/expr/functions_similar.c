/* functions_similar.c: how alike two texts are. By bytes. */
#include "base/alloc.h"
#include "base/arena.h"
#include "expr/expr.h"
#include "expr/library.h"
#include "base/banned.h"

#define SIMILAR_BYTES_MAX 16384 /* of each text: the work grows with the product */

static int lengths_fit(struct wr_call *call, uint32_t row) {
    uint32_t a = fn_str(call, 0, row)->length;
    uint32_t b = fn_str(call, 1, row)->length;
    if (a <= SIMILAR_BYTES_MAX && b <= SIMILAR_BYTES_MAX)
        return 1;
    wr_call_fail(call, row, WR_REJECT_OVERFLOW, "texts of %u and %u bytes, at most %d", a, b,
                 SIMILAR_BYTES_MAX);
    return 0;
}

/* Wagner and Fischer, "The string-to-string correction problem", 1974, with one row of the table.
 */
static uint32_t levenshtein(const struct wr_str *x, const struct wr_str *y, uint32_t *table) {
    const char *a = wr_str_bytes(x);
    const char *b = wr_str_bytes(y);
    for (uint32_t j = 0; j <= y->length; j++)
        table[j] = j;
    for (uint32_t i = 1; i <= x->length; i++) {
        uint32_t diagonal = table[0];
        table[0] = i;
        for (uint32_t j = 1; j <= y->length; j++) {
            uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = table[j];
            table[j] = WR_MIN(change, WR_MIN(table[j], table[j - 1]) + 1);
        }
    }
    return table[y->length];
}
static int levenshtein_kernel(struct wr_call *call) {
    struct wr_arena scratch;
    wr_arena_init(&scratch, call->eval->budget, 4096);
    int status = WR_OK;
    FN_EACH(call, row) {
        if (!lengths_fit(call, row))
            continue;
        wr_arena_reset(&scratch);
        uint32_t *table = WR_ARENA_ARRAY(&scratch, uint32_t, fn_str(call, 1, row)->length + 1);
        if (table == NULL) {
            status = WR_ENOMEM;
            break;
        }
        FN_OUT_INT(call)[row] = levenshtein(fn_str(call, 0, row), fn_str(call, 1, row), table);
    }
    wr_arena_release(&scratch);
    return status;
}

static void byte_set(const struct wr_str *str, uint64_t set[4]) {
    const char *bytes = wr_str_bytes(str);
    memset(set, 0, 32);
    for (uint32_t i = 0; i < str->length; i++)
        wr_bit_set(set, (unsigned char)bytes[i]);
}
static int jaccard_kernel(struct wr_call *call) {
    FN_EACH(call, row) {
        uint64_t a[4];
        uint64_t b[4];
        int both = 0;
        int either = 0;
        byte_set(fn_str(call, 0, row), a);
        byte_set(fn_str(call, 1, row), b);
        for (int i = 0; i < 4; i++) {
            both += __builtin_popcountll(a[i] & b[i]);
            either += __builtin_popcountll(a[i] | b[i]);
        }
        FN_OUT_FLOAT(call)[row] = either == 0 ? 1 : (double)both / either;
    }
    return WR_OK;
}

/* Jaro, "Advances in record-linkage methodology", 1989; Winkler, "String comparator metrics", 1990.
 * `used` has room for both texts. */
static double jaro_winkler(const struct wr_str *x, const struct wr_str *y, char *used) {
    const char *a = wr_str_bytes(x);
    const char *b = wr_str_bytes(y);
    uint32_t n = x->length;
    uint32_t m = y->length;
    if (n == 0 || m == 0)
        return n == m;
    char *used_b = used + n;
    memset(used, 0, (size_t)n + m);
    uint32_t reach = WR_MAX(n, m) / 2;
    reach = reach > 0 ? reach - 1 : 0;
    uint32_t common = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = i > reach ? i - reach : 0;
        uint32_t to = WR_MIN(i + reach + 1, m);
        for (uint32_t j = from; j < to; j++) {
            if (used_b[j] || a[i] != b[j])
                continue;
            used[i] = used_b[j] = 1;
            common++;
            break;
        }
    }
    if (common == 0)
        return 0;
    uint32_t moved = 0;
    for (uint32_t i = 0, j = 0; i < n; i++) {
        if (!used[i])
            continue;
        while (!used_b[j])
            j++;
        moved += a[i] != b[j++];
    }
    double c = common;
    double jaro = (c / n + c / m + (c - (double)(moved / 2)) / c) / 3;
    uint32_t prefix = 0;
    while (prefix < 4 && prefix < n && prefix < m && a[prefix] == b[prefix])
        prefix++;
    return jaro + prefix * 0.1 * (1 - jaro);
}
static int text_similarity_kernel(struct wr_call *call) {
    struct wr_arena scratch;
    wr_arena_init(&scratch, call->eval->budget, 4096);
    int status = WR_OK;
    FN_EACH(call, row) {
        const struct wr_str *x = fn_str(call, 0, row);
        const struct wr_str *y = fn_str(call, 1, row);
        if (!lengths_fit(call, row))
            continue;
        wr_arena_reset(&scratch);
        char *used = wr_arena_alloc(&scratch, (size_t)x->length + y->length + 1);
        if (used == NULL) {
            status = WR_ENOMEM;
            break;
        }
        FN_OUT_FLOAT(call)[row] = jaro_winkler(x, y, used);
    }
    wr_arena_release(&scratch);
    return status;
}

#define SIMILAR_ENTRY(own_name, own_doc, signature, kernel, ...) \
    { \
        .name = own_name, .group = "text", .flags = FN_PURE | WR_FN_CAN_FAIL, .doc = own_doc, \
        .signatures = FN_SIGNATURES({signature, kernel, NULL}), \
        .examples = FN_EXAMPLES(__VA_ARGS__) \
    }

const struct wr_function wr_functions_similar[] = {
    SIMILAR_ENTRY("levenshtein",
                  "How many single bytes have to be put in, taken out or changed to make y of x.",
                  "(x string, y string) int64", levenshtein_kernel,
                  {"levenshtein('kitten', 'sitting')", "3"}, {"levenshtein('', 'abc')", "3"}),
    SIMILAR_ENTRY("jaccard",
                  "The share of the bytes that occur in both texts among those that occur in "
                  "either, 0 to 1.",
                  "(x string, y string) float64", jaccard_kernel, {"jaccard('abc', 'bcd')", "0.5"},
                  {"jaccard('', '')", "1.0"}),
    SIMILAR_ENTRY("text_similarity",
                  "How alike two texts are, 0 to 1, by Jaro and Winkler: names and short texts.",
                  "(x string, y string) float64", text_similarity_kernel,
                  {"round(text_similarity('MARTHA', 'MARHTA'), 4)", "0.9611"},
                  {"text_similarity('a', 'b')", "0.0"}),
    {0},
};
