--- The grammar of Lua 5.4 ("Lua 5.4 Reference Manual", 9): a chunk as a tree, with the place of
--- every token that marks, messages and lifting need. It is meant for text that stock Lua has
--- already compiled; for what stock Lua refuses there are `tokens`.
---
--- Every node has `k`, `from`, `to` (first and last byte). Expressions:
---   {k="nil"|"true"|"false"|"vararg"|"number"|"string"} (the text says the value)
---   {k="name", name=}   {k="field", a=, name=, name_from=}   {k="index", a=, i=}
---   {k="call", a=, args={…}, open=, close=nil for `f "x"` and `f {…}`}
---   {k="method", a=, name=, name_from=, args=, open=, close=}   {k="paren", a=}
---   {k="un", op=, a=}   {k="bin", op=, a=, b=, at=}
---   {k="function", params={{name=, from=}…}, is_vararg=, body={…}, params_from=, has_self=}
---   {k="table", items={{value=, key=expr or nil, name= or nil, name_from=, from=, to=}…}}
--- Statements:
---   {k="local", names={{name=, from=, attrib=}…}, values={…}}   {k="assign", targets=, values=}
---   {k="callstat", call=}   {k="do"|"while"|"repeat", body=, cond=}
---   {k="if", conds={…}, bodies={{…}…}} (one body more than conditions when there is an `else`)
---   {k="fornum", var={name=, from=}, exprs={…}, body=}   {k="forin", names=, exprs=, body=}
---   {k="funcstat", path={{name=, from=}…}, has_self=, func=}   {k="localfunc", name=, func=}
---   {k="return", values=}   {k="break"}   {k="goto", name=}   {k="label", name=}
--- A block is a list of statements.
local lpeg = require("lpeg")
local lex = require("weir.grammar.lex")
local P, V, C, Cc, Cf, Cg, Cp, Ct, Cmt =
  lpeg.P, lpeg.V, lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Cp, lpeg.Ct, lpeg.Cmt
local M = {}

-- ── nodes ───────────────────────────────────────────────────────────────────────────────────────
local function leaf(kind)
  return function(from, past)
    return { k = kind, from = from, to = past - 1 }
  end
end

