/* output.h: the bytes of one file on their way out, compressed when its name says so.
 * A compressed file is a chain of members (gzip) or frames (zstd); between two of them stand the
 * places to which a restart may cut it. Gzip headers hold no time: the same rows give the same
 * bytes.
 * Threads: one. Owns its buffer and the compressor. */
#pragma once
#include <stdint.h>

#include "base/env.h"
#include "conn/endpoint.h"

struct z_stream_s;
struct ZSTD_CCtx_s;

struct wr_output {
    const struct wr_env *env;
    struct wr_budget *budget;
    const char *path; /* borrowed */
    struct wr_file *file;
    enum wr_compression compression;
    struct z_stream_s *gzip;
    struct ZSTD_CCtx_s *zstd;
    char *out; /* compressed bytes on their way */
    int in_member;
    uint64_t length; /* bytes of the file so far, those before it was opened too */
};

/* `length`: how long the file is already, for WR_FILE_APPEND. */
int wr_output_open(struct wr_output *output, const struct wr_env *env, struct wr_budget *budget,
                   const char *path, enum wr_file_mode mode, enum wr_compression compression,
                   uint64_t length, struct wr_error *err);
int wr_output_write(struct wr_output *output, const char *bytes, uint64_t length,
                    struct wr_error *err);
/* All that was written is in the file, and the file may be cut here. */
int wr_output_end_member(struct wr_output *output, struct wr_error *err);
int wr_output_truncate(struct wr_output *output, uint64_t length, struct wr_error *err);
int wr_output_sync(struct wr_output *output, struct wr_error *err);
/* Forgets what is still in the compressor. May be called twice. */
void wr_output_close(struct wr_output *output);
