-- Late rows behind a union, which passes them on: its next row proves a frontier, and a later one
-- stands behind it.
local function read(name)
  return weir.read(name .. ".csv", { schema = "ts timestamp, k int64" }):event_time "ts"
end
local both = read "a":union(read "b")
both:join(read "c", { on = "k", within = "5s", how = "left", prefix = "c_" }):write "left.csv"
both:dedup("k, ts", { within = "10s" })
  :join(read "c", { on = "k", within = "5s", how = "full", prefix = "c_" }):write "full.csv"
both:join(read "c", { on = "k", within = "5s", how = "left", prefix = "c_" })
  :window(weir.tumbling "2s", { allowed_lateness = "2s" }):agg "n = count()":changes()
  :write "counts.csv"
weir.rejects():select "code, stage, detail, position":write "rejects.csv"
