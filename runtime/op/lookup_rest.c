/* lookup_rest.c: a table of `lookup` that does not fit into memory: its rows are a set (rowset.h),
 * of which most rest in a scratch file. What a save says is the same, so that a table may be read
 * back in either way. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/lookup.h"
#include "state/apart.h"
#include "state/rowset.h"
#include "base/banned.h"

#define AWAKE_PART 4u    /* of the memory of the stage, for rows that were read back */
#define SAVED_ROWS 1024u /* of a batch of a save, at most */

static const struct wr_rowset_bounds any = {WR_TIME_MIN, WR_TIME_MAX, WR_TIME_MIN};

struct lookup_rest {
    struct wr_rowset set;
    struct wr_arena arena;
    int32_t *kept; /* by right column: its number in the payload, or -1 */
};

static int failed(const struct lookup *self, int status) {
    struct wr_error *err = wr_apart_error(self->base.apart);
    if (status >= 0 || status == WR_ENOMEM || err == NULL || err->status != status)
        return status;
    return wr_error_add(err, status, "stage lookup");
}

/* A table that is read again has half of what there is. */
static uint64_t memory_of(const struct lookup *self) {
    int has_next = self->next.index != NULL || self->next.rest != NULL;
    return self->base.apart->memory_bytes / (has_next ? 2 : 1);
}

/* ---- from memory ---- */

void lookup_rest_free(struct lookup *self, struct lookup_table *table) {
    if (table->rest == NULL)
        return;
    wr_rowset_release(&table->rest->set);
    wr_arena_release(&table->rest->arena);
    wr_free(self->base.env->state_budget, table->rest);
    table->rest = NULL;
}

static int rest_new(struct lookup *self, struct lookup_table *table) {
    const struct lookup_config *config = self->base.config;
    struct wr_op_env *env = self->base.env;
    struct lookup_rest *rest = wr_alloc_zero(env->state_budget, sizeof *rest);
    if (rest == NULL)
        return WR_ENOMEM;
    table->rest = rest;
    rest->set.budget = env->state_budget;
    wr_arena_init(&rest->arena, env->state_budget, 4096);
    uint32_t count = config->right->field_count;
    uint64_t *kept = WR_ARENA_ZEROS(&rest->arena, uint64_t, WR_BITS_WORDS(count + WR_HIDDEN_COUNT));
    rest->kept = WR_ARENA_ARRAY(&rest->arena, int32_t, count + 1);
    if (kept == NULL || rest->kept == NULL)
        return WR_ENOMEM;
    lookup_needs(config, NULL, 1, self->base.needed, kept);
    int status = wr_rowset_init(&rest->set, &rest->arena, env->state_budget, &config->layout,
                                config->right, kept, 0, env->seed);
    wr_rowset_may_rest(&rest->set, self->base.apart);
    for (uint32_t c = 0; c < count; c++)
        rest->kept[c] = -1;
    for (uint32_t k = 0; status == WR_OK && k < rest->set.payload.count; k++)
        rest->kept[rest->set.payload.columns[k]] = (int32_t)k;
    if (status != WR_ELIMIT)
        return status;
    return wr_error_set(wr_apart_error(self->base.apart), status,
                        "rows of the table of a lookup are wider than %d bytes", WR_ROW_BYTES_MAX);
}

/* Rows whose keys stand at rows[i] of `keys` and that match something. */
static int add_rows(struct lookup *self, struct lookup_rest *rest, struct wr_batch *in,
                    const uint32_t *sel, uint32_t count, char *keys, uint64_t *hashes) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t bytes = config->layout.key_bytes, added = 0;
    uint32_t *rows = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    struct wr_rowset_entry *entries = WR_ARENA_ZEROS(scratch, struct wr_rowset_entry, count + 1);
    if (rows == NULL || entries == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (equi_matches_nothing(&config->layout, keys + (size_t)i * bytes))
            continue;
        memmove(keys + (size_t)added * bytes, keys + (size_t)i * bytes, bytes);
        hashes[added] = hashes[i];
        entries[added].until_us = WR_TIME_MAX;
        rows[added++] = sel == NULL ? i : sel[i];
    }
    return wr_rowset_add(&rest->set, keys, hashes, entries, in, rows, added);
}

static int relieve(struct lookup *self, struct lookup_rest *rest) {
    uint64_t max = memory_of(self);
    if (max == 0 || wr_rowset_bytes(&rest->set) <= max)
        return WR_OK;
    return failed(self, wr_rowset_relieve(&rest->set, max - max / 8));
}

