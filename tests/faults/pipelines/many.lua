-- More directories than are synced one by one: the rest is left to the file system. Each row is two
-- files that are complete, more of them in a step than get their names one by one.
weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :flat_map("half int64, id string, amount int64", function(e, emit)
    emit(1, e.id, e.amount)
    emit(2, e.id, e.amount)
  end)
  :write("many/", { format = "ndjson", partition_by = "half, id", roll = { rows = 1 } })
