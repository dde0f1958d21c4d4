/* test_nexmark_source.c: the events of Nexmark: their shares and skew, that each can be made by
 * itself, their order, times and frontier, positions and options. */
#include "support_conn.h"

#include <string.h>

#include "base/assert.h"
#include "conn/nexmark.h"

#define MATRIX_ROWS 3000

static struct wr_value *spec(struct world *w, const char *stream, const char *options) {
    return value_of_json(w, "{'endpoint':{'kind':'nexmark','stream':'%s','options':{%s}}}", stream,
                         options);
}

static const char *const streams[] = {"bid", "auction", "person"};

/* ---- statistics ---- */

/* Events of one kind, with room for MATRIX_ROWS of them. */
struct sample {
    uint64_t numbers[MATRIX_ROWS], ids[MATRIX_ROWS];
    struct wr_nexmark_run runs[MATRIX_ROWS];
    int64_t out[MATRIX_ROWS];
    struct wr_str text[MATRIX_ROWS];
    struct wr_nexmark_rows rows;
};
static struct sample sample;

static uint64_t take(const struct wr_nexmark *nexmark, enum wr_nexmark_kind kind, uint64_t from,
                     uint32_t count_max) {
    sample.rows.numbers = sample.numbers;
    sample.rows.ids = nexmark->disorder == 1 ? sample.numbers : sample.ids;
    sample.rows.runs = sample.runs;
    return wr_nexmark_find(nexmark, kind, from, UINT64_MAX / 2, count_max, &sample.rows);
}

/* Shares in parts of 10,000 of `total`. */
static void check_share(uint64_t count, uint64_t total, int64_t wanted, int64_t tolerance) {
    int64_t share = (int64_t)(10000 * count / total);
    CHECK_INT(share, >=, wanted - tolerance);
    CHECK_INT(share, <=, wanted + tolerance);
}

TEST(nexmark_bids_have_the_prices_and_auctions_of_the_benchmark) {
    struct wr_nexmark nexmark;
    wr_nexmark_init(&nexmark, 10000, 1, 1, 0);
    uint64_t total = 0, low = 0, middle = 0, q14 = 0, q2 = 0, hot_auction = 0, hot_bidder = 0;
    for (uint64_t from = 1000000; total < 300000; total += sample.rows.count) {
        from = take(&nexmark, WR_NEXMARK_BID, from, MATRIX_ROWS);
        wr_nexmark_bid_price(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            int64_t price = sample.out[i];
            CHECK_INT(price, >=, 100);
            CHECK_INT(price, <=, 100000000);
            low += price < 10000;
            middle += price >= 10000 && price < 1000000;
            q14 += price * 908 > INT64_C(1000000000) && price * 908 < INT64_C(50000000000);
        }
        wr_nexmark_bid_auction(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            int64_t last = (int64_t)(sample.rows.ids[i] / 50 * 3 + 2),
                    auction = sample.out[i] - 1000;
            CHECK_INT(auction, >=, last - 102);
            CHECK_INT(auction, <=, last + 10);
            q2 += sample.out[i] % 123 == 0;
            hot_auction += auction == last / 100 * 100;
        }
        wr_nexmark_bid_bidder(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            int64_t last = (int64_t)(sample.rows.ids[i] / 50), bidder = sample.out[i] - 1000;
            CHECK_INT(bidder, >=, last - 1000);
            CHECK_INT(bidder, <=, last + 10);
            hot_bidder += bidder == last / 100 * 100 + 1;
        }
    }
    check_share(low, total, 3333, 60);
    check_share(middle, total, 3333, 60);
    check_share(q14, total, 2800, 60);
    check_share(q2, total, 81, 40); /* hot auctions make it uneven */
    check_share(hot_auction, total, 5050, 60);
    check_share(hot_bidder, total, 7500, 60);
}

