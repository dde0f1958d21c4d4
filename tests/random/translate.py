"""translate.py: what an expression of weir says, as SQL of DuckDB: the one table of differences.

An expression becomes a value and a code: the code says why the row fails (`'W503'`) or is NULL.
In SQL: int64 BIGINT, float64 DOUBLE, string VARCHAR, bool BOOLEAN, bytes BLOB, decimal(p,s)
DECIMAL(p,s); timestamp and duration are BIGINT microseconds and date BIGINT days, since weir's
reach further and compare as numbers.

What differs from SQL (the reference says it for weir):
  nil       equals only nil, is ordered against nothing (false, never NULL); `and or not` as in Lua
  integers  wrap; `//` and `%` round towards minus infinity; by 0 they fail (W503)
  floats    NaN equals nothing; int64 against float64 compares exactly
  ??        the other value where the first is nil *or fails*
  text      bytes: lower, upper only change ASCII; `len` and `#` count bytes
  decimals  have their digits: `decimal(x, 12, 2)` fails (W502) where they do not do, rounding W504
  zones     are ICU's for DuckDB, the system's for weir

Nodes are lists: [kind, type, …]; expressions.py makes and prints them.
"""

import cases
from expressions import DECIMAL

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

# Functions of SQL that say what Lua means. Arguments may be NULL: then so is the result. DuckDB
# may evaluate a branch of CASE that is not taken, so what can fail there is clamped.
MACROS = """
CREATE MACRO w_fits(x) AS x BETWEEN -9223372036854775808::HUGEINT AND 9223372036854775807::HUGEINT;
CREATE MACRO w_wrap(x) AS CASE WHEN w_fits(x) THEN x::BIGINT ELSE
  ((((x + 9223372036854775808::HUGEINT) % 18446744073709551616::HUGEINT)
    + 18446744073709551616::HUGEINT) % 18446744073709551616::HUGEINT
    - 9223372036854775808::HUGEINT)::BIGINT END;
CREATE MACRO w_fdiv(a, b) AS CASE WHEN b = 0 THEN NULL ELSE
  (a::HUGEINT // b::HUGEINT) - (CASE WHEN a::HUGEINT % b::HUGEINT <> 0 AND (a < 0) <> (b < 0)
    THEN 1 ELSE 0 END) END;
CREATE MACRO w_fmod(a, b) AS CASE WHEN b = 0 THEN NULL ELSE
  (a::HUGEINT % b::HUGEINT) + (CASE WHEN a::HUGEINT % b::HUGEINT <> 0 AND (a < 0) <> (b < 0)
    THEN b::HUGEINT ELSE 0 END) END;
CREATE MACRO w_unsigned(a) AS CASE WHEN a < 0 THEN a::HUGEINT + 18446744073709551616::HUGEINT
  ELSE a::HUGEINT END;
CREATE MACRO w_pow2(n) AS (CASE WHEN n = 63 THEN 9223372036854775808::HUGEINT
  ELSE (1::BIGINT << least(greatest(n, 0), 62)::INTEGER)::HUGEINT END);
CREATE MACRO w_up(a, n) AS CASE WHEN n > 63 THEN 0 ELSE
  w_wrap(((w_unsigned(a) % w_pow2(64 - least(greatest(n, 0), 63)::INTEGER
    - CASE WHEN n = 0 THEN 1 ELSE 0 END))
    * w_pow2(n)) % 18446744073709551616::HUGEINT) END;
CREATE MACRO w_down(a, n) AS CASE WHEN n > 63 THEN 0 ELSE w_wrap(w_unsigned(a) // w_pow2(n)) END;
CREATE MACRO w_shift(a, n) AS CASE WHEN a IS NULL OR n IS NULL THEN NULL WHEN n = 0 THEN a
  WHEN n > 63 OR n < -63 THEN 0 WHEN n > 0 THEN w_up(a, n) ELSE w_down(a, -n) END;
CREATE MACRO w_rem(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL
  WHEN isnan(a) OR isnan(b) OR isinf(a) OR b = 0 THEN 'nan'::DOUBLE
  WHEN isinf(b) THEN (CASE WHEN a = 0 OR (a < 0) = (b < 0) THEN a ELSE b END)
  WHEN a % b <> 0 AND (a % b < 0) <> (b < 0) THEN a % b + b ELSE a % b END;
CREATE MACRO w_whole(f) AS NOT isnan(f) AND f >= -9223372036854775808.0::DOUBLE
  AND f < 9223372036854775808.0::DOUBLE;
CREATE MACRO w_ieq(i, f) AS CASE WHEN NOT w_whole(f) THEN false WHEN f <> floor(f) THEN false
  ELSE i = f::HUGEINT END;
CREATE MACRO w_ilt(i, f) AS CASE WHEN i IS NULL OR isnan(f) THEN false
  WHEN f >= 9223372036854775808.0::DOUBLE
  THEN true WHEN f < -9223372036854775808.0::DOUBLE THEN false ELSE i < ceil(f)::HUGEINT END;
CREATE MACRO w_ile(i, f) AS CASE WHEN i IS NULL OR isnan(f) THEN false
  WHEN f >= 9223372036854775808.0::DOUBLE
  THEN true WHEN f < -9223372036854775808.0::DOUBLE THEN false ELSE i <= floor(f)::HUGEINT END;
CREATE MACRO w_igt(i, f) AS CASE WHEN i IS NULL OR isnan(f) THEN false
  WHEN f >= 9223372036854775808.0::DOUBLE
  THEN false WHEN f < -9223372036854775808.0::DOUBLE THEN true ELSE i > floor(f)::HUGEINT END;
CREATE MACRO w_ige(i, f) AS CASE WHEN i IS NULL OR isnan(f) THEN false
  WHEN f >= 9223372036854775808.0::DOUBLE
  THEN false WHEN f < -9223372036854775808.0::DOUBLE THEN true ELSE i >= ceil(f)::HUGEINT END;
CREATE MACRO w_lower(s) AS translate(s, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');
CREATE MACRO w_upper(s) AS translate(s, 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
CREATE MACRO w_ts(us) AS make_timestamp(us);
CREATE MACRO w_us(ts) AS epoch_us(ts);
CREATE MACRO w_day(days) AS DATE '1970-01-01' + days::INTEGER;
CREATE MACRO w_days(d) AS datediff('day', DATE '1970-01-01', d)::BIGINT;
CREATE MACRO w_floor(x) AS CASE WHEN w_whole(floor(x)) THEN floor(x)::BIGINT END;
CREATE MACRO w_ceil(x) AS CASE WHEN w_whole(ceil(x)) THEN ceil(x)::BIGINT END;
CREATE MACRO w_trunc(x) AS CASE WHEN w_whole(trunc(x)) THEN trunc(x)::BIGINT END;
"""


