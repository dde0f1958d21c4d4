-- flags: --workers 2 --shards 3 --shard-seed {life}
-- Changes from shards, put into one order: totals into a table, the best of each item, and pairs.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local payments = weir.read("payments.csv", { schema = "id string, paid timestamp, cents int64" })
  :event_time("paid", { max_delay = "3s" })
orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)"
  :write("sqlite:out.db", { table = "totals" })
orders:group_by "item":emit "update":top(2, "amount desc, id", { rank = "place" })
  :select "item, id, amount, place":changes():write "best.csv"
orders:join(payments, { on = "id", within = "30s", prefix = "p_" })
  :select "id, user, p_cents":write("paid.ndjson", { mode = "append" })
