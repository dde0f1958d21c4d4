#!/usr/bin/env python3
"""undo_rows.py PROGRAM [TEST...]: rows of a table without a key that the state never heard of are
taken away before they come as others (runtime/conn/postgres_undo_rows.h)."""

import json
import sys

from runs import main, same
from undo import SEED, Lives, check_beside

SCRIPT = '''
weir.settings { checkpoint = "1h" }
weir.read("in.ndjson", { schema = "k string, v int64" })
  :derive "at = now()":filter "at > timestamp'2000-01-01'":select "k, v"
  :write(weir.postgres("%s", { table = "t", user = "weir" }), { mode = "append"%s })
'''
EXTRA = ", note text default 'none', twice bigint generated always as (v * 2) stored"
TABLES = [
    None, # rows of many batches in one copy
    f"create table t(k text, v bigint{EXTRA})", # a copy
    f"create table t(id bigserial primary key, k varchar(20), v integer check (v % 7 <> 3){EXTRA})",
    f"create table t(k text, v bigint{EXTRA}) partition by hash (k); "
    "create table t0 partition of t for values with (modulus 2, remainder 0); "
    "create table t1 partition of t for values with (modulus 2, remainder 1)",
    f"create table t(k text, v bigint{EXTRA}); create function f() returns trigger language "
    "plpgsql as $$ begin if new.v % 5 = 0 then return null; end if; new.note := 'by f'; return "
    "new; end $$; create trigger g before insert on t for each row execute function f()",
    f"create table t(k text, v bigint{EXTRA}); create table u(k text); create rule also as on "
    "insert to t do also insert into u values (new.k)",
]
LEFT = "rows that the state does not know of"


def rows_of(postgres):
    return postgres.sql("select k, v from t order by k, v")


def tables_of_all_kinds_are_given_back(weir, postgres):
    for table in TABLES:
        lives = Lives(weir, postgres, table, script=SCRIPT)
        lives.live(120)
        before = rows_of(postgres)
        said = lives.live(260, kept=False)
        same(f"{table}: other rows", rows_of(postgres) != before, True)
        said += lives.live(180, kept=False) # it takes back, writes, and is not heard of either
        said += lives.live(120)
        same(f"{table}, seed {SEED}", rows_of(postgres), before)
        same(f"{table}: says nothing of rows that were changed", LEFT in said, False)
        lives.end()
        last = rows_of(postgres)
        same("own tables", lives.own(), "weir_commit\n")
        other = Lives(weir, postgres, table, script=SCRIPT)
        other.end()
        same(f"{table}: in one go", last, rows_of(postgres))


def the_table_beside_is_given_back(weir, postgres):
    for mode in ('replace" --', 'append", audit = "some = count() > 0" --'):
        script = SCRIPT.replace('append"%s })', mode.removesuffix(" --") + "%s })")
        lives = Lives(weir, postgres, "create table t(k text, v bigint)", script=script)
        postgres.sql("insert into t values ('old', 1)")
        check_beside(lives, mode, "old|1\n")
        same(f"{mode}: all are there", postgres.sql("select count(*) from t where k is distinct "
                                                    "from 'old'"), "400\n")


def kept_in(postgres):
    return postgres.sql("select relname from pg_class where relname like 'weir\\_undo\\_%'").strip()


def few(weir, postgres, table="create table t(k text, v bigint)"):
    """Two rows that the state knows of, and three that it does not."""
    lives = Lives(weir, postgres, table, script=SCRIPT)
    lives.place.write("in.ndjson", "".join(json.dumps({"k": k, "v": v}) + "\n" for v, k in
                                           enumerate("abcdefgh", 1)))
    lives.live(2)
    lives.live(5, kept=False)
    return lives


def what_somebody_did_meanwhile_stays_and_is_told(weir, postgres):
    lives = few(weir, postgres)
    postgres.sql("update t set v = 40 where k = 'd'; delete from t where k = 'e'; "
                 "insert into t values ('mine', 1)")
    said = lives.live(2)
    same("told", f"of 3 {LEFT} 2 were changed" in said, True)
    same("left", rows_of(postgres), "a|1\nb|2\nd|40\nmine|1\n")


def a_copy_that_was_put_back_is_not_mistaken(weir, postgres):
    """All its rows have one number, and weir's own rows too."""
    lives = few(weir, postgres)
    undo = kept_in(postgres)
    postgres.sql(f"begin; create table copy as table t; truncate t; insert into t table copy; "
                 f"create table marks as table {undo}; truncate {undo}; insert into {undo} table "
                 "marks; drop table copy, marks; commit")
    said = lives.live(2)
    same("told", f"of 3 {LEFT} 3 were changed" in said, True)
    same("all are left", rows_of(postgres), "a|1\nb|2\nc|3\nd|4\ne|5\n")


def more_rows_than_were_written_are_refused(weir, postgres):
    lives = few(weir, postgres)
    undo = kept_in(postgres)
    postgres.sql(f'update {undo} set "weir rows" = 1 where "weir rows" > 0; '
                 f'begin; truncate t, {undo}; insert into t values (\'x\', 1), (\'y\', 2); '
                 f'with m as (insert into {undo} values (1, null) returning xmin::text as x) '
                 f'insert into {undo} select 0, x from m; commit')
    said = lives.live(2, code=1)
    same("W623", "W623" in said and "2 rows of the table bear the numbers (xmin)" in said, True)
    same("nothing is done", rows_of(postgres), "x|1\ny|2\n")


def what_is_in_the_way_is_told(weir, postgres):
    lives = few(weir, postgres, "create table t(k text primary key, v bigint)")
    postgres.sql("create table r(k text references t); insert into r values ('d')")
    said = lives.live(2, code=1)
    same("W623", "W623" in said and "violates foreign key constraint" in said, True)
    postgres.sql("drop table r")
    lives.live(2)
    same("taken back", rows_of(postgres), "a|1\nb|2\n")


def where_a_part_is_elsewhere_rows_may_be_there_twice(weir, postgres):
    lives = Lives(weir, postgres, "create table t(k text, v bigint) partition by list (k); create "
                  "extension if not exists file_fdw; create server if not exists f foreign data "
                  "wrapper file_fdw; create foreign table t_z "
                  "partition of t for values in ('z') server f options (filename '/dev/null'); "
                  "create table t_rest partition of t default", script=SCRIPT)
    lives.place.write("in.ndjson", '{"k":"a","v":1}\n{"k":"b","v":2}\n{"k":"c","v":3}\n')
    said = lives.live(1)
    same("told", "may be there twice behind a kill, since the table has no key and `t_z` is a "
         "foreign table" in said, True)
    lives.live(2, kept=False)
    lives.end()
    same("twice", rows_of(postgres), "a|1\nb|2\nb|2\nc|3\n")
    postgres.sql("drop table t; drop server f cascade")


if __name__ == "__main__":
    sys.exit(main([tables_of_all_kinds_are_given_back, the_table_beside_is_given_back,
                   what_somebody_did_meanwhile_stays_and_is_told,
                   a_copy_that_was_put_back_is_not_mistaken,
                   more_rows_than_were_written_are_refused, what_is_in_the_way_is_told,
                   where_a_part_is_elsewhere_rows_may_be_there_twice],
                  "undo_rows.py"))
