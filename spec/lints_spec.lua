-- Hints about expressions: what is named, what is not, and where.
local expr = require("weir.grammar.expr")
local lints = require("weir.lints")
local has_native, native = pcall(require, "weir.native")

local FIELDS = {
  { name = "flag", type = { kind = "bool" } }, { name = "n", type = { kind = "int64" } },
  { name = "m", type = { kind = "int64" } }, { name = "x", type = { kind = "float64" } },
  { name = "s", type = { kind = "string" } },
  { name = "sure", type = { kind = "string" }, required = true },
  { name = "_line", type = { kind = "int64" } },
  { name = "cafe\u{301}", type = { kind = "int64" } },
  { name = "caf\u{e9}", type = { kind = "int64" } },
}
local NATIVE = { is_nfc = has_native and native.is_nfc, functions = function()
  return {
    { name = "upper", flags = { strict = true } }, { name = "int64", flags = { strict = true,
      can_fail = true } }, { name = "nullif", flags = { can_nil = true } },
    { name = "coalesce", flags = {} },
  }
end }

--- "W901 4-20; …" of a list.
local function hints(text, strict)
  local items = assert(expr.parse_list(text))
  local found = {}
  local all = lints.find({ { arg = "1", items = items } }, { ["1"] = text }, FIELDS,
    { strict = strict, native = NATIVE })
  for i, each in ipairs(all) do
    found[i] = ("%s %s"):format(each.code, text:sub(each.from, each.to))
    assert.equal("1", each.arg)
  end
  return table.concat(found, "; ")
end

describe("W908", function()
  it("is said of a count that counts true and false", function()
    assert.equal("W908 count(n > 1)", hints("y = count(n > 1)"))
    assert.equal("W908 count(not flag)", hints("y = 1 + count(not flag)"))
  end)
  it("is not said of values, nor of `where`", function()
    assert.equal("", hints("y = count(n), z = count(where n > 1), flagged = count(flag)"))
    assert.equal("", hints("y = count()"))
  end)
end)

describe("W901", function()
  it("is said where b of `a and b or c` can be nil or false", function()
    assert.equal("W901 flag and s or 'x'", hints("y = flag and s or 'x'"))
    assert.equal("W901 flag and s .. '!' or 'x'", hints("y = flag and s .. '!' or 'x'"))
    assert.equal("W901 flag and upper(s) or 'x'", hints("y = flag and upper(s) or 'x'"))
    assert.equal("W901 flag and nullif(sure, '') or 'x'",
      hints("y = flag and nullif(sure, '') or 'x'"))
    assert.equal("W901 flag and n + 1 or 0", hints("y = upper(flag and n + 1 or 0)"))
    assert.equal("W901 flag and t or 'x'", hints("t = s, y = flag and t or 'x'"))
  end)
  it("is not said where b is always something, or all is a condition", function()
    assert.equal("", hints("y = flag and 'a' or s"))
    assert.equal("", hints("y = flag and sure or s"))
    assert.equal("", hints("y = flag and (s ?? '') or 'x'"))
    assert.equal("", hints("y = flag and upper(sure) or 'x'"))
    assert.equal("", hints("y = n > 1 and flag or x > 2"))
    assert.equal("", hints("y = n > 1 and s == 'a' or x > 2"))
    assert.equal("", hints("y = s or 'x', t = sure, z = flag and t or s"))
    assert.equal("", hints("y = flag and coalesce(s, 'x') or 'y', word = 'this or that'"))
  end)
end)

describe("--strict", function()
  it("names what may fail and has no `??`", function()
    assert.equal("W904 int64(s)", hints("y = int64(s)", true))
    assert.equal("W904 n // m; W904 m % n", hints("y = n // m, z = m % n", true))
    assert.equal("", hints("y = int64(s) ?? 0, z = n // m ?? 0, u = n // 2, v = x // x", true))
    assert.equal("", hints("y = int64('7')", true))
    assert.equal("", hints("y = int64(s), z = n // m, p = n * m"))
  end)
  it("names sums, differences and products of int64", function()
    assert.equal("W906 n * m", hints("y = n * m", true))
    assert.equal("W906 n * m; W906 n * m * 2", hints("y = n * m * 2", true))
    assert.equal("W906 n + 1; W906 n - m", hints("y = n + 1, z = n - m", true))
    assert.equal("", hints("y = x * n, z = 2 * 3, u = float64(n) * m", true))
    assert.equal("", hints("y = x + n, z = 2 - 3, u = x - 1, v = n // 2", true))
  end)
end)

describe("names", function()
  it("that look like others are W905", function()
    if not has_native then
      pending("needs the program")
      return
    end
    assert.equal("W905 cafe\u{301}", hints("y = n + cafe\u{301}"))
    assert.equal("", hints("y = n + caf\u{e9}, z = 'cafe\u{301}'"))
  end)
  it("of the data that hide a column of weir are W907", function()
    assert.equal("W907 _line", hints("y = _line + 1"))
    assert.equal("", hints("y = _file"))
  end)
end)
