#!/usr/bin/env python3
"""deferred.py PROGRAM [TEST...]: constraints that the server checks at the commit. A row that
breaks one is a reject, and all others of its epoch are there: those too that wait for a row behind
them."""

import csv
import os
import signal
import sys
import time

from runs import Place, main, same

ROWS = 3000
BAD = {i for i in range(1, ROWS + 1) if i % 500 == 7}
STATE = ("--state", "s", "--batch-rows", "100")
UPSERT = 'mode = "upsert", key = "id"'
TABLES = """
drop table if exists t, p, weir_commit, weir_refused cascade;
create table p (id int8 primary key);
create table t (id int8 primary key, p int8 references p deferrable initially deferred,
                pos int8 unique deferrable initially deferred);
"""


def sink(postgres, table="t", more='mode = "append"'):
    return (f'weir.postgres("{postgres.address}", {{ table = "{table}", user = "weir", '
            f'timeout = "10s" }}), {{ {more} }}')


def script(postgres, columns, chain="s:write(%s)", more='mode = "append"', rows=ROWS):
    return f"""weir.settings {{ checkpoint = "20ms" }}
local s = weir.generate {{ rows = {rows}, columns = "{columns}" }}
{chain % sink(postgres, more=more)}
weir.rejects():write("bad.csv", {{ mode = "append" }})
"""


def rejects(place):
    """Their rows, by `id`, with what was said."""
    path = os.path.join(place.folder, "bad.csv")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {int(row["row"].split('"id":')[1].split(",")[0].rstrip("}")): row["detail"]
             for row in rows}
    same("each once", len(found), len(rows))
    return found


def left(postgres, table="t"):
    return [int(row) for row in postgres.sql(f"select id from {table} order by id").split()]


GOOD = [i for i in range(1, ROWS + 1) if i not in BAD]
LOST = "id = i, p = case(i % 500 == 7, i + 1000000, i), pos = i"
TWICE = "id = i, p = i, pos = case(i % 500 == 7, 1, i)"


def a_row_that_breaks_a_constraint_of_the_commit_is_a_reject(weir, postgres):
    for what, columns, said in (("foreign key", LOST, 'is not present in table "p"'),
                                ("unique", TWICE, "Key (pos)=(1) already exists")):
        for more in ('mode = "append"', UPSERT):
            for flags in (STATE, ("--batch-rows", "7"), ()):
                postgres.sql(TABLES + f"insert into p select generate_series(1, {ROWS});")
                place = Place(weir, script(postgres, columns, more=more))
                place.run(*flags)
                there = f"{what}, {more}, {flags}"
                same(there, left(postgres), GOOD)
                found = rejects(place)
                same(there, set(found), BAD)
                same(f"{there}: {found}", all(said in text for text in found.values()), True)


def rows_that_wait_for_others_of_their_epoch(weir, postgres):
    """Children come before their parents, which another sink writes; one in 500 has none."""
    for flags in (STATE, ()):
        postgres.sql(TABLES)
        place = Place(weir, script(
            postgres, LOST, f"s:write(%s)\ns:select 'id':write({sink(postgres, 'p')})"))
        place.run(*flags)
        same(flags, left(postgres), GOOD)
        same(flags, left(postgres, "p"), [*range(1, ROWS + 1)])
        same(flags, set(rejects(place)), BAD)


def rows_that_refer_at_once_to_those_that_are_rejected(weir, postgres):
    """The table of the children has a plain foreign key; parents without a place are rejects, and
    so are their children."""
    plain = "drop table if exists c; create table c (id int8, t int8 references t, x text)"
    for key, more in (("", 'mode = "append"'), (", unique (id)", UPSERT)):
        for flags in (STATE, ("--batch-rows", "7"), ()):
            postgres.sql(TABLES + f"insert into p select generate_series(1, {ROWS}); {plain};")
            if key:
                postgres.sql("alter table c add primary key (id)")
            place = Place(weir, script(postgres, LOST, "s:write(%s)\ns:derive 't = id, x = \"x\"'"
                                       f":select 'id, t, x':write({sink(postgres, 'c', more)})"))
            place.run(*flags)
            there = f"{more}, {flags}"
            same(there, left(postgres), GOOD)
            same(there, left(postgres, "c"), GOOD)
            with open(os.path.join(place.folder, "bad.csv"), encoding="utf-8", newline="") as file:
                details = [row["detail"] for row in csv.DictReader(file)]
            same(there, len(details), 2 * len(BAD))
            same(there, sum('not present in table "t"' in text for text in details), len(BAD))
    postgres.sql("drop table c")


