#!/usr/bin/env python3
"""state_tools.py: `weir state`: looking into a state, checking, copying and resetting it.

    state_tools.py PROGRAM

Each case begins with a run that was stopped in the midst of its input. What is shown of a state is
compared with what the input says; whatever is only looked at is the same afterwards to the byte,
and the run goes on to the results of one that was never stopped.
"""

import array
import fcntl
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time

from cases import case, main

ROWS = 6000
RUN_SECONDS_MAX = 60
SCRIPT = """local s = weir.read("in.csv", { schema = "x int64, k string" })
s:group_by "k":agg("n = count(), t = sum(x)", { name = "sums" }):write "sums.csv"
s:sort "x desc":write "sorted.csv"
s:distinct "k":write "keys.csv"
"""


FOLLOWS = """weir.settings { checkpoint = "1h" }
weir.read("in.csv", { schema = "x int64, k string", follow = true })
  :write("out.csv", { mode = "append" })
"""


class Place:
    """An empty folder with the input and the script, and runs of the program in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.put("in.csv", "x,k\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(ROWS)))
        self.put("script.lua", SCRIPT)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def weir(self, *words, exit_code=0, told=False):
        done = subprocess.run([self.program, *words], cwd=self.folder, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=RUN_SECONDS_MAX, check=False,
                              text=True)
        assert done.returncode == exit_code, f"{words}: {done.returncode}: {done.stderr}"
        return done.stdout + done.stderr if exit_code or told else done.stdout

    def stop(self, *more):
        self.weir("run", "script.lua", "--state", "st", "--stop-after", "4", "--batch-rows",
                  "300", *more, exit_code=130)

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def more(self, count):
        """Puts rows behind those of the input."""
        begin = self.read("in.csv").count("\n") - 1
        with open(self.path("in.csv"), "a", encoding="utf-8") as file:
            file.write("".join(f"{i},{'abc'[i % 3]}\n" for i in range(begin, begin + count)))

    def follow(self, rows, *words, signal_number=signal.SIGTERM):
        """Runs an endless script until these rows stand in its output, each once, and what was
        there before is gone: that it said."""
        life = self.live(*words)
        wanted = self.wait_for(rows, life)
        time.sleep(0.2) # nothing comes behind it
        life.send_signal(signal_number)
        said = life.communicate(timeout=RUN_SECONDS_MAX)[1]
        assert self.read("out.csv") == wanted, f"{words}: {self.read('out.csv')[-200:]!r}: {said}"
        return said

    def live(self, *words):
        """All rows that are there come in the first batch, which a checkpoint follows at once."""
        return subprocess.Popen([self.program, "run", "script.lua", "--batch-rows", f"{2 * ROWS}",
                                 *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def wait_for(self, rows, life):
        wanted = "x,k\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(rows))
        deadline = time.monotonic() + RUN_SECONDS_MAX
        while self.read("out.csv") != wanted and time.monotonic() < deadline \
                and life.poll() is None:
            time.sleep(0.02)
        assert time.monotonic() < deadline, f"{self.read('out.csv')[-200:]!r} is all that comes"
        return wanted

    def outputs(self):
        found = {}
        for name in ("sums.csv", "sorted.csv", "keys.csv"):
            with open(self.path(name), encoding="utf-8") as file:
                found[name] = file.read()
        return found

    def state(self):
        with open(self.path("st/state.db"), "rb") as file:
            return file.read()

    def sql(self, text, *values):
        database = sqlite3.connect(self.path("st/state.db"))
        rows = database.execute(text, values).fetchall()
        database.commit()
        database.close()
        return rows

    def stages(self, directory="st"):
        return json.loads(self.weir("state", "ls", directory, "--json"))["stages"]

    def rows_read(self):
        return next(s["rows_in"] for s in self.stages() if s["kind"] == "source")


def sums_of(count):
    rows = {k: [i for i in range(count) if "abc"[i % 3] == k] for k in "abc"}
    return [{"k": k, "n": len(values), "t": sum(values)} for k, values in rows.items()]


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@case
def what_a_state_has(place):
    """Rows and positions by source, stage and sink; nothing is disturbed by looking."""
    place.stop()
    before, read = place.state(), place.rows_read()
    assert 0 < read < ROWS, read
    stages = {s.get("name", s["stage"]): s for s in place.stages()}
    assert stages["sums"]["rows"] == 3 and stages["sort"]["rows"] == read, stages
    assert stages["distinct"]["rows"] == 3 and not stages["read"]["ended"], stages
    assert sums_of(read) == lines(place.weir("state", "export", "st", "sums"))
    assert sums_of(read) == lines(place.weir("state", "show", "st", "sums", "--format", "ndjson"))
    sort = str(stages["sort"]["number"])
    assert [r["x"] for r in lines(place.weir("state", "export", "st", sort))] \
        == list(range(read - 1, -1, -1))
    sql = 'select a.k, b.x from sums a join sort_%s b on a.k = b.k order by b.x desc limit 2' % sort
    assert [r["x"] for r in lines(place.weir("state", "query", "st", sql))] == [read - 1, read - 2]
    assert "gives none of them" in subprocess.run(
        [place.program, "state", "show", "st", "distinct"], cwd=place.folder, check=True,
        capture_output=True, text=True).stderr
    assert f"{read:,} read" in place.weir("state", "ls", "st")
    assert before == place.state(), "looking changed it"
    place.weir("run", "script.lua", "--state", "st")
    assert lines(place.weir("state", "export", "st", "sums")) == [], "they were given"
    assert place.stages()[0]["ended"]


@case
def rows_that_wait_are_counted(place):
    """Those of an input that is ahead in time, and rejects whose order is not known yet."""
    place.put("late.csv", "x,k\n" + "".join(f"{i},x\n" for i in range(10 ** 6, 10 ** 6 + ROWS)))
    place.put("bad.csv", "x,k\n" + "bad,x\n" * 5 + "1,a\n" * ROWS)
    place.put("script.lua", """
