#!/usr/bin/env python3
"""breaker.py PROGRAM [TEST...]: sinks that fail for a while. A SQLite file that another process has
locked, disks (of files, of a database, of the state) that are full and are emptied again: shorter
and longer than they are waited for, with the program killed or stopped while it waits. After it all
what was written has each row once."""

import atexit
import json
import contextlib
import os
import shutil
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from trials import DICE, Failure, run_all, same

SECONDS_MAX = 60
AT_ONCE = 5  # seconds in which a machine that is busy stops a program that does not wait
DISK_BYTES = 2 << 20

LIVE = '''
weir.settings { checkpoint = "20ms" }
weir.read("in.ndjson", { schema = "id int64, t string", follow = true })
  :write(%s)
'''
BOUNDED = '''
weir.settings { checkpoint = "20ms" }
weir.generate { rows = 20000, columns = "id = i, t = 'x'" }
  :write(%s)
'''
QUICK = 'breaker = { failures = 3, cooldown = "100ms" }, retry_min = "5ms", retry_max = "20ms"'
TO_TABLE = '"sqlite:disk/out.db", { table = "t", mode = "append", %s }'
TO_FILES = '"disk/out/", { format = "ndjson", roll = { rows = 1000 }, %s }'
TO_FILE = '"disk/out.ndjson", { %s }'


class Life:
    """A process of the program, and what it says while it lives."""

    def __init__(self, place, *arguments, limit=None):
        def may_have():
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        self.process = subprocess.Popen([place.weir, "run", "job.lua", *arguments],
                                        cwd=place.folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=may_have)
        self.said = ""
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stderr:
            self.said += line.decode(errors="replace")

    def wait_for(self, what, is_there):
        until = time.monotonic() + SECONDS_MAX
        while not is_there():
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                self.thread.join(5)
                raise Failure(f"{what} did not come: exit {self.process.returncode}\n{self.said}")
            time.sleep(0.01)

    def wait_until_said(self, text):
        self.wait_for(f"`{text}`", lambda: text in self.said)

    def end(self, wanted, number=None, within=SECONDS_MAX):
        """Sends a signal and waits; the exit code must be `wanted`."""
        if number is not None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"it did not end in {within} s:\n{self.said}") from None
        self.thread.join(5)
        if code != wanted:
            raise Failure(f"exit code {code}, not {wanted}:\n{self.said}")
        return self.said


