/* json_text.h: JSON as text: escaping, and checking and walking it without a recursive parser. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_buf;

/* Appends `text` quoted and escaped: `"`, `\`, control bytes. Bytes above 0x7f pass as they are,
 * except that what is not valid UTF-8 becomes U+FFFD, so that the output is always JSON. */
int wr_json_add_string(struct wr_buf *buf, const char *text, size_t length);
