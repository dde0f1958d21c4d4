#include "conn/nexmark.h"

#include "base/assert.h"
#include "data/batch.h"
#include "base/banned.h"

#define FIRST_ID 1000 /* of persons and auctions */
#define FIRST_CATEGORY 10
#define CATEGORIES 5
#define AUCTIONS_OF_EPOCH 3
#define HOT_EVERY 100     /* every 100th auction or person is a hot one */
#define AUCTIONS_OPEN 100 /* bids are for the last ones … */
#define AUCTIONS_AHEAD 10 /* … or for some that are to come */
#define PERSONS_ACTIVE 1000
#define PERSONS_AHEAD 10
#define FLINK_SHIFT 1000

void wr_nexmark_init(struct wr_nexmark *nexmark, uint64_t rate, uint64_t seed, uint64_t disorder,
                     int flink) {
    WR_ASSERT(rate > 0 && disorder > 0);
    nexmark->rate = rate;
    nexmark->disorder = disorder;
    nexmark->first_bidder = FIRST_ID + (flink ? FLINK_SHIFT : 0);
    for (uint64_t i = 0; i < WR_DRAW_COUNT; i++)
        nexmark->keys[i] = wr_hash_join(wr_hash_u64(seed, UINT64_C(0x6e65786d61726b)), i);
}

/* ---- which events there are ---- */

uint64_t wr_nexmark_adjusted(const struct wr_nexmark *nexmark, uint64_t number) {
    if (nexmark->disorder == 1)
        return number;
    uint64_t at = number % nexmark->disorder;
    return number - at + at * WR_NEXMARK_STRIDE % nexmark->disorder;
}

enum wr_nexmark_kind wr_nexmark_kind_of(uint64_t id) {
    uint64_t at = id % WR_NEXMARK_EPOCH;
    return at == 0                   ? WR_NEXMARK_PERSON
           : at <= AUCTIONS_OF_EPOCH ? WR_NEXMARK_AUCTION
                                     : WR_NEXMARK_BID;
}

/* The first id of an epoch that is of a kind, and how many are. */
static const struct {
    uint8_t first, count;
} kinds[] = {
    [WR_NEXMARK_BID] = {1 + AUCTIONS_OF_EPOCH, WR_NEXMARK_BIDS},
    [WR_NEXMARK_AUCTION] = {1, AUCTIONS_OF_EPOCH},
    [WR_NEXMARK_PERSON] = {0, 1},
};

static uint64_t find_in_order(enum wr_nexmark_kind kind, uint64_t from, uint64_t end,
                              uint32_t count_max, struct wr_nexmark_rows *rows) {
    uint64_t epoch = from / WR_NEXMARK_EPOCH;
    while (rows->count < count_max) {
        uint64_t first = epoch * WR_NEXMARK_EPOCH + kinds[kind].first;
        uint64_t past = WR_MIN(first + kinds[kind].count, end);
        first = WR_MAX(first, from);
        if (first >= end)
            return end;
        uint32_t count = past <= first ? 0 : (uint32_t)(past - first);
        count = WR_MIN(count, count_max - rows->count);
        for (uint32_t i = 0; i < count; i++)
            rows->numbers[rows->count + i] = first + i;
        rows->count += count;
        if (count > 0)
            rows->runs[rows->run_count++] =
                (struct wr_nexmark_run){.epoch = epoch, .to = rows->count, .is_unbroken = 1};
        epoch++;
    }
    return rows->count == 0 ? from : rows->numbers[rows->count - 1] + 1;
}

static uint64_t find_disordered(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind,
                                uint64_t from, uint64_t end, uint32_t count_max,
                                struct wr_nexmark_rows *rows) {
    uint64_t number = from;
    for (; number < end && rows->count < count_max; number++) {
        uint64_t id = wr_nexmark_adjusted(nexmark, number), epoch = id / WR_NEXMARK_EPOCH;
        if (wr_nexmark_kind_of(id) != kind)
            continue;
        struct wr_nexmark_run *run = &rows->runs[rows->run_count - (rows->run_count > 0)];
        if (rows->run_count == 0 || run->epoch != epoch)
            rows->runs[rows->run_count++] = (struct wr_nexmark_run){.epoch = epoch};
        rows->numbers[rows->count] = number;
        rows->ids[rows->count++] = id;
        rows->runs[rows->run_count - 1].to = rows->count;
    }
    return number;
}

uint64_t wr_nexmark_find(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind, uint64_t from,
                         uint64_t end, uint32_t count_max, struct wr_nexmark_rows *rows) {
    rows->count = rows->run_count = 0;
    return nexmark->disorder == 1 ? find_in_order(kind, from, end, count_max, rows)
                                  : find_disordered(nexmark, kind, from, end, count_max, rows);
}

