"""cases.py: a random pipeline over random inputs: a graph of stages, as JSON; and its script.

A case is {"sources": […], "nodes": […], "outputs": […]}. A node is {"id", "op", "in": [ids], …};
its columns and whether it has an event time follow from the nodes before it (`state_of`).
"""

import random

import expressions
import inputs
import lua_text
import tables
from expressions import DECIMAL, Generator, Printer, ident

NAMES = ["a", "b", "c", "d", "user", "amount", "ts", "k", "x1", "A", "_x", "größe", "Total Amount",
         "a.b", "end", "in", "repeat", "x`y", "like", "desc", "order", "limit", "where", "count",
         "sum", "1st", "日本", "over", "by", "window", "first"]
NUMBERS = ("int64", "float64", "duration", DECIMAL)
APPROXIMATE = "approx"  # a float64 that is compared with a tolerance, and used by no stage
# Stages of other modules: the name of the op -> (after, text), as `after` and `node_text` here.
MORE = {}


def is_list(kind):
    return kind.startswith("list<")


def usable(columns):
    return {name: kind for name, kind in columns if kind != APPROXIMATE and not is_list(kind)}


def state_of(case):
    """For each node id: {"columns", "timed", "windowed"}, from the sources on."""
    known = {}
    for source in case["sources"]:
        known[f"s{source['id']}"] = {"columns": [tuple(c) for c in source["columns"]],
                                     "timed": False, "stateful": False}
    for node in case["nodes"]:
        known[node["id"]] = after(node, [known[i] for i in node["in"]])
    return known


def with_items(columns, items):
    columns = list(columns)
    for name, is_local, expr in items:
        if is_local:
            continue
        names = [c[0] for c in columns]
        kind = expr[1]
        if name in names:
            columns[names.index(name)] = (name, kind)
        else:
            columns.append((name, kind))
    return columns


def after(node, before):
    """What a stage makes of the columns that come to it."""
    first, op = before[0], node["op"]
    columns, timed, stateful = first["columns"], first["timed"], first["stateful"]
    if op in MORE:
        columns, timed, stateful = MORE[op][0](node, before)
    elif op == "derive":
        columns = with_items(columns, node["items"])
    elif op in ("select", "map", "flat_map"):
        columns = [(name, expr[1]) for name, is_local, expr in node["items"] if not is_local]
    elif op == "drop":
        columns = [c for c in columns if c[0] not in node["columns"]]
    elif op == "rename":
        new = {old: name for name, old in node["pairs"]}
        columns = [(new.get(name, name), kind) for name, kind in columns]
    elif op == "event_time":
        timed = True
        columns = with_items(columns, node["items"])
    elif op == "agg":
        made = [("window_start", "timestamp"), ("window_end", "timestamp")] \
            if node.get("window") else []
        made += [(name, expr[1]) for name, expr in node["keys"]]
        made += [(name, spec["type"]) for name, spec in node["items"]]
        columns, timed, stateful = made, bool(node.get("window")), True
    elif op == "distinct":
        columns, stateful = [c for c in columns if c[0] in node["columns"]], True
        columns.sort(key=lambda c: node["columns"].index(c[0]))
    elif op == "sort":  # the rows are no longer in an order that a frontier could follow
        timed, stateful = timed and not node["order"], True
    elif op == "limit":
        stateful = True
    elif op == "union":
        timed, stateful = all(b["timed"] for b in before), True
    elif op == "lookup":
        stateful = True
        if node["how"] in ("left", "inner"):
            bare = {r for l, r in node["on"]}
            columns = list(columns) + [(node["prefix"] + name, kind)
                                       for name, kind in before[1]["columns"] if name not in bare]
    elif op == "late":  # the rows as they came to the stage that refused them
        columns, stateful = first["refused"], True
    return {"columns": columns, "timed": timed, "stateful": stateful,
            "refused": before[0]["columns"]}


# ---- generation -----------------------------------------------------------------------------


