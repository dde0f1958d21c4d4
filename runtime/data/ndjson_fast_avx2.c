/* ndjson_fast_avx2.c: 32 bytes at a time. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/fast_read.h"
#include "data/json_text.h"
#include "data/ndjson_fast.h"
#include "data/text.h"
#include "data/simd_avx2_begin.inc"

static inline int literal_differs(const struct wr_step *step, const char *at) {
    __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)at),
                                     _mm256_load_si256((const __m256i *)step->literal));
    return (~(unsigned)_mm256_movemask_epi8(same) & step->literal_mask) != 0;
}

/* The first `"`, `\` or control byte; *high is not 0 when a byte before it is above 0x7f. */
static inline const char *string_scan(const char *at, unsigned *high) {
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\');
    const __m256i control = _mm256_set1_epi8(0x1f);
    for (;; at += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
        __m256i found =
            _mm256_or_si256(_mm256_cmpeq_epi8(bytes, quote), _mm256_cmpeq_epi8(bytes, slash));
        found = _mm256_or_si256(found, _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, control), bytes));
        unsigned mask = (unsigned)_mm256_movemask_epi8(found);
        unsigned above = (unsigned)_mm256_movemask_epi8(bytes);
        if (mask != 0) {
            *high |= above & (mask - 1) & ~mask;
            return at + __builtin_ctz(mask);
        }
        *high |= above;
    }
}

#define RUN wr_fast_run_avx2
#include "data/ndjson_fast_body.inc"
#include "data/simd_avx2_end.inc"
#else
typedef int wr_no_avx2; /* ISO C wants a declaration */
#endif
