/* text.h: numbers and UTF-8 as text; what decoders, encoders and conversions share. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define WR_NUMBER_TEXT_MAX 48 /* bytes that any number below needs */

/* Parse all of `length` bytes; 1, or 0 when it is no such number (int64: or does not fit). */
int wr_int64_parse(const char *text, size_t length, int64_t *value);
/* Decimal notation with optional exponent; also nan, inf, -inf (any case) when `specials`. */
int wr_float64_parse(const char *text, size_t length, int specials, double *value);
int wr_decimal_parse(const char *text, size_t length, uint8_t precision, uint8_t scale,
                     __int128 *value);
/* Write without a 0 behind; return the length. Floats: the shortest text that reads back equal,
 * always with `.`, `e`, or one of nan inf -inf, so that it stays a float. */
size_t wr_int64_format(int64_t value, char *text);
size_t wr_float64_format(double value, char *text);
size_t wr_decimal_format(__int128 value, uint8_t scale, char *text);

/* Bytes of the longest valid UTF-8 prefix of `text` (== length: all valid). Surrogates, overlong
 * forms and code points above U+10FFFF are invalid. Source: Keiser & Lemire, "Validating UTF-8 in
 * less than one instruction per byte", 2021 (the vector form). */
size_t wr_utf8_valid_prefix(const char *text, size_t length);
/* Writes `text` with each byte that cannot stand in UTF-8 as U+FFFD: the one rule of all outputs
 * for texts that a function cut between the bytes of a character. Returns the length, at most 3
 * times as many bytes. */
size_t wr_utf8_mend(const char *text, size_t length, char *out);
/* Code points of valid UTF-8. */
size_t wr_utf8_length(const char *text, size_t length);
/* Writes one code point; returns 1 to 4. */
size_t wr_utf8_put(uint32_t code_point, char *text);
