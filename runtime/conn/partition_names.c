/* partition_names.c: how the directories of a partitioned sink are called, and which are known. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/partition.h"
#include "base/banned.h"

int partition_no_memory(const struct partition_sink *self, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: memory budget `%s` is used up", self->base.name,
                        self->base.budget->name);
}

/* How Hive calls the directory of rows that have no value: nil, and as Hive and Spark have it an
 * empty text, which those who read it take for nil. A text that is this one is escaped, so that it
 * is read as itself. */
#define NO_VALUE "__HIVE_DEFAULT_PARTITION__"

/* Bytes that mean something in a path, a pattern or to those who read such directories. */
static int must_escape(unsigned char byte) {
    return byte < 0x20 || byte == 0x7f || strchr("\"#%'*/:=?\\{}[]^<>|", byte) != NULL;
}

void partition_add_escaped(struct wr_buf *out, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (must_escape(byte))
            wr_buf_addf(out, "%%%02X", byte);
        else
            wr_buf_add_char(out, (char)byte);
    }
}

/* Which is 0.0, as in a key. */
static int is_negative_zero(const struct wr_buf *text) {
    return text->length == 4 && memcmp(text->bytes, "-0.0", 4) == 0;
}

static void tell_empty(struct partition_sink *self, const struct wr_field *field) {
    char text[256];
    if (self->has_told_empty || self->base.note == NULL)
        return;
    snprintf(text, sizeof text,
             "an empty text of `%.*s` stands in the partition of nil, `" NO_VALUE
             "`, and is read as nil; `partition_by = \"%.*s = case(… == '', 'none', …)\"` tells "
             "them apart",
             (int)WR_MIN(field->name_length, 48u), field->name,
             (int)WR_MIN(field->name_length, 48u), field->name);
    self->base.note(self->base.note_ctx, self->base.name, text);
    self->has_told_empty = 1;
}

static void add_value(struct wr_buf *out, const struct wr_buf *value) {
    const size_t length = sizeof NO_VALUE - 1;
    int is_word = value->length == length && memcmp(value->bytes, NO_VALUE, length) == 0;
    if (value->length == 0)
        wr_buf_add_text(out, NO_VALUE);
    else if (is_word)
        wr_buf_addf(out, "%%%02X%s", NO_VALUE[0], NO_VALUE + 1);
    else
        partition_add_escaped(out, value->bytes, value->length);
}

int partition_name_of(struct partition_sink *self, const struct wr_batch *batch, uint32_t row) {
    const struct partition_config *config = self->config;
    struct wr_buf *out = &self->name, value;
    wr_buf_init(&value, self->base.budget, 0);
    wr_buf_clear(out);
    int status = WR_OK;
    for (uint32_t i = 0; i < config->column_count && status == WR_OK; i++) {
        const struct wr_field *field = &batch->schema->fields[config->columns[i]];
        const struct wr_column *column = &batch->columns[config->columns[i]];
        if (i > 0)
            wr_buf_add_char(out, '/');
        size_t begin = out->length;
        partition_add_escaped(out, field->name, field->name_length);
        wr_buf_add_char(out, '=');
        wr_buf_clear(&value);
        if (!wr_column_is_nil(column, row))
            status = wr_value_show(&value, &field->type, column, row);
        if (field->type.kind == WR_FLOAT64 && status == WR_OK && is_negative_zero(&value))
            memmove(value.bytes, value.bytes + 1, --value.length);
        if (value.length == 0 && !wr_column_is_nil(column, row))
            tell_empty(self, field);
        add_value(out, &value);
        if (status == WR_OK && out->length - begin > PARTITION_NAME_MAX)
            status = WR_ELIMIT;
    }
    wr_buf_add_char(out, 0);
    out->length -= out->status == WR_OK;
    wr_buf_release(&value);
    return out->status != WR_OK ? out->status : status;
}

static uint32_t index_slot(const struct partition_sink *self, const char *name, size_t length,
                           uint64_t hash) {
    uint32_t at = (uint32_t)hash & self->mask;
    for (; self->index[at] != 0; at = (at + 1) & self->mask) {
        const struct partition *one = &self->partitions[self->index[at] - 1];
        if (one->hash == hash && strlen(one->name) == length &&
            memcmp(one->name, name, length) == 0)
            break;
    }
    return at;
}

void partition_index_all(struct partition_sink *self) {
    memset(self->index, 0, ((size_t)self->mask + 1) * sizeof *self->index);
    for (uint32_t p = 0; p < self->count; p++) {
        uint32_t at = (uint32_t)self->partitions[p].hash & self->mask;
        while (self->index[at] != 0)
            at = (at + 1) & self->mask;
        self->index[at] = p + 1;
    }
}

/* The index is at most half full. */
static int index_grow(struct partition_sink *self) {
    if (self->index != NULL && 2 * self->count < self->mask)
        return WR_OK;
    uint32_t size = self->index == NULL ? 64 : 4 * (self->mask + 1);
    uint32_t *index = wr_alloc_zero(self->base.budget, size * sizeof *index);
    if (index == NULL)
        return WR_ENOMEM;
    wr_free(self->base.budget, self->index);
    self->index = index;
    self->mask = size - 1;
    partition_index_all(self);
    return WR_OK;
}

static int find(struct partition_sink *self, const char *name, size_t length, int is_saved,
                uint32_t *found, struct wr_error *err) {
    uint64_t hash = wr_hash_bytes(name, length, self->token);
    if (index_grow(self) != WR_OK)
        return partition_no_memory(self, err);
    uint32_t at = index_slot(self, name, length, hash);
    if (self->index[at] != 0) {
        *found = self->index[at] - 1;
        return WR_OK;
    }
    if (self->count == PARTITIONS_MAX) {
        wr_error_set(err, WR_ELIMIT, "%s: more than %u partitions are written at a time",
                     self->base.name, PARTITIONS_MAX);
        wr_error_help(err, "`partition_by` columns of fewer values, as a day or a country; or let "
                           "`roll = { quiet = \"1h\" }` complete those that no rows come to");
        return WR_ELIMIT;
    }
    uint32_t number = 0;
    int status = is_saved ? WR_OK : partition_recall(self, name, length, hash, &number, err);
    if (status != WR_OK)
        return status;
    char *copy = wr_alloc(self->base.budget, length + 1);
    if (copy == NULL || wr_grow(self->base.budget, (void **)&self->partitions, self->count,
                                &self->room, sizeof *self->partitions) != WR_OK) {
        wr_free(self->base.budget, copy);
        return partition_no_memory(self, err);
    }
    memcpy(copy, name, length);
    copy[length] = 0;
    self->partitions[self->count] = (struct partition){.name = copy,
                                                       .hash = hash,
                                                       .number = number,
                                                       .is_claimed = number > 0,
                                                       .last_us = WR_TIME_MIN,
                                                       .due_us = WR_TIME_MAX};
    *found = self->count++;
    self->index[at] = self->count;
    return WR_OK;
}

int partition_find(struct partition_sink *self, const char *name, size_t length, uint32_t *found,
                   struct wr_error *err) {
    return find(self, name, length, 0, found, err);
}

int partition_find_saved(struct partition_sink *self, const char *name, size_t length,
                         uint32_t *found, struct wr_error *err) {
    return find(self, name, length, 1, found, err);
}
