#!/usr/bin/env python3
"""aggregates.py: aggregates over many rows by weir and by DuckDB: corr, covar and histogram to the
digit or nearly, funnel beside a recursive reckoning, and the approximate ones beside what is exact,
within the errors that the reference promises. Reads WEIR_PROGRAM, WEIR_SEED, WEIR_RANDOM_SECONDS.
"""

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

import duckdb

RUNS = [["--batch-rows", "100"], ["--batch-rows", "7", "--shards", "3"], []]
QS = [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0]
EDGES = [-3, 0, 10, 1000]
ITEMS = """c = corr(x, y), cv = covar(x, y), cp = covar_pop(v, y), wide = histogram(x, 0.75)
    edges = histogram(v, -3, 0, 10, 1000), steps = funnel(v > 0, v < 0, v > 5, v == -2, v == 9)
    d = approx_count_distinct(v), pairs = approx_count_distinct(v, s)
    top = approx_top(s, 3), some = sample(v, 40), """ + \
    ", ".join(f"q{i} = approx_quantile(x, {q})" for i, q in enumerate(QS))


def rows_of(rng):
    count = rng.choice([1, 50, 3000, 40000])
    spread = rng.choice([3, 1000, 10**7])
    shape = rng.choice([rng.random, lambda: rng.expovariate(0.2), lambda: rng.gauss(0, 50)])
    heavy = rng.choice([0.05, 0.3])
    rows = []
    for i in range(count):
        x = None if rng.random() < 0.05 else shape()
        y = None if rng.random() < 0.05 else (x or 0) * rng.choice([-1, 2]) + rng.random()
        v = None if rng.random() < 0.05 else rng.randint(-9, spread)
        s = rng.choice("abc") if rng.random() < heavy else f"value number {rng.randint(0, spread)}"
        rows.append((i, rng.choice("klm"), x, y, v, s))
    return rows


def close(a, b, tolerance):
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def steps_of(values):
    tests = [lambda v: v > 0, lambda v: v < 0, lambda v: v > 5, lambda v: v == -2, lambda v: v == 9]
    step = 0
    for v in values:
        step += step < len(tests) and v is not None and tests[step](v)
    return step


