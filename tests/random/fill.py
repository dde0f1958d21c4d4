#!/usr/bin/env python3
"""fill.py: random windows with gaps, filled, against a model that looks at all results at once.

A case is rows with times (some behind) under a tumbling, hopping or calendar window, and `fill`
with values, rows before, lines between two rows, and bounds on gaps and silence. All rows must
leave exactly as the model says, in its order. Any batch size, any shards, any stopping point must
write the same bytes.

usage: fill.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import csv
import datetime
import os
import random
import sys
import zoneinfo
from collections import defaultdict

import changelogs

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
HOUR = 3600


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.calendar = dice.random() < 0.25
        self.unit = 5 * HOUR if self.calendar else 1
        # Clocks change on 2020-03-29.
        at = self.start = changelogs.START + (84 * 24 * HOUR if self.calendar else 0)
        self.delay = dice.choice([0, 0, 3, 10]) * self.unit
        self.rows = []
        for _ in range(dice.choice([0, 1, 5, 30, 80])):
            at += dice.choice([0, 0, 0, 1, 1, 2, 2, 9, 9, 40, 40, 400]) * self.unit
            behind = dice.choice([0, 0, 0, 1, 5, 15]) * self.unit
            self.rows.append((dice.choice(["a", "b", "", "a long key, of many bytes"]),
                              dice.randint(-3, 9), at - behind))
        self.width = dice.choice([1, 5, 10, 60])
        self.every = dice.choice([self.width, self.width, max(1, self.width // 2)])
        self.keyed = dice.random() < 0.8
        self.line = dice.random() < 0.4
        self.max_gap = dice.choice([None, None, 0, 10, 60, 300])
        self.stop_after = dice.choice([None, None, 0, 10, 60, 300])
        self.filter = dice.random() < 0.3
        self.counted = dice.random() < 0.3
        # Changes at moments between the rows must be the same, wherever a part of a gap ends.
        self.watched = dice.random() < 0.3

    # ---- the script ----

    def script(self):
        kind = 'weir.calendar("day", { timezone = "Europe/Berlin" })' if self.calendar else \
            f'weir.hopping("{self.width}s", {{ every = "{self.every}s" }})'
        lines = ['local filled = weir.read("in.csv", {',
                 '  schema = "k string, v int64, ts timestamp" })',
                 f'  :event_time("ts", {{ max_delay = "{self.delay}s" }})',
                 f"  :window({kind})"]
        if self.keyed:
            lines.append('  :group_by "k"')
        lines.append('  :agg "n = count(), s = sum(v), m = avg(v), hi = max(v)"')
        if self.filter:
            lines.append('  :filter "n ~= 2"')
        items = "n = 0, s = previous(s + n)" + (", m = interpolate(m)" if self.line else "")
        options = ", ".join(f'{name} = "{bound * self.unit}s"' for name, bound in
                            [("max_gap", self.max_gap), ("stop_after", self.stop_after)]
                            if bound is not None)
        lines.append(f'  :fill("{items}", {{ {options} }})')
        if self.watched:
            lines.append(f'filled:window(weir.tumbling "2d")'
                         f':emit("update", {{ every = "{7 * self.unit}s" }})'
                         ':agg "rows = count(), hi = max(hi)":changes():write "changes.csv"')
        lines.append("filled")
        if self.counted:
            lines.append('  :window(weir.tumbling "2d")'
                         ':agg "rows = count(), n = sum(n), hi = count(hi)"')
        lines.append('  :write "out.csv"')
        lines.append('filled:late():write "late.csv"')
        return "\n".join(lines) + "\n"

    # ---- the model ----

    def day(self, at, by=0):
        local = datetime.datetime.fromtimestamp(at, ZONE).date() + datetime.timedelta(days=by)
        midnight = datetime.datetime(local.year, local.month, local.day, tzinfo=ZONE)
        return int(midnight.timestamp())

    def next(self, start):
        return self.day(start, 1) if self.calendar else start + self.every

    def end(self, start):
        return self.day(start, 1) if self.calendar else start + self.width

    def windows_of(self, at):
        if self.calendar:
            return [self.day(at)]
        return range(at - at % self.every, at - self.width, -self.every)

    def results(self):
        """By key, by the start of a window: its row."""
        reached, kept = None, defaultdict(list)
        for key, v, at in self.rows:
            for start in self.windows_of(at):
                if reached is None or self.end(start) > reached:
                    kept[(key if self.keyed else None, start)].append(v)
            reached = max(at - self.delay, at - self.delay if reached is None else reached)
        found = defaultdict(dict)
        for (key, start), values in kept.items():
            if not self.filter or len(values) != 2:
                found[key][start] = (len(values), sum(values), sum(values) / len(values),
                                     max(values))
        return found

    def between(self, before, row, until, behind):
        """The rows of the windows behind `before` and before `until`; `behind`: the row there."""
        first, made = self.next(before), {}
        bound = None if self.max_gap is None else first + self.max_gap * self.unit
        if bound is not None and until > bound:
            return made
        start = first
        while start < until:
            silent = self.end(start) - self.end(before)
            if self.stop_after is not None and silent > self.stop_after * self.unit:
                break
            mean = None
            if self.line and behind is not None:
                ratio = float((start - before) * changelogs.SECOND) / \
                    float((until - before) * changelogs.SECOND)
                mean = row[2] + (behind[2] - row[2]) * ratio
            made[start] = (0, row[1] + row[0], mean, None)
            start = self.next(start)
        return made

    def expected(self):
        found = self.results()
        last = max((start for of_key in found.values() for start in of_key), default=None)
        rows = []
        for key, of_key in found.items():
            starts = sorted(of_key)
            made = dict(of_key)
            for before, behind in zip(starts, starts[1:]):
                made.update(self.between(before, of_key[before], behind, of_key[behind]))
            made.update(self.between(starts[-1], of_key[starts[-1]], self.next(last), None))
            rows += [(self.end(start), key == "", key or "", start, row)
                     for start, row in made.items()]
        return sorted(rows)

    def file(self):
        stamp = changelogs.text_of
        if not self.counted:
            head = ["window_start", "window_end"] + ["k"] * self.keyed + ["n", "s", "m", "hi"]
            return [head] + [
                [stamp(start), stamp(end)] + [key] * self.keyed +
                ["" if x is None else str(x) for x in row]
                for end, _, key, start, row in self.expected()]
        days = defaultdict(list)
        for end, _, _, _, row in self.expected():
            at = (end * changelogs.SECOND - 1) // changelogs.SECOND
            days[at - at % (48 * HOUR)].append(row)
        return [["window_start", "window_end", "rows", "n", "hi"]] + [
            [stamp(start), stamp(start + 48 * HOUR), str(len(rows)), str(sum(r[0] for r in rows)),
             str(sum(r[3] is not None for r in rows))] for start, rows in sorted(days.items())]


def check(weir, seed):
    case = Case(seed)

    def verify(folder):
        with open(os.path.join(folder, "out.csv"), newline="", encoding="utf-8") as file:
            found = list(csv.reader(file))
        wanted = case.file()
        for number, (got, want) in enumerate(zip(found, wanted)):
            if got != want:
                raise AssertionError(f"line {number + 1} is {got} and should be {want}")
        if len(found) != len(wanted):
            raise AssertionError(f"{len(found)} lines, should be {len(wanted)}")
        if not case.watched:
            return None
        with open(os.path.join(folder, "changes.csv"), encoding="utf-8") as file:
            return file.read()
    rows = "".join(",".join([f'"{k}"' if "," in k else k, str(v), changelogs.text_of(at)]) + "\n"
                   for k, v, at in case.rows)
    return changelogs.check_runs(weir, seed, case, {"in.csv": "k,v,ts\n" + rows}, verify)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
