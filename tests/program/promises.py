#!/usr/bin/env python3
"""promises.py: each pair of a source and a sink keeps what docs/reference/promises.md says of it.

    promises.py PROGRAM iofault.so [--postgres] [--all] [PART OF A PAIR...]

Every cell of the table is a pair that is run: undisturbed, then killed at calls that change
something, and started again until it has come to its end. What must be there then is the cell's
word: each row once; each key once; or each row at least once, and one of them twice at some kill. A
pair without a script here, or a cell whose test is not there, fails. --postgres: those pairs that
have a PostgreSQL server, and no others. --all: at each call; else a sample by seed, in
WEIR_RANDOM_SECONDS."""

import collections
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../postgres"))
import server # pylint: disable=wrong-import-position

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(ROOT, "docs/reference/promises.md")
ONCE, BY_KEY, AGAIN = "exactly once", "effectively once, by key", "at least once"
ROWS, BATCH_ROWS = 120, "16"
SECONDS_DEFAULT, KILLS_MIN = 20, 2
LIVES_MAX = 40
RUN_SECONDS_MAX = 60
SETTINGS = 'weir.settings { checkpoint = "1ms" }\n'
SCHEMA = 'schema = "id int64 key, v int64"'

# A source gives id and v for 1 … ROWS. `%s`: where PostgreSQL is.
SOURCES = {
    "files": f'weir.read("in/*.csv", {{ {SCHEMA} }})',
    "standard input": f'weir.read("-", {{ format = "csv", {SCHEMA} }})',
    "files that grow": f'weir.read("all.csv", {{ follow = true, {SCHEMA} }})',
    "directories that fill": f'weir.read("in/", {{ follow = true, format = "csv", {SCHEMA} }})',
    "rows of the script": 'weir.rows("id int64 key, v int64", { %s })' % ", ".join(
        f"{{ {i}, {i * 7} }}" for i in range(1, ROWS + 1)),
    "generate": f'weir.generate {{ rows = {ROWS}, columns = "id = i, v = i * 7" }}',
    "nexmark": f'(weir.nexmark {{ events = {ROWS * 50 // 46} }})'
               ':select "id = _event, v = price"',
    "SQLite": f'weir.read("sqlite:in.db", {{ table = "t", {SCHEMA} }})',
    "PostgreSQL table": f'weir.read(weir.postgres("%s", {{ table = "t", user = "weir" }}), '
                        f'{{ {SCHEMA} }})',
    "PostgreSQL query": 'weir.read(weir.postgres("%s", { query = "select id, v from t '
                        f'order by id", user = "weir" }}), {{ {SCHEMA} }})',
    # The clock decides which of two rows leaves: as many ids, but other rows.
    "any, and rows that vary": f'weir.read("in/*.csv", {{ {SCHEMA} }})'
                               ':derive "at = now()":filter "at > timestamp\'2000-01-01\'"'
                               ':select "id, v"',
}
ENDLESS = ("files that grow", "directories that fill")

SINKS = {
    "file": ':write "out.csv"',
    "file, append": ':write("out.csv", { mode = "append" })',
    "directory": ':write("out/", { format = "csv", partition_by = "part = v % 2" })',
    "SQLite": ':write("sqlite:out.db", { table = "t", mode = "append" })',
    "table in the state": ':write("state:t", { mode = "append" })',
    "SQLite, by key": ':write("sqlite:out.db", { table = "t", key = "id" })',
    "PostgreSQL": ':write(weir.postgres("%s", { table = "o", user = "weir" }), '
                  '{ mode = "append" })',
    "PostgreSQL, by key": ':write(weir.postgres("%s", { table = "o", user = "weir" }), '
                          '{ key = "id" })',
    "terminal": ':print { format = "csv" }',
    "blackhole": ':write(weir.blackhole { hash = true })',
}


class Wrong(AssertionError):
    pass


# ---- the table -------------------------------------------------------------------------------


