#!/usr/bin/env python3
"""power.py: the power goes at every moment of a pipeline, and the disk keeps what it likes.

    power.py --weir PROGRAM --library iofault.so [--states N] [--jobs N] [NAME...]

A run is written down by iofault.so: each write, truncation, sync, creation, rename and removal. At
each moment of it the disk has what was synced; of what was not, any part. `model` makes disks that
a power cut may leave there: all of it lost, all of it kept, one write lost, one alone kept, the
first few kept, or sectors of 512 bytes by chance (torn writes, any order), names in their
directories likewise. Then:
- the state file opens, is whole, and has every checkpoint whose commit had returned by then;
- once the process had ended well, every result is there;
- a life on that disk leaves what an undisturbed run leaves.
The same behind a kill: the power goes in the life that goes on, while the disk still has not got
what the first one did not sync.

Lives on disks that are equal as far as weir can see (the same files, the same rows in the
databases) are one: the first is run, the others are counted. So are looks at databases whose logs
are equal as far as SQLite heeds them (wal.c): some are looked at all the same, and must say the
same. --states N: so many states; without it as many as come within WEIR_RANDOM_SECONDS. --jobs N:
so many processes share the pipelines."""

import argparse
import collections
import ctypes
import hashlib
import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import time

import coverage
import disk
import world as worlds

SECONDS_DEFAULT = 10
STRIDE = 16
LOOKS_MAX = 20000
LOOKED_AT_AGAIN = 0.02 # of the looks that a log was cut for
RANDOM_STATES = 4 # of each moment, one after the other moments had theirs


class Logs:
    """What SQLite heeds of a write-ahead log, by wal.c, which lies beside iofault.so."""

    def __init__(self, library):
        self.heeded = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(library)),
                                               "wal.so")).wal_heeded
        self.heeded.restype = ctypes.c_size_t
        self.heeded.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def __call__(self, content):
        return content[:self.heeded(content, len(content))]


