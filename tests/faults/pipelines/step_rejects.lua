-- flags: --workers 3 --shards 2 --shard-seed {life}
-- Rejects of one file leave while it is read, also those of shards that work in other threads: in
-- the same order in each life.
local orders = weir.read("orders.ndjson", {
  schema = "id string, ts timestamp, user string, item string, amount int64",
})
orders:group_by "user":emit "update":agg "n = count(), most = max(100 // (amount % 5))"
  :write("sqlite:out.db", { table = "users" })
orders:derive "part = 100 // (amount % 7)":write "parts.csv"
weir.rejects():select "stage, code, position":write "rejects.csv"
weir.rejects():group_by "stage, code":emit "update":agg "n = count(), last = last(position)"
  :changes():write "kinds.csv"
