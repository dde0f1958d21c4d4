#!/usr/bin/env python3
"""pairs.py: what checkpoints cost, and what a second thread brings: pairs of runs that take turns.

    ./dev bench pairs [--events N] [--runs N] [--only NAME]

Each line compares two ways to run one script: without a state and with `--state`, checkpoints
every second and every 100 ms; and one worker with two. Wall and CPU seconds (user and system) are
medians of the first way; the ratios are medians over the pairs, the second way by the first. "used"
is how many CPUs the second way kept busy: what it is below 2 was waited. Events of q5 and q17 are
computed, so there are ten times as many and a run lasts for seconds. Sinks are blackholes, but
SQLite where the name says so. --check fails where checkpoints cost more than 2 % (1 s) or 10 %.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import measured

FOLDER = os.path.join(measured.FOLDER, "pairs")
WEIR = os.path.join(measured.BUILD, "weir")
QUERIES = os.path.join(measured.ROOT, "examples/nexmark")
LEFT_OVER = ("STATE", "out.db", "out.db-wal", "out.db-shm")
COST_MAX = {"1s": 1.02, "100ms": 1.10}
TIMES = {"q5": 10, "q17": 10, "q18": 1}

MAKE = """weir.nexmark {{ events = {events}, rate = 10000 }}
  :select "auction, bidder, price, channel, url, dateTime, extra":write "bids.ndjson"
"""
READ = """weir.read("bids.ndjson", { schema = "auction int64, bidder int64, price int64, "
  .. "channel string, url string, dateTime timestamp, extra string" })
"""
PARSE = READ + """  :filter "price > 0":group_by "channel":agg "n = count(), s = sum(price)"
  :write "blackhole:"
"""
WINDOW = READ + """  :event_time "dateTime":window(weir.tumbling "10s"):group_by "auction"
  :agg "n = count(), s = sum(price)":write("sqlite:out.db", { table = "t" })
"""


def write(name, text):
    with open(os.path.join(FOLDER, name + ".lua"), "w", encoding="utf-8") as file:
        file.write(text)


def prepare(events):
    """The scripts, in the folder; their names."""
    os.makedirs(FOLDER, exist_ok=True)
    write("make", MAKE.format(events=events))
    once("make", [])
    made = {"ndjson": PARSE, "ndjson_window_sqlite": WINDOW}
    for name, times in TIMES.items():
        with open(os.path.join(QUERIES, name + ".lua"), encoding="utf-8") as file:
            made[name] = re.sub(r"events int64 = \d+", f"events int64 = {times * events}",
                                file.read())
    for name, text in made.items():
        write(name, text)
        for interval in COST_MAX:
            write(f"{name}_{interval}", f'weir.settings {{ checkpoint = "{interval}" }}\n{text}')
    return list(made)


def once(name, flags):
    """Wall and CPU seconds of a run from nothing."""
    for left in LEFT_OVER:
        path = os.path.join(FOLDER, left)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)
    began = time.monotonic()
    run = subprocess.Popen([WEIR, "run", name + ".lua", *flags], cwd=FOLDER,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = run.stderr.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    run.stderr.close()
    if run.returncode != 0:
        sys.exit(f"{name} {flags}: exit code {run.returncode}\n{said.decode()}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime


def compare(what, first, second, runs):
    """Prints a line; the ratio of the CPU seconds."""
    pairs = [(once(*first), once(*second)) for _ in range(runs)]
    walls = statistics.median(a[0] for a, _ in pairs)
    cpus = statistics.median(a[1] for a, _ in pairs)
    wall = statistics.median(b[0] / a[0] for a, b in pairs)
    cpu = statistics.median(b[1] / a[1] for a, b in pairs)
    used = statistics.median(b[1] / b[0] for _, b in pairs)
    print(f"| {first[0]} | {what} | {walls:.2f} | {cpus:.2f} | {wall:.2f} | {cpu:.2f} | "
          f"{used:.2f} |", flush=True)
    return cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10000000)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--only")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    names = prepare(options.events)
    print(f"{measured.machine()}; {options.events:,} events, medians of {options.runs} pairs\n")
    print("| script | second way | wall s | CPU s | wall | CPU | used |")
    print("|---|---|---:|---:|---:|---:|---:|")
    failed = 0
    for name in names:
        if options.only not in (None, name):
            continue
        for interval, most in COST_MAX.items():
            cost = compare(f"checkpoints of {interval}", (name, []),
                           (f"{name}_{interval}", ["--state", "STATE"]), options.runs)
            failed += cost > most
        compare("two workers", (name, ["--workers", "1"]), (name, ["--workers", "2"]),
                options.runs)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    sys.exit(main())
