--- What was meant: help for calls that were refused, by the habits of SQL, pandas, Flink and jq.
--- Loaded only when a call has failed. Nothing here decides what is right.
local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local lpeg = require("lpeg")
local suggest = require("weir.suggest")
local M = {}

--- Nodes of a plan that are walked back from a stage.
local NODES_MAX = 1000
local PLAIN = lpeg.P(lex.ident) * -lpeg.P(1)

local function contains(list, x)
  for _, each in ipairs(list or {}) do
    if each == x then
      return true
    end
  end
  return false
end

--- A column's name as a string writes it.
local function quoted(name)
  if lpeg.match(PLAIN, name) then
    return name
  end
  return "`" .. name:gsub("`", "``") .. "`"
end

--- One column that is called by several names: the header has another delimiter.
local function delimiter_help(names)
  local found = #names == 1 and names[1]:match("[;|\t]")
  if found == "\t" then
    return "the header is one column: `format = \"tsv\"`, behind -e `--read format=tsv`"
  end
  return found and ("the header is one column, `%s`: `delimiter = \"%s\"`, behind -e "
    .. "`--read 'delimiter=%s'`"):format(names[1], found, found) or nil
end

local function column_help(name, names)
  local near = suggest.nearest(name, names)
  return (near and ("did you mean `%s`?  "):format(near) or "") .. "columns: "
    .. table.concat(names, ", ")
end

-- ── arguments ───────────────────────────────────────────────────────────────────────────────────
local function is_text(x)
  return type(x) == "string"
end

local function all_texts(list)
  for i = 1, #list do
    if not is_text(list[i]) then
      return false
    end
  end
  return #list > 0
end

--- Names as items of a list; what is an expression already stays as it is.
local function joined(list, columns)
  local items = {}
  for i, text in ipairs(list) do
    items[i] = contains(columns, text) and quoted(text) or text
  end
  return table.concat(items, ", ")
end

local function named_items(map)
  local names = {}
  for name, text in pairs(map) do
    if not is_text(name) or not is_text(text) or not expr.parse_expr(text) then
      return nil
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = ("%s = %s"):format(quoted(name), map[name])
  end
  return names[1] and table.concat(names, ", ")
end

--- The call, or the option, as it is written with this text; of several arguments that one alone.
local function written(call, arg, text)
  if not math.tointeger(tonumber(arg)) then
    return ("write `%s = \"%s\"`"):format(arg, text)
  elseif #(call.descriptor.subjects or {}) > 1 then
    return ("write `\"%s\"`"):format(text)
  end
  return ("write `:%s \"%s\"`"):format(call.stage, text)
end

--- The values of a pivot as its third argument: "tea = 'tea', mug = 'mug'".
---@param list string[]
local function pivot_values(list)
  local items = {}
  for i, text in ipairs(list) do
    items[i] = ("%s = '%s'"):format(quoted(text), text)
  end
  return table.concat(items, ", ")
end

--- The values of a pivot that were written as a list of names.
---@return string
function M.pivot_values(items)
  local names = {}
  for i, item in ipairs(items) do
    names[i] = item.name or "…"
  end
  return ("one column for each value: `\"%s\"`"):format(pivot_values(names))
end

--- A Lua table where a list in a string belongs: the string.
---@return string?
function M.of_table(call, x, arg)
  if type(x) ~= "table" or getmetatable(x) ~= nil then
    return nil
  end
  if call.stage == "pivot" and arg ~= "1" and all_texts(x) then
    if arg == "3" then
      return written(call, arg, pivot_values(x))
    end
    local column = ((call[1] or {}).ast or { {} })[1].name or "…"
    return ("the aggregate comes second, the values third: `:pivot(\"%s\", \"sum(x)\", \"%s\")`")
      :format(column, pivot_values(x))
  end
  local text = all_texts(x) and joined(x, call.row_columns)
    or call.stage ~= "rename" and named_items(x)
  local usage = call.descriptor.usage
  return text and written(call, arg, text) or usage and ("write `%s`"):format(usage) or nil
