#include "expr/lua_pattern.h"

#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

enum op {
    OP_END,
    OP_BYTE,     /* `byte` */
    OP_ANY,      /* . */
    OP_SET,      /* one of `set` */
    OP_OPEN,     /* capture `byte` begins */
    OP_CLOSE,    /* … ends */
    OP_POSITION, /* () as capture `byte` */
    OP_BACK,     /* what capture `byte` has */
    OP_BALANCE,  /* %bxy: `byte`, `other` */
    OP_FRONTIER, /* %f[set] */
    OP_SUBJECT_END,
};

enum repeat { REPEAT_ONE, REPEAT_ANY, REPEAT_SOME, REPEAT_LEAST, REPEAT_MAYBE };

struct item {
    uint8_t op, repeat;
    unsigned char byte, other;
    const uint64_t *set; /* 256 bits */
};

struct wr_lua_pattern {
    uint8_t anchored, capture_count;
    uint32_t positions; /* a bit for each capture that is () */
    uint32_t item_count;
    struct item items[];
};

/* ---- compiling ------------------------------------------------------------------------------ */

struct compiler {
    const char *text, *at, *end;
    struct wr_arena *arena;
    struct wr_error *err;
    struct wr_lua_pattern *pattern;
    uint8_t open[WR_LUA_CAPTURES_MAX]; /* captures begun and not ended, as a stack */
    uint32_t open_count, closed;       /* closed: bits */
};

static int bad(struct compiler *c, const char *where, const char *what) {
    return wr_error_script(c->err, "W115", "bad pattern at byte %td: %s", where - c->text + 1,
                           what);
}

static inline void set_add(uint64_t set[4], unsigned byte) {
    set[byte / 64] |= UINT64_C(1) << (byte % 64);
}
static inline int set_has(const uint64_t set[4], unsigned char byte) {
    return (int)(set[byte / 64] >> (byte % 64) & 1);
}

/* Whether `byte` is in the class of a lower-case letter; -1: the letter is no class. */
static int in_class(unsigned byte, char letter) {
    unsigned lower = byte | 32;
    int is_upper = byte >= 'A' && byte <= 'Z';
    int is_lower = byte >= 'a' && byte <= 'z';
    int is_digit = byte >= '0' && byte <= '9';
    int is_graph = byte > 32 && byte < 127;
    switch (letter) {
    case 'a': return is_upper || is_lower;
    case 'c': return byte < 32 || byte == 127;
    case 'd': return is_digit;
    case 'g': return is_graph;
    case 'l': return is_lower;
    case 'p': return is_graph && !is_upper && !is_lower && !is_digit;
    case 's': return byte == 32 || (byte >= 9 && byte <= 13);
    case 'u': return is_upper;
    case 'w': return is_upper || is_lower || is_digit;
    case 'x': return is_digit || (lower >= 'a' && lower <= 'f');
    case 'z': return byte == 0;
    default: return -1;
    }
}

