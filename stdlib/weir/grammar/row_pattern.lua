--- The grammar of row patterns (`match`): names with quantifiers, `|`, brackets, as the regular
--- expressions of SQL's MATCH_RECOGNIZE (ISO/IEC 19075-5). Text in, a tree and then a program out.
---
--- Nodes: {k="row", name=, from=, to=}   {k="seq", …}   {k="alt", …}
---        {k="repeat", a=, low=, high=nil for any number, reluctant=}
--- A program is a list of steps, numbered from 0; behind the last one a match is complete:
---   {op="row", variable=}        takes a row as that variable (numbered from 0)
---   {op="split", first=, second=}  both, the first one preferred        {op="jump", to=}
--- Source: Thompson, "Regular expression search algorithm", 1968; steps as in Cox, "Regular
--- expression matching: the virtual machine approach", 2009.
local lpeg = require("lpeg")
local lex = require("weir.grammar.lex")
local P, S, V, C, Cc, Cf, Cg, Cp, Ct, Cmt =
  lpeg.P, lpeg.S, lpeg.V, lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Cp, lpeg.Ct, lpeg.Cmt
local M = {}

--- Steps of a program; `{n,m}` is written out.
M.STEPS_MAX = 1000
--- Variables of one pattern.
M.VARIABLES_MAX = 64
--- Bytes of one text, which bounds the brackets inside brackets too.
M.TEXT_BYTES_MAX = 4096
local NESTING_MAX = 100

local furthest, expected, opened -- of the parse that is going on

--- Notes what could stand where a text goes wrong.
local function note(label)
  return Cmt(P(true), function(_, i)
    if i > furthest then
      furthest, expected = i, label
    end
    return true
  end) * P(false)
end

local function row(from, name, past)
  return { k = "row", name = name, from = from, to = past - 1 }
end

local function group(from, node, past)
  node.from, node.to = from, past - 1
  return node
end

