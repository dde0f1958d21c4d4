#!/usr/bin/env python3
"""seeds.py: pipelines in the simulated world of `weir sim`, by fresh seeds.

    seeds.py --weir PROGRAM [--seeds N] [--random N] [--first] [NAME...]

The pipelines are those of tests/faults/pipelines and of pipelines/ beside this (inputs that grow,
a pipe, a state of the script's own, PostgreSQL with the tables of NAME.sql), and random ones
(tests/random) over random inputs, each in a few seeds. Every seed must leave what an undisturbed
run leaves. Some seeds are played twice, and do the same calls both times. --seeds: in all, shared
by the pipelines; --random: random pipelines; without them as many as fit into
WEIR_RANDOM_SECONDS. WEIR_SEED is where seeds begin; a failing one is printed with the line that
plays it again. Seeds that failed once stand in regressions.txt and are played each time.

What is compared is what the results promise for any batches, shards and restarts. A changelog into
a table that has rows of its keys from before is no such promise (`weir help changelog`): they go
where a change of the key comes to the table, and changes that come to nothing within one batch do
not. So kept.db has no rows of keys that the pipeline writes; tests/faults, whose batches are always
the same, has them."""

import argparse
import collections
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
SECONDS_DEFAULT = 12
SEEDS_A_TURN = 40
SEEDS_A_RANDOM_CASE = 12
SEEDS_TWICE = 10
RUN_SECONDS_MAX = 600
STDIN = {"piped": "orders.ndjson"}

sys.path.insert(0, os.path.join(TESTS, "random"))
import cases  # noqa: E402
import inputs as random_inputs  # noqa: E402
import stream_cases  # noqa: E402


def module_at(path):
    spec = importlib.util.spec_from_file_location("fault_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scripts():
    """name -> path of the pipelines."""
    found = {}
    for folder in (os.path.join(TESTS, "faults", "pipelines"), os.path.join(HERE, "pipelines")):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".lua"):
                found[name[:-4]] = os.path.join(folder, name)
    return found


