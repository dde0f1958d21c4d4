/* test_batch.c: references, sharing, selection and copying of batches. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "data/batch.h"

static struct wr_budget budget = WR_BUDGET_INIT("test", 0);
static struct wr_arena arena;

static const struct wr_schema *two_columns(void) {
    wr_arena_release(&arena);
    wr_arena_init(&arena, &budget, 4096);
    struct wr_schema *schema = wr_schema_new(&arena, 2);
    schema->fields[0] = (struct wr_field){.name = "n", .name_length = 1};
    schema->fields[0].type = WR_TYPE(WR_INT64);
    schema->fields[1] = (struct wr_field){.name = "s", .name_length = 1};
    schema->fields[1].type = WR_TYPE(WR_STRING);
    return schema;
}

static const char words[] = "a string that is longer than twelve bytes";

static struct wr_batch *filled(struct wr_batch_pool *pool, const struct wr_schema *schema,
                               uint32_t rows, uint32_t nil_every) {
    struct wr_batch *batch = wr_batch_new(pool, schema);
    int64_t *numbers = wr_batch_column(batch, 0, rows);
    struct wr_str *strings = wr_batch_column(batch, 1, rows);
    uint64_t *valid = WR_ARENA_ZEROS(&batch->arena, uint64_t, WR_BITS_WORDS(rows));
    for (uint32_t i = 0; i < rows; i++) {
        numbers[i] = i;
        strings[i] = wr_str_of(words, i % (uint32_t)sizeof words);
        wr_bit_put(valid, i, nil_every == 0 || i % nil_every != 0);
    }
    batch->columns[1].valid = nil_every == 0 ? NULL : valid;
    batch->row_count = batch->sel_count = rows;
    return batch;
}

TEST(batch_returns_all_memory_of_a_chain_of_shared_columns) {
    uint64_t before = budget.bytes_used;
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    struct wr_batch *batch = filled(&pool, schema, 100, 3);
    struct wr_buffer *buffer = wr_buffer_new(&budget, 1000);
    wr_batch_hold_buffer(batch, buffer);
    wr_batch_hold_buffer(batch, buffer); /* the same one is held once */
    CHECK_INT(buffer->ref_count, ==, 2);
    wr_buffer_unref(buffer);
    for (int i = 0; i < 50; i++) {
        uint32_t sel[] = {1, 2, 5};
        struct wr_batch *next = wr_batch_select(&pool, batch, sel, 3);
        CHECK_INT(batch->ref_count, ==, 2);
        wr_batch_unref(batch);
        batch = next;
    }
    CHECK_INT(wr_batch_row(batch, 2), ==, 5);
    CHECK_INT(WR_I64(&batch->columns[0])[5], ==, 5);
    wr_batch_unref(batch);
    CHECK_INT(pool.idle_count, ==, 51);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
    CHECK_INT(budget.bytes_used, ==, before);
}

TEST(batch_pool_allocates_nothing_in_a_steady_state) {
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    wr_batch_unref(filled(&pool, schema, 4096, 3));
    wr_alloc_fail_at(0, 0);
    for (int i = 0; i < 100; i++)
        wr_batch_unref(filled(&pool, schema, 4096, 3));
    CHECK_INT(wr_alloc_count(), ==, 0);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
}

TEST(batch_views_of_views_hold_the_rows_and_not_each_other) {
    uint64_t before = budget.bytes_used;
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    struct wr_batch *root = filled(&pool, schema, 100, 3), *batch = wr_batch_ref(root);
    for (uint32_t i = 0; i < 40; i++) {
        struct wr_batch *part = wr_batch_part(&pool, batch, i % 2, batch->sel_count - 1 - i % 2);
        struct wr_batch *next = wr_batch_view(&pool, schema, part);
        memcpy(next->columns, part->columns, 2 * sizeof *part->columns);
        CHECK_INT(part->ref_count, ==, 1);
        wr_batch_unref(part);
        wr_batch_unref(batch);
        batch = next;
    }
    CHECK_INT(root->ref_count, ==, 2);
    CHECK_INT(batch->sel_count, ==, 40);
    CHECK_INT(wr_batch_row(batch, 7), ==, 27);
    CHECK_INT(WR_I64(&batch->columns[0])[27], ==, 27);
    wr_batch_unref(root);
    wr_batch_unref(batch);
    CHECK_INT(pool.idle_count, ==, 4);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
    CHECK_INT(budget.bytes_used, ==, before);
}

TEST(batch_of_few_rows_is_small) {
    uint64_t before = budget.bytes_used;
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    struct wr_batch *batch = filled(&pool, schema, 1, 0);
    CHECK_INT(budget.bytes_used - before, <, 6000);
    wr_batch_unref(batch);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
}

