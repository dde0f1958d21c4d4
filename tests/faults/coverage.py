"""coverage.py: which faults met which calls on what, and the failpoints, as ../COVERAGE.md.

    coverage.py --weir PROGRAM --library iofault.so [--write] FILE...
        the table of the files that `--coverage` of the tests wrote, and the cells that no test came
        to; --write: into COVERAGE.md
    coverage.py --weir PROGRAM --library iofault.so --check
        whether COVERAGE.md has each call on each file that undisturbed runs of the pipelines make,
        and the failpoints that there are"""

import argparse
import collections
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = os.path.join(ROOT, "tests", "COVERAGE.md")
TARGETS = ("state", "state log", "lock", "file", "part", "partition", "sqlite", "journal",
           "directory", "input", "any")


def target(path):
    """What a path below a test's folder is to weir."""
    name = path.rsplit("/", 1)[-1]
    if path.startswith("STATE/"):
        return "state log" if name.endswith(("-wal", "-journal")) else \
            "lock" if name in ("LOCK", "MADE", "NAMED") else "state"
    if name.endswith(("-journal", "-wal")):
        return "journal"
    if name == "rates.db" or name in ("orders.ndjson", "payments.csv", "clicks.csv.gz") \
            or (name.startswith("part-") and "/" not in path) or name.endswith(".lua"):
        return "input"
    if name.endswith(".db"):
        return "sqlite"
    if "/" in path and "." in name:
        return "partition"
    if name.endswith(".part"):
        return "part"
    return "file" if "." in name and name != "." else "directory"


CHANGES = ("create", "write", "pwrite", "fsync", "dirsync", "syncfs", "ftruncate", "rename",
           "unlink", "mkdir", "setxattr", "removexattr", "lock")
HEAD = """# Which faults met which calls

Made by `tests/faults/coverage.py --write` from what the tests of `tests/faults` noted; the test
`faults/coverage_is_as_written` says when it is stale. A row is a call of the program on something
below its folder, a column a fault; a number says how often the one met the other, and behind each
the next life left what an undisturbed run leaves. `kill`: SIGKILL just before the call; `mid`: in
the middle of a write; `in recovery`, `in a row`: of a life that goes on behind a kill; errors once
and for ever; `power`: the disk keeps that part of what was not synced.
"""
FAILPOINTS = """
## Failpoints

Places with a name in `runtime`, at which a build without `NDEBUG` fails, dies, stops or sleeps
(`WEIR_FAILPOINTS`, [failpoint.h](../runtime/base/failpoint.h)). The table above needs none of them:
its faults stand between the program and its C library, in the program as it is delivered.

| name | in | named by |
|---|---|---|
"""


def expected(seen, undisturbed):
    """The cells that the tests should come to: each fault that a call may meet, on whatever it was
    seen. (What is written down for power cuts knows one kind of write alone.)"""
    import errors # it imports this module
    for call, what in sorted({(call, what) for fault, call, what in seen
                              if what != "any" and not fault.startswith("power")}):
        for how, also_for_ever in errors.WAYS.get(call, ()):
            yield how, call, what
            if also_for_ever:
                yield how + " for ever", call, what
        if call not in CHANGES:
            continue
        yield "kill in recovery", call, what
        if (call, what) in undisturbed: # what only recoveries do is killed in those
            yield "kill", call, what
            yield "kill in a row", call, what
            if call in ("write", "pwrite"):
                yield "kill mid", call, what


def summary(seen, undisturbed):
    cells = list(expected(seen, undisturbed))
    missing = [cell for cell in cells if not seen.get(cell)]
    yield (f"{len(cells) - len(missing)} of {len(cells)} cells of kills and errors were met "
           f"({1 - len(missing) / max(1, len(cells)):.1%}), {sum(seen.values()):,} faults in all.")
    for fault, call, what in missing:
        yield f"- not met: {fault} at {call} on {what}"


def save(path, seen):
    with open(path, "a", encoding="utf-8") as file:
        for (fault, call, what), count in sorted(seen.items()):
            file.write(f"{fault}\t{call}\t{what}\t{count}\n")


def load(paths):
    seen = collections.Counter()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                fault, call, what, count = line.rstrip("\n").split("\t")
                seen[fault, call, what] += int(count)
    return seen


def lines(seen):
    """The table: a line for each call on each target, a column for each fault."""
    faults = sorted({fault for fault, _, _ in seen})
    rows = sorted({(call, what) for _, call, what in seen},
                  key=lambda row: (row[0], TARGETS.index(row[1])))
    if not rows:
        return
    yield "| call | on | " + " | ".join(faults) + " |"
    yield "|---|---|" + "---:|" * len(faults)
    for call, what in rows:
        cells = [seen.get((fault, call, what), 0) for fault in faults]
        yield f"| {call} | {what} | " + " | ".join(f"{n:,}" if n else "·" for n in cells) + " |"


def failpoints():
    """Lines of the table of failpoints."""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "runtime/*/*.c"))):
        with open(path, encoding="utf-8") as file:
            for name in re.findall(r'\bWR_FP(?:_ERRNO)?\("([^"]+)"\)', file.read()):
                found[name] = path
    tests = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/unit/*/*.c"))):
        with open(path, encoding="utf-8") as file:
            tests[path] = file.read()
    for name, path in sorted(found.items()):
        users = [os.path.relpath(test, ROOT) for test, text in tests.items()
                 if re.search(rf'["%,]{re.escape(name)}[:"]', text)]
        yield f"| `{name}` | {os.path.relpath(path, ROOT)} | {', '.join(users) or '·'} |"


def undisturbed_calls(weir, library):
    """{(call, on what): a pipeline that does it}"""
    import world as worlds # it imports this module
    found = {}
    world = worlds.World(weir, library)
    try:
        for case in worlds.case_names():
            for name, path, _ in worlds.Oracle(world, case, "io").calls:
                found.setdefault((name, target(path)), case)
    finally:
        world.close()
    return found


def stale(weir, library):
    """What the document lacks, or has too much of."""
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    listed = re.findall(r"^\| `[\w.]+` \|.*$", text, re.MULTILINE)
    for line in sorted(set(listed) ^ set(failpoints())):
        yield f"failpoint {'gone or elsewhere' if line in listed else 'not listed'}: {line}"
    rows = set(re.findall(r"^\| ([a-z]+) \| ([a-z ]+) \|", text, re.MULTILINE))
    for (call, what), case in sorted(undisturbed_calls(weir, library).items()):
        if (call, what) not in rows:
            yield f"not in the table: {call} on {what}, which {case} does"


def check(options):
    wrong = list(stale(options.weir, options.library))
    if wrong:
        print("\n".join(wrong))
        print("tests/COVERAGE.md is stale: run kills.py, errors.py, memory.py and power.py with "
              "--coverage FILE, and coverage.py --write FILE...")
    print(f"{int(not wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--weir", required=True, help="the program")
    parser.add_argument("--library", required=True, help="iofault.so")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if options.check:
        return check(options)
    if not options.files:
        parser.error("which files?")
    seen = load(options.files)
    undisturbed = undisturbed_calls(options.weir, options.library)
    text = "\n".join([*lines(seen), "", *summary(seen, undisturbed)]) + "\n"
    if options.write:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(HEAD + "\n" + text + FAILPOINTS + "\n".join(failpoints()) + "\n")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