class Moments:
    """One pipeline: what its run did, and the disks that a power cut may leave of it."""

    def __init__(self, world, case, oracle, kill_at=0):
        self.world, self.case, self.oracle, self.kill_at = world, case, oracle, kill_at
        self.logs, self.sums, self.chance = Logs(world.library), {}, random.Random(kill_at)
        folder = world.fresh()
        record = folder + ".record"
        self.first = 0 # the moments before it are those of a life that was killed
        if kill_at:
            world.run(folder, case, 1, at=kill_at, do="kill", record=record)
            self.first = len(disk.read_record(record))
        outcome = world.run(folder, case, 2 if kill_at else 1, record=record)
        if outcome.code != 0:
            sys.exit(f"{case}: {outcome.stderr.decode(errors='replace')}")
        shutil.rmtree(folder)
        self.calls = disk.read_record(record)
        os.remove(record)
        self.start = disk.Disk.of_folder(world.template)
        self.looks = {} # the bytes of files that belong together -> what they say
        self.acknowledged = self.checkpoints()
        self.lives = {} # what weir can see of a disk -> what was wrong with a life on it
        self.seen = collections.Counter()

    def checkpoints(self):
        """For each moment, the number of the last checkpoint whose commit had returned."""
        found, number, now = [0], 0, self.start.copy()
        for call in self.calls:
            now.apply(call)
            if call.name == "fsync" and call.path == "STATE/state.db-wal":
                number = max(number, self.state_of(now.crash(frozenset(now.pending()))).number)
            found.append(number)
        return found

    def states(self, dice):
        """(moment, disk, how) without an end: the end, where all must be there; every moment in
        its plain ways, in turns that each go over the whole run; then by chance."""
        *_, (at, now) = self.moments(len(self.calls) % STRIDE, STRIDE)
        yield at, now.crash(frozenset()), "all lost"
        first = list(range(STRIDE))
        dice.shuffle(first)
        for at, now in (pair for turn in first for pair in self.moments(turn, STRIDE)):
            for how, kept in now.plain_ways():
                yield at, now.crash(kept), how
        while True:
            for at, now in self.moments(0, 1):
                for _ in range(RANDOM_STATES):
                    yield at, now.crash_by(dice), "by chance"

    def moments(self, first, stride):
        """The disk before each call, from `first` on; the last one is that of the end."""
        now = self.start.copy()
        for at, call in enumerate(self.calls):
            if at % stride == first and at >= self.first:
                yield at, now
            now.apply(call)
        if len(self.calls) % stride == first:
            yield len(self.calls), now

    def check(self, at, left, how):
        """What is wrong with a disk; "" where nothing is."""
        call = self.calls[at] if at < len(self.calls) else None
        name, what = (call.name, coverage.target(call.path)) if call else ("end", "any")
        fault = "power in recovery" if self.kill_at else "power: " + how
        self.seen[(fault, name, what)] += 1
        wrong = self.look(at, left)
        killed = f"killed at call {self.kill_at}, " if self.kill_at else ""
        what = f"{name} {call.path}" if call else name
        return wrong and f"{self.case}: {killed}the power goes before call {at + 1} of " \
                         f"{len(self.calls)} ({what}), {how}: {wrong}"

    def look(self, at, left):
        state = self.state_of(left)
        if state.number < self.acknowledged[at]:
            return f"checkpoint {self.acknowledged[at]} was acknowledged, and the state says " \
                   f"{state.number if state.number >= 0 else state.whole}"
        visible = self.visible(left) | state.tables
        if at == len(self.calls):
            wrong = worlds.difference({name: data for name, data in self.oracle.left.items()
                                       if not name.startswith("state ")}, visible)
            if wrong:
                return "after its end: " + wrong
        seen = hashlib.sha256(state.whole.encode())
        for name in sorted(visible):
            seen.update(name.encode() + b"\0" + self.sum_of(visible[name]))
        key = seen.digest()
        if key not in self.lives:
            self.lives[key] = self.life(left)
        return self.lives[key]

    def sum_of(self, data):
        """Its hash; the same object is hashed once."""
        known = self.sums.get(id(data))
        if known is None or known[0] is not data:
            if len(self.sums) > LOOKS_MAX:
                self.sums.clear()
            known = self.sums[id(data)] = (data, hashlib.sha256(data).digest())
        return known[1]

    def life(self, left):
        """A life of the program on that disk."""
        folder = self.world.folder_named("power")
        left.lay(folder)
        try:
            return self.oracle.judge(folder, self.world.run(folder, self.case, 3, boot=1))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # ---- what weir can see, each group of files looked at once ---------------------------------

    def looked_at(self, left, paths, look):
        """look(folder) of a folder with just these files; once for equal ones."""
        raw = hashlib.sha256()
        for path in paths:
            heeded = self.logs if path.endswith("-wal") else None
            raw.update(path.encode() + b"\0" + left.names[path].digest(heeded))
        key = raw.digest()
        is_known = key in self.looks
        if not is_known or (any(path.endswith("-wal") for path in paths) and
                            self.chance.random() < LOOKED_AT_AGAIN):
            if len(self.looks) > LOOKS_MAX:
                self.looks.clear()
            folder = self.world.folder_named("look")
            left.lay(folder, only=paths)
            found = look(folder)
            shutil.rmtree(folder)
            if is_known and key in self.looks and found != self.looks[key]:
                sys.exit(f"{self.case}: two logs that wal.c takes for one are not: {paths}: "
                         f"{self.looks[key]!r}, {found!r}")
            self.looks.setdefault(key, found)
        return self.looks[key]

    def state_of(self, left):
        paths = [path for path in sorted(left.names)
                 if path.startswith("STATE/") and not left.names[path].is_directory]
        return self.looked_at(left, paths, lambda folder: state_in(folder + "/STATE"))

    def unpacked(self, name, inode):
        """Equal contents are one object."""
        key = (name.endswith(".gz"), inode.digest())
        if key not in self.looks:
            self.looks[key] = worlds.unpacked(name, inode.safe)
        return self.looks[key]

    def visible(self, left):
        """As `worlds.left`, without the state."""
        found = {}
        for path, inode in left.names.items():
            name = path.rsplit("/", 1)[-1]
            if inode.is_directory or path.startswith("STATE/") or \
                    name.endswith((".lua", "-shm", "-wal")) or name in worlds.READ_ONLY:
                continue
            if not name.endswith(".db"):
                found[path] = self.unpacked(name, inode)
                continue
            group = [other for other in (path, path + "-journal", path + "-wal")
                     if other in left.names]
            found[path] = self.looked_at(left, group,
                                         lambda folder, path=path: worlds.dump(folder + "/" + path))
            # A journal of which nothing is left to do goes by itself.
            found.pop(path + "-journal", None)
        return {path: data for path, data in found.items() if not path.endswith("-journal")}


