/* secret.c: see secret.h. */
#include "conn/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "conn/endpoint.h"
#include "data/value.h"
#include "base/banned.h"

#define VARIABLE_PREFIX "WEIR_SECRET_"
#define VARIABLE_BYTES_MAX 256

int wr_secret_option(const struct wr_options *options, const char *name, struct wr_secret *secret,
                     struct wr_error *err) {
    const struct wr_value *value = wr_option(options, name);
    if (value == NULL)
        return WR_OK;
    secret->place = wr_value_string(value, "secret", NULL);
    if (secret->place != NULL)
        return WR_OK;
    wr_error_script(err, "W203", "option `%s` must be a secret", name);
    wr_error_help(err, "`weir.secret \"env:NAME\"`, or \"file:PATH\"");
    wr_error_at(err, name, 0, 0);
    return WR_ESCRIPT;
}

static int missing(struct wr_error *err, const char *place, const char *what, const char *help) {
    wr_error_set(err, WR_ENOENT, "secret(%s): %s", place, what);
    wr_error_help(err, "%s", help);
    return WR_ENOENT;
}

static int read_variable(const char *place, const char *name, const struct wr_env *env,
                         struct wr_buf *out, struct wr_error *err) {
    const char *value = env->variable(env, name);
    if (value == NULL) {
        char help[VARIABLE_BYTES_MAX + 64];
        snprintf(help, sizeof help, "set the variable `%.200s` before weir is started", name);
        return missing(err, place, "there is no such variable of the environment", help);
    }
    wr_buf_add_text(out, value);
    return WR_OK;
}

/* WEIR_SECRET_ and the name in capitals, with `_` for what stands in no variable's name. */
static int read_named(const char *place, const struct wr_env *env, struct wr_buf *out,
                      struct wr_error *err) {
    char name[VARIABLE_BYTES_MAX];
    int length = snprintf(name, sizeof name, VARIABLE_PREFIX "%s", place);
    if (length < 0 || (size_t)length >= sizeof name)
        return missing(err, place, "the name is too long", "`weir.secret \"file:PATH\"`");
    for (char *at = name; *at != 0; at++)
        *at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
    return read_variable(place, name, env, out, err);
}

static int read_file(const char *place, const char *path, const struct wr_env *env,
                     struct wr_buf *out, struct wr_error *err) {
    struct wr_file *file = NULL;
    int status = env->open(env, path, WR_FILE_READ, &file, err);
    if (status != WR_OK)
        return wr_error_add(err, status, "secret(%s)", place);
    char piece[512];
    int64_t length;
    while ((length = env->read(file, piece, sizeof piece, -1)) > 0 && out->status == WR_OK)
        wr_buf_add(out, piece, (size_t)length);
    explicit_bzero(piece, sizeof piece);
    env->close(file);
    return length < 0 ? wr_error_set(err, (int)length, "secret(%s): it cannot be read", place)
                      : WR_OK;
}

static void cut_line_break(struct wr_buf *out, size_t from) {
    if (out->length > from && out->bytes[out->length - 1] == '\n')
        out->bytes[--out->length] = 0;
    if (out->length > from && out->bytes[out->length - 1] == '\r')
        out->bytes[--out->length] = 0;
}

int wr_secret_read(const struct wr_secret *secret, const struct wr_env *env, struct wr_buf *out,
                   struct wr_error *err) {
    const char *place = secret->place;
    size_t from = out->length;
    int status;
    if (wr_buf_reserve(out, WR_SECRET_BYTES_MAX) != WR_OK) /* so that it never moves */
        return wr_error_set(err, out->status, "secret(%s): out of memory", place);
    if (strncmp(place, "env:", 4) == 0)
        status = read_variable(place, place + 4, env, out, err);
    else if (strncmp(place, "file:", 5) == 0)
        status = read_file(place, place + 5, env, out, err);
    else if (strncmp(place, "cmd:", 4) == 0)
        status = env->command(env, place + 4, out, err);
    else
        status = read_named(place, env, out, err);
    if (status != WR_OK)
        return status;
    if (strncmp(place, "file:", 5) == 0 || strncmp(place, "cmd:", 4) == 0)
        cut_line_break(out, from);
    if (out->status != WR_OK)
        return wr_error_set(err, WR_ELIMIT, "secret(%s): it is longer than %d bytes", place,
                            WR_SECRET_BYTES_MAX);
    if (strlen(out->bytes + from) != out->length - from)
        return wr_error_set(err, WR_EARG, "secret(%s): it holds a 0 byte", place);
    if (out->length == from)
        return missing(err, place, "it is empty", "leave the option out where none is needed");
    return WR_OK;
}

void wr_secret_wipe(struct wr_buf *value) {
    if (value->bytes != NULL)
        explicit_bzero(value->bytes, value->room);
    wr_buf_release(value);
}
