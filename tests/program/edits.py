#!/usr/bin/env python3
"""edits.py: what `weir plan` promises of a changed script, its run does.

    edits.py PROGRAM [--all | NAME...]

Without words a share of all is drawn by WEIR_SEED, and ends by WEIR_RANDOM_SECONDS.

A script reads `a.csv`, and is stopped in the midst of it, or comes to its end. Its edit has another
input above the same sink, or one less, or other stages between. Each pair of such shapes is tried
with each kind of sink: where the plan promises that the run goes on, it does, and what stands in
the sink's place is what the first script had written there, and behind it what a fresh run of the
second gives of the rows that were still to be read. Where the plan refuses, so does the run, and
nothing is changed. A sink beside, of a stage that is the same in both, has all of its rows.
"""

import base64
import collections
import csv
import functools
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from trials import DICE, SEED

RUN_SECONDS_MAX = 60
SECONDS = float(os.environ.get("WEIR_RANDOM_SECONDS") or 10)
FEW = 30 # so many in any case
STOP_AFTER = 2
ROWS = {"a": 3000, "b": 600}
BAD = 100 # each of so many rows is rejected
TIMED = ':event_time("t", { max_delay = "1s" })'
READ = """local a = weir.read("a.csv", { schema = "k string, t timestamp, v int64" })TIMED
local b = weir.read("b.csv", { schema = "k string, t timestamp, v int64" })TIMED
"""
BESIDE = """a:filter "v % 2 == 0":write("beside/", { format = "csv", roll = { rows = 50 } })
"""
REJECTS = """weir.rejects():write("rejects.csv", { mode = "append" })
"""

# What comes to the sink.
ROW_SHAPES = {
    "alone": "a",
    "union": "a:union(b)",
    "new_first": "b:union(a)",
    "filtered": 'a:filter "v % 7 ~= 0"',
    "filtered_union": 'a:filter "v % 7 ~= 0":union(b)',
    "union_filtered": 'a:union(b):filter "v % 7 ~= 0"',
    "counted": 'a:union(b):derive "v = v * 3"',
    "deduplicated": 'a:union(b):dedup "v"',
}
TIMED_SHAPES = {
    "in_order": "a:union(b):sort()",
    "joined": 'a:join(b:select "k, w = v", { on = "k", within = "5s", time = "left" })'
              ':select "k, t, v = v * 100000 + w"',
}
LOOKUP_SHAPES = {
    "looked_up": 'a:lookup(b:select "k, w = v", { on = "k", many = true })'
                 ':select "k, t, v = v * 100000 + (w ?? 0)"',
}
AGG = ':group_by "k":window(weir.tumbling "7s"):agg "t = min(t), v = sum(v)"'
WINDOW_SHAPES = {
    "windows": f"a{AGG}",
    "windows_of_union": f"a:union(b){AGG}",
    "union_of_windows": f"a{AGG}:union(b{AGG})",
    "windows_of_join": 'a:join(b:select "k, w = v", { on = "k", within = "5s" })'
                       ':derive "v = v + w * 0"' + AGG,
}

# Where it goes: what is behind `:write(`, and how its rows are read.
SINKS = {
    "file": '"out/all.csv"',
    "appended": '"out/all.csv", { mode = "append" }',
    "audited": '"out/all.csv", { mode = "append", audit = "some = count() > 0" }',
    "rolled": '"out/", { format = "csv", roll = { rows = 100 } }',
    "by_size": '"out/", { format = "csv", roll = { size = "1KB" } }',
    "by_key": '"out/", { format = "csv", partition_by = "k" }',
    "by_key_rolled": '"out/", { format = "csv", partition_by = "k", roll = { rows = 30 } }',
    "by_key_appended": '"out/", { format = "csv", partition_by = "k", mode = "append" }',
    "table": '"sqlite:out/o.db", { table = "o", mode = "append" }',
    "keyed_table": '"sqlite:out/o.db", { table = "o", key = "k, t, v" }',
    "replaced_table": '"sqlite:out/o.db", { table = "o", mode = "replace" }',
    "state_table": 'weir.state "o", { mode = "append" }',
}
TIMED_SINKS = {
    "by_time": '"out/", { format = "csv", roll = { every = "20s" } }',
    "by_key_by_time": '"out/", { format = "csv", partition_by = "k", roll = { every = "20s" } }',
    "by_quiet": '"out/", { format = "csv", partition_by = "k", roll = { quiet = "3s" } }',
}
# Of an input that has ended before, one name for all rows cannot have more.
ENDS_WHOLE = {"file", "audited", "replaced_table"}


def time_text(seconds):
    return f"2024-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}Z"


