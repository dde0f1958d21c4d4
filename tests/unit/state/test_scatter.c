/* test_scatter.c: what is put into a scatter comes back: each row as it was, all that is of a key
 * in one part and in its order, groups among it; a full disk and too little memory are errors. */
#include "test.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/env_sim.h"
#include "base/hash.h"
#include "base/status.h"
#include "state/apart.h"
#include "state/scatter.h"
#include "state/scratch.h"
#include "state/table.h"

#define SEED 11
#define KEYS_MAX 600u
#define EVENTS_MAX 6000u
#define ROWS_MAX 50u
#define TEXT_MAX 400u

enum { KEY, EVENT, TEXT, TRUTH, MONEY, RATIO, COLUMNS };
static const enum wr_type_kind kinds[COLUMNS] = {WR_INT64, WR_INT64,   WR_STRING,
                                                 WR_BOOL,  WR_DECIMAL, WR_FLOAT64};

/* Events are rows and groups, numbered as they are put. */
struct stand {
    struct wr_shape shape;
    struct wr_apart apart;
    struct wr_budget budget;
    struct wr_scatter_form form;
    struct wr_error *err;
    uint64_t random;
    uint32_t key_count, event_count;
    uint32_t level, part_bits; /* part_bits: where parts are ranges of hashes; else 0 */
    uint32_t key_of[EVENTS_MAX];
    uint8_t is_group[EVENTS_MAX], was_seen[EVENTS_MAX];
    uint8_t has_rows[KEYS_MAX]; /* something was put of the key */
    uint32_t last[KEYS_MAX];    /* event that came back of it; 0: none */
    uint32_t part_of[KEYS_MAX]; /* 0: not known yet */
    uint32_t part;              /* that is read, from 1 */
};

static uint64_t below(struct stand *stand, uint64_t count) {
    stand->random = wr_hash_u64(stand->random + 1, 5);
    return stand->random % count;
}

static void begin(struct stand *stand, const struct wr_env *env, uint64_t seed) {
    memset(stand, 0, sizeof *stand);
    stand->random = seed;
    stand->shape = (struct wr_shape){.key_bytes = 8, .row_bytes = 16};
    stand->budget = (struct wr_budget)WR_BUDGET_INIT("test", 0);
    stand->apart = (struct wr_apart){.env = env, .memory_bytes = 1 + below(stand, 400000)};
    stand->form = (struct wr_scatter_form){.apart = &stand->apart,
                                           .budget = &stand->budget,
                                           .shape = &stand->shape,
                                           .seed = SEED,
                                           .column_count = COLUMNS,
                                           .kinds = kinds};
    stand->key_count = 1 + (uint32_t)below(stand, KEYS_MAX);
    stand->event_count = 1;
}

static void end(struct stand *stand, struct wr_scatter *scatter) {
    wr_scatter_free(scatter);
    if (stand->apart.scratch != NULL)
        CHECK_INT(wr_scratch_bytes(stand->apart.scratch), ==, 0);
    wr_scratch_free(stand->apart.scratch);
    CHECK_INT(stand->budget.bytes_used, ==, 0);
}

static uint64_t hash_of(const struct stand *stand, uint32_t key) {
    uint64_t word = key;
    return wr_shape_hash(&stand->shape, &word, SEED);
}

/* What a row holds follows from its event: nil, or this. */
static int is_nil(uint32_t event, uint32_t column) {
    return column > EVENT && wr_hash_u64(event, column) % 5 == 0;
}

static uint32_t text_of(uint32_t event, char *text) {
    uint32_t length = (uint32_t)(wr_hash_u64(event, 1) % (event % 50 == 0 ? TEXT_MAX : 20));
    for (uint32_t i = 0; i < length; i++)
        text[i] = (char)wr_hash_u64(event, i);
    return length;
}

static __int128 money_of(uint32_t event) {
    return (__int128)((unsigned __int128)wr_hash_u64(event, 2) << 64 | event);
}

/* ---- in ---- */

struct made {
    int64_t key[ROWS_MAX], event[ROWS_MAX];
    struct wr_str text[ROWS_MAX];
    uint8_t truth[ROWS_MAX];
    __int128 money[ROWS_MAX];
    double ratio[ROWS_MAX];
    uint64_t valid[COLUMNS][1];
    char texts[ROWS_MAX][TEXT_MAX];
};

