#include "data/simd.h"

#include "base/banned.h"

static enum wr_simd most_allowed = WR_SIMD_AVX2;

void wr_simd_cap(enum wr_simd most) {
    most_allowed = most;
}

enum wr_simd wr_simd_level(void) {
#if defined(__x86_64__)
    enum wr_simd level = WR_SIMD_SSE;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2"))
        level = WR_SIMD_AVX2;
#else
    enum wr_simd level = WR_SIMD_NONE;
#endif
    return level < most_allowed ? level : most_allowed;
}
