/* json_text.h: JSON as text (RFC 8259): escaping, and checking and walking it without recursion.
 *
 * The walkers borrow bytes from `at` up to `end`, and check structure, escapes and control bytes.
 * UTF-8 is the caller's: it is checked faster over a whole record at once. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_buf;

/* Appends `text` quoted and escaped: `"`, `\`, control bytes. Bytes above 0x7f pass as they are,
 * except that what is not valid UTF-8 becomes U+FFFD, so that the output is always JSON. */
int wr_json_add_string(struct wr_buf *buf, const char *text, size_t length);
/* Writes the escape of one byte that needs one; returns its length, 2 or 6. */
size_t wr_json_put_escape(unsigned char byte, char *out);

/* Where and why a walk failed. */
struct wr_json_scan {
    const char *at;    /* the byte that cannot stand there, or `end` */
    const char *error; /* "a lone surrogate", … */
};

/* The first byte at or behind `at` that is `"`, `\` or a control byte; `end` when there is none. */
const char *wr_json_plain_end(const char *at, const char *end);
/* `at` is behind the opening quote. Returns the closing quote, or NULL (see `scan`). *escaped is
 * set when there is a backslash, else left. */
const char *wr_json_string_end(struct wr_json_scan *scan, const char *at, const char *end,
                               int *escaped);
/* Behind the number that begins at `at`, or NULL. */
const char *wr_json_number_end(struct wr_json_scan *scan, const char *at, const char *end);
/* Behind the value that begins at `at` (no blanks before), or NULL. At most WR_NESTING_MAX deep. */
const char *wr_json_value_end(struct wr_json_scan *scan, const char *at, const char *end);
/* Unescapes a string that wr_json_string_end has passed; returns its length, never longer. */
size_t wr_json_unescape(const char *at, const char *end, char *out);
/* 1 when the bytes are one JSON value, valid UTF-8, with no blanks around it. */
int wr_json_check(struct wr_json_scan *scan, const char *at, const char *end);

static inline int wr_json_is_blank(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}
static inline const char *wr_json_blanks_end(const char *at, const char *end) {
    while (at < end && wr_json_is_blank(*at))
        at++;
    return at;
}
