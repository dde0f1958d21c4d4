/* test_workers.c: each task runs as often as it was added, in whatever thread, and who waits is
 * woken. */
#include "test.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/workers.h"

enum { TASKS = 40, TURNS = 50 };

struct counted {
    struct wr_task task; /* first */
    struct wr_workers *workers;
    uint32_t *left;
    uint32_t turns, seen; /* to go, by the lock; and made, by who runs it */
};

static void turn(struct wr_task *task) {
    struct counted *counted = (struct counted *)task;
    counted->seen++; /* no other thread has the task */
    wr_workers_lock(counted->workers);
    if (--counted->turns > 0)
        wr_workers_add(counted->workers, task);
    if (--*counted->left == 0)
        wr_workers_wake(counted->workers);
    wr_workers_unlock(counted->workers);
}

static void run_with(uint32_t threads, int helps) {
    struct wr_workers *workers = NULL;
    struct counted tasks[TASKS];
    uint32_t left = TASKS * TURNS;
    CHECK_INT(wr_workers_new(&workers, &wr_budget_control, threads), ==, WR_OK);
    wr_workers_lock(workers);
    for (int i = 0; i < TASKS; i++) {
        tasks[i] =
            (struct counted){.task.run = turn, .workers = workers, .left = &left, .turns = TURNS};
        wr_workers_add(workers, &tasks[i].task);
    }
    while (left > 0)
        if (!helps || !wr_workers_help(workers))
            wr_workers_sleep(workers);
    wr_workers_unlock(workers);
    for (int i = 0; i < TASKS; i++)
        CHECK_INT(tasks[i].seen, ==, TURNS);
    wr_workers_free(workers);
}

TEST(workers_run_each_task_as_often_as_it_was_added) {
    run_with(1, 1); /* nobody else does it */
    run_with(2, 0);
    run_with(4, 1);
    run_with(9, 0);
}

TEST(workers_forget_tasks_that_have_not_begun) {
    struct wr_workers *workers = NULL;
    struct counted task = {.task.run = turn};
    CHECK_INT(wr_workers_new(&workers, &wr_budget_control, 1), ==, WR_OK);
    wr_workers_lock(workers);
    wr_workers_add(workers, &task.task);
    wr_workers_unlock(workers);
    wr_workers_free(workers);
    CHECK_INT(task.seen, ==, 0);
    wr_workers_free(NULL);
}
