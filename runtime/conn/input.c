/* input.c: opening, reading and decompressing files. See input.h. */
#include "conn/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/library_memory.h"
#include "conn/stdin_head.h"

#include "base/banned.h"

static const char *shown(const struct wr_input *input) {
    return input->is_stdin ? "standard input" : input->path;
}

static int no_memory(const struct wr_input *input, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "%s: no memory to read it", shown(input));
}

/* Bytes that were read before the damage are given first: the error comes with the next call. */
static int damaged(struct wr_input *input, const char *what, uint64_t got, struct wr_error *err) {
    input->broken = 1;
    if (what != input->broken_what)
        snprintf(input->broken_what, sizeof input->broken_what, "%s", what);
    if (got > 0)
        return WR_OK;
    return wr_error_set(err, WR_ECORRUPT, "%s: %s at byte %llu of the file (byte %llu of the data)",
                        shown(input), what,
                        (unsigned long long)(input->bytes_in - (input->in_length - input->in_at)),
                        (unsigned long long)input->bytes_out);
}

/* A read gave `status`; errno says more about WR_EIO. */
static int read_failed(const struct wr_input *input, int status, struct wr_error *err) {
    if (status == WR_EIO && errno != 0)
        return wr_env_fail(err, "read", shown(input), errno);
    return wr_error_set(err, status, "read %s: %s", shown(input), wr_status_text(status));
}

/* Refills the compressed side: 1 when there is something, 0 at the end, else a status. */
static int fill(struct wr_input *input, struct wr_error *err) {
    if (input->in_at < input->in_length)
        return 1;
    if (input->in_ended)
        return 0;
    int64_t got = input->is_stdin
                      ? wr_stdin_read(&input->stdin_at, input->in, WR_INPUT_BYTES, input->sampling)
                      : input->env->read(input->file, input->in, WR_INPUT_BYTES, input->seek);
    if (got == WR_EAGAIN)
        return WR_EAGAIN;
    if (got < 0)
        return read_failed(input, (int)got, err);
    input->seek = -1;
    input->in_at = 0;
    input->in_length = (uint32_t)got;
    input->bytes_in += (uint64_t)got;
    input->in_ended = got == 0;
    return got > 0;
}

static int open_gzip(struct wr_input *input, struct wr_error *err) {
    input->gzip = zlib_stream_new(input->budget);
    if (input->gzip == NULL)
        return no_memory(input, err);
    if (inflateInit2(input->gzip, 15 + 16) == Z_OK)
        return WR_OK;
    wr_free(input->budget, input->gzip);
    input->gzip = NULL;
    return no_memory(input, err);
}

static int open_zstd(struct wr_input *input, struct wr_error *err) {
    input->zstd = ZSTD_createDCtx_advanced(zstd_memory(&input->zstd_budget));
    if (input->zstd == NULL)
        return no_memory(input, err);
    ZSTD_DCtx_setParameter(input->zstd, ZSTD_d_windowLogMax, WR_INPUT_WINDOW_LOG_MAX);
    return WR_OK;
}

/* Looks at the first bytes. Pipes may give fewer than four at first: WR_EAGAIN, and the next call
 * goes on. */
static int recognise(struct wr_input *input, struct wr_error *err) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    while (input->in_length < 4 && !input->in_ended) {
        char *to = input->in + input->in_length;
        uint64_t room = WR_INPUT_BYTES - input->in_length;
        int64_t got = input->is_stdin ? wr_stdin_read(&input->stdin_at, to, room, input->sampling)
                                      : input->env->read(input->file, to, room, input->seek);
        if (got == WR_EAGAIN)
            return WR_EAGAIN;
        if (got < 0)
            return read_failed(input, (int)got, err);
        input->seek = -1;
        input->in_length += (uint32_t)got;
        input->bytes_in += (uint64_t)got;
        input->in_ended = got == 0;
    }
    input->recognised = 1;
    if (input->in_length >= 2 && memcmp(input->in, gzip, 2) == 0) {
        input->compression = WR_COMPRESSION_GZIP;
        return open_gzip(input, err);
    }
    int skippable = input->in_length >= 4 && (input->in[0] & 0xf0) == 0x50 &&
                    memcmp(input->in + 1, "\x2a\x4d\x18", 3) == 0;
    if (skippable || (input->in_length >= 4 && memcmp(input->in, zstd, 4) == 0)) {
        input->compression = WR_COMPRESSION_ZSTD;
        return open_zstd(input, err);
    }
    return WR_OK;
}

