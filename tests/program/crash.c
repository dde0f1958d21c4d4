/* crash.c: goes between the program and the mathematics of its C library (LD_PRELOAD), and ends the
 * process at a value: WEIR_CRASH="7777 8000" are numbers whose cube root nobody survives. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

static void die(long number) {
    static const int signals[] = {SIGKILL, SIGABRT, SIGSEGV};
    signal(signals[number % 3], SIG_DFL);
    raise(signals[number % 3]);
}

double cbrt(double x) {
    static double (*real)(double);
    const char *at = getenv("WEIR_CRASH");
    char *end = NULL;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "cbrt");
    for (long number; at != NULL && (number = strtol(at, &end, 10), end != at); at = end)
        if ((double)number == x)
            die(number);
    return real(x);
}
