/* nexmark.h: the events of the Nexmark benchmark, of persons, auctions and bids, made from their
 * numbers. Each value is a hash of (seed, event, draw), so any column of any row can be made by
 * itself, in any order, and the same seed gives the same events everywhere: there is no floating
 * point in them.
 *
 * Event n has the id adjusted(n), which is n unless events change places (`disorder`); of 50 ids
 * the first is a person, three are auctions, 46 are bids. Values and time are those of the id.
 * Threads: immutable once made.
 * Source: Tucker et al., "NEXMark: a benchmark for queries over data streams", 2008; the generator
 *         of github.com/nexmark/nexmark, whose proportions, skew and texts these are. */
#pragma once
#include <stdint.h>

#include "base/hash.h"
#include "data/type.h"

struct wr_budget;
struct wr_buffer;
struct wr_error;

#define WR_NEXMARK_EPOCH 50             /* ids of which the first is a person, three are auctions */
#define WR_NEXMARK_BIDS 46              /* of an epoch */
#define WR_NEXMARK_RATE_MAX 1000000000  /* events in a second of event time */
#define WR_NEXMARK_DISORDER_MAX 1000000 /* events of a group that change places */
#define WR_NEXMARK_SECONDS_MAX UINT64_C(100000000000) /* of event time: 3,000 years */
#define WR_NEXMARK_START_MS INT64_C(1600000000000)    /* 2020-09-13T12:26:40Z */
#define WR_NEXMARK_STRIDE 953 /* neighbours of a group come that far apart; a prime */

enum wr_nexmark_kind { WR_NEXMARK_BID, WR_NEXMARK_AUCTION, WR_NEXMARK_PERSON };

/* What is drawn for an event. The order decides the values: append only. */
enum wr_nexmark_draw {
    WR_DRAW_BID_AUCTION,
    WR_DRAW_BID_BIDDER,
    WR_DRAW_BID_PRICE,
    WR_DRAW_BID_CHANNEL,
    WR_DRAW_BID_EXTRA,
    WR_DRAW_AUCTION_NAME,
    WR_DRAW_AUCTION_DESCRIPTION,
    WR_DRAW_AUCTION_BID,
    WR_DRAW_AUCTION_RESERVE,
    WR_DRAW_AUCTION_EXPIRES,
    WR_DRAW_AUCTION_SELLER,
    WR_DRAW_AUCTION_CATEGORY,
    WR_DRAW_AUCTION_EXTRA,
    WR_DRAW_PERSON_NAME,
    WR_DRAW_PERSON_EMAIL,
    WR_DRAW_PERSON_HOST,
    WR_DRAW_PERSON_CARD,
    WR_DRAW_PERSON_PLACE,
    WR_DRAW_PERSON_EXTRA,
    WR_DRAW_TEXT, /* not of an event: the text that `extra` is cut from … */
    WR_DRAW_URL,  /* … and the urls of channels */
    WR_DRAW_COUNT
};

struct wr_nexmark {
    uint64_t rate;     /* events in a second of event time */
    uint64_t disorder; /* events of a group that change places; 1: none do */
    int64_t first_bidder;
    uint64_t keys[WR_DRAW_COUNT];
};

/* Events of one kind, in the order of their numbers. */
struct wr_nexmark_run { /* neighbouring rows of one epoch */
    uint64_t epoch;
    uint32_t to;         /* the row behind its last */
    uint8_t is_unbroken; /* its ids are consecutive and in order */
};
struct wr_nexmark_rows {
    uint32_t count, run_count;
    uint64_t *numbers, *ids; /* by row; the same array where there is no disorder */
    struct wr_nexmark_run *runs;
};

/* Texts that rows share. */
struct wr_nexmark_texts {
    struct wr_buffer *extra; /* WR_NEXMARK_TEXT_BYTES of random letters */
    struct wr_buffer *urls;
    struct wr_str *channel, *url; /* of WR_NEXMARK_CHANNELS */
};
#define WR_NEXMARK_TEXT_BYTES (1 << 20)
#define WR_NEXMARK_HOT_CHANNELS 4
#define WR_NEXMARK_CHANNELS (WR_NEXMARK_HOT_CHANNELS + 10000)

/* `flink`: bidders are numbered as the generator for Flink does, 1,000 higher than persons. */
void wr_nexmark_init(struct wr_nexmark *nexmark, uint64_t rate, uint64_t seed, uint64_t disorder,
                     int flink);

/* ---- which events there are ---- */

