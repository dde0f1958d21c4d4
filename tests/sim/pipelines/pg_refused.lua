-- Rows that the server refuses: a key that is there, a check, a text that is too long, a number.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:derive "small = amount * 3000":select "id, small, name = rep(user, amount % 4)"
  :write("postgres:db.shop/shop", { table = "strict", mode = "append" })
orders:derive "small = amount * 3000":select "id, small, name = rep(user, amount % 4)"
  :write("postgres:db.shop/shop", { table = "strict_too", mode = "upsert", key = "id" })
weir.rejects():write "refused.ndjson"
