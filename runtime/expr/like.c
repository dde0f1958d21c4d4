/* like.c: compiles and matches SQL's patterns. */
#include "expr/like.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/banned.h"

/* Bytes of the character at `text`: 1 where it is no valid start. */
static uint32_t character(const char *text, const char *end) {
    uint8_t byte = (uint8_t)*text;
    uint32_t size = byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;
    if ((ptrdiff_t)size > end - text)
        return 1;
    for (uint32_t i = 1; i < size; i++)
        if (((uint8_t)text[i] & 0xc0) != 0x80)
            return 1;
    return size;
}

/* The end of `piece` at `text`, or NULL when it does not stand there. */
static const char *piece_at(const struct wr_like_piece *piece, const char *text, const char *end) {
    if (piece->any == NULL) {
        if ((uint64_t)(end - text) < piece->length ||
            memcmp(text, piece->bytes, piece->length) != 0)
            return NULL;
        return text + piece->length;
    }
    for (uint32_t i = 0; i < piece->length; i++) {
        if (text == end)
            return NULL;
        if (piece->any[i])
            text += character(text, end);
        else if (*text++ != piece->bytes[i])
            return NULL;
    }
    return text;
}

#ifdef __SSE2__
/* The positions from `text` on, of 16, at which the first and the last byte of the piece stand. */
static uint32_t candidates(const char *text, const struct wr_like_piece *piece) {
    __m128i first = _mm_set1_epi8(piece->bytes[0]);
    __m128i last = _mm_set1_epi8(piece->bytes[piece->length - 1]);
    __m128i here = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i there = _mm_loadu_si128((const __m128i *)(const void *)(text + piece->length - 1));
    return (uint32_t)_mm_movemask_epi8(
        _mm_and_si128(_mm_cmpeq_epi8(here, first), _mm_cmpeq_epi8(there, last)));
}

/* The first place of the piece's bytes, or NULL. Sixteen positions at once, of which few remain;
 * the last block overlaps the one before.
 * Source: Mula, "SIMD-friendly algorithms for substring searching", 2016. */
static const char *bytes_find(const struct wr_like_piece *piece, const char *text,
                              const char *end) {
    if ((uint64_t)(end - text) < (uint64_t)piece->length + 15 || piece->length < 2)
        return memmem(text, (size_t)(end - text), piece->bytes, piece->length);
    const char *last = end - piece->length - 15;
    for (;;) {
        for (uint32_t mask = candidates(text, piece); mask != 0; mask &= mask - 1) {
            const char *at = text + __builtin_ctz(mask);
            if (memcmp(at, piece->bytes, piece->length) == 0)
                return at;
        }
        if (text == last)
            return NULL;
        text = last - text > 16 ? text + 16 : last;
    }
}
#else
static const char *bytes_find(const struct wr_like_piece *piece, const char *text,
                              const char *end) {
    return memmem(text, (size_t)(end - text), piece->bytes, piece->length);
}
#endif

/* The end of the first place of `piece` from `text` on, or NULL. */
static const char *piece_find(const struct wr_like_piece *piece, const char *text,
                              const char *end) {
    if (piece->any == NULL) {
        const char *found = bytes_find(piece, text, end);
        return found == NULL ? NULL : found + piece->length;
    }
    for (;;) {
        const char *after = piece_at(piece, text, end);
        if (after != NULL)
            return after;
        if (text == end)
            return NULL;
        text += character(text, end);
    }
}

/* Whether `piece` stands at the end of `text`. */
static int piece_last(const struct wr_like_piece *piece, const char *text, const char *end) {
    if (piece->any == NULL)
        return (uint64_t)(end - text) >= piece->length &&
               memcmp(end - piece->length, piece->bytes, piece->length) == 0;
    for (;; text += character(text, end)) {
        if (piece_at(piece, text, end) == end)
            return 1;
        if (text == end)
            return 0;
    }
}

int wr_like_match(const struct wr_like *like, const struct wr_str *str) {
    const char *text = wr_str_bytes(str), *end = text + str->length;
    uint32_t first = 0, last = like->piece_count;
    if (str->length < like->length_min)
        return 0;
    if (!like->open_start) {
        text = piece_at(&like->pieces[0], text, end);
        if (text == NULL)
            return 0;
        if (like->piece_count == 1 && !like->open_end)
            return text == end;
        first = 1;
    }
    if (!like->open_end)
        last--;
    for (uint32_t i = first; i < last; i++) {
        text = piece_find(&like->pieces[i], text, end);
        if (text == NULL)
            return 0;
    }
    return like->open_end || piece_last(&like->pieces[last], text, end);
}

struct wr_like *wr_like_new(struct wr_arena *arena, const char *pattern, uint32_t length,
                            uint32_t *bad) {
    struct wr_like *like = WR_ARENA_ZEROS(arena, struct wr_like, 1);
    struct wr_like_piece *pieces = WR_ARENA_ZEROS(arena, struct wr_like_piece, length + 2);
    char *bytes = wr_arena_alloc(arena, length + 1);
    uint8_t *any = wr_arena_alloc_zero(arena, length + 1);
    *bad = 0;
    if (like == NULL || pieces == NULL || bytes == NULL || any == NULL)
        return NULL;
    uint32_t at = 0, start = 0, any_count = 0;
    like->pieces = pieces;
    for (uint32_t i = 0; i <= length; i++) {
        int ends = i == length || pattern[i] == '%';
        if (!ends) {
            int escaped = pattern[i] == '\\';
            if (escaped && ++i == length) {
                *bad = length;
                return like;
            }
            any[at] = !escaped && pattern[i] == '_';
            any_count += any[at];
            bytes[at++] = pattern[i];
            continue;
        }
        like->open_start |= i == 0 && length > 0;
        like->open_end = i == length && at == start && length > 0;
        if (at > start || length == 0) {
            pieces[like->piece_count++] = (struct wr_like_piece){
                bytes + start, any_count > 0 ? any + start : NULL, at - start};
        }
        like->length_min += at - start;
        start = at;
        any_count = 0;
    }
    return like;
}
