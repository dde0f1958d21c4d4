/* updates.c: q15, q17 and q18 by hand. What a batch changed leaves when it is over: of each key the
 * row that was there before, if any, and the one that is there now. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define RANKS 3

static int rank_of(int64_t price) {
    return price < 10000 ? 0 : price < 1000000 ? 1 : 2;
}

/* ---- q15: bids, bidders and auctions of each day, by three classes of prices ---- */

#define COUNTS 12 /* bids, bidders, auctions: all, and by class */
#define DAYS_MAX 64

struct seen_row {
    int64_t key;
    uint64_t classes; /* bit 0: seen at all; 1 … 3: with a price of the class */
};

struct day {
    int64_t day, counts[COUNTS], before[COUNTS];
    struct table bidders, auctions;
    bool is_shown, is_changed;
};

static struct day *day_of(struct day *days, uint32_t *day_count, int64_t number) {
    for (uint32_t i = *day_count; i-- > 0;)
        if (days[i].day == number)
            return &days[i];
    if (*day_count == DAYS_MAX) {
        fprintf(stderr, "nexmark: more than %d days\n", DAYS_MAX);
        exit(1);
    }
    struct day *day = &days[(*day_count)++];
    day->day = number;
    table_init(&day->bidders, 1, sizeof(struct seen_row));
    table_init(&day->auctions, 1, sizeof(struct seen_row));
    return day;
}

static void see(struct table *table, int64_t key, int rank, int64_t *counts) {
    struct seen_row *row = table_row(table, key, 0, 1);
    uint64_t bits = 1 | UINT64_C(2) << rank, added = bits & ~row->classes;
    row->classes |= bits;
    counts[0] += (int64_t)(added & 1);
    counts[1 + rank] += (int64_t)(added >> (1 + rank) & 1);
}

static void day_changes(struct day *days, uint32_t day_count, struct sink *sink) {
    static int64_t values[1 + COUNTS][2 * DAYS_MAX];
    static int8_t weights[2 * DAYS_MAX];
    const void *columns[1 + COUNTS];
    uint32_t made = 0;
    for (uint32_t c = 0; c <= COUNTS; c++)
        columns[c] = values[c];
    for (uint32_t d = 0; d < day_count; d++) {
        struct day *day = &days[d];
        if (!day->is_changed)
            continue;
        for (int is_new = !day->is_shown; is_new < 2; is_new++) {
            values[0][made] = day->day;
            for (uint32_t c = 0; c < COUNTS; c++)
                values[1 + c][made] = is_new ? day->counts[c] : day->before[c];
            weights[made++] = is_new ? 1 : -1;
        }
        memcpy(day->before, day->counts, sizeof day->before);
        day->is_shown = true;
        day->is_changed = false;
    }
    sink_take(sink, "iiiiiiiiiiiii", columns, weights, made);
}

static void q15(struct feed *feed, struct sink *sink) {
    static struct day days[DAYS_MAX];
    uint32_t day_count = 0;
    while (feed_next(feed)) {
        struct day *day = NULL;
        for (uint32_t i = 0; i < feed->count; i++) {
            int64_t number = feed->time[i] / DAY_US;
            if (day == NULL || day->day != number)
                day = day_of(days, &day_count, number);
            int rank = rank_of(feed->price[i]);
            day->is_changed = true;
            day->counts[0]++;
            day->counts[1 + rank]++;
            see(&day->bidders, feed->bidder[i], rank, day->counts + 4);
            see(&day->auctions, feed->auction[i], rank, day->counts + 8);
        }
        day_changes(days, day_count, sink);
    }
}

/* ---- q17: the bids of each auction and day ---- */

struct totals {
    int64_t counts[1 + RANKS], min, max, sum;
};
struct auction_day {
    int64_t auction, day;
    struct totals totals;
    uint32_t touched_in; /* the batch, from 1 */
    uint32_t change;     /* of that batch: where the totals before it stand */
};

#define TOTALS_COLUMNS 10

/* The changes of one batch, as columns. */
struct totals_out {
    int64_t values[TOTALS_COLUMNS][2 * BATCH_ROWS];
    int8_t weights[2 * BATCH_ROWS];
    uint32_t count;
};

static void totals_put(struct totals_out *out, const struct auction_day *row,
                       const struct totals *totals, int8_t weight) {
    uint32_t at = out->count++;
    int64_t sum = totals->sum, count = totals->counts[0];
    const int64_t values[TOTALS_COLUMNS] = {
        row->auction,      row->day,    count,       totals->counts[1], totals->counts[2],
        totals->counts[3], totals->min, totals->max, sum / count,       sum};
    for (uint32_t c = 0; c < TOTALS_COLUMNS; c++)
        out->values[c][at] = values[c];
    out->weights[at] = weight;
}

static void totals_add(struct totals *totals, int64_t price) {
    if (totals->counts[0] == 0 || price < totals->min)
        totals->min = price;
    if (price > totals->max)
        totals->max = price;
    totals->counts[0]++;
    totals->counts[1 + rank_of(price)]++;
    totals->sum += price;
}

