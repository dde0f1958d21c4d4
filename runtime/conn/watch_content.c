/* watch_content.c: what is in watched files: see watch.h. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/watch.h"
#include "base/banned.h"

/* The first bytes of what was just opened, unpacked; of one that is damaged those before. */
static int read_head(struct wr_input *input, struct file_known *known, struct wr_error *err) {
    int status = WR_OK;
    known->head_length = known->past_length = 0;
    for (uint64_t got = 1; got > 0 && status == WR_OK;) {
        uint32_t at = known->head_length;
        status = wr_input_read(input, known->head + at, FILE_KNOWN_BYTES - at, &got, err);
        if (status == WR_OK)
            known->head_length += (uint32_t)got;
        if (known->head_length == FILE_KNOWN_BYTES)
            break;
    }
    return status;
}

static int open_input(struct watch_source *self, struct wr_input *input, const char *path,
                      struct wr_file *held, struct wr_error *err) {
    const struct file_reader *in = &self->in;
    if (held != NULL)
        return wr_input_open_file(input, in->base.env, in->base.input_budget, path, held,
                                  in->config->ratio_max, err);
    return wr_input_open(input, in->base.env, in->base.input_budget, path, in->config->ratio_max, 0,
                         err);
}

void watch_note_head(struct watch_source *self, struct watched *file) {
    struct wr_input input;
    struct wr_error ignored = {0};
    struct wr_file_info info;
    struct file_known known;
    if (file->head_length == FILE_KNOWN_BYTES ||
        open_input(self, &input, file->path, file->held, &ignored) != WR_OK)
        return;
    read_head(&input, &known, &ignored);
    int is_it = file->held != NULL || (self->in.base.env->info(input.file, &info) == WR_OK &&
                                       watch_has_number(file, &info));
    if (is_it && known.head_length > file->head_length) {
        file->head_length = known.head_length;
        file->head_sum = file_known_sum(&known, known.head_length);
    }
    wr_input_close(&input);
}

/* Has it the bytes that are known? *fits: 1, 0, or -1: there are less. */
static int compare(struct wr_input *input, const struct watched *file, int *fits,
                   struct wr_error *err) {
    struct file_known known;
    int status = read_head(input, &known, err);
    *fits = known.head_length < file->head_length
                ? -1
                : file_known_sum(&known, file->head_length) == file->head_sum;
    return *fits >= 0 ? WR_OK : status;
}

int watch_compare(struct watch_source *self, const struct watched *file, const char *path,
                  struct wr_file *held, int *fits, struct wr_error *err) {
    struct wr_input input;
    int status = WR_OK;
    *fits = 1;
    if (file->head_length > 0) {
        status = open_input(self, &input, path, held, err);
        if (status != WR_OK)
            return status;
        status = compare(&input, file, fits, err);
        wr_input_close(&input);
    }
    if (status != WR_OK || *fits != 1 || file->offset == 0)
        return status;
    struct file_known known;
    status = open_input(self, &input, path, held, err);
    if (status != WR_OK)
        return status;
    status = file_known_read(&known, &input, file->offset, err);
    *fits = status == WR_OK && file_known_sum(&known, file->offset) == file->sum;
    wr_input_close(&input);
    return status;
}

int watch_is_same(struct watch_look *look, const struct watched *file, const char *path) {
    struct wr_error err = {0};
    int fits, status = watch_compare(look->self, file, path, NULL, &fits, &err);
    if (status == WR_OK || status == WR_ECORRUPT || status == WR_ENOENT)
        return status == WR_OK ? fits : -1;
    watch_fails(look, status, &err);
    return 0;
}

int watch_is_past(const struct watch_source *self, int64_t us) {
    int64_t tick_us = us % FOLLOW_SECOND_US == 0 ? FOLLOW_SECOND_US : FOLLOW_CLOCK_US;
    return us + tick_us <= self->looked_us;
}

int watch_is_sure(const struct watch_source *self, const struct watched *file,
                  const struct wr_file_info *info) {
    return file->held != NULL || (file->born_us != 0 && file->born_us == info->born_us &&
                                  watch_is_past(self, file->born_us));
}

void watch_forget_content(struct watched *file) {
    file->offset = 0;
    file->line = 1;
    file->head_length = 0;
    file->is_whole = file->has_rest = file->is_copy = 0;
    wr_free(&wr_budget_control, file->format);
    file->format = NULL;
    file->format_length = 0;
}

/* Of the first `length` bytes; WR_ECORRUPT: there are less. */
static int sum_all(struct wr_input *input, uint64_t length, uint64_t *sum, int *has_more,
                   struct wr_error *err) {
    struct file_known known;
    char next;
    uint64_t got = 0;
    int status = file_known_read(&known, input, length, err);
    if (status == WR_OK)
        status = wr_input_read(input, &next, 1, &got, err);
    if (status != WR_OK)
        return status;
    *sum = file_known_sum(&known, length);
    *has_more = got > 0;
    return WR_OK;
}

int watch_is_copy(struct watch_look *look, const struct watched *file, const char *path) {
    struct watch_source *self = look->self;
    struct wr_input input;
    struct wr_error err = {0};
    uint64_t sum = 0, copy_sum = 0;
    int has_more = 0, copy_has_more = 0;
    if (file->size == 0 || watch_is_same(look, file, path) != 1)
        return 0;
    int status = open_input(self, &input, file->path, file->held, &err);
    if (status == WR_OK) {
        status = sum_all(&input, file->size, &sum, &has_more, &err);
        wr_input_close(&input);
    }
    if (status == WR_OK)
        status = open_input(self, &input, path, NULL, &err);
    if (status == WR_OK) {
        status = sum_all(&input, file->size, &copy_sum, &copy_has_more, &err);
        wr_input_close(&input);
    }
    if (status == WR_OK)
        return sum == copy_sum && !copy_has_more;
    if (status != WR_ECORRUPT && status != WR_ENOENT)
        watch_fails(look, status, &err);
    return 0;
}
