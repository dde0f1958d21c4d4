/* lookup_asked.c: `lookup` into an endpoint that is asked for the keys of each batch. Its answers
 * are rows of the table as if it had been read, so that the rest of the stage is the same; keys
 * that it does not have are there too, without rows. An answer holds until the endpoint says that
 * it has changed, or for `cache`. When the answers are many all are forgotten. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/lookup.h"
#include "base/banned.h"

#define BYTES_MIN (UINT64_C(1) << 20) /* of answers, or a quarter of the budget of state */

/* A key of the other side is asked for as it is. */
static int key_columns(const struct lookup_config *config, struct wr_bind *bind, uint16_t *keys,
                       struct wr_error *err) {
    for (uint32_t k = 0; k < config->right_keys->item_count; k++) {
        const struct wr_item *item = &config->right_keys->items[k];
        if (item->column < 0) {
            wr_error_script(err, "W203",
                            "a key of `%s` must be one of its columns, of the type of "
                            "the other side",
                            bind->asked_name);
            wr_error_help(err, "right of `==` stands the column, left of it an expression of its "
                               "type: `{ on = \"int64(x) == id\" }`");
            wr_error_at(err, "on", 0, 0);
            return WR_ESCRIPT;
        }
        keys[k] = (uint16_t)item->column;
    }
    return WR_OK;
}

int lookup_asked_bind(struct wr_bind *bind, struct lookup_config *config, struct wr_error *err) {
    uint16_t keys[WR_KEY_COLUMNS_MAX];
    void *made = NULL;
    int status = key_columns(config, bind, keys, err);
    if (status == WR_OK)
        status =
            bind->asked->bind(bind->arena, bind->env, bind->asked_config, config->right, keys,
                              config->right_keys->item_count, &made, &config->asked_scans, err);
    if (status != WR_OK)
        return status;
    config->asked = bind->asked;
    config->asked_config = made;
    config->asked_name = bind->asked_name;
    config->cache_us = wr_value_int(bind->spec, "cache", 0);
    bind->out.repeatable = 0;
    bind->keeps_rows = config->how == HOW_LEFT && !config->many;
    bind->type = &wr_op_lookup_asked;
    return WR_OK;
}

int lookup_asked_open(struct lookup *self, struct wr_error *err) {
    const struct lookup_config *config = self->base.config;
    struct wr_op_env *env = self->base.env;
    uint32_t count = config->right->field_count;
    self->asked = wr_alloc_zero(&wr_budget_control, config->asked->size_bytes);
    self->asked_needed = wr_alloc_zero(&wr_budget_control, WR_BITS_WORDS(count + WR_HIDDEN_COUNT) *
                                                               sizeof *self->asked_needed);
    if (self->asked == NULL || self->asked_needed == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for `lookup`");
    lookup_needs(config, NULL, 1, self->base.needed, self->asked_needed);
    *self->asked = (struct wr_asked){.type = config->asked,
                                     .config = config->asked_config,
                                     .schema = config->right,
                                     .env = env->env,
                                     .pool = env->pool,
                                     .needed = self->asked_needed,
                                     .batch_rows = env->batch_rows,
                                     .name = config->asked_name,
                                     .stop = env->stop};
    return config->asked->open(self->asked, err);
}

void lookup_asked_close(struct lookup *self) {
    if (self->asked != NULL && self->asked->type != NULL)
        self->asked->type->close(self->asked);
    wr_free(&wr_budget_control, self->asked);
    wr_free(&wr_budget_control, self->asked_needed);
    self->asked = NULL;
    self->asked_needed = NULL;
}

/* All answers. */
static int forget(struct lookup *self) {
    lookup_table_release(self, &self->table);
    self->bytes = 0;
    return lookup_table_open(self, &self->table);
}

static int forget_what_is_old(struct lookup *self) {
    const struct lookup_config *config = self->base.config;
    uint64_t most = WR_MAX(BYTES_MIN, self->base.env->state_budget->bytes_max / 4);
    int changed = 0, status = config->asked->changed(self->asked, &changed, *self->base.env->err);
    changed &= config->cache_us == 0;
    if (status == WR_OK && (changed || self->bytes + wr_table_bytes(self->table.index) > most))
        status = forget(self);
    return status;
}

/* Keys that have to be asked for. */
struct question {
    uint32_t count;
    uint32_t *rows; /* of the batch, one a key */
    char *keys;
    uint64_t *hashes;
    uint8_t **known; /* their rows of the index, when all are there */
};

static int question_new(struct lookup *self, uint32_t count, struct question *question) {
    const struct lookup_config *config = self->base.config;
    struct wr_arena *scratch = self->base.env->scratch;
    *question = (struct question){
        .rows = WR_ARENA_ARRAY(scratch, uint32_t, count + 1),
        .keys = wr_arena_alloc(scratch, (size_t)count * config->layout.key_bytes + 8),
        .hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1),
        .known = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1),
    };
    return question->rows == NULL || question->keys == NULL || question->hashes == NULL ||
                   question->known == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static int find_unknown(struct lookup *self, const uint32_t *sel, uint32_t count, const char *keys,
                        const uint64_t *hashes, struct question *question) {
    const struct lookup_config *config = self->base.config;
    size_t key_bytes = config->layout.key_bytes;
    int64_t now_us = self->base.env->now_us;
    self->turn++;
    for (uint32_t i = 0; i < count; i++) {
        const char *key = keys + i * key_bytes;
        uint8_t *row, made;
        if (equi_matches_nothing(&config->layout, key))
            continue;
        int status = wr_table_upsert(self->table.index, key, hashes + i, 1, &row, &made);
        if (status != WR_OK)
            return status;
        struct table_key *known = lookup_key_of(self, row);
        int is_old = config->cache_us > 0 && known->turn != self->turn &&
                     now_us - known->asked_us >= config->cache_us;
        if (!made && !is_old)
            continue;
        *known = (struct table_key){
            .first = NO_ROW, .last = NO_ROW, .asked_us = now_us, .turn = self->turn};
        memcpy(question->keys + question->count * key_bytes, key, key_bytes);
        question->hashes[question->count] = hashes[i];
        question->rows[question->count++] = sel == NULL ? i : sel[i];
    }
    wr_table_find(self->table.index, question->keys, question->hashes, question->count,
                  question->known);
    return WR_OK;
}

