"""inputs.py: rows of a source, and how a file says them: NDJSON, JSON, CSV, TSV.

A source is {"id", "format", "columns": [[name, type]], "records", "splits", "each", "look"}. A
record is {"v": [values]}; a bad one has the code that it is rejected by, and its line or a value
{"wrong": text}. `look` seeds how values are spelled: a file is the same however often it is
written.
"""

import base64
import gzip
import os
import random

import expressions
import tables

# Bad records: lines with their codes, and by type what no value of a cell is (W502).
BAD_LINES = {
    "ndjson": [('{"a":1', "W501"), ("[1]", "W501"), ("nope", "W501"), ('{"a":1}}', "W501"),
               ('{"a" 1}', "W501"), ('"text"', "W501"), ('{"a":"\\ud800"}', "W501")],
    "csv": [("1", "W501"), ('"a"b' + "," * 40, "W501"), ("," * 60, "W501")],
    "tsv": [("1", "W501"), ("\t" * 60, "W501")],
}
WRONG = {
    "ndjson": {"int64": ['"x"', "1.5", "9223372036854775808", "true", "[]"],
               "float64": ['"x"', "1e400"], "bool": ["1", '"true"'], "string": ["1", "{}"],
               "timestamp": ['"nope"', "5", '""'],
               "date": ['"2024-02-30"', '"x"'], "duration": ['"1x"'],
               expressions.DECIMAL: ['"1.234"', '"x"', "99999999999"]},
    "csv": {"int64": ["x", "1.5", "9223372036854775808", "1 "], "float64": ["x", "1e400", "1,"],
            "bool": ["2", "yes"], "timestamp": ["nope", "2024-02-30T00:00:00Z"],
            "date": ["2024-02-30"], "duration": ["1x"], expressions.DECIMAL: ["1.234", "x"]},
}
ZONES = ["Z", "Z", "Z", "+00:00"]


def json_string(dice, text):
    out = ['"']
    for ch in text:
        code = ord(ch)
        if ch in '"\\':
            out.append("\\" + ch)
        elif code < 32:
            short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(ch)
            out.append(short if short and dice.random() < 0.7 else f"\\u{code:04x}")
        elif dice.random() < 0.05:
            units = ch.encode("utf-16-be")
            out += [f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)]
        elif ch == "/" and dice.random() < 0.3:
            out.append("\\/")
        else:
            out.append(ch)
    return "".join(out) + '"'


def float_spelled(dice, value):
    text = repr(value)
    if dice.random() < 0.2 and value == int(value) and abs(value) < 1e15 and str(value)[0] != "-":
        return str(int(value))
    if dice.random() < 0.1 and "e" not in text:
        return text + "e0"
    return text


def iso_duration(us):
    sign, us = ("-" if us < 0 else ""), abs(us)
    seconds, fraction = divmod(us, 1000000)
    return f"{sign}PT{seconds}" + (f".{fraction:06d}S" if fraction else "S")


def plain(dice, kind, value):
    """The text of a value without the quotes of a format."""
    if kind == "bool":
        return "true" if value else "false"
    if kind == "int64":
        return str(value)
    if kind == "float64":
        if value != value:
            return "nan"
        if value in (float("inf"), float("-inf")):
            return "inf" if value > 0 else "-inf"
        return float_spelled(dice, value)
    if kind == "timestamp":
        text = expressions.timestamp_text(value)
        return text[:-1] + dice.choice(ZONES)
    if kind == "date":
        return expressions.date_text(value)
    if kind == "duration":
        return iso_duration(value)
    if kind == "bytes":
        return base64.b64encode(bytes.fromhex(value)).decode()
    return value


def json_value(dice, kind, value):
    if value is None:
        return "null"
    text = plain(dice, kind, value)
    if kind in ("bool", "int64", "float64"):
        return text
    if kind.startswith("decimal") and dice.random() < 0.3:
        return text
    return json_string(dice, text)


def json_record(dice, source, record):
    items = []
    for (name, kind), value in zip(source["columns"], record["v"]):
        if isinstance(value, dict):  # a wrong cell, as it is written
            items.append(f"{json_string(dice, name)}:{value['wrong']}")
        elif value is None and dice.random() < 0.5:
            continue
        else:
            gap = dice.choice(["", "", " ", "  \t"])
            items.append(f"{json_string(dice, name)}{gap}:{gap}{json_value(dice, kind, value)}")
    if dice.random() < 0.3:
        dice.shuffle(items)
    if dice.random() < 0.1:
        items.insert(dice.randint(0, len(items)), '"unknown":{"a":[1,"}"]}')
    return "{" + ("," if dice.random() < 0.9 else " , ").join(items) + "}"


def delimited_cell(dice, between, kind, value):
    if isinstance(value, dict):
        text = value["wrong"]
        return '"' + text + '"' if between in text else text
    if value is None:
        return ""
    text = plain(dice, kind, value)
    if text == "" or any(ch in text for ch in between + '"\r\n') or text != text.strip() \
            or dice.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def delimited_lines(dice, source, records):
    order = list(range(len(source["columns"])))
    if dice.random() < 0.3:
        dice.shuffle(order)
    extra = dice.random() < 0.15
    between = "\t" if source["format"] == "tsv" else ","

    def line(cells):
        return between.join([cells[i] for i in order] + (["?"] if extra else []))
    names = [delimited_cell(dice, between, "string", name) for name, _ in source["columns"]]
    yield line(names) if not extra else line(names)[:-1] + "unknown"
    for record in records:
        if "line" in record:
            yield record["line"]
            continue
        yield line([delimited_cell(dice, between, kind, value)
                    for (_, kind), value in zip(source["columns"], record["v"])])


