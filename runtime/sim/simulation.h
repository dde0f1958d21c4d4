/* simulation.h: what the files of this room share. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "sim/sim.h"
#include "sim/twin.h"

struct wr_sim;
struct wr_sim_image;
struct wr_vfs;

#define LIFE_FAULTS_MAX 6u
#define SIM_PATH_MAX 1024

/* ---- dice.c: what is drawn ------------------------------------------------------------------- */

struct dice {
    uint64_t state;
};
uint64_t dice_u64(struct dice *dice);
/* Below `count`, which is not 0. */
uint64_t dice_below(struct dice *dice, uint64_t count);
/* From 1 to 2^bits - 1, small numbers as often as large ones. */
uint64_t dice_scale(struct dice *dice, unsigned bits);
int dice_one_in(struct dice *dice, uint64_t count);

/* How the lives of a seed run. */
struct manner {
    uint32_t batch_rows, shards;
    uint64_t shard_seed, hash_seed, spill_bytes, piece_bytes;
    int64_t checkpoint_us;
    int64_t tempo_us;     /* a step takes twice of it at most, mostly */
    uint32_t fault_count; /* lives that are disturbed */
};
/* `rows`: that the reference read. */
void manner_draw(struct manner *manner, struct dice *dice, unsigned faults, uint64_t rows,
                 int64_t checkpoint_us);
/* In half of the seeds each life behind the first one, `life` 1, has batches of another size: 1, or
 * 0 where it has not. */
int manner_draw_batches(struct manner *manner, uint32_t life, uint64_t rows);

enum when { WHEN_BEGINS, WHEN_ROWS, WHEN_STOPS };

/* What befalls a life. */
struct fault {
    enum wr_sim_fault_kind kind; /* WR_SIM_FAULT_COUNT: nothing */
    enum when when;
    uint64_t rows;  /* when so many rows were read … */
    uint64_t nth;   /* … the n-th call (allocation) from there, or at once */
    int io, sticky; /* enum wr_sim_fault of an io fault */
};
/* `rows`, `rows_max`: read so far, and in all. `faults`: those that can come. */
void fault_draw(struct fault *fault, struct dice *dice, unsigned faults, uint64_t rows,
                uint64_t rows_max);
void fault_describe(const struct fault *fault, char *text, size_t size);

/* ---- feeds.c: inputs that come while a run reads --------------------------------------------- */

/* An input that has nothing for longer than its `idle` (5 s, where nothing is said) is not waited
 * for, and what comes then may be late: so no input is quiet for longer than this. One with a
 * shorter `idle` falls idle. */
#define FEEDS_QUIET_US INT64_C(1000000)

struct feed;
struct feeds {
    struct feed *items;
    uint32_t count;
    int rotates;      /* files are renamed and begun anew, too */
    int stay;         /* none goes any more */
    int in_order;     /* those of a watched directory come one behind the other, by their names */
    struct dice dice; /* of the disk */
};
struct scene;
/* Takes the followed files and the standard input of a plan from the disk of a scene, to give them
 * bit by bit. WR_OK or WR_ENOMEM. */
int feeds_begin(struct wr_simulation *simulation, struct scene *scene, const struct wr_plan *plan);
void feeds_release(struct feeds *feeds);
/* Time passes: something may come; `must`: something comes, if anything is left. 1 where it did. */
int feeds_step(struct wr_simulation *simulation, struct scene *scene, int must);
/* How much time may pass at once: no input is quiet for so long that others do not wait for it. */
int64_t feeds_least_us(const struct feeds *feeds, int64_t us);
/* All that are away come back, and stay. 1 where any did. */
int feeds_come_back(struct wr_simulation *simulation, struct scene *scene);
/* Whether a path is one of theirs, under any name. */
int feeds_have(const struct feeds *feeds, const char *path);

/* ---- order.c: in which order rows come ------------------------------------------------------- */

/* Whether what comes of a row may depend on those before it. */
int order_decides(const struct wr_plan *plan);
/* Whether rows of what is left under a name (struct left_item) may stand in another order. */
int order_is_free(const struct wr_plan *plan, const char *name);

/* ---- left.c: what a seed leaves -------------------------------------------------------------- */

#define LEFT_OF_STATE "tables of "
struct left_item {
    const char *name; /* a path, ".part" as its final name; LEFT_OF_STATE…; a database */
    const char *bytes;
    uint64_t size;
    uint8_t is_input; /* as it was before the run */
};

struct left {
    struct wr_arena arena;
    struct left_item *items; /* in the order of their names */
    uint32_t count;
};

/* Lends the contents of the disk. */
int left_gather(struct left *left, const struct scene *scene, const char *state,
                struct wr_error *err);
void left_release(struct left *left);
/* Fills the verdict where they differ, and not by an order that the plan leaves free; 0 where they
 * do. */
int left_same(const struct left *expected, const struct left *found, const struct wr_plan *plan,
              struct wr_sim_verdict *verdict);
/* The same of two texts, by line. */
int left_same_text(const char *name, const struct left_item *expected,
                   const struct left_item *found, struct wr_sim_verdict *verdict);

/* left_sqlite.c: a database as text, a line a row. */
int left_dump(struct wr_buf *out, const char *path, const char *vfs, struct wr_error *err);
/* The tables that sinks have in the file of a state; nothing where there are none. */
int left_dump_tables(struct wr_buf *out, const char *path, const char *vfs, struct wr_error *err);
/* One that is open (an sqlite3): that of a server, whose indexes have names that are drawn. */
int left_dump_server(struct wr_buf *out, void *db, const char *name, struct wr_error *err);

/* ---- shown.c: what came out of the standard output ------------------------------------------- */

/* By life: where each begins in `text`. */
struct shown {
    struct wr_buf text;
    uint64_t begins[LIFE_FAULTS_MAX + 5];
    uint32_t lives;
};
/* Rows may come again in a later life, and none may be missing; `sinks`: that write there. */
int shown_same(const struct shown *expected, const struct shown *found, uint32_t sinks,
               struct wr_sim_verdict *verdict);

/* ---- simulation.c, live.c -------------------------------------------------------------------- */

/* One world with all its lives. */
struct scene {
    struct wr_sim *sim;
    struct wr_vfs *vfs;
    struct twin *twin;
    struct dice dice;
    struct manner manner;
    unsigned faults;
    int64_t began_us;
    struct shown shown;
    struct feeds feeds;
    struct wr_sim_counts counts; /* of the last life */
    uint32_t lives;
    uint64_t steps;
    uint32_t hit[WR_SIM_FAULT_COUNT];
    int is_reference, is_done, reopens;
    char violation[WR_SIM_VIOLATION_MAX];
};

struct wr_simulation {
    struct wr_simulation_options options;
    struct wr_sim_image *image;
    const struct wr_env *real;
    struct twin_start start;               /* of the tables of servers */
    struct scene reading, reference, seed; /* where scripts are read; … */
    struct left left;                      /* of the reference */
    int is_sealed;
    char state[SIM_PATH_MAX]; /* the directory of the state, as the disk writes it */
};

int scene_open(struct scene *scene, struct wr_simulation *simulation, uint64_t seed,
               struct wr_error *err);
void scene_close(struct scene *scene);
/* One life; WR_OK, or what makes the simulation impossible. Sets `is_done` or `violation`. */
int scene_live(struct wr_simulation *simulation, struct scene *scene,
               const struct wr_sim_script *script, struct wr_error *err);
void sim_tell(const struct wr_simulation *simulation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
