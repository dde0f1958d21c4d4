/* ndjson_fast_sse.c: 16 bytes at a time, as every x86-64 has. */
#if defined(__x86_64__)
#include <emmintrin.h>

#include "data/ndjson_fast.h"

static inline unsigned same_16(const char *a, const char *b) {
    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a), _mm_load_si128((const __m128i *)b)));
}

static inline int literal_differs(const struct wr_step *step, const char *at) {
    unsigned same = same_16(at, step->literal);
    if (step->literal_length > 16)
        same |= same_16(at + 16, step->literal + 16) << 16;
    return (~same & step->literal_mask) != 0;
}

/* The first `"`, `\` or control byte; *high is not 0 when a byte before it is above 0x7f. */
static inline const char *string_scan(const char *at, unsigned *high) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (;; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        unsigned above = (unsigned)_mm_movemask_epi8(bytes);
        if (mask != 0) {
            *high |= above & (mask - 1) & ~mask;
            return at + __builtin_ctz(mask);
        }
        *high |= above;
    }
}

#define RUN wr_fast_run_sse
#include "data/ndjson_fast_body.inc"
#else
typedef int wr_no_sse; /* ISO C wants a declaration */
#endif
