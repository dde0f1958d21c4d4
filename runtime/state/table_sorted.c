/* table_sorted.c: see table_sorted.h. Chains are taken in the order of their hashes; when so many
 * are in memory that they make a run, their rows are sorted and written, and they go. The runs of
 * one table have each key once. */
#include "state/table_sorted.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/page.h"
#include "state/scratch.h"
#include "base/banned.h"

/* Of the memory of the tables is one run where its rows come to memory for that; of rows that are
 * there, what it takes to sort them is such a part. */
#define RUN_PART 4u
#define SORTED_PART 2u
#define ROW_COST_BYTES 48u /* of a row beside itself, while a run is sorted */
#define BLOB_PART 1024u    /* … and of a run are read at once: all runs have such a piece */
#define BLOB_BYTES_MAX 65536u
#define BLOB_BYTES_MIN 4096u
#define BLOB_SLACK_PART 8u /* for its last row, so that it takes no unit of the file more */

struct run {
    uint32_t blob_count, blob_room, next;
    struct wr_scratch_blob *blobs;
    struct wr_buf bytes;     /* of the blob at hand */
    struct wr_reader reader; /* of it, behind the row at hand */
    size_t row_at;           /* where that begins */
    uint8_t *key;            /* of it; its strings are views into `bytes` */
};

struct wr_sorted {
    const struct wr_key_layout *layout;
    const struct wr_shape *shape;
    struct wr_budget *budget;
    uint64_t seed;
    struct wr_apart *apart;
    size_t blob_bytes;
    uint32_t run_count, run_room;
    struct run *runs;
    uint8_t has_begun; /* the merge */
    uint32_t heap_count;
    uint32_t *heap;      /* runs that have a row, the least first */
    struct wr_buf bytes; /* rows that are written or given at once … */
    struct wr_buf more;  /* … and those of keys that they have, in order */
    uint8_t *row;        /* one that is merged, where no cell is a blob */
    /* Rows of the run at hand. */
    uint32_t row_count, row_room;
    uint8_t **rows;
};

int wr_table_is_large(const struct wr_table *table, const struct wr_apart *apart) {
    uint64_t owed = wr_owed_bytes(table), live = wr_table_live_bytes(table);
    uint64_t rows = wr_table_count(table) * table->row_bytes;
    return (table->resting != NULL && wr_rest_rows(table) > 0) ||
           (apart->memory_bytes > 0 && owed > 0 && WR_MAX(live, rows) + owed > apart->memory_bytes);
}

/* ---- runs ---- */

static int put_blob(struct wr_sorted *self, struct run *run) {
    int status = self->bytes.status;
    if (status == WR_OK && self->bytes.length == 0)
        return WR_OK;
    if (status == WR_OK)
        status = wr_grow(self->budget, (void **)&run->blobs, run->blob_count, &run->blob_room,
                         sizeof *run->blobs);
    if (status == WR_OK)
        status = wr_scratch_put(self->apart->scratch, self->bytes.bytes, self->bytes.length,
                                &run->blobs[run->blob_count], wr_apart_error(self->apart));
    run->blob_count += status == WR_OK;
    wr_buf_clear(&self->bytes);
    return status;
}

static int run_write(struct wr_sorted *self) {
    int status = wr_grow(self->budget, (void **)&self->runs, self->run_count, &self->run_room,
                         sizeof *self->runs);
    if (status != WR_OK || self->row_count == 0)
        return status;
    struct run *run = &self->runs[self->run_count++];
    *run = (struct run){0};
    wr_buf_init(&run->bytes, self->budget, 0);
    if (self->layout->column_count > 0)
        wr_keys_sort(self->layout, self->rows, self->row_count);
    for (uint32_t i = 0; i < self->row_count && status == WR_OK; i++) {
        wr_log_add(self->shape, &self->bytes, self->rows[i], 0, self->shape->row_bytes);
        if (self->bytes.length >= self->blob_bytes || self->bytes.status != WR_OK)
            status = put_blob(self, run);
    }
    self->row_count = 0;
    return status == WR_OK ? put_blob(self, run) : status;
}