uint64_t wr_nexmark_count(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind,
                          uint64_t number) {
    uint64_t whole = number - number % nexmark->disorder; /* whose ids are all below it */
    uint64_t at = whole % WR_NEXMARK_EPOCH, first = kinds[kind].first;
    uint64_t count = whole / WR_NEXMARK_EPOCH * kinds[kind].count;
    count += at <= first ? 0 : WR_MIN(at - first, (uint64_t)kinds[kind].count);
    for (; whole < number; whole++)
        count += wr_nexmark_kind_of(wr_nexmark_adjusted(nexmark, whole)) == kind;
    return count;
}

static int64_t time_ms(const struct wr_nexmark *nexmark, uint64_t id) {
    return (int64_t)((unsigned __int128)id * 1000 / nexmark->rate);
}

int64_t wr_nexmark_time(const struct wr_nexmark *nexmark, uint64_t id) {
    return (WR_NEXMARK_START_MS + time_ms(nexmark, id)) * 1000;
}

int64_t wr_nexmark_frontier(const struct wr_nexmark *nexmark, uint64_t number) {
    if (number == 0)
        return WR_TIME_MIN;
    return wr_nexmark_time(nexmark, number - 1 - (number - 1) % nexmark->disorder);
}

/* One division a run: from one id to the next, quotient and remainder of its time grow. */
static void times_of_run(const struct wr_nexmark *nexmark, uint64_t id, uint32_t count,
                         int64_t delay_us, int64_t *times, int64_t *behind) {
    uint64_t rate = nexmark->rate, before = id - (id > 0);
    unsigned __int128 product = (unsigned __int128)before * 1000;
    int64_t time = (WR_NEXMARK_START_MS + (int64_t)(product / rate)) * 1000;
    uint64_t rest = (uint64_t)(product % rate), rest_step = 1000 % rate;
    int64_t step = (int64_t)(1000 / rate) * 1000;
    uint32_t i = 0;
    if (id == 0) {
        behind[0] = WR_TIME_MIN;
        times[0] = time;
        i = 1;
    }
    for (; i < count; i++) {
        behind[i] = time - delay_us;
        rest += rest_step;
        int64_t carry = rest >= rate;
        time += step + 1000 * carry;
        rest -= carry ? rate : 0;
        times[i] = time;
    }
}

void wr_nexmark_times(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                      int64_t delay_us, int64_t *times, int64_t *behind) {
    uint32_t row = 0;
    for (uint32_t r = 0; r < rows->run_count; r++) {
        const struct wr_nexmark_run *run = &rows->runs[r];
        if (run->is_unbroken) {
            times_of_run(nexmark, rows->ids[row], run->to - row, delay_us, times + row,
                         behind + row);
            row = run->to;
        }
        for (; row < run->to; row++) {
            int64_t frontier = wr_nexmark_frontier(nexmark, rows->numbers[row]);
            times[row] = wr_nexmark_time(nexmark, rows->ids[row]);
            behind[row] = frontier == WR_TIME_MIN ? frontier : frontier - delay_us;
        }
    }
}

/* ---- values ---- */

/* round(10^(6u) * 100) for a u in [0, 1) of 32 bits: from 100 to 100,000,000, each magnitude as
 * often. 10^(6u) is 2^(whole + part); 2^part is its series in ln 2, in fixed point. */
static inline int64_t price_of(uint64_t draw) {
    const uint64_t log2_million = 2675169849;           /* log2(10^6) * 2^27 */
    uint64_t power = (draw >> 32) * log2_million >> 27; /* 2^32 is 1 */
    uint64_t part = power & UINT32_MAX, whole = power >> 32;
    uint64_t sum = 5676; /* ln(2)^k / k! * 2^32, from k = 8 down */
    sum = 65510 + (sum * part >> 32);
    sum = 661577 + (sum * part >> 32);
    sum = 5726720 + (sum * part >> 32);
    sum = 41309550 + (sum * part >> 32);
    sum = 238388332 + (sum * part >> 32);
    sum = 1031764991 + (sum * part >> 32);
    sum = 2977044472 + (sum * part >> 32);
    uint64_t mantissa = (UINT64_C(1) << 32) + (sum * part >> 32);
    uint64_t shift = 32 - whole;
    return (int64_t)((100 * mantissa + (UINT64_C(1) << (shift - 1))) >> shift);
}

