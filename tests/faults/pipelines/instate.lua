-- Tables in the state file: rows that are added, totals that change and go, one that takes the
-- place of another at the end, rows beside their table until they are audited, rows that SQLite
-- refuses.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:select "id, user, amount":write("state:orders", { mode = "append" })
orders:select "id, part = case(amount % 5 == 0, 0.0 / 0.0, float64(amount))"
  :write("state:refused", { mode = "append" })
orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)":filter "n % 3 > 0"
  :write("state:users")
local sums = orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
sums:write("state:sums", { mode = "replace" })
sums:write("state:held", { key = "item, window_end", audit = "all = sum(n) > 10" })
sums:write "sums.csv"
