/* output.c: see output.h. */
#include "conn/output.h"

#include <string.h>

#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "conn/fence.h"
#include "conn/library_memory.h"

#include "base/banned.h"

#define OUT_BYTES (64u << 10)
#define GZIP_LEVEL 6
#define ZSTD_LEVEL 3

static int no_memory(const struct wr_output *output, struct wr_error *err) {
    return wr_error_set(err, WR_ENOMEM, "write %s: memory budget `%s` is used up", output->path,
                        output->budget->name);
}

static int open_compressor(struct wr_output *output) {
    if (output->compression == WR_COMPRESSION_NONE)
        return WR_OK;
    output->out = wr_alloc(output->budget, OUT_BYTES);
    if (output->out == NULL)
        return WR_ENOMEM;
    if (output->compression == WR_COMPRESSION_ZSTD) {
        output->zstd = ZSTD_createCCtx_advanced(zstd_memory(output->budget));
        if (output->zstd == NULL)
            return WR_ENOMEM;
        ZSTD_CCtx_setParameter(output->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(output->zstd, ZSTD_c_checksumFlag, 1);
        return WR_OK;
    }
    output->gzip = zlib_stream_new(output->budget);
    if (output->gzip == NULL)
        return WR_ENOMEM;
    if (deflateInit2(output->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK)
        return WR_OK;
    wr_free(output->budget, output->gzip);
    output->gzip = NULL;
    return WR_ENOMEM;
}

int wr_output_open(struct wr_output *output, const struct wr_env *env, struct wr_budget *budget,
                   const char *path, enum wr_file_mode mode, enum wr_compression compression,
                   uint64_t length, struct wr_error *err) {
    *output = (struct wr_output){.env = env,
                                 .budget = budget,
                                 .path = path,
                                 .compression = compression,
                                 .length = length,
                                 .reach = length};
    if (open_compressor(output) != WR_OK) {
        wr_output_close(output);
        return no_memory(output, err);
    }
    int status = env->open(env, path, mode, &output->file, err);
    if (status != WR_OK)
        wr_output_close(output);
    return status;
}

void wr_output_close(struct wr_output *output) {
    if (output->gzip != NULL) {
        deflateEnd(output->gzip);
        wr_free(output->budget, output->gzip);
    }
    ZSTD_freeCCtx(output->zstd);
    wr_free(output->budget, output->out);
    if (output->file != NULL)
        output->env->close(output->file);
    output->gzip = NULL;
    output->zstd = NULL;
    output->out = NULL;
    output->file = NULL;
}

/* After a write that failed: how much of it stands there. */
static void find_reach(struct wr_output *output) {
    struct wr_file_info info;
    if (output->fence == NULL || output->env->info(output->file, &info) != WR_OK ||
        !info.is_regular || info.size_bytes < output->length || info.size_bytes > output->reach)
        return;
    output->reach = info.size_bytes;
    wr_fence_mark(output->fence, output->file, output->reach, NULL);
}

static void note_tail(struct wr_output *output, const char *bytes, uint64_t length) {
    uint32_t more = (uint32_t)WR_MIN(length, (uint64_t)WR_OUTPUT_TAIL_MAX);
    uint32_t keeps = WR_MIN(output->tail_length, WR_OUTPUT_TAIL_MAX - more);
    memmove(output->tail, output->tail + output->tail_length - keeps, keeps);
    memcpy(output->tail + keeps, bytes + length - more, more);
    output->tail_length = keeps + more;
}

static int put(struct wr_output *output, const char *bytes, uint64_t length, struct wr_error *err) {
    if (length == 0)
        return WR_OK;
    int status = WR_OK;
    if (output->fence != NULL) {
        status = wr_fence_before(output->fence, output->file, output->path, output->length, bytes,
                                 length, err);
        output->is_changed = status == WR_EREFUSED;
    }
    if (status != WR_OK)
        return status;
    output->reach = output->length + length;
    status = output->env->write(output->file, bytes, length, err);
    if (status != WR_OK) {
        find_reach(output);
        return status;
    }
    output->length += length;
    note_tail(output, bytes, length);
    return WR_OK;
}

static int gzip_some(struct wr_output *output, const char *bytes, uint64_t length, int flush,
                     struct wr_error *err) {
    z_stream *gzip = output->gzip;
    int status = WR_OK, result = Z_OK;
    do {
        uInt piece = (uInt)WR_MIN(length, (uint64_t)(1u << 30));
        gzip->next_in = (Bytef *)(uintptr_t)bytes;
        gzip->avail_in = piece;
        bytes += piece;
        length -= piece;
        do {
            gzip->next_out = (Bytef *)output->out;
            gzip->avail_out = OUT_BYTES;
            result = deflate(gzip, flush);
            WR_ASSERT(result != Z_STREAM_ERROR);
            status = put(output, output->out, OUT_BYTES - gzip->avail_out, err);
        } while (status == WR_OK &&
                 (gzip->avail_in > 0 || (flush == Z_FINISH && result != Z_STREAM_END)));
    } while (status == WR_OK && length > 0);
    return status;
}

static int zstd_some(struct wr_output *output, const char *bytes, uint64_t length,
                     ZSTD_EndDirective end, struct wr_error *err) {
    ZSTD_inBuffer in = {bytes, length, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {output->out, OUT_BYTES, 0};
        left = ZSTD_compressStream2(output->zstd, &out, &in, end);
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation)
            return no_memory(output, err);
        if (ZSTD_isError(left))
            return wr_error_set(err, WR_EIO, "write %s: zstd: %s", output->path,
                                ZSTD_getErrorName(left));
        int status = put(output, output->out, out.pos, err);
        if (status != WR_OK)
            return status;
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
    return WR_OK;
}

int wr_output_write(struct wr_output *output, const char *bytes, uint64_t length,
                    struct wr_error *err) {
    if (length == 0)
        return WR_OK;
    output->in_member = 1;
    switch (output->compression) {
    case WR_COMPRESSION_NONE: break;
    case WR_COMPRESSION_GZIP: return gzip_some(output, bytes, length, Z_NO_FLUSH, err);
    case WR_COMPRESSION_ZSTD: return zstd_some(output, bytes, length, ZSTD_e_continue, err);
    }
    return put(output, bytes, length, err);
}

int wr_output_end_member(struct wr_output *output, struct wr_error *err) {
    if (!output->in_member)
        return WR_OK;
    int status = WR_OK;
    output->in_member = 0;
    switch (output->compression) {
    case WR_COMPRESSION_NONE: break;
    case WR_COMPRESSION_GZIP:
        status = gzip_some(output, NULL, 0, Z_FINISH, err);
        deflateReset(output->gzip);
        break;
    case WR_COMPRESSION_ZSTD: status = zstd_some(output, NULL, 0, ZSTD_e_end, err); break;
    }
    return status;
}

int wr_output_truncate(struct wr_output *output, uint64_t length, struct wr_error *err) {
    int status = output->env->truncate(output->file, length, err);
    if (status != WR_OK)
        return status;
    output->length = output->reach = length;
    output->tail_length = 0;
    return WR_OK;
}

void wr_output_read_tail(struct wr_output *output) {
    struct wr_file *file;
    uint64_t wanted = WR_MIN(output->length, (uint64_t)WR_OUTPUT_TAIL_MAX);
    output->tail_length = 0;
    if (wanted == 0 || output->env->open(output->env, output->path, WR_FILE_READ, &file, NULL) < 0)
        return;
    if (wr_env_read_whole(file, output->tail, wanted, output->length - wanted) == (int64_t)wanted)
        output->tail_length = (uint32_t)wanted;
    output->env->close(file);
}

int wr_output_sync(struct wr_output *output, struct wr_error *err) {
    return output->env->sync(output->file, err);
}

int wr_output_check(struct wr_output *output, struct wr_error *err) {
    int status = wr_fence_check(output->env, output->file, output->path, output->length, err);
    output->is_changed |= status == WR_EREFUSED;
    return status;
}
