#!/usr/bin/env python3
"""others.py PROGRAM [TEST...]: what somebody else does to the tables and the server of a run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

from runs import Failure, Place, main, same

ROWS = 3000
SCRIPT = '''
local s = weir.generate { rows = %d, columns = "x = i, k = i %% 101" }
%s:write(weir.postgres("%s", { table = "t", user = "weir", timeout = "10s"%s })%s)
'''
FEW = ("--state", "s", "--batch-rows", "64")


def script(postgres, chain="s", more=', mode = "append"', behind=""):
    return SCRIPT % (ROWS, chain, postgres.address, more, behind)


def wipe(postgres):
    postgres.sql("drop table if exists t, weir_new_t, weir_del_t, weir_commit, weir_refused "
                 "cascade")


def a_table_that_was_dropped_is_not_made_anew(weir, postgres):
    """It would have the rest of the rows alone."""
    for name, table, *words in (
            ("append", "t"), ("upsert", "t", 's:group_by "k":emit "update":agg "n = count()"', ""),
            ("replace", "weir_new_t", "s", ', mode = "replace"'),
            ("audit", "weir_new_t", "s", ', mode = "append"',
             ', { audit = "enough = count() > 10" }')):
        wipe(postgres)
        place = Place(weir, script(postgres, *words))
        place.run(*FEW, "--stop-after", "5", code=130)
        before = postgres.sql("select rows, epoch from weir_commit")
        rows = before.split("|", maxsplit=1)[0]
        postgres.sql(f"drop table {table}")
        for _ in range(2):
            said = place.run(*FEW, code=1)
            for text in ("[W613]", f"{rows} rows of this state went into the table `{table}`",
                         "it is not there", "help: put it back from a copy"):
                same(f"{name}: `{text}` in {said}", text in said, True)
        same(name, postgres.sql(f"select to_regclass('{table}') is null"), "t\n")
        same(name, postgres.sql("select rows, epoch from weir_commit"), before)
    wipe(postgres)
    place = Place(weir, script(postgres))
    place.run(*FEW)
    postgres.sql("drop table t")
    same("a complete run", f"{ROWS} rows of this state" in place.run(*FEW, code=1), True)
    postgres.sql("create table t (x int8, k int8)")
    place.run(*FEW)
    same("one that was made on purpose", postgres.sql("select count(*) from t"), "0\n")


LIVE = """
weir.settings { checkpoint = "20ms" }
local s = weir.read("in/", { follow = true, format = "ndjson", schema = "x int64" })
%s
"""
SINKS = ('s:write("out.csv", { mode = "append" })', 's:write("parts/", { format = "csv", roll = '
         '{ rows = 100 } })')


def put(place, first, end, number=None):
    """Rows in a file that comes whole."""
    os.makedirs(f"{place.folder}/in", exist_ok=True)
    place.write(".new", "".join(json.dumps({"x": i}) + "\n" for i in range(first, end)))
    os.rename(f"{place.folder}/.new", f"{place.folder}/in/{number or first:06}.ndjson")


def wait(what, is_there, process, seconds=30):
    until = time.monotonic() + seconds
    while not is_there():
        if process.poll() is not None:
            raise Failure(f"{what}: it ended: {process.stderr.read().decode()}")
        if time.monotonic() > until:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.02)


def end(place, process, number=signal.SIGTERM):
    process.send_signal(number)
    return place.end(process)


def count(postgres, more=""):
    if postgres.sql("select to_regclass('t') is null") == "t\n":
        return 0
    return int(postgres.sql("select count(*) from t" + more))


def read(place):
    """The files that were written, by name."""
    found = {}
    for at, _, names in os.walk(place.folder):
        for name in names:
            if name.endswith(".csv") or (".part" in name and not name.startswith(".weir.")):
                with open(os.path.join(at, name), encoding="utf-8") as file:
                    found[os.path.join(at, name)] = file.read()
    return found


def an_old_copy_of_a_state_changes_nothing(weir, postgres):
    """It is refused, no file is cut, and the run that it is a copy of goes on: a fence that is
    raised by who is refused would end it."""
    for turn in range(2):
        wipe(postgres)
        to = (f's:write(weir.postgres("{postgres.address}", {{ table = "t", user = "weir", '
              'mode = "append" }))')
        chains = [*SINKS, to] if turn == 0 else [to, *SINKS]
        place = Place(weir, LIVE % "\n".join(chains))
        put(place, 0, 150)
        live = place.start("--state", "s")
        wait("rows", lambda: count(postgres) == 150, live)
        same("the copy", place.end(place.start("save", "s", command="state", script="old"))[0], 0)
        for i in range(2, 5): # in epochs of their own
            put(place, 75 * i, 75 * i + 75)
            wait("rows", lambda i=i: count(postgres) == 75 * i + 75 and
                 len(read(place)[f"{place.folder}/out.csv"].split()) == 75 * i + 76, live)
        fences, before = postgres.sql("select fence from weir_commit"), read(place)
        said = place.run("--state", "old", code=1)
        words = ("[W617]", "out.csv") if turn == 0 else ("[W613]", "older than the table")
        same(said, all(word in said for word in words), True) # of the one that is opened first
        same("notes", "note" in said, False)
        same("the files", read(place), before)
        same("the fence", postgres.sql("select fence from weir_commit"), fences)
        put(place, 375, 400)
        wait("more rows", lambda: count(postgres) == 400, live)
        same("the live run", end(place, live)[0], 143)


def rows_read(place):
    """How many the state knows of."""
    said = json.loads(place.run("ls", "s", command="state", script="--json"))
    return next(stage["rows_in"] for stage in said["stages"] if stage["kind"] == "source")


def ahead(weir, postgres):
    """A run that is killed between the commit of the table and that of the state."""
    library = os.path.join(os.path.dirname(os.path.abspath(weir)), "tests/faults/iofault.so")
    same(f"{library} is there", os.path.exists(library), True)
    for at in range(20, 80): # before that the state is made
        wipe(postgres)
        postgres.sql("create table t (x int8)")
        place = Place(weir, LIVE % (f's:write(weir.postgres("{postgres.address}", {{ table = "t", '
                                    'user = "weir", mode = "append" }))'))
        put(place, 0, 40)
        place.environment |= {"LD_PRELOAD": library, "IOFAULT_ROOT": place.folder,
                              "IOFAULT_PATH": "s/state.db-wal", "IOFAULT_CLASS": "change",
                              "IOFAULT_AT": str(at), "IOFAULT_DO": "kill"}
        if "ASAN_OPTIONS" in os.environ:
            place.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        same("it was killed", place.end(place.start("--state", "s"))[0], -signal.SIGKILL)
        place.environment = dict(os.environ)
        if count(postgres) == 40 and rows_read(place) == 0:
            return place
    raise Failure("the table was never ahead of the state")


def a_file_that_went_while_a_table_is_ahead_of_the_state(weir, postgres):
    """Its rows are passed over when they come again; others would be taken for them."""
    place = ahead(weir, postgres)
    name, = os.listdir(f"{place.folder}/in")
    path = f"{place.folder}/in/{name}"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    gone = "it is not there any more" # or it is another one, where it is too young to be sure
    for what, said in (("cut", ("it was cut", gone)), ("gone", (gone,))):
        os.truncate(path, len(text) // 20 * 10)
        if what == "gone":
            os.remove(path)
        for _ in range(2):
            heard = place.run("--state", "s", code=1)
            same(f"{what}: {heard}", any(words in heard for words in said), True)
            for words in ("error[W616]", "a table has rows behind the last checkpoint",
                          "put the file back as it was"):
                same(f"{what}: `{words}` in {heard}", words in heard, True)
            same(what, count(postgres), 40)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    live = place.start("--state", "s")
    put(place, 40, 50)
    wait("all rows", lambda: count(postgres) >= 50, live)
    same("the run", end(place, live)[0], 143)
    same("each once", postgres.sql("select count(*), count(distinct x) from t"), "50|50\n")


ODD = """create or replace function odd() returns trigger language plpgsql as
$$ begin if new.x % 2 = 1 then return null; end if; return new; end $$;
create trigger g before insert on t for each row execute function odd();
"""


def rows_that_the_table_leaves_out_are_told(weir, postgres):
    """A trigger that gives nothing, or a rule that does nothing instead."""
    columns = "x int8, k int8"
    for name, make, left, *words in (
            ("append", f"create table t ({columns}); {ODD}", 1500),
            ("upsert", f"create table t ({columns}, primary key (x)); {ODD}", 1500,
             "s", "", ', { key = "x" }'),
            ("replace", f"create table t ({columns}); {ODD}", 1500, "s", ', mode = "replace"'),
            ("audit", f"create table t ({columns}); {ODD}", 1500, "s", ', mode = "append"',
             ', { audit = "enough = count() > 10" }'),
            ("rule", f"create table t ({columns}); create rule r as on insert to t where "
             "new.x > 2000 do instead nothing", 1000),
            ("none", f"create table t ({columns}, primary key (x))", 0, "s", "",
             ', { key = "x" }'),
            ("there", f"create table t ({columns}, primary key (x, k)); insert into t select x, "
             "x % 101 from generate_series(1, 3000) x", 0, "s", "", ', { key = "x, k" }')):
        wipe(postgres)
        postgres.sql(make)
        said = Place(weir, script(postgres, *words)).run("--state", "s", "--batch-rows", "64")
        same(f"{name}: rows", count(postgres), ROWS - left)
        same(f"{name}: {said}", f"({left:,} that the table did not take)" in said, left > 0)
        same(f"{name}: {said}", said.count("/t: it did not take "), int(left > 0))
        same(f"{name}: {said}", "0 rejected" in said, True)


def no_transaction_is_open_while_nothing_comes(weir, postgres):
    """Nor behind a commit; and the first one of a run has the table."""
    wipe(postgres)
    place = Place(weir, LIVE % (
        f's:write(weir.postgres("{postgres.address}", {{ table = "t", user = "weir", '
        'mode = "append" }))'))
    os.mkdir(f"{place.folder}/in")

    def is_idle():
        states = postgres.sql("select state from pg_stat_activity where application_name like "
                              "'weir-%'").split("\n")[:-1]
        return states == ["idle"]

    process = place.start("--state", "s")
    wait("the table", lambda: postgres.sql("select to_regclass('t') is null") == "f\n", process)
    for i in range(3):
        wait("a session that is idle", is_idle, process)
        for _ in range(20):
            same("idle, with no transaction open", is_idle(), True)
            time.sleep(0.01)
        put(place, 10 * i, 10 * i + 10)
        wait("rows", lambda i=i: count(postgres) == 10 * i + 10, process)
    result = end(place, process)
    same(f"the run: {result}", result[0], 143)
    same("rows", count(postgres), 30)


class Held:
    """Another program's transaction, which holds what its statements lock."""

    def __init__(self, postgres, text):
        self.postgres = postgres
        self.process = threading.Thread(target=self.hold, args=(text,))
        self.process.start()
        until = time.monotonic() + 30
        while not postgres.sql("select 1 from pg_stat_activity where wait_event = 'PgSleep'"):
            if time.monotonic() > until:
                raise Failure("nobody holds the lock")
            time.sleep(0.02)

    def hold(self, text):
        try:
            self.postgres.sql(f"begin; {text}; select pg_sleep(600)")
        except (RuntimeError, subprocess.TimeoutExpired):
            pass # it was ended

    def end(self):
        self.postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where "
                          "wait_event = 'PgSleep'")
        self.process.join()


