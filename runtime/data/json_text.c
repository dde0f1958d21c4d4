#include "data/json_text.h"

#include <string.h>

#include "base/buf.h"
#include "base/status.h"
#include "data/text.h"
#include "base/banned.h"

size_t wr_json_put_escape(unsigned char byte, char *out) {
    static const char digits[] = "0123456789abcdef";
    static const char shorts[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                  ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    out[0] = '\\';
    if (byte < sizeof shorts && shorts[byte] != 0) {
        out[1] = shorts[byte];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return 6;
}

int wr_json_add_string(struct wr_buf *buf, const char *text, size_t length) {
    wr_buf_add_char(buf, '"');
    for (size_t at = 0; at < length;) {
        size_t valid_end = at + wr_utf8_valid_prefix(text + at, length - at);
        while (at < valid_end) {
            size_t plain = (size_t)(wr_json_plain_end(text + at, text + valid_end) - text);
            wr_buf_add(buf, text + at, plain - at);
            at = plain;
            if (at < valid_end) {
                char escape[6];
                wr_buf_add(buf, escape, wr_json_put_escape((unsigned char)text[at++], escape));
            }
        }
        if (at < length) {
            wr_buf_add_text(buf, "\xef\xbf\xbd");
            at++;
        }
    }
    return wr_buf_add_char(buf, '"');
}
