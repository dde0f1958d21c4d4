/* float_text.h: what text.c needs of the C++ library: floats from and to digits. */
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WR_FLOAT_DIGITS_MAX 32 /* bytes of the scientific form */

/* The shortest digits that read back equal, as "-d.ddde-XX". `value` is finite. */
size_t wr_float64_digits(double value, char *text);

enum { WR_FLOAT_BAD, WR_FLOAT_OK, WR_FLOAT_RANGE };
/* Reads all of a decimal text with optional fraction and exponent, without `+` in front.
 * WR_FLOAT_RANGE: too large, or too small and not 0, for a double. */
int wr_float64_read(const char *text, size_t length, double *value);

#ifdef __cplusplus
}
#endif
