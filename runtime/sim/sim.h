/* sim.h: a pipeline in a simulated world, many times: each seed draws how its rows come in batches,
 * in which order its shards work, when its checkpoints are, and what goes wrong; what it leaves is
 * compared with what an undisturbed run leaves. It is the production scheduler that runs; the world
 * is one of `base/env_sim.h`, whose disk begins with the files of the machine (nothing of the
 * machine is written), and a server of PostgreSQL's manner (twin.h).
 *
 *   simulation -> reference -> seed: life* -> judge
 *
 * A life is one process: it ends well, is stopped, fails because a call failed, is killed, or loses
 * its power; the next one goes on from the state on the simulated disk. The last one of a seed is
 * not disturbed. A script whose functions keep something in Lua is read anew for each life by who
 * calls.
 * Threads: one. Everything is drawn from the seed: the same seed does the same calls. */
#pragma once
#include <stdint.h>

#include "exec/run.h"

struct wr_env;
struct wr_error;
struct wr_simulation;

/* What may go wrong. X(name, word, doc) */
#define WR_SIM_FAULTS(X) \
    X(KILL, "kill", "the process dies in the middle of a call") \
    X(POWER, "power", "the power goes: what was not synced is lost, torn or out of order") \
    X(IO, "io", "a call fails, once or from then on: EIO, a full disk, a short read") \
    X(MEMORY, "memory", "an allocation fails, alone or with all behind it") \
    X(STOP, "stop", "a signal stops the run, which goes on later") \
    X(SECOND, "second", "a second process tries to use the state at the same time") \
    X(CLOCK, "clock", "the wall clock is set, forward and back") \
    X(SERVER, "server", \
      "a database server or its link: lost, away, slow, its answer to a commit lost, an error")

enum wr_sim_fault_kind {
#define WR_SIM_FAULT_ENUM(name, word, doc) WR_SIM_FAULT_##name,
    WR_SIM_FAULTS(WR_SIM_FAULT_ENUM)
#undef WR_SIM_FAULT_ENUM
        WR_SIM_FAULT_COUNT
};

struct wr_simulation_options {
    uint64_t steps_max;    /* of a seed; 0: many times those of the reference */
    uint64_t record_limit; /* of each source; 0: all */
    uint64_t hash_seed;    /* of the script's settings; 0: drawn */
    uint64_t memory_bytes; /* 0: 1 GB */
    int64_t checkpoint_us; /* of the script's settings */
    int fail_on_error;
    const char *state_directory; /* the script's own, or any name */
    /* Told each thing that happens, if not NULL: a line without its end. */
    void (*tell)(void *ctx, const char *text);
    void *tell_ctx;
};

/* What a life needs of a script that was read; the plan must be finished. */
struct wr_sim_script {
    struct wr_plan *plan;
    wr_user_call_fn user_call;
    void *user_ctx;
};

/* What a run has counted when it ends. */
struct wr_sim_counts {
    uint64_t rows_in, rejected, late, steps;
    uint64_t kinds; /* a hash of how many rows which stage rejected for what */
};

#define WR_SIM_VIOLATION_MAX 1024

struct wr_sim_verdict {
    int is_over;                          /* 0: another life is to come */
    char violation[WR_SIM_VIOLATION_MAX]; /* "": what is left is what an undisturbed run leaves */
    char expected[192], found[192];       /* where a line differs, else "" */
    uint32_t lives, checkpoints;
    uint64_t steps;
    uint32_t hit[WR_SIM_FAULT_COUNT]; /* faults that met something, by kind */
    uint64_t print;                   /* of all calls of the seed: equal where the same was done */
};

/* Lends `real`. */
int wr_simulation_new(struct wr_simulation **simulation, const struct wr_env *real,
                      struct wr_error *err);
void wr_simulation_free(struct wr_simulation *simulation);
/* The world in which the script is read: the files of the machine, which it may not change. */
const struct wr_env *wr_simulation_env(struct wr_simulation *simulation);
/* What the tables of PostgreSQL servers are at the start, by the statements of a file of the
 * machine; before the script is read. */
int wr_simulation_sql(struct wr_simulation *simulation, const char *path, struct wr_error *err);
/* What the script's settings say, before the reference. WR_OK or WR_EARG: too long a path. */
int wr_simulation_set(struct wr_simulation *simulation, const struct wr_simulation_options *options,
                      struct wr_error *err);
/* The undisturbed run, once, before any seed. */
int wr_simulation_reference(struct wr_simulation *simulation, const struct wr_sim_script *script,
                            struct wr_error *err);
/* What it left, as it is compared with what seeds leave: files and databases, in the order of their
 * names. Not WR_OK ends the walk. */
typedef int (*wr_sim_left_fn)(void *ctx, const char *name, const char *bytes, uint64_t size);
int wr_simulation_left(const struct wr_simulation *simulation, wr_sim_left_fn fn, void *ctx);
/* Facts of it. */
const struct wr_sim_counts *wr_simulation_counts(const struct wr_simulation *simulation);
uint64_t wr_simulation_bytes_in(const struct wr_simulation *simulation);
/* Begins a seed; `faults`: bits of the kinds that may come. WR_OK or WR_ENOMEM. */
int wr_simulation_begin(struct wr_simulation *simulation, uint64_t seed, unsigned faults,
                        struct wr_error *err);
/* One life, and behind the last one the verdict. A status that is not WR_OK says that the
 * simulation itself cannot go on (no memory). */
int wr_simulation_live(struct wr_simulation *simulation, const struct wr_sim_script *script,
                       struct wr_sim_verdict *verdict, struct wr_error *err);
/* The word of a kind of fault; NULL behind the last one. */
const char *wr_sim_fault_word(unsigned kind);
