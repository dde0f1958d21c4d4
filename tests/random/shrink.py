"""shrink.py: a failing case made smaller, as long as it fails in the same way.

Fewer outputs, stages, sources, records and columns; then simpler expressions. Each step is tried on
a copy, and kept where the failure is of the same kind.
"""

import copy
import time

import cases

SECONDS_MAX = 60
LITERALS = {"int64": 1, "float64": 0.5, "string": "a", "bool": True, "timestamp": 0, "date": 0,
            "duration": 1000000, "bytes": "00"}


def parts(node):
    """The expressions inside an expression, as (holder, index)."""
    kind = node[0]
    if kind == "bin":
        return [(node, 3), (node, 4)]
    if kind in ("un", "in", "like"):
        return [(node, 3)]
    if kind == "coal":
        return [(node, 2), (node, 3)]
    if kind == "call":
        return [(node[3], i) for i in range(len(node[3]))]
    if kind == "case":
        found = [(pair, i) for pair in node[2] for i in (0, 1)]
        return found + ([(node, 3)] if node[3] is not None else [])
    return []


def holders(case):
    """Every place of the case where an expression stands."""
    found = []
    for node in case["nodes"]:
        if "expr" in node:
            found.append((node, "expr"))
        for item in node.get("items", []):
            if node["op"] == "agg":
                spec = item[1]
                found += [(spec["args"], i) for i in range(len(spec["args"]))
                          if not (spec["f"] in cases.LITERALS and i > 0)]
                if spec["where"] is not None:
                    found.append((spec, "where"))
            else:
                found.append((item, len(item) - 1))
        for key in node.get("keys", []):
            found.append((key, 1))
    deep = list(found)
    while deep:
        holder, at = deep.pop()
        inner = parts(holder[at])
        found += inner
        deep += inner
    return found


def simpler(node):
    """Expressions of the same type that could stand for this one."""
    for holder, at in parts(node):
        if holder[at][1] == node[1]:
            yield holder[at]
    if node[0] != "lit" and node[1] in LITERALS:
        yield ["lit", node[1], LITERALS[node[1]]]


def without_node(case, at, port=0):
    """The case without one stage; what follows it takes its input."""
    node = case["nodes"].pop(at)
    for other in case["nodes"]:
        other["in"] = [node["in"][port] if i == node["id"] else i for i in other["in"]]
    for output in case["outputs"]:
        if output["from"] == node["id"]:
            output["from"] = node["in"][port]


def with_known_columns(case):
    """Stages that list columns list those that come to them: the first, where none does."""
    for node in case["nodes"]:
        if node["op"] in ("distinct", "drop"):
            names = [name for name, _ in cases.state_of(case)[node["in"][0]]["columns"]]
            node["columns"] = [n for n in node["columns"] if n in names] or names[:1]
    return case


def smaller_structures(case):
    if len(case["outputs"]) > 1:
        for i in range(len(case["outputs"])):
            made = copy.deepcopy(case)
            made["outputs"].pop(i)
            yield made
    needed = cases.live_nodes(case)
    dead = [i for i, node in enumerate(case["nodes"]) if node["id"] not in needed]
    if dead:
        made = copy.deepcopy(case)
        for i in reversed(dead):
            made["nodes"].pop(i)
        yield made
    for i in reversed(range(len(case["nodes"]))):
        for port in range(min(len(case["nodes"][i]["in"]), 2)):
            made = copy.deepcopy(case)
            without_node(made, i, port)
            yield with_known_columns(made)
        if case["nodes"][i].get("window"):
            made = copy.deepcopy(case)
            made["nodes"][i]["window"] = None
            yield with_known_columns(made)
    for i, node in enumerate(case["nodes"]):
        for j in range(len(node.get("items", []))):
            if len(node["items"]) > 1:
                made = copy.deepcopy(case)
                made["nodes"][i]["items"].pop(j)
                yield made
        for j in range(1, len(node["in"])):
            if node["op"] == "union" and len(node["in"]) > 2:
                made = copy.deepcopy(case)
                made["nodes"][i]["in"].pop(j)
                yield made
        for j in range(len(node.get("columns", []))):
            if len(node["columns"]) > 1:
                made = copy.deepcopy(case)
                made["nodes"][i]["columns"].pop(j)
                yield made
        if "lua" in node and node["op"] in ("filter", "derive"):
            made = copy.deepcopy(case)
            del made["nodes"][i]["lua"]
            yield made
        for j in range(len(node.get("keys", []))):
            made = copy.deepcopy(case)
            made["nodes"][i]["keys"].pop(j)
            yield made
    for i, source in enumerate(case["sources"]):
        if f"s{source['id']}" not in needed and len(case["sources"]) > 1:
            made = copy.deepcopy(case)
            made["sources"].pop(i)
            yield made


