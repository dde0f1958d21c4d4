#!/usr/bin/env python3
"""poison.py PROGRAM CRASH [TEST...]: rows at which the process dies each time: a function that does
not end, a crash (crash.c, at the cube root of a number). Runs with a state are started again and
again, as a supervisor does, until one comes to its end; then all other rows are there once, and
those have been rejected."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from trials import DICE, Failure, run_all, same

SECONDS_MAX = 60
ROWS = 10000
READ = 'weir.read("in.ndjson", { schema = "id int64, k string, ts timestamp" })'
CRASH = ':derive "root = cbrt(float64(id))"'
LOOP = ''':derive("root float64", function(e)
  if e.id == %d then while true do end end
  return e.id / 2
end)'''
SWALLOW = ''':derive("root float64", function(e)
  local t = {}
  for i = 1, e.id == %d and 1e9 or 1 do t[i] = i end
  return e.id / 2
end)'''
SETTINGS = 'weir.settings { checkpoint = "%s" }\n'


class Place:
    """A directory with a script, its input and its state."""

    def __init__(self, programs, script, checkpoint="20ms"):
        self.weir, self.crash = programs
        self.held = tempfile.TemporaryDirectory(prefix="weir-poison-")
        self.folder = self.held.name
        with open(self.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(SETTINGS % checkpoint + script)
        for name, first in (("in.ndjson", 1), ("other.ndjson", ROWS + 1)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                for i in range(ROWS):
                    file.write('{"id":%d,"k":"k%d","ts":"2024-01-01T00:%02d:%02dZ"}\n' % (
                        first + i, i % 100, i // 60 % 60, i % 60))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *arguments, crash=""):
        environment = dict(os.environ, LD_PRELOAD=self.crash, WEIR_CRASH=crash)
        if not crash:
            del environment["LD_PRELOAD"]
        return subprocess.Popen([self.weir, "run", "job.lua", "--state", "st", "--rejects",
                                 "bad.ndjson", *arguments], cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, env=environment)

    def end(self, process):
        try:
            _, said = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f"it did not end in {SECONDS_MAX} s") from None
        return process.returncode, said.decode(errors="replace")

    def lives(self, *arguments, crash="", most=40):
        """Starts it until it ends well; how many lives had died before."""
        for died in range(most):
            code, said = self.end(self.start(*arguments, crash=crash))
            if code == 0:
                same("nothing is left of it", self.left(), [])
                return died
            if code > 0 and "W701" not in said and "W702" not in said:
                raise Failure(f"exit code {code}: {said}")
        raise Failure(f"{most} lives died: {said}")

    def left(self):
        return sorted(name for name in os.listdir(self.path("st")) if name.startswith("deaths"))

    def rows(self, name="out.ndjson"):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def ids(self):
        return [row["id"] for row in self.rows()]

    def check(self, poison, stage, rows=ROWS):
        same("rows", sorted(self.ids()), [i for i in range(1, rows + 1) if i not in poison])
        bad = self.rows("bad.ndjson")
        same("rejected", sorted(row["row"]["id"] for row in bad), sorted(poison))
        for row in bad:
            i = row["row"]["id"]
            same(f"how row {i} is rejected", (row["code"], row["stage"], row["source"]),
                 ("W514", stage, "in.ndjson" if i <= ROWS else "other.ndjson"))
            same(f"where row {i} is", row["position"].split(" byte")[0],
                 f"line {(i - 1) % ROWS + 1}")
            same(f"the text of row {i}", json.loads(base64.b64decode(row["raw"]))["id"], i)


TO_FILE = ':write "out.ndjson"'


def a_function_that_does_not_end(programs):
    for workers in ("1", "2"):
        bad = DICE.randrange(1, ROWS + 1)
        place = Place(programs, READ + LOOP % bad + TO_FILE)
        died = place.lives("--workers", workers)
        same(f"row {bad}, {workers} workers: {died} lives ended", 2 <= died <= 4, True)
        place.check([bad], "derive")


def a_function_that_takes_all_memory(programs):
    bad = DICE.randrange(1, ROWS + 1)
    place = Place(programs, READ + SWALLOW % bad + TO_FILE)
    died = place.lives()
    same(f"row {bad}: {died} lives ended", 2 <= died <= 4, True)
    place.check([bad], "derive")


def a_row_that_crashes(programs):
    for workers in ("1", "2"):
        for bad in (1, 2, ROWS, DICE.randrange(3, ROWS)):
            place = Place(programs, READ + CRASH + TO_FILE)
            died = place.lives("--workers", workers, crash=str(bad))
            same(f"row {bad}: {died} lives died", 3 <= died <= 9, True)
            place.check([bad], "derive")


def no_checkpoint_between_the_first_and_the_row(programs):
    place = Place(programs, READ + CRASH + TO_FILE, checkpoint="1h")
    died = place.lives(crash="9000")
    same(f"{died} lives died", 3 <= died <= 20, True)
    place.check([9000], "derive")


def two_rows(programs):
    for bad in ([4000, 4001], [5000, 5040], [100, 9000]):
        place = Place(programs, READ + CRASH + TO_FILE)
        died = place.lives(crash=f"{bad[0]} {bad[1]}")
        same(f"{bad}: {died} lives died", 3 <= died <= 18, True)
        place.check(bad, "derive")


def behind_a_gate(programs):
    """Rows of two inputs wait for each other, and come to the stage in a later step than the one
    that read them."""
    other = READ.replace("in.ndjson", "other.ndjson") + ':event_time "ts"'
    place = Place(programs, READ + ':event_time "ts":union(' + other + ")" + CRASH + TO_FILE)
    bad = [DICE.randrange(1, ROWS), DICE.randrange(ROWS + 1, 2 * ROWS)]
    died = place.lives("--workers", "2", crash=f"{bad[0]} {bad[1]}")
    same(f"{bad}: {died} lives died", 3 <= died <= 20, True)
    place.check(bad, "derive", 2 * ROWS)


def what_is_counted_without_it(programs):
    """A group's sum is that of all rows but the one."""
    place = Place(programs, READ + CRASH
                  + ':group_by "k":agg "n = count(), sum = sum(id)"' + TO_FILE)
    place.lives("--workers", "2", crash="4321")
    wanted = {f"k{i}": [0, 0] for i in range(100)}
    for i in range(1, ROWS + 1):
        if i != 4321:
            wanted[f"k{(i - 1) % 100}"][0] += 1
            wanted[f"k{(i - 1) % 100}"][1] += i
    same("groups", {row["k"]: [row["n"], row["sum"]] for row in place.rows()}, wanted)
    same("rejected", [row["row"]["id"] for row in place.rows("bad.ndjson")], [4321])


