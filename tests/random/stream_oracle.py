"""stream_oracle.py: what a case of stream_cases.py gives, by DuckDB: oracle.py with more stages.

A changelog is the table that its changes leave, so each stage is one query over all rows that are
not late. Lateness follows from the frontier of the row's own lane (`_w`); which session takes a
row, and which rows of `dedup` with `within` are kept, depends on the order in which rows came: that
is reckoned row by row.
"""

from oracle import HIDDEN, Oracle, Refused, Table
from translate import Levels, Translator, sql_type

COMPARED = {"<": "coalesce({} < {}, false)", ">=": "coalesce({} >= {}, false)",
            "==": "{} IS NOT DISTINCT FROM {}", "~=": "{} IS DISTINCT FROM {}"}


class StreamOracle(Oracle):

    def _limit(self, *_):
        raise Refused("what stages above a limit had not done by then")

    # -- tables

    def put(self, node, made, columns, source, timed, ordered, time="_t", sequence="_s",
            frontier="NULL"):
        """The table of a stage: SQL of its columns, from a query."""
        picked = "".join(f"({sql})::{sql_type(self.stored(kind))} AS d{i}, "
                         for i, (sql, (_, kind)) in enumerate(zip(columns, made)))
        assert len(columns) == len(made), (columns, made)
        renamed = "".join(f"d{i} AS c{i}, " for i in range(len(made)))
        self.create(node["id"], f"SELECT {renamed}-1 AS _l, _o AS _r, _o AS _s, _time AS _t, "
                    f"_front::BIGINT AS _w FROM (SELECT {picked}row_number() OVER (ORDER BY "
                    f"{sequence}) AS _o, {time} AS _time, {frontier} AS _front FROM {source})")
        self.tables[node["id"]] = Table(node["id"], made, timed, None, ordered)

    @staticmethod
    def columns(table, prefix=""):
        return [f"{prefix}c{i}" for i in range(len(table.columns))]

    def need_order(self, table, by):
        """Rows that are alike in `by` go by arrival: it must be known, or there are none."""
        if table.ordered:
            return
        if self.sql(f"SELECT 1 FROM {table.name} GROUP BY {by or 1} HAVING count(*) > 1 LIMIT 1") \
                .fetchone():
            raise Refused("equal rows in no known order")

    def keyed(self, node, table, order=()):
        """(levels, the keys of `group_by`, `order by` parts)"""
        levels = Levels(table.env())
        translator, keys = Translator(levels), []
        for _, expr in node["keys"]:
            value, _ = translator.of(expr)
            keys.append(levels.define(value, value))
        return levels, keys, self.order_by(order, translator)

    def in_windows(self, node, table, levels, keys=()):
        """Rows by window, and `_ws`, `_we`; without a window all rows. Tells of late ones."""
        source = levels.source(table.name)
        if not node.get("window"):
            return source, []
        taken = self.windows(node, source, list(keys))
        self.late(node, table, f"SELECT * FROM {table.name} WHERE _s NOT IN "
                               f"(SELECT _s FROM {taken})")
        return taken, ["_ws", "_we"]

    def timely(self, node, table, side=None):
        """Rows that are not behind their frontier; the others are late, or rejects."""
        name = table.name + "_timely" + (side or "") + node["id"]
        late = f"SELECT * FROM {table.name} WHERE _t < _w"
        if side is None:
            self.late(node, table, late)
        else:
            self.reject("W507", self.sql(f"SELECT count(*) FROM ({late})").fetchone()[0])
        self.create(name, f"SELECT * FROM {table.name} WHERE NOT coalesce(_t < _w, false)")
        return Table(name, table.columns, table.timed, None, table.ordered)

    # -- windows

    def windows(self, node, source, keys=None):
        kind = node["window"].get("kind")
        if kind is None:
            return super().windows(node, source, keys)
        return getattr(self, "windows_" + kind)(node, source, node["window"], keys)

    def windows_cumulative(self, node, source, w, _):
        start = f"(w_fdiv(_t - ({w['offset']}), {w['size']}) * {w['size']} + ({w['offset']}))"
        self.create(f"{node['id']}_win", f"SELECT *, {start}::BIGINT AS _ws, {start}::BIGINT + "
                    f"(k.range + 1) * {w['every']} AS _we FROM {source}, "
                    f"range({w['size'] // w['every']}) k")
        return self.taken(node)

    def windows_calendar(self, node, source, w, _):
        zone = f"AT TIME ZONE '{w['zone']}'"
        local = f"date_trunc('{w['unit']}', (make_timestamp(_t) AT TIME ZONE 'UTC') {zone})" \
                "::TIMESTAMP"
        self.create(f"{node['id']}_win", f"SELECT *, epoch_us({local} {zone}) AS _ws, epoch_us(("
                    f"{local} + INTERVAL 1 {w['unit']})::TIMESTAMP {zone}) AS _we FROM {source}")
        return self.taken(node)

    def windows_count(self, node, source, w, keys):
        """Windows end with each row number that is a multiple of `every`, and with the last row."""
        rows, every = w["rows"], w["every"]
        part = f"PARTITION BY {', '.join(keys)}" if keys else ""
        numbered = f"SELECT *, row_number() OVER ({part} ORDER BY _s) AS _i, count(*) OVER " \
                   f"({part}) AS _n FROM {source}"
        of_window = f"OVER (PARTITION BY {', '.join([*keys, '_m'])})"
        self.create(f"{node['id']}_taken", f"SELECT *, min(_t) {of_window} AS _ws, max(_t) "
                    f"{of_window} + 1 AS _we, NULL::HUGEINT AS _slice FROM (SELECT *, "
                    f"(_i + {every} - 1) // {every} + k.range AS _m FROM ({numbered}), "
                    f"range({-(-rows // every) + 1}) k) WHERE (_m - 1) * {every} < _n "
                    f"AND _i <= _m * {every} AND _i > _m * {every} - {rows}")
        return f"{node['id']}_taken"

    def windows_session(self, node, source, w, keys):
        rows = self.sql(f"SELECT _s, _t, _w{''.join(', ' + key for key in keys)} FROM {source} "
                        "ORDER BY _s").fetchall()
        ordered = self.tables[node["in"][0]].ordered
        if not ordered and (w["max"] or any(row[2] is not None for row in rows)):
            raise Refused("sessions of rows in no known order")
        found = sessions_of(rows, w["gap"], w["max"], w["lateness"])
        self.sql(f"CREATE TEMP TABLE {node['id']}_of (seq BIGINT, _ws BIGINT, _we BIGINT)")
        self.made.append(f"{node['id']}_of")
        if found:
            self.sql(f"INSERT INTO {node['id']}_of VALUES {', '.join(map(str, found))}")
        self.create(f"{node['id']}_taken", f"SELECT r.*, o._ws, o._we, NULL::HUGEINT AS _slice "
                    f"FROM {source} r JOIN {node['id']}_of o ON r._s = o.seq")
        return f"{node['id']}_taken"

    # -- one stream

    def _top(self, node, before, made):
        table = self.single(node, before)
        levels, keys, order = self.keyed(node, table, node["order"])
        source, window = self.in_windows(node, table, levels, keys)
        part = f"PARTITION BY {', '.join(keys + window)}" if keys or window else ""
        if node["opts"].get("ties"):
            rank = f"rank() OVER ({part} ORDER BY {', '.join(order)})"
        else:
            rank = f"row_number() OVER ({part} ORDER BY " \
                   f"{', '.join(order + ['_t'] * table.timed + ['_s'])})"
        rows = f"(SELECT *, {rank} AS _rank FROM {source} QUALIFY _rank <= {node['rows']})"
        columns = self.columns(table) + ["_rank"] * bool(node["rank"]) + window
        self.put(node, made, columns, rows, bool(window), False, "_we - 1" if window else "_t")

    def _dedup(self, node, before, made):
        table = self.single(node, before)
        env = table.env()
        columns = [env[name][0] for name in node["columns"]]
        if node["opts"].get("within"):
            rows = self.sql(f"SELECT _s, _t, _w, {', '.join(columns)} FROM {table.name} "
                            "ORDER BY _s").fetchall()
            kept = kept_within(rows, node["opts"]["within"])
            where = f"_s IN ({', '.join(map(str, kept))})" if kept else "false"
            query = f"SELECT * FROM {table.name} WHERE {where}"
        else:
            by = ["_t"] * table.timed + ["_s"]
            order = {"any": "_s", "first": ", ".join(by),
                     "last": ", ".join(f"{part} DESC" for part in by)}[node["keep"]]
            query = f"SELECT * FROM {table.name} QUALIFY row_number() OVER (PARTITION BY " \
                    f"{', '.join(columns)} ORDER BY {order}) = 1"
        picked = ", ".join(self.columns(table))
        self.create(node["id"], f"SELECT {picked}, {HIDDEN} FROM ({query})")
        goes_through = node["keep"] == "any"
        self.tables[node["id"]] = Table(node["id"], made, table.timed and goes_through, None,
                                        table.ordered and goes_through)

    def _as_table(self, node, before, made):
        table = self.single(node, before)
        env = table.env()
        version = node["opts"].get("version")
        order = f"{env[version][0]} DESC NULLS LAST, " if version else ""
        rows = f"(SELECT * FROM {table.name} QUALIFY row_number() OVER (PARTITION BY " \
               f"{env[node['key']][0]} ORDER BY {order}_s DESC) = 1)"
        self.put(node, made, self.columns(table), rows, False, False)

    def _distinct_by_window(self, node, before, made):
        table = self.single(node, before)
        levels = Levels(table.env())
        source, window = self.in_windows(node, table, levels)
        columns = [table.env()[name][0] for name in node["columns"]] + window
        rows = f"(SELECT DISTINCT {', '.join(columns)}, NULL::BIGINT AS _t FROM {source})"
        self.put(node, made, columns, rows, False, False, sequence="1")

    def _changes(self, node, before, _):
        table = self.single(node, before)
        self.tables[node["id"]] = Table(table.name, table.columns, False, None, False)

    def _unnest(self, node, before, made):
        table, opts = self.single(node, before), node["opts"]
        at = [name for name, _ in table.columns].index(node["column"])
        columns = self.columns(table)
        columns[at] = f"c{at}[_i]"
        places = f"CASE WHEN len(c{at}) > 0 THEN range(1, len(c{at}) + 1)" + \
            (" ELSE [NULL::BIGINT] END" if opts.get("keep_empty") else " ELSE [] END")
        rows = f"(SELECT *, unnest({places}) AS _i FROM {table.name})"
        self.put(node, made, columns + ["_i"] * bool(opts.get("index")), rows, table.timed,
                 table.ordered, sequence="_s, _i", frontier="_w")

    def _unpivot(self, node, before, made):
        table = self.single(node, before)
        env = table.env()
        rest = [env[name][0] for name, _ in made[:-2]]
        rows = " UNION ALL ".join(
            f"SELECT *, '{name}' AS _name, {env[name][0]} AS _value, {i} AS _i FROM {table.name}"
            for i, name in enumerate(node["columns"]))
        self.put(node, made, rest + ["_name", "_value"], f"({rows})", table.timed, table.ordered,
                 sequence="_s, _i", frontier="_w")

    def _frames(self, node, before, made):
        table = self.single(node, before)
        if not table.timed:
            raise Refused("rows in the order in which they come")
        self.need_order(table, "_t")
        if not node.get("window"):
            table = self.timely(node, table)
        levels, keys, _ = self.keyed(node, table)
        source, window = self.in_windows(node, table, levels, keys)
        env, part = table.env(), ", ".join(keys + window)
        part = f"PARTITION BY {part} " if part else ""
        columns = self.columns(table) + [self.call(call, env, part, bool(window))
                                         for _, call in node["calls"]] + window
        self.put(node, made, columns, source, not node["opts"].get("emit"), False,
                 "_we - 1" if window else "_t", "_t, _s")

    @staticmethod
    def call(call, env, part, windowed):
        name, of = call["f"], env[call["of"]][0] if call.get("of") else None
        by_arrival = f"{part}ORDER BY _t, _s"
        if name == "row_number":
            return f"row_number() OVER ({by_arrival})"
        if name in ("lag", "lead"):
            return f"{name}({of}, {call['n']}) OVER ({by_arrival})"
        if name == "delta":
            return f"{of} - lag({of}) OVER ({by_arrival})"
        if name in ("rank", "dense_rank"):
            return f"{name}() OVER ({part}ORDER BY {of} NULLS LAST)"
        frame = f"{by_arrival} ROWS UNBOUNDED PRECEDING"
        if call.get("span") is not None:
            frame = f"{part}ORDER BY _t RANGE BETWEEN {call['span']} PRECEDING AND CURRENT ROW"
        elif call.get("rows"):
            frame = f"{by_arrival} ROWS BETWEEN {call['rows'] - 1} PRECEDING AND CURRENT ROW"
        elif windowed:
            frame = part
        what = {"count": of or "*", "count_distinct": f"DISTINCT {of}"}.get(name, of)
        return f"{'count' if name == 'count_distinct' else name}({what}) OVER ({frame})"

    def _fill(self, node, before, made):
        table, w = self.single(node, before), node["window"]
        env = table.env()
        keys = [env[name][0] for name in node["key_names"]]
        start = env["window_start"][0]
        values = dict((name, value) for name, value in node["values"])
        part = f"PARTITION BY {', '.join(keys)} " if keys else ""
        rows = f"(SELECT *, lead({start}) OVER ({part}ORDER BY {start}) AS _next, " \
               f"(SELECT max({start}) FROM {table.name}) AS _last FROM {table.name})"
        until = f"coalesce(_next, _last + {w['every']})"
        stop = node["opts"].get("stop_after")
        if stop is not None:
            until = f"least({until}, {start} + {stop} + 1)"
        rows = f"(SELECT *, unnest(range({start}, greatest({until}, {start} + 1), {w['every']})) " \
               f"AS _at FROM {rows})"
        columns = []
        for name, _ in made:
            column = env[name][0]
            if name in node["key_names"]:
                columns.append(column)
            elif name in ("window_start", "window_end"):
                columns.append(f"_at + {w['size'] if name == 'window_end' else 0}")
            else:
                filled = "NULL" if name not in values else \
                    column if values[name] is None else str(values[name])
                columns.append(f"CASE WHEN _at = {start} THEN {column} ELSE {filled} END")
        self.put(node, made, columns, rows, table.timed, False, f"_at + {w['size']} - 1")

    # -- two streams

    def arrivals(self, node, before):
        """Both sides, with the place of each row among those of both as `_pos`."""
        feeders = [(side, table, lane) for side, table in enumerate(before[:2])
                   for lane in (table.lanes or [None])]
        merged = " UNION ALL ".join(
            f"SELECT _s, _t, _l, _r, {at} AS _p FROM {table.name}"
            + (f" WHERE _l = {lane}" if lane is not None else "")
            for at, (_, table, lane) in enumerate(feeders))
        lanes, ties = {lane for _, _, lane in feeders}, False
        if len(lanes) == 1 and None not in lanes:
            order = f"(SELECT _p AS port, _s AS seq, row_number() OVER (ORDER BY _r, _p, _s) " \
                    f"AS place FROM ({merged}))"
        else:
            order, ties = self.by_time(feeders, merged, node["id"])
        if ties or not all(table.ordered and table.timed for table in before[:2]):
            raise Refused("which of two rows came first is not known")
        sides = []
        for side, table in enumerate(before[:2]):
            port = "CASE _l " + " ".join(f"WHEN {-1 if lane is None else lane} THEN {at}"
                                         for at, (of, _, lane) in enumerate(feeders)
                                         if of == side) + " END"
            if table.lanes is None:
                port = str(next(at for at, (of, _, _) in enumerate(feeders) if of == side))
            name = f"{node['id']}_{'lr'[side]}"
            self.create(name, f"SELECT t.*, o.place AS _pos FROM {table.name} t JOIN {order} o "
                              f"ON o.seq = t._s AND o.port = {port}")
            sides.append(Table(name, table.columns, True, None, False))
        return sides

    def _join(self, node, before, made):
        tests, window, frontier, opts = [], [], "NULL", node["opts"]
        if node.get("timed") or opts.get("retain") is not None:
            left, right = self.arrivals(node, before)
            frontier = "CASE WHEN l._pos > r._pos THEN l._w WHEN l._pos < r._pos THEN r._w END"
        else:
            left = self.gather([before[0]], f"{node['id']}_l")
            right = self.gather([before[1]], f"{node['id']}_r")
        if opts.get("retain") is not None:
            here, there = "greatest(l._t, l._w)", "greatest(r._t, r._w)"
            tests.append(f"CASE WHEN l._pos < r._pos THEN {here} + {opts['retain']} >= {there} "
                         f"ELSE {there} + {opts['retain']} >= {here} END")
        if node["within"] is not None:
            left, right = self.timely(node, left), self.timely(node, right, "_right")
            lo, hi = node["within"]
            upper = f"l.{left.env()[hi][0]}" if isinstance(hi, str) else f"l._t + ({hi})"
            tests.append(f"r._t BETWEEN l._t + ({lo}) AND {upper}")
        elif node["window"]:
            left, right = self.by_window(node, left, right)
            tests.append("l._ws = r._ws AND l._we = r._we")
            window = ["_ws", "_we"]
        env_left, env_right = left.env(), right.env()
        tests += [f"l.{env_left[a][0]} = r.{env_right[b][0]}" for a, b in node["on"]]
        keys = dict(node["on"])
        how = node["how"]
        if opts.get("where"):
            a, op, b = opts["where"]
            second = f"r.{env_right[b[len(node['prefix']):]][0]}"
            first = f"l.{env_left[a][0]}"
            if a in keys:  # the key of both
                first = f"coalesce({first}, r.{env_right[keys[a]][0]})"
            tests.append(COMPARED[op].format(first, second))
        columns = [f"coalesce(l.{c}, r.{env_right[keys[name]][0]})"
                   if name in keys and how in ("right", "full") else f"l.{c}"
                   for name, (c, _) in env_left.items()]
        test = " AND ".join(tests)
        if how in ("semi", "anti"):
            word = "NOT " if how == "anti" else ""
            source = f"{left.name} l WHERE {word}EXISTS (SELECT 1 FROM {right.name} r " \
                     f"WHERE {test})"
            time, both, frontier = "l._t", [f"l.{c}" for c in window], "NULL"
        else:
            columns += [f"r.{c}" for name, (c, _) in env_right.items()
                        if name not in set(keys.values())]
            source = f"{left.name} l {how.upper()} JOIN {right.name} r ON {test}"
            time = {"left": "coalesce(l._t, r._t)", "right": "coalesce(r._t, l._t)"}.get(
                opts.get("time"), "greatest(l._t, r._t)")
            both = [f"coalesce(l.{c}, r.{c})" for c in window]
        if window:
            time = f"{both[1]} - 1"
        timed = node["within"] is not None or bool(window) or node.get("timed", False)
        self.put(node, made, columns + both, source, timed, False, time, "1", frontier)

    def by_window(self, node, left, right):
        """Both sides by window; each refuses its own rows."""
        sides = []
        for side, table in (("l", left), ("r", right)):
            part = {**node, "id": f"{node['id']}_{side}"}
            taken = self.windows(part, f"(SELECT * FROM {table.name})", [])
            late = f"SELECT * FROM {table.name} WHERE _s NOT IN (SELECT _s FROM {taken})"
            if side == "l":
                self.late(node, table, late)
            else:
                self.reject("W507", self.sql(f"SELECT count(*) FROM ({late})").fetchone()[0])
            sides.append(Table(taken, table.columns, True, None, False))
        return sides

    def _asof(self, node, before, made):
        left = self.timely(node, self.gather([before[0]], f"{node['id']}_l"))
        right = self.timely(node, self.gather([before[1]], f"{node['id']}_r"), "_right")
        opts = node["opts"]
        self.need_order(right, "_t")
        env_left, env_right = left.env(), right.env()
        tests = [f"l.{env_left[a][0]} = r.{env_right[b][0]}" for a, b in node["on"]]
        order = "r._t DESC, r._s DESC"
        if opts.get("forward"):
            tests.append("r._t >= l._t")
            order = "r._t, r._s DESC"
        else:
            tests.append(f"r._t {'<' if opts.get('before') else '<='} l._t")
        if opts.get("max_age") is not None:
            tests.append(f"abs(r._t - l._t) <= {opts['max_age']}")
        keys = {b for _, b in node["on"]}
        columns = [f"l.{c}" for c, _ in env_left.values()] + \
            [f"r.{c}" for name, (c, _) in env_right.items() if name not in keys]
        word = "LEFT" if node["how"] == "left" else "INNER"
        picked = ", ".join(f"{c} AS p{i}" for i, c in enumerate(columns))
        rows = f"(SELECT {picked}, l._t AS _t, l._s AS _s FROM {left.name} l {word} JOIN " \
               f"{right.name} r ON {' AND '.join(tests)} QUALIFY row_number() OVER " \
               f"(PARTITION BY l._s ORDER BY {order}) = 1)"
        self.put(node, made, [f"p{i}" for i in range(len(columns))], rows, True, False,
                 sequence="_t, _s")


