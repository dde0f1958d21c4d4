-- A file that grows: its rows into files that roll and into partitions, of which some stay open;
-- its rejects, which come as they are found, and in no other order.
local orders = weir.read("orders.ndjson", {
    follow = true, schema = "id string, ts timestamp, user string, item string, amount int64",
  })
orders:select "id, user, amount":write("rolled/", { format = "csv", roll = { rows = 7 } })
orders:derive "of = item, item = case(amount > 17, int64(user), 1)"
  :select "id, item, of":write("parts/", { format = "csv", partition_by = "of" })
weir.rejects():select "code, stage, detail":write("rejects.ndjson", { mode = "append" })
