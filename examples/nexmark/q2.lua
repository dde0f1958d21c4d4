-- Nexmark q2: bids for some auctions.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :filter "auction % 123 == 0"
  :select "auction, price"
  :write "$out"
