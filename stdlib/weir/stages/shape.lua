--- Stages that change rows one by one: filter, derive, select, drop, rename, expect, and union.
local call = require("weir.call")
local stream = require("weir.stream")
local put = call.put

local LIST = { kind = "list" }
local COLUMNS = { kind = "columns" }

--- `new = old, …` → pairs; W001 where an item is anything else.
local function rename_pairs(stage_call)
  local pairs_of = {}
  for i, item in ipairs(stage_call[1].ast) do
    if not item.name or item.bare or item.is_local or item.expr.k ~= "name" then
      stage_call:fail("W001", "unexpected item, expected `new = old`",
        "both are names of columns; compute with `derive`", "1", item.from, item.to)
    end
    pairs_of[i] = {
      new = item.name, old = item.expr.name, from = item.from, to = item.to,
      old_from = item.expr.from, old_to = item.expr.to,
    }
  end
  return pairs_of
end

return {
  filter = {
    usage = ':filter "amount > 100"',
    doc = "Keeps the rows for which the condition is true; nil counts as not true.",
    subjects = { { kind = "expr" } },
    make = function(c)
      return put({ op = "filter" }, "expr", c[1])
    end,
  },
  derive = {
    usage = ':derive "eur = amount * $rate"',
    doc = "Adds columns at the end, or replaces those of the same name in place. Behind `group_by` "
      .. "each row sees others of its group: aggregates from the first row to this one, or over a "
      .. "frame (`avg(x) over '1h'`, `over 10`), `lag`, `lead`, `row_number`, `rank`, `delta`, "
      .. "`rate`. With event time rows leave in its order, once the frontier has passed them. "
      .. "Under a window an aggregate is over all its rows, which leave when it closes. With "
      .. "`emit \"update\"` rows leave at once and are corrected. Rows of one time stand in the "
      .. "order of their sources in the script, then as they were read.",
    subjects = { LIST },
    options = {
      order = { kind = "choice", of = { "time", "arrival" }, default = '"time"',
        doc = "behind `group_by`: `arrival` lets rows go at once, with what has come until then" },
    },
    consumes = { window = true, group_by = true, emit = true },
    make = function(c, input)
      local modifiers = stream.modifiers(input)
      if next(modifiers) == nil then
        if c.opts.order then
          c:fail("W203", "option `order` of `derive` is for groups", "`:group_by` before it",
            "order")
        end
        return put({ op = "derive" }, "items", c[1])
      elseif c[1].fn then
        c:fail("W203", "a grouped `derive` takes a list in a string, got a function",
          "a function sees one row; put it into a `derive` before the `group_by`, or behind this",
          "1")
      end
      local group = modifiers.group_by
      return {
        op = "derive", grouped = true, items = c[1].ast, order = c.opts.order,
        group_by = group and group.items, group_fn = group and group.fn, window = modifiers.window,
        emit = modifiers.emit,
      }
    end,
  },
  select = {
    usage = ':select "user, eur = amount * 0.9"',
    doc = "Exactly these columns, in this order.",
    subjects = { LIST },
    make = function(c)
      return put({ op = "select" }, "items", c[1])
    end,
  },
  drop = {
    usage = ':drop "url, referer"',
    doc = "All columns but these.",
    subjects = { COLUMNS },
    make = function(c)
      require("weir.advice").check_columns(c, c[1].ast)
      return { op = "drop", columns = call.column_names(c[1]) }
    end,
  },
  rename = {
    usage = ':rename "customer = user"',
    doc = "Gives columns other names, in place.",
    subjects = { { kind = "list" } },
    make = function(c)
      if c[1].fn then
        c:fail("W203", "argument 1 of `rename` must be `new = old`, got a function", nil, "1")
      end
      local pairs_of = rename_pairs(c)
      require("weir.advice").check_renamed(c, pairs_of)
      return { op = "rename", pairs = pairs_of }
    end,
  },
  expect = {
    usage = ':expect("positive = amount > 0", { on_fail = "warn" })',
    doc = "Rows for which a condition is not true are rejected (W508) with its name as the reason.",
    subjects = { LIST },
    options = {
      on_fail = { kind = "choice", of = { "reject", "warn", "fail" },
        doc = "what a row does that is not as expected: `warn` keeps and counts it, `fail` ends "
          .. "the run", default = "reject" },
    },
    make = function(c)
      return put({ op = "expect", on_fail = c.opts.on_fail or "reject" }, "items", c[1])
    end,
  },
  union = {
    usage = ":union(other, another)",
    doc = "The rows of all streams, by column name; types must agree, no column may be missing. "
      .. "Stages behind it that go by event time take rows of the same time in the order of their "
      .. "sources in the script; branches of one source in the order of the streams here. "
      .. "Without event time one stream comes after the other, as they stand here; where one "
      .. "before the last never ends, rows go on as they come.",
    subjects = { { kind = "stream", rest = true } },
    make = function(c, input)
      local inputs = { stream.data(input).id }
      for _, other in ipairs(c) do
        if stream.data(other).pending then
          c:fail("W207", ("%s of a stream in `union` waits for its consumer"):format(
            stream.pending_text(stream.data(other).pending)), "end it with `agg` first")
        end
        inputs[#inputs + 1] = stream.data(other).id
        stream.use(other)
      end
      return { op = "union", inputs = inputs }
    end,
  },
}
