/* main.c: the program weir: makes the Lua state and hands the command line to the standard
 * library. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/env.h"
#include "lua/state.h"
#include "base/banned.h"

/* A file opened by the program must not become its standard output or error. The lowest free
 * number is taken, so each closed one gets its own; what is written to a closed output fails. */
static int fill_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR) != fd)
            return 0;
    return 1;
}

int main(int argc, char **argv) {
    if (!fill_standard_files())
        return 1;
    /* A closed pipe and a limit on files are errors of the write, told as such. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    struct lua_State *L = wr_lua_new(wr_env_real());
    if (L == NULL) {
        fputs(WR_LUA_NO_MEMORY, stderr);
        return 1;
    }
    int code = wr_lua_main(L, "weir.main", argc, argv);
    wr_lua_free(L);
    return code;
}
