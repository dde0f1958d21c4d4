#!/usr/bin/env python3
"""fences.py: two runs that write to one file or into one directory, and other programs that do.

    fences.py PROGRAM [NAME...]

Runs of copies of one state have the same names for what they write: one at a time may write, and
the one that goes on from an old copy is told so. What other programs append, cut, move or replace
while weir runs ends the run, and stays as it is.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from cases import case, main

SECONDS_MAX = 30
SETTINGS = 'weir.settings { checkpoint = "20ms" }\n'
READ = 'weir.read("in/*", { follow = true, schema = "n int64", format = "ndjson" })'
APPEND = ':write("out.ndjson", { mode = "append" })'
ROLLED = ':write("out/", { format = "ndjson", roll = { rows = 3 } })'
PARTITIONED = (':write("out/", { format = "ndjson", partition_by = "k = n % 4", '
               'roll = { rows = 3 } })')


def lines(numbers):
    return "".join(f'{{"n":{n}}}\n' for n in numbers)


class Place:
    """An empty folder, and runs in it."""

    def __init__(self, program, folder):
        self.program, self.folder, self.runs = program, folder, []
        self.made = 0
        os.mkdir(self.path("in"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def put(self, name, text, mode="w"):
        with open(self.path(name), mode, encoding="utf-8") as file:
            file.write(text)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def arrive(self, *numbers):
        self.made += 1
        self.put("whole", lines(numbers))
        os.rename(self.path("whole"), self.path("in", f"{self.made:04}.ndjson"))

    def script(self, write, name="job.lua", read=READ):
        self.put(name, SETTINGS + read + write + "\n")

    def start(self, *words, name="job.lua", before=(), fault=None):
        """`fault`: of iofault.so, in small letters."""
        env = dict(os.environ)
        for key, value in (fault or {}).items():
            env["IOFAULT_" + key.upper()] = str(value)
        if fault:
            library = os.path.join(os.path.dirname(self.program), "tests/faults/iofault.so")
            assert os.path.exists(library), library
            env |= {"LD_PRELOAD": library, "IOFAULT_ROOT": self.folder}
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        said = open(self.path(f"stderr{len(self.runs)}"), "w+", encoding="utf-8")
        run = subprocess.Popen([*before, self.program, "run", name, "--progress", "off", *words],
                               cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=said)
        run.said = said
        self.runs.append(run)
        return run

    def said(self, run):
        run.said.seek(0)
        return run.said.read()

    def ends(self, run, code, *texts):
        try:
            found = run.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            run.kill()
            raise AssertionError(f"it goes on: {self.said(run)}") from None
        said = self.said(run)
        assert found == code, f"{found}: {said}"
        for text in texts:
            assert text in said, f"`{text}` is not in: {said}"
        return said

    def stop(self, run, number=signal.SIGTERM):
        run.send_signal(number)
        run.wait(SECONDS_MAX)
        assert number == signal.SIGKILL or run.returncode in (0, 130, 143), self.said(run)

    def wait(self, condition, run=None):
        end = time.monotonic() + SECONDS_MAX
        while not condition():
            if time.monotonic() > end or (run is not None and run.poll() is not None):
                raise AssertionError("waited in vain: " +
                                     " | ".join(self.said(each) for each in self.runs))
            time.sleep(0.01)

    def rows(self, name="out.ndjson"):
        """Numbers of whole lines; of a directory, of all files that have their names."""
        if not os.path.exists(self.path(name)): # asked first: it may come just now
            return []
        if not os.path.isdir(self.path(name)):
            return [json.loads(line)["n"] for line in self.text(name).split("\n")[:-1]]
        found = []
        for path in glob.glob(self.path(name, "**", "part-*"), recursive=True):
            found += self.rows(path)
        return sorted(found)

    def has_open(self, run, name):
        folder = f"/proc/{run.pid}/fd"
        return any(name in os.readlink(os.path.join(folder, each)) for each in os.listdir(folder)
                   if os.path.lexists(os.path.join(folder, each)))

    def copy(self, state="a", to="b"):
        shutil.rmtree(self.path(to), ignore_errors=True)
        shutil.copytree(self.path(state), self.path(to))

    def one_life(self, numbers, rows, write, state="a", number=signal.SIGTERM):
        """A life that has written so many rows in all."""
        self.script(write)
        self.arrive(*numbers)
        run = self.start("--state", state)
        self.wait(lambda: len(self.rows_of(write)) >= rows, run)
        time.sleep(0.1)  # a checkpoint more
        self.stop(run, number)

    def rows_of(self, write):
        return self.rows("out" if '"out/"' in write else "out.ndjson")


# ---- two runs at once --------------------------------------------------------------------------


@case
def a_copy_of_a_state_beside_the_run(place):
    """The second one is refused, and the first one goes on."""
    for write in (APPEND, ROLLED, PARTITIONED):
        for name in ("a", "b", "in", "out"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.one_life(range(12), 12, write)
        place.copy()
        first = place.start("--state", "a")
        place.arrive(*range(12, 24))
        place.wait(lambda write=write: len(place.rows_of(write)) == 24, first)
        place.ends(place.start("--state", "b"), 1, "error[W617]", "another instance")
        place.arrive(*range(24, 36))
        place.wait(lambda write=write: len(place.rows_of(write)) == 36, first)
        place.stop(first)
        assert sorted(place.rows_of(write)) == [*range(36)], place.rows_of(write)


@case
def a_copy_of_the_same_moment_beside_the_run(place):
    """Nothing says which is older: the lock alone keeps the second one out."""
    fence = "out/.weir."
    for write, held in ((APPEND, "out.ndjson"), (ROLLED, fence), (PARTITIONED, fence)):
        for name in ("a", "b", "in", "out"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.one_life(range(12), 12, write)
        place.put("job.lua", place.text("job.lua").replace("20ms", "1h"))
        first = place.start("--state", "a")
        place.wait(lambda held=held, first=first: place.has_open(first, held), first)
        time.sleep(0.3)  # no checkpoint comes any more, which would mark it again
        place.copy()
        for path in glob.glob(place.path(held + "*")):
            if held == fence:
                os.truncate(path, 0)
            else:
                os.removexattr(path, "user.weir")  # a file system without marks
        second = place.start("--state", "b")
        place.ends(second, 1, "error[W612]", "another run writes to it, and holds `" + held)
        place.arrive(*range(12, 24))
        place.stop(first)
        place.one_life([], 24, write)
        assert sorted(place.rows_of(write)) == [*range(24)], place.rows_of(write)


@case
def two_runs_without_a_state_append_to_one_file(place):
    place.script(':write("out.csv", { mode = "append" })', read='weir.read("pipe", '
                 '{ schema = "n int64", format = "ndjson" })')
    os.mkfifo(place.path("pipe"))
    first = place.start()
    with open(place.path("pipe"), "w", encoding="utf-8") as pipe:
        pipe.write(lines([1]))
        pipe.flush()
        place.wait(lambda: os.path.exists(place.path("out.csv")), first)
        place.script(':write("out.csv", { mode = "append" })', "2.lua",
                     'weir.generate { rows = 3, columns = "n = i" }')
        second = place.start(name="2.lua")
        place.ends(second, 1, "error[W612]", "another run writes to it", "out.csv")
    place.ends(first, 0)
    assert place.text("out.csv") == "n\n1\n", place.text("out.csv")
    place.ends(place.start(name="2.lua"), 0)
    assert place.text("out.csv") == "n\n1\n1\n2\n3\n", place.text("out.csv")


@case
def a_lock_of_flock_around_the_run_is_in_nobodys_way(place):
    place.put("out.csv", "n\n")
    place.script(':write("out.csv", { mode = "append" })',
                 read='weir.generate { rows = 2, columns = "n = i" }')
    place.ends(place.start("--state", "a", before=("flock", "out.csv")), 0)
    assert place.text("out.csv") == "n\n1\n2\n"


# ---- a copy that starts later ------------------------------------------------------------------


@case
def a_copy_that_starts_behind_the_run(place):
    """Nothing of what the newer one has written is cut."""
    for write in (APPEND, ROLLED, PARTITIONED):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for name in ("a", "b", "in", "out"):
                shutil.rmtree(place.path(name), ignore_errors=True)
            os.mkdir(place.path("in"))
            place.put("out.ndjson", "")
            place.one_life(range(12), 12, write, number=signal.SIGKILL)
            place.copy()
            place.one_life(range(12, 24), 24, write, number=number)
            second = place.start("--state", "b")
            place.ends(second, 1, "error[W617]", "another instance of this pipeline has written",
                       "and this state at")
            assert sorted(place.rows_of(write)) == [*range(24)], place.rows_of(write)
            place.one_life(range(24, 36), 36, write)
            assert sorted(place.rows_of(write)) == [*range(36)], place.rows_of(write)


@case
def a_copy_of_a_run_that_writes_a_file_anew(place):
    """The file beside, of which the newer one has more, is not cut."""
    write = ':write("out.ndjson")'
    place.script(write)
    place.arrive(*range(12))
    for state, rows in (("a", 12), ("a", 24)):
        run = place.start("--state", state)
        place.wait(lambda rows=rows: sum(len(place.rows(path)) for path in glob.glob(
            place.path("out.ndjson.*.part"))) == rows, run)
        time.sleep(0.1)
        place.stop(run, signal.SIGKILL)
        if rows == 12:
            place.copy()
            place.arrive(*range(12, 24))
    place.ends(place.start("--state", "b"), 1, "error[W617]")
    assert len(place.rows(glob.glob(place.path("out.ndjson.*.part"))[0])) == 24


@case
def the_run_that_a_savepoint_was_taken_of(place):
    """What goes on from a savepoint owns the file; the one that it was taken of is told so."""
    place.one_life(range(12), 12, APPEND)
    subprocess.run([place.program, "state", "save", "a", "kept"], cwd=place.folder, check=True,
                   capture_output=True)
    place.one_life(range(12, 24), 24, APPEND)
    run = place.start("--state", "b", "--from", "kept")
    place.arrive(*range(24, 27))
    place.wait(lambda: len(place.rows()) == 27, run)
    time.sleep(0.1)
    place.stop(run)
    assert place.rows() == [*range(27)], place.rows()
    place.ends(place.start("--state", "a"), 1, "error[W617]")
    assert place.rows() == [*range(27)], place.rows()
    place.one_life([27], 28, APPEND, state="b")
    assert place.rows() == [*range(28)], place.rows()


# ---- other programs ----------------------------------------------------------------------------


@case
def what_is_complete_has_no_mark_of_it(place):
    """A file that was made anew, and a directory, are as they were without a state."""
    for write in (':write("out.ndjson")', ROLLED, PARTITIONED):
        place.script(write, read='weir.generate { rows = 8, columns = "n = i" }')
        place.ends(place.start("--state", "a"), 0)
        names = glob.glob(place.path("out*")) + glob.glob(place.path("out", "**"), recursive=True)
        assert not [name for name in names if os.path.exists(name) and os.listxattr(name)], names
        hidden = [name for name in os.listdir(place.path("out")) if name[0] == "."] \
            if os.path.exists(place.path("out")) else []
        assert not hidden, hidden
        assert sorted(place.rows_of(write)) == [*range(1, 9)], place.rows_of(write)
        for name in ("a", "out"):
            shutil.rmtree(place.path(name), ignore_errors=True)


@case
def another_program_appends_while_it_runs(place):
    """The run ends, what the other one wrote stays, and the next start names the byte."""
    place.one_life(range(4), 4, APPEND)
    run = place.start("--state", "a")
    place.arrive(*range(4, 8))
    place.wait(lambda: len(place.rows()) == 8, run)
    time.sleep(0.1)
    place.put("out.ndjson", '{"n":-1}\n', "a")
    place.arrive(*range(8, 12))
    place.ends(run, 1, "error[W626]", "behind the 64 bytes that this run left there stand 9 more")
    assert place.rows() == [*range(8), -1], place.rows()
    for _ in range(2):
        place.ends(place.start("--state", "a"), 1, "error[W613]", "from byte 64 on")
        assert place.rows() == [*range(8), -1], place.rows()
    os.truncate(place.path("out.ndjson"), 64)
    place.one_life([12], 13, APPEND)
    assert place.rows() == [*range(13)], place.rows()


@case
def another_program_appends_behind_a_kill(place):
    """What the killed run left of its last epoch is cut; what stands behind it is not."""
    place.put("job.lua", 'weir.settings { checkpoint = "1h" }\n' + READ + APPEND + "\n")
    place.arrive(*range(20000))
    run = place.start("--state", "a")
    place.wait(lambda: os.path.exists(place.path("out.ndjson")) and
               os.path.getsize(place.path("out.ndjson")) > 70000, run)
    time.sleep(0.1)
    place.stop(run, signal.SIGKILL)
    written = os.path.getsize(place.path("out.ndjson"))
    place.copy()
    place.put("out.ndjson", '{"n":-1}\n', "a")
    place.ends(place.start("--state", "a"), 1, "error[W613]", f"from byte {written} on",
               "which was cut off, had not come that far")
    assert os.path.getsize(place.path("out.ndjson")) == written + 9
    os.truncate(place.path("out.ndjson"), written)
    place.script(APPEND)
    run = place.start("--state", "a")
    place.wait(lambda: len(place.rows()) >= 20000, run)
    place.stop(run)
    assert place.rows() == [*range(20000)]


@case
def another_pipeline_appends_behind_a_kill(place):
    place.one_life(range(4), 4, APPEND, number=signal.SIGKILL)
    place.script(APPEND, "2.lua", 'weir.generate { rows = 3, columns = "n = i" }')
    place.ends(place.start("--state", "other", name="2.lua"), 0)
    place.ends(place.start("--state", "a"), 1, "error[W613]",
               "another pipeline has written to it since")
    assert place.rows() == [0, 1, 2, 3, 1, 2, 3], place.rows()


@case
def a_file_that_is_moved_or_cut_while_it_is_written(place):
    for what in ("moved", "removed", "replaced", "cut"):
        for name in ("a", "in"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.one_life(range(4), 4, APPEND)
        run = place.start("--state", "a")
        place.arrive(*range(4, 8))
        place.wait(lambda: len(place.rows()) == 8, run)
        time.sleep(0.1)
        here, there = place.path("out.ndjson"), place.path("kept")
        if what == "moved":
            os.rename(here, there)
        elif what == "removed":
            os.link(here, there)
            os.remove(here)
        elif what == "replaced":
            os.rename(here, there)
            place.put("out.ndjson", "mine\n")
        else:
            shutil.copy(here, there)
            os.truncate(here, 8)
        place.arrive(*range(8, 12))
        place.ends(run, 1, "error[W626]", {"moved": "it was moved or removed",
                                           "removed": "it was moved or removed",
                                           "replaced": "another file has taken its place",
                                           "cut": "has cut it meanwhile"}[what])
        if what == "replaced":
            assert place.text("out.ndjson") == "mine\n"
        if what == "cut":
            assert place.text("out.ndjson") == lines([0])
        os.replace(there, here)  # as it was when it was taken away
        place.one_life([12], 13, APPEND)
        assert place.rows() == [*range(13)], place.rows()


@case
def a_directory_that_is_taken_away_while_it_is_written(place):
    for write in (ROLLED, PARTITIONED):
        for how in ("moved", "replaced"):
            for name in ("a", "in", "out", "kept"):
                shutil.rmtree(place.path(name), ignore_errors=True)
            os.mkdir(place.path("in"))
            place.one_life(range(14), 12, write)
            run = place.start("--state", "a")
            place.arrive(*range(14, 28))
            place.wait(lambda write=write: len(place.rows_of(write)) >= 20, run)
            time.sleep(0.1)
            os.rename(place.path("out"), place.path("kept"))
            if how == "replaced":
                os.mkdir(place.path("out"))
            place.arrive(*range(28, 42))
            place.ends(run, 1, "error[W626]", "or its directory was")
            if how == "replaced":
                shutil.rmtree(place.path("out"))
            os.rename(place.path("kept"), place.path("out"))
            run = place.start("--state", "a")
            place.wait(lambda write=write: len(place.rows_of(write)) >= 36, run)
            place.arrive(*range(42, 60))
            place.wait(lambda write=write: len(place.rows_of(write)) == 60, run)
            place.stop(run)
            assert place.rows("out") == [*range(60)], place.rows("out")


@case
def a_run_without_a_state_whose_directory_is_taken_away(place):
    """Its files would be nowhere, or in two places."""
    for write in (ROLLED, PARTITIONED):
        for how in ("moved", "replaced", "removed"):
            for name in ("in", "out", "kept"):
                shutil.rmtree(place.path(name), ignore_errors=True)
            os.mkdir(place.path("in"))
            place.script(write)
            place.arrive(*range(14))
            run = place.start()
            place.wait(lambda write=write: len(place.rows_of(write)) == 12, run)
            time.sleep(0.1)
            if how == "removed":
                shutil.rmtree(place.path("out"))
            else:
                os.rename(place.path("out"), place.path("kept"))
            if how == "replaced":
                os.mkdir(place.path("out"))
            place.arrive(*range(14, 42))
            place.ends(run, 1, "error[W626]", "or its directory was")
            assert not glob.glob(place.path("out", "*")), os.listdir(place.path("out"))
            if how != "removed":
                assert place.rows("kept") == [*range(12)], place.rows("kept")


@case
def a_run_without_a_state_leaves_the_rows_of_others(place):
    place.script(':write("out.csv", { mode = "append" })', read='weir.read("pipe", '
                 '{ schema = "n int64", format = "ndjson" })')
    os.mkfifo(place.path("pipe"))
    run = place.start()
    with open(place.path("pipe"), "w", encoding="utf-8") as pipe:
        pipe.write(lines([1]))
        pipe.flush()
        place.wait(lambda: os.path.exists(place.path("out.csv")), run)
        place.put("out.csv", "theirs\n", "a")
    place.ends(run, 1, "error[W626]")
    assert place.text("out.csv") == "theirs\n", place.text("out.csv")


@case
def a_run_without_a_state_whose_file_is_taken_away(place):
    """What it writes would be nowhere."""
    for what in ("removed", "moved", "replaced"):
        shutil.rmtree(place.path("in"))
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.script(APPEND)
        place.arrive(*range(4))
        run = place.start()
        place.wait(lambda: len(place.rows()) == 4, run)
        if what == "removed":
            os.remove(place.path("out.ndjson"))
        else:
            os.rename(place.path("out.ndjson"), place.path("kept"))
        if what == "replaced":
            place.put("out.ndjson", "mine\n")
        place.arrive(*range(4, 8))
        place.ends(run, 1, "error[W626]", "another file has taken its place"
                   if what == "replaced" else "it was moved or removed")
        if what == "replaced":
            assert place.text("out.ndjson") == "mine\n"


# ---- other programs, behind a run that failed --------------------------------------------------


@case
def another_program_appends_behind_a_run_that_failed(place):
    """It has cut what was of no checkpoint; what came then is not cut once more."""
    place.one_life(range(4), 4, APPEND)
    place.put("job.lua", place.text("job.lua").replace("20ms", "1h"))
    place.arrive(*range(4, 200000))
    place.ends(place.start("--state", "a", before=("prlimit", "--fsize=1000000")), 1, "W615")
    assert place.rows() == [*range(4)], len(place.rows())
    place.put("out.ndjson", '{"n":-1}\n', "a")
    place.ends(place.start("--state", "a"), 1, "error[W613]", "from byte 32 on")
    assert place.rows() == [*range(4), -1], place.rows()


@case
def another_run_appends_while_a_full_disk_is_waited_for(place):
    """The one that waits lets go of the file; then it finds rows of somebody else there."""
    write = APPEND.replace("}", ', breaker = { failures = 1, cooldown = "2s" } }')
    place.one_life(range(4), 4, write)
    place.script(APPEND, "2.lua", 'weir.generate { rows = 3, columns = "n = -i" }')
    run = place.start("--state", "a", fault={
        "only": "write", "path": "out.ndjson", "at": 1, "do": "ENOSPC"})
    place.arrive(*range(4, 5000))
    place.wait(lambda: "W619" in place.said(run), run)
    place.ends(place.start(name="2.lua"), 0)
    place.ends(run, 1, "error[W613]", "from byte 32 on")
    assert place.rows() == [*range(4), -1, -2, -3], place.rows()


@case
def a_kill_between_the_mark_and_the_rows(place):
    """What others append then is as long as what was about to be written, or shorter."""
    for row in ('{"n":-1}\n', lines(range(9, -1, -1)), lines([4]) + lines([6] * 5000)):
        for name in ("a", "in"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.one_life(range(4), 4, APPEND)
        place.arrive(*range(4, 5004))
        place.ends(place.start("--state", "a", fault={
            "only": "write", "path": "out.ndjson", "at": 1, "do": "kill"}), -signal.SIGKILL)
        assert place.text("out.ndjson") == lines(range(4))
        place.put("out.ndjson", row, "a")
        place.ends(place.start("--state", "a"), 1, "error[W613]", "from byte 32 on")
        assert place.text("out.ndjson") == lines(range(4)) + row
        os.truncate(place.path("out.ndjson"), 32)
        place.one_life([], 5004, APPEND)
        assert place.rows() == [*range(5004)]


def killed_in_the_middle(place):
    """Of writing 5,000 rows behind four that the state has."""
    place.one_life(range(4), 4, APPEND)
    place.arrive(*range(4, 5004))
    place.ends(place.start("--state", "a", fault={
        "only": "write", "path": "out.ndjson", "at": 1, "do": "mid"}), -signal.SIGKILL)


@case
def a_kill_in_the_middle_of_the_rows(place):
    """Its beginning is there, and is cut."""
    killed_in_the_middle(place)
    assert len(place.rows()) > 1000
    place.one_life([], 5004, APPEND)
    assert "they were of no checkpoint" in place.said(place.runs[-1])
    assert place.rows() == [*range(5004)]


@case
def another_program_appends_to_an_audited_file(place):
    """Where the copy was cut off, or fails: rows of others stay."""
    kept = '{"n":-9}\n'
    audited = ':write("out.ndjson", { mode = "append", audit = "e = count() > 1" })'
    read = READ.replace("follow = true, ", "")
    place.script(audited, read=read)
    place.arrive(*range(30000))
    place.put("out.ndjson", kept)
    copied = {"only": "write", "path": "out.ndjson"}
    place.ends(place.start("--state", "a", fault=copied | {"at": 3, "do": "kill"}),
               -signal.SIGKILL)
    at = os.path.getsize(place.path("out.ndjson"))
    assert at > 70000, at
    place.ends(place.start("--state", "a", fault={
        "only": "ftruncate", "path": "out.ndjson", "at": 1, "do": "EIO"}), 1, "Input/output error")
    assert os.path.getsize(place.path("out.ndjson")) == at, "it is as the kill left it"
    place.put("out.ndjson", '{"n":-1}\n', "a")
    place.ends(place.start("--state", "a"), 1, "another program has written to it meanwhile")
    assert place.text("out.ndjson").endswith('{"n":-1}\n'), "their row is gone"
    os.truncate(place.path("out.ndjson"), at)
    place.ends(place.start("--state", "a"), 0)
    assert place.rows() == [-9, *range(30000)]


@case
def what_a_state_that_is_gone_has_left(place):
    """It is named, when it has not been written to for a day: nobody else knows whether that state
    goes on one day."""
    place.one_life(range(5), 3, ROLLED, number=signal.SIGKILL)
    fence, = glob.glob(place.path("out", ".weir.*.part"))
    token = fence.split(".")[-2]
    place.script(ROLLED, read='weir.generate { rows = 3, columns = "n = i" }')
    for state in (("--state", "b"), ()):
        assert token not in place.ends(place.start(*state), 0)
    old = time.time() - 3 * 86400 - 60
    os.utime(fence, (old, old))
    for state in (("--state", "c"), ()):
        said = place.ends(place.start(*state), 0, f"`.weir.{token}.part`: of runs of other states, "
                          "which have written nothing for 3 days")
    command = said.split("gone for good, `")[1].split("`")[0]
    subprocess.run(command, shell=True, cwd=place.folder, check=True)
    left = [name for name in os.listdir(place.path("out")) if name[0] == "."]
    assert not left, left
    assert token not in place.ends(place.start(), 0)


# ---- what was put back -------------------------------------------------------------------------


def keep(place, *names):
    os.makedirs(place.path("kept"), exist_ok=True)
    for name in names:
        subprocess.run(["cp", "-r", name, "kept/"], cwd=place.folder, check=True)


@case
def a_state_and_its_file_that_are_put_back_together(place):
    """A plain copy leaves the newer mark on the file; nothing would be cut, so it goes on."""
    for how in ("cp kept/out.ndjson .", "cat kept/out.ndjson > out.ndjson",
                "rm out.ndjson && cp kept/out.ndjson ."):
        for name in ("a", "in", "kept"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        place.one_life(range(4), 4, APPEND)
        keep(place, "a", "out.ndjson")
        place.one_life(range(4, 8), 8, APPEND)
        place.copy("kept/a", "old")
        said = place.ends(place.start("--state", "old"), 1, "error[W617]", "user.weir out.ndjson",
                          "--from COPY")
        assert "nothing was changed" in said and place.rows() == [*range(8)], place.rows()
        place.copy("kept/a", "a")
        subprocess.run(how, shell=True, cwd=place.folder, check=True)
        place.one_life([], 8, APPEND)
        assert place.rows() == [*range(8)], place.rows()


@case
def a_file_that_is_put_back_with_a_state_many_lives_ahead(place):
    """Its mark is of a life that the state does not know any more."""
    place.one_life(range(4), 4, APPEND)
    os.mkdir(place.path("kept"))
    subprocess.run(["cp", "-a", "out.ndjson", "kept/"], cwd=place.folder, check=True)
    for life in range(6):
        place.one_life([4 + life], 5 + life, APPEND)
    whole = place.text("out.ndjson")
    os.replace(place.path("kept/out.ndjson"), place.path("out.ndjson"))
    place.put("out.ndjson", whole)
    place.one_life([10], 11, APPEND)
    assert place.rows() == [*range(11)], place.rows()


@case
def a_copy_that_goes_back_says_why_it_cuts(place):
    place.one_life(range(4), 4, APPEND)
    subprocess.run([place.program, "state", "save", "a", "kept"], cwd=place.folder, check=True,
                   capture_output=True)
    place.one_life(range(4, 8), 8, APPEND)
    run = place.start("--state", "b", "--from", "kept")
    place.wait(lambda: "cut 32 bytes" in place.said(run), run)
    place.stop(run)
    assert "they came behind the copy" in place.said(run), place.said(run)


def all_of(place, name):
    """Names and contents below a directory."""
    found = {}
    for folder, _, names in os.walk(place.path(name)):
        for path in (os.path.join(folder, each) for each in names):
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


HOW = {"attributes kept": "rm -rf out && cp -a {}/out out",
       "attributes lost": "rm -rf out && cp -r {}/out out",
       "attributes of what stood there": "cp -r {}/out/. out/"}


@case
def states_and_directories_of_two_moments(place):
    """What was put back is known by its contents, however it was copied: a state and a directory of
    one moment go on, and a state that a directory went on without is refused."""
    for write in (ROLLED, PARTITIONED):
        for name in ("a", "in", "out", "kept"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        for moment, more, rows in (("old", range(13), 12), ("new", range(13, 25), 24)):
            place.one_life(more, rows, write, number=signal.SIGKILL if moment == "old"
                           else signal.SIGTERM)
            os.makedirs(place.path("kept", moment))
            subprocess.run(f"cp -a a out kept/{moment}/", shell=True, cwd=place.folder, check=True)
        for state in ("old", "new"):
            for directory in ("old", "new"):
                for how, command in HOW.items():
                    there = f"{write}, {state} state, {directory} directory, {how}"
                    place.copy("kept/new/out", "out")
                    place.copy(f"kept/{state}/a", "a")
                    subprocess.run(command.format(f"kept/{directory}"), shell=True,
                                   cwd=place.folder, check=True)
                    goes_on(place, write, state, directory, there)


def goes_on(place, write, state, directory, there):
    before = all_of(place, "out")
    if state == directory or (state == "new" and "stood there" in there): # all is there
        number = place.made
        place.one_life(range(25, 36), 36, write)
        os.remove(place.path("in", f"{number + 1:04}.ndjson"))
        place.made = number
        assert place.rows("out") == [*range(36)], (there, place.rows("out"))
        return
    run = place.start("--state", "a")
    try:
        place.ends(run, 1, *(("error[W617]", "another instance of this pipeline has written",
                              "--from COPY") if state == "old" else ("the state goes on behind",)))
    except AssertionError as error:
        raise AssertionError(f"{there}: {error}") from None
    assert all_of(place, "out") == before, there


@case
def states_and_files_of_two_moments(place):
    """A copy of a file has no attribute, or that of what stood there: what is not known to be of
    this state is not cut."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for name in ("a", "in", "kept"):
            shutil.rmtree(place.path(name), ignore_errors=True)
        os.mkdir(place.path("in"))
        place.put("out.ndjson", "")
        for moment, more, rows in (("old", range(4), 4), ("new", range(4, 8), 8)):
            place.one_life(more, rows, APPEND, number=number)
            os.makedirs(place.path("kept", moment))
            subprocess.run(f"cp -a a out.ndjson kept/{moment}/", shell=True, cwd=place.folder,
                           check=True)
        for state, file in (("old", "old"), ("old", "new"), ("new", "old"), ("new", "new")):
            for how in ("rm out.ndjson; cp -a", "rm out.ndjson; cp", "cp"):
                there = f"signal {number}, {state} state, {file} file, {how}"
                os.remove(place.path("out.ndjson"))
                subprocess.run(f"cp -a kept/new/out.ndjson . && {how} kept/{file}/out.ndjson .",
                               shell=True, cwd=place.folder, check=True)
                place.copy(f"kept/{state}/a", "a")
                if state == file:
                    place.one_life([], 8, APPEND)
                    assert place.rows() == [*range(8)], (there, place.rows())
                    continue
                run = place.start("--state", "a")
                said = place.ends(run, 1, "error[W6")
                assert {"old": "W617" in said or "W613" in said,
                        "new": "it has fewer" in said}[state], (there, said)
                assert place.rows() == [*range(8 if file == "new" else 4)], (there, place.rows())


