/* twin_result.c: what a statement of the twin gives, and the functions by which libpq's users read
 * it. See twin_server.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "conn/postgres_library.h"
#include "sim/twin_server.h"
#include "base/banned.h"

#define ROWS_FIRST 8
#define ARENA_BYTES_FIRST 512u
#define ARENA_BYTES 16384u

struct pg_result *result_new(ExecStatusType status) {
    struct pg_result *result = wr_alloc_zero(&wr_budget_control, sizeof *result);
    WR_ASSERT(result != NULL);
    wr_arena_init_growing(&result->arena, &wr_budget_control, ARENA_BYTES_FIRST, ARENA_BYTES);
    result->status = status;
    result->changed = -1;
    return result;
}

void result_free(struct pg_result *result) {
    if (result == NULL)
        return;
    wr_arena_release(&result->arena);
    wr_free(&wr_budget_control, result);
}

void result_columns(struct pg_result *result, int count) {
    result->status = PGRES_TUPLES_OK;
    result->field_count = count;
    result->names = WR_ARENA_ZEROS(&result->arena, const char *, count + 1);
    result->types = WR_ARENA_ZEROS(&result->arena, struct twin_type, count + 1);
    WR_ASSERT(result->names != NULL && result->types != NULL);
}

void result_column(struct pg_result *result, int at, const char *name,
                   const struct twin_type *type) {
    WR_ASSERT(at < result->field_count);
    result->names[at] = wr_arena_strndup(&result->arena, name, strlen(name));
    result->types[at] = *type;
    WR_ASSERT(result->names[at] != NULL);
}

struct cell *result_row(struct pg_result *result) {
    if (result->row_count == result->row_room) {
        int room = WR_MAX(ROWS_FIRST, result->row_room * 2);
        struct cell *cells =
            WR_ARENA_ZEROS(&result->arena, struct cell, (size_t)room * (size_t)result->field_count);
        WR_ASSERT(cells != NULL);
        if (result->row_count > 0)
            memcpy(cells, result->cells,
                   (size_t)result->row_count * (size_t)result->field_count * sizeof *cells);
        result->cells = cells;
        result->row_room = room;
    }
    return result->cells + (size_t)result->row_count++ * (size_t)result->field_count;
}

void result_set(struct pg_result *result, struct cell *cell, const char *bytes, size_t length) {
    cell->bytes = wr_arena_strndup(&result->arena, bytes, length);
    cell->length = (int)length;
    WR_ASSERT(cell->bytes != NULL);
}

void result_text(struct pg_result *result, struct cell *cell, const char *text) {
    result_set(result, cell, text, strlen(text));
}

/* ---- as libpq gives it ---------------------------------------------------------------------- */

static void clear(PGresult *result) {
    wr_alloc_fail_pause();
    result_free(result);
    wr_alloc_fail_resume();
}

static ExecStatusType result_status(const PGresult *result) {
    return result == NULL ? PGRES_FATAL_ERROR : result->status;
}

static char *error_field(const PGresult *result, int field) {
    if (result == NULL || result->status != PGRES_FATAL_ERROR)
        return NULL;
    const char *text = field == PG_DIAG_SQLSTATE          ? result->error.state
                       : field == PG_DIAG_MESSAGE_PRIMARY ? result->error.message
                       : field == PG_DIAG_MESSAGE_DETAIL  ? result->error.detail
                                                          : "";
    return text[0] == 0 ? NULL : (char *)text;
}

static char *command_status(PGresult *result) {
    return result->command;
}

static char *command_tuples(PGresult *result) {
    static char text[24];
    snprintf(text, sizeof text, "%lld", (long long)WR_MAX(result->changed, INT64_C(0)));
    return text;
}

static int tuple_count(const PGresult *result) {
    return result->row_count;
}

static int field_count(const PGresult *result) {
    return result->field_count;
}

static int parameter_count(const PGresult *result) {
    return result->parameter_count;
}

static char *field_name(const PGresult *result, int field) {
    return (char *)result->names[field];
}

static Oid field_type(const PGresult *result, int field) {
    return result->types[field].oid;
}

static int field_modifier(const PGresult *result, int field) {
    return result->types[field].modifier;
}

static const struct cell *cell_of(const PGresult *result, int row, int field) {
    WR_ASSERT(row < result->row_count && field < result->field_count);
    return &result->cells[(size_t)row * (size_t)result->field_count + (size_t)field];
}

static char *value_of(const PGresult *result, int row, int field) {
    const struct cell *cell = cell_of(result, row, field);
    return cell->bytes == NULL ? (char *)"" : (char *)cell->bytes;
}

static int length_of(const PGresult *result, int row, int field) {
    return cell_of(result, row, field)->length;
}

static int is_null(const PGresult *result, int row, int field) {
    return cell_of(result, row, field)->bytes == NULL;
}

void result_functions(struct wr_pq *functions) {
    functions->PQclear = clear;
    functions->PQcmdStatus = command_status;
    functions->PQcmdTuples = command_tuples;
    functions->PQfmod = field_modifier;
    functions->PQfname = field_name;
    functions->PQftype = field_type;
    functions->PQgetisnull = is_null;
    functions->PQgetlength = length_of;
    functions->PQgetvalue = value_of;
    functions->PQnfields = field_count;
    functions->PQnparams = parameter_count;
    functions->PQntuples = tuple_count;
    functions->PQresultErrorField = error_field;
    functions->PQresultStatus = result_status;
}