static uint32_t next_event(struct stand *stand, uint32_t key, int is_group) {
    CHECK_INT(stand->event_count, <, EVENTS_MAX);
    stand->key_of[stand->event_count] = key;
    stand->is_group[stand->event_count] = (uint8_t)is_group;
    stand->has_rows[key] = 1;
    return stand->event_count++;
}

static void make_row(struct stand *stand, struct made *made, uint32_t row) {
    uint32_t key = (uint32_t)below(stand, stand->key_count);
    uint32_t event = next_event(stand, key, 0);
    made->key[row] = key;
    made->event[row] = event;
    made->text[row] = wr_str_of(made->texts[row], text_of(event, made->texts[row]));
    made->truth[row] = event % 3 == 0;
    made->money[row] = money_of(event);
    made->ratio[row] = event / 7.0;
    for (uint32_t c = 0; c < COLUMNS; c++)
        wr_bit_put(made->valid[c], row, !is_nil(event, c));
}

static int put_rows(struct stand *stand, struct wr_scatter *scatter) {
    static struct made made;
    uint32_t rows[ROWS_MAX], count = 1 + (uint32_t)below(stand, ROWS_MAX - 1);
    uint64_t hashes[ROWS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = ROWS_MAX - count + i; /* physical numbers are any */
        make_row(stand, &made, rows[i]);
        hashes[i] = hash_of(stand, (uint32_t)made.key[rows[i]]);
    }
    struct wr_column columns[COLUMNS] = {{.data = made.key},   {.data = made.event},
                                         {.data = made.text},  {.data = made.truth},
                                         {.data = made.money}, {.data = made.ratio}};
    for (uint32_t c = EVENT + 1; c < COLUMNS; c++)
        columns[c].valid = made.valid[c];
    return wr_scatter_add(scatter, columns, rows, hashes, count);
}

/* Of keys of which nothing has been put. */
static int put_groups(struct stand *stand, struct wr_scatter *scatter) {
    struct wr_table *table = wr_table_new(&stand->budget, &stand->shape, SEED);
    int status = table == NULL ? WR_ENOMEM : WR_OK;
    for (uint32_t i = 0; i < 30 && status == WR_OK; i++) {
        uint64_t key = below(stand, stand->key_count), hash = hash_of(stand, (uint32_t)key);
        if (stand->has_rows[key])
            continue;
        uint8_t *row;
        status = wr_table_upsert(table, &key, &hash, 1, &row, NULL);
        uint64_t event = status == WR_OK ? next_event(stand, (uint32_t)key, 1) : 0;
        if (status == WR_OK)
            memcpy(row + 8, &event, 8);
    }
    if (status == WR_OK)
        status = wr_scatter_add_groups(scatter, table);
    wr_table_free(table);
    return status;
}

static int put(struct stand *stand, struct wr_scatter *scatter) {
    int status = WR_OK;
    for (uint64_t i = below(stand, 100); i > 0 && status == WR_OK; i--)
        status = below(stand, 8) == 0 ? put_groups(stand, scatter) : put_rows(stand, scatter);
    for (uint32_t k = 0; k < stand->key_count && status == WR_OK; k++)
        CHECK(!stand->has_rows[k] || wr_scatter_may_have(scatter, hash_of(stand, k)));
    return status == WR_OK ? wr_scatter_end(scatter) : status;
}

/* ---- out ---- */

static void see(struct stand *stand, uint32_t key, uint32_t event, int is_group) {
    CHECK_INT(key, <, stand->key_count);
    CHECK_INT(event, <, stand->event_count);
    CHECK_INT(stand->key_of[event], ==, key);
    CHECK_INT(stand->is_group[event], ==, is_group);
    CHECK_INT(stand->was_seen[event], ==, 0);
    CHECK_INT(event, >, stand->last[key]);
    CHECK(stand->part_of[key] == 0 || stand->part_of[key] == stand->part);
    if (stand->part_bits > 0) {
        uint64_t hash = hash_of(stand, key) << stand->part_bits * stand->level;
        CHECK_INT(hash >> (64 - stand->part_bits), ==, stand->part - 1);
    }
    stand->was_seen[event] = 1;
    stand->last[key] = event;
    stand->part_of[key] = stand->part;
}