def sql_type(kind):
    if kind.startswith("decimal"):
        return kind.upper()
    if kind.startswith("list<"):
        return sql_type(kind[5:-1]) + "[]"
    name, _, own = kind.partition(" ")
    if name in cases.STRUCTS:
        fields = [f'"{field}" {sql_type(of or own)}' for field, of in cases.STRUCTS[name].items()]
        return f"STRUCT({', '.join(fields)})"
    return {"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN",
            "bytes": "BLOB", "timestamp": "BIGINT", "date": "BIGINT", "duration": "BIGINT"}[kind]


def text_literal(text):
    return "'" + text.replace("'", "''") + "'"


def literal(kind, value):
    """A value as SQL; Python's None is NULL."""
    if value is None:
        return f"NULL::{sql_type(kind)}"
    if kind == "bool":
        return "true" if value else "false"
    if kind == "float64":
        return f"'{value!r}'::DOUBLE"
    if kind == "string":
        return text_literal(value)
    if kind == "bytes":
        return f"from_hex('{value}')"
    if kind.startswith("decimal"):
        return f"'{value}'::{kind.upper()}"
    return f"({value})::BIGINT" if value != INT64_MIN else "(-9223372036854775807 - 1)::BIGINT"


class Levels:
    """Columns that are computed from columns before them, one subquery for each level."""

    def __init__(self, columns):
        self.columns = dict(columns)  # name in weir -> (SQL column, type)
        self.codes = {}  # of helpers: one that fails does so where it is read
        self.heights = {}
        self.levels = []
        self.count = 0

    def define(self, sql, *uses):
        height = 1 + max([self.heights.get(use, 0) for use in uses], default=0)
        name = f"_v{self.count}"
        self.count += 1
        while len(self.levels) < height:
            self.levels.append([])
        self.levels[height - 1].append(f"{sql} AS {name}")
        self.heights[name] = height
        return name

    def source(self, table):
        for level in self.levels:
            table = f"(SELECT *, {', '.join(level)} FROM {table})"
        return table