TEST(batch_append_copies_rows_densely_with_their_nils_and_strings) {
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    struct wr_batch *full = filled(&pool, schema, 90, 0), *holes = filled(&pool, schema, 90, 7);
    struct wr_batch *out = wr_batch_new(&pool, schema);
    wr_batch_column(out, 0, 180);
    wr_batch_column(out, 1, 180);
    uint32_t rows[90];
    for (uint32_t i = 0; i < 90; i++)
        rows[i] = 89 - i;
    CHECK_INT(wr_batch_append(out, full, rows, 90), ==, WR_OK);
    CHECK(out->columns[1].valid == NULL);
    CHECK_INT(wr_batch_append(out, holes, rows, 90), ==, WR_OK);
    wr_batch_unref(full);
    wr_batch_unref(holes);
    CHECK_INT(out->row_count, ==, 180);
    for (uint32_t i = 0; i < 180; i++) {
        uint32_t from = 89 - i % 90;
        CHECK_INT(WR_I64(&out->columns[0])[i], ==, from);
        CHECK_INT(wr_column_is_nil(&out->columns[1], i), ==, i >= 90 && from % 7 == 0);
        if (wr_column_is_nil(&out->columns[1], i))
            continue;
        const struct wr_str *string = &WR_STR(&out->columns[1])[i];
        CHECK_INT(string->length, ==, from % sizeof words);
        CHECK_MEM(wr_str_bytes(string), words, string->length);
        CHECK(string->length <= WR_STR_INLINE_MAX || string->pointer != words);
    }
    wr_batch_unref(out);
    wr_batch_pool_release(&pool);
    wr_arena_release(&arena);
}

TEST(batch_join_puts_batches_behind_each_other_with_their_facts) {
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &budget);
    const struct wr_schema *schema = two_columns();
    static const uint32_t counts[] = {70, 1, 100};
    static const uint32_t nil_every[] = {0, 1, 7}; /* the first has none */
    int64_t times[100];
    uint64_t replaced[2] = {UINT64_C(0x5555555555555555), 0};
    for (int64_t i = 0; i < 100; i++)
        times[i] = 1000 + i;
    struct wr_batch *out = wr_batch_new(&pool, schema);
    for (uint32_t b = 0, first = 0; b < 3; first += counts[b++]) {
        struct wr_batch *in = filled(&pool, schema, counts[b], nil_every[b]);
        in->event_time = in->weight = times;
        in->replaced = replaced;
        in->frontier = b;
        if (b == 0) {
            CHECK(wr_batch_column(out, 0, 200) != NULL && wr_batch_column(out, 1, 200) != NULL);
            CHECK_INT(wr_batch_facts_room(out, in, 200), ==, WR_OK);
        }
        CHECK_INT(wr_batch_join(out, in), ==, WR_OK);
        CHECK_INT(out->row_count, ==, first + counts[b]);
        CHECK_INT(out->frontier, ==, b);
        for (uint32_t i = 0; i < counts[b]; i++) {
            CHECK_INT(WR_I64(&out->columns[0])[first + i], ==, i);
            CHECK_INT(wr_column_is_nil(&out->columns[1], first + i), ==,
                      nil_every[b] != 0 && i % nil_every[b] == 0);
            CHECK(wr_str_equal(&WR_STR(&out->columns[1])[first + i], &WR_STR(&in->columns[1])[i]));
            CHECK_INT(out->event_time[first + i], ==, 1000 + i);
            CHECK_INT(out->weight[first + i], ==, 1000 + i);
            CHECK_INT(wr_bit_get(out->replaced, first + i), ==, wr_bit_get(replaced, i));
        }
        wr_batch_unref(in);
    }
    CHECK_PTR(out->behind, ==, NULL);
    CHECK_PTR(out->changed, ==, NULL);
    CHECK_INT(out->sel_count, ==, 171);
    wr_batch_unref(out);
    wr_batch_pool_release(&pool);
}

TEST(batch_new_gives_null_when_the_budget_is_used_up) {
    struct wr_budget small = WR_BUDGET_INIT("small", sizeof(struct wr_batch) + 100);
    struct wr_batch_pool pool;
    wr_batch_pool_init(&pool, &small);
    const struct wr_schema *schema = two_columns();
    CHECK(wr_batch_new(&pool, schema) == NULL);
    wr_batch_pool_release(&pool);
    CHECK_INT(small.bytes_used, ==, 0);
    wr_arena_release(&arena);
}

TEST(strings_compare_by_bytes_and_then_length) {
    struct wr_str a = wr_str_of("abc", 3), b = wr_str_of("abcd", 4), c = wr_str_of("ab\xff", 3);
    struct wr_str l = wr_str_of(words, 20), m = wr_str_of(words, 21);
    CHECK_INT(wr_str_compare(&a, &b), <, 0);
    CHECK_INT(wr_str_compare(&c, &b), >, 0);
    CHECK_INT(wr_str_compare(&m, &l), >, 0);
    CHECK_INT(wr_str_compare(&l, &l), ==, 0);
    CHECK(wr_str_equal(&l, &l) && !wr_str_equal(&l, &m) && !wr_str_equal(&a, &c));
}
