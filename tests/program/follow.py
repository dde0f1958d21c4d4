#!/usr/bin/env python3
"""follow.py: files that grow, are rotated and cut while they are read; directories that fill.

    follow.py PROGRAM

What waits for the clock has its unit tests, conn/test_follow. Here are the file system and the
signals of the machine: programs that write, and kill -9.
"""

import collections
import gzip
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SECONDS_MAX = 20
AT_ONCE = 4 # tests: they wait most of the time
FOLLOW = 'weir.read("app.ndjson", { follow = true, schema = "n int64" })'
WATCH = 'weir.read("in/*", { follow = true, schema = "n int64", format = "ndjson" })'


def line(number):
    return f'{{"n":{number}}}\n'


def gaps(rows):
    there = set(rows)
    return [n for n in range(max(there, default=0)) if n not in there][:20]


class Place:
    """A folder with a script in it, and its runs."""

    def __init__(self, weir, script):
        self.weir, self.folder = weir, tempfile.mkdtemp(prefix="weir-follow-")
        self.process = None
        os.mkdir(self.path("in"))
        self.write("job.lua", script)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def append(self, name, *numbers):
        with open(self.path(name), "a", encoding="utf-8") as file:
            file.write("".join(line(n) for n in numbers))

    def arrive(self, name, text):
        """A file that is there at once, as those who write into a directory should do it."""
        self.write("whole", text)
        os.rename(self.path("whole"), self.path(name))

    def start(self, *arguments, before=None):
        with open(self.path("stderr"), "ab") as stderr:
            self.process = subprocess.Popen([self.weir, "run", "job.lua", *arguments],
                                            cwd=self.folder, stdout=subprocess.DEVNULL,
                                            stderr=stderr, preexec_fn=before)

    def end(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(number)
        code = self.process.wait(SECONDS_MAX)
        self.process = None
        return code

    def run(self, *arguments, until):
        self.start(*arguments)
        self.wait(until)
        assert self.process.poll() is None, self.stderr()
        return self.end()

    def stderr(self):
        with open(self.path("stderr"), encoding="utf-8") as file:
            return file.read()

    def rows(self):
        """What is in out.ndjson, as far as lines are whole."""
        if not os.path.exists(self.path("out.ndjson")):
            return []
        with open(self.path("out.ndjson"), encoding="utf-8") as file:
            return [json.loads(row)["n"] for row in file.read().split("\n")[:-1]]

    def stored(self):
        try:
            with sqlite3.connect(self.path("out.db")) as db:
                return [n for (n,) in db.execute("select n from t order by rowid")]
        except sqlite3.OperationalError:  # there is no table yet
            return []

    def wait(self, condition):
        end = time.monotonic() + SECONDS_MAX
        while not condition():
            if time.monotonic() > end or (self.process and self.process.poll() is not None):
                raise AssertionError(f"waited in vain; rows {self.rows()[-20:]}, missing "
                                     f"{gaps(self.rows())}\n{self.stderr()}")
            time.sleep(0.01)

    def wait_for(self, *numbers):
        self.wait(lambda: len(self.rows()) >= len(numbers))
        assert self.rows() == list(numbers), f"{self.rows()} for {list(numbers)}\n{self.stderr()}"

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)


APPEND = ':write("out.ndjson", { mode = "append" })'
STATE = ("--state", "job.state")
SHORT = 'weir.settings { checkpoint = "50ms" }\n'


def grows_line_by_line(place):
    place.write("app.ndjson", line(1))
    place.start(*STATE)
    place.wait_for(1)
    place.append("app.ndjson", 2, 3)
    place.wait_for(1, 2, 3)
    with open(place.path("app.ndjson"), "a", encoding="utf-8") as file:
        file.write(line(4) + line(5)[:4])
        file.flush()
        place.wait_for(1, 2, 3, 4)
        time.sleep(0.2)
        place.wait_for(1, 2, 3, 4)
        file.write(line(5)[4:])
    place.wait_for(1, 2, 3, 4, 5)


grows_line_by_line.script = SHORT + FOLLOW + APPEND


def is_rotated(place):
    place.append("app.ndjson", 1)
    place.start(*STATE)
    place.wait_for(1)
    os.rename(place.path("app.ndjson"), place.path("app.ndjson.1"))
    place.append("app.ndjson", 4)
    place.append("app.ndjson.1", 2)  # who writes it has not been told yet
    with open(place.path("app.ndjson.1"), "a", encoding="utf-8") as file:
        file.write('{"n":3}')  # and is killed
    place.wait_for(1, 2, 3, 4)
    os.remove(place.path("app.ndjson"))
    place.append("app.ndjson", 5)
    place.wait_for(1, 2, 3, 4, 5)
    assert place.stderr().count("note") == 0, place.stderr()


