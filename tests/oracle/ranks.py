#!/usr/bin/env python3
"""ranks.py: the first rows of groups, by weir and by window functions of DuckDB, over random rows.

Final results are compared row by row in their order; changes are folded to what is left of them,
and compared with the final result of the same query. Reads WEIR_PROGRAM, WEIR_SEED and
WEIR_RANDOM_SECONDS.
"""

import collections
import csv
import os
import random
import subprocess
import sys
import tempfile
import time

import duckdb

SCHEMA = "k string, g int64, v int64, f float64, ts timestamp"
ORDERS = [("v desc", "v DESC NULLS LAST"), ("v", "v ASC NULLS LAST"),
          ("f desc, v", "f DESC NULLS LAST, v ASC NULLS LAST"),
          ("v % 3, g desc", "v % 3 ASC NULLS LAST, g DESC NULLS LAST")]
KEYS = [("", ""), ("k", "k"), ("g", "g"), ("k, g", "k, g")]
UPDATE = ":emit 'update'"
RUNS = [["--batch-rows", "1"], ["--batch-rows", "7", "--shards", "3"], []]


def rows_of(rng):
    rows, at = [], 0
    for i in range(rng.randint(1, 120)):
        at += rng.choice([0, 0, 1, 2, 5])
        late = max(0, at - rng.choice([0, 0, 0, 1, 3, 8]))
        rows.append([i, rng.choice(["a", "b", "c", None]), rng.choice([1, 2, None]),
                     rng.choice([None] + list(range(1, 12)) * 2),
                     rng.choice([None, 0.0, 1.5, -2.25, 3.0]), late])
    return rows


def stamp(second):
    return f"2024-01-01T00:{second // 60:02d}:{second % 60:02d}Z"


def cases(rng):
    """(name, stages of weir over `s`, SQL, whether they are changes)"""
    order, sql_order = rng.choice(ORDERS)
    keys, sql_keys = rng.choice(KEYS)
    n = rng.randint(1, 6)
    by = f"PARTITION BY {sql_keys}" if sql_keys else ""
    outer = "".join(f"{key} NULLS LAST, " for key in sql_keys.split(", ") if key)
    whole = f"{sql_order}, ts, i"
    columns = "k, g, v, f, ts"
    top = f""":group_by({f'"{keys}"' if keys else ''}){{}}:top({n}, "{order}", {{}})"""
    plain = f"""SELECT {columns}, row_number() OVER ({by} ORDER BY {whole}) AS place FROM r
        QUALIFY place <= {n} ORDER BY {outer}place"""
    ties = f"""SELECT {columns}, rank() OVER ({by} ORDER BY {sql_order}) AS place FROM r
        QUALIFY place <= {n} ORDER BY {outer}place, ts, i"""
    ranked = '{ rank = "place" }'
    tied = '{ rank = "place", ties = true }'
    bare = f"SELECT {columns} FROM ({plain})"
    window = f"""WITH w AS (SELECT *, epoch_us(ts) // 10000000 AS slot FROM r)
        SELECT {columns}, row_number() OVER (PARTITION BY slot{', ' + sql_keys if sql_keys else ''}
          ORDER BY {whole}) AS place FROM w QUALIFY place <= {n} ORDER BY slot, {outer}place"""
    yield "top", f"s{top.format('', ranked)}", plain, 0
    yield "ties", f"s{top.format('', tied)}", ties, 0
    yield "update", f"s{top.format(UPDATE, '{}')}", bare, 1
    yield "update, ranks", f"s{top.format(UPDATE, ranked)}", plain, 1
    yield "update, ties", f"s{top.format(UPDATE, tied)}", ties, 1
    yield ("window", f"s:window(weir.tumbling '10s'){top.format('', ranked)}"
           ":drop 'window_start, window_end'", window, 0)
    yield ("window, update",
           f"s:window(weir.tumbling '10s'){top.format(UPDATE, ranked)}"
           ":drop 'window_start, window_end'", window, 1)
    for keep, way in (("first", "ts, i"), ("last", "ts DESC, i DESC")):
        one = f"""SELECT {columns} FROM r QUALIFY row_number() OVER
            (PARTITION BY k ORDER BY {way}) = 1 ORDER BY k NULLS LAST"""
        yield keep, f"s:dedup('k', {{ keep = '{keep}' }})", one, 0
        yield f"{keep}, update", f"s:emit 'update':dedup('k', {{ keep = '{keep}' }})", one, 1
    yield "any", "s:dedup 'k'", f"""SELECT {columns} FROM r QUALIFY row_number() OVER
        (PARTITION BY k ORDER BY i) = 1 ORDER BY i""", 0
    yield from over_changes(rng, n)