class Maker:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.case = {"sources": [], "nodes": [], "outputs": []}
        self.known = {}
        # Each case has some of the stages only, so that rare combinations meet (swarm).
        self.stages = [stage for stage in STAGES if self.dice.random() < 0.7] or ["filter"]
        self.depth = self.dice.choice([1, 2, 2, 3, 4])

    def column_names(self, count):
        return self.dice.sample(NAMES, count) if self.dice.random() < 0.5 else NAMES[:count]

    def source(self, number, like=None):
        dice = self.dice
        if dice.random() < 0.06:
            return self.add_source(tables.random_generate(
                self, number, self.column_names(dice.randint(2, 6))))
        if like is not None and dice.random() < 0.6:
            columns = [list(c) for c in like]
        else:
            kinds = ["int64", "timestamp"] + [dice.choice(expressions.TYPES)
                                              for _ in range(dice.randint(1, 5))]
            if dice.random() < 0.7:
                kinds.append("string")
            dice.shuffle(kinds)
            columns = [list(c) for c in zip(self.column_names(len(kinds)), kinds)]
        timed = next((i for i, c in enumerate(columns) if c[1] == "timestamp"), None)
        return self.add_source(inputs.random_source(dice, number, columns, timed))

    def add_source(self, source):
        columns = source["columns"]
        self.case["sources"].append(source)
        self.known[f"s{source['id']}"] = {"columns": [tuple(c) for c in columns], "timed": False,
                                    "stateful": False}
        return columns

    def add(self, op, ins, **rest):
        node = {"id": f"n{len(self.case['nodes'])}", "op": op, "in": ins, **rest}
        self.case["nodes"].append(node)
        self.known[node["id"]] = after(node, [self.known[i] for i in ins])
        return node["id"]

    def fresh(self, taken):
        names = [name for name in NAMES if name not in taken]
        return self.dice.choice(names) if names else f"z{len(taken)}"

    def grow(self, at):
        """Adds one stage behind `at`; the new node, or `at` where none fits."""
        stage = self.dice.choice(self.stages)
        made = getattr(self, "_" + stage)(at, self.known[at])
        return made if made is not None else at

    def grow_all(self, ends, count, odds):
        """Adds so many stages behind the ends, which part by these odds."""
        for _ in range(count):
            at = self.dice.randrange(len(ends))
            grown = self.grow(ends[at])
            if self.dice.random() < odds:
                ends.append(grown)
            else:
                ends[at] = grown

    def make(self):
        dice = self.dice
        first = self.source(0)
        for number in range(1, dice.choice([1, 1, 2, 2, 3])):
            self.source(number, first)
        ends = [f"s{s['id']}" for s in self.case["sources"]]
        for i, end in enumerate(ends):
            if dice.random() < 0.5:
                ends[i] = self._event_time(end, self.known[end]) or end
        self.grow_all(ends, dice.randint(1, 8), 0.2)
        for node in list(self.case["nodes"]):
            if node["op"] == "agg" and node.get("window") and dice.random() < 0.7:
                ends.append(self.after_late(self.add("late", [node["id"]])))
        self.outputs(ends)
        return self.case

    def after_late(self, at):
        """Late rows are rows like others; a window would find them late once more."""
        for _ in range(self.dice.choice([0, 0, 1, 2])):
            known = {**self.known[at], "timed": False}
            stage = self.dice.choice([self._filter, self._derive, self._select, self._distinct,
                                      self._agg, self._drop])
            at = stage(at, known) or at
        return at

    def outputs(self, ends):
        dice = self.dice
        used = {i for node in self.case["nodes"] for i in node["in"]}
        leaves = [n["id"] for n in self.case["nodes"] if n["id"] not in used]
        leaves += [end for end in ends if end not in leaves and not end.startswith("s")]
        spoiled = [f"s{s['id']}" for s in self.case["sources"]
                   if s["format"] == "generate" or any("code" in r for r in s["records"])]
        for end in dict.fromkeys(leaves + spoiled + ([] if leaves else ["s0"])):
            form = dice.choice(["ndjson", "ndjson", "csv", "sqlite"])
            names = [name.lower() for name, _ in self.known[end]["columns"]]
            if form == "sqlite" and len(set(names)) < len(names):
                form = "ndjson"  # to SQLite these are one column
            self.case["outputs"].append({"from": end, "format": form})

    # -- stages

    def in_lua(self, items, odds=0.25):
        """{"lua": style}: the items are written as a Lua function, where that can be."""
        if self.dice.random() >= odds or lua_text.may_lack_type(items):
            return {}
        style = self.dice.randrange(30)
        try:
            lua_text.function(expressions.without_unused(items), style)
        except lua_text.Unsaid:
            return {}
        return {"lua": style}

    def _filter(self, at, known):
        g = Generator(self.dice, usable(known["columns"]))
        expr = g.condition(self.depth)
        return self.add("filter", [at], expr=expr, **self.in_lua([["keep", False, expr]]))

    def items(self, known, count, may_fail=True, only_new=False):
        """Items of a list: later ones see the columns of earlier ones, and helpers."""
        columns = dict(known["columns"])
        seen, items = usable(known["columns"]), []
        for _ in range(count):
            g = Generator(self.dice, seen, may_fail)
            kind = self.dice.choice(expressions.TYPES)
            is_local = self.dice.random() < 0.15 and len(items) + 1 < count
            taken = set(columns) | {item[0] for item in items}
            name = self.fresh(taken)
            if not is_local and not only_new and columns and self.dice.random() < 0.2:
                name = self.dice.choice([n for n in columns if n not in
                                         {item[0] for item in items}] or [name])
            items.append([name, is_local, g.make(kind, self.depth)])
            seen = dict(seen)
            seen[name] = kind
            if not is_local:
                columns[name] = kind
        return items

    def _derive(self, at, known):
        items = self.items(known, self.dice.randint(1, 3))
        return self.add("derive", [at], items=items, **self.in_lua(items))

    def _select(self, at, known):
        names = [c for c in known["columns"]]
        picked = self.dice.sample(names, self.dice.randint(1, len(names)))
        items = [[name, False, ["col", kind, name]] for name, kind in picked]
        items += self.items({"columns": known["columns"]}, self.dice.randint(0, 2), only_new=True)
        if all(item[1] for item in items):
            return None
        lua = self.in_lua(items)
        kinds = [expr[1] for _, _, expr in items]
        if not lua or any(kind == APPROXIMATE for kind in kinds):
            return self.add("select", [at], items=items)
        return self.add(self.dice.choice(["map", "flat_map"]), [at], items=items, **lua)

    def _drop(self, at, known):
        names = [c[0] for c in known["columns"]]
        if len(names) < 2:
            return None
        return self.add("drop", [at], columns=self.dice.sample(
            names, self.dice.randint(1, len(names) - 1)))

    def _rename(self, at, known):
        names = [c[0] for c in known["columns"]]
        old = self.dice.choice(names)
        return self.add("rename", [at], pairs=[[self.fresh(set(names)), old]])

    def _expect(self, at, known):
        g = Generator(self.dice, usable(known["columns"]))
        names = self.dice.sample(["ok", "good", "has_it"], self.dice.randint(1, 2))
        return self.add("expect", [at], items=[[name, g.condition(self.depth)] for name in names])

    def _event_time(self, at, known):
        names = [name for name, kind in known["columns"] if kind == "timestamp"]
        if known["stateful"] or known["timed"] or not names:
            return None
        name = self.dice.choice(names)
        item = [name, False, ["col", "timestamp", name]]
        if self.dice.random() < 0.2:
            taken = {c[0] for c in known["columns"]}
            item = [self.fresh(taken), False,
                    ["bin", "timestamp", "+", item[2], ["lit", "duration", 1500000]]]
        return self.add("event_time", [at], items=[item],
                        max_delay=self.dice.choice([0, 0, 1000000, 3000000, 10000000]))

    def _distinct(self, at, known):
        names = [name for name, kind in known["columns"] if kind != APPROXIMATE
                 and not is_list(kind)]
        if not names:
            return None
        return self.add("distinct", [at], columns=self.dice.sample(
            names, self.dice.randint(1, min(3, len(names)))))

    def order(self, columns):
        columns = usable(columns)
        columns = {n: k for n, k in columns.items() if k != "bytes"}
        if not columns:
            return None
        names = self.dice.sample(list(columns), self.dice.randint(1, min(3, len(columns))))
        return [[["col", columns[n], n], self.dice.choice(["", "asc", "desc"])] for n in names]

    def _sort(self, at, known):
        if known["timed"] and self.dice.random() < 0.5:
            return self.add("sort", [at], order=[])  # by event time
        order = self.order(known["columns"])
        return order and self.add("sort", [at], order=order)

    def _limit(self, at, known):
        return self.add("limit", [at], rows=self.dice.choice([0, 1, 2, 5, 20]),
                        offset=self.dice.choice([0, 0, 0, 1, 4]))

    def _union(self, at, known):
        want = sorted(known["columns"])
        others = [i for i, k in self.known.items() if sorted(k["columns"]) == want]
        if any(kind == DECIMAL for _, kind in want):  # a computed one may have other digits
            others = [i for i in others if i == at or i[0] == at[0] == "s"]
        if not others or known["columns"] == []:
            return None
        count = self.dice.choice([1, 1, 2, 3])
        streams = [at] + [self.dice.choice(others) for _ in range(count)]
        if sum(map(self.copies, streams)) > 8:  # rows that lie between others are batches of one
            return None
        return self.add("union", streams)

    def copies(self, name):
        """How often a row of a source can be in a stream."""
        for node in self.case["nodes"]:
            if node["id"] == name:
                counts = [self.copies(i) for i in node["in"]]
                return sum(counts) if node["op"] == "union" else max(counts)
        return 1

    def _lookup(self, at, known):
        left = {n: k for n, k in usable(known["columns"]).items() if k != "bytes"}
        kind = self.dice.choice(["int64", "string", "date", "bool"])
        right = self.dice.choice([f"s{s['id']}" for s in self.case["sources"]])
        names = [n for n, k in self.known[right]["columns"] if k == kind]
        keys = [n for n, k in left.items() if k == kind]
        if not names or not keys:
            return None
        many = self.dice.random() < 0.5
        key = self.dice.choice(names)
        if not many:  # one row for a key: grouped
            g = Generator(self.dice, usable(self.known[right]["columns"]))
            right = self.add("agg", [right], keys=[["key", ["col", kind, key]]],
                             items=self.agg_items(self.known[right], ["key"], False))
            key = "key"
        return self.add("lookup", [at, right], on=[[self.dice.choice(keys), key]],
                        prefix=f"r{len(self.case['nodes'])}_",
                        how=self.dice.choice(["left", "inner", "semi", "anti"]), many=many)

    def _agg(self, at, known):
        g = Generator(self.dice, usable(known["columns"]), may_fail=False)
        window = None
        if known["timed"] and self.dice.random() < 0.8:
            size = self.dice.choice([1, 2, 5, 10, 60]) * 1000000
            window = {"size": size, "every": size, "offset": self.dice.choice(
                [0, 0, 0, 1000000, -500000, 3000001])}
            if self.dice.random() < 0.4:
                window["every"] = self.dice.choice([size, size // 2, max(size // 5, 1), size - 1])
        keys, taken = [], ["window_start", "window_end"]
        if window is None and not known["timed"] and self.dice.random() < 0.1:
            pass
        for _ in range(self.dice.choice([0, 1, 1, 1, 2])):
            kind = self.dice.choice([k for k in g.columns.values()] or ["int64"])
            kind = kind if kind != "bytes" else "int64"
            names = g.of_type(kind)
            if names and self.dice.random() < 0.8:
                name = self.dice.choice(names)
                if name not in taken:
                    keys.append([name, ["col", kind, name]])
                    taken.append(name)
            else:
                name = self.fresh(set(taken) | {c[0] for c in known["columns"]})
                keys.append([name, g.make(kind, 1)])
                taken.append(name)
        return self.add("agg", [at], keys=keys, window=window,
                        items=self.agg_items(known, taken, window is None))

    def agg_items(self, known, taken, may_fail):
        taken = list(taken) + [c[0] for c in known["columns"]]
        items = []
        for _ in range(self.dice.randint(1, 4)):
            name = self.fresh(set(taken))
            taken.append(name)
            items.append([name, self.aggregate(known)])
        return items

    def aggregate(self, known):
        dice = self.dice
        g = Generator(dice, usable(known["columns"]), may_fail=False)
        name = dice.choice(list(AGGREGATES))
        kinds, result = AGGREGATES[name]
        spec = {"f": name, "args": [], "where": None, "order": None, "limit": None}
        if kinds:
            kind = dice.choice(kinds)
            spec["args"] = [g.make(kind, dice.randint(0, 2))]
            if name in ("min_by", "max_by"):
                by = dice.choice(["int64", "timestamp", "date", "duration"])
                spec["args"].append(g.make(by, dice.randint(0, 1)))
            elif name in PAIRS:  # small numbers, of which sums are exact
                spec["args"] = [["bin", "int64", "&", arg, ["lit", "int64", 7]]
                                for arg in spec["args"] + [g.make(kind, dice.randint(0, 1))]]
            elif name == "funnel":
                more = dice.randint(0, 3)
                spec["args"] += [g.make(kind, dice.randint(0, 2)) for _ in range(more)]
            elif name in LITERALS:
                spec["args"] += LITERALS[name](dice, kind)
            elif name.endswith("count_distinct") and dice.random() < 0.3:
                spec["args"].append(g.make(dice.choice(["int64", "string"]), 0))
            spec["type"] = result(kind)
        else:
            spec["type"] = result(None)
        if dice.random() < 0.3:
            spec["where"] = g.condition(min(2, self.depth))
        if name in ("first", "last", "list", "string_agg", "funnel") and dice.random() < 0.4:
            spec["order"] = self.order(known["columns"])
        if spec["order"] and name != "funnel" and dice.random() < 0.5:
            spec["limit"] = dice.randint(1, 4)
        return spec


def same(kind):
    return kind


ALL = ["int64", "float64", "string", "bool", "timestamp", "date", "duration", DECIMAL]
AGGREGATES = {
    "count": ([], lambda k: "int64"), "count_of": (ALL, lambda k: "int64"),
    "sum": (["int64", "int64", "float64", "duration"], same),
    "avg": (["int64", "float64"], lambda k: "float64" if k == "float64" else APPROXIMATE),
    "min": (["int64", "float64", "string", "timestamp", "date", "duration", DECIMAL], same),
    "max": (["int64", "float64", "string", "timestamp", "date", "duration", DECIMAL], same),
    "first": (ALL, same), "last": (ALL, same), "any_value": (ALL, same),
    "min_by": (ALL, same), "max_by": (ALL, same),
    "count_distinct": (ALL, lambda k: "int64"),
    "list": (["int64", "string", "bool", "date"], lambda k: f"list<{k}>"),
    "mode": (["int64", "string", "date", "bool"], same),
    "median": (["int64", "float64"], lambda k: APPROXIMATE),
    "quantile": (["int64", "float64"], lambda k: APPROXIMATE),
    "stddev": (["int64"], lambda k: APPROXIMATE),
    "variance_pop": (["int64"], lambda k: APPROXIMATE),
    "string_agg": (["string"], same), "all": (["bool"], same), "any": (["bool"], same),
    "corr": (["int64"], lambda k: APPROXIMATE), "covar": (["int64"], lambda k: APPROXIMATE),
    "covar_pop": (["int64"], lambda k: APPROXIMATE), "funnel": (["bool"], lambda k: "int64"),
    "histogram": (["int64", "float64"], lambda k: f"list<bucket {k}>"),
    # Of as few rows as there are here the approximate ones are exact.
    "approx_count_distinct": (ALL, lambda k: "int64"),
    "approx_quantile": (["int64", "float64"], lambda k: APPROXIMATE),
    "approx_top": (["int64", "string", "bool", "date"], lambda k: f"list<counted {k}>"),
    "sample": (["int64", "string", "bool", "date"], lambda k: f"list<{k}>"),
}
PAIRS = ("corr", "covar", "covar_pop")
# The fields of structs in lists: their names, and the kinds that are not the values' own.
STRUCTS = {"bucket": {"low": None, "high": None, "count": "int64"},
           "counted": {"value": None, "count": "int64"}}


def share(dice, _):
    return [["lit", "float64", dice.choice([0.0, 0.25, 0.5, 0.9, 1.0])]]


def buckets(dice, kind):
    """A width, or edges."""
    if dice.random() < 0.5:
        values = [dice.choice([1, 2, 7, 100] if kind == "int64" else [0.5, 2.0, 100.0])]
    else:
        values = sorted(dice.sample(range(9) if kind == "int64" else [0.0, 0.5, 1.5, 4.25, 100.0],
                                    dice.randint(2, 4)))
    return [["lit", kind, value] for value in values]


# What stands behind the first argument and is no expression.
LITERALS = {"quantile": share, "approx_quantile": share, "histogram": buckets,
            "approx_top": lambda dice, _: [["lit", "int64", dice.choice([1, 2, 5, 1000])]],
            "sample": lambda *_: [["lit", "int64", 10000]]}
STAGES = ["filter", "filter", "derive", "derive", "select", "drop", "rename", "expect", "distinct",
          "sort", "limit", "union", "lookup", "agg", "agg", "agg", "event_time"]


# ---- the script -----------------------------------------------------------------------------


def listed(items, printer):
    lines = []
    for name, is_local, expr in items:
        if not is_local and expr[0] == "col" and expr[2] == name:
            lines.append(ident(name))
        else:
            lines.append(f"{'local ' if is_local else ''}{ident(name)} = {printer.text(expr)}")
    if printer.dice is not None and printer.dice.random() < 0.5:
        out = lines[0]
        for item, line in zip(items[1:], lines[1:]):
            named = line != ident(item[0])
            out += ("\n    " if named else ",\n    ") + line
        return out
    return ", ".join(lines)


def long_string(text):
    level = "=="
    while f"]{level}]" in text:
        level += "="
    return f"[{level}[{text}]{level}]"


def microseconds(us):
    return f"{us}us"


def order_text(order, printer):
    return ", ".join(f"{printer.text(expr)} {way}".rstrip() for expr, way in order)


def aggregate_text(spec, printer):
    name = "count" if spec["f"] == "count_of" else spec["f"]
    inside = ", ".join(printer.text(arg) for arg in spec["args"])
    if spec["where"] is not None:
        inside += f" where {printer.text(spec['where'])}"
    if spec["order"]:
        inside += f" order by {order_text(spec['order'], printer)}"
    if spec["limit"]:
        inside += f" limit {spec['limit']}"
    return f"{name}({inside.strip()})"


def window_text(w):
    """The modifier, or nothing."""
    if not w:
        return ""
    kind, subject, options = w.get("kind", "hopping"), None, []
    if kind == "session":
        subject = f'"{microseconds(w["gap"])}"'
        options = [f'max = "{microseconds(w["max"])}"'] if w["max"] else []
    elif kind == "count":
        subject = str(w["rows"])
        options = [f"every = {w['every']}"] if w["every"] != w["rows"] else []
    elif kind == "calendar":
        subject, options = f'"{w["unit"]}"', [f'timezone = "{w["zone"]}"']
    else:
        subject = f'"{microseconds(w["size"])}"'
        options = [f'offset = "{microseconds(w["offset"])}"'] if w["offset"] else []
        if kind == "hopping" and w["every"] == w["size"]:
            kind = "tumbling"
        else:
            options.insert(0, f'every = "{microseconds(w["every"])}"')
    more = f", {{ {', '.join(options)} }}" if options else ""
    late = w.get("lateness")
    late = f', {{ allowed_lateness = "{microseconds(late)}" }}' if late else ""
    return f":window(weir.{kind}({subject}{more}){late})\n  "


def modifiers_text(node, printer):
    """`window`, `group_by` and `emit` of a stage."""
    text = window_text(node.get("window"))
    if node.get("keys"):
        keys = [[name, False, expr] for name, expr in node["keys"]]
        text += f":group_by({long_string(listed(keys, printer))})\n  "
    emit = node.get("opts", {}).get("emit")
    if emit:
        every = f', {{ every = "{microseconds(emit)}" }}' if emit is not True else ""
        text += f':emit("update"{every})\n  '
    return text


def agg_text(node, printer):
    items = ", ".join(f"{ident(name)} = {aggregate_text(spec, printer)}"
                      for name, spec in node["items"])
    return modifiers_text(node, printer) + f":agg({long_string(items)})"


def type_text(kind):
    """A kind as a schema says it."""
    if kind.startswith("list<"):
        return f"list<{type_text(kind[5:-1])}>"
    name, _, own = kind.partition(" ")
    if name not in STRUCTS:
        return kind
    return f"struct<{', '.join(f'{field} {of or own}' for field, of in STRUCTS[name].items())}>"


def lua_stage(node):
    """A stage whose subject is a Lua function."""
    op = node["op"]
    if op == "filter":
        return f":filter({lua_text.function([['keep', False, node['expr']]], node['lua'])})"
    schema = ", ".join(f"{ident(name)} {type_text(expr[1])}"
                       for name, is_local, expr in node["items"] if not is_local)
    items = expressions.without_unused(node["items"])
    return f":{op}({long_string(schema)}, " \
           f"{lua_text.function(items, node['lua'], op == 'flat_map')})"


def node_text(node, printer):
    op = node["op"]
    if "lua" in node:
        return lua_stage(node)
    if op in MORE:
        return MORE[op][1](node, printer)
    if op == "filter":
        return f":filter({long_string(printer.text(node['expr']))})"
    if op in ("derive", "select"):
        return f":{op}({long_string(listed(node['items'], printer))})"
    if op in ("drop", "distinct"):
        return f":{op}({long_string(', '.join(ident(n) for n in node['columns']))})"
    if op == "rename":
        pairs = ", ".join(f"{ident(new)} = {ident(old)}" for new, old in node["pairs"])
        return f":rename({long_string(pairs)})"
    if op == "expect":
        items = [[name, False, expr] for name, expr in node["items"]]
        return f":expect({long_string(named_items(items, printer))})"
    if op == "event_time":
        return f":event_time({long_string(listed(node['items'], printer))}, " \
               f"{{ max_delay = \"{microseconds(node['max_delay'])}\" }})"
    if op == "agg":
        return agg_text(node, printer)
    if op == "sort":
        order = long_string(order_text(node["order"], printer)) if node["order"] else ""
        return f":sort({order})"
    if op == "limit":
        more = f", {{ offset = {node['offset']} }}" if node["offset"] else ""
        return f":limit({node['rows']}{more})"
    if op == "union":
        return f":union({', '.join(node['in'][1:])})"
    if op == "lookup":
        on = ", ".join(ident(l) if l == r else f"{ident(l)} == {ident(r)}" for l, r in node["on"])
        many = ", many = true" if node["many"] else ""
        prefix = f", prefix = \"{node['prefix']}\"" if node["how"] in ("left", "inner") else ""
        return f":lookup({node['in'][1]}, {{ on = {long_string(on)}, how = \"{node['how']}\"" \
               f"{prefix}{many} }})"
    assert op == "late", op
    return ":late()"


def named_items(items, printer):
    return ", ".join(f"{ident(name)} = {printer.text(expr)}" for name, _, expr in items)


def schema_text(source):
    return ", ".join(f"{ident(name)} {kind}" for name, kind in source["columns"])


def source_text(source, printer):
    form, schema = source["format"], long_string(schema_text(source))
    if form == "generate":
        return f"weir.generate {{ rows = {source['rows']}, columns = " \
               f"{long_string(listed(source['items'], printer))} }}"
    if form in ("rows", "text"):
        return f"weir.rows({schema}, {tables.rows_text(source)})"
    if form == "sqlite":
        what = "table = \"t\"" if source["look"] % 2 else "query = \"select * from t\""
        return f"weir.read(\"sqlite:in{source['id']}.db\", {{ {what}, schema = {schema} }})"
    each = ", partitions = \"each\"" if source["each"] else ""
    return f"weir.read(weir.file(\"{inputs.address(source)}\", {{ format = \"{form}\", " \
           f"check = \"all\"{each} }}), " \
           f"{{ schema = {schema} }})"


def output_name(number, output):
    return f"out{number}.{'db' if output['format'] == 'sqlite' else output['format']}"


def live_nodes(case):
    """The nodes that an output needs."""
    needed = {output["from"] for output in case["outputs"]}
    for node in reversed(case["nodes"]):
        if node["id"] in needed:
            needed |= set(node["in"])
    return needed


def script(case, style=None):
    """The Lua text. `style`: a seed for another layout of the same script."""
    printer = Printer(random.Random(style) if style is not None else None)
    needed, lines = live_nodes(case), []
    for source in case["sources"]:
        if f"s{source['id']}" not in needed:
            continue
        lines.append(f"local s{source['id']} = {source_text(source, printer)}")
    for node in case["nodes"]:
        if node["id"] in needed:
            lines.append(f"local {node['id']} = {node['in'][0]}{node_text(node, printer)}")
            if printer.chance(0.2):
                lines.append("-- a comment")
    for number, output in enumerate(case["outputs"]):
        name = output_name(number, output)
        if output["format"] == "sqlite":
            lines.append(f"{output['from']}:write(\"sqlite:{name}\", "
                         "{ table = \"t\", mode = \"append\" })")
        else:
            lines.append(f"{output['from']}:write(\"{name}\")")
    lines.append("weir.rejects():write(\"rejects.ndjson\")")
    return "\n".join(lines) + "\n"


def make(seed):
    return Maker(seed).make()
