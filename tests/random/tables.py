"""tables.py: sources that are no text files: a SQLite table, rows in the script, `weir.generate`.

A source of the format `rows` stands in the script as values, `text` as CSV text; of `generate` the
records are expressions over `i`: {"rows", "items"} instead of "records".
"""

import json
import os
import random
import sqlite3

import expressions
import inputs

FORMATS = ("sqlite", "rows", "text", "generate")
WRONG = {  # a wrong value of `weir.rows` is an error of the script
    "rows": {},
    "sqlite": {"int64": ['"x"', "1.5"], "float64": ['"x"'], "bool": ["2", '"yes"'],
               "timestamp": ['"nope"'], "date": ['"2024-02-30"'], "duration": ['"1x"'],
               expressions.DECIMAL: ['"1.234"', '"x"']},
}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def sqlite_value(dice, kind, value):
    if isinstance(value, dict):
        return json.loads(value["wrong"])
    if value is None or kind == "int64":
        return value
    if kind in ("bool", "float64"):
        return int(value) if kind == "bool" else value
    return bytes.fromhex(value) if kind == "bytes" else inputs.plain(dice, kind, value)


def write(folder, source):
    if source["format"] != "sqlite":
        return
    path = os.path.join(folder, f"in{source['id']}.db")
    dice = random.Random(source["look"])
    if os.path.exists(path):
        os.unlink(path)
    database = sqlite3.connect(path)
    # No types: a cell keeps what it is given.
    database.execute(f"CREATE TABLE t ({', '.join(quoted(n) for n, _ in source['columns'])})")
    marks = ", ".join("?" * len(source["columns"]))
    for record in source["records"]:
        database.execute(f"INSERT INTO t VALUES ({marks})",
                         [sqlite_value(dice, kind, value) for (_, kind), value
                          in zip(source["columns"], record["v"])])
    database.commit()
    database.close()


def lua_string(data):
    """Bytes as a string of Lua."""
    out = []
    for byte in data:
        if byte in b'"\\':
            out.append("\\" + chr(byte))
        else:
            out.append(chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}")
    return '"' + "".join(out) + '"'


def lua_value(dice, kind, value):
    if isinstance(value, dict):
        return value["wrong"]
    if value is None:
        return "nil"
    if kind == "bytes":
        return lua_string(bytes.fromhex(value))
    if kind in ("bool", "int64", "float64"):
        if value == expressions.INT_LIMITS[0]:
            return "math.mininteger"
        return expressions.literal_text(kind, value)
    return lua_string(inputs.plain(dice, kind, value).encode())


def rows_text(source):
    """The second argument of `weir.rows`."""
    look = source["look"]
    if source["format"] == "text":
        return lua_string(inputs.file_text({**source, "format": "csv"}, source["records"],
                                           look * 8 + look % 2).encode())
    dice, lines = random.Random(look), []
    for record in source["records"]:
        cells = [lua_value(dice, kind, value) for (_, kind), value
                 in zip(source["columns"], record["v"])]
        if dice.random() < 0.3:
            cells = [f"[{lua_string(name.encode())}] = {cell}" for (name, _), cell
                     in zip(source["columns"], cells)]
        lines.append("  { " + ", ".join(cells) + " },\n")
    return "{\n" + "".join(lines) + "}"


def random_generate(maker, number, names):
    """A source that is computed: its first column is a time, the others are random."""
    dice = maker.dice
    step = ["bin", "duration", "*", ["lit", "duration", dice.choice([0, 250000, 1000000, 7000000])],
            ["col", "int64", "i"]]
    items = [[names[0], False, ["bin", "timestamp", "+", ["lit", "timestamp", 0], step]],
             [names[1], False, ["bin", "int64", "%", ["col", "int64", "i"],
                                ["lit", "int64", dice.randint(1, 7)]]]]
    seen = {"i": "int64", names[0]: "timestamp", names[1]: "int64"}
    for name in names[2:]:
        # A computed decimal has the digits of what it is computed from.
        kind = dice.choice([k for k in expressions.TYPES if k != expressions.DECIMAL])
        items.append([name, False, expressions.Generator(dice, seen).make(kind, maker.depth)])
        seen[name] = kind
    return {"id": number, "format": "generate", "rows": dice.choice([0, 1, 5, 30, 60]),
            "items": items, "columns": [[name, expr[1]] for name, _, expr in items],
            "records": [], "splits": [], "each": False, "gz": False, "look": 0}
