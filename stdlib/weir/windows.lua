--- Windows: cut an endless stream into groups that end. Describes only; nothing runs here.
local duration = require("weir.duration")
local value = require("weir.value")
local M = {}

local Window = {}
Window.__index = Window
Window.__name = "weir.window"

--- One slice of a hopping window has at least this share of it: bounds the slices a row falls in.
M.HOPS_MAX = 10000

--- `every` of overlapping windows: given, at most the width, and not one of too many.
local function check_every(call, usage)
  local width, every = call[1], call.opts.every
  local name = call.stage
  if not every then
    call:fail("W203", ("option `every` of `%s` must be a duration, got nil"):format(name),
      ("how far apart windows %s"):format(usage))
  elseif every > width then
    call:fail("W203", ("option `every` of `%s` must be at most the window's width"):format(name),
      "wider steps would leave rows in no window", "every")
  elseif width // every > M.HOPS_MAX then
    call:fail("W203", ("option `every` of `%s` must be at least 1/%d of the width")
      :format(name, M.HOPS_MAX), nil, "every")
  end
  return width, every
end

--- A day: `2024-01-31`, or a date.
local function read_origin(call, x)
  if type(x) == "string" then
    x = value.parse_date(x) or x
  end
  if x ~= nil and not (value.is(x) and x.type == "date") then
    call:wrong("origin", 'a day, as "2024-01-31"', x)
  end
  return x and x.v
end

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
    doc = "Windows of one width that overlap: a new one begins at each multiple of `every`. A row "
      .. "counts in those of its windows that have not ended; it is late, and in `late()`, only "
      .. "when all have.",
    subjects = { { kind = "duration", min = 1, what = "a duration of at least 1us" } },
    options = {
      every = { kind = "duration", min = 1, doc = "from one start to the next (required)" },
      offset = { kind = "duration", signed = true, doc = "moves all boundaries", default = "0s" },
    },
    make = function(call)
      local width, every = check_every(call,
        "begin: `weir.hopping(\"10m\", { every = \"1m\" })`")
      return { kind = "hopping", size = width, every = every, offset = call.opts.offset or 0 }
    end,
  },
  cumulative = {
    unnamed = true,
    usage = 'weir.cumulative("1d", { every = "1h" })',
    doc = "Windows that grow: of each period of that length the first `every`, the first two, … "
      .. "and at last the whole. Their results say what has come in the period so far.",
    subjects = { { kind = "duration", min = 1, what = "a duration of at least 1us" } },
    options = {
      every = { kind = "duration", min = 1,
        doc = "from one end to the next (required); divides the period" },
      offset = { kind = "duration", signed = true, doc = "moves all boundaries", default = "0s" },
    },
    make = function(call)
      local width, every = check_every(call,
        "end: `weir.cumulative(\"1d\", { every = \"1h\" })`")
      if width % every ~= 0 then
        call:fail("W203", "option `every` of `weir.cumulative` must divide the period",
          ("%s is no multiple of %s"):format(duration.format(width), duration.format(every)),
          "every")
      end
      return { kind = "cumulative", size = width, every = every, offset = call.opts.offset or 0 }
    end,
  },
  calendar = {
    unnamed = true,
    usage = 'weir.calendar("month", { timezone = "Europe/Berlin" })',
    doc = "Windows by the calendar of a zone, one after the other: `day`, `week` (from Monday), "
      .. "`month`, `quarter`, `year`, or from each time of a cron line (`0 6 * * 1-5`) to the "
      .. "next. A day on which the clocks change has 23 or 25 hours; a boundary that they skip is "
      .. "where they are put forward, and one that they show twice is the first.",
    subjects = { { kind = "text", what = "a unit of the calendar or a cron line" } },
    options = {
      every = { kind = "count", min = 1, doc = "how many units make a window", default = "1" },
      origin = { kind = "value", what = 'a day, as "2024-01-31"',
        doc = "a day on which a window begins; months are counted from its day of the month",
        default = "1970-01-01, of weeks the Monday behind" },
      timezone = { kind = "text", doc = "whose calendar it is", default = "the script's" },
    },
    make = function(call)
      local origin = read_origin(call, call.opts.origin)
      if call[1]:find(" ", 1, true) then
        for _, name in ipairs { "every", "origin" } do
          if call.opts[name] then
            call:fail("W203", ("a cron line has no `%s`"):format(name), nil, name)
          end
        end
      end
      return {
        kind = "calendar", unit = call[1], every = call.opts.every or 1, origin = origin,
        timezone = call.opts.timezone or call.script.settings.timezone or "UTC",
      }
    end,
  },
  session = {
    unnamed = true,
    usage = 'weir.session("30m", { max = "12h" })',
    doc = "A key's rows with no gap between them that is longer than this: a gap that is exactly "
      .. "as long joins them. Ends one gap behind the last row, or `max` behind the first. Late is "
      .. "judged on the session that a row would make: one that the frontier has passed (by "
      .. "`allowed_lateness`) is over, and a row near it that is not late begins another, which "
      .. "may overlap it. An expression gives each row a gap of its own; a row for which that "
      .. "is nil, or not above zero, is rejected (W502). A late row that is allowed takes back the "
      .. "results of the sessions that it merges; `emit` is `final` or `update`, without `every`.",
    subjects = { { kind = "duration or expression", min = 1 } },
    options = {
      max = { kind = "duration", min = 1, doc = "the longest: a row this far behind the first "
        .. "begins a new session", default = "any length" },
    },
    make = function(call)
      local gap, max = call[1], call.opts.max
      if gap.us and max and max < gap.us then
        call:fail("W203", "option `max` of `weir.session` must be at least the gap", nil, "max")
      end
      return { kind = "session", gap = gap.us, gap_items = gap.ast, max = max }
    end,
  },
  count = {
    unnamed = true,
    usage = "weir.count(100, { every = 10 })",
    doc = "So many rows of a key, in the order in which they come; needs no event time. With "
      .. "`every` windows overlap, and the first of a key have fewer rows. What has come since the "
      .. "last full window leaves at the end of the input. Times are those of the rows, or nil. "
      .. "`emit` is `final`.",
    subjects = { { kind = "count", min = 1, what = "a number of rows" } },
    options = {
      every = { kind = "count", min = 1, doc = "a window after each so many rows",
        default = "the window's rows" },
    },
    make = function(call)
      local rows, every = call[1], call.opts.every or call[1]
      if every > rows then
        call:fail("W203", "option `every` of `weir.count` must be at most the window's rows",
          "wider steps would leave rows in no window", "every")
      elseif rows // every > M.HOPS_MAX then
        call:fail("W203", ("option `every` of `weir.count` must be at least 1/%d of the rows")
          :format(M.HOPS_MAX), nil, "every")
      end
      return { kind = "count", rows = rows, every = every }
    end,
  },
}

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