local function timed(name)
  return weir.read(name, { schema = "x int64, k string" })
    :derive "t = timestamp(x, 'ms')":event_time("t", { max_delay = "0s" })
end
timed("in.csv"):union(timed "late.csv", { name = "both" })
  :window(weir.tumbling "1s"):group_by "k":agg "n = count()":write "n.csv"
weir.read("bad.csv", { schema = "x int64, k string" }):write "good.csv"
weir.rejects():write "rejects.csv"
""")
    place.weir("run", "script.lua", "--state", "st", "--stop-after", "9", "--batch-rows", "300",
               exit_code=130)
    state = json.loads(place.weir("state", "ls", "st", "--json"))
    stages = {stage.get("name") or stage.get("address"): stage for stage in state["stages"]}
    read = stages["file late.csv"]["rows_in"]
    assert read > 0 and stages["both"]["waiting"] == read, stages
    assert stages["both"]["waiting_bytes"] > 8 * read, stages["both"]
    assert state["rejects_waiting"] == 5, state
    text = place.weir("state", "ls", "st")
    assert f"{read} waiting (" in text and "5 rejects wait for the end" in text, text
    assert f"{read} waiting (" in place.weir("state", "show", "st"), text
    place.weir("run", "script.lua", "--state", "st")
    state = json.loads(place.weir("state", "ls", "st", "--json"))
    assert state["rejects_waiting"] == sum(s["waiting"] for s in state["stages"]) == 0, state


@case
def rows_that_nobody_wants_wait_no_more(place):
    """The last one that is wanted is in the midst of a batch."""
    for name in ("even", "odd"):
        place.put(name + ".csv", "x\n" + "".join(f"{2 * i + (name == 'odd')}\n"
                                                 for i in range(1000)))
    place.put("script.lua", """
local function timed(name)
  return weir.read(name, { schema = "x int64" })
    :derive "t = timestamp(x, 'ms')":event_time("t", { max_delay = "0s" })
