/* test_matrix.c: every operator with every pair of types, with and without nil, against the table
 * of the language (2.4), written down here a second time. */
#include "support_expr.h"

#include "base/assert.h"

/* A letter for each type; in four rows: both operands, the first nil, the second nil, both nil. */
static const struct column {
    char letter;
    const char *type, *value;
} columns[] = {
    {'b', "bool", "true"},
    {'i', "int64", "3"},
    {'f', "float64", "2.5"},
    {'d', "decimal(10,2)", "decimal('1.50', 10, 2)"},
    {'s', "string", "'ab'"},
    {'y', "bytes", "'cd'"},
    {'t', "timestamp", "timestamp'2024-05-01T00:00:00Z'"},
    {'D', "date", "date'2024-05-01'"},
    {'u', "duration", "duration'2d'"},
    {'j', "json", "'4'"},
    {'l', "list<int64>", "'[1,2]'"},
    {'m', "map<string,int64>", "'{\"k\":1}'"},
};

/* "xy>z": operands of types x and y give z; what is not listed is W104. */
static const struct {
    const char *ops;
    const char *pairs;
} table[] = {
    {"+", "ii>i if>f fi>f ff>f dd>d di>d id>d tu>t ut>t Di>D iD>D Du>D uD>D uu>u jj>j ji>j ij>j "
          "jf>j fj>j"},
    {"-", "ii>i if>f fi>f ff>f dd>d di>d id>d tt>u tu>t DD>u Di>D Du>D uu>u jj>j ji>j ij>j jf>j "
          "fj>j"},
    {"*", "ii>i if>f fi>f ff>f dd>d di>d id>d ui>u iu>u uf>u fu>u jj>j ji>j ij>j jf>j fj>j"},
    {"/", "ii>f if>f fi>f ff>f dd>d di>d id>d uu>f ui>u uf>u jj>j ji>j ij>j jf>j fj>j"},
    {"//", "ii>i if>f fi>f ff>f dd>d di>d id>d uu>i jj>j ji>j ij>j jf>j fj>j"},
    {"%", "ii>i if>f fi>f ff>f dd>d di>d id>d uu>u jj>j ji>j ij>j jf>j fj>j"},
    {"^", "ii>f if>f fi>f ff>f jj>j ji>j ij>j jf>j fj>j"},
    {"& | ~ << >>", "ii>i jj>j ji>j ij>j jf>j fj>j"},
    {"..", "ss>s si>s is>s ii>s js>s sj>s ji>s ij>s jj>s"},
    {"< <= > >=", "ii>b if>b fi>b ff>b dd>b di>b id>b ss>b yy>b tt>b DD>b uu>b jj>b ji>b ij>b jf>b "
                  "fj>b js>b sj>b"},
    {"== ~=",
     "bb>b ii>b if>b fi>b ff>b dd>b di>b id>b ss>b yy>b tt>b DD>b uu>b ll>b mm>b jj>b ji>b "
     "ij>b jf>b fj>b js>b sj>b jb>b bj>b jl>b lj>b jm>b mj>b"},
};

static void make_world(struct test_world *world) {
    test_world_init(world);
    for (uint32_t i = 0; i < WR_COUNT(columns); i++) {
        const struct column *c = &columns[i];
        const char *first[] = {c->value, "nil", c->value, "nil"};
        const char *second[] = {c->value, c->value, "nil", "nil"};
        char *name_1 = wr_arena_alloc(&world->arena, 3), *name_2 = wr_arena_alloc(&world->arena, 3);
        snprintf(name_1, 3, "%c1", c->letter);
        snprintf(name_2, 3, "%c2", c->letter);
        test_world_column(world, name_1, c->type, 4, first);
        test_world_column(world, name_2, c->type, 4, second);
    }
}

static enum wr_type_kind kind_of(char letter) {
    for (uint32_t i = 0; i < WR_COUNT(columns); i++)
        if (columns[i].letter == letter)
            return wr_type_kind_named(columns[i].type, strcspn(columns[i].type, "(<"));
    test_fail(__FILE__, __LINE__, "no type %c", letter);
}

/* The letter of the result, or 0. */
static char result_of(const char *pairs, char a, char b) {
    for (const char *at = pairs; *at != 0; at += strcspn(at, " "), at += *at == ' ')
        if (at[0] == a && at[1] == b)
            return at[3];
    return 0;
}

static const char *nil_result(const char *op, uint32_t row) {
    if (strcmp(op, "==") == 0)
        return row == 3 ? "true" : "false";
    if (strcmp(op, "~=") == 0)
        return row == 3 ? "false" : "true";
    return (*op == '<' || *op == '>') && op[1] != *op ? "false" : "nil";
}

