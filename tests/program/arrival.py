#!/usr/bin/env python3
"""arrival.py: inputs that never end and have no event time meet: rows go on as they come, and
behind kills each is there once.

    arrival.py PROGRAM [CASE...]
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

from cases import case, main

SECONDS_MAX = 60
READ = 'weir.read("%s.ndjson", { schema = "id int64, k string"%s })'
LIVE = ", follow = true"
TWO = f"""weir.settings {{ checkpoint = "20ms" }}
local a, b = {READ % ("a", LIVE)}, {READ % ("b", LIVE)}
"""


class Place:
    """An empty folder with inputs that grow, and lives of a script that reads them."""

    def __init__(self, program, folder):
        self.program, self.folder, self.fed, self.life = program, folder, {}, None

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def feed(self, name, count=1):
        with open(self.path(name + ".ndjson"), "a", encoding="utf-8") as file:
            for _ in range(count):
                self.fed[name] = self.fed.get(name, 0) + 1
                file.write(json.dumps({"id": self.fed[name], "k": name}) + "\n")

    def start(self, *words):
        self.life = subprocess.Popen([self.program, "run", "job.lua", *words], cwd=self.folder,
                                     stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end(self, number=signal.SIGTERM):
        self.life.send_signal(number)
        said = self.life.communicate(timeout=SECONDS_MAX)[1]
        wanted = -9 if number == signal.SIGKILL else 143
        assert self.life.returncode == wanted, f"{self.life.returncode}: {said}"

    def wait(self, what, is_there):
        deadline = time.monotonic() + SECONDS_MAX
        while not is_there():
            if self.life.poll() is not None or time.monotonic() > deadline:
                self.life.kill()
                raise AssertionError(f"{what} did not come: {self.life.communicate()[1]}")
            time.sleep(0.01)

    def rows(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [(row["k"], row["id"]) for row in map(json.loads, lines)]

    def table(self, name):
        try:
            with sqlite3.connect(self.path("out.db"), timeout=SECONDS_MAX) as database:
                rows = database.execute(f"select k, id from {name} order by rowid").fetchall()
            database.close()
            return rows
        except sqlite3.OperationalError: # not there yet
            return []

    def all(self):
        return sorted((name, i + 1) for name, count in self.fed.items() for i in range(count))

    def check(self, what, rows):
        """Each row once, those of one input in their order."""
        assert sorted(rows) == self.all(), \
            f"{what}: {len(rows)} rows of {len(self.all())}, {len(set(rows))} of them once"
        for name in self.fed:
            ids = [i for k, i in rows if k == name]
            assert ids == sorted(ids), f"{what}: those of {name} in another order"


@case
def each_is_read_while_the_others_do_not_end(place):
    place.put("job.lua", TWO + 'a:union(b):write("out.ndjson", { mode = "append" })\n')
    place.feed("a", 3)
    place.feed("b", 3)
    place.start("--state", "st")
    place.wait("the first rows", lambda: len(place.rows("out.ndjson")) == 6)
    for name in "babba":
        place.feed(name)
        place.wait(f"a row of {name}",
                   lambda name=name: place.rows("out.ndjson")[-1:] == [(name, place.fed[name])])
    place.end()
    place.check("out.ndjson", place.rows("out.ndjson"))


@case
def a_history_comes_before_what_is_live(place):
    """Where only the last one never ends the order is that of the script."""
    place.put("job.lua", f"local a, b = {READ % ('a', '')}, {READ % ('b', LIVE)}\n"
              'a:union(b):write("out.ndjson", { mode = "append" })\n')
    place.feed("b", 2000)
    place.feed("a", 2000)
    place.start("--state", "st", "--batch-rows", "7")
    place.wait("all rows", lambda: len(place.rows("out.ndjson")) == 4000)
    place.end()
    assert place.rows("out.ndjson") == place.all()


@case
def chains_that_do_not_meet_are_read_side_by_side(place):
    place.put("job.lua", TWO + 'a:write("sqlite:out.db", { table = "t", mode = "append" })\n'
              'b:write("sqlite:out.db", { table = "u", mode = "append" })\n')
    place.feed("a", 3)
    place.feed("b", 3)
    place.start("--state", "st")
    place.wait("rows of both", lambda: place.table("t") + place.table("u") == place.all())
    place.end()


@case
def behind_kills_each_row_is_there_once(place):
    place.put("job.lua", TWO + 'local s = a:union(b)\n'
              's:write("out.ndjson", { mode = "append" })\n'
              's:write("sqlite:out.db", { table = "t", mode = "append" })\n'
              's:write("sqlite:out.db", { table = "u", key = "k, id" })\n'
              's:group_by "k":emit "update":agg "n = count(), total = sum(id)"'
              ':write("sqlite:out.db", { table = "sums" })\n')
    place.feed("a", 10)
    place.feed("b", 10)
    for _ in range(12):
        place.start("--state", "st", "--workers", str(random.choice([1, 2])))
        until = time.monotonic() + random.random() * 0.4
        while time.monotonic() < until:
            place.feed(random.choice("ab"), random.randrange(1, 200))
            time.sleep(random.random() * 0.01)
        place.end(signal.SIGKILL)
    place.start("--state", "st")
    place.wait("all rows", lambda: len(place.table("t")) >= len(place.all()))
    place.end()
    place.check("out.ndjson", place.rows("out.ndjson"))
    place.check("table t", place.table("t"))
    assert sorted(place.table("u")) == place.all()
    with sqlite3.connect(place.path("out.db")) as database:
        sums = dict((k, (n, total)) for k, n, total in
                    database.execute("select k, n, total from sums"))
    database.close()
    assert sums == {k: (n, n * (n + 1) // 2) for k, n in place.fed.items()}, sums


if __name__ == "__main__":
    sys.exit(main(Place))