end
local even = timed "even.csv"
even:union(timed "odd.csv"):limit(101):write "some.csv"
even:write "all.csv"
""")
    place.weir("run", "script.lua", "--state", "st", "--stop-after", "3", "--batch-rows", "300",
               exit_code=130)
    stages = json.loads(place.weir("state", "ls", "st", "--json"))["stages"]
    assert [stage["waiting"] for stage in stages] == [0] * len(stages), stages


@case
def shards_are_seen_as_one(place):
    place.stop("--shards", "3")
    got = lines(place.weir("state", "export", "st", "sums"))
    assert sorted(got, key=lambda r: r["k"]) == sums_of(place.rows_read()), got


@case
def another_script_is_not_believed(place):
    """Rows are read by the stage that wrote them, or not at all."""
    place.stop()
    place.put("script.lua", SCRIPT.replace("sum(x)", "max(x)"))
    said = place.weir("state", "export", "st", "sums", exit_code=1)
    assert "error[W601]" in said and "weir plan" in said, said
    place.put("other.lua", SCRIPT)
    assert sums_of(place.rows_read()) == lines(
        place.weir("state", "export", "st", "sums", "--script", "other.lua"))
    said = place.weir("state", "query", "st", "select * from sums", exit_code=1)
    assert "error[W601]" in said, said


@case
def what_is_not_there(place):
    assert "there is no state in st" in place.weir("state", "ls", "st", exit_code=1)
    assert not os.path.exists(place.path("st")), "looking made one"
    said = place.weir("plan", "script.lua", "--state", "st", exit_code=1)
    assert "there is no state in st" in said, said
    place.stop()
    said = place.weir("state", "show", "st", "smus", exit_code=2)
    assert "did you mean `sums`" in said, said
    assert "knows no `lss`" in place.weir("state", "lss", "st", exit_code=2)
    assert "is a source" in place.weir("state", "export", "st", "in.csv", exit_code=2)
    said = place.weir("state", "query", "st", "select * from other", exit_code=3)
    assert said.startswith("SQL:1:15: error[W203]: SQLite says: no such table: other\n"), said
    assert "sqlite:" not in said and "-e" not in said, said
    said = place.weir("state", "query", "st", "select 1 as a,\n2 as a", exit_code=3)
    assert said.startswith("SQL:1:13: error[W105]: duplicate name `a`"), said
    said = place.weir("state", "query", "st", "drop table sums", exit_code=3)
    assert said.startswith("SQL:1:1: error[W203]: it must be one `select`"), said
    assert "the tables are: " in said and "sums" in said, said


@case
def another_seed(place):
    """What was drawn by the seed of before is in the state; that another one is said is told."""
    place.put("script.lua", "weir.settings { seed = 7 }\n" + SCRIPT)
    place.stop()
    place.put("script.lua", "weir.settings { seed = 8 }\n" + SCRIPT)
    done = subprocess.run([place.program, "run", "script.lua", "--state", "st"], cwd=place.folder,
                          check=True, capture_output=True, text=True)
    assert "note: st: it goes on with the seed that it began with" in done.stderr, done.stderr
    place.weir("state", "reset", "st", "--yes")
    done = subprocess.run([place.program, "run", "script.lua", "--state", "st"], cwd=place.folder,
                          check=True, capture_output=True, text=True)
    assert "seed" not in done.stderr, done.stderr


@case
def a_state_in_use(place):
    run = subprocess.Popen([place.program, "run", "-e", 'weir.read("-", { schema = "a int64" })'
                            ':write "out.csv"', "--state", "st"], cwd=place.folder,
                           stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + RUN_SECONDS_MAX
    while not os.path.exists(place.path("st/MADE")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for words in (("ls", "st"), ("verify", "st"), ("reset", "st", "--yes")):
        said = place.weir("state", *words, exit_code=1)
        assert f"held by process {run.pid}" in said, said
    run.send_signal(signal.SIGTERM)
    run.stdin.close()
    assert run.wait(timeout=RUN_SECONDS_MAX) in (0, 143)
    place.weir("state", "verify", "st")


@case
def damage_is_found(place):
    """A bit that is another one, in a piece or elsewhere, is told with what it is in."""
    place.stop()
    assert "is whole" in place.weir("state", "verify", "st")
    parts = place.sql("select piece.id, name, bytes from piece join part on part = part.id "
                      "where length(bytes) > 0")
    assert len(parts) > 6, parts
    dice = random.Random(int(os.environ.get("WEIR_SEED", "7")))
    for piece, name, whole in parts:
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        place.sql("update piece set bytes = ? where id = ?", bytes(damaged), piece)
        said = place.weir("state", "verify", "st", exit_code=1)
        assert "damaged" in said and f"part {name}" in said, said
        place.sql("update piece set bytes = ? where id = ?", whole, piece)
    assert "is whole" in place.weir("state", "verify", "st")
    for piece, name, whole in parts:
        place.sql("update piece set number = number + 64 where id = ?", piece)
        said = place.weir("state", "verify", "st", exit_code=1)
        assert "damaged" in said and f"part {name}" in said, said
        place.sql("update piece set number = number - 64 where id = ?", piece)
    assert "is whole" in place.weir("state", "verify", "st")
    place.sql("update part set name = 'op 99 0 0' where id = "
              "(select max(id) from part where name like 'op %')")
    assert "what it says of its parts" in place.weir("state", "verify", "st", exit_code=1)


@case
def savepoints(place):
    """A copy goes on as the state itself would have, and writes what it would have."""
    place.stop()
    read = place.rows_read()
    place.weir("state", "save", "st", "save")
    assert "is whole" in place.weir("state", "verify", "save")
    assert "there is a state in save already" in place.weir("state", "save", "st", "save",
                                                            exit_code=1)
    place.stop()
    assert place.rows_read() > read
    said = place.weir("run", "script.lua", "--state", "st", "--from", "save", exit_code=1)
    assert "there is a state in st already" in said, said
    assert "--from goes with --state" in place.weir("run", "script.lua", "--from", "save",
                                                    exit_code=2)
    place.weir("run", "script.lua", "--state", "again", "--from", "save")
    first = place.outputs()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Place(place.program, folder)
        fresh.weir("run", "script.lua")
        assert first == fresh.outputs()
    assert next(s["rows_in"] for s in place.stages("save")) == read, "the savepoint has moved"


@case
def a_savepoint_is_begun_from_once(place):
    """Who is killed before the first checkpoint behind it types the same words again; so does who
    is killed later, and goes on. Another savepoint begins in no state that is there."""
    place.put("script.lua", FOLLOWS)
    place.follow(ROWS, "--state", "st")
    place.weir("state", "save", "st", "save")
    place.more(100)
    place.follow(ROWS + 100, "--state", "st")
    place.weir("state", "save", "st", "later")
    place.more(50)
    place.follow(ROWS + 150, "--state", "new", "--from", "save", signal_number=signal.SIGKILL)
    killed = place.read("out.csv")
    for more in (("--from", "save"), ()):
        os.remove(place.path("out.csv")) # with its mark, which would tell one copy of the other
        place.put("out.csv", killed)
        shutil.rmtree(place.path("again"), ignore_errors=True)
        shutil.copytree(place.path("new"), place.path("again"))
        place.follow(ROWS + 150, "--state", "again", *more)
    place.more(10)
    said = place.follow(ROWS + 160, "--state", "again", "--from", "save")
    assert "it began from that savepoint before, and goes on behind its checkpoint" in said, said
    said = place.weir("run", "script.lua", "--state", "again", "--from", "later", exit_code=1)
    assert "there is a state in again already" in said and "did not begin from later" in said, said
    shutil.rmtree(place.path("save"))
    place.more(10)
    place.follow(ROWS + 170, "--state", "again", "--from", "save")


@case
def a_copy_cuts_nothing_unless_it_is_told_to(place):
    """A run from a savepoint that was refused leaves a state; begun without `--from` that is an old
    copy like any other."""
    place.put("script.lua", FOLLOWS)
    place.follow(ROWS, "--state", "st")
    place.weir("state", "save", "st", "save")
    life = place.live("--state", "st")
    place.more(50)
    place.wait_for(ROWS + 50, life)
    said = place.weir("run", "script.lua", "--state", "new", "--from", "save", exit_code=1)
    assert "error[W612]" in said, said
    life.send_signal(signal.SIGTERM)
    life.communicate(timeout=RUN_SECONDS_MAX)
    written = place.read("out.csv")
    said = place.weir("run", "script.lua", "--state", "new", exit_code=1)
    assert "error[W617]" in said or "error[W613]" in said, said
    assert place.read("out.csv") == written, "rows were cut"


@case
def beginning_anew(place):
    place.stop()
    said = place.weir("state", "reset", "st", exit_code=2)
    assert "--yes" in said and place.rows_read() > 0, said
    read = place.rows_read()
    assert "cannot be reset" in place.weir("state", "reset", "st", "in.csv", "--yes", exit_code=1)
    place.weir("state", "reset", "st", "sums", "--yes")
    assert all(s.get("name") != "sums" for s in place.stages())
    assert place.rows_read() == read
    place.weir("run", "script.lua", "--state", "st")
    counted = sum(int(line.split(",")[1]) for line in place.outputs()["sums.csv"].split()[1:])
    assert counted == ROWS - read, "it began empty"
    place.weir("state", "reset", "st", "--yes")
    assert "there is no state" in place.weir("state", "ls", "st", exit_code=1)
    place.weir("run", "script.lua", "--state", "st")
    counted = sum(int(line.split(",")[1]) for line in place.outputs()["sums.csv"].split()[1:])
    assert counted == ROWS, "all began anew"


@case
def a_plan_is_of_a_savepoint_too(place):
    """It says what a run from there would find, makes nothing, and looks at a state that began."""
    changed = SCRIPT.replace("t = sum(x)", "t = max(x)")
    place.stop()
    place.weir("state", "save", "st", "save")
    place.put("script.lua", changed)
    for words in ((), ("--state", "new")):
        said = place.weir("plan", "script.lua", "--from", "save", *words, exit_code=1)
        assert said.startswith("state save, checkpoint "), said
        assert "  rebuilt   stage   sums" in said, said
    assert not os.path.exists(place.path("new"))
    said = place.weir("plan", "script.lua", "--from", "save", "--state", "st", exit_code=1)
    assert "error[W411]: there is a state in st already" in said, said
    said = place.weir("plan", "script.lua", "--from", "gone", exit_code=1)
    assert "error[W401]: there is no state in gone" in said and \
        "`weir state save DIR gone` makes one" in said, said
    place.put("script.lua", SCRIPT)
    place.weir("run", "script.lua", "--state", "new", "--from", "save", "--stop-after", "2",
               exit_code=130)
    said = place.weir("plan", "script.lua", "--from", "save", "--state", "new")
    assert said.startswith("state new, checkpoint "), said


@case
def a_start_that_is_refused_leaves_no_state(place):
    """But one that was there, and a directory that was: those are somebody's."""
    place.stop()
    place.weir("state", "save", "st", "save")
    before = place.state()
    place.put("script.lua", SCRIPT.replace("t = sum(x)", "t = max(x)"))
    for _ in range(2):
        said = place.weir("run", "script.lua", "--state", "new", "--from", "save", exit_code=1)
        assert "error[W601]: savepoint save is of another script: stage `sums` of" in said, said
        assert "weir plan SCRIPT --from DIR" in said, said
        assert not os.path.exists(place.path("new")), os.listdir(place.path("new"))
    said = place.weir("run", "script.lua", "--state", "st", exit_code=1)
    assert "error[W601]: state st is of another script" in said and place.state() == before, said
    place.put("script.lua", SCRIPT.replace(':write "sums.csv"', ':filter "n > 1":write "sums.csv"'))
    said = place.weir("run", "script.lua", "--state", "st", exit_code=1)
    assert "error[W601]: state st is of another script: sink `sums.csv` of script" in said, said
    place.put("script.lua", 'weir.settings { memory = "4KB" }\n' + SCRIPT)
    os.mkdir(place.path("kept"))
    for name in ("new", "kept"):
        said = place.weir("run", "script.lua", "--state", name, exit_code=1)
        assert "error[W602]" in said, said
    assert not os.path.exists(place.path("new")) and os.path.exists(place.path("kept"))
    place.put("script.lua", SCRIPT)
    place.weir("run", "script.lua", "--state", "new", "--from", "save")
    assert sum(int(line.split(",")[1]) for line in place.outputs()["sums.csv"].split()[1:]) == ROWS