@case
def a_copy_of_what_a_killed_run_has_left(place):
    """The mark that says whose its end is was left behind; a power cut may have taken it, too."""
    killed_in_the_middle(place)
    os.removexattr(place.path("out.ndjson"), "user.weir")
    place.copy()
    left = place.text("out.ndjson")
    place.ends(place.start("--state", "a"), 1, "error[W613]", "from byte 32 on",
               "it is a copy without the mark", "truncate -s 32 out.ndjson")
    assert place.text("out.ndjson") == left
    run = place.start("--state", "b", fault={"boot": 1})
    place.wait(lambda: len(place.rows()) == 5004, run)
    place.stop(run)
    assert "they were of no checkpoint" in place.said(run)
    assert place.rows() == [*range(5004)]


@case
def another_file_in_place_of_one_without_marks(place):
    """Nothing says whose its end is, but that the bytes before are not the ones that were
    written."""
    theirs = lines(range(900, 950))
    for write, name in ((APPEND, "out.ndjson"), (':write("out.ndjson")', "out.ndjson.*.part")):
        for each in ("a", "in"):
            shutil.rmtree(place.path(each), ignore_errors=True)
        os.mkdir(place.path("in"))
        if os.path.exists(place.path("out.ndjson")):
            os.remove(place.path("out.ndjson"))
        place.script(write)
        place.arrive(*range(4))
        run = place.start("--state", "a", fault={
            "only": "setxattr", "at": 1, "sticky": 1, "do": "EOPNOTSUPP"})
        place.wait(lambda name=name: any(len(place.rows(path)) == 4 for path
                                         in glob.glob(place.path(name))), run)
        time.sleep(0.1)
        place.stop(run, signal.SIGKILL)
        path, = glob.glob(place.path(name))
        ours = place.text(path)
        place.put(path, theirs)
        place.ends(place.start("--state", "a"), 1, "error[W613]",
                   "goes on behind 32 bytes of", "other bytes stand there")
        assert place.text(path) == theirs
        place.put(path, ours + '{"n":')  # as a killed run leaves it
        run = place.start("--state", "a")
        place.arrive(4)
        place.wait(lambda path=path: place.text(path) == lines(range(5)), run)
        place.stop(run, signal.SIGKILL)


