/* nexmark_source.c: one kind of events of the Nexmark benchmark as a stream: bids, auctions or
 * persons. The three sources of one `weir.nexmark` make the same events, each those of its kind, so
 * that a script that reads bids alone makes nothing else; their rows are numbered by the events,
 * which is their order. Event time is set here, since the generator knows what is still to come.
 * Position: the number of the next event. */
#include "conn/connectors.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/made_pieces.h"
#include "conn/nexmark.h"

#include "base/banned.h"

#define POSITION_VERSION 1
#define COLUMNS_MAX 10

/* A column: a number, or a text; the event's time where neither is set. */
struct column {
    const char *name;
    enum wr_type_kind type;
    wr_nexmark_int_fn number;
    const struct wr_nexmark_text_column *text;
};

static const struct kind {
    const char *name;
    struct column columns[COLUMNS_MAX + 1];
} kinds[] = {
    [WR_NEXMARK_BID] = {"bid",
                        {{"auction", WR_INT64, wr_nexmark_bid_auction, NULL},
                         {"bidder", WR_INT64, wr_nexmark_bid_bidder, NULL},
                         {"price", WR_INT64, wr_nexmark_bid_price, NULL},
                         {"channel", WR_STRING, NULL, &wr_nexmark_channel},
                         {"url", WR_STRING, NULL, &wr_nexmark_url},
                         {"dateTime", WR_TIMESTAMP, NULL, NULL},
                         {"extra", WR_STRING, NULL, &wr_nexmark_bid_extra}}},
    [WR_NEXMARK_AUCTION] = {"auction",
                            {{"id", WR_INT64, wr_nexmark_auction_id, NULL},
                             {"itemName", WR_STRING, NULL, &wr_nexmark_item_name},
                             {"description", WR_STRING, NULL, &wr_nexmark_description},
                             {"initialBid", WR_INT64, wr_nexmark_auction_bid, NULL},
                             {"reserve", WR_INT64, wr_nexmark_auction_reserve, NULL},
                             {"dateTime", WR_TIMESTAMP, NULL, NULL},
                             {"expires", WR_TIMESTAMP, wr_nexmark_auction_expires, NULL},
                             {"seller", WR_INT64, wr_nexmark_auction_seller, NULL},
                             {"category", WR_INT64, wr_nexmark_auction_category, NULL},
                             {"extra", WR_STRING, NULL, &wr_nexmark_auction_extra}}},
    [WR_NEXMARK_PERSON] = {"person",
                           {{"id", WR_INT64, wr_nexmark_person_id, NULL},
                            {"name", WR_STRING, NULL, &wr_nexmark_person_name},
                            {"emailAddress", WR_STRING, NULL, &wr_nexmark_email},
                            {"creditCard", WR_STRING, NULL, &wr_nexmark_credit_card},
                            {"city", WR_STRING, NULL, &wr_nexmark_city},
                            {"state", WR_STRING, NULL, &wr_nexmark_state},
                            {"dateTime", WR_TIMESTAMP, NULL, NULL},
                            {"extra", WR_STRING, NULL, &wr_nexmark_person_extra}}},
};

struct config {
    struct wr_nexmark nexmark;
    enum wr_nexmark_kind kind;
    uint64_t event_count; /* events of all kinds; an endless one stops where time is used up */
    int64_t max_delay_us;
};

struct nexmark_source {
    struct wr_source base;
    const struct config *config;
    uint64_t next;      /* the number of the next event */
    uint64_t row_count; /* given */
    uint32_t rows_max;  /* of a batch */
    struct wr_nexmark_rows rows;
    struct wr_nexmark_texts texts;
    struct made_pieces *pieces; /* several threads make the rows; NULL: polls do */
};

/* ---- plan time ---- */

static const char *const own_options[] = {"events", "rate",      "seed", "disorder",
                                          "compat", "max_delay", NULL};

static int at_most(const char *option, uint64_t value, uint64_t max, struct wr_error *err) {
    if (value <= max)
        return WR_OK;
    wr_error_script(err, "W203", "option `%s` must be at most %llu, got %llu", option,
                    (unsigned long long)max, (unsigned long long)value);
    wr_error_at(err, option, 0, 0);
    return WR_ESCRIPT;
}

/* A group of a multiple of the stride would give one event again and again. */
static int check_disorder(uint64_t disorder, struct wr_error *err) {
    if (disorder % WR_NEXMARK_STRIDE != 0)
        return at_most("disorder", disorder, WR_NEXMARK_DISORDER_MAX, err);
    wr_error_script(err, "W203", "option `disorder` must not be a multiple of %d",
                    WR_NEXMARK_STRIDE);
    wr_error_at(err, "disorder", 0, 0);
    return WR_ESCRIPT;
}

