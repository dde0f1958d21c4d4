#!/usr/bin/env python3
"""nexmark.py: the queries of Nexmark (examples/nexmark) by weir and by DuckDB, compared exactly.

    nexmark.py [--events N [--once]] [NAME...]

weir itself writes the events as NDJSON; DuckDB answers the same query over all of them at once.
Compared is what a query ends with: rows in any order, or the table that its changes leave. Each
query runs in several batch sizes, which must write the same bytes, and in two threads. Of q12,
which goes by the clock of the machine, what holds whenever it runs is compared. Scripts of
tests/oracle/nexmark are parts of queries.

With --events a query runs over so many, with 4096 rows a batch and with 512 in two threads (--once:
in the first way only), and the seconds and memory of each run are told. There the state of the
queries that keep all events may be larger than the default allows.
"""

import argparse
import csv
import glob
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

import duckdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN_SECONDS_MAX = 1200
RATE = 1000  # events in a second: 100 s of windows, and auctions that last for up to 3.3 s
DIFFERENCES_SHOWN = 5
LARGE = "weir.settings { memory = \"8GB\" }\n"  # in front of scripts over as many events as asked
# Events, and the options of runs over them.
RUNS = [
    (100000, ["--batch-rows", "4096"]),
    (100000, ["--batch-rows", "7"]),
    (100000, ["--batch-rows", "512", "--workers", "2"]),
    (5000, ["--batch-rows", "4096"]),
    (5000, ["--batch-rows", "1"]),
]
EXPORT = """local bid, auction, person = weir.nexmark { events = %d, rate = %d }
bid:derive("event = _event"):write "bid.ndjson"
auction:derive("event = _event"):write "auction.ndjson"
person:derive("event = _event"):write "person.ndjson"
"""
COLUMNS = {
    "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, "
           "dateTime TIMESTAMP, extra VARCHAR, event BIGINT",
    "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, "
               "reserve BIGINT, dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, "
               "category BIGINT, extra VARCHAR, event BIGINT",
    "person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, "
              "state VARCHAR, dateTime TIMESTAMP, extra VARCHAR, event BIGINT",
}
TWELVE = ", ".join(
    f"{what} {where}::BIGINT AS {name}".replace("  ", " ")
    for rows, what in (("bids", "count(*)"), ("bidders", "count(DISTINCT bidder)"),
                       ("auctions", "count(DISTINCT auction)"))
    for name, where in ((f"total_{rows}", ""),
                        (f"rank1_{rows}", "FILTER (price < 10000)"),
                        (f"rank2_{rows}", "FILTER (price >= 10000 AND price < 1000000)"),
                        (f"rank3_{rows}", "FILTER (price >= 1000000)")))
# Bids in the time of their auction.
BIDS_IN_TIME = """auction a JOIN bid b ON a.id = b.auction
  AND b.dateTime BETWEEN a.dateTime AND a.expires"""


def tumbling(time):
    """The start of the ten seconds that a time is in."""
    return f"make_timestamp(epoch_us({time}) // 10000000 * 10000000)"


