#include "graph/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "graph/bind.h"
#include "base/banned.h"

#define SEED_LOW 1
#define SEED_HIGH 2
#define ADDRESS_BYTES_MAX 1024

/* Where a thing stands in the script, and its number there, decide no result. They are numbers;
 * what a script has written under such a name is not. */
static int is_position(const char *name, const struct wr_value *value) {
    static const char *const names[] = {"mark",      "from",    "to",     "at",
                                        "name_from", "name_to", "callee", "family"};
    if (strcmp(name, "script") == 0)
        return value->kind == WR_VALUE_STRING;
    for (size_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return value->kind == WR_VALUE_INT;
    return 0;
}

/* The rows of `weir.rows`, the notes of a column: names in them are the script's. */
static int is_written_out(const char *name) {
    return strcmp(name, "rows") == 0 || strcmp(name, "notes") == 0;
}

/* A Lua function has the number of its place in the script, and its text beside that. */
static int is_function_number(const struct wr_value *map, uint32_t item) {
    return map->items[item].kind == WR_VALUE_INT && strcmp(map->names[item], "id") == 0 &&
           wr_value_string(map, "text", NULL) != NULL;
}

/* A call of such a function: "function 3.1" is its first result. No function of a script or of the
 * library has a blank in its name. */
static const char *without_number(const struct wr_value *map, uint32_t item) {
    static const char start[] = "function ";
    const struct wr_value *value = &map->items[item];
    if (strcmp(map->names[item], "name") != 0 || value->kind != WR_VALUE_STRING ||
        strcmp(wr_value_string(map, "k", ""), "call") != 0 ||
        strncmp(value->string, start, sizeof start - 1) != 0)
        return NULL;
    return strchr(value->string, '.');
}

/* What the script has declared under a name that is called. 0: nothing. */
static uint64_t hash_defined(const struct wr_plan *plan, const char *name) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < plan->defined_count; i++)
        if (strcmp(plan->defined[i].name, name) == 0)
            hash = wr_hash_join(hash, plan->defined[i].hash);
    return hash;
}

static uint64_t hash_text(const char *text, uint64_t seed) {
    return wr_hash_bytes(text, strlen(text), seed);
}

/* `is_data`: no part of it is a position. `plan`: where the functions that are called are known;
 * NULL: they have no part in it. */
static uint64_t hash_value(const struct wr_plan *plan, const struct wr_value *value, uint64_t seed,
                           int is_data) {
    uint64_t hash = wr_hash_u64((uint64_t)value->kind, seed);
    switch (value->kind) {
    case WR_VALUE_NIL: return hash;
    case WR_VALUE_BOOL: return wr_hash_join(hash, (uint64_t)value->boolean);
    case WR_VALUE_INT: return wr_hash_join(hash, (uint64_t)value->integer);
    case WR_VALUE_FLOAT:
        return wr_hash_join(hash, wr_hash_bytes(&value->number, sizeof value->number, seed));
    case WR_VALUE_STRING:
        hash = wr_hash_join(hash, wr_hash_bytes(value->string, value->count, seed));
        return plan == NULL ? hash : wr_hash_join(hash, hash_defined(plan, value->string));
    case WR_VALUE_LIST:
        for (uint32_t i = 0; i < value->count; i++)
            hash = wr_hash_join(hash, hash_value(plan, &value->items[i], seed, is_data));
        return hash;
    case WR_VALUE_MAP: break;
    }
    for (uint32_t i = 0; i < value->count; i++) {
        const char *name = value->names[i];
        if (!is_data && (is_position(name, &value->items[i]) || is_function_number(value, i)))
            continue;
        hash = wr_hash_join(hash, hash_text(name, seed));
        const char *result = is_data ? NULL : without_number(value, i);
        int inner = is_data || is_written_out(name);
        hash = wr_hash_join(hash, result != NULL ? hash_text(result, seed)
                                                 : hash_value(plan, &value->items[i], seed, inner));
    }
    return hash;
}

