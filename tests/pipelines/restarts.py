#!/usr/bin/env python3
"""restarts.py: pipelines that are stopped and go on, and pipelines in several shards.

    restarts.py --weir PROGRAM [--all] [NAME...]

Every pipeline and example (run.py) that runs to its end is run once undisturbed. Then
- it is stopped after step 1, 2, 3, … and goes on in a new process from its state directory: what
  both print together and what is written must be the same to the byte, and so must the exit code
  and the counts of the last line; a third process finds the state complete and says the same;
- it is stopped after every step, in as many processes as it has steps;
- it runs in 1, 2 and 3 shards, worked on in orders by several seeds, and in threads;
- where it sorts or has windows, it runs with next to no memory for that, undisturbed and stopped at
  some step.
Without --all the stopping points are a sample of each pipeline, with a fresh seed (WEIR_SEED).
"""

import argparse
import os
import random
import re
import sys

import run

STOPS_SAMPLED = 6
STOPS_MAX = 2000       # stopping points of one pipeline; more is a pipeline for another test
PROCESSES_MAX = 40     # of a pipeline that is stopped after every step
ROWS = "1"
BAD_ROWS = 4           # the exit code of a run that went to its end, and had too many bad rows


def compared(outputs):
    """The outputs of a run but stderr, of which the counts of the last process are left (but of
    nan and inf, which it counts for itself), and the number by which a SQLite file knows the state
    directory, which is drawn when that is made."""
    kept = {name: re.sub(rb'("weir_commit" VALUES\()-?\d+', rb"\1N", data)
            for name, data in outputs.items()
            if name != "stderr" and not name.startswith("STATE/")}
    counts = re.findall(rb"^\d[\d,]* in, .* late, ", outputs["stderr"], re.MULTILINE)
    kept["counts"] = re.sub(rb" \([\d,]+ nan or inf written as null\)", b"",
                            counts[-1] + b"\n" if counts else b"")
    return kept


def check(case, what, expected, outputs):
    lines = run.differences(expected, compared(outputs))
    if lines:
        print(f"{case.name}, {what}:")
        print("\n".join(lines + [f"    {line}" for line in run.show(outputs["stderr"])[:5]]))
    return not lines


def stopped_at(step):
    return ["--state", "STATE", "--stop-after", str(step)]


def stop_once(weir, case, rows, step):
    ends = ["--state", "STATE"]
    return run.run_once(weir, case, rows, [stopped_at(step), ends], again=ends)


def step_count(weir, case, rows):
    """The number of the first step at which a stop comes too late, found by halving."""
    low, high = 0, 1
    while run.run_once(weir, case, rows, [stopped_at(high)])["exit code"] == b"130\n":
        low, high = high, high * 2
        if high > STOPS_MAX:
            return STOPS_MAX
    while high - low > 1:
        middle = (low + high) // 2
        stopped = run.run_once(weir, case, rows, [stopped_at(middle)])["exit code"] == b"130\n"
        low, high = (middle, high) if stopped else (low, middle)
    return high


def restarts(weir, case, expected, everything, dice):
    rows = ROWS
    steps = step_count(weir, case, rows)
    if steps >= STOPS_MAX:
        rows = "1024"
        steps = step_count(weir, case, rows)
    points = list(range(1, steps))
    if not everything:
        points = sorted(dice.sample(points, min(STOPS_SAMPLED, len(points))))
    passed = True
    for step in points:
        passed &= check(case, f"stopped after step {step} of {steps} with --batch-rows {rows}",
                        expected, stop_once(weir, case, rows, step))
    if steps <= PROCESSES_MAX or everything:
        outputs = run.run_once(weir, case, rows, [stopped_at(1)] * (2 * steps + 10))
        passed &= check(case, "stopped after every step", expected, outputs)
    return passed, len(points)


def shards(weir, case, expected, dice):
    passed = True
    for count in ("1", "2", "3"):
        for _ in range(2):
            seed = str(dice.randrange(1 << 30))
            further = ["--shards", count, "--shard-seed", seed]
            passed &= check(case, " ".join(further), expected,
                            run.run_once(weir, case, ROWS, [further]))
    for further in (["--workers", "2"], ["--workers", "4", "--shards", "2"]):
        rows = dice.choice(case.batch_rows or [ROWS])
        passed &= check(case, " ".join(further) + f" --batch-rows {rows}", expected,
                        run.run_once(weir, case, rows, [further]))
    return passed


def spills(weir, case, expected, kept, dice):
    with open(case.script, encoding="utf-8") as file:
        if not re.search(":sort|:window", file.read()):
            return True
    spill = ["--spill-bytes", dice.choice(["1", "3000"])]
    passed = check(case, " ".join(spill), expected, run.run_once(weir, case, ROWS, [spill]))
    steps = step_count(weir, case, ROWS)
    for _ in range(3):
        stop = stopped_at(dice.randrange(1, max(steps, 2)))
        outputs = run.run_once(weir, case, ROWS, [stop + spill, ["--state", "STATE", *spill]])
        passed &= check(case, " ".join(stop + spill), kept, outputs)
    return passed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--all", action="store_true", help="every stopping point")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    weir = os.path.abspath(options.weir)
    seed = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
    print(f"seed: WEIR_SEED={seed}")
    dice = random.Random(seed)
    passed = failed = points = 0
    for case in list(run.pipeline_cases(run.ROOT)) + list(run.example_cases(run.ROOT)):
        if (options.names and case.name not in options.names) or case.command != "run" \
                or case.stdin is not None or case.exit not in (0, BAD_ROWS) \
                or "--state" in case.args:
            continue
        expected = compared(run.run_once(weir, case, ROWS))
        # With a state directory a SQLite file has one table more: how far its rows are safe.
        kept = compared(run.run_once(weir, case, ROWS, [["--state", "STATE"]]))
        good, count = restarts(weir, case, kept, options.all, dice)
        good &= shards(weir, case, expected, dice)
        good &= spills(weir, case, expected, kept, dice)
        points += count
        passed, failed = passed + good, failed + (not good)
    print(f"{points} stopping points")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
