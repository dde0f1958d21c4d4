/* rowset_rest.c: which rows of a set rest, and how those are found that do. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

#define PART_OF_A_SLICE 64u /* slices of a smaller part of what may be in memory go last */
#define AWAKE_PART 8u       /* of it, for blocks that were read back, when rows go to rest */

void wr_rowset_may_rest(struct wr_rowset *set, struct wr_apart *apart) {
    WR_ASSERT(set->next_id == 0);
    set->apart = apart;
}

/* ---- which rows rest ---- */

struct place {
    uint64_t hash, id;
    const struct wr_rowset_row *row;
};

static int compare_places(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Rows of a slice that are in memory as a run; NULL: there is none. */
static int make_run(struct wr_rowset *set, const struct wr_rowset_slice *slice,
                    struct wr_rowset_run **run) {
    uint64_t count = slice->live - slice->rested, at = 0;
    *run = NULL;
    if (count == 0)
        return WR_OK;
    struct place *places = wr_alloc(set->budget, count * sizeof *places);
    if (places == NULL)
        return WR_ENOMEM;
    struct wr_rowset_walk walk = {.set = set, .slice = slice};
    for (struct wr_rowset_row *row; (row = wr_rowset_walk_next(&walk)) != NULL;)
        places[at++] = (struct place){.hash = row->hash, .id = row->id, .row = row};
    WR_ASSERT(at == count);
    qsort(places, count, sizeof *places, compare_places);
    struct wr_rowset_writer writer;
    int status = wr_rowset_write_begin(&writer, set, count);
    for (at = 0; at < count && status == WR_OK; at++)
        status = wr_rowset_write(&writer, places[at].row);
    wr_free(set->budget, places);
    return wr_rowset_write_end(&writer, status, run);
}

static int slice_rest(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    struct wr_rowset_run *run;
    int status = make_run(set, slice, &run);
    if (status != WR_OK)
        return status;
    wr_rowset_slice_empty(set, slice);
    set->rested += slice->live - slice->rested;
    slice->rested = slice->live;
    if (run == NULL)
        return WR_OK;
    return wr_rowset_runs_add(set, &slice->runs, &slice->run_count, &slice->run_room, run, 1,
                              wr_rowset_by_hash, NULL);
}

/* Runs of which half was taken back become smaller, those without a row go. */
static int tidy_runs(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    int status = WR_OK;
    for (uint32_t r = 0; r < slice->run_count && status == WR_OK; r++) {
        struct wr_rowset_run *run = slice->runs[r];
        if (run->gone <= run->rows / 2)
            continue;
        uint32_t one = 1;
        if (run->gone < run->rows) {
            status = wr_rowset_runs_join(set, &slice->runs[r], &one, 0, run->level, 1,
                                         wr_rowset_by_hash, NULL);
            continue;
        }
        wr_rowset_run_free(set, run);
        memmove(&slice->runs[r], &slice->runs[r + 1],
                (slice->run_count - r - 1) * sizeof(struct wr_rowset_run *));
        slice->run_count--;
        r--;
    }
    return status;
}

int wr_rowset_relieve(struct wr_rowset *set, uint64_t bytes_max) {
    WR_ASSERT(set->apart != NULL && !set->saving.active);
    if (set->stays)
        return WR_OK;
    int status = wr_rowset_tend(set, bytes_max / AWAKE_PART);
    for (uint32_t s = 0; s < set->count && status == WR_OK; s++)
        status = tidy_runs(set, set->slices[s]);
    uint64_t bytes = wr_rowset_bytes(set);
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t s = 0; s < set->count && status == WR_OK && bytes > bytes_max; s++) {
            struct wr_rowset_slice *slice = set->slices[s];
            if (slice->block_count == 0 ||
                (pass == 0 && slice->bytes < bytes_max / PART_OF_A_SLICE))
                continue;
            status = slice_rest(set, slice);
            bytes = wr_rowset_bytes(set);
        }
    return status;
}

void wr_rowset_slice_forget(struct wr_rowset *set, struct wr_rowset_slice *slice) {
    for (uint32_t r = 0; r < slice->run_count; r++)
        wr_rowset_run_free(set, slice->runs[r]);
    set->rested -= slice->rested;
    wr_free(set->budget, slice->runs);
    slice->runs = NULL;
    slice->run_count = slice->run_room = 0;
    slice->rested = 0;
}

void wr_rowset_hand_over(struct wr_rowset *set, struct wr_rowset_slice *from,
                         struct wr_rowset_slice *to) {
    for (uint32_t i = 0; i < set->awake_count && from->run_count > 0; i++)
        if (set->awake[i]->slice == from)
            set->awake[i]->slice = to;
    to->live += from->rested;
    to->rested = from->rested;
    to->runs = from->runs;
    to->run_count = from->run_count;
    to->run_room = from->run_room;
    from->runs = NULL;
    from->rested = from->run_count = from->run_room = 0;
}

/* ---- how they are found ---- */

/* The first block that may have rows of a hash. */
static uint32_t block_of_hash(const struct wr_rowset_run *run, uint64_t hash) {
    uint32_t from = 0, count = run->block_count;
    while (count > 0) {
        uint32_t half = count / 2;
        int is_before = run->blocks[from + half].hash_first < hash;
        from += is_before ? half + 1 : 0;
        count = is_before ? count - half - 1 : half;
    }
    return from > 0 ? from - 1 : 0;
}

static uint32_t row_of_hash(const struct wr_rowset *set, struct wr_rowset_block *block,
                            uint64_t hash) {
    uint32_t from = 0, count = block->count;
    while (count > 0) {
        uint32_t half = count / 2;
        int is_before = wr_rowset_at(set, block, from + half)->hash < hash;
        from += is_before ? half + 1 : 0;
        count = is_before ? count - half - 1 : half;
    }
    return from;
}