def rows_that_change_places(weir, postgres):
    """Two rows take each other's unique value: fine at the commit, and not before."""
    postgres.sql(TABLES + "insert into t select i, null, i from generate_series(1, 10) i;")
    place = Place(weir, script(postgres, "id = i, pos = 11 - i", rows=10,
                               more=UPSERT))
    place.run("--state", "s") # the first step is an epoch of its own
    same("places", postgres.sql("select id + pos = 11 from t"), "t\n" * 10)
    same("rejects", rejects(place), {})


def rows_of_one_key(weir, postgres):
    """The last of them counts, though each waits for its parent; the last one of 0 has none."""
    postgres.sql(TABLES)
    place = Place(weir, script(
        postgres, "id = case(i == 1, 100, i % 3), p = case(i == 9, 1000, i), pos = i", rows=9,
        more=UPSERT, chain="s:write(%s)\ns:filter 'p < 1000':derive 'id = p':select 'id':write("
        + sink(postgres, "p") + ")").replace("20ms", "1h"))
    place.run("--state", "s", "--batch-rows", "1")
    same("rows", postgres.sql("select id, pos from t order by id"), "0|6\n1|7\n2|8\n100|1\n")
    same("rejects", set(rejects(place)), {0})


LIVE = """weir.settings {{ checkpoint = "20ms" }}
local s = weir.generate {{ rows = 20000, columns = "{columns}", rate = 8000 }}
s:write({sink})
weir.rejects():write("bad.csv", {{ mode = "append" }})
"""


def kills_leave_each_reject_once(weir, postgres):
    """The server remembers which rows it refused until the state knows."""
    bad = {i for i in range(1, 20001) if i % 500 == 7}
    postgres.sql(TABLES + "insert into p select generate_series(1, 20000);")
    place = Place(weir, LIVE.format(columns=LOST, sink=sink(postgres)))
    for life in range(8):
        process = place.start(*STATE)
        time.sleep(0.15 + 0.04 * life)
        process.send_signal(signal.SIGKILL)
        place.end(process)
    place.run(*STATE)
    same("rows", left(postgres), [i for i in range(1, 20001) if i not in bad])
    same("rejects", set(rejects(place)), bad)


def a_lost_connection_changes_nothing(weir, postgres):
    """It is cut again and again, also while rows are tried."""
    bad = {i for i in range(1, 20001) if i % 500 == 7}
    for flags in (STATE, ()):
        postgres.sql(TABLES + "insert into p select generate_series(1, 20000);")
        place = Place(weir, LIVE.format(columns=LOST, sink=sink(postgres)))
        process, cut = place.start(*flags), 0
        while process.poll() is None and cut < 4:
            cut += postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where "
                                "application_name like 'weir%' and state like '%transaction'"
                                ).count("t") # not while it is opened
            time.sleep(0.1 if cut == 0 else 0.4)
        said = place.end(process)
        same(said, process.returncode, 0)
        same("it was cut", cut > 1, True)
        same("rows", left(postgres), [i for i in range(1, 20001) if i not in bad])
        same("rejects", set(rejects(place)), bad)


def an_epoch_that_is_too_large_says_so(weir, postgres):
    """Its rows are not kept: the run ends, and nothing of it is written."""
    postgres.sql(TABLES + "create table big (id int8, p int8 references p deferrable initially "
                 "deferred, t text);")
    place = Place(weir, f"""local s = weir.generate {{ rows = 40000, columns =
"id = i, p = i, t = rep('x', 2000)" }}
s:write({sink(postgres, "big")})
""")
    said = place.run(code=1)
    for text in ("is not present in table", "initially immediate"):
        same(f"`{text}` in {said}", text in said, True)
    same("rows", postgres.sql("select count(*) from big"), "0\n")
    postgres.sql("drop table big")


TESTS = [a_row_that_breaks_a_constraint_of_the_commit_is_a_reject,
         rows_that_wait_for_others_of_their_epoch,
         rows_that_refer_at_once_to_those_that_are_rejected, rows_that_change_places,
         rows_of_one_key,
         kills_leave_each_reject_once, a_lost_connection_changes_nothing,
         an_epoch_that_is_too_large_says_so]

if __name__ == "__main__":
    sys.exit(main(TESTS, "deferred"))
