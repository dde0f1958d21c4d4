"""lua_text.py: an expression as the text of a Lua function, where it means the same in both.

What fails in Lua itself is W511, not the code of its reason (`run.py` knows). `??` has no Lua form,
and `case` and `coalesce` take all their values at once, so that they may only hold what cannot
fail. Raises Unsaid for the rest.
"""

import expressions
from expressions import DECIMAL, LEVEL

FAILS = {"//", "%", "+", "-", "*"}  # by 0, or over the end of a time
CALLS_FAIL = {"int64", "float64", "bool", "floor", "ceil", "trunc", "round", "decimal"}


def may_lack_type(node):
    """A `case` somewhere may have nils alone for values, which have no type in Lua."""
    if not isinstance(node, (list, tuple)):
        return False
    if len(node) == 4 and node[0] == "case":
        values = [value for _, value in node[2]] + [node[3]]
        if not any(value and value[0] == "lit" and value[2] is not None for value in values):
            return True
    return any(may_lack_type(part) for part in node)


class Unsaid(Exception):
    """The expression has no Lua form that means the same."""


def can_fail(node):
    kind = node[0]
    if kind == "bin" and node[2] in FAILS and node[1] != "float64":
        return True
    if kind == "call" and node[2] in CALLS_FAIL:
        return True
    return any(can_fail(part) for part in node if isinstance(part, list) and part) \
        if isinstance(node, list) and node and isinstance(node[0], (str, list)) else False


def string(text):
    out = []
    for byte in text.encode():
        out.append("\\" + chr(byte) if byte in b'"\\' else
                   chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}")
    return '"' + "".join(out) + '"'


class Writer:
    def __init__(self, row="e"):
        self.row, self.locals = row, {}

    def text(self, node):
        return getattr(self, "_" + node[0])(*node[1:])

    def _col(self, _, name):
        if name in self.locals:
            return self.locals[name]
        if expressions.ident(name) == name and name.isascii():
            return f"{self.row}.{name}"
        return f"{self.row}[{string(name)}]"

    def _lit(self, kind, value):
        if value is None:
            return "nil"
        if kind == "int64" and value == -(1 << 63):
            return "math.mininteger"
        if kind in ("bool", "int64", "float64"):
            return f"({expressions.literal_text(kind, value)})"
        if kind == "string":
            return string(value)
        if kind == "bytes":
            return f'unhex("{value}")'
        if kind == DECIMAL:
            return f'decimal("{value}")'
        text = {"timestamp": expressions.timestamp_text, "date": expressions.date_text,
                "duration": expressions.duration_text}[kind](value)
        return f'{kind}("{text}")'

    def _bin(self, kind, op, left, right):
        if kind.startswith("decimal") or (op in ("==", "~=") and any(
                side[1].startswith("decimal") for side in (left, right))):
            raise Unsaid("decimals of two scales")
        assert op in LEVEL
        return f"({self.text(left)} {op} {self.text(right)})"

    def _un(self, _, op, arg):
        return f"({op} {self.text(arg)})"

    def _in(self, _, negated, arg, members):
        value = self.text(arg)
        found = " or ".join(f"{value} == {self.text(member)}" for member in members)
        return f"(not ({found}))" if negated else f"({found})"

    def _like(self, _, negated, arg, pattern):
        found = f"like({self.text(arg)}, {string(pattern)})"
        return f"(not {found})" if negated else found

    def _case(self, kind, pairs, otherwise):
        parts = [part for pair in pairs for part in pair]
        parts += [otherwise] if otherwise is not None else []
        if any(can_fail(part) for part in parts):
            raise Unsaid("case takes its values at once")
        return f"case({', '.join(self.text(part) for part in parts)})"

    def _coal(self, *_):
        raise Unsaid("??")

    def _call(self, kind, name, args):
        if name == "coalesce" and any(can_fail(arg) for arg in args):
            raise Unsaid("coalesce takes its values at once")
        if name == "trunc_every":
            return f'trunc({self.text(args[0])}, "{expressions.duration_text(args[1][2])}")'
        if args[0][1].startswith("list"):
            raise Unsaid("a list")
        if name == "string" and args[0][1].startswith("decimal") and args[0][0] != "col":
            raise Unsaid("a decimal of a text has ten digits behind the point")
        if name == "date" and args[0][1] == "string":
            raise Unsaid(name)
        name = "trunc" if name == "trunc_time" else name
        return f"{name}({', '.join(self.text(arg) for arg in args)})"


def function(items, style, emits=False):
    """`function(e) … return v1, v2 end` of a list of items; `emits`: that of flat_map."""
    writer, lines, results = Writer("e" if style % 2 else "row"), [], []
    for at, (name, is_local, expr) in enumerate(items):
        text = writer.text(expr)
        if is_local and can_fail(expr):
            raise Unsaid("a helper of a list fails only where it is read")
        if len(items) > 1 or style % 3 == 0:
            lines.append(f"local v{at} = {text}")
            text = f"v{at}"
            writer.locals[name] = text
        if not is_local:
            results.append(text)
    if style % 5 < 2:  # no expression any more: this one is not lifted
        lines.append(f"local all = table.pack({', '.join(results)})")
        results = [f"all[{i + 1}]" for i in range(len(results))]
    end = f"emit({', '.join(results)})" if emits else f"return {', '.join(results)}"
    head = f"function({writer.row}{', emit' if emits else ''})"
    return head + "\n    " + "\n    ".join(lines + [end]) + "\n  end"
