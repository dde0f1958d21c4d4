/* batch.c: batches, their pool and the buffers that they hold. */
#include "data/batch.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

/* One block takes 4096 strings; larger columns have a block of their own. A batch of few rows, of
 * which many wait where streams are merged row by row, has but the first. */
#define FIRST_BLOCK_BYTES ((size_t)256)
#define BLOCK_BYTES ((size_t)(64 << 10) + 512)
#define BUFFER_SLACK_BYTES 64
/* Of a budget: what idle batches of one pool take at most. Several pools share a budget. */
#define IDLE_PART 32u

void wr_batch_pool_init(struct wr_batch_pool *pool, struct wr_budget *budget) {
    *pool = (struct wr_batch_pool){.budget = budget,
                                   .lock = PTHREAD_MUTEX_INITIALIZER,
                                   .block_bytes = wr_arena_block_bytes(budget, BLOCK_BYTES),
                                   .idle_max = WR_BATCH_POOL_IDLE_MAX,
                                   .idle_bytes_max = budget->bytes_max / IDLE_PART};
}

static void batch_free(struct wr_batch_pool *pool, struct wr_batch *batch) {
    wr_arena_release(&batch->arena);
    wr_free(pool->budget, batch);
}

/* While a batch is idle, parents[0] is the next idle one. */
void wr_batch_pool_release(struct wr_batch_pool *pool) {
    while (pool->idle != NULL) {
        struct wr_batch *batch = pool->idle;
        pool->idle = batch->parents[0];
        batch_free(pool, batch);
    }
    pool->idle_count = 0;
    pool->idle_bytes = 0;
    wr_places_free(pool->places);
    pool->places = NULL;
}

static struct wr_batch *pool_take(struct wr_batch_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct wr_batch *batch = pool->idle;
    if (batch != NULL) {
        pool->idle = batch->parents[0];
        pool->idle_count--;
        pool->idle_bytes -= batch->idle_bytes;
    }
    pthread_mutex_unlock(&pool->lock);
    if (batch != NULL) {
        struct wr_arena arena = batch->arena;
        *batch = (struct wr_batch){.arena = arena, .pool = pool};
        return batch;
    }
    batch = wr_alloc_zero(pool->budget, sizeof *batch);
    if (batch == NULL)
        return NULL;
    wr_arena_init_growing(&batch->arena, pool->budget, FIRST_BLOCK_BYTES, pool->block_bytes);
    batch->pool = pool;
    return batch;
}

static void pool_give(struct wr_batch_pool *pool, struct wr_batch *batch) {
    wr_arena_reset(&batch->arena);
    batch->idle_bytes = wr_arena_bytes(&batch->arena) + sizeof *batch;
    pthread_mutex_lock(&pool->lock);
    uint64_t bytes = pool->idle_bytes + batch->idle_bytes;
    int is_kept = pool->idle_count < pool->idle_max && !wr_budget_is_tight(pool->budget) &&
                  (pool->idle_bytes_max == 0 || bytes <= pool->idle_bytes_max);
    if (is_kept) {
        batch->parents[0] = pool->idle;
        pool->idle = batch;
        pool->idle_count++;
        pool->idle_bytes = bytes;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!is_kept)
        batch_free(pool, batch);
}

struct wr_batch *wr_batch_new(struct wr_batch_pool *pool, const struct wr_schema *schema) {
    struct wr_batch *batch = pool_take(pool);
    if (batch == NULL)
        return NULL;
    batch->schema = schema;
    batch->frontier = WR_TIME_MIN;
    batch->columns = WR_ARENA_ZEROS(&batch->arena, struct wr_column, schema->field_count);
    if (batch->columns == NULL) {
        pool_give(pool, batch);
        return NULL;
    }
    atomic_init(&batch->ref_count, 1);
    return batch;
}

void *wr_batch_column(struct wr_batch *batch, uint32_t column, uint32_t row_max) {
    WR_ASSERT(column < batch->schema->field_count);
    size_t bytes = wr_type_bytes(batch->schema->fields[column].type.kind);
    void *data = wr_arena_alloc(&batch->arena, bytes * WR_MAX(row_max, 1));
    batch->columns[column] = (struct wr_column){.data = data};
    return data;
}

/* A batch over the rows of `in` that does not hold it yet. */
static struct wr_batch *over(struct wr_batch_pool *pool, const struct wr_schema *schema,
                             const struct wr_batch *in) {
    struct wr_batch *batch = wr_batch_new(pool, schema);
    if (batch == NULL)
        return NULL;
    batch->row_count = in->row_count;
    batch->sel_count = in->sel_count;
    batch->sel = in->sel;
    batch->source = in->source;
    batch->partition = in->partition;
    batch->origin = in->origin;
    batch->origins = in->origins;
    batch->event_time = in->event_time;
    batch->behind = in->behind;
    batch->weight = in->weight;
    batch->replaced = in->replaced;
    batch->changed = in->changed;
    batch->frontier = in->frontier;
    return batch;
}

struct wr_batch *wr_batch_over(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               struct wr_batch *in) {
    struct wr_batch *batch = over(pool, schema, in);
    if (batch != NULL)
        wr_batch_hold(batch, in);
    return batch;
}

/* Holds what the columns of `in` point into, so that views of views do not pile up. */
static void hold_data(struct wr_batch *batch, struct wr_batch *in) {
    if (!in->is_view) {
        wr_batch_hold(batch, in);
        return;
    }
    for (uint32_t i = 0; i < in->parent_count; i++)
        hold_data(batch, in->parents[i]);
}