@case
def a_savepoint_in_the_midst_of_a_file_says_the_way_out(place):
    """That file was completed since: it is renamed, or rows go to another directory."""
    def script(to):
        sink = f'"{to}/", {{ format = "csv", roll = {{ rows = 4000 }} }}'
        place.put("script.lua", FOLLOWS.replace('"1h"', '"10ms"').replace(
            '"out.csv", { mode = "append" }', sink))

    def run(*words, exit_code=0):
        return place.weir("run", "script.lua", "--until", f"{ROWS + more}rows", *words,
                          exit_code=exit_code)

    def rows():
        found = []
        for name in sorted(os.listdir(place.path("out"))):
            if "part-" in name:
                found += place.read(f"out/{name}").split()[1:]
        return sorted(int(one.split(",")[0]) for one in found)

    script("out")
    more = 0
    run("--state", "st")
    place.weir("state", "save", "st", "save")
    more = 5000
    place.more(more)
    run("--state", "st")
    said = run("--state", "new", "--from", "save", exit_code=1)
    names = re.search(r"`(out/part-\d+1\.csv)` was complete already.*"
                      r"rename it to `(out/\.part[^`]+)`", said, re.DOTALL)
    assert "error[W613]" in said and names, said
    os.rename(place.path(names[1]), place.path(names[2]))
    run("--state", "new", "--from", "save")
    assert rows() == list(range(ROWS + more)), "each once"
    script("other")
    run("--state", "third", "--from", "save")
    assert "part-0000000000.csv" in os.listdir(place.path("other"))