# ---- without locks, marks or rights ------------------------------------------------------------


@case
def file_systems_without_marks_or_locks(place):
    """All else holds; a mark that was there goes, since it would say what is true no more."""
    for call, number in (("setxattr", "EOPNOTSUPP"), ("setxattr", "ENOSPC"), ("setxattr", "E2BIG"),
                         ("setxattr", "EDQUOT"), ("lock", "ENOLCK"), ("lock", "EOPNOTSUPP")):
        for write in (APPEND, ROLLED):
            for name in ("a", "in", "out"):
                shutil.rmtree(place.path(name), ignore_errors=True)
            os.mkdir(place.path("in"))
            place.put("out.ndjson", "")
            place.one_life(range(6), 6, write)
            fault = {"only": call, "at": 1, "sticky": 1, "do": number}
            place.arrive(*range(6, 12))
            run = place.start("--state", "a", fault=fault)
            place.wait(lambda write=write: len(place.rows_of(write)) == 12, run)
            time.sleep(0.1)
            place.stop(run, signal.SIGKILL)
            if write == APPEND and call == "setxattr":
                assert not os.listxattr(place.path("out.ndjson")), number
            place.one_life(range(12, 18), 18, write)
            assert sorted(place.rows_of(write)) == [*range(18)], (call, number, write)