end

local DIRECTIONS = { asc = true, desc = true }
--- Stages of which each item may be the name of a column.
local TAKES_NAMES = { select = true, drop = true, distinct = true, group_by = true, sort = true }

--- Several lists as one, where each is one: `:agg("n = count()", "m = sum(x)")`.
local function one_list(list)
  for _, text in ipairs(list) do
    local items = expr.parse_list(text)
    if not items or not items[1] then
      return nil
    end
  end
  local text = table.concat(list, ", ")
  return expr.parse_list(text) and not text:find("[\r\n\"]") and text or nil
end

--- More texts than a stage takes: `:select("a", "b")`, `:sort("a", "desc")`, `:derive("u", "1")`.
---@param args table packed
---@return string?
function M.of_texts(call, args)
  local first = (call.descriptor.subjects or {})[1]
  local kind = first and first.kind
  local list = table.move(args, 1, args.n, 1, {})
  if not all_texts(list) or #list ~= args.n or #list < 2 then
    return nil
  elseif kind == "order" and #list == 2 and DIRECTIONS[list[2]:lower()] then
    return written(call, "1", ("%s %s"):format(joined({ list[1] }, call.row_columns),
      list[2]:lower()))
  elseif kind == "list" and not TAKES_NAMES[call.stage] and one_list(list) then
    return written(call, "1", one_list(list))
  elseif call.stage == "derive" and #list == 2 and not contains(call.row_columns, list[2]) then
    return written(call, "1", ("%s = %s"):format(quoted(list[1]), list[2]))
  elseif TAKES_NAMES[call.stage] then
    return written(call, "1", joined(list, call.row_columns))
  end
  return nil
end

--- A name that is no stage, but a column or an aggregate: `s.amount > 1`, `:count()`.
---@return string?
function M.of_no_stage(stream, name)
  local data = require("weir.stream").data(stream)
  local window = require("weir").functions()[name]
  if window and window.window and name ~= "count" then
    return ("a window stands in its stage: `:window(%s)`"):format(window.usage)
  end
  for _, field in ipairs(data.info.schema) do
    if field.name == name then
      return ("`%s` is a column: columns stand in strings, as `:filter \"%s ~= nil\"`"):format(name,
        quoted(name))
    end
  end
  local how = require("weir.foreign").join_kind(name)
  if how then
    return ("the kind is an option: `:join(other, { on = \"key\", how = \"%s\" })`"):format(how)
  end
  local native = data.script.native
  for _, each in ipairs(native.aggregates and native.aggregates() or {}) do
    if each.name == name:lower() then
      return ("`%s` is an aggregate: `:agg \"n = %s(%s)\"`"):format(each.name, each.name,
        each.name == "count" and "" or "x")
    end
  end
  return nil
end

-- ── texts ───────────────────────────────────────────────────────────────────────────────────────

--- A column whose name is no word stands without backticks at the place of the error.
local function odd_column(call, err, text)
  for _, name in ipairs(call.row_columns or {}) do
    local from, to = text:find(name, 1, true)
    while from and name ~= "" and not lpeg.match(PLAIN, name) do
      local before, behind = text:sub(from - 1, from - 1), text:sub(to + 1, to + 1)
      if from <= err.to and to >= err.from and not (before .. behind):find("[%w_`'\"]") then
        err.from, err.to = from, to
        err.message = ("the name `%s` stands without backticks"):format(name)
        err.help = ("write `` %s ``"):format(quoted(name))
        return true
      end
      from, to = text:find(name, to + 1, true)
    end
  end
  return false
end

--- The operator whose text is the one from `from` to `to`.
local function operator_at(call, arg, from, to)
  local found
  for _, tree in ipairs(call.trees) do
    for _, item in ipairs(tree.arg == arg and tree.items or {}) do
      expr.walk(item.expr or item, function(node)
        if (node.k == "bin" or node.k == "in") and node.from == from and node.to == to then
          found = node
        end
      end)
    end
  end
  return found
