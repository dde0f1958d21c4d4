/* generate_source.c: rows that are computed: a list of expressions over `i`, the number of the row,
 * from 1. The same seed gives the same rows. With a rate, rows come as the clock lets them.
 * Position: rows made. */
#include "conn/connectors.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "conn/made_pieces.h"
#include "data/held_rejects.h"
#include "expr/expr.h"

#include "base/banned.h"

#define POSITION_VERSION 2

struct config {
    struct wr_list *list;
    const struct wr_schema *input; /* `i` */
    uint64_t rows;                 /* 0: without end */
    int endless;
    double rate; /* rows a second; 0: as fast as they are taken */
    uint64_t seed;
};

struct generate_source {
    struct wr_source base;
    const struct config *config;
    struct wr_eval eval;
    uint64_t made; /* rows computed, good and bad ones */
    uint64_t made_at_start;
    int64_t start_us;           /* of the clock, when the first was asked for; -1: not yet */
    struct made_pieces *pieces; /* several threads make the rows; NULL: polls do */
};

static const char *const own_options[] = {"rows", "rate", "seed", "columns", NULL};

static int read_rate(const struct wr_options *options, double *rate, struct wr_error *err) {
    const struct wr_value *value = wr_option(options, "rate");
    if (value == NULL)
        return WR_OK;
    double number = value->kind == WR_VALUE_INT     ? (double)value->integer
                    : value->kind == WR_VALUE_FLOAT ? value->number
                                                    : -1;
    if (number > 0 && isfinite(number)) {
        *rate = number;
        return WR_OK;
    }
    wr_error_script(err, "W203", "option `rate` must be rows a second, more than 0");
    wr_error_at(err, "rate", 0, 0);
    return WR_ESCRIPT;
}

static int make_schema(struct wr_endpoint_bind *bind, const struct config *config,
                       struct wr_error *err) {
    struct wr_schema *schema = wr_schema_new(bind->arena, config->list->item_count);
    if (schema == NULL)
        return wr_error_set(err, WR_ENOMEM, "generate: out of memory");
    for (uint32_t i = 0; i < config->list->item_count; i++) {
        const struct wr_item *item = &config->list->items[i];
        schema->fields[i].name = item->name;
        schema->fields[i].name_length = item->name_length;
        schema->fields[i].type = item->type;
    }
    bind->schema = schema;
    return WR_OK;
}

static int source_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct config *config = WR_ARENA_ZEROS(bind->arena, struct config, 1);
    struct wr_schema *input = wr_schema_new(bind->arena, 1);
    if (status == WR_OK && (config == NULL || input == NULL))
        status = wr_error_set(err, WR_ENOMEM, "generate: out of memory");
    if (status != WR_OK)
        return status;
    input->fields[0].name = "i";
    input->fields[0].name_length = 1;
    input->fields[0].type = WR_TYPE(WR_INT64);
    config->input = input;
    config->seed = 1;
    config->endless = wr_option(&options, "rows") == NULL;
    const struct wr_value *columns = wr_value_get(wr_value_get(bind->spec, "endpoint"), "columns");
    status = wr_options_check(&options, "generate", own_options, wr_options_of_read, err);
    if (status == WR_OK)
        status = wr_option_count(&options, "rows", 0, &config->rows, err);
    if (status == WR_OK)
        status = wr_option_count(&options, "seed", 0, &config->seed, err);
    if (status == WR_OK)
        status = read_rate(&options, &config->rate, err);
    if (status == WR_OK && columns == NULL) {
        wr_error_script(err, "W203", "`generate` needs the option `columns`");
        wr_error_help(err,
                      "`columns = \"id = i, even = i %% 2 == 0\"`; `i` counts the rows from 1");
        return WR_ESCRIPT;
    }
    struct wr_scope scope = {.arena = bind->arena, .input = input, .timezone = bind->timezone};
    if (status == WR_OK) {
        status = wr_list_bind(&config->list, &scope, WR_LIST_SELECT, columns, err);
        if (status != WR_OK)
            wr_error_at(err, "columns", err == NULL ? 0 : err->from, err == NULL ? 0 : err->to);
    }
    if (status == WR_OK)
        status = make_schema(bind, config, err);
    bind->partition_count = 1;
    bind->bounded = !config->endless;
    bind->config = config;
    bind->name = "generate";
    return status;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    struct generate_source *self = (struct generate_source *)source;
    self->config = source->config;
    self->start_us = -1;
    if (from != NULL) {
        uint64_t version = wr_reader_varint(from);
        self->made = wr_reader_varint(from);
        if (from->failed || version != POSITION_VERSION)
            return wr_error_set(err, WR_ECORRUPT, "generate: the stored position is damaged");
    }
    self->made_at_start = self->made;
    wr_eval_init(&self->eval, source->pool->budget);
    return WR_OK;
}

