#!/usr/bin/env python3
"""planted.py: the bugs of tests/faults/planted, and in how many seeds `weir sim` finds each.

    planted.py --build FOLDER [--seeds N] [NAME...]

Each bug is built in FOLDER and played over the pipelines that its head names. A bug that no seed
finds fails the test, unless the head says why it cannot be seen there ("Not in sim: …")."""

import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FAULTS = os.path.join(os.path.dirname(HERE), "faults")
sys.path.insert(0, FAULTS)

import planted  # noqa: E402

SEEDS_DEFAULT = 1000


def why_not(bug):
    with open(bug.path, encoding="utf-8") as file:
        found = re.search(r"^Not in sim: (.*)$", file.read(), re.MULTILINE)
    return found.group(1) if found else ""


def found_in(weir, bug, seeds, folder):
    """In how many seeds a bug is seen, of how many, and what the first says."""
    count, played, said = 0, 0, ""
    for case in bug.cases:
        done = subprocess.run(
            planted.sim_command(weir, folder, case, "--seeds", str(seeds), "--json",
                                "--keep-going"),
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False)
        played += seeds
        total = re.search(r'"violation_count": ?(\d+)', done.stdout)
        if total is None: # it died, or its undisturbed run fails
            count, said = count + 1, said or f"{case}: {done.stderr.strip()[-300:]}"
            continue
        count += int(total.group(1))
        first = re.search(r'"violation": ?"([^"]*)"', done.stdout)
        said = said or (f"{case}: {first.group(1)}" if first else "")
    return count, played, said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seeds", type=int, default=SEEDS_DEFAULT, help="of each pipeline")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    planted.copy_tree(options.build)
    weir = os.path.abspath(os.path.join(options.build, "build/weir"))
    names = options.names or sorted(name[:-6] for name in os.listdir(
        os.path.join(FAULTS, "planted")) if name.endswith(".patch"))
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="weir-sim-planted-") as folder:
        planted.lay_for_sim(folder)
        for bug in map(planted.Bug, names):
            applied = bug.apply(options.build)
            wrong = applied.stdout if applied.returncode != 0 else planted.build(options.build)
            count, played, said = (0, 0, wrong) if wrong else found_in(weir, bug, options.seeds,
                                                                       folder)
            bug.apply(options.build, "-R")
            good = count > 0 or (not wrong and why_not(bug))
            passed, failed = passed + bool(good), failed + (not good)
            word = "found" if count else "not in sim" if good else "NOT FOUND"
            print(f"{word}: {bug.name} ({bug.what}): in {count:,} of {played:,} seeds: "
                  f"{said or why_not(bug)}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
