--- The list of `fill`: what `previous(x)` and `interpolate(x)` stand for. The plan gets expressions
--- over what is known of a window without a row: its own key and window columns, the columns of the
--- key's row before and behind it, and how far it lies between the two. Loaded by the first `fill`.
local expr = require("weir.grammar.expr")
local M = {}

--- Names of what the plan knows: a column of the row before, of the row behind;
--- (start of this window - start of the one before) / (start of the one behind - …), a float64.
local PREVIOUS, NEXT, RATIO = "previous(%s)", "next(%s)", "part()"

--- A tree in which `change(node)` may stand for a node.
local function rewritten(node, change)
  local made = type(node) == "table" and node.k and change(node)
  if made or type(node) ~= "table" then
    return made or node
  end
  local copy = {}
  for key, child in pairs(node) do
    copy[key] = rewritten(child, change)
  end
  return copy
end

local function of_row(node, before, is_same)
  return rewritten(node, function(each)
    if each.k == "name" and not is_same[each.name] then
      return { k = "name", name = before:format(each.name), from = each.from, to = each.to }
    end
  end)
end

local function binary(op, a, b, at)
  return { k = "bin", op = op, a = a, b = b, from = at.from, to = at.to, at = at.from }
end

--- before + (behind - before) * ratio, in float64.
local function between(node, at, is_same)
  local one = { k = "lit", type = "float64", v = 1.0, from = at.from, to = at.to }
  local before = binary("*", of_row(node, PREVIOUS, is_same), one, at)
  local behind = binary("*", of_row(node, NEXT, is_same), one, at)
  local ratio = { k = "name", name = RATIO, from = at.from, to = at.to }
  return binary("+", before, binary("*", binary("-", behind, before, at), ratio, at), at)
end

local function argument(c, node)
  if #node.args ~= 1 or node.where or node.order or node.limit then
    c:fail_with({ code = "W102", from = node.from, to = node.to,
      message = ("`%s` takes 1 argument, got %d"):format(node.name, #node.args),
      help = ("`%s(x)`: x is an expression over columns of the row"):format(node.name) }, "1")
  end
  expr.walk(node.args[1], function(each)
    if each.k == "call" and (each.name == "previous" or each.name == "interpolate") then
      c:fail_with({ code = "W110", from = each.from, to = each.to,
        message = ("`%s` inside `%s`"):format(each.name, node.name),
        help = "one of them says which row it is of" }, "1")
    end
  end)
  return node.args[1]
end

--- One item, whose name is a column that is not of the key.
local function check_name(c, item, is_value, is_key, names)
  local problem = is_key[item.name] and "`%s` is of the key: `fill` sets it by itself"
    or not is_value[item.name] and not item.is_local and "no column `%s` to fill"
  if problem then
    c:fail_with({ code = is_key[item.name] and "W203" or "W103", from = item.from, to = item.to,
      message = problem:format(item.name),
      help = "`fill` gives values to columns of the `agg` before it: " .. names }, "1")
  end
end

--- The items of a list for the plan, and the arguments of `previous` and `interpolate` as they are
--- written, so that they are checked over the row: {expr=, is_number=}.
---@param c weir.Call
---@param items table the list
---@param columns string[]
---@param key string[]
function M.list(c, items, columns, key)
  local is_key, is_value, made, checks = {}, {}, {}, {}
  for _, name in ipairs(key) do
    is_key[name] = true
  end
  for _, name in ipairs(columns) do
    is_value[name] = not is_key[name]
    if name:find("^previous%(") or name:find("^next%(") or name == RATIO then
      c:fail("W205", ("`fill` has a `%s` of its own"):format(name),
        ("`:rename \"… = `%s`\"` before it"):format(name))
    end
  end
  local values = {}
  for _, name in ipairs(columns) do
    values[#values + 1] = is_value[name] and name or nil
  end
  local known, is_same = {}, {} -- columns that all rows of a key have alike
  for _, name in ipairs(key) do
    is_same[name] = name ~= "window_start" and name ~= "window_end"
  end
  for i, item in ipairs(items) do
    if item.expr.k == "name" and item.expr.name == item.name and not known[item.name] then
      c:fail_with({ code = "W009", from = item.from, to = item.to,
        message = ("what is `%s` in a window without a row?"):format(item.name),
        help = ("`%s = previous(%s)`, or a value"):format(item.name, item.name) }, "1")
    end
    check_name(c, item, is_value, is_key, table.concat(values, ", "))
    local tree = rewritten(item.expr, function(node)
      if node.k == "call" and (node.name == "previous" or node.name == "interpolate") then
        local of, is_number = argument(c, node), node.name == "interpolate"
        checks[#checks + 1] = { name = "x", expr = of, from = of.from, to = of.to,
          is_number = is_number }
        return is_number and between(of, node, is_same) or of_row(of, PREVIOUS, is_same)
      elseif node.k == "name" and is_value[node.name] and not known[node.name] then
        c:fail_with({ code = "W109", from = node.from, to = node.to,
          message = ("`%s` is not known in a window without a row"):format(node.name),
          help = ("`previous(%s)` is that of the row before"):format(node.name) }, "1")
      end
    end)
    local copy = {}
    for name, value in pairs(item) do
      copy[name] = value
    end
    copy.expr = tree
    made[i] = copy
    known[item.name] = true
  end
  return made, checks
end

return M
