#!/usr/bin/env python3
"""nexmark.py: measures the queries of examples/nexmark, one core, and beside C written by hand.

    ./dev bench nexmark [--events N] [--rate N] [--runs N] [--only QUERY] [--check]

Events of all three kinds are counted. The figures are CPU seconds, user and system, of the whole
process with its start: the median of the runs, which take turns. Beside each query a script is
measured that makes the same columns of the same sources and throws them away; what a query costs
beyond that is its own. Queries that update results are measured as a table takes them (changes of
a batch netted), with each change seen, and with what changed in two seconds at once. The C
programs are in tests/bench/nexmark; their results are compared with weir's before anything is
measured. --check fails where a query is below its goal or below 0.6 of its C program. The table is
also written to build/bench/nexmark.md.
"""

import argparse
import collections
import datetime
import decimal
import glob
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys

import measured

ROOT = measured.ROOT
QUERIES = os.path.join(ROOT, "examples/nexmark")
FOLDER = os.path.join(measured.FOLDER, "nexmark")
WEIR = os.path.join(measured.BUILD, "weir")
BY_HAND = os.path.join(measured.BUILD, "tests/bench/nexmark")
OF_C_MIN = 0.6
EVENTS_COMPARED = 300000
MEMORY = 'weir.settings { memory = "16GB" }\n'  # some queries keep everything
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

# Million events a second and core.
GOALS = {"q0": 30, "q1": 30, "q2": 40, "q3": 30, "q4": 10, "q5": 30, "q6": 8, "q7": 30, "q8": 30,
         "q9": 6, "q10": 6, "q11": 20, "q12": 30, "q13": 25, "q14": 12, "q15": 12, "q16": 6,
         "q17": 20, "q18": 7, "q19": 6, "q20": 5, "q21": 9, "q22": 10}

# Those that are written in C too, with the kinds of their columns: as in nexmark/bench.h, and D for
# a date, as days.
BY_HAND_COLUMNS = {"q0": "iiits", "q1": "iidts", "q2": "ii", "q5": "ii", "q7": "iiits",
                   "q15": "D" + 12 * "i", "q17": "iD" + 8 * "i", "q18": "iiissts"}
UPDATE, WRITE = ':emit "update"', r"  :write\([^\n]*\)\n$"

def name_of(path):
    return os.path.basename(path)[:-len(".lua")]


def query_names():
    found = [name_of(path) for path in glob.glob(os.path.join(QUERIES, "q*.lua"))]
    return sorted(found, key=lambda name: int(name[1:]))


def write_script(name, text):
    with open(os.path.join(FOLDER, f"{name}.lua"), "w", encoding="utf-8") as file:
        file.write(MEMORY + text)


def run(command):
    made = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit code {made.returncode}\n{made.stderr}")
    return made.stdout


def can_run(script):
    return subprocess.run([WEIR, "check", f"{script}.lua"], cwd=FOLDER, capture_output=True,
                          check=False).returncode == 0


def sources_alone(query, text):
    """A script that makes what the query reads, and nothing else."""
    plan = json.loads(run([WEIR, "explain", "--json", f"{query}.lua"]))
    lines = [line for line in text.splitlines() if "weir.params" in line]
    lines.append("local bid, auction, person = "
                 "weir.nexmark { events = p.events, rate = p.rate }")
    for node in plan["nodes"]:
        if node["op"] == "read" and node["name"] in ("bid", "auction", "person"):
            columns = [field["name"] for field in node["schema"]
                       if field["name"] not in node["not_converted"]]
            lines.append(f'{node["name"]}:select "{", ".join(columns)}":write "blackhole:"')
    return "\n".join(lines) + "\n"


def make_scripts(query):
    """Writes the scripts of a query. By mode: those that it has beside the netted one; None for a
    query whose rows stay."""
    with open(os.path.join(QUERIES, f"{query}.lua"), encoding="utf-8") as file:
        text = file.read()
    write_script(query, text)
    write_script(f"{query}_sources", sources_alone(query, text))
    if UPDATE not in text:
        return None
    observed, count = re.subn(WRITE, '  :changes()\n  :write "blackhole:"\n', text)
    if count != 1:
        sys.exit(f"{query}: no `:write` at the end")
    write_script(f"{query}_observed", observed)
    write_script(f"{query}_every", text.replace(UPDATE, ':emit("update", { every = "2s" })'))
    modes = ("observed", "every")  # not each stage that updates does so by the clock
    return [mode for mode in modes if can_run(f"{query}_{mode}")]


def canonical(value, kind):
    """A value as weir or C wrote it, in the form in which they are compared."""
    if kind == "t" and not str(value).lstrip("-").isdigit():
        time = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (time - EPOCH) // datetime.timedelta(microseconds=1)
    if kind == "D" and not str(value).isdigit():
        return (datetime.date.fromisoformat(value) - EPOCH.date()).days
    if kind == "d":
        return decimal.Decimal(value).normalize()
    return value if kind == "s" else int(value)


