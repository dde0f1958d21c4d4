#!/usr/bin/env python3
"""budgets.py: every stage that keeps something, with far less `memory` than its input takes.

A case is a stage, a budget, threads, a batch size, with or without a state; its input is ten times
as large as the budget. What is written must be what a run with ample memory writes, to the byte. Or
the run ends with W602 where `MUST_FIT` says that the stage must fit, or `LEAST_MB` that it needs
more; the message must then say who holds what, and what would have been enough to go on. The peak
memory of the process is at most what `peak_max` says.

Of all cases some are drawn, with the smallest budgets, until the time is over, and a few are always
played; --all plays all of them and prints a table of those that gave W602.

usage: budgets.py --weir PROGRAM [--seconds N | --all] [--seed N] [--only REGEX] [--memory MB...]
                  [--workers N...] [--batch N...] [--state 0|1...]
"""

import argparse
import glob
import hashlib
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

MEMORY_MB = [4, 8, 16, 32, 64]
WORKERS = [1, 2, 4]
BATCH_ROWS = [1, 1024, 65536, 0]  # 0: as many as the program takes
STATES = [0, 1]
AMPLE_MB = 16384
ROW_BYTES = 100  # of the input, about
TIMES = 10       # as large as the budget is the input
DRAWN_MB = 8     # of cases that are drawn, at most
SCRIPT = """weir.settings {{ memory = "{memory}MB" }}
local rows, keys = {rows}, {keys}
local function input(seed)
  return weir.generate {{ rows = rows, columns = string.format([[
    k = (i * 2654435761 + %d) %% %d, v = (i * 40503) %% 1000, x = float64(i %% 977) * 0.37,
    s = 'some text of row ' .. string((i * 48271) %% 65537),
    ts = timestamp(1700000000000 + i * 10, 'ms')]], seed, keys) }}
end
local s, r = input(1), input(2)
local t = weir.generate {{ rows = 5, columns = "k2 = i * 3, z = i" }}
{stage}:write "out.csv"
"""
# A half of the rows is late, by ten days.
LATE = ("s:derive \"ts = timestamp(1700000000000 - (v % 2) * 864000000 + v, 'ms')\""
        ':event_time("ts", { max_delay = "0s" }):window(weir.tumbling "1d"):group_by "k"'
        ':emit "update":agg "n = count(), x = sum(x), s = max(s)"')
KEYS_OF_TEXTS = ('s:derive [[a = string(k % 8), b = string(k // 8 % 8), c = string(k // 64 % 8), '
                 'd = string(k // 512 % 8), e = string(k // 4096 % 8), f = string(k // 32768 % 8), '
                 'g = string(k // 262144 % 8)]]:select "a, b, c, d, e, f, g, v"'
                 ':group_by "a, b, c, d, e, f, g"')
