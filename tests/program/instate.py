#!/usr/bin/env python3
"""instate.py: tables that sinks have in the state file.

    instate.py PROGRAM

What a sink writes to `state:TABLE` is compared with what the input says: in the file, through
`weir state`, in copies of a run that goes on meanwhile, behind `--from`, and when the script has
changed. What cannot be is refused in words that say what to do.
"""

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

from cases import case, main

ROWS = 3000
WAIT_SECONDS_MAX = 30
SCRIPT = """local s = weir.read("in.csv", { schema = "x int64, k string" })
s:write("state:all", { mode = "append" })
s:group_by "k":emit "update":agg("n = count(), t = sum(x)", { name = "sums" })
  :write("state:sums", { name = "totals" })
s:group_by "k":agg "n = count()":write("state:last", { mode = "replace" })
"""
FOLLOWS = """weir.settings { checkpoint = "20ms" }
local s = weir.read("in.csv", { follow = true, schema = "x int64, k string" })
s:write("state:all", { mode = "append" })
s:group_by "k":emit "update":agg "n = count(), t = sum(x)":write "state:sums"
"""


def lines(first, last):
    return "".join(f"{i},{'abc'[i % 3]}\n" for i in range(first, last))


def sums(count):
    groups = {k: [i for i in range(count) if "abc"[i % 3] == k] for k in "abc"}
    return [(k, len(v), sum(v)) for k, v in groups.items() if v]


