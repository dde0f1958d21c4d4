#!/usr/bin/env python3
"""planted.py: bugs are planted, and the tests of this folder must find each of them.

    planted.py --weir PROGRAM --library iofault.so [--build FOLDER] [NAME...]

planted/NAME.patch is a bug in weir; its head says what it is, by which test it is found and in
which pipelines ("Found by: kills append"; `sim`: by seeds of `weir sim`; `fences` and `moments`: by
cases of program/fences.py and moments.py). Without --build it is checked that each patch applies,
and three bugs of the world are planted, for which nothing has to be built: syncs of files, syncs of
directories and truncations that do nothing. With --build the tree is copied to FOLDER, and for each
patch the program is built there and tested, for WEIR_RANDOM_SECONDS at most; behind all of them
comes a table of what found each, after how many cases and seconds."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import world as worlds

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SECONDS_DEFAULT = 30
SEEDS = 2000 # of `weir sim`, for a bug that it must find
# (what iofault.so does not do, the test that finds it, pipelines)
OF_THE_WORLD = [("fsync", "power", "windows sorted"), ("dirsync", "power", "windows sorted"),
                ("ftruncate", "kills", "appends windows")]


class Bug:
    """A patch, and what its head says."""

    def __init__(self, name):
        self.name, self.path = name, os.path.join(HERE, "planted", name + ".patch")
        with open(self.path, encoding="utf-8") as file:
            head = file.read()
        self.what = re.search(r"^What: (.*)$", head, re.MULTILINE).group(1)
        self.test, *self.cases = re.search(r"^Found by: (.*)$", head,
                                           re.MULTILINE).group(1).split()

    def apply(self, folder, *options):
        return subprocess.run(["patch", "-p1", "-s", "-f", "-i", self.path, *options], cwd=folder,
                              capture_output=True, text=True, check=False)


class Found:
    """What a test said of a bug."""

    def __init__(self, found, said, cases=0, seconds=0.0):
        self.found, self.said, self.cases, self.seconds = found, said, cases, seconds


def look_for(test, weir, library, cases, *further):
    """Whether a test fails, by a violation and not by a mistake of its own."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, os.path.join(HERE, test + ".py"), "--weir", weir,
                           "--library", library, "--first", *further, *cases],
                          capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line and line[0] != "|"]
    points = re.search(r"^\w+: (\d+) points, (\d+)", done.stdout, re.MULTILINE)
    found = done.returncode == 1 and points and points.group(2) != "0"
    # An undisturbed run of a broken program may fail by itself: that is found too.
    broken = done.returncode == 1 and done.stderr.split(":")[0] in cases
    shown = next((line for line in lines if line.split(":")[0] in cases), "")
    return Found(bool(found or broken), (shown or done.stderr.strip() or "nothing")[-1500:],
                 int(points.group(1)) if points else 0, time.monotonic() - began)


def look_for_in_program(test, weir, library, cases):
    """The same by a file of tests/program, which looks for the library beside the program."""
    began = time.monotonic()
    beside = os.path.join(os.path.dirname(weir), "tests/faults/iofault.so")
    os.makedirs(os.path.dirname(beside), exist_ok=True)
    shutil.copy(library, beside)
    done = subprocess.run([sys.executable, os.path.join(os.path.dirname(HERE),
                           "program", test + ".py"), weir, *cases],
                          capture_output=True, text=True, check=False)
    found = done.returncode == 1 and f", {len(cases)} failed" in done.stdout
    return Found(found, done.stdout.strip()[:1500] or done.stderr.strip()[-1500:] or "nothing",
                 len(cases), time.monotonic() - began)


def lay_for_sim(folder):
    """The pipelines and their inputs."""
    worlds.inputs.lay_for_sim(folder)
    for pipelines in (os.path.join(HERE, "pipelines"),
                      os.path.join(os.path.dirname(HERE), "sim", "pipelines")):
        for name in os.listdir(pipelines):
            if name.endswith((".lua", ".sql")):
                shutil.copy(os.path.join(pipelines, name), folder)


def sim_command(weir, folder, case, *further):
    """With the tables of a pipeline, where it has some."""
    tables = case + ".sql"
    has_some = os.path.exists(os.path.join(folder, tables))
    return [os.path.abspath(weir), "sim", case + ".lua", *further,
            *(["--sql", tables] if has_some else [])]


