/* reject.c: the fixed texts of the reject codes. */
#include "data/reject.h"

#include <stddef.h>

#include "base/banned.h"

const char *wr_reject_text(int code) {
    switch (code) {
#define REJECT_CASE(name, number, text) \
    case number: return text;
        WR_REJECT_TABLE(REJECT_CASE)
#undef REJECT_CASE
    default: return "unknown reason";
    }
}
