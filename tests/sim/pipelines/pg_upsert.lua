-- Changelogs into tables by key, of which one takes rows back, and one has a nil in its key.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)":filter "n % 3 > 0"
  :write("postgres:db.shop/shop", { table = "users" })
orders:derive "what = case(item == 'none', nil, item)":group_by "what":emit "update"
  :agg "n = count(), last = max(ts)":write("postgres:db.shop/shop", { table = "items" })
