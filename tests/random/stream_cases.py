"""stream_cases.py: random pipelines over event time: joins, ranks, frames, all windows, changelogs.

As cases.py, whose stages stand beside those of stream_stages.py. Rows have small numbers and few
keys, so that rows meet, and an `id` by which they differ, so that an order leaves no two equal.
What a stage may stand behind is told by Facts: no stage is drawn that the program would refuse.
"""

import random

import cases
import inputs
import stream_stages  # noqa: F401  (the stages are told to cases.py)
import tables
from cases import APPROXIMATE
from expressions import Generator

SECOND = 1_000_000
DAY = 86_400 * SECOND
# Where rows begin: 1970, before it, a change of clocks in Berlin, far ahead and far back.
STARTS = [0, 0, -7 * SECOND, 1_711_845_000 * SECOND, 1_730_000_000 * SECOND,
          4_102_444_790 * SECOND, -60_000_000_000 * SECOND]
ORDER_MAX = 4  # items of `order by` in an aggregate
COLUMNS = [["id", "int64"], ["k", "string"], ["g", "int64"], ["v", "int64"], ["x", "float64"],
           ["ts", "timestamp"], ["e", "timestamp"]]


class Facts:
    """What Maker knows of a node beside its columns."""

    def __init__(self, **facts):
        self.timed = self.changes = False  # has event time; is a changelog
        self.ordered = True    # the order of its rows is known to the oracle
        self.unique = None     # columns by which its rows differ, or None
        self.sources = frozenset()
        self.lates = False     # it refuses late rows
        self.window = None     # the window that its rows are results of
        self.keys = []         # ... and their keys
        self.held = False      # its rows waited for the frontier
        self.repeats = False   # rows of a source leave it more than once, which loses their places
        self.unit = SECOND
        self.__dict__.update(facts)

    def but(self, **facts):
        return Facts(**{**self.__dict__, "lates": False, "window": None, "keys": [], **facts})


def random_rows(dice, number, unit, start, count):
    """Records of a source: few keys, time that mostly goes on, some rows far behind it."""
    keys, at, records = dice.choice(["ab", "abc", "abcdef", "a"]), start, []
    if dice.random() < 0.3:  # texts that do not lie in their cells
        keys = [key * dice.choice([1, 13, 40]) for key in keys]
    nils = dice.choice([0, 0, 0.1, 0.3])
    for i in range(count):
        at += dice.choice([0, 0, 0, 1, 1, 2, 3, 9, 40]) * unit
        time = at - dice.choice([0, 0, 0, 0, 1, 2, 5, 15, 60]) * unit
        values = [number * 1000 + i, dice.choice(keys), dice.randint(0, 3), dice.randint(-3, 9),
                  dice.randint(-8, 8) / 4, time, time + dice.choice([-1, 0, 1, 4, 15, 60]) * unit]
        for place in (1, 2, 3, 4, 6):
            if dice.random() < nils:
                values[place] = None
        if dice.random() < 0.01:
            values[5] = None
        records.append({"v": values})
    return records


