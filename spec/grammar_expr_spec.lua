local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local random = require("spec.support.random") -- reads WEIR_RANDOM_SECONDS
local random_expr = require("spec.support.random_expr")
local shape = require("spec.support.shape")

--- A tree as a fully bracketed text, which is easier to read than tables.
local brackets

local function joined(nodes)
  local parts = {}
  for i, child in ipairs(nodes) do
    parts[i] = brackets(child)
  end
  return table.concat(parts, ", ")
end

local forms = {
  lit = function(node)
    return node.type == "string" and ("'%s'"):format(node.v) or tostring(node.v)
  end,
  name = function(node)
    return node.name
  end,
  param = function(node)
    return "$" .. node.name
  end,
  un = function(node)
    return ("(%s %s)"):format(node.op, brackets(node.a))
  end,
  bin = function(node)
    local negated = node.neg and "not " or ""
    return ("(%s %s%s %s)"):format(brackets(node.a), negated, node.op, brackets(node.b))
  end,
  field = function(node)
    return ("%s.%s"):format(brackets(node.a), node.name)
  end,
  index = function(node)
    return ("%s[%s]"):format(brackets(node.a), brackets(node.i))
  end,
  over = function(node)
    return ("(%s over %s)"):format(brackets(node.a), brackets(node.frame))
  end,
  ["in"] = function(node)
    local right = node.set and "{" .. joined(node.set) .. "}" or brackets(node.list)
    return ("(%s %sin %s)"):format(brackets(node.a), node.neg and "not " or "", right)
  end,
  call = function(node)
    local inner = joined(node.args)
    if node.where then
      inner = inner .. " where " .. brackets(node.where)
    end
    for i, item in ipairs(node.order or {}) do
      local word = i == 1 and "order by" or ","
      local direction = item.desc and " desc" or ""
      inner = ("%s %s %s%s"):format(inner, word, brackets(item.expr), direction)
    end
    if node.limit then
      inner = inner .. " limit " .. brackets(node.limit)
    end
    return ("%s(%s)"):format(node.name, inner)
  end,
}
function brackets(node)
  return forms[node.k](node)
end

local function read(text)
  local ast, err = expr.parse_expr(text)
  assert(ast, err and ("%s: %s"):format(text, err.message))
  return brackets(ast)
end

local function items(text, opts)
  local list, err = expr.parse_list(text, opts)
  assert(list, err and ("%s: %s"):format(text, err.message))
  local out = {}
  for i, item in ipairs(list) do
    local word = item.is_local and "local " or ""
    out[i] = ("%s%s = %s"):format(word, tostring(item.name), brackets(item.expr))
  end
  return out
end

--- The error of a text as `code`, the marked part of the text, message, help.
local function refusal(parse, text, opts)
  local ast, err = expr[parse](text, opts)
  assert.is_nil(ast, "was taken: " .. text)
  return err.code, text:sub(err.from, err.to), err.message, err.help
end

local function check_refusals(parse, cases)
  for _, case in ipairs(cases) do
    local text, code, part, words = case[1], case[2], case[3], case[4]
    local got_code, got_part, message, help = refusal(parse, text)
    local both = message .. " " .. (help or "")
    assert.same({ text, code, part }, { text, got_code, got_part })
    local found = not words or both:find(words, 1, true)
    assert(found, ("%s: `%s` not in: %s"):format(text, words or "", both))
  end
end