def rows_by_hand(kinds):
    """How often each row is there when all changes were made."""
    rows = collections.Counter()
    with open(os.path.join(FOLDER, "hand.csv"), encoding="utf-8") as file:
        for line in file:
            values = line.rstrip("\n").split(",")
            weight = {"+": 1, "-": -1}[values.pop(0)] if len(values) > len(kinds) else 1
            row = tuple(canonical(*pair) for pair in zip(values, kinds, strict=True))
            rows[row] += weight
    return +rows


def rows_of_weir(query, kinds, is_table):
    if is_table:
        with sqlite3.connect(os.path.join(FOLDER, "out.db")) as db:
            found = db.execute(f"SELECT * FROM {query}").fetchall()
    else:
        with open(os.path.join(FOLDER, "out.ndjson"), encoding="utf-8") as file:
            found = [json.loads(line, parse_float=decimal.Decimal).values() for line in file]
    return collections.Counter(
        tuple(canonical(*pair) for pair in zip(row, kinds, strict=True)) for row in found)


def compare(query, rate, is_table):
    """Ends the program where the loop in C does not give what weir does."""
    kinds = BY_HAND_COLUMNS[query]
    for name in ("out.db", "out.ndjson", "hand.csv"):
        if os.path.exists(os.path.join(FOLDER, name)):
            os.remove(os.path.join(FOLDER, name))
    run([BY_HAND, query, str(EVENTS_COMPARED), str(rate), "hand.csv"])
    run([WEIR, "run", f"{query}.lua", "-p", f"events={EVENTS_COMPARED}", "-p", f"rate={rate}",
         "-p", "out=sqlite:out.db" if is_table else "out=out.ndjson"])
    by_hand, of_weir = rows_by_hand(kinds), rows_of_weir(query, kinds, is_table)
    if by_hand != of_weir or not by_hand:
        sys.exit(f"{query}: {sum(by_hand.values())} rows by hand, {sum(of_weir.values())} by weir; "
                 f"by hand alone: {list((by_hand - of_weir).items())[:2]}; "
                 f"by weir alone: {list((of_weir - by_hand).items())[:2]}")


def run_query(query, options):
    """Medians, by what ran: "weir", "sources", the modes, "C": (CPU seconds, peak MB)."""
    modes = make_scripts(query)
    if query in BY_HAND_COLUMNS:
        compare(query, options.rate, modes is not None)
    arguments = ["-p", f"events={options.events}", "-p", f"rate={options.rate}", "--workers", "1"]
    commands = {"weir": [WEIR, "run", f"{query}.lua", *arguments]}
    for mode in ["sources", *(modes or [])]:
        commands[mode] = [WEIR, "run", f"{query}_{mode}.lua", *arguments]
    if query in BY_HAND_COLUMNS:
        commands["C"] = [BY_HAND, query, str(options.events), str(options.rate)]
    seconds, peaks = collections.defaultdict(list), collections.defaultdict(list)
    for _ in range(options.runs):
        for name, command in commands.items():
            one, peak = measured.measure(command, FOLDER)
            seconds[name].append(one)
            peaks[name].append(peak)
    return {name: (statistics.median(seconds[name]), max(peaks[name])) for name in commands}


def row_of(query, found, events):
    """The line of the table, and what is below its goal: "goal", "C"."""
    rate = {name: events / one[0] / 1e6 for name, one in found.items()}
    total, sources = (found[name][0] / events * 1e9 for name in ("weir", "sources"))
    goal, low = GOALS.get(query), []
    if goal is not None and rate["weir"] < goal:
        low.append("goal")
    if "C" in found and rate["weir"] < OF_C_MIN * rate["C"]:
        low.append("C")

    def shown(name, digits=1):
        return f"{rate[name]:.{digits}f}" if name in rate else ""
    state = found["weir"][1] - found["sources"][1]
    of_c = f"{rate['weir'] / rate['C']:.2f}" if "C" in rate else ""
    return (f"| {query} | {shown('weir')} | {goal or ''} | {shown('C')} | {of_c} "
            f"| {shown('observed')} | {shown('every')} | {found['weir'][0]:.3f} "
            f"| {total:.1f} | {sources:.1f} | {max(total - sources, 0):.1f} | {max(state, 0):.0f} "
            f"| {', '.join(low)} |"), low


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=5000000)
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=query_names())
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    os.makedirs(FOLDER, exist_ok=True)
    lines = [f"{options.events} events ({options.rate} in a second of event time), one core, "
             f"median of {options.runs}; {measured.machine()}",
             "",
             "| query | M events/s | goal | C | of C | observed | every 2 s | CPU s | ns/event "
             "| sources | its own | MB | below |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    low = []
    for query in [options.only] if options.only else query_names():
        line, below = row_of(query, run_query(query, options), options.events)
        low += [query] if below else []
        lines.append(line)
        print(line, flush=True)
    with open(os.path.join(measured.FOLDER, "nexmark.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return 1 if options.check and low else 0


if __name__ == "__main__":
    sys.exit(main())
