#!/usr/bin/env python3
"""planted_shrink.py: random/shrink.py makes a failing case as small as its bug.

The bugs are planted in a stand-in for the program: a case fails where it holds what the bug needs,
and is refused where a stage lacks a column or a time. Each is shrunk from several random cases, and
what is left must hold no more than the bug.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/random"))

import cases  # noqa: E402
import expressions  # noqa: E402
import shrink  # noqa: E402

SEEDS_EACH = 8
SEEDS_MAX = 2000


class Planted:
    kind = text = "planted"


class Runner:
    keep = None


def live(case, *stages):
    needed = cases.live_nodes(case)
    return [node for node in case["nodes"] if node["id"] in needed
            and (not stages or node["op"] in stages)]


def valid(case):
    """Whether the program would take the case: names are known, and windows have a time."""
    known = cases.state_of(case)
    for node in live(case):
        before = known[node["in"][0]]
        names = {name for name, _ in before["columns"]}
        if node["op"] == "agg" and node.get("window") and not before["timed"]:
            return False
        if node["op"] == "late" and not any(
                other["id"] == node["in"][0] and other.get("window") for other in case["nodes"]):
            return False
        seen = set(names)
        for item in node.get("items", []) if node["op"] != "agg" else []:
            if not expressions.names_in(item[-1]) <= seen:
                return False
            seen.add(item[0])
        used = [node["expr"]] if "expr" in node else []
        used += [key[1] for key in node.get("keys", [])] + [o[0] for o in node.get("order", [])]
        if node["op"] == "agg":
            used += [part for _, spec in node["items"] for part in spec["args"]]
        if not expressions.names_in(used) <= names or not set(node.get("columns", [])) <= names:
            return False
    return all(output["from"] in known for output in case["outputs"])


def expressions_of(case):
    needed = {node["id"] for node in live(case)}
    kept = {**case, "nodes": [node for node in case["nodes"] if node["id"] in needed]}
    return [holder[at] for holder, at in shrink.holders(kept)]


def calls(case, name):
    return any(node[0] == "call" and node[2] == name for node in expressions_of(case))


def records(case):
    needed = cases.live_nodes(case)
    return [record for source in case["sources"] if f"s{source['id']}" in needed
            for record in source["records"]]


def a_stage(case):
    return bool(live(case, "distinct"))


def a_function(case):
    return calls(case, "lower")


def a_nil(case):
    return sum(None in record["v"] for record in records(case)) >= 2


def late_rows(case):
    return bool(live(case, "late"))


# The bug, and what may be left of a case: stages, records, expressions. Six are
# `contains(split(lower('a'), ','), '')`: in a list nothing smaller is of the same type.
BUGS = [(a_stage, 1, 0, 0), (a_function, 1, 0, 6), (a_nil, 0, 2, 0), (late_rows, 3, 0, 3)]


def attempt_of(bug):
    return lambda runner, case, seed: Planted() if valid(case) and bug(case) else None


def left_over(bug, stages, rows, size, seed):
    """None, or what is too much in the case that is left."""
    attempt, case = attempt_of(bug), cases.make(seed)
    case, failure = shrink.shrink(Runner(), case, seed, Planted(), attempt)
    found = (len(live(case)), len(records(case)), len(expressions_of(case)))
    if failure.kind != "planted" or attempt(None, case, seed) is None:
        return "the failure was lost"
    if len(case["outputs"]) > 1 or any(a > b for a, b in zip(found, (stages, rows, size))):
        return f"stages, records, expressions: {found}, at most {(stages, rows, size)}\n" \
               + cases.script(case)
    return None


def main():
    passed, failed = 0, 0
    for bug, *bounds in BUGS:
        attempt, done = attempt_of(bug), 0
        for seed in range(1, SEEDS_MAX):
            if done == SEEDS_EACH:
                break
            if attempt(None, cases.make(seed), seed) is None:
                continue
            done += 1
            problem = left_over(bug, *bounds, seed)
            passed, failed = passed + (problem is None), failed + (problem is not None)
            if problem:
                print(f"{bug.__name__}, seed {seed}: {problem}")
        if done < SEEDS_EACH:
            failed += 1
            print(f"{bug.__name__}: only {done} cases have it")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
