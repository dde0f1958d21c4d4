/* vfs.h: SQLite in a simulated world: a VFS whose files, clock and random numbers are those of a
 * `struct wr_sim`, so that faults and power cuts reach the state file and sinks of SQLite.
 * Locks hold between the connections of one simulation, and so does the memory that those to a
 * database in WAL mode share.
 * Threads: one. */
#pragma once
#include <stdint.h>

struct wr_sim;
struct wr_vfs;

/* Registers a VFS of its own for `sim` and names it in its env. NULL: out of memory. */
struct wr_vfs *wr_vfs_new(struct wr_sim *sim);
/* After all its databases are closed, before the simulation is freed. */
void wr_vfs_free(struct wr_vfs *vfs);
/* SQLite draws numbers of its own, for the whole process (they mark its logs): from a seed, or from
 * the machine again. No database may be open in another thread. */
void wr_vfs_seed(uint64_t seed);
void wr_vfs_unseed(void);
