/* frames_update.c: results that are corrected. A group keeps all its rows, in order; what a change
 * of one does to the others is seen by computing the group before and after it, so that it holds
 * for whatever is computed. The row that changed goes first where it was there before, then the
 * corrections of others in their order, then a row that is new. */
#include "op/frames_update.h"

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "data/order.h"
#include "base/banned.h"

#define NO_ROW UINT32_MAX

/* The rows of a group at some time, and what they give. */
struct picture {
    uint32_t count;
    struct frames_ref *refs;
    uint8_t *good; /* by row: it has a result */
    struct frames_chunk chunk;
    struct wr_batch *wide, *made;
};

static void close_picture(struct picture *picture) {
    wr_batch_unref(picture->wide);
    wr_batch_unref(picture->made);
}

/* The kept rows of a group, in order. */
static int read_rows(struct frames *self, uint8_t *group, struct picture *picture) {
    struct wr_arena *scratch = self->base.env->scratch;
    const struct frames_group *head = frames_group_of(self, group);
    if (head->next >= UINT32_MAX)
        return WR_ELIMIT;
    uint32_t count = picture->count = (uint32_t)head->next;
    picture->refs = WR_ARENA_ZEROS(scratch, struct frames_ref, count + 1);
    picture->good = WR_ARENA_ZEROS(scratch, uint8_t, count + 1);
    uint8_t **groups = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    const uint8_t **payloads = WR_ARENA_ARRAY(scratch, const uint8_t *, count + 1);
    uint64_t *numbers = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint32_t *all = WR_ARENA_ARRAY(scratch, uint32_t, count + 1);
    picture->wide = wr_batch_new(self->base.env->pool, frames_config_of(self)->wide);
    if (picture->refs == NULL || picture->good == NULL || groups == NULL || rows == NULL ||
        payloads == NULL || numbers == NULL || all == NULL || picture->wide == NULL)
        return WR_ENOMEM;
    int64_t *times = WR_ARENA_ARRAY(&picture->wide->arena, int64_t, count + 1);
    if (times == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = group;
        numbers[i] = all[i] = i;
    }
    int status = frames_kept_find(self, groups, numbers, count, rows);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        if (rows[i] == NULL)
            return WR_ECORRUPT;
        payloads[i] = rows[i] + FRAMES_KEPT_PAYLOAD;
        times[i] = frames_kept_time(rows[i]);
        picture->refs[i] = (struct frames_ref){
            .time = times[i], .seq = frames_kept_seq(rows[i]), .number = i, .group = group};
    }
    for (uint32_t k = 0; k < self->keep.count && status == WR_OK; k++)
        status = wr_payload_read(&self->keep, k, payloads, count, &picture->wide->arena,
                                 &picture->wide->columns[self->keep.columns[k]]);
    picture->wide->row_count = picture->wide->sel_count = count;
    if (frames_config_of(self)->has_time)
        picture->wide->event_time = times;
    static const struct wr_batch no_order;
    picture->chunk = (struct frames_chunk){.count = count,
                                           .refs = picture->refs,
                                           .rows = all,
                                           .wide = picture->wide,
                                           .by = &no_order,
                                           .arena = &picture->wide->arena};
    return status;
}

/* Forgets what the group has added up: it is gone through anew. */
static void restart(struct frames *self, uint8_t *group) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *live = wr_slices_at(&self->live, 0);
    uint64_t id = frames_group_of(self, group)->id;
    for (uint32_t i = 0; i < config->frames->aggregate_count; i++)
        if (!config->frames->aggregates[i].framed)
            frames_clear(wr_slices_at(&self->groups, 0), &config->frames->aggregates[i], group);
    if (live != NULL)
        wr_table_delete(live, &id, wr_shape_hash(&config->live_shape, &id, wr_table_seed(live)));
}

static int take_picture(struct frames *self, uint8_t *group, struct picture *picture) {
    *picture = (struct picture){0};
    int status = read_rows(self, group, picture);
    if (status != WR_OK || picture->count == 0)
        return status;
    restart(self, group);
    frames_find_peers(&picture->chunk);
    status = frames_chunk_open(self, &picture->chunk, picture->count);
    if (status == WR_OK)
        status = frames_compute(self, &picture->chunk);
    if (status == WR_OK)
        status = frames_make(self, &picture->chunk, picture->wide, NULL, &picture->made);
    for (uint32_t i = 0; status == WR_OK && picture->made != NULL && i < picture->made->sel_count;
         i++)
        picture->good[wr_batch_row(picture->made, i)] = 1;
    return status;
}