int wr_plan_defined(struct wr_plan *plan, const struct wr_value *spec, struct wr_error *err) {
    struct wr_defined *defined = wr_bind_grow(plan, plan->defined, plan->defined_count,
                                              &plan->defined_room, sizeof *defined);
    if (defined == NULL)
        return wr_error_set(err, WR_ENOMEM, "no memory for the plan");
    plan->defined = defined;
    defined[plan->defined_count++] = (struct wr_defined){
        .name = wr_value_string(spec, "name", ""), .hash = hash_value(NULL, spec, SEED_LOW, 0)};
    return WR_OK;
}

static uint64_t hash_schema(const struct wr_schema *schema, uint64_t seed) {
    uint64_t hash = wr_hash_u64(schema->field_count, seed);
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const struct wr_field *field = &schema->fields[c];
        char type[256];
        wr_type_text(&field->type, type, sizeof type);
        hash = wr_hash_join(hash, wr_hash_bytes(field->name, field->name_length, seed));
        hash = wr_hash_join(hash, hash_text(type, seed));
    }
    return hash;
}

/* Of the spec, but for what says where the stage stands, how it is called and what it reads. */
static int is_fact(const struct wr_value *spec, uint32_t item) {
    const char *name = spec->names[item];
    return strcmp(name, "name") != 0 && strcmp(name, "inputs") != 0 &&
           !is_position(name, &spec->items[item]);
}

/* Options of an endpoint that say how long it is waited for decide no result. */
static int is_of_patience(const char *name) {
    static const char *const names[] = {"timeout", "retries", "retry_min", "retry_max", "breaker"};
    for (size_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

/* A copy of the members of a map but for one, which is another value, and those of patience. */
static struct wr_value *copy_without(struct wr_arena *arena, const struct wr_value *map,
                                     const char *other, const struct wr_value *value) {
    struct wr_value *copy = wr_value_new_map(arena, map->count);
    if (copy == NULL)
        return NULL;
    copy->count = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        if (other == NULL && is_of_patience(map->names[i]))
            continue;
        int is_other = other != NULL && strcmp(map->names[i], other) == 0;
        copy->names[copy->count] = map->names[i];
        copy->items[copy->count++] = is_other ? *value : map->items[i];
    }
    return copy;
}

/* 0: no memory. */
static uint64_t hash_endpoint(struct wr_plan *plan, const struct wr_value *endpoint) {
    const struct wr_value *options = wr_value_get(endpoint, "options");
    if (options != NULL && options->kind == WR_VALUE_MAP) {
        struct wr_value *less = copy_without(&plan->arena, options, NULL, NULL);
        endpoint = less == NULL ? NULL : copy_without(&plan->arena, endpoint, "options", less);
    }
    return endpoint == NULL ? 0 : hash_value(plan, endpoint, SEED_LOW, 0);
}

static uint64_t hash_fact(struct wr_plan *plan, const char *name, const struct wr_value *value) {
    return strcmp(name, "endpoint") == 0 && value->kind == WR_VALUE_MAP
               ? hash_endpoint(plan, value)
               : hash_value(plan, value, SEED_LOW, is_written_out(name));
}

static int find_facts(struct wr_plan *plan, const struct wr_node *node, struct wr_identity *made) {
    struct wr_fact *facts =
        WR_ARENA_ARRAY(&plan->arena, struct wr_fact, wr_value_count(node->spec) + 3);
    if (facts == NULL)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < node->spec->count; i++) {
        const char *name = node->spec->names[i];
        if (is_fact(node->spec, i))
            facts[made->fact_count++] =
                (struct wr_fact){name, hash_fact(plan, name, &node->spec->items[i])};
    }
    /* An inferred schema stands in no spec, and state is laid out by it. */
    if (node->kind == WR_NODE_SOURCE)
        facts[made->fact_count++] = (struct wr_fact){"columns", made->schema};
    if (node->kind == WR_NODE_OP && node->op->state_form != 0)
        facts[made->fact_count++] =
            (struct wr_fact){"form", wr_hash_u64(node->op->state_form, SEED_LOW)};
    facts[made->fact_count++] = (struct wr_fact){"timezone", hash_text(plan->timezone, SEED_LOW)};
    made->facts = facts;
    return WR_OK;
}

