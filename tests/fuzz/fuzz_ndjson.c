/* fuzz_ndjson.c: NDJSON, JSON files and lines. Every vector form and every cut gives the same, and
 * rows that are written as NDJSON read back. The first two bytes choose how. */
#include "decode_digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Written and read again, no row is lost and none is refused. */
static void check_round_trip(const struct digest_run *run, const struct digest *digest,
                             const char *text, size_t length) {
    const struct wr_encoder_type *type = wr_encoder_find("ndjson");
    struct wr_buf encoded;
    wr_buf_init(&encoded, &wr_budget_control, 0);
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    encoder->type = type;
    encoder->schema = run->schema;
    WR_ASSERT(type->open(encoder, NULL) == WR_OK);
    struct digest_run writing = *run, reading = *run;
    writing.encoder = encoder;
    writing.encoded = &encoded;
    digest_of(&writing, text, length);
    reading.format = "ndjson";
    reading.record_bytes_max = 0;
    if (encoded.length > 0) {
        struct digest back = digest_of(&reading, encoded.bytes, encoded.length);
        WR_ASSERT(back.rows == digest->rows && back.rejects == 0);
    }
    type->close(encoder);
    wr_free(&wr_budget_control, encoder);
    wr_buf_release(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static const enum wr_type_kind kinds[] = {WR_INT64,     WR_FLOAT64, WR_BOOL, WR_STRING,
                                              WR_TIMESTAMP, WR_JSON,    WR_DATE, WR_DECIMAL};
    static const enum wr_type_kind line[] = {WR_STRING};
    static const struct wr_schema *schema, *lines;
    static const char *const formats[] = {"ndjson", "ndjson", "json", "lines"};
    if (schema == NULL) {
        schema = digest_schema(kinds, 8);
        lines = digest_schema(line, 1);
    }
    if (size_bytes < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t length = size_bytes - 2;
    struct digest_run run = {.format = formats[data[0] & 3],
                             .schema = (data[0] & 3) == 3 ? lines : schema,
                             .record_bytes_max = (data[0] & 4) != 0 ? 64 : 0,
                             .level = WR_SIMD_NONE};
    struct digest whole = digest_of(&run, text, length), other;
    run.level = WR_SIMD_SSE;
    other = digest_of(&run, text, length);
    WR_ASSERT(digest_same(&whole, &other));
    run.level = WR_SIMD_AVX2;
    run.batch_rows = 1 + (data[0] >> 4);
    other = digest_of(&run, text, length);
    WR_ASSERT(digest_same(&whole, &other));
    run.piece = 1 + (size_t)data[1];
    other = digest_of(&run, text, length);
    WR_ASSERT(digest_same(&whole, &other));
    if (run.schema == schema)
        check_round_trip(&run, &whole, text, length);
    return 0;
}