def smaller_generate(case, i):
    source = case["sources"][i]
    for rows in (0, 1, source["rows"] // 2):
        if rows < source["rows"]:
            made = copy.deepcopy(case)
            made["sources"][i]["rows"] = rows
            yield made
    for j in range(len(source["items"])):
        if len(source["items"]) > 1:
            made = copy.deepcopy(case)
            made["sources"][i]["items"].pop(j)
            made["sources"][i]["columns"].pop(j)
            yield made


def smaller_inputs(case):
    for i, source in enumerate(case["sources"]):
        records, size = source["records"], len(source["records"])
        step = max(size // 2, 1)
        while step >= 1 and size:
            for at in range(0, size, step):
                made = copy.deepcopy(case)
                del made["sources"][i]["records"][at:at + step]
                made["sources"][i]["splits"] = [
                    max(at, split - step) if split > at else split for split in source["splits"]]
                yield made
            step //= 2
        for change in ({"gz": False}, {"each": False, "splits": []}, {"look": 0}):
            if any(source[key] != value for key, value in change.items()):
                made = copy.deepcopy(case)
                made["sources"][i].update(change)
                yield made
        if source["format"] == "generate":
            yield from smaller_generate(case, i)
            continue
        for j in range(len(source["columns"])):
            if len(source["columns"]) > 2:
                made = copy.deepcopy(case)
                made["sources"][i]["columns"].pop(j)
                for record in made["sources"][i]["records"]:
                    record["v"].pop(j)
                yield made


def smaller_aggregates(case):
    """Without `where`, `order by`, `limit`."""
    for i, node in enumerate(case["nodes"]):
        for j, item in enumerate(node["items"] if node["op"] == "agg" else []):
            for part in ("where", "order", "limit"):
                if item[1][part]:
                    made = copy.deepcopy(case)
                    made["nodes"][i]["items"][j][1][part] = None
                    yield made


def smaller_items(case):
    """Items of another type: a part of what they were."""
    for i, node in enumerate(case["nodes"]):
        for j, item in enumerate(node["items"] if node["op"] in ("derive", "select") else []):
            for holder, at in parts(item[2]):
                made = copy.deepcopy(case)
                made["nodes"][i]["items"][j][2] = copy.deepcopy(holder[at])
                yield made


def smaller_expressions(case):
    yield from smaller_aggregates(case)
    yield from smaller_items(case)
    for at in range(len(holders(case))):
        holder, key = holders(case)[at]
        for option in simpler(holder[key]):
            made = copy.deepcopy(case)
            place, name = holders(made)[at]
            place[name] = copy.deepcopy(option)
            yield made


def shrink(runner, case, seed, failure, attempt):
    """(the smallest case found, its failure)."""
    until = time.monotonic() + SECONDS_MAX
    keep, runner.keep = runner.keep, None
    progress = True
    while progress and time.monotonic() < until:
        progress = False
        for candidates in (smaller_structures, smaller_inputs, smaller_expressions):
            again = True
            while again and time.monotonic() < until:
                again = False
                for made in candidates(case):
                    if time.monotonic() > until:
                        break
                    try:
                        found = attempt(runner, made, seed)
                    except (KeyError, IndexError, AttributeError):
                        continue  # no case any more
                    if found is not None and found.kind == failure.kind:
                        case, failure, again, progress = made, found, True, True
                        break
    runner.keep = keep
    return case, failure
