"""coverage.py: which faults met which calls on what, as a table.

    coverage.py [--write] FILE...   the table of the files that `--coverage` of the tests wrote, and
                                    the cells that no test came to; --write: into COVERAGE.md"""

import collections
import os
import sys

TARGETS = ("state", "state log", "lock", "file", "part", "partition", "sqlite", "journal",
           "directory", "input", "any")


def target(path):
    """What a path below a test's folder is to weir."""
    name = path.rsplit("/", 1)[-1]
    if path.startswith("STATE/"):
        return "state log" if name.endswith(("-wal", "-journal")) else \
            "lock" if name in ("LOCK", "MADE") else "state"
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


CHANGES = ("create", "write", "pwrite", "fsync", "dirsync", "ftruncate", "rename", "unlink",
           "mkdir")
HEAD = """# Which faults met which calls

Made by `tests/faults/coverage.py --write` from what the tests of this folder noted. A row is a call
of the program on something below its folder, a column a fault; a number says how often the one met
the other, and behind each the next life left what an undisturbed run leaves. `kill`: SIGKILL just
before the call; `mid`: in the middle of a write; `in recovery`, `in a row`: of a life that goes on
behind a kill; errors once and for ever; `power`: the disk keeps that part of what was not synced.
"""


def expected(seen):
    """The cells that the tests should come to: each fault that a call may meet, on whatever it was
    seen."""
    import errors # it imports this module
    for call, what in sorted({(call, what) for _, call, what in seen}):
        for how, also_for_ever in errors.WAYS.get(call, ()):
            yield how, call, what
            if also_for_ever:
                yield how + " for ever", call, what
        if call in CHANGES and what != "any":
            for fault in ("kill", "kill in recovery", "kill in a row"):
                yield fault, call, what
            if call in ("write", "pwrite"):
                yield "kill mid", call, what


def summary(seen):
    cells = list(expected(seen))
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


def main():
    writes = "--write" in sys.argv
    paths = [word for word in sys.argv[1:] if word != "--write"]
    seen = load(paths or sys.exit(__doc__))
    text = "\n".join([*lines(seen), "", *summary(seen)]) + "\n"
    if writes:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "COVERAGE.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + "\n" + text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