describe("grammar.expr: operators", function()
  it("have Lua's precedence, and `??` its own place", function()
    for text, want in pairs({
      ["a + b * c"] = "(a + (b * c))",
      ["a or b and c"] = "(a or (b and c))",
      ["a and b or c"] = "((a and b) or c)",
      ["not a == b"] = "((not a) == b)",
      ["a - b - c"] = "((a - b) - c)",
      ["a .. b .. c"] = "(a .. (b .. c))",
      ["a .. b + c"] = "(a .. (b + c))",
      ["-x ^ 2"] = "(- (x ^ 2))",
      ["2^-1"] = "(2 ^ (- 1))",
      ["2 ^ 3 ^ 4"] = "(2 ^ (3 ^ 4))",
      ["2^-3*4"] = "((2 ^ (- 3)) * 4)",
      ["a ?? b ?? c"] = "(a ?? (b ?? c))",
      ["a ?? 0 > 100"] = "((a ?? 0) > 100)",
      ["a ?? b + 1"] = "(a ?? (b + 1))",
      ["a | b ~ c & d << 1"] = "(a | (b ~ (c & (d << 1))))",
      ["a << b .. c"] = "(a << (b .. c))",
      ["#a + ~b"] = "((# a) + (~ b))",
      ["a ~= b and a ~ b == 1"] = "((a ~= b) and ((a ~ b) == 1))",
      ["f(x) ?? a"] = "(f(x) ?? a)",
      ["a // b % c"] = "((a // b) % c)",
      ["a--b"] = "a",
      ["a - -b"] = "(a - (- b))",
      ["not not a"] = "(not (not a))",
    }) do
      assert.same({ text, want }, { text, read(text) })
    end
  end)
  it("know `in` and `like`, negated by `not` behind the operand", function()
    assert.equal("(a in {1, 2})", read("a in (1, 2)"))
    assert.equal("(x not in {1})", read("x not in (1)"))
    assert.equal("(a in $list)", read("a in $list"))
    assert.equal("(a in f(b))", read("a in f(b)"))
    assert.equal("((a + 1) in {(b + 1)})", read("a + 1 in (b + 1)"))
    assert.equal("(name not like 'a%')", read("name not like 'a%'"))
    assert.equal("((a in {1}) and (b in {2}))", read("a in (1) and b in (2)"))
    assert.equal("((not (a in {1})) or b)", read("not (a in (1)) or b"))
  end)
end)

describe("grammar.expr: operands", function()
  it("are Lua's literals", function()
    for text, want in pairs({
      ["0x10"] = 16, ["0xA.8p1"] = 21.0, ["1e2"] = 100.0, [".5"] = 0.5, ["3."] = 3.0, ["007"] = 7,
      ["9223372036854775807"] = math.maxinteger, ["0xffffffffffffffff"] = -1,
      ["'a\\n\\65\\x41\\u{20AC}\\z  \n b'"] = "a\nAA€b", ['"\\"q\\""'] = '"q"',
      ["[[\nab]]"] = "ab", ["[==[ ]] ]=] ]==]"] = " ]] ]=] ", ["[[a\r\nb]]"] = "a\nb",
    }) do
      local ast = assert(expr.parse_expr(text))
      assert.same({ text, want, math.type(want) }, { text, ast.v, math.type(ast.v) })
    end
  end)
  it("are paths, calls, methods and typed literals", function()
    for text, want in pairs({
      ["a.b[1].c"] = "a.b[1].c",
      ["m['k']"] = "m['k']",
      ["math.floor(x)"] = "math.floor(x)",
      ["string . rep ( x , 2 )"] = "string.rep(x, 2)",
      ["url:match '^a':lower()"] = "lower(match(url, '^a'))",
      ["timestamp'2024-03-31T10:00:00Z'"] = "timestamp('2024-03-31T10:00:00Z')",
      ["('x'):rep(3)"] = "rep('x', 3)",
      ["f [[x]]"] = "f('x')",
      ["a.`end`"] = "a.end",
      ["`Total Amount` + `a.b` + `x``y`"] = "((Total Amount + a.b) + x`y)",
      ["größe > $mín"] = "(größe > $mín)",
    }) do
      assert.same({ text, want }, { text, read(text) })
    end
    assert.is_true(expr.parse_expr("x:f()").method)
    assert.is_nil(expr.parse_expr("f(x)").method)
  end)
  it("are aggregates with where, order by, limit and a frame", function()
    for text, want in pairs({
      ["sum(x where c order by o desc, p limit 3)"] = "sum(x where c order by o desc , p limit 3)",
      ["count(where a) over '1h'"] = "(count( where a) over '1h')",
      ["avg(x) over 10 + 1"] = "((avg(x) over 10) + 1)",
      ["sum(x) over $frame"] = "(sum(x) over $frame)",
      ["sum(amount where event == 'paid') ?? 0"] = "(sum(amount where (event == 'paid')) ?? 0)",
      ["f(order by x limit $n)"] = "f( order by x limit $n)",
    }) do
      assert.same({ text, want }, { text, read(text) })
    end
  end)
  it("are columns with the names of words", function()
    for text, want in pairs({
      ["like like 'x'"] = "(like like 'x')",
      ["avg(limit)"] = "avg(limit)",
      ["count(where)"] = "count(where)",
      ["count(where == 1)"] = "count((where == 1))",
      ["count(where (a))"] = "count( where a)",
      ["count(where.a)"] = "count(where.a)",
      ["order + by + limit + over"] = "(((order + by) + limit) + over)",
      ["desc .. asc .. count"] = "(desc .. (asc .. count))",
      ["over over '1h'"] = "(over over '1h')",
    }) do
      assert.same({ text, want }, { text, read(text) })
    end
  end)
  it("stand between blanks and comments of every kind", function()
    assert.equal("(a + b)", read(" --[[ x\n ]] a -- c\n + --[==[ ]] ]==] b -- end"))
    assert.equal("(a + b)", read("\ta\r\n+\v\fb"))
  end)
end)

