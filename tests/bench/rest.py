#!/usr/bin/env python3
"""rest.py: joins and lookups in memory and with most of their rows at rest in a scratch file.

    ./dev bench rest [--rows N] [--keys N] [--runs N] [--memory SIZE] [--weir PROGRAM]

Both sides are CSV files of N rows of 62 bytes, whose keys are drawn from N. The figures are CPU
seconds, user and system, of the whole process and its peak memory: the medians of the runs, which
take turns. The results of both are compared to the byte.
"""

import argparse
import filecmp
import os
import random
import statistics

import measured

FOLDER = os.path.join(measured.FOLDER, "rest")
HEAD = """weir.settings {{ memory = "{memory}" }}
local schema = "k int64, v int64, s string, t timestamp"
local l = weir.read("l.csv", {{ schema = schema }}){timed}
local r = weir.read("r.csv", {{ schema = schema }}){timed}
"""
TIMED = ':event_time("t", { max_delay = "1s" })'
STAGES = {
    "join": (HEAD, "", 'l:join(r, { on = "k", prefix = "r_" })'),
    "join, how = full": (HEAD, "", 'l:join(r, { on = "k", prefix = "r_", how = "full" })'),
    "join in time": (HEAD, TIMED, 'l:join(r, { on = "k", prefix = "r_" })'),
    "lookup, many": (HEAD, "", 'l:lookup(r, { on = "k", prefix = "r_", many = true })'),
}


def make(rows, keys):
    dice = random.Random(1)
    for name in ("l", "r"):
        with open(os.path.join(FOLDER, name + ".csv"), "w", encoding="utf-8") as file:
            file.write("k,v,s,t\n")
            for i in range(rows):
                at = f"{i // 3600000 % 24:02d}:{i // 60000 % 60:02d}:{i // 1000 % 60:02d}"
                file.write(f"{dice.randrange(keys)},{i},{name}-{'x' * (i % 30)}{i},"
                           f"2024-01-01T{at}.{i % 1000:03d}Z\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--keys", type=int, default=500000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", default="64MB")
    parser.add_argument("--weir", default=os.path.join(measured.BUILD, "weir"))
    options = parser.parse_args()
    os.makedirs(FOLDER, exist_ok=True)
    make(options.rows, options.keys)
    print(f"{options.rows:,} rows a side, {options.keys:,} keys; {measured.machine()}\n")
    print(f"| stage | CPU s, in memory | MB | CPU s, {options.memory} | MB |")
    print("|---|---:|---:|---:|---:|")
    for name, (head, timed, stage) in STAGES.items():
        taken = {}
        for _ in range(options.runs):
            for memory in ("16GB", options.memory):
                with open(os.path.join(FOLDER, "job.lua"), "w", encoding="utf-8") as file:
                    file.write(head.format(memory=memory, timed=timed) +
                               f'{stage}:write "{memory}.csv"\n')
                command = [options.weir, "run", "job.lua", "--workers", "1"]
                taken.setdefault(memory, []).append(measured.measure(command, FOLDER))
        results = [os.path.join(FOLDER, memory + ".csv") for memory in taken]
        if not filecmp.cmp(*results, shallow=False):
            raise SystemExit(f"{name}: the results differ")
        cells = [f"{statistics.median(s for s, _ in runs):.2f} | "
                 f"{statistics.median(mb for _, mb in runs):.0f}" for runs in taken.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
