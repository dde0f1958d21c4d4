/* support_follow.h: a source that follows or watches, in a simulated world: files are made,
 * appended to and renamed, and what comes of them within a time is shown. */
#pragma once
#include "base/env_sim.h"
#include "support_conn.h"

#define SECOND INT64_C(1000000)

struct sim_world {
    struct world w;
    struct wr_sim *sim;
    struct wr_buf rows;
    struct wr_endpoint_bind bind;
    struct wr_source *source;
    const struct wr_source_type *type;
};

/* A world without files, and a source of one column `x` that is not open yet. */
void begin(struct sim_world *s, const struct wr_source_type *type, const char *address);
void open_at(struct sim_world *s, struct wr_reader *from);
void end(struct sim_world *s);
/* Made anew, or its bytes replaced. */
void put(struct sim_world *s, const char *path, const char *text);
void put_bytes(struct sim_world *s, const char *path, const char *bytes, size_t length);
/* Compressed: `part` bytes of it, 0: all. */
void put_gzip(struct sim_world *s, const char *path, const char *text, size_t part);
void append(struct sim_world *s, const char *path, const char *text);
void move(struct sim_world *s, const char *from, const char *to);
void drop(struct sim_world *s, const char *path);
/* What comes within `us`, as "1 2 3". */
const char *come(struct sim_world *s, int64_t us);
/* Adds what comes until a call fails, or for five seconds. */
void add_until_it_fails(struct sim_world *s, struct wr_buf *rows);
/* A checkpoint. */
void save(struct sim_world *s, struct wr_buf *saved);
/* Stops, and goes on from the position. */
void restart(struct sim_world *s);
/* As after a kill: goes on from one that was saved before. */
void restart_from(struct sim_world *s, const struct wr_buf *saved);
