/* main.c: the program weir: makes the Lua state and hands the command line to the standard
 * library. */
#include <signal.h>
#include <stdio.h>

#include "base/env.h"
#include "lua/state.h"
#include "base/banned.h"

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write, told as such */
    struct lua_State *L = wr_lua_new(wr_env_real());
    if (L == NULL) {
        fputs("weir: out of memory\n", stderr);
        return 1;
    }
    int code = wr_lua_main(L, "weir.main", argc, argv);
    wr_lua_free(L);
    return code;
}