is_rotated.script = SHORT + FOLLOW + APPEND


def rotated_twice_while_it_was_down(place):
    place.append("app.ndjson", 1)
    place.run(*STATE, until=lambda: place.rows() == [1])
    place.append("app.ndjson", 2)
    os.rename(place.path("app.ndjson"), place.path("app.ndjson.2"))
    time.sleep(0.02)
    place.append("app.ndjson.1", 3)
    time.sleep(0.02)
    place.append("app.ndjson", 4)
    place.start(*STATE)
    place.wait_for(1, 2, 3, 4)


rotated_twice_while_it_was_down.script = SHORT + FOLLOW + APPEND


def compressed_while_it_was_down(place):
    place.append("app.ndjson", 1)
    place.run(*STATE, until=lambda: place.rows() == [1])
    place.append("app.ndjson", 2)
    with open(place.path("app.ndjson"), "rb") as old, \
            gzip.open(place.path("app.ndjson.1.gz"), "wb") as new:
        new.write(old.read())
    os.remove(place.path("app.ndjson"))
    time.sleep(0.02)
    place.append("app.ndjson", 3)
    place.start(*STATE)
    place.wait_for(1, 2, 3)


compressed_while_it_was_down.script = SHORT + FOLLOW + APPEND


def lost_while_it_was_down(place):
    place.append("app.ndjson", 1, 2, 3)
    place.run(*STATE, until=lambda: place.rows() == [1, 2, 3])
    os.remove(place.path("app.ndjson"))
    place.append("app.ndjson", 4)
    place.start(*STATE)
    assert place.process.wait(SECONDS_MAX) == 1
    place.process = None
    assert "error[W616]" in place.stderr() and "byte 24" in place.stderr(), place.stderr()
    assert place.rows() == [1, 2, 3]


lost_while_it_was_down.script = SHORT + FOLLOW + APPEND


def cut_is_told(place):
    place.append("app.ndjson", 1, 2)
    place.start(*STATE)
    place.wait_for(1, 2)
    with open(place.path("app.ndjson"), "w", encoding="utf-8") as file:
        file.write(line(3))
    place.wait_for(1, 2, 3)
    assert "it was cut: it was read up to byte 16 and has" in place.stderr(), place.stderr()


cut_is_told.script = SHORT + FOLLOW + APPEND


def filled_again_is_told(place):
    place.append("app.ndjson", 1, 2)
    place.start(*STATE)
    place.wait_for(1, 2)
    os.kill(place.process.pid, signal.SIGSTOP)  # so that it sees only what comes of it
    place.write("app.ndjson", "".join(line(n) for n in (3, 4, 5)))
    os.kill(place.process.pid, signal.SIGCONT)
    place.wait_for(1, 2, 3, 4, 5)
    assert "it was emptied and written anew" in place.stderr(), place.stderr()


filled_again_is_told.script = SHORT + FOLLOW + APPEND


def signal_ends_it_with_a_checkpoint(place):
    place.append("app.ndjson", 1)
    place.start(*STATE)
    place.wait(lambda: os.path.exists(place.path("job.state")))
    time.sleep(0.3)
    assert place.end(signal.SIGINT) == 130
    assert place.rows() == [1]
    place.append("app.ndjson", 2)
    place.start(*STATE)
    time.sleep(0.3)
    assert place.end(signal.SIGTERM) == 143
    assert place.rows() == [1, 2], place.stderr()


signal_ends_it_with_a_checkpoint.script = \
    'weir.settings { checkpoint = "1h" }\n' + FOLLOW + APPEND


def limit_ends_it(place):
    place.append("app.ndjson", 1, 2)
    place.start("--limit", "3")
    time.sleep(0.1)
    place.append("app.ndjson", 3, 4)
    assert place.process.wait(SECONDS_MAX) == 0
    place.process = None
    place.wait_for(1, 2, 3)


limit_ends_it.script = FOLLOW + APPEND


def last_window_closes_by_the_clock(place):
    place.append("app.ndjson", 1, 2, 3)
    place.start()
    place.wait(lambda: place.stored() == [3])


last_window_closes_by_the_clock.script = SHORT + f"""{FOLLOW}
  :derive "ts = timestamp(1700000000 + n, 's')":event_time("ts", {{ idle = "100ms" }})
  :window(weir.tumbling "4s"):agg "n = count()"
  :write("sqlite:out.db", {{ table = "t", mode = "append" }})"""


