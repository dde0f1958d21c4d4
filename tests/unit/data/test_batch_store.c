/* test_batch_store.c: batches as bytes and back, and copies of rows whose columns are not there. */
#include "test.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/batch.h"

struct world {
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_budget budget;
    struct wr_schema *schema;
    uint64_t random;
};

static const enum wr_type_kind kinds[] = {WR_INT64, WR_STRING, WR_BOOL,    WR_FLOAT64,
                                          WR_JSON,  WR_BYTES,  WR_DECIMAL, WR_TIMESTAMP};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void world_begin(struct world *world, uint64_t seed) {
    *world = (struct world){.budget = WR_BUDGET_INIT("test", 0), .random = seed | 1};
    wr_arena_init(&world->arena, &wr_budget_control, 4096);
    wr_batch_pool_init(&world->pool, &world->budget);
    world->schema = wr_schema_new(&world->arena, KINDS);
    for (uint32_t c = 0; c < KINDS; c++)
        world->schema->fields[c] =
            (struct wr_field){.name = "abcdefgh" + c, .name_length = 1, .type = WR_TYPE(kinds[c])};
}

static void world_end(struct world *world) {
    wr_batch_pool_release(&world->pool);
    wr_arena_release(&world->arena);
    CHECK_INT(world->budget.bytes_used, ==, 0);
}

static uint64_t next(struct world *world, uint64_t below) {
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % below;
}

static void fill_column(struct world *world, struct wr_batch *batch, uint32_t c) {
    uint32_t rows = batch->row_count, bytes = wr_type_bytes(kinds[c]);
    if (next(world, 6) == 0)
        return; /* nobody asked for it */
    char *data = wr_batch_column(batch, c, rows);
    uint64_t *valid =
        next(world, 2) == 0 ? NULL : WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(rows));
    for (uint32_t row = 0; row < rows; row++) {
        if (valid != NULL && next(world, 3) > 0)
            wr_bit_set(valid, row);
        for (uint32_t b = 0; b < bytes; b++)
            data[(size_t)row * bytes + b] = (char)next(world, kinds[c] == WR_BOOL ? 2 : 256);
        if (wr_type_is_text(kinds[c])) {
            uint32_t length = (uint32_t)next(world, 30);
            char *text = wr_arena_alloc_zero(&batch->arena, length + 1);
            for (uint32_t b = 0; b < length; b++)
                text[b] = (char)next(world, 256);
            ((struct wr_str *)(void *)data)[row] = wr_str_of(text, length);
        }
    }
    batch->columns[c].valid = valid;
}

static int64_t *times_of(struct world *world, struct wr_batch *batch) {
    if (next(world, 2) == 0)
        return NULL;
    int64_t *times = WR_ARENA_ARRAY(&batch->arena, int64_t, batch->row_count);
    for (uint32_t row = 0; row < batch->row_count; row++)
        times[row] = (int64_t)next(world, UINT64_MAX);
    return times;
}

static void fill_origin(struct world *world, struct wr_batch *batch) {
    struct wr_origin *origin = &batch->origin;
    uint32_t rows = batch->row_count;
    origin->maker = (uint32_t)next(world, 3);
    if (next(world, 3) == 0)
        return;
    origin->source = "numbers";
    origin->file = next(world, 2) == 0 ? NULL : "n.csv";
    origin->first_record = next(world, UINT64_C(1) << 40);
    if (next(world, 2) == 0)
        return;
    uint32_t *start = WR_ARENA_ARRAY(&batch->arena, uint32_t, rows);
    uint32_t *length = WR_ARENA_ARRAY(&batch->arena, uint32_t, rows);
    for (uint32_t row = 0; row < rows; row++) {
        start[row] = row * 4;
        length[row] = 3;
    }
    char *text = wr_arena_alloc(&batch->arena, (size_t)rows * 4);
    memset(text, 'x', (size_t)rows * 4);
    for (uint32_t row = 0; row < rows; row++)
        text[row * 4 + 3] = '\n';
    origin->text = text;
    origin->start = start;
    origin->length = length;
    origin->base_line = 7;
    origin->base_byte = next(world, UINT64_C(1) << 40);
}

