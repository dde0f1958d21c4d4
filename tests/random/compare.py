"""compare.py: what weir wrote, as values, beside what the oracle says."""

import csv
import decimal
import io
import json
import math
import os
import re
import sqlite3

import cases
from expressions import DAY_US

TOLERANCE = 1e-9


def days_of(text):
    """Days since 1970 of YYYY-MM-DD: the inverse of expressions.date_text."""
    year, month, day = int(text[:-6]), int(text[-5:-3]), int(text[-2:])
    year -= month <= 2
    era, yoe = divmod(year, 400)
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


def timestamp_of(text):
    found = re.fullmatch(r"([+-]?\d{4,}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}|\d{6}))?Z", text)
    if not found:
        raise ValueError(f"no timestamp as weir writes it: {text!r}")
    day, hour, minute, second, fraction = found.groups()
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    return days_of(day) * DAY_US + seconds * 1000000 + int((fraction or "0").ljust(6, "0"))


def duration_of(text):
    found = re.fullmatch(
        r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?", text)
    if not found or text in ("P", "-P") or text.endswith("T"):
        raise ValueError(f"no duration as weir writes it: {text!r}")
    sign, days, hours, minutes, seconds, fraction = found.groups()
    us = (int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60
          + int(seconds or 0)) * 1000000 + int((fraction or "0").ljust(6, "0"))
    return -us if sign else us


def exact_int(text):
    if not re.fullmatch(r"-?\d+", text):
        raise ValueError(f"no int64 as weir writes it: {text!r}")
    return int(text)


def of_text(kind, text):
    """A value of a cell of CSV (or a string of JSON)."""
    if kind == "bool":
        return {"true": True, "false": False}[text]
    if kind == "int64":
        return exact_int(text)
    if kind in ("float64", cases.APPROXIMATE):
        return float(text)
    if kind == "timestamp":
        return timestamp_of(text)
    if kind == "date":
        return days_of(text)
    if kind == "duration":
        return duration_of(text)
    if kind.startswith("decimal"):
        return decimal.Decimal(text)
    if kind.startswith("list<"):
        return [of_json(kind[5:-1], item) for item in json.loads(text)]
    return text


def of_json(kind, value):
    if value is None:
        return None
    if kind in ("float64", cases.APPROXIMATE):
        return float(value)
    if kind == "int64" and type(value) is not int or kind == "bool" and type(value) is not bool:
        raise ValueError(f"{value!r} for {kind}")
    if kind in ("int64", "bool"):
        return value
    if kind.startswith("list<"):
        return [of_json(kind[5:-1], item) for item in value]
    name, _, own = kind.partition(" ")
    if name in cases.STRUCTS:
        members = list(value.items()) if isinstance(value, dict) else value
        if [member for member, _ in members] != list(cases.STRUCTS[name]):
            raise ValueError(f"{value!r} for {kind}")
        return {member: of_json(cases.STRUCTS[name][member] or own, inner)
                for member, inner in members}
    return of_text(kind, value)


def csv_cells(text):
    """Rows of cells: None where nothing stands, "" for the empty string in quotes."""
    rows, row, cell, quoted, i = [], [], [], False, 0
    while i < len(text):
        ch = text[i]
        if ch == '"':
            end = i + 1
            while text[end] != '"' or text[end:end + 2] == '""':
                end += 2 if text[end] == '"' else 1
            cell.append(text[i + 1:end].replace('""', '"'))
            quoted, i = True, end + 1
            continue
        if ch in ",\n":
            row.append("".join(cell) if cell or quoted else None)
            cell, quoted = [], False
            if ch == "\n":
                rows.append(row)
                row = []
        else:
            cell.append(ch)
        i += 1
    if row or cell or quoted:
        raise ValueError("the last line has no end")
    return rows


def read_output(folder, number, output, columns):
    """The rows that weir wrote, as values. Raises ValueError for a form that it must not have."""
    path = os.path.join(folder, cases.output_name(number, output))
    names = [name for name, _ in columns]
    if output["format"] == "sqlite":
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        cursor = database.execute("SELECT * FROM t ORDER BY rowid")
        found = [d[0] for d in cursor.description]
        rows = [[of_sqlite(kind, value) for (_, kind), value in zip(columns, row)]
                for row in cursor.fetchall()]
        database.close()
    elif output["format"] == "csv":
        with open(path, encoding="utf-8", newline="") as file:
            table = csv_cells(file.read())
        found = table[0]
        rows = [[None if cell is None else of_text(kind, cell)
                 for (_, kind), cell in zip(columns, row)] for row in table[1:]]
        if any(len(row) != len(columns) for row in table):
            raise ValueError("a row has another number of fields")
    else:
        rows, found = [], names
        with open(path, encoding="utf-8", newline="") as file:
            for line in file.read().split("\n")[:-1]:
                items = json.loads(line, object_pairs_hook=list)
                found = [name for name, _ in items]
                if found != names:
                    break
                rows.append([of_json(kind, value) for (_, kind), (_, value) in zip(columns, items)])
    if found != names:
        raise ValueError(f"columns {found}, expected {names}")
    return rows


def of_sqlite(kind, value):
    if value is None or kind in ("int64", "float64", cases.APPROXIMATE):
        return value
    if kind == "bool":
        return {0: False, 1: True}[value]
    if kind == "bytes":
        return value.hex()
    return of_text(kind, value)


def hex_of(kind, value, form):
    """bytes as hexadecimal text."""
    import base64
    if kind == "bytes" and value is not None and form != "sqlite":
        return base64.b64decode(value, validate=True).hex()
    return value


def expected_value(kind, value, form):
    if value is None:
        return None
    if kind == "bytes":
        return bytes(value).hex()
    if kind in ("float64", cases.APPROXIMATE) and form == "ndjson" and not math.isfinite(value):
        return None
    return value


def equal(kind, a, b):
    if a is None or b is None:
        return a is b
    if kind in ("float64", cases.APPROXIMATE):
        if a != a or b != b:
            return a != a and b != b
        if a == b:
            return True
        if kind == cases.APPROXIMATE and math.isfinite(a) and math.isfinite(b):
            return abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1e-3)
        return False
    return a == b


