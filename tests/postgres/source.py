#!/usr/bin/env python3
"""source.py PROGRAM [TEST...]: what a run reads from a PostgreSQL database, on a server of its own:
types, rejects, restarts, and what is refused."""

import json
import os
import random
import signal
import sys
import time

from runs import Place, main, same
from server import Proxy, Server, kill

SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))


def read(postgres, more, address=None):
    return f'weir.read(weir.postgres("{address or postgres.address}", {{ user = "weir", {more} }}))'


def rows_of(place, name="out.ndjson"):
    with open(os.path.join(place.folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


EVERY = '''
create type mood as enum ('sad', 'ok');
create domain pos as int check (value > 0);
create table every (id int primary key, i2 int2, i8 int8, f4 real, f8 float8, n numeric,
  n2 numeric(18,2), t text, v varchar(5), c char(4), b bool, raw bytea, tz timestamptz,
  ts timestamp, d date, iv interval, j json, jb jsonb, u uuid, m mood, p pos, ip inet, ai int[],
  texts text[], an numeric[], atz timestamptz[], aip inet[]);
insert into every values (1, -2, 9007199254740993, 1.5, 0.1, 123.456, -0.05, 'a', 'vv', 'c', true,
  '\\x00ff', '2024-03-31 02:30:00.123456+02', '2024-03-31 12:30:00', '1999-12-31',
  '1 day 02:03:04.5', '{"a" : 1}', '{"b":[1,2]}', '00112233-4455-6677-8899-aabbccddeeff', 'ok', 5,
  '10.0.0.1/8', '{1,2,NULL}', '{a,"b c"}', '{1.5,2}', '{2024-01-01 00:00:00+00}', '{10.0.0.1}');
insert into every (id) values (2);
insert into every (id, n2, n) values
  (9, -9999999999999999.99, 99999999999999999999999999999.000000001), (10, 0, 0),
  (11, 10000, -1e20);
'''
BAD = '''
insert into every (id, tz) values (3, 'infinity');
insert into every (id, iv) values (4, '1 month');
insert into every (id, n) values (5, 'NaN');
insert into every (id, n) values (6, 0.1234567891);
insert into every (id, ai) values (7, '{{1,2},{3,4}}');
insert into every (id, d) values (8, '-infinity');
insert into every (id, n) values (12, 1e29);
'''
FIRST = {
    "id": 1, "i2": -2, "i8": 9007199254740993, "f4": 1.5, "f8": 0.1, "n": "123.456000000",
    "n2": "-0.05", "t": "a", "v": "vv", "c": "c   ", "b": True, "raw": "AP8=",
    "tz": "2024-03-31T00:30:00.123456Z", "ts": "2024-03-31T10:30:00Z", "d": "1999-12-31",
    "iv": "P1DT2H3M4.500S", "j": {"a": 1}, "jb": {"b": [1, 2]},
    "u": "00112233-4455-6677-8899-aabbccddeeff", "m": "ok", "p": 5, "ip": "10.0.0.1/8",
    "ai": [1, 2, None], "texts": ["a", "b c"], "an": ["1.500000000", "2.000000000"],
    "atz": ["2024-01-01T00:00:00Z"], "aip": ["10.0.0.1"]}


def every_type_is_read(weir, postgres):
    """And what has no value in weir is a reject; the same for any batch size."""
    postgres.sql(EVERY + BAD)
    script = ('weir.settings { timezone = "Europe/Berlin" }\n'
              + read(postgres, 'table = "every"') + ':write "out.ndjson"\n'
              'weir.rejects():select "code, detail":write "bad.ndjson"')
    texts = set()
    for count in ("1", "3", "1024"):
        place = Place(weir, script)
        place.run("--batch-rows", count)
        rows, bad = rows_of(place), rows_of(place, "bad.ndjson")
        same("ids", [row["id"] for row in rows], [1, 2, 9, 10, 11])
        same("all types", rows[0], FIRST)
        same("nil", {value for key, value in rows[1].items() if key != "id"}, {None})
        same("digits", [(row["n"], row["n2"]) for row in rows[2:]], [
            ("99999999999999999999999999999.000000001", "-9999999999999999.99"),
            ("0.000000000", "0.00"), ("-100000000000000000000.000000000", "10000.00")])
        same("codes", [row["code"] for row in bad], ["W502"] * 7)
        same("details", [word in row["detail"] for word, row in zip(
            ("`tz` is infinity", "of months", "NaN", "too many digits", "[[1,2],[3,4]]",
             "`d` is infinity", "too many digits"), bad)], [True] * 7)
        texts.add(json.dumps([rows, bad]))
    same("batch sizes", len(texts), 1)


def another_type_is_read_as_text(weir, postgres):
    """`schema =` says what the columns are; no connection is needed to check such a script."""
    postgres.sql("create table loose (a text, b int4, c numeric, d text, e jsonb); "
                 "insert into loose values ('7', 8, 9.5, '2024-01-01T00:00:00Z', '{\"x\": 1}'), "
                 "('x', 1, 1, null, null)")
    schema = "a int64, b string, c float64, d timestamp, e struct<x int64>"
    script = (read(postgres, 'table = "loose"')[:-1] + f', {{ schema = "{schema}" }})'
              ':write "out.ndjson"')
    place = Place(weir, script)
    said = place.run("--max-bad", "9")
    same("rows", rows_of(place), [{"a": 7, "b": "8", "c": 9.5, "d": "2024-01-01T00:00:00Z",
                                   "e": {"x": 1}}])
    same(said, "1 rejected (W502 1)" in said, True)
    nowhere = Place(weir, script.replace(postgres.address, "/nowhere/shop"))
    nowhere.run(command="check")
    same("refused", "[W614]" in nowhere.run(code=1), True)


def what_is_written_is_read_back(weir, postgres):
    """All types, and what `generate` makes, through a table and back."""
    columns = ("id = i, f = float64(i) / 7, t = 'row ' .. string(i), ts = "
               "timestamp('1960-01-01T00:00:00.123456Z') + i * duration'29h0.000001s', "
               "d = decimal(i, 38, 7) * -1, b = i % 3 == 0, day = date('1890-01-01') + i * "
               "duration'100d', du = i * duration'1h0.5s', z = case(i % 5 == 0, nil, i)")
    make = f'local s = weir.generate {{ rows = 2000, columns = "{columns}" }}\n'
    place = Place(weir, make + 's:write "wanted.ndjson"\ns:write(weir.postgres("'
                  + postgres.address + '", { user = "weir", table = "back", mode = "append" }))')
    place.run()
    place.write("job.lua", read(postgres, 'query = "select * from back order by id"')
                + ':write "out.ndjson"')
    place.run()
    same("rows", rows_of(place), rows_of(place, "wanted.ndjson"))


def a_restart_goes_on_behind_the_last_key(weir, postgres):
    """Whatever has come before that key meanwhile; keys of several columns and odd texts."""
    postgres.sql("create table keyed (name text, part int2, n int8, primary key (name, part)); "
                 "insert into keyed select 'it''s \\ ' || i / 10, i % 10, i from "
                 "generate_series(1000, 2999) i")
    wanted = [int(n) for n in postgres.sql("select n from keyed order by name, part").split()]
    script = read(postgres, 'table = "keyed"') + ':write("out.ndjson", { mode = "append" })'
    place = Place(weir, script)
    place.run("--state", "s", "--batch-rows", "100", "--stop-after", "7", code=130)
    postgres.sql("insert into keyed values ('a', 1, 1), ('b', 2, 2); delete from keyed where n = "
                 f"{wanted[3]}")
    place.run("--state", "s", "--batch-rows", "100")
    same("rows", [row["n"] for row in rows_of(place)], wanted)
    postgres.sql("drop table keyed; create table keyed (name text, part int2, n int8)")
    said = Place(weir, script).run("--state", "s")
    same(said, "0 in" in said, True)
    place.run("--state", "s", "--stop-after", "1", code=1)


def a_query_goes_on_behind_its_rows(weir, postgres):
    postgres.sql("create table plain as select i as n from generate_series(1, 3000) i")
    script = (read(postgres, 'query = "select n from plain order by n desc;  "')
              + ':write "out.ndjson"')
    place = Place(weir, script)
    for _ in range(4):
        place.run("--state", "s", "--batch-rows", "100", "--stop-after", "5", code=130)
    place.run("--state", "s", "--batch-rows", "100")
    same("rows", [row["n"] for row in rows_of(place)], list(range(3000, 0, -1)))


def a_query_that_takes_long_can_be_stopped(weir, postgres):
    """Before its first row, and in the middle: what came is kept, and it goes on behind that."""
    postgres.sql("create table gates (least int, is_open bool); "
                 "insert into gates values (0, false)")
    query = ("select i as id, case when i > (select least from gates) and not "
             "(select is_open from gates) then pg_sleep(600)::text end as z "
             "from generate_series(1, 5000) i order by i")
    place = Place(weir, read(postgres, f'query = "{query}"')
                  + ':select "id":write("out.ndjson", { mode = "append" })')
    for least in (0, 4000):
        postgres.sql(f"update gates set least = {least}")
        process = place.start("--state", "state")
        while not postgres.sql("select 1 from pg_stat_activity where wait_event = 'PgSleep'"):
            time.sleep(0.05)
        time.sleep(1)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        same("the exit code", place.end(process)[0], 143)
        same("it stops at once", time.monotonic() - begin < 30, True)
        postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity "
                     "where wait_event = 'PgSleep'")
    came = len(rows_of(place))
    same(f"rows of before the signal: {came}", 1000 < came <= 4000, True)
    postgres.sql("update gates set is_open = true")
    place.run("--state", "state")
    same("rows", [row["id"] for row in rows_of(place)], list(range(1, 5001)))


def parts_are_together_the_whole(weir, postgres):
    """From place to place by `start` and `stop`, rows or times, and by `--until` with a state; a
    table goes on behind a key, a query behind a number of rows."""
    postgres.sql("create table timed (id int primary key, at timestamptz); "
                 "insert into timed select i, timestamptz '2026-01-01T00:00:00Z' + "
                 "make_interval(secs => i * 10 - i * 7 % 13) from generate_series(0, 999) i")
    tail = (':event_time("at", { max_delay = "20s" }):select "id"'
            ':write("out.ndjson", { mode = "append" })')
    for what in ('table = "timed"', 'query = "select * from timed order by id"'):
        for places in (("0", "1", "400", "997", "2000"),
                       ('"2026-01-01"', '"2026-01-01T00:40:07Z"', '"2026-01-01T01:00:00Z"',
                        '"2027-01-01"')):
            place = Place(weir, "")
            for start, stop in zip(places, places[1:]):
                part = read(postgres, what)[:-1] + f", {{ start = {start}, stop = {stop} }})"
                place.write("job.lua", part + tail)
                place.run("--batch-rows", random.choice(["1", "50", "1024"]))
            same(f"{what}, {places}", [row["id"] for row in rows_of(place)], list(range(1000)))
        place = Place(weir, read(postgres, what) + tail.replace(', { mode = "append" }', ""))
        for until in ("150rows", "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z", "900rows"):
            said = place.run("--state", "s", "--until", until, "--batch-rows",
                             random.choice(["1", "50", "1024"]))
            same(said, "stopped at --until" in said, True)
        place.run("--state", "s")
        same(what, [row["id"] for row in rows_of(place)], list(range(1000)))


def from_table_to_table_nothing_is_lost(weir, postgres):
    """A program that is killed at bytes of its link, from one table into another."""
    proxy = Proxy(postgres)
    postgres.sql("create table old (id int8 primary key, k int4); "
                 "insert into old select i, i * 7919 % 37 from generate_series(1, 3000) i")
    script = ('weir.settings { checkpoint = "1ms" }\n'
              'local s = ' + read(postgres, 'table = "old"', proxy.address) + '\n'
              f's:write(weir.postgres("{proxy.address}", {{ user = "weir", table = "new", '
              'mode = "append" }))\n'
              's:group_by "k":agg "n = count(), s = sum(id)":write(weir.postgres("'
              f'{proxy.address}", {{ user = "weir", table = "sums" }}))')
    proxy.watch()
    Place(weir, script).run("--state", "s", "--batch-rows", "64")
    sums = dict(proxy.passed)
    wanted = postgres.sql("select id, k from old order by 1")
    groups = postgres.sql("select k, count(*), sum(id) from old group by k order by k")
    dice = random.Random(SEED)
    for way in ("up", "down"):
        for after in dice.sample(range(2000, sums[way]), 3):
            postgres.sql("drop table if exists new, sums, weir_commit")
            place = Place(weir, script)
            proxy.watch(way, after)
            process = place.start("--state", "s", "--batch-rows", "64")
            proxy.plan["hurt"] = lambda process=process: kill(process)
            place.end(process)
            proxy.watch()
            place.run("--state", "s", "--batch-rows", "64")
            same(f"rows, byte {after} {way}, seed {SEED}",
                 postgres.sql("select id, k from new order by 1"), wanted)
            same(f"sums, byte {after} {way}, seed {SEED}",
                 postgres.sql("select k, n, s from sums order by k"), groups)
    proxy.close()


def a_table_may_be_replaced_by_what_is_read_of_it(weir, postgres):
    postgres.sql("create table self as select i::int8 as n from generate_series(1, 10) i")
    Place(weir, read(postgres, 'table = "self"') + ':derive "m = n * 2":write(weir.postgres("'
          + postgres.address + '", { user = "weir", table = "self", mode = "replace" }))').run()
    same("rows", postgres.sql("select sum(n), sum(m) from self"), "55|110\n")


def a_lookup_asks_for_keys(weir, postgres):
    """Of two types; a key that has no row, nil, and one with a byte that no text has."""
    postgres.sql("create table users (id int4, part varchar(4), name text, primary key (id, part))")
    postgres.sql("insert into users select i, 'p' || i % 3, 'name ' || i from "
                 "generate_series(1, 500) i")
    script = ('local s = weir.generate { rows = 2000, columns = "n = i, who = case(i % 50 == 0, '
              "nil, i * 7919 % 600), part = 'p' .. string(i * 7919 % 600 % 3) .. case(i == 3, "
              '\'\\0\', \'\')" }\n'
              's:lookup(weir.postgres("' + postgres.address + '", { user = "weir", '
              'table = "users" }), { on = "who == id, part == part" }):select "n, name"'
              ':write "out.ndjson"')
    wanted = []
    for i in range(1, 2001):
        who = i * 7919 % 600
        has = i % 50 != 0 and 1 <= who <= 500 and i != 3
        wanted.append({"n": i, "name": f"name {who}" if has else None})
    for count in ("7", "1024"):
        place = Place(weir, script)
        place.run("--batch-rows", count)
        same(count, rows_of(place), wanted)


def tls_is_what_the_script_says(weir, _):
    """A certificate must be trusted and the host's, unless the script says otherwise."""
    postgres = Server(tls=True)
    try:
        with open(postgres.ca, encoding="utf-8") as file:
            certificate = file.read()

        def run(host, more, code=0):
            query = 'query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"'
            place = Place(weir, read(postgres, query + more, f"{host}:{postgres.port}/shop")
                          + ":print()")
            place.write("ca.crt", certificate)
            return place.run(code=code)

        for host, more, word in (
                ("localhost", ', tls = "verify", ca = "ca.crt"', '"ssl":true'),
                ("localhost", ', tls = "encrypt"', '"ssl":true'),
                ("localhost", ', tls = "off"', '"ssl":false'), ("localhost", "", '"ssl":true')):
            said = run(host, more)
            same(f"{host}{more}: {said}", word in said, True)
        for host, more, word in (
                ("localhost", ', tls = "verify"', "certificate verify failed"),
                ("127.0.0.1", ', tls = "verify", ca = "ca.crt"', "does not match host name")):
            said = run(host, more, 1)
            same(f"{host}{more}: {said}", word in said and "[W614]" in said, True)
    finally:
        postgres.close()


def what_cannot_be_read_says_why(weir, postgres):
    postgres.sql("create table orders (id int8)")
    for more, code, words in (
            ('table = "ordres"', "W401", "did you mean `orders`?"),
            ('table = "no.orders"', "W401", "no table"),
            ('query = "selec 1"', "W203", "one `select`"),
            ('query = "select 1; select 2"', "W203", "one `select`"),
            ('query = "delete from orders returning id"', "W203", "one `select`"),
            ('query = "select 1 as a, 2 as a"', "W105", "duplicate name"),
            ('query = "select $1::int"', "W203", "parameter"),
            ('cdc = "orders"', "W202", "not in this version"),
            ('table = "orders", query = "select 1"', "W203", "one of them"),
            ('table = "orders", mode = "append"', "W202", "a mode is for writing")):
        said = Place(weir, read(postgres, more) + ":print()").run(code=3)
        same(f"{more}: {said}", f"[{code}]" in said and words in said, True)
    for address, words in (("host", "a host and a database"), ("host:x/shop", "no port"),
                           ("me@host/shop", "the user is an option")):
        said = Place(weir, read(postgres, 'table = "orders"', address) + ":print()").run(code=3)
        same(f"{address}: {said}", "[W402]" in said and words in said, True)


if __name__ == "__main__":
    print(f"seed: WEIR_SEED={SEED}")
    sys.exit(main([every_type_is_read, another_type_is_read_as_text, what_is_written_is_read_back,
                   a_restart_goes_on_behind_the_last_key, a_query_goes_on_behind_its_rows,
                   a_query_that_takes_long_can_be_stopped,
                   parts_are_together_the_whole, from_table_to_table_nothing_is_lost,
                   a_lookup_asks_for_keys,
                   tls_is_what_the_script_says,
                   a_table_may_be_replaced_by_what_is_read_of_it, what_cannot_be_read_says_why],
                  "source.py"))
