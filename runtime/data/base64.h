/* base64.h: bytes as text (RFC 4648, `+/`, padded). */
#pragma once
#include <stddef.h>

/* Writes base64_length(length) characters; returns that number. */
size_t wr_base64_encode(const char *bytes, size_t length, char *text);
static inline size_t wr_base64_length(size_t length) {
    return (length + 2) / 3 * 4;
}
/* Reads padded or unpadded text, `+/` or `-_`. Returns 1 and the number of bytes, at most
 * length / 4 * 3 + 2 of them; 0 when it is no such text. */
int wr_base64_decode(const char *text, size_t length, char *bytes, size_t *byte_count);
