#!/usr/bin/env python3
"""audits.py PROGRAM iofault.so [--postgres]: an audited write publishes all rows or none.

In SQLite, or beside a PostgreSQL server: what an audit that fails leaves, and one that holds, with
and without a state, also where the program is killed at its calls and goes on, and where the table
refuses what is published. tests/faults/pipelines/audited.lua is killed at every call."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../postgres"))
import server # pylint: disable=wrong-import-position
from runs import Failure, same # pylint: disable=wrong-import-position

# `a` gets rows, `u` rows by key, `c` a changelog: groups 2, 3 and 4 are there and go again.
SCRIPT = '''
weir.settings { checkpoint = "1ms" }
local p = weir.params "least int64 = 50"
local function to(name)
  return %s
end
local s = weir.generate { rows = 50, columns = "id = i, v = i * 7" }
s:write(to "a", { mode = "append", audit = "enough = count() >= $least" })
s:write(to "u", { key = "id", audit = "enough = count() >= $least" })
s:group_by "g = id % 5":emit "update":agg "n = count()":filter "n < 9 or g < 2"
  :write(to "c", { key = "g", audit = "two = count() == 2" })
'''
TABLES = ("a", "c", "u")
BEFORE = {"a": ["0|0"], "c": ["0|1", "3|3", "9|9"], "u": ["1|1", "99|99"]}
ROWS = [f"{i}|{i * 7}" for i in range(1, 51)]
AFTER = {"a": ["0|0"] + ROWS, "c": ["0|10", "1|10", "9|9"], "u": sorted(ROWS + ["99|99"])}
AFTER["a"].sort()
NEW = {"a": sorted(ROWS), "u": sorted(ROWS), "c": ["0|10", "1|10"]}
COLUMNS = {"a": "id bigint, v bigint", "u": "id bigint primary key, v bigint",
           "c": "g bigint primary key, n bigint"}
BESIDE = {"weir_new_a": sorted(ROWS), "weir_new_u": sorted(ROWS), "weir_new_c": ["0|10", "1|10"],
          "weir_del_c": ["2", "3", "4"]}
SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
KILLS = 12


class Sqlite:
    place = 'weir.sqlite("o.db", { table = name })'

    def sql(self, folder, text):
        database = sqlite3.connect(os.path.join(folder, "o.db"))
        try:
            rows = database.execute(text).fetchall()
            database.commit()
        finally:
            database.close()
        return ["|".join(str(x) for x in row) for row in rows]

    def tables(self, folder):
        return self.sql(folder, "select name from sqlite_schema where type = 'table'")

    def wipe(self, folder):
        for name in self.tables(folder):
            self.sql(folder, f"drop table {name}")


class Postgres:
    def __init__(self, postgres):
        self.postgres = postgres
        self.place = f'weir.postgres("{postgres.address}", {{ table = name, user = "weir" }})'

    def sql(self, _, text):
        return [line for line in self.postgres.sql(text).split("\n") if line]

    def tables(self, folder):
        return self.sql(folder, "select tablename from pg_tables where schemaname = 'public'")

    def wipe(self, folder):
        for name in self.tables(folder):
            self.sql(folder, f"drop table {name}")


class Bench:
    def __init__(self, weir, library, database):
        self.weir, self.library, self.database = weir, library, database
        self.held = tempfile.TemporaryDirectory(prefix="weir-audits-")
        self.folder = os.path.join(self.held.name, "here")
        self.lives = 0

    def fresh(self, with_tables=True):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "job.lua"), "w", encoding="utf-8") as file:
            file.write(SCRIPT.replace("%s", self.database.place))
        self.database.wipe(self.folder)
        for name, columns in COLUMNS.items() if with_tables else ():
            self.sql(f"create table {name}({columns})")
            for row in BEFORE[name]:
                self.sql(f"insert into {name} values ({row.replace('|', ', ')})")

    def sql(self, text):
        return self.database.sql(self.folder, text)

    def content(self, names=TABLES):
        return {name: sorted(self.sql(f"select * from {name}")) for name in names}

    def beside(self):
        return {name: sorted(set(self.sql(f"select * from {name}")))
                for name in self.database.tables(self.folder)
                if name.startswith(("weir_new", "weir_del"))}

    def run(self, *words, code=0, **settings):
        self.lives += 1 # each draws other numbers
        environment = dict(os.environ, NO_COLOR="1", LD_PRELOAD=self.library, IOFAULT_DO="kill",
                           IOFAULT_ROOT=self.folder, IOFAULT_SEED=str(self.lives))
        environment |= {f"IOFAULT_{name.upper()}": str(x) for name, x in settings.items()}
        done = subprocess.run([self.weir, "run", "job.lua", "--batch-rows", "8", *words],
                              cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=120, check=False)
        text = done.stderr.decode(errors="replace")
        if code is not None and done.returncode != code:
            raise Failure(f"exit code {done.returncode}, not {code}: {text[-1500:]}")
        return done.returncode, text

    def calls(self, *words, code=0):
        log = self.folder + ".log"
        self.run(*words, code=code, log=log)
        with open(log, encoding="utf-8") as file:
            return len(file.readlines())

    def failed(self, what, *words, with_state):
        _, text = self.run("-p", "least=51", *words, code=1)
        same(f"{what}: {text}", "[W608]: audit of" in text and "where count() is 50" in text, True)
        same(f"{what}: where they are: {text}", "/a are in `weir_new_a`" in text, True)
        same(f"{what}: whose: {text}", "of this run" not in text, with_state)
        same(f"{what}: the tables", self.content(), BEFORE)
        same(f"{what}: beside", self.beside(), BESIDE)

    def held_all(self, what):
        same(f"{what}: the tables", self.content(), AFTER)
        same(f"{what}: beside", self.beside(), {})


def without_a_state(bench):
    bench.fresh()
    bench.failed("first", with_state=False)
    bench.failed("again", with_state=False)
    bench.run()
    bench.held_all("it holds")


def with_a_state(bench):
    bench.fresh()
    for what in ("first", "the same state", "once more"):
        bench.failed(what, "--state", "s", with_state=True)
    bench.run("--state", "new")
    bench.held_all("a new state")
    _, text = bench.run("--state", "new")
    same(text, "was complete" in text, True)
    bench.held_all("complete")


def where_there_is_no_table(bench):
    for words in ([], ["--state", "s"]):
        bench.fresh(with_tables=False)
        bench.run("-p", "least=51", *words, code=1)
        same("tables", sorted(set(TABLES) & set(bench.database.tables(bench.folder))), [])
        same("beside", bench.beside(), BESIDE)
        bench.fresh(with_tables=False)
        bench.run(*words)
        same("tables", bench.content(), NEW)
        same("beside", bench.beside(), {})


def killed(bench):
    """At calls of a run that holds and of one that fails, up to three lives in a row."""
    dice = random.Random(SEED)
    for least, code in (("50", 0), ("51", 1)):
        words = ["--state", "s", "-p", f"least={least}"]
        bench.fresh()
        count = bench.calls(*words, code=code)
        for number in sorted(dice.sample(range(1, count + 1), min(KILLS, count))):
            bench.fresh()
            for life in range(dice.choice((1, 1, 3))):
                bench.run(*words, code=None, at=max(1, number // (life + 1)))
            what = f"killed at call {number} of {count}, least {least}, seed {SEED}"
            if code == 0:
                bench.run(*words)
                bench.held_all(what)
            else:
                bench.failed(what, "--state", "s", with_state=True)


def a_table_that_refuses(bench):
    """What is published is refused as a whole, and may be published by the next life."""
    bench.fresh()
    bench.sql("create unique index one on a(v)")
    bench.sql("insert into a values (7, 7)")
    _, text = bench.run("--state", "s", code=1)
    same(text, "unique" in text.lower(), True)
    same("a", bench.content(["a"]), {"a": ["0|0", "7|7"]})
    same("beside", bench.beside()["weir_new_a"], sorted(ROWS))
    bench.sql("delete from a where id = 7")
    bench.run("--state", "s")
    bench.held_all("behind it")


def main():
    weir, library = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    postgres = None
    print(f"seed: WEIR_SEED={SEED}")
    if "--postgres" in sys.argv:
        if server.find_programs() is None:
            print("audits.py: no PostgreSQL server (apt-get install postgresql)")
            return 1 if os.environ.get("CI") else server.SKIPPED
        postgres = server.Server()
    failed = 0
    tests = [without_a_state, with_a_state, where_there_is_no_table, killed, a_table_that_refuses]
    try:
        bench = Bench(weir, library, Postgres(postgres) if postgres else Sqlite())
        for test in tests:
            try:
                test(bench)
            except (Failure, RuntimeError) as failure:
                failed += 1
                print(f"{test.__name__}: {failure}")
    finally:
        if postgres:
            postgres.close()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