/* Adds what %`letter` stands for. Returns 0 when it is just that byte. */
static int class_add(uint64_t set[4], char letter) {
    char lower = letter >= 'A' && letter <= 'Z' ? (char)(letter | 32) : letter;
    if (in_class(0, lower) < 0) {
        set_add(set, (unsigned char)letter);
        return 0;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        if (in_class(byte, lower) == (letter == lower))
            set_add(set, byte);
    return 1;
}

/* The `]` that ends the set at `at`: it is looked for first, with an escape taking what follows it,
 * as Lua does; so `[a-%%]` ends where it does. NULL: there is none. */
static const char *set_end(const char *at, const char *end) {
    at++;
    at += at < end && *at == '^';
    do {
        if (at >= end)
            return NULL;
        if (*at++ == '%')
            at++;
    } while (at >= end || *at != ']');
    return at;
}

/* [set] at c->at. */
static int compile_set(struct compiler *c, const uint64_t **result) {
    const char *stop = set_end(c->at, c->end);
    if (stop == NULL)
        return bad(c, c->at, "missing `]`");
    uint64_t *set = WR_ARENA_ZEROS(c->arena, uint64_t, 4);
    if (set == NULL)
        return WR_ENOMEM;
    const char *at = c->at + 1;
    int complement = *at == '^';
    for (at += complement; at < stop; at++) {
        if (*at == '%') {
            class_add(set, *++at);
        } else if (at[1] == '-' && at + 2 < stop) {
            for (unsigned b = (unsigned char)at[0]; b <= (unsigned char)at[2]; b++)
                set_add(set, b);
            at += 2;
        } else {
            set_add(set, (unsigned char)*at);
        }
    }
    c->at = stop + 1;
    for (int i = 0; i < 4; i++)
        set[i] = complement ? ~set[i] : set[i];
    *result = set;
    return WR_OK;
}

static int compile_open(struct compiler *c, struct item *item) {
    struct wr_lua_pattern *pattern = c->pattern;
    if (pattern->capture_count == WR_LUA_CAPTURES_MAX)
        return bad(c, c->at, "more than 32 captures");
    item->byte = pattern->capture_count++;
    if (c->at + 1 < c->end && c->at[1] == ')') {
        item->op = OP_POSITION;
        pattern->positions |= UINT32_C(1) << item->byte;
        c->closed |= UINT32_C(1) << item->byte;
        c->at += 2;
        return WR_OK;
    }
    item->op = OP_OPEN;
    c->open[c->open_count++] = item->byte;
    c->at++;
    return WR_OK;
}

static int compile_close(struct compiler *c, struct item *item) {
    if (c->open_count == 0)
        return bad(c, c->at, "`)` without `(`");
    item->op = OP_CLOSE;
    item->byte = c->open[--c->open_count];
    c->closed |= UINT32_C(1) << item->byte;
    c->at++;
    return WR_OK;
}

/* Escapes that are no single byte: 1 when `item` is one. */
static int compile_escape(struct compiler *c, struct item *item, int *done) {
    *done = 1;
    if (c->at + 1 >= c->end)
        return bad(c, c->at, "ends with `%`");
    char letter = c->at[1];
    if (letter == 'b') {
        if (c->at + 3 >= c->end)
            return bad(c, c->at, "`%b` needs two bytes");
        item->op = OP_BALANCE;
        item->byte = (unsigned char)c->at[2];
        item->other = (unsigned char)c->at[3];
        c->at += 4;
        return WR_OK;
    }
    if (letter == 'f') {
        if (c->at + 2 >= c->end || c->at[2] != '[')
            return bad(c, c->at, "`%f` needs a set: `%f[…]`");
        item->op = OP_FRONTIER;
        c->at += 2;
        return compile_set(c, &item->set);
    }
    if (letter >= '0' && letter <= '9') {
        unsigned index = (unsigned)(letter - '1');
        if (letter == '0' || (c->closed >> index & 1) == 0)
            return bad(c, c->at, "no capture of this number has ended before");
        item->op = OP_BACK;
        item->byte = (unsigned char)index;
        c->at += 2;
        return WR_OK;
    }
    *done = 0;
    return WR_OK;
}

/* One byte's worth of pattern, with its repetition. */
static int compile_single(struct compiler *c, struct item *item) {
    item->op = OP_BYTE;
    item->byte = (unsigned char)*c->at;
    if (*c->at == '.') {
        item->op = OP_ANY;
        c->at++;
    } else if (*c->at == '[') {
        item->op = OP_SET;
        int status = compile_set(c, &item->set);
        if (status != WR_OK)
            return status;
    } else if (*c->at == '%') {
        uint64_t *set = WR_ARENA_ZEROS(c->arena, uint64_t, 4);
        if (set == NULL)
            return WR_ENOMEM;
        item->byte = (unsigned char)c->at[1];
        item->op = class_add(set, c->at[1]) ? OP_SET : OP_BYTE;
        item->set = set;
        c->at += 2;
    } else {
        c->at++;
    }
    static const char signs[] = "*+-?";
    const char *sign = c->at < c->end && *c->at != 0 ? strchr(signs, *c->at) : NULL;
    if (sign != NULL) {
        item->repeat = (uint8_t)(REPEAT_ANY + (sign - signs));
        c->at++;
    }
    return WR_OK;
}

static int compile_item(struct compiler *c, struct item *item) {
    int done = 0;
    int status = WR_OK;
    if (*c->at == '(')
        return compile_open(c, item);
    if (*c->at == ')')
        return compile_close(c, item);
    if (*c->at == '$' && c->at + 1 == c->end) {
        item->op = OP_SUBJECT_END;
        c->at++;
        return WR_OK;
    }
    if (*c->at == '%')
        status = compile_escape(c, item, &done);
    return status != WR_OK || done ? status : compile_single(c, item);
}

int wr_lua_pattern_compile(const struct wr_lua_pattern **pattern, struct wr_arena *arena,
                           const char *text, size_t length, struct wr_error *err) {
    struct compiler c = {
        .text = text, .at = text, .end = text + length, .arena = arena, .err = err};
    uint32_t room = (uint32_t)WR_MIN(length, WR_LUA_PATTERN_ITEMS_MAX) + 1;
    c.pattern = wr_arena_alloc_zero(arena, sizeof *c.pattern + room * sizeof(struct item));
    if (c.pattern == NULL)
        return WR_ENOMEM;
    if (length > 0 && *text == '^') {
        c.pattern->anchored = 1;
        c.at++;
    }
    while (c.at < c.end) {
        if (c.pattern->item_count == room - 1)
            return bad(&c, c.at, "more than 1000 items");
        int status = compile_item(&c, &c.pattern->items[c.pattern->item_count++]);
        if (status != WR_OK)
            return status;
    }
    if (c.open_count > 0)
        return bad(&c, c.end, "a capture is not closed");
    *pattern = c.pattern;
    return WR_OK;
}

uint32_t wr_lua_pattern_captures(const struct wr_lua_pattern *pattern) {
    return pattern->capture_count;
}
int wr_lua_pattern_is_position(const struct wr_lua_pattern *pattern, uint32_t index) {
    return (int)(pattern->positions >> index & 1);
}
int wr_lua_pattern_anchored(const struct wr_lua_pattern *pattern) {
    return pattern->anchored;
}

/* ---- matching ------------------------------------------------------------------------------- */

static inline int single(const struct item *item, unsigned char byte) {
    switch (item->op) {
    case OP_BYTE: return byte == item->byte;
    case OP_ANY: return 1;
    default: return set_has(item->set, byte);
    }
}

static const char *balance(struct wr_lua_match *m, const struct item *item, const char *at) {
    if (at >= m->end || (unsigned char)*at != item->byte)
        return NULL;
    uint64_t depth = 1;
    for (const char *s = at + 1; s < m->end; s++) {
        m->steps--;
        if ((unsigned char)*s == item->other) {
            if (--depth == 0)
                return s + 1;
        } else if ((unsigned char)*s == item->byte) {
            depth++;
        }
    }
    return NULL;
}

static int frontier(const struct wr_lua_match *m, const struct item *item, const char *at) {
    unsigned char before = at == m->subject ? 0 : (unsigned char)at[-1];
    unsigned char here = at == m->end ? 0 : (unsigned char)*at;
    return !set_has(item->set, before) && set_has(item->set, here);
}

static const char *match_items(struct wr_lua_match *m, const struct item *item, const char *at);

/* As many as can be, then fewer. */
static const char *match_most(struct wr_lua_match *m, const struct item *item, const char *at,
                              ptrdiff_t least) {
    const char *s = at;
    while (s < m->end && single(item, (unsigned char)*s))
        s++;
    m->steps -= s - at;
    const struct item *next = item + 1;
    if (next->op == OP_END)
        return s - at >= least ? s : NULL;
    for (; s - at >= least && m->steps >= 0; s--) {
        if (next->op == OP_BYTE && next->repeat == REPEAT_ONE &&
            (s == m->end || (unsigned char)*s != next->byte)) {
            m->steps--;
            continue;
        }
        const char *end = match_items(m, next, s);
        if (end != NULL)
            return end;
    }
    return NULL;
}

static const char *match_least(struct wr_lua_match *m, const struct item *item, const char *at) {
    for (;;) {
        const char *end = match_items(m, item + 1, at);
        if (end != NULL || m->steps < 0)
            return end;
        if (at >= m->end || !single(item, (unsigned char)*at))
            return NULL;
        at++;
    }
}

/* The place behind an item that stands for one fixed thing, or NULL. Captures need no undoing:
 * whoever goes back to before an item passes it again before anything reads what it set. */
static const char *match_fixed(struct wr_lua_match *m, const struct item *item, const char *at) {
    struct wr_lua_capture *capture = &m->captures[item->byte % WR_LUA_CAPTURES_MAX];
    switch ((enum op)item->op) {
    case OP_SUBJECT_END: return at == m->end ? at : NULL;
    case OP_OPEN: capture->start = at; return at;
    case OP_CLOSE: capture->length = at - capture->start; return at;
    case OP_POSITION:
        capture->start = at;
        capture->length = WR_LUA_POSITION;
        return at;
    case OP_BACK:
        if (capture->length < 0 || m->end - at < capture->length)
            return NULL;
        m->steps -= capture->length;
        return memcmp(at, capture->start, (size_t)capture->length) == 0 ? at + capture->length
                                                                        : NULL;
    case OP_BALANCE: return balance(m, item, at);
    case OP_FRONTIER: return frontier(m, item, at) ? at : NULL;
    case OP_END:
    case OP_BYTE:
    case OP_ANY:
    case OP_SET: break;
    }
    return at < m->end && single(item, (unsigned char)*at) ? at + 1 : NULL;
}

/* The depth of the recursion is bounded by the items with a repetition. */
static const char *match_items(struct wr_lua_match *m, const struct item *item, const char *at) {
    for (;; item++) {
        if (--m->steps < 0)
            return NULL;
        if (item->op == OP_END)
            return at;
        switch ((enum repeat)item->repeat) {
        case REPEAT_ANY: return match_most(m, item, at, 0);
        case REPEAT_SOME: return match_most(m, item, at, 1);
        case REPEAT_LEAST: return match_least(m, item, at);
        case REPEAT_MAYBE:
            if (at < m->end && single(item, (unsigned char)*at)) {
                const char *end = match_items(m, item + 1, at + 1);
                if (end != NULL || m->steps < 0)
                    return end;
            }
            break;
        case REPEAT_ONE:
            at = match_fixed(m, item, at);
            if (at == NULL)
                return NULL;
            break;
        }
    }
}

void wr_lua_match_init(struct wr_lua_match *match, const char *subject, size_t length) {
    match->subject = subject;
    match->end = subject + length;
    match->steps = WR_LUA_STEPS_BASE + WR_LUA_STEPS_PER_BYTE * (int64_t)length;
}

int wr_lua_pattern_at(const struct wr_lua_pattern *pattern, struct wr_lua_match *match,
                      const char *at) {
    match->capture_count = pattern->capture_count;
    const char *end = match_items(match, pattern->items, at);
    if (end == NULL)
        return match->steps < 0 ? -1 : 0;
    match->match_start = at;
    match->match_end = end;
    return 1;
}

/* The next place from `at` on where the first item can begin, or NULL. */
static const char *first_place(const struct wr_lua_pattern *pattern, const struct wr_lua_match *m,
                               const char *at) {
    const struct item *item = pattern->items;
    if (item->repeat != REPEAT_ONE && item->repeat != REPEAT_SOME)
        return at;
    if (item->op == OP_BYTE || item->op == OP_BALANCE)
        return at == m->end ? NULL : memchr(at, item->byte, (size_t)(m->end - at));
    if (item->op != OP_SET)
        return at;
    while (at < m->end && !set_has(item->set, (unsigned char)*at))
        at++;
    return at < m->end ? at : NULL;
}

int wr_lua_pattern_find(const struct wr_lua_pattern *pattern, struct wr_lua_match *match,
                        size_t from) {
    const char *at = match->subject + from;
    if (pattern->anchored)
        return wr_lua_pattern_at(pattern, match, at);
    while ((at = first_place(pattern, match, at)) != NULL) {
        int found = wr_lua_pattern_at(pattern, match, at);
        if (found != 0)
            return found;
        if (at++ == match->end)
            break;
    }
    return 0;
}