static int read_config(struct config *config, const struct wr_options *options, int *endless,
                       struct wr_error *err) {
    static const char *const compat_words[] = {"weir", "flink", NULL};
    uint64_t rate = 10000, seed = 1, disorder = 1, delay_us = 0;
    int compat = 0;
    *endless = wr_option(options, "events") == NULL;
    int status = wr_options_check(options, "nexmark", own_options, wr_options_of_read, err);
    if (status == WR_OK)
        status = wr_option_count(options, "events", 0, &config->event_count, err);
    if (status == WR_OK)
        status = wr_option_count(options, "rate", 1, &rate, err);
    if (status == WR_OK)
        status = at_most("rate", rate, WR_NEXMARK_RATE_MAX, err);
    if (status == WR_OK)
        status = wr_option_count(options, "seed", 0, &seed, err);
    if (status == WR_OK)
        status = wr_option_count(options, "disorder", 1, &disorder, err);
    if (status == WR_OK)
        status = check_disorder(disorder, err);
    if (status == WR_OK)
        status = wr_option_word(options, "compat", compat_words, &compat, err);
    if (status == WR_OK)
        status = wr_option_duration(options, "max_delay", &delay_us, err);
    uint64_t event_count_max = WR_MIN(rate, UINT64_C(10000000)) * WR_NEXMARK_SECONDS_MAX;
    if (status == WR_OK && !*endless)
        status = at_most("events", config->event_count, event_count_max, err);
    if (status != WR_OK)
        return status;
    if (*endless)
        config->event_count = event_count_max;
    config->max_delay_us = (int64_t)WR_MIN(delay_us, (uint64_t)INT64_MAX / 4);
    wr_nexmark_init(&config->nexmark, rate, seed, disorder, compat);
    return WR_OK;
}

static int make_schema(struct wr_endpoint_bind *bind, const struct column *columns,
                       struct wr_error *err) {
    uint32_t count = 0;
    while (columns[count].name != NULL)
        count++;
    struct wr_schema *schema = wr_schema_new(bind->arena, count);
    if (schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "nexmark: out of memory");
    for (uint32_t c = 0; c < count; c++) {
        schema->fields[c].name = columns[c].name;
        schema->fields[c].name_length = (uint32_t)strlen(columns[c].name);
        schema->fields[c].type = WR_TYPE(columns[c].type);
        schema->fields[c].required = 1;
        if (columns[c].number == NULL && columns[c].text == NULL)
            bind->time_column = c;
    }
    bind->schema = schema;
    return WR_OK;
}

static int source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err), endless = 0;
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "nexmark: out of memory");
    if (status == WR_OK)
        status = read_config(config, &options, &endless, err);
    if (status != WR_OK)
        return status;
    const struct wr_value *endpoint = wr_value_get(bind->spec, "endpoint");
    const char *stream = wr_value_string(endpoint, "stream", "");
    while (config->kind < WR_NEXMARK_PERSON && strcmp(kinds[config->kind].name, stream) != 0)
        config->kind++;
    const struct wr_nexmark *nexmark = &config->nexmark;
    bind->partition_count = 1;
    bind->bounded = !endless;
    bind->config = config;
    bind->name = kinds[config->kind].name;
    bind->has_time = 1;
    bind->family = (uint32_t)wr_value_int(endpoint, "family", 0);
    /* The events of a group have times of at most so much before that of any of them. */
    uint64_t spread_ms = nexmark->disorder == 1 ? 0 : nexmark->disorder * 1000 / nexmark->rate + 1;
    bind->max_delay_us = config->max_delay_us + (int64_t)spread_ms * 1000;
    return make_schema(bind, kinds[config->kind].columns, err);
}

/* ---- run time ---- */

static int is_needed(const struct wr_source *source, uint32_t column) {
    return source->needed == NULL || wr_bit_get(source->needed, column);
}

/* The texts that columns which somebody reads are cut from. */
static int make_texts(struct nexmark_source *self) {
    const struct column *columns = kinds[self->config->kind].columns;
    struct wr_budget *budget = self->base.pool->budget;
    int status = WR_OK;
    for (uint32_t c = 0; columns[c].name != NULL && status == WR_OK; c++) {
        if (columns[c].text == NULL || !is_needed(&self->base, c))
            continue;
        if (columns[c].text->is_extra)
            status = wr_nexmark_texts_extra(&self->texts, &self->config->nexmark, budget);
        else if (columns[c].text->is_channel && self->texts.urls == NULL)
            status = wr_nexmark_texts_channels(&self->texts, &self->config->nexmark, budget);
    }
    return status;
}

