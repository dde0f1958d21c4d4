#!/usr/bin/env python3
"""spill.py: groups in memory, and groups that do not fit.

    ./dev bench spill [--rows N] [--keys N] [--runs N] [--only NAME]

Rows by keys that come in no order, some more often than others (Zipf), or one time after the other;
count, sum and maximum of an int64, or sum and average of a float64. "memory": all groups fit;
"spilled": `memory = "64MB"`, rows of keys that are not in memory wait in the scratch file; "state":
the same with a state and a checkpoint a second, where pages of the table rest and rows wait for the
next one; "update": results leave as they change, and each row wakes its page. CPU seconds (user and
system, on one core) are medians of runs that take turns; MB is the peak of the process. "update" is
run once, of a quarter of the rows and keys, and with a quarter of the memory.
"""

import argparse
import os
import shutil
import statistics

import measured

FOLDER = os.path.join(measured.FOLDER, "spill")
WEIR = os.path.join(measured.BUILD, "weir")
KEYS = {
    "in no order": "floor(random() * {keys}.0)",
    "some more often": "floor(exp(random() * ln({keys}.0)))",
    "one time after the other": "i * {keys} // {rows} // 1000 * 1000 + i % 1000",
}
VALUES = {
    "int64": ("i % 1000", "n = count(), s = sum(v), most = max(v)"),
    "float64": ("(i % 1000) / 7.0", "n = count(), s = sum(v), mean = avg(v)"),
}
SCRIPT = """weir.settings {{ memory = "{memory}", workers = 1, checkpoint = "1s" }}
weir.generate {{ rows = {rows}, columns = "k = {key}, v = {value}" }}
  :group_by "k"{emit}:agg "{items}":write "blackhole:"
"""


def run(key, value, rows, keys, memory, flags=(), emit=""):
    """CPU seconds and MB."""
    shutil.rmtree(os.path.join(FOLDER, "STATE"), ignore_errors=True)
    column, items = VALUES[value]
    with open(os.path.join(FOLDER, "case.lua"), "w", encoding="utf-8") as file:
        file.write(SCRIPT.format(memory=memory, rows=rows, value=column, items=items, emit=emit,
                                 key=KEYS[key].format(keys=keys, rows=rows)))
    return measured.measure([WEIR, "run", "case.lua", "--progress", "off", *flags], FOLDER)


def line(key, value, options):
    ways = {"memory": ("4GB", []), "spilled": ("64MB", []),
            "state": ("64MB", ["--state", "STATE"])}
    found = {way: [] for way in ways}
    for _ in range(options.runs):
        for way, (memory, flags) in ways.items():
            found[way].append(run(key, value, options.rows, options.keys, memory, flags))
    cells = [f"{statistics.median(seconds for seconds, _ in runs):.2f} s, "
             f"{max(peak for _, peak in runs):.0f} MB" for runs in found.values()]
    seconds, peak = run(key, value, options.rows // 4, options.keys // 4, "16MB",
                        emit=':emit "update"')
    cells.append(f"{seconds:.2f} s, {peak:.0f} MB")
    print(f"| {key} | {value} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4000000)
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="keys whose line holds this")
    options = parser.parse_args()
    os.makedirs(FOLDER, exist_ok=True)
    print(f"{measured.machine()}; {options.rows:,} rows, {options.keys:,} keys\n")
    print("| keys | values | memory | spilled | state | update, a quarter |")
    print("|---|---|---|---|---|---|")
    for key in KEYS:
        for value in VALUES:
            if options.only in f"{key} {value}":
                line(key, value, options)


if __name__ == "__main__":
    main()