def read_table():
    """{(source, sink): (promise, test)}, of the committed reference."""
    with open(TABLE, encoding="utf-8") as file:
        lines = file.read().split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("| with `--state`"))
    sinks = [cell.strip() for cell in lines[at].strip("| ").split(" | ")][1:]
    cells = {}
    for line in lines[at + 2:]:
        if not line.startswith("|"):
            break
        name, *row = [cell.strip() for cell in line.strip("| ").split(" | ")]
        name = re.sub(r" \(\d+\)$", "", name)
        for sink, cell in zip(sinks, row, strict=True):
            word, path = re.fullmatch(r"\[([^\]]+)\]\(\.\./\.\./([^)]+)\)", cell).groups()
            cells[name, sink] = (word, path)
    links = set(re.findall(r"\]\(\.\./\.\./([^)]+)\)", "\n".join(lines)))
    return cells, links


def check_table(cells, links):
    wrong = [f"{path}: is not there" for path in sorted(links)
             if not os.path.exists(os.path.join(ROOT, path))]
    names = {name for name, _ in cells}, {name for _, name in cells}
    for there, known, what in ((names[0], SOURCES, "source"), (names[1], SINKS, "sink")):
        wrong += [f"{what} `{name}`: the test has no script for it" for name in there - set(known)]
        wrong += [f"{what} `{name}`: the table does not have it" for name in set(known) - there]
    for pair, (word, _) in cells.items():
        if word not in (ONCE, BY_KEY, AGAIN):
            wrong.append(f"{pair}: `{word}` is no promise")
    return wrong


# ---- what a pair leaves ----------------------------------------------------------------------


def csv_rows(text):
    return [line for line in text.split("\n") if line and not line.startswith("id,")]


def files_of(folder, name):
    for here, _, names in sorted(os.walk(folder)):
        for each in sorted(names):
            path = os.path.join(here, each)
            if os.path.relpath(path, folder).split("/")[0] == name:
                with open(path, encoding="utf-8") as file:
                    yield file.read()


def sqlite_rows(path):
    database = sqlite3.connect(path)
    try:
        return [f"{i},{v}" for i, v in database.execute("select id, v from t")]
    finally:
        database.close()


class Pair:
    """One source with one sink."""

    def __init__(self, bench, source, sink, promise):
        self.bench, self.source, self.sink, self.promise = bench, source, sink, promise
        self.twice = self.kills = 0
        self.text = SETTINGS + f"local s = {SOURCES[source]}\ns{SINKS[sink]}\n".replace(
            "%s", bench.postgres.address if bench.postgres else "")
        folder = bench.fresh(self)
        log = folder + ".log"
        shown = bench.run(self, folder, log=log)
        self.wanted = collections.Counter(self.left(folder, shown))
        with open(log, encoding="utf-8") as file:
            self.calls = len(file.readlines())
        shutil.rmtree(folder)
        if sum(self.wanted.values()) < (1 if sink == "blackhole" else 40):
            raise Wrong(f"an undisturbed run leaves {self.wanted}")
        if sink != "blackhole" and max(self.wanted.values()) > 1:
            raise Wrong("an undisturbed run leaves a row twice")

    def left(self, folder, shown):
        """The rows that are there; `shown`: what all lives wrote to stdout and stderr."""
        if self.sink == "terminal":
            return csv_rows(shown[0])
        if self.sink == "blackhole":
            return re.findall(r'"rows":\d+,"hash":"[0-9a-f]+"', "".join(shown))[-1:]
        if self.sink.startswith("SQLite"):
            return sqlite_rows(os.path.join(folder, "out.db"))
        if self.sink == "table in the state":
            return sqlite_rows(os.path.join(folder, "STATE", "state.db"))
        if self.sink.startswith("PostgreSQL"):
            return [line.replace("|", ",") for line in
                    self.bench.postgres.sql("select id, v from o").split("\n") if line]
        return [row for text in files_of(folder, "out" if self.sink == "directory" else "out.csv")
                for row in csv_rows(text)]

    def kill(self, number):
        """Killed at a call, and run on to its end. Raises Wrong."""
        folder = self.bench.fresh(self)
        try:
            shown, code = ["", ""], None
            for life in range(LIVES_MAX):
                out, err, code = self.bench.life(self, folder, life + 1,
                                                 at=number if life == 0 else 0)
                shown = [shown[0] + out, shown[1] + err]
                if code != -9:
                    break
                self.kills += 1
            if code != 0:
                raise Wrong(f"exit code {code} behind a kill at call {number}: {err[-600:]}")
            self.judge(number, collections.Counter(self.left(folder, shown)))
        finally:
            shutil.rmtree(folder)

    def judge(self, number, found):
        lost, more = self.wanted - found, found - self.wanted
        self.twice += bool(more)
        where = f"killed at call {number} of {self.calls}"
        if lost:
            raise Wrong(f"{where}: lost {sum(lost.values())} rows, as {list(lost)[:3]}")
        if more and self.promise != AGAIN:
            raise Wrong(f"{where}: {sum(more.values())} rows too many, as {list(more)[:3]}")
        if set(more) - set(self.wanted):
            raise Wrong(f"{where}: rows that are none: {list(set(more) - set(self.wanted))[:3]}")