static int rows_init(const struct wr_source *source, void *made) {
    struct wr_nexmark_rows *rows = made;
    const struct config *config = source->config;
    struct wr_budget *budget = source->pool->budget;
    uint32_t count = ((const struct nexmark_source *)source)->rows_max;
    int in_order = config->nexmark.disorder == 1;
    rows->numbers = wr_alloc(budget, count * sizeof *rows->numbers);
    rows->ids = in_order ? rows->numbers : wr_alloc(budget, count * sizeof *rows->ids);
    rows->runs = wr_alloc(budget, count * sizeof *rows->runs);
    return rows->numbers == NULL || rows->ids == NULL || rows->runs == NULL ? WR_ENOMEM : WR_OK;
}

static void rows_release(const struct wr_source *source, void *made) {
    struct wr_nexmark_rows *rows = made;
    struct wr_budget *budget = source->pool->budget;
    if (rows->ids != rows->numbers)
        wr_free(budget, rows->ids);
    wr_free(budget, rows->numbers);
    wr_free(budget, rows->runs);
}

static void source_close(struct wr_source *source) {
    struct nexmark_source *self = (struct nexmark_source *)source;
    made_pieces_free(self->pieces);
    wr_nexmark_texts_release(&self->texts, source->pool->budget);
    rows_release(source, &self->rows);
}

/* What the events before number `next` prove of those behind them. */
static int64_t frontier_at(const struct config *config, uint64_t next) {
    int64_t frontier = wr_nexmark_frontier(&config->nexmark, next);
    return frontier == WR_TIME_MIN ? frontier : frontier - config->max_delay_us;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct nexmark_source *self = (struct nexmark_source *)source;
    self->config = source->config;
    self->rows_max = source->batch_rows;
    if (from != NULL) {
        uint64_t version = wr_reader_varint(from);
        self->next = wr_reader_varint(from);
        self->row_count = wr_reader_varint(from);
        if (from->failed || version != POSITION_VERSION)
            return wr_error_set(err, WR_ECORRUPT, "nexmark: the stored position is damaged");
    }
    source->watermark = frontier_at(self->config, self->next);
    if (rows_init(source, &self->rows) == WR_OK && make_texts(self) == WR_OK)
        return WR_OK;
    source_close(source);
    return wr_error_set(err, WR_ENOMEM, "nexmark: memory budget `%s` is used up",
                        source->pool->budget->name);
}

static int fill_column(const struct nexmark_source *self, const struct wr_nexmark_rows *rows,
                       struct wr_batch *batch, uint32_t c) {
    const struct column *column = &kinds[self->config->kind].columns[c];
    const struct wr_nexmark *nexmark = &self->config->nexmark;
    uint32_t count = rows->count;
    if (column->number == NULL && column->text == NULL) {
        batch->columns[c].data = (void *)(uintptr_t)batch->event_time;
        return WR_OK;
    }
    void *data = wr_batch_column(batch, c, count);
    char *room = NULL;
    if (column->text != NULL && column->text->makes_text)
        room = WR_ARENA_ARRAY(&batch->arena, char, (size_t)count *WR_NEXMARK_ROOM_BYTES);
    if (data == NULL || (column->text != NULL && column->text->makes_text && room == NULL))
        return WR_ENOMEM;
    if (column->number != NULL)
        column->number(nexmark, rows, data);
    else
        column->text->fill(nexmark, &self->texts, rows, room, data);
    return WR_OK;
}

/* Event times, the frontier before each row, and the number of each. */
static int fill_times(const struct nexmark_source *self, const struct wr_nexmark_rows *rows,
                      struct wr_batch *batch) {
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, rows->count);
    int64_t *behind = WR_ARENA_ARRAY(&batch->arena, int64_t, rows->count);
    uint32_t *record = WR_ARENA_ARRAY(&batch->arena, uint32_t, rows->count);
    if (times == NULL || behind == NULL || record == NULL)
        return WR_ENOMEM;
    wr_nexmark_times(&self->config->nexmark, rows, self->config->max_delay_us, times, behind);
    for (uint32_t i = 0; i < rows->count; i++)
        record[i] = (uint32_t)(rows->numbers[i] - rows->numbers[0]);
    batch->event_time = times;
    batch->behind = behind;
    batch->origin.first_record = rows->numbers[0];
    batch->origin.record = record;
    batch->origin.is_event = 1;
    return WR_OK;
}