void wr_nexmark_bid_auction(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                            int64_t *out) {
    uint32_t row = 0;
    for (uint32_t r = 0; r < rows->run_count; r++) {
        uint64_t last = (rows->runs[r].epoch + 1) * AUCTIONS_OF_EPOCH - 1;
        uint64_t low = last < AUCTIONS_OPEN ? 0 : last - AUCTIONS_OPEN;
        uint64_t count = last - low + 1 + AUCTIONS_AHEAD, hot = last / HOT_EVERY * HOT_EVERY;
        for (; row < rows->runs[r].to; row++) {
            uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_BID_AUCTION, rows->ids[row]);
            uint64_t auction = (draw & 1) ? hot : low + wr_nexmark_below(draw, count);
            out[row] = FIRST_ID + (int64_t)auction;
        }
    }
}

/* Three of four times the hot one of the last hundred persons (`hot` behind the first of them). */
static void persons(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                    enum wr_nexmark_draw kind, int64_t first, uint64_t hot_offset, int64_t *out) {
    uint32_t row = 0;
    for (uint32_t r = 0; r < rows->run_count; r++) {
        uint64_t count = rows->runs[r].epoch + 1, active = WR_MIN(count, (uint64_t)PERSONS_ACTIVE);
        uint64_t hot = (count - 1) / HOT_EVERY * HOT_EVERY + hot_offset;
        for (; row < rows->runs[r].to; row++) {
            uint64_t draw = wr_nexmark_draw(nexmark, kind, rows->ids[row]);
            uint64_t other = count - active + wr_nexmark_below(draw, active + PERSONS_AHEAD);
            out[row] = first + (int64_t)((draw & 3) != 0 ? hot : other);
        }
    }
}

void wr_nexmark_bid_bidder(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                           int64_t *out) {
    persons(nexmark, rows, WR_DRAW_BID_BIDDER, nexmark->first_bidder, 1, out);
}

void wr_nexmark_auction_seller(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                               int64_t *out) {
    persons(nexmark, rows, WR_DRAW_AUCTION_SELLER, FIRST_ID, 0, out);
}

void wr_nexmark_bid_price(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                          int64_t *out) {
    for (uint32_t i = 0; i < rows->count; i++)
        out[i] = price_of(wr_nexmark_draw(nexmark, WR_DRAW_BID_PRICE, rows->ids[i]));
}

void wr_nexmark_auction_id(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                           int64_t *out) {
    (void)nexmark;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t epoch = rows->ids[i] / WR_NEXMARK_EPOCH, at = rows->ids[i] % WR_NEXMARK_EPOCH;
        out[i] = FIRST_ID + (int64_t)(epoch * AUCTIONS_OF_EPOCH + at - 1);
    }
}

void wr_nexmark_auction_bid(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                            int64_t *out) {
    for (uint32_t i = 0; i < rows->count; i++)
        out[i] = price_of(wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_BID, rows->ids[i]));
}

void wr_nexmark_auction_reserve(const struct wr_nexmark *nexmark,
                                const struct wr_nexmark_rows *rows, int64_t *out) {
    wr_nexmark_auction_bid(nexmark, rows, out);
    for (uint32_t i = 0; i < rows->count; i++)
        out[i] += price_of(wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_RESERVE, rows->ids[i]));
}

/* Up to twice the time until as many auctions more exist as bids are for. */
void wr_nexmark_auction_expires(const struct wr_nexmark *nexmark,
                                const struct wr_nexmark_rows *rows, int64_t *out) {
    const uint64_t ahead = AUCTIONS_OPEN * WR_NEXMARK_EPOCH / AUCTIONS_OF_EPOCH;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t id = rows->ids[i];
        int64_t now = time_ms(nexmark, id), then = time_ms(nexmark, id + ahead);
        uint64_t open = (uint64_t)WR_MAX(2 * (then - now), INT64_C(1));
        uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_EXPIRES, id);
        out[i] = (WR_NEXMARK_START_MS + now + 1 + (int64_t)wr_nexmark_below(draw, open)) * 1000;
    }
}

void wr_nexmark_auction_category(const struct wr_nexmark *nexmark,
                                 const struct wr_nexmark_rows *rows, int64_t *out) {
    for (uint32_t i = 0; i < rows->count; i++) {
        uint64_t draw = wr_nexmark_draw(nexmark, WR_DRAW_AUCTION_CATEGORY, rows->ids[i]);
        out[i] = FIRST_CATEGORY + (int64_t)wr_nexmark_below(draw, CATEGORIES);
    }
}

void wr_nexmark_person_id(const struct wr_nexmark *nexmark, const struct wr_nexmark_rows *rows,
                          int64_t *out) {
    (void)nexmark;
    for (uint32_t i = 0; i < rows->count; i++)
        out[i] = FIRST_ID + (int64_t)(rows->ids[i] / WR_NEXMARK_EPOCH);
}