end

--- W104 of an operator: `not a < b`, and a decimal beside a float64 that is written as a number.
local function of_operator(call, err, arg, text)
  local alone = text:sub(err.from, err.to)
  if err.message:find("decimal(", 1, true) and alone:find("^%d*%.?%d+$") then
    return ("a decimal and a float64 do not mix: write `decimal'%s'`"):format(alone)
  end
  local node = operator_at(call, arg, err.from, err.to)
  local a = node and node.a
  if a and a.k == "un" and a.op == "not" and text:find("^not", a.from) then
    return ("`not` binds closer than `%s`: write `not (%s)`"):format(node.op or "in",
      text:sub(a.a.from, node.to))
  elseif not node or not err.message:find("decimal(", 1, true)
    or not err.message:find("%f[%w]float64") then
    return nil
  end
  for _, side in ipairs { a, node.b } do
    local literal = side.k == "un" and side.op == "-" and side.a or side
    local digits = literal.type == "float64" and text:sub(side.from, side.to) or ""
    if digits:find("^%-?%d*%.?%d+$") then
      return ("a decimal and a float64 do not mix: write `decimal'%s'`"):format(digits)
    end
  end
  return err.help or "a decimal and a float64 do not mix: write `decimal(x)` or `float64(x)`"
end

--- How the name at `from` is compared: "text" by `==` and `in`, "order" by `<` and the like.
local function compared(call, arg, from)
  local how
  local function is_name(node)
    return node and node.k == "name" and node.from == from
  end
  for _, tree in ipairs(call.trees) do
    for _, item in ipairs(tree.arg == arg and tree.items or {}) do
      expr.walk(item.expr or item, function(node)
        if node.k == "bin" and (is_name(node.a) or is_name(node.b)) then
          local op = node.op
          how = (op == "==" or op == "~=" or op == "like") and is_name(node.b) and "text"
            or op:find("^[<>]=?$") and "order" or how
        end
        for _, member in ipairs(node.k == "in" and node.set or {}) do
          how = is_name(member) and "text" or how
        end
      end)
    end
  end
  return how
end

--- `e.amount`, `row['amount']`: a column with something in front.
local function prefixed(call, err, text)
  local name = text:match("^%s*%.%s*([%a_][%w_]*)", err.to + 1)
    or text:match("^%[['\"]([^'\"]*)['\"]%]", err.to + 1)
  return name and contains(call.row_columns, name)
    and ("a column is written by its name alone: `%s`"):format(quoted(name)) or nil
end

--- `id user`: two words, of which each is something.
local function two_words(call, err, text)
  local before = text:sub(1, err.from - 1):match("([%a_][%w_]*) $")
  local now = text:sub(err.from, err.to)
  if not before or not contains(call.row_columns, now) then
    return nil
  elseif contains(call.row_columns, before) then
    return ("a comma is missing: `%s, %s`"):format(before, now)
  elseif before:lower() == "distinct" then
    return ("`:distinct \"%s\"` is a stage"):format(now)
  end
  local native = call.script.native
  for _, list in ipairs({ native.functions, native.aggregates }) do
    for _, each in ipairs(type(list) == "function" and list() or {}) do
      if each.name == before then
        return ("write `%s(%s)`"):format(before, now)
      end
    end
  end
  return nil
end

--- The stage before this one that dropped a column, as "`agg` (line 4)".
local function dropped_by(call, name)
  local script, stream = call.script, call.stream
  local id = stream and require("weir.stream").data(stream).id
  local after
  for _ = 1, NODES_MAX do
    local node = id and script.nodes[id]
    if not node then
      return nil
    end
    for _, field in ipairs(node.schema or {}) do
      if field.name == name then
        return after
      end
    end
    after, id = node, (node.inputs or {})[1]
  end
  return nil
end