@case
def a_lock_that_may_not_be_taken(place):
    """That is not another run."""
    place.put("out.ndjson", "")
    place.script(APPEND)
    place.arrive(1)
    said = place.ends(place.start("--state", "a", fault={
        "only": "lock", "path": "out.ndjson", "at": 1, "do": "EACCES"}), 1, "Permission denied")
    assert "another run" not in said, said


@case
def a_file_that_may_be_written_and_not_read(place):
    """Nobody knows its mark then."""
    if os.geteuid() != 0:
        before = ()
    else:
        before = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        os.chown(place.folder, 65534, 65534)
    place.put("out.ndjson", "")
    os.chmod(place.path("out.ndjson"), 0o222)
    place.script(APPEND)
    for name in ("in", "out.ndjson"):
        if before:
            os.chown(place.path(name), 65534, 65534)
    for life in range(2):
        place.arrive(2 * life, 2 * life + 1)
        run = place.start("--state", "a", before=before)
        if os.geteuid() == 0:
            size = 16 * (life + 1)
            place.wait(lambda size=size: os.path.getsize(place.path("out.ndjson")) == size, run)
        time.sleep(0.1)
        place.stop(run)
    os.chmod(place.path("out.ndjson"), 0o666)
    assert place.rows() == [*range(4)], place.rows()


class Ended(Place):
    """What a case has left running goes with it."""

    def __del__(self):
        for run in self.runs:
            if run.poll() is None:
                run.kill()
                run.wait()


if __name__ == "__main__":
    sys.exit(main(Ended))
