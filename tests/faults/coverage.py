"""coverage.py: which faults met which calls on what, as a table.

    coverage.py FILE...     the table of the files that `--coverage` of the tests wrote"""

import collections
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
    seen = load(sys.argv[1:] or sys.exit(__doc__))
    print("\n".join(lines(seen)))
    hit = sum(1 for count in seen.values() if count)
    print(f"\n{hit} cells, {sum(seen.values()):,} points")


if __name__ == "__main__":
    main()
