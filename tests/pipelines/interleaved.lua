-- Streams whose rows take turns are merged row by row, in one order: several merges one behind the
-- other, and parts of a stream that meet again, over and over.
local function readings(first)
  local columns = ("v = i * 8 + %d, at = timestamp '2026-01-01' + v * duration '1s'"):format(first)
  return weir.generate { rows = 3000, columns = columns }:event_time("at", { max_delay = "1s" })
end

local all = readings(0)
for first = 1, 7 do
  all = all:union(readings(first))
end
for _ = 1, 24 do
  all = all:filter("v % 2 == 0"):union(all:filter "v % 2 == 1")
end
all
  :window(weir.tumbling "1h")
  :agg "n = count(), first = first(v), last = last(v), sum = sum(v)"
  :print { format = "csv" }
