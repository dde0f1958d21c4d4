/* watchdog.h: bounds what a script may use: time of the processor, and memory. One watchdog is one
 * lua_State's; it is the state's allocator, so it lives before and after it.
 *
 * While a script runs, a timer counts the processor time of its thread and ticks every 10 ms. A
 * tick that finds the deadline passed sets a hook on the running coroutine, which raises W701 at
 * each instruction until the script is left: without a hook an instruction costs nothing. The timer
 * is started by a script that runs, and stops itself when it finds none. Processor time, so that a
 * busy machine does not fail a script, and slow input is not counted.
 * Threads: those of the lua_State, one at a time; the tick comes to the thread that began. */
#pragma once
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <lua.h>

#define WATCHDOG_LOAD_US 5000000    /* of a script while it is read */
#define WATCHDOG_CALL_US 250000     /* of WATCHDOG_CALLS row functions */
#define WATCHDOG_CALLS 256          /* rows between two deadlines */
#define WATCHDOG_MEMORY (64u << 20) /* bytes of a script, over what the standard library has */
#define WATCHDOG_HARD_US 2500000    /* at least, before the process is ended from outside */

struct watchdog {
    uint64_t bytes_used;          /* of the lua_State */
    uint64_t bytes_base;          /* used before the first script */
    uint64_t bytes_max;           /* for scripts */
    int capped;                   /* what is allocated now counts for a script */
    int64_t budget_us;            /* of what runs */
    lua_State *volatile current;  /* the running coroutine */
    const struct CallInfo *entry; /* the frame of ours that called the script; NULL: no function */
    volatile sig_atomic_t depth;  /* nested calls into scripts; 0: none runs */
    volatile sig_atomic_t paused, armed, over;
    volatile uint64_t work;      /* counts what has a deadline of its own */
    volatile uint64_t work_seen; /* at the last tick */
    volatile int64_t seen_us;
    int64_t paused_us;
    int has_timer;
    timer_t timer;
    pid_t thread;
    int line; /* of `file`: where the deadline or the memory's end was met; 0: not yet */
    char file[LUA_IDSIZE];
    char message[160]; /* "W701: …", "W702: …" */
};

/* NULL: no memory. */
struct watchdog *watchdog_new(void);
void watchdog_free(struct watchdog *watchdog);
/* The lua_Alloc; `ud` is the watchdog. */
void *watchdog_alloc(void *ud, void *block, size_t size_old, size_t size_new);
struct watchdog *watchdog_of(lua_State *L);
/* From here on a script has `bytes_max` of memory, over what is in use. */
void watchdog_limit(struct watchdog *watchdog, uint64_t bytes_max);

/* A script is entered, with `budget_us` of processor time when it is the outermost, and left. */
void watchdog_enter(struct watchdog *watchdog, lua_State *L, int64_t budget_us);
void watchdog_leave(struct watchdog *watchdog, lua_State *L);
/* The work of a script that is being run has a new deadline. */
static inline void watchdog_next(struct watchdog *watchdog) {
    watchdog->work++;
}
/* Work of our own in between, which is not counted. */
void watchdog_pause(struct watchdog *watchdog);
void watchdog_resume(struct watchdog *watchdog);
/* Raises when the deadline has passed: for loops in C. */
void watchdog_poll(lua_State *L);
/* The hook on this coroutine, when the deadline has passed. */
void watchdog_arm(lua_State *L);
/* Raises what the hook raises. */
int watchdog_raise(lua_State *L);
/* Pushes what was raised, with its place. */
void watchdog_push(lua_State *L);
/* After an error: 1 when the script has used up its time or memory (`status` is what lua_pcall
 * gave); then `message` tells so, with a code. */
int watchdog_stopped(struct watchdog *watchdog, int status);
