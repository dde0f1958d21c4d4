#!/usr/bin/env python3
"""asof.py: random as-of joins, against a model that looks at all rows at once.

A case is two streams of rows with times (some behind, many equal), and an `asof_join` with options;
the other stream is of rows that stay, or a table of which rows are deleted. Rows must leave exactly
as the model says, in its order, and as many be late. Any batch size, any shards, any stopping point
must write the same bytes.

usage: asof.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import csv
import os
import random
import sys

import changelogs

KEYS = ["1", "2", "3", "", "a rather long key, of many bytes", "nan"]


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.delays = [dice.choice([0, 0, 3, 10, 60]) for _ in range(2)]
        self.rows = [self.rows_of(side) for side in range(2)]
        self.how = dice.choice(["left", "left", "inner"])
        self.forward = dice.random() < 0.4
        self.before = not self.forward and dice.random() < 0.4
        self.max_age = dice.choice([None, None, 0, 1, 5, 20, 300])
        self.table = not self.forward and dice.random() < 0.4
        self.deletes = self.table and dice.random() < 0.7
        self.float_keys = not self.table and dice.random() < 0.4
        self.kept = not self.table or dice.random() < 0.7  # else a filter drops some of its rows
        self.late = dice.random() < 0.5
        self.counted = dice.random() < 0.3

    def rows_of(self, side):
        """[number, key, gone, time] in the order of the file."""
        dice, at, rows = self.dice, changelogs.START, []
        keys = dice.choice([KEYS, KEYS[:2], KEYS[:1]])
        for i in range(dice.choice([0, 1, 5, 30, 120])):
            at += dice.choice([0, 0, 1, 1, 2, 9, 40])
            behind = dice.choice([0, 0, 0, 1, 5, 15, 60])
            rows.append([i, dice.choice(keys), side == 1 and dice.random() < 0.2, at - behind])
        return rows

    # ---- the script ----

    def script(self):
        kind = "float64" if self.float_keys else "string"
        lines = []
        for name, delay in zip("lr", self.delays):
            lines.append(f'local {name} = weir.read("{name}.csv", '
                         f'{{ schema = "k {kind}, v int64, gone bool, ts timestamp" }})')
            lines.append(f'  :event_time("ts", {{ max_delay = "{delay}s" }})')
        options = [f'how = "{self.how}"', 'on = "k"', 'prefix = "r_"']
        if self.forward:
            options.append('direction = "forward"')
        if self.before:
            options.append("before = true")
        if self.max_age is not None:
            options.append(f'max_age = "{self.max_age}s"')
        if self.table:
            lines.append('  :as_table("k"%s)' % (', { delete = "gone" }' if self.deletes else ""))
        if not self.kept:
            lines.append('  :filter "v % 3 ~= 0"')
        lines.append(f'local s = l:drop("gone"):asof_join(r, {{ {", ".join(options)} }})')
        if self.counted:
            lines.append('s:window(weir.tumbling "10s")'
                         ':agg "n = count(), m = count(r_v), s = sum(r_v)":write "out.csv"')
        else:
            lines.append('s:drop "r_gone":write "out.csv"')
        if self.late:
            lines.append('s:late():write "late.csv"')
        lines.append('s:rejects():group_by "code":agg "n = count()":write "rejects.csv"')
        return "\n".join(lines) + "\n"

    # ---- the model ----

    def key_of(self, text):
        """What the key is as it is written, and whether it can match."""
        if not self.float_keys:
            return text, text != ""
        text = {"1": "1.0", "2": "2.0", "3": "3.0", "nan": "nan"}.get(text, "")
        return text, text not in ("", "nan")

    def quoted(self, key):
        text = self.key_of(key)[0]
        return f'"{text}"' if "," in text else text

    def timely(self, side):
        """The rows that are not late, and how many are. Of a table, what becomes of its rows:
        [number, key, gone, time], in the order in which it happens."""
        reached, kept, late, table = None, [], 0, {}
        for number, key, gone, at in self.rows[side]:
            is_late = reached is not None and at < reached
            reached = max(at - self.delays[side], at - self.delays[side] if reached is None
                          else reached)
            changes = [(number, gone)]
            if side == 1 and self.table:
                changes = self.changes(table, number, key, gone)
            for what, ends in changes:
                late += is_late
                if not is_late:
                    kept.append([what, key, ends, at])
        return kept, late

    def changes(self, table, number, key, gone):
        """What the upsert of a key does, behind the filter: its row, or None where it ends."""
        def seen(row):
            return row is not None and (self.kept or row % 3 != 0)
        before, after = table.get(key), None if gone and self.deletes else number
        table[key] = after
        if seen(after):
            return [(after, False)]
        return [(None, True)] if seen(before) else []

    def versions(self):
        """By key: [time, number or None], one for each time, ascending."""
        rows, late = self.timely(1)
        found = {}
        for number, key, ends, at in sorted(rows, key=lambda row: row[3]):
            of_key = found.setdefault(self.key_of(key)[0], [])
            if of_key and of_key[-1][0] == at:
                of_key.pop()
            of_key.append([at, None if self.table and ends else number])
        return found, late

    def match(self, versions, at):
        if self.forward:
            near = next((v for v in versions if v[0] >= at), None)
        else:
            near = next((v for v in reversed(versions)
                         if v[0] < at or (v[0] == at and not self.before)), None)
        if near is None or near[1] is None:
            return None
        return None if self.max_age is not None and abs(near[0] - at) > self.max_age else near

    def expected(self):
        """The rows that leave, as the file has them; how many are late on each side."""
        left, left_late = self.timely(0)
        versions, right_late = self.versions()
        rows = []
        for number, key, _, at in sorted(left, key=lambda row: (row[3], row[0])):
            text, can_match = self.key_of(key)
            near = self.match(versions.get(text, []), at) if can_match else None
            if near is not None or self.how == "left":
                rows.append((text, number, at, near))
        return rows, left_late, right_late

    def file_of(self, rows):
        if not self.counted:
            return [["k", "v", "ts", "r_v", "r_ts"]] + [
                [k, str(v), changelogs.text_of(at)] +
                (["", ""] if near is None else [str(near[1]), changelogs.text_of(near[0])])
                for k, v, at, near in rows]
        windows = {}
        for _, _, at, near in rows:
            windows.setdefault(at - at % 10, []).append(None if near is None else near[1])
        made = [["window_start", "window_end", "n", "m", "s"]]
        for start, found in sorted(windows.items()):
            numbers = [n for n in found if n is not None]
            made.append([changelogs.text_of(start), changelogs.text_of(start + 10),
                         str(len(found)), str(len(numbers)), str(sum(numbers)) if numbers else ""])
        return made


def lines_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def compare(case, folder):
    rows, left_late, right_late = case.expected()
    found, wanted = lines_of(os.path.join(folder, "out.csv")), case.file_of(rows)
    for number, (got, want) in enumerate(zip(found, wanted)):
        if got != want:
            raise AssertionError(f"line {number + 1} is {got} and should be {want}")
    if len(found) != len(wanted):
        raise AssertionError(f"{len(found)} lines, should be {len(wanted)}")
    if case.late and len(lines_of(os.path.join(folder, "late.csv"))) != left_late + 1:
        raise AssertionError(f"late() does not give {left_late} rows")
    rejected = right_late + (0 if case.late else left_late)
    refused = dict(lines_of(os.path.join(folder, "rejects.csv"))[1:])
    number = int(refused.pop("W507", 0))
    # An old row whose new one came apart from it is refused beside it.
    if refused or number < rejected or (number > rejected and not case.table):
        raise AssertionError(f"{number} are rejects, should be {rejected}; {refused}")
    return [lines_of(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
            if name in ("rejects.csv", "late.csv")]


def check(weir, seed):
    case = Case(seed)
    files = {}
    for name, rows in zip("lr", case.rows):
        files[f"{name}.csv"] = "k,v,gone,ts\n" + "".join(
            ",".join([case.quoted(key), str(number), str(bool(gone)).lower(),
                      changelogs.text_of(at)]) + "\n" for number, key, gone, at in rows)
    return changelogs.check_runs(weir, seed, case, files, lambda folder: compare(case, folder))


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
