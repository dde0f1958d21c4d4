--- The grammar of expressions: text in, plain tables out.
--- LPeg reads operands and operators; precedence is then climbed by a table ("Lua 5.4 Reference
--- Manual", 3.4.8), which keeps the grammar flat: an operand costs no rule for each level.
---
--- Every node has `k`, `from`, `to` (first and last byte in the text). Kinds:
---   {k="lit", type="nil"|"bool"|"int64"|"float64"|"string", v=}
---   {k="name", name=}   {k="param", name=}   {k="un", op="not"|"-"|"#"|"~", a=}
---   {k="bin", op=, a=, b=, at=, neg=true for `not like`}
---   {k="in", neg=, a=, set={…}} or {k="in", neg=, a=, list=}   {k="over", a=, frame=}
---   {k="call", name=, args={…}, method=, where=, order={{expr=, desc=}…}, limit=, name_from=,
---    name_to=, newline=true when the brackets stand on a later line than the name}
---   {k="field", a=, name=}   {k="index", a=, i=}
--- Brackets leave no node; the span of what they hold includes them.
local lpeg = require("lpeg")
local lex = require("weir.grammar.lex")
local P, V, C, Cc, Cf, Cg, Cp, Ct, Carg, Cmt =
  lpeg.P, lpeg.V, lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Cp, lpeg.Ct, lpeg.Carg, lpeg.Cmt
local byte, find, sub = string.byte, string.find, string.sub
local M = {}

--- Bytes of one text.
M.TEXT_BYTES_MAX = 262144
--- Brackets inside brackets.
M.NESTING_MAX = 100
--- Operators, calls and path steps of one item; bounds the depth of a tree for whoever walks it.
M.NODES_MAX = 4000

-- The parse that is going on. No call here yields, so one at a time is enough.
local subject -- the text
local failure -- the first error that the shape alone did not show
local node_count -- of the item that is being built

--- Remembers an error of a text whose shape is right; the one nearest to the start is reported.
local function refuse(code, from, to, message, help)
  if not failure or from < failure.from then
    failure = { code = code, from = from, to = to, message = message, help = help }
  end
end

local function count_node(from, to)
  node_count = node_count + 1
  if node_count > M.NODES_MAX then
    refuse("W001", from, to,
      ("more than %d operators and calls in one expression"):format(M.NODES_MAX))
  end
end

-- ── operands ────────────────────────────────────────────────────────────────────────────────────
local function literal(from, word)
  local to = from + #word - 1
  if word == "nil" then
    return { k = "lit", type = "nil", from = from, to = to }
  end
  return { k = "lit", type = "bool", v = word == "true", from = from, to = to }
end

local function number(from, text)
  local to = from + #text - 1
  local value = lex.number_value(text)
  if value == nil then
    refuse("W006", from, to, ("number %s does not fit int64"):format(text),
      text:find("^0[xX]") and "at most 16 hexadecimal digits"
        or ("write a float (`%s.0`) or `decimal'%s'`"):format(text, text))
    value = 0
  end
  local kind = math.type(value) == "integer" and "int64" or "float64"
  return { k = "lit", type = kind, v = value, from = from, to = to }
end

local function string_literal(from, raw)
  local value, bad_from, bad_to = lex.decode(raw)
  if value == nil then
    local escape = sub(raw, bad_from, bad_to)
    refuse("W001", from + bad_from - 1, from + bad_to - 1,
      ("unexpected `%s` in a string, expected an escape of Lua"):format(escape),
      "write `\\\\` for one backslash, or a long string `[=[ … ]=]`, where none is special")
    value = ""
  end
  return { k = "lit", type = "string", v = value, from = from, to = from + #raw - 1 }
end

--- Refuses a bare word with a character that only looks like something else.
local function check_word(from, word)
  local at, character, help = lex.look_alike(word)
  if at and byte(subject, from) ~= 96 then
    refuse("W001", from + at - 1, from + at + #character - 2,
      ("unexpected `%s`"):format(character), help)
  end
end

local function param(from, name)
  check_word(from + 1, name)
  return { k = "param", name = name, from = from, to = from + #name }
end

local function name_node(from, name, past)
  check_word(from, name)
  if lex.nil_words[name] and byte(subject, from) ~= 96 then
    refuse("W004", from, past - 1, ("`%s` is written `nil`"):format(name),
      ("write `x == nil`, `x ~= nil`; a column of that name is `` `%s` ``"):format(name))
  end
  return { k = "name", name = name, from = from, to = past - 1 }
end

local function qualified(first, second)
  return second and first .. "." .. second or first
end

--- `call` comes from the args rule with args, where, order, limit, open (its first byte) and past.
local function finish_call(call, name, from, name_from, name_past)
  call.k, call.name, call.from, call.to = "call", name, from, call.past - 1
  call.name_from, call.name_to = name_from, name_past - 1
  if call.open > name_past and find(sub(subject, name_past, call.open - 1), "[\r\n]") then
    call.newline = true
  end
  call.open, call.past = nil, nil
  count_node(name_from, name_past - 1)
  return call
end

local function call_node(from, name, past, call)
  check_word(from, name)
  return finish_call(call, name, from, from, past)
end

--- Lua lets no literal stand before `:`, `.` or `[`.
local function refuse_bare_literal(a, from)
  if a.k == "lit" and byte(subject, a.from) ~= 40 then
    local text = sub(subject, a.from, a.to)
    refuse("W001", from, from, ("unexpected `%s` after a literal"):format(sub(subject, from, from)),
      ("put the literal into brackets: `(%s)`"):format(text))
  end
end

local suffixes = {
  method = function(a, at, name_from, name, name_past, call)
    refuse_bare_literal(a, at)
    table.insert(call.args, 1, a)
    call.method = true
    return finish_call(call, name, a.from, name_from, name_past)
  end,
  field = function(a, at, name, past)
    refuse_bare_literal(a, at)
    check_word(past - #name, name)
    return { k = "field", a = a, name = name, from = a.from, to = past - 1 }
  end,
  index = function(a, at, i, past)
    refuse_bare_literal(a, at)
    return { k = "index", a = a, i = i, from = a.from, to = past - 1 }
  end,
  over = function(a, _, frame)
    if frame.type == "float64" then
      refuse("W112", frame.from, frame.to, "`over` takes `'1h'` or a row count, after an aggregate")
    end
    return { k = "over", a = a, frame = frame, from = a.from, to = frame.to }
  end,
}
local function suffix(a, kind, at, ...)
  local node = suffixes[kind](a, at, ...)
  count_node(at, at)
  return node
end

local function bracketed(from, node, past)
  node.from, node.to = from, past - 1
  return node
end

-- ── operators ───────────────────────────────────────────────────────────────────────────────────
local LEFT = {
  ["or"] = 1, ["and"] = 2,
  ["=="] = 3, ["~="] = 3, ["<"] = 3, ["<="] = 3, [">"] = 3, [">="] = 3,
  ["like"] = 3, ["not like"] = 3, ["in"] = 3, ["not in"] = 3,
  ["??"] = 5, ["|"] = 6, ["~"] = 7, ["&"] = 8, ["<<"] = 9, [">>"] = 9, [".."] = 11,
  ["+"] = 12, ["-"] = 12, ["*"] = 13, ["/"] = 13, ["//"] = 13, ["%"] = 13, ["^"] = 16,
}
-- Lower than LEFT: to the right. `??`, `..` and `^` are.
local RIGHT = setmetatable({ ["??"] = 4, [".."] = 10, ["^"] = 15 }, { __index = LEFT })
local COMPARISON, UNARY = 3, 14

-- What `climb` reads: prefix operators and operators as position, text; operands as tables.
local seq, seq_at

local function refuse_after_comparison(left, at, op)
  local to = at + #op - 1
  if LEFT[op] == COMPARISON then
    refuse("W012", at, to, "comparisons do not chain",
      left.k == "bin" and "write `a < b and b < c`" or "write `a in (…) and b`, or brackets")
  else
    refuse("W001", at, to, ("unexpected `%s` after a set, expected `and` or `or`"):format(op))
  end
end

--- `not x in (…)` is `(not x) in (…)`, which nobody means.
local function refuse_negated(left, at, op)
  if left.k == "un" and left.op == "not" and byte(subject, left.from) ~= 40 then
    local word = op:match("%a+$")
    refuse("W012", left.from, at + #word - 1, "`not` binds tighter than a comparison",
      ("write `x not %s …`"):format(word))
  end
end

local function binary(left, at, op, right)
  count_node(at, at + #op - 1)
  local node = { k = "bin", op = op, a = left, b = right, at = at, from = left.from, to = right.to }
  if op == "in" or op == "not in" then
    refuse_negated(left, at, op)
    node.k, node.op, node.b, node.at, node.neg = "in", nil, nil, nil, op == "not in"
    if right.k == "set" then
      node.set = right.members
    else
      node.list = right
    end
  elseif op == "not like" or op == "like" then
    refuse_negated(left, at, op)
    node.op, node.neg = "like", op == "not like" or nil
  end
  return node
end

local function climb_from(limit)
  local left = seq[seq_at]
  if type(left) == "number" then
    local from, op = left, seq[seq_at + 1]
    seq_at = seq_at + 2
    local a = climb_from(UNARY)
    count_node(from, from)
    left = { k = "un", op = op, a = a, from = from, to = a.to }
  else
    seq_at = seq_at + 1
  end
  local compared = false
  while true do
    local at, op = seq[seq_at], seq[seq_at + 1]
    if at == nil or LEFT[op] <= limit then
      return left
    end
    if compared and LEFT[op] >= COMPARISON then
      refuse_after_comparison(left, at, op)
    end
    seq_at = seq_at + 2
    local right = seq[seq_at]
    if type(right) == "table" and right.k == "set" then
      seq_at = seq_at + 1
    else
      right = climb_from(RIGHT[op])
    end
    left = binary(left, at, op, right)
    compared = LEFT[op] == COMPARISON
  end
end

local function climb(_, past, first, second, ...)
  if second == nil then
    return past, first
  end
  seq, seq_at = { first, second, ... }, 1
  if #seq > 3 * M.NODES_MAX + 1 then
    refuse("W001", seq[#seq].from, seq[#seq].to,
      ("more than %d operators and calls in one expression"):format(M.NODES_MAX))
    return past, seq[#seq]
  end
  return past, climb_from(0)
end

local function set_node(from, members, past)
  return { k = "set", members = members, from = from, to = past - 1 }
end

-- ── items ───────────────────────────────────────────────────────────────────────────────────────
--- The name that a bare item has: its column, or the last step of its path.
local function bare_name(node)
  if byte(subject, node.from) == 40 then
    return nil
  elseif node.k == "name" or node.k == "field" then
    return node.name
  elseif node.k == "index" and node.i.k == "lit" and node.i.type == "string" then
    return node.i.v
  end
  return nil
end

local function new_item(_, i)
  node_count = 0
  return i
end

local function named_item(from, is_local, name_from, name, name_past, node)
  check_word(name_from, name)
  return {
    name = name, is_local = is_local, expr = node, from = from, to = node.to,
    name_from = name_from, name_to = name_past - 1,
  }
end

local function unnamed_item(node)
  local name = bare_name(node)
  return {
    name = name, bare = name and true or nil, is_local = false, expr = node,
    from = node.from, to = node.to, name_from = name and node.from, name_to = name and node.to,
  }
end

local function order_item(node, word)
  return { expr = node, desc = word == "desc", from = node.from, to = node.to }
end
local function order_word(item, past)
  item.to = past - 1
  return item
end

-- ── the grammar ─────────────────────────────────────────────────────────────────────────────────
--- Matches when the caller of `match` asked for `rule`.
local function asked(rule)
  return Cmt(Carg(1), function(_, i, wanted)
    return wanted == rule and i
  end)
end

--- Builds it. `token(pattern, label)` is called for what can be missing; the identity for speed,
--- one that notes positions for `expected …`. Rule S skips blanks; patterns begin after them.
--- Expressions are built while matching (Cmt), because LPeg bounds the nesting of captures that are
--- built afterwards. That is safe: what was built is given up only when the whole text is refused.
local function build(token) -- tidy: long: a grammar is one expression
  local S = V("S")
  local function word(text)
    return lex.word(text)
  end
  local function list_of(pattern)
    return pattern * (S * token(P(","), "`,`") * pattern) ^ 0
  end
  local operator = Cp()
    * C(P("==") + "~=" + "<<" + "<=" + "<" + ">>" + ">=" + ">" + "??" + "|" + "~" + "&" + ".." + "+"
      + "-" + "*" + "//" + "/" + "%" + "^" + word("and") + word("or") + word("like"))
  local not_op = Cp() * word("not") * S
  operator = operator + not_op * (word("like") * Cc("not like"))
  local in_operator = Cp() * word("in") * Cc("in") + not_op * word("in") * Cc("not in")
  local prefix = Cp() * (C(P("-") + "#" + (P("~") - "~=")) + C(word("not")))
  -- What an expression can begin with; decides whether `where` is the word or a column.
  local starts = lex.ident + lex.string + lex.number_like + lpeg.S("$(-#`") + (P("~") - "~=")
    + word("not") + word("nil") + word("true") + word("false")
  local clause = word("where") * S * #starts
  local by = word("order") * S * word("by")
  local limit = word("limit") * S * (V("Number") + V("Param"))
  local not_args = -clause * -by * -(word("limit") * S * #(lpeg.R("09") + "$"))
  return P({
    asked("list") * V("List")
      + asked("expr") * V("Expr") * V("End")
      + asked("order") * Ct(V("Order")) * V("End"),
    S = lex.skip,
    Name = lex.name, -- rules of their own, because keywords make them long
    Ident = C(lex.ident),
    End = S * token(-P(1), "the end"),
    List = Ct(V("Item") * (V("Sep") * V("Item")) ^ 0) * (S * ",") ^ -1 * V("End"),
    Sep = S * token(P(","), "`,`")
      + lex.skip_newline * #((word("local") * S) ^ -1 * V("Name") * S * "=" * -P("=")),
    Item = Cmt(P(true), new_item) * S
      * (Cp() * word("local") * S * Cc(true) * Cp() * token(V("Name"), "a name") * Cp() * S
          * token(P("=") * -P("="), "`=`") * V("Expr") / named_item
        + Cp() * Cc(false) * Cp() * V("Name") * Cp() * S * "=" * -P("=") * V("Expr") / named_item
        + V("Expr") / unnamed_item),
    Order = list_of(V("Expr") * (S * C(word("asc") + word("desc")) + Cc("asc")) / order_item * Cp()
      / order_word),
    Expr = Cmt(V("Operand")
      * (S * token(operator, "an operator") * V("Operand")
        + S * in_operator * (S * V("Set") + S * -P("(") * V("Operand"))) ^ 0, climb),
    Set = Cp() * "(" * Ct(list_of(V("Expr"))) * S * token(P(")"), "`)`") * Cp() / set_node,
    Operand = S * (prefix * S) ^ 0 * token(V("Post"), "an expression"),
    Post = Cf(V("Prim") * Cg(S * V("Suffix")) ^ 0, suffix),
    Suffix = Cc("method") * Cp() * ":" * S * Cp() * token(V("Name"), "a name") * Cp() * V("Args")
      + Cc("field") * Cp() * "." * -P(".") * S * token(V("Name"), "a name") * Cp()
      + Cc("index") * Cp() * "[" * V("Expr") * S * token(P("]"), "`]`") * Cp()
      + Cc("over") * Cp() * word("over") * S * (V("String") + V("Number") + V("Param")),
    Prim = Cp() * C(word("nil") + word("true") + word("false")) / literal
      + V("Number")
      + V("String")
      + V("Param")
      + Cp() * V("Func") * Cp() * V("Args") / call_node
      + Cp() * "(" * V("Expr") * S * token(P(")"), "`)`") * Cp() / bracketed
      + Cp() * V("Name") * Cp() / name_node,
    Func = V("Ident") * (S * "." * S * V("Ident")) ^ -1 / qualified,
    Number = Cp() * C(lex.number) / number,
    String = Cp() * C(lex.string) / string_literal,
    Param = Cp() * "$" * token(V("Ident"), "a name") / param,
    Args = S
      * Ct(Cg(Cp(), "open")
        * ("(" * S * Cg(Ct((not_args * list_of(V("Expr"))) ^ -1), "args")
          * Cg(S * word("where") * V("Expr"), "where") ^ -1
          * Cg(S * by * Ct(V("Order")), "order") ^ -1
          * Cg(S * limit, "limit") ^ -1
          * S * token(P(")"), "`)`")
          + Cg(Ct(V("String")), "args"))
        * Cg(Cp(), "past")),
  })
end

local grammar -- built for the first text

--- Why `text` has not the shape of `rule`: the furthest place that was reached, and what could
--- stand there. The grammar is built a second time, only now that it is needed.
local tracking, furthest, expected
local function track(rule, text)
  if not tracking then
    tracking = build(function(pattern, label)
      return pattern + Cmt(P(true), function(_, i)
        if i > furthest then
          furthest, expected = i, {}
        end
        if i == furthest then
          expected[label] = true
        end
        return true
      end) * P(false)
    end)
  end
  furthest, expected = 0, {}
  tracking:match(text, 1, rule)
  return furthest, expected
end

--- Where brackets stand deeper than NESTING_MAX, or nil.
local function too_deep(text)
  local _, opened = text:gsub("[%(%[]", "")
  if opened <= M.NESTING_MAX then
    return nil
  end
  local depth, i = 0, 1
  local skip = lex.skip * Cp()
  while i <= #text do
    local past = lpeg.match(skip, text, i)
    local quoted = lpeg.match((lex.name + lex.string) / 0 * Cp(), text, past)
    local c = byte(text, past)
    if c == 40 or c == 91 then
      depth = depth + 1
      if depth > M.NESTING_MAX then
        return past
      end
    elseif c == 41 or c == 93 then
      depth = depth - 1
    end
    i = quoted or past + 1
  end
  return nil
end

local function parse(rule, text)
  if #text > M.TEXT_BYTES_MAX then
    return nil, {
      code = "W001", from = 1, to = 1,
      message = ("text of %d bytes, expected at most %d"):format(#text, M.TEXT_BYTES_MAX),
    }
  end
  local deep = too_deep(text)
  if deep then
    return nil, {
      code = "W001", from = deep, to = deep,
      message = ("brackets inside brackets, deeper than %d levels"):format(M.NESTING_MAX),
      help = "name the inner part in a `local` item, or in a `derive` before",
    }
  end
  grammar = grammar or build(function(pattern)
    return pattern
  end)
  subject, failure, node_count = text, nil, 0
  local ast = grammar:match(text, 1, rule)
  if ast and not failure then
    return ast
  elseif ast then
    return nil, failure
  end
  return nil, require("weir.grammar.expr_error").explain(rule, text, track(rule, text))
end

-- ── what callers use ────────────────────────────────────────────────────────────────────────────
--- One expression.
---@param text string
---@return table? ast, table? err
function M.parse_expr(text)
  return parse("expr", text)
end

--- An order: `expr asc, expr desc`.
---@param text string
---@return table[]? orders {expr=, desc=, from=, to=}
---@return table? err
function M.parse_order(text)
  return parse("order", text)
end

local function check_items(items, opts)
  local seen = {}
  for _, item in ipairs(items) do
    if not item.name and not opts.unnamed then
      local text = sub(subject, item.from, item.to)
      local name = item.expr.k == "call" and "n" or "x"
      return {
        code = "W009", from = item.from, to = item.to,
        message = "this item needs a name: `name = …`",
        help = ("write `%s = %s`"):format(name, #text < 60 and text or "…"),
      }
    elseif item.name and seen[item.name] then
      return {
        code = "W105", from = item.name_from, to = item.name_to,
        message = ("duplicate name `%s`"):format(item.name),
        help = "a list names each column once; give one of them another name",
      }
    end
    if item.name then
      seen[item.name] = true
    end
  end
  return nil
end

--- A list of items, by commas, or by new lines before `name =`.
---@param text string
---@param opts { unnamed: boolean? }? unnamed: an item may be any expression without a name (`on`)
---@return table[]? items {name=, bare=, is_local=, expr=, from=, to=, name_from=, name_to=}
---@return table? err
function M.parse_list(text, opts)
  if lpeg.match(lex.skip * -1, text) then
    return nil, { code = "W008", from = 1, to = math.max(#text, 1), message = "empty list" }
  end
  local items, err = parse("list", text)
  if not items then
    return nil, err
  end
  err = check_items(items, opts or {})
  if err then
    return nil, err
  end
  return items
end

--- A list of bare columns.
---@param text string
---@return table[]? items as of parse_list, each a bare column
---@return table? err
function M.parse_columns(text)
  local items, err = M.parse_list(text, { unnamed = true })
  if not items then
    return nil, err
  end
  for _, item in ipairs(items) do
    if not item.bare or item.expr.k ~= "name" then
      local part = sub(text, item.from, item.to)
      return nil, {
        code = "W001", from = item.from, to = item.to,
        message = ("unexpected `%s`, expected the name of a column"):format(part),
        help = "columns only stand here; compute others in a `derive` before",
      }
    end
  end
  return items
end

--- A name as a text has to write it: `` `odd name` `` where needed.
M.quote = lex.quote

--- Calls `visit(node)` for each node of an expression, outer ones first.
function M.walk(node, visit)
  visit(node)
  for _, key in ipairs({ "a", "b", "i", "list", "where", "limit", "frame" }) do
    if node[key] then
      M.walk(node[key], visit)
    end
  end
  for _, key in ipairs({ "args", "set", "order" }) do
    for _, child in ipairs(node[key] or {}) do
      M.walk(child.expr or child, visit)
    end
  end
end

return M
