/* work.c: the five pieces of work of the measurements; see hand.h.
 *
 *     hand WORK INPUT OUTPUT
 *
 * sums    NDJSON, all fields: counts, sums and lengths, one row
 * filter  NDJSON to NDJSON: the bids above a price
 * window  NDJSON: count, sum and maximum by auction in windows of 10 s, rows up to 4 s late
 * group   CSV: count, average and maximum by channel
 * last    NDJSON: the last bid of each bidder
 *
 * The output is NDJSON. Standard error closes with the rows read and the rows refused. */
#include "hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRICE_MIN 1000000
#define WIDTH_US 10000000
#define DELAY_US 4000000
#define WINDOWS_LIVE_MAX 4 /* the delay is below a width: two can be open */
#define ROW_BYTES_MAX 8192 /* of an output row */

#define PUT(literal) out = put_text(out, literal, sizeof(literal) - 1)

static uint64_t row_count, refused_count, late_count;

typedef bool (*parse_fn)(struct bid *bid, struct text line);

/* The next bid that can be read; false at the end. */
static inline bool next(struct reader *reader, struct bid *bid, parse_fn parse) {
    struct text line;
    while (reader_line(reader, &line)) {
        row_count++;
        if (parse(bid, line))
            return true;
        refused_count++;
    }
    return false;
}

static char *put_bid(char *out, const struct bid *bid) {
    PUT("{\"auction\":");
    out = put_int(out, bid->auction);
    PUT(",\"bidder\":");
    out = put_int(out, bid->bidder);
    PUT(",\"price\":");
    out = put_int(out, bid->price);
    PUT(",\"channel\":");
    out = put_json(out, bid->channel);
    PUT(",\"url\":");
    out = put_json(out, bid->url);
    PUT(",\"dateTime\":\"");
    out = put_time(out, bid->time_us);
    PUT("\",\"extra\":");
    out = put_json(out, bid->extra);
    PUT("}\n");
    return out;
}

static void sums(struct reader *reader, struct writer *writer) {
    static struct bid bid;
    int64_t count = 0, auctions = 0, bidders = 0, prices = 0, bytes = 0;
    int64_t first = INT64_MAX, last = INT64_MIN;
    while (next(reader, &bid, json_bid)) {
        count++;
        auctions += bid.auction;
        bidders += bid.bidder;
        prices += bid.price;
        bytes += (int64_t)(bid.channel.length + bid.url.length + bid.extra.length);
        first = bid.time_us < first ? bid.time_us : first;
        last = bid.time_us > last ? bid.time_us : last;
    }
    char *start = writer_room(writer, ROW_BYTES_MAX), *out = start;
    PUT("{\"n\":");
    out = put_int(out, count);
    PUT(",\"auctions\":");
    out = put_int(out, auctions);
    PUT(",\"bidders\":");
    out = put_int(out, bidders);
    PUT(",\"prices\":");
    out = put_int(out, prices);
    PUT(",\"bytes\":");
    out = put_int(out, bytes);
    PUT(",\"first\":\"");
    out = put_time(out, first);
    PUT("\",\"last\":\"");
    out = put_time(out, last);
    PUT("\"}\n");
    writer->used += (size_t)(out - start);
}

static void filter(struct reader *reader, struct writer *writer) {
    static struct bid bid;
    while (next(reader, &bid, json_bid)) {
        if (bid.price <= PRICE_MIN)
            continue;
        char *start = writer_room(writer, ROW_BYTES_MAX);
        writer->used += (size_t)(put_bid(start, &bid) - start);
    }
}

struct window {
    int64_t start_us;
    bool live;
    struct table table;
};
struct window_row {
    int64_t auction, count, sum, max;
};

static void window_close(struct window *window, struct writer *writer) {
    struct window_row *rows = (struct window_row *)window->table.rows;
    for (size_t i = 0; i < window->table.row_count; i++) {
        char *start = writer_room(writer, ROW_BYTES_MAX), *out = start;
        PUT("{\"window_start\":\"");
        out = put_time(out, window->start_us);
        PUT("\",\"window_end\":\"");
        out = put_time(out, window->start_us + WIDTH_US);
        PUT("\",\"auction\":");
        out = put_int(out, rows[i].auction);
        PUT(",\"n\":");
        out = put_int(out, rows[i].count);
        PUT(",\"total\":");
        out = put_int(out, rows[i].sum);
        PUT(",\"most\":");
        out = put_int(out, rows[i].max);
        PUT("}\n");
        writer->used += (size_t)(out - start);
    }
    table_clear(&window->table);
    window->live = false;
}

/* The window that starts at `start_us`, opened where it is not. */
static struct window *window_find(struct window *windows, int64_t start_us) {
    struct window *unused = NULL;
    for (int i = 0; i < WINDOWS_LIVE_MAX; i++) {
        if (windows[i].live && windows[i].start_us == start_us)
            return &windows[i];
        if (!windows[i].live)
            unused = &windows[i];
    }
    if (unused == NULL) {
        fprintf(stderr, "more than %d windows are open\n", WINDOWS_LIVE_MAX);
        exit(1);
    }
    unused->live = true;
    unused->start_us = start_us;
    return unused;
}

