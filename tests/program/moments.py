#!/usr/bin/env python3
"""moments.py: states and outputs of two moments, of inputs that end.

    moments.py PROGRAM [NAME...]

A state goes on with what it has left. Where a later run has completed that, or where it was put
back from a time before, the start is refused and nothing of it is removed, renamed or cut; what
readers have taken away when it was complete is another matter.
"""

import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from cases import case, main

ROWS = 3000
HALF = 1250
RUN_SECONDS_MAX = 60
READ = f'weir.generate {{ rows = {ROWS}, columns = "n = i" }}'
PARTS = ':write("out/", { format = "ndjson", partition_by = "k = n % 5", roll = { rows = 20 } })'
ROLLED = ':write("out/", { format = "ndjson", roll = { rows = 70 } })'
WHOLE = ':write("out/", { format = "ndjson", partition_by = "k = n % 5" })'
FILE = ':write("out/all.ndjson")'
ALL = (PARTS, ROLLED, WHOLE, FILE)


def content(folder):
    """Of all files below it."""
    found = {}
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


class Place:
    """An empty folder, and runs in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.environment = dict(os.environ)

    def fault(self, **more):
        """From here on: words of iofault.so, in small letters."""
        library = os.path.join(os.path.dirname(self.program), "tests/faults/iofault.so")
        assert os.path.exists(library), library
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = dict(os.environ) | {
            "LD_PRELOAD": library, "IOFAULT_ROOT": self.folder, "ASAN_OPTIONS": options,
            **{"IOFAULT_" + name.upper(): str(value) for name, value in more.items()}}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def weir(self, *words, code=0):
        done = subprocess.run([self.program, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=RUN_SECONDS_MAX, check=False, text=True,
                              env=self.environment)
        assert code in (None, done.returncode), f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def begin(self, write, read=READ):
        """A new place, with the script in it."""
        for name in os.listdir(self.folder):
            path = self.path(name)
            (shutil.rmtree if os.path.isdir(path) else os.remove)(path)
        os.mkdir(self.path("out"))
        with open(self.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(read + write + "\n")

    def run(self, *words, code=0, state="a"):
        return self.weir("run", "job.lua", "--state", state, *words, code=code)

    def until(self, rows, *words, state="a"):
        return self.run("--until", f"{rows}rows", *words, state=state)

    def copy(self, name, to):
        shutil.rmtree(self.path(to), ignore_errors=True)
        subprocess.run(["cp", "-r", name, to], cwd=self.folder, check=True)

    def plan(self, code=1, words=("--state", "a")):
        return " ".join(self.weir("plan", "job.lua", *words, code=code).split())

    def rows(self, name="out"):
        """Of files that have their names."""
        found = []
        for path in glob.glob(self.path(name, "**", "[a-z]*.ndjson"), recursive=True):
            with open(path, encoding="utf-8") as file:
                found += [json.loads(line)["n"] for line in file]
        return sorted(found)

    def is_refused(self, *texts, words=(), state="a"):
        """Also when it is tried once more; nothing of the output is touched."""
        before = content(self.path("out"))
        for _ in range(2):
            said = self.run(*words, code=1, state=state)
            for text in ("nothing was changed", *texts):
                assert text in said, f"`{text}` is not in: {said}"
            assert content(self.path("out")) == before, "the output was changed"

    def is_whole(self, rows=ROWS):
        assert self.rows() == [*range(1, rows + 1)], len(self.rows())
        left = [name for name in content(self.path("out")) if ".part" in name]
        assert not left, left


# ---- an old state before what was completed since ----------------------------------------------


@case
def an_old_state_before_what_was_completed_since(place):
    for write in ALL:
        for until in (HALF, 1400):  # in the midst of files, and between them
            place.begin(write)
            place.until(until)
            place.copy("a", "old")
            place.run()
            place.is_whole()
            place.copy("old", "a")
            said = place.plan()
            assert "refused sink" in said and "complete" in said, said
            place.is_refused("error[W617]", "help: ", "go on with the state of that")
            place.is_whole()
            place.copy("out", "kept")
            shutil.rmtree(place.path("out"))
            os.rename(place.path("kept"), place.path("out"))
            place.is_refused("error[W617]")


@case
def an_old_state_between_names_and_what_was_completed_since(place):
    """All files that it has begun had got their names: the fence alone tells."""
    for write in (ROLLED, PARTS):
        place.begin(write, READ.replace(str(ROWS), "14000"))
        place.until(700)
        place.until(1400)
        place.copy("a", "old")
        assert not glob.glob(place.path("out/**/.part*"), recursive=True)
        place.run()
        place.is_whole(14000)
        place.copy("old", "a")
        assert "refused sink" in place.plan()
        place.is_refused("error[W617]", "a later run of this pipeline has completed it")


@case
def a_copy_of_a_state_without_a_checkpoint(place):
    """It has the names of the run that went on from it, and would begin its files anew."""
    for write in ALL:
        place.begin(write)
        place.fault(path="a/state.db-wal", at=23, do="kill")
        place.run(code=-signal.SIGKILL)
        place.environment = dict(os.environ)
        assert "checkpoint 0:" in place.weir("state", "ls", "a")
        place.copy("a", "old")
        place.until(HALF)
        place.is_refused("error[W617]", "another instance of this pipeline has written to it",
                         state="old")
        place.run()
        place.is_whole()


@case
def what_was_completed_since_and_taken_away(place):
    """Then nothing speaks against writing it once more, where the state had begun no file."""
    place.begin(ROLLED)
    place.until(1400)
    place.copy("a", "old")
    place.run()
    shutil.rmtree(place.path("out"))
    place.copy("old", "a")
    assert "refused" not in place.plan(code=0)
    place.run()
    assert place.rows() == [*range(1401, ROWS + 1)], place.rows()


@case
def a_savepoint_before_what_was_completed_since(place):
    """What it goes on with is renamed by who knows better, and the rest is written once more."""
    for write, name in ((ROLLED, "out/part-0000000017.ndjson"), (FILE, "out/all.ndjson")):
        place.begin(write)
        place.until(HALF)
        place.weir("state", "save", "a", "save")
        part, = glob.glob(place.path("out/**/.part*"), recursive=True) or \
            glob.glob(place.path("out/*.part"))
        place.run()
        said = place.plan(words=("--state", "b", "--from", "save"))
        assert "refused sink" in said and "was complete already" in said, said
        place.is_refused("error[W613]", f"`{name}` was complete already",
                         os.path.relpath(part, place.folder), words=("--from", "save"), state="b")
        assert not os.path.exists(place.path("b"))
        os.rename(place.path(name), part)
        place.run("--from", "save", state="b")
        place.is_whole()


@case
def a_copy_that_knows_better(place):
    """`--from` writes over what stands there."""
    place.begin(ROLLED)
    place.until(1400)
    place.copy("a", "old")
    place.run()
    place.is_refused("`--state NEW --from COPY`", state="old")
    place.run("--from", "old", state="new")
    place.is_whole()


@case
def a_directory_whose_fence_was_removed(place):
    """By hand: the files of the state stand there, so it goes on."""
    for write in (ROLLED, PARTS, WHOLE):
        place.begin(write)
        place.until(HALF)
        fence, = glob.glob(place.path("out/.weir.*.part"))
        os.remove(fence)
        place.until(HALF + 5)
        os.remove(fence)
        place.run()
        place.is_whole()


# ---- a state before an older copy of its output ------------------------------------------------


@case
def a_complete_state_before_an_older_copy(place):
    """Rows are missing there, and nothing says that they were taken away."""
    for write in ALL:
        for until in (HALF, 1400):
            place.begin(write)
            place.until(until)
            place.copy("out", "older")
            place.run()
            place.copy("a", "complete")
            for again in range(3):
                place.copy("complete", "a")
                place.copy("out", "whole")
                for _ in range(again):
                    place.run()
                place.copy("older", "out")
                before, said = content(place.path("out")), place.run(code=1)
                assert "error[W613]" in said and "help: put " in said, said
                assert content(place.path("out")) == before
                place.copy("whole", "out")
                place.run()
                place.is_whole()


@case
def a_complete_state_before_an_older_copy_of_another_start_of_the_machine(place):
    """A mark of that says nothing, since a power cut may have brought it back; the fence should not
    be there at all."""
    place.begin(ROLLED)
    place.until(700)
    place.until(1400)
    place.copy("out", "older")
    place.run()
    place.fault(boot=1)
    place.copy("older", "out")
    before = content(place.path("out"))
    for _ in range(2):
        said = place.run(code=1)
        assert "error[W613]" in said and "older copy" in said, said
        assert content(place.path("out")) == before


@case
def a_later_state_before_an_older_copy(place):
    """Though all files that both have begun are complete."""
    place.begin(ROLLED)
    place.until(700)
    place.until(701)
    place.copy("out", "older")
    place.until(1400)
    place.until(1470)
    place.copy("a", "later")
    place.copy("older", "out")
    before, said = content(place.path("out")), place.run(code=1)
    assert "error[W613]" in said and "older copy" in said, said
    assert content(place.path("out")) == before


@case
def an_older_copy_of_one_epoch(place):
    """It has whole files and parts of files, of which the state knew nothing when it was made."""
    place.begin(ROLLED)
    place.until(1400)
    place.copy("out", "older")
    place.run()
    part = sorted(glob.glob(place.path("out/part-*")))[-1]
    place.copy("older", "out")
    with open(place.path("out", "." + os.path.basename(part) + ".00000000.part"), "w",
              encoding="utf-8"):
        pass
    assert "error[W613]" in place.run(code=1)


@case
def a_complete_file_that_is_cut(place):
    for write in (WHOLE, FILE):
        place.begin(write)
        place.run()
        path = sorted(glob.glob(place.path("out/**/*.ndjson"), recursive=True))[0]
        os.truncate(path, os.path.getsize(path) // 2)
        before = content(place.path("out"))
        for _ in range(2):
            said = place.run(code=1)
            assert "error[W613]" in said and os.path.relpath(path, place.folder) in said, said
            assert content(place.path("out")) == before


@case
def what_is_complete_is_taken_away(place):
    """At once or later, a file or all of them: the state stays complete."""
    for write in ALL:
        for take in ("rm -r out", "rm -r out/*", "mv out taken", "rm $(find out -name '*.ndjson' "
                     "| head -1)"):
            place.begin(write)
            place.until(HALF)
            place.run()
            subprocess.run(take, shell=True, cwd=place.folder, check=True)
            left = content(place.path("out"))
            for _ in range(3):
                said = place.run()
                assert "warning" not in said and "nothing more" in said, said
                assert content(place.path("out")) == left, take


@case
def what_others_have_written_meanwhile_stays(place):
    """A state that is complete has nothing to do in the directory."""
    place.begin(ROLLED)
    place.run()
    last = sorted(glob.glob(place.path("out/part-*")))[-1]
    for name in ("part-0000000900.ndjson", "part-x.csv"):
        shutil.copy(last, place.path("out", name))
    before = content(place.path("out"))
    for _ in range(2):
        place.run()
        assert content(place.path("out")) == before


# ---- what is complete, and what comes behind it ------------------------------------------------


HELD = '''local function read(name)
  return weir.read(name, { schema = "k string, v int64" })
end
read("a.csv"):union(read("b.csv")):write "all.csv"
weir.rejects():select "code, record = raw"'''


@case
def rejects_that_come_behind_the_inputs(place):
    """They are held until both have ended, and the state has said that by then."""
    for write in (':write("out/", { format = "csv", partition_by = "code" })',
                  ':write("out/", { format = "csv", roll = { rows = 30 } })',
                  ':write "out/rejects.csv"'):
        wanted = None
        for at in range(60):
            place.begin(write, HELD)
            for name in ("a", "b"):
                with open(place.path(name + ".csv"), "w", encoding="utf-8") as file:
                    file.write("k,v\n" + "".join(f"{name}{n},{n if n % 3 else 'x'}\n"
                                                 for n in range(300)))
            if at == 0:
                place.run("--batch-rows", "16")
                wanted = content(place.path("out"))
                assert sum(len(data.splitlines()) - 1 for data in wanted.values()) == 200
                continue
            place.fault(path="a/state.db-wal", at=20 + 3 * at, do="kill")
            done = subprocess.run([place.program, "run", "job.lua", "--state", "a", "--batch-rows",
                                   "16"], cwd=place.folder, capture_output=True, check=False,
                                  env=place.environment)
            place.environment = dict(os.environ)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            place.run("--batch-rows", "16")
            assert content(place.path("out")) == wanted, (write, at)
            if done.returncode == 0:
                assert at > 10, "it was killed nowhere"
                break


@case
def a_new_source_behind_what_is_complete(place):
    """Its own state has completed it, and no later run: files that are complete stand, and others
    have the rows to come; one file has no place for them."""
    more = READ.replace("n = i", f"n = i + {ROWS}")
    for write in (WHOLE, ROLLED, PARTS, FILE):
        place.begin(write)
        place.run()
        before = content(place.path("out"))
        with open(place.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(f"local one = {READ}\nlocal more = {more}\none:union(more){write}\n")
        if write == FILE:
            said = place.run("--allow-rebuild", code=1)
            assert "error[W601]" in said and "it is complete, and more rows would" in said, said
            assert "refused sink" in place.plan(code=1)
            assert content(place.path("out")) == before
            continue
        assert "refused" not in place.plan(code=1)
        place.run("--allow-rebuild")
        after = content(place.path("out"))
        assert {name: after[name] for name in before} == before, write
        assert place.rows() == list(range(1, 2 * ROWS + 1)), write
        place.run()
        assert content(place.path("out")) == after, write


# ---- starts that are refused -------------------------------------------------------------------


@case
def a_refused_start_leaves_no_state(place):
    """Neither a directory, nor files in one that was there but for the lock, which others may have
    opened: the next run would go on from them."""
    for there in (False, True):
        for write, read, words, text in (
                (FILE, READ, ("--from", "save"), "W613"),
                (FILE, READ.replace("n = i", "n = i + 1"), ("--from", "save"), "W601"),
                (FILE, 'weir.read("missing.csv", { schema = "n int64" })', (), "W401"),
                (FILE, 'weir.read("in/*.csv", { schema = "n int64" })', (), "W401"),
                (':write "missing/all.ndjson"', READ, (), "W401"),
                (':write("sqlite:missing/o.db", { table = "o", mode = "append" })', READ, (),
                 "W401"),
                (':write("/dev/null", { format = "csv" })', READ, (), "W401"),
                (':write("out/all.ndjson", { mode = "new" })', READ, (), "exists already")):
            place.begin(FILE)
            place.until(HALF)
            place.weir("state", "save", "a", "save")
            place.run()
            with open(place.path("job.lua"), "w", encoding="utf-8") as file:
                file.write(read + write + "\n")
            before = content(place.path("out"))
            if there:
                os.mkdir(place.path("b"))
            said = place.run(*words, state="b", code=None)
            assert "error[" in said and text in said, said
            found = os.listdir(place.path("b")) if os.path.exists(place.path("b")) else None
            assert found == (["LOCK"] if there else None), (text, found)
            assert content(place.path("out")) == before, text


@case
def a_first_step_that_failed_binds_nobody(place):
    """What the mended script changes has nothing in the state."""
    def begin(write, read):
        with open(place.path("job.lua"), "w", encoding="utf-8") as file:
            file.write(read + write + "\n")

    schema = 'weir.read("a.csv", { schema = "n int64, m string" })'
    for write in (':write("a.csv/x/", { format = "csv", roll = { rows = 3 } })',
                  ':write("a.csv/x/", { format = "csv", partition_by = "m", mode = "append" })'):
        for mended in (schema, schema.replace("int64", "float64")):
            place.begin(write, schema)
            with open(place.path("a.csv"), "w", encoding="utf-8") as file:
                file.write("n,m\n1,x\n2,y\n")
            assert "error[W411]" in place.run(code=None)
            begin(FILE, mended)
            assert "refused" not in place.plan(code=0)
            place.run()
            assert place.rows() == [1, 2], place.rows()


@case
def a_file_beside_that_is_put_back_stands_where_a_database_refuses(place):
    """It is the database that is older, and its sink looks when all have been opened."""
    place.begin(':write("out/a.ndjson", { mode = "append", audit = "some = count() > 0" })'
                ':write("sqlite:out/o.db", { table = "o", mode = "append" })')
    place.until(HALF)
    place.copy("out", "older")
    place.run()
    place.run() # the state has heard of it
    place.copy("older", "out")
    before = content(place.path("out"))
    assert any(name.endswith(".part") for name in before), list(before)
    for _ in range(2):
        assert "error[W613]" in place.run(code=1)
        assert content(place.path("out")) == before


@case
def a_look_at_a_state_leaves_the_log_of_a_life_that_died(place):
    """The next start counts that death."""
    def died():
        return os.path.exists(place.path("a/deaths"))

    def state():
        return {name: bytes for name, bytes in content(place.path("a")).items() if name != "LOCK"}

    place.begin(ROLLED)
    place.until(HALF)
    place.fault(path="a/state.db-wal", at=4, do="kill")
    place.run(code=-signal.SIGKILL)
    place.environment = dict(os.environ)
    before = state()
    assert before.get("state.db-wal") and not died(), list(before)
    place.plan(code=0)
    place.weir("state", "ls", "a")
    place.weir("state", "verify", "a")
    place.weir("state", "save", "a", "saved")
    assert state() == before, {name: len(bytes) for name, bytes in state().items()}
    place.until(HALF + 5)
    assert died(), "it was not counted"
    place.run()
    place.is_whole()


@case
def a_start_waits_for_who_looks_at_the_state_and_not_for_a_run(place):
    """A tool holds it for a moment. A run says in the file of the lock that it is one."""
    place.begin(FILE)
    place.until(HALF)
    for text, is_run in (("1\n", False), ("1\n\n", True)):
        with open(place.path("a/LOCK"), "w", encoding="utf-8") as lock:
            lock.write(text)
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            words = [place.program, "run", "job.lua", "--state", "a", "--until", f"{HALF + 5}rows"]
            with subprocess.Popen(words, cwd=place.folder, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
                if is_run:
                    said = run.communicate(timeout=RUN_SECONDS_MAX)[0].decode()
                    assert run.returncode == 1 and "held by process 1" in said, said
                    continue
                time.sleep(0.5)
                assert run.poll() is None, run.stdout.read().decode()
                fcntl.flock(lock, fcntl.LOCK_UN)
                said = run.communicate(timeout=RUN_SECONDS_MAX)[0].decode()
                assert run.returncode == 0, said
    with open(place.path("a/LOCK"), "w", encoding="utf-8") as lock:
        lock.write("1\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "error[W612]" in place.run(code=None), "it is not waited for without an end"
    place.run()
    with open(place.path("a/LOCK"), encoding="utf-8") as lock:
        assert lock.read().endswith("\n\n")


@case
def a_refused_start_leaves_the_state_that_was_there(place):
    place.begin(FILE)
    place.until(HALF)
    with open(place.path("job.lua"), "w", encoding="utf-8") as file:
        file.write(READ + ':write("/dev/null", { format = "csv" })' + "\n")
    place.run("--allow-rebuild", code=1)
    with open(place.path("job.lua"), "w", encoding="utf-8") as file:
        file.write(READ + FILE + "\n")
    place.run()
    place.is_whole()


if __name__ == "__main__":
    sys.exit(main(Place))