/* The next row of the probe in the run where it stands; NULL: no more, or probe->status. */
static struct wr_rowset_row *run_next(struct wr_rowset_probe *probe, struct wr_rowset_slice *slice,
                                      struct wr_rowset_run *run) {
    struct wr_rowset *set = probe->set;
    if (probe->cold.block == UINT32_MAX) {
        if (wr_rowset_rules_out(&run->zone, &probe->bounds, probe->word, probe->word) ||
            !wr_rowset_run_may_have(run, probe->hash))
            return NULL;
        probe->cold.block = block_of_hash(run, probe->hash);
        probe->cold.row = UINT32_MAX;
    }
    for (; probe->cold.block < run->block_count;
         probe->cold.block++, probe->cold.row = UINT32_MAX) {
        struct wr_rowset_cold *cold = &run->blocks[probe->cold.block];
        struct wr_rowset_block *block;
        if (cold->hash_first > probe->hash)
            return NULL;
        probe->status = wr_rowset_block_wake(set, slice, run, cold, &block);
        if (probe->status != WR_OK)
            return NULL;
        if (probe->cold.row == UINT32_MAX)
            probe->cold.row = row_of_hash(set, block, probe->hash);
        while (probe->cold.row < block->count) {
            struct wr_rowset_row *row = wr_rowset_at(set, block, probe->cold.row);
            if (row->hash != probe->hash)
                return NULL;
            probe->cold.row++;
            if ((row->flags & WR_ROWSET_GONE) == 0 &&
                wr_rowset_key_equal(set, row->key, probe->key))
                return row;
        }
    }
    return NULL;
}

struct wr_rowset_row *wr_rowset_probe_rested(struct wr_rowset_probe *probe) {
    struct wr_rowset *set = probe->set;
    for (; probe->cold.slice < set->count; probe->cold.slice++, probe->cold.run = 0) {
        struct wr_rowset_slice *slice = set->slices[probe->cold.slice];
        for (; probe->cold.run < slice->run_count;
             probe->cold.run++, probe->cold.block = UINT32_MAX) {
            struct wr_rowset_row *row = run_next(probe, slice, slice->runs[probe->cold.run]);
            if (row != NULL || probe->status != WR_OK)
                return row;
        }
    }
    return NULL;
}

/* ---- by hash and number, as runs are in order ---- */

static int stands_before(uint64_t hash_a, uint64_t id_a, uint64_t hash_b, uint64_t id_b) {
    return hash_a < hash_b || (hash_a == hash_b && id_a < id_b);
}

/* The last block whose first row does not stand behind that place; block_count: all do. */
static uint32_t block_of_place(const struct wr_rowset_run *run, uint64_t hash, uint64_t id) {
    uint32_t from = 0, count = run->block_count;
    while (count > 0) {
        uint32_t half = count / 2;
        const struct wr_rowset_cold *cold = &run->blocks[from + half];
        int is_behind = stands_before(hash, id, cold->hash_first, cold->id_first);
        from += is_behind ? 0 : half + 1;
        count = is_behind ? half : count - half - 1;
    }
    return from > 0 ? from - 1 : run->block_count;
}

/* Rows of one hash may fill very many blocks: one of them is read. */
static struct wr_rowset_row *find_in_run(struct wr_rowset *set, struct wr_rowset_slice *slice,
                                         struct wr_rowset_run *run, uint64_t hash, uint64_t id,
                                         int *status) {
    if (id < run->id_min || id > run->id_max || !wr_rowset_run_may_have(run, hash))
        return NULL;
    uint32_t number = block_of_place(run, hash, id), at = 0;
    struct wr_rowset_block *block = NULL;
    if (number == run->block_count)
        return NULL;
    *status = wr_rowset_block_wake(set, slice, run, &run->blocks[number], &block);
    uint32_t count = *status == WR_OK ? block->count : 0;
    while (count > 0) {
        uint32_t half = count / 2;
        const struct wr_rowset_row *row = wr_rowset_at(set, block, at + half);
        int is_before = stands_before(row->hash, row->id, hash, id);
        at += is_before ? half + 1 : 0;
        count = is_before ? count - half - 1 : half;
    }
    if (*status != WR_OK || at == block->count)
        return NULL;
    struct wr_rowset_row *row = wr_rowset_at(set, block, at);
    return row->hash == hash && row->id == id && (row->flags & WR_ROWSET_GONE) == 0 ? row : NULL;
}

int wr_rowset_is_at_rest(const struct wr_rowset *set, struct wr_rowset_row *row) {
    return wr_rowset_block_of(set, row)->cold != NULL;
}

int wr_rowset_is_crowded(const struct wr_rowset *set) {
    return set->rested > 0 && set->awake_bytes > set->apart->memory_bytes / AWAKE_PART;
}

int wr_rowset_tend_some(struct wr_rowset *set) {
    return set->rested == 0 ? WR_OK : wr_rowset_tend(set, set->apart->memory_bytes / AWAKE_PART);
}

struct wr_rowset_row *wr_rowset_find_rested(struct wr_rowset *set, uint64_t hash, uint64_t id,
                                            int *status) {
    struct wr_rowset_row *row = NULL;
    *status = WR_OK;
    for (uint32_t s = 0; s < set->count && set->rested > 0; s++) {
        struct wr_rowset_slice *slice = set->slices[s];
        for (uint32_t r = 0; r < slice->run_count && row == NULL && *status == WR_OK; r++)
            row = find_in_run(set, slice, slice->runs[r], hash, id, status);
    }
    return row;
}
