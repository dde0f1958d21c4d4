"""expressions.py: random typed expressions of weir, and how they are written.

A node is a list, so that cases are JSON: [kind, type, …]
    ["col", T, name]                ["lit", T, value]             ["bin", T, op, left, right]
    ["un", T, op, arg]              ["call", T, name, args]       ["coal", T, left, right]
    ["in", "bool", negated, arg, members]        ["like", "bool", negated, arg, pattern]
    ["case", T, [[condition, value], …], otherwise | None]
"""

import re

INT_LIMITS = [-(1 << 63), (1 << 63) - 1, -(1 << 63) + 1, 1 << 53, (1 << 53) + 1, 1 << 31, -1, 0]
TEXTS = ["", "a", "b", "ab", "A", "Ab", "x,y", "a b", " a ", "'", '"', "\\", "\n", "a\tb", "%", "_",
         "ä", "größe", "日本", "😀", "e\u0301", "null", "nil", "NA", "0", "-12", "12", "1.5", "1e3",
         "true", "2024-01-01", "abcdefghijkl", "abcdefghijklm", "a,b,c", "--", "]]", "\r\n",
         "x" * 40, "ZZ", "zz"]
DECIMAL = "decimal(12,2)"
TYPES = ["int64", "float64", "string", "bool", "timestamp", "date", "duration", DECIMAL, "bytes"]
# What `+ -` and `*` make of two of them, and `*` of one and an int64.
SUM, PRODUCT, TIMES = "decimal(13,2)", "decimal(24,4)", "decimal(31,2)"
DAY_US = 86400000000
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC"]
# From 1970 to hours in which clocks are changed, and to years with and without.
ZONE_DAYS = [1711846800000000, 1729990800000000, 1710054000000000, 1730613600000000,
             323830800000000, -1000000000000000, 2540000000000000]
# None matches nothing: where such a match ends is another library's own.
REGEXES = ["a", "b.", "[a-c]+", "^a", "[0-9]+", "(x|ab)", "[^a]", "ä", ".", "a b|,", "^.b?"]
KEYWORDS = set("and break do else elseif end false for function goto if in local nil not or repeat "
               "return then true until while".split())


def ident(name):
    """A name as a list writes it."""
    if re.fullmatch(r"[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*", name) \
            and name not in KEYWORDS:
        return name
    return "`" + name.replace("`", "``") + "`"


def quoted(text):
    out = []
    for ch in text:
        if ch in "'\\":
            out.append("\\" + ch)
        elif ch == "\n":
            out.append("\\n")
        elif ch == "\r":
            out.append("\\r")
        elif ord(ch) < 32 or ord(ch) == 127:
            out.append(f"\\{ord(ch):03d}")
        else:
            out.append(ch)
    return "'" + "".join(out) + "'"


def timestamp_text(us, digits=None):
    """RFC 3339, the fraction trimmed to 0, 3 or 6 digits."""
    days, rest = divmod(us, DAY_US)
    seconds, fraction = divmod(rest, 1000000)
    text = f"{date_text(days)}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if fraction % 1000:
        text += f".{fraction:06d}"
    elif fraction:
        text += f".{fraction // 1000:03d}"
    return text + "Z"


