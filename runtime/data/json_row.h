/* json_row.h: one JSON object into the current row, by its structure: the exact way, for any order
 * of keys. It finds the text of each value first and converts after that, so that of keys given
 * twice the last one counts and a broken record never leaves half a conversion. */
#pragma once
#include <stdint.h>

#include "data/rows.h"

/* A value where it stands. `at` NULL: the key did not come. */
struct wr_json_value {
    const char *at, *end;
    uint8_t escaped; /* a string with a backslash */
};

struct wr_json_row {
    struct wr_rows rows;
    uint32_t *slot_table; /* names by hash: slot + 1, 0 empty */
    uint32_t table_mask;
    struct wr_json_value *values; /* by slot, of the current record */
    uint32_t *keys;       /* slots in the order in which their keys came; UINT32_MAX: unknown key */
    const char **key_at;  /* behind the `:` and blanks: where its value begins … */
    const char **key_end; /* … and ends */
    uint32_t keys_known;  /* entries of `keys` that hold something, of this or an earlier record */
    uint32_t key_count;   /* keys of the record; more than key_max are not kept */
    uint8_t keys_twice;
    const char *object_end; /* behind the `}` */
};

#define WR_JSON_KEYS_MAX 256 /* keys of a record of which the places are kept */

int wr_json_row_open(struct wr_json_row *row, struct wr_decoder *decoder, struct wr_error *err);
void wr_json_row_close(struct wr_json_row *row);
/* Takes the object in `at` … `end` apart (blanks around it are allowed) and fills the current row.
 * 1, or 0 with the fault. */
int wr_json_row_read(struct wr_json_row *row, const char *at, const char *end,
                     struct wr_fault *fault);
/* Converts one value into the current row. 1, or 0 when it does not fit. */
int wr_json_convert(struct wr_rows *rows, struct wr_slot *slot, const struct wr_json_value *value);
/* The same into a row of its own. */
int wr_json_convert_at(struct wr_rows *rows, struct wr_slot *slot, uint32_t row,
                       const struct wr_json_value *value);
