#!/usr/bin/env python3
"""outside.py: what the program says when the world outside fails it.

    outside.py PROGRAM

Each case runs a small script in an empty folder where something is wrong: a full disk, a locked or
damaged database, data that is cut short, a folder that is missing or forbidden. The run must end
with its exit code, and name the code, the thing and a way on.
"""

import gzip
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

from cases import case, main

NOBODY = 65534
RUN_SECONDS_MAX = 60


class Stage:
    """An empty folder, and runs of the program in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.put("in.csv", b"a,b\n1,x\n2,y\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    def run(self, script, *args, before=None, stdout=subprocess.PIPE):
        """The exit code and what was said on standard error."""
        done = subprocess.run([self.program, "run", "-e", script, *args], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                              preexec_fn=before, timeout=RUN_SECONDS_MAX, check=False)
        return done.returncode, done.stderr.decode()


def expect(said, exit_code, *parts):
    code, text = said
    assert code == exit_code, f"exit code {code}, not {exit_code}: {text}"
    for part in parts:
        assert part in text, f"`{part}` is not in: {text}"
    assert "\nhelp: " in text, f"no help: {text}"


def as_nobody():
    """Permissions say nothing to root."""
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def files_of_one_block():
    """The nearest that a test comes to a full disk: files of 4 KB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@case
def full_output(stage):
    with open("/dev/full", "wb") as full:
        for script in ('weir.read "in.csv":write "-"', 'weir.read "in.csv":print()',
                       'weir.read "in.csv":write("blackhole:", { hash = true })'):
            expect(stage.run(script, stdout=full), 1, "error[W610]", "write stdout: No space left")


