#!/usr/bin/env python3
"""until.py: runs that stop where `--until` says, and go on.

    until.py PROGRAM

A chain of runs that stop at places on the way and go on from their state leaves what one run
leaves; a run that ends at a place (`--drain`) leaves the same for any batch size, any number of
threads and any places before it; and what it read is what the input says. The sources are of all
kinds that can be opened again at a row.
"""

import gzip
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time

ROWS = 700
SECONDS = float(os.environ.get("WEIR_RANDOM_SECONDS", "6"))
RUN_SECONDS_MAX = 60
SCHEMA = "at timestamp, k string, n int64"
TAIL = """:event_time("at", { max_delay = "20s" })
s:window(weir.tumbling "1m"):group_by "k":agg "n = count(), t = sum(n)":write "windows.ndjson"
s:write "all.ndjson"
s:rejects():select "position, raw":write "rejects.ndjson"
"""
SCRIPTS = {
    "csv": f'local s = weir.read("in.csv", {{ schema = "{SCHEMA}" }}):filter "n % 5 ~= 0"' + TAIL,
    "gzip": f'local s = weir.read("part-*.csv.gz", {{ schema = "{SCHEMA}" }})' + TAIL,
    "each": f'local s = weir.read("part-*.csv.gz", {{ schema = "{SCHEMA}", partitions = "each" }})'
            + TAIL,
    "grows": f'local s = weir.read("in.csv", {{ schema = "{SCHEMA}", follow = true, stop = 650 }})'
             + TAIL,
    "sqlite": 'local s = weir.read("sqlite:in.db", { query = "select at, k, n from t order by n", '
              f'schema = "{SCHEMA}" }})' + TAIL,
    "range": f'local s = weir.read("in.csv", {{ schema = "{SCHEMA}", start = 20, '
             'stop = "2026-01-01T01:40:00Z" })' + TAIL,
    "union": f"""local a = weir.read("in.csv", {{ schema = "{SCHEMA}" }})
local b = weir.read("part-1.csv.gz", {{ schema = "{SCHEMA}" }})
local names = weir.rows("k string, name string", "k,name\\na,first\\nb,second")
local s = a:event_time("at", {{ max_delay = "20s" }})
  :union(b:event_time("at", {{ max_delay = "5s" }}))
s:lookup(names, {{ on = "k" }}):window(weir.tumbling "1m"):group_by "name"
  :agg "n = count(), t = sum(n)":write "windows.ndjson"
s:write "all.ndjson"
weir.rejects():select "position, raw":write "rejects.ndjson"
""",
    "unnest": f"""local s = weir.read("in.csv", {{ schema = "{SCHEMA}" }})
  :flat_map("at timestamp, n int64", function(r, emit)
    for i = 1, r.n % 3 do emit(r.at + weir.duration "1s" * i, r.n) end
  end):event_time("at", {{ max_delay = "20s" }})
s:window(weir.tumbling "1m"):group_by():agg "n = count(), t = sum(n)":write "windows.ndjson"
s:write "all.ndjson"
s:rejects():select "position, raw":write "rejects.ndjson"
""",
    "nexmark": """local bid, auction = weir.nexmark { events = 20000, rate = 10, disorder = 7 }
bid:window(weir.tumbling "1m"):group_by "auction":agg "n = count()":write "windows.ndjson"
bid:select "auction, dateTime":union(auction:select "auction = id, dateTime"):write "all.ndjson"
weir.rejects():write "rejects.ndjson"
""",
}
OUTPUTS = ("windows.ndjson", "all.ndjson", "rejects.ndjson")


def stamp(seconds):
    return f"2026-01-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def record(i, draw):
    if i % 41 == 17:
        return f"no time,a,{i}\n"
    return f"{stamp(max(0, i * 10 - draw.randint(0, 30)))},{'ab'[i % 2]},{i}\n"


def lay_inputs(folder):
    draw = random.Random(3)
    rows = [record(i, draw) for i in range(ROWS)]
    with open(os.path.join(folder, "in.csv"), "w", encoding="utf-8") as file:
        file.write("at,k,n\n" + "".join(rows))
    for part in range(3):
        with gzip.open(os.path.join(folder, f"part-{part}.csv.gz"), "wt") as file:
            file.write("at,k,n\n" + "".join(rows[part * 233:part * 233 + 233]))
    database = sqlite3.connect(os.path.join(folder, "in.db"))
    database.execute("create table t (at text, k text, n integer)")
    database.executemany("insert into t values (?, ?, ?)",
                         [row.rstrip("\n").split(",") for row in rows])
    database.commit()
    database.close()


