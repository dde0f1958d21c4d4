#!/usr/bin/env python3
"""memory.py: each allocation of a pipeline fails, alone and with all behind it.

    memory.py --weir PROGRAM --library iofault.so [--every N] [NAME...]

The n-th call of malloc, calloc or realloc fails, of weir and of its libraries (SQLite, Lua, zlib,
zstd), for n through the start, steady work, checkpoints and the recovery behind a kill. Either the
run goes on and leaves what an undisturbed run leaves, or it ends with a code that is not 0 and says
so; then a life without faults leaves the same. A sample by seed, as long as WEIR_RANDOM_SECONDS;
with
--every N every n-th allocation of a life and of a recovery (1: all of them)."""

import argparse
import collections
import os
import shutil
import sys

import world as worlds

SECONDS_DEFAULT = 10
# The address sanitizer asks the C library for memory when a thread begins, and takes no no.
OF_THE_SANITIZER = b"GetThreadStackTopAndBottom"


class Starver:
    """One pipeline: its oracle, and lives without memory."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.oracle = worlds.Oracle(world, case)
        self.kill_at = 2 * len(self.oracle.calls) // 3
        self.counts = [self.allocations(0), self.allocations(self.kill_at)]
        self.seen = collections.Counter()
        self.ends = collections.Counter()

    def folder(self, kill_at):
        folder = self.world.fresh()
        if kill_at:
            self.world.run(folder, self.case, 1, at=kill_at, do="kill")
        return folder

    def allocations(self, kill_at):
        """How many a life makes; behind a kill, how many the recovery makes."""
        folder = self.folder(kill_at)
        log = folder + ".log"
        self.world.run(folder, self.case, 2, mem_log=log)
        with open(log, encoding="ascii") as file:
            count = int(file.read())
        os.remove(log)
        shutil.rmtree(folder)
        return count

    def one(self, number, sticky, recovers):
        folder = self.folder(self.kill_at if recovers else 0)
        try:
            outcome = self.world.run(folder, self.case, 2, mem_at=number, mem_sticky=sticky)
            if OF_THE_SANITIZER in outcome.stderr:
                self.ends["ended the sanitizer"] += 1
                return ""
            wrong = outcome.crash()
            if not wrong and outcome.code == 0:
                self.ends["went on"] += 1
                wrong = self.oracle.judge(folder, outcome)
            elif not wrong:
                self.ends["ended"] += 1
                if not outcome.says():
                    wrong = f"exit code {outcome.code} and no word: {outcome.stderr!r}"
                else:
                    wrong = self.oracle.judge(folder, self.world.run(folder, self.case, 3))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        where = "recovery" if recovers else "life"
        self.seen[("no memory" + (" for ever" if sticky else ""), "malloc in " + where, "any")] += 1
        return wrong and f"{self.case}: allocation {number} of {self.counts[recovers]} of the " \
                         f"{where} fails{' and all behind it' if sticky else ''}: {wrong}"


def everything(starver, stride, dice):
    """Every n-th allocation, from one that is drawn on."""
    for recovers in (0, 1):
        for number in range(dice.randrange(1, stride + 1), starver.counts[recovers] + 1, stride):
            for sticky in (0, 1):
                yield starver.one(number, sticky, recovers)


def sample(starver, dice):
    while True:
        recovers = int(dice.random() < 0.3)
        # Half of them among the first: the start is short, and has many ways of its own.
        most = starver.counts[recovers]
        number = dice.randrange(1, most + 1) if dice.random() < 0.5 else \
            dice.randrange(1, min(most, 3000) + 1)
        yield starver.one(number, dice.randrange(2), recovers)


def main():
    parser = argparse.ArgumentParser()
    worlds.add_arguments(parser)
    parser.add_argument("--every", type=int, help="every n-th allocation of lives and recoveries")
    options = parser.parse_args()
    dice = worlds.dice_of_test()
    report = worlds.Report("memory", options)
    with worlds.opened(options) as world:
        starvers = [Starver(world, case) for case in options.names or worlds.case_names()]
        print("allocations of a life: " +
              ", ".join(f"{one.case} {one.counts[0]:,}" for one in starvers))
        whole = [everything(starver, options.every, dice) for starver in starvers
                 if options.every]
        report.take_either(whole, [sample(starver, dice) for starver in starvers],
                           worlds.seconds_of_test(SECONDS_DEFAULT))
        report.cover_with_ends(starvers)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