class Bench:
    """The program and a folder on a disk in memory."""

    def __init__(self, weir, library, postgres):
        self.weir, self.library = os.path.abspath(weir), os.path.abspath(library)
        self.postgres = postgres
        below = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="weir-promises-", dir=below)
        self.made = 0
        self.template = os.path.join(self.folder, "template")
        os.makedirs(os.path.join(self.template, "in"))
        rows = [f"{i},{i * 7}\n" for i in range(1, ROWS + 1)]
        self.everything = "id,v\n" + "".join(rows)
        half = ROWS // 2
        self.write("all.csv", self.everything)
        self.write("in/a.csv", "id,v\n" + "".join(rows[:half]))
        self.write("in/b.csv", "id,v\n" + "".join(rows[half:]))
        for name in "ab": # nobody adds to them any more: they are read to their end
            os.utime(os.path.join(self.template, f"in/{name}.csv"), (0, 1e9))
        database = sqlite3.connect(os.path.join(self.template, "in.db"))
        database.execute("create table t(id integer primary key, v integer)")
        database.executemany("insert into t values (?, ?)",
                             [(i, i * 7) for i in range(1, ROWS + 1)])
        database.commit()
        database.close()
        if postgres:
            postgres.sql("create table t(id bigint primary key, v bigint); insert into t "
                         f"select i, i * 7 from generate_series(1, {ROWS}) i")

    def write(self, name, text):
        with open(os.path.join(self.template, name), "w", encoding="utf-8") as file:
            file.write(text)

    def fresh(self, pair):
        self.made += 1
        folder = os.path.join(self.folder, f"{self.made}")
        shutil.copytree(self.template, folder)
        with open(os.path.join(folder, "job.lua"), "w", encoding="utf-8") as file:
            file.write(pair.text)
        if pair.sink.startswith("PostgreSQL"):
            # A sink of every run has the same number here, as it is drawn.
            self.postgres.sql("""do $$ declare name text; begin
                for name in select tablename from pg_tables
                    where tablename = 'o' or tablename like 'weir\\_%' loop
                    execute format('drop table %I', name); end loop; end $$""")
        return folder

    def life(self, pair, folder, life, **settings):
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "TZ": "UTC",
                       "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "LD_PRELOAD": self.library,
                       "IOFAULT_ROOT": folder, "IOFAULT_SEED": str(1000 * life + 7),
                       "IOFAULT_DO": "kill"}
        environment |= {f"IOFAULT_{name.upper()}": str(x) for name, x in settings.items()}
        limit = ["--limit", str(ROWS)] if pair.source in ENDLESS else []
        done = subprocess.run([self.weir, "run", "job.lua", "--state", "STATE", "--batch-rows",
                               BATCH_ROWS, "--progress", "off", *limit], cwd=folder,
                              env=environment, input=self.everything.encode(),
                              capture_output=True, timeout=RUN_SECONDS_MAX, check=False)
        return (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"),
                done.returncode)

    def run(self, pair, folder, **settings):
        out, err, code = self.life(pair, folder, 1, **settings)
        if code != 0:
            raise Wrong(f"exit code {code}: {err[-800:]}")
        return out, err

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- the test --------------------------------------------------------------------------------


