#!/usr/bin/env python3
"""undo.py PROGRAM [TEST...]: rows of a table by key that the state never heard of are taken back
(runtime/conn/postgres_undo.h). A life of which the state does not hear is one whose state is put
back as it was before."""

import json
import os
import random
import re
import shutil
import sys

from runs import Place, main, same

SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
ROWS = 400
SCRIPT = '''
weir.settings { checkpoint = "1h" }
weir.read("in.ndjson", { schema = "k string, v int64" })
  :group_by "k":emit "update":agg "n = count(), v = last(v)":filter "n %% 3 ~= 0"
  :write(weir.postgres("%s", { table = "t", user = "weir" })%s)
'''
EXTRA = (", note text, raw bytea default '\\x00', rate float8, paid numeric(9,3), doc jsonb, at "
         "timestamptz, twice bigint generated always as (n * 2) stored")
TABLES = [
    None,
    f"create table t(k text primary key, n bigint, v bigint{EXTRA})",
    f"create table t(k text unique, n integer, v smallint{EXTRA})",
    f"create table t(id bigint generated always as identity primary key, v bigint, n bigint, "
    f"k varchar(20) unique{EXTRA})",
    f"create table t(n numeric, k text, v bigint{EXTRA}, unique (k)); create index on t(v); "
    "create table seen(k text); create function f() returns trigger language plpgsql as $$ begin "
    "insert into seen values (new.k); return new; end $$; create trigger g after update on t for "
    "each row execute function f()",
    f"create table t(k text, n bigint, v bigint{EXTRA}, primary key (k)) partition by hash (k); "
    "create table t0 partition of t for values with (modulus 2, remainder 0); "
    "create table t1 partition of t for values with (modulus 2, remainder 1)",
]
SET = ("update t set note = case v % 3 when 0 then null when 1 then 'a \"b\", (c)' else '' end, "
       "raw = decode(lpad(to_hex(v::int), 8, '0'), 'hex'), rate = v / 7.0, paid = v / 8.0, "
       "doc = jsonb_build_object('v', v), at = to_timestamp(v)")


class Lives:
    def __init__(self, weir, postgres, table=None, more="", script=SCRIPT):
        self.postgres = postgres
        names = postgres.sql("select tablename from pg_tables where schemaname = 'public'").split()
        for name in names:
            postgres.sql(f"drop table if exists {name} cascade")
        postgres.sql("drop function if exists f")
        if table:
            postgres.sql(table)
        self.place = Place(weir, script % (postgres.address, more))
        dice = random.Random(SEED)
        keys = ["a", "b", "c", "dd", "", None, "\u00e9", "x y"]
        self.place.write("in.ndjson", "".join(json.dumps(
            {"k": dice.choice(keys), "v": dice.randrange(1000)}) + "\n" for _ in range(ROWS)))
        self.state = os.path.join(self.place.folder, "s")

    def live(self, rows, kept=True, code=0):
        """Up to a row. One that is not kept is one step, and so one epoch, behind which stands that
        of its end without rows."""
        before = self.state + ".before"
        shutil.rmtree(before, ignore_errors=True)
        if os.path.exists(self.state):
            shutil.copytree(self.state, before)
        said = self.place.run("--state", "s", "--batch-rows", "1" if kept else "4096", "--until",
                              f"{rows}rows", "--max-bad", "1000", code=code)
        if not kept:
            shutil.rmtree(self.state)
            shutil.copytree(before, self.state)
            self.postgres.sql("update weir_commit set epoch = epoch - 1")
        return said

    def end(self):
        return self.place.run("--state", "s", "--batch-rows", "7", "--max-bad", "1000")

    def rows(self):
        return self.postgres.sql("select * from t order by k, n")

    def own(self):
        """weir's own tables, without numbers."""
        return re.sub(r"\d+", "N", self.postgres.sql(
            "select relname from pg_class where relkind = 'r' and relname like 'weir%' order by 1"))


def tables_of_all_kinds_are_given_back(weir, postgres):
    for table in TABLES:
        lives = Lives(weir, postgres, table)
        lives.live(120)
        if table:
            postgres.sql(SET)
        before = lives.rows()
        lives.live(260, kept=False)
        same(f"{table}: other rows", lives.rows() != before, True)
        lives.live(180, kept=False) # it takes back, writes, and is not heard of either
        lives.live(120)
        same(f"{table}, seed {SEED}", lives.rows(), before)
        lives.end()
        last = postgres.sql("select k, n, v from t order by 1")
        same("own tables", lives.own(), "weir_commit\n")
        other = Lives(weir, postgres, table)
        other.end()
        same(f"{table}: in one go", last, postgres.sql("select k, n, v from t order by 1"))