# By query: its SQL. A text "table" before it: weir writes a table, of the final state.
QUERIES = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": """SELECT auction, bidder, (price * 908)::DECIMAL(23, 0) / 1000 AS price, dateTime, extra
      FROM bid""".replace("(price * 908)::DECIMAL(23, 0) / 1000",
                          "price::DECIMAL(19, 0) * 0.908::DECIMAL(4, 3)"),
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """SELECT name, city, state, a.id FROM auction a JOIN person p ON a.seller = p.id
      WHERE category = 10 AND state IN ('OR', 'ID', 'CA')""",
    "q4": f"""table SELECT category, floor(avg(final))::BIGINT AS avg FROM
      (SELECT a.id, category, max(price) AS final FROM {BIDS_IN_TIME} GROUP BY ALL) GROUP BY ALL""",
    "q5": """SELECT auction, num FROM (
      SELECT auction, w, count(*) AS num, max(count(*)) OVER (PARTITION BY w) AS most FROM
        (SELECT auction, epoch_us(dateTime) // 2000000 - k AS w FROM bid, range(5) AS t(k))
      GROUP BY auction, w) WHERE num = most""",
    "q6": f"""SELECT seller, avg(final) OVER (PARTITION BY seller ORDER BY expires, id
        ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS avg_price FROM
      (SELECT a.id, seller, expires, max(price) AS final FROM {BIDS_IN_TIME} GROUP BY ALL)""",
    "q7": f"""SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra
      FROM bid b JOIN (SELECT {tumbling("dateTime")} AS w, max(price) AS price FROM bid
        GROUP BY w) m ON b.price = m.price
        AND b.dateTime BETWEEN m.w AND m.w + INTERVAL 10 SECOND""",
    "q8": f"""SELECT id, name, {tumbling("dateTime")} AS starttime FROM person p
      WHERE EXISTS (SELECT 1 FROM auction a WHERE a.seller = p.id
        AND {tumbling("a.dateTime")} = {tumbling("p.dateTime")})""",
    "q9": f"""table SELECT a.* EXCLUDE (event), bidder AS bid_bidder, price AS bid_price,
        b.dateTime AS bid_dateTime, b.extra AS bid_extra FROM {BIDS_IN_TIME}
      QUALIFY row_number() OVER (PARTITION BY a.id
        ORDER BY price DESC, b.dateTime, b.event) = 1""",
    "q10": """SELECT auction, bidder, price, dateTime, extra, strftime(dateTime, '%Y-%m-%d') AS dt,
        strftime(dateTime, '%H:%M') AS hm FROM bid""",
    "q11": """SELECT bidder, count(*) AS bid_count, min(dateTime) AS starttime,
        max(dateTime) + INTERVAL 10 SECOND AS endtime FROM (
      SELECT *, count(*) FILTER (starts) OVER (PARTITION BY bidder ORDER BY event) AS session FROM (
        SELECT *, dateTime - lag(dateTime) OVER (PARTITION BY bidder ORDER BY event)
          > INTERVAL 10 SECOND AS starts FROM bid)) GROUP BY bidder, session""",
    "q12": "SELECT bidder, count(*) AS bids, true AS disjoint FROM bid GROUP BY bidder",
    "q13": """SELECT auction, bidder, price, dateTime, (auction % 10000)::VARCHAR AS value
      FROM bid""",
    "q14": """SELECT auction, bidder, price::DECIMAL(19, 0) * 0.908::DECIMAL(4, 3) AS price,
        CASE WHEN hour(dateTime) BETWEEN 8 AND 18 THEN 'dayTime'
             WHEN hour(dateTime) <= 6 OR hour(dateTime) >= 20 THEN 'nightTime'
             ELSE 'otherTime' END AS bidTimeType,
        dateTime, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts FROM bid
      WHERE price * 908 > 1000000000 AND price * 908 < 50000000000""",
    "q15": f"table SELECT dateTime::DATE AS day, {TWELVE} FROM bid GROUP BY ALL",
    "q16": f"""table SELECT channel, dateTime::DATE AS day, max(strftime(dateTime, '%H:%M'))
      AS minute, {TWELVE} FROM bid GROUP BY channel, day""",
    "q17": """table SELECT auction, dateTime::DATE AS day, count(*) AS total_bids,
        count(*) FILTER (price < 10000) AS rank1_bids,
        count(*) FILTER (price >= 10000 AND price < 1000000) AS rank2_bids,
        count(*) FILTER (price >= 1000000) AS rank3_bids, min(price) AS min_price,
        max(price) AS max_price, (sum(price) // count(*))::BIGINT AS avg_price,
        sum(price)::BIGINT AS sum_price FROM bid GROUP BY ALL""",
    "q18": """table SELECT * EXCLUDE (event) FROM bid QUALIFY row_number() OVER
      (PARTITION BY bidder, auction ORDER BY dateTime DESC, event DESC) = 1""",
    "q19": """table SELECT * EXCLUDE (event), row_number() OVER
        (PARTITION BY auction ORDER BY price DESC, dateTime, event) AS rank_number
      FROM bid QUALIFY rank_number <= 10""",
    "q20": """SELECT b.* EXCLUDE (event), COLUMNS(a.* EXCLUDE (event, id)) AS 'auction_\\0'
      FROM bid b JOIN auction a ON b.auction = a.id WHERE category = 10""",
    "q21": r"""SELECT * FROM (SELECT auction, bidder, price, channel,
        CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2'
          WHEN 'baidu' THEN '3'
          ELSE nullif(regexp_extract(url, '(&|^)channel_id=([^&]*)', 2), '') END AS channel_id
      FROM bid) WHERE channel_id IS NOT NULL""",
    "q22": """SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
      split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid""",
}
# Of a query that goes by the clock: its columns, and what is compared of `got`.
BY_CLOCK = {
    "q12": ([("bidder", "BIGINT"), ("bid_count", "BIGINT"), ("starttime", "TIMESTAMP"),
             ("endtime", "TIMESTAMP")],
            """SELECT bidder, sum(bid_count)::BIGINT AS bids, count(*) = count(DISTINCT starttime)
                 AND bool_and(epoch_us(starttime) % 10000000 = 0
                   AND endtime = starttime + INTERVAL 10 SECOND) AS disjoint
               FROM got GROUP BY bidder"""),
}


def peak_of(process):
    """The most memory that a process has had, in bytes; 0 where it has ended. What wait4 says has
    what this process had in it when it forked."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else 0


def weir(folder, script, arguments):
    """Runs a script; the seconds and the bytes of memory that it took."""
    began, peak = time.monotonic(), 0
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen([os.environ["WEIR_PROGRAM"], "run", script, *arguments], cwd=folder,
                              stdout=subprocess.DEVNULL, stderr=said) as process:
            while process.poll() is None:
                peak = max(peak, peak_of(process))
                if time.monotonic() - began > RUN_SECONDS_MAX:
                    process.kill()
                time.sleep(0.01)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"exit code {process.returncode}\n{said.read().decode()}")
    return time.monotonic() - began, peak


def export(db, folder, runs):
    path = os.path.join(folder, "export.lua")
    with open(path, "w", encoding="utf-8") as file:
        file.write(EXPORT % (max(events for events, _ in runs), RATE))
    weir(folder, path, [])
    for name, columns in COLUMNS.items():
        types = ", ".join("'{}': '{}'".format(*column.split()) for column in columns.split(", "))
        db.execute(f"""CREATE TABLE all_{name} AS SELECT * FROM read_json(
            '{os.path.join(folder, name)}.ndjson', format = 'newline_delimited',
            columns = {{{types}}})""")
        os.remove(os.path.join(folder, f"{name}.ndjson"))


def one_of_many(folder, directory):
    """The files of partitions as one, with the values of their directories as columns."""
    path, names = os.path.join(folder, "out.all"), None
    with open(path, "w", encoding="utf-8", newline="") as out:
        for part in sorted(glob.glob(os.path.join(directory, "**", "part-*"), recursive=True)):
            places = [urllib.parse.unquote(place).split("=", 1)
                      for place in os.path.relpath(part, directory).split(os.sep)[:-1]]
            if not os.path.exists(os.path.join(os.path.dirname(part), "_SUCCESS")):
                raise RuntimeError(f"no _SUCCESS beside {part}")
            with open(part, encoding="utf-8", newline="") as file:
                rows = csv.reader(file)
                header = next(rows) + [name for name, _ in places]
                if names is None:
                    csv.writer(out).writerow(header)
                names = header
                csv.writer(out).writerows(row + [value for _, value in places] for row in rows)
    return path, names


def cell(value):
    """As CSV, in which an empty text is quoted and a nil is not."""
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def as_csv(folder, is_table, name):
    """What a run wrote as CSV for DuckDB, and the names of its columns."""
    path = os.path.join(folder, "out.csv")
    if os.path.isdir(path):
        return one_of_many(folder, path)
    if not is_table:
        with open(path, encoding="utf-8", newline="") as file:
            return path, next(csv.reader(file))
    base = sqlite3.connect(os.path.join(folder, "out.db"))
    rows = base.execute(f"SELECT * FROM {name}")
    names = [column[0] for column in rows.description]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(names) + "\n")
        file.writelines(",".join(map(cell, row)) + "\n" for row in rows)
    base.close()
    return path, names


def differences(db, path, names, by_clock=None):
    """Rows that only one of them has, as text."""
    described = by_clock[0] if by_clock else db.execute("DESCRIBE expected").fetchall()
    if [column[0] for column in described] != names:
        return [f"columns {names} instead of {[column[0] for column in described]}"]
    types = ", ".join(f"'{column[0]}': '{column[1]}'" for column in described)
    db.execute(f"""CREATE OR REPLACE TABLE got AS SELECT * FROM read_csv('{path}', header = true,
        delim = ',', quote = '"', escape = '"', auto_detect = false, strict_mode = true,
        allow_quoted_nulls = false,
        columns = {{{types}}})""")
    if by_clock:
        db.execute(f"CREATE OR REPLACE TABLE got AS {by_clock[1]}")
    found = []
    for sign, first, second in (("-", "expected", "got"), ("+", "got", "expected")):
        rows = db.execute(f"""SELECT * FROM (SELECT * FROM {first} EXCEPT ALL
            SELECT * FROM {second}) ORDER BY ALL LIMIT {DIFFERENCES_SHOWN}""").fetchall()
        found += [f"{sign} {json.dumps(row, default=str)}" for row in rows]
    return found


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def compare(db, name, script, folder, runs, tells):
    """Runs a query in all ways. Gives what is wrong."""
    is_table = QUERIES[name].startswith("table ")
    sql = QUERIES[name].removeprefix("table ")
    written = {}
    for events, options in runs:
        for table in COLUMNS:
            db.execute(f"""CREATE OR REPLACE VIEW {table} AS
                SELECT * FROM all_{table} WHERE event < {events}""")
        for path in glob.glob(os.path.join(folder, "out.*")):
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        out = "sqlite:out.db" if is_table else "out.csv"
        seconds, peak = weir(folder, script, ["-p", f"events={events}", "-p", f"rate={RATE}",
                                              "-p", f"out={out}", *options])
        path, names = as_csv(folder, is_table, name)
        db.execute(f"CREATE OR REPLACE TABLE expected AS {sql}")
        found = differences(db, path, names, BY_CLOCK.get(name))
        same = is_table or name in BY_CLOCK or len(runs) == 1 or \
            written.setdefault(events, hash_of(path)) == hash_of(path)
        if not found and not same:
            found = ["the same rows in another order than with another batch size"]
        if tells:
            print(f"{name} | {' '.join(options)} | {'no' if found else 'equal'} | {seconds:.2f} s "
                  f"| {peak / 1e6:.0f} MB", flush=True)
        if found:
            return [f"{name}, {events} events, {' '.join(options)}:"] + found
    return []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    runs = RUNS
    if asked.events:
        runs = [(asked.events, ["--batch-rows", "4096"]),
                (asked.events, ["--batch-rows", "512", "--workers", "2"])][:1 if asked.once else 2]
    passed = failed = 0
    scripts = glob.glob(os.path.join(ROOT, "examples", "nexmark", "q*.lua"))
    with tempfile.TemporaryDirectory() as folder:
        db = duckdb.connect()
        db.execute("SET TimeZone = 'UTC'")
        export(db, folder, runs)
        for script in sorted(scripts, key=lambda path: int(re.search(r"/q(\d+)", path)[1])):
            name = os.path.basename(script).removesuffix(".lua")
            if asked.names and name not in asked.names:
                continue
            if asked.events:
                with open(script, encoding="utf-8") as file:
                    text = LARGE + file.read()
                script = os.path.join(folder, f"{name}.lua")
                with open(script, "w", encoding="utf-8") as file:
                    file.write(text)
            try:
                found = compare(db, name, script, folder, runs, asked.events)
            except (RuntimeError, duckdb.Error) as error:
                found = [f"{name}: {error}"]
            passed += not found
            failed += bool(found)
            for line in found:
                print(line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
