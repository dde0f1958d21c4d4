#!/usr/bin/env python3
"""row_patterns.py: random patterns of `match` over random rows, against a matcher that backtracks.

The model does what the standard says (ISO/IEC 19075-5): from each row, in turn, it tries all ways
through the pattern in the order of preference, on the whole group, with conditions over the rows
that are mapped so far. Any batch size, any shards, any stopping point must write the same bytes.

usage: row_patterns.py --weir PROGRAM [--seconds N | --cases N] [--seed N]
"""

import csv
import os
import random
import sys
from collections import Counter, defaultdict

import changelogs
from changelogs import START, text_of

NAMES = "ABC"
WAYS_MAX = 20000  # of one attempt; a case with more is left out
THREADS_MAX = 1000  # of one attempt at once, of the program: it rejects an attempt with more


class TooManyWays(Exception):
    pass


# ---- patterns: text, and all ways through them ---------------------------------------------------

def random_pattern(dice, depth):
    kind = dice.random()
    if depth == 0 or kind < 0.35:
        node = ("row", dice.choice(NAMES + NAMES + "_"))
    elif kind < 0.75:
        node = ("seq", [random_pattern(dice, depth - 1) for _ in range(dice.randint(2, 3))])
    else:
        node = ("alt", [random_pattern(dice, depth - 1) for _ in range(2)])
    if dice.random() < 0.5:
        low, high = dice.choice([(0, None), (1, None), (0, 1), (2, 2), (1, 2), (0, 2), (2, None)])
        if high is None and fewest(node) == 0:  # engines differ in what an empty turn does
            high = low + 1
        node = ("repeat", node, low, high, dice.random() < 0.5)
    return node


def pattern_text(node):
    if node[0] == "row":
        return node[1]
    if node[0] == "seq":
        return " ".join(f"({pattern_text(n)})" if n[0] == "alt" else pattern_text(n)
                        for n in node[1])
    if node[0] == "alt":
        return " | ".join(pattern_text(n) for n in node[1])
    _, inner, low, high, reluctant = node
    text = pattern_text(inner)
    if inner[0] != "row":
        text = f"({text})"
    sign = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
    if sign is None:
        sign = f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"
    return text + sign + ("?" if reluctant else "")


def fewest(node):
    if node[0] == "row":
        return 1
    if node[0] == "seq":
        return sum(fewest(n) for n in node[1])
    if node[0] == "alt":
        return min(fewest(n) for n in node[1])
    return node[2] * fewest(node[1])


def ways(node, at, take, rest):
    """Calls `rest` with what follows, way after way in the order of preference, until it says yes.
    `take(at, name)` maps a row and gives how to undo it, or None."""
    if node[0] == "row":
        undo = take(at, node[1])
        if undo is None:
            return False
        if rest(at + 1):
            return True
        undo()
        return False
    if node[0] == "seq":
        def follow(i, here):
            if i == len(node[1]):
                return rest(here)
            return ways(node[1][i], here, take, lambda there: follow(i + 1, there))
        return follow(0, at)
    if node[0] == "alt":
        return any(ways(n, at, take, rest) for n in node[1])
    _, inner, low, high, reluctant = node

    def again(n, here):
        """`n` times behind; of those without bound an empty one is none."""
        def once():
            if high is not None and n >= high:
                return False
            return ways(inner, here, take, lambda there: again(n + 1, there)
                        if high is not None or there > here or n < low else False)
        if n < low:
            return once()
        return rest(here) or once() if reluctant else once() or rest(here)
    return again(0, at)


# ---- conditions and measures ---------------------------------------------------------------------

def less(a, b):
    return a is not None and b is not None and a < b


