/* top_few.c: `top(n, …)`, `dedup` and `as_table` over rows that stay, where the few first rows of
 * each group leave as they change, or at the end (top_kept.c). The group's row of the table holds
 * these rows themselves, so a row that comes is one look: it is compared with those that are there,
 * and stays in the batch until the push is over, when the last ones of each group are put into the
 * table. */
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "op/top.h"
#include "base/banned.h"

#define ROW_BYTES_MAX 2048u /* of a group's row, where there is more than one slot … */
#define KEPT_BYTES_MAX 512u /* … and rows leave at the end: groups of fewer rows take as much */
#define AHEAD 16u           /* groups whose lines are on their way at once */

/* A row of the result: in a slot of its group, or a row of the batch. */
struct few_row {
    const uint8_t *stored; /* its payload; NULL: row `row` of the batch */
    int64_t time;
    uint32_t row;  /* or the slot */
    uint32_t slot; /* of a row of the batch, once it has one */
};

/* A group whose rows a push changed. What the table has is what they were, until the end. */
struct few_group {
    uint8_t *at; /* its row of the table */
    struct few_row *now;
    uint32_t count;
    uint32_t cause; /* the first row of the batch that changed them */
};

struct few_change {
    struct few_row row;
    uint32_t cause, rank;
    int8_t weight;
    uint8_t replaced;
};

/* A push under way. */
struct few_push {
    struct top *self;
    const struct top_rows *rows;
    struct top_slots slots; /* of a table row */
    uint8_t tells_each;     /* change, since somebody sees it */
    struct few_group *groups;
    uint32_t group_count;
    struct few_change *changes;
    uint32_t change_count, change_room;
    struct few_row *before; /* of the group that is looked at: room for `slots` of them */
};

/* ---- the row of a group ---- */

static uint32_t slots_offset(uint32_t key_bytes, uint32_t slots) {
    return key_bytes + 16 + (slots + 7) / 8 * 8;
}

int top_is_few(const struct top_config *config) {
    if (config->with_ties || config->retracts || config->gone != NULL || top_closes(config))
        return 0;
    uint32_t bytes = (uint32_t)WR_BITS_WORDS(config->wide->field_count) * 8;
    for (uint32_t c = 0; c < config->wide->field_count; c++)
        bytes += wr_type_bytes(config->wide->fields[c].type.kind) == 16 ? 16 : 8;
    uint32_t before = slots_offset(config->groups_shape.key_bytes, config->rows);
    uint32_t bytes_max = config->mode == TOP_UPDATE ? ROW_BYTES_MAX : KEPT_BYTES_MAX;
    return config->rows == 1 || (config->rows <= TOP_SLOTS_MAX && bytes < bytes_max &&
                                 before + config->rows * (bytes + 8) <= bytes_max);
}

/* A state that is damaged says slots that are not there. */
static int is_sound(const struct wr_shape *shape, const uint8_t *row) {
    const struct top *self =
        (const struct top *)((const char *)shape - offsetof(struct top, rows_shape));
    uint32_t slots = top_config_of(self)->rows, head_at = shape->key_bytes;
    const uint64_t *head = (const uint64_t *)(const void *)(row + head_at);
    int is_good = head[0] == 0 && head[1] > 0 && head[1] <= slots;
    for (uint64_t i = 0; is_good && i < head[1]; i++)
        is_good = row[head_at + 16 + i] < slots;
    return is_good;
}

