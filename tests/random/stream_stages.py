"""stream_stages.py: stages over event time, beside those of cases.py: their columns and texts.

A node's options that may be left out are in `opts`, its window in `window`, as cases.py has it.
"""

import cases
from cases import MORE, ident, long_string, microseconds, modifiers_text

WINDOW_COLUMNS = [("window_start", "timestamp"), ("window_end", "timestamp")]


def joined_columns(node, before):
    left, right = before[0]["columns"], before[1]["columns"]
    columns = list(left)
    if node["how"] not in ("semi", "anti"):
        keys = {r for _, r in node["on"]}
        columns += [(node["prefix"] + name, kind) for name, kind in right if name not in keys]
    return columns + (WINDOW_COLUMNS if node.get("window") else [])


def on_text(node):
    on = ", ".join(ident(l) if l == r else f"{ident(l)} == {ident(r)}" for l, r in node["on"])
    return f"on = {long_string(on)}, how = \"{node['how']}\"" + \
        (f", prefix = \"{node['prefix']}\"" if node["how"] not in ("semi", "anti") else "")


def bound_text(bound):
    return f'"{ident(bound) if isinstance(bound, str) else microseconds(bound)}"'


def join_text(node, _):
    opts, options = node["opts"], [on_text(node)]
    if node["within"] is not None:
        lo, hi = node["within"]
        options.append(f"within = {bound_text(hi)}" if lo == -hi and not isinstance(hi, str) else
                       f"within = {{ {bound_text(lo)}, {bound_text(hi)} }}") \
            if not isinstance(hi, str) else \
            options.append(f"within = {{ {bound_text(lo)}, {bound_text(hi)} }}")
    if opts.get("time"):
        options.append(f"time = \"{opts['time']}\"")
    if opts.get("retain") is not None:
        options.append(f"retain = \"{microseconds(opts['retain'])}\"")
    if opts.get("where"):
        a, op, b = opts["where"]
        options.append(f"where = {long_string(f'{ident(a)} {op} {ident(b)}')}")
    return f"{modifiers_text(node, _)}:join({node['in'][1]}, {{ {', '.join(options)} }})"


def asof_text(node, _):
    opts, options = node["opts"], [on_text(node)]
    if opts.get("forward"):
        options.append('direction = "forward"')
    if opts.get("before"):
        options.append("before = true")
    if opts.get("max_age") is not None:
        options.append(f"max_age = \"{microseconds(opts['max_age'])}\"")
    return f":asof_join({node['in'][1]}, {{ {', '.join(options)} }})"


def ranked_columns(node, before):
    rank = [(node["rank"], "int64")] if node.get("rank") else []
    return list(before[0]["columns"]) + rank + (WINDOW_COLUMNS if node.get("window") else [])


def top_text(node, printer):
    options = []
    if node["opts"].get("ties"):
        options.append("ties = true")
    if node.get("rank"):
        options.append(f"rank = \"{node['rank']}\"")
    more = f", {{ {', '.join(options)} }}" if options else ""
    order = cases.order_text(node["order"], printer)
    return f"{modifiers_text(node, printer)}:top({node['rows']}, {long_string(order)}{more})"


def dedup_text(node, printer):
    options = [f"keep = \"{node['keep']}\""]
    if node["opts"].get("within"):
        options.append(f"within = \"{microseconds(node['opts']['within'])}\"")
    columns = ", ".join(ident(name) for name in node["columns"])
    return f"{modifiers_text(node, printer)}:dedup({long_string(columns)}, " \
           f"{{ {', '.join(options)} }})"


def table_text(node, _):
    version = f", {{ version = \"{node['opts']['version']}\" }}" \
        if node["opts"].get("version") else ""
    return f":as_table({long_string(ident(node['key']))}{version})"


def call_kind(call):
    if call["f"] in ("count", "count_distinct", "row_number", "rank", "dense_rank"):
        return "int64"
    return call["kind"]


def framed_columns(node, before):
    return list(before[0]["columns"]) + [(name, call_kind(call)) for name, call in node["calls"]] \
        + (WINDOW_COLUMNS if node.get("window") else [])


def call_text(call):
    inside = ident(call["of"]) if call.get("of") else ""
    if call["f"] in ("lag", "lead"):
        inside += f", {call['n']}"
    text = f"{call['f']}({inside})"
    if call.get("span") is not None:
        text += f" over '{microseconds(call['span'])}'"
    elif call.get("rows"):
        text += f" over {call['rows']}"
    return text


def frames_text(node, printer):
    items = ", ".join(f"{ident(name)} = {call_text(call)}" for name, call in node["calls"])
    return f"{modifiers_text({'keys': [], **node}, printer)}" \
           f"{'' if node['keys'] else ':group_by()'}:derive({long_string(items)})"


def unnested_columns(node, before):
    columns = [(name, kind[5:-1]) if name == node["column"] else (name, kind)
               for name, kind in before[0]["columns"]]
    return columns + ([(node["opts"]["index"], "int64")] if node["opts"].get("index") else [])


def unnest_text(node, _):
    opts = node["opts"]
    options = [f"index = \"{opts['index']}\""] if opts.get("index") else []
    options += ["keep_empty = true"] if opts.get("keep_empty") else []
    return f":unnest({long_string(ident(node['column']))}, {{ {', '.join(options)} }})"


def unpivoted_columns(node, before):
    kinds = dict(before[0]["columns"])
    return [c for c in before[0]["columns"] if c[0] not in node["columns"]] + \
        [(node["name"], "string"), (node["value"], kinds[node["columns"][0]])]


def unpivot_text(node, _):
    columns = ", ".join(ident(name) for name in node["columns"])
    return f":unpivot({long_string(columns)}, {{ name = \"{node['name']}\", " \
           f"value = \"{node['value']}\" }})"


def filled_columns(_, before):
    return list(before[0]["columns"])


def fill_text(node, _):
    items = ", ".join(f"{ident(name)} = " + (f"previous({ident(name)})" if value is None
                                             else str(value)) for name, value in node["values"])
    stop = node["opts"].get("stop_after")
    more = f", {{ stop_after = \"{microseconds(stop)}\" }}" if stop is not None else ""
    return f":fill({long_string(items)}{more})"


def columns_are(columns, timed=None):
    """An `after` of MORE: its columns, and whether the result has event time."""
    def after(node, before):
        has_time = all(b["timed"] for b in before) if timed is None else timed(node, before)
        return columns(node, before), has_time, True
    return after


def distinct_columns(node, before):
    kinds = dict(before[0]["columns"])
    return [(name, kinds[name]) for name in node["columns"]] + WINDOW_COLUMNS


MORE.update({
    "join": (columns_are(joined_columns), join_text),
    "asof": (columns_are(joined_columns), asof_text),
    "top": (columns_are(ranked_columns), top_text),
    "dedup": (columns_are(ranked_columns), dedup_text),
    "as_table": (columns_are(lambda _, before: before[0]["columns"]), table_text),
    "frames": (columns_are(framed_columns), frames_text),
    "unnest": (columns_are(unnested_columns), unnest_text),
    "unpivot": (columns_are(unpivoted_columns), unpivot_text),
    "fill": (columns_are(filled_columns), fill_text),
    "distinct_by_window": (columns_are(distinct_columns),
                           lambda node, printer: modifiers_text(node, printer)
                           + f":distinct({long_string(', '.join(map(ident, node['columns'])))})"),
    "changes": (columns_are(lambda _, before: list(before[0]["columns"]) + [("op", "string")]),
                lambda *_: ":changes { before = true }"),
})
