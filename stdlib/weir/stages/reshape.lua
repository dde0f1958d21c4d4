--- Other rows than those that came: unnest, pivot, unpivot, sample.
local call = require("weir.call")
local stream = require("weir.stream")

--- A copy of a tree; where `from` is given, all of it placed at `from` … `to`.
local function placed(node, from, to)
  if type(node) ~= "table" then
    return node
  end
  local copy = {}
  for key, x in pairs(node) do
    copy[key] = placed(x, from, to)
  end
  if node.k and from then
    copy.from, copy.to = from, to
  end
  return copy
end

--- The one item of a list, which may not come of a function.
local function only_item(c)
  local items = c[1].ast
  if not items then
    c:fail("W203", "argument 1 of `unnest` must be a list in a string, got a function",
      "compute it in a `derive` before", "1")
  elseif #items ~= 1 or items[1].is_local then
    c:fail("W203", ("argument 1 of `%s` must be one column, got %d"):format(c.stage, #items),
      '`:unnest "item = items"`', "1", items[1].from, items[#items].to)
  end
  return items[1]
end

--- An aggregate over the rows whose column has one value.
local function aggregate_where(aggregate, column, value)
  local from, to = aggregate.from, aggregate.to
  local made = placed(aggregate)
  local condition = {
    k = "bin", op = "==", at = from, from = from, to = to,
    a = { k = "name", name = column, from = from, to = to }, b = placed(value, from, to),
  }
  made.where = made.where and {
    k = "bin", op = "and", at = from, from = from, to = to, a = made.where, b = condition,
  } or condition
  return made
end

local function pivot_items(c, column)
  local aggregate = c[2].ast
  if not aggregate or aggregate.k ~= "call" then
    c:wrong("2", "an aggregate, as `sum(amount)`", c.texts["2"] or c[2].fn, nil)
  elseif not c[3].ast then
    c:wrong("3", "a list in a string, as `name = value, …`", function() end)
  end
  local items = {}
  for i, item in ipairs(c[3].ast) do
    if not item.name or item.bare or item.is_local then
      c:fail("W001", "unexpected item, expected `name = value`",
        require("weir.advice").pivot_values(c[3].ast), "3", item.from, item.to)
    end
    items[i] = {
      name = item.name, expr = aggregate_where(aggregate, column, item.expr),
      from = aggregate.from, to = aggregate.to,
    }
  end
  return items
end

return {
  unnest = {
    usage = ':unnest("item = items", { index = "place" })',
    doc = "A row for each element of a list or json array, with the other columns; without a name "
      .. "the list's column becomes the element. A list that is nil or empty gives no row.",
    subjects = { { kind = "list" } },
    options = {
      index = { kind = "text", doc = "adds a column: the place of the element, from 1" },
      keep_empty = { kind = "boolean", default = "false",
        doc = "a row without an element for a list that has none" },
    },
    make = function(c)
      local item = only_item(c)
      local from, to = item.from, item.to
      local element = {
        k = "index", from = from, to = to,
        a = { k = "name", name = "\1list", from = from, to = to },
        i = { k = "name", name = "\1place", from = from, to = to },
      }
      return {
        op = "unnest", items = c[1].ast, index = c.opts.index, keep_empty = c.opts.keep_empty,
        element = { { name = "\1element", expr = element, from = from, to = to } },
      }
    end,
  },
  pivot = {
    usage = ":pivot(\"status\", \"sum(amount)\", \"paid = 'paid', open = 'open'\")",
    doc = "One column for each listed value of a column: the aggregate over its rows. The same as "
      .. "an `agg` with `where` in each item, for each group (and window).",
    subjects = { { kind = "columns" }, { kind = "expr" }, { kind = "list" } },
    consumes = { window = true, group_by = true, emit = true },
    emissions = { at = true, clock = true },
    make = function(c, input)
      if #c[1].ast ~= 1 then
        c:fail("W203", ("argument 1 of `pivot` must be one column, got %d"):format(#c[1].ast), nil,
          "1", c[1].ast[1].from, c[1].ast[#c[1].ast].to)
      end
      local modifiers = stream.modifiers(input)
      local group = modifiers.group_by
      local spec = {
        op = "agg", items = pivot_items(c, c[1].ast[1].name), group_by = group and group.items,
        group_fn = group and group.fn, window = modifiers.window, emit = modifiers.emit,
        inputs = { stream.data(input).id }, mark = c.mark,
      }
      local known = {}
      for _, name in ipairs(stream.columns(input)) do
        known[name] = true
      end
      if not known[c[1].ast[1].name] then
        c:fail("W103", ("unknown column `%s`"):format(c[1].ast[1].name), nil, "1",
          c[1].ast[1].from, c[1].ast[1].to)
      end
      local info, err = c.script:plan():probe(spec)
      if not info then -- what it says is of the aggregate
        err.arg = err.arg == "1" and "2" or err.arg
        c:fail_with(err)
      end
      return spec
    end,
  },
  unpivot = {
    usage = ':unpivot("jan, feb, mar", { name = "month", value = "sales" })',
    doc = "A row for each of these columns, with its name and its value (nil too), behind the "
      .. "other columns. They must have one type.",
    subjects = { { kind = "columns" } },
    options = {
      name = { kind = "text", doc = "the column for the name", default = "name" },
      value = { kind = "text", doc = "the column for the value", default = "value" },
    },
    unnamed = true, -- `name` is a column here
    make = function(c)
      local name = c.opts.name
      c.opts.name = nil
      return {
        op = "unpivot", columns = call.column_names(c[1]), value = c.opts.value or "value",
        name_column = name or "name",
      }
    end,
  },
  sample = {
    usage = ":sample(0.01)",
    doc = "About this part of the rows, chosen by the place of each in its source: the same ones "
      .. "in every run.",
    subjects = { { kind = "number", min = 0, max = 1, what = "a number from 0 to 1" } },
    options = { seed = { kind = "count", doc = "another one chooses other rows",
      default = "that of `settings`, or 0" } },
    make = function(c)
      return { op = "sample", fraction = c[1], seed = c.opts.seed or c.script.settings.seed or 0 }
    end,
  },
}
