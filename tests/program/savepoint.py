#!/usr/bin/env python3
"""savepoint.py: `weir state save` of a state that a run holds.

    savepoint.py PROGRAM

A run follows a file that grows. A copy of its state is asked for meanwhile; it must have what the
run has read. Both sides are killed at random moments: where the copy should be stands nothing or a
whole state, and the run goes on as if nobody had asked.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SECONDS = float(os.environ.get("WEIR_RANDOM_SECONDS", "6"))
WAIT_SECONDS_MAX = 10
SCRIPT = """weir.settings { checkpoint = "50ms" }
local s = weir.read("in.ndjson", { follow = true, schema = "n int64, k string" })
s:group_by "k":emit "update":agg "n = count(), t = sum(n)"
  :write("sqlite:out.db", { table = "t", key = "k" })
"""


def rows(first, last):
    return "".join(json.dumps({"n": n, "k": "abc"[n % 3]}) + "\n" for n in range(first, last))


class Place:
    """A folder with a script that follows a file, and its run."""

    def __init__(self, program, folder):
        self.program, self.folder, self.process = os.path.abspath(program), folder, None
        self.count = 0
        for name, text in (("job.lua", SCRIPT), ("in.ndjson", "")):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def append(self, count):
        with open(self.path("in.ndjson"), "a", encoding="utf-8") as file:
            file.write(rows(self.count, self.count + count))
        self.count += count

    def start(self):
        self.process = subprocess.Popen([self.program, "run", "job.lua", "--state", "st"],
                                        cwd=self.folder, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.wait(lambda: self.holder() == self.process.pid
                  and os.path.exists(self.path("st/MADE")))

    def holder(self):
        try:
            with open(self.path("st/LOCK"), encoding="utf-8") as file:
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    def wait(self, condition):
        until = time.monotonic() + WAIT_SECONDS_MAX
        while not condition():
            assert time.monotonic() < until, "waited in vain"
            if self.process.poll() not in (None, -signal.SIGKILL):
                sys.exit(f"the run ended: {self.process.stderr.read().decode()}")
            time.sleep(0.005)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(WAIT_SECONDS_MAX)
        self.process.stderr.close()
        self.process = None

    def save(self, to, *words):
        return subprocess.Popen([self.program, "state", "save", "st", to, *words],
                                cwd=self.folder, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def saved(self, to, *words, code=0):
        asked = self.save(to, *words)
        try:
            said = asked.communicate(timeout=WAIT_SECONDS_MAX)[1]
        except subprocess.TimeoutExpired:
            sys.exit(f"no answer; there are {self.left_over()}, {self.in_copy()}")
        assert asked.returncode == code, f"{asked.returncode}: {said} {self.in_copy()}"
        return said

    def in_copy(self):
        path = self.path("st/save")
        return os.listdir(path) if os.path.isdir(path) else []

    def read_by(self, directory):
        """Rows that the state in a directory has read; it must be whole."""
        subprocess.run([self.program, "state", "verify", directory], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL)
        said = subprocess.run([self.program, "state", "ls", directory, "--json"], cwd=self.folder,
                              check=True, capture_output=True, text=True).stdout
        return next(s["rows_in"] for s in json.loads(said)["stages"] if s["kind"] == "source")

    def left_over(self):
        return sorted(n for n in os.listdir(self.path("st")) if n.startswith("save")
                      and n != "save.lock")


def sums(place):
    database = sqlite3.connect(place.path("out.db"))
    try:
        return database.execute("select k, n, t from t order by k").fetchall()
    except sqlite3.OperationalError: # the run has not made it yet, or is writing
        return None
    finally:
        database.close()


def expected(count):
    groups = {k: [n for n in range(count) if "abc"[n % 3] == k] for k in "abc"}
    return [(k, len(v), sum(v)) for k, v in groups.items() if v]


def of_a_run(place):
    """What a copy has is what was read, and the run from it leaves what all rows make."""
    place.append(100)
    place.start()
    place.wait(lambda: sums(place) == expected(100))
    said = place.saved("copy")
    assert said.startswith("checkpoint "), said
    assert place.read_by("copy") == 100 and not place.left_over(), place.left_over()
    place.append(50)
    place.wait(lambda: sums(place) == expected(150))
    assert "there is a state in copy already" in place.saved("copy", code=1)
    place.saved("more/below")
    assert place.read_by("more/below") == 150 and place.read_by("copy") == 100
    held = subprocess.run([place.program, "state", "ls", "st"], cwd=place.folder, check=False,
                          capture_output=True, text=True)
    assert held.returncode == 1 and "weir state save DIR TO" in held.stderr, held.stderr
    place.end()
    place.saved("behind")
    assert place.read_by("behind") == 150


def that_stands_still(place):
    """A run that does not answer is waited for as long as was said; the question does not stay."""
    place.start()
    place.process.send_signal(signal.SIGSTOP)
    said = place.saved("late", "--timeout", "300ms", code=1)
    assert "W618" in said and not os.path.exists(place.path("late")), said
    assert not place.left_over(), place.left_over()
    asked = place.save("two")
    place.wait(lambda: os.path.exists(place.path("st/save.asked")))
    assert "another `weir state save` waits" in place.saved("three", code=1)
    asked.kill()
    asked.communicate()
    assert place.left_over() == ["save.asked"]
    place.process.send_signal(signal.SIGCONT)
    place.wait(lambda: "save.answer" in place.left_over()) # nobody takes it
    place.saved("four")
    assert not place.left_over() and not os.path.exists(place.path("two"))
    place.end()


def where_it_cannot_be(place):
    """The run tells who asks why it cannot copy, and goes on."""
    place.start()
    os.mkdir(place.path("st/save"))
    os.mkdir(place.path("st/save/LOCK"))
    said = place.saved("five", "--timeout", "200ms", code=1)
    assert not os.path.exists(place.path("five")), said
    os.rmdir(place.path("st/save/LOCK"))
    place.append(10)
    place.wait(lambda: sums(place) == expected(place.count))
    place.saved("five")
    place.end()


def killed(place, draw):
    """One side, or both, at a random moment of a save; then all goes on."""
    place.append(draw.randint(1, 200))
    place.start()
    asked = place.save("to", "--timeout", "20s")
    time.sleep(draw.random() * draw.choice([0.02, 0.1, 0.3]))
    who = draw.choice(["run", "asker", "both"])
    if who != "asker":
        place.process.kill()
    if who != "run":
        asked.kill()
    said = asked.communicate(timeout=WAIT_SECONDS_MAX)[1]
    if who == "run":
        assert asked.returncode == 0, said # it makes the copy itself
        place.end(signal.SIGKILL)
        assert not place.left_over(), place.left_over()
    elif who == "both":
        place.end(signal.SIGKILL)
    if os.path.exists(place.path("to/state.db")):
        assert 0 <= place.read_by("to") <= place.count
    else:
        assert asked.returncode != 0
    if who != "asker":
        place.start()
    place.wait(lambda: sums(place) == expected(place.count))
    place.saved("last")
    assert place.read_by("last") == place.count and not place.left_over()
    place.end()
    for name in ("to", "last"):
        subprocess.run(["rm", "-rf", name], cwd=place.folder, check=True)


def main():
    seed = int(os.environ.get("WEIR_SEED", "0")) or random.randrange(1 << 30)
    print(f"WEIR_SEED={seed}")
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(sys.argv[1], folder)
        for each in (of_a_run, that_stands_still, where_it_cannot_be):
            each(place)
            count += 1
        until, draw = time.monotonic() + SECONDS, random.Random(seed)
        while count < 6 or time.monotonic() < until:
            killed(place, draw)
            count += 1
    print(f"{count} passed, 0 failed")


main()
