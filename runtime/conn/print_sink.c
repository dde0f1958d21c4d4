/* print_sink.c: rows shown on the program's standard output: the stage `print`, and
 * `weir.stdout()`. Without a format, a bounded stream on a terminal is a table, which shows so many
 * rows and says so ("40 of 5,000 rows"); anything else is NDJSON. */
#include "conn/connectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "data/codec.h"

#include "base/banned.h"

#define FLUSH_BYTES (64u << 10)

struct config {
    const struct wr_encoder_type *format; /* NULL: a table or NDJSON, seen at open */
    const struct wr_value *options;
    uint64_t rows; /* 0: not said */
    int bounded;
};

#define TABLE_OPTIONS_MAX 8

struct print_sink {
    struct wr_sink base;
    const struct config *config;
    struct wr_encoder *encoder;
    struct wr_buf text;
    uint64_t rows_max; /* 0: all */
    uint64_t rows_shown;
    int no_more;    /* nobody reads the output */
    uint64_t begun; /* the head of the text (a CSV header) is shown */
    uint64_t ended; /* its end is, the `]` of JSON */
    /* A table counts and cuts by itself; its options are those of the script, `rows` and the width
     * of the terminal. */
    struct wr_value table_options, items[TABLE_OPTIONS_MAX];
    const char *names[TABLE_OPTIONS_MAX];
};

static const char *const own_options[] = {"rows", NULL};

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "print: out of memory");
    if (status != WR_OK)
        return status;
    const char *format = NULL;
    config->bounded = bind->bounded_input;
    if (wr_option(&options, "rows") != NULL)
        status = wr_option_count(&options, "rows", 1, &config->rows, err);
    if (status == WR_OK)
        status = wr_options_rest(&options, bind->arena, own_options, wr_options_of_write,
                                 &config->options, err);
    if (status == WR_OK)
        status = wr_format_choose(bind, "", "", &format, err);
    if (status == WR_OK && format[0] != 0) {
        status = wr_encoder_choose(format, &config->format, err);
        if (status == WR_OK)
            status = wr_encoder_check(bind, config->format, config->options, err);
    } else if (status == WR_OK && wr_value_count(config->options) > 0) {
        wr_error_script(err, "W202", "unknown option `%s` of `print`", config->options->names[0]);
        wr_error_at(err, config->options->names[0], 0, 0);
        status = WR_ESCRIPT;
    }
    bind->config = config;
    bind->name = "stdout";
    return status;
}

static void sink_close(struct wr_sink *sink) {
    struct print_sink *self = (struct print_sink *)sink;
    if (self->encoder != NULL) {
        if (self->encoder->type->close != NULL)
            self->encoder->type->close(self->encoder);
        wr_free(&wr_budget_control, self->encoder);
        self->encoder = NULL;
    }
    wr_buf_release(&self->text);
}

static void table_option(struct print_sink *self, const char *name, uint64_t value) {
    struct wr_value *map = &self->table_options;
    if (value == 0 || map->count == TABLE_OPTIONS_MAX || wr_value_get(map, name) != NULL)
        return;
    self->names[map->count] = name;
    self->items[map->count++] = (struct wr_value){.kind = WR_VALUE_INT, .integer = (int64_t)value};
    wr_value_sort(map);
}