static void see_row(struct stand *stand, const struct wr_column *columns, uint32_t row) {
    uint32_t event = (uint32_t)WR_I64(&columns[EVENT])[row];
    see(stand, (uint32_t)WR_I64(&columns[KEY])[row], event, 0);
    char text[TEXT_MAX];
    uint32_t length = text_of(event, text);
    struct wr_str str = wr_str_of(text, length);
    for (uint32_t c = 0; c < COLUMNS; c++)
        CHECK_INT(wr_column_is_nil(&columns[c], row), ==, is_nil(event, c));
    if (!is_nil(event, TEXT))
        CHECK(wr_str_equal(&str, &WR_STR(&columns[TEXT])[row]));
    if (!is_nil(event, TRUTH))
        CHECK_INT(WR_BOOLS(&columns[TRUTH])[row], ==, event % 3 == 0);
    if (!is_nil(event, MONEY))
        CHECK(((const __int128 *)columns[MONEY].data)[row] == money_of(event));
    if (!is_nil(event, RATIO))
        CHECK_FLOAT(WR_F64(&columns[RATIO])[row], ==, event / 7.0);
}

static int see_groups(struct stand *stand, const struct wr_scattered *block) {
    struct wr_table *table = wr_table_new(&stand->budget, &stand->shape, SEED);
    int status = table == NULL ? WR_ENOMEM : wr_scattered_load(block, table);
    struct wr_table_walk walk;
    if (status == WR_OK) {
        CHECK_INT(wr_table_count(table), ==, block->count);
        wr_table_walk_begin(&walk, table);
        for (const uint8_t *row; (row = wr_table_walk_next(&walk)) != NULL;) {
            uint64_t words[2];
            memcpy(words, row, sizeof words);
            see(stand, (uint32_t)words[0], (uint32_t)words[1], 1);
        }
    }
    wr_table_free(table);
    return status;
}

static int take(struct stand *stand, struct wr_scatter *scatter) {
    struct wr_scattered block = {.kind = WR_SCATTERED_ROWS};
    struct wr_arena arena;
    int status = WR_OK;
    wr_arena_init(&arena, &stand->budget, 4096);
    for (stand->part = 1; status == WR_OK;) {
        wr_arena_reset(&arena);
        status = wr_scatter_next(scatter, &arena, &block);
        if (status != WR_OK || block.kind == WR_SCATTERED_END)
            break;
        for (uint32_t i = 0; block.kind == WR_SCATTERED_ROWS && i < block.count; i++)
            see_row(stand, block.columns, i);
        if (block.kind == WR_SCATTERED_GROUPS)
            status = see_groups(stand, &block);
        stand->part += block.kind == WR_SCATTERED_PART_END;
    }
    wr_arena_release(&arena);
    return status;
}

/* ---- tests ---- */

TEST(scatter_gives_back_all_of_a_key_in_its_order) {
    uint64_t seed = test_seed();
    static struct stand stand;
    do {
        struct wr_scatter *scatter;
        begin(&stand, wr_env_real(), seed++);
        stand.level = (uint32_t)below(&stand, 8);
        stand.form.by_range = below(&stand, 2) == 0;
        CHECK_INT(wr_scatter_new(&scatter, &stand.form, stand.level), ==, WR_OK);
        if (stand.form.by_range)
            stand.part_bits = (uint32_t)__builtin_ctz(wr_scatter_part_count(scatter));
        CHECK_INT(put(&stand, scatter), ==, WR_OK);
        if (below(&stand, 8) > 0) { /* else nobody wants more of it */
            CHECK_INT(take(&stand, scatter), ==, WR_OK);
            for (uint32_t event = 1; event < stand.event_count; event++)
                CHECK_INT(stand.was_seen[event], ==, 1);
        }
        end(&stand, scatter);
    } while (test_random_time_left());
}

