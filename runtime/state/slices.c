/* slices.c: see slices.h.
 *
 *   log:  u32 magic "wsl1" · varint dropped_count · u64 start each · u32 slice_count ·
 *         { u64 start · the table's log } each
 * A delta holds only the slices that have changed. A save in pieces is several logs: the first has
 * the starts that were dropped, and a large slice stands in more than one.
 *
 *   place:  u32 magic "wsp1" · varint set · u64 start
 * Before the log of a table whose rows were copied behind its save (apart.h). */
#include "state/slices.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "state/apart.h"
#include "base/banned.h"

#define LOG_MAGIC 0x316c7377u   /* "wsl1" */
#define PLACE_MAGIC 0x31707377u /* "wsp1" */
#define ROOM_MIN 8u

void wr_slices_init(struct wr_slices *slices, struct wr_budget *budget,
                    const struct wr_shape *shape, uint64_t seed) {
    *slices = (struct wr_slices){.budget = budget, .shape = shape, .seed = seed};
}

static void slice_free(struct wr_slices *slices, uint32_t at) {
    wr_table_free(slices->items[at].table);
    wr_rest_drop(&slices->items[at].rest, slices->budget, slices->scratch);
}

static uint64_t slice_rows(const struct wr_slice *slice) {
    return slice->table != NULL ? wr_table_count(slice->table) : slice->rest.row_count;
}

void wr_slices_release(struct wr_slices *slices) {
    for (uint32_t i = 0; i < slices->count; i++)
        slice_free(slices, i);
    wr_scratch_free(slices->scratch);
    slices->scratch = NULL;
    wr_free(slices->budget, slices->items);
    wr_free(slices->budget, slices->dropped);
    slices->items = NULL;
    slices->dropped = NULL;
    slices->count = slices->room = slices->last = 0;
    slices->dropped_count = slices->dropped_room = 0;
}