static void q17(struct feed *feed, struct sink *sink) {
    static struct totals before[BATCH_ROWS];
    static uint32_t touched[BATCH_ROWS]; /* rows, in the order in which they changed */
    static struct totals_out out;
    const void *columns[TOTALS_COLUMNS];
    for (uint32_t c = 0; c < TOTALS_COLUMNS; c++)
        columns[c] = out.values[c];
    struct table table;
    table_init(&table, 2, sizeof(struct auction_day));
    for (uint32_t batch = 1; feed_next(feed); batch++) {
        uint32_t touched_count = 0;
        for (uint32_t i = 0; i < feed->count; i++) {
            struct auction_day *row =
                table_row(&table, feed->auction[i], feed->time[i] / DAY_US, 2);
            if (row->touched_in != batch) {
                row->touched_in = batch;
                before[touched_count] = row->totals;
                touched[touched_count++] = (uint32_t)(row - (const struct auction_day *)table.rows);
            }
            totals_add(&row->totals, feed->price[i]);
        }
        out.count = 0;
        for (uint32_t k = 0; k < touched_count; k++) {
            const struct auction_day *row = (const struct auction_day *)table.rows + touched[k];
            if (before[k].counts[0] > 0)
                totals_put(&out, row, &before[k], -1);
            totals_put(&out, row, &row->totals, 1);
        }
        sink_take(sink, "iiiiiiiiii", columns, out.weights, out.count);
    }
    table_release(&table);
}

/* ---- q18: the last bid of each person for each auction ---- */

/* What is kept of a bid. Texts of a batch go with it, so they are copied. */
struct kept {
    int64_t price, time;
    struct wr_str channel; /* whose text, of at most 12 bytes, lies within */
    uint32_t url_bytes, extra_bytes, room_bytes;
    char *texts; /* url, then extra */
};
struct last_row {
    int64_t bidder, auction;
    struct kept bid;
    uint32_t touched_in, change;
};

#define LAST_COLUMNS 7

struct last_out {
    int64_t auction[2 * BATCH_ROWS], bidder[2 * BATCH_ROWS], price[2 * BATCH_ROWS],
        time[2 * BATCH_ROWS];
    struct wr_str channel[2 * BATCH_ROWS], url[2 * BATCH_ROWS], extra[2 * BATCH_ROWS];
    int8_t weights[2 * BATCH_ROWS];
    uint32_t count;
};

static void kept_put(struct last_out *out, const struct last_row *row, const struct kept *bid,
                     int8_t weight) {
    uint32_t at = out->count++;
    out->auction[at] = row->auction;
    out->bidder[at] = row->bidder;
    out->price[at] = bid->price;
    out->time[at] = bid->time;
    out->channel[at] = bid->channel;
    out->url[at] = wr_str_of(bid->texts, bid->url_bytes);
    out->extra[at] = wr_str_of(bid->texts + bid->url_bytes, bid->extra_bytes);
    out->weights[at] = weight;
}

static void kept_set(struct kept *bid, const struct feed *feed, uint32_t row) {
    const struct wr_str *url = &feed->url[row], *extra = &feed->extra[row];
    if (bid->room_bytes < url->length + extra->length) {
        bid->room_bytes = url->length + extra->length;
        bid->texts = more_room(bid->texts, bid->room_bytes);
    }
    bid->price = feed->price[row];
    bid->time = feed->time[row];
    bid->channel = feed->channel[row];
    if (bid->channel.length > WR_STR_INLINE_MAX)
        exit(1);
    bid->url_bytes = url->length;
    bid->extra_bytes = extra->length;
    memcpy(bid->texts, wr_str_bytes(url), url->length);
    memcpy(bid->texts + url->length, wr_str_bytes(extra), extra->length);
}

static void q18(struct feed *feed, struct sink *sink) {
    static struct kept before[BATCH_ROWS];
    static uint32_t touched[BATCH_ROWS], newest[BATCH_ROWS]; /* by change: row, and its last bid */
    static struct last_out out;
    const void *const columns[] = {out.auction, out.bidder, out.price, out.channel,
                                   out.url,     out.time,   out.extra};
    struct table table;
    table_init(&table, 2, sizeof(struct last_row));
    for (uint32_t batch = 1; feed_next(feed); batch++) {
        uint32_t touched_count = 0;
        for (uint32_t i = 0; i < feed->count; i++) {
            struct last_row *row = table_row(&table, feed->bidder[i], feed->auction[i], 2);
            if (row->touched_in != batch) {
                row->touched_in = batch;
                row->change = touched_count;
                touched[touched_count++] = (uint32_t)(row - (const struct last_row *)table.rows);
            }
            newest[row->change] = i;
        }
        out.count = 0;
        for (uint32_t k = 0; k < touched_count; k++) {
            struct last_row *row = (struct last_row *)table.rows + touched[k];
            before[k] = row->bid;
            if (before[k].texts != NULL) {
                kept_put(&out, row, &before[k], -1);
                row->bid.texts = NULL; /* the old row is still to be seen by the sink */
                row->bid.room_bytes = 0;
            }
            kept_set(&row->bid, feed, newest[k]);
            kept_put(&out, row, &row->bid, 1);
        }
        sink_take(sink, "iiissts", columns, out.weights, out.count);
        for (uint32_t k = 0; k < touched_count; k++)
            free(before[k].texts);
    }
}

const struct query update_queries[] = {
    {"q15", AUCTION | BIDDER | PRICE, q15},
    {"q17", AUCTION | PRICE, q17},
    {"q18", AUCTION | BIDDER | PRICE | CHANNEL | URL | EXTRA, q18},
    {NULL, 0, NULL},
};
