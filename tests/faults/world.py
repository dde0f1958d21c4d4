"""world.py: pipelines run in folders of their own with iofault.so before the program, and what they
left is compared with what an undisturbed run leaves.

A case is a script of tests/faults/pipelines; a first line `-- flags: …` gives it flags, in which
{life} is the number of the life. It runs with few rows a batch, and by the clock of
iofault.so each step is longer than the time between two checkpoints, so that each has one. Random
numbers are those of a seed, which differs from life to life of the process: two lives of the same
seed do the same calls."""

import collections
import contextlib
import gzip
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib

import coverage
import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
RUN_SECONDS_MAX = 60
BATCH_ROWS = "16"
HEAD = 'weir.settings { checkpoint = "1ms" }\n'
WRONG_SHOWN_MAX = 30
READ_ONLY = ("rates.db",)
SANITIZERS = ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS")
SANITIZED = (b"AddressSanitizer", b"LeakSanitizer", b"runtime error:", b"assert")


class Outcome:
    """How one process ended."""

    def __init__(self, code, stderr, stdout):
        self.code, self.stderr, self.stdout = code, stderr, stdout

    def crash(self):
        """What no fault may make of a process; "" where it ended well."""
        if self.code is None:
            return f"hangs for {RUN_SECONDS_MAX} s"
        if self.code < 0 and self.code != -signal.SIGKILL:
            return f"died of signal {-self.code}"
        for mark in SANITIZED:
            if mark in self.stderr:
                return mark.decode()
        return ""

    def says(self):
        """Whether a failure is told: what, and not only that."""
        return b"error" in self.stderr or b"out of memory" in self.stderr


