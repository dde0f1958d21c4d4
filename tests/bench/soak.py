#!/usr/bin/env python3
"""soak.py: a pipeline under load, and a fault every few seconds; what it takes, and what is left.

    ./dev bench soak [MINUTES] [--rate N] [--every SECONDS] [--seed N]

`load` appends rows to a file on a fixed schedule, weir follows it with a state, through sums of
keys and a filter into a SQLite file and a file. Every few seconds one of these, drawn by the seed:

  stop    SIGSTOP for up to two seconds, then SIGCONT
  torn    half of a line stands at the end of the input for half a second
  kill    SIGKILL, and the same command again
  term    SIGTERM: a checkpoint, exit code 143, and the same command again
  full    not a byte is left where the state and the results lie, until weir has told that and
          ended, or a second has gone; then there is room again, and the same command

Resident memory and descriptors are looked at four times a second. Slopes are those within a life,
behind its first five seconds, and over the lives, by what each took when it was five seconds old.
At the end what is there is compared with one run that nothing disturbed, over the same file. State
and results lie in a tmpfs that is mounted for the soak (root); where that is refused, `full` is
left out, and the last lines say so.
"""

import argparse
import os
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

import measured
import probed

WEIR = os.path.join(measured.BUILD, "weir")
LOAD = os.path.join(measured.BUILD, "tests/bench/load")
SAMPLES_A_SECOND = 4
WARM_SECONDS = 5
CATCH_UP_SECONDS_MAX = 120
DISK_MB = 128
KINDS = ["stop"] * 3 + ["torn"] * 3 + ["kill", "term", "full"]
SCRIPT = """
weir.settings { checkpoint = "200ms" }
local rows = weir.read("../in.ndjson", { FOLLOW
  schema = "id int64, due int64, user string, page string, amount int64" })
rows:filter "amount >= 1000":select "id, user, amount":write("large.csv", { mode = "append" })
rows:group_by "user":emit "update":agg "n = count(), s = sum(amount), last = max(id)"
  :write("sqlite:out.db", { table = "users", key = "user" })
rows:group_by "page":emit "update":agg "n = count(), most = max(amount)"
  :write("sqlite:out.db", { table = "pages", key = "page" })
"""


