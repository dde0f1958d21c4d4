#!/usr/bin/env python3
"""ends.py: random groups that end at a time of their own, against a model.

A case is rows with a time and the time at which their group ends, in one source or a union of two,
as they come or as results of windows, and `agg` behind `emit("final", { at = … })`; or a window
behind it. The model goes by the frontier of each row's own source alone. Any batch size, any
shards, any stopping point must write the same bytes.

usage: ends.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import os
import random
import sys
from collections import defaultdict

import changelogs
from changelogs import START, check_runs, text_of


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.sources = dice.choice([1, 1, 2])
        self.delays = [dice.choice([0, 0, 3, 20]) for _ in range(self.sources)]
        self.inputs = []
        for _ in range(self.sources):
            at, rows = START, []
            for _ in range(dice.choice([0, 1, 5, 30, 120])):
                at += dice.choice([0, 0, 1, 2, 9, 40])
                time = at - dice.choice([0, 0, 0, 1, 5, 30])
                end = time + dice.choice([-5, 0, 0, 1, 4, 15, 15, 60])
                rows.append((dice.choice("abcd"), dice.randint(-3, 9), time,
                             end if dice.random() < 0.95 else None))
            self.inputs.append(rows)
        self.windowed = dice.choice([0, 0, 0, 5, 10])
        self.keyed = dice.random() < 0.85
        self.again = dice.choice([0, 0, 10])

    # ---- the script ----

    def script(self):
        lines = []
        for i, delay in enumerate(self.delays):
            lines += [f'local s{i} = weir.read("in{i}.csv",',
                      '  { schema = "k string, v int64, ts timestamp, e timestamp" })',
                      f'  :event_time("ts", {{ max_delay = "{delay}s" }})']
        lines.append("local s = " + ("s0" if self.sources == 1 else "s0:union(s1)"))
        if self.windowed:
            lines += [f'  :window(weir.tumbling "{self.windowed}s"):group_by "k"',
                      '  :agg "v = sum(v), e = max(e)"']
        lines.append("local r = s" + (':group_by "k"' if self.keyed else ""))
        lines.append('  :emit("final", { at = "e" }):agg "n = count(), s = sum(v), e = max(e)"')
        lines.append('r:late():select "k, v":write "late.csv"')
        if self.again:
            lines.append(f'r = r:window(weir.tumbling "{self.again}s"):agg "groups = count()"')
        lines.append('r:write "out.csv"')
        return "\n".join(lines) + "\n"

    # ---- the model ----

    def merged(self):
        """Rows in the order of the edge, each with the frontier just before it."""
        lanes = []
        for rows, delay in zip(self.inputs, self.delays):
            reached, lane = float("-inf"), []
            for row in rows:
                lane.append(row + (reached,))
                reached = max(reached, row[2] - delay)
            lanes.append(lane)
        if self.sources == 1:
            return lanes[0]
        heads, order = [0, 0], []
        while any(heads[i] < len(lanes[i]) for i in (0, 1)):
            i = min((i for i in (0, 1) if heads[i] < len(lanes[i])),
                    key=lambda i: (lanes[i][heads[i]][2], i))
            order.append(lanes[i][heads[i]])
            heads[i] += 1
        return order

    def of_windows(self, rows):
        windows, width = defaultdict(list), self.windowed
        for k, v, time, end, reached in rows:
            start = time - time % width
            if start + width > reached:
                windows[start + width, k].append((v, end))
        for (stop, k), found in sorted(windows.items()):
            ends = [end for _, end in found if end is not None]
            yield k, sum(v for v, _ in found), stop - 0.000001, max(ends, default=None), \
                stop - 0.000001

    def expected(self):
        """(results in their order, late rows in theirs)"""
        rows = self.merged()
        delay = 0 if self.windowed else max(self.delays)
        groups, late = defaultdict(list), []  # by key its groups, the newest last: [end, rows]
        for k, v, _, end, reached in (self.of_windows(rows) if self.windowed else rows):
            if end is None:
                continue
            parts = groups[k if self.keyed else ""]
            newest = parts[-1] if parts else None
            if newest and newest[0] < reached and reached >= newest[0] + delay:
                newest = None  # forgotten
            if newest is None and end >= reached:
                newest = [end, []]
                parts.append(newest)
            elif newest is None or newest[0] < reached:
                late.append((k, v))
                continue
            newest[0] = max(newest[0], end)
            newest[1].append((v, end))
        results = sorted((end, k, taken) for k, parts in groups.items() for end, taken in parts)
        return results, late

    def texts(self):
        results, late = self.expected()
        lates = "".join(f"{k},{v}\n" for k, v in late)
        if self.again:
            windows = defaultdict(int)
            for end, _, _ in results:
                windows[end - end % self.again] += 1
            return "window_start,window_end,groups\n" + "".join(
                f"{text_of(start)},{text_of(start + self.again)},{n}\n"
                for start, n in sorted(windows.items())), "k,v\n" + lates
        lead = "k," if self.keyed else ""
        return f"{lead}n,s,e\n" + "".join(
            (f"{k}," if self.keyed else "") + f"{len(taken)},{sum(v for v, _ in taken)},"
            f"{text_of(end)}\n" for end, k, taken in results), "k,v\n" + lates


def check(weir, seed):
    case = Case(seed)
    out, late = case.texts()
    files = {}
    for i, rows in enumerate(case.inputs):
        files[f"in{i}.csv"] = "k,v,ts,e\n" + "".join(
            f"{k},{v},{text_of(at)},{'' if end is None else text_of(end)}\n"
            for k, v, at, end in rows)

    def verify(folder):
        for name, expected in (("out.csv", out), ("late.csv", late)):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found = file.read()
            if found != expected:
                raise AssertionError(f"{name} is\n{found}instead of\n{expected}")
    return check_runs(weir, seed, case, files, verify)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
