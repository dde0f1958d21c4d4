/* utf8.c: checking and counting UTF-8. The vector forms are chosen once by what the CPU has; all
 * give the same answers (tests/unit/data/test_text.c). */
#include "data/utf8.h"

#include <string.h>

#include "data/simd.h"
#include "data/text.h"
#include "base/banned.h"

/* Length of the sequence at `text`, 0 when it is none that is valid and whole. */
static size_t sequence(const unsigned char *text, size_t length) {
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    size_t need = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || length < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    unsigned char second = text[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
        return 0;
    return need;
}

size_t wr_utf8_valid_prefix_plain(const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < length) {
        uint64_t word;
        while (length - at >= 8 &&
               (memcpy(&word, bytes + at, 8), word & UINT64_C(0x8080808080808080)) == 0)
            at += 8;
        if (at == length)
            break;
        size_t taken = sequence(bytes + at, length - at);
        if (taken == 0)
            break;
        at += taken;
    }
    return at;
}

size_t wr_utf8_valid_prefix(const char *text, size_t length) {
#if defined(__x86_64__)
    if (length >= 32)
        return wr_simd_level() == WR_SIMD_AVX2 ? wr_utf8_valid_prefix_avx2(text, length)
                                               : wr_utf8_valid_prefix_sse(text, length);
#endif
    return wr_utf8_valid_prefix_plain(text, length);
}

size_t wr_utf8_mend(const char *text, size_t length, char *out) {
    char *at = out;
    while (length > 0) {
        size_t valid = wr_utf8_valid_prefix(text, length);
        memcpy(at, text, valid);
        at += valid;
        if (valid < length) {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
            valid++;
        }
        text += valid;
        length -= valid;
    }
    return (size_t)(at - out);
}

size_t wr_utf8_length(const char *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

size_t wr_utf8_put(uint32_t code_point, char *text) {
    if (code_point < 0x80) {
        text[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        text[0] = (char)(0xc0 | code_point >> 6);
        text[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        text[0] = (char)(0xe0 | code_point >> 12);
        text[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        text[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    text[0] = (char)(0xf0 | code_point >> 18);
    text[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    text[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    text[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
