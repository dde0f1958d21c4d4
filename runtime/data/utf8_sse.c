/* utf8_sse.c: the UTF-8 check by 16 bytes, with what every x86-64-v2 has. */
#if defined(__x86_64__)
#include <smmintrin.h>
#include <stdint.h>
#include <tmmintrin.h>

#include "data/utf8.h"

#define VECTOR_BYTES 16
typedef __m128i vector;

static inline vector vector_load(const char *at) {
    return _mm_loadu_si128((const __m128i *)at);
}
static inline vector vector_set(int byte) {
    return _mm_set1_epi8((char)byte);
}
static inline vector vector_and(vector a, vector b) {
    return _mm_and_si128(a, b);
}
static inline vector vector_or(vector a, vector b) {
    return _mm_or_si128(a, b);
}
static inline vector vector_xor(vector a, vector b) {
    return _mm_xor_si128(a, b);
}
static inline vector vector_minus(vector a, vector b) { /* not below 0 */
    return _mm_subs_epu8(a, b);
}
static inline vector vector_high(vector a) {
    return _mm_and_si128(_mm_srli_epi16(a, 4), _mm_set1_epi8(15));
}
static inline vector vector_lookup(const uint8_t *table, vector index) {
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)table), index);
}
static inline int vector_has_high(vector a) {
    return _mm_movemask_epi8(a) != 0;
}
static inline int vector_not_zero(vector a) {
    return !_mm_testz_si128(a, a);
}
/* The bytes one, two or three places before each. */
#define vector_before(bytes, last, count) _mm_alignr_epi8(bytes, last, 16 - (count))

#define RUN wr_utf8_valid_prefix_sse
#include "data/utf8_body.inc"
#else
typedef int wr_no_sse; /* ISO C wants a declaration */
#endif
