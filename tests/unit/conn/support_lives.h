/* support_lives.h: a SQLite sink whose rows may come as others, in several lives of which
 * the state hears, or not. */
#pragma once
#include "support_conn.h"

struct lives {
    struct world w;
    const char *path, *more;
    const struct wr_schema *schema;
    struct wr_endpoint_bind bind;
    struct wr_buf saved; /* what the state keeps of it */
    struct wr_buf notes; /* what it said, a line each */
    uint8_t held;
    uint64_t identity, epoch;
};

/* Into the table `t`; `more`: of its spec, in JSON. */
void lives_begin_with(struct lives *lives, const char *schema, const char *key, const char *more);
void lives_begin(struct lives *lives);
void lives_end(struct lives *lives);
/* Opens it behind what is saved; NULL: it does not open. */
struct wr_sink *open_varying(struct lives *lives, int varies);
/* Opens it, and it varies. */
struct wr_sink *live(struct lives *lives);
/* An epoch of rows, or of none (NULL); `kept`: the state hears of it. */
int write_rows(struct lives *lives, struct wr_sink *sink, const char *csv, int kept);
/* A life of one epoch. */
void all_of(struct lives *lives, const char *csv, int kept);
/* Three lives that write rows and end before their commit: nothing of them is seen. */
void three_are_cut_off(struct lives *lives, const char *csv);
/* A life that is open ends in order. */
void end_in_order(struct lives *lives, struct wr_sink *sink);
/* Nothing is kept any more that leads back. */
void check_nothing_is_kept(struct lives *lives);
/* Three epochs that the state hears of, of one life; and three lives of which it does not hear.
 * `draw`: rows of an epoch, as CSV. */
typedef void (*draw_fn)(uint64_t *dice, char csv[512]);
void keep_three(struct lives *lives, draw_fn draw, uint64_t *dice);
void lose_three(struct lives *lives, draw_fn draw, uint64_t *dice);
uint32_t roll(uint64_t *dice);
/* All rows of the table with all its columns. */
const char *whole(struct lives *lives);
/* All rows of the table. */
const char *rows_of(struct lives *lives);
