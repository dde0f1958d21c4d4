/* fuzz_csv.c: CSV. Every vector form and every cut gives the same, a schema can be inferred from
 * anything, and rows that are written read back equal. The first two bytes choose how. */
#include "decode_digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static const struct wr_value *options_of(unsigned bits) {
    static struct wr_value items[4];
    static const char *names[] = {"delimiter", "header", "null", "quote"};
    static struct wr_value map = {.kind = WR_VALUE_MAP, .count = 4};
    map.items = items;
    map.names = names;
    items[0] = (struct wr_value){.kind = WR_VALUE_STRING, .count = 1};
    items[0].string = (bits & 1) != 0 ? ";" : ",";
    items[1] = (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = (bits & 2) == 0};
    items[2] = (struct wr_value){.kind = WR_VALUE_STRING, .count = 2, .string = "NA"};
    items[3] = (struct wr_value){.kind = WR_VALUE_STRING, .count = 1, .string = "\""};
    return &map;
}

static void check_round_trip(const struct digest_run *run, const struct digest *digest,
                             const char *text, size_t length) {
    const struct wr_encoder_type *type = wr_encoder_find("csv");
    struct wr_buf encoded;
    wr_buf_init(&encoded, &wr_budget_control, 0);
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    encoder->type = type;
    encoder->schema = run->schema;
    encoder->options = run->options;
    WR_ASSERT(type->open(encoder, NULL) == WR_OK);
    WR_ASSERT(type->begin(encoder, &encoded) == WR_OK);
    struct digest_run writing = *run, reading = *run;
    writing.encoder = encoder;
    writing.encoded = &encoded;
    digest_of(&writing, text, length);
    reading.record_bytes_max = 0;
    struct digest back =
        digest_of(&reading, encoded.length == 0 ? "" : encoded.bytes, encoded.length);
    WR_ASSERT(back.rows == digest->rows && back.values == digest->values && back.rejects == 0);
    wr_free(&wr_budget_control, encoder);
    wr_buf_release(&encoded);
}

static void check_infer(const struct wr_value *options, const char *text, size_t length) {
    struct wr_arena arena;
    struct wr_inferred inferred = {0};
    wr_arena_init(&arena, &wr_budget_control, 4096);
    wr_decoder_find("csv")->infer(&arena, options, text, length, 1, &inferred, NULL);
    const struct wr_schema *schema = inferred.schema;
    if (schema != NULL && schema->field_count > 0) { /* what was guessed from all rows fits them */
        struct digest_run run = {
            .format = "csv", .schema = schema, .options = options, .level = WR_SIMD_AVX2};
        digest_of(&run, text, length);
    }
    wr_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static const enum wr_type_kind kinds[] = {WR_STRING, WR_INT64, WR_FLOAT64,  WR_TIMESTAMP,
                                              WR_BOOL,   WR_DATE,  WR_DURATION, WR_DECIMAL};
    static const struct wr_schema *schema;
    if (schema == NULL)
        schema = digest_schema(kinds, 8);
    if (size_bytes < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t length = size_bytes - 2;
    struct digest_run run = {.format = "csv",
                             .schema = schema,
                             .options = options_of(data[0]),
                             .record_bytes_max = (data[0] & 4) != 0 ? 48 : 0,
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
    check_round_trip(&run, &whole, text, length);
    check_infer(run.options, text, length);
    return 0;
}
