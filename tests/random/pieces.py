#!/usr/bin/env python3
"""pieces.py: random files that several threads read in pieces, beside one thread.

A case is a format (NDJSON, CSV, lines), one or more files of it, plain or compressed, with what is
hard to cut: line ends in quotes, quotes in the midst of fields, records that are too long, lines
that are no records, byte order marks, other headers, empty files, no line end at the end. Rows
with the places that they are from, rejects, notes and messages must be the same for any number of
threads, sizes of pieces (these follow `--batch-rows`) and stops.

usage: pieces.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import gzip
import os
import random
import shutil
import subprocess
import sys

import changelogs

RESULTS = ("rows.ndjson", "rejects.ndjson")
WORDS = ["", "a", "two words", "it's", "5\" disk", "größe", "x" * 70, "0", "a;b", "a,b"]
MARK = "\ufeff".encode()
STOPS = 12  # of a run, about


def ndjson_line(dice):
    kind = dice.random()
    if kind < 0.06:
        return dice.choice(["", "  ", "{", "[1]", '{"id": 1', "nonsense", '{"id": "no number"}'])
    text = dice.choice(WORDS).replace('"', '\\"')
    fields = [f'"id":{dice.randint(0, 99)}', f'"text":"{text}"']
    if dice.random() < 0.2:
        fields.append('"more":{"a":[1,2]}')
    if kind < 0.1:
        fields.append(f'"long":"{"y" * dice.choice([100, 400, 3000])}"')
    dice.shuffle(fields)
    return "{" + ",".join(fields) + "}"


def csv_field(dice):
    text = dice.choice(WORDS)
    if dice.random() < 0.25:
        text += dice.choice(["\n", "\r\n", '"', ',"', '",', '"\n', "\n\n"]) + dice.choice(WORDS)
        return '"' + text.replace('"', '""') + '"'
    if any(c in text for c in ',\n') or text[:1] == '"' or dice.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_line(dice):
    kind = dice.random()
    if kind < 0.06:
        return dice.choice(["", "1", "1,2,3,4", 'x,"y', '1,"y"z', "no,number", '"1"",2'])
    if kind < 0.09:
        return f'{dice.randint(0, 9)},{"y" * dice.choice([100, 400, 3000])}'
    if kind < 0.11:
        lines = "\n".join(["z" * 20] * dice.choice([10, 100]))
        return f'{dice.randint(0, 9)},"{lines}"'
    return f"{dice.randint(0, 99)},{csv_field(dice)}"


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.format = dice.choice(["ndjson", "csv", "csv", "lines"])
        self.header = self.format == "csv" and dice.random() < 0.7
        self.max_record = dice.choice([None, None, "300B"])
        self.fails = dice.random() < 0.1
        self.files, self.line_count = {}, 0
        for number in range(dice.choice([1, 1, 1, 2, 3, 6])):
            packed = dice.random() < 0.25
            name = f"in{number}.{self.format}{'.gz' if packed else ''}"
            content = self.content()
            self.files[name] = gzip.compress(content) if packed else content

    def content(self):
        dice = self.dice
        line = {"ndjson": ndjson_line, "csv": csv_line,
                "lines": lambda dice: dice.choice(WORDS) * dice.choice([1, 1, 1, 30])}[self.format]
        lines = [line(dice) for _ in range(dice.choice([0, 1, 5, 40, 40, 300, 1500]))]
        if self.header:
            lines.insert(0, dice.choice(["id,text", "id,text", '"id","text"', "text,id",
                                         "id,text,other"]))
        self.line_count += len(lines)
        end = dice.choice(["\n", "\n", "\r\n"])
        text = end.join(lines) + dice.choice([end, end, ""])
        return dice.choice([b"", b"", MARK]) + text.encode()

    def script(self):
        options = {"ndjson": 'schema = "id int64, text string"',
                   "csv": 'schema = "id int64, text string"', "lines": "lines = true"}[self.format]
        if self.format == "csv" and not self.header:
            options += ", header = false"
        if self.format == "lines":
            options = 'format = "lines"'
        if self.max_record:
            options += f', max_record = "{self.max_record}"'
        if self.fails:
            options += ', on_error = "fail"'
        return (f'local s = weir.read("in*", {{ {options} }})\n'
                's:derive "at_line = _line, at_file = _file":write "rows.ndjson"\n'
                's:rejects():write "rejects.ndjson"\n')


def run(weir, folder, *options):
    """Exit code, messages and results of a run; a stopped one goes on until it is done."""
    for name in RESULTS:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    shutil.rmtree(os.path.join(folder, "STATE"), ignore_errors=True)
    said = []
    while True:
        done = subprocess.run([weir, "run", "case.lua", "--progress", "off", *options],
                              cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        said.append(done.stderr)
        if done.returncode != 130 or "--state" not in options:
            break
    results = []
    for name in RESULTS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                results.append(file.read())
        else:
            results.append(None)
    # How long it took stands at the end of the summary.
    messages = sorted({line.rsplit(", ", 1)[0] for line in said[-1].splitlines()})
    return done.returncode, messages if "--state" not in options else None, results


def check(weir, seed):
    case = Case(seed)

    def play(folder):
        expected = run(weir, folder, "--workers", "1")
        ways = [["--workers", "2"]]
        for rows in ("1", "3", "50"):
            ways.append(["--workers", case.dice.choice("234"), "--batch-rows", rows])
        ways.append(["--workers", "1", "--shard-seed", str(seed + 1), "--batch-rows", "2"])
        for way in ways:
            if run(weir, folder, *way) != expected:
                raise AssertionError(f"other results with {' '.join(way)}")
        if expected[0] == 0:
            for workers in "13":
                rows = case.dice.choice([2, 9, 40])
                steps = case.dice.choice([1, 2, 3]) + case.line_count // rows // STOPS
                way = ["--workers", workers, "--batch-rows", str(rows),
                       "--state", "STATE", "--stop-after", str(steps)]
                found = run(weir, folder, *way)
                if (found[0], found[2]) != (expected[0], expected[2]):
                    raise AssertionError(f"other results with {' '.join(way)}")
    return changelogs.is_good(seed, case, case.files, play)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
