#!/usr/bin/env python3
"""run.py: random pipelines over random inputs, run in many ways, and beside an oracle.

    run.py --weir PROGRAM [--seconds N | --cases N] [--jobs N] [--seed N] [--keep DIR]
           [--case JSON-FILE]

One case is one seed: a graph of stages, its inputs, and how it is run. All runs of a case must
write the same bytes: --batch-rows 1 to 4096, one to three --shards in orders by seed, stopped at a
step and gone on with --state, inputs packed or cut into other files, the script in another layout,
sorts in a scratch file.
Where DuckDB can say the same (translate.py, oracle.py) the rows and the rejects by code are
compared with it.

With --seed one case is run; a failing case is made smaller (shrink.py) and printed as one line, for
regressions.txt, whose cases are always run first. Files lie in memory where the system has a place
for that: a run takes milliseconds there, and most of it is waiting for a disk elsewhere.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import cases  # noqa: E402
import compare  # noqa: E402
import inputs  # noqa: E402
import oracle  # noqa: E402
import relations  # noqa: E402
import tables  # noqa: E402
import translate  # noqa: E402

try:
    import duckdb
except ImportError:
    if os.environ.get("CI"):
        raise
    duckdb = None

RUN_SECONDS_MAX = 60
MEMORY = "/dev/shm"
MEMORY_FREE_MIN = 512 << 20  # a case takes some 100 KB
STOPS_MAX = 400
STOPPED = 130


def written(folder):
    """What a run wrote: name -> bytes; a SQLite file as its dump."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("out") or name == "rejects.ndjson":
            path = os.path.join(folder, name)
            if name.endswith(".db"):
                database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
                # Those tables are the sink's own: the rows of an epoch once, whatever happens.
                lines = [line for line in database.iterdump()
                         if "weir_commit" not in line and "weir_refused" not in line]
                found[name] = "\n".join(lines).encode("utf-8", "surrogateescape")
                database.close()
            elif not name.endswith(("-wal", "-shm", "-journal")):
                with open(path, "rb") as file:
                    found[name] = file.read()
            if name == "rejects.ndjson":  # Lua's line of an error is sometimes that before it
                found[name] = re.sub(rb"case\.lua:\d+: ", b"case.lua: ", found[name])
    return found


