/* nexmark_text.c: the texts of Nexmark's events. `extra` is cut from one long text of random
 * letters and channels have their urls, so that these take no work a row; names and descriptions
 * are spelled out. */
#include "conn/nexmark.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"
#include "base/banned.h"

#define LETTERS 26
#define SPECIAL_EVERY 13 /* letters of a text, of which one is special */
#define TEXT_LENGTH_MIN 3
#define URL_BYTES_MAX 128
#define CARD_GROUPS 4
#define PERSON_BYTES 200 /* of a row, which `extra` fills up on average */
#define AUCTION_BYTES 500
#define BID_BYTES 100

/* Four characters of `draw`: letters, and one of SPECIAL_EVERY is `special`. */
static void put_four(char *out, uint64_t draw, char special) {
    for (unsigned i = 0; i < 4; i++) {
        uint32_t x = (uint32_t)(draw >> 16 * i & 0xffff) * (SPECIAL_EVERY * LETTERS) >> 16;
        out[i] = x < LETTERS ? special : (char)('a' + x % LETTERS);
    }
}

/* A text of 3 … max-1 characters, less blanks at its ends. `room`: of `max` + 3 bytes. */
static uint32_t put_text(char *room, uint32_t max, char special, uint64_t draw, char **start) {
    uint32_t length =
        TEXT_LENGTH_MIN + (uint32_t)wr_nexmark_below(draw, (uint64_t)max - TEXT_LENGTH_MIN);
    for (uint32_t i = 0; i < length; i += 4)
        put_four(room + i, wr_hash_u64(i + 1, draw), special);
    *start = room;
    while (length > 0 && (*start)[length - 1] == ' ')
        length--;
    for (; length > 0 && **start == ' '; length--)
        ++*start;
    return length;
}

static char *put(char *at, const char *text) {
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

/* ---- shared texts ---- */

int wr_nexmark_texts_extra(struct wr_nexmark_texts *texts, const struct wr_nexmark *nexmark,
                           struct wr_budget *budget) {
    texts->extra = wr_buffer_new(budget, WR_NEXMARK_TEXT_BYTES);
    if (texts->extra == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < WR_NEXMARK_TEXT_BYTES; i += 4) {
        uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_TEXT, i);
        for (uint32_t k = 0; k < 4; k++)
            texts->extra->bytes[i + k] = (char)('a' + ((draw >> 16 * k & 0xffff) * LETTERS >> 16));
    }
    return WR_OK;
}

static char *put_url(char *at, const struct wr_nexmark *nexmark, uint32_t channel) {
    at = put(at, "https://www.nexmark.com/");
    for (uint32_t i = 0; i < 3; i++) {
        char *start;
        at += put_text(at, 5, '_', wr_nexmark_draw(nexmark, WR_DRAW_URL, 4 * channel + i), &start);
        *at++ = '/';
    }
    return put(at, "item.htm?query=1");
}

/* What `Math.abs(Integer.reverse(number))` of Java gives, which is negative for 1. */
static int32_t channel_id(uint32_t number) {
    uint32_t reversed = 0;
    for (uint32_t bit = 0; bit < 32; bit++)
        reversed |= (number >> bit & 1) << (31 - bit);
    return reversed > UINT32_C(0x80000000) ? (int32_t)(0 - reversed) : (int32_t)reversed;
}

int wr_nexmark_texts_channels(struct wr_nexmark_texts *texts, const struct wr_nexmark *nexmark,
                              struct wr_budget *budget) {
    static const char *const hot[WR_NEXMARK_HOT_CHANNELS] = {"Google", "Facebook", "Baidu",
                                                             "Apple"};
    texts->urls = wr_buffer_new(budget, (uint64_t)WR_NEXMARK_CHANNELS * URL_BYTES_MAX);
    texts->channel = wr_alloc(budget, 2 * WR_NEXMARK_CHANNELS * sizeof *texts->channel);
    if (texts->urls == NULL || texts->channel == NULL)
        return WR_ENOMEM;
    texts->url = texts->channel + WR_NEXMARK_CHANNELS;
    char *at = texts->urls->bytes;
    for (uint32_t i = 0; i < WR_NEXMARK_CHANNELS; i++) {
        char name[16], *url = at;
        uint32_t number = i - WR_NEXMARK_HOT_CHANNELS;
        at = put_url(at, nexmark, i);
        if (i < WR_NEXMARK_HOT_CHANNELS) {
            texts->channel[i] = wr_str_of(hot[i], (uint32_t)strlen(hot[i]));
        } else {
            texts->channel[i] =
                wr_str_of(name, (uint32_t)snprintf(name, sizeof name, "channel-%u", number));
            uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_URL, 4 * i + 3);
            if (wr_nexmark_below(draw, 10) > 0)
                at += snprintf(at, URL_BYTES_MAX / 4, "&channel_id=%d", channel_id(number));
        }
        texts->url[i] = wr_str_of(url, (uint32_t)(at - url));
    }
    return WR_OK;
}

