#!/usr/bin/env python3
"""breaker.py PROGRAM [TEST...]: a PostgreSQL server that is away for longer and for shorter than it
is waited for, with the program killed or stopped meanwhile."""

import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time

from runs import Failure, Place, main, same

SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
DICE = random.Random(SEED)
AT_ONCE = 5
SCRIPT = '''
weir.settings { checkpoint = "20ms" }
local function to(name, mode)
  return weir.postgres("%s", { table = name, mode = mode, user = "weir", %s })
end
local s = weir.read("in.ndjson", { schema = "id int64, k int64", follow = true })
s:write(to("added", "append"))
s:group_by "k":emit "update":agg "n = count()":write(to "kept")
'''
QUICK = '''retry_min = "5ms", retry_max = "20ms",
  breaker = { failures = 3, cooldown = "100ms" }'''


class Live:
    """A run whose input grows, and what it says."""

    def __init__(self, weir, postgres, options=QUICK):
        for name in ("added", "kept", "weir_commit"):
            postgres.sql(f"drop table if exists {name}")
        self.postgres = postgres
        self.place = Place(weir, SCRIPT % (postgres.address, options))
        self.rows = 0
        self.said = ""
        self.process = None
        self.feed(1000)
        self.start()
        self.wait_for("the first rows", lambda: self.count() == self.rows)

    def feed(self, count):
        with open(f"{self.place.folder}/in.ndjson", "a", encoding="utf-8") as file:
            for _ in range(count):
                self.rows += 1
                file.write('{"id":%d,"k":%d}\n' % (self.rows, self.rows % 37))

    def count(self):
        try:
            return int(self.postgres.sql("select count(*) from added"))
        except RuntimeError:
            return 0

    def start(self):
        self.said = ""
        self.process = self.place.start("--state", "s")
        self.listening = threading.Thread(target=self.listen, args=(self.process,), daemon=True)
        self.listening.start()

    def listen(self, process):
        for line in process.stderr:
            self.said += line.decode(errors="replace")

    def wait_for(self, what, is_there):
        until = time.monotonic() + 60
        while not is_there():
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise Failure(f"{what} did not come: {self.process.poll()} {self.said}")
            time.sleep(0.02)

    def wait_until_said(self, text):
        self.wait_for(text, lambda: text in self.said)

    def end(self, number, code):
        self.process.send_signal(number)
        same(f"its end: {self.said}", self.process.wait(AT_ONCE), code)
        self.listening.join(AT_ONCE) # what it said last

    def check(self, what):
        """Goes on to the last row, with nothing in its way."""
        self.place.run("--state", "s", "--until", f"{self.rows}rows", "--drain")
        ids = self.postgres.sql("select id from added order by id").split()
        same(f"{what}: added", ids == [str(i + 1) for i in range(self.rows)] or len(ids), True)
        wanted = "".join(f"{k}|{len(range(k or 37, self.rows + 1, 37))}\n" for k in range(37))
        same(f"{what}: kept", self.postgres.sql("select k, n from kept order by k"), wanted)


def a_live_run_waits_for_a_server(weir, postgres):
    """Away once between epochs, and once with rows on their way to it."""
    live = Live(weir, postgres)
    for i in range(2):
        postgres.stop("immediate" if i else "fast")
        live.feed(3000)
        try:
            live.wait_for("W619", lambda i=i: live.said.count("warning[W619]") == i + 1)
            time.sleep(0.3)
            live.feed(3000)
        finally:
            postgres.start()
        live.wait_for("W620", lambda i=i: live.said.count("warning[W620]") == i + 1)
        live.wait_for("all rows", lambda: live.count() == live.rows)
    live.end(signal.SIGTERM, 143)
    same("it tells what it waited", "of waiting for sinks" in live.said, True)
    live.check("away twice")


def a_short_absence_opens_nothing(weir, postgres):
    live = Live(weir, postgres, 'breaker = { failures = 1000 }, retry_max = "200ms"')
    postgres.stop("fast")
    live.feed(100)
    time.sleep(0.3)
    postgres.start()
    live.wait_for("all rows", lambda: live.count() == live.rows)
    live.end(signal.SIGTERM, 143)
    same("no warning", "W619" in live.said or "W620" in live.said, False)
    live.check("away for a moment")


def what_ends_a_run_that_waits(weir, postgres):
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)):
        live = Live(weir, postgres,
                    'retry_max = "20ms", breaker = { failures = 2, cooldown = "10m" }')
        postgres.stop("fast")
        try:
            live.feed(500)
            live.wait_until_said("warning[W619]")
            time.sleep(DICE.random() * 0.2)
            live.end(number, code)
        finally:
            postgres.start()
        if code > 0:
            same("it says so", "note: it was stopped while postgres:" in live.said
                 and "was waited for: " in live.said, True)
        live.check(f"signal {number}")


def a_restart_waits_too(weir, postgres):
    """A run with a state that finds no server, and is ended, and finds one."""
    live = Live(weir, postgres)
    live.end(signal.SIGKILL, -9)
    postgres.stop("fast")
    try:
        live.feed(500)
        live.start()
        live.wait_until_said("warning[W619]")
        live.end(signal.SIGTERM, 143)
        same("it is no failure", "interrupted: " in live.said, True)
        live.start()
        live.wait_until_said("warning[W619]")
    finally:
        postgres.start()
    live.wait_until_said("warning[W620]")
    live.wait_for("all rows", lambda: live.count() == live.rows)
    live.end(signal.SIGTERM, 143)
    live.check("a restart")


def a_limit_ends_it(weir, postgres):
    for options, text in (
            ('retry_max = "20ms", breaker = { failures = 2, cooldown = "50ms", limit = "1s" }',
             "W619"), ('breaker = false, retries = 3, retry_max = "20ms"', "4 attempts failed"),
            ('breaker = false, timeout = "1s"', "it is down for 1.")):
        live = Live(weir, postgres, options)
        postgres.stop("fast")
        try:
            live.feed(500)
            same(f"its end: {live.said}", live.process.wait(60), 1)
            time.sleep(0.2)
            same(live.said, "error[W603]" in live.said and text in live.said, True)
        finally:
            postgres.start()
        live.check(options)


def a_server_that_does_not_answer_is_no_reason_to_stay(weir, postgres):
    """It takes the connection and is silent."""
    del postgres
    with tempfile.TemporaryDirectory(prefix="weir-silent-") as folder, \
            socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/.s.PGSQL.5432")
        silent.listen(1)
        script = '''weir.generate { rows = 10, columns = "id = i" }
          :write(weir.postgres("%s/shop", { table = "t", mode = "append", timeout = "%s" }))'''
        said = Place(weir, script % (folder, "1s")).run(code=1)
        same(said, "no answer in 1 s" in said, True)
        silent.accept()[0].close()
        place = Place(weir, script % (folder, "10m"))
        process = place.start()
        taken, _ = silent.accept()
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code, _, said = place.end(process)
        same(f"its end: {said}", (code, time.monotonic() - began < AT_ONCE), (143, True))
        taken.close()


if __name__ == "__main__":
    print(f"seed: WEIR_SEED={SEED}")
    sys.exit(main([a_live_run_waits_for_a_server, a_short_absence_opens_nothing,
                   what_ends_a_run_that_waits, a_restart_waits_too, a_limit_ends_it,
                   a_server_that_does_not_answer_is_no_reason_to_stay],
                  "breaker.py"))
