--- Which rows of many: top, dedup, distinct, as_table.
local call = require("weir.call")
local stream = require("weir.stream")
local put = call.put

--- The keys by which `group_by` asks for groups of their own.
local function add_modifiers(spec, input)
  local modifiers = stream.modifiers(input)
  local group = modifiers.group_by
  spec.window, spec.emit = modifiers.window, modifiers.emit
  spec.group_by, spec.group_fn = group and group.items, group and group.fn
  return spec
end

return {
  top = {
    usage = ':top(3, "amount desc", { rank = "place" })',
    doc = "The first rows of each group (and window) in an order; equal ones by event time, then "
      .. "arrival. Of results of a windowed `agg` the window is a key: `:group_by \"window_start, "
      .. "window_end\":top(3, \"n desc\")`. Leaves with `emit \"update\"` as changes, else when "
      .. "the group is complete: at the end of its window, which is also one whose `window_end` is "
      .. "among the keys, or of the input. Over updates it takes rows back, and keeps all rows of "
      .. "the group for that.",
    subjects = { { kind = "count", min = 1, max = 100000 }, { kind = "order" } },
    consumes = { window = true, group_by = true, emit = true },
    options = {
      ties = { kind = "boolean", doc = "also all rows equal to the last one", default = "false" },
      rank = { kind = "text",
        doc = "adds the place in the group: 1, 2, 3; with `ties` equal rows have equal ones" },
    },
    make = function(c, input)
      if c[2].fn and not c[2].fn.outputs then
        c:fail("W111", "the types of the keys of this function are not known",
          "write them before it: `:top(3, \"key int64\", function(e) … end)`", "2")
      end
      return add_modifiers(put({
        op = "top", rows = c[1], ties = c.opts.ties or false, rank = c.opts.rank,
      }, "order", c[2]), input)
    end,
  },
  dedup = {
    usage = ':dedup("id", { within = "1h" })',
    doc = "One row of each key. `any`: the first to arrive goes through at once. `first`, `last`: "
      .. "by event time, else arrival; known when the key is complete, or with "
      .. "`emit \"update\"` as it changes.",
    subjects = { { kind = "columns" } },
    consumes = { window = true, emit = true },
    options = {
      keep = { kind = "choice", of = { "any", "first", "last" }, doc = "which row of a key",
        default = '"any"' },
      within = { kind = "duration", min = 1,
        doc = "a row is a duplicate when a kept one of its key is nearer than this in event time, "
          .. "before it or behind it; keys are forgotten after it" },
    },
    make = function(c, input)
      local keep = c.opts.keep or "any"
      local emit = stream.modifiers(input).emit
      if keep == "any" and emit then
        c:fail("W203", "`emit` says nothing to `dedup` of any row: the first goes through at once",
          "`keep = \"first\"` waits for the first by event time", "1")
      end
      local spec = add_modifiers({
        op = "dedup", columns = call.column_names(c[1]), keep = keep, within = c.opts.within,
      }, input)
      spec.group_by = c[1].ast
      return spec
    end,
  },
  distinct = {
    usage = ':distinct "user, country"',
    doc = "These columns only (all, without a list), each combination once, as soon as it is "
      .. "there. Of updates rows are counted: a combination goes when its last row is taken back. "
      .. "Under a window once for each; an input without end needs one, or `window_end` among the "
      .. "columns.",
    subjects = { { kind = "columns", optional = true } },
    consumes = { window = true },
    make = function(c, input)
      return {
        op = "distinct", columns = call.column_names(c[1]),
        window = stream.modifiers(input).window,
      }
    end,
  },
  as_table = {
    usage = ':as_table("id", { version = "changed_at", delete = "op == \'d\'" })',
    doc = "Takes rows as versions of the row with their key: a newer one updates it. A row with an "
      .. "older version than one that came is passed over, also behind a delete.",
    subjects = { { kind = "columns" } },
    options = {
      version = { kind = "expr", doc = "what is newest by: the greatest wins; nil is the oldest, "
        .. "equal ones go by arrival", default = "arrival" },
      delete = { kind = "expr", doc = "a row for which this holds deletes its key" },
    },
    make = function(c)
      for _, option in ipairs { "version", "delete" } do
        if c.opts[option] and c.opts[option].fn then
          c:fail("W203", ("option `%s` of `as_table` must be an expression, got a function"):format(
            option), "compute it in a `derive` before", option)
        end
      end
      local version = c.opts.version and c.opts.version.ast
      return {
        op = "as_table", group_by = c[1].ast, delete = c.opts.delete and c.opts.delete.ast,
        order = version and { { expr = version, desc = true } },
      }
    end,
  },
}
