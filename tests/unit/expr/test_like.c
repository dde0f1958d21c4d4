/* test_like.c: patterns of `like` against a matcher that tries everything. */
#include "support_expr.h"

#include "expr/like.h"

static int slow_like(const char *s, const char *end, const char *p, const char *p_end) {
    if (p == p_end)
        return s == end;
    if (*p == '%')
        return slow_like(s, end, p + 1, p_end) || (s < end && slow_like(s + 1, end, p, p_end));
    if (*p == '\\')
        p++;
    else if (*p == '_')
        return s < end && slow_like(s + 1, end, p + 1, p_end);
    return s < end && *p == *s && slow_like(s + 1, end, p + 1, p_end);
}

static uint64_t state;

static uint32_t pick(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % below);
}

TEST(random_patterns_match_what_a_slow_matcher_matches) {
    struct wr_arena arena;
    uint32_t matched = 0, count = 0;
    state = test_seed() | 1;
    wr_arena_init(&arena, &wr_budget_control, 65536);
    while (test_random_time_left() || count < 20000) {
        char text[80], pattern[16];
        uint32_t text_length = pick(sizeof text), pattern_length = 0, bad = 0;
        for (uint32_t i = 0; i < text_length; i++)
            text[i] = "aaabc%_"[pick(7)];
        uint32_t wanted = pick(10);
        while (pattern_length < wanted) {
            char byte = "aaabbc%%%_\\"[pick(11)];
            pattern[pattern_length++] = byte;
            if (byte == '\\')
                pattern[pattern_length++] = "%_a\\"[pick(4)];
        }
        wr_arena_reset(&arena);
        char *copy =
            wr_arena_strndup(&arena, text, text_length); /* its end is the end of the memory */
        struct wr_like *like = wr_like_new(&arena, pattern, pattern_length, &bad);
        CHECK(like != NULL && bad == 0);
        struct wr_str str = wr_str_of(copy, text_length);
        int fast = wr_like_match(like, &str);
        int right = slow_like(text, text + text_length, pattern, pattern + pattern_length);
        if (fast != right)
            test_fail(__FILE__, __LINE__, "'%.*s' like '%.*s' gives %d", (int)text_length, text,
                      (int)pattern_length, pattern, fast);
        matched += (uint32_t)fast;
        count++;
    }
    CHECK_INT(matched, >, count / 100);
    wr_arena_release(&arena);
}

TEST(one_underscore_is_one_character) {
    static const struct {
        const char *text, *pattern;
        int matches;
    } cases[] = {{"M\xc3\xa4x", "M_x", 1},     {"M\xc3\xa4x", "M__x", 0}, {"\xe2\x82\xac", "_", 1},
                 {"\xf0\x9f\x98\x80", "_", 1}, {"\xff\xfe", "__", 1},     {"\xff\xfe", "_", 0},
                 {"x\xc3\xa4", "%_", 1},       {"\xc3\xa4", "%__", 0}};
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 1024);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t bad = 0;
        struct wr_like *like =
            wr_like_new(&arena, cases[i].pattern, (uint32_t)strlen(cases[i].pattern), &bad);
        struct wr_str str = wr_str_of(cases[i].text, (uint32_t)strlen(cases[i].text));
        if (wr_like_match(like, &str) != cases[i].matches)
            test_fail(__FILE__, __LINE__, "case %zu", i);
    }
    wr_arena_release(&arena);
}
