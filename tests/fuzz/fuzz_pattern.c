/* fuzz_pattern.c: Lua's patterns. Input: a byte with the length of the pattern, it, the subject. */
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "expr/lua_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    if (size_bytes < 1)
        return 0;
    size_t pattern_length = WR_MIN((size_t)data[0], size_bytes - 1);
    const char *pattern = (const char *)data + 1;
    const char *subject = pattern + pattern_length;
    size_t length = WR_MIN(size_bytes - 1 - pattern_length, 4096);
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    const struct wr_lua_pattern *compiled;
    struct wr_error err = {0};
    if (wr_lua_pattern_compile(&compiled, &arena, pattern, pattern_length, &err) == WR_OK) {
        struct wr_lua_match match;
        wr_lua_match_init(&match, subject, length);
        size_t from = 0;
        while (from <= length && wr_lua_pattern_find(compiled, &match, from) == 1) {
            WR_ASSERT(match.match_start >= subject && match.match_end <= subject + length);
            WR_ASSERT(match.match_start <= match.match_end);
            for (uint32_t c = 0; c < match.capture_count; c++) {
                const struct wr_lua_capture *capture = &match.captures[c];
                WR_ASSERT(capture->start >= subject && capture->length >= WR_LUA_POSITION);
                WR_ASSERT(capture->start + WR_MAX(capture->length, 0) <= subject + length);
            }
            size_t behind = (size_t)(match.match_end - subject);
            from = behind > from ? behind : from + 1;
        }
    }
    wr_arena_release(&arena);
    return 0;
}
