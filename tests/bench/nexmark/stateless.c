/* stateless.c: q0, q1 and q2 by hand. */
#include "bench.h"

static void q0(struct feed *feed, struct sink *sink) {
    const void *const columns[] = {feed->auction, feed->bidder, feed->price, feed->time,
                                   feed->extra};
    while (feed_next(feed))
        sink_take(sink, "iiits", columns, NULL, feed->count);
}

static void q1(struct feed *feed, struct sink *sink) {
    static __int128 euros[BATCH_ROWS];
    const void *const columns[] = {feed->auction, feed->bidder, euros, feed->time, feed->extra};
    while (feed_next(feed)) {
        for (uint32_t i = 0; i < feed->count; i++)
            euros[i] = (__int128)feed->price[i] * 908;
        sink_take(sink, "iidts", columns, NULL, feed->count);
    }
}

static void q2(struct feed *feed, struct sink *sink) {
    static int64_t auction[BATCH_ROWS], price[BATCH_ROWS];
    const void *const columns[] = {auction, price};
    while (feed_next(feed)) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < feed->count; i++) {
            auction[count] = feed->auction[i];
            price[count] = feed->price[i];
            count += feed->auction[i] % 123 == 0;
        }
        if (count > 0)
            sink_take(sink, "ii", columns, NULL, count);
    }
}

const struct query stateless_queries[] = {
    {"q0", AUCTION | BIDDER | PRICE | EXTRA, q0},
    {"q1", AUCTION | BIDDER | PRICE | EXTRA, q1},
    {"q2", AUCTION | PRICE, q2},
    {NULL, 0, NULL},
};
