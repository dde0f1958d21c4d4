/* postgres_rows.c: see postgres_rows.h. Binary forms: the functions `numeric_send`, `date_send` …
 * of the server. */
#include "conn/postgres_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/status.h"
#include "conn/builder.h"
#include "conn/endpoint.h"
#include "conn/postgres_type.h"
#include "conn/sql.h"
#include "data/time.h"
#include "base/banned.h"

#define EPOCH_DAYS 10957 /* from 1970-01-01 to 2000-01-01 */
#define FREE_SCALE 9     /* of a numeric that says no digits */
#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_POSITIVE 0x0000

/* ---- columns -------------------------------------------------------------------------------- */

static const struct {
    uint32_t oid, array;
    enum wr_type_kind kind;
    enum postgres_form form;
    uint8_t cast;
} known[] = {
    {WR_OID_BOOL, 1000, WR_BOOL, POSTGRES_BOOL, POSTGRES_AS_IT_IS},
    {WR_OID_INT2, 1005, WR_INT64, POSTGRES_INT2, POSTGRES_AS_IT_IS},
    {WR_OID_INT4, 1007, WR_INT64, POSTGRES_INT4, POSTGRES_AS_IT_IS},
    {WR_OID_INT8, 1016, WR_INT64, POSTGRES_INT8, POSTGRES_AS_IT_IS},
    {WR_OID_FLOAT4, 1021, WR_FLOAT64, POSTGRES_FLOAT4, POSTGRES_AS_IT_IS},
    {WR_OID_FLOAT8, 1022, WR_FLOAT64, POSTGRES_FLOAT8, POSTGRES_AS_IT_IS},
    {WR_OID_NUMERIC, 1231, WR_DECIMAL, POSTGRES_NUMERIC, POSTGRES_AS_IT_IS},
    {WR_OID_TEXT, 1009, WR_STRING, POSTGRES_STRING, POSTGRES_AS_IT_IS},
    {WR_OID_VARCHAR, 1015, WR_STRING, POSTGRES_STRING, POSTGRES_AS_IT_IS},
    {WR_OID_BPCHAR, 1014, WR_STRING, POSTGRES_STRING, POSTGRES_AS_IT_IS},
    {WR_OID_UUID, 2951, WR_STRING, POSTGRES_TEXT, POSTGRES_AS_TEXT},
    {WR_OID_BYTEA, 0, WR_BYTES, POSTGRES_BYTES, POSTGRES_AS_IT_IS},
    {WR_OID_TIMESTAMPTZ, 1185, WR_TIMESTAMP, POSTGRES_TIMESTAMP, POSTGRES_AS_IT_IS},
    {WR_OID_TIMESTAMP, 1115, WR_TIMESTAMP, POSTGRES_TIMESTAMP, POSTGRES_IN_ZONE},
    {WR_OID_DATE, 1182, WR_DATE, POSTGRES_DATE, POSTGRES_AS_IT_IS},
    {WR_OID_INTERVAL, 0, WR_DURATION, POSTGRES_INTERVAL, POSTGRES_AS_IT_IS},
    {WR_OID_JSON, 0, WR_JSON, POSTGRES_TEXT, POSTGRES_AS_TEXT},
    {WR_OID_JSONB, 3807, WR_JSON, POSTGRES_TEXT, POSTGRES_AS_TEXT},
};

/* The modifier of numeric(p,s) is (p << 16 | s) + 4; s is 11 bits with a sign. */
static struct wr_type decimal_of(int modifier) {
    struct wr_type type = {
        .kind = WR_DECIMAL, .precision = WR_DECIMAL_DIGITS_MAX, .scale = FREE_SCALE};
    if (modifier < 4)
        return type;
    int precision = (modifier - 4) >> 16 & 0xffff;
    int scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
    type.precision = (uint8_t)WR_MIN(precision, WR_DECIMAL_DIGITS_MAX);
    type.scale = (uint8_t)WR_MIN(WR_MAX(scale, 0), WR_DECIMAL_DIGITS_MAX);
    if (scale < 0)
        type.precision = WR_DECIMAL_DIGITS_MAX;
    type.precision = WR_MAX(type.precision, type.scale);
    return type;
}

static int type_of_array(struct postgres_column *column, uint32_t at, int modifier,
                         struct wr_arena *arena) {
    struct wr_schema *item = wr_schema_new(arena, 1);
    if (item == NULL)
        return WR_ENOMEM;
    item->fields[0].name = "item";
    item->fields[0].name_length = 4;
    item->fields[0].type =
        known[at].kind == WR_DECIMAL ? decimal_of(modifier) : WR_TYPE(known[at].kind);
    column->type = (struct wr_type){.kind = WR_LIST, .child = item};
    column->form = POSTGRES_TEXT;
    column->cast = POSTGRES_AS_JSON;
    return WR_OK;
}

