/* partition_sink.c: `write` with `partition_by`: see partition.h.
 *
 *   rows of a partition -> .part-00000.csv.….part -> part-00000.csv when it is complete
 *
 * A file is complete when the input ends, or with `roll` when it has so many rows or bytes, or by
 * the frontier. Which file a row is in is decided by the rows before it and by the row's own
 * frontier, so that it depends on no batch and no restart. With a state a file gets its name once
 * the state knows that it is complete; where an audit holds them back, all get theirs at finish. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/connectors.h"
#include "conn/partition.h"
#include "data/order.h"
#include "base/banned.h"

#define FLUSH_BYTES (64u << 10)
#define SCRATCH_BLOCK_BYTES (64u << 10)
#define STOP_US_MAX 500000 /* that files are completed for when the run is to stop */

/* ---- bind ---------------------------------------------------------------------------------- */

static const char *const own_options[] = {"compression", "roll",           "success", "partitions",
                                          "max_ratio",   WR_RETRY_OPTIONS, NULL};

/* The columns of directories, and those that are left for the files. */
static int bind_columns(struct partition_config *config, struct wr_endpoint_bind *bind,
                        struct wr_error *err) {
    const struct wr_value *names = wr_value_get(bind->spec, "partition_by");
    const struct wr_schema *input = bind->input;
    uint32_t count = wr_value_count(names);
    uint16_t *columns = WR_ARENA_ARRAY(bind->arena, uint16_t, count + 1);
    uint16_t *from = WR_ARENA_ARRAY(bind->arena, uint16_t, input->field_count + 1);
    uint8_t *taken = WR_ARENA_ZEROS(bind->arena, uint8_t, input->field_count + 1);
    struct wr_schema *content = wr_schema_new(bind->arena, input->field_count);
    if (columns == NULL || from == NULL || taken == NULL || content == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_value *name = wr_value_at(names, i);
        int at = wr_schema_find(input, name->string, name->count);
        WR_ASSERT(at >= 0);                           /* the stage made them */
        if (input->fields[at].type.kind >= WR_JSON) { /* of several parts */
            char type[64];
            wr_error_script(err, "W104", "`partition_by` cannot take %s",
                            wr_type_text(&input->fields[at].type, type, sizeof type));
            wr_error_at(err, "partition_by", 0, 0);
            return WR_ESCRIPT;
        }
        columns[i] = (uint16_t)at;
        taken[at] = 1;
    }
    content->field_count = 0;
    for (uint32_t c = 0; c < input->field_count; c++)
        if (!taken[c]) {
            from[content->field_count] = (uint16_t)c;
            content->fields[content->field_count++] = input->fields[c];
        }
    if (content->field_count == 0) {
        wr_error_script(err, "W203",
                        "`partition_by` takes all columns: none are left for the files");
        wr_error_at(err, "partition_by", 0, 0);
        return WR_ESCRIPT;
    }
    config->columns = columns;
    config->column_count = count;
    config->content = content;
    config->content_from = from;
    return WR_OK;
}

static int check_format(const struct partition_config *config, struct wr_error *err) {
    if (config->format->end == NULL && config->format->save == NULL)
        return WR_OK;
    wr_error_script(err, "W203", "format `%s` cannot be partitioned: it has an end",
                    config->format->name);
    wr_error_help(err, "`format = \"csv\"` and `\"ndjson\"` can");
    wr_error_at(err, "format", 0, 0);
    return WR_ESCRIPT;
}

static uint64_t roll_value(const struct wr_value *roll, const char *name) {
    const struct wr_value *value = wr_value_get(roll, name);
    return value == NULL || value->kind != WR_VALUE_INT || value->integer < 0
               ? 0
               : (uint64_t)WR_MIN(value->integer, INT64_MAX / 4);
}

/* {rows=, size=, every=, quiet=}: the stage has checked it. */
static void bind_roll(struct partition_config *config, const struct wr_value *roll) {
    config->digits = 5;
    if (roll == NULL)
        return;
    config->quiet_us = (int64_t)roll_value(roll, "quiet");
    config->every_us = (int64_t)roll_value(roll, "every");
    config->roll_rows = roll_value(roll, "rows");
    config->roll_bytes = roll_value(roll, "size");
    config->by_time = config->quiet_us > 0 || config->every_us > 0;
    config->rolls = config->by_time || config->roll_rows > 0 || config->roll_bytes > 0;
    if (config->roll_rows > 0 || config->roll_bytes > 0 || config->every_us > 0)
        config->digits = 10; /* of any number of files */
}