int top_few_open(struct wr_op *op, struct wr_error *err) {
    struct top *self = (struct top *)op;
    const struct top_config *config = op->config;
    const struct wr_shape *groups = &config->groups_shape;
    if (top_init(self) != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    const struct wr_payload *payload = &self->payload;
    uint32_t slots = config->rows, slot_bytes = payload->bytes + 8, count = groups->cell_count;
    uint32_t before = slots_offset(groups->key_bytes, slots);
    if (slots * slot_bytes + before > WR_ROW_BYTES_MAX)
        return wr_error_set(err, WR_ELIMIT, "rows of `%s` are wider than %d bytes", config->stage,
                            WR_ROW_BYTES_MAX);
    self->cells = WR_ARENA_ARRAY(&self->arena, struct wr_cell,
                                 groups->cell_count + slots * payload->cell_count + 1);
    if (self->cells == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for rows");
    memcpy(self->cells, groups->cells, groups->cell_count * sizeof *self->cells);
    for (uint32_t slot = 0; slot < slots; slot++)
        for (uint32_t c = 0; c < payload->cell_count; c++) {
            struct wr_cell *cell = &self->cells[count++];
            *cell = payload->cells[c];
            cell->offset += before + slot * slot_bytes + 8;
        }
    self->rows_shape = (struct wr_shape){.key_bytes = groups->key_bytes,
                                         .row_bytes = before + slots * slot_bytes,
                                         .cell_count = count,
                                         .cells = self->cells,
                                         .is_sound = is_sound};
    struct wr_budget *budget = op->env->state_budget;
    wr_slices_init(&self->groups, budget, &self->rows_shape, op->env->seed);
    wr_slices_init(&self->rows, budget, &self->rows_shape, op->env->seed);
    wr_slices_init(&self->finder, budget, &self->rows_shape, op->env->seed);
    wr_slices_keep_apart(&self->groups, op->apart);
    return WR_OK;
}

struct top_slots top_slots_of(const struct top *self) {
    uint32_t slots = top_config_of(self)->rows, key_bytes = self->rows_shape.key_bytes;
    return (struct top_slots){.count = slots,
                              .head_at = key_bytes,
                              .first_at = slots_offset(key_bytes, slots),
                              .bytes = self->payload.bytes + 8};
}

static uint64_t *word_at(uint8_t *at) {
    return (uint64_t *)(void *)at; /* rows and their parts are aligned to 8 */
}

static uint8_t *slot_at(const struct few_push *push, uint8_t *at, uint32_t slot) {
    return at + push->slots.first_at + (size_t)slot * push->slots.bytes;
}

/* The rows that the table has of a group, in their order; how many. */
static uint32_t rows_before(const struct few_push *push, uint8_t *at, struct few_row *rows) {
    uint32_t count = (uint32_t)word_at(at + push->slots.head_at)[1];
    const uint8_t *order = at + push->slots.head_at + 16;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *slot = slot_at(push, at, order[i]);
        rows[i] =
            (struct few_row){.stored = slot + 8, .time = (int64_t)*word_at(slot), .row = order[i]};
    }
    return count;
}

/* ---- the order of rows ---- */

static struct wr_column column_of(const struct few_push *push, uint32_t k,
                                  const struct few_row *row, uint32_t *at) {
    const struct wr_payload *payload = &push->self->payload;
    if (row->stored == NULL) {
        *at = row->row;
        return push->rows->wide.columns[payload->columns[k]];
    }
    static const uint64_t none;
    *at = 0;
    return (struct wr_column){.data = (void *)(uintptr_t)(row->stored + payload->offsets[k]),
                              .valid = wr_payload_is_nil(row->stored, k) ? &none : NULL};
}

/* Whether row `row` of the batch, which comes after `old`, stands before it. */
static int comes_first(const struct few_push *push, const struct few_row *old, uint32_t row) {
    const struct top_config *config = top_config_of(push->self);
    const struct wr_list *order = config->order;
    for (uint32_t i = 0; order != NULL && i < order->item_count; i++) {
        uint32_t k = push->self->order_cells[i], at;
        const struct wr_column *new = &push->rows->wide.columns[config->order_columns[i]];
        struct wr_column column = column_of(push, k, old, &at);
        int by = wr_cell_compare(&push->self->payload.types[k], new, row, &column, at);
        if (by == 0)
            continue;
        int nils = wr_column_is_nil(new, row) || wr_column_is_nil(&column, at);
        return order->items[i].desc && !nils ? by > 0 : by < 0;
    }
    const int64_t *times = push->rows->in->event_time;
    int is_last = config->ties == TOP_TIES_LAST;
    if (config->by_time && times != NULL && times[row] != old->time)
        return is_last ? times[row] > old->time : times[row] < old->time;
    return is_last;
}

/* Whether nobody could tell the two rows apart. */
static int is_same(const struct few_push *push, const struct few_row *a, const struct few_row *b) {
    const struct wr_payload *payload = &push->self->payload;
    if (a->time != b->time)
        return 0;
    for (uint32_t k = 0; k < payload->count; k++) {
        uint32_t at_a, at_b;
        struct wr_column x = column_of(push, k, a, &at_a), y = column_of(push, k, b, &at_b);
        if (wr_cell_compare(&payload->types[k], &x, at_a, &y, at_b) != 0)
            return 0;
    }
    return 1;
}

/* ---- what changed ---- */

static int reserve_changes(struct few_push *push, uint32_t count) {
    if (push->change_count + count <= push->change_room)
        return WR_OK;
    uint32_t room = WR_MAX(push->change_room * 2, push->change_count + count);
    struct few_change *grown =
        WR_ARENA_ARRAY(push->self->base.env->scratch, struct few_change, room);
    if (grown == NULL)
        return WR_ENOMEM;
    if (push->change_count > 0)
        memcpy(grown, push->changes, push->change_count * sizeof *grown);
    push->changes = grown;
    push->change_room = room;
    return WR_OK;
}

static void add(struct few_push *push, const struct few_row *row, uint32_t at, int weight,
                int replaced, uint32_t cause) {
    push->changes[push->change_count++] = (struct few_change){.row = *row,
                                                              .cause = cause,
                                                              .rank = at + 1,
                                                              .weight = (int8_t)weight,
                                                              .replaced = (uint8_t)replaced};
}

static int is_row(const struct few_row *a, const struct few_row *b) {
    return a->stored == b->stored && a->row == b->row;
}

/* Whoever has a rank is replaced by whoever has it now. */
static void add_by_rank(struct few_push *push, const struct few_row *old, uint32_t old_count,
                        const struct few_row *new, uint32_t new_count, uint32_t cause) {
    for (uint32_t i = 0; i < new_count; i++) {
        if (i >= old_count) {
            add(push, &new[i], i, 1, 0, cause);
        } else if (!is_row(&old[i], &new[i]) && !is_same(push, &old[i], &new[i])) {
            add(push, &old[i], i, -1, 1, cause);
            add(push, &new[i], i, 1, 0, cause);
        }
    }
}

/* Those of `from` that are not in `among`, both in the same order but for what was added. */
static void add_others(struct few_push *push, const struct few_row *from, uint32_t from_count,
                       const struct few_row *among, uint32_t among_count, int weight,
                       uint32_t cause) {
    for (uint32_t i = 0, k = 0; i < from_count; i++) {
        uint32_t found = k;
        while (found < among_count && !is_row(&from[i], &among[found]))
            found++;
        if (found < among_count)
            k = found + 1;
        else
            add(push, &from[i], i, weight, 0, cause);
    }
}

/* The difference between the rows of a group before and after some came. */
static int add_changes(struct few_push *push, const struct few_row *old, uint32_t old_count,
                       const struct few_row *new, uint32_t new_count, uint32_t cause) {
    const struct top_config *config = top_config_of(push->self);
    if (reserve_changes(push, 2 * push->slots.count) != WR_OK)
        return WR_ENOMEM;
    if (config->rank_column >= 0 || config->rows == 1) {
        add_by_rank(push, old, old_count, new, new_count, cause);
    } else {
        add_others(push, old, old_count, new, new_count, -1, cause);
        add_others(push, new, new_count, old, old_count, 1, cause);
    }
    return WR_OK;
}

/* ---- rows in ---- */

/* Row `row` of the batch at its place among `count` rows, from which the last leaves where there is
 * no slot for it. */
static uint32_t insert(const struct few_push *push, struct few_row *rows, uint32_t count,
                       const struct few_row *new) {
    uint32_t at = WR_MIN(count, push->slots.count - 1);
    for (; at > 0 && comes_first(push, &rows[at - 1], new->row); at--)
        rows[at] = rows[at - 1];
    rows[at] = *new;
    return WR_MIN(count + 1, push->slots.count);
}

/* The group among those of this push, with the rows that the table has. */
static int begin_group(struct few_push *push, uint8_t *at, uint32_t cause,
                       struct few_group **made) {
    struct few_group *group = *made = &push->groups[push->group_count];
    *group = (struct few_group){.at = at, .cause = cause};
    group->now = WR_ARENA_ARRAY(push->self->base.env->scratch, struct few_row, push->slots.count);
    if (group->now == NULL)
        return WR_ENOMEM;
    group->count = rows_before(push, at, group->now);
    *word_at(at + push->slots.head_at) = ++push->group_count;
    return WR_OK;
}

/* Whether a row is among the first of those that are there; else it never will be. */
static int is_taken(const struct few_push *push, const struct few_group *group, uint8_t *at,
                    uint32_t row) {
    uint32_t count = group != NULL ? group->count : (uint32_t)word_at(at + push->slots.head_at)[1];
    if (count < push->slots.count)
        return 1;
    if (group != NULL)
        return comes_first(push, &group->now[count - 1], row);
    uint32_t last = at[push->slots.head_at + 16 + count - 1];
    uint8_t *slot = slot_at(push, at, last);
    struct few_row old = {.stored = slot + 8, .time = (int64_t)*word_at(slot), .row = last};
    return comes_first(push, &old, row);
}

/* A state that is damaged says groups and slots that are not there. Seen where a row is used: a
 * look at all of them would be one for each piece of the state that is loaded. */
static int is_whole(const struct few_push *push, uint8_t *at) {
    const uint64_t *head = word_at(at + push->slots.head_at);
    if (head[0] != 0)
        return head[0] <= push->group_count && push->groups[head[0] - 1].at == at;
    int is_good = head[1] <= push->slots.count;
    for (uint64_t i = 0; is_good && i < head[1]; i++)
        is_good = at[push->slots.head_at + 16 + i] < push->slots.count;
    return is_good;
}

static int take_row(struct few_push *push, uint8_t *at, uint32_t row) {
    const struct wr_batch *in = push->rows->in;
    if (!is_whole(push, at))
        return WR_ECORRUPT;
    uint64_t place = *word_at(at + push->slots.head_at);
    struct few_group *group = place == 0 ? NULL : &push->groups[place - 1];
    struct few_row new = {.row = row, .time = in->event_time == NULL ? 0 : in->event_time[row]};
    if (!is_taken(push, group, at, row))
        return WR_OK;
    if (group == NULL && begin_group(push, at, row, &group) != WR_OK)
        return WR_ENOMEM;
    uint32_t count = group->count;
    if (push->tells_each)
        memcpy(push->before, group->now, count * sizeof *push->before);
    group->count = insert(push, group->now, count, &new);
    if (!push->tells_each)
        return WR_OK;
    return add_changes(push, push->before, count, group->now, group->count, row);
}

/* What all rows of the push changed, where nobody wants to see each. */
static int sum_changes(struct few_push *push) {
    int status = WR_OK;
    for (uint32_t g = 0; g < push->group_count && status == WR_OK; g++) {
        const struct few_group *group = &push->groups[g];
        uint32_t count = rows_before(push, group->at, push->before);
        status = add_changes(push, push->before, count, group->now, group->count, group->cause);
    }
    return status;
}

/* Gives the rows of the batch slots that are free, and asks for their lines. */
static void assign_slots(const struct few_push *push, const struct few_group *group) {
    uint64_t used = 0;
    uint8_t *order = group->at + push->slots.head_at + 16;
    for (uint32_t i = 0; i < group->count; i++)
        if (group->now[i].stored != NULL)
            used |= UINT64_C(1) << group->now[i].row;
    for (uint32_t i = 0; i < group->count; i++) {
        struct few_row *row = &group->now[i];
        row->slot = row->stored != NULL ? row->row : (uint32_t)__builtin_ctzll(~used);
        order[i] = (uint8_t)row->slot;
        if (row->stored != NULL)
            continue;
        used |= UINT64_C(1) << row->slot;
        const uint8_t *at = slot_at(push, group->at, row->slot);
        for (uint32_t line = 0; line < push->slots.bytes; line += 64)
            __builtin_prefetch(at + line, 1);
    }
    word_at(group->at + push->slots.head_at)[0] = 0;
    word_at(group->at + push->slots.head_at)[1] = group->count;
}

static int store_rows(const struct few_push *push, const struct few_group *group,
                      struct wr_table *table) {
    for (uint32_t i = 0; i < group->count; i++) {
        const struct few_row *row = &group->now[i];
        if (row->stored != NULL)
            continue;
        uint8_t *at = slot_at(push, group->at, row->slot);
        *word_at(at) = (uint64_t)row->time;
        if (wr_payload_put(&push->self->payload, table, at + 8, &push->rows->wide, row->row) !=
            WR_OK)
            return WR_ENOMEM;
    }
    return WR_OK;
}

/* The rows of all groups into their rows of the table. */
static int store_groups(const struct few_push *push, struct wr_table *table) {
    int status = WR_OK;
    for (uint32_t first = 0, end; first < push->group_count && status == WR_OK; first = end) {
        end = WR_MIN(first + AHEAD, push->group_count);
        for (uint32_t g = first; g < end; g++)
            assign_slots(push, &push->groups[g]);
        for (uint32_t g = first; g < end && status == WR_OK; g++)
            status = store_rows(push, &push->groups[g], table);
    }
    return status;
}

/* ---- rows out ---- */

/* Kept column `k` of the changes: long strings of the table are copied, those of the batch stay. */
static int fill_column(const struct few_push *push, uint32_t k, const struct few_change *changes,
                       uint32_t count, struct wr_batch *batch) {
    const struct wr_payload *payload = &push->self->payload;
    uint32_t c = payload->columns[k], bytes = wr_type_bytes(payload->types[k].kind), nils = 0;
    const struct wr_column *from = &push->rows->in->columns[c];
    int is_text = wr_type_is_text(payload->types[k].kind);
    char *data = wr_batch_column(batch, c, count);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    if (data == NULL || valid == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct few_row *row = &changes[i].row;
        char *to = data + (size_t)i * bytes;
        if (row->stored != NULL ? wr_payload_is_nil(row->stored, k)
                                : from->data == NULL || wr_column_is_nil(from, row->row)) {
            memset(to, 0, bytes);
            nils++;
            continue;
        }
        wr_bit_set(valid, i);
        const char *cell = row->stored != NULL
                               ? (const char *)row->stored + payload->offsets[k]
                               : (const char *)from->data + (size_t)row->row * bytes;
        if (bytes == 8)
            memcpy(to, cell, 8);
        else if (bytes == 16)
            memcpy(to, cell, 16);
        else
            memcpy(to, cell, bytes);
        struct wr_str *str = (struct wr_str *)(void *)to;
        if (!is_text || row->stored == NULL || str->length <= WR_STR_INLINE_MAX)
            continue;
        str->pointer = wr_arena_strndup(&batch->arena, str->pointer, str->length);
        if (str->pointer == NULL)
            return WR_ENOMEM;
    }
    batch->columns[c].valid = nils > 0 ? valid : NULL;
    return WR_OK;
}

static int fill_facts(const struct few_push *push, const struct few_change *changes, uint32_t count,
                      struct wr_batch *batch) {
    const struct wr_batch *in = push->rows->in;
    const struct top_config *config = top_config_of(push->self);
    struct wr_arena *arena = &batch->arena;
    int64_t *times = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *behind = WR_ARENA_ARRAY(arena, int64_t, count);
    int64_t *weights = WR_ARENA_ARRAY(arena, int64_t, count);
    uint32_t *cause = WR_ARENA_ARRAY(arena, uint32_t, count);
    uint64_t *replaced = WR_ARENA_ZEROS(arena, uint64_t, WR_BITS_WORDS(count) + 1);
    int64_t *ranks = config->rank_column < 0
                         ? times
                         : wr_batch_column(batch, (uint32_t)config->rank_column, count);
    if (times == NULL || behind == NULL || weights == NULL || cause == NULL || replaced == NULL ||
        ranks == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        ranks[i] = changes[i].rank;
        times[i] = changes[i].row.time;
        weights[i] = changes[i].weight;
        cause[i] = changes[i].cause;
        wr_bit_put(replaced, i, changes[i].replaced);
        if (in->behind != NULL)
            behind[i] = in->behind[cause[i]];
    }
    batch->weight = weights;
    batch->replaced = replaced;
    batch->cause = cause;
    if (in->event_time != NULL)
        batch->event_time = times;
    if (in->behind != NULL)
        batch->behind = behind;
    return wr_op_set_changed(batch, in, NULL, count);
}

static int emit(const struct few_push *push, const struct few_change *changes, uint32_t count,
                struct wr_out *out) {
    const struct top *self = push->self;
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, self->base.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    batch->row_count = batch->sel_count = count;
    int status = fill_facts(push, changes, count, batch);
    for (uint32_t k = 0; k < self->payload.count && status == WR_OK; k++)
        if (self->payload.columns[k] < top_config_of(self)->input_count)
            status = fill_column(push, k, changes, count, batch);
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    wr_batch_hold(batch, push->rows->in);
    return out->emit(out, WR_PORT_MAIN, batch);
}

static int emit_all(const struct few_push *push, struct wr_out *out) {
    uint32_t room = WR_MAX(push->self->base.env->batch_rows, 2u);
    int flow = WR_FLOW_MORE;
    for (uint32_t first = 0, end; first < push->change_count && flow == WR_FLOW_MORE; first = end) {
        end = WR_MIN(first + room, push->change_count);
        end -= end < push->change_count && push->changes[end - 1].replaced; /* not torn */
        flow = emit(push, push->changes + first, end - first, out);
    }
    return flow;
}

static int few_push_rows(struct few_push *push, struct wr_out *out) {
    struct top *self = push->self;
    const struct top_rows *rows = push->rows;
    struct wr_arena *scratch = self->base.env->scratch;
    uint32_t count = rows->wide.sel_count;
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    uint8_t **at = WR_ARENA_ARRAY(scratch, uint8_t *, count);
    push->groups = WR_ARENA_ARRAY(scratch, struct few_group, count);
    push->before = WR_ARENA_ARRAY(scratch, struct few_row, push->slots.count);
    if (table == NULL || at == NULL || push->groups == NULL || push->before == NULL)
        return WR_ENOMEM;
    int status = wr_table_upsert(table, rows->keys, rows->hashes, count, at, NULL);
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        status = take_row(push, at[i], wr_batch_row(&rows->wide, i));
    if (status == WR_OK && top_config_of(self)->mode == TOP_UPDATE && !push->tells_each)
        status = sum_changes(push);
    int flow = status == WR_OK ? emit_all(push, out) : status;
    if (flow >= 0 && status == WR_OK)
        status = store_groups(push, table);
    return status < 0 ? status : flow;
}

int top_few_push(struct wr_op *op, uint32_t input, struct wr_batch *in, struct wr_out *out) {
    (void)input;
    struct top *self = (struct top *)op;
    struct top_rows rows;
    wr_slices_settle(&self->groups);
    int status = top_prepare(self, in, out, &rows);
    if (status < 0 || rows.wide.sel_count == 0)
        return status;
    int tells = top_config_of(self)->mode == TOP_UPDATE && op->observed;
    struct few_push push = {
        .self = self, .rows = &rows, .slots = top_slots_of(self), .tells_each = (uint8_t)tells};
    return few_push_rows(&push, out);
}

const struct wr_op_type wr_op_top_few = {
    .name = "top_few",
    .size_bytes = sizeof(struct top),
    .flags = TOP_FLAGS,
    .bind = top_bind,
    .needs = top_needs,
    .open = top_few_open,
    .push = top_few_push,
    .advance = top_advance,
    .next_boundary = top_next_boundary,
    .route = top_route,
    .compare = top_compare_fired,
    .save = top_save,
    .load = top_load,
    .close = top_close,
    .measure = top_measure,
    .explain = top_explain,
};
