/* state_file.h: small files beside the state, in its directory: notes between processes, and what
 * is known of lives that died. */
#pragma once
#include <stddef.h>

#define STATE_DIRECTORY_BYTES_MAX 4128
#define STATE_FILE_BYTES_MAX (STATE_DIRECTORY_BYTES_MAX + 64) /* of a path, its end too */

struct wr_env;
struct wr_error;

void state_file_path(char path[STATE_FILE_BYTES_MAX], const char *directory, const char *name);
int state_file_is_there(const struct wr_env *env, const char *directory, const char *name);
int state_file_remove(const struct wr_env *env, const char *directory, const char *name,
                      struct wr_error *err);
/* One that is whole or not there, also behind a power cut if it `syncs`. */
int state_file_write(const struct wr_env *env, const char *directory, const char *name,
                     const void *bytes, size_t length, int syncs, struct wr_error *err);