static int type_column(struct postgres_column *column, uint32_t oid, int modifier, int is_array,
                       struct wr_arena *arena) {
    for (uint32_t i = 0; i < WR_COUNT(known); i++) {
        if (known[i].array == oid && oid != 0 && known[i].kind != WR_JSON)
            return type_of_array(column, i, modifier, arena);
        if (known[i].oid != oid)
            continue;
        column->type = known[i].kind == WR_DECIMAL ? decimal_of(modifier) : WR_TYPE(known[i].kind);
        column->form = known[i].form;
        column->cast = known[i].cast;
        return WR_OK;
    }
    column->type = WR_TYPE(is_array ? WR_JSON : WR_STRING);
    column->form = POSTGRES_TEXT;
    column->cast = is_array ? POSTGRES_AS_JSON : POSTGRES_AS_TEXT;
    return WR_OK;
}

static int missing_table(const struct postgres_read *read, PGconn *connection,
                         struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    const char *best = NULL;
    uint32_t distance = WR_NAME_FAR;
    PGresult *rows = NULL;
    wr_error_script(err, "W401", "no table `%s` in `%s`", read->table.table, read->postgres.place);
    if (wr_postgres_ask(&read->postgres, connection,
                        "select relname from pg_class where relkind in ('r','p','v','m','f') and "
                        "pg_table_is_visible(oid) and relnamespace <> 'pg_catalog'::regnamespace "
                        "order by 1 limit 10000",
                        NULL, 0, &rows, NULL) == WR_OK) {
        for (int i = 0; i < pq->PQntuples(rows); i++)
            wr_name_nearer(read->table.table, pq->PQgetvalue(rows, i, 0), &best, &distance);
        if (best != NULL)
            wr_error_help(err, "did you mean `%s`?", best);
        pq->PQclear(rows);
    }
    wr_error_at(err, "table", 0, 0);
    return WR_ESCRIPT;
}

static int not_described(const struct postgres_read *read, PGconn *connection,
                         const PGresult *result, struct wr_error *err) {
    const char *state = wr_postgres_sqlstate(result);
    if (read->table.table != NULL && (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0))
        return missing_table(read, connection, err);
    if (read->table.table != NULL || wr_postgres_is_lost(connection, state) ||
        strncmp(state, "42", 2) != 0)
        return wr_postgres_failed(&read->postgres, connection, result, "read", err);
    char message[POSTGRES_DETAIL_MAX];
    wr_postgres_message(connection, result, message, sizeof message);
    wr_error_script(err, "W203", "option `query` must be one `select`: PostgreSQL says: %s",
                    message);
    wr_error_at(err, "query", 0, 0);
    return WR_ESCRIPT;
}

/* Which of the types are arrays; the server's own word for all that are not known here. */
static int is_array(const struct postgres_read *read, PGconn *connection, uint32_t oid, int *is,
                    struct wr_error *err) {
    char text[16];
    const char *parameter = text;
    PGresult *rows = NULL;
    snprintf(text, sizeof text, "%u", oid);
    int status = wr_postgres_ask(&read->postgres, connection,
                                 "select typcategory = 'A' from pg_type where oid = $1::oid",
                                 &parameter, 1, &rows, err);
    if (status != WR_OK)
        return wr_postgres_final(status, err);
    *is = wr_pq()->PQntuples(rows) > 0 && wr_pq()->PQgetvalue(rows, 0, 0)[0] == 't';
    wr_pq()->PQclear(rows);
    return WR_OK;
}

static int take_columns(const struct postgres_read *read, PGconn *connection,
                        const PGresult *described, struct wr_arena *arena,
                        struct postgres_column *columns, uint32_t count, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    for (uint32_t c = 0; c < count; c++) {
        const char *name = pq->PQfname(described, (int)c);
        uint32_t oid = pq->PQftype(described, (int)c);
        int array = 0;
        int status = is_array(read, connection, oid, &array, err);
        if (status != WR_OK)
            return status;
        columns[c].name = wr_arena_strndup(arena, name, strlen(name));
        if (columns[c].name == NULL ||
            type_column(&columns[c], oid, pq->PQfmod(described, (int)c), array, arena) != WR_OK)
            return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
        for (uint32_t k = 0; k < c; k++)
            if (strcmp(columns[k].name, columns[c].name) == 0)
                return wr_error_script(err, "W105",
                                       "duplicate name `%s` in the query: `… as other_name`", name);
    }
    return WR_OK;
}

