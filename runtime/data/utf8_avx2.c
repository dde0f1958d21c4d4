/* utf8_avx2.c: the UTF-8 check by 32 bytes. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#include "data/utf8.h"
#include "data/simd_avx2_begin.inc"

#define VECTOR_BYTES 32
typedef __m256i vector;

static inline vector vector_load(const char *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}
static inline vector vector_set(int byte) {
    return _mm256_set1_epi8((char)byte);
}
static inline vector vector_and(vector a, vector b) {
    return _mm256_and_si256(a, b);
}
static inline vector vector_or(vector a, vector b) {
    return _mm256_or_si256(a, b);
}
static inline vector vector_xor(vector a, vector b) {
    return _mm256_xor_si256(a, b);
}
static inline vector vector_minus(vector a, vector b) { /* not below 0 */
    return _mm256_subs_epu8(a, b);
}
static inline vector vector_high(vector a) {
    return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15));
}
static inline vector vector_lookup(const uint8_t *table, vector index) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)),
                               index);
}
static inline int vector_has_high(vector a) {
    return _mm256_movemask_epi8(a) != 0;
}
static inline int vector_not_zero(vector a) {
    return !_mm256_testz_si256(a, a);
}
/* The bytes one, two or three places before each. */
#define vector_before(bytes, last, count) \
    _mm256_alignr_epi8(bytes, _mm256_permute2x128_si256(last, bytes, 0x21), 16 - (count))

#define RUN wr_utf8_valid_prefix_avx2
#include "data/utf8_body.inc"
#include "data/simd_avx2_end.inc"
#else
typedef int wr_no_avx2; /* ISO C wants a declaration */
#endif
