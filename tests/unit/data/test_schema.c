/* test_schema.c: types, schemas from plain data and back, plain data as JSON. */
#include "test.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "data/schema.h"
#include "data/value.h"

static struct wr_arena arena;

static void begin(void) {
    wr_arena_release(&arena);
    wr_arena_init(&arena, &wr_budget_control, 4096);
}

static struct wr_value text(const char *string) {
    return *wr_value_new_string(&arena, string, strlen(string));
}

/* A map from pairs; a name of NULL ends it. */
static struct wr_value map(const char *name, ...) {
    va_list args;
    struct wr_value *made = wr_value_new_map(&arena, 16);
    uint32_t count = 0;
    va_start(args, name);
    for (; name != NULL; name = va_arg(args, const char *)) {
        made->names[count] = name;
        made->items[count++] = va_arg(args, struct wr_value);
    }
    va_end(args);
    made->count = count;
    wr_value_sort(made);
    return *made;
}

static struct wr_value truth(void) {
    return (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = 1};
}

static struct wr_value integer(int64_t number) {
    return (struct wr_value){.kind = WR_VALUE_INT, .integer = number};
}

static struct wr_value list(uint32_t count, const struct wr_value *items) {
    struct wr_value *made = wr_value_new_list(&arena, count);
    for (uint32_t i = 0; i < count; i++)
        made->items[i] = items[i];
    return *made;
}

static struct wr_value kind(const char *name) {
    return map("kind", text(name), NULL);
}

static const char *json(const struct wr_value *value, int indent) {
    struct wr_buf buf;
    wr_buf_init(&buf, &wr_budget_control, 0);
    CHECK_INT(wr_value_to_json(&buf, value, indent), ==, WR_OK);
    char *copy = wr_arena_strndup(&arena, buf.bytes, buf.length);
    wr_buf_release(&buf);
    return copy;
}

static struct wr_value orders(void) {
    struct wr_value item_fields[] = {
        map("name", text("sku"), "type", kind("string"), NULL),
        map("name", text("qty"), "type", kind("int64"), NULL),
    };
    struct wr_value item = map("kind", text("struct"), "fields", list(2, item_fields), NULL);
    struct wr_value fields[] = {
        map("name", text("id"), "type", kind("int64"), "key", truth(), NULL),
        map("name", text("amount"), "type",
            map("kind", text("decimal"), "precision", integer(18), "scale", integer(2), NULL),
            "required", truth(), "default", text("0.00"), NULL),
        map("name", text("items"), "type", map("kind", text("list"), "item", item, NULL), NULL),
        map("name", text("ts"), "type", kind("timestamp"), "time_format", text("ms"), NULL),
    };
    return list(4, fields);
}

TEST(schema_is_read_from_plain_data_with_all_that_is_declared) {
    begin();
    const struct wr_schema *schema = NULL;
    struct wr_error err = {0};
    struct wr_value spec = orders();
    CHECK_INT(wr_schema_from_value(&schema, &arena, &spec, &err), ==, WR_OK);
    CHECK_INT(schema->field_count, ==, 4);
    CHECK_INT(schema->fields[0].key, ==, 1);
    CHECK_INT(schema->fields[1].required, ==, 1);
    CHECK_STR(schema->fields[1].default_value->string, "0.00");
    CHECK_STR(schema->fields[3].time_format, "ms");
    char type[64];
    CHECK_STR(wr_type_text(&schema->fields[1].type, type, sizeof type), "decimal(18,2)");
    CHECK_STR(wr_type_text(&schema->fields[2].type, type, sizeof type),
              "list<struct<sku string, qty int64>>");
    CHECK_INT(wr_schema_find(schema, "ts", 2), ==, 3);
    CHECK_INT(wr_schema_find(schema, "t", 1), ==, -1);
    wr_arena_release(&arena);
}

TEST(schema_written_as_plain_data_reads_back_the_same) {
    begin();
    const struct wr_schema *schema = NULL, *again = NULL;
    struct wr_value spec = orders();
    CHECK_INT(wr_schema_from_value(&schema, &arena, &spec, NULL), ==, WR_OK);
    const struct wr_value *written = wr_schema_to_value(&arena, schema);
    CHECK_INT(wr_schema_from_value(&again, &arena, written, NULL), ==, WR_OK);
    for (uint32_t i = 0; i < schema->field_count; i++)
        CHECK(wr_type_equal(&schema->fields[i].type, &again->fields[i].type));
    CHECK_STR(json(written, 0), json(wr_schema_to_value(&arena, again), 0));
    wr_arena_release(&arena);
}

TEST(schema_refuses_unknown_types_and_duplicate_names) {
    begin();
    const struct wr_schema *schema = NULL;
    struct wr_error err = {0};
    struct wr_value bad = map("name", text("a"), "type", kind("int"), NULL);
    struct wr_value spec = list(1, &bad);
    CHECK_INT(wr_schema_from_value(&schema, &arena, &spec, &err), ==, WR_ESCRIPT);
    CHECK_STR(err.code, "W116");
    CHECK_STR(err.text, "unknown type `int`");
    struct wr_value one = map("name", text("a"), "type", kind("int64"), NULL);
    struct wr_value twice[] = {one, one};
    spec = list(2, twice);
    CHECK_INT(wr_schema_from_value(&schema, &arena, &spec, &err), ==, WR_ESCRIPT);
    CHECK_STR(err.code, "W105");
    wr_arena_release(&arena);
}

TEST(type_text_is_cut_at_its_room) {
    char small[6];
    struct wr_type type = {.kind = WR_DECIMAL, .precision = 38, .scale = 10};
    CHECK_STR(wr_type_text(&type, small, sizeof small), "decim");
}

TEST(value_is_printed_as_json_with_sorted_names) {
    begin();
    struct wr_value items[] = {
        integer(INT64_MIN), (struct wr_value){.kind = WR_VALUE_FLOAT, .number = 0.1},
        (struct wr_value){.kind = WR_VALUE_NIL}, text("a\"b\\\n\x01\xc3\xa9\xff")};
    struct wr_value tree = map("z", list(4, items), "a", list(0, NULL), "m", truth(), NULL);
    CHECK_STR(json(&tree, 0), "{\"a\": [], \"m\": true, \"z\": [-9223372036854775808, 0.1, null, "
                              "\"a\\\"b\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\"]}");
    CHECK_STR(json(&tree, 2), "{\n  \"a\": [],\n  \"m\": true,\n  \"z\": [\n"
                              "    -9223372036854775808,\n    0.1,\n    null,\n"
                              "    \"a\\\"b\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\"\n  ]\n}");
    wr_arena_release(&arena);
}

TEST(value_get_finds_what_was_put_in_any_order) {
    begin();
    struct wr_value *made = wr_value_new_map(&arena, 300);
    char name[8];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "k%03u", (i * 7919u) % 300u);
        made->names[i] = wr_arena_strndup(&arena, name, strlen(name));
        made->items[i] = integer(i);
    }
    wr_value_sort(made);
    for (uint32_t i = 1; i < 300; i++)
        CHECK(strcmp(made->names[i - 1], made->names[i]) < 0);
    snprintf(name, sizeof name, "k%03u", (123u * 7919u) % 300u);
    CHECK_INT(wr_value_int(made, name, -1), ==, 123);
    CHECK(wr_value_get(made, "k300") == NULL);
    CHECK_INT(wr_value_int(NULL, "x", 5), ==, 5);
    wr_arena_release(&arena);
}
