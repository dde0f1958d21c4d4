/* agg_session_fire.c: sessions, and groups that end at a time of their own, when the frontier has
 * passed their end: results in the order of ends, starts and keys; then they are dropped. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/status.h"
#include "op/agg.h"
#include "base/banned.h"

static const struct agg_config *config_of(const struct agg *self) {
    return self->base.config;
}

struct fire {
    uint8_t *state;
    struct agg_span span;
    uint32_t rank; /* of its key */
};

static int fire_order(const void *a, const void *b) {
    const struct fire *x = a, *y = b;
    if (x->span.end != y->span.end)
        return x->span.end < y->span.end ? -1 : 1;
    if (x->span.start != y->span.start)
        return x->span.start < y->span.start ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Emits the sessions that fire, by their ends, starts and keys. */
static int emit_fires(struct agg *self, struct fire *fires, uint32_t count, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    uint8_t **rows = WR_ARENA_ARRAY(scratch, uint8_t *, count + 1);
    struct agg_span *spans = WR_ARENA_ARRAY(scratch, struct agg_span, count + 1);
    if (rows == NULL || spans == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = fires[i].state;
        *agg_state_word(rows[i]) = (int64_t)i;
    }
    wr_keys_sort(&config_of(self)->aggregates->layout, rows, count);
    for (uint32_t i = 0; i < count; i++) {
        fires[*agg_state_word(rows[i])].rank = i;
        *agg_state_word(rows[i]) = 0;
    }
    qsort(fires, count, sizeof *fires, fire_order);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = fires[i].state;
        spans[i] = fires[i].span;
    }
    return agg_emit_groups(self, rows, spans, count, out);
}

/* The state, group and list entry of a session; *part is NULL when it is no more. */
static int find_part(struct agg *self, int64_t id, uint8_t **state, uint8_t **group,
                     struct agg_part **part, uint32_t *place) {
    agg_states_find(&self->parts, self->base.env->scratch, &id, 1, state);
    *part = NULL;
    if (*state == NULL) /* merged into another, or dropped */
        return WR_OK;
    *group = agg_group_of(&self->parts, *state);
    if (*group == NULL)
        return WR_ECORRUPT;
    uint32_t count;
    struct agg_part *list = agg_group_parts(&self->parts, *group, &count);
    for (*place = 0; *place < count && list[*place].id != id;)
        ++*place;
    if (*place == count)
        return WR_ECORRUPT;
    *part = &list[*place];
    return WR_OK;
}

/* A session that is over leaves both tables. */
static int drop_session(struct agg *self, int64_t id) {
    uint8_t *state, *group;
    struct agg_part *part;
    uint32_t place, count;
    int status = find_part(self, id, &state, &group, &part, &place);
    if (status != WR_OK || part == NULL)
        return status;
    agg_group_remove(&self->parts, group, place);
    agg_group_touch(&self->parts, group);
    agg_group_parts(&self->parts, group, &count);
    if (count == 0) {
        uint64_t hash;
        wr_keys_hash(&config_of(self)->aggregates->layout, state, 1, self->parts.seed, &hash);
        agg_group_delete(&self->parts, (const char *)state, hash);
    }
    agg_state_delete(&self->parts, id);
    return WR_OK;
}

/* Looks at one session that is due. */
static int look_at(struct agg *self, const struct wr_timer *due, int64_t frontier,
                   struct fire *fires, uint32_t *fire_count, int64_t *over, uint32_t *over_count) {
    const struct agg_config *config = config_of(self);
    uint8_t *state, *group;
    struct agg_part *part;
    uint32_t place;
    int status = find_part(self, (int64_t)due->id, &state, &group, &part, &place);
    if (status != WR_OK || part == NULL || part->due != due->time_us)
        return status;
    int64_t end = agg_session_end(self, part), closes = agg_session_closes(self, part);
    int has_fired = self->fired_any && end <= self->fired_us;
    if (config->mode == AGG_FINAL && end <= frontier && !has_fired)
        fires[(*fire_count)++] =
            (struct fire){.state = state, .span = agg_session_span(self, part)};
    if (closes <= frontier) {
        over[(*over_count)++] = (int64_t)due->id;
        return WR_OK;
    }
    agg_group_touch(&self->parts, group);
    return agg_due_add(&self->parts, part, end > frontier ? end : closes);
}

int agg_session_fire(struct agg *self, int64_t frontier, struct wr_out *out) {
    struct wr_arena *scratch = self->base.env->scratch;
    struct wr_arena_mark mark = wr_arena_mark(scratch);
    uint32_t room = 0, fire_count = 0, over_count = 0;
    frontier = agg_session_frontier(config_of(self), frontier);
    int status = agg_due_count(&self->parts, frontier, &room);
    struct fire *fires = WR_ARENA_ARRAY(scratch, struct fire, room + 1);
    int64_t *over = WR_ARENA_ARRAY(scratch, int64_t, room + 1);
    if (status == WR_OK && (fires == NULL || over == NULL))
        status = WR_ENOMEM;
    for (struct wr_timer due; status == WR_OK && agg_due_next(&self->parts, frontier, &due);)
        status = look_at(self, &due, frontier, fires, &fire_count, over, &over_count);
    if (status == WR_OK && fire_count > 0)
        status = emit_fires(self, fires, fire_count, out);
    for (uint32_t i = 0; i < over_count && status >= 0; i++) {
        int dropped = drop_session(self, over[i]);
        status = dropped < 0 ? dropped : status;
    }
    wr_arena_rewind(scratch, mark);
    if (!self->fired_any || frontier > self->fired_us) {
        self->fired_us = frontier;
        self->fired_any = 1;
    }
    return status;
}
