/* signature.h: reads the signature texts of function.h and matches them with argument types.
 * Aggregates use the same texts. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "data/type.h"

#define WR_SIGNATURE_PARAMS_MAX 16
#define WR_PATTERNS_MAX 48 /* types in one signature, the inner ones too */

enum wr_pattern_kind {
    WR_PATTERN_TYPE,     /* a plain type: `type`; list, map with a pattern inside */
    WR_PATTERN_VARIABLE, /* T, U: `variable` */
    WR_PATTERN_ANY,
    WR_PATTERN_NUMBER, /* int64 float64 decimal */
    WR_PATTERN_TIME,   /* timestamp date */
    WR_PATTERN_TEXT,   /* string bytes */
};

struct wr_pattern {
    uint8_t kind; /* enum wr_pattern_kind */
    uint8_t variable;
    struct wr_type type; /* no child */
    uint8_t inner[2];    /* of `patterns`: list item; map key, value. 0: any */
};

enum wr_default_kind {
    WR_DEFAULT_NONE,
    WR_DEFAULT_NIL,
    WR_DEFAULT_BOOL,
    WR_DEFAULT_INT,
    WR_DEFAULT_FLOAT,
    WR_DEFAULT_STRING
};

struct wr_param_pattern {
    const char *name; /* in the signature's text */
    uint32_t name_length;
    uint8_t pattern; /* of `patterns` */
    uint8_t is_constant, is_variadic;
    uint8_t default_kind;
    int64_t default_int; /* bool too */
    double default_float;
    const char *default_text;
    uint32_t default_length;
};

struct wr_signature_form {
    uint32_t param_count, pattern_count;
    struct wr_param_pattern params[WR_SIGNATURE_PARAMS_MAX];
    uint8_t result;
    struct wr_pattern patterns[WR_PATTERNS_MAX]; /* 0 is `any` */
};

/* What the variables stand for. */
struct wr_signature_fit {
    struct wr_type variables[2];
    uint8_t bound[2];
    struct wr_type first_class; /* of the first argument that a class took */
    uint8_t class_bound;
};

enum wr_fit_level {
    WR_FIT_EXACT, /* types as they are; a bare nil is anything */
    WR_FIT_WIDEN, /* int64 as float64 or decimal */
    WR_FIT_JSON,  /* json as whatever is asked for */
    WR_FIT_LEVELS
};

/* 1; or 0 when the text is no signature (a bug of the table that has it). */
int wr_signature_parse(const char *text, struct wr_signature_form *form);
/* Whether `count` arguments of these types fit. */
int wr_signature_fits(const struct wr_signature_form *form, const struct wr_type *args,
                      uint32_t count, enum wr_fit_level level, struct wr_signature_fit *fit);
/* The type to which argument `arg` (of type `type`) is converted; the type of the result. Types
 * with inner ones are made in `arena`; 0: out of memory. */
int wr_signature_param_type(const struct wr_signature_form *form,
                            const struct wr_signature_fit *fit, uint32_t arg,
                            const struct wr_type *type, struct wr_arena *arena,
                            struct wr_type *result);
int wr_signature_result_type(const struct wr_signature_form *form,
                             const struct wr_signature_fit *fit, struct wr_arena *arena,
                             struct wr_type *result);
static inline uint32_t wr_signature_param_of(const struct wr_signature_form *form, uint32_t arg) {
    return arg < form->param_count ? arg : form->param_count - 1;
}