def date_text(days):
    """The proleptic Gregorian calendar: Howard Hinnant, "chrono-compatible date algorithms"."""
    z = days + 719468
    era, doe = divmod(z, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return f"{yoe + era * 400 + (month <= 2):04d}-{month:02d}-{doy - (153 * mp + 2) // 5 + 1:02d}"


def duration_text(us):
    """A duration literal of weir."""
    sign, us = ("-" if us < 0 else ""), abs(us)
    return f"{sign}{us}us" if us % 1000000 else f"{sign}{us // 1000000}s"


def literal_text(kind, value):
    if value is None:
        return f"{kind.split('(')[0]}(nil)" if kind != DECIMAL else "decimal(string(nil), 12, 2)"
    if kind == "bool":
        return "true" if value else "false"
    if kind == "int64":
        return "(-9223372036854775807 - 1)" if value == -(1 << 63) else str(value)
    if kind == "float64":
        if value != value:
            return "(0.0 / 0.0)"
        if value in (float("inf"), float("-inf")):
            return "(1 / 0.0)" if value > 0 else "(-1 / 0.0)"
        return repr(value)
    if kind == "string":
        return quoted(value)
    if kind == "bytes":
        return f"unhex('{value}')"
    if kind == "timestamp":
        return f"timestamp'{timestamp_text(value)}'"
    if kind == "date":
        return f"date'{date_text(value)}'"
    if kind == "duration":
        return f"duration'{duration_text(value)}'"
    return f"decimal'{value}'"


def names_in(expr):
    """The columns and helpers that an expression reads."""
    if isinstance(expr, list):
        if len(expr) == 3 and expr[0] == "col":
            return {expr[2]}
        return set().union(*[names_in(part) for part in expr])
    return set()


def without_unused(items):
    """Items without the helpers that nothing reads: they are not computed, so they cannot fail."""
    kept, read = [], set()
    for item in reversed(items):
        name, is_local, expr = item
        if not is_local or name in read:
            kept.insert(0, item)
            read |= names_in(expr)
    return kept


LEVEL = {"or": 1, "and": 2, "==": 3, "~=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "|": 5, "~": 6,
         "&": 7, "<<": 8, ">>": 8, "..": 9, "+": 10, "-": 10, "*": 11, "/": 11, "//": 11, "%": 11,
         "^": 13}
CMP, COAL, UNARY, POST = 3, 4, 12, 14


class Printer:
    """Writes an expression with as few brackets as the grammar allows, or with more by chance."""

    def __init__(self, dice=None):
        self.dice = dice

    def chance(self, odds):
        return self.dice is not None and self.dice.random() < odds

    def space(self):
        return "\n    " if self.chance(0.03) else "  " if self.chance(0.05) else " "

    def wrap(self, text, level, least):
        return f"({text})" if level < least or self.chance(0.05) else text

    def text(self, node, least=0):
        written, level = getattr(self, "_" + node[0])(*node[1:])
        return self.wrap(written, level, least)

    def _col(self, _, name):
        # Directly behind the `(` of a call `where` is the word.
        return "`where`" if name == "where" else ident(name), POST

    def _lit(self, kind, value):
        negative = kind in ("int64", "float64") and value is not None and \
            literal_text(kind, value).startswith("-")
        return literal_text(kind, value), UNARY if negative else POST

    def _bin(self, _, op, left, right):
        level = LEVEL[op]
        if op == "^":  # post ^ unary
            a, b = self.text(left, POST), self.text(right, UNARY)
        elif op == "..":  # to the right, once
            a, b = self.text(left, level + 1), self.text(right, level + 1)
        else:
            a = self.text(left, level + 1 if level == CMP else level)
            b = self.text(right, level + 1)
        space = self.space()
        return f"{a}{space}{op} {b}", level

    def _un(self, _, op, arg):
        inner = self.text(arg, UNARY)
        gap = " " if op == "not" or inner.startswith("-") else ""
        return f"{op}{gap}{inner}", UNARY

    def _in(self, _, negated, arg, members):
        word = "not in" if negated else "in"
        listed = ", ".join(self.text(member) for member in members)
        return f"{self.tested(arg)} {word} ({listed})", CMP

    def tested(self, arg):
        """What stands before `in` and `like`: `not x in …` is refused (W012)."""
        return self.text(arg, POST if arg[0] == "un" and arg[2] == "not" else COAL)

    def _like(self, _, negated, arg, pattern):
        word = "not like" if negated else "like"
        return f"{self.tested(arg)} {word} {quoted(pattern)}", CMP

    def _case(self, _, pairs, otherwise):
        parts = [self.text(part) for pair in pairs for part in pair]
        if otherwise is not None:
            parts.append(self.text(otherwise))
        return f"case({(',' + self.space()).join(parts)})", POST

    def _coal(self, _, left, right):
        return f"{self.text(left, COAL + 1)} ?? {self.text(right, COAL)}", COAL

    def _call(self, kind, name, args):
        if name == "trunc_every":
            return f"trunc({self.text(args[0])}, '{duration_text(args[1][2])}')", POST
        name = "trunc" if name == "trunc_time" else name
        written = [self.text(arg) for arg in args]
        method = args[0][0] == "col" and args[0][1] in ("string", "timestamp") and \
            name in METHODS and self.chance(0.4)
        if method:
            return f"{written[0]}:{name}({', '.join(written[1:])})", POST
        return f"{name}({', '.join(written)})", POST


METHODS = {"lower", "upper", "len", "trim", "replace", "starts_with", "ends_with", "contains",
           "year", "month", "day", "hour", "minute", "second", "trunc"}


def random_value(dice, kind):
    """A value of a type, odd ones more often than life has them. No nil."""
    if kind == "int64":
        return dice.choice(INT_LIMITS) if dice.random() < 0.12 else dice.randint(-5, 9)
    if kind == "float64":
        return dice.choice([0.0, -0.0, 0.1, 1e300, -1e300, 5e-324, 1e16, 0.30000000000000004]) \
            if dice.random() < 0.15 else dice.randint(-20, 20) / 4
    if kind == "string":
        return dice.choice(TEXTS) if dice.random() < 0.5 else dice.choice(["a", "b", "c"])
    if kind == "bool":
        return dice.random() < 0.5
    if kind == "timestamp":
        if dice.random() < 0.05:
            return dice.choice([-62135596800000000, 253402300799999999, 0, -1, 1])
        return dice.randint(-40, 60) * 1000000 + dice.choice([0, 0, 0, 500000, 1, 999999])
    if kind == "date":
        return dice.choice([-719162, 2932896, 0, -1, 19782]) if dice.random() < 0.1 \
            else dice.randint(-3, 40)
    if kind == "duration":
        return dice.choice([0, 1, -1, 1000000, 3600000000, DAY_US, -90000000]) \
            if dice.random() < 0.5 else dice.randint(-9, 9) * 1000000
    if kind == "bytes":
        return dice.choice(["", "00", "ff", "6869", "00ff10"])
    cents = dice.choice([0, 1, -1, 999999999999, -999999999999]) if dice.random() < 0.1 \
        else dice.randint(-500, 500)
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


class Generator:
    """Expressions over columns {name: type}. `may_fail`: whether rows can be rejected by them."""

    def __init__(self, dice, columns, may_fail=True):
        self.dice, self.columns, self.may_fail = dice, columns, may_fail

    def of_type(self, kind):
        return [name for name, has in self.columns.items() if has == kind]

    def leaf(self, kind):
        names = self.of_type(kind)
        if names and self.dice.random() < 0.75:
            return ["col", kind, self.dice.choice(names)]
        return ["lit", kind, random_value(self.dice, kind)]

    def make(self, kind, depth):
        if depth <= 0 or self.dice.random() < 0.12:
            return self.leaf(kind)
        group = "decimal" if kind.startswith("decimal") else kind
        choices = MAKERS.get(group, []) + ANY
        made = self.dice.choice(choices)(self, kind, depth - 1)
        return made if made is not None else self.leaf(kind)

    def condition(self, depth):
        return self.make("bool", depth)

    def safely(self):
        """A generator of expressions that cannot fail."""
        return self if not self.may_fail else Generator(self.dice, self.columns, False)

    def some(self, *kinds):
        return self.dice.choice(kinds)


def binary(kind, ops, left=None, right=None, fails=False):
    def make(g, _, depth):
        if fails and not g.may_fail:
            return None
        op = g.some(*ops)
        return ["bin", kind, op, g.make(left or kind, depth), g.make(right or kind, depth)]
    return make


def function(kind, name, *args, fails=False):
    def make(g, _, depth):
        if fails and not g.may_fail:
            return None
        return ["call", kind, name, [g.make(arg, depth) for arg in args]]
    return make


def wide_decimal(g, depth):
    """A decimal of more digits than a column has."""
    kind = g.some(SUM, SUM, PRODUCT, TIMES)
    op = g.some("+", "-") if kind == SUM else "*"
    return ["bin", kind, op, g.make(DECIMAL, depth), g.make("int64" if kind == TIMES else DECIMAL,
                                                           depth)]


def decimal_fitted(g, _, depth):
    """`decimal(x, 12, 2)` of a sum, or of a product that is rounded to two digits."""
    if not g.may_fail:
        return None
    wide = wide_decimal(g, depth)
    if wide[1] == PRODUCT:
        wide = ["call", PRODUCT, "round", [wide, ["lit", "int64", 2]]]
    return ["call", DECIMAL, "decimal", [wide, ["lit", "int64", 12], ["lit", "int64", 2]]]


def decimal_rounded(g, _, depth):
    if not g.may_fail:
        return None
    # A literal has 38 digits, and then what is rounded has room for one more.
    args = [["call", DECIMAL, "decimal", [g.make(DECIMAL, depth), ["lit", "int64", 12],
                                          ["lit", "int64", 2]]]]
    name = g.some("floor", "ceil", "trunc", "round", "round")
    if name == "round":
        args.append(["lit", "int64", g.some(0, 1, 2, 3, -1, -3)])
    return ["call", DECIMAL, name, args]


def compared(g, _, depth):
    if g.dice.random() < 0.1:
        return ["bin", "bool", g.some("<", "<=", ">", ">=", "==", "~="), wide_decimal(g, depth),
                g.make(DECIMAL, depth)]
    kind = g.some("int64", "float64", "string", "timestamp", "date", "duration", DECIMAL)
    other = kind
    if kind == "int64" and g.dice.random() < 0.3:
        other = "float64"
    elif kind == "float64" and g.dice.random() < 0.3:
        other = "int64"
    elif kind == DECIMAL and g.dice.random() < 0.2:
        other = "int64"
    return ["bin", "bool", g.some("<", "<=", ">", ">="), g.make(kind, depth), g.make(other, depth)]


def equated(g, _, depth):
    kind = g.some(*TYPES)
    other = {"int64": "float64", "float64": "int64"}.get(kind, kind) if g.dice.random() < 0.2 \
        else kind
    right = g.make(other, depth)
    return ["bin", "bool", g.some("==", "~="), g.make(kind, depth), right]


def nil_test(g, _, depth):
    names = list(g.columns)
    if not names:
        return None
    name = g.dice.choice(names)
    kind = g.columns[name]
    if kind.startswith("list"):
        return None
    if g.dice.random() < 0.3:
        return ["call", "bool", "is_nil", [["col", kind, name]]]
    return ["bin", "bool", g.some("==", "~="), ["col", kind, name], ["lit", kind, None]]


def member(g, _, depth):
    kind = g.some("int64", "string", "date", "bool", "float64")
    members = [["lit", kind, None if g.dice.random() < 0.15 else random_value(g.dice, kind)]
               for _ in range(g.dice.randint(1, 4))]
    return ["in", "bool", g.dice.random() < 0.4, g.make(kind, depth), members]


def liked(g, _, depth):
    pattern = "".join(g.dice.choice(["a", "b", "%", "_", "\\%", "ä", "x", "%"])
                      for _ in range(g.dice.randint(0, 4)))
    return ["like", "bool", g.dice.random() < 0.3, g.make("string", depth), pattern]


def negated(g, _, depth):
    kind = g.some("bool", "bool", "bool", "int64", "string")
    return ["un", "bool", "not", g.make(kind, depth)]


def cased(g, kind, depth):
    pairs = [[g.condition(depth), g.make(kind, depth)] for _ in range(g.dice.randint(1, 2))]
    return ["case", kind, pairs, g.make(kind, depth) if g.dice.random() < 0.7 else None]


def coal(g, kind, depth):
    left = Generator(g.dice, g.columns, True).make(kind, depth)
    return ["coal", kind, left, g.make(kind, depth)]


def many(name):
    def make(g, kind, depth):
        if kind == "bool" and name != "coalesce" or kind == "bytes":
            return None
        g = g.safely()
        return ["call", kind, name, [g.make(kind, depth) for _ in range(g.dice.randint(2, 3))]]
    return make


def nullif(g, kind, depth):
    return ["call", kind, "nullif", [g.make(kind, depth), g.make(kind, depth)]]


def unary(kind, op, arg=None):
    return lambda g, _, depth: ["un", kind, op, g.make(arg or kind, depth)]


def calendar(g, _, depth):
    kind = g.some("timestamp", "date")
    names = ["year", "quarter", "month", "day", "week", "day_of_week", "day_of_year", "iso_year"]
    if kind == "timestamp":
        names += ["hour", "minute", "second", "microsecond"]
    return ["call", "int64", g.dice.choice(names), [g.leaf(kind)]]


def zoned_calendar(g, _, depth):
    """What clocks of a zone show, also on the days when they are changed."""
    x = g.leaf("timestamp")
    if g.may_fail and g.dice.random() < 0.7:
        x = ["bin", "timestamp", "+", x, ["lit", "duration", g.some(*ZONE_DAYS)]]
    name = g.some("year", "quarter", "month", "day", "week", "day_of_week", "day_of_year",
                  "iso_year", "hour", "hour", "minute", "second")
    return ["call", "int64", name, [x, ["lit", "string", g.some(*ZONES)]]]


def zoned_date(g, _, depth):
    return ["call", "date", "date", [g.leaf("timestamp"), ["lit", "string", g.some(*ZONES)]]]


def regex(kind, name, *more):
    def make(g, _, depth):
        return ["call", kind, name, [g.make("string", depth), ["lit", "string", g.some(*REGEXES)],
                                     *(["lit", "string", g.some(*texts)] for texts in more)]]
    return make


def of_parts(kind, name, element=None):
    """A function of the list that `split` gives."""
    def make(g, _, depth):
        parts = ["call", "list<string>", "split",
                 [g.make("string", depth), ["lit", "string", g.some(",", " ", "a", "ab")]]]
        for change in ("reverse_list", "distinct_list", "sort_list"):
            if g.dice.random() < 0.2:
                parts = ["call", "list<string>", change, [parts]]
        last = {None: [], "string": [g.leaf("string")],
                "at": [["lit", "int64", g.some(1, 2, 3, -1, -2)]]}[element]
        return ["call", kind, name, [parts] + last]
    return make


def trunc_time(g, kind, depth):
    units = ["day", "week", "month", "quarter", "year"]
    if kind == "timestamp":
        units += ["second", "minute", "hour"]
    return ["call", kind, "trunc_time", [g.leaf(kind), ["lit", "string", g.dice.choice(units)]]]


def trunc_every(g, kind, depth):
    us = g.some(1000000, 7000000, 60000000, 900000000, 250000)
    return ["call", kind, "trunc_every", [g.leaf(kind), ["lit", "duration", us]]]


def shifted(g, _, depth):
    by = g.some(["lit", "int64", g.some(0, 1, 3, 31, 62, 63, 64, 65, -1, -64)], g.leaf("int64"))
    return ["bin", "int64", g.some("<<", ">>"), g.make("int64", depth), by]


def split_part(g, _, depth):
    return ["call", "string", "split_part",
            [g.make("string", depth), ["lit", "string", g.some(",", " ", "a", "ab")],
             ["lit", "int64", g.some(1, 2, 3, -1)]]]


ANY = [cased, coal, many("coalesce"), nullif]
MAKERS = {
    "int64": [binary("int64", ["+", "-", "*"]), binary("int64", ["+", "-", "*"]),
              binary("int64", ["//", "%"], fails=True), binary("int64", ["&", "|", "~"]), shifted,
              unary("int64", "-"), unary("int64", "~"), unary("int64", "#", "string"),
              function("int64", "len", "string"), function("int64", "char_length", "string"),
              function("int64", "abs", "int64"), function("int64", "sign", "float64"),
              function("int64", "floor", "float64", fails=True),
              function("int64", "ceil", "float64", fails=True),
              function("int64", "trunc", "float64", fails=True),
              function("int64", "int64", "string", fails=True),
              function("int64", "int64", "float64", fails=True),
              function("int64", "int64", "bool"), calendar, calendar, zoned_calendar,
              of_parts("int64", "length"), of_parts("int64", "index_of", "string"),
              function("int64", "sign", DECIMAL), function("int64", "int64", DECIMAL, fails=True),
              function("int64", "epoch", "timestamp"), function("int64", "epoch_ms", "timestamp"),
              function("int64", "epoch", "date"), many("min_of"), many("max_of")],
    "float64": [binary("float64", ["+", "-", "*", "/"]), binary("float64", ["//", "%"]),
                binary("float64", ["/"], "int64", "int64"),
                binary("float64", ["+", "-", "*"], "int64", "float64"),
                unary("float64", "-"), function("float64", "abs", "float64"),
                function("float64", "sqrt", "float64"),
                function("float64", "float64", "int64", fails=True),
                function("float64", "float64", DECIMAL),
                binary("float64", ["/"], "duration", "duration"), many("min_of"), many("max_of")],
    "string": [binary("string", [".."]), binary("string", [".."]),
               function("string", "lower", "string"), function("string", "upper", "string"),
               function("string", "trim", "string"), function("string", "ltrim", "string"),
               function("string", "rtrim", "string"),
               function("string", "replace", "string", "string", "string"),
               function("string", "concat", "string", "string"), split_part,
               function("string", "string", "int64"), function("string", "string", "bool"),
               function("string", "string", DECIMAL), regex("string", "regex_find"),
               regex("string", "regex_replace", ["", "x", "#ä"]),
               of_parts("string", "element", "at"), of_parts("string", "max_list"),
               function("string", "md5", "string"), many("min_of"), many("max_of")],
    "bool": [compared, compared, equated, equated, nil_test, member, liked, negated,
             binary("bool", ["and", "or"]), binary("bool", ["and", "or"]),
             function("bool", "starts_with", "string", "string"),
             function("bool", "ends_with", "string", "string"),
             function("bool", "contains", "string", "string"),
             regex("bool", "regex_match"), of_parts("bool", "contains", "string"),
             function("bool", "is_nan", "float64"), function("bool", "is_finite", "float64"),
             function("bool", "bool", "int64", fails=True)],
    "timestamp": [binary("timestamp", ["+", "-"], "timestamp", "duration", fails=True), trunc_time,
                  trunc_every, function("timestamp", "timestamp", "date"),
                  many("min_of"), many("max_of")],
    "date": [function("date", "date", "timestamp"), zoned_date,
             function("date", "last_day", "timestamp"), trunc_time, many("min_of"), many("max_of")],
    "duration": [binary("duration", ["-"], "timestamp", "timestamp", fails=True),
                 binary("duration", ["+", "-"], fails=True), unary("duration", "-"),
                 binary("duration", ["*"], "duration", "int64", fails=True),
                 binary("duration", ["%"], fails=True), many("min_of"), many("max_of")],
    "decimal": [unary(DECIMAL, "-"), decimal_fitted, decimal_fitted, decimal_rounded,
                function(DECIMAL, "abs", DECIMAL), many("min_of"), many("max_of")],
    "bytes": [],
}
