#!/usr/bin/env python3
"""errors.py: each call of a pipeline on a file fails, once and for ever, and the next life goes on.

    errors.py --weir PROGRAM --library iofault.so [--all] [NAME...]

For each pipeline, each call on its files and each way in which that call may fail (EIO, ENOSPC,
EMFILE, EINTR, EAGAIN, a short read or write): either the run goes on and leaves what an undisturbed
run leaves, or it ends with a code that is not 0 and says what failed; no signal, no hang. Then a
life without faults leaves what an undisturbed run leaves. A sync that failed is never tried again:
what the file then holds nobody knows. The same of the calls of a life that goes on behind a kill.
And with so few descriptors (RLIMIT_NOFILE) that some cannot be opened.

--all: every call, and those of one recovery in STRIDE; without it a sample by seed, as long as
WEIR_RANDOM_SECONDS."""

import argparse
import collections
import contextlib
import os
import resource
import shutil
import sys

import coverage
import world as worlds

SECONDS_DEFAULT = 10
DESCRIPTORS = range(3, 24)
STRIDE = 40      # calls between the kills whose recoveries are gone through
RECOVERIES = 0.3 # of a sample
# How a call may fail: once, and whether for ever too. What is interrupted or short for ever ends
# never or late, which is the kernel's fault.
WAYS = {
    "open": [("EIO", True), ("EMFILE", True), ("EACCES", True)],
    "create": [("EIO", True), ("ENOSPC", True), ("EMFILE", True), ("EACCES", True),
               ("EINTR", False)],
    "read": [("EIO", True), ("short", True), ("EINTR", False)],
    "write": [("EIO", True), ("ENOSPC", True), ("short", True), ("EINTR", False), ("EAGAIN",
    False)], "pwrite": [("EIO", True), ("ENOSPC", True), ("short", True), ("EINTR", False)],
    "fsync": [("EIO", True), ("ENOSPC", True), ("EINTR", False)],
    "dirsync": [("EIO", True), ("EINTR", False)],
    "syncfs": [("EIO", True), ("ENOSPC", True), ("EINTR", False)],
    "ftruncate": [("EIO", True), ("ENOSPC", False)],
    "setxattr": [("EIO", True), ("ENOSPC", True), ("EOPNOTSUPP", True)],
    "removexattr": [("EIO", True), ("EOPNOTSUPP", True)],
    "lock": [("EIO", True), ("ENOLCK", True), ("EACCES", True), ("EINTR", False)],
    "rename": [("EIO", True), ("ENOSPC", True), ("EINTR", False)],
    "unlink": [("EIO", True)],
    "mkdir": [("EIO", True), ("ENOSPC", True), ("EACCES", True), ("EINTR", False)],
    "close": [("EIO", True)],
}


