-- Gaps between windows of devices that are silent for a while, filled: with values, with those of
-- the row before, on the line to the next one; all gaps, short ones, the begin of long ones; of
-- windows that overlap, and of days, one of which has 23 hours.
local metrics = weir.read("metrics.csv", {
  schema = "device string, site string, temp float64, ts timestamp",
})
  :event_time("ts", { max_delay = "5m" })

local function filled(name, window, keys, list, options)
  local rows = metrics:window(window):group_by(keys)
    :agg "n = count(), temp = round(avg(temp), 2), newest = last(ts), note = any_value(site)"
    :fill(list, options or {})
  rows:write(name .. ".csv")
  return rows
end

local hour = weir.tumbling "1h"
filled("values", hour, "device, site", "n = 0, note = 'silent'", { stop_after = "3h" })
filled("previous", hour, "device", "n = 0, temp = previous(temp), newest = previous(newest)",
  { stop_after = "6h" })
filled("line", hour, "device", "n = 0, temp = round(interpolate(temp), 3)")
filled("short", hour, "device", "n = previous(n), temp = interpolate(temp)", { max_gap = "2h" })
filled("one", weir.tumbling "3h", "all = 1", "n = 0, temp = -1.0")
filled("hopping", weir.hopping("4h", { every = "2h", offset = "30m" }), "device",
  "n = 0, temp = interpolate(temp)", { max_gap = "8h", stop_after = "4h" })
local day = weir.calendar("day", { timezone = "Europe/Berlin" })
filled("days", day, "device", "n = 0, temp = previous(temp)")
filled("days_line", day, "device", "temp = interpolate(temp)", { max_gap = "1d" })
  :filter "note == nil":write "days_made.csv"
filled("failing", hour, "device", "n = 7 // previous(n - 2)", { stop_after = "2h" })
  :window(weir.tumbling "6h"):group_by "device"
  :agg "rows = count(), made = count(where note == nil)"
  :write "counts.csv"
metrics:window(hour):group_by "device":agg "n = count()":filter "n > 1":rename "unit = device"
  :fill("n = 1", { max_gap = "4h" }):write "filtered.csv"
weir.rejects():group_by "code, stage":agg "n = count()":write "rejects.csv"
