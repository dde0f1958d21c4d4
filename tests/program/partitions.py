#!/usr/bin/env python3
"""partitions.py: directories of very many partitions.

    partitions.py PROGRAM [NAME...]

Partitions whose files are complete, and that no row comes to, leave memory and the checkpoints. One
that rows come to again goes on behind the number of its last file, whether or not a reader has
taken that away, and wherever the run was killed meanwhile.
"""

import datetime
import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from cases import case, main

SECONDS_MAX = 120
PARTITIONS = 3000  # more than stay in memory
TURNS = 4
AGAIN = '''
weir.settings { checkpoint = "10ms" }
weir.generate { rows = ROWS, columns = "id = i" }
  :write("out/", { format = "csv", partition_by = "k = id % PARTITIONS", roll = { rows = 1 }MODE })
'''.replace("ROWS", str(PARTITIONS * TURNS)).replace("PARTITIONS", str(PARTITIONS))
STREAM = '''
weir.settings { checkpoint = "50ms" }
weir.read("-", { schema = "id int64, ts timestamp", format = "csv" })
  :event_time("ts", { max_delay = "1m" })
  :write("out/", { format = "csv", partition_by = "k = id", roll = { quiet = "5m" } })
'''
RATE = 5000  # rows a second
BEGIN = datetime.datetime(2024, 1, 1)


class Place:
    """An empty folder with a script."""

    def __init__(self, program, folder):
        below = "/dev/shm" if os.access("/dev/shm", os.W_OK) else folder # no disk that others use
        self.held = tempfile.TemporaryDirectory(prefix="weir-partitions-", dir=below)
        self.program, self.folder = program, self.held.name
        os.mkdir(self.path("taken"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def script(self, text):
        with open(self.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, *words, **more):
        return subprocess.Popen([self.program, "run", "job.lua", "--progress", "off", *words],
                                cwd=self.folder, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, **more)

    def end(self, run):
        said = run.communicate(timeout=SECONDS_MAX)[1].decode()
        assert run.returncode == 0, f"{run.returncode}: {said}"
        return said

    def take(self, share):
        """A reader takes some of what has its name away; nothing has a name twice."""
        for path in glob.glob(self.path("out", "k=*", "part-*")):
            if random.random() < share:
                here = os.path.relpath(path, self.path("out")).replace("/", "_")
                assert not os.path.exists(self.path("taken", here)), f"{here} came again"
                os.rename(path, self.path("taken", here))

    def rows(self):
        """(partition, number of the file, id) of each row."""
        found = []
        for path in glob.glob(self.path("taken", "*")) + glob.glob(self.path("out", "k=*", "*")):
            name = os.path.relpath(path, self.folder).replace("/", "_")
            k, number = re.search(r"k=(\d+)_part-(\d+)\.csv$", name).groups()
            with open(path, encoding="utf-8") as file:
                lines = file.read().split("\n")
            assert len(lines) == 3 and lines[0] == "id", lines
            found.append((int(k), int(number), int(lines[1])))
        return sorted(found)

    def check(self):
        wanted = sorted((i % PARTITIONS, (i - (i % PARTITIONS or PARTITIONS)) // PARTITIONS, i)
                        for i in range(1, PARTITIONS * TURNS + 1))
        found = self.rows()
        assert len(found) == len(wanted), f"{len(found)} rows, not {len(wanted)}"
        assert found == wanted, [pair for pair in zip(found, wanted) if pair[0] != pair[1]][:5]


@case
def partitions_that_come_again(place):
    """Without a state, and in one life."""
    for words in ((), ("--state", "st")):
        place.script(AGAIN.replace("MODE", ""))
        place.end(place.start(*words))
        place.check()
        subprocess.run(["rm", "-rf", place.path("out")], check=True)


@case
def partitions_that_come_again_behind_kills(place):
    """A reader takes files away between the lives, and while they last."""
    for mode in ("", ', mode = "append"'):
        place.script(AGAIN.replace("MODE", mode))
        for life in range(8):
            run = place.start("--state", "st")
            for _ in range(random.randrange(1, 4)):
                time.sleep(random.uniform(0, 0.15))
                place.take(0.2)
            run.kill()
            run.wait()
            run.stderr.close()
            place.take(0.3 if life % 2 else 0)
        place.end(place.start("--state", "st"))
        place.check()
        hidden = glob.glob(place.path("out", "**", ".*"), recursive=True)
        assert not hidden, hidden[:5]
        subprocess.run(["rm", "-rf", place.path("out"), place.path("st")], check=True)
        subprocess.run(["rm", "-rf", place.path("taken")], check=True)
        os.mkdir(place.path("taken"))


@case
def a_stream_through_many_partitions(place):
    """Neither memory nor what a checkpoint writes grows with those that are behind it."""
    place.script(STREAM)
    run = place.start("--state", "st", stdin=subprocess.PIPE)
    run.stdin.write(b"id,ts\n")
    begin, was, seen = time.monotonic(), (0, 0), []

    def measure():
        with open(f"/proc/{run.pid}/io", encoding="utf-8") as file:
            written = int(re.search(r"wchar: (\d+)", file.read())[1])
        with open(f"/proc/{run.pid}/status", encoding="utf-8") as file:
            return written, int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    for i in range(24000):
        time_of = (BEGIN + datetime.timedelta(minutes=i)).isoformat()
        run.stdin.write(f"{i},{time_of}Z\n".encode())
        if i % 200 == 199:
            run.stdin.flush()
            time.sleep(max(0, i / RATE - (time.monotonic() - begin)))
        if i % 4000 == 3999:
            while len(os.listdir(place.path("out"))) < i - 400 and run.poll() is None:
                time.sleep(0.05)  # a busy machine is behind
            has = measure()
            seen.append(((has[0] - was[0]) // 4000, has[1]))
            was = has
    run.stdin.close()
    run.stdin = None
    self_said = place.end(run)
    assert len(os.listdir(place.path("out"))) == 24000, self_said
    # Bytes a partition; with all of them in each checkpoint it was 400 more for each 8,000.
    assert seen[-1][0] < 1.5 * seen[1][0] + 100, seen
    assert seen[-1][1] < seen[1][1] + 4096, seen  # KB
    print("bytes written a partition, and KB of memory:", seen)


if __name__ == "__main__":
    sys.exit(main(Place))
