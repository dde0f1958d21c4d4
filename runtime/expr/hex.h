/* hex.h: hex. */
#pragma once
#include <stddef.h>

/* Writes 2 * length lower-case digits. */
void wr_hex_encode(const char *bytes, size_t length, char *text);
/* Writes length / 2 bytes; 0 when it is no hex of whole bytes. */
int wr_hex_decode(const char *text, size_t length, char *bytes);
