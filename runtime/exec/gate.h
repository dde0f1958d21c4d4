/* gate.h: the one order of several inputs. */
#pragma once
#include <stdint.h>

#include "exec/unit.h"

struct gate;
struct wr_buf;
struct wr_reader;

int gate_new(struct gate **gate, struct wr_run *run, struct unit *unit, uint32_t port_count,
             enum wr_merge mode);
void gate_free(struct gate *gate);
void gate_set_port(struct gate *gate, uint32_t port, const struct unit *from, uint32_t input,
                   int first);
int gate_add(struct gate *gate, uint32_t port, struct wr_batch *batch);
/* Frontiers that the unit of a port says behind rows that wait are kept in their places. */
void gate_keep_said(struct gate *gate, uint32_t port);
/* Moves on whatever the order allows. */
int gate_pump(struct gate *gate);
/* All rows that will still leave the gate by `port` have event time >= this. */
int64_t gate_port_frontier(const struct gate *gate, uint32_t port);
/* Nothing of the port waits, and its input steps aside. */
int gate_port_is_idle(const struct gate *gate, uint32_t port);
/* The gate cannot go on without a row from `port`. */
int gate_wants(const struct gate *gate, uint32_t port);
/* Rows of a port go when they come, and not when those of another have ended or proved a time. */
int gate_is_by_offset(const struct gate *gate);
/* Whether rows of this port go by time. */
int gate_is_by_time(const struct gate *gate, uint32_t port);
/* Whether a row may leave it in a later push than the one that brought it. */
int gate_holds(const struct gate *gate);
/* Whether all rows of a port have gone before this one, which came by port `own`. */
int gate_port_went_before(const struct gate *gate, uint32_t port, uint32_t own,
                          const struct wr_batch *batch, uint32_t row);
/* The inputs that are read whole before the others have ended, and their rows have gone. */
int gate_has_tables(const struct gate *gate);
/* Which input of the unit a port is of. */
uint32_t gate_port_input(const struct gate *gate, uint32_t port);
/* How many rows wait. */
uint64_t gate_rows(const struct gate *gate);
/* The rows that wait, as bytes and back. */
int gate_save(const struct gate *gate, struct wr_buf *out);
int gate_load(struct gate *gate, struct wr_reader *in);
