-- Nexmark q7: the highest bids of each ten seconds. A bid at the very end of a window that is as
-- high is one of them, as in the benchmark's SQL.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :window(weir.tumbling "10s")
  :agg "price = max(price)"
  :join(bid, { on = "price", within = { "window_start", "window_end" }, retain = "10s" })
  :select "auction, price, bidder, dateTime, extra"
  :write "$out"
