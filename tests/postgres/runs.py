"""runs.py: runs of the program for the tests beside it, and what they have in common."""

import os
import subprocess
import sys
import tempfile
import time

import server

SECONDS_MAX = 120


class Failure(AssertionError):
    pass


def same(what, has, wanted):
    if has != wanted:
        raise Failure(f"{what}:\n  has    {str(has)[:2000]}\n  wanted {str(wanted)[:2000]}")


class Place:
    """A directory with a script and its state."""

    def __init__(self, weir, script, environment=None):
        self.weir = weir
        self.held = tempfile.TemporaryDirectory(prefix="weir-pg-")
        self.folder = self.held.name
        self.environment = dict(os.environ, **(environment or {}))
        self.write("job.lua", script)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, *arguments, command="run", script="job.lua"):
        return subprocess.Popen([self.weir, command, *arguments, script], cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment)

    def end(self, process):
        """(exit code, standard output, standard error)"""
        try:
            out, err = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f"it did not end in {SECONDS_MAX} s") from None
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def run(self, *arguments, code=0, **more):
        """What it says; `code` None: however it ends."""
        result = self.end(self.start(*arguments, **more))
        if code is not None and result[0] != code:
            raise Failure(f"exit code {result[0]}, not {code}: {result[2][-2000:]}")
        return result[1] + result[2]


def main(tests, describe):
    """Runs tests `name(weir, postgres)` and says how many passed."""
    weir, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if server.find_programs() is None:
        print(f"{describe}: no PostgreSQL server (apt-get install postgresql)")
        return 1 if os.environ.get("CI") else server.SKIPPED
    passed = failed = 0
    postgres = server.Server()
    try:
        for test in tests:
            if names and test.__name__ not in names:
                continue
            began = time.monotonic()
            try:
                test(weir, postgres)
                passed += 1
            except (Failure, RuntimeError) as failure:
                failed += 1
                print(f"{test.__name__}: {failure}")
            print(f"{test.__name__}: {time.monotonic() - began:.1f} s")
    finally:
        postgres.close()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1
