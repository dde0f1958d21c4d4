-- Aggregates of the script over all kinds of windows, with rows that come behind and late, and over
-- a changelog. Any batch size, shards and restarts give the same.
local s = weir.read("in_*.csv", {
  schema = "k string, v int64, gap duration, ts timestamp", partitions = "each",
}):event_time("ts", { max_delay = "3s" })

weir.aggregate("spread(x float64) float64", {
  state = "n int64 = 0, mean float64 = 0, squares float64 = 0",
  add = function(a, x)
    a.n = a.n + 1
    local delta = x - a.mean
    a.mean = a.mean + delta / a.n
    a.squares = a.squares + delta * (x - a.mean)
  end,
  merge = function(a, b)
    local delta, n = b.mean - a.mean, a.n + b.n
    a.mean = a.mean + delta * b.n / n
    a.squares = a.squares + b.squares + delta * delta * a.n * b.n / n
    a.n = n
  end,
  result = function(a)
    if a.n < 2 then
      return nil
    end
    return a.squares / (a.n - 1)
  end,
})
weir.aggregate("path(k string, at timestamp) struct<text string, first timestamp, n int64>", {
  state = "text string = '', first timestamp, steps list<string>",
  add = function(a, k, at)
    a.text = (a.text .. k):sub(-20)
    if a.first == nil then
      a.first = at
    end
    local steps = a.steps or {}
    steps[#steps % 3 + 1] = k
    a.steps = steps
  end,
  result = function(a)
    if a.first == nil then
      return nil
    end
    return { text = a.text, first = a.first, n = #a.steps }
  end,
})
weir.aggregate("remains(x int64) int64", {
  state = "total int64 = 0",
  add = function(a, x)
    a.total = a.total + x
    if a.total > 4000 then
      error("more than there is")
    end
  end,
  merge = function(a, b) a.total = a.total + b.total end,
  retract = function(a, x) a.total = a.total - x end,
  result = function(a) return a.total end,
})
local items = [[s = spread(v), v = variance(v), p = path(k, ts), n = remains(v where v > 3)]]

local function once(name, window)
  s:window(window):group_by "k":agg(items):write(name .. ".ndjson")
end
once("tumbling", weir.tumbling "1h")
once("hopping", weir.hopping("2h", { every = "1h" }))
once("session", weir.session "30s")
once("count", weir.count(20))
s:window(weir.tumbling "1h", { allowed_lateness = "1h" }):group_by "k":agg(items)
  :changes { before = true }:write "late.ndjson"
s:group_by "k":emit("update", { every = "1h" }):agg(items):changes():write "every.ndjson"
s:agg(items):write "all.ndjson"
s:group_by "k":emit("update", { every = "10m" }):agg "n = count(), top = max(v)"
  :agg "t = remains(n), s = spread(top), p = path(k, timestamp(n, 's'))":changes()
  :write "taken_back.ndjson"
weir.rejects():select "code, stage, detail":write "rejects.ndjson"