/* A view of `in` with a selection of its own of `sel_count` rows, which is still to be filled; it
 * holds nothing yet. */
static struct wr_batch *view(struct wr_batch_pool *pool, const struct wr_schema *schema,
                             const struct wr_batch *in, uint32_t sel_count, uint32_t **sel) {
    WR_ASSERT(sel_count <= in->row_count);
    struct wr_batch *batch = over(pool, schema, in);
    if (batch == NULL)
        return NULL;
    batch->is_view = 1;
    *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, WR_MAX(sel_count, 1));
    if (*sel == NULL) {
        wr_batch_unref(batch);
        return NULL;
    }
    batch->sel = *sel;
    batch->sel_count = sel_count;
    return batch;
}

struct wr_batch *wr_batch_view(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               struct wr_batch *in) {
    uint32_t *sel;
    struct wr_batch *batch = view(pool, schema, in, in->sel == NULL ? 0 : in->sel_count, &sel);
    if (batch == NULL)
        return NULL;
    hold_data(batch, in);
    if (in->sel == NULL)
        batch->sel = NULL;
    else
        memcpy(sel, in->sel, sizeof *sel * in->sel_count);
    batch->sel_count = in->sel_count;
    return batch;
}

struct wr_batch *wr_batch_select(struct wr_batch_pool *pool, struct wr_batch *in,
                                 const uint32_t *sel, uint32_t sel_count) {
    uint32_t *copy;
    struct wr_batch *batch = view(pool, in->schema, in, sel_count, &copy);
    if (batch == NULL)
        return NULL;
    wr_batch_hold(batch, in);
    memcpy(batch->columns, in->columns, sizeof *in->columns * in->schema->field_count);
    if (sel_count > 0)
        memcpy(copy, sel, sizeof *copy * sel_count);
    return batch;
}

struct wr_batch *wr_batch_part(struct wr_batch_pool *pool, struct wr_batch *in, uint32_t first,
                               uint32_t count) {
    WR_ASSERT(first + count <= in->sel_count);
    uint32_t *sel;
    struct wr_batch *batch = view(pool, in->schema, in, count, &sel);
    if (batch == NULL)
        return NULL;
    hold_data(batch, in);
    memcpy(batch->columns, in->columns, sizeof *in->columns * in->schema->field_count);
    for (uint32_t i = 0; i < count; i++)
        sel[i] = wr_batch_row(in, first + i);
    return batch;
}

int wr_batch_is_replaced(const struct wr_batch *batch, uint32_t i) {
    uint32_t row = wr_batch_row(batch, i);
    return batch->replaced != NULL && wr_bit_get(batch->replaced, row) &&
           i + 1 < batch->sel_count && wr_batch_row(batch, i + 1) == row + 1;
}

struct wr_batch *wr_batch_ref(struct wr_batch *batch) {
    atomic_fetch_add_explicit(&batch->ref_count, 1, memory_order_relaxed);
    return batch;
}

/* Recursion goes as deep as stages share columns in a row: never more than a plan has nodes. */
void wr_batch_unref(struct wr_batch *batch) {
    if (batch == NULL || atomic_fetch_sub_explicit(&batch->ref_count, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < batch->parent_count; i++)
        wr_batch_unref(batch->parents[i]);
    for (uint32_t i = 0; i < batch->buffer_count; i++)
        wr_buffer_unref(batch->buffers[i]);
    pool_give(batch->pool, batch);
}

void wr_batch_hold(struct wr_batch *batch, struct wr_batch *parent) {
    for (uint32_t i = 0; i < batch->parent_count; i++)
        if (batch->parents[i] == parent)
            return;
    WR_ASSERT(batch->parent_count < WR_BATCH_REFS_MAX);
    batch->parents[batch->parent_count++] = wr_batch_ref(parent);
}

void wr_batch_hold_buffer(struct wr_batch *batch, struct wr_buffer *buffer) {
    for (uint32_t i = 0; i < batch->buffer_count; i++)
        if (batch->buffers[i] == buffer)
            return;
    WR_ASSERT(batch->buffer_count < WR_BATCH_REFS_MAX);
    batch->buffers[batch->buffer_count++] = wr_buffer_ref(buffer);
}

struct wr_buffer *wr_buffer_new(struct wr_budget *budget, uint64_t size_bytes) {
    size_t head = 64; /* so that the bytes begin on a cache line */
    _Static_assert(sizeof(struct wr_buffer) <= 64, "the head of a buffer fits its line");
    char *memory = wr_alloc(budget, head + size_bytes + BUFFER_SLACK_BYTES);
    if (memory == NULL)
        return NULL;
    struct wr_buffer *buffer = (struct wr_buffer *)memory;
    *buffer = (struct wr_buffer){.budget = budget, .size_bytes = size_bytes};
    buffer->bytes = memory + head;
    memset(buffer->bytes + size_bytes, 0, BUFFER_SLACK_BYTES);
    atomic_init(&buffer->ref_count, 1);
    return buffer;
}

struct wr_buffer *wr_buffer_ref(struct wr_buffer *buffer) {
    atomic_fetch_add_explicit(&buffer->ref_count, 1, memory_order_relaxed);
    return buffer;
}

void wr_buffer_unref(struct wr_buffer *buffer) {
    if (buffer != NULL &&
        atomic_fetch_sub_explicit(&buffer->ref_count, 1, memory_order_acq_rel) == 1)
        wr_free(buffer->budget, buffer);
}
