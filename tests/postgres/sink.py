#!/usr/bin/env python3
"""sink.py PROGRAM [TEST...]: what a run writes into a PostgreSQL database, on a server of its own.
What becomes of it when something dies is in faults.py."""

import sys

from runs import Place, main, same

TYPES = '''
weir.rows("id int64, f float64, t string, ts timestamp, d decimal(38,10), b bool, day date, " ..
  "du duration, raw bytes, j json, l list<int64>, st struct<a int64, b string>", [[
id,f,t,ts,d,b,day,du,raw,j,l,st
1,1.5,"a ""b"" |",2024-01-01T00:00:00.5Z,1234567890123456789012345678.0123456789,true,\
1999-12-31,PT1H,AAEC,"{""a"":1}","[1,2]","{""a"":1,""b"":""x""}"
2,,,,,,,,,,,
3,nan,é,0001-01-01T00:00:00Z,-0.0000000001,false,2500-01-01,-PT0.000001S,,[],[],\
"{""a"":null,""b"":null}"
4,-inf,"",1969-12-31T23:59:59.999999Z,10000,false,1900-01-01,P100D,,1,[],"{""a"":2,""b"":""""}"
5,inf,x,9999-12-31T23:59:59.999999Z,-99990000.0001,true,0001-01-01,PT0S,/w==,null,[3],
]])
'''
READ_TYPES = ("select id, f, t, ts, d, b, day, du, raw, j, l, st from t order by id")
WANTED_TYPES = '''\
1|1.5|a "b" ||2024-01-01 00:00:00.5+00|1234567890123456789012345678.0123456789|t|1999-12-31|\
01:00:00|\\x000102|{"a": 1}|[1, 2]|{"a": 1, "b": "x"}
2|||||||||||
3|NaN|é|0001-01-01 00:00:00+00|-0.0000000001|f|2500-01-01|-00:00:00.000001||[]|[]|\
{"a": null, "b": null}
4|-Infinity||1969-12-31 23:59:59.999999+00|10000.0000000000|f|1900-01-01|2400:00:00||1|[]|\
{"a": 2, "b": ""}
5|Infinity|x|9999-12-31 23:59:59.999999+00|-99990000.0001000000|t|0001-01-01|00:00:00|\\xff|null|\
[3]|
'''


def table(postgres, more):
    return f'weir.postgres("{postgres.address}", {{ user = "weir", {more} }})'


def types_are_made_and_written(weir, postgres):
    """By copy and by arrays."""
    for more in ('mode = "append"', 'mode = "upsert", key = "id"', 'mode = "replace"'):
        for rows in ("1", "1024"):
            postgres.sql("drop table if exists t")
            write = ":write(" + table(postgres, 'table = "t"') + f", {{ {more} }})"
            Place(weir, TYPES + write).run("--batch-rows", rows)
            same(f"{more}, {rows}", postgres.sql(READ_TYPES), WANTED_TYPES)
    made = postgres.sql("select column_name || ' ' || data_type from information_schema.columns "
                        "where table_name = 't' order by ordinal_position")
    same("types", made.split("\n")[:-1], [
        "id bigint", "f double precision", "t text", "ts timestamp with time zone", "d numeric",
        "b boolean", "day date", "du interval", "raw bytea", "j jsonb", "l jsonb", "st jsonb"])


COUNTS = '''
local s = weir.generate { rows = 5000, columns = "n = i, k = case(i %% 7 == 0, nil, " ..
  "i * 7919 %% 37)" }
s:group_by "k":agg "n = count(), s = sum(n)":filter "n %% 3 ~= 1":write(%s)
'''


def changelogs_leave_what_the_end_is(weir, postgres):
    """A nil in a key is one key; rows that the filter drops again are deleted."""
    groups = {}
    for i in range(1, 5001):
        key = "" if i % 7 == 0 else i * 7919 % 37
        count, total = groups.get(key, (0, 0))
        groups[key] = (count + 1, total + i)
    wanted = sorted(f"{k}|{n}|{s}" for k, (n, s) in groups.items() if n % 3 != 1)
    for rows in ("7", "1024"):
        postgres.sql("drop table if exists counts")
        Place(weir, COUNTS % table(postgres, 'table = "counts"')).run("--batch-rows", rows)
        same(rows, sorted(postgres.sql("select k, n, s from counts").split()), wanted)
        # Once more over the same table: the rows are replaced.
        Place(weir, COUNTS % table(postgres, 'table = "counts"')).run("--batch-rows", rows)
        same("again", sorted(postgres.sql("select k, n, s from counts").split()), wanted)


def a_new_state_says_that_a_table_has_rows(weir, postgres):
    """Who writes by key, at the start; whose table is new, or empty, does not hear of it."""
    postgres.sql("drop table if exists counts")
    script = COUNTS % table(postgres, 'table = "counts"')
    for wanted in (False, True):
        place = Place(weir, script)
        said = place.run("--state", "st")
        same(said, "the table has rows that this state did not write" in said, wanted)
        same("again", "did not write" in place.run("--state", "st"), False)
    postgres.sql("delete from counts")
    same("empty", "did not write" in Place(weir, script).run("--state", "st"), False)


REFUSED = '''
local s = weir.generate { rows = 3000, columns = "id = i, small = i * 13, name = rep('x', i %% 5)" }
s:write(%s, { mode = "%s", key = %s })
weir.rejects():write "bad.ndjson"
'''


