-- NDJSON: count, sum and maximum by auction in windows of 10 s, rows up to 4 s late.
local bids = require("bids")
weir.read("bids.ndjson", { schema = bids.schema })
  :event_time("dateTime", { max_delay = "4s" })
  :window(weir.tumbling "10s")
  :group_by "auction"
  :agg "n = count(), total = sum(price), most = max(price)"
  :write("out.ndjson")