class Checks:
    def __init__(self, db, row):
        self.db, self.row, self.key = db, row, row["k"]
        self.wrong = []

    def one(self, text):
        return self.db.execute(f"SELECT {text} FROM r WHERE k = '{self.key}'").fetchone()[0]

    def want(self, good, name, expected):
        if not good:
            self.wrong.append(f"{self.key}: {name} is {self.row[name]}, and not {expected}")

    def exact(self):
        for name, text in (("c", "corr(x, y)"), ("cv", "covar_samp(x, y)"),
                           ("cp", "covar_pop(v, y)")):
            expected = self.one(text)
            if expected is not None and expected != expected:
                expected = None
            self.want(close(self.row[name], expected, 1e-9), name, expected)
        bounds = list(zip([None, *EDGES], [*EDGES, None]))
        counts = [self.one(f"count(v) FILTER ({f'v >= {low}' if low is not None else 'true'} AND "
                           f"{f'v < {high}' if high is not None else 'true'})")
                  for low, high in bounds]
        expected = [{"low": low, "high": high, "count": n}
                    for (low, high), n in zip(bounds, counts)] if any(counts) else None
        self.want(self.row["edges"] == expected, "edges", expected)
        wide = self.db.execute(
            f"SELECT floor(x / 0.75) AS b, count(*) FROM r WHERE k = '{self.key}' AND x IS NOT "
            "NULL GROUP BY b ORDER BY b").fetchall()
        expected = [{"low": b * 0.75, "high": (b + 1) * 0.75, "count": n} for b, n in wide] or None
        self.want(self.row["wide"] == expected, "wide", expected)
        values = self.db.execute(f"SELECT v FROM r WHERE k = '{self.key}' ORDER BY i").fetchall()
        self.want(self.row["steps"] == steps_of([v for v, in values]), "steps", "the reckoned one")

    def approximate(self):
        for name, text in (("d", "count(DISTINCT v)"),
                           ("pairs", "count(DISTINCT (v, s)) FILTER (v IS NOT NULL)")):
            expected = self.one(text)
            most = 2 if expected <= 3072 else expected * 5 * 0.0081
            self.want(abs(self.row[name] - expected) <= most, name, expected)
        count = self.one("count(x)")
        for i, q in enumerate(QS):
            name = f"q{i}"
            value = self.row[name]
            if count <= 512 or q in (0, 1):
                expected = self.one(f"quantile_cont(x, {q})")
                self.want(close(value, expected, 1e-12), name, expected)
                continue
            below, upto = self.one(f"count(*) FILTER (x < {value!r})"), \
                self.one(f"count(*) FILTER (x <= {value!r})")
            off = max(below / count - q, q - upto / count, 0)
            self.want(off < 0.01, name, f"within 0.01 ({off})")
        self.top()
        some, all_of = self.row["some"] or [], self.one("count(v)")
        known = {v for v, in self.db.execute("SELECT v FROM r").fetchall()}
        self.want(len(some) == min(40, all_of) and set(some) <= known, "some", "values of v")

    def top(self):
        counts = dict(self.db.execute(f"SELECT s, count(*) FROM r WHERE k = '{self.key}' "
                                      "GROUP BY s").fetchall())
        total, exact = sum(counts.values()), len(counts) <= 512
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
        found = [(each["value"], each["count"]) for each in self.row["top"]]
        if exact:
            self.want(found == best, "top", best)
            return
        for value, n in found:
            self.want(0 <= counts[value] - n <= total * 0.004, "top", counts[value])
        for value, n in best:  # what is missing is no more frequent than the error
            least = found[-1][1]
            self.want(value in dict(found) or n - least <= total * 0.004, "top", best)


def check(weir, seed):
    rng = random.Random(seed)
    rows = rows_of(rng)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in.ndjson", "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(dict(zip("ikxyvs", row))) + "\n")
        with open(f"{folder}/a.lua", "w", encoding="utf-8") as file:
            file.write('weir.read("in.ndjson", { schema = "i int64, k string, x float64, '
                       'y float64, v int64, s string" })\n'
                       f':group_by "k":agg [[{ITEMS}]]:write "out.ndjson"\n')
        outputs = []
        for options in RUNS:
            subprocess.run([weir, "run", "a.lua", *options], cwd=folder, check=True,
                           capture_output=True, timeout=120)
            with open(f"{folder}/out.ndjson", encoding="utf-8") as file:
                outputs.append(file.read())
        if len(set(outputs)) > 1:
            wrong.append("results depend on the batches or the shards")
        db = duckdb.connect()
        db.execute(f"CREATE TABLE r AS FROM read_json('{folder}/in.ndjson', columns = "
                   "{i: 'BIGINT', k: 'VARCHAR', x: 'DOUBLE', y: 'DOUBLE', v: 'BIGINT', "
                   "s: 'VARCHAR'})")
        for line in outputs[0].splitlines():
            checks = Checks(db, json.loads(line))
            checks.exact()
            checks.approximate()
            wrong += checks.wrong
    for line in wrong[:5]:
        print(f"seed {seed}: {line}")
    return not wrong


def main():
    weir = os.path.abspath(os.environ["WEIR_PROGRAM"])
    first = int(os.environ.get("WEIR_SEED", time.time_ns() // 1000 % 10**9))
    until = time.monotonic() + float(os.environ.get("WEIR_RANDOM_SECONDS", 5))
    print(f"seed: WEIR_SEED={first}", flush=True)
    results = []
    while len(results) < 4 or (time.monotonic() < until and results.count(False) < 5):
        results.append(check(weir, first + len(results)))
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