def a_lock_of_another_program_is_no_reason_to_stay(weir, postgres):
    """A signal ends the wait for it, wherever it is met; and the next run goes on behind the last
    commit."""
    lines = 'read("in/", { follow = true, format = "ndjson", schema = "x int64 key, z string" })'
    for name, lock, options in (
            ("the table", "lock table t in access exclusive mode", 'mode = "append"'),
            ("a key", "insert into t values (20000)", 'mode = "append"'),
            ("a row", "update t set x = x", ""),
            ("weir_commit", "update weir_commit set rows = rows", 'mode = "append"')):
        wipe(postgres)
        postgres.sql("create table t (x int8 primary key, z text)")
        comma = ", " if options else ""
        place = Place(weir, 'weir.settings { checkpoint = "20ms" }\n' + f"weir.{lines}:write("
                      f'weir.postgres("{postgres.address}", {{ table = "t", user = "weir", '
                      f'timeout = "300s"{comma}{options} }}))')
        put(place, 0, 10)
        process = place.start("--state", "s")
        wait("rows", lambda: count(postgres) == 10, process)
        held = Held(postgres, lock)
        try:
            put(place, 0 if name == "a row" else 20000, 20010, 20000)
            waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            wait(f"the lock of {name}", lambda: postgres.sql(waits) != "", process)
            began = time.monotonic()
            code, _, said = end(place, process)
            took = time.monotonic() - began
            same(f"{name}: {took:.1f} s, {said}", (code, took < 15), (143, True))
            same(f"{name}: who waits", postgres.sql(waits), "")
        finally:
            process.kill()
            held.end()
        process = place.start("--state", "s")
        wanted = 20010 if name == "a row" else 20
        wait("all rows", lambda wanted=wanted: count(postgres) == wanted, process)
        result = end(place, process)
        same(f"{name}: {result}", (result[0], count(postgres)), (143, wanted))


