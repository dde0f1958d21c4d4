-- Two windowed streams that meet again: results of one wait for the other, and the frontier of
-- the union never goes back meanwhile.
local function windows(file, window)
  return weir.read(file, { schema = "name string, ts timestamp" })
    :event_time "ts"
    :window(window)
    :group_by "name"
    :agg "n = count(), m = max(name)"
end
local a = windows("a.csv", weir.hopping("20s", { every = "10s" }))
local b = windows("b.csv", weir.tumbling "20s")
a:union(b):write "both.csv"