def file_text(source, records, look):
    dice = random.Random(look)
    end = "\r\n" if dice.random() < 0.1 else "\n"
    last = end if dice.random() < 0.8 or not records else ""
    mark = "\ufeff" if dice.random() < 0.05 else ""
    if source["format"] in ("csv", "tsv"):
        return mark + end.join(delimited_lines(dice, source, records)) + last
    lines = [record["line"] if "line" in record else json_record(dice, source, record)
             for record in records]
    if source["format"] == "json":
        if look % 2:
            return "[" + ",\n".join(lines) + "]"
        return "\n".join(lines) + last
    if dice.random() < 0.1:
        lines.insert(dice.randint(0, len(lines)), "")
    return mark + end.join(lines) + last


def pieces(source, splits):
    """The records of each file."""
    bounds = [0] + sorted(min(at, len(source["records"])) for at in splits) \
        + [len(source["records"])]
    return [source["records"][a:b] for a, b in zip(bounds, bounds[1:])]


def address(source):
    ending = source["format"]
    if source["splits"]:
        return f"in{source['id']}/*.{ending}*"
    return f"in{source['id']}.{ending}"


def write(folder, source, layout=None):
    """Writes a source's files. `layout`: {"splits", "gz"}: the same rows in other files."""
    if source["format"] in tables.FORMATS:
        tables.write(folder, source)
        return
    splits = source["splits"]
    packed = source.get("gz", False)
    if layout is not None:
        packed = layout["gz"]
        if splits and not source["each"]:
            splits = [at + layout["move"] for at in splits]
            splits = [max(0, at) for at in splits]
    parts = pieces(source, splits)
    if source["splits"]:
        os.makedirs(os.path.join(folder, f"in{source['id']}"), exist_ok=True)
    for i, records in enumerate(parts):
        data = file_text(source, records, source["look"] * 8 + i * 2 + source["look"] % 2).encode()
        path = f"in{source['id']}/{i}.{source['format']}" if source["splits"] else address(source)
        if packed:
            data = gzip.compress(data, 1, mtime=0)
            if source["splits"]:
                path += ".gz"
        with open(os.path.join(folder, path), "wb") as file:
            file.write(data)


def write_all(folder, sources, layout):
    for source in sources:
        write(folder, source, layout)


def fitting(kind, form, value):
    """A value that the format can say."""
    if value is None:
        return None
    if kind == "string" and form in ("tsv", "csv", "text") and "\r" in value:
        return value.replace("\r", "r")
    if kind == "float64" and form in ("ndjson", "json", "sqlite") and (
            value != value or value in (float("inf"), float("-inf"))):
        return 0.5
    return value


def random_source(dice, number, columns, timed):
    form = dice.choice(["ndjson", "ndjson", "csv", "csv", "tsv", "json", "sqlite",
                        "rows", "text"])
    if form == "sqlite" and len({name.lower() for name, _ in columns}) < len(columns):
        form = "rows"  # to SQLite these are one column
    count = dice.choice([0, 1, 2, 3]) if dice.random() < 0.12 else dice.randint(4, 40)
    nils = dice.choice([0.0, 0.1, 0.4])
    bad = dice.choice([0.0, 0.0, 0.08])
    clock, jump = dice.randint(-40, 20) * 1000000, dice.choice([0, 1000000, 5000000])
    records = []
    for _ in range(count):
        values = []
        clock += dice.randint(0, 3) * jump // 2
        for i, (_, kind) in enumerate(columns):
            value = None if dice.random() < nils and i > 0 else expressions.random_value(dice, kind)
            if kind == "timestamp" and i == timed:
                value = clock + dice.choice([0, 0, -1, -3, -10, 2]) * 1000000
                if dice.random() < 0.03:
                    value = None if dice.random() < 0.5 else clock + 60 * 1000000
            if kind == "float64" and dice.random() < 0.03:
                value = dice.choice([float("nan"), float("inf"), float("-inf")])
            values.append(fitting(kind, form, value))
        record = {"v": values}
        if dice.random() < bad:
            spoil(dice, form, columns, record)
        records.append(record)
    splits = sorted(dice.randint(0, count) for _ in range(dice.randint(1, 3))) \
        if dice.random() < 0.35 and form not in tables.FORMATS else []
    return {"id": number, "format": form, "columns": columns, "records": records,
            "splits": splits, "each": bool(splits) and dice.random() < 0.5,
            "gz": dice.random() < 0.15 and form not in tables.FORMATS,
            "look": dice.randrange(1 << 20)}


def spoil(dice, form, columns, record):
    """Makes a record a bad one: its line, or the value of one cell."""
    lines = BAD_LINES.get("csv" if form == "text" else form)
    if lines and dice.random() < 0.5:
        record["line"], record["code"] = dice.choice(lines)
        return
    wrong = tables.WRONG.get(form, WRONG["ndjson" if form in ("ndjson", "json") else "csv"])
    at = dice.randrange(len(columns))
    texts = [text for text in wrong.get(columns[at][1], [])
             if not (form == "tsv" and "\t" in text)]
    if texts:
        record["v"][at] = {"wrong": dice.choice(texts)}
        record["code"] = "W502"
