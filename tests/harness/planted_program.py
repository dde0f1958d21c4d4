#!/usr/bin/env python3
"""planted_program.py: sees tests/program/hardening.py find each flag that was left out."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/program"))
import hardening  # noqa: E402

SOURCE = """#include <stdio.h>
#include <string.h>
int wr_shown(char *out, const char *in);
__attribute__((noinline)) int wr_shown(char *out, const char *in) {
    char copy[64];
    strcpy(copy, in);
    return snprintf(out, 10, "%s", copy);
}
int main(int argc, char **argv) {
    char out[64];
    return wr_shown(out, argv[argc - 1]);
}
"""
GOOD = ["-O2", "-fPIE", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-pie",
        "-Wl,-z,relro,-z,now,-z,noexecstack"]


class HardeningTest(unittest.TestCase):
    def problems(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program")
            subprocess.run(["gcc", "-w", *GOOD, *flags, "-x", "c", "-", "-o", program],
                           input=SOURCE, text=True, check=True)
            return "; ".join(hardening.problems(program))

    def test_each_flag(self):
        self.assertEqual("", self.problems())
        self.assertEqual("not position independent", self.problems("-fno-pie", "-no-pie"))
        lazy = "relocations are not read-only before main"
        self.assertEqual(lazy, self.problems("-Wl,-z,lazy"))
        self.assertEqual(lazy, self.problems("-Wl,-z,norelro"))
        self.assertEqual("the stack can be executed", self.problems("-Wl,-z,execstack"))
        self.assertEqual("no stack protector", self.problems("-fno-stack-protector"))
        self.assertEqual("no fortified call", self.problems("-U_FORTIFY_SOURCE"))
        self.assertEqual("a library path of the build machine",
                         self.problems("-Wl,-rpath,/usr/local/lib"))
        self.assertEqual("linked to libz.so.1",
                         self.problems("-Wl,--no-as-needed", "-l:libz.so.1"))
        self.assertEqual("exports wr_shown and 0 others", self.problems("-rdynamic"))


if __name__ == "__main__":
    unittest.main()