void wr_nexmark_texts_release(struct wr_nexmark_texts *texts, struct wr_budget *budget) {
    wr_buffer_unref(texts->extra);
    wr_buffer_unref(texts->urls);
    wr_free(budget, texts->channel);
    *texts = (struct wr_nexmark_texts){0};
}

/* ---- bids ---- */

static void fill_channels(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                          const struct wr_str *names, struct wr_str *out) {
    const uint64_t others = WR_NEXMARK_CHANNELS - WR_NEXMARK_HOT_CHANNELS;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_BID_CHANNEL, rows->ids[i]);
        uint64_t hot = draw >> 1 & (WR_NEXMARK_HOT_CHANNELS - 1);
        uint64_t other = WR_NEXMARK_HOT_CHANNELS + wr_nexmark_below(draw, others);
        out[i] = names[(draw & 1) ? hot : other];
    }
}

static void channel_fill(const struct wr_nexmark *nexmark, const struct wr_nexmark_texts *texts,
                         const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) {
    (void)room;
    fill_channels(nexmark, rows, texts->channel, out);
}

static void url_fill(const struct wr_nexmark *nexmark, const struct wr_nexmark_texts *texts,
                     const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) {
    (void)room;
    fill_channels(nexmark, rows, texts->url, out);
}

/* A piece of the letters that fills a row of `used` bytes up to `wanted`, give or take a fifth of
 * what is missing. */
static struct wr_str extra_of(const struct wr_nexmark_texts *texts, uint64_t draw, uint32_t used,
                              uint32_t wanted) {
    if (used > wanted)
        return wr_str_of("", 0);
    uint32_t missing = wanted - used, spread = (2 * missing + 5) / 10;
    uint32_t length = missing - spread + (uint32_t)wr_nexmark_below_low(draw, 2 * (uint64_t)spread);
    uint64_t start = wr_nexmark_below(draw, (uint64_t)WR_NEXMARK_TEXT_BYTES - length + 1);
    return wr_str_of(texts->extra->bytes + start, length);
}

static void bid_extra_fill(const struct wr_nexmark *nexmark, const struct wr_nexmark_texts *texts,
                           const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) {
    (void)room;
    for (uint32_t i = 0; i < rows->count; i++) /* four numbers are counted, and no text */
        out[i] = extra_of(texts, wr_nexmark_draw(nexmark, WR_DRAW_BID_EXTRA, rows->ids[i]), 32,
                          BID_BYTES);
}

/* ---- texts that are made for a row: each gives its place and length in `room` ---- */

#define NAME_LENGTH_MAX 20
#define DESCRIPTION_LENGTH_MAX 100
_Static_assert(DESCRIPTION_LENGTH_MAX + 3 <= WR_NEXMARK_ROOM_BYTES, "four letters at a time");

typedef uint32_t (*make_fn)(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                            char **start);

static uint32_t make_item_name(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                               char **start) {
    return put_text(room, NAME_LENGTH_MAX, ' ', wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_NAME, id),
                    start);
}

static uint32_t make_description(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                                 char **start) {
    return put_text(room, DESCRIPTION_LENGTH_MAX, ' ',
                    wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_DESCRIPTION, id), start);
}

static uint32_t make_person_name(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                                 char **start) {
    static const char *const first[] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                        "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
    static const char *const last[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                       "Walton", "Smith",  "Jones",   "Noris"};
    uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_PERSON_NAME, id);
    char *at = put(room, first[wr_nexmark_below(draw, WR_COUNT(first))]);
    *at++ = ' ';
    at = put(at, last[wr_nexmark_below_low(draw, WR_COUNT(last))]);
    *start = room;
    return (uint32_t)(at - room);
}

static uint32_t make_email(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                           char **start) {
    char host[8], *begin;
    uint32_t length =
        put_text(room, 7, ' ', wr_nexmark_draw(nexmark, WR_DRAW_PERSON_EMAIL, id), start);
    char *at = *start + length;
    length = put_text(host, 5, ' ', wr_nexmark_draw(nexmark, WR_DRAW_PERSON_HOST, id), &begin);
    *at++ = '@';
    memcpy(at, begin, length);
    at = put(at + length, ".com");
    return (uint32_t)(at - *start);
}