TIMED = 's:event_time("ts", { max_delay = "1s" })'
RIGHT = 'r:event_time("ts", { max_delay = "1s" })'
# By name: keys, as a part of the rows, and the stage.
STAGES = {
    "agg": (1, 's:group_by "k":agg "n = count(), x = sum(x), s = max(s)"'),
    "agg, few keys": (0.05, 's:group_by "k":agg "n = count(), x = sum(x), s = max(s)"'),
    "agg, texts": (1, 's:group_by "t = s .. string(k)":agg "n = count(), v = max(v)"'),
    "agg, emit update": (0.3, 's:group_by "k":emit "update":agg "n = count(), x = sum(x)"'
                              ':changes()'),
    "agg, emit every": (0.3, TIMED + ':group_by "k":emit("update", { every = "10s" })'
                                     ':agg "n = count()":changes()'),
    "agg, windows": (1, TIMED + ':window(weir.tumbling "1s"):group_by "k":agg "n = count()"'),
    "agg, late rows": (0.3, 'local a = ' + LATE + '\na:changes():write "main.csv"\na:late()'),
    "agg, late rejects": (0.3, 'local a = ' + LATE + '\na:changes():write "main.csv"\n'
                               'a:rejects():select "code, position, row"'),
    "agg, sessions": (0.3, TIMED + ':window(weir.session "2s"):group_by "k":agg "n = count()"'),
    "agg, one window": (1, TIMED + ':window(weir.tumbling "1d"):group_by "k":agg "n = count()"'),
    "agg, large groups": (0.001, 's:group_by "g = k % 7":agg "n = count_distinct(s)"'),
    "distinct": (1, 's:distinct "k, s"'),
    "distinct, updates": (0.3, 's:group_by "k":emit "update":agg "n = count()"'
                               ':distinct "k, n":changes()'),
    "dedup": (1, 's:dedup "k"'),
    "dedup, within": (1, TIMED + ':dedup("k", { within = "1h" })'),
    "dedup, last": (1, 's:dedup("k", { keep = "last" })'),
    "agg, keys of texts": (1, KEYS_OF_TEXTS + ':agg "n = count()"'),
    "top, keys of texts": (1, KEYS_OF_TEXTS + ':top(1, "v")'),
    "top(1)": (1, 's:group_by "k":top(1, "v desc")'),
    "top(3)": (0.3, 's:group_by "k":top(3, "v desc, s", { rank = "place" })'),
    "top(100)": (0.01, 's:group_by "k":top(100, "v desc")'),
    "top(1), emit update": (0.3, 's:group_by "k":emit "update":top(1, "v desc"):changes()'),
    "as_table": (1, 's:as_table("k", { version = "ts" }):changes()'),
    "sort": (1, 's:sort "v, s, k"'),
    "join": (1, 's:join(r, { on = "k", prefix = "r_" })'),
    "join, full": (1, 's:filter "k % 3 > 0":join(r, { on = "k", prefix = "r_", how = "full" })'),
    "join, within": (0.1, f'{TIMED}:join({RIGHT}, {{ on = "k", prefix = "r_", within = "1m" }})'),
    "join, windows": (0.01, f'{TIMED}:window(weir.tumbling "1s")'
                            f':join({RIGHT}, {{ on = "k", prefix = "r_" }})'),
    "join, then agg": (0.03, 's:filter "v < 300":join(r:filter "v < 100", { on = "k",'
                             ' prefix = "r_" }):group_by "k, v":agg "n = count(), x = sum(r_v)"'),
    "join, then three": (0.03, 's:filter "v < 100":join(r:filter "v < 100", { on = "k", prefix ='
                               ' "r_" }):dedup "k, v":group_by "k":emit "update":agg "n = count()"'
                               ':changes():group_by "n":agg "k = max(k)"'),
    "join of many, then agg": (0.005, 's:filter "v < 30":join(r:filter "v < 500", { on = "k",'
                                      ' prefix = "r_" }):group_by "v, r_v":agg "n = count()"'),
    "join of many, where": (0.005, 's:filter "v < 30":join(r:filter "v < 500", { on = "k",'
                                   ' prefix = "r_", where = "v < r_v", how = "left" })'
                                   ':group_by "v, r_v":agg "n = count()"'),
    # Few rows of each side, of seven keys: each meets very many.
    "right join, left join, agg": (0, 's:filter "v < 3":join(r:filter "v < 12", { on = "k",'
                                      ' prefix = "r_", how = "right" }):join(t, { on = "k == k2",'
                                      ' how = "left" }):group_by "v, r_v":agg "n = count(), z = '
                                      'sum(z)"'),
    "full join, inner join, distinct": (0, 's:filter "v < 3":join(r:filter "v < 12", { on = "k",'
                                           ' prefix = "r_", how = "full", where = "v < r_v" })'
                                           ':join(t, { on = "k == k2" }):distinct "v, r_v, z"'),
    "semi join, agg": (0, 's:filter "v < 500":join(r:filter "v < 3", { on = "k", prefix = "r_",'
                          ' how = "semi" }):group_by "v":agg "n = count(), x = sum(x)"'),
    "anti join, rows": (1, 's:join(r:filter "v < 3", { on = "k", prefix = "r_", how = "anti" })'),
    "lookup": (1, 's:lookup(r:dedup "k", { on = "k", prefix = "r_" })'),
    "join, lookup, top": (0.03, 's:filter "v < 300":join(r:filter "v < 100", { on = "k",'
                                ' prefix = "r_" }):lookup(r:dedup "k", { on = "k", prefix = "l_" })'
                                ':group_by "k":top(3, "v desc, r_v, s, r_s")'),
    "lookup, many": (0.5, 's:lookup(r, { on = "k", prefix = "r_", many = true })'),
    "asof_join": (0.001, f'{TIMED}:asof_join({RIGHT}, {{ on = "k", prefix = "r_" }})'),
    "asof_join, many keys": (1, f'{TIMED}:asof_join({RIGHT}, {{ on = "k", prefix = "r_" }})'),
    "match": (0.3, TIMED + ':group_by "k":match { pattern = "a b", define = "b = v > a.v",'
                           ' measures = "n = b.v", within = "1m" }'),
    "fill": (0.01, TIMED + ':window(weir.tumbling "1m"):group_by "k":agg "n = count()"'
                           ':fill("n = 0", { stop_after = "5m" })'),
    "frames": (0.3, TIMED + ':group_by "k":derive "m = avg(x) over \'1m\'"'),
    "frames, running": (0.3, TIMED + ':group_by "k":derive "m = sum(v), n = row_number()"'),
    "union by time": (1, f'{TIMED}:union({RIGHT})'),
    "two stages": (1, 's:group_by "k":agg "n = count(), x = sum(x)":sort "x, k"'),
    "three stages": (1, 's:dedup "k":distinct "k, s":group_by "k":top(1, "s")'),
}
# What must fit into memory, whatever it is.
MUST_FIT = {
    "agg, one window": "a single window",
    "agg, large groups": "a single group",
    "top(100)": "a `top` of many rows",
    "asof_join, many keys": "the version of each key",
    "match": "rows that a match may still take",
    "frames": "rows that a frame may still take",
    "frames, running": "what each group has come to",
}
# In less than so many MB a stage may not go on, with a state or without one.
LEAST_MB = {
    "agg, emit every": 8,
    "distinct, updates": 16,  # deleted keys wait for the next checkpoint
    "as_table": 32,
    "join": 16,
    "join, full": 16,
    "right join, left join, agg": 16,  # nearly a million rows rest: where they are is in memory
    "full join, inner join, distinct": 16,
    "lookup": 16,
    "three stages": 16,
}
# Whatever else is drawn.
ALWAYS = [("agg, late rows", 4, 2, 0, 0), ("agg, late rejects", 4, 4, 0, 0),
          ("join of many, then agg", 8, 2, 0, 0), ("join of many, where", 4, 4, 0, 0),
          ("right join, left join, agg", 4, 1, 100, 0),
          ("full join, inner join, distinct", 4, 4, 65536, 0),
          ("semi join, agg", 8, 2, 65536, 1), ("anti join, rows", 4, 4, 65536, 0)]
