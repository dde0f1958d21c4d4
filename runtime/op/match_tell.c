/* match_tell.c: what `match` rejects after rows have been stored: rows for which a condition fails,
 * matches that are no results, attempts with too many ways. They are told when a step is over, in
 * the order of when they were found, which is that of time and not of batches; with the keys of
 * their group and the columns that are kept. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/match.h"
#include "base/banned.h"

static int is_key(const struct match_config *config, const struct wr_field *field) {
    for (uint32_t k = 0; k < config->layout.column_count; k++) {
        const struct wr_item *key = &config->keys->items[k];
        if (key->name_length == field->name_length &&
            memcmp(key->name, field->name, key->name_length) == 0)
            return 1;
    }
    return 0;
}

int match_tell_open(struct match *self) {
    const struct match_config *config = match_config_of(self);
    uint32_t keys = config->layout.column_count;
    struct wr_schema *schema = wr_schema_new(&self->arena, keys + config->input_count);
    self->told_cells = WR_ARENA_ARRAY(&self->arena, uint32_t, config->input_count + 1);
    if (schema == NULL || self->told_cells == NULL)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < keys; k++) {
        const struct wr_item *key = &config->keys->items[k];
        schema->fields[k] = (struct wr_field){
            .name = key->name, .name_length = key->name_length, .type = key->type};
    }
    schema->field_count = keys;
    for (uint32_t c = 0; c < config->input_count; c++) {
        const struct wr_field *field = &config->wide->fields[c];
        if (self->cells[c] < 0 || is_key(config, field))
            continue;
        self->told_cells[schema->field_count - keys] = (uint32_t)self->cells[c];
        schema->fields[schema->field_count++] = *field;
    }
    self->told_schema = schema;
    return WR_OK;
}

void match_tell_close(struct match *self) {
    for (uint32_t i = 0; i < self->told_count; i++)
        wr_free(self->base.env->state_budget, self->told[i].detail);
    wr_free(self->base.env->state_budget, self->told);
}

int match_tell(struct match *self, const struct match_told *told, const char *detail) {
    struct wr_budget *budget = self->base.env->state_budget;
    char *copy = NULL;
    if (MATCH_GROW(self, self->told, self->told_count, self->told_room) != WR_OK)
        return WR_ENOMEM;
    if (detail != NULL) {
        copy = wr_strndup(budget, detail, strlen(detail));
        if (copy == NULL)
            return WR_ENOMEM;
    }
    self->told[self->told_count] = *told;
    self->told[self->told_count++].detail = copy;
    return WR_OK;
}

static int compare_told(const void *a, const void *b) {
    const struct match_told *x = a, *y = b;
    if (x->now != y->now)
        return x->now < y->now ? -1 : 1;
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static int fill_batch(struct match *self, struct wr_batch *batch) {
    struct wr_arena *scratch = self->base.env->scratch;
    const struct match_config *config = match_config_of(self);
    uint32_t count = self->told_count, keys = config->layout.column_count;
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, count + 1);
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    const uint8_t **payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1);
    if (times == NULL || groups == NULL || rows == NULL || payloads == NULL)
        return WR_ENOMEM;
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const struct match_group_row *group = match_group_row(self, self->told[i].group);
        status = group == NULL ? WR_ECORRUPT : match_find(self, &self->told[i].id, 1, &rows[i]);
        if (status != WR_OK)
            break;
        groups[i] = (uint8_t *)(uintptr_t)match_key_of(group);
        times[i] = match_stored_of(rows[i])->time;
        payloads[i] = rows[i] + sizeof(struct match_stored);
    }
    for (uint32_t k = 0; k < keys && status == WR_OK; k++)
        status = wr_keys_column(&config->layout, k, groups, count, batch, k);
    for (uint32_t c = keys; c < batch->schema->field_count && status == WR_OK; c++)
        status = wr_payload_read(&self->payload, self->told_cells[c - keys], payloads, count,
                                 &batch->arena, &batch->columns[c]);
    batch->row_count = batch->sel_count = count;
    batch->event_time = times;
    batch->frontier = WR_TIME_MIN;
    return status;
}

int match_tell_all(struct match *self, struct wr_out *out) {
    if (self->told_count == 0)
        return WR_OK;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    qsort(self->told, self->told_count, sizeof *self->told, compare_told);
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, self->told_schema);
    int status = batch == NULL ? WR_ENOMEM : fill_batch(self, batch);
    for (uint32_t i = 0; i < self->told_count; i++) {
        struct wr_reject reject = {.code = self->told[i].code,
                                   .detail = self->told[i].detail,
                                   .stage = self->base.node,
                                   .row = i,
                                   .batch = batch};
        if (status >= 0)
            status = out->reject(out, &reject);
        wr_free(self->base.env->state_budget, self->told[i].detail);
    }
    self->told_count = 0;
    wr_batch_unref(batch);
    wr_arena_rewind(scratch, mark);
    return WR_MIN(status, WR_OK);
}