int postgres_describe(const struct postgres_read *read, PGconn *connection, struct wr_arena *arena,
                      struct postgres_column **columns, uint32_t *count, struct wr_error *err) {
    const struct wr_pq *pq = wr_pq();
    struct wr_buf sql;
    wr_buf_init(&sql, &wr_budget_control, 0);
    wr_buf_addf(&sql, "select * from (%s\n) as weir_rows", read->query);
    if (sql.status != WR_OK)
        return wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    const struct wr_postgres *postgres = &read->postgres;
    int sent = pq->PQsendPrepare(connection, "", sql.bytes, 0, NULL);
    PGresult *result = wr_postgres_answer(postgres, connection, sent);
    wr_buf_release(&sql);
    int status = WR_OK;
    if (pq->PQresultStatus(result) == PGRES_COMMAND_OK) {
        pq->PQclear(result);
        sent = pq->PQsendDescribePrepared(connection, "");
        result = wr_postgres_answer(postgres, connection, sent);
    }
    if (pq->PQresultStatus(result) != PGRES_COMMAND_OK)
        status = not_described(read, connection, result, err);
    *count = status == WR_OK ? (uint32_t)pq->PQnfields(result) : 0;
    if (status == WR_OK && (pq->PQnparams(result) > 0 || *count == 0)) {
        wr_error_script(err, "W203",
                        *count == 0 ? "option `query` gives no columns"
                                    : "option `query` has a parameter, `$1`");
        wr_error_at(err, "query", 0, 0);
        status = WR_ESCRIPT;
    }
    *columns = WR_ARENA_ZEROS(arena, struct postgres_column, *count + 1);
    if (status == WR_OK && *columns == NULL)
        status = wr_error_set(err, WR_ENOMEM, "postgres: out of memory");
    if (status == WR_OK)
        status = take_columns(read, connection, result, arena, *columns, *count, err);
    pq->PQclear(result);
    return status;
}

int postgres_check(struct postgres_column *columns, uint32_t count, const struct wr_schema *schema,
                   const char *name, struct wr_error *err) {
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const struct wr_field *field = &schema->fields[c];
        const char *has = c < count ? columns[c].name : NULL;
        if (has == NULL || strcmp(has, field->name) != 0) {
            wr_error_script(err, "W407", "%s: column %u is `%s`, the schema says `%s`", name, c + 1,
                            has == NULL ? "missing" : has, field->name);
            wr_error_help(err, "the schema has the columns in the order of the table or query");
            return WR_ESCRIPT;
        }
        enum wr_type_kind kind = columns[c].type.kind;
        int same = kind == field->type.kind && field->time_format == NULL;
        if (kind == WR_LIST || same)
            continue;
        if (columns[c].cast != POSTGRES_AS_JSON)
            columns[c].cast = POSTGRES_AS_TEXT;
        columns[c].form = POSTGRES_TEXT;
    }
    return WR_OK;
}

void postgres_add_column(struct wr_buf *sql, const struct postgres_column *column,
                         const struct postgres_read *read, PGconn *connection) {
    if (column->cast == POSTGRES_AS_JSON)
        wr_buf_add_text(sql, "to_json(");
    else if (column->cast != POSTGRES_AS_IT_IS)
        wr_buf_add_char(sql, '(');
    wr_sql_add_name(sql, column->name);
    if (column->cast == POSTGRES_IN_ZONE) {
        char *zone = wr_pq()->PQescapeLiteral(connection, read->timezone, strlen(read->timezone));
        wr_buf_addf(sql, " at time zone %s)", zone == NULL ? "'UTC'" : zone);
        wr_pq()->PQfreemem(zone);
    } else if (column->cast != POSTGRES_AS_IT_IS) {
        wr_buf_add_text(sql, ")::text");
    }
}

/* ---- values --------------------------------------------------------------------------------- */

static uint16_t get16(const char *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap16(value);
}