/* ---- the rows of a group ---- */

static int find_row(struct frames *self, uint8_t *group, const struct wr_batch *wide, uint32_t row,
                    uint8_t **found, uint64_t *number) {
    int64_t time = wide->event_time == NULL ? 0 : wide->event_time[row];
    for (*number = frames_group_of(self, group)->next; *number > 0;) {
        --*number;
        int status = frames_kept_find(self, &group, number, 1, found);
        if (status != WR_OK || *found == NULL)
            return status == WR_OK ? WR_ECORRUPT : status;
        if (frames_kept_time(*found) == time &&
            wr_payload_holds(&self->keep, *found + FRAMES_KEPT_PAYLOAD, wide, row))
            return WR_OK;
    }
    *found = NULL; /* taken back without having come */
    return WR_OK;
}

/* Takes a row out: those behind it move up by one. *seq: which it was, or 0. */
static int remove_row(struct frames *self, uint8_t *group, const struct wr_batch *wide,
                      uint32_t row, uint64_t *seq) {
    struct wr_table *table = wr_slices_at(&self->kept, 0);
    struct frames_group *head = frames_group_of(self, group);
    size_t bytes = self->kept_shape.row_bytes - FRAMES_KEPT_KEY;
    uint8_t *at, *next;
    uint64_t number;
    int status = find_row(self, group, wide, row, &at, &number);
    *seq = 0;
    if (status != WR_OK || at == NULL)
        return status;
    *seq = frames_kept_seq(at);
    for (uint32_t c = 0; c < self->kept_shape.cell_count && status == WR_OK; c++)
        status = wr_table_set_string(
            table, (struct wr_str *)(void *)(at + self->kept_shape.cells[c].offset), "", 0);
    for (; ++number < head->next && status == WR_OK; at = next) {
        status = frames_kept_find(self, &group, &number, 1, &next);
        if (status == WR_OK && next == NULL)
            status = WR_ECORRUPT;
        if (status != WR_OK)
            return status;
        memcpy(at + FRAMES_KEPT_KEY, next + FRAMES_KEPT_KEY, bytes);
        wr_table_touch(table, at);
    }
    memset(at + FRAMES_KEPT_KEY, 0, bytes);
    wr_table_delete(table, at, wr_shape_hash(&self->kept_shape, at, wr_table_seed(table)));
    head->next--;
    return status;
}

static int add_row(struct frames *self, uint8_t *group, const struct wr_batch *wide, uint32_t row,
                   uint64_t *seq) {
    struct frames_ref ref = {.group = group,
                             .time = wide->event_time == NULL ? 0 : wide->event_time[row],
                             .seq = ++self->next_seq};
    struct frames_chunk chunk = {.count = 1, .refs = &ref, .rows = &row, .wide = wide};
    uint32_t first = 0;
    *seq = ref.seq;
    return frames_append(self, &chunk, &first, 1);
}

/* ---- what changed ---- */

struct changes {
    uint32_t count;
    uint8_t *which; /* 0: of the picture before, 1: after */
    uint32_t *rows;
    int64_t *weights;
    uint64_t *replaced;
};

static void add_change(struct changes *changes, int after, uint32_t row, int replaced) {
    changes->which[changes->count] = (uint8_t)after;
    changes->rows[changes->count] = row;
    changes->weights[changes->count] = after ? 1 : -1;
    wr_bit_put(changes->replaced, changes->count++, replaced);
}

static int equal_rows(struct frames *self, const struct wr_batch *a, uint32_t row_a,
                      const struct wr_batch *b, uint32_t row_b) {
    const struct wr_schema *schema = self->base.schema;
    for (uint32_t c = 0; c < schema->field_count; c++) {
        if (a->columns[c].data == NULL || b->columns[c].data == NULL)
            continue;
        if (wr_cell_compare(&schema->fields[c].type, &a->columns[c], row_a, &b->columns[c],
                            row_b) != 0)
            return 0;
    }
    return 1;
}

/* One row before and after; NO_ROW: it is not there. */
static void compare_row(struct frames *self, const struct picture *before, uint32_t old,
                        const struct picture *after, uint32_t new, struct changes *changes) {
    int was = old != NO_ROW && before->good[old], is = new != NO_ROW && after->good[new];
    if (was && is && before->refs[old].time == after->refs[new].time &&
        equal_rows(self, before->made, old, after->made, new))
        return;
    if (was)
        add_change(changes, 0, old, is);
    if (is)
        add_change(changes, 1, new, 0);
}

