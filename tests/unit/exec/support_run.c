/* support_run.c: sources and sinks of a test's run. */
#include "support_run.h"

#include "base/assert.h"
#include "conn/builder.h"
#include "conn/conn.h"
#include "data/show.h"
#include "state/vfs.h"

#define BATCH_ROWS_MAX 1024

struct source {
    struct wr_source base;
    uint32_t feed;
    uint64_t at; /* byte of the feed's text */
    uint64_t records;
};

static struct stand *stand_of(void *owner) {
    return owner;
}

static int source_open(struct wr_source *source, struct wr_reader *from, struct wr_error *err) {
    (void)err;
    struct source *self = (struct source *)source;
    const struct stand *stand = stand_of(source->owner);
    while (self->feed < stand->feed_count &&
           (stand->feeds[self->feed].node != source->node ||
            stand->feeds[self->feed].partition != source->partition))
        self->feed++;
    CHECK_INT(self->feed, <, stand->feed_count);
    self->at = from == NULL ? 0 : wr_reader_u64(from);
    self->records = from == NULL ? 0 : wr_reader_u64(from);
    return from != NULL && from->failed ? WR_ECORRUPT : WR_OK;
}

static int put_cell(struct wr_builder *builder, uint32_t column, const char *text,
                    uint32_t length) {
    enum wr_type_kind kind = builder->batch->schema->fields[column].type.kind;
    if (!wr_builder_wants(builder, column))
        return WR_OK;
    if (length == 3 && memcmp(text, "nil", 3) == 0)
        wr_builder_nil(builder, column);
    else if (wr_type_is_text(kind))
        return wr_builder_bytes(builder, column, text, length);
    else if (kind == WR_FLOAT64)
        wr_builder_float64(builder, column, strtod(text, NULL));
    else if (kind == WR_BOOL)
        wr_builder_bool(builder, column, text[0] == 't');
    else
        wr_builder_int64(builder, column, strtoll(text, NULL, 10));
    return WR_OK;
}

/* One row at `at`; where it ends. */
static const char *put_row(struct wr_builder *builder, const char *at, int *status) {
    uint32_t columns = builder->batch->schema->field_count;
    for (uint32_t c = 0; c < columns && *status == WR_OK; c++) {
        uint32_t length = (uint32_t)strcspn(at, " |/");
        *status = put_cell(builder, c, at, length);
        at += length;
        CHECK(c + 1 == columns ? *at != ' ' : *at == ' ');
        at += *at == ' ';
    }
    return at;
}

static int take_rows(struct source *self, const char *text, struct wr_batch **batch) {
    struct stand *stand = stand_of(self->base.owner);
    uint32_t rows_max = stand->split > 0 ? stand->split : BATCH_ROWS_MAX, rows = 0;
    const char *at = text + self->at;
    struct wr_builder builder;
    int status =
        wr_builder_init(&builder, self->base.pool, self->base.schema, self->base.needed, rows_max);
    if (status != WR_OK)
        return status;
    for (;;) {
        at = put_row(&builder, at, &status);
        if (status != WR_OK) {
            wr_batch_unref(builder.batch);
            return status;
        }
        wr_builder_next(&builder, rows++);
        int ends = *at == 0 || (*at == '/' && (stand->split == 0 || strchr("-w!x", at[1]) != NULL));
        at += *at != 0;
        if (ends || rows == rows_max)
            break;
    }
    *batch = wr_builder_finish(&builder);
    (*batch)->source = self->base.source;
    (*batch)->partition = self->base.partition;
    (*batch)->origin.source = self->base.name;
    (*batch)->origin.first_record = self->records;
    stand->columns_given[self->feed] = 0;
    for (uint32_t c = 0; c < (*batch)->schema->field_count; c++)
        stand->columns_given[self->feed] += (*batch)->columns[c].data != NULL;
    stand->polls[self->feed]++;
    self->records += rows;
    self->at = (uint64_t)(at - text);
    return WR_OK;
}

