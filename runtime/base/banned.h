/* banned.h: included last by every .c outside base/alloc.c; makes calls that we do not use an
 * error. Memory comes from a budget (`base/alloc.h`), text is formatted with a length. */
#pragma once
#pragma GCC poison malloc calloc realloc strcpy strcat sprintf vsprintf atoi atol atof rand srand \
    gets