class Seen:
    """What a condition or a measure sees: the rows of the group and those that are mapped."""

    def __init__(self, rows, mapped):
        self.rows, self.mapped = rows, mapped
        self.at = mapped[-1][0]

    def v(self):
        return self.rows[self.at][1]

    def lag(self, n):
        return self.rows[self.at - n][1] if self.at >= n else None

    def all(self, name):
        return [self.rows[i][1] for i, of in self.mapped if name in (None, of)]

    def some(self, name):
        return [x for x in self.all(name) if x is not None]

    def pick(self, name, end):
        values = self.all(name)
        return values[end] if values else None

    def sum(self, name):
        return sum(self.some(name)) if self.some(name) else None

    def avg(self, name):
        values = self.some(name)
        return sum(values) / len(values) if values else None


def random_condition(dice, own):
    other, n = dice.choice(NAMES), dice.randint(-1, 6)
    plain = [
        (f"v > {n}", lambda s: less(n, s.v())),
        (f"v <= {n}", lambda s: s.v() is not None and s.v() <= n),
        ("v == nil", lambda s: s.v() is None),
        (f"{own}.v < {n}", lambda s: less(s.v(), n)),
    ]
    back = [
        ("v > lag(v)", lambda s: less(s.lag(1), s.v())),
        ("v < lag(v)", lambda s: less(s.v(), s.lag(1))),
        ("lag(v, 2) ~= nil", lambda s: s.lag(2) is not None),
        (f"lag(v + 1, 2) > {n}", lambda s: s.lag(2) is not None and s.lag(2) + 1 > n),
    ]
    ahead = [
        (f"v > {other}.v", lambda s: less(s.pick(other, -1), s.v())),
        (f"v <= last({other}.v)", lambda s: s.v() is not None and s.pick(other, -1) is not None
         and s.v() <= s.pick(other, -1)),
        (f"v >= first({other}.v)", lambda s: s.v() is not None and s.pick(other, 0) is not None
         and s.v() >= s.pick(other, 0)),
        ("v < first(v)", lambda s: less(s.v(), s.pick(None, 0))),
        (f"count({other}) < {n}", lambda s: len(s.all(other)) < n),
        (f"count({other}.v) >= {n}", lambda s: len(s.some(other)) >= n),
        (f"count() < {n + 2}", lambda s: len(s.all(None)) < n + 2),
        (f"sum({own}.v) < {2 * n}", lambda s: less(s.sum(own), 2 * n)),
        (f"sum(v) > {n}", lambda s: less(n, s.sum(None))),
        (f"avg({other}.v) < {n}", lambda s: less(s.avg(other), n)),
        (f"min({other}.v * 2) < v", lambda s: bool(s.some(other))
         and less(2 * min(s.some(other)), s.v())),
        (f"(max({own}.v) ?? 0) < {n + 2}", lambda s: max(s.some(own), default=0) < n + 2),
    ]
    text, holds = dice.choice(dice.choice([plain, plain, back, ahead]))
    if dice.random() < 0.25:
        more, also = random_condition(dice, own)
        if dice.random() < 0.5:
            return f"({text}) and ({more})", lambda s: holds(s) and also(s)
        return f"({text}) or ({more})", lambda s: holds(s) or also(s)
    return text, holds


MEASURES = [
    ("n = count()", lambda s: len(s.mapped)),
    ("na = count(A)", lambda s: len(s.all("A"))),
    ("sb = sum(B.v)", lambda s: s.sum("B")),
    ("fa = first(A.v)", lambda s: s.pick("A", 0)),
    ("lb = last(B.v)", lambda s: s.pick("B", -1)),
    ("c = C.v", lambda s: s.pick("C", -1)),
    ("w = v", lambda s: s.v()),
    ("fv = first(v)", lambda s: s.pick(None, 0)),
    ("aa = avg(A.v)", lambda s: s.avg("A")),
    ("ms = max(v) - min(v)", lambda s: max(s.some(None)) - min(s.some(None))
     if s.some(None) else None),
    ("li = #list(B.v)", lambda s: len(s.some("B"))),
    ("wh = sum(A.v where v > 2)", lambda s: sum(x for x in s.some("A") if x > 2)
     if any(x > 2 for x in s.some("A")) else None),
    ("cl = classifier()", lambda s: s.mapped[-1][1]),
    ("t = first(ts)", lambda s: text_of(s.rows[s.mapped[0][0]][2])),
]