static int sink_bind(struct wr_endpoint_bind *bind, struct wr_error *err) {
    static const char *const modes[] = {"replace", "append", "new", NULL};
    static const char *const compressions[] = {"none", "gzip", "zstd", "auto", NULL};
    static const char *const endings[] = {"", ".gz", ".zst"};
    struct wr_options options;
    int status = wr_options_read(&options, bind, err);
    struct partition_config *config = WR_ARENA_ZEROS(bind->arena, struct partition_config, 1);
    if (status == WR_OK && config == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    if (status != WR_OK)
        return status;
    const char *address = wr_value_string(wr_value_get(bind->spec, "endpoint"), "address", "");
    size_t length = strlen(address);
    if (length == 0 || strpbrk(address, "*?[") != NULL) {
        wr_error_script(err, "W401", "`%s` is no name of a directory to write", address);
        wr_error_at(err, "1", 0, 0);
        return WR_ESCRIPT;
    }
    bind->name = address;
    config->directory =
        wr_endpoint_textf(bind->arena, "%s%s", address, address[length - 1] == '/' ? "" : "/");
    int compression = WR_COMPRESSION_NONE, mode = PARTITION_REPLACE;
    const char *format = NULL;
    status = bind_columns(config, bind, err);
    if (status == WR_OK)
        status = wr_option_word(&options, "mode", modes, &mode, err);
    if (status == WR_OK)
        status = wr_option_word(&options, "compression", compressions, &compression, err);
    if (status == WR_OK)
        bind_roll(config, wr_option(&options, "roll"));
    if (status == WR_OK)
        status = wr_option_bool(&options, "success", &config->success, err);
    config->retry = WR_RETRY_OF_FILES;
    if (status == WR_OK)
        status = wr_retry_bind(&config->retry, bind, &options, 0, err);
    if (status == WR_OK)
        status = wr_format_choose(bind, address, NULL, &format, err);
    if (status == WR_OK)
        status = wr_encoder_choose(format, &config->format, err);
    if (status == WR_OK)
        status = check_format(config, err);
    if (status == WR_OK)
        status = wr_options_rest(&options, bind->arena, wr_options_of_write, own_options,
                                 &config->options, err);
    if (status == WR_OK)
        status = wr_encoder_check(bind, config->format, config->options, err);
    if (status != WR_OK)
        return status;
    config->compression = compression == 3 ? WR_COMPRESSION_NONE : (enum wr_compression)compression;
    config->mode = (enum partition_mode)mode;
    config->ending =
        wr_endpoint_textf(bind->arena, ".%s%s", config->format->name, endings[config->compression]);
    bind->config = config;
    bind->retry = &config->retry;
    return config->directory == NULL || config->ending == NULL
               ? wr_error_set(err, WR_ENOMEM, "no memory for the plan")
               : WR_OK;
}

/* ---- open ---------------------------------------------------------------------------------- */

static void sink_close(struct wr_sink *sink);

static int open_encoder(struct partition_sink *self, struct wr_error *err) {
    const struct partition_config *config = self->config;
    self->encoder = wr_alloc_zero(&wr_budget_control, config->format->size_bytes);
    if (self->encoder == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    self->encoder->type = config->format;
    self->encoder->schema = config->content;
    self->encoder->options = config->options;
    int status = config->format->open == NULL ? WR_OK : config->format->open(self->encoder, err);
    if (status != WR_OK) {
        wr_free(&wr_budget_control, self->encoder);
        self->encoder = NULL;
    }
    return status;
}

static int sink_open(struct wr_sink *sink, struct wr_reader *from, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    self->config = sink->config;
    sink->shown = self->config->rolls && !sink->held ? WR_SHOWN_IN_PARTS : WR_SHOWN_AT_FINISH;
    self->token = (uint32_t)wr_sink_token(sink);
    wr_arena_init(&self->scratch, sink->budget, SCRATCH_BLOCK_BYTES);
    wr_buf_init(&self->name, sink->budget, 0);
    wr_buf_init(&self->removed, sink->budget, 0);
    self->slots = wr_alloc_zero(sink->budget, PARTITION_FILES_MAX * sizeof *self->slots);
    if (self->slots == NULL) {
        sink_close(sink);
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", sink->name);
    }
    for (uint32_t i = 0; i < PARTITION_FILES_MAX; i++)
        wr_buf_init(&self->slots[i].text, sink->budget, 0);
    int status = open_encoder(self, err);
    wr_fence_init(&self->fence, sink);
    self->fence.is_own_file = 1;
    if (status == WR_OK && from != NULL)
        status = partition_load(self, from, err);
    if (status == WR_OK && from != NULL)
        status = partition_fence_look(self, err);
    if (status == WR_OK && from != NULL)
        partition_open_filesystem(self);
    if (status == WR_OK && from != NULL)
        status = partition_look(self, err);
    if (status == WR_OK && from == NULL)
        status = partition_fence_look_new(self, err);
    self->must_cut = from != NULL;
    if (status == WR_OK && from == NULL && self->config->mode == PARTITION_NEW)
        status = partition_check_new(self, err);
    if (status != WR_OK)
        sink_close(sink);
    return status;
}

static int sink_begin(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    (void)epoch;
    int status = self->must_cut ? partition_fence_take_again(self, err) : WR_OK;
    if (status == WR_OK && self->must_cut)
        status = partition_cut(self, err);
    if (status == WR_OK && self->must_cut && sink->is_complete && sink->gets_more)
        status = partition_leave_named(self, err);
    self->must_cut &= status != WR_OK;
    return status;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int refuse(struct partition_sink *self, struct wr_batch *batch, uint32_t row) {
    struct wr_reject reject = {.code = WR_REJECT_SINK,
                               .detail = "a value of `partition_by` is too long for a directory",
                               .stage = self->base.node,
                               .row = row,
                               .batch = batch,
                               .source = batch->source,
                               .partition = batch->partition};
    return self->base.reject(self->base.reject_ctx, &reject);
}

static int same_place(const struct partition_config *config, const struct wr_batch *batch,
                      uint32_t a, uint32_t b) {
    for (uint32_t i = 0; i < config->column_count; i++) {
        uint32_t c = config->columns[i];
        if (wr_cell_compare(&batch->schema->fields[c].type, &batch->columns[c], a,
                            &batch->columns[c], b) != 0)
            return 0;
    }
    return 1;
}

/* Rows of a batch by partition: chains through `next`, in the order of the rows. */
struct chains {
    uint32_t count;
    uint32_t *partitions, *heads, *tails; /* of each chain */
    uint32_t *rows, *next;                /* by number in the selection */
};

static void chain_row(struct partition_sink *self, struct chains *chains, uint32_t partition,
                      uint32_t at) {
    struct partition *one = &self->partitions[partition];
    uint32_t *chain = &one->chain;
    one->touched = self->batches;
    one->is_changed = 1;
    chains->next[at] = UINT32_MAX;
    if (*chain < chains->count && chains->partitions[*chain] == partition) {
        chains->next[chains->tails[*chain]] = at;
        chains->tails[*chain] = at;
        return;
    }
    *chain = chains->count++;
    chains->partitions[*chain] = partition;
    chains->heads[*chain] = chains->tails[*chain] = at;
}

static int make_chains(struct partition_sink *self, struct wr_batch *batch, struct chains *chains,
                       struct wr_error *err) {
    uint32_t count = batch->sel_count, partition = 0, last = UINT32_MAX;
    uint32_t *memory = WR_ARENA_ARRAY(&self->scratch, uint32_t, 5 * (size_t)count + 1);
    if (memory == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    *chains = (struct chains){.partitions = memory,
                              .heads = memory + count,
                              .tails = memory + 2 * (size_t)count,
                              .rows = memory + 3 * (size_t)count,
                              .next = memory + 4 * (size_t)count};
    for (uint32_t at = 0; at < count; at++) {
        uint32_t row = chains->rows[at] = wr_batch_row(batch, at);
        int status = WR_OK;
        if (last == UINT32_MAX || !same_place(self->config, batch, last, row)) {
            status = partition_name_of(self, batch, row);
            if (status == WR_ELIMIT) {
                status = refuse(self, batch, row);
                if (status < 0)
                    return status;
                continue;
            }
            if (status != WR_OK)
                return wr_error_set(err, status, "%s: %s", self->base.name, wr_status_text(status));
            status = partition_find(self, self->name.bytes, self->name.length, &partition, err);
        }
        if (status != WR_OK)
            return status;
        last = row;
        chain_row(self, chains, partition, at);
    }
    return WR_OK;
}

static int encode(struct partition_sink *self, const struct wr_batch *batch, uint32_t partition,
                  const uint32_t *sel, uint32_t count, struct wr_error *err) {
    const struct partition_config *config = self->config;
    struct wr_column *columns =
        WR_ARENA_ARRAY(&self->scratch, struct wr_column, config->content->field_count);
    if (columns == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    for (uint32_t c = 0; c < config->content->field_count; c++)
        columns[c] = batch->columns[config->content_from[c]];
    int status = partition_open(self, partition, err);
    if (status != WR_OK)
        return status;
    struct partition *one = &self->partitions[partition];
    struct wr_batch part = wr_batch_look(batch); /* other columns, fewer rows */
    part.schema = config->content;
    part.columns = columns;
    part.sel = sel;
    part.sel_count = count;
    self->encoder->at_start = one->rows == 0;
    self->encoder->resumed = one->rows > 0;
    uint64_t before = one->slot->text.length;
    status = config->format->encode(self->encoder, &part, &one->slot->text);
    self->base.nonfinite_count = self->encoder->nonfinite_count;
    if (status != WR_OK)
        return wr_error_set(err, status, "%s: %s", self->base.name, wr_status_text(status));
    one->rows += count;
    one->bytes += one->slot->text.length - before;
    self->base.rows_written += count;
    return one->slot->text.length >= FLUSH_BYTES ? partition_flush(self, one->slot, err) : WR_OK;
}

/* When what has been written of a partition is complete; WR_TIME_MAX: not before the end. */
static int64_t due_of(const struct partition_sink *self, const struct partition *one) {
    int64_t due;
    if (self->config->quiet_us == 0 || one->last_us == WR_TIME_MIN ||
        __builtin_add_overflow(one->last_us, self->config->quiet_us, &due))
        return one->due_us;
    return WR_MIN(due, one->due_us);
}

/* A row of this event time is in the file that is written. A late one, whose interval is over,
 * counts as of the frontier that it came behind: it goes into the file that is open then, or begins
 * one that others go into too, until the end of the interval that goes on. */
static void note_time(const struct partition_sink *self, struct partition *one, int64_t time) {
    int64_t every_us = self->config->every_us;
    one->last_us = WR_MAX(one->last_us, time);
    if (every_us > 0 && one->due_us == WR_TIME_MAX) {
        int64_t rest = time % every_us;
        int64_t to_next = every_us - (rest < 0 ? rest + every_us : rest);
        if (__builtin_add_overflow(time, to_next, &one->due_us))
            one->due_us = WR_TIME_MAX;
    }
}

static int is_full(const struct partition_config *config, uint64_t rows, uint64_t bytes) {
    return (config->roll_rows > 0 && rows >= config->roll_rows) ||
           (config->roll_bytes > 0 && bytes >= config->roll_bytes);
}

/* With a state each file is synced, so that many in one batch may take long: a signal is heard
 * between them, and what the state does not know of comes again. */
static int complete(struct partition_sink *self, uint32_t partition, struct wr_error *err) {
    const struct wr_sink *sink = &self->base;
    int status = partition_complete(self, partition, err);
    if (status != WR_OK || sink->store == NULL || sink->stop == NULL || !*sink->stop)
        return status;
    int64_t now_us = sink->env->monotonic_us(sink->env);
    self->stop_us = self->stop_us == 0 ? now_us : self->stop_us;
    return now_us - self->stop_us < STOP_US_MAX
               ? WR_OK
               : wr_error_set(err, WR_ECANCEL, "stopped while files of %s were completed",
                              sink->name);
}

/* The rows of one chain; a row that comes when the file is complete begins another. */
static int write_chain(struct partition_sink *self, const struct wr_batch *batch,
                       const struct chains *chains, uint32_t chain, struct wr_error *err) {
    uint32_t partition = chains->partitions[chain], count = 0;
    uint32_t *sel = WR_ARENA_ARRAY(&self->scratch, uint32_t, batch->sel_count + 1);
    if (sel == NULL)
        return wr_error_set(err, WR_ENOMEM, "%s: out of memory", self->base.name);
    if (self->partitions[partition].is_renamed) /* it was not: it went, or the rows are others */
        return partition_has_its_name(self, &self->partitions[partition], err);
    int status = WR_OK;
    for (uint32_t at = chains->heads[chain]; at != UINT32_MAX && status == WR_OK;
         at = chains->next[at]) {
        uint32_t row = chains->rows[at];
        struct partition *one = &self->partitions[partition];
        if (batch->event_time != NULL) {
            int64_t time = batch->event_time[row];
            int64_t reached = batch->behind == NULL ? time : batch->behind[row];
            if (due_of(self, one) <= reached) {
                if (count > 0)
                    status = encode(self, batch, partition, sel, count, err);
                count = 0;
                if (status == WR_OK)
                    status = complete(self, partition, err);
            }
            note_time(self, one, WR_MAX(time, reached));
        }
        sel[count++] = row;
        /* How long a row is, is known when it is written: one by one where that counts. */
        if (status != WR_OK || (self->config->roll_bytes == 0 &&
                                !is_full(self->config, one->rows + count, one->bytes)))
            continue;
        status = encode(self, batch, partition, sel, count, err);
        count = 0;
        one = &self->partitions[partition];
        if (status == WR_OK && is_full(self->config, one->rows, one->bytes))
            status = complete(self, partition, err);
    }
    return status == WR_OK && count > 0 ? encode(self, batch, partition, sel, count, err) : status;
}

static int sink_write(struct wr_sink *sink, struct wr_batch *batch, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    struct chains chains = {0};
    wr_arena_reset(&self->scratch);
    int status = partition_forget(self, err);
    if (status == WR_OK)
        status = make_chains(self, batch, &chains, err);
    for (uint32_t i = 0; i < chains.count && status >= 0; i++) {
        struct wr_arena_mark mark = wr_arena_mark(&self->scratch);
        status = write_chain(self, batch, &chains, i, err);
        wr_arena_rewind(&self->scratch, mark);
    }
    return WR_MIN(status, WR_OK);
}

static int sink_advance(struct wr_sink *sink, int64_t frontier, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    int status = WR_OK;
    if (!self->config->by_time || frontier == WR_TIME_MAX) /* what ends is finished */
        return WR_OK;
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++)
        if (due_of(self, &self->partitions[p]) <= frontier)
            status = partition_complete(self, p, err);
    return status;
}

/* ---- epochs -------------------------------------------------------------------------------- */

static int sink_prepare(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    int status = partition_fence_check_place(self, err);
    self->fence.epoch = epoch;
    for (uint32_t i = 0; i < PARTITION_FILES_MAX && status == WR_OK; i++) {
        struct partition_slot *slot = &self->slots[i];
        if (!slot->is_open)
            continue;
        status = partition_flush(self, slot, err);
        if (status == WR_OK)
            status = wr_output_end_member(&slot->output, err);
        self->partitions[slot->partition].length = slot->output.length;
    }
    return status;
}

static int sink_sync(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    (void)epoch;
    return partition_sync((struct partition_sink *)sink, err);
}

/* Those that are held back wait for all of them. */
static int sink_commit(struct wr_sink *sink, uint64_t epoch, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    (void)epoch;
    int status = sink->held ? WR_OK : partition_name_done(self, err);
    return status == WR_OK ? partition_fence_commit(self, err) : status;
}

static int sink_save(struct wr_sink *sink, struct wr_buf *out) {
    struct partition_sink *self = (struct partition_sink *)sink;
    int status = partition_save(self, out);
    if (status == WR_OK)
        self->saved = 1;
    return status;
}

static int sink_finish(struct wr_sink *sink, struct wr_error *err) {
    struct partition_sink *self = (struct partition_sink *)sink;
    int status = partition_fence_check_place(self, err);
    self->ends = 1;
    if (self->was_whole)
        return status;
    for (uint32_t p = 0; p < self->count && status == WR_OK; p++) {
        if (self->partitions[p].is_renamed)
            status = partition_was_named(self, &self->partitions[p], err);
        else if (self->partitions[p].is_active)
            status = partition_complete(self, p, err);
    }
    if (status == WR_OK)
        status = partition_name_done(self, err);
    return status == WR_OK ? partition_fence_end(self, err) : status;
}

static void sink_close(struct wr_sink *sink) {
    struct partition_sink *self = (struct partition_sink *)sink;
    partition_close_all(self);
    partition_fence_close(self);
    wr_buf_release(&self->name);
    wr_arena_release(&self->scratch);
    if (self->encoder == NULL)
        return;
    if (self->config->format->close != NULL)
        self->config->format->close(self->encoder);
    wr_free(&wr_budget_control, self->encoder);
    self->encoder = NULL;
}

const struct wr_sink_type wr_sink_partitions = {
    .name = "partitions",
    .bind = sink_bind,
    .open = sink_open,
    .close = sink_close,
    .begin = sink_begin,
    .write = sink_write,
    .advance = sink_advance,
    .prepare = sink_prepare,
    .sync = sink_sync,
    .save = sink_save,
    .commit = sink_commit,
    .finish = sink_finish,
    .size_bytes = sizeof(struct partition_sink),
    .delivery = WR_DELIVERY_ATOMIC,
    .flags = WR_SINK_REFUSES | WR_SINK_CHANGES | WR_SINK_LOOKS,
};