static int fill(const struct nexmark_source *self, const struct wr_nexmark_rows *rows,
                struct wr_batch *batch) {
    int status = fill_times(self, rows, batch);
    for (uint32_t c = 0; c < batch->schema->field_count && status == WR_OK; c++)
        if (is_needed(&self->base, c))
            status = fill_column(self, rows, batch, c);
    if (status != WR_OK)
        return status;
    if (self->texts.extra != NULL)
        wr_batch_hold_buffer(batch, self->texts.extra);
    if (self->texts.urls != NULL)
        wr_batch_hold_buffer(batch, self->texts.urls);
    batch->row_count = batch->sel_count = rows->count;
    batch->source = self->base.source;
    batch->partition = self->base.partition;
    batch->origin.source = self->base.name;
    return WR_OK;
}

/* As made_type says; the rows are found in `hand`. */
static int make_batch(const struct wr_source *source, void *hand,
                      const struct made_numbers *numbers, struct wr_batch **batch, uint64_t *next,
                      struct wr_held_rejects *rejects, struct wr_error *err) {
    (void)rejects;
    const struct nexmark_source *self = (const struct nexmark_source *)source;
    const struct config *config = self->config;
    struct wr_nexmark_rows *rows = hand;
    *batch = NULL;
    *next = wr_nexmark_find(&config->nexmark, config->kind, numbers->from, numbers->end,
                            numbers->batch_rows, rows);
    if (rows->count == 0)
        return WR_OK;
    struct wr_batch *made = wr_batch_new(source->pool, source->schema);
    if (made == NULL || fill(self, rows, made) != WR_OK) {
        wr_batch_unref(made);
        return wr_error_set(err, WR_ENOMEM, "nexmark: memory budget `%s` is used up",
                            source->pool->budget->name);
    }
    *batch = made;
    return WR_OK;
}

static int make_here(struct nexmark_source *self, struct wr_batch **batch, uint64_t *next,
                     struct wr_error *err) {
    const struct wr_source *source = &self->base;
    struct made_numbers numbers = {
        .from = self->next, .end = self->config->event_count, .batch_rows = source->batch_rows};
    if (source->record_limit > 0)
        numbers.batch_rows =
            (uint32_t)WR_MIN((uint64_t)numbers.batch_rows, source->record_limit - self->row_count);
    if (numbers.batch_rows == 0)
        return WR_EEND;
    int status = make_batch(source, &self->rows, &numbers, batch, next, NULL, err);
    return status == WR_OK && *batch == NULL ? WR_EEND : status;
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct nexmark_source *self = (struct nexmark_source *)source;
    uint64_t next;
    *batch = NULL;
    int status = self->pieces != NULL ? made_pieces_poll(self->pieces, batch, &next, err)
                                      : make_here(self, batch, &next, err);
    if (status != WR_OK)
        return status;
    const struct wr_origin *origin = &(*batch)->origin;
    uint64_t last = wr_origin_record(origin, (*batch)->row_count - 1);
    self->next = next;
    self->row_count += (*batch)->row_count;
    source->watermark = frontier_at(self->config, last + 1);
    return WR_OK;
}

/* About so many numbers have one event of a kind. */
static const uint32_t numbers_of_a_row[] = {
    [WR_NEXMARK_BID] = 1,
    [WR_NEXMARK_AUCTION] = WR_NEXMARK_EPOCH / 3,
    [WR_NEXMARK_PERSON] = WR_NEXMARK_EPOCH,
};

static int source_use_workers(struct wr_source *source, struct wr_workers *workers) {
    static const struct made_type type = {.hand_bytes = sizeof(struct wr_nexmark_rows),
                                          .hand_init = rows_init,
                                          .hand_release = rows_release,
                                          .make = make_batch};
    struct nexmark_source *self = (struct nexmark_source *)source;
    const struct config *config = self->config;
    if (source->record_limit > 0)
        return WR_EREFUSED;
    return made_pieces_new(&self->pieces, &type, source, workers, self->next, config->event_count,
                           numbers_of_a_row[config->kind]);
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    const struct nexmark_source *self = (const struct nexmark_source *)source;
    wr_buf_add_varint(out, POSITION_VERSION);
    wr_buf_add_varint(out, self->next);
    return wr_buf_add_varint(out, self->row_count);
}

static uint64_t source_rows_before(const struct wr_source *source, uint64_t record) {
    const struct config *config = source->config;
    return wr_nexmark_count(&config->nexmark, config->kind, record);
}

const struct wr_source_type wr_source_nexmark = {
    .name = "nexmark",
    .size_bytes = sizeof(struct nexmark_source),
    .reads_ahead = 1,
    .use_workers = source_use_workers,
    .bind = source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .rows_before = source_rows_before,
    .close = source_close,
};
