/* twin_rows.c: see twin_rows.h. Binary forms: `array_send`, and the format of `copy` as the
 * server's documentation has it. */
#include "sim/twin_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "base/banned.h"

#define ARENA_BYTES 4096u
#define ARRAY_HEAD 20u
#define COPY_HEAD 19u

static uint32_t get32(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static int is_damaged(struct twin_error *error) {
    return twin_fail(error, "22P03", "incorrect binary data format");
}

/* Length and bytes of one value. */
static int next_value(struct rows *rows, int column, uint32_t oid, const char **at, const char *end,
                      struct twin_error *error) {
    struct twin_value *value = &rows->values[column];
    *value = (struct twin_value){.kind = TWIN_NULL};
    if (end - *at < 4)
        return is_damaged(error);
    uint32_t length = get32(*at);
    *at += 4;
    if (length == UINT32_MAX)
        return 0;
    if ((size_t)(end - *at) < length)
        return is_damaged(error);
    *at += length;
    return twin_receive(value, oid, *at - length, length, &rows->arena, error);
}

/* ---- arrays --------------------------------------------------------------------------------- */

static int open_array(struct rows *rows, int64_t parameter, struct twin_error *error) {
    const struct twin_call *call = rows->call;
    int column = rows->count++;
    if (parameter < 1 || parameter > call->count || !call->binary ||
        call->lengths[parameter - 1] < (int)ARRAY_HEAD)
        return is_damaged(error);
    const char *bytes = call->values[parameter - 1];
    uint32_t count = get32(bytes + 12);
    if (column > 0 && count != rows->left)
        return is_damaged(error);
    rows->types[column] = get32(bytes + 8);
    rows->at[column] = bytes + ARRAY_HEAD;
    rows->end[column] = bytes + call->lengths[parameter - 1];
    rows->left = count;
    return 0;
}

/* "$1::int8[], $2::text[])" */
static int open_arrays(struct rows *rows, struct twin_text *text, struct twin_error *error) {
    do {
        int64_t parameter = 0;
        char *type;
        if (!text_take(text, "$") || !text_number(text, &parameter) || !text_take(text, "::") ||
            (type = text_name(text)) == NULL || !text_take(text, "[]") ||
            rows->count == TWIN_COLUMNS_MAX)
            return is_damaged(error);
        if (open_array(rows, parameter, error) != 0)
            return -1;
        if (strcmp(type, twin_type_name(rows->types[rows->count - 1])) != 0)
            return twin_fail(error, "42804", "wrong element type");
    } while (text_take(text, ","));
    return text_take(text, ")") ? 0 : is_damaged(error);
}

static int next_of_arrays(struct rows *rows, struct twin_error *error) {
    if (rows->left == 0)
        return 0;
    rows->left--;
    for (int i = 0; i < rows->count; i++)
        if (next_value(rows, i, rows->types[i], &rows->at[i], rows->end[i], error) != 0)
            return -1;
    return 1;
}

/* ---- tables --------------------------------------------------------------------------------- */

static int open_table(struct rows *rows, const char *name, int distinct, struct twin_error *error) {
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "select %s* from ", distinct ? "distinct " : "");
    wr_sql_add_name(&sql, name);
    WR_ASSERT(sql.status == 0);
    int status = sqlite_prepare(rows->backend, sql.bytes, &rows->from, error);
    wr_buf_release(&sql);
    if (status == 0)
        rows->count = sqlite3_column_count(rows->from);
    return status;
}

static int next_of_table(struct rows *rows) {
    if (sqlite3_step(rows->from) != SQLITE_ROW)
        return 0;
    for (int i = 0; i < rows->count; i++)
        sqlite_value(rows->from, i, &rows->values[i]);
    return 1;
}

/* ---- copy ----------------------------------------------------------------------------------- */

int rows_copied(struct rows *rows, struct backend *backend, const struct twin_call *call,
                const struct twin_type *types, int count, struct wr_arena *arena,
                struct twin_error *error) {
    *rows = (struct rows){.backend = backend, .call = call, .count = count};
    wr_arena_init(&rows->arena, &wr_budget_control, ARENA_BYTES);
    rows->values = WR_ARENA_ZEROS(arena, struct twin_value, count + 1);
    WR_ASSERT(rows->values != NULL);
    for (int i = 0; i < count; i++) /* those of a sink, which has no other */
        rows->types[i] = types[i].oid == WR_OID_VARCHAR || types[i].oid == WR_OID_BPCHAR
                             ? WR_OID_TEXT
                             : types[i].oid;
    rows->copied = call->copied + COPY_HEAD;
    rows->copied_end = call->copied + call->copied_length;
    return call->copied_length < COPY_HEAD || memcmp(call->copied, "PGCOPY\n\377\r\n", 11) != 0
               ? twin_fail(error, "22P04", "COPY file signature not recognized")
               : 0;
}

static int next_of_copy(struct rows *rows, struct twin_error *error) {
    if (rows->copied_end - rows->copied < 2)
        return twin_fail(error, "22P04", "unexpected EOF in COPY data");
    unsigned count = (unsigned)(unsigned char)rows->copied[0] << 8 | (unsigned char)rows->copied[1];
    rows->copied += 2;
    if (count == UINT16_MAX)
        return 0;
    if ((int)count != rows->count)
        return twin_fail(error, "22P04", "row field count is %u, expected %d", count, rows->count);
    for (int i = 0; i < rows->count; i++)
        if (next_value(rows, i, rows->types[i], &rows->copied, rows->copied_end, error) != 0)
            return -1;
    return 1;
}

/* ---- all of them ---------------------------------------------------------------------------- */

int rows_open(struct rows *rows, struct backend *backend, const struct twin_call *call,
              struct twin_text *text, struct twin_error *error) {
    int status;
    *rows = (struct rows){.backend = backend, .call = call};
    wr_arena_init(&rows->arena, &wr_budget_control, ARENA_BYTES);
    if (text_take(text, "unnest (")) {
        status = open_arrays(rows, text, error);
    } else if (text_take(text, "(select distinct * from")) {
        char *name = text_table(text);
        status = name != NULL && text_take(text, ")") ? open_table(rows, name, 1, error)
                                                      : is_damaged(error);
    } else {
        char *name = text_table(text);
        status = name != NULL ? open_table(rows, name, 0, error) : is_damaged(error);
    }
    if (text_take(text, "as")) {
        text_name(text);
        if (text_is(text, "("))
            text_skip(text);
    }
    rows->values = WR_ARENA_ZEROS(text->arena, struct twin_value, rows->count + 1);
    WR_ASSERT(rows->values != NULL);
    return status;
}

int rows_next(struct rows *rows, struct twin_error *error) {
    wr_arena_reset(&rows->arena);
    return rows->copied != NULL ? next_of_copy(rows, error)
           : rows->from != NULL ? next_of_table(rows)
                                : next_of_arrays(rows, error);
}

void rows_close(struct rows *rows) {
    sqlite3_finalize(rows->from);
    wr_arena_release(&rows->arena);
}