/* Rows of a batch that was kept, which goes. */
static int move_batch(struct lookup *self, struct lookup_table *table, uint32_t number) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    struct wr_batch *batch = table->batches[number];
    char *keys;
    uint64_t *hashes;
    wr_op_eval_begin(&self->base, &self->right_eval);
    int status = wr_list_run(config->right_keys, &self->right_eval, batch, scratch);
    status = WR_MIN(status, WR_OK);
    if (status == WR_OK)
        status = lookup_keys(self, config->right_keys, &self->right_eval, batch, NULL,
                             batch->row_count, &keys, &hashes);
    table->rest->set.adds_saved =
        self->loading || (table == &self->table && !self->is_new && number < self->saved_batches);
    if (status == WR_OK)
        status = add_rows(self, table->rest, batch, NULL, batch->row_count, keys, hashes);
    table->rest->set.adds_saved = 0;
    wr_arena_rewind(scratch, mark);
    wr_batch_unref(batch);
    table->batches[number] = NULL;
    return status == WR_OK ? relieve(self, table->rest) : status;
}

/* All rows of a table in memory become a set. */
static int begin(struct lookup *self, struct lookup_table *table) {
    struct wr_budget *budget = self->base.env->state_budget;
    uint32_t moved = 0;
    int status = rest_new(self, table);
    wr_table_free(table->index);
    wr_free(budget, table->rows);
    table->index = NULL;
    table->rows = NULL;
    table->row_count = table->row_room = 0;
    for (; moved < table->batch_count && status == WR_OK; moved++)
        status = move_batch(self, table, moved);
    for (uint32_t b = moved; b < table->batch_count; b++)
        wr_batch_unref(table->batches[b]);
    wr_free(budget, table->batches);
    table->batches = NULL;
    table->batch_count = table->batch_room = 0;
    table->bytes = 0;
    if (self->table.batch_count == 0 && self->next.batch_count == 0)
        wr_batch_pool_release(&self->pool);
    return status;
}

static uint64_t bytes_of(const struct lookup_table *table) {
    return wr_table_bytes(table->index) + table->bytes + table->row_room * sizeof *table->rows;
}

int lookup_may_rest(const struct lookup *self) {
    const struct lookup_table *table = &self->table;
    uint64_t max = self->base.apart == NULL ? 0 : memory_of(self);
    return max > 0 && table->rest == NULL && bytes_of(table) > max / 2;
}

int lookup_relieve(struct lookup *self, struct lookup_table *table) {
    const struct wr_apart *apart = self->base.apart;
    const struct wr_op_env *env = self->base.env;
    uint64_t max = apart == NULL ? 0 : memory_of(self);
    if (max == 0 || env->state_budget->bytes_used < 2 * env->spill_bytes)
        return WR_OK; /* all stages together take less than half of the memory */
    if (table->rest != NULL) {
        wr_rowset_settle(&table->rest->set);
        return relieve(self, table->rest);
    }
    return bytes_of(table) <= max || table->row_count == 0 ? WR_OK : begin(self, table);
}

/* ---- rows of the table ---- */

/* The first row of a key; NULL: none, or *status. */
static struct wr_rowset_row *find_first(struct wr_rowset *set, const char *key, uint64_t hash,
                                        struct wr_rowset_row *head, int *status) {
    struct wr_rowset_probe probe;
    wr_rowset_probe_begin(&probe, set, key, hash, &any, head);
    struct wr_rowset_row *row = wr_rowset_probe_next(&probe);
    *status = probe.status;
    return row;
}

/* Where the row of a key that is there already may be looked at. */
static int second_row(struct lookup *self, struct lookup_rest *rest, struct wr_batch *in,
                      uint32_t row, const struct wr_rowset_row *first, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = config->right->field_count;
    struct wr_column *columns = WR_ARENA_ZEROS(scratch, struct wr_column, count + 1);
    const uint8_t *payload = wr_rowset_payload(&rest->set, first);
    int status = columns == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t c = 0; c < count && status == WR_OK; c++)
        if (rest->kept[c] >= 0)
            status = wr_payload_read(&rest->set.payload, (uint32_t)rest->kept[c], &payload, 1,
                                     scratch, &columns[c]);
    return status == WR_OK ? lookup_second_row(self, in, row, columns, 0, out) : status;
}

