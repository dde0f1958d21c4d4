-- Nexmark q5: the auctions with the most bids in ten seconds, told every two seconds.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :window(weir.hopping("10s", { every = "2s" }))
  :group_by "auction"
  :agg "num = count()"
  :group_by "window_end"
  :top(1, "num desc", { ties = true })
  :select "auction, num"
  :write "$out"
