#!/usr/bin/env python3
"""run.py: measures weir beside C written by hand (tests/bench/hand) and DuckDB.

    ./dev bench [--rows N] [--runs N] [--only WORK] [--check]

Each piece of work reads one file of bids (tests/bench/bids.c) on one core. The figures are CPU
seconds, user and system, of the whole process with its start: the median of the runs, which take
turns. Outputs are compared before anything is printed. --check fails where weir reaches less than
0.6 of the C program or 2.5 times DuckDB. The table is also written to build/bench/table.md.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys

import duckdb

import measured

ROOT, BUILD, FOLDER = measured.ROOT, measured.BUILD, measured.FOLDER
SCRIPTS = os.path.join(ROOT, "tests/bench/scripts")
OF_C_MIN, OF_DUCKDB_MIN = 0.6, 2.5

COLUMNS = ("{auction: 'BIGINT', bidder: 'BIGINT', price: 'BIGINT', channel: 'VARCHAR', "
           "url: 'VARCHAR', dateTime: 'TIMESTAMP', extra: 'VARCHAR'}")
BIDS_JSON = f"read_json('bids.ndjson', format = 'newline_delimited', columns = {COLUMNS})"
BIDS_CSV = f"read_csv('bids.csv', header = true, columns = {COLUMNS})"
EPOCH = "TIMESTAMP '1970-01-01'"

# name: (what, input, DuckDB's query, the columns of the output)
WORKS = {
    "sums": (
        "NDJSON, all fields -> sums", "bids.ndjson",
        f"""select count(*) n, sum(auction)::bigint auctions, sum(bidder)::bigint bidders,
            sum(price)::bigint prices,
            sum(strlen(channel) + strlen(url) + strlen(extra))::bigint bytes,
            min(dateTime) "first", max(dateTime) "last" from {BIDS_JSON}""",
        {"n": "BIGINT", "auctions": "BIGINT", "bidders": "BIGINT", "prices": "BIGINT",
         "bytes": "BIGINT", "first": "TIMESTAMP", "last": "TIMESTAMP"}),
    "filter": (
        "NDJSON -> filter -> NDJSON", "bids.ndjson",
        f"select * from {BIDS_JSON} where price > 1000000",
        {"auction": "BIGINT", "bidder": "BIGINT", "price": "BIGINT", "channel": "VARCHAR",
         "url": "VARCHAR", "dateTime": "TIMESTAMP", "extra": "VARCHAR"}),
    "window": (
        "NDJSON -> 10 s tumbling by auction", "bids.ndjson",
        f"""select time_bucket(interval '10 seconds', dateTime, {EPOCH}) window_start,
            time_bucket(interval '10 seconds', dateTime, {EPOCH}) + interval '10 seconds'
            window_end, auction, count(*) n, sum(price)::bigint total, max(price) most
            from {BIDS_JSON} group by all""",
        {"window_start": "TIMESTAMP", "window_end": "TIMESTAMP", "auction": "BIGINT",
         "n": "BIGINT", "total": "BIGINT", "most": "BIGINT"}),
    "group": (
        "CSV -> group by channel", "bids.csv",
        f"""select channel, count(*) n, avg(price) mean, max(price) most from {BIDS_CSV}
            group by channel""",
        {"channel": "VARCHAR", "n": "BIGINT", "mean": "DOUBLE", "most": "BIGINT"}),
    "last": (
        "NDJSON -> last by bidder", "bids.ndjson",
        f"""select bidder, last(price) price, last(url) url, last(dateTime) "at"
            from {BIDS_JSON} group by bidder""",
        {"bidder": "BIGINT", "price": "BIGINT", "url": "VARCHAR", "at": "TIMESTAMP"}),
}

DUCKDB_PROGRAM = """
import duckdb, sys
connection = duckdb.connect(config={"threads": 1})
connection.execute("copy (" + sys.argv[1] + ") to 'duckdb.ndjson' (format json)")
"""


def make_inputs(rows):
    """Writes the inputs where they are not there for so many rows."""
    os.makedirs(FOLDER, exist_ok=True)
    stamp = os.path.join(FOLDER, "rows")
    if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == str(rows):
        return
    for kind in ("ndjson", "csv"):
        with open(os.path.join(FOLDER, f"bids.{kind}"), "wb") as file:
            subprocess.run([os.path.join(BUILD, "tests/bench/bids"), kind, str(rows)], stdout=file,
                           check=True)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(str(rows))


def contenders(work):
    """name -> (command, the file that it writes)"""
    _, source, query, _ = WORKS[work]
    return {
        "C": ([os.path.join(BUILD, "tests/bench/hand"), work, source, "hand.ndjson"],
              "hand.ndjson"),
        "weir": ([os.path.join(BUILD, "weir"), "run", f"{work}.lua",
                  "--workers", "1"], "out.ndjson"),
        "DuckDB": ([sys.executable, "-c", DUCKDB_PROGRAM, query], "duckdb.ndjson"),
    }


def compare(work, first, second):
    """Ends the program where the two files do not hold the same rows."""
    columns = WORKS[work][3]
    types = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items()) + "}"
    shown = ", ".join(f'round("{name}", 6)' if kind == "DOUBLE" else f'"{name}"'
                      for name, kind in columns.items())

    def rows(path):
        path = os.path.join(FOLDER, path)
        return (f"select {shown} from read_json('{path}', format = 'newline_delimited', "
                f"columns = {types})")
    connection = duckdb.connect()
    for left, right in ((first, second), (second, first)):
        extra = connection.execute(f"{rows(left)} except all {rows(right)} limit 3").fetchall()
        if extra:
            sys.exit(f"{work}: in {left}, not in {right}: {extra}")
    if not connection.execute(f"select count(*) from ({rows(first)})").fetchone()[0]:
        sys.exit(f"{work}: {first} is empty")


def run_work(work, runs):
    """The medians: name -> (CPU seconds, peak MB)."""
    commands = contenders(work)
    times = {name: [] for name in commands}
    peaks = {name: [] for name in commands}
    for turn in range(runs):
        for name, (command, output) in commands.items():
            if name == "DuckDB" and turn >= max(1, runs // 2):
                continue  # slow, and steady
            seconds, peak = measured.measure(command, FOLDER)
            times[name].append(seconds)
            peaks[name].append(peak)
            if turn == 0 and name != "C":
                compare(work, commands["C"][1], output)
    return {name: (statistics.median(times[name]), max(peaks[name])) for name in commands}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4600000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=list(WORKS))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    make_inputs(options.rows)
    for name in os.listdir(SCRIPTS):
        shutil.copy(os.path.join(SCRIPTS, name), FOLDER)
    lines = [f"{options.rows} bids, one core, CPU seconds, median of {options.runs}; "
             f"{measured.machine()}, DuckDB {duckdb.__version__}",
             "",
             "| work | C | weir | DuckDB | weir, M rows/s | of C | of DuckDB | weir, MB |",
             "|---|---|---|---|---|---|---|---|"]
    low = []
    for work, (what, _, _, _) in WORKS.items():
        if options.only not in (None, work):
            continue
        found = run_work(work, options.runs)
        c, weir, other = (found[name][0] for name in ("C", "weir", "DuckDB"))
        lines.append(f"| {what} | {c:.3f} | {weir:.3f} | {other:.3f} "
                     f"| {options.rows / weir / 1e6:.2f} | {c / weir:.2f} | {other / weir:.2f} "
                     f"| {found['weir'][1]:.0f} |")
        if c / weir < OF_C_MIN or other / weir < OF_DUCKDB_MIN:
            low.append(work)
    print("\n".join(lines))
    with open(os.path.join(FOLDER, "table.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    if options.check and low:
        print(f"below {OF_C_MIN} of C or {OF_DUCKDB_MIN} of DuckDB: {', '.join(low)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
