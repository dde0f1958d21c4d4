/* support_parse.c: the parser of expressions that the tests of `expr` use. */
#include "../expr/support_expr_parse.c"