def clear(folder):
    """Removes what a run before wrote; the inputs stay."""
    for name in os.listdir(folder):
        if name.startswith("out") or name in ("rejects.ndjson", "STATE"):
            path = os.path.join(folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def scratch():
    """Where the folders of the runs are made: None is the system's own place."""
    if os.environ.get("TMPDIR") or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    room = os.statvfs(MEMORY)
    return MEMORY if room.f_bavail * room.f_frsize >= MEMORY_FREE_MIN else None


class Failure(Exception):
    """A case that weir got wrong. `kind` is what shrinking keeps."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind, self.text = kind, text


class Runner:
    """How cases of one kind are made, run and judged; other kinds are classes of it."""

    program, regressions = "run.py", "regressions.txt"
    make, relations = staticmethod(cases.make), relations.RELATIONS

    def __init__(self, weir, keep=None):
        self.weir, self.keep = os.path.abspath(weir), keep
        self.scratch = scratch()
        self.counts = {"cases": 0, "runs": 0, "compared": 0, "rows": 0, "relations": 0}
        self.db = None
        if duckdb is not None:
            self.db = duckdb.connect(config={"threads": 1})
            self.db.execute("SET ieee_floating_point_ops = true; SET TimeZone = 'UTC'")
            for statement in translate.MACROS.split(";\n"):
                if statement.strip():
                    self.db.execute(statement)

    def process(self, folder, args):
        env = {name: value for name, value in os.environ.items()
               if name in ("PATH", "LD_LIBRARY_PATH") or name.endswith("SAN_OPTIONS")}
        env.update(HOME=folder, TZ="UTC", LC_ALL="C.UTF-8", NO_COLOR="1")
        self.counts["runs"] += 1
        try:
            done = subprocess.run([self.weir, "run", "case.lua"] + args, cwd=folder, env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=RUN_SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired as end:
            raise Failure("hangs", f"still runs after {RUN_SECONDS_MAX} s: {args}") from end
        return done.returncode, done.stderr.decode("utf-8", "backslashreplace")

    def folder(self):
        return tempfile.mkdtemp(prefix="weir-random-", dir=self.scratch)

    def run(self, case, args, style=None, layout=None, folder=None):
        """One way to run a case: {file: bytes}. A folder that is given has the inputs."""
        own = folder is None
        folder = folder or self.folder()
        try:
            if own:
                inputs.write_all(folder, case["sources"], layout)
            else:
                clear(folder)
            with open(os.path.join(folder, "case.lua"), "w", encoding="utf-8") as file:
                file.write(cases.script(case, style))
            code, stderr = self.process(folder, args)
            again = [arg for i, arg in enumerate(args)
                     if arg != "--stop-after" and args[i - 1] != "--stop-after"]
            processes = 1
            while code == STOPPED and processes < STOPS_MAX:
                code, stderr = self.process(folder, args if "--each" in case else again)
                processes += 1
            if code != 0:
                why = re.search(r"error\[(W\d+)\]", stderr)  # so that shrinking keeps the reason
                raise Failure(f"refused {why[1]}" if code == 3 and why else f"exit code {code}",
                              f"exit code {code} with {' '.join(args)}\n{stderr}")
            return {**written(folder), "counts": counts_of(stderr)}
        finally:
            if own:
                shutil.rmtree(folder, ignore_errors=True)

    def variants(self, case, seed):
        """(what it is, arguments, style, layout) of the further runs of a case."""
        dice = random.Random(f"{seed} ways")
        ways = [(f"--batch-rows {n}", ["--batch-rows", n], None, None)
                for n in dice.sample(["1", "2", "3", "7", "64"], 2)]
        shards = ["--shards", dice.choice("123"), "--shard-seed", str(dice.randrange(1 << 20)),
                  "--batch-rows", dice.choice(["1", "3", "64"])]
        ways.append((" ".join(shards), shards, None, None))
        if dice.random() < 0.3:  # threads: who works when is drawn, as far as they let it
            threads = [*shards, "--workers", dice.choice("23")]
            ways.append((" ".join(threads), threads, None, None))
        stop = ["--batch-rows", dice.choice(["1", "2", "7"]), "--state", "STATE", "--stop-after",
                str(dice.randint(1, 40))]
        if dice.random() < 0.3:
            stop += shards[:4]
        ways.append((" ".join(stop), stop, None, None))
        packed = {"gz": dice.random() < 0.5, "move": dice.choice([0, -1, 2])}
        ways.append((f"other files {packed} and another layout of the script",
                     ["--batch-rows", dice.choice(["1", "5", "4096"])], dice.randrange(1 << 20),
                     packed))
        if any(node["op"] in ("sort", "agg", "dedup", "distinct", "top") or node.get("window")
               for node in case["nodes"]):
            spill = ["--spill-bytes", dice.choice(["1", "3000"]), "--batch-rows",
                     dice.choice(["1", "7", "4096"])]
            ways += [(" ".join(args), args, None, None) for args in (spill, spill + stop[2:])]
        return ways

    def check(self, case, seed):
        """Runs a case in all ways. Raises Failure."""
        folder = self.keep or self.folder()
        os.makedirs(folder, exist_ok=True)
        try:
            inputs.write_all(folder, case["sources"], None)
            expected = self.run(case, [], folder=folder)
            self.counts["rows"] += sum(data.count(b"\n") for data in expected.values())
            self.oracle(case, folder)
            for what, args, style, layout in self.variants(case, seed):
                # The inputs of the first run serve the others, unless what is left is asked for.
                mine = folder if layout is None and not self.keep else None
                self.alike(case, what, layout, expected,
                           self.run(case, args, style, layout, mine))
        finally:
            if not self.keep:
                shutil.rmtree(folder, ignore_errors=True)
        self.counts["cases"] += 1

    def alike(self, case, what, layout, expected, found):
        first, second = dict(expected), dict(found)
        if layout is not None:
            for outputs in (first, second):
                outputs["rejects.ndjson"] = codes_of(outputs["rejects.ndjson"])
        self.same(what, first, second)

    def relation(self, seed):
        """Two pipelines that say the same (relations.py). Raises Failure."""
        dice = random.Random(f"{seed} relation")
        make = dice.choice(self.relations)
        args = ["--batch-rows", dice.choice(["1", "3", "4096"])]
        first, second = make(seed)
        expected = self.run(first, first.pop("args", []))
        found = self.run(second, args)
        if expected["out0.csv"] != found["out0.csv"]:
            raise Failure(f"relation {make.__name__}", f"{make.__doc__}\n{cases.script(first)}\n"
                          f"{cases.script(second)}\n--- the first gives\n"
                          f"{expected['out0.csv'].decode('utf-8', 'replace')}\n--- the second, "
                          f"{args}\n{found['out0.csv'].decode('utf-8', 'replace')}")
        self.counts["relations"] += 1

    @staticmethod
    def same(what, expected, found):
        for name in sorted(set(expected) | set(found)):
            if expected.get(name) == found.get(name):
                continue
            a = (expected.get(name) or b"(not written)").decode("utf-8", "replace").split("\n")
            b = (found.get(name) or b"(not written)").decode("utf-8", "replace").split("\n")
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            raise Failure(f"differs: {kind_of(what)} {name.split('.')[-1]}",
                          f"{name} differs with {what}, {len(a)} and {len(b)} lines, at line "
                          f"{at + 1}:\n  plain: {a[at:at + 1]}\n  here:  {b[at:at + 1]}")

    def judge(self, case):
        return oracle.Oracle(self.db, case)

    @staticmethod
    def wrong_output(_case, folder, number, output, found):
        """None, or what differs from the oracle's `found`: columns, rows, ordered."""
        return compare.check_output(folder, number, output, *found)

    def oracle(self, case, folder):
        if self.db is None:
            return
        judge = self.judge(case)
        try:
            outputs, rejects = judge.run()
        except oracle.Refused:
            return
        finally:
            judge.close()
        for number, expected in outputs.items():
            output = case["outputs"][number]
            problem = self.wrong_output(case, folder, number, output, expected)
            if problem:
                raise Failure("oracle", f"{cases.output_name(number, output)}: {problem}\n"
                                        f"         columns  {expected[0]}")
        found = compare.reject_codes(folder)
        if any("lua" in node for node in case["nodes"]):
            found, rejects = without_reasons(found), without_reasons(rejects)
        if found != rejects and not stops_early(case):
            raise Failure("oracle rejects", f"rejects: expected {rejects}, found {found}")
        self.counts["compared"] += 1


def without_reasons(codes):
    """Rejects by code, those of expressions as one: in a Lua function they may be W511."""
    reasons = ("W501", "W502", "W503", "W504", "W505", "W511")
    rest = {code: count for code, count in codes.items() if code not in reasons}
    return {**rest, "W511": sum(codes.get(code, 0) for code in reasons)}


def stops_early(case):
    """SQL reads on behind a limit: it cannot say what has not been rejected."""
    needed = cases.live_nodes(case)
    return any(node["op"] == "limit" and node["id"] in needed for node in case["nodes"])


def kind_of(what):
    """The sort of run: which of its options matters most."""
    return next((option for option in ("--spill-bytes", "--stop-after", "--shards", "--batch-rows")
                 if option in what), "other files")


def counts_of(stderr):
    """What the last line tells: records that were read, rejects of each kind, late rows."""
    told = re.findall(r"[\d,]+ in\b|[\d,]+ rejected(?: \([^)]*\))?|[\d,]+ late", stderr)
    return "\n".join(told[-3:]).encode()


def codes_of(text):
    """Rejects without where they lay, in their order."""
    lines = []
    for line in text.decode("utf-8").splitlines():
        row = json.loads(line)
        lines.append(json.dumps([row["code"], row["row"], row["raw"] and row["code"]]))
    return "\n".join(lines).encode()


def attempt(runner, case, seed):
    """None, or the Failure. An error of the oracle itself is one too. Without a case: the relation
    of this seed."""
    try:
        if case is None:
            runner.relation(seed)
        else:
            runner.check(case, seed)
        return None
    except Failure as failure:
        return failure
    except (AssertionError, KeyError, ValueError, TypeError, IndexError, OSError,
            sqlite3.Error) as problem:
        import traceback
        return Failure(f"harness: {type(problem).__name__}", traceback.format_exc())
    except Exception as problem:
        if duckdb is not None and isinstance(problem, duckdb.Error):
            return Failure("harness: duckdb", f"{type(problem).__name__}: {problem}")
        raise


def report(runner, case, seed, failure, smaller):
    print(f"\nseed {seed}: {failure.kind}")
    if smaller:
        import shrink
        case, failure = shrink.shrink(runner, case, seed, failure, attempt)
        print(f"seed {seed}, made smaller: {failure.kind}")
    print(failure.text)
    print("script:\n" + re.sub("^", "  ", cases.script(case), flags=re.M))
    for source in case["sources"]:
        if source["format"] in tables.FORMATS:
            continue
        print(f"source {source['id']} ({source['format']}, splits {source['splits']}):")
        print(re.sub("^", "  ", inputs.file_text(source, source["records"], source["look"] * 8
                                                 + source["look"] % 2), flags=re.M))
    print("case: " + json.dumps({"seed": seed, **case}, ensure_ascii=True))
    print_again(runner, seed)


def print_again(runner, seed):
    print(f"again: tests/random/{runner.program} --weir build/weir --seed {seed}", flush=True)


def report_relation(runner, seed, failure):
    print(f"\nseed {seed}: {failure.kind}\n{failure.text}")
    print_again(runner, seed)


def regressions(name):
    path = os.path.join(HERE, name)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    case = json.loads(line)
                    yield case.pop("seed"), case


def main(kind=Runner):
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.environ.get("WEIR_PROGRAM"))
    parser.add_argument("--seed", type=int, help="one case")
    parser.add_argument("--case", help="one case, from a file with its JSON")
    parser.add_argument("--first", type=int, help="the first of the seeds")
    parser.add_argument("--cases", type=int, help="so many cases")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--jobs", type=int, default=1, help="so many cases at a time")
    parser.add_argument("--keep", help="the folder of the first run of the case, kept")
    parser.add_argument("--failures", type=int, default=1, help="go on after so many")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    if not options.weir:
        sys.exit(f"{kind.program}: which program? --weir PROGRAM")
    if options.seed is not None or options.case:
        runner = kind(options.weir, options.keep)
        if options.case:
            with open(options.case, encoding="utf-8") as file:
                case = json.load(file)
            seed = case.pop("seed", 0)
        else:
            seed, case = options.seed, kind.make(options.seed)
        failure = attempt(runner, case, seed)
        if failure:
            report(runner, case, seed, failure, not options.no_shrink)
        other = None if options.case else attempt(runner, None, seed)
        if other:
            report_relation(runner, seed, other)
        failure = failure or other
        print("0 passed, 1 failed" if failure else "1 passed, 0 failed")
        return 1 if failure else 0
    return run_many(kind, options)