/* Closes what ends at or before `frontier_us`, the earliest first. */
static void windows_advance(struct window *windows, int64_t frontier_us, struct writer *writer) {
    for (;;) {
        struct window *first = NULL;
        for (int i = 0; i < WINDOWS_LIVE_MAX; i++)
            if (windows[i].live && windows[i].start_us <= frontier_us - WIDTH_US &&
                (first == NULL || windows[i].start_us < first->start_us))
                first = &windows[i];
        if (first == NULL)
            return;
        window_close(first, writer);
    }
}

static void window(struct reader *reader, struct writer *writer) {
    static struct bid bid;
    static struct window windows[WINDOWS_LIVE_MAX];
    for (int i = 0; i < WINDOWS_LIVE_MAX; i++)
        table_init(&windows[i].table, sizeof(struct window_row));
    int64_t frontier_us = INT64_MIN, closing_us = INT64_MIN;
    struct window *last = NULL;
    while (next(reader, &bid, json_bid)) {
        int64_t start_us = bid.time_us / WIDTH_US * WIDTH_US;
        if (start_us + WIDTH_US <= frontier_us) {
            late_count++;
            continue;
        }
        if (bid.time_us - DELAY_US > frontier_us)
            frontier_us = bid.time_us - DELAY_US;
        if (frontier_us >= closing_us) {
            windows_advance(windows, frontier_us, writer);
            closing_us = (frontier_us / WIDTH_US + 1) * WIDTH_US;
            last = NULL;
        }
        if (last == NULL || last->start_us != start_us)
            last = window_find(windows, start_us);
        struct window_row *row = table_int(&last->table, bid.auction);
        row->count++;
        row->sum += bid.price;
        row->max = bid.price > row->max ? bid.price : row->max;
    }
    windows_advance(windows, INT64_MAX, writer);
}

/* The shortest decimal that reads back as `value`. */
static char *put_float(char *out, double value) {
    char digits[32];
    int length = 0;
    for (int precision = 15; precision <= 17; precision++) {
        length = snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    return put_text(out, digits, (size_t)length);
}

struct group_row {
    struct text channel;
    int64_t count, sum, max;
};

static void group(struct reader *reader, struct writer *writer) {
    static struct bid bid;
    struct table table;
    struct text header;
    table_init(&table, sizeof(struct group_row));
    reader_line(reader, &header);
    while (next(reader, &bid, csv_bid)) {
        struct group_row *row = table_text(&table, bid.channel);
        row->count++;
        row->sum += bid.price;
        row->max = bid.price > row->max ? bid.price : row->max;
    }
    const struct group_row *rows = (const struct group_row *)table.rows;
    for (size_t i = 0; i < table.row_count; i++) {
        char *start = writer_room(writer, ROW_BYTES_MAX), *out = start;
        PUT("{\"channel\":");
        out = put_json(out, rows[i].channel);
        PUT(",\"n\":");
        out = put_int(out, rows[i].count);
        PUT(",\"mean\":");
        out = put_float(out, (double)rows[i].sum / (double)rows[i].count);
        PUT(",\"most\":");
        out = put_int(out, rows[i].max);
        PUT("}\n");
        writer->used += (size_t)(out - start);
    }
}

struct last_row {
    int64_t bidder, price, time_us;
    char *url;
    uint32_t url_length, url_max;
};

static void last(struct reader *reader, struct writer *writer) {
    static struct bid bid;
    struct table table;
    table_init(&table, sizeof(struct last_row));
    while (next(reader, &bid, json_bid)) {
        struct last_row *row = table_int(&table, bid.bidder);
        if (bid.url.length > row->url_max) {
            row->url_max = (uint32_t)bid.url.length + 32;
            row->url = realloc(row->url, row->url_max);
            if (row->url == NULL)
                abort();
        }
        memcpy(row->url, bid.url.at, bid.url.length);
        row->url_length = (uint32_t)bid.url.length;
        row->price = bid.price;
        row->time_us = bid.time_us;
    }
    const struct last_row *rows = (const struct last_row *)table.rows;
    for (size_t i = 0; i < table.row_count; i++) {
        char *start = writer_room(writer, ROW_BYTES_MAX), *out = start;
        PUT("{\"bidder\":");
        out = put_int(out, rows[i].bidder);
        PUT(",\"price\":");
        out = put_int(out, rows[i].price);
        PUT(",\"url\":");
        out = put_json(out, (struct text){rows[i].url, rows[i].url_length});
        PUT(",\"at\":\"");
        out = put_time(out, rows[i].time_us);
        PUT("\"}\n");
        writer->used += (size_t)(out - start);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(struct reader *reader, struct writer *writer);
    } works[] = {
        {"sums", sums}, {"filter", filter}, {"window", window}, {"group", group}, {"last", last}};
    for (size_t i = 0; argc == 4 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(argv[1], works[i].name) != 0)
            continue;
        struct reader reader;
        struct writer writer;
        reader_open(&reader, argv[2]);
        writer_open(&writer, argv[3]);
        works[i].run(&reader, &writer);
        writer_close(&writer);
        fprintf(stderr, "%" PRIu64 " rows, %" PRIu64 " refused, %" PRIu64 " late\n", row_count,
                refused_count, late_count);
        return 0;
    }
    fprintf(stderr, "usage: hand sums|filter|window|group|last INPUT OUTPUT\n");
    return 2;
}
