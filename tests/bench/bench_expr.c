/* bench_expr.c: nanoseconds a row of expressions, beside the same work written by hand in C.
 * Batches of 1024 rows that stay in the cache, as they do behind a decoder; the best of many
 * passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/expr/support_expr_parse.c"

#define ROWS 1024
#define BATCHES 16
#define PASSES 400

struct data {
    int64_t price[ROWS], quantity[ROWS];
    double value[ROWS];
    struct wr_str channel[ROWS], url[ROWS];
    char text[ROWS][64];
};

static struct data data[BATCHES];
static uint32_t sel[ROWS];
static union {
    int64_t integer[ROWS];
    double number[ROWS];
    struct wr_str text[ROWS];
    uint8_t truth[ROWS];
} result;

void test_fail(const char *file, int line, const char *format, ...) {
    fprintf(stderr, "%s:%d: %s\n", file, line, format);
    exit(1);
}

static void fill(void) {
    static const char *const channels[] = {"apple", "google", "x",      "facebook",
                                           "baidu", "bing",   "direct", "a-longer-channel"};
    uint64_t random = 88172645463325252u;
    for (uint32_t b = 0; b < BATCHES; b++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            struct data *d = &data[b];
            d->price[i] = (int64_t)(random % 1000);
            d->quantity[i] = (int64_t)(random >> 20 & 63);
            d->value[i] = (double)(random >> 32) / 1e3;
            const char *channel = channels[random >> 13 & 7];
            d->channel[i] = wr_str_of(channel, (uint32_t)strlen(channel));
            int length = snprintf(d->text[i], 64, "https://shop.example/%s/%u/view",
                                  random >> 17 & 1 ? "item" : "list", (unsigned)(random >> 40));
            d->url[i] = wr_str_of(d->text[i], (uint32_t)length);
        }
    }
}

/* ---- by hand ---- */

typedef uint32_t (*hand_fn)(const struct data *d);

__attribute__((noinline)) static uint32_t hand_filter(const struct data *d) {
    struct wr_str want = wr_str_of("x", 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        sel[count] = i;
        count += d->price[i] > 100 && wr_str_equal(&d->channel[i], &want);
    }
    return count;
}
__attribute__((noinline)) static uint32_t hand_equal(const struct data *d) {
    struct wr_str want = wr_str_of("x", 1);
    for (uint32_t i = 0; i < ROWS; i++)
        result.truth[i] = (uint8_t)wr_str_equal(&d->channel[i], &want);
    return ROWS;
}
__attribute__((noinline)) static uint32_t hand_select(const struct data *d) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        sel[count] = i;
        count += d->price[i] > 500;
    }
    return count;
}
__attribute__((noinline)) static uint32_t hand_numbers(const struct data *d) {
    for (uint32_t i = 0; i < ROWS; i++)
        result.number[i] = d->value[i] * 0.908 + (double)d->price[i];
    return ROWS;
}
__attribute__((noinline)) static uint32_t hand_integers(const struct data *d) {
    for (uint32_t i = 0; i < ROWS; i++)
        result.integer[i] = (d->price[i] * 3 + d->quantity[i]) * d->price[i];
    return ROWS;
}
__attribute__((noinline)) static uint32_t hand_compare(const struct data *d) {
    for (uint32_t i = 0; i < ROWS; i++)
        result.truth[i] = d->price[i] > 500;
    return ROWS;
}
__attribute__((noinline)) static uint32_t hand_like(const struct data *d) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        sel[count] = i;
        count += memmem(wr_str_bytes(&d->url[i]), d->url[i].length, "/item/", 6) != NULL;
    }
    return count;
}
__attribute__((noinline)) static uint32_t hand_case(const struct data *d) {
    struct wr_str high = wr_str_of("high", 4), mid = wr_str_of("mid", 3), low = wr_str_of("low", 3);
    for (uint32_t i = 0; i < ROWS; i++)
        result.text[i] = d->price[i] > 800 ? high : d->price[i] > 300 ? mid : low;
    return ROWS;
}
__attribute__((noinline)) static uint32_t hand_in(const struct data *d) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        int64_t p = d->price[i];
        sel[count] = i;
        count += p == 1 || p == 20 || p == 300 || p == 404 || p == 555;
    }
    return count;
}
__attribute__((noinline)) static uint32_t hand_divide(const struct data *d) {
    for (uint32_t i = 0; i < ROWS; i++) {
        int64_t q = d->price[i] / 7;
        result.integer[i] = q - (d->price[i] % 7 != 0 && d->price[i] < 0);
    }
    return ROWS;
}

