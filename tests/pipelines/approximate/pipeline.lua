-- Aggregates whose states are more than a number, over all kinds of windows, with rows that come
-- behind and late, of two partitions. Any batch size, shards and restarts give the same.
local s = weir.read("in_*.csv", {
  schema = "k string, v int64, s string, ts timestamp", partitions = "each",
}):event_time("ts", { max_delay = "4s" })
local items = [[distinct = approx_count_distinct(v), mid = approx_quantile(v, 0.5)
  high = approx_quantile(v, 0.95), top = approx_top(s, 2), some = sample(s, 3)
  c = corr(v, length(s)), s = covar(v, length(s)), buckets = histogram(v, 500)
  edges = histogram(v, 10, 100, 1000), steps = funnel(s == 'x', v > 50, s == 'y')]]
items = items:gsub("length%(s%)", "#s")

local function once(name, window)
  s:window(window):group_by "k":agg(items):write(name .. ".csv")
end
once("tumbling", weir.tumbling "1m")
once("hopping", weir.hopping("2m", { every = "40s" }))
once("session", weir.session "6s")
once("cumulative", weir.cumulative("10m", { every = "2m" }))
once("count", weir.count(50))
once("count_every", weir.count(60, { every = 25 }))
s:window(weir.tumbling "5m", { allowed_lateness = "1h" }):group_by "k":agg(items)
  :changes { before = true }:write "late.csv"
s:group_by "k":emit("update", { every = "1m" }):agg(items):changes():write "every.csv"
s:group_by "k":emit("delta", { every = "1m" }):agg(items):write "delta.csv"
s:agg(items):write "all.csv"
-- The rows of a group that changes are taken back, where that can be.
s:group_by "k":emit("update", { every = "20s" }):agg "n = count(), top = max(v), low = min(v)"
  :agg "c = corr(n, top), s = covar_pop(n, top), b = histogram(n, 50), f = funnel(n > 9, n > 20)"
  :changes():write "taken_back.csv"
