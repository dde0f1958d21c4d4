/* bench_decode.c: rows a second of the decoders and encoders on Nexmark-like bids, beside loops
 * written by hand for these very rows (bids_by_hand.h). Best of several runs, processor time.
 *
 *     build/tests/bench/bench_decode [rows] */
#include "bids.h"
#include "bids_by_hand.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/codec.h"
#include "data/simd.h"

#define PIECE_BYTES (512u << 10)
#define RUNS 5

static const char *const names[] = {"auction", "bidder",   "price", "channel",
                                    "url",     "dateTime", "extra"};
static const enum wr_type_kind kinds[] = {WR_INT64,  WR_INT64,     WR_INT64, WR_STRING,
                                          WR_STRING, WR_TIMESTAMP, WR_STRING};

static const struct wr_schema *bid_schema(struct wr_arena *arena) {
    struct wr_schema *schema = wr_schema_new(arena, 7);
    for (uint32_t i = 0; i < 7; i++) {
        schema->fields[i].name = names[i];
        schema->fields[i].name_length = (uint32_t)strlen(names[i]);
        schema->fields[i].type = WR_TYPE(kinds[i]);
    }
    return schema;
}

/* What a run found, so that loops can be compared. */
struct sums {
    uint64_t rows, rejects, numbers, bytes;
};

static int count_reject(void *ctx, const struct wr_reject *reject) {
    (void)reject;
    ((struct sums *)ctx)->rejects++;
    return WR_OK;
}

static void batch_sum(struct sums *sums, const struct wr_batch *batch) {
    sums->rows += batch->row_count;
    for (uint32_t i = 0; i < 7; i++) {
        const struct wr_column *column = &batch->columns[i];
        if (column->data == NULL)
            continue;
        if (kinds[i] == WR_STRING)
            for (uint32_t row = 0; row < batch->row_count; row++)
                sums->bytes += WR_STR(column)[row].length;
        else
            for (uint32_t row = 0; row < batch->row_count; row++)
                sums->numbers += (uint64_t)WR_I64(column)[row];
    }
}

/* Decodes all of it in pieces, as a file source does; encodes again when there is an encoder. */
static struct sums decode(const char *format, const struct bids *bids, uint64_t needed,
                          const char *encode) {
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct sums sums = {0};
    wr_arena_init(&arena, &wr_budget_control, 4096);
    wr_batch_pool_init(&pool, &wr_budget_control);
    const struct wr_decoder_type *type = wr_decoder_find(format);
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    *decoder = (struct wr_decoder){.type = type, .line = 1};
    decoder->setup = (struct wr_decoder_setup){.schema = bid_schema(&arena),
                                               .needed = &needed,
                                               .pool = &pool,
                                               .reject = count_reject,
                                               .reject_ctx = &sums};
    struct wr_encoder *encoder = NULL;
    struct wr_buf out;
    wr_buf_init(&out, &wr_budget_control, 0);
    if (encode != NULL) {
        const struct wr_encoder_type *encoder_type = wr_encoder_find(encode);
        encoder = wr_alloc_zero(&wr_budget_control, encoder_type->size_bytes);
        encoder->type = encoder_type;
        encoder->schema = decoder->setup.schema;
        encoder_type->open(encoder, NULL);
    }
    type->open(decoder, NULL);
    type->begin_file(decoder, "bids", NULL);
    struct wr_buffer *buffer = wr_buffer_new(&wr_budget_control, PIECE_BYTES);
    size_t kept = 0;
    for (size_t done = 0; done < bids->length;) {
        size_t take = bids->length - done;
        take = take < PIECE_BYTES - kept ? take : PIECE_BYTES - kept;
        memcpy(buffer->bytes + kept, bids->text + done, take);
        done += take;
        size_t length = kept + take, at = 0;
        for (;;) {
            uint64_t used;
            struct wr_batch *batch;
            type->decode(decoder, buffer, buffer->bytes + at, length - at, done == bids->length,
                         &used, &batch, NULL);
            if (batch != NULL) {
                batch_sum(&sums, batch);
                if (encoder != NULL) {
                    wr_buf_clear(&out);
                    encoder->type->encode(encoder, batch, &out);
                }
            }
            wr_batch_unref(batch);
            at += used;
            if (used == 0)
                break;
        }
        kept = length - at;
        memmove(buffer->bytes, buffer->bytes + at, kept);
    }
    wr_buffer_unref(buffer);
    wr_buf_release(&out);
    if (encoder != NULL && encoder->type->close != NULL)
        encoder->type->close(encoder);
    wr_free(&wr_budget_control, encoder);
    type->close(decoder);
    wr_free(&wr_budget_control, decoder);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
    return sums;
}

