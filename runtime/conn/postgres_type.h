/* postgres_type.h: types and values of PostgreSQL, in the binary form of its protocol.
 *
 *   weir             made as                     written into columns of
 *   bool             boolean                     boolean
 *   int64            bigint                      bigint, integer, smallint, numeric
 *   float64          double precision            double precision
 *   decimal(p,s)     numeric(p,s)                numeric, with no fewer digits behind the point
 *   string           text                        text, varchar, char, citext, uuid, enums
 *   bytes            bytea                       bytea
 *   timestamp        timestamp with time zone    timestamptz (not those of fewer digits)
 *   date, duration   date, interval              date, interval
 *   json list struct map   jsonb                 jsonb, json
 *
 * Domains count as what they are over. */
#pragma once
#include <stdint.h>

#include "data/batch.h"

struct wr_buf;

/* OIDs of types that are built in (the catalogue's own, which never change). */
enum wr_postgres_oid {
    WR_OID_BOOL = 16,
    WR_OID_BYTEA = 17,
    WR_OID_INT8 = 20,
    WR_OID_INT2 = 21,
    WR_OID_INT4 = 23,
    WR_OID_TEXT = 25,
    WR_OID_JSON = 114,
    WR_OID_FLOAT4 = 700,
    WR_OID_FLOAT8 = 701,
    WR_OID_BPCHAR = 1042,
    WR_OID_VARCHAR = 1043,
    WR_OID_DATE = 1082,
    WR_OID_TIMESTAMP = 1114,
    WR_OID_TIMESTAMPTZ = 1184,
    WR_OID_INTERVAL = 1186,
    WR_OID_NUMERIC = 1700,
    WR_OID_UUID = 2950,
    WR_OID_JSONB = 3802,
};

/* A column's type as the catalogue has it. */
struct wr_postgres_type {
    uint32_t oid;     /* of a domain: of the type below it */
    int32_t modifier; /* -1: none */
    uint8_t is_enum;
    const char *name; /* "citext" */
};

/* "bigint": what a column of `type` is made as, and what the server calls it. */
int wr_postgres_add_type(struct wr_buf *sql, const struct wr_type *type);
/* How values of `type` are sent: "int8", and its number. */
const char *wr_postgres_wire(const struct wr_type *type, uint32_t *oid);

enum wr_postgres_fit { WR_POSTGRES_NO, WR_POSTGRES_CAST, WR_POSTGRES_SAME };
/* Whether values go into such a column and come back as they were: not, by a cast that the server
 * makes, or in the bytes that weir sends. */
enum wr_postgres_fit wr_postgres_fits(const struct wr_postgres_type *column,
                                      const struct wr_type *type);

#define WR_POSTGRES_DETAIL_MAX 320
/* 1 where the server has no such value, with the reason; asked before it is encoded. */
int wr_postgres_lacks(const struct wr_field *field, const struct wr_column *column, uint32_t row,
                      char detail[WR_POSTGRES_DETAIL_MAX]);
/* Appends length and bytes of a value (length -1: nil). Failures stick to `out`. */
void wr_postgres_put(struct wr_buf *out, const struct wr_type *type, const struct wr_column *column,
                     uint32_t row);
/* Begins an array of `count` values of a type, which follow by `wr_postgres_put`. */
void wr_postgres_put_array(struct wr_buf *out, const struct wr_type *type, uint32_t count);
/* Appends integers as the protocol has them, the highest byte first. */
void wr_postgres_put16(struct wr_buf *out, uint16_t value);
void wr_postgres_put32(struct wr_buf *out, uint32_t value);
