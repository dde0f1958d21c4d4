#!/usr/bin/env python3
"""twin.py PROGRAM [TEST...]: what the twin of `weir sim` makes of the pipelines in
tests/sim/pipelines, beside what a real server makes of them: the same tables with the same rows,
and the same rejects."""

import csv
import importlib.util
import io
import json
import os
import re
import sys
from decimal import Decimal

from runs import Place, main, same

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PIPELINES = os.path.join(TESTS, "sim", "pipelines")
NIL = "\\N"


def inputs():
    path = os.path.join(TESTS, "faults", "inputs.py")
    spec = importlib.util.spec_from_file_location("fault_inputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(name):
    with open(os.path.join(PIPELINES, name), encoding="utf-8") as file:
        return file.read()


def as_real(kind, text):
    """A value as both say it."""
    if text == NIL:
        return None
    if kind in ("bigint", "integer", "smallint"):
        return int(text)
    if kind == "double precision":
        return float(text)
    if kind == "numeric":
        return Decimal(text).normalize()
    if kind == "boolean":
        return int(text == "t")
    if kind in ("json", "jsonb"):
        return json.loads(text)
    return text


def real_tables(postgres, database):
    """name -> rows, sorted."""
    tables = {}
    names = postgres.sql("select case when schemaname = 'public' then '' else schemaname || '.' end"
                         " || tablename from pg_tables where schemaname not in ('pg_catalog', "
                         "'information_schema') order by 1", database).split()
    for name in names:
        if name.split(".")[-1].startswith("weir_"):
            continue
        kinds = postgres.sql("select format_type(atttypid, null) from pg_attribute where attrelid "
                             f"= '{name}'::regclass and attnum > 0 and not attisdropped order by "
                             "attnum", database).split("\n")[:-1]
        rows = csv.reader(io.StringIO(postgres.sql(
            f"copy (select * from {name}) to stdout (format csv, null '{NIL}')", database)))
        tables[name] = kinds, sorted((
            [as_real(kind, text) for kind, text in zip(kinds, row)] for row in rows), key=repr)
    return tables


def as_twin(kind, token):
    if token == "null":
        return None
    if token[0] == "'":
        token = token[1:-1]
    return as_real(kind, "t" if kind == "boolean" and token == "1" else token)


def twin_tables(text, database, real):
    """The same of what `weir sim --left` writes; `real` tells of what kind the columns are."""
    section = text.split(f"== postgres:{database}\n")[1].split("\n== ")[0]
    tables = {name: [] for name in re.findall(r"^schema: 'table', '([^']+)'", section, re.M)}
    for line in section.split("\n"):
        name, _, rest = line.partition(": ")
        if name not in tables:
            continue
        tokens = [token[0] for token in re.findall(r"(('.*?')(?=, |$)|[^, ]+)", rest)]
        tables[name].append([as_twin(kind, token) for kind, token in zip(real[name][0], tokens)])
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def rejects(text):
    rows = [json.loads(line) for line in text.split("\n") if line]
    return sorted((row["code"], row["detail"]) for row in rows)


def the_twin_does_what_the_server_does(weir, postgres):
    for name in sorted(name[:-4] for name in os.listdir(PIPELINES) if name.startswith("pg_")
                       and name.endswith(".lua")):
        for database in ("shop", "app"):
            postgres.sql(f"drop database if exists {database} with (force)", "postgres")
            postgres.sql(f"create database {database}", "postgres")
            postgres.sql("create schema sales", database)
        script = text_of(name + ".lua")
        real = re.sub(r"db\.\w+(:\d+)?/", postgres.folder + "/", script)
        place = Place(weir, real, {"PGUSER": "weir"})
        inputs().lay(place.folder)
        place.write("twin.lua", script)
        further = []
        if os.path.exists(os.path.join(PIPELINES, name + ".sql")):
            place.write("tables.sql", text_of(name + ".sql"))
            further = ["--sql", "tables.sql"]
            for database in ("shop", "app"):
                postgres.sql(text_of(name + ".sql"), database)
        place.run("--state", "s", "--max-bad", "1000")
        place.run(*further, "--left", "left", "--seeds", "3", "--faults", "none", command="sim",
                  script="twin.lua")
        with open(os.path.join(place.folder, "left"), encoding="utf-8") as file:
            left = file.read()
        for host, database in re.findall(r"(db\.\w+(?::\d+)?)/(\w+)", script):
            port = "" if ":" in host else ":5432"
            tables = real_tables(postgres, database)
            same(f"{name}, {database}",
                 twin_tables(left, f"{host}{port}/{database}", tables),
                 {table: rows for table, (_, rows) in tables.items()})
        path = os.path.join(place.folder, "refused.ndjson")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                same(f"{name}, rejects",
                     rejects(left.split("refused.ndjson\n")[1].split("\n== ")[0]),
                     rejects(file.read()))


if __name__ == "__main__":
    sys.exit(main([the_twin_does_what_the_server_does], "twin.py"))
