#!/usr/bin/env python3
"""latency.py: how long a row takes through a pipeline, under a load that waits for nobody.

    ./dev bench latency [--rate N] [--seconds N] [--only NAME] [--workers N] [--floor] [--why]

`load` (tests/bench/load.c) appends NDJSON to a file on a fixed schedule, weir follows it, with a
state and checkpoints. Microseconds from when a row was due until its result was given to the sink,
in the epoch that is open, and until that was committed and others can see it. Beside it how late
`load`, which only spins, saw that rows were due; and with --floor the same pipeline without
checkpoints. --why: where the time of late rows went.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

import measured
import probed

WARM_SECONDS = 2
LOAD = os.path.join(measured.BUILD, "tests/bench/load")
HEAD = """
weir.settings {{ checkpoint = "{checkpoint}" }}
local rows = weir.read("in.ndjson", {{ follow = true,
  schema = "id int64, due int64, user string, page string, amount int64, late int64" }})
"""
# name: (what, script)
SCRIPTS = {
    "file": ("filter, derive -> NDJSON file", """
rows:filter "amount >= 16":derive "cents = amount * 100, section = upper(page)"
  :write "out.ndjson"
"""),
    "sqlite": ("filter, derive -> SQLite", """
rows:filter "amount >= 16":derive "cents = amount * 100, section = upper(page)"
  :write("sqlite:out.db", {{ table = "t", mode = "append" }})
"""),
    "sums": ('sum by user, `emit "update"`', """
rows:group_by "user":emit "update"
  :agg "n = count(), s = sum(amount), due = max(due), late = last(late)"
  :write "blackhole:"
"""),
}


def shown(note):
    return f"{note['p50']:,} / {note['p99']:,} / {note['p999']:,} / {note['most']:,}"


def tell_why(folder):
    """Of rows that took more than a millisecond, what of it the run's thread was at, in us on
    average; then how long that lasted each time."""
    late = folder.notes("late")[0]
    print(f"  {late['rows']:,} rows over {late['over_us']:,} us, {late['us']:,} us on average, "
          f"{late['load']:,} of them before `load` came to write it")
    for where in ("step", "begin", "flush", "rest"):
        spans = folder.notes(f"spans_{where}")[0]
        print(f"  {where:6} had a processor {late[where + '_runs']:,}, waited for one "
              f"{late[where + '_waits']:,}, slept {late[where + '_sleeps']:,}; "
              f"{spans['count']:,} times, {shown(spans)}", flush=True)


def measure(name, checkpoint, options):
    what, script = SCRIPTS[name]
    folder = probed.Folder("latency")
    folder.write("in.ndjson", "")
    folder.write("latency.lua", (HEAD + script).format(checkpoint=checkpoint))
    process = folder.start("latency.lua",
                           ["--state", "STATE", "--workers", str(options.workers)],
                           warm=WARM_SECONDS * 1000000)
    folder.wait_for("opened", process, 60)
    subprocess.run([LOAD, str(options.rate), str(options.seconds + WARM_SECONDS),
                    folder.file("in.ndjson"), folder.file("load")], check=True)
    time.sleep(1.5) # for the last rows
    process.send_signal(signal.SIGTERM)
    folder.end(process, 128 + signal.SIGTERM)
    with open(folder.file("load"), encoding="utf-8") as file:
        late = dict(zip(("p50", "p99", "p999", "most"), map(int, file.read().split())))
    given, seen = folder.notes("given"), folder.notes("shown_rows")
    if not given:
        folder.fail("no row came to the sink")
    stalls = [note["cpu_ns"] for note in folder.notes("stall")]
    print(f"| {what} | {checkpoint} | {given[0]['count']:,} | {shown(given[0])} | {shown(seen[0])} "
          f"| {shown(late)} | {probed.ms(max(stalls))} |", flush=True)
    if options.why:
        tell_why(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=100000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", choices=list(SCRIPTS))
    parser.add_argument("--why", action="store_true")
    parser.add_argument("--floor", action="store_true")
    options = parser.parse_args()
    print(f"{measured.machine()}; {options.rate:,} rows a second, {options.seconds} s, "
          f"{options.workers} workers, us: p50 / p99 / p99.9 / most\n")
    print("| pipeline | checkpoints | rows | due to given | due to seen | spin | "
          "longest stall, CPU ms |")
    print("|---|---|---:|---|---|---|---:|")
    for name in SCRIPTS:
        for checkpoint in ("100ms", "1s") + (("1h",) if options.floor else ()):
            if options.only in (None, name):
                measure(name, checkpoint, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