class Case:
    """One pipeline: the states of a run, and of recoveries behind kills that are drawn."""

    def __init__(self, world, case):
        self.world, self.case = world, case
        self.oracle = worlds.Oracle(world, case)
        self.seen, self.lives, self.calls = collections.Counter(), 0, 0

    def record(self, kill_at=0):
        moments = Moments(self.world, self.case, self.oracle, kill_at)
        moments.seen = self.seen
        self.calls += len(moments.calls) - moments.first
        return moments

    def one(self, moments, at, left, how):
        before = len(moments.lives)
        wrong = moments.check(at, left, how)
        self.lives += len(moments.lives) - before
        return wrong

    def checks(self, dice):
        moments = self.record()
        for state in moments.states(dice):
            yield self.one(moments, *state)

    def checks_of_recoveries(self, dice):
        while True:
            moments = self.record(dice.randrange(1, len(self.oracle.calls) + 1))
            for at, now in moments.moments(dice.randrange(STRIDE), STRIDE):
                for how, kept in now.plain_ways():
                    yield self.one(moments, at, now.crash(kept), how)
                for _ in range(RANDOM_STATES):
                    yield self.one(moments, at, now.crash_by(dice), "by chance")


def rows_beside(database, path):
    """What stands where the state says that rows of tables are; what else is there, nobody sees."""
    places = database.execute("select piece, at, length from rows where at is not null "
                              "order by 1").fetchall()
    data = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            data = file.read()
    return [(piece, hashlib.sha256(data[at:at + length]).hexdigest())
            for piece, at, length in places]


State = collections.namedtuple("State", "number whole tables")


def state_in(folder):
    """The number of the last checkpoint, a sum of all that the state holds, the tables that sinks
    have in it; number -1: it is damaged, and `whole` says how."""
    path = os.path.join(folder, "state.db")
    names = ",".join(sorted(os.listdir(folder))) if os.path.isdir(folder) else "none"
    if not os.path.exists(path) or os.path.getsize(path) == 0 and \
            not os.path.exists(path + "-wal"):
        return State(0, names, {})
    database = sqlite3.connect(path)
    try:
        verdict = database.execute("pragma quick_check").fetchone()[0]
        if verdict != "ok":
            return State(-1, verdict, {})
        tables = [row[0] for row in database.execute("select name from sqlite_schema")]
        if "meta" not in tables:
            return State(0, names + " no tables", {})
        number = database.execute("select value from meta where name = 'number'").fetchone()
        rows = [database.execute("select * from " + what).fetchall() for what in
                ("meta order by 1", "part order by 1", "piece order by 1")]
        rows.append(rows_beside(database, path[:-len("db")] + "rows"))
        whole = hashlib.sha256(repr(rows).encode()).hexdigest()
    except sqlite3.Error as error:
        return State(-1, str(error), {})
    finally:
        database.close()
    return State(number[0] if number else 0, whole + str(os.path.exists(folder + "/MADE")),
                 worlds.state_tables(path))


def add_arguments(parser):
    worlds.add_arguments(parser)
    parser.add_argument("--states", type=int)
    parser.add_argument("--jobs", type=int, default=1)


def play(options, names, states, seed):
    """(report, a line about it) of some pipelines."""
    dice, report = random.Random(seed), worlds.Report("power", options)
    with worlds.opened(options) as world:
        cases = [Case(world, case) for case in names]
        samples = [sample for case in cases
                   for sample in (case.checks(dice), case.checks_of_recoveries(dice))]
        if states:
            while report.points < states and not report.is_enough():
                for sample in samples:
                    report.take(next(sample))
        else:
            report.take_in_turns(samples, worlds.seconds_of_test(SECONDS_DEFAULT))
        for case in cases:
            report.cover(case.seen)
        return report, (sum(case.calls for case in cases), sum(case.lives for case in cases))


def play_in_a_pool(*share):
    try:
        return play(*share)
    except SystemExit as error: # a pool would wait for ever
        raise RuntimeError(error.code) from error


def play_shares(options, names, dice):
    """The same by several processes; those with fewer pipelines have more of each."""
    jobs = min(options.jobs, len(names))
    shares = [(options, names[at::jobs], options.states and -(-options.states // jobs),
               dice.randrange(1 << 30)) for at in range(jobs)]
    if jobs == 1:
        return [play(*shares[0])]
    with multiprocessing.Pool(jobs) as pool:
        return pool.starmap(play_in_a_pool, shares, chunksize=1)


def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args()
    dice = worlds.dice_of_test()
    began = time.monotonic()
    names = options.names or worlds.case_names()
    played = play_shares(options, names, dice)
    seconds = time.monotonic() - began
    report = worlds.Report("power", options)
    for each, _ in played:
        report.points += each.points
        report.wrong += each.wrong
        report.cover(each.seen)
    calls, lives = (sum(counts[at] for _, counts in played) for at in range(2))
    print(f"{calls:,} calls written down, {lives:,} lives on disks that differ, "
          f"{report.points / max(seconds, 0.001):,.0f} states a second")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
