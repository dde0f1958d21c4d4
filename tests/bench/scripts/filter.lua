-- NDJSON to NDJSON: the bids above a price.
local bids = require("bids")
weir.read("bids.ndjson", { schema = bids.schema })
  :filter "price > 1000000"
  :write("out.ndjson")
