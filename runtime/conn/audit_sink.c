/* audit_sink.c: the conditions of `write { audit = … }`. One row comes, an aggregate over all that
 * the write beside it writes: a column for each condition, and one for each aggregate in it. It is
 * looked at when the input has ended and before anything is published: one condition that is not
 * true fails the run (W608), so that no sink commits or finishes. A changelog gives the row again
 * with each change; the last one counts. */
#include "conn/connectors.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "data/codec.h"

#include "base/banned.h"

#define SAVE_VERSION 1

struct condition {
    const char *name, *text; /* "enough", "count() >= 1000" */
    uint32_t column;
    uint32_t value_count;      /* aggregates in it: in the columns behind … */
    const char *const *values; /* … each as it is written */
};

struct config {
    const char *of; /* what the write beside it writes */
    uint32_t count;
    struct condition *conditions;
};

struct audit {
    struct wr_sink base;
    const struct config *config;
    uint8_t row_came;
    struct wr_buf failed; /* what the last row fails; empty: nothing */
};

static const char *const *read_values(struct wr_arena *arena, const struct wr_value *values) {
    uint32_t count = wr_value_count(values);
    const char **texts = WR_ARENA_ARRAY(arena, const char *, count + 1);
    for (uint32_t i = 0; texts != NULL && i < count; i++)
        texts[i] = wr_value_at(values, i)->string;
    return texts;
}

static int audit_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    const struct wr_value *list = wr_value_get(bind->spec, "conditions");
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    uint32_t count = wr_value_count(list), column = 0;
    struct condition *conditions = WR_ARENA_ZEROS(bind->arena, struct condition, count + 1);
    if (config == NULL || conditions == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *one = wr_value_at(list, i);
        const struct wr_value *values = wr_value_get(one, "values");
        conditions[i].name = wr_value_string(one, "name", "");
        conditions[i].text = wr_value_string(one, "text", "");
        conditions[i].value_count = wr_value_count(values);
        conditions[i].values = read_values(bind->arena, values);
        if (conditions[i].values == NULL)
            return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
        conditions[i].column = column;
        column += 1 + conditions[i].value_count;
        WR_ASSERT(column <= bind->input->field_count);
        if (bind->input->fields[conditions[i].column].type.kind != WR_BOOL) {
            char type[64];
            wr_error_script(
                err, "W107", "audit `%s` must be bool, this is %s", conditions[i].name,
                wr_type_text(&bind->input->fields[conditions[i].column].type, type, sizeof type));
            wr_error_at(err, "audit", 0, 0);
            return WR_ESCRIPT;
        }
    }
    config->of = wr_value_string(bind->spec, "of", "");
    config->count = count;
    config->conditions = conditions;
    bind->config = config;
    bind->name = wr_endpoint_textf(bind->arena, "audit of %s", config->of);
    return bind->name == NULL ? wr_error_set(err, WR_ENOMEM, "no memory for the plan") : WR_OK;
}

static int audit_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct audit *self = (struct audit *)sink;
    self->config = sink->config;
    sink->shown = WR_SHOWN_AT_ONCE; /* looked at before the others finish */
    wr_buf_init(&self->failed, sink->budget, 0);
    if (from == NULL)
        return WR_OK;
    uint64_t version = wr_reader_varint(from);
    self->row_came = wr_reader_varint(from) != 0;
    uint64_t length = wr_reader_varint(from);
    const char *failed = wr_reader_bytes(from, length);
    if (from->failed || version != SAVE_VERSION)
        return wr_error_set(err, WR_ECORRUPT, "%s: the state is damaged", sink->name);
    return length == 0 ? WR_OK : wr_buf_add(&self->failed, failed, length);
}

/* "`enough` (count() >= 1000), where count() is 12" */
static int add_failed(struct audit *self, const struct condition *one, const struct wr_batch *batch,
                      uint32_t row) {
    struct wr_buf *out = &self->failed;
    wr_buf_addf(out, "%s`%s` (%s)", out->length > 0 ? "; " : "", one->name, one->text);
    for (uint32_t i = 0; i < one->value_count; i++) {
        uint32_t c = one->column + 1 + i;
        wr_buf_addf(out, "%s%s is ", i == 0 ? ", where " : ", ", one->values[i]);
        if (wr_column_is_nil(&batch->columns[c], row))
            wr_buf_add_text(out, "nil");
        else
            wr_value_show(out, &batch->schema->fields[c].type, &batch->columns[c], row);
    }
    return out->status;
}

static int audit_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct audit *self = (struct audit *)sink;
    int status = WR_OK;
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (batch->weight != NULL && batch->weight[row] < 0)
            continue;
        self->row_came = 1;
        wr_buf_clear(&self->failed);
        for (uint32_t k = 0; k < self->config->count && status == WR_OK; k++) {
            const struct condition *one = &self->config->conditions[k];
            const struct wr_column *column = &batch->columns[one->column];
            const uint8_t *holds = column->data;
            if (wr_column_is_nil(column, row) || !holds[row])
                status = add_failed(self, one, batch, row);
        }
    }
    return status == WR_OK ? WR_OK
                           : wr_error_set(err, status, "%s: memory budget `%s` is used up",
                                          sink->name, sink->budget->name);
}

static int audit_save(struct wr_sink *sink, struct wr_buf *out) {
    const struct audit *self = (const struct audit *)sink;
    wr_buf_add_varint(out, SAVE_VERSION);
    wr_buf_add_varint(out, self->row_came);
    wr_buf_add_varint(out, self->failed.length);
    return wr_buf_add(out, self->failed.bytes, self->failed.length);
}

static int audit_finish(struct wr_sink *sink, struct wr_error *err) {
    const struct audit *self = (const struct audit *)sink;
    WR_ASSERT(self->row_came); /* an aggregate over all rows has one for none, too */
    int is_over = sink->is_complete && !sink->gets_more; /* it held, and all is published */
    if (self->failed.length == 0 || is_over)
        return WR_OK;
    wr_error_set(err, WR_EREFUSED, "audit of %s failed: %.*s", self->config->of,
                 (int)WR_MIN(self->failed.length, (size_t)600), self->failed.bytes);
    wr_error_code(err, "W608");
    wr_error_help(err, "nothing of this run was published");
    return WR_EREFUSED;
}

static void audit_close(struct wr_sink *sink) {
    wr_buf_release(&((struct audit *)sink)->failed);
}

const struct wr_sink_type wr_sink_audit = {
    .name = "audit",
    .size_bytes = sizeof(struct audit),
    .delivery = WR_DELIVERY_ATOMIC,
    .flags = WR_SINK_KEYS | WR_SINK_AUDITS,
    .bind = audit_bind,
    .open = audit_open,
    .write = audit_write,
    .save = audit_save,
    .finish = audit_finish,
    .close = audit_close,
};