static void init(struct wr_input *input, const struct wr_env *env, struct wr_budget *budget,
                 const char *path, uint64_t ratio_max) {
    *input = (struct wr_input){.env = env,
                               .budget = budget,
                               .path = path,
                               .ratio_max = ratio_max,
                               .zstd_budget = WR_BUDGET_INIT("zstd", WR_INPUT_ZSTD_BYTES_MAX),
                               .is_stdin = strcmp(path, "-") == 0,
                               .seek = -1};
}

static int take_buffer(struct wr_input *input, struct wr_error *err) {
    input->in = wr_alloc(input->budget, WR_INPUT_BYTES);
    return input->in != NULL
               ? WR_OK
               : wr_error_set(err, WR_ENOMEM, "open %s: memory budget `%s` is used up", input->path,
                              input->budget->name);
}

/* The file is open. */
static int look_at_first(struct wr_input *input, struct wr_error *err) {
    int status = recognise(input, err);
    if (status == WR_EAGAIN) /* a pipe that has not begun: reading asks again */
        return WR_OK;
    if (status != WR_OK)
        wr_input_close(input);
    return status;
}

int wr_input_open(struct wr_input *input, const struct wr_env *env, struct wr_budget *budget,
                  const char *path, uint64_t ratio_max, int sampling, struct wr_error *err) {
    struct wr_file_info info;
    init(input, env, budget, path, ratio_max);
    input->sampling = sampling;
    if (!input->is_stdin && env->stat(env, path, &info) == WR_OK && info.is_directory)
        return wr_error_set(err, WR_ENOENT, "open %s: it is a directory", path);
    int status = take_buffer(input, err);
    if (status != WR_OK)
        return status;
    status = input->is_stdin ? wr_stdin_open(env, sampling, err)
                             : env->open(env, path, WR_FILE_READ, &input->file, err);
    if (status != WR_OK) {
        wr_free(budget, input->in);
        input->in = NULL;
        return status;
    }
    return look_at_first(input, err);
}

int wr_input_open_file(struct wr_input *input, const struct wr_env *env, struct wr_budget *budget,
                       const char *path, struct wr_file *file, uint64_t ratio_max,
                       struct wr_error *err) {
    init(input, env, budget, path, ratio_max);
    input->is_stdin = 0;
    input->is_lent = 1;
    input->file = file;
    input->seek = 0; /* it may have been read before */
    int status = take_buffer(input, err);
    return status == WR_OK ? look_at_first(input, err) : status;
}