static const struct wr_value *table_options(struct print_sink *self) {
    const struct wr_value *given = self->config->options;
    struct wr_value *map = &self->table_options;
    *map = (struct wr_value){.kind = WR_VALUE_MAP, .items = self->items, .names = self->names};
    for (uint32_t i = 0; i < given->count && i < TABLE_OPTIONS_MAX - 2; i++) {
        self->names[i] = given->names[i];
        self->items[i] = given->items[i];
        map->count = i + 1;
    }
    table_option(self, "rows", self->config->rows);
    if (self->base.terminal && self->base.terminal_columns > 0)
        table_option(self, "width", (uint64_t)self->base.terminal_columns);
    return map;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct print_sink *self = (struct print_sink *)sink;
    const struct config *config = sink->config;
    self->config = config;
    sink->shown = WR_SHOWN_AT_ONCE;
    wr_buf_init(&self->text, sink->budget, 0);
    const struct wr_encoder_type *format = config->format;
    int status = WR_OK;
    if (format == NULL)
        status =
            wr_encoder_choose(sink->terminal && config->bounded ? "table" : "ndjson", &format, err);
    if (status != WR_OK)
        return status;
    int is_table = strcmp(format->name, "table") == 0;
    self->rows_max = is_table ? 0 : config->rows;
    if (from != NULL) { /* what was shown is shown */
        sink->rows_written = wr_reader_varint(from);
        self->rows_shown = wr_reader_varint(from);
        self->begun = wr_reader_varint(from);
        self->ended = wr_reader_varint(from);
        if (from->failed)
            return wr_error_set(err, WR_ECORRUPT, "print: the state is damaged");
    }
    self->encoder = wr_alloc_zero(&wr_budget_control, format->size_bytes);
    if (self->encoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "print: out of memory");
    self->encoder->type = format;
    self->encoder->schema = sink->schema;
    self->encoder->resumed = self->rows_shown > 0;
    self->encoder->options = is_table ? table_options(self) : config->options;
    if (format->open != NULL)
        status = format->open(self->encoder, err);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, self->encoder);
        self->encoder = NULL;
        return status;
    }
    if (from != NULL && format->load != NULL) {
        status = format->load(self->encoder, from);
        if (status != WR_OK)
            wr_error_set(err, status, "print: the state is damaged");
    }
    if (status == WR_OK && format->begin != NULL && !self->begun)
        status = format->begin(self->encoder, &self->text);
    self->begun = 1;
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

static int show_text(struct print_sink *self, struct wr_error *err) {
    int status = self->text.status;
    if (status != WR_OK)
        return wr_error_set(err, status, "print: memory budget `%s` is used up",
                            self->base.budget->name);
    if (self->text.length == 0)
        return WR_OK;
    status = wr_show(&self->base, self->text.bytes, self->text.length, &self->no_more, err);
    wr_buf_clear(&self->text);
    return status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct print_sink *self = (struct print_sink *)sink;
    if (self->no_more)
        return WR_SINK_DONE;
    sink->rows_written += batch->sel_count;
    uint64_t count = batch->sel_count;
    if (self->rows_max > 0)
        count = WR_MIN(count, self->rows_max - self->rows_shown);
    if (count == 0)
        return WR_OK;
    struct wr_batch part = wr_batch_look(batch); /* the same columns, fewer rows */
    part.sel_count = (uint32_t)count;
    if (part.sel == NULL)
        part.row_count = part.sel_count;
    self->rows_shown += count;
    int status = self->encoder->type->encode(self->encoder, &part, &self->text);
    sink->nonfinite_count = self->encoder->nonfinite_count;
    if (status != WR_OK)
        return wr_error_set(err, status, "print: %s", wr_status_text(status));
    return self->text.length >= FLUSH_BYTES ? show_text(self, err) : WR_OK;
}

/* At the end of an epoch what was taken is shown: a slow stream is not held back by a buffer.
 * Before the state knows of it: killed between the two, a run shows it again; the other way it
 * never would. */
static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    (void)epoch;
    return show_text((struct print_sink *)sink, err);
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    wr_buf_add_varint(out, sink->rows_written);
    wr_buf_add_varint(out, ((struct print_sink *)sink)->rows_shown);
    const struct wr_encoder *encoder = ((struct print_sink *)sink)->encoder;
    wr_buf_add_varint(out, ((struct print_sink *)sink)->begun);
    int status = wr_buf_add_varint(out, ((struct print_sink *)sink)->ended);
    return encoder->type->save == NULL ? status : encoder->type->save(encoder, out);
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct print_sink *self = (struct print_sink *)sink;
    int status = WR_OK;
    if (self->encoder->type->end != NULL && !self->ended)
        status = self->encoder->type->end(self->encoder, &self->text);
    if (status != WR_OK)
        return wr_error_set(err, status, "print: %s", wr_status_text(status));
    self->ended = 1;
    return show_text(self, err);
}

#define PRINT_SINK(kind) \
    { \
        .name = (kind), .size_bytes = sizeof(struct print_sink), .delivery = WR_DELIVERY_PLAIN, \
        .flags = WR_SINK_TERMINAL, .bind = sink_bind, .open = sink_open, .write = sink_write, \
        .prepare = sink_prepare, .save = sink_save, .finish = sink_finish, .close = sink_close, \
    }
const struct wr_sink_type wr_sink_print = PRINT_SINK("print");
const struct wr_sink_type wr_sink_stdout = PRINT_SINK("stdout");
