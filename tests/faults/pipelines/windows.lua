-- Windows that tumble, from NDJSON, with late rows beside them: two files and what was rejected.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64, price decimal(9,2)",
  })
  :filter "item ~= 'none'"
  :derive "net = amount * 2, tag = upper(item)"
  :event_time("ts", { max_delay = "2s" })
local minutes = orders:window(weir.tumbling "20s"):group_by "user"
  :agg "n = count(), sum = sum(amount), top = max(price), tags = list(tag)"
minutes:write "minutes.ndjson"
minutes:late():select "id, ts":write "late.csv"
orders:rejects():select "code, reason, position":write "rejects.csv"