static struct wr_batch *random_batch(struct world *world) {
    struct wr_batch *batch = wr_batch_new(&world->pool, world->schema);
    batch->row_count = batch->sel_count = 1 + (uint32_t)next(world, 70);
    for (uint32_t c = 0; c < KINDS; c++)
        fill_column(world, batch, c);
    batch->event_time = times_of(world, batch);
    batch->behind = times_of(world, batch);
    batch->weight = times_of(world, batch);
    batch->changed = times_of(world, batch);
    batch->source = (uint32_t)next(world, 100);
    batch->partition = (uint32_t)next(world, 100);
    batch->frontier = (int64_t)next(world, UINT64_MAX);
    fill_origin(world, batch);
    if (next(world, 2) == 0)
        return batch;
    uint32_t *sel = WR_ARENA_ARRAY(&batch->arena, uint32_t, batch->row_count), count = 0;
    for (uint32_t row = 0; row < batch->row_count; row++)
        if (next(world, 2) == 0 || row + 1 == batch->row_count)
            sel[count++] = row;
    batch->sel = sel;
    batch->sel_count = count;
    return batch;
}

static void check_times(const int64_t *a, const int64_t *b, uint32_t row_a, uint32_t row_b) {
    CHECK_INT(a == NULL, ==, b == NULL);
    if (a != NULL)
        CHECK_INT(a[row_a], ==, b[row_b]);
}

static void check_row(const struct wr_batch *a, const struct wr_batch *b, uint32_t i) {
    uint32_t row_a = wr_batch_row(a, i), row_b = wr_batch_row(b, i);
    for (uint32_t c = 0; c < KINDS; c++) {
        const struct wr_column *x = &a->columns[c], *y = &b->columns[c];
        CHECK_INT(x->data == NULL, ==, y->data == NULL);
        if (x->data == NULL)
            continue;
        CHECK_INT(wr_column_is_nil(x, row_a), ==, wr_column_is_nil(y, row_b));
        if (wr_column_is_nil(x, row_a))
            continue;
        uint32_t bytes = wr_type_bytes(kinds[c]);
        if (wr_type_is_text(kinds[c]))
            CHECK(wr_str_equal(&WR_STR(x)[row_a], &WR_STR(y)[row_b]));
        else
            CHECK_MEM((const char *)x->data + (size_t)row_a * bytes,
                      (const char *)y->data + (size_t)row_b * bytes, bytes);
    }
    check_times(a->event_time, b->event_time, row_a, row_b);
    check_times(a->behind, b->behind, row_a, row_b);
    check_times(a->weight, b->weight, row_a, row_b);
    check_times(a->changed, b->changed, row_a, row_b);
    if (a->origin.source == NULL)
        return;
    CHECK_INT(wr_origin_record(&a->origin, row_a), ==, wr_origin_record(&b->origin, row_b));
    CHECK_INT(a->origin.text == NULL, ==, b->origin.text == NULL);
    if (a->origin.text == NULL)
        return;
    CHECK_INT(wr_origin_line(&a->origin, row_a), ==, wr_origin_line(&b->origin, row_b));
    CHECK_INT(wr_origin_byte(&a->origin, row_a), ==, wr_origin_byte(&b->origin, row_b));
    CHECK_INT(a->origin.length[row_a], ==, b->origin.length[row_b]);
    CHECK_MEM(a->origin.text + a->origin.start[row_a], b->origin.text + b->origin.start[row_b],
              a->origin.length[row_a]);
}

static void check_equal(const struct wr_batch *a, const struct wr_batch *b) {
    CHECK_INT(a->sel_count, ==, b->sel_count);
    CHECK_INT(a->source, ==, b->source);
    CHECK_INT(a->partition, ==, b->partition);
    CHECK_INT(a->frontier, ==, b->frontier);
    CHECK_INT(a->origin.maker, ==, b->origin.maker);
    CHECK_STR(a->origin.source, b->origin.source);
    if (a->origin.source != NULL)
        CHECK_STR(a->origin.file, b->origin.file);
    for (uint32_t i = 0; i < a->sel_count; i++)
        check_row(a, b, i);
}

TEST(batch_store_gives_random_batches_back) {
    struct world world;
    world_begin(&world, test_seed());
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    do {
        struct wr_batch *batch = random_batch(&world), *back = NULL;
        wr_buf_clear(&bytes);
        CHECK_INT(wr_batch_save(batch, &bytes), ==, WR_OK);
        struct wr_reader in = {.bytes = bytes.bytes, .length = bytes.length};
        CHECK_INT(wr_batch_load(&world.pool, world.schema, &in, &back), ==, WR_OK);
        CHECK_INT(in.at, ==, bytes.length);
        check_equal(batch, back);
        wr_batch_unref(back);
        wr_batch_unref(batch);
    } while (test_random_time_left());
    wr_buf_release(&bytes);
    world_end(&world);
}