static int take_reject(struct source *self, const char *raw, uint32_t length) {
    struct wr_reject reject = {.code = WR_REJECT_PARSE,
                               .record = self->records++,
                               .line = self->records,
                               .file = "feed",
                               .raw = raw,
                               .raw_length = length};
    return self->base.reject(self->base.reject_ctx, &reject);
}

static int source_poll(struct wr_source *source, struct wr_batch **batch, struct wr_error *err) {
    struct source *self = (struct source *)source;
    const char *text = stand_of(source->owner)->feeds[self->feed].text;
    for (;;) {
        const char *at = text + self->at;
        uint32_t length = (uint32_t)strcspn(at, "/");
        if (*at == 0)
            return WR_EEND;
        if (*at != '-' && *at != 'w' && *at != '!' && *at != 'x')
            break;
        if (*at == '-' && at[1] != '/' && at[1] != 0)
            break; /* a negative number */
        self->at += length + (at[length] == '/');
        if (*at == 'w')
            source->watermark = strtoll(at + 1, NULL, 10);
        else if (*at == '-')
            return WR_EAGAIN;
        else if (*at == '!')
            return wr_error_set(err, WR_EIO, "the line is dead");
        else
            return take_reject(self, at + 1, length - 1);
    }
    return take_rows(self, text, batch);
}

static int source_save(struct wr_source *source, struct wr_buf *out) {
    wr_buf_add_u64(out, ((struct source *)source)->at);
    return wr_buf_add_u64(out, ((struct source *)source)->records);
}

static void source_close(struct wr_source *source) {
    (void)source;
}

static const struct wr_source_type source_type = {.name = "feed",
                                                  .size_bytes = sizeof(struct source),
                                                  .open = source_open,
                                                  .poll = source_poll,
                                                  .save_position = source_save,
                                                  .close = source_close};

/* ---- sinks ---- */

static struct capture *capture_of(const struct wr_sink *sink) {
    return &stand_of(sink->owner)->captures[sink->node];
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    (void)from;
    (void)err;
    struct capture *capture = capture_of(sink);
    capture->text.length = capture->committed;
    if (capture->text.bytes != NULL)
        capture->text.bytes[capture->committed] = 0;
    return WR_OK;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    (void)err;
    struct capture *capture = capture_of(sink);
    capture->batches++;
    CHECK_INT(batch->sel_count, >, 0);
    for (uint32_t i = 0; i < batch->sel_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        if (capture->refuses) {
            struct wr_reject reject = {.code = WR_REJECT_SINK, .row = row, .batch = batch};
            int status = sink->reject(sink->reject_ctx, &reject);
            if (status < 0)
                return status;
            continue;
        }
        if (capture->text.length > 0)
            wr_buf_add_char(&capture->text, '|');
        for (uint32_t c = 0; c < batch->schema->field_count; c++) {
            if (c > 0)
                wr_buf_add_char(&capture->text, ' ');
            const struct wr_type *type = &batch->schema->fields[c].type;
            if (wr_column_is_nil(&batch->columns[c], row))
                wr_buf_add_text(&capture->text, "nil");
            else if (type->kind == WR_TIMESTAMP)
                wr_buf_addf(&capture->text, "%lld", (long long)WR_I64(&batch->columns[c])[row]);
            else
                wr_value_show(&capture->text, type, &batch->columns[c], row);
        }
    }
    return capture->text.status;
}

static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    (void)epoch;
    (void)err;
    struct capture *capture = capture_of(sink);
    capture->committed = capture->text.length;
    capture->commits++;
    if (capture->slow != NULL)
        wr_sim_advance(capture->slow, 50);
    return WR_OK;
}

static void sink_close(struct wr_sink *sink) {
    (void)sink;
}

static const struct wr_sink_type sink_type = {.name = "capture",
                                              .size_bytes = sizeof(struct wr_sink),
                                              .flags = WR_SINK_KEYS,
                                              .open = sink_open,
                                              .write = sink_write,
                                              .commit = sink_commit,
                                              .close = sink_close};

static const struct wr_source_type *replace_source(void *ctx, const struct wr_node *node) {
    const struct stand *stand = ctx;
    for (uint32_t i = 0; i < stand->feed_count; i++)
        if (stand->feeds[i].node == node->id)
            return &source_type;
    return NULL;
}

