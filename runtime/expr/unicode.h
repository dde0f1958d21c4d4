/* unicode.h: normalization form C (UAX 15) and the characters that texts are made of. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_buf;

struct wr_decomposition {
    uint32_t code, first, second;
};
struct wr_composition {
    uint32_t first, second, code;
};
struct wr_combining {
    uint32_t first, last;
    uint8_t combining_class;
};
extern const struct wr_decomposition wr_decompositions[];
extern const uint32_t wr_decomposition_count;
extern const struct wr_composition wr_compositions[];
extern const uint32_t wr_composition_count;
extern const struct wr_combining wr_combinings[];
extern const uint32_t wr_combining_count;

/* The code point at `at` and its bytes; an invalid byte is itself with the high bit 31 set. */
uint32_t wr_utf8_get(const char *at, const char *end, uint32_t *length);
#define WR_UTF8_BAD UINT32_C(0x80000000)

/* 1 when the text is surely in form C already (a quick look; ASCII always is). */
int wr_nfc_is_plain(const char *text, size_t length);
/* Appends the text in form C; with `strip` without combining marks (decomposed accents go).
 * Invalid bytes stay. WR_OK, WR_ENOMEM or WR_ELIMIT. */
int wr_nfc_add(struct wr_buf *out, const char *text, size_t length, int strip);
