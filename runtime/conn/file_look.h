/* file_look.h: whether a file is there, and what is in it. Private to the room. */
#pragma once
#include <stdint.h>

struct wr_env;
struct wr_error;
struct wr_file_info;

/* What is known of a file, `exists` 0 where there is none. Fails where nobody can tell: what is
 * taken for missing would be written anew, or for complete. */
int wr_file_look(const struct wr_env *env, const char *path, struct wr_file_info *info, int *exists,
                 struct wr_error *err);
/* One of its bytes; where there is none `*byte` stays as it is. */
int wr_file_byte(const struct wr_env *env, const char *path, uint64_t at, char *byte,
                 struct wr_error *err);