class Case:
    def __init__(self, seed):
        dice = self.dice = random.Random(seed)
        self.delay = dice.choice([0, 0, 3, 10])
        at, self.rows = START, []
        for _ in range(dice.choice([0, 5, 20, 50, 90, 90])):
            at += dice.choice([0, 1, 1, 2, 9])
            behind = dice.choice([0, 0, 0, 1, 5, 15]) if self.delay or dice.random() < 0.1 else 0
            self.rows.append((dice.choice(["a", "b", "b", "a name that is long"]),
                              dice.choice([None, *range(-2, 8)]), at - behind))
        self.keyed = dice.random() < 0.8
        while True:
            self.pattern = random_pattern(dice, dice.choice([1, 2, 2, 3]))
            if fewest(self.pattern) > 0 and any(n in pattern_text(self.pattern) for n in NAMES):
                break
        used = [n for n in NAMES if n in pattern_text(self.pattern)]
        self.missing = [n for n in NAMES if n not in used]
        self.define = {}
        for name in used:
            if dice.random() < 0.8:
                text, holds = random_condition(dice, name)
                while any(f"{n}.v" in text or f"({n})" in text for n in self.missing):
                    text, holds = random_condition(dice, name)
                self.define[name] = (text, holds)
        self.within = dice.choice([None, None, 1, 5, 12, 40])
        self.after = dice.choice(["past last", "past last", "next", f"first {dice.choice(used)}",
                                  f"last {dice.choice(used)}"])
        self.all_rows = dice.random() < 0.3
        fit = [m for m in MEASURES
               if not any(f"{n}.v" in m[0] or f"({n})" in m[0] for n in self.missing)]
        self.measures = dice.sample(fit, dice.randint(1, min(5, len(fit))))
        if self.dice.random() < 0.3:
            self.measures.append(("mn = match_number()", None))

    def script(self):
        lines = ['local s = weir.read("in.csv", { schema = "k string, v int64, ts timestamp" })',
                 f'  :event_time("ts", {{ max_delay = "{self.delay}s" }})']
        if self.keyed:
            lines.append('  :group_by "k"')
        lines += ["  :match {", f'    pattern = "{pattern_text(self.pattern)}",']
        if self.define:
            text = ", ".join(f"{n} = {text}" for n, (text, _) in self.define.items())
            lines.append(f'    define = "{text}",')
        lines.append(f'    measures = "{", ".join(text for text, _ in self.measures)}",')
        if self.within is not None:
            lines.append(f'    within = "{self.within}s",')
        lines.append(f'    after = "{self.after}",')
        if self.all_rows:
            lines.append('    rows = "all",')
        lines += ["  }", '  :write "out.csv"', "", 's:rejects():select "code, detail":write '
                  '"rejects.csv"', 's:late():select "k, v, ts":write "late.csv"']
        return "\n".join(lines) + "\n"

    # ---- the model ----

    def groups(self):
        reached, groups = None, defaultdict(list)
        for row in self.rows:
            if reached is None or row[2] >= reached:
                groups[row[0] if self.keyed else None].append(row)
            reached = max(reached or 0, row[2] - self.delay)
        return {k: sorted(rows, key=lambda row: row[2]) for k, rows in groups.items()}

    def first_match(self, rows, start, most=WAYS_MAX, is_enough=lambda _: True):
        mapped, count = [], [0]

        def take(at, name):
            count[0] += 1
            if count[0] > most:
                raise TooManyWays
            if at == len(rows) or (self.within is not None
                                   and rows[at][2] - rows[start][2] >= self.within):
                return None
            mapped.append((at, name))
            if name in self.define and not self.define[name][1](Seen(rows, mapped)):
                mapped.pop()
                return None
            return mapped.pop
        return list(mapped) if ways(self.pattern, start, take, is_enough) else None

    def has_many_ways(self):
        """Whether an attempt can have more ways to go on at once than the program follows."""
        for rows in self.groups().values():
            for start in range(len(rows)):
                try:
                    self.first_match(rows, start, THREADS_MAX, lambda _: False)
                except (TooManyWays, RecursionError):
                    return True
        return False

    def next_start(self, mapped):
        start = mapped[0][0]
        if self.after == "next":
            return start + 1
        if self.after == "past last":
            return mapped[-1][0] + 1
        end, name = self.after.split()
        found = [at for at, of in mapped if of == name]
        place = found[0 if end == "first" else -1] if found else start
        return None if place == start else place

    def matches(self, rows):
        start, number, rejected = 0, 0, 0
        found = []
        while start < len(rows):
            mapped = self.first_match(rows, start)
            following = start + 1
            if mapped is not None:
                place = self.next_start(mapped)
                if place is None:
                    rejected += 1
                else:
                    number, following = number + 1, place
                    found.append((number, mapped))
            start = following
        return found, rejected

    def expected(self):
        found, rejected = Counter(), 0
        for key, rows in self.groups().items():
            matches, bad = self.matches(rows)
            rejected += bad
            for number, mapped in matches:
                for end in range(1 if self.all_rows else len(mapped), len(mapped) + 1):
                    found[self.result(key, rows, mapped[:end], number)] += 1
        return found, rejected

    def result(self, key, rows, mapped, number):
        seen, row = Seen(rows, mapped), {}
        if self.all_rows:
            k, v, ts = rows[seen.at]
            row.update(k=k, v=v, ts=text_of(ts))
        elif self.keyed:
            row["k"] = key
        for text, value in self.measures:
            name = text.split(" = ")[0]
            row[name] = number if value is None else value(seen)
        return tuple(sorted((c, "" if x is None else str(x)) for c, x in row.items()))


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    # The line of a row whose only value is nil is empty.
    return [tuple(sorted(zip(names, row or [""]))) for row in rows]


