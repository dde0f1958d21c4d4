/* blackhole_sink.c: takes all rows and keeps none, for measuring. With `hash = true` it ends with
 * one line on stdout, {"rows":N,"hash":"…"}: the hash is over the rows as text, in their order. */
#include "conn/connectors.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "data/codec.h"

#include "base/banned.h"

struct config {
    int hash;
};

struct blackhole {
    struct wr_sink base;
    const struct config *config;
    uint64_t hash;
    struct wr_buf text;
};

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    static const char *const own_options[] = {"hash", "table", NULL};
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    if (status == WR_OK && config == NULL)
        status = wr_error_set(err, WR_ENOMEM, "blackhole: out of memory");
    if (status == WR_OK)
        status = wr_options_check(&options, "blackhole", own_options, wr_options_of_write, err);
    if (status == WR_OK)
        status = wr_option_bool(&options, "hash", &config->hash, err);
    bind->config = config;
    bind->name = "blackhole";
    return status;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct blackhole *self = (struct blackhole *)sink;
    self->config = sink->config;
    wr_buf_init(&self->text, sink->budget, 0);
    if (from != NULL) {
        sink->rows_written = wr_reader_u64(from);
        self->hash = wr_reader_u64(from);
        if (from->failed)
            return wr_error_set(err, WR_ECORRUPT, "blackhole: the state is damaged");
    }
    return WR_OK;
}

/* One row as text: values with their nils, closed by a byte that no text holds. */
static int hash_row(struct blackhole *self, const struct wr_batch *batch, uint32_t row) {
    struct wr_buf *text = &self->text;
    wr_buf_clear(text);
    for (uint32_t c = 0; c < batch->schema->field_count; c++) {
        const struct wr_column *column = &batch->columns[c];
        if (column->data == NULL || wr_column_is_nil(column, row))
            wr_buf_add_char(text, '\xfe');
        else
            wr_value_show(text, &batch->schema->fields[c].type, column, row);
        wr_buf_add_char(text, '\xff');
    }
    if (batch->weight != NULL && batch->weight[row] < 0)
        wr_buf_add_char(text, '-');
    if (text->status == WR_OK)
        self->hash = wr_hash_join(self->hash, wr_hash_bytes(text->bytes, text->length, 0));
    return text->status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct blackhole *self = (struct blackhole *)sink;
    int status = WR_OK;
    for (uint32_t i = 0; self->config->hash && i < batch->sel_count && status == WR_OK; i++)
        status = hash_row(self, batch, wr_batch_row(batch, i));
    if (status != WR_OK)
        return wr_error_set(err, status, "blackhole: %s", wr_status_text(status));
    sink->rows_written += batch->sel_count;
    return WR_OK;
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    wr_buf_add_u64(out, sink->rows_written);
    return wr_buf_add_u64(out, ((struct blackhole *)sink)->hash);
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct blackhole *self = (struct blackhole *)sink;
    if (!self->config->hash)
        return WR_OK;
    char line[96];
    int length = snprintf(line, sizeof line, "{\"rows\":%" PRIu64 ",\"hash\":\"%016" PRIx64 "\"}\n",
                          sink->rows_written, self->hash);
    int no_more = 0; /* nothing follows this line */
    return wr_show(sink, line, (uint64_t)length, &no_more, err);
}

static void sink_close(struct wr_sink *sink) {
    wr_buf_release(&((struct blackhole *)sink)->text);
}

const struct wr_sink_type wr_sink_blackhole = {
    .name = "blackhole",
    .size_bytes = sizeof(struct blackhole),
    .delivery = WR_DELIVERY_ATOMIC,
    .flags = WR_SINK_KEYS,
    .bind = sink_bind,
    .open = sink_open,
    .write = sink_write,
    .save = sink_save,
    .finish = sink_finish,
    .close = sink_close,
};