class Runs:
    """The runs of one script in one folder."""

    def __init__(self, program, folder, name):
        self.program, self.folder = os.path.abspath(program), folder
        self.name, self.script = name, f"{name}.lua"
        with open(os.path.join(folder, self.script), "w", encoding="utf-8") as file:
            file.write(SCRIPTS[name])

    def clear(self):
        subprocess.run(["rm", "-rf", "st", *OUTPUTS], cwd=self.folder, check=True)

    def run(self, *words):
        done = subprocess.run([self.program, "run", self.script, *words], cwd=self.folder,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=RUN_SECONDS_MAX, check=False)
        assert done.returncode == 0, f"{self.name} {' '.join(words)}: {done.stderr}"
        return done.stderr.splitlines()[-1].rsplit(", ", 1)[0]

    def left(self):
        found = {}
        for name in OUTPUTS:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                found[name] = file.read()
        return found

    def alone(self, *words):
        self.clear()
        line = self.run(*words)
        return line, self.left()


def ways(draw):
    return ["--batch-rows", draw.choice(["1", "3", "50", "1024"]), "--workers",
            draw.choice(["1", "1", "2", "3"])]


def places(draw, name):
    """On the way from the start to the end, in their order: of one kind each."""
    count = draw.randint(1, 4)
    if draw.random() < 0.5:
        return [f"{n}rows" for n in sorted(draw.randint(1, ROWS + 20) for _ in range(count))]
    if name == "nexmark":
        return [f"2020-09-13T12:{m:02}:40Z"
                for m in sorted(draw.randint(26, 59) for _ in range(count))]
    return [stamp(s) for s in sorted(draw.randint(0, ROWS * 10 + 100) for _ in range(count))]


def compare(what, expected, found):
    if expected == found:
        return
    for name, text in expected[1].items():
        if text != found[1][name]:
            print(f"{what}: {name}: {len(text.splitlines())} rows expected, "
                  f"{len(found[1][name].splitlines())} found")
    sys.exit(f"FAILED {what}: expected {expected[0]}, found {found[0]}")


def chain(runs, draw, whole):
    stops = places(draw, runs.name)
    what = f"{runs.name}, seed {draw.seed_value}, {' '.join(stops)}"
    runs.clear()
    for place in stops:
        runs.run("--state", "st", "--until", place, *ways(draw))
        if draw.random() < 0.2: # it is there: nothing is read
            runs.run("--state", "st", "--until", place, *ways(draw))
    compare(what, whole, (runs.run("--state", "st", *ways(draw)), runs.left()))
    ended = runs.alone("--until", stops[-1], *ways(draw))
    compare(what + ", drained", ended, runs.alone("--until", stops[-1], *ways(draw)))
    runs.clear()
    for place in stops[:-1]:
        runs.run("--state", "st", "--until", place, *ways(draw))
    found = runs.run("--state", "st", "--until", stops[-1], "--drain", *ways(draw)), runs.left()
    compare(what + ", drained on the way", ended, found)


def what_was_read(runs):
    """By the input, and not by another run."""
    line, left = runs.alone("--until", "100rows")
    assert line.startswith("100 in, ") and len(left["all.ndjson"].splitlines()) == 77, line
    numbers = [int(row.split('"n":')[1].rstrip("}")) for row in left["all.ndjson"].splitlines()]
    assert numbers == [n for n in range(100) if n % 5 and n % 41 != 17], numbers
    line, left = runs.alone("--until", stamp(600))
    windows = [row for row in left["windows.ndjson"].splitlines() if stamp(600) > row[35:55]]
    draw, expected = random.Random(3), {}
    for i in range(ROWS):
        at, key, number = record(i, draw).rstrip("\n").split(",")
        if at != "no time" and i % 5 and at < stamp(600):
            minute = at[:17] + "00Z"
            n, t = expected.get((minute, key), (0, 0))
            expected[minute, key] = n + 1, t + int(number)
    assert len([row for row in left["windows.ndjson"].splitlines()
                if row.split('"')[3] < stamp(600)]) == len(expected), windows
    for (minute, key), (n, t) in expected.items():
        assert f'"window_start":"{minute}"' in left["windows.ndjson"]
        assert f'"k":"{key}","n":{n},"t":{t}}}' in left["windows.ndjson"], (minute, key, n, t)


def where_bad_rows_are(runs):
    """A database has no lines: its rows are numbered, from 1 as lines are."""
    _, left = runs.alone("--until", "100rows")
    found = [row.split('"position":"')[1].split('"')[0] for row in
             left["rejects.ndjson"].splitlines()]
    assert found == ["row 18", "row 59", "row 100"], found