class Place:
    """An empty folder with an input and a script, and runs of the program in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.put("in.csv", "x,k\n" + lines(0, ROWS))
        self.put("job.lua", SCRIPT)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, text, mode="w"):
        with open(self.path(name), mode, encoding="utf-8") as file:
            file.write(text)

    def weir(self, *words, code=0):
        """What it says on stdout, or where it fails all that it says."""
        done = subprocess.run([self.program, *words], cwd=self.folder, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=WAIT_SECONDS_MAX, check=False,
                              text=True)
        assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr if code else done.stdout

    def rows(self, sql, state="st"):
        database = sqlite3.connect(f"file:{self.path(state)}/state.db?mode=ro", uri=True)
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def fails(self, *words, code, says):
        said = self.weir(*words, code=code)
        for text in says:
            assert text in said, f"{words}: `{text}` is not in: {said}"


@case
def stands_in_the_state(place):
    """In one life or in many, with all that a checkpoint may cut."""
    place.weir("run", "job.lua", "--state", "st")
    for stop in (2, 5, 9):
        place.weir("run", "job.lua", "--state", "many", "--stop-after", str(stop), "--batch-rows",
                   "100", code=130)
    place.weir("run", "job.lua", "--state", "many")
    for state in ("st", "many"):
        assert place.rows('select x, k from "all" order by rowid', state) == [
            (i, "abc"[i % 3]) for i in range(ROWS)], state
        assert place.rows("select k, n, t from sums order by k", state) == sums(ROWS)
        assert place.rows("select k, n from last order by k", state) == [
            row[:2] for row in sums(ROWS)]
        assert place.rows("select name from sqlite_schema where name like 'weir\\_new%' escape "
                          "'\\'", state) == []


@case
def is_looked_into(place):
    place.weir("run", "job.lua", "--state", "st")
    said = place.weir("state", "ls", "st")
    for text in ("table +all +3,000 in it", "table +last +3 in it", "table +sums +3 in it"):
        assert re.search(text, said), said
    tables = json.loads(place.weir("state", "ls", "st", "--json"))["tables"]
    assert tables == [{"name": "all", "rows": ROWS}, {"name": "last", "rows": 3},
                      {"name": "sums", "rows": 3}], tables
    said = place.weir("state", "query", "st", 'select count(*) as c, sum(x) as s from "all" join '
                      "last using (k)")
    assert json.loads(said) == {"c": ROWS, "s": sum(range(ROWS))}, said
    # The stage `sums` and the table `sums`: one of them has its number.
    assert json.loads(place.weir("state", "query", "st", "select sum(t) as s from sums")) == {
        "s": sum(range(ROWS))}
    place.fails("state", "query", "st", "select * from nope", code=3,
                says=["no such table: nope", "the tables are: all, last, sums, "])
    for name in ("totals", "sums"):
        got = list(csv.reader(place.weir("state", "export", "st", name, "--format",
                                         "csv").splitlines()))
        assert got[0] == ["k", "n", "t"] and sorted(
            (k, int(n), int(t)) for k, n, t in got[1:]) == sums(ROWS), got
    assert "state st is whole" in place.weir("state", "verify", "st")
    place.fails("state", "reset", "st", code=2, says=["tables in it: `all` (3,000), `last` (3)"])
    place.weir("state", "reset", "st", "--yes")
    place.weir("run", "job.lua", "--state", "st")
    assert place.rows('select count(*) from "all"') == [(ROWS,)]
    # Another script reads it.
    said = place.weir("-e", 'weir.read("sqlite:st/state.db", { table = "sums" }):sort "k":print()')
    assert [tuple(json.loads(line).values()) for line in said.splitlines()] == sums(ROWS), said


@case
def is_refused_where_it_cannot_be(place):
    place.fails("run", "job.lua", code=1, says=["W624", "--state DIR"])
    for table in ("rows", "Meta", "weir_x", "sqlite_x"):
        place.fails("check", "-e", f'weir.rows("a int64", {{}}):write("state:{table}", '
                    '{ mode = "append" })', code=3, says=["W203", "a name of weir's own"])
    place.fails("check", "-e", 'weir.rows("a int64", {}):write("state:t")', code=3, says=["W404"])
    place.fails("check", "-e", 'weir.read("state:t"):print()', code=3,
                says=["W402", "sqlite:DIR/state.db"])
    place.fails("check", "-e", 'local s = weir.rows("a int64", {}) s:write("state:t", '
                '{ mode = "append" }) s:write("state:T", { mode = "replace" })', code=3,
                says=["W410"])
    place.weir("run", "job.lua", "--state", "st")
    place.fails("-e", 'weir.rows("a int64", {{1}}):write("sqlite:st/state.db", { table = "t", mode '
                '= "append" })', code=1, says=["W403", 'write("state:t")'])
    # Columns of another form than those that are there.
    place.put("job.lua", 'weir.read("in.csv", { schema = "x int64, k string" })'
              ':select "x":write("state:all", { mode = "append" })\n')
    place.fails("plan", "job.lua", "--state", "st", code=1, says=["its columns are not"])
    place.weir("state", "reset", "st", "--yes")


@case
def stays_when_the_script_writes_it_no_more(place):
    place.weir("run", "job.lua", "--state", "st", "--stop-after", "5", "--batch-rows", "100",
               code=130)
    before = place.rows('select count(*) from "all"')
    assert 0 < before[0][0] < ROWS, before
    place.put("job.lua", SCRIPT.replace('s:write("state:all", { mode = "append" })\n', ""))
    said = place.weir("plan", "job.lua", "--state", "st")
    assert "what was written to it stays as it is" in said, said
    place.weir("run", "job.lua", "--state", "st")
    assert place.rows('select count(*) from "all"') == before
    assert place.rows("select k, n, t from sums order by k") == sums(ROWS)


@case
def is_audited(place):
    audited = ('weir.read("in.csv", { schema = "x int64, k string" }):write("state:t", { mode = '
               '"append", audit = "some = count() %s" })\n')
    place.put("job.lua", audited % "< 5")
    place.fails("run", "job.lua", "--state", "st", code=1, says=["W608", "in `weir_new_t`"])
    assert place.rows("select count(*) from weir_new_t") == [(ROWS,)]
    assert place.rows("select count(*) from sqlite_schema where name = 't'") == [(0,)]
    said = place.weir("state", "query", "st", "select max(x) as m from weir_new_t")
    assert json.loads(said) == {"m": ROWS - 1}, said
    place.put("job.lua", audited % "> 5")
    place.weir("run", "job.lua", "--state", "other")
    assert place.rows("select count(*) from t", "other") == [(ROWS,)]
    assert place.rows("select count(*) from sqlite_schema where name like 'weir\\_new%' escape "
                      "'\\'", "other") == [(0,)]


def wait(condition, process):
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@case
def is_copied_while_rows_come(place):
    """Each copy of a run has in its tables what its sources had read: no row more, none less."""
    place.put("job.lua", FOLLOWS)
    with subprocess.Popen([place.program, "run", "job.lua", "--state", "st"], cwd=place.folder,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait(lambda: os.path.exists(place.path("st/MADE")), process)
        count = ROWS
        for i in range(12):
            place.put("in.csv", lines(count, count + 500), mode="a")
            count += 500
            place.weir("state", "save", "st", f"copy{i}")
        # Nobody else reads it while a run holds it.
        place.fails("-e", 'weir.read("sqlite:st/state.db", { table = "all", timeout = "10ms" })'
                    ":print()", code=1, says=["weir state save DIR TO"])
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_SECONDS_MAX)
    seen = set()
    for i in range(12):
        read = next(stage["rows_in"] for stage in json.loads(
            place.weir("state", "ls", f"copy{i}", "--json"))["stages"]
            if stage["kind"] == "source")
        assert place.rows('select count(*), coalesce(max(x), -1) + 1 from "all"', f"copy{i}") == [
            (read, read)], i
        assert place.rows("select k, n, t from sums order by k", f"copy{i}") == sums(read), i
        seen.add(read)
    assert len(seen) > 1, seen
    # A run from a copy makes of it what all rows make.
    place.weir("run", "job.lua", "--state", "next", "--from", "copy2", "--until",
               f"{count}rows", code=0)
    assert place.rows('select count(*), count(distinct x), max(x) from "all"', "next") == [
        (count, count, count - 1)]
    assert place.rows("select k, n, t from sums order by k", "next") == sums(count)


if __name__ == "__main__":
    sys.exit(main(Place))
