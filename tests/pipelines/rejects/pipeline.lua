-- test: args --rejects all.ndjson --max-bad 7
-- Every way in which a row leaves: the code says why, nothing is lost.
local rows = weir.read("in.csv", { schema = "id int64, amount int64, ts timestamp, note string" })
local checked = rows
  :event_time "ts"
  :derive "share = 100 // amount"
  :expect "positive = amount > 0, small = amount < 75"
checked:select "id, share":write "good.csv"
checked:rejects():select "stage, code, reason, detail":print { format = "csv" }
checked:rejects():group_by "code, reason":agg "n = count()":sort "code, reason":write "by_code.csv"