static void report(const char *what, const struct bids *bids, double seconds, struct sums sums) {
    printf("%-44s %7.2f M rows/s  %5.2f GB/s  rows %llu rejects %llu sum %llx\n", what,
           (double)sums.rows / seconds / 1e6, (double)bids->length / seconds / 1e9,
           (unsigned long long)sums.rows, (unsigned long long)sums.rejects,
           (unsigned long long)(sums.numbers ^ sums.bytes));
}

static void measure(const char *what, const char *format, const struct bids *bids, uint64_t needed,
                    const char *encode) {
    double best = 1e9;
    struct sums sums = {0};
    for (int i = 0; i < RUNS; i++) {
        double begin = bids_cpu();
        sums = decode(format, bids, needed, encode);
        double seconds = bids_cpu() - begin;
        best = seconds < best ? seconds : best;
    }
    report(what, bids, best, sums);
}

static void hand_sum(struct sums *sums, const struct hand_batch *batch, uint32_t rows) {
    sums->rows += rows;
    for (uint32_t i = 0; i < rows; i++) {
        sums->numbers += (uint64_t)batch->auction[i] + (uint64_t)batch->bidder[i] +
                         (uint64_t)batch->price[i] + (uint64_t)batch->time_us[i];
        sums->bytes +=
            (uint64_t)batch->channel[i].length + batch->url[i].length + batch->extra[i].length;
    }
}

/* The same pieces of input as `decode` has. */
static struct sums decode_by_hand(const struct bids *bids) {
    static struct hand_batch batch;
    static char buffer[PIECE_BYTES + 64];
    struct sums sums = {0};
    size_t kept = 0;
    uint32_t rows = 0;
    for (size_t done = 0; done < bids->length;) {
        size_t take = bids->length - done;
        take = take < PIECE_BYTES - kept ? take : PIECE_BYTES - kept;
        memcpy(buffer + kept, bids->text + done, take);
        done += take;
        const char *at = buffer, *end = buffer + kept + take;
        const char *limit = (const char *)memrchr(buffer, '\n', kept + take) + 1;
        while (at < limit) {
            const char *next = hand_row(at, &batch, rows);
            rows += next != NULL;
            sums.rejects += next == NULL;
            at = next != NULL ? next : (const char *)memchr(at, '\n', (size_t)(limit - at)) + 1;
            if (rows == HAND_ROWS) {
                hand_sum(&sums, &batch, rows);
                rows = 0;
            }
        }
        kept = (size_t)(end - at);
        memmove(buffer, at, kept);
    }
    hand_sum(&sums, &batch, rows);
    return sums;
}

static void measure_by_hand(const struct bids *bids) {
    double best = 1e9;
    struct sums sums = {0};
    for (int i = 0; i < RUNS; i++) {
        double begin = bids_cpu();
        sums = decode_by_hand(bids);
        double seconds = bids_cpu() - begin;
        best = seconds < best ? seconds : best;
    }
    report("ndjson, 7 of 7 fields, by hand", bids, best, sums);
}

int main(int argc, char **argv) {
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
    struct bids ndjson = bids_make(rows, 0), csv = bids_make(rows, 1);
    measure_by_hand(&ndjson);
    measure("ndjson, 7 of 7 fields", "ndjson", &ndjson, 127, NULL);
    measure("ndjson, 3 of 7 fields", "ndjson", &ndjson, 7, NULL);
    wr_simd_cap(WR_SIMD_SSE);
    measure("ndjson, 7 of 7 fields, 16 bytes", "ndjson", &ndjson, 127, NULL);
    wr_simd_cap(WR_SIMD_NONE);
    measure("ndjson, 7 of 7 fields, plain", "ndjson", &ndjson, 127, NULL);
    wr_simd_cap(WR_SIMD_AVX2);
    measure("ndjson, 7 of 7 fields -> ndjson", "ndjson", &ndjson, 127, "ndjson");
    measure("json by structure, 7 of 7 fields", "json", &ndjson, 127, NULL);
    measure("csv, 7 of 7 fields", "csv", &csv, 127, NULL);
    measure("csv, 2 of 7 fields", "csv", &csv, 5, NULL);
    measure("csv, 7 of 7 fields -> csv", "csv", &csv, 127, "csv");
    free(ndjson.text);
    free(csv.text);
    return 0;
}
