--- What the conditions and measures of `match` say, as plain data for the runtime.
---
--- A condition is about the current row, and about rows that the match has taken so far. What it
--- asks of those becomes a column of its own, under a name that no script can write, and what is
--- left is an expression like any other:
---   lag(x, n)                      a column of the n-th row before, in the order of the group
---   v.c, first(v.c), last(v.c)     a column of the last or first row taken as v: a *pick*
---   count(v), avg(v.c), …          an *aggregate* over the rows taken as v, or over all
--- The current row is taken as the variable that is being defined, so `v.c` in the definition of v
--- is the bare column, and costs nothing.
local diag_names = require("weir.suggest")
local M = {}

--- Rows that `lag` looks back.
M.LAG_MAX = 1000

local FOREIGN = {
  prev = "weir calls it `lag`", next = "rows behind the current one are not known yet",
  final = "measures are over the rows so far; with `rows = \"one\"` over all of them",
  running = "measures are over the rows so far",
}

local Reader = {}
Reader.__index = Reader

--- Reads the texts of one call.
---@param call weir.Call
---@param columns string[] of the input
---@param variables table<string, integer> numbers from 0
---@param aggregates table<string, boolean> names of the aggregates there are
function M.reader(call, columns, variables, aggregates)
  local known = {}
  for _, name in ipairs(columns) do
    known[name] = true
  end
  return setmetatable({ call = call, columns = columns, known = known, variables = variables,
    aggregates = aggregates, serial = 0 }, Reader)
end

function Reader:fail(node, code, message, help)
  self.call:fail(code, message, help, self.arg, node.from, node.to)
end

--- A name that no script can write; `explain` shows what stands between the two bytes.
function Reader:hidden(text)
  self.serial = self.serial + 1
  return ("\1%s\2%d"):format(text, self.serial)
end

local function named(node, name)
  return { k = "name", name = name, from = node.from, to = node.to }
end