def regressions(names):
    """(pipeline, its first seed, further flags) of those that failed once."""
    with open(os.path.join(HERE, "regressions.txt"), encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and words[0] != "#" and words[0] in names:
                yield words[0], int(words[1]), words[2:]


class Tally:
    """What was played and what was wrong."""

    def __init__(self):
        self.counts, self.hit = collections.Counter(), collections.Counter()
        self.wrong, self.seconds = [], 0.0

    def add(self, report):
        for name in ("seeds", "lives", "steps"):
            self.counts[name] += report[name]
        self.hit.update(report["faults"])
        self.seconds += report["seconds"]

    def fail(self, text):
        self.wrong.append(text)
        print(text, flush=True)

    def end(self):
        faults = ", ".join(f"{name} {count:,}" for name, count in sorted(self.hit.items()))
        print(f"sim: {self.counts['seeds']:,} seeds of {self.counts['pipelines']:,} pipelines, "
              f"{self.counts['lives']:,} lives, {self.counts['steps']:,} steps, {faults}; "
              f"{self.counts['regressions']:,} that failed once, {self.counts['twice']:,} played "
              f"twice; "
              f"{self.counts['seeds'] / max(self.seconds, 0.001):,.0f} seeds a second")
        passed = self.counts["seeds"] + self.counts["twice"] - len(self.wrong)
        print(f"{passed} passed, {len(self.wrong)} failed")
        return 1 if self.wrong or not self.counts["seeds"] else 0


class Player:
    def __init__(self, weir):
        self.weir = os.path.abspath(weir)
        below = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="weir-sim-", dir=below)
        self.tally = Tally()
        module_at(os.path.join(TESTS, "faults", "inputs.py")).lay_for_sim(self.folder)
        for name, path in scripts().items():
            shutil.copy(path, os.path.join(self.folder, name + ".lua"))
            tables = path[:-4] + ".sql"
            if os.path.exists(tables):
                shutil.copy(tables, self.folder)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def play(self, folder, name, first, count, *further):
        """One process; its report, or None where it gave none."""
        command = [self.weir, "sim", name + ".lua", "--seed", str(first), "--seeds", str(count),
                   "--json", "--keep-going", *further]
        if os.path.exists(os.path.join(folder, name + ".sql")):
            command += ["--sql", name + ".sql"]
        env = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "TZ": "UTC",
               "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
        path = os.path.join(folder, STDIN[name]) if name in STDIN else os.devnull
        with open(path, "rb") as stdin:
            done = subprocess.run(command, cwd=folder, env=env, stdin=stdin, capture_output=True,
                                  timeout=RUN_SECONDS_MAX, check=False)
        shown = " ".join(command[1:])
        if done.returncode not in (0, 1) or not done.stdout.startswith(b"{"):
            said = done.stderr.decode(errors="replace").strip()[-1500:]
            self.tally.fail(f"{name}: exit code {done.returncode} of weir {shown}: {said}")
            return None
        report = json.loads(done.stdout)
        self.tally.add(report)
        for wrong in report["violations"]:
            self.tally.fail(f"{name}: seed {wrong['seed']}: {wrong['violation']}\n"
                            f"  undisturbed: {wrong.get('expected', '')}\n"
                            f"  this seed:   {wrong.get('found', '')}\n  {wrong['again']}")
        return report

    def play_regressions(self, names):
        for name, seed, further in regressions(names):
            self.play(self.folder, name, seed, 1, *further)
            self.tally.counts["regressions"] += 1

    def play_twice(self, name, first):
        """The same seeds in two processes, and in the second from another one on."""
        one = self.play(self.folder, name, first, SEEDS_TWICE)
        other = self.play(self.folder, name, first, SEEDS_TWICE)
        self.tally.counts["twice"] += SEEDS_TWICE
        if one and other and one["print"] != other["print"]:
            self.tally.fail(f"{name}: the same seeds, from {first} on, do not do the same calls")

    def play_random(self, seed):
        """A random pipeline, in a few seeds."""
        make = (cases.make, stream_cases.make)[seed % 2]
        case = make(seed)
        folder = tempfile.mkdtemp(prefix="case-", dir=self.folder)
        random_inputs.write_all(folder, case["sources"], None)
        script = cases.script(case)
        if "function" in script: # where one fails, its line is sometimes that before
            script = script.replace("weir.rejects():write",
                                    'weir.rejects():select("code, stage, position"):write')
        with open(os.path.join(folder, "case.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        before = len(self.tally.wrong)
        self.play(folder, "case", seed, SEEDS_A_RANDOM_CASE)
        self.tally.counts["pipelines"] += 1
        if len(self.tally.wrong) > before:
            print(f"--- random pipeline {seed}\n{script}---", flush=True)
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True, help="the program")
    parser.add_argument("--seeds", type=int, help="of all pipelines together")
    parser.add_argument("--random", type=int, default=0, help="random pipelines, beside --seeds")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("names", nargs="*", help="pipelines; all without any")
    options = parser.parse_args()
    first = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
    print(f"seed: WEIR_SEED={first}", flush=True)
    names = options.names or list(scripts())
    player = Player(options.weir)
    tally = player.tally
    tally.counts["pipelines"] = len(names)
    try:
        until = time.monotonic() + float(os.environ.get("WEIR_RANDOM_SECONDS") or SECONDS_DEFAULT)
        player.play_regressions(names)
        if options.seeds is None and not options.first:
            player.play_twice(names[first % len(names)], first)
        turn = 0
        while not (options.first and tally.wrong):
            seed = first + turn * SEEDS_A_TURN
            for name in names:
                count = SEEDS_A_TURN
                if options.seeds is not None:
                    count = min(SEEDS_A_TURN * 25, max(0, -(-options.seeds // len(names))))
                    for at in range(0, -(-options.seeds // len(names)), count):
                        player.play(player.folder, name, first + at, count)
                    player.play_twice(name, first)
                    continue
                player.play(player.folder, name, seed, count)
                if time.monotonic() > until or (options.first and tally.wrong):
                    break
                if not options.names:
                    player.play_random(first + turn * len(names) + names.index(name))
                if time.monotonic() > until:
                    break
            for number in range(options.random):
                player.play_random(first + number)
            turn += 1
            if options.seeds is not None or time.monotonic() > until:
                break
        return tally.end()
    finally:
        player.close()


if __name__ == "__main__":
    sys.exit(main())
