--- Windows: cut an endless stream into groups that end. Describes only; nothing runs here.
local M = {}

local Window = {}
Window.__index = Window
Window.__name = "weir.window"

--- One slice of a hopping window has at least this share of it: bounds the slices a row falls in.
M.HOPS_MAX = 10000

--- The constructors, as `weir.call` reads them.
M.CONSTRUCTORS = {
  tumbling = {
    unnamed = true,
    usage = 'weir.tumbling("1h", { offset = "15m" })',
    doc = "Windows of one width, one after the other, aligned to 1970-01-01T00:00Z. A row on a "
      .. "boundary is in the later window.",
    subjects = { { kind = "duration", min = 1, what = "a duration of at least 1us" } },
    options = {
      offset = { kind = "duration", signed = true, doc = "moves all boundaries", default = "0s" },
    },
    make = function(call)
      return { kind = "tumbling", size = call[1], offset = call.opts.offset or 0 }
    end,
  },
  hopping = {
    unnamed = true,
    usage = 'weir.hopping("10m", { every = "1m" })',
    doc = "Windows of one width that overlap: a new one begins at each multiple of `every`.",
    subjects = { { kind = "duration", min = 1, what = "a duration of at least 1us" } },
    options = {
      every = { kind = "duration", min = 1, doc = "from one start to the next (required)" },
      offset = { kind = "duration", signed = true, doc = "moves all boundaries", default = "0s" },
    },
    make = function(call)
      local width, every = call[1], call.opts.every
      if not every then
        call:fail("W203", "option `every` of `weir.hopping` must be a duration, got nil",
          "how far apart windows begin: `weir.hopping(\"10m\", { every = \"1m\" })`")
      elseif every > width then
        call:fail("W203", "option `every` of `weir.hopping` must be at most the window's width",
          "wider steps would leave rows in no window", "every")
      elseif width // every > M.HOPS_MAX then
        call:fail("W203", ("option `every` of `weir.hopping` must be at least 1/%d of the width")
          :format(M.HOPS_MAX), nil, "every")
      end
      return { kind = "hopping", size = width, every = every, offset = call.opts.offset or 0 }
    end,
  },
}
--- In the language, not in this version.
M.LATER = { cumulative = true, session = true, count = true, calendar = true }

---@return weir.Window
function M.new(fields)
  return setmetatable(fields, Window)
end

---@return boolean
function M.is(x)
  return getmetatable(x) == Window
end

--- A plain copy for a spec, with what `:window` adds.
function M.plain(window, extra)
  local plain = {}
  for key, x in pairs(window) do
    plain[key] = x
  end
  for key, x in pairs(extra or {}) do
    plain[key] = x
  end
  return plain
end

return M
