/* asof_state.c: what an as-of join keeps: opened, saved in pieces, read back, closed. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/status.h"
#include "op/asof.h"
#include "base/banned.h"

/* A row of a side: its head, the key, the columns that somebody reads. */
static int open_side(struct asof *self, uint32_t number, const uint64_t *wanted) {
    const struct asof_config *config = asof_config_of(self);
    const struct wr_key_layout *layout = &config->equi.layout;
    struct asof_rows *side = &self->sides[number];
    uint32_t fields = config->sides[number]->field_count, count = 0;
    if (wr_payload_init(&side->payload, &self->arena, config->sides[number], wanted) != WR_OK)
        return WR_ENOMEM;
    uint32_t of_key = layout->cell_count, of_row = side->payload.cell_count;
    struct wr_cell *cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell, of_key + of_row + 1);
    side->kept = WR_ARENA_ARRAY(&self->arena, int32_t, fields + 1);
    if (cells == NULL || side->kept == NULL)
        return WR_ENOMEM;
    uint32_t head = sizeof(struct asof_row);
    for (uint32_t i = 0; i < of_key; i++) {
        cells[count] = layout->cells[i];
        cells[count++].offset += head;
    }
    for (uint32_t i = 0; i < of_row; i++) {
        cells[count] = side->payload.cells[i];
        cells[count++].offset += head + layout->key_bytes;
    }
    side->shape = (struct wr_shape){.key_bytes = 8,
                                    .row_bytes = head + layout->key_bytes + side->payload.bytes,
                                    .cell_count = count,
                                    .cells = cells};
    for (uint32_t c = 0; c < fields; c++)
        side->kept[c] = -1;
    for (uint32_t k = 0; k < side->payload.count; k++)
        side->kept[side->payload.columns[k]] = (int32_t)k;
    return side->shape.row_bytes > WR_ROW_BYTES_MAX ? WR_ELIMIT : WR_OK;
}

/* The columns of each side that stand in the result and are read. */
static int open_sides(struct asof *self) {
    const struct asof_config *config = asof_config_of(self);
    uint32_t left = config->sides[0]->field_count, right = config->sides[1]->field_count;
    uint64_t *of_left = WR_ARENA_ZEROS(&self->arena, uint64_t, WR_BITS_WORDS(left) + 1);
    uint64_t *of_right = WR_ARENA_ZEROS(&self->arena, uint64_t, WR_BITS_WORDS(right) + 1);
    if (of_left == NULL || of_right == NULL)
        return WR_ENOMEM;
    for (uint32_t c = 0; c < config->result->field_count; c++) {
        if (!wr_bit_get(self->base.needed, c))
            continue;
        if (c < left)
            wr_bit_set(of_left, c);
        else
            wr_bit_set(of_right, config->right_of[c - left]);
    }
    int status = open_side(self, ASOF_LEFT, of_left);
    return status == WR_OK ? open_side(self, ASOF_RIGHT, of_right) : status;
}

int asof_open(struct wr_op *op, struct wr_error *err) {
    struct asof *self = (struct asof *)op;
    const struct wr_key_layout *layout = &asof_config_of(self)->equi.layout;
    struct wr_budget *budget = op->env->state_budget;
    wr_arena_init(&self->arena, budget, 4096);
    self->index_shape =
        (struct wr_shape){.key_bytes = layout->key_bytes,
                          .row_bytes = layout->key_bytes + sizeof(struct asof_chain),
                          .cell_count = layout->cell_count,
                          .cells = layout->cells};
    wr_slices_init(&self->index, budget, &self->index_shape, op->env->seed);
    wr_time_heap_init(&self->versions, budget);
    for (uint32_t side = 0; side < 2; side++) {
        wr_eval_init(&self->keys_eval[side], budget);
        wr_slices_init(&self->sides[side].rows, budget, &self->sides[side].shape, op->env->seed);
        wr_time_heap_init(&self->sides[side].waiting, budget);
    }
    int status = open_sides(self);
    if (status == WR_ELIMIT || self->index_shape.row_bytes > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of a side of `asof_join` are wider than %d bytes",
                            WR_ROW_BYTES_MAX);
    return status == WR_OK ? WR_OK : wr_error_set(err, status, "no memory for `asof_join`");
}

void asof_close(struct wr_op *op) {
    struct asof *self = (struct asof *)op;
    wr_slices_release(&self->index);
    wr_time_heap_release(&self->versions);
    for (uint32_t side = 0; side < 2; side++) {
        wr_slices_release(&self->sides[side].rows);
        wr_time_heap_release(&self->sides[side].waiting);
        wr_eval_release(&self->keys_eval[side]);
    }
    wr_free(op->env->state_budget, self->matches);
    wr_free(op->env->state_budget, self->graves);
    wr_arena_release(&self->arena);
}

void asof_measure(const struct wr_op *op, struct wr_op_state *state) {
    const struct asof *self = (const struct asof *)op;
    for (uint32_t side = 0; side < 2; side++) {
        state->rows += wr_slices_rows(&self->sides[side].rows);
        state->bytes += wr_slices_bytes(&self->sides[side].rows);
    }
    state->bytes += wr_slices_bytes(&self->index);
}

/* u64, the last number · the logs of left rows, right rows and index. */
int asof_save(struct wr_op *op, struct wr_buf *out, int all) {
    struct asof *self = (struct asof *)op;
    struct wr_slices *sets[3] = {&self->sides[0].rows, &self->sides[1].rows, &self->index};
    if (!all && self->next_id == self->saved_next_id && !wr_slices_sets_have_changed(sets, 3))
        return WR_OK;
    wr_buf_add_u64(out, self->next_id);
    int status = wr_slices_save_sets(sets, 3, out, all, op->env->piece_bytes);
    if (status == WR_OK)
        self->saved_next_id = self->next_id;
    return out->status == WR_OK ? status : out->status;
}

int asof_load(struct wr_op *op, struct wr_reader *in) {
    struct asof *self = (struct asof *)op;
    struct wr_slices *sets[3] = {&self->sides[0].rows, &self->sides[1].rows, &self->index};
    self->must_index = 1;
    self->next_id = self->saved_next_id = wr_reader_u64(in);
    return in->failed ? WR_ECORRUPT : wr_slices_load_sets(sets, 3, in);
}

int asof_index(struct asof *self) {
    int keeps_versions = asof_config_of(self)->max_age_us != WR_TIME_MAX, status = WR_OK;
    self->must_index = 0;
    self->versions.count = 0;
    for (uint32_t side = 0; side < 2; side++) {
        const struct wr_table *table = wr_slices_find(&self->sides[side].rows, 0);
        struct wr_time_heap *waiting = &self->sides[side].waiting;
        struct wr_table_walk walk;
        waiting->count = 0;
        if (table == NULL)
            continue;
        wr_table_walk_begin(&walk, table);
        for (uint8_t *at; status == WR_OK && (at = wr_table_walk_next(&walk)) != NULL;) {
            const struct asof_row *row = (const struct asof_row *)(const void *)at;
            int is_version = side == ASOF_RIGHT && row->has_passed;
            if (!is_version)
                status = wr_time_heap_add(waiting, row->time_us, row->id);
            else if (keeps_versions)
                status = wr_time_heap_add(&self->versions, row->time_us, row->id);
        }
    }
    return status;
}
