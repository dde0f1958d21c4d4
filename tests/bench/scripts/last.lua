-- NDJSON: the last bid of each bidder.
local bids = require("bids")
weir.read("bids.ndjson", { schema = bids.schema })
  :group_by "bidder"
  :agg "price = last(price), url = last(url), at = last(dateTime)"
  :write("out.ndjson")
