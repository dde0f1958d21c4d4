/* test_stdlib.c: the standard library inside the program is whole. */
#include "test.h"
#include "base/env.h"

#include "lua/state.h"

#include <lauxlib.h>

struct wr_stdlib_file {
    const char *name, *text;
    uint64_t size_bytes;
};
extern const struct wr_stdlib_file wr_stdlib_files[];

TEST(stdlib_has_every_module_once_in_order) {
    uint32_t count = 0;
    for (const struct wr_stdlib_file *file = wr_stdlib_files; file->name != NULL; file++) {
        CHECK_INT(file->size_bytes, >, 4);
        CHECK_MEM(file->text, LUA_SIGNATURE, 4); /* bytecode */
        if (count++ > 0)
            CHECK_INT(strcmp(file[-1].name, file->name), <, 0);
    }
    CHECK_INT(count, >, 0);
}

TEST(stdlib_modules_load_where_no_file_of_theirs_can_be_found) {
    lua_State *L = wr_lua_new(wr_env_real());
    CHECK_PTR(L, !=, NULL);
    CHECK_INT(luaL_dostring(L, "package.path, package.cpath = '', ''"), ==, LUA_OK);
    for (const struct wr_stdlib_file *file = wr_stdlib_files; file->name != NULL; file++) {
        lua_getglobal(L, "require");
        lua_pushstring(L, file->name);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK)
            test_fail(__FILE__, __LINE__, "%s", lua_tostring(L, -1));
        CHECK_INT(lua_type(L, -1), ==, LUA_TTABLE);
        lua_pop(L, 1);
    }
    wr_lua_free(L);
}

TEST(stdlib_errors_name_module_and_line) {
    lua_State *L = wr_lua_new(wr_env_real());
    CHECK_PTR(L, !=, NULL);
    CHECK_INT(luaL_dostring(L, "for _, f in pairs(require('weir.windows')) do "
                               "  if type(f) == 'function' then"
                               "    local info = debug.getinfo(f, 'SL')"
                               "    return info.source .. (next(info.activelines) and ' lines')"
                               "  end end"),
              ==, LUA_OK);
    CHECK_STR(lua_tostring(L, -1), "@weir.windows lines");
    wr_lua_free(L);
}