class StreamMaker(cases.Maker):
    def __init__(self, seed):
        self.dice = random.Random(f"{seed} streams")
        self.case = {"sources": [], "nodes": [], "outputs": []}
        self.known, self.facts = {}, {}
        # Each case has some of the stages only, so that rare combinations meet (swarm).
        self.stages = [stage for stage in STAGES if self.dice.random() < 0.6] or ["agg"]
        self.depth = 1
        self.unit = self.dice.choice([SECOND, SECOND, SECOND, 60 * SECOND, 3600 * SECOND])
        self.start = self.dice.choice(STARTS)

    # -- sources

    def source(self, number, like=None):
        dice = self.dice
        form = dice.choice(["ndjson", "csv", "csv", "rows", "text", "sqlite", "tsv"])
        count = dice.choice([0, 1, 2, 5, 12, 12, 25, 25, 40])
        splits = sorted(dice.randint(0, count) for _ in range(dice.randint(1, 2))) \
            if form in ("csv", "ndjson", "tsv") and dice.random() < 0.5 else []
        self.add_source({
            "id": number, "format": form, "columns": [list(c) for c in COLUMNS],
            "records": random_rows(dice, number, self.unit, self.start, count), "splits": splits,
            "each": bool(splits) and dice.random() < 0.7, "gz": False,
            "look": dice.randrange(1 << 20)})
        self.facts[f"s{number}"] = Facts(unique=["id"], sources=frozenset([number]))

    def spoil_some(self, odds):
        for source in self.case["sources"]:
            for record in source["records"]:
                if self.dice.random() < odds and source["format"] not in tables.FORMATS:
                    inputs.spoil(self.dice, source["format"], source["columns"], record)

    def span(self, *least):
        """A duration in the case's unit."""
        return self.dice.choice([*least, 1, 2, 3, 5, 7, 10, 10, 20, 60]) * self.unit

    def stage(self, op, ins, facts, **rest):
        node = self.add(op, ins, **rest)
        self.facts[node] = facts
        return node

    def make(self):
        dice = self.dice
        for number in range(dice.choice([1, 1, 2, 2, 3])):
            self.source(number)
        if dice.random() < 0.25:  # what of the bad records counts behind a stage that stops?
            self.stages += ["limit"] * 2
            self.spoil_some(dice.choice([0.05, 0.2, 0.5]))
        ends = [self.timed(f"s{s['id']}") for s in self.case["sources"]]
        if len(ends) > 1 and dice.random() < 0.25:
            ends.append(self._union(ends[0], self.known[ends[0]]) or ends[0])
        self.grow_all(ends, dice.choice([1, 2, 2, 3, 3, 4, 5, 6]), 0.15)
        for node in list(self.case["nodes"]):
            if self.facts[node["id"]].lates and dice.random() < 0.4:
                self.stage("late", [node["id"]], self.facts[node["in"][0]].but(timed=False))
        self.outputs(ends)
        return self.case

    def timed(self, at):
        dice, item = self.dice, ["ts", False, ["col", "timestamp", "ts"]]
        if dice.random() < 0.1:
            return at
        if dice.random() < 0.1:
            item = ["ts", False, ["bin", "timestamp", "+", item[2],
                                  ["lit", "duration", self.unit * 3 // 2]]]
        if dice.random() < 0.2:  # what is dropped here does not move the frontier
            at = self.stage("filter", [at], self.facts[at], expr=self.condition(self.known[at]))
        delay = dice.choice([0, 0, 1, 3, 10, 60]) * self.unit
        return self.stage("event_time", [at], self.facts[at].but(timed=True), items=[item],
                          max_delay=delay)

    def outputs(self, ends):
        used = {i for node in self.case["nodes"] for i in node["in"]}
        leaves = [n["id"] for n in self.case["nodes"] if n["id"] not in used]
        leaves += [end for end in ends if end not in leaves]
        if "limit" in self.stages:
            leaves = [self.dice.random() < 0.6 and self._limit(end, None) or end
                      for end in leaves]
        for end in dict.fromkeys(leaves):
            if self.facts[end].changes:
                end = self.stage("changes", [end], self.facts[end].but())
            form = self.dice.choice(["ndjson", "csv"])
            if any(kind.startswith("list") for _, kind in self.known[end]["columns"]):
                form = "ndjson"
            self.case["outputs"].append({"from": end, "format": form})

    # -- parts of stages

    def names(self, known, *kinds):
        return [name for name, kind in known["columns"] if kind in kinds]

    def new(self, known, stem):
        taken, n = {name for name, _ in known["columns"]}, len(self.case["nodes"])
        return next(name for name in (f"{stem}{n}{letter}" for letter in
                                      ("", *"abcdefghijk")) if name not in taken)

    def prefix(self):
        return f"r{len(self.case['nodes'])}_"

    def condition(self, known):
        dice, numbers = self.dice, self.names(known, "int64")
        if dice.random() < 0.5 or not numbers:
            return Generator(dice, cases.usable(known["columns"]), may_fail=False).condition(1)
        left = ["col", "int64", dice.choice(numbers)]
        if dice.random() < 0.5:
            left = ["bin", "int64", "%", left, ["lit", "int64", dice.choice([2, 3])]]
            return ["bin", "bool", "~=", left, ["lit", "int64", 0]]
        return ["bin", "bool", dice.choice(["<", ">=", "~="]), left,
                ["lit", "int64", dice.randint(-1, 6)]]

    def keys(self, known, odds=(0, 1, 1, 1, 2)):
        """Columns of few values, as keys of `group_by`."""
        names = [n for n, kind in known["columns"] if kind in ("string", "int64")
                 and n.split("_")[-1] != "id"]
        picked = self.dice.sample(names, min(len(names), self.dice.choice(odds)))
        kinds = dict(known["columns"])
        return [[name, ["col", kinds[name], name]] for name in picked]

    def window(self, kinds):
        dice, unit = self.dice, self.unit
        kind = dice.choice(kinds)
        lateness = dice.choice([0, 0, 0, 1, 5, 20, 1000]) * unit
        if kind == "session":
            gap = dice.choice([1, 2, 5, 10, 40]) * unit
            longest = gap * dice.choice([1, 2, 3]) if dice.random() < 0.3 else None
            return {"kind": kind, "gap": gap, "max": longest, "lateness": lateness}
        if kind == "count":
            rows = dice.choice([1, 2, 3, 5])
            return {"kind": kind, "rows": rows,
                    "every": rows if dice.random() < 0.6 else dice.randint(1, rows)}
        if kind == "calendar":
            return {"kind": kind, "unit": dice.choice(["day", "day", "week", "month"]),
                    "zone": dice.choice(["Europe/Berlin", "America/New_York", "Asia/Kolkata",
                                         "UTC"]), "lateness": lateness}
        size = self.span()
        offset = dice.choice([0, 0, 0, 1, -2, 3]) * unit + dice.choice([0, 0, 0, unit // 2])
        if kind == "cumulative":
            steps = dice.choice([1, 2, 3, 5])
            return {"kind": kind, "size": size * steps, "every": size, "offset": offset,
                    "lateness": lateness}
        every = size
        if kind == "hopping":  # also a size that is no multiple of the slide
            every = dice.choice([size, -(-size // 2), max(size // 5, 1), size - unit // 2,
                                 max(1, size * 2 // 3)])
            if size // every > 20:
                every = size
        return {"size": size, "every": every, "offset": offset, "lateness": lateness}

    def order(self, known, unique=None):
        columns = {n: k for n, k in cases.usable(known["columns"]).items() if k != "bytes"}
        names = self.dice.sample(list(columns), min(len(columns), self.dice.randint(1, 2)))
        names = [name for name in names if name not in (unique or [])] + (unique or [])
        return [[["col", columns[n], n], self.dice.choice(["", "asc", "desc"])] for n in names]

    def aggregates(self, known, facts, taken):
        items, dice = [], self.dice
        numbers, floats = self.names(known, "int64"), self.names(known, "float64")
        texts = self.names(known, "string")
        columns = {n: k for n, k in cases.usable(known["columns"]).items()}
        plain = [n for n, k in columns.items() if k in ("int64", "float64", "string", "timestamp")]
        for i in range(dice.randint(1, 4)):
            spec = {"f": "count", "args": [], "where": None, "order": None, "limit": None,
                    "type": "int64", "total": True}
            name = dice.choice(["count", "count_of", "sum", "sum", "min", "max", "count_distinct",
                                "avg", "mode", "median", "first", "last", "list", "string_agg",
                                "min_by"])
            kind, of = "int64", None
            if name in ("sum", "avg") and (numbers or floats):
                of = dice.choice(numbers + floats)
                kind = APPROXIMATE if name == "avg" else columns[of]
            elif name in ("count_of", "count_distinct") and plain:
                of = dice.choice(plain)
            elif name in ("min", "max", "first", "last", "min_by") and plain:
                of = dice.choice(plain)
                kind = columns[of]
            elif name == "mode" and numbers + texts:
                of = dice.choice(numbers + texts)
                kind = columns[of]
            elif name == "median" and numbers:
                of, kind = dice.choice(numbers), APPROXIMATE
            elif name == "list" and numbers + texts:
                of = dice.choice(numbers + texts)
                kind = f"list<{columns[of]}>"
            elif name == "string_agg" and texts:
                of, kind = dice.choice(texts), "string"
            by_order = name in ("first", "last", "list", "string_agg", "min_by")
            if of is not None and not (by_order and not 0 < len(facts.unique or []) <= ORDER_MAX):
                spec.update(f=name, args=[["col", columns[of], of]], type=kind)
                if name == "min_by":
                    if len(facts.unique) > 1 or columns[facts.unique[0]] != "int64":
                        continue
                    spec["args"].append(["col", "int64", facts.unique[0]])
                elif by_order:
                    spec["order"] = self.order(known, facts.unique)[-ORDER_MAX:]
                    if dice.random() < 0.2:
                        spec["limit"] = dice.randint(1, 3)
            if dice.random() < 0.25:
                spec["where"] = self.condition(known)
            items.append([f"a{len(self.case['nodes'])}{'abcdef'[i]}", spec])
        assert not {name for name, _ in items} & set(taken)
        return items or [["n" + str(len(self.case["nodes"])), {
            "f": "count", "args": [], "where": None, "order": None, "limit": None,
            "type": "int64", "total": True}]]

    # -- stages

    def grow(self, at):
        stage = self.dice.choice(self.stages)
        facts = self.facts[at]
        if not cases.usable(self.known[at]["columns"]):
            return at
        made = getattr(self, "_" + stage)(at, self.known[at])
        if made is None:
            return at
        if made not in self.facts:  # a stage of cases.Maker
            self.facts[made] = facts.but()
        return made

    def _filter(self, at, known):
        return self.stage("filter", [at], self.facts[at].but(
            window=self.facts[at].window, keys=self.facts[at].keys), expr=self.condition(known))

    def _derive(self, at, known):
        numbers = self.names(known, "int64")
        if not numbers:
            return None
        left = ["col", "int64", self.dice.choice(numbers)]
        made = self.dice.choice([
            ["bin", "int64", "%", left, ["lit", "int64", 3]],
            ["bin", "int64", "+", left, ["lit", "int64", 1]],
            ["case", "int64", [[self.condition(known), left]], ["lit", "int64", 0]]])
        return self.stage("derive", [at], self.facts[at].but(),
                          items=[[self.new(known, "d"), False, made]])

    def _limit(self, at, known):
        if self.facts[at].changes:
            return None
        return self.stage("limit", [at], self.facts[at].but(),
                          rows=self.dice.choice([0, 1, 1, 2, 3, 5, 9, 20]),
                          offset=self.dice.choice([0, 0, 0, 1, 4]))

    def _select(self, at, known):
        facts = self.facts[at]
        names = [c for c in known["columns"] if self.dice.random() < 0.7
                 or c[0] in (facts.unique or [])]
        self.dice.shuffle(names)
        if not names:
            return None
        return self.stage("select", [at], facts.but(),
                          items=[[name, False, ["col", kind, name]] for name, kind in names])

    def _union(self, at, known):
        facts = self.facts[at]
        want = sorted(known["columns"])
        others = [i for i, k in self.known.items() if sorted(k["columns"]) == want
                  and i in self.facts and not self.facts[i].changes]
        if not others or facts.changes:
            return None
        other = self.dice.choice(others)
        more = self.facts[other]
        if self.copies(at) + self.copies(other) > 6:
            return None
        apart = not facts.sources & more.sources and facts.unique == more.unique == ["id"]
        # Where rows that waited stand among others that are late elsewhere the oracle does not say.
        held, repeats = facts.held or more.held, facts.repeats or more.repeats
        lost = held or (repeats and facts.sources & more.sources)
        return self.stage("union", [at, other], facts.but(
            timed=facts.timed and more.timed, held=held, repeats=repeats,
            ordered=facts.ordered and more.ordered and not lost,
            unique=facts.unique if apart else None, sources=facts.sources | more.sources))

    def _distinct(self, at, known):
        facts = self.facts[at]
        names = [n for n, k in cases.usable(known["columns"]).items()]
        columns = self.dice.sample(names, self.dice.randint(1, min(3, len(names))))
        if facts.timed and not facts.changes and self.dice.random() < 0.5 and \
                not {"window_start", "window_end"} & set(names):
            window = {**self.window(["tumbling", "hopping", "calendar"]), "lateness": 0}
            return self.stage("distinct_by_window", [at], facts.but(
                timed=False, ordered=False, lates=True, unique=[*columns, "window_start"]),
                columns=columns, window=window, keys=[], opts={})
        return self.stage("distinct", [at], facts.but(
            timed=facts.timed and facts.ordered, unique=columns, ordered=facts.ordered),
            columns=columns)

    def _agg(self, at, known):
        dice, facts = self.dice, self.facts[at]
        window, taken = None, ["window_start", "window_end"]
        names = {name for name, _ in known["columns"]}
        if facts.timed and not facts.changes and dice.random() < 0.8:
            kinds = ["tumbling", "hopping", "cumulative", "calendar", "session"]
            window = self.window(kinds + (["count"] if facts.ordered else []))
        keys = self.keys(known)
        if window:
            keys = [key for key in keys if key[0] not in taken]
        elif {"window_start", "window_end"} <= names and dice.random() < 0.5:
            keys = [["window_end", ["col", "timestamp", "window_end"]]] + \
                [key for key in keys if key[0] != "window_end"]
        opts, kind = {}, (window or {}).get("kind")
        if kind != "count" and not facts.changes and dice.random() < 0.35:
            opts["emit"] = dice.choice([True, True, self.span()]) \
                if facts.timed and kind != "session" else True
        changes = facts.changes or bool(opts) or bool((window or {}).get("lateness"))
        items = self.aggregates(known, facts, taken + [key[0] for key in keys])
        unique = [name for name, _ in keys] + (["window_start", "window_end"] if window else [])
        if window and kind in ("count", "session"):
            unique = None if kind == "count" else unique
        return self.stage("agg", [at], Facts(
            timed=bool(window) and not changes and kind != "count",
            changes=changes, ordered=kind != "session" and
            kind != "count" and not changes, unique=unique, sources=facts.sources,
            lates=bool(window) and kind != "count",
            window=window if not changes else None, keys=[key[0] for key in keys]),
            keys=keys, window=window, items=items, opts=opts)

    def _top(self, at, known):
        dice, facts = self.dice, self.facts[at]
        names = {name for name, _ in known["columns"]}
        window = None
        if facts.timed and not facts.changes and dice.random() < 0.5 and \
                not {"window_start", "window_end"} & names:
            window = self.window(["tumbling", "hopping", "cumulative", "calendar"])
        keys = [key for key in self.keys(known) if key[0] not in ("window_start", "window_end")]
        if not window and "window_end" in names and dice.random() < 0.6:
            keys.append(["window_end", ["col", "timestamp", "window_end"]])
        opts = {"emit": True} if not facts.changes and dice.random() < 0.5 else {}
        if dice.random() < 0.3:
            opts["ties"] = True
        total = facts.unique if not opts.get("ties") or dice.random() < 0.3 else None
        if not total and not opts.get("ties") and (not facts.ordered or facts.changes):
            return None
        order = self.order(known, total)
        changes = facts.changes or "emit" in opts or bool((window or {}).get("lateness"))
        unique = facts.unique and [*facts.unique, *(["window_end"] if window else [])]
        return self.stage("top", [at], facts.but(
            timed=bool(window) and not changes, changes=changes, ordered=False, unique=unique,
            lates=bool(window)),
            keys=keys, window=window, order=order, rows=dice.choice([1, 1, 2, 3, 10]),
            rank=self.new(known, "rank") if dice.random() < 0.5 else None, opts=opts)

    def _dedup(self, at, known):
        dice, facts = self.dice, self.facts[at]
        if facts.changes or not facts.ordered:
            return None
        columns = [key[0] for key in self.keys(known, (1, 1, 2))]
        if not columns:
            return None
        keep = dice.choice(["any", "any", "first", "last"])
        opts = {}
        if keep == "any" and facts.timed and dice.random() < 0.6:
            opts["within"] = self.span()
        elif keep != "any" and dice.random() < 0.6:
            opts["emit"] = True
        changes = "emit" in opts
        return self.stage("dedup", [at], facts.but(
            timed=facts.timed and keep == "any", changes=changes, ordered=keep == "any",
            unique=facts.unique or (None if opts.get("within") else columns)),
            columns=columns, keep=keep, opts=opts, keys=[], window=None)

    def _as_table(self, at, known):
        facts = self.facts[at]
        if facts.changes or not facts.ordered:
            return None
        key = [key[0] for key in self.keys(known, (1,))]
        numbers = self.names(known, "int64")
        if not key:
            return None
        opts = {"version": self.dice.choice(numbers)} if numbers and self.dice.random() < 0.4 \
            else {}
        return self.stage("as_table", [at], facts.but(timed=False, changes=True, ordered=False,
                                                      unique=key), key=key[0], opts=opts)

    def pairs(self, left, right):
        """Keys of a join."""
        kinds = ("string", "int64")
        found = [[a, b] for a, ka in left["columns"] for b, kb in right["columns"]
                 if ka == kb and ka in kinds and "id" not in (a.split("_")[-1], b.split("_")[-1])]
        same = [pair for pair in found if pair[0] == pair[1]]
        if not found:
            return None
        picked = self.dice.choice(same if same and self.dice.random() < 0.8 else found)
        pairs = [picked]
        more = [pair for pair in same if pair[0] != picked[0] and pair[1] != picked[1]]
        if more and self.dice.random() < 0.2:
            pairs.append(self.dice.choice(more))
        return pairs

    def other(self, timed, changes=False):
        found = [i for i in self.facts if (self.facts[i].timed or not timed)
                 and (changes or not self.facts[i].changes) and i in self.known
                 and len(self.known[i]["columns"]) <= 16
                 and not any(n["id"] == i and n["op"] == "late" for n in self.case["nodes"])]
        return self.dice.choice(found) if found else None

    def _join(self, at, known):
        dice, facts = self.dice, self.facts[at]
        kind = dice.choice(["regular", "interval", "interval", "window"])
        if not facts.timed or facts.changes:
            kind = "regular"
        right = self.other(kind != "regular", kind == "regular")
        on = right and self.pairs(known, self.known[right])
        if not on or len(known["columns"]) > 16:
            return None
        more, opts, window, within = self.facts[right], {}, None, None
        how = dice.choice(["inner", "inner", "left", "right", "full", "semi", "anti"])
        if kind == "window":
            names = {n for n, _ in known["columns"]}
            if {"window_start", "window_end"} & names:
                return None
            window = {**self.window(["tumbling", "hopping", "calendar", "cumulative"]),
                      "lateness": 0}
        elif kind == "interval":
            lo = dice.choice([-20, -5, -3, -1, 0, 0, 1, 3]) * self.unit
            hi = lo + dice.choice([0, 1, 4, 10, 30]) * self.unit
            if dice.random() < 0.3:
                hi = abs(lo)
                lo = -hi
            times = [n for n in self.names(known, "timestamp") if n.split("_")[-1] == "e"]
            if times and dice.random() < 0.3:
                hi = dice.choice(times)
            within = [lo, hi]
            if how not in ("semi", "anti") and dice.random() < 0.3:
                opts["time"] = dice.choice(["left", "right"])
        elif not facts.changes and not more.changes and dice.random() < 0.3:
            opts["emit"] = True
        by_arrival = kind == "regular" and not opts and facts.timed and more.timed and \
            facts.ordered and more.ordered and not more.changes
        if by_arrival and dice.random() < 0.4:
            opts["retain"] = self.span(0)
        timed = by_arrival and how == "inner" and dice.random() < 0.6
        prefix = self.prefix()
        if how not in ("semi", "anti") and dice.random() < 0.3:
            a = self.names(known, "int64")
            b = [prefix + n for n in self.names(self.known[right], "int64")
                 if n not in {r for _, r in on}]
            if a and b:
                opts["where"] = [dice.choice(a), dice.choice(["<", ">=", "~=", "=="]),
                                 dice.choice(b)]
        changes = facts.changes or more.changes or "emit" in opts
        keys = {r for _, r in on}
        unique = facts.unique
        if how not in ("semi", "anti"):
            # The key is coalesced: a right row alone differs by its own columns.
            whole = facts.unique and more.unique and not keys & set(more.unique)
            unique = [*facts.unique, *(prefix + n for n in more.unique)] if whole else None
        if unique and window:
            unique = [*unique, "window_end"]
        return self.stage("join", [at, right], Facts(
            timed=timed or (kind != "regular" and not changes and
                            (how != "semi" or kind == "window")), changes=changes, ordered=False,
            held=facts.held or more.held or (kind != "regular" and how not in ("inner", "semi")),
            unique=unique, sources=facts.sources | more.sources, lates=kind != "regular"),
            on=on, how=how, prefix=prefix, within=within, window=window, keys=[], opts=opts,
            **({"timed": True} if timed else {}))

    def _asof(self, at, known):
        dice, facts = self.dice, self.facts[at]
        right = self.other(True)
        on = right and self.pairs(known, self.known[right])
        if not on or facts.changes or not facts.timed or len(known["columns"]) > 16:
            return None
        opts = {}
        if dice.random() < 0.3:
            opts["forward"] = True
        elif dice.random() < 0.3:
            opts["before"] = True
        if dice.random() < 0.5:
            opts["max_age"] = self.span(0)
        return self.stage("asof", [at, right], facts.but(
            lates=True, ordered=False, held=True,
            sources=facts.sources | self.facts[right].sources), on=on,
            how=dice.choice(["left", "left", "inner"]), prefix=self.prefix(), opts=opts)

    def _lookup(self, at, known):
        right = self.other(False)
        on = right and self.pairs(known, self.known[right])
        if not on or len(known["columns"]) > 16:
            return None
        how = self.dice.choice(["left", "inner", "semi", "anti"])
        facts, more, prefix = self.facts[at], self.facts[right], self.prefix()
        unique = facts.unique
        if how in ("left", "inner"):
            whole = unique and more.unique and not {r for _, r in on} & set(more.unique)
            unique = [*unique, *(prefix + n for n in more.unique)] if whole else None
        return self.stage("lookup", [at, right], facts.but(
            ordered=facts.ordered and more.ordered, unique=unique,
            sources=facts.sources | more.sources), on=on, how=how, prefix=prefix, many=True)

    def calls(self, known, windowed):
        calls, dice = [], self.dice
        numbers, texts = self.names(known, "int64"), self.names(known, "string")
        for i in range(dice.randint(1, 3)):
            call = {"f": "count", "kind": "int64"}
            form = dice.choice(["span", "rows", "running", "lag", "lead", "row_number", "rank",
                                "delta"])
            if form == "rank" and not windowed:
                form = "running"
            if form in ("span", "rows", "running"):
                call["f"] = dice.choice(["count", "sum", "min", "max", "count_distinct"])
                if form == "span":
                    call["span"] = self.span(0)
                elif form == "rows":
                    call["rows"] = dice.choice([1, 2, 3, 5])
            elif form == "rank":
                call["f"] = dice.choice(["rank", "dense_rank"])
            else:
                call["f"] = form
            if form in ("lag", "lead"):
                call["n"] = dice.choice([1, 1, 2, 3])
            if call["f"] not in ("row_number", "count") or dice.random() < 0.3:
                usable = numbers + (texts if call["f"] not in ("sum", "delta", "row_number")
                                    else [])
                if call["f"] == "row_number":
                    usable = []
                elif not usable:
                    continue
                if usable:
                    call["of"] = dice.choice(usable)
                    call["kind"] = "string" if call["of"] in texts else "int64"
            calls.append([f"f{len(self.case['nodes'])}{'abc'[i]}", call])
        return calls

    def _frames(self, at, known):
        dice, facts = self.dice, self.facts[at]
        if facts.changes or not facts.timed:
            return None
        names = {n for n, _ in known["columns"]}
        window, opts = None, {}
        if dice.random() < 0.3 and not {"window_start", "window_end"} & names:
            window = {**self.window(["tumbling", "hopping", "calendar"]), "lateness": 0}
        elif dice.random() < 0.4:
            opts["emit"] = True
        calls = self.calls(known, window is not None)
        if not calls:
            return None
        unique = facts.unique and [*facts.unique, *(["window_end"] if window else [])]
        return self.stage("frames", [at], facts.but(
            timed=not opts, changes=bool(opts), ordered=False, held=True, lates=True,
            unique=unique), keys=self.keys(known), window=window, calls=calls, opts=opts)

    def _fill(self, at, known):
        facts, dice = self.facts[at], self.dice
        if not facts.window:
            at = self._agg(at, known)
            facts = self.facts[at]
        if not facts.window or facts.window.get("kind"):
            return at
        numbers = [name for name, spec, *_ in self.case["nodes"][-1].get("items", [])
                   if isinstance(spec, dict) and spec["type"] == "int64"]
        if self.case["nodes"][-1]["id"] != at or not numbers:
            return at
        values = [[name, dice.choice([0, None])] for name in numbers]
        stop = {"stop_after": self.span(0)} if dice.random() < 0.3 else {}
        return self.stage("fill", [at], facts.but(ordered=False), values=values, opts=stop,
                          window=facts.window, key_names=facts.keys)

    def _unnest(self, at, known):
        facts = self.facts[at]
        lists = [n for n, k in known["columns"] if k in ("list<int64>", "list<string>")]
        if not lists or facts.changes:
            return None
        column = self.dice.choice(lists)
        opts = {}
        if self.dice.random() < 0.5:
            opts["index"] = self.new(known, "i")
        if self.dice.random() < 0.4:
            opts["keep_empty"] = True
        return self.stage("unnest", [at], facts.but(unique=None, repeats=True), column=column,
                          opts=opts)

    def _unpivot(self, at, known):
        facts = self.facts[at]
        numbers = [n for n in self.names(known, "int64") if n not in (facts.unique or [])]
        if len(numbers) < 2:
            return None
        columns = self.dice.sample(numbers, self.dice.randint(2, min(3, len(numbers))))
        name = self.new(known, "name")
        unique = facts.unique and [*facts.unique, name]
        return self.stage("unpivot", [at], facts.but(unique=unique, repeats=True), columns=columns,
                          name=name, value=self.new(known, "value"))

    def _sort(self, at, known):
        facts = self.facts[at]
        if facts.changes:
            return None
        if facts.timed and facts.ordered:
            return self.stage("sort", [at], facts.but(held=True), order=[])
        if not facts.unique:
            return None
        return self.stage("sort", [at], facts.but(timed=False, ordered=True), total=True,
                          order=self.order(known, facts.unique))


STAGES = ["filter", "derive", "select", "union", "distinct", "agg", "agg", "agg", "agg", "top",
          "top", "dedup", "as_table", "join", "join", "join", "asof", "lookup", "frames", "frames",
          "fill", "fill", "unnest", "unpivot", "sort"]


def make(seed):
    return StreamMaker(seed).make()