void wr_input_close(struct wr_input *input) {
    if (input->in == NULL)
        return;
    if (input->gzip != NULL) {
        inflateEnd(input->gzip);
        wr_free(input->budget, input->gzip);
    }
    ZSTD_freeDCtx(input->zstd);
    if (input->is_stdin)
        wr_stdin_close(input->sampling);
    else if (!input->is_lent)
        input->env->close(input->file);
    wr_free(input->budget, input->in);
    input->in = NULL;
    input->gzip = NULL;
    input->zstd = NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* What the probe left over first, then straight into the caller's memory. */
static int read_plain(struct wr_input *input, char *bytes, uint64_t size, uint64_t *got,
                      struct wr_error *err) {
    while (*got < size) {
        if (input->in_at < input->in_length) {
            uint64_t count = WR_MIN(size - *got, (uint64_t)(input->in_length - input->in_at));
            memcpy(bytes + *got, input->in + input->in_at, count);
            input->in_at += (uint32_t)count;
            *got += count;
            continue;
        }
        if (input->in_ended)
            break;
        int64_t count =
            input->is_stdin
                ? wr_stdin_read(&input->stdin_at, bytes + *got, size - *got, input->sampling)
                : input->env->read(input->file, bytes + *got, size - *got, input->seek);
        if (count == WR_EAGAIN && *got == 0)
            return WR_EAGAIN;
        if (count == WR_EAGAIN)
            break;
        if (count < 0)
            return read_failed(input, (int)count, err);
        input->seek = -1;
        input->in_ended = count == 0;
        input->bytes_in += (uint64_t)count;
        *got += (uint64_t)count;
        if (input->is_stdin && count > 0)
            break; /* a pipe: rows are not kept waiting for a full piece */
    }
    input->bytes_out += *got;
    return WR_OK;
}

static int read_gzip(struct wr_input *input, char *bytes, uint64_t size, uint64_t *got,
                     struct wr_error *err) {
    z_stream *gzip = input->gzip;
    while (*got < size) {
        int filled = fill(input, err);
        if (filled < 0)
            return *got > 0 && filled == WR_EAGAIN ? WR_OK : filled;
        if (filled == 0) {
            if (!input->in_member && input->member_count > 0)
                return WR_OK;
            return damaged(input, "the gzip data is cut short", *got, err);
        }
        if (!input->in_member) {
            char first = input->in[input->in_at];
            if (input->member_count > 0 && first == 0) { /* padding, as tapes and tar leave it */
                input->in_at++;
                continue;
            }
            if (input->member_count > 0)
                inflateReset(gzip);
            input->in_member = 1;
        }
        gzip->next_in = (Bytef *)input->in + input->in_at;
        gzip->avail_in = input->in_length - input->in_at;
        gzip->next_out = (Bytef *)bytes + *got;
        gzip->avail_out = (uInt)WR_MIN(size - *got, (uint64_t)UINT32_MAX);
        uInt room = gzip->avail_out;
        int result = inflate(gzip, Z_NO_FLUSH);
        input->in_at = input->in_length - gzip->avail_in;
        *got += room - gzip->avail_out;
        input->bytes_out += room - gzip->avail_out;
        if (result == Z_STREAM_END) {
            input->in_member = 0;
            input->member_count++;
        } else if (result == Z_MEM_ERROR) {
            return no_memory(input, err);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return damaged(input,
                           input->member_count > 0 && gzip->total_out == 0
                               ? "there is something else behind the gzip data"
                               : "the gzip data is damaged",
                           *got, err);
        }
    }
    return WR_OK;
}

static int read_zstd(struct wr_input *input, char *bytes, uint64_t size, uint64_t *got,
                     struct wr_error *err) {
    while (*got < size) {
        int filled = fill(input, err);
        if (filled < 0)
            return *got > 0 && filled == WR_EAGAIN ? WR_OK : filled;
        if (filled == 0 && !input->in_member)
            return WR_OK;
        ZSTD_inBuffer in = {input->in, input->in_length, input->in_at};
        ZSTD_outBuffer out = {bytes, size, *got};
        size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
        int moved = in.pos > input->in_at || out.pos > *got;
        input->in_at = (uint32_t)in.pos;
        input->bytes_out += out.pos - *got;
        *got = out.pos;
        if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
            return no_memory(input, err);
        if (ZSTD_isError(result)) {
            char text[96];
            snprintf(text, sizeof text, "the zstd data is damaged: %s", ZSTD_getErrorName(result));
            return damaged(input, text, *got, err);
        }
        input->in_member = result != 0;
        if (filled == 0 && !moved) /* the frame wants more, and the file has none */
            return damaged(input, "the zstd data is cut short", *got, err);
    }
    return WR_OK;
}

/* Small inputs that unfold without end are attacks, or mistakes; the memory is bounded anyway, but
 * the time is not. */
static int check_ratio(const struct wr_input *input, struct wr_error *err) {
    if (input->ratio_max == 0 || input->bytes_out <= WR_INPUT_RATIO_FREE ||
        input->bytes_out / input->ratio_max <= input->bytes_in)
        return WR_OK;
    wr_error_set(err, WR_ELIMIT,
                 "%s: %llu compressed bytes have become %llu, more than %llu for each: refused "
                 "as a bomb",
                 shown(input), (unsigned long long)input->bytes_in,
                 (unsigned long long)input->bytes_out, (unsigned long long)input->ratio_max);
    wr_error_help(err, "for a file that you trust: `max_ratio = 5000`, or 0 for no bound");
    return WR_ELIMIT;
}

int wr_input_read(struct wr_input *input, char *bytes, uint64_t size, uint64_t *got,
                  struct wr_error *err) {
    *got = 0;
    if (input->broken)
        return damaged(input, input->broken_what, 0, err);
    int status = input->recognised ? WR_OK : recognise(input, err);
    if (status != WR_OK)
        return status;
    switch (input->compression) {
    case WR_COMPRESSION_NONE: return read_plain(input, bytes, size, got, err);
    case WR_COMPRESSION_GZIP: break;
    case WR_COMPRESSION_ZSTD: break;
    }
    status = input->compression == WR_COMPRESSION_GZIP ? read_gzip(input, bytes, size, got, err)
                                                       : read_zstd(input, bytes, size, got, err);
    return status == WR_OK ? check_ratio(input, err) : status;
}

int wr_input_skip(struct wr_input *input, uint64_t offset, struct wr_error *err) {
    struct wr_file_info info;
    int regular = !input->is_stdin && input->compression == WR_COMPRESSION_NONE &&
                  input->env->info(input->file, &info) == WR_OK;
    if (regular && info.size_bytes >= offset) {
        input->seek = (int64_t)offset;
        input->in_at = input->in_length = 0;
        input->in_ended = 0;
        input->bytes_in = input->bytes_out = offset;
        return WR_OK;
    }
    char *scratch = wr_alloc(input->budget, WR_INPUT_BYTES);
    if (scratch == NULL)
        return no_memory(input, err);
    int status = WR_OK;
    uint64_t at = input->bytes_out, got = 1;
    while (status == WR_OK && at < offset && got > 0) {
        status =
            wr_input_read(input, scratch, WR_MIN(offset - at, (uint64_t)WR_INPUT_BYTES), &got, err);
        at += got;
        if (status == WR_EAGAIN) {
            status = WR_OK;
            got = 1;
        }
    }
    wr_free(input->budget, scratch);
    if (status == WR_OK && at < offset)
        return wr_error_set(err, WR_ECORRUPT,
                            "%s has only %llu bytes of data: it was read up to byte %llu before",
                            shown(input), (unsigned long long)at, (unsigned long long)offset);
    return status;
}

int wr_input_byte(const struct wr_input *input, uint64_t at, char *byte, struct wr_error *err) {
    WR_ASSERT(input->compression == WR_COMPRESSION_NONE && !input->is_stdin);
    int64_t got = 0;
    *byte = 0;
    do {
        got = input->env->read(input->file, byte, 1, (int64_t)at);
    } while (got == WR_EAGAIN); /* a signal came */
    return got < 0 ? read_failed(input, (int)got, err) : WR_OK;
}

void wr_input_grown(struct wr_input *input) {
    WR_ASSERT(input->compression == WR_COMPRESSION_NONE && !input->is_stdin);
    input->in_ended = 0;
    if (input->seek < 0)
        input->seek = (int64_t)input->bytes_in;
}
