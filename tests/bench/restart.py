#!/usr/bin/env python3
"""restart.py: from the start of a process to its first row, when the last one was killed.

    ./dev bench restart [--mb N] [--restarts N] [--only NAME] [--cold]

A pipeline whose state has so many megabytes is killed (SIGKILL) at a random moment behind a
checkpoint, and started again, over and over. Milliseconds from the start of the process: until the
run is open, until the first row of its result is given to the sink, until the first is committed.
--cold: the pages of the state's files are dropped from the cache of the system before each start.
"""

import argparse
import os
import random
import signal
import sys
import time

import measured
import probed

SECONDS_MAX = 600
HEAD = """
weir.settings {{ checkpoint = "1s", memory = "16GB" }}
local rows = weir.generate {{ rows = {keys}, columns = "k = i, v = i" }}
  :union(weir.generate {{ rate = 20000, columns = "k = abs(hash64(i)) % {keys} + 1, v = -i" }})
"""
# name: (what, bytes of state a key as measured, script)
SCRIPTS = {
    "update": ('count and sum by int64, `emit "update"`', 48, """
rows:group_by "k":emit "update":agg "n = count(), s = sum(v)":write "blackhole:"
"""),
    "versions": ("as_table: the newest row by int64", 86, """
rows:as_table "k":write "blackhole:"
"""),
}


def drop_cache(folder):
    for name in os.listdir(folder):
        file = os.open(os.path.join(folder, name), os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def lives(folder, count, cold):
    """[(opened, written, shown)] in nanoseconds, of lives that begin behind a kill."""
    found = []
    for _ in range(count):
        if cold:
            drop_cache(folder.file("STATE"))
        process = folder.start("restart.lua", ["--state", "STATE"])
        ends = [folder.wait_for(what, process, SECONDS_MAX)["ns"]
                for what in ("opened", "written", "shown")]
        found.append(ends)
        time.sleep(random.uniform(0, 2.5)) # in the midst of a checkpoint too
        kill(process)
    return found


def row(name, mb, restarts, cold):
    what, key_bytes, script = SCRIPTS[name]
    keys = mb * 1000000 // key_bytes
    folder = probed.Folder("restart")
    folder.write("restart.lua", (HEAD + script).format(keys=keys))
    process = folder.start("restart.lua", ["--state", "STATE"])
    until = time.monotonic() + SECONDS_MAX
    while not folder.notes("stall") or folder.notes("stall")[-1]["rows_in"] <= keys:
        if process.poll() is not None or time.monotonic() > until:
            folder.fail("the state is not filled")
        time.sleep(0.1)
    kill(process)
    state_bytes = folder.notes("stall")[-1]["state_bytes"]
    found = lives(folder, restarts, cold)
    size = sum(os.path.getsize(os.path.join(folder.file("STATE"), file))
               for file in os.listdir(folder.file("STATE")))
    folder.remove("STATE")
    columns = [f"{what} | {keys:,} | {state_bytes / 1e6:,.0f} | {size / 1e6:,.0f}"]
    for kind in zip(*found):
        columns.append(" / ".join(f"{value / 1e6:,.0f}" for value in (
            probed.at(kind, 0.5), probed.at(kind, 0.99), max(kind))))
    print(f"| {' | '.join(columns)} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--only", choices=list(SCRIPTS))
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    print(f"{measured.machine()}; {options.restarts} restarts, "
          f"{'cold' if options.cold else 'warm'} cache, ms: p50 / p99 / most\n")
    print("| state | keys | MB in memory | MB in files | open | first row given | committed |")
    print("|---|---:|---:|---:|---|---|---|")
    for name in SCRIPTS:
        if options.only in (None, name):
            row(name, options.mb, options.restarts, options.cold)
    return 0


if __name__ == "__main__":
    sys.exit(main())
