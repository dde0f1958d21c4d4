#!/usr/bin/env python3
"""sinks.py: what sinks with a state meet: a script that changes, other programs, late rows.

    sinks.py PROGRAM [NAME...]

Each case follows a folder of inputs, in several lives that are ended by a signal or killed. In the
end each row is where it must be, once.
"""

import datetime
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

from cases import case, main

WAIT_SECONDS_MAX = 60
SETTINGS = 'weir.settings { checkpoint = "20ms" }\n'
READ = 'weir.read("in/", { follow = true, format = "ndjson", schema = "id int64 key, v int64" })'


class Life:
    """A run of a script."""

    def __init__(self, place, script, *words):
        self.place = place
        self.process = subprocess.Popen([place.program, "run", script, *words], cwd=place.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def wait(self, condition, what):
        until = time.monotonic() + WAIT_SECONDS_MAX
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.process.stderr.read().decode()}")
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(0.01)

    def end(self, number=signal.SIGTERM):
        """What it said."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=WAIT_SECONDS_MAX)[1].decode()
        if number == signal.SIGTERM:
            assert "error[" not in said, said
        return said


class Place:
    """An empty folder, and lives in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        os.mkdir(self.path("in"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, text):
        """Whole, or not at all."""
        with open(self.path(".new"), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path(".new"), self.path(name))

    def rows(self, first, end, folder="in"):
        self.put(f"{folder}/{first:06}.ndjson",
                 "".join(json.dumps({"id": i, "v": i}) + "\n" for i in range(first, end)))

    def script(self, name, *chains):
        self.put(name, SETTINGS + "local s = " + READ + "\n" + "\n".join(chains) + "\n")

    def ids(self, table, database="out.db"):
        if not os.path.exists(self.path(database)):
            return []
        db = sqlite3.connect(self.path(database), timeout=10)
        try:
            return [row[0] for row in db.execute(f"select id from {table} order by id")]
        except sqlite3.OperationalError as error:
            assert "no such table" in str(error), error
            return []
        finally:
            db.close()

    def lines(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as file:
            return file.read().splitlines()

    def plan(self, script):
        done = subprocess.run([self.program, "plan", script, "--state", "st", "--json"],
                              cwd=self.folder, capture_output=True, check=False, text=True,
                              timeout=WAIT_SECONDS_MAX)
        plan = json.loads(done.stdout)
        return plan["goes_on"], {change["address"]: change["what"]
                                 for change in plan["changes"] if "address" in change}


def sqlite(table, more=""):
    return f's:write("sqlite:out.db", {{ table = "{table}"{more} }})'


# ---- a script that changes ---------------------------------------------------------------------


def in_turn(place, steps):
    """Each script in turn, with rows of its own: it is killed at some moments, and a plan says that
    it goes on. `steps`: (script, the tables where all rows of the step must be in the end); those
    without go into `all.ndjson`."""
    first = 0
    for script, tables in steps:
        if first > 0:
            goes_on, said = place.plan(script)
            assert goes_on and "refused" not in said.values(), said
        for part in range(4):
            place.rows(first + 10 * part, first + 10 * part + 10)
            life = Life(place, script, "--state", "st")
            if part < 3:
                time.sleep(random.uniform(0.02, 0.3))
                said = life.end(signal.SIGKILL)
                assert "error[" not in said, said
        wanted = list(range(first, first + 40))
        life.wait(lambda: all(place.ids(table)[-40:] == wanted for table in tables)
                  and (tables or len(place.lines("all.ndjson")) == first + 40),
                  f"{wanted[0]}… in {tables} by {script}")
        life.end()
        first += 40
    return first


@case
def another_table_in_one_file(place):
    """A table that is renamed gets the rows to come, none of those before; and renamed back, the
    table of before gets those behind, by key and where rows are added."""
    for more in ("", ', mode = "append"'):
        for table in ("one", "two"):
            place.script(f"{table}.lua", sqlite(table, more))
        in_turn(place, (("one.lua", ["one"]), ("two.lua", ["two"]), ("one.lua", ["one"])))
        assert place.ids("one") == [*range(40), *range(80, 120)], place.ids("one")
        assert place.ids("two") == [*range(40, 80)], place.ids("two")
        subprocess.run(["rm", "-r", place.path("st"), place.path("out.db"), place.path("in")],
                       check=True)
        os.mkdir(place.path("in"))


@case
def a_sink_is_taken_out_and_put_back(place):
    """It goes on behind what it had."""
    file = 's:write("all.ndjson", { mode = "append" })'
    place.script("with.lua", sqlite("one", ', mode = "append"'), file)
    place.script("without.lua", file)
    count = in_turn(place, (("with.lua", ["one"]), ("without.lua", []), ("with.lua", ["one"])))
    assert place.ids("one") == [*range(40), *range(80, 120)], place.ids("one")
    found = [json.loads(line)["id"] for line in place.lines("all.ndjson")]
    assert found == list(range(count)), found


@case
def a_plan_says_what_a_sink_that_is_taken_out_leaves(place):
    file = 's:write("all.ndjson", { mode = "append" })'
    place.script("with.lua", sqlite("one"), file)
    place.script("without.lua", file)
    place.rows(0, 10)
    life = Life(place, "with.lua", "--state", "st")
    life.wait(lambda: place.ids("one") == list(range(10)), "the rows")
    life.end()
    done = subprocess.run([place.program, "plan", "without.lua", "--state", "st", "--json"],
                          cwd=place.folder, capture_output=True, check=True, text=True,
                          timeout=WAIT_SECONDS_MAX)
    reasons = [change["reason"] for change in json.loads(done.stdout)["changes"]
               if change["what"] == "dropped"]
    assert len(reasons) == 1 and "so does a `weir_undo_N` of it" in reasons[0], reasons


@case
def a_sink_before_another(place):
    """It takes the place in the script that the other one had, and not its number."""
    place.script("one.lua", sqlite("one"))
    place.script("two.lua", sqlite("new"), sqlite("one"))
    place.script("three.lua", sqlite("newer"), sqlite("new"), sqlite("one"))
    count = in_turn(place, (("one.lua", ["one"]), ("two.lua", ["one", "new"]),
                            ("three.lua", ["one", "new", "newer"])))
    assert place.ids("one") == list(range(count))
    assert place.ids("new") == list(range(40, count))
    assert place.ids("newer") == list(range(80, count))


# ---- other programs ----------------------------------------------------------------------------


@case
def two_runs_write_to_one_file(place):
    """Each of them, and any other program, gets its turn while the others have nothing to write."""
    os.mkdir(place.path("in2"))
    place.script("1.lua", sqlite("one"))
    place.put("2.lua", SETTINGS + "local s = " + READ.replace("in/", "in2/") + "\n" + sqlite("two")
              + "\n" + 's:group_by "v":emit "update":agg "n = count()"'
              ':write("sqlite:out.db", { table = "sums", key = "v" })\n')
    lives = [Life(place, f"{n}.lua", "--state", f"st{n}") for n in (1, 2)]
    for turn in range(8):
        for folder, table, life in (("in", "one", lives[0]), ("in2", "two", lives[1])):
            place.rows(20 * turn, 20 * turn + 20, folder)
            life.wait(lambda: place.ids(table) == list(range(20 * turn + 20)), "rows")
        db = sqlite3.connect(place.path("out.db"), timeout=1)
        db.execute("create table if not exists other(x)")
        db.execute("insert into other values (?)", (turn,))
        db.commit()
        db.close()
    for life in lives:
        said = life.end()
        assert "W619" not in said and "locked" not in said, said


@case
def a_run_without_rows_holds_no_lock(place):
    """Not a run without a state either."""
    place.script("job.lua", sqlite("one"))
    for words in ((), ("--state", "st")):
        life = Life(place, "job.lua", *words)
        life.wait(lambda: os.path.exists(place.path("out.db")), "the file")
        time.sleep(0.2)
        for _ in range(10):
            db = sqlite3.connect(place.path("out.db"), timeout=1)
            db.execute("create table if not exists other(x)")
            db.execute("insert into other values (1)")
            db.commit()
            db.close()
            time.sleep(0.02)
        assert "locked" not in life.end()


@case
def a_line_of_another_program(place):
    """It stops the next life, behind one that ended in order and behind one that was killed."""
    place.script("job.lua", 's:write("out.ndjson", { mode = "append" })')
    place.rows(0, 5)
    life = Life(place, "job.lua", "--state", "st")
    life.wait(lambda: len(place.lines("out.ndjson")) == 5, "five rows")
    assert "cut" not in life.end()
    foreign = '{"id":99,"by":"a colleague"}\n'
    with open(place.path("out.ndjson"), "a", encoding="utf-8") as file:
        file.write(foreign)
    size = os.path.getsize(place.path("out.ndjson"))
    for _ in range(2):
        done = subprocess.run([place.program, "run", "job.lua", "--state", "st"], cwd=place.folder,
                              capture_output=True, check=False, text=True,
                              timeout=WAIT_SECONDS_MAX)
        known = size - len(foreign)
        assert done.returncode == 1 and "error[W613]" in done.stderr, done.stderr
        assert f"{known} bytes" in done.stderr and f"stand {len(foreign)} more" in done.stderr
        assert f"truncate -s {known} out.ndjson" in done.stderr, done.stderr
        assert os.path.getsize(place.path("out.ndjson")) == size
    os.truncate(place.path("out.ndjson"), known)
    place.rows(5, 8)
    life = Life(place, "job.lua", "--state", "st")
    life.wait(lambda: len(place.lines("out.ndjson")) == 8, "three more")
    life.end(signal.SIGKILL)
    size = os.path.getsize(place.path("out.ndjson"))
    with open(place.path("out.ndjson"), "a", encoding="utf-8") as file:
        file.write(foreign)
    place.rows(8, 9)
    done = subprocess.run([place.program, "run", "job.lua", "--state", "st"], cwd=place.folder,
                          capture_output=True, check=False, text=True, timeout=WAIT_SECONDS_MAX)
    assert done.returncode == 1 and "error[W613]" in done.stderr, done.stderr
    assert f"those from byte {size} on are not of this pipeline" in done.stderr, done.stderr
    os.truncate(place.path("out.ndjson"), size)
    life = Life(place, "job.lua", "--state", "st")
    life.wait(lambda: '"id":8' in place.lines("out.ndjson")[-1], "the last one")
    life.end()
    found = [json.loads(line)["id"] for line in place.lines("out.ndjson")]
    assert found == list(range(9)), found


@case
def a_life_that_is_killed_at_once(place):
    """What was said of the life before holds no more: its rows are cut, and come again."""
    place.script("job.lua", 's:write("out.ndjson", { mode = "append" })')
    count = 0
    for turn in range(6):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            place.rows(count, count + 3000)
            count += 3000
            life = Life(place, "job.lua", "--state", "st")
            if number == signal.SIGKILL:
                time.sleep(random.uniform(0.0, 0.2))
            else:
                life.wait(lambda: len(place.lines("out.ndjson")) == count, f"{count} rows")
            said = life.end(number)
            assert "error[" not in said, f"{turn}: {said}"
    place.rows(count, count + 1)  # what stands there already may be of no checkpoint
    life = Life(place, "job.lua", "--state", "st")
    life.wait(lambda: len(place.lines("out.ndjson")) == count + 1, f"{count + 1} rows")
    life.end()
    found = [json.loads(line)["id"] for line in place.lines("out.ndjson")]
    odd = [(i, id) for i, id in enumerate(found) if i != id]
    assert len(found) == count + 1 and not odd, f"{len(found)} of {count + 1}: {odd[:3]}"


# ---- what nobody sees --------------------------------------------------------------------------


@case
def what_appears_at_an_end_that_never_comes(place):
    """It is told first, by a run and by a check: of files, tables and rejects alike."""
    appends = ', { mode = "append" }'
    never = [':write("a.ndjson")', ':write("raw/", { format = "csv", partition_by = "v" })',
             ':write("more/", { format = "csv", partition_by = "v", mode = "append" })',
             ':write("sqlite:out.db", { table = "t", mode = "replace" })',
             ':write("state:t", { mode = "replace" })']
    seen = [f':write("b.ndjson"{appends})',
            ':write("cut/", { format = "csv", roll = { rows = 10 } })',
            ':write("sqlite:out.db", { table = "u" })', ':write("state:u")', ":print()"]
    place.rows(0, 5)
    told = "its input never ends, and it would appear at the end of that"
    for chains, count in ((never, len(never)), (seen, 0), (["\nweir.rejects()" + never[0]], 1),
                          (["\nweir.rejects()" + seen[0]], 0)):
        place.script("job.lua", *(("s" if chain[0] == ":" else "") + chain for chain in chains),
                     "s:print()" if chains[0][0] != ":" else "")
        life = Life(place, "job.lua", "--state", "st")
        life.wait(lambda: os.path.exists(place.path("st/MADE")), "the state")
        time.sleep(0.2)
        said = life.end()
        assert said.count(told) == count, f"{chains}: {said}"
        done = subprocess.run([place.program, "check", "job.lua"], cwd=place.folder, text=True,
                              capture_output=True, check=True, timeout=WAIT_SECONDS_MAX)
        assert done.stdout.count("nobody sees it: " + told) == count, done.stdout
        for words in (("--limit", "5"), ("--limit", "5", "--rejects", "bad.ndjson")):
            done = subprocess.run([place.program, "run", "job.lua", "--state", "other", *words],
                                  cwd=place.folder, text=True, capture_output=True, check=True,
                                  timeout=WAIT_SECONDS_MAX)
            assert "never ends" not in done.stderr, done.stderr
        for name in ("st", "other", "out.db", "raw", "cut"):
            subprocess.run(["rm", "-rf", place.path(name)], check=True)
    life = Life(place, "job.lua", "--state", "st", "--rejects", "bad.ndjson")
    life.wait(lambda: os.path.exists(place.path("st/MADE")), "the state")
    time.sleep(0.2)
    assert "note: bad.ndjson: the input never ends" in life.end()


# ---- late rows ---------------------------------------------------------------------------------


def late(place, roll, rows):
    """A row that is days ahead, then `rows` that are late: how many parts they are in, in the
    end."""
    start = datetime.datetime(2026, 3, 1)
    times = [start + datetime.timedelta(days=4)]
    times += [start + datetime.timedelta(seconds=i) for i in range(rows)]
    place.put("in/a.ndjson", "".join(json.dumps({"id": i, "ts": t.isoformat() + "Z"}) + "\n"
                                     for i, t in enumerate(times)))
    place.put("job.lua", SETTINGS + f"""
weir.read("in/", {{ schema = "id int64, ts timestamp", format = "ndjson" }})
  :event_time("ts", {{ max_delay = "30s" }}):derive "day = date(ts)"
  :write("raw/", {{ format = "ndjson", partition_by = "day", roll = {roll} }})
""")
    done = subprocess.run([place.program, "run", "job.lua", "--state", "st"], cwd=place.folder,
                          capture_output=True, check=False, text=True, timeout=WAIT_SECONDS_MAX)
    assert done.returncode == 0, done.stderr
    found, files = [], 0
    for folder, _, names in os.walk(place.path("raw")):
        for name in names:
            assert name.startswith("part-"), name
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found += [json.loads(line)["id"] for line in file]
            files += 1
    assert sorted(found) == list(range(rows + 1))
    return files


@case
def late_rows_go_together(place):
    """And not into a part for each of them."""
    assert late(place, '{ rows = 1000, every = "1h" }', 4000) == 5


@case
def late_rows_go_together_by_quiet(place):
    """The same where a part is complete when nothing came for some time."""
    assert late(place, '{ quiet = "10m" }', 4000) == 2


@case
def a_signal_between_parts(place):
    """Many parts of one batch: it does not wait for all of them, and none is lost."""
    place.script("job.lua", 's:write("raw/", { format = "ndjson", roll = { rows = 1 } })')
    place.rows(0, 6000)
    raw = place.path("raw")

    def names():
        found = os.listdir(raw) if os.path.isdir(raw) else []
        return [name for name in found if not name.startswith(".weir")]

    for turn in range(4):
        life = Life(place, "job.lua", "--state", "st")
        life.wait(lambda: len(names()) > 200 * (turn + 1), "some parts")
        began = time.monotonic()
        said = life.end()
        assert time.monotonic() - began < 10, "it was not heard"
        wanted = "it was stopped while files of raw/ were completed; what came behind the last"
        assert ("stopped" in said) == (wanted in said), said
    life = Life(place, "job.lua", "--state", "st")
    life.wait(lambda: sum(name.startswith("part-") for name in names()) == 6000, "all parts")
    life.end()
    found = []
    for name in sorted(names()):
        with open(os.path.join(raw, name), encoding="utf-8") as file:
            found.append(json.loads(file.read())["id"])
    assert found == list(range(6000))


@case
def a_reader_takes_what_is_complete(place):
    """Parts are taken away while the run lives and between its lives: each row comes once."""
    place.script("job.lua", 's:write("out/", { format = "ndjson", roll = { rows = 50 } })',
                 's:derive "k = v % 3":write("by/", { format = "csv", partition_by = "k", '
                 'roll = { rows = 20 }, success = true })')
    has, at, said = {"out": [], "by": []}, 0, ""

    def take():
        for here, _, names in os.walk(place.folder):
            top = os.path.relpath(here, place.folder).split(os.sep)[0]
            for name in sorted(names if top in has else ()):
                if not name.startswith("part-"):
                    continue
                with open(os.path.join(here, name), encoding="utf-8") as file:
                    lines = file.read().splitlines()
                os.remove(os.path.join(here, name))
                has[top] += [json.loads(line)["id"] for line in lines] if top == "out" \
                    else [int(line.split(",")[0]) for line in lines[1:]]

    def count():
        take()
        return len(has["out"])

    for life in range(6):
        goal = count() + 100
        run = Life(place, "job.lua", "--state", "st")
        until = time.monotonic() + WAIT_SECONDS_MAX
        while count() < goal:
            assert run.process.poll() is None, run.process.stderr.read().decode()
            assert time.monotonic() < until, "waited in vain for parts"
            place.rows(at, at + 40)
            at += 40
            time.sleep(random.uniform(0, 0.02))
        said += run.end(signal.SIGKILL if life % 2 else signal.SIGTERM)
    run = Life(place, "job.lua", "--state", "st", "--until", f"{at}rows", "--drain")
    said += run.process.communicate(timeout=WAIT_SECONDS_MAX)[1].decode()
    assert run.process.returncode == 0, said
    take()
    assert "[W625]" not in said, said
    for top, ids in has.items():
        assert sorted(ids) == list(range(at)), f"{top}: {len(ids)} rows of {at}, " \
            f"{len(ids) - len(set(ids))} of them twice"


if __name__ == "__main__":
    sys.exit(main(Place))