@case
def silent_pipe(stage):
    """A signal ends a run that waits for its input, before the first byte and behind it."""
    script, runs = 'weir.read("-", { schema = "a int64" }):print()', []
    for head in (b"", b'{"a":1}\n'):
        for number in (signal.SIGTERM, signal.SIGINT):
            run = subprocess.Popen([stage.program, "run", "-e", script], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            runs.append((run, head, number))
            run.stdin.write(head)
            run.stdin.flush()
    try:
        time.sleep(1)
        for run, head, number in runs:
            assert run.poll() is None, "the run has ended without a signal"
            run.send_signal(number)
            code = run.wait(timeout=20)
            assert code == 128 + number, f"exit code {code}"
            assert run.stdout.read() == head
    finally:
        for run, _, _ in runs:
            run.kill()
            run.communicate()


@case
def full_disk(stage):
    rows = 'weir.generate { rows = 20000, columns = "n = i" }'
    expect(stage.run(rows + ':write "out.csv"', before=files_of_one_block), 1,
           "error[W615]: ", "out.csv", "File too large")
    assert not os.path.exists(stage.path("out.csv"))


@case
def closed_output(stage):
    """A reader that has seen enough is no failure."""
    for script in ('weir.read "in.csv":write "-"',
                   'weir.read "in.csv":write("blackhole:", { hash = true })'):
        reader, writer = os.pipe()
        os.close(reader)
        code, text = stage.run(script, stdout=writer,
                               before=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
        os.close(writer)
        assert code == 0, text


@case
def missing_folder(stage):
    expect(stage.run('weir.read "in.csv":write "no/out.csv"'), 1,
           "error[W401]", "open no/out.csv", "help: there is no directory `no`")
    expect(stage.run('weir.read "in.csv":write("sqlite:no/o.db", { table = "t", key = "a" })'), 1,
           "error[W401]", "open no/o.db", "help: there is no directory `no`")


@case
def forbidden(stage):
    os.mkdir(stage.path("shut"), 0o555)
    stage.put("secret.csv", b"a\n1\n")
    os.chmod(stage.path("secret.csv"), 0)
    for script in ('weir.read "in.csv":write "shut/out.csv"',
                   'weir.read "in.csv":write("sqlite:shut/o.db", { table = "t", key = "a" })',
                   'weir.read("secret.csv", { schema = "a int64" }):print()'):
        expect(stage.run(script, before=as_nobody), 1, "error[W611]", "Permission denied")
    expect(stage.run('weir.read "secret.csv":print()', before=as_nobody), 1, "error[W611]",
           "Permission denied", "-e:1:")
    expect(stage.run('weir.read "in.csv":print()', "--state", "shut/st", before=as_nobody), 1,
           "error[W611]", "shut/st: Permission denied")


@case
def locked_database(stage):
    """The lock is held by this process; the program is the second."""
    other = sqlite3.connect(stage.path("o.db"), isolation_level=None)
    other.execute("create table t(a integer primary key, b text)")
    other.execute("begin immediate")
    said = stage.run('weir.read "in.csv":write("sqlite:o.db", '
                     '{ table = "t", key = "a", timeout = "10ms" })')
    expect(said, 1, "error[W612]", "sqlite:o.db", "locked", "timeout = ")
    other.execute("rollback")
    other.close()


@case
def killed_between_two_commits_and_again(stage):
    """The rows' commit is there and the state's is not; the next run ends before it is as far."""
    stage.put("in.csv", b"id\n" + b"".join(b"%d\n" % i for i in range(1000)))
    for mode in ("append", "replace"):
        script = ('weir.read("in.csv", { schema = "id int64" }):write("sqlite:%s.db",'
                  ' { table = "t", mode = "%s" })' % (mode, mode))
        state, kept = stage.path(mode), stage.path(mode + "-kept")
        run = ("--state", mode, "--batch-rows", "10")
        assert stage.run(script, *run, "--stop-after", "20")[0] == 130
        shutil.copytree(state, kept)
        assert stage.run(script, *run, "--stop-after", "40")[0] == 130
        shutil.rmtree(state)
        os.rename(kept, state)
        assert stage.run(script, *run, "--stop-after", "5")[0] == 130
        assert stage.run(script, *run)[0] == 0
        with sqlite3.connect(stage.path(mode + ".db")) as db:
            counts = db.execute("select count(*), count(distinct id) from t").fetchone()
        assert counts == (1000, 1000), (mode, counts)


@case
def many_partitions_in_one_batch(stage):
    """What a sink needs for a batch grows with its rows, not with its rows times its partitions."""
    script = ('weir.generate { rows = 4096, columns = "i = i, k = i" }'
              ':write("out/", { partition_by = "k", format = "csv" })')
    code, text = stage.run(script, "--batch-rows", "4096")
    assert code == 0 and "4,096 out" in text, text
    assert len(os.listdir(stage.path("out"))) == 4096


@case
def new_file_before_the_place_reached(stage):
    for name in ("in-b.csv", "in-c.csv"):
        stage.put(name, b"n\n1\n2\n3\n")
    script = 'weir.read("in-*.csv", { schema = "n int64" }):write "out.csv"'
    assert stage.run(script, "--state", "st", "--batch-rows", "1", "--stop-after", "5")[0] == 130
    stage.put("in-a.csv", b"n\n7\n")
    code, text = stage.run(script, "--state", "st")
    assert code == 0 and "6 out" in text, text
    assert "in-*.csv: 1 new file is not read: the state stands in `in-c.csv`" in text, text


@case
def locked_state(stage):
    rows = 'weir.generate { rows = 1000000000, columns = "n = i" }:write "blackhole:"'
    first = subprocess.Popen([stage.program, "run", "-e", rows, "--state", "st"], cwd=stage.folder,
                             stderr=subprocess.DEVNULL)
    try:
        said = 0, ""
        for _ in range(400):
            if os.path.exists(stage.path("st/state.db")):
                said = stage.run(rows, "--state", "st", "--limit", "1")
                break
            try:
                first.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        expect(said, 1, "error[W612]", "is held by process")
    finally:
        first.kill()
        first.wait()


@case
def damaged_input(stage):
    whole = gzip.compress(random.Random(1).randbytes(20000).hex().encode())
    for name, content in (("cut.csv.gz", whole[:len(whole) // 2]),
                          ("bad.csv.gz", whole[:5000] + b"\0" * 100 + whole[5100:]),
                          ("cut.csv.zst", b"\x28\xb5\x2f\xfd\x04"),
                          ("bad.csv.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 64)):
        stage.put(name, content)
        expect(stage.run(f'weir.read("{name}", {{ schema = "a string" }}):write "o.csv"'), 1,
               "error[W613]", name, " data is ")
        assert not os.path.exists(stage.path("o.csv"))


@case
def damaged_database(stage):
    stage.put("o.db", b"no database at all\n" * 100)
    expect(stage.run('weir.read "in.csv":write("sqlite:o.db", { table = "t", key = "a" })'), 1,
           "error[W613]", "sqlite:o.db", "not a database")


@case
def damaged_state(stage):
    script = 'weir.read "in.csv":group_by "a":agg "n = count()":print()'
    os.mkdir(stage.path("st"))
    stage.put("st/state.db", b"no database at all\n" * 100)
    expect(stage.run(script, "--state", "st"), 1, "error[W613]", "state st", "not a database")


@case
def emptied_state(stage):
    """An emptied state is no fresh one, nor one without its file; one that was only begun is."""
    script = 'weir.read "in.csv":group_by "a":agg "n = count()":write "out.csv"'
    assert stage.run(script, "--state", "st")[0] == 0
    stage.put("st/state.db", b"")
    expect(stage.run(script, "--state", "st"), 1, "error[W613]", "state st: its state.db is empty",
           "put a copy of it back", "remove that directory")
    os.remove(stage.path("st/state.db"))
    expect(stage.run(script, "--state", "st"), 1, "error[W613]", "its state.db is missing",
           "put a copy of it back", "remove that directory")
    shutil.rmtree(stage.path("st"))
    code, text = stage.run(script, "--state", "st")
    assert code == 0 and "2 in, 2 out" in text, text
    os.mkdir(stage.path("begun"))
    stage.put("begun/state.db", b"")
    code, text = stage.run(script, "--state", "begun")
    assert code == 0 and "2 in, 2 out" in text, text


@case
def state_that_is_a_file(stage):
    for name in ("in.csv", "/dev/null"):
        expect(stage.run('weir.read "in.csv":print()', "--state", name), 1,
               f"state {name}: there is a file of that name", "a state is a directory")


@case
def rejects_of_two_processes(stage):
    """What was rejected before a stop counts in the end."""
    stage.put("bad.csv", b"a,b\n" + b"x,1\n1,1\n" * 2000)
    script = 'weir.read("bad.csv", { schema = "a int64, b int64" }):write "out.csv"'
    args = ("--state", "st", "--batch-rows", "100", "--max-bad", "1999")
    code, text = stage.run(script, *args, "--stop-after", "5")
    assert code == 130, text
    expect(stage.run(script, *args), 4, "4,000 in", "rejected (W502 2,000)", "error[W604]")


@case
def pipe_without_schema(stage):
    """A look at it would take what it looks at."""
    os.mkfifo(stage.path("pipe.csv"))
    expect(stage.run('weir.read "pipe.csv":print()'), 3, "error[W408]", "a pipe can be read once")


@case
def no_input(stage):
    """Whether it is seen while the script is read, or when the run begins."""
    for schema in ("", ', { schema = "a int64" }'):
        expect(stage.run(f'weir.read("no.csv"{schema}):print()'), 6, "error[W401]", "`no.csv`")
        expect(stage.run(f'weir.read("no*.csv"{schema}):print()'), 6, "error[W401]", "`no*.csv`")
    script = 'weir.read("sqlite:no.db", { table = "t" }):print()'
    expect(stage.run(script), 6, "error[W401]", "`no.db`")
    expect(stage.run('weir.read("in.csv"):write "no/o.csv"'), 1, "error[W401]")
    expect(stage.run('weir.read("in.csv", { schemas = "a int64" }):print()'), 3, "error[W202]")


@case
def link_to_nothing(stage):
    os.symlink("gone.csv", stage.path("link.csv"))
    expect(stage.run('weir.read("link.csv"):print()'), 6, "W401", "link.csv", "is a link")


@case
def closed_standard_output(stage):
    said = stage.run('weir.read("in.csv"):print()', before=lambda: os.close(1), stdout=None)
    expect(said, 1, "W614", "stdout")


@case
def state_of_a_limited_run(stage):
    script = 'weir.read("in.csv"):write "out.csv"'
    assert stage.run(script, "--state", "st", "--limit", "1")[0] == 0
    expect(stage.run(script, "--state", "st"), 1, "W601", "--limit")


@case
def state_in_use(stage):
    """One run at a time has a state: a second is told who, and follows one that was killed."""
    command = [stage.program, "run", "-e", 'weir.read("-", { schema = "a int64" }):write "out.csv"',
               "--state", "st"]
    first = subprocess.Popen(command, cwd=stage.folder, stdin=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + RUN_SECONDS_MAX
    while not os.path.exists(stage.path("st/MADE")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for word in ("run", "plan"):
        second = subprocess.run([command[0], word, *command[2:]], cwd=stage.folder,
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                                timeout=RUN_SECONDS_MAX)
        said = second.returncode, second.stderr.decode()
        expect(said, 1, f"st/LOCK is held by process {first.pid}",
               "another --state" if word == "run" else "`weir state save DIR TO`")
    first.send_signal(signal.SIGKILL)
    first.wait()
    third = subprocess.run(command, cwd=stage.folder, input=b'{"a": 1}\n', stderr=subprocess.PIPE,
                           check=False, timeout=RUN_SECONDS_MAX)
    assert third.returncode == 0, third.stderr
    with open(stage.path("out.csv"), "rb") as file:
        assert file.read() == b"a\n1\n"


@case
def no_record_for_long(stage):
    """A signal ends a run that finds nothing in its input."""
    with gzip.open(stage.path("blank.ndjson.gz"), "wb", compresslevel=1) as file:
        for _ in range(600):
            file.write(b"\n" * 1_000_000)
    run = subprocess.Popen([stage.program, "run", "-e", 'weir.read("blank.ndjson.gz", '
                            '{ schema = "a int64", max_ratio = 0 }):print()'], cwd=stage.folder,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.3)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=RUN_SECONDS_MAX)
    assert b"interrupted" in said, said


@case
def lines_that_end_in_cr(stage):
    """With a schema it is the run that meets them."""
    stage.put("cr.csv", b"a,b\r1,x\r")
    expect(stage.run('weir.read("cr.csv", { schema = "a int64, b string" }):print()'), 1,
           "error[W614]: cr.csv: its lines end in CR alone", "help: `tr ")


@case
def interrupted_without_state(stage):
    """What is told of a file that was dropped."""
    rows = 'weir.generate { rows = 90000, columns = "n = i" }:write'
    code, text = stage.run(f'{rows} "o.csv"', "--stop-after", "2")
    assert code == 130 and "out to o.csv (dropped: the run did not end)" in text, text
    assert not os.path.exists(stage.path("o.csv"))
    code, text = stage.run(f'{rows} "o.csv"', "--stop-after", "2", "--state", "st")
    assert code == 130 and "out to o.csv (there when the run ends)" in text, text
    code, text = stage.run(f'{rows}("o2.csv", {{ mode = "append" }})', "--stop-after", "2")
    assert code == 130 and "out to o2.csv, 0 rejected" in text, text
    assert os.path.getsize(stage.path("o2.csv")) > 0


@case
def json_array_of_two_processes(stage):
    """The output of all runs with a state, one after the other, is the one array."""
    sinks = {"a": 'write("-", { format = "json" })', "b": 'print { format = "json" }'}
    for name, sink in sinks.items():
        script = 'weir.generate { rows = 9000, columns = "n = i" }:' + sink
        with open(stage.path("all.json"), "wb") as out:
            codes = [stage.run(script, "--state", name, *stop, stdout=out)[0]
                     for stop in (["--stop-after", "2"], [], [])]
        assert codes == [130, 0, 0], codes
        with open(stage.path("all.json"), encoding="utf-8") as file:
            assert len(json.load(file)) == 9000


@case
def endless_bad_lines(stage):
    """--limit counts what was read, so that input in which nothing is good ends too."""
    os.mkfifo(stage.path("endless.csv"))
    with subprocess.Popen("yes 'no number' >endless.csv 2>&1", shell=True, cwd=stage.folder):
        code, text = stage.run('weir.read("endless.csv", { schema = "a int64", header = false })'
                               ':write "o.csv"', "--limit", "1000")
    assert code == 0, text
    assert "1,000 in" in text and "rejected (W502 1,000)" in text, text


@case
def script_is_written(stage):
    stage.put("own.csv", b'weir.read("in.csv"):write "out.csv"\n')
    done = subprocess.run([stage.program, "run", "own.csv", "--rejects", "./own.csv"],
                          cwd=stage.folder, stderr=subprocess.PIPE, timeout=RUN_SECONDS_MAX,
                          check=False)
    expect((done.returncode, done.stderr.decode()), 1, "error[W410]", "is the script itself")


@case
def file_size_limit(stage):
    """The signal is no end without a word."""
    script = 'weir.generate { rows = 9999, columns = "a = i" }:write "out.csv"'
    expect(stage.run(script, before=files_of_one_block), 1, "error[W615]")


@case
def bomb(stage):
    stage.put("bomb.csv.gz", gzip.compress(bytes(3000000)))
    said = stage.run('weir.read("bomb.csv.gz", { schema = "a string", max_ratio = 10 })'
                     ':write "o.csv"')
    expect(said, 1, "error[W615]", "bomb.csv.gz", "max_ratio = ")


@case
def long_name(stage):
    expect(stage.run('weir.read "in.csv":write "' + "x" * 300 + '.csv"'), 1, "error[W614]",
           "File name too long")


@case
def standard_input_twice(stage):
    one = 'weir.read("-", { schema = "a int64" })'
    expect(stage.run(f"{one}:union({one}):print()"), 1, "error[W609]", "only once")


@case
def exists_already(stage):
    script = 'weir.read "in.csv":write("out.csv", { mode = "new" })'
    assert stage.run(script)[0] == 0
    expect(stage.run(script), 1, "error[W411]", "exists already")


@case
def first_bad_row(stage):
    stage.put("bad.csv", b"a,b\n1,x\ntwo,y\n")
    said = stage.run('weir.read("bad.csv", { schema = "a int64, b string", on_error = "fail" })'
                     ':print()')
    expect(said, 1, "error[W502]", "bad.csv:3:")


if __name__ == "__main__":
    sys.exit(main(Stage))
