/* simd.h: which vector forms this CPU runs. Every form gives the same answers; tests compare them
 * by capping the level. */
#pragma once

enum wr_simd {
    WR_SIMD_NONE, /* plain C */
    WR_SIMD_SSE,  /* 16 bytes: every x86-64-v2 */
    WR_SIMD_AVX2, /* 32 bytes, with BMI1 and BMI2 */
};

enum wr_simd wr_simd_level(void);
/* Tests only: what is opened from now on uses at most this level. */
void wr_simd_cap(enum wr_simd most);
