/* fuzz_input.c: any bytes as a file that may be compressed. The first byte chooses how many bytes
 * come at a time and how many are asked for. Whatever is read twice is read the same, and all
 * memory comes back. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/status.h"
#include "conn/input.h"

#define BYTES_MAX (4u << 20) /* of data from one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory_env {
    struct wr_env env;
    struct wr_file file;
    const uint8_t *bytes;
    size_t length, at, chunk;
};

static int memory_open(const struct wr_env *env, const char *path, enum wr_file_mode mode,
                       struct wr_file **file, struct wr_error *err) {
    struct memory_env *memory = env->ctx;
    (void)path, (void)mode, (void)err;
    memory->at = 0;
    memory->file.env = env;
    *file = &memory->file;
    return WR_OK;
}

static int64_t memory_read(struct wr_file *file, void *bytes, size_t size_bytes, int64_t at) {
    struct memory_env *memory = file->env->ctx;
    if (at >= 0)
        memory->at = WR_MIN((size_t)at, memory->length);
    size_t count = WR_MIN(WR_MIN(size_bytes, memory->chunk), memory->length - memory->at);
    if (count > 0)
        memcpy(bytes, memory->bytes + memory->at, count);
    memory->at += count;
    return (int64_t)count;
}

static void memory_close(struct wr_file *file) {
    (void)file;
}

static int memory_stat(const struct wr_env *env, const char *path, struct wr_file_info *info) {
    const struct memory_env *memory = env->ctx;
    (void)path;
    *info = (struct wr_file_info){.size_bytes = memory->length};
    return WR_OK;
}

/* A hash of all data, and how it ended. */
static uint64_t read_all(struct memory_env *memory, size_t asked, int *status) {
    struct wr_budget budget = WR_BUDGET_INIT("input", 0);
    struct wr_input input;
    struct wr_error err = {0};
    static char bytes[4096];
    uint64_t hash = 0, got = 1, total = 0;
    *status = wr_input_open(&input, &memory->env, &budget, "fuzz", 100, 0, &err);
    int is_open = *status == WR_OK;
    while (*status == WR_OK && got > 0 && total < BYTES_MAX) {
        *status = wr_input_read(&input, bytes, asked, &got, &err);
        total += got;
        for (uint64_t i = 0; i < got; i++)
            hash = wr_hash_join(hash, (unsigned char)bytes[i]);
    }
    if (is_open)
        wr_input_close(&input);
    if (total >= BYTES_MAX) /* where it was left depends on the pieces */
        *status = WR_ELIMIT;
    WR_ASSERT(budget.bytes_used == 0);
    WR_ASSERT(*status == WR_OK || err.text[0] != 0 || total >= BYTES_MAX);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct memory_env memory = {.bytes = data + 1, .length = size - 1};
    memory.env = *wr_env_real();
    memory.env.ctx = &memory;
    memory.env.open = memory_open;
    memory.env.read = memory_read;
    memory.env.close = memory_close;
    memory.env.stat = memory_stat;
    int first, second;
    memory.chunk = (data[0] & 15) + 1;
    uint64_t a = read_all(&memory, (size_t)(data[0] >> 4) * 16 + 1, &first);
    memory.chunk = SIZE_MAX;
    uint64_t b = read_all(&memory, 4096, &second);
    if (first == WR_ELIMIT || second == WR_ELIMIT)
        return 0;
    WR_ASSERT(first == second);
    WR_ASSERT(first != WR_OK || a == b); /* how much comes before damage is the library's affair */
    return 0;
}
