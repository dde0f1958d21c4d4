-- Rejects leave in the order of source, partition, record and stage, whoever was read first: the
-- second partition is behind in time, so that the first one waits for it. Where `limit` stops a
-- source, what was only read ahead has not happened.
local rows = weir.read("part-*.csv", {
  partitions = "each",
  schema = "id string, v int64, ts timestamp",
})
local timed = rows:derive "half = 10 // v":event_time("ts", { max_delay = "10s" })
timed:window(weir.tumbling "1m"):agg "n = count(), s = sum(half)":write "windows.csv"

local other = weir.read("other.ndjson", { schema = "id string, v int64" })
other:filter "10 // v > 0":limit(3):write "first.ndjson"

rows:rejects():write "rows_rejects.csv"
weir.rejects():select "code, source, position, raw":write "rejects.csv"
