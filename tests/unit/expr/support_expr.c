/* support_expr.c: worlds for tests of expressions: a schema, a batch, an eval; results as text. */
#include "support_expr.h"

#include "base/assert.h"
#include "base/buf.h"
#include "data/codec.h"

#define TEXTS 8
#define TEXT_BYTES_MAX 4096

void test_world_init(struct test_world *world) {
    memset(world, 0, sizeof *world);
    wr_arena_init(&world->arena, &wr_budget_control, 65536);
    world->schema = wr_schema_new(&world->arena, 64);
    CHECK(world->schema != NULL);
    world->schema->field_count = 0;
    world->batch.schema = world->schema;
    world->batch.columns = WR_ARENA_ZEROS(&world->arena, struct wr_column, 64);
    world->scope = (struct wr_scope){.arena = &world->arena,
                                     .input = world->schema,
                                     .flags = WR_SCOPE_HIDDEN | WR_SCOPE_EVENT_TIME,
                                     .timezone = "UTC"};
    wr_eval_init(&world->eval, &wr_budget_control);
}

void test_world_release(struct test_world *world) {
    wr_eval_release(&world->eval);
    wr_arena_release(&world->arena);
}

struct wr_type test_type(struct wr_arena *arena, const char *text) {
    struct wr_type type = {0};
    const char *inner = strpbrk(text, "<(");
    size_t length = inner == NULL ? strlen(text) : (size_t)(inner - text);
    type.kind = wr_type_kind_named(text, length);
    CHECK(type.kind != WR_TYPE_KINDS);
    if (inner != NULL && *inner == '(') {
        char *end;
        type.precision = (uint8_t)strtoul(inner + 1, &end, 10);
        type.scale = (uint8_t)strtoul(end + 1, NULL, 10);
    } else if (inner != NULL) { /* list<int64>, map<string,int64>, struct<a int64,b string> */
        struct wr_schema *child = wr_schema_new(arena, 16);
        uint32_t count = 0;
        for (const char *at = inner; *at == '<' || *at == ','; count++) {
            const char *start = at + 1;
            size_t name = type.kind == WR_STRUCT ? strcspn(start, " ") : 0;
            const char *word = start + (name > 0 ? name + 1 : 0);
            at = word + strcspn(word, ",>");
            static const char *const names[2][2] = {{"item", ""}, {"key", "value"}};
            child->fields[count].name =
                name > 0 ? wr_arena_strndup(arena, start, name) : names[type.kind == WR_MAP][count];
            child->fields[count].name_length = (uint32_t)strlen(child->fields[count].name);
            child->fields[count].type =
                test_type(arena, wr_arena_strndup(arena, word, (size_t)(at - word)));
        }
        child->field_count = count;
        type.child = child;
    }
    return type;
}

/* The value of an expression over no columns, in the world's arena. */
static void put_element(struct test_world *world, void *data, uint64_t *valid, uint32_t row,
                        const struct wr_type *type, const char *text) {
    uint32_t width = wr_type_bytes(type->kind);
    char *to = (char *)data + (size_t)row * width;
    memset(to, 0, width);
    if (strcmp(text, "nil") == 0) {
        wr_bit_clear(valid, row);
        return;
    }
    struct wr_value *lit = test_parse_expr(&world->arena, text);
    const struct wr_value *v = wr_value_get(lit, "v");
    if (wr_type_is_text(type->kind)) {
        CHECK(v != NULL && v->kind == WR_VALUE_STRING);
        struct wr_str str = wr_str_of(v->string, v->count);
        memcpy(to, &str, sizeof str);
        return;
    }
    struct wr_schema *none = wr_schema_new(&world->arena, 0);
    struct wr_scope scope = {.arena = &world->arena, .input = none, .timezone = "UTC"};
    char item[512];
    snprintf(item, sizeof item, "x = %s", text);
    struct wr_list *list;
    struct wr_error err = {0};
    struct wr_batch batch = {.row_count = 1, .sel_count = 1, .schema = none};
    if (wr_list_bind(&list, &scope, WR_LIST_DERIVE, test_parse_list(&world->arena, item), &err) !=
        WR_OK)
        test_fail(__FILE__, __LINE__, "`%s`: %s %s", text, err.code, err.text);
    CHECK(wr_type_equal(&list->items[0].type, type) || type->kind == WR_DECIMAL);
    CHECK_INT(wr_list_run(list, &world->eval, &batch, &world->arena), ==, WR_OK);
    CHECK_INT(world->eval.fail_count, ==, 0);
    const struct wr_column *column = &world->eval.outputs[list->items[0].output];
    CHECK_INT(wr_column_is_nil(column, 0), ==, 0);
    memcpy(to, column->data, width);
}

