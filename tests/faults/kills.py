#!/usr/bin/env python3
"""kills.py: pipelines are killed at each call that changes something, and go on.

    kills.py --weir PROGRAM --library iofault.so [--all] [--random N] [--strace] [NAME...]

For each pipeline and each call that changes something (write, fsync, rename, unlink, truncate, a
file or directory that is made): SIGKILL just before it, and in the middle of it where it writes.
The next life must leave what an undisturbed run leaves: files to the byte, databases by their dump,
positions and counts of the state, nothing left over. Of some first kills, the second life is killed
at its calls too, and the third goes on; and of some, three lives in a row at random calls, or so
many that die soon that the last takes its rows one by one.

Where a pipeline rolls files, or has one of the name taken.csv, a reader takes away between lives
what is complete, and the directories that are empty then. At the end all that was taken and all
that is left are together what an undisturbed run leaves, nothing is there twice, and no life says
that something is lost.

--random N: N kills at random times, after which a life goes on or is killed again. --all: every
call, and of the recovery after one kill in eight every call, where it makes other calls than the
recoveries before it; else one in eight too. Without it a sample by seed, as long as
WEIR_RANDOM_SECONDS. --strace: a sample by `strace -e inject` too, which sees the calls of the
kernel."""

import argparse
import collections
import os
import shutil
import signal
import subprocess
import sys

import coverage
import world as worlds

SECONDS_DEFAULT = 10
FURTHER_LIVES_MAX = 6
RECOVERY_STRIDE = 8
WRITES = ("write", "pwrite")
LOOKING_LIVES = 5 # behind the first: then rows are taken one by one
SOON = (8, 24) # calls behind which they die
STRACE_KILLS = 10 # of each pipeline
STRACE_CALLS = "write,pwrite64,fsync,fdatasync,syncfs,rename,unlink,ftruncate,mkdir"


def is_complete(name):
    """A result that a reader may take as soon as it has its name."""
    return name.rsplit("/", 1)[-1].startswith("part-") and "/" in name or name == "taken.csv"


class Reader:
    """Takes away what is complete, and puts it back at the end. What stood there before the first
    life (`before`) is no result."""

    def __init__(self, before):
        self.before = worlds.left(before, with_state=False)
        self.has = {} # name: bytes
        self.removed = set() # directories; what would be in one marks nothing
        self.twice = ""

    def take(self, folder):
        for here, _, names in os.walk(folder, topdown=False):
            for name in names:
                path = os.path.join(here, name)
                shown = os.path.relpath(path, folder)
                if not is_complete(shown):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                if self.before.get(shown) == data:
                    continue
                os.remove(path)
                if self.has.setdefault(shown, data) != data:
                    self.twice = f"{shown} came again, and differs"
            if here != folder and not os.listdir(here):
                os.rmdir(here)
                self.removed.add(os.path.relpath(here, folder))

    def put_back(self, folder, outcome, wanted):
        """What is wrong with it; all is in its place then, as `wanted`."""
        marks = {name: b"" for name in (here + "/_SUCCESS" for here in self.removed)
                 if name in wanted and not os.path.exists(os.path.join(folder, name))}
        for name, data in (self.has | marks).items():
            path = os.path.join(folder, name)
            if os.path.exists(path):
                return f"{name} came again"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        return self.twice or ("W625: " + outcome.stderr.decode(errors="replace")[:300]
                              if b"[W625]" in outcome.stderr else "")


