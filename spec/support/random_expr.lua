--- Random expressions: trees of the shape that the grammar makes, and texts for them with random
--- blanks, comments and brackets.
local lex = require("weir.grammar.lex")
local M = {}

local NAMES = {
  "a", "b_1", "größe", "count", "like", "desc", "limit", "over", "asc", "by", "is",
  "end", "odd name",
  "x`y", "null", "9lives",
}
local FUNCTIONS = { "lower", "math.floor", "case", "f", "string.rep", "like" }
local BINARY = {
  "or", "and", "==", "~=", "<", "<=", ">", ">=", "like", "??", "|", "~", "&", "<<", ">>", "..", "+",
  "-", "*", "/", "//", "%", "^",
}
local LEVEL = {
  ["or"] = 1, ["and"] = 2, ["=="] = 3, ["~="] = 3, ["<"] = 3, ["<="] = 3, [">"] = 3, [">="] = 3,
  ["like"] = 3, ["??"] = 4, ["|"] = 5, ["~"] = 6, ["&"] = 7, ["<<"] = 8, [">>"] = 8, [".."] = 9,
  ["+"] = 10, ["-"] = 10, ["*"] = 11, ["/"] = 11, ["//"] = 11, ["%"] = 11,
}
local UNARY, POWER, POSTFIX = 12, 13, 14

