#!/usr/bin/env python3
"""asof.py: as-of joins of two random streams, by weir and by DuckDB.

The streams are those of joins.py. Of right rows of one key and time DuckDB takes any, so it gets
the last one only; what it says a row finds must be what weir writes, in the order of time. Each
case runs in several batch sizes and shards, which must write the same bytes.
"""

import csv
import filecmp
import os
import sys
import tempfile

import joins

SCRIPT = joins.SCRIPT[:joins.SCRIPT.index("local window")] + """
for _, how in ipairs { "left", "inner" } do
  for name, options in pairs {
    newest = {}, before = { before = true }, near = { max_age = "6s" },
    oldest = { direction = "forward" }, soon = { direction = "forward", max_age = "6s" },
  } do
    options.on, options.how, options.prefix = "k", how, "r_"
    l:asof_join(r, options):select "k, f, v, ts, r_v, r_ts":write(name .. "_" .. how .. ".csv")
  end
end
"""
NEAR = "abs(epoch(l.ts) - epoch(r.ts)) <= 6"
CONDITIONS = {"newest": ("l.ts >= r.ts", "true"), "before": ("l.ts > r.ts", "true"),
              "near": ("l.ts >= r.ts", NEAR), "oldest": ("l.ts <= r.ts", "true"),
              "soon": ("l.ts <= r.ts", NEAR)}


def expected(db, kind, how):
    condition, near = CONDITIONS[kind]
    rows = db.execute(f"""
        SELECT l.k, l.f, l.v, l.ts, if({near}, r.v, NULL), if({near}, r.ts, NULL)
        FROM l_timely l ASOF {how.upper()} JOIN (
          SELECT k, ts, arg_max(coalesce(v, ''), i) AS v FROM r_timely GROUP BY k, ts) r
        ON l.k = r.k AND {condition}
        WHERE {near if how == "inner" else "true"} ORDER BY l.ts, l.i""").fetchall()
    return [joins.texts(row) for row in rows]


def check(db, rng):
    """One case. Gives what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        folders = joins.make(db, rng, folder, SCRIPT)
        for kind in CONDITIONS:
            for how in ("left", "inner"):
                name = f"{kind}_{how}.csv"
                for other, options in zip(folders, joins.RUNS):
                    if not filecmp.cmp(os.path.join(folders[0], name), os.path.join(other, name),
                                       shallow=False):
                        return f"{name}: other bytes with {' '.join(options)}"
                want = expected(db, kind, how)
                with open(os.path.join(folders[0], name), encoding="utf-8", newline="") as file:
                    got = [tuple(row) for row in csv.reader(file)][1:]
                if got != want:
                    return f"{name}: {[row for row in want if row not in got][:3]} missing, " \
                           f"{[row for row in got if row not in want][:3]} too much"
    return None


if __name__ == "__main__":
    sys.exit(joins.main(check))
