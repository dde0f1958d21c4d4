-- Nexmark q10: bids in files, in a directory for each minute of event time. A minute is complete,
-- and says so by a file `_SUCCESS`, when the frontier is a minute behind its last bid.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'bids/'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :select "auction, bidder, price, dateTime, extra"
  :write("$out", {
    partition_by = "dt = format_time(dateTime, '%Y-%m-%d'), hm = format_time(dateTime, '%H:%M')",
    format = "csv", roll = "1m", success = true,
  })
