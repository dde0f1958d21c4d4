-- Nexmark q1: prices in another currency, exact to the third digit.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :select "auction, bidder, price = price * decimal'0.908', dateTime, extra"
  :write "$out"
