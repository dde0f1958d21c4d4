/* state.h: the Lua state of the program: the standard library, LPeg and `weir.native` inside it. */
#pragma once

struct lua_State;
struct wr_env;
struct wr_error;

/* What is said where the system has no memory left for the program itself. */
#define WR_LUA_NO_MEMORY \
    "weir: error: out of memory: the system gives the process no more; stop what else needs it, " \
    "or " \
    "raise the limit (`ulimit -v`). With `--state` the next run goes on from the last " \
    "checkpoint\n"

/* A new state, with `require` finding the standard library in the program itself. NULL: no memory.
 */
struct lua_State *wr_lua_new(const struct wr_env *env);
void wr_lua_free(struct lua_State *L);
/* Calls require(module).main(argv); its exit code, or 1 with the Lua error on stderr. */
int wr_lua_main(struct lua_State *L, const char *module, int argc, char **argv);
/* Whether `name` is the chunk name of a module of the standard library inside the program. */
int wr_lua_is_ours(const char *name);
