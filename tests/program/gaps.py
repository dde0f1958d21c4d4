#!/usr/bin/env python3
"""gaps.py: gaps of many windows that `fill` fills, as the machine has them.

    gaps.py PROGRAM

A gap takes the same memory whatever its length is, and a run that is killed or stopped in the
middle of one goes on there: the same bytes come, with any batches and workers. Which rows are made
says tests/random/fill.py.
"""

import datetime
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

SECONDS_MAX = 120
SHORT, LONG = 100_000, 700_000
GROWTH_KB_MAX = 4096
STOP_SECONDS_MAX = 5
SCRIPT = """weir.settings { checkpoint = "100ms" }
weir.read("in.csv", { schema = "k string, v int64, ts timestamp" })
  :event_time("ts", { max_delay = "5s" })
  :window(weir.tumbling "1s"):group_by "k":agg "n = count(), v = sum(v), m = avg(v)"
  :fill("n = 0, v = previous(v), m = %s", { %s })
%s  :write "out.csv"
"""
KINDS = {
    "values": ("previous(m)", f"max_windows = {LONG + 100}", ""),
    "lines": ("interpolate(m)", 'max_gap = "100d"', ""),
    "lines of an input that ends": ("interpolate(m)", f"max_windows = {LONG + 100}", ""),
    "a group of what was filled": ("previous(m)", f"max_windows = {LONG + 100}",
                                   '  :window(weir.tumbling "10m"):group_by "k"'
                                   ':agg "n = count(), v = sum(v)"\n'),
}


class World:
    def __init__(self, weir, kind, windows):
        self.weir, self.folder = weir, tempfile.TemporaryDirectory(prefix="weir-gaps-")
        start = datetime.datetime(2024, 1, 1)
        with open(self.path("in.csv"), "w", encoding="utf-8") as file:
            file.write("k,v,ts\n")
            for second, key, value in ((0, "a", 1), (2, "b", 5), (windows, "a", 3),
                                       (windows + 40, "b", 9), (windows + 50, "a", 2)):
                at = start + datetime.timedelta(seconds=second)
                file.write(f"{key},{value},{at.isoformat()}Z\n")
        with open(self.path("gaps.lua"), "w", encoding="utf-8") as file:
            file.write(SCRIPT % KINDS[kind])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, *flags):
        process = subprocess.Popen([self.weir, "run", "gaps.lua", *flags], cwd=self.folder.name,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.timer = threading.Timer(SECONDS_MAX, process.kill)
        self.timer.start()
        return process

    def end(self, process):
        """What it said."""
        said, _ = process.communicate()
        self.timer.cancel()
        return said

    def run(self, *flags):
        """Runs to the end; the hash of what was written."""
        process = self.start(*flags)
        said = self.end(process)
        assert process.returncode == 0, f"exit {process.returncode}: {said}"
        with open(self.path("out.csv"), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def written(self):
        return sum(entry.stat().st_size for entry in os.scandir(self.folder.name)
                   if entry.name.startswith("out.csv"))

    def wait_until_written(self, process, count):
        until = time.monotonic() + SECONDS_MAX
        while self.written() < count and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)


def peak_kb(weir, kind, windows):
    with World(weir, kind, windows) as world:
        process = world.start()
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        world.end(process)
        assert status == 0, said
        return usage.ru_maxrss


def memory_is_flat(weir, kind):
    short, long = peak_kb(weir, kind, SHORT), peak_kb(weir, kind, LONG)
    assert long - short <= GROWTH_KB_MAX, \
        f"{short} KB for {SHORT} windows, {long} KB for {LONG}"


def is_the_same_in_any_way(weir, kind):
    with World(weir, kind, SHORT) as world:
        wanted = world.run()
        for flags in (["--batch-rows", "7"], ["--workers", "1"], ["--workers", "2"],
                      ["--shards", "3", "--batch-rows", "100"]):
            assert world.run(*flags) == wanted, f"other bytes with {' '.join(flags)}"


def goes_on(weir, kind, signals, dice):
    """`signals` lives end by one of these each, at a drawn moment; the last one ends by itself."""
    with World(weir, kind, SHORT * 2) as world:
        wanted, total, in_the_middle = world.run(), world.written(), 0
        os.remove(world.path("out.csv"))
        for number, how in enumerate(signals):
            before, part = world.written(), (number + dice.random()) / (len(signals) + 1)
            process = world.start("--state", "state")
            world.wait_until_written(process, max(before + 1, total * part))
            begun = time.monotonic()
            process.send_signal(how)
            said = world.end(process)
            took = time.monotonic() - begun
            is_whole = os.path.exists(world.path("out.csv"))
            if how == signal.SIGTERM:
                assert process.returncode >= 0 or is_whole, f"exit {process.returncode}: {said}"
                assert took < STOP_SECONDS_MAX, f"it stopped after {took:.1f} s"
            in_the_middle += not is_whole
        assert in_the_middle > 0, "no life ended before the end"
        assert world.run("--state", "state") == wanted, "other bytes behind the gap"


def main():
    weir = os.path.abspath(sys.argv[1])
    seed = int(os.environ.get("WEIR_SEED") or time.time_ns() // 1000 % 10**9)
    print(f"seed: WEIR_SEED={seed}", flush=True)
    dice, passed, failed = random.Random(seed), 0, 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tests = [(f"{kind}: {name}", test, kind) for kind in KINDS for name, test in (
        ("memory is flat", lambda kind: memory_is_flat(weir, kind)),
        ("the same in any way", lambda kind: is_the_same_in_any_way(weir, kind)),
        ("killed in the middle", lambda kind: goes_on(weir, kind, [signal.SIGKILL] * 3, dice)),
        ("stopped in the middle", lambda kind: goes_on(weir, kind, [signal.SIGTERM] * 2, dice)))]
    for name, test, kind in tests:
        try:
            test(kind)
            passed += 1
        except AssertionError as failure:
            failed += 1
            print(f"{name}: {failure}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