def over_changes(rng, n):
    """The same over groups whose results change; ties are told apart by the key."""
    sums = "s:group_by 'k, g':emit 'update':agg 'n = count(), total = sum(v)'"
    sql = "SELECT k, g, count(*) AS n, sum(v)::BIGINT AS total FROM r GROUP BY k, g"
    way = "total DESC NULLS LAST, k NULLS LAST, g NULLS LAST"
    ranked = "{ rank = 'place' }"
    yield ("top of sums", f"{sums}:group_by 'g':top({n}, 'total desc, k, g', {ranked})",
           f"""SELECT *, row_number() OVER (PARTITION BY g ORDER BY {way}) AS place FROM ({sql})
           QUALIFY place <= {n}""", 1)
    yield ("top of sums, final", f"{sums}:group_by():emit 'final':top({n}, 'total desc, k, g')",
           f"SELECT * FROM ({sql}) ORDER BY {way} LIMIT {n}", 0)
    ties = "{ ties = true, rank = 'place' }"
    yield ("ties of sums", f"{sums}:group_by():top({n}, 'n desc', {ties})",
           f"SELECT *, rank() OVER (ORDER BY n DESC) AS place FROM ({sql}) QUALIFY place <= {n}", 1)
    yield "distinct of sums", f"{sums}:distinct 'n, g'", f"SELECT DISTINCT n, g FROM ({sql})", 1
    yield ("table", "s:as_table('k', { version = 'v', delete = 'f == 0' })",
           """SELECT k, g, v, f, ts FROM r QUALIFY row_number() OVER (PARTITION BY k
           ORDER BY v DESC NULLS LAST, i DESC) = 1 AND f IS DISTINCT FROM 0""", 1)


def text(value):
    if value is None:
        return ""
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def folded(rows):
    """What is left of changes: `op` is last; each delete takes one row that is there."""
    left = collections.Counter()
    for *row, op in rows:
        left[tuple(row)] += 1 if op in ("insert", "update") else -1
        if left[tuple(row)] < 0:
            raise ValueError(f"{row} is taken back and was not there")
    return sorted(left.elements())


def run(folder, script, args):
    with open(os.path.join(folder, "s.lua"), "w") as file:
        file.write(script)
    done = subprocess.run([os.environ["WEIR_PROGRAM"], "run", "s.lua", *args], cwd=folder,
                          capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise ValueError(done.stderr)


def read(folder, number):
    with open(os.path.join(folder, f"{number}.csv"), newline="") as file:
        return [tuple(row) for row in list(csv.reader(file))[1:]]


def check(seed, cases_of=cases):
    rng = random.Random(seed)
    rows = rows_of(rng)
    database = duckdb.connect()
    database.execute("CREATE TABLE r (i BIGINT, k VARCHAR, g BIGINT, v BIGINT, f DOUBLE, "
                     "ts TIMESTAMP)")
    database.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?)",
                         [row[:5] + [stamp(row[5])[:-1]] for row in rows])
    asked = list(cases_of(rng))
    lines = [f'local s = weir.read("in.csv", {{ schema = "{SCHEMA}" }})'
             ':event_time("ts", { max_delay = "1m" })']
    for number, (_, stages, _, changes) in enumerate(asked):
        lines.append(f'local x = {stages}\n'
                     f'x{":changes { before = true }" if changes else ""}:write "{number}.csv"')
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "in.csv"), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["k", "g", "v", "f", "ts"])
            writer.writerows([row[1:5] + [stamp(row[5])] for row in rows])
        first = None
        for args in RUNS:
            run(folder, "\n".join(lines), args)
            got = [read(folder, number) for number in range(len(asked))]
            first = first or got
            for (name, stages, sql, changes), mine, before in zip(asked, got, first):
                wanted = [tuple(map(text, row)) for row in database.execute(sql).fetchall()]
                try:
                    same = folded(mine) == sorted(wanted) if changes else mine == wanted
                except ValueError as error:
                    same = print(error)
                if not same or mine != before:
                    bad += 1
                    shown = folded(mine) if same is False and changes else mine
                    print(f"seed {seed}, {name} {args}: {stages}\n  {sql}\n  weir {shown}\n"
                          f"  DuckDB {wanted}")
    return bad


def main(cases_of=cases):
    seed = int(os.environ.get("WEIR_SEED", random.SystemRandom().randrange(1 << 31)))
    seconds = float(os.environ.get("WEIR_RANDOM_SECONDS", 5))
    print(f"WEIR_SEED={seed}")
    passed, failed, start = 0, 0, time.monotonic()
    while failed == 0 and (passed == 0 or time.monotonic() - start < seconds):
        if check(seed + passed, cases_of) > 0:
            failed += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
