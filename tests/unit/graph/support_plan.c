/* support_plan.c: specs from text, plans from specs. */
#include "support_plan.h"

#include <ctype.h>

#define TEXT_BYTES_MAX 8192
#define ITEMS_MAX 256 /* of one list or map of a spec */

struct json {
    struct wr_arena *arena;
    const char *text, *at;
};

static _Noreturn void fault(const struct json *p) {
    test_fail(__FILE__, __LINE__, "spec `%s`: at byte %d", p->text, (int)(p->at - p->text) + 1);
}

static int take(struct json *p, char byte) {
    while (isspace((unsigned char)*p->at))
        p->at++;
    if (*p->at != byte)
        return 0;
    p->at++;
    return 1;
}

static char *until(struct json *p, char end, size_t *length) {
    const char *stop = strchr(p->at, end);
    if (stop == NULL)
        fault(p);
    *length = (size_t)(stop - p->at);
    char *text = wr_arena_strndup(p->arena, p->at, *length);
    CHECK(text != NULL);
    p->at = stop + 1;
    return text;
}

static struct wr_value *value_of(struct json *p);

static struct wr_value *list_of(struct json *p) {
    struct wr_value *items[ITEMS_MAX];
    uint32_t count = 0;
    while (!take(p, ']')) {
        CHECK_INT(count, <, ITEMS_MAX);
        items[count++] = value_of(p);
        take(p, ',');
    }
    struct wr_value *list = wr_value_new_list(p->arena, count);
    for (uint32_t i = 0; i < count; i++)
        list->items[i] = *items[i];
    return list;
}

static struct wr_value *map_of(struct json *p) {
    struct wr_value *items[ITEMS_MAX];
    const char *names[ITEMS_MAX];
    uint32_t count = 0;
    size_t length;
    while (!take(p, '}')) {
        CHECK_INT(count, <, ITEMS_MAX);
        if (!take(p, '\''))
            fault(p);
        names[count] = until(p, '\'', &length);
        if (!take(p, ':'))
            fault(p);
        items[count++] = value_of(p);
        take(p, ',');
    }
    struct wr_value *map = wr_value_new_map(p->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        map->names[i] = names[i];
        map->items[i] = *items[i];
    }
    wr_value_sort(map);
    return map;
}

static struct wr_value *simple(struct json *p, struct wr_value value) {
    struct wr_value *made = WR_ARENA_ZEROS(p->arena, struct wr_value, 1);
    CHECK(made != NULL);
    *made = value;
    return made;
}

static int take_word(struct json *p, const char *word) {
    size_t length = strlen(word);
    if (strncmp(p->at, word, length) != 0)
        return 0;
    p->at += length;
    return 1;
}

static struct wr_value *value_of(struct json *p) {
    size_t length;
    if (take(p, '['))
        return list_of(p);
    if (take(p, '{'))
        return map_of(p);
    if (take(p, '\'')) {
        const char *text = until(p, '\'', &length);
        return wr_value_new_string(p->arena, text, length);
    }
    if (take_word(p, "e`"))
        return test_parse_expr(p->arena, until(p, '`', &length));
    if (take_word(p, "l`"))
        return test_parse_list(p->arena, until(p, '`', &length));
    if (take_word(p, "o`"))
        return test_parse_order(p->arena, until(p, '`', &length));
    if (take_word(p, "true") || take_word(p, "false"))
        return simple(p, (struct wr_value){.kind = WR_VALUE_BOOL, .boolean = p->at[-2] == 'u'});
    char *end;
    int64_t number = strtoll(p->at, &end, 10);
    if (end == p->at)
        fault(p);
    p->at = end;
    return simple(p, (struct wr_value){.kind = WR_VALUE_INT, .integer = number});
}

static struct wr_value *spec_of(struct wr_arena *arena, const char *format, va_list args) {
    char text[TEXT_BYTES_MAX];
    int length = vsnprintf(text, sizeof text, format, args);
    CHECK(length >= 0 && (size_t)length < sizeof text);
    struct json p = {.arena = arena, .text = text, .at = text};
    struct wr_value *value = value_of(&p);
    if (!take(&p, 0))
        fault(&p);
    return value;
}

struct wr_value *test_spec(struct wr_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct wr_value *value = spec_of(arena, format, args);
    va_end(args);
    return value;
}

struct wr_plan *test_plan_new(void) {
    struct wr_plan *plan = NULL;
    struct wr_error err = {0};
    if (wr_plan_new(&plan, wr_env_real(), "UTC", ".", &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "plan: %s", err.text);
    return plan;
}

uint32_t test_add(struct wr_plan *plan, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct wr_value *spec = spec_of(&plan->arena, format, args);
    va_end(args);
    struct wr_node *node = NULL;
    struct wr_error err = {0};
    if (wr_plan_add(plan, spec, &node, &err) != WR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s %s", format, err.code, err.text);
    return node->id;
}

static char *next_text(void) {
    static char texts[8][2048];
    static unsigned next;
    char *text = texts[next++ % 8];
    text[0] = 0;
    return text;
}

const char *test_refused(struct wr_plan *plan, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct wr_value *spec = spec_of(&plan->arena, format, args);
    va_end(args);
    struct wr_node *node = NULL;
    struct wr_error err = {0};
    char *text = next_text();
    int status = wr_plan_add(plan, spec, &node, &err);
    CHECK_INT(status != WR_OK, ==, err.text[0] != 0);
    if (status != WR_OK)
        snprintf(text, 2048, "%s %s", err.code, err.text);
    return text;
}

uint32_t test_read(struct wr_plan *plan, const char *schema) {
    char fields[2048] = "";
    int length = 0;
    const char *at = schema;
    while (*at != 0) {
        char name[48], type[48];
        int used = 0;
        CHECK_INT(sscanf(at, " %47[^ ] %47[^, ]%n", name, type, &used), ==, 2);
        at += used;
        int key = strncmp(at, " key", 4) == 0;
        at += key ? 4 : 0;
        at += *at == ',';
        length +=
            snprintf(fields + length, sizeof fields - (size_t)length,
                     "{'name':'%s','type':{'kind':'%s'}%s},", name, type, key ? ",'key':true" : "");
        CHECK_INT(length, <, sizeof fields);
    }
    return test_add(plan, "{'op':'read','endpoint':{'kind':'rows','rows':[]},'schema':[%s]}",
                    fields);
}

const char *test_schema_of(const struct wr_plan *plan, uint32_t node) {
    char *text = next_text(), type[64];
    const struct wr_schema *schema = plan->nodes[node]->out.schema;
    for (uint32_t c = 0; c < schema->field_count; c++) {
        size_t at = strlen(text);
        snprintf(text + at, 2048 - at, "%s%s %s", c == 0 ? "" : ", ", schema->fields[c].name,
                 wr_type_text(&schema->fields[c].type, type, sizeof type));
    }
    return text;
}

const char *test_key_of(const struct wr_plan *plan, uint32_t node) {
    char *text = next_text();
    const struct wr_stream *out = &plan->nodes[node]->out;
    for (uint32_t k = 0; k < out->key_count; k++) {
        size_t at = strlen(text);
        snprintf(text + at, 2048 - at, "%s%s", k == 0 ? "" : " ",
                 out->schema->fields[out->key[k]].name);
    }
    return text;
}
