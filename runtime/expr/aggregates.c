/* aggregates.c: the table of aggregate functions, gathered from its files. */
#include "base/alloc.h"
#include "base/buf.h"
#include "data/schema.h"
#include "expr/aggregates.h"
#include "base/banned.h"

static const struct wr_aggregate_function *const tables[] = {
    wr_aggregates_sums,   wr_aggregates_extremes, wr_aggregates_picks,     wr_aggregates_sets,
    wr_aggregates_lists,  wr_aggregates_pairs,    wr_aggregates_histogram, wr_aggregates_funnel,
    wr_aggregates_approx, wr_aggregates_digest,   wr_aggregates_samples,
};

const struct wr_aggregate_function *wr_aggregate_at(uint32_t index) {
    for (uint32_t t = 0; t < WR_COUNT(tables); t++) {
        for (const struct wr_aggregate_function *f = tables[t]; f->name != NULL; f++)
            if (index-- == 0)
                return f;
    }
    return NULL;
}

const struct wr_aggregate_function *wr_aggregate_find(const char *name, uint32_t length) {
    for (uint32_t t = 0; t < WR_COUNT(tables); t++) {
        for (const struct wr_aggregate_function *f = tables[t]; f->name != NULL; f++)
            if (strlen(f->name) == length && memcmp(f->name, name, length) == 0)
                return f;
    }
    return NULL;
}

double wr_decimal_to_float(__int128 value, uint8_t scale) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double number = (double)value;
    while (scale > 22) {
        number /= 1e22;
        scale = (uint8_t)(scale - 22);
    }
    return number / powers[scale];
}

int wr_constant_number(const struct wr_value *constant, double *number) {
    if (constant != NULL && constant->kind == WR_VALUE_INT)
        *number = (double)constant->integer;
    else if (constant != NULL && constant->kind == WR_VALUE_FLOAT)
        *number = constant->number;
    else
        return 0;
    return 1;
}

int wr_agg_list_of(struct wr_arena *arena, struct wr_type item, struct wr_type *type) {
    struct wr_schema *child = wr_schema_new(arena, 1);
    if (child == NULL)
        return WR_ENOMEM;
    child->fields[0] = (struct wr_field){.name = "item", .name_length = 4, .type = item};
    *type = (struct wr_type){.kind = WR_LIST, .child = child};
    return WR_OK;
}

int wr_agg_list_of_structs(struct wr_arena *arena, uint32_t field_count, const char *const *names,
                           const struct wr_type *types, struct wr_type *type) {
    struct wr_schema *fields = wr_schema_new(arena, field_count);
    if (fields == NULL)
        return WR_ENOMEM;
    for (uint32_t f = 0; f < field_count; f++)
        fields->fields[f] = (struct wr_field){
            .name = names[f], .name_length = (uint32_t)strlen(names[f]), .type = types[f]};
    return wr_agg_list_of(arena, (struct wr_type){.kind = WR_STRUCT, .child = fields}, type);
}

int wr_agg_lists_result(AGG_RESULT_PARAMS, wr_agg_put_fn put) {
    struct wr_buf text;
    wr_buf_init(&text, &wr_budget_control, WR_AGGREGATE_BLOB_BYTES_MAX);
    int status = WR_OK;
    for (uint32_t i = 0; i < count && status == WR_OK; i++) {
        struct wr_str *result = &((struct wr_str *)out)[i];
        *result = (struct wr_str){0};
        wr_buf_clear(&text);
        wr_buf_add_char(&text, '[');
        status = put(aggregate, rows[i] + aggregate->offset, &text, &fails[i]);
        if (status == WR_OK && (text.length == 1 || fails[i] != 0)) {
            AGG_NIL(i);
            continue;
        }
        wr_buf_add_char(&text, ']');
        if (status == WR_OK)
            status = text.status;
        char *bytes = status == WR_OK ? wr_arena_strndup(arena, text.bytes, text.length) : NULL;
        if (status == WR_OK && bytes == NULL)
            status = WR_ENOMEM;
        if (status == WR_OK)
            *result = wr_str_of(bytes, (uint32_t)text.length);
    }
    wr_buf_release(&text);
    return status;
}
