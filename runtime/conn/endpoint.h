/* endpoint.h: what connectors have in common when they are bound: reading their options out of the
 * stage's plain data, formats and compressions by name, and the errors of family W4.
 * All results live in the plan's arena. Control plane only. */
#pragma once
#include <stdint.h>

#include "conn/conn.h"

struct wr_decoder_type;
struct wr_encoder_type;

enum wr_compression { WR_COMPRESSION_NONE, WR_COMPRESSION_GZIP, WR_COMPRESSION_ZSTD };

/* The places in which an option may stand; the first of them wins. */
struct wr_options {
    const struct wr_value *spec; /* the stage itself: `mode`, `rows`, … */
    const struct wr_value *stage, *endpoint, *format;
};

/* Reads `bind->spec`, and refuses a password in the address (W405). */
int wr_options_read(struct wr_options *options, const struct wr_endpoint_bind *bind,
                    struct wr_error *err);
const struct wr_value *wr_option(const struct wr_options *options, const char *name);
/* A text option, or `otherwise`; W203 when it is something else. */
int wr_option_text(const struct wr_options *options, const char *name, const char **text,
                   struct wr_error *err);
/* A whole number of `low` or more, also as a text of bytes ("4MB"). Left alone when not given. */
int wr_option_count(const struct wr_options *options, const char *name, uint64_t low,
                    uint64_t *count, struct wr_error *err);
/* A duration in microseconds, also as text ("30s"). W203. */
int wr_option_duration(const struct wr_options *options, const char *name, uint64_t *duration_us,
                       struct wr_error *err);
/* One of the words of `words` (closed by NULL); *index is left alone when not given. W203. */
int wr_option_word(const struct wr_options *options, const char *name, const char *const *words,
                   int *index, struct wr_error *err);
int wr_option_bool(const struct wr_options *options, const char *name, int *value,
                   struct wr_error *err);
/* W203 at an option: the text says what it must be. */
int wr_option_wrong(const char *name, const char *text, struct wr_error *err);
/* Options that the language has and this version has not: a clear W203. `names` closed by NULL. */
int wr_options_refuse(const struct wr_options *options, const char *const *names,
                      struct wr_error *err);
/* All options that are in neither of the two lists (each closed by NULL; `more` may be NULL), as
 * one map: those of the format. */
int wr_options_rest(const struct wr_options *options, struct wr_arena *arena,
                    const char *const *own, const char *const *more, const struct wr_value **rest,
                    struct wr_error *err);
/* W202 for the first option that is in neither list. `what`: whose options they are. */
int wr_options_check(const struct wr_options *options, const char *what, const char *const *own,
                     const char *const *more, struct wr_error *err);
/* Names that `read`, `write` know themselves, whatever the endpoint. */
extern const char *const wr_options_of_read[];
extern const char *const wr_options_of_write[];

/* The format and compression that a file's name says: "x.csv.gz" is csv and gzip. NULL: none known.
 * */
const char *wr_format_of_name(const char *name, enum wr_compression *compression);
/* The format's name: `format =` (a text or {name=, options=}), else by the name of the file, else
 * `otherwise`; NULL in `otherwise` makes that an error (W402). */
int wr_format_choose(const struct wr_endpoint_bind *bind, const char *file, const char *otherwise,
                     const char **format, struct wr_error *err);
/* The decoder or encoder of a format; W402 with the known names. */
int wr_decoder_choose(const char *format, const struct wr_decoder_type **type,
                      struct wr_error *err);
int wr_encoder_choose(const char *format, const struct wr_encoder_type **type,
                      struct wr_error *err);
/* An encoder of the input's schema, opened once to have its options checked. */
int wr_encoder_check(struct wr_endpoint_bind *bind, const struct wr_encoder_type *type,
                     const struct wr_value *options, struct wr_error *err);

/* The schema that `schema =` gives, or NULL. */
int wr_endpoint_schema(const struct wr_endpoint_bind *bind, const struct wr_schema **schema,
                       struct wr_error *err);
/* The options `start` and `stop`: {row=} or {time=}. W203. */
int wr_endpoint_range(const struct wr_endpoint_bind *bind, struct wr_range *range,
                      struct wr_error *err);
/* Text in the plan's arena. */
const char *wr_endpoint_textf(struct wr_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How far two names are from each other: edits of one byte, neighbours swapped counting once; at
 * most `max` + 1. Source: Damerau, 1964, in the restricted form. */
uint32_t wr_name_distance(const char *a, const char *b, uint32_t max);
/* Keeps in *best the name nearest to `wanted`; *distance begins at WR_NAME_FAR. */
#define WR_NAME_FAR 4
void wr_name_nearer(const char *wanted, const char *name, const char **best, uint32_t *distance);

/* Hands text to `sink->show`. `*no_more` is set, and all that follows dropped, when nobody reads
 * the standard output any more (`| head`): that is no fault of the run. */
int wr_show(struct wr_sink *sink, const char *bytes, uint64_t length, int *no_more,
            struct wr_error *err);
