#!/usr/bin/env python3
"""frames.py: random grouped `derive`s against a model that looks at all rows of a group at once.

A case is rows with times (some behind) and a list of calls: aggregates over frames of time and of
rows, running ones, values of other rows, ranks. Rows leave by time, as they arrive, when their
window closes, or at once and corrected. Any batch size, any shards, any stopping point must write
the same bytes.

usage: frames.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import csv
import math
import os
import random
import sys
from collections import Counter, defaultdict
from statistics import median

import changelogs
from changelogs import START, text_of


def values(rows, name):
    return [r[name] for r in rows if r[name] is not None]


def some(how):
    return lambda rows: how(values(rows, "v")) if values(rows, "v") else None


def mode_of(found):
    counts = Counter(found)
    return min(counts, key=lambda x: (-counts[x], x))


def floats(how):
    return lambda rows: how(values(rows, "f")) if values(rows, "f") else None


def texts(rows):
    found = values(rows, "s")
    return "-".join(found) if found else None


# What may stand before `over`, and what it is of the rows of the frame, in their order.
AGGREGATES = [
    ("count()", len),
    ("count(v)", lambda rows: len(values(rows, "v"))),
    ("count(where v > 2)", lambda rows: sum(1 for v in values(rows, "v") if v > 2)),
    ("sum(v)", some(sum)),
    ("sum(v where v % 2 == 0)", lambda rows: (lambda x: sum(x) if x else None)(
        [v for v in values(rows, "v") if v % 2 == 0])),
    ("avg(v)", some(lambda x: sum(x) / len(x))),
    ("min(v)", some(min)), ("max(v)", some(max)), ("median(v)", some(lambda x: float(median(x)))),
    ("mode(v)", some(mode_of)),
    ("count_distinct(v)", lambda rows: len(set(values(rows, "v")))),
    ("count_distinct(s, v)", lambda rows: len({(r["s"], r["v"]) for r in rows
                                               if r["s"] is not None and r["v"] is not None})),
    ("mode(s)", lambda rows: mode_of(values(rows, "s")) if values(rows, "s") else None),
    ("min(s)", lambda rows: min(values(rows, "s")) if values(rows, "s") else None),
    ("any(v > 4)", lambda rows: any(r["v"] is not None and r["v"] > 4 for r in rows)),
    ("all(v > 0)", lambda rows: all(r["v"] is not None and r["v"] > 0 for r in rows)),
    ("string_agg(s, '-')", texts),
    ("first(v)", lambda rows: values(rows, "v")[0] if values(rows, "v") else None),
    ("last(s)", lambda rows: values(rows, "s")[-1] if values(rows, "s") else None),
    ("max(f)", floats(max)),
]
# Without a frame floats are added row after row, with one they are not rounded but once.
FRAMED = [("sum(f)", floats(math.fsum)), ("avg(f)", floats(lambda x: math.fsum(x) / len(x)))]


def plain_sum(found):
    total = 0.0
    for x in found:
        total += x
    return total


RUNNING = [("sum(f)", floats(plain_sum))]


class Call:
    """One item: its text, and what it is for row `at` of the rows of its group."""

    def __init__(self, dice, mode):
        kinds = ["time", "rows", "running", "lag", "number", "rank", "dense_rank", "delta"]
        if mode not in ("arrival",):
            kinds.append("lead")
        if mode != "none":
            kinds.append("rate")
        kind = self.kind = dice.choice(kinds)
        self.mode = mode
        self.n = dice.choice([1, 1, 2, 3, 5])
        self.span = dice.choice([0, 1, 5, 20, 60, 1000])
        if kind == "time" and mode == "none":
            kind = self.kind = "rows"
        if kind in ("time", "rows"):
            call, self.how = dice.choice(AGGREGATES + FRAMED)
            frame = f"'{self.span}s'" if kind == "time" else str(self.n)
            self.text = f"{call} over {frame}"
        elif kind == "running":
            self.text, self.how = dice.choice(AGGREGATES + ([] if mode == "window" else RUNNING))
        elif kind in ("lag", "lead"):
            self.column = dice.choice(["v", "s", "f"])
            self.text = f"{kind}({self.column}, {self.n})"
        else:
            self.text = {"number": "row_number()", "rank": "rank(v)", "dense_rank":
                         "dense_rank(v)", "delta": "delta(v)", "rate": "rate(v)"}[kind]

    def of(self, rows, at, arrived, whole):
        """`rows`: of the group, in order; `arrived`: those that were there when row `at` came."""
        row = rows[at]
        if self.kind == "time":
            return self.how([r for r in rows if row["ts"] - self.span <= r["ts"] <= row["ts"]])
        if self.kind == "rows":
            return self.how(rows[max(0, at + 1 - self.n):at + 1])
        if self.kind == "running":
            if self.mode == "arrival" and self.how is RUNNING[0][1]:  # added as they come
                arrived = sorted(arrived, key=lambda r: r["arrival"])
            return self.how(rows if whole else arrived)
        if self.kind == "lag":
            return rows[at - self.n][self.column] if at >= self.n else None
        if self.kind == "lead":
            return rows[at + self.n][self.column] if at + self.n < len(rows) else None
        if self.kind == "number":
            return at + 1 if whole else len(arrived)
        if self.kind in ("rank", "dense_rank"):
            found = values(rows if whole else arrived, "v")
            less = [v for v in found if row["v"] is None or v < row["v"]]
            return 1 + (len(set(less)) if self.kind == "dense_rank" else len(less))
        before = rows[at - 1] if at > 0 else None
        if before is None or before["v"] is None or row["v"] is None:
            return None
        if self.kind == "delta":
            return row["v"] - before["v"]
        passed = row["ts"] - before["ts"]
        return (row["v"] - before["v"]) / passed if passed > 0 else None


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.delay = dice.choice([0, 0, 3, 10])
        at, self.rows = START, []
        for number in range(dice.choice([0, 1, 5, 30, 120])):
            at += dice.choice([0, 0, 0, 1, 2, 9, 40])
            behind = dice.choice([0, 0, 0, 1, 5, 15, 60])
            self.rows.append({
                "k": dice.choice(["a", "b", "c", "d a long key", None]), "n": number,
                "v": dice.choice([None, *range(-3, 9)]),
                "f": dice.choice([None, 0.1, 0.2, 0.3, 1e10, -1e10, 1e-7, 5.0]),
                "s": dice.choice([None, "x", "y", "z", "a rather long text", "another long text"]),
                "ts": at - behind})
        self.mode = dice.choice(["time", "time", "arrival", "window", "none", "update", "changes"])
        if self.mode == "changes":
            for row in self.rows: # fewer keys than rows: they are updated
                row["n"] %= 1 + len(self.rows) // 2
        self.keyed = dice.random() < 0.8
        self.width = dice.choice([1, 5, 10, 60])
        self.every = dice.choice([self.width, max(1, self.width // 2)])
        self.calls = [Call(dice, self.mode) for _ in range(dice.randint(1, 5))]
        self.filter = dice.random() < 0.3

    def script(self):
        lines = ['local s = weir.read("in.csv", { schema = "k string, n int64, v int64, f float64, '
                 's string, ts timestamp" })']
        if self.mode != "none":
            lines.append(f'  :event_time("ts", {{ max_delay = "{self.delay}s" }})')
        if self.mode == "changes":
            lines.append('  :as_table "n"')
        if self.mode == "window":
            lines.append(f'  :window(weir.hopping("{self.width}s", {{ every = "{self.every}s" }}))')
        lines.append('  :group_by "k"' if self.keyed else "  :group_by()")
        if self.mode == "update":
            lines.append('  :emit "update"')
        items = "\n".join(f"    x{i} = {call.text}" for i, call in enumerate(self.calls))
        order = ', { order = "arrival" }' if self.mode == "arrival" else ""
        lines.append(f"  :derive([[\n{items}\n  ]]{order})")
        if self.filter:
            lines.append('  :filter "x0 ~= nil"')
        if self.updates():
            lines.append("  :changes { before = true }")
        lines.append('  :write "out.csv"')
        return "\n".join(lines) + "\n"

    def updates(self):
        return self.mode in ("update", "changes")

    # ---- the model ----

    def accepted(self):
        """Rows that are not behind, with how many came before each of them."""
        reached, kept = None, []
        for arrival, row in enumerate(self.rows):
            late = self.mode not in ("none", "changes", "window") and reached is not None and \
                row["ts"] < reached
            if not late:
                kept.append({**row, "arrival": arrival, "reached": reached})
            here = row["ts"] - self.delay
            reached = here if reached is None else max(reached, here)
        if self.mode == "changes":
            kept = list({row["n"]: row for row in kept}.values())
        return kept

    def parts(self):
        """The rows of each group (of each window)."""
        groups = defaultdict(list)
        for row in self.accepted():
            key = row["k"] if self.keyed else None
            if self.mode != "window":
                groups[key].append(row)
                continue
            start = row["ts"] - row["ts"] % self.every
            while start + self.width > row["ts"]:
                if row["reached"] is None or start + self.width > row["reached"]:
                    groups[key, start].append(row)
                start -= self.every
        return groups

    def expected(self):
        table = Counter()
        for key, rows in self.parts().items():
            by_time = (lambda r: (r["ts"], r["arrival"])) if self.mode != "none" else \
                (lambda r: r["arrival"])
            rows.sort(key=by_time)
            for row in rows:
                seen, arrived = rows, [r for r in rows if by_time(r) <= by_time(row)]
                if self.mode == "arrival":
                    seen = [r for r in rows if r["arrival"] <= row["arrival"]]
                    arrived = seen
                at = next(i for i, r in enumerate(seen) if r is row)
                made = {c: row[c] for c in ("k", "n", "v", "f", "s")}
                made["ts"] = text_of(row["ts"])
                for i, call in enumerate(self.calls):
                    made[f"x{i}"] = call.of(seen, at, arrived, self.mode == "window")
                if self.mode == "window":
                    made["window_start"] = text_of(key[1])
                    made["window_end"] = text_of(key[1] + self.width)
                if not self.filter or made["x0"] is not None:
                    table[tuple(sorted((c, plain(x)) for c, x in made.items()))] += 1
        return table


def plain(x):
    """A value as the same text, whoever wrote it."""
    if isinstance(x, str):
        try:
            x = float(x)
        except ValueError:
            return x
    if x is None:
        return ""
    return {True: "true", False: "false"}[x] if isinstance(x, bool) else repr(float(x))


def found_in(path, changes):
    table = Counter()
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            op = row.pop("op", "insert") if changes else "insert"
            key = tuple(sorted((c, plain(x)) for c, x in row.items()))
            table[key] += -1 if op in ("delete", "update_before") else 1
            if table[key] < 0:
                raise AssertionError(f"taken back before it was there: {row}")
    return +table


def cell(x):
    return "" if x is None else str(x)


def check(weir, seed):
    case = Case(seed)

    def verify(folder):
        found, expected = found_in(os.path.join(folder, "out.csv"), case.updates()), case.expected()
        if found != expected:
            raise AssertionError(f"too much: {list(found - expected)[:3]}\n"
                                 f"too little: {list(expected - found)[:3]}")
    rows = "".join(",".join([*(cell(row[c]) for c in "knvfs"), text_of(row["ts"])]) + "\n"
                   for row in case.rows)
    return changelogs.check_runs(weir, seed, case, {"in.csv": "k,n,v,f,s,ts\n" + rows}, verify)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
