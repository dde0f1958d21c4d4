#!/usr/bin/env python3
"""spilled.py: groups that take more memory than they may, beside the same ones in memory.

A case is rows whose keys come in some order (in none, some more often than others, one time after
the other, over and over), and aggregates over them: those that can be put together from parts and
those that cannot, with conditions and orders, of values and texts, that fail, of a script. Results
and rejects must be the same to the byte however little memory there is, for any number of threads,
batch size and seed of hashes, with a state and stops too.

usage: spilled.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import json
import math
import os
import random
import shutil
import subprocess
import sys

import changelogs

SCHEMA = "id int64, k int64, name string, x float64, n int64, big int64, s string, ok bool, " \
         "d decimal(12,3), at timestamp"
KEYS = ["k", "k", "name", "k, name", "key = k // 3, name", "name, ok", "x = floor(x)",
        "key = name .. string(k % 50)", "k, d"]
AGGREGATES = [
    "count()", "sum(x)", "avg(x)", "sum(x where ok)", "sum(n)", "sum(d)", "avg(d)", "min(x)",
    "max(s)", "min(n where n > 5)", "count(n)", "count(n where ok)", "list(n)", "list(s where ok)",
    "list(s order by x limit 3)", "list(n order by s desc, x)", "string_agg(s, '|')", "first(s)",
    "last(n)", "last(s order by x)", "first(d order by n desc)", "min_by(s, x)", "max_by(n, n)",
    "any_value(s)", "median(x)", "quantile(x, 0.9)", "approx_quantile(x, 0.3)", "mode(s)",
    "count_distinct(s)", "count_distinct(x)", "approx_count_distinct(s)", "stddev(x)",
    "variance(n)", "corr(x, n)", "sample(n, 2)", "sample(s, 3)", "approx_top(s, 2)",
    "all(ok)", "any(ok)", "sum(big)", "sum(int64(s))", "sum(x * n + 1.5)", "geo_mean(x)",
    "latest(n)"]
OF_THE_SCRIPT = """
weir.aggregate("geo_mean(x float64) float64", {
  state = "logs float64 = 0, n int64 = 0",
  add = function(s, x) s.logs, s.n = s.logs + math.log(1 + math.abs(x)), s.n + 1 end,
  merge = function(s, o) s.logs, s.n = s.logs + o.logs, s.n + o.n end,
  result = function(s) return math.exp(s.logs / s.n) end,
})
weir.aggregate("latest(n int64) int64", {
  state = "n int64 = 0, count int64 = 0",
  add = function(s, n) s.n, s.count = n, s.count + 1 end,
  result = function(s) return s.n + s.count end,
})
"""
STOPS = 5 # of a run, about
RESULTS = ("rows.ndjson", "rejects.ndjson")


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.rows = dice.choice([300, 2000, 2000, 6000, 15000])
        self.keys = max(1, int(self.rows * dice.choice([0.001, 0.05, 0.3, 0.5, 1, 1])))
        self.order = dice.choice(["none", "skewed", "clustered", "cyclic"])
        self.nils = dice.random() < 0.5
        self.by_time = dice.random() < 0.4
        self.long_names = dice.random() < 0.4
        self.files = dice.choice([1, 1, 2, 3])
        self.group_by = dice.choice(KEYS)
        self.aggregates = dice.sample(AGGREGATES, dice.choice([1, 2, 2, 4, 7]))

    def key(self, number):
        dice = self.dice
        if self.order == "none":
            return dice.randrange(self.keys)
        if self.order == "skewed":
            return int(math.exp(dice.random() * math.log(self.keys)))
        if self.order == "cyclic":
            return number * 7 % self.keys
        width = 20
        return number * self.keys // self.rows // width * width + dice.randrange(width)

    def row(self, number):
        dice, key = self.dice, self.key(number)
        name = f"the name of number {key * 31 % self.keys}" if self.long_names else f"n{key}"
        made = {"id": number, "k": key, "name": name, "x": round(dice.uniform(-50, 50), 6),
                "n": dice.randrange(-20, 1000), "big": dice.choice([1, 2, 2**61]),
                "s": dice.choice(["a", "b", "7", "12", "a rather long text", "größe", ""]),
                "ok": dice.random() < 0.5, "d": f"{dice.randrange(-9999, 9999) / 1000:.3f}",
                "at": changelogs.text_of(1700000000 + dice.randrange(60))}
        if self.nils:
            for column in ("k", "name", "x", "n", "s", "ok", "d"):
                if dice.random() < 0.1:
                    made[column] = None
        return json.dumps(made, ensure_ascii=False)

    def inputs(self):
        lines = [self.row(number) for number in range(self.rows)]
        share = -(-self.rows // self.files)
        return {f"in{number}.ndjson": "\n".join(lines[number * share:(number + 1) * share]) + "\n"
                for number in range(self.files)}

    def script(self):
        lines = [OF_THE_SCRIPT,
                 f'local s = weir.read("in*.ndjson", {{ schema = "{SCHEMA}" }})']
        if self.by_time:
            lines.append('s = s:event_time("at", { max_delay = "2m" })')
        items = ", ".join(f"a{i} = {text}" for i, text in enumerate(self.aggregates))
        lines.append(f's = s:group_by "{self.group_by}":agg "{items}"')
        lines.append('s:write "rows.ndjson"')
        lines.append('s:rejects():write "rejects.ndjson"')
        return "\n".join(lines) + "\n"


def run(weir, folder, *options):
    """Exit code, messages but for how long it took, and results. A stopped run goes on until it is
    done."""
    for name in RESULTS:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    shutil.rmtree(os.path.join(folder, "STATE"), ignore_errors=True)
    stopped = True
    while stopped:
        done = subprocess.run([weir, "run", "case.lua", "--progress", "off", *options], cwd=folder,
                              capture_output=True, text=True, check=False, timeout=300)
        stopped = done.returncode == 130 and "--state" in options
    results = []
    for name in RESULTS:
        path = os.path.join(folder, name)
        results.append(open(path, "rb").read() if os.path.exists(path) else None)
    messages = sorted({line.rsplit(", ", 1)[0] for line in done.stderr.splitlines()})
    return done.returncode, messages, results


def check(weir, seed):
    case = Case(seed)

    def play(folder):
        expected = run(weir, folder, "--workers", "1")
        few, workers = case.dice.choice([1, 7, 100]), case.dice.choice([1, 2, 3])
        for rows, threads in ((1024, 1), (few, workers), (4096, 2)):
            way = ["--workers", str(threads), "--batch-rows", str(rows), "--shard-seed", str(seed),
                   "--spill-bytes", case.dice.choice(["1", "3000", "20000", "100000"])]
            found = run(weir, folder, *way)
            if found != expected:
                said = [text for text in found[1] if text not in expected[1]]
                raise AssertionError(f"other results with {' '.join(way)}: {said}")
        steps = case.rows // few // STOPS
        for more in ([], ["--stop-after", str(case.dice.randint(1, 3) + steps)]):
            way = ["--workers", str(workers), "--batch-rows", str(few), "--state", "STATE",
                   "--spill-bytes", case.dice.choice(["1", "3000", "100000"]), *more]
            found = run(weir, folder, *way)
            if (found[0], found[2]) != (expected[0], expected[2]):
                raise AssertionError(f"other results with {' '.join(way)}: {found[:2]}")
    return changelogs.is_good(seed, case, case.inputs(), play)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