def sample(pairs, dice, seconds):
    """A kill of each pair in turn, until the time is over."""
    until = time.monotonic() + seconds
    for turn in range(1 << 20):
        for pair in pairs:
            if turn >= KILLS_MIN and time.monotonic() > until:
                return
            yield pair, dice.randrange(1, pair.calls + 1)


def run_pairs(pairs, points):
    """What is wrong, each pair's first only."""
    wrong = {}
    for pair, number in points:
        if pair in wrong:
            continue
        try:
            pair.kill(number)
        except Wrong as error:
            wrong[pair] = f"{pair.source} → {pair.sink} ({pair.promise}): {error}"
            print(wrong[pair], flush=True)
    return list(wrong.values())


def until_twice(pairs, dice):
    """Calls of the weakest pair of each sink, until at one of them a row is there twice: a promise
    is not to be weaker than what holds."""
    for sink in sorted({pair.sink for pair in pairs if pair.promise == AGAIN}):
        weak = [pair for pair in pairs if pair.sink == sink and pair.promise == AGAIN]
        for number in dice.sample(range(1, weak[-1].calls + 1), weak[-1].calls):
            if any(pair.twice for pair in weak):
                break
            yield weak[-1], number


def never_twice(pairs):
    twice = collections.Counter()
    for pair in pairs:
        if pair.promise == AGAIN:
            twice[pair.sink] += pair.twice
    return [f"sink `{sink}`: nothing was ever there twice" for sink, n in twice.items() if n == 0]


def run(weir, library, words, postgres=None):
    cells, links = read_table()
    wrong = check_table(cells, links)
    print("\n".join(wrong)) if wrong else None
    bench = Bench(weir, library, postgres)
    seed = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
    print(f"seed: WEIR_SEED={seed}")
    dice = random.Random(seed)
    pairs = []
    try:
        for (source, sink), (word, _) in cells.items() if not wrong else ():
            is_of_postgres = "PostgreSQL" in source + sink
            if is_of_postgres != (postgres is not None) or not all(
                    part in f"{source} → {sink}" for part in words if part[:2] != "--"):
                continue
            try:
                pairs.append(Pair(bench, source, sink, word))
            except Wrong as error:
                wrong.append(f"{source} → {sink}: {error}")
                print(wrong[-1], flush=True)
        points = [(pair, n) for pair in pairs for n in range(1, pair.calls + 1)] \
            if "--all" in words else sample(pairs, dice, float(
                os.environ.get("WEIR_RANDOM_SECONDS") or SECONDS_DEFAULT))
        wrong += run_pairs(pairs, points) or run_pairs(pairs, until_twice(pairs, dice))
        weak = never_twice(pairs)
        wrong += weak
        print("\n".join(weak)) if weak else None
    finally:
        bench.close()
    print(f"{len(pairs)} pairs, {sum(pair.kills for pair in pairs)} kills")
    print(f"{max(0, len(pairs) - len(wrong))} passed, {len(wrong)} failed")
    return 1 if wrong or not pairs else 0


def main():
    weir, library, *words = sys.argv[1:]
    if "--postgres" not in words:
        return run(weir, library, words)
    if server.find_programs() is None:
        print("promises.py: no PostgreSQL server (apt-get install postgresql)")
        return 1 if os.environ.get("CI") else server.SKIPPED
    postgres = server.Server()
    try:
        return run(weir, library, words, postgres)
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main())