local function word_node(from, word)
  return { k = word, from = from, to = from + #word - 1 }
end

local function name_node(from, name)
  return { k = "name", name = name, from = from, to = from + #name - 1 }
end

local function token(from, name)
  return { name = name, from = from }
end

local function with_attrib(name, _, attrib)
  name.attrib = attrib
  return name
end

local function paren(from, a, past)
  return { k = "paren", a = a, from = from, to = past - 1 }
end

local function add_args(node, args)
  node.args, node.open, node.close, node.to = args, args.open, args.close, args.past - 1
  args.open, args.close, args.past = nil, nil, nil
  return node
end

local suffixes = {
  field = function(a, name_from, name)
    local to = name_from + #name - 1
    return { k = "field", a = a, name = name, name_from = name_from, from = a.from, to = to }
  end,
  index = function(a, i, past)
    return { k = "index", a = a, i = i, from = a.from, to = past - 1 }
  end,
  method = function(a, name_from, name, args)
    local node = { k = "method", a = a, name = name, name_from = name_from, from = a.from }
    return add_args(node, args)
  end,
  call = function(a, args)
    return add_args({ k = "call", a = a, from = a.from }, args)
  end,
}
local function suffix(a, kind, ...)
  return suffixes[kind](a, ...)
end

local function function_body(params_from, params, body, past)
  return {
    k = "function", params = params, is_vararg = params.is_vararg or false, body = body,
    params_from = params_from, to = past - 1,
  }
end

local function function_node(from, func)
  func.from = from
  return func
end

local function table_item(from, kind, ...)
  local item = { from = from }
  if kind == "name" then
    item.name_from, item.name, item.value = ...
  elseif kind == "key" then
    item.key, item.value = ...
  else
    item.value = ...
  end
  item.to = item.value.to
  return item
end

-- ── operators ───────────────────────────────────────────────────────────────────────────────────
local LEFT = {
  ["or"] = 1, ["and"] = 2, ["=="] = 3, ["~="] = 3, ["<"] = 3, ["<="] = 3, [">"] = 3, [">="] = 3,
  ["|"] = 4, ["~"] = 5, ["&"] = 6, ["<<"] = 7, [">>"] = 7, [".."] = 9, ["+"] = 10, ["-"] = 10,
  ["*"] = 11, ["/"] = 11, ["//"] = 11, ["%"] = 11, ["^"] = 14,
}
local RIGHT = setmetatable({ [".."] = 8, ["^"] = 13 }, { __index = LEFT })
local UNARY = 12
local seq, seq_at

local function climb_from(limit)
  local left = seq[seq_at]
  if type(left) == "number" then
    local from, op = left, seq[seq_at + 1]
    seq_at = seq_at + 2
    local a = climb_from(UNARY)
    left = { k = "un", op = op, a = a, from = from, to = a.to }
  else
    seq_at = seq_at + 1
  end
  while true do
    local at, op = seq[seq_at], seq[seq_at + 1]
    if at == nil or LEFT[op] <= limit then
      return left
    end
    seq_at = seq_at + 2
    local right = climb_from(RIGHT[op])
    left = { k = "bin", op = op, a = left, b = right, at = at, from = left.from, to = right.to }
  end
end

local function climb(_, past, first, second, ...)
  if second == nil then
    return past, first
  end
  seq, seq_at = { first, second, ... }, 1
  return past, climb_from(0)
end

-- ── statements ──────────────────────────────────────────────────────────────────────────────────
local makers = {}

makers["local"] = function(names, values)
  return { names = names, values = values or {} }
end
makers["localfunc"] = function(name, func)
  func.from = func.params_from
  return { name = name, func = func }
end
makers["funcstat"] = function(path, method, func)
  if method then
    path[#path + 1] = method
  end
  func.from, func.has_self = func.params_from, method and true or nil
  return { path = path, has_self = method and true or nil, func = func }
end
local ASSIGNABLE = { name = true, field = true, index = true }
makers["assign"] = function(targets, values)
  for _, target in ipairs(targets) do
    if not ASSIGNABLE[target.k] then
      return nil
    end
  end
  return { targets = targets, values = values }
end
makers["callstat"] = function(targets)
  local call = targets[1]
  if targets[2] or (call.k ~= "call" and call.k ~= "method") then
    return nil
  end
  return { call = call }
end
makers["do"] = function(body)
  return { body = body }
end
makers["while"] = function(cond, body)
  return { cond = cond, body = body }
end
makers["repeat"] = function(body, cond)
  return { cond = cond, body = body }
end
makers["if"] = function(parts)
  local node = { conds = {}, bodies = {} }
  for _, part in ipairs(parts) do
    local list = part.k and node.conds or node.bodies
    list[#list + 1] = part
  end
  return node
end
makers["fornum"] = function(var, exprs, body)
  return { var = var, exprs = exprs, body = body }
end
makers["forin"] = function(names, exprs, body)
  return { names = names, exprs = exprs, body = body }
end
makers["return"] = function(values)
  return { values = values or {} }
end
makers["break"] = function()
  return {}
end
makers["goto"] = function(name)
  return { name = name.name }
end
makers["label"] = makers["goto"]

local function statement(_, past, from, kind, ...)
  -- The last capture is where the statement's own text ends.
  local captures = table.pack(...)
  local node = makers[kind](table.unpack(captures, 1, captures.n - 1))
  if not node then
    return false
  end
  node.k, node.from, node.to = kind, from, captures[captures.n] - 1
  return past, node
end

--- Nodes are built while matching (Cmt at expressions and statements): LPeg bounds the nesting of
--- captures that are built afterwards.
local function build() -- tidy: long: a grammar is one expression
  local S = V("S")
  local word = lex.word
  local function list(pattern)
    return Ct(pattern * (S * "," * pattern) ^ 0)
  end
  local ident, named = V("Ident"), V("Named") -- rules, because keywords make them long
  local exprs = V("Exprs")
  local separator = S * lpeg.S(",;")
  local operator = Cp()
    * C(P("==") + "~=" + "<<" + "<=" + "<" + ">>" + ">=" + ">" + "|" + "~" + "&" + ".." + "+" + "-"
      + "*" + "//" + "/" + "%" + "^" + word("and") + word("or"))
  local prefix = Cp() * C(P("-") + "#" + (P("~") - "~=") + word("not"))
  local attrib = (S * "<" * S * ident * S * ">") ^ -1
  local attnamed = V("Named") * attrib / with_attrib
  local block_end = S * word("end")
  local function kind(name)
    return Cc(name)
  end
  return P({
    S * Ct(V("Block")) * S * -1,
    S = lex.skip,
    Ident = Cp() * C(lex.ident),
    Named = S * ident / token,
    Exprs = list(V("Expr")),
    Block = (V("Stat") + S * ";") ^ 0 * (V("Return") * (S * ";") ^ -1) ^ -1,
    Body = Ct(V("Block")),
    Return = Cmt(S * Cp() * kind("return") * word("return") * (exprs + Cc(nil)) * Cp(), statement),
    Stat = Cmt(S * Cp() * (V("Keyword") + V("Suffixed")) * Cp(), statement),
    Keyword = kind("local") * word("local") * list(attnamed) * (S * "=" * exprs + Cc(nil))
      + kind("localfunc") * word("local") * S * word("function") * named * V("FuncBody")
      + kind("funcstat") * word("function")
        * Ct(named * (S * "." * named) ^ 0) * (S * ":" * named + Cc(nil)) * V("FuncBody")
      + kind("if") * word("if") * Ct(V("Expr") * S * word("then") * V("Body")
        * (S * word("elseif") * V("Expr") * S * word("then") * V("Body")) ^ 0
        * (S * word("else") * V("Body")) ^ -1) * block_end
      + kind("while") * word("while") * V("Expr") * S * word("do") * V("Body") * block_end
      + kind("do") * word("do") * V("Body") * block_end
      + kind("fornum") * word("for") * named * S * "=" * exprs * S * word("do") * V("Body")
        * block_end
      + kind("forin") * word("for") * list(named) * S * word("in") * exprs * S * word("do")
        * V("Body") * block_end
      + kind("repeat") * word("repeat") * V("Body") * S * word("until") * V("Expr")
      + kind("break") * word("break")
      + kind("goto") * word("goto") * named
      + kind("label") * "::" * named * S * "::",
    -- What begins with an expression: its kind is known only behind it, so it is put in front.
    Suffixed = list(S * V("Primary"))
      * (S * "=" * -P("=") * exprs * Cc("assign") + Cc(nil) * Cc("callstat"))
      / function(targets, values, name)
        return name, targets, values
      end,
    Expr = Cmt(V("Operand") * (S * operator * V("Operand")) ^ 0, climb),
    Operand = S * (prefix * S) ^ 0 * V("Simple"),
    Simple = Cp() * C(word("nil") + word("true") + word("false")) / word_node
      + Cp() * lex.number * Cp() / leaf("number")
      + V("String")
      + Cp() * "..." * Cp() / leaf("vararg")
      + V("Table")
      + Cp() * word("function") * V("FuncBody") / function_node
      + V("Primary"),
    String = Cp() * lex.string * Cp() / leaf("string"),
    Primary = Cf((ident / name_node + Cp() * "(" * V("Expr") * S * ")" * Cp() / paren)
      * Cg(S * V("Suffix")) ^ 0, suffix),
    Suffix = Cc("field") * "." * -P(".") * S * ident
      + Cc("index") * "[" * -(P("[") + P("=") ^ 1 * "[") * V("Expr") * S * "]" * Cp()
      + Cc("method") * ":" * -P(":") * S * ident * S * V("Args")
      + Cc("call") * V("Args"),
    Args = Ct(Cg(Cp(), "open") * "(" * (V("Expr") * (S * "," * V("Expr")) ^ 0) ^ -1 * S
        * Cg(Cp(), "close") * ")" * Cg(Cp(), "past"))
      + Ct(Cg(Cp(), "open") * (V("String") + V("Table")) * Cg(Cp(), "past")),
    FuncBody = S * Cp() * "(" * V("Params") * S * ")" * V("Body") * block_end * Cp()
      / function_body,
    Params = Ct((named * (S * "," * named) ^ 0 * (S * "," * S * V("Dots")) ^ -1 + S * V("Dots"))
      ^ -1),
    Dots = Cg(P("...") * Cc(true), "is_vararg"),
    Table = Cp() * "{" * Ct((V("Item") * (separator * V("Item")) ^ 0 * separator ^ -1) ^ -1) * S
      * "}" * Cp() / function(from, items, past)
        return { k = "table", items = items, from = from, to = past - 1 }
      end,
    Item = S * Cp() * (Cc("name") * ident * S * "=" * -P("=") * V("Expr")
        + Cc("key") * "[" * -(P("[") + P("=") ^ 1 * "[") * V("Expr") * S * "]" * S * "=" * V("Expr")
        + Cc("value") * V("Expr")) / table_item,
  })
end

local grammar
--- The tree of a chunk that stock Lua compiles. nil when this grammar does not know it.
---@param text string without BOM and `#!` line
---@return table? block
function M.parse(text)
  grammar = grammar or build()
  return grammar:match(text)
end

-- ── tokens ──────────────────────────────────────────────────────────────────────────────────────
local scanner
local function build_scanner()
  local function kind(name, pattern)
    return Ct(Cg(Cc(name), "kind") * Cg(Cp(), "from") * pattern * Cg(Cp(), "past"))
  end
  local symbol = P("...") + ".." + "==" + "~=" + "<=" + ">=" + "<<" + ">>" + "//" + "::" + 1
  return Ct((lex.skip
    * (kind("keyword", lex.keyword) + kind("name", lex.ident) + kind("string", lex.string)
      + kind("number", lex.number_like) + kind("symbol", symbol))) ^ 0)
end

--- The tokens of any text, right or wrong: {kind="keyword"|"name"|"string"|"number"|"symbol",
--- from=, past=}. What is no token of Lua is a symbol of one byte.
---@param text string
---@return table[] tokens
function M.tokens(text)
  scanner = scanner or build_scanner()
  return scanner:match(text)
end

-- ── walking ─────────────────────────────────────────────────────────────────────────────────────
local CHILDREN = {
  "a", "b", "i", "cond", "call", "func", "key", "value", -- one node
  "targets", "path", "exprs", "conds", "args", "values", "items", "body", "bodies", -- lists
}

--- Calls `visit(node)` for every node below `node` (a node or a list), outer ones first. Items of
--- tables and names of declarations, which have no `k`, are not visited.
--- Without recursion: a long chain of operators is a deep tree. `visit` may return false to leave
--- out what is below a node.
function M.walk(node, visit)
  local stack, top = { node }, 1
  while top > 0 do
    local each = stack[top]
    stack[top] = nil
    top = top - 1
    if not each.k or visit(each) ~= false then
      for i = #CHILDREN, 1, -1 do
        local child = each[CHILDREN[i]]
        if type(child) == "table" then
          top = top + 1
          stack[top] = child
        end
      end
      for i = #each, 1, -1 do
        top = top + 1
        stack[top] = each[i]
      end
    end
  end
end

return M
