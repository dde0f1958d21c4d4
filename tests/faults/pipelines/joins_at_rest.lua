-- flags: --spill-bytes 1500
-- Joins whose rows rest in a scratch file: in time, for ever, of changes, and those that meet none.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local payments = weir.read("payments.csv", { schema = "id string, paid timestamp, cents int64" })
  :event_time("paid", { max_delay = "3s" })
orders:join(payments, { on = "id", within = "30s", prefix = "p_", how = "full" })
  :select "id, user, amount, p_cents":write("paid.ndjson", { mode = "append" })
orders:join(payments, { on = "id", prefix = "p_", how = "anti" }):select "id, amount"
  :write "unpaid.csv"
orders:group_by "id":emit "update":agg "total = sum(amount)"
  :join(payments, { on = "id", prefix = "p_", how = "left" })
  :write("sqlite:out.db", { table = "paid", key = "id, p_paid" })
