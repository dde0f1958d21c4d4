"""relations.py: two pipelines that must give the same rows, whatever the rows are.

Each relation makes a pair of cases of one seed: a filter before or after a projection, one filter
as two, a stream cut in halves and united, rows shuffled as far as `max_delay` allows. No oracle is
needed: the outputs of both are compared to the byte.
"""

import copy

import cases
from cases import Maker
from expressions import Generator

EXACT = ("count", "count_of", "sum", "min", "max", "count_distinct", "all", "any", "mode")


def base(seed):
    maker = Maker(seed)
    maker.depth = maker.dice.choice([1, 2, 3])
    maker.source(0)
    return maker


def condition(maker, columns):
    return Generator(maker.dice, cases.usable(columns), may_fail=False).condition(maker.depth)


def columns_as_items(columns):
    return [[name, False, ["col", kind, name]] for name, kind in columns]


def finished(maker, nodes):
    case = copy.deepcopy(maker.case)
    case["nodes"] = [{"id": f"n{i}", **node} for i, node in enumerate(nodes)]
    case["outputs"] = [{"from": case["nodes"][-1]["id"], "format": "csv"}]
    return case


def projection(seed):
    """filter, select = select, filter, select."""
    maker = base(seed)
    columns = maker.known["s0"]["columns"]
    test = condition(maker, columns)
    kept = columns_as_items(maker.dice.sample(columns, maker.dice.randint(1, len(columns))))
    wide = columns_as_items(maker.dice.sample(columns, len(columns)))
    wide.append(["zz", False, ["lit", "int64", 1]])
    return finished(maker, [
        {"op": "filter", "in": ["s0"], "expr": test},
        {"op": "select", "in": ["n0"], "items": kept}]), finished(maker, [
            {"op": "select", "in": ["s0"], "items": wide},
            {"op": "filter", "in": ["n0"], "expr": test},
            {"op": "select", "in": ["n1"], "items": kept}])


def split_filter(seed):
    """filter (a and b) = filter a, filter b."""
    maker = base(seed)
    columns = maker.known["s0"]["columns"]
    a, b = condition(maker, columns), condition(maker, columns)
    return finished(maker, [
        {"op": "filter", "in": ["s0"], "expr": ["bin", "bool", "and", a, b]}]), finished(maker, [
            {"op": "filter", "in": ["s0"], "expr": a}, {"op": "filter", "in": ["n0"], "expr": b}])


def aggregation(maker, columns, only=None):
    items, taken = [], [c[0] for c in columns] + ["zz"]
    while len(items) < 3:
        spec = maker.aggregate({"columns": columns})
        if only is not None and (spec["f"] not in only or spec["type"] == "float64"
                                 or spec["limit"]):
            continue
        name = maker.fresh(set(taken))
        taken.append(name)
        items.append([name, spec])
    g = Generator(maker.dice, cases.usable(columns), may_fail=False)
    kind = maker.dice.choice([k for k in g.columns.values() if k != "bytes"])
    return {"op": "agg", "keys": [["zz", g.make(kind, 1)]], "items": items, "window": None}


def halves(seed):
    """All rows = those that meet a condition, and those that do not."""
    maker = base(seed)
    columns = maker.known["s0"]["columns"]
    test = condition(maker, columns)
    agg = aggregation(maker, columns)
    # Rows of several partitions would be merged in another order.
    maker.case["sources"][0]["each"] = False
    rest = ["un", "bool", "not", test]
    # All rows are those that can be read: a condition reads columns that the rest may not read.
    both = ["bin", "bool", "or", test, rest]
    return finished(maker, [
        {"op": "filter", "in": ["s0"], "expr": both}, {**agg, "in": ["n0"]}]), finished(maker, [
        {"op": "filter", "in": ["s0"], "expr": test},
        {"op": "filter", "in": ["s0"], "expr": rest},
        {"op": "union", "in": ["n0", "n1"]}, {**agg, "in": ["n2"]}])


def shuffled(seed):
    """Rows in the order of time = the same moved by no more than `max_delay`."""
    maker = base(seed)
    source = maker.case["sources"][0]
    source["each"] = False
    columns = maker.known["s0"]["columns"]
    name = next(n for n, kind in columns if kind == "timestamp")
    at = [n for n, _ in columns].index(name)
    source["records"] = [r for r in source["records"]
                         if "code" not in r and r["v"][at] is not None]
    source["records"].sort(key=lambda record: record["v"][at])
    delay = maker.dice.choice([1000000, 5000000, 30000000])
    agg = aggregation(maker, columns, EXACT)
    size = maker.dice.choice([1, 3, 10, 60]) * 1000000
    agg["window"] = {"size": size, "every": maker.dice.choice([size, size // 2]),
                     "offset": maker.dice.choice([0, -500000])}
    time = [name, False, ["col", "timestamp", name]]
    nodes = [{"op": "event_time", "in": ["s0"], "items": [time], "max_delay": delay},
             {**agg, "in": ["n0"]}]
    first = finished(maker, nodes)
    second = finished(maker, nodes)
    # A row before this one has a time of at most this one's time + delay: none is behind.
    places = {id(r): r["v"][at] + maker.dice.randint(0, delay)
              for r in second["sources"][0]["records"]}
    second["sources"][0]["records"].sort(key=lambda record: places[id(record)])
    return first, second


def limited(seed):
    """--limit N = the first N records, good and bad ones."""
    maker = base(seed)
    source = maker.case["sources"][0]
    source["each"] = False
    items = columns_as_items(maker.known["s0"]["columns"])
    whole = finished(maker, [{"op": "select", "in": ["s0"], "items": items}])
    cut = copy.deepcopy(whole)
    rows = maker.dice.choice([1, 2, 5, 11, 40])
    whole["args"] = ["--limit", str(rows)]
    if source["format"] == "generate":
        cut["sources"][0]["rows"] = min(rows, source["rows"])
        return whole, cut
    del cut["sources"][0]["records"][rows:]
    return whole, cut


RELATIONS = [limited, projection, split_filter, halves, shuffled]