static uint32_t get32(const char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static uint64_t get64(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

/* Adds a group of four digits that stands at 10^exponent, in units of the last digit. */
static int add_group(__int128 *value, unsigned group, int exponent) {
    __int128 part = (__int128)group;
    for (; exponent < 0; exponent++) {
        if (part % 10 != 0)
            return 0;
        part /= 10;
    }
    for (; exponent > 0 && part > 0; exponent--)
        if (__builtin_mul_overflow(part, 10, &part))
            return 0;
    return !__builtin_add_overflow(*value, part, value);
}

static const char *read_numeric(const struct wr_type *type, const char *bytes, uint32_t length,
                                __int128 *value) {
    if (length < 8)
        return "is damaged";
    unsigned count = get16(bytes), sign = get16(bytes + 4);
    int weight = (int16_t)get16(bytes + 2);
    if (sign != NUMERIC_POSITIVE && sign != NUMERIC_NEGATIVE)
        return "is NaN or infinity, which decimals have not";
    if (length < 8 + 2 * count)
        return "is damaged";
    *value = 0;
    for (unsigned i = 0; i < count; i++)
        if (!add_group(value, get16(bytes + 8 + 2 * i), 4 * (weight - (int)i) + type->scale))
            return "has too many digits";
    __int128 limit = 1;
    for (unsigned i = 0; i < type->precision; i++)
        limit *= 10;
    if (*value >= limit)
        return "has too many digits";
    if (sign == NUMERIC_NEGATIVE)
        *value = -*value;
    return NULL;
}

static const char *read_interval(const char *bytes, int64_t *us) {
    int64_t days = (int32_t)get32(bytes + 8);
    *us = (int64_t)get64(bytes);
    if (get32(bytes + 12) != 0)
        return "is of months, which have no fixed length";
    return __builtin_add_overflow(*us, days * WR_US_PER_DAY, us) ? "is too long" : NULL;
}

static const char *read_timestamp(const char *bytes, int64_t *us) {
    int64_t value = (int64_t)get64(bytes);
    if (value == INT64_MAX || value == INT64_MIN)
        return "is infinity";
    return __builtin_add_overflow(value, EPOCH_DAYS * WR_US_PER_DAY, us) ? "is too far away" : NULL;
}

static const uint32_t widths[] = {
    [POSTGRES_BOOL] = 1, [POSTGRES_INT2] = 2,      [POSTGRES_INT4] = 4,
    [POSTGRES_INT8] = 8, [POSTGRES_FLOAT4] = 4,    [POSTGRES_FLOAT8] = 8,
    [POSTGRES_DATE] = 4, [POSTGRES_TIMESTAMP] = 8, [POSTGRES_INTERVAL] = 16,
};

/* Values of a fixed length; NULL, or why there is none. */
static const char *read_fixed(struct wr_builder *builder, uint32_t c, enum postgres_form form,
                              const char *bytes) {
    const char *why = NULL;
    int64_t number = 0;
    uint32_t bits;
    float small;
    double large;
    uint64_t wide;
    switch (form) {
    case POSTGRES_BOOL: wr_builder_bool(builder, c, bytes[0] != 0); return NULL;
    case POSTGRES_FLOAT4:
        bits = get32(bytes);
        memcpy(&small, &bits, sizeof small);
        wr_builder_float64(builder, c, (double)small);
        return NULL;
    case POSTGRES_FLOAT8:
        wide = get64(bytes);
        memcpy(&large, &wide, sizeof large);
        wr_builder_float64(builder, c, large);
        return NULL;
    case POSTGRES_INT2: number = (int16_t)get16(bytes); break;
    case POSTGRES_INT4: number = (int32_t)get32(bytes); break;
    case POSTGRES_INT8: number = (int64_t)get64(bytes); break;
    case POSTGRES_DATE:
        number = (int32_t)get32(bytes);
        why = number == INT32_MAX || number == INT32_MIN ? "is infinity" : NULL;
        number += EPOCH_DAYS;
        break;
    case POSTGRES_TIMESTAMP: why = read_timestamp(bytes, &number); break;
    case POSTGRES_INTERVAL: why = read_interval(bytes, &number); break;
    default: WR_ASSERT(!"a form of fixed length");
    }
    if (why == NULL)
        wr_builder_int64(builder, c, number);
    return why;
}

static int refused(const struct wr_field *field, const char *why,
                   char detail[POSTGRES_DETAIL_MAX]) {
    char type[96];
    wr_type_text(&field->type, type, sizeof type);
    snprintf(detail, POSTGRES_DETAIL_MAX, "column `%.100s` %s (%s)", field->name, why, type);
    return 0;
}

int postgres_value(struct wr_builder *builder, uint32_t c, enum postgres_form form,
                   const char *bytes, uint32_t length, char detail[POSTGRES_DETAIL_MAX],
                   int *status) {
    const struct wr_field *field = &builder->batch->schema->fields[c];
    const char *why = NULL;
    __int128 digits = 0;
    *status = WR_OK;
    switch (form) {
    case POSTGRES_TEXT:
    case POSTGRES_STRING:
        if (wr_builder_text(builder, c, bytes, length, status))
            return 1;
        char type[96];
        wr_type_text(&field->type, type, sizeof type);
        snprintf(detail, POSTGRES_DETAIL_MAX, "`%.*s` does not fit %s (column `%.100s`)",
                 (int)WR_MIN(length, 40u), bytes, type, field->name);
        return 0;
    case POSTGRES_BYTES: *status = wr_builder_bytes(builder, c, bytes, length); break;
    case POSTGRES_NUMERIC:
        why = read_numeric(&field->type, bytes, length, &digits);
        if (why == NULL)
            wr_builder_decimal(builder, c, digits);
        break;
    default: why = length != widths[form] ? "is damaged" : read_fixed(builder, c, form, bytes);
    }
    return why == NULL ? *status == WR_OK : refused(field, why, detail);
}
