#include "data/base64.h"

#include <stdint.h>

#include "base/banned.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t wr_base64_encode(const char *bytes, size_t length, char *text) {
    const unsigned char *in = (const unsigned char *)bytes;
    char *out = text;
    for (; length >= 3; length -= 3, in += 3) {
        uint32_t word = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        *out++ = alphabet[word >> 6 & 63];
        *out++ = alphabet[word & 63];
    }
    if (length > 0) {
        uint32_t word = (uint32_t)in[0] << 16 | (length == 2 ? (uint32_t)in[1] << 8 : 0);
        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        *out++ = length == 2 ? alphabet[word >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - text);
}

static int digit_of(char byte) {
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    return byte == '+' || byte == '-' ? 62 : byte == '/' || byte == '_' ? 63 : -1;
}

int wr_base64_decode(const char *text, size_t length, char *bytes, size_t *byte_count) {
    if (length % 4 == 0)
        for (int i = 0; i < 2 && length > 0 && text[length - 1] == '='; i++)
            length--;
    if (length % 4 == 1)
        return 0;
    uint32_t word = 0;
    char *out = bytes;
    for (size_t i = 0; i < length; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return 0;
        word = word << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            *out++ = (char)(word >> 16);
            *out++ = (char)(word >> 8);
            *out++ = (char)word;
        }
    }
    if (length % 4 == 2) { /* bits that belong to no byte have to be 0 */
        *out++ = (char)(word >> 4);
        if ((word & 15) != 0)
            return 0;
    } else if (length % 4 == 3) {
        *out++ = (char)(word >> 10);
        *out++ = (char)(word >> 2);
        if ((word & 3) != 0)
            return 0;
    }
    *byte_count = (size_t)(out - bytes);
    return 1;
}