--- Help for a name that is no column; it goes before what is known already.
local function of_word(call, err, arg, name)
  local lower = name:lower()
  if lower == "true" or lower == "false" then
    return ("`%s` is written `%s`"):format(name, lower), true
  elseif lower == "desc" or lower == "asc" then
    return ("`%s` stands behind its column, without a comma"):format(lower), true
  elseif lower == "nan" then
    return "`is_nan(x)` tells what is no number", true
  end
  local gone = dropped_by(call, name)
  if gone and gone.op == "agg" and call.stage == "group_by" then
    return "`group_by` stands before its `agg`, which keeps only its keys and items", true
  elseif gone then
    return ("`%s` does not keep `%s`"):format(gone.op, name)
  elseif err.help and err.help:find("did you mean", 1, true) then
    return nil
  end
  local how = compared(call, arg, err.from)
  if how == "text" then
    return ("did you mean the text `'%s'`?"):format(name)
  elseif how == "order" then
    return ("a value of Lua comes in as `$%s`, by `{ %s = %s }` behind the string"):format(name,
      name, name)
  end
  return nil
end

--- What a function of pandas or SQL is called here: `isin` → "x in (1, 2)".
local function ours(call, name)
  local native = call.script.native
  for _, list in ipairs({ native.functions, native.aggregates }) do
    for _, each in ipairs(type(list) == "function" and list() or {}) do
      if each.name == name:lower() then
        return each.name, true
      end
    end
  end
  return require("weir.foreign").METHODS[name:lower()] or native.foreign and native.foreign(name)
end

--- `lat.round(1)`: a method of a column with a dot.
local function of_method(call, column, name)
  if name == "length" then
    return ("write `len(%s)` of a text, `length(%s)` of a list"):format(quoted(column),
      quoted(column))
  end
  local known, same = ours(call, name)
  if same then
    return ("write `%s:%s(…)`, with a colon"):format(quoted(column), known)
  elseif known then
    return ("weir writes `%s`"):format(known)
  end
  return "a function is called as `f(x)`, a method as `x:f()`"
end

--- W103: what may have been meant, before the columns that there are.
local function improve_word(call, err, text, word)
  local alone = delimiter_help(call.row_columns or {}) or prefixed(call, err, text)
  if alone then
    err.help = alone
    return
  elseif not err.help and call.row_columns then
    err.help = column_help(word, call.row_columns)
  end
  local help, only = of_word(call, err, tostring(err.arg), word)
  err.help = help and err.help and not only and help .. "  " .. err.help or help or err.help
end

--- A column and a name behind its dot, where that was meant as a method.
local function method_words(call, err, text)
  if err.code == "W001" and err.message:find("^unexpected `%(`") then
    return text:sub(1, err.from - 1):match("([%a_][%w_]*)%.[%w_.]*%f[%w_]([%a_][%w_]*)$")
  elseif err.code == "W104" and err.message:find("^`.` cannot take") then
    local path, name = text:sub(err.from, err.to):match("^([%a_][%w_]*)%.([%a_][%w_]*)$")
    return name and select(2, ours(call, name)) and path or nil, name
  end
  return err.message:match("^unknown function `([^.`]+)%.([^`]+)`$")
end

