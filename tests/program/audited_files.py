#!/usr/bin/env python3
"""audited_files.py PROGRAM iofault.so: an audited write into files publishes all rows or none.

Files that are appended, compressed ones too, that roll, and that are added to directories: what an
audit that fails leaves, and one that holds, with and without a state, also where the program is
killed at its calls and goes on, and where somebody else writes meanwhile.
tests/faults/pipelines/held.lua is killed at every call."""

import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile

SCRIPT = '''
weir.settings { checkpoint = "1ms" }
local p = weir.params "least int64 = 50"
local s = weir.generate { rows = 50, columns = "id = i, v = i * 7" }
local audit = "enough = count() >= $least"
s:write("a.csv", { mode = "append", audit = audit })
s:write("a.ndjson.gz", { mode = "append", audit = audit })
s:write("fresh.csv", { mode = "append", audit = audit })
s:write("rolled/", { format = "csv", roll = { rows = 20 }, audit = audit })
s:write("by/", { format = "csv", mode = "append", partition_by = "g = id % 2",
  roll = { rows = 20 }, audit = audit })
'''
ROWS = [f"{i},{i * 7}" for i in range(1, 51)]
SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
KILLS = 15


class Failure(Exception):
    pass


def same(what, found, expected):
    if found != expected:
        raise Failure(f"{what}: {found!r}, expected {expected!r}")


class Bench:
    def __init__(self, weir, library):
        self.weir, self.library = weir, library
        self.held = tempfile.TemporaryDirectory(prefix="weir-audited-")
        self.folder = os.path.join(self.held.name, "here")
        self.lives = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data)

    def fresh(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.put("job.lua", SCRIPT.encode())
        self.put("a.csv", b"id,v\n0,0")  # its last line has no end
        self.put("a.ndjson.gz", gzip.compress(b'{"id":0,"v":0}\n', mtime=0))
        self.put("rolled/part-0000000000.csv", b"old\n")
        self.put("by/g=0/part-0000000004.csv", b"older\n")

    def left(self):
        """{name: bytes} but for the state and what only a state points to."""
        found = {}
        for here, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(here, name)
                shown = os.path.relpath(path, self.folder)
                if shown.startswith("s/") or shown == "job.lua":
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                found[shown] = gzip.decompress(data) if name.endswith(".gz") else data
        return found

    def named(self):
        return {name: data for name, data in self.left().items() if not name.endswith(".part")}

    def run(self, *words, code=0, **settings):
        self.lives += 1
        environment = dict(os.environ, NO_COLOR="1", LD_PRELOAD=self.library, IOFAULT_DO="kill",
                           IOFAULT_ROOT=self.folder, IOFAULT_SEED=str(self.lives))
        environment |= {f"IOFAULT_{name.upper()}": str(x) for name, x in settings.items()}
        done = subprocess.run([self.weir, "run", "job.lua", "--batch-rows", "8", *words],
                              cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=120, check=False)
        text = done.stderr.decode(errors="replace")
        if code is not None and done.returncode != code:
            raise Failure(f"exit code {done.returncode}, not {code}: {text[-1500:]}")
        return text

    def calls(self, *words, code=0):
        log = self.folder + ".log"
        self.run(*words, code=code, log=log)
        with open(log, encoding="utf-8") as file:
            return len(file.readlines())


def before():
    return {"a.csv": b"id,v\n0,0", "a.ndjson.gz": b'{"id":0,"v":0}\n',
            "rolled/part-0000000000.csv": b"old\n", "by/g=0/part-0000000004.csv": b"older\n"}


def part(rows):
    return ("id,v\n" + "".join(row + "\n" for row in rows)).encode()


def after():
    json = "".join('{"id":%s,"v":%s}\n' % tuple(row.split(",")) for row in ROWS)
    found = before() | {"a.csv": b"id,v\n0,0\n" + part(ROWS)[5:],
                        "a.ndjson.gz": ('{"id":0,"v":0}\n' + json).encode(),
                        "fresh.csv": part(ROWS)}
    for i in range(3):
        found[f"rolled/part-{i:010}.csv"] = part(ROWS[20 * i:20 * i + 20])
    for g in range(2):
        rows, first = ROWS[1 - g::2], 5 if g == 0 else 0
        for i in range(2):
            found[f"by/g={g}/part-{first + i:010}.csv"] = part(rows[20 * i:20 * i + 20])
    return found


def without_a_state(bench):
    bench.fresh()
    for _ in range(2):
        text = bench.run("-p", "least=51", code=1)
        same(text, "[W608]: audit of a.csv failed" in text and "where count() is 50" in text, True)
        same("an audit that fails leaves", bench.left(), before())
    bench.run()
    same("one that holds leaves", bench.left(), after())


def with_a_state(bench):
    bench.fresh()
    for _ in range(3):
        text = bench.run("--state", "s", "-p", "least=51", code=1)
        same(text, "[W608]" in text, True)
        same("an audit that fails leaves", bench.named(), before())
    bench.fresh()
    bench.run("--state", "s")
    same("one that holds leaves", bench.left(), after())
    text = bench.run("--state", "s")
    same(text, "was complete" in text, True)
    same("once more", bench.left(), after())


def killed(bench):
    """At calls of a run that holds and of one that fails, up to three lives in a row."""
    dice = random.Random(SEED)
    for least, code in (("50", 0), ("51", 1)):
        words = ["--state", "s", "-p", f"least={least}"]
        bench.fresh()
        count = bench.calls(*words, code=code)
        for number in sorted(dice.sample(range(1, count + 1), min(KILLS, count))):
            bench.fresh()
            for life in range(dice.choice((1, 1, 3))):
                bench.run(*words, code=None, at=max(1, number // (life + 1)))
            bench.run(*words, code=code)
            what = f"killed at call {number} of {count}, least {least}, seed {SEED}"
            same(what, bench.named(), after() if code == 0 else before())


def stopped_before_its_end(bench):
    """What is published is nothing; the next life publishes all."""
    bench.fresh()
    bench.run("--state", "s", "--stop-after", "3", code=130)
    same("stopped", bench.named(), before())
    bench.run("--stop-after", "3", code=130)
    same("stopped without a state", bench.named(), before())
    bench.run("--state", "s")
    same("and went on", bench.left(), after())


def others_write_meanwhile(bench):
    """Nothing of theirs is lost, and they are told of."""
    bench.fresh()
    bench.run("--state", "s", "--stop-after", "3", code=130)
    theirs = b"id,v\n0,0\n" + b"1,1\n" * 400
    bench.put("a.csv", theirs)
    text = bench.run("--state", "s", code=1)
    same(text, "append to a.csv: another program has written to it meanwhile" in text, True)
    same("theirs", bench.named()["a.csv"], theirs)
    bench.put("a.csv", b"id,v\n0,0")
    bench.run("--state", "s")
    same("behind it", bench.left(), after())
    # A number of a part that another run took.
    bench.fresh()
    bench.run("--state", "s", "--stop-after", "3", code=130)
    bench.put("by/g=0/part-0000000005.csv", b"theirs\n")
    text = bench.run("--state", "s", code=1)
    same(text, "part-0000000005.csv: another run has written it meanwhile" in text, True)
    same("theirs", bench.named()["by/g=0/part-0000000005.csv"], b"theirs\n")


def main():
    print(f"seed: WEIR_SEED={SEED}")
    bench = Bench(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
    failed = 0
    tests = [without_a_state, with_a_state, killed, stopped_before_its_end, others_write_meanwhile]
    for test in tests:
        try:
            test(bench)
        except Failure as failure:
            failed += 1
            print(f"{test.__name__}: {failure}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
