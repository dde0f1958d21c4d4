/* workers.h: a few threads that run tasks for one that hands them out. A task is bounded work which
 * waits for nothing; a thread that has no task sleeps.
 * Threads: the pool has one lock, which also guards what its users keep beside their tasks; who
 *          made it calls it from one thread. Signals stay with that one. */
#pragma once
#include <stdint.h>

struct wr_budget;
struct wr_workers;

struct wr_task {
    void (*run)(struct wr_task *task); /* without the lock */
    struct wr_task *next;              /* of the pool's, while it waits */
};

#define WR_WORKERS_MAX 256

/* A pool of at most `count` threads, the caller's own among them. One begins when a task waits for
 * which none is idle; where the system gives no more, those that are there do it all. WR_OK or
 * WR_ENOMEM. */
int wr_workers_new(struct wr_workers **workers, struct wr_budget *budget, uint32_t count);
/* Lets the tasks that run end; those that wait are forgotten. NULL is allowed. */
void wr_workers_free(struct wr_workers *workers);

/* How many threads at most, the caller's own among them. */
uint32_t wr_workers_count(const struct wr_workers *workers);

void wr_workers_lock(struct wr_workers *workers);
void wr_workers_unlock(struct wr_workers *workers);
/* The rest with the lock held. Puts a task behind the others. */
void wr_workers_add(struct wr_workers *workers, struct wr_task *task);
/* Runs one that waits, in this thread and without the lock, or returns 0. */
int wr_workers_help(struct wr_workers *workers);
/* Sleeps, without the lock, until somebody wakes all that sleep. */
void wr_workers_sleep(struct wr_workers *workers);
void wr_workers_wake(struct wr_workers *workers);