static int take_rows(struct wr_sorted *self, const struct wr_table *table,
                     const struct wr_page *head) {
    for (const struct wr_page *page = head; page != NULL; page = page->overflow)
        for (uint32_t slot = 0; slot < page->count; slot++) {
            int status = wr_grow(self->budget, (void **)&self->rows, self->row_count,
                                 &self->row_room, sizeof *self->rows);
            if (status != WR_OK)
                return status;
            self->rows[self->row_count++] = wr_page_row(table, page, slot);
        }
    return WR_OK;
}

/* The chains of directory entries `from` up to `to` go. */
static void drop_chains(struct wr_table *table, uint64_t from, uint64_t to, struct wr_page *empty) {
    while (from < to) {
        struct wr_page *head = table->directory[from];
        uint64_t end = from + (UINT64_C(1) << (table->depth - head->depth));
        wr_pages_empty(table, head);
        for (; from < end; from++)
            if (table->directory != &table->first) /* a small table has no other page */
                table->directory[from] = empty;
        if (head != table->first)
            wr_pages_give(table, head);
    }
}

/* Whether what was taken is enough for a run: by its rows, or by what was awakened for it. Each run
 * takes memory when they are merged, so there should be few. */
static int is_enough(const struct wr_sorted *self, const struct wr_table *table, uint64_t before) {
    uint64_t max = self->apart->memory_bytes / RUN_PART, now = wr_table_live_bytes(table);
    if (table->resting == NULL)
        return (uint64_t)self->row_count * ROW_COST_BYTES > self->apart->memory_bytes / SORTED_PART;
    uint64_t fresh = now > before ? now - before : 0;
    uint64_t own = (uint64_t)self->row_count * self->shape->row_bytes;
    return WR_MAX(fresh, own) + (uint64_t)self->row_count * ROW_COST_BYTES > max;
}

/* In the place of chains that have gone stands one empty page, of the depth of the directory. */
static int write_runs(struct wr_sorted *self, struct wr_table *table) {
    uint64_t first = 0, before = wr_table_live_bytes(table);
    struct wr_page *empty = wr_pages_new(table, table->depth);
    int status = empty == NULL ? WR_ENOMEM : WR_OK;
    for (uint64_t at = 0; at < UINT64_C(1) << table->depth && status == WR_OK;) {
        uint32_t depth = table->depth;
        status = wr_rest_wake(table, &at);
        first <<= table->depth - depth; /* where the directory has grown */
        empty->depth = (uint8_t)table->depth;
        const struct wr_page *head = table->directory[at];
        if (status == WR_OK)
            status = take_rows(self, table, head);
        at += UINT64_C(1) << (table->depth - head->depth);
        if (status != WR_OK || !is_enough(self, table, before))
            continue;
        status = run_write(self);
        drop_chains(table, first, at, empty);
        wr_table_settle(table);
        first = at;
        before = wr_table_live_bytes(table);
    }
    if (status == WR_OK)
        status = run_write(self);
    if (status == WR_OK)
        drop_chains(table, first, UINT64_C(1) << table->depth, empty);
    return status;
}

/* What it owes comes to memory, and to rest, by and by. */
static int read_owed(struct wr_table *table, struct wr_apart *apart) {
    int status = WR_OK;
    while (status == WR_OK && table->owing != NULL) {
        status = wr_owed_read(table, WR_MAX(apart->memory_bytes / RUN_PART, UINT64_C(1)));
        if (status == WR_OK)
            status = wr_table_relieve(table, apart, apart->memory_bytes);
    }
    return status;
}

/* ---- the merge ---- */

/* Moves a run to its next row. 0: it has none. */
static int step(struct wr_sorted *self, struct run *run, int *status) {
    if (run->reader.at == run->reader.length) {
        if (run->next == run->blob_count)
            return 0;
        struct wr_scratch_blob *blob = &run->blobs[run->next++];
        wr_buf_clear(&run->bytes);
        *status = wr_buf_reserve(&run->bytes, blob->length);
        if (*status == WR_OK)
            *status = wr_scratch_get(self->apart->scratch, blob, run->bytes.bytes,
                                     wr_apart_error(self->apart));
        run->reader = (struct wr_reader){.bytes = run->bytes.bytes, .length = blob->length};
        wr_scratch_drop(self->apart->scratch, blob);
        if (*status != WR_OK)
            return 0;
    }
    run->row_at = run->reader.at;
    wr_log_read(self->shape, &run->reader, run->key, self->shape->key_bytes);
    wr_log_skip_rest(self->shape, &run->reader);
    WR_ASSERT(!run->reader.failed); /* its hash was right */
    return 1;
}