class Share:
    """What the workers tell each other: how many failed, and whose turn it is to speak."""

    def __init__(self):
        fork = multiprocessing.get_context("fork")
        self.failed, self.turn, self.told = fork.Value("i", 0), fork.Lock(), fork.SimpleQueue()
        self.process = fork.Process

    def found(self, tell, *args):
        with self.failed.get_lock():
            self.failed.value += 1
        with self.turn:
            tell(*args)


def work(share, kind, options, first, worker, until):
    """Every `jobs`-th case, and of the regressions; what was counted goes into share.told."""
    runner = kind(options.weir, options.keep)
    for seed, case in list(regressions(kind.regressions))[worker::options.jobs]:
        failure = attempt(runner, case, seed)
        if failure:
            share.found(report, runner, case, seed, failure, False)
    seed = first + worker
    while share.failed.value < options.failures and (
            seed - first < options.cases if options.cases else time.monotonic() < until):
        case = kind.make(seed)
        failure = attempt(runner, case, seed)
        if failure:
            share.found(report, runner, case, seed, failure, not options.no_shrink)
        failure = attempt(runner, None, seed)
        if failure:
            share.found(report_relation, runner, seed, failure)
        seed += options.jobs
    share.told.put({**runner.counts, "last": seed - options.jobs})