NEVER = "NULL"


def first_code(codes):
    codes = [code for code in codes if code != NEVER]
    if not codes:
        return NEVER
    return codes[0] if len(codes) == 1 else f"coalesce({', '.join(codes)})"


def as_double(value, kind):
    return value if kind == "float64" else f"{value}::DOUBLE"


def equal(a, kind_a, b, kind_b):
    """Two-valued `==`."""
    both_nil = f"({a} IS NULL AND {b} IS NULL)"
    if {kind_a, kind_b} == {"int64", "float64"}:
        whole, real = (a, b) if kind_a == "int64" else (b, a)
        return f"(coalesce(w_ieq({whole}, {real}), false) OR {both_nil})"
    if kind_a == "float64":
        return f"(coalesce({a} = {b} AND NOT isnan({a}), false) OR {both_nil})"
    if kind_a.startswith("decimal") or kind_b.startswith("decimal"):
        a, b = f"{a}::DECIMAL(38,6)", f"{b}::DECIMAL(38,6)"
    return f"({a} IS NOT DISTINCT FROM {b})"


MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
EXACT = {"<": "w_ilt", "<=": "w_ile", ">": "w_igt", ">=": "w_ige"}


def ordered(op, a, kind_a, b, kind_b):
    """Two-valued `< <= > >=`."""
    if {kind_a, kind_b} == {"int64", "float64"}:
        if kind_a == "float64":
            a, b, op = b, a, MIRROR[op]
        return f"coalesce({EXACT[op]}({a}, {b}), false)"
    if kind_a == "float64":
        return f"coalesce({a} {op} {b} AND NOT isnan({a}) AND NOT isnan({b}), false)"
    if kind_a.startswith("decimal") or kind_b.startswith("decimal"):
        a, b = f"{a}::DECIMAL(38,6)", f"{b}::DECIMAL(38,6)"
    return f"coalesce({a} {op} {b}, false)"


def fits(value):
    return f"w_fits({value})"


def overflow(value):
    return f"CASE WHEN NOT {fits(value)} THEN 'W504' END"


def arithmetic(out, op, kind, a, kind_a, b, kind_b):
    """(value, own code) of `+ - * / // % ^ & | ~ << >>`."""
    if kind == "int64" and op in ("//", "%") and kind_a != "float64":
        name = "w_fdiv" if op == "//" else "w_fmod"
        code = out.define(f"CASE WHEN {a} IS NOT NULL AND {b} = 0 THEN 'W503' END", a, b)
        return f"w_wrap({name}({a}, {b}))", code
    if kind == "int64" and op in ("+", "-", "*"):
        return f"w_wrap({a}::HUGEINT {op} {b}::HUGEINT)", NEVER
    if kind == "int64":
        return {"&": f"({a} & {b})", "|": f"({a} | {b})", "~": f"xor({a}, {b})",
                "<<": f"w_shift({a}, {b})",
                ">>": f"w_shift({a}, -({b}::HUGEINT))"}[op], NEVER
    if kind == "float64":
        x, y = as_double(a, kind_a), as_double(b, kind_b)
        if op == "%":
            return f"w_rem({x}, {y})", NEVER
        return {"//": f"floor({x} / {y})", "^": f"pow({x}, {y})"}.get(op, f"({x} {op} {y})"), NEVER
    if kind in ("timestamp", "duration") and op in ("+", "-", "*"):
        wide = out.define(f"({a}::HUGEINT {op} {b}::HUGEINT)", a, b)
        return f"CASE WHEN {fits(wide)} THEN {wide}::BIGINT END", out.define(overflow(wide), wide)
    if kind == "duration" and op == "%":
        code = out.define(f"CASE WHEN {a} IS NOT NULL AND {b} = 0 THEN 'W503' END", a, b)
        return f"w_fmod({a}, {b})::BIGINT", code
    raise AssertionError(f"no translation of {kind_a} {op} {kind_b}")


UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")


def truncated(x, unit):
    return f"w_us(date_trunc('{unit}', w_ts({x}))::TIMESTAMP)"


def when_fits(test, code):
    return f"CASE WHEN {test} THEN {code} END"


# Functions: name -> f(arguments as SQL, their types, literal nodes) -> value, or (value, code).
def clock_of(x, node):
    """The TIMESTAMP that clocks of a zone show."""
    return f"timezone({text_literal(node[2])}, make_timestamptz({x}))"


def _clock(part):
    def make(x, kinds, nodes):
        if len(x) == 2:
            return f"{part}({clock_of(x[0], nodes[1])})::BIGINT"
        return f"{part}({'w_ts' if kinds[0] == 'timestamp' else 'w_day'}({x[0]}))::BIGINT"
    return make


def _round_code(x, function):
    return when_fits(f"{x} IS NOT NULL AND NOT w_whole({function}({x}))", "'W504'")


def is_decimal(kind):
    return kind.startswith("decimal")


def decimal_of(value, wide, code):
    """A decimal(12,2), or the code where it has more digits before the point."""
    good = f"abs({wide}) < 10000000000"
    return (f"CASE WHEN {good} THEN TRY_CAST({value} AS DECIMAL(12,2)) END",
            when_fits(f"{value} IS NOT NULL AND NOT {good}", code))


def rounding(name):
    """floor, ceil, trunc, round: of a float64 an int64, of a decimal one of the same digits."""
    def make(x, kinds, nodes):
        if not is_decimal(kinds[0]):
            return f"w_{name}({x[0]})", _round_code(x[0], name)
        wide = f"{x[0]}::DECIMAL(32,4)"
        done = f"round({wide}, {nodes[1][2]})" if name == "round" else f"{name}({wide})"
        if kinds[0] != DECIMAL:  # the digits are there
            return f"{done}::{kinds[0].upper()}"
        return decimal_of(done, done, "'W504'")
    return make


def _int64(x, kinds, _):
    if kinds[0] == "string":
        return _int_of_string(x[0])
    if kinds[0] == "bool":
        return f"{x[0]}::BIGINT"
    whole = f"{x[0]} = floor({x[0]})"
    if kinds[0] == "float64":
        whole = f"w_whole({x[0]}) AND {whole}"
    return (f"CASE WHEN {whole} THEN {x[0]}::BIGINT END",
            when_fits(f"{x[0]} IS NOT NULL AND NOT ({whole})", "'W502'"))


def _float64(x, kinds, _):
    if is_decimal(kinds[0]):
        return f"{x[0]}::DOUBLE"
    return (f"{x[0]}::DOUBLE",
            when_fits(f"{x[0]} IS NOT NULL AND NOT w_ieq({x[0]}, {x[0]}::DOUBLE)", "'W502'"))


def _int_of_string(x):
    digits = f"regexp_full_match({x}, '[-+]?[0-9]{{1,30}}')"
    tidy = f"({digits} AND w_fits(TRY_CAST({x} AS HUGEINT)))"
    return (f"CASE WHEN {tidy} THEN TRY_CAST({x} AS BIGINT) END",
            when_fits(f"{x} IS NOT NULL AND NOT {tidy}", "'W501'"))


def both_nan(x, kinds):
    return f" OR isnan({x[0]}) AND isnan({x[1]})" if kinds[0] == kinds[1] == "float64" else ""