static uint32_t row_of(const struct picture *picture, uint64_t seq) {
    for (uint32_t i = 0; seq != 0 && i < picture->count; i++)
        if (picture->refs[i].seq == seq)
            return i;
    return NO_ROW;
}

static int open_changes(struct frames *self, uint32_t most, struct changes *changes) {
    struct wr_arena *scratch = self->base.env->scratch;
    *changes =
        (struct changes){.which = WR_ARENA_ARRAY(scratch, uint8_t, most + 1),
                         .rows = WR_ARENA_ARRAY(scratch, uint32_t, most + 1),
                         .weights = WR_ARENA_ARRAY(scratch, int64_t, most + 1),
                         .replaced = WR_ARENA_ZEROS(scratch, uint64_t, WR_BITS_WORDS(most) + 1)};
    return changes->which == NULL || changes->rows == NULL || changes->weights == NULL ||
                   changes->replaced == NULL
               ? WR_ENOMEM
               : WR_OK;
}

static int find_changes(struct frames *self, const struct picture *before, uint64_t gone,
                        const struct picture *after, uint64_t come, struct changes *changes) {
    int status = open_changes(self, before->count + after->count, changes);
    if (status != WR_OK)
        return status;
    uint32_t old = row_of(before, gone), new = row_of(after, come);
    if (old != NO_ROW)
        compare_row(self, before, old, after, new, changes);
    for (uint32_t x = 0, y = 0; x < before->count && y < after->count; x++, y++) {
        x += x == old;
        y += y == new;
        if (x < before->count && y < after->count)
            compare_row(self, before, x, after, y, changes);
    }
    if (old == NO_ROW && new != NO_ROW)
        compare_row(self, before, NO_ROW, after, new, changes);
    return WR_OK;
}

/* Rows that have no result any more, or never had one, are rejected once. */
static int reject_fails(struct frames *self, const struct picture *before, uint64_t gone,
                        const struct picture *after, uint64_t come, struct wr_out *out) {
    const struct wr_eval *eval = &self->items_eval;
    struct wr_batch *shown =
        wr_batch_over(self->base.env->pool, frames_config_of(self)->input, after->wide);
    if (shown == NULL)
        return WR_ENOMEM;
    memcpy(shown->columns, after->wide->columns,
           frames_config_of(self)->input_count * sizeof *shown->columns);
    uint32_t old = row_of(before, gone), new = row_of(after, come);
    int status = WR_OK;
    for (uint32_t y = 0, x = 0; y < after->count && status >= 0; y++) {
        x += x == old;
        int was_bad = y != new &&x < before->count && !before->good[x];
        x += y != new;
        if (after->good[y] || was_bad)
            continue;
        struct wr_reject reject = {.code = after->chunk.fails[y],
                                   .detail = FRAMES_FAILED,
                                   .stage = self->base.node,
                                   .row = y,
                                   .batch = shown};
        for (uint32_t i = 0; reject.code == 0 && i < eval->fail_count; i++) {
            if (eval->fails[i].row != y)
                continue;
            reject.code = eval->fails[i].code;
            reject.detail = eval->fails[i].detail;
        }
        status = out->reject(out, &reject);
    }
    wr_batch_unref(shown);
    return WR_MIN(status, WR_OK);
}

