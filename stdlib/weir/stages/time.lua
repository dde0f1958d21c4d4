--- Stages of time: event_time, and the modifiers window and emit.
local call = require("weir.call")
local stream = require("weir.stream")
local windows = require("weir.windows")
local put = call.put

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

return {
  event_time = {
    usage = ':event_time("ts", { max_delay = "5s" })',
    doc = "Says which column is the time of a row, and how far rows may come behind the newest. "
      .. "A row whose time is nil or fails is rejected (W506).",
    subjects = { { kind = "list" } },
    options = {
      max_delay = { kind = "duration", min = 0,
        doc = "how far behind the newest row one may come and still be in time", default = "0s" },
      idle = { later = true, kind = "any" },
      watermark = { later = true, kind = "any" },
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
      return put({
        op = "event_time", max_delay = c.opts.max_delay or 0, source = c.opts.source or false,
      }, "items", c[1])
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
      .. "change, the old result back and the new one out. `delta`: what came since the last time.",
    subjects = { { kind = "text" } },
    options = {
      every = { kind = "duration", min = 1,
        doc = "only when event time passes a multiple of this" },
      at = { later = true, kind = "any" },
      clock = { later = true, kind = "any" },
    },
    make = function(c, input)
      local emit = read_emit(c)
      emit.every = c.opts.every
      return nil, stream.modified(input, c, emit)
    end,
  },
}
