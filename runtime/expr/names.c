/* names.c: nearest names by edit distance.
 * Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964;
 * the restricted form with transpositions, rows of Wagner and Fischer. */
#include "expr/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

#define NAME_BYTES_MAX 64 /* longer names are not compared */

static uint32_t smallest(uint32_t a, uint32_t b, uint32_t c) {
    return WR_MIN(WR_MIN(a, b), c);
}

static int same(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static uint32_t edit_distance(const char *a, uint32_t a_length, const char *b, uint32_t b_length) {
    uint32_t rows[3][NAME_BYTES_MAX + 1];
    for (uint32_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t cost = same(a[i - 1], b[j - 1]) ? 0 : 1;
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = WR_MIN(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void wr_names_init(struct wr_names *names, const char *wrong, uint32_t length) {
    memset(names, 0, sizeof *names);
    names->wrong = wrong;
    names->wrong_length = length;
    names->distance = UINT32_MAX;
}

void wr_names_offer(struct wr_names *names, const char *name, uint32_t length) {
    if (length <= NAME_BYTES_MAX && names->wrong_length <= NAME_BYTES_MAX) {
        uint32_t distance = edit_distance(names->wrong, names->wrong_length, name, length);
        uint32_t most = WR_MAX(1u, WR_MIN(names->wrong_length, length) / 3);
        if (distance <= most && distance < names->distance) {
            names->nearest = name;
            names->nearest_length = length;
            names->distance = distance;
        }
    }
    if (names->cut || names->text_length + length + 8 > WR_NAMES_TEXT_MAX) {
        names->cut = 1;
        return;
    }
    if (names->text_length > 0) {
        memcpy(names->text + names->text_length, ", ", 2);
        names->text_length += 2;
    }
    memcpy(names->text + names->text_length, name, length);
    names->text_length += length;
}

void wr_names_help(const struct wr_names *names, struct wr_error *err, const char *title) {
    int listed = title != NULL && names->text_length > 0;
    char near[NAME_BYTES_MAX + 32] = "";
    if (names->nearest != NULL)
        snprintf(near, sizeof near, "did you mean `%.*s`?%s", (int)names->nearest_length,
                 names->nearest, listed ? "  " : "");
    if (listed)
        wr_error_help(err, "%s%s: %.*s%s", near, title, (int)names->text_length, names->text,
                      names->cut ? ", …" : "");
    else if (names->nearest != NULL)
        wr_error_help(err, "%s", near);
}
