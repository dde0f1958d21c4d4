/* touched.c: see touched.h. */
#include "conn/touched.h"

#include "base/alloc.h"
#include "base/status.h"
#include "data/schema.h"

#include "base/banned.h"

#define ROW_ROOM_MIN 1024u

void wr_touched_init(struct wr_touched *touched, struct wr_budget *budget,
                     const struct wr_schema *schema, const uint16_t *key, uint32_t key_count,
                     uint64_t seed) {
    struct wr_type types[WR_KEY_COLUMNS_MAX];
    *touched = (struct wr_touched){.budget = budget, .key = key, .seed = seed};
    touched->is_off = key_count > WR_KEY_COLUMNS_MAX;
    for (uint32_t i = 0; i < key_count && !touched->is_off; i++)
        types[i] = schema->fields[key[i]].type;
    touched->is_off = touched->is_off ||
                      wr_key_layout_init(&touched->layout, types, key_count, 1) != WR_OK ||
                      touched->layout.key_bytes + sizeof(uint64_t) > WR_ROW_BYTES_MAX;
    touched->shape = (struct wr_shape){
        .key_bytes = touched->layout.key_bytes,
        .row_bytes = touched->layout.key_bytes + (uint32_t)sizeof(uint64_t),
        .cell_count = touched->layout.cell_count,
        .cells = touched->layout.cells,
    };
}

static void give_back(struct wr_touched *touched) {
    wr_free(touched->budget, touched->keys);
    wr_free(touched->budget, touched->hashes);
    wr_free(touched->budget, touched->rows);
    touched->keys = NULL;
    touched->hashes = NULL;
    touched->rows = NULL;
    touched->row_room = 0;
}

void wr_touched_release(struct wr_touched *touched) {
    if (touched->budget == NULL)
        return;
    wr_touched_forget(touched);
    give_back(touched);
}

static int make_room(struct wr_touched *touched, uint32_t count) {
    uint32_t room = ROW_ROOM_MIN;
    if (count <= touched->row_room)
        return WR_OK;
    while (room < count)
        room *= 2;
    give_back(touched);
    touched->keys = wr_alloc(touched->budget, (size_t)room * touched->layout.key_bytes);
    touched->hashes = wr_alloc(touched->budget, room * sizeof *touched->hashes);
    touched->rows = wr_alloc(touched->budget, room * sizeof *touched->rows);
    if (touched->keys == NULL || touched->hashes == NULL || touched->rows == NULL) {
        give_back(touched);
        return WR_ENOMEM;
    }
    touched->row_room = room;
    return WR_OK;
}

int wr_touched_look(struct wr_touched *touched, const struct wr_batch *batch) {
    if (touched->is_off)
        return WR_OK;
    struct wr_column columns[WR_KEY_COLUMNS_MAX];
    for (uint32_t i = 0; i < touched->layout.column_count; i++)
        columns[i] = batch->columns[touched->key[i]];
    if (touched->table != NULL && wr_table_bytes(touched->table) > WR_TOUCHED_BYTES_MAX)
        wr_touched_forget(touched);
    if (touched->table == NULL)
        touched->table = wr_table_new(touched->budget, &touched->shape, touched->seed);
    if (touched->table == NULL || make_room(touched, batch->sel_count) != WR_OK)
        return WR_ENOMEM;
    wr_keys_build(&touched->layout, columns, batch->sel, batch->sel_count, touched->seed,
                  touched->keys, touched->hashes);
    return wr_table_upsert(touched->table, touched->keys, touched->hashes, batch->sel_count,
                           touched->rows, NULL);
}

int wr_touched_was(const struct wr_touched *touched, uint32_t i, int removes) {
    if (touched->is_off)
        return 0;
    const uint8_t *was = touched->rows[i] + touched->shape.key_bytes;
    return (*was & (removes ? WR_TOUCH_REMOVED : WR_TOUCH_KEPT)) != 0;
}

void wr_touched_mark(struct wr_touched *touched, uint32_t i, int removes) {
    if (touched->is_off)
        return;
    touched->rows[i][touched->shape.key_bytes] |=
        removes ? WR_TOUCH_REMOVED | WR_TOUCH_KEPT : WR_TOUCH_KEPT;
}

void wr_touched_forget(struct wr_touched *touched) {
    if (touched->table != NULL)
        wr_table_free(touched->table);
    touched->table = NULL;
}