class World:
    """The program, the library, and a folder on a disk in memory for what they write."""

    def __init__(self, weir, library, skip=""):
        self.skip = skip
        self.weir, self.library = os.path.abspath(weir), os.path.abspath(library)
        below = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="weir-faults-", dir=below)
        self.template = os.path.join(self.folder, "template")
        self.flags = {}
        os.mkdir(self.template)
        inputs.lay(self.template)
        for name in case_names():
            with open(os.path.join(HERE, "pipelines", name + ".lua"), encoding="utf-8") as file:
                text = file.read()
            found = re.match(r"-- flags: (.*)", text)
            self.flags[name] = found.group(1).split() if found else []
            with open(os.path.join(self.template, name + ".lua"), "w", encoding="utf-8") as file:
                file.write(HEAD + text)
        self.made = 0

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self, before=None):
        """A folder with all inputs; or as another is."""
        self.made += 1
        folder = os.path.join(self.folder, f"{os.getpid()}-{self.made}")
        shutil.copytree(before or self.template, folder)
        return folder

    def folder_named(self, name):
        self.made += 1
        return os.path.join(self.folder, f"{os.getpid()}-{name}-{self.made}")

    def command(self, case, life=1, further=()):
        flags = [flag.replace("{life}", str(life)) for flag in self.flags[case]]
        if "--workers" not in flags: # else the order of calls would be that of the threads
            flags += ["--workers", "1"]
        return [self.weir, "run", case + ".lua", "--state", "STATE", "--batch-rows", BATCH_ROWS,
                "--progress", "off", *flags, *further]

    def environment(self, folder, life, settings):
        env = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "TZ": "UTC", "LC_ALL": "C.UTF-8",
               "NO_COLOR": "1", "LD_PRELOAD": self.library, "IOFAULT_ROOT": folder,
               "IOFAULT_SEED": str(1000 * life + 7)}
        # A sanitizer of the program stands behind the library.
        for name in SANITIZERS:
            env[name] = os.environ.get(name, "")
        env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        for name, value in ({"skip": self.skip} | settings).items():
            prefix = "MEMFAULT_" if name.startswith("mem_") else "IOFAULT_"
            env[prefix + name.replace("mem_", "").upper()] = str(value)
        return env

    def run(self, folder, case, life=1, further=(), seconds=RUN_SECONDS_MAX, prepare=None,
            **settings):
        """One life of the process. `settings`: of iofault.so, in small letters."""
        try:
            done = subprocess.run(self.command(case, life, further), cwd=folder,
                                  env=self.environment(folder, life, settings),
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                                  check=False, preexec_fn=prepare)
        except subprocess.TimeoutExpired as late:
            return Outcome(None, late.stderr or b"", late.stdout or b"")
        return Outcome(done.returncode, done.stderr, done.stdout)

    def run_for(self, folder, case, life, seconds):
        """The same, killed after so much time of the machine's clock."""
        process = subprocess.Popen(self.command(case, life), cwd=folder,
                                   env=self.environment(folder, life, {}),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        time.sleep(seconds)
        process.kill()
        _, stderr = process.communicate()
        return Outcome(process.returncode, stderr, b"")


def case_names():
    return sorted(name[:-4] for name in os.listdir(os.path.join(HERE, "pipelines"))
                  if name.endswith(".lua"))


# ---- what a run leaves -----------------------------------------------------------------------


def by_key(database):
    """Tables with a key: their rows have no order, since one that goes within a batch and comes
    again has its place still, and behind two batches the last."""
    names = [name for name, in database.execute("select name from sqlite_schema "
                                                "where type = 'table'")]
    return [name for name in names
            if any(index[2] for index in database.execute(f'pragma index_list("{name}")'))]


def dump(path):
    """A database as text; the number by which it knows the state is drawn anew each time, and how
    many changes a table took depends on their batches."""
    database = sqlite3.connect(path)
    try:
        lines = list(database.iterdump())
        for name in by_key(database):
            begin = f'INSERT INTO "{name}" VALUES'
            rows = iter(sorted(line for line in lines if line.startswith(begin)))
            lines = [next(rows) if line.startswith(begin) else line for line in lines]
        text = "\n".join(lines)
    except sqlite3.Error as error:
        text = f"(no database: {error})"
    finally:
        database.close()
    lines = re.sub(r'("weir_commit" VALUES\()-?\d+(,.*),\d+(,\w+)\)', r"\1N\2,N\3)",
                   text).split("\n")
    commits = sorted(line for line in lines if '"weir_commit" VALUES' in line) # by their number
    return "\n".join(commits.pop(0) if '"weir_commit" VALUES' in line else line
                     for line in lines).encode()


def state_parts(path):
    """Where the sources stand and what was counted; operators' rows by their sum."""
    database = sqlite3.connect(path)
    found = {}
    try:
        for name, data in database.execute(
                "select part.name, piece.bytes from piece join part on part.id = piece.part "
                "where part.name = 'run' or part.name = 'rejects' or part.name like 'source %' "
                "order by piece.id"):
            if name == "run":  # the time; rows read, rejected, late; then counts of processes
                data = data[8:32]
            found["state " + name] = found.get("state " + name, b"") + data
    except sqlite3.Error as error:
        found["state"] = f"(no state: {error})".encode()
    finally:
        database.close()
    return found


OWN_TABLES = ("meta", "part", "piece", "rows", "spool", "weir_partitions")


def state_tables(path):
    """The tables that sinks have in the state, each as text, with its schema."""
    database = sqlite3.connect(path)
    found = {}
    try:
        for name, sql in database.execute("select tbl_name, group_concat(sql, char(10)) from "
                                          "(select * from sqlite_master order by name) "
                                          "group by tbl_name").fetchall():
            if name not in OWN_TABLES and not name.startswith("sqlite_"):
                rows = database.execute(f'select * from "{name}" order by rowid').fetchall()
                found["state:" + name] = "\n".join([sql, *map(repr, rows)]).encode()
    except sqlite3.Error as error:
        found["state tables"] = f"(no state: {error})".encode()
    finally:
        database.close()
    return found


def unpacked(name, data):
    if not name.endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        return f"(no gzip: {error})".encode()


def left(folder, with_state=True):
    """All that stands in a folder behind a run: {name: bytes}."""
    found = {}
    for here, directories, names in os.walk(folder):
        if "STATE" in directories:
            directories.remove("STATE")
        for name in names:
            path = os.path.join(here, name)
            shown = os.path.relpath(path, folder)
            if name.endswith((".lua", "-shm", "-wal")) or name in READ_ONLY:
                continue # a log belongs to its database, and is read with it
            if name.endswith(".db"):
                found[shown] = dump(path)
                continue
            with open(path, "rb") as file:
                data = file.read()
            found[shown] = unpacked(name, data)
    if with_state:
        found.update(state_parts(os.path.join(folder, "STATE/state.db")))
        found.update(state_tables(os.path.join(folder, "STATE/state.db")))
    return found


def counts(outcome):
    """The last line that tells what was read; of the last life."""
    lines = re.findall(rb"^\d[\d,]* in, .* late, ", outcome.stderr, re.MULTILINE)
    return lines[-1] if lines else b""


def difference(expected, found):
    """Where two sets of files differ, in a line; "" where they do not."""
    for name in sorted(set(expected) | set(found)):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is left over"
        if expected[name] != found[name]:
            old, new = expected[name].split(b"\n"), found[name].split(b"\n")
            at = next((i for i, pair in enumerate(zip(old, new)) if pair[0] != pair[1]),
                      min(len(old), len(new)))
            return (f"{name} differs in line {at + 1} of {len(old)} / {len(new)}: expected "
                    f"{b''.join(old[at:at + 1])[:90]!r}, found {b''.join(new[at:at + 1])[:90]!r}")
    return ""


class Oracle:
    """What an undisturbed run of a case leaves, and the calls that it makes."""

    def __init__(self, world, case, kind="change"):
        self.case = case
        folder = world.fresh()
        log = folder + ".log"
        began = time.monotonic()
        outcome = world.run(folder, case, log=log, skip="", **{"class": kind})
        self.seconds = time.monotonic() - began # of a life, as busy as the machine was
        if outcome.code != 0:
            sys.exit(f"{case}: {outcome.stderr.decode(errors='replace')}")
        self.left, self.counts = left(folder), counts(outcome)
        self.calls = read_log(log)
        os.remove(log)
        shutil.rmtree(folder)

    def judge(self, folder, outcome, other_steps=False):
        """What is wrong behind a last life that ended well; "" where nothing is. `other_steps`: it
        had other steps than the undisturbed run; what a step changes twice is netted, so another
        number of changes leaves."""
        if outcome.crash():
            return outcome.crash()
        if outcome.code != 0:
            return (f"exit code {outcome.code}: "
                    f"{outcome.stderr.decode(errors='replace').strip()[:400]}")
        wrong = difference(self.left, left(folder))
        has, wanted = counts(outcome), self.counts
        if other_steps:
            has, wanted = (re.sub(rb"[\d,]+ out to ", b"", text) for text in (has, wanted))
        if not wrong and has != wanted:
            wrong = f"counts {has!r}, expected {wanted!r}"
        return wrong


def read_log(path):
    """[(name, path, result)] of the calls that counted."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        return [tuple(line.rstrip("\n").split(" ")[1:4]) for line in file]


# ---- a test's own ends -----------------------------------------------------------------------


def add_arguments(parser):
    parser.add_argument("--weir", required=True, help="the program")
    parser.add_argument("--library", required=True, help="iofault.so")
    parser.add_argument("--coverage", help="a file that gets a line for each cell that was hit")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--skip", default="", help="plants a bug: calls of this name (fsync, "
                        "dirsync, ftruncate) do nothing, in every life but the oracle's")
    parser.add_argument("names", nargs="*", help="pipelines; all without any")


@contextlib.contextmanager
def opened(options):
    world = World(options.weir, options.library, options.skip)
    try:
        yield world
    finally:
        world.close()


def seconds_of_test(default):
    return float(os.environ.get("WEIR_RANDOM_SECONDS") or default)


def dice_of_test():
    seed = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
    print(f"seed: WEIR_SEED={seed}")
    return random.Random(seed)


class Report:
    """What a test found: points, violations, and which faults met which calls."""

    def __init__(self, what, options):
        self.what, self.options = what, options
        self.points, self.wrong, self.seen = 0, [], collections.Counter()

    def take(self, wrong, points=1):
        self.points += points
        if wrong:
            self.wrong.append(wrong)
            if len(self.wrong) <= WRONG_SHOWN_MAX:
                print(wrong, flush=True)

    def take_all(self, points):
        for wrong in points:
            self.take(wrong)
            if self.is_enough():
                break

    def is_enough(self):
        return self.options.first and self.wrong

    def take_in_turns(self, samples, seconds):
        """A point of each sample in turn, until the time is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.is_enough():
            for sample in samples:
                self.take(next(sample))
                if time.monotonic() > until or self.is_enough():
                    break

    def take_either(self, whole, samples, seconds):
        """All points of each, where everything is asked for; else samples."""
        for points in whole:
            self.take_all(points)
        if not whole:
            self.take_in_turns(samples, seconds)

    def cover_with_ends(self, ones):
        """What each has `seen`, and how its lives with a fault ended."""
        ends = collections.Counter()
        for one in ones:
            self.cover(one.seen)
            ends.update(one.ends)
        print(", ".join(f"{count:,} {end}" for end, count in sorted(ends.items())))

    def cover(self, seen):
        self.seen.update(seen)

    def end(self):
        """Says it all; the exit code."""
        if self.options.coverage:
            coverage.save(self.options.coverage, self.seen)
        for line in coverage.lines(self.seen):
            print(line)
        print(f"{self.what}: {self.points} points, {len(self.wrong)} violations")
        print(f"{self.points - len(self.wrong)} passed, {len(self.wrong)} failed")
        return 1 if self.wrong or not self.points else 0
