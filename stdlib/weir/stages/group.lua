--- Grouping and what depends on many rows: group_by, agg, sort, limit.
local call = require("weir.call")
local stream = require("weir.stream")
local put = call.put

local ROW_BY_ROW = {
  filter = true, derive = true, select = true, drop = true, rename = true, expect = true,
}

--- The windowed `agg` that a stream comes from, row by row; what is wrong with it raises.
local function windowed_agg(c, input)
  local data = stream.data(input)
  local node = data.script.nodes[data.id]
  while node and ROW_BY_ROW[node.op] do
    node = data.script.nodes[node.inputs[1]]
  end
  if not node or node.op ~= "agg" or not node.window then
    c:fail("W203", "`fill` stands behind a windowed `agg`",
      "`:window(weir.tumbling \"1m\"):group_by \"key\":agg \"…\":fill \"…\"`")
  elseif node.emit and node.emit.mode == "delta" then
    c:fail("W305", "`fill` does not take parts of results",
      "emission \"delta\" gives several rows for a window: leave `emit` out")
  end
  return node
end

return {
  fill = {
    usage = ':fill("n = 0, temp = previous(temp)", { stop_after = "10m" })',
    doc = "A row for each window in which a key has none, from the key's first row to the last "
      .. "window in which the stream has one: key and window columns are set, the columns of the "
      .. "list have its values, all others are nil. `previous(x)` is x of the key's row before, "
      .. "`interpolate(x)` lies on the line from there to the key's next row, by the starts of the "
      .. "windows (a float64; nil behind the last row). Stands behind an `agg` over tumbling, "
      .. "hopping or calendar windows with final results. A filled row leaves with its window, as "
      .. "soon as the stream has a row in it or in a later one; with `max_gap` so much later, when "
      .. "it is known how long the gap is. `interpolate` needs `max_gap`, or input that ends. "
      .. "A gap may be of any length: its rows leave a part at a time, and a run that is stopped "
      .. "in it goes on there. One of more windows than `max_windows` ends the run, since rows "
      .. "without end would follow one whose time is wrong.",
    subjects = { { kind = "list" } },
    options = {
      stop_after = { kind = "duration", min = 0,
        doc = "no more rows for a key that has been silent so long, from the end of its last "
          .. "window to the end of the one to fill; it is forgotten then" },
      max_gap = { kind = "duration", min = 0,
        doc = "gaps that are longer are not filled at all, from the first window without a row to "
          .. "the start of the next one that has one" },
      max_windows = { kind = "count", min = 1, default = "1000000; no limit with the others",
        doc = "a gap of more windows ends the run" },
    },
    make = function(c, input)
      if c[1].fn then
        c:fail("W203", "argument 1 of `fill` must be a list in a string, got a function", nil, "1")
      end
      local node = windowed_agg(c, input)
      local data = stream.data(input)
      local items, checks = require("weir.fill").list(c, c[1].ast, stream.columns(input),
        data.info.key)
      return {
        op = "fill", items = items, checks = checks, window = node.window,
        stop_after = c.opts.stop_after, max_gap = c.opts.max_gap,
        max_windows = c.opts.max_windows,
      }
    end,
  },
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
    doc = "The first rows; then stops its sources. What lies behind the last row that is wanted "
      .. "is not read: it counts as no record and gives no reject, for any batch size. A `join` or "
      .. "a windowed `dedup` stops at the row that made the last one, where only row-by-row stages "
      .. "stand between and nobody reads its late rows. Other stages that make rows of their own "
      .. "(`agg`, `top`, a join whose row leaves since it met none), and all whose rows meet "
      .. "another stream before the limit, work on to the end of an input that ends. Of inputs "
      .. "that never end, how far they were read depends on when rows came.",
    subjects = { { kind = "count", min = 0 } },
    options = { offset = { kind = "count", doc = "leave out so many rows first", default = "0" } },
    make = function(c)
      return { op = "limit", rows = c[1], offset = c.opts.offset or 0 }
    end,
  },
}
