/* support_conn.h: what the tests of connectors share: a folder, specs written as JSON, runs of a
 * source and of a sink without a graph, and rows as text. */
#pragma once
#include "test.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/status.h"
#include "base/workers.h"
#include "conn/conn.h"
#include "conn/connectors.h"
#include "data/codec.h"

/* A world of its own for each test; world_end checks that all memory came back. */
struct world {
    const struct wr_env *env;
    struct wr_budget budget;
    struct wr_arena arena;
    struct wr_batch_pool pool;
    struct wr_error err;
    char folder[64];
    struct wr_buf rejects;  /* "W502 line 3: detail [raw]\n" for each */
    struct wr_buf shown;    /* what sinks showed on stdout */
    struct wr_buf notes;    /* a note or "CODE text" of a warning, each with a "\n" */
    struct wr_store *store; /* of the sinks that it opens; NULL: none */
    int is_complete;        /* the state of the sinks that it opens is of a run that has ended */
    int gets_more;          /* … and their script has got another source since */
    uint64_t record_limit;  /* of the sources that it opens; 0: none … */
    uint32_t threads;       /* … and how many read them; 0: without a pool */
    uint64_t control_bytes; /* in use at its begin */
};

void world_begin(struct world *world);
void world_end(struct world *world);
/* "FOLDER/NAME"; lives as long as the world. */
const char *in_folder(struct world *world, const char *name);
void put_file(const char *path, const void *bytes, size_t length);
void put_text(const char *path, const char *text);
/* The bytes of a file with a 0 behind, in the world's arena; NULL when it is not there. */
const char *file_text(struct world *world, const char *path, size_t *length);
/* Entries of the folder that are not "." or "..". */
int file_count(struct world *world);

/* Plain data from JSON text in which ' stands for ", and %s for the arguments. */
struct wr_value *value_of_json(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A schema from "name type, name type". */
const struct wr_schema *schema_of(struct world *world, const char *text);

/* Binds; world->err says why not. */
int bind_source(struct world *world, const struct wr_source_type *type, struct wr_value *spec,
                struct wr_endpoint_bind *bind);
struct wr_source *open_source(struct world *world, const struct wr_source_type *type,
                              const struct wr_endpoint_bind *bind, uint32_t batch_rows,
                              struct wr_reader *from);
void close_source(struct wr_source *source);
/* The `reject` of sources and sinks: adds to world->rejects. `ctx`: the world. */
int take_reject(void *ctx, const struct wr_reject *reject);
/* Reads up to `batch_max` batches (0: all); rows go to `out` as CSV lines without a header. */
int read_source(struct world *world, struct wr_source *source, uint32_t batch_max,
                struct wr_buf *out);
/* Binds, opens, reads all and closes. The rows, or "error CODE: text\nhelp". */
const char *all_rows(struct world *world, const struct wr_source_type *type, struct wr_value *spec,
                     uint32_t batch_rows);

/* A batch from rows of "text,text" in CSV by the schema; the first letter of a line of a changelog
 * may be + or -. */
struct wr_batch *batch_of(struct world *world, const struct wr_schema *schema, const char *csv);
int bind_sink(struct world *world, const struct wr_sink_type *type, struct wr_value *spec,
              const struct wr_schema *schema, const char *key, struct wr_endpoint_bind *bind);
struct wr_sink *open_sink(struct world *world, const struct wr_sink_type *type,
                          const struct wr_endpoint_bind *bind, struct wr_reader *from);
void close_sink(struct wr_sink *sink);
/* A sink's `show`, whose context is the world. */
int show_in_world(void *ctx, const char *bytes, uint64_t length);
/* begin, write, prepare, commit. */
int write_epoch(struct world *world, struct wr_sink *sink, uint64_t epoch, struct wr_batch *batch);
/* Binds, opens, one epoch, finish, close: WR_OK or the first failure. */
int write_all(struct world *world, const struct wr_sink_type *type, struct wr_value *spec,
              const struct wr_schema *schema, const char *key, const char *csv);
/* "CODE text | help" of world->err. */
const char *error_text(struct world *world);
/* All rows of a query: values by `|`, rows by newlines; NULL as `null`. */
const char *query(struct world *world, const char *path, const char *sql);
/* Compressed bytes, in the world's arena. */
const char *gzip_of(struct world *world, const char *text, size_t length, size_t *size);
const char *zstd_of(struct world *world, const char *text, size_t length, size_t *size);

/* An env whose standard input is `text`, given `chunk` bytes at a time; other files are real, read
 * `chunk` bytes at a time too. Once `full_at` bytes were written in all, writing fails: no space.
 * Another program appends `theirs` to `others` once: before a file is held, or as a write fails.
 */
struct odd_env {
    struct wr_env env;
    const char *text;
    size_t length, at, chunk;
    uint64_t full_at, written;
    const char *others, *theirs;
    int others_come_at_hold;
    int stdin_opened;
};
void odd_env_init(struct odd_env *odd, struct world *world);

#define TABLE_SCHEMA "k string,n int64"

void run_sql(const char *path, const char *sql);
/* The spec of a sink into the table `t`; `more` of it in JSON as for value_of_json. */
struct wr_value *sqlite_spec(struct world *world, const char *path, const char *more);
/* Writes rows of TABLE_SCHEMA by a sink, from its bind to its end. */
int sqlite_put(struct world *world, const char *path, const char *more, const char *key,
               const char *csv);