void test_world_column(struct test_world *world, const char *name, const char *type, uint32_t count,
                       const char *const *values) {
    struct wr_schema *schema = world->schema;
    uint32_t column = schema->field_count++;
    CHECK_INT(column, <, 64);
    CHECK(column == 0 || world->batch.row_count == count);
    schema->fields[column] = (struct wr_field){.name = name,
                                               .name_length = (uint32_t)strlen(name),
                                               .type = test_type(&world->arena, type)};
    world->batch.row_count = world->batch.sel_count = count;
    void *data = wr_arena_alloc_zero(&world->arena, ((size_t)count + 1) * 16);
    uint64_t words = WR_BITS_WORDS(count);
    uint64_t *valid = wr_arena_alloc(&world->arena, words * 8 + 8);
    memset(valid, 0xff, words * 8 + 8);
    int any_nil = 0;
    for (uint32_t row = 0; row < count; row++) {
        put_element(world, data, valid, row, &schema->fields[column].type, values[row]);
        any_nil |= strcmp(values[row], "nil") == 0;
    }
    world->batch.columns[column] = (struct wr_column){data, any_nil ? valid : NULL};
}

static char *next_text(void) {
    static char texts[TEXTS][TEXT_BYTES_MAX];
    static unsigned next;
    return texts[next++ % TEXTS];
}

const char *test_show(const struct wr_type *type, const struct wr_column *column, uint32_t row) {
    char *text = next_text();
    if (wr_column_is_nil(column, row)) {
        snprintf(text, TEXT_BYTES_MAX, "nil");
        return text;
    }
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 0);
    CHECK_INT(wr_value_show(&buf, type, column, row), ==, WR_OK);
    const char *quote = type->kind == WR_STRING ? "'" : "";
    snprintf(text, TEXT_BYTES_MAX, "%s%s%s", quote, buf.bytes != NULL ? buf.bytes : "", quote);
    wr_buf_release(&buf);
    return text;
}

const char *test_bind(struct test_world *world, const char *text) {
    char item[4096];
    snprintf(item, sizeof item, "x = %s", text);
    memset(&world->err, 0, sizeof world->err);
    struct wr_list *list;
    int status = wr_list_bind(&list, &world->scope, WR_LIST_DERIVE,
                              test_parse_list(&world->arena, item), &world->err);
    CHECK(status == WR_OK || status == WR_ESCRIPT);
    CHECK_INT(status == WR_OK, ==, world->err.code[0] == 0);
    return world->err.code;
}

const char *test_eval(struct test_world *world, const char *text, uint32_t row) {
    char item[4096], *result = next_text();
    snprintf(item, sizeof item, "x = %s", text);
    memset(&world->err, 0, sizeof world->err);
    struct wr_list *list;
    int status = wr_list_bind(&list, &world->scope, WR_LIST_DERIVE,
                              test_parse_list(&world->arena, item), &world->err);
    if (status != WR_OK) {
        snprintf(result, TEXT_BYTES_MAX, "error %s", world->err.code);
        return result;
    }
    struct wr_batch one = world->batch;
    if (one.row_count == 0)
        one.row_count = one.sel_count = 1;
    status = wr_list_run(list, &world->eval, &one, &world->arena);
    CHECK_INT(status, ==, WR_OK);
    for (uint32_t i = 0; i < world->eval.fail_count; i++) {
        if (world->eval.fails[i].row == row) {
            snprintf(result, TEXT_BYTES_MAX, "fails W%d", world->eval.fails[i].code);
            return result;
        }
    }
    const struct wr_item *bound = &list->items[0];
    const struct wr_column *column =
        bound->output >= 0 ? &world->eval.outputs[bound->output] : &one.columns[bound->column];
    return test_show(&bound->type, column, row);
}