/* Rows of an answer go to the keys for which they were found, in the order in which they came. */
static int take_answer(struct lookup *self, const struct question *question,
                       struct wr_batch *answer, const uint32_t *of, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_op *op = &self->base;
    char *keys;
    uint64_t *hashes;
    uint32_t count = answer->sel_count;
    uint8_t **found = WR_ARENA_ARRAY(op->env->scratch, uint8_t *, count + 1);
    wr_op_eval_begin(op, &self->right_eval);
    int status = wr_list_run(config->right_keys, &self->right_eval, answer, op->env->scratch);
    if (status >= 0)
        status = lookup_keep(self, answer);
    if (status == WR_OK)
        status = lookup_keys(self, config->right_keys, &self->right_eval, answer, answer->sel,
                             count, &keys, &hashes);
    if (status != WR_OK || found == NULL)
        return status < 0 ? status : WR_ENOMEM;
    self->bytes += wr_arena_bytes(&self->table.batches[self->table.batch_count - 1]->arena);
    wr_table_find(self->table.index, keys, hashes, count, found);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        if (found[i] == question->known[of[i]])
            status =
                lookup_add_row(self, answer, wr_batch_row(answer, i), lookup_key_of(self, found[i]),
                               (uint64_t)(self->table.batch_count - 1) << 32 | i, out);
    return status;
}

int lookup_ask(struct lookup *self, struct wr_batch *in, const uint32_t *sel, uint32_t count,
               const char *keys, const uint64_t *hashes, struct wr_out *out) {
    const struct lookup_config *config = self->base.config;
    struct wr_error *err = *self->base.env->err;
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    struct question question;
    int status = question_new(self, count, &question);
    if (status == WR_OK)
        status = forget_what_is_old(self);
    if (status == WR_OK)
        status = find_unknown(self, sel, count, keys, hashes, &question);
    if (status != WR_OK || question.count == 0)
        return status;
    lookup_columns(config->left_keys, &self->left_eval, in, columns);
    status = self->asked->type->ask(self->asked, columns, question.rows, question.count, err);
    while (status == WR_OK) {
        struct wr_batch *answer = NULL;
        const uint32_t *of;
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        status = self->asked->type->next(self->asked, &answer, &of, err);
        if (status == WR_OK)
            status = take_answer(self, &question, answer, of, out);
        wr_batch_unref(answer);
        wr_arena_rewind(scratch, mark);
    }
    return status == WR_EEND ? WR_OK : status;
}
