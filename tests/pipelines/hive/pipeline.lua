-- Rows in directories by their values: which file a row is in depends on no batch and no stop.
local s = weir.read("in.csv", { schema = "k string, n int64, day date, x float64, ts timestamp" })
local timed = s:event_time("ts", { max_delay = "5s" })

-- Late rows open a second file; names are escaped; nil and the empty text have a name of their own.
timed:write("rolled/", {
  partition_by = "day, minute = format_time(ts, '%H:%M')", format = "csv", roll = "1m",
  success = true,
})
s:write("by_text", { partition_by = "k", format = "ndjson" })
s:filter "n > 20":write("packed/", {
  partition_by = "local h = n // 2, half = h", format = "csv", compression = "gzip",
  header = false,
})
s:write("old/", { partition_by = "k", format = "csv" }) -- what it has of `a` is replaced
s:write("more/", { partition_by = "k", format = "csv", mode = "append" })
-- Results of windows, complete a minute behind.
timed:window(weir.tumbling "30s"):group_by "k":agg "n = count()"
  :write("windows/", { partition_by = "hour = format_time(window_start, '%H')", format = "csv",
    roll = "1m" })
