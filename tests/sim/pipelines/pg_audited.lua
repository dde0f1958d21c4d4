-- Writes that are audited, into tables that have rows already; tables that are replaced; others.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local shop = "postgres:db.shop/shop"
orders:select "id, user, amount"
  :write(shop, { table = "kept", mode = "append", audit = "some = count() > 10" })
orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)":filter "n % 3 > 0"
  :write(shop, { table = "users", audit = "users = count() < 5" })
orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
  :write(shop, { table = "sums", mode = "replace", audit = "all = sum(n) > 10" })
orders:select "item, amount":write(shop, { table = "amounts", mode = "replace" })
orders:select "id, amount":write(shop, { table = "beside", mode = "append" })
