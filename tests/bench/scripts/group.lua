-- CSV: count, average and maximum by channel.
local bids = require("bids")
weir.read("bids.csv", { schema = bids.schema })
  :group_by "channel"
  :agg "n = count(), mean = avg(price), most = max(price)"
  :write("out.ndjson")
