/* test_pattern.c: Lua's patterns: against the real Lua (the program `lua5.4`) on random patterns
 * and texts, and the bound on the work. */
#include "support_expr.h"

#include <time.h>
#include <unistd.h>

#include "data/reject.h"
#include "expr/lua_pattern.h"

#define CASES 4000
#define TEXT_BYTES_MAX 40

static uint64_t random_state;
static uint32_t random_below(uint32_t n) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

struct text {
    char bytes[TEXT_BYTES_MAX * 2];
    uint32_t length;
};
static struct text subjects[CASES], patterns[CASES], replacements[CASES];
static int64_t starts[CASES];

static void add(struct text *text, const char *part) {
    size_t length = strlen(part);
    if (text->length + length <= TEXT_BYTES_MAX) {
        memcpy(text->bytes + text->length, part, length);
        text->length += (uint32_t)length;
    }
}
static void add_byte(struct text *text, char byte) {
    if (text->length < TEXT_BYTES_MAX)
        text->bytes[text->length++] = byte;
}

static void random_subject(struct text *text) {
    static const char alphabet[] = "aaabbc.(-)1 %A_\n";
    uint32_t n = random_below(16);
    text->length = 0;
    for (uint32_t i = 0; i < n; i++)
        add_byte(text, random_below(40) == 0 ? (char)random_below(256)
                                             : alphabet[random_below(sizeof alphabet - 1)]);
}

static void random_pattern(struct text *text) {
    static const char *const parts[] = {
        "a",    "b",     ".",      "%a",  "%d",   "%s",   "%w",     "%p", "%A", "[ab]",
        "[^a]", "[a-c]", "[%w_]",  "%.",  "%%",   "%-",   "()",     "%1", "%2", "%b()",
        "%bab", "%f[a]", "%f[%W]", "[]]", "[^]]", "[a-]", "%u",     "c",  "-",  "*",
        "$",    "^",     "[a-%%]", "%x",  "%g",   "%z",   "[%a-z]", "%c", "?",  "%l"};
    static const char *const repeats[] = {"*", "+", "-", "?"};
    uint32_t n = random_below(6) + 1;
    uint32_t open = 0;
    text->length = 0;
    if (random_below(6) == 0)
        add(text, "^");
    for (uint32_t i = 0; i < n; i++) {
        if (random_below(4) == 0) {
            add(text, "(");
            open++;
        }
        add(text, parts[random_below(sizeof parts / sizeof parts[0])]);
        if (random_below(3) == 0)
            add(text, repeats[random_below(4)]);
        if (open > 0 && random_below(2) == 0) {
            add(text, ")");
            open--;
        }
    }
    /* A capture left open is always refused here; Lua's gsub does not always look at it. */
    text->length = open > TEXT_BYTES_MAX - text->length ? 0 : text->length;
    while (text->length > 0 && open-- > 0)
        add(text, ")");
    if (random_below(6) == 0)
        add(text, "$");
    if (random_below(60) == 0)
        add(text, random_below(2) ? "%" : "[a");
}

static void random_replacement(struct text *text) {
    static const char *const parts[] = {"x", "-", "%0", "%1", "%2", "%%", "y", ""};
    text->length = 0;
    for (uint32_t i = random_below(4); i > 0; i--)
        add(text, parts[random_below(8)]);
    if (random_below(60) == 0)
        add(text, "%z");
}

/* ---- the real Lua --------------------------------------------------------------------------- */

static const char lua_script[] =
    "local function d(s) return (s:gsub('..', function(x) return string.char(tonumber(x, 16)) end))"
    " end "
    "local function e(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) "
    "end "
    "local function show(ok, v) if not ok then return 'E' elseif v == nil then return 'nil' "
    "elseif math.type(v) then return '#' .. v else return '=' .. e(v) end end "
    "for line in io.lines(os.getenv('WEIR_TEST_CASES')) do "
    "local s, p, r, i = line:match('^(%x*),(%x*),(%x*),(%-?%d+)$') "
    "s, p, r, i = d(s), d(p), d(r), math.tointeger(i) "
    "print(show(pcall(string.find, s, p, i)), show(pcall(string.match, s, p, i)), "
    "show(pcall(string.gsub, s, p, r))) end";

static void put_hex(FILE *file, const struct text *text) {
    for (uint32_t i = 0; i < text->length; i++)
        fprintf(file, "%02x", (unsigned char)text->bytes[i]);
}