def directory_fills(place):
    place.append("in/b", 1)
    place.write("in/c.tmp", line(90))
    place.write("in/.d", line(91))
    place.start(*STATE)
    place.wait_for(1)
    place.arrive("in/c", line(2))
    place.wait_for(1, 2)
    place.arrive("in/a", line(3))  # before those that are read
    place.wait_for(1, 2, 3)
    place.append("in/b", 4)
    place.wait_for(1, 2, 3, 4)
    with gzip.open(place.path("whole"), "wb") as file:
        file.write(line(5).encode())
    os.rename(place.path("whole"), place.path("in/a.gz"))
    place.wait_for(1, 2, 3, 4, 5)
    place.end()
    place.append("in/a", 6)
    place.arrive("in/d", line(7))
    os.remove(place.path("in/c"))
    place.start(*STATE)
    place.wait_for(1, 2, 3, 4, 5, 6, 7)


directory_fills.script = SHORT + WATCH + APPEND


def files_of_a_directory_are_rotated_and_written_anew(place):
    place.append("in/a", 1)
    place.start(*STATE)
    place.wait_for(1)
    os.rename(place.path("in/a"), place.path("in/a.1"))
    place.append("in/a.1", 2)
    place.append("in/a", 3)
    place.wait(lambda: len(place.rows()) == 3)
    assert sorted(place.rows()) == [1, 2, 3]
    place.write("in/a", line(4) + line(5))
    place.wait(lambda: len(place.rows()) == 5)
    assert sorted(place.rows()) == [1, 2, 3, 4, 5]
    assert place.stderr().count("in/a: it was written anew") == 1, place.stderr()


files_of_a_directory_are_rotated_and_written_anew.script = SHORT + WATCH + APPEND


def many_files_with_few_descriptors(place):
    for n in range(1500):
        place.write(f"in/{n:05}", line(n))
    place.start(*STATE, before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))
    place.wait_for(*range(1500))


many_files_with_few_descriptors.script = SHORT + WATCH + APPEND


def quiet_run_sleeps(place):
    place.append("app.ndjson", 1)
    place.start()
    time.sleep(0.3)
    with open(f"/proc/{place.process.pid}/stat", encoding="utf-8") as file:
        before = [int(x) for x in file.read().split()[13:15]]
    time.sleep(2)
    with open(f"/proc/{place.process.pid}/stat", encoding="utf-8") as file:
        after = [int(x) for x in file.read().split()[13:15]]
    used = (sum(after) - sum(before)) / os.sysconf("SC_CLK_TCK") / 2
    assert used < 0.1, f"{used * 100:.1f} % of a processor with nothing to read"


quiet_run_sleeps.script = FOLLOW + ':write "blackhole:"'

TO_BOTH = ':write("out.ndjson", { mode = "append" })' \
    ':write("sqlite:out.db", { table = "t", mode = "append" })'


def killed_at_any_time(place, step, ends):
    """Runs that are killed while `step` writes 0, 1, 2 …: all of it must be there once."""
    chance = random.Random(int(os.environ.get("WEIR_SEED", "1")))
    written = step(chance, 0)
    place.run(*STATE, until=lambda: len(place.rows()) == written)
    for _ in range(12):
        place.start(*STATE)
        for _ in range(chance.randrange(1, 6)):
            written = step(chance, written)
            time.sleep(chance.random() * 0.04)
        place.end(signal.SIGKILL)
    place.start(*STATE)
    place.wait(lambda: len(place.rows()) >= written)
    time.sleep(0.2)
    place.end()
    for rows in (place.rows(), place.stored()):
        twice = sorted(n for n, count in collections.Counter(rows).items() if count > 1)[:20]
        assert ends(rows) == list(range(written)), \
            f"missing {gaps(rows)}, twice {twice}\n{rows}\n{place.stderr()}"


def follows_through_kills(place):
    def step(chance, written):
        count = chance.randrange(1, 50)
        place.append("app.ndjson", *range(written, written + count))
        if written > 0 and chance.random() < 0.15:
            number = 1 + len([x for x in os.listdir(place.folder) if x.startswith("app.ndjson.")])
            os.rename(place.path("app.ndjson"), place.path(f"app.ndjson.{number}"))
            time.sleep(0.02)  # so that the next one is later by the clock of the file system
        return written + count

    killed_at_any_time(place, step, lambda rows: rows)


follows_through_kills.script = SHORT + FOLLOW + TO_BOTH


def watches_through_kills(place):
    def step(chance, written):
        count = chance.randrange(1, 50)
        numbers = range(written, written + count)
        if chance.random() < 0.5:
            place.append(f"in/grows{chance.randrange(3)}", *numbers)
        else:
            place.arrive(f"in/{chance.randrange(10 ** 9):09}", "".join(map(line, numbers)))
        return written + count

    killed_at_any_time(place, step, sorted)
    assert place.rows() == place.stored()


