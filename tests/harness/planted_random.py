#!/usr/bin/env python3
"""planted_random.py PROGRAM: random/run.py and streams.py find what is planted in a program.

The program is wrapped: it loses the last row of its outputs where it runs in shards, which the
comparison of runs must find; or always, which only the oracle can know (WEIR_ORACLE).
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRAPPER = """#!/bin/bash
"{program}" "$@"
code=$?
if [[ $code -eq 0 && "$*" == *"{when}"* ]]; then
    sed -i '$d' out*.ndjson out*.csv 2>/dev/null
fi
exit $code
"""


def found(program, python, name, when):
    """What `name` says of a program that loses rows when `when` is among its arguments."""
    with tempfile.TemporaryDirectory(prefix="weir-planted-") as folder:
        wrapped = os.path.join(folder, "weir")
        with open(wrapped, "w", encoding="utf-8") as file:
            file.write(WRAPPER.format(program=program, when=when))
        os.chmod(wrapped, 0o755)
        return subprocess.run(
            [python, os.path.join(ROOT, "tests/random", name), "--weir", wrapped, "--no-shrink",
             "--first", "1", "--cases", "40"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False)


def main():
    program, oracle = os.path.abspath(sys.argv[1]), os.environ.get("WEIR_ORACLE")
    tries = []
    for file in ("run.py", "streams.py"):
        tries.append((oracle or sys.executable, file, "--shards", "differs: --shards"))
        if oracle:
            tries.append((oracle, file, "run", "oracle"))
    passed = 0
    for python, file, when, expected in tries:
        done = found(program, python, file, when)
        good = done.returncode == 1 and expected in done.stdout
        passed += good
        if not good:
            print(f"rows lost with `{when}` were not found by {file}:\n{done.stdout[-2000:]}")
    print(f"{passed} passed, {len(tries) - passed} failed")
    return 0 if passed == len(tries) else 1


if __name__ == "__main__":
    sys.exit(main())