static FILE *lua_open(char *path) {
    int fd = mkstemp(path);
    CHECK_INT(fd, >=, 0);
    FILE *file = fdopen(fd, "w");
    for (uint32_t i = 0; i < CASES; i++) {
        put_hex(file, &subjects[i]);
        fputc(',', file);
        put_hex(file, &patterns[i]);
        fputc(',', file);
        put_hex(file, &replacements[i]);
        fprintf(file, ",%lld\n", (long long)starts[i]);
    }
    fclose(file);
    setenv("WEIR_TEST_CASES", path, 1);
    char command[sizeof lua_script + 64];
    snprintf(command, sizeof command, "lua5.4 -e \"%s\"", lua_script);
    return popen(command, "r");
}

/* ---- ours ----------------------------------------------------------------------------------- */

struct columns {
    struct wr_column columns[4];
    struct wr_str s[CASES], p[CASES], r[CASES];
    struct wr_schema *schema;
};

static void world_fill(struct test_world *world, struct columns *c) {
    static const char *const names[] = {"s", "p", "r", "i"};
    test_world_init(world);
    struct wr_schema *schema = wr_schema_new(&world->arena, 4);
    for (uint32_t i = 0; i < 4; i++) {
        schema->fields[i].name = names[i];
        schema->fields[i].name_length = 1;
        schema->fields[i].type = WR_TYPE(i == 3 ? WR_INT64 : WR_STRING);
    }
    for (uint32_t i = 0; i < CASES; i++) {
        c->s[i] = wr_str_of(subjects[i].bytes, subjects[i].length);
        c->p[i] = wr_str_of(patterns[i].bytes, patterns[i].length);
        c->r[i] = wr_str_of(replacements[i].bytes, replacements[i].length);
    }
    c->columns[0].data = c->s;
    c->columns[1].data = c->p;
    c->columns[2].data = c->r;
    c->columns[3].data = starts;
    world->schema = schema;
    world->scope.input = schema;
    world->batch.schema = schema;
    world->batch.columns = c->columns;
    world->batch.row_count = world->batch.sel_count = CASES;
}

/* Runs one expression; results as the Lua script shows them. */
static void ours(struct test_world *world, const char *text, char (*results)[TEXT_BYTES_MAX * 8]) {
    struct wr_list *list;
    CHECK_INT(wr_list_bind(&list, &world->scope, WR_LIST_DERIVE,
                           test_parse_list(&world->arena, text), &world->err),
              ==, WR_OK);
    CHECK_INT(wr_list_run(list, &world->eval, &world->batch, &world->arena), ==, WR_OK);
    const struct wr_column *out = &world->eval.outputs[list->items[0].output];
    for (uint32_t i = 0; i < CASES; i++) {
        char *to = results[i];
        if (wr_column_is_nil(out, i)) {
            snprintf(to, 8, "nil");
        } else if (list->items[0].type.kind == WR_INT64) {
            snprintf(to, TEXT_BYTES_MAX * 8, "#%lld", (long long)WR_I64(out)[i]);
        } else {
            const struct wr_str *str = &WR_STR(out)[i];
            int at = snprintf(to, TEXT_BYTES_MAX * 8, "=");
            for (uint32_t b = 0; b < str->length && at < TEXT_BYTES_MAX * 8 - 3; b++)
                at += snprintf(to + at, 3, "%02x", (unsigned char)wr_str_bytes(str)[b]);
        }
    }
    for (uint32_t f = 0; f < world->eval.fail_count; f++) {
        const struct wr_fail *fail = &world->eval.fails[f];
        snprintf(results[fail->row], 8, "%s",
                 fail->code == WR_REJECT_OVERFLOW ? "steps"
                 : fail->code == WR_REJECT_KIND   ? "place"
                                                  : "E");
    }
}

static char found[CASES][TEXT_BYTES_MAX * 8], matched[CASES][TEXT_BYTES_MAX * 8],
    changed[CASES][TEXT_BYTES_MAX * 8];

/* A malformed pattern is ours at once, and Lua's when it gets there: then it did not match. */
static int agrees(const char *got, const char *want, const char *untouched) {
    if (strcmp(got, want) == 0 || strcmp(got, "steps") == 0)
        return 1;
    if (strcmp(got, "place") == 0)
        return want[0] == '#';
    return strcmp(got, "E") == 0 && (strcmp(want, "nil") == 0 || strcmp(want, untouched) == 0);
}

