-- Results that change: by late rows, with each row, at multiples of event time; and changelogs that
-- are grouped again, upserted, shown. Any batch size gives the same changes in the same order.
local s = weir.read("in.csv", { schema = "k string, v int64, ts timestamp" }):event_time "ts"
local late = { allowed_lateness = "10s" }

s:window(weir.tumbling "10s", late):group_by "k":agg "n = count(), s = sum(v)"
  :changes { before = true }:write "late.csv"
s:window(weir.hopping("10s", { every = "5s" }), { allowed_lateness = "5s" }):group_by "k"
  :agg "n = count(), m = max(v)":changes { before = true }:write "hopping.csv"

local users = s:group_by "k":emit "update":agg "n = count(), s = sum(v), mean = avg(v)"
users:changes { before = true }:write "update.csv"
users:group_by "n":agg "groups = count(), best = max(s), names = list(k)":changes()
  :write "again.csv"
local totals = users:filter "n > 1":group_by "n":agg "total = sum(s), x = sum(mean)"
totals:write("sqlite:out.db", { table = "totals" })
totals:changes():write "totals.csv" -- who sees each change makes their number known

s:group_by "k":emit("update", { every = "10s" }):agg "n = count(), s = sum(v)"
  :changes { before = true }:write "every.csv"
s:group_by "k":emit("delta", { every = "10s" }):agg "n = count(), s = sum(v)":write "delta.csv"
s:window(weir.tumbling "10s", late):group_by "k":emit "update":agg "n = count()":changes()
  :write "window_update.csv"
s:window(weir.tumbling "10s", late):group_by "k":emit("update", { every = "7s" })
  :agg "n = count()":changes():write "window_every.csv"
s:rejects():write "rejects.csv"
users:group_by():agg "users = count(), total = sum(s)":print()
