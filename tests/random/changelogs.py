#!/usr/bin/env python3
"""changelogs.py: random aggregations whose results change, against a model that knows no changes.

A case is rows with times (some behind), and a chain: `agg` over windows or groups, with late rows,
`emit`, `every`; then, over its changelog, filters, `lookup` of several rows and another `agg`. The
program writes each change; the changes, added up, must be the rows that the model reckons of all
rows at once. Any batch size, any shards, any stopping point must write the same bytes.

usage: changelogs.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import argparse
import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from fractions import Fraction

SECOND = 1_000_000
START = 1_577_836_800  # 2020-01-01T00:00:00Z


def text_of(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# Of as few rows as there are here, approximate aggregates are exact.
SKETCHES = """    d = approx_count_distinct(v), mid = int64(floor(2 * approx_quantile(v, 0.5)))
    top = approx_top(v, 2), all = sum_list(sample(v, 1000)), some = length(sample(v, 2))"""
# What lies in the row of state, sets that are shared included; and a result that may fail.
COUNTS = """    some = count(where v > 3), d = count_distinct(v)
    high = count_distinct(v where v > 3), low = count_distinct(v where v < 0)
    again = count_distinct(v where v > 3), last = last(v)"""
FAILS_AT = 3
FAILS = f", q = 60 // (count() - {FAILS_AT})"
# What takes rows back by a kernel of its own, or behind a collector.
TAKEN_BACK = """    hist = histogram(lo, 3), steps = funnel(hi > 2, hi > 4, hi > 6 order by hi)
    together = int64(floor(covar_pop(lo, hi) * 1000 + 0.123))"""


def sketches(values):
    ordered = sorted(values)
    twice = ordered[(len(values) - 1) // 2] + ordered[len(values) // 2] if values else None
    top = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:2]
    return {"d": len(set(values)), "mid": twice, "all": sum(values) if values else None,
            "top": listed([{"value": v, "count": n} for v, n in top]),
            "some": min(len(values), 2) if values else None}


def counts(rows):
    """Of pairs (time, value) in the order in which they came."""
    values = [v for _, v in rows]
    high = len({v for v in values if v > 3})
    return {"some": sum(v > 3 for v in values), "d": len(set(values)), "high": high,
            "low": len({v for v in values if v < 0}), "again": high,
            "last": sorted(rows, key=lambda row: row[0])[-1][1] if rows else None}


def taken_back(rows):
    pairs = [(row["lo"], row["hi"]) for row in rows if row["lo"] is not None]
    lows = Counter(lo // 3 * 3 for lo, _ in pairs)
    steps = 0
    for hi in sorted(hi for _, hi in pairs):
        steps += steps < 3 and hi > (2, 4, 6)[steps]
    together = None
    if pairs:
        lo, hi = (Fraction(sum(column), len(pairs)) for column in zip(*pairs))
        products = Fraction(sum(a * b for a, b in pairs), len(pairs))
        together = math.floor((products - lo * hi) * 1000 + Fraction(123, 1000))
    return {"hist": listed([{"low": low, "high": low + 3, "count": n}
                            for low, n in sorted(lows.items())]),
            "steps": steps, "together": together}


def listed(items):
    return json.dumps(items, separators=(",", ":")) if items else None


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.delay = dice.choice([0, 0, 3, 10])
        at, self.rows = START, []
        for _ in range(dice.choice([0, 1, 5, 30, 120])):
            at += dice.choice([0, 0, 1, 2, 9, 40])
            behind = dice.choice([0, 0, 0, 1, 5, 15, 60])
            self.rows.append((dice.choice("abcd"), dice.randint(-3, 9), at - behind))
        self.width = dice.choice([1, 5, 10, 60])
        width = self.width
        self.every_window = dice.choice([width, max(1, width // 2), max(1, width // 3)])
        self.windowed = dice.random() < 0.6
        self.lateness = dice.choice([0, 5, 20, 1000]) if self.windowed else 0
        self.mode = dice.choice(["update", "update", "final", "every", "delta"])
        if not self.windowed and self.mode == "final":
            self.mode = "update"
        self.every = dice.choice([1, 7, 10, 33])
        self.keyed = dice.random() < 0.8
        self.filter = dice.random() < 0.4
        self.again = dice.random() < 0.7 and self.mode != "delta" and self.changes()
        self.again_keyed = dice.random() < 0.6
        self.again_every = dice.random() < 0.2 and self.windowed
        self.looked_up = self.keyed and dice.random() < 0.3
        self.how = dice.choice(["left", "inner"])
        self.in_row = dice.random() < 0.6
        self.fails = self.in_row and dice.random() < 0.3
        self.names = [(k, 10 * i) for i, k in enumerate(dice.choices("abcx", k=6))]

    def changes(self):
        return self.mode in ("update", "every") or self.lateness > 0

    # ---- the script ----

    def script(self):
        lines = ['local s = weir.read("in.csv", { schema = "k string, v int64, ts timestamp" })',
                 f'  :event_time("ts", {{ max_delay = "{self.delay}s" }})']
        if self.windowed:
            kind = f'weir.tumbling "{self.width}s"' if self.every_window == self.width else \
                f'weir.hopping("{self.width}s", {{ every = "{self.every_window}s" }})'
            lines.append(f'  :window({kind}, {{ allowed_lateness = "{self.lateness}s" }})')
        if self.keyed:
            lines.append('  :group_by "k"')
        if self.mode in ("every", "delta"):
            emission = "update" if self.mode == "every" else "delta"
            lines.append(f'  :emit("{emission}", {{ every = "{self.every}s" }})')
        elif self.mode == "update":
            lines.append('  :emit "update"')
        lines.append('  :agg [[n = count(), s = sum(v), lo = min(v), hi = max(v)\n'
                     + (COUNTS if self.in_row else SKETCHES)
                     + (FAILS if self.fails else "") + "]]")
        if self.filter:
            lines.append('  :filter "n > 1"')
        if self.looked_up:
            lines.append(f'  :lookup(t, {{ on = "k", how = "{self.how}", many = true }})')
        if self.again:
            if self.again_keyed:
                lines.append('  :group_by "n"')
            lines.append('  :agg [[groups = count(), s = sum(s), lo = min(lo), hi = max(hi)\n'
                         + TAKEN_BACK + "]]")
        if self.changes():
            lines.append("  :changes { before = true }")
        lines.append('  :write "out.csv"')
        lines.append('s:rejects():select "code, row":write "rejects.csv"')
        lines[0] = "local s = " + lines[0][len("local s = "):]
        if self.looked_up:
            rows = ", ".join(f'{{ k = "{k}", w = {w} }}' for k, w in self.names)
            lines.insert(0, f'local t = weir.rows("k string, w int64", {{ {rows} }})')
        return "\n".join(lines).replace('\ns:rejects', "\n\ns:rejects") + "\n"

    # ---- the model ----

    def windows_of(self, at):
        if not self.windowed:
            return [None]
        last = at - at % self.every_window
        starts = []
        while last + self.width > at:
            starts.append(last)
            last -= self.every_window
        return starts

    def groups(self):
        reached, kept = None, defaultdict(list)
        for k, v, at in self.rows:
            for start in self.windows_of(at):
                late = start is not None and reached is not None and \
                    start + self.width + self.lateness <= reached
                if not late:
                    kept[(start, k if self.keyed else None)].append((at, v))
            reached = at - self.delay if reached is None else max(reached, at - self.delay)
        return kept

    def expected(self):
        rows, kept = Counter(), self.groups()
        if not self.windowed and not self.keyed and not kept:
            kept[(None, None)] = []
        table = []
        for (start, k), timed in kept.items():
            values = [v for _, v in timed]
            if self.fails and len(values) == FAILS_AT:
                continue
            row = {"n": len(values), "s": sum(values) if values else None,
                   "lo": min(values, default=None), "hi": max(values, default=None),
                   **(counts(timed) if self.in_row else sketches(values))}
            if self.fails:
                row["q"] = 60 // (len(values) - FAILS_AT)
            if self.filter and row["n"] <= 1:
                continue
            if start is not None:
                row["window_start"], row["window_end"] = text_of(start), text_of(start + self.width)
            if self.keyed:
                row["k"] = k
            table += self.with_names(row) if self.looked_up else [row]
        if self.again:
            table = self.grouped(table)
        for row in table:
            rows[tuple(sorted((c, "" if x is None else str(x)) for c, x in row.items()))] += 1
        return rows

    def with_names(self, row):
        found = [w for k, w in self.names if k == row["k"]]
        if not found and self.how == "left":
            found = [None]
        return [{**row, "w": w} for w in found]

    def grouped(self, table):
        groups = defaultdict(list)
        for row in table:
            groups[row["n"] if self.again_keyed else None].append(row)
        if not self.again_keyed and not groups:
            groups[None] = []

        def of(rows, column, how):
            values = [r[column] for r in rows if r[column] is not None]
            return how(values) if values else None
        return [{**({"n": n} if self.again_keyed else {}), "groups": len(rows),
                 "s": of(rows, "s", sum), "lo": of(rows, "lo", min), "hi": of(rows, "hi", max),
                 **taken_back(rows)}
                for n, rows in groups.items()]


def added_up(path, changes):
    rows = Counter()
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            op = row.pop("op", "insert") if changes else "insert"
            rows[tuple(sorted(row.items()))] += -1 if op in ("delete", "update_before") else 1
            if rows[tuple(sorted(row.items()))] < 0:
                raise AssertionError(f"taken back before it was there: {row}")
    return Counter({row: n for row, n in rows.items() if n != 0})


def run(weir, folder, *options):
    result = subprocess.run([weir, "run", "case.lua", *options], cwd=folder, capture_output=True,
                            text=True, timeout=60, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(options)}: exit {result.returncode}\n{result.stderr}")
    with open(os.path.join(folder, "out.csv"), encoding="utf-8") as file:
        return file.read()


def run_stopped(weir, folder, dice):
    steps = dice.randint(1, 12)
    state = ("--state", "st", "--batch-rows", "7")
    for _ in range(200):
        result = subprocess.run([weir, "run", "case.lua", *state, "--stop-after", str(steps)],
                                cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        if result.returncode not in (0, 7, 130):
            raise AssertionError(f"stopped: exit {result.returncode}\n{result.stderr}")
        if result.returncode == 0 and "stopped" not in result.stderr:
            break
    return run(weir, folder, *state)


def is_good(seed, case, files, play):
    """Whether `play(folder)` raises no AssertionError, in a folder with the script and its files
    (texts or bytes). One that does is told, and its folder kept where WEIR_KEEP says."""
    folder = tempfile.mkdtemp(prefix="weir-random-", dir=os.environ.get("TMPDIR"))
    try:
        for name, text in {**files, "case.lua": case.script()}.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
        play(folder)
    except AssertionError as failure:
        print(f"seed {seed}: {failure}\n{case.script()}", flush=True)
        if os.environ.get("WEIR_KEEP"):
            shutil.copytree(folder, os.environ["WEIR_KEEP"], dirs_exist_ok=True)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def check_runs(weir, seed, case, files, verify):
    """Runs a case in all ways. `verify` looks at each folder and gives what must be alike, beside
    the rows; raises AssertionError."""
    def play(folder):
        first = run(weir, folder, "--batch-rows", "1"), verify(folder)
        for options in (["--batch-rows", "3"], ["--batch-rows", "4096"],
                        ["--batch-rows", "5", "--shards", "3"]):
            if (run(weir, folder, *options), verify(folder)) != first:
                raise AssertionError(f"other rows with {' '.join(options)}")
        if (run_stopped(weir, folder, case.dice), verify(folder)) != first:
            raise AssertionError("other rows after a stop")
    return is_good(seed, case, files, play)


def check(weir, seed):
    case = Case(seed)

    def verify(folder):
        found, expected = added_up(os.path.join(folder, "out.csv"), case.changes()), case.expected()
        if case.mode != "delta" and found != expected:
            raise AssertionError(f"changes add up to {dict(found - expected)} too much, "
                                 f"{dict(expected - found)} too little")
    rows = "".join(f"{k},{v},{text_of(at)}\n" for k, v, at in case.rows)
    return check_runs(weir, seed, case, {"in.csv": "k,v,ts\n" + rows}, verify)


def main(check_case):
    """Runs `check_case(weir, seed)` for one seed, some or many; the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--seconds", type=float,
                        default=float(os.environ.get("WEIR_RANDOM_SECONDS") or 10))
    options = parser.parse_args()
    weir = os.path.abspath(options.weir)
    if options.seed is not None:
        passed = int(check_case(weir, options.seed))
        print(f"{passed} passed, {1 - passed} failed")
        return passed == 0
    first = int(os.environ.get("WEIR_SEED", time.time_ns() // 1000 % 10**9))
    print(f"seed: WEIR_SEED={first}", flush=True)
    until, passed, failed, seed = time.monotonic() + options.seconds, 0, 0, first
    while failed < 5:
        if seed - first >= options.cases if options.cases else time.monotonic() >= until:
            break
        good = check_case(weir, seed)
        passed, failed, seed = passed + good, failed + (not good), seed + 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(check))
