#include "base/workers.h"

#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/status.h"
#include "base/banned.h"

struct wr_workers {
    struct wr_budget *budget;
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    struct wr_task *first, *last;
    uint32_t task_count; /* that wait */
    uint32_t idle_count, thread_count, thread_max;
    uint32_t sleeper_count;
    uint64_t woken; /* how often sleepers were woken */
    uint8_t ends;
    pthread_t threads[];
};

static struct wr_task *take(struct wr_workers *workers) {
    struct wr_task *task = workers->first;
    if (task == NULL)
        return NULL;
    workers->first = task->next;
    if (workers->first == NULL)
        workers->last = NULL;
    task->next = NULL;
    workers->task_count--;
    return task;
}

static void *work(void *ctx) {
    struct wr_workers *workers = ctx;
    pthread_mutex_lock(&workers->lock);
    while (!workers->ends) {
        struct wr_task *task = take(workers);
        if (task == NULL) {
            workers->idle_count++;
            pthread_cond_wait(&workers->work, &workers->lock);
            workers->idle_count--;
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        task->run(task);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

int wr_workers_new(struct wr_workers **made, struct wr_budget *budget, uint32_t count) {
    uint32_t more = count - 1;
    struct wr_workers *workers =
        wr_alloc_zero(budget, sizeof *workers + more * sizeof *workers->threads);
    if (workers == NULL)
        return WR_ENOMEM;
    workers->budget = budget;
    workers->thread_max = more;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    pthread_cond_init(&workers->progress, NULL);
    *made = workers;
    return WR_OK;
}

/* One thread more, with the lock. Where the system has no more, those that are there do it all. */
static void begin_thread(struct wr_workers *workers) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&workers->threads[workers->thread_count], NULL, work, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        workers->thread_max = workers->thread_count;
    else
        workers->thread_count++;
}

void wr_workers_free(struct wr_workers *workers) {
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->ends = 1;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (uint32_t i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->work);
    pthread_cond_destroy(&workers->progress);
    pthread_mutex_destroy(&workers->lock);
    wr_free(workers->budget, workers);
}

uint32_t wr_workers_count(const struct wr_workers *workers) {
    return workers->thread_max + 1;
}

void wr_workers_lock(struct wr_workers *workers) {
    pthread_mutex_lock(&workers->lock);
}

void wr_workers_unlock(struct wr_workers *workers) {
    pthread_mutex_unlock(&workers->lock);
}

void wr_workers_add(struct wr_workers *workers, struct wr_task *task) {
    task->next = NULL;
    if (workers->last == NULL)
        workers->first = task;
    else
        workers->last->next = task;
    workers->last = task;
    workers->task_count++;
    if (workers->idle_count > 0)
        pthread_cond_signal(&workers->work);
    int more = workers->task_count > workers->idle_count && !workers->ends;
    if (more && workers->thread_count < workers->thread_max)
        begin_thread(workers);
}

int wr_workers_help(struct wr_workers *workers) {
    struct wr_task *task = take(workers);
    if (task == NULL)
        return 0;
    pthread_mutex_unlock(&workers->lock);
    task->run(task);
    pthread_mutex_lock(&workers->lock);
    return 1;
}

void wr_workers_sleep(struct wr_workers *workers) {
    uint64_t woken = workers->woken;
    workers->sleeper_count++;
    while (woken == workers->woken)
        pthread_cond_wait(&workers->progress, &workers->lock);
    workers->sleeper_count--;
}

void wr_workers_wake(struct wr_workers *workers) {
    if (workers->sleeper_count == 0)
        return;
    workers->woken++;
    pthread_cond_broadcast(&workers->progress);
}