# ---- what depends on the order in which rows came ----------------------------------------------


def sessions_of(rows, gap, longest, lateness):
    """[(row, start, end)] of the rows (_s, _t, _w, keys …) that a session takes."""
    by_key, found = {}, []

    def end_of(session):
        return min(session["end"], session["first"] + longest) if longest else session["end"]

    def joins(a, b):
        if a["first"] > end_of(b) or b["first"] > end_of(a):
            return False
        return not longest or max(a["last"], b["last"]) - min(a["first"], b["first"]) < longest
    for seq, time, behind, *key in rows:
        sessions = by_key.setdefault(tuple(key), [])
        made = {"first": time, "last": time, "end": time + gap, "rows": [seq]}
        merged, again = [], True
        while again:
            again = False
            for session in sessions:
                if any(session is other for other in merged) or not joins(made, session) or \
                        (behind is not None and end_of(session) + lateness < behind):
                    continue
                made = {"first": min(made["first"], session["first"]),
                        "last": max(made["last"], session["last"]),
                        "end": max(made["end"], session["end"]),
                        "rows": made["rows"] + session["rows"]}
                merged.append(session)
                again = True
        if behind is not None and end_of(made) + lateness < behind:
            continue
        by_key[tuple(key)] = sorted(
            [s for s in sessions if not any(s is other for other in merged)] + [made],
            key=lambda s: s["end"])
    for sessions in by_key.values():
        for session in sessions:
            found += [(seq, session["first"], end_of(session)) for seq in session["rows"]]
    return found


def kept_within(rows, within):
    """Of rows (_s, _t, _w, key …) those that are no duplicates. A key has one time in each stretch
    of `within`, so that an older one there is forgotten."""
    kept, times = [], {}
    for seq, time, behind, *key in rows:
        part = time // within
        near = [times.get((part + i, *key)) for i in (-1, 0, 1)]
        if any(other is not None and abs(time - other) < within and
               (behind is None or other + within > behind) for other in near):
            continue
        times[(part, *key)] = time
        kept.append(seq)
    return kept


def changed(case, output):
    """Whether an output is of changes, with `op` as its last column."""
    return any(node["id"] == output["from"] and node["op"] == "changes" for node in case["nodes"])
