"""stream_relations.py: two pipelines over event time that must write the same bytes.

A chain of random stages is grown behind one timed stream. The other pipeline says that stream in
another way: cut in halves and united, with an empty one beside it, through a wider table, or its
partitions as streams of their own. And a condition on the keys stands before or behind an `agg`.
"""

import copy

from stream_cases import Facts, StreamMaker

MEETING = ("join", "asof", "lookup", "union")
DROPPING = ("filter", "unnest")  # before partitions meet, they change which rows are their heads
TRUE = ["bin", "bool", "==", ["lit", "int64", 1], ["lit", "int64", 1]]


class ChainMaker(StreamMaker):
    """A chain behind `n0`, which is a source's event time."""

    def __init__(self, seed, partitions=False):
        super().__init__(seed)
        # Where a stream meets itself, it depends on where it parted which row comes first.
        alone = [stage for stage in self.stages if stage not in MEETING
                 and not (partitions and stage in DROPPING)]
        self.stages = alone or ["agg"]
        self.source(0)
        source = self.case["sources"][0]
        source["each"] = False  # other heads of partitions would be merged in another order
        if partitions:
            count = len(source["records"])
            source.update(format="csv", each=True, splits=sorted(
                self.dice.randint(0, count) for _ in range(self.dice.randint(1, 3))))
        self.stage("event_time", ["s0"], Facts(timed=True, unique=["id"], sources=frozenset([0])),
                   items=[["ts", False, ["col", "timestamp", "ts"]]],
                   max_delay=self.dice.choice([0, 1, 5, 60]) * self.unit)
        del self.facts["s0"]  # what is compared knows the stream by `n0` alone

    def chain(self):
        at = "n0"
        for _ in range(self.dice.choice([1, 2, 2, 3, 4])):
            at = self.grow(at)
        return self.ended(at)

    def ended(self, at):
        if self.facts[at].changes:
            at = self.stage("changes", [at], self.facts[at].but())
        case = self.case
        case["outputs"] = [{"from": at, "format": "csv"}]
        return case


def behind(case, nodes, last):
    """The case with `nodes` behind n0; what n0 fed, `last` feeds."""
    made = copy.deepcopy(case)
    for node in made["nodes"][1:]:
        node["in"] = [last if i == "n0" else i for i in node["in"]]
    made["nodes"][1:1] = nodes
    for output in made["outputs"]:
        output["from"] = last if output["from"] == "n0" else output["from"]
    return made


def halves(seed):
    """A stream = the rows that meet a condition, united with those that do not."""
    maker = ChainMaker(seed)
    case = maker.chain()
    test = maker.condition(maker.known["n0"])
    return case, behind(case, [
        {"id": "x0", "op": "filter", "in": ["n0"], "expr": test},
        {"id": "x1", "op": "filter", "in": ["n0"], "expr": ["un", "bool", "not", test]},
        {"id": "x2", "op": "union", "in": ["x0", "x1"]}], "x2")


def beside_nothing(seed):
    """A stream = it, united with a branch that has no rows."""
    case = ChainMaker(seed).chain()
    return case, behind(case, [
        {"id": "x0", "op": "filter", "in": ["n0"], "expr": ["un", "bool", "not", TRUE]},
        {"id": "x1", "op": "union", "in": ["n0", "x0"]}], "x1")


def through_more(seed):
    """A stream = it with a column more, in another order, filtered by what holds, and back."""
    maker = ChainMaker(seed)
    case = maker.chain()
    columns = maker.known["n0"]["columns"]
    mixed = maker.dice.sample(columns, len(columns))

    def items(listed):
        return [[name, False, ["col", kind, name]] for name, kind in listed]
    return case, behind(case, [
        {"id": "x0", "op": "select", "in": ["n0"],
         "items": items(mixed) + [["zz", False, ["lit", "int64", 1]]]},
        {"id": "x1", "op": "filter", "in": ["x0"], "expr": TRUE},
        {"id": "x2", "op": "select", "in": ["x1"], "items": items(columns)}], "x2")


def partitions(seed):
    """Files that are partitions of one source = a stream for each file, united."""
    maker = ChainMaker(seed, partitions=True)
    case = maker.chain()
    second = copy.deepcopy(case)
    source, first = second["sources"].pop(), second["nodes"][0]
    bounds = [0, *source["splits"], len(source["records"])]
    names = []
    for i, (start, end) in enumerate(zip(bounds, bounds[1:])):
        second["sources"].append({**source, "id": i, "records": source["records"][start:end],
                                  "splits": [], "each": False})
        names.append(f"x{i}")
    second["nodes"][0:1] = [{**first, "id": name, "in": [f"s{i}"]}
                            for i, name in enumerate(names)]
    second["nodes"].insert(len(names), {"id": "n0", "op": "union", "in": names})
    return case, second


def condition_on_keys(seed):
    """filter, agg by keys = agg by keys, filter."""
    maker = ChainMaker(seed)
    at = maker._agg("n0", maker.known["n0"])
    node = maker.case["nodes"][-1]
    names = [name for name, expr in node["keys"] if expr[1] == "int64"]
    test = ["in", "bool", False, ["col", "int64", names[0]],
            [["lit", "int64", n] for n in (0, 2, 5, None)]] if names else TRUE
    case = maker.ended(at)
    second = copy.deepcopy(case)
    before = behind(case, [{"id": "x0", "op": "filter", "in": ["n0"], "expr": test}], "x0")
    second["nodes"].insert(2, {"id": "x0", "op": "filter", "in": [at], "expr": test})
    for node in second["nodes"][3:]:
        node["in"] = ["x0" if i == at else i for i in node["in"]]
    second["outputs"][0]["from"] = case["outputs"][0]["from"].replace(at, "x0")
    return before, second


RELATIONS = [halves, beside_nothing, through_more, partitions, condition_on_keys]
