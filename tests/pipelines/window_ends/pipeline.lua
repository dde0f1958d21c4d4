-- The end of a window under another name, as a key: it closes what it says as long as rows come
-- with their window, and nothing behind stages that give them another time.
local s = weir.read("in.csv", { schema = "ts timestamp, k string" }):event_time "ts"
local w = s:window(weir.tumbling "10s"):group_by "k":agg "n = count()"
local renamed = w:rename "first_start = window_start, first_end = window_end"
local over = weir.hopping("1m", { every = "30s" })

renamed:group_by "first_end":top(1, "k"):write "plain.csv"
renamed:window(over):top(9, "n"):distinct "first_end, k":write "top.csv"
renamed:window(over):top(9, "n"):group_by "first_end":top(1, "window_end desc")
  :select "first_end, k, window_end":write "top_of_top.csv"
renamed:window(over):group_by "k":derive "r = row_number()":group_by "first_end":top(1, "r, k")
  :select "first_end, k, window_end":write "frames.csv"
renamed:window(over):distinct "first_end, k":group_by "first_end":top(1, "window_end, k")
  :select "first_end, k, window_end":write "distinct.csv"
renamed:window(weir.tumbling "1m")
  :join(renamed:filter "k == 'a'", { on = "k, first_end", prefix = "r_", how = "left" })
  :group_by "first_end":top(1, "k"):select "first_end, k, window_end":write "join.csv"
w:join(s:rename "at = ts", { on = "k", prefix = "r_", within = { "0s", "40s" }, time = "left" })
  :group_by "window_end":top(1, "r_at desc, k"):select "window_end, k, r_at":write "left_time.csv"
w:join(s:rename "at = ts", { on = "k", prefix = "r_", within = { "0s", "40s" } })
  :group_by "window_end":top(1, "r_at desc, k"):select "window_end, k, r_at":write "later_time.csv"
w:group_by "window_end":emit("final", { at = "window_end" }):agg "m = count()"
  :group_by "window_end":top(1, "m"):write "at_end.csv"
w:group_by "window_end":emit "update":agg "m = count()":distinct "window_end, m":changes()
  :write "updates.csv"
weir.rejects():write "rejects.ndjson"
