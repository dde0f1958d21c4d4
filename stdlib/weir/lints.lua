--- Hints about expressions (W9), from their trees and the columns that they see. What is not known
--- here gives none: a hint that is wrong is worse than one that is missing.
local M = {}

local ARITHMETIC = {
  ["+"] = true, ["-"] = true, ["*"] = true, ["/"] = true, ["//"] = true, ["%"] = true, ["^"] = true,
  [".."] = true, ["&"] = true, ["|"] = true, ["~"] = true, ["<<"] = true, [">>"] = true,
}

--- Operators of int64 that wrap, as Lua's do, and what they give.
local WRAPS = { ["+"] = "sum", ["-"] = "difference", ["*"] = "product" }

--- Columns that every source has beside those of its data.
local HIDDEN = {
  _source = true, _file = true, _line = true, _offset = true, _partition = true, _topic = true,
  _key = true, _headers = true, _timestamp = true,
}

--- What a lint pass knows: `names` (columns and earlier items) and, when asked, the functions.
local function function_of(pass, name)
  if not pass.functions then
    pass.functions = {}
    for _, each in ipairs(pass.native.functions and pass.native.functions() or {}) do
      pass.functions[each.name] = each
    end
  end
  return pass.functions[name]
end

--- Can the value be nil, or false where it stands for itself? Unknown names and calls: no.
local function can_be_nil(pass, node)
  if node.k == "lit" then
    return node.type == "nil" or node.v == false
  elseif node.k == "name" then
    return (pass.names[node.name] or {}).can_be_nil or false
  elseif node.k == "un" then
    return node.op ~= "not" and can_be_nil(pass, node.a)
  elseif node.k == "bin" and node.op == "??" then
    return can_be_nil(pass, node.b)
  elseif node.k == "bin" and ARITHMETIC[node.op] then
    return can_be_nil(pass, node.a) or can_be_nil(pass, node.b)
  elseif node.k == "call" then
    local known = function_of(pass, node.name)
    if not known or not known.flags then
      return false
    elseif known.flags.can_nil then
      return true
    end
    for _, arg in ipairs(known.flags.strict and node.args or {}) do
      if can_be_nil(pass, arg) then
        return true
      end
    end
  end
  return false
end

--- "int64" where the value surely is one, else the column's type or nil.
local function type_of(pass, node)
  if node.k == "lit" then
    return node.type
  elseif node.k == "name" then
    return (pass.names[node.name] or {}).type
  elseif node.k == "un" and node.op == "-" then
    return type_of(pass, node.a)
  elseif node.k == "bin" and ARITHMETIC[node.op] and node.op ~= "/" and node.op ~= "^" then
    local a = type_of(pass, node.a)
    return a == "int64" and type_of(pass, node.b) == a and a or nil
  end
  return nil
end

local function add(pass, node, code, message, help)
  pass.found[#pass.found + 1] = {
    code = code, message = message, help = help, from = node.from, to = node.to,
  }
end

--- `a and b or c` where b can be nil or false. Of conditions it is plain logic, and means it.
local function choice(pass, node)
  local left = node.op == "or" and node.a
  if left and left.k == "bin" and left.op == "and" and type_of(pass, left.b) ~= "bool"
    and can_be_nil(pass, left.b) then
    add(pass, node, "W901", "`a and b or c` gives c when b is nil or false",
      "write `case(a, b, c)`")
  end
end

local function is_literal(node)
  return node.k == "lit" or node.k == "un" and node.a.k == "lit"
end

--- What `--strict` names too: what may fail, and what may wrap.
local function strict(pass, node, caught)
  if node.k == "call" then
    local known = function_of(pass, node.name)
    local sure = #node.args > 0 and is_literal(node.args[1])
    if not caught and not sure and known and known.flags and known.flags.can_fail then
      add(pass, node, "W904", ("`%s` may fail and has no `??`"):format(node.name),
        ("write `%s(…) ?? otherwise`; without it such a row is rejected"):format(node.name))
    end
  elseif node.k == "bin" and type_of(pass, node.a) == "int64" and type_of(pass, node.b) == "int64"
  then
    local op = node.op
    if (op == "//" or op == "%") and not caught and not is_literal(node.b) then
      add(pass, node, "W904", ("`%s` fails for a zero on its right and has no `??`"):format(op),
        "write `x // y ?? otherwise`; without it such a row is rejected")
    elseif WRAPS[op] and not (is_literal(node.a) and is_literal(node.b)) then
      add(pass, node, "W906", ("int64 %s may wrap"):format(WRAPS[op]),
        ("`float64(x) %s y` or a decimal does not wrap; it loses digits, or fails"):format(op))
    end
  end
