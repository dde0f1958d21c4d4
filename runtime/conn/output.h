/* output.h: the bytes of one file on their way out, compressed when its name says so.
 * A compressed file is a chain of members (gzip) or frames (zstd); between two of them stand the
 * places to which a restart may cut it. Gzip headers hold no time: the same rows give the same
 * bytes.
 * Threads: one. Owns its buffer and the compressor. */
#pragma once
#include <stdint.h>

#include "base/env.h"
#include "conn/endpoint.h"

struct wr_fence;
struct z_stream_s;
struct ZSTD_CCtx_s;

#define WR_OUTPUT_TAIL_MAX 64u

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
    uint64_t reach;  /* behind it no byte is ours, also where a write has failed half-way */
    char tail[WR_OUTPUT_TAIL_MAX]; /* the last bytes before `length` … */
    uint32_t tail_length;          /* … as far as they are known */
    /* Set by who has opened it, where others may write to it: each write looks first. */
    struct wr_fence *fence;
    int is_changed; /* somebody else has written to it, or taken it away: it is left alone */
};

/* `length`: how long the file is already, for WR_FILE_APPEND. */
int wr_output_open(struct wr_output *output, const struct wr_env *env, struct wr_budget *budget,
                   const char *path, enum wr_file_mode mode, enum wr_compression compression,
                   uint64_t length, struct wr_error *err);
int wr_output_write(struct wr_output *output, const char *bytes, uint64_t length,
                    struct wr_error *err);
/* All that was written is in the file, and the file may be cut here. */
int wr_output_end_member(struct wr_output *output, struct wr_error *err);
/* Looks which bytes stand before `length`; what cannot be read is not known. */
void wr_output_read_tail(struct wr_output *output);
int wr_output_truncate(struct wr_output *output, uint64_t length, struct wr_error *err);
int wr_output_sync(struct wr_output *output, struct wr_error *err);
/* Whether it has its bytes and its name still: W626. */
int wr_output_check(struct wr_output *output, struct wr_error *err);
/* Forgets what is still in the compressor. May be called twice. */
void wr_output_close(struct wr_output *output);
