-- A file that grows and is rotated: rows into a file, windows into a database.
local orders = weir.read("orders.ndjson", {
    follow = true, schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:select "id, user, amount":write("all.csv", { mode = "append" })
orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
  :write("sqlite:windows.db", { table = "windows", mode = "append" })
