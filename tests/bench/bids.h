/* bids.h: Nexmark-like bids as text, the same for a seed, and the time that a program has used. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t bids_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t x = *state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Letters; returns behind them. */
static inline char *bids_letters(char *at, uint64_t *state, int count) {
    for (int i = 0; i < count; i++)
        *at++ = (char)('a' + bids_random(state) % 26);
    return at;
}

/* One bid: 7 fields, about 240 bytes as NDJSON, 175 as CSV. */
static inline size_t bids_row(char *at, uint64_t *state, uint64_t number, int csv) {
    static const char *const channels[] = {"Google", "Facebook", "Baidu", "Apple"};
    uint64_t auction = 1000 + bids_random(state) % 20000, bidder = 1000 + bids_random(state) % 5000;
    uint64_t price = 100 + bids_random(state) % (bids_random(state) % 3 == 0 ? 100000000u : 10000u);
    uint64_t ms = 1600000000000u + number / 10;
    char channel[32], url[128], extra[128], when[40];
    if (bids_random(state) % 2 == 0)
        snprintf(channel, sizeof channel, "%s", channels[bids_random(state) % 4]);
    else
        snprintf(channel, sizeof channel, "channel-%u", (unsigned)(bids_random(state) % 10000));
    char *end = bids_letters(url + snprintf(url, sizeof url, "https://www.nexmark.com/"), state, 5);
    *end++ = '/';
    end = bids_letters(end, state, 5);
    snprintf(end, 64, "/item.htm?query=1&channel_id=%u",
             (unsigned)(bids_random(state) % 100000000));
    *bids_letters(extra, state, 40 + (int)(bids_random(state) % 28)) = 0;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    const char *format =
        csv ? "%llu,%llu,%llu,%s,%s,%s.%03uZ,%s\n"
            : "{\"auction\":%llu,\"bidder\":%llu,\"price\":%llu,\"channel\":\"%s\",\"url\":\"%s\","
              "\"dateTime\":\"%s.%03uZ\",\"extra\":\"%s\"}\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return (size_t)snprintf(at, 600, format, (unsigned long long)auction,
                            (unsigned long long)bidder, (unsigned long long)price, channel, url,
                            when, (unsigned)(ms % 1000), extra);
#pragma GCC diagnostic pop
}

struct bids {
    char *text; /* 64 readable bytes stand behind */
    size_t length;
    uint64_t rows;
};

static inline struct bids bids_make(uint64_t rows, int csv) {
    struct bids bids = {.text = aligned_alloc(64, (rows * 320 + 1024) / 64 * 64), .rows = rows};
    uint64_t state = 1;
    if (csv)
        bids.length =
            (size_t)snprintf(bids.text, 200, "auction,bidder,price,channel,url,dateTime,extra\n");
    for (uint64_t i = 0; i < rows; i++)
        bids.length += bids_row(bids.text + bids.length, &state, i, csv);
    return bids;
}

/* Seconds of processor time. */
static inline double bids_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
