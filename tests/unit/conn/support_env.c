/* support_env.c: compressed test data, and an env with odd habits. */
#include <zlib.h>
#include <zstd.h>

#include "support_conn.h"

const char *gzip_of(struct world *world, const char *text, size_t length, size_t *size) {
    z_stream gzip = {0};
    CHECK_INT(deflateInit2(&gzip, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    size_t room = deflateBound(&gzip, length) + 64;
    char *out = wr_arena_alloc(&world->arena, room);
    CHECK(out != NULL);
    gzip.next_in = (Bytef *)(uintptr_t)text;
    gzip.avail_in = (uInt)length;
    gzip.next_out = (Bytef *)out;
    gzip.avail_out = (uInt)room;
    CHECK_INT(deflate(&gzip, Z_FINISH), ==, Z_STREAM_END);
    *size = gzip.total_out;
    deflateEnd(&gzip);
    return out;
}

const char *zstd_of(struct world *world, const char *text, size_t length, size_t *size) {
    size_t room = ZSTD_compressBound(length);
    char *out = wr_arena_alloc(&world->arena, room);
    CHECK(out != NULL);
    *size = ZSTD_compress(out, room, text, length, 3);
    CHECK(!ZSTD_isError(*size));
    return out;
}

struct odd_file {
    struct wr_file base;
    struct wr_file *real; /* NULL: standard input */
};

static struct odd_env *odd_of(const struct wr_env *env) {
    return env->ctx;
}

static int odd_open(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                    struct wr_file **file, struct wr_error *err) {
    const struct wr_env *real = wr_env_real();
    struct odd_file *odd = wr_alloc_zero(&wr_budget_control, sizeof *odd);
    if (odd == NULL)
        return wr_error_set(err, WR_ENOMEM, "open %s", path);
    odd->base.env = env;
    if (strcmp(path, "-") == 0) {
        odd_of(env)->stdin_opened++;
    } else {
        int status = real->open(real, path, mode, &odd->real, err);
        if (status != WR_OK) {
            wr_free(&wr_budget_control, odd);
            return status;
        }
    }
    *file = &odd->base;
    return WR_OK;
}

static int64_t odd_read(struct wr_file *file, void *bytes, size_t size_bytes, int64_t at) {
    struct odd_file *odd = (struct odd_file *)file;
    struct odd_env *env = odd_of(file->env);
    size_t size = env->chunk > 0 && size_bytes > env->chunk ? env->chunk : size_bytes;
    if (odd->real != NULL)
        return wr_env_real()->read(odd->real, bytes, size, at);
    CHECK_INT(at, ==, -1);
    if (size > env->length - env->at)
        size = env->length - env->at;
    memcpy(bytes, env->text + env->at, size);
    env->at += size;
    return (int64_t)size;
}

static void let_others_append(struct odd_env *env) {
    struct wr_file *file;
    if (env->others == NULL)
        return;
    CHECK_INT(wr_env_real()->open(wr_env_real(), env->others, WR_FILE_APPEND, &file, NULL), ==,
              WR_OK);
    CHECK_INT(wr_env_real()->write(file, env->theirs, strlen(env->theirs), NULL), ==, WR_OK);
    wr_env_real()->close(file);
    env->others = NULL;
}

static int odd_write(struct wr_file *file, const void *bytes, size_t size_bytes,
                     struct wr_error *err) {
    struct odd_env *env = odd_of(file->env);
    if (env->full_at > 0 && env->written + size_bytes > env->full_at) {
        let_others_append(env);
        return wr_error_set(err, WR_EIO, "write: No space left on device");
    }
    env->written += size_bytes;
    return wr_env_real()->write(((struct odd_file *)file)->real, bytes, size_bytes, err);
}

static int odd_sync(struct wr_file *file, struct wr_error *err) {
    return wr_env_real()->sync(((struct odd_file *)file)->real, err);
}

static int odd_truncate(struct wr_file *file, uint64_t size_bytes, struct wr_error *err) {
    return wr_env_real()->truncate(((struct odd_file *)file)->real, size_bytes, err);
}

static int odd_info(const struct wr_file *file, struct wr_file_info *info) {
    return wr_env_real()->info(((const struct odd_file *)file)->real, info);
}

static int odd_hold(struct wr_file *file, struct wr_error *err) {
    struct odd_env *env = odd_of(file->env);
    if (env->others_come_at_hold)
        let_others_append(env);
    return wr_env_real()->hold(((struct odd_file *)file)->real, err);
}

static int odd_set_mark(struct wr_file *file, const void *bytes, size_t size_bytes,
                        struct wr_error *err) {
    return wr_env_real()->set_mark(((struct odd_file *)file)->real, bytes, size_bytes, err);
}

static size_t odd_mark(const struct wr_file *file, void *bytes, size_t size_bytes) {
    return wr_env_real()->mark(((const struct odd_file *)file)->real, bytes, size_bytes);
}

static void odd_close(struct wr_file *file) {
    struct odd_file *odd = (struct odd_file *)file;
    if (odd->real != NULL)
        wr_env_real()->close(odd->real);
    wr_free(&wr_budget_control, odd);
}

void odd_env_init(struct odd_env *odd, struct world *world) {
    memset(odd, 0, sizeof *odd);
    odd->env = *wr_env_real();
    odd->env.ctx = odd;
    odd->env.open = odd_open;
    odd->env.read = odd_read;
    odd->env.write = odd_write;
    odd->env.sync = odd_sync;
    odd->env.truncate = odd_truncate;
    odd->env.info = odd_info;
    odd->env.hold = odd_hold;
    odd->env.set_mark = odd_set_mark;
    odd->env.mark = odd_mark;
    odd->env.close = odd_close;
    world->env = &odd->env;
}
