/* stdin_head.c: see stdin_head.h. */
#include "conn/stdin_head.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/input.h"

#include "base/banned.h"

/* The state of the one standard input: `unread` -> sampled any number of times -> `taken` by a run.
 * */
static struct {
    const struct wr_env *env;
    struct wr_file *file;
    struct wr_buf head; /* what samples have read */
    int ended;          /* the file behind it has no more */
    int taken;          /* a run reads it, or has */
} standard;

void wr_stdin_reset(void) {
    if (standard.file != NULL)
        standard.env->close(standard.file);
    wr_buf_release(&standard.head);
    memset(&standard, 0, sizeof standard);
}

int wr_stdin_open(const struct wr_env *env, int sampling, struct wr_error *err) {
    if (standard.env != env) {
        wr_stdin_reset();
        standard.env = env;
        wr_buf_init(&standard.head, &wr_budget_control, WR_INPUT_HEAD_MAX + WR_INPUT_BYTES);
    }
    if (standard.taken) {
        wr_error_set(err, WR_EEXIST,
                     "standard input can be read only once: keep the stream in a local "
                     "and use it twice");
        wr_error_code(err, "W609");
        return WR_EEXIST;
    }
    if (standard.file == NULL) {
        int status = env->open(env, "-", WR_FILE_READ, &standard.file, err);
        if (status != WR_OK)
            return status;
    }
    standard.taken = !sampling;
    return WR_OK;
}

int64_t wr_stdin_read(uint64_t *at, void *bytes, uint64_t size, int sampling) {
    if (*at < standard.head.length) {
        uint64_t count = WR_MIN(size, standard.head.length - *at);
        memcpy(bytes, standard.head.bytes + *at, count);
        *at += count;
        return (int64_t)count;
    }
    if (!sampling && standard.head.room > 0 && standard.file != NULL) {
        wr_buf_release(&standard.head); /* nobody will ask again; *at only counts from here on */
        standard.head.length = 0;
    }
    if (standard.ended || standard.file == NULL)
        return 0;
    int64_t got = standard.env->read(standard.file, bytes, size, -1);
    if (got == 0)
        standard.ended = 1;
    if (got <= 0)
        return got;
    if (sampling) {
        int status = wr_buf_add(&standard.head, bytes, (size_t)got);
        if (status != WR_OK)
            return status;
    }
    *at += (uint64_t)got;
    return got;
}

void wr_stdin_close(int sampling) {
    if (sampling || standard.file == NULL)
        return;
    standard.env->close(standard.file);
    standard.file = NULL;
    wr_buf_release(&standard.head);
}