TEST(nexmark_auctions_and_persons_have_the_shares_of_the_benchmark) {
    struct wr_nexmark nexmark;
    struct world w;
    world_begin(&w);
    wr_nexmark_init(&nexmark, 10000, 1, 1, 0);
    uint64_t total = 0, category_10 = 0, states = 0, hot_seller = 0;
    for (uint64_t from = 1000000; total < 90000; total += sample.rows.count) {
        from = take(&nexmark, WR_NEXMARK_AUCTION, from, MATRIX_ROWS);
        wr_nexmark_auction_category(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            CHECK(sample.out[i] >= 10 && sample.out[i] < 15);
            category_10 += sample.out[i] == 10;
        }
        wr_nexmark_auction_seller(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++)
            hot_seller += sample.out[i] - 1000 == (int64_t)(sample.rows.ids[i] / 5000 * 100);
        wr_nexmark_auction_expires(&nexmark, &sample.rows, sample.out);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            int64_t open_us = sample.out[i] - wr_nexmark_time(&nexmark, sample.rows.ids[i]);
            CHECK(open_us >= 1000 && open_us <= 334000 && open_us % 1000 == 0);
        }
    }
    check_share(category_10, total, 2000, 80);
    check_share(hot_seller, total, 7500, 80);
    total = 0;
    static char room[MATRIX_ROWS * WR_NEXMARK_ROOM_BYTES];
    for (uint64_t from = 0; total < 30000; total += sample.rows.count) {
        from = take(&nexmark, WR_NEXMARK_PERSON, from, MATRIX_ROWS);
        wr_nexmark_state.fill(&nexmark, NULL, &sample.rows, room, sample.text);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            const char *state = sample.text[i].inlined;
            states += memcmp(state, "OR", 3) == 0 || memcmp(state, "ID", 3) == 0 ||
                      memcmp(state, "CA", 3) == 0;
        }
    }
    check_share(states, total, 5000, 120);
    world_end(&w);
}

TEST(nexmark_bids_have_channels_urls_and_padding) {
    struct wr_nexmark nexmark;
    struct wr_nexmark_texts texts = {0};
    struct world w;
    world_begin(&w);
    wr_nexmark_init(&nexmark, 10000, 1, 1, 0);
    CHECK_INT(wr_nexmark_texts_channels(&texts, &nexmark, &w.budget), ==, WR_OK);
    CHECK_INT(wr_nexmark_texts_extra(&texts, &nexmark, &w.budget), ==, WR_OK);
    uint64_t total = 0, hot = 0, with_id = 0, extra_bytes = 0;
    for (uint64_t from = 0; total < 100000; total += sample.rows.count) {
        from = take(&nexmark, WR_NEXMARK_BID, from, MATRIX_ROWS);
        wr_nexmark_channel.fill(&nexmark, &texts, &sample.rows, NULL, sample.text);
        for (uint32_t i = 0; i < sample.rows.count; i++)
            hot += memcmp(wr_str_bytes(&sample.text[i]), "channel-", 8) != 0;
        wr_nexmark_url.fill(&nexmark, &texts, &sample.rows, NULL, sample.text);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            const char *url = wr_str_bytes(&sample.text[i]);
            CHECK_INT(memcmp(url, "https://www.nexmark.com/", 24), ==, 0);
            with_id += memmem(url, sample.text[i].length, "&channel_id=", 12) != NULL;
        }
        wr_nexmark_bid_extra.fill(&nexmark, &texts, &sample.rows, NULL, sample.text);
        for (uint32_t i = 0; i < sample.rows.count; i++) {
            CHECK(sample.text[i].length >= 54 && sample.text[i].length <= 81);
            extra_bytes += sample.text[i].length;
        }
    }
    check_share(hot, total, 5000, 80);
    check_share(hot + with_id, total, 9500, 80);
    CHECK_INT(extra_bytes / total, ==, 67);
    wr_nexmark_texts_release(&texts, &w.budget);
    world_end(&w);
}

/* ---- order and time ---- */

