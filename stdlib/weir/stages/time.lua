--- Stages of time: event_time, and the modifiers window and emit.
local call = require("weir.call")
local stream = require("weir.stream")
local windows = require("weir.windows")
local put = call.put

local IDLE_US = 5000000
local EMIT_MODES = { "final", "update", "delta" }

local function read_emit(c)
  local mode = c[1]
  for _, known in ipairs(EMIT_MODES) do
    if mode == known then
      return { mode = mode }
    end
  end
  local near = require("weir.suggest").nearest(mode, EMIT_MODES)
  c:wrong("1", '"final", "update" or "delta"', mode, near and ("did you mean %q?"):format(near))
end

--- An expression of one row, as a list of one item that the runtime binds.
local function one_item(c, option)
  local parsed = c.opts[option]
  if parsed and parsed.fn then
    c:fail("W203", ("option `%s` of `%s` must be an expression, got a function"):format(option,
      c.stage), "compute it in a `derive` before", option)
  end
  return parsed and { { name = option, expr = parsed.ast, from = 1, to = #c.texts[option] } }
end

return {
  event_time = {
    usage = ':event_time("ts", { max_delay = "5s" })',
    doc = "Says which column is the time of a row, and how far rows may come behind the newest. "
      .. "A row whose time is nil or fails is rejected (W506).",
    subjects = { { kind = "list" } },
    options = {
      max_delay = { kind = "duration", min = 0,
        doc = "how far behind the newest row one may come and still be in time", default = "0s" },
      idle = { kind = "duration", min = 0, default = "5s", doc = "how long an input that is live "
        .. "and has nothing more to read is waited for; when none has, time goes on by the clock" },
      watermark = { kind = "expr", doc = "a timestamp that moves the frontier, instead of "
        .. "the times of rows: behind a row that says t, rows come from t on; nil moves nothing" },
      source = { kind = "boolean", doc = "the source says its own watermarks", default = "false" },
    },
    make = function(c)
      local items = c[1].ast
      local visible = 0
      for _, item in ipairs(items or {}) do
        visible = visible + (item.is_local and 0 or 1)
      end
      if items and visible ~= 1 then
        c:fail("W203", ("argument 1 of `event_time` must be one column, got %d"):format(visible),
          "`:event_time \"ts\"`, or computed: `:event_time \"ts = t + n * duration'1m'\"`", "1",
          items[1].from, items[#items].to)
      end
      local watermark = one_item(c, "watermark")
      if c.opts.source and c.opts.idle then
        c:fail("W203", "`source` of `event_time` says that the source knows how far it is, and "
          .. "`idle` that it does not", "give one of them", "idle")
      end
      for _, other in ipairs { "max_delay", "source" } do
        if watermark and c.opts[other] then
          c:fail("W203", ("`watermark` of `event_time` says where the frontier is, and so does "
            .. "`%s`"):format(other), "give one of them", other)
        end
      end
      return put({
        op = "event_time", max_delay = c.opts.max_delay or 0, source = c.opts.source or false,
        watermark = watermark, idle = c.opts.idle or IDLE_US,
      }, "items", c[1])
    end,
  },
  processing_time = {
    usage = ':processing_time "at"',
    doc = "Event time by the clock: a new column with the time at which a row is worked on. The "
      .. "clock is the frontier too: windows end when their time has come, with rows or without. "
      .. "No row is late. Another run gives other times. Stages that merge rows stand behind it, "
      .. "so of a `union` each stream has one.",
    subjects = { { kind = "text", what = "a name for the column" } },
    make = function(c, input)
      local name = c[1]
      for _, column in ipairs(stream.columns(input)) do
        if column == name then
          c:fail("W205", ("column `%s` exists"):format(name),
            "name another one for the time: `:processing_time \"at\"`", "1")
        end
      end
      local now = { k = "call", name = "now", args = {}, from = 1, to = #name }
      return {
        op = "processing_time", clock = true,
        items = { { name = name, expr = now, from = 1, to = #name } },
      }
    end,
  },
  window = {
    modifier = true,
    usage = ':window(weir.tumbling "1h")',
    doc = "Cuts time into windows for the next consumer, which adds `window_start, window_end`.",
    subjects = { { kind = "window" } },
    options = {
      allowed_lateness = { kind = "duration", min = 0, default = "0s",
        doc = "how long after its end a window still takes rows, which then correct its result" },
    },
    make = function(c, input)
      local plain = windows.plain(c[1], { allowed_lateness = c.opts.allowed_lateness or 0 })
      stream.probe(c, input, { op = "window", window = plain })
      return nil, stream.modified(input, c, plain)
    end,
  },
  emit = {
    modifier = true,
    usage = ':emit "final"',
    doc = "When results leave: `final` once, when complete, which is the default. `update`: each "
      .. "change, the old result back and the new one out. `delta`: what came since then. "
      .. "`final` with `at`: a group ends when no row up to that time may still come, with it as "
      .. "event time; a row that comes for a group that has ended is late (W507).",
    subjects = { { kind = "text" } },
    options = {
      every = { kind = "duration", min = 1,
        doc = "only when event time (or the `clock`) passes a multiple of this" },
      at = { kind = "expr", doc = "`final`: a group ends when the frontier passes this time, the "
        .. "latest of its rows" },
      clock = { kind = "choice", of = { "event", "processing" }, default = '"event"',
        doc = "which time `every` means: that of the rows, or that of the machine" },
    },
    make = function(c, input)
      local emit = read_emit(c)
      emit.every = c.opts.every
      emit.clock = c.opts.clock == "processing" and c.opts.clock or nil
      if emit.clock and not emit.every then
        c:fail("W203", "`clock` of `emit` says which time `every` means, and there is no `every`",
          "`{ every = \"10s\", clock = \"processing\" }`", "clock")
      end
      emit.at = one_item(c, "at")
      if emit.at and emit.mode ~= "final" then
        c:fail("W203", ("emission `%s` has no `at`"):format(emit.mode),
          "a group that ends at a time leaves once: `:emit(\"final\", { at = … })`", "at")
      elseif emit.at then
        stream.probe(c, input, { op = "emit", at = emit.at })
      end
      return nil, stream.modified(input, c, emit)
    end,
  },
}
