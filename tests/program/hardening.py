#!/usr/bin/env python3
"""hardening.py PROGRAM: sees in the built program what the flags in cmake/flags.cmake promise."""

import re
import subprocess
import sys


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], capture_output=True, text=True, check=True
                          ).stdout


def problems(program):
    header = readelf("-h", program)
    segments = readelf("-l", program)
    dynamic = readelf("-d", program)
    symbols = readelf("-s", "--dyn-syms", program)
    if not re.search(r"Type:\s+DYN", header) or "PIE" not in dynamic:
        yield "not position independent"
    if "GNU_RELRO" not in segments or not re.search(r"FLAGS.*BIND_NOW", dynamic):
        yield "relocations are not read-only before main"
    stack = re.search(r"GNU_STACK.*", segments)
    if stack is None or "E" in stack.group().split()[-2]:
        yield "the stack can be executed"
    if re.search(r"LOAD.* RWE ", segments):
        yield "a segment can be written and executed"
    if "__stack_chk_fail" not in symbols:
        yield "no stack protector"
    if not re.search(r"__\w+_chk\b", symbols.replace("__stack_chk", "")):
        yield "no fortified call"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield "a library path of the build machine"
    libraries = set(re.findall(r"NEEDED.*\[(.*?)\]", dynamic))
    allowed = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
               "librdkafka.so.1"}
    if libraries - allowed:
        yield f"linked to {', '.join(sorted(libraries - allowed))}"
    exported = re.findall(r"GLOBAL +DEFAULT +\d+ (wr_\w+|sqlite3_\w+|EVP_\w+)$",
                          readelf("--dyn-syms", program), re.MULTILINE)
    if exported:
        yield f"exports {exported[0]} and {len(exported) - 1} others"


def main():
    found = list(problems(sys.argv[1]))
    for problem in found:
        print(f"{sys.argv[1]}: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
