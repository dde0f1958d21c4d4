/* windows.c: q5 and q7 by hand. Bids come in the order of their time, so that a window is over
 * when one behind it comes. */
#include "bench.h"

#include <stdlib.h>
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

/* The bids of a window, as the query keeps them to meet its highest price. */
struct kept {
    int64_t end, price; /* the highest */
    bool fired;
    uint32_t count, room;
    int64_t *auction, *bidder, *prices, *time;
    uint64_t *text; /* of `extra`: where it begins in `bytes` … */
    uint32_t *length;
    char *bytes;
    uint64_t used, size;
};

static void kept_grow(struct kept *kept) {
    kept->room = kept->room == 0 ? 4096 : 2 * kept->room;
    size_t bytes = kept->room * sizeof(int64_t);
    kept->auction = more_room(kept->auction, bytes);
    kept->bidder = more_room(kept->bidder, bytes);
    kept->prices = more_room(kept->prices, bytes);
    kept->time = more_room(kept->time, bytes);
    kept->text = more_room(kept->text, bytes);
    kept->length = more_room(kept->length, kept->room * sizeof(uint32_t));
}

static void kept_add(struct kept *kept, const struct feed *feed, uint32_t row) {
    const struct wr_str *extra = &feed->extra[row];
    if (kept->count == kept->room)
        kept_grow(kept);
    if (kept->used + extra->length > kept->size) {
        kept->size = kept->size == 0 ? 1 << 20 : 2 * kept->size;
        kept->bytes = more_room(kept->bytes, kept->size);
    }
    uint32_t at = kept->count++;
    kept->auction[at] = feed->auction[row];
    kept->bidder[at] = feed->bidder[row];
    kept->prices[at] = feed->price[row];
    kept->time[at] = feed->time[row];
    kept->text[at] = kept->used;
    kept->length[at] = extra->length;
    memcpy(kept->bytes + kept->used, wr_str_bytes(extra), extra->length);
    kept->used += extra->length;
    kept->price = feed->price[row] > kept->price ? feed->price[row] : kept->price;
}

static void kept_release(struct kept *kept) {
    free(kept->auction);
    free(kept->bidder);
    free(kept->prices);
    free(kept->time);
    free(kept->text);
    free(kept->length);
    free(kept->bytes);
}

struct found {
    uint32_t count;
    int64_t auction[BATCH_ROWS], price[BATCH_ROWS], bidder[BATCH_ROWS], time[BATCH_ROWS];
    struct wr_str extra[BATCH_ROWS];
};

static void found_leave(struct found *found, struct sink *sink) {
    const void *const columns[] = {found->auction, found->price, found->bidder, found->time,
                                   found->extra};
    if (found->count > 0)
        sink_take(sink, "iiits", columns, NULL, found->count);
    found->count = 0;
}

/* The bids of `kept` until `until` that are as high as `price`. */
static void meet(const struct kept *kept, int64_t price, int64_t until, struct found *found,
                 struct sink *sink) {
    for (uint32_t i = 0; i < kept->count && kept->time[i] <= until; i++) {
        if (kept->prices[i] != price)
            continue;
        uint32_t at = found->count++;
        found->auction[at] = kept->auction[i];
        found->price[at] = price;
        found->bidder[at] = kept->bidder[i];
        found->time[at] = kept->time[i];
        found->extra[at] = wr_str_of(kept->bytes + kept->text[i], kept->length[i]);
        if (found->count == BATCH_ROWS)
            found_leave(found, sink);
    }
}

/* When no more bids of `window` come, nor any at its end, which are in the one behind it. */
static void q7_fire(struct kept *window, const struct kept *next, struct sink *sink) {
    static struct found found;
    if (window->count == 0 || window->fired)
        return;
    meet(window, window->price, window->end, &found, sink);
    meet(next, window->price, window->end, &found, sink);
    found_leave(&found, sink);
    window->fired = true;
}

static void q7(struct feed *feed, struct sink *sink) {
    struct kept windows[2] = {{.end = INT64_MIN}, {.end = INT64_MIN}};
    struct kept *now = &windows[0], *before = &windows[1];
    while (feed_next(feed))
        for (uint32_t i = 0; i < feed->count; i++) {
            int64_t time = feed->time[i];
            if (time > before->end)
                q7_fire(before, now, sink);
            if (time >= now->end) {
                q7_fire(before, now, sink);
                struct kept *swapped = before;
                before = now;
                now = swapped;
                now->end = start_of(time, WIDTH_US) + WIDTH_US;
                now->price = 0;
                now->fired = false;
                now->count = 0;
                now->used = 0;
            }
            kept_add(now, feed, i);
        }
    q7_fire(before, now, sink);
    before->count = 0;
    q7_fire(now, before, sink);
    kept_release(before);
    kept_release(now);
}

const struct query window_queries[] = {
    {"q5", AUCTION, q5},
    {"q7", AUCTION | BIDDER | PRICE | EXTRA, q7},
    {NULL, 0, NULL},
};
