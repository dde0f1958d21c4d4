/* secret.h: a value that a connector gets from where the script says, when it connects, and that
 * nobody else sees. The plan holds only where it is.
 *
 *   weir.secret "env:NAME"    a variable of the environment
 *   weir.secret "file:PATH"   a file, without the line break at its end
 *   weir.secret "cmd:TEXT"    what a command of the shell prints, without the line break at its end
 *   weir.secret "NAME"        the variable WEIR_SECRET_NAME
 *   weir.env "NAME"           a variable of the environment */
#pragma once

struct wr_buf;
struct wr_env;
struct wr_error;
struct wr_options;

#define WR_SECRET_BYTES_MAX 65536

/* In the plan's arena; NULL: not given. */
struct wr_secret {
    const char *place; /* "env:NAME", "file:PATH", "cmd:TEXT", "NAME" */
};

/* The option `name`: {secret = place}. W203 for anything else. */
int wr_secret_option(const struct wr_options *options, const char *name, struct wr_secret *secret,
                     struct wr_error *err);
/* Appends the value and a 0 behind it; the caller wipes it. Errors name the place, never what is
 * there. */
int wr_secret_read(const struct wr_secret *secret, const struct wr_env *env, struct wr_buf *out,
                   struct wr_error *err);
/* Overwrites and releases. */
void wr_secret_wipe(struct wr_buf *value);
