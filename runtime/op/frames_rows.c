/* frames_rows.c: the rows of groups that frames and `lag` look at: a table by group and number. In
 * the order of time where there is one: a row that came late shifts the few behind it. */
#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/frames.h"
#include "base/banned.h"

static struct wr_table *kept_table(struct frames *self) {
    return wr_slices_at(&self->kept, 0);
}

static uint64_t kept_key(struct frames *self, const struct wr_table *table, uint8_t *group,
                         uint64_t number, uint64_t key[2]) {
    key[0] = frames_group_of(self, group)->id;
    key[1] = number;
    return frames_hash_two(key, wr_table_seed(table));
}

int frames_kept_find(struct frames *self, uint8_t *const *groups, const uint64_t *numbers,
                     uint32_t count, uint8_t **rows) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    const struct wr_table *table = kept_table(self);
    uint64_t(*keys)[2] = wr_arena_alloc(scratch, ((size_t)count + 1) * sizeof *keys);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    int status = table == NULL || keys == NULL || hashes == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++)
        hashes[i] = kept_key(self, table, groups[i], numbers[i], keys[i]);
    if (status == WR_OK)
        wr_table_find(table, keys, hashes, count, rows);
    wr_arena_rewind(scratch, mark);
    return status;
}

static uint8_t *kept_at(struct frames *self, const struct wr_table *table, uint8_t *group,
                        uint64_t number) {
    uint64_t key[2], hash = kept_key(self, table, group, number, key);
    uint8_t *row;
    wr_table_find(table, key, &hash, 1, &row);
    return row;
}

/* Moves the rows behind time `time` up by one, into the free row `end`; gives the number that is
 * free now, and its row. */
static int make_place(struct frames *self, struct wr_table *table, uint8_t *group, int64_t time,
                      uint64_t *number, uint8_t **end) {
    size_t bytes = self->kept_shape.row_bytes - FRAMES_KEPT_KEY;
    uint64_t first = frames_group_of(self, group)->first;
    for (; *number > first; (*number)--) {
        uint8_t *before = kept_at(self, table, group, *number - 1);
        if (before == NULL)
            return WR_ECORRUPT;
        if (frames_kept_time(before) <= time)
            break;
        memcpy(*end + FRAMES_KEPT_KEY, before + FRAMES_KEPT_KEY, bytes);
        wr_table_touch(table, *end);
        *end = before;
    }
    memset(*end + FRAMES_KEPT_KEY, 0, bytes); /* its strings have moved */
    wr_table_touch(table, *end);
    return WR_OK;
}

/* Numbers only: nobody looks at the rows again. */
static void number_rows(struct frames *self, struct frames_chunk *chunk, const uint32_t *which,
                        uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct frames_ref *ref = &chunk->refs[which[i]];
        struct frames_group *group = frames_group_of(self, ref->group);
        ref->number = group->next++;
        group->first = group->next;
    }
}

int frames_append(struct frames *self, struct frames_chunk *chunk, const uint32_t *which,
                  uint32_t count) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_table *table = kept_table(self);
    if (!frames_config_of(self)->keeps) {
        number_rows(self, chunk, which, count);
        return WR_OK;
    }
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint64_t(*keys)[2] = wr_arena_alloc(scratch, ((size_t)count + 1) * sizeof *keys);
    uint64_t *hashes = WR_ARENA_ARRAY(scratch, uint64_t, count + 1);
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    int status =
        table == NULL || keys == NULL || hashes == NULL || rows == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct frames_ref *ref = &chunk->refs[which[i]];
        ref->number = frames_group_of(self, ref->group)->next++;
        hashes[i] = kept_key(self, table, ref->group, ref->number, keys[i]);
    }
    if (status == WR_OK)
        status = wr_table_upsert(table, keys, hashes, count, rows, NULL);
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct frames_ref *ref = &chunk->refs[which[i]];
        struct frames_group *group = frames_group_of(self, ref->group);
        uint8_t *row = rows[i];
        if (ref->number > group->first && ref->time < group->last_time)
            status = make_place(self, table, ref->group, ref->time, &ref->number, &row);
        else
            group->last_time = ref->time;
        if (status != WR_OK)
            break;
        memcpy(row + FRAMES_KEPT_TIME, &ref->time, 8);
        memcpy(row + FRAMES_KEPT_SEQ, &ref->seq, 8);
        status = wr_payload_put(&self->keep, table, row + FRAMES_KEPT_PAYLOAD, chunk->wide,
                                chunk->rows[which[i]]);
    }
    wr_arena_rewind(scratch, mark);
    return status;
}

int frames_forget(struct frames *self, uint8_t *group, uint64_t number) {
    struct frames_group *head = frames_group_of(self, group);
    struct wr_table *table = kept_table(self);
    if (table == NULL)
        return WR_ENOMEM;
    for (; head->first < number; head->first++) {
        uint64_t key[2], hash = kept_key(self, table, group, head->first, key);
        wr_table_delete(table, key, hash);
    }
    return WR_OK;
}

