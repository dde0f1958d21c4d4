-- Texts that are too long for a cell, as keys behind another one: the state that holds them is
-- dropped before rows of shards are put in order.
local rows = weir.generate { rows = 300, columns = "id = i, k = i * 7919 % 5, "
  .. "name = 'customer number ' .. string(i * i % 17), "
  .. "ts = timestamp'2024-01-01T00:00:00Z' + i * duration'1s'" }
local timed = rows:event_time("ts", { max_delay = "10s" })
local by = "k, name"

rows:group_by(by):top(1, "id desc"):limit(20):write "top.csv"
timed:window(weir.tumbling "1m"):group_by(by):top(1, "id"):write "window_top.csv"
timed:window(weir.tumbling "1m"):group_by(by):top(2, "id", { ties = true, rank = "r" })
  :write "ties.csv"
rows:dedup(by, { keep = "last" }):write "last.csv"
rows:dedup(by, { keep = "first" }):write "first.csv"
rows:distinct(by):write "distinct.csv"
rows:group_by(by):agg "n = count()":write "agg.csv"
timed:window(weir.session "20s"):group_by(by):agg "n = count()":write "sessions.csv"
timed:window(weir.tumbling "1m"):group_by(by):derive "r = row_number()":select "k, name, r"
  :write "frames.csv"
timed:join(timed:select "k, name, other = id", { on = "k, name", prefix = "r_", how = "left",
  within = { "1s", "30s" } }):select "id, k, name, r_other":write "join.csv"
