/* input.h: the bytes of one file, decompressed as they come. What is compressed is seen from its
 * first bytes, never from its name; gzip members and zstd frames may follow one another. One layer
 * only.
 *
 * Errors name the file and the byte. A file that is cut short gives what it holds, then the error.
 * A bomb is stopped: more than `ratio_max` bytes out for each byte in, beyond the first megabyte.
 * Threads: one. Owns its buffer and the decompressor; stays where it is while it is open. */
#pragma once
#include <stdint.h>

#include "base/alloc.h"
#include "conn/endpoint.h"

struct z_stream_s;
struct ZSTD_DCtx_s;

#define WR_INPUT_BYTES (128u << 10)          /* of the compressed side */
#define WR_INPUT_RATIO_MAX 100u              /* the option `max_ratio` changes it; 0: no bound */
#define WR_INPUT_RATIO_FREE (1u << 20)       /* bytes out before the ratio counts */
#define WR_INPUT_WINDOW_LOG_MAX 27           /* of zstd: 128 MB */
#define WR_INPUT_ZSTD_BYTES_MAX (130u << 20) /* a window, and what else one frame needs */
#define WR_INPUT_HEAD_MAX (16u << 20) /* bytes of standard input that are kept to be read again */

struct wr_input {
    const struct wr_env *env;
    struct wr_budget *budget;
    const char *path;
    struct wr_file *file; /* NULL for standard input */
    int is_stdin, sampling;
    int is_lent;       /* who lent the file closes it */
    uint64_t stdin_at; /* how much of the kept head was read */
    int64_t seek;      /* >= 0: where the next read of the file starts */
    int recognised;    /* `compression` is known: the first bytes have come */
    enum wr_compression compression;
    uint64_t ratio_max;
    uint64_t bytes_in, bytes_out; /* of the file; decompressed */
    char *in;                     /* WR_INPUT_BYTES */
    uint32_t in_length, in_at;
    int in_ended;  /* the file has no more */
    int in_member; /* inside a gzip member or zstd frame */
    uint64_t member_count;
    int broken; /* what follows cannot be read, because of … */
    char broken_what[96];
    struct z_stream_s *gzip;
    struct ZSTD_DCtx_s *zstd;
    struct wr_budget zstd_budget; /* of its own: a window is larger than all other input may be */
};

/* Opens and looks at the first bytes, if they are there already. "-" is standard input; `sampling`:
 * what is read of it is kept and will be read again. */
int wr_input_open(struct wr_input *input, const struct wr_env *env, struct wr_budget *budget,
                  const char *path, uint64_t ratio_max, int sampling, struct wr_error *err);
/* The same of a file that is open already, from its start: it is lent until the input is closed.
 * `path` is the name that errors say. */
int wr_input_open_file(struct wr_input *input, const struct wr_env *env, struct wr_budget *budget,
                       const char *path, struct wr_file *file, uint64_t ratio_max,
                       struct wr_error *err);
/* Reads until `size` bytes are there or no more come at once; *got == 0: the end. WR_EAGAIN: none
 * yet. */
int wr_input_read(struct wr_input *input, char *bytes, uint64_t size, uint64_t *got,
                  struct wr_error *err);
/* Goes on to decompressed byte `offset`: seeks in a plain file, reads and forgets otherwise. */
int wr_input_skip(struct wr_input *input, uint64_t offset, struct wr_error *err);
/* The byte there of a plain file, wherever reading stands; where the file ends before: 0. */
int wr_input_byte(const struct wr_input *input, uint64_t at, char *byte, struct wr_error *err);
/* A plain file that was read to its end has more now: the next read asks for it. */
void wr_input_grown(struct wr_input *input);
void wr_input_close(struct wr_input *input);