static void check_pair(struct test_world *world, const char *op, char a, char b, char result) {
    char text[32], item[48];
    snprintf(text, sizeof text, "%c1 %s %c2", a, op, b);
    snprintf(item, sizeof item, "x = %s", text);
    struct wr_list *list = NULL;
    struct wr_error err = {0};
    int status = wr_list_bind(&list, &world->scope, WR_LIST_DERIVE,
                              test_parse_list(&world->arena, item), &err);
    if (result == 0) {
        if (status != WR_ESCRIPT || strcmp(err.code, "W104") != 0)
            test_fail(__FILE__, __LINE__, "`%s` should be W104, not %d %s", text, status, err.code);
        CHECK_CONTAINS(err.text, op);
        return;
    }
    if (status != WR_OK)
        test_fail(__FILE__, __LINE__, "`%s`: %s %s", text, err.code, err.text);
    if (list->items[0].type.kind != kind_of(result))
        test_fail(__FILE__, __LINE__, "`%s` is not of type %c", text, result);
    for (uint32_t row = 0; row < 4; row++) {
        const char *got = test_eval(world, text, row);
        int wrong = row == 0 ? strcmp(got, "nil") == 0 || strncmp(got, "fails", 5) == 0
                             : strcmp(got, nil_result(op, row)) != 0;
        /* The json is the number 4: no order with strings; bits want an integer, not 2.5. */
        char other = a == 'j' ? b : a;
        int bits = strchr("&|~", *op) != NULL || strcmp(op, "<<") == 0 || strcmp(op, ">>") == 0;
        if (row == 0 && (a == 'j' || b == 'j') && strcmp(got, "fails W505") == 0)
            wrong = other == 's' ? *op != '<' && *op != '>' : other != 'f' || !bits;
        if (wrong)
            test_fail(__FILE__, __LINE__, "`%s` gives %s in row %u", text, got, row);
    }
}

TEST(each_operator_takes_the_types_of_the_table_and_no_others) {
    struct test_world world;
    make_world(&world);
    uint32_t pairs = 0, taken = 0;
    for (uint32_t i = 0; i < WR_COUNT(table); i++) {
        char ops[32], *rest = NULL;
        snprintf(ops, sizeof ops, "%s", table[i].ops);
        for (char *op = strtok_r(ops, " ", &rest); op != NULL; op = strtok_r(NULL, " ", &rest))
            for (uint32_t a = 0; a < WR_COUNT(columns); a++)
                for (uint32_t b = 0; b < WR_COUNT(columns); b++) {
                    char x = columns[a].letter, y = columns[b].letter;
                    char result = result_of(table[i].pairs, x, y);
                    check_pair(&world, op, x, y, result);
                    taken += result != 0;
                    pairs++;
                }
    }
    CHECK_INT(pairs, ==, 19 * WR_COUNT(columns) * WR_COUNT(columns));
    CHECK_INT(taken, ==, 274);
    test_world_release(&world);
}

TEST(each_unary_operator_takes_the_types_of_the_table) {
    static const struct {
        const char *op, *types;
        char result; /* 0: that of the operand */
    } unary[] = {
        {"not ", "bifdsytDujlm", 'b'}, {"-", "ifduj", 0}, {"#", "syljm", 'i'}, {"~", "ij", 0}};
    struct test_world world;
    make_world(&world);
    for (uint32_t i = 0; i < WR_COUNT(unary); i++) {
        for (uint32_t c = 0; c < WR_COUNT(columns); c++) {
            char text[32];
            snprintf(text, sizeof text, "%s%c1", unary[i].op, columns[c].letter);
            int taken = strchr(unary[i].types, columns[c].letter) != NULL;
            const char *code = test_bind(&world, text);
            if (strcmp(code, taken ? "" : "W104") != 0)
                test_fail(__FILE__, __LINE__, "`%s` gives `%s`", text, code);
            if (!taken)
                continue;
            const char *got = test_eval(&world, text, 1);
            if (strcmp(got, unary[i].result == 'b' ? "true" : "nil") != 0)
                test_fail(__FILE__, __LINE__, "`%s` of nil gives %s", text, got);
        }
    }
    test_world_release(&world);
}

/* The form with the first % as x, the second as y. */
static void put_form(char *text, const char *form, char x, char y) {
    char next = x;
    for (; *form != 0; form++) {
        *text++ = *form == '%' ? next : *form;
        if (*form == '%')
            next = y;
    }
    *text = 0;
}

TEST(choices_join_one_type_and_widen_int64) {
    struct test_world world;
    make_world(&world);
    for (uint32_t a = 0; a < WR_COUNT(columns); a++) {
        for (uint32_t b = 0; b < WR_COUNT(columns); b++) {
            static const char *const forms[] = {"%1 ?? %2", "coalesce(%1, %2)", "case(b1, %1, %2)",
                                                "%1 or %2"};
            char x = columns[a].letter, y = columns[b].letter;
            int numbers = strchr("if", x) != NULL && strchr("if", y) != NULL;
            int decimals = strchr("id", x) != NULL && strchr("id", y) != NULL;
            const char *right = x == y || numbers || decimals ? "" : "W104";
            for (uint32_t i = 0; i < WR_COUNT(forms); i++) {
                char text[64];
                put_form(text, forms[i], x, y);
                const char *code = test_bind(&world, text);
                if (strcmp(code, right) != 0)
                    test_fail(__FILE__, __LINE__, "`%s` gives `%s` (%s)", text, code,
                              world.err.text);
            }
        }
    }
    CHECK_STR(test_eval(&world, "i1 ?? f2", 1), "2.5");
    CHECK_STR(test_eval(&world, "i1 ?? f2", 0), "3.0");
    CHECK_STR(test_eval(&world, "case(b2, i1, d1)", 0), "3.00");
    CHECK_STR(test_eval(&world, "t1 or t2", 1), "2024-05-01T00:00:00Z");
    test_world_release(&world);
}
