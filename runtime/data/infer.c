#include "data/infer.h"

#include <string.h>

#include "data/text.h"
#include "data/time.h"
#include "base/banned.h"

/* `007`, `+1`, `00.5`: no number that its writer meant to add up. */
static int number_like_a_name(const char *text, size_t length) {
    size_t at = length > 0 && text[0] == '-';
    if (at == length || text[at] == '+')
        return 1;
    return text[at] == '0' && at + 1 < length && text[at + 1] >= '0' && text[at + 1] <= '9';
}

unsigned wr_infer_json_string(const char *text, size_t length) {
    int64_t value;
    if (length < 10 || length > WR_TIME_TEXT_MAX || text[0] < '+' || text[0] > '9')
        return WR_SEEN_STRING;
    if (wr_date_parse(text, length, &value))
        return WR_SEEN_DATE;
    return wr_timestamp_parse(text, length, &value) ? WR_SEEN_TIMESTAMP : WR_SEEN_STRING;
}

unsigned wr_infer_text(const char *text, size_t length) {
    int64_t integer;
    double number;
    if ((length == 4 && strncasecmp(text, "true", 4) == 0) ||
        (length == 5 && strncasecmp(text, "false", 5) == 0))
        return WR_SEEN_BOOL;
    if (length > 0 && length < WR_NUMBER_TEXT_MAX && !number_like_a_name(text, length)) {
        if (wr_int64_parse(text, length, &integer))
            return WR_SEEN_INT64;
        if (memchr(text, '.', length) != NULL || memchr(text, 'e', length) != NULL ||
            memchr(text, 'E', length) != NULL)
            if (wr_float64_parse(text, length, 0, &number))
                return WR_SEEN_FLOAT64;
    }
    if (length <= 9 && wr_float64_parse(text, length, 1, &number) && !(number - number == 0))
        return WR_SEEN_SPECIAL;
    return wr_infer_json_string(text, length);
}

enum wr_type_kind wr_infer_kind(unsigned seen) {
    unsigned numbers = WR_SEEN_INT64 | WR_SEEN_FLOAT64;
    if ((seen & WR_SEEN_SPECIAL) != 0 && (seen & numbers) != 0)
        seen = (seen & ~(unsigned)WR_SEEN_SPECIAL) | WR_SEEN_FLOAT64;
    switch (seen) {
    case WR_SEEN_INT64: return WR_INT64;
    case WR_SEEN_FLOAT64:
    case WR_SEEN_FLOAT64 | WR_SEEN_INT64: return WR_FLOAT64;
    case WR_SEEN_BOOL: return WR_BOOL;
    case WR_SEEN_TIMESTAMP: return WR_TIMESTAMP;
    case WR_SEEN_DATE: return WR_DATE;
    default: return (seen & WR_SEEN_JSON) != 0 ? WR_JSON : WR_STRING;
    }
}
