-- Files that grow at their end: one that was there before, one that was not.
local clicks = weir.read("part-*.csv", {
    schema = "user string, page string, ts timestamp, ms int64", partitions = "each",
  })
  :event_time("ts", { max_delay = "10s" })
clicks:select "user, ms":write("grown.csv", { mode = "append" })
clicks:select "page, ts":write("fresh.csv", { mode = "append" })
clicks:filter "ms > 50":select "page, ms":write("grown.ndjson.gz", { mode = "append" })
