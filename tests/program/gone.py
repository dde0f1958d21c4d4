#!/usr/bin/env python3
"""gone.py: what somebody did to the tables of sinks, before a run or between two lives of it.

    gone.py PROGRAM [NAME...]

A table, or a file, that rows of the state went into and that is not there is refused, and nothing
is made in its place: it would have the rest of the rows alone.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

from cases import case, main

ROWS = 3000
RUN_SECONDS_MAX = 60


def to(endpoint, options=""):
    return f'weir.read("in.csv", {{ schema = "x int64 key" }}):write("{endpoint}"{options})'


def sqlite(options):
    return to("sqlite:out.db", ', { table = "t", ' + options + " }")


APPEND, UPSERT, REPLACE = (sqlite(f'mode = "{mode}"') for mode in ("append", "upsert", "replace"))
IN_STATE, IN_STATE_REPLACE = (to("state:t", f', {{ mode = "{mode}" }}')
                              for mode in ("append", "replace"))
AUDITED = sqlite('mode = "append", audit = "enough = count() >= 10"')


class Place:
    """An empty folder with an input, and runs of the program in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        with open(self.path("in.csv"), "w", encoding="utf-8") as file:
            file.write("x\n" + "".join(f"{i}\n" for i in range(ROWS)))

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, script, *words, code=0, state="st"):
        done = subprocess.run([self.program, "run", "-e", script, "--state", state, "--batch-rows",
                               "100", *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=RUN_SECONDS_MAX, check=False, text=True)
        assert done.returncode == code, f"{done.returncode}: {done.stderr}"
        return done.stderr

    def begin(self, script):
        """A life with 500 rows in the state, in a new place."""
        for name in ("st", "out.db"):
            shutil.rmtree(self.path(name), ignore_errors=True)
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        self.run(script, "--stop-after", "5", code=130)

    def sql(self, text, database="out.db"):
        with contextlib.closing(sqlite3.connect(self.path(database), isolation_level=None)) as db:
            return db.execute(text).fetchall()

    def tables(self, database):
        return {row[0] for row in self.sql("select name from sqlite_schema where type = 'table'",
                                           database)}

    def is_refused(self, script, *says):
        """Also when it is tried again, so nothing was made by the first try."""
        for _ in range(2):
            said = self.run(script, code=1)
            for text in ("error[W613]", *says):
                assert text in said, f"`{text}` is not in: {said}"


@case
def a_table_that_was_dropped(place):
    for script, table, database in ((APPEND, "t", "out.db"), (UPSERT, "t", "out.db"),
                                    (REPLACE, "weir_new_t", "out.db"),
                                    (AUDITED, "weir_new_t", "out.db"),
                                    (IN_STATE, "t", "st/state.db"),
                                    (IN_STATE_REPLACE, "weir_new_t", "st/state.db")):
        place.begin(script)
        place.sql(f"drop table {table}", database)
        place.is_refused(script, f"500 rows of this state went into the table `{table}`",
                         "it is not there", "help: put it back from a copy")
        assert table not in place.tables(database), place.tables(database)
        # One that somebody has made, and made empty on purpose, is written.
        if table == "t":
            place.sql("create table t(x integer unique)", database)
            place.run(script)
            assert place.sql("select count(*), min(x) from t", database) == [(ROWS - 500, 500)]


@case
def a_table_that_was_dropped_behind_the_end(place):
    """The run is complete, and what it had written is not there any more."""
    for script, database in ((APPEND, "out.db"), (IN_STATE, "st/state.db")):
        place.begin(script)
        place.run(script)
        place.sql("drop table t", database)
        place.is_refused(script, "3000 rows of this state went into the table `t`")


@case
def rows_that_were_there_before_the_state(place):
    """Where those that come replace them by key it is told, once."""
    told = "note: sqlite:out.db/t: the table has rows that this state did not write"
    for script, is_told in ((UPSERT, True), (APPEND, False), (REPLACE, False)):
        place.begin(script)
        said = place.run(script)
        assert told not in said, said
        shutil.rmtree(place.path("st"))
        for life, options in enumerate((("--stop-after", "5"), ())):
            said = place.run(script, *options, code=0 if life else 130)
            assert (told in said) == (is_told and life == 0), f"{script}: {said}"


@case
def a_table_beside_that_went_while_another_stands(place):
    """The table that is to be replaced is no sign that it was."""
    for script, database in ((REPLACE, "out.db"), (IN_STATE_REPLACE, "st/state.db")):
        place.begin(script)
        place.sql("drop table weir_new_t", database)
        place.sql("create table t(x integer)", database)
        place.sql("insert into t values (-1)", database)
        place.is_refused(script, "into the table `weir_new_t`")
        assert place.sql("select x from t", database) == [(-1,)]


@case
def a_file_that_was_removed(place):
    for script in (APPEND, UPSERT, REPLACE):
        place.begin(script)
        os.remove(place.path("out.db"))
        place.is_refused(script, "500 rows of this state went into the file `out.db`",
                         "it is not there", "help: put it back from a copy")
        assert not os.path.exists(place.path("out.db")), "a file was made"


@case
def another_file(place):
    place.begin(APPEND)
    os.remove(place.path("out.db"))
    place.sql("create table t(x integer)")
    place.is_refused(APPEND, "by the state 500 rows went into it, by the file 0",
                     "help: it is another file")
    assert place.sql("select count(*) from t") == [(0,)]


@case
def nothing_had_come(place):
    """What had no row is made anew."""
    script = APPEND.replace("}):write", '}):filter "x >= 2000":write', 1)
    assert script != APPEND
    for name, sql in (("a table", "drop table t"), ("a file", None)):
        place.begin(script)
        if sql is None:
            os.remove(place.path("out.db"))
        else:
            place.sql(sql)
        place.run(script)
        assert place.sql("select count(*), min(x) from t") == [(1000, 2000)], name


@case
def a_complete_run_stays_complete(place):
    """What was put in its place is not looked for beside any more, and whoever fills a table of
    that name now is somebody else."""
    place.begin(REPLACE)
    place.run(REPLACE)
    place.run(REPLACE)
    place.run(REPLACE, "--stop-after", "3", code=130, state="other")
    assert "weir_new_t" in place.tables("out.db")
    place.run(REPLACE)
    assert place.sql("select count(*) from t") == [(ROWS,)]
    place.run(REPLACE, state="other")
    assert place.sql("select count(*), count(distinct x) from t") == [(ROWS, ROWS)]


@case
def rows_that_the_table_leaves_out(place):
    """By a trigger, or by a conflict clause of its own: they are told, and no rejects."""
    odd = "create trigger g before insert on t when new.x % 2 begin select raise(ignore); end"
    low = "create table t(x integer unique on conflict ignore)"
    plain = "create table t(x integer)"
    for script, database, before, rows in (
            (APPEND, "out.db", (plain, odd), ROWS // 2),
            (APPEND, "out.db", (low, "insert into t values (1), (2)"), ROWS),
            (UPSERT, "out.db", ("create table t(x integer primary key)", odd), ROWS // 2),
            (REPLACE, "out.db", (plain, odd), ROWS // 2),
            (AUDITED, "out.db", (plain, odd), ROWS // 2)):
        for state in ("whole", "parts"):
            for name in ("out.db", "whole", "parts"):
                shutil.rmtree(place.path(name), ignore_errors=True)
            if os.path.exists(place.path("out.db")):
                os.remove(place.path("out.db"))
            for sql in before:
                place.sql(sql, database)
            said = ""
            if state == "parts":
                said = place.run(script, "--stop-after", "7", code=130, state=state)
            said += place.run(script, state=state)
            assert place.sql("select count(*), count(distinct x) from t", database) == [
                (rows, rows)], script
            left = 2 if rows == ROWS else ROWS // 2
            assert "note: sqlite:out.db/t: it did not take " in said, said
            assert "a trigger, a rule or an `on conflict` of the table itself" in said, said
            if state == "whole":
                assert f"sqlite:out.db/t ({left:,} that the table did not take)" in said, said
                assert said.count("did not take") == 2, said
            assert "0 rejected" in said, said


@case
def rows_that_a_table_of_the_state_leaves_out(place):
    place.begin(IN_STATE)
    place.sql("create trigger g before insert on t when new.x >= 2000 begin "
              "select raise(ignore); end", "st/state.db")
    said = place.run(IN_STATE)
    assert place.sql("select count(*) from t", "st/state.db") == [(2000,)]
    assert "state:t (1,000 that the table did not take)" in said, said
    assert "note: state:t: it did not take " in said, said


@case
def what_a_table_would_number_by_itself(place):
    """A nil key is one key; an `integer primary key` would make a new one of each."""
    for declared in ("integer primary key", "integer primary key desc"):
        if os.path.exists(place.path("out.db")):
            os.remove(place.path("out.db"))
        place.sql(f"create table t(x {declared}, n integer)")
        said = place.run('weir.generate { rows = 10, columns = "x = case(i % 5 == 0, nil, i), '
                         'n = i" }:write("sqlite:out.db", { table = "t", key = "x" })',
                         state=declared)
        assert "2 rejected (W509 2)" in said and "its key is nil" in said, said
        assert place.sql("select count(*), count(x), sum(x == n) from t") == [(8, 8, 8)]


@case
def a_row_that_a_trigger_refuses_and_leaves(place):
    """It is no reject, since it is there; so nothing of the epoch is."""
    for verb, rows in (("fail", 0), ("abort", ROWS - 1)):
        if os.path.exists(place.path("out.db")):
            os.remove(place.path("out.db"))
        place.sql("create table t(x integer)")
        place.sql(f"create trigger g after insert on t when new.x = 7 begin select raise({verb}, "
                  "'not seven'); end")
        said = place.run(APPEND, code=0 if rows else 1, state=verb)
        assert "not seven" in said and (rows > 0 or "`raise(abort, …)`" in said), said
        assert place.sql("select count(*), coalesce(sum(x = 7), 0) from t") == [(rows, 0)]


@case
def an_update_is_no_row_that_is_left_out(place):
    script = ('weir.generate { rows = 3000, columns = "i = i" }:derive "k = i % 7"'
              ':group_by "k":emit "update":agg "n = count()"'
              ':write("sqlite:out.db", { table = "t" })')
    assert "did not take" not in place.run(script)
    assert "did not take" not in place.run(script, state="again")


@case
def a_row_that_is_only_a_key_and_there_already_is_not_left_out(place):
    rows = 'weir.rows("k string", { { "a" }, { "b" }, { "b" }, { "A" }, { "c" } })'
    for name, target in (
            ("plain", '"sqlite:out.db", { table = "t", key = "k" }'),
            ("state", '"state:t", { key = "k" }'),
            ("audit", '"sqlite:out.db", { table = "u", key = "k", audit = "some = count() > 0" }')):
        for state in ("first", "again"):
            said = place.run(f"{rows}:write({target})", state=f"{name}-{state}")
            assert "did not take" not in said and "5 out to" in said, said
    assert place.sql("select k from t order by k") == [("A",), ("a",), ("b",), ("c",)]
    place.sql("drop table t")
    place.sql("create table t(k text collate nocase primary key)")
    said = place.run(f'{rows}:write("sqlite:out.db", {{ table = "t", key = "k" }})', state="nocase")
    assert "did not take" not in said, said
    assert place.sql("select k from t order by k") == [("a",), ("b",), ("c",)]


def content(folder):
    """Of all files in it."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as file:
                found[os.path.relpath(os.path.join(at, name), folder)] = file.read()
    return found


@case
def what_one_sink_refuses_no_other_sink_has_changed(place):
    """The state is an older copy, so files have more than it knows of; and a table is gone."""
    files = ('s:write("out/b.csv", { mode = "replace" }) '
             's:write("out/parts/", { format = "csv", roll = { rows = 700 } }) '
             's:write("out/k/", { format = "csv", partition_by = "k" }) '
             's:write("sqlite:out/other.db", { table = "t", mode = "append" }) ')
    table = 's:write("sqlite:out/gone.db", { table = "t", mode = "append" }) '
    for number, chains in enumerate((files + table, table + files)):
        script = ('local s = weir.read("in.csv", { schema = "x int64" }):derive "k = x % 3" '
                  + chains)
        shutil.rmtree(place.path("out"), ignore_errors=True)
        os.mkdir(place.path("out"))
        state, old = f"st{number}", f"old{number}"
        place.run(script, "--stop-after", "5", code=130, state=state)
        shutil.copytree(place.path(state), place.path(old))
        place.run(script, "--stop-after", "9", code=130, state=state)
        place.sql("drop table t", "out/gone.db")
        before = content(place.path("out"))
        said = place.run(script, code=1, state=old)
        first = "error[W613]: sqlite:out/gone.db/t: " if number else "error[W617]: out/b.csv: "
        assert first in said and "note" not in said, said
        after = content(place.path("out"))
        assert sorted(after) == sorted(before), (sorted(before), sorted(after))
        for name, has in before.items():
            assert after[name] == has, f"{name}: it had {len(has)} bytes, {len(after[name])} now"
        # The state that wrote it all goes on, when the table is back.
        place.sql("create table t(x integer, k integer)", "out/gone.db")
        place.run(script, state=state)
        rows = [f"{i},{i % 3}" for i in range(ROWS)]
        assert content(place.path("out"))["b.csv"].decode().split() == ["x,k", *rows]
        assert place.sql("select count(*), count(distinct x) from t", "out/other.db") == [
            (ROWS, ROWS)]
        parts = [has.decode().split()[1:] for name, has in content(place.path("out")).items()
                 if name.startswith("parts/") and name.endswith(".csv")]
        assert sorted(sum(parts, [])) == sorted(rows)


@case
def a_refused_run_leaves_the_table_of_another_beside(place):
    """A new state whose other sink is refused; the table beside is of the run that goes on."""
    place.begin(REPLACE)
    both = REPLACE.replace("weir.read", "local s = weir.read").replace(":write", " s:write") + (
        ' s:write("sqlite:no/other.db", { table = "t", mode = "append" })')
    said = place.run(both, code=1, state="new")
    assert "there is no directory `no`" in said, said
    place.run(REPLACE)
    assert place.sql("select count(*), count(distinct x) from t") == [(ROWS, ROWS)]


if __name__ == "__main__":
    sys.exit(main(Place))
