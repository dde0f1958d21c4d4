#include "expr/pii.h"

#include <string.h>

#include "base/assert.h"
#include "base/banned.h"

#define LOCAL_MAX 64   /* RFC 5321: of an e-mail address, before the @ … */
#define DOMAIN_MAX 255 /* … and behind it */

struct scan {
    const char *text;
    size_t length;
};

static char char_at(const struct scan *scan, size_t at) {
    return at < scan->length ? scan->text[at] : 0;
}
static int is_digit(char c) {
    return c >= '0' && c <= '9';
}
static int is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static int is_word(char c) {
    return is_digit(c) || is_letter(c) || c == '_' || (c & 0x80) != 0;
}
static size_t digits_at(const struct scan *scan, size_t at, size_t max) {
    size_t count = 0;
    while (count < max && is_digit(char_at(scan, at + count)))
        count++;
    return count;
}
/* Nothing that belongs to the same word or number follows. */
static int ends_at(const struct scan *scan, size_t at) {
    return !is_word(char_at(scan, at));
}

/* ---- one kind each: the length of what begins at `at`, or 0 ---- */

static int is_local(char c) {
    return is_word(c) || (c != 0 && strchr(".%+-'", c) != NULL);
}

static size_t email(const struct scan *scan, size_t at) {
    size_t local = 0;
    if (char_at(scan, at) == '\'') /* a quote around it */
        return 0;
    while (local <= LOCAL_MAX && is_local(char_at(scan, at + local)))
        local++;
    if (local == 0 || local > LOCAL_MAX || char_at(scan, at + local) != '@')
        return 0;
    size_t from = at + local + 1, end = from, label = from, good_end = 0;
    while (end - from < DOMAIN_MAX) {
        char c = char_at(scan, end);
        if (c == '.' && end == label)
            break;
        if (c != '.' && c != '-' && !is_word(c)) {
            break;
        } else if (c == '.') {
            label = end + 1;
        } else if (label > from && end - label >= 1) {
            good_end = end + 1; /* two letters of a label behind a dot */
        }
        end++;
    }
    while (good_end > 0 && char_at(scan, good_end - 1) == '-')
        good_end--;
    return good_end > 0 ? good_end - at : 0;
}