/* A key that goes to one part of a level is spread over those of the next. */
TEST(scatter_parts_differ_from_level_to_level) {
    static struct stand stand;
    uint32_t first[KEYS_MAX];
    uint64_t pairs = 0, same = 0;
    for (uint32_t level = 0; level < 2; level++) {
        struct wr_scatter *scatter;
        begin(&stand, wr_env_real(), 3);
        stand.apart.memory_bytes = 1 << 20;
        stand.key_count = KEYS_MAX;
        CHECK_INT(wr_scatter_new(&scatter, &stand.form, level), ==, WR_OK);
        for (uint32_t i = 0; i < 100; i++)
            CHECK_INT(put_rows(&stand, scatter), ==, WR_OK);
        CHECK_INT(wr_scatter_end(scatter), ==, WR_OK);
        CHECK_INT(take(&stand, scatter), ==, WR_OK);
        end(&stand, scatter);
        for (uint32_t k = 1; level == 1 && k < KEYS_MAX; k++)
            if (stand.has_rows[k] && stand.has_rows[k - 1] && first[k] == first[k - 1]) {
                pairs++;
                same += stand.part_of[k] == stand.part_of[k - 1];
            }
        memcpy(first, stand.part_of, sizeof first);
    }
    CHECK_INT(pairs, >, 5);
    CHECK_INT(same * 2, <, pairs);
}

/* Few keys of which nothing was put are taken for others, until there are too many. */
TEST(scatter_knows_most_keys_that_it_has_not) {
    static struct stand stand;
    struct wr_scatter *scatter;
    begin(&stand, wr_env_real(), 3);
    stand.apart.memory_bytes = 1 << 20; /* 2^19 bits */
    CHECK_INT(wr_scatter_new(&scatter, &stand.form, 0), ==, WR_OK);
    int64_t keys[1] = {0};
    struct wr_column columns[COLUMNS] = {{.data = keys}, {.data = keys}};
    uint64_t wrong = 0, next = 0;
    for (; next < 20000; next++)
        CHECK_INT(
            wr_scatter_add(scatter, columns, &(uint32_t){0}, &(uint64_t){wr_hash_u64(next, 9)}, 1),
            ==, WR_OK);
    for (uint64_t other = 1000000; other < 1010000; other++)
        wrong += (uint64_t)wr_scatter_may_have(scatter, wr_hash_u64(other, 9));
    CHECK_INT(wrong, <, 100);
    CHECK_INT(wr_scatter_is_crowded(scatter), ==, 0);
    for (; next < 200000; next++)
        CHECK_INT(
            wr_scatter_add(scatter, columns, &(uint32_t){0}, &(uint64_t){wr_hash_u64(next, 9)}, 1),
            ==, WR_OK);
    CHECK_INT(wr_scatter_is_crowded(scatter), ==, 1);
    end(&stand, scatter);
}

TEST(scatter_without_memory_is_an_error) {
    static struct stand stand;
    for (uint64_t bytes = 500; bytes < 300000; bytes += 997) {
        struct wr_scatter *scatter = NULL;
        begin(&stand, wr_env_real(), 3);
        stand.budget.bytes_max = bytes;
        int status = wr_scatter_new(&scatter, &stand.form, 0);
        if (status == WR_OK)
            status = put(&stand, scatter);
        if (status == WR_OK)
            status = take(&stand, scatter);
        CHECK(status == WR_OK || status == WR_ENOMEM);
        end(&stand, scatter);
    }
}

/* The disk fails at each call, one after the other: an error that says what to do. */
TEST(scatter_on_a_full_disk_is_an_error) {
    static struct stand stand;
    int fails = 0;
    for (uint64_t call = 1;; call++) {
        struct wr_sim *sim = wr_sim_new(1);
        struct wr_scatter *scatter = NULL;
        struct wr_error err = {0};
        begin(&stand, wr_sim_env(sim), 5);
        stand.apart.memory_bytes = 100000;
        stand.err = &err;
        stand.apart.err = &stand.err;
        wr_sim_fail_at(sim, WR_SIM_ENOSPC, call, 1);
        int status = wr_scatter_new(&scatter, &stand.form, 0);
        if (status == WR_OK)
            status = put(&stand, scatter);
        if (status == WR_OK)
            status = take(&stand, scatter);
        end(&stand, scatter);
        wr_sim_free(sim);
        if (status == WR_OK)
            break;
        fails++;
        CHECK_STR(err.code, "W610");
        CHECK_CONTAINS(err.help, "TMPDIR");
    }
    CHECK_INT(fails, >, 2);
}