/* How many rows the clock, the end and the limit allow now. */
static uint32_t rows_due(struct generate_source *self) {
    uint64_t due = self->base.batch_rows;
    if (!self->config->endless)
        due = WR_MIN(due, self->config->rows - self->made);
    if (self->base.record_limit > 0)
        due = WR_MIN(due, self->base.record_limit - self->made);
    if (self->config->rate == 0)
        return (uint32_t)due;
    const struct wr_env *env = self->base.env;
    int64_t now_us = env->monotonic_us(env);
    if (self->start_us < 0)
        self->start_us = now_us;
    double allowed = (double)(now_us - self->start_us) / 1e6 * self->config->rate + 1;
    double made = (double)(self->made - self->made_at_start);
    if (allowed - made < (double)due)
        due = allowed > made ? (uint64_t)(allowed - made) : 0;
    return (uint32_t)due;
}

/* To `held`, or to who reads the source. */
static int reject_fails(const struct wr_source *source, const struct wr_eval *eval,
                        struct wr_batch *numbers, struct wr_held_rejects *held) {
    for (uint32_t i = 0; i < eval->fail_count; i++) {
        const struct wr_fail *fail = &eval->fails[i];
        struct wr_reject reject = {.code = fail->code,
                                   .detail = fail->detail,
                                   .stage = source->node,
                                   .row = fail->row,
                                   .batch = numbers,
                                   .record = numbers->origin.first_record + fail->row,
                                   .source = source->source,
                                   .partition = source->partition};
        int status = WR_OK;
        if (held != NULL)
            status = wr_held_rejects_add(held, &reject);
        else if (source->reject != NULL)
            status = source->reject(source->reject_ctx, &reject);
        if (status != WR_OK)
            return status;
    }
    return WR_OK;
}

/* All rows but those that failed, in the batch's own memory. */
static int select_good(const struct wr_eval *eval, struct wr_batch *batch) {
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, batch->row_count);
    if (sel == NULL)
        return WR_ENOMEM;
    uint32_t count = 0, next_fail = 0;
    for (uint32_t row = 0; row < batch->row_count; row++) {
        if (next_fail < eval->fail_count && eval->fails[next_fail].row == row)
            next_fail++;
        else
            sel[count++] = row;
    }
    batch->sel = sel;
    batch->sel_count = count;
    return WR_OK;
}

static int compute(const struct wr_source *source, struct wr_eval *eval, struct wr_batch *numbers,
                   struct wr_batch **result, struct wr_held_rejects *held) {
    const struct config *config = source->config;
    struct wr_batch *batch = wr_batch_over(source->pool, source->schema, numbers);
    if (batch == NULL)
        return WR_ENOMEM;
    eval->now_us = source->env->now_us(source->env);
    eval->random_seed = config->seed;
    int status = wr_list_run(config->list, eval, numbers, &batch->arena);
    for (uint32_t c = 0; c < config->list->item_count && status == WR_OK; c++) {
        const struct wr_item *item = &config->list->items[c];
        batch->columns[c] =
            item->column >= 0 ? numbers->columns[item->column] : eval->outputs[item->output];
    }
    if (status == WR_OK && eval->fail_count > 0) {
        status = select_good(eval, batch);
        if (status == WR_OK)
            status = reject_fails(source, eval, numbers, held);
    }
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    *result = batch;
    return WR_OK;
}

