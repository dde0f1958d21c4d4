/* io.c: reading lines, writing bytes, and the hash table of the hand-written programs. */
#include "hand.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stop(const char *what) {
    perror(what);
    exit(1);
}

static void *memory(size_t size_bytes) {
    void *found = calloc(1, size_bytes);
    if (found == NULL)
        stop("memory");
    return found;
}

void reader_open(struct reader *reader, const char *path) {
    *reader = (struct reader){.file = open(path, O_RDONLY)};
    if (reader->file < 0)
        stop(path);
    reader->buffer = memory(2 * READ_BYTES + READ_PADDING);
}

static void reader_fill(struct reader *reader) {
    memmove(reader->buffer, reader->buffer + reader->from, reader->to - reader->from);
    reader->to -= reader->from;
    reader->from = 0;
    if (reader->to > READ_BYTES) {
        fprintf(stderr, "a record longer than %u bytes\n", READ_BYTES);
        exit(1);
    }
    ssize_t size_bytes = read(reader->file, reader->buffer + reader->to, READ_BYTES);
    if (size_bytes < 0)
        stop("read");
    reader->to += (size_t)size_bytes;
    reader->ended = size_bytes == 0;
}

bool reader_line(struct reader *reader, struct text *line) {
    for (;;) {
        char *start = reader->buffer + reader->from;
        char *newline = memchr(start, '\n', reader->to - reader->from);
        if (newline != NULL) {
            *line = (struct text){start, (size_t)(newline - start)};
            reader->from += line->length + 1;
            return true;
        }
        if (reader->ended) {
            *line = (struct text){start, reader->to - reader->from};
            reader->from = reader->to;
            return line->length > 0;
        }
        reader_fill(reader);
    }
}

void writer_open(struct writer *writer, const char *path) {
    *writer = (struct writer){.file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666)};
    if (writer->file < 0)
        stop(path);
    writer->buffer = memory(WRITE_BYTES);
}

static void writer_flush(struct writer *writer) {
    for (size_t done = 0; done < writer->used;) {
        ssize_t size_bytes = write(writer->file, writer->buffer + done, writer->used - done);
        if (size_bytes < 0)
            stop("write");
        done += (size_t)size_bytes;
    }
    writer->used = 0;
}

char *writer_room(struct writer *writer, size_t size_bytes) {
    if (writer->used + size_bytes > WRITE_BYTES)
        writer_flush(writer);
    return writer->buffer + writer->used;
}

void writer_close(struct writer *writer) {
    writer_flush(writer);
    if (close(writer->file) != 0)
        stop("close");
}

char *put_text(char *out, const char *text, size_t length) {
    memcpy(out, text, length);
    return out + length;
}

char *put_json(char *out, struct text text) {
    *out++ = '"';
    const char *end = text.at + text.length;
    for (const char *at = text.at; at < end;) {
        const char *from = at;
        while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
            at++;
        out = put_text(out, from, (size_t)(at - from));
        if (at == end)
            break;
        *out++ = '\\';
        if (*at == '"' || *at == '\\')
            *out++ = *at;
        else if (*at == '\n')
            *out++ = 'n';
        else if (*at == '\t')
            *out++ = 't';
        else if (*at == '\r')
            *out++ = 'r';
        else
            out += snprintf(out, 8, "u%04x", (unsigned char)*at);
        at++;
    }
    *out++ = '"';
    return out;
}

char *put_int(char *out, int64_t value) {
    char digits[24];
    int count = 0;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        digits[count++] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        *out++ = '-';
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

uint64_t hash_text(struct text text) {
    uint64_t hash = text.length * 0x9e3779b97f4a7c15;
    const char *at = text.at;
    size_t left = text.length;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = hash_int(hash ^ word);
    }
    uint64_t word = 0;
    memcpy(&word, at, left);
    return hash_int(hash ^ word) * 0x94d049bb133111eb;
}

void table_init(struct table *table, size_t row_bytes) {
    *table = (struct table){.row_bytes = row_bytes, .row_max = 512, .mask = 1023};
    table->slots = memory(1024 * sizeof *table->slots);
    table->rows = memory(table->row_max * row_bytes);
}

void table_clear(struct table *table) {
    memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    memset(table->rows, 0, table->row_count * table->row_bytes);
    table->row_count = 0;
}

static void table_grow(struct table *table, bool text_keys) {
    table->row_max *= 2;
    table->mask = table->mask * 2 + 1;
    char *rows = memory(table->row_max * table->row_bytes);
    memcpy(rows, table->rows, table->row_count * table->row_bytes);
    free(table->rows);
    free(table->slots);
    table->rows = rows;
    table->slots = memory((table->mask + 1) * sizeof *table->slots);
    for (size_t i = 0; i < table->row_count; i++) {
        const char *row = rows + i * table->row_bytes;
        uint64_t slot =
            text_keys ? hash_text(*(const struct text *)row) : hash_int(*(const uint64_t *)row);
        while (table->slots[slot & table->mask] != 0)
            slot++;
        table->slots[slot & table->mask] = (uint32_t)i + 1;
    }
}

static void *new_row(struct table *table, uint64_t slot) {
    table->slots[slot & table->mask] = (uint32_t)++table->row_count;
    return table->rows + (table->row_count - 1) * table->row_bytes;
}

void *table_int(struct table *table, int64_t key) {
    if (table->row_count == table->row_max)
        table_grow(table, false);
    uint64_t slot = hash_int((uint64_t)key);
    for (;; slot++) {
        uint32_t found = table->slots[slot & table->mask];
        if (found == 0)
            break;
        int64_t *row = (int64_t *)(table->rows + (found - 1) * table->row_bytes);
        if (*row == key)
            return row;
    }
    int64_t *row = new_row(table, slot);
    *row = key;
    return row;
}

void *table_text(struct table *table, struct text key) {
    if (table->row_count == table->row_max)
        table_grow(table, true);
    uint64_t slot = hash_text(key);
    for (;; slot++) {
        uint32_t found = table->slots[slot & table->mask];
        if (found == 0)
            break;
        struct text *row = (struct text *)(table->rows + (found - 1) * table->row_bytes);
        if (row->length == key.length && memcmp(row->at, key.at, key.length) == 0)
            return row;
    }
    struct text *row = new_row(table, slot);
    char *copy = memory(key.length + 1);
    memcpy(copy, key.at, key.length);
    *row = (struct text){copy, key.length};
    return row;
}
