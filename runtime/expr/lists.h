/* lists.h: lists (JSON arrays as text) taken apart and put together again, for library functions.
 */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/batch.h"
#include "expr/json_value.h"

struct wr_call;

/* The elements of one list, in an arena. */
struct wr_list_items {
    uint32_t count;
    struct wr_str *texts;         /* each element's JSON text */
    struct wr_type type;          /* of `column`; WR_JSON: `values` instead */
    struct wr_column column;      /* typed elements; nil where null */
    struct wr_json_value *values; /* json elements */
};

/* Reads the list of argument `arg` with elements as `type`. 1; 0 when an element is no such value
 * (the row has failed); or WR_ENOMEM. */
int wr_list_items_read(struct wr_list_items *items, struct wr_call *call, uint32_t arg,
                       uint32_t row, const struct wr_type *type, struct wr_arena *arena);
/* The type of the elements of a list type; json when it is not known. */
struct wr_type wr_list_item_type(const struct wr_type *list);
/* Order of two elements: values ascending, NaN after numbers, nil last; json by kind first. */
int wr_list_items_compare(const struct wr_list_items *items, uint32_t a, uint32_t b);
/* Sorts `order` (numbers of elements) stably. */
void wr_list_items_sort(const struct wr_list_items *items, uint32_t *order, uint32_t *room,
                        uint32_t count);
/* The result of `row` is the list of these elements. */
void wr_list_put(struct wr_call *call, uint32_t row, const struct wr_str *texts, uint32_t count);
/* A JSON text as the result of `row`: an element of the call's type. WR_OK or WR_ENOMEM. */
int wr_put_json_element(struct wr_call *call, uint32_t row, const struct wr_str *text);
/* Elements of an array, members of an object. */
int wr_json_length_kernel(struct wr_call *call);
