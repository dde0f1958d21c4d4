-- Files whose rows wait for an audit of all of them: that are appended, compressed ones too, that
-- roll, and that are added to directories.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local some = "some = count() > 10"
orders:select "user, ms = amount":write("grown.csv", { mode = "append", audit = some })
orders:select "page = item, ms = amount"
  :write("grown.ndjson.gz", { mode = "append", audit = some })
orders:select "id":write("new.csv", { mode = "append", audit = some })
orders:write("rolled/", { format = "csv", roll = { rows = 9, every = "20s" }, audit = some })
orders:write("users/", { format = "csv", mode = "append", partition_by = "user",
    roll = { rows = 12 }, audit = some })
