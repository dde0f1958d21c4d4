/* vfs.h: SQLite in a simulated world: a VFS whose files, clock and random numbers are those of a
 * `struct wr_sim`, so that faults and power cuts reach the state file and sinks of SQLite.
 * Locks hold between the connections of one simulation; there is no shared memory, so a database in
 * WAL mode needs `locking_mode = exclusive`, which the state file has.
 * Threads: one. */
#pragma once

struct wr_sim;
struct wr_vfs;

/* Registers a VFS of its own for `sim` and names it in its env. NULL: out of memory. */
struct wr_vfs *wr_vfs_new(struct wr_sim *sim);
/* After all its databases are closed, before the simulation is freed. */
void wr_vfs_free(struct wr_vfs *vfs);
