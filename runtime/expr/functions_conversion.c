/* functions_conversion.c: conversions between types, by the name of the type that results. They
 * fail rather than lose. */
#include "base/status.h"
#include "data/text.h"
#include "data/time.h"
#include "data/reject.h"
#include "expr/functions.h"
#include "base/banned.h"

const struct wr_function wr_functions_conversion[] = {{0}};