static const struct wr_sink_type *replace_sink(void *ctx, const struct wr_node *node) {
    (void)ctx;
    (void)node;
    return &sink_type;
}

/* ---- runs ---- */

void stand_begin(struct stand *stand) {
    memset(stand, 0, sizeof *stand);
    stand->sim = wr_sim_new(1);
    CHECK(stand->sim != NULL);
    stand->vfs = wr_vfs_new(stand->sim);
    CHECK(stand->vfs != NULL);
    stand->plan = test_plan_new();
    stand->plan->env = wr_sim_env(stand->sim);
    for (uint32_t n = 0; n < NODES_MAX; n++)
        wr_buf_init(&stand->captures[n].text, &wr_budget_control, 0);
}

void stand_end(struct stand *stand) {
    stand_close(stand);
    for (uint32_t n = 0; n < NODES_MAX; n++)
        wr_buf_release(&stand->captures[n].text);
    wr_plan_free(stand->plan);
    wr_vfs_free(stand->vfs);
    wr_sim_free(stand->sim);
}

uint32_t stand_source(struct stand *stand, const char *schema, uint32_t partitions) {
    uint32_t node = test_read(stand->plan, schema);
    stand->plan->nodes[node]->endpoint.partition_count = partitions;
    for (uint32_t p = 0; p < partitions; p++)
        stand_feed(stand, node, p, "");
    return node;
}

void stand_feed(struct stand *stand, uint32_t node, uint32_t partition, const char *text) {
    uint32_t i = 0;
    while (i < stand->feed_count &&
           (stand->feeds[i].node != node || stand->feeds[i].partition != partition))
        i++;
    CHECK_INT(i, <, FEEDS_MAX);
    stand->feeds[i] = (struct feed){node, partition, text};
    stand->feed_count = WR_MAX(stand->feed_count, i + 1);
}

uint32_t stand_sink(struct stand *stand, uint32_t input) {
    uint32_t node = test_add(stand->plan,
                             "{'op':'write','inputs':[%u],'endpoint':{'kind':'blackhole'}}", input);
    CHECK_INT(node, <, NODES_MAX);
    return node;
}

int stand_open(struct stand *stand) {
    stand->err = (struct wr_error){0};
    int status = wr_plan_finish(stand->plan, &stand->err);
    if (status != WR_OK)
        return status;
    struct wr_run_options options = stand->options;
    options.hash_seed = options.hash_seed == 0 ? 7 : options.hash_seed;
    options.replace_source = replace_source;
    options.replace_sink = replace_sink;
    options.replace_ctx = stand;
    return wr_run_new(&stand->run, stand->plan, &options, &stand->err);
}

void stand_close(struct stand *stand) {
    if (stand->run != NULL)
        stand->summary = *wr_run_summary(stand->run);
    wr_run_free(stand->run);
    stand->run = NULL;
}

int test_run_all(struct wr_run *run, struct wr_error *err) {
    int status;
    do {
        status = wr_run_step(run, err);
    } while (status == WR_OK || status == WR_EAGAIN);
    return status == WR_EEND ? WR_OK : status;
}

int stand_run(struct stand *stand) {
    int status = stand_open(stand);
    if (status == WR_OK)
        status = test_run_all(stand->run, &stand->err);
    stand_close(stand);
    return status;
}

void stand_run_all(struct stand *stand) {
    if (stand_run(stand) != WR_OK)
        test_fail(__FILE__, __LINE__, "the run failed: %s %s", stand->err.code, stand->err.text);
}

const char *stand_rows(struct stand *stand, uint32_t sink) {
    const char *text = stand->captures[sink].text.bytes;
    return text == NULL ? "" : text;
}

void stand_forget(struct stand *stand) {
    for (uint32_t n = 0; n < NODES_MAX; n++) {
        wr_buf_clear(&stand->captures[n].text);
        stand->captures[n].committed = stand->captures[n].batches = 0;
        if (stand->captures[n].text.bytes != NULL)
            stand->captures[n].text.bytes[0] = 0;
    }
    memset(stand->polls, 0, sizeof stand->polls);
}
