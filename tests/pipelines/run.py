#!/usr/bin/env python3
"""run.py: whole pipelines with golden output.

    run.py --weir PROGRAM [--update] [--examples] [NAME...]

A pipeline is tests/pipelines/<name>.lua, with its expected output in .../expected/<name>,
or tests/pipelines/<name>/pipeline.lua with its inputs beside it and `expected/` in the same folder.
With --examples it is examples/<name>.lua, with examples/expected/<name>.

Each runs in an empty folder that holds a copy of the script and its inputs, with --batch-rows 1, 7
and 4096: standard output, standard error, the exit code and every file that it writes are the same
each time, and as expected. Expected are the files `stdout`, `stderr` (missing: nothing is printed)
and the written ones under their own names; a SQLite file is compared as its dump, <name>.sql, a
.gz as its text.

Lines in the script say how it is run:
    -- test: args -p min=3 --limit 5     arguments behind the script
    -- test: stdin clicks.ndjson         standard input, an input file
    -- test: exit 3                      the exit code, 0 without this line
    -- test: batch-rows 7 4096           other sizes; `none`: the option is not given
    -- test: command check               other words than `run`; the option is not given
    -- test: ignore state/*              written files that are not compared
    -- test: long                        takes seconds: only in `./dev test long`

--update writes the expected files anew. It is refused where CI is set.
"""

import argparse
import difflib
import fnmatch
import gzip
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

RUN_SECONDS_MAX = 240
DIFF_LINES_MAX = 60
BATCH_ROWS = ["1", "7", "4096"]
STOPPED = 130  # the exit code of a run that was stopped
IN_MEMORY = "/dev/shm"  # where runs lie if there is room: nothing waits for a disk
IN_MEMORY_FREE_MIN = 1 << 30
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Case:
    """One pipeline: where it lies, and what its `-- test:` lines say."""

    def __init__(self, name, script, expected, inputs):
        self.name = name
        self.script = script      # the file, as it lies in the tree
        self.expected = expected  # the folder of the expected files
        self.inputs = inputs      # (path in the tree, path in the empty folder, as a link?)
        self.args, self.stdin, self.exit, self.command = [], None, 0, "run"
        self.batch_rows, self.ignored, self.long = list(BATCH_ROWS), [], False
        with open(script, encoding="utf-8") as file:
            for line in file:
                found = re.match(r"\s*-- test: *(\S+) *(.*)$", line)
                if found:
                    self.direct(found.group(1), found.group(2).strip())

    def direct(self, word, rest):
        if word == "args":
            self.args += shlex.split(rest)
        elif word == "stdin":
            self.stdin = rest
        elif word == "exit":
            self.exit = int(rest)
        elif word == "batch-rows":
            self.batch_rows = [] if rest == "none" else rest.split()
        elif word == "command":
            self.command, self.batch_rows = rest, []
        elif word == "ignore":
            self.ignored.append(rest)
        elif word == "long":
            self.long = True
        else:
            sys.exit(f"{self.script}: unknown line: -- test: {word}")


def pipeline_cases(root):
    folder = os.path.join(root, "tests/pipelines")
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry)
        if entry.endswith(".lua"):
            name = entry[:-4]
            yield Case(name, path, os.path.join(folder, "expected", name), [(path, entry, False)])
        elif os.path.isfile(os.path.join(path, "pipeline.lua")):
            inputs = [(os.path.join(path, inner), inner, False) for inner in os.listdir(path)
                      if inner != "expected"]
            yield Case(entry, os.path.join(path, "pipeline.lua"),
                       os.path.join(path, "expected"), inputs)


def example_cases(root):
    folder = os.path.join(root, "examples")
    if not os.path.isdir(folder):
        return
    # The data is large and only read: a link does. The rest is copied, since scripts might write.
    inputs = [(os.path.join(folder, entry), f"examples/{entry}", entry == "data")
              for entry in os.listdir(folder) if entry != "expected"]
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".lua") and not entry.endswith("_spec.lua"):
            name = entry[:-4]
            yield Case(name, os.path.join(folder, entry),
                       os.path.join(folder, "expected", name), inputs)


