/* support_follow.c: see support_follow.h. */
#include "support_follow.h"

void begin(struct sim_world *s, const struct wr_source_type *type, const char *address) {
    world_begin(&s->w);
    s->sim = wr_sim_new(test_seed());
    CHECK(s->sim != NULL);
    s->w.env = wr_sim_env(s->sim);
    s->type = type;
    wr_buf_init(&s->rows, &s->w.budget, 0);
    struct wr_value *spec = value_of_json(&s->w,
                                          "{'endpoint':{'kind':'%s','address':'%s'},'format':'csv',"
                                          "'schema':[{'name':'x','type':'int64'}]}",
                                          type->name, address);
    CHECK_INT(bind_source(&s->w, type, spec, &s->bind), ==, WR_OK);
    CHECK(!s->bind.bounded);
    s->source = NULL;
}

void open_at(struct sim_world *s, struct wr_reader *from) {
    s->source = open_source(&s->w, s->type, &s->bind, 100, from);
    CHECK(s->source != NULL);
}

void end(struct sim_world *s) {
    close_source(s->source);
    wr_buf_release(&s->rows);
    wr_sim_free(s->sim);
    s->w.env = wr_env_real();
    world_end(&s->w);
}

void put_bytes(struct sim_world *s, const char *path, const char *bytes, size_t length) {
    CHECK_INT(wr_sim_put(s->sim, path, bytes, length), ==, WR_OK);
}

void put(struct sim_world *s, const char *path, const char *text) {
    put_bytes(s, path, text, strlen(text));
}

void append(struct sim_world *s, const char *path, const char *text) {
    struct wr_file *file;
    CHECK_INT(s->w.env->open(s->w.env, path, WR_FILE_APPEND, &file, NULL), ==, WR_OK);
    CHECK_INT(s->w.env->write(file, text, strlen(text), NULL), ==, WR_OK);
    s->w.env->close(file);
}

void move(struct sim_world *s, const char *from, const char *to) {
    CHECK_INT(s->w.env->rename(s->w.env, from, to, NULL), ==, WR_OK);
}

const char *come(struct sim_world *s, int64_t us) {
    wr_buf_clear(&s->rows);
    int64_t until_us = s->w.env->monotonic_us(s->w.env) + us;
    int status = WR_OK;
    while (status == WR_OK || s->w.env->monotonic_us(s->w.env) < until_us) {
        struct wr_batch *batch = NULL;
        status = s->source->type->poll(s->source, &batch, &s->w.err);
        CHECK(status == WR_OK || status == WR_EAGAIN);
        for (uint32_t i = 0; batch != NULL && i < batch->sel_count; i++) {
            char text[32];
            const int64_t *x = batch->columns[0].data;
            snprintf(text, sizeof text, "%s%lld", s->rows.length > 0 ? " " : "",
                     (long long)x[wr_batch_row(batch, i)]);
            wr_buf_add_text(&s->rows, text);
        }
        wr_batch_unref(batch);
        if (status == WR_EAGAIN)
            s->w.env->sleep(s->w.env, 10000);
    }
    wr_buf_add_char(&s->rows, 0);
    return s->rows.bytes;
}

void drop(struct sim_world *s, const char *path) {
    CHECK_INT(s->w.env->remove(s->w.env, path, NULL), ==, WR_OK);
}

void save(struct sim_world *s, struct wr_buf *saved) {
    wr_buf_init(saved, &s->w.budget, 0);
    CHECK_INT(s->source->type->save_position(s->source, saved), ==, WR_OK);
}

void restart_from(struct sim_world *s, const struct wr_buf *saved) {
    struct wr_reader from = {.bytes = saved->bytes, .length = saved->length};
    close_source(s->source);
    open_at(s, &from);
}

void restart(struct sim_world *s) {
    struct wr_buf saved;
    save(s, &saved);
    restart_from(s, &saved);
    wr_buf_release(&saved);
}

void add_until_it_fails(struct sim_world *s, struct wr_buf *rows) {
    int64_t until_us = s->w.env->monotonic_us(s->w.env) + 5 * SECOND;
    int status = WR_OK;
    while (status == WR_OK ||
           (status == WR_EAGAIN && s->w.env->monotonic_us(s->w.env) < until_us)) {
        struct wr_batch *batch = NULL;
        status = s->source->type->poll(s->source, &batch, &s->w.err);
        for (uint32_t i = 0; batch != NULL && i < batch->sel_count; i++) {
            const int64_t *x = batch->columns[0].data;
            wr_buf_addf(rows, "%lld ", (long long)x[wr_batch_row(batch, i)]);
        }
        wr_batch_unref(batch);
        if (status == WR_EAGAIN)
            s->w.env->sleep(s->w.env, 100000);
    }
    CHECK(status == WR_EAGAIN || status == WR_EIO);
}

void put_gzip(struct sim_world *s, const char *path, const char *text, size_t part) {
    size_t size;
    const char *bytes = gzip_of(&s->w, text, strlen(text), &size);
    put_bytes(s, path, bytes, part > 0 ? part : size);
}
