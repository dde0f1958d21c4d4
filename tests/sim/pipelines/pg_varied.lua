-- Rows that may be others when they come again, into PostgreSQL tables without a key: what a life
-- wrote that the state never heard of is taken back, in tables beside too.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
  :derive "at = now()":filter "at > timestamp'2000-01-01'"
local shop = "postgres:db.shop/shop"
local rows = orders:select "id, user, amount"
rows:write(shop, { table = "rows", mode = "append" })
rows:filter "amount % 2 == 0":write(shop, { table = "even", mode = "append" })
rows:write(shop, { table = "kept", mode = "append", audit = "some = count() >= 0" })
orders:window(weir.tumbling "10s"):group_by "user":agg "n = count(), sum = sum(amount)"
  :write("postgres:db.other/app", { table = "sums", mode = "append" })
