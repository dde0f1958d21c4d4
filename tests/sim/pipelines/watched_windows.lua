-- A directory that fills, and windows over it: which rows are late hangs on the order of the files,
-- which come by their names.
local clicks = weir.read("part-*.csv", {
    follow = true, schema = "user string, page string, ts timestamp, ms int64",
  })
  :event_time("ts", { max_delay = "2s" })
local windows = clicks:window(weir.tumbling "20s"):group_by "page":agg "n = count(), sum = sum(ms)"
windows:write("windows.csv", { mode = "append" })
windows:late():select "user, page, ms":write("sqlite:late.db", { table = "late", mode = "append" })
clicks:dedup("user", { within = "1h" }):select "user, page, ms"
  :write("sqlite:first.db", { table = "first", mode = "append" })
