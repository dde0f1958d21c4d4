"""oracle.py: what a case must give, by DuckDB stage after stage; lateness by a model in Python.

Each node becomes a table: columns c0, c1, … and what travels beside them:
    _l  the lane: source * 100 + partition, or -1 behind the first stage that sees all lanes
    _r  the number of the record in its lane       _s  the order of the rows (in the lane)
    _t  the event time       _w  the frontier of the row's own lane before it (NULL: none yet)
The order of a table is exact unless `ordered` is false; then it is compared as a multiset.
"""

import math

import cases
import inputs
import translate
from expressions import without_unused
from translate import Levels, NEVER, Translator, literal, sql_type, truth

SLICE_LAST = "170141183460469231731687303715884105727::HUGEINT"
HIDDEN = "_l, _r, _s, _t, _w"


class Table:
    def __init__(self, name, columns, timed, lanes, ordered=True):
        self.name, self.columns, self.timed = name, columns, timed
        self.lanes = lanes      # the lanes of a table that is still by lane; None: one stream
        self.ordered = ordered

    def env(self):
        return {name: (f"c{i}", kind) for i, (name, kind) in enumerate(self.columns)}


def sum_by_slice(x, order, keep):
    """Floats are added row after row within a slice of a window, then slice after slice."""
    rows = f"list({{'sum': 0.0::DOUBLE, 'slice': coalesce(_slice, {SLICE_LAST}), 'x': {x}}} " \
           f"ORDER BY {order}) {keep}"
    done = f"list_reduce({rows}, lambda a, b: CASE WHEN a.slice = b.slice " \
           "THEN {'sum': a.sum, 'slice': b.slice, 'x': a.x + b.x} " \
           "ELSE {'sum': a.sum + a.x, 'slice': b.slice, 'x': b.x} END)"
    return f"({done}).sum + ({done}).x"


def counted(values, order, take):
    """Of a list: {'value', 'count'} of each value, in that order of `n` and `v`."""
    pairs = f"list_transform(list_distinct({values}), lambda v: " \
            f"{{'v': v, 'n': len(list_filter({values}, lambda y: y = v))}})"
    keys = f"list_sort(list_transform({pairs}, lambda p: {{{order}}}))"
    return f"list_transform({keys}, lambda p: {take})"


def top_of(spec, values, _):
    listed = counted(values, "'k': -p.n, 'v': p.v", "{'value': p.v, 'count': -p.k}")
    return f"{listed}[1:{spec['args'][1][2]}]"


def histogram_of(spec, values, keep):
    x, kind = spec["sql"][0], spec["args"][0][1]
    literals = [arg[2] for arg in spec["args"][1:]]
    if len(literals) > 1:
        bounds = [None, *literals, None]
        parts, value = [], f"{x}" if kind == "int64" else f"nullif({x}, 'nan'::DOUBLE)"
        for low, high in zip(bounds, bounds[1:]):
            tests = [f"{value} >= {low}"] * (low is not None)
            tests += [f"{value} < {high}"] * (high is not None)
            ends = [f"{literal(kind, bound)}" for bound in (low, high)]
            parts.append(f"{{'low': {ends[0]}, 'high': {ends[1]}, 'count': "
                         f"count(CASE WHEN {' AND '.join(tests)} THEN 1 END) {keep}}}")
        return f"CASE WHEN count({value}) {keep} > 0 THEN [{', '.join(parts)}] END"
    width = literals[0]
    if kind == "int64":
        x, zero = f"{x}::HUGEINT", f"(({x}::HUGEINT % {width}) + {width}) % {width}"
        values = f"list({x} - {zero}) {keep}"
        ends = [f"CASE WHEN w_fits({end}) THEN {end}::BIGINT END"
                for end in ("p.k", f"(p.k + {width})")]
    else:
        number = f"floor({x} / {width})"  # and its bounds hold the value
        number = f"{number} - ({x} < {number} * {width})::INT + " \
                 f"({x} >= ({number} + 1) * {width})::INT"
        values = f"list({number}) {keep.replace('WHERE', f'WHERE isfinite({x}) AND')}"
        ends = [f"p.k * {width} + 0.0", f"(p.k + 1) * {width} + 0.0"]
    return counted(values, "'k': p.v, 'n': p.n",
                   f"{{'low': {ends[0]}, 'high': {ends[1]}, 'count': p.n}}")


