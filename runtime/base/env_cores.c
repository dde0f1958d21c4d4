/* env_cores.c: how many threads of this process can run at the same time: the processors that it
 * may use, and what its control groups leave it of them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/env_real.h"
#include "base/banned.h"

#define GROUPS "/sys/fs/cgroup"

uint32_t env_quota_cores(const char *text) {
    char *end;
    errno = 0;
    long long quota = strtoll(text, &end, 10);
    if (end == text || *end != ' ' || quota <= 0) /* "max 100000" */
        return UINT32_MAX;
    long long period = strtoll(end, NULL, 10);
    if (errno != 0 || period <= 0)
        return UINT32_MAX;
    long long cores = quota / period + (quota % period != 0);
    return (uint32_t)WR_MIN(cores, (long long)UINT32_MAX);
}

/* All of a small file as text, or "". */
static void read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[WR_MAX(got, 0)] = 0;
}

/* The least of what the group of this process and those above it may use (cgroup 2). */
static uint32_t group_cores(void) {
    char groups[4096], path[4096 + 64], quota[64];
    read_text("/proc/self/cgroup", groups, sizeof groups);
    char *group = strncmp(groups, "0::", 3) == 0 ? groups : strstr(groups, "\n0::");
    if (group == NULL)
        return UINT32_MAX;
    group = strchr(group, '/');
    if (group == NULL)
        return UINT32_MAX;
    group[strcspn(group, "\n")] = 0;
    uint32_t cores = UINT32_MAX;
    for (char *last = group + strlen(group); last != NULL; last = strrchr(group, '/')) {
        *last = 0;
        snprintf(path, sizeof path, GROUPS "%s/cpu.max", group);
        read_text(path, quota, sizeof quota);
        uint32_t here = env_quota_cores(quota);
        cores = WR_MIN(cores, here);
    }
    return cores;
}

uint32_t env_cores(const struct wr_env *env) {
    (void)env;
    cpu_set_t set;
    CPU_ZERO(&set);
    uint32_t allowed = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        allowed = (uint32_t)CPU_COUNT(&set);
    uint32_t by_group = group_cores(), cores = WR_MIN(allowed, by_group);
    return WR_MAX(cores, 1u);
}
