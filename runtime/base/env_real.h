/* env_real.h: parts of the real world that have files of their own. Private to the room. */
#pragma once
#include "base/env.h"

/* As env->cores. */
uint32_t env_cores(const struct wr_env *env);
/* What the text of a `cpu.max` allows, rounded up; UINT32_MAX: any number. */
uint32_t env_quota_cores(const char *text);
