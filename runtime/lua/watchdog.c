#include "lua/watchdog.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lua/state.h"

#define TICK_NS 10000000
#define HOOK_MASK (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

/* The thread sanitizer keeps other signals back until the thread calls into libc, which a script in
 * a loop never does; this one it hands on at once. */
#ifdef WEIR_SANITIZE_THREAD
#define TICK_SIGNAL SIGTRAP
#else
#define TICK_SIGNAL SIGRTMIN
#endif

#ifdef WEIR_SANITIZE_THREAD
#include <setjmp.h>
/* Lua raises by this, where its package was built with _FORTIFY_SOURCE, and the sanitizer knows
 * only `longjmp`: the frames jumped over would stay on its own stack, which 65536 fill. */
_Noreturn void __longjmp_chk(jmp_buf place, int value);
_Noreturn void __longjmp_chk(jmp_buf place, int value) {
    longjmp(place, value);
}
#endif

/* ---- memory ---- */

static void remember_place(struct watchdog *self, lua_State *L);

void *watchdog_alloc(void *ud, void *block, size_t size_old, size_t size_new) {
    struct watchdog *self = ud;
    if (block == NULL)
        size_old = 0; /* it was the kind of the object */
    if (size_new == 0) {
        self->bytes_used -= size_old;
        free(block); /* tidy: allow free: the allocator of Lua, which frees with sizes */
        return NULL;
    }
    if (size_new > size_old && self->capped && !self->paused &&
        self->bytes_used + (size_new - size_old) > self->bytes_base + self->bytes_max) {
        remember_place(self, self->current);
        return NULL;
    }
    if (size_new > size_old && wr_alloc_must_fail())
        return NULL;
    /* tidy: allow realloc: small objects of Lua, counted here */
    void *made = realloc(block, size_new);
    if (made != NULL)
        self->bytes_used += size_new - size_old;
    return made;
}

void watchdog_limit(struct watchdog *self, uint64_t bytes_max) {
    self->bytes_base = self->bytes_used;
    self->bytes_max = bytes_max;
}

struct watchdog *watchdog_of(lua_State *L) {
    void *ud;
    lua_Alloc alloc = lua_getallocf(L, &ud);
    WR_ASSERT(alloc == watchdog_alloc);
    return ud;
}

struct watchdog *watchdog_new(void) {
    return wr_alloc_zero(&wr_budget_control, sizeof(struct watchdog));
}

void watchdog_free(struct watchdog *self) {
    if (self == NULL)
        return;
    if (self->has_timer)
        timer_delete(self->timer);
    wr_free(&wr_budget_control, self);
}

/* ---- where a script stands ---- */

/* The innermost frame of a script; without one the line stays 0. Behind the script (Lua makes its
 * stack smaller after an error, which wants memory too) the place stays as it is. Allocates
 * nothing: it is called where memory has run out. */
static void remember_place(struct watchdog *self, lua_State *L) {
    lua_Debug frame;
    for (int level = 0; L != NULL && level < 50 && lua_getstack(L, level, &frame); level++) {
        if (frame.i_ci == self->entry)
            return;
        self->line = 0;
        lua_getinfo(L, "Sl", &frame);
        if (frame.currentline > 0 && frame.source[0] == '@' && !wr_lua_is_ours(frame.source + 1)) {
            self->line = frame.currentline;
            memcpy(self->file, frame.short_src, sizeof self->file);
            return;
        }
    }
}

void watchdog_push(lua_State *L) {
    const struct watchdog *self = watchdog_of(L);
    if (self->line > 0)
        lua_pushfstring(L, "%s:%d: %s", self->file, self->line, self->message);
    else
        lua_pushstring(L, self->message);
}

static void say_time(struct watchdog *self) {
    int whole = self->budget_us >= 1000000 && self->budget_us % 1000000 == 0;
    snprintf(self->message, sizeof self->message, "W701: ran longer than %lld %s",
             (long long)(whole ? self->budget_us / 1000000 : self->budget_us / 1000),
             whole ? "s" : "ms");
}

int watchdog_raise(lua_State *L) {
    struct watchdog *self = watchdog_of(L);
    if (self->message[0] == 0) {
        remember_place(self, L);
        say_time(self);
    }
    watchdog_push(L);
    return lua_error(L);
}

void watchdog_poll(lua_State *L) {
    if (watchdog_of(L)->over)
        watchdog_raise(L);
}