/* Luhn's check, as payment cards have it. */
static int luhn(const char *digits, size_t count) {
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0');
        digit <<= i & 1;
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

/* 13 to 19 digits, in groups of 4 or more; the longest row of groups that is good. */
static size_t card(const struct scan *scan, size_t at) {
    char digits[20];
    size_t count = 0, group = 0, good_end = 0;
    for (size_t end = at; count < sizeof digits; end++) {
        char c = char_at(scan, end), next = char_at(scan, end + 1);
        if (is_digit(c))
            digits[count++] = c;
        else if (!((c == ' ' || c == '-') && group >= 4 && is_digit(next)))
            break;
        group = is_digit(c) ? group + 1 : 0;
        int is_good = count >= 13 && count <= 19 && digits[0] >= '2' && digits[0] <= '6';
        if (is_digit(c) && is_good && !is_word(next) && luhn(digits, count))
            good_end = end + 1;
    }
    return good_end > 0 ? good_end - at : 0;
}

/* What is left of 97, of letters and digits whose first four go behind the others. */
static unsigned iban_rest(const char *chars, size_t count) {
    unsigned rest = 0;
    for (size_t i = 0; i < count; i++) {
        char c = chars[(i + 4) % count];
        rest =
            is_digit(c) ? rest * 10 + (unsigned)(c - '0') : rest * 100 + (unsigned)(c - 'A') + 10;
        rest %= 97;
    }
    return rest;
}

/* ISO 13616: two letters, two digits, up to 30 more, in groups of four or not; 97 divides it but
 * for 1. The longest that is good. */
static size_t iban(const struct scan *scan, size_t at) {
    char chars[35];
    size_t count = 0, good_end = 0;
    for (size_t end = at; count < sizeof chars - 1; end++) {
        char c = char_at(scan, end), next = char_at(scan, end + 1);
        int is_part = is_digit(c) || (c >= 'A' && c <= 'Z');
        if (is_part)
            chars[count++] = c;
        else if (c != ' ' || count == 0 || count % 4 != 0 || !(is_digit(next) || is_letter(next)))
            break;
        if (is_part && count >= 15 && !is_word(next) && iban_rest(chars, count) == 1)
            good_end = end + 1;
    }
    int is_good = count >= 4 && !is_digit(chars[0]) && !is_digit(chars[1]) && is_digit(chars[2]) &&
                  is_digit(chars[3]);
    return is_good && good_end > 0 ? good_end - at : 0;
}

static size_t ssn(const struct scan *scan, size_t at) {
    const char *t = scan->text + at;
    if (scan->length - at < 11 || digits_at(scan, at, 4) != 3 || t[3] != '-' ||
        digits_at(scan, at + 4, 3) != 2 || t[6] != '-' || digits_at(scan, at + 7, 5) != 4 ||
        !ends_at(scan, at + 11))
        return 0;
    int never = memcmp(t, "000", 3) == 0 || memcmp(t, "666", 3) == 0 || t[0] == '9' ||
                memcmp(t + 4, "00", 2) == 0 || memcmp(t + 7, "0000", 4) == 0;
    return never ? 0 : 11;
}

/* Four numbers up to 255; not in a longer row of numbers, such as a version. */
static size_t ip4(const struct scan *scan, size_t at) {
    size_t end = at;
    if (at > 1 && scan->text[at - 1] == '.' && is_word(scan->text[at - 2]))
        return 0;
    for (int part = 0; part < 4; part++) {
        size_t count = digits_at(scan, end, 4);
        unsigned value = 0;
        for (size_t i = 0; i < count; i++)
            value = value * 10 + (unsigned)(char_at(scan, end + i) - '0');
        if (count == 0 || count > 3 || value > 255)
            return 0;
        end += count;
        if (part < 3 && char_at(scan, end++) != '.')
            return 0;
    }
    int goes_on = char_at(scan, end) == '.' && is_digit(char_at(scan, end + 1));
    return ends_at(scan, end) && !goes_on ? end - at : 0;
}

static int is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Eight groups of hex digits, or fewer with one `::`, if they do not look like a name of C++. */
static size_t ip6(const struct scan *scan, size_t at) {
    size_t end = at, groups = 0, gap = 0, longest = 0, digits = 0;
    if (at > 0 && scan->text[at - 1] == ':')
        return 0;
    for (;;) {
        size_t count = 0;
        for (; count < 5 && is_hex(char_at(scan, end + count)); count++)
            digits += is_digit(char_at(scan, end + count)) != 0;
        if (count > 4)
            return 0;
        end += count;
        groups += count > 0;
        longest = WR_MAX(longest, count);
        if (char_at(scan, end) != ':' || groups > 8)
            break;
        if (char_at(scan, end + 1) == ':') {
            if (gap++ > 0)
                return 0;
            end += 2;
            if (!is_hex(char_at(scan, end)))
                break;
        } else if (count > 0 && is_hex(char_at(scan, end + 1))) {
            end++;
        } else {
            break;
        }
    }
    int good = gap == 0 ? groups == 8 : groups <= 7 && digits > 0 && (groups > 2 || longest > 2);
    return good && ends_at(scan, end) && char_at(scan, end) != ':' ? end - at : 0;
}

/* International form only: + and 8 to 15 digits (E.164), with spaces, dots, dashes, brackets. */
static size_t phone(const struct scan *scan, size_t at) {
    if (char_at(scan, at) != '+' || !is_digit(char_at(scan, at + 1)))
        return 0;
    size_t count = 0, end = at + 1, good_end = 0;
    for (size_t gap = 0; end - at < 40; end++) {
        char c = char_at(scan, end);
        if (is_digit(c)) {
            count++;
            gap = 0;
            good_end = end + 1;
        } else if (c == 0 || strchr(" .-()/", c) == NULL || ++gap > 2) {
            break;
        }
    }
    return count >= 8 && count <= 15 && ends_at(scan, good_end) ? good_end - at : 0;
}

const char *wr_pii_at(const char *text, size_t length, size_t at, size_t *pii_length) {
    static const struct {
        const char *name;
        size_t (*length)(const struct scan *scan, size_t at);
    } kinds[] = {{"EMAIL_ADDRESS", email}, {"IBAN_CODE", iban}, {"CREDIT_CARD", card},
                 {"US_SSN", ssn},          {"IP_ADDRESS", ip4}, {"IP_ADDRESS", ip6},
                 {"PHONE_NUMBER", phone}};
    struct scan scan = {.text = text, .length = length};
    char before = at == 0 ? ' ' : text[at - 1];
    if (is_word(before)) /* inside a word nothing begins */
        return NULL;
    for (size_t i = 0; i < WR_COUNT(kinds); i++) {
        size_t found = kinds[i].length(&scan, at);
        if (found > 0) {
            *pii_length = found;
            return kinds[i].name;
        }
    }
    return NULL;
}
