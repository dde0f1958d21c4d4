-- A state that the script names, and a checkpoint behind each step.
weir.settings { state = "kept", checkpoint = "1ms" }
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:window(weir.hopping("40s", { every = "20s" })):group_by "user"
  :agg "n = count(), top = max(amount)":write "hopping.ndjson"
orders:group_by "item":emit "update":agg "n = count()":write("sqlite:items.db", { table = "items" })
