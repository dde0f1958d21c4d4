-- Times that are given anew: what the second `event_time` cuts is a part of what the first one has
-- cut, and each frontier goes on by its own rows.
local read = weir.read("in.csv", { schema = "id int64, k int64, ts timestamp" })
  :event_time("ts", { max_delay = "10m" })
local later = read:filter "id % 3 > 0":event_time("ts", { max_delay = "2m" })
local function counted(rows)
  return rows:window(weir.tumbling("1m"), { allowed_lateness = "5m" }):group_by "k"
    :agg "n = count()":changes()
end
counted(later):write "later.csv"
counted(read):write "read.csv"
read:join(later, { on = "k", within = "30s", how = "left", prefix = "l_" }):write "left.csv"
