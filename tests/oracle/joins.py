#!/usr/bin/env python3
"""joins.py: joins of two random streams, by weir and by DuckDB.

Rows come out of order and some too late; keys are nil, few or many. Pairs and rows without one are
compared in any order; of changes, what is left of them. Each case runs in several batch sizes and
shards, and with rows that rest in a scratch file, all of which must write the same bytes. Reads
WEIR_PROGRAM, WEIR_SEED and WEIR_RANDOM_SECONDS.
"""

import collections
import csv
import datetime
import filecmp
import os
import random
import subprocess
import sys
import tempfile
import time

import duckdb

HOWS = ["inner", "left", "right", "full", "semi", "anti"]
RUNS = [[], ["--batch-rows", "1"], ["--batch-rows", "7", "--shards", "3"],
        ["--batch-rows", "20", "--spill-bytes", "1"],
        ["--batch-rows", "5", "--shards", "2", "--spill-bytes", "20000"]]
DELAYS = {"l": 10, "r": 7}
SCRIPT = """
local schema = "k int64, f float64, v string, ts timestamp, e timestamp"
local l = weir.read("l.csv", { schema = schema }):event_time("ts", { max_delay = "10s" })
local r = weir.read("r.csv", { schema = schema }):event_time("ts", { max_delay = "7s" })
local window = weir.hopping("10s", { every = "4s", offset = "1s" })
for _, how in ipairs { "inner", "left", "right", "full", "semi", "anti" } do
  local function join(left, name, options)
    options.on, options.how, options.prefix = "k", how, "r_"
    local joined = left:join(r, options)
    if name == "update" then
      joined = joined:changes()
    end
    joined:write(name .. "_" .. how .. ".csv")
  end
  join(l, "interval", { within = { "-3s", "6s" } })
  join(l, "until", { within = { "ts", "e" } })
  join(l, "all", { where = "r_f > f" })
  join(l:emit "update", "update", { where = "r_f > f" })
  join(l:window(window), "window", {})
end
"""
CONDITIONS = {
    "interval": "r.ts BETWEEN l.ts - INTERVAL 3 SECOND AND l.ts + INTERVAL 6 SECOND",
    "until": "r.ts BETWEEN l.ts AND l.e",
    "all": "r.f > l.f",
    "update": "r.f > l.f",
    "window": "l.s = r.s",
}


def stamp(second):
    return (datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=second)).isoformat() + "Z"


def rows_of(rng, name):
    rows, at = [], 0
    for i in range(rng.randint(0, 100)):
        at += rng.choice([0, 0, 1, 1, 2, 5, rng.randint(0, 30)])
        when = at - rng.choice([0, 0, 0, rng.randint(0, DELAYS[name])])
        if rng.random() < 0.05:
            when = at - DELAYS[name] - rng.randint(1, 20)
        when = max(0, when)
        end = "" if rng.random() < 0.05 else stamp(when + rng.randint(-2, 25))
        rows.append([rng.choice(["", "1", "2", "3", str(rng.randint(0, 40))]),
                     rng.choice(["", "1", "2.5", str(rng.randint(0, 9))]),
                     rng.choice([f"{name}{i}", f"a longer text, number {i} of {name}"]),
                     stamp(when), end])
    return rows


def load(db, folder, name):
    db.execute(f"""CREATE OR REPLACE TABLE {name} AS SELECT *, max(ts) OVER (ORDER BY i
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - INTERVAL {DELAYS[name]} SECOND AS w
      FROM (SELECT row_number() OVER () AS i, * FROM read_csv('{folder}/{name}.csv', header = true,
        auto_detect = false, delim = ',', quote = '"', nullstr = '', columns = {{'k': 'BIGINT',
        'f': 'DOUBLE', 'v': 'VARCHAR', 'ts': 'TIMESTAMP', 'e': 'TIMESTAMP'}}))""")
    db.execute(f"""CREATE OR REPLACE VIEW {name}_timely AS
        SELECT * FROM {name} WHERE w IS NULL OR ts >= w""")
    db.execute(f"""CREATE OR REPLACE VIEW {name}_window AS SELECT * FROM (
        SELECT *, make_timestamp(((epoch_us(ts) - 1000000) // 4000000 - z) * 4000000 + 1000000)
          AS s FROM {name}, range(3) AS t(z))
      WHERE s + INTERVAL 10 SECOND > ts AND (w IS NULL OR s + INTERVAL 10 SECOND > w)""")


