/* asof_sweep.c: the frontier moves on: rows that it has passed are swept over in the order of time.
 * See asof.h. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "op/asof.h"
#include "base/banned.h"

static uint64_t id_hash(const struct asof *self, uint32_t side, uint64_t id) {
    return wr_shape_hash(&self->sides[side].shape, &id, self->base.env->seed);
}

struct asof_row *asof_row(const struct asof *self, uint32_t side, uint64_t id) {
    const struct wr_table *table = wr_slices_find(&self->sides[side].rows, 0);
    uint64_t hash = id_hash(self, side, id);
    uint8_t *row = NULL;
    if (table != NULL)
        wr_table_find(table, &id, &hash, 1, &row);
    return (struct asof_row *)(void *)row;
}

static void asof_delete(struct asof *self, uint32_t side, uint64_t id) {
    struct wr_table *table = wr_slices_find(&self->sides[side].rows, 0);
    if (table != NULL)
        wr_table_delete(table, &id, id_hash(self, side, id));
}

static void touch(struct asof *self, struct asof_row *row) {
    wr_table_touch(wr_slices_find(&self->sides[ASOF_RIGHT].rows, 0), (uint8_t *)row);
}

static int bury(struct asof *self, uint64_t id) {
    if (wr_grow(self->base.env->state_budget, (void **)&self->graves, self->grave_count,
                &self->grave_room, sizeof *self->graves) != WR_OK)
        return WR_ENOMEM;
    self->graves[self->grave_count++] = id;
    return WR_OK;
}

/* ---- the index ---- */

static struct asof_chain *chain_in(const struct asof *self, uint8_t *row) {
    return (struct asof_chain *)(void *)(row + self->index_shape.key_bytes);
}

static uint64_t key_hash(const struct asof *self, const char *key) {
    return wr_shape_hash(&self->index_shape, key, self->base.env->seed);
}

/* The chain of a key; NULL: it has none. */
static struct asof_chain *find_chain(const struct asof *self, const char *key) {
    const struct wr_table *index = wr_slices_find(&self->index, 0);
    uint64_t hash = key_hash(self, key);
    uint8_t *row = NULL;
    if (index != NULL)
        wr_table_find(index, key, &hash, 1, &row);
    return row == NULL ? NULL : chain_in(self, row);
}

/* The key's versions are `first` and those behind it; 0: it has none any more. */
static void set_first(struct asof *self, const char *key, struct asof_chain *chain,
                      uint64_t first) {
    struct wr_table *index = wr_slices_find(&self->index, 0);
    chain->first = first;
    if (first == 0)
        wr_table_delete(index, key, key_hash(self, key));
    else
        wr_table_touch(index, (uint8_t *)chain - self->index_shape.key_bytes);
}

/* ---- right rows ---- */

/* Whether a row of the same time as the last one of its key stands before it all the same: by
 * source, partition and record. Rows that a stage made stand as they came. */
static int is_earlier(const struct asof_row *row, const struct asof_row *last) {
    if (row->time_us != last->time_us || row->stream != last->stream)
        return row->time_us == last->time_us && row->stream < last->stream;
    return row->stream != ASOF_MADE_STREAM && row->number < last->number;
}

/* FORWARD: a version behind the others of its key; one of the same time replaces it. */
static int append(struct asof *self, struct asof_chain *chain, struct asof_row *row,
                  struct asof_row *last) {
    int status = WR_OK;
    if (last->time_us == row->time_us) {
        status = bury(self, chain->last);
        if (chain->first == chain->last)
            chain->first = row->id;
        else
            last = asof_row(self, ASOF_RIGHT, chain->before_last);
    } else {
        chain->before_last = chain->last;
    }
    if (last == NULL)
        return WR_ECORRUPT;
    last->next = row->id;
    touch(self, last);
    chain->last = row->id;
    return status;
}

/* A version of a key that the sweep has come to. */
static int add_version(struct asof *self, struct asof_chain *chain, struct asof_row *row) {
    struct asof_row *last = chain->last == 0 ? NULL : asof_row(self, ASOF_RIGHT, chain->last);
    int status = WR_OK;
    if (chain->last != 0 && last == NULL)
        return WR_ECORRUPT;
    if (last != NULL && is_earlier(row, last))
        return bury(self, row->id);
    if (last != NULL && asof_config_of(self)->forward)
        return append(self, chain, row, last);
    if (last != NULL)
        status = bury(self, last->id);
    *chain = (struct asof_chain){.first = row->id, .last = row->id};
    return status;
}

