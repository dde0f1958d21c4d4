#!/usr/bin/env python3
"""ranks.py: the first rows of groups as they change, against a model that sorts all rows.

A case is rows with times (some behind, some equal) and a stage that keeps the first of each group:
`top` of 1 to 5 or many rows by some columns, with or without ranks, `dedup` of the first or last,
`as_table`. Its changes, added up, must be the rows that the model keeps, and be the same bytes for
any batch size, any shards, any stopping point. What a table and an `agg` see, which do not look at
each change, must come to the same rows.

usage: ranks.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter

from changelogs import START, added_up, main, run, run_stopped, text_of

COLUMNS = ("k", "v", "x", "ts")
LONG = "a text that is longer than what a cell holds itself, "


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        at, self.rows = START, []
        for _ in range(dice.choice([0, 1, 5, 30, 200])):
            at += dice.choice([0, 0, 1, 2, 9])
            v = dice.choice(["", *range(-3, 4)])
            x = dice.choice(["", "b", "c", LONG + "d", LONG + "e"])
            self.rows.append((dice.choice("abcd"), v, x, at - dice.choice([0, 0, 0, 1, 5])))
        self.stage = dice.choice(["top", "top", "top", "first", "last", "table"])
        self.count = dice.choice([1, 1, 2, 3, 5, 100]) if self.stage == "top" else 1
        self.ranked = self.stage == "top" and dice.random() < 0.5
        self.keyed = dice.random() < 0.8
        items = dice.sample([("v", False), ("v", True), ("x", False), ("x", True)],
                            dice.choice([1, 2]))
        self.order = items if items[0][0] != items[-1][0] else items[:1]

    def stage_text(self):
        order = ", ".join(name + (" desc" if down else "") for name, down in self.order)
        if self.stage == "top":
            rank = ', { rank = "r" }' if self.ranked else ""
            group = ':group_by "k"' if self.keyed else ""
            return f'{group}:emit "update":top({self.count}, "{order}"{rank})'
        if self.stage == "table":
            return ':as_table("k", { version = "v" })'
        return f':emit "update":dedup("k", {{ keep = "{self.stage}" }})'

    def script(self, ends):
        return ('local s = weir.read("in.csv", { schema = "k string, v int64, x string, '
                'ts timestamp" })\n  :event_time("ts", { max_delay = "3s" })'
                f'{self.stage_text()}\n{ends}')

    def by(self, numbered):
        """What rows are sorted by: nil last, however a column is ordered."""
        number, row = numbered

        def part(value, down):
            if value == "":
                return (1, ())
            if isinstance(value, int):
                return (0, (-value if down else value,))
            end = (1,) if down else (-1,)
            return (0, tuple(-ord(c) if down else ord(c) for c in value) + end)
        if self.stage == "table":  # the greatest version, of equal ones the last
            return (part(row[1], True), -number)
        parts = [part(row[COLUMNS.index(name)], down) for name, down in self.order
                 if self.stage == "top"]
        if self.stage == "last":
            return (-row[3], -number)
        return (*parts, row[3], number)

    def expected(self):
        groups = {}
        for numbered in enumerate(self.rows):
            by_key = self.keyed or self.stage != "top"
            groups.setdefault(numbered[1][0] if by_key else None, []).append(numbered)
        kept = []
        for rows in groups.values():
            for rank, (_, row) in enumerate(sorted(rows, key=self.by)[:self.count], 1):
                kept.append(dict(zip(COLUMNS, row)) | ({"r": rank} if self.ranked else {}))
        return kept


def table_rows(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT * FROM t").fetchall()


def sum_of(values):
    return sum(values) if values else None


def compare(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: {dict(found - expected)} too much, "
                             f"{dict(expected - found)} too little")


def check_changes(case, weir, folder):
    with open(os.path.join(folder, "case.lua"), "w", encoding="utf-8") as file:
        file.write(case.script('s:changes { before = true }:write "out.csv"\n'))
    first = run(weir, folder, "--batch-rows", "1")
    expected = Counter(tuple(sorted({**{n: str(x) for n, x in row.items()},
                                     "ts": text_of(row["ts"])}.items()))
                       for row in case.expected())
    compare(added_up(os.path.join(folder, "out.csv"), True), expected, "changes")
    for options in (["--batch-rows", "3"], ["--batch-rows", "4096"],
                    ["--batch-rows", "5", "--shards", "3"]):
        if run(weir, folder, *options) != first:
            raise AssertionError(f"other changes with {' '.join(options)}")
    if run_stopped(weir, folder, case.dice) != first:
        raise AssertionError("other changes after a stop")


def check_sums(case, weir, folder):
    """A table and sums, whose changes of a batch are netted."""
    is_table = case.count == 1 or case.ranked
    ends = ('s:group_by "k":agg "n = count(), total = sum(v)"'
            ':write("sqlite:sums.db", { table = "t" })\n')
    if is_table and case.keyed:
        ends += 's:write("sqlite:rows.db", { table = "t" })\n'
    with open(os.path.join(folder, "case.lua"), "w", encoding="utf-8") as file:
        file.write(case.script(ends))
    rows = case.expected()
    values = {}
    for row in rows:
        values.setdefault(row["k"], []).append(row["v"])
    sums = Counter((k, len(all_of), sum_of([v for v in all_of if v != ""]))
                   for k, all_of in values.items())
    for options in (["--batch-rows", case.dice.choice("1279")], ["--shards", "2"]):
        for name in ("sums.db", "rows.db"):
            if os.path.exists(os.path.join(folder, name)):
                os.remove(os.path.join(folder, name))
        run(weir, folder, *options)
        compare(Counter(table_rows(os.path.join(folder, "sums.db"))), sums, "sums")
        if is_table and case.keyed:
            expected = Counter(tuple(None if x == "" else x for n, x in row.items() if n != "ts")
                               for row in rows)
            table = table_rows(os.path.join(folder, "rows.db"))
            found = Counter(row[:3] + row[4:] for row in table)
            compare(found, expected, "table")


def check(weir, seed):
    case = Case(seed)
    folder = tempfile.mkdtemp(prefix="weir-ranks-", dir=os.environ.get("TMPDIR"))
    try:
        with open(os.path.join(folder, "in.csv"), "w", encoding="utf-8") as file:
            file.write("k,v,x,ts\n" + "".join(f'{k},{v},"{x}",{text_of(at)}\n' if x else
                                              f"{k},{v},,{text_of(at)}\n"
                                              for k, v, x, at in case.rows))
        check_changes(case, weir, folder)
        check_sums(case, weir, folder)
    except AssertionError as failure:
        print(f"seed {seed}: {failure}\n{case.script('')}", flush=True)
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


if __name__ == "__main__":
    sys.exit(main(check))
