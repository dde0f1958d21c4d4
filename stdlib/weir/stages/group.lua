--- Grouping and what depends on many rows: group_by, agg, sort, limit.
local call = require("weir.call")
local stream = require("weir.stream")
local put = call.put

return {
  group_by = {
    modifier = true,
    usage = ':group_by "user, day = date(ts)"',
    doc = "Groups for the next consumer; without a list, all rows are one group. nil is a group.",
    subjects = { { kind = "list", optional = true } },
    make = function(c, input)
      local group = c[1] and put({}, "items", c[1]) or { items = {} }
      if c[1] then
        stream.probe(c, input, put({ op = "group_by" }, "items", c[1]))
      end
      return nil, stream.modified(input, c, group)
    end,
  },
  agg = {
    usage = ':agg "n = count(), revenue = sum(amount)"',
    doc = "One row for each group (and window): window columns, keys, then these items. Without "
      .. "keys and window the whole stream is one group, which is there without a row too: `count` "
      .. "0, `list` empty, all others nil. A window without a row gives none.",
    subjects = { { kind = "list" } },
    consumes = { window = true, group_by = true, emit = true },
    emissions = { at = true, clock = true },
    make = function(c, input)
      if c[1].fn then
        c:fail("W203", "argument 1 of `agg` must be a list in a string, got a function",
          "a function sees one row; aggregates see many", "1")
      end
      local modifiers = stream.modifiers(input)
      local group = modifiers.group_by
      return {
        op = "agg", items = c[1].ast, group_by = group and group.items,
        group_fn = group and group.fn, window = modifiers.window, emit = modifiers.emit,
      }
    end,
  },
  sort = {
    usage = ':sort "amount desc, user"',
    doc = "Orders the rows of an input that ends; without an order, by event time. nil comes last. "
      .. "A function gives keys: `:sort(\"k int64\", function(e) return -e.n end)`.",
    subjects = { { kind = "order", optional = true } },
    consumes = {},
    make = function(c)
      if c[1] and c[1].fn and not c[1].fn.outputs then
        c:fail("W111", "the types of the keys of this function are not known",
          "write them before it: `:sort(\"key int64\", function(e) … end)`", "1")
      end
      return put({ op = "sort" }, "order", c[1])
    end,
  },
  limit = {
    usage = ":limit(100, { offset = 10 })",
    doc = "The first rows; then stops its sources.",
    subjects = { { kind = "count", min = 0 } },
    options = { offset = { kind = "count", doc = "leave out so many rows first", default = "0" } },
    make = function(c)
      return { op = "limit", rows = c[1], offset = c.opts.offset or 0 }
    end,
  },
}
