/* library_memory.h: zlib and zstd take their memory from a budget of ours, so that it is bounded,
 * counted, and can be made to fail by tests. */
#pragma once
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem */
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"

static inline voidpf zlib_alloc(voidpf budget, uInt items, uInt size) {
    return wr_alloc(budget, (size_t)items * size);
}
static inline void zlib_free(voidpf budget, voidpf memory) {
    wr_free(budget, memory);
}

/* A cleared stream that lies in the budget and takes its memory there; NULL when it has no more. */
static inline z_stream *zlib_stream_new(struct wr_budget *budget) {
    z_stream *stream = wr_alloc_zero(budget, sizeof *stream);
    if (stream != NULL) {
        stream->zalloc = zlib_alloc;
        stream->zfree = zlib_free;
        stream->opaque = budget;
    }
    return stream;
}

static inline void *zstd_alloc(void *budget, size_t size) {
    return wr_alloc(budget, size);
}
static inline void zstd_free(void *budget, void *memory) {
    wr_free(budget, memory);
}

static inline ZSTD_customMem zstd_memory(struct wr_budget *budget) {
    return (ZSTD_customMem){zstd_alloc, zstd_free, budget};
}
