-- The first of each, and the best few as they change.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:dedup("user, item", { within = "30s" }):select "id, user, item":write "firsts.ndjson"
orders:group_by "item":emit "update":top(2, "amount desc, id", { rank = "place" })
  :select "item, id, amount, place":changes():write "best.csv"
orders:dedup("user", { keep = "last" }):select "user, id":write "last.csv"
