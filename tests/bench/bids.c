/* bids.c: writes bids of an auction site, the input of the measurements.
 *
 *     bids ndjson|csv ROWS [SEED] > FILE
 *
 * Seven fields, about 240 bytes a row as NDJSON. The shape is that of the bids of the Nexmark
 * benchmark (Tucker et al., 2002, and its later generators): half of the bids go to a few hot
 * auctions, three quarters come from hot bidders, prices are log-uniform, half of the channels are
 * one of four. 10 000 bids a second of event time, in order. One row in a thousand has a letter
 * outside ASCII and an escape, so that neither can be left unhandled. The same seed gives the same
 * bytes: each draw is a hash of seed, row and draw. */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_A_SECOND 10000
#define START_MS 1711879200000 /* 2024-03-31T10:00:00Z */
#define TEXT_BYTES (1u << 20)
#define CHANNELS 10000

static uint64_t seed = 1;
static char text[TEXT_BYTES]; /* random letters, of which `extra` is a part */
static char urls[CHANNELS + 4][160];

static uint64_t mix(uint64_t x) {
    /* The finaliser of SplitMix64: Steele, Lea, Flood, "Fast splittable generators", 2014. */
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* A number below `bound`, the `number`-th of the row. */
static uint64_t draw(uint64_t row, uint64_t number, uint64_t bound) {
    uint64_t bits = mix(mix(row * 64 + number) ^ seed);
    return (uint64_t)(((unsigned __int128)bits * bound) >> 64);
}

static double draw_unit(uint64_t row, uint64_t number) {
    return (double)(draw(row, number, 1ull << 53)) / (double)(1ull << 53);
}

static void fill_text(void) {
    for (uint32_t i = 0; i < TEXT_BYTES; i++)
        text[i] = (char)('a' + draw(i, 63, 26));
}

static void fill_urls(void) {
    for (uint32_t i = 0; i < CHANNELS + 4; i++) {
        char *at = urls[i];
        at += snprintf(at, 40, "https://www.nexmark.com/");
        for (uint64_t part = 0; part < 3; part++) {
            uint64_t length = 3 + draw(i, part, 2);
            for (uint64_t k = 0; k < length; k++)
                *at++ = (char)('a' + draw(i, 8 + part * 8 + k, 26));
            *at++ = '/';
        }
        at += snprintf(at, 40, "item.htm?query=1");
        if (i >= 4 && draw(i, 40, 10) != 0)
            snprintf(at, 40, "&channel_id=%" PRIu64, draw(i, 41, 1u << 31));
    }
}

struct bid {
    int64_t auction, bidder, price;
    char channel[24];
    char url[200];
    char time[64];
    const char *extra;
    int extra_length;
};

static void write_time(char *out, int64_t ms) {
    int64_t days = ms / 86400000, rest = ms % 86400000;
    /* Civil from days: Hinnant, "chrono-compatible low-level date algorithms", 2013. */
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    snprintf(out, 64, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year % 10000, (int)month,
             (int)day, (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
             (int)(rest % 1000));
}

static void make(struct bid *bid, uint64_t row) {
    static const char *hot_names[4] = {"Google", "Facebook", "Baidu", "Apple"};
    uint64_t epoch = row / 46; /* 46 bids for each person, and three auctions */
    uint64_t last_auction = epoch * 3 + 2, last_person = epoch;
    uint64_t oldest = last_auction > 100 ? last_auction - 100 : 0;
    uint64_t active = last_person + 1 < 1000 ? last_person + 1 : 1000;
    uint64_t auction = draw(row, 0, 2) == 0 ? last_auction / 100 * 100
                                            : oldest + draw(row, 1, last_auction - oldest + 11);
    uint64_t bidder = draw(row, 2, 4) != 0 ? last_person / 100 * 100 + 1
                                           : last_person + 1 - active + draw(row, 3, active + 10);
    bid->auction = (int64_t)auction + 1000;
    bid->bidder = (int64_t)bidder + 1000;
    bid->price = (int64_t)llround(pow(10.0, 6.0 * draw_unit(row, 4)) * 100.0);
    uint64_t channel = draw(row, 5, 2) == 0 ? draw(row, 6, 4) : 4 + draw(row, 7, CHANNELS);
    if (channel < 4)
        snprintf(bid->channel, sizeof bid->channel, "%s", hot_names[channel]);
    else
        snprintf(bid->channel, sizeof bid->channel, "channel-%d", (int)(channel - 4));
    snprintf(bid->url, sizeof bid->url, "%s", urls[channel]);
    write_time(bid->time, (int64_t)(START_MS + row * 1000 / ROWS_A_SECOND));
    bid->extra_length = 54 + (int)draw(row, 8, 28);
    bid->extra = text + draw(row, 9, TEXT_BYTES - 100);
}

int main(int argc, char **argv) {
    if (argc < 3 || (strcmp(argv[1], "ndjson") != 0 && strcmp(argv[1], "csv") != 0)) {
        fprintf(stderr, "usage: bids ndjson|csv ROWS [SEED]\n");
        return 2;
    }
    int csv = strcmp(argv[1], "csv") == 0;
    uint64_t row_count = strtoull(argv[2], NULL, 10);
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    fill_text();
    fill_urls();
    if (csv)
        printf("auction,bidder,price,channel,url,dateTime,extra\n");
    for (uint64_t row = 0; row < row_count; row++) {
        struct bid bid;
        make(&bid, row);
        int odd = draw(row, 10, 1000) == 0;
        if (csv)
            printf("%" PRId64 ",%" PRId64 ",%" PRId64 ",%s,%s,%s,%s%.*s%s\n", bid.auction,
                   bid.bidder, bid.price, bid.channel, bid.url, bid.time,
                   odd ? "\"\xc3\xa9\"\"" : "", bid.extra_length, bid.extra, odd ? "\"" : "");
        else
            printf("{\"auction\":%" PRId64 ",\"bidder\":%" PRId64 ",\"price\":%" PRId64
                   ",\"channel\":\"%s\",\"url\":\"%s\",\"dateTime\":\"%s\",\"extra\":\"%s%.*s\"}\n",
                   bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.time,
                   odd ? "\xc3\xa9\\\"" : "", bid.extra_length, bid.extra);
    }
    return ferror(stdout) || fflush(stdout) != 0;
}
