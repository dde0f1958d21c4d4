-- One result into a file, a directory and two databases at once.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local sums = orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
sums:write "sums.csv"
sums:write("items/", { format = "csv", partition_by = "item" })
sums:write("sqlite:one.db", { table = "sums", mode = "append" })
sums:write("sqlite:two.db", { table = "sums", mode = "upsert", key = "window_start, item" })
