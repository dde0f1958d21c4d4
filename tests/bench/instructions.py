#!/usr/bin/env python3
"""instructions.py BUILD_FOLDER [--update]: counts instructions, which noise cannot touch.

Runs the scripts of the measurements over small fixed inputs under callgrind and compares the counts
with those in tests/bench/instructions.txt. A count that differs by more than TOLERANCE, up or down,
fails: a loss is a regression, and a gain is written down with --update, so that it is kept. The
counts hold for the release build with Debian 12's compiler and for a processor with AVX2 (valgrind
shows programs no more than that); on one without they are not compared (exit code 77).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.03
ROWS = 20000
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(ROOT, "tests/bench/scripts")
COUNTS = os.path.join(ROOT, "tests/bench/instructions.txt")
NOT_A_WORK = {"bids.lua"}


def count(weir, folder, script):
    """Instructions of one run, its start included."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", weir, "run", script,
         "--workers", "1"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": folder, "TZ": "UTC"})
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{script}: exit code {done.returncode}\n{done.stderr}")
    return int(found.group(1))


def count_all(build):
    weir = os.path.join(build, "weir")
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(SCRIPTS):
            shutil.copy(os.path.join(SCRIPTS, name), folder)
        for kind in ("ndjson", "csv"):
            with open(os.path.join(folder, f"bids.{kind}"), "wb") as file:
                subprocess.run([os.path.join(build, "tests/bench/bids"), kind, str(ROWS)],
                               stdout=file, check=True)
        with open(os.path.join(folder, "start.lua"), "w", encoding="utf-8") as file:
            file.write('weir.rows("a int64", { { a = 1 } }):write("out.ndjson")\n')
        scripts = sorted(set(os.listdir(SCRIPTS)) - NOT_A_WORK) + ["start.lua"]
        return {script[:-4]: count(weir, folder, script) for script in scripts}


def read_counts(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {name: int(number) for name, number in rows}


def differences(expected, found):
    """Lines that say what differs by more than the tolerance."""
    for name in sorted(set(expected) | set(found)):
        if name not in found:
            yield f"{name}: counted no more; --update takes it out"
        elif name not in expected:
            yield f"{name}: {found[name]} instructions, and none expected; --update writes it down"
        else:
            change = found[name] / expected[name] - 1
            if abs(change) > TOLERANCE:
                yield (f"{name}: {expected[name]} instructions expected, {found[name]} counted, "
                       f"{change:+.1%}")


def main():
    build = os.path.abspath(sys.argv[1])
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if " avx2 " not in file.read():
            print("no AVX2 here: the counts are for a processor that has it")
            return 77
    found = count_all(build)
    if "--update" in sys.argv:
        if os.environ.get("CI"):
            sys.exit("instructions.py: --update is refused where CI is set")
        with open(COUNTS, "w", encoding="utf-8") as file:
            file.write(f"# Instructions of one run over {ROWS} bids; tests/bench/instructions.py\n")
            file.writelines(f"{name} {number}\n" for name, number in sorted(found.items()))
        return 0
    lines = list(differences(read_counts(COUNTS), found))
    print("\n".join(lines or [f"{name}: {number}" for name, number in sorted(found.items())]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