def what_cannot_stop_at_a_time(runs):
    """It is said, by name, before anything is read; a number of rows does."""
    read = f'weir.read({{}}, {{{{ schema = "{SCHEMA}" {{}} }}}})'
    timed, plain = ':event_time "at":write "all.ndjson"', ':write "all.ndjson"'
    for script, words, said in (
            (read.format('"in.csv"', "") + plain, ["--until", stamp(9)], "no input of the script"),
            (read.format('"-"', ', format = "csv"') + timed, ["--until", stamp(9)],
             "standard input cannot be opened again"),
            (read.format('"part*"', ', format = "csv", follow = true') + timed,
             ["--until", stamp(9)], "cannot be opened again"),
            (read.format('"in.csv"', ", follow = true") + plain + "\n"
             + read.format('"in.csv"', "") + ':event_time "at":write "rejects.ndjson"',
             ["--until", stamp(9)], "in.csv has no event time"),
            (read.format('"in.csv"', ', start = "2026-01-01"') + timed, ["--until", "9rows"],
             "its rows have no number")):
        with open(os.path.join(runs.folder, "refused.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        done = subprocess.run([runs.program, "run", "refused.lua", *words], cwd=runs.folder,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=RUN_SECONDS_MAX, check=False)
        assert done.returncode == 1 and said in done.stderr, f"{script}: {done.stderr}"
        assert "error[W203]: " in done.stderr and "\nhelp: " in done.stderr, done.stderr


def rejects_are_read_again(runs):
    """What one run rejects another one takes, whose script is mended: each once, in its order, also
    where it is stopped on the way; what is wrong still is a reject once more."""
    runs.alone()
    with open(os.path.join(runs.folder, "again.lua"), "w", encoding="utf-8") as file:
        file.write('local s = weir.read("rejects.ndjson", { replay = "csv", '
                   'schema = "at string, k string, n int64" })\n'
                   's:filter "n ~= 58":write "again.ndjson"\n'
                   's:expect "big = n > 100":rejects():select "raw":write "still.ndjson"')
    for words in ([], ["--until", "5rows"], ["--until", "9rows"], []):
        state = ["--state", "again.st"] if words or os.path.exists(
            os.path.join(runs.folder, "again.st")) else []
        subprocess.run([runs.program, "run", "again.lua", *state, *words, "--batch-rows", "2"],
                       cwd=runs.folder, check=True, capture_output=True, timeout=RUN_SECONDS_MAX)
        if words:
            continue
        with open(os.path.join(runs.folder, "again.ndjson"), encoding="utf-8") as file:
            assert file.read() == "".join(
                f'{{"at":"no time","k":"a","n":{n}}}\n'
                for n in range(17, ROWS, 41) if n != 58)
        with open(os.path.join(runs.folder, "still.ndjson"), encoding="utf-8") as file:
            assert len(file.read().splitlines()) == len(range(17, 101, 41))
    subprocess.run(["rm", "-rf", "again.st"], cwd=runs.folder, check=True)


def rejects_held_by_threads(runs, whole):
    """A run with threads holds its rejects to the end; one without goes on from its state, and must
    not give the later ones first."""
    runs.clear()
    runs.run("--state", "st", "--until", "400rows", "--workers", "2", "--batch-rows", "50")
    compare("rejects that were held", whole, (runs.run("--state", "st"), runs.left()))


def main():
    seed = int(os.environ.get("WEIR_SEED", "0")) or random.randrange(1 << 30)
    print(f"WEIR_SEED={seed}")
    until, count = time.monotonic() + SECONDS, 0
    with tempfile.TemporaryDirectory() as folder:
        lay_inputs(folder)
        all_runs = [Runs(sys.argv[1], folder, name) for name in SCRIPTS]
        what_was_read(all_runs[0])
        where_bad_rows_are(all_runs[list(SCRIPTS).index("sqlite")])
        wholes = [runs.alone() for runs in all_runs]
        what_cannot_stop_at_a_time(all_runs[0])
        rejects_are_read_again(all_runs[0])
        rejects_held_by_threads(all_runs[0], wholes[0])
        while count < len(all_runs) or time.monotonic() < until:
            draw = random.Random(seed + count)
            draw.seed_value = seed + count
            at = count % len(all_runs)
            chain(all_runs[at], draw, wholes[at])
            count += 1
    print(f"{count} passed, 0 failed")


main()