--- Adds what can be said about an error of a text: of the grammar or of the binder.
---@param call weir.Call
---@param err table {code=, message=, help=, arg=, from=, to=}; changed
function M.improve(call, err)
  local arg = tostring(err.arg)
  local text = err.arg ~= nil and call.texts[arg]
  local family = err.code and err.code:sub(1, 2)
  if not text or not err.from or family ~= "W0" and family ~= "W1" then
    return
  end
  err.to = err.to or err.from
  local word = err.code == "W103" and err.message:match("^unknown column `(.*)`$")
  if err.code ~= "W104" and odd_column(call, err, text) then
    return
  end
  local path, name = method_words(call, err, text)
  if err.code == "W009" and call.stage == "pivot" and arg == "3" then
    local names = {}
    for value in text:gmatch("'([^'\"]+)'") do
      names[#names + 1] = value
    end
    err.help = names[1] and ("one column for each value: `%s`"):format(pivot_values(names))
      or err.help
  elseif path and contains(call.row_columns, path) then
    err.help = of_method(call, path, name)
  elseif err.code == "W104" then
    err.help = of_operator(call, err, arg, text) or err.help
  elseif word then
    improve_word(call, err, text, word)
  elseif err.help and err.help:find("^a name of two words") then
    err.help = two_words(call, err, text) or err.help
  end
end

-- ── two sides ───────────────────────────────────────────────────────────────────────────────────

--- The name of a column that a key is on one side, or nil when it is computed.
local function plain(node)
  return node.k == "name" and node.name or nil
end

--- `user == u.name`: the side is said by the place, not by a name in front.
local function side_name(node, names)
  local a = node.k == "field" and plain(node.a)
  return a and not contains(names, a) and contains(names, node.name) and a
end

local function refuse_side(call, node, message, help)
  call:fail("W103", message, help, "on", node.from, node.to)
end

--- A key of one name, which both sides must have.
local function check_shared(call, item, left, right)
  local name = plain(item.expr)
  if item.name and not item.bare then
    call:fail("W005", "`=` compares nowhere: write `==`",
      name and ("`on = \"%s == %s\"`"):format(quoted(item.name), quoted(name)) or nil, "on",
      item.from, item.to)
  elseif name and contains(left, name) and not contains(right, name) then
    refuse_side(call, item.expr, ("unknown column `%s` of the other stream"):format(name),
      ("where names differ: `%s == …`  %s"):format(quoted(name), column_help(name, right)))
  end
end

--- A key `l == r`: its sides may be swapped, or have a name in front.
local function check_pair(call, item, left, right)
  local node = item.expr
  local l, r = plain(node.a), plain(node.b)
  if l and r and not contains(left, l) and not contains(right, r) and contains(left, r)
    and contains(right, l)
  then
    refuse_side(call, node, ("unknown column `%s` on the left of `==`"):format(l),
      ("left is the stream, right the other one: write `%s == %s`"):format(quoted(r), quoted(l)))
  end
  for i, side in ipairs({ node.a, node.b }) do
    local prefix = side_name(side, i == 1 and left or right)
    if prefix then
      refuse_side(call, side, ("unknown column `%s`"):format(prefix),
        ("left of `==` is the stream, right the other one: write `%s`"):format(quoted(side.name)))
    end
  end
end

--- Checks the keys `on` of a join, as far as they are plain names; raises at the call.
---@param call weir.Call
---@param items table[] as the grammar gives them
---@param left string[] columns of the stream
---@param right string[] columns of the other stream
function M.check_sides(call, items, left, right)
  for _, item in ipairs(items) do
    if item.expr.k == "bin" and item.expr.op == "==" then
      check_pair(call, item, left, right)
    else
      check_shared(call, item, left, right)
    end
  end
end

--- Columns of a list of plain names: raises at the one that is none.
---@param items table[] as the grammar gives them
function M.check_columns(call, items)
  local names = call.row_columns or {}
  for _, item in ipairs(items or {}) do
    local node = item.expr or item
    if node.k == "name" and not contains(names, node.name) then
      call:fail("W103", ("unknown column `%s`"):format(node.name), column_help(node.name, names),
        "1", node.from, node.to)
    end
  end
end

--- The pairs of `rename`: raises at the old name that is no column.
---@param pairs_of { new: string, old: string, old_from: integer, old_to: integer }[]
function M.check_renamed(call, pairs_of)
  local names = call.row_columns or {}
  for _, pair in ipairs(pairs_of) do
    if not contains(names, pair.old) then
      local swapped = contains(names, pair.new)
      call:fail("W103", ("unknown column `%s`"):format(pair.old),
        swapped and ("the new name stands first: write `%s = %s`"):format(quoted(pair.old),
          quoted(pair.new)) or column_help(pair.old, names), "1", pair.old_from, pair.old_to)
    end
  end
end

return M