FUNCTIONS = {
    "lower": lambda x, k, n: f"w_lower({x[0]})",
    "upper": lambda x, k, n: f"w_upper({x[0]})",
    "len": lambda x, k, n: f"strlen({x[0]})::BIGINT",
    "char_length": lambda x, k, n: f"length({x[0]})::BIGINT",
    "trim": lambda x, k, n: f"trim({x[0]}, chr(32) || chr(9) || chr(10) || chr(13))",
    "ltrim": lambda x, k, n: f"ltrim({x[0]}, chr(32) || chr(9) || chr(10) || chr(13))",
    "rtrim": lambda x, k, n: f"rtrim({x[0]}, chr(32) || chr(9) || chr(10) || chr(13))",
    "replace": lambda x, k, n: f"replace({x[0]}, {x[1]}, {x[2]})",
    "starts_with": lambda x, k, n: f"starts_with({x[0]}, {x[1]})",
    "ends_with": lambda x, k, n: f"ends_with({x[0]}, {x[1]})",
    "contains": lambda x, k, n: (
        f"contains({x[0]}, {x[1]})" if k[0] == "string" else f"list_contains({x[0]}, {x[1]})"),
    "split": lambda x, k, n: f"str_split({x[0]}, {x[1]})",
    "length": lambda x, k, n: f"len({x[0]})",
    "index_of": lambda x, k, n: f"list_position({x[0]}, {x[1]})::BIGINT",
    "element": lambda x, k, n: f"{x[0]}[{x[1]}]",
    "max_list": lambda x, k, n: f"list_max({x[0]})",
    "reverse_list": lambda x, k, n: f"list_reverse({x[0]})",
    "sort_list": lambda x, k, n: f"list_sort({x[0]})",
    "distinct_list": lambda x, k, n: (
        f"list_filter({x[0]}, lambda e, i: list_position({x[0]}, e) = i)"),
    "regex_match": lambda x, k, n: f"regexp_matches({x[0]}, {x[1]})",
    "regex_find": lambda x, k, n: (
        f"CASE WHEN regexp_matches({x[0]}, {x[1]}) THEN regexp_extract({x[0]}, {x[1]}) END"),
    "regex_replace": lambda x, k, n: f"regexp_replace({x[0]}, {x[1]}, {x[2]}, 'g')",
    "concat": lambda x, k, n: f"concat({', '.join(x)})",
    "split_part": lambda x, k, n: (
        f"CASE WHEN length({x[0]}) IS NOT NULL THEN str_split({x[0]}, {x[1]})[{x[2]}] END"),
    "sha256": lambda x, k, n: f"sha256({x[0]})",
    "md5": lambda x, k, n: f"md5({x[0]})",
    "abs": lambda x, k, n: f"w_wrap(abs({x[0]}::HUGEINT))" if k[0] == "int64" else f"abs({x[0]})",
    "sign": lambda x, k, n: (
        f"CASE WHEN isnan({x[0]}) THEN 0 ELSE sign({x[0]})::BIGINT END" if k[0] == "float64"
        else f"sign({x[0]})::BIGINT"),
    "floor": rounding("floor"), "ceil": rounding("ceil"), "trunc": rounding("trunc"),
    "round": rounding("round"),
    "decimal": lambda x, k, n: decimal_of(x[0], x[0], "'W502'"),
    "sqrt": lambda x, k, n: f"CASE WHEN {x[0]} < 0 THEN 'nan'::DOUBLE ELSE sqrt({x[0]}) END",
    "is_nan": lambda x, k, n: f"isnan({x[0]})",
    "is_finite": lambda x, k, n: f"isfinite({x[0]})",
    "is_nil": lambda x, k, n: f"({x[0]} IS NULL)",
    "coalesce": lambda x, k, n: f"coalesce({', '.join(x)})",
    "min_of": lambda x, k, n: f"least({', '.join(x)})",
    "max_of": lambda x, k, n: f"greatest({', '.join(x)})",
    "nullif": lambda x, k, n: (
        f"CASE WHEN {equal(x[0], k[0], x[1], k[1])}{both_nan(x, k)} THEN NULL ELSE {x[0]} END"),
    "int64": _int64, "float64": _float64,
    "string": lambda x, k, n: f"{x[0]}::VARCHAR",
    "bool": lambda x, k, n: (f"CASE WHEN {x[0]} IN (0, 1) THEN {x[0]} = 1 END",
                             when_fits(f"{x[0]} NOT IN (0, 1)", "'W502'")),
    "epoch": lambda x, k, n: (
        f"({x[0]} * 86400)" if k[0] == "date" else f"w_fdiv({x[0]}, 1000000)::BIGINT"),
    "epoch_ms": lambda x, k, n: f"w_fdiv({x[0]}, 1000)::BIGINT",
    "year": _clock("year"), "quarter": _clock("quarter"), "month": _clock("month"),
    "day": _clock("day"), "week": _clock("week"), "day_of_week": _clock("isodow"),
    "day_of_year": _clock("dayofyear"), "iso_year": _clock("isoyear"),
    "hour": _clock("hour"), "minute": _clock("minute"), "second": _clock("second"),
    "microsecond": lambda x, k, n: f"w_fmod({x[0]}, 1000000)::BIGINT",
    "date": lambda x, k, n: (
        f"w_days({clock_of(x[0], n[1])}::DATE)" if len(x) == 2
        else f"w_fdiv({x[0]}, 86400000000)::BIGINT"),
    "timestamp": lambda x, k, n: f"({x[0]} * 86400000000)",
    "last_day": lambda x, k, n: (
        f"w_days(last_day(w_{'ts' if k[0] == 'timestamp' else 'day'}({x[0]})))"),
    "trunc_time": lambda x, k, n: (
        truncated(x[0], n[1][2]) if k[0] == "timestamp"
        else f"w_days(date_trunc('{n[1][2]}', w_day({x[0]}))::DATE)"),
    "trunc_every": lambda x, k, n: f"w_wrap(w_fdiv({x[0]}, {n[1][2]}) * {n[1][2]})",
}


