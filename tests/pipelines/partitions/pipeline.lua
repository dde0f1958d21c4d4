-- Two partitions with interleaved times: rows meet in the order of their times, lateness is that of
-- each partition alone (a4 is late by its own file, though the other one holds its window open).
local rows = weir.read("part-*.csv", { partitions = "each" })
  :event_time("ts", { max_delay = "10s" })
local windows = rows
  :window(weir.tumbling "1m")
  :agg "n = count(), ids = string_agg(id, ' ')"
windows:write "windows.csv"
windows:late():select "id, ts":write "late.csv"
rows:sort():select "id, ts":write "sorted.csv"
rows:union(rows:filter "id == 'b2'"):select "id":write "twice.csv"
