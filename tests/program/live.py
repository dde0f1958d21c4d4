#!/usr/bin/env python3
"""live.py: inputs that are live and quiet, as pipes and the clock of the machine have them.

    live.py PROGRAM

Each test writes some rows into a pipe that stays open and waits for what must come of them without
another row. What decides when has its specs, spec/idle_spec.lua and spec/emission_spec.lua.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

SECONDS_MAX = 60
READ = 'weir.read("%s", { schema = "k string, ts timestamp", format = "ndjson" })'
ROW = b'{"k":"a","ts":"2024-01-01T00:00:01Z"}\n'


class Run:
    """A script that reads its standard input, and `other`, a pipe with a name."""

    def __init__(self, weir, script, before):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-live-")
        self.names = os.path.join(self.folder.name, "names.db")
        if before:
            before(self)
        self.other = os.path.join(self.folder.name, "other")
        os.mkfifo(self.other)
        with open(os.path.join(self.folder.name, "live.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        self.process = subprocess.Popen([weir, "run", "live.lua"], cwd=self.folder.name,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.timer = threading.Timer(SECONDS_MAX, self.process.kill)
        self.timer.start()

    def write(self, statement, *values):
        with sqlite3.connect(self.names) as names:
            names.execute(statement, values)
        names.close()

    def feed(self, rows):
        self.process.stdin.write(rows)
        self.process.stdin.flush()

    def row(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("no row came:\n" + self.process.stderr.read().decode())
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        rest, code = self.process.stdout.read(), self.process.wait()
        if code != 0:
            raise AssertionError(f"exit code {code}\n{self.process.stderr.read().decode()}")
        return rest

    def close(self):
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self.folder.cleanup()


def last_window_closes(run):
    run.feed(ROW)
    assert run.row()["n"] == 1
    assert run.end() == b""


last_window_closes.script = f"""{READ % "-"}:event_time("ts", {{ idle = "10ms" }})
  :window(weir.tumbling "1500ms"):agg "n = count()":print()"""


def quiet_input_steps_aside(run):
    with open(run.other, "wb"):  # open, and nothing in it
        run.feed(ROW)
        assert run.row()["k"] == "a"
    assert run.end() == b""


quiet_input_steps_aside.script = f"""{READ % "-"}:event_time("ts", {{ idle = "10ms" }})
  :union({READ % "other"}:event_time("ts", {{ idle = "10ms" }})):print()"""


def window_of_the_clock_closes(run):
    run.feed(ROW)
    run.feed(ROW)
    count = 0
    while count < 2:
        count += run.row()["n"]
    assert count == 2
    assert run.end() == b""


window_of_the_clock_closes.script = f"""{READ % "-"}:processing_time "at"
  :window(weir.tumbling "200ms"):agg "n = count()":print()"""


def emission_of_the_clock_comes(run):
    run.feed(ROW)
    assert run.row()["n"] == 1
    assert run.end() == b""


emission_of_the_clock_comes.script = f"""{READ % "-"}:group_by "k"
  :emit("update", {{ every = "100ms", clock = "processing" }}):agg "n = count()":print()"""


def make_names(run):
    run.write("create table names(k text primary key, name text)")
    run.write("insert into names values ('a', 'first')")


def lookup_sees_what_is_written(run):
    run.feed(ROW)
    assert run.row()["name"] == "first"
    run.write("update names set name = 'second' where k = 'a'")
    run.feed(ROW)
    assert run.row()["name"] == "second"
    run.write("delete from names")
    run.feed(ROW)
    assert run.row()["name"] is None
    assert run.end() == b""


lookup_sees_what_is_written.before = make_names
lookup_sees_what_is_written.script = f"""{READ % "-"}
  :lookup(weir.sqlite("names.db", {{ table = "names" }}), {{ on = "k" }}):print()"""


def lookup_follows_a_database_that_is_replaced(run):
    run.feed(ROW)
    assert run.row()["name"] == "first"
    new = run.names + ".new"
    with sqlite3.connect(new) as names:
        names.execute("create table names(id integer, name text, k text)")
        names.execute("insert into names values (1, 'of the new one', 'a')")
    names.close()
    os.replace(new, run.names)
    run.feed(ROW)
    assert run.row()["name"] == "of the new one"
    assert run.end() == b""


lookup_follows_a_database_that_is_replaced.before = make_names
lookup_follows_a_database_that_is_replaced.script = lookup_sees_what_is_written.script


def lookup_keeps_what_it_has_for_a_time(run):
    run.feed(ROW)
    assert run.row()["name"] == "first"
    run.write("update names set name = 'second' where k = 'a'")
    run.write("insert into names values ('b', 'new')")
    run.feed(ROW + ROW.replace(b'"a"', b'"b"'))
    assert [run.row()["name"], run.row()["name"]] == ["first", "new"]
    assert run.end() == b""


lookup_keeps_what_it_has_for_a_time.before = make_names
lookup_keeps_what_it_has_for_a_time.script = f"""{READ % "-"}
  :lookup(weir.sqlite("names.db", {{ table = "names" }}), {{ on = "k", cache = "1h" }}):print()"""


def lookup_asks_again_after_its_time(run):
    run.feed(ROW)
    assert run.row()["name"] == "first"
    run.write("update names set name = 'second' where k = 'a'")
    time.sleep(0.05)
    run.feed(ROW)
    assert run.row()["name"] == "second"
    assert run.end() == b""


lookup_asks_again_after_its_time.before = make_names
lookup_asks_again_after_its_time.script = f"""{READ % "-"}
  :lookup(weir.sqlite("names.db", {{ table = "names" }}), {{ on = "k", cache = "20ms" }}):print()"""


def put_rates(run, text):
    path = os.path.join(run.folder.name, "rates.csv")
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def rate_of_row(run, wanted):
    """Feeds rows until one has this rate; the rates on the way."""
    seen = []
    while wanted not in seen:
        run.feed(ROW)
        seen.append(run.row()["rate"])
    return seen


def lookup_reads_its_table_again(run):
    assert rate_of_row(run, 10) == [10]
    put_rates(run, "k,rate\na,2\n" + "".join(f"x{i},9\n" for i in range(20000)))
    assert set(rate_of_row(run, 20)) <= {10, 20}
    assert run.end() == b""


def table_that_is_gone_stays(run):
    assert rate_of_row(run, 10) == [10]
    os.remove(os.path.join(run.folder.name, "rates.csv"))
    time.sleep(0.05)
    assert rate_of_row(run, 10) == [10]
    put_rates(run, "k,rate\na,3\n")
    assert set(rate_of_row(run, 30)) <= {10, 30}
    assert run.end() == b""
    said = run.process.stderr.read().decode()
    assert "note: rates.csv: not read again, its rows of before stay: " in said, said


def table_with_a_second_row_stays(run):
    assert rate_of_row(run, 10) == [10]
    put_rates(run, "k,rate\na,2\nb,bad\na,3\n")
    time.sleep(0.1)
    assert rate_of_row(run, 10) == [10]
    put_rates(run, "k,rate\na,4\nb,bad\nc,bad\n")
    assert set(rate_of_row(run, 40)) <= {10, 40}
    time.sleep(0.1)
    assert run.end() == b""
    said = run.process.stderr.read().decode()
    assert "its rows of before stay: second row for lookup key k = a" in said, said
    assert said.count("2 of its rows were bad and are left out") == 1, said
    assert "0 rejected" in said, said


for test in (lookup_reads_its_table_again, table_that_is_gone_stays,
             table_with_a_second_row_stays):
    test.before = lambda run: put_rates(run, "k,rate\na,1\n")
    test.script = f"""{READ % "-"}
  :lookup(weir.read("rates.csv", {{ schema = "k string, rate int64" }}):derive "rate = rate * 10",
    {{ on = "k", reload = "10ms" }}):print()"""


def rejects_come_as_they_do_with_one_thread(run):
    for count in range(1, 4):
        run.feed(ROW + b"no JSON\n")
        op = "insert" if count == 1 else "update"
        wanted = [{"k": "a", "n": count, "op": op}, {"code": "W501", "c": count, "op": op},
                  {"code": "W501"}]
        rows = [run.row() for _ in wanted]
        assert all(row in rows for row in wanted), rows
    run.end()


rejects_come_as_they_do_with_one_thread.script = f"""
weir.settings {{ workers = 3 }}
local s = {READ % "-"}
s:group_by "k":emit "update":agg "n = count()":print()
s:rejects():group_by "code":emit "update":agg "c = count()":print()
s:rejects():select "code":print()"""


def main():
    passed = failed = 0
    for test in (last_window_closes, quiet_input_steps_aside, window_of_the_clock_closes,
                 emission_of_the_clock_comes, lookup_sees_what_is_written,
                 lookup_keeps_what_it_has_for_a_time, lookup_asks_again_after_its_time,
                 lookup_follows_a_database_that_is_replaced, lookup_reads_its_table_again,
                 table_that_is_gone_stays, table_with_a_second_row_stays,
                 rejects_come_as_they_do_with_one_thread):
        run = Run(os.path.abspath(sys.argv[1]), test.script, getattr(test, "before", None))
        try:
            test(run)
            passed += 1
        except (AssertionError, OSError) as error:
            print(f"{test.__name__}: {error}")
            failed += 1
        finally:
            run.close()
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