/* Each row must be the only one of its key. */
static int add_each(struct lookup *self, struct lookup_rest *rest, struct wr_batch *in,
                    const uint32_t *sel, uint32_t count, char *keys, uint64_t *hashes,
                    struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_rowset *set = &rest->set;
    uint64_t most = memory_of(self) / AWAKE_PART;
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status >= 0; i++) {
        char *key = keys + (size_t)i * config->layout.key_bytes;
        struct wr_rowset_row *head, *first = NULL;
        uint32_t row = sel == NULL ? i : sel[i];
        if (equi_matches_nothing(&config->layout, key))
            continue;
        status = wr_rowset_heads(set, key, &hashes[i], &any, 1, &head);
        if (status == WR_OK)
            first = find_first(set, key, hashes[i], head, &status);
        if (status == WR_OK && first != NULL)
            return second_row(self, rest, in, row, first, out);
        const struct wr_rowset_entry entry = {.until_us = WR_TIME_MAX};
        if (status == WR_OK)
            status = wr_rowset_add(set, key, &hashes[i], &entry, in, &row, 1);
        if (status == WR_OK && set->awake_bytes > most)
            status = wr_rowset_tend(set, most / 4);
    }
    return failed(self, status);
}

int lookup_rest_add(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                    char *keys, uint64_t *hashes, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct lookup_rest *rest = self->filling->rest;
    rest->set.adds_saved = self->loading;
    int status = config->many || self->loading
                     ? add_rows(self, rest, in, sel, count, keys, hashes)
                     : add_each(self, rest, in, sel, count, keys, hashes, out);
    rest->set.adds_saved = 0;
    return status;
}

/* ---- their matches ---- */

/* The first match of each row, as a number that stands for the stored row; NO_ROW: none. Where
 * somebody only asks whether there is one, it may be gone again. */
static int find_firsts(struct lookup *self, const char *keys, const uint64_t *hashes,
                       struct wr_rowset_row *const *heads, uint32_t count, uint64_t *first) {
    const struct lookup_config *config = self->base.config;
    struct wr_rowset *set = &self->table.rest->set;
    uint64_t most = memory_of(self) / AWAKE_PART;
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const char *key = keys + (size_t)i * config->layout.key_bytes;
        first[i] = NO_ROW;
        if (equi_matches_nothing(&config->layout, key))
            continue;
        const struct wr_rowset_row *row = find_first(set, key, hashes[i], heads[i], &status);
        if (row != NULL)
            first[i] = (uint64_t)(uintptr_t)row;
        if (config->how >= HOW_SEMI && set->awake_bytes > most && status == WR_OK)
            status = wr_rowset_tend(set, most / 4);
    }
    return status;
}

static int compare_rows(const void *a, const void *b) {
    const struct wr_rowset_row *const *x = a, *const *y = b;
    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* All matches of one row, in the order of the table. *rows grows. */
static int find_all(struct lookup *self, const char *key, uint64_t hash, struct wr_rowset_row *head,
                    struct wr_rowset_row ***rows, uint32_t *room, uint32_t *count) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_rowset_probe probe;
    wr_rowset_probe_begin(&probe, &self->table.rest->set, key, hash, &any, head);
    *count = 0;
    for (struct wr_rowset_row *row; (row = wr_rowset_probe_next(&probe)) != NULL;) {
        if (*count == *room) {
            uint32_t more = WR_MAX(2 * *room, 64u);
            struct wr_rowset_row **grown = WR_ARENA_ARRAY(scratch, struct wr_rowset_row *, more);
            if (grown == NULL)
                return WR_ENOMEM;
            if (*count > 0)
                memcpy(grown, *rows, *count * sizeof(struct wr_rowset_row *));
            *rows = grown;
            *room = more;
        }
        (*rows)[(*count)++] = row;
    }
    if (*count > 1)
        qsort(*rows, *count, sizeof **rows, compare_rows);
    return failed(self, probe.status);
}

static int emit_many(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const char *keys, const uint64_t *hashes, struct wr_rowset_row *const *heads,
                     struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_rowset *set = &self->table.rest->set;
    uint64_t most = memory_of(self) / AWAKE_PART;
    struct lookup_pairs pairs;
    struct wr_rowset_row **rows = NULL;
    uint32_t room = 0;
    int flow = lookup_pairs_begin(self, in, &pairs);
    for (uint32_t i = 0; i < count && flow == WR_FLOW_MORE; i++) {
        const char *key = keys + (size_t)i * config->layout.key_bytes;
        uint32_t found = 0, left = sel == NULL ? i : sel[i];
        if (!equi_matches_nothing(&config->layout, key))
            flow = find_all(self, key, hashes[i], heads[i], &rows, &room, &found);
        if (flow == WR_FLOW_MORE && found == 0 && config->how == HOW_LEFT)
            flow = lookup_pairs_add(self, &pairs, left, NO_ROW, out);
        for (uint32_t m = 0; m < found && flow == WR_FLOW_MORE; m++)
            flow = lookup_pairs_add(self, &pairs, left, (uint64_t)(uintptr_t)rows[m], out);
        if (flow != WR_FLOW_MORE || set->awake_bytes <= most)
            continue;
        flow = lookup_pairs_flush(self, &pairs, out);
        if (flow == WR_FLOW_MORE)
            flow = failed(self, wr_rowset_tend(set, most / 4));
    }
    return flow == WR_FLOW_MORE ? lookup_pairs_flush(self, &pairs, out) : flow;
}