local function pick(list)
  return list[math.random(#list)]
end

local function literal()
  local kind = math.random(5)
  if kind == 1 then
    return { k = "lit", type = "nil" }
  elseif kind == 2 then
    return { k = "lit", type = "bool", v = math.random(2) == 1 }
  elseif kind == 3 then
    local v = pick({ 0, 7, math.maxinteger, math.random(1000) })
    return { k = "lit", type = "int64", v = v }
  elseif kind == 4 then
    local v = pick({ 0.5, 1e300, 2.0 ^ -1074, 3.0, math.random() })
    return { k = "lit", type = "float64", v = v }
  end
  local v = pick({
    "", "it's", 'say "x"', "a\nb", "\0\255", "]]", "--[[ x", "\\d+", "x\r\ny", "$a",
  })
  return { k = "lit", type = "string", v = v }
end

local generate

local function some(depth, least, most)
  local nodes = {}
  for i = 1, math.random(least, most) do
    nodes[i] = generate(depth - 1)
  end
  return nodes
end

local function call(depth)
  local node = { k = "call", name = pick(FUNCTIONS), args = some(depth, 0, 2) }
  if math.random(3) == 1 then
    node.method, node.name = true, pick({ "match", "odd name", "like" })
    table.insert(node.args, 1, generate(depth - 1))
  end
  if math.random(4) == 1 then
    node.where = generate(depth - 1)
  end
  if math.random(6) == 1 then
    node.order = {}
    for i = 1, math.random(2) do
      node.order[i] = { expr = generate(depth - 1), desc = math.random(2) == 1 }
    end
  end
  if math.random(6) == 1 then
    node.limit = pick({ { k = "lit", type = "int64", v = 3 }, { k = "param", name = "n" } })
  end
  return node
end

--- A random tree; `not x in` and the like, which are refused, do not occur.
function generate(depth)
  local kind = depth <= 0 and math.random(3) or math.random(12)
  if kind == 1 then
    return literal()
  elseif kind == 2 then
    return { k = "name", name = pick(NAMES) }
  elseif kind == 3 then
    return { k = "param", name = pick({ "min", "größe" }) }
  elseif kind == 4 then
    return { k = "un", op = pick({ "not", "-", "#", "~" }), a = generate(depth - 1) }
  elseif kind <= 7 then
    local node = { k = "bin", op = pick(BINARY), a = generate(depth - 1), b = generate(depth - 1) }
    node.neg = node.op == "like" and math.random(2) == 1 or nil
    return node
  elseif kind == 8 then
    local node = { k = "in", neg = math.random(2) == 1, a = generate(depth - 1) }
    if math.random(3) == 1 then
      node.list = { k = "param", name = "list" }
    else
      node.set = some(depth, 1, 3)
    end
    return node
  elseif kind == 9 then
    return { k = "field", a = generate(depth - 1), name = pick(NAMES) }
  elseif kind == 10 then
    return { k = "index", a = generate(depth - 1), i = generate(depth - 1) }
  elseif kind == 11 then
    local duration, rows = { type = "string", v = "1h" }, { type = "int64", v = 10 }
    local frame = pick({ duration, rows })
    frame.k = "lit"
    return { k = "over", a = generate(depth - 1), frame = frame }
  end
  return call(depth)
end
M.generate = generate

-- ── text ────────────────────────────────────────────────────────────────────────────────────────
local emit

local function level_of(node)
  if node.k == "bin" then
    return node.op == "^" and POWER or LEVEL[node.op]
  elseif node.k == "in" then
    return 3
  elseif node.k == "un" then
    return UNARY
  end
  return POSTFIX
end

local function emit_at(out, node, least)
  if level_of(node) < least or math.random(8) == 1 then
    out[#out + 1] = "("
    emit(out, node)
    out[#out + 1] = ")"
  else
    emit(out, node)
  end
end

--- What `:`, `.`, `[` and `over` stand behind; literals need brackets there.
local function emit_base(out, node)
  emit_at(out, node, node.k == "lit" and POSTFIX + 1 or POSTFIX)
end

local function quoted(v)
  if math.random(2) == 1 and not v:find("\r") and not v:find("^\n") then
    return "[=[" .. v .. "]=]"
  end
  local quote = pick({ "'", '"' })
  return quote .. v:gsub("[%c\\'\"\x80-\xff]", function(c)
    return ("\\%03d"):format(c:byte())
  end) .. quote
end

local function emit_literal(out, node)
  if node.type == "string" then
    out[#out + 1] = quoted(node.v)
  elseif node.type == "int64" then
    out[#out + 1] = math.random(4) == 1 and ("0x%X"):format(node.v) or tostring(node.v)
  elseif node.type == "float64" then
    local text = ("%.17g"):format(node.v)
    out[#out + 1] = text:find("[.e]") and text or text .. ".0"
  else
    out[#out + 1] = tostring(node.v)
  end
end

local function emit_list(out, nodes)
  for i, node in ipairs(nodes) do
    if i > 1 then
      out[#out + 1] = ","
    end
    emit(out, node)
  end
end

local function emit_call(out, node)
  local args = table.move(node.args, 1, #node.args, 1, {})
  if node.method then
    emit_base(out, table.remove(args, 1))
    out[#out + 1] = ":"
    out[#out + 1] = lex.quote(node.name)
  else
    out[#out + 1] = node.name
  end
  out[#out + 1] = "("
  emit_list(out, args)
  if node.where then
    out[#out + 1] = "where"
    emit(out, node.where)
  end
  for i, item in ipairs(node.order or {}) do
    out[#out + 1] = i == 1 and "order by" or ","
    emit(out, item.expr)
    out[#out + 1] = item.desc and "desc" or math.random(2) == 1 and "asc" or nil
  end
  if node.limit then
    out[#out + 1] = "limit"
    emit(out, node.limit)
  end
  out[#out + 1] = ")"
end

local function emit_binary(out, node)
  local level = level_of(node)
  if node.op == "^" then
    emit_at(out, node.a, POSTFIX)
    out[#out + 1] = "^"
    emit_at(out, node.b, UNARY)
    return
  end
  local to_right = node.op == ".." or node.op == "??"
  local tight = level == 3 or to_right
  local negated = node.op == "like" and node.a.k == "un" and node.a.op == "not"
  emit_at(out, node.a, negated and POSTFIX or tight and level + 1 or level)
  out[#out + 1] = node.neg and "not like" or node.op
  emit_at(out, node.b, to_right and level or level + 1)
end

function emit(out, node)
  if node.k == "lit" then
    emit_literal(out, node)
  elseif node.k == "name" then
    out[#out + 1] = lex.quote(node.name)
  elseif node.k == "param" then
    out[#out + 1] = "$" .. node.name
  elseif node.k == "un" then
    out[#out + 1] = node.op
    emit_at(out, node.a, UNARY)
  elseif node.k == "bin" then
    emit_binary(out, node)
  elseif node.k == "in" then
    local negated = node.a.k == "un" and node.a.op == "not"
    emit_at(out, node.a, negated and POSTFIX or 4)
    out[#out + 1] = node.neg and "not in" or "in"
    if node.set then
      out[#out + 1] = "("
      emit_list(out, node.set)
      out[#out + 1] = ")"
    else
      out[#out + 1] = "$" .. node.list.name
    end
  elseif node.k == "field" then
    emit_base(out, node.a)
    out[#out + 1] = "."
    out[#out + 1] = lex.quote(node.name)
  elseif node.k == "index" then
    emit_base(out, node.a)
    out[#out + 1] = "["
    emit(out, node.i)
    out[#out + 1] = "]"
  elseif node.k == "over" then
    emit_base(out, node.a)
    out[#out + 1] = "over"
    emit(out, node.frame)
  else
    emit_call(out, node)
  end
end

local BLANKS = {
  " ", "  ", "\n", "\t", "\r\n", " -- it's a comment (\n", " --[[ a\n comment ]] ",
  " --[==[ ]] ]==] ",
}

local function may_join(left, right)
  local pair = left:sub(-1) .. right:sub(1, 1)
  return left == "" or right == "" or left == "(" or right == ")" or left == "," or right == ","
    or (pair:find("^[%w_`'\"]%(") ~= nil)
end

--- The text of a tree.
function M.print(node)
  local out = {}
  emit(out, node)
  local parts = {}
  for i, token in ipairs(out) do
    if i > 1 and (not may_join(out[i - 1], token) or math.random(3) == 1) then
      parts[#parts + 1] = pick(BLANKS)
    end
    parts[#parts + 1] = token
  end
  return table.concat(parts)
end

return M
