#!/usr/bin/env python3
"""restarts.py: pipelines that are stopped and go on, and pipelines in several shards.

    restarts.py --weir PROGRAM [--all] [NAME...]

Every pipeline and example (run.py) that runs to its end is run once undisturbed. Then
- it is stopped after step 1, 2, 3, … and goes on in a new process from its state directory: what
  both print together and what is written must be the same to the byte, and so must the exit code
  and the counts of the last line; a third process finds the state complete and says the same;
- it is stopped after every step, in as many processes as it has steps;
- it runs in 1, 2 and 3 shards, worked on in orders by several seeds, and in threads;
- where it sorts or has groups, it runs with next to no memory for that, undisturbed and stopped at
  some step.
Without --all a share of each is drawn, a larger one where CI is set. What is drawn hangs on the
seed (WEIR_SEED, a fresh one without it) and the pipeline's name alone: a line for each pipeline
says it, and a failure prints the line that runs the pipeline so again.
"""

import argparse
import os
import random
import re
import sys

import run

STOPS_MAX = 2000       # stopping points of one pipeline; more is a pipeline for another test
PROCESSES_MAX = 40     # of a pipeline that is stopped after every step
ROWS, ROWS_MANY = "1", "1024"
BAD_ROWS = 4           # the exit code of a run that went to its end, and had too many bad rows
WORKERS = (["--workers", "2"], ["--workers", "4", "--shards", "2"])


class Share:
    """How much of everything is run."""

    def __init__(self, stops, thirds, every_step, shard_seeds, workers, spilled_stops):
        self.stops = stops              # stopping points of a pipeline
        self.thirds = thirds            # of these, behind which a third process follows
        self.every_step = every_step    # how likely it is stopped after every step
        self.shard_seeds = shard_seeds  # orders of each number of shards
        self.workers = workers          # of WORKERS
        self.spilled_stops = spilled_stops


QUICK = Share(5, 1, 0.5, 1, 1, 1)
WHERE_CI_IS_SET = Share(8, 4, 1, 2, 2, 3)
ALL = Share(STOPS_MAX, STOPS_MAX, 1, 2, 2, 3)


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


def stopped_at(step):
    return ["--state", "STATE", "--stop-after", str(step)]


class Tried:
    """One pipeline: its undisturbed runs, and what differed from them."""

    def __init__(self, weir, case, seed, share):
        self.weir, self.case, self.share, self.passed = weir, case, share, True
        self.dice = random.Random(f"{seed} {case.name}")
        self.drawn = []
        self.expected = compared(self.run(ROWS))
        self.steps, kept = self.count_steps(ROWS)
        # With a state directory a SQLite file has one table more: how far its rows are safe.
        self.kept = compared(self.run(ROWS, [["--state", "STATE"]]) if kept is None else kept)

    def run(self, rows, processes=((),), again=None):
        return run.run_once(self.weir, self.case, rows, processes, again)

    def count_steps(self, rows):
        """(How many steps a run has, STOPS_MAX where it is stopped there; what it left, None then):
        the first stop that comes too late."""
        outputs = self.run(rows, [stopped_at(STOPS_MAX)])
        found = re.search(rb"^note: the run ended in step (\d+):", outputs["stderr"], re.MULTILINE)
        if found is None and outputs["exit code"] != b"130\n":
            self.fail("the number of its steps", ["  is not told"], outputs)
            return 1, outputs
        return (STOPS_MAX, None) if found is None else (int(found.group(1)), outputs)

    def fail(self, what, lines, outputs):
        self.passed = False
        print(f"{self.case.name}, {what}:")
        print("\n".join(lines + [f"    {line}" for line in run.show(outputs["stderr"])[:5]]))

    def check(self, what, expected, outputs):
        lines = run.differences(expected, compared(outputs))
        if lines:
            self.fail(what, lines, outputs)

    def restarts(self):
        rows, steps = ROWS, self.steps
        if steps >= STOPS_MAX:
            rows, (steps, _) = ROWS_MANY, self.count_steps(ROWS_MANY)
        points = list(range(1, steps))
        points = sorted(self.dice.sample(points, min(self.share.stops, len(points))))
        thirds = set(self.dice.sample(points, min(self.share.thirds, len(points))))
        for step in points:
            ends = ["--state", "STATE"]
            outputs = self.run(rows, [stopped_at(step), ends], ends if step in thirds else None)
            self.check(f"stopped after step {step} of {steps} with --batch-rows {rows}", self.kept,
                       outputs)
        self.drawn.append(f"stops {' '.join(map(str, points[:20]))} of {steps}")
        wants_every = self.dice.random() < self.share.every_step
        if wants_every and (steps <= PROCESSES_MAX or self.share is ALL):
            outputs = self.run(rows, [stopped_at(1)] * (2 * steps + 10))
            self.check("stopped after every step", self.kept, outputs)
            self.drawn.append("every step")
        return len(points)

    def shards(self):
        for count in ("1", "2", "3"):
            for _ in range(self.share.shard_seeds):
                further = ["--shards", count, "--shard-seed", str(self.dice.randrange(1 << 30))]
                self.check(" ".join(further), self.expected, self.run(ROWS, [further]))
                self.drawn.append(" ".join(further))
        for further in self.dice.sample(WORKERS, self.share.workers):
            rows = self.dice.choice(self.case.batch_rows or [ROWS])
            what = " ".join(further) + f" --batch-rows {rows}"
            self.check(what, self.expected, self.run(rows, [further]))
            self.drawn.append(what)

    def spills(self):
        with open(self.case.script, encoding="utf-8") as file:
            if not re.search(":(sort|window|agg|dedup|distinct|top|join|lookup)", file.read()):
                return
        spill = ["--spill-bytes", self.dice.choice(["1", "3000"])]
        for further in (spill, [*spill, "--shards", "3"]):
            self.check(" ".join(further), self.expected, self.run(ROWS, [further]))
        for _ in range(self.share.spilled_stops):
            stop = stopped_at(self.dice.randrange(1, max(self.steps, 2)))
            outputs = self.run(ROWS, [stop + spill, ["--state", "STATE", *spill]])
            self.check(" ".join(stop + spill), self.kept, outputs)
            self.drawn.append(" ".join(spill + stop[2:]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--root", default=run.ROOT, help="the tree; for the test of this file")
    parser.add_argument("--all", action="store_true", help="every stopping point")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    weir = os.path.abspath(options.weir)
    seed = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
    share = ALL if options.all else WHERE_CI_IS_SET if os.environ.get("CI") else QUICK
    print(f"seed: WEIR_SEED={seed}")
    passed = failed = points = 0
    for case in list(run.pipeline_cases(options.root)) + list(run.example_cases(options.root)):
        if (options.names and case.name not in options.names) or case.command != "run" \
                or case.stdin is not None or case.exit not in (0, BAD_ROWS) \
                or "--state" in case.args:
            continue
        tried = Tried(weir, case, seed, share)
        points += tried.restarts()
        tried.shards()
        tried.spills()
        print(f"{case.name}: {'; '.join(tried.drawn)}")
        if not tried.passed:
            words = [f"WEIR_SEED={seed}", *(["CI=1"] if share is WHERE_CI_IS_SET else []),
                     *sys.argv[:1], "--weir", weir, *(["--all"] if options.all else []), case.name]
            print("again: " + " ".join(words), flush=True)
        passed, failed = passed + tried.passed, failed + (not tried.passed)
    print(f"{points} stopping points")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