/* `weir.rejects()` reads all stages, also those that stand below it: which they are is no part of
 * what it means, and whoever compares asks it of each. */
static void find_meaning(const struct wr_node *node, struct wr_identity *all) {
    struct wr_identity *made = &all[node->id];
    made->own = hash_text(node->stage, SEED_LOW);
    for (uint32_t i = 0; i < made->fact_count; i++) {
        made->own = wr_hash_join(made->own, hash_text(made->facts[i].name, SEED_LOW));
        made->own = wr_hash_join(made->own, made->facts[i].hash);
    }
    made->meaning = made->own;
    for (uint32_t i = 0; i < wr_value_count(wr_value_get(node->spec, "inputs")); i++) {
        WR_ASSERT(node->inputs[i] < node->id);
        made->meaning = wr_hash_join(made->meaning, all[node->inputs[i]].meaning);
    }
}

/* An option of an endpoint, wherever a script may give it. */
static const char *option_of(const struct wr_node *node, const char *name) {
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    const char *text = wr_value_string(wr_value_get(endpoint, "options"), name, NULL);
    return text != NULL ? text : wr_value_string(wr_value_get(node->spec, "options"), name, "");
}

static const char *address_of(struct wr_plan *plan, const struct wr_node *node) {
    const struct wr_value *endpoint = wr_value_get(node->spec, "endpoint");
    char text[ADDRESS_BYTES_MAX];
    const char *table = option_of(node, "table");
    int length =
        snprintf(text, sizeof text, "%s %s%s%s", wr_value_string(endpoint, "kind", node->stage),
                 wr_value_string(endpoint, "address", ""), table[0] == 0 ? "" : " ",
                 table[0] == 0 ? option_of(node, "query") : table);
    if (length >= (int)sizeof text) /* so long a query: its hash tells it from another */
        length =
            snprintf(text, sizeof text, "%.60s… %016llx", wr_value_string(endpoint, "address", ""),
                     (unsigned long long)hash_value(NULL, node->spec, SEED_LOW, 0));
    return wr_arena_strndup(&plan->arena, text, (size_t)length);
}

const struct wr_identity *wr_plan_identify(struct wr_plan *plan) {
    struct wr_identity *all =
        WR_ARENA_ZEROS(&plan->arena, struct wr_identity, plan->node_count + 1);
    for (uint32_t i = 0; all != NULL && i < plan->node_count; i++) {
        const struct wr_node *node = plan->nodes[i];
        struct wr_identity *made = &all[i];
        /* The name of a `map` is its own where the script gives none. */
        const char *given = wr_value_string(node->spec, "name", NULL);
        made->given = given != NULL && strcmp(given, "map") == 0 ? NULL : given;
        made->place = wr_value_string(node->spec, "script", "");
        made->schema = node->out.schema == NULL ? 0 : hash_schema(node->out.schema, SEED_LOW);
        if (node->kind == WR_NODE_SOURCE || node->kind == WR_NODE_SINK) {
            made->address = address_of(plan, node);
            if (made->address == NULL)
                return NULL;
        }
        if (find_facts(plan, node, made) != WR_OK)
            return NULL;
        find_meaning(node, all);
    }
    return all;
}

/* Of all stages in the order of the script, dead ones too. */
static uint64_t hash_plan(const struct wr_plan *plan, uint64_t seed) {
    uint64_t hash = hash_text(plan->timezone, seed);
    for (uint32_t i = 0; i < plan->defined_count; i++)
        hash = wr_hash_join(hash, wr_hash_u64(plan->defined[i].hash, seed));
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct wr_node *node = plan->nodes[i];
        hash = hash_value(plan, node->spec, hash, 0);
        if (node->kind == WR_NODE_SOURCE)
            hash = hash_schema(node->out.schema, hash);
    }
    return hash;
}

void wr_plan_hash(const struct wr_plan *plan, char text[33]) {
    uint64_t low = hash_plan(plan, SEED_LOW), high = hash_plan(plan, SEED_HIGH);
    snprintf(text, 33, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
}