# A run that stops behind its last row and goes on from its state, where the table that it reads
# then is about as large as its share of memory.
RESTARTS = [("agg, keys of texts", 70000), ("agg, keys of texts", 100000),
            ("top, keys of texts", 40000), ("top, keys of texts", 44000)]
RESTART_MB = 16


def peak_max(memory, workers, has_state):
    """In MB: state, what is read, a checkpoint that is being written, the program, its threads."""
    return memory * (2.25 if has_state else 1.25) + 20 + 5 * workers


def peak_of(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    except OSError:
        return 0
    return int(found.group(1)) / 1024 if found else 0


class Runner:
    def __init__(self, weir):
        self.weir = weir
        self.folder = tempfile.mkdtemp(prefix="weir-budgets-")
        self.expected = {}
        self.refused = []

    def run(self, stage, rows, memory, *options, goes_on=False):
        """Exit code, messages, hash of what was written, peak memory in MB."""
        for path in glob.glob(os.path.join(self.folder, "*.csv")):
            os.remove(path)
        if not goes_on:
            shutil.rmtree(os.path.join(self.folder, "STATE"), ignore_errors=True)
        keys, text = STAGES[stage]
        with open(os.path.join(self.folder, "job.lua"), "w", encoding="utf-8") as file:
            file.write(SCRIPT.format(memory=memory, rows=rows, keys=max(7, int(rows * keys)),
                                     stage=text))
        peak, digest = 0, None
        with subprocess.Popen([self.weir, "run", "job.lua", "--progress", "off", *options],
                              cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            while process.poll() is None:
                peak = max(peak, peak_of(process.pid))
                time.sleep(0.02)
            said = process.stderr.read()
        for path in sorted(glob.glob(os.path.join(self.folder, "*.csv"))):
            with open(path, "rb") as file:
                digest = (digest or "") + hashlib.file_digest(file, "blake2b").hexdigest()
        return process.returncode, said, digest, peak

    def expect(self, stage, rows):
        if (stage, rows) not in self.expected:
            code, said, digest, _ = self.run(stage, rows, AMPLE_MB, "--workers", "1")
            if code != 0:
                raise AssertionError(f"{stage}, with ample memory: {said}")
            self.expected = {(stage, rows): digest}
        return self.expected[stage, rows]

    def check(self, stage, memory, workers, batch, state):
        rows = memory * TIMES * 2**20 // ROW_BYTES
        expected = self.expect(stage, rows)
        options = ["--workers", str(workers)]
        options += ["--batch-rows", str(batch)] if batch else []
        options += ["--state", "STATE"] if state else []
        code, said, digest, peak = self.run(stage, rows, memory, *options)
        most = peak_max(memory, workers, state)
        case = f"{stage}, memory = {memory}MB, {' '.join(options)}"
        if code == 0 and digest != expected:
            raise AssertionError(f"{case}: other rows than with ample memory")
        if code != 0 and "error[W602]" not in said:
            raise AssertionError(f"{case}: exit code {code}\n{said}")
        if peak > most and not os.environ.get("WEIR_SANITIZED"):
            raise AssertionError(f"{case}: took {peak:.0f} MB, at most {most:.0f} are right")
        if code == 0:
            return "the same rows", peak
        if stage not in MUST_FIT and memory >= LEAST_MB.get(stage, 0):
            raise AssertionError(f"{case}: should go on\n{said}")
        if "`state`" in said and not re.search(r'memory = "\d+MB"', said):
            raise AssertionError(f"{case}: does not say what is enough\n{said}")
        self.refused.append((stage, memory, workers, batch or "default", "yes" if state else "no"))
        return "W602", peak

    def check_restart(self, stage, rows):
        expected = self.expect(stage, rows)
        options = ["--workers", "1", "--shards", "2", "--state", "STATE"]
        for stop in ["--until", f"{rows}rows"], []:
            code, said, digest, peak = self.run(stage, rows, RESTART_MB, *options, *stop,
                                                goes_on=not stop)
            if code != 0:
                raise AssertionError(f"{stage}, {rows} rows, {stop}: exit code {code}\n{said}")
        if digest != expected:
            raise AssertionError(f"{stage}, {rows} rows, restarted: other rows than in one run")
        return "the same rows behind a restart", peak


def play(check, cases, until):
    passed = failed = 0
    for case in cases:
        if time.monotonic() >= until or failed >= 5:
            break
        try:
            outcome, peak = check(*case)
            print(f"{case}: {outcome}, {peak:.0f} MB", flush=True)
            passed += 1
        except AssertionError as error:
            print(f"FAILED: {error}", flush=True)
            failed += 1
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--seconds", type=float,
                        default=float(os.environ.get("WEIR_RANDOM_SECONDS") or 10))
    parser.add_argument("--seed", type=int, default=int(
        os.environ.get("WEIR_SEED", time.time_ns() // 1000 % 10**9)))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--memory", type=int, nargs="*", default=MEMORY_MB)
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS)
    parser.add_argument("--batch", type=int, nargs="*", default=BATCH_ROWS)
    parser.add_argument("--state", type=int, nargs="*", default=STATES)
    options = parser.parse_args()
    stages = [stage for stage in STAGES if re.search(options.only, stage)]
    cases = list(itertools.product(stages, options.memory, options.workers, options.batch,
                                   options.state))
    until = float("inf")
    if not options.all:
        print(f"seed: WEIR_SEED={options.seed}", flush=True)
        cases = [case for case in cases if case[1] <= DRAWN_MB and case[3] != 1]
        random.Random(options.seed).shuffle(cases)
        cases = [case for case in ALWAYS if case[0] in stages] + cases
        until = time.monotonic() + options.seconds
    runner = Runner(os.path.abspath(options.weir))
    try:
        passed, failed = play(runner.check, cases, until)
        restarts = [case for case in RESTARTS if case[0] in stages]
        restarted, lost = play(runner.check_restart, restarts, float("inf"))
        passed, failed = passed + restarted, failed + lost
    finally:
        shutil.rmtree(runner.folder, ignore_errors=True)
    if options.all:
        print("\n| W602 in | memory | workers | batch | state |\n|---|---:|---:|---:|---|")
        for case in runner.refused:
            print("| {} | {} MB | {} | {} | {} |".format(*case))
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