def rows_equal(columns, a, b):
    return all(equal(kind, x, y) for (_, kind), x, y in zip(columns, a, b))


def rank(value):
    """For sorting rows of mixed values."""
    if value is None:
        return (2, "")
    if isinstance(value, float) and value != value:
        return (1, "nan")
    if isinstance(value, (int, float, decimal.Decimal)):
        return (0, value + 0)  # -0.0 is 0.0
    return (0, str(value))


def compare_rows(columns, expected, found, ordered):
    """None, or what differs."""
    if not ordered:
        # What is only nearly equal decides last, among rows that are alike in all else.
        order = sorted(range(len(columns)), key=lambda i: columns[i][1] == cases.APPROXIMATE)
        key = lambda row: [rank(row[i]) for i in order]
        expected, found = sorted(expected, key=key), sorted(found, key=key)
    for i, (a, b) in enumerate(zip(expected, found)):
        if not rows_equal(columns, a, b):
            return f"row {i + 1}: expected {a}\n         found    {b}"
    if len(expected) != len(found):
        rest = (expected + found)[min(len(expected), len(found)):]
        return f"expected {len(expected)} rows, found {len(found)}; next: {rest[:1]}"
    return None


def check_output(folder, number, output, columns, rows, ordered):
    form = output["format"]
    try:
        found = read_output(folder, number, output, columns)
        found = [[hex_of(kind, value, form) for (_, kind), value in zip(columns, row)]
                 for row in found]
    except (ValueError, KeyError, decimal.InvalidOperation, csv.Error, IndexError) as problem:
        return f"cannot be read: {problem}"
    expected = [[expected_value(kind, value, form) for (_, kind), value in zip(columns, row)]
                for row in rows]
    if form == "sqlite":
        keep = [i for i, row in enumerate(expected) if not any(
            isinstance(v, float) and v != v for v in row)]
        if len(keep) != len(expected):
            expected = [expected[i] for i in keep]
    return compare_rows(columns, expected, found, ordered)


def reject_codes(folder):
    counts = {}
    with open(os.path.join(folder, "rejects.ndjson"), encoding="utf-8") as file:
        for line in io.StringIO(file.read()):
            code = json.loads(line)["code"]
            counts[code] = counts.get(code, 0) + 1
    return counts
