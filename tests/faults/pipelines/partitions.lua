-- Directories by a column, in files that are complete when event time has passed them, and at the
-- end. `_SUCCESS` says of a directory that its files are.
local clicks = weir.read("part-*.csv", {
    schema = "user string, page string, ts timestamp, ms int64",
  })
  :event_time("ts", { max_delay = "10s" })
clicks:write("pages/", { format = "csv", partition_by = "page", roll = "6s", success = true })
clicks:derive "day = date(ts)"
  :write("days/", { format = "ndjson", compression = "gzip", partition_by = "day, user" })