end

--- A name that looks like another one, or that a column of the data has taken from weir.
local function name_of(pass, node)
  local is_nfc = pass.native.is_nfc
  if is_nfc and node.name:find("[\x80-\xff]") and not is_nfc(node.name) then
    add(pass, node, "W905", ("name `%s` is not NFC"):format(node.name),
      "names are compared byte by byte: write each letter with its accent as one character")
  elseif HIDDEN[node.name] and pass.names[node.name] then
    add(pass, node, "W907", ("column hides `%s`"):format(node.name),
      ("to reach the hidden one: `:rename \"its%s = %s\"` before it"):format(node.name, node.name))
  end
end

local CONDITIONS = {
  ["=="] = true, ["~="] = true, ["<"] = true, ["<="] = true, [">"] = true, [">="] = true,
}

--- `count(x > 1)`: a comparison is never nil, so that counts all rows.
local function count_of(pass, node)
  local arg = node.name == "count" and node.args and #node.args == 1 and node.args[1]
  if arg and (arg.k == "bin" and CONDITIONS[arg.op] or arg.k == "un" and arg.op == "not") then
    add(pass, node, "W908", "`count` of a condition counts all rows, true or false",
      "write `count(where …)`")
  end
end

local function walk(pass, node, caught)
  if node.k == "bin" then
    choice(pass, node)
  elseif node.k == "call" then
    count_of(pass, node)
  elseif node.k == "name" and type(node.name) == "string" then
    name_of(pass, node)
  end
  if pass.strict then
    strict(pass, node, caught)
  end
  for key, child in pairs(node) do
    if type(child) == "table" then
      walk(pass, child, node.op == "??" and key == "a" or caught)
    end
  end
end

--- Whether a list may say `count(x > 1)`; most that count do not, and the pass is not cheap.
local function counts_condition(text)
  for inner in text:gmatch("%f[%w_]count%s*(%b())") do
    local may = inner:find("[<>=~]") or inner:find("%f[%w_]not%f[^%w_]")
    if may and not inner:find("^%(%s*where%f[^%w_]") then
      return true
    end
  end
  return false
end

--- The hints about the trees of one call, in the order of their text.
---@param trees { arg: string, items: table[] }[] as `weir.call` keeps them
---@param texts table<string, string> by argument
---@param fields table[] the columns
---@param options { strict: boolean?, native: table }
---@return table[] diagnostics {code=, message=, help=, arg=, from=, to=}
function M.find(trees, texts, fields, options)
  local all = {}
  for _, tree in ipairs(trees) do
    local text = texts[tree.arg] or ""
    if options.strict or text:find("%f[%w_]or%f[^%w_]") or text:find("[\x80-\xff]")
      or text:find("%f[%w_]_%l") or counts_condition(text) then
      local pass = { names = {}, found = {}, strict = options.strict, native = options.native }
      for _, field in ipairs(fields) do
        pass.names[field.name] = { can_be_nil = not field.required,
          type = field.type.kind }
      end
      for _, item in ipairs(tree.items) do
        walk(pass, item, false)
        if item.name and item.expr then
          pass.names[item.name] = { can_be_nil = can_be_nil(pass, item.expr),
            type = type_of(pass, item.expr) }
        end
      end
      table.sort(pass.found, function(a, b)
        if a.from ~= b.from then
          return a.from < b.from
        end
        return a.to ~= b.to and a.to < b.to or a.to == b.to and a.code < b.code
      end)
      for _, each in ipairs(pass.found) do
        each.arg = tree.arg
        all[#all + 1] = each
      end
    end
  end
  return all
end

return M