/* The first slice that starts at `start_us` or later. */
static uint32_t lower_bound(const struct wr_slices *slices, int64_t start_us) {
    uint32_t from = 0, to = slices->count;
    if (to > 0 && slices->items[to - 1].start_us < start_us)
        return to; /* time goes on: most new slices are the last */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (slices->items[middle].start_us < start_us)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct wr_table *wr_slices_find(const struct wr_slices *slices, int64_t start_us) {
    WR_ASSERT(slices->env == NULL);
    if (slices->last < slices->count && slices->items[slices->last].start_us == start_us)
        return slices->items[slices->last].table;
    uint32_t at = lower_bound(slices, start_us);
    return at < slices->count && slices->items[at].start_us == start_us ? slices->items[at].table
                                                                        : NULL;
}

static int items_reserve(struct wr_slices *slices) {
    if (slices->count < slices->room)
        return WR_OK;
    uint32_t room = WR_MAX(slices->room * 2, ROOM_MIN);
    struct wr_slice *items =
        wr_realloc(slices->budget, slices->items, room * sizeof *slices->items);
    if (items == NULL)
        return WR_ENOMEM;
    slices->items = items;
    slices->room = room;
    return WR_OK;
}

/* Room for the starts of all slices that there are, so that dropping cannot fail. */
static int dropped_reserve(struct wr_slices *slices) {
    uint32_t need = slices->dropped_count + slices->count + 1;
    if (need <= slices->dropped_room)
        return WR_OK;
    uint32_t room = WR_MAX(need, slices->dropped_room * 2);
    int64_t *dropped = wr_realloc(slices->budget, slices->dropped, room * sizeof *dropped);
    if (dropped == NULL)
        return WR_ENOMEM;
    slices->dropped = dropped;
    slices->dropped_room = room;
    return WR_OK;
}

struct wr_table *wr_slices_at(struct wr_slices *slices, int64_t start_us) {
    if (slices->last < slices->count && slices->items[slices->last].start_us == start_us &&
        slices->items[slices->last].table != NULL)
        return slices->items[slices->last].table;
    uint32_t at = lower_bound(slices, start_us);
    if (at < slices->count && slices->items[at].start_us == start_us)
        return wr_slices_wake(slices, at) == WR_OK ? slices->items[at].table : NULL;
    slices->failure = WR_ENOMEM;
    if (items_reserve(slices) != WR_OK || dropped_reserve(slices) != WR_OK)
        return NULL;
    uint32_t page_bytes = slices->apart == NULL || slices->apart->page_bytes == 0
                              ? WR_TABLE_PAGE_BYTES
                              : slices->apart->page_bytes;
    struct wr_table *table =
        wr_table_new_paged(slices->budget, slices->shape, slices->seed, page_bytes);
    /* Slices are much alike: it will hold about as many as the one before. */
    if (table == NULL ||
        (at > 0 && wr_table_expect(table, slice_rows(&slices->items[at - 1])) != WR_OK)) {
        wr_table_free(table);
        return NULL;
    }
    memmove(&slices->items[at + 1], &slices->items[at],
            (slices->count - at) * sizeof *slices->items);
    slices->items[at] =
        (struct wr_slice){.start_us = start_us, .table = table, .used = ++slices->clock};
    slices->count++;
    slices->last = at;
    return table;
}

/* Only what a save has seen must be dropped from what was saved. */
static void slice_drop(struct wr_slices *slices, uint32_t at) {
    struct wr_slice *slice = &slices->items[at];
    if (slice->table != NULL ? wr_table_was_saved(slice->table) : slice->rest.was_saved) {
        WR_ASSERT(slices->dropped_count < slices->dropped_room);
        slices->dropped[slices->dropped_count++] = slice->start_us;
    }
    slice_free(slices, at);
}

static void items_cut(struct wr_slices *slices, uint32_t at, uint32_t count) {
    memmove(&slices->items[at], &slices->items[at + count],
            (slices->count - at - count) * sizeof *slices->items);
    slices->count -= count;
    slices->last = 0;
}

void wr_slices_drop_before(struct wr_slices *slices, int64_t start_us) {
    uint32_t count = lower_bound(slices, start_us);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        slice_drop(slices, i);
    items_cut(slices, 0, count);
}

void wr_slices_drop_between(struct wr_slices *slices, int64_t first_us, int64_t start_us) {
    uint32_t end = lower_bound(slices, start_us), at = lower_bound(slices, first_us);
    at += at < slices->count && slices->items[at].start_us == first_us;
    if (at >= end)
        return;
    for (uint32_t i = at; i < end; i++)
        slice_drop(slices, i);
    items_cut(slices, at, end - at);
}

void wr_slices_settle(struct wr_slices *slices) {
    if (slices->count == 0)
        return;
    if (slices->settle_next >= slices->count)
        slices->settle_next = 0;
    struct wr_table *table = slices->items[slices->settle_next++].table;
    if (table != NULL)
        wr_table_settle(table);
}

uint64_t wr_slices_bytes(const struct wr_slices *slices) {
    uint64_t bytes = slices->room * sizeof *slices->items;
    bytes += slices->dropped_room * sizeof *slices->dropped;
    for (uint32_t i = 0; i < slices->count; i++)
        bytes += slices->items[i].table == NULL ? 0 : wr_table_bytes(slices->items[i].table);
    return bytes;
}

uint64_t wr_slices_rows(const struct wr_slices *slices) {
    uint64_t rows = 0;
    for (uint32_t i = 0; i < slices->count; i++)
        rows += slice_rows(&slices->items[i]);
    return rows;
}

static int has_changed(const struct wr_slices *slices, uint32_t at, int all) {
    const struct wr_slice *slice = &slices->items[at];
    return all ||
           (slice->table != NULL ? wr_table_has_changed(slice->table) : slice->rest.has_changed);
}

int wr_slices_has_changed(const struct wr_slices *slices) {
    if (slices->dropped_count > 0)
        return 1;
    for (uint32_t i = 0; i < slices->count; i++)
        if (has_changed(slices, i, 0))
            return 1;
    return 0;
}

void wr_slices_save_none(struct wr_buf *out) {
    wr_buf_add_u32(out, LOG_MAGIC);
    wr_buf_add_varint(out, 0);
    wr_buf_add_u32(out, 0);
}

/* Where rows are saved; NULL: with the rest. */
static struct wr_apart *apart_of(const struct wr_slices *slices) {
    return slices->apart != NULL && slices->apart->is_kept ? slices->apart : NULL;
}

/* How much more may stand in this piece. */
static size_t room_of(const struct wr_slices *slices, const struct wr_buf *out, size_t length_max) {
    const struct wr_apart *apart = apart_of(slices);
    size_t length = out->length + (apart == NULL ? 0 : apart->rows.length);
    return length < length_max ? length_max - length : 0;
}

/* Slices from where the save stands; the last one may be in this piece in part. */
static int save_some(struct wr_slices *slices, struct wr_buf *out, int all, size_t length_max) {
    size_t count_at = out->length;
    uint32_t count = 0, at = slices->save_next;
    int status = wr_buf_add_u32(out, 0);
    for (; at < slices->count && status == WR_OK; at++) {
        struct wr_slice *slice = &slices->items[at];
        if (!has_changed(slices, at, all))
            continue;
        if (count > 0 && room_of(slices, out, length_max) == 0) {
            status = WR_EAGAIN;
            break;
        }
        status = wr_slices_wake(slices, at);
        if (status != WR_OK)
            break;
        wr_buf_add_u64(out, (uint64_t)slice->start_us);
        struct wr_apart *apart = apart_of(slices);
        if (apart != NULL) {
            apart->set = slices->apart_set;
            apart->start_us = slice->start_us;
        }
        status =
            wr_table_save_apart(slice->table, out, apart, all, room_of(slices, out, length_max));
        count++;
        if (status == WR_EAGAIN)
            break;
        if (status == WR_OK)
            status = wr_slices_relieve(slices);
    }
    slices->save_next = status == WR_EAGAIN ? at : 0;
    if (out->status == WR_OK)
        memcpy(out->bytes + count_at, &count, sizeof count);
    return status;
}

int wr_slices_save(struct wr_slices *slices, struct wr_buf *out, int all, size_t piece_bytes) {
    size_t start = out->length;
    int is_first = !slices->saving;
    uint32_t dropped_count = is_first && !all ? slices->dropped_count : 0;
    wr_buf_add_u32(out, LOG_MAGIC);
    wr_buf_add_varint(out, dropped_count);
    for (uint32_t i = 0; i < dropped_count; i++)
        wr_buf_add_u64(out, (uint64_t)slices->dropped[i]);
    size_t length_max = piece_bytes > SIZE_MAX - start ? SIZE_MAX : start + piece_bytes;
    int status = save_some(slices, out, all, length_max);
    slices->saving = status == WR_EAGAIN;
    if (status == WR_OK)
        slices->dropped_count = 0;
    else if (status != WR_EAGAIN)
        out->length = start;
    return status;
}

static int load_dropped(struct wr_slices *slices, struct wr_reader *in) {
    uint64_t count = wr_reader_varint(in);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        int64_t start_us = (int64_t)wr_reader_u64(in);
        uint32_t at = lower_bound(slices, start_us);
        if (in->failed || at == slices->count || slices->items[at].start_us != start_us)
            continue;
        slice_free(slices, at);
        items_cut(slices, at, 1);
    }
    return in->failed ? WR_ECORRUPT : WR_OK;
}