/* ---- by the engine ---- */

static const struct bench {
    const char *text;
    int is_filter;
    hand_fn hand;
} benches[] = {
    {"price > 100 and channel == 'x'", 1, hand_filter},
    {"channel == 'x'", 0, hand_equal},
    {"price > 500", 1, hand_select},
    {"value * 0.908 + price", 0, hand_numbers},
    {"(price * 3 + quantity) * price", 0, hand_integers},
    {"price > 500", 0, hand_compare},
    {"url like '%/item/%'", 1, hand_like},
    {"case(price > 800, 'high', price > 300, 'mid', 'low')", 0, hand_case},
    {"price in (1, 20, 300, 404, 555)", 1, hand_in},
    {"price // 7", 0, hand_divide},
};

static struct wr_arena plan;
static struct wr_schema *schema;

static struct wr_list *bind(const struct bench *bench) {
    struct wr_scope scope = {.arena = &plan, .input = schema, .timezone = "UTC"};
    struct wr_list *list;
    struct wr_error err = {0};
    char item[256];
    snprintf(item, sizeof item, "x = %s", bench->text);
    struct wr_value *ast =
        bench->is_filter ? test_parse_expr(&plan, bench->text) : test_parse_list(&plan, item);
    int status = wr_list_bind(&list, &scope, bench->is_filter ? WR_LIST_CONDITION : WR_LIST_DERIVE,
                              ast, &err);
    if (status != WR_OK) {
        fprintf(stderr, "%s: %s\n", bench->text, err.text);
        exit(1);
    }
    return list;
}

static double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double run_engine(const struct bench *bench, struct wr_eval *eval, struct wr_arena *out) {
    struct wr_list *list = bind(bench);
    double best = 1e30;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = now_ns();
        for (uint32_t b = 0; b < BATCHES; b++) {
            struct wr_column columns[] = {{data[b].price, NULL},
                                          {data[b].quantity, NULL},
                                          {data[b].value, NULL},
                                          {data[b].channel, NULL},
                                          {data[b].url, NULL}};
            struct wr_batch batch = {
                .row_count = ROWS, .sel_count = ROWS, .schema = schema, .columns = columns};
            uint32_t count;
            wr_arena_reset(out);
            int status = bench->is_filter ? wr_list_filter(list, eval, &batch, sel, &count)
                                          : wr_list_run(list, eval, &batch, out);
            if (status != WR_OK)
                exit(1);
        }
        double took = (now_ns() - start) / (ROWS * BATCHES);
        best = took < best ? took : best;
    }
    return best;
}

static double run_hand(hand_fn hand) {
    volatile uint32_t sum = 0;
    double best = 1e30;
    for (int pass = 0; pass < PASSES; pass++) {
        double start = now_ns();
        for (uint32_t b = 0; b < BATCHES; b++) {
            sum += hand(&data[b]);
            __asm__ volatile("" ::"r"(&result), "r"(sel) : "memory");
        }
        double took = (now_ns() - start) / (ROWS * BATCHES);
        best = took < best ? took : best;
    }
    return best;
}

int main(void) {
    static const struct {
        const char *name;
        enum wr_type_kind kind;
    } fields[] = {{"price", WR_INT64},
                  {"quantity", WR_INT64},
                  {"value", WR_FLOAT64},
                  {"channel", WR_STRING},
                  {"url", WR_STRING}};
    struct wr_eval eval;
    struct wr_arena out;
    fill();
    wr_arena_init(&plan, &wr_budget_control, 65536);
    wr_arena_init(&out, &wr_budget_control, 65536);
    wr_eval_init(&eval, &wr_budget_control);
    schema = wr_schema_new(&plan, WR_COUNT(fields));
    for (uint32_t i = 0; i < WR_COUNT(fields); i++) {
        schema->fields[i].name = fields[i].name;
        schema->fields[i].name_length = (uint32_t)strlen(fields[i].name);
        schema->fields[i].type = WR_TYPE(fields[i].kind);
    }
    printf("ns a row, batches of %d rows\n%-54s %8s %8s\n", ROWS, "", "weir", "by hand");
    for (uint32_t i = 0; i < WR_COUNT(benches); i++) {
        double engine = run_engine(&benches[i], &eval, &out), hand = run_hand(benches[i].hand);
        printf("%-54s %8.2f %8.2f\n", benches[i].text, engine, hand);
    }
    wr_eval_release(&eval);
    wr_arena_release(&out);
    wr_arena_release(&plan);
    return 0;
}
