-- Rows and windows into two tables of one PostgreSQL database, in one transaction an epoch.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local shop = "postgres:db.shop:5432/shop"
orders:select "id, ts, user, amount":write(shop, { table = "orders", mode = "append" })
orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
  :write(shop, { table = "sales.windows", mode = "append" })