static void hook(lua_State *L, lua_Debug *frame) {
    (void)frame;
    if (watchdog_of(L)->over)
        watchdog_raise(L);
    lua_sethook(L, NULL, 0, 0); /* left over from a script that was stopped */
}

void watchdog_arm(lua_State *L) {
    if (watchdog_of(L)->over)
        lua_sethook(L, hook, HOOK_MASK, 1);
}

int watchdog_stopped(struct watchdog *self, int status) {
    if (status == LUA_OK)
        return 0;
    if (self->message[0] != 0 && self->over)
        return 1;
    /* A tick may have come after the last instruction: while Lua looked for memory, say. */
    if (status == LUA_ERRMEM)
        snprintf(self->message, sizeof self->message, "W702: used up its memory of %llu MB",
                 (unsigned long long)(self->bytes_max >> 20));
    else if (self->over)
        say_time(self);
    return status == LUA_ERRMEM || self->over;
}

/* ---- time ---- */

static int64_t thread_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void set_timer(struct watchdog *self, long tick_ns) {
    struct itimerspec spec = {.it_interval = {.tv_nsec = tick_ns},
                              .it_value = {.tv_nsec = tick_ns}};
    timer_settime(self->timer, 0, &spec, NULL);
    self->armed = tick_ns > 0;
}

static void give_up(const struct watchdog *self) {
    static const char text[] = "weir: a function of the script does not return; ended\n";
    (void)self;
    ssize_t count = write(STDERR_FILENO, text, sizeof text - 1);
    (void)count;
    _exit(70);
}

static void tick(struct watchdog *self) {
    if (self->paused)
        return;
    if (self->depth == 0) {
        set_timer(self, 0);
        return;
    }
    int64_t now = thread_us();
    if (self->work_seen != self->work) {
        self->work_seen = self->work;
        self->seen_us = now;
        return;
    }
    int64_t spent = now - self->seen_us, hard = 2 * self->budget_us;
    if (spent < self->budget_us)
        return;
    if (spent >= (hard > WATCHDOG_HARD_US ? hard : WATCHDOG_HARD_US))
        give_up(self);
    self->over = 1;
    /* Once: it walks all frames, and those of a deep recursion may take longer than a tick. */
    if (lua_gethook(self->current) != hook)
        lua_sethook(self->current, hook, HOOK_MASK, 1);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    int saved = errno;
    if (info->si_code == SI_TIMER && info->si_value.sival_ptr != NULL)
        tick(info->si_value.sival_ptr);
    errno = saved;
}

/* A timer over the processor time of this thread. Without one (no resources) only memory is
 * bounded, so that is a failure of the program. */
static void make_timer(struct watchdog *self) {
    if (self->has_timer)
        timer_delete(self->timer);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(TICK_SIGNAL, &action, NULL);
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL, .sigev_value.sival_ptr = self};
    event._sigev_un._tid = gettid();
    int failed = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &self->timer);
    WR_ASSERT(!failed);
    self->has_timer = 1;
    self->armed = 0;
    self->thread = gettid();
}

void watchdog_enter(struct watchdog *self, lua_State *L, int64_t budget_us) {
    if (self->depth > 0) {
        self->depth++;
        return;
    }
    lua_Debug frame;
    self->entry = lua_getstack(L, 0, &frame) ? frame.i_ci : NULL;
    self->current = L;
    self->budget_us = budget_us;
    self->over = 0;
    self->line = 0;
    self->message[0] = 0;
    self->work++;
    self->depth = 1;
    if (self->armed) /* and a tick that comes now finds the script */
        return;
    if (!self->has_timer)
        make_timer(self);
    self->work_seen = self->work;
    self->seen_us = thread_us();
    set_timer(self, TICK_NS);
}

void watchdog_leave(struct watchdog *self, lua_State *L) {
    self->depth--;
    if (self->depth > 0)
        return;
    if (self->over)
        lua_sethook(L, NULL, 0, 0);
    self->current = NULL;
}

void watchdog_pause(struct watchdog *self) {
    if (self->depth > 0 && self->paused++ == 0)
        self->paused_us = thread_us();
}

void watchdog_resume(struct watchdog *self) {
    if (self->depth > 0 && self->paused == 1)
        self->seen_us += thread_us() - self->paused_us;
    if (self->paused > 0)
        self->paused--;
}