class Failer:
    """One pipeline: its oracle, and lives in which calls fail."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.oracle = worlds.Oracle(world, case, "io")
        self.seen = collections.Counter()
        self.ends = collections.Counter()

    def points(self, calls=None):
        for number, call in enumerate(calls or self.oracle.calls, 1):
            for how, also_sticky in WAYS[call[0]]:
                yield number, how, 0
                if also_sticky:
                    yield number, how, 1

    @contextlib.contextmanager
    def killed(self, number):
        """A folder that a kill leaves, and the calls of the life that goes on in it."""
        folder = self.world.fresh()
        log = folder + ".log"
        self.world.run(folder, self.case, 1, at=number, do="kill", **{"class": "io"})
        going_on = self.world.fresh(folder)
        self.world.run(going_on, self.case, 2, log=log, **{"class": "io"})
        shutil.rmtree(going_on)
        try:
            yield folder, worlds.read_log(log)
        finally:
            shutil.rmtree(folder)
            if os.path.exists(log):
                os.remove(log)

    def judge(self, folder, outcome, log):
        """What is wrong with a life in which something failed, and with the one behind it."""
        if outcome.crash():
            return outcome.crash()
        again = synced_again(worlds.read_log(log)) if log else ""
        if again:
            return f"{again} is synced again after that has failed"
        if outcome.code == 0:
            self.ends["went on"] += 1
            return self.oracle.judge(folder, outcome)
        self.ends["ended"] += 1
        if not outcome.says():
            return f"exit code {outcome.code} and no word: {outcome.stderr!r}"
        wrong = self.oracle.judge(folder, self.world.run(folder, self.case, 3))
        first = outcome.stderr.decode(errors="replace").strip().splitlines()
        return wrong and f"{wrong} (the first life said: {' / '.join(first)[:300]})"

    def one(self, number, how, sticky, before=None, expected=None):
        """`before`: the folder in which a life goes on, and `expected` its calls."""
        folder = self.world.fresh(before)
        log = folder + ".log"
        try:
            outcome = self.world.run(folder, self.case, 2 if before else 1, at=number, do=how,
                                     sticky=sticky, log=log, **{"class": "io"})
            # Where threads write and read ahead, two lives may differ in their calls.
            calls = worlds.read_log(log)
            call = (calls if len(calls) >= number else expected or self.oracle.calls)[number - 1]
            self.seen[(how + (" for ever" if sticky else ""), call[0],
                       coverage.target(call[1]))] += 1
            if outcome.code == 0 and call[2] == "failed" and (call[0] == "syncfs" or (
                    call[0] == "fsync" and
                    coverage.target(call[1]) in ("file", "part", "partition"))):
                wrong = "a file could not be synced, and the run says that all is well"
            else:
                wrong = self.judge(folder, outcome, log)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if os.path.exists(log):
                os.remove(log)
        return wrong and f"{self.case}: {how}{' for ever' if sticky else ''} at call {number} " \
                         f"({' '.join(call[:2])}){' behind a kill' if before else ''}: {wrong}"

    def few_descriptors(self, count):
        folder = self.world.fresh()

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

        outcome = self.world.run(folder, self.case, prepare=limit)
        wrong = self.judge(folder, outcome, None)
        shutil.rmtree(folder, ignore_errors=True)
        self.seen[("RLIMIT_NOFILE", "open", "any")] += 1
        return wrong and f"{self.case}: {count} descriptors: {wrong}"


def synced_again(calls):
    """The path of a sync that came behind a failed one of the same file, with nothing written to it
    between them, and behind which something was done: it would say that what was lost is safe.
    (SQLite syncs a journal once more when it closes a database that it could not open.)"""
    failed, again = set(), ""
    for name, path, result in calls:
        if again and name in ("create", "pwrite", "write", "ftruncate", "rename", "unlink"):
            return again
        if name in ("fsync", "syncfs") and path in failed and result == "ok":
            again = again or path
        if name in ("fsync", "syncfs") and result == "failed":
            failed.add(path)
        if name in ("create", "pwrite", "write", "ftruncate"): # what is written anew may be synced
            failed.discard(path)
    return ""


def everything(failer):
    for number, how, sticky in failer.points():
        yield failer.one(number, how, sticky)
    for kill in range(STRIDE, len(failer.oracle.calls), STRIDE):
        with failer.killed(kill) as (folder, calls):
            for number, how, sticky in failer.points(calls):
                yield failer.one(number, how, sticky, folder, calls)
    for count in DESCRIPTORS:
        yield failer.few_descriptors(count)


def by_cell(failer, calls):
    """The points, by cells of the table."""
    cells = collections.defaultdict(list)
    for number, how, sticky in failer.points(calls):
        call = calls[number - 1]
        cells[call[0], coverage.target(call[1]), how, sticky].append((number, how, sticky))
    return cells


def rare(failer, calls, dice):
    """Some points of a recovery: those of cells that were met least, of equal ones by chance."""
    def met(cell):
        call, what, how, sticky = cell
        return failer.seen[how + (" for ever" if sticky else ""), call, what], dice.random()

    recovery = by_cell(failer, calls)
    for cell in sorted(recovery, key=met)[:3]:
        yield dice.choice(recovery[cell])


def sample(failer, dice):
    """Points drawn by cells of the table, so that what is rare is met too."""
    cells = by_cell(failer, failer.oracle.calls)
    while True:
        if dice.random() < 0.03:
            yield failer.few_descriptors(dice.choice(DESCRIPTORS))
        elif dice.random() < RECOVERIES / 3:
            with failer.killed(dice.randrange(1, len(failer.oracle.calls) + 1)) as (folder, calls):
                for number, how, sticky in rare(failer, calls, dice):
                    yield failer.one(number, how, sticky, folder, calls)
        else:
            yield failer.one(*dice.choice(cells[dice.choice(list(cells))]))


def main():
    parser = argparse.ArgumentParser()
    worlds.add_arguments(parser)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    dice = worlds.dice_of_test()
    report = worlds.Report("errors", options)
    with worlds.opened(options) as world:
        failers = [Failer(world, case) for case in options.names or worlds.case_names()]
        whole = [everything(failer) for failer in failers if options.all]
        report.take_either(whole, [sample(failer, dice) for failer in failers],
                           worlds.seconds_of_test(SECONDS_DEFAULT))
        report.cover_with_ends(failers)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