/* Row `from` and those behind it, counted from 0. */
static struct wr_batch *numbers_new(const struct wr_source *source, uint64_t from, uint32_t count) {
    const struct config *config = source->config;
    struct wr_batch *numbers = wr_batch_new(source->pool, config->input);
    int64_t *i = numbers == NULL ? NULL : wr_batch_column(numbers, 0, count);
    if (i == NULL) {
        wr_batch_unref(numbers);
        return NULL;
    }
    for (uint32_t row = 0; row < count; row++)
        i[row] = (int64_t)(from + row + 1);
    numbers->row_count = numbers->sel_count = count;
    numbers->source = source->source;
    numbers->partition = source->partition;
    numbers->origin.source = source->name;
    numbers->origin.first_record = from;
    return numbers;
}

/* As made_type says; `hand` is what the expressions are computed with. */
static int make_batch(const struct wr_source *source, void *hand,
                      const struct made_numbers *numbers, struct wr_batch **batch, uint64_t *next,
                      struct wr_held_rejects *rejects, struct wr_error *err) {
    uint64_t count = WR_MIN(numbers->end - numbers->from, (uint64_t)numbers->batch_rows);
    struct wr_batch *input = numbers_new(source, numbers->from, (uint32_t)count);
    int status = input == NULL ? WR_ENOMEM : compute(source, hand, input, batch, rejects);
    wr_batch_unref(input);
    *next = numbers->from + count;
    if (status == WR_ENOMEM)
        return wr_error_set(err, status, "generate: memory budget `%s` is used up",
                            source->pool->budget->name);
    return status;
}

static int make_here(struct generate_source *self, struct wr_batch **batch, uint64_t *next,
                     struct wr_error *err) {
    const struct wr_source *source = &self->base;
    if ((!self->config->endless && self->made >= self->config->rows) ||
        (source->record_limit > 0 && self->made >= source->record_limit))
        return WR_EEND;
    uint32_t count = rows_due(self);
    if (count == 0)
        return WR_EAGAIN;
    struct made_numbers numbers = {
        .from = self->made, .end = self->made + count, .batch_rows = count};
    return make_batch(source, &self->eval, &numbers, batch, next, NULL, err);
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct generate_source *self = (struct generate_source *)source;
    uint64_t next;
    *batch = NULL;
    int status = self->pieces != NULL ? made_pieces_poll(self->pieces, batch, &next, err)
                                      : make_here(self, batch, &next, err);
    if (status == WR_OK)
        self->made = next;
    return status;
}

static int eval_init(const struct wr_source *source, void *hand) {
    wr_eval_init(hand, source->pool->budget);
    return WR_OK;
}

static void eval_release(const struct wr_source *source, void *hand) {
    (void)source;
    wr_eval_release(hand);
}

static int source_use_workers(struct wr_source *source, struct wr_workers *workers) {
    static const struct made_type type = {.hand_bytes = sizeof(struct wr_eval),
                                          .hand_init = eval_init,
                                          .hand_release = eval_release,
                                          .make = make_batch};
    struct generate_source *self = (struct generate_source *)source;
    const struct config *config = self->config;
    if (config->endless || config->rate > 0 || source->record_limit > 0)
        return WR_EREFUSED;
    return made_pieces_new(&self->pieces, &type, source, workers, self->made, config->rows, 1);
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    const struct generate_source *self = (const struct generate_source *)source;
    wr_buf_add_varint(out, POSITION_VERSION);
    return wr_buf_add_varint(out, self->made);
}

static void source_close(struct wr_source *source) {
    struct generate_source *self = (struct generate_source *)source;
    made_pieces_free(self->pieces);
    wr_eval_release(&self->eval);
}

const struct wr_source_type wr_source_generate = {
    .name = "generate",
    .size_bytes = sizeof(struct generate_source),
    .reads_ahead = 1,
    .use_workers = source_use_workers,
    .bind = source_bind,
    .open = source_open,
    .poll = source_poll,
    .save_position = source_save,
    .close = source_close,
};
