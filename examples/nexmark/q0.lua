-- Nexmark q0: all bids, as they are. Columns that nobody reads (channel, url) are not made.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :select "auction, bidder, price, dateTime, extra"
  :write "$out"
