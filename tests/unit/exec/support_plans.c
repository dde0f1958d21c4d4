/* support_plans.c: plans from text, as the tests of `graph` make them. */
#include "../graph/support_plan.c"
