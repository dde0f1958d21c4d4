/* scatter.h: rows and groups that do not fit into memory, by parts of the hashes of their keys, in
 * the scratch file. Each part gives what came for it in the order in which it came, so that groups
 * can be made of one part after the other, of each key's rows in their order. A part that is too
 * large itself goes to a scatter of the next level, whose parts are others.
 *
 *   block of rows:    for each: a bit a column, set where it is nil · the columns that are not
 *   block of groups:  rows of a table, as a log has them
 *   column:           its bytes; text: varint length · bytes
 *
 * Memory:  a quarter of apart->memory_bytes at most while it is filled, about; little then.
 * Source:  DeWitt et al., "Implementation techniques for main memory database systems", 1984
 *          (hybrid hash); Bloom, "Space/time trade-offs in hash coding with allowable errors",
 *          1970.
 * Threads: one. */
#pragma once
#include <stdint.h>

#include "base/buf.h"
#include "data/batch.h"

struct wr_apart;
struct wr_arena;
struct wr_scatter;
struct wr_shape;
struct wr_table;

#define WR_SCATTER_LEVELS_MAX 8u

/* What is put in. Borrowed for as long as the scatter is there. */
struct wr_scatter_form {
    struct wr_apart *apart;
    struct wr_budget *budget;
    const struct wr_shape *shape; /* of groups, … */
    uint64_t seed;                /* … and of the hashes of their keys */
    uint32_t column_count;        /* of rows */
    const enum wr_type_kind *kinds;
    uint8_t
        by_range; /* parts are ranges of hashes, as pages of tables are, and go in their order */
};

enum wr_scattered_kind {
    WR_SCATTERED_ROWS,
    WR_SCATTERED_GROUPS,
    WR_SCATTERED_PART_END,
    WR_SCATTERED_END
};

/* What stands next in a part. */
struct wr_scattered {
    enum wr_scattered_kind kind;
    uint32_t count;
    struct wr_column *columns; /* ROWS: dense; strings and all lie in the arena that was given */
    struct wr_reader groups;   /* GROUPS: for wr_scattered_load */
};

int wr_scatter_new(struct wr_scatter **made, const struct wr_scatter_form *form, uint32_t level);
void wr_scatter_free(struct wr_scatter *scatter); /* NULL is allowed */
/* Adds `count` rows: physical numbers in the columns, and the hashes of their keys. WR_OK or a
 * negative status. */
int wr_scatter_add(struct wr_scatter *scatter, const struct wr_column *columns,
                   const uint32_t *rows, const uint64_t *hashes, uint32_t count);
/* Adds copies of all groups of a table, of which no page rests. Nothing may have been added of
 * their keys. WR_OK or a negative status. */
int wr_scatter_add_groups(struct wr_scatter *scatter, const struct wr_table *table);
/* 0: nothing was added of a key of this hash. Else something was, or of keys that are alike. */
int wr_scatter_may_have(const struct wr_scatter *scatter, uint64_t hash);
/* Whether so many keys were added that wr_scatter_may_have says yes too often. */
int wr_scatter_is_crowded(const struct wr_scatter *scatter);
uint32_t wr_scatter_part_count(const struct wr_scatter *scatter);
uint64_t wr_scatter_bytes(const struct wr_scatter *scatter); /* of all that was added, about */
/* Nothing more will be added; it is read from now on. WR_OK or a negative status. */
int wr_scatter_end(struct wr_scatter *scatter);
/* What is next, in the parts one after the other; it is gone from the file then. WR_OK or a
 * negative status. */
int wr_scatter_next(struct wr_scatter *scatter, struct wr_arena *arena, struct wr_scattered *next);
/* Puts groups into a table that has none of their keys. WR_OK or WR_ENOMEM. */
int wr_scattered_load(const struct wr_scattered *groups, struct wr_table *table);
