/* shown.c: the standard output shows rows at least once. What a life showed is a piece of what an
 * undisturbed run shows; the first begins at its start, each later one where the one before was, or
 * earlier, and the last ends at its end. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/simulation.h"
#include "base/banned.h"

struct piece {
    const char *bytes;
    uint64_t length;
};

static struct piece piece_of(const struct shown *shown, uint32_t life) {
    uint64_t from = shown->begins[life];
    uint64_t to = life + 1 < shown->lives ? shown->begins[life + 1] : shown->text.length;
    return (struct piece){to > from ? shown->text.bytes + from : "", to - from};
}

/* The last place at or before `upto` at which the piece stands in the text; -1: nowhere. */
static int64_t find_last(const struct wr_buf *text, struct piece piece, uint64_t upto) {
    if (piece.length > text->length)
        return -1;
    for (int64_t at = (int64_t)WR_MIN(upto, text->length - piece.length); at >= 0; at--)
        if (piece.length == 0 || memcmp(text->bytes + at, piece.bytes, (size_t)piece.length) == 0)
            return at;
    return -1;
}

static int say(struct wr_sim_verdict *verdict, const char *what, uint32_t life) {
    snprintf(
        verdict->violation, sizeof verdict->violation,
        "the standard output %s in life %u: its rows may come again behind a restart, but each "
        "comes, and in order",
        what, life + 1);
    return 0;
}

/* Ways to count: each line of the one text stands at least as often in the other. */
static int has_lines_of(const struct wr_buf *text, const struct wr_buf *other) {
    uint64_t at = 0;
    while (at < other->length) {
        const char *begin = other->bytes + at;
        const char *end = memchr(begin, '\n', other->length - at);
        uint64_t length = end == NULL ? other->length - at : (uint64_t)(end - begin) + 1;
        uint64_t wanted = 0, there = 0;
        for (uint64_t i = 0; i + length <= other->length; i++)
            wanted += (i == 0 || other->bytes[i - 1] == '\n') &&
                      memcmp(other->bytes + i, begin, (size_t)length) == 0;
        for (uint64_t i = 0; i + length <= text->length; i++)
            there += (i == 0 || text->bytes[i - 1] == '\n') &&
                     memcmp(text->bytes + i, begin, (size_t)length) == 0;
        if (there < wanted)
            return 0;
        at += length;
    }
    return 1;
}

/* Several sinks share the output, each in an order of its own. */
static int same_lines(const struct shown *expected, const struct shown *found,
                      struct wr_sim_verdict *verdict) {
    int is_once = found->lives <= 1;
    if (!has_lines_of(&found->text, &expected->text))
        return say(verdict, "lacks lines", found->lives == 0 ? 0 : found->lives - 1);
    if (is_once && found->text.length != expected->text.length)
        return say(verdict, "has more lines than an undisturbed run shows", 0);
    return 1;
}

int shown_same(const struct shown *expected, const struct shown *found, uint32_t sinks,
               struct wr_sim_verdict *verdict) {
    uint64_t reached = 0;
    if (sinks > 1)
        return same_lines(expected, found, verdict);
    for (uint32_t life = 0; life < found->lives; life++) {
        struct piece piece = piece_of(found, life);
        int64_t at = find_last(&expected->text, piece, reached);
        if (at < 0)
            return say(verdict, "shows what an undisturbed run does not show there", life);
        reached = WR_MAX(reached, (uint64_t)at + piece.length);
    }
    return reached == expected->text.length ? 1 : say(verdict, "lacks its end", found->lives - 1);
}