@case
def a_script_with_parameters_says_which_it_needs(place):
    place.put("script.lua", 'weir.params "lo int64, hi int64"\n' + SCRIPT.replace(
        ':group_by "k"', ':filter "x >= $lo and x < $hi":group_by "k"'))
    place.stop("-p", "lo=0", "-p", "hi=9000")
    for words in (("show", "st", "sums"), ("export", "st", "sums"),
                  ("query", "st", "select * from sums")):
        said = place.weir("state", *words, exit_code=3)
        assert "error[W106]: no value for `$lo`, `$hi`" in said, said
        assert "`-p lo=… -p hi=…`" in said, said
        assert "note: rows of a stage are read by the script that wrote the" in said, said
        said = place.weir("state", *words, "-p", "hi=9000", exit_code=3)
        assert "error[W106]: no value for `$lo`\n" in said, said
        assert place.weir("state", *words, "-p", "lo=0", "-p", "hi=9000").count("\n") >= 3
    assert "sums" in place.weir("state", "ls", "st")


@case
def a_run_that_goes_on_says_so(place):
    """Once, with the state, the checkpoint, its time and the rows; one that begins says nothing."""
    place.put("script.lua", FOLLOWS)
    said = place.follow(ROWS, "--state", "st")
    assert "goes on" not in said, said
    state = json.loads(place.weir("state", "ls", "st", "--json"))
    place.more(1)
    said = place.follow(ROWS + 1, "--state", "st", signal_number=signal.SIGINT)
    saved = re.sub(r"\.\d+Z$", "Z", state["saved"])
    note = f"note: st: it goes on behind its checkpoint {state['checkpoint']} of {saved}; " \
        f"{ROWS} rows are read already\n"
    assert said.count("goes on") == 1 and said.startswith(note), (note, said)
    place.weir("state", "save", "st", "save")
    place.more(1)
    said = place.follow(ROWS + 2, "--state", "new", "--from", "save")
    assert said.startswith("note: new: it begins from that savepoint behind its checkpoint "), said
    said = place.weir("run", "script.lua", "--state", "new", "--progress", "off", "--until",
                      f"{ROWS + 2}rows", "--drain", told=True)
    assert said.startswith("note: new: it goes on behind"), said
    said = place.weir("run", "script.lua", "--state", "new", told=True)
    assert "goes on" not in said and "of a run that was complete" in said, said


