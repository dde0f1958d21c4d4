/* measure.c: runs a command on one core and says what it took.
 *
 *     measure CORE RESULT COMMAND...
 *
 * Writes `CPU seconds, peak memory in KiB` to the file RESULT and exits as the command did. A
 * program of its own because the peak that Linux reports includes the memory of whoever started
 * the command, up to its exec: this one is small. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: measure CORE RESULT COMMAND...\n");
        return 2;
    }
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(strtoul(argv[1], NULL, 10), &cores);
    pid_t child = fork();
    if (child == 0) {
        if (sched_setaffinity(0, sizeof cores, &cores) == 0)
            execvp(argv[3], argv + 3);
        fprintf(stderr, "measure: %s: %s\n", argv[3], strerror(errno));
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
        fprintf(stderr, "measure: %s\n", strerror(errno));
        return 1;
    }
    FILE *result = fopen(argv[2], "w");
    if (result == NULL) {
        fprintf(stderr, "measure: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    fprintf(result, "%.6f %ld\n", seconds(usage.ru_utime) + seconds(usage.ru_stime),
            usage.ru_maxrss);
    if (fclose(result) != 0)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