class Killer:
    """One pipeline: its oracle, and lives that are killed."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.oracle = worlds.Oracle(world, case)
        self.seen = collections.Counter()

    def note(self, call, how):
        fault = "kill" if how == "kill" else "kill " + how
        self.seen[(fault, call[0], coverage.target(call[1]))] += 1

    def lives(self, kills, before=None, reader=None):
        """Lives killed as said, [(call, how)], and one that goes on. What is wrong, or "".
        `before`: the folder that the first of the kills has left already. `reader`: takes away
        what is complete behind each life."""
        folder = self.world.fresh(before)
        try:
            for life, (number, how) in enumerate(kills, 1):
                if before and life == 1:
                    continue
                outcome = self.world.run(folder, self.case, life, at=number, do=how)
                if outcome.code == 0:
                    break # it has fewer calls
                if outcome.code != -signal.SIGKILL:
                    return (f"life {life} is not killed, exit code {outcome.code}: "
                            f"{outcome.stderr.decode(errors='replace').strip()[:300]}")
                if reader:
                    reader.take(folder)
            outcome = self.world.run(folder, self.case, len(kills) + 1)
            wrong = reader.put_back(folder, outcome, self.oracle.left) if reader else ""
            return wrong or self.oracle.judge(folder, outcome)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def points(self):
        for number, call in enumerate(self.oracle.calls, 1):
            yield number, "kill"
            if call[0] in WRITES:
                yield number, "mid"

    def one(self, number, how):
        self.note(self.oracle.calls[number - 1], how)
        wrong = self.lives([(number, how)])
        return wrong and f"{self.case}: {how} at call {number} " \
                         f"({' '.join(self.oracle.calls[number - 1][:2])}): {wrong}"

    def has_parts(self):
        return any(is_complete(name) for name in self.oracle.left)

    def taken(self, kills):
        for number, how in kills:
            self.note(self.oracle.calls[number - 1], how if len(kills) == 1 else "in a row")
        wrong = self.lives(kills, reader=Reader(self.world.template))
        return wrong and f"{self.case}: killed {kills}, what is complete is taken away: {wrong}"

    def killed(self, number, how):
        """The folder that a kill leaves, and the calls of the life behind it."""
        folder = self.world.fresh()
        log = folder + ".log"
        self.world.run(folder, self.case, 1, at=number, do=how)
        going_on = self.world.fresh(folder)
        self.world.run(going_on, self.case, 2, log=log)
        shutil.rmtree(going_on)
        calls = worlds.read_log(log)
        os.remove(log)
        return folder, calls

    def again(self, folder, number, how, second, call):
        self.note(call, "in recovery")
        wrong = self.lives([(number, how), (second, "kill")], folder)
        return wrong and f"{self.case}: {how} at call {number}, then kill at call {second} of the "
        \
                         f"next life ({' '.join(call[:2])}): {wrong}"

    def in_a_row(self, dice):
        cells = by_cell(self.oracle.calls, self.points())
        kills = [dice.choice(dice.choice(cells)) for _ in range(3)]
        for number, how in kills:
            self.note(self.oracle.calls[number - 1], "in a row")
        wrong = self.lives(kills)
        return wrong and f"{self.case}: three lives killed, {kills}: {wrong}"

    def until_rows_are_taken_one_by_one(self, dice):
        """Lives that die at the same checkpoint, soon: the last one looks for a row at which they
        do (exec/poison.h), and nothing comes of it. Returns also whether it did look."""
        folder = self.world.fresh()
        number, how = dice.choice(list(self.points()))
        kills = [(number, how)] + [(dice.randrange(*SOON), "kill") for _ in range(LOOKING_LIVES)]
        try:
            for life, (at, what) in enumerate(kills, 1):
                outcome = self.world.run(folder, self.case, life, at=at, do=what)
                if outcome.code == 0:
                    break
            outcome = self.world.run(folder, self.case, len(kills) + 1)
            looked = b"[W621]" in outcome.stderr
            wrong = self.oracle.judge(folder, outcome, other_steps=looked)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.note(self.oracle.calls[number - 1], "then soon")
        return looked, wrong and f"{self.case}: lives killed, {kills}: {wrong}"

    def at_random_times(self, dice):
        """Kills by the clock of the machine, until a life gets through."""
        folder = self.world.fresh()
        kills = 0
        try:
            for life in range(1, FURTHER_LIVES_MAX):
                seconds = dice.uniform(0, 1.5 * self.oracle.seconds)
                outcome = self.world.run_for(folder, self.case, life, seconds)
                if outcome.code == 0:
                    break
                kills += 1
            outcome = self.world.run(folder, self.case, FURTHER_LIVES_MAX)
            wrong = self.oracle.judge(folder, outcome)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.seen[("kill at random", "any", "any")] += kills
        return kills, wrong and f"{self.case}: {kills} kills at random times: {wrong}"


def by_cell(calls, points):
    """Points apart by what they meet, so that what is rare is drawn as often as what is not."""
    cells = collections.defaultdict(list)
    for number, how in points:
        call = calls[number - 1]
        cells[call[0], coverage.target(call[1]), how].append((number, how))
    return list(cells.values())


def strace_kills(killer, dice, count):
    """A sample by strace: the n-th call of the kernel, whoever makes it."""
    for _ in range(count):
        number, call = dice.randrange(1, 60), dice.choice(STRACE_CALLS.split(","))
        folder = killer.world.fresh()
        subprocess.run(
            ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
             f"inject={call}:signal=SIGKILL:when={number}", killer.world.weir, "run",
             killer.case + ".lua", "--state", "STATE", "--batch-rows", worlds.BATCH_ROWS,
             "--workers", "1", "--progress", "off"],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        wrong = killer.oracle.judge(folder, killer.world.run(folder, killer.case, 2))
        killer.seen[("kill by strace", call.replace("64", ""), "any")] += 1
        shutil.rmtree(folder)
        yield wrong and f"{killer.case}: strace kills at {call} number {number}: {wrong}"


def everything(killer, dice):
    """Every point of a pipeline; a generator of what is wrong, "" for each that holds."""
    for number, how in killer.points():
        yield killer.one(number, how)
        if killer.has_parts():
            yield killer.taken([(number, how)])
    recoveries = []
    for number, how in list(killer.points())[3::RECOVERY_STRIDE]:
        folder, calls = killer.killed(number, how)
        stride = RECOVERY_STRIDE if calls in recoveries else 1
        recoveries.append(calls)
        first = dice.randrange(1, stride + 1)
        for second, call in list(enumerate(calls, 1))[first - 1::stride]:
            yield killer.again(folder, number, how, second, call)
        shutil.rmtree(folder)
    for _ in range(100):
        yield killer.in_a_row(dice)
        if killer.has_parts():
            yield killer.taken([dice.choice(list(killer.points())) for _ in range(3)])
        yield killer.until_rows_are_taken_one_by_one(dice)[1]


def sample(killer, dice):
    """Points without an end, drawn by seed."""
    cells = by_cell(killer.oracle.calls, killer.points())
    while True:
        kind = dice.random()
        number, how = dice.choice(dice.choice(cells))
        if kind < 0.05:
            yield killer.at_random_times(dice)[1]
        elif kind < 0.1:
            yield killer.until_rows_are_taken_one_by_one(dice)[1]
        elif killer.has_parts() and kind < 0.4:
            kills = [dice.choice(dice.choice(cells)) for _ in range(dice.randrange(3))]
            yield killer.taken([(number, how), *kills])
        elif kind < 0.6:
            yield killer.one(number, how)
        elif kind < 0.9:
            folder, calls = killer.killed(number, how)
            if calls:
                second, _ = dice.choice(dice.choice(by_cell(calls, [
                    (second, "kill") for second in range(1, len(calls) + 1)])))
                yield killer.again(folder, number, how, second, calls[second - 1])
            shutil.rmtree(folder)
        else:
            yield killer.in_a_row(dice)


def main():
    parser = argparse.ArgumentParser()
    worlds.add_arguments(parser)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--strace", action="store_true")
    options = parser.parse_args()
    dice = worlds.dice_of_test()
    report = worlds.Report("kills", options)
    with worlds.opened(options) as world:
        killers = [Killer(world, case) for case in options.names or worlds.case_names()]
        if options.all:
            for killer in killers:
                report.take_all(everything(killer, dice))
        elif not options.random:
            report.take_in_turns([sample(killer, dice) for killer in killers],
                                 worlds.seconds_of_test(SECONDS_DEFAULT))
        kills = 0
        while kills < options.random:
            killer = dice.choice(killers)
            killed, wrong = killer.at_random_times(dice)
            kills += killed
            report.take(wrong, killed)
        if options.strace and shutil.which("strace"):
            for killer in killers:
                report.take_all(strace_kills(killer, dice, STRACE_KILLS))
        for killer in killers:
            report.cover(killer.seen)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
