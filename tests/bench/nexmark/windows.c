/* windows.c: q5 and q7 by hand. Bids come in the order of their time, so that a window is over
 * when one behind it comes. */
#include "bench.h"

#include <string.h>

/* ---- q5: the auctions with the most bids in ten seconds, every two ---- */

#define SLICE_US (2 * SECOND_US)
#define SLICES 5 /* of a window */

struct auction_row {
    int64_t auction, count;
};

struct q5 {
    struct table slices[SLICES], window;
    int64_t last_slice; /* that has rows, by its number; slices of others are empty */
};

/* Fires the window that ends with slice `last`. */
static void q5_fire(struct q5 *self, struct sink *sink) {
    table_clear(&self->window);
    int64_t most = 0;
    for (int s = 0; s < SLICES; s++) {
        const struct auction_row *rows = (const struct auction_row *)self->slices[s].rows;
        for (uint32_t i = 0; i < self->slices[s].row_count; i++) {
            struct auction_row *row = table_row(&self->window, rows[i].auction, 0, 1);
            row->count += rows[i].count;
            most = row->count > most ? row->count : most;
        }
    }
    const struct auction_row *rows = (const struct auction_row *)self->window.rows;
    static int64_t auction[BATCH_ROWS], count[BATCH_ROWS];
    const void *const columns[] = {auction, count};
    uint32_t made = 0;
    for (uint32_t i = 0; i < self->window.row_count; i++) {
        if (rows[i].count < most)
            continue;
        auction[made] = rows[i].auction;
        count[made++] = rows[i].count;
        if (made == BATCH_ROWS) {
            sink_take(sink, "ii", columns, NULL, made);
            made = 0;
        }
    }
    if (made > 0)
        sink_take(sink, "ii", columns, NULL, made);
}

/* Fires what ends before slice `slice` begins; a gap empties all. */
static void q5_move_to(struct q5 *self, int64_t slice, struct sink *sink) {
    for (int fired = 0; self->last_slice < slice && fired < SLICES; fired++) {
        q5_fire(self, sink);
        table_clear(&self->slices[++self->last_slice % SLICES]);
    }
    self->last_slice = slice;
}

static void q5(struct feed *feed, struct sink *sink) {
    struct q5 self = {.last_slice = INT64_MAX};
    for (int s = 0; s < SLICES; s++)
        table_init(&self.slices[s], 1, sizeof(struct auction_row));
    table_init(&self.window, 1, sizeof(struct auction_row));
    while (feed_next(feed))
        for (uint32_t i = 0; i < feed->count; i++) {
            int64_t slice = feed->time[i] / SLICE_US;
            if (self.last_slice == INT64_MAX)
                self.last_slice = slice;
            if (slice != self.last_slice)
                q5_move_to(&self, slice, sink);
            struct auction_row *row =
                table_row(&self.slices[slice % SLICES], feed->auction[i], 0, 1);
            row->count++;
        }
    if (self.last_slice != INT64_MAX)
        q5_move_to(&self, self.last_slice + SLICES, sink);
    for (int s = 0; s < SLICES; s++)
        table_release(&self.slices[s]);
    table_release(&self.window);
}

/* ---- q7: the highest bids of each ten seconds ---- */

#define WIDTH_US (10 * SECOND_US)
#define BEST_MAX 4096 /* bids of one window with the same price */
#define EXTRA_BYTES_MAX 100

struct best {
    int64_t start, end, price;
    uint32_t count;
    int64_t auction[BEST_MAX], bidder[BEST_MAX], time[BEST_MAX], prices[BEST_MAX];
    struct wr_str extra[BEST_MAX];
    char text[BEST_MAX][EXTRA_BYTES_MAX]; /* of `extra`: the batch that brought it has gone */
};

static void best_add(struct best *best, const struct feed *feed, uint32_t row) {
    if (best->count == BEST_MAX)
        return;
    uint32_t at = best->count++;
    best->auction[at] = feed->auction[row];
    best->bidder[at] = feed->bidder[row];
    best->time[at] = feed->time[row];
    best->prices[at] = feed->price[row];
    memcpy(best->text[at], wr_str_bytes(&feed->extra[row]), feed->extra[row].length);
    best->extra[at] = wr_str_of(best->text[at], feed->extra[row].length);
}

static void best_fire(struct best *best, struct sink *sink) {
    const void *const columns[] = {best->auction, best->prices, best->bidder, best->time,
                                   best->extra};
    if (best->count > 0)
        sink_take(sink, "iiits", columns, NULL, best->count);
}

static void q7(struct feed *feed, struct sink *sink) {
    static struct best windows[2]; /* this one, and the one before, which takes bids at its end */
    struct best *best = &windows[0], *before = &windows[1];
    while (feed_next(feed))
        for (uint32_t i = 0; i < feed->count; i++) {
            int64_t time = feed->time[i], price = feed->price[i];
            if (time >= best->end) {
                best_fire(before, sink);
                struct best *swapped = before;
                before = best;
                best = swapped;
                best->count = 0;
                best->price = 0;
                best->start = start_of(time, WIDTH_US);
                best->end = best->start + WIDTH_US;
            }
            if (time == before->end && price == before->price)
                best_add(before, feed, i);
            if (price > best->price) {
                best->price = price;
                best->count = 0;
            }
            if (price == best->price)
                best_add(best, feed, i);
        }
    best_fire(before, sink);
    best_fire(best, sink);
}

const struct query window_queries[] = {
    {"q5", AUCTION, q5},
    {"q7", AUCTION | BIDDER | PRICE | EXTRA, q7},
    {NULL, 0, NULL},
};