static int end_versions(struct asof *self, const struct asof_row *row) {
    const char *key = asof_key(row);
    struct asof_chain *chain = find_chain(self, key);
    int status = bury(self, row->id);
    if (status == WR_OK && chain != NULL) {
        status = bury(self, chain->first);
        set_first(self, key, chain, 0);
    }
    return status;
}

static int pass_right(struct asof *self, uint64_t id) {
    const struct asof_config *config = asof_config_of(self);
    struct asof_row *row = asof_row(self, ASOF_RIGHT, id);
    struct wr_table *index = wr_slices_at(&self->index, 0);
    uint8_t *entry;
    if (row == NULL || index == NULL)
        return row == NULL ? WR_ECORRUPT : WR_ENOMEM;
    if (row->is_end)
        return end_versions(self, row);
    uint64_t hash = key_hash(self, asof_key(row));
    int status = wr_table_upsert(index, asof_key(row), &hash, 1, &entry, NULL);
    if (status != WR_OK)
        return status;
    struct asof_chain *chain = chain_in(self, entry);
    status = add_version(self, chain, row);
    row->has_passed = 1;
    touch(self, row);
    if (status == WR_OK && config->max_age_us != WR_TIME_MAX)
        status = wr_time_heap_add(&self->versions, row->time_us, id);
    return status;
}

/* ---- left rows ---- */

/* Passes by the versions before a time. *first: the first at or behind it, or NULL. */
static int skip_to(struct asof *self, const char *key, struct asof_chain *chain, int64_t time_us,
                   const struct asof_row **first) {
    uint64_t id = chain->first;
    const struct asof_row *row = NULL;
    for (int64_t before = WR_TIME_MIN; id != 0; before = row->time_us, id = row->next) {
        row = asof_row(self, ASOF_RIGHT, id);
        if (row == NULL || (id != chain->first && row->time_us <= before))
            return WR_ECORRUPT; /* in a state that was read back: versions ascend */
        if (row->time_us >= time_us)
            break;
    }
    *first = id == 0 ? NULL : row;
    if (id != chain->first)
        set_first(self, key, chain, id);
    return WR_OK;
}

/* The version that a left row takes; 0: none. */
static int find_version(struct asof *self, const struct asof_row *left, uint64_t *version) {
    const struct asof_config *config = asof_config_of(self);
    const char *key = asof_key(left);
    const struct asof_row *right = NULL;
    struct asof_chain *chain =
        equi_matches_nothing(&config->equi.layout, key) ? NULL : find_chain(self, key);
    int status = WR_OK;
    *version = 0;
    if (chain == NULL)
        return WR_OK;
    if (config->forward) {
        status = skip_to(self, key, chain, left->time_us, &right);
    } else {
        right = asof_row(self, ASOF_RIGHT, chain->first);
        status = right == NULL ? WR_ECORRUPT : WR_OK;
    }
    if (status != WR_OK || right == NULL)
        return status;
    int64_t earlier = WR_MIN(left->time_us, right->time_us);
    int64_t later = WR_MAX(left->time_us, right->time_us);
    if (wr_time_add(earlier, config->max_age_us) >= later)
        *version = right->id;
    return WR_OK;
}

static int pass_left(struct asof *self, uint64_t id) {
    const struct asof_row *row = asof_row(self, ASOF_LEFT, id);
    uint64_t version;
    if (row == NULL)
        return WR_ECORRUPT;
    int status = find_version(self, row, &version);
    if (status != WR_OK)
        return status;
    if (version == 0 && asof_config_of(self)->inner) {
        asof_delete(self, ASOF_LEFT, id);
        return WR_OK;
    }
    if (wr_grow(self->base.env->state_budget, (void **)&self->matches, self->match_count,
                &self->match_room, sizeof *self->matches) != WR_OK)
        return WR_ENOMEM;
    self->matches[self->match_count++] =
        (struct asof_match){.left = id, .right = version, .time_us = row->time_us};
    return WR_OK;
}

/* ---- the sweep ---- */