def look_for_in_sim(weir, cases):
    """The same by seeds, from the first one on."""
    began, count = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="weir-sim-planted-") as folder:
        lay_for_sim(folder)
        for case in cases:
            done = subprocess.run(sim_command(weir, folder, case, "--seeds", str(SEEDS)),
                                  cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, errors="replace", check=False)
            said = done.stdout + done.stderr
            seeds = re.search(r": ([\d,]+) seeds?, ", said)
            count += int(seeds.group(1).replace(",", "")) if seeds else 1
            if done.returncode != 0:
                return Found(True, f"{case}: {said.strip().splitlines()[0]}", count,
                             time.monotonic() - began)
    return Found(False, "nothing", count, time.monotonic() - began)


def build(folder):
    """The words of what went wrong; "" where nothing did."""
    commands = [["ninja", "-C", "build", "--quiet", "weir"]]
    if not os.path.exists(os.path.join(folder, "build/build.ninja")):
        commands.insert(0, ["cmake", "-S", ".", "-B", "build", "-G", "Ninja",
                            "-DCMAKE_BUILD_TYPE=Release", "-DWEIR_LTO=OFF",
                            "-DCMAKE_DISABLE_FIND_PACKAGE_Python3=TRUE"])
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return (done.stdout + done.stderr)[-2000:]
    return ""


def copy_tree(folder):
    """The sources, laid over what was built before: only files that differ get a new time."""
    os.makedirs(folder, exist_ok=True)
    for name in ("runtime", "stdlib", "cmake", "tests/tidy"):
        for here, _, files in os.walk(os.path.join(ROOT, name)):
            target = os.path.join(folder, os.path.relpath(here, ROOT))
            os.makedirs(target, exist_ok=True)
            for file in files:
                copy_file(os.path.join(here, file), os.path.join(target, file))
    for name in ("CMakeLists.txt", "LICENSE", "README.md"):
        copy_file(os.path.join(ROOT, name), os.path.join(folder, name))


def copy_file(source, target):
    with open(source, "rb") as file:
        data = file.read()
    if os.path.exists(target):
        with open(target, "rb") as file:
            if file.read() == data:
                return
    with open(target, "wb") as file:
        file.write(data)
    shutil.copymode(source, target)


def find_built(bug, options):
    """Plants, builds, tests and takes back."""
    applied = bug.apply(options.build)
    if applied.returncode != 0:
        return Found(False, "does not apply: " + applied.stdout.strip())
    try:
        wrong = build(options.build)
        if wrong:
            return Found(False, "does not build: " + wrong)
        weir = os.path.join(options.build, "build/weir")
        if bug.test == "sim":
            return look_for_in_sim(weir, bug.cases)
        if bug.test in ("fences", "moments"):
            return look_for_in_program(bug.test, weir, options.library, bug.cases)
        # Kills go over all points, since some bugs show at one alone.
        every = ["--all"] if bug.test == "kills" else []
        return look_for(bug.test, weir, options.library, bug.cases, *every)
    finally:
        bug.apply(options.build, "-R")


def main():
    parser = argparse.ArgumentParser()
    worlds.add_arguments(parser)
    parser.add_argument("--build")
    options = parser.parse_args()
    options.library = os.path.abspath(options.library)
    os.environ["WEIR_RANDOM_SECONDS"] = str(max(worlds.seconds_of_test(SECONDS_DEFAULT),
                                                SECONDS_DEFAULT))
    bugs = [Bug(name[:-6]) for name in sorted(os.listdir(os.path.join(HERE, "planted")))
            if not options.names or name[:-6] in options.names]
    rows = []

    def tell(name, what, by, result):
        rows.append((name, what, by, result))
        print(f"{'found' if result.found else 'NOT FOUND'}: {name} ({what}), by {by} after "
              f"{result.cases} cases, {result.seconds:.1f} s: {result.said}", flush=True)

    if options.build:
        copy_tree(options.build)
        for bug in bugs:
            tell(bug.name, bug.what, " ".join([bug.test, *bug.cases]), find_built(bug, options))
        print("| bug | found by | cases | seconds |\n|---|---|---:|---:|")
        for name, what, by, result in rows:
            cases = f"{result.cases:,}" if result.found else "**not found**"
            print(f"| {name}: {what} | {by} | {cases} | {result.seconds:.1f} |")
        applied = 0
    else:
        unfit = [bug for bug in bugs if bug.apply(ROOT, "--dry-run").returncode != 0]
        for bug in unfit:
            tell(bug.name, bug.what, bug.test, Found(False, "does not apply"))
        applied = len(bugs) - len(unfit)
        for call, test, cases in OF_THE_WORLD:
            tell(call, f"{call} does nothing", test, look_for(
                test, options.weir, options.library, cases.split(), "--skip", call))
    failed = sum(not result.found for *_, result in rows)
    passed = applied + len(rows) - failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
