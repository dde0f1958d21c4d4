/* table_rest.c: see table_rest.h.
 *
 *   first blob:  the keys that were deleted since the last save, as a log has them
 *   others:      u8 kind (enum wr_row_kind) · varint row_count · rows */
#include "state/table_rest.h"

#include "base/alloc.h"
#include "base/status.h"
#include "state/page.h"
#include "base/banned.h"

#define CHUNK_BYTES ((size_t)64 << 10) /* of a blob, about */
#define COUNT_BYTES 5u                 /* a varint of fixed length */

struct writer {
    struct wr_budget *budget;
    struct wr_scratch *scratch;
    struct wr_rest *rest;
    struct wr_error *err;
    struct wr_buf bytes;
    uint32_t rows; /* in `bytes` */
};

static int put(struct writer *writer, const void *bytes, size_t length) {
    struct wr_rest *rest = writer->rest;
    int status = wr_grow(writer->budget, (void **)&rest->blobs, rest->blob_count, &rest->blob_room,
                         sizeof *rest->blobs);
    if (status == WR_OK)
        status = wr_scratch_put(writer->scratch, bytes, length, &rest->blobs[rest->blob_count],
                                writer->err);
    rest->blob_count += status == WR_OK;
    return status;
}

static void chunk_begin(struct writer *writer, unsigned kind) {
    wr_buf_clear(&writer->bytes);
    wr_buf_add_char(&writer->bytes, (char)kind);
    wr_buf_add(&writer->bytes, (char[COUNT_BYTES]){0}, COUNT_BYTES);
    writer->rows = 0;
}

static int chunk_end(struct writer *writer) {
    if (writer->rows == 0 || writer->bytes.status != WR_OK)
        return writer->bytes.status;
    for (uint32_t i = 0; i < COUNT_BYTES; i++)
        writer->bytes.bytes[1 + i] =
            (char)((writer->rows >> (7 * i) & 127) | (i + 1 < COUNT_BYTES ? 128 : 0));
    return put(writer, writer->bytes.bytes, writer->bytes.length);
}

static int write_page(struct writer *writer, const struct wr_table *table,
                      const struct wr_page *page, unsigned kind) {
    for (uint32_t word = 0; word < table->bit_words; word++)
        for (uint64_t rows = wr_page_rows_of(table, page, word, kind); rows != 0;
             rows &= rows - 1) {
            uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(rows);
            wr_log_add(table->shape, &writer->bytes, wr_page_row(table, page, slot), 0,
                       table->row_bytes);
            writer->rows++;
            if (writer->bytes.length < CHUNK_BYTES)
                continue;
            int status = chunk_end(writer);
            if (status != WR_OK)
                return status;
            chunk_begin(writer, kind);
        }
    return WR_OK;
}

static int write_kind(struct writer *writer, const struct wr_table *table, unsigned kind) {
    chunk_begin(writer, kind);
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth;) {
        const struct wr_page *head = table->directory[at];
        at += UINT64_C(1) << (table->depth - head->depth);
        for (const struct wr_page *page = head; page != NULL; page = page->overflow) {
            int status = write_page(writer, table, page, kind);
            if (status != WR_OK)
                return status;
        }
    }
    return chunk_end(writer);
}

int wr_table_rest(struct wr_table *table, struct wr_budget *budget, struct wr_scratch *scratch,
                  struct wr_rest *rest, struct wr_error *err) {
    WR_ASSERT(!table->saving.active && table->frozen == NULL && table->resting == NULL);
    int owed = wr_owed_complete(table);
    if (owed != WR_OK)
        return owed;
    struct writer writer = {.budget = budget, .scratch = scratch, .rest = rest, .err = err};
    *rest = (struct wr_rest){.row_count = table->count,
                             .was_saved = table->was_saved,
                             .has_changed = (uint8_t)(wr_table_has_changed(table) != 0),
                             .deleted_count = table->deleted_count};
    wr_buf_init(&writer.bytes, budget, 0);
    int status = table->deleted.status;
    if (status == WR_OK && table->deleted_count > 0)
        status = put(&writer, table->deleted.bytes, table->deleted.length);
    for (unsigned kind = 0; kind < WR_ROW_KINDS && status == WR_OK; kind++)
        status = write_kind(&writer, table, kind);
    wr_buf_release(&writer.bytes);
    if (status != WR_OK)
        wr_rest_drop(rest, budget, scratch);
    else
        wr_table_free(table);
    return status;
}

static int read_blob(struct wr_table *table, uint32_t b, const struct wr_rest *rest,
                     struct wr_reader *in) {
    if (b == 0 && rest->deleted_count > 0)
        return wr_buf_add(&table->deleted, in->bytes, in->length);
    const char *kind = wr_reader_bytes(in, 1);
    WR_ASSERT(kind != NULL); /* its hash was right */
    return wr_log_load_rows(table, in, *kind & WR_ROW_SAVED, *kind & WR_ROW_DIRTY);
}

int wr_table_wake(struct wr_table *table, struct wr_scratch *scratch, const struct wr_rest *rest,
                  struct wr_error *err) {
    int status = wr_table_expect(table, rest->row_count);
    struct wr_budget *budget = table->budget;
    for (uint32_t b = 0; b < rest->blob_count && status == WR_OK; b++) {
        const struct wr_scratch_blob *blob = &rest->blobs[b];
        char *bytes = wr_alloc(budget, blob->length);
        if (bytes == NULL)
            return WR_ENOMEM;
        struct wr_reader in = {.bytes = bytes, .length = blob->length};
        status = wr_scratch_get(scratch, blob, bytes, err);
        if (status == WR_OK)
            status = read_blob(table, b, rest, &in);
        wr_free(budget, bytes);
    }
    table->deleted_count = rest->deleted_count;
    table->was_saved = rest->was_saved;
    if (!rest->has_changed)
        wr_log_unlist(table);
    return status;
}

void wr_rest_drop(struct wr_rest *rest, struct wr_budget *budget, struct wr_scratch *scratch) {
    for (uint32_t b = 0; b < rest->blob_count; b++)
        wr_scratch_drop(scratch, &rest->blobs[b]);
    wr_free(budget, rest->blobs);
    *rest = (struct wr_rest){0};
}
