/* checkpoint.h: what a checkpoint holds. */
#pragma once
#include <stdint.h>

struct unit;
struct wr_error;
struct wr_run;

/* Flags among the run's facts, behind four numbers. */
#define RUN_FLAGS_AT 32
#define RUN_STEPS_ASIDE 1
#define RUN_IS_COMPLETE 2
#define RUN_SAYS_COMPLETE 4

#define RUN_PART_NAME_MAX 64
/* The parts of a checkpoint are named by kind, stage and instance. A stage has its number for as
 * long as the state lives (past.h), wherever it stands in the script. */
void run_part_name(char text[RUN_PART_NAME_MAX], const char *kind, const struct unit *unit,
                   uint32_t shard);
int run_checkpoint(struct wr_run *run, struct wr_error *err);
/* The same, which may be on its way when this returns: see writer.h. */
int run_checkpoint_begin(struct wr_run *run, struct wr_error *err);
/* All rows of a stage took `bytes`. */
void unit_note_row_bytes(struct unit *unit, uint32_t shard, uint64_t bytes, uint64_t rows);