static void compare(FILE *lua) {
    uint32_t count = 0;
    char line[TEXT_BYTES_MAX * 24];
    for (; count < CASES && fgets(line, sizeof line, lua) != NULL; count++) {
        char want[3][TEXT_BYTES_MAX * 8];
        CHECK_INT(sscanf(line, "%319s %319s %319s", want[0], want[1], want[2]), ==, 3);
        char untouched[TEXT_BYTES_MAX * 8] = "=";
        for (uint32_t b = 0; b < subjects[count].length; b++)
            snprintf(untouched + 1 + 2 * b, 3, "%02x", (unsigned char)subjects[count].bytes[b]);
        const char *const got[] = {found[count], matched[count], changed[count]};
        for (int f = 0; f < 3; f++)
            if (!agrees(got[f], want[f], untouched))
                test_fail(__FILE__, __LINE__, "%s of '%.*s' by '%.*s' from %lld: %s, not %s",
                          f == 0   ? "find"
                          : f == 1 ? "match"
                                   : "gsub",
                          (int)subjects[count].length, subjects[count].bytes,
                          (int)patterns[count].length, patterns[count].bytes,
                          (long long)starts[count], got[f], want[f]);
    }
    CHECK_INT(count, ==, CASES);
}

TEST(find_match_and_gsub_do_what_lua_does) {
    static struct columns columns;
    random_state = test_seed();
    do {
        for (uint32_t i = 0; i < CASES; i++) {
            random_subject(&subjects[i]);
            random_pattern(&patterns[i]);
            random_replacement(&replacements[i]);
            starts[i] = random_below(3) == 0 ? (int64_t)random_below(24) - 12 : 1;
        }
        char path[] = "/tmp/weir-patterns-XXXXXX";
        FILE *lua = lua_open(path);
        CHECK(lua != NULL);
        struct test_world world;
        world_fill(&world, &columns);
        ours(&world, "f = find(s, p, i)", found);
        ours(&world, "m = match(s, p, i)", matched);
        ours(&world, "g = gsub(s, p, r)", changed);
        compare(lua);
        pclose(lua);
        unlink(path);
        test_world_release(&world);
    } while (test_random_time_left());
}

/* ---- the bound ------------------------------------------------------------------------------ */

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int find_in(const char *subject, size_t length, const char *pattern) {
    struct wr_arena arena;
    wr_arena_init(&arena, &wr_budget_control, 4096);
    const struct wr_lua_pattern *compiled;
    struct wr_lua_match match;
    CHECK_INT(wr_lua_pattern_compile(&compiled, &arena, pattern, strlen(pattern), NULL), ==, WR_OK);
    wr_lua_match_init(&match, subject, length);
    int result = wr_lua_pattern_find(compiled, &match, 0);
    wr_arena_release(&arena);
    return result;
}

TEST(patterns_that_hang_lua_are_given_up) {
    static char many[200001];
    memset(many, 'a', sizeof many - 1);
    double start = cpu_seconds();
    CHECK_INT(find_in(many, 200, ".-.-.-.-.-.-.-.-b"), ==, -1);
    CHECK_INT(find_in(many, 60, "a*a*a*a*a*a*a*a*a*a*a*a*b"), ==, -1);
    CHECK_INT(find_in(many, 1600, ".-.-b"), ==, -1);
    memset(many, '(', sizeof many - 1);
    CHECK_INT(find_in(many, 200000, "%b()"), ==, -1);
    CHECK(cpu_seconds() - start < 2);
}

TEST(plain_searches_stay_within_the_bound) {
    static char many[100001];
    memset(many, 'a', sizeof many - 1);
    CHECK_INT(find_in(many, 100000, "b"), ==, 0);
    CHECK_INT(find_in(many, 100000, "a+$"), ==, 1);
    CHECK_INT(find_in(many, 100000, "^(.*)(a)$"), ==, 1);
    CHECK_INT(find_in(many, 100000, "[^a]"), ==, 0);
    CHECK_INT(find_in("", 0, ""), ==, 1);
}

TEST(malformed_patterns_say_the_byte) {
    static const char *const bad[][2] = {
        {"a%", "byte 2"}, {"[a", "byte 1"},   {"(a", "byte 3"},
        {"a)", "byte 2"}, {"%b(", "byte 1"},  {"%fa", "byte 1"},
        {"%1", "byte 1"}, {"(%1)", "byte 2"}, {"%0", "byte 1"},
    };
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wr_arena arena;
        struct wr_error err = {0};
        const struct wr_lua_pattern *compiled;
        wr_arena_init(&arena, &wr_budget_control, 4096);
        CHECK_INT(wr_lua_pattern_compile(&compiled, &arena, bad[i][0], strlen(bad[i][0]), &err), ==,
                  WR_ESCRIPT);
        CHECK_STR(err.code, "W115");
        CHECK_CONTAINS(err.text, bad[i][1]);
        wr_arena_release(&arena);
    }
}
