/* lua_pattern.h: patterns of Lua 5.4 (reference manual, 6.4.1), matched by bytes in the C locale,
 * with a bound on the work. A pattern is compiled once to a list of items; faults that Lua raises
 * when it runs into them are raised here when the pattern is compiled.
 * Threads: a compiled pattern is immutable; a match belongs to one thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_arena;
struct wr_error;
struct wr_lua_pattern;

#define WR_LUA_CAPTURES_MAX 32
#define WR_LUA_PATTERN_ITEMS_MAX 1000
/* Steps that one subject may take: a base, and as many for each of its bytes. */
#define WR_LUA_STEPS_BASE 100000
#define WR_LUA_STEPS_PER_BYTE 64

struct wr_lua_capture {
    const char *start;
    ptrdiff_t length; /* WR_LUA_POSITION: `()`, the place itself */
};
#define WR_LUA_POSITION (-1)

/* A subject, and what the last match in it was. */
struct wr_lua_match {
    const char *subject, *end;
    int64_t steps; /* left; below 0: the bound was reached, and the match was given up */
    const char *match_start, *match_end;
    uint32_t capture_count; /* of the pattern; 0: the whole match is the first result */
    struct wr_lua_capture captures[WR_LUA_CAPTURES_MAX];
};

/* WR_OK; WR_ENOMEM; or WR_ESCRIPT with W115. The pattern lives in `arena`. */
int wr_lua_pattern_compile(const struct wr_lua_pattern **pattern, struct wr_arena *arena,
                           const char *text, size_t length, struct wr_error *err);
uint32_t wr_lua_pattern_captures(const struct wr_lua_pattern *pattern);
/* Whether capture `index` (from 0) is a `()`. */
int wr_lua_pattern_is_position(const struct wr_lua_pattern *pattern, uint32_t index);
int wr_lua_pattern_anchored(const struct wr_lua_pattern *pattern);

void wr_lua_match_init(struct wr_lua_match *match, const char *subject, size_t length);
/* The first match from byte offset `from` on: 1 (match is filled), 0, or -1: too many steps. */
int wr_lua_pattern_find(const struct wr_lua_pattern *pattern, struct wr_lua_match *match,
                        size_t from);
/* A match exactly at `at`. */
int wr_lua_pattern_at(const struct wr_lua_pattern *pattern, struct wr_lua_match *match,
                      const char *at);
