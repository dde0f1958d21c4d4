-- Nexmark q13: bids with what a table says of them.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }
local side = weir.generate { rows = 10000, columns = "key = i - 1, value = string(i - 1)" }

bid
  :derive "key = auction % 10000"
  :lookup(side, { on = "key" })
  :select "auction, bidder, price, dateTime, value"
  :write "$out"