static int emit_changes(struct frames *self, const struct picture *before,
                        const struct picture *after, const struct changes *changes, uint32_t first,
                        uint32_t count, struct wr_batch *in, uint32_t cause, struct wr_out *out) {
    struct wr_batch *batch = wr_batch_new(self->base.env->pool, self->base.schema);
    if (batch == NULL)
        return WR_ENOMEM;
    struct wr_batch *const from[2] = {before->made != NULL ? before->made : after->made,
                                      after->made};
    int64_t *weights = WR_ARENA_ARRAY(&batch->arena, int64_t, count);
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, count);
    int64_t *behind = WR_ARENA_ARRAY(&batch->arena, int64_t, count);
    uint32_t *causes = WR_ARENA_ARRAY(&batch->arena, uint32_t, count);
    uint64_t *replaced = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(count) + 1);
    int status =
        weights == NULL || times == NULL || behind == NULL || causes == NULL || replaced == NULL
            ? WR_ENOMEM
            : wr_batch_pick(batch, from, after->made == NULL ? 1 : 2, changes->which + first,
                            changes->rows + first, count);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        const struct picture *picture = changes->which[first + i] ? after : before;
        weights[i] = changes->weights[first + i];
        times[i] = picture->refs[changes->rows[first + i]].time;
        behind[i] = in->behind == NULL ? 0 : in->behind[cause];
        causes[i] = cause;
        wr_bit_put(replaced, i, wr_bit_get(changes->replaced, first + i));
    }
    if (status != WR_OK) {
        wr_batch_unref(batch);
        return status;
    }
    batch->row_count = batch->sel_count = count;
    batch->weight = weights;
    batch->replaced = replaced;
    batch->cause = causes;
    if (in->event_time != NULL)
        batch->event_time = times;
    if (in->behind != NULL)
        batch->behind = behind;
    if (wr_op_set_changed(batch, in, NULL, count) != WR_OK) {
        wr_batch_unref(batch);
        return WR_ENOMEM;
    }
    return out->emit(out, WR_PORT_MAIN, batch);
}

/* Takes a row out of a group and puts one in (NO_ROW: none), and emits what this changes. */
static int change_group(struct frames *self, uint8_t *group, struct wr_batch *in,
                        const struct wr_batch *wide, uint32_t back, uint32_t come,
                        struct wr_out *out) {
    struct picture before, after = {0};
    struct changes changes;
    uint64_t gone = 0, new = 0;
    int status = take_picture(self, group, &before);
    if (status == WR_OK && back != NO_ROW)
        status = remove_row(self, group, wide, back, &gone);
    if (status == WR_OK && come != NO_ROW)
        status = add_row(self, group, wide, come, &new);
    if (status == WR_OK)
        status = take_picture(self, group, &after);
    if (status == WR_OK)
        status = find_changes(self, &before, gone, &after, new, &changes);
    if (status == WR_OK && after.count > 0)
        status = reject_fails(self, &before, gone, &after, new, out);
    uint32_t room = WR_MAX(self->base.env->batch_rows, 2u), cause = back != NO_ROW ? back : come;
    for (uint32_t first = 0, end; status == WR_OK && first < changes.count; first = end) {
        end = WR_MIN(first + room, changes.count);
        end -= end < changes.count && wr_bit_get(changes.replaced, end - 1); /* not torn */
        status = emit_changes(self, &before, &after, &changes, first, end - first, in, cause, out);
    }
    close_picture(&before);
    close_picture(&after);
    return status;
}

/* A group without rows is none. */
static void drop_empty(struct frames *self, uint8_t *group) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    if (frames_group_of(self, group)->next > 0)
        return;
    restart(self, group);
    wr_table_delete(table, group,
                    wr_shape_hash(&config->groups_shape, group, wr_table_seed(table)));
}

static int find_group(struct frames *self, const struct wr_batch *wide, uint32_t row,
                      uint8_t **group) {
    struct frames_ref ref = {0};
    int status = frames_groups_find(self, wide, &row, &ref, 1);
    *group = ref.group;
    return status;
}

int frames_update_push(struct frames *self, struct wr_batch *in, const struct wr_batch *wide,
                       const uint32_t *rows, uint32_t count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    int flow = WR_OK;
    for (uint32_t i = 0; i < count && flow == WR_OK; i++) {
        struct wr_arena_mark mark = wr_arena_mark(scratch);
        uint32_t row = rows[i];
        int takes_back = in->weight != NULL && in->weight[row] < 0;
        int update = takes_back && i + 1 < count && in->replaced != NULL &&
                     wr_bit_get(in->replaced, row) && rows[i + 1] == row + 1;
        uint8_t *group, *other = NULL;
        flow = find_group(self, wide, row, &group);
        if (flow == WR_OK && update) { /* finding it may move the first */
            flow = find_group(self, wide, row + 1, &other);
            if (flow == WR_OK)
                flow = find_group(self, wide, row, &group);
            update = other == group;
        }
        if (flow == WR_OK)
            flow = change_group(self, group, in, wide, takes_back ? row : NO_ROW,
                                update       ? row + 1
                                : takes_back ? NO_ROW
                                             : row,
                                out);
        if (flow >= 0)
            drop_empty(self, group);
        i += (uint32_t)update;
        wr_arena_rewind(scratch, mark);
    }
    return flow;
}
