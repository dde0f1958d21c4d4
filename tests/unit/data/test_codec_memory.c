/* test_codec_memory.c: decoders and encoders with each of their allocations failing: they say so,
 * blame no row, and give everything back. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "data/codec.h"
#include "support_decode.h"

static int count_reject(void *ctx, const struct wr_reject *reject) {
    (void)reject;
    ++*(uint32_t *)ctx;
    return WR_OK;
}

struct codec_run {
    const char *format, *text;
    uint32_t rejects_expected;
};

static int decode_and_encode(const struct codec_run *run, struct wr_decoder *decoder,
                             struct wr_encoder *encoder, struct wr_buffer *buffer,
                             struct wr_buf *out) {
    size_t length = strlen(run->text);
    int status = decoder->type->begin_file(decoder, "f", NULL);
    if (status == WR_OK && encoder->type->begin != NULL)
        status = encoder->type->begin(encoder, out);
    for (size_t at = 0; at < length && status == WR_OK;) {
        uint64_t used = 0;
        struct wr_batch *batch = NULL;
        status = decoder->type->decode(decoder, buffer, buffer->bytes + at, length - at, 1, &used,
                                       &batch, NULL);
        if (status == WR_OK && batch != NULL)
            status = encoder->type->encode(encoder, batch, out);
        wr_batch_unref(batch);
        at += used;
    }
    if (status == WR_OK && encoder->type->end != NULL)
        status = encoder->type->end(encoder, out);
    return status;
}

static void run_codec(const struct codec_run *run, const struct wr_schema *schema,
                      const char *encode) {
    struct wr_batch_pool pool;
    struct wr_buf out;
    uint32_t rejects = 0;
    const struct wr_decoder_type *type = wr_decoder_find(run->format);
    const struct wr_encoder_type *encoder_type = wr_encoder_find(encode);
    wr_batch_pool_init(&pool, &wr_budget_control);
    wr_buf_init(&out, &wr_budget_control, 0);
    struct wr_decoder *decoder = wr_alloc_zero(&wr_budget_control, type->size_bytes);
    struct wr_encoder *encoder = wr_alloc_zero(&wr_budget_control, encoder_type->size_bytes);
    struct wr_buffer *buffer = wr_buffer_new(&wr_budget_control, strlen(run->text));
    if (decoder != NULL && encoder != NULL && buffer != NULL) {
        memcpy(buffer->bytes, run->text, strlen(run->text));
        *decoder = (struct wr_decoder){.type = type, .line = 1};
        decoder->setup = (struct wr_decoder_setup){.schema = schema,
                                                   .pool = &pool,
                                                   .reject = count_reject,
                                                   .reject_ctx = &rejects,
                                                   .keep_text = 1,
                                                   .batch_rows = 4};
        encoder->type = encoder_type;
        encoder->schema = schema;
        int status = type->open(decoder, NULL);
        if (status == WR_OK) {
            status = encoder_type->open(encoder, NULL);
            if (status == WR_OK) {
                status = decode_and_encode(run, decoder, encoder, buffer, &out);
                if (encoder_type->close != NULL)
                    encoder_type->close(encoder);
            }
            type->close(decoder);
        }
        CHECK(status == WR_OK || status == WR_ENOMEM);
        CHECK_INT(rejects, <=, run->rejects_expected);
        if (status == WR_OK)
            CHECK_INT(rejects, ==, run->rejects_expected);
    }
    wr_buffer_unref(buffer);
    wr_free(&wr_budget_control, decoder);
    wr_free(&wr_budget_control, encoder);
    wr_buf_release(&out);
    wr_batch_pool_release(&pool);
}

static struct wr_field fields[] = {
    {.name = "s", .name_length = 1, .type = {.kind = WR_STRING}},
    {.name = "i", .name_length = 1, .type = {.kind = WR_INT64}},
    {.name = "y", .name_length = 1, .type = {.kind = WR_BYTES}},
};

/* A schema that takes no memory of the test's. */
static const struct wr_schema *plain_schema(void) {
    static union {
        struct wr_schema schema;
        char room[sizeof(struct wr_schema) + sizeof fields];
    } made;
    made.schema.field_count = 3;
    memcpy(made.schema.fields, fields, sizeof fields);
    return &made.schema;
}

TEST_EACH_ALLOCATION_FAILS(csv_blames_no_row_for_want_of_memory) {
    static const struct codec_run run = {
        "csv",
        "s,zz,i,y\n\"a text of more than twelve bytes with \"\"quotes\"\"\",,1,aGk=\nx,,no,\n"
        "\"\"\"\",,2,aGk=\n,,3,\nx,,4,\nx,,5,\n",
        1};
    run_codec(&run, plain_schema(), "csv");
}

TEST_EACH_ALLOCATION_FAILS(ndjson_blames_no_row_for_want_of_memory) {
    static const struct codec_run run = {
        "ndjson",
        "{\"s\":\"a text with more than twelve bytes and \\n\",\"i\":1,\"y\":\"aGk=\"}\n"
        "{\"\\u0073\":\"x\",\"i\":\"no\"}\n{\"\\u0073\":\"x\\n\",\"i\":2}\n{\"i\":3}\n{\"i\":4}\n"
        "{\"i\":5}\n",
        1};
    run_codec(&run, plain_schema(), "ndjson");
}

TEST_EACH_ALLOCATION_FAILS(json_blames_no_row_for_want_of_memory) {
    static const struct codec_run run = {
        "json", "[{\"s\":\"a text with more than twelve bytes and \\n\",\"i\":1},{\"i\":\"no\"}]",
        1};
    run_codec(&run, plain_schema(), "table");
}
