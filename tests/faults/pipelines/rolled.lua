-- Parts by rows and by bytes, and a file of its own: in kills.py a reader takes away what is
-- complete between the lives of the run.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
orders:select "id, ts, amount":write("parts/", { format = "ndjson", roll = { rows = 7 } })
orders:select "id, user, item"
  :write("sizes/", { format = "csv", compression = "gzip", partition_by = "item",
    roll = { size = "100B" }, success = true })
orders:group_by "user":agg "n = count(), sum = sum(amount)":write "taken.csv"