/* Those of one key in the order in which they were taken. */
static int is_before(const struct wr_sorted *self, uint32_t a, uint32_t b) {
    uint32_t x = self->heap[a], y = self->heap[b];
    int order = wr_keys_compare(self->layout, self->runs[x].key, self->runs[y].key);
    return order < 0 || (order == 0 && x < y);
}

static void sift(struct wr_sorted *self, uint32_t root) {
    for (uint32_t child; (child = root * 2 + 1) < self->heap_count; root = child) {
        child += (uint32_t)(child + 1 < self->heap_count && is_before(self, child + 1, child));
        if (!is_before(self, child, root))
            return;
        uint32_t run = self->heap[root];
        self->heap[root] = self->heap[child];
        self->heap[child] = run;
    }
}

static int merge_begin(struct wr_sorted *self) {
    uint32_t key_bytes = self->shape->key_bytes + 1;
    self->has_begun = 1;
    wr_free(self->budget, self->rows);
    self->rows = NULL;
    self->heap = wr_alloc(self->budget, (self->run_count + 1) * sizeof *self->heap);
    self->row = wr_alloc(self->budget, self->shape->row_bytes);
    int status = self->heap == NULL || self->row == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t r = 0; r < self->run_count && status == WR_OK; r++) {
        struct run *run = &self->runs[r];
        run->key = wr_alloc(self->budget, key_bytes);
        if (run->key == NULL)
            return WR_ENOMEM;
        if (step(self, run, &status))
            self->heap[self->heap_count++] = r;
    }
    for (uint32_t root = self->heap_count / 2; root-- > 0;)
        sift(self, root);
    return status;
}

int wr_sorted_new(struct wr_sorted **made, const struct wr_key_layout *layout,
                  const struct wr_table *like, struct wr_apart *apart) {
    struct wr_sorted *self = wr_alloc_zero(like->budget, sizeof *self);
    *made = self;
    if (self == NULL)
        return WR_ENOMEM;
    self->layout = layout;
    self->shape = like->shape;
    self->budget = like->budget;
    self->seed = like->seed;
    self->apart = apart;
    wr_buf_init(&self->bytes, like->budget, 0);
    wr_buf_init(&self->more, like->budget, 0);
    return WR_OK;
}

int wr_sorted_take(struct wr_sorted *self, struct wr_table *table) {
    struct wr_apart *apart = self->apart;
    WR_ASSERT(!self->has_begun);
    wr_frozen_finish(table);
    int status = wr_apart_make_scratch(apart, table->budget);
    if (status == WR_OK)
        status = read_owed(table, apart);
    uint64_t part = apart->memory_bytes / BLOB_PART;
    part = WR_MAX(WR_MIN(part, (uint64_t)BLOB_BYTES_MAX), (uint64_t)BLOB_BYTES_MIN);
    self->blob_bytes = part - part / BLOB_SLACK_PART;
    return status == WR_OK ? write_runs(self, table) : status;
}

/* Whether the row that stands in `bytes` has this key. */
static int is_key_at(const struct wr_sorted *self, size_t at, const uint8_t *key) {
    struct wr_reader in = {.bytes = self->bytes.bytes, .length = self->bytes.length, .at = at};
    wr_log_read(self->shape, &in, self->row, self->shape->key_bytes);
    return wr_keys_compare(self->layout, self->row, key) == 0;
}

static int has_blobs(const struct wr_shape *shape) {
    for (uint32_t i = 0; i < shape->cell_count; i++)
        if (shape->cells[i].kind == WR_CELL_BLOB)
            return 1;
    return 0;
}

/* Takes the first rows of the runs: up to `rows_max` keys, fewer where they are long, and all that
 * is of them. */
