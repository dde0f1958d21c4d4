/* gate_parts.h: what a gate is made of (gate.c, gate_state.c). */
#pragma once
#include <stdint.h>

#include "exec/gate.h"

/* Where a row stands among those of all ports. */
struct place {
    int64_t time_us;
    uint8_t has_origin; /* 0: made of several rows */
    uint32_t source, partition, port;
    uint64_t record;
};

struct waiter {
    struct wr_batch *batch; /* NULL: it said a frontier, and gave nothing since */
    int64_t said;           /* the frontier of the port's unit before it gave the batch */
};

struct gate_port {
    const struct unit *from;
    uint32_t input;
    uint8_t first;      /* read whole before the others (the table side of a lookup) */
    uint8_t keeps_said; /* each frontier that is said while rows wait counts: see cut.c */
    uint32_t head;      /* queue[head] is the batch being consumed */
    uint32_t count, room;
    struct waiter *queue;
    uint32_t at;      /* rows of the head batch that are consumed */
    int64_t consumed; /* the frontier after the last consumed row */
    uint8_t has_last;
    struct place last; /* of the last consumed row */
};

struct gate {
    struct wr_run *run;
    struct unit *unit;
    enum wr_merge mode;
    uint32_t port_count;
    struct gate_port *ports;
    uint8_t done;
};

/* Puts a batch, or none, behind what waits. */
int gate_port_add(struct gate *gate, struct gate_port *port, struct wr_batch *batch);