def truth(value):
    return f"coalesce({value}, false)"


class Translator:
    """Defines nodes in `levels`; `of(node)` gives (value, code) as SQL atoms."""

    def __init__(self, levels):
        self.out = levels

    def of(self, node):
        return getattr(self, "_" + node[0])(*node[1:])

    def named(self, value, *uses):
        return self.out.define(value, *uses)

    def _col(self, _, name):
        return self.out.columns[name][0], self.out.codes.get(name, NEVER)

    def _lit(self, kind, value):
        return literal(kind, value), NEVER

    def _bin(self, kind, op, left, right):
        (a, fail_a), (b, fail_b) = self.of(left), self.of(right)
        uses = [a, b, fail_a, fail_b]
        if op in ("and", "or"):
            yes, no = ("b", "a") if op == "and" else ("a", "b")
            pick = {"a": a, "b": b}
            value = f"CASE WHEN {truth(a)} THEN {pick[yes]} ELSE {pick[no]} END"
            code = fail_a
            if fail_b != NEVER:
                lazy = self.named(f"CASE WHEN {truth(a)} = {'true' if op == 'and' else 'false'} "
                                  f"THEN {fail_b} END", a, fail_b)
                code = self.code(fail_a, lazy)
            return self.named(value, *uses), code
        own = NEVER
        if op == "==":
            value = equal(a, left[1], b, right[1])
        elif op == "~=":
            value = f"(NOT {equal(a, left[1], b, right[1])})"
        elif op in MIRROR:
            value = ordered(op, a, left[1], b, right[1])
        elif op == "..":
            value = f"({a} || {b})"
        elif is_decimal(kind):
            if op == "*":  # of two of 18 digits at most DuckDB has a product of 18
                a, b = f"{a}::DECIMAL(19,2)", f"{b}::DECIMAL(19,{0 if right[1] == 'int64' else 2})"
            value = f"({a} {op} {b})::{kind.upper()}"
        else:
            value, own = arithmetic(self.out, op, kind, a, left[1], b, right[1])
            uses.append(own)
            uses += [u for u in self.out.heights if u in value]
        return self.named(value, *uses), self.code(fail_a, fail_b, own)

    def code(self, *codes):
        code = first_code(codes)
        return self.named(code, *codes) if code.startswith("coalesce") else code

    def _un(self, kind, op, arg):
        a, fail = self.of(arg)
        if op == "not":
            value = f"(NOT {truth(a)})" if arg[1] == "bool" else f"({a} IS NULL)"
        elif op == "-":
            value = f"w_wrap(-({a}::HUGEINT))" if kind == "int64" else f"(-{a})"
            if kind == "duration":
                wide = self.named(f"(-({a}::HUGEINT))", a)
                code = self.named(overflow(wide), wide)
                value = f"CASE WHEN w_fits({wide}) THEN {wide}::BIGINT END"
                return self.named(value, wide), self.code(fail, code)
        elif op == "~":
            value = f"(~{a})"
        else:
            value = f"strlen({a})::BIGINT" if arg[1] == "string" else f"octet_length({a})::BIGINT"
        return self.named(value, a), fail

    def _in(self, _, negated, arg, members):
        a, fail = self.of(arg)
        values, codes = zip(*[self.of(member) for member in members])
        tests = [equal(a, arg[1], value, member[1]) for value, member in zip(values, members)]
        found = "(" + " OR ".join(tests) + ")"
        return self.named(f"(NOT {found})" if negated else found, a, *values), \
            self.code(fail, *codes)

    def _like(self, _, negated, arg, pattern):
        a, fail = self.of(arg)
        found = f"coalesce({a} LIKE {text_literal(pattern)} ESCAPE '\\', false)"
        return self.named(f"(NOT {found})" if negated else found, a), fail

    def _case(self, kind, pairs, otherwise):
        """Lazily: only the conditions up to the first true one, and its value, can fail."""
        value, code, uses = f"CAST(NULL AS {sql_type(kind)})", NEVER, []
        if otherwise is not None:
            value, code = self.of(otherwise)
            uses = [value, code]
        for condition, result in reversed(pairs):
            (c, fail_c), (v, fail_v) = self.of(condition), self.of(result)
            uses += [c, fail_c, v, fail_v]
            value = self.named(f"CASE WHEN {truth(c)} THEN {v} ELSE {value} END", *uses)
            if (fail_c, fail_v, code) != (NEVER, NEVER, NEVER):
                code = self.named(f"CASE WHEN {fail_c} IS NOT NULL THEN {fail_c} "
                                  f"WHEN {truth(c)} THEN {fail_v} ELSE {code} END", *uses, code)
            uses += [value, code]
        return value, code

    def _coal(self, kind, left, right):
        (a, fail_a), (b, fail_b) = self.of(left), self.of(right)
        if kind == "float64":
            a, b = as_double(a, left[1]), as_double(b, right[1])
        good = f"({a} IS NOT NULL" + (f" AND {fail_a} IS NULL)" if fail_a != NEVER else ")")
        uses = [a.split("::")[0], b.split("::")[0], fail_a, fail_b]
        code = NEVER
        if fail_b != NEVER:
            code = self.named(f"CASE WHEN NOT {good} THEN {fail_b} END", *uses)
        return self.named(f"CASE WHEN {good} THEN {a} ELSE {b} END", *uses), code

    def _call(self, kind, name, args):
        values, codes = zip(*[self.of(arg) for arg in args])
        made = FUNCTIONS[name](values, [arg[1] for arg in args], args)
        value, own = made if isinstance(made, tuple) else (made, NEVER)
        if own != NEVER:
            own = self.named(own, *values)
        if name == "coalesce" and any(code != NEVER for code in codes):
            return self.named(value, *values), self._lazy_code(values, codes)
        return self.named(value, *values), self.code(*codes, own)

    def _lazy_code(self, values, codes):
        """What fails of arguments that are looked at up to the first that is not nil."""
        text = NEVER
        for value, code in reversed(list(zip(values, codes))):
            failed = f"WHEN {code} IS NOT NULL THEN {code} " if code != NEVER else ""
            text = f"CASE {failed}WHEN {value} IS NOT NULL THEN NULL ELSE {text} END"
        return self.named(text, *(part.split("::")[0] for part in (*values, *codes)))