static int choose(struct wr_sorted *self, uint32_t rows_max, uint32_t *count, uint32_t *more) {
    int status = WR_OK;
    *count = *more = 0;
    wr_buf_clear(&self->bytes);
    wr_buf_clear(&self->more);
    size_t last_at = 0; /* of the last key */
    uint64_t bytes_max = WR_MAX(self->apart->memory_bytes / RUN_PART, (uint64_t)BLOB_BYTES_MAX);
    while (self->heap_count > 0 && status == WR_OK) {
        struct run *run = &self->runs[self->heap[0]];
        int is_same = *count > 0 && is_key_at(self, last_at, run->key);
        if (!is_same && (*count == rows_max || self->bytes.length + self->more.length > bytes_max))
            break;
        struct wr_buf *to = is_same ? &self->more : &self->bytes;
        if (!is_same)
            last_at = to->length;
        ++*(is_same ? more : count);
        status = wr_buf_add(to, run->reader.bytes + run->row_at, run->reader.at - run->row_at);
        if (status == WR_OK && !step(self, run, &status))
            self->heap[0] = self->heap[--self->heap_count];
        sift(self, 0);
    }
    return status;
}

/* The next row of `more`, which has a blob, in a table of its own. */
static int read_alone(struct wr_sorted *self, struct wr_reader *in, struct wr_table **alone) {
    struct wr_table *table = wr_table_new(self->budget, self->shape, self->seed);
    int status = table == NULL ? WR_ENOMEM : wr_log_load_new(table, in, 1, 0, 0);
    *alone = table;
    return status;
}

static int merge_row(struct wr_sorted *self, struct wr_table *table, struct wr_reader *in,
                     wr_sorted_merge_fn merge, void *ctx) {
    struct wr_table *alone = NULL;
    const uint8_t *from = self->row;
    uint8_t *into;
    int status = WR_OK;
    if (has_blobs(self->shape)) {
        struct wr_table_walk walk;
        status = read_alone(self, in, &alone);
        if (status == WR_OK) {
            wr_table_walk_begin(&walk, alone);
            from = wr_table_walk_next(&walk);
        }
    } else {
        wr_log_read(self->shape, in, self->row, self->shape->row_bytes);
    }
    if (status == WR_OK) {
        uint64_t hash = wr_shape_hash(self->shape, from, self->seed);
        wr_table_find(table, from, &hash, 1, &into);
        status = merge(ctx, table, into, from);
    }
    wr_table_free(alone);
    return status;
}

int wr_sorted_next(struct wr_sorted *self, uint32_t rows_max, wr_sorted_merge_fn merge, void *ctx,
                   struct wr_table **rows) {
    uint32_t count, more;
    *rows = NULL;
    int status = self->has_begun ? WR_OK : merge_begin(self);
    if (status == WR_OK)
        status = choose(self, rows_max, &count, &more);
    if (status != WR_OK || count == 0)
        return status;
    struct wr_table *table = wr_table_new(self->budget, self->shape, self->seed);
    struct wr_reader in = {.bytes = self->bytes.bytes, .length = self->bytes.length};
    status = table == NULL ? WR_ENOMEM : wr_table_expect(table, count);
    if (status == WR_OK)
        status = wr_log_load_new(table, &in, count, 0, 0);
    in = (struct wr_reader){.bytes = self->more.bytes, .length = self->more.length};
    for (; more > 0 && status == WR_OK; more--)
        status = merge_row(self, table, &in, merge, ctx);
    if (status == WR_OK)
        *rows = table;
    else
        wr_table_free(table);
    return status;
}

void wr_sorted_free(struct wr_sorted *self) {
    if (self == NULL)
        return;
    for (uint32_t r = 0; r < self->run_count; r++) {
        struct run *run = &self->runs[r];
        for (uint32_t b = run->next; b < run->blob_count; b++)
            wr_scratch_drop(self->apart->scratch, &run->blobs[b]);
        wr_free(self->budget, run->blobs);
        wr_free(self->budget, run->key);
        wr_buf_release(&run->bytes);
    }
    wr_free(self->budget, self->runs);
    wr_free(self->budget, self->heap);
    wr_free(self->budget, self->rows);
    wr_free(self->budget, self->row);
    wr_buf_release(&self->bytes);
    wr_buf_release(&self->more);
    wr_free(self->budget, self);
}
