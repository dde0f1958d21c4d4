-- All kinds of windows over rows that come behind and late, of two partitions, with results that
-- leave once and such that change. Any batch size and any restart gives the same.
local s = weir.read("in_*.csv", {
  schema = "k string, v int64, gap duration, ts timestamp", partitions = "each",
}):event_time("ts", { max_delay = "3s" })
local items = "n = count(), s = sum(v), most = max(k), all = list(v)"
local late = { allowed_lateness = "30s" }

local function once(name, window)
  local windowed = s:window(window):group_by "k":agg(items)
  windowed:write(name .. ".csv")
  windowed:late():write(name .. "_refused.csv")
end
local function changing(name, window, options)
  s:window(window, options):group_by "k":agg(items):changes { before = true }:write(name .. ".csv")
end

once("session", weir.session "10s")
once("session_max", weir.session("10s", { max = "25s" }))
once("session_gap", weir.session "gap")
once("cumulative", weir.cumulative("1h", { every = "20m" }))
once("day", weir.calendar("day", { timezone = "Europe/Berlin" }))
once("cron", weir.calendar("*/30 * * * *", { timezone = "Europe/Berlin" }))
s:window(weir.session "10s"):agg(items):write "session_all.csv"

changing("session_late", weir.session "10s", late)
changing("session_max_late", weir.session("10s", { max = "25s" }), late)
changing("cumulative_late", weir.cumulative("1h", { every = "20m" }), late)
changing("cron_late", weir.calendar("0,7 * * * *"), late)
s:window(weir.session("gap * 2", { max = "1m" }), late):group_by "k":emit "update":agg(items)
  :changes { before = true }:write "session_update.csv"
s:window(weir.calendar "month"):group_by "k":emit "update":agg "n = count()":changes()
  :write "month_update.csv"

s:window(weir.count(4)):group_by "k":agg(items):write "count.csv"
s:window(weir.count(6, { every = 4 })):group_by "k":agg(items):write "count_every.csv"
s:window(weir.count(5)):agg(items):write "count_all.csv"
s:group_by "k":window(weir.count(3)):agg "n = count(), last_v = last(v)"
  :window(weir.session "1m"):group_by "k":agg "m = count(), windows = sum(n)":write "again.csv"
weir.rows("k string, v int64", "k,v\na,1\nb,2\na,3\na,4"):window(weir.count(2)):group_by "k"
  :agg "n = count(), s = sum(v)":write "count_untimed.csv"
weir.rejects():write "rejects.csv"