def processes(postgres, only_of_weir):
    """The server's."""
    if only_of_weir:
        return [int(pid) for pid in postgres.sql(
            "select pid from pg_stat_activity where application_name like 'weir%'").split()]
    with open(f"{postgres.data}/postmaster.pid", encoding="utf-8") as file:
        first = int(file.readline())
    with open(f"/proc/{first}/task/{first}/children", encoding="utf-8") as file:
        return [first, *map(int, file.read().split())]


def tell(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def a_server_that_stands_still_is_no_reason_to_stay(weir, postgres):
    """It neither reads nor answers; a signal ends the run while it sends, and the next one goes
    on."""
    total = 100000
    append, upsert = ', { mode = "append" }', ', { mode = "upsert", key = "x" }'
    for only_of_weir, more, state in ((True, append, FEW), (False, upsert, FEW),
                                      (False, append, ())):
        wipe(postgres)
        place = Place(weir, f"""weir.settings {{ checkpoint = "1h" }}
weir.generate {{ rows = {total}, columns = "x = i, z = rep('z', 1000)" }}
  :write(weir.postgres("{postgres.address}", {{ table = "t", user = "weir", timeout = "300s" }})
  {more})
""")
        process = place.start(*state)
        wait("a transaction", lambda: postgres.sql(
            "select 1 from pg_stat_activity where application_name like 'weir%' and "
            "backend_xid is not null") != "", process)
        still = processes(postgres, only_of_weir)
        tell(still, signal.SIGSTOP)
        try:
            time.sleep(1)
            began = time.monotonic()
            code, _, said = end(place, process)
            took = time.monotonic() - began
        finally:
            tell(still, signal.SIGCONT)
        there = f"{more}, {only_of_weir}, {state}: {took:.1f} s: {said}"
        same(there, (code, took < 12), (143, True))
        place.run(*state)
        same(there, count(postgres), total)


BIG = 200000
MANY = f"""drop table if exists big; create table big (n int8 primary key, z text);
insert into big select i, repeat('z', 200) from generate_series(1, {BIG}) i;
"""


def begun(place):
    """It has written rows; it is held still then."""
    path = f"{place.folder}/out.csv"
    process = place.start("--state", "s")
    wait("rows", lambda: os.path.exists(path) and os.path.getsize(path) > 0, process)
    process.send_signal(signal.SIGSTOP)
    size = os.path.getsize(path)
    same(f"it is in the middle: {size} bytes", 0 < size < 100 * BIG, True)
    return process


def stop_below(postgres, mode, process):
    """Stops the server of a process that is held still, which then goes on. A backend that waits
    for a client that reads nothing may not hear that it is to end: the client goes on then."""
    timer = threading.Timer(5, process.send_signal, [signal.SIGCONT])
    timer.start()
    try:
        postgres.stop(mode)
    finally:
        timer.cancel()
        process.send_signal(signal.SIGCONT)


def a_server_that_restarts_is_read_on(weir, postgres):
    """A table behind its last key, each row once; by an orderly restart and by a crash. Of a query
    nobody knows the order: it says so, and the next run goes on."""
    postgres.sql(MANY)
    for mode, what in (("fast", 'table = "big"'), ("immediate", 'table = "big"'),
                       ("fast", 'query = "select * from big order by n"')):
        place = Place(weir, 'weir.settings { checkpoint = "10ms" } weir.read("postgres:'
                      f'{postgres.address}", {{ {what}, user = "weir", retries = 200 }})'
                      ':write("out.csv", { mode = "append" })')
        process = begun(place)
        stop_below(postgres, mode, process)
        if what.startswith("table"):
            time.sleep(1)
            same(f"{mode}: it lives", process.poll(), None)
        else:
            code, _, said = place.end(process)
            for text in ("[W614]", " rows had come, and only a `table` with a primary key"):
                same(f"`{text}` in {said}", (code, text in said), (1, True))
        postgres.start()
        if what.startswith("query"):
            process = place.start("--state", "s")
        code, _, said = place.end(process)
        same(f"{mode}: {said}", code, 0)
        with open(f"{place.folder}/out.csv", encoding="utf-8") as file:
            rows = [int(line.split(",")[0]) for line in file.read().split()[1:]]
        same(f"{mode}: rows", (len(rows), rows == list(range(1, BIG + 1))), (BIG, True))


def a_source_does_not_wait_for_ever(weir, postgres):
    """A signal ends the wait, and so do `retries`; the next run goes on."""
    postgres.sql(MANY)
    for retries, number, code, text in ((200, signal.SIGTERM, 143, "interrupted"),
                                        (3, 0, 1, "it is down for ")):
        place = Place(weir, 'weir.settings { checkpoint = "10ms" } weir.read("postgres:'
                      f'{postgres.address}", {{ table = "big", user = "weir", '
                      f'retries = {retries} }})'
                      ':write("out.csv", { mode = "append" })')
        process = begun(place)
        stop_below(postgres, "fast", process)
        try:
            time.sleep(1 if number else 0)
            began = time.monotonic()
            has, _, said = end(place, process, number)
            took = time.monotonic() - began
            same(f"{text}: {took:.1f} s, {said}", (has, text in said, took < 20),
                 (code, True, True))
        finally:
            process.kill()
            postgres.start()
        place.run("--state", "s")
        with open(f"{place.folder}/out.csv", encoding="utf-8") as file:
            same("rows", len(file.read().split()), BIG + 1)


def a_lookup_waits_for_its_server(weir, postgres):
    """Each row has its answer, whenever the server was gone; a signal ends the wait, and so do
    `retries`."""
    postgres.sql("create table names as select i::int8 as id, 'name ' || i as name "
                 "from generate_series(1, 1000) i")

    def begun_with(retries):
        place = Place(weir, 'weir.settings { checkpoint = "10ms" } weir.read("in.csv", { schema = '
                      '"id int64", follow = true }):lookup(weir.postgres("' + postgres.address
                      + f'", {{ user = "weir", table = "names", retries = {retries} }}), '
                      '{ on = "id" }):write("out.csv", { mode = "append" })')
        place.write("in.csv", "id\n" + "".join(f"{i}\n" for i in range(1, 11)))
        process = place.start("--state", "s")
        wait_for(place, process, 10)
        return place, process

    def feed(place, count):
        with open(f"{place.folder}/in.csv", "a", encoding="utf-8") as file:
            file.write("".join(f"{i}\n" for i in range(11, 11 + count)))

    def wait_for(place, process, count):
        wanted = ["id,name", *(f"{i},name {i}" for i in range(1, count + 1))]
        until, rows = time.monotonic() + 60, None
        while rows != wanted and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
            with contextlib.suppress(FileNotFoundError), \
                    open(f"{place.folder}/out.csv", encoding="utf-8") as file:
                rows = file.read().splitlines()
        if rows != wanted and process.poll() is not None:
            raise Failure(f"{count} rows did not come: {place.end(process)}")
        same("rows", rows, wanted)

    for mode in ("fast", "immediate"):
        place, process = begun_with(200)
        postgres.stop(mode)
        feed(place, 500)
        time.sleep(1)
        same(f"{mode}: it lives", process.poll(), None)
        postgres.start()
        wait_for(place, process, 510)
        code, _, said = end(place, process, signal.SIGTERM)
        same(said, code, 143)
    stopped = f"note: it was stopped while postgres:{postgres.address} was waited for: connect"
    for retries, number, wanted, text in ((200, signal.SIGTERM, 143, stopped),
                                          (3, 0, 1, "it is down for ")):
        place, process = begun_with(retries)
        postgres.stop("fast")
        try:
            feed(place, 500)
            time.sleep(1 if number else 0)
            code, _, said = end(place, process, number)
            same(f"`{text}` in {said}", (code, text in said), (wanted, True))
        finally:
            process.kill()
            postgres.start()
        process = place.start("--state", "s")
        wait_for(place, process, 510)
        end(place, process, signal.SIGTERM)


def a_run_that_goes_on_waits_for_the_server_of_a_lookup(weir, postgres):
    """When it is asked for the schema, and where that is declared; a first run does not."""
    postgres.sql("drop table if exists names; create table names as select i::int8 as id, "
                 "'name ' || i as name from generate_series(1, 1000) i")
    for schema in ("", 'schema = "id int64, name string", '):
        place = Place(weir, 'weir.settings { checkpoint = "10ms" } weir.read("in.csv", { schema = '
                      '"id int64", follow = true }):lookup(weir.read("postgres:'
                      f'{postgres.address}", {{ {schema}user = "weir", table = "names", '
                      'retries = 200 }), { on = "id" }):write("out.csv", { mode = "append" })')
        place.write("in.csv", "id\n1\n2\n")

        def rows(place=place):
            with contextlib.suppress(FileNotFoundError), \
                    open(f"{place.folder}/out.csv", encoding="utf-8") as file:
                return len(file.read().split("\n")) - 2
            return -1

        process = place.start("--state", "s")
        wait("rows", lambda rows=rows: rows() == 2, process)
        same("it ends", end(place, process)[0], 143)
        postgres.stop()
        try:
            began = time.monotonic()
            place.run(code=1 if schema else None)
            same("a first run", time.monotonic() - began < 10, True)
            process = place.start("--state", "s")
            time.sleep(2)
            same("it lives", process.poll(), None)
            process.send_signal(signal.SIGTERM)
            code, _, said = place.end(process)
            same(said, code in (143, -signal.SIGTERM), True)
            process = place.start("--state", "s")
            time.sleep(1)
        finally:
            postgres.start()
        with open(f"{place.folder}/in.csv", "a", encoding="utf-8") as file:
            file.write("3\n")
        wait("the third row", lambda rows=rows: rows() == 3, process)
        code, _, said = end(place, process)
        same(said, (code, "it is waited for: " in said), (143, True))


if __name__ == "__main__":
    sys.exit(main([a_table_that_was_dropped_is_not_made_anew,
                   a_file_that_went_while_a_table_is_ahead_of_the_state,
                   an_old_copy_of_a_state_changes_nothing,
                   rows_that_the_table_leaves_out_are_told,
                   no_transaction_is_open_while_nothing_comes,
                   a_lock_of_another_program_is_no_reason_to_stay,
                   a_server_that_restarts_is_read_on,
                   a_source_does_not_wait_for_ever,
                   a_server_that_stands_still_is_no_reason_to_stay,
                   a_lookup_waits_for_its_server,
                   a_run_that_goes_on_waits_for_the_server_of_a_lookup], "others.py"))