def check_beside(lives, name, old):
    """The table beside is given back while `old` stands in its place, and takes it in the end."""
    beside = "select * from weir_new_t order by 1, 2"
    lives.live(100)
    before = lives.postgres.sql(beside)
    lives.live(300, kept=False)
    lives.live(100)
    same(name, lives.postgres.sql(beside), before)
    same(f"{name}: in its place", lives.postgres.sql("select * from t"), old)
    lives.end()
    same(f"{name}: own tables", lives.own(), "weir_commit\n")


def the_table_beside_is_given_back(weir, postgres):
    for more in (', { mode = "replace" }', ', { audit = "some = count() > 0" }'):
        lives = Lives(weir, postgres, "create table t(k text unique, n bigint, v bigint)", more)
        postgres.sql("insert into t values ('old', 1, 1)")
        check_beside(lives, more, "old|1|1\n")


def what_somebody_did_meanwhile(weir, postgres):
    lives = Lives(weir, postgres,
                  "create table t(k text primary key, n bigint, v bigint unique, note text)")
    lives.place.write("in.ndjson", "".join(json.dumps({"k": k, "v": v}) + "\n" for k, v in (
        ("a", 1), ("b", 2), ("c", 3), # kept
        ("a", 9), ("b", 1), ("a", 2), ("c", 8), ("c", 7), ("d", 5), # a and b change places; c goes
        ("e", 6))))
    lives.live(3)
    lives.live(9, kept=False)
    same("the life that is lost", postgres.sql("select k, v from t order by 1"), "b|1\nd|5\n")
    postgres.sql("update t set note = 'mine', n = 0 where k = 'b'; insert into t values "
                 "('x', 1, 3, 'in the way')")
    said = lives.live(3, code=1)
    same("W623", "W623" in said and "cannot be taken back: duplicate key value violates unique "
         "constraint" in said, True)
    same("nothing is done", postgres.sql("select k, v from t order by 1"), "b|1\nd|5\nx|3\n")
    postgres.sql("delete from t where k = 'x'; alter table t rename note to other")
    same("a column is gone", "W623" in lives.live(3, code=1), True)
    postgres.sql("alter table t rename other to note; alter table t add more int default 3")
    lives.live(3)
    same("taken back", lives.rows(), "a|1|1||3\nb|1|2||3\nc|1|3||3\n")
    lives.live(5)
    lives.live(7, kept=False)
    postgres.sql("update t set note = 'mine', v = 99 where k = 'c'")
    lives.live(5)
    same("a column of somebody else's", lives.rows(), "a|2|9||3\nb|2|1||3\nc|1|3|mine|3\n")
    lives.live(8, kept=False)
    postgres.sql("drop table t")
    same("a table that was dropped", "[W613]" in lives.live(10, code=1), True)


def a_key_that_is_nil_goes_from_a_table_of_weirs_own(weir, postgres):
    """It is taken back by an audited write; the table has an index that holds nils equal."""
    lives = Lives(weir, postgres, "create table t(k text, n bigint, v bigint); create unique index "
                  "on t (k) nulls not distinct", ', { audit = "some = count() >= 0" }')
    postgres.sql("insert into t values (null, 9, 9), ('a', 9, 9), ('b', 9, 9)")
    lives.place.write("in.ndjson", "".join(json.dumps({"k": k, "v": 1}) + "\n" for k in (
        None, "a", "c") * 3))
    lives.place.run("--state", "s", "--batch-rows", "1")
    same("a, c and nil have come and are gone", lives.rows(), "b|9|9\n")


def rows_that_were_refused_take_nothing_back(weir, postgres):
    lives = Lives(weir, postgres, "create table t(k text primary key, n bigint, v bigint check "
                                  "(v > 0))")
    lives.place.write("in.ndjson", "".join(json.dumps({"k": k, "v": v}) + "\n" for k, v in (
        ("a", 1), ("b", 2), ("a", 5), ("c", -1), ("d", -1), ("e", 4))))
    lives.live(2)
    lives.live(3)
    lives.live(5, kept=False) # all of its rows are refused
    lives.live(3)
    same("as it was", lives.rows(), "a|2|5\nb|1|2\n")
    lives.live(5, kept=False)
    lives.end()
    same("at the end", lives.rows(), "a|2|5\nb|1|2\ne|1|4\n")


if __name__ == "__main__":
    sys.exit(main([tables_of_all_kinds_are_given_back, the_table_beside_is_given_back,
                   what_somebody_did_meanwhile, a_key_that_is_nil_goes_from_a_table_of_weirs_own,
                   rows_that_were_refused_take_nothing_back],
                  "undo.py"))