class Place:
    """A directory with a script, its input, its state and `disk`, which may be a small one."""

    def __init__(self, weir, script, is_small=False):
        self.weir = weir
        self.held = tempfile.TemporaryDirectory(prefix="weir-breaker-")
        self.folder = self.held.name
        self.rows = 0
        self.mounted = is_small
        os.mkdir(self.path("disk"))
        if is_small:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none",
                            self.path("disk")], check=True)
            atexit.register(self.close)  # of a test that failed
        with open(self.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        self.feed(1000)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path("disk")], check=True)
            self.mounted = False
        self.held.cleanup()

    def path(self, name):
        return os.path.join(self.folder, name)

    def feed(self, count, length=20):
        with open(self.path("in.ndjson"), "a", encoding="utf-8") as file:
            for _ in range(count):
                self.rows += 1
                text = "%0*d" % (length, DICE.randrange(10 ** 9))
                file.write('{"id":%d,"t":"%s"}\n' % (self.rows, text))

    def start(self, *arguments, limit=None):
        return Life(self, *arguments, limit=limit)

    def complete(self, state="st"):
        """A life in which nothing happens, up to the last row."""
        self.start("--state", state, "--until", f"{self.rows}rows", "--drain").end(0)

    def table(self):
        with sqlite3.connect(self.path("disk/out.db")) as db:
            rows = [row[0] for row in db.execute("select id from t order by id")]
        db.close()
        return rows

    def count(self):
        try:
            return len(self.table())
        except sqlite3.Error:
            return 0

    def files(self):
        rows = []
        for folder, _, names in os.walk(self.path("disk")):
            for name in sorted(names):
                if name.endswith(".ndjson"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        rows += [json.loads(line)["id"] for line in file]
        return rows

    def lock(self, kind="exclusive"):
        """A shared one lets the program write, and not commit."""
        db = sqlite3.connect(self.path("disk/out.db"), isolation_level=None,
                             check_same_thread=False, timeout=SECONDS_MAX)
        db.execute("pragma locking_mode = normal")
        db.execute("begin exclusive" if kind == "exclusive" else "begin")
        db.execute("select count(*) from other").fetchall()
        return db

    def fill(self):
        """Leaves no room on the disk; again while the program gives some back."""
        with open(self.path("disk/filler"), "ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def fill_until(self, life, is_there):
        def filled_again():
            self.fill()
            return is_there()
        life.wait_for("W619 of a full disk", filled_again)

    def empty(self):
        os.truncate(self.path("disk/filler"), 0)


def all_rows(place):
    return list(range(1, place.rows + 1))


# ---- a file that may not be larger -----------------------------------------------------------


def a_file_as_large_as_it_may_be_is_not_waited_for(weir):
    """No room will come: the run ends, and goes on when it may."""
    for to in (TO_FILE % ('mode = "append", ' + QUICK), TO_FILE % QUICK):
        place = Place(weir, LIVE % to)
        place.feed(20000, 40)
        for _ in range(2):
            life = place.start("--state", "st", limit=1 << 20)
            said = life.end(1, within=AT_ONCE)
            for text in ("error[W615]", "File too large", "may have 1048576 bytes (`ulimit -f`)"):
                same(text, text in said, True)
        if "append" in to:
            place.complete()
            same("the file", place.files(), all_rows(place))
        place.close()


def a_database_as_large_as_it_may_be_is_not_waited_for(weir):
    """SQLite says `disk I/O error` of it: of a sink, of a table in the state, of the state."""
    for to, limit in ((TO_TABLE % QUICK, 1 << 20), ('"state:t", { mode = "append" }', 1 << 20),
                      (TO_TABLE % QUICK, 50000)):
        place = Place(weir, LIVE % to)
        place.feed(20000, 40)
        for _ in range(2):
            said = place.start("--state", "st", limit=limit).end(1, within=AT_ONCE)
            for text in ("error[W615]", f"File too large: a file of this process may have {limit} "
                         "bytes (`ulimit -f`)", "help: raise the limit (`ulimit -f unlimited`)"):
                same(said, text in said, True)
        place.complete()
        if "state:" not in to:
            same("the table", place.table(), all_rows(place))
        place.close()


# ---- a database that is locked ---------------------------------------------------------------


def locked_table(weir, script=BOUNDED, options=""):
    place = Place(weir, script % (TO_TABLE % options))
    with sqlite3.connect(place.path("disk/out.db")) as db:
        db.execute("create table other(a)")
    db.close()
    return place


def a_lock_is_waited_for(weir):
    place = locked_table(weir, options='timeout = "50s"')
    lock = place.lock()
    life = place.start("--state", "st")
    threading.Timer(0.5, lambda: (lock.execute("rollback"), lock.close())).start()
    said = life.end(0)
    same("what it waited is said", "of waiting for sinks" in said, True)
    same("no breaker", "W619" in said, False)
    same("the table", place.table(), list(range(1, 20001)))
    place.close()


def a_lock_that_stays_ends_a_run_whose_input_ends(weir):
    place = locked_table(weir, options='timeout = "300ms"')
    lock = place.lock()
    said = place.start("--state", "st").end(1)
    same(said, "error[W612]" in said and "attempts failed, the last with" in said
         and "database is locked" in said, True)
    lock.execute("rollback")
    place.start("--state", "st").end(0)
    same("the next run", place.table(), list(range(1, 20001)))
    lock.execute("begin exclusive")
    place.close()


def retries_end_it_before_the_timeout(weir):
    place = locked_table(weir, options='timeout = "50s", retries = 4, retry_max = "10ms"')
    lock = place.lock()
    said = place.start().end(1)
    same(said, "5 attempts failed" in said, True)
    lock.close()
    place.close()


def opened_by_a_lock(weir, options=QUICK, kind="exclusive"):
    """A run that has written something and waits now, and who holds the lock."""
    place = locked_table(weir, LIVE, options)
    life = place.start("--state", "st")
    life.wait_for("the first rows", lambda: place.count() == place.rows)
    lock = place.lock(kind)
    place.feed(500)
    life.wait_until_said("warning[W619]")
    return place, life, lock


def a_live_run_waits_until_the_lock_is_gone(weir):
    place, life, lock = opened_by_a_lock(weir)
    place.feed(5000)
    time.sleep(0.5)
    same("it lives", life.process.poll(), None)
    lock.execute("rollback")
    life.wait_until_said("warning[W620]")
    life.wait_for("all rows", lambda: place.count() == place.rows)
    said = life.end(143, signal.SIGTERM)
    # A look of this test at the table is a lock too.
    same("it opened and closed", said.count("W619") - said.count("W620") in (0, 1), True)
    same("it waited", "of waiting for sinks" in said, True)
    place.complete()
    same("the table", place.table(), all_rows(place))
    place.close()


def a_signal_ends_the_wait_at_once(weir):
    for number, code, kind in ((signal.SIGTERM, 143, "exclusive"), (signal.SIGINT, 130, "shared")):
        place, life, lock = opened_by_a_lock(
            weir, 'breaker = { failures = 3, cooldown = "10m" }, retry_max = "20ms"', kind)
        said = life.end(code, number, AT_ONCE)
        same(said, "note: it was stopped while disk/out.db was waited for: " in said
             and "database is locked; what came behind the last checkpoint is read again by the "
             "next run\n" in said, True)
        same(f"it took its time: {said}", said.endswith(", 0.00 s\n"), False)
        lock.execute("rollback")
        place.complete()
        same("the table", place.table(), all_rows(place))
        place.close()


def a_kill_while_it_waits_loses_nothing(weir):
    for _ in range(3):
        place, life, lock = opened_by_a_lock(weir)
        time.sleep(DICE.random() * 0.3)
        life.end(-9, signal.SIGKILL)
        again = place.start("--state", "st")
        again.wait_until_said("warning[W619]")  # it is locked still
        again.end(-9, signal.SIGKILL)
        lock.execute("rollback")
        place.complete()
        same("the table", place.table(), all_rows(place))
        place.close()


def a_limit_ends_it(weir):
    place, life, lock = opened_by_a_lock(
        weir, 'breaker = { failures = 3, cooldown = "100ms", limit = "1s" }, retry_max = "20ms"')
    said = life.end(1)
    same(said, "it is down for" in said, True)
    lock.execute("rollback")
    place.complete()
    same("the table", place.table(), all_rows(place))
    place.close()


def without_a_breaker_a_live_run_ends_too(weir):
    place = locked_table(weir, LIVE, 'breaker = false, timeout = "200ms"')
    life = place.start("--state", "st")
    life.wait_for("the first rows", lambda: place.count() == place.rows)
    lock = place.lock()
    place.feed(100)
    said = life.end(1)
    same(said, "W612" in said and "W619" not in said, True)
    lock.close()
    place.close()


def other_options_go_on_with_a_state(weir):
    place = locked_table(weir, LIVE, QUICK)
    life = place.start("--state", "st")
    life.wait_for("the first rows", lambda: place.count() == place.rows)
    life.end(143, signal.SIGTERM)
    with open(place.path("job.lua"), "w", encoding="utf-8") as file:
        file.write(LIVE % (TO_TABLE % 'breaker = false, timeout = "1m", retries = 7'))
    place.feed(10)
    place.complete()
    same("the table", place.table(), all_rows(place))
    place.close()


# ---- a disk that is full ---------------------------------------------------------------------


def filled(weir, sink, state, options=QUICK):
    """A live run on a disk that has become full, and has been waited for."""
    place = Place(weir, LIVE % (sink % options), is_small=True)
    life = place.start("--state", state)
    life.wait_for("a state", lambda: os.path.exists(place.path(state)))
    life.wait_for("the first rows", lambda: "out.db" not in sink or place.count() == place.rows)
    place.fill()
    place.feed(200, 2000)
    place.fill_until(life, lambda: "warning[W619]" in life.said)
    return place, life


def rows_of(place, sink):
    return place.table() if "out.db" in sink else place.files()


def a_full_disk_is_waited_for(weir):
    for sink, state in ((TO_FILES, "st"), (TO_FILE, "st"), (TO_TABLE, "st"), (TO_FILES, "disk/st"),
                        (TO_TABLE, "disk/st")):
        place, life = filled(weir, sink, state)
        same(f"{sink}, {state}: why is said", "No space left" in life.said
             or "disk is full" in life.said, True)
        place.feed(100, 200)
        place.empty()
        life.wait_until_said("warning[W620]")
        said = life.end(143, signal.SIGTERM)
        same(f"{sink}, {state}: it opened once", said.count("W619"), 1)
        place.complete(state)
        same(f"{sink}, {state}", rows_of(place, sink), all_rows(place))
        place.close()


def what_began_from_a_copy_goes_on_too(weir):
    place = Place(weir, LIVE % (TO_FILES % QUICK), is_small=True)
    life = place.start("--state", "first")
    life.wait_for("a state", lambda: os.path.exists(place.path("first/MADE")))
    life.end(143, signal.SIGTERM)
    subprocess.run([weir, "state", "save", "first", "copy"], cwd=place.folder, check=True,
                   capture_output=True)
    place.feed(10)
    life = place.start("--state", "st", "--from", "copy")
    life.wait_for("a state", lambda: os.path.exists(place.path("st/MADE")))
    shutil.rmtree(place.path("copy"))
    place.fill()
    place.feed(200, 2000)
    place.fill_until(life, lambda: "warning[W619]" in life.said)
    place.empty()
    life.wait_until_said("warning[W620]")
    life.end(143, signal.SIGTERM)
    place.complete()
    same("files", place.files(), all_rows(place))
    place.close()


def a_full_disk_that_is_full_again(weir):
    place, life = filled(weir, TO_FILES, "disk/st")
    for i in range(2):
        place.empty()
        life.wait_for("W620", lambda i=i: life.said.count("W620") == i + 1)
        place.fill()
        place.feed(100, 1000)
        place.fill_until(life, lambda i=i: life.said.count("W619") == i + 2)
    place.empty()
    life.wait_for("W620", lambda: life.said.count("W620") == 3)
    life.end(143, signal.SIGTERM)
    place.complete("disk/st")
    same("files", place.files(), all_rows(place))
    place.close()


def signals_while_a_disk_is_full(weir):
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        for sink, state in ((TO_FILES, "st"), (TO_TABLE, "disk/st")):
            place, life = filled(weir, sink, state, 'breaker = { failures = 2, cooldown = "10m" }, '
                                 'retry_min = "1ms", retry_max = "5ms"')
            said = life.end(code, number, AT_ONCE)
            same(said, code < 0 or "interrupted: " in said, True)
            place.empty()
            place.complete(state)
            same(f"{number}, {sink}, {state}", rows_of(place, sink), all_rows(place))
            place.close()


def a_full_disk_ends_a_run_whose_input_ends(weir):
    for sink in (TO_FILES, TO_FILE, TO_TABLE):
        place = Place(weir, BOUNDED % (sink % 'retry_max = "5s"'), is_small=True)
        place.fill()
        said = place.start("--state", "st").end(1)
        same(f"{sink}: {said}", "error[W610]" in said and "W619" not in said, True)
        place.empty()
        place.start("--state", "st").end(0)
        same(sink, sorted(rows_of(place, sink)), list(range(1, 20001)))
        place.close()


def a_breaker_waits_where_the_input_ends_too(weir):
    place = Place(weir, BOUNDED % (TO_FILE % QUICK), is_small=True)
    place.fill()
    life = place.start("--state", "st")
    life.wait_until_said("warning[W619]")
    place.empty()
    said = life.end(0)
    same(said, "W620" in said, True)
    same("rows", place.files(), list(range(1, 20001)))
    place.close()


def a_sink_without_a_breaker_is_not_waited_for(weir):
    """Whatever the others do, and wherever the name of the file that fails stands in the error."""
    script = """weir.settings { checkpoint = "20ms" }
local s = weir.read("in.ndjson", { schema = "id int64, t string", follow = true })
s:write("d/", { format = "ndjson", partition_by = "part = id * 0", breaker = false })
s:write("part=0", { format = "csv", mode = "append", %s })
"""
    place = Place(weir, script % QUICK, is_small=True)
    os.symlink("disk", place.path("d"))
    place.fill()
    said = place.start("--state", "st").end(1)
    same(said, "error[W610]" in said and "W619" not in said, True)
    place.close()


def what_is_noted_at_a_start_is_not_noted_again(weir):
    script = """weir.settings { checkpoint = "20ms" }
local s = weir.read("in.ndjson", { schema = "id int64, t string", follow = true })
s:write("never.ndjson")
s:write("disk/out.ndjson", { mode = "append", %s })
"""
    place = Place(weir, script % QUICK, is_small=True)
    place.fill()
    life = place.start("--state", "st")
    life.wait_until_said("warning[W619]")
    place.empty()
    life.wait_until_said("warning[W620]")
    said = life.end(143, signal.SIGTERM)
    same(said, said.count("its input never ends"), 1)
    same(said, "goes on behind" in said, False)
    place.fill()
    life = place.start("--state", "st")
    place.feed(2000)
    life.wait_until_said("warning[W619]")
    place.empty()
    life.wait_until_said("warning[W620]")
    said = life.end(143, signal.SIGTERM)
    same(said, said.count("note: st: it goes on behind its checkpoint"), 1)
    place.close()


def a_pipe_gives_nothing_twice(weir):
    script = '''weir.settings { checkpoint = "20ms" }
weir.read("-", { schema = "id int64, t string" }):write(%s)'''
    place = Place(weir, script % (TO_FILE % ("breaker = true, retry_max = '5ms'")), is_small=True)
    place.fill()
    life = place.start("--state", "st")
    with open(place.path("in.ndjson"), "rb") as file, \
            contextlib.suppress(BrokenPipeError): # it may have ended before it had all
        life.process.stdin.write(file.read() * 10)
        life.process.stdin.close()
    said = life.end(1)
    same(said, "error[W610]" in said, True)
    place.close()


LOCKS = [a_file_as_large_as_it_may_be_is_not_waited_for,
         a_database_as_large_as_it_may_be_is_not_waited_for, a_lock_is_waited_for,
         a_lock_that_stays_ends_a_run_whose_input_ends,
         retries_end_it_before_the_timeout, a_live_run_waits_until_the_lock_is_gone,
         a_signal_ends_the_wait_at_once, a_kill_while_it_waits_loses_nothing, a_limit_ends_it,
         without_a_breaker_a_live_run_ends_too, other_options_go_on_with_a_state]
DISKS = [a_full_disk_is_waited_for, what_began_from_a_copy_goes_on_too,
         a_full_disk_that_is_full_again, signals_while_a_disk_is_full,
         a_full_disk_ends_a_run_whose_input_ends, a_breaker_waits_where_the_input_ends_too,
         a_sink_without_a_breaker_is_not_waited_for,
         what_is_noted_at_a_start_is_not_noted_again,         a_pipe_gives_nothing_twice]


def may_mount():
    with tempfile.TemporaryDirectory() as folder:
        mounts = subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=False,
                                stderr=subprocess.DEVNULL).returncode == 0
        if mounts:
            subprocess.run(["umount", folder], check=True)
    return mounts


def main():
    weir, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    tests = LOCKS + DISKS
    if not may_mount():
        if "WEIR_UNSHARED" not in os.environ:
            os.environ["WEIR_UNSHARED"] = "1"
            command = ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv]
            if subprocess.run([*command[:3], "true"], check=False).returncode == 0:
                os.execvp(command[0], command)
        print(f"pending: {len(DISKS)} tests of full disks need to mount a small one")
        tests = LOCKS
    return run_all(tests, names, weir)


if __name__ == "__main__":
    sys.exit(main())
