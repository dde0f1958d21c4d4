#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void wr_assert_failed(const char *file, int line, const char *condition) {
    fprintf(stderr, "weir: a bug in weir itself: %s:%d: %s does not hold\n", file, line, condition);
    abort();
}
