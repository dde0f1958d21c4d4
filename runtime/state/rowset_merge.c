/* rowset_merge.c: rows of several runs in one order, and lists of runs that stay short. */
#include "base/alloc.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/rowset_parts.h"
#include "base/banned.h"

int wr_rowset_by_hash(void *ctx, const struct wr_rowset_row *a, const struct wr_rowset_row *b) {
    (void)ctx;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static struct wr_rowset_row *row_of(const struct wr_rowset_merge *merge,
                                    const struct wr_rowset_cursor *cursor) {
    return wr_rowset_at(merge->set, cursor->at, cursor->row);
}

/* To the next row that was not taken back, from where the cursor stands. */
static int find_row(struct wr_rowset_merge *merge, struct wr_rowset_cursor *cursor) {
    for (;;) {
        while (cursor->at != NULL && cursor->row < cursor->at->count) {
            if ((row_of(merge, cursor)->flags & WR_ROWSET_GONE) == 0)
                return WR_OK;
            cursor->row++;
        }
        if (cursor->at != NULL) {
            cursor->at->behind = merge->left;
            merge->left = cursor->at;
            cursor->at = NULL;
            cursor->row = 0;
        }
        if (cursor->block == cursor->run->block_count)
            return WR_OK;
        struct wr_rowset_cold *cold = &cursor->run->blocks[cursor->block++];
        int status = wr_rowset_block_read(merge->set, NULL, cursor->run, cold, &cursor->at);
        if (status != WR_OK)
            return status;
        wr_scratch_drop(merge->set->apart->scratch, &cold->blob);
    }
}

int wr_rowset_merge_begin(struct wr_rowset_merge *merge, struct wr_rowset *set,
                          struct wr_rowset_run *const *runs, uint32_t count,
                          wr_rowset_compare_fn compare, void *ctx) {
    WR_ASSERT(count <= WR_ROWSET_RUNS_MAX);
    int status = WR_OK;
    merge->set = set;
    merge->compare = compare;
    merge->ctx = ctx;
    merge->left = NULL;
    merge->count = 0;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        merge->cursors[merge->count] = (struct wr_rowset_cursor){.run = runs[i]};
        status = wr_rowset_run_settle(set, runs[i]);
        if (status == WR_OK)
            status = find_row(merge, &merge->cursors[merge->count++]);
    }
    return status;
}

int wr_rowset_merge_next(struct wr_rowset_merge *merge, struct wr_rowset_row **row) {
    struct wr_rowset_cursor *least = NULL;
    for (uint32_t i = 0; i < merge->count; i++) {
        struct wr_rowset_cursor *cursor = &merge->cursors[i];
        if (cursor->at != NULL &&
            (least == NULL ||
             merge->compare(merge->ctx, row_of(merge, cursor), row_of(merge, least)) < 0))
            least = cursor;
    }
    *row = least == NULL ? NULL : row_of(merge, least);
    if (least == NULL)
        return WR_OK;
    least->row++;
    return find_row(merge, least);
}

void wr_rowset_merge_forget(struct wr_rowset_merge *merge) {
    while (merge->left != NULL) {
        struct wr_rowset_block *block = merge->left;
        merge->left = block->behind;
        wr_free(merge->set->budget, block);
    }
}

void wr_rowset_merge_end(struct wr_rowset_merge *merge) {
    wr_rowset_merge_forget(merge);
    for (uint32_t i = 0; i < merge->count; i++)
        wr_free(merge->set->budget, merge->cursors[i].at);
    merge->count = 0;
}

/* ---- lists of runs ---- */

/* Rows of `count` runs become one run. */
static int join_runs(struct wr_rowset *set, struct wr_rowset_run *const *runs, uint32_t count,
                     int searched, wr_rowset_compare_fn compare, void *ctx,
                     struct wr_rowset_run **made) {
    struct wr_rowset_merge merge;
    struct wr_rowset_writer writer;
    struct wr_rowset_row *row = NULL;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += runs[i]->rows - runs[i]->gone;
    int status = wr_rowset_merge_begin(&merge, set, runs, count, compare, ctx);
    int begun = wr_rowset_write_begin(&writer, set, searched ? rows : 0);
    if (status == WR_OK)
        status = begun;
    if (status == WR_OK)
        status = wr_rowset_merge_next(&merge, &row);
    while (status == WR_OK && row != NULL) {
        status = wr_rowset_write(&writer, row);
        wr_rowset_merge_forget(&merge);
        if (status == WR_OK)
            status = wr_rowset_merge_next(&merge, &row);
    }
    wr_rowset_merge_end(&merge);
    return wr_rowset_write_end(&writer, status, made);
}

int wr_rowset_runs_join(struct wr_rowset *set, struct wr_rowset_run **runs, uint32_t *count,
                        uint32_t first, uint32_t level, int searched, wr_rowset_compare_fn compare,
                        void *ctx) {
    struct wr_rowset_run *made;
    int status = join_runs(set, runs + first, *count - first, searched, compare, ctx, &made);
    if (status != WR_OK)
        return status; /* they are there for who gives them back */
    for (uint32_t i = first; i < *count; i++)
        wr_rowset_run_free(set, runs[i]);
    made->level = level;
    runs[first] = made;
    *count = first + 1;
    return WR_OK;
}

int wr_rowset_runs_add(struct wr_rowset *set, struct wr_rowset_run ***runs, uint32_t *count,
                       uint32_t *room, struct wr_rowset_run *run, int searched,
                       wr_rowset_compare_fn compare, void *ctx) {
    int status = wr_grow(set->budget, (void **)runs, *count, room, sizeof(struct wr_rowset_run *));
    if (status != WR_OK) {
        wr_rowset_run_free(set, run);
        return status;
    }
    (*runs)[(*count)++] = run;
    while (status == WR_OK) {
        uint32_t level = (*runs)[*count - 1]->level, first = *count;
        while (first > 0 && (*runs)[first - 1]->level == level)
            first--;
        if (*count - first < WR_ROWSET_FAN)
            break;
        status = wr_rowset_runs_join(set, *runs, count, first, level + 1, searched, compare, ctx);
    }
    return status;
}