# Aggregates whose result is made of the list of all values.
OF_LISTS = {"approx_top": top_of, "histogram": histogram_of,
            "sample": lambda spec, _, keep: f"list({spec['sql'][0]} ORDER BY {spec['arrival']}) "
                                            f"{keep}"}


class Refused(Exception):
    """The oracle cannot say what this case gives."""


class Oracle:
    def __init__(self, connection, case):
        self.db, self.case = connection, case
        self.tables, self.rejects = {}, {}
        self.made = []

    def sql(self, text):
        return self.db.execute(text)

    def create(self, name, query):
        self.sql(f"CREATE TEMP TABLE {name} AS {query}")
        self.made.append(name)

    def close(self):
        for name in self.made:
            self.sql(f"DROP TABLE {name}")

    def reject(self, code, count=1):
        if count:
            self.rejects[code] = self.rejects.get(code, 0) + count

    def run(self):
        """{output number: (columns, rows, ordered)} and the rejects by code."""
        needed = cases.live_nodes(self.case)
        state = cases.state_of(self.case)
        for source in self.case["sources"]:
            if f"s{source['id']}" in needed:
                self.load(source)
        for node in self.case["nodes"]:
            if node["id"] not in needed or node["op"] == "late":
                continue
            self.node = node
            before = [self.tables[i] for i in node["in"]]
            getattr(self, "_" + node["op"])(node, before, state[node["id"]]["columns"])
        outputs = {}
        for number, output in enumerate(self.case["outputs"]):
            table = self.gather([self.tables[output["from"]]], f"o{number}")
            columns = ", ".join(f"c{i}" for i in range(len(table.columns)))
            rows = self.sql(f"SELECT {columns} FROM {table.name} ORDER BY _s").fetchall()
            outputs[number] = (table.columns, rows, table.ordered)
            if output["format"] == "sqlite":  # which has no NaN
                self.reject("W509", sum(any(v != v for v in row) for row in rows))
        return outputs, self.rejects

    # -- sources

    def load(self, source):
        columns = [tuple(c) for c in source["columns"]]
        name = f"s{source['id']}"
        if source["format"] == "generate":
            self.create(f"{name}_i", "SELECT i::BIGINT AS c0, "
                        f"{source['id'] * 100} AS _l, i - 1 AS _r, i - 1 AS _s, "
                        "NULL::BIGINT AS _t, NULL::BIGINT AS _w FROM "
                        f"range(1, {source['rows'] + 1}) r(i)")
            numbers = Table(f"{name}_i", [("i", "int64")], False, [source["id"] * 100])
            self.items({"id": name}, numbers, source["items"], columns)
            return
        typed = ", ".join(f"c{i} {sql_type(kind)}" for i, (_, kind) in enumerate(columns))
        self.sql(f"CREATE TEMP TABLE {name} ({typed}, _l INTEGER, _r BIGINT, _s BIGINT, "
                 "_t BIGINT, _w BIGINT)")
        self.made.append(name)
        parts = inputs.pieces(source, source["splits"])
        if not source["each"]:
            parts = [[record for part in parts for record in part]]
        rows, lanes = [], []
        for partition, records in enumerate(parts):
            lane = source["id"] * 100 + partition
            lanes.append(lane)
            for number, record in enumerate(records):
                if "code" in record:
                    self.reject(record["code"])
                    continue
                cells = [literal(kind, value) for (_, kind), value in zip(columns, record["v"])]
                rows.append(f"({', '.join(cells)}, {lane}, {number}, {number}, NULL, NULL)")
        if rows:
            self.sql(f"INSERT INTO {name} VALUES {', '.join(rows)}")
        self.tables[name] = Table(name, columns, False, lanes)

    # -- order

    def gather(self, tables, name, ports=None):
        """One stream of the rows of all lanes of several tables; its columns are the first's."""
        feeders = []
        for port, table in enumerate(tables):
            for lane in table.lanes if table.lanes is not None else [None]:
                feeders.append((port, table, lane))
        first = tables[0]
        if len(feeders) == 1:
            return first
        ordered = all(table.ordered for table in tables)
        union = []
        for at, (port, table, lane) in enumerate(feeders):
            names = [c[0] for c in table.columns]
            picked = [f"c{names.index(c[0])} AS c{i}" for i, c in enumerate(first.columns)]
            where = "" if lane is None else f" WHERE _l = {lane}"
            union.append(f"SELECT {', '.join(picked)}, {HIDDEN}, {at} AS _p FROM "
                         f"{table.name}{where}")
        merged = " UNION ALL ".join(union)
        columns = ", ".join(f"c{i}" for i in range(len(first.columns)))
        lanes = {lane for _, _, lane in feeders}
        timed = all(table.timed for table in tables)
        if len(lanes) == 1 and None not in lanes:
            order = "_r, _p, _s"
        elif timed:
            order, ties = self.by_time(feeders, merged, name)
            ordered = ordered and not ties
            merged = f"SELECT m.*, o.place AS _o FROM ({merged}) m JOIN {order} o " \
                     "ON m._p = o.port AND m._s = o.seq"
            order = "_o"
        else:
            order = "_p, _s"
        self.create(name, f"SELECT {columns}, _l, _r, row_number() OVER (ORDER BY {order}) AS _s, "
                          f"_t, _w FROM ({merged})")
        return Table(name, first.columns, timed, None, ordered)

    def by_time(self, feeders, merged, name):
        """The merge of lanes: the lane whose head is earliest goes first."""
        queues = [[] for _ in feeders]
        for port, seq, t, lane, record in self.sql(
                f"SELECT _p, _s, _t, _l, _r FROM ({merged}) ORDER BY _p, _s").fetchall():
            # Behind a stateful stage a row has no place of its own in the input.
            place = (lane, record) if feeders[port][2] is not None else None
            queues[port].append((t, place, port, seq))
        heads, out, ties = [0] * len(queues), [], False
        while True:
            best = None
            for port, queue in enumerate(queues):
                if heads[port] == len(queue):
                    continue
                row = queue[heads[port]]
                if best is None:
                    best = row
                    continue
                if row[0] == best[0] and (row[1] is None or best[1] is None):
                    ties = True
                key = (row[0], row[1] or (0, 0), row[2])
                if key < (best[0], best[1] or (0, 0), best[2]):
                    best = row
            if best is None:
                break
            heads[best[2]] += 1
            out.append((best[2], best[3], len(out)))
        self.sql(f"CREATE TEMP TABLE {name}_order (port INTEGER, seq BIGINT, place BIGINT)")
        self.made.append(f"{name}_order")
        if out:
            self.sql(f"INSERT INTO {name}_order VALUES {', '.join(map(str, out))}")
        return f"{name}_order", ties

    def single(self, node, before):
        return self.gather([before[0]], f"{node['id']}_in")

    # -- row by row

    def split_failed(self, name, query):
        """Rows with a `_code` are rejects; the others are the table."""
        self.create(f"{name}_all", query)
        for code, count in self.sql(f"SELECT _code, count(*) FROM {name}_all WHERE _code IS NOT "
                                    "NULL GROUP BY _code").fetchall():
            self.reject(code, count)
        return f"(SELECT * FROM {name}_all WHERE _code IS NULL)"

    def _filter(self, node, before, _):
        table = before[0]
        levels = Levels(table.env())
        value, code = Translator(levels).of(node["expr"])
        good = self.split_failed(node["id"], f"SELECT *, {code} AS _code, {truth(value)} AS _keep "
                                 f"FROM {levels.source(table.name)}")
        columns = ", ".join(f"c{i}" for i in range(len(table.columns)))
        self.create(node["id"], f"SELECT {columns}{',' if columns else ''} {HIDDEN} FROM {good} "
                                "WHERE _keep")
        self.tables[node["id"]] = Table(node["id"], table.columns, table.timed, table.lanes,
                                        table.ordered)

    def items(self, node, table, items, made, time_of=None):
        """A list of items over a table; `made`: the columns that come of it."""
        levels = Levels(table.env())
        translator, codes = Translator(levels), []
        for name, is_local, expr in without_unused(items):
            value, code = translator.of(expr)
            levels.codes[name] = code if is_local else NEVER
            codes.append(NEVER if is_local else code)
            levels.columns[name] = (value, expr[1])
        columns = [f"{levels.columns[name][0]}::{sql_type(self.stored(kind))} AS d{i}"
                   for i, (name, kind) in enumerate(made)]
        time = levels.columns[time_of][0] if time_of else "_t"
        good = self.split_failed(
            node["id"], f"SELECT {', '.join(columns)}, _l, _r, _s, {time} AS _t, _w, "
            f"{translate.first_code(codes)} AS _code FROM {levels.source(table.name)}")
        renamed = ", ".join(f"d{i} AS c{i}" for i in range(len(made)))
        self.create(node["id"], f"SELECT {renamed}, {HIDDEN} FROM {good}")
        self.tables[node["id"]] = Table(node["id"], made, table.timed, table.lanes, table.ordered)

    @staticmethod
    def stored(kind):
        return "float64" if kind == cases.APPROXIMATE else kind

    def _derive(self, node, before, made):
        self.items(node, before[0], node["items"], made)

    _select = _map = _flat_map = _derive

    def _drop(self, node, before, made):
        self.items(node, before[0], [], made)

    def _rename(self, node, before, made):
        table = before[0]
        self.tables[node["id"]] = Table(table.name, made, table.timed, table.lanes, table.ordered)

    def _expect(self, node, before, made):
        table = before[0]
        levels = Levels(table.env())
        translator = Translator(levels)
        parts = [translator.of(expr) for _, expr in node["items"]]
        met = " AND ".join(truth(value) for value, _ in parts)
        codes = [code for _, code in parts] + [f"CASE WHEN NOT ({met}) THEN 'W508' END"]
        good = self.split_failed(node["id"], f"SELECT *, {translate.first_code(codes)} AS _code "
                                 f"FROM {levels.source(table.name)}")
        columns = ", ".join(f"c{i}" for i in range(len(made)))
        self.create(node["id"], f"SELECT {columns}, {HIDDEN} FROM {good}")
        self.tables[node["id"]] = Table(node["id"], made, table.timed, table.lanes, table.ordered)

    def _event_time(self, node, before, made):
        table = before[0]
        name, _, expr = node["items"][0]
        levels = Levels(table.env())
        value, code = Translator(levels).of(expr)
        levels.columns[name] = (value, "timestamp")
        code = f"CASE WHEN {value} IS NULL OR {code} IS NOT NULL THEN 'W506' END"
        columns = [f"{levels.columns[n][0]} AS d{i}" for i, (n, _) in enumerate(made)]
        good = self.split_failed(
            node["id"], f"SELECT {', '.join(columns)}, _l, _r, _s, {value} AS _t, "
            f"{code} AS _code FROM {levels.source(table.name)}")
        renamed = ", ".join(f"d{i} AS c{i}" for i in range(len(made)))
        # W_i: the largest time before the row in its lane, less the delay.
        self.create(node["id"], f"SELECT {renamed}, _l, _r, _s, _t, max(_t) OVER (PARTITION BY _l "
                    "ORDER BY _s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - "
                    f"{node['max_delay']} AS _w FROM {good}")
        self.tables[node["id"]] = Table(node["id"], made, True, table.lanes, table.ordered)

    # -- many rows

    def order_by(self, order, translator):
        parts = []
        for expr, way in order:
            value, code = translator.of(expr)
            assert code == NEVER
            parts.append(f"{value} {'DESC' if way == 'desc' else 'ASC'} NULLS LAST")
        return parts

    def _sort(self, node, before, made):
        table = self.single(node, before)
        levels = Levels(table.env())
        parts = self.order_by(node["order"], Translator(levels))
        if not table.ordered and not node.get("total"):
            raise Refused("sort of rows in no known order")
        parts += (["_t"] if table.timed else []) + ["_s"]
        columns = ", ".join(f"c{i}" for i in range(len(made)))
        late = "_t < _w" if not node["order"] else "false"  # by time, what is behind has no place
        lost = self.sql(f"SELECT count(*) FROM {table.name} WHERE {late}").fetchone()[0]
        self.reject("W507", lost)
        frontier = "_w" if node["order"] else "NULL::BIGINT"
        self.create(node["id"], f"SELECT {columns}, -1 AS _l, _r, row_number() OVER (ORDER BY "
                    f"{', '.join(parts)}) AS _s, _t, {frontier} AS _w "
                    f"FROM {levels.source(table.name)} WHERE NOT coalesce({late}, false)")
        self.tables[node["id"]] = Table(node["id"], made, not node["order"], None)

    def _limit(self, node, before, made):
        table = self.single(node, before)
        if not table.ordered:
            raise Refused("limit of rows in no known order")
        self.create(node["id"], f"SELECT * FROM {table.name} ORDER BY _s LIMIT {node['rows']} "
                                f"OFFSET {node['offset']}")
        self.tables[node["id"]] = Table(node["id"], made, table.timed, None)

    def _distinct(self, node, before, made):
        table = self.single(node, before)
        names = [c[0] for c in table.columns]
        columns = [f"c{names.index(name)}" for name, _ in made]
        if not table.ordered and table.timed:
            raise Refused("the time of the first of rows in no known order")
        picked = ", ".join(f"{c} AS d{i}" for i, c in enumerate(columns))
        renamed = ", ".join(f"d{i} AS c{i}" for i in range(len(made)))
        self.create(node["id"], f"SELECT {renamed}, {HIDDEN} FROM (SELECT {picked}, {HIDDEN}, "
                    f"row_number() OVER (PARTITION BY {', '.join(columns)} ORDER BY _s) AS _n "
                    f"FROM {table.name}) WHERE _n = 1")
        self.tables[node["id"]] = Table(node["id"], made, table.timed, None, table.ordered)

    def _union(self, node, before, made):
        table = self.gather(before, node["id"])
        self.tables[node["id"]] = Table(table.name, made, table.timed, None, table.ordered)

    def _lookup(self, node, before, made):
        left = self.single(node, before)
        right = self.gather([before[1]], f"{node['id']}_right")
        env_left, env_right = left.env(), right.env()
        tests = " AND ".join(f"l.{env_left[l][0]} = r.{env_right[r][0]}" for l, r in node["on"])
        columns = ", ".join(f"l.c{i} AS c{i}" for i in range(len(left.columns)))
        hidden = "l._l, l._r, l._s, l._t, l._w"
        name = node["id"]
        if node["how"] in ("semi", "anti"):
            word = "" if node["how"] == "semi" else "NOT "
            self.create(name, f"SELECT {columns}, {hidden} FROM {left.name} l WHERE {word}EXISTS "
                              f"(SELECT 1 FROM {right.name} r WHERE {tests})")
            self.tables[name] = Table(name, made, left.timed, None, left.ordered)
            return
        keys = {r for _, r in node["on"]}
        taken = [c for n, (c, _) in env_right.items() if n not in keys]
        more = "".join(f", r.{c} AS c{len(left.columns) + i}" for i, c in enumerate(taken))
        word = "LEFT" if node["how"] == "left" else "INNER"
        self.create(name, f"SELECT {columns}{more}, l._l, l._r, row_number() OVER (ORDER BY l._s, "
                    f"r._s) AS _s, l._t, l._w FROM {left.name} l {word} JOIN {right.name} r "
                    f"ON {tests}")
        self.tables[name] = Table(name, made, left.timed, None, left.ordered and right.ordered)

    # -- agg

    def windows(self, node, source, _keys=None):
        """A row for each window (_ws, _we) of each row that the window takes."""
        w, name = node["window"], node["id"]
        count = -(-w["size"] // w["every"])
        step = math.gcd(w["size"], w["every"])
        slice_of = f"w_fdiv(_t - ({w['offset']}), {step})"
        last = f"(w_fdiv(_t - ({w['offset']}), {w['every']}) * {w['every']} + ({w['offset']}))"
        start = f"({last}::BIGINT - k.range * {w['every']})"
        self.create(f"{name}_win", f"SELECT *, {start} AS _ws, {start} + {w['size']} AS _we "
                    f"FROM {source}, range({count}) k")
        return self.taken(node, slice_of)

    def taken(self, node, slice_of="NULL"):
        """Of the rows by window those that are in it and that it does not refuse."""
        name = node["id"]
        # A row that some of its windows refuse comes behind all slices (NULL).
        taken = f"(_w IS NULL OR _we + {node['window'].get('lateness', 0)} > _w)"
        self.create(f"{name}_taken", f"SELECT *, CASE WHEN bool_and({taken}) OVER "
                    f"(PARTITION BY _s) THEN {slice_of} END AS _slice "
                    f"FROM {name}_win WHERE _we > _t "
                    f"QUALIFY {taken}")
        return f"{name}_taken"

    def late(self, node, table, query):
        """Rows of a table that a stage refuses: what `late()` gives, or rejects."""
        name = node["id"]
        columns = ", ".join(f"c{i}" for i in range(len(table.columns)))
        self.create(f"{name}_late", f"SELECT {columns}, {HIDDEN} FROM ({query})")
        needed = cases.live_nodes(self.case)
        readers = [n["id"] for n in self.case["nodes"] if n["op"] == "late" and n["in"] == [name]]
        if not any(reader in needed for reader in readers):
            self.reject("W507", self.sql(f"SELECT count(*) FROM {name}_late").fetchone()[0])
        for reader in readers:
            self.tables[reader] = Table(f"{name}_late", table.columns, table.timed, None,
                                        table.ordered)

    def _agg(self, node, before, made):
        table = self.single(node, before)
        levels = Levels(table.env())
        translator, keys, codes = Translator(levels), [], []
        for _, expr in node["keys"]:
            value, code = translator.of(expr)
            keys.append(levels.define(value, value))
            codes.append(code)
        specs = [(name, self.prepare(spec, levels, translator, table, codes))
                 for name, spec in node["items"]]
        w = node.get("window")
        for _, spec in specs:
            spec["arrival"] = "_slice ASC NULLS LAST, _s" \
                if w and w.get("every") != w.get("size") else "_s"
        name = node["id"]
        good = self.split_failed(name, f"SELECT *, {translate.first_code(codes)} AS _code FROM "
                                       f"{levels.source(table.name)}")
        group = []
        if node.get("window"):
            source = self.windows(node, good, keys)
            group = ["_ws", "_we"] + ["_m"] * (w.get("kind") == "count")
            self.late(node, table, f"SELECT * FROM {name}_all WHERE _code IS NULL AND _s NOT IN "
                                   f"(SELECT _s FROM {source})")
        else:
            source = good
        self.fire(node, table, source, group, keys, specs, made)

    def fire(self, node, table, source, group, keys, specs, made):
        name = node["id"]
        if any(spec["order_matters"] for _, spec in specs) and not table.ordered:
            raise Refused("an aggregate by order of rows in no known order")
        ranks = [f"row_number() OVER (PARTITION BY {', '.join(group + keys + [spec['test']])} "
                 f"ORDER BY {spec['order']}) AS _n{i}" for i, (_, spec) in enumerate(specs)
                 if spec["limit"]]
        ranked = f"(SELECT *, {', '.join(ranks)} FROM {source})" if ranks else source
        aggs = []
        for i, (_, spec) in enumerate(specs):
            test = spec["test"]
            if spec["limit"]:
                test = f"{test} AND _n{i} <= {spec['limit']}"
            aggs.append(self.aggregate(spec, test) + f" AS _a{i}")
        by = group + keys
        picked = [f"{g} AS g{i}" for i, g in enumerate(by)]
        query = f"SELECT {', '.join(picked + aggs)} FROM {ranked}" + \
                (f" GROUP BY {', '.join(by)}" if by else "")
        sums = [f"_a{i}" for i, (_, spec) in enumerate(specs) if spec["f"] == "sum"
                and spec["type"] in ("int64", "duration")]
        code = translate.first_code([f"CASE WHEN NOT w_fits({a}) THEN 'W504' END" for a in sums])
        order = [f"g{i} ASC NULLS LAST" for i in range(len(by))]
        good = self.split_failed(
            f"{name}_made", f"SELECT *, row_number() OVER (ORDER BY {', '.join(order) or '1'}) "
            f"AS _s, {code} AS _code FROM ({query})")
        columns, at = [], 0
        if group:
            columns += ["g0 AS c0", "g1 AS c1"]
            at = len(group)
        for i in range(len(keys)):
            columns.append(f"g{at + i} AS c{len(columns)}")
        for i, (_, spec) in enumerate(specs):
            kind = sql_type(self.stored(spec["type"]))
            columns.append(f"_a{i}::{kind} AS c{len(columns)}")
        time = "g1 - 1" if group else "NULL::BIGINT"
        self.create(name, f"SELECT {', '.join(columns)}, -1 AS _l, _s AS _r, _s, {time} AS _t, "
                    f"NULL::BIGINT AS _w FROM {good}")
        self.tables[name] = Table(name, made, bool(group), None, True)

    def prepare(self, spec, levels, translator, table, codes):
        """Defines the arguments; which rows count (`test`) and in which order."""
        args = []
        for arg in spec["args"]:
            value, code = translator.of(arg)
            codes.append(code)
            args.append(levels.define(value, value))
        tests = [f"{value} IS NOT NULL" for i, value in enumerate(args)
                 if not (spec["f"] in cases.LITERALS and i > 0) and spec["f"] != "funnel"]
        if spec["f"] in ("min_by", "max_by") and spec["args"][1][1] == "float64":
            tests.append(f"NOT isnan({args[1]})")
        if spec["where"] is not None:
            value, code = translator.of(spec["where"])
            codes.append(code)
            tests.insert(0, truth(value))
        order = self.order_by(spec["order"], translator) if spec["order"] else []
        if table.timed and spec["f"] in ("first", "last", "list", "string_agg", "min_by", "max_by",
                                         "funnel"):
            order += ["_t", "_l", "_r"]
        order.append("_s")
        test = levels.define("(" + (" AND ".join(tests) or "true") + ")", *levels.heights)
        by_order = ("first", "last", "any_value", "list", "string_agg", "min_by", "max_by",
                    "funnel", "sample")
        matters = spec["f"] in by_order or spec["limit"] or \
            (spec["type"] == "float64" and spec["f"] in ("sum", "avg"))
        if spec.get("total"):  # its order leaves no two rows equal, or its sums are exact
            matters = False
        return {**spec, "sql": args, "test": test, "order": ", ".join(order),
                "order_matters": bool(matters)}

    @staticmethod
    def aggregate(spec, test):
        name, x, order = spec["f"], spec["sql"], spec["order"]
        backwards = ", ".join(part.replace(" ASC ", " _ ").replace(" DESC ", " ASC ")
                              .replace(" _ ", " DESC ").replace("NULLS LAST", "NULLS FIRST")
                              if " NULLS " in part else f"{part} DESC"
                              for part in order.split(", "))
        keep = f"FILTER (WHERE {test})"
        kind = spec["args"][0][1] if spec["args"] else None
        total = f"sum({x[0]} ORDER BY _s) {keep}" if x else ""
        if kind == "float64" and spec["arrival"] != "_s":
            total = sum_by_slice(x[0], spec["arrival"], keep)
        plain = {"count": f"count(*) {keep}", "count_of": f"count(*) {keep}", "sum": total,
                 "any_value": f"first({x[0]} ORDER BY {spec['arrival']}) {keep}" if x else "",
                 "first": f"first({x[0]} ORDER BY {order}) {keep}" if x else "",
                 "last": f"first({x[0]} ORDER BY {backwards}) {keep}" if x else "",
                 "list": f"coalesce(list({x[0]} ORDER BY {order}) {keep}, [])" if x else "",
                 "mode": f"mode({x[0]} ORDER BY {x[0]}) {keep}" if x else "",
                 "all": f"bool_and({x[0]}) {keep}" if x else "",
                 "any": f"bool_or({x[0]}) {keep}" if x else "",
                 "string_agg": f"string_agg({x[0]}, ',' ORDER BY {order}) {keep}" if x else ""}
        if name in plain:
            return plain[name]
        if name == "avg":
            return f"({total})::DOUBLE / (count(*) {keep})"
        if name in ("min", "max"):  # of the two zeros the positive one
            least = f"{name}({x[0]}) {keep}"
            return f"({least} + 0.0::DOUBLE)" if kind == "float64" else least
        if name in ("min_by", "max_by"):
            way = "ASC" if name == "min_by" else "DESC"
            return f"first({x[0]} ORDER BY {x[1]} {way}, {order}) {keep}"
        if name in OF_LISTS:
            return OF_LISTS[name](spec, f"list({x[0]}) {keep}", keep)
        if name == "funnel":
            met = " | ".join(f"(CASE WHEN {value} THEN {1 << i} ELSE 0 END)"
                             for i, value in enumerate(x))
            rows = f"list_prepend(0, coalesce(list({met} ORDER BY {order}) {keep}, []))"
            return f"list_reduce({rows}, lambda s, m: s + CASE WHEN (m >> s) & 1 = 1 THEN 1 " \
                   "ELSE 0 END)"
        if name in cases.PAIRS:
            function = {"corr": "corr", "covar": "covar_samp", "covar_pop": "covar_pop"}[name]
            flat = f"(var_pop({x[0]}) {keep}) = 0 OR (var_pop({x[1]}) {keep}) = 0"
            value = f"{function}({x[0]}, {x[1]}) {keep}"
            return f"CASE WHEN {flat} THEN NULL ELSE {value} END" if name == "corr" else value
        if name.endswith("count_distinct"):
            what = x[0] if len(x) == 1 else f"({', '.join(x)})"
            return f"count(DISTINCT {what}) {keep}"
        value = f"{x[0]}::DOUBLE"
        if name in ("median", "quantile", "approx_quantile"):
            q = "0.5" if name == "median" else repr(spec["args"][1][2])
            return f"quantile_cont({value}, {q}) {keep}"
        # By hand: DuckDB refuses what is infinite.
        mean = f"(avg({value}) {keep})"
        assert kind in ("int64", "float64"), kind
        function = {"stddev": "stddev_samp", "variance_pop": "var_pop"}[name]
        assert mean
        return f"{function}({value}) {keep}"