describe("grammar.expr: positions", function()
  it("span each node from its first to its last byte, brackets included", function()
    local text = "( größe + 1 ) * f(x where y) over '1h'"
    local seen = {}
    expr.walk(assert(expr.parse_expr(text)), function(node)
      seen[#seen + 1] = node.k .. ":" .. text:sub(node.from, node.to)
    end)
    assert.same({
      "bin:" .. text, "bin:( größe + 1 )", "name:größe", "lit:1", "over:f(x where y) over '1h'",
      "call:f(x where y)", "name:y", "name:x", "lit:'1h'",
    }, seen)
  end)
  it("tell where operators and called names stand", function()
    local text = "a  ..  x:lower()"
    local ast = assert(expr.parse_expr(text))
    assert.equal(4, ast.at)
    assert.equal("lower", text:sub(ast.b.name_from, ast.b.name_to))
  end)
end)

describe("grammar.expr: lists", function()
  it("are separated by commas, or by lines before `name =`", function()
    assert.same({ "a = 1", "b = 2", "c = c" }, items("a = 1\n b = 2, c"))
    assert.same({ "x = like", "like = 3" }, items("x = like\nlike = 3"))
    assert.same({ "order = 1", "by = 2" }, items("order = 1\nby = 2"))
    assert.same({ "a = (1 - 1)" }, items("a = 1\n-1"))
    assert.same({ "x = a", "y = 2" }, items("x = a --[[\n]] y = 2"))
    assert.same({ "x = a", "y = 2" }, items("x = a -- note\ny = 2,\n"))
    assert.same({ "x = (a + b)", "y = 1" }, items("x = a +\n  b\ny = 1"))
  end)
  it("have helpers, bare columns and paths named by their last step", function()
    assert.same({ "local p = (s == 'paid')", "n = count( where p)" },
      items("local p = s == 'paid', n = count(where p)"))
    assert.same({ "a = a", "c = a.b.c", "k = m['k']" }, items("a, a.b.c, m['k'],"))
    local list = assert(expr.parse_list("a.b, x = 1"))
    assert.same({ true, false }, { list[1].bare, list[2].bare or false })
    assert.same({ 6, 6 }, { list[2].name_from, list[2].name_to })
  end)
  it("take keywords as names in backticks", function()
    assert.same({ "end = 1", "repeat = in" }, items("`end` = 1, `repeat` = `in`"))
    local columns = assert(expr.parse_columns("`end`, `in`"))
    assert.same({ "end", "in" }, { columns[1].name, columns[2].name })
    assert.equal("end", assert(expr.parse_order("`end` desc"))[1].expr.name)
    assert.same({ "nil = (end == in)" }, items("`end` == `in`", { unnamed = true }))
  end)
  it("may hold unnamed items only where that is asked for", function()
    assert.same({ "nil = (id == auction)", "k = k" }, items("id == auction, k", { unnamed = true }))
    assert.equal("W009", (refusal("parse_list", "id == auction")))
  end)
  it("take brackets on the next line as a call, and say so", function()
    local list = assert(expr.parse_list("a = b\n(c)"))
    assert.equal("call", list[1].expr.k)
    assert.is_true(list[1].expr.newline)
    assert.is_nil(assert(expr.parse_list("a = b (c)"))[1].expr.newline)
  end)
  it("refuse columns that are computed where only columns may stand", function()
    check_refusals("parse_columns", {
      { "b, a + 1", "W001", "a + 1", "the name of a column" },
      { "b, a.c", "W001", "a.c", "the name of a column" },
      { "b = a", "W001", "b = a", "the name of a column" },
      { "", "W008", "" },
    })
  end)
  it("name orders with their direction", function()
    local order = assert(expr.parse_order("desc desc, a + 1, b asc"))
    assert.same({ true, false, false }, { order[1].desc, order[2].desc, order[3].desc })
    assert.equal("(a + 1)", brackets(order[2].expr))
  end)
end)

describe("grammar.expr: what other languages write", function()
  it("is answered with what weir writes", function()
    check_refusals("parse_expr", {
      { "a != b", "W002", "!=", "`~=`" },
      { "a <> b", "W002", "<>", "`~=`" },
      { "a !== b", "W002", "!==", "`~=`" },
      { "a && b", "W003", "&&", "`and`" },
      { "a || b", "W003", "||", "`..`" },
      { "!a", "W003", "!", "`not`" },
      { "a == null", "W004", "null", "x == nil" },
      { "a == None", "W004", "None", "x == nil" },
      { "f(NULL)", "W004", "NULL", "x == nil" },
      { "a is null", "W004", "is null", "== nil" },
      { "a IS NOT NULL and b", "W004", "IS NOT NULL", "~= nil" },
      { "a is b", "W001", "is", "write `==`" },
      { "a = 1", "W005", "=", "write `==`" },
      { "f(x = 1)", "W005", "=", "write `==`" },
      { "a === 1", "W001", "===", "write `==`" },
      { "99999999999999999999", "W006", "99999999999999999999", "decimal'99999999999999999999'" },
      { "9223372036854775808", "W006", "9223372036854775808", "write a float" },
      { "0x1ffffffffffffffff", "W006", "0x1ffffffffffffffff", "16 hexadecimal" },
      { "c ? a : b", "W013", "?", "case(c, a, b)" },
      { "if(c, a, b)", "W013", "if", "case(c, a, b)" },
      { "case when a then b end", "W013", "case when", "case(c, a, b)" },
      { "ts - 5m", "W014", "5m", "duration'5m'" },
      { "1h30m", "W014", "1h30m", "duration'1h30m'" },
      { "a between 1 and 2", "W001", "between", "x >= a and x <= b" },
      { "count(*)", "W001", "*", "count()" },
      { "count(distinct x)", "W001", "distinct", "count_distinct" },
      { "cast(x as int)", "W001", "as", "int64(x)" },
      { "x::int", "W001", "::", "int64(x)" },
      { "x ** 2", "W001", "**", "x ^ y" },
      { "sum(x) over (partition by y)", "W112", "over", "group_by" },
      { "sum(x) over ()", "W112", "over", "group_by" },
      { "count() where a", "W001", "where", "count(where c)" },
      { "a AND b", "W001", "AND", "`and`, in lower case" },
      { "a in [1]", "W001", "[", "in (" },
      { "a == ok:limit", "W001", ":", "closing quote" },
      { "sum(x) over 1.5", "W112", "1.5", "row count" },
      { "{x}", "W001", "{", "$name" },
      { "a > ${x}", "W001", "${", "$name" },
      { "x => x + 1", "W001", "=>", "Lua function" },
      { "function(e) return e end", "W001", "function", "without quotes" },
      { "a > 1;", "W001", ";", "no `;`" },
    })
  end)
  it("is answered in lists too", function()
    check_refusals("parse_list", {
      { "a = b = c", "W005", "=", "write `==`" },
      { "a = 1 b = 2", "W010", "b", "before `b`" },
      { "a\nb", "W010", "b", "new line `name =`" },
      { "a = 1; b = 2", "W010", ";", "before `;`" },
      { "a as b", "W010", "as", "name = expression" },
      { "x := 2", "W001", ":=", "expected `=`" },
      { "count()", "W009", "count()", "n = count()" },
      { "(a)", "W009", "(a)", "name = …" },
      { "a, b, a", "W105", "a", "duplicate name `a`" },
      { "x = 1, `x` = 2", "W105", "`x`", "duplicate name `x`" },
      { "", "W008", "", "empty list" },
      { " -- only a comment\n", "W008", " -- only a comment\n", "empty list" },
      { "x = 'a, y = 1", "W007", "'a, y = 1", "not closed" },
    })
  end)
end)

describe("grammar.expr: comparisons", function()
  it("do not chain", function()
    check_refusals("parse_expr", {
      { "a < b < c", "W012", "<", "a < b and b < c" },
      { "a == b ~= c", "W012", "~=", "do not chain" },
      { "a in (1) == b", "W012", "==", "do not chain" },
      { "a like 'x' like 'y'", "W012", "like", "do not chain" },
      { "a in (1) .. 'x'", "W001", "..", "after a set" },
    })
    assert.equal("((a < b) == c)", read("(a < b) == c"))
  end)
  it("are not negated in front of their operand", function()
    check_refusals("parse_expr", {
      { "not x in (1)", "W012", "not x in", "x not in" },
      { "not x like 'a'", "W012", "not x like", "x not like" },
    })
    assert.equal("((not x) in {1})", read("(not x) in (1)"))
  end)
end)

describe("grammar.expr: keywords as names", function()
  it("are refused with the backticks to write", function()
    check_refusals("parse_list", {
      { "end = 1", "W011", "end", "`` `end` ``" },
      { "local end = 1", "W011", "end", "`` `end` ``" },
      { "nil = 1", "W011", "nil", "`` `nil` ``" },
      { "not = 1", "W011", "not", "`` `not` ``" },
      { "a = 1\nand = 2", "W011", "and", "`` `and` ``" },
      { "in = 1", "W011", "in", "`` `in` ``" },
      { "if = 1", "W011", "if", "`` `if` ``" },
      { "a, repeat", "W011", "repeat", "`` `repeat` ``" },
    })
    check_refusals("parse_expr", {
      { "a.end", "W011", "end", "`` `end` ``" },
      { "a + until", "W011", "until", "`` `until` ``" },
      { "a > $end", "W011", "end", "another name" },
    })
  end)
end)

describe("grammar.expr: texts that are broken", function()
  it("are refused where reading stopped, with what could follow", function()
    check_refusals("parse_expr", {
      { "", "W001", "", "unexpected end, expected an expression" },
      { "a +", "W001", "", "unexpected end, expected an expression" },
      { "a or )", "W001", ")", "expected an expression" },
      { "f(a", "W001", "", "expected an operator, `,` or `)`" },
      { "f(a b)", "W001", "b", "expected an operator, `,` or `)`" },
      { "a b", "W001", "b", "expected an operator or the end" },
      { "x in ()", "W001", ")", "expected an expression" },
      { "x in (1,)", "W001", ")", "expected an expression" },
      { "a.b.c(d)", "W001", "(", "a function's name" },
      { "5:abs()", "W001", ":", "(5)" },
      { "'x':rep(3)", "W001", ":", "('x')" },
      { "$5", "W001", "5", "expected a name" },
      { "a @ b", "W001", "@", "unexpected `@`" },
      { "a \0 b", "W001", "\0", "unexpected" },
      { "größe ö b", "W001", "ö", "unexpected `ö`" },
      { "a × b", "W001", "×", "unexpected `×`" },
    })
  end)
  it("are refused for strings, comments and numbers that do not end well", function()
    check_refusals("parse_expr", {
      { "a == 'abc", "W007", "'abc", "write `'`" },
      { 'a == "abc\n + b', "W007", '"abc', 'write `"`' },
      { "[[ a", "W007", "[[", "write `]]`" },
      { "a --[=[ b ]]", "W001", "--[=[", "expected `]=]`" },
      { "`abc", "W007", "`abc", "backtick" },
      { "a + ``", "W007", "``", "not empty" },
      { "'a\\qb'", "W001", "\\q", "escape" },
      { "'\\300'", "W001", "\\3", "escape" },
      { "'\\u{110000000}'", "W001", "\\u", "escape" },
      { "3..2", "W001", "3..2", "malformed number" },
      { "0xg", "W001", "0xg", "malformed number" },
      { "12abc", "W001", "12abc", "malformed number" },
    })
  end)
  it("hint at the long string that `]]` has cut", function()
    check_refusals("parse_expr", { { "tags[idx[1", "W001", "", "[=[ … ]=]" } })
    check_refusals("parse_list", { { "x = tags[idx[1", "W001", "", "[=[ … ]=]" } })
  end)
end)

describe("grammar.expr: characters that look like others", function()
  it("are refused in bare words, with the one to write", function()
    check_refusals("parse_expr", {
      { "a ≠ b", "W001", "≠", "`~=`" },
      { "a≠b", "W001", "≠", "`~=`" },
      { "country == ‘DE’", "W001", "‘", "`'`" },
      { "country == “New York”", "W001", "“", "`\"`" },
      { "amount\u{a0}> 1", "W001", "\u{a0}", "plain blank" },
      { "amount >\u{200b} 1", "W001", "\u{200b}", "plain blank" },
      { "a − 1", "W001", "−", "`-`" },
      { "a.b\u{a0}", "W001", "\u{a0}", "plain blank" },
      { "lower\u{feff}(x)", "W001", "\u{feff}", "plain blank" },
      { "a > $min\u{a0}", "W001", "\u{a0}", "plain blank" },
    })
    check_refusals("parse_list", { { "x\u{a0}= 1", "W001", "\u{a0}", "plain blank" } })
  end)
  it("are letters between backticks, and text in strings", function()
    assert.equal("(a≠b == '“x” ')", read("`a≠b` == '“x”\u{a0}'"):gsub("\u{a0}", " "), nil)
    assert.equal("größe", read("größe"))
  end)
end)

describe("grammar.expr: bounds", function()
  it("hold for brackets inside brackets", function()
    local function nested(open, close, n)
      return open:rep(n) .. "a" .. close:rep(n)
    end
    assert.is_table(expr.parse_expr(nested("(", ")", expr.NESTING_MAX)))
    for _, pair in ipairs({ { "(", ")" }, { "f(", ")" }, { "a[", "]" }, { "x in (", ")" } }) do
      local code, _, message = refusal("parse_expr", nested(pair[1], pair[2], 20000))
      assert.same({ "W001", "brackets inside brackets, deeper than 100 levels" }, { code, message })
    end
  end)
  it("do not count brackets in strings, comments and names", function()
    assert.is_table(expr.parse_expr(("'((((' .. "):rep(200) .. "`((((` --((("))
    assert.is_table(expr.parse_expr(("f(a[1]) + "):rep(200) .. "a"))
  end)
  it("hold for operators, calls and steps of one expression", function()
    assert.is_table(expr.parse_expr(("1+"):rep(expr.NODES_MAX) .. "1"))
    for _, text in ipairs({
      ("1+"):rep(9999) .. "1", ("- "):rep(9999) .. "1", ("a."):rep(9999) .. "a",
      ("a^"):rep(100000) .. "a",
    }) do
      assert.matches("more than 4000 operators", (select(3, refusal("parse_expr", text))))
    end
    local many = {}
    for i = 1, expr.NODES_MAX do
      many[i] = ("x%d = 1 + 2 + 3"):format(i)
    end
    assert.equal(expr.NODES_MAX, #assert(expr.parse_list(table.concat(many, ","))))
  end)
  it("hold for the bytes of a text", function()
    assert.matches("at most 262144", (select(3, refusal("parse_expr", (" "):rep(300000)))))
  end)
  it("keep refusals fast: nothing is read twice for each level", function()
    local started = os.clock()
    for _, open in ipairs({ "x in (", "count(where f(", "f(", "a[", "a:f(", "(" }) do
      refusal("parse_expr", open:rep(45) .. "!")
    end
    assert.is_true(os.clock() - started < 2)
  end)
end)

describe("grammar.expr: quote", function()
  it("writes names so that they read back", function()
    local names = { "a", "end", "null", "a b", "x`y", "9a", "größe", "a.b", "\xff", "`" }
    names[#names + 1] = ("n"):rep(1000)
    for _, name in ipairs(names) do
      local ast = assert(expr.parse_expr(expr.quote(name)), name)
      assert.same({ "name", name }, { ast.k, ast.name })
    end
    assert.equal("amount", expr.quote("amount"))
  end)
end)

describe("grammar.expr: random trees", function()
  it(("read back from random texts (WEIR_SEED=%d)"):format(random.seed), function()
    for _ in random.rounds(1) do
      local tree = random_expr.generate(4)
      local text = random_expr.print(tree)
      local ast, err = expr.parse_expr(text)
      assert(ast, err and ("%s\n%s"):format(err.message, text))
      assert.equal(shape(tree), shape(ast))
      expr.walk(ast, function(node)
        local part = text:sub(node.from, node.to)
        local again = assert(expr.parse_expr(part), part)
        assert.equal(shape(node), shape(again))
      end)
    end
  end)
end)

describe("grammar.lex: decode", function()
  it("maps each decoded byte to the byte of the literal it came from", function()
    local map = {}
    local value = lex.decode('"a\\n\\u{20AC}\\z  b\\065"', map)
    assert.equal("a\n€bA", value)
    local past = { 3, 5, 13, 13, 13, 18, 22, 23 }
    assert.same({ 2, 3, 5, 5, 5, 17, 18, 22, past = past }, map)
    map = {}
    assert.equal("a\nb", lex.decode("[=[\r\na\r\nb]=]", map))
    assert.same({ 6, 7, 9, 10, past = { 7, 8, 10, 11 } }, map)
  end)
end)
