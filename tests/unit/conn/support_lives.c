/* support_lives.c: see support_lives.h. */
#include "support_lives.h"

void lives_begin_with(struct lives *lives, const char *schema, const char *key, const char *more) {
    struct world *w = &lives->w;
    *lives = (struct lives){.more = more, .epoch = 1, .identity = 77};
    world_begin(w);
    lives->path = in_folder(w, "o.db");
    lives->schema = schema_of(w, schema);
    wr_buf_init(&lives->saved, &w->budget, 0);
    wr_buf_init(&lives->notes, &w->budget, 0);
    CHECK_INT(bind_sink(w, &wr_sink_sqlite, sqlite_spec(w, lives->path, more), lives->schema, key,
                        &lives->bind),
              ==, WR_OK);
}

void lives_begin(struct lives *lives) {
    lives_begin_with(lives, TABLE_SCHEMA, "k", "");
}

void lives_end(struct lives *lives) {
    wr_buf_release(&lives->saved);
    wr_buf_release(&lives->notes);
    world_end(&lives->w);
}

static void take_note(void *ctx, const char *file, const char *text) {
    struct lives *lives = ctx;
    (void)file;
    wr_buf_addf(&lives->notes, "%s\n", text);
}

/* The state is only asked for being there. */
struct wr_sink *open_varying(struct lives *lives, int varies) {
    static char state;
    struct world *w = &lives->w;
    struct wr_sink *sink = wr_alloc_zero(&wr_budget_control, wr_sink_sqlite.size_bytes);
    CHECK(sink != NULL);
    *sink = (struct wr_sink){.type = &wr_sink_sqlite,
                             .config = lives->bind.config,
                             .schema = lives->bind.input,
                             .env = w->env,
                             .budget = &w->budget,
                             .store = (struct wr_store *)(void *)&state,
                             .identity = lives->identity,
                             .varies = (uint8_t)varies,
                             .held = lives->held,
                             .reject = take_reject,
                             .reject_ctx = w,
                             .note = take_note,
                             .note_ctx = lives,
                             .name = lives->bind.name};
    struct wr_reader from = {.bytes = lives->saved.bytes, .length = lives->saved.length};
    if (wr_sink_sqlite.open(sink, lives->saved.length == 0 ? NULL : &from, &w->err) == WR_OK)
        return sink;
    wr_free(&wr_budget_control, sink);
    return NULL;
}

struct wr_sink *live(struct lives *lives) {
    struct wr_sink *sink = open_varying(lives, 1);
    if (sink == NULL)
        test_fail(__FILE__, __LINE__, "it does not open: %s", error_text(&lives->w));
    return sink;
}

/* An epoch; `kept`: the state hears of it. */
int write_rows(struct lives *lives, struct wr_sink *sink, const char *csv, int kept) {
    struct wr_batch *batch = csv == NULL ? NULL : batch_of(&lives->w, lives->schema, csv);
    int status = write_epoch(&lives->w, sink, lives->epoch, batch);
    if (status == WR_OK && kept) {
        wr_buf_clear(&lives->saved);
        CHECK_INT(wr_sink_sqlite.save(sink, &lives->saved), ==, WR_OK);
        lives->epoch++;
    }
    return status;
}

void all_of(struct lives *lives, const char *csv, int kept) {
    struct wr_sink *sink = live(lives);
    CHECK_INT(write_rows(lives, sink, csv, kept), ==, WR_OK);
    close_sink(sink);
}

void end_in_order(struct lives *lives, struct wr_sink *sink) {
    CHECK_INT(wr_sink_sqlite.begin(sink, 9, &lives->w.err), ==, WR_OK);
    CHECK_INT(wr_sink_sqlite.finish(sink, &lives->w.err), ==, WR_OK);
    close_sink(sink);
}

void check_nothing_is_kept(struct lives *lives) {
    struct world *w = &lives->w;
    CHECK_STR(query(w, lives->path, "select count(*) from weir_undo"), "0\n");
    CHECK_STR(query(w, lives->path, "select name from sqlite_schema where name like 'weir_undo_%'"),
              "");
}

void keep_three(struct lives *lives, draw_fn draw, uint64_t *dice) {
    char csv[512];
    struct wr_sink *sink = live(lives);
    for (int epoch = 0; epoch < 3; epoch++) {
        draw(dice, csv);
        CHECK_INT(write_rows(lives, sink, csv, 1), ==, WR_OK);
    }
    close_sink(sink);
}

void lose_three(struct lives *lives, draw_fn draw, uint64_t *dice) {
    char csv[512];
    for (int life = 0; life < 3; life++) {
        draw(dice, csv);
        all_of(lives, csv, 0);
    }
}

uint32_t roll(uint64_t *dice) {
    *dice = *dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*dice >> 33);
}

const char *whole(struct lives *lives) {
    return query(&lives->w, lives->path,
                 "select *, quote(t.k), quote(t.n) from t order by 1, 2, 3, 4");
}

const char *rows_of(struct lives *lives) {
    return query(&lives->w, lives->path, "select * from t order by 1, 2");
}

void three_are_cut_off(struct lives *lives, const char *csv) {
    struct world *w = &lives->w;
    const char *before = rows_of(lives);
    for (int i = 0; i < 3; i++) {
        struct wr_sink *sink = live(lives);
        CHECK_INT(wr_sink_sqlite.begin(sink, lives->epoch, &w->err), ==, WR_OK);
        struct wr_batch *batch = batch_of(w, lives->schema, csv);
        CHECK_INT(wr_sink_sqlite.write(sink, batch, &w->err), ==, WR_OK);
        wr_batch_unref(batch);
        close_sink(sink);
        CHECK_STR(rows_of(lives), before);
    }
}