uint64_t wr_nexmark_adjusted(const struct wr_nexmark *nexmark, uint64_t number);
enum wr_nexmark_kind wr_nexmark_kind_of(uint64_t id);
/* Fills `rows` with the next events of a kind, up to `count_max`, from number `from` on and below
 * `end`. Returns the number behind the last, or `end`. */
uint64_t wr_nexmark_find(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind, uint64_t from,
                         uint64_t end, uint32_t count_max, struct wr_nexmark_rows *rows);
/* How many events of a kind have a number below `number`. */
uint64_t wr_nexmark_count(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind,
                          uint64_t number);
/* The time of an id, in microseconds since 1970; whole milliseconds. */
int64_t wr_nexmark_time(const struct wr_nexmark *nexmark, uint64_t id);
/* All events with a number >= `number` have this time or a later one, as the event before it
 * proves: the time of the first of its group. WR_TIME_MIN for 0. */
int64_t wr_nexmark_frontier(const struct wr_nexmark *nexmark, uint64_t number);
/* The time of each row, and the frontier before it less `delay_us`. */
void wr_nexmark_times(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                      int64_t delay_us, int64_t *times, int64_t *behind);

/* ---- columns, one value a row ---- */

typedef void (*wr_nexmark_int_fn)(const struct wr_nexmark *nexmark,
                                  const struct wr_nexmark_rows *rows, int64_t *out);
void wr_nexmark_bid_auction(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                            int64_t *out);
void wr_nexmark_bid_bidder(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                           int64_t *out);
void wr_nexmark_bid_price(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                          int64_t *out);
void wr_nexmark_auction_id(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                           int64_t *out);
void wr_nexmark_auction_bid(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                            int64_t *out);
void wr_nexmark_auction_reserve(const struct wr_nexmark *nexmark,
                                const struct wr_nexmark_rows *rows, int64_t *out);
void wr_nexmark_auction_expires(const struct wr_nexmark *nexmark,
                                const struct wr_nexmark_rows *rows, int64_t *out);
void wr_nexmark_auction_seller(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                               int64_t *out);
void wr_nexmark_auction_category(const struct wr_nexmark *nexmark,
                                 const struct wr_nexmark_rows *rows, int64_t *out);
void wr_nexmark_person_id(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                          int64_t *out);

/* Texts of rows: those that are made for a row lie in `room`, WR_NEXMARK_ROOM_BYTES of it each;
 * others point into `texts`. */
#define WR_NEXMARK_ROOM_BYTES 104
typedef void (*wr_nexmark_text_fn)(const struct wr_nexmark *nexmark,
                                   const struct wr_nexmark_texts *texts,
                                   const struct wr_nexmark_rows *rows, char *room,
                                   struct wr_str *out);
struct wr_nexmark_text_column {
    wr_nexmark_text_fn fill;
    uint8_t makes_text;           /* it wants `room` */
    uint8_t is_extra, is_channel; /* it wants `texts->extra`; `channel` and `url` */
};
extern const struct wr_nexmark_text_column wr_nexmark_channel, wr_nexmark_url, wr_nexmark_bid_extra;
extern const struct wr_nexmark_text_column wr_nexmark_item_name, wr_nexmark_description,
    wr_nexmark_auction_extra;
extern const struct wr_nexmark_text_column wr_nexmark_person_name, wr_nexmark_email,
    wr_nexmark_credit_card, wr_nexmark_city, wr_nexmark_state, wr_nexmark_person_extra;

/* Makes the letters, or the channels. WR_OK or WR_ENOMEM. */
int wr_nexmark_texts_extra(struct wr_nexmark_texts *texts, const struct wr_nexmark *nexmark,
                           struct wr_budget *budget);
int wr_nexmark_texts_channels(struct wr_nexmark_texts *texts, const struct wr_nexmark *nexmark,
                              struct wr_budget *budget);
void wr_nexmark_texts_release(struct wr_nexmark_texts *texts, struct wr_budget *budget);

/* ---- what a draw gives ---- */

static inline uint64_t wr_nexmark_draw(const struct wr_nexmark *nexmark, enum wr_nexmark_draw draw,
                                       uint64_t id) {
    return wr_hash_u64(id, nexmark->keys[draw]);
}
/* 0 … count-1 by the upper half of a draw; the lower half is for something else. */
static inline uint64_t wr_nexmark_below(uint64_t draw, uint64_t count) {
    return ((draw >> 32) * count) >> 32;
}
static inline uint64_t wr_nexmark_below_low(uint64_t draw, uint64_t count) {
    return ((draw & UINT32_MAX) * count) >> 32;
}
