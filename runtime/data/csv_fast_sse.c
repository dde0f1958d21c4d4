/* csv_fast_sse.c: 16 bytes at a time, as every x86-64 has. */
#if defined(__x86_64__)
#include <emmintrin.h>

#define SCAN_BYTES 16

/* A bit for each byte that is `a` or `b`; in *above for each above 0x7f. */
static inline unsigned scan_block(const char *at, char a, char b, unsigned *above) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    *above = (unsigned)_mm_movemask_epi8(bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(a)),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b))));
}

#define RUN wr_csv_run_sse
#include "data/csv_fast_body.inc"
#else
typedef int wr_no_sse; /* ISO C wants a declaration */
#endif
