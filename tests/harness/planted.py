#!/usr/bin/env python3
"""planted.py PROGRAM: runs planted.c and sees exactly those tests fail whose names say so."""

import os
import re
import subprocess
import sys

EXPECTED_TEXTS = [
    "not so: 1 > 2",
    "left:  18446744073709551615\n    right: -1",
    "left:  0.30000000000000004\n    right: 0.2",
    'left:  "a"\n    right: "b"',
    'left:  "NULL"\n    right: NULL',
    "byte 2 of 3: left 0x62, right 0x63",
    "text: a row\n    part: rows",
    "allocation 2 failing: 0 bytes before",
    "the body allocates",
]


def main():
    program = sys.argv[1]
    # The lost memory is planted: the leak checker is not asked.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    done = subprocess.run([program], capture_output=True, text=True, check=False, env=env)
    output = done.stdout + done.stderr
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True
                           ).stdout.split()
    wanted = {name: name.startswith("passes_") for name in names}
    found = dict((name, word.strip() == "OK") for word, name in
                 re.findall(r"^\[\s+(OK|FAILED)\s+\] (\w+)$", output, re.MULTILINE))
    problems = [f"{name}: expected {wanted[name]}, found {found.get(name)}"
                for name in names if found.get(name) != wanted[name]]
    problems += [f"not printed: {text}" for text in EXPECTED_TEXTS if text not in output]
    passed = sum(wanted.values())
    closing = f"{passed} passed, {len(names) - passed} failed"
    if not done.stdout.endswith(closing + "\n"):
        problems.append(f"the last line is not: {closing}")
    if done.returncode == 0:
        problems.append("exit code 0 with failed tests")
    one = subprocess.run([program, "passes_with_*"], capture_output=True, text=True, check=False)
    if one.returncode != 0 or not one.stdout.endswith("1 passed, 0 failed\n"):
        problems.append("a pattern does not choose one test")
    none = subprocess.run([program, "no_such_test"], capture_output=True, text=True, check=False)
    if none.returncode == 0:
        problems.append("exit code 0 with no test")
    for problem in problems:
        print(problem)
    if problems:
        print(output)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
