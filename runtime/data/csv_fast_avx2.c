/* csv_fast_avx2.c: 32 bytes at a time. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/csv_fast.h"
#include "data/fast_read.h"
#include "data/text.h"
#include "data/simd_avx2_begin.inc"

#define SCAN_BYTES 32

/* A bit for each byte that is `a` or `b`; in *above for each above 0x7f. */
static inline unsigned scan_block(const char *at, char a, char b, unsigned *above) {
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
    *above = (unsigned)_mm256_movemask_epi8(bytes);
    return (unsigned)_mm256_movemask_epi8(
        _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(a)),
                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b))));
}

#define RUN wr_csv_run_avx2
#include "data/csv_fast_body.inc"
#include "data/simd_avx2_end.inc"
#else
typedef int wr_no_avx2; /* ISO C wants a declaration */
#endif