def rows_of(name):
    """Times of `b` begin again before those that have been read of `a`."""
    first = 0 if name == "a" else 100000
    return [("abcde"[i * 31 % 5], time_text(i * 900 // ROWS[name]),
             "bad" if i % BAD == BAD - 1 else str(first + i)) for i in range(ROWS[name])]


def script_of(shape, sink, timed, more=""):
    text = (READ + more).replace("TIMED", TIMED if timed else "")
    if "b" not in shape.replace("group_by", "").replace("tumbling", ""):
        text = "\n".join(line for line in text.split("\n") if not line.startswith("local b"))
    return f"{text}local rows = {shape}\nrows:write({sink})\n"


class Place:
    """An empty folder with the inputs, or with what is left of them, and runs in it."""

    def __init__(self, program, folder, read):
        self.program, self.folder = program, folder
        os.mkdir(self.path("out"))
        for name in ROWS:
            rows = rows_of(name)[dict(read).get(name, 0):]
            with open(self.path(name + ".csv"), "w", encoding="utf-8") as file:
                file.write("k,t,v\n" + "".join(",".join(row) + "\n" for row in rows))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def weir(self, *words):
        return subprocess.run([self.program, *words], cwd=self.folder, capture_output=True,
                              timeout=RUN_SECONDS_MAX, check=False, text=True)

    def run(self, script, *words, command="run"):
        with open(self.path("s.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        return self.weir(command, "s.lua", *words)

    def content(self):
        """Of all files, but for what a look at a state may touch."""
        found = {}
        for at, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(at, name)
                if name not in ("LOCK", "s.lua"):
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, self.folder)] = file.read()
        return found

    def rows(self, sink):
        """Of a place that is complete."""
        if sink == "state_table":
            found = []
            for line in self.weir("state", "export", "st", "o", "--format",
                                  "ndjson").stdout.splitlines():
                one = json.loads(line)
                found.append((one["k"], one["t"], str(one["v"])))
            return found
        if "table" in sink:
            with sqlite3.connect(self.path("out/o.db")) as db:
                return [(k, t, str(v)) for k, t, v in db.execute("select k, t, v from o")]
        return self.files("out")

    def files(self, folder):
        found = []
        for path in sorted(glob.glob(self.path(folder, "**"), recursive=True)):
            if os.path.isdir(path) or not path.endswith(".csv"):
                continue
            key = os.path.basename(os.path.dirname(path)).partition("=")[2]
            with open(path, encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    found.append((row.get("k", key), row["t"], row["v"]))
        hidden = [name for at, _, names in os.walk(self.path(folder)) for name in names
                  if ".part" in name]
        assert not hidden, f"left in {folder}: {hidden}"
        return found


def in_place(program, work, read=()):
    with tempfile.TemporaryDirectory(prefix="weir-edits-") as folder:
        return work(Place(program, folder, read))


@functools.cache
def given(program, shape, timed, read):
    """The rows that a fresh run gives, in their order, where so many of the inputs are read."""
    def work(place):
        done = place.run(script_of(shape, SINKS["file"], timed))
        assert done.returncode == 0, done.stderr
        return place.files("out")
    return in_place(program, work, read)


def normal(rows):
    """As databases and CSV have them alike."""
    return collections.Counter((k, t.replace(" ", "T")[:19], v) for k, t, v in rows)


def differs(wanted, found):
    return (f"{sum((wanted - found).values())} rows are missing, {sum((found - wanted).values())} "
            f"too many: {list((wanted - found).elements())[:3]} … "
            f"{list((found - wanted).elements())[:3]}")


def said_of(done):
    return done.stderr[done.stderr.find("error["):]


def consumed(program, timed, count):
    """How far the inputs are read where so many rows have left their union: others wait there."""
    rows, read = given(program, "a:union(b)", timed, ())[:count], []
    for name in ROWS:
        has = {row[2]: i + 1 for i, row in enumerate(rows_of(name))}
        read.append((name, max((has.get(row[2], 0) for row in rows), default=0)))
    return tuple(read)


def state_of(place, timed, keeps_union):
    state = json.loads(place.weir("state", "ls", "st", "--json").stdout)
    read = tuple((stage["address"].split(" ")[1][0], stage["rows_in"])
                 for stage in state["stages"] if stage["kind"] == "source")
    for stage in state["stages"] if keeps_union else ():
        if stage["stage"] == "union":
            read = consumed(place.program, timed, stage["rows_out"])
    written, = (stage["rows_in"] for stage in state["stages"] if stage["kind"] == "sink"
                and any(place in stage.get("address", "") for place in ("out/", "state o")))
    return read, written


def edit(place, sink, target, timed, before, after, complete):
    """`before`, `after`: the shapes. What is wrong, or None; and whether it went on."""
    first, second = (script_of(shape, target, timed, BESIDE) + REJECTS for shape in (before, after))
    done = place.run(first, "--state", "st", *([] if complete else ["--stop-after",
                                                                   str(STOP_AFTER)]))
    assert done.returncode == (0 if complete else 130), done.stderr
    content = place.content()
    told = place.run(second, "--state", "st", "--json", command="plan")
    assert "error" not in told.stderr, told.stderr
    plan = json.loads(told.stdout)
    keeps_union = any(change["stage"] == "union" and change["what"] == "kept"
                      for change in plan["changes"])
    read, written = state_of(place, timed, keeps_union)
    assert place.content() == content, "the plan changed something"
    if not plan["goes_on"]:
        done = place.run(second, "--state", "st")
        assert done.returncode == 1 and "error[W601]" in done.stderr, \
            f"the plan refuses, and the run: {done.stderr}"
        assert place.content() == content, "a refused run changed something"
    refused = [change for change in plan["changes"] if change["what"] == "refused"]
    done = place.run(second, "--state", "st", "--allow-rebuild")
    if refused:
        assert done.returncode == 1 and "error[W601]" in done.stderr, done.stderr
        assert place.content() == content, "a refused run changed something"
        done = place.run(first, "--state", "st")
        assert done.returncode == 0, f"the script as it was does not go on: {done.stderr}"
        return False
    assert done.returncode == 0, f"the plan promises that it goes on: {said_of(done)}"
    if (before, after) == (WINDOW_SHAPES["windows"], WINDOW_SHAPES["union_of_windows"]):
        written, read = 0, () # the aggregate goes on
    has = given(place.program, before, timed, ())[:written]
    wanted = normal(has) + normal(given(place.program, after, timed, read))
    if sink == "keyed_table":
        wanted = collections.Counter(set(wanted))
    found = normal(place.rows(sink))
    assert found == wanted, differs(wanted, found)
    beside = normal(row for row in rows_of("a") if row[2] != "bad" and int(row[2]) % 2 == 0)
    found = normal(place.files("beside"))
    assert found == beside, f"beside: {differs(beside, found)}"
    with open(place.path("rejects.csv"), encoding="utf-8") as file:
        rejects = [base64.b64decode(row["raw"]).decode() for row in csv.DictReader(file)]
    bad = [",".join(row) for name in "ab" for row in rows_of(name) if row[2] == "bad"
           if f"{name}.csv" in second]
    rejects = [row for row in rejects if row in bad or "b.csv" in second] # it is read no more
    assert sorted(rejects) == sorted(bad), f"{len(rejects)} rejects, not {len(bad)}"
    return True


def pairs():
    """All: (name, sink, target, timed, before, after, complete)."""
    for timed in (False, True):
        rows = ROW_SHAPES | (TIMED_SHAPES if timed else {}) | LOOKUP_SHAPES
        groups = [rows] + ([WINDOW_SHAPES] if timed else [])
        sinks = SINKS | (TIMED_SINKS if timed else {})
        for shapes in groups:
            for sink, target in sinks.items():
                if shapes is WINDOW_SHAPES and sink == "replaced_table":
                    continue # which has the key of its stream
                for before in shapes:
                    for after in shapes:
                        for complete in (False, True):
                            name = (f"{before}_to_{after}_{sink}{'_timed' if timed else ''}"
                                    f"{'_complete' if complete else ''}")
                            waits = (before, after) == ("union_of_windows", "windows")
                            if before != after and (complete or not waits):
                                yield (name, sink, target, timed, shapes[before], shapes[after],
                                       complete)


def main():
    program, words = os.path.abspath(sys.argv[1]), sys.argv[2:]
    is_drawn = not words
    chosen = [each for each in pairs() if words in ([], ["--all"])
              or any(word in each[0] for word in words)]
    if is_drawn:
        DICE.shuffle(chosen)
        print(f"seed: WEIR_SEED={SEED}")
    tried, failed, end = 0, 0, time.monotonic() + SECONDS
    refused = collections.Counter()
    for name, sink, *rest in chosen:
        if is_drawn and tried >= FEW and time.monotonic() > end:
            break
        tried += 1
        try:
            if not in_place(program, lambda place: edit(place, sink, *rest)):
                refused[sink] += 1
                assert sink in ENDS_WHOLE and rest[-1], "it is refused"
        except AssertionError as error:
            failed += 1
            print(f"{name}:\n  {error}")
    print(f"refused: {dict(refused)}")
    print(f"{tried - failed} passed, {failed} failed")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