def rows_that_the_server_refuses_are_rejects(weir, postgres):
    """Three constraints, converted columns; the same rows for any batch size."""
    wanted = [i for i in range(1, 3001) if i * 13 <= 32767 and i % 5 <= 3 and i % 11 != 0]
    for mode, key in (("append", "nil"), ("upsert", '"id"')):
        seen = set()
        for rows in ("1", "7", "1024"):
            postgres.sql("drop table if exists strict; create table strict (id int8 primary key, "
                         "small int2 not null, name varchar(3) check (true), "
                         "serial int4 generated always as identity, check (id % 11 <> 0))")
            place = Place(weir, REFUSED % (table(postgres, 'table = "strict"'), mode, key))
            place.run("--batch-rows", rows, "--max-bad", "100000")
            ids = [int(i) for i in postgres.sql("select id from strict order by id").split()]
            same(f"{mode}, {rows}", ids, wanted)
            with open(f"{place.folder}/bad.ndjson", encoding="utf-8") as file:
                bad = file.read()
            same("rejects", bad.count("\n"), 3000 - len(wanted))
            same("codes", bad.count('"code":"W509"'), 3000 - len(wanted))
            seen.add(bad.replace("job.lua", ""))
        same("rejects of all batch sizes", len(seen), 1)


def tables_that_do_not_fit_are_refused(weir, postgres):
    postgres.sql("""create view sight as select 1 as id;
        create table other (id text, n int8); create table many (id int8, must int4 not null);
        create table keyed (id int8, n int8 primary key);
        create table rounded (id numeric(10,1), n int8)""")
    rows = 'weir.generate { rows = 3, columns = "id = i, n = i" }:write(%s)\n'
    decimal = rows.replace("id = i", "id = decimal(i, 10, 3)")
    for script, name, code in (
            (rows, "sight", "W403"), (rows, "other", "W403"), (rows, "many", "W403"),
            (decimal, "rounded", "W403")):
        write = table(postgres, f'table = "{name}", mode = "append"')
        said = Place(weir, script % write).run(code=1)
        same(f"{name}: {said}", f"[{code}]" in said, True)
    keyed = rows.replace("(%s)", '(%s, { key = "id" })') % table(postgres, 'table = "keyed"')
    said = Place(weir, keyed).run(code=1)
    same(said, "[W307]" in said and "n" in said, True)
    for name in ("other", "many", "keyed", "rounded"):
        same(name, postgres.sql(f"select count(*) from {name}"), "0\n")


def replace_shows_nothing_until_it_is_complete(weir, postgres):
    """The old rows stay while it runs; views on the old table go on."""
    postgres.sql("create schema sales; create table sales.days (id int8, n int8); "
                 "insert into sales.days values (99, 99); "
                 "create view total as select sum(n) from sales.days")
    script = ('weir.generate { rows = 4, columns = "id = i, n = i" }:write('
              + table(postgres, 'table = "sales.days"') + ', { mode = "replace" })')
    Place(weir, script.replace("n = i", "n = int64(1 / (4 - i) ?? 7)")).run()
    Place(weir, script).run("--state", "s")
    same("rows", postgres.sql("select id, n from sales.days order by id").split(),
         ["1|1", "2|2", "3|3", "4|4"])
    same("the view", postgres.sql("select * from total"), "10\n")
    same("beside", postgres.sql("select count(*) from pg_class where relname like 'weir_new%'"),
         "0\n")


def a_secret_is_shown_nowhere(weir, _):
    """Of a server that wants a password: in no output, plan, state, log or command line."""
    import server  # pylint: disable=import-outside-toplevel
    canary = "Kan4rienvogel-%27x"
    postgres = server.Server(canary)
    try:
        script = ('weir.generate { rows = 3, columns = "id = i" }:write(weir.postgres("'
                  + postgres.address + '", { table = "t", user = "weir", mode = "append", '
                  'password = weir.secret "%s" }))')
        shown = []
        for where, more in (("env:SHOP", ["--allow", "env=SHOP"]), ("file:word", []), ("shop", []),
                            ("cmd:cat word", ["--allow", "cmd=cat word"])):
            place = Place(weir, script % where, {"SHOP": canary, "WEIR_SECRET_SHOP": canary})
            place.write("word", canary + "\n")
            shown.append(place.run("--state", "s", *more))
            shown.append(place.run(*more, command="explain"))
            shown.append(place.run("--json", *more, command="explain"))
            shown.append(Place(weir, script % where, {"SHOP": "wrong " + canary,
                                                      "WEIR_SECRET_SHOP": "wrong " + canary}
                               ).run(*more, code=1))
            for name in ("store.db", "store.db-wal", "state.db", "state.db-wal"):
                try:
                    with open(f"{place.folder}/s/{name}", "rb") as file:
                        shown.append(file.read().decode("latin-1"))
                except FileNotFoundError:
                    pass
        postgres.environment["PGPASSWORD"] = canary
        shown.append(postgres.sql("select * from weir_commit; select * from pg_stat_activity"))
        same("shown", [text for text in shown if canary in text], [])
        same("rows", postgres.sql("select count(*) from t"), "12\n")
        for where, code in (("env:SHOP", "W406"), ("cmd:echo x", "W406")):
            said = Place(weir, script % where).run(code=3)
            same(said, f"[{code}]" in said, True)
        said = Place(weir, script.replace('weir.secret "%s"', f'"{canary}"')).run(
            "--error-format", "json", code=3)
        same(said, "must be a secret, got a text" in said, True)
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main([types_are_made_and_written, changelogs_leave_what_the_end_is,
                   a_new_state_says_that_a_table_has_rows,
                   rows_that_the_server_refuses_are_rejects, tables_that_do_not_fit_are_refused,
                   replace_shows_nothing_until_it_is_complete, a_secret_is_shown_nowhere],
                  "sink.py"))
