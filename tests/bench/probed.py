"""probed.py: runs of `probed` (tests/bench/probe), which is weir that notes how long parts of it
take, and what it noted."""

import json
import os
import shutil
import subprocess
import sys
import time

import measured

PROGRAM = os.path.join(measured.BUILD, "tests/bench/probed")
LOG = "probe.json"


class Folder:
    """A folder below build/bench for one measurement; what an earlier one left is gone."""

    def __init__(self, name):
        self.path = os.path.join(measured.FOLDER, name)
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        with open(self.file(name), "w", encoding="utf-8") as file:
            file.write(text)

    def remove(self, *names):
        for name in names:
            path = self.file(name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)

    def start(self, script, flags=(), program=PROGRAM, stdout=subprocess.DEVNULL, **wishes):
        """A process over a script; `wishes`: of probe.h, in small letters."""
        self.remove(LOG)
        env = dict(os.environ, WEIR_PROBE=self.file(LOG),
                   WEIR_PROBE_BEGAN=str(time.monotonic_ns()))
        for name, value in wishes.items():
            env["WEIR_PROBE_" + name.upper()] = str(value)
        with open(self.file("stderr"), "wb") as stderr:
            return subprocess.Popen([program, "run", script, "--progress", "off", *flags],
                                    cwd=self.path, env=env, stdin=subprocess.DEVNULL,
                                    stdout=stdout, stderr=stderr)

    def notes(self, what=None):
        """What the last process noted so far; a line that is being written is left out."""
        if not os.path.exists(self.file(LOG)):
            return []
        with open(self.file(LOG), encoding="utf-8") as file:
            found = [json.loads(line) for line in file if line.endswith("\n")]
        return [note for note in found if what in (None, note["what"])]

    def wait_for(self, what, process, seconds):
        """The first note of a kind."""
        until = time.monotonic() + seconds
        while True:
            found = self.notes(what)
            if found:
                return found[0]
            if process.poll() is not None or time.monotonic() > until:
                self.fail(f"nothing `{what}` within {seconds} s, exit code {process.poll()}")
            time.sleep(0.002)

    def end(self, process, code=0):
        if process.wait() != code:
            self.fail(f"exit code {process.returncode}")

    def fail(self, why):
        with open(self.file("stderr"), encoding="utf-8", errors="replace") as file:
            sys.exit(f"{self.path}: {why}\n{file.read()}")


def at(values, share):
    """The value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1))]


def ms(nanoseconds):
    return f"{nanoseconds / 1e6:.2f}"
