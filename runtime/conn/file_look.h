/* file_look.h: whether a file is there. Private to the room. */
#pragma once

struct wr_env;
struct wr_error;
struct wr_file_info;

/* What is known of a file, `exists` 0 where there is none. Fails where nobody can tell: what is
 * taken for missing would be written anew, or for complete. */
int wr_file_look(const struct wr_env *env, const char *path, struct wr_file_info *info, int *exists,
                 struct wr_error *err);