def lay_inputs(case, folder):
    for source, target, is_link in case.inputs:
        target = os.path.join(folder, target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if is_link:
            os.symlink(source, target)
        elif os.path.isdir(source):
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def stamps(folder):
    """What tells whether a file below the folder was written: path -> (inode, mtime, size)."""
    found = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            info = os.stat(path)
            found[os.path.relpath(path, folder)] = (info.st_ino, info.st_mtime_ns, info.st_size)
    return found


def read_written(path, name):
    """(name, bytes) under which a written file is compared."""
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith(b"SQLite format 3\0"):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        text = "".join(line + "\n" for line in database.iterdump())
        database.close()
        return name + ".sql", text.encode()
    if name.endswith(".gz"):
        return name, gzip.decompress(data)
    return name, data


def same_each_time(text, folder):
    """Standard error without what differs from run to run: the folder's name, the seconds."""
    text = text.replace(folder.encode() + b"/", b"").replace(folder.encode(), b".")
    return re.sub(rb"\b\d+\.\d+ ?s\b", b"N.N s", text)


def run_process(command, folder, env, case):
    """(exit code, stdout, stderr) of one process; the code is None where it had to be killed."""
    stdin = subprocess.DEVNULL if case.stdin is None \
        else open(os.path.join(folder, case.stdin), "rb")
    try:
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        try:
            stdout, stderr = process.communicate(timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, b"", b""
    finally:
        if case.stdin is not None:
            stdin.close()
    return process.returncode, stdout, stderr


def scratch():
    """The folder in which those of the runs are made; None: the system's."""
    try:
        room = os.statvfs(IN_MEMORY)
    except OSError:
        return None
    fits = room.f_bavail * room.f_frsize >= IN_MEMORY_FREE_MIN
    return IN_MEMORY if fits and os.access(IN_MEMORY, os.W_OK) else None


def run_once(weir, case, batch_rows, processes=((),), again=None):
    """Runs the pipeline in a folder of its own: its outputs by name, as bytes.

    `processes`: the further arguments of each process, one after the other while they are stopped
    (130); what they print is put together. `again`: those of one more, after their end."""
    with tempfile.TemporaryDirectory(prefix="weir-pipeline-", dir=scratch()) as folder:
        folder = os.path.realpath(folder)
        lay_inputs(case, folder)
        script = next(target for source, target, _ in case.inputs if source == case.script)
        command = [weir, *case.command.split(), script]
        if batch_rows is not None:
            command += ["--batch-rows", batch_rows]
        env = {name: value for name, value in os.environ.items()
               if name in ("PATH", "LD_LIBRARY_PATH") or name.endswith("SAN_OPTIONS")}
        env.update(HOME=os.path.join(folder, ".home"), TZ="UTC", LC_ALL="C.UTF-8", NO_COLOR="1",
                   COLUMNS="80")
        before = stamps(folder)
        outputs = {"stdout": b"", "stderr": b""}
        ended = False
        for further in list(processes) + ([again] if again is not None else []):
            if ended and further is not again:
                continue
            code, stdout, stderr = run_process(command + case.args + list(further), folder, env,
                                               case)
            if code is None:
                return {"exit code": f"none after {RUN_SECONDS_MAX} seconds\n".encode()}
            outputs["exit code"] = f"{code}\n".encode()
            outputs["stdout"] += stdout
            outputs["stderr"] += same_each_time(stderr, folder)
            ended = ended or code != STOPPED
        after = stamps(folder)
        for name in sorted(after):
            ignored = any(fnmatch.fnmatch(name, pattern) for pattern in case.ignored)
            if after[name] != before.get(name) and not ignored:
                shown, data = read_written(os.path.join(folder, name), name)
                outputs[shown] = data
        for name in sorted(set(before) - set(after)):
            outputs[name] = b"(removed by the run)\n"
        return outputs


def read_expected(case):
    outputs = {"exit code": f"{case.exit}\n".encode(), "stdout": b"", "stderr": b""}
    for here, _, names in os.walk(case.expected):
        for name in names:
            path = os.path.join(here, name)
            with open(path, "rb") as file:
                outputs[os.path.relpath(path, case.expected)] = file.read()
    return outputs


def write_expected(case, outputs):
    shutil.rmtree(case.expected, ignore_errors=True)
    for name, data in outputs.items():
        if name == "exit code" or (name == "stderr" and data == b""):
            continue
        path = os.path.join(case.expected, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def show(data):
    return data.decode("utf-8", errors="backslashreplace").splitlines()


def differences(expected, found):
    """Lines that say how two sets of outputs differ; none where they are equal."""
    lines = []
    for name in sorted(set(expected) | set(found)):
        if name not in found:
            lines.append(f"  {name}: expected, and not written")
        elif name not in expected:
            lines.append(f"  {name}: written, and not expected")
            lines += [f"    {line}" for line in show(found[name])[:DIFF_LINES_MAX]]
        elif expected[name] != found[name]:
            lines.append(f"  {name}: differs")
            diff = list(difflib.unified_diff(show(expected[name]), show(found[name]), "expected",
                                             "found", lineterm="", n=2))
            lines += [f"    {line}" for line in diff[:DIFF_LINES_MAX]]
            if not diff:
                lines.append("    in the ends of its lines")
            elif len(diff) > DIFF_LINES_MAX:
                lines.append(f"    ... and {len(diff) - DIFF_LINES_MAX} lines more")
    return lines


def run_case(weir, case, update):
    """True where every run gave what is expected; prints what differs."""
    sizes = case.batch_rows or [None]
    if update:
        outputs = run_once(weir, case, sizes[-1])
        if outputs["exit code"] != f"{case.exit}\n".encode():
            print(f"{case.name}: exit code {outputs['exit code'].decode().strip()}: not written")
            print("\n".join(f"  {line}" for line in show(outputs.get("stderr", b""))))
            return False
        write_expected(case, outputs)
    expected = read_expected(case)
    passed = os.path.isdir(case.expected)
    if not passed:
        print(f"{case.name}: nothing is expected yet: write it with --update")
    for size in sizes:
        lines = differences(expected, run_once(weir, case, size))
        if lines:
            passed = False
            print(f"{case.name}:" if size is None else f"{case.name} with --batch-rows {size}:")
            print("\n".join(lines))
    return passed


def main():
    parser = argparse.ArgumentParser(add_help=True)
    parser.add_argument("--weir", help="the program")
    parser.add_argument("--root", default=ROOT, help="the tree; for the test of this file")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.update and os.environ.get("CI"):
        sys.exit("run.py: --update is refused where CI is set")
    cases = list((example_cases if options.examples else pipeline_cases)(options.root))
    unknown = set(options.names) - {case.name for case in cases}
    if unknown:
        sys.exit(f"run.py: no such pipeline: {', '.join(sorted(unknown))}")
    wanted = [case for case in cases if not options.names or case.name in options.names]
    if options.weir is None:
        sys.exit("run.py: which program? --weir PROGRAM")
    weir = os.path.abspath(options.weir)
    passed = sum(run_case(weir, case, options.update) for case in wanted)
    print(f"{passed} passed, {len(wanted) - passed} failed")
    return 0 if wanted and passed == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
