#!/usr/bin/env python3
"""nexmark_cep.py: the patterns of Nexmark (examples/nexmark/cep*.lua) beside a matcher that
backtracks (tests/random/row_patterns.py) over the same bids, compared exactly.

Each query runs in several batch sizes and in two shards, which must write the same bytes.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import datetime, timedelta

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "random"))
import row_patterns  # noqa: E402: it lies beside the tests that are random

EVENTS, RATE, RUN_SECONDS_MAX = 20000, 1000, 300
RUNS = [["--batch-rows", "4096"], ["--batch-rows", "7"], ["--batch-rows", "512", "--shards", "2"]]
EXPORT = f"""local bid = weir.nexmark {{ events = {EVENTS}, rate = {RATE} }}
bid:select "auction, bidder, price, dateTime":write "bid.ndjson"
"""


def row(name):
    return ("row", name)


def many(name, low):
    return ("repeat", row(name), low, None, False)


class Match:
    """The bids of a match so far, the current one among them."""

    def __init__(self, bids, mapped):
        self.bids, self.mapped, self.at = bids, mapped, mapped[-1][0]
        self.price = bids[self.at]["price"]

    def of(self, name):
        return [self.bids[at] for at, variable in self.mapped if variable == name]

    def before(self):
        return self.bids[self.at - 1]["price"] if self.at > 0 else None

    def average(self):
        prices = [bid["price"] for bid in self.of("a")]
        return sum(prices) / len(prices)


def falls(match):
    return match.before() is not None and match.price < match.before()


def rises(match):
    return match.before() is not None and match.price > match.before()


def run_of_bids(match):
    a = match.of("a")
    return {"start_time": a[0]["dateTime"], "end_time": a[-1]["dateTime"],
            "avg_price": match.average()}


def times_and_prices(match):
    ends = {"start": match.of("start")[0], "bottom": match.of("down")[-1],
            "end": match.of("up")[-1]}
    return {**{f"{name}_time": bid["dateTime"] for name, bid in ends.items()},
            **{f"{name}_price": bid["price"] for name, bid in ends.items()}}


def drop(match):
    a, c = match.of("a")[0], match.of("c")[0]
    return {"last_price": a["price"], "drop_time": c["dateTime"],
            "drop_diff": a["price"] - c["price"]}


RUNS_OF_BIDS = {
    "pattern": ("seq", [many("a", 1), row("b")]),
    "define": {"a": lambda match: match.average() < 10000},
    "measures": run_of_bids,
}
# By query: its pattern, conditions, measures, and what follows a match.
QUERIES = {
    "cep0": {"pattern": ("seq", [row("start"), many("down", 1), many("up", 1)]),
             "define": {"down": falls, "up": rises}, "measures": times_and_prices,
             "after": lambda mapped: mapped[-1][0]},
    "cep1": {**RUNS_OF_BIDS, "after": lambda mapped: mapped[-1][0] + 1},
    "cep2": {**RUNS_OF_BIDS, "after": lambda mapped: mapped[0][0] + 1},
    "cep3": {"pattern": ("seq", [row("a"), many("b", 0), row("c")]),
             "define": {"b": lambda match: match.price > match.of("a")[-1]["price"] - 50,
                        "c": lambda match: match.price < match.of("a")[-1]["price"] - 50},
             "measures": drop, "within": timedelta(seconds=5),
             "after": lambda mapped: mapped[-1][0] + 1},
}


def first_match(query, bids, start):
    mapped = []

    def take(at, name):
        if at == len(bids) or bids[at]["at"] - bids[start]["at"] >= \
                query.get("within", timedelta.max):
            return None
        mapped.append((at, name))
        if name in query["define"] and not query["define"][name](Match(bids, mapped)):
            mapped.pop()
            return None
        return mapped.pop
    return mapped if row_patterns.ways(query["pattern"], start, take, lambda _: True) else None


def expected(query, groups):
    found = Counter()
    for (auction, bidder), bids in groups.items():
        start = 0
        while start < len(bids):
            mapped = first_match(query, bids, start)
            start += 1
            if mapped is not None:
                start = query["after"](mapped)
                result = {"auction": auction, "bidder": bidder,
                          **query["measures"](Match(bids, mapped))}
                found[tuple((name, str(x)) for name, x in result.items())] += 1
    return found


def weir(folder, script, *arguments):
    made = subprocess.run([os.environ["WEIR_PROGRAM"], "run", script, *arguments], cwd=folder,
                          capture_output=True, timeout=RUN_SECONDS_MAX, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"exit code {made.returncode}\n{made.stderr.decode()}")


def bids_by_group(folder):
    script = os.path.join(folder, "export.lua")
    with open(script, "w", encoding="utf-8") as file:
        file.write(EXPORT)
    weir(folder, script)
    groups = defaultdict(list)
    with open(os.path.join(folder, "bid.ndjson"), encoding="utf-8") as file:
        for line in file:
            bid = json.loads(line)
            bid["at"] = datetime.fromisoformat(bid["dateTime"].replace("Z", "+00:00"))
            groups[bid["auction"], bid["bidder"]].append(bid)
    for bids in groups.values():
        bids.sort(key=lambda bid: bid["at"])
    return groups


def compare(folder, name, groups):
    """What is wrong with a query, as text; or None."""
    script = os.path.join(ROOT, "examples", "nexmark", f"{name}.lua")
    wanted, first = expected(QUERIES[name], groups), None
    for options in RUNS:
        weir(folder, script, "-p", f"events={EVENTS}", "-p", f"rate={RATE}", "-p", "out=out.csv",
             *options)
        with open(os.path.join(folder, "out.csv"), newline="", encoding="utf-8") as file:
            data = file.read()
        first = first or data
        found = Counter(tuple(row.items()) for row in csv.DictReader(data.splitlines()))
        if found != wanted:
            return f"too much: {list(found - wanted)[:3]}\ntoo little: {list(wanted - found)[:3]}"
        if data != first or len(found) == 0:
            return f"other bytes, or none, with {' '.join(options)}"
    return None


def main():
    sys.setrecursionlimit(100000)  # a frame for each row of a match, and some
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        groups = bids_by_group(folder)
        for name in sys.argv[1:] or QUERIES:
            wrong = compare(folder, name, groups)
            passed += wrong is None
            failed += wrong is not None
            if wrong is not None:
                print(f"{name}: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


sys.exit(main())
