-- NDJSON, all fields: counts, sums and lengths, one row.
local bids = require("bids")
weir.read("bids.ndjson", { schema = bids.schema })
  :agg [[
    n        = count(),
    auctions = sum(auction),
    bidders  = sum(bidder),
    prices   = sum(price),
    bytes    = sum(#channel + #url + #extra),
    first    = min(dateTime),
    last     = max(dateTime),
  ]]
  :write("out.ndjson")