int wr_slices_load(struct wr_slices *slices, struct wr_reader *in) {
    if (wr_reader_u32(in) != LOG_MAGIC || in->failed)
        return WR_ECORRUPT;
    int status = load_dropped(slices, in);
    uint32_t count = status == WR_OK ? wr_reader_u32(in) : 0;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        int64_t start_us = (int64_t)wr_reader_u64(in);
        if (in->failed)
            return WR_ECORRUPT;
        struct wr_table *table = wr_slices_at(slices, start_us);
        status = table == NULL              ? wr_slices_failure(slices)
                 : apart_of(slices) != NULL ? wr_table_load_apart(table, in, slices->apart)
                                            : wr_table_load(table, in);
        if (status == WR_OK)
            status = wr_slices_relieve(slices);
    }
    return in->failed ? WR_ECORRUPT : status;
}

int wr_slices_sets_have_changed(struct wr_slices *const *sets, uint32_t count) {
    for (uint32_t s = 0; s < count; s++)
        if (sets[s]->saving || wr_slices_has_changed(sets[s]))
            return 1;
    return 0;
}

int wr_slices_save_sets(struct wr_slices *const *sets, uint32_t count, struct wr_buf *out, int all,
                        size_t piece_bytes) {
    uint32_t first = 0;
    int status = WR_OK;
    for (uint32_t s = 0; s < count; s++)
        first = sets[s]->saving ? s : first;
    for (uint32_t s = 0; s < count; s++) {
        if (s < first || status == WR_EAGAIN)
            wr_slices_save_none(out);
        else if (status == WR_OK)
            status = wr_slices_save(sets[s], out, all, piece_bytes);
    }
    return status;
}

int wr_slices_load_sets(struct wr_slices *const *sets, uint32_t count, struct wr_reader *in) {
    int status = WR_OK;
    for (uint32_t s = 0; s < count && status == WR_OK; s++)
        status = wr_slices_load(sets[s], in);
    return status;
}

void wr_slices_keep_apart(struct wr_slices *slices, struct wr_apart *apart) {
    slices->apart = apart;
    if (apart == NULL)
        return;
    WR_ASSERT(apart->set_count < WR_APART_SETS_MAX);
    slices->apart_set = apart->set_count;
    apart->sets[apart->set_count++] = slices;
}

void wr_apart_add_place(struct wr_buf *out, uint32_t set, int64_t start_us) {
    wr_buf_add_u32(out, PLACE_MAGIC);
    wr_buf_add_varint(out, set);
    wr_buf_add_u64(out, (uint64_t)start_us);
}

int wr_apart_load(struct wr_apart *apart, struct wr_reader *in) {
    uint32_t magic;
    if (in->length - in->at < sizeof magic)
        return WR_EAGAIN;
    memcpy(&magic, in->bytes + in->at, sizeof magic);
    if (magic != PLACE_MAGIC)
        return WR_EAGAIN;
    (void)wr_reader_u32(in);
    uint64_t set = wr_reader_varint(in);
    int64_t start_us = (int64_t)wr_reader_u64(in);
    struct wr_table *table =
        in->failed || set >= apart->set_count ? NULL : wr_slices_find(apart->sets[set], start_us);
    return table == NULL ? WR_ECORRUPT : wr_table_load_apart(table, in, apart);
}