--- What is asked, once for equal ones: its column.
function Reader:ask(list, key, node, make)
  local found = list[key]
  if not found then
    found = make()
    list[key] = found
    list[#list + 1] = found
  end
  return named(node, found.name)
end

function Reader:check_column(node, name)
  if not self.known[name] then
    local near = diag_names.nearest(name, self.columns)
    self:fail(node, "W103", ("unknown column `%s`"):format(name),
      (near and ("did you mean `%s`?  "):format(near) or "")
        .. "columns: " .. table.concat(self.columns, ", "))
  end
end

--- `v.c` where v is a variable of the pattern: its name.
function Reader:variable_of(node)
  if node.k == "field" and node.a.k == "name" and self.variables[node.a.name] then
    return node.a.name
  end
end

function Reader:pick(node, variable, which, column)
  self:check_column(node, column)
  local number = variable and self.variables[variable] or -1
  local key = ("%d %s %s"):format(number, which, column)
  return self:ask(self.picks, key, node, function()
    local of = variable and variable .. "." .. column or column
    return { name = self:hidden(which == "last" and of or ("first(%s)"):format(of)),
      variable = number, last = which == "last", column = column }
  end)
end

local CHILDREN = { "a", "b", "i", "list" }
--- A copy of a node in which `visit` gave what it has an answer for. Trees of the call stay as they
--- were written: hints are about them.
local function rewrite(node, visit)
  local answer = visit(node)
  if answer then
    return answer
  end
  local copy = {}
  for key, x in pairs(node) do
    copy[key] = x
  end
  for _, key in ipairs(CHILDREN) do
    if type(node[key]) == "table" then
      copy[key] = rewrite(node[key], visit)
    end
  end
  for _, key in ipairs { "args", "set" } do
    local list = node[key]
    copy[key] = list and {}
    for i, child in ipairs(list or {}) do
      copy[key][i] = rewrite(child, visit)
    end
  end
  return copy
end

-- ── lag, first, last: functions of one row ──────────────────────────────────────────────────────

function Reader:no_clauses(node)
  if node.where or node.order or node.limit then
    self:fail(node, "W203", ("`%s` of `match` takes a column and nothing else"):format(node.name))
  end
end

function Reader:lag(node)
  self:no_clauses(node)
  if self.arg ~= "define" then
    self:fail(node, "W203", "`lag` stands in `define`", "a measure is about the rows of the match")
  end
  local x, n = node.args[1], node.args[2]
  if not x or #node.args > 2 then
    self:fail(node, "W102", ("`lag` takes 1 or 2 arguments, got %d"):format(#node.args),
      "lag(x), lag(x, n): x of the row before, of the n-th row before")
  end
  local rows = n == nil and 1 or n.k == "lit" and n.type == "int64" and n.v
  if not rows or rows < 1 or rows > M.LAG_MAX then
    self:fail(n, "W203", ("`lag` looks back a whole number of rows, from 1 to %d"):format(
      M.LAG_MAX))
  end
  self.back = math.max(self.back, rows)
  return rewrite(x, function(inner)
    local variable = self:variable_of(inner)
    if variable and variable ~= self.current or inner.k == "call"
      and (inner.name == "lag" or self.aggregates[inner.name]) then
      self:fail(inner, "W110", "`lag` is of columns of the current row")
    end
    local column = variable and inner.name or inner.k == "name" and inner.name
    if not column then
      return nil
    end
    self:check_column(inner, column)
    return self:ask(self.lags, rows .. " " .. column, inner, function()
      local text = rows == 1 and "lag(%s)" or "lag(%s, %d)"
      return { name = self:hidden(text:format(column, rows)), rows = rows, column = column }
    end)
  end)
end

--- `first(v.c)`, `last(v.c)`; of an expression, that of the row.
function Reader:navigate(node)
  self:no_clauses(node)
  if #node.args ~= 1 then
    self:fail(node, "W102", ("`%s` takes 1 argument, got %d"):format(node.name, #node.args),
      #node.args > 1 and "rows before the last one of a variable are not in this version; "
        .. "`lag(x, n)` is the n-th row before the current one" or nil)
  end
  local variable, is_bare
  return rewrite(node.args[1], function(inner)
    if inner.k == "call" and (inner.name == "lag" or self.aggregates[inner.name]) then
      self:fail(inner, "W110", ("`%s` is of columns of one row"):format(node.name))
    end
    local of = self:variable_of(inner)
    if not of and inner.k ~= "name" then
      return nil
    end
    if of and (is_bare or variable and variable ~= of) or not of and variable then
      self:fail(inner, "W203", ("the columns of one `%s` are of one variable"):format(node.name))
    end
    variable, is_bare = of, not of
    if node.name == "last" and (not of or of == self.current) and self.arg == "define" then
      self:check_column(inner, inner.name)
      return named(inner, inner.name)
    end
    return self:pick(inner, of, node.name, inner.name)
  end)
end

-- ── aggregates ──────────────────────────────────────────────────────────────────────────────────

--- The variable of an aggregate, and the call over bare columns. In its clauses these are of the
--- same row; its arguments are of one variable, or of any.
function Reader:aggregate_over(node)
  local variable, is_bare
  local only = #node.args == 1 and node.args[1]
  if node.name == "count" and only and only.k == "name" and self.variables[only.name] then
    variable = only.name
  end
  local function row_of(strict)
    return function(inner)
      if inner.k == "call" and (inner.name == "lag" or self.aggregates[inner.name]) then
        self:fail(inner, "W110", "aggregate inside an aggregate")
      end
      local of = self:variable_of(inner)
      if not of and inner.k ~= "name" then
        return nil
      elseif of and (is_bare or variable and variable ~= of) or strict and not of and variable then
        self:fail(inner, "W203", ("the columns of one `%s` are of one variable"):format(node.name),
          "bare columns are those of any row of the match")
      end
      variable, is_bare = of or variable, not of and strict or is_bare
      self:check_column(inner, inner.name)
      return named(inner, inner.name)
    end
  end
  local copy = {}
  for key, x in pairs(node) do
    copy[key] = x
  end
  copy.args = {}
  for i, arg in ipairs(variable and {} or node.args) do
    copy.args[i] = rewrite(arg, row_of(true))
  end
  copy.where = node.where and rewrite(node.where, row_of(false))
  copy.order = node.order and {}
  for i, item in ipairs(node.order or {}) do
    copy.order[i] = { expr = rewrite(item.expr, row_of(false)), desc = item.desc,
      from = item.from, to = item.to }
  end
  return variable, copy
end

function Reader:aggregate(node)
  local variable, copy = self:aggregate_over(node)
  local number = variable and self.variables[variable] or -1
  if self.arg == "define" and (node.where or node.order or node.limit) then
    self:fail(node, "W203", ("`%s` in `define` has no `where`, `order by` or `limit`"):format(
      node.name), "a variable of its own says which rows")
  elseif self.arg == "measures" and variable then
    local is_variable = named(node, ("\1v\2%d"):format(number))
    self.tells[number] = true
    copy.where = copy.where and { k = "bin", op = "and", a = is_variable, b = copy.where,
      at = node.from, from = node.from, to = node.to } or is_variable
  end
  local name = self:hidden((self.call.texts[self.arg]:sub(node.from, node.to):gsub("%s+", " ")))
  self.calls[#self.calls + 1] = { name = name, variable = number, is_local = false, expr = copy,
    from = node.from, to = node.to }
  return named(node, name)
end

-- ── whole expressions ───────────────────────────────────────────────────────────────────────────

function Reader:call_of(node)
  if node.name == "lag" then
    return self:lag(node)
  elseif node.name == "first" or node.name == "last" then
    return self:navigate(node)
  elseif node.name == "match_number" or node.name == "classifier" then
    if self.arg == "define" then
      self:fail(node, "W203", ("`%s` stands in `measures`"):format(node.name))
    elseif #node.args > 0 then
      self:fail(node, "W102", ("`%s` takes no arguments, got %d"):format(node.name, #node.args))
    end
    self[node.name] = true
    return named(node, ("\1%s()"):format(node.name))
  elseif self.aggregates[node.name] then
    return self:aggregate(node)
  elseif FOREIGN[node.name:lower()] then
    self:fail(node, "W101", ("unknown function `%s`"):format(node.name),
      FOREIGN[node.name:lower()])
  end
end

function Reader:visit(node)
  if node.k == "over" then
    self:fail(node, "W112", "`over` stands in a grouped `derive`")
  elseif node.k == "call" then
    return self:call_of(node)
  elseif node.k == "name" and not self.items[node.name] then
    if self.variables[node.name] and not self.known[node.name] then
      self:fail(node, "W103", ("`%s` is a variable of the pattern, not a column"):format(node.name),
        ("write `%s.column`, or `count(%s)`"):format(node.name, node.name))
    end
    self:check_column(node, node.name)
  end
  local variable = self:variable_of(node)
  if variable and variable == self.current then
    self:check_column(node, node.name)
    return named(node, node.name)
  elseif variable then
    return self:pick(node, variable, "last", node.name)
  end
end

function Reader:expression(node)
  return rewrite(node, function(inner)
    return self:visit(inner)
  end)
end

local function begin(reader, arg)
  reader.arg, reader.back = arg, reader.back or 0
  reader.picks, reader.lags, reader.calls, reader.tells, reader.items = {}, {}, {}, {}, {}
end

--- Only the list: what was found by key is of no interest behind it.
local function list_of(asked)
  return table.move(asked, 1, #asked, 1, {})
end

--- `define`: {conditions = {{variable=, expr=}…}, picks=, lags=, calls=, back=}
---@param items table[]
function Reader:define(items)
  begin(self, "define")
  local conditions = {}
  for i, item in ipairs(items) do
    local number = item.name and self.variables[item.name]
    if item.is_local or item.bare then
      self:fail(item, "W203", "an item of `define` is `variable = condition`")
    elseif not number then
      local names = {}
      for name in pairs(self.variables) do
        names[#names + 1] = name
      end
      table.sort(names)
      local near = diag_names.nearest(item.name, names)
      self.call:fail("W103", ("unknown variable `%s`"):format(item.name),
        (near and ("did you mean `%s`?  "):format(near) or "")
          .. "variables of the pattern: " .. table.concat(names, ", "), self.arg,
        item.name_from, item.name_to)
    elseif item.name == "_" then
      self.call:fail("W203", "`_` is any row: it has no condition", nil, self.arg, item.name_from,
        item.name_to)
    end
    self.current = item.name
    conditions[i] = { variable = number, expr = self:expression(item.expr) }
  end
  self.current = nil
  return { conditions = conditions, picks = list_of(self.picks), lags = list_of(self.lags),
    calls = self.calls, back = self.back }
end

--- `measures`: {items=, picks=, calls=, tells = variables that aggregates are over}
---@param items table[]
function Reader:measures(items)
  begin(self, "measures")
  local copies = {}
  for i, item in ipairs(items) do
    local copy = {}
    for key, x in pairs(item) do
      copy[key] = x
    end
    copy.bare = nil
    copy.expr = self:expression(item.expr)
    copies[i] = copy
    self.items[item.name] = true
  end
  local tells = {}
  for number in pairs(self.tells) do
    tells[#tells + 1] = number
  end
  table.sort(tells)
  return { items = copies, picks = list_of(self.picks), calls = self.calls, tells = tells,
    numbers = self.match_number or false }
end

return M