def a_row_that_a_stage_made(programs):
    """A group's result is no row of a source."""
    place = Place(programs, READ + ':group_by "k":agg "n = max(id)":derive "root = cbrt('
                  'float64(n))"' + TO_FILE)
    died = place.lives(crash="9950")
    same(f"{died} lives died", 3 <= died <= 9, True)
    same("groups", sorted(row["n"] for row in place.rows()),
         [n for n in range(ROWS - 99, ROWS + 1) if n != 9950])
    bad = place.rows("bad.ndjson")
    same("rejected", [(row["code"], row["row"]["n"]) for row in bad], [("W514", 9950)])


def no_row_is_at_fault(programs):
    """What dies outside of any row is told, and nothing is rejected for it."""
    place = Place(programs, READ + ':group_by "k":agg "n = cbrt(float64(max(id)))"' + TO_FILE)
    told = 0
    for _ in range(20):
        code, said = place.end(place.start(crash="9950"))
        same(f"its end: {said}", code < 0, True)
        told += "W622" in said
        same(f"who may have killed it: {said}", "W62" in said, "killed from outside" in said)
    same("it is told", told > 0, True)
    same("nothing came of it", place.lives(), 0)
    same("groups", len(place.rows()), 100)
    same("rejected", place.rows("bad.ndjson"), [])


def it_may_be_turned_off(programs):
    place = Place(programs, READ + CRASH + TO_FILE)
    with open(place.path("job.lua"), "w", encoding="utf-8") as file:
        file.write('weir.settings { checkpoint = "20ms", quarantine = false }\n' + READ + CRASH
                   + TO_FILE)
    for _ in range(10):
        code, said = place.end(place.start(crash="5000"))
        same(f"its end: {said}", code < 0, True)
        same("nothing is written down", place.left(), [])


def kills_from_outside_reject_nothing(programs):
    """Lives that are killed one after the other, wherever they are, at any level."""
    slow = READ + ''':derive("slow int64", function(e)
  local n = 0
  for i = 1, 3000 do n = n + i % 7 end
  return n
end)''' + TO_FILE
    place = Place(programs, slow, checkpoint="5ms")
    levels = 0
    for _ in range(25):
        process = place.start()
        time.sleep(0.02 + DICE.random() * 0.08)
        process.send_signal(signal.SIGKILL)
        _, said = place.end(process)
        levels += "W621" in said
    place.lives()
    place.check([], "derive")
    print(f"  {levels} lives looked for a row")


def a_life_that_goes_on_forgets(programs):
    place = Place(programs, READ + CRASH + TO_FILE)
    code, _ = place.end(place.start(crash="5000"))
    same("it died", code < 0, True)
    same("it has left nothing: what it left says enough", place.left(), [])
    code, _ = place.end(place.start(crash="5000"))
    same("the next one counted", place.left(), ["deaths"])
    same("the one behind ends well", place.lives(), 0)
    place.check([], "derive")


def a_live_input(programs):
    place = Place(programs, READ.replace(" })", ", follow = true })") + CRASH
                  + ':write("out/", { format = "ndjson", roll = { rows = 1000 } })')
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        process = place.start(crash="7000")
        while process.poll() is None and not any(
                "_part-0000000009" in name or "part-0000000009" in name
                for name in (os.listdir(place.path("out")) if os.path.isdir(place.path("out"))
                             else [])):
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            same("its end", place.end(process)[0], 143)
            break
        place.end(process)
    code, said = place.end(place.start("--until", f"{ROWS}rows", "--drain"))
    same(said, code, 0)
    ids = []
    for name in sorted(os.listdir(place.path("out"))):
        ids += [row["id"] for row in place.rows(f"out/{name}")]
    same("rows", ids, [i for i in range(1, ROWS + 1) if i != 7000])
    same("rejected", [row["code"] for row in place.rows("bad.ndjson")], ["W514"])


TESTS = [a_function_that_does_not_end, a_function_that_takes_all_memory, a_row_that_crashes,
         no_checkpoint_between_the_first_and_the_row, two_rows, behind_a_gate,
         what_is_counted_without_it, a_row_that_a_stage_made, no_row_is_at_fault,
         it_may_be_turned_off, kills_from_outside_reject_nothing, a_life_that_goes_on_forgets,
         a_live_input]


def main():
    programs, names = [os.path.abspath(path) for path in sys.argv[1:3]], sys.argv[3:]
    return run_all(TESTS, names, programs)


if __name__ == "__main__":
    sys.exit(main())
