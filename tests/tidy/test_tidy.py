#!/usr/bin/env python3
"""test_tidy: plants one violation of each kind in a small tree, and sees tidy.py find just that.

Every case has a twin that is close to it and allowed, so that a check that reports everything
fails here as well as one that reports nothing.
"""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

FLOORS = "# floors\nbase 0\ndata 1\nop 4\nconn 4\ncli 8\n"
SOURCE = "/* thing.c: a thing. */\n"
HEADER = "/* thing.h: a thing. */\n#pragma once\n"


def function(lines, name="long_one", comment=""):
    """A C function of so many lines."""
    body = "    step();\n" * (lines - 2)
    return f"{comment}static void {name}(void) {{\n{body}}}\n"


def lua_function(lines):
    body = "  step()\n" * (lines - 2)
    return f"-- A thing.\nlocal function long_one()\n{body}end\nreturn long_one\n"


class TidyTest(unittest.TestCase):
    def findings(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            files = {"tests/tidy/floors": FLOORS, path: text}
            for name in ("base", "data", "op", "conn", "cli"):
                files.setdefault(f"runtime/{name}/empty.h", f"/* {name} */\n#pragma once\n")
            for name, content in files.items():
                target = os.path.join(root, name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "w", encoding="utf-8", newline="") as file:
                    file.write(content)
            return tidy.check_tree(root, "gcc" if path.endswith(".h") else None)

    def finds(self, check, path, text, line=None):
        found = self.findings(path, text)
        self.assertEqual([(path, check)], sorted({(f[0], f[2]) for f in found}), found)
        if line is not None:
            self.assertEqual(line, found[0][1], found)

    def passes(self, path, text):
        self.assertEqual([], self.findings(path, text))

    def test_a_higher_floor(self):
        self.finds("floors", "runtime/data/x.c", SOURCE + '#include "op/empty.h"\n', 2)
        self.finds("floors", "runtime/data/x.h", HEADER + '#include "op/empty.h"\n', 3)
        self.finds("floors", "runtime/base/x.c", SOURCE + '#include "../cli/empty.h"\n', 2)
        self.finds("floors", "tests/unit/base/test_x.c", SOURCE + '#include "data/empty.h"\n', 2)
        self.passes("runtime/op/x.c", SOURCE + '#include "data/empty.h"\n#include "op/empty.h"\n')
        self.passes("runtime/op/x.c", SOURCE + "#include <sys/stat.h>\n")

    def test_a_neighbour(self):
        self.finds("floors", "runtime/conn/x.c", SOURCE + '#include "op/empty.h"\n', 2)
        self.finds("floors", "runtime/op/x.h", HEADER + '#  include "conn/empty.h"\n', 3)

    def test_a_room_without_a_floor(self):
        self.finds("floors", "runtime/attic/x.c", SOURCE)

    def test_a_long_file(self):
        lines = "int a;\n" * (tidy.FILE_LINES_MAX - 1)
        self.passes("runtime/data/x.c", SOURCE + lines)
        self.finds("lines", "runtime/data/x.c", SOURCE + lines + "int a;\n")
        self.finds("lines", "runtime/data/x.c", "/* x. tidy: long file: */\n" + lines + "int a;\n")
        self.passes("runtime/data/x.c", "/* x. tidy: long file: a table */\n" + lines + "int a;\n")
        self.finds("lines", "stdlib/weir/x.lua", "-- A thing.\n" + "f()\n" * 600)

    def test_a_long_function(self):
        most = tidy.FUNCTION_LINES_MAX
        self.passes("runtime/data/x.c", SOURCE + function(most) + "\n" + function(most, "b"))
        self.finds("function", "runtime/data/x.c", SOURCE + "\n" + function(most + 1), 3)
        self.finds("function", "runtime/data/x.c", SOURCE + "\n" + function(10) + "\n"
                   + "int b(int a,\n      int c) {\n" + "    step();\n" * most + "}\n", 14)
        self.finds("function", "tests/unit/data/test_x.c", SOURCE + "\n"
                   + function(most + 1).replace("static void long_one(void)", "TEST(x)"), 3)
        self.finds("function", "stdlib/weir/x.lua", lua_function(most + 1), 2)
        self.passes("stdlib/weir/x.lua", lua_function(most))

    def test_a_long_function_with_a_reason(self):
        most = tidy.FUNCTION_LINES_MAX
        self.passes("runtime/data/x.c", SOURCE + "\n"
                    + function(most + 1, comment="/* tidy: long: a decoder's loop */\n"))
        self.finds("function", "runtime/data/x.c", SOURCE + "\n"
                   + function(most + 1, comment="/* tidy: long: */\n"))
        self.finds("function", "runtime/data/x.c", SOURCE + "\n/* tidy: long: for another */\n"
                   + function(3, "a") + "\n" + function(most + 1))

    def test_a_long_table_is_no_function(self):
        rows = "    {1, 2},\n" * 100
        self.passes("runtime/data/x.c", SOURCE + f"static const int a[][2] = {{\n{rows}}};\n")
        self.passes("runtime/data/x.c", SOURCE + "struct x {\n" + "    int a;\n" * 100 + "};\n")

    def test_a_long_line(self):
        self.passes("runtime/data/x.c", SOURCE + "/* " + "x" * 94 + " */\n")
        self.finds("columns", "runtime/data/x.c", SOURCE + "/* " + "x" * 95 + " */\n", 2)
        self.passes("runtime/data/x.c", SOURCE + "/* " + "\u00e9" * 94 + " */\n")

    def test_each_banned_call(self):
        for name in tidy.BANNED:
            self.finds("banned", "runtime/data/x.c", SOURCE + f"void f(void) {{ {name} (a); }}\n")
            self.passes("runtime/data/x.c", SOURCE + f"void f(void) {{ my_{name}(a); }}\n")

    def test_a_call_that_is_made_twice(self):
        body = SOURCE + "int f(char *a) {{ return WR_MIN({}, 1); }}\n"
        self.finds("twice", "runtime/data/x.c", body.format("push(a)"))
        self.finds("twice", "runtime/data/x.c", body.format("(int)(a + op->push(a))"))
        self.passes("runtime/data/x.c", body.format("(int)strlen(a)"))

    def test_banned_names_that_are_no_calls(self):
        self.passes("runtime/data/x.c", SOURCE + "/* never malloc(n) */\nvoid f(void);\n")
        self.passes("runtime/data/x.c", SOURCE + 'const char *a = "free(it)";\n')
        self.passes("runtime/data/x.c", SOURCE + "void f(void) { type->free(a); env.time(b); }\n")

    def test_a_banned_call_where_it_is_the_point(self):
        call = "void *f(void) { return malloc(1); }\n"
        self.passes("runtime/base/alloc.c", SOURCE + call)
        self.finds("banned", "runtime/base/other.c", SOURCE + call)
        self.finds("banned", "runtime/base/alloc.c", SOURCE + "int f(void) { return rand(); }\n")
        self.passes("tests/bench/x.c", SOURCE + call)
        self.passes("runtime/data/x.c", SOURCE + "/* tidy: allow malloc: the reason */\n" + call)
        self.finds("banned", "runtime/data/x.c", SOURCE + "/* tidy: allow malloc: */\n" + call)
        self.finds("banned", "runtime/data/x.c", SOURCE + "/* tidy: allow free: it */\n" + call)

    def test_a_header_that_needs_another_first(self):
        self.finds("header", "runtime/data/x.h", HEADER + "uint32_t f(void);\n")
        self.passes("runtime/data/x.h", HEADER + "#include <stdint.h>\nuint32_t f(void);\n")
        self.finds("header", "runtime/data/x.h", HEADER + '#include "base/missing.h"\n')

    def test_a_header_without_pragma_once(self):
        self.finds("header", "runtime/data/x.h", "/* thing.h: a thing. */\nint f(void);\n")

    def test_a_file_that_does_not_say_what_it_is_for(self):
        self.finds("comment", "runtime/data/x.c", "int a;\n")
        self.passes("runtime/data/empty.c", "int a;\n")
        self.finds("comment", "runtime/data/x.h", "#pragma once\n/* A thing. */\n")
        self.finds("comment", "stdlib/weir/x.lua", "return 1\n")
        self.finds("comment", "spec/support/x.lua", "return 1\n")
        self.passes("spec/x_spec.lua", "describe()\n")
        self.finds("comment", "tests/x.py", "import os\n")
        self.passes("examples/x.lua", "#!/usr/bin/env weir\n-- A thing.\nreturn 1\n")

    def test_blanks(self):
        self.finds("blanks", "runtime/data/x.c", SOURCE + "int a; \n", 2)
        self.finds("blanks", "runtime/data/x.c", SOURCE + "int\ta;\n", 2)
        self.finds("blanks", "runtime/data/x.c", SOURCE + "int a;\r\n", 2)
        self.finds("blanks", "runtime/data/x.c", SOURCE + "int a;")
        self.finds("blanks", "runtime/data/x.c", SOURCE + "int a;\n\n")
        self.finds("blanks", "stdlib/weir/x.lua", "-- A thing. \nreturn 1\n", 1)

    def test_a_path_of_one_machine(self):
        for path in ("/" + "home/someone/x", "/" + "work/x", "/" + "root/.cache"):
            self.finds("paths", "runtime/data/x.c", SOURCE + f'const char *a = "{path}";\n', 2)
            self.finds("paths", "README.md", f"See {path}.\n", 1)
        self.passes("runtime/data/x.c", SOURCE + 'const char *a = "a/home/x /tmp/x";\n')

    def test_a_todo_without_its_issue(self):
        todo = "TO" + "DO"
        self.finds("todo", "runtime/data/x.c", SOURCE + f"/* {todo}: more */\n", 2)
        self.finds("todo", "stdlib/weir/x.lua", f"-- A thing.\n-- {todo}() more\nreturn 1\n", 2)
        self.passes("runtime/data/x.c", SOURCE + f"/* {todo}(#41): more */\n")

    def test_what_was_built_and_what_is_data_is_left_alone(self):
        self.passes("build/x.c", "int\ta;")
        self.passes("build-asan/x.c", "int\ta;")
        self.passes("tests/fuzz/corpus/lua/x.lua", "\t")


if __name__ == "__main__":
    unittest.main()
