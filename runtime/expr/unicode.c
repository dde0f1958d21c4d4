#include "expr/unicode.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/text.h"
#include "base/banned.h"

/* Hangul syllables are composed by arithmetic (The Unicode Standard, 3.12). */
#define HANGUL_BASE 0xac00u
#define LEAD_BASE 0x1100u
#define VOWEL_BASE 0x1161u
#define TRAIL_BASE 0x11a7u
#define LEAD_COUNT 19u
#define VOWEL_COUNT 21u
#define TRAIL_COUNT 28u
#define SYLLABLE_COUNT (LEAD_COUNT * VOWEL_COUNT * TRAIL_COUNT)

#define MARKS_MAX 64 /* combining marks behind one character that are put in order */

uint32_t wr_utf8_get(const char *at, const char *end, uint32_t *length) {
    unsigned char lead = (unsigned char)*at;
    *length = 1;
    if (lead < 0x80)
        return lead;
    uint32_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if ((size_t)(end - at) < need || wr_utf8_valid_prefix(at, need) < need)
        return WR_UTF8_BAD | lead;
    *length = need;
    uint32_t code = lead & (0x7fu >> need);
    for (uint32_t i = 1; i < need; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

static const struct wr_decomposition *decomposition(uint32_t code) {
    uint32_t low = 0;
    uint32_t high = wr_decomposition_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (wr_decompositions[mid].code < code)
            low = mid + 1;
        else
            high = mid;
    }
    return low < wr_decomposition_count && wr_decompositions[low].code == code
               ? &wr_decompositions[low]
               : NULL;
}

static uint8_t combining_class(uint32_t code) {
    uint32_t low = 0;
    uint32_t high = wr_combining_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (wr_combinings[mid].last < code)
            low = mid + 1;
        else
            high = mid;
    }
    int found = low < wr_combining_count && wr_combinings[low].first <= code;
    return found ? wr_combinings[low].combining_class : 0;
}

/* The character that two compose to, or 0. */
static uint32_t compose(uint32_t first, uint32_t second) {
    if (first >= LEAD_BASE && first < LEAD_BASE + LEAD_COUNT && second >= VOWEL_BASE &&
        second < VOWEL_BASE + VOWEL_COUNT)
        return HANGUL_BASE +
               ((first - LEAD_BASE) * VOWEL_COUNT + second - VOWEL_BASE) * TRAIL_COUNT;
    if (first >= HANGUL_BASE && first < HANGUL_BASE + SYLLABLE_COUNT &&
        (first - HANGUL_BASE) % TRAIL_COUNT == 0 && second > TRAIL_BASE &&
        second < TRAIL_BASE + TRAIL_COUNT)
        return first + second - TRAIL_BASE;
    uint32_t low = 0;
    uint32_t high = wr_composition_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct wr_composition *c = &wr_compositions[mid];
        if (c->first < first || (c->first == first && c->second < second))
            low = mid + 1;
        else
            high = mid;
    }
    const struct wr_composition *c = &wr_compositions[low];
    return low < wr_composition_count && c->first == first && c->second == second ? c->code : 0;
}

int wr_nfc_is_plain(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return 0;
    return 1;
}

/* Characters gathered: a starter and what combines with it. */
struct gather {
    struct wr_buf *out;
    int strip;
    uint32_t count;
    uint32_t codes[MARKS_MAX + 1];
    uint8_t classes[MARKS_MAX + 1];
};

static void put(struct wr_buf *out, uint32_t code) {
    char text[4];
    wr_buf_add(out, text, wr_utf8_put(code, text));
}

/* Composes what was gathered and writes it. */
static void flush(struct gather *g) {
    uint32_t starter = g->count > 0 && g->classes[0] == 0 ? 0 : UINT32_MAX;
    uint32_t kept = 0;
    uint8_t last_class = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        uint8_t class = g->classes[i];
        if (g->strip && class != 0)
            continue;
        if (i > 0 && starter != UINT32_MAX && kept > 0 &&
            (kept == 1 ? 1 : last_class < class && last_class != 0)) {
            uint32_t both = compose(g->codes[0], g->codes[i]);
            if (both != 0) {
                g->codes[0] = both;
                continue;
            }
        }
        g->codes[kept] = g->codes[i];
        g->classes[kept++] = class;
        last_class = class;
    }
    for (uint32_t i = 0; i < kept; i++)
        put(g->out, g->codes[i]);
    g->count = 0;
}

/* Puts one character behind the others, in the order of the classes. */
static void gather_one(struct gather *g, uint32_t code) {
    uint8_t class = combining_class(code);
    if (class == 0 && g->count > 0) {
        /* A starter may compose with the one before it, when nothing stands between. */
        uint32_t both = g->count == 1 && g->classes[0] == 0 ? compose(g->codes[0], code) : 0;
        if (both != 0) {
            g->codes[0] = both;
            return;
        }
        flush(g);
    }
    if (g->count > MARKS_MAX)
        flush(g);
    uint32_t at = g->count++;
    while (class != 0 && at > 0 && g->classes[at - 1] > class) {
        g->codes[at] = g->codes[at - 1];
        g->classes[at] = g->classes[at - 1];
        at--;
    }
    g->codes[at] = code;
    g->classes[at] = class;
}

static void gather_decomposed(struct gather *g, uint32_t code) {
    if (code >= HANGUL_BASE && code < HANGUL_BASE + SYLLABLE_COUNT) {
        gather_one(g, code); /* composed as it is; a trail behind it joins in `compose` */
        return;
    }
    uint32_t tail[8];
    uint32_t count = 0;
    const struct wr_decomposition *d;
    while ((d = decomposition(code)) != NULL && count < WR_COUNT(tail)) {
        if (d->second != 0)
            tail[count++] = d->second;
        code = d->first;
    }
    gather_one(g, code);
    while (count > 0)
        gather_one(g, tail[--count]);
}

int wr_nfc_add(struct wr_buf *out, const char *text, size_t length, int strip) {
    struct gather g = {.out = out, .strip = strip};
    const char *at = text;
    const char *end = text + length;
    while (at < end && out->status == WR_OK) {
        uint32_t bytes;
        uint32_t code = wr_utf8_get(at, end, &bytes);
        if (code & WR_UTF8_BAD) {
            flush(&g);
            wr_buf_add(out, at, 1);
        } else {
            gather_decomposed(&g, code);
        }
        at += bytes;
    }
    flush(&g);
    return out->status;
}
