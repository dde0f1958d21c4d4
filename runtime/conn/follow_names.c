/* follow_names.c: which of two rotated files is the older one where their times do not say: see
 * follow.h. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "conn/follow.h"

#include "base/banned.h"

#define NUMBER_DIGITS_MAX 5 /* more are a date, or a time */

/* What follows the stem, without the ending of a compressed file and what stands before it. */
struct follow_suffix {
    const char *text;
    size_t length;
};

static struct follow_suffix suffix_of(const char *path, size_t stem) {
    size_t end = follow_length_without_ending(path);
    size_t length = end > 0 ? end : strlen(path);
    while (stem < length && (path[stem] == '.' || path[stem] == '-'))
        stem++;
    return (struct follow_suffix){path + stem, length > stem ? length - stem : 0};
}

static size_t digits_at(const struct follow_suffix *suffix, size_t at) {
    size_t end = at;
    while (end < suffix->length && suffix->text[end] >= '0' && suffix->text[end] <= '9')
        end++;
    return end - at;
}

/* 1: it is one number, and no date. */
static int is_number(const struct follow_suffix *suffix, uint64_t *number) {
    if (suffix->length == 0 || suffix->length > NUMBER_DIGITS_MAX ||
        digits_at(suffix, 0) < suffix->length)
        return 0;
    *number = 0;
    for (size_t i = 0; i < suffix->length; i++)
        *number = *number * 10 + (uint64_t)(suffix->text[i] - '0');
    return 1;
}

void follow_numbers_add(struct follow_numbers *numbers, const char *path, size_t stem,
                        const struct wr_file_info *info) {
    struct follow_suffix suffix = suffix_of(path, stem);
    uint64_t number;
    if (!is_number(&suffix, &number))
        return;
    /* A copy, compressed or not, says when it was made, and not when its rows were. */
    int64_t born_us = follow_length_without_ending(path) > 0 || info->born_us > info->modified_us
                          ? 0
                          : info->born_us;
    struct follow_number one = {number, info->modified_us, born_us};
    if (!numbers->is_any || number < numbers->least.number)
        numbers->least = one;
    if (!numbers->is_any || number > numbers->most.number)
        numbers->most = one;
    numbers->is_any = 1;
}

static int numbers_grow(const struct follow_numbers *numbers) {
    const struct follow_number *least = &numbers->least, *most = &numbers->most;
    if (least->modified_us != most->modified_us)
        return most->modified_us > least->modified_us;
    return least->born_us != 0 && most->born_us > least->born_us;
}

/* Numbers within by their values, all else by its bytes. */
static int by_text(const struct follow_suffix *a, const struct follow_suffix *b) {
    size_t i = 0, j = 0;
    while (i < a->length && j < b->length) {
        size_t digits = digits_at(a, i), others = digits_at(b, j);
        if (digits == 0 || others == 0) {
            if (a->text[i] != b->text[j])
                return (unsigned char)a->text[i] < (unsigned char)b->text[j] ? -1 : 1;
            i++;
            j++;
            continue;
        }
        for (; digits > 1 && a->text[i] == '0'; digits--)
            i++;
        for (; others > 1 && b->text[j] == '0'; others--)
            j++;
        int order = digits != others ? (digits < others ? -1 : 1)
                                     : memcmp(a->text + i, b->text + j, digits);
        if (order != 0)
            return order;
        i += digits;
        j += others;
    }
    return (i < a->length) - (j < b->length);
}

int follow_names_order(const struct follow_numbers *numbers, size_t stem, const char *a,
                       const char *b) {
    struct follow_suffix one = suffix_of(a, stem), other = suffix_of(b, stem);
    uint64_t x, y;
    if (one.length == 0 || other.length == 0) /* the name itself is that of the newest */
        return (one.length == 0) - (other.length == 0);
    if (!is_number(&one, &x) || !is_number(&other, &y))
        return by_text(&one, &other);
    int order = (x > y) - (x < y);
    return numbers_grow(numbers) ? order : -order;
}
