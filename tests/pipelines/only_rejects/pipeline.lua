-- A script whose only outputs are rejects: the stages of the chain run for them.
local orders = weir.read("in.csv", { schema = "id int64, user string, amount int64, ts timestamp" })
  :event_time "ts"
  :expect "positive = amount > 0"
  :derive "share = 100 // (amount - 5)"
orders:rejects():select "stage, code, position":print { format = "csv" }
local hourly = orders:window(weir.tumbling "1h"):agg "n = sum(1 // (amount - 7))"
hourly:rejects():select "stage, code, row":write "hourly.ndjson"
hourly:late():select "id":write "late.csv"