watches_through_kills.script = SHORT + WATCH + TO_BOTH


def compress(place, name):
    """As logrotate does: beside it, with the time of the original, and then that goes."""
    with open(place.path(name), "rb") as old, gzip.open(place.path(name + ".gz"), "wb") as new:
        for byte in range(0, os.path.getsize(place.path(name)), 997):
            new.write(old.read(997))
            if byte % 3 == 0:
                new.flush()
    shutil.copystat(place.path(name), place.path(name + ".gz"))
    os.remove(place.path(name))


def rotate(place, chance):
    """Older files move on by one, the newest but one is compressed (delaycompress)."""
    if not os.path.exists(place.path("in/a.log")):
        return
    for number in range(30, 0, -1):
        for ending in ("", ".gz"):
            if os.path.exists(place.path(f"in/a.log.{number}{ending}")):
                os.rename(place.path(f"in/a.log.{number}{ending}"),
                          place.path(f"in/a.log.{number + 1}{ending}"))
    os.rename(place.path("in/a.log"), place.path("in/a.log.1"))
    for number in (1, 2):
        if os.path.exists(place.path(f"in/a.log.{number}")) and chance.random() < number - 0.5:
            compress(place, f"in/a.log.{number}")
    time.sleep(0.02)  # so that the next one is later by the clock of the file system


def globs_are_rotated_and_compressed_through_kills(place):
    def step(chance, written):
        count = chance.randrange(1, 50)
        place.append("in/a.log", *range(written, written + count))
        if written > 0 and place.process is not None and chance.random() < 0.2:
            place.wait(lambda: len(place.rows()) >= written + count)  # more often than this …
            rotate(place, chance)
            time.sleep(0.3)  # … nobody rotates
        return written + count

    killed_at_any_time(place, step, sorted)
    notes = [one for one in place.stderr().splitlines()
             if one.startswith("note") and "they were of no checkpoint" not in one
             and "it goes on behind its checkpoint" not in one]
    assert not notes, notes


globs_are_rotated_and_compressed_through_kills.script = SHORT \
    + WATCH.replace("in/*", "in/*.log") + TO_BOTH


def directories_are_rotated_and_compressed_through_kills(place):
    globs_are_rotated_and_compressed_through_kills(place)


directories_are_rotated_and_compressed_through_kills.script = SHORT + WATCH + TO_BOTH


def is_renamed_out_of_a_glob_as_it_is_written(place):
    place.append("in/a.log", 0)
    place.start(*STATE)
    place.wait_for(0)
    with open(place.path("in/a.log"), "a", encoding="utf-8") as old:
        for n in range(1, 400):
            old.write(line(n))
            old.flush()
            if n == 200:
                os.rename(place.path("in/a.log"), place.path("elsewhere"))
            time.sleep(0.001)
    place.append("in/a.log", *range(400, 500))
    place.wait(lambda: len(place.rows()) >= 500)
    time.sleep(0.3)
    assert sorted(place.rows()) == list(range(500)), place.stderr()
    assert "note" not in place.stderr(), place.stderr()


is_renamed_out_of_a_glob_as_it_is_written.script = SHORT \
    + WATCH.replace("in/*", "in/*.log") + APPEND


def many_are_moved_away_at_once(place):
    """Rows that were written just before: the files are open, and read to their ends."""
    def write(first):
        for n in range(40):
            place.append(f"in/{n}.log", first + n)

    os.mkdir(place.path("old"))
    write(0)
    place.start(*STATE)
    place.wait(lambda: len(place.rows()) == 40)
    for turn in range(3):
        write(80 * turn + 40)
        for n in range(40):
            os.rename(place.path(f"in/{n}.log"), place.path(f"old/{turn}-{n}"))
        write(80 * turn + 80)
        place.wait(lambda turn=turn: len(place.rows()) >= 80 * turn + 120)
        time.sleep(1.2)  # what was moved away is let go of
    assert sorted(place.rows()) == list(range(280)), place.stderr()


many_are_moved_away_at_once.script = SHORT + WATCH.replace("in/*", "in/*.log") + APPEND


