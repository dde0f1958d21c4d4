-- A file that grows and a directory that fills, which fall idle: the other one goes on without it,
-- and time goes on by the clock when both are quiet. Which rows are late then is a matter of when
-- that was; but each is in one window, or late, and no window is left twice.
local orders = weir.read("orders.ndjson", {
    follow = true, schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s", idle = "300ms" })
  :select "user, n = amount, ts"
local clicks = weir.read("part-*.csv", {
    follow = true, schema = "user string, page string, ts timestamp, ms int64",
  })
  :event_time("ts", { max_delay = "5s", idle = "600ms" })
  :select "user, n = ms, ts"
local windows = orders:union(clicks):window(weir.tumbling "20s"):group_by "user"
  :agg "rows = count(), sum = sum(n)"
local late = windows:late():select "user, rows = 1, sum = n"
windows:select "user, rows, sum":union(late):group_by "user":emit "update"
  :agg "rows = sum(rows), sum = sum(sum)"
  :write("sqlite:users.db", { table = "users" })