int frames_kept_read(struct frames *self, uint8_t *const *rows, uint32_t count,
                     struct wr_arena *arena, struct wr_column *items) {
    const struct wr_list *inputs = frames_config_of(self)->frames->inputs;
    const uint8_t **payloads = WR_ARENA_ARRAY(arena, const uint8_t *, count + 1);
    if (payloads == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        payloads[i] = rows[i] == NULL ? NULL : rows[i] + FRAMES_KEPT_PAYLOAD;
    int status = WR_OK;
    for (uint32_t i = 0; i < inputs->item_count && status == WR_OK; i++)
        if (self->kept_items[i] != FRAMES_NOT_KEPT)
            status = wr_payload_read(&self->keep, self->kept_items[i], payloads, count, arena,
                                     &items[i]);
    return status;
}

/* ---- what nobody can see any more ---- */

/* Whether the first kept row is behind what rows at or behind `frontier` can see: there are enough
 * others before the frontier, and it is out of every frame of time. */
static int is_done(struct frames *self, const struct wr_table *table, uint8_t *group,
                   int64_t frontier) {
    const struct frames_config *config = frames_config_of(self);
    const struct frames_group *head = frames_group_of(self, group);
    uint64_t back = (uint64_t)WR_MAX(config->rows_max, config->lag_max);
    if (head->first >= head->next || head->first + back >= head->next)
        return 0;
    const uint8_t *row = kept_at(self, table, group, head->first);
    const uint8_t *last = back == 0 ? row : kept_at(self, table, group, head->first + back);
    if (row == NULL || last == NULL || frames_kept_time(last) >= frontier)
        return 0;
    return config->span_us < 0 || frames_kept_time(row) < wr_time_add(frontier, -config->span_us);
}

/* A frame with rows in it that are gone is made anew. */
static void drop_live(struct frames *self, uint8_t *group) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *table = wr_slices_at(&self->live, 0);
    struct frames_group *head = frames_group_of(self, group);
    uint64_t hash = frames_hash_one(head->id, wr_table_seed(table));
    uint8_t *row;
    wr_table_find(table, &head->id, &hash, 1, &row);
    int stale = 0;
    for (uint32_t f = 1; row != NULL && f < config->frames->frame_count; f++)
        stale |= frames_live_of(row)->spans[f].low < head->first;
    if (stale)
        wr_table_delete(table, &head->id, hash);
}

int frames_trim(struct frames *self, uint8_t *group, int64_t frontier) {
    struct wr_table *table = kept_table(self);
    struct frames_group *head = frames_group_of(self, group);
    if (table == NULL || wr_slices_at(&self->live, 0) == NULL)
        return WR_ENOMEM;
    if (frames_config_of(self)->lead_max > 0 && head->out < head->next) {
        const uint8_t *next = kept_at(self, table, group, head->out);
        if (next == NULL)
            return WR_ECORRUPT;
        int64_t time = frames_kept_time(next);
        frontier = WR_MIN(frontier, time);
    }
    uint64_t before = head->first;
    int status = WR_OK;
    while (status == WR_OK && is_done(self, table, group, frontier))
        status = frames_forget(self, group, head->first + 1);
    if (head->first != before)
        drop_live(self, group);
    return status;
}

int frames_sweep(struct frames *self, int64_t frontier) {
    const struct frames_config *config = frames_config_of(self);
    struct wr_table *table = wr_slices_at(&self->groups, 0);
    struct wr_arena *scratch = self->base.env->scratch;
    if (table == NULL)
        return WR_ENOMEM;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint8_t **empty = WR_ARENA_ARRAY(scratch, uint8_t *, wr_table_count(table) + 1);
    uint64_t empty_count = 0;
    struct wr_table_walk walk;
    wr_table_walk_begin(&walk, table);
    int status = empty == NULL ? WR_ENOMEM : WR_OK;
    for (uint8_t *row; status == WR_OK && (row = wr_table_walk_next(&walk)) != NULL;) {
        struct frames_group *head = frames_group_of(self, row);
        uint64_t first = head->first;
        status = frames_trim(self, row, frontier);
        if (head->first != first)
            wr_table_touch(table, row);
        if (config->forgets && head->first == head->next)
            empty[empty_count++] = row;
    }
    /* Deleting moves rows: keys first. */
    uint32_t bytes = config->groups_shape.key_bytes;
    char *keys = status == WR_OK ? wr_arena_alloc(scratch, empty_count * bytes + 1) : NULL;
    if (status == WR_OK && keys == NULL)
        status = WR_ENOMEM;
    for (uint64_t i = 0; i < empty_count && status == WR_OK; i++)
        memcpy(keys + i * bytes, empty[i], bytes);
    for (uint64_t i = 0; i < empty_count && status == WR_OK; i++) {
        const char *key = keys + i * bytes;
        wr_table_delete(table, key,
                        wr_shape_hash(&config->groups_shape, key, wr_table_seed(table)));
    }
    wr_arena_rewind(scratch, mark);
    return status;
}
