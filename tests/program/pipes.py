#!/usr/bin/env python3
"""pipes.py: standard input is read on behind a restart where the state stands, whatever the pieces
are in which it comes.

    pipes.py PROGRAM

The pipe pauses at places drawn by WEIR_SEED: right behind what is looked at before the first row,
and in the midst of what is passed over."""

import os
import random
import subprocess
import sys
import tempfile
import time

ROWS = 20000
SCRIPT = """weir.settings { checkpoint = "10ms" }
weir.read("-", { format = "ndjson", schema = "id int64" }):write("out.ndjson")
"""
BYTES = b"".join(b'{"id":%d}\n' % i for i in range(ROWS))


def give(program, folder, pieces, *words):
    """A run whose input comes in these pieces; its exit code and what it said."""
    run = subprocess.Popen([program, "run", "job.lua", "--state", "st", *words], cwd=folder,
                           stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)
    try:
        for piece in pieces:
            run.stdin.write(piece)
            run.stdin.flush()
            time.sleep(0.05)
        run.stdin.close()
    except BrokenPipeError: # it stops at a place
        pass
    said = run.stderr.read().decode()
    return run.wait(), said


def pieces_of(cuts):
    places = [0, *sorted(cuts), len(BYTES)]
    return [BYTES[a:b] for a, b in zip(places, places[1:]) if b > a]


def play(program, cuts, until):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "job.lua"), "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        code, said = give(program, folder, [BYTES], "--until", f"{until}rows")
        assert code == 0, said
        code, said = give(program, folder, pieces_of(cuts))
        assert code == 0 and "0 rejected" in said, f"{cuts}, {until}: {code}: {said}"
        with open(os.path.join(folder, "out.ndjson"), "rb") as file:
            assert file.read() == BYTES, f"pieces at {cuts} behind {until} rows: other rows"


def main():
    seed = int(os.environ.get("WEIR_SEED") or 0) or random.randrange(1 << 30)
    print(f"WEIR_SEED={seed}")
    draw = random.Random(seed)
    cases = [([60000], 8000), ([65536], 8000), ([4096, 65536], 15000), ([1, 5, 100000], 12000)]
    until = time.monotonic() + float(os.environ.get("WEIR_RANDOM_SECONDS") or 5)
    count = 0
    while cases or time.monotonic() < until:
        case = cases.pop(0) if cases else (
            [draw.randrange(1, len(BYTES)) for _ in range(draw.randint(1, 6))],
            draw.randrange(1, ROWS))
        play(os.path.abspath(sys.argv[1]), *case)
        count += 1
    print(f"{count} passed, 0 failed")


main()
