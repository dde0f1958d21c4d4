/* failpoint.c: see failpoint.h. The rules are read once, at the first failpoint that is reached. */
#include "base/failpoint.h"

#if WR_FAILPOINTS
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"

#define RULES_MAX 64
#define NAME_BYTES_MAX 64

enum action { ACT_KILL, ACT_STOP, ACT_ABORT, ACT_SLEEP, ACT_EIO, ACT_ENOSPC, ACT_ENOMEM };

static const char *const action_names[] = {"kill", "stop",   "abort", "sleep",
                                           "eio",  "enospc", "enomem"};

struct rule {
    char name[NAME_BYTES_MAX];
    enum action action;
    uint64_t sleep_ms;
    uint64_t nth;
    int and_later;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static int rule_count;
static struct wr_failpoint *points;
static _Atomic int loaded;

/* Reads digits at `*text`; 0 where there are none. */
static int read_number(const char **text, uint64_t *number) {
    char *end;
    if (**text < '0' || **text > '9')
        return 0;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return 1;
}

static int read_action(const char **text, struct rule *rule) {
    size_t length = strcspn(*text, ":@,");
    for (size_t i = 0; i < WR_COUNT(action_names); i++) {
        if (strlen(action_names[i]) == length && memcmp(action_names[i], *text, length) == 0) {
            rule->action = (enum action)i;
            *text += length;
            return 1;
        }
    }
    return 0;
}

/* One rule, and the comma behind it. */
static int read_rule(const char **text, struct rule *rule) {
    *rule = (struct rule){.nth = 1, .sleep_ms = 100};
    size_t length = strcspn(*text, ":@,");
    if (length == 0 || length >= NAME_BYTES_MAX || (*text)[length] != ':')
        return 0;
    memcpy(rule->name, *text, length);
    *text += length + 1;
    if (!read_action(text, rule))
        return 0;
    if (**text == ':' && (++*text, !read_number(text, &rule->sleep_ms)))
        return 0;
    if (**text == '@' && (++*text, !read_number(text, &rule->nth) || rule->nth == 0))
        return 0;
    if (**text == '+') {
        rule->and_later = 1;
        ++*text;
    }
    if (**text != ',' && **text != 0)
        return 0;
    *text += **text == ',';
    return 1;
}

static int rules_read(const char *text) {
    rule_count = 0;
    while (text != NULL && *text != 0) {
        if (rule_count == RULES_MAX || !read_rule(&text, &rules[rule_count]))
            return 0;
        rule_count++;
    }
    return 1;
}

static void seen_write(void) {
    const char *path = getenv("WEIR_FAILPOINTS_SEEN");
    FILE *file = path == NULL ? NULL : fopen(path, "ae");
    if (file == NULL)
        return;
    for (struct wr_failpoint *point = points; point != NULL; point = point->next)
        fprintf(file, "%s %llu\n", point->name, (unsigned long long)atomic_load(&point->count));
    fclose(file);
}

static void load_once(void) {
    pthread_mutex_lock(&lock);
    if (!atomic_load(&loaded)) {
        const char *text = getenv("WEIR_FAILPOINTS");
        if (!rules_read(text)) {
            fprintf(stderr, "weir: WEIR_FAILPOINTS=%s: want name:action[:ms][@n[+]],…\n", text);
            _exit(2);
        }
        atexit(seen_write);
        atomic_store(&loaded, 1);
    }
    pthread_mutex_unlock(&lock);
}

static void point_register(struct wr_failpoint *point) {
    pthread_mutex_lock(&lock);
    if (!atomic_load(&point->registered)) {
        point->next = points;
        points = point;
        atomic_store(&point->registered, 1);
    }
    pthread_mutex_unlock(&lock);
}

static int act(const struct rule *rule) {
    struct timespec wait = {.tv_sec = (time_t)(rule->sleep_ms / 1000),
                            .tv_nsec = (long)(rule->sleep_ms % 1000) * 1000000};
    switch (rule->action) {
    case ACT_KILL: kill(getpid(), SIGKILL); break;
    case ACT_STOP: kill(getpid(), SIGSTOP); break;
    case ACT_ABORT: abort();
    case ACT_SLEEP: nanosleep(&wait, NULL); break;
    case ACT_EIO: return EIO;
    case ACT_ENOSPC: return ENOSPC;
    case ACT_ENOMEM: return ENOMEM;
    }
    return 0;
}

int wr_failpoint_reach(struct wr_failpoint *point) {
    if (!atomic_load_explicit(&loaded, memory_order_acquire))
        load_once();
    if (!atomic_load_explicit(&point->registered, memory_order_acquire))
        point_register(point);
    uint64_t count = atomic_fetch_add(&point->count, 1) + 1;
    for (int i = 0; i < rule_count; i++) {
        const struct rule *rule = &rules[i];
        if ((count == rule->nth || (rule->and_later && count > rule->nth)) &&
            strcmp(rule->name, point->name) == 0)
            return act(rule);
    }
    return 0;
}

int wr_failpoint_set(const char *text) {
    if (!atomic_load(&loaded))
        load_once();
    pthread_mutex_lock(&lock);
    for (struct wr_failpoint *point = points; point != NULL; point = point->next)
        atomic_store(&point->count, 0);
    int good = rules_read(text);
    if (!good)
        rule_count = 0;
    pthread_mutex_unlock(&lock);
    return good;
}

uint64_t wr_failpoint_count(const char *name) {
    uint64_t count = 0;
    pthread_mutex_lock(&lock);
    for (struct wr_failpoint *point = points; point != NULL; point = point->next)
        if (strcmp(point->name, name) == 0)
            count += atomic_load(&point->count);
    pthread_mutex_unlock(&lock);
    return count;
}
#endif