TEST(nexmark_events_in_disorder_are_the_same_events) {
    static uint8_t seen[22400];
    const uint64_t disorders[] = {1, 2, 7, 50, 64, 700};
    for (size_t d = 0; d < WR_COUNT(disorders); d++) {
        struct wr_nexmark nexmark;
        wr_nexmark_init(&nexmark, 777, 1, disorders[d], 0);
        memset(seen, 0, sizeof seen);
        int64_t earliest = INT64_MAX;
        for (uint64_t number = sizeof seen; number-- > 0;) {
            uint64_t id = wr_nexmark_adjusted(&nexmark, number);
            CHECK(id < sizeof seen && !seen[id]);
            seen[id] = 1;
            int64_t time = wr_nexmark_time(&nexmark, id);
            earliest = time < earliest ? time : earliest;
            CHECK_INT(wr_nexmark_frontier(&nexmark, number), <=, earliest);
        }
        for (uint64_t number = 0; number < 3000; number += 13) {
            uint64_t count[3] = {0};
            for (uint64_t n = 0; n < number; n++)
                count[wr_nexmark_kind_of(wr_nexmark_adjusted(&nexmark, n))]++;
            for (int kind = WR_NEXMARK_BID; kind <= WR_NEXMARK_PERSON; kind++)
                CHECK_INT(wr_nexmark_count(&nexmark, (enum wr_nexmark_kind)kind, number), ==,
                          count[kind]);
        }
    }
}

TEST(nexmark_times_of_rows_are_those_of_their_events) {
    static int64_t times[MATRIX_ROWS], behind[MATRIX_ROWS];
    const uint64_t rates[] = {1, 3, 777, 1000, 10000, 12345, 10000000, WR_NEXMARK_RATE_MAX};
    for (size_t r = 0; r < WR_COUNT(rates); r++)
        for (int kind = WR_NEXMARK_BID; kind <= WR_NEXMARK_PERSON; kind++)
            for (uint64_t disorder = 1; disorder < 30; disorder += 28)
                for (uint64_t from = 0; from < UINT64_C(9000000000); from += 4444444444) {
                    struct wr_nexmark nexmark;
                    wr_nexmark_init(&nexmark, rates[r], 1, disorder, 0);
                    take(&nexmark, (enum wr_nexmark_kind)kind, from, 200);
                    wr_nexmark_times(&nexmark, &sample.rows, 5, times, behind);
                    for (uint32_t i = 0; i < sample.rows.count; i++) {
                        uint64_t number = sample.rows.numbers[i];
                        int64_t frontier = wr_nexmark_frontier(&nexmark, number);
                        CHECK_INT(times[i], ==, wr_nexmark_time(&nexmark, sample.rows.ids[i]));
                        CHECK_INT(behind[i], ==, number == 0 ? frontier : frontier - 5);
                    }
                }
}

/* ---- the source ---- */

/* One row by itself, from its number. */
static void one_row(struct world *w, struct wr_source *source, struct wr_buf *out,
                    uint64_t number) {
    struct wr_buf position;
    wr_buf_init(&position, &w->budget, 0);
    wr_buf_add_varint(&position, 1);
    wr_buf_add_varint(&position, number);
    wr_buf_add_varint(&position, 0);
    struct wr_reader from = {.bytes = position.bytes, .length = position.length};
    source->type->close(source);
    CHECK_INT(source->type->open(source, &from, &w->err), ==, WR_OK);
    CHECK_INT(read_source(w, source, 1, out), ==, WR_OK);
    wr_buf_release(&position);
}

TEST(nexmark_source_makes_any_row_again_by_itself) {
    for (size_t s = 0; s < WR_COUNT(streams); s++) {
        struct world w;
        world_begin(&w);
        struct wr_endpoint_bind bind;
        struct wr_buf whole, single;
        wr_buf_init(&whole, &w.budget, 0);
        wr_buf_init(&single, &w.budget, 0);
        CHECK_INT(bind_source(&w, &wr_source_nexmark, spec(&w, streams[s], "'events':9000"), &bind),
                  ==, WR_OK);
        struct wr_source *source = open_source(&w, &wr_source_nexmark, &bind, 100, NULL);
        CHECK_INT(read_source(&w, source, 0, &whole), ==, WR_EEND);
        close_source(source);
        source = open_source(&w, &wr_source_nexmark, &bind, 1, NULL);
        const char *line = whole.bytes;
        for (uint64_t number = 0; number < 1500; number++) {
            if ((size_t)wr_nexmark_kind_of(number) != s)
                continue;
            wr_buf_clear(&single);
            one_row(&w, source, &single, number);
            CHECK_INT(strncmp(line, single.bytes, single.length), ==, 0);
            line += single.length;
        }
        close_source(source);
        wr_buf_release(&whole);
        wr_buf_release(&single);
        world_end(&w);
    }
}

