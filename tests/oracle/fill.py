#!/usr/bin/env python3
"""fill.py: filled gaps of random windows, by weir and by DuckDB.

DuckDB makes all windows of each key by generate_series, from its first one to the last of the
stream, and joins what there is. Values are given, those of the row before, and on the line between
two rows. Each case runs in several batch sizes and shards, which must write the same bytes.
"""

import csv
import filecmp
import os
import sys
import tempfile

import joins

SCRIPT = joins.SCRIPT[:joins.SCRIPT.index("local r = ")] + """
l:window(weir.tumbling "7s"):group_by "k"
  :agg "n = count(), s = sum(f), m = max(v)"
  :fill "n = 0, s = interpolate(s), m = previous(m)"
  :write "filled.csv"
"""
QUERY = """
WITH found AS (
  SELECT time_bucket(INTERVAL 7 SECOND, ts, TIMESTAMP '1970-01-01') AS w, k, count(*) AS n,
    sum(f) AS s, max(v) AS m
  FROM (SELECT k, f, v, ts, w AS reached FROM l)
  WHERE reached IS NULL OR time_bucket(INTERVAL 7 SECOND, ts, TIMESTAMP '1970-01-01')
    + INTERVAL 7 SECOND > reached
  GROUP BY ALL),
windows AS (
  SELECT k, unnest(generate_series(min(w), (SELECT max(w) FROM found), INTERVAL 7 SECOND)) AS w
  FROM found GROUP BY k),
joined AS (
  SELECT windows.w, windows.k, n, s, m,
    max(CASE WHEN n IS NOT NULL THEN windows.w END) OVER before AS before,
    min(CASE WHEN n IS NOT NULL THEN windows.w END) OVER behind AS behind
  FROM windows LEFT JOIN found ON found.w = windows.w AND found.k IS NOT DISTINCT FROM windows.k
  WINDOW before AS (PARTITION BY windows.k ORDER BY windows.w),
    behind AS (PARTITION BY windows.k ORDER BY windows.w DESC))
SELECT j.w, j.w + INTERVAL 7 SECOND, j.k, coalesce(j.n, 0),
  if(j.n IS NOT NULL, j.s, b.s + (a.s - b.s)
    * ((epoch_us(j.w) - epoch_us(b.w))::DOUBLE / (epoch_us(a.w) - epoch_us(b.w))::DOUBLE)),
  if(j.n IS NOT NULL, j.m, b.m)
FROM joined j
LEFT JOIN found b ON b.w = j.before AND b.k IS NOT DISTINCT FROM j.k
LEFT JOIN found a ON a.w = j.behind AND a.k IS NOT DISTINCT FROM j.k
ORDER BY j.w, j.k NULLS LAST
"""


def check(db, rng):
    """One case. Gives what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        folders = joins.make(db, rng, folder, SCRIPT)
        for other, options in zip(folders, joins.RUNS):
            if not filecmp.cmp(os.path.join(folders[0], "filled.csv"),
                               os.path.join(other, "filled.csv"), shallow=False):
                return f"other bytes with {' '.join(options)}"
        want = [joins.texts(row) for row in db.execute(QUERY).fetchall()]
        with open(os.path.join(folders[0], "filled.csv"), encoding="utf-8", newline="") as file:
            got = [tuple(row) for row in csv.reader(file)][1:]
        for one, other in zip(got, want):
            if one != other:
                return f"{one} should be {other}"
        return None if len(got) == len(want) else f"{len(got)} rows, should be {len(want)}"


if __name__ == "__main__":
    sys.exit(joins.main(check))