/* Rows of `batch` in any order, some of them more than once, have the origins of those rows. */
static void check_gathered(struct world *world, struct wr_batch *batch) {
    enum { ROWS = 90 };
    uint32_t rows[ROWS];
    struct wr_batch *made = wr_batch_new(&world->pool, world->schema);
    made->row_count = made->sel_count = ROWS;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = wr_batch_row(batch, (uint32_t)next(world, batch->sel_count));
    CHECK_INT(wr_origin_gather(made, batch, rows), ==, WR_OK);
    const struct wr_origin *from = &batch->origin, *to = &made->origin;
    CHECK_STR(to->source, from->source);
    CHECK_STR(to->file, from->file);
    for (uint32_t i = 0; i < ROWS; i++) {
        CHECK_INT(wr_origin_record(to, i), ==, wr_origin_record(from, rows[i]));
        CHECK_INT(wr_origin_line(to, i), ==, wr_origin_line(from, rows[i]));
        CHECK_INT(wr_origin_byte(to, i), ==, wr_origin_byte(from, rows[i]));
        CHECK_INT(to->length == NULL, ==, from->length == NULL);
        if (from->length == NULL)
            continue;
        CHECK_INT(to->length[i], ==, from->length[rows[i]]);
        CHECK_INT(to->start[i], ==, from->start[rows[i]]);
    }
    wr_batch_unref(made);
}

TEST(batch_origins_are_gathered_as_their_rows_stood) {
    struct world world;
    world_begin(&world, test_seed());
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    do {
        struct wr_batch *batch = random_batch(&world), *back = NULL;
        wr_buf_clear(&bytes);
        CHECK_INT(wr_batch_save(batch, &bytes), ==, WR_OK);
        struct wr_reader in = {.bytes = bytes.bytes, .length = bytes.length};
        CHECK_INT(wr_batch_load(&world.pool, world.schema, &in, &back), ==, WR_OK);
        check_gathered(&world, batch);
        check_gathered(&world, back); /* has a line and a byte for each row */
        wr_batch_unref(back);
        wr_batch_unref(batch);
    } while (test_random_time_left());
    wr_buf_release(&bytes);
    world_end(&world);
}

TEST(batch_store_refuses_what_was_cut_off) {
    struct world world;
    world_begin(&world, 5);
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    for (int round = 0; round < 12; round++) {
        struct wr_batch *batch = random_batch(&world);
        wr_buf_clear(&bytes);
        CHECK_INT(wr_batch_save(batch, &bytes), ==, WR_OK);
        wr_batch_unref(batch);
        for (size_t length = 0; length < bytes.length; length++) {
            char *cut = wr_strndup(&wr_budget_control, bytes.bytes, length);
            struct wr_reader in = {.bytes = cut, .length = length};
            struct wr_batch *back = NULL;
            CHECK_INT(wr_batch_load(&world.pool, world.schema, &in, &back), ==, WR_ECORRUPT);
            wr_free(&wr_budget_control, cut);
        }
    }
    wr_buf_release(&bytes);
    world_end(&world);
}

TEST(batch_append_of_rows_without_a_column_leaves_it_out) {
    struct world world;
    world_begin(&world, 9);
    struct wr_schema *schema = wr_schema_new(&world.arena, 2);
    schema->fields[0] = (struct wr_field){.name = "a", .name_length = 1, .type = WR_TYPE(WR_INT64)};
    schema->fields[1] =
        (struct wr_field){.name = "b", .name_length = 1, .type = WR_TYPE(WR_STRING)};
    struct wr_batch *without = wr_batch_new(&world.pool, schema);
    without->row_count = without->sel_count = 2;
    int64_t *numbers = wr_batch_column(without, 0, 2);
    numbers[0] = 1;
    numbers[1] = 2;
    struct wr_batch *copy = wr_batch_copy(&world.pool, without);
    CHECK_INT(WR_I64(&copy->columns[0])[1], ==, 2);
    CHECK_PTR(copy->columns[1].data, ==, NULL);
    struct wr_batch *with = wr_batch_new(&world.pool, schema);
    with->row_count = with->sel_count = 1;
    *(int64_t *)wr_batch_column(with, 0, 1) = 3;
    *(struct wr_str *)wr_batch_column(with, 1, 1) = wr_str_of("x", 1);
    struct wr_batch *out = wr_batch_room(&world.pool, schema, 8, 0);
    uint32_t rows[2] = {0, 1};
    CHECK_INT(wr_batch_append(out, with, rows, 1), ==, WR_OK);
    CHECK_INT(wr_batch_append(out, without, rows, 2), ==, WR_OK);
    CHECK_INT(wr_batch_append(out, with, rows, 1), ==, WR_OK);
    CHECK_INT(out->row_count, ==, 4);
    const int nils[4] = {0, 1, 1, 0};
    for (uint32_t row = 0; row < 4; row++)
        CHECK_INT(wr_column_is_nil(&out->columns[1], row), ==, nils[row]);
    wr_batch_unref(out);
    wr_batch_unref(with);
    wr_batch_unref(copy);
    wr_batch_unref(without);
    world_end(&world);
}

