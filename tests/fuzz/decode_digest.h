/* decode_digest.h: decodes bytes in pieces of exactly their size and sums up what came, so that two
 * ways of doing it can be compared. Sums do not depend on the order of rows and rejects, which is
 * that of their batches. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/codec.h"
#include "data/simd.h"

struct digest {
    uint64_t rows, values, rejects, reject_sum;
};

struct digest_run {
    const char *format;
    const struct wr_schema *schema;
    const struct wr_value *options;
    size_t piece; /* 0: all at once */
    uint32_t batch_rows, record_bytes_max;
    enum wr_simd level;
    struct wr_encoder *encoder; /* rows are written here as well, or NULL */
    struct wr_buf *encoded;
};

static uint64_t digest_bytes(uint64_t seed, const void *bytes, size_t length) {
    return wr_hash_join(seed, wr_hash_bytes(length == 0 ? "" : bytes, length, seed));
}

static int digest_reject(void *ctx, const struct wr_reject *reject) {
    struct digest *digest = ctx;
    uint64_t hash = digest_bytes((uint64_t)reject->code, reject->raw, reject->raw_length);
    hash = wr_hash_join(hash, reject->record);
    hash = wr_hash_join(hash, reject->line);
    hash = wr_hash_join(hash, reject->byte);
    hash = wr_hash_join(hash, reject->column);
    digest->rejects++;
    const char *detail = reject->detail != NULL ? reject->detail : wr_reject_text(reject->code);
    digest->reject_sum += digest_bytes(hash, detail, strlen(detail));
    return WR_OK;
}

static void digest_batch(struct digest *digest, const struct wr_batch *batch) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, 0);
    for (uint32_t row = 0; row < batch->row_count; row++) {
        uint64_t hash = 1;
        for (uint32_t i = 0; i < batch->schema->field_count; i++) {
            wr_buf_clear(&text);
            if (wr_column_is_nil(&batch->columns[i], row))
                hash = wr_hash_join(hash, 7);
            wr_value_show(&text, &batch->schema->fields[i].type, &batch->columns[i], row);
            hash = digest_bytes(hash, text.bytes, text.length);
        }
        digest->rows++;
        digest->values += hash;
    }
    wr_buf_release(&text);
}

/* One buffer's worth; returns the bytes that were used, SIZE_MAX when the decoder gave up. */
static size_t digest_piece(struct digest *digest, const struct digest_run *run,
                           struct wr_decoder *decoder, const char *text, size_t length, int last) {
    struct wr_buffer *buffer = wr_buffer_new(&wr_budget_control, length);
    size_t at = 0;
    memcpy(buffer->bytes, text, length);
    memset(buffer->bytes + length, 0xee, 64);
    for (;;) {
        struct wr_batch *batch = NULL;
        uint64_t used = 0;
        int status = decoder->type->decode(decoder, buffer, buffer->bytes + at, length - at, last,
                                           &used, &batch, NULL);
        if (status != WR_OK) { /* a header that cannot be read */
            at = SIZE_MAX;
            break;
        }
        if (batch != NULL) {
            digest_batch(digest, batch);
            if (run->encoder != NULL)
                run->encoder->type->encode(run->encoder, batch, run->encoded);
        }
        wr_batch_unref(batch);
        at += used;
        if (used == 0)
            break;
    }
    wr_buffer_unref(buffer);
    return at;
}

static struct digest digest_of(const struct digest_run *run, const char *text, size_t length) {
    struct digest digest = {0};
    struct wr_batch_pool pool;
    const struct wr_decoder_type *type = wr_decoder_find(run->format);
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    wr_batch_pool_init(&pool, &wr_budget_control);
    wr_simd_cap(run->level);
    *decoder = (struct wr_decoder){.type = type, .line = 1};
    decoder->setup = (struct wr_decoder_setup){.schema = run->schema,
                                               .options = run->options,
                                               .batch_rows = run->batch_rows,
                                               .record_bytes_max = run->record_bytes_max,
                                               .pool = &pool,
                                               .reject = digest_reject,
                                               .reject_ctx = &digest};
    int status = type->open(decoder, NULL);
    WR_ASSERT(status == WR_OK);
    WR_ASSERT(type->begin_file(decoder, "f", NULL) == WR_OK);
    size_t piece = run->piece == 0 ? length : run->piece;
    for (size_t done = 0, given = WR_MIN(piece, length);;) {
        size_t used =
            digest_piece(&digest, run, decoder, text + done, given - done, given == length);
        if (given == length || used == SIZE_MAX)
            break;
        done += used;
        given = WR_MIN(given + piece, length);
    }
    type->close(decoder);
    wr_free(&wr_budget_control, decoder);
    wr_batch_pool_release(&pool);
    return digest;
}

static int digest_same(const struct digest *a, const struct digest *b) {
    return a->rows == b->rows && a->values == b->values && a->rejects == b->rejects &&
           a->reject_sum == b->reject_sum;
}

/* A schema with a column of each of `kinds`, named "a", "b", …; of the life of the program. */
static const struct wr_schema *digest_schema(const enum wr_type_kind *kinds, uint32_t count) {
    static struct wr_arena arena;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    if (arena.budget == NULL)
        wr_arena_init(&arena, &wr_budget_control, 4096);
    struct wr_schema *schema = wr_schema_new(&arena, count);
    for (uint32_t i = 0; i < count; i++) {
        schema->fields[i].name = names[i];
        schema->fields[i].name_length = 1;
        schema->fields[i].type = WR_TYPE(kinds[i]);
        if (kinds[i] == WR_DECIMAL)
            schema->fields[i].type.precision = 9, schema->fields[i].type.scale = 2;
    }
    return schema;
}