def copied_job_goes_on(place):
    for n in range(3):
        place.append(f"in/{n}", 2 * n)
    place.run(*STATE, until=lambda: len(place.rows()) == 3)
    whole = place.folder
    place.folder += "-copy"
    shutil.copytree(whole, place.folder)
    shutil.rmtree(whole)
    place.append("in/1", 3)
    place.start(*STATE)
    place.wait_for(0, 2, 4, 3)
    time.sleep(0.3)
    assert place.end() == 143
    assert place.rows() == [0, 2, 4, 3], place.rows()
    notes = [one for one in place.stderr().splitlines() if one.startswith("note")]
    assert len(notes) == 1 and "3 rows are read already" in notes[0], notes


copied_job_goes_on.script = SHORT + WATCH + APPEND


def standard_input_cannot_go_on(place):
    run = [place.weir, "run", "job.lua", *STATE, "--limit", "1000"]
    with subprocess.Popen(run, cwd=place.folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        for rows in (range(5), range(5, 6)):
            process.stdin.write("".join(map(line, rows)).encode())
            process.stdin.flush()
            # Rows are there before the checkpoint that has them; the next ones behind it.
            place.wait(lambda rows=rows: len(place.rows()) == rows.stop)
        process.kill()
    for text, code in (("".join(map(line, range(5, 9))), 1), ("", 1),
                       ("".join(map(line, range(9))), 0)):
        ended = subprocess.run(run, cwd=place.folder, input=text, capture_output=True, text=True,
                               timeout=SECONDS_MAX, check=False)
        assert ended.returncode == code, ended.stderr
        if code == 1:
            assert re.search(r"error\[W616\]: the standard input was read up to byte (40|48)",
                             ended.stderr), ended.stderr
    assert place.rows() == list(range(9))


standard_input_cannot_go_on.script = SHORT + 'weir.read("-", { schema = "n int64" })' + APPEND


def rolls_through_kills(place):
    def step(chance, written):
        count = chance.randrange(1, 50)
        place.append("app.ndjson", *range(written, written + count))
        return written + count

    def parts():
        names = sorted(x for x in os.listdir(place.path("out")) if not x.startswith("."))
        assert names == [f"part-{n:010}.ndjson" for n in range(len(names))], names
        rows = []
        for name in names:
            with open(place.path("out/" + name), encoding="utf-8") as file:
                rows.append([json.loads(row)["n"] for row in file])
        assert all(len(part) == 20 for part in rows), rows
        return [n for part in rows for n in part]

    killed_at_any_time(place, step, lambda rows: rows)
    total = len(place.rows())
    assert parts() == list(range(total // 20 * 20))
    place.append("app.ndjson", *range(total, total // 20 * 20 + 25))
    shutil.rmtree(place.path("out"))
    place.start()  # without a state: all of it, and the last part when it is stopped
    place.wait(lambda: len(place.rows()) == total + total // 20 * 20 + 25)
    place.end()
    names = sorted(x for x in os.listdir(place.path("out")))
    with open(place.path("out/" + names[-1]), encoding="utf-8") as file:
        assert [json.loads(row)["n"] % 20 for row in file] == list(range(5)), names


rolls_through_kills.script = SHORT + FOLLOW + TO_BOTH \
    + ':write("out/", { format = "ndjson", roll = { rows = 20 } })'

TESTS = [follows_through_kills, watches_through_kills, rolls_through_kills, # the longest first
         globs_are_rotated_and_compressed_through_kills,
         directories_are_rotated_and_compressed_through_kills,
         is_renamed_out_of_a_glob_as_it_is_written,
         many_are_moved_away_at_once, copied_job_goes_on,
         grows_line_by_line, is_rotated, rotated_twice_while_it_was_down,
         compressed_while_it_was_down, lost_while_it_was_down, cut_is_told, filled_again_is_told,
         signal_ends_it_with_a_checkpoint, limit_ends_it, last_window_closes_by_the_clock,
         directory_fills, files_of_a_directory_are_rotated_and_written_anew,
         many_files_with_few_descriptors, quiet_run_sleeps, standard_input_cannot_go_on]


def play(name):
    """(what went wrong, the seconds that it took)"""
    test = globals()[name]
    place, begin, wrong = Place(os.path.abspath(sys.argv[1]), test.script), time.monotonic(), ""
    try:
        test(place)
    except (AssertionError, subprocess.TimeoutExpired, sqlite3.Error) as error:
        wrong = f"FAILED {name}: {error}"
    finally:
        place.close()
    return wrong, time.monotonic() - begin


def main():
    only = sys.argv[2:]
    names = [test.__name__ for test in TESTS if not only or test.__name__ in only]
    failed = 0
    with multiprocessing.Pool(AT_ONCE) as pool:
        for name, (wrong, seconds) in zip(names, pool.imap(play, names)):
            failed += wrong != ""
            if wrong:
                print(wrong)
            if only:
                print(f"{name}: {seconds:.2f} s")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