static void check_origin(const struct wr_row_origin *a, const struct wr_row_origin *b) {
    CHECK_STR(a->source, b->source);
    CHECK_STR(a->file, b->file);
    CHECK_INT(a->number, ==, b->number);
    CHECK_INT(a->partition, ==, b->partition);
    CHECK_INT(a->record, ==, b->record);
    CHECK_INT(a->has_byte, ==, b->has_byte);
    if (!a->has_byte)
        return;
    CHECK_INT(a->line, ==, b->line);
    CHECK_INT(a->byte, ==, b->byte);
    CHECK_INT(a->raw_length, ==, b->raw_length);
    CHECK_MEM(a->raw, b->raw, a->raw_length);
}

enum { KEPT = 60, FROM = 5 };

/* Row i of `batch`, in its selection, is from where `expected[i]` says. */
static void check_kept(const struct wr_batch *batch, const struct wr_row_origin *expected) {
    for (uint32_t i = 0; i < KEPT; i++) {
        struct wr_row_origin origin;
        int has = wr_batch_origin(batch, wr_batch_row(batch, i), &origin);
        CHECK_INT(has, ==, expected[i].source != NULL);
        if (has)
            check_origin(&expected[i], &origin);
    }
}

/* Appends KEPT rows of batches of several origins to one that keeps them. */
static struct wr_batch *mix(struct world *world, struct wr_batch **from,
                            struct wr_row_origin *expected) {
    struct wr_batch *mixed = wr_batch_room(&world->pool, world->schema, KEPT, 1);
    CHECK_INT(wr_origins_keep(mixed, KEPT), ==, WR_OK);
    for (uint32_t at = 0; at < KEPT;) {
        const struct wr_batch *one = from[next(world, FROM)];
        uint64_t most = next(world, 3) + 1;
        uint32_t rows[3], count = (uint32_t)WR_MIN(most, (uint64_t)KEPT - at);
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = wr_batch_row(one, (uint32_t)next(world, one->sel_count));
            if (!wr_batch_origin(one, rows[i], &expected[at + i]))
                expected[at + i] = (struct wr_row_origin){0};
        }
        CHECK_INT(wr_batch_append(mixed, one, rows, count), ==, WR_OK);
        at += count;
    }
    return mixed;
}

static void check_kept_gathered(struct world *world, struct wr_batch *mixed,
                                const struct wr_row_origin *expected) {
    uint32_t rows[KEPT];
    struct wr_row_origin chosen[KEPT];
    struct wr_batch *made = wr_batch_new(&world->pool, world->schema);
    made->row_count = made->sel_count = KEPT;
    for (uint32_t i = 0; i < KEPT; i++) {
        rows[i] = (uint32_t)next(world, KEPT);
        chosen[i] = expected[rows[i]];
    }
    CHECK_INT(wr_origin_gather(made, mixed, rows), ==, WR_OK);
    check_kept(made, chosen);
    wr_batch_unref(made);
}

TEST(rows_of_several_batches_keep_where_each_came_from) {
    struct world world;
    world_begin(&world, test_seed());
    struct wr_buf bytes;
    wr_buf_init(&bytes, &wr_budget_control, 0);
    do {
        struct wr_batch *from[FROM], *back = NULL;
        struct wr_row_origin expected[KEPT];
        for (uint32_t i = 0; i < FROM; i++)
            from[i] = random_batch(&world);
        struct wr_batch *mixed = mix(&world, from, expected);
        check_kept(mixed, expected);
        check_kept_gathered(&world, mixed, expected);
        wr_buf_clear(&bytes);
        CHECK_INT(wr_batch_save(mixed, &bytes), ==, WR_OK);
        struct wr_reader in = {.bytes = bytes.bytes, .length = bytes.length};
        CHECK_INT(wr_batch_load(&world.pool, world.schema, &in, &back), ==, WR_OK);
        CHECK_INT(in.at, ==, bytes.length);
        check_kept(back, expected);
        for (uint32_t i = 0; i < FROM; i++)
            wr_batch_unref(from[i]);
        wr_batch_unref(mixed);
        wr_batch_unref(back);
    } while (test_random_time_left());
    wr_buf_release(&bytes);
    world_end(&world);
}