--- Of several nodes one; of one, itself.
local function joined(kind)
  return function(list)
    if #list == 1 then
      return list[1]
    end
    list.k, list.from, list.to = kind, list[1].from, list[#list].to
    return list
  end
end

local QUANTIFIERS = { ["*"] = { 0, nil }, ["+"] = { 1, nil }, ["?"] = { 0, 1 } }
local function quantified(a, q)
  return { k = "repeat", a = a, low = q.low, high = q.high, reluctant = q.reluctant, from = a.from,
    to = q.to, quantifier_from = q.from }
end
local function quantifier(from, q, mark, past)
  q.from, q.to, q.reluctant = from, past - 1, mark == "?"
  return q
end
local function sign(text)
  return { low = QUANTIFIERS[text][1], high = QUANTIFIERS[text][2] }
end
local function bounds(low, comma, high)
  low, high = tonumber(low), tonumber(high)
  if comma == "" then
    return { low = low or 0, high = low or 0 } -- `{}` is refused as `{0}` is
  end
  return { low = low or 0, high = high }
end

local grammar
local function build() -- tidy: long: a grammar is one expression
  local skip = V("S")
  local digits = C(lpeg.R("09") ^ 1)
  local open = Cmt(Cp() * "(", function(_, i, from)
    opened[#opened + 1] = from
    return i
  end)
  local close = P(")") / function() end * Cmt(P(true), function(_, i)
    opened[#opened] = nil
    return i
  end)
  return P({
    Ct(V("Alt")) * skip * (-P(1) + note("a name, a quantifier, `|` or the end")),
    S = lex.skip,
    Alt = Ct(V("Seq") * (skip * "|" * V("Seq")) ^ 0) / joined("alt"),
    Seq = Ct(V("Item") ^ 1) / joined("seq"),
    Item = skip * Cf(V("Prim") * Cg(skip * V("Quantifier")) ^ -1, quantified),
    Prim = Cp() * lex.name * Cp() / row
      + Cp() * open * V("Alt") * skip * (close + note("`)`")) * Cp() / group
      + note("a name or `(`"),
    Quantifier = Cp() * V("Count") * (C("?") + Cc("")) * Cp() / quantifier,
    Count = C(S("*+?")) / sign
      + P("{") * -P("-") * skip * (digits + Cc(nil)) * skip * (C(",") + Cc("")) * skip
        * (digits + Cc(nil)) * skip * (P("}") + note("`}`")) / bounds,
  })
end

local HINTS = {
  { "^%{%-", "`{- … -}` is not in this version: `rows = \"one\"` with `measures` leaves rows out" },
  { "^PERMUTE", "`PERMUTE` is not in this version: write the orders out, `(a b | b a)`" },
  { "^[%^%$]", "anchors are not in this version" },
  { "^[+*?{]", "one quantifier stands behind a name or a bracket; a second `?` makes it reluctant; "
    .. "brackets for more: `(a+)*`" },
  { "^!", "that no row is b is said by a variable of its own: `a x* c`, and in `define` "
    .. "`x = not (…)`" },
  { "^,", "rows one after the other stand without commas: `a b c`" },
  { "^%->", "rows one after the other stand side by side: `a b c`" },
}

local function explain(text)
  local at = math.max(furthest, 1)
  if at > #text and #opened > 0 then
    local from = opened[#opened]
    return { code = "W001", from = from, to = from, message = "`(` is not closed" }
  end
  local found = text:match("^[%a_][%w_]*", at) or text:sub(at, at)
  local help
  for _, hint in ipairs(HINTS) do
    help = help or text:find(hint[1], at) and hint[2]
  end
  if found == ")" then
    help = help or "no bracket is open here, or nothing stands in it"
  end
  return {
    code = "W001", from = at, to = math.max(at + #found - 1, at), help = help,
    message = ("unexpected %s, expected %s"):format(
      found == "" and "end of the pattern" or ("`%s`"):format(found), expected or "a name or `(`"),
  }
end

local function depth_of(text)
  local depth, most = 0, 0
  for bracket in text:gmatch("[()]") do
    depth = depth + (bracket == "(" and 1 or -1)
    most = math.max(most, depth)
  end
  return most
end

--- What is wrong with counts: `{3,1}`, `{0}`, `{,}`.
local function check_counts(node)
  if node.k == "repeat" then
    local at = { code = "W203", from = node.quantifier_from, to = node.to }
    if node.high and node.high < math.max(node.low, 1) then
      at.message = ("at most %d of at least %d rows"):format(node.high, node.low)
      return at
    elseif node.low > M.STEPS_MAX or (node.high or 0) > M.STEPS_MAX then
      at.message = ("more than %d times"):format(M.STEPS_MAX)
      return at
    end
    return check_counts(node.a)
  end
  for _, child in ipairs(node) do
    local err = check_counts(child)
    if err then
      return err
    end
  end
end

--- The steps that a node takes, and the fewest rows that it matches.
local function measure(node)
  if node.k == "row" then
    return 1, 1
  elseif node.k == "repeat" then
    local steps, rows = measure(node.a)
    local copies = node.high or math.max(node.low, 1)
    return copies * (steps + 2), node.low * rows
  end
  local steps, rows = 0, node.k == "alt" and math.huge or 0
  for _, child in ipairs(node) do
    local child_steps, child_rows = measure(child)
    steps = steps + child_steps + (node.k == "alt" and 2 or 0)
    rows = node.k == "alt" and math.min(rows, child_rows) or rows + child_rows
  end
  return steps, rows
end

--- A tree of a text.
---@param text string
---@return table? tree, table? err
function M.parse(text)
  if text:find("^%s*$") then
    return nil, { code = "W008", from = 1, to = math.max(#text, 1), message = "empty pattern" }
  elseif #text > M.TEXT_BYTES_MAX or depth_of(text) > NESTING_MAX then
    return nil, { code = "W001", from = 1, to = 1, message = ("a pattern of at most %d bytes and "
      .. "%d brackets inside brackets is expected"):format(M.TEXT_BYTES_MAX, NESTING_MAX) }
  end
  grammar = grammar or build()
  furthest, expected, opened = 0, nil, {}
  local found = grammar:match(text)
  if not found then
    return nil, explain(text)
  end
  local tree = found[1]
  local err = check_counts(tree)
  if err then
    return nil, err
  end
  local steps, rows = measure(tree)
  if steps > M.STEPS_MAX then
    return nil, { code = "W203", from = 1, to = #text,
      message = ("the pattern has %d steps when its counts are written out, at most %d"):format(
        math.min(steps, math.maxinteger), M.STEPS_MAX) }
  elseif rows == 0 then
    return nil, { code = "W203", from = 1, to = #text,
      message = "the pattern matches no row at all", help = "one part of it at least has to take a "
        .. "row: `a+` for `a*`" }
  end
  return tree
end

-- ── the program ─────────────────────────────────────────────────────────────────────────────────
local emit

--- A split whose one way goes on behind it and whose other is set later.
local function split(program, reluctant)
  local step = { op = "split" }
  program[#program + 1] = step
  local here = #program -- the number, from 0, of the step behind it
  step[reluctant and "second" or "first"] = here
  return step, reluctant and "first" or "second"
end

local function emit_repeat(program, node, variables)
  for _ = 1, node.low - (node.high and 0 or 1) do
    emit(program, node.a, variables)
  end
  if node.high then
    local open = {}
    for _ = node.low + 1, node.high do
      local step, way = split(program, node.reluctant)
      open[#open + 1] = { step, way }
      emit(program, node.a, variables)
    end
    for _, each in ipairs(open) do
      each[1][each[2]] = #program
    end
  elseif node.low > 0 then -- again and again, behind the first time
    local start = #program
    emit(program, node.a, variables)
    local step, way = split(program, not node.reluctant)
    step[way], step[way == "first" and "second" or "first"] = start, #program
  else
    local start = #program
    local step, way = split(program, node.reluctant)
    emit(program, node.a, variables)
    program[#program + 1] = { op = "jump", to = start }
    step[way] = #program
  end
end

local function emit_alt(program, node, variables)
  local ends = {}
  for i, child in ipairs(node) do
    local step, way
    if i < #node then
      step, way = split(program, false)
    end
    emit(program, child, variables)
    if step then
      ends[i] = { op = "jump" }
      program[#program + 1] = ends[i]
      step[way] = #program
    end
  end
  for _, jump in ipairs(ends) do
    jump.to = #program
  end
end

function emit(program, node, variables)
  if node.k == "row" then
    program[#program + 1] = { op = "row", variable = variables[node.name] }
  elseif node.k == "repeat" then
    emit_repeat(program, node, variables)
  elseif node.k == "alt" then
    emit_alt(program, node, variables)
  else
    for _, child in ipairs(node) do
      emit(program, child, variables)
    end
  end
end

local function collect(node, names, numbers)
  if node.k == "row" and not numbers[node.name] then
    names[#names + 1] = node.name
    numbers[node.name] = #names - 1
  end
  for _, child in ipairs(node) do
    collect(child, names, numbers)
  end
  if node.a then
    collect(node.a, names, numbers)
  end
end

--- The steps of a tree, and its variables in the order in which they are first named.
---@return table[] program, string[] names, table<string, integer> numbers from 0
function M.compile(tree)
  local names, numbers, program = {}, {}, {}
  collect(tree, names, numbers)
  emit(program, tree, numbers)
  return program, names, numbers
end

return M
