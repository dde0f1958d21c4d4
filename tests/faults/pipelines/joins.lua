-- Orders and payments near each other in time, and those that are never paid.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local payments = weir.read("payments.csv", { schema = "id string, paid timestamp, cents int64" })
  :event_time("paid", { max_delay = "3s" })
orders:join(payments, { on = "id", within = "30s", prefix = "p_", how = "left" })
  :select "id, user, amount, p_cents":write "paid.ndjson"
orders:join(payments, { on = "id", within = { "-1s", "9s" }, how = "anti" })
  :select "id":write "unpaid.csv"
