/* codec_options.h: reading a format's options, with the errors W202 and W203. */
#pragma once
#include <stdint.h>

struct wr_error;
struct wr_value;

#define WR_NULL_TEXTS_MAX 8

/* Texts that stand for nil. */
struct wr_null_texts {
    uint32_t count;
    const char *text[WR_NULL_TEXTS_MAX];
    uint32_t length[WR_NULL_TEXTS_MAX];
};

/* Every key of `options` must be one of `names` (a NULL ends them), else W202. */
int wr_options_known(const struct wr_value *options, const char *format, const char *const *names,
                     struct wr_error *err);
/* One byte that is neither a line end nor `not_this`; -1 for an empty text, where it is allowed. */
int wr_options_byte(const struct wr_value *options, const char *name, int may_be_none, int not_this,
                    int *byte, struct wr_error *err);
int wr_options_bool(const struct wr_value *options, const char *name, int *value,
                    struct wr_error *err);
/* A text or a list of texts. */
int wr_options_nulls(const struct wr_value *options, const char *name, struct wr_null_texts *nulls,
                     struct wr_error *err);
/* One of `choices` (a NULL ends them); *index is left when the option is absent. */
int wr_options_choice(const struct wr_value *options, const char *name, const char *const *choices,
                      int *index, struct wr_error *err);
