-- Files that roll by rows, bytes and event time: which row is in which file depends on no batch.
local events = weir.generate {
  rows = 60,
  columns = "i = i, k = case(i % 3 == 0, 'a', 'b'), ts = timestamp(1700000000 + i * 7 % 50, 's')",
}
events:drop "ts":write("rows/", { format = "csv", roll = { rows = 25 } })
events:select "i, text = ('x'):rep(i % 5)":write("size/", { format = "csv", roll = { size = 120 } })
events
  :event_time("ts", { max_delay = "20s" })
  :write("time/", { format = "ndjson", partition_by = "k", roll = { every = "10s", rows = 12 } })
