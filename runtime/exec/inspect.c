#include "exec/inspect.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "exec/begin.h"
#include "exec/past.h"
#include "exec/state_file.h"
#include "state/store.h"
#include "base/banned.h"

/* A state that is being looked into. */
struct inspection {
    struct wr_state *state;
    struct wr_store *store;
    struct wr_arena *arena;
    struct past past;
    int checks;
    struct wr_error *err;
};

static int load_plan(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct inspection *self = ctx;
    return past_load(&self->past, self->arena, bytes);
}

static int load_shards(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct inspection *self = ctx;
    wr_reader_u64(bytes);
    self->state->shards = wr_reader_u64(bytes);
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

static struct wr_state_stage *stage_numbered(const struct inspection *self, uint64_t number) {
    uint32_t at = number < self->past.next_number ? self->past.by_number[number] : PAST_NONE;
    return at == PAST_NONE ? NULL : &self->state->stages[at];
}

/* A state of before does not say it. */
static int load_waiting(const struct inspection *self, struct wr_reader *bytes) {
    if (bytes->at == bytes->length)
        return WR_OK;
    for (uint32_t count = wr_reader_u32(bytes); count > 0 && !bytes->failed; count--) {
        struct wr_state_stage *stage = stage_numbered(self, wr_reader_varint(bytes));
        if (stage == NULL)
            return WR_ECORRUPT;
        stage->waiting += wr_reader_varint(bytes);
    }
    return WR_OK;
}

/* What put_run of checkpoint.c has written. */
static int load_facts(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct inspection *self = ctx;
    struct wr_state *state = self->state;
    state->saved_us = (int64_t)wr_reader_u64(bytes);
    state->rows_in = wr_reader_u64(bytes);
    state->rejected = wr_reader_u64(bytes);
    state->late = wr_reader_u64(bytes);
    wr_reader_bytes(bytes, 1 + 8); /* whether it steps aside; the turn of the reject log */
    uint64_t held = wr_reader_u64(bytes);
    const char *gives = wr_reader_bytes(bytes, 1);
    state->rejects_waiting = gives != NULL && *gives == 0 ? held : 0;
    for (uint32_t count = wr_reader_u32(bytes); count > 0 && !bytes->failed; count--) {
        struct wr_state_stage *stage = stage_numbered(self, wr_reader_varint(bytes));
        wr_reader_varint(bytes); /* which instance */
        struct wr_reader one = {.length = wr_reader_u32(bytes)};
        one.bytes = wr_reader_bytes(bytes, one.length);
        if (stage == NULL || one.bytes == NULL)
            return WR_ECORRUPT;
        wr_reader_u64(&one); /* the frontier of its input */
        int64_t frontier = (int64_t)wr_reader_u64(&one);
        stage->frontier =
            stage->frontier == WR_TIME_MAX ? frontier : WR_MIN(stage->frontier, frontier);
        stage->rows_in += wr_reader_u64(&one);
        stage->rows_out += wr_reader_u64(&one);
        uint64_t records = wr_reader_u64(&one);
        if (strcmp(stage->kind, "source") == 0)
            stage->rows_in += records - WR_MIN(records, stage->rows_in);
        stage->rows += wr_reader_u64(&one);
        if (one.failed)
            return WR_ECORRUPT;
    }
    if (load_waiting(self, bytes) != WR_OK)
        return WR_ECORRUPT;
    return bytes->failed ? WR_ECORRUPT : WR_OK;
}

static int look_at_piece(void *ctx, struct wr_reader *bytes, int base) {
    (void)ctx, (void)bytes, (void)base;
    return WR_OK;
}

static int load_end(void *ctx, struct wr_reader *bytes, int base) {
    (void)base;
    struct wr_state_stage *stage = ctx;
    const char *ended = wr_reader_bytes(bytes, 1);
    stage->ended &= ended != NULL && *ended != 0;
    return ended == NULL ? WR_ECORRUPT : WR_OK;
}

static int note_part(void *ctx, const char *part, uint64_t base_bytes, uint64_t delta_bytes) {
    struct inspection *self = ctx;
    char kind[16];
    unsigned number;
    self->state->part_count++;
    self->state->bytes += base_bytes + delta_bytes;
    int is_of_stage = sscanf(part, "%15s %u ", kind, &number) == 2;
    struct wr_state_stage *stage = is_of_stage ? stage_numbered(self, number) : NULL;
    if (is_of_stage && stage == NULL)
        return self->checks ? wr_error_set(self->err, WR_ECORRUPT,
                                           "the state is damaged: part %s is of no stage", part)
                            : WR_OK;
    if (stage != NULL) {
        stage->bytes += base_bytes + delta_bytes;
        stage->part_count++;
        if (stage->waiting > 0 && strcmp(kind, "gate") == 0)
            stage->waiting_bytes += base_bytes + delta_bytes;
    }
    int is_source = is_of_stage && strcmp(kind, "source") == 0;
    if (!is_source && !self->checks)
        return WR_OK;
    return wr_store_read(self->store, part, is_source ? load_end : look_at_piece, stage, self->err);
}

static int list_stages(struct inspection *self) {
    struct wr_state *state = self->state;
    state->script = self->past.script == NULL ? "" : self->past.script;
    state->count = self->past.stage_count;
    state->stages = WR_ARENA_ZEROS(self->arena, struct wr_state_stage, state->count + 1);
    if (state->stages == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < state->count; i++) {
        const struct past_stage *stage = &self->past.stages[i];
        state->stages[i] = (struct wr_state_stage){.number = stage->number,
                                                   .kind = past_kind_text(stage->kind),
                                                   .stage = stage->stage,
                                                   .name = stage->given,
                                                   .address = stage->address,
                                                   .place = stage->place,
                                                   .frontier = WR_TIME_MAX,
                                                   .ended = stage->kind == WR_NODE_SOURCE};
    }
    return WR_OK;
}

static int note_table(void *ctx, const char *name, uint64_t rows) {
    struct inspection *self = ctx;
    struct wr_state *state = self->state;
    uint32_t room = state->table_count;
    if ((room & (room - 1)) == 0) { /* it doubles */
        room = WR_MAX(room * 2, 4u);
        struct wr_state_table *tables = WR_ARENA_ARRAY(self->arena, struct wr_state_table, room);
        if (tables == NULL)
            return wr_error_set(self->err, WR_ENOMEM, "read a state: out of memory");
        if (state->table_count > 0)
            memcpy(tables, state->tables, state->table_count * sizeof *tables);
        state->tables = tables;
    }
    const char *copy = wr_arena_strndup(self->arena, name, strlen(name));
    if (copy == NULL)
        return wr_error_set(self->err, WR_ENOMEM, "read a state: out of memory");
    state->tables[state->table_count++] = (struct wr_state_table){copy, rows};
    return WR_OK;
}

int wr_state_read(struct wr_state *state, struct wr_arena *arena, const struct wr_env *env,
                  const char *path, int checks, struct wr_error *err) {
    *state = (struct wr_state){.script = ""};
    struct inspection self = {.state = state, .arena = arena, .checks = checks, .err = err};
    int status = run_look_at_state(&self.store, env, path, err);
    if (status != WR_OK)
        return status;
    state->number = wr_store_number(self.store);
    if (checks)
        status = wr_store_check(self.store, err);
    if (status == WR_OK)
        status = wr_store_read(self.store, "plan", load_plan, &self, err);
    if (status == WR_OK && list_stages(&self) != WR_OK)
        status = wr_error_set(err, WR_ENOMEM, "read state %s: out of memory", path);
    if (status == WR_OK)
        status = wr_store_read(self.store, "seed", load_shards, &self, err);
    if (status == WR_OK)
        status = wr_store_read(self.store, "run", load_facts, &self, err);
    if (status == WR_OK)
        status = wr_store_parts(self.store, note_part, &self);
    if (status == WR_OK)
        status = wr_store_tables(self.store, note_table, &self, err);
    if (status == WR_OK && checks && state->number > 0 && self.past.stage_count == 0)
        status = wr_error_set(err, WR_ECORRUPT, "state %s is damaged: it does not know its script",
                              path);
    wr_store_close(self.store);
    return status;
}

int wr_state_copy(const struct wr_env *env, const char *path, const char *to,
                  struct wr_error *err) {
    struct wr_store *store;
    int status = run_look_at_state(&store, env, path, err);
    if (status == WR_OK)
        status = wr_store_copy(store, to, 0, err);
    wr_store_close(store);
    return status;
}

static int drop_one(struct inspection *self, uint32_t number, struct wr_error *err) {
    int status = wr_store_read(self->store, "plan", load_plan, self, err);
    uint32_t at = status == WR_OK && number < self->past.next_number ? self->past.by_number[number]
                                                                     : PAST_NONE;
    if (status == WR_OK && at == PAST_NONE)
        return wr_error_set(err, WR_EARG, "the state has no stage %u", number);
    if (status == WR_OK && (self->past.stages[at].kind == WR_NODE_SOURCE ||
                            self->past.stages[at].kind == WR_NODE_SINK)) {
        wr_error_set(err, WR_EREFUSED, "a %s alone cannot be reset",
                     past_kind_text(self->past.stages[at].kind));
        wr_error_help(err, "its rows would come twice, or be missing; without a name the whole "
                           "state is reset");
        return WR_EREFUSED;
    }
    if (status == WR_OK)
        status = wr_store_begin(self->store, err);
    if (status == WR_OK)
        status = wr_store_drop_stage(self->store, number, err);
    return status == WR_OK ? wr_store_commit(self->store, err) : status;
}

int wr_state_reset(const struct wr_env *env, const char *path, uint32_t number,
                   struct wr_error *err) {
    struct inspection self = {.err = err};
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 16384);
    self.arena = &arena;
    int status = run_open_state(&self.store, env, path, err);
    if (status == WR_OK)
        status =
            number == UINT32_MAX ? wr_store_erase(self.store, err) : drop_one(&self, number, err);
    wr_store_close(self.store);
    wr_arena_release(&arena);
    return status;
}
