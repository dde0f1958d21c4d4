-- test: args --until 2026-01-01T00:05:00Z --drain
-- Read until nothing before that time can come any more: both branches, whose frontiers differ, and
-- the rows that were read by then, which lie behind it. Bad rows behind that are not met.
local rows = weir.read("in.csv", { schema = "at timestamp, k string, n int64" })
  :filter "n % 3 ~= 0"
local slow = rows:event_time("at", { max_delay = "20s" })
local fast = rows:derive "late = at - duration'1m'":event_time("late", { max_delay = "0s" })
slow:window(weir.tumbling "1m"):group_by "k":agg "n = count(), t = sum(n)":write "slow.csv"
fast:window(weir.tumbling "1m"):group_by "k":agg "n = count(), t = sum(n)":write "fast.csv"
rows:rejects():select "position":write "rejects.csv"