class Disk:
    """The folder of the soak, on a small file system where one may be mounted."""

    def __init__(self, path, megabytes):
        self.path = path
        self.balloon = os.path.join(path, "balloon")
        self.is_small = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "weir-soak", path],
            capture_output=True, check=False).returncode == 0

    def fill(self):
        with open(self.balloon, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass

    def free(self):
        if os.path.exists(self.balloon):
            os.remove(self.balloon)

    def close(self):
        if self.is_small:
            subprocess.run(["umount", self.path], check=True)


class Soak:
    """One life after the other of the same command."""

    def __init__(self, folder, dice):
        self.folder, self.dice = folder, dice
        self.lives, self.samples, self.wrong = [], [], []
        self.counts = {}
        self.start()

    def start(self):
        self.stderr = open(os.path.join(self.folder, "../stderr"), "ab")
        self.process = subprocess.Popen(
            [WEIR, "run", "soak.lua", "--state", "STATE", "--progress", "off"], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr)
        self.stderr.close()
        self.began = time.monotonic()
        self.samples = []
        self.lives.append(self.samples)

    def look(self):
        """(seconds of this life, resident KB, descriptors)"""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
                found = re.search(r"VmRSS:\s+(\d+)", file.read())
            count = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return
        if found:
            self.samples.append((time.monotonic() - self.began, int(found.group(1)), count))

    def watch(self, seconds):
        """Looks at it for so long; False where it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                return False
            self.look()
            time.sleep(min(1 / SAMPLES_A_SECOND, max(0, until - time.monotonic())))
        return self.process.poll() is None

    def ended(self, what, *codes):
        code = self.process.wait()
        if code not in codes:
            self.wrong.append(f"{what}: exit code {code}: {self.last_words()}")

    def last_words(self):
        path = os.path.join(self.folder, "../stderr")
        with open(path, encoding="utf-8", errors="replace") as file:
            return " / ".join(file.read().strip().splitlines()[-3:])[:300]

    def fault(self, disk, load):
        kind = self.dice.choice(KINDS)
        while kind == "full" and not disk.is_small:
            kind = self.dice.choice(KINDS)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        getattr(self, "do_" + kind)(disk, load)

    def do_stop(self, _disk, _load):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.05, 2))
        self.process.send_signal(signal.SIGCONT)

    def do_torn(self, _disk, load):
        load.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        with open(os.path.join(self.folder, "../in.ndjson"), "ab", buffering=0) as file:
            file.write(b'{"id":-1,"due":0,"user":"torn","pa')
            self.watch(0.5)
            file.write(b'ge":"/torn","amount":1023}\n')
        load.send_signal(signal.SIGCONT)

    def do_kill(self, _disk, _load):
        self.process.kill()
        self.ended("kill", -signal.SIGKILL)
        self.start()

    def do_term(self, _disk, _load):
        self.process.send_signal(signal.SIGTERM)
        # Before it listens to signals it ends by them.
        self.ended("term", 128 + signal.SIGTERM, -signal.SIGTERM)
        self.start()

    def do_full(self, disk, _load):
        disk.fill()
        goes_on = self.watch(1.0)
        disk.free()
        if goes_on:
            return
        self.ended("full", 1)
        if "W610" not in self.last_words():
            self.wrong.append(f"full: {self.last_words()}")
        self.counts["full, ended"] = self.counts.get("full, ended", 0) + 1
        self.start()


def rows_seen(folder):
    try:
        database = sqlite3.connect(f"file:{folder}/out.db?mode=ro", uri=True, timeout=5)
        found = database.execute("select coalesce(sum(n), 0) from users").fetchone()[0]
        database.close()
        return found
    except sqlite3.Error:
        return 0


def results(folder):
    """What is there at the end."""
    database = sqlite3.connect(os.path.join(folder, "out.db"))
    found = [database.execute(f"select * from {table} order by 1").fetchall()
             for table in ("users", "pages")]
    database.close()
    with open(os.path.join(folder, "large.csv"), "rb") as file:
        found.append(file.read())
    return found


def slope(samples, column):
    """KB (or descriptors) a minute, by least squares, behind the start; None: too short."""
    later = [sample for sample in samples if sample[0] > WARM_SECONDS]
    if len(later) < 4 * SAMPLES_A_SECOND:
        return None
    times, values = [s[0] / 60 for s in later], [s[column] for s in later]
    return statistics.linear_regression(times, values).slope


def undisturbed():
    """The same rows, in one life, as far as there are any."""
    folder = os.path.join(measured.FOLDER, "soak/once")
    os.makedirs(folder)
    with open(os.path.join(folder, "once.lua"), "w", encoding="utf-8") as file:
        file.write(SCRIPT.replace("FOLLOW", ""))
    subprocess.run([WEIR, "run", "once.lua", "--progress", "off"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return results(folder)


def tell_slopes(lives):
    long = [life for life in lives if slope(life, 1) is not None]
    for column, unit in ((1, "KB of memory"), (2, "descriptors")):
        within = [slope(life, column) for life in long]
        most = max(sample[column] for life in lives for sample in life)
        print(f"{unit}: at most {most:,}; a minute, within {len(within)} lives of "
              f"{max((life[-1][0] for life in long), default=0):.0f} s at most: median "
              f"{statistics.median(within) if within else 0:+,.1f}", end="")
        begun, starts = 0, []
        for life in lives:
            early = [sample for sample in life if sample[0] > WARM_SECONDS]
            if early:
                starts.append((begun / 60, early[0][column]))
            begun += life[-1][0] if life else 0
        # The first lives fill the state.
        starts = starts[len(starts) // 3:]
        if len(starts) > 2:
            over = statistics.linear_regression([x for x, _ in starts], [y for _, y in starts])
            print(f"; over {len(starts)} lives: {over.slope:+,.1f}", end="")
        print()


def catch_up(soak, rows):
    """Waits until all rows are there; how long that took."""
    began = time.monotonic()
    while rows_seen(soak.folder) < rows:
        if not soak.watch(0.25) or time.monotonic() - began > CATCH_UP_SECONDS_MAX:
            sys.exit(f"soak: {rows_seen(soak.folder):,} of {rows:,} rows within "
                     f"{CATCH_UP_SECONDS_MAX} s: {soak.last_words()}")
    return time.monotonic() - began


def run(soak, disk, dice, options):
    """The whole of it; exit code."""
    load = subprocess.Popen([LOAD, str(options.rate), str(int(options.minutes * 60)),
                             "../in.ndjson", "../load", "rests"], cwd=soak.folder)
    while load.poll() is None:
        if not soak.watch(dice.uniform(0.5, 1.5) * options.every):
            soak.wrong.append(f"ended by itself: {soak.last_words()}")
            soak.start()
        if load.poll() is None:
            soak.fault(disk, load)
    rows = options.rate * int(options.minutes * 60) + soak.counts.get("torn", 0)
    lag = catch_up(soak, rows)
    soak.process.send_signal(signal.SIGTERM)
    soak.ended("end", 128 + signal.SIGTERM)
    print(f"{rows:,} rows, {len(soak.lives)} lives; faults: " +
          ", ".join(f"{count} {kind}" for kind, count in sorted(soak.counts.items())))
    if not disk.is_small:
        print("no tmpfs may be mounted here: no `full`")
    print(f"all rows were there {lag:.1f} s after the last one came")
    tell_slopes([life for life in soak.lives if life])
    if results(soak.folder) != undisturbed():
        soak.wrong.append("what is there differs from what an undisturbed run leaves")
    for wrong in soak.wrong:
        print(wrong)
    print(f"{len(soak.counts)} kinds of faults, {len(soak.wrong)} violations")
    return 1 if soak.wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("minutes", type=float, nargs="?", default=10)
    parser.add_argument("--rate", type=int, default=20000)
    parser.add_argument("--every", type=float, default=4, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    folder = probed.Folder("soak")
    small = folder.file("small")
    os.mkdir(small)
    disk = Disk(small, DISK_MB)
    print(f"{measured.machine()}; {options.minutes:g} minutes, {options.rate:,} rows a second, "
          f"--seed {options.seed}", flush=True)
    folder.write("in.ndjson", "")
    folder.write("small/soak.lua", SCRIPT.replace("FOLLOW", "follow = true,"))
    dice = random.Random(options.seed)
    soak = Soak(small, dice)
    try:
        return run(soak, disk, dice, options)
    finally:
        soak.process.kill()
        soak.process.wait()
        disk.close()


if __name__ == "__main__":
    sys.exit(main())