LOGS = ("rejects.csv", "late.csv")


def compare(case, folder):
    rejects = [dict(row) for row in read(os.path.join(folder, "rejects.csv"))]
    if any(f"more than {THREADS_MAX} ways" in row["detail"] for row in rejects):
        if not case.has_many_ways():
            raise AssertionError(f"an attempt was given up that has less than {THREADS_MAX} ways")
        return
    found, (expected, rejected) = Counter(read(os.path.join(folder, "out.csv"))), case.expected()
    if found != expected:
        raise AssertionError(f"too much: {dict(found - expected)}\n"
                             f"too little: {dict(expected - found)}")
    codes = [row["code"] for row in rejects]
    if codes != ["W513"] * rejected:
        raise AssertionError(f"rejects {codes}, expected {rejected} of W513")
    late = len(read(os.path.join(folder, "late.csv")))
    kept = sum(len(rows) for rows in case.groups().values())
    if late + kept != len(case.rows):
        raise AssertionError(f"{late} rows late, {kept} kept, of {len(case.rows)}")


def case_of(seed):
    """The first case of a seed for which the model does not take too long."""
    for turn in range(100):
        case = Case(f"{seed} {turn}")
        try:
            case.expected()
            return case
        except (TooManyWays, RecursionError):
            continue
    raise AssertionError("all cases of this seed are too large")


def check(weir, seed):
    case = case_of(seed)

    def verify(folder):
        compare(case, folder)
        texts = []
        for name in LOGS:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                texts.append(file.read())
        return texts
    rows = "k,v,ts\n" + "".join(f"{k},{'' if v is None else v},{text_of(at)}\n"
                                for k, v, at in case.rows)
    return changelogs.check_runs(weir, seed, case, {"in.csv": rows}, verify)


if __name__ == "__main__":
    sys.exit(changelogs.main(check))
