-- As many.lua, of files that are complete at the end, each with a mark beside it.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
orders:select "id, ts, user":write("each/", { format = "csv", partition_by = "id", success = true })
