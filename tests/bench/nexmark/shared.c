/* shared.c: what the queries written by hand share: the feed, the sink, the table; see bench.h.
 *
 *     nexmark QUERY EVENTS RATE [FILE]
 *
 * Prints how many rows left; with FILE writes them there as CSV, changes with + or - before. */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "data/batch.h"

#define SEED 1 /* weir.nexmark's own */
#define SLOTS_MIN 64

static struct wr_budget budget = WR_BUDGET_INIT("bench", UINT64_MAX);

void *room(size_t count, size_t size) {
    void *made = calloc(count, size);
    if (made == NULL) {
        fprintf(stderr, "nexmark: no memory\n");
        exit(1);
    }
    return made;
}

void *more_room(void *old, size_t bytes) {
    void *made = realloc(old, bytes);
    if (made == NULL) {
        fprintf(stderr, "nexmark: no memory\n");
        exit(1);
    }
    return made;
}

void table_init(struct table *table, int key_ints, size_t row_bytes) {
    *table = (struct table){
        .mask = SLOTS_MIN - 1, .row_bytes = row_bytes, .key_ints = key_ints, .row_max = SLOTS_MIN};
    table->slots = room(SLOTS_MIN, sizeof *table->slots);
    table->rows = room(SLOTS_MIN, row_bytes);
}

void table_release(struct table *table) {
    free(table->slots);
    free(table->rows);
}

void table_clear(struct table *table) {
    memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    table->row_count = 0;
}

void table_grow(struct table *table) {
    uint64_t slot_count = (table->mask + 1) * 2, mask = slot_count - 1;
    free(table->slots);
    table->slots = room(slot_count, sizeof *table->slots);
    table->mask = mask;
    for (uint32_t i = 0; i < table->row_count; i++) {
        const int64_t *row = (const int64_t *)(table->rows + i * table->row_bytes);
        uint64_t hash = hash_of(row[0], table->key_ints == 2 ? row[1] : 0), slot = hash & mask;
        while (table->slots[slot] != 0)
            slot = (slot + 1) & mask;
        table->slots[slot] = hash >> 32 << 32 | (i + 1);
    }
}

void feed_open(struct feed *feed, uint64_t events, uint64_t rate, unsigned columns) {
    memset(feed, 0, sizeof *feed);
    wr_nexmark_init(&feed->nexmark, rate, SEED, 1, 0);
    feed->end = events;
    feed->columns = columns;
    feed->rows.numbers = feed->rows.ids = room(BATCH_ROWS, sizeof *feed->rows.numbers);
    feed->rows.runs = room(BATCH_ROWS, sizeof *feed->rows.runs);
    int64_t **const numbers[] = {&feed->auction, &feed->bidder, &feed->price, &feed->time,
                                 &feed->behind};
    struct wr_str **const texts[] = {&feed->channel, &feed->url, &feed->extra};
    for (size_t i = 0; i < WR_COUNT(numbers); i++)
        *numbers[i] = room(BATCH_ROWS, sizeof **numbers[i]);
    for (size_t i = 0; i < WR_COUNT(texts); i++)
        *texts[i] = room(BATCH_ROWS, sizeof **texts[i]);
    int status = WR_OK;
    if (columns & EXTRA)
        status = wr_nexmark_texts_extra(&feed->texts, &feed->nexmark, &budget);
    if (status == WR_OK && (columns & (CHANNEL | URL)))
        status = wr_nexmark_texts_channels(&feed->texts, &feed->nexmark, &budget);
    if (status != WR_OK)
        exit(1);
}

bool feed_next(struct feed *feed) {
    const struct wr_nexmark *nexmark = &feed->nexmark;
    const struct wr_nexmark_rows *rows = &feed->rows;
    feed->next =
        wr_nexmark_find(nexmark, WR_NEXMARK_BID, feed->next, feed->end, BATCH_ROWS, &feed->rows);
    feed->count = rows->count;
    if (rows->count == 0)
        return false;
    wr_nexmark_times(nexmark, rows, 0, feed->time, feed->behind);
    if (feed->columns & AUCTION)
        wr_nexmark_bid_auction(nexmark, rows, feed->auction);
    if (feed->columns & BIDDER)
        wr_nexmark_bid_bidder(nexmark, rows, feed->bidder);
    if (feed->columns & PRICE)
        wr_nexmark_bid_price(nexmark, rows, feed->price);
    if (feed->columns & CHANNEL)
        wr_nexmark_channel.fill(nexmark, &feed->texts, rows, NULL, feed->channel);
    if (feed->columns & URL)
        wr_nexmark_url.fill(nexmark, &feed->texts, rows, NULL, feed->url);
    if (feed->columns & EXTRA)
        wr_nexmark_bid_extra.fill(nexmark, &feed->texts, rows, NULL, feed->extra);
    return true;
}

static void write_value(FILE *file, char kind, const void *column, uint32_t row) {
    if (kind == 's') {
        const struct wr_str *text = (const struct wr_str *)column + row;
        fprintf(file, "%.*s", (int)text->length, wr_str_bytes(text));
    } else if (kind == 'd') {
        int64_t value = (int64_t)((const __int128 *)column)[row];
        fprintf(file, "%" PRId64 ".%03d", value / 1000, (int)(value % 1000));
    } else {
        fprintf(file, "%" PRId64, ((const int64_t *)column)[row]);
    }
}

/* Not inlined: a query must have made the columns that it hands over. */
__attribute__((noinline)) void sink_take(struct sink *sink, const char *kinds,
                                         const void *const *columns, const int8_t *weights,
                                         uint32_t count) {
    sink->row_count += count;
    for (uint32_t row = 0; sink->file != NULL && row < count; row++) {
        if (weights != NULL)
            fputs(weights[row] > 0 ? "+," : "-,", sink->file);
        for (size_t c = 0; kinds[c] != 0; c++) {
            if (c > 0)
                fputc(',', sink->file);
            write_value(sink->file, kinds[c], columns[c], row);
        }
        fputc('\n', sink->file);
    }
}

static const struct query *find(const struct query *queries, const char *name) {
    while (queries->name != NULL && strcmp(queries->name, name) != 0)
        queries++;
    return queries->name == NULL ? NULL : queries;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: nexmark QUERY EVENTS RATE [FILE]\n");
        return 2;
    }
    const struct query *query = find(stateless_queries, argv[1]);
    if (query == NULL)
        query = find(window_queries, argv[1]);
    if (query == NULL)
        query = find(update_queries, argv[1]);
    struct sink sink = {0};
    if (argc > 4 && (sink.file = fopen(argv[4], "w")) == NULL)
        query = NULL;
    if (query == NULL) {
        fprintf(stderr, "nexmark: no such query or file\n");
        return 2;
    }
    struct feed feed;
    feed_open(&feed, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), query->columns);
    query->run(&feed, &sink);
    if (sink.file != NULL && fclose(sink.file) != 0)
        return 1;
    printf("%" PRIu64 "\n", sink.row_count);
    return 0;
}