def texts(row):
    """A row of DuckDB as weir writes it."""
    return tuple("" if x is None else stamp((x - datetime.datetime(2024, 1, 1)).total_seconds())
                 if isinstance(x, datetime.datetime) else str(x) for x in row)


def expected(db, kind, how):
    suffix = {"interval": "_timely", "until": "_timely", "window": "_window"}.get(kind, "")
    on, pairs = f"l.k = r.k AND {CONDITIONS[kind]}", how not in ("semi", "anti")
    columns = "coalesce(l.k, r.k), l.f, l.v, l.ts, l.e, r.f, r.v, r.ts, r.e" if pairs else \
        "l.k, l.f, l.v, l.ts, l.e"
    if kind == "window":
        start = "coalesce(l.s, r.s)" if pairs else "l.s"
        columns += f", {start}, {start} + INTERVAL 10 SECOND"
    rows = f"FROM l{suffix} l {how.upper()} JOIN r{suffix} r ON {on}"
    return collections.Counter(
        texts(row) for row in db.execute(f"SELECT {columns} {rows}").fetchall())


def found(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    left = collections.Counter()
    for row in rows[1:]:
        changed = rows[0][-1] == "op"
        left[tuple(row[:-1] if changed else row)] += -1 if changed and row[-1] == "delete" else 1
    return +left if min(left.values(), default=0) >= 0 else None


def run(folder, number, options):
    into = os.path.join(folder, str(number))
    os.mkdir(into)
    for name in ("l.csv", "r.csv", "joins.lua"):
        os.symlink(os.path.join(folder, name), os.path.join(into, name))
    made = subprocess.run([os.environ["WEIR_PROGRAM"], "run", "joins.lua", *options], cwd=into,
                          capture_output=True, timeout=120, check=False)
    if made.returncode != 0:
        raise RuntimeError(made.stderr.decode())
    return into


def make(db, rng, folder, script):
    """A case: both inputs, in files and tables, and the script. Gives the folders of its runs."""
    for name in DELAYS:
        with open(os.path.join(folder, f"{name}.csv"), "w", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [["k", "f", "v", "ts", "e"], *rows_of(rng, name)])
        load(db, folder, name)
    with open(os.path.join(folder, "joins.lua"), "w", encoding="utf-8") as file:
        file.write(script)
    return [run(folder, i, options) for i, options in enumerate(RUNS)]


def check(db, rng):
    """One case. Gives what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        folders = make(db, rng, folder, SCRIPT)
        for kind in CONDITIONS:
            for how in HOWS:
                file = f"{kind}_{how}.csv"
                for other, options in zip(folders, RUNS):
                    if not filecmp.cmp(os.path.join(folders[0], file), os.path.join(other, file),
                                       shallow=False):
                        return f"{file}: other bytes with {' '.join(options)}"
                want, got = expected(db, kind, how), found(os.path.join(folders[0], file))
                if got != want:
                    return f"{file}: {got if got is None else list((want - got))[:3]} missing, " \
                           f"{[] if got is None else list((got - want))[:3]} too much"
    return None


def main(check_case):
    seed = int(os.environ.get("WEIR_SEED") or time.time())
    seconds = float(os.environ.get("WEIR_RANDOM_SECONDS") or 5)
    print(f"seed: WEIR_SEED={seed}")
    db, until, passed = duckdb.connect(), time.monotonic() + seconds, 0
    while passed == 0 or time.monotonic() < until:
        wrong = check_case(db, random.Random(seed + passed))
        if wrong:
            print(f"case {passed} (WEIR_SEED={seed + passed}): {wrong}")
            print(f"{passed} passed, 1 failed")
            return 1
        passed += 1
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main(check))
