-- Writes that are audited: rows beside their tables until all have come, then into them at once.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:select "id, user, amount"
  :write("sqlite:kept.db", { table = "orders", mode = "append", audit = "some = count() > 10" })
orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)":filter "n % 3 > 0"
  :write("sqlite:kept.db", { table = "users", audit = "users = count() < 5" })
local sums = orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
sums:write("sqlite:kept.db", { table = "sums", mode = "replace", audit = "all = sum(n) > 10" })
sums:write("sums.csv", { audit = "all = sum(n) > 10" })
