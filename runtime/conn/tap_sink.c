/* tap_sink.c: the stage `tap`: the first rows of a stream on standard error, a line each behind
 * its label, for people who look into a running script. What the script writes stays as it is. */
#include "conn/connectors.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec.h"

#include "base/banned.h"

#define ROWS_DEFAULT 5

struct config {
    const char *label;
    uint64_t rows;
};

struct tap_sink {
    struct wr_sink base;
    struct wr_encoder *encoder;
    struct wr_buf text;
    uint64_t rows_left;
};

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (config == NULL)
        return wr_error_set(err, WR_ENOMEM, "tap: out of memory");
    config->label = wr_value_string(bind->spec, "label", "tap");
    int64_t rows = wr_value_int(bind->spec, "rows", ROWS_DEFAULT);
    if (rows < 1) {
        wr_error_script(err, "W203", "option `rows` must be a count, at least 1");
        wr_error_at(err, "rows", 0, 0);
        return WR_ESCRIPT;
    }
    config->rows = (uint64_t)rows;
    bind->config = config;
    bind->name = config->label;
    return WR_OK;
}

static void sink_close(struct wr_sink *sink) {
    struct tap_sink *self = (struct tap_sink *)sink;
    if (self->encoder != NULL && self->encoder->type->close != NULL)
        self->encoder->type->close(self->encoder);
    wr_free(&wr_budget_control, self->encoder);
    self->encoder = NULL;
    wr_buf_release(&self->text);
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct tap_sink *self = (struct tap_sink *)sink;
    const struct wr_encoder_type *type = wr_encoder_find("ndjson");
    wr_buf_init(&self->text, sink->budget, 0);
    self->rows_left = ((const struct config *)sink->config)->rows;
    if (from != NULL)
        self->rows_left = wr_reader_varint(from);
    self->encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    if (self->encoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "tap: out of memory");
    self->encoder->type = type;
    self->encoder->schema = sink->schema;
    int status = type->open == NULL ? WR_OK : type->open(self->encoder, err);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct tap_sink *self = (struct tap_sink *)sink;
    const struct config *config = sink->config;
    sink->rows_written += batch->sel_count;
    for (uint32_t i = 0; i < batch->sel_count && self->rows_left > 0; i++, self->rows_left--) {
        uint32_t row = wr_batch_row(batch, i);
        struct wr_batch one = wr_batch_look(batch); /* the same columns, one row */
        one.sel = &row;
        one.sel_count = 1;
        wr_buf_clear(&self->text);
        int status = self->encoder->type->encode(self->encoder, &one, &self->text);
        if (status != WR_OK)
            return wr_error_set(err, status, "tap: %s", wr_status_text(status));
        fprintf(stderr, "%s: %.*s", config->label, (int)self->text.length, self->text.bytes);
    }
    return WR_OK;
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    return wr_buf_add_varint(out, ((struct tap_sink *)sink)->rows_left);
}

const struct wr_sink_type wr_sink_tap = {
    .name = "tap",
    .size_bytes = sizeof(struct tap_sink),
    .delivery = WR_DELIVERY_PLAIN,
    .flags = WR_SINK_TERMINAL | WR_SINK_KEYS, /* whoever looks may see updates */
    .bind = sink_bind,
    .open = sink_open,
    .write = sink_write,
    .save = sink_save,
    .close = sink_close,
};