def is_unread(pipe):
    """Whether something that was written into a pipe is still in it."""
    left = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return left[0] > 0


@case
def a_signal_stops_with_a_checkpoint(place):
    """And a second one at once, whatever the run waits for."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run = subprocess.Popen([place.program, "run", "-e", 'weir.read("-", { schema = "a int64" })'
                                ':write "out.csv"', "--state", f"st{number:d}"], cwd=place.folder,
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        run.stdin.write(b'{"a": 1}\n{"a": 2}\n')
        run.stdin.flush()
        deadline = time.monotonic() + RUN_SECONDS_MAX
        while is_unread(run.stdin):
            assert time.monotonic() < deadline, "nobody reads the input"
            time.sleep(0.01)
        time.sleep(0.3)
        run.send_signal(number)
        assert run.wait(timeout=RUN_SECONDS_MAX) == 128 + number
        assert b"interrupted: 2 in" in run.stderr.read()
        assert [s["rows_in"] for s in place.stages(f"st{number:d}") if s["kind"] == "source"] == [2]
        run.stdin.close()
        run.stderr.close()
    place.put("in.csv", "x\n" + "12345678901234567\n" * 20000)
    run = subprocess.Popen([place.program, "run", "-e", 'weir.read("in.csv"):write "-"'],
                           cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(1)  # its output is full, and nobody reads it
    assert run.poll() is None
    run.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert run.poll() is None, "it has rows in its hands"
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=10) == 128 + signal.SIGTERM
    run.stdout.close()


if __name__ == "__main__":
    sys.exit(main(Place))