int lookup_rest_push(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
                     const char *keys, const uint64_t *hashes, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_rowset_bounds *bounds = WR_ARENA_ARRAY(scratch, struct wr_rowset_bounds, count);
    struct wr_rowset_row **heads = WR_ARENA_ARRAY(scratch, struct wr_rowset_row *, count);
    uint64_t *first = WR_ARENA_ARRAY(scratch, uint64_t, count);
    if (bounds == NULL || heads == NULL || first == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        bounds[i] = any;
    int status = wr_rowset_heads(&self->table.rest->set, keys, hashes, bounds, count, heads);
    if (status != WR_OK)
        return status;
    if (config->many && config->how < HOW_SEMI)
        return emit_many(self, in, sel, count, keys, hashes, heads, out);
    status = failed(self, find_firsts(self, keys, hashes, heads, count, first));
    return status == WR_OK ? lookup_emit_firsts(self, in, sel, count, first, out) : status;
}

int lookup_rest_column(const struct lookup *self, uint32_t column, const uint64_t *stored,
                       uint32_t count, struct wr_batch *batch, uint32_t to) {
    const struct lookup_rest *rest = self->table.rest;
    const uint8_t **at = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count + 1);
    if (at == NULL)
        return WR_ENOMEM;
    WR_ASSERT(rest->kept[column] >= 0);
    for (uint32_t i = 0; i < count; i++)
        at[i] =
            stored[i] == NO_ROW
                ? NULL
                : wr_rowset_payload(&rest->set, (const struct wr_rowset_row *)(uintptr_t)stored[i]);
    return wr_payload_read(&rest->set.payload, (uint32_t)rest->kept[column], at, count,
                           &batch->arena, &batch->columns[to]);
}

/* ---- saving ---- */

/* Stored rows as a batch of the table. */
static int save_batch(struct lookup *self, struct wr_rowset_row *const *rows, uint32_t count,
                      struct wr_buf *out) {
    const struct lookup_config *config = self->base.config;
    const struct lookup_rest *rest = self->table.rest;
    struct wr_batch *batch = wr_batch_new(&self->pool, config->right);
    const uint8_t **at = WR_ARENA_ARRAY(self->base.env->scratch, const uint8_t *, count);
    int status = batch == NULL || at == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        at[i] = wr_rowset_payload(&rest->set, rows[i]);
    for (uint32_t c = 0; c < config->right->field_count && status == WR_OK; c++)
        if (rest->kept[c] >= 0)
            status = wr_payload_read(&rest->set.payload, (uint32_t)rest->kept[c], at, count,
                                     &batch->arena, &batch->columns[c]);
    if (status == WR_OK) {
        batch->row_count = batch->sel_count = count;
        status = wr_batch_save(batch, out);
    }
    wr_batch_unref(batch);
    return status;
}

int lookup_rest_save(struct lookup *self, struct wr_buf *out, int all) {
    struct wr_rowset *set = &self->table.rest->set;
    struct wr_arena *scratch = self->base.env->scratch;
    int anew = !self->saving && (all || self->is_new);
    if (!self->saving && !anew && !wr_rowset_has_changed(set))
        return WR_OK;
    wr_buf_add_char(out, (char)anew);
    size_t start = out->length;
    uint32_t batches = 0, count = 1;
    int status = wr_buf_add_u32(out, 0);
    while (status == WR_OK && (batches == 0 || out->length - start < self->base.env->piece_bytes)) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        struct wr_rowset_row **rows = WR_ARENA_ARRAY(scratch, struct wr_rowset_row *, SAVED_ROWS);
        status = rows == NULL
                     ? WR_ENOMEM
                     : failed(self, wr_rowset_save_rows(set, anew, rows, SAVED_ROWS, &count));
        if (status == WR_OK && count > 0)
            status = save_batch(self, rows, count, out);
        wr_arena_rewind(scratch, mark);
        if (count == 0)
            break;
        batches++;
    }
    if (status != WR_OK)
        return status;
    memcpy(out->bytes + start, &batches, sizeof batches);
    self->saving = count > 0;
    if (self->saving)
        return WR_EAGAIN;
    self->is_new = 0;
    return WR_OK;
}