TEST(nexmark_source_gives_the_same_rows_in_batches_of_any_size) {
    const char *const options[] = {"'events':3000", "'events':3000,'disorder':64,'rate':777"};
    for (size_t s = 0; s < WR_COUNT(streams) * WR_COUNT(options); s++) {
        struct world w;
        world_begin(&w);
        const char *stream = streams[s / 2], *more = options[s % 2];
        const char *whole = all_rows(&w, &wr_source_nexmark, spec(&w, stream, more), 4096);
        for (uint32_t batch_rows = 1; batch_rows < 100; batch_rows += 3)
            CHECK_STR(all_rows(&w, &wr_source_nexmark, spec(&w, stream, more), batch_rows), whole);
        world_end(&w);
    }
}

TEST(nexmark_source_reads_only_the_columns_that_are_needed) {
    struct world w;
    world_begin(&w);
    struct wr_endpoint_bind bind;
    struct wr_batch *batch = NULL;
    const uint64_t needed[1] = {1 << 2};
    CHECK_INT(bind_source(&w, &wr_source_nexmark, spec(&w, "bid", ""), &bind), ==, WR_OK);
    CHECK_INT(bind.bounded, ==, 0);
    CHECK_INT(bind.has_time, ==, 1);
    CHECK_STR(bind.schema->fields[bind.time_column].name, "dateTime");
    struct wr_source *source = open_source(&w, &wr_source_nexmark, &bind, 10, NULL);
    source->needed = needed;
    CHECK_INT(source->type->poll(source, &batch, &w.err), ==, WR_OK);
    CHECK_PTR(batch->columns[0].data, ==, NULL);
    CHECK_PTR(batch->columns[2].data, !=, NULL);
    CHECK_INT(batch->origin.first_record, ==, 4);
    CHECK_INT(batch->event_time[9], ==, INT64_C(1600000000001000));
    CHECK_INT(source->watermark, ==, INT64_C(1600000000001000));
    wr_batch_unref(batch);
    close_source(source);
    world_end(&w);
}

TEST(nexmark_source_for_flink_numbers_bidders_higher) {
    struct world w;
    world_begin(&w);
    const char *ours = all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'events':5"), 9);
    const char *flink =
        all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'events':5,'compat':'flink'"), 9);
    const char *bidder = strchr(ours, ',') + 1, *higher = strchr(flink, ',') + 1;
    CHECK_INT(bidder[0], ==, '1');
    CHECK_INT(higher[0], ==, '2');
    CHECK_STR(bidder + 1, higher + 1);
    world_end(&w);
}

TEST(nexmark_source_tells_wrong_options_at_the_call) {
    struct world w;
    world_begin(&w);
    CHECK_CONTAINS(all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'rate':0"), 1),
                   "W203 option `rate` must be a whole number of at least 1");
    CHECK_CONTAINS(all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'rate':1000000001"), 1),
                   "W203 option `rate` must be at most 1000000000, got 1000000001");
    CHECK_CONTAINS(
        all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'rate':1,'events':100000000001"), 1),
        "W203 option `events` must be at most 100000000000");
    CHECK_CONTAINS(all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'disorder':1906"), 1),
                   "W203 option `disorder` must not be a multiple of 953");
    CHECK_CONTAINS(all_rows(&w, &wr_source_nexmark, spec(&w, "bid", "'evnets':3"), 1),
                   "W202 unknown option `evnets` of `nexmark` | did you mean `events`?");
    world_end(&w);
}
