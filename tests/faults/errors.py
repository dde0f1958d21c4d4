#!/usr/bin/env python3
"""errors.py: each call of a pipeline on a file fails, once and for ever, and the next life goes on.

    errors.py --weir PROGRAM --library iofault.so [--all] [NAME...]

For each pipeline, each call on its files and each way in which that call may fail (EIO, ENOSPC,
EMFILE, EINTR, EAGAIN, a short read or write): either the run goes on and leaves what an undisturbed
run leaves, or it ends with a code that is not 0 and says what failed; no signal, no hang. Then a
life without faults leaves what an undisturbed run leaves. A sync that failed is never tried again:
what the file then holds nobody knows. And with so few descriptors (RLIMIT_NOFILE) that some cannot
be opened.

--all: every call; without it a sample by seed, as long as WEIR_RANDOM_SECONDS."""

import argparse
import collections
import os
import resource
import shutil
import sys

import coverage
import world as worlds

SECONDS_DEFAULT = 10
DESCRIPTORS = range(3, 24)
# How a call may fail: once, and whether for ever too. What is interrupted or short for ever ends
# never or late, which is the kernel's fault.
WAYS = {
    "open": [("EIO", True), ("EMFILE", True), ("EACCES", True)],
    "create": [("EIO", True), ("ENOSPC", True), ("EMFILE", True), ("EACCES", True)],
    "read": [("EIO", True), ("short", True), ("EINTR", False)],
    "write": [("EIO", True), ("ENOSPC", True), ("short", True), ("EINTR", False), ("EAGAIN",
    False)], "pwrite": [("EIO", True), ("ENOSPC", True), ("short", True), ("EINTR", False)],
    "fsync": [("EIO", True), ("ENOSPC", True)],
    "dirsync": [("EIO", True)],
    "ftruncate": [("EIO", True), ("ENOSPC", False)],
    "rename": [("EIO", True), ("ENOSPC", True)],
    "unlink": [("EIO", True)],
    "mkdir": [("EIO", True), ("ENOSPC", True), ("EACCES", True)],
    "close": [("EIO", True)],
}


class Failer:
    """One pipeline: its oracle, and lives in which calls fail."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.oracle = worlds.Oracle(world, case, "io")
        self.seen = collections.Counter()
        self.ends = collections.Counter()

    def points(self):
        for number, call in enumerate(self.oracle.calls, 1):
            for how, also_sticky in WAYS[call[0]]:
                yield number, how, 0
                if also_sticky:
                    yield number, how, 1

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
        wrong = self.oracle.judge(folder, self.world.run(folder, self.case, 2))
        first = outcome.stderr.decode(errors="replace").strip().splitlines()
        return wrong and f"{wrong} (the first life said: {' / '.join(first)[:300]})"

    def one(self, number, how, sticky):
        folder = self.world.fresh()
        log = folder + ".log"
        try:
            outcome = self.world.run(folder, self.case, at=number, do=how, sticky=sticky, log=log,
                                     **{"class": "io"})
            # Where threads write and read ahead, two lives may differ in their calls.
            calls = worlds.read_log(log)
            call = (calls if len(calls) >= number else self.oracle.calls)[number - 1]
            self.seen[(how + (" for ever" if sticky else ""), call[0],
                       coverage.target(call[1]))] += 1
            if outcome.code == 0 and call[0] == "fsync" and call[2] == "failed" and \
                    coverage.target(call[1]) in ("file", "part", "partition"):
                wrong = "a file could not be synced, and the run says that all is well"
            else:
                wrong = self.judge(folder, outcome, log)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if os.path.exists(log):
                os.remove(log)
        return wrong and f"{self.case}: {how}{' for ever' if sticky else ''} at call {number} " \
                         f"({' '.join(call[:2])}): {wrong}"

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
    """The path of a sync that came behind a failed one of the same file, with nothing written
    between them: it would say that what was lost is safe."""
    failed = set()
    for name, path, result in calls:
        if name == "fsync" and path in failed and result == "ok":
            return path
        if name == "fsync" and result == "failed":
            failed.add(path)
        if name in ("create", "pwrite", "write", "ftruncate"): # what is written anew may be synced
            failed.discard(path)
    return ""


def everything(failer):
    for number, how, sticky in failer.points():
        yield failer.one(number, how, sticky)
    for count in DESCRIPTORS:
        yield failer.few_descriptors(count)


def sample(failer, dice):
    """Points drawn by cells of the table, so that what is rare is met too."""
    cells = collections.defaultdict(list)
    for number, how, sticky in failer.points():
        call = failer.oracle.calls[number - 1]
        cells[call[0], coverage.target(call[1]), how, sticky].append((number, how, sticky))
    cells = list(cells.values())
    while True:
        if dice.random() < 0.03:
            yield failer.few_descriptors(dice.choice(DESCRIPTORS))
        else:
            yield failer.one(*dice.choice(dice.choice(cells)))


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