/* What was found leaves, and with it the rows that it was made of. */
static int flush(struct asof *self, int *flow, struct wr_out *out) {
    int status = WR_OK;
    if (*flow == WR_FLOW_MORE && self->match_count > 0)
        status = asof_emit(self, out);
    if (status > 0)
        *flow = status;
    for (uint32_t i = 0; i < self->match_count; i++)
        asof_delete(self, ASOF_LEFT, self->matches[i].left);
    for (uint32_t i = 0; i < self->grave_count; i++)
        asof_delete(self, ASOF_RIGHT, self->graves[i]);
    self->match_count = self->grave_count = 0;
    return WR_MIN(status, WR_OK);
}

/* When the sweep comes to the first row of a side that waits; WR_TIME_MAX with *there 0: there is
 * none that the frontier has passed. */
static int64_t first_due(const struct asof *self, uint32_t side, int64_t frontier, int *there) {
    const struct wr_time_heap *waiting = &self->sides[side].waiting;
    int64_t lag = side == ASOF_LEFT ? asof_config_of(self)->lag_us : 0;
    int64_t due = waiting->count == 0 ? WR_TIME_MAX : wr_time_add(waiting->items[0].time_us, lag);
    *there = waiting->count > 0 && (due < frontier || frontier == WR_TIME_MAX);
    return *there ? due : WR_TIME_MAX;
}

static int sweep(struct asof *self, int64_t frontier, int *flow, struct wr_out *out) {
    const struct asof_config *config = asof_config_of(self);
    int status = WR_OK;
    while (status == WR_OK) {
        int left, right;
        int64_t left_due = first_due(self, ASOF_LEFT, frontier, &left);
        int64_t right_due = first_due(self, ASOF_RIGHT, frontier, &right);
        if (!left && !right)
            break;
        int right_first =
            right && (!left || right_due < left_due || (right_due == left_due && !config->before));
        if (right_first) {
            status = pass_right(self, wr_time_heap_take(&self->sides[ASOF_RIGHT].waiting).id);
            continue;
        }
        struct wr_timer timer = wr_time_heap_take(&self->sides[ASOF_LEFT].waiting);
        /* Rows of one time leave together, in an order of their own. */
        if (self->match_count >= self->base.env->batch_rows &&
            self->matches[self->match_count - 1].time_us != timer.time_us)
            status = flush(self, flow, out);
        if (status == WR_OK)
            status = pass_left(self, timer.id);
    }
    return status == WR_OK ? flush(self, flow, out) : status;
}

/* A version that no left row can reach any more. */
static int free_version(struct asof *self, uint64_t id) {
    struct asof_row *row = asof_row(self, ASOF_RIGHT, id);
    if (row == NULL)
        return WR_OK; /* replaced since */
    const char *key = asof_key(row);
    struct asof_chain *chain = find_chain(self, key);
    if (chain != NULL && chain->first == id)
        set_first(self, key, chain, row->next);
    asof_delete(self, ASOF_RIGHT, id);
    return WR_OK;
}

/* Left rows to come have at least the time `frontier` less the lag. */
static int free_versions(struct asof *self, int64_t frontier) {
    const struct asof_config *config = asof_config_of(self);
    struct wr_time_heap *versions = &self->versions;
    int status = WR_OK;
    if (frontier == WR_TIME_MAX) {
        wr_slices_drop_before(&self->sides[ASOF_LEFT].rows, WR_TIME_MAX);
        wr_slices_drop_before(&self->sides[ASOF_RIGHT].rows, WR_TIME_MAX);
        wr_slices_drop_before(&self->index, WR_TIME_MAX);
        versions->count = 0;
        return WR_OK;
    }
    while (status == WR_OK && versions->count > 0 &&
           wr_time_add(versions->items[0].time_us, config->max_age_us) < frontier)
        status = free_version(self, wr_time_heap_take(versions).id);
    /* Entries of versions that were replaced are left out once they are the most of all. */
    const struct wr_table *rows = wr_slices_find(&self->sides[ASOF_RIGHT].rows, 0);
    uint64_t held = rows == NULL ? 0 : wr_table_count(rows);
    if (status == WR_OK && versions->count > 2 * held + 1024)
        status = asof_index(self);
    return status;
}

int asof_advance(struct wr_op *op, int64_t frontier, struct wr_out *out) {
    struct asof *self = (struct asof *)op;
    int flow = WR_FLOW_MORE;
    int status = self->must_index ? asof_index(self) : WR_OK;
    if (status == WR_OK)
        status = sweep(self, frontier, &flow, out);
    return status == WR_OK ? free_versions(self, frontier) : status;
}