def run_many(kind, options):
    first = options.first
    if first is None:
        first = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 40)) % (1 << 40)
    seconds = options.seconds or float(os.environ.get("WEIR_RANDOM_SECONDS") or 20)
    began, share = time.monotonic(), Share()
    workers = [share.process(target=work, args=(share, kind, options, first, i,
                                              began + seconds))
               for i in range(options.jobs)]
    for worker in workers:
        worker.start()
    told = []
    while len(told) < len(workers) and any(worker.is_alive() for worker in workers):
        while not share.told.empty():
            told.append(share.told.get())
        time.sleep(0.05)
    for worker in workers:
        worker.join()
    while not share.told.empty():
        told.append(share.told.get())
    counts = {name: sum(part[name] for part in told) for name in (told or [{}])[0]}
    failed = share.failed.value + len(workers) - len(told)
    if told:
        took = time.monotonic() - began
        print(f"seeds {first} to {max(part['last'] for part in told)}: {counts['runs']} runs, "
              f"{counts['compared']} cases beside the oracle, {counts['relations']} pairs, "
              f"{counts['rows']} rows, {counts['cases'] / took:.1f} cases/s")
    print(f"{counts.get('cases', 0)} passed, {failed} failed")
    return 1 if failed or not counts.get("cases") else 0


if __name__ == "__main__":
    sys.exit(main())
