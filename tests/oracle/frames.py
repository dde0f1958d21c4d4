#!/usr/bin/env python3
"""frames.py: grouped `derive`s by weir and window functions of DuckDB, over random rows.

Final results are compared row by row in their order, changes by what is left of them. The rows and
the way to compare are those of ranks.py. Reads WEIR_PROGRAM, WEIR_SEED and WEIR_RANDOM_SECONDS.
"""

import sys

import ranks

COLUMNS = "k, g, v, f, ts"
# What weir and DuckDB call the same; of floats only what is not added, which each does its own way.
CALLS = [("count()", "count(*)"), ("count(v)", "count(v)"), ("sum(v)", "sum(v)::BIGINT"),
         ("avg(v)", "avg(v)"), ("min(v)", "min(v)"), ("max(f)", "max(f)"),
         ("sum(v where g == 1)", "(sum(v) FILTER (g = 1))::BIGINT"),
         ("median(v)", "median(v)::DOUBLE"), ("any(f > 1)", "bool_or(coalesce(f > 1, false))"),
         ("string_agg(k, '-')", "string_agg(k, '-')")]
DISTINCT = [("count_distinct(v)", "count(DISTINCT v)")]
PLACES = [("lag(v)", "lag(v)"), ("lag(v, 3)", "lag(v, 3)"), ("row_number()", "row_number()"),
          ("delta(v)", "v - lag(v)")]
AHEAD = [("lead(k)", "lead(k)"), ("lead(v, 2)", "lead(v, 2)")]
WHOLE = [("rank(v)", "rank", "v ASC NULLS LAST"), ("dense_rank(f)", "dense_rank",
                                                   "f ASC NULLS LAST")]


def over(call, window):
    """`OVER` behind the function of a call, which may stand inside others."""
    if call.startswith("v - "):
        return f"v - {over(call[4:], window)}"
    for inner, outer in ((")::BIGINT", "::BIGINT"), ("::DOUBLE", "::DOUBLE")):
        if call.endswith(inner):
            body = call[:-len(outer)]
            body = body[1:-1] if body.startswith("(") else body
            return f"({body} OVER ({window})){outer}"
    return f"{call} OVER ({window})"


def cases(rng):
    """(name, stages of weir over `s`, SQL, whether they are changes)"""
    keys, sql_keys = rng.choice(ranks.KEYS)
    by = f"PARTITION BY {sql_keys}" if sql_keys else ""
    outer = "".join(f"{key} NULLS LAST, " for key in sql_keys.split(", ") if key)
    group = f""":group_by({f'"{keys}"' if keys else ''})"""
    in_order = f"{by} ORDER BY ts, i"
    seconds, rows = rng.choice([0, 1, 3, 10, 60]), rng.choice([1, 2, 5, 20])
    time = f"{by} ORDER BY ts RANGE BETWEEN INTERVAL '{seconds} seconds' PRECEDING AND CURRENT ROW"
    count = f"{in_order} ROWS BETWEEN {rows - 1} PRECEDING AND CURRENT ROW"
    running = f"{in_order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    leaves = f"ORDER BY ts, {outer}i"

    def case(name, chosen, mode="", changes=0):
        items = ", ".join(f"x{n} = {weir}" for n, (weir, _) in enumerate(chosen))
        sql = ", ".join(f"{duck} AS x{n}" for n, (_, duck) in enumerate(chosen))
        return (name, f's{group}{mode}:derive "{items}"',
                f"SELECT {COLUMNS}, {sql} FROM r {leaves}", changes)

    of_time = [(f"{a} over '{seconds}s'", over(b, time))
               for a, b in rng.sample(CALLS[:-1], 4) + DISTINCT]
    of_rows = [(f"{a} over {rows}", over(b, count)) for a, b in rng.sample(CALLS, 4) + DISTINCT]
    so_far = [(a, over(b, running)) for a, b in rng.sample(CALLS, 4) + DISTINCT]
    places = [(a, over(b, in_order)) for a, b in PLACES]
    ahead = [(a, over(b, in_order)) for a, b in AHEAD]
    yield case("time", of_time)
    yield case("rows", of_rows)
    yield case("running", so_far)
    yield case("places", places)
    yield case("update", of_rows[:2] + ahead + so_far[:2], ':emit "update"', 1)
    whole = f"PARTITION BY slot{', ' + sql_keys if sql_keys else ''}"
    chosen = [(a, over(b, whole)) for a, b in CALLS[:-1] + DISTINCT]
    chosen += [(a, over(b, f"{whole} ORDER BY ts, i")) for a, b in PLACES + AHEAD]
    chosen += [(a, f"{b}() OVER ({whole} ORDER BY {order})") for a, b, order in WHOLE]
    items = ", ".join(f"x{n} = {weir}" for n, (weir, _) in enumerate(chosen))
    sql = ", ".join(f"{duck} AS x{n}" for n, (_, duck) in enumerate(chosen))
    yield ("window", f"s:window(weir.tumbling '10s'){group}:derive \"{items}\""
           ":drop 'window_start, window_end'",
           f"WITH w AS (SELECT *, epoch_us(ts) // 10000000 AS slot FROM r) SELECT {COLUMNS}, {sql}"
           f" FROM w ORDER BY slot, {outer}ts, i", 0)


if __name__ == "__main__":
    sys.exit(ranks.main(cases))
