/* twin_value.h: values and types of the twin of a PostgreSQL server: how they lie in its SQLite
 * tables, and in the binary and text forms of the protocol.
 *
 *   bool, int2 int4 int8, interval    integer (an interval in microseconds)
 *   float4 float8                     real; NaN is the text "NaN"
 *   numeric                           integer or real where that holds all digits, else text
 *   date timestamp timestamptz        text as the server writes it, so that it sorts
 *   text varchar bpchar uuid json …   text
 *   bytea                             blob
 *
 * A column of SQLite is declared as `INT(20,-1)`: the words give the affinity, the numbers the
 * type's own number and modifier, which SQLite hands on through queries. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct wr_arena;
struct wr_buf;

enum twin_kind { TWIN_NULL, TWIN_INT, TWIN_REAL, TWIN_TEXT, TWIN_BLOB };

struct twin_value {
    enum twin_kind kind;
    int64_t number;
    double real;
    const char *bytes; /* lent */
    size_t length;
};

struct twin_type {
    uint32_t oid;
    int32_t modifier; /* -1: none */
};

#define TWIN_TEXT_MAX 320

/* As a server tells it. */
struct twin_error {
    char state[6]; /* SQLSTATE */
    char message[TWIN_TEXT_MAX], detail[TWIN_TEXT_MAX];
};
/* Sets it, without a detail; -1. */
int twin_fail(struct twin_error *error, const char *state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "bigint", "int8", "numeric(10,2)" of a script: 0 where it is known. */
int twin_type_find(struct twin_type *type, const char *words, const int64_t *numbers,
                   int number_count);
/* What the catalogue calls it: "bigint", with `modifier` "numeric(10,2)"; and its short name. */
void twin_type_text(const struct twin_type *type, int with_modifier, char text[64]);
const char *twin_type_name(uint32_t oid);
/* "INT(20,-1)" and back; 0 where `declared` is one of these. */
void twin_type_declare(const struct twin_type *type, char text[64]);
int twin_type_declared(struct twin_type *type, const char *declared);

/* The binary form. 0, or -1 with `error`. What a value needs lies in `arena`. */
int twin_receive(struct twin_value *value, uint32_t oid, const char *bytes, size_t length,
                 struct wr_arena *arena, struct twin_error *error);
int twin_send(struct wr_buf *out, const struct twin_value *value, uint32_t oid,
              struct twin_error *error);
/* The text form. */
int twin_parse(struct twin_value *value, const struct twin_type *type, const char *text,
               size_t length, struct wr_arena *arena, struct twin_error *error);
void twin_write(struct wr_buf *out, const struct twin_value *value, const struct twin_type *type);
/* Fits a value of another type, or of none (a literal), into a column: range, length, digits. */
int twin_fit(struct twin_value *value, const struct twin_type *type, struct wr_arena *arena,
             struct twin_error *error);

/* twin_numeric.c: of decimal digits. */
int twin_numeric_parse(struct twin_value *value, const char *text, size_t length,
                       struct wr_arena *arena);
/* Decimal digits without an exponent; `scale` -1: as many behind the point as there are. */
void twin_numeric_write(struct wr_buf *out, const struct twin_value *value, int scale);
int twin_numeric_receive(struct twin_value *value, const char *bytes, size_t length,
                         struct wr_arena *arena);
void twin_numeric_send(struct wr_buf *out, const struct twin_value *value);
int twin_numeric_fit(struct twin_value *value, int32_t modifier, struct wr_arena *arena,
                     struct twin_error *error);