static uint32_t make_credit_card(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                                 char **start) {
    uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_PERSON_CARD, id);
    char *at = room;
    for (uint64_t group = 0; group < CARD_GROUPS; group++) {
        uint64_t digits = wr_nexmark_below(wr_hash_u64(group + 1, draw), 10000);
        if (group > 0)
            *at++ = ' ';
        for (unsigned i = 4; i-- > 0; digits /= 10)
            at[i] = (char)('0' + digits % 10);
        at += 4;
    }
    *start = room;
    return (uint32_t)(at - room);
}

static uint32_t make_city(const struct wr_nexmark *nexmark, uint64_t id, char *room, char **start) {
    static const char *const cities[] = {"Phoenix",  "Los Angeles", "San Francisco", "Boise",
                                         "Portland", "Bend",        "Redmond",       "Seattle",
                                         "Kent",     "Cheyenne"};
    uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_PERSON_PLACE, id);
    *start = room;
    return (uint32_t)(put(room, cities[wr_nexmark_below(draw, WR_COUNT(cities))]) - room);
}

static uint32_t make_state(const struct wr_nexmark *nexmark, uint64_t id, char *room,
                           char **start) {
    static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_PERSON_PLACE, id);
    *start = room;
    return (uint32_t)(put(room, states[wr_nexmark_below_low(draw, WR_COUNT(states))]) - room);
}

static void fill(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows, char *room,
                 struct wr_str *out, make_fn make) {
    for (uint32_t i = 0; i < rows->count; i++) {
        char *start;
        uint32_t length = make(nexmark, rows->ids[i], room, &start);
        out[i] = wr_str_of(start, length);
        room += length > WR_STR_INLINE_MAX ? WR_NEXMARK_ROOM_BYTES : 0;
    }
}

/* What `extra` comes behind: the bytes of the texts before it, and of numbers. */
static uint32_t used_by(const struct wr_nexmark *nexmark, uint64_t id, const make_fn *makers,
                        uint32_t count, uint32_t numbers) {
    char room[WR_NEXMARK_ROOM_BYTES], *start;
    uint32_t used = 8 * numbers;
    for (uint32_t i = 0; i < count; i++)
        used += makers[i](nexmark, id, room, &start);
    return used;
}

static void auction_extra_fill(const struct wr_nexmark *nexmark,
                               const struct wr_nexmark_texts *texts,
                               const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) {
    (void)room;
    static const make_fn makers[] = {make_item_name, make_description};
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t id = rows->ids[i];
        out[i] = extra_of(texts, wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_EXTRA, id),
                          used_by(nexmark, id, makers, WR_COUNT(makers), 6), AUCTION_BYTES);
    }
}

static void person_extra_fill(const struct wr_nexmark *nexmark,
                              const struct wr_nexmark_texts *texts,
                              const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) {
    (void)room;
    static const make_fn makers[] = {make_person_name, make_email, make_credit_card, make_city,
                                     make_state};
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t id = rows->ids[i];
        out[i] = extra_of(texts, wr_nexmark_draw(nexmark, WR_DRAW_PERSON_EXTRA, id),
                          used_by(nexmark, id, makers, WR_COUNT(makers), 1), PERSON_BYTES);
    }
}

#define FILL(name) \
    static void name##_fill(const struct wr_nexmark *nexmark, \
                            const struct wr_nexmark_texts *texts, \
                            const struct wr_nexmark_rows *rows, char *room, struct wr_str *out) { \
        (void)texts; \
        fill(nexmark, rows, room, out, make_##name); \
    } \
    const struct wr_nexmark_text_column wr_nexmark_##name = {.fill = name##_fill, .makes_text = 1}
FILL(item_name);
FILL(description);
FILL(person_name);
FILL(email);
FILL(credit_card);
FILL(city);
FILL(state);

const struct wr_nexmark_text_column wr_nexmark_channel = {.fill = channel_fill, .is_channel = 1};
const struct wr_nexmark_text_column wr_nexmark_url = {.fill = url_fill, .is_channel = 1};
const struct wr_nexmark_text_column wr_nexmark_bid_extra = {.fill = bid_extra_fill, .is_extra = 1};
const struct wr_nexmark_text_column wr_nexmark_auction_extra = {.fill = auction_extra_fill,
                                                                .is_extra = 1};
const struct wr_nexmark_text_column wr_nexmark_person_extra = {.fill = person_extra_fill,
                                                               .is_extra = 1};
