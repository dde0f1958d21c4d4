#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

void wr_buf_init(struct wr_buf *buf, struct wr_budget *budget, size_t length_max) {
    *buf = (struct wr_buf){.budget = budget, .length_max = length_max};
}

void wr_buf_release(struct wr_buf *buf) {
    wr_free(buf->budget, buf->bytes);
    buf->bytes = NULL;
    buf->length = buf->room = 0;
}

void wr_buf_clear(struct wr_buf *buf) {
    buf->length = 0;
    buf->status = WR_OK;
}

int wr_buf_reserve(struct wr_buf *buf, size_t more) {
    if (buf->status != WR_OK)
        return buf->status;
    if (more > SIZE_MAX / 4 || (buf->length_max != 0 && buf->length + more > buf->length_max))
        return buf->status = WR_ELIMIT;
    if (buf->bytes != NULL && buf->room - buf->length >= more)
        return WR_OK;
    size_t room = WR_MAX(buf->room * 2, WR_MAX(buf->length + more, (size_t)64));
    char *bytes = wr_realloc(buf->budget, buf->bytes, room + 1);
    if (bytes == NULL)
        return buf->status = WR_ENOMEM;
    buf->bytes = bytes;
    buf->room = room;
    return WR_OK;
}

int wr_buf_add(struct wr_buf *buf, const void *bytes, size_t length) {
    int status = wr_buf_reserve(buf, length);
    if (status != WR_OK)
        return status;
    if (length > 0)
        memcpy(buf->bytes + buf->length, bytes, length);
    buf->length += length;
    buf->bytes[buf->length] = 0;
    return WR_OK;
}

int wr_buf_add_text(struct wr_buf *buf, const char *text) {
    return wr_buf_add(buf, text, strlen(text));
}

int wr_buf_add_char(struct wr_buf *buf, char byte) {
    return wr_buf_add(buf, &byte, 1);
}

int wr_buf_addf(struct wr_buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    WR_ASSERT(length >= 0);
    int status = wr_buf_reserve(buf, (size_t)length);
    if (status == WR_OK) {
        vsnprintf(buf->bytes + buf->length, (size_t)length + 1, format, again);
        buf->length += (size_t)length;
    }
    va_end(again);
    return status;
}

int wr_buf_add_u32(struct wr_buf *buf, uint32_t value) {
    return wr_buf_add(buf, &value, sizeof value);
}

int wr_buf_add_u64(struct wr_buf *buf, uint64_t value) {
    return wr_buf_add(buf, &value, sizeof value);
}

int wr_buf_add_varint(struct wr_buf *buf, uint64_t value) {
    char bytes[10];
    size_t length = 0;
    while (value >= 0x80) {
        bytes[length++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[length++] = (char)value;
    return wr_buf_add(buf, bytes, length);
}

const char *wr_reader_bytes(struct wr_reader *reader, size_t length) {
    if (reader->failed || reader->length - reader->at < length) {
        reader->failed = 1;
        return NULL;
    }
    const char *bytes = reader->bytes + reader->at;
    reader->at += length;
    return bytes;
}

uint32_t wr_reader_u32(struct wr_reader *reader) {
    uint32_t value = 0;
    const char *bytes = wr_reader_bytes(reader, sizeof value);
    if (bytes != NULL)
        memcpy(&value, bytes, sizeof value);
    return value;
}

uint64_t wr_reader_u64(struct wr_reader *reader) {
    uint64_t value = 0;
    const char *bytes = wr_reader_bytes(reader, sizeof value);
    if (bytes != NULL)
        memcpy(&value, bytes, sizeof value);
    return value;
}

uint64_t wr_reader_varint(struct wr_reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const char *byte = wr_reader_bytes(reader, 1);
        if (byte == NULL)
            return 0;
        if (shift == 63 && (*byte & 0x7f) > 1)
            break; /* more than 64 bits */
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if ((*byte & 0x80) == 0)
            return value;
    }
    reader->failed = 1;
    return 0;
}
